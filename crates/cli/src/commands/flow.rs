//! `miyabi flow`: flow files, read, checked, drawn and tried.

mod dry;
mod real;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use miyabi_core::flow::{Flow, FlowProblem};
use miyabi_core::plan::{RunCondition, Step, Work};
use miyabi_core::session::Adapter;
use serde_json::{Value, json};

use crate::context::Context;
use crate::environment;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::flow::{self, Source};
use crate::output::text;
use crate::wiring::find_root;

/// List, read, check, draw and try flows
#[derive(Debug, Args)]
pub struct FlowArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with flows.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List the flows of the repository and the built-in ones
    List,
    /// Show what a flow consists of
    Show {
        /// The name of a flow, or a file
        #[arg(value_name = "FLOW|FILE")]
        flow: String,
        /// Print its file as it is, to copy it
        #[arg(long)]
        source: bool,
    },
    /// Say everything that is wrong with flows, each with its line
    ///
    /// Agents and skills that they name are looked up, too. What is wrong goes to standard output; the exit code is 1
    /// when anything is.
    Check {
        /// Files, or names of flows [default: every flow of the repository]
        #[arg(value_name = "FLOW|FILE")]
        flows: Vec<String>,
    },
    /// Draw which step waits for which
    Graph {
        /// The name of a flow, or a file
        #[arg(value_name = "FLOW|FILE")]
        flow: String,
        /// For what it is drawn
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: Format,
    },
    /// Run a flow on a payload
    ///
    /// With `--dry-run` every prompt and condition is shown as the payload would make it, and nothing is done. The
    /// flow of issues is started by `miyabi run`. A run that was interrupted goes on with `miyabi resume`.
    Run {
        /// The name of a flow, or a file
        #[arg(value_name = "FLOW|FILE")]
        flow: String,
        /// Start nothing
        #[arg(long)]
        dry_run: bool,
        /// A JSON file: what the flow finds under `trigger.payload`
        #[arg(long, value_name = "FILE")]
        payload: PathBuf,
        /// A JSON file with a map from names of steps to their outputs; steps that are not in it have none
        #[arg(long, value_name = "FILE", requires = "dry_run")]
        outputs: Option<PathBuf>,
        /// Who answers where an agent names nobody itself: `claude`, `codex`, `acp:<program>`, `llm:<provider>/<model>`, `command:<program>`, `scripted:<playbook.yaml>` or `facts` (nobody: only what was looked up)
        #[arg(long, value_name = "AGENT", conflicts_with = "dry_run")]
        agent: Option<Adapter>,
    },
}

/// For what a flow is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A flowchart for Markdown.
    #[default]
    Mermaid,
    /// Graphviz.
    Dot,
}

/// Runs the command.
pub async fn flow(args: FlowArgs, context: &Context) -> Result<Exit, CliError> {
    let root = match find_root(context) {
        Ok(root) => Some(root),
        // The built-in flow and files can be read anywhere, unless a repository was named.
        Err(_) if context.global.repo.is_none() => None,
        Err(error) => return Err(error),
    };
    let root = root.as_deref();
    let library = flow::library(root, context);
    let known = flow::known(&library, &context.settings(root, Vec::new())?.flow);
    let find = |typed: &str| flow::typed(root, &context.cwd, typed);
    match args.what {
        What::List => {
            let flows: Vec<_> =
                flow::all(root)?.into_iter().map(|source| (source.parse(&known), source)).collect();
            let value: Vec<_> = flows.iter().map(|(flow, source)| listed(flow, source)).collect();
            context.output.show(&value, || {
                let row = |(flow, source): &(Result<Flow, Vec<FlowProblem>>, Source)| {
                    let (steps, what) = match flow {
                        Ok(flow) => {
                            (flow.plan.steps.len().to_string(), flow.description.clone().unwrap_or_default())
                        }
                        Err(problems) => (String::new(), text::count(problems.len(), "problem")),
                    };
                    [source.name.clone(), source.file.clone(), steps, what]
                };
                text::table(["flow", "file", "steps", "what it is for"], flows.iter().map(row))
            })?;
        }
        What::Show { flow, source: true } => {
            let source = find(&flow)?;
            context
                .output
                .show(&json!({ "file": source.file, "text": source.text }), || source.text.clone())?;
        }
        What::Show { flow, source: false } => {
            let flow = find(&flow)?.usable(&known)?;
            context.output.show(&shown(&flow), || page(&flow))?;
        }
        What::Check { flows } => {
            library.problems.iter().for_each(|problem| context.output.note(&format!("note: {problem}")));
            let sources = match flows.is_empty() {
                true => flow::all(root)?,
                false => flows.iter().map(|flow| find(flow)).collect::<Result<_, _>>()?,
            };
            let checked: Vec<_> = sources.iter().map(|source| (source, source.parse(&known))).collect();
            let value: Vec<_> = checked.iter().map(|(source, flow)| listed(flow, source)).collect();
            let wrong = checked.iter().filter(|(_, flow)| flow.is_err()).count();
            context.output.show(&value, || {
                checked.iter().map(|(source, flow)| verdict(source, flow)).collect::<Vec<_>>().join("\n")
            })?;
            if wrong > 0 {
                let files = text::count(checked.len(), "flow");
                context.output.note(&format!("{wrong} of {files} cannot be used"));
                return Ok(exit::INPUT);
            }
        }
        What::Graph { flow, format } => {
            let flow = find(&flow)?.usable(&known)?;
            let drawn = match format {
                Format::Mermaid => flow.plan.to_mermaid(),
                Format::Dot => flow.plan.to_dot(),
            };
            context.output.show(&json!({ "flow": flow.name, "graph": drawn }), || drawn.clone())?;
        }
        What::Run { flow, payload, outputs: _, dry_run: false, agent } => {
            let source = find(&flow)?;
            let flow = source.usable(&known)?;
            let payload = dry::read(&context.cwd.join(payload))?;
            return real::run(context, flow, &source.file, payload, agent.as_ref()).await;
        }
        What::Run { flow, payload, outputs, dry_run: true, agent: _ } => {
            let flow = find(&flow)?.usable(&known)?;
            let payload = dry::read(&context.cwd.join(payload))?;
            let outputs =
                outputs.map(|path| dry::read_outputs(&context.cwd.join(path), &flow)).transpose()?;
            let environment = environment::read_by(&flow.plan, context)?;
            let tried = dry::run(&flow, &library, payload, &outputs.unwrap_or_default(), environment);
            context.output.show(&tried, || tried.page())?;
        }
    }
    Ok(exit::DONE)
}

