//! Runs of the flow `story-ci` that somebody types.

use miyabi_core::flow::Flow;
use miyabi_core::ids::CommitId;
use miyabi_core::issue::Issue;
use miyabi_core::ports::{Clock, ResultFilter};
use miyabi_core::session::Adapter;
use miyabi_core::subject::{About, RunSubject};
use serde_json::{Value, json};

use super::{commit, files, known_parts, shown};
use crate::context::Context;
use crate::driving::{self, Entry};
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::flow;
use crate::interrupt::Interrupt;
use crate::starting::{Asked, Told, actor, begin_with, live_run_about, look_for};
use crate::surroundings::SystemClock;
use crate::wiring::{Access, Home};

/// A flow that only takes stories apart.
const DECOMPOSE: &str = "name: story-decompose\nsteps:\n  - name: stories\n    uses: stories\n";

/// Judges stories and shows what they came to.
pub(super) async fn run(
    context: &Context,
    ids: Vec<String>,
    revision: Option<&str>,
    no_cache: bool,
    agent: Option<&Adapter>,
) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let source = flow::typed(Some(&home.root), &home.root, "story-ci")?;
    let known = flow::known(&flow::library(Some(&home.root), context), &home.settings.flow);
    let mut flow = flow::carried_out(source.usable(&known)?, &source.file)?;
    let commit = commit(&home, revision).await?;
    drop(home);
    let variables = &mut flow.plan.variables;
    if !ids.is_empty() {
        variables.insert("stories".to_owned(), json!(ids));
    }
    if no_cache {
        variables.insert("cache".to_owned(), Value::Bool(false));
    }
    let (home, entry, exit) = drive(context, flow, &commit, agent).await?;
    let filter = ResultFilter { run: Some(entry.id), ..ResultFilter::default() };
    let mut rows = home.stories.story_results(&home.repo, &filter).await?;
    rows.sort_by(|a, b| a.story.cmp(&b.story));
    if context.output.json {
        context.output.json(&json!({ "run": entry.number, "commit": commit, "stories": rows }))?;
    } else if !rows.is_empty() {
        context.output.data(&format!("\n{}", shown::results(&rows)))?;
    }
    Ok(exit)
}

/// Takes a story apart, unless that is done, and shows what it consists of.
pub(super) async fn decompose(
    context: &Context,
    id: String,
    again: bool,
    agent: Option<&Adapter>,
) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let head = commit(&home, None).await?;
    let story = files::read(&home.root)?.stories.into_iter().find(|story| story.id == id);
    let story = story.ok_or_else(|| {
        CliError::input(format!("there is no story `{id}`")).hint("`miyabi story list` names them")
    })?;
    let mut known = if again { None } else { known_parts(&home, &story, &head).await? };
    if known.is_none() {
        drop(home);
        let mut flow = miyabi_core::flow::parse(DECOMPOSE, "story-decompose")
            .map_err(|_| CliError::new(exit::BUG, "the flow that takes stories apart is broken"))?;
        flow.plan.variables.insert("stories".to_owned(), json!([id]));
        flow.plan.variables.insert("evaluate".to_owned(), Value::Bool(false));
        flow.plan.variables.insert("cache".to_owned(), Value::Bool(!again));
        let (home, _, exit) = drive(context, flow, &head, agent).await?;
        if exit != exit::DONE {
            return Ok(exit);
        }
        known = known_parts(&home, &story, &head).await?;
    }
    let Some(parts) = known else {
        return Err(CliError::input(format!("the file of `{id}` is not as the commit has it"))
            .hint("commit it: stories are read from commits"));
    };
    context.output.show(&json!({ "story": story.id, "decomposition": parts }), || shown::parts(&parts))?;
    Ok(exit::DONE)
}

/// Begins a run of the flow at the commit and drives it to its rest.
async fn drive(
    context: &Context,
    flow: Flow,
    commit: &CommitId,
    agent: Option<&Adapter>,
) -> Result<(Home, Entry, Exit), CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let about = RunSubject::new(About::Commit { id: commit.clone() }, Some(commit.clone()));
    if let Some(run) = live_run_about(&home, &flow.name, Some(&about)).await? {
        return Err(CliError::input(format!("run {} has not ended", run.number))
            .hint(format!("`miyabi resume {0}` goes on with it, `miyabi cancel {0}` ends it", run.number)));
    }
    let title = flow.name.clone();
    let mut start = look_for(context, &home, agent, || Ok(flow)).await?;
    start.state.head = commit.clone();
    drop(home);
    let home = Home::open(context, Access::Write, Vec::new())?;
    let asked = Asked::typed(actor(context, &home.root).await);
    let told = Told { payload: json!({ "commit": commit }), source: None, event: None, subject: Some(about) };
    let interrupt = Interrupt::listen(context.output);
    let (entry, _) = begin_with(&home, &start, nothing(title), &asked, Some(told)).await?;
    let exit = driving::drive(context, &home, std::slice::from_ref(&entry), &interrupt).await?;
    Ok((home, entry, exit))
}

/// The run is about a commit, not about an issue.
fn nothing(title: String) -> Issue {
    Issue {
        number: 0,
        title,
        body: String::new(),
        labels: Vec::new(),
        author: String::new(),
        open: true,
        url: String::new(),
        created_at: SystemClock.now(),
    }
}
