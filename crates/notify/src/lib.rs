#![doc = include_str!("../README.md")]

mod error;
mod mail;
mod slack;

use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::failure::Failure;
use miyabi_core::ids::IntentId;
use miyabi_core::intent::Channel;
use miyabi_core::ports::{Clock, Note, Notify};

pub use error::NotifyError;
pub use mail::{Mail, MailOptions};
pub use slack::Slack;

/// The channels that are configured.
#[derive(Default)]
pub struct Messengers {
    mail: Option<Mail>,
    slack: Option<Slack>,
}

impl Messengers {
    /// Messengers for these channels.
    pub fn new(mail: Option<Mail>, slack: Option<Slack>) -> Self {
        Self { mail, slack }
    }

    /// The channels by which people can be told.
    pub fn channels(&self) -> Vec<Channel> {
        let mail = self.mail.as_ref().map(|_| Channel::Mail);
        let slack = self.slack.as_ref().map(|_| Channel::Slack);
        mail.into_iter().chain(slack).collect()
    }
}

#[async_trait]
impl Notify for Messengers {
    async fn tell(&self, channel: Channel, id: &IntentId, note: Note<'_>) -> Result<(), Failure> {
        let told = match (channel, &self.mail, &self.slack) {
            (Channel::Mail, Some(mail), _) => mail.send(id, note).await,
            (Channel::Slack, _, Some(slack)) => slack.send(note).await,
            // The run began where it was configured and goes on where it is not.
            (channel, ..) => Err(NotifyError::NotConfigured(channel)),
        };
        Ok(told?)
    }
}

/// Time, as the channels need it.
pub(crate) type SharedClock = Arc<dyn Clock>;
