//! The file with everything that a session's programs printed, byte by byte.

use std::io;
use std::path::Path;

use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// An open transcript. Writing never fails: the first error is kept and told at the end, so that a full disk does
/// not stop the reading of a program's output and with it the program.
#[derive(Debug)]
pub(crate) struct Transcript {
    file: File,
    failed: Option<io::Error>,
}

impl Transcript {
    /// Opens the file for appending, readable by its owner only, and makes the folders above it.
    pub(crate) async fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).await?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        options.mode(0o600);
        Ok(Self { file: options.open(path).await?, failed: None })
    }

    /// Adds bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.file.write_all(bytes).await.err();
        }
    }

    /// Hands everything to the operating system. Errors: the first one since the transcript was opened.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.file.flush().await,
        }
    }
}
