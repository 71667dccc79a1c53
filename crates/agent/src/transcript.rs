//! The files with everything that a session's programs printed, byte by byte, but for secrets.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miyabi_core::redact::Redactor;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// The longest line that is held back until it ends, in bytes.
const LONGEST: usize = 64 * 1024;

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
    redactor: Arc<Redactor>,
    failed: Option<io::Error>,
}

impl Transcript {
    /// Opens the file for appending, readable by its owner only, and makes the folders above it.
    ///
    /// When it has reached `limit` bytes it becomes `<name>.1`, in the place of an older one, and a new file is begun:
    /// the newest `limit` bytes are always kept.
    pub(crate) async fn open(path: &Path, limit: u64, redactor: &Arc<Redactor>) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).await?;
        }
        let file = append(path).await?;
        let length = file.metadata().await?.len();
        Ok(Self { file, path: path.to_owned(), length, limit, redactor: Arc::clone(redactor), failed: None })
    }

    /// Adds text without the secrets in it. Of a secret that begins in one text and ends in the next nothing is known, so
    /// texts are whole lines where they can be.
    pub(crate) async fn write(&mut self, text: &[u8]) {
        if self.failed.is_some() || text.is_empty() {
            return;
        }
        let shown = String::from_utf8_lossy(text);
        self.failed = match self.redactor.redact(&shown) {
            // Untouched, it stays as it was, whether it is UTF-8 or not.
            Cow::Borrowed(_) => self.add(text).await.err(),
            Cow::Owned(redacted) => self.add(redacted.as_bytes()).await.err(),
        };
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

/// The end of what was printed, which is no whole line yet.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    rest: Vec<u8>,
}

impl Unfinished {
    /// Takes a chunk, and gives what is whole lines by now. A line that grows beyond [`LONGEST`] is given in pieces, cut
    /// where no secret has a part on both sides.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(chunk);
        let last = |is_end: fn(&u8) -> bool| self.rest.iter().rposition(is_end).map(|end| end + 1);
        let end = match last(|byte| *byte == b'\n') {
            Some(end) => end,
            None if self.rest.len() > LONGEST => {
                last(|byte| b" \t\",;'".contains(byte)).unwrap_or(self.rest.len())
            }
            None => return Vec::new(),
        };
        let rest = self.rest.split_off(end);
        std::mem::replace(&mut self.rest, rest)
    }

    /// What is left.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut unfinished = Unfinished::default();
        assert_eq!(unfinished.push(b"a secr"), b"");
        assert_eq!(unfinished.push(b"et\nand\nmore"), b"a secret\nand\n");
        assert_eq!(unfinished.take(), b"more");
        assert_eq!(unfinished.push(&vec![b'x'; LONGEST]), b"");
        assert_eq!(unfinished.push(b"y").len(), LONGEST + 1);
        assert_eq!(unfinished.push(&vec![b'x'; LONGEST]), b"");
        assert!(unfinished.push(b"x, secr").ends_with(b"x, "), "it is cut behind a word");
        assert_eq!(unfinished.push(b"et\n"), b"secret\n");
    }

    #[tokio::test]
    async fn the_newest_bytes_are_kept_whatever_size_they_come_in() {
        const LIMIT: u64 = 100_000;
        for size in [1000, LONGEST + 1, 2 * LONGEST, 300_000] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("log");
            let redactor = Arc::new(Redactor::default());
            let mut transcript = Transcript::open(&path, LIMIT, &redactor).await.unwrap();
            for piece in vec![b'x'; 1_200_000].chunks(size) {
                transcript.write(piece).await;
            }
            transcript.write("終\n".as_bytes()).await;
            transcript.close().await.unwrap();
            let newest = std::fs::read_to_string(&path).unwrap();
            let older = std::fs::read(folder.path().join("log.1")).unwrap();
            assert!(newest.starts_with("[miyabi: ") && newest.ends_with("終\n"), "{size}");
            let most = LIMIT as usize + size + 200;
            assert!(older.len() >= LIMIT as usize && older.len() <= most, "{size}: {}", older.len());
            assert!(newest.len() <= most, "{size}: {}", newest.len());
        }
    }

    #[tokio::test]
    async fn secrets_are_not_written_and_other_bytes_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let redactor = Arc::new(Redactor::new(["ひみつの言葉".to_owned()]));
        let mut transcript = Transcript::open(&path, 0, &redactor).await.unwrap();
        transcript.write("a ひみつの言葉\n".as_bytes()).await;
        transcript.write(b"b \xff\xfe\n").await;
        transcript.close().await.unwrap();
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written, b"a [redacted:value]\nb \xff\xfe\n", "{}", String::from_utf8_lossy(&written));
    }
}
