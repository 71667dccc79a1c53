//! `miyabi gc`: what may go, why, and how much room it takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use miyabi_core::ports::{RunFilter, RunRow};
use miyabi_core::worktree::Kept;
use serde::Serialize;

use super::recover::title;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::lock;
use crate::output::clean::clean_line;
use crate::output::text;
use crate::wiring::{Access, Home};

/// Remove what nobody needs any more
///
/// Goes: pins of work that a branch holds by now; pins and transcripts of runs that ended more than `--days` ago;
/// handled deliveries of that age; locks that killed processes left. Never: anything of a run that has not ended, the
/// log of any run, a worktree, an object of git. Says what and why first.
#[derive(Debug, Args)]
pub struct GcArgs {
    /// Keep what is younger than this
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub days: u32,
    /// Say what would go, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Something that may go.
#[derive(Clone, Debug, Serialize)]
struct Item {
    what: &'static str,
    name: String,
    /// Why it may.
    why: String,
    bytes: u64,
}

/// All that may go.
#[derive(Default)]
struct Found {
    items: Vec<Item>,
    kept: Vec<Kept>,
    folders: Vec<PathBuf>,
}

/// Runs the command.
pub async fn gc(args: GcArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let now = home.clock.now();
    let before = now.saturating_sub(SignedDuration::from_hours(24 * i64::from(args.days))).unwrap_or(now);
    let runs = home.store.runs(&RunFilter::default()).await?;
    let mut found = Found::default();
    pins(&home, &runs, before, &mut found).await?;
    transcripts(&home.runs_folder(), &runs, before, &mut found);
    if context.output.json {
        context.output.json(&found.items)?;
    } else if found.items.is_empty() {
        context.output.note("nothing to do: everything that is here may still be needed");
    } else {
        context.output.data(&list(&found.items))?;
    }
    if args.dry_run {
        return Ok(exit::DONE);
    }
    if !found.items.is_empty() {
        let things = text::count(found.items.len(), "thing");
        context.confirm(args.yes, &format!("remove {things}?"))?;
    }
    drop(home);
    let home = Home::open(context, Access::Write, Vec::new())?;
    let pins = home.keepsakes.forget(&found.kept).await?;
    for folder in &found.folders {
        fs::remove_dir_all(folder).map_err(|error| CliError::file("remove", folder, &error))?;
    }
    let live: Vec<_> = runs.iter().filter(|run| !run.status.is_end()).map(|run| run.id.clone()).collect();
    lock::tidy(&home.runs_folder(), &live);
    let deliveries = home.deliveries.forget(before).await?;
    context.output.note(&format!(
        "removed {}, {} of transcripts, {}",
        text::count(pins, "pin"),
        text::count(found.folders.len(), "folder"),
        text::count(usize::try_from(deliveries).unwrap_or(usize::MAX), "delivery record"),
    ));
    Ok(exit::DONE)
}

/// Pins that a branch holds, and old ones of runs that have ended.
async fn pins(home: &Home, runs: &[RunRow], before: Timestamp, found: &mut Found) -> Result<(), CliError> {
    let live: BTreeSet<&str> =
        runs.iter().filter(|run| !run.status.is_end()).map(|run| run.id.as_str()).collect();
    for kept in home.keepsakes.kept().await? {
        let why = match &kept.held_by {
            _ if live.contains(kept.run.as_str()) => continue,
            Some(branch) => format!("branch `{branch}` holds all of it"),
            None if kept.at < before => {
                format!("kept since {} UTC, and its run has ended", text::date_time(kept.at))
            }
            None => continue,
        };
        found.items.push(Item { what: "pin", name: title(&kept).to_owned(), why, bytes: 0 });
        found.kept.push(kept);
    }
    Ok(())
}

/// Transcripts of runs that ended before that time, and of runs that the log does not know.
fn transcripts(folder: &Path, runs: &[RunRow], before: Timestamp, found: &mut Found) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    for path in folders.into_iter().filter(|path| path.is_dir() && !path.is_symlink()) {
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(run) = runs.iter().find(|run| run.id.as_str() == id) else { continue };
        let Some(ended) = run.completion_time.filter(|ended| *ended < before) else { continue };
        let why = format!("run {} ended {} UTC", run.number, text::date_time(ended));
        found.items.push(Item { what: "transcripts", name: id, why, bytes: size(&path) });
        found.folders.push(path);
    }
}

/// Bytes in a folder; links are not followed.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(of).sum()
}

fn list(items: &[Item]) -> String {
    text::table(
        ["what", "name", "size", "why it may go"],
        items.iter().map(|item| {
            let size = match item.bytes {
                0 => String::new(),
                bytes => format!("{:.1} MB", bytes as f64 / 1e6),
            };
            [item.what.to_owned(), clean_line(&item.name), size, clean_line(&item.why)]
        }),
    )
}
