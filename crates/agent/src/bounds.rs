//! What an agent may reach: its worktree, the repository's history to read, and what the program itself needs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use miyabi_core::containment::Bounds;
use miyabi_core::session::Adapter;

/// What a program keeps for itself in the home of its person.
struct State {
    /// The variable that names the folder, where it is not the usual one.
    variable: &'static str,
    /// The usual folder.
    usual: &'static str,
    /// Its login, which it renews.
    login: &'static str,
    /// What its person chose.
    settings: &'static str,
    /// A file beside the folder.
    beside: Option<&'static str>,
}

const CLAUDE: State = State {
    variable: "CLAUDE_CONFIG_DIR",
    usual: ".claude",
    login: ".credentials.json",
    settings: "settings.json",
    beside: Some(".claude.json"),
};

const CODEX: State = State {
    variable: "CODEX_HOME",
    usual: ".codex",
    login: "auth.json",
    settings: "config.toml",
    beside: None,
};

const GEMINI: State = State {
    variable: "GEMINI_CONFIG_DIR",
    usual: ".gemini",
    login: "oauth_creds.json",
    settings: "settings.json",
    beside: None,
};

/// Whose state a program of another name has: bridges keep that of what they lead to.
const BY_NAME: [(&str, &State); 3] = [("claude", &CLAUDE), ("codex", &CODEX), ("gemini", &GEMINI)];

/// The bounds of a session of this adapter in that worktree; `shared` is what every agent may reach.
pub(crate) fn bounds(
    adapter: &Adapter,
    worktree: &Path,
    shared: &Bounds,
    environment: &[(OsString, OsString)],
) -> Bounds {
    let mut bounds = shared.clone();
    bounds.writable.push(worktree.to_owned());
    // To commit is ours, and the worktree's link to the repository leads our own git: it is not to be bent.
    bounds.readable.push(worktree.join(".git"));
    match adapter {
        Adapter::Claude => add(&mut bounds, &CLAUDE, environment),
        Adapter::Codex => add(&mut bounds, &CODEX, environment),
        Adapter::Acp(argv) => {
            // A program's file may be called `index.js`: then the folder of its package tells.
            let words = argv.first().map(|program| program.rsplit('/')).into_iter().flatten();
            let known =
                words.flat_map(|word| BY_NAME.iter().filter(move |(name, _)| word.contains(name))).next();
            if let Some((_, state)) = known {
                add(&mut bounds, state, environment);
            }
        }
        // Whoever chose the program chose the files that it is given.
        Adapter::Command(argv) => {
            let named = argv.iter().skip(1).map(PathBuf::from);
            bounds.readable.extend(named.filter(|path| path.is_absolute() && path.is_file()));
        }
        Adapter::Scripted(_) | Adapter::Llm(_) | Adapter::Facts => {}
    }
    bounds
}

fn add(bounds: &mut Bounds, state: &State, environment: &[(OsString, OsString)]) {
    let variable = |name: &str| {
        environment.iter().find(|(known, _)| known == OsStr::new(name)).map(|(_, value)| PathBuf::from(value))
    };
    let home = variable("HOME");
    let usual = home.as_ref().map(|home| home.join(state.usual));
    let Some(folder) = variable(state.variable).or(usual).filter(|folder| folder.is_absolute()) else {
        return;
    };
    bounds.writable.push(folder.join(state.login));
    bounds.readable.push(folder.join(state.settings));
    bounds.own.push(folder);
    bounds.own.extend(home.zip(state.beside).map(|(home, name)| home.join(name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_its_login_and_its_settings_and_nothing_else_of_its_folder() {
        let environment = [("HOME".into(), "/h".into()), ("CODEX_HOME".into(), "/c".into())];
        let worktree = Path::new("/w");
        let claude = bounds(&Adapter::Claude, worktree, &Bounds::default(), &environment);
        assert_eq!(claude.writable, [worktree, Path::new("/h/.claude/.credentials.json")]);
        assert_eq!(claude.readable, [Path::new("/w/.git"), Path::new("/h/.claude/settings.json")]);
        assert_eq!(claude.own, [Path::new("/h/.claude"), Path::new("/h/.claude.json")]);
        let shared = Bounds { readable: vec!["/r/.git".into()], ..Bounds::default() };
        let codex = bounds(&Adapter::Codex, worktree, &shared, &environment);
        assert_eq!(codex.writable, [worktree, Path::new("/c/auth.json")]);
        let readable = ["/r/.git", "/w/.git", "/c/config.toml"].map(Path::new);
        assert_eq!((codex.readable, codex.own), (readable.map(Path::to_owned).into(), vec!["/c".into()]));
    }
}
