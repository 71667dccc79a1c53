//! Untrusted text on its way to a terminal: no control characters, no escape sequences, no invisible reordering.

/// The text on one line: line breaks and tabs become spaces, what moves the cursor or reorders text is left out.
pub fn clean_line(text: &str) -> String {
    let clean: String = without_escapes(text)
        .chars()
        .map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c })
        .filter(|c| shown(*c))
        .collect();
    clean.trim().to_owned()
}

/// The text with its line breaks and tabs; otherwise as [`clean_line`].
pub fn clean_text(text: &str) -> String {
    let text = without_escapes(text).replace("\r\n", "\n");
    text.chars().filter(|c| matches!(c, '\n' | '\t') || shown(*c)).collect()
}

/// The clean line, cut to at most `limit` characters with `…` at the cut.
pub fn short(text: &str, limit: usize) -> String {
    let line = clean_line(text.chars().take(limit.saturating_mul(4) + 64).collect::<String>().as_str());
    if line.chars().count() <= limit {
        return line;
    }
    let mut cut: String = line.chars().take(limit.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

fn shown(c: char) -> bool {
    let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !reorders && c != '\u{feff}'
}

/// Leaves out whole escape sequences, so that their parameters do not stay behind as text.
fn without_escapes(text: &str) -> String {
    if !text.contains(['\u{1b}', '\u{9b}', '\u{9d}', '\u{90}']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let kind = match c {
            '\u{1b}' => match chars.peek() {
                Some('[') => {
                    chars.next();
                    Some('[')
                }
                Some(']' | 'P' | '^' | '_' | 'X') => {
                    chars.next();
                    Some(']')
                }
                Some(' '..='~') => {
                    chars.next();
                    None
                }
                _ => None,
            },
            '\u{9b}' => Some('['),
            '\u{9d}' | '\u{90}' => Some(']'),
            other => {
                out.push(other);
                None
            }
        };
        match kind {
            Some('[') => while chars.next_if(|c| matches!(c, '\u{20}'..='\u{3f}')).is_some() {},
            Some(_) => {
                // A string sequence ends with BEL or ST; one that never ends takes no line with it.
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    if c == '\u{7}' || c == '\u{9c}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
                continue;
            }
            None => continue,
        }
        chars.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        let table = [
            ("plain 認証 \"q\" $(x) ${y}", "plain 認証 \"q\" $(x) ${y}"),
            ("a\u{1b}[31mred\u{1b}[0m b", "ared b"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]8;;http://x\u{1b}\\link", "alink"),
            ("\u{1b}]never ends", ""),
            ("line\r\nnext\ttab", "line  next tab"),
            ("bell\u{7} back\u{8} nul\0", "bell back nul"),
            ("rtl \u{202e}abc\u{2066}", "rtl abc"),
            ("\u{9b}2Jcsi", "csi"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
        ];
        for (text, expected) in table {
            assert_eq!(clean_line(text), expected, "{text:?}");
        }
        assert_eq!(clean_text("a\r\n\tb\u{1b}[2Jc\r"), "a\n\tbc");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(short("認証を追加する", 7), "認証を追加する");
        assert_eq!(short("認証を追加する", 4), "認証を…");
        assert_eq!(short(&"長".repeat(1_000_000), 3), "長長…");
        assert_eq!(short("abc", 0), "…");
    }
}
