//! The gate: what follows from an attempt that ended.

use jiff::{SignedDuration, Timestamp};

use super::ask::{APPROVE, FIX, MODIFY, Question, REJECT, REWORK, ask};
use super::{backoff, budget, elsewhere, gate, grow, tell, write};
use crate::analysis::Analysis;
use crate::autonomy;
use crate::event::{EventBody, Gate, Urgency};
use crate::failure::{Failure, FailureClass};
use crate::plan::{OnFailure, Uses, Work};
use crate::report::{Recommendation, Remark, Report};
use crate::run::{Phase, Run, StepState};
use crate::task::Decomposition;

/// Decides what follows from the ended attempt of a step.
pub(super) fn judge(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    tell::of_answer(run, state, events);
    match (&state.result, &state.step.work) {
        (Some(Err(failure)), _) => judge_failure(run, state, failure, now, events),
        (Some(Ok(_)), Work::Uses(Uses::Analyse)) => {
            write::of_analysis(run, state, events);
            gate(events, &state.step.id, Gate::Proceed, "the analysis is there", &[]);
        }
        (Some(Ok(_)), Work::Uses(Uses::Decompose)) => judge_tasks(run, state, now, events),
        (Some(Ok(_)), Work::Uses(Uses::Review)) => judge_report(run, state, now, events),
        (Some(Ok(_)), Work::Uses(Uses::Change)) => judge_change(run, state, now, events),
        _ => gate(events, &state.step.id, Gate::Proceed, "done", &[]),
    }
}

pub(super) fn answer(state: &StepState) -> Option<&str> {
    state.answer.as_ref().map(|answer| answer.action.as_str())
}

pub(super) fn answered_by(state: &StepState) -> String {
    state.answer.as_ref().map_or_else(String::new, |answer| format!("{} by {}", answer.action, answer.by))
}

pub(super) fn block(state: &StepState, rule: impl Into<String>, events: &mut Vec<EventBody>) {
    gate(events, &state.step.id, Gate::Block, rule, &[]);
}

// --- failures -------------------------------------------------------------------------------------------------

fn judge_failure(
    run: &Run,
    state: &StepState,
    failure: &Failure,
    now: Timestamp,
    events: &mut Vec<EventBody>,
) {
    let policy = run.policy();
    let step = &state.step;
    let times = state.failures.len() as u32;
    let of_class = state.failures.iter().filter(|class| **class == failure.class).count() as u32;
    if failure.class == FailureClass::Budget {
        return budget::judge(run, state, failure, now, events);
    }
    // Trying it once more would cost the same and end the same.
    let stuck = policy.same_failures > 0 && state.same_failures >= policy.same_failures;
    match answer(state) {
        Some(APPROVE) if matches!(step.work, Work::Integrate(_) | Work::Task(_) | Work::Uses(Uses::Ci)) => {
            return gate(events, &step.id, Gate::Proceed, answered_by(state), &[]);
        }
        Some(FIX | APPROVE) => {
            return gate(events, &step.id, Gate::Retry { at: now }, answered_by(state), &[]);
        }
        Some(_) => return block(state, answered_by(state), events),
        None => {}
    }
    match failure.class {
        FailureClass::Transient if let Some(at) = failure.retry_at() => {
            // It counts against nothing: the other side said when it will answer.
            let rule = "it counts against nothing: what is missing comes back by itself";
            gate(events, &state.step.id, Gate::Retry { at: at.max(now) }, rule, &[]);
        }
        FailureClass::Transient if of_class <= policy.transient_retries => {
            let at = backoff(&run.id, &step.id, of_class, now);
            let numbers =
                [("failures", f64::from(of_class)), ("retries", f64::from(policy.transient_retries))];
            gate(events, &step.id, Gate::Retry { at }, "transient failures are tried again", &numbers);
        }
        FailureClass::Pending => elsewhere::judge_pending(run, state, failure, now, events),
        FailureClass::CiFailed | FailureClass::ChangesRequested => {
            elsewhere::judge_objection(run, state, failure, now, events);
        }
        FailureClass::Cancelled => block(state, "it was cancelled", events),
        FailureClass::Conflict => judge_conflict(run, state, failure, now, events),
        FailureClass::BaseMoved => judge_base_moved(run, state, now, events),
        FailureClass::DirtyCheckout => ask(run, state, dirty_checkout(failure), &[], now, events),
        FailureClass::ChecksFailed if stuck => {
            ask(run, state, checks_failed(state, failure), &[], now, events);
        }
        FailureClass::BadAnswer if stuck => block(state, "it answered in the same way again", events),
        FailureClass::ChecksFailed | FailureClass::BadAnswer if times < policy.task_attempts => {
            let numbers = [("attempts", f64::from(times)), ("allowed", f64::from(policy.task_attempts))];
            gate(
                events,
                &step.id,
                Gate::Retry { at: now },
                "the agent mends what its checks found",
                &numbers,
            );
        }
        FailureClass::ChecksFailed => ask(run, state, checks_failed(state, failure), &[], now, events),
        _ if step.on_failure == OnFailure::Retry && !stuck && times <= step.max_retries => {
            let numbers = [("failures", f64::from(times)), ("retries", f64::from(step.max_retries))];
            gate(events, &step.id, Gate::Retry { at: now }, "the flow asks for another attempt", &numbers);
        }
        _ => block(state, "this kind of failure is not tried again", events),
    }
}

