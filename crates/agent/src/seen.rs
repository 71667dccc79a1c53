//! From what was seen of a session to what it came to; pure.

use std::collections::VecDeque;
use std::process::ExitStatus;

use miyabi_core::session::{AgentEvent, SessionEnd, SessionOutcome, Usage};

use crate::process::{Channel, Ended, Gone};

/// Lines of the error output that stand in the detail of a failure.
const LAST_ERRORS: usize = 10;
/// Characters of one such line.
const ERROR_WIDTH: usize = 400;
/// Bytes of a plain program's last words that are kept.
const LAST_WORDS: usize = 256 * 1024;

/// What a program has to do so that its session counts as completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Exit with 0. All that it printed are its last words.
    ExitCode,
    /// Report its end as success, and exit with 0 too. Its last message are its last words.
    Report,
    /// Report its end as success; how it exits when everything is said means nothing.
    Conversation,
}

/// What was seen of a session so far.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    protocol: Protocol,
    words: VecDeque<String>,
    length: usize,
    refusals: Vec<String>,
    usage: Usage,
    report: Option<(bool, String)>,
    errors: VecDeque<String>,
}

impl Seen {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            words: VecDeque::new(),
            length: 0,
            refusals: Vec::new(),
            usage: Usage::default(),
            report: None,
            errors: VecDeque::new(),
        }
    }

    /// Takes in what a line meant.
    pub(crate) fn event(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::Message { text } => self.message(text),
            AgentEvent::Refused { what } => self.refusals.push(what.clone()),
            AgentEvent::Usage(usage) => self.usage = *usage,
            AgentEvent::Ended { ok, reason } => self.report = Some((*ok, reason.clone())),
            AgentEvent::Named { .. }
            | AgentEvent::ToolStarted { .. }
            | AgentEvent::ToolEnded { .. }
            | AgentEvent::Waiting { .. }
            | AgentEvent::Raw { .. } => {}
        }
    }

    /// Remembers the last lines of the error output.
    pub(crate) fn line(&mut self, channel: Channel, line: &str) {
        if channel == Channel::Errors && !line.trim().is_empty() {
            if self.errors.len() == LAST_ERRORS {
                self.errors.pop_front();
            }
            self.errors.push_back(line.chars().take(ERROR_WIDTH).collect());
        }
    }

    fn message(&mut self, text: &str) {
        if self.protocol != Protocol::ExitCode {
            self.words.clear();
            self.length = 0;
        }
        self.length += text.len();
        self.words.push_back(text.to_owned());
        while self.length > LAST_WORDS && self.words.len() > 1 {
            self.length -= self.words.pop_front().map_or(0, |line| line.len());
        }
    }

    /// What the session came to, now that its program is gone.
    pub(crate) fn outcome(self, gone: Gone, duration_ms: u64) -> SessionOutcome {
        let end = match gone.ended {
            Ended::TimedOut => SessionEnd::TimedOut,
            Ended::Stalled => SessionEnd::Stalled,
            Ended::Stopped => SessionEnd::Stopped,
            Ended::ByItself(status) => self.judge(status),
        };
        let words = self.words.into_iter().collect::<Vec<_>>().join("\n");
        SessionOutcome {
            end,
            usage: self.usage,
            last_message: (!words.trim().is_empty()).then_some(words),
            refusals: self.refusals,
            leftovers: gone.leftovers,
            duration_ms,
        }
    }

    fn judge(&self, status: ExitStatus) -> SessionEnd {
        let detail = match (&self.report, self.protocol, status.success()) {
            (Some((false, reason)), _, _) => reason.clone(),
            (_, Protocol::ExitCode, true)
            | (Some((true, _)), Protocol::Report, true)
            | (Some((true, _)), Protocol::Conversation, _) => {
                return SessionEnd::Completed;
            }
            (None, Protocol::Report, true) => {
                self.with_errors("the program ended without a result event".to_owned())
            }
            (None, Protocol::Conversation, true) => {
                self.with_errors("the program ended in the middle of the conversation".to_owned())
            }
            (_, _, false) => self.with_errors(said(status)),
        };
        SessionEnd::Failed { detail }
    }

    fn with_errors(&self, mut detail: String) -> String {
        for (index, line) in self.errors.iter().enumerate() {
            detail.push_str(if index == 0 { ": " } else { "\n" });
            detail.push_str(line);
        }
        detail
    }
}

/// How a program ended, in words.
pub(crate) fn said(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("the program was ended by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("the program ended with exit code {code}"),
        None => "the program ended without an exit code".to_owned(),
    }
}

