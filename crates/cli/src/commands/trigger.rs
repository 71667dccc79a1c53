//! `miyabi trigger`: the rules that start runs, and what they would make of a delivery.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::HeaderMap;
use miyabi_core::delivery::{DeliveryKey, Provider, Verdict};
use miyabi_core::trigger::{
    Conditions, Need, On, Rule, RuleNote, RuleOutcome, TriggerSettings, wanted, weigh,
};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::clean::{clean_line, short};
use crate::output::text;
use crate::wiring::{Access, Home};
use crate::{payload, triggers};

/// List, add and try the rules that start runs
#[derive(Debug, Args)]
pub struct TriggerArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with rules.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List the rules in the order in which they are tried, and where each comes from
    List,
    /// Add a rule to the repository's own, which are tried first
    Add(Box<AddArgs>),
    /// Take a rule out of the repository's own
    Remove {
        /// Its name
        name: String,
    },
    /// Say what every rule makes of a delivery, and do nothing
    ///
    /// What is looked up at the forge (permissions, reviews, CI) is named and not asked.
    Test {
        /// The id of a delivery that was received, or a file with a payload
        #[arg(value_name = "DELIVERY|FILE", required_unless_present = "payload", conflicts_with = "payload")]
        what: Option<String>,
        /// A file with a payload
        #[arg(long, value_name = "FILE")]
        payload: Option<String>,
        /// The event of a payload in a file, such as `issues` or `pull_request.opened`
        #[arg(long, value_name = "EVENT", default_value = "issues")]
        event: String,
    },
}

/// Add a rule to the repository's own, which are tried first
#[derive(Debug, Args)]
pub struct AddArgs {
    /// What people call it
    pub name: String,
    /// A label that starts it; may be given several times
    #[arg(long = "label", value_name = "LABEL", conflicts_with = "comment")]
    pub labels: Vec<String>,
    /// A comment that commands a run starts it
    #[arg(long)]
    pub comment: bool,
    /// An event that starts it, such as `pull_request.opened` or `push`; may be given several times
    #[arg(long = "event", value_name = "EVENT", conflicts_with_all = ["comment", "labels", "at"])]
    pub events: Vec<String>,
    /// Only events of `github`, `gitlab` or `ci`
    #[arg(long, value_name = "SOURCE", requires = "events", value_parser = source)]
    pub source: Option<Provider>,
    /// A time starts it: minute, hour, day of month, month, day of week, and a time zone (UTC without one). The flow
    /// `issue` is for open issues with all the labels, other flows begin by themselves
    #[arg(long, value_name = "CRON", conflicts_with = "comment")]
    pub at: Option<String>,
    /// The flow that it starts
    #[arg(long, default_value = "issue", value_name = "FLOW")]
    pub flow: String,
    /// Who does the agent steps that name no program of their own
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// A text with `${trigger.…}` in it that the first agent steps are given beside their input
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// A skill that is added to every agent step; may be given several times
    #[arg(long = "skill", value_name = "SKILL")]
    pub skills: Vec<String>,
    /// A label that must be there, too; may be given several times
    #[arg(long, value_name = "LABEL")]
    pub require_label: Vec<String>,
    /// A label that must not be there; may be given several times
    #[arg(long, value_name = "LABEL")]
    pub exclude_label: Vec<String>,
    /// Only where somebody with write permission approved the change
    #[arg(long)]
    pub require_review_approval: bool,
    /// Only where the change's CI passed
    #[arg(long)]
    pub require_ci_pass: bool,
    /// A label or comment on a change starts it, too
    #[arg(long)]
    pub changes: bool,
    /// Whoever causes the event may start it, strangers, too: agents work for them then, on what they wrote
    #[arg(long)]
    pub anyone: bool,
}

fn source(word: &str) -> Result<Provider, String> {
    let known = Provider::ALL.map(Provider::as_str).join(", ");
    Provider::parse(word).ok_or_else(|| format!("known are {known}"))
}

