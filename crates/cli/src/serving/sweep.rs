//! What was missed: issues that got their label while nobody listened, comments that said something to us, and changes
//! that people merged or closed.

use miyabi_core::ids::RunId;
use miyabi_core::issue::Issue;
use miyabi_core::ports::{Forge, RunFilter};
use miyabi_core::subject::lane_of_issue;
use miyabi_core::trigger::Permission;
use miyabi_forge::{GitHubForge, IssueFilter};
use tracing::info;

use super::{Site, answers};
use crate::error::CliError;
use crate::starting::{self, Asked};

impl Site {
    /// Asks the forge for what no delivery told. Errors: the forge does not answer.
    pub(super) async fn sweep(&self) -> Result<(), CliError> {
        let Some(github) = self.home.github.clone() else { return Ok(()) };
        for (row, run) in self.live_runs().await? {
            let change = run.change().and_then(|receipt| receipt.change);
            if let (Some(change), Some(report)) = (change, run.report())
                && !run.questions.is_empty()
                && let Some(standing) = github.standing(change, &report.commit).await?
            {
                answers::by_standing(self, &row, &run, &standing, "somebody").await?;
            }
        }
        for label in &self.home.settings.trigger.labels {
            let filter = IssueFilter { labels: vec![label.clone()], ..IssueFilter::default() };
            for issue in github.issues(&filter).await? {
                self.begin_missed(label, issue).await?;
            }
        }
        self.hear_missed(&github).await
    }

    /// Begins a run for a labelled issue that never had one, if whoever labelled it may ask for that.
    async fn begin_missed(&self, label: &str, issue: Issue) -> Result<(), CliError> {
        let lane = Some(lane_of_issue(issue.number));
        let filter = RunFilter { lane, ..RunFilter::default() };
        let known = self.home.store.runs(&filter).await?;
        if known.iter().any(|row| row.repo == self.home.repo) {
            return Ok(());
        }
        let Some(actor) = self.asked_for(label, &issue).await? else { return Ok(()) };
        let number = issue.number;
        let run = self.begin(issue, actor, "sweep").await?;
        info!(run.id = %run, issue = number, "began a run that no delivery had asked for");
        Ok(())
    }

    /// Who put the label there, if they may ask for a run.
    pub(super) async fn asked_for(&self, label: &str, issue: &Issue) -> Result<Option<String>, CliError> {
        let Some(github): Option<&GitHubForge> = self.home.github.as_deref() else {
            // Whoever can write to the local forge can run everything.
            return Ok(Some(issue.author.clone()));
        };
        let Some(actor) = github.labelled_by(issue.number, label).await? else { return Ok(None) };
        let bots = &self.home.settings.trigger.bots;
        let may = bots.contains(&actor) || github.permission(&actor).await? >= Permission::Write;
        Ok(may.then_some(actor))
    }

    /// Begins a run and has it driven.
    pub(super) async fn begin(&self, issue: Issue, actor: String, trigger: &str) -> Result<RunId, CliError> {
        let start = starting::look(&self.context, &self.home, None).await?;
        let asked = Asked { actor, trigger: trigger.to_owned(), cause: None };
        let entry = starting::begin(&self.home, &start, issue, &asked).await?;
        self.drivers.drive(&entry.id);
        Ok(entry.id)
    }
}
