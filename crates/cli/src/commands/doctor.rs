//! `miyabi doctor`: what is here, what is missing, and what that means.

mod knowledge;

use std::path::Path;

use clap::Args;
use miyabi_agent::{KeyCustody, key_custody};
use miyabi_contain::{BoxOptions, MachineBoxes};
use miyabi_core::containment::Containment;
use miyabi_core::session::Adapter;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::hosting::own_program;
use crate::output::clean::short;
use crate::programs::ask;
use crate::wiring::{Access, Home};

/// Say what is here, what is missing, and what that means
///
/// Ends with an error only when something is missing that nothing works without.
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Finding {
    what: String,
    found: bool,
    required: bool,
    /// Its version, or why it cannot be used.
    detail: String,
    /// What it is for, or what is lost without it.
    means: String,
    /// How to get it, where it is missing.
    get: Option<String>,
}

/// A program, and what it is for.
struct Tool {
    what: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    required: bool,
    with: &'static str,
    without: &'static str,
    get: &'static str,
}

const TOOLS: [Tool; 8] = [
    Tool {
        what: "git",
        program: "git",
        args: &["--version"],
        required: true,
        with: "worktrees, commits and merges",
        without: "nothing works",
        get: "install git 2.38 or newer",
    },
    Tool {
        what: "cargo",
        program: "cargo",
        args: &["--version"],
        required: false,
        with: "build and tests of Rust projects",
        without: "Rust projects cannot be checked, and the demo cannot run",
        get: "install Rust with rustup",
    },
    Tool {
        what: "clippy",
        program: "cargo",
        args: &["clippy", "--version"],
        required: false,
        with: "25 points for lint",
        without: "lint is not measured: 25 points are lost",
        get: "rustup component add clippy",
    },
    Tool {
        what: "rustfmt",
        program: "cargo",
        args: &["fmt", "--version"],
        required: false,
        with: "formatting of what tasks add",
        without: "formatting is not checked",
        get: "rustup component add rustfmt",
    },
    Tool {
        what: "cargo-nextest",
        program: "cargo",
        args: &["nextest", "--version"],
        required: false,
        with: "test results in a format made for programs",
        without: "tests are run by `cargo test`",
        get: "cargo install cargo-nextest --locked",
    },
    Tool {
        what: "cargo-llvm-cov",
        program: "cargo",
        args: &["llvm-cov", "--version"],
        required: false,
        with: "up to 15 points for line coverage",
        without: "coverage is not measured: at most 85 of 100 points, and a person merges unless `policy.merge_from` is lower",
        get: "cargo install cargo-llvm-cov --locked, and rustup component add llvm-tools",
    },
    Tool {
        what: "cargo-audit",
        program: "cargo",
        args: &["audit", "--version"],
        required: false,
        with: "20 points for known vulnerabilities",
        without: "vulnerabilities are not measured where there are dependencies: 20 points are lost",
        get: "cargo install cargo-audit --locked",
    },
    Tool {
        what: "node",
        program: "node",
        args: &["--version"],
        required: false,
        with: "Claude Code runs on it",
        without: "Claude Code from npm cannot run",
        get: "install Node.js 20 or newer",
    },
];

/// Runs the command.
pub async fn doctor(_args: DoctorArgs, context: &Context) -> Result<Exit, CliError> {
    let mut findings = Vec::new();
    for tool in &TOOLS {
        let found = ask(tool.program, tool.args, &context.cwd).await;
        findings.push(Finding {
            what: tool.what.to_owned(),
            found: found.is_some(),
            required: tool.required,
            means: if found.is_some() { tool.with } else { tool.without }.to_owned(),
            get: found.is_none().then(|| tool.get.to_owned()),
            detail: found.unwrap_or_default(),
        });
    }
    match Home::open(context, Access::Read, Vec::new()) {
        Ok(home) => {
            repository(&home, &mut findings).await;
            findings.extend(keys(&home));
            findings.push(knowledge::knowledge(context, &home).await);
        }
        Err(error) => findings.push(Finding {
            what: "repository".to_owned(),
            found: false,
            required: false,
            detail: short(
                error.render().lines().next().unwrap_or_default().trim_start_matches("error: "),
                200,
            ),
            means: "commands that work on a repository cannot be used here".to_owned(),
            get: Some("change into a git repository, or give `--repo PATH`".to_owned()),
        }),
    }
    findings.push(containment().await);
    context.output.show(&findings, || render(&findings))?;
    let broken = findings.iter().any(|finding| finding.required && !finding.found);
    Ok(if broken { exit::UNAVAILABLE } else { exit::DONE })
}

/// What keeps agents in, found out by making a box.
async fn containment() -> Finding {
    let options = BoxOptions {
        environment: std::env::vars_os().collect(),
        entry: own_program().ok(),
        ..BoxOptions::default()
    };
    let boxes = MachineBoxes::new(options);
    let probe = boxes.probe().await;
    let (detail, means) = match probe.best() {
        Containment::Bubblewrap => {
            ("bubblewrap", "each agent has files and processes of its own; whatever it starts ends with it")
        }
        Containment::Landlock => (
            "Landlock, not bubblewrap",
            "agents can neither read nor write files out of bounds, but they see which processes run, and what hides \
             from its session is found by process group, marks and pipes only",
        ),
        Containment::Plain => ("none", "agents run as you: they can read and change whatever you can"),
    };
    let lacks: Vec<_> = probe.lacks().iter().map(ToString::to_string).collect();
    Finding {
        what: "containment".to_owned(),
        found: probe.best() > Containment::Plain,
        required: false,
        detail: short(&std::iter::once(detail.to_owned()).chain(lacks).collect::<Vec<_>>().join("; "), 300),
        means: means.to_owned(),
        get: (probe.best() < Containment::Bubblewrap)
            .then(|| "install bubblewrap; in a container allow user namespaces".to_owned()),
    }
}

