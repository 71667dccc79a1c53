//! `miyabi escalation`: questions to people and their answers.

mod handover;
mod modifying;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use miyabi_core::event::Answer;
use miyabi_core::ports::{EscalationRow, RunFilter, RunRow};
use miyabi_core::task::Task;

use crate::asking::give;
use crate::context::Context;
use crate::driving::{self, Entry};
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::interrupt::Interrupt;
use crate::lock;
use crate::output::clean::short;
use crate::output::text;
use crate::starting::actor;
use crate::views::summary::asked;
use crate::wiring::{Access, Home, prepare_build_folder};

/// List, read and answer questions
#[derive(Debug, Args)]
pub struct EscalationArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with questions.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List the open questions
    List,
    /// Show a question and how it can be answered
    Show {
        /// Its id, such as `3-1`
        id: String,
    },
    /// Print the plan that a question is about as YAML, to be modified
    Plan {
        /// Its id, such as `3-1`
        id: String,
    },
    /// Open the worktree that a question is about in your editor, or say where it is
    Open {
        /// Its id, such as `3-1`
        id: String,
    },
    /// Answer a question, and go on with its run
    Answer(AnswerArgs),
}

/// Answer a question, and go on with its run
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// Its id, such as `3-1`
    pub id: String,
    /// The answer: `approve_anyway`, `manual_fix`, `modify`, `reject` …, whichever the question takes
    #[arg(long)]
    pub action: String,
    /// A file with the tasks for `modify`, as `miyabi escalation plan` prints them; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub tasks: Option<PathBuf>,
    /// What you want to add
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub note: String,
    /// Record the answer only; `miyabi resume` goes on later
    #[arg(long)]
    pub no_resume: bool,
}

/// Runs the command.
pub async fn escalation(args: EscalationArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        What::List => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let rows = home.store.open_escalations().await?;
            if context.output.json {
                context.output.json(&rows)?;
            } else if rows.is_empty() {
                context.output.note("nobody is asked anything");
            } else {
                context.output.data(&list(&rows))?;
            }
        }
        What::Show { id } => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let row = find(&home, &id).await?;
            context.output.show(&row, || {
                let mut lines = vec![format!("run {} asks at step {}", row.number, row.escalation.step)];
                asked(&row.escalation, &mut lines);
                lines.join("\n")
            })?;
        }
        What::Plan { id } => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let row = find(&home, &id).await?;
            let plan = modifying::plan(&home, &row).await?;
            context.output.show(&plan, || modifying::text(&plan))?;
        }
        What::Open { id } => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let row = find(&home, &id).await?;
            let place = handover::place(&home, &row).await?;
            context.output.show(&place, || place.path.display().to_string())?;
            if !handover::open(context, &home, &place).await? {
                context.output.note("no editor is set: `run.editor` in your settings");
            }
            context.output.note(&format!(
                "commit there, then: miyabi escalation answer {} --action manual_fix",
                row.id
            ));
        }
        What::Answer(args) => {
            let home = Home::open(context, Access::Write, Vec::new())?;
            let row = find(&home, &args.id).await?;
            let tasks = modifying::tasks(context, &home, &row, &args).await?;
            let reply = Reply { action: args.action, note: args.note, tasks, no_resume: args.no_resume };
            return answer(context, &home, &row, reply).await;
        }
    }
    Ok(exit::DONE)
}

/// What is answered.
pub struct Reply {
    /// The id of the action.
    pub action: String,
    /// What they added.
    pub note: String,
    /// The tasks of `modify`.
    pub tasks: Vec<Task>,
    /// Whether the run is left alone afterwards.
    pub no_resume: bool,
}

impl Reply {
    /// Go on.
    pub fn approve() -> Self {
        let action = "approve_anyway".to_owned();
        Self { action, note: String::new(), tasks: Vec::new(), no_resume: false }
    }
}

/// Records the answer in the name of whoever types, then drives the run on unless another process does.
pub async fn answer(
    context: &Context,
    home: &Home,
    row: &EscalationRow,
    reply: Reply,
) -> Result<Exit, CliError> {
    let Reply { action, note, tasks, no_resume } = reply;
    let known = &row.escalation.actions;
    if !known.iter().any(|known| known.id == action) {
        let ids: Vec<_> = known.iter().map(|action| format!("`{}`", action.id)).collect();
        return Err(CliError::input(format!("question {} cannot be answered with `{action}`", row.id))
            .hint(format!("it takes {}", ids.join(", "))));
    }
    let by = actor(context, &home.root).await;
    let told = format!("answered {} with {action}", row.id);
    let answer = Answer { action, by, from: "cli".to_owned(), note, tasks };
    give(home, context, &row.run, &row.escalation, answer).await?;
    context.output.note(&told);
    if no_resume {
        return Ok(exit::DONE);
    }
    if lock::is_driven(&home.runs_folder(), &row.run) {
        context.output.note(&format!("the process that drives run {} goes on", row.number));
        return Ok(exit::DONE);
    }
    prepare_build_folder(&home.root)?;
    let run = run_of(home, row).await?;
    let interrupt = Interrupt::listen(context.output);
    driving::drive(context, home, &[Entry::from(&run)], &interrupt).await
}

async fn run_of(home: &Home, row: &EscalationRow) -> Result<RunRow, CliError> {
    let filter = RunFilter { number: Some(row.number), ..RunFilter::default() };
    let runs = home.store.runs(&filter).await?;
    runs.into_iter()
        .find(|run| run.id == row.run)
        .ok_or_else(|| CliError::input(format!("run {} is gone", row.number)))
}

async fn find(home: &Home, id: &str) -> Result<EscalationRow, CliError> {
    let rows = home.store.open_escalations().await?;
    rows.into_iter().find(|row| row.id.as_str() == id).ok_or_else(|| {
        CliError::input(format!("there is no open question `{id}`"))
            .hint("`miyabi escalation list` shows the open ones")
    })
}

fn list(rows: &[EscalationRow]) -> String {
    text::table(
        ["question", "run", "step", "deadline (UTC)", "reason"],
        rows.iter().map(|row| {
            [
                row.id.to_string(),
                row.number.to_string(),
                row.escalation.step.to_string(),
                text::date_time(row.escalation.deadline),
                short(&row.escalation.reason, 100),
            ]
        }),
    )
}
