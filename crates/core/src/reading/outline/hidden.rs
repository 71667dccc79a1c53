//! What a forge does not show, and what it shows as it is: HTML comments and code blocks.

use super::line::fence;

/// The text without HTML comments, which forges do not show; code blocks are kept as they are.
pub(crate) fn visible(markdown: &str) -> String {
    let mut comments = Comments::of(markdown);
    let mut visible = String::with_capacity(markdown.len());
    let mut open: Option<(char, usize)> = None;
    let mut offset = 0;
    for line in markdown.split_inclusive('\n') {
        let shown = if open.is_some() { line.to_owned() } else { comments.strip(line, offset) };
        open = after_line(open, shown.trim());
        visible.push_str(&shown);
        offset += line.len();
    }
    visible
}

/// The mark of the code block that we are in after this line.
pub(super) fn after_line(open: Option<(char, usize)>, trimmed: &str) -> Option<(char, usize)> {
    let found = fence(trimmed);
    match (open, found) {
        (None, found) => found,
        (Some((mark, at_least)), Some((closing, length)))
            if mark == closing && length >= at_least && trimmed.chars().all(|c| c == mark) =>
        {
            None
        }
        (open, _) => open,
    }
}

/// Takes out `<!-- … -->`, over several lines too. One that never ends is text.
pub(super) struct Comments {
    open: bool,
    /// Where the last end of a comment begins in the whole text.
    last_end: usize,
}

impl Comments {
    pub(super) fn of(markdown: &str) -> Self {
        Self { open: false, last_end: markdown.rfind("-->").unwrap_or(0) }
    }

    pub(super) fn strip(&mut self, line: &str, offset: usize) -> String {
        let mut shown = String::with_capacity(line.len());
        let mut rest = line;
        loop {
            if self.open {
                let Some((_, after)) = rest.split_once("-->") else { return shown };
                self.open = false;
                rest = after;
            }
            match rest.split_once("<!--") {
                Some((before, after)) if offset + line.len() - after.len() <= self.last_end => {
                    shown.push_str(before);
                    self.open = true;
                    rest = after;
                }
                _ => {
                    shown.push_str(rest);
                    return shown;
                }
            }
        }
    }
}
