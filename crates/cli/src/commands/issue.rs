//! `miyabi issue`: the issues of the local forge.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use miyabi_core::ids::IssueNumber;
use miyabi_core::issue::{Comment, Issue, NewIssue};
use miyabi_forge::IssueFilter;
use serde::Deserialize;
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::clean::{clean_line, clean_text, short};
use crate::output::text;
use crate::starting::actor;
use crate::wiring::{Access, Home};

/// File, list and read issues of the local forge
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with issues.
#[derive(Debug, Subcommand)]
pub enum What {
    /// File an issue
    New(NewArgs),
    /// List issues, newest first
    List {
        /// Closed ones too
        #[arg(long)]
        all: bool,
    },
    /// Show an issue with its comments
    Show {
        /// Its number
        #[arg(value_name = "N")]
        number: IssueNumber,
    },
    /// Add a comment
    Comment {
        /// The issue's or change's number
        #[arg(value_name = "N")]
        number: IssueNumber,
        /// The text; `-` reads it from standard input
        #[arg(long, allow_hyphen_values = true)]
        body: String,
    },
}

/// File an issue
#[derive(Debug, Args)]
pub struct NewArgs {
    /// One line
    #[arg(long, allow_hyphen_values = true)]
    pub title: String,
    /// Markdown
    #[arg(long, conflicts_with = "body_file", allow_hyphen_values = true)]
    pub body: Option<String>,
    /// A file with the Markdown; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub body_file: Option<PathBuf>,
    /// A label; may be given several times
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// The number it should have, when it is taken over from elsewhere
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub number: Option<IssueNumber>,
}

/// Runs the command.
pub async fn issue(args: IssueArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        What::New(args) => {
            let body = match (args.body, &args.body_file) {
                (Some(body), _) => body,
                (None, Some(path)) => read_text(context, path)?,
                (None, None) => String::new(),
            };
            let home = Home::open(context, Access::Write, Vec::new())?;
            let actor = actor(context, &home.root).await;
            let new = NewIssue {
                number: args.number,
                title: args.title,
                body,
                labels: args.labels,
                author: String::new(),
            };
            let issue = file(context, &home, new, &actor).await?;
            context.output.show(&issue, || issue.number.to_string())?;
            context.output.note(&format!("filed: `miyabi run issue {}` starts it", issue.number));
        }
        What::List { all } => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let issues = match &home.github {
                Some(github) => github.issues(&IssueFilter { all, ..IssueFilter::default() }).await?,
                None => home.local()?.issues(all).await?,
            };
            if issues.is_empty() && !context.output.json {
                context.output.note("there are no open issues: `miyabi issue new --title …` files one");
            }
            match context.output.json {
                true => context.output.json(&issues)?,
                false if issues.is_empty() => {}
                false => context.output.data(&list(&issues))?,
            }
        }
        What::Show { number } => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let Some(issue) = home.forge.issue(number).await? else { return Err(unknown(number)) };
            let comments = home.forge.comments(number).await?;
            let document = json!({ "issue": issue, "comments": comments });
            context.output.show(&document, || show(&issue, &comments))?;
        }
        What::Comment { number, body } => {
            let body = if body == "-" { read_text(context, Path::new("-"))? } else { body };
            let home = Home::open(context, Access::Write, Vec::new())?;
            let actor = actor(context, &home.root).await;
            let comment = home.local()?.comment(number, &actor, &body, home.clock.now()).await?;
            if context.output.json {
                context.output.json(&comment)?;
            }
            context.output.note(&format!("commented on #{number}"));
        }
    }
    Ok(exit::DONE)
}

fn unknown(number: IssueNumber) -> CliError {
    CliError::input(format!("there is no issue #{number}")).hint("`miyabi issue list --all` shows the issues")
}

/// Files an issue in somebody's name. One with the same number, title and text that is there already is taken as it is.
pub async fn file(_context: &Context, home: &Home, new: NewIssue, actor: &str) -> Result<Issue, CliError> {
    let new = NewIssue { author: actor.to_owned(), ..new };
    let local = home.local()?;
    if let Some(number) = new.number
        && let Some(issue) = home.forge.issue(number).await?
        && issue.open
        && (issue.title.as_str(), issue.body.as_str()) == (new.title.trim(), new.body.as_str())
    {
        return Ok(issue);
    }
    Ok(local.file_issue(&new, home.clock.now()).await?)
}

