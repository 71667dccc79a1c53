//! Lines that ran and lines that did not, whatever format told of them.

use std::collections::BTreeMap;

use miyabi_core::report::Coverage;

/// Lines by file. A line that is told of more than once ran if it ran once.
#[derive(Debug, Default)]
pub(crate) struct Lines(BTreeMap<String, BTreeMap<u64, bool>>);

impl Lines {
    pub(crate) fn see(&mut self, file: &str, line: u64, ran: bool) {
        if !self.0.contains_key(file) {
            self.0.insert(file.to_owned(), BTreeMap::new());
        }
        if let Some(lines) = self.0.get_mut(file) {
            *lines.entry(line).or_default() |= ran;
        }
    }

    pub(crate) fn coverage(&self) -> Coverage {
        let lines = self.0.values().flat_map(BTreeMap::values);
        lines.fold(Coverage::default(), |sum, ran| Coverage {
            lines: sum.lines + 1,
            covered: sum.covered + u64::from(*ran),
        })
    }
}