impl AddArgs {
    fn rule(self) -> Result<Rule, CliError> {
        let on = match self.at {
            Some(cron) => On::Schedule { cron, labels: self.labels },
            None if !self.events.is_empty() => On::Event { source: self.source, events: self.events },
            None if self.comment => On::Comment,
            None if !self.labels.is_empty() => On::Label { labels: self.labels },
            None => {
                return Err(CliError::input("nothing starts the rule")
                    .hint("give `--label`, `--comment`, `--event` or `--at`"));
            }
        };
        let conditions = Conditions {
            changes: self.changes,
            require_labels: self.require_label,
            exclude_labels: self.exclude_label,
            require_review_approval: self.require_review_approval,
            require_ci_pass: self.require_ci_pass,
            anyone: self.anyone,
        };
        let Self { agent, prompt, skills, .. } = self;
        Ok(Rule { conditions, agent, prompt, skills, ..Rule::new(&self.name, &self.flow, on) })
    }
}

/// Runs the command.
pub async fn trigger(args: TriggerArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    match args.what {
        What::List => {
            let settings = triggers::load(&home)?;
            let document = json!({ "rules": settings.rules, "broken": settings.broken });
            context.output.show(&document, || list(&settings))?;
        }
        What::Add(args) => {
            let rule = args.rule()?;
            if !rule.is_of_issues() {
                payload::check(&home, &rule.flow)?;
            }
            let name = clean_line(&rule.name);
            let path = triggers::add(&home.root, rule)?;
            context.output.note(&format!("added rule `{name}` to {}", path.display()));
        }
        What::Remove { name } => {
            let path = triggers::remove(&home.root, &name)?;
            context.output.note(&format!("took rule `{}` out of {}", clean_line(&name), path.display()));
        }
        What::Test { what, payload, event } => {
            let from_file = payload.is_some();
            let what = what.or(payload).unwrap_or_default();
            let (verdict, rules) = test(context, &home, &what, &event, from_file).await?;
            let document = json!({ "verdict": verdict, "rules": rules });
            context.output.show(&document, || tested(&verdict, &rules))?;
        }
    }
    Ok(exit::DONE)
}

/// What the rules make of it; what the forge knows is not looked up.
async fn test(
    context: &Context,
    home: &Home,
    what: &str,
    event: &str,
    from_file: bool,
) -> Result<(Verdict, Vec<RuleNote>), CliError> {
    let rules = TriggerSettings { max_age_secs: None, ..triggers::load(home)? };
    let key = DeliveryKey::parse(what).unwrap_or_else(|| DeliveryKey::new(Provider::Github, what));
    let known = if from_file { None } else { home.deliveries.delivery(&key).await? };
    let (provider, headers, body) = match known {
        Some(delivery) => {
            let headers = miyabi_forge::webhook::headers_of(&delivery);
            (delivery.key.provider, headers, delivery.body.to_vec())
        }
        None => {
            let path = PathBuf::from(what);
            let body = std::fs::read(context.cwd.join(&path))
                .map_err(|error| CliError::file("read the payload", &path, &error))?;
            let (event, action) =
                event.split_once('.').map_or((event, None), |(event, action)| (event, Some(action)));
            let body = with_action(body, action);
            let mut headers = HeaderMap::new();
            let event = event.parse().map_err(|_| CliError::input("the event is not plain text"))?;
            headers.insert("x-github-event", event);
            headers.insert("x-github-delivery", http::HeaderValue::from_static("test"));
            (Provider::Github, headers, body)
        }
    };
    let received = miyabi_forge::webhook::read(provider, &headers, &body).map_err(|error| {
        CliError::input(format!("{} cannot be read", clean_line(what))).because(error.to_string())
    })?;
    let (decision, mut notes) = weigh(&received.occurrence, &rules, home.clock.now());
    let payload: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let miyabi_core::trigger::TriggerDecision::Accepted(matched) = &decision {
        for rule in &matched.starts {
            let note = match wanted(rule, &received.occurrence, &payload, &rules) {
                Err(why) => RuleNote::new(&rule.name, RuleOutcome::Skip, why),
                Ok(wanted) => match payload::check(home, &rule.flow) {
                    Err(error) => RuleNote::new(&rule.name, RuleOutcome::Error, error.summary()),
                    Ok(()) => {
                        let about = wanted
                            .subject
                            .map_or_else(String::new, |subject| format!(" about {}", subject.about.shown()));
                        let needs: Vec<_> = wanted.needs.iter().map(needed).collect();
                        let needs = if needs.is_empty() {
                            String::new()
                        } else {
                            format!(", if {}", needs.join(" and "))
                        };
                        RuleNote::new(
                            &rule.name,
                            RuleOutcome::Match,
                            format!("flow {}{about}{needs}", rule.flow),
                        )
                    }
                },
            };
            if let Some(known) = notes.iter_mut().find(|known| known.rule == note.rule) {
                *known = note;
            }
        }
    }
    Ok((decision.into(), notes))
}

