//! The pool of closed worktrees that wait for the next task, and the removal of those that do not.
//!
//! A parked worktree is clean, detached and proven to hold nothing of its own. Reusing it costs what differs between
//! two commits, where a new one costs the whole tree.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use miyabi_core::worktree::WorktreeSpec;

use crate::error::GitError;
use crate::folders::{self, Fingerprint};
use crate::registry::{Checkout, Found, Record, State};
use crate::repository::Repository;

/// Name of the fingerprint in git's folder about a parked worktree.
const FINGERPRINT: &str = "miyabi-folders";
/// Beginning of the names of folders that are being deleted, among the worktrees.
const TRASH: &str = ".trash-";
/// Beginning of the names of git's folders that are being deleted, beside the locks: a folder of their own would have
/// to be removed at some time, and that under the hands of whoever moves the next one into it.
const ADMIN_TRASH: &str = "trash-";

impl Repository {
    /// Parked worktrees, the one that was parked last first.
    pub(crate) fn parked(&self) -> Result<Vec<Checkout>, GitError> {
        let pool = self.pool_folder();
        let mut parked: Vec<_> = self
            .all_ours()?
            .into_iter()
            .filter(|checkout| {
                checkout.record.state == State::Parked && checkout.path.parent() == Some(&pool)
            })
            .map(|checkout| {
                (fs::metadata(checkout.admin.join(FINGERPRINT)).and_then(|m| m.modified()).ok(), checkout)
            })
            .collect();
        parked.sort_by(|(a, _), (b, _)| b.cmp(a));
        Ok(parked.into_iter().map(|(_, checkout)| checkout).collect())
    }

    /// Takes a parked worktree for this task, if there is one that is still as it was.
    pub(crate) async fn unpark(&self, spec: &WorktreeSpec) -> Result<Option<Checkout>, GitError> {
        if self.options.pool_size == 0 || !folders::is_real(&self.pool_folder()) {
            return Ok(None);
        }
        let _held = self.locks.hold("pool").await?;
        for parked in self.parked()? {
            if !self.is_as_parked(&parked) {
                self.throw_out(&parked).await?;
                continue;
            }
            let path = self.folder.join(&spec.name);
            fs::create_dir_all(&self.folder).map_err(|source| GitError::io("make", &self.folder, source))?;
            let checkout = Checkout { path, admin: parked.admin, record: Record::opening(spec) };
            checkout.save()?;
            fs::rename(&parked.path, &checkout.path)
                .map_err(|source| GitError::io("move a parked worktree to", &checkout.path, source))?;
            checkout.connect()?;
            return Ok(Some(checkout));
        }
        Ok(None)
    }

    /// Parks a worktree that is clean and detached; false when there is no room for it.
    pub(crate) async fn park(&self, checkout: &Checkout) -> Result<bool, GitError> {
        if self.options.pool_size == 0 || checkout.admin.join("modules").exists() {
            return Ok(false);
        }
        let (path, tidy) = (checkout.path.clone(), !self.options.keep_build_output);
        let fingerprint = blocking(move || Fingerprint::take(&path, tidy)).await?;
        let Ok(fingerprint) = fingerprint else { return Ok(false) };
        let pool = self.pool_folder();
        let _held = self.locks.hold("pool").await?;
        let made = fs::create_dir_all(&pool).is_ok() && pool.canonicalize().is_ok_and(|real| real == pool);
        if !made || self.parked()?.len() >= self.options.pool_size {
            return Ok(false);
        }
        let Some(id) = checkout.admin.file_name() else { return Ok(false) };
        let mut parked = Checkout { path: pool.join(id), ..checkout.clone() };
        parked.record.state = State::Parked;
        parked.record.context.clear();
        let saved = parked.admin.join(FINGERPRINT);
        fingerprint.save(&saved).map_err(|source| GitError::io("write", &saved, source))?;
        // From here on it is nobody's: broken off before the move, it is removed when its name is next opened.
        parked.save()?;
        if fs::rename(&checkout.path, &parked.path).is_err() {
            // Another file system, or something in the way.
            return Ok(false);
        }
        parked.connect()?;
        Ok(true)
    }

