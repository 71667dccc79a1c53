//! `miyabi story`: stories are written, listed, shown, judged and taken apart.

mod files;
mod run;
mod shown;

use clap::{Args, Subcommand};
use miyabi_core::ids::CommitId;
use miyabi_core::ports::ResultFilter;
use miyabi_core::session::Adapter;
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::text;
use crate::programs;
use crate::wiring::{Access, Home, find_root};

/// Write, list and judge stories
#[derive(Debug, Args)]
pub struct StoryArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with stories.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Write the file of a story
    ///
    /// It becomes `.miyabi/stories/<ID>.yaml`. Commit it: stories are judged at commits.
    Add {
        /// Its id: letters, digits, `-` and `_`
        #[arg(value_name = "ID")]
        id: String,
        /// One line
        #[arg(long)]
        title: String,
        /// What must hold, in plain words
        #[arg(long)]
        story: String,
        /// When it holds, in one line; may be given several times
        #[arg(long = "criterion", value_name = "TEXT")]
        criteria: Vec<String>,
    },
    /// List the stories with what they came to last
    ///
    /// The exit code is 1 when a file is no story.
    List,
    /// Show a story, what it consists of, and what it came to last
    Show {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Judge the stories of a commit
    ///
    /// This is a run of the flow `story-ci`. What rests on the same lines as in an earlier run is not judged again.
    Run {
        /// Only these; otherwise all that are active
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// The commit [default: HEAD]
        #[arg(long, value_name = "REV")]
        commit: Option<String>,
        /// Believe no earlier run
        #[arg(long)]
        no_cache: bool,
        /// Who judges where an agent names nobody itself: `claude`, `codex`, `acp:<program>`, `llm:<provider>/<model>`, `command:<program>` or `scripted:<playbook.yaml>`
        #[arg(long, value_name = "AGENT")]
        agent: Option<Adapter>,
    },
    /// Take a story apart, and show what it consists of
    ///
    /// What is known for its text already is shown and nobody is asked.
    Decompose {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
        /// Ask again
        #[arg(long)]
        again: bool,
        /// Who takes it apart, as with `miyabi story run`
        #[arg(long, value_name = "AGENT")]
        agent: Option<Adapter>,
    },
}

/// Runs the command.
pub async fn story(args: StoryArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        What::Add { id, title, story, criteria } => {
            let file = files::add(&find_root(context)?, id, title, story, criteria)?;
            context.output.show(&json!({ "file": file }), || format!("wrote {file}"))?;
            context.output.note("commit it: stories are judged at commits");
            Ok(exit::DONE)
        }
        What::List => list(context).await,
        What::Show { id } => show(context, &id).await,
        What::Run { ids, commit, no_cache, agent } => {
            run::run(context, ids, commit.as_deref(), no_cache, agent.as_ref()).await
        }
        What::Decompose { id, again, agent } => run::decompose(context, id, again, agent.as_ref()).await,
    }
}

async fn list(context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let found = files::read(&home.root)?;
    let filter = ResultFilter { latest: true, ..ResultFilter::default() };
    let results = home.stories.story_results(&home.repo, &filter).await?;
    let rows: Vec<_> = found
        .stories
        .iter()
        .map(|story| (story, results.iter().find(|result| result.story == story.id)))
        .collect();
    let value: Vec<_> = rows.iter().map(|(story, last)| json!({ "story": story, "last": last })).collect();
    context.output.show(&value, || {
        let row = |(story, last): &(&miyabi_core::story::Story, Option<&miyabi_core::ports::ResultRow>)| {
            let verdict = last.map_or_else(|| "–".to_owned(), |last| last.status.clone());
            let of = last.map_or_else(String::new, |last| {
                format!("run {} at {}", last.number, text::short_id(last.commit.as_str()))
            });
            [story.id.clone(), story.state.as_str().to_owned(), verdict, of, story.title.clone()]
        };
        text::table(["story", "state", "last", "in", "title"], rows.iter().map(row))
    })?;
    found.problems.iter().for_each(|problem| context.output.note(problem));
    Ok(if found.problems.is_empty() { exit::DONE } else { exit::INPUT })
}

async fn show(context: &Context, id: &str) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let found = files::read(&home.root)?;
    let story = found.stories.into_iter().find(|story| story.id == id);
    let story = match story {
        Some(story) => Some(story),
        None => home.stories.stories(&home.repo).await?.into_iter().map(|row| row.story).find(|s| s.id == id),
    };
    let story = story.ok_or_else(|| {
        let error = CliError::input(format!("there is no story `{id}`"));
        let error = found.problems.iter().fold(error, |error, why| error.because(why.clone()));
        error.hint("`miyabi story list` names them")
    })?;
    let filter = ResultFilter { story: Some(id.to_owned()), latest: true, ..ResultFilter::default() };
    let last = home.stories.story_results(&home.repo, &filter).await?.into_iter().next();
    let decomposition = known_parts(&home, &story, &commit(&home, None).await?).await?;
    let value = json!({ "story": story, "decomposition": decomposition, "last": last });
    context.output.show(&value, || shown::page(&story, decomposition.as_ref(), last.as_ref()))?;
    Ok(exit::DONE)
}

/// What a story is known to consist of at a commit.
async fn known_parts(
    home: &Home,
    story: &miyabi_core::story::Story,
    commit: &CommitId,
) -> Result<Option<miyabi_core::story::StoryDecomposition>, CliError> {
    let among = home.contents.ancestors(commit, 500).await?;
    let known = home.stories.decompositions(&home.repo, &among).await?;
    let hash = story.text_hash();
    let known = known.into_iter().find(|known| known.story == story.id && known.text_hash == hash);
    Ok(known.map(|known| known.decomposition))
}

/// The commit that was typed; nothing typed is the one that is checked out.
async fn commit(home: &Home, typed: Option<&str>) -> Result<CommitId, CliError> {
    let typed = typed.unwrap_or("HEAD");
    let revision = format!("{typed}^{{commit}}");
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &revision];
    let found = programs::ask("git", &arguments, &home.root).await;
    match found.filter(|id| id.chars().all(|c| c.is_ascii_hexdigit()) && !id.is_empty()) {
        Some(id) => Ok(CommitId::from(id)),
        None => Err(CliError::input(format!("there is no commit `{typed}`"))
            .hint("a branch, a tag or an id, as `git log` shows them")),
    }
}
