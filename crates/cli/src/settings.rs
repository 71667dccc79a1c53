//! Settings: files, environment and flags become one resolved value, and each value knows where it came from.
//!
//! `default-settings.toml` is the reference: it names every key, and the type of its value is the type of the key.

mod layer;
mod own_check;
mod problem;
mod show;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use miyabi_core::policy::Policy;
use miyabi_quality::spec::CheckSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use layer::{Layer, env_name};
pub use problem::SettingsError;
pub use show::{Shown, page, shown};

/// Every key with its default and what it means.
pub const DEFAULTS: &str = include_str!("../default-settings.toml");

/// The resolved settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Limits of a run.
    pub run: RunSettings,
    /// Who does the work.
    pub agent: AgentSettings,
    /// The numbers behind the decisions.
    pub policy: Policy,
    /// Isolated checkouts.
    pub worktree: WorktreeSettings,
    /// Tools that measure.
    pub checks: CheckSettings,
    /// Checks that the project brings itself.
    pub own_checks: Vec<CheckSpec>,
    /// Where issues and changes live.
    pub forge: ForgeSettings,
    /// What starts a run.
    pub trigger: TriggerSettings,
    /// What flow files may do.
    pub flow: FlowSettings,
    /// The server.
    pub serve: ServeSettings,
    /// What is remembered of past runs.
    pub knowledge: KnowledgeSettings,
    /// Mail.
    pub notify: NotifySettings,
    /// Where each value came from, by key.
    pub origins: BTreeMap<String, Origin>,
    /// The values by key, in their plain form.
    pub values: BTreeMap<String, Value>,
}

/// Limits of a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// Tasks and reviews that may work at once.
    pub max_parallel: u32,
    /// Disk that must be free before more work begins, in MB.
    pub min_free_disk_mb: u32,
    /// Memory that must be free, in MB.
    pub min_free_memory_mb: u32,
    /// The editor for worktrees: program and arguments.
    pub editor: Vec<String>,
}

/// Who does the work.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSettings {
    /// The adapter, as typed with `--agent`.
    pub default: String,
    /// Who analyses and decomposes; empty: the deterministic readers.
    pub planner: String,
    /// Who reads finished changes; empty: nobody but tools and people.
    pub reviewer: String,
    /// Where Claude Code is; empty: on the PATH.
    pub claude_program: String,
    /// Where Codex is; empty: on the PATH.
    pub codex_program: String,
    /// How much a model without tools is shown at once, in tokens.
    pub context_tokens: u64,
    /// Its longest answer, in tokens.
    pub answer_tokens: u32,
    /// Whether its patches may change the definitions of CI.
    pub may_change_ci: bool,
    /// Whether agents work without the keys of their models, where their programs can.
    pub lend_keys: bool,
    /// Names of further environment variables for agents.
    pub env: Vec<String>,
    /// What else agents may read.
    pub readable: Vec<String>,
    /// What else agents may write.
    pub writable: Vec<String>,
    /// Where agents may connect to; `*`: anywhere.
    pub network: Vec<String>,
    /// Memory of an agent; 0: any.
    pub memory_mb: u64,
    /// Processes of an agent; 0: any number.
    pub processes: u32,
    /// Processor time of an agent, in hundredths of a core; 0: any.
    pub cpu_percent: u32,
    /// The largest file of an agent; 0: any.
    pub file_mb: u64,
}

/// Isolated checkouts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorktreeSettings {
    /// Worktrees of all runs; 0: any number.
    pub quota: u32,
    /// Finished worktrees kept for reuse.
    pub pool: u32,
    /// Whether a reused one keeps ignored files.
    pub keep_build_output: bool,
}

/// Tools that measure.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckSettings {
    /// The advisory database; empty: the tool's own.
    pub advisory_db: String,
    /// Where pip-audit asks; empty: its own choice.
    pub osv_url: String,
    /// Whether coverage is measured.
    pub coverage: bool,
}

/// Where issues and changes live.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgeSettings {
    /// Which forge.
    pub kind: ForgeKind,
    /// `owner/name`; empty: as the remote says.
    pub repo: String,
    /// The git remote.
    pub remote: String,
    /// How changes are merged.
    pub merge_method: MergeMethod,
}

/// Which forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgeKind {
    /// GitHub where it is configured and the remote leads there, otherwise local.
    Auto,
    /// The local forge.
    Local,
    /// GitHub.
    Github,
}

/// How changes are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeMethod {
    /// The first of the others that the repository allows.
    Auto,
    /// A merge commit.
    Merge,
    /// One new commit.
    Squash,
    /// The commits anew.
    Rebase,
}

/// What starts a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerSettings {
    /// Labels.
    pub labels: Vec<String>,
    /// How miyabi is addressed in comments.
    pub mention: String,
    /// Bots that may start runs.
    pub bots: Vec<String>,
}

