//! Which issues a change is about, by the words that forges know, and by words that people use beside them.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::ids::IssueNumber;
use crate::issue::Change;
use crate::reading::outline::Outline;

/// More issues than this are not looked at.
const MAX_LINKS: usize = 10;

/// An issue that a change names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Which.
    pub issue: IssueNumber,
    /// Whether merging the change closes it.
    pub closes: bool,
}

/// The issues that the text of a change names: those that it closes, and those that stand after `Refs`, `Part of` and the
/// like. Code, hidden comments and issues of other repositories do not count, nor does a number alone.
pub fn linked(change: &Change) -> Vec<Link> {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?ix)
            (?:^|[^\p{Alphabetic}\d_-])
            (?: (?P<closes> clos(?:e[sd]?|ing) | fix(?:e[sd]|ing)? | resolv(?:e[sd]?|ing) )
              | (?P<names> refs? | references | part\s+of | related\s+to | relates\s+to | towards | addresses ) )
            :? \s+ (?: issues?\s+ )?
            (?P<list> (?: \#\d+ | gh-\d+ | https?://\S+ ) (?: \s*(?:,|&|\band\b)\s* (?: \#\d+ | gh-\d+ | https?://\S+ ) )* )",
        )
        .expect("the pattern is constant and tested")
    });
    static ONE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)\#(?P<number>\d+)|gh-(?P<other>\d+)|(?P<url>https?://[^\s,)\]>]+)")
            .expect("the pattern is constant and tested")
    });
    let mut links: Vec<Link> = Vec::new();
    let mut add = |issue: IssueNumber, closes: bool| match links.iter_mut().find(|link| link.issue == issue) {
        Some(known) => known.closes |= closes,
        None if issue > 0 && issue != change.number => links.push(Link { issue, closes }),
        None => {}
    };
    if change.issue > 0 {
        // By what it closes, or by the name of its branch.
        add(change.issue, false);
    }
    let text = format!("{}\n{}", change.title, Outline::read(&change.body).prose);
    for line in text.lines() {
        // What stands in code is an example.
        let shown: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        for found in NAMED.captures_iter(&shown) {
            let list = found.name("list").map_or("", |list| list.as_str());
            for (place, one) in ONE.captures_iter(list).enumerate() {
                let number = one.name("number").or(one.name("other")).map(|number| number.as_str());
                let number = number.or_else(|| of_url(one.name("url")?.as_str(), &change.url));
                // Of several after one word forges close the first.
                let closes = place == 0 && found.name("closes").is_some();
                if let Some(number) = number.and_then(|number| number.parse().ok()) {
                    add(number, closes);
                }
            }
        }
    }
    links.truncate(MAX_LINKS);
    links
}

/// The number of an issue by its address, if it lies beside the change.
fn of_url<'u>(url: &'u str, change: &str) -> Option<&'u str> {
    let (repository, _) = change.rsplit_once('/')?.0.rsplit_once('/')?;
    let rest = url.strip_prefix(repository)?.strip_prefix("/issues/")?;
    rest.split(|c: char| !c.is_ascii_digit()).next().filter(|digits| !digits.is_empty())
}
