//! `miyabi run issue`: from an issue to a merged change.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use miyabi_core::analysis::read_issue;
use miyabi_core::issue::Issue;
use miyabi_core::session::Adapter;
use miyabi_core::task::{check_tasks, read_tasks};
use miyabi_forge::RepoName;
use serde_json::{Value, json};

use super::issue::read_file;
use crate::clones;
use crate::context::Context;
use crate::driving::{self, Entry};
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::interrupt::Interrupt;
use crate::issue_ref::IssueRef;
use crate::starting::{Asked, Start, actor, begin, live_run, look, open_issue};
use crate::views::plan::{self, PlanView};
use crate::wiring::{Access, Home};

/// Start a run
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What is run.
    #[command(subcommand)]
    pub what: What,
}

/// What is run.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Carry issues to merged changes
    ///
    /// Each issue gets a run of its own; several run at once. An issue whose run has not ended is joined: it is
    /// continued here, unless another process drives it.
    Issue(RunIssueArgs),
}

/// Carry issues to merged changes
#[derive(Debug, Args)]
pub struct RunIssueArgs {
    /// Numbers of issues; `owner/name#N` is one of a repository on GitHub that is not checked out here
    #[arg(value_name = "N", required_unless_present = "file", conflicts_with = "file")]
    pub issues: Vec<IssueRef>,
    /// File the issue in this Markdown file first, then run it: the first line is the title
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Who does the tasks: `claude`, `codex`, `acp:<program>`, `llm:<provider>/<model>`, `command:<program>` or `scripted:<playbook.yaml>`
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<Adapter>,
    /// Show what would happen, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Tasks of one run that may work at once
    #[arg(long, value_name = "N")]
    pub max_parallel: Option<NonZeroU32>,
}

/// Runs the command.
pub async fn run(args: RunArgs, context: &Context) -> Result<Exit, CliError> {
    let What::Issue(args) = args.what;
    let mut flags: Vec<(&'static str, Value, &'static str)> = Vec::new();
    if let Some(n) = args.max_parallel {
        flags.push(("run.max_parallel", json!(n.get()), "--max-parallel"));
    }
    let elsewhere = repo_of(&args.issues)?.or_else(|| context.named());
    let context = &match &elsewhere {
        Some(repo) => context.at(clones::obtain(context, repo).await?),
        None => context.clone(),
    };
    if args.dry_run {
        return dry_run(&args, context, flags).await;
    }
    // Everything is looked at before the first write, the database included.
    let home = Home::open(context, Access::Read, flags.clone())?;
    let file = args.file.as_ref().map(|file| read_file(context, file)).transpose()?;
    let mut joined = Vec::new();
    let mut fresh = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for number in args.issues.iter().map(|issue| issue.number).filter(|number| seen.insert(*number)) {
        match live_run(&home, number).await? {
            Some(run) => joined.push(Entry::from(&run)),
            None => {
                // A repository without a commit has no issues either; the commit is what is missing.
                home.worktrees.inspect().await?;
                fresh.push(open_issue(&home, number).await?);
            }
        }
    }
    let start = if fresh.is_empty() && file.is_none() {
        None
    } else {
        Some(look(context, &home, args.agent.as_ref()).await?)
    };
    drop(home);
    let home = Home::open(context, Access::Write, flags)?;
    let actor = actor(context, &home.root).await;
    if let Some(new) = file {
        let issue = super::issue::file(context, &home, new, &actor).await?;
        context.output.note(&format!("filed issue #{}", issue.number));
        fresh.push(issue);
    }
    let interrupt = Interrupt::listen(context.output);
    carry(context, &home, start.as_ref(), fresh, joined, &actor, &interrupt).await
}

