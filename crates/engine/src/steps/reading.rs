//! An agent that reads the finished change. Whatever becomes of that, the review itself is not lost.

use miyabi_core::analysis::Analysis;
use miyabi_core::budget;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::CommitId;
use miyabi_core::issue::Issue;
use miyabi_core::policy::Policy;
use miyabi_core::report::{Reading, Remarks, Report};
use miyabi_core::session::Adapter;
use miyabi_core::worktree::Worktree;
use serde_json::json;

use super::Job;
use super::session::Seat;
use crate::World;

/// Who reads, and what is needed of the run for it.
pub(super) struct Reader {
    adapter: Adapter,
    seat: Seat,
    issue: Issue,
    analysis: Option<Analysis>,
    policy: Policy,
    /// Nothing is left to pay it from.
    exhausted: Option<Failure>,
}

impl Reader {
    /// The reader of the attempt that begins, if the run has one.
    pub(super) fn of(world: &World, job: &Job<'_>) -> Option<Self> {
        let run = job.run;
        Some(Self {
            adapter: run.started.reviewer.clone()?,
            seat: Seat::of(world, job),
            issue: run.started.issue.clone(),
            analysis: run.analysis(),
            policy: run.policy().clone(),
            exhausted: budget::exhausted(run, 0),
        })
    }

    /// Has the change read, and puts into the report what was remarked, or why nobody read it.
    ///
    /// Errors: it was stopped.
    pub(super) async fn read(
        self,
        world: &World,
        worktree: &Worktree,
        onto: &CommitId,
        report: &mut Report,
    ) -> Result<(), Failure> {
        if let Some(why) = report.unread_because(self.analysis.as_ref(), &self.policy) {
            report.notes.push(format!("no agent read it: {why}"));
            return Ok(());
        }
        let by = self.adapter.to_string();
        let answer = match &self.exhausted {
            Some(failure) => Err(failure.clone()),
            None => self.ask(world, worktree, onto, report).await,
        };
        report.reading = Some(match answer {
            Ok(answer) => Reading::of(by, answer),
            Err(failure) if failure.class == FailureClass::Cancelled => return Err(failure),
            Err(failure) => Reading::failed(by, failure.message),
        });
        Ok(())
    }

    /// Asks, and once more when the answer is no answer.
    async fn ask(
        self,
        world: &World,
        worktree: &Worktree,
        onto: &CommitId,
        report: &Report,
    ) -> Result<Remarks, Failure> {
        let change = world.worktrees.compare(onto, &report.commit).await?;
        let files: Vec<_> = change.created.iter().chain(&change.changed).chain(&change.deleted).collect();
        let values = |wrong: &[String]| {
            json!({
                "issue": self.issue,
                "base": onto,
                "commit": report.commit,
                "files": files,
                "found": report.issues.iter().take(50).map(|finding| &finding.message).collect::<Vec<_>>(),
                "findings": wrong,
            })
        };
        let first = self.seat.ask(world, &self.adapter, worktree, "reviewer", values(&[])).await;
        match first {
            Err(failure) if failure.class == FailureClass::BadAnswer => {
                let again = values(&[failure.message]);
                self.seat.again(world).ask(world, &self.adapter, worktree, "reviewer", again).await
            }
            answer => answer,
        }
    }
}
