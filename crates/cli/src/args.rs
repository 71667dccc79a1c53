//! The command line: what can be typed. Each command's own arguments stand with the command.

use clap::{Parser, Subcommand};

use crate::commands;
use crate::global::Global;

/// Carries a labelled issue to a reviewed, merged change.
///
/// Everything that a run does is appended to a log; `miyabi resume` goes on from there whatever happened.
/// Results go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "miyabi", version, propagate_version = false, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole way of an issue on a small real crate
    Demo(commands::demo::DemoArgs),
    /// Prepare this repository
    Init(commands::init::InitArgs),
    /// Say what is here, what is missing, and what that means
    Doctor(commands::doctor::DoctorArgs),
    /// File, list and read issues of the local forge
    Issue(commands::issue::IssueArgs),
    /// Take deliveries in, and run what they ask for
    Serve(commands::serve::ServeArgs),
    /// List, read and replay deliveries
    Delivery(commands::delivery::DeliveryArgs),
    /// List, add and try the rules that start runs
    Trigger(commands::trigger::TriggerArgs),
    /// List, read, check, draw and try flows
    Flow(commands::flow::FlowArgs),
    /// Write, list and judge stories
    Story(commands::story::StoryArgs),
    /// List, read and check agents
    Agent(commands::agent::AgentArgs),
    /// List skills
    Skill(commands::skill::SkillArgs),
    /// Find again what past runs did
    Knowledge(commands::knowledge::KnowledgeArgs),
    /// Show the labels of miyabi, and bring a repository's up to date
    Labels(commands::labels::LabelsArgs),
    /// Start a run
    Run(commands::run::RunArgs),
    /// Show what runs, what waits and what ended
    Status(commands::status::StatusArgs),
    /// Tell the story of a run in Markdown
    Report(commands::report::ReportArgs),
    /// Measure the main checkout and score it
    Review(commands::review::ReviewArgs),
    /// Say why a run did what it did
    Explain(commands::explain::ExplainArgs),
    /// Show the events of a run
    Log(commands::log::LogArgs),
    /// List and remove worktrees
    Worktree(commands::worktree::WorktreeArgs),
    /// Find work that was kept, and bring it back
    Recover(commands::recover::RecoverArgs),
    /// Remove what nobody needs any more
    Gc(commands::gc::GcArgs),
    /// List, read and merge changes
    Change(commands::change::ChangeArgs),
    /// Show what was spent on agents, and let a run go on
    Budget(commands::budget::BudgetArgs),
    /// List, read and answer questions
    Escalation(commands::escalation::EscalationArgs),
    /// Go on with interrupted and waiting runs
    Resume(commands::resume::ResumeArgs),
    /// End a run
    Cancel(commands::cancel::CancelArgs),
    /// Show the settings
    Config(commands::config::ConfigArgs),
    /// Print completions for a shell
    Completions(commands::pages::CompletionsArgs),
    /// Print the manual, or write its pages into a folder
    Man(commands::pages::ManArgs),
}

/// The help of every command as one page.
pub fn page() -> String {
    use clap::CommandFactory;
    let mut page = String::from(
        "# Commands\n\n<!-- Made from crates/cli/src/args.rs and crates/cli/src/commands. Refresh: MIYABI_UPDATE=1 cargo test -p miyabi --test pages -->\n\n\
         Exit codes: [exit-codes.md](exit-codes.md). Settings: [settings.md](settings.md).\n",
    );
    let mut root = Cli::command().term_width(100);
    root.build();
    add(&root, "miyabi", &mut page);
    page
}

fn add(command: &clap::Command, name: &str, page: &mut String) {
    let mut command_page =
        command.clone().bin_name(name).disable_help_flag(true).disable_help_subcommand(true);
    if name != "miyabi" {
        command_page = command_page.mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    }
    let help = command_page.render_long_help().to_string();
    let help = help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    page.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end()));
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        add(sub, &format!("{name} {}", sub.get_name()), page);
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_anywhere() {
        let before = Cli::try_parse_from(["miyabi", "--json", "--repo", "x", "status"]).unwrap();
        let after = Cli::try_parse_from(["miyabi", "status", "--repo", "x", "--json"]).unwrap();
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
        assert!(before.global.json);
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        for line in [
            &["miyabi"][..],
            &["miyabi", "run"],
            &["miyabi", "run", "issue"],
            &["miyabi", "run", "issue", "abc"],
            &["miyabi", "run", "issue", "0"],
            &["miyabi", "run", "issue", "-1"],
            &["miyabi", "run", "issue", "shop#1"],
            &["miyabi", "run", "issue", "1", "--max-parallel", "0"],
            &["miyabi", "run", "issue", "1", "--file", "a.md"],
            &["miyabi", "run", "issue", "1", "--agent", "copilot"],
            &["miyabi", "flow", "run", "issue", "--payload", "x.json", "--outputs", "o.json"],
            &["miyabi", "flow", "run", "issue", "--dry-run"],
            &["miyabi", "flow", "graph", "issue", "--format", "png"],
            &["miyabi", "escalation", "answer", "1-1"],
            &["miyabi", "issue", "new"],
            &["miyabi", "status", "--color", "sometimes"],
        ] {
            assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }
}
