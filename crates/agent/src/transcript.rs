//! The files with everything that a session's programs printed, byte by byte.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// An open transcript. Writing never fails: the first error is kept and told at the end, so that a full disk does
/// not stop the reading of a program's output and with it the program.
#[derive(Debug)]
pub(crate) struct Transcript {
    file: File,
    path: PathBuf,
    /// How much is in the newest file.
    length: u64,
    /// From this size on a new one is begun; 0: never.
    limit: u64,
    failed: Option<io::Error>,
}

impl Transcript {
    /// Opens the file for appending, readable by its owner only, and makes the folders above it.
    ///
    /// When it has reached `limit` bytes it becomes `<name>.1`, in the place of an older one, and a new file is begun:
    /// the newest `limit` bytes are always kept.
    pub(crate) async fn open(path: &Path, limit: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).await?;
        }
        let file = append(path).await?;
        let length = file.metadata().await?.len();
        Ok(Self { file, path: path.to_owned(), length, limit, failed: None })
    }

    /// Adds bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.add(bytes).await.err();
        }
    }

    async fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.limit > 0 && self.length >= self.limit {
            self.rotate().await?;
        }
        self.file.write_all(bytes).await?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    async fn rotate(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        let mut older = self.path.clone().into_os_string();
        older.push(".1");
        fs::rename(&self.path, &older).await?;
        self.file = append(&self.path).await?;
        self.length = 0;
        let name = Path::new(&older).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let note =
            format!("[miyabi: what was printed before this is in {name}, and before that it is not kept]\n");
        self.file.write_all(note.as_bytes()).await
    }

    /// Hands everything to the operating system. Errors: the first one since the transcript was opened.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.file.flush().await,
        }
    }
}

async fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await
}
