//! Starting runs: everything is looked at before anything is written.

use std::collections::BTreeMap;
use std::path::Path;

use miyabi_core::cast::Cast;
use miyabi_core::event::{MAX_PAYLOAD, RunStarted};
use miyabi_core::flow::Flow;
use miyabi_core::ids::{CommitId, IssueNumber, RunId};
use miyabi_core::issue::Issue;
use miyabi_core::plan::Work;
use miyabi_core::ports::{Created, Ids, NewRun, RunFilter, RunRow};
use miyabi_core::rules;
use miyabi_core::session::Adapter;
use miyabi_core::subject::{About, Cause, RunSubject, is_newer, lane_of_issue};
use miyabi_core::untrusted;
use miyabi_core::worktree::RepoState;
use serde_json::Value;

use crate::context::Context;
use crate::driving::Entry;
use crate::error::CliError;
use crate::output::clean::clean_line;
use crate::wiring::{Home, prepare_build_folder};
use crate::{environment, flow, programs};

/// What new runs of this command begin with.
pub struct Start {
    /// What the repository is like.
    pub state: RepoState,
    /// The flow.
    pub flow: Flow,
    /// The agents that it names.
    pub cast: Cast,
    /// What it reads of the environment, as far as it is set.
    pub environment: BTreeMap<String, String>,
    /// Who does the tasks.
    pub adapter: Adapter,
    /// Who analyses and decomposes; none: the deterministic readers.
    pub planner: Option<Adapter>,
    /// Who reads the finished change; none: nobody but tools and people.
    pub reviewer: Option<Adapter>,
}

/// Looks at repository, flow and agents. Writes nothing.
///
/// `agent`: what was typed with `--agent`, relative to the current folder; otherwise the setting counts, relative to
/// the main checkout.
pub async fn look(context: &Context, home: &Home, agent: Option<&Adapter>) -> Result<Start, CliError> {
    look_for(context, home, agent, || flow::issue(&home.root, &home.settings.flow)).await
}

/// As [`look`], for this flow.
pub async fn look_for(
    context: &Context,
    home: &Home,
    agent: Option<&Adapter>,
    flow: impl FnOnce() -> Result<Flow, CliError>,
) -> Result<Start, CliError> {
    let mut state = home.worktrees.inspect().await?;
    if let Some(github) = &home.github {
        // What is public can be read with a token that is no good: better refused now than at the first write.
        github.login().await?;
        // The base comes from the remote, and the main checkout is never touched.
        let base = home.worktrees.base(&state.branch).await?;
        state.head = base.ok_or_else(|| {
            CliError::input(format!("the remote has no branch `{}`", state.branch))
                .hint("check out the branch that changes go into, as the remote has it")
        })?;
    } else if !state.dirty.is_empty() {
        return Err(dirty(&state));
    }
    obey_rules(home, &state.head).await?;
    let flow = flow()?;
    let environment = environment::read_by(&flow.plan, context)?;
    let environment = environment.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut cast = flow::cast(&flow::library(Some(&home.root), context), &flow.plan)?;
    for brief in cast.agents.values_mut() {
        brief.adapter = brief.adapter.take().map(|adapter| at(adapter, &home.root));
    }
    let adapter = match agent {
        Some(adapter) => at(adapter.clone(), &context.cwd),
        None => at(parse(&home.settings.agent.default)?, &home.root),
    };
    let helper = |setting: &str| match setting {
        "" => Ok(None),
        text => parse(text).map(|adapter| Some(at(adapter, &home.root))),
    };
    let planner = helper(&home.settings.agent.planner)?;
    let reviewer = helper(&home.settings.agent.reviewer)?;
    // Whoever is not asked in this flow need not be there.
    let works = flow.plan.steps.iter().any(|step| !matches!(step.work, Work::Agent(_)));
    let ours = [Some(&adapter), planner.as_ref(), reviewer.as_ref()].into_iter().flatten().filter(|_| works);
    let asked = cast.agents.values().map(|brief| brief.adapter.as_ref().unwrap_or(&adapter));
    if works && ours.clone().any(|adapter| *adapter == Adapter::Facts) {
        return Err(CliError::input("`facts` is nobody who could do the tasks of an issue")
            .hint("it answers steps of flows with what was looked up; `--agent` names who works"));
    }
    for needed in ours.chain(asked) {
        if let Some(missing) = home.agents.missing(needed).await {
            return Err(missing.into());
        }
    }
    Ok(Start { state, flow, cast, environment, adapter, planner, reviewer })
}

