//! Lines that a patch adds, read from `git diff-tree -p -U0` as it streams by.

use miyabi_core::ports::AddedLine;

/// Longest text of a line, in characters.
const LONGEST: usize = 4_000;
/// Bytes of a line that are kept: enough for the longest text in any script.
const KEPT: usize = LONGEST * 4;

/// Reads a patch piece by piece. Hunks are followed by their counts, so no line of a file is ever taken for a header.
#[derive(Debug)]
pub(crate) struct AddedLines {
    limit: usize,
    lines: Vec<AddedLine>,
    file: Option<String>,
    /// Lines that the current hunk still removes and adds.
    left: (u64, u64),
    next: u64,
    /// The line that has begun, cut at what is kept.
    begun: Vec<u8>,
}

impl AddedLines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, lines: Vec::new(), file: None, left: (0, 0), next: 0, begun: Vec::new() }
    }

    /// Takes the next piece of the patch; false once there are enough lines.
    pub(crate) fn take(&mut self, piece: &[u8]) -> bool {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.lines.len() >= self.limit {
                return false;
            }
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            let room = KEPT.saturating_sub(self.begun.len());
            self.begun.extend(text.iter().take(room));
            if ends {
                let line = std::mem::take(&mut self.begun);
                self.line(&line);
            }
        }
        self.lines.len() < self.limit
    }

    /// The lines, at most as many as wanted.
    pub(crate) fn finish(self) -> Vec<AddedLine> {
        self.lines
    }

    fn line(&mut self, line: &[u8]) {
        if self.left != (0, 0) {
            match line.split_first() {
                Some((b'+', text)) => self.added(text),
                Some((b'-', _)) => self.left.0 = self.left.0.saturating_sub(1),
                // `\ No newline at end of file` belongs to the line before.
                _ => {}
            }
        } else if line.starts_with(b"diff --git ") {
            self.file = None;
        } else if let Some(name) = line.strip_prefix(b"+++ ") {
            self.file = new_name(name);
        } else if let Some((removed, start, added)) = line.strip_prefix(b"@@ -").and_then(hunk) {
            self.left = (removed, added);
            self.next = start;
        }
    }

    fn added(&mut self, text: &[u8]) {
        if let Some(file) = &self.file {
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let text = String::from_utf8_lossy(text).chars().take(LONGEST).collect();
            self.lines.push(AddedLine { file: file.clone(), line: self.next, text });
        }
        self.next += 1;
        self.left.1 = self.left.1.saturating_sub(1);
    }
}

/// Count of removed lines, first added line and count of added lines of `3,2 +3,4 @@ context`.
fn hunk(rest: &[u8]) -> Option<(u64, u64, u64)> {
    let text = String::from_utf8_lossy(rest);
    let (ranges, _) = text.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |range: &str| -> Option<(u64, u64)> {
        match range.split_once(',') {
            Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
            None => Some((range.parse().ok()?, 1)),
        }
    };
    let ((_, removed), (start, added)) = (range(old)?, range(new)?);
    Some((removed, start, added))
}

/// The path of `b/src/main.rs`, quoted or not; none for a file that is gone.
fn new_name(name: &[u8]) -> Option<String> {
    // Git puts a tab behind a name with spaces.
    let name = name.strip_suffix(b"\t").unwrap_or(name);
    let plain = match name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")) {
        Some(quoted) => unquote(quoted),
        None => name.to_vec(),
    };
    let path = plain.strip_prefix(b"b/")?;
    Some(String::from_utf8_lossy(path).into_owned())
}

/// Undoes git's quoting in the manner of C.
fn unquote(quoted: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        match bytes.next() {
            Some(digit @ b'0'..=b'7') => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    if let Some(next @ b'0'..=b'7') = bytes.peek().copied() {
                        value = value * 8 + u32::from(next - b'0');
                        bytes.next();
                    }
                }
                plain.push(u8::try_from(value).unwrap_or(b'?'));
            }
            Some(letter) => plain.push(match letter {
                b'a' => 7,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                other => other,
            }),
            None => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(patch: &str, limit: usize, piece: usize) -> Vec<(String, u64, String)> {
        let mut lines = AddedLines::new(limit);
        for piece in patch.as_bytes().chunks(piece) {
            if !lines.take(piece) {
                break;
            }
        }
        lines.finish().into_iter().map(|line| (line.file, line.line, line.text)).collect()
    }

    const PATCH: &str = "diff --git a/a b/a\nindex ee6df65..2acad0a 100644\n--- a/a\n+++ b/a\n\
        @@ -2 +2,2 @@ fn x() {\n-1\n++++ b/other\n+@@ -1 +1 @@\n@@ -9,2 +10,0 @@\n-diff --git a/x b/x\n-y\n\
        diff --git \"a/q\\\"\\n\\346\\227\\245\" \"b/q\\\"\\n\\346\\227\\245\"\nnew file mode 100644\n--- /dev/null\n\
        +++ \"b/q\\\"\\n\\346\\227\\245\"\n@@ -0,0 +1 @@\n+日本 $(x)\r\n\\ No newline at end of file\n\
        diff --git a/bin b/bin\nBinary files a/bin and b/bin differ\n\
        diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
        diff --git a/with space b/with space\n--- a/with space\t\n+++ b/with space\t\n@@ -0,0 +7 @@\n+end\n";

    #[test]
    fn every_added_line_has_its_file_and_number_whatever_it_says() {
        let expected = [
            ("a", 2, "+++ b/other"),
            ("a", 3, "@@ -1 +1 @@"),
            ("q\"\n日", 1, "日本 $(x)"),
            ("with space", 7, "end"),
        ]
        .map(|(file, line, text)| (file.to_owned(), line, text.to_owned()));
        for piece in [1, 7, 10_000] {
            assert_eq!(read(PATCH, 100, piece), expected, "in pieces of {piece}");
        }
        assert_eq!(read(PATCH, 2, 10_000), expected[..2]);
        assert_eq!(read(PATCH, 0, 10_000), []);
    }

    #[test]
    fn long_lines_are_cut_by_characters() {
        let long = "日".repeat(1_000_000);
        let patch = format!("diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -0,0 +1,2 @@\n+{long}\n+next\n");
        let lines = read(&patch, 100, 4096);
        assert_eq!(lines[0].2, "日".repeat(4_000));
        assert_eq!(lines[1], ("a".to_owned(), 2, "next".to_owned()));
    }
}
