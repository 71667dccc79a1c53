//! `miyabi explain`: why a run did what it did.

use clap::Args;

use super::find_run;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::views::explain::{explain as read, render};
use crate::wiring::{Access, Home};

/// Say why a run did what it did
///
/// Every decision stands in the log of the run with the rule that made it and the numbers that the rule compared; this
/// shows them, and the settings of the run's policy that are not the usual ones.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Its number, or the beginning of its id
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Only decisions about this step
    #[arg(long, value_name = "STEP")]
    pub step: Option<String>,
}

/// Runs the command.
pub async fn explain(args: ExplainArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let row = find_run(&home, &args.run).await?;
    let mut explanation = read(&home.store.load(&row.id, 0).await?);
    if let Some(step) = &args.step {
        let known: Vec<_> = explanation.decisions.iter().map(|decision| decision.step.to_string()).collect();
        explanation.decisions.retain(|decision| decision.step.as_str() == step);
        if explanation.decisions.is_empty() {
            let mut names = known;
            names.dedup();
            return Err(CliError::input(format!(
                "nothing was decided about a step `{step}` of run {}",
                row.number
            ))
            .hint(format!("there are decisions about {}", names.join(", "))));
        }
    }
    context.output.show(&explanation, || render(&explanation))?;
    Ok(exit::DONE)
}
