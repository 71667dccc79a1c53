//! What follows from what happens on the forge while a change is open, and how people are asked there.

use miyabi_core::cast::Brief;
use miyabi_core::decide::decide;
use miyabi_core::event::{Answer, EventBody};
use miyabi_core::facts::Fact;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::intent::Write;
use miyabi_core::plan::{AgentWork, Plan, Purpose, Step, Work};
use miyabi_core::report::Measured;
use miyabi_core::status::Status;
use miyabi_core::subject::{About, RunSubject};
use serde_json::{Value, json};

use crate::play::*;

fn pending() -> Result<Value, Failure> {
    Err(Failure::new(FailureClass::Pending, "CI goes on: build"))
}

fn objection(class: FailureClass) -> Result<Value, Failure> {
    Err(Failure::new(class, "CI failed on the change").evidence(json!(["build: see the log"])))
}

#[test]
fn ci_is_waited_for_ever_more_seldom_and_it_counts_against_nothing() {
    let mut play = Play::new(&[("ci", std::iter::repeat_with(pending).take(8).collect())]).go();
    let mut pauses = Vec::new();
    while play.ended().is_none() {
        assert!(play.run.only_waits(), "{:?}", play.run.next_wake());
        let at = play.run.next_wake().unwrap();
        pauses.push(at.duration_since(play.now).as_secs());
        play.now = at;
        play = play.go();
    }
    assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300, 300]);
    assert_eq!(play.ended(), Some(Status::Succeeded));
}

#[test]
fn a_signal_wakes_what_waits_elsewhere_and_nothing_else() {
    let transient = || Err(Failure::new(FailureClass::Transient, "the network"));
    let signal = || EventBody::Signalled { what: "CI ended".to_owned() };
    let mut play = Play::new(&[("ci", vec![pending()])]).go();
    play.append(signal());
    assert_eq!(play.go().ended(), Some(Status::Succeeded));
    let mut play = Play::new(&[("ci", vec![transient()])]).go();
    play.append(signal());
    let play = play.go();
    assert_eq!((play.ended(), play.status("ci")), (None, Status::Waiting));
}

#[test]
fn a_signal_while_it_looks_is_not_lost() {
    let mut play = Play::new(&[("ci", vec![pending()])]).go();
    play.now = play.run.next_wake().unwrap();
    decide(&play.run, play.now).into_iter().for_each(|body| play.append(body));
    assert_eq!(play.status("ci"), Status::Running);
    play.append(EventBody::Signalled { what: "CI ended".to_owned() });
    let (step, attempt) = ("ci".into(), 2);
    let Err(failure) = pending() else { unreachable!() };
    play.append(EventBody::StepFailed { step, attempt, failure });
    // It looks at once, and finds what the signal spoke of.
    assert_eq!(play.go().ended(), Some(Status::Succeeded));
}

#[test]
fn a_ci_that_never_ends_is_asked_about_and_a_person_may_do_without() {
    let never = || Play::new(&[("ci", std::iter::repeat_with(pending).take(200).collect())]).go();
    let mut play = never();
    while play.run.questions.is_empty() {
        play.now = play.run.next_wake().unwrap();
        play = play.go();
    }
    assert!(play.question().starts_with("CI has not ended after 6h"), "{}", play.question());
    let looks = play.run.step(&"ci".into()).unwrap().attempt;
    let again = play.answer("manual_fix");
    assert_eq!(again.run.step(&"ci".into()).unwrap().attempt, looks + 1);
    assert!(again.run.questions.is_empty(), "it was granted as much time once more");
    let mut play = never();
    while play.run.questions.is_empty() {
        play.now = play.run.next_wake().unwrap();
        play = play.go();
    }
    assert_eq!(play.answer("approve_anyway").ended(), Some(Status::Succeeded));
}

#[test]
fn what_ci_and_reviewers_find_goes_to_an_agent_three_times_and_then_to_a_person() {
    for class in [FailureClass::CiFailed, FailureClass::ChangesRequested] {
        let outcomes: Vec<_> = ["ci", "ci-2", "ci-3", "ci-4"].map(|ci| (ci, vec![objection(class)])).into();
        let play = Play::new(&outcomes).go();
        for (step, status) in [
            ("ci", Status::Superseded),
            ("rework-1", Status::Succeeded),
            ("rework-1.merge", Status::Succeeded),
            ("review-2", Status::Succeeded),
            ("change-2", Status::Succeeded),
            ("ci-2", Status::Superseded),
            ("rework-3", Status::Succeeded),
            ("ci-4", Status::Waiting),
            ("merge", Status::Queued),
        ] {
            assert_eq!(play.status(step), status, "{step}");
        }
        assert_eq!(play.question(), "CI failed on the change after 3 reworks");
        let Work::Task(work) = &play.run.step(&"rework-2".into()).unwrap().step.work else {
            panic!("a rework is a task")
        };
        assert_eq!(work.purpose, Purpose::Rework { findings: vec!["build: see the log".to_owned()] });
        assert_eq!(play.answer("reject").ended(), Some(Status::Failed));
    }
}

