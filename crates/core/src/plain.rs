//! Untrusted text made safe to stand in our own: one line, of limited length, without notifying or closing anything.
//!
//! What is safe depends on where it stands, so there is one function for each place. Nothing here redacts secrets.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Stands between characters that a forge would otherwise read as a command; takes no room on screen.
const BREAK: char = '\u{200B}';

/// The text on one line: control and direction characters go, white space becomes single spaces, and what is longer
/// than `limit` characters ends with `…`.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut gap = false;
    for character in text.chars() {
        if character.is_whitespace() || character.is_control() {
            gap = !line.is_empty();
            continue;
        }
        if is_invisible(character) {
            continue;
        }
        let width = 1 + usize::from(gap);
        if length + width > limit {
            if length >= limit {
                line.pop();
            }
            line.push('…');
            return line;
        }
        if std::mem::take(&mut gap) {
            line.push(' ');
        }
        line.push(character);
        length += width;
    }
    line
}

/// Characters that change how others are read without being seen themselves.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}'
    )
}

/// The text with mentions, closing keywords and hidden comments taken apart; what is seen stays the same.
pub fn quiet(text: &str) -> String {
    static LOUD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?ix)
            (?P<mention> (?:^|[^A-Za-z0-9]) @ ) [\p{Alphabetic}\d_]
            | (?P<keyword> (?:^|[^A-Za-z0-9]) (?: clos(?:e[sd]?|ing) | fix(?:e[sd]|ing)? | resolv(?:e[sd]?|ing) | implement(?:s|ed|ing)? ) )
              :? \s+ (?: issues?\s+ )? (?: [\w.-]+/[\w.-]+ )? (?: \# | gh- | https?:// )
            | (?P<hidden> < ) !--",
        )
        .expect("the pattern is constant and tested")
    });
    let mut quiet = String::with_capacity(text.len());
    let mut rest = text;
    // Searching on from the break, not from the end of the match, finds a mention that follows a keyword at once.
    while let Some(found) = LOUD.captures(rest) {
        let part = found.name("mention").or(found.name("keyword")).or(found.name("hidden"));
        let end = part.map_or(0, |part| part.end());
        let (head, tail) = rest.split_at(end);
        // A keyword is broken inside, because its reference may be a link that must stay one.
        if found.name("keyword").is_some() {
            let mut letters = head.chars();
            let last = letters.next_back();
            quiet.push_str(letters.as_str());
            quiet.push(BREAK);
            quiet.extend(last);
        } else {
            quiet.push_str(head);
            quiet.push(BREAK);
        }
        rest = tail;
    }
    quiet.push_str(rest);
    quiet
}

/// One line that Markdown shows as it is, also inside a table cell: no markup, image, link, mention or HTML.
pub fn literal(text: &str, limit: usize) -> String {
    let line = one_line(text, limit);
    let mut escaped = String::with_capacity(line.len() + 8);
    for character in quiet(&line).chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    // At the start of a line these begin a heading, a list or a quotation.
    if escaped.starts_with(['#', '-', '+', '=']) {
        escaped.insert(0, '\\');
    } else {
        let digits = escaped.chars().take_while(char::is_ascii_digit).count();
        if digits > 0 && escaped.chars().nth(digits).is_some_and(|after| after == '.' || after == ')') {
            // Digits are one byte each.
            escaped.insert(digits, '\\');
        }
    }
    escaped
}

/// One line as inline code.
pub fn code(text: &str, limit: usize) -> String {
    let line = one_line(text, limit).replace("<!--", "<\u{200B}!--");
    if line.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&line, '`') + 1);
    // A pipe would end a table cell even inside code.
    let line = line.replace('|', "\\|");
    if line.starts_with('`') || line.ends_with('`') {
        format!("{fence} {line} {fence}")
    } else {
        format!("{fence}{line}{fence}")
    }
}

