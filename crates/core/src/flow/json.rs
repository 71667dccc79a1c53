//! YAML values as JSON: what is written plainly and looks like a number is one, what is quoted is a text.

use serde_json::{Map, Number, Value as Json};

use super::names::shown;
use super::node::{Node, Style, Value};
use super::problem::Problems;
use super::read::Word;

/// The value of a node; `text` sees every text in it. Keys that are no words, or come twice, are problems.
///
/// As deep as the node, which the reader of YAML bounds.
pub(super) fn value(
    node: &Node,
    problems: &mut Problems<'_>,
    text: &mut impl FnMut(Word, &mut Problems<'_>),
) -> Json {
    match &*node.value {
        Value::Nothing => Json::Null,
        Value::Text(written) => {
            let number = if node.style == Some(Style::Plain) { plain(written) } else { None };
            if let (None, Some(word)) = (&number, node.word()) {
                text(word, problems);
            }
            number.unwrap_or_else(|| Json::String(written.clone()))
        }
        Value::List(nodes) => Json::Array(nodes.iter().map(|node| value(node, problems, text)).collect()),
        Value::Map(pairs) => {
            let mut map = Map::new();
            for (key, node) in pairs {
                let Value::Text(name) = &*key.value else {
                    let message = format!("a key is a word, and this is {}", key.value.kind());
                    problems.add(key.at, "wrong-type", message);
                    continue;
                };
                let json = value(node, problems, text);
                if map.insert(name.clone(), json).is_some() {
                    let message = format!("key `{}` is given twice", shown(name));
                    problems.add(key.at, "duplicate-key", message);
                }
            }
            Json::Object(map)
        }
    }
}

/// The number or truth that plain text is. What begins with a zero or a plus is left as text: it is a name.
fn plain(text: &str) -> Option<Json> {
    match text {
        "true" | "True" | "TRUE" => return Some(Json::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Json::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut chars = digits.chars();
    let (first, second) = (chars.next()?, chars.next());
    let padded = first == '0' && second.is_some_and(|c| c.is_ascii_digit());
    let numeric = digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !first.is_ascii_digit() || padded || !numeric {
        return None;
    }
    let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
    whole.ok().or_else(|| Number::from_f64(text.parse().ok()?)).map(Json::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_text_is_what_it_looks_like() {
        for (text, expected) in [
            ("true", json!(true)),
            ("80", json!(80)),
            ("-1.5", json!(-1.5)),
            ("1e3", json!(1000.0)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
        ] {
            assert_eq!(plain(text), Some(expected), "{text}");
        }
        for text in
            ["", "007", "+5", "1.2.3", "0x1f", "yes", "-", ".5", "1_000", "NaN", "2026-11-21", "1e999"]
        {
            assert_eq!(plain(text), None, "{text}");
        }
        assert_eq!(plain("0"), Some(json!(0)));
    }
}
