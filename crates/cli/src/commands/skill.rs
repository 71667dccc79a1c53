//! `miyabi skill`: texts that are added to the prompts of agents.

use clap::{Args, Subcommand};
use miyabi_agent::{Found, Skill};
use serde_json::{Value, json};

use super::agent::library;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::text;

/// List skills
#[derive(Debug, Args)]
pub struct SkillArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with skills.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List the skills: the repository's over those of the home folder
    ///
    /// A skill is a file `<name>/SKILL.md` in `agents/skills`, `.claude/skills` or `.agents/skills`.
    List,
}

/// Runs the command.
pub async fn skill(args: SkillArgs, context: &Context) -> Result<Exit, CliError> {
    let What::List = args.what;
    let library = library(context)?;
    library.problems.iter().for_each(|problem| context.output.note(&format!("note: {problem}")));
    let value: Vec<_> = library.skills.values().map(listed).collect();
    context.output.show(&value, || {
        let row = |found: &Found<Skill>| {
            let skill = &found.item;
            let path = found.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            [skill.name.clone(), found.origin.as_str().to_owned(), path, skill.description.clone()]
        };
        text::table(["skill", "from", "file", "what it is for"], library.skills.values().map(row))
    })?;
    Ok(exit::DONE)
}

fn listed(found: &Found<Skill>) -> Value {
    let skill = &found.item;
    let instead_of: Vec<_> = found.instead_of.iter().map(|origin| origin.as_str()).collect();
    json!({ "name": skill.name, "description": skill.description, "from": found.origin.as_str(), "path": found.path, "instead_of": instead_of })
}
