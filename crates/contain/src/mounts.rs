//! What stands where in a box, in an order in which nothing hides what was put below it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One place in the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mount {
    /// The same file or folder of the machine, to be read.
    Read(PathBuf),
    /// The same file or folder of the machine, to be written as well.
    Write(PathBuf),
    /// Another file or folder of the machine, to be read.
    Replaced { place: PathBuf, by: PathBuf },
    /// Another folder of the machine, to be written as well.
    Private { place: PathBuf, by: PathBuf },
    /// A folder with nothing in it.
    Empty(PathBuf),
    /// A symbolic link.
    Link { place: PathBuf, to: PathBuf },
}

impl Mount {
    pub(crate) fn place(&self) -> &Path {
        match self {
            Self::Read(place) | Self::Write(place) | Self::Empty(place) => place,
            Self::Replaced { place, .. } | Self::Private { place, .. } | Self::Link { place, .. } => place,
        }
    }

    fn words(self) -> Vec<OsString> {
        let place = self.place().as_os_str().to_owned();
        match self {
            Self::Read(_) => vec!["--ro-bind".into(), place.clone(), place],
            Self::Write(_) => vec!["--bind".into(), place.clone(), place],
            Self::Replaced { by, .. } => vec!["--ro-bind".into(), by.into(), place],
            Self::Private { by, .. } => vec!["--bind".into(), by.into(), place],
            Self::Empty(_) => {
                vec!["--tmpfs".into(), place.clone(), "--remount-ro".into(), place]
            }
            Self::Link { to, .. } => vec!["--symlink".into(), to.into(), place],
        }
    }
}

/// The arguments of bubblewrap for these mounts: what stands deeper comes later, and of two at one place the later one
/// is seen.
pub(crate) fn arguments(mut mounts: Vec<Mount>) -> Vec<OsString> {
    mounts.sort_by_key(|mount| mount.place().components().count());
    mounts.into_iter().flat_map(Mount::words).collect()
}

/// The path as it is written, and as it is without symbolic links; nothing where there is no such file.
pub(crate) fn spellings(path: &Path) -> Vec<PathBuf> {
    match path.canonicalize() {
        Ok(real) if real == path => vec![real],
        Ok(real) => vec![path.to_owned(), real],
        Err(_) => Vec::new(),
    }
}

/// Whether a path lies in what the program may write, and a link leads from there to somewhere else: an earlier program
/// may have put it there, and what it leads to was allowed by nobody.
pub(crate) fn leads_out(path: &Path, writable: &[PathBuf]) -> bool {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is_out = |folder: &PathBuf| {
        let place = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        (path.starts_with(folder) || path.starts_with(&place)) && !real.starts_with(place)
    };
    writable.iter().any(is_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_deeper_comes_later() {
        let mounts = vec![
            Mount::Read("/home/me/repo/.git".into()),
            Mount::Private { place: "/home/me".into(), by: "/p/home".into() },
            Mount::Write("/home/me/repo/.worktrees/雅".into()),
            Mount::Link { place: "/bin".into(), to: "usr/bin".into() },
            Mount::Empty("/etc/ssl/private".into()),
        ];
        let words: Vec<_> = arguments(mounts).into_iter().map(|word| word.into_string().unwrap()).collect();
        let expected = "--symlink usr/bin /bin --bind /p/home /home/me \
             --tmpfs /etc/ssl/private --remount-ro /etc/ssl/private \
             --ro-bind /home/me/repo/.git /home/me/repo/.git \
             --bind /home/me/repo/.worktrees/雅 /home/me/repo/.worktrees/雅";
        assert_eq!(words.join(" "), expected);
    }
}