fn verdict(source: &Source, flow: &Result<Flow, Vec<FlowProblem>>) -> String {
    match flow {
        Ok(flow) => format!("{}: {}, no problem\n", source.file, text::count(flow.plan.steps.len(), "step")),
        Err(problems) => {
            let shown: Vec<_> = problems.iter().map(|problem| problem.render(&source.text)).collect();
            shown.join("\n")
        }
    }
}

fn listed(flow: &Result<Flow, Vec<FlowProblem>>, source: &Source) -> Value {
    let (flow, problems) = match flow {
        Ok(flow) => (Some(flow), &[][..]),
        Err(problems) => (None, problems.as_slice()),
    };
    let problem = |problem: &FlowProblem| json!({ "line": problem.line, "column": problem.column, "rule": problem.rule, "message": problem.message, "hint": problem.hint });
    json!({
        "flow": source.name, "file": source.file, "ok": flow.is_some(), "name": flow.map(|flow| &flow.name),
        "description": flow.and_then(|flow| flow.description.as_ref()), "steps": flow.map(|flow| flow.plan.steps.len()),
        "problems": problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

/// The whole flow as JSON.
fn shown(flow: &Flow) -> Value {
    let trigger = flow.trigger.as_ref().map(|trigger| {
        json!({ "type": trigger.kind.as_str(), "source": trigger.source, "events": trigger.events, "cron": trigger.cron })
    });
    json!({
        "name": flow.name, "description": flow.description, "version": flow.version, "trigger": trigger,
        "variables": flow.plan.variables, "steps": flow.plan.steps,
        "not_carried_out": flow.plan.lacking().iter().map(|lack| json!({ "step": lack.step, "what": lack.what })).collect::<Vec<_>>(),
    })
}

fn page(flow: &Flow) -> String {
    let mut page = flow.name.clone();
    for (label, text) in [("", &flow.description), ("version ", &flow.version)] {
        text.iter().for_each(|text| page.push_str(&format!("\n{label}{text}")));
    }
    if let Some(trigger) = &flow.trigger {
        let mut on = format!("\nstarted by {}", trigger.kind.as_str());
        let more = trigger.source.iter().chain(&trigger.events).chain(&trigger.cron);
        more.for_each(|word| on.push_str(&format!(" {word}")));
        page.push_str(&on);
    }
    for (name, value) in &flow.plan.variables {
        page.push_str(&format!("\nvariable {name} = {value}"));
    }
    let mut page = crate::output::clean::clean_text(&page);
    page.push_str("\n\n");
    page.push_str(&text::table(["step", "does", "after", "if"], flow.plan.steps.iter().map(row)));
    let lacking = flow.plan.lacking();
    if !lacking.is_empty() {
        page.push_str("\nnot carried out by this version:\n");
        for lack in lacking {
            page.push_str(&format!(
                "  step `{}`: {}\n",
                crate::output::clean::clean_line(lack.step.as_str()),
                lack.what
            ));
        }
    }
    page
}

fn row(step: &Step) -> [String; 4] {
    let does = match &step.work {
        Work::Uses(uses) => uses.as_str().to_owned(),
        Work::Agent(work) => format!("agent {}", work.agent),
        Work::Task(_) | Work::Integrate(_) | Work::Story(_) => String::new(),
    };
    let actions = step.actions.iter().map(|call| call.action.as_str());
    let does = std::iter::once(does.as_str()).chain(actions).collect::<Vec<_>>().join(", then ");
    let after: Vec<_> = step.needs.iter().map(|need| need.as_str()).collect();
    let when = match step.run_condition {
        RunCondition::OnSuccess => None,
        RunCondition::OnFailure => Some("one of them failed"),
        RunCondition::Always => Some("whatever they came to"),
        RunCondition::Manual => Some("a person says so"),
    };
    let condition = step.condition.as_deref();
    let when = when.into_iter().chain(condition).collect::<Vec<_>>().join(" and ");
    [step.id.to_string(), does, after.join(", "), when]
}
