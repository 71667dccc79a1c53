//! A worktree that is handed over to a person.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use miyabi_core::naming;
use miyabi_core::plan::Work;
use miyabi_core::ports::EscalationRow;
use serde::Serialize;
use tokio::process::Command;

use crate::context::Context;
use crate::error::CliError;
use crate::exit;
use crate::wiring::Home;

/// Started where it is on the PATH and no other editor is set.
const USUAL: &str = "code";

/// Where a question is about.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    /// Its name.
    pub worktree: String,
    /// The folder.
    pub path: PathBuf,
    /// The branch that is checked out there.
    pub branch: String,
}

/// The worktree that a question is about. Errors: it is gone, or there is none yet.
pub(super) async fn place(home: &Home, row: &EscalationRow) -> Result<Place, CliError> {
    let run = home.engine(None).read(&row.run).await?;
    let name = run.as_ref().and_then(|run| {
        let work = &run.step(&row.escalation.step)?.step.work;
        let work = match work {
            Work::Integrate(integrate) => &run.step(&integrate.of)?.step.work,
            work => work,
        };
        Some(naming::workplace(run.started.issue.number, work).0)
    });
    let name = name.ok_or_else(|| CliError::input(format!("run {} is gone", row.number)))?;
    let there = home.worktrees.list().await?.into_iter().find(|worktree| worktree.name == name);
    there.map(|there| Place { worktree: there.name, path: there.path, branch: there.branch }).ok_or_else(
        || {
            CliError::input(format!("question {} is about no worktree that is there", row.id))
                .hint("`miyabi worktree list` shows the ones there are")
        },
    )
}

/// Starts the person's editor there and waits for it; says whether there is one.
///
/// Errors: it cannot be started, or fails.
pub(super) async fn open(context: &Context, home: &Home, place: &Place) -> Result<bool, CliError> {
    let set = &home.settings.run.editor;
    let (program, arguments) = match set.split_first() {
        Some((program, arguments)) => (program.as_str(), arguments),
        None if is_on_path(context) => (USUAL, &[][..]),
        None => return Ok(false),
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(&place.path).current_dir(&place.path);
    if context.output.json {
        // What it prints is no document of ours.
        command.stdout(Stdio::null());
    }
    let failed = |why: String| {
        CliError::new(exit::UNAVAILABLE, format!("start the editor `{program}`"))
            .because(why)
            .hint("set another one: `run.editor` in your settings")
    };
    let status = command.status().await.map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(true) } else { Err(failed(format!("it ended with {status}"))) }
}

fn is_on_path(context: &Context) -> bool {
    let path = context.var("PATH").unwrap_or_default();
    std::env::split_paths(path).any(|folder| Path::new(&folder).join(USUAL).is_file())
}
