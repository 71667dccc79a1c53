//! Finding a program before it is started, so that what is missing is told by name.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use miyabi_core::failure::{Failure, FailureClass};

/// Why a program cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// An adapter without a program.
    #[error("the agent names no program")]
    Unnamed,
    /// It is nowhere on the search path.
    #[error("find program `{0}`: it is in no folder of the search path")]
    NotFound(String),
    /// There is no such file.
    #[error("find program `{0}`: there is no such file")]
    NoFile(PathBuf),
    /// It is a file that may not be run, or a folder.
    #[error("run program `{0}`: it is not an executable file")]
    NotExecutable(PathBuf),
}

impl ProgramError {
    /// What the person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unnamed => "give a program: `--agent command:./my-agent.sh`".to_owned(),
            Self::NotFound(program) => {
                format!("install `{program}`, or give its path: `--agent command:/path/to/{program}`")
            }
            Self::NoFile(_) => "relative paths start at the main checkout; check the spelling".to_owned(),
            Self::NotExecutable(path) => format!("make it executable: `chmod +x {}`", path.display()),
        }
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        let class = match error {
            ProgramError::Unnamed => FailureClass::Input,
            _ => FailureClass::Unavailable,
        };
        Self::caused(class, &error).hint(error.hint())
    }
}

/// Finds the file of a program.
///
/// A name with a `/` is a path, relative ones from `root`; any other name is looked for in the absolute folders of
/// `search`. Relative folders in `search` are passed over: they would mean the worktree, where an agent writes.
pub(crate) fn find(program: &OsStr, root: &Path, search: Option<&OsString>) -> Result<PathBuf, ProgramError> {
    if program.is_empty() {
        return Err(ProgramError::Unnamed);
    }
    let path = Path::new(program);
    if path.components().count() > 1 || path.is_absolute() {
        let path = root.join(path);
        return match (path.exists(), is_executable(&path)) {
            (_, true) => Ok(path),
            (true, false) => Err(ProgramError::NotExecutable(path)),
            (false, false) => Err(ProgramError::NoFile(path)),
        };
    }
    search
        .into_iter()
        .flat_map(std::env::split_paths)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| ProgramError::NotFound(program.to_string_lossy().into_owned()))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn finds_files_and_says_what_is_wrong_with_others() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let tools = root.join("道具");
        fs::create_dir(&tools).unwrap();
        for (name, mode) in [("agent", 0o755), ("plain", 0o644)] {
            fs::write(tools.join(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(tools.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let search = std::env::join_paths([Path::new("道具"), &tools]).unwrap();
        let find = |name: &str| find(OsStr::new(name), root, Some(&search));

        assert_eq!(find("agent"), Ok(tools.join("agent")));
        assert_eq!(find("./道具/agent"), Ok(root.join("./道具/agent")));
        assert_eq!(find(tools.join("agent").to_str().unwrap()), Ok(tools.join("agent")));
        assert_eq!(find("plain"), Err(ProgramError::NotFound("plain".to_owned())));
        assert_eq!(find("道具/plain"), Err(ProgramError::NotExecutable(root.join("道具/plain"))));
        assert_eq!(find("./道具"), Err(ProgramError::NotExecutable(root.join("./道具"))));
        assert_eq!(find("./gone"), Err(ProgramError::NoFile(root.join("./gone"))));
        assert_eq!(find(""), Err(ProgramError::Unnamed));
    }

    #[test]
    fn relative_folders_of_the_search_path_are_passed_over() {
        let search = OsString::from("src:.:");
        let error = find(OsStr::new("lib.rs"), Path::new("/"), Some(&search)).unwrap_err();
        assert_eq!(error, ProgramError::NotFound("lib.rs".to_owned()));
        let failure = Failure::from(error);
        assert_eq!(failure.class, FailureClass::Unavailable);
        assert_eq!(failure.message, "find program `lib.rs`: it is in no folder of the search path");
    }
}
