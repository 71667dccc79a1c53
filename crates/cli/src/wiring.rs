//! The one file that knows which adapter stands behind which port.

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miyabi_agent::{AgentOptions, AgentPrograms};
use miyabi_core::containment::{Bounds, Network};
use miyabi_core::failure::Failure;
use miyabi_core::intent::Channel;
use miyabi_core::ports::{
    Agents, Boxes, Checks, Clock, Contents, Deliveries, Forge, Keepsakes, Keys, Knowledge, LocalRecords,
    NoKeys, Notify, Patches, Store, Stories, Worktrees,
};
use miyabi_core::redact::Redactor;
use miyabi_engine::{Admission, BuiltIn, Engine, Observer, World};
use miyabi_forge::{GitHubForge, HostedForge, LocalForge};
use miyabi_git::{GitWorktrees, Options as GitOptions};
use miyabi_model::{EndpointModels, KeyProxy};
use miyabi_quality::{BuildDir, Options as CheckOptions, ToolChecks};
use miyabi_store::SqliteStore;
use serde_json::Value;

use crate::boxing;
use crate::context::Context;
use crate::error::CliError;
use crate::machine::ThisMachine;
use crate::settings::Settings;
use crate::surroundings::{FileJournal, SystemClock, Uuids};
use crate::{hosting, knowing, messengers};

/// What a command will do to the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: where there is no database yet, an empty one in memory stands for it.
    Read,
    /// It writes: the database is made.
    Write,
}

/// A repository with everything that works on it.
pub struct Home {
    /// The main checkout.
    pub root: PathBuf,
    /// Its name on its forge.
    pub repo: String,
    /// The settings for it.
    pub settings: Settings,
    /// The log.
    pub store: Arc<dyn Store>,
    /// The memory of received webhooks.
    pub deliveries: Arc<dyn Deliveries>,
    /// The memory of stories.
    pub stories: Arc<dyn Stories>,
    /// Issues and changes, wherever they live.
    pub forge: Arc<dyn Forge>,
    /// The forge that is kept here; it has them unless `github` does.
    local: Arc<LocalForge>,
    /// GitHub, where the issues and changes live there.
    pub github: Option<Arc<GitHubForge>>,
    /// What `local` remembers.
    pub records: Arc<dyn LocalRecords>,
    /// Checkouts and merges.
    pub worktrees: Arc<dyn Worktrees>,
    /// What is in commits.
    pub contents: Arc<dyn Contents>,
    /// What was kept when worktrees went.
    pub keepsakes: Arc<dyn Keepsakes>,
    /// Coding programs.
    pub agents: Arc<dyn Agents>,
    /// Tools that measure.
    pub checks: Arc<dyn Checks>,
    /// What is remembered of past runs.
    pub knowledge: Arc<dyn Knowledge>,
    /// Mail and chat.
    notify: Arc<dyn Notify>,
    /// The ways by which people are told of new runs.
    pub channels: Vec<Channel>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names.
    pub ids: Uuids,
    /// The door that heavy work of all runs goes through.
    admission: Arc<Admission>,
    /// Takes secrets out of what becomes an event, and out of what else is kept.
    pub redactor: Arc<Redactor>,
}