/// The issue, open. Errors: `Input` when it is not there or closed.
pub async fn open_issue(home: &Home, number: IssueNumber) -> Result<Issue, CliError> {
    let Some(issue) = home.forge.issue(number).await? else {
        return Err(CliError::input(format!("there is no issue #{number}"))
            .hint("`miyabi issue list` shows the issues, `miyabi issue new --title …` files one"));
    };
    if !issue.open {
        return Err(CliError::input(format!("issue #{number} is closed: {}", clean_line(&issue.title)))
            .hint("file a new issue for what is still to be done"));
    }
    Ok(issue)
}

/// The run that carries this issue to a change and has not ended. Runs on payloads about it are others.
pub async fn live_run(home: &Home, issue: IssueNumber) -> Result<Option<RunRow>, CliError> {
    let filter = RunFilter { live: true, lane: Some(lane_of_issue(issue)), ..RunFilter::default() };
    let runs = home.store.runs(&filter).await?;
    Ok(runs.into_iter().find(|run| run.repo == home.repo))
}

/// The live run of this flow that a run about this would join; one at another commit is none, its place is taken.
pub async fn live_run_about(
    home: &Home,
    flow: &str,
    subject: Option<&RunSubject>,
) -> Result<Option<RunRow>, CliError> {
    let head = subject.and_then(|subject| subject.head.as_ref());
    let run = live_run_in(home, flow, subject).await?;
    Ok(run.filter(|run| !is_newer(head, run.head.as_ref())))
}

/// The newest live run of this flow about this, at whatever commit.
pub async fn live_run_in(
    home: &Home,
    flow: &str,
    subject: Option<&RunSubject>,
) -> Result<Option<RunRow>, CliError> {
    let about = subject.map_or_else(String::new, |subject| subject.about.to_string());
    let lane = Some(format!("flow:{flow}/{about}"));
    let runs = home.store.runs(&RunFilter { live: true, lane, ..RunFilter::default() }).await?;
    // An older one may still be ending.
    Ok(runs.into_iter().find(|run| run.repo == home.repo))
}

/// Has the run begin at the commit that it is about, which is fetched if need be. Errors: it cannot be had.
pub async fn at_head(home: &Home, start: &mut Start, subject: Option<&RunSubject>) -> Result<(), CliError> {
    let Some(RunSubject { about, head: Some(head) }) = subject else { return Ok(()) };
    let branch = match about {
        About::Branch { name } => Some(name.as_str()),
        About::Issue { .. } | About::Change { .. } | About::Commit { .. } => None,
    };
    let change = subject.and_then(RunSubject::change);
    if !home.worktrees.bring(head, change, branch).await? {
        return Err(CliError::input(format!("commit {head}, the head of {}, cannot be had", about.shown()))
            .because("it is neither in the repository nor on the remote")
            .hint("it may have been replaced by a newer push; otherwise fetch it into the repository"));
    }
    start.state.head = head.clone();
    Ok(())
}

/// Who asks for a run, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who.
    pub actor: String,
    /// How: `cli`, `label`, `comment` …
    pub trigger: String,
    /// The delivery, if it was one.
    pub cause: Option<Cause>,
}

impl Asked {
    /// By somebody who typed a command.
    pub fn typed(actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), trigger: "cli".to_owned(), cause: None }
    }
}

/// Begins a run of an issue, or joins the one that lives.
pub async fn begin(home: &Home, start: &Start, issue: Issue, asked: &Asked) -> Result<Entry, CliError> {
    begin_with(home, start, issue, asked, None).await.map(|(entry, _)| entry)
}

/// What a run is told that does not begin with an issue alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What expressions find under `trigger.payload`.
    pub payload: Value,
    /// Where it happened.
    pub source: Option<String>,
    /// What happened.
    pub event: Option<String>,
    /// What it is about.
    pub subject: Option<RunSubject>,
}

