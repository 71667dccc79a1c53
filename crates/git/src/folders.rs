//! Folders on the disk: remembering how they looked, and removing them whatever is in them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// When each folder below a root was last given or robbed of an entry.
///
/// A file that appears later changes the time of its folder, so a few `stat` calls show that there is none, where
/// reading all folders again would take ten times as long. What is changed *in* a file does not show here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// Looks at all folders below the root; with `tidy` those that hold nothing are removed, as git does not see them.
    pub(crate) fn take(root: &Path, tidy: bool) -> io::Result<Self> {
        let mut folders = Vec::new();
        walk(root, Path::new(""), tidy, &mut folders)?;
        let mut text = Vec::new();
        for folder in folders {
            text.extend(time(&root.join(&folder))?.as_bytes());
            text.push(b' ');
            text.extend(folder.as_os_str().as_bytes());
            text.push(0);
        }
        Ok(Self(text))
    }

    /// Whether every folder is as it was.
    pub(crate) fn still_holds(&self, root: &Path) -> bool {
        let mut lines = self.0.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        !self.0.is_empty()
            && lines.all(|line| {
                let Some(space) = line.iter().position(|byte| *byte == b' ') else { return false };
                let (then, folder) = line.split_at(space);
                let folder = OsStr::from_bytes(folder.get(1..).unwrap_or_default());
                time(&root.join(folder)).is_ok_and(|now| now.as_bytes() == then)
            })
    }

    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        fs::write(path, &self.0)
    }

    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        fs::read(path).map(Self)
    }
}

/// Removes a folder and all that is in it; links are not followed. Absent already is success.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        // Another process may be removing the same: then what is missing is in the folder, not the folder itself.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_real(path) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => remove(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Tools leave folders that may not be written, such as a module cache.
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

/// Whether this is a folder, and no link to one.
pub(crate) fn is_real(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Adds a folder and those below it; true if it holds nothing.
fn walk(root: &Path, relative: &Path, tidy: bool, folders: &mut Vec<PathBuf>) -> io::Result<bool> {
    let mut empty = true;
    let mut below = Vec::new();
    for entry in fs::read_dir(root.join(relative))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            below.push(relative.join(entry.file_name()));
        } else {
            empty = false;
        }
    }
    for folder in below {
        if walk(root, &folder, tidy, folders)? && tidy {
            fs::remove_dir(root.join(&folder))?;
            folders.pop();
        } else {
            empty = false;
        }
    }
    folders.push(relative.to_owned());
    Ok(empty)
}

fn time(folder: &Path) -> io::Result<String> {
    let metadata = fs::symlink_metadata(folder)?;
    Ok(format!("{}.{}", metadata.mtime(), metadata.mtime_nsec()))
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_a_new_folder_and_a_lost_file_show() {
        let root = tempfile::tempdir().expect("it can be done here");
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("a/日本")).expect("it can be done here");
        fs::create_dir_all(at("empty/in/empty")).expect("it can be done here");
        fs::write(at("a/日本/x"), "1").expect("it can be done here");
        fs::write(at("y"), "1").expect("it can be done here");
        let old = at("a/日本");
        let before = Fingerprint::take(root.path(), true).expect("it can be done here");
        assert!(!at("empty").exists());
        assert!(before.still_holds(root.path()));
        // Folder times are set by hand, so that the test does not rest on how fine the clock is.
        let touch = |path: &Path| {
            let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
            fs::File::open(path).expect("it can be done here").set_times(times).expect("it can be done here");
        };
        touch(&old);
        assert!(!before.still_holds(root.path()));
        let again = Fingerprint::take(root.path(), false).expect("it can be done here");
        again.save(&at("saved")).expect("it can be done here");
        fs::remove_dir_all(&old).expect("it can be done here");
        assert!(!Fingerprint::load(&at("saved")).expect("it can be done here").still_holds(root.path()));
        assert!(!Fingerprint(Vec::new()).still_holds(root.path()));
    }

    #[test]
    fn folders_that_may_not_be_written_go_and_links_are_not_followed() {
        let root = tempfile::tempdir().expect("it can be done here");
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("gone/sealed")).expect("it can be done here");
        fs::create_dir(at("stays")).expect("it can be done here");
        fs::write(at("stays/x"), "1").expect("it can be done here");
        fs::write(at("gone/sealed/x"), "1").expect("it can be done here");
        std::os::unix::fs::symlink(at("stays"), at("gone/link")).expect("it can be done here");
        fs::set_permissions(at("gone/sealed"), fs::Permissions::from_mode(0o500))
            .expect("it can be done here");
        remove(&at("gone")).expect("it can be done here");
        remove(&at("gone")).expect("it can be done here");
        assert!(!at("gone").exists());
        assert!(at("stays/x").exists());
    }
}
