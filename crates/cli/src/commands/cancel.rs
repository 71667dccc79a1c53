//! `miyabi cancel`: end a run.

use clap::Args;
use miyabi_core::event::EventBody;
use miyabi_core::status::Status;

use super::{find_run, read};
use crate::context::Context;
use crate::driving::{self, Entry};
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::interrupt::Interrupt;
use crate::lock;
use crate::starting::actor;
use crate::wiring::{Access, Home};

/// End a run
///
/// What works for it is stopped, and what it did is kept. If no process drives the run, it is brought to its end here.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// Its number, or the beginning of its id
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// Runs the command.
pub async fn cancel(args: CancelArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Write, Vec::new())?;
    let row = find_run(&home, &args.run).await?;
    let run = read(&home, &row).await?;
    if let Some((status, _)) = &run.ended {
        context.output.note(&format!("nothing to do: run {} {status} already", row.number));
        return Ok(exit::DONE);
    }
    if run.cancelled_by.is_none() {
        let by = actor(context, &home.root).await;
        home.engine(None).tell(&row.id, &[EventBody::CancelRequested { by, superseded_by: None }]).await?;
    }
    if lock::is_driven(&home.runs_folder(), &row.id) {
        context
            .output
            .note(&format!("run {} was told to end; the process that drives it stops its work", row.number));
        return Ok(exit::DONE);
    }
    let interrupt = Interrupt::listen(context.output);
    let exit = driving::drive(context, &home, &[Entry::from(&row)], &interrupt).await?;
    // The end that was asked for is a success of this command.
    let ended = read(&home, &row).await?.ended;
    Ok(if ended.is_some_and(|(status, _)| status == Status::Cancelled) { exit::DONE } else { exit })
}
