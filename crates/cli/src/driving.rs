//! Driving runs in the foreground: locks, signals, progress, and how it all ended.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use miyabi_core::ids::{IssueNumber, RunId, RunNumber};
use miyabi_core::ports::RunRow;
use miyabi_core::run::Run;
use miyabi_core::status::Status;
use miyabi_engine::Rest;

use crate::asking::Terminal;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::interrupt::Interrupt;
use crate::lock::RunLock;
use crate::output::sink::Sink;
use crate::views::summary;
use crate::wiring::Home;

/// How often progress is drawn.
const FRAME: Duration = Duration::from_millis(200);

/// How often a waiting run's log is looked at for what other processes told it.
const LOOK: SignedDuration = SignedDuration::from_secs(1);

/// A run to be driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: RunId,
    /// Its number.
    pub number: RunNumber,
    /// Its issue.
    pub issue: IssueNumber,
    /// This command began it.
    pub is_new: bool,
}

impl From<&RunRow> for Entry {
    fn from(row: &RunRow) -> Self {
        Self { id: row.id.clone(), number: row.number, issue: row.issue, is_new: false }
    }
}

/// How a run left this process.
enum Left {
    /// Another process drives it.
    Elsewhere,
    /// It came to rest here.
    Rest(Box<Run>, Rest),
    /// It could not be driven on.
    Broken(CliError),
}

/// Drives these runs at once until each ends, asks, or is interrupted; tells how it went and says the exit code.
///
/// At a terminal, what they ask can be answered at once, and they go on.
/// Checkouts that were kept ready for further steps go once all runs have ended.
pub async fn drive(
    context: &Context,
    home: &Home,
    entries: &[Entry],
    interrupt: &Interrupt,
) -> Result<Exit, CliError> {
    let exit = answering(context, home, entries, interrupt).await?;
    if [exit::DONE, exit::FAILED].contains(&exit) {
        home.worktrees.drain().await?;
    }
    Ok(exit)
}

/// Drives these runs, and on with each that is answered here.
async fn answering(
    context: &Context,
    home: &Home,
    entries: &[Entry],
    interrupt: &Interrupt,
) -> Result<Exit, CliError> {
    let mut exits = to_rest(context, home, entries, interrupt).await?;
    let Some(mut terminal) = exits.contains(&exit::WAITING).then(|| Terminal::of(context)).flatten() else {
        return Ok(exit::worst(exits));
    };
    while exits.contains(&exit::WAITING) && !interrupt.is_asked() {
        let mut answered = Vec::new();
        for (index, entry) in entries.iter().enumerate().filter(|(index, _)| exits[*index] == exit::WAITING) {
            if terminal.ask(context, home, &entry.id, interrupt).await? {
                answered.push((index, Entry { is_new: false, ..entry.clone() }));
            }
        }
        if answered.is_empty() {
            break;
        }
        let (places, entries): (Vec<_>, Vec<_>) = answered.into_iter().unzip();
        for (index, exit) in places.into_iter().zip(to_rest(context, home, &entries, interrupt).await?) {
            exits[index] = exit;
        }
    }
    Ok(exit::worst(exits))
}

/// Drives these runs at once until each rests; tells how it went and says the exit code of each.
async fn to_rest(
    context: &Context,
    home: &Home,
    entries: &[Entry],
    interrupt: &Interrupt,
) -> Result<Vec<Exit>, CliError> {
    let sink = Sink::new(context.output, Arc::clone(&home.clock));
    let many = entries.len() > 1;
    let work = join_all(entries.iter().map(|entry| one(home, entry, &sink, interrupt, many)));
    let left = {
        tokio::pin!(work);
        let mut frames = tokio::time::interval(FRAME);
        loop {
            tokio::select! {
                left = &mut work => break left,
                _ = frames.tick() => {
                    sink.draw();
                    if sink.is_broken() {
                        interrupt.ask();
                    }
                }
            }
        }
    };
    sink.finish();
    let mut exits = Vec::new();
    for (entry, left) in entries.iter().zip(left) {
        exits.push(tell(context, home, entry, left).await?);
    }
    if sink.is_broken() {
        return Ok(vec![exit::BROKEN_PIPE; entries.len()]);
    }
    Ok(exits)
}

