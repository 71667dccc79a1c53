//! A run of a flow on a payload: everything is looked at before anything is written.

use miyabi_core::flow::Flow;
use miyabi_core::session::Adapter;
use miyabi_core::subject::subject_of;
use serde_json::Value;

use crate::context::Context;
use crate::driving;
use crate::error::CliError;
use crate::exit::Exit;
use crate::flow;
use crate::interrupt::Interrupt;
use crate::payload::{issue_of, takes_payloads};
use crate::starting::{Asked, Told, actor, at_head, begin_with, live_run_about, look_for};
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
    takes_payloads(&flow)?;
    let home = Home::open(context, Access::Read, Vec::new())?;
    let subject = subject_of(&payload);
    let issue = issue_of(&home, &flow, &payload, subject.as_ref()).await?;
    if let Some(run) = live_run_about(&home, &flow.name, subject.as_ref()).await? {
        return Err(CliError::input(format!("run {} of the same subject has not ended", run.number))
            .hint(format!("`miyabi resume {0}` goes on with it, `miyabi cancel {0}` ends it", run.number)));
    }
    let trigger = flow.trigger.clone();
    let mut start = look_for(context, &home, agent, || Ok(flow)).await?;
    at_head(&home, &mut start, subject.as_ref()).await?;
    drop(home);
    let home = Home::open(context, Access::Write, Vec::new())?;
    let kind = trigger.as_ref().map_or("manual", |trigger| trigger.kind.as_str());
    let asked = Asked { actor: actor(context, &home.root).await, trigger: kind.to_owned(), cause: None };
    let told = Told {
        payload,
        source: trigger.as_ref().and_then(|trigger| trigger.source.clone()),
        event: trigger.as_ref().and_then(|trigger| trigger.events.first().cloned()),
        subject,
    };
    let interrupt = Interrupt::listen(context.output);
    let (entry, _) = begin_with(&home, &start, issue, &asked, Some(told)).await?;
    driving::drive(context, &home, &[entry], &interrupt).await
}
