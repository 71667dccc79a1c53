//! A run of a flow on a payload: everything is looked at before anything is written.

use miyabi_core::flow::Flow;
use miyabi_core::issue::Issue;
use miyabi_core::plan::Work;
use miyabi_core::ports::Clock;
use miyabi_core::session::Adapter;
use serde_json::Value;

use crate::context::Context;
use crate::driving;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::flow;
use crate::interrupt::Interrupt;
use crate::starting::{Asked, Told, actor, begin_with, live_run, look_for};
use crate::surroundings::SystemClock;
use crate::wiring::{Access, Home};

/// Begins a run of the flow and drives it. Errors: something of the flow is not carried out, or is not there.
pub(super) async fn run(
    context: &Context,
    flow: Flow,
    file: &str,
    payload: Value,
    agent: Option<&Adapter>,
) -> Result<Exit, CliError> {
    let flow = flow::carried_out(flow, file)?;
    let built_in = flow.plan.steps.iter().filter(|step| matches!(step.work, Work::Uses(_)));
    let reasons: Vec<_> = built_in.map(|step| format!("step `{}` is a built-in one", step.id)).collect();
    if !reasons.is_empty() {
        let error = CliError::input("steps with `uses` carry issues to changes, and this is a payload");
        let error = reasons.into_iter().fold(error, |error, why| error.because(why));
        return Err(error.hint("`miyabi run issue N` carries out `.miyabi/flows/issue.yaml`"));
    }
    let home = Home::open(context, Access::Read, Vec::new())?;
    let issue = issue(&home, &flow, &payload).await?;
    if let Some(run) = live_run(&home, issue.number).await? {
        return Err(CliError::input(format!("run {} of the same subject has not ended", run.number))
            .hint(format!("`miyabi resume {0}` goes on with it, `miyabi cancel {0}` ends it", run.number)));
    }
    let trigger = flow.trigger.clone();
    let start = look_for(context, &home, agent, || Ok(flow)).await?;
    drop(home);
    let home = Home::open(context, Access::Write, Vec::new())?;
    let kind = trigger.as_ref().map_or("manual", |trigger| trigger.kind.as_str());
    let asked = Asked { actor: actor(context, &home.root).await, trigger: kind.to_owned() };
    let told = Told {
        payload,
        source: trigger.as_ref().and_then(|trigger| trigger.source.clone()),
        event: trigger.as_ref().and_then(|trigger| trigger.events.first().cloned()),
    };
    let interrupt = Interrupt::listen(context.output);
    let entry = begin_with(&home, &start, issue, &asked, Some(told)).await?;
    let exit = driving::drive(context, &home, &[entry], &interrupt).await?;
    if exit != exit::WAITING {
        // Checkouts that were kept ready for further steps.
        home.worktrees.drain().await?;
    }
    Ok(exit)
}

/// What the run is about: the issue or change that the payload names, or nothing but the flow itself.
async fn issue(home: &Home, flow: &Flow, payload: &Value) -> Result<Issue, CliError> {
    if let Some(number) = payload["issue"]["number"].as_u64() {
        return home.forge.issue(number).await?.ok_or_else(|| {
            CliError::input(format!("there is no issue #{number}, which the payload is about"))
                .hint("`miyabi issue list` shows the issues")
        });
    }
    let change = &payload["pull_request"];
    let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
    let title = match text("title") {
        title if title.is_empty() => flow.name.clone(),
        title => title,
    };
    Ok(Issue {
        number: change["number"].as_u64().unwrap_or(0),
        title,
        body: String::new(),
        labels: Vec::new(),
        author: change["user"]["login"].as_str().unwrap_or_default().to_owned(),
        open: true,
        url: text("html_url"),
        created_at: SystemClock.now(),
    })
}