/// What may stand above the text of an issue file, between two lines of `---`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    number: Option<IssueNumber>,
    #[serde(default)]
    labels: Vec<String>,
}

/// Reads an issue from a Markdown file: its first line is the title, the rest is the text.
pub fn read_file(context: &Context, path: &Path) -> Result<NewIssue, CliError> {
    let text = read_text(context, path)?;
    parse_file(&text).map_err(|message| {
        CliError::input(format!("the issue in `{}` cannot be used", path.display()))
            .because(message)
            .hint("write the title on the first line, then the text; `number:` and `labels:` may stand above it between lines of `---`")
    })
}

fn parse_file(text: &str) -> Result<NewIssue, String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let (front, text) = match text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")) {
        Some((front, rest)) => {
            let front = serde_saphyr::from_str(front).map_err(|error| error.without_snippet().to_string())?;
            (front, rest.to_owned())
        }
        None => (FrontMatter::default(), text),
    };
    let text = text.trim_start();
    let (first, body) = text.split_once('\n').unwrap_or((text, ""));
    let title = first.trim_start_matches('#').trim();
    if title.is_empty() {
        return Err("it has no title".to_owned());
    }
    if front.number == Some(0) {
        return Err("numbers begin with 1".to_owned());
    }
    Ok(NewIssue {
        number: front.number,
        title: title.to_owned(),
        body: body.trim_start_matches('\n').to_owned(),
        labels: front.labels,
        author: String::new(),
    })
}

pub(super) fn read_text(context: &Context, path: &Path) -> Result<String, CliError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(context.cwd.join(path))
    };
    let bytes = bytes.map_err(|error| CliError::file("read", path, &error))?;
    String::from_utf8(bytes).map_err(|_| CliError::input(format!("`{}` is not UTF-8 text", path.display())))
}

fn list(issues: &[Issue]) -> String {
    text::table(
        ["issue", "state", "title", "labels"],
        issues.iter().map(|issue| {
            let state = if issue.open { "open" } else { "closed" };
            [format!("#{}", issue.number), state.to_owned(), short(&issue.title, 80), issue.labels.join(" ")]
        }),
    )
}

fn show(issue: &Issue, comments: &[Comment]) -> String {
    let state = if issue.open { "open" } else { "closed" };
    let mut out = format!("#{} {} ({state})\n", issue.number, clean_line(&issue.title));
    out.push_str(&format!(
        "filed by {} at {} UTC\n",
        clean_line(&issue.author),
        text::date_time(issue.created_at)
    ));
    if !issue.labels.is_empty() {
        out.push_str(&format!("labels: {}\n", clean_line(&issue.labels.join(" "))));
    }
    if !issue.body.trim().is_empty() {
        out.push_str(&format!("\n{}\n", clean_text(issue.body.trim_end())));
    }
    for comment in comments {
        out.push_str(&format!(
            "\n── {} at {} UTC\n\n{}\n",
            clean_line(&comment.author),
            text::date_time(comment.updated_at),
            clean_text(comment.body.trim_end())
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(Option<u64>, String, String, Vec<String>), String> {
        parse_file(text).map(|issue| (issue.number, issue.title, issue.body, issue.labels))
    }

    #[test]
    fn issue_files_are_read() {
        assert_eq!(
            parsed("# 認証を追加\n\n- [ ] `$(x)`\n"),
            Ok((None, "認証を追加".into(), "- [ ] `$(x)`\n".into(), vec![]))
        );
        assert_eq!(parsed("Title only"), Ok((None, "Title only".into(), String::new(), vec![])));
        assert_eq!(
            parsed("\u{feff}---\r\nnumber: 42\r\nlabels: [bug, \"優先\"]\r\n---\r\n\r\n## T\r\nb"),
            Ok((Some(42), "T".into(), "b".into(), vec!["bug".into(), "優先".into()]))
        );
        assert_eq!(parsed(" \n\n"), Err("it has no title".into()));
        assert!(parsed("---\nnumbr: 1\n---\n# T\n").is_err_and(|error| error.contains("numbr")));
        assert!(parsed("---\nnumber: -1\n---\n# T\n").is_err());
    }
}