/// Who has the keys of the models of the default agent.
fn keys(home: &Home) -> Option<Finding> {
    let settings = &home.settings.agent;
    let adapter: Adapter = settings.default.parse().ok()?;
    let ours: Vec<_> = std::env::vars_os().collect();
    let (detail, means) = match key_custody(&adapter, &ours) {
        KeyCustody::NoKey => return None,
        KeyCustody::Lent if settings.lend_keys => {
            ("lent".to_owned(), "the agent gets a token that ends with its session")
        }
        KeyCustody::Lent => ("given, because `agent.lend_keys` is false".to_owned(), GIVEN),
        KeyCustody::Given(why) => (format!("given to {}: {why}", short(&settings.default, 60)), GIVEN),
    };
    Some(Finding {
        what: "model keys".to_owned(),
        found: means != GIVEN,
        required: false,
        detail,
        means: means.to_owned(),
        get: (means == GIVEN).then(|| "limit what the key may do and spend, at its provider".to_owned()),
    })
}

const GIVEN: &str = "the agent, and all that it starts, can read the key";

async fn repository(home: &Home, findings: &mut Vec<Finding>) {
    let state = home.worktrees.inspect().await;
    let (found, detail) = match &state {
        Ok(state) if state.dirty.is_empty() => (true, format!("{} on {}", folder(&home.root), state.branch)),
        Ok(state) => (
            true,
            format!(
                "{} on {}, uncommitted changes in {}",
                folder(&home.root),
                state.branch,
                state.dirty.join(", ")
            ),
        ),
        Err(failure) => (false, failure.message.clone()),
    };
    let clean = matches!(&state, Ok(state) if state.dirty.is_empty());
    findings.push(Finding {
        what: "repository".to_owned(),
        found,
        required: false,
        detail: short(&detail, 200),
        means: if clean { "runs can start" } else { "runs cannot start" }.to_owned(),
        get: (!clean)
            .then(|| "commit or stash what is changed; a repository needs at least one commit".to_owned()),
    });
    findings.extend(forge(home).await);
    findings.push(channels(home));
    let agent = &home.settings.agent.default;
    let adapter = agent.parse::<Adapter>().map(|adapter| crate::starting::at(adapter, &home.root));
    let missing = match &adapter {
        Ok(adapter) => home.agents.missing(adapter).await,
        Err(_) => None,
    };
    findings.push(Finding {
        what: format!("agent {}", short(agent, 60)),
        found: missing.is_none(),
        required: false,
        detail: missing.as_ref().map_or_else(String::new, |failure| short(&failure.message, 200)),
        means: if missing.is_none() {
            "does the tasks"
        } else {
            "tasks need another agent: `--agent command:…` or `--agent scripted:…`"
        }
        .to_owned(),
        get: missing.map(|failure| failure.hint.unwrap_or_else(|| "set `agent.default`".to_owned())),
    });
}

/// Whether GitHub lets us in, where issues and changes live there.
async fn forge(home: &Home) -> Option<Finding> {
    let github = home.github.as_ref()?;
    let login = github.login().await;
    let (found, detail, get) = match login {
        Ok(login) => (true, format!("{} as {login}", github.repo()), None),
        Err(failure) => (false, format!("{}: {}", github.repo(), failure.message), failure.hint),
    };
    Some(Finding {
        what: "GitHub".to_owned(),
        found,
        required: false,
        detail: short(&detail, 200),
        means: if found { "issues and changes live there" } else { "nothing can be read or written there" }
            .to_owned(),
        get,
    })
}

fn channels(home: &Home) -> Finding {
    let names: Vec<_> = home.channels.iter().map(|channel| channel.as_str()).collect();
    let found = !names.is_empty();
    Finding {
        what: "messages".to_owned(),
        found,
        required: false,
        detail: names.join(", "),
        means: if found {
            "people are told when they are asked and when a run ends"
        } else {
            "nobody is told by mail or Slack"
        }
        .to_owned(),
        get: (!found).then(|| "set MIYABI_SMTP_URL and `notify.to`, or MIYABI_SLACK_WEBHOOK_URL".to_owned()),
    }
}

fn folder(path: &Path) -> String {
    path.display().to_string()
}

fn render(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let sign = if finding.found {
            "✓"
        } else if finding.required {
            "✗"
        } else {
            "–"
        };
        let detail = if finding.detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", short(&finding.detail, 120))
        };
        out.push_str(&format!("{sign} {}{detail}: {}\n", finding.what, finding.means));
        if let Some(get) = &finding.get {
            out.push_str(&format!("    {}\n", short(get, 200)));
        }
    }
    out
}
