//! LCOV trace files: lines that tests could reach and did reach.
//! Source: the format section of the manual page `geninfo(1)`.

use std::path::Path;

use miyabi_core::report::Coverage;

use super::ReadError;
use super::lines::Lines;

/// Sums the lines of all files below `root`; a file that appears twice counts once, a line as its best count.
/// Errors: `Shape` when no record ends, so an empty or foreign file is not taken for full or no coverage.
pub fn read(report: &[u8], root: &Path) -> Result<Coverage, ReadError> {
    let text = String::from_utf8_lossy(report);
    let mut lines = Lines::default();
    let mut current = None;
    let mut records = 0_u64;
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            current = inside(path, root).then_some(path);
        } else if line == "end_of_record" {
            records += 1;
            current = None;
        } else if let (Some(path), Some(data)) = (current, line.strip_prefix("DA:"))
            && let Some((number, ran)) = line_data(data)
        {
            lines.see(path, number, ran);
        }
    }
    if records == 0 {
        return Err(ReadError::Shape { what: "the LCOV report", detail: "it holds no record".to_owned() });
    }
    Ok(lines.coverage())
}

fn inside(path: &str, root: &Path) -> bool {
    let path = Path::new(path);
    path.is_relative() || path.starts_with(root)
}

/// `<line>,<count>[,<checksum>]` as line number and whether it ran.
fn line_data(data: &str) -> Option<(u64, bool)> {
    let mut parts = data.split(',');
    let number = parts.next()?.parse().ok()?;
    // Counts beyond 64 bits and negative ones have been seen in the wild; only zero means that it did not run.
    let count = parts.next()?;
    Some((number, count != "0" && !count.starts_with('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_inside_the_root_are_summed() {
        // The first record as cargo-llvm-cov 0.9.1 wrote it.
        let report = "SF:/w/src/lib.rs\nFN:8,_RNvNtCs\nFNDA:1,_RNvNtCs\nFNF:1\nFNH:1\nDA:1,1\nDA:2,1\nDA:3,0\nDA:4,1\n\
                      BRF:0\nBRH:0\nLF:4\nLH:3\nend_of_record\n\
                      SF:/w/src/雅.rs\nDA:1,0\nDA:2,18446744073709551616\nDA:bad\nend_of_record\n\
                      SF:/w/src/雅.rs\nDA:1,5\nend_of_record\n\
                      SF:/elsewhere/dep.rs\nDA:1,0\nend_of_record";
        assert_eq!(
            read(report.as_bytes(), Path::new("/w")).expect("works"),
            Coverage { lines: 6, covered: 5 }
        );
    }

    #[test]
    fn a_file_without_records_is_refused() {
        let error = read(b"<html>", Path::new("/w")).expect_err("is refused");
        assert_eq!(error.to_string(), "the LCOV report cannot be read: it holds no record");
    }
}
