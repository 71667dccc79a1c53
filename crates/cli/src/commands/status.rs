//! `miyabi status`: what runs, what waits and what ended.

use clap::Args;
use jiff::Timestamp;
use miyabi_core::ports::{RunFilter, RunRow};
use miyabi_core::run::{Phase, Run, StepState};

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::lock;
use crate::views::status::{State, StatusRow, StatusView, Waits, render};
use crate::wiring::{Access, Home};

/// What they wait for and their last sign of life are read from the logs of at most this many live runs.
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
        .map(|run| StatusRow {
            run,
            state: State::Ended,
            questions: Vec::new(),
            last_sign_at: None,
            waits: None,
        })
        .collect();
    context.output.show(&view, || render(&view, home.clock.now()))?;
    Ok(exit::DONE)
}

async fn row(
    home: &Home,
    row: RunRow,
    questions: Vec<miyabi_core::ids::EscalationId>,
    look: bool,
) -> Result<StatusRow, CliError> {
    let run = if look { home.engine(None).read(&row.id).await? } else { None };
    let waits = run.as_ref().and_then(waits);
    let state = if lock::is_driven(&home.runs_folder(), &row.id) {
        if waits.is_some() { State::WaitingForTime } else { State::Running }
    } else if !questions.is_empty() {
        State::WaitingForPerson
    } else if run.as_ref().is_some_and(Run::only_waits) {
        State::WaitingForForge
    } else {
        State::Interrupted
    };
    let waits = waits.filter(|_| state == State::WaitingForTime);
    let last_sign_at = run.as_ref().map(last_sign);
    Ok(StatusRow { run: row, state, questions, last_sign_at, waits })
}

/// The newest event, or the newest output of an agent that works now.
fn last_sign(run: &Run) -> Timestamp {
    let open = run.sessions.iter().filter(|session| session.end.is_none());
    let printed = open.filter_map(|session| {
        let changed = std::fs::metadata(&session.transcript).and_then(|file| file.modified()).ok()?;
        Timestamp::try_from(changed).ok()
    });
    printed.fold(run.last_at, Timestamp::max)
}

/// What a run waits for that nothing but time ends.
fn waits(run: &Run) -> Option<Waits> {
    if run.running().next().is_some() || !run.questions.is_empty() {
        return None;
    }
    let until = run.next_timer()?;
    let waits_until =
        |state: &&StepState| matches!(state.phase, Phase::RetryAt(at) | Phase::ProceedAt(at) if at == until);
    let state = run.steps().iter().find(waits_until)?;
    let reason = match state.failure() {
        Some(failure) => failure.message.clone(),
        None => state.gate.as_ref().map_or_else(String::new, |(_, rule)| rule.clone()),
    };
    Some(Waits { until, reason })
}
