//! What is remembered of a remote's branches: refs under `refs/miyabi/`.
//!
//! - `remote/<branch>`: where the remote last said that its branch stands. What it reaches counts as safe elsewhere,
//!   so before it moves away from something that nothing else reaches, that is pinned like everything else.
//! - `pushed/<branch>`: what was last pushed from here, which a later push may replace. It is not the same: what was
//!   fetched may be work of others.
//! - `pushing/<branch>`: what is being pushed; an answer may be lost.

use miyabi_core::ids::{CommitId, RunId, StepId};

use crate::error::GitError;
use crate::keep::Owner;
use crate::names;
use crate::repository::Repository;

const KINDS: [&str; 3] = ["remote", "pushed", "pushing"];

/// What is remembered of one branch.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Where the remote last confirmed it.
    pub(crate) remote: Option<CommitId>,
    /// What was pushed, or may have been.
    pub(crate) ours: Vec<CommitId>,
    /// Every ref about it.
    names: Vec<String>,
    /// Refs whose names cannot stand beside this branch's, so that their branches are gone from the remote.
    clashing: Vec<(String, CommitId)>,
}

/// How a branch is known to stand at the remote.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing<'a> {
    /// It is not there.
    Gone,
    /// There, whoever pushed it.
    At(&'a CommitId),
    /// There, and it came from here.
    Ours(&'a CommitId),
}

impl Records {
    /// Whether what is known of other branches leaves no room for this one's name.
    pub(crate) fn clashes(&self) -> bool {
        !self.clashing.is_empty()
    }
}

impl Repository {
    /// What is remembered of a branch.
    pub(crate) async fn records(&self, branch: &str) -> Result<Records, GitError> {
        let folders = KINDS.map(|kind| format!("refs/miyabi/{kind}"));
        let call = self.look(&["for-each-ref", "--format=%(objectname) %(refname)"]).args(folders);
        let output = self.git.ok(call).await?;
        let mut records = Records::default();
        for line in String::from_utf8_lossy(&output).lines() {
            let Some((id, name)) = line.split_once(' ') else { continue };
            let Some((kind, other)) = name.strip_prefix("refs/miyabi/").and_then(|rest| rest.split_once('/'))
            else {
                continue;
            };
            let commit = CommitId::from(id);
            if other == branch {
                records.names.push(name.to_owned());
                match kind {
                    "remote" => records.remote = Some(commit),
                    _ => records.ours.push(commit),
                }
            } else if is_below(branch, other) || is_below(other, branch) {
                records.clashing.push((name.to_owned(), commit));
            }
        }
        Ok(records)
    }

    /// Remembers how a branch stands at the remote, and pins what is lost from sight with that.
    pub(crate) async fn record(
        &self,
        branch: &str,
        records: &Records,
        standing: Standing<'_>,
    ) -> Result<(), GitError> {
        let _refs = self.hold_refs().await?;
        let mut gone: Vec<&str> = Vec::new();
        let mut lost: Vec<&CommitId> = Vec::new();
        let now = match standing {
            Standing::Gone => None,
            Standing::At(commit) | Standing::Ours(commit) => Some(commit),
        };
        if now.is_none() {
            gone.extend(records.names.iter().map(String::as_str));
        } else {
            gone.extend(records.clashing.iter().map(|(name, _)| name.as_str()));
            lost.extend(records.clashing.iter().map(|(_, commit)| commit));
        }
        lost.extend(records.remote.as_ref().filter(|old| Some(*old) != now));
        self.pin_lost(branch, &gone, &lost, now).await?;
        // In a transaction of its own: a name may have to go before another one can come.
        let lines: String = gone.iter().map(|name| format!("delete {name}\n")).collect();
        if !lines.is_empty() {
            self.update_refs(&self.root, &lines).await?;
        }
        let lines = match standing {
            Standing::Gone => return Ok(()),
            Standing::At(commit) => format!("update refs/miyabi/remote/{branch} {commit}\n"),
            Standing::Ours(commit) => {
                let intent = format!("refs/miyabi/pushing/{branch}");
                let end = if records.names.contains(&intent) {
                    format!("delete {intent}\n")
                } else {
                    String::new()
                };
                format!(
                    "update refs/miyabi/remote/{branch} {commit}\nupdate refs/miyabi/pushed/{branch} {commit}\n{end}"
                )
            }
        };
        self.update_refs(&self.root, &lines).await
    }

    /// Remembers what is about to be pushed.
    pub(crate) async fn record_intent(&self, branch: &str, commit: &CommitId) -> Result<(), GitError> {
        let _refs = self.hold_refs().await?;
        self.update_refs(&self.root, &format!("update refs/miyabi/pushing/{branch} {commit}\n")).await
    }

    async fn pin_lost(
        &self,
        branch: &str,
        gone: &[&str],
        lost: &[&CommitId],
        now: Option<&CommitId>,
    ) -> Result<(), GitError> {
        let (run, step) = (RunId::from("remote"), StepId::from(branch));
        for commit in lost {
            let mut call =
                self.look(&["rev-list", "-n", "1"]).arg(names::commit(commit.as_str())?).arg("--not");
            if let Some(now) = now {
                call = call.arg(names::commit(now.as_str())?);
            }
            call = call.args(["--glob=refs/heads", "--glob=refs/miyabi/keep"]);
            call = call.arg(format!("--exclude=refs/miyabi/remote/{branch}"));
            call = call
                .args(gone.iter().map(|name| format!("--exclude={name}")))
                .arg("--glob=refs/miyabi/remote");
            if !self.git.ok(call).await?.is_empty() {
                self.pin(Owner { run: &run, step: &step }, commit).await?;
            }
        }
        Ok(())
    }
}

fn is_below(name: &str, folder: &str) -> bool {
    name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}
