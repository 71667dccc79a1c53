//! Recordings of the real program (made by `tests/tests/codex.rs` with `MIYABI_RECORD=true`), and lines with the
//! peculiarities that it is known for.

use miyabi_core::session::{SessionEnd, SessionOutcome};

use super::*;
use crate::seen::tests as seen;

fn events(recording: &str) -> Vec<AgentEvent> {
    let mut reader = Reader::default();
    recording.lines().flat_map(|line| reader.read(line)).collect()
}

fn outcome(recording: &str, code: i32) -> SessionOutcome {
    seen::of_events(&events(recording), code)
}

fn shown(recording: &str) -> String {
    seen::shown(&events(recording), 160)
}

macro_rules! recording {
    ($name:literal) => {
        include_str!(concat!("../../tests/recordings/codex-", $name, ".jsonl"))
    };
}

#[test]
fn a_session_that_works() {
    insta::assert_snapshot!(shown(recording!("work")));
    let outcome = outcome(recording!("work"), 0);
    assert_eq!(outcome.end, SessionEnd::Completed);
    assert_eq!((outcome.usage.cost_usd, outcome.usage.turns), (None, Some(1)), "it tells no cost");
}

/// It says that it did what its sandbox refused, and ends well: what it says proves nothing.
#[test]
fn a_refusal_is_seen_as_a_command_and_nothing_more() {
    insta::assert_snapshot!(shown(recording!("refused")));
    assert_eq!(outcome(recording!("refused"), 0).end, SessionEnd::Completed);
}

#[test]
fn a_rate_limit_fails_and_a_retry_is_waiting() {
    let SessionEnd::Failed { detail } = outcome(recording!("limit"), 1).end else { panic!("it failed") };
    assert!(detail.contains("429"), "{detail}");
    let waits = events(recording!("retry"));
    assert!(waits.iter().any(|event| matches!(event, AgentEvent::Waiting { .. })), "{waits:?}");
    assert_eq!(outcome(recording!("retry"), 0).end, SessionEnd::Completed);
}

#[test]
fn a_stream_that_ends_early_is_no_success_whatever_the_exit_code() {
    let text = recording!("work");
    let cut: String = text
        .lines()
        .filter(|line| !line.contains("turn.completed"))
        .map(|line| format!("{line}\n"))
        .collect();
    let SessionEnd::Failed { detail } = outcome(&cut, 0).end else { panic!("it is not known to have ended") };
    assert!(detail.contains("without a result"), "{detail}");
    // And success on the stream does not outweigh a bad exit code.
    assert!(matches!(outcome(text, 137).end, SessionEnd::Failed { .. }));
}

#[test]
fn lines_that_are_not_known_pass_as_they_are() {
    for line in [
        "",
        "not json",
        "[1]",
        "{\"type\":\"new.thing\"}",
        "{\"type\":\"item.completed\",\"item\":{\"type\":\"plan\"}}",
        "{\"type\":\"item.started\"}",
    ] {
        let events = normalize(line);
        assert!(events.iter().all(|event| matches!(event, AgentEvent::Raw { .. })), "{line}: {events:?}");
    }
    let patch = r#"{"type":"item.completed","item":{"id":"i","type":"file_change","status":"failed","changes":[{"path":"/w/雅.rs","kind":"add"},{"path":"b"}]}}"#;
    insta::assert_debug_snapshot!(normalize(patch));
    let usage =
        |n: u64| format!(r#"{{"type":"turn.completed","usage":{{"input_tokens":{n},"output_tokens":1}}}}"#);
    let mut reader = Reader::default();
    let all: Vec<_> = [5, u64::MAX].iter().flat_map(|n| reader.read(&usage(*n))).collect();
    let AgentEvent::Usage(last) = &all[2] else { panic!("{all:?}") };
    assert_eq!((last.input_tokens, last.turns), (Some(u64::MAX), Some(2)));
}
