//! Branches of the remote: fetched, pushed and deleted one at a time.

use miyabi_core::ids::{ChangeNumber, CommitId};
use miyabi_core::ports::{PushSpec, Pushed};

use super::error::RemoteError;
use super::records::{Records, Standing};
use super::talk::{Place, Told, Transport};
use crate::error::GitError;
use crate::lock::Held;
use crate::names;
use crate::repository::Repository;

/// How often a branch may move between a look and a push.
const TRIES: u32 = 4;

/// What the remote made of one ref that it was sent.
enum Verdict {
    Taken,
    /// It moved, or somebody else writes it at this time.
    Moved,
    Refused(RemoteError),
}

impl Repository {
    /// See [`Remote::fetch`](miyabi_core::ports::Remote::fetch).
    pub(crate) async fn fetch_branch(
        &self,
        transport: &Transport,
        branch: &str,
    ) -> Result<Option<CommitId>, RemoteError> {
        let _held = self.hold_branch_of_remote(branch).await?;
        let url = transport.address.url();
        let told = self.fetch_one(transport, format!("refs/heads/{branch}")).await?;
        let records = self.records(branch).await?;
        if !told.success {
            let absent = format!("couldn't find remote ref refs/heads/{branch}");
            if told.said.lines().any(|line| line.ends_with(&absent)) {
                self.record(branch, &records, Standing::Gone).await?;
                return Ok(None);
            }
            return Err(RemoteError::of_call(url, &told.said));
        }
        let id = told.fetched.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
        let commit = CommitId::from(names::commit(id).map_err(|_| GitError::Answer { call: "git fetch" })?);
        if records.remote.as_ref() != Some(&commit) {
            self.record(branch, &records, Standing::At(&commit)).await?;
        }
        Ok(Some(commit))
    }

    /// Brings one thing here and changes no ref; its name is checked already.
    async fn fetch_one(&self, transport: &Transport, what: String) -> Result<Told, RemoteError> {
        let mut arguments =
            words(&["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-prune"]);
        // The target's refs are none of its business: it notes what it got in the room's own FETCH_HEAD.
        arguments.extend(["--no-auto-maintenance", "--", transport.address.url()].map(str::to_owned));
        arguments.push(what);
        transport.talk(&self.git, &self.place(), &arguments).await
    }

    /// See [`Worktrees::bring`](miyabi_core::ports::Worktrees::bring).
    pub(crate) async fn bring_commit(
        &self,
        commit: &CommitId,
        change: Option<ChangeNumber>,
        branch: Option<&str>,
    ) -> Result<bool, RemoteError> {
        names::commit(commit.as_str())?;
        if self.has_commit(commit).await? {
            return Ok(true);
        }
        let Some(transport) = &self.transport else { return Ok(false) };
        let branch = branch.filter(|branch| names::branch(branch).is_ok());
        let places = [
            change.map(|number| format!("refs/pull/{number}/head")),
            branch.map(|name| format!("refs/heads/{name}")),
        ];
        // Servers need not give out what no ref of theirs leads to; it is tried last.
        for place in places.into_iter().flatten().chain([commit.as_str().to_owned()]) {
            let told = self.fetch_one(transport, place).await?;
            if self.has_commit(commit).await? {
                return Ok(true);
            }
            // A place that is not there is no failure; that nobody answers is one.
            let refused = ["couldn't find remote ref", "not our ref", "unadvertised object"];
            if !told.success && !refused.iter().any(|refused| told.said.contains(refused)) {
                return Err(RemoteError::of_call(transport.address.url(), &told.said));
            }
        }
        Ok(false)
    }

    /// See [`Remote::push`](miyabi_core::ports::Remote::push).
    pub(crate) async fn push_branch(
        &self,
        transport: &Transport,
        spec: &PushSpec,
    ) -> Result<Pushed, RemoteError> {
        let (branch, commit) = (&spec.branch, &spec.commit);
        names::commit(commit.as_str())?;
        let _held = self.hold_branch_of_remote(branch).await?;
        if !self.has_commit(commit).await? {
            return Err(GitError::Unknown { what: "commit", name: commit.to_string() }.into());
        }
        let mut before = None;
        for tried in 0..TRIES {
            let there = self.seen_there(transport, branch).await?;
            let records = self.records(branch).await?;
            if there.as_ref() == Some(commit) {
                self.record(branch, &records, Standing::Ours(commit)).await?;
                // After a try of ours that seemed to be too late, it is still that try which came through.
                return Ok(if tried == 0 { Pushed::Already } else { Pushed::Done { before } });
            }
            if let Some(there) = &there {
                if !self.may_replace(there, commit, &records).await? {
                    return Err(RemoteError::Foreign {
                        branch: branch.clone(),
                        there: there.clone(),
                        wanted: commit.clone(),
                    });
                }
                if records.ours.contains(there) {
                    // Found at last, should its own answer have been lost.
                    self.record(branch, &records, Standing::Ours(there)).await?;
                }
            }
            if !records.clashes() {
                self.record_intent(branch, commit).await?;
            }
            let verdict = self.send(transport, branch, there.as_ref(), Some(commit)).await?;
            match verdict {
                Verdict::Taken => {
                    let records = self.records(branch).await?;
                    self.record(branch, &records, Standing::Ours(commit)).await?;
                    return Ok(Pushed::Done { before: there });
                }
                Verdict::Refused(error) => return Err(error),
                Verdict::Moved => before = there,
            }
        }
        Err(GitError::Moved { branch: branch.clone() }.into())
    }

