//! Secrets are taken out of what attempts and writes came to, before it becomes an event.
//!
//! Everything from outside enters the log here: what agents said, what tools printed, what a forge answered.

use miyabi_core::event::EventBody;
use miyabi_core::failure::Failure;
use miyabi_core::redact::Redactor;
use miyabi_core::session::SessionEnd;

use crate::steps::Outcome;

/// The outcome without secrets.
pub(crate) fn outcome(redactor: &Redactor, outcome: Outcome) -> Outcome {
    match outcome {
        Ok(mut output) => {
            redactor.clean(&mut output);
            Ok(output)
        }
        Err(failure) => Err(self::failure(redactor, failure)),
    }
}

/// The failure without secrets.
pub(crate) fn failure(redactor: &Redactor, mut failure: Failure) -> Failure {
    clean_text(redactor, &mut failure.message);
    if let Some(hint) = &mut failure.hint {
        clean_text(redactor, hint);
    }
    redactor.clean(&mut failure.evidence);
    failure
}

/// The fact without secrets.
pub(crate) fn fact(redactor: &Redactor, mut fact: EventBody) -> EventBody {
    if let EventBody::SessionEnded(ended) = &mut fact {
        match &mut ended.end {
            SessionEnd::Failed { detail } | SessionEnd::NotStarted { detail, .. } => {
                clean_text(redactor, detail)
            }
            SessionEnd::Completed | SessionEnd::TimedOut | SessionEnd::Stalled | SessionEnd::Stopped => {}
        }
    }
    fact
}

fn clean_text(redactor: &Redactor, text: &mut String) {
    if let std::borrow::Cow::Owned(clean) = redactor.redact(text) {
        *text = clean;
    }
}