#[cfg(all(test, unix))]
pub(crate) mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn exit(code: i32) -> Gone {
        Gone { ended: Ended::ByItself(ExitStatus::from_raw(code << 8)), leftovers: 0 }
    }

    fn seen(protocol: Protocol, events: &[AgentEvent], errors: &[&str]) -> Seen {
        let mut seen = Seen::new(protocol);
        events.iter().for_each(|event| seen.event(event));
        errors.iter().for_each(|line| seen.line(Channel::Errors, line));
        seen
    }

    /// What these events of a program that reports its end come to, when it exits so.
    pub(crate) fn of_events(events: &[AgentEvent], code: i32) -> SessionOutcome {
        seen(Protocol::Report, events, &[]).outcome(exit(code), 0)
    }

    /// Events with one on a line, each cut at so many characters.
    pub(crate) fn shown(events: &[AgentEvent], width: usize) -> String {
        let lines = events.iter().map(|event| {
            serde_json::to_string(event).unwrap_or_default().chars().take(width).collect::<String>()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn say(text: &str) -> AgentEvent {
        AgentEvent::Message { text: text.to_owned() }
    }

    fn report(ok: bool, reason: &str) -> AgentEvent {
        AgentEvent::Ended { ok, reason: reason.to_owned() }
    }

    fn failed(detail: &str) -> SessionEnd {
        SessionEnd::Failed { detail: detail.to_owned() }
    }

    #[test]
    fn a_plain_program_is_judged_by_its_exit_code() {
        let words = [say("一"), say("二")];
        let outcome = seen(Protocol::ExitCode, &words, &["a warning"]).outcome(exit(0), 12);
        assert_eq!(
            outcome,
            SessionOutcome {
                end: SessionEnd::Completed,
                usage: Usage::default(),
                last_message: Some("一\n二".to_owned()),
                refusals: Vec::new(),
                leftovers: 0,
                duration_ms: 12,
            }
        );
        let outcome = seen(Protocol::ExitCode, &[], &["first", "", "no `$(key)`"]).outcome(exit(3), 0);
        assert_eq!(outcome.end, failed("the program ended with exit code 3: first\nno `$(key)`"));
        assert_eq!(outcome.last_message, None);
        let killed = Gone { ended: Ended::ByItself(ExitStatus::from_raw(9)), leftovers: 0 };
        let outcome = seen(Protocol::ExitCode, &[], &[]).outcome(killed, 0);
        assert_eq!(outcome.end, failed("the program was ended by signal 9"));
    }

    #[test]
    fn a_reporting_program_needs_both_its_report_and_its_exit_code() {
        let end =
            |events: &[AgentEvent], code| seen(Protocol::Report, events, &[]).outcome(exit(code), 0).end;
        assert_eq!(end(&[report(true, "success")], 0), SessionEnd::Completed);
        assert_eq!(end(&[], 0), failed("the program ended without a result event"));
        assert_eq!(end(&[report(true, "success")], 1), failed("the program ended with exit code 1"));
        assert_eq!(end(&[report(false, "error_max_turns")], 1), failed("error_max_turns"));
        assert_eq!(end(&[report(false, "api_error")], 0), failed("api_error"));
    }

    #[test]
    fn who_was_stopped_is_not_judged() {
        let words = [say("almost"), say("there"), report(true, "success")];
        let gone = Gone { ended: Ended::TimedOut, leftovers: 2 };
        let outcome = seen(Protocol::Report, &words, &[]).outcome(gone, 5);
        assert_eq!((outcome.end, outcome.leftovers), (SessionEnd::TimedOut, 2));
        assert_eq!(outcome.last_message.as_deref(), Some("there"));
        let gone = Gone { ended: Ended::Stopped, leftovers: 0 };
        assert_eq!(seen(Protocol::ExitCode, &[], &[]).outcome(gone, 5).end, SessionEnd::Stopped);
    }

    #[test]
    fn last_words_are_bounded_by_whole_lines() {
        let long = "長".repeat(LAST_WORDS / 6);
        let words = [say("lost"), say(&long), say(&long), say("kept")];
        let outcome = seen(Protocol::ExitCode, &words, &[]).outcome(exit(0), 0);
        assert!(outcome.last_message == Some(format!("{long}\n{long}\nkept")));
    }

    #[test]
    fn usage_is_replaced_and_refusals_are_kept() {
        let usage = |tokens| Usage { input_tokens: Some(tokens), ..Usage::default() };
        let refused = |what: &str| AgentEvent::Refused { what: what.to_owned() };
        let events = [AgentEvent::Usage(usage(1)), refused("a"), AgentEvent::Usage(usage(5)), refused("b")];
        let outcome = seen(Protocol::ExitCode, &events, &[]).outcome(exit(0), 0);
        assert_eq!((outcome.usage, outcome.refusals), (usage(5), vec!["a".to_owned(), "b".to_owned()]));
    }
}
