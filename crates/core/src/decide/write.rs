//! The writes that a decision asks for.

use crate::event::EventBody;
use crate::plan::Uses;
use crate::report::Report;
use crate::run::{Run, StepState};
use crate::status::Status;
use crate::task::Decomposition;

pub(super) fn of_analysis(_run: &Run, _state: &StepState, _events: &mut Vec<EventBody>) {}
pub(super) fn of_plan(_run: &Run, _state: &StepState, _tasks: &Decomposition, _events: &mut Vec<EventBody>) {}
pub(super) fn of_work(_run: &Run, _state: &StepState, _events: &mut Vec<EventBody>) {}
pub(super) fn of_report(_run: &Run, _state: &StepState, _report: &Report, _events: &mut Vec<EventBody>) {}
pub(super) fn of_change(_run: &Run, _state: &StepState, _report: &Report, _events: &mut Vec<EventBody>) {}
pub(super) fn of_step(_run: &Run, _state: &StepState, _uses: Uses, _events: &mut Vec<EventBody>) {}
pub(super) fn of_end(_run: &Run, _status: Status, _reason: &str, _events: &mut Vec<EventBody>) -> bool { false }
