//! Where people are told something: a mail server and a Slack that we did not write.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::github::{request, stand_ins};

/// A mail server that wants a login, and an incoming webhook of Slack.
pub struct Inboxes {
    /// For `MIYABI_SMTP_URL`; the password is [`PASSWORD`], encoded.
    pub smtp: String,
    /// For `MIYABI_SLACK_WEBHOOK_URL`.
    pub slack: String,
    look: String,
    child: Child,
}

/// The password at the mail server, as an address spells it.
pub const PASSWORD: &str = "p%40ss%20word";

impl Inboxes {
    /// Starts both.
    pub fn start() -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("people/inboxes.mjs");
        let config = json!({ "tools": stand_ins().join("node_modules") });
        let mut child = Command::new("node")
            .arg(script)
            .arg(config.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed where the stand-ins are");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("they say where they are");
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let word = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        Self { smtp: word("smtp"), slack: word("slack"), look: word("look"), child }
    }

    /// What arrived: `mails` with `id from to subject text`, and `slack` with texts, oldest first.
    pub fn arrived(&self) -> Value {
        request("GET", &self.look, "", None).1
    }

    /// The mail server puts off that many mails before it takes one.
    pub fn refuse(&self, mails: u32) {
        request("POST", &format!("{}refuse", self.look), "", Some(&json!(mails)));
    }
}

impl Drop for Inboxes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
