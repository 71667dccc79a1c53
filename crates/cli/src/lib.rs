#![doc = include_str!("../README.md")]

pub mod args;
pub mod asking;
mod boxing;
pub mod clones;
pub mod commands;
pub mod context;
pub mod driving;
pub mod environment;
pub mod error;
pub mod exit;
pub mod flow;
pub mod global;
pub mod hosting;
pub mod interrupt;
pub mod issue_ref;
mod knowing;
pub mod lock;
pub mod logging;
pub mod machine;
pub mod messengers;
pub mod output;
pub mod payload;
pub mod programs;
pub mod serving;
pub mod settings;
pub mod starting;
pub mod surroundings;
pub mod times;
pub mod triggers;
pub mod views;
pub mod wiring;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use secrecy::ExposeSecret as _;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Output;

/// Reads the command line, does what it asks, and says how it went.
pub fn main() -> ExitCode {
    if let Some(code) = inner() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let context = match Context::of(cli.global) {
        Ok(context) => context,
        Err(error) => return end(Output::default(), Err(error)),
    };
    logging::start(&context);
    let result = match cli.command {
        Command::Completions(args) => commands::pages::completions(&args, &context),
        Command::Man(args) => commands::pages::man(&args, &context),
        command => with_runtime(dispatch(command, &context)),
    };
    end(context.output, result)
}

/// Does what this program started itself for, or had itself started for by git: to enter a box and become another
/// program there, or to say a login. To be called first thing in `main`.
pub fn inner() -> Option<ExitCode> {
    miyabi_contain::enter::enter().or_else(answer_git)
}

/// Answers git's question for a login, where git started this program to ask it.
fn answer_git() -> Option<ExitCode> {
    let prompt = std::env::args_os().nth(1).unwrap_or_default().to_string_lossy().into_owned();
    let answer = miyabi_git::askpass::answer(&prompt, |name| std::env::var_os(name))?;
    let told = answer.ok().map(|secret| writeln!(std::io::stdout(), "{}", secret.expose_secret()));
    Some(if told.is_some_and(|told| told.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What clap has to say: help and version are results, the rest is a usage error.
fn usage(error: &clap::Error) -> ExitCode {
    let broken = error.print().is_err();
    let exit = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if broken => exit::BROKEN_PIPE,
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => exit::DONE,
        _ => exit::USAGE,
    };
    ExitCode::from(exit.code)
}

fn end(output: Output, result: Result<Exit, CliError>) -> ExitCode {
    let exit = result.unwrap_or_else(|error| {
        output.error(&error);
        error.exit()
    });
    ExitCode::from(exit.code)
}

fn with_runtime(work: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        CliError::new(exit::UNAVAILABLE, "start the threads of miyabi").because(error.to_string())
    })?;
    let result = runtime.block_on(work);
    // What still waits in the background, such as a read of the terminal, does not keep the program.
    runtime.shutdown_background();
    result
}

async fn dispatch(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Demo(args) => commands::demo::demo(args, context).await,
        Command::Init(args) => commands::init::init(args, context).await,
        Command::Doctor(args) => commands::doctor::doctor(args, context).await,
        Command::Issue(args) => commands::issue::issue(args, context).await,
        Command::Serve(args) => commands::serve::serve(args, context).await,
        Command::Delivery(args) => commands::delivery::delivery(args, context).await,
        Command::Trigger(args) => commands::trigger::trigger(args, context).await,
        Command::Flow(args) => commands::flow::flow(args, context).await,
        Command::Story(args) => commands::story::story(args, context).await,
        Command::Agent(args) => commands::agent::agent(args, context).await,
        Command::Skill(args) => commands::skill::skill(args, context).await,
        Command::Knowledge(args) => commands::knowledge::knowledge(args, context).await,
        Command::Labels(args) => commands::labels::labels(args, context).await,
        Command::Run(args) => commands::run::run(args, context).await,
        Command::Status(args) => commands::status::status(args, context).await,
        Command::Report(args) => commands::report::report(args, context).await,
        Command::Explain(args) => commands::explain::explain(args, context).await,
        Command::Review(args) => commands::review::review(args, context).await,
        Command::Log(args) => commands::log::log(args, context).await,
        Command::Worktree(args) => commands::worktree::worktree(args, context).await,
        Command::Recover(args) => commands::recover::recover(args, context).await,
        Command::Gc(args) => commands::gc::gc(args, context).await,
        Command::Change(args) => commands::change::change(args, context).await,
        Command::Budget(args) => commands::budget::budget(args, context).await,
        Command::Escalation(args) => commands::escalation::escalation(args, context).await,
        Command::Resume(args) => commands::resume::resume(args, context).await,
        Command::Cancel(args) => commands::cancel::cancel(args, context).await,
        Command::Config(args) => commands::config::config(args, context).await,
        Command::Completions(args) => commands::pages::completions(&args, context),
        Command::Man(args) => commands::pages::man(&args, context),
    }
}
