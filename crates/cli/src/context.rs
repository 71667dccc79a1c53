//! What every command knows before it starts: options, environment, how to speak. The environment is read here only.

use std::path::{Path, PathBuf};

use console::Term;
use miyabi_core::redact::{Redactor, is_secret_name};
use miyabi_forge::RepoName;
use serde_json::Value;

use crate::clones;
use crate::error::CliError;
use crate::global::{Global, LogLevel};
use crate::output::{self, Output};
use crate::settings::{self, Places, Settings};

/// What every command knows.
#[derive(Clone, Debug)]
pub struct Context {
    /// The options of every command.
    pub global: Global,
    /// How to speak.
    pub output: Output,
    /// The environment, as far as it is UTF-8.
    pub env: Vec<(String, String)>,
    /// Where the command was typed.
    pub cwd: PathBuf,
    /// The repository is removed when the command ends: nothing can be typed there afterwards.
    pub gone_afterwards: bool,
}

impl Context {
    /// Looks at options, environment and terminal.
    pub fn of(global: Global) -> Result<Self, CliError> {
        let env: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let cwd = std::env::current_dir().map_err(|error| {
            CliError::input("the current folder cannot be used")
                .because(error.to_string())
                .hint("change to a folder that exists")
        })?;
        let is_verbose = matches!(global.log_level, LogLevel::Info | LogLevel::Debug | LogLevel::Trace);
        let is_terminal = Term::stderr().features().is_attended() && !console::is_dumb();
        let live = is_terminal && !(global.json || global.quiet || global.no_progress || is_verbose);
        let output = Output { json: global.json, quiet: global.quiet, live };
        let context = Self { global, output, env, cwd, gone_afterwards: false };
        output::set_color(context.global.color, context.var("NO_COLOR").is_some());
        Ok(context)
    }

    /// The folder that the command speaks of. A name such as `acme/shop`, where no folder has it, is the clone of that
    /// repository which miyabi keeps.
    ///
    /// Errors: there is no such clone.
    pub fn place(&self) -> Result<PathBuf, CliError> {
        let Some(typed) = &self.global.repo else { return Ok(self.cwd.clone()) };
        let path = self.cwd.join(typed);
        let Some(repo) = self.named() else { return Ok(path) };
        let clone = clones::folder(self, &repo)?;
        if clone.is_dir() {
            return Ok(clone);
        }
        Err(CliError::input(format!("there is no folder `{repo}`, and no clone of {repo} is kept here"))
            .hint(format!("`miyabi run issue {repo}#N` makes one")))
    }

    /// The repository on GitHub that `--repo` names, where it is no folder.
    pub fn named(&self) -> Option<RepoName> {
        let typed = self.global.repo.as_ref()?;
        if self.cwd.join(typed).exists() {
            return None;
        }
        typed.to_str()?.parse().ok()
    }

    /// The same for another folder.
    #[must_use]
    pub fn at(&self, folder: PathBuf) -> Self {
        let mut context = self.clone();
        context.global.repo = Some(folder);
        context
    }

    /// Where miyabi keeps what belongs to no checkout.
    pub fn data_folder(&self) -> Option<PathBuf> {
        let data = self.var("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let data = data.or_else(|| Some(Path::new(self.var("HOME")?).join(".local/share")))?;
        Some(data.join("miyabi"))
    }

    /// Takes out every value of the environment whose name says that it is secret.
    pub fn redactor(&self) -> Redactor {
        // A number of tokens is a limit, no secret.
        let counts =
            |name: &str, value: &str| name.ends_with("_TOKENS") && value.chars().all(|c| c.is_ascii_digit());
        let secret = self.env.iter().filter(|(name, value)| is_secret_name(name) && !counts(name, value));
        let secrets = secret.map(|(_, value)| value.clone());
        Redactor::new(secrets)
    }

    /// An environment variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The settings for a repository, or for none.
    pub fn settings(
        &self,
        root: Option<&Path>,
        flags: Vec<(&'static str, Value, &'static str)>,
    ) -> Result<Settings, CliError> {
        let places = Places {
            user: settings::user_file(&self.env),
            repo: root.map(|root| root.join("miyabi.toml")),
            only: self.global.config.as_ref().map(|path| self.cwd.join(path)),
            env: self.env.clone(),
            flags,
        };
        Ok(settings::load(&places)?)
    }

    /// Whether somebody can be asked.
    pub fn can_ask(&self) -> bool {
        !self.output.json
            && !self.output.quiet
            && Term::stderr().features().is_attended()
            && std::io::IsTerminal::is_terminal(&std::io::stdin())
    }

    /// Asks before something is destroyed, unless `yes` was given.
    pub fn confirm(&self, yes: bool, question: &str) -> Result<(), CliError> {
        if yes {
            return Ok(());
        }
        if !self.can_ask() {
            return Err(
                CliError::input(format!("{question} — nobody can be asked here")).hint("give `--yes`")
            );
        }
        output::screen::write_above(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        match answer.trim() {
            "y" | "Y" | "yes" | "はい" if read.is_ok() => Ok(()),
            _ => Err(CliError::input("nothing was done: you did not say yes")),
        }
    }
}
