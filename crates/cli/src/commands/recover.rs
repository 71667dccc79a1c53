//! `miyabi recover`: work that was kept when a worktree was removed or reset.

use clap::{Args, Subcommand};
use miyabi_core::worktree::{Kept, KeptFile};
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::clean::{clean_line, short};
use crate::output::text;
use crate::wiring::{Access, Home};

/// Find work that was kept, and bring it back
///
/// Before a worktree is removed or reset, what no branch holds is pinned: commits, staged changes, edited and untracked
/// files. It comes back as a branch; nothing of your checkout is touched.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with kept work.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List what is kept, oldest first
    List,
    /// Show the files of something kept
    Show {
        /// Its name as the list shows it, or the end of it
        name: String,
    },
    /// Make a branch of something kept
    Restore {
        /// Its name as the list shows it, or the end of it
        name: String,
        /// The branch to make [default: miyabi/recovered/<name>]
        #[arg(long, value_name = "BRANCH")]
        branch: Option<String>,
    },
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    kept: Kept,
    files: Vec<KeptFile>,
}

/// Runs the command.
pub async fn recover(args: RecoverArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    match args.what {
        What::List => {
            let all = home.keepsakes.kept().await?;
            if context.output.json {
                context.output.json(&all)?;
            } else if all.is_empty() {
                context.output.note("nothing is kept: all work is on branches");
            } else {
                context.output.data(&list(&all))?;
            }
        }
        What::Show { name } => {
            let kept = find(&home, &name).await?;
            let files = home.keepsakes.files(&kept).await?;
            let shown = Shown { kept, files };
            context.output.show(&shown, || show(&shown))?;
        }
        What::Restore { name, branch } => {
            let kept = find(&home, &name).await?;
            let branch = branch.unwrap_or_else(|| format!("miyabi/recovered/{}", title(&kept)));
            home.keepsakes.restore(&kept, &branch).await?;
            context.output.note(&format!(
                "branch `{branch}` stands at {}: `git switch {branch}` checks it out, `git worktree add ../look {branch}` beside your checkout",
                text::short_id(kept.commit.as_str())
            ));
        }
    }
    Ok(exit::DONE)
}

/// The name without the folder that all have.
pub(super) fn title(kept: &Kept) -> &str {
    kept.name.strip_prefix("refs/miyabi/keep/").unwrap_or(&kept.name)
}

async fn find(home: &Home, typed: &str) -> Result<Kept, CliError> {
    let all = home.keepsakes.kept().await?;
    let fits = |kept: &&Kept| {
        kept.name == typed || title(kept) == typed || title(kept).ends_with(&format!("/{typed}"))
    };
    let found: Vec<&Kept> = all.iter().filter(fits).collect();
    match found[..] {
        [kept] => Ok(kept.clone()),
        [] => Err(CliError::input(format!("nothing is kept under `{}`", clean_line(typed)))
            .hint("`miyabi recover list` shows what is")),
        _ => {
            Err(CliError::input(format!("`{}` fits {} things that are kept", clean_line(typed), found.len()))
                .hint("type more of the name"))
        }
    }
}

fn list(all: &[Kept]) -> String {
    text::table(
        ["kept", "made (UTC)", "commit", "what", "also on"],
        all.iter().map(|kept| {
            [
                clean_line(title(kept)),
                text::date_time(kept.at),
                text::short_id(kept.commit.as_str()),
                short(&kept.subject, 60),
                kept.held_by.as_deref().map_or_else(String::new, clean_line),
            ]
        }),
    )
}

fn show(shown: &Shown) -> String {
    let Shown { kept, files } = shown;
    let mut out = format!("{}\n{}\n", clean_line(title(kept)), clean_line(&kept.subject));
    out.push_str(&format!("commit {}, made {} UTC\n\n", kept.commit, text::date_time(kept.at)));
    for file in files {
        out.push_str(&format!(
            "{:>6} {:>6}  {}\n",
            format!("+{}", file.insertions),
            format!("−{}", file.deletions),
            clean_line(&file.path)
        ));
    }
    out.push_str(&format!("\n`git show {}` shows the lines\n", text::short_id(kept.commit.as_str())));
    out
}
