//! The scripted agent's changes to files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use miyabi_core::failure::{Failure, FailureClass};

use super::place::{self, PlaceError};
use super::playbook::Action;

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{action} `{path}`")]
    Place {
        action: &'static str,
        path: String,
        #[source]
        source: PlaceError,
    },
    #[error("{action} `{path}`")]
    Change {
        action: &'static str,
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("replace in `{path}`: the text stands there {times} times, expected once")]
    Times { path: String, times: usize },
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::caused(FailureClass::AgentFailed, &error).hint("mend the playbook")
    }
}

/// Does a file action in the worktree and says in a line what was done; actions of other kinds are nothing to do.
pub(crate) fn change(worktree: &Path, action: &Action) -> Result<String, FileError> {
    match action {
        Action::Write(file) => at(worktree, "write", file.path.as_str(), |place| {
            make_folders(place)?;
            fs::write(place, &file.content)
        })
        .map(|()| format!("write {} ({} bytes)", file.path.as_str(), file.content.len())),
        Action::Append(file) => at(worktree, "append to", file.path.as_str(), |place| {
            make_folders(place)?;
            OpenOptions::new().append(true).create(true).open(place)?.write_all(file.content.as_bytes())
        })
        .map(|()| format!("append to {} ({} bytes)", file.path.as_str(), file.content.len())),
        Action::Replace(this) => {
            let path = this.path.as_str();
            let mut text = String::new();
            at(worktree, "read", path, |place| fs::read_to_string(place).map(|read| text = read))?;
            let times = if this.from.is_empty() { 0 } else { text.matches(&this.from).count() };
            if times != 1 {
                return Err(FileError::Times { path: path.to_owned(), times });
            }
            let text = text.replacen(&this.from, &this.to, 1);
            at(worktree, "write", path, |place| fs::write(place, &text))?;
            Ok(format!("replace in {path}"))
        }
        Action::Delete(path) => at(worktree, "delete", path.as_str(), |place| fs::remove_file(place))
            .map(|()| format!("delete {}", path.as_str())),
        _ => Ok(String::new()),
    }
}

fn at(
    worktree: &Path,
    action: &'static str,
    path: &str,
    change: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), FileError> {
    let place = place::inside(worktree, path).map_err(|source| FileError::Place {
        action,
        path: path.to_owned(),
        source,
    })?;
    change(&place).map_err(|source| FileError::Change { action, path: path.to_owned(), source })
}

fn make_folders(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), fs::create_dir_all)
}
