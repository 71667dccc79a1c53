//! Carrying out what a delivery asks for: looked up at the forge, done once, and said why when it is not done.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::delivery::{Delivery, Verdict};
use miyabi_core::event::EventBody;
use miyabi_core::failure::Failure;
use miyabi_core::ids::IssueNumber;
use miyabi_core::ports::{RunFilter, RunRow};
use miyabi_core::run::Run;
use miyabi_core::subject::Cause;
use miyabi_core::trigger::{Command, Matched, Need, Notice, Order, Place};
use miyabi_forge::GitHubForge;

use super::{Done, Site, answers, replies};
use crate::error::CliError;
use crate::starting::{self, Asked};

/// The flow that issues run through.
const FLOW: &str = "issue";

impl Site {
    /// Does what an accepted delivery asks for. Errors: something that may pass; it is tried again.
    pub(super) async fn carry_out(&self, delivery: &Delivery, matched: &Matched) -> Result<Done, CliError> {
        if self.home.github.is_some() && self.was_heard(delivery).await? {
            return Ok(Done::Settled(Verdict::ignored("the comment was found before its delivery came")));
        }
        let done = match matched.order {
            Order::Flows => Done::Settled(delivery.verdict.clone()),
            _ => self.carry_out_order(delivery, matched).await?,
        };
        match done {
            Done::Settled(verdict) if !matched.starts.is_empty() => {
                self.begin_flows(delivery, matched, verdict).await
            }
            done => Ok(done),
        }
    }

    async fn carry_out_order(&self, delivery: &Delivery, matched: &Matched) -> Result<Done, CliError> {
        let Some(github) = self.home.github.clone() else {
            return Ok(Done::no("this server keeps its issues itself and takes no orders from elsewhere"));
        };
        if let Some(why) = self.lacks(&github, &matched.needs).await? {
            replies::refused(self, delivery, matched, &why).await?;
            return Ok(Done::no(why));
        }
        let actor = matched.actor.as_deref().unwrap_or("somebody");
        match &matched.order {
            Order::Run { flow, on, .. } => match on {
                Place::Issue(number) if flow == FLOW => {
                    self.run_issue(delivery, matched, *number, actor).await
                }
                Place::Issue(_) => Ok(Done::no(format!("there is no flow `{flow}` here"))),
                Place::Change(_) => Ok(Done::no("runs are started from issues, and this is a change")),
            },
            Order::Command { command, on, note, .. } => {
                let Some(run) = self.run_of(*on).await? else {
                    if let (Command::Retry, Place::Issue(number)) = (command, on) {
                        return self.run_issue(delivery, matched, *number, actor).await;
                    }
                    let why = "no run of it has not ended";
                    replies::refused(self, delivery, matched, why).await?;
                    return Ok(Done::no(why));
                };
                self.command(delivery, matched, *command, note, &run, actor).await
            }
            Order::Notice { notice } => self.notice(&github, delivery, notice, actor).await,
            Order::Flows => Ok(Done::Settled(delivery.verdict.clone())),
            Order::Enrol { .. } => Ok(Done::no("repositories are enrolled for the whole server")),
        }
    }

    /// What the sender may not do, in words for them.
    pub(super) async fn lacks(
        &self,
        github: &GitHubForge,
        needs: &[Need],
    ) -> Result<Option<String>, Failure> {
        for need in needs {
            match need {
                Need::Permission { of, at_least } => {
                    let has = github.permission(of).await?;
                    if has < *at_least {
                        let (has, at_least) = (word(has), word(*at_least));
                        return Ok(Some(format!("{of} has {has} permission here, and {at_least} is needed")));
                    }
                }
                Need::ReviewApproval | Need::CiPass => {
                    return Ok(Some("conditions on reviews and CI are for changes".to_owned()));
                }
            }
        }
        Ok(None)
    }

    async fn run_issue(
        &self,
        delivery: &Delivery,
        matched: &Matched,
        number: IssueNumber,
        actor: &str,
    ) -> Result<Done, CliError> {
        if let Some(row) = starting::live_run(&self.home, number).await? {
            self.drivers.drive(&row.id);
            replies::joined(self, delivery, matched, row.number).await?;
            return Ok(Done::Settled(Verdict::ignored(format!("run {} of it has not ended", row.number))));
        }
        let cause = Cause { delivery: delivery.key.to_string(), rule: matched.rule.clone() };
        let begun = async {
            let issue = starting::open_issue(&self.home, number).await?;
            let start = starting::look(&self.context, &self.home, None).await?;
            let asked = Asked { actor: actor.to_owned(), trigger: trigger(matched), cause: Some(cause) };
            starting::begin(&self.home, &start, issue, &asked).await
        };
        match begun.await {
            Ok(entry) => {
                tracing::info!(run.id = %entry.id, issue = number, "began run {} for {actor}", entry.number);
                self.drivers.drive(&entry.id);
                Ok(Done::Settled(delivery.verdict.clone()))
            }
            Err(error) if error.may_pass() => Err(error),
            Err(error) => {
                replies::refused(self, delivery, matched, &error.summary()).await?;
                Ok(Done::no(error.summary()))
            }
        }
    }

