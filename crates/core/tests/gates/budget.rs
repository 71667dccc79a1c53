//! What a run may spend on agents, and what follows when that is used up or buys nothing.

use miyabi_core::budget::{self, Amounts};
use miyabi_core::decide::decide;
use miyabi_core::event::EventBody;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::intent::Write;
use miyabi_core::policy::Policy;
use miyabi_core::session::Usage;
use miyabi_core::status::Status;
use serde_json::{Value, json};

use crate::play::*;

type Outcomes<'a> = &'a [(&'a str, Vec<Result<Value, Failure>>)];

/// A run whose sessions use what is stated.
fn play(policy: Policy, usage: Usage, outcomes: Outcomes<'_>) -> Play {
    let mut play = Play::under(policy, outcomes);
    play.sessions = Some(usage);
    play.go()
}

fn sessions(limit: u32) -> Policy {
    Policy { budget_run_sessions: limit, ..Policy::default() }
}

fn started(play: &Play) -> usize {
    play.run.sessions.len()
}

fn comments_saying<'a>(play: &'a Play, words: &'a str) -> usize {
    let says = |write: &&Write| matches!(write, Write::Comment { body, .. } if body.contains(words));
    play.writes.iter().filter(says).count()
}

#[test]
fn a_run_without_budget_waits_for_a_person_and_starts_nothing() {
    let play = play(sessions(1), Usage::default(), &[]);
    assert_eq!((play.run.status(), started(&play)), (Status::Waiting, 1));
    assert_eq!(play.question(), "budget reached");
    assert_eq!(play.run.next_timer(), None, "only people can go on");
    let failing = &play.run.questions.values().next().unwrap().context.failing_checks;
    assert_eq!(failing, &["the budget of the run is used up: 1 of 1 sessions"]);
    // It is told on the forge like any question.
    assert!(comments_saying(&play, "budget reached") >= 1);
}

#[test]
fn raised_it_goes_on_where_it_stopped() {
    let raised = play(sessions(1), Usage::default(), &[]).answer(budget::RAISE);
    assert_eq!((raised.ended(), started(&raised)), (Some(Status::Succeeded), 2));
    assert_eq!(raised.run.spending.raises, 1);
    // Being held up was no failure of the task: it counts against none of its attempts.
    let fails = || Err(Failure::new(FailureClass::ChecksFailed, "a test fails").evidence(json!([1])));
    let other = || Err(Failure::new(FailureClass::ChecksFailed, "another one fails"));
    let twice = play(sessions(2), Usage::default(), &[("task-500-1", vec![fails(), other()])]);
    let ended = twice.answer(budget::RAISE);
    assert_eq!(ended.ended(), Some(Status::Succeeded), "{:?}", ended.run.questions);
}

#[test]
fn refused_it_ends_and_starts_no_further_agent() {
    let refused = play(sessions(1), Usage::default(), &[]).answer("reject");
    assert_eq!((refused.ended(), started(&refused)), (Some(Status::Failed), 1));
    let (_, reason) = refused.run.ended.clone().unwrap();
    assert!(reason.contains("the budget of the run is used up: 1 of 1 sessions"), "{reason}");
}

#[test]
fn a_question_that_nobody_answers_ends_like_a_refused_one() {
    let late = play(sessions(1), Usage::default(), &[]).later(8 * 24 * 3600);
    assert_eq!((late.ended(), started(&late)), (Some(Status::Failed), 1));
}

#[test]
fn what_agents_started_at_once_may_use_is_set_aside() {
    // Both tasks could start at once; there is room for one.
    let mut both = Play::under(sessions(1), &[]);
    while both.run.running().all(|state| !state.is_agents()) {
        let mut decisions = decide(&both.run, both.now);
        if decisions.is_empty() {
            both = one_outcome(both);
            continue;
        }
        decisions.drain(..).for_each(|body| both.append(body));
    }
    assert_eq!(both.run.running().filter(|state| state.is_agents()).count(), 1);
    assert!(both.run.questions.is_empty(), "what goes on may leave something over");
}

/// Ends what runs, in the usual way.
fn one_outcome(mut play: Play) -> Play {
    let open = play.run.open_intents.first().cloned();
    if let Some(intent) = open {
        play.append(EventBody::IntentDone { intent: intent.id, receipt: Default::default() });
        return play;
    }
    let running = play.run.running().next().map(|state| (state.step.clone(), state.attempt)).unwrap();
    let (step, attempt) = running;
    let output = usual(&step.work, play.complexity);
    play.append(EventBody::StepSucceeded { step: step.id, attempt, output });
    play
}

#[test]
fn minutes_tokens_and_money_count_too() {
    let usage =
        Usage { input_tokens: Some(900), output_tokens: Some(100), cost_usd: Some(0.75), turns: None };
    // What a session will use is not known before the first one ended.
    let none = Policy { budget_run_sessions: 0, max_parallel: 1, ..Policy::default() };
    for (policy, words) in [
        (Policy { budget_run_minutes: 1, ..none.clone() }, "1 of 1 minutes"),
        (Policy { budget_run_tokens: 1000, ..none.clone() }, "1000 of 1000 tokens"),
        (Policy { budget_run_usd: 0.5, ..none.clone() }, "0.75 of 0.50 USD"),
    ] {
        let play = play(policy, usage, &[]);
        let failing = &play.run.questions.values().next().expect(words).context.failing_checks;
        assert!(failing.iter().any(|line| line.ends_with(words)), "{failing:?}");
        assert_eq!(play.answer(budget::RAISE).ended(), Some(Status::Succeeded), "{words}");
    }
    let free = play(none, usage, &[]);
    assert_eq!(free.ended(), Some(Status::Succeeded));
    let used = Amounts { sessions: 2.0, minutes: 2.0, tokens: 2000.0, usd: 1.5 };
    assert_eq!(free.run.spending.used, used);
}

#[test]
fn people_are_told_once_when_it_is_nearly_used_up() {
    let usage = Usage { cost_usd: Some(0.85), ..Usage::default() };
    let policy = Policy { budget_run_usd: 2.0, ..Policy::default() };
    let warned = play(policy, usage, &[]);
    assert_eq!(warned.ended(), Some(Status::Succeeded));
    assert_eq!(comments_saying(&warned, "the budget is nearly used up: 1.70 of 2 USD"), 1);
}

#[test]
fn the_next_day_it_goes_on_by_itself_and_a_person_may_let_it_go_on_at_once() {
    let next_day = budget::day_of(jiff::Timestamp::UNIX_EPOCH).1;
    let over = || {
        let used = Amounts { sessions: 7.0, ..Amounts::default() };
        let failure = budget::day_is_over(used, used, budget::Resource::Sessions, next_day);
        Err(failure)
    };
    // Both tasks meet the end of the day; one question is asked for both.
    let outcomes = [("task-500-1", vec![over()]), ("task-500-2", vec![over()])];
    let waits = || Play::new(&outcomes).go();
    assert_eq!(waits().question(), "budget of the day reached");
    assert_eq!((waits().run.questions.len(), waits().run.status()), (1, Status::Waiting));
    assert_eq!(waits().run.next_timer(), None);
    assert_eq!(waits().run.next_wake(), Some(next_day));
    let mut tomorrow = waits();
    tomorrow.now = next_day;
    let tomorrow = tomorrow.go();
    assert_eq!(tomorrow.ended(), Some(Status::Succeeded));
    assert_eq!((tomorrow.run.spending.day_raised_until, tomorrow.run.answers_by_people), (None, 0));
    let today = waits().answer(budget::RAISE);
    assert_eq!(today.ended(), Some(Status::Succeeded));
    assert_eq!(today.run.spending.day_raised_until, Some(next_day));
    assert_eq!(today.run.spending.raises, 0, "the run's own budget is as it was");
    assert_eq!(waits().answer("reject").ended(), Some(Status::Failed));
}

#[test]
fn a_task_that_fails_twice_in_the_same_words_goes_to_a_person_and_not_to_an_agent() {
    let fails =
        |n: u32| Err(Failure::new(FailureClass::ChecksFailed, "a test fails").evidence(json!({ "line": n })));
    let same = Play::new(&[("task-500-1", vec![fails(1), fails(1)])]).go();
    assert!(same.question().contains("the checks of `task-500-1` failed"), "{}", same.question());
    assert_eq!(same.run.step(&"task-500-1".into()).unwrap().attempt, 2);
    let moving = Play::new(&[("task-500-1", vec![fails(1), fails(2)])]).go();
    assert_eq!(moving.ended(), Some(Status::Succeeded), "it gets somewhere");
}

#[test]
fn agents_that_keep_failing_in_the_same_way_are_held_up_before_more_of_them_start() {
    let policy = Policy { breaker_tasks: 1, ..Policy::default() };
    let fails = || Err(Failure::new(FailureClass::AgentFailed, "not logged in"));
    let held = || {
        let mut play = Play::under(policy.clone(), &[("task-500-1", vec![fails()])]);
        play.run.started.policy.max_parallel = 1;
        play.sessions = Some(Usage::default());
        play.go()
    };
    assert_eq!(held().question(), "agents keep failing in the same way");
    assert_eq!(started(&held()), 1);
    // The first task is lost; the second one is done once somebody mended the cause.
    let mended = held().answer(budget::RAISE);
    assert_eq!((mended.status("task-500-1"), started(&mended)), (Status::Failed, 2));
    assert_eq!(mended.status("task-500-2"), Status::Succeeded);
    assert_eq!(mended.run.spending.raises, 0);
    let ended = held().answer("reject");
    assert_eq!((ended.ended(), started(&ended)), (Some(Status::Failed), 1));
}

#[test]
fn a_day_begins_and_ends_at_midnight_utc() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let (begin, next) = budget::day_of(at("2026-12-31T23:59:59.5Z"));
    assert_eq!((begin, next), (at("2026-12-31T00:00:00Z"), at("2027-01-01T00:00:00Z")));
    assert_eq!(budget::day_of(next).0, next);
    assert_eq!(budget::day_of(jiff::Timestamp::MAX).1, jiff::Timestamp::MAX);
}

#[test]
fn waiting_for_room_counts_against_nothing() {
    let short = || {
        let retry_at = jiff::Timestamp::UNIX_EPOCH;
        let failure = Failure::new(FailureClass::Transient, "200 worktrees are there");
        Err(failure.evidence(json!({ "retry_at": retry_at })))
    };
    let fails = || Err(Failure::new(FailureClass::ChecksFailed, "a test fails"));
    let transient = || Err(Failure::new(FailureClass::Transient, "the network"));
    // Longer than any number of retries, for several tasks, and then what may happen to anybody.
    let first: Vec<_> = std::iter::repeat_with(short).take(9).chain([transient(), fails()]).collect();
    let second = std::iter::repeat_with(short).take(9).collect();
    let policy = Policy { breaker_tasks: 2, ..Policy::default() };
    let waited = Play::under(policy, &[("task-500-1", first), ("task-500-2", second)]).go().later(60);
    assert_eq!(waited.ended(), Some(Status::Succeeded), "{:?}", waited.run.questions);
    assert_eq!(waited.run.step(&"task-500-1".into()).unwrap().failures.len(), 2);
}