#[test]
fn a_change_that_a_person_closed_ends_the_run() {
    let closed = Err(Failure::new(FailureClass::Rejected, "eve closed the change without merging it"));
    let play = Play::new(&[("ci", vec![closed])]).go();
    assert_eq!((play.ended(), play.status("merge")), (Some(Status::Failed), Status::Skipped));
}

#[test]
fn a_base_that_moves_is_followed_by_another_wait_for_ci() {
    let moved = Err(Failure::new(FailureClass::BaseMoved, "main moved"));
    let play = Play::new(&[("merge", vec![moved])]).go();
    assert_eq!(play.ended(), Some(Status::Succeeded));
    for step in ["update-1", "review-2", "change-2", "ci-2", "merge-2"] {
        assert_eq!(play.status(step), Status::Succeeded, "{step}");
    }
}

#[test]
fn a_question_is_asked_in_a_comment_and_answered_in_the_same_one() {
    let mut low = measured();
    low.coverage = Measured::Missing("no tool".to_owned());
    let play = Play::new(&[("review", vec![Ok(of(low))])]).go();
    let comments = |play: &Play| -> Vec<String> {
        let of_question = |write: &Write| match write {
            Write::Comment { key, body, .. } if key == "r/question-3-1" => Some(body.clone()),
            _ => None,
        };
        play.writes.iter().filter_map(of_question).collect()
    };
    let asked = comments(&play);
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].contains("| `rework` |") && asked[0].contains("is taken on 1970-01-08 00:00 UTC"),
        "{}",
        asked[0]
    );
    let answered = comments(&play.answer("approve_anyway"));
    assert_eq!(answered.len(), 2);
    assert!(answered[1].contains("**`approve_anyway`** by eve, from cli."), "{}", answered[1]);
}

#[test]
fn what_a_reviewer_wrote_is_done_by_an_agent() {
    let mut low = measured();
    low.coverage = Measured::Missing("no tool".to_owned());
    let mut play = Play::new(&[("review", vec![Ok(of(low))])]).go();
    let escalation = play.run.questions.keys().next().unwrap().clone();
    let note = "src/lib.rs:7: 名前を直して (eve)\n\n  and test it (bob)".to_owned();
    let answer = Answer {
        action: "rework".to_owned(),
        by: "eve".to_owned(),
        from: "review".to_owned(),
        note,
        tasks: Vec::new(),
    };
    play.append(EventBody::EscalationAnswered { escalation, answer });
    let play = play.go();
    let Work::Task(work) = &play.run.step(&"rework-1".into()).unwrap().step.work else { panic!() };
    let expected = ["src/lib.rs:7: 名前を直して (eve)", "and test it (bob)"].map(str::to_owned);
    assert_eq!(work.purpose, Purpose::Rework { findings: expected.into() });
    assert_eq!((play.status("change"), play.status("change-2")), (Status::Superseded, Status::Succeeded));
    assert_eq!(play.ended(), Some(Status::Succeeded));
}

#[test]
fn a_word_of_a_commit_concerns_the_runs_that_are_about_it() {
    let head = "a".repeat(40);
    let mut play = Play::about(Plan::from(Vec::new()), json!({ "pull_request": { "number": 7 } }), &[]);
    assert_eq!((play.run.change_without_head(), play.run.is_about_commit(&head)), (Some(7), false));
    play.run.started.subject =
        Some(RunSubject { about: About::Change { number: 7 }, head: Some(head.as_str().into()) });
    assert_eq!((play.run.change_without_head(), play.run.is_about_commit(&head)), (None, true));
    assert!(!play.run.is_about_commit(&"b".repeat(40)));
    assert_eq!(Play::new(&[]).run.change_without_head(), None);
}

#[test]
fn an_agent_for_whom_ci_is_looked_up_listens_until_its_session_begins() {
    let work = |agent: &str| Work::Agent(AgentWork { agent: agent.to_owned(), skills: Vec::new() });
    let listens = |facts: &[Fact], attempt_began: bool| {
        let mut play = Play::of(Plan::from(vec![Step::new("look", work("checker"))]), &[]);
        let brief = Brief {
            text: String::new(),
            adapter: None,
            answer: None,
            timeout_secs: None,
            skills: Vec::new(),
            facts: facts.to_vec(),
        };
        play.run.started.cast.agents.insert("checker".to_owned(), brief);
        if attempt_began {
            play.append(EventBody::StepStarted { step: "look".into(), attempt: 1 });
        }
        play.run.listens()
    };
    assert!(listens(&[Fact::Reviews, Fact::Ci], true));
    assert!(!listens(&[Fact::Reviews], true) && !listens(&[Fact::Ci], false));
}
