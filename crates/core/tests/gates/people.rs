//! Who may approve, and how often people are told.

use jiff::Timestamp;
use miyabi_core::autonomy;
use miyabi_core::event::{Answer, Event, EventBody, Urgency};
use miyabi_core::ids::EscalationId;
use miyabi_core::intent::{Channel, Write};
use miyabi_core::policy::Policy;
use miyabi_core::run::Run;
use miyabi_core::status::Status;

use crate::play::Play;

fn answer(by: &str, action: &str, from: &str) -> Answer {
    Answer {
        action: action.to_owned(),
        by: by.to_owned(),
        from: from.to_owned(),
        note: String::new(),
        tasks: Vec::new(),
    }
}

/// A run that asks whether its plan is good.
fn asking(policy: Policy, labels: &[&str], channels: &[Channel]) -> Play {
    let mut play = Play::under(Policy { approve_above: 3.0, ..policy }, &[]);
    play.run.started.issue.labels = labels.iter().map(|label| (*label).to_owned()).collect();
    play.run.started.channels = channels.to_vec();
    play.go()
}

#[test]
fn only_those_who_may_approve_do_and_everybody_may_refuse() {
    let policy = |guarded: &[&str]| Policy {
        approve_labels: vec!["security".to_owned()],
        approvers: vec!["@Alice".to_owned(), "雅".to_owned()],
        guarded_approvers: guarded.iter().map(|name| (*name).to_owned()).collect(),
        ..Policy::default()
    };
    let id = EscalationId::from("3-1");
    let may = |play: &Play, by, action, from| play.run.may_answer(&id, &answer(by, action, from));

    let plain = asking(policy(&["carol"]), &[], &[]);
    for by in ["alice", "@alice", "ALICE", "雅"] {
        assert_eq!(may(&plain, by, "approve_anyway", "comment"), Ok(()), "{by}");
    }
    let refused = may(&plain, "mallory", "approve_anyway", "cli").unwrap_err();
    assert_eq!(refused, "`mallory` may not approve question `3-1`; who may: @Alice, 雅");
    assert!(may(&plain, "carol", "modify", "cli").is_err(), "a changed plan is an approval, too");
    assert_eq!(may(&plain, "mallory", "reject", "comment"), Ok(()));
    assert_eq!(may(&plain, "mallory", "approve_anyway", autonomy::MERGED), Ok(()), "it is merged already");

    let guarded = asking(policy(&["carol"]), &["security"], &[]);
    assert_eq!(may(&guarded, "carol", "approve_anyway", "comment"), Ok(()));
    assert!(may(&guarded, "alice", "approve_anyway", "comment").is_err());
    let without = asking(policy(&[]), &["security"], &[]);
    assert_eq!(may(&without, "alice", "approve_anyway", "comment"), Ok(()), "the approvers stand for them");
}

/// What comes in some other way, such as by a program that writes into the log, counts no more.
#[test]
fn an_answer_of_somebody_else_cannot_follow_in_the_log() {
    let policy = Policy { approvers: vec!["alice".to_owned()], ..Policy::default() };
    let mut play = asking(policy, &[], &[]);
    let forged = |run: &Run, by: &str, question: &str| Event {
        run: run.id.clone(),
        seq: run.next_seq,
        at: Timestamp::UNIX_EPOCH,
        body: EventBody::EscalationAnswered {
            escalation: EscalationId::from(question),
            answer: answer(by, "approve_anyway", "cli"),
        },
    };
    for (by, question) in [("mallory", "3-1"), ("", "3-1"), ("alice", "3-2"), ("alice", "4-1")] {
        let event = forged(&play.run, by, question);
        assert!(play.run.apply(&event).is_err(), "{by} {question}");
    }
    assert_eq!(play.run.status(), Status::Waiting);
    play.append(forged(&play.run, "alice", "3-1").body);
    let late = forged(&play.run, "alice", "3-1");
    assert!(play.run.apply(&late).is_err(), "it is answered");
}

fn told(play: &Play) -> Vec<(Channel, String)> {
    let notes = play.writes.iter().filter_map(|write| match write {
        Write::Notify { channel, subject, .. } => Some((*channel, subject.clone())),
        _ => None,
    });
    notes.collect()
}

#[test]
fn people_are_told_again_by_urgency_until_somebody_answers() {
    let policy = Policy { remind_medium_secs: 3600, ..Policy::default() };
    let mut play = asking(policy, &[], &[Channel::Slack]);
    assert_eq!(play.run.questions[&EscalationId::from("3-1")].severity, Urgency::Medium);
    assert_eq!(told(&play).len(), 1);
    assert_eq!(play.run.next_wake().map(Timestamp::as_second), Some(3600));
    play = play.later(3599);
    assert_eq!(told(&play).len(), 1);
    play = play.later(1);
    let again = told(&play);
    assert_eq!(again.len(), 2);
    assert!(again[1].1.contains("still a question"), "{again:?}");
    // Whoever slept for five hours tells it once, and goes on from there.
    play = play.later(5 * 3600 + 60);
    assert_eq!(told(&play).len(), 3);
    assert_eq!(play.run.next_wake().map(Timestamp::as_second), Some(7 * 3600));
    let play = play.answer("reject");
    assert_eq!(play.ended(), Some(Status::Failed));
    assert!(told(&play).last().is_some_and(|(_, subject)| subject.contains("failed")));
}

#[test]
fn questions_go_where_their_urgency_sends_them() {
    let policy = Policy { mail_from: Urgency::High, remind_medium_secs: 0, ..Policy::default() };
    let play = asking(policy, &[], &[Channel::Mail, Channel::Slack]);
    assert_eq!(told(&play).iter().map(|(channel, _)| *channel).collect::<Vec<_>>(), [Channel::Slack]);
    let deadline = play.run.questions[&EscalationId::from("3-1")].deadline;
    assert_eq!(play.run.next_wake(), Some(deadline), "once is enough");
}
