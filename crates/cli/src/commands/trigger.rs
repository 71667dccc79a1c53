//! `miyabi trigger`: the rules that start runs, and what they would make of a delivery.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::HeaderMap;
use miyabi_core::delivery::{DeliveryKey, Provider, Verdict};
use miyabi_core::trigger::{Conditions, On, Rule, decide};
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::clean::clean_line;
use crate::output::text;
use crate::triggers;
use crate::wiring::{Access, Home};

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
    /// List the rules in the order in which they are tried
    List,
    /// Add a rule to the repository's own, which are tried first
    Add(AddArgs),
    /// Say what the rules make of a delivery, and do nothing
    Test {
        /// The id of a delivery that was received, or a file with a payload
        #[arg(value_name = "DELIVERY|FILE")]
        what: String,
        /// The event of a payload in a file, such as `issues`
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
    #[arg(
        long = "label",
        value_name = "LABEL",
        required_unless_present = "comment",
        conflicts_with = "comment"
    )]
    pub labels: Vec<String>,
    /// A comment that commands a run starts it
    #[arg(long)]
    pub comment: bool,
    /// A time starts it, for open issues with all the labels: minute, hour, day of month, month, day of week, and a
    /// time zone (UTC without one)
    #[arg(long, value_name = "CRON", requires = "labels")]
    pub at: Option<String>,
    /// The flow that it starts
    #[arg(long, default_value = "issue", value_name = "FLOW")]
    pub flow: String,
    /// A label that must be there, too; may be given several times
    #[arg(long, value_name = "LABEL")]
    pub require_label: Vec<String>,
    /// A label that must not be there; may be given several times
    #[arg(long, value_name = "LABEL")]
    pub exclude_label: Vec<String>,
}

/// Runs the command.
pub async fn trigger(args: TriggerArgs, context: &Context) -> Result<Exit, CliError> {
    let home = Home::open(context, Access::Read, Vec::new())?;
    match args.what {
        What::List => {
            let rules = triggers::load(&home)?.rules;
            context.output.show(&rules, || list(&rules))?;
        }
        What::Add(args) => {
            if args.flow != "issue" {
                return Err(CliError::input(format!("there is no flow `{}`", clean_line(&args.flow)))
                    .hint("runs of issues go through the flow `issue`"));
            }
            let on = match args.at {
                Some(cron) => On::Schedule { cron, labels: args.labels },
                None if args.comment => On::Comment,
                None => On::Label { labels: args.labels },
            };
            let conditions = Conditions {
                require_labels: args.require_label,
                exclude_labels: args.exclude_label,
                ..Conditions::default()
            };
            let rule = Rule { conditions, ..Rule::new(&args.name, &args.flow, on) };
            let path = triggers::add(&home.root, rule)?;
            context.output.note(&format!("added rule `{}` to {}", clean_line(&args.name), path.display()));
        }
        What::Test { what, event } => {
            let verdict = test(context, &home, &what, &event).await?;
            context.output.show(&verdict, || match &verdict {
                Verdict::Accepted { trigger } => {
                    format!("accepted by rule `{}`: {}", clean_line(&trigger.rule), json!(trigger.order))
                }
                Verdict::Duplicate => "duplicate".to_owned(),
                Verdict::Ignored { reason } | Verdict::Rejected { reason } => {
                    format!("{}: {}", verdict.as_str(), clean_line(reason))
                }
            })?;
        }
    }
    Ok(exit::DONE)
}

/// What the rules make of it; permissions are not looked up.
async fn test(context: &Context, home: &Home, what: &str, event: &str) -> Result<Verdict, CliError> {
    let rules = miyabi_core::trigger::TriggerSettings { max_age_secs: None, ..triggers::load(home)? };
    let key = DeliveryKey::parse(what).unwrap_or_else(|| DeliveryKey::new(Provider::Github, what));
    let (provider, headers, body) = match home.deliveries.delivery(&key).await? {
        Some(delivery) => {
            let headers = miyabi_forge::webhook::headers_of(&delivery);
            (delivery.key.provider, headers, delivery.body.to_vec())
        }
        None => {
            let path = PathBuf::from(what);
            let body = std::fs::read(context.cwd.join(&path))
                .map_err(|error| CliError::file("read the payload", &path, &error))?;
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
    Ok(decide(&received.occurrence, &rules, home.clock.now()).into())
}

fn list(rules: &[Rule]) -> String {
    text::table(
        ["rule", "starts", "on", "if"],
        rules.iter().map(|rule| {
            let on = match &rule.on {
                On::Label { labels } => format!("label {}", labels.join(" or ")),
                On::Comment => "comment".to_owned(),
                On::Schedule { cron, labels } => format!("{cron}, label {}", labels.join(" and ")),
            };
            let Conditions { require_labels, exclude_labels, .. } = &rule.conditions;
            let has = require_labels.iter().map(|label| format!("has {label}"));
            let hasnt = exclude_labels.iter().map(|label| format!("has not {label}"));
            let conditions = has.chain(hasnt).collect::<Vec<_>>().join(", ");
            [clean_line(&rule.name), rule.flow.clone(), clean_line(&on), clean_line(&conditions)]
        }),
    )
}
