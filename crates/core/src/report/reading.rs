//! What an agent that read a change remarked. It informs people and agents that mend, and never adds a point.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Measured, Recommendation, Report, Severity};
use crate::analysis::Analysis;
use crate::policy::Policy;

/// The most remarks that are kept; the most severe ones.
const MAX_REMARKS: usize = 50;
/// The longest remark, in characters.
const LONGEST: usize = 4_000;

/// One remark of an agent that read the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// How bad it is, if it is so: `high` loses data, opens a hole or misses what the issue asks for.
    pub severity: Severity,
    /// How sure the reader is that it is so, in per cent.
    #[schemars(range(min = 0, max = 100))]
    pub confidence: u32,
    /// Path relative to the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of the file as the change leaves it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is wrong, and how it shows, in one or two sentences.
    pub message: String,
}

/// The answer of an agent that was asked to read a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remarks {
    /// What it found, the most severe first; none where nothing is wrong.
    pub remarks: Vec<Remark>,
}

/// A change that an agent read, or should have read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Which agent.
    pub by: String,
    /// What it remarked, the most severe first; or why it could not.
    pub remarks: Measured<Vec<Remark>>,
}

impl Reading {
    /// What an agent answered, put in order and cut to size.
    pub fn of(by: String, mut answer: Remarks) -> Self {
        answer.remarks.sort_by_key(|remark| Reverse((remark.severity, remark.confidence)));
        answer.remarks.truncate(MAX_REMARKS);
        for remark in &mut answer.remarks {
            remark.message = remark.message.chars().take(LONGEST).collect();
            remark.confidence = remark.confidence.min(100);
        }
        Self { by, remarks: Measured::Value(answer.remarks) }
    }

    /// Why there is no answer.
    pub fn failed(by: String, why: String) -> Self {
        Self { by, remarks: Measured::Missing(why) }
    }

    /// The remarks, if there was an answer.
    pub fn remarks(&self) -> &[Remark] {
        self.remarks.value().map_or(&[], Vec::as_slice)
    }
}

impl Remark {
    /// `src/a.rs:7: what is wrong [remark, 90 % sure]`, the first line of it.
    pub fn line_of(&self) -> String {
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        let first = self.message.lines().next().unwrap_or_default();
        format!("{place}{first} [remark, {} % sure]", self.confidence)
    }
}

impl Report {
    /// Why nobody needs to read this change, or cannot yet; `None`: an agent is to read it.
    ///
    /// M65: what is simple and scores more than 90 is not read. What holds a secret is shown to no model.
    pub fn unread_because(&self, analysis: Option<&Analysis>, policy: &Policy) -> Option<String> {
        let complexity = analysis.map_or(f64::MAX, |analysis| analysis.complexity);
        if self.recommendation == Recommendation::Block || self.measured.secrets.value() != Some(&0) {
            return Some("a hard gate closed, or the diff was not searched for secrets".to_owned());
        }
        (self.score > 90 && complexity < policy.simple_below).then(|| {
            format!(
                "score {} is above 90 and complexity {complexity:.1} below {:.1}",
                self.score, policy.simple_below
            )
        })
    }

    /// The remarks that are bad and sure enough for a person to look at them before anything is merged.
    pub fn serious_remarks(&self, policy: &Policy) -> Vec<&Remark> {
        let remarks = self.reading.iter().flat_map(Reading::remarks);
        remarks
            .filter(|remark| {
                remark.severity >= Severity::High && remark.confidence >= policy.remark_confidence
            })
            .collect()
    }

    /// Why an agent that should have read the change could not.
    pub fn reading_failed(&self) -> Option<&str> {
        match &self.reading.as_ref()?.remarks {
            Measured::Missing(why) => Some(why),
            Measured::Value(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(severity: Severity, confidence: u32, message: &str) -> Remark {
        Remark { severity, confidence, file: None, line: None, message: message.to_owned() }
    }

    #[test]
    fn remarks_are_ordered_and_cut_by_characters() {
        let long = "長".repeat(LONGEST + 1);
        let mut remarks = vec![remark(Severity::Low, 300, &long); 60];
        remarks.push(remark(Severity::High, 10, "b"));
        remarks.push(remark(Severity::High, 90, "a"));
        let reading = Reading::of("claude".to_owned(), Remarks { remarks });
        let kept = reading.remarks();
        assert_eq!((kept.len(), kept[0].message.as_str(), kept[1].message.as_str()), (MAX_REMARKS, "a", "b"));
        assert_eq!((kept[2].confidence, kept[2].message.chars().count()), (100, LONGEST));
        assert!(Reading::failed("claude".to_owned(), "it is away".to_owned()).remarks().is_empty());
    }

    #[test]
    fn a_line_says_where_what_and_how_sure() {
        let mut one = remark(Severity::High, 90, "it is lost\nfor ever");
        assert_eq!(one.line_of(), "it is lost [remark, 90 % sure]");
        one.file = Some("src/雅.rs".to_owned());
        assert_eq!(one.line_of(), "src/雅.rs: it is lost [remark, 90 % sure]");
        one.line = Some(7);
        assert_eq!(one.line_of(), "src/雅.rs:7: it is lost [remark, 90 % sure]");
    }
}
