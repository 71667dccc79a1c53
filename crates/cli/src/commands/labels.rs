//! `miyabi labels`: the one manifest of labels, and a repository that has them.

use clap::{Args, Subcommand};
use miyabi_core::labels::{LabelSpec, problems};

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::text;
use crate::wiring::{Access, Home};

/// The labels that miyabi sets and reads.
pub const BUILT_IN: &str = include_str!("../../../../agents/labels.yaml");

/// Show the labels of miyabi, and bring a repository's up to date
#[derive(Debug, Args)]
pub struct LabelsArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with labels.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List the labels of the manifest
    List,
    /// Make them on GitHub, with their colours and descriptions; other labels are left alone
    Sync,
}

/// Runs the command.
pub async fn labels(args: LabelsArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    let wanted = manifest(&home)?;
    match args.what {
        What::List => context.output.show(&wanted, || {
            text::table(
                ["label", "colour", "what it says"],
                wanted
                    .iter()
                    .map(|label| [label.name.clone(), label.color.clone(), label.description.clone()]),
            )
        })?,
        What::Sync => {
            let Some(github) = &home.github else {
                return Err(CliError::input("the issues of this repository are kept here").hint(
                    "labels of the local forge need no colours: there is nothing to bring up to date",
                ));
            };
            let sync = github.sync_labels(&wanted).await?;
            context.output.show(&sync, || {
                format!(
                    "{} made, {} brought up to date, {} as they should be",
                    sync.created.len(),
                    sync.updated.len(),
                    sync.unchanged
                )
            })?;
        }
    }
    Ok(exit::DONE)
}

/// The labels of the repository's own manifest, or the built-in ones.
fn manifest(home: &Home) -> Result<Vec<LabelSpec>, CliError> {
    let path = home.root.join(".miyabi").join("labels.yaml");
    let (text, name) = match std::fs::read_to_string(&path) {
        Ok(text) => (text, path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            (BUILT_IN.to_owned(), "labels.yaml (built in)".to_owned())
        }
        Err(error) => return Err(CliError::file("read the labels", &path, &error)),
    };
    let found: Result<Vec<LabelSpec>, _> = serde_saphyr::from_str(&text);
    let problem = match &found {
        Err(error) => Some(error.to_string()),
        Ok(labels) => problems(labels).into_iter().reduce(|all, one| format!("{all}; {one}")),
    };
    match (found, problem) {
        (Ok(labels), None) => Ok(labels),
        (_, problem) => Err(CliError::input(format!("the labels in `{name}` cannot be used"))
            .because(problem.unwrap_or_default())
            .hint("a label has a `name`, a `color` of six hexadecimal digits and a `description`")),
    }
}

#[cfg(test)]
mod tests {
    use miyabi_core::analysis::{Analysis, Kind, Sensitivity};
    use miyabi_core::report::quality_label;
    use miyabi_core::status::Status;
    use miyabi_core::view::analysis_labels;

    use super::*;

    /// Every label that miyabi itself sets, as far as there is a finite number of them.
    fn set_by_miyabi() -> Vec<String> {
        let mut set =
            vec!["miyabi", "trigger:agent-execute", "state:pending", "state:implementing", "state:done"]
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>();
        set.extend([Status::Failed, Status::Cancelled].map(|status| format!("state:{status}")));
        set.extend([0, 60, 80, 90].map(|score| quality_label(score).to_owned()));
        for kind in [Kind::Feature, Kind::Bug, Kind::Refactor, Kind::Docs, Kind::Test, Kind::Deployment] {
            set.push(format!("type:{}", kind.as_str()));
        }
        for (complexity, security) in
            [(1.0, Sensitivity::Low), (5.0, Sensitivity::Medium), (9.0, Sensitivity::High)]
        {
            let analysis = Analysis {
                complexity,
                kind: Kind::Bug,
                security,
                estimate_minutes: 60,
                areas: Vec::new(),
                reasons: Vec::new(),
                analyst: String::new(),
            };
            set.extend(
                analysis_labels(&analysis).into_iter().filter(|label| !label.starts_with("estimated:")),
            );
        }
        set.push("ready-to-merge".to_owned());
        set
    }

    #[test]
    fn the_built_in_manifest_has_every_label_that_is_set() {
        let labels: Vec<LabelSpec> = serde_saphyr::from_str(BUILT_IN).unwrap();
        assert_eq!(problems(&labels), [] as [&str; 0]);
        let missing: Vec<_> =
            set_by_miyabi().into_iter().filter(|set| labels.iter().all(|label| label.name != *set)).collect();
        assert_eq!(missing, [] as [&str; 0]);
    }
}
