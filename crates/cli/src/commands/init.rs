//! `miyabi init`: prepare a repository.

use std::fs;
use std::io::ErrorKind;

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::settings::DEFAULTS;
use crate::wiring::{Access, Home, database, find_root, prepare_build_folder};

/// Prepare this repository
///
/// Writes a commented `miyabi.toml` if there is none, and makes the database. Everything else of miyabi's is hidden
/// from git. May be repeated.
#[derive(Debug, Args)]
pub struct InitArgs {}

/// Runs the command.
pub async fn init(_args: InitArgs, context: &Context) -> Result<Exit, CliError> {
    let root = find_root(context)?;
    let mut done = Vec::new();
    let path = root.join("miyabi.toml");
    match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => {
            std::io::Write::write_all(&mut file, commented().as_bytes())
                .map_err(|error| CliError::file("write", &path, &error))?;
            done.push("wrote miyabi.toml with every setting commented out: commit it".to_owned());
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            done.push("miyabi.toml is there and stays as it is".to_owned())
        }
        Err(error) => return Err(CliError::file("write", &path, &error)),
    }
    let is_new = !database(&root).exists();
    let home = Home::open(context, Access::Write, Vec::new())?;
    prepare_build_folder(&root)?;
    home.worktrees.inspect().await?;
    done.push(if is_new {
        "made the database .miyabi/miyabi.db".to_owned()
    } else {
        "the database .miyabi/miyabi.db is there".to_owned()
    });
    done.push("what miyabi keeps beside your files is hidden from git".to_owned());
    let document = json!({ "root": root, "done": done });
    context.output.show(&document, || done.join("\n"))?;
    context
        .output
        .note("next: `miyabi doctor` says what is missing, `miyabi issue new --title …` files an issue");
    Ok(exit::DONE)
}

/// The defaults with every value commented out.
fn commented() -> String {
    let lines = DEFAULTS.lines().map(|line| match line.chars().next() {
        None | Some('#' | '[') => line.to_owned(),
        Some(_) => format!("# {line}"),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_says_nothing() {
        let known = crate::settings::Layer::defaults();
        let layer = crate::settings::Layer::parse(&commented(), std::path::Path::new("miyabi.toml"), &known);
        assert_eq!(layer, Ok(crate::settings::Layer::default()));
        assert_eq!(commented().lines().filter(|line| line.starts_with('[')).count(), 11);
    }
}
