//! Words for isolated checkouts, commits and merges.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{CommitId, RunId, StepId, TreeId};

/// What a repository is like before anything is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoState {
    /// The main checkout.
    pub root: PathBuf,
    /// The branch that is checked out there, which changes go into.
    pub branch: String,
    /// Its commit.
    pub head: CommitId,
    /// Tracked files with uncommitted changes, at most 20 of them.
    pub dirty: Vec<String>,
    /// The checkout is sparse, has submodules or LFS: told to people, handled by the git program.
    pub remarks: Vec<String>,
}

/// What an agent must have left as it was, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    /// What makes git run something or look elsewhere: settings, hooks, attributes.
    pub settings: BTreeMap<String, String>,
    /// What people work with: their branches and tags, the files of the main checkout.
    pub people: BTreeMap<String, String>,
}

impl Seal {
    /// The settings that are otherwise now, or new, or gone.
    pub fn other_settings(&self, now: &Self) -> Vec<String> {
        let names = self.settings.keys().chain(now.settings.keys());
        let other = names.filter(|name| self.settings.get(*name) != now.settings.get(*name));
        other.cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// What is otherwise now of what people had. What they begin meanwhile does not count.
    pub fn other_work(&self, now: &Self) -> Vec<String> {
        self.people
            .iter()
            .filter(|(name, at)| now.people.get(*name) != Some(at))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// A checkout to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorktreeSpec {
    /// The run that wants it; part of the keep ref of whatever has to be pinned.
    pub run: RunId,
    /// The step that wants it; part of the keep ref too.
    pub step: StepId,
    /// Folder name under `.worktrees/`: `issue-500` or `issue-500-task2`.
    pub name: String,
    /// `feature/issue-500` or `feature/issue-500-task2`.
    pub branch: String,
    /// The commit that the branch starts from.
    pub base: CommitId,
    /// Keep what is there if the checkout is already ours on that branch: the next attempt mends it.
    /// Otherwise it is brought to `base`, and what would be lost is pinned first.
    pub keep_work: bool,
}

/// An isolated checkout of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// Folder name under `.worktrees/`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its branch.
    pub branch: String,
    /// The commit that the branch started from.
    pub base: CommitId,
}

/// A commit to be made of everything in a worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitSpec {
    /// The whole message, trailers included.
    pub message: String,
    /// Parents, first one first. One: the base. Two: a resolved merge.
    pub parents: Vec<CommitId>,
    /// When, so that a repeated commit is the same commit.
    pub at: Timestamp,
}

/// What a commit changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Committed {
    /// The commit.
    pub commit: CommitId,
    /// Its tree.
    pub tree: TreeId,
    /// Paths that are new.
    pub created: Vec<String>,
    /// Paths that were changed.
    pub changed: Vec<String>,
    /// Paths that are gone.
    pub deleted: Vec<String>,
    /// Lines added.
    pub insertions: u64,
    /// Lines removed.
    pub deletions: u64,
}

/// A merge to be made by refs and objects alone, without a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeSpec {
    /// The branch that grows.
    pub into: String,
    /// The commit that goes in.
    pub from: CommitId,
    /// Message of the merge commit.
    pub message: String,
    /// When, so that a repeated merge is the same commit.
    pub at: Timestamp,
}

/// One file that two sides changed in ways that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConflictFile {
    /// Path relative to the repository.
    pub path: String,
    /// What git calls it: `CONFLICT (contents)`, `CONFLICT (modify/delete)` …
    pub kind: String,
    /// The file with both sides between conflict markers, at most 16,000 characters; none if binary.
    pub text: Option<String>,
}

/// What a merge came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "merged", rename_all = "snake_case")]
pub enum Merged {
    /// The branch now contains the commit.
    Done {
        /// The branch's new tip.
        commit: CommitId,
        /// Its tree.
        tree: TreeId,
    },
    /// The branch contained the commit already.
    Already {
        /// The branch's tip.
        commit: CommitId,
        /// Its tree.
        tree: TreeId,
    },
    /// Nothing was changed, because both sides touch the same places.
    Conflict {
        /// The branch's tip.
        ours: CommitId,
        /// Where.
        files: Vec<ConflictFile>,
    },
}

/// What became of a worktree that was closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Whether there was something to remove.
    pub removed: bool,
    /// The ref that now holds what was reachable from nowhere else.
    pub kept: Option<String>,
    /// Whether its branch was deleted, being reachable elsewhere.
    pub branch_deleted: bool,
}

/// Something that was pinned before a removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The ref, from `refs/` on.
    pub name: String,
    /// The run, as far as a ref can spell its id.
    pub run: String,
    /// The step, the same way.
    pub step: String,
    /// What is pinned.
    pub commit: CommitId,
    /// The commit below it, if there is one.
    pub below: Option<CommitId>,
    /// When it was made.
    pub at: Timestamp,
    /// First line of its message.
    pub subject: String,
    /// A branch, here or at the remote, that holds all of it by now.
    pub held_by: Option<String>,
}

/// A file in which something kept differs from what was below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptFile {
    /// Relative to the repository.
    pub path: String,
    /// Lines that came.
    pub insertions: u64,
    /// Lines that went.
    pub deletions: u64,
}

/// How a finished change is brought into its base branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LandSpec {
    /// The base branch.
    pub base: String,
    /// The reviewed commit.
    pub head: CommitId,
    /// Message of the merge commit.
    pub message: String,
    /// When, so that a repeated merge is the same commit.
    pub at: Timestamp,
}

/// What landing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landed {
    /// The base branch now contains the reviewed commit.
    Done {
        /// The base branch's tip.
        commit: CommitId,
        /// It was there before.
        already: bool,
    },
    /// The base branch holds commits that the reviewed one does not: its report does not speak of the result.
    BaseMoved {
        /// The base branch's tip.
        base: CommitId,
    },
}
