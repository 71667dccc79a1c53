//! Long texts are cut into parts that are searched by themselves.

/// The longest part, in characters: about what the usual models read.
const LONGEST: usize = 1_600;
/// A part is not cut off before it has so many characters, unless the text ends.
const SHORTEST: usize = 600;
/// So much of a text is searched; more than that is no longer a text that somebody wrote.
const MOST: usize = 64;

/// The parts of a text in order: together they are the text, or so much of it as is searched. At least one.
pub(crate) fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() < MOST {
        let at = end(rest);
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    parts
}

/// Where the first part of a text ends, in bytes: after an empty line, a line, a sentence or a word, whatever is there.
fn end(text: &str) -> usize {
    let mut best = [None; 4];
    let mut before = ['\0'; 2];
    for (count, (at, c)) in text.char_indices().enumerate() {
        if count == LONGEST {
            return best.into_iter().flatten().next().unwrap_or(at);
        }
        if count >= SHORTEST {
            let kind = match before {
                ['\n', '\n'] => Some(0),
                [_, '\n'] => Some(1),
                ['.' | '!' | '?', ' '] | [_, '。'] => Some(2),
                [_, ' '] => Some(3),
                _ => None,
            };
            if let Some(slot) = kind.and_then(|kind| best.get_mut(kind)) {
                *slot = Some(at);
            }
        }
        before = [before[1], c];
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_text() {
        let paragraph = "One sentence. Another one, with words!\n認証が失敗する。次の行\n\n".repeat(200);
        for text in ["", "短い", paragraph.as_str(), &"長".repeat(10_000), &"word ".repeat(5_000)] {
            let parts = parts(text);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.chars().count() <= LONGEST));
            assert!(parts.iter().rev().skip(1).all(|part| part.chars().count() >= SHORTEST), "{parts:?}");
        }
    }

    #[test]
    fn it_is_cut_where_a_reader_would() {
        let text = format!("{}\n\n{}", "a b. ".repeat(200), "c d. ".repeat(200));
        assert!(parts(&text)[0].ends_with("\n\n"));
        let text = "Ab cd. ".repeat(1_000);
        assert!(parts(&text).iter().all(|part| part.ends_with(". ")));
    }

    #[test]
    fn endless_texts_end() {
        let text = "x ".repeat(2_500_000);
        assert_eq!(parts(&text).len(), MOST);
    }
}
