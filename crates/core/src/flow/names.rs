//! How text from a flow file is shown in messages.

/// The text on one line, at most 60 characters of it, with everything that a terminal would act on escaped.
pub(super) fn shown(text: &str) -> String {
    safe(text, 60)
}

/// The path on one line in the same way, and whole: editors open it.
pub(super) fn shown_path(path: &str) -> String {
    safe(path, 4096)
}

fn safe(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == limit {
            out.push('…');
            break;
        }
        match c {
            // Escapes control characters and leaves quotes and backslashes alone.
            _ if c.is_control()
                || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}') =>
            {
                out.extend(c.escape_default());
            }
            _ => out.push(c),
        }
    }
    out
}

/// The words in backticks, with commas and `or` between them.
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_on_one_safe_line() {
        assert_eq!(shown("検査 \"x\" $(y)"), "検査 \"x\" $(y)");
        assert_eq!(shown("a\n\u{1b}[2J\u{202E}"), "a\\n\\u{1b}[2J\\u{202e}");
        assert_eq!(shown(&"あ".repeat(61)), format!("{}…", "あ".repeat(60)));
    }

    #[test]
    fn words_are_listed() {
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
