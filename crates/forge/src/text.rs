//! What holds for the text of every forge: titles of one line, bodies that fit.

/// The words of a text that must be one line, with single spaces between them.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text with at most `limit` characters; what is cut is said so at its end.
///
/// A code block that the cut would leave open is closed, so that what follows is not swallowed by it.
pub(crate) fn fit(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let note = "\n\n… (shortened: the whole text is in the report of the run)";
    let fence = "\n```";
    let room = limit.saturating_sub(note.chars().count() + fence.chars().count());
    let mut kept: String = text.chars().take(room).collect();
    kept.truncate(kept.trim_end().len());
    let fences = kept.lines().filter(|line| line.trim_start().starts_with("```")).count();
    if fences % 2 == 1 {
        kept.push_str(fence);
    }
    kept.push_str(note);
    kept
}

/// The same for a limit of bytes.
pub(crate) fn fit_bytes(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut chars = text.chars().count().min(limit);
    loop {
        let cut = fit(text, chars);
        if cut.len() <= limit || chars == 0 {
            return cut;
        }
        // Most characters that take several bytes take three.
        chars -= ((cut.len() - limit) / 4).max(1).min(chars);
    }
}

/// The first `limit` characters of a text as one line, for messages.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let line = one_line(text);
    match line.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", line.split_at(at).0),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_one_line() {
        assert_eq!(one_line(" feat:\u{3000}認証\n\nx\t"), "feat: 認証 x");
        assert_eq!(one_line(" \n"), "");
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(fit("報告\n", 3), "報告\n");
        assert_eq!(fit("", 0), "");
    }

    #[test]
    fn what_is_cut_says_so_and_closes_its_code() {
        let text = format!("```\n{}\n```\n", "報".repeat(200));
        let cut = fit(&text, 100);
        assert_eq!(
            cut,
            format!(
                "```\n{}\n```\n\n… (shortened: the whole text is in the report of the run)",
                "報".repeat(33)
            )
        );
        assert_eq!(cut.chars().count(), 100);
        let plain = fit(&"a".repeat(101), 100);
        assert_eq!(
            plain,
            format!("{}\n\n… (shortened: the whole text is in the report of the run)", "a".repeat(37))
        );
    }

    #[test]
    fn what_is_cut_by_bytes_is_cut_between_characters() {
        assert_eq!(fit_bytes("報告", 6), "報告");
        for text in ["報".repeat(40_000), format!("{}{}", "a".repeat(60_000), "🔐".repeat(9_000))] {
            let cut = fit_bytes(&text, 65_535);
            assert!(cut.len() <= 65_535 && cut.len() > 65_000, "{}", cut.len());
            assert!(cut.ends_with("in the report of the run)"));
            assert_eq!(fit_bytes(&cut, 65_535), cut);
        }
    }

    #[test]
    fn excerpts_are_short_lines() {
        assert_eq!(excerpt("検証\n失敗", 3), "検証 …");
        assert_eq!(excerpt("検証", 2), "検証");
    }
}
