//! Who looks on while runs are driven: JSON lines, plain lines, or a board that is drawn in place.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use console::Term;
use jiff::Timestamp;
use miyabi_core::event::Event;
use miyabi_core::ids::{RunId, StepId};
use miyabi_core::ports::Clock;
use miyabi_core::run::Run;
use miyabi_core::session::AgentEvent;
use miyabi_engine::Observer;

use super::line::line;
use super::live::Board;
use super::{Output, screen};

/// The one place that all runs of this command report to.
pub struct Sink {
    output: Output,
    clock: Arc<dyn Clock>,
    boards: Mutex<BTreeMap<RunId, Board>>,
    /// Whoever read the standard output is gone.
    broken: AtomicBool,
}

impl Sink {
    /// A sink that speaks as asked.
    pub fn new(output: Output, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { output, clock, boards: Mutex::default(), broken: AtomicBool::new(false) })
    }

    /// The observer of one run. `many`: lines name the run, because there are others.
    pub fn observer(self: &Arc<Self>, run: &Run, many: bool) -> Arc<dyn Observer> {
        if self.output.live {
            self.lock().insert(run.id.clone(), Board::of(run));
        }
        Arc::new(OfRun { sink: Arc::clone(self), run: run.id.clone(), many })
    }

    /// Shows the run as it is now, where it was left without telling who looks on.
    pub fn settle(&self, run: &Run) {
        if let Some(board) = self.lock().get_mut(&run.id) {
            *board = Board::of(run);
        }
    }

    /// Whether the standard output was closed while runs reported to it.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Draws the boards as they are now.
    pub fn draw(&self) {
        if self.output.live {
            screen::draw(&self.lines(self.clock.now()));
        }
    }

    /// Leaves the boards on the screen and draws no more.
    pub fn finish(&self) {
        if self.output.live {
            let lines = self.lines(self.clock.now());
            screen::draw(&[]);
            if !lines.is_empty() {
                screen::write_above(&(lines.join("\n") + "\n"));
            }
            self.lock().clear();
        }
    }

    fn lines(&self, now: Timestamp) -> Vec<String> {
        let (height, width) = Term::stderr().size();
        let boards = self.lock();
        let room = (usize::from(height).saturating_sub(2) / boards.len().max(1)).max(2);
        boards
            .values()
            .flat_map(|board| board.lines(now, usize::from(width).saturating_sub(1), room))
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, Board>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, run: &Run, event: &Event, many: bool) {
        if self.output.json {
            let mut bytes = serde_json::to_vec(event).unwrap_or_default();
            bytes.push(b'\n');
            let mut out = io::stdout().lock();
            if out.write_all(&bytes).and_then(|()| out.flush()).is_err() {
                self.broken.store(true, Ordering::Relaxed);
            }
        } else if self.output.live {
            if let Some(board) = self.lock().get_mut(&run.id) {
                board.apply(run, event);
            }
        } else if let Some(line) = line(run, event) {
            self.output.note(&if many { format!("[#{}] {line}", run.started.issue.number) } else { line });
        }
    }
}

struct OfRun {
    sink: Arc<Sink>,
    run: RunId,
    many: bool,
}

impl Observer for OfRun {
    fn event(&self, run: &Run, event: &Event) {
        self.sink.event(run, event, self.many);
    }

    fn agent(&self, step: &StepId, event: &AgentEvent) {
        if self.sink.output.live
            && let Some(board) = self.sink.lock().get_mut(&self.run)
        {
            board.saw(step, event);
        }
    }
}
