//! Keeping findings within bounds: text by characters, lists by number.

use std::path::Path;

use miyabi_core::report::{CheckKind, Finding, Severity};

/// At most so many characters of what a tool said.
const MESSAGE_CHARS: usize = 4_000;
/// At most so many findings of one check; the rest is counted in one more.
const PER_CHECK: usize = 200;

/// A finding whose message keeps its first 4,000 characters.
pub(crate) fn finding(check: CheckKind, severity: Severity, rule: &str, message: &str) -> Finding {
    Finding {
        check,
        severity,
        rule: cut(rule, 300),
        message: cut(message.trim_end(), MESSAGE_CHARS),
        file: None,
        line: None,
    }
}

/// The first `limit` characters; the last of them is `…` where something was cut off.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// At most 200 findings; a last one counts those that were left out.
pub(crate) fn bounded(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.len() > PER_CHECK {
        let left_out = findings.len() - PER_CHECK;
        findings.truncate(PER_CHECK);
        if let Some(last) = findings.last() {
            let check = last.check;
            let severity = last.severity;
            findings.push(finding(
                check,
                severity,
                "miyabi::more",
                &format!("{left_out} more findings are not listed"),
            ));
        }
    }
    findings
}

/// A path as the tool wrote it, relative to the root where it lies inside.
pub(crate) fn relative(path: &str, root: &Path) -> String {
    match Path::new(path).strip_prefix(root) {
        Ok(inside) => inside.to_string_lossy().into_owned(),
        Err(_) => path.trim_start_matches("./").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_characters() {
        assert_eq!(cut("雅雅雅", 3), "雅雅雅");
        assert_eq!(cut("雅雅雅雅", 3), "雅雅…");
        assert_eq!(
            finding(CheckKind::Lint, Severity::Low, "r", &"雅".repeat(5000)).message.chars().count(),
            4000
        );
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let many = vec![finding(CheckKind::Lint, Severity::Low, "r", "m"); 1_000];
        let kept = bounded(many);
        assert_eq!(kept.len(), 201);
        assert_eq!(kept.last().map(|last| last.message.as_str()), Some("800 more findings are not listed"));
    }

    #[test]
    fn paths_inside_the_root_become_relative() {
        assert_eq!(relative("/w/src/雅.rs", Path::new("/w")), "src/雅.rs");
        assert_eq!(relative("src/lib.rs", Path::new("/w")), "src/lib.rs");
        assert_eq!(relative("./src/lib.rs", Path::new("/w")), "src/lib.rs");
        assert_eq!(relative("/other/lib.rs", Path::new("/w")), "/other/lib.rs");
    }
}
