//! `miyabi status`: what runs, what waits and what ended.

use clap::Args;
use miyabi_core::ports::{RunFilter, RunRow};

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::lock;
use crate::views::status::{State, StatusRow, StatusView, render};
use crate::wiring::{Access, Home};

/// The age of the last event is read from the logs of at most this many live runs.
const LOOKED_AT: usize = 50;

/// Show what runs, what waits and what ended
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// How many ended runs are shown
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub recent: u32,
}

/// Runs the command.
pub async fn status(args: StatusArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let live = home.store.runs(&RunFilter { live: true, ..RunFilter::default() }).await?;
    let alive = u32::try_from(live.len()).unwrap_or(u32::MAX);
    let limit = Some(args.recent.saturating_add(alive));
    let all = home.store.runs(&RunFilter { limit, ..RunFilter::default() }).await?;
    let questions = home.store.open_escalations().await?;
    let mut view = StatusView { live: Vec::new(), recent: Vec::new() };
    for run in live {
        let asked: Vec<_> = questions
            .iter()
            .filter(|question| question.run == run.id)
            .map(|question| question.id.clone())
            .collect();
        let look = view.live.len() < LOOKED_AT;
        view.live.push(row(&home, run, asked, look).await?);
    }
    let ended = all.into_iter().filter(|run| run.status.is_end()).take(args.recent as usize);
    view.recent = ended
        .map(|run| StatusRow { run, state: State::Ended, questions: Vec::new(), last_event_at: None })
        .collect();
    context.output.show(&view, || render(&view, home.clock.now()))?;
    Ok(exit::DONE)
}

async fn row(
    home: &Home,
    run: RunRow,
    questions: Vec<miyabi_core::ids::EscalationId>,
    look: bool,
) -> Result<StatusRow, CliError> {
    let state = if lock::is_driven(&home.runs_folder(), &run.id) {
        State::Running
    } else if !questions.is_empty() {
        State::WaitingForPerson
    } else if look && home.engine(None).read(&run.id).await?.is_some_and(|run| run.only_waits()) {
        State::WaitingForForge
    } else {
        State::Interrupted
    };
    let last = if look { home.store.load(&run.id, 0).await?.last().map(|event| event.at) } else { None };
    Ok(StatusRow { run, state, questions, last_event_at: last })
}
