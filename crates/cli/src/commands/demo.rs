//! `miyabi demo`: the whole way of an issue in a throw-away repository, on the same code path as `miyabi run issue`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use miyabi_core::issue::NewIssue;
use miyabi_core::session::Adapter;
use tempfile::TempDir;

use super::{issue, run};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::interrupt::Interrupt;
use crate::programs;
use crate::starting::{actor, look};
use crate::wiring::{Access, Home};

/// Show the whole way of an issue on a small real crate
///
/// A repository is made, an issue is filed, six tasks are worked on by a scripted agent that writes real code, real
/// tools check and score it, and a change is merged. No key, no model and no network are needed.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave the repository to be looked at
    #[arg(long)]
    pub keep: bool,
    /// Make the repository in this folder, which must be empty or not there [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// The crate that the demo works on.
const FILES: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("../../demo/crate/Cargo.toml.txt")),
    ("Cargo.lock", include_str!("../../demo/crate/Cargo.lock.txt")),
    (".gitignore", include_str!("../../demo/crate/gitignore.txt")),
    ("README.md", include_str!("../../demo/crate/README.md.txt")),
    ("miyabi.toml", include_str!("../../demo/crate/miyabi.toml.txt")),
    ("src/lib.rs", include_str!("../../demo/crate/lib.rs.txt")),
    ("src/board.rs", include_str!("../../demo/crate/board.rs.txt")),
    ("src/digest.rs", include_str!("../../demo/crate/digest.rs.txt")),
];
const ISSUE: &str = include_str!("../../demo/issue-500.md");
const PLAYBOOK: &str = include_str!("../../demo/playbook.yaml");
const NUMBER: u64 = 500;

/// Where the demo happens, and what is removed afterwards.
struct Stage {
    folder: PathBuf,
    /// Removed when it is dropped.
    temporary: Option<TempDir>,
    /// Removed when the demo does not keep it.
    made: bool,
}

/// Runs the command.
pub async fn demo(args: DemoArgs, context: &Context) -> Result<Exit, CliError> {
    let interrupt = Interrupt::listen(context.output);
    let stage = Stage::set(context, &args)?;
    let folder = stage.folder.clone();
    let keep = args.keep || args.dir.is_some();
    let result = play(context, &folder, keep, &interrupt).await;
    stage.clear(keep)?;
    if keep {
        context.output.note(&look_around(&folder));
    } else {
        context.output.note("the repository is gone again: `miyabi demo --keep` leaves it to be looked at");
    }
    result
}

impl Stage {
    fn set(context: &Context, args: &DemoArgs) -> Result<Self, CliError> {
        let Some(dir) = &args.dir else {
            let temporary = tempfile::Builder::new().prefix("miyabi-demo-").tempdir();
            let temporary = temporary
                .map_err(|error| CliError::file("make a folder in", &std::env::temp_dir(), &error))?;
            let folder = temporary.path().join("pinboard");
            fs::create_dir(&folder).map_err(|error| CliError::file("make the folder", &folder, &error))?;
            return Ok(Self { folder, temporary: Some(temporary), made: false });
        };
        let folder = context.cwd.join(dir);
        let made = !folder.exists();
        fs::create_dir_all(&folder).map_err(|error| CliError::file("make the folder", &folder, &error))?;
        let mut entries =
            fs::read_dir(&folder).map_err(|error| CliError::file("read the folder", &folder, &error))?;
        if entries.next().is_some() {
            return Err(CliError::input(format!("the folder `{}` is not empty", folder.display()))
                .hint("name a folder that is empty or not there"));
        }
        Ok(Self { folder, temporary: None, made })
    }

    fn clear(self, keep: bool) -> Result<(), CliError> {
        let removed = match self.temporary {
            Some(temporary) if keep => {
                let _kept = temporary.keep();
                Ok(())
            }
            Some(temporary) => temporary.close(),
            None if keep || !self.made => Ok(()),
            None => fs::remove_dir_all(&self.folder),
        };
        removed.map_err(|error| CliError::file("remove the folder", &self.folder, &error))
    }
}

async fn play(context: &Context, folder: &Path, keep: bool, interrupt: &Interrupt) -> Result<Exit, CliError> {
    prepare(folder).await?;
    // The demo has settings of its own: those of the user and their flags do not change what is shown.
    let mut context = context.clone();
    context.gone_afterwards = !keep;
    context.global.repo = Some(folder.to_owned());
    context.global.config = Some(folder.join("miyabi.toml"));
    let context = &context;
    let home = Home::open(context, Access::Write, Vec::new())?;
    let playbook = home.runs_folder().join("demo-playbook.yaml");
    let written = fs::create_dir_all(home.runs_folder()).and_then(|()| fs::write(&playbook, PLAYBOOK));
    written.map_err(|error| CliError::file("write", &playbook, &error))?;
    let (title, body) = ISSUE.split_once('\n').unwrap_or((ISSUE, ""));
    let new = NewIssue {
        number: Some(NUMBER),
        title: title.trim_start_matches('#').trim().to_owned(),
        body: body.trim_start().to_owned(),
        labels: vec!["enhancement".to_owned()],
        author: String::new(),
    };
    let actor = actor(context, &home.root).await;
    let issue = issue::file(context, &home, new, &actor).await?;
    context.output.note(&format!(
        "a small crate and issue #{NUMBER} \"{}\" in {}",
        issue.title,
        home.root.display()
    ));
    let start = look(context, &home, Some(&Adapter::Scripted(playbook))).await?;
    let exit = run::carry(context, &home, Some(&start), vec![issue], Vec::new(), &actor, interrupt).await?;
    if exit == exit::DONE && !context.output.json {
        let log = git(&home.root, &["log", "--graph", "--oneline", "--no-decorate", "-40"]).await?;
        context.output.data(&format!("\nwhat git has of it:\n{log}\n"))?;
    }
    Ok(exit)
}

/// Writes the crate and makes its first commit.
async fn prepare(folder: &Path) -> Result<(), CliError> {
    for (path, text) in FILES {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
        written.map_err(|error| CliError::file("write", &path, &error))?;
    }
    // What the user's git does otherwise (templates, signing, hooks, line ends) is none of the demo's.
    git(folder, &["init", "--quiet", "--initial-branch=main", "--template="]).await?;
    for (name, value) in [
        ("user.name", "miyabi demo"),
        ("user.email", "demo@localhost"),
        ("commit.gpgSign", "false"),
        ("core.hooksPath", "/dev/null"),
        ("core.autocrlf", "false"),
    ] {
        git(folder, &["config", name, value]).await?;
    }
    git(folder, &["add", "--all"]).await?;
    git(folder, &["commit", "--quiet", "--message", "Begin a small pin board"]).await?;
    Ok(())
}

async fn git(folder: &Path, arguments: &[&str]) -> Result<String, CliError> {
    programs::run("git", arguments, folder)
        .await
        .map_err(|error| error.hint("the demo needs git 2.38 or newer"))
}

fn look_around(folder: &Path) -> String {
    let place = folder.display();
    format!(
        "the repository is in {place}; look around with\n  \
         cd {place}\n  git log --graph --stat\n  miyabi report 1\n  miyabi log 1\n  miyabi issue show {NUMBER}\n  miyabi change list\n  cargo test"
    )
}
