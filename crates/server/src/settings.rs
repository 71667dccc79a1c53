//! What the server is told when it starts. Nothing is read from anywhere here.

use std::fmt;
use std::sync::Arc;

use miyabi_core::delivery::Provider;
use miyabi_core::trigger::TriggerSettings;
use miyabi_forge::webhook::Secrets;

/// Where the rules of repositories are known; they may change while the server runs.
pub trait RuleSource: Send + Sync {
    /// The rules for a delivery about that repository.
    fn rules(&self, repo: Option<&str>) -> Arc<TriggerSettings>;
}

impl RuleSource for TriggerSettings {
    fn rules(&self, _repo: Option<&str>) -> Arc<TriggerSettings> {
        Arc::new(self.clone())
    }
}

/// The rules that deliveries are judged by.
#[derive(Clone)]
pub struct Rules(Arc<dyn RuleSource>);

impl Rules {
    /// Those of that source.
    pub fn of(source: Arc<dyn RuleSource>) -> Self {
        Self(source)
    }

    pub(crate) fn rules(&self, repo: Option<&str>) -> Arc<TriggerSettings> {
        self.0.rules(repo)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self(Arc::new(TriggerSettings::default()))
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}

/// Everything that the server is told.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Secrets of GitHub's webhooks.
    pub github: Secrets,
    /// Tokens of GitLab's webhooks.
    pub gitlab: Secrets,
    /// Secrets of webhooks of any CI.
    pub ci: Secrets,
    /// What may start what.
    pub triggers: Rules,
    /// Tokens that open the read API; without one it is open to this machine alone.
    pub token: Secrets,
    /// Names by which browsers and clients reach the read API, without port; addresses and `localhost` always count.
    pub hosts: Vec<String>,
    /// How much and how long.
    pub limits: Limits,
}

impl Settings {
    /// The secrets that count for a provider.
    pub(crate) fn secrets(&self, provider: Provider) -> &Secrets {
        match provider {
            Provider::Github => &self.github,
            Provider::Gitlab => &self.gitlab,
            Provider::Ci => &self.ci,
        }
    }
}

/// How much and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of a delivery, in bytes.
    pub body_bytes: usize,
    /// The longest that a body may take to arrive, in seconds.
    pub body_secs: u64,
    /// Deliveries that are taken in at once; the others wait for their turn.
    pub at_once: usize,
    /// Of these, how many may be larger than 1 MiB. Together they bound the memory that intake needs.
    pub large_at_once: usize,
    /// How long requests may go on after the server was asked to stop, in seconds.
    pub grace_secs: u64,
    /// How often live views look by themselves, in seconds, for what other programs appended.
    pub sweep_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 25 * 1024 * 1024,
            // Forges give up after ten seconds.
            body_secs: 10,
            at_once: 128,
            large_at_once: 2,
            grace_secs: 10,
            sweep_secs: 5,
        }
    }
}
