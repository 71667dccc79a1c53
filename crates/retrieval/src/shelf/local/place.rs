//! The folder of the index: opened, locked, put aside where it is damaged, and opened again where it is another one.

use std::any::Any;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use miyabi_core::ports::Maker;
use tantivy::directory::error::OpenReadError;
use tantivy::directory::{META_LOCK, MmapDirectory};
use tantivy::{Directory as _, Index, ReloadPolicy};
use tracing::warn;

use super::error::LocalError;
use super::schema::schema;
use super::vectors::Vectors;
use super::{Inner, held};
use crate::shelf::ShelfStats;

/// Where the words are.
pub(super) const WORDS: &str = "words";
/// Where the vectors are.
const VECTORS: &str = "vectors.f32";
/// So often a lock is tried again whose file goes away.
const TRIES: usize = 100;

/// A folder for the vectors of one maker.
pub(super) struct Place {
    folder: PathBuf,
    maker: Option<Maker>,
    opened: Mutex<Arc<Inner>>,
}

impl Place {
    /// See [`super::LocalShelf::open`].
    pub(super) fn open(folder: PathBuf, maker: Option<&Maker>) -> Result<Self, LocalError> {
        let opened = Mutex::new(Arc::new(Inner::open(&folder, maker)?));
        Ok(Self { folder, maker: maker.cloned(), opened })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Does something with what is in the folder now: somebody may have removed it, or another process put it aside, since
    /// it was opened, or in the middle.
    pub(super) fn with<T>(&self, work: impl Fn(&Inner) -> Result<T, LocalError>) -> Result<T, LocalError> {
        let inner = self.current()?;
        match guarded(&self.folder, || work(&inner)) {
            Err(_) if !inner.is_here() => {
                let inner = self.current()?;
                guarded(&self.folder, || work(&inner))
            }
            done => done,
        }
    }

    /// Forgets everything of a repo. What is damaged is put aside first, with all that is there of other repos: only so
    /// what is made again is whole.
    pub(super) fn forget(&self, repo: &str) -> Result<(), LocalError> {
        match self.with(Inner::check) {
            Err(error) if error.is_damage() => self.renew(&error),
            checked => checked.and_then(|()| self.with(|inner| inner.forget(repo))),
        }
    }

    fn current(&self) -> Result<Arc<Inner>, LocalError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if !opened.is_here() {
            warn!(folder = %self.folder.display(), "the knowledge index was removed or replaced: it is opened again");
            *opened = Arc::new(Inner::open(&self.folder, self.maker.as_ref())?);
        }
        Ok(Arc::clone(&opened))
    }

    fn renew(&self, why: &LocalError) -> Result<(), LocalError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let held = lock(&self.folder)?;
        set_aside(&self.folder, why)?;
        drop(held);
        *opened = Arc::new(Inner::open(&self.folder, self.maker.as_ref())?);
        Ok(())
    }
}

/// What is in a folder, which is left as it is; none: no index is there.
pub(super) fn look(folder: &Path, maker: Option<&Maker>) -> Result<Option<ShelfStats>, LocalError> {
    let words = folder.join(WORDS);
    match fs::metadata(words.join("meta.json")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LocalError::file("look at", &words, error)),
        Ok(_) => {}
    }
    if maker.is_some() && !folder.join(VECTORS).exists() {
        let gone = OpenReadError::FileDoesNotExist(folder.join(VECTORS));
        return Err(LocalError::index("open", folder, gone.into()));
    }
    guarded(folder, || Inner::look(folder, maker)?.stats()).map(Some)
}

impl Inner {
    /// Opens what is there, or makes it. What is damaged is put aside: it is made again from the logs.
    fn open(folder: &Path, maker: Option<&Maker>) -> Result<Self, LocalError> {
        let _lock = lock(folder)?;
        let words = folder.join(WORDS);
        let look = || {
            fs::create_dir_all(&words).map_err(|error| LocalError::file("make", &words, error))?;
            guarded(folder, || Self::look(folder, maker))
        };
        match look() {
            Err(error) if error.is_damage() => {
                set_aside(folder, &error)?;
                look()
            }
            looked => looked,
        }
    }

