//! Mail by SMTP.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use miyabi_core::ids::IntentId;
use miyabi_core::intent::Channel;
use miyabi_core::plain::one_line;
use miyabi_core::ports::Note;
use secrecy::{ExposeSecret, SecretString};

use crate::{NotifyError, SharedClock};

/// Longer subjects are cut, in characters.
const SUBJECT: usize = 200;

/// From where to whom.
pub struct MailOptions {
    /// `smtp://` or `smtps://`, with user and password where the server wants them.
    pub url: SecretString,
    /// The sender.
    pub from: String,
    /// The recipients; at least one.
    pub to: Vec<String>,
    /// How long sending one mail may take.
    pub deadline: Duration,
}

/// A mail server, and who is written to.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    deadline: Duration,
    clock: SharedClock,
}

impl Mail {
    /// Makes ready without connecting.
    ///
    /// Errors: `SmtpUrl` or `Address`.
    pub fn new(options: &MailOptions, clock: SharedClock) -> Result<Self, NotifyError> {
        let url = options.url.expose_secret();
        if !url.starts_with("smtp://") && !url.starts_with("smtps://") {
            return Err(NotifyError::SmtpUrl("it begins with neither smtp:// nor smtps://"));
        }
        // What the library says quotes the address, with the password in it.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| NotifyError::SmtpUrl("it cannot be read"))?
            .timeout(Some(options.deadline))
            .build();
        let from = mailbox("notify.from", &options.from)?;
        let to = options.to.iter().map(|address| mailbox("notify.to", address)).collect::<Result<_, _>>()?;
        Ok(Self { transport, from, to, deadline: options.deadline, clock })
    }

    /// Sends one mail to everybody.
    pub(crate) async fn send(&self, id: &IntentId, note: Note<'_>) -> Result<(), NotifyError> {
        let mail = self.write(id, note)?;
        let sent = tokio::time::timeout(self.deadline, self.transport.send(mail)).await;
        let slow = NotifyError::Slow { channel: Channel::Mail, seconds: self.deadline.as_secs() };
        sent.map_err(|_| slow)?.map_err(NotifyError::Mail)?;
        Ok(())
    }

    fn write(&self, id: &IntentId, note: Note<'_>) -> Result<Message, NotifyError> {
        let seconds = u64::try_from(self.clock.now().as_second()).unwrap_or_default();
        let head = Message::builder()
            .from(self.from.clone())
            .subject(one_line(note.subject, SUBJECT))
            .date(UNIX_EPOCH + Duration::from_secs(seconds))
            .message_id(Some(format!("<{}@miyabi>", name(id))));
        let head = self.to.iter().cloned().fold(head, MessageBuilder::to);
        let end =
            if note.url.is_empty() { String::new() } else { format!("\n{}\n", one_line(note.url, 2_000)) };
        let text = format!("{}\n{end}", note.body.trim_end());
        head.header(ContentType::TEXT_PLAIN).body(text).map_err(NotifyError::Write)
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

/// The intent's id in the letters that a header allows.
fn name(id: &IntentId) -> String {
    id.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '.' }).collect()
}

fn mailbox(key: &'static str, address: &str) -> Result<Mailbox, NotifyError> {
    address.parse().map_err(|_| NotifyError::Address { key, address: one_line(address, SUBJECT) })
}
