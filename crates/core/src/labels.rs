//! Labels as a repository has them.

use serde::{Deserialize, Serialize};

/// A label with how it looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelSpec {
    /// Its name; at most 50 characters.
    pub name: String,
    /// Six hexadecimal digits without `#`.
    pub color: String,
    /// In one sentence; at most 100 characters.
    pub description: String,
}