impl Home {
    /// Opens the repository that the command speaks of.
    pub fn open(
        context: &Context,
        access: Access,
        flags: Vec<(&'static str, Value, &'static str)>,
    ) -> Result<Self, CliError> {
        let found = GitWorktrees::open(context.place()?, GitOptions::default()).map_err(Failure::from)?;
        let root = root_of(&found);
        let settings = context.settings(Some(&root), flags)?;
        let github = hosting::github(context, &settings, &root)?;
        let github = github.map(GitHubForge::new).transpose().map_err(Failure::from)?.map(Arc::new);
        let options = GitOptions {
            remote: github.as_ref().map(|github| hosting::remote(&settings, github)).transpose()?,
            pool_size: settings.worktree.pool as usize,
            keep_build_output: settings.worktree.keep_build_output,
            ..GitOptions::default()
        };
        let git = GitWorktrees::open(&root, options).map_err(Failure::from)?;
        let remote = git.remote();
        let shared = boxing::history(git.git_dir());
        let boxes: Arc<dyn Boxes> = Arc::new(boxing::boxes(&root, &settings));
        let git = Arc::new(git);
        let keepsakes: Arc<dyn Keepsakes> = Arc::clone(&git) as _;
        let patches: Arc<dyn Patches> = Arc::clone(&git) as _;
        let contents: Arc<dyn Contents> = Arc::clone(&git) as _;
        let worktrees: Arc<dyn Worktrees> = git;
        let redactor = Arc::new(context.redactor());
        let models = EndpointModels::new(|name| context.var(name).map(str::to_owned));
        let keys: Arc<dyn Keys> =
            if settings.agent.lend_keys { Arc::new(KeyProxy::new()) } else { Arc::new(NoKeys) };
        let agents = AgentPrograms::new(agent_options(&root, &shared, &settings))
            .within(Arc::clone(&boxes))
            .with_models(Arc::new(models), patches)
            .lending(keys)
            .redacting(Arc::clone(&redactor));
        if access == Access::Write {
            hide(&root)?;
        }
        let store = Arc::new(store(&root, access)?);
        let records: Arc<dyn LocalRecords> = Arc::clone(&store) as _;
        let local = Arc::new(LocalForge::new(Arc::clone(&records), Arc::clone(&worktrees)));
        let (repo, forge): (String, Arc<dyn Forge>) = match github.as_ref().zip(remote) {
            Some((github, remote)) => {
                let hosted = HostedForge::new(Arc::clone(github) as _, Arc::new(remote));
                (github.repo().to_string(), Arc::new(hosted))
            }
            None => {
                let name = root.file_name().unwrap_or_default().to_string_lossy();
                (format!("local/{name}"), Arc::clone(&local) as _)
            }
        };
        let messengers = messengers::of(context, &settings)?;
        let machine = ThisMachine::new(&root, worktrees.folder(), &settings);
        let admission = Arc::new(Admission::on(Arc::new(machine)));
        Ok(Self {
            channels: messengers.channels(),
            notify: Arc::new(messengers),
            repo,
            forge,
            local,
            github,
            records,
            deliveries: Arc::clone(&store) as _,
            stories: Arc::clone(&store) as _,
            agents: Arc::new(agents),
            checks: Arc::new(
                ToolChecks::new(check_options(&root, &shared, &settings)).within(Arc::clone(&boxes)),
            ),
            knowledge: knowing::knowledge(context, &root, &settings.knowledge, &redactor),
            store,
            worktrees,
            contents,
            keepsakes,
            settings,
            clock: Arc::new(SystemClock),
            ids: Uuids,
            admission,
            redactor,
            root,
        })
    }

    /// The forge that is kept here. Errors: issues and changes live elsewhere.
    pub fn local(&self) -> Result<&LocalForge, CliError> {
        match &self.github {
            None => Ok(&self.local),
            Some(github) => {
                Err(CliError::input(format!("the issues and changes of {} live on GitHub", github.repo()))
                    .hint("write there, or set `forge.kind` to `local` to keep others here"))
            }
        }
    }

    /// Where transcripts and locks of runs are.
    pub fn runs_folder(&self) -> PathBuf {
        self.root.join(".miyabi").join("runs")
    }

    /// An engine, and who looks on.
    pub fn engine(&self, observer: Option<Arc<dyn Observer>>) -> Engine {
        let world = World {
            forge: Arc::clone(&self.forge) as _,
            worktrees: Arc::clone(&self.worktrees),
            contents: Arc::clone(&self.contents),
            stories: Arc::clone(&self.stories),
            agents: Arc::clone(&self.agents),
            knowledge: Arc::clone(&self.knowledge),
            checks: Arc::clone(&self.checks),
            notify: Arc::clone(&self.notify),
            journal: Arc::new(FileJournal::new(self.root.join(".ai").join("logs"))),
            clock: Arc::clone(&self.clock),
            ids: Arc::new(self.ids),
            transcripts: self.runs_folder(),
        };
        let runner = Arc::new(BuiltIn::new(world.clone()));
        let mut engine = Engine::new(Arc::clone(&self.store), &world, runner);
        engine.redact(Arc::clone(&self.redactor));
        engine.admit(Arc::clone(&self.admission));
        if let Some(observer) = observer {
            engine.observe(observer);
        }
        engine
    }
}

