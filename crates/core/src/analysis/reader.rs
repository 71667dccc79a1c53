//! The analyst that needs no model: reads checklists, headings, size words and `depends on`.

use super::Analysis;
use crate::issue::Issue;

/// Reads an issue without any model; the same text always gives the same answer.
pub fn read_issue(_issue: &Issue) -> Analysis {
    todo!("helper")
}
