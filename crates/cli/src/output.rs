//! Everything that is shown: standard output carries data, standard error all else. Nothing else prints.

pub mod clean;
pub mod line;
pub mod live;
pub mod screen;
pub mod sink;
pub mod text;

use std::io::{self, Write};

use serde::Serialize;

use crate::error::CliError;

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On terminals, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a command speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output is one document or event per line and nothing more.
    pub json: bool,
    /// No progress and no notes.
    pub quiet: bool,
    /// Progress is drawn in place.
    pub live: bool,
}

impl Output {
    /// Prints text for people as the result of the command.
    pub fn data(&self, text: &str) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') && !text.is_empty() {
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// Prints one JSON document on one line as the result of the command.
    pub fn json<T: Serialize>(&self, value: &T) -> Result<(), CliError> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| CliError::new(crate::exit::BUG, "write JSON").because(error.to_string()))?;
        line.push(b'\n');
        let mut out = io::stdout().lock();
        out.write_all(&line)?;
        Ok(out.flush()?)
    }

    /// Prints the JSON document with `--json`, the text otherwise.
    pub fn show<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Result<(), CliError> {
        if self.json { self.json(value) } else { self.data(&text()) }
    }

    /// Tells people something beside the result.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            screen::write_above(&format!("{}\n", text.trim_end()));
        }
    }

    /// Tells people of an error.
    pub fn error(&self, error: &CliError) {
        if !error.is_quiet() {
            screen::write_above(&if self.json { error.to_json() } else { error.render() });
        }
    }
}

/// Decides about colours once, before anything is shown.
pub fn set_color(color: Color, no_color: bool) {
    match color {
        Color::Auto if !no_color => {}
        Color::Always => {
            console::set_colors_enabled(true);
            console::set_colors_enabled_stderr(true);
        }
        Color::Auto | Color::Never => {
            console::set_colors_enabled(false);
            console::set_colors_enabled_stderr(false);
        }
    }
}
