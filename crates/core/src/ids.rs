//! Names of things: parsed once, then only passed on.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $id:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $id(Arc<str>);

        impl $id {
            /// Takes the name as it is; whoever reads it from outside has checked it.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl From<&str> for $id {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl From<String> for $id {
            fn from(name: String) -> Self {
                Self::new(name)
            }
        }

        impl std::borrow::Borrow<str> for $id {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// One run, everywhere and for ever: a UUID (version 7, so that ids sort by time).
    RunId
}
name! {
    /// A step of one run's plan, such as `review` or `task-500-2`; unique within the run.
    StepId
}
name! {
    /// One agent session: a UUID (version 7).
    SessionId
}
name! {
    /// A question to a person: `<run number>-<n>`, short enough to type.
    EscalationId
}
name! {
    /// One write to the outside world: `<run>/<step>/<what>`; the same write always has the same id.
    IntentId
}
name! {
    /// A commit, as the full hexadecimal object id that git printed.
    CommitId
}
name! {
    /// A tree, as the full hexadecimal object id that git printed.
    TreeId
}

/// The number of an issue on its forge, from 1.
pub type IssueNumber = u64;
/// The number of a change on its forge, from 1.
pub type ChangeNumber = u64;
/// The number of a run in its repo, from 1: what people type.
pub type RunNumber = u64;
/// One try of a step, from 1; a larger number fences off the smaller ones.
pub type Attempt = u32;
