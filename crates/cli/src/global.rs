//! Options that every command takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::output::Color;

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Write one JSON document or event per line to standard output, and nothing else
    #[arg(long, global = true)]
    pub json: bool,
    /// How log lines look on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// How much is logged to standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "LEVEL")]
    pub log_level: LogLevel,
    /// Read this settings file in place of the user's and the repository's
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Work on the repository that this folder belongs to, or on miyabi's own clone of `owner/name` on GitHub [default:
    /// the current folder]
    #[arg(long, global = true, value_name = "PATH")]
    pub repo: Option<PathBuf>,
    /// Show no progress and no notes
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Show progress as plain lines, even on a terminal
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// When colours are used; `NO_COLOR` is honoured
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// And what is suspicious.
    #[default]
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}
