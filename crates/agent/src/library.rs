//! The agents and skills that there are: the repository's, those of the home folder, and the built-in ones.
//!
//! What stands nearer wins: the repository over the home folder over what is built in. Twice the same name at one
//! level is a problem that names both files, because which one wins would be chance. A name that is wrong at one level
//! is not looked for at the next: whoever writes an agent does not mean another one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use miyabi_core::session::Adapter;

use crate::roles::{Role, read_markdown, read_yaml, role, role_names};
use crate::skills::{self, Skill};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;
/// Folders of a repository with agents.
const AGENTS: [&str; 2] = [".miyabi/agents", "agents"];
/// Folders of a repository with skills.
const SKILLS: [&str; 4] = [".miyabi/agents/skills", "agents/skills", ".claude/skills", ".agents/skills"];
/// Files beside agents that are none.
const OTHERS: [&str; 4] = ["README.md", "readme.md", "labels.yaml", "labels.yml"];

/// Where agents and skills are looked for.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The repository.
    pub repository: Option<PathBuf>,
    /// The home folder: `.miyabi/agents` in it.
    pub home: Option<PathBuf>,
}

/// Where something comes from; the greater one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// It comes with miyabi.
    BuiltIn,
    /// The home folder.
    Home,
    /// The repository.
    Repository,
}

impl Origin {
    /// In a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built in",
            Self::Home => "home",
            Self::Repository => "repository",
        }
    }
}

/// An agent or a skill, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// It.
    pub item: T,
    /// Where it comes from.
    pub origin: Origin,
    /// Its file; none: it is built in.
    pub path: Option<PathBuf>,
    /// Where others of its name are, which it takes the place of.
    pub instead_of: Vec<Origin>,
}

/// A file that is no agent or skill although it stands where they do, or one too many of a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .path.display())]
pub struct LibraryProblem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// The agents and skills that there are, by name.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// Agents without a problem.
    pub agents: BTreeMap<String, Found<Role>>,
    /// Skills without a problem.
    pub skills: BTreeMap<String, Found<Skill>>,
    /// What is wrong, in the order in which it was met.
    pub problems: Vec<LibraryProblem>,
}

impl Library {
    /// Reads everything in these places. Folders that are not there hold nothing.
    pub fn load(places: &Places) -> Self {
        let mut library = Self::default();
        for name in role_names() {
            if let Ok(role) = role(name) {
                let found = Found { item: role, origin: Origin::BuiltIn, path: None, instead_of: Vec::new() };
                library.agents.insert(name.to_owned(), found);
            }
        }
        let folders =
            |root: &Path, names: &[&str]| names.iter().map(|name| root.join(name)).collect::<Vec<_>>();
        if let Some(home) = &places.home {
            library.read_level(Origin::Home, &folders(home, &AGENTS[..1]), &folders(home, &SKILLS[..1]));
        }
        if let Some(root) = &places.repository {
            library.read_level(Origin::Repository, &folders(root, &AGENTS), &folders(root, &SKILLS));
        }
        library.check();
        library
    }

    /// The agent's own skills, then these, each once. Errors: the name of one that is not there.
    pub fn skills_of(&self, role: &Role, further: &[String]) -> Result<Vec<&Skill>, String> {
        let mut found: Vec<&Skill> = Vec::new();
        for name in role.skills.iter().chain(further) {
            let skill = &self.skills.get(name).ok_or_else(|| name.clone())?.item;
            if !found.iter().any(|known| known.name == skill.name) {
                found.push(skill);
            }
        }
        Ok(found)
    }