    /// Removes all parked worktrees; says how many there were.
    pub(crate) async fn drain_pool(&self) -> Result<usize, GitError> {
        self.clear_broken_off().await?;
        let _held = self.locks.hold("pool").await?;
        self.clear_moves().await?;
        let parked = self.parked()?;
        for checkout in &parked {
            self.throw_out(checkout).await?;
        }
        self.sweep_trash().await?;
        // Leaves nothing behind where there was nothing before; fails where there is something.
        for folder in [self.pool_folder(), self.root.join(".miyabi")] {
            let _ = fs::remove_dir(folder);
        }
        Ok(parked.len())
    }

    /// Removes worktrees that a killed process was opening or parking, whose names nobody may ever ask for again.
    async fn clear_broken_off(&self) -> Result<(), GitError> {
        for checkout in self.all_ours()? {
            let name = &checkout.record.name;
            if checkout.record.state == State::Open || checkout.path != self.folder.join(name) {
                continue;
            }
            // Whoever is alive and opens it holds the name until it is open.
            let _held = self.hold_name(name).await?;
            if let Found::Ours(there) = self.look_up(name)?
                && there.record.state != State::Open
            {
                self.discard(&there).await?;
            }
        }
        Ok(())
    }

    /// Removes what a killed process was moving to or from the pool, or out of it to be deleted. To be called by the
    /// holder of the pool's lock, under which all such moves happen, so that what looks broken off is.
    async fn clear_moves(&self) -> Result<(), GitError> {
        let pool = self.pool_folder();
        if !folders::is_real(&pool) && !self.common.join("worktrees").is_dir() {
            return Ok(());
        }
        for checkout in self.misplaced(&pool) {
            checkout.connect()?;
            self.discard(&checkout).await?;
        }
        for checkout in self.all_ours()? {
            if checkout.path.parent() == Some(&pool) && checkout.record.state != State::Parked {
                self.throw_out(&checkout).await?;
            }
        }
        let mut doomed = Vec::new();
        {
            // Whoever discards a worktree moves its folder and git's folder about it under this lock.
            let _held = self.locks.hold("register").await?;
            for ghost in self.ghosts_of_nobody()? {
                doomed.push(set_aside(&ghost, &self.admin_trash(&self.unique())));
            }
        }
        if folders::is_real(&pool) {
            for stray in self.strays(&pool)? {
                doomed.push(set_aside(&stray, &self.folder.join(format!("{TRASH}{}", self.unique()))));
            }
        }
        if doomed.is_empty() {
            return Ok(());
        }
        blocking(move || doomed.iter().for_each(|path| drop(delete(path)))).await
    }

    /// Worktrees that nobody has and that were moved from where git's books say that they are. A copy is somebody's.
    fn misplaced(&self, pool: &Path) -> Vec<Checkout> {
        let mut found = Vec::new();
        for folder in [&self.folder, pool] {
            let places = if folders::is_real(folder) { entries(folder, "") } else { Vec::new() };
            for path in places.into_iter().filter(|path| folders::is_real(path)) {
                let moved = |at: &Option<PathBuf>| at.as_ref().is_none_or(|at| *at != path && !at.exists());
                let there = self.recorded(&path);
                found.extend(there.filter(|(_, registered)| moved(registered)).map(|(checkout, _)| checkout));
            }
        }
        found.retain(|checkout| checkout.record.state != State::Open);
        found
    }

    /// Folders in the pool that were worktrees of this repository, and that git's books place elsewhere or nowhere.
    fn strays(&self, pool: &Path) -> Result<Vec<PathBuf>, GitError> {
        let known: Vec<PathBuf> = self.all_ours()?.into_iter().map(|checkout| checkout.path).collect();
        let books = format!("gitdir: {}/", self.common.join("worktrees").display());
        let was_ours =
            |path: &PathBuf| fs::read(path.join(".git")).is_ok_and(|text| text.starts_with(books.as_bytes()));
        Ok(entries(pool, "").into_iter().filter(|path| !known.contains(path) && was_ours(path)).collect())
    }

