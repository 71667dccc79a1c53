//! What is shown of runs, as pure values and text made from events.

pub mod explain;
pub mod plan;
pub mod report;
pub mod status;
pub mod summary;
