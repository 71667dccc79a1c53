//! Why people could not be told.

use jiff::Timestamp;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::intent::Channel;
use serde_json::json;

/// Why people could not be told, or why a channel cannot be used. Holds no address of a server and no secret.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// `MIYABI_SMTP_URL` is no address of a mail server.
    #[error("MIYABI_SMTP_URL is no address of a mail server: {0}")]
    SmtpUrl(&'static str),
    /// `MIYABI_SLACK_WEBHOOK_URL` is no address of a webhook.
    #[error("MIYABI_SLACK_WEBHOOK_URL is no address of an incoming webhook: {0}")]
    SlackUrl(&'static str),
    /// A mail address cannot be used.
    #[error("`{key}`: `{address}` is no mail address")]
    Address {
        /// The setting.
        key: &'static str,
        /// What stands there.
        address: String,
    },
    /// The channel is not configured here.
    #[error("nobody can be told by {} here: it is not configured", .0.as_str())]
    NotConfigured(Channel),
    /// The machine's certificates cannot be read.
    #[error("prepare a connection for messages")]
    Client(#[source] std::io::Error),
    /// The mail could not be made from what was given.
    #[error("write a mail")]
    Write(#[source] lettre::error::Error),
    /// The mail server refused, or cannot be reached.
    #[error("send a mail")]
    Mail(#[source] lettre::transport::smtp::Error),
    /// Slack did not answer.
    #[error("tell Slack: {0}")]
    Lost(String),
    /// Slack refused.
    #[error("tell Slack: it answered {status}: {said}")]
    Refused {
        /// The status.
        status: u16,
        /// Its first words.
        said: String,
    },
    /// Slack wants us to wait.
    #[error("Slack takes no messages until {until}")]
    Limited {
        /// Until then.
        until: Timestamp,
    },
    /// No answer within the deadline.
    #[error("{} did not answer within {seconds} s", .channel.as_str())]
    Slow {
        /// Which channel.
        channel: Channel,
        /// The deadline.
        seconds: u64,
    },
}

impl From<NotifyError> for Failure {
    fn from(error: NotifyError) -> Self {
        use FailureClass::{Input, Permanent, Transient, Unavailable};
        let class = match &error {
            NotifyError::SmtpUrl(_) | NotifyError::SlackUrl(_) | NotifyError::Address { .. } => Input,
            NotifyError::NotConfigured(_) | NotifyError::Client(_) => Unavailable,
            NotifyError::Mail(cause) if cause.is_permanent() || cause.is_client() => Permanent,
            NotifyError::Refused { status, .. } if *status < 500 => Permanent,
            NotifyError::Write(_) => Permanent,
            NotifyError::Mail(_)
            | NotifyError::Lost(_)
            | NotifyError::Refused { .. }
            | NotifyError::Limited { .. }
            | NotifyError::Slow { .. } => Transient,
        };
        let failure = Failure::caused(class, &error);
        match error {
            NotifyError::SmtpUrl(_) => failure
                .hint("such as smtps://user:password@mail.example, or smtp://mail.example:587?tls=required"),
            NotifyError::SlackUrl(_) => failure.hint("copy it from the page of your app at Slack"),
            NotifyError::Limited { until } => failure.evidence(json!({ "retry_at": until })),
            _ => failure,
        }
    }
}
