//! What outcomes teach of agents, estimates and thresholds, on runs that were decided as runs are.

use miyabi_core::event::{Event, EventBody, RunStarted};
use miyabi_core::failure::FailureClass;
use miyabi_core::knowledge::learned::{Estimated, Learned, Learner, Share, Threshold, Word};
use miyabi_core::policy::Policy;
use miyabi_core::report::{DocCounts, Measured, Measurements};
use miyabi_core::session::Usage;
use miyabi_core::status::Status;
use miyabi_testkit::fixtures::run_id;
use serde_json::{Value, json};

use crate::play::{Play, failed, measured, of, report};

const WEEK: i64 = 7 * 24 * 3600;

/// These runs, the last one the newest, as far as they went.
fn learned(plays: Vec<Play>) -> Learned {
    let mut learner = Learner::new(&Policy::default());
    for (play, n) in plays.into_iter().zip(1..).collect::<Vec<_>>().into_iter().rev() {
        learner.take(&log(play, n)).unwrap();
    }
    learner.learned("local/sample".to_owned(), None, 0)
}

/// The log of a play as that of the run of this number.
fn log(play: Play, n: u64) -> Vec<Event> {
    let renamed = |event: Event| {
        let body = match event.body {
            EventBody::RunStarted(started) => {
                EventBody::RunStarted(Box::new(RunStarted { number: n, ..*started }))
            }
            other => other,
        };
        Event { run: run_id(n), body, ..event }
    };
    play.log.into_iter().map(renamed).collect()
}

/// So many runs of the same kind.
fn times(n: usize, play: impl Fn() -> Play) -> Vec<Play> {
    (0..n).map(|_| play()).collect()
}

fn threshold<'a>(learned: &'a Learned, setting: &str) -> &'a Threshold {
    learned.thresholds.each.iter().find(|it| it.setting == setting).unwrap()
}

/// `(count, of)` of what begins with these words.
fn seen(learned: &Learned, setting: &str, what: &str) -> Option<(u64, u64)> {
    let found = threshold(learned, setting).findings.iter().find(|it| it.what.contains(what))?;
    Some((found.share.count, found.share.of))
}

/// Scored 75 to 99: reviewed once, and again after whatever is asked.
fn scored(points: u64, ci: Vec<Result<Value, miyabi_core::failure::Failure>>) -> Play {
    Play::new(&[("review", vec![report(points)]), ("ci", ci)]).go()
}

/// A report of 55 points with something to mend.
fn poor() -> Result<Value, miyabi_core::failure::Failure> {
    let docs = Measured::Value(DocCounts { public: 10, documented: 0 });
    let lint_warnings = Measured::Value(25);
    let mut report = of(Measurements { docs, lint_warnings, ..measured() });
    report["issues"] = json!([{ "check": "lint", "severity": "low", "rule": "r", "message": "m" }]);
    Ok(report)
}

#[test]
fn people_who_open_and_merge_all_the_same_speak_against_a_threshold() {
    let approve = "approve_anyway";
    let mut plays = times(16, || scored(78, vec![]).answer(approve).answer(approve));
    let told = learned(plays);
    let open = threshold(&told, "policy.open_from");
    assert_eq!((open.value, open.suggestion), (80.0, Some(75.0)), "{}", open.why);
    assert_eq!(seen(&told, "policy.open_from", "approved as they were"), Some((16, 16)));
    assert_eq!(open.findings[0].evidence.runs, 16);
    assert_eq!(open.findings[0].evidence.newest[0].number, 16);
    let merge = threshold(&told, "policy.merge_from");
    assert_eq!(
        (merge.suggestion, merge.findings.len()),
        (None, 0),
        "they had been looked at before: {}",
        merge.why
    );

    // One of them that turned out badly, and one that was refused.
    plays = times(14, || scored(78, vec![]).answer(approve).answer(approve));
    plays.push(scored(78, vec![failed(FailureClass::CiFailed)]).answer(approve).answer(approve));
    plays.push(scored(78, vec![]).answer("reject"));
    // None of these was answered by a person for its score.
    plays.push(scored(78, vec![]).later(WEEK));
    plays.push(scored(78, vec![]));
    let secret =
        Measurements { secrets: Measured::Value(1), lint_warnings: Measured::Value(22), ..measured() };
    plays.push(Play::new(&[("review", vec![Ok(of(secret))])]).go().answer(approve));
    let told = learned(plays);
    assert_eq!(seen(&told, "policy.open_from", "approved as they were"), Some((14, 16)));
    assert_eq!(threshold(&told, "policy.open_from").suggestion, None);
    assert_eq!(seen(&told, "policy.review_from", "not approved"), Some((1, 16)));
    let bands = &told.thresholds.scores;
    let [band] = bands.as_slice() else { panic!("{bands:?}") };
    assert_eq!((band.from, band.to, band.reviews, band.gate_closed), (60, 79, 19, 1));
    assert_eq!((band.opened, band.merged, band.ci_red), (16, 14, 1));
    let said = |word| band.asked.get(&word).copied().unwrap_or_default();
    let words = [Word::Approved, Word::Rejected, Word::Unanswered, Word::Open].map(said);
    assert_eq!(words, [16, 1, 1, 1], "{:?}", band.asked);
    assert_eq!((told.runs, told.not_ended), (19, 3));
}

