//! Facts of an agent's step: looked up at the forge when an attempt begins, and put over what its agent says of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::cast::{AnswerKind, Brief};
use miyabi_core::facts::{Asked, ChangeFacts, CiFacts, CiState, Fact, Judgements, ReviewFacts, linked};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{ChangeNumber, CommitId, StepId};
use miyabi_core::issue::{Change, Issue};
use miyabi_core::plan::OnFailure;
use miyabi_core::run::{Run, StepState};
use miyabi_core::view::Verified;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Outcome;
use crate::World;

/// Facts by their names.
pub(super) type Facts = Map<String, Value>;

/// What is to be looked up for an attempt.
pub(super) struct Wanted {
    facts: Vec<Fact>,
    change: Option<ChangeNumber>,
    /// The issue that the run is about, as it was when it began.
    issue: Option<Issue>,
    /// Until when checks that go on are waited for.
    patient_until: Timestamp,
    /// Until when checks are waited for that nobody told of.
    silent_until: Timestamp,
}

impl Wanted {
    /// What the agent of the step wants to be looked up.
    pub(super) fn of(run: &Run, state: &StepState, brief: &Brief) -> Self {
        let policy = run.policy();
        let since = state.started_at.unwrap_or(run.last_at);
        let after = |secs: u64| {
            let secs = SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX));
            since.saturating_add(secs).unwrap_or(Timestamp::MAX)
        };
        let patience = state.step.timeout_secs.or(brief.timeout_secs).unwrap_or(policy.ci_deadline_secs);
        Self {
            facts: brief.facts.clone(),
            change: run.change_at_hand(),
            issue: Some(run.started.issue.clone()).filter(|issue| issue.number > 0),
            patient_until: after(patience),
            silent_until: after(policy.ci_grace_secs.min(patience)),
        }
    }

    /// Looks it up. Errors: `Pending` while CI goes on and there is patience left; `Input` when there is no such change.
    pub(super) async fn look_up(&self, world: &World) -> Result<Facts, Failure> {
        let mut facts = Facts::new();
        if self.facts.is_empty() {
            return Ok(facts);
        }
        let Some(number) = self.change else {
            return match (&self.issue, self.facts.as_slice()) {
                (Some(issue), [Fact::Requirements]) => {
                    let link = miyabi_core::facts::Link { issue: issue.number, closes: false };
                    put(&mut facts, Fact::Requirements, &Asked::of(None, &[(link, Some(issue.clone()))]))?;
                    Ok(facts)
                }
                _ => Err(no_change("the payload names no change")),
            };
        };
        let survey = world.forge.survey(number, &self.facts).await?;
        let survey = survey.ok_or_else(|| no_change(&format!("there is no change #{number}")))?;
        for fact in &self.facts {
            match fact {
                Fact::Change => put(&mut facts, *fact, &ChangeFacts::of(&survey))?,
                Fact::Requirements => put(&mut facts, *fact, &asked(world, &survey.change).await?)?,
                Fact::Reviews => put(&mut facts, *fact, &ReviewFacts::of(&survey))?,
                Fact::Ci => {
                    let ci = CiFacts::of(&survey);
                    self.wait_for(&ci, world.clock.now())?;
                    put(&mut facts, *fact, &ci)?;
                }
            }
        }
        Ok(facts)
    }

    /// Errors: `Pending` while it is worth to look again.
    fn wait_for(&self, ci: &CiFacts, now: Timestamp) -> Result<(), Failure> {
        let why = match ci.state {
            CiState::Pending if now < self.patient_until => {
                let goes_on = |check: &&miyabi_core::facts::CiCheck| check.state.as_str() == "pending";
                let names: Vec<_> =
                    ci.checks.iter().filter(goes_on).map(|check| check.name.as_str()).collect();
                format!("CI goes on: {}", names.join(", "))
            }
            CiState::None if now < self.silent_until => "CI has reported nothing yet".to_owned(),
            _ => return Ok(()),
        };
        Err(Failure::new(FailureClass::Pending, why))
    }
}

fn no_change(why: &str) -> Failure {
    Failure::new(FailureClass::Input, format!("look up facts about a change: {why}"))
        .hint("an agent with `facts` needs a payload with `pull_request.number`, of a change that is there")
}

/// What the change and the issues that it names ask for.
async fn asked(world: &World, change: &Change) -> Result<Asked, Failure> {
    let mut issues = Vec::new();
    for link in linked(change) {
        issues.push((link, world.forge.issue(link.issue).await?));
    }
    Ok(Asked::of(Some(change), &issues))
}

