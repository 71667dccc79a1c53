//! `miyabi resume`: go on where it stopped.

use clap::Args;
use miyabi_core::ports::RunFilter;

use super::find_run;
use crate::context::Context;
use crate::driving::{self, Entry};
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::interrupt::Interrupt;
use crate::lock;
use crate::wiring::{Access, Home, prepare_build_folder};

/// Go on with interrupted and waiting runs
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Only this one: its number, or the beginning of its id
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
}

/// Runs the command.
pub async fn resume(args: ResumeArgs, context: &Context) -> Result<Exit, CliError> {
    // Nothing is made where there is nothing to go on with.
    let look = Home::open(context, Access::Read, Vec::new())?;
    let rows = match &args.run {
        Some(run) => vec![find_run(&look, run).await?],
        None => {
            let mut live = look.store.runs(&RunFilter { live: true, ..RunFilter::default() }).await?;
            let ids: Vec<_> = live.iter().map(|run| run.id.clone()).collect();
            lock::tidy(&look.runs_folder(), &ids);
            live.retain(|run| !lock::is_driven(&look.runs_folder(), &run.id));
            live
        }
    };
    let entries: Vec<_> = rows.iter().filter(|row| !row.status.is_end()).map(Entry::from).collect();
    if entries.is_empty() && args.run.is_none() {
        // Whoever was killed just after the end of a run has left what was kept ready for its steps.
        look.worktrees.drain().await?;
    }
    drop(look);
    if entries.is_empty() {
        context.output.note(&match rows.first() {
            Some(row) => format!("nothing to do: run {} {}", row.number, row.status),
            None => "nothing to do: no run was interrupted and none waits".to_owned(),
        });
        return Ok(exit::DONE);
    }
    let home = Home::open(context, Access::Write, Vec::new())?;
    prepare_build_folder(&home.root)?;
    let interrupt = Interrupt::listen(context.output);
    driving::drive(context, &home, &entries, &interrupt).await
}
