//! A conversation with a model, from the task to a patch that fits.

use miyabi_core::model::{Ask, Route, Said, SaidEnd, Turn};
use miyabi_core::patch::{Patched, Reply, read_reply};
use miyabi_core::ports::SessionWatch;
use miyabi_core::redact::Redactor;
use miyabi_core::session::{AgentEvent, SessionEnd, SessionOutcome, SessionSpec, Usage, Wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

use super::files::{listed, named, that_fit};
use super::route::{Next, Way};
use super::{Desk, LlmOptions};
use crate::prompts::Prompts;
use crate::transcript::Transcript;

/// How often a model may answer before its patch fits.
const ROUNDS: u32 = 12;
/// Below this nobody can be shown anything, in tokens.
const LEAST_ROOM: usize = 1_000;

pub(super) struct Talk<'a> {
    spec: &'a SessionSpec,
    desk: &'a Desk,
    options: &'a LlmOptions,
    prompts: &'a Prompts,
    redactor: &'a Redactor,
    watch: &'a dyn SessionWatch,
    way: Way<'a>,
    /// How much is shown, in tokens.
    room: usize,
    /// What was said after the task.
    turns: Vec<Turn>,
    episode: Option<String>,
    /// The conversation at a gateway, or the last answer elsewhere: by this it is found on the other side.
    name: Option<String>,
    usage: Usage,
    refusals: Vec<String>,
    last_message: Option<String>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        spec: &'a SessionSpec,
        routes: &'a [Route],
        desk: &'a Desk,
        options: &'a LlmOptions,
        prompts: &'a Prompts,
        redactor: &'a Redactor,
        watch: &'a dyn SessionWatch,
    ) -> Self {
        Self {
            spec,
            desk,
            options,
            prompts,
            redactor,
            watch,
            way: Way::new(routes, options.pause),
            room: options.context_tokens,
            turns: Vec::new(),
            episode: None,
            name: None,
            usage: Usage::default(),
            refusals: Vec::new(),
            last_message: None,
        }
    }

    /// What it came to.
    pub(super) fn outcome(self, end: SessionEnd, duration_ms: u64) -> SessionOutcome {
        SessionOutcome {
            end,
            usage: self.usage,
            last_message: self.last_message,
            refusals: self.refusals,
            leftovers: 0,
            duration_ms,
        }
    }

    /// Talks until a patch fits, or there is the answer that was asked for.
    pub(super) async fn hold(&mut self, transcript: &mut Transcript) -> SessionEnd {
        match self.converse(transcript).await {
            Ok(()) => SessionEnd::Completed,
            Err(detail) => {
                transcript.write(format!("[miyabi: {detail}]\n").as_bytes()).await;
                SessionEnd::Failed { detail }
            }
        }
    }

    /// Errors: why there is nothing to be had.
    async fn converse(&mut self, transcript: &mut Transcript) -> Result<(), String> {
        for _ in 0..ROUNDS {
            let said = self.said(transcript).await?;
            if said.ended == SaidEnd::Refused {
                return Err("the model refused to go on".to_owned());
            }
            if self.spec.wanted != Wanted::Work {
                let whole = said.ended == SaidEnd::Whole;
                return if whole {
                    Ok(())
                } else {
                    Err("the answer was longer than an answer can be".to_owned())
                };
            }
            let mut again = json!({ "refused": [], "conflicts": [], "cut": said.ended == SaidEnd::Cut });
            let mut files = Vec::new();
            let reply = if said.ended == SaidEnd::Cut { Reply::Words } else { read_reply(&said.text) };
            let ours = match reply {
                Reply::Need(paths) => self.files(&paths, false).await?,
                Reply::Words => self.render("model-again", again)?,
                Reply::Patch(diff) => {
                    match self.apply(&diff).await? {
                        Patched::Applied(_) => return Ok(()),
                        Patched::Refused(why) => {
                            self.refused(&why);
                            again["refused"] = json!(why);
                        }
                        Patched::Conflicts(hunks) => {
                            files = self.named_by(&hunks).await;
                            again["conflicts"] = json!(hunks);
                        }
                    }
                    self.render("model-again", again)? + &self.files(&files, false).await?
                }
            };
            self.turns.push(Turn::Theirs(said.text));
            self.turns.push(Turn::Ours(ours));
        }
        Err(format!("after {ROUNDS} answers there was no patch that fits"))
    }

    async fn apply(&self, diff: &str) -> Result<Patched, String> {
        self.watch.event(&AgentEvent::ToolStarted { tool: "patch".to_owned(), detail: String::new() });
        let patched = self.desk.patches.apply(&self.spec.worktree, diff, &self.options.rules).await;
        let ok = matches!(patched, Ok(Patched::Applied(_)));
        self.watch.event(&AgentEvent::ToolEnded { ok });
        patched.map_err(|failure| failure.message)
    }

    fn refused(&mut self, why: &[String]) {
        for what in why {
            self.watch.event(&AgentEvent::Refused { what: what.clone() });
            self.refusals.push(what.clone());
        }
    }

    /// The files of the checkout that hunks are about: they are shown as they are.
    async fn named_by(&self, hunks: &[String]) -> Vec<String> {
        let paths = self.desk.patches.files(&self.spec.worktree).await.unwrap_or_default();
        let named = |path: &String| hunks.iter().any(|hunk| hunk.starts_with(&format!("{path}:")));
        paths.into_iter().filter(named).collect()
    }

    /// The next answer, from whomever it can be had.
    async fn said(&mut self, transcript: &mut Transcript) -> Result<Said, String> {
        loop {
            let route = self.way.route().ok_or("there is no model to be asked")?;
            let ask = self.ask().await?;
            let words = ask.turns.last().map(|(Turn::Ours(text) | Turn::Theirs(text))| text.as_str());
            transcript
                .write(format!("[miyabi asks {route}]\n{}\n", words.unwrap_or_default()).as_bytes())
                .await;
            let fault = match self.desk.models.ask(route, &ask).await {
                Ok(said) => return Ok(self.heard(route, said, transcript).await),
                Err(fault) => fault,
            };
            let detail = self.redactor.redact(&fault.to_string()).into_owned();
            transcript.write(format!("[{route}: {detail}]\n").as_bytes()).await;
            match self.way.after(&fault) {
                Next::Again(wait) => {
                    self.watch.event(&AgentEvent::Waiting { reason: format!("{route}: {detail}") });
                    tokio::time::sleep(wait).await;
                }
                Next::Other => {
                    self.watch.event(&AgentEvent::Waiting { reason: format!("{route}: {detail}") })
                }
                Next::Less if self.room / 2 >= LEAST_ROOM => self.room /= 2,
                Next::Less | Next::Nobody => return Err(format!("{route}: {detail}")),
            }
        }
    }

    async fn heard(&mut self, route: &Route, said: Said, transcript: &mut Transcript) -> Said {
        self.way.answered();
        self.episode = said.episode.clone().or_else(|| self.episode.take());
        let name = self.episode.clone().or_else(|| said.response.clone());
        if let Some(session) = name.filter(|name| self.name.as_ref() != Some(name)) {
            self.watch.event(&AgentEvent::Named { session: session.clone() });
            self.name = Some(session);
        }
        let text = self.redactor.redact(&said.text).into_owned();
        let ids = said.response.as_deref().unwrap_or("no id");
        transcript.write(format!("[{route} answers, {ids}]\n{text}\n").as_bytes()).await;
        self.usage = sum(self.usage, said.usage);
        self.watch.event(&AgentEvent::Usage(self.usage));
        self.watch.event(&AgentEvent::Message { text: text.clone() });
        self.last_message = Some(text.clone());
        Said { text, ..said }
    }

    /// The whole conversation, without secrets.
    async fn ask(&self) -> Result<Ask, String> {
        let schema = match &self.spec.wanted {
            Wanted::Json(schema) => Some(schema),
            Wanted::Words | Wanted::Work => None,
        };
        let values = json!({ "schema": schema, "words": self.spec.wanted == Wanted::Words });
        let system = self.render("model", values)?;
        let paths = self.desk.patches.files(&self.spec.worktree).await.map_err(|failure| failure.message)?;
        let task =
            format!("{}{}", self.spec.prompt, self.files(&named(&self.spec.prompt, &paths), true).await?);
        let task = Turn::Ours(task);
        let turns = std::iter::once(&task).chain(&self.turns).map(|turn| match turn {
            Turn::Ours(text) => Turn::Ours(self.redactor.redact(text).into_owned()),
            Turn::Theirs(text) => Turn::Theirs(text.clone()),
        });
        let tags = [("run", self.spec.run.as_str()), ("step", self.spec.step.as_str())];
        let quiet = if self.spec.stall_secs == 0 { u64::MAX } else { self.spec.stall_secs };
        Ok(Ask {
            turns: turns.collect(),
            system,
            tags: BTreeMap::from(tags.map(|(name, value)| (format!("miyabi_{name}"), value.to_owned()))),
            episode: self.episode.clone(),
            answer_tokens: self.options.answer_tokens,
            quiet: Duration::from_secs(quiet),
        })
    }

    /// These files as they are now, and, at first, the list of all.
    async fn files(&self, wanted: &[String], with_list: bool) -> Result<String, String> {
        let failed = |failure: miyabi_core::failure::Failure| failure.message;
        let all = self.desk.patches.files(&self.spec.worktree).await.map_err(failed)?;
        let (paths, hidden) = if with_list { listed(&all, self.room) } else { (&[][..], 0) };
        let mut texts = Vec::with_capacity(wanted.len());
        for path in wanted {
            // Only what is part of the work: ignored files may hold anything.
            let text = match all.binary_search(path) {
                Ok(_) => self.desk.patches.text(&self.spec.worktree, path).await,
                Err(_) => None,
            };
            texts.push((path.clone(), text));
        }
        let (files, missing) = that_fit(texts, self.room);
        let values = json!({ "paths": paths, "hidden": hidden, "files": files, "missing": missing });
        self.render("model-files", values)
    }

    fn render(&self, template: &str, mut values: Value) -> Result<String, String> {
        // Nobody who wrote a file of the checkout knew the session's name.
        let name = self.spec.session.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        values["fence"] = Value::String(format!("data-of-{name}"));
        self.prompts.render(template, &values).map_err(|error| error.to_string())
    }
}

fn sum(so_far: Usage, more: Usage) -> Usage {
    fn add<T: std::ops::Add<Output = T>>(a: Option<T>, b: Option<T>) -> Option<T> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        }
    }
    Usage {
        input_tokens: add(so_far.input_tokens, more.input_tokens),
        output_tokens: add(so_far.output_tokens, more.output_tokens),
        cost_usd: add(so_far.cost_usd, more.cost_usd),
        turns: add(so_far.turns, Some(1)),
    }
}
