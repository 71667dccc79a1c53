//! Carries one run to its end as `miyabi run issue`, `miyabi flow run` and `miyabi resume` do, answers each question with
//! yes, and kills itself where it is told to: `miyabi-crashing <repository> <issue> <agent> [<point>]`, or
//! `miyabi-crashing <repository> <flow> <agent> <payload.json> [<point>]`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use miyabi::context::Context;
use miyabi::driving::{self, Entry};
use miyabi::error::CliError;
use miyabi::exit;
use miyabi::global::Global;
use miyabi::interrupt::Interrupt;
use miyabi::payload::{self, Begun};
use miyabi::starting::{self, Asked, Told};
use miyabi::wiring::{Access, Home};
use miyabi_core::event::{Answer, EventBody};
use miyabi_core::ids::IssueNumber;
use miyabi_core::ports::RunFilter;
use miyabi_core::session::Adapter;
use miyabi_core::subject::subject_of;
use miyabi_core::trigger::{On, Rule};
use miyabi_tests::crash::{CrashForge, CrashStore, FileChecks, Point};
use serde_json::Value;

/// What is carried to its end.
enum What {
    Issue(IssueNumber),
    Flow { name: String, payload: PathBuf },
}

fn main() -> ExitCode {
    // git asks whoever started it for the login, and agents enter their boxes by way of it.
    if let Some(code) = miyabi::inner() {
        return code;
    }
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().unwrap_or_else(|| panic!("give {what}"));
    let (repo, what, agent) = (PathBuf::from(next("a repository")), next("issue or flow"), next("an agent"));
    let what = match what.parse() {
        Ok(number) => What::Issue(number),
        Err(_) => What::Flow { name: what, payload: PathBuf::from(next("a payload")) },
    };
    let point =
        arguments.next().map(|text| Point::parse(&text).unwrap_or_else(|| panic!("no point: {text}")));
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    match runtime.block_on(carry(repo, &what, &agent, point)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => panic!("{}", error.render()),
    }
}

async fn carry(repo: PathBuf, what: &What, agent: &str, point: Option<Point>) -> Result<(), CliError> {
    let context = Context::of(Global { repo: Some(repo), quiet: true, ..Global::default() })?;
    let mut home = Home::open(&context, Access::Write, Vec::new())?;
    home.store = Arc::new(CrashStore::new(home.store, point));
    home.forge = Arc::new(CrashForge::new(home.forge, point));
    home.checks = Arc::new(FileChecks);
    let interrupt = Interrupt::listen(context.output);
    // There is one run of it: it lives, or has ended.
    let runs = home.store.runs(&RunFilter::default()).await?;
    let of_it = runs.iter().find(|row| match what {
        What::Issue(number) => row.issue == *number,
        What::Flow { name, .. } => row.flow == *name,
    });
    let entry = match of_it {
        Some(row) if row.completion_time.is_none() => Entry::from(row),
        // Killed after the last event, before it could say so.
        Some(_) => return Ok(()),
        None => {
            let agent = agent.parse().map_err(|error: String| CliError::input(error))?;
            begin(&context, &home, what, &agent).await?
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

async fn begin(context: &Context, home: &Home, what: &What, agent: &Adapter) -> Result<Entry, CliError> {
    let asked = Asked::typed("somebody");
    let (name, text) = match what {
        What::Issue(number) => {
            let start = starting::look(context, home, Some(agent)).await?;
            let issue = starting::open_issue(home, *number).await?;
            return starting::begin(home, &start, issue, &asked).await;
        }
        What::Flow { name, payload } => (name, std::fs::read_to_string(payload).expect("it is there")),
    };
    let payload: Value = serde_json::from_str(&text).expect("the payload is JSON");
    let subject = subject_of(&payload);
    let told = Told { payload, source: None, event: None, subject };
    let rule = Rule { agent: Some(agent.to_string()), ..Rule::new("sweep", name, On::Comment) };
    match payload::begin(context, home, &rule, &asked, told).await? {
        Begun::Run(entry, _) => Ok(entry),
        Begun::Late(why) => panic!("nothing is newer: {why}"),
    }
}