    fn read_level(&mut self, origin: Origin, agents: &[PathBuf], skills: &[PathBuf]) {
        let mut level = Level::default();
        for path in agents.iter().flat_map(|folder| agent_files(folder)) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let read = read_agent(&stem, &path).map(|role| (role.name.clone(), role));
            level.keep(read, stem, path, &mut self.problems);
        }
        level.merge(origin, &mut self.agents);
        let mut level = Level::default();
        for (name, path) in skills.iter().flat_map(|folder| skill_files(folder)) {
            let read = text_of(&path).and_then(|text| skills::read(&name, &text));
            level.keep(read.map(|skill| (skill.name.clone(), skill)), name, path, &mut self.problems);
        }
        level.merge(origin, &mut self.skills);
    }

    /// What agents name must be there.
    fn check(&mut self) {
        let mut wrong = Vec::new();
        for (name, found) in &self.agents {
            let path = || found.path.clone().unwrap_or_else(|| PathBuf::from(format!("{name} (built in)")));
            for skill in found.item.skills.iter().filter(|skill| !self.skills.contains_key(*skill)) {
                wrong.push((
                    name.clone(),
                    path(),
                    format!("there is no skill `{skill}`"),
                    "a skill is `<name>/SKILL.md` in `agents/skills`, `.claude/skills` or `.agents/skills`",
                ));
            }
            if let Some(adapter) = &found.item.adapter
                && let Err(error) = adapter.parse::<Adapter>()
            {
                let hint = "an adapter is written as `--agent` takes it";
                wrong.push((name.clone(), path(), error.to_string(), hint));
            }
        }
        for (name, path, message, hint) in wrong {
            self.agents.remove(&name);
            self.problems.push(LibraryProblem { path, message, hint: hint.to_owned() });
        }
    }
}

/// What was read of one origin.
struct Level<T> {
    good: BTreeMap<String, (T, PathBuf)>,
    /// Names of files that cannot be used, and names that come twice: what lies below must not take their place.
    wrong: BTreeSet<String>,
}

impl<T> Default for Level<T> {
    fn default() -> Self {
        Self { good: BTreeMap::new(), wrong: BTreeSet::new() }
    }
}

impl<T> Level<T> {
    fn keep(
        &mut self,
        read: Result<(String, T), String>,
        stem: String,
        path: PathBuf,
        problems: &mut Vec<LibraryProblem>,
    ) {
        match read {
            Ok((name, item)) => match self.good.get(&name) {
                None => {
                    self.good.insert(name, (item, path));
                }
                Some((_, first)) => {
                    problems.push(LibraryProblem {
                        message: format!("`{name}` is in `{}`, too", first.display()),
                        path,
                        hint: "rename or remove one of the two".to_owned(),
                    });
                    self.wrong.insert(name);
                }
            },
            Err(message) => {
                let hint = "mend it, or move it to another folder".to_owned();
                problems.push(LibraryProblem { path, message, hint });
                self.wrong.insert(stem);
            }
        }
    }

    fn merge(self, origin: Origin, all: &mut BTreeMap<String, Found<T>>) {
        for (name, (item, path)) in self.good {
            let instead_of = match all.remove(&name) {
                Some(old) => [vec![old.origin], old.instead_of].concat(),
                None => Vec::new(),
            };
            all.insert(name, Found { item, origin, path: Some(path), instead_of });
        }
        all.retain(|name, _| !self.wrong.contains(name));
    }
}

fn read_agent(stem: &str, path: &Path) -> Result<Role, String> {
    let text = text_of(path)?;
    let read = match path.extension().is_some_and(|extension| extension == "md") {
        true => read_markdown(stem, &text),
        false => read_yaml(stem, &text),
    };
    let role = read.map_err(|error| error.to_string())?;
    match role.text.is_empty() {
        true => Err("there is no text below its front matter: that is what the agent is told".to_owned()),
        false => Ok(role),
    }
}

/// Files of agents in a folder, in order.
fn agent_files(folder: &Path) -> Vec<PathBuf> {
    let is_agent = |path: &PathBuf| {
        let extension = path
            .extension()
            .is_some_and(|extension| ["md", "yaml", "yml"].iter().any(|known| extension == *known));
        let other = path.file_name().is_some_and(|name| OTHERS.iter().any(|known| name == *known));
        extension && !other && path.is_file()
    };
    entries(folder).into_iter().filter(is_agent).collect()
}

/// Names and files of skills in a folder, in order.
fn skill_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let skill = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let file = path.join("SKILL.md");
        file.is_file().then_some((name, file))
    };
    entries(folder).into_iter().filter_map(skill).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn text_of(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_BYTES {
        return Err(format!("it has {size} bytes; at most {MAX_BYTES} are read"));
    }
    fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => "it is no UTF-8 text".to_owned(),
        _ => error.to_string(),
    })
}

#[cfg(test)]
mod tests;