    async fn command(
        &self,
        delivery: &Delivery,
        matched: &Matched,
        command: Command,
        note: &str,
        row: &RunRow,
        actor: &str,
    ) -> Result<Done, CliError> {
        let done = Ok(Done::Settled(delivery.verdict.clone()));
        match command {
            Command::Stop => {
                let by = format!("{actor} (comment)");
                self.tell(row, EventBody::CancelRequested { by, superseded_by: None }).await?;
                done
            }
            Command::Status | Command::Run => {
                replies::status(self, row).await?;
                done
            }
            Command::Approve | Command::Reject | Command::Fix => {
                match answers::by_comment(self, row, command, note, actor).await? {
                    None => done,
                    Some(why) => {
                        replies::refused(self, delivery, matched, &why).await?;
                        Ok(Done::no(why))
                    }
                }
            }
            Command::Retry => match answers::again(self, row, note, actor).await? {
                None => done,
                Some(why) => {
                    replies::refused(self, delivery, matched, &why).await?;
                    Ok(Done::no(why))
                }
            },
        }
    }

    /// A fact that runs may wait for. What it says is only a hint: the forge is asked.
    async fn notice(
        &self,
        github: &Arc<GitHubForge>,
        delivery: &Delivery,
        notice: &Notice,
        actor: &str,
    ) -> Result<Done, CliError> {
        if let Notice::Review { .. } = notice {
            let pause = i64::try_from(self.home.settings.serve.debounce_secs).unwrap_or(i64::MAX);
            let due = delivery.received_at.saturating_add(SignedDuration::from_secs(pause));
            let due = due.unwrap_or(Timestamp::MAX);
            if self.home.clock.now() < due {
                return Ok(Done::Later(due));
            }
        }
        let mut told = false;
        for (row, run) in self.live_runs().await? {
            let change = run.change().and_then(|receipt| receipt.change);
            let concerns = match notice {
                Notice::Ci { commit, branch } => {
                    run.is_about_commit(commit)
                        || branch.as_deref().is_some_and(|branch| is_ours(&run, branch))
                        || looks_at(github, &run, commit).await?
                }
                Notice::Change { change: number, .. } | Notice::Review { change: number, .. } => {
                    run.change_at_hand() == Some(*number)
                }
                Notice::Push { branch, .. } => *branch == run.started.base_branch,
            };
            if !concerns {
                continue;
            }
            told = true;
            if let (Some(change), Some(report)) = (change, run.report())
                && let Some(standing) =
                    miyabi_core::ports::Forge::standing(&**github, change, &report.commit).await?
            {
                answers::by_standing(self, &row, &run, &standing, actor).await?;
            }
            if run.listens() {
                let what = format!("{} {}", delivery.event, delivery.action.as_deref().unwrap_or_default());
                self.tell(&row, EventBody::Signalled { what: what.trim().to_owned() }).await?;
            }
        }
        Ok(match told {
            true => Done::Settled(delivery.verdict.clone()),
            false => Done::Settled(Verdict::ignored("no run waits for it")),
        })
    }

    /// Tells a run something and has it driven on. Once it has ended there is nobody to tell.
    pub(super) async fn tell(&self, row: &RunRow, fact: EventBody) -> Result<(), CliError> {
        match self.home.engine(None).tell(&row.id, &[fact]).await {
            // It ended, or was told the same, since we looked.
            Err(miyabi_engine::EngineError::Log(illegal)) => {
                tracing::info!(run.id = %row.id, why = illegal.why, "a run was not told what it knows");
            }
            told => told?,
        }
        self.drivers.drive(&row.id);
        Ok(())
    }

    /// The live run of an issue or change.
    async fn run_of(&self, on: Place) -> Result<Option<RunRow>, CliError> {
        match on {
            Place::Issue(number) => starting::live_run(&self.home, number).await,
            Place::Change(number) => {
                let runs = self.live_runs().await?;
                let of = |run: &Run| run.change().and_then(|receipt| receipt.change) == Some(number);
                Ok(runs.into_iter().find(|(_, run)| of(run)).map(|(row, _)| row))
            }
        }
    }

    /// Runs of the repository that have not ended, as their logs tell them.
    pub(super) async fn live_runs(&self) -> Result<Vec<(RunRow, Run)>, CliError> {
        let engine = self.home.engine(None);
        let mut live = Vec::new();
        for row in self.home.store.runs(&RunFilter { live: true, ..RunFilter::default() }).await? {
            if row.repo == self.home.repo
                && let Some(run) = engine.read(&row.id).await?
            {
                live.push((row, run));
            }
        }
        Ok(live)
    }
}

/// Whether a run that waits was told of a change alone, and the commit is at its head now.
async fn looks_at(github: &GitHubForge, run: &Run, commit: &str) -> Result<bool, Failure> {
    let Some(change) = run.change_without_head().filter(|_| run.listens()) else { return Ok(false) };
    let change = miyabi_core::ports::Forge::change(github, change).await?;
    Ok(change.is_some_and(|change| change.head_commit.as_str() == commit))
}

fn is_ours(run: &Run, branch: &str) -> bool {
    branch == miyabi_core::naming::integration_branch(run.started.issue.number)
}

/// How the run was asked for.
fn trigger(matched: &Matched) -> String {
    match &matched.order {
        Order::Run { .. } => matched.rule.clone(),
        _ => "comment".to_owned(),
    }
}

fn word(permission: miyabi_core::trigger::Permission) -> String {
    format!("{permission:?}").to_lowercase()
}
