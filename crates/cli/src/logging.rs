//! Log lines on standard error, without secrets.

use std::sync::Arc;

use miyabi_core::redact::Redactor;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::context::Context;
use crate::global::{LogFormat, LogLevel};
use crate::output::screen::LogWriter;

/// Switches the log on as asked.
pub fn start(context: &Context) {
    let level = match context.global.log_level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let redactor = Arc::new(Redactor::new(secrets(context)));
    let log = fmt()
        .with_max_level(level)
        .with_writer(move || LogWriter(Arc::clone(&redactor)))
        .with_ansi(console::colors_enabled_stderr());
    // A second start in one process, as in tests, keeps the first.
    let _ = match context.global.log_format {
        LogFormat::Text => tracing::subscriber::set_global_default(log.with_target(false).finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(log.json().finish()),
    };
}

/// Values of the environment whose names say that they are secret.
fn secrets(context: &Context) -> Vec<String> {
    let is_secret =
        |name: &str| ["TOKEN", "SECRET", "PASSWORD", "KEY"].iter().any(|word| name.ends_with(word));
    context.env.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone()).collect()
}
