//! `miyabi worktree`: the isolated checkouts.

use clap::{Args, Subcommand};
use miyabi_core::ids::RunId;
use miyabi_core::ports::{RunFilter, RunRow};
use miyabi_core::worktree::Closed;
use miyabi_core::worktree::Worktree;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::lock;
use crate::output::text;
use crate::views::status::issue_of;
use crate::wiring::{Access, Home};

/// List and remove worktrees
///
/// Nothing is lost: what is reachable from nowhere else is pinned under `refs/miyabi/keep/` before a worktree goes.
#[derive(Debug, Args)]
pub struct WorktreeArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with worktrees.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List miyabi's worktrees
    List,
    /// Remove the worktrees of runs that have ended
    Prune {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Remove one worktree
    Remove {
        /// Its name, such as `issue-500-task2`
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// A worktree with its run.
#[derive(Clone, Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    worktree: Worktree,
    issue: Option<u64>,
    run: Option<u64>,
    run_id: Option<RunId>,
    state: &'static str,
}

/// A worktree that was removed.
#[derive(Clone, Debug, Serialize)]
struct Removed {
    name: String,
    #[serde(flatten)]
    closed: Closed,
}

/// Runs the command.
pub async fn worktree(args: WorktreeArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        What::List => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let rows = rows(&home).await?;
            if context.output.json {
                context.output.json(&rows)?;
            } else if rows.is_empty() {
                context.output.note("there are no worktrees of miyabi's");
            } else {
                context.output.data(&list(&rows))?;
            }
        }
        What::Prune { yes } => {
            let home = Home::open(context, Access::Write, Vec::new())?;
            let rows: Vec<_> = rows(&home).await?.into_iter().filter(|row| row.is_over()).collect();
            if rows.is_empty() {
                context.output.note("nothing to do: every worktree belongs to a run that has not ended");
            } else {
                let names: Vec<_> = rows.iter().map(|row| row.worktree.name.as_str()).collect();
                context.confirm(yes, &format!("remove {}?", names.join(", ")))?;
            }
            remove(context, &home, &rows).await?;
            home.worktrees.drain().await?;
        }
        What::Remove { name, yes } => {
            let home = Home::open(context, Access::Write, Vec::new())?;
            let row = rows(&home).await?.into_iter().find(|row| row.worktree.name == name);
            let Some(row) = row else {
                return Err(CliError::input(format!("there is no worktree `{name}` of miyabi's"))
                    .hint("`miyabi worktree list` shows them"));
            };
            if row.state == "running" {
                return Err(CliError::input(format!(
                    "run {} works in `{name}`",
                    row.run.unwrap_or_default()
                ))
                .hint("`miyabi cancel` ends the run first"));
            }
            context.confirm(yes, &format!("remove {name}?"))?;
            remove(context, &home, &[row]).await?;
        }
    }
    Ok(exit::DONE)
}

impl Row {
    /// Whether nobody will work in it again.
    fn is_over(&self) -> bool {
        matches!(self.state, "ended" | "unknown")
    }
}

async fn rows(home: &Home) -> Result<Vec<Row>, CliError> {
    let mut rows = Vec::new();
    for worktree in home.worktrees.list().await? {
        let issue = issue_of(&worktree.name);
        let run = match issue {
            Some(issue) => newest(home, issue).await?,
            None => None,
        };
        let state = match &run {
            None => "unknown",
            Some(run) if run.status.is_end() => "ended",
            Some(run) if lock::is_driven(&home.runs_folder(), &run.id) => "running",
            Some(_) => "waiting",
        };
        rows.push(Row {
            worktree,
            issue,
            run: run.as_ref().map(|run| run.number),
            run_id: run.map(|run| run.id),
            state,
        });
    }
    Ok(rows)
}

async fn newest(home: &Home, issue: u64) -> Result<Option<RunRow>, CliError> {
    let filter = RunFilter { issue: Some(issue), limit: Some(1), ..RunFilter::default() };
    Ok(home.store.runs(&filter).await?.into_iter().next())
}

async fn remove(context: &Context, home: &Home, rows: &[Row]) -> Result<(), CliError> {
    let mut removed = Vec::new();
    // Task branches first: they are merged into the integration branch, which is merged into the base branch.
    let mut order: Vec<_> = rows.iter().collect();
    order.sort_by_key(|row| std::cmp::Reverse(row.worktree.name.len()));
    for row in order {
        let run = row.run_id.clone().unwrap_or_else(|| RunId::new("unknown"));
        let closed = home.worktrees.close(&run, &row.worktree.name).await?;
        removed.push(Removed { name: row.worktree.name.clone(), closed });
    }
    if context.output.json {
        return context.output.json(&removed);
    }
    for Removed { name, closed } in &removed {
        let kept = closed
            .kept
            .as_ref()
            .map_or_else(String::new, |kept| format!("; what was nowhere else is kept in {kept}"));
        let branch = if closed.branch_deleted { " and its branch" } else { "" };
        context.output.data(&format!("removed {name}{branch}{kept}"))?;
    }
    Ok(())
}

fn list(rows: &[Row]) -> String {
    text::table(
        ["worktree", "branch", "run", "state", "path"],
        rows.iter().map(|row| {
            let run = row.run.map_or_else(|| "–".to_owned(), |run| run.to_string());
            let state = match row.state {
                "ended" => "run ended",
                "waiting" => "run has not ended",
                "running" => "run works",
                _ => "no run",
            };
            [
                row.worktree.name.clone(),
                row.worktree.branch.clone(),
                run,
                state.to_owned(),
                row.worktree.path.display().to_string(),
            ]
        }),
    )
}