fn put(facts: &mut Facts, fact: Fact, value: &impl Serialize) -> Result<(), Failure> {
    let value =
        serde_json::to_value(value).map_err(|error| Failure::caused(FailureClass::Internal, &error))?;
    facts.insert(fact.as_str().to_owned(), value);
    Ok(())
}

/// What is made of an agent's answer.
pub(super) struct Sift {
    kind: Option<AnswerKind>,
    agent: String,
    wants_facts: bool,
    /// The commit whose files the agent had before it.
    commit: CommitId,
    /// What a report is made of, for an agent that sums it up.
    verified: Option<Verified>,
    step: StepId,
    /// Whether another attempt follows if this one fails.
    is_tried_again: bool,
    /// Why nobody sums the report up.
    unsummed: Option<String>,
}

impl Sift {
    /// What will be made of the answer of the step's agent.
    pub(super) fn of(run: &Run, state: &StepState, agent: &str, brief: &Brief) -> Self {
        let sums_up = brief.answer == Some(AnswerKind::Summary);
        Self {
            kind: brief.answer,
            agent: agent.to_owned(),
            wants_facts: !brief.facts.is_empty(),
            commit: run.started.base_commit.clone(),
            verified: sums_up.then(|| Verified::of(run, state, run.change_at_hand())),
            step: state.step.id.clone(),
            is_tried_again: state.step.on_failure == OnFailure::Retry
                && state.attempt <= state.step.max_retries,
            unsummed: None,
        }
    }

    /// A report is what was looked up: one that its agent fails to sum up is made without its words, and says why. Errors:
    /// the failure, where there is no such report, or where it is none of the agent's own.
    pub(super) fn without_words(&mut self, failure: Failure) -> Result<(), Failure> {
        use FailureClass::{AgentFailed, BadAnswer, TimedOut};
        let is_its_own = matches!(failure.class, AgentFailed | BadAnswer | TimedOut);
        if self.verified.is_none() || self.is_tried_again || !is_its_own {
            return Err(failure);
        }
        self.unsummed = Some(failure.message);
        Ok(())
    }

    /// The output of the step; no answer: nobody was asked. What stands under `facts` is what was looked up, whatever the
    /// agent wrote there.
    pub(super) async fn output(self, world: &World, answer: Option<Value>, facts: Facts) -> Outcome {
        let is_asked = answer.is_some();
        let mut output = match (answer, self.kind) {
            (Some(answer), Some(AnswerKind::Judgements)) => self.judged(world, &answer, &facts).await?,
            (answer, Some(AnswerKind::Summary)) => {
                let summary = answer.as_ref().and_then(|answer| answer["summary"].as_str());
                let said = summary.map(|text| (self.agent.as_str(), text));
                let found = self.verified.map(|found| found.or(&facts));
                match self.unsummed {
                    Some(why) => {
                        let found = found.map(|found| found.unsummed(&self.step, &self.agent, &why));
                        let body = found.map(|found| found.comment(None));
                        json!({ "summary": null, "body": body, "failure": why })
                    }
                    None => json!({ "summary": summary, "body": found.map(|found| found.comment(said)) }),
                }
            }
            (Some(answer), _) => answer,
            (None, _) => Value::Object(Map::new()),
        };
        if !output.is_object() && self.wants_facts {
            output = json!({ "text": output });
        }
        if let Value::Object(fields) = &mut output {
            fields.remove("facts");
            if self.wants_facts || !is_asked {
                fields.insert("facts".to_owned(), Value::Object(facts));
            }
        }
        Ok(output)
    }

    /// Judgements, held against the requirements and against the files of the checkout.
    async fn judged(&self, world: &World, answer: &Value, facts: &Facts) -> Outcome {
        let bad = |error: serde_json::Error| Failure::caused(FailureClass::BadAnswer, &error);
        let said = Judgements::deserialize(answer).map_err(bad)?;
        let asked = facts.get(Fact::Requirements.as_str());
        let asked = asked.ok_or_else(|| bad(serde_json::Error::custom("nothing was asked for")))?;
        let asked = Asked::deserialize(asked).map_err(bad)?;
        let paths = said.paths();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let texts = world.worktrees.texts(&self.commit, &paths).await?;
        let lines: BTreeMap<String, usize> =
            texts.into_iter().map(|(path, text)| (path, text.lines().count())).collect();
        let judged = said.judged(&asked, &lines);
        serde_json::to_value(judged).map_err(|error| Failure::caused(FailureClass::Internal, &error))
    }
}