    /// Removes a worktree from the disk and from git's books. Whatever is to be kept of it is pinned already.
    ///
    /// It disappears at once for everybody; deleting takes as long as it takes.
    pub(crate) async fn discard(&self, checkout: &Checkout) -> Result<(), GitError> {
        let unique = self.unique();
        let trash = self.folder.join(format!("{TRASH}{unique}"));
        let admin_trash = self.admin_trash(&unique);
        let mut doomed = Vec::new();
        {
            let _held = self.locks.hold("register").await?;
            doomed.push(set_aside(&checkout.path, &trash));
            doomed.push(set_aside(&checkout.admin, &admin_trash));
            // As git does; fails where there is another worktree.
            let _ = fs::remove_dir(self.common.join("worktrees"));
        }
        let places = [checkout.path.clone(), checkout.admin.clone()];
        blocking(move || {
            for (path, place) in doomed.iter().zip(&places) {
                match delete(path) {
                    Ok(()) => {}
                    // It is out of everybody's way; what is left of it the next process deletes.
                    Err(error) if path != place => {
                        tracing::debug!(%error, path = %path.display(), "left what was set aside for later");
                    }
                    Err(source) => return Err(GitError::io("remove", path, source)),
                }
            }
            Ok(())
        })
        .await?
    }

    /// Once in a process: removes what earlier ones were stopped while removing or registering.
    pub(crate) async fn sweep(&self) -> Result<(), GitError> {
        self.swept.get_or_try_init(|| self.sweep_now()).await.copied()
    }

    async fn sweep_now(&self) -> Result<(), GitError> {
        {
            let _held = self.locks.hold("pool").await?;
            self.clear_moves().await?;
        }
        self.sweep_trash().await
    }

    async fn sweep_trash(&self) -> Result<(), GitError> {
        let mut doomed = Vec::new();
        {
            let _held = self.locks.hold("register").await?;
            self.complete_registrations()?;
            for admin in self.half_registered()? {
                doomed.push(set_aside(&admin, &self.admin_trash(&self.unique())));
            }
        }
        if folders::is_real(&self.folder) {
            doomed.extend(entries(&self.folder, TRASH));
        }
        doomed.extend(entries(&self.common.join("miyabi"), ADMIN_TRASH));
        if !doomed.is_empty() {
            // Another process may be deleting the same; what fails now is tried again by the next one.
            blocking(move || doomed.iter().for_each(|path| drop(folders::remove(path)))).await?;
        }
        Ok(())
    }

    /// Removes a parked worktree; what came into it since it was parked is pinned like work of the task it was.
    async fn throw_out(&self, parked: &Checkout) -> Result<(), GitError> {
        if folders::is_real(&parked.path) {
            self.keep_work_of(parked).await?;
        }
        self.discard(parked).await
    }

    fn is_as_parked(&self, parked: &Checkout) -> bool {
        let same =
            |file: &str| fs::read(self.common.join(file)).ok() == fs::read(parked.admin.join(file)).ok();
        same("info/sparse-checkout")
            && same("config.worktree")
            && Fingerprint::load(&parked.admin.join(FINGERPRINT))
                .is_ok_and(|then| then.still_holds(&parked.path))
    }

    pub(crate) fn pool_folder(&self) -> PathBuf {
        self.root.join(".miyabi").join("pool")
    }

    /// The folder it lies in is there for as long as a lock is held.
    fn admin_trash(&self, unique: &str) -> PathBuf {
        self.common.join("miyabi").join(format!("{ADMIN_TRASH}{unique}"))
    }
}

/// Runs what reads or deletes many files, beside the executor.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, GitError> {
    tokio::task::spawn_blocking(work).await.map_err(|source| GitError::BrokeOff { source })
}

/// Deletes a folder. A git whose miyabi was killed may still be writing into it for a moment.
fn delete(path: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match folders::remove(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && tries < 20 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// Moves a folder to where it is deleted; where that cannot be, it is deleted where it is.
fn set_aside(path: &Path, trash: &Path) -> PathBuf {
    if fs::rename(path, trash).is_ok() { trash.to_owned() } else { path.to_owned() }
}

fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let trash =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).filter(trash).collect())
        .unwrap_or_default()
}
