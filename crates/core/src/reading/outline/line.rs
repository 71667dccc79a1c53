//! What one line of Markdown is: a list item, a heading, a fence.

use super::{Item, Topic};

/// Columns before the first character; a tab is four.
pub(super) fn indentation(line: &str) -> usize {
    line.chars()
        .take_while(|c| c.is_whitespace())
        .map(|c| match c {
            '\t' => 4,
            '\u{3000}' => 2,
            _ => 1,
        })
        .sum()
}

/// The mark and length of a code fence at the start of the line.
pub(super) fn fence(trimmed: &str) -> Option<(char, usize)> {
    ['`', '~'].into_iter().find_map(|mark| {
        let length = trimmed.chars().take_while(|&c| c == mark).count();
        (length >= 3).then_some((mark, length))
    })
}

pub(super) fn item(trimmed: &str) -> Option<Item> {
    let (number, rest) = marker(trimmed)?;
    let rest = rest.trim_start();
    let ticked = [("[ ]", false), ("[x]", true), ("[X]", true), ("[]", false), ("[\u{3000}]", false)]
        .into_iter()
        .find_map(|(mark, ticked)| {
            let after = rest.strip_prefix(mark)?;
            (after.is_empty() || after.starts_with(char::is_whitespace)).then_some((ticked, after.trim()))
        });
    let text = ticked.map_or(rest, |(_, text)| text);
    let ticked = ticked.map(|(ticked, _)| ticked);
    Some(Item { number, ticked, text: text.to_owned(), ..Item::default() })
}

/// The number of a list mark, and what follows it.
fn marker(trimmed: &str) -> Option<(Option<u32>, &str)> {
    if let Some(rest) = trimmed.strip_prefix('・') {
        return Some((None, rest));
    }
    if let Some(rest) = trimmed.strip_prefix(['-', '*', '+']) {
        return (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some((None, rest));
    }
    let rest = trimmed.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = trimmed.strip_suffix(rest)?;
    let rest = rest.strip_prefix(['.', ')'])?;
    let spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (digits.len() <= 9 && spaced).then(|| digits.parse().ok()).flatten().map(|number| (Some(number), rest))
}

/// The level and text of a heading; a line in bold or a short one that ends with a colon counts as one of level 7.
pub(super) fn heading(trimmed: &str, indent: usize) -> Option<(usize, &str)> {
    let text = trimmed.trim_start_matches('#');
    let level = trimmed.len() - text.len();
    if (1..=6).contains(&level) && text.starts_with(char::is_whitespace) {
        return Some((level, text.trim().trim_end_matches('#').trim_end()));
    }
    let plain = trimmed.trim_end_matches([':', '：']);
    for mark in ["**", "__"] {
        let inside = plain.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
        if let Some(inside) = inside.filter(|inside| !inside.is_empty() && !inside.contains(mark)) {
            return Some((7, inside));
        }
    }
    let labelled = plain.len() < trimmed.len() && indent < 4 && plain.chars().count() <= 60;
    (labelled && topic(plain) != Topic::Unknown).then_some((7, plain))
}

/// What a heading says about its section.
pub(super) fn topic(heading: &str) -> Topic {
    const ACCEPTANCE: [&str; 8] = [
        "acceptance",
        "definition of done",
        "done when",
        "success criteria",
        "受け入れ",
        "受入",
        "完了条件",
        "完了の定義",
    ];
    const BACKGROUND: [&str; 18] = [
        "reproduc",
        "expected",
        "actual",
        "environment",
        "background",
        "context",
        "motivation",
        "reference",
        "related",
        "out of scope",
        "non-goal",
        "before you",
        "再現",
        "期待",
        "環境",
        "背景",
        "参考",
        "対象外",
    ];
    const TASKS: [&str; 15] = [
        "task",
        "todo",
        "to do",
        "to-do",
        "plan",
        "work item",
        "steps",
        "subtask",
        "implementation",
        "checklist",
        "やること",
        "タスク",
        "作業",
        "計画",
        "実装",
    ];
    let heading = heading.to_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| heading.contains(word));
    if names(&ACCEPTANCE) {
        Topic::Acceptance
    } else if names(&BACKGROUND) {
        Topic::Background
    } else if names(&TASKS) {
        Topic::Tasks
    } else {
        Topic::Unknown
    }
}