/// The payload with the action of a typed event, unless it has one.
fn with_action(body: Vec<u8>, action: Option<&str>) -> Vec<u8> {
    let Some(action) = action else { return body };
    match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(mut fields)) => {
            fields.insert("action".to_owned(), json!(action));
            Value::Object(fields).to_string().into_bytes()
        }
        _ => body,
    }
}

fn needed(need: &Need) -> String {
    match need {
        Need::Permission { of, .. } => format!("{of} has write permission"),
        Need::ReviewApproval => "the change is approved".to_owned(),
        Need::CiPass => "its CI passed".to_owned(),
    }
}

fn tested(verdict: &Verdict, rules: &[RuleNote]) -> String {
    let mut out = match verdict {
        Verdict::Accepted { trigger } => {
            format!("accepted by rule `{}`: {}\n", clean_line(&trigger.rule), json!(trigger.order))
        }
        Verdict::Duplicate => "duplicate\n".to_owned(),
        Verdict::Ignored { reason } | Verdict::Rejected { reason } => {
            format!("{}: {}\n", verdict.as_str(), clean_line(reason))
        }
    };
    if !rules.is_empty() {
        out.push('\n');
        out.push_str(&notes(rules));
    }
    out
}

/// What each rule made of a delivery, as a table.
pub fn notes(rules: &[RuleNote]) -> String {
    text::table(
        ["rule", "", "why"],
        rules
            .iter()
            .map(|note| [clean_line(&note.rule), note.outcome.as_str().to_owned(), short(&note.reason, 300)]),
    )
}

fn list(settings: &TriggerSettings) -> String {
    let mut out = text::table(
        ["rule", "starts", "on", "if", "from"],
        settings.rules.iter().map(|rule| {
            let on = match &rule.on {
                On::Label { labels } => format!("label {}", labels.join(" or ")),
                On::Comment => "comment".to_owned(),
                On::Event { source, events } => {
                    let source = source.map_or_else(String::new, |source| format!(" of {source}"));
                    format!("{}{source}", events.join(" or "))
                }
                On::Schedule { cron, labels } if labels.is_empty() => cron.clone(),
                On::Schedule { cron, labels } => format!("{cron}, label {}", labels.join(" and ")),
            };
            let built_in = ["label", "comment"].contains(&rule.name.as_str()) && rule.is_of_issues();
            let from = rule.from.clone().unwrap_or_else(|| {
                if built_in { "built in".to_owned() } else { ".miyabi/triggers.yaml".to_owned() }
            });
            [
                clean_line(&rule.name),
                clean_line(&rule.flow),
                clean_line(&on),
                clean_line(&conditions(rule)),
                clean_line(&from),
            ]
        }),
    );
    for broken in &settings.broken {
        out.push_str(&format!("{}: {}\n", clean_line(&broken.from), short(&broken.reason, 300)));
    }
    out
}

fn conditions(rule: &Rule) -> String {
    let Conditions {
        require_labels, exclude_labels, require_review_approval, require_ci_pass, anyone, ..
    } = &rule.conditions;
    let has = require_labels.iter().map(|label| format!("has {label}"));
    let hasnt = exclude_labels.iter().map(|label| format!("has not {label}"));
    let more =
        [(*require_review_approval, "approved"), (*require_ci_pass, "CI passed"), (*anyone, "by anyone")];
    let more = more.into_iter().filter(|(wanted, _)| *wanted).map(|(_, word)| word.to_owned());
    has.chain(hasnt).chain(more).collect::<Vec<_>>().join(", ")
}
