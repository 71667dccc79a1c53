//! What is known of commits without asking git: the tree and the parents of those that we made ourselves.
//!
//! Commits never change, so nothing here can go stale. It is bounded, and forgetting costs one more question.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use miyabi_core::ids::{CommitId, TreeId};

/// So many commits are remembered before all are forgotten.
const REMEMBERED: usize = 20_000;
/// So many commits are looked at to find one that another contains.
const LOOKED_AT: usize = 2_000;

#[derive(Debug, Default)]
pub(crate) struct Facts {
    commits: Mutex<HashMap<CommitId, Fact>>,
}

#[derive(Debug)]
struct Fact {
    tree: TreeId,
    parents: Vec<CommitId>,
    /// The branch that it was merged into, where a proof of its reachability begins.
    merged_into: Option<String>,
}

impl Facts {
    /// Remembers a commit that was made.
    pub(crate) fn made(&self, commit: &CommitId, tree: &str, parents: &[CommitId]) {
        let mut commits = self.commits();
        if commits.len() >= REMEMBERED {
            commits.clear();
        }
        let fact = Fact { tree: TreeId::from(tree), parents: parents.to_vec(), merged_into: None };
        commits.entry(commit.clone()).or_insert(fact);
    }

    /// Remembers where a commit went.
    pub(crate) fn merged(&self, commit: &CommitId, branch: &str) {
        if let Some(fact) = self.commits().get_mut(commit) {
            fact.merged_into = Some(branch.to_owned());
        }
    }

    /// The tree of a commit.
    pub(crate) fn tree(&self, commit: &CommitId) -> Option<TreeId> {
        self.commits().get(commit).map(|fact| fact.tree.clone())
    }

    /// The branch that a commit was merged into; whether it still contains it is another question.
    pub(crate) fn merged_into(&self, commit: &CommitId) -> Option<String> {
        self.commits().get(commit)?.merged_into.clone()
    }

    /// Whether one commit contains another, as far as is known; false says nothing.
    pub(crate) fn contains(&self, whole: &CommitId, part: &CommitId) -> bool {
        let commits = self.commits();
        let (mut next, mut seen) = (vec![whole], HashSet::new());
        while let Some(commit) = next.pop() {
            if commit == part {
                return true;
            }
            if seen.len() < LOOKED_AT && seen.insert(commit) {
                next.extend(commits.get(commit).into_iter().flat_map(|fact| &fact.parents));
            }
        }
        false
    }

    fn commits(&self) -> MutexGuard<'_, HashMap<CommitId, Fact>> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contains_what_follows_from_the_parents() {
        let facts = Facts::default();
        let id = |n: usize| CommitId::from(format!("{n:040}"));
        for n in 1..3_000 {
            facts.made(&id(n), "tree", &[id(n - 1), id(10_000 + n)]);
        }
        assert!(facts.contains(&id(9), &id(9)));
        assert!(facts.contains(&id(9), &id(10_004)));
        assert!(facts.contains(&id(9), &id(0)));
        assert!(!facts.contains(&id(9), &id(10)));
        assert!(!facts.contains(&id(2_999), &id(0)), "too far to be looked for");
        assert_eq!(facts.tree(&id(9)), Some("tree".into()));
        assert_eq!(facts.tree(&id(0)), None);
        facts.merged(&id(9), "into");
        facts.merged(&id(0), "into");
        assert_eq!(facts.merged_into(&id(9)).as_deref(), Some("into"));
        assert_eq!(facts.merged_into(&id(0)), None);
    }
}
