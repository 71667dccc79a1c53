//! The one place that writes to standard error: lines stay above the block that is drawn in place.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use console::Term;
use miyabi_core::redact::Redactor;

/// How many lines of the drawn block are on the screen now.
static DRAWN: Mutex<usize> = Mutex::new(0);

fn drawn() -> MutexGuard<'static, usize> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces the block that is drawn in place; no lines remove it.
pub fn draw(lines: &[String]) {
    let mut drawn = drawn();
    let term = Term::buffered_stderr();
    // A terminal that is gone shows nothing; there is nobody to tell.
    let _ = term.clear_last_lines(*drawn);
    for line in lines {
        let _ = term.write_line(line);
    }
    let _ = term.flush();
    *drawn = lines.len();
}

/// Writes text above the drawn block. Ends with a line break.
pub fn write_above(text: &str) {
    let mut drawn = drawn();
    if *drawn > 0 {
        let _ = Term::stderr().clear_last_lines(*drawn);
        *drawn = 0;
    }
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A writer for log lines that takes secrets out of them.
#[derive(Clone)]
pub struct LogWriter(pub Arc<Redactor>);

impl Write for LogWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        write_above(&self.0.redact(&String::from_utf8_lossy(buffer)));
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
