//! `miyabi budget`: what was spent on agents, and going on where it was too much.

use clap::{Args, Subcommand};
use miyabi_core::budget::{self, Amounts, Resource, WARN_AT, shown};
use miyabi_core::run::StepState;
use serde::Serialize;

use super::escalation::{Reply, answer};
use super::{find_run, read};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::text;
use crate::wiring::{Access, Home};

/// Show what was spent on agents, and let a run go on
#[derive(Debug, Args)]
pub struct BudgetArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with budgets.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Show what was used today, and by a run
    Show {
        /// Its number, or the beginning of its id; none: only the day
        #[arg(value_name = "RUN")]
        run: Option<String>,
    },
    /// Let a run go on that waits for budget
    ///
    /// A run that used up its own budget gets as much again. One that the budget of the day holds up is let go on
    /// today. One whose agents kept failing in the same way starts them again.
    Raise(RaiseArgs),
}

/// Let a run go on that waits for budget
#[derive(Debug, Args)]
pub struct RaiseArgs {
    /// Its number, or the beginning of its id
    #[arg(value_name = "RUN")]
    pub run: String,
    /// What you want to add
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub note: String,
    /// Record it only; `miyabi resume` goes on later
    #[arg(long)]
    pub no_resume: bool,
}

/// Runs the command.
pub async fn budget(args: BudgetArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        What::Show { run } => show(run.as_deref(), context).await,
        What::Raise(args) => raise(args, context).await,
    }
}

/// One limit and how far it is used.
#[derive(Debug, Serialize)]
struct Line {
    /// `day` or `run`.
    of: &'static str,
    resource: &'static str,
    used: f64,
    /// None: any amount.
    limit: Option<f64>,
}

async fn show(run: Option<&str>, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let (morning, _) = budget::day_of(home.clock.now());
    let day = home.store.used_since(morning).await?.used;
    let mut lines = lines("day", day, budget::of_day(&home.settings.policy));
    if let Some(typed) = run {
        let row = find_run(&home, typed).await?;
        let run = read(&home, &row).await?;
        lines.extend(self::lines("run", run.spending.used, budget::limits(&run)));
    }
    context.output.show(&lines, || table(&lines))?;
    Ok(exit::DONE)
}

fn lines(of: &'static str, used: Amounts, limits: Amounts) -> Vec<Line> {
    let line = |resource: Resource| Line {
        of,
        resource: resource.as_str(),
        used: used.of(resource),
        limit: Some(limits.of(resource)).filter(|limit| *limit > 0.0),
    };
    Resource::ALL.map(line).into()
}

fn table(lines: &[Line]) -> String {
    let word = |line: &Line| match line.limit {
        Some(limit) if line.used >= limit => "used up",
        Some(limit) if line.used >= limit * WARN_AT => "nearly used up",
        _ => "",
    };
    text::table(
        ["of", "resource", "used", "limit", ""],
        lines.iter().map(|line| {
            [
                line.of.to_owned(),
                line.resource.to_owned(),
                shown(line.used),
                line.limit.map_or_else(|| "none".to_owned(), shown),
                word(line).to_owned(),
            ]
        }),
    )
}

async fn raise(args: RaiseArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Write, Vec::new())?;
    let row = find_run(&home, &args.run).await?;
    let run = read(&home, &row).await?;
    let lacks = |question: &&miyabi_core::ports::EscalationRow| {
        question.run == row.id && run.step(&question.escalation.step).is_some_and(StepState::lacks_budget)
    };
    let questions = home.store.open_escalations().await?;
    let Some(question) = questions.iter().find(lacks) else {
        return Err(CliError::input(format!("run {} does not wait for budget", row.number))
            .hint("`miyabi budget show` shows what is used, `miyabi escalation list` what is asked"));
    };
    let (action, no_resume) = (budget::RAISE.to_owned(), args.no_resume);
    let reply = Reply { action, note: args.note, tasks: Vec::new(), no_resume };
    answer(context, &home, question, reply).await
}
