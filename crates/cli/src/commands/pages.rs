//! `miyabi completions` and `miyabi man`: pages made from the command line itself.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};

/// Print completions for a shell
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Print the manual, or write its pages into a folder
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write one page per command into this folder, which is made
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Prints completions.
pub fn completions(args: &CompletionsArgs, context: &Context) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "miyabi", &mut script);
    context.output.data(&String::from_utf8_lossy(&script))?;
    Ok(exit::DONE)
}

/// Prints or writes the manual.
pub fn man(args: &ManArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.dir {
        Some(dir) => {
            let dir = context.cwd.join(dir);
            let written =
                std::fs::create_dir_all(&dir).and_then(|()| clap_mangen::generate_to(Cli::command(), &dir));
            written.map_err(|error| CliError::file("write the manual into", &dir, &error))?;
            context.output.note(&format!("the manual is in {}", dir.display()));
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            context.output.data(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(exit::DONE)
}
