//! stub
pub fn journal_entry(_: &crate::run::Run, _: &crate::run::StepState, _: &crate::run::SessionState) -> String { unimplemented!() }
