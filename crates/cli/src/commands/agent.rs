//! `miyabi agent`: who can be asked, where each comes from, and what it is told.

use clap::{Args, Subcommand};
use miyabi_agent::{Found, Library, LibraryProblem, Role, compose};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::flow;
use crate::output::clean::{clean_line, clean_text};
use crate::output::text;
use crate::wiring::find_root;

/// List, read and check agents
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List the agents: the repository's over those of the home folder over the built-in ones
    List,
    /// Show an agent with its whole prompt
    Show {
        /// Its name
        agent: String,
        /// Skills that a flow would add
        #[arg(long = "skill", value_name = "SKILL")]
        skills: Vec<String>,
    },
    /// Say everything that is wrong with files of agents and skills
    ///
    /// The exit code is 1 when anything is.
    Check,
}

/// Runs the command.
pub async fn agent(args: AgentArgs, context: &Context) -> Result<Exit, CliError> {
    let library = library(context)?;
    match args.what {
        What::List => {
            library.problems.iter().for_each(|problem| context.output.note(&format!("note: {problem}")));
            let value: Vec<_> = library.agents.values().map(listed).collect();
            context.output.show(&value, || {
                let row = |found: &Found<Role>| {
                    let role = &found.item;
                    [role.name.clone(), found.origin.as_str().to_owned(), role.description.clone()]
                };
                text::table(["agent", "from", "what it is for"], library.agents.values().map(row))
            })?;
        }
        What::Show { agent, skills } => {
            let found = library.agents.get(&agent).ok_or_else(|| unknown("agent", &agent))?;
            let skills = library.skills_of(&found.item, &skills).map_err(|skill| unknown("skill", &skill))?;
            let prompt = compose(&found.item, skills);
            let mut value = listed(found);
            value["prompt"] = json!(prompt);
            context.output.show(&value, || clean_text(&prompt))?;
        }
        What::Check => {
            let value: Vec<_> = library.problems.iter().map(problem).collect();
            context.output.show(&value, || page(&library))?;
            if !library.problems.is_empty() {
                return Ok(exit::INPUT);
            }
        }
    }
    Ok(exit::DONE)
}

/// The agents and skills of the repository that the command speaks of, or of none.
pub(super) fn library(context: &Context) -> Result<Library, CliError> {
    match find_root(context) {
        Ok(root) => Ok(flow::library(Some(&root), context)),
        Err(_) if context.global.repo.is_none() => Ok(flow::library(None, context)),
        Err(error) => Err(error),
    }
}

fn unknown(what: &str, name: &str) -> CliError {
    let error = CliError::input(format!("there is no {what} `{}`", clean_line(name)));
    match what {
        "skill" => error.hint("`miyabi skill list` names them"),
        _ => error.hint("`miyabi agent list` names them, `miyabi agent check` those that cannot be used"),
    }
}

fn listed(found: &Found<Role>) -> Value {
    let role = &found.item;
    let instead_of: Vec<_> = found.instead_of.iter().map(|origin| origin.as_str()).collect();
    json!({
        "name": role.name, "description": role.description, "from": found.origin.as_str(), "path": found.path,
        "adapter": role.adapter, "output": role.output, "skills": role.skills, "instead_of": instead_of,
    })
}

fn problem(problem: &LibraryProblem) -> Value {
    json!({ "path": problem.path, "message": problem.message, "hint": problem.hint })
}

fn page(library: &Library) -> String {
    if library.problems.is_empty() {
        let agents = text::count(library.agents.len(), "agent");
        return format!("{agents} and {}, no problem", text::count(library.skills.len(), "skill"));
    }
    let lines = library.problems.iter();
    lines.map(|problem| clean_text(&format!("{problem}\n  hint: {}\n", problem.hint))).collect()
}
