//! Carries one issue to its end as `miyabi run issue` and `miyabi resume` do, answers each question with yes, and kills
//! itself where it is told to: `miyabi-crashing <repository> <issue> <agent> [<point>]`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use miyabi::context::Context;
use miyabi::driving::{self, Entry};
use miyabi::error::CliError;
use miyabi::exit;
use miyabi::global::Global;
use miyabi::interrupt::Interrupt;
use miyabi::starting::{self, Asked};
use miyabi::wiring::{Access, Home};
use miyabi_core::event::{Answer, EventBody};
use miyabi_core::ids::IssueNumber;
use miyabi_core::ports::RunFilter;
use miyabi_tests::crash::{CrashForge, CrashStore, FileChecks, Point};

fn main() -> ExitCode {
    // git asks whoever started it for the login, and agents enter their boxes by way of it.
    if let Some(code) = miyabi::inner() {
        return code;
    }
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().unwrap_or_else(|| panic!("give {what}"));
    let (repo, issue, agent) = (PathBuf::from(next("a repository")), next("an issue"), next("an agent"));
    let point =
        arguments.next().map(|text| Point::parse(&text).unwrap_or_else(|| panic!("no point: {text}")));
    let issue = issue.parse().expect("an issue is a number");
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    match runtime.block_on(carry(repo, issue, &agent, point)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => panic!("{}", error.render()),
    }
}

async fn carry(repo: PathBuf, issue: IssueNumber, agent: &str, point: Option<Point>) -> Result<(), CliError> {
    let context = Context::of(Global { repo: Some(repo), quiet: true, ..Global::default() })?;
    let mut home = Home::open(&context, Access::Write, Vec::new())?;
    home.store = Arc::new(CrashStore::new(home.store, point));
    home.forge = Arc::new(CrashForge::new(home.forge, point));
    home.checks = Arc::new(FileChecks);
    let interrupt = Interrupt::listen(context.output);
    let entry = match starting::live_run(&home, issue).await? {
        Some(row) => Entry::from(&row),
        // Killed after the last event, before it could say so.
        None if has_run(&home, issue).await? => return Ok(()),
        None => {
            let agent = agent.parse().map_err(|error: String| CliError::input(error))?;
            let start = starting::look(&context, &home, Some(&agent)).await?;
            let issue = starting::open_issue(&home, issue).await?;
            starting::begin(&home, &start, issue, &Asked::typed("somebody")).await?
        }
    };
    loop {
        let ended = driving::drive(&context, &home, std::slice::from_ref(&entry), &interrupt).await?;
        if ended == exit::DONE {
            return Ok(());
        }
        if ended != exit::WAITING {
            let run = home.engine(None).read(&entry.id).await?;
            let reason = run.and_then(|run| run.ended).map(|(_, reason)| reason);
            panic!("the run neither asks nor ends well: {reason:?}");
        }
        let asked = home.store.open_escalations().await?;
        for row in asked.into_iter().filter(|row| row.run == entry.id) {
            let answer = Answer {
                action: "approve_anyway".to_owned(),
                by: "somebody".to_owned(),
                from: "cli".to_owned(),
                note: String::new(),
                tasks: Vec::new(),
            };
            let fact = EventBody::EscalationAnswered { escalation: row.id, answer };
            home.engine(None).tell(&row.run, &[fact]).await?;
        }
    }
}

async fn has_run(home: &Home, issue: IssueNumber) -> Result<bool, CliError> {
    let filter = RunFilter { issue: Some(issue), ..RunFilter::default() };
    Ok(!home.store.runs(&filter).await?.is_empty())
}
