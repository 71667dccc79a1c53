//! A program at a terminal, and somebody who types.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A program whose input and output are a terminal.
pub struct Terminal {
    screen: File,
    child: Child,
    /// All that it showed.
    pub shown: String,
    read: usize,
}

impl Terminal {
    /// Starts the program at a terminal of its own.
    pub fn start(mut command: Command) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("terminals can be made");
        grantpt(&controller).expect("it is ours");
        unlockpt(&controller).expect("it is ours");
        let name = ptsname(&controller, Vec::new()).expect("it has a name");
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        let side = || OpenOptions::new().read(true).write(true).open(path).expect("it can be opened");
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("the program starts");
        Self { screen: File::from(controller), child, shown: String::new(), read: 0 }
    }

    /// Reads on until it shows this. What was read counts as read.
    pub fn until(&mut self, text: &str) {
        loop {
            if let Some((before, _)) = self.shown.split_at(self.read).1.split_once(text) {
                self.read += before.len() + text.len();
                return;
            }
            assert!(self.more(), "it ended before it showed `{text}`:\n{}", self.shown);
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        writeln!(self.screen, "{line}").expect("the terminal takes it");
    }

    /// Reads to its end and gives its exit code.
    pub fn end(mut self) -> (Option<i32>, String) {
        while self.more() {}
        let status = self.child.wait().expect("it ends");
        (status.code(), self.shown)
    }

    fn more(&mut self) -> bool {
        let mut piece = [0; 4096];
        // A terminal that nobody holds open any more is an error on some systems.
        match self.screen.read(&mut piece) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.shown.push_str(&String::from_utf8_lossy(piece.get(..count).unwrap_or_default()));
                true
            }
        }
    }
}