/// A code block that its content cannot end.
pub fn fenced(text: &str, language: &str) -> String {
    let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
    let text = text.replace("<!--", "<\u{200B}!--");
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// A Mermaid label: everything that means something to Mermaid, Markdown or HTML becomes its number.
pub fn mermaid(label: &str) -> String {
    let mut escaped = String::with_capacity(label.len());
    for character in label.chars() {
        let plain =
            character.is_alphanumeric() || !character.is_ascii() || " .,()/+=:!?'_-".contains(character);
        if plain {
            escaped.push(character);
        } else {
            escaped.push_str(&format!("#{};", u32::from(character)));
        }
    }
    escaped
}

/// A link where the address is one, inline code where it is a command line.
pub fn place(url: &str) -> String {
    let web = url.starts_with("https://") || url.starts_with("http://");
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'*+,;=%".contains(c);
    if web && url.chars().all(harmless) { format!("<{url}>") } else { code(url, 500) }
}

/// At most `limit` characters of the text, whole lines kept as they are.
pub fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some((end, _)) => {
            let (head, _) = text.split_at(end);
            Cow::Owned(format!("{}\n… (cut at {limit} characters)", head.trim_end()))
        }
    }
}

fn longest_run(text: &str, wanted: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for character in text.chars() {
        run = if character == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Shows the breaks.
    fn seen(text: &str) -> String {
        text.replace(BREAK, "¦")
    }

    #[test]
    fn one_line_is_one_line_of_that_length() {
        assert_eq!(one_line("  a\r\n\tb\u{0}\u{1b}[31mc  ", 80), "a b [31mc");
        assert_eq!(one_line("ログイン\nを追加", 80), "ログイン を追加");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line("abcde fg", 6), "abcde…");
        assert_eq!(one_line("abcdef fg", 6), "abcde…");
        assert_eq!(one_line("a\u{202e}b\u{feff}", 6), "ab");
    }

    #[test]
    fn nobody_is_called_and_nothing_closed() {
        assert_eq!(seen(&quiet("@alice, (@bob/team) a@b.example")), "@¦alice, (@¦bob/team) a@b.example");
        assert_eq!(seen(&quiet("Fixes #12 and closes: o/r#3")), "Fixe¦s #12 and close¦s: o/r#3");
        assert_eq!(
            seen(&quiet("resolved https://forge.example/o/r/issues/1")),
            "resolve¦d https://forge.example/o/r/issues/1"
        );
        assert_eq!(seen(&quiet("fix GH-5 @x")), "fi¦x GH-5 @¦x");
        assert_eq!(seen(&quiet("認Closes #1 _Fixes #2_ _@a_")), "認Close¦s #1 _Fixe¦s #2_ _@¦a_");
        assert_eq!(seen(&quiet("fix the #12 bolt; prefixes #1")), "fix the #12 bolt; prefixes #1");
        assert_eq!(seen(&quiet("<!-- miyabi:key -->")), "<¦!-- miyabi:key -->");
        assert_eq!(seen(&quiet("@@a さん@bob `@c`")), "@@¦a さん@¦bob `@¦c`");
    }

    #[test]
    fn literal_text_has_no_markup() {
        assert_eq!(literal("![x](http://e) | <b>`c`", 80), r"!\[x\](http://e) \| \<b\>\`c\`");
        assert_eq!(literal("# head", 80), r"\# head");
        assert_eq!(literal("12. item", 80), r"12\. item");
        assert_eq!(literal("認証 $(rm -rf /) ${x}", 80), r"認証 \$(rm -rf /) \${x}");
    }

    #[test]
    fn code_cannot_be_left() {
        assert_eq!(code("a`b``c|d", 80), r"```a`b``c\|d```");
        assert_eq!(code("`", 80), "`` ` ``");
        assert_eq!(fenced("```\nevil\n````", "text"), "`````text\n```\nevil\n````\n`````\n");
        assert_eq!(place("https://forge.example/o/r/pull/1"), "<https://forge.example/o/r/pull/1>");
        assert_eq!(place("https://x> @all"), "`https://x> @all`");
        assert_eq!(place("miyabi change show 1"), "`miyabi change show 1`");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("認証", 2), "認証");
        assert_eq!(shortened("認証を", 2), "認証\n… (cut at 2 characters)");
    }

    proptest! {
        #[test]
        fn any_text_becomes_quiet_and_stays_so(text in "(?s).{0,80}|([@#<!a-z -]|fixes|closes #1){0,30}") {
            let once = quiet(&text);
            prop_assert_eq!(quiet(&once), once.clone());
            prop_assert_eq!(once.replace(BREAK, ""), text.replace(BREAK, ""));
        }

        #[test]
        fn any_text_fits_one_line(text in "(?s).{0,60}", limit in 1..40_usize) {
            let line = one_line(&text, limit);
            prop_assert!(line.chars().count() <= limit);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert_eq!(one_line(&line, limit), line.clone());
        }
    }
}
