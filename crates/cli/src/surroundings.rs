//! The real clock, real names, and the daily log as files.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::{Clock, Ids, Journal};

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        // The machine may sleep or its clock may be set: look again at least every minute.
        loop {
            let left = at.duration_since(Timestamp::now());
            let Ok(left) = std::time::Duration::try_from(left) else { return };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(std::time::Duration::from_secs(60))).await;
        }
    }
}

/// UUIDs of version 7.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uuids;

impl Ids for Uuids {
    fn new_id(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }
}

/// Why an entry did not get into the daily log.
#[derive(Debug, thiserror::Error)]
#[error("write to the daily log `{}`", path.display())]
pub struct JournalError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let class = match error.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureClass::Exhausted,
            _ => FailureClass::Permanent,
        };
        Self::caused(class, &error).hint("the folder `.ai/logs` of the repository must be writable")
    }
}

/// The daily log in a folder: one file per day (UTC).
#[derive(Clone, Debug)]
pub struct FileJournal {
    folder: PathBuf,
}

impl FileJournal {
    /// The daily log in this folder, which is made with the first entry.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn record(&self, at: Timestamp, key: &str, entry: &str) -> Result<(), Failure> {
        let path = self.folder.join(format!("{}.md", at.strftime("%Y-%m-%d")));
        let marker = format!("<!-- miyabi:{} -->", key.replace("--", "—"));
        let entry = format!("{}\n\n{marker}\n\n", entry.trim_end());
        let task = tokio::task::spawn_blocking(move || {
            append_once(&path, &marker, &entry).map_err(|source| JournalError { path, source })
        });
        match task.await {
            Ok(result) => Ok(result?),
            Err(error) => Err(Failure::caused(FailureClass::Internal, &error)),
        }
    }
}

/// Adds the entry unless the file holds the marker on a line of its own; other processes do the same meanwhile.
fn append_once(path: &Path, marker: &str, entry: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    file.lock()?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    if String::from_utf8_lossy(&bytes).lines().any(|line| line == marker) {
        return Ok(());
    }
    // A torn entry of a killed process stays, on lines of its own.
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        file.write_all(b"\n\n")?;
    }
    file.write_all(entry.as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_entry_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::new(folder.path().join("deep/logs"));
        let at: Timestamp = "2026-11-21T23:59:59Z".parse().unwrap();
        for (key, entry) in [("a", "## one\n- 認証 `$(x)`"), ("b", "## two"), ("a", "## other")] {
            journal.record(at, key, entry).await.unwrap();
        }
        let text = fs::read_to_string(folder.path().join("deep/logs/2026-11-21.md")).unwrap();
        assert_eq!(text, "## one\n- 認証 `$(x)`\n\n<!-- miyabi:a -->\n\n## two\n\n<!-- miyabi:b -->\n\n");
    }

    #[tokio::test]
    async fn many_writers_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::new(folder.path());
        let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let writes = (0..40).map(|n| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.record(at, &format!("k{}", n % 20), "## x").await.unwrap() })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap();
        }
        let text = fs::read_to_string(folder.path().join("2026-11-21.md")).unwrap();
        assert_eq!(text.matches("<!-- miyabi:").count(), 20);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_a_failure_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("logs"), "a file").unwrap();
        let failure =
            FileJournal::new(folder.path().join("logs")).record(Timestamp::UNIX_EPOCH, "k", "e").await;
        let failure = failure.unwrap_err();
        assert_eq!(failure.class, FailureClass::Permanent);
        assert!(failure.hint.is_some());
    }
}