async fn one(home: &Home, entry: &Entry, sink: &Arc<Sink>, interrupt: &Interrupt, many: bool) -> Left {
    match locked(home, entry, sink, interrupt, many).await {
        Ok(left) => left,
        Err(error) => Left::Broken(error),
    }
}

async fn locked(
    home: &Home,
    entry: &Entry,
    sink: &Arc<Sink>,
    interrupt: &Interrupt,
    many: bool,
) -> Result<Left, CliError> {
    let folder = home.runs_folder();
    let lock = RunLock::take(&folder, &entry.id).await;
    let Some(lock) = lock.map_err(|error| CliError::file("lock the run in", &folder, &error))? else {
        return Ok(Left::Elsewhere);
    };
    let quiet = home.engine(None);
    let known = quiet.read(&entry.id).await?.ok_or_else(|| CliError::input("the run is gone"))?;
    if entry.is_new {
        // The first event was appended before anybody looked on.
        let first = home.store.load(&entry.id, 0).await?;
        let observer = sink.observer(&known, many);
        first.iter().for_each(|event| observer.event(&known, event));
    }
    let engine = home.engine(Some(sink.observer(&known, many)));
    let rest = loop {
        match engine.drive(&entry.id, interrupt.stop()).await? {
            Rest::Waiting(at) => wait(home, &entry.id, at, interrupt).await?,
            rest => break rest,
        }
    };
    let run = quiet.read(&entry.id).await?.ok_or_else(|| CliError::input("the run is gone"))?;
    match rest {
        Rest::Ended(_) => lock.retire(),
        Rest::Interrupted => sink.settle(&run),
        Rest::Asking(_) | Rest::Waiting(_) => {}
    }
    Ok(Left::Rest(Box::new(run), rest))
}

/// Waits until the run is worth another look: at that time, when somebody told it something, or when it is to stop.
async fn wait(home: &Home, run: &RunId, at: Timestamp, interrupt: &Interrupt) -> Result<(), CliError> {
    let known = home.store.load(run, 0).await?.len() as u64;
    loop {
        let next = home.clock.now().saturating_add(LOOK).unwrap_or(at).min(at);
        tokio::select! {
            () = interrupt.stop() => return Ok(()),
            () = home.clock.sleep_until(next) => {}
        }
        if home.clock.now() >= at || !home.store.load(run, known).await?.is_empty() {
            return Ok(());
        }
    }
}

/// Says how a run left, and what that means for the exit code.
async fn tell(context: &Context, home: &Home, entry: &Entry, left: Left) -> Result<Exit, CliError> {
    match left {
        Left::Elsewhere => {
            context.output.note(&format!(
                "run {} of issue #{} is being driven by another process: nothing was started here\n\
                 `miyabi status` shows it, `miyabi log {}` tells what it did so far",
                entry.number, entry.issue, entry.number
            ));
            Ok(exit::DONE)
        }
        Left::Broken(error) => {
            context.output.error(&error);
            context.output.note(&format!(
                "the log of run {} is whole: `miyabi resume {}` goes on",
                entry.number, entry.number
            ));
            Ok(error.exit())
        }
        Left::Rest(run, rest) => {
            let worktrees = home.worktrees.list().await.unwrap_or_default();
            let text = summary::summary(&run, &rest, &worktrees, !context.gone_afterwards);
            match context.output.json {
                true => {}
                false => context.output.data(&text)?,
            }
            Ok(exit_of(&rest))
        }
    }
}

fn exit_of(rest: &Rest) -> Exit {
    match rest {
        Rest::Ended(Status::Succeeded) => exit::DONE,
        Rest::Ended(_) => exit::FAILED,
        Rest::Asking(_) | Rest::Waiting(_) => exit::WAITING,
        Rest::Interrupted => exit::INTERRUPTED,
    }
}
