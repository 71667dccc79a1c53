//! What of this machine any program needs, and what of that no untrusted one may see.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::mounts::{Mount, leads_out, spellings};

/// Folders of the system: programs, libraries, settings that everybody may read.
const SYSTEM: [&str; 11] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix/store",
    "/gnu/store",
];

/// Files of `/etc` that may be links to somewhere else, and without which names are not resolved.
const LINKED: [&str; 3] = ["/etc/resolv.conf", "/etc/localtime", "/etc/hosts"];

/// Folders in a home that hold more than programs.
const MIXED: [&str; 6] = [".config", ".local", ".cache", ".ssh", ".gnupg", ".aws"];

/// Settings that tools look for in the folder they work in and in all above it, as a rule kept in the repository. Never
/// what may hold a login.
const LOOKED_FOR: [&str; 22] = [
    "Cargo.toml",
    ".cargo/config.toml",
    ".cargo/config",
    "rust-toolchain.toml",
    "rust-toolchain",
    "rustfmt.toml",
    ".rustfmt.toml",
    "clippy.toml",
    ".clippy.toml",
    "go.mod",
    "go.work",
    "package.json",
    "tsconfig.json",
    "eslint.config.js",
    "eslint.config.mjs",
    ".editorconfig",
    "pyproject.toml",
    "pytest.ini",
    "setup.cfg",
    "tox.ini",
    "ruff.toml",
    "pom.xml",
];

/// Folders of `/etc` are looked through this deep for what only some may read.
const DEPTH: u32 = 6;

/// The system's own folders as they are, without what not everybody may read.
pub(crate) fn system() -> Vec<Mount> {
    let mut mounts = Vec::new();
    for place in SYSTEM.map(PathBuf::from) {
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => {
                if let Ok(to) = fs::read_link(&place) {
                    mounts.push(Mount::Link { place, to });
                }
            }
            Ok(found) if found.is_dir() => mounts.push(Mount::Read(place)),
            _ => {}
        }
    }
    for place in LINKED.map(Path::new) {
        if let Ok(real) = place.canonicalize()
            && !is_system(&real)
        {
            mounts.push(Mount::Read(real));
        }
    }
    mounts.extend(reserved().iter().cloned());
    mounts
}

/// Files and folders of the system that programs may read, for rules that allow and cannot take back.
pub(crate) fn system_files() -> Vec<PathBuf> {
    let hidden: Vec<PathBuf> = reserved().iter().map(|mount| mount.place().to_owned()).collect();
    let folders = SYSTEM.into_iter().chain(LINKED).map(Path::new);
    folders.flat_map(|folder| without(folder, &hidden)).collect()
}

/// The same of those tools.
pub(crate) fn tool_files(tools: &[PathBuf]) -> Vec<PathBuf> {
    let hidden: Vec<PathBuf> = secrets(tools).collect();
    tools.iter().flat_map(|folder| without(folder, &hidden)).collect()
}

/// The folder, or, where something of it is hidden, the rest.
fn without(path: &Path, hidden: &[PathBuf]) -> Vec<PathBuf> {
    if hidden.iter().any(|place| place == path) {
        return Vec::new();
    }
    if !hidden.iter().any(|place| place.starts_with(path)) {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.flat_map(|entry| without(&entry.path(), hidden)).collect()
}

/// What of `/etc` is not for everybody. As root we could read it all, and so could whoever we start.
pub(crate) fn reserved() -> &'static [Mount] {
    static RESERVED: OnceLock<Vec<Mount>> = OnceLock::new();
    RESERVED.get_or_init(|| {
        let mut found = Vec::new();
        look(Path::new("/etc"), DEPTH, &mut found);
        found
    })
}

fn look(folder: &Path, depth: u32, found: &mut Vec<Mount>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let mode = metadata.permissions().mode();
        if metadata.is_dir() && mode & 0o005 != 0o005 {
            found.push(Mount::Empty(entry.path()));
        } else if metadata.is_dir() && depth > 0 {
            look(&entry.path(), depth - 1, found);
        } else if metadata.is_file() && mode & 0o004 == 0 {
            found.push(Mount::Replaced { place: entry.path(), by: PathBuf::from("/dev/null") });
        }
    }
}

/// Settings of tools in the folders above the one that a program works in. A tool goes past what is not there, and gives
/// up where a file is that it may not read: worktrees lie below the main checkout, where such files are.
pub(crate) fn settings_above(folder: &Path) -> Vec<PathBuf> {
    let above = folder.ancestors().skip(1).flat_map(|folder| LOOKED_FOR.map(|name| folder.join(name)));
    // What is found by a link may be anything.
    let is_file = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    above.filter(is_file).collect()
}

fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|folder| path.starts_with(folder))
}

/// What a program with this environment needs to find its tools: files and folders that it may read.
pub(crate) fn tools(environment: &[(OsString, OsString)]) -> Vec<PathBuf> {
    let home = variable(environment, "HOME").map(PathBuf::from);
    let home = home.filter(|home| home.parent().is_some());
    let mut found = Vec::new();
    let search = variable(environment, "PATH").unwrap_or_default();
    for folder in std::env::split_paths(search).filter(|folder| folder.is_absolute()) {
        for folder in spellings(&folder) {
            // A home on the search path would be seen whole, and so would all around it.
            let is_around = home.as_ref().is_some_and(|home| home.starts_with(&folder));
            if !is_system(&folder) && !is_around {
                found.push(whole(&folder, home.as_deref()));
            }
        }
    }
    for (name, usual) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let set = variable(environment, name).map(PathBuf::from);
        found.extend(set.or_else(|| Some(home.as_ref()?.join(usual))).filter(|folder| folder.is_dir()));
    }
    found.sort();
    found.dedup();
    found
}

