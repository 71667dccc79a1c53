//! Folders that one box has for itself, and that go when it does.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// In bytes.
const LONGEST_SOCKET: usize = 100;

/// A home and a place for temporary files; removed when dropped.
#[derive(Debug)]
pub(crate) struct Private {
    folder: PathBuf,
    home: PathBuf,
}

impl Private {
    /// A new one below that folder. A home that is kept elsewhere is made when it is not there, and stays.
    pub(crate) fn new(below: &Path, kept: Option<&Path>) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let us = std::process::id();
        let began = began(us).unwrap_or_default();
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let folder = below.join(format!("{us}.{began}.{number}"));
            fs::create_dir_all(below)?;
            match fs::create_dir(&folder) {
                Ok(()) => {
                    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
                    let home = kept.map_or_else(|| folder.join("home"), Path::to_owned);
                    let private = Self { folder, home };
                    fs::create_dir(private.temp())?;
                    fs::create_dir_all(&private.home)?;
                    fs::set_permissions(&private.home, fs::Permissions::from_mode(0o700))?;
                    return Ok(private);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The home.
    pub(crate) fn home(&self) -> PathBuf {
        self.home.clone()
    }

    /// Makes the home empty when a link in it stands on the way to a place where something is to be shown: what makes the box
    /// would follow it, with rights that the program which left it there does not have.
    pub(crate) fn unbend<'a>(&self, mut places: impl Iterator<Item = &'a Path>) -> io::Result<()> {
        let is_bent = |place: &Path| {
            let mut at = self.home.clone();
            place.components().any(|part| {
                at.push(part);
                at.is_symlink()
            })
        };
        if places.any(is_bent) {
            remove(&self.home)?;
            fs::create_dir_all(&self.home)?;
        }
        Ok(())
    }

    /// A file with this text, to be shown in another place.
    pub(crate) fn file(&self, number: usize, text: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("shown-{number}"));
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Where a proxy listens. The kernel takes no longer path for a socket than about a hundred bytes.
    pub(crate) fn socket(&self) -> PathBuf {
        let usual = self.folder.join("proxy");
        if usual.as_os_str().len() <= LONGEST_SOCKET {
            return usual;
        }
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        std::env::temp_dir().join(format!("miyabi-{name}.proxy"))
    }

    /// For temporary files.
    pub(crate) fn temp(&self) -> PathBuf {
        self.folder.join("tmp")
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // Most have none.
        let _ = fs::remove_file(self.socket());
        if let Err(error) = remove(&self.folder) {
            tracing::warn!(%error, "a private folder stays behind: {}", self.folder.display());
        }
    }
}

/// Removes what processes that are gone left behind.
pub(crate) fn sweep(below: &Path) {
    let Ok(entries) = fs::read_dir(below) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let mut parts = name.to_str().unwrap_or_default().splitn(3, '.');
        let pid = parts.next().and_then(|pid| pid.parse::<u32>().ok());
        let then = parts.next().and_then(|then| then.parse::<u64>().ok());
        let (Some(pid), Some(then)) = (pid, then) else { continue };
        if began(pid) != Some(then) {
            // One that stays is tried again the next time.
            let _ = remove(&entry.path());
        }
    }
}

/// Removes a folder whose folders may have been made unreadable. Links are removed, never followed.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder);
            fs::remove_dir_all(folder)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

/// When that process began, in clock ticks since boot, by which it is told apart from a later one with its number.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in brackets, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // Who has ended, and was not yet asked how, has ended.
    fields.next().filter(|state| !matches!(*state, "Z" | "X"))?;
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_home_stays_unless_a_link_bends_a_way_through_it() {
        let below = tempfile::tempdir().unwrap();
        let kept = below.path().join("state");
        let private = || Private::new(&below.path().join("box"), Some(&kept)).unwrap();
        let places = || [".claude/.credentials.json", ""].into_iter().map(Path::new);
        drop(private());
        fs::create_dir(kept.join(".claude")).unwrap();
        fs::write(kept.join(".claude/session"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", kept.join("a link of no account")).unwrap();
        private().unbend(places()).unwrap();
        assert!(kept.join(".claude/session").exists(), "it is kept");
        fs::rename(kept.join(".claude"), below.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(below.path().join("elsewhere"), kept.join(".claude")).unwrap();
        private().unbend(places()).unwrap();
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 0, "what was bent is gone");
        assert!(below.path().join("elsewhere/session").exists(), "and nothing behind it");
    }

    #[test]
    fn what_dead_processes_left_goes_and_what_lives_stays() {
        let below = tempfile::tempdir().unwrap();
        let private = Private::new(below.path(), None).unwrap();
        for left in ["1.7.0", "4000000.1.3"] {
            fs::create_dir_all(below.path().join(left).join("home/深い")).unwrap();
        }
        fs::create_dir(below.path().join("people's")).unwrap();
        sweep(below.path());
        let mut left: Vec<_> =
            fs::read_dir(below.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        left.sort();
        assert_eq!(left, [private.folder.clone(), below.path().join("people's")]);
        let folder = private.folder.clone();
        drop(private);
        assert!(!folder.exists());

        // Nobody has asked yet how it ended.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let alive = began(child.id());
        while began(child.id()).is_some() {
            std::thread::yield_now();
        }
        let left = below.path().join(format!("{}.{}.0", child.id(), alive.unwrap_or_default()));
        fs::create_dir(&left).unwrap();
        sweep(below.path());
        assert!(!left.exists());
        child.wait().unwrap();
    }
}