/// As [`begin`], and the run is told this; says what became of it, too. Errors: the payload is too large.
pub async fn begin_with(
    home: &Home,
    start: &Start,
    issue: Issue,
    asked: &Asked,
    told: Option<Told>,
) -> Result<(Entry, Created), CliError> {
    let (mut payload, source, event, subject) = match told {
        Some(Told { payload, source, event, subject }) => (Some(payload), source, event, subject),
        None => (None, None, None, None),
    };
    if let Some(payload) = &mut payload {
        home.redactor.clean(payload);
        let bytes = payload.to_string().len();
        if bytes > MAX_PAYLOAD {
            return Err(CliError::input(format!(
                "the payload has {bytes} bytes; at most {MAX_PAYLOAD} are taken"
            ))
            .hint("leave out what the flow does not use"));
        }
    }
    prepare_build_folder(&home.root)?;
    let id = RunId::new(home.ids.new_id());
    let number = issue.number;
    let suspicions = untrusted::suspicions(&format!("{}\n{}", issue.title, issue.body));
    // From here on nobody sees what a reader of the issue does not see.
    let (title, body) = (untrusted::visible(&issue.title), untrusted::visible(&issue.body));
    let issue = Issue { title, body, ..issue };
    let started = RunStarted {
        number: 0,
        repo: home.repo.clone(),
        flow: start.flow.name.clone(),
        issue,
        base_branch: start.state.branch.clone(),
        base_commit: start.state.head.clone(),
        plan: start.flow.plan.clone(),
        policy: home.settings.policy.clone(),
        adapter: start.adapter.clone(),
        planner: start.planner.clone(),
        reviewer: start.reviewer.clone(),
        actor: asked.actor.clone(),
        trigger: asked.trigger.clone(),
        hosted: home.github.is_some(),
        suspicions,
        channels: home.channels.clone(),
        payload,
        source,
        event,
        environment: start.environment.clone(),
        cast: start.cast.clone(),
        subject,
        cause: asked.cause.clone(),
    };
    let created = home.store.create_run(&NewRun { id: id.clone(), started }, home.clock.now()).await?;
    let entry = match &created {
        Created::New(run) | Created::Replaced(run, _) => {
            Entry { id, number: *run, issue: number, is_new: true }
        }
        Created::Joined(id, run) | Created::Again(id, run) => {
            Entry { id: id.clone(), number: *run, issue: number, is_new: false }
        }
    };
    Ok((entry, created))
}

/// Who types the command: git's name for them, or the account's.
pub async fn actor(context: &Context, root: &Path) -> String {
    let name = programs::ask("git", &["config", "user.name"], root).await.filter(|name| !name.is_empty());
    let account = || context.var("USER").or(context.var("LOGNAME")).unwrap_or("somebody").to_owned();
    clean_line(&name.unwrap_or_else(account))
}

/// The adapter with paths that hold wherever it is used from.
pub fn at(adapter: Adapter, folder: &Path) -> Adapter {
    match adapter {
        Adapter::Scripted(playbook) => Adapter::Scripted(folder.join(playbook)),
        Adapter::Acp(argv) => Adapter::Acp(program_at(argv, folder)),
        Adapter::Command(argv) => Adapter::Command(program_at(argv, folder)),
        Adapter::Claude | Adapter::Codex | Adapter::Llm(_) | Adapter::Facts => adapter,
    }
}

/// Only a path; a bare name is looked for on the PATH.
fn program_at(mut argv: Vec<String>, folder: &Path) -> Vec<String> {
    if let Some(program) = argv.first_mut().filter(|program| program.contains('/'))
        && let Some(path) = folder.join(&*program).to_str()
    {
        *program = path.to_owned();
    }
    argv
}

/// A repository that wants no changes made by programs gets none. Errors: one of its own pages says so.
async fn obey_rules(home: &Home, commit: &CommitId) -> Result<(), CliError> {
    for (path, text) in home.worktrees.texts(commit, &rules::FILES).await? {
        if let Some(found) = rules::forbidden(&path, &text) {
            return Err(CliError::input("this repository wants no changes that programs made")
                .because(format!("{}:{}: {}", found.file, found.line, clean_line(&found.text)))
                .hint("nothing was started; the repository's maintainers decide that, in that file"));
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Adapter, CliError> {
    text.parse().map_err(|error: String| CliError::input(error))
}

fn dirty(state: &RepoState) -> CliError {
    let mut error = CliError::input(format!(
        "the main checkout has uncommitted changes in {}",
        if state.dirty.len() >= 20 {
            "20 files or more".to_owned()
        } else {
            crate::output::text::count(state.dirty.len(), "file")
        },
    ));
    for file in &state.dirty {
        error = error.because(file.clone());
    }
    error.hint("commit or stash them first: runs start from the last commit and would not see them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_agents_hold_from_anywhere() {
        let here = Path::new("/here");
        let table = [
            ("scripted:再生.yaml", "scripted:/here/再生.yaml"),
            ("scripted:/abs/p.yaml", "scripted:/abs/p.yaml"),
            ("command:./agent.sh --fast ./x", "command:/here/./agent.sh --fast ./x"),
            ("command:agent --fast", "command:agent --fast"),
            ("claude", "claude"),
            ("codex", "codex"),
        ];
        for (typed, expected) in table {
            assert_eq!(at(typed.parse().expect("it is an agent"), here).to_string(), expected);
        }
    }
}
