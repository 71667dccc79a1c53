//! Answers to open questions: from comments, and from what people did with the change itself.

use miyabi_core::autonomy;
use miyabi_core::event::{Answer, Escalation, EventBody};
use miyabi_core::issue::ChangeState;
use miyabi_core::plan::{Uses, Work};
use miyabi_core::ports::RunRow;
use miyabi_core::run::Run;
use miyabi_core::standing::{Remark, Standing};
use miyabi_core::trigger::Command;

use super::Site;
use crate::error::CliError;

const APPROVE: &str = "approve_anyway";
const FIX: &str = "manual_fix";
const REJECT: &str = "reject";
const REWORK: &str = "rework";

/// Answers the open question of a run as a comment says; the id of the question may stand before the note.
/// Says why not, where it cannot be.
pub(super) async fn by_comment(
    site: &Site,
    row: &RunRow,
    command: Command,
    note: &str,
    actor: &str,
) -> Result<Option<String>, CliError> {
    let action = match command {
        Command::Approve => APPROVE,
        Command::Reject => REJECT,
        _ => FIX,
    };
    answer(site, row, action, note, actor).await
}

/// Another attempt: the answer that has the step looked at again.
pub(super) async fn again(
    site: &Site,
    row: &RunRow,
    note: &str,
    actor: &str,
) -> Result<Option<String>, CliError> {
    answer(site, row, FIX, note, actor).await
}

async fn answer(
    site: &Site,
    row: &RunRow,
    action: &str,
    note: &str,
    actor: &str,
) -> Result<Option<String>, CliError> {
    let Some(run) = site.home.engine(None).read(&row.id).await? else {
        return Ok(Some("the run is gone".to_owned()));
    };
    let (first, rest) = note.split_once(char::is_whitespace).unwrap_or((note, ""));
    let named = run.questions.get(first);
    let (question, note) = match (named, run.questions.len()) {
        (Some(question), _) => (question, rest),
        (None, 0) => return Ok(Some(format!("run {} asks nothing just now", row.number))),
        (None, 1) => match run.questions.values().next() {
            Some(question) => (question, note),
            None => return Ok(None),
        },
        (None, _) => {
            let ids: Vec<_> = run.questions.keys().map(ToString::to_string).collect();
            return Ok(Some(format!(
                "run {} asks several things: name one of {}",
                row.number,
                ids.join(", ")
            )));
        }
    };
    if !takes(question, action) {
        let ids: Vec<_> = question.actions.iter().map(|action| action.id.as_str()).collect();
        return Ok(Some(format!("question {} takes {}", question.id, ids.join(", "))));
    }
    let given = answer_of(action, actor, "comment", note.trim());
    if let Err(why) = run.may_answer(&question.id, &given) {
        return Ok(Some(why));
    }
    give(site, row, question, given).await?;
    Ok(None)
}

/// What people did with the change says what they answer to the question whether to merge it.
pub(super) async fn by_standing(
    site: &Site,
    row: &RunRow,
    run: &Run,
    standing: &Standing,
    actor: &str,
) -> Result<(), CliError> {
    let of_change = |question: &&Escalation| {
        run.step(&question.step)
            .is_some_and(|state| matches!(state.step.work, Work::Uses(Uses::Change | Uses::Ci)))
    };
    let Some(question) = run.questions.values().find(of_change) else { return Ok(()) };
    let by = standing.by.as_deref().unwrap_or(actor);
    match standing.state {
        ChangeState::Merged if takes(question, APPROVE) => {
            give(site, row, question, answer_of(APPROVE, by, autonomy::MERGED, "")).await
        }
        ChangeState::Closed if takes(question, REJECT) => {
            give(site, row, question, answer_of(REJECT, by, "change closed", "")).await
        }
        ChangeState::Open if !standing.remarks.is_empty() && takes(question, REWORK) => {
            let lines: Vec<_> = standing.remarks.iter().map(Remark::line).collect();
            // One paragraph a remark: a line break within would make two findings of it.
            let lines: Vec<_> =
                lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            let by = &standing.remarks[0].by;
            give(site, row, question, answer_of(REWORK, by, "review", &lines.join("\n"))).await
        }
        _ => Ok(()),
    }
}

fn takes(question: &Escalation, action: &str) -> bool {
    question.actions.iter().any(|known| known.id == action)
}

fn answer_of(action: &str, by: &str, from: &str, note: &str) -> Answer {
    Answer {
        action: action.to_owned(),
        by: by.to_owned(),
        from: from.to_owned(),
        note: note.to_owned(),
        tasks: Vec::new(),
    }
}

async fn give(site: &Site, row: &RunRow, question: &Escalation, answer: Answer) -> Result<(), CliError> {
    let fact = EventBody::EscalationAnswered { escalation: question.id.clone(), answer };
    site.tell(row, fact).await
}