/// Files with secrets among those tools.
pub(crate) fn secrets(tools: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let names = ["credentials", "credentials.toml"];
    tools.iter().flat_map(move |folder| names.map(|name| folder.join(name))).filter(|path| path.exists())
}

/// The folder around a folder of programs that they need as well: what a version manager keeps in one folder of the
/// home, or the packages that `node_modules/.bin` points to.
fn whole(folder: &Path, home: Option<&Path>) -> PathBuf {
    let packages = folder.ancestors().filter(|folder| folder.file_name() == Some(OsStr::new("node_modules")));
    if let Some(packages) = packages.last() {
        return packages.to_owned();
    }
    let below = home.and_then(|home| Some((home, folder.strip_prefix(home).ok()?.components().next()?)));
    match below {
        Some((home, first)) => {
            let name = first.as_os_str();
            let is_tool =
                name.as_encoded_bytes().starts_with(b".") && !MIXED.iter().any(|mixed| name == *mixed);
            if is_tool { home.join(name) } else { folder.to_owned() }
        }
        // What was installed in one place: `bin` and `lib` side by side.
        None => match folder.parent() {
            Some(place) if folder.ends_with("bin") && place.join("lib").is_dir() => place.to_owned(),
            _ => folder.to_owned(),
        },
    }
}

/// What the program itself needs: its file, or the packages around it. What is found by a link in what it may write is
/// not shown.
pub(crate) fn program(file: &Path, writable: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if leads_out(file, writable) {
        return found;
    }
    for spelling in spellings(file) {
        if is_system(&spelling) {
            continue;
        }
        let packages =
            spelling.ancestors().filter(|folder| folder.file_name() == Some(OsStr::new("node_modules")));
        found.push(packages.last().map_or_else(|| spelling.clone(), Path::to_owned));
    }
    found
}

/// The value of a variable.
pub(crate) fn variable<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().find(|(known, _)| known == OsStr::new(name)).map(|(_, value)| value.as_os_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_tools_are_found_above_a_worktree_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let worktree = root.join("repo/.worktrees/issue-1");
        fs::create_dir_all(worktree.join("src")).unwrap();
        for name in ["repo/Cargo.toml", "repo/.env", "repo/package.json", "repo/.worktrees/issue-1/go.mod"] {
            fs::write(root.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("repo/.env"), root.join("repo/tox.ini")).unwrap();
        let mut found = settings_above(&worktree);
        found.retain(|path| path.starts_with(&root));
        assert_eq!(found, ["repo/Cargo.toml", "repo/package.json"].map(|name| root.join(name)));
    }

    #[test]
    fn a_version_manager_is_seen_whole_and_a_home_is_not() {
        let home = Some(Path::new("/home/me"));
        let of = |folder: &str| whole(Path::new(folder), home);
        assert_eq!(of("/home/me/.nvm/versions/node/v22/bin"), Path::new("/home/me/.nvm"));
        assert_eq!(of("/home/me/.local/bin"), Path::new("/home/me/.local/bin"));
        assert_eq!(of("/home/me/work/bin"), Path::new("/home/me/work/bin"));
        assert_eq!(of("/home/me/app/node_modules/.bin"), Path::new("/home/me/app/node_modules"));
        assert_eq!(of("/srv/tools/bin"), Path::new("/srv/tools/bin"));
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("lib")).unwrap();
        assert_eq!(whole(&place.path().join("bin"), home), place.path(), "such as a virtual environment");
    }

    #[test]
    fn a_home_on_the_search_path_is_not_seen() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().canonicalize().unwrap().join("home");
        fs::create_dir_all(home.join("bin")).unwrap();
        let search = std::env::join_paths([Path::new("/"), home.parent().unwrap(), &home, &home.join("bin")]);
        let environment = [("HOME".into(), home.clone().into()), ("PATH".into(), search.unwrap())];
        assert_eq!(tools(&environment), [home.join("bin")]);
    }

    #[test]
    fn of_tools_with_a_secret_the_rest_is_seen() {
        let place = tempfile::tempdir().unwrap();
        let cargo = place.path().join(".cargo");
        fs::create_dir_all(cargo.join("bin")).unwrap();
        fs::write(cargo.join("credentials.toml"), "token").unwrap();
        assert_eq!(tool_files(std::slice::from_ref(&cargo)), [cargo.join("bin")]);
        fs::remove_file(cargo.join("credentials.toml")).unwrap();
        assert_eq!(tool_files(std::slice::from_ref(&cargo)), [cargo]);
    }

    #[test]
    fn what_not_everybody_may_read_is_reserved() {
        let shadow = Path::new("/etc/shadow");
        if shadow.exists() {
            let hidden = Mount::Replaced { place: shadow.into(), by: "/dev/null".into() };
            assert!(reserved().contains(&hidden), "{:?}", reserved());
        }
        assert!(!reserved().iter().any(|mount| format!("{mount:?}").contains("\"/etc/passwd\"")));
    }
}
