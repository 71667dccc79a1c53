//! Texts for people, made from plain values: comments, the body of a change, labels, journal entries.
//!
//! What comes from issues, agents and tools is untrusted. It stands here as literal text or inside a fence that it
//! cannot end; it calls nobody, closes nothing, and cannot forge the hidden marks of our comments. Secrets are the
//! caller's to redact, before or after.

mod change;
mod decomposition;
mod journal;
mod labels;
mod quality;
mod question;
mod sarif;
mod status;
mod summary;
mod verification;

pub use change::{ChangeFacts, change_body, link_comment};
pub use decomposition::decomposition_comment;
pub use journal::{JournalFacts, journal_entry};
pub use labels::{analysis_labels, change_labels};
pub use quality::{quality_comment, quality_report};
pub use question::{answered_comment, end_note, question_comment, question_note};
pub use sarif::sarif;
pub use status::{reply, status_comment};
pub use summary::{summary_comment, took};
pub use verification::Verified;

/// Minutes as people say them: `30m`, `2h`, `1h 30m`.
pub(crate) fn hours(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h {minutes}m"),
    }
}

/// A number with its noun.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The points of a component without needless zeros: `5`, `14.25`.
pub(crate) fn points(points: f64) -> String {
    let text = format!("{points:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
#[path = "view/tests.rs"]
mod tests;
