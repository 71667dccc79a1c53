//! Progress that is drawn in place: one line per stage and task. The board is pure; drawing it is in `sink`.

use std::collections::BTreeMap;

use console::{Style, measure_text_width, truncate_str};
use jiff::Timestamp;
use miyabi_core::event::{Event, EventBody};
use miyabi_core::ids::StepId;
use miyabi_core::plan::{Purpose, Work};
use miyabi_core::run::{Phase, Run, StepState};
use miyabi_core::session::AgentEvent;
use miyabi_core::status::Status;

use super::clean::short;
use super::line::sign;
use super::text;

/// What is shown of one run. Updating it costs what the event touches.
#[derive(Debug, Default)]
pub struct Board {
    title: String,
    started_at: Option<Timestamp>,
    ended: Option<(Status, Timestamp)>,
    rows: Vec<Row>,
    index: BTreeMap<StepId, usize>,
}

#[derive(Debug)]
struct Row {
    name: String,
    title: String,
    /// 0 for the flow's own steps, else the level in the graph of tasks, from 1.
    level: usize,
    status: Status,
    attempt: u32,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    /// What goes on, was decided, or went wrong.
    note: String,
    cost: Option<f64>,
    needs: Vec<StepId>,
    /// A merge of a task: shown only while something is wrong with it.
    is_merge: bool,
}

impl Board {
    /// The board of a run whose log was read so far.
    pub fn of(run: &Run) -> Self {
        let mut board = Self::default();
        board.head(run);
        board.grow(run);
        board
    }

    /// Takes in an event; `run` is the state with it.
    pub fn apply(&mut self, run: &Run, event: &Event) {
        match &event.body {
            EventBody::RunStarted(_) => {
                self.head(run);
                self.grow(run);
            }
            EventBody::PlanExtended { .. } => self.grow(run),
            EventBody::RunFinished { status, .. } => self.ended = Some((*status, event.at)),
            EventBody::StepStarted { step, .. }
            | EventBody::StepSucceeded { step, .. }
            | EventBody::StepFailed { step, .. }
            | EventBody::AttemptLost { step, .. }
            | EventBody::StepSkipped { step, .. }
            | EventBody::StepCancelled { step }
            | EventBody::GateDecided { step, .. } => self.update(run, step),
            EventBody::EscalationRaised(question) => self.update(run, &question.step),
            EventBody::SessionEnded(ended) => {
                let session = run.sessions.iter().rev().find(|session| session.id == ended.session);
                if let Some(row) = session.and_then(|session| self.row(&session.step)) {
                    row.cost = ended.usage.cost_usd.map(|cost| cost + row.cost.unwrap_or(0.0)).or(row.cost);
                    row.note = "the agent ended; its work is checked".to_owned();
                }
            }
            _ => {}
        }
    }

    /// Takes in what an agent was seen to do.
    pub fn saw(&mut self, step: &StepId, event: &AgentEvent) {
        let note = match event {
            AgentEvent::ToolStarted { tool, detail } => short(&format!("{tool} {detail}"), 80),
            AgentEvent::Message { text } => short(text, 80),
            AgentEvent::Refused { what } => short(&format!("refused: {what}"), 80),
            AgentEvent::Waiting { reason } => short(&format!("waits: {reason}"), 80),
            _ => return,
        };
        if let Some(row) = self.row(step).filter(|_| !note.is_empty()) {
            row.note = note;
        }
    }

    /// Whether the run has ended.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// The lines as of `now`, at most `height` of them, each at most `width` columns wide.
    pub fn lines(&self, now: Timestamp, width: usize, height: usize) -> Vec<String> {
        let until = self.ended.map_or(now, |(_, at)| at);
        let time = self.started_at.map_or_else(String::new, |at| text::duration(until.duration_since(at)));
        let done = self.rows.iter().filter(|row| row.status.is_end()).count();
        let cost: Option<f64> = self.rows.iter().filter_map(|row| row.cost).reduce(|sum, cost| sum + cost);
        let cost = cost.map_or_else(String::new, |cost| format!(" · ${cost:.2}"));
        let mut lines = vec![format!("{} · {done}/{} steps · {time}{cost}", self.title, self.rows.len())];
        let shown: Vec<_> = self.rows.iter().filter(|row| row.is_shown()).collect();
        let room = height.saturating_sub(1);
        let hidden = shown.len().saturating_sub(room);
        // Finished work gives way first, then what is far ahead.
        let mut skip_done = hidden + usize::from(hidden > 0);
        let mut rows = shown.iter().filter(|row| {
            let gone = skip_done > 0 && row.status.is_end();
            skip_done -= usize::from(gone);
            !gone
        });
        lines.extend(
            rows.by_ref()
                .take(if hidden > 0 { room.saturating_sub(1) } else { room })
                .map(|row| row.line(self, now)),
        );
        if hidden > 0 && room > 0 {
            lines.push(format!("  … {} more", shown.len() + 1 - lines.len()));
        }
        lines.truncate(height.max(1));
        lines.into_iter().map(|line| truncate_str(&line, width.max(10), "…").into_owned()).collect()
    }

    fn head(&mut self, run: &Run) {
        let issue = &run.started.issue;
        self.title = format!("{} · run {}", text::about(issue, 60), run.started.number);
        self.started_at = Some(run.started_at);
        self.ended = run.ended.as_ref().map(|(status, _)| (*status, run.last_at));
    }

