//! The wait for the forge: CI on the reviewed commit, and people who review, merge or close the change.
//!
//! Each attempt looks once. What is not there yet is a `Pending` failure, and the policy says when to look again; so
//! nothing has to be alive while CI runs, and a delivery that was missed costs time only.

use jiff::{SignedDuration, Timestamp};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::CommitId;
use miyabi_core::issue::ChangeState;
use miyabi_core::standing::{Ci, Remark, Standing};
use serde_json::json;

use super::{Job, Outcome, Working, ready};
use crate::World;

/// Looks how the open change stands.
pub(super) fn ci(world: World, job: &Job<'_>) -> Working {
    let run = job.run;
    let Some(change) = run.change().and_then(|receipt| receipt.change) else {
        return ready(Err(Failure::new(FailureClass::Input, "there is no open change to wait for")));
    };
    let Some(commit) = run.report().map(|report| report.commit) else {
        return ready(Err(Failure::new(FailureClass::Input, "there is no quality report")));
    };
    let since = job.state.started_at.unwrap_or(run.last_at);
    let grace = SignedDuration::from_secs(i64::try_from(run.policy().ci_grace_secs).unwrap_or(i64::MAX));
    let silent_until = since.saturating_add(grace).unwrap_or(Timestamp::MAX);
    Box::pin(async move {
        let standing = world.forge.standing(change, &commit).await?;
        let gone = || Failure::new(FailureClass::Input, format!("change #{change} is gone"));
        outcome(standing.ok_or_else(gone)?, &commit, world.clock.now() >= silent_until)
    })
}

fn outcome(standing: Standing, commit: &CommitId, silent_for_long: bool) -> Outcome {
    match standing.state {
        ChangeState::Merged => return Ok(json!({ "ci": "merged already", "by": standing.by })),
        ChangeState::Closed => {
            let by = standing.by.unwrap_or_else(|| "somebody".to_owned());
            return Err(Failure::new(
                FailureClass::Rejected,
                format!("{by} closed the change without merging it"),
            ));
        }
        ChangeState::Open => {}
    }
    if standing.head != *commit {
        let why = format!("somebody pushed {} to the change, and {commit} was reviewed", standing.head);
        return Err(Failure::new(FailureClass::Permanent, why)
            .hint("merge the change yourself, or run the issue again to have all of it reviewed"));
    }
    if !standing.remarks.is_empty() {
        let lines: Vec<_> = standing.remarks.iter().map(Remark::line).collect();
        return Err(
            Failure::new(FailureClass::ChangesRequested, "reviewers ask for changes").evidence(json!(lines))
        );
    }
    match standing.ci {
        Ci::NotConfigured => Ok(json!({ "ci": "not configured: the review ran the checks itself" })),
        Ci::Absent if silent_for_long => {
            Ok(json!({ "ci": "nothing reported: the review ran the checks itself" }))
        }
        Ci::Absent => Err(Failure::new(FailureClass::Pending, "CI has reported nothing yet")),
        Ci::Pending { names } => {
            Err(Failure::new(FailureClass::Pending, format!("CI goes on: {}", names.join(", "))))
        }
        Ci::Passed { names } => Ok(json!({ "ci": "passed", "checks": names })),
        Ci::Failed { failures } => {
            Err(Failure::new(FailureClass::CiFailed, "CI failed on the change").evidence(json!(failures)))
        }
    }
}
