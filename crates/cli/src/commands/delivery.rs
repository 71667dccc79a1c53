//! `miyabi delivery`: what was received, what became of it, and the same once more.

use clap::{Args, Subcommand};
use miyabi_core::delivery::{Delivery, DeliveryKey, Provider, Verdict};
use miyabi_core::ports::{DeliveryFilter, DeliveryRow, Recorded};
use miyabi_core::trigger::Order;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::clean::{clean_line, clean_text, short};
use crate::output::text;
use crate::triggers;
use crate::wiring::{Access, Home};

/// List, read and replay deliveries
#[derive(Debug, Args)]
pub struct DeliveryArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with deliveries.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List deliveries, newest first
    List {
        /// Only those that nobody has handled
        #[arg(long)]
        unhandled: bool,
        /// At most this many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
    },
    /// Show a delivery with its body
    Show {
        /// Its id, such as `github:72d3162e-cc78-11e3-81ab-4c9367dc0958`; `github:` may be left out
        id: String,
    },
    /// Judge a delivery once more by today's rules, as if it had just come in
    ///
    /// A server that runs handles it; otherwise the next one does.
    Replay {
        /// Its id
        id: String,
    },
}

/// Runs the command.
pub async fn delivery(args: DeliveryArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        What::List { unhandled, limit } => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let filter = DeliveryFilter { unhandled, limit: Some(limit), ..DeliveryFilter::default() };
            let rows = home.deliveries.deliveries(&filter).await?;
            if context.output.json {
                let rows: Vec<Value> = rows.iter().map(row).collect();
                context.output.json(&rows)?;
            } else if rows.is_empty() {
                context.output.note("nothing was received");
            } else {
                context.output.data(&list(&rows))?;
            }
        }
        What::Show { id } => {
            let home = Home::open(context, Access::Read, Vec::new())?;
            let delivery = find(&home, &id).await?;
            let body = String::from_utf8_lossy(&delivery.body).into_owned();
            let document = json!({
                "id": delivery.key.to_string(), "event": delivery.event, "action": delivery.action,
                "repo": delivery.repo, "received_at": delivery.received_at, "sent_at": delivery.sent_at,
                "headers": delivery.headers, "verdict": delivery.verdict, "rules": delivery.rules, "body": body,
            });
            context.output.show(&document, || show(&delivery, &body))?;
        }
        What::Replay { id } => {
            let home = Home::open(context, Access::Write, Vec::new())?;
            let again = replay(&home, find(&home, &id).await?)?;
            if home.deliveries.record(&again).await? == Recorded::Duplicate {
                return Err(CliError::input(format!("{} was replayed this very moment", again.key)));
            }
            context.output.show(&json!({ "id": again.key.to_string(), "verdict": again.verdict }), || {
                format!("{}: {}", again.key, verdict(&again.verdict))
            })?;
        }
    }
    Ok(exit::DONE)
}

/// The same delivery under a name of its own, judged anew.
fn replay(home: &Home, delivery: Delivery) -> Result<Delivery, CliError> {
    let now = home.clock.now();
    let mut headers = miyabi_forge::webhook::headers_of(&delivery);
    headers.remove("idempotency-key");
    let received = miyabi_forge::webhook::read(delivery.key.provider, &headers, &delivery.body)
        .map_err(|error| CliError::input(format!("{} cannot be read: {error}", delivery.key)))?;
    // Whoever replays it wants it done, however old it is.
    let rules = miyabi_core::trigger::TriggerSettings { max_age_secs: None, ..triggers::load(home)? };
    let (decision, rules) = miyabi_core::trigger::weigh(&received.occurrence, &rules, now);
    let first = delivery.key.id.split("+replay-").next().unwrap_or_default().to_owned();
    let id = format!("{first}+replay-{}", now.as_millisecond());
    let key = DeliveryKey::new(delivery.key.provider, id);
    Ok(Delivery { key, received_at: now, verdict: decision.into(), rules, ..delivery })
}

async fn find(home: &Home, id: &str) -> Result<Delivery, CliError> {
    let key = DeliveryKey::parse(id).unwrap_or_else(|| DeliveryKey::new(Provider::Github, id));
    home.deliveries.delivery(&key).await?.ok_or_else(|| {
        CliError::input(format!("there is no delivery `{}`", clean_line(id)))
            .hint("`miyabi delivery list` shows the newest")
    })
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted { trigger } if trigger.order == Order::Flows => {
            let rules: Vec<_> = trigger.starts.iter().map(|rule| clean_line(&rule.name)).collect();
            format!("accepted by rule `{}`", rules.join("`, `"))
        }
        Verdict::Accepted { trigger } => format!("accepted by rule `{}`", clean_line(&trigger.rule)),
        Verdict::Duplicate => "duplicate".to_owned(),
        Verdict::Ignored { reason } | Verdict::Rejected { reason } => {
            format!("{}: {}", verdict.as_str(), short(reason, 200))
        }
    }
}

fn row(row: &DeliveryRow) -> Value {
    json!({
        "id": row.key.to_string(), "event": row.event, "action": row.action, "repo": row.repo,
        "received_at": row.received_at, "sent_at": row.sent_at, "bytes": row.bytes, "verdict": row.verdict,
        "handled_at": row.handled_at, "rules": row.rules,
    })
}

fn list(rows: &[DeliveryRow]) -> String {
    text::table(
        ["delivery", "received (UTC)", "event", "handled", "verdict"],
        rows.iter().map(|row| {
            let action = row.action.as_deref().map_or_else(String::new, |action| format!(".{action}"));
            [
                clean_line(&row.key.to_string()),
                text::date_time(row.received_at),
                clean_line(&format!("{}{action}", row.event)),
                row.handled_at.map_or_else(|| "no".to_owned(), text::date_time),
                verdict(&row.verdict),
            ]
        }),
    )
}

fn show(delivery: &Delivery, body: &str) -> String {
    let mut out = format!("{}\n", clean_line(&delivery.key.to_string()));
    out.push_str(&format!("received   {} UTC\n", text::date_time(delivery.received_at)));
    out.push_str(&format!(
        "event      {} {}\n",
        clean_line(&delivery.event),
        clean_line(delivery.action.as_deref().unwrap_or_default())
    ));
    out.push_str(&format!("verdict    {}\n", verdict(&delivery.verdict)));
    if !delivery.rules.is_empty() {
        out.push_str(&format!("\n{}\n", super::trigger::notes(&delivery.rules)));
    }
    for (name, value) in &delivery.headers {
        out.push_str(&format!("{name}: {}\n", clean_line(value)));
    }
    out.push_str(&format!("\n{}\n", clean_text(body)));
    out
}
