//! Errors at the edge: one type with kind, chain and hints; one place that turns it into text and exit code.

use std::io;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::StoreError;
use miyabi_engine::EngineError;
use serde_json::json;

use crate::exit::{self, Exit};
use crate::output::clean::{clean_line, clean_text};

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct CliError {
    exit: Exit,
    /// What failed, then its causes.
    chain: Vec<String>,
    /// What to do, and whatever helps to do it.
    hints: Vec<String>,
}

impl CliError {
    /// An error that ends the command with this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, chain: vec![message.into()], hints: Vec::new() }
    }

    /// What the user gave cannot be used.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(exit::INPUT, message)
    }

    /// The same with a cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.chain.push(cause.into());
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// A file could not be read or written.
    pub fn file(doing: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => exit::UNAVAILABLE,
            _ => exit::INPUT,
        };
        Self::new(exit, format!("{doing} `{}`", path.display())).because(error.to_string())
    }

    /// Whether the same may work later without anybody doing anything.
    pub fn may_pass(&self) -> bool {
        self.exit == exit::UNAVAILABLE
    }

    /// What failed and why, on one line.
    pub fn summary(&self) -> String {
        clean_line(&self.chain.join(": "))
    }

    /// The exit code that it ends the command with.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether there is nobody left to tell.
    pub fn is_quiet(&self) -> bool {
        self.exit == exit::BROKEN_PIPE
    }

    /// The error for people: what failed, why, and what to do; ends with a line break.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (n, message) in self.chain.iter().enumerate() {
            let label = if n == 0 { "error" } else { "  caused by" };
            text.push_str(&format!("{label}: {}\n", indented(message)));
        }
        for hint in &self.hints {
            text.push_str(&format!("hint: {}\n", indented(hint)));
        }
        text
    }

    /// The error for programs: one JSON object on one line.
    pub fn to_json(&self) -> String {
        let value = json!({
            "error": { "kind": self.exit.name, "exit": self.exit.code, "message": self.chain.first(),
                       "causes": self.chain.get(1..).unwrap_or_default(), "hints": self.hints },
        });
        format!("{value}\n")
    }
}

/// Untrusted text never moves the cursor; further lines stand under the first one.
fn indented(text: &str) -> String {
    match text.trim_end().contains('\n') {
        true => clean_text(text.trim_end()).replace('\n', "\n    "),
        false => clean_line(text),
    }
}

/// The exit code that fits a failure which ended a command.
fn exit_of(class: FailureClass) -> Exit {
    match class {
        FailureClass::Input => exit::INPUT,
        FailureClass::DirtyCheckout => exit::INPUT,
        FailureClass::Transient
        | FailureClass::Pending
        | FailureClass::Unavailable
        | FailureClass::Exhausted => exit::UNAVAILABLE,
        FailureClass::Internal => exit::BUG,
        FailureClass::Permanent
        | FailureClass::TimedOut
        | FailureClass::NoChanges
        | FailureClass::ChecksFailed
        | FailureClass::CiFailed
        | FailureClass::ChangesRequested
        | FailureClass::Conflict
        | FailureClass::BaseMoved
        | FailureClass::AgentFailed
        | FailureClass::BadAnswer
        | FailureClass::Budget
        | FailureClass::Rejected
        | FailureClass::Cancelled => exit::FAILED,
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        let mut error = Self::new(exit_of(failure.class), failure.message);
        error.hints.extend(failure.hint);
        if failure.class == FailureClass::Internal {
            error.hints.push(
                "this is a bug of miyabi; please report it with the output of `miyabi doctor`".to_owned(),
            );
        }
        error
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoRun(run) => {
                Self::input(format!("there is no run `{run}`")).hint("`miyabi status` lists the runs")
            }
            StoreError::Behind { .. } => Self::new(exit::UNAVAILABLE, error.to_string())
                .hint("another miyabi wrote to the run at the same time; try again"),
            StoreError::Broken(failure) => failure.into(),
        }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            other => Failure::caused(FailureClass::Internal, &other).into(),
        }
    }
}

impl From<io::Error> for CliError {
    /// Only for what is written to the standard output.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(exit::BROKEN_PIPE, "the standard output was closed"),
            _ => Self::new(exit::UNAVAILABLE, "write to the standard output").because(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_exit_code() {
        let table = [
            (FailureClass::Input, 1),
            (FailureClass::DirtyCheckout, 1),
            (FailureClass::ChecksFailed, 10),
            (FailureClass::NoChanges, 10),
            (FailureClass::AgentFailed, 10),
            (FailureClass::TimedOut, 10),
            (FailureClass::Conflict, 10),
            (FailureClass::BaseMoved, 10),
            (FailureClass::BadAnswer, 10),
            (FailureClass::Rejected, 10),
            (FailureClass::Cancelled, 10),
            (FailureClass::Permanent, 10),
            (FailureClass::Transient, 20),
            (FailureClass::Unavailable, 20),
            (FailureClass::Exhausted, 20),
            (FailureClass::Internal, 70),
        ];
        for (class, code) in table {
            assert_eq!(CliError::from(Failure::new(class, "x")).exit().code, code, "{class:?}");
        }
        let pipe = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((pipe.exit().code, pipe.is_quiet()), (3, true));
        let stuck = CliError::from(EngineError::Stuck("r".into()));
        assert_eq!(stuck.exit().code, 70);
    }

    #[test]
    fn errors_are_shown_with_causes_and_hints_and_without_escapes() {
        let error = CliError::input("open \u{1b}[31m`認証`").because("no such\nfile").hint("make it: `$(x)`");
        assert_eq!(
            error.render(),
            "error: open `認証`\n  caused by: no such\n    file\nhint: make it: `$(x)`\n"
        );
        assert_eq!(
            CliError::input("a").hint("b").to_json(),
            "{\"error\":{\"causes\":[],\"exit\":1,\"hints\":[\"b\"],\"kind\":\"user or settings error\",\"message\":\"a\"}}\n"
        );
    }
}