#[test]
fn what_is_merged_by_people_and_what_merges_itself_are_kept_apart() {
    let red = || vec![failed(FailureClass::CiFailed)];
    let plays = [
        times(16, || scored(88, vec![]).answer("approve_anyway")),
        times(12, || scored(92, red())),
        times(8, || scored(92, vec![])),
    ];
    let told = learned(plays.into_iter().flatten().collect());
    let merge = threshold(&told, "policy.merge_from");
    assert_eq!(seen(&told, "policy.merge_from", "needed no person"), Some((12, 20)));
    assert_eq!(seen(&told, "policy.merge_from", "was to merge"), Some((16, 16)));
    assert_eq!(merge.suggestion, Some(95.0), "what asks for more goes before: {}", merge.why);
    assert_eq!(
        merge.why,
        "12 of 20 (39–78 %) changes scored 90 or more that needed no person turned out badly"
    );
    assert_eq!(seen(&told, "policy.open_from", "opened without a person"), Some((0, 16)));
}

#[test]
fn what_a_person_merges_whatever_its_score_says_nothing_of_the_score() {
    let guarded = |points| {
        let mut guarded = report(points).unwrap();
        guarded["guarded"] = json!(["migrations/1.sql"]);
        Play::new(&[("review", vec![Ok(guarded)])]).go()
    };
    let told = learned(vec![
        guarded(88).answer("approve_anyway"),
        guarded(95).answer("approve_anyway"),
        // Sent back: opening it had been too early, and that it may not be merged is a word about merging.
        scored(86, vec![]).answer("rework").answer("reject"),
        scored(86, vec![failed(FailureClass::Rejected)]).answer("approve_anyway"),
    ]);
    assert_eq!(seen(&told, "policy.merge_from", "needed no person"), None);
    assert_eq!(seen(&told, "policy.merge_from", "was to merge"), Some((0, 2)));
    // The one that was closed at the forge, and the one that was sent back.
    assert_eq!(seen(&told, "policy.open_from", "opened without a person"), Some((2, 3)));
    let bands: Vec<_> =
        told.thresholds.scores.iter().map(|it| (it.from, it.reviews, it.merged, it.closed)).collect();
    assert_eq!(bands, [(80, 3, 1, 1), (90, 1, 1, 0)]);
}

#[test]
fn an_agent_that_mends_in_vain_is_seen() {
    let mut plays = times(3, || Play::new(&[("review", vec![poor()]), ("review-2", vec![report(95)])]).go());
    plays.push(Play::new(&[("review", vec![poor()]), ("review-2", vec![report(76)])]).go());
    let told = learned(plays);
    assert_eq!(seen(&told, "policy.review_from", "stayed below 80"), Some((1, 4)));
    let review = threshold(&told, "policy.review_from");
    assert_eq!(review.suggestion, None);
    assert!(review.why.contains("4 of 10 cases just below it"), "{}", review.why);
    let bands: Vec<_> = told.thresholds.scores.iter().map(|it| (it.from, it.reviews, it.reworked)).collect();
    assert_eq!(bands, [(0, 4, 4), (60, 1, 0), (90, 3, 0)]);
    let kinds: Vec<_> = told.agents.rows.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, Vec::<&str>::new(), "no session was told of");
}

#[test]
fn plans_are_counted_by_complexity() {
    let rated = |complexity: f64| Play { complexity, ..Play::new(&[]) }.go();
    let mut plays = times(16, || rated(7.4).answer("approve_anyway"));
    plays.push(rated(9.0).answer("reject"));
    plays.push(rated(7.0).later(300));
    plays.push(rated(6.0));
    plays.push(rated(3.0));
    plays.push(rated(2.9));
    let told = learned(plays);
    let approve = threshold(&told, "policy.approve_above");
    assert_eq!((approve.value, approve.suggestion), (7.0, Some(7.5)), "{}", approve.why);
    assert_eq!(seen(&told, "policy.approve_above", "people were asked about"), Some((16, 17)));
    assert_eq!(seen(&told, "policy.approve_above", "began without approval"), Some((0, 1)));
    // Two tasks were made of it.
    assert_eq!(seen(&told, "policy.simple_below", "one task anyway"), Some((0, 1)));
    let bands: Vec<_> = told
        .thresholds
        .complexity
        .iter()
        .map(|it| (it.from, it.issues, it.told, it.ended_by_people))
        .collect();
    assert_eq!(bands, [(0.0, 1, 0, 0), (3.0, 1, 0, 0), (5.0, 2, 2, 0), (7.0, 17, 0, 1)]);
    let said = &told.thresholds.complexity[3].asked;
    assert_eq!((said[&Word::Approved], said[&Word::Rejected]), (16, 1));
}