    /// See [`Remote::delete`](miyabi_core::ports::Remote::delete).
    pub(crate) async fn delete_branch(
        &self,
        transport: &Transport,
        branch: &str,
        expected: &CommitId,
    ) -> Result<bool, RemoteError> {
        names::commit(expected.as_str())?;
        let _held = self.hold_branch_of_remote(branch).await?;
        for tried in 0..TRIES {
            let there = self.seen_there(transport, branch).await?;
            let records = self.records(branch).await?;
            match there {
                None => {
                    self.record(branch, &records, Standing::Gone).await?;
                    return Ok(tried > 0);
                }
                Some(there) if there != *expected => {
                    return Err(RemoteError::Moved {
                        branch: branch.to_owned(),
                        there,
                        expected: expected.clone(),
                    });
                }
                Some(_) => {}
            }
            match self.send(transport, branch, Some(expected), None).await? {
                Verdict::Taken => {
                    self.record(branch, &records, Standing::Gone).await?;
                    return Ok(true);
                }
                Verdict::Refused(error) => return Err(error),
                Verdict::Moved => {}
            }
        }
        Err(GitError::Moved { branch: branch.to_owned() }.into())
    }

    /// See [`Worktrees::base`](miyabi_core::ports::Worktrees::base).
    pub(crate) async fn base_tip(&self, branch: &str) -> Result<Option<CommitId>, RemoteError> {
        match &self.transport {
            Some(transport) => self.fetch_branch(transport, branch).await,
            None => Ok(self.branch_tip(branch).await?),
        }
    }

    /// Waits until nobody else of us talks to the remote about that branch.
    async fn hold_branch_of_remote(&self, branch: &str) -> Result<Held, GitError> {
        names::branch(branch)?;
        self.locks.hold(&format!("remote-{}", names::ref_component(branch))).await
    }

    /// This repository, as a call to a remote sees it.
    pub(crate) fn place(&self) -> Place<'_> {
        Place::Repository { common: &self.common, format: self.format.clone() }
    }

    /// Where the branch stands at the remote now.
    async fn seen_there(&self, transport: &Transport, branch: &str) -> Result<Option<CommitId>, RemoteError> {
        let url = transport.address.url();
        let name = format!("refs/heads/{branch}");
        let arguments = words(&["ls-remote", "--quiet", "--refs", "--", url, &name]);
        let told = transport.talk(&self.git, &self.place(), &arguments).await?;
        if !told.success {
            return Err(RemoteError::of_call(url, &told.said));
        }
        // Names that only end like this one are listed too.
        let mut lines = told.stdout.lines().filter_map(|line| line.split_once('\t'));
        let Some((id, _)) = lines.find(|(_, other)| *other == name) else { return Ok(None) };
        let id = names::commit(id).map_err(|_| GitError::Answer { call: "git ls-remote" })?;
        Ok(Some(CommitId::from(id)))
    }

    /// Whether nothing of others is lost when that is replaced.
    async fn may_replace(
        &self,
        there: &CommitId,
        with: &CommitId,
        records: &Records,
    ) -> Result<bool, GitError> {
        if records.ours.contains(there) {
            return Ok(true);
        }
        if !self.has_commit(there).await? {
            return Ok(false);
        }
        for whole in std::iter::once(with).chain(&records.ours) {
            if self.contains(whole.as_str(), there.as_str()).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the commit is in this repository.
    async fn has_commit(&self, commit: &CommitId) -> Result<bool, GitError> {
        let id = names::commit(commit.as_str())?;
        let call = self.look(&["cat-file", "-e"]).arg(format!("{id}^{{commit}}"));
        Ok(self.git.run(call).await?.success())
    }

    /// Puts a commit on the branch, or deletes it, if it still stands where it was seen.
    async fn send(
        &self,
        transport: &Transport,
        branch: &str,
        seen: Option<&CommitId>,
        commit: Option<&CommitId>,
    ) -> Result<Verdict, RemoteError> {
        let url = transport.address.url();
        let name = format!("refs/heads/{branch}");
        let seen = seen.map(CommitId::as_str).unwrap_or_default();
        let commit = commit.map(CommitId::as_str).unwrap_or_default();
        let mut arguments = words(&["push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags"]);
        arguments.push("--recurse-submodules=no".to_owned());
        arguments.push(format!("--force-with-lease={name}:{seen}"));
        arguments.extend(["--".to_owned(), url.to_owned(), format!("{commit}:{name}")]);
        let told = transport.talk(&self.git, &self.place(), &arguments).await?;
        Ok(verdict(url, branch, &told))
    }
}

/// Reads what `git push --porcelain` says about one ref.
fn verdict(url: &str, branch: &str, told: &Told) -> Verdict {
    if told.success {
        return Verdict::Taken;
    }
    let Some(line) = told.stdout.lines().find(|line| line.starts_with("!\t")) else {
        return Verdict::Refused(RemoteError::of_call(url, &told.said));
    };
    let reason = line.rsplit('\t').next().unwrap_or_default();
    let said = format!("{reason}\n{}", told.said).trim().to_owned();
    let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
    if reason.contains("[remote failure]") {
        return Verdict::Refused(RemoteError::of_call(url, &format!("{}\nremote failure", told.said)));
    }
    if has(&["No space left on device", "Disk quota exceeded"]) {
        return Verdict::Refused(RemoteError::of_call(url, &format!("remote: {said}")));
    }
    if reason.contains("stale info")
        || reason.contains("failed to update ref")
        || reason.contains("reference already exists")
        || reason.contains("fetch first")
        || reason.contains("cannot lock ref")
    {
        return Verdict::Moved;
    }
    let branch = branch.to_owned();
    let rules = [
        "protected branch",
        "GH006",
        "GH013",
        "rule violations",
        "deletion prohibited",
        "(non-fast-forward)",
    ];
    if has(&rules) {
        return Verdict::Refused(RemoteError::Protected { branch, said });
    }
    Verdict::Refused(RemoteError::Rejected { branch, said })
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