fn judge_conflict(
    run: &Run,
    state: &StepState,
    failure: &Failure,
    now: Timestamp,
    events: &mut Vec<EventBody>,
) {
    let allowed = run.policy().conflict_attempts;
    let (resolutions, extension) = match &state.step.work {
        Work::Integrate(work) => (work.resolutions, grow::resolution(run, state, work, failure)),
        Work::Uses(Uses::Update) => (0, grow::base_resolution(run, state, failure)),
        _ => return block(state, "a conflict where nothing is merged", events),
    };
    let numbers = [("resolutions", f64::from(resolutions)), ("allowed", f64::from(allowed))];
    if let Some(extension) = extension.filter(|_| resolutions < allowed) {
        events.push(EventBody::PlanExtended { by: state.step.id.clone(), extension: Box::new(extension) });
        return gate(events, &state.step.id, Gate::Rework, "an agent brings both sides together", &numbers);
    }
    let mut actions = vec![(FIX, "I have committed a version that fits; merge again".to_owned())];
    if matches!(state.step.work, Work::Integrate(_)) {
        actions.push((APPROVE, "go on without this task's changes".to_owned()));
    }
    actions.push((REJECT, "end the run".to_owned()));
    let question = Question {
        severity: Urgency::High,
        reason: "conflict unresolved".to_owned(),
        failing: grow::conflict_files(failure)
            .iter()
            .map(|file| format!("{}: {}", file.kind, file.path))
            .collect(),
        recommendation: "bring both sides together in the task's worktree and commit there".to_owned(),
        actions,
    };
    ask(run, state, question, &numbers, now, events);
}

fn judge_base_moved(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let moves = grow::count_uses(run, Uses::Update);
    let allowed = run.policy().base_moves;
    let numbers = [("moves", f64::from(moves)), ("allowed", f64::from(allowed))];
    if moves < allowed {
        let extension = grow::update(run, state, moves + 1);
        events.push(EventBody::PlanExtended { by: state.step.id.clone(), extension: Box::new(extension) });
        let rule = "the base branch moved: its report does not speak of the result";
        return gate(events, &state.step.id, Gate::Rework, rule, &numbers);
    }
    let question = Question {
        severity: Urgency::Medium,
        reason: "the base branch keeps moving".to_owned(),
        failing: Vec::new(),
        recommendation: "merge at a quieter time".to_owned(),
        actions: vec![(FIX, "try again now".to_owned()), (REJECT, "leave the change open".to_owned())],
    };
    ask(run, state, question, &numbers, now, events);
}

