//! What follows from a decomposition.

use jiff::{SignedDuration, Timestamp};

use super::{answer, answered_by, block};
use crate::analysis::Analysis;
use crate::autonomy;
use crate::decide::ask::{APPROVE, MODIFY, Question, REJECT, ask};
use crate::decide::{gate, grow, tell, write};
use crate::event::{EventBody, Gate, Urgency};
use crate::run::{Phase, Run, StepState};
use crate::task::Decomposition;

/// Decides whether work on a plan begins: at once, after a notice, or when a person says so.
pub(super) fn judge(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let policy = run.policy();
    let Some(tasks) =
        state.output().and_then(|output| serde_json::from_value::<Decomposition>(output.clone()).ok())
    else {
        return block(state, "the decomposition cannot be read", events);
    };
    let complexity = run.analysis().map_or(0.0, |analysis: Analysis| analysis.complexity);
    let numbers = [("complexity", complexity)];
    let noticed = matches!(state.phase, Phase::ProceedAt(_));
    let hotfix = autonomy::is_hotfix(&run.started.issue);
    let rule = match answer(state) {
        Some(MODIFY) => {
            write::of_modified_plan(run, state, &tasks, events);
            answered_by(state)
        }
        Some(APPROVE) => answered_by(state),
        Some(_) => return block(state, answered_by(state), events),
        None if !run.started.suspicions.is_empty() => {
            let question = Question {
                severity: Urgency::High,
                reason: "the issue seems to speak to agents instead of people".to_owned(),
                failing: run.started.suspicions.clone(),
                recommendation: "read the issue, what is hidden in it too, before any agent does".to_owned(),
                actions: of_plan(),
            };
            write::of_plan(run, state, &tasks, events);
            return ask(run, state, question, &numbers, now, events);
        }
        None if complexity > policy.approve_above => {
            let reason = format!("complexity {complexity:.1} is above {:.1}", policy.approve_above);
            let question = about_plan(&tasks, Urgency::Medium, reason);
            write::of_plan(run, state, &tasks, events);
            return ask(run, state, question, &numbers, now, events);
        }
        None if let Some(label) = autonomy::asking_label(policy, &run.started.issue) => {
            let severity = if hotfix { Urgency::High } else { Urgency::Medium };
            let question =
                about_plan(&tasks, severity, format!("issues labelled `{label}` wait for approval"));
            write::of_plan(run, state, &tasks, events);
            return ask(run, state, question, &numbers, now, events);
        }
        None if hotfix => {
            tell::of_hotfix(run, state, events);
            "a hotfix waits for nobody to object: people were told".to_owned()
        }
        None if complexity >= policy.notify_from && !noticed => {
            let delay =
                SignedDuration::from_secs(i64::try_from(policy.notify_delay_secs).unwrap_or(i64::MAX));
            let until = now.saturating_add(delay).unwrap_or(Timestamp::MAX);
            write::of_plan(run, state, &tasks, events);
            let rule = "people are told, and it goes on unless they stop it";
            return gate(events, &state.step.id, Gate::Notify { until }, rule, &numbers);
        }
        None if noticed => "nobody stopped it".to_owned(),
        None => format!("complexity is below {:.1}", policy.notify_from),
    };
    write::of_plan(run, state, &tasks, events);
    write::of_work(run, state, events);
    let extension = grow::tasks(run, state, &tasks.tasks);
    events.push(EventBody::PlanExtended { by: state.step.id.clone(), extension: Box::new(extension) });
    gate(events, &state.step.id, Gate::Proceed, rule, &numbers);
}

/// Whether a plan is good.
fn about_plan(tasks: &Decomposition, severity: Urgency, reason: String) -> Question {
    Question {
        severity,
        reason,
        failing: Vec::new(),
        recommendation: format!("look at the plan of {} tasks before any agent starts", tasks.tasks.len()),
        actions: of_plan(),
    }
}

/// What may be said about a plan.
fn of_plan() -> Vec<(&'static str, String)> {
    vec![
        (APPROVE, "start the work".to_owned()),
        (MODIFY, "start with the tasks that I give".to_owned()),
        (REJECT, "end the run".to_owned()),
    ]
}