/// The main checkout of the repository that the command speaks of, if there is one.
pub fn find_root(context: &Context) -> Result<PathBuf, CliError> {
    let found = GitWorktrees::open(context.place()?, GitOptions::default()).map_err(Failure::from)?;
    Ok(root_of(&found))
}

/// Where the database of a repository is.
pub fn database(root: &Path) -> PathBuf {
    root.join(".miyabi").join("miyabi.db")
}

fn root_of(worktrees: &GitWorktrees) -> PathBuf {
    let folder = worktrees.folder();
    folder.parent().unwrap_or(folder).to_owned()
}

fn store(root: &Path, access: Access) -> Result<SqliteStore, CliError> {
    let path = database(root);
    let opened = match access {
        Access::Read if !path.exists() => SqliteStore::in_memory(),
        Access::Read | Access::Write => SqliteStore::open(&path),
    };
    Ok(opened.map_err(Failure::from)?)
}

fn agent_options(root: &Path, shared: &Bounds, settings: &Settings) -> AgentOptions {
    let mut options = AgentOptions::new(root, std::env::vars_os());
    options.pass.clone_from(&settings.agent.env);
    // What is no host was refused when the settings were read.
    let network = Network::read(&settings.agent.network).unwrap_or_default();
    options.shared = Bounds { network, ..shared.clone() };
    if !settings.agent.claude_program.is_empty() {
        options.claude.program = PathBuf::from(&settings.agent.claude_program);
    }
    if !settings.agent.codex_program.is_empty() {
        options.codex.program = PathBuf::from(&settings.agent.codex_program);
    }
    options.llm.context_tokens = usize::try_from(settings.agent.context_tokens).unwrap_or(usize::MAX);
    options.llm.answer_tokens = settings.agent.answer_tokens;
    options.llm.rules.ci = settings.agent.may_change_ci;
    options
}

fn check_options(root: &Path, shared: &Bounds, settings: &Settings) -> CheckOptions {
    let folder = root.join(".miyabi").join("build");
    let vars: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let mut options = CheckOptions::new(BuildDir::Beside(folder), vars);
    options.coverage = settings.checks.coverage;
    options.shared = shared.clone();
    options.specs.clone_from(&settings.own_checks);
    options.osv_url = Some(settings.checks.osv_url.clone()).filter(|url| !url.is_empty());
    if !settings.checks.advisory_db.is_empty() {
        options.advisory_db = Some(root.join(&settings.checks.advisory_db));
    }
    options
}

/// Has git ignore what miyabi keeps in `.miyabi/`, even before the first worktree is made. What people keep there,
/// such as flows and prompts, stays visible.
fn hide(root: &Path) -> Result<(), CliError> {
    let path = root.join(".miyabi").join(".gitignore");
    let made = fs::create_dir_all(root.join(".miyabi")).and_then(|()| {
        let mut file = match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            file => file?,
        };
        file.write_all(b"# Made by miyabi: what it keeps here is its own.\n/.gitignore\n/miyabi.db*\n/runs/\n/boxes/\n/build/\n/pool/\n/*.lock\n")
    });
    made.map_err(|error| CliError::file("prepare", &path, &error))
}

/// Makes the folder for build output, which git never sees.
pub fn prepare_build_folder(root: &Path) -> Result<(), CliError> {
    let folder = root.join(".miyabi").join("build");
    let ignore = folder.join(".gitignore");
    if ignore.exists() {
        return Ok(());
    }
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&ignore, "*\n"));
    written.map_err(|error| CliError::file("prepare the build folder", &folder, &error))
}