/// A run of two tasks, each of one minute; those that `fails` names fail their checks once.
fn worked(agent: &'static str, fails: &[&str]) -> Play {
    let outcomes: Vec<_> =
        fails.iter().map(|step| (*step, vec![failed(FailureClass::ChecksFailed)])).collect();
    let usage = Usage { input_tokens: Some(100), output_tokens: Some(20), cost_usd: None, turns: None };
    Play { agent, sessions: Some(usage), ..Play::new(&outcomes) }.go()
}

#[test]
fn an_agent_is_suggested_where_it_is_better_beyond_chance() {
    let one = |n| times(n, || worked("one", &[]));
    let two = |n| times(n, || worked("two", &["task-500-1", "task-500-2"]));
    for (plays, suggestion, why) in [
        (
            vec![one(6), two(6)],
            Some("one"),
            "at the first try `one` 12 of 12 (76–100 %), `two` 0 of 12 (0–24 %)",
        ),
        (vec![one(6), two(4)], None, "not enough to tell (`two`: 8 of 10 tasks)"),
        (vec![one(4), two(4)], None, "not enough to tell (`one`: 8 of 10 tasks, `two`: 8 of 10 tasks)"),
        (
            vec![one(6), times(6, || worked("two", &["task-500-1"])), times(1, || worked("three", &[]))],
            Some("one"),
            "at the first try `one` 12 of 12 (76–100 %), `two` 6 of 12 (25–75 %); not enough to tell of `three`: 2 of 10 tasks",
        ),
        (
            vec![one(5), times(2, || worked("two", &["task-500-1"])), times(3, || worked("two", &[]))],
            None,
            "no difference beyond chance: at the first try `one` 10 of 10 (72–100 %), `two` 8 of 10 (49–94 %)",
        ),
    ] {
        let told = learned(plays.into_iter().flatten().collect());
        let [choice] = told.agents.choices.as_slice() else { panic!("{:?}", told.agents.choices) };
        assert_eq!((choice.suggestion.as_deref(), choice.why.as_str()), (suggestion, why));
    }
    let told = learned(one(1).into_iter().chain(two(1)).collect());
    let rows = &told.agents.rows;
    let short: Vec<_> = rows
        .iter()
        .map(|row| (row.agent.as_str(), row.tasks, row.attempts, row.first_try.count, row.accepted.count))
        .collect();
    assert_eq!(short, [("one", 2, 2, 2, 2), ("two", 2, 4, 0, 2)]);
    assert_eq!(rows[0].tokens.map(|it| (it.measured, it.median)), Some((2, 120.0)));
    assert_eq!(rows[0].cost_usd, None);
    assert_eq!(rows[0].score.map(|it| (it.measured, it.median)), Some((1, 100.0)), "one review of one run");
}

#[test]
fn estimates_are_held_against_what_was_measured() {
    let told = learned(times(10, || worked("one", &["task-500-1"])));
    let row = |of| told.estimates.iter().find(|row| row.of == of).unwrap();
    let task = row(Estimated::Task);
    assert_eq!((task.kind.as_str(), task.cases, task.evidence.runs), ("feature", 20, 10));
    // One of two tasks took two minutes, the other one; ten were estimated.
    assert_eq!(task.ratio.map(|it| (it.lower_quartile, it.upper_quartile)), Some((0.1, 0.2)));
    assert_eq!(task.suggestion.map(|it| (it * 100.0).round()), Some(15.0), "{}", task.why);
    let issue = row(Estimated::Issue);
    assert_eq!((issue.cases, issue.measured.map(|it| it.median)), (10, Some(3.0)));
    assert_eq!(issue.suggestion, Some(0.05), "3 of 60 minutes: {}", issue.why);
    assert_eq!(issue.why, "the median lies between 0.050 and 0.050 with 95 % confidence");

    let few = learned(times(4, || worked("one", &[])));
    let whys: Vec<_> = few.estimates.iter().map(|row| (row.suggestion, row.why.as_str())).collect();
    assert_eq!(whys, [(None, "not enough to tell (4 of 10)"), (None, "not enough to tell (8 of 10)")]);

    // A run that failed says what its tasks took, and nothing of the issue.
    let failing = || {
        let rejected = Play {
            agent: "one",
            sessions: Some(Usage::default()),
            ..Play::new(&[("review", vec![report(78)])])
        };
        rejected.go().answer("reject")
    };
    let play = failing();
    assert_eq!(play.ended(), Some(Status::Failed));
    let told = learned(vec![play]);
    let of: Vec<_> = told.estimates.iter().map(|row| (row.of, row.cases)).collect();
    assert_eq!(of, [(Estimated::Task, 2)]);
}

#[test]
fn a_share_in_a_document_says_of_how_many() {
    let share = serde_json::to_value(Share::new(9, 12)).unwrap();
    assert_eq!((&share["count"], &share["of"]), (&json!(9), &json!(12)));
    let told = serde_json::to_value(learned(vec![worked("one", &[])])).unwrap();
    assert_eq!(told["applied"], json!(false));
    assert_eq!(told["agents"]["rows"][0]["evidence"]["newest"][0]["id"], json!(run_id(1)));
    assert_eq!(told["agents"]["rows"][0]["evidence"].as_object().unwrap().len(), 2);
}