    fn look(folder: &Path, maker: Option<&Maker>) -> Result<Self, LocalError> {
        let words = folder.join(WORDS);
        let here = File::open(&words).map_err(|error| LocalError::file("open", &words, error))?;
        let failed = |error| LocalError::index("open", folder, error);
        let (schema, fields) = schema();
        let directory = MmapDirectory::open(&words).map_err(|error| failed(error.into()))?;
        let index = Index::open_or_create(directory, schema).map_err(failed)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed)?;
        let vectors = match maker {
            Some(maker) => Some(Mutex::new(Vectors::open(&folder.join(VECTORS), maker.dimensions)?)),
            None => None,
        };
        let inner =
            Self { folder: folder.to_owned(), here, index, reader, seen: Mutex::default(), fields, vectors };
        inner.rows()?;
        Ok(inner)
    }

    /// Whether the files that were opened are those that lie there. What is open keeps its number, so that nothing else
    /// can have it.
    pub(super) fn is_here(&self) -> bool {
        is_at(&self.here, &self.folder.join(WORDS))
            && self.vectors.as_ref().is_none_or(|it| is_at(held(it).file(), &self.folder.join(VECTORS)))
    }

    /// Removes what a killed writer left: a file of it may have the very name that the next one wants. The caller holds
    /// the lock of the folder; who opens what is there holds the other one.
    pub(super) fn tidy(&self) -> Result<(), LocalError> {
        let failed = |error| LocalError::index("tidy", &self.folder, error);
        let _opening =
            self.index.directory().acquire_lock(&META_LOCK).map_err(|error| failed(error.into()))?;
        let living = self.index.load_metas().map_err(failed)?.list_segment_files();
        let words = self.folder.join(WORDS);
        let unreadable = |error| LocalError::file("read", &words, error);
        for entry in fs::read_dir(&words).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some(name) = path.file_name() else { continue };
            let is_kept = name == "meta.json" || name.as_encoded_bytes().starts_with(b".");
            if is_kept || living.contains(Path::new(name)) {
                continue;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LocalError::file("remove", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether everything that is there can be read, and is what was written.
    fn check(&self) -> Result<(), LocalError> {
        let failed = |error| LocalError::index("check", &self.folder, error);
        // Opened anew, because others may have added to it.
        let directory = MmapDirectory::open(self.folder.join(WORDS)).map_err(|error| failed(error.into()))?;
        let index = Index::open(directory).map_err(failed)?;
        index.reader().map_err(failed)?;
        for file in index.load_metas().map_err(failed)?.list_segment_files() {
            match index.directory().validate_checksum(&file) {
                // Not every segment has every file; those that it needs were opened above.
                Ok(true) | Err(OpenReadError::FileDoesNotExist(_)) => {}
                Ok(false) => return Err(LocalError::Checksum { folder: self.folder.clone(), file }),
                Err(error) => return Err(failed(error.into())),
            }
        }
        self.rows()
    }

    /// Whether every vector that the words speak of is in its file.
    fn rows(&self) -> Result<(), LocalError> {
        let Some(vectors) = &self.vectors else { return Ok(()) };
        let view = self.view()?;
        let rows = view.rows().map_err(self.fail("read"))?;
        let spoken = rows.iter().map(|(row, _)| row + 1).max().unwrap_or_default();
        let mut vectors = held(vectors);
        vectors.refresh()?;
        let rows = vectors.rows();
        if spoken > rows {
            return Err(LocalError::Rows { folder: self.folder.clone(), rows, spoken });
        }
        Ok(())
    }
}

/// Waits until no other process writes here; the lock goes with the file. The folder is made if it is not there.
pub(super) fn lock(folder: &Path) -> Result<File, LocalError> {
    let path = folder.join("writer.lock");
    let failed = |error| LocalError::file("lock", &path, error);
    for _ in 0..TRIES {
        make(folder)?;
        let opened = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = match opened {
            // The folder went again before this.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(failed)?,
        };
        file.lock().map_err(failed)?;
        // Who waited may have waited for a file that was removed, and others hold the one that is there now.
        if is_at(&file, &path) {
            return Ok(file);
        }
    }
    Err(LocalError::Moved { folder: folder.to_owned() })
}

/// Makes the folder, in one that git does not see.
fn make(folder: &Path) -> Result<(), LocalError> {
    fs::create_dir_all(folder).map_err(|error| LocalError::file("make", folder, error))?;
    let ignore = folder.parent().unwrap_or(folder).join(".gitignore");
    // An empty one is what a kill left.
    if fs::metadata(&ignore).is_ok_and(|there| there.len() > 0) {
        return Ok(());
    }
    fs::write(&ignore, "*\n").map_err(|error| LocalError::file("write", &ignore, error))
}

fn set_aside(folder: &Path, why: &LocalError) -> Result<(), LocalError> {
    let words = folder.join(WORDS);
    let aside = words.with_extension("broken");
    warn!(
        folder = %folder.display(),
        %why,
        "the knowledge index is damaged: it is put aside in `words.broken`, and made again from the logs"
    );
    let moved = match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::rename(&words, &aside),
    };
    moved.map_err(|error| LocalError::file("put aside", &words, error))
}

/// Whether that open file is the one that lies there.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Work on files that may hold anything: what the library cannot bear is an error as well.
fn guarded<T>(folder: &Path, work: impl FnOnce() -> Result<T, LocalError>) -> Result<T, LocalError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|told| {
        Err(LocalError::Panicked { folder: folder.to_owned(), told: words_of(told.as_ref()) })
    })
}

fn words_of(told: &(dyn Any + Send)) -> String {
    let text = told.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| told.downcast_ref::<&str>().copied()).unwrap_or("it makes no sense").to_owned()
}
