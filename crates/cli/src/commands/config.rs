//! `miyabi config`: the settings.

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::settings::shown;
use crate::wiring::find_root;

/// Show the settings
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Print every setting with its value and where it comes from
    ///
    /// Outside of a repository only the user's file and the environment count.
    Show,
}

/// Runs the command.
pub async fn config(args: ConfigArgs, context: &Context) -> Result<Exit, CliError> {
    let What::Show = args.what;
    let root = match find_root(context) {
        Ok(root) => Some(root),
        // Settings can be shown anywhere, unless a repository was named.
        Err(_) if context.global.repo.is_none() => None,
        Err(error) => return Err(error),
    };
    let settings = context.settings(root.as_deref(), Vec::new())?;
    context.output.show(&shown(&settings), || settings.table())?;
    Ok(exit::DONE)
}
