//! Keeping the scripted agent inside its worktree.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Why a path is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("path `{0}` must be relative and stay inside the worktree: no `..`, no leading `/`, not empty")]
    Outside(String),
    #[error("path `{0}` belongs to git")]
    Git(String),
    #[error("path `{path}` leads out of the worktree through the symbolic link `{link}`")]
    Link { path: String, link: PathBuf },
    #[error("look at path `{path}`")]
    Look {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// The path as plain components, or why it is none. Looks at the text alone.
pub(crate) fn relative(path: &str) -> Result<PathBuf, PlaceError> {
    let mut plain = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) if name.eq_ignore_ascii_case(".git") => {
                return Err(PlaceError::Git(path.to_owned()));
            }
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(PlaceError::Outside(path.to_owned()));
            }
        }
    }
    if plain.as_os_str().is_empty() || path.contains('\0') {
        return Err(PlaceError::Outside(path.to_owned()));
    }
    Ok(plain)
}

/// Where a file of the worktree is. Symbolic links on the way are not followed, wherever they lead.
pub(crate) fn inside(worktree: &Path, path: &str) -> Result<PathBuf, PlaceError> {
    let mut place = worktree.to_owned();
    for component in relative(path)?.components() {
        place.push(component);
        match place.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => {
                return Err(PlaceError::Link { path: path.to_owned(), link: place });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(PlaceError::Look { path: path.to_owned(), source }),
        }
    }
    Ok(place)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert_eq!(relative("src/./認証.rs").unwrap(), Path::new("src/認証.rs"));
        assert_eq!(relative("$(id).rs").unwrap(), Path::new("$(id).rs"));
        for outside in ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a\0b"] {
            assert!(matches!(relative(outside), Err(PlaceError::Outside(_))), "{outside:?}");
        }
        for git in [".git", ".git/config", "sub/.GIT/hooks/pre-commit"] {
            assert!(matches!(relative(git), Err(PlaceError::Git(_))), "{git:?}");
        }
        assert!(relative(".gitignore").is_ok());
    }

    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (worktree, outside) = (root.path().join("worktree"), root.path().join("outside"));
        std::fs::create_dir_all(worktree.join("src")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, worktree.join("src/out")).unwrap();
        std::os::unix::fs::symlink("/dev/null", worktree.join("file")).unwrap();

        assert_eq!(inside(&worktree, "src/new/file.rs").unwrap(), worktree.join("src/new/file.rs"));
        for link in ["src/out/x", "src/out", "file"] {
            assert!(matches!(inside(&worktree, link), Err(PlaceError::Link { .. })), "{link:?}");
        }
    }
}