fn dirty_checkout(failure: &Failure) -> Question {
    Question {
        severity: Urgency::Low,
        reason: "the main checkout has uncommitted changes".to_owned(),
        failing: vec![failure.message.clone()],
        recommendation: "commit or stash them, then go on".to_owned(),
        actions: vec![
            (FIX, "it is clean now; merge".to_owned()),
            (REJECT, "leave the change open".to_owned()),
        ],
    }
}

fn checks_failed(state: &StepState, failure: &Failure) -> Question {
    Question {
        severity: Urgency::Medium,
        reason: format!("the checks of `{}` failed after {} attempts", state.step.id, state.failures.len()),
        failing: grow::evidence_lines(failure),
        recommendation: "mend it in the task's worktree".to_owned(),
        actions: vec![
            (FIX, "I have mended it in the worktree; check again without the agent".to_owned()),
            (REJECT, "give the task up".to_owned()),
        ],
    }
}

// --- successes that are judged --------------------------------------------------------------------------------

fn judge_tasks(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
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

fn judge_report(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let policy = run.policy();
    let Some(report) =
        state.output().and_then(|output| serde_json::from_value::<Report>(output.clone()).ok())
    else {
        return block(state, "the quality report cannot be read", events);
    };
    let reworks = grow::count_reworks(run);
    let numbers = [
        ("score", f64::from(report.score)),
        ("open_from", f64::from(policy.open_from)),
        ("review_from", f64::from(policy.review_from)),
        ("reworks", f64::from(reworks)),
    ];
    write::of_report(run, state, &report, events);
    let step = &state.step.id;
    match answer(state) {
        Some(APPROVE) => return gate(events, step, Gate::Proceed, answered_by(state), &numbers),
        Some(FIX) => {
            let extension = Box::new(grow::another_review(run, state));
            events.push(EventBody::PlanExtended { by: step.clone(), extension });
            return gate(events, step, Gate::Rework, answered_by(state), &numbers);
        }
        Some(_) => return block(state, answered_by(state), events),
        None => {}
    }
    let (severity, reason) = match report.recommendation {
        Recommendation::Approve => {
            return gate(
                events,
                step,
                Gate::Proceed,
                "the score is high enough and no gate closed",
                &numbers,
            );
        }
        Recommendation::Rework
            if reworks < policy.rework_attempts
                && !grow::findings(&report).is_empty()
                && !grow::is_stuck(run, state, &report) =>
        {
            let extension = grow::rework(run, state, &report, reworks + 1);
            events.push(EventBody::PlanExtended { by: step.clone(), extension: Box::new(extension) });
            return gate(events, step, Gate::Rework, "an agent mends what the checks found", &numbers);
        }
        Recommendation::Rework => {
            let why = match grow::findings(&report).is_empty() {
                true => {
                    let nothing = "nothing that an agent could mend".to_owned();
                    std::iter::once(nothing)
                        .chain(report.not_measured.iter().cloned())
                        .collect::<Vec<_>>()
                        .join("; ")
                }
                false if grow::is_stuck(run, state, &report) => "it finds the same again".to_owned(),
                false => closed(&report),
            };
            (Urgency::High, format!("score {} after {}: {why}", report.score, grow::times(reworks)))
        }
        Recommendation::Review => {
            (Urgency::Medium, format!("score {} is below {}", report.score, policy.open_from))
        }
        Recommendation::Block => (Urgency::High, format!("a hard gate closed: {}", closed(&report))),
    };
    let question = Question {
        severity,
        reason,
        failing: grow::findings(&report),
        recommendation: "mend it on the integration branch".to_owned(),
        actions: vec![
            (APPROVE, "open the change as it is".to_owned()),
            (FIX, "I have committed a mended version to the integration branch; check again".to_owned()),
            (REJECT, "end the run".to_owned()),
        ],
    };
    ask(run, state, question, &numbers, now, events);
}

fn closed(report: &Report) -> String {
    if report.gates.is_empty() { "no hard gate closed".to_owned() } else { report.gates.join(", ") }
}

fn judge_change(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let policy = run.policy();
    let Some(report) = run.report() else { return block(state, "there is no quality report", events) };
    let numbers = [("score", f64::from(report.score)), ("merge_from", f64::from(policy.merge_from))];
    let step = &state.step.id;
    match answer(state) {
        Some(APPROVE) => return gate(events, step, Gate::Proceed, answered_by(state), &numbers),
        Some(REWORK) => return rework_change(run, state, now, events),
        Some(FIX) => {
            let extension = Box::new(grow::another_change(run, state));
            events.push(EventBody::PlanExtended { by: step.clone(), extension });
            return gate(events, step, Gate::Rework, answered_by(state), &numbers);
        }
        Some(_) => return block(state, answered_by(state), events),
        None => write::of_change(run, state, &report, events),
    }
    let held = held(&report, run);
    if held.is_empty()
        && report.recommendation == Recommendation::Approve
        && report.score >= policy.merge_from
    {
        let rule = format!("the score is at least {}: merged without a person", policy.merge_from);
        return gate(events, step, Gate::Proceed, rule, &numbers);
    }
    if let Some((by, before)) = grow::earlier_approval(run, state)
        && before.score <= report.score
        && before.serious_remarks(policy).len() >= report.serious_remarks(policy).len()
    {
        let rule = format!("{by} approved it at score {}, and the score did not fall", before.score);
        return gate(events, step, Gate::Proceed, rule, &numbers);
    }
    let question = Question {
        severity: if held.is_empty() { Urgency::Low } else { Urgency::Medium },
        reason: if held.is_empty() {
            format!("score {} is below {}: a person merges", report.score, policy.merge_from)
        } else {
            held.join(", and ")
        },
        failing: looked_at(&report, run),
        recommendation: "look at the change, then merge it".to_owned(),
        actions: vec![
            (APPROVE, "merge the change".to_owned()),
            (REWORK, "an agent does what your note asks for".to_owned()),
            (REJECT, "leave the change open and end the run".to_owned()),
        ],
    };
    ask(run, state, question, &numbers, now, events);
}

/// Why a person merges it whatever its score.
fn held(report: &Report, run: &Run) -> Vec<String> {
    let serious = report.serious_remarks(run.policy()).len();
    let by = report.reading.as_ref().map_or("", |reading| reading.by.as_str());
    let guarded = (!report.guarded.is_empty()).then(|| "it touches what only a person lets in".to_owned());
    let remarks = match serious {
        0 => None,
        1 => Some(format!("{by} made a serious remark")),
        many => Some(format!("{by} made {many} serious remarks")),
    };
    let unread = report.reading_failed().map(|_| format!("{by} could not read it"));
    guarded.into_iter().chain(remarks).chain(unread).collect()
}

/// What a person who merges should look at.
fn looked_at(report: &Report, run: &Run) -> Vec<String> {
    let remarks = report.serious_remarks(run.policy()).into_iter().map(Remark::line_of);
    let unread = report.reading_failed().map(str::to_owned);
    report.guarded.iter().cloned().chain(remarks).chain(unread).chain(report.not_measured.clone()).collect()
}

/// What a reviewer wrote goes to an agent like what CI finds.
fn rework_change(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let note = state.answer.as_ref().map_or("", |answer| answer.note.as_str());
    let lines: Vec<_> = note.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let asked =
        Failure::new(FailureClass::ChangesRequested, format!("changes requested: {}", answered_by(state)))
            .evidence(serde_json::json!(lines));
    elsewhere::judge_objection(run, state, &asked, now, events);
}
