//! Log lines on standard error, without secrets.

use std::sync::Arc;

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
    let redactor = Arc::new(context.redactor());
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
