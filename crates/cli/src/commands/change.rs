//! `miyabi change`: changes of the local forge.

use clap::{Args, Subcommand};
use miyabi_core::commit_mark::{CommitMark, Conclusion};
use miyabi_core::ids::{ChangeNumber, IntentId};
use miyabi_core::intent::Write;
use miyabi_core::issue::{Change, ChangeState};
use miyabi_core::plan::{Uses, Work};
use serde::Serialize;

use super::escalation;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::clean::{clean_line, clean_text, short};
use crate::output::text;
use crate::starting::live_run;
use crate::wiring::{Access, Home};

/// List, read and merge changes
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with changes.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List changes, newest first
    List,
    /// Show a change
    Show {
        /// Its number
        #[arg(value_name = "N")]
        number: ChangeNumber,
    },
    /// Merge a change
    ///
    /// A run that waits for this goes on with it.
    Merge {
        /// Its number
        #[arg(value_name = "N")]
        number: ChangeNumber,
    },
}

/// Runs the command.
pub async fn change(args: ChangeArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        What::List => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let changes = home.local()?.changes().await?;
            if context.output.json {
                context.output.json(&changes)?;
            } else if changes.is_empty() {
                context.output.note("there are no changes yet");
            } else {
                context.output.data(&list(&changes))?;
            }
        }
        What::Show { number } => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let change = find(&home, number).await?;
            let marks = match home.local() {
                Ok(local) => local.marks(&change.head_commit).await?,
                // Elsewhere the forge's own pages show them.
                Err(_) => Vec::new(),
            };
            let shown = Shown { change: &change, marks: &marks };
            context.output.show(&shown, || show(&shown))?;
        }
        What::Merge { number } => {
            let home = Home::open(context, Access::Write, Vec::new())?;
            let change = find(&home, number).await?;
            return merge(context, &home, &change).await;
        }
    }
    Ok(exit::DONE)
}

/// A change with what is said at its commit.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    change: &'a Change,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    marks: &'a [CommitMark],
}

/// Says yes to the run that asks whether to merge; without a live run the change is merged here.
async fn merge(context: &Context, home: &Home, change: &Change) -> Result<Exit, CliError> {
    let number = change.number;
    match change.state {
        ChangeState::Open => {}
        ChangeState::Merged => {
            context.output.note(&format!("nothing to do: change #{number} is merged already"));
            return Ok(exit::DONE);
        }
        ChangeState::Closed => {
            return Err(CliError::input(format!("change #{number} was closed without merging")));
        }
    }
    if let Some(row) = live_run(home, change.issue).await? {
        let run = super::read(home, &row).await?;
        let asks = home.store.open_escalations().await?.into_iter().find(|question| {
            question.run == row.id
                && run
                    .step(&question.escalation.step)
                    .is_some_and(|state| state.step.work == Work::Uses(Uses::Change))
        });
        return match asks {
            Some(question) => {
                escalation::answer(context, home, &question, escalation::Reply::approve()).await
            }
            None => Err(CliError::input(format!("run {} still works on change #{number}", row.number))
                .hint(format!("`miyabi status` shows where it is, `miyabi cancel {}` ends it", row.number))),
        };
    }
    let id = IntentId::new(format!("cli/change-{number}/merge"));
    let write = Write::MergeChange {
        change: number,
        commit: change.head_commit.clone(),
        title: change.title.clone(),
        only_if_ready: false,
    };
    let receipt = home.forge.perform(&id, &write, home.clock.now()).await?;
    context.output.show(&receipt, || {
        let commit = receipt
            .merge_commit
            .as_ref()
            .map_or_else(String::new, |commit| format!(" as {}", text::short_id(commit.as_str())));
        format!("merged change #{number} into {}{commit}", clean_line(&change.base))
    })?;
    Ok(exit::DONE)
}

async fn find(home: &Home, number: ChangeNumber) -> Result<Change, CliError> {
    home.forge.change(number).await?.ok_or_else(|| {
        CliError::input(format!("there is no change #{number}"))
            .hint("`miyabi change list` shows the changes")
    })
}

fn state(change: &Change) -> &'static str {
    match change.state {
        ChangeState::Open => "open",
        ChangeState::Merged => "merged",
        ChangeState::Closed => "closed",
    }
}

fn list(changes: &[Change]) -> String {
    text::table(
        ["change", "issue", "state", "branch", "title"],
        changes.iter().map(|change| {
            [
                format!("#{}", change.number),
                format!("#{}", change.issue),
                state(change).to_owned(),
                change.head.clone(),
                short(&change.title, 80),
            ]
        }),
    )
}

fn show(Shown { change, marks }: &Shown<'_>) -> String {
    let mut out = format!("#{} {} ({})\n", change.number, clean_line(&change.title), state(change));
    out.push_str(&format!(
        "{} into {}, reviewed at {}\n",
        clean_line(&change.head),
        clean_line(&change.base),
        text::short_id(change.head_commit.as_str())
    ));
    if let Some(commit) = &change.merge_commit {
        out.push_str(&format!("merged as {}\n", text::short_id(commit.as_str())));
    }
    if !change.labels.is_empty() {
        out.push_str(&format!("labels: {}\n", clean_line(&change.labels.join(" "))));
    }
    for mark in *marks {
        out.push_str(&format!("{}\n", mark_line(mark)));
    }
    out.push_str(&format!("\n{}\n", clean_text(change.body.trim_end())));
    out
}

fn mark_line(mark: &CommitMark) -> String {
    match mark {
        CommitMark::Status(status) => {
            let (context, said) = (clean_line(&status.context), short(&status.description, 140));
            format!("status {context}: {} {said}", status.state.as_str())
        }
        CommitMark::CheckRun(check) => {
            let (name, said) = (clean_line(&check.name), short(&check.title, 140));
            let word = check.conclusion.map_or("in progress", Conclusion::as_str);
            format!("check run {name}: {word} {said}")
        }
    }
}
