//! The markers in a list item: `Hash passwords (depends on 1; 4h; files: src/password.rs) — with argon2`.
//!
//! A parenthesis is a marker only if all of it can be read; everything else stays text.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::lexicon::kind_word;
use super::outline::Item;
use crate::analysis::Kind;
use crate::plain::one_line;

/// The most files that one item may name.
const MAX_FILES: usize = 50;

/// An item as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// One line without markers; empty if there was nothing else.
    pub title: String,
    /// What stood behind the title and below it.
    pub description: String,
    /// Nested list items.
    pub criteria: Vec<String>,
    /// Items that it waits for, as numbered by the writer.
    pub after: Vec<Reference>,
    /// Estimated minutes.
    pub minutes: Option<u32>,
    /// Paths that will probably change.
    pub files: Vec<String>,
    /// What kind it says it is.
    pub kind: Option<Kind>,
}

/// Another item by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The number.
    pub number: u32,
    /// Written as `#2`, which may also mean another issue.
    pub hash: bool,
}

/// Reads one item.
pub(crate) fn read(item: &Item) -> Work {
    let mut work = Work::default();
    let text = if item.text.contains("](") { unlinked(&item.text) } else { item.text.clone() };
    let text = take_groups(&text, &mut work);
    let text = take_estimate(&text, &mut work);
    take_phrases(&text, &mut work);

    let (title, rest) = split_title(&text, &mut work);
    work.title = one_line(&title, crate::task::MAX_TITLE);
    let mut description = vec![rest];
    for inner in &item.inner {
        if clause(&inner.text, &mut work) {
            continue;
        }
        take_phrases(&inner.text, &mut work);
        if inner.bullet {
            work.criteria.push(inner.text.clone());
        } else {
            description.push(inner.text.clone());
        }
    }
    if title.chars().count() > crate::task::MAX_TITLE {
        description.insert(0, title);
    }
    description.retain(|line| !line.is_empty());
    work.description = description.join("\n");
    work.files.truncate(MAX_FILES);
    work
}

/// Minutes of `2h`, `~3 days`, `1.5 時間`; a day has eight hours, a week forty.
pub(crate) fn minutes(text: &str) -> Option<u32> {
    static DURATION: LazyLock<Regex> =
        LazyLock::new(|| pattern(&format!(r"(?i)^\s*[~～≈約]?\s*{DURATION_PARTS}\s*$")));
    DURATION.captures(text).and_then(|found| duration(&found))
}

/// The minutes that a text says the whole takes, such as `Estimate: 16h` or `見積: 2日`.
pub(crate) fn stated_estimate(text: &str) -> Option<u32> {
    static STATED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(&format!(
            r"(?im)^\W*(?:(?:total\s+)?estimate[ds]?|effort|見積(?:も?り)?)\W*[:：=]\W*{DURATION_PARTS}(?:\W|$)"
        ))
    });
    STATED.captures(text).and_then(|found| duration(&found))
}

/// An amount and one of the units.
const DURATION_PARTS: &str = r"(?P<amount>\d{1,4}(?:\.\d{1,2})?)\s*(?:(?P<minutes>m|mins?|minutes?|分)|(?P<hours>h|hrs?|hours?|時間)|(?P<days>d|days?|日)|(?P<weeks>w|weeks?|週間?))";

fn duration(found: &Captures<'_>) -> Option<u32> {
    let (whole, fraction) = {
        let amount = found.name("amount")?.as_str();
        amount.split_once('.').unwrap_or((amount, ""))
    };
    let hundredths: u32 = format!("{fraction:0<2}").parse().ok()?;
    let unit = ["minutes", "hours", "days", "weeks"].into_iter().zip([1, 60, 480, 2400]);
    let unit = unit.into_iter().find_map(|(name, unit)| found.name(name).map(|_| unit))?;
    let amount = whole.parse::<u32>().ok()? * 100 + hundredths;
    Some((amount * unit / 100).max(1))
}

/// Links become their text.
fn unlinked(text: &str) -> String {
    static LINK: LazyLock<Regex> = LazyLock::new(|| pattern(r"!?\[([^\[\]]*)\]\([^()\s]*\)"));
    LINK.replace_all(text, "$1").into_owned()
}

/// Takes out every parenthesis and bracket that is a marker.
fn take_groups(text: &str, work: &mut Work) -> String {
    static GROUP: LazyLock<Regex> = LazyLock::new(|| pattern(r"\(([^()]*)\)|（([^（）]*)）|\[([^\[\]]*)\]"));
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for found in GROUP.captures_iter(text) {
        let (Some(all), Some(inside)) = (found.get(0), (1..=3).find_map(|group| found.get(group))) else {
            continue;
        };
        let (before, from) = text.split_at(all.start());
        let (_, after) = from.split_at(all.len());
        let scope = before.ends_with(|c: char| c.is_alphanumeric()) && after.starts_with(':');
        let mut read = work.clone();
        if !scope && inside.as_str().split([';', '；']).all(|part| clause(part, &mut read)) {
            *work = read;
            kept.push_str(before.split_at(at).1.trim_end());
            kept.push(' ');
            at = all.end();
        }
    }
    kept.push_str(text.split_at(at).1);
    kept
}