    /// Tasks stand where the flow's step that waits for them stands.
    fn grow(&mut self, run: &Run) {
        let old = std::mem::take(&mut self.rows);
        let costs: BTreeMap<_, _> =
            self.index.iter().map(|(id, &ix)| (id.clone(), (old[ix].cost, old[ix].note.clone()))).collect();
        self.index.clear();
        let (tasks, stages): (Vec<_>, Vec<_>) =
            run.steps().iter().partition(|state| !matches!(state.step.work, Work::Uses(_)));
        let is_execute = |state: &&StepState| state.step.work == Work::Uses(miyabi_core::plan::Uses::Execute);
        let place = stages.iter().position(is_execute).unwrap_or(stages.len());
        let order = stages[..place].iter().chain(&tasks).chain(&stages[place..]);
        for state in order {
            let level = self.level(state);
            self.index.insert(state.step.id.clone(), self.rows.len());
            self.rows.push(Row::of(state, level));
        }
        for (id, (cost, note)) in costs {
            if let Some(row) = self.row(&id) {
                (row.cost, row.note) = (cost, note);
            }
        }
    }

    /// One more than the highest task before it; merges do not count.
    fn level(&self, state: &StepState) -> usize {
        match state.step.work {
            Work::Uses(_) => 0,
            _ => {
                let needs = state
                    .step
                    .needs
                    .iter()
                    .filter_map(|need| self.index.get(need))
                    .map(|&ix| self.rows[ix].level);
                let before = needs.max().unwrap_or(0);
                before + usize::from(matches!(state.step.work, Work::Task(_)))
            }
        }
    }

    fn update(&mut self, run: &Run, step: &StepId) {
        let Some(state) = run.step(step) else { return };
        if let Some(row) = self.row(step) {
            let fresh = Row::of(state, row.level);
            let note = if fresh.note.is_empty() && fresh.status == row.status && fresh.attempt == row.attempt
            {
                std::mem::take(&mut row.note)
            } else {
                fresh.note
            };
            *row = Row { note, cost: row.cost, ..fresh };
        }
    }

    fn row(&mut self, step: &StepId) -> Option<&mut Row> {
        self.index.get(step).map(|&ix| &mut self.rows[ix])
    }

    /// Needs that have not ended, in short.
    fn waits_for(&self, row: &Row) -> String {
        let open = row.needs.iter().filter_map(|need| {
            let other = &self.rows[*self.index.get(need)?];
            (!other.status.is_end()).then(|| other.name.trim_end_matches(".merge").to_owned())
        });
        let open: Vec<_> = open.collect();
        match open.len() {
            0 => String::new(),
            1..=4 => format!("waits for {}", open.join(", ")),
            n => format!("waits for {n} steps"),
        }
    }
}

impl Row {
    fn of(state: &StepState, level: usize) -> Self {
        let title = match &state.step.work {
            Work::Task(work) => match &work.purpose {
                Purpose::Resolve { .. } => {
                    format!("bring both sides together: {}", short(&work.task.title, 50))
                }
                _ => short(&work.task.title, 60),
            },
            _ => String::new(),
        };
        let note = match (&state.phase, state.failure()) {
            (Phase::Asking(id), _) => format!("asks you: miyabi escalation show {id}"),
            (Phase::RetryAt(at), Some(failure)) => {
                format!("again at {}: {}", text::clock(*at), short(&failure.message, 80))
            }
            (Phase::ProceedAt(at), _) => format!("goes on at {}", text::clock(*at)),
            (Phase::Ended(Status::Failed), Some(failure)) => short(&failure.message, 100),
            (Phase::Ended(Status::Skipped), _) => {
                state.skipped.as_deref().map(|why| short(why, 80)).unwrap_or_default()
            }
            _ => String::new(),
        };
        Self {
            name: state.step.id.as_str().to_owned(),
            title,
            level,
            status: state.status(),
            attempt: state.attempt,
            started_at: state.started_at,
            ended_at: state.ended_at,
            note,
            cost: None,
            needs: state.step.needs.clone(),
            is_merge: matches!(state.step.work, Work::Integrate(_)),
        }
    }

    fn is_shown(&self) -> bool {
        !self.is_merge || matches!(self.status, Status::Running | Status::Waiting | Status::Failed)
    }

    fn line(&self, board: &Board, now: Timestamp) -> String {
        let style = match self.status {
            Status::Succeeded => Style::new().green(),
            Status::Failed | Status::Cancelled => Style::new().red(),
            Status::Running => Style::new().cyan(),
            Status::Waiting => Style::new().yellow(),
            _ => Style::new().dim(),
        };
        let indent = "  ".repeat(1 + self.level.min(8));
        let head = format!("{} {}", self.name, self.title);
        let head = if self.title.is_empty() { self.name.clone() } else { head };
        let pad = " ".repeat(54_usize.saturating_sub(measure_text_width(&head) + 2 * self.level.min(8)));
        let time = match (self.started_at, self.ended_at) {
            (Some(from), Some(to)) => text::duration(to.duration_since(from)),
            (Some(from), None) if self.status == Status::Running => text::duration(now.duration_since(from)),
            _ => String::new(),
        };
        let again = if self.attempt > 1 { format!(" try {}", self.attempt) } else { String::new() };
        let cost = self.cost.map_or_else(String::new, |cost| format!(" ${cost:.2}"));
        let note = match self.status {
            Status::Queued => board.waits_for(self),
            Status::Succeeded => String::new(),
            _ => self.note.clone(),
        };
        let note = if note.is_empty() { note } else { format!("  {note}") };
        let sign = style.for_stderr().apply_to(sign(self.status));
        format!("{indent}{sign} {head}{pad} {time:>10}{again}{cost}{note}").trim_end().to_owned()
    }
}