/// What flow files may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowSettings {
    /// Names of environment variables that their expressions may read.
    pub env: Vec<String>,
}

/// The server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeSettings {
    /// Address and port.
    pub listen: String,
    /// Runs at once.
    pub max_runs: u32,
    /// Between two sweeps.
    pub sweep_secs: u64,
    /// Whether repositories that an App is given are served, too.
    pub enrol: bool,
    /// Between the last remark of a review and the rework.
    pub debounce_secs: u64,
}

/// What is remembered of past runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnowledgeSettings {
    /// Whether anything is.
    pub enabled: bool,
    /// Where the local index is.
    pub folder: String,
    /// What the names of collections on a server begin with.
    pub collection: String,
    /// The model that makes vectors, as the endpoint names it.
    pub embed_model: String,
    /// Numbers in its vectors.
    pub embed_dimensions: u32,
    /// Where the files of a sentence model are, which makes vectors on this machine; empty: nowhere.
    pub embed_folder: String,
}

/// Mail.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifySettings {
    /// Addresses.
    pub to: Vec<String>,
    /// The sender.
    pub from: String,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The built-in default.
    Default,
    /// A file, with the line where it is known.
    File(PathBuf, Option<usize>),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, Some(line)) => write!(f, "{}:{line}", path.display()),
            Self::File(path, None) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "${name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Where settings are looked for.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The user's file; read if it is there.
    pub user: Option<PathBuf>,
    /// The repository's file; read if it is there.
    pub repo: Option<PathBuf>,
    /// The file given with `--config`: read instead of both, and it must be there.
    pub only: Option<PathBuf>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// Flags: key, value, and the flag's name.
    pub flags: Vec<(&'static str, Value, &'static str)>,
}

/// Reads and resolves the settings. Errors: every problem of every place at once.
pub fn load(places: &Places) -> Result<Settings, SettingsError> {
    let mut layers = vec![Layer::defaults()];
    let mut problems = Vec::new();
    let files = match &places.only {
        Some(path) => vec![(path, true)],
        None => places.user.iter().chain(&places.repo).map(|path| (path, false)).collect(),
    };
    for (path, required) in files {
        match Layer::file(path, required, &layers[0]) {
            Ok(layer) => layers.extend(layer),
            Err(found) => problems.extend(found),
        }
    }
    match Layer::env(&places.env, &layers[0]) {
        Ok(layer) => layers.push(layer),
        Err(found) => problems.extend(found),
    }
    layers.push(Layer::flags(&places.flags));
    if !problems.is_empty() {
        return Err(SettingsError { problems });
    }
    resolve(layers)
}

/// The user's settings file.
pub fn user_file(env: &[(String, String)]) -> Option<PathBuf> {
    let get = |name: &str| {
        env.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| Path::new(value))
    };
    let folder = get("XDG_CONFIG_HOME")
        .map(Path::to_owned)
        .or_else(|| get("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("miyabi").join("config.toml"))
}

fn resolve(layers: Vec<Layer>) -> Result<Settings, SettingsError> {
    let mut values = BTreeMap::new();
    let mut origins = BTreeMap::new();
    for layer in layers {
        for (key, (value, origin)) in layer.values {
            values.insert(key.clone(), value);
            origins.insert(key, origin);
        }
    }
    let problems = problem::of_ranges(&values, &origins);
    if !problems.is_empty() {
        return Err(SettingsError { problems });
    }
    let mut sections: BTreeMap<&str, serde_json::Map<String, Value>> = BTreeMap::new();
    for (key, value) in &values {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        sections.entry(section).or_default().insert(name.to_owned(), value.clone());
    }
    let run: RunSettings = section(&mut sections, "run")?;
    let policy = Policy { max_parallel: run.max_parallel, ..section(&mut sections, "policy")? };
    Ok(Settings {
        run,
        agent: section(&mut sections, "agent")?,
        policy,
        worktree: section(&mut sections, "worktree")?,
        checks: section(&mut sections, "checks")?,
        own_checks: own_check::specs(values.get(own_check::KEY)),
        forge: section(&mut sections, "forge")?,
        trigger: section(&mut sections, "trigger")?,
        flow: section(&mut sections, "flow")?,
        serve: section(&mut sections, "serve")?,
        knowledge: section(&mut sections, "knowledge")?,
        notify: section(&mut sections, "notify")?,
        origins,
        values,
    })
}

fn section<T: serde::de::DeserializeOwned>(
    sections: &mut BTreeMap<&str, serde_json::Map<String, Value>>,
    name: &str,
) -> Result<T, SettingsError> {
    let values = Value::Object(sections.remove(name).unwrap_or_default());
    serde_json::from_value(values).map_err(|error| SettingsError::of(format!("section `[{name}]`: {error}")))
}

#[cfg(test)]
mod tests;
