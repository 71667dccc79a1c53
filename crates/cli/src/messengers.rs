//! Mail and Slack, as far as they are configured. The one place that reads their addresses, which hold secrets.

use std::sync::Arc;
use std::time::Duration;

use miyabi_core::failure::Failure;
use miyabi_notify::{Mail, MailOptions, Messengers, Slack};
use secrecy::SecretString;

use crate::context::Context;
use crate::error::CliError;
use crate::settings::Settings;
use crate::surroundings::SystemClock;

/// The mail server, with user and password where it wants them.
const SMTP_URL: &str = "MIYABI_SMTP_URL";
/// The incoming webhook.
const SLACK_URL: &str = "MIYABI_SLACK_WEBHOOK_URL";
/// How long one message may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whoever tells people. Mail is sent when there are a server and somebody to write to.
///
/// Errors: what is configured cannot be used.
pub fn of(context: &Context, settings: &Settings) -> Result<Messengers, CliError> {
    let notify = &settings.notify;
    let mail = match (context.var(SMTP_URL), notify.to.is_empty()) {
        // Recipients are the team's; the server is there for whoever sends, not for everybody with a checkout.
        (None, _) | (Some(_), true) => None,
        (Some(url), false) => {
            let url = SecretString::from(url.to_owned());
            let (from, to) = (notify.from.clone(), notify.to.clone());
            let options = MailOptions { url, from, to, deadline: DEADLINE };
            Some(Mail::new(&options, Arc::new(SystemClock)).map_err(Failure::from)?)
        }
    };
    let slack = context.var(SLACK_URL).map(|url| {
        Slack::new(SecretString::from(url.to_owned()), DEADLINE, Arc::new(SystemClock)).map_err(Failure::from)
    });
    Ok(Messengers::new(mail, slack.transpose()?))
}
