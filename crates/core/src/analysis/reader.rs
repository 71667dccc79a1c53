//! The analyst that needs no model: reads checklists, headings, size words and `depends on`.
//!
//! Complexity is a sum of considerations, each of which is a sentence with its number in `reasons`. Labels are a
//! person's word (or an earlier answer of ours) and count more than anything that was read.

mod areas;
mod labels;
mod weigh;

use super::{Analysis, Kind, Sensitivity};
use crate::issue::Issue;
use crate::plain::one_line;
use crate::reading::item::{self, Work};
use crate::reading::lexicon::{self, Sign};
use crate::reading::outline::Outline;

/// The name under which this analyst answers.
pub const DETERMINISTIC_READER: &str = "deterministic reader";
/// The longest estimate, in minutes: a year.
const MAX_ESTIMATE: u32 = 365 * 24 * 60;

/// Reads an issue without any model; the same text always gives the same answer.
///
/// Linear in the length of the text, and never fails: text without any structure is one piece of work.
pub fn read_issue(issue: &Issue) -> Analysis {
    let seen = Seen::of(issue);
    let mut reasons = vec![format!("read by rules, without a model: {}", seen.summary())];

    let (kind, why) = seen.kind();
    reasons.push(why);
    let (security, why) = seen.security();
    reasons.push(why);
    let (estimate_minutes, why) = seen.estimate(kind);
    reasons.push(why);
    let areas = areas::areas(&issue.title, &seen.outline.prose, &seen.works);
    let complexity = weigh::complexity(&seen, security, estimate_minutes, areas.len(), &mut reasons);

    Analysis {
        complexity,
        kind,
        security,
        estimate_minutes,
        areas,
        reasons,
        analyst: DETERMINISTIC_READER.to_owned(),
    }
}

/// How long one item of a kind takes when nobody says it, in minutes.
pub(crate) fn usual_minutes(kind: Kind) -> u32 {
    match kind {
        Kind::Feature | Kind::Refactor => 120,
        Kind::Bug => 90,
        Kind::Test | Kind::Deployment => 60,
        Kind::Docs => 30,
    }
}

/// What was found in an issue.
struct Seen<'a> {
    issue: &'a Issue,
    outline: Outline,
    /// The items that are still to be done.
    works: Vec<Work>,
    /// Items that are ticked.
    done: usize,
    /// Telling words of the title and of the whole text.
    title_signs: Vec<(Sign, String)>,
    signs: Vec<(Sign, String)>,
    labels: labels::Labels,
}

impl<'a> Seen<'a> {
    fn of(issue: &'a Issue) -> Self {
        let outline = Outline::read(&issue.body);
        let items = outline.work();
        let works: Vec<Work> =
            items.iter().filter(|item| item.ticked != Some(true)).map(|item| item::read(item)).collect();
        let done = items.len() - works.len();
        let title_signs = lexicon::signs(&issue.title);
        let mut signs = title_signs.clone();
        for sign in lexicon::signs(&outline.prose) {
            if !signs.contains(&sign) {
                signs.push(sign);
            }
        }
        Self { labels: labels::Labels::of(&issue.labels), issue, outline, works, done, title_signs, signs }
    }

    fn summary(&self) -> String {
        let items = match (self.works.len(), self.done) {
            (0, 0) => "no list of tasks".to_owned(),
            (0, done) => format!("all {done} items are ticked"),
            (open, 0) => format!("{open} items of work"),
            (open, done) => format!("{open} items of work, {done} ticked ones"),
        };
        format!("{items}, {} headings, {} characters", self.outline.headings, self.issue.body.chars().count())
    }

    fn kind(&self) -> (Kind, String) {
        if let Some((kind, label)) = &self.labels.kind {
            return (*kind, format!("kind {}: the label `{}`", kind.as_str(), one_line(label, 60)));
        }
        match lexicon::kind_of_title(&self.issue.title) {
            Some((kind, word)) => {
                (kind, format!("kind {}: the title says `{}`", kind.as_str(), one_line(&word, 60)))
            }
            None => (Kind::Feature, "kind feature: nothing says otherwise".to_owned()),
        }
    }

    /// Guarded words count fully in the title, or when several are in the text.
    fn security(&self) -> (Sensitivity, String) {
        if let Some((level, label)) = &self.labels.security {
            return (*level, format!("security {}: the label `{}`", level.as_str(), one_line(label, 60)));
        }
        let of = |signs: &[(Sign, String)], wanted: Sign| {
            signs.iter().filter(|(sign, _)| *sign == wanted).map(|(_, word)| word.clone()).collect::<Vec<_>>()
        };
        let guarded = of(&self.signs, Sign::Guarded);
        let exposed = of(&self.signs, Sign::Exposed);
        if !of(&self.title_signs, Sign::Guarded).is_empty() || guarded.len() >= 2 {
            (Sensitivity::High, format!("security high: it speaks of {}", listed(&guarded)))
        } else if !guarded.is_empty() || !exposed.is_empty() {
            let words: Vec<String> = guarded.into_iter().chain(exposed).collect();
            (Sensitivity::Medium, format!("security medium: it speaks of {}", listed(&words)))
        } else {
            (Sensitivity::Low, "security low: no word of the list of guarded things is in it".to_owned())
        }
    }

    fn estimate(&self, kind: Kind) -> (u32, String) {
        let bounded = |minutes: u64| u32::try_from(minutes).unwrap_or(MAX_ESTIMATE).clamp(1, MAX_ESTIMATE);
        if let Some((minutes, label)) = &self.labels.estimate {
            let minutes = bounded(u64::from(*minutes));
            return (minutes, format!("estimate {minutes} minutes: the label `{}`", one_line(label, 60)));
        }
        if let Some(minutes) = item::stated_estimate(&self.outline.prose) {
            let minutes = bounded(u64::from(minutes));
            return (minutes, format!("estimate {minutes} minutes: the text states it"));
        }
        if self.works.is_empty() {
            let (minutes, why) = match self.size() {
                Some((Sign::Small, word)) => (30, format!("`{word}` and no list of tasks")),
                Some((Sign::Huge, word)) => (4800, format!("`{word}` and no list of tasks")),
                Some((_, word)) => (960, format!("`{word}` and no list of tasks")),
                None => (usual_minutes(kind), format!("usual for one piece of kind {}", kind.as_str())),
            };
            return (minutes, format!("estimate {minutes} minutes: {why}"));
        }
        let own = self.works.iter().filter(|work| work.minutes.is_some()).count();
        let sum = self.works.iter().map(|work| {
            let kind = work
                .kind
                .or_else(|| lexicon::kind_of_title(&work.title).map(|(kind, _)| kind))
                .unwrap_or(kind);
            u64::from(work.minutes.unwrap_or_else(|| usual_minutes(kind)))
        });
        let minutes = bounded(sum.sum());
        let usual = self.works.len() - own;
        (
            minutes,
            format!(
                "estimate {minutes} minutes: {own} items state theirs, {usual} are taken as usual for their kind"
            ),
        )
    }

    /// What the title or a label says about the size.
    fn size(&self) -> Option<(Sign, String)> {
        self.labels.size.clone().or_else(|| {
            let sized = |sign: &Sign| matches!(sign, Sign::Small | Sign::Large | Sign::Huge);
            self.title_signs.iter().filter(|(sign, _)| sized(sign)).max_by_key(|(sign, _)| *sign).cloned()
        })
    }
}

/// The first words of a list, for a sentence.
fn listed(words: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = words.iter().take(SHOWN).map(|word| format!("`{word}`")).collect();
    match words.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
#[path = "reader/tests.rs"]
mod tests;
