//! `miyabi report`: the story of a run.

use clap::Args;

use super::{find_run, read};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::views::report::{RunReport, render};
use crate::wiring::{Access, Home};

/// Tell the story of a run in Markdown
///
/// Only what was measured is told; what was not is named.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Its number, or the beginning of its id
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// Runs the command.
pub async fn report(args: ReportArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let row = find_run(&home, &args.run).await?;
    let report = RunReport::of(&read(&home, &row).await?);
    context.output.show(&report, || render(&report))?;
    Ok(exit::DONE)
}
