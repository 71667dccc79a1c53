//! One file per command: its arguments, whose documentation is its help, and parse → load → call → show.

pub mod agent;
pub mod budget;
pub mod cancel;
pub mod change;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod doctor;
pub mod escalation;
pub mod explain;
pub mod flow;
pub mod gc;
pub mod init;
pub mod issue;
pub mod knowledge;
pub mod labels;
pub mod log;
pub mod pages;
pub mod recover;
pub mod report;
pub mod resume;
pub mod review;
pub mod run;
pub mod serve;
pub mod skill;
pub mod status;
pub mod story;
pub mod trigger;
pub mod worktree;

use miyabi_core::ports::{RunFilter, RunRow};

use crate::error::CliError;
use crate::wiring::Home;

/// The run that was typed: its number, or its id or the beginning of it.
pub async fn find_run(home: &Home, typed: &str) -> Result<RunRow, CliError> {
    let typed = typed.trim();
    if let Ok(number) = typed.parse() {
        let filter = RunFilter { number: Some(number), ..RunFilter::default() };
        let runs = home.store.runs(&filter).await?;
        if let Some(run) = runs.into_iter().find(|run| run.repo == home.repo) {
            return Ok(run);
        }
    }
    let is_id = typed.len() >= 4 && typed.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let mut found = Vec::new();
    if is_id {
        let typed = typed.to_ascii_lowercase();
        found = home.store.runs(&RunFilter::default()).await?;
        found.retain(|run| run.id.as_str().starts_with(&typed));
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(CliError::input(format!("there is no run `{typed}`"))
            .hint("`miyabi status` lists the runs by number; an id may be cut after four characters")),
        n => Err(CliError::input(format!("`{typed}` is the beginning of {n} run ids"))
            .hint("type more of it, or the number")),
    }
}

/// The state that a run's log tells.
pub async fn read(home: &Home, row: &RunRow) -> Result<miyabi_core::run::Run, CliError> {
    let run = home.engine(None).read(&row.id).await?;
    run.ok_or_else(|| CliError::input(format!("run {} has no events", row.number)))
}
