//! `miyabi log`: the events of a run.

use clap::Args;
use miyabi_core::run::Run;

use super::find_run;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::line::describe;
use crate::output::text;
use crate::wiring::{Access, Home};

/// Show the events of a run
///
/// With `--json` each event stands on a line of its own, exactly as it is kept.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Its number, or the beginning of its id
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// Runs the command.
pub async fn log(args: LogArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let row = find_run(&home, &args.run).await?;
    let events = home.store.load(&row.id, 0).await?;
    let mut run: Option<Run> = None;
    let mut out = String::new();
    for event in &events {
        if context.output.json {
            context.output.json(event)?;
            continue;
        }
        match &mut run {
            None => run = Run::start(event).ok(),
            // A log that cannot be folded is still shown.
            Some(run) => drop(run.apply(event)),
        }
        if let Some(run) = &run {
            out.push_str(&format!("{:>4} {} {}\n", event.seq, text::clock(event.at), describe(run, event)));
        }
    }
    context.output.data(&out)?;
    Ok(exit::DONE)
}