/// Reads one marker; says whether it was one. Nothing is changed if it was not.
fn clause(text: &str, work: &mut Work) -> bool {
    static AFTER: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)^(?:depends(?:\s+on)?|dependencies|needs|requires|after|blocked\s+by|依存)\s*[:：]?\s*(\S.*)$",
        )
    });
    static LATER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\S.*?)\s*の(?:後|あと)$"));
    static FILES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^(?:files?|ファイル)\s*[:：]\s*(\S.*)$"));
    static ESTIMATE: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)^(?:estimate[ds]?|見積(?:も?り)?)\s*[:：]?\s*(\S.*)$"));
    let text = text.trim();
    let group =
        |pattern: &Regex| pattern.captures(text).and_then(|found| found.get(1)).map(|list| list.as_str());
    if let Some(list) = group(&FILES) {
        let files: Vec<&str> = list.split([',', '、']).map(|file| file.trim().trim_matches('`')).collect();
        let paths = files.iter().all(|file| !file.is_empty() && !file.contains(char::is_whitespace));
        if paths {
            work.files.extend(files.into_iter().map(str::to_owned));
        }
        return paths;
    }
    if let Some(list) = group(&AFTER).or_else(|| group(&LATER)) {
        return after(list, work);
    }
    simple(text, work) || group(&ESTIMATE).is_some_and(|rest| minutes(rest).is_some() && simple(rest, work))
}

/// `1, 2 and 3; 2h` without the semicolon: numbers, and what may follow them.
fn after(list: &str, work: &mut Work) -> bool {
    static SEPARATOR: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s*(?:[,、&+]|\band\b|と)\s*"));
    let mut read = work.clone();
    let mut numbers = 0;
    for token in SEPARATOR.split(list).filter(|token| !token.is_empty()) {
        if let Some(reference) = reference(token) {
            numbers += 1;
            if !read.after.contains(&reference) {
                read.after.push(reference);
            }
        } else if numbers == 0 || !simple(token, &mut read) {
            return false;
        }
    }
    if numbers > 0 {
        *work = read;
    }
    numbers > 0
}

fn reference(token: &str) -> Option<Reference> {
    static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?i)^(?:(?:tasks?|items?|steps?|タスク|項目)\s*)?(?:(#)|task-\d{1,18}-)?(\d{1,6})\.?$")
    });
    let found = REFERENCE.captures(token.trim())?;
    Some(Reference { number: found.get(2)?.as_str().parse().ok()?, hash: found.get(1).is_some() })
}

/// A duration or the name of a kind.
fn simple(text: &str, work: &mut Work) -> bool {
    if let Some(minutes) = minutes(text) {
        work.minutes = Some(minutes);
    } else if let Some(kind) = kind_word(text) {
        work.kind = Some(kind);
    } else {
        return false;
    }
    true
}

/// Takes out `~2h`.
fn take_estimate(text: &str, work: &mut Work) -> String {
    static ROUGHLY: LazyLock<Regex> =
        LazyLock::new(|| pattern(&format!(r"(?i)(?:^|\s)[~～≈約]\s*{DURATION_PARTS}(?:$|\b)")));
    let Some(found) = ROUGHLY.captures(text) else { return text.to_owned() };
    work.minutes = work.minutes.or_else(|| duration(&found));
    ROUGHLY.replace(text, "").into_owned()
}

/// Dependencies that stand in a sentence; they are read and stay.
fn take_phrases(text: &str, work: &mut Work) {
    static PHRASE: LazyLock<Regex> = LazyLock::new(|| {
        let number = r"(?:tasks?\s*|items?\s*)?#?\d{1,6}";
        let marked = r"(?:tasks?\s*#?|items?\s*#?|#)\d{1,6}";
        let more = format!(r"(?:\s*(?:,|、|&|and|と)\s*{number})*");
        pattern(&format!(
            r"(?i)\b(?:(?:depends\s+on|blocked\s+by)\s*:?\s*({number}{more})|after\s+({marked}{more}))(?:\s*[.,;:)）。、]|\s*$)"
        ))
    });
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return;
    }
    for found in PHRASE.captures_iter(text) {
        if let Some(list) = found.get(1).or_else(|| found.get(2)) {
            after(list.as_str(), work);
        }
    }
}

/// The title, and what stands behind it.
fn split_title(text: &str, work: &mut Work) -> (String, String) {
    static SCOPED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^([a-z]+)\([a-z0-9_/-]+\)!?:\s+"));
    let mut text = text.trim();
    let mut prefix = "";
    if let Some(found) = SCOPED.captures(text)
        && let Some(kind) = found.get(1).and_then(|word| kind_word(word.as_str()))
    {
        work.kind = work.kind.or(Some(kind));
        (prefix, text) = text.split_at(found.get_match().len());
    } else if let Some((word, rest)) = text.split_once([':', '：'])
        && let Some(kind) = kind_word(word)
        && !rest.trim().is_empty()
    {
        work.kind = work.kind.or(Some(kind));
        text = rest.trim();
    }
    let bold = text.strip_prefix("**").and_then(|rest| rest.split_once("**"));
    let (title, rest) = match bold.filter(|(title, _)| !title.trim().is_empty()) {
        Some(parts) => parts,
        None => [" — ", " – ", " -- ", ": ", "：", "——"]
            .into_iter()
            .filter_map(|mark| text.split_once(mark))
            .min_by_key(|(title, _)| title.len())
            .unwrap_or((text, "")),
    };
    let edge =
        |c: char| c.is_whitespace() || matches!(c, ':' | '：' | '—' | '–' | '-' | ',' | '、' | ';' | '。');
    let title = title.trim().trim_end_matches(edge);
    (format!("{prefix}{}", title.trim_end_matches('.')), rest.trim_start_matches(edge).trim_end().to_owned())
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("patterns are constant, and each is used by a test")
}

#[cfg(test)]
#[path = "item/tests.rs"]
mod tests;
