//! Questions at the terminal where a run is driven: answered there, or left open for any other way to answer.

use std::io::BufRead as _;

use jiff::SignedDuration;
use miyabi_core::event::{Answer, Escalation, EscalationAction, EventBody};
use miyabi_core::ids::RunId;
use miyabi_core::run::Run;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::output::clean::{clean_line, short};
use crate::output::screen;
use crate::starting::actor;
use crate::wiring::Home;

/// How often is looked whether somebody else was faster.
const LOOK: SignedDuration = SignedDuration::from_secs(1);
/// The variable that every agent has, and what it starts.
const SESSION: &str = "MIYABI_SESSION";

/// Lines of the terminal. One reader for the whole command: a read that has begun cannot be taken back.
pub struct Terminal {
    lines: mpsc::UnboundedReceiver<String>,
}

impl Terminal {
    /// The terminal, if somebody can be asked there.
    pub fn of(context: &Context) -> Option<Self> {
        (context.can_ask() && context.var(SESSION).is_none()).then(|| {
            let (sender, lines) = mpsc::unbounded_channel();
            std::thread::spawn(move || {
                for line in std::io::stdin().lock().lines() {
                    if !line.is_ok_and(|line| sender.send(line).is_ok()) {
                        break;
                    }
                }
            });
            Self { lines }
        })
    }

    /// Asks every open question of this run. Says whether one was answered, here or elsewhere.
    pub async fn ask(
        &mut self,
        context: &Context,
        home: &Home,
        run: &RunId,
        interrupt: &Interrupt,
    ) -> Result<bool, CliError> {
        let Some(state) = home.engine(None).read(run).await? else { return Ok(false) };
        let mut answered = false;
        for question in state.questions.values() {
            answered |= self.one(context, home, run, question, interrupt).await?;
        }
        Ok(answered)
    }

    async fn one(
        &mut self,
        context: &Context,
        home: &Home,
        run: &RunId,
        question: &Escalation,
        interrupt: &Interrupt,
    ) -> Result<bool, CliError> {
        // What was typed before the question was shown does not answer it.
        while self.lines.try_recv().is_ok() {}
        let choices = choices(question);
        screen::write_above(&prompt(question, &choices));
        loop {
            let line = tokio::select! {
                line = self.lines.recv() => line,
                () = gone(home, run, question) => {
                    context.output.note(&format!("question {} was answered elsewhere", question.id));
                    return Ok(true);
                }
                () = interrupt.stop() => return Ok(false),
            };
            let Some(line) = line.filter(|line| !line.trim().is_empty()) else { return Ok(false) };
            let Some((action, note)) = choice(&choices, &line) else {
                context.output.note(&format!("that is none of them: {}", short(&line, 60)));
                screen::write_above(&prompt(question, &choices));
                continue;
            };
            let answer = Answer {
                action: action.to_owned(),
                by: actor(context, &home.root).await,
                from: "terminal".to_owned(),
                note: note.to_owned(),
                tasks: Vec::new(),
            };
            match give(home, context, run, question, answer).await {
                Ok(()) => return Ok(true),
                Err(error) => context.output.error(&error),
            }
            screen::write_above(&prompt(question, &choices));
        }
    }
}

/// Records an answer to a question of this run.
///
/// Errors: it is answered already, takes another answer, somebody else has to approve, or an agent answers.
pub async fn give(
    home: &Home,
    context: &Context,
    run: &RunId,
    question: &Escalation,
    answer: Answer,
) -> Result<(), CliError> {
    if context.var(SESSION).is_some() {
        return Err(CliError::input("questions are for people, and this is an agent's session")
            .hint("answer from a terminal of your own"));
    }
    let gone = || {
        CliError::input(format!("question {} is not open any more", question.id))
            .hint("`miyabi escalation list` shows the open ones")
    };
    let engine = home.engine(None);
    let state: Run = engine.read(run).await?.ok_or_else(gone)?;
    if !state.questions.contains_key(&question.id) {
        return Err(gone());
    }
    if let Err(why) = state.may_answer(&question.id, &answer) {
        return Err(
            CliError::input(why).hint("`policy.approvers` and `policy.guarded_approvers` say who may")
        );
    }
    let fact = EventBody::EscalationAnswered { escalation: question.id.clone(), answer };
    engine.tell(run, &[fact]).await.map_err(|error| match error {
        miyabi_engine::EngineError::Log(_) => gone(),
        other => other.into(),
    })
}

/// Becomes ready when the question is not open any more.
async fn gone(home: &Home, run: &RunId, question: &Escalation) {
    loop {
        let next = home.clock.now().saturating_add(LOOK).unwrap_or(jiff::Timestamp::MAX);
        home.clock.sleep_until(next).await;
        let state = home.engine(None).read(run).await;
        if state.is_ok_and(|state| state.is_none_or(|run| !run.questions.contains_key(&question.id))) {
            return;
        }
    }
}

/// What can be answered with a word; a changed plan needs a file.
fn choices(question: &Escalation) -> Vec<&EscalationAction> {
    question.actions.iter().filter(|action| action.id != "modify").collect()
}

fn prompt(question: &Escalation, choices: &[&EscalationAction]) -> String {
    let mut text = format!("\nanswer {} here, with a note behind it if you like:\n", question.id);
    for (number, action) in choices.iter().enumerate() {
        text.push_str(&format!("  {} {:<16} {}\n", number + 1, action.id, clean_line(&action.label)));
    }
    text + "a number or a name; Enter leaves it open: "
}

/// The action that a line begins with, by its number or name, and the rest of the line.
fn choice<'a>(choices: &[&'a EscalationAction], line: &'a str) -> Option<(&'a str, &'a str)> {
    let line = line.trim();
    let (word, note) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let by_number = word.parse::<usize>().ok().and_then(|number| choices.get(number.checked_sub(1)?));
    let action = by_number.or_else(|| choices.iter().find(|action| action.id.eq_ignore_ascii_case(word)))?;
    Some((action.id.as_str(), note.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_action_and_a_note() {
        let action = |id: &str| EscalationAction { id: id.to_owned(), label: String::new() };
        let (approve, rework) = (action("approve_anyway"), action("rework"));
        let choices = [&approve, &rework];
        assert_eq!(choice(&choices, "1"), Some(("approve_anyway", "")));
        assert_eq!(choice(&choices, " 2  短い 名前 please "), Some(("rework", "短い 名前 please")));
        assert_eq!(choice(&choices, "REWORK"), Some(("rework", "")));
        for wrong in ["0", "3", "-1", "approve", "yes", "99999999999999999999"] {
            assert_eq!(choice(&choices, wrong), None, "{wrong}");
        }
    }
}
