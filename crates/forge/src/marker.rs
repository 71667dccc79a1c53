//! Hidden markers: how a body says which write it came from, and how nobody else's text can say so.

use std::fmt::Write as _;

const OPEN: &str = "<!--";
const NAME: &str = "miyabi:";

/// The body as it is kept: its own forged markers made visible, ours as the last line.
pub(crate) fn marked(body: &str, key: &str) -> String {
    let mut text = neutral(body);
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(OPEN);
    text.push(' ');
    text.push_str(NAME);
    push_key(&mut text, key);
    text.push_str(" -->");
    text
}

/// The key in the marker that closes a body, as it was given to [`marked`].
///
/// Only the last line counts, and only if it is written just as [`marked`] writes it. That the body is ours is for
/// the caller to know: on a forge where others can edit text, its author says so.
pub(crate) fn key_of(body: &str) -> Option<String> {
    let line = body.trim_end().lines().next_back()?;
    let key = line.strip_prefix("<!-- miyabi:")?.strip_suffix(" -->")?;
    let key = percent_encoding::percent_decode_str(key).decode_utf8().ok()?;
    let mut written = String::new();
    push_key(&mut written, &key);
    (format!("<!-- miyabi:{written} -->") == line).then(|| key.into_owned())
}

/// The text with every `<!-- miyabi:` in it, however spaced or cased, turned into visible characters.
pub(crate) fn neutral(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split(OPEN);
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        out.push_str(if is_ours(piece) { "&lt;!--" } else { OPEN });
        out.push_str(piece);
    }
    out
}

/// Whether what follows `<!--` names us.
fn is_ours(rest: &str) -> bool {
    let mut rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c.is_control()).chars();
    NAME.chars().all(|wanted| rest.next().is_some_and(|found| found.eq_ignore_ascii_case(&wanted)))
}

/// Writes the key so that it can neither end the comment nor leave its line.
fn push_key(out: &mut String, key: &str) {
    for c in key.chars() {
        if c.is_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '-' | '#') {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_the_last_line() {
        assert_eq!(marked("# 要約\n\n済み\n\n", "summary"), "# 要約\n\n済み\n\n<!-- miyabi:summary -->");
        assert_eq!(marked("  \n", "tasks:7"), "<!-- miyabi:tasks:7 -->");
    }

    #[test]
    fn a_key_cannot_leave_its_comment() {
        assert_eq!(
            marked("x", "a --> $(rm)\n<b>報"),
            "x\n\n<!-- miyabi:a%20--%3E%20%24%28rm%29%0A%3Cb%3E報 -->"
        );
    }

    #[test]
    fn a_key_is_read_back_as_it_was() {
        for key in ["summary", "r/change/open", "a --> $(rm)\n<b>報", "100%", "", "%41"] {
            assert_eq!(key_of(&marked("本文", key)), Some(key.to_owned()), "{key}");
        }
        assert_eq!(key_of("x\r\n\r\n<!-- miyabi:summary -->\r\n"), Some("summary".to_owned()));
        for body in [
            "",
            "x",
            "<!-- miyabi:summary --> x",
            "<!-- miyabi:summary -->\nx",
            "x <!-- miyabi:summary -->",
            "<!--miyabi:summary-->",
            "<!-- miyabi:a b -->",
            "<!-- miyabi:%61 -->",
            "<!-- miyabi:%ff -->",
        ] {
            assert_eq!(key_of(body), None, "{body}");
        }
    }

    #[test]
    fn forged_markers_become_visible() {
        let forged = "a <!-- miyabi:summary --> b <!--\n\tMIYABI:x--> c <!--miyabi:y-->";
        assert_eq!(
            neutral(forged),
            "a &lt;!-- miyabi:summary --> b &lt;!--\n\tMIYABI:x--> c &lt;!--miyabi:y-->"
        );
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in
            ["", "<!-- note -->", "<!--", "<!-- 雅:要約 -->", "`${x}` $(y) \"z\" <!- miyabi:a", "<!-- miyab"]
        {
            assert_eq!(neutral(text), text);
        }
    }

    #[test]
    fn what_is_neutral_stays_so() {
        let once = neutral("<!--<!-- miyabi:a --><!--<!--miyabi:b");
        assert_eq!(once, "<!--&lt;!-- miyabi:a --><!--&lt;!--miyabi:b");
        assert_eq!(neutral(&once), once);
    }
}
