//! `miyabi knowledge`: what is remembered of past runs, found again.

mod export;
mod learned;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use miyabi_core::knowledge::{Found, Hit, KnowledgeStats, Query, Record, RecordFilter, RecordKind};
use miyabi_core::status::Status;
use miyabi_engine::{CaughtUp, catch_up};
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::clean::{clean_line, clean_text};
use crate::wiring::{Access, Home};

/// Find again what past runs did
#[derive(Debug, Args)]
pub struct KnowledgeArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with what is remembered.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Find records by words, names, paths or error codes
    ///
    /// What ended since the last time is taken in first.
    Search {
        /// What to look for, as you would say it
        #[arg(required = true, value_parser = word)]
        query: Vec<String>,
        /// Which records
        #[command(flatten)]
        filter: FilterArgs,
        /// At most this many
        #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Take in what ended since the last time
    Index {
        /// Forget what is known of this repository's runs, and make it again from their logs
        #[arg(long)]
        rebuild: bool,
    },
    /// Say what is remembered, where, and how much space it takes
    Stats,
    /// Show what outcomes teach of agents, estimates and thresholds
    ///
    /// Each figure says how often it was measured; a suggestion is made only where that is often enough. Nothing is
    /// applied.
    Learned(learned::LearnedArgs),
    /// Write records out, one JSON document for each line
    Export {
        /// Which records
        #[command(flatten)]
        filter: FilterArgs,
        /// A file instead of standard output; must not be there yet
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Which records.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Only those of repositories that this names, such as `acme/*`; may be given several times
    #[arg(long = "in", value_name = "REPO")]
    repos: Vec<String>,
    /// Only of this kind: issue, plan, attempt, review, answer, outcome; may be given several times
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<RecordKind>,
    /// Only what this agent program did
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only what came to this: succeeded, failed, cancelled, superseded, waiting, running
    #[arg(long, value_name = "STATUS", value_parser = status)]
    outcome: Option<Status>,
    /// Only what was known then or later: `2026-11-01`, `2026-11-01T08:00:00Z`, or `30d` for the last 30 days
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

fn word(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("there is nothing in it to look for".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

fn kind(word: &str) -> Result<RecordKind, String> {
    let words = RecordKind::ALL.map(RecordKind::as_str).join(", ");
    RecordKind::read(word).ok_or_else(|| format!("it is one of {words}"))
}

fn status(word: &str) -> Result<Status, String> {
    let words = Status::ALL.map(Status::as_str).join(", ");
    Status::parse(word).ok_or_else(|| format!("it is one of {words}"))
}

impl FilterArgs {
    fn filter(self, now: Timestamp) -> Result<RecordFilter, CliError> {
        Ok(RecordFilter {
            repos: (!self.repos.is_empty()).then_some(self.repos),
            kinds: self.kinds,
            agent: self.agent,
            outcome: self.outcome,
            since: self.since.map(|text| since(&text, now)).transpose()?,
            not_run: None,
        })
    }
}

/// A time as it is typed.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let ago = days.map(|days| now.saturating_sub(jiff::SignedDuration::from_hours(24 * i64::from(days))));
    let time = match ago {
        Some(ago) => ago.ok(),
        None => text.parse().ok().or_else(day),
    };
    time.ok_or_else(|| {
        CliError::input(format!("`{}` is no time", clean_line(text)))
            .hint("type a day such as `2026-11-01`, a time such as `2026-11-01T08:00:00Z`, or `30d`")
    })
}

/// Runs the command.
pub async fn knowledge(args: KnowledgeArgs, context: &Context) -> Result<Exit, CliError> {
    let access = if matches!(args.what, What::Learned(_)) { Access::Read } else { Access::Write };
    let home = Home::open(context, access, Vec::new())?;
    if !home.settings.knowledge.enabled {
        return Err(CliError::input("knowledge is switched off")
            .because("`knowledge.enabled` is false")
            .hint("`miyabi config show` says where that is set"));
    }
    let now = home.clock.now();
    match args.what {
        What::Search { query, filter, limit } => {
            let filter = filter.filter(now)?;
            say_absent(context, &take_in(context, &home).await?);
            let query = Query { text: query.join(" "), filter, limit: usize::from(limit), now };
            let found = home.knowledge.search(&query).await?;
            for lack in &found.lacks {
                context.output.note(&clean_line(lack));
            }
            context.output.show(&found, || shown(&found))?;
        }
        What::Index { rebuild } => {
            if rebuild {
                home.knowledge.forget(&home.repo).await?;
            }
            let caught = take_in(context, &home).await?;
            context.output.show(&caught.done, || told(&caught))?;
        }
        What::Stats => {
            let stats = home.knowledge.stats().await?;
            context.output.show(&stats, || counted(&stats))?;
        }
        What::Learned(args) => return learned::learned(args, context, &home).await,
        What::Export { filter, output } => {
            let filter = filter.filter(now)?;
            if let Some(path) = &output {
                export::is_free(path)?;
            }
            say_absent(context, &take_in(context, &home).await?);
            export(context, &home, &filter, output).await?;
        }
    }
    Ok(exit::DONE)
}

/// Brings what is remembered up to date.
async fn take_in(context: &Context, home: &Home) -> Result<CaughtUp, CliError> {
    let caught = catch_up(home.store.as_ref(), home.knowledge.as_ref(), &home.repo).await?;
    for (run, why) in &caught.unread {
        let why = clean_line(why);
        context.output.note(&format!("run {run} is left out, its log cannot be read: {why}"));
    }
    if let Some(lack) = &caught.done.lacks {
        context.output.note(&format!("no vectors were made: {}", clean_line(lack)));
    }
    Ok(caught)
}

/// That the store knew nothing of some runs is worth a word: it may have been wiped.
fn say_absent(context: &Context, caught: &CaughtUp) {
    if caught.absent > 0 {
        let runs = caught.absent;
        context.output.note(&format!("nothing was known of {runs} runs: they were taken in from their logs"));
    }
}

async fn export(
    context: &Context,
    home: &Home,
    filter: &RecordFilter,
    output: Option<PathBuf>,
) -> Result<(), CliError> {
    let knowledge = home.knowledge.as_ref();
    match output {
        Some(path) => {
            let count = export::save(knowledge, filter, &path).await?;
            let document = json!({ "records": count, "file": path });
            context.output.show(&document, || format!("{count} records in {}", path.display()))
        }
        None => {
            if export::show(knowledge, filter, context.output).await? == 0 {
                context.output.note("there is no such record");
            }
            Ok(())
        }
    }
}

fn shown(found: &Found) -> String {
    if found.hits.is_empty() {
        return "nothing like it is known".to_owned();
    }
    let hits: Vec<String> = found.hits.iter().zip(1..).map(|(hit, n)| one(n, hit)).collect();
    hits.join("\n\n")
}

fn one(n: usize, hit: &Hit) -> String {
    let Record { title, kind, outcome, at, repo, number, url, .. } = &hit.record;
    let mut text = format!(
        "{n}. {} ({}, {outcome}, {})\n   run {number} of {}{}",
        clean_line(title),
        kind.as_str(),
        at.strftime("%Y-%m-%d"),
        clean_line(repo),
        if url.is_empty() { String::new() } else { format!(", {}", clean_line(url)) },
    );
    let mut why = Vec::new();
    if !hit.matched.is_empty() {
        let words: Vec<String> = hit.matched.iter().map(|word| clean_line(word)).collect();
        why.push(format!("words: {}", words.join(", ")));
    }
    if let Some(place) = hit.dense {
        why.push(format!("meaning: {:.2}", place.score));
    }
    why.extend(hit.because.iter().cloned());
    let _ = write!(text, "\n   {}", why.join("; "));
    for line in clean_text(&hit.excerpt).lines() {
        let _ = write!(text, "\n     {line}");
    }
    text
}

fn told(caught: &CaughtUp) -> String {
    let done = &caught.done;
    if done.runs == 0 {
        return "nothing new: everything is known already".to_owned();
    }
    let made = if done.embedded > 0 { format!(", {} vectors made", done.embedded) } else { String::new() };
    format!("{} runs taken in, {} records{made}", done.runs, done.records)
}

fn counted(stats: &KnowledgeStats) -> String {
    let mut text = format!("store     {}\n", stats.store);
    let embedder = if stats.embedder.is_empty() { "none: found by words alone" } else { &stats.embedder };
    let _ = writeln!(text, "vectors   {embedder}");
    let _ = writeln!(text, "runs      {}", stats.runs);
    let kinds: Vec<String> =
        stats.records.iter().map(|(kind, count)| format!("{} {count}", kind.as_str())).collect();
    let all: u64 = stats.records.iter().map(|(_, count)| count).sum();
    let _ = writeln!(text, "records   {all} ({})", kinds.join(", "));
    let _ = write!(text, "parts     {}, {} with a vector", stats.chunks, stats.vectors);
    if let Some(bytes) = stats.bytes {
        let _ = write!(text, "\nspace     {:.1} MB", bytes as f64 / 1e6);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let read = |text: &str| since(text, now).map(|time| time.to_string()).ok();
        assert_eq!(read("2d").as_deref(), Some("2026-11-20T12:00:00Z"));
        assert_eq!(read("2026-11-01").as_deref(), Some("2026-11-01T00:00:00Z"));
        assert_eq!(read("2026-11-01T08:00:00Z").as_deref(), Some("2026-11-01T08:00:00Z"));
        for wrong in ["", "d", "-1d", "yesterday", "2026-13-01", "４日"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
