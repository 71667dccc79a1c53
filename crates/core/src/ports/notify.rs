//! How people are told something, beside the forge.

use async_trait::async_trait;

use super::Failure;
use crate::ids::IntentId;
use crate::intent::Channel;

/// A short message to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// One line.
    pub subject: &'a str,
    /// Plain text.
    pub body: &'a str,
    /// Where they can read on; empty: nowhere.
    pub url: &'a str,
}

/// Ways to tell people something.
#[async_trait]
pub trait Notify: Send + Sync {
    /// Tells them. Nobody can ask a mailbox what arrived: after a crash in the middle the same message may come again,
    /// under the same `id` where the channel has ids.
    ///
    /// Errors: `Unavailable` when the channel is not configured here, `Transient` when trying again may help,
    /// `Permanent` otherwise. None of them holds an address with a secret.
    async fn tell(&self, channel: Channel, id: &IntentId, note: Note<'_>) -> Result<(), Failure>;
}
