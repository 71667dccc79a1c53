//! Beginning runs of flows on payloads, whoever asks: a command, a delivery, a time.

use std::collections::BTreeSet;

use miyabi_core::flow::Flow;
use miyabi_core::ids::{CommitId, StepId};
use miyabi_core::issue::Issue;
use miyabi_core::plan::Work;
use miyabi_core::ports::{Created, RunRow};
use miyabi_core::session::Adapter;
use miyabi_core::subject::{About, RunSubject, short};
use miyabi_core::trigger::Rule;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::driving::Entry;
use crate::error::CliError;
use crate::flow;
use crate::starting::{Asked, Told, at, at_head, begin_with, live_run_in, look_for};
use crate::wiring::Home;

/// What became of a wish for a run.
pub enum Begun {
    /// There is a run; what [`Created`] says of it.
    Run(Entry, Created),
    /// What it is about has moved on, and the run of that is there: in words.
    Late(String),
}

/// Begins a run of the rule's flow, as the repository has it now. Errors: the flow cannot be used or carried out, or the
/// commit cannot be had.
pub async fn begin(
    context: &Context,
    home: &Home,
    rule: &Rule,
    asked: &Asked,
    told: Told,
) -> Result<Begun, CliError> {
    let source = flow::typed(Some(&home.root), &home.root.join(".miyabi"), &rule.flow)?;
    let library = flow::library(Some(&home.root), context);
    let flow = source.usable(&flow::known(&library, &home.settings.flow))?;
    let flow = flow::carried_out(flow, &source.file)?;
    takes_payloads(&flow)?;
    let flow = with_rule(flow, rule);
    let subject = told.subject.clone();
    if let Some(subject) = &subject
        && let Some(row) = live_run_in(home, &flow.name, Some(subject)).await?
        && let Some(why) = late(home, subject, &row).await?
    {
        return Ok(Begun::Late(why));
    }
    let agent = rule.agent.as_deref().map(str::parse::<Adapter>).transpose().map_err(CliError::input)?;
    let agent = agent.map(|agent| at(agent, &home.root));
    let issue = issue_of(home, &flow, &told.payload, subject.as_ref()).await?;
    let mut start = look_for(context, home, agent.as_ref(), || Ok(flow)).await?;
    at_head(home, &mut start, subject.as_ref()).await?;
    let (entry, created) = begin_with(home, &start, issue, asked, Some(told)).await?;
    Ok(Begun::Run(entry, created))
}

/// Errors: the flow has built-in steps that need an issue.
pub fn takes_payloads(flow: &Flow) -> Result<(), CliError> {
    let built_in =
        flow.plan.steps.iter().filter(|step| matches!(step.work, Work::Uses(uses) if uses.is_of_issues()));
    let reasons: Vec<_> = built_in.map(|step| format!("step `{}` is a built-in one", step.id)).collect();
    if reasons.is_empty() {
        return Ok(());
    }
    let error = CliError::input("steps with `uses` carry issues to changes, and this is a payload");
    let error = reasons.into_iter().fold(error, |error, why| error.because(why));
    Err(error.hint("`miyabi run issue N` carries out `.miyabi/flows/issue.yaml`"))
}

/// The flow with what a rule adds: skills for every agent, and its prompt beside the input of the agents that no other
/// agent comes before. The prompt is filled in when the step begins, in the same pass as the input.
fn with_rule(mut flow: Flow, rule: &Rule) -> Flow {
    let mut behind: BTreeSet<StepId> = BTreeSet::new();
    for step in &mut flow.plan.steps {
        let is_behind = step.needs.iter().any(|need| behind.contains(need));
        let Work::Agent(work) = &mut step.work else {
            if is_behind {
                behind.insert(step.id.clone());
            }
            continue;
        };
        behind.insert(step.id.clone());
        for skill in &rule.skills {
            if !work.skills.contains(skill) {
                work.skills.push(skill.clone());
            }
        }
        if let Some(prompt) = rule.prompt.as_ref().filter(|_| !is_behind) {
            step.input = Some(beside(step.input.take(), prompt));
        }
    }
    flow
}

/// An input and a prompt, each under a heading of its own.
fn beside(input: Option<Value>, prompt: &str) -> Value {
    match input {
        None => json!(prompt),
        Some(Value::Object(mut fields)) => {
            let name = if fields.contains_key("prompt") { "prompt of the rule" } else { "prompt" };
            fields.insert(name.to_owned(), json!(prompt));
            Value::Object(fields)
        }
        Some(other) => {
            let fields = [("input".to_owned(), other), ("prompt".to_owned(), json!(prompt))];
            Value::Object(fields.into_iter().collect::<Map<_, _>>())
        }
    }
}