/// Begins runs for the issues, then drives them and the joined ones.
pub async fn carry(
    context: &Context,
    home: &Home,
    start: Option<&Start>,
    issues: Vec<Issue>,
    joined: Vec<Entry>,
    actor: &str,
    interrupt: &Interrupt,
) -> Result<Exit, CliError> {
    let mut entries = joined;
    if let Some(start) = start {
        for remark in &start.state.remarks {
            context.output.note(&format!("note: {}", crate::output::clean::clean_line(remark)));
        }
        for issue in issues {
            entries.push(begin(home, start, issue, &Asked::typed(actor)).await?);
        }
    }
    for entry in entries.iter().filter(|entry| !entry.is_new) {
        context.output.note(&format!("issue #{} has run {} already: joining it", entry.issue, entry.number));
    }
    driving::drive(context, home, &entries, interrupt).await
}

/// The repository that issues were typed with. Errors: there are several.
fn repo_of(issues: &[IssueRef]) -> Result<Option<RepoName>, CliError> {
    let Some(first) = issues.first() else { return Ok(None) };
    match issues.iter().find(|issue| issue.repo != first.repo) {
        None => Ok(first.repo.clone()),
        Some(other) => Err(CliError::input(format!("{first} and {other} are of different repositories"))
            .hint("give one command the issues of one repository")),
    }
}

async fn dry_run(
    args: &RunIssueArgs,
    context: &Context,
    flags: Vec<(&'static str, Value, &'static str)>,
) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, flags)?;
    let mut issues = Vec::new();
    if let Some(file) = &args.file {
        let new = read_file(context, file)?;
        issues.push(Issue {
            number: new.number.unwrap_or(1),
            title: new.title,
            body: new.body,
            labels: new.labels,
            author: String::new(),
            open: true,
            url: String::new(),
            created_at: miyabi_core::ports::Clock::now(&crate::surroundings::SystemClock),
        });
    }
    for issue in &args.issues {
        issues.push(open_issue(&home, issue.number).await?);
    }
    let start = look(context, &home, args.agent.as_ref()).await?;
    let mut exit = exit::DONE;
    for issue in issues {
        let joins_run = live_run(&home, issue.number).await?.map(|run| run.number);
        let view = view(&home, &start, issue, joins_run);
        if !view.problems.is_empty() {
            exit = exit::INPUT;
        }
        context.output.show(&view, || plan::render(&view))?;
    }
    Ok(exit)
}

fn view(home: &Home, start: &Start, issue: Issue, joins_run: Option<u64>) -> PlanView {
    let policy = home.settings.policy.clone();
    let analysis = read_issue(&issue);
    let tasks = read_tasks(&issue, &analysis, &policy).tasks;
    let checked = check_tasks(&tasks, issue.number, &policy);
    let problems = checked.as_ref().err().map(|problems| problems.iter().map(ToString::to_string).collect());
    let number = issue.number;
    let would = vec![
        plan::before_work(analysis.complexity, &policy),
        format!(
            "make branch {} and one worktree per task, at most {} at once",
            miyabi_core::naming::integration_branch(number),
            policy.max_parallel
        ),
        format!(
            "let {} do {} and commit what git shows",
            start.adapter,
            crate::output::text::count(tasks.len(), "task")
        ),
        format!(
            "check and score the result; below {} it is reworked at most {} times, then you are asked",
            policy.open_from, policy.rework_attempts
        ),
        format!(
            "open a change into {}, and merge it from score {} on; below that you merge",
            start.state.branch, policy.merge_from
        ),
        format!("remove the worktrees and close issue #{number}"),
    ];
    let mut view = PlanView {
        issue,
        joins_run,
        analysis,
        tasks,
        levels: Vec::new(),
        critical_path: Vec::new(),
        critical_minutes: 0,
        problems: problems.unwrap_or_default(),
        agent: start.adapter.to_string(),
        planner: start.planner.as_ref().map(ToString::to_string),
        reviewer: start.reviewer.as_ref().map(ToString::to_string),
        base: (start.state.branch.clone(), start.state.head.to_string()),
        policy,
        would,
    };
    if let Ok(schedule) = &checked {
        view.schedule(schedule);
    }
    view
}
