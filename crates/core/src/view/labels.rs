//! Labels that say what was found out.

use crate::analysis::{Analysis, Kind};
use crate::plain::one_line;
use crate::report::{Recommendation, Report, quality_label};

/// The labels that an analysis adds to its issue; the reader of labels understands them again.
///
/// `complexity:low` proceeds, `complexity:medium` is announced first, `complexity:high` waits for a person (with the
/// default policy). Estimates of an hour and more are rounded up to whole hours.
pub fn analysis_labels(analysis: &Analysis) -> Vec<String> {
    let estimate = match analysis.estimate_minutes {
        minutes @ 0..60 => format!("{minutes}m"),
        minutes => format!("{}h", minutes.div_ceil(60)),
    };
    let complexity = match analysis.complexity {
        c if c > 7.0 => "high",
        c if c >= 5.0 => "medium",
        _ => "low",
    };
    vec![
        format!("security:{}", analysis.security.as_str()),
        "agent:codegen".to_owned(),
        format!("estimated:{estimate}"),
        format!("complexity:{complexity}"),
    ]
}

/// The labels of a change: its type, the issue's own priority if it has one, the quality of what was measured, and
/// whether nothing stands against merging it.
pub fn change_labels(kind: Kind, issue_labels: &[String], report: &Report) -> Vec<String> {
    let mut labels = vec![format!("type:{}", kind.as_str())];
    labels.extend(
        issue_labels.iter().find(|label| label.starts_with("priority:")).map(|label| one_line(label, 50)),
    );
    labels.push(quality_label(report.score).to_owned());
    if report.recommendation == Recommendation::Approve {
        labels.push("ready-to-merge".to_owned());
    }
    labels
}