/// Why a run about this comes too late: the live run is about what the forge has there now, and this is not.
async fn late(home: &Home, subject: &RunSubject, live: &RunRow) -> Result<Option<String>, CliError> {
    let (Some(head), Some(of_live)) = (&subject.head, &live.head) else { return Ok(None) };
    if head == of_live {
        return Ok(None);
    }
    let now: Option<CommitId> = match &subject.about {
        About::Change { number } => home.forge.change(*number).await?.map(|change| change.head_commit),
        About::Branch { name } => home.worktrees.base(name).await?,
        About::Issue { .. } | About::Commit { .. } => None,
    };
    Ok((now.as_ref() == Some(of_live)).then(|| {
        let (old, number, new) = (short(head), live.number, short(of_live));
        format!("{} has left {old}: run {number} is about {new}, where it is now", subject.about.shown())
    }))
}

/// What the run is about, as an issue: the issue, the change by its payload, or nothing but the flow itself.
pub async fn issue_of(
    home: &Home,
    flow: &Flow,
    payload: &Value,
    subject: Option<&RunSubject>,
) -> Result<Issue, CliError> {
    let number = match subject.map(|subject| &subject.about) {
        Some(About::Issue { number }) => {
            return home.forge.issue(*number).await?.ok_or_else(|| {
                CliError::input(format!("there is no issue #{number}, which the payload is about"))
                    .hint("`miyabi issue list` shows the issues")
            });
        }
        Some(About::Change { number }) => *number,
        Some(About::Branch { .. } | About::Commit { .. }) | None => 0,
    };
    let parts = ["pull_request", "issue", "object_attributes"].map(|name| &payload[name]);
    let text = |names: [&str; 2]| {
        let found = parts.iter().find_map(|part| names.iter().find_map(|name| part[name].as_str()));
        found.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let author = parts.iter().find_map(|part| part["user"]["login"].as_str());
    Ok(Issue {
        number,
        title: text(["title", "title"]).filter(|_| number > 0).unwrap_or_else(|| flow.name.clone()),
        body: String::new(),
        labels: Vec::new(),
        author: author.unwrap_or_default().to_owned(),
        open: true,
        url: text(["html_url", "url"]).unwrap_or_default(),
        created_at: home.clock.now(),
    })
}

/// The flow of that name with no agents looked up: to see what is wrong with it.
pub fn check(home: &Home, name: &str) -> Result<(), CliError> {
    let source = flow::typed(Some(&home.root), &home.root.join(".miyabi"), name)?;
    takes_payloads(&source.usable(&flow::allowed(&home.settings.flow))?)
}

#[cfg(test)]
mod tests {
    use miyabi_core::trigger::On;

    use super::*;

    #[test]
    fn a_rules_prompt_goes_to_the_first_agents_and_its_skills_to_all() {
        let text = "name: x\nsteps:\n  - {name: a, agent: r, input: 'read ${trigger.event}'}\n  - {name: b, agent: r, depends_on: [], input: {prompt: p}}\n  - {name: c, agent: r, depends_on: [], skills: [s]}\n  - {name: d, agent: r, depends_on: [a], input: last}\n";
        let flow = miyabi_core::flow::parse(text, "x").unwrap();
        let rule = Rule::new("r", "x", On::Comment);
        let rule =
            Rule { prompt: Some("mind ${trigger.actor}".to_owned()), skills: vec!["s".to_owned()], ..rule };
        let flow = with_rule(flow, &rule);
        let inputs: Vec<_> = flow.plan.steps.iter().map(|step| step.input.clone().unwrap()).collect();
        let prompt = "mind ${trigger.actor}";
        assert_eq!(inputs[0], json!({ "input": "read ${trigger.event}", "prompt": prompt }));
        assert_eq!(inputs[1], json!({ "prompt": "p", "prompt of the rule": prompt }));
        assert_eq!((&inputs[2], &inputs[3]), (&json!(prompt), &json!("last")));
        for step in &flow.plan.steps {
            let Work::Agent(work) = &step.work else { panic!("{step:?}") };
            assert_eq!(work.skills, ["s"], "once");
        }
    }
}
