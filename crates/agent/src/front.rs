//! Front matter: the block between two lines `---` at the beginning of a Markdown file.

/// The block and the text below it; none where the file does not begin with one. Ends of lines become LF.
pub(crate) fn split(source: &str) -> Option<(String, String)> {
    let source = source.strip_prefix('\u{FEFF}').unwrap_or(source).replace("\r\n", "\n");
    let rest = source.strip_prefix("---\n")?;
    let (front, text) = match rest.split_once("\n---\n") {
        Some((front, text)) => (front, text),
        // Nothing below, or nothing in it.
        None => match rest.strip_suffix("\n---") {
            Some(front) => (front, ""),
            None => ("", rest.strip_prefix("---\n")?),
        },
    };
    Some((front.to_owned(), text.to_owned()))
}

/// Whether this can name an agent or a skill: one plain word, never a path.
pub(crate) fn is_id(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.chars().count() <= 100 && !name.starts_with('.') && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_cut_off() {
        let split = |source: &str| split(source);
        let some = |front: &str, text: &str| Some((front.to_owned(), text.to_owned()));
        assert_eq!(split("---\na: b\n---\ntext\n---\nmore"), some("a: b", "text\n---\nmore"));
        assert_eq!(split("\u{FEFF}---\r\na: b\r\n---\r\n\r\ntext\r\n"), some("a: b", "\ntext\n"));
        assert_eq!(split("---\na: b\n---"), some("a: b", ""));
        assert_eq!(split("---\n---\ntext"), some("", "text"));
        assert_eq!(split("text\n---\na: b\n---\n"), None);
        assert_eq!(split("---\na: b\n"), None);
        assert_eq!(split(""), None);
    }

    #[test]
    fn names_are_plain_words() {
        for good in ["pr-analyzer", "e2e_tester", "検査", "v1.2"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", ".", "..", "../x", "a/b", "a b", ".hidden", "a\nb"] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
