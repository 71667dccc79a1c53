//! `miyabi knowledge learned`: what outcomes teach, with its evidence. It reads logs and changes nothing.

mod shown;

use clap::Args;
use jiff::Timestamp;
use miyabi_core::knowledge::learned::{Learned, Learner};
use miyabi_core::ports::RunFilter;

use super::since;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::clean::clean_line;
use crate::wiring::Home;

/// Of which runs.
#[derive(Debug, Args)]
pub struct LearnedArgs {
    /// Only runs that began then or later: `2026-11-01`, `2026-11-01T08:00:00Z`, or `90d` for the last 90 days
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

/// Runs the command.
pub(super) async fn learned(args: LearnedArgs, context: &Context, home: &Home) -> Result<Exit, CliError> {
    let since = args.since.map(|text| since(&text, home.clock.now())).transpose()?;
    let learned = read(context, home, since).await?;
    context.output.show(&learned, || shown::shown(&learned))?;
    Ok(exit::DONE)
}

/// Takes the runs of the repository one after the other, the newest first; one log is in memory at a time.
async fn read(context: &Context, home: &Home, since: Option<Timestamp>) -> Result<Learned, CliError> {
    let mut learner = Learner::new(&home.settings.policy);
    let rows = home.store.runs(&RunFilter::default()).await?;
    let wanted = |began: Timestamp| since.is_none_or(|since| began >= since);
    let mut unread = 0;
    for row in rows.iter().filter(|row| row.repo == home.repo && wanted(row.started_at)) {
        let why = match home.store.load(&row.id, 0).await {
            Ok(events) => learner.take(&events).err().map(|illegal| illegal.to_string()),
            Err(error) => Some(error.never_read()?),
        };
        if let Some(why) = why {
            unread += 1;
            let why = clean_line(&why);
            context.output.note(&format!("run {} is left out, its log cannot be read: {why}", row.number));
        }
    }
    Ok(learner.learned(home.repo.clone(), since, unread))
}
