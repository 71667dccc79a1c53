//! `miyabi review`: the quality gate on a checkout, without an issue and without an agent.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use miyabi_core::ids::RunId;
use miyabi_core::ports::Ids;
use miyabi_core::report::{Recommendation, Report};
use miyabi_core::view::{quality_report, sarif};
use miyabi_engine::Measuring;
use tokio::sync::watch;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::interrupt::Interrupt;
use crate::wiring::{Access, Home, prepare_build_folder};

/// Measure the main checkout and score it
///
/// The same checks, the same score and the same gates as for a run, on the commit that is checked out; no issue and no
/// agent is needed. Ends with 0 when the change would be opened without a question, otherwise with 10.
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// What the commit is to be merged into: credentials are looked for in what lies between
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    pub base: String,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    pub format: Format,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Markdown,
    /// All of it; `docs/schemas/report.schema.json` describes it
    Json,
    /// Its findings as SARIF 2.1.0, for editors and code hosts
    Sarif,
}

/// Runs the command.
pub async fn review(args: ReviewArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let state = home.worktrees.inspect().await?;
    if let Some(first) = state.dirty.first() {
        return Err(CliError::input(format!("the checkout has uncommitted changes, `{first}` among them"))
            .hint("commit or stash them: a report speaks of one commit and its tree"));
    }
    let Some(onto) = home.worktrees.base(&args.base).await? else {
        return Err(CliError::input(format!("there is no branch `{}`", args.base))
            .hint("`--base` names the branch that the commit is to be merged into"));
    };
    prepare_build_folder(&home.root)?;
    let interrupt = Arc::new(Interrupt::listen(context.output));
    let (ask, stop) = watch::channel(false);
    let stopping = Arc::clone(&interrupt);
    let stopper = tokio::spawn(async move {
        stopping.stop().await;
        ask.send_replace(true);
    });
    let measuring = Measuring {
        root: &home.root,
        commit: state.head,
        onto,
        policy: &home.settings.policy,
        run: RunId::new(home.ids.new_id()),
    };
    let report = measuring.report(home.worktrees.as_ref(), home.checks.as_ref(), stop).await;
    stopper.abort();
    let report = report?;
    print(&report, args.format, context)?;
    Ok(if report.recommendation == Recommendation::Approve { exit::DONE } else { exit::FAILED })
}

fn print(report: &Report, format: Format, context: &Context) -> Result<(), CliError> {
    match format {
        Format::Sarif => context.output.json(&sarif(report)),
        Format::Json => context.output.json(report),
        Format::Markdown => context.output.show(report, || quality_report(report)),
    }
}
