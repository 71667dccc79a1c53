//! The door: agent programs behind the core's `Agents` port.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::containment::{Bounds, CommandLine, Containment, Network, Refused};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::ports::{Agents, Boxes, Keys, Models, NoBoxes, NoKeys, Patches, SessionWatch, Stop};
use miyabi_core::redact::Redactor;
use miyabi_core::session::{Adapter, AgentEvent, ProcessMark, SessionEnd, SessionOutcome, SessionSpec};

use crate::bounds::bounds;
use crate::census::{self, Wanted};
use crate::claude::{self, ClaudeOptions};
use crate::codex::{self, CodexOptions};
use crate::environment::{FOR_ACP, FOR_CLAUDE, FOR_CODEX, Marks, environment, search_path};
use crate::lending;
use crate::llm::{self, Desk, LlmOptions};
use crate::process::Launch;
use crate::program::{self, ProgramError};
use crate::prompts::Prompts;
use crate::session::{self, Reader, not_started};
use crate::{acp, answer, command, scripted};

/// How agents are run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentOptions {
    /// The main checkout: relative paths of programs and playbooks start here.
    pub root: PathBuf,
    /// Our own environment, from which a child gets what is allowed.
    pub environment: Vec<(OsString, OsString)>,
    /// Names that every child gets besides the usual ones; with a `*` at the end, beginnings of names. Tokens of a
    /// forge and `MIYABI_*` are never passed on.
    pub pass: Vec<String>,
    /// How Claude Code is called.
    pub claude: ClaudeOptions,
    /// How Codex is called.
    pub codex: CodexOptions,
    /// What every agent may reach besides its worktree: the history of the repository, the network.
    pub shared: Bounds,
    /// How models without tools are asked.
    pub llm: LlmOptions,
    /// A folder with templates that replace the built-in ones, such as `.miyabi/prompts` of the target.
    pub prompts: Option<PathBuf>,
}

impl AgentOptions {
    /// The usual way: `claude` from the search path, templates from `.miyabi/prompts` if they are there.
    pub fn new(
        root: impl Into<PathBuf>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let root = root.into();
        Self {
            prompts: Some(root.join(".miyabi/prompts")),
            root,
            environment: environment.into_iter().collect(),
            pass: Vec::new(),
            shared: Bounds { network: Network::Anywhere, ..Bounds::default() },
            claude: ClaudeOptions::default(),
            codex: CodexOptions::default(),
            llm: LlmOptions::default(),
        }
    }
}

/// Runs agent programs as processes of this machine.
#[derive(Clone)]
pub struct AgentPrograms {
    options: AgentOptions,
    prompts: Prompts,
    boxes: Arc<dyn Boxes>,
    keys: Arc<dyn Keys>,
    desk: Option<Desk>,
    redactor: Arc<Redactor>,
}

impl AgentPrograms {
    /// Agents with these options, that nothing keeps in. Nothing is looked for before it is needed.
    pub fn new(options: AgentOptions) -> Self {
        let prompts = Prompts::new(options.prompts.clone());
        Self {
            options,
            prompts,
            boxes: Arc::new(NoBoxes),
            keys: Arc::new(NoKeys),
            desk: None,
            redactor: Arc::default(),
        }
    }

    /// The same agents. Who can do without the keys of their models is lent them.
    #[must_use]
    pub fn lending(self, keys: Arc<dyn Keys>) -> Self {
        Self { keys, ..self }
    }

    /// The same agents, and models that are shown files and answer with patches.
    #[must_use]
    pub fn with_models(self, models: Arc<dyn Models>, patches: Arc<dyn Patches>) -> Self {
        Self { desk: Some(Desk { models, patches }), ..self }
    }

    /// The same agents. These secrets reach neither a model that we ask nor a file that we keep.
    #[must_use]
    pub fn redacting(self, redactor: Arc<Redactor>) -> Self {
        Self { redactor, ..self }
    }

    /// The same agents, each in a box.
    #[must_use]
    pub fn within(self, boxes: Arc<dyn Boxes>) -> Self {
        Self { boxes, ..self }
    }

    /// The same launch within the bounds of its session.
    async fn contain(&self, spec: &SessionSpec, mut launch: Launch) -> Result<Launch, Failure> {
        let refused = Refused::default();
        let lent = match lending::why_not(&spec.adapter, &launch.environment) {
            None => self.keys.lend(&launch.environment, &refused).await?,
            Some(_) => None,
        };
        if let Some(lent) = &lent {
            launch.environment.clone_from(&lent.environment);
            if spec.adapter == Adapter::Codex {
                // Behind its first word, which says what it is to do.
                launch.arguments.splice(1..1, lending::codex_arguments(&launch.environment));
            }
        }
        let command = CommandLine {
            program: launch.program,
            arguments: launch.arguments,
            folder: launch.folder,
            environment: launch.environment,
        };
        let mut bounds = bounds(&spec.adapter, &spec.worktree, &self.options.shared, &command.environment);
        if let Some(lent) = &lent {
            bounds.network = bounds.network.and(&lent.host, lent.port);
        }
        if spec.resume.is_none() {
            // What an earlier session left there is of no use to one that begins.
            let _nothing_is_there = tokio::fs::remove_dir_all(&spec.state).await;
        }
        bounds.home = spec.adapter.capabilities().resume.then(|| spec.state.clone());
        let contained = self.boxes.contain(command, &bounds).await?;
        launch.program = contained.command.program;
        launch.arguments = contained.command.arguments;
        launch.folder = contained.command.folder;
        launch.environment = contained.command.environment;
        launch.containment = contained.containment;
        launch.refused = vec![contained.refused, refused];
        launch.held = Some(Arc::new((contained.held, lent.map(|lent| lent.held))));
        Ok(launch)
    }

    fn find(&self, program: &OsStr, root: &Path) -> Result<PathBuf, ProgramError> {
        program::find(program, root, search_path(&self.options.environment))
    }

    fn find_claude(&self) -> Result<PathBuf, Failure> {
        self.find(self.options.claude.program.as_os_str(), &self.options.root).map_err(|error| {
            Failure::from(error).hint(
                "install Claude Code (`npm install -g @anthropic-ai/claude-code`), or set \
                 `agent.claude_program` to its path",
            )
        })
    }

    fn find_codex(&self) -> Result<PathBuf, Failure> {
        self.find(self.options.codex.program.as_os_str(), &self.options.root).map_err(|error| {
            Failure::from(error).hint(
                "install Codex (`npm install -g @openai/codex`), or set `agent.codex_program` to its path",
            )
        })
    }

    fn find_command(&self, argv: &[String]) -> Result<PathBuf, ProgramError> {
        self.find(OsStr::new(argv.first().map_or("", String::as_str)), &self.options.root)
    }

    fn launch(
        &self,
        spec: &SessionSpec,
        program: PathBuf,
        arguments: Vec<OsString>,
        names: &[&str],
    ) -> Launch {
        let marks = Marks { run: spec.run.clone(), step: spec.step.clone(), session: spec.session.clone() };
        let allowed = self.options.pass.iter().map(String::as_str).chain(names.iter().copied());
        Launch {
            program,
            arguments,
            folder: spec.worktree.clone(),
            environment: environment(&self.options.environment, allowed, &marks),
            input: Vec::new(),
            answers: None,
            marks,
            containment: Containment::Plain,
            refused: Vec::new(),
            held: None,
        }
    }

    fn launch_claude(&self, spec: &SessionSpec, containment: Containment) -> Result<Launch, Failure> {
        let options = &self.options.claude;
        let mut launch = self.launch(
            spec,
            self.find_claude()?,
            options.command_line(containment, resumed(spec)),
            &FOR_CLAUDE,
        );
        for (name, value) in claude::environment(containment) {
            launch.environment.retain(|(ours, _)| ours != name);
            launch.environment.push((name.into(), value.into()));
        }
        launch.input = told(spec).into();
        Ok(launch)
    }

    fn launch_codex(&self, spec: &SessionSpec, containment: Containment) -> Result<Launch, Failure> {
        let arguments = self.options.codex.command_line(containment, resumed(spec));
        let mut launch = self.launch(spec, self.find_codex()?, arguments, &FOR_CODEX);
        launch.input = told(spec).into();
        Ok(launch)
    }

    fn launch_acp(&self, spec: &SessionSpec, argv: &[String]) -> Result<Launch, Failure> {
        let (_, arguments) = scripted::split(argv);
        Ok(self.launch(spec, self.find_command(argv)?, arguments, &FOR_ACP))
    }

    fn launch_command(&self, spec: &SessionSpec, argv: &[String]) -> Result<Launch, Failure> {
        let (_, arguments) = scripted::split(argv);
        let mut launch = self.launch(spec, self.find_command(argv)?, arguments, &[]);
        launch.input = spec.prompt.clone().into_bytes();
        Ok(launch)
    }

    /// Programs of a playbook are what a person would type in the worktree, so relative ones are looked for there.
    fn launch_scripted(&self, spec: &SessionSpec, argv: &[String]) -> Result<Launch, Failure> {
        let (program, arguments) = scripted::split(argv);
        let program = self.find(&program, &spec.worktree)?;
        Ok(self.launch(spec, program, arguments, &[]))
    }
}

/// The session that is gone on with, as its program calls it.
fn resumed(spec: &SessionSpec) -> Option<&str> {
    spec.resume.as_ref().map(|resume| resume.name.as_str())
}

/// What the program is told: the task, or to go on with it.
fn told(spec: &SessionSpec) -> &str {
    spec.resume.as_ref().map_or(&spec.prompt, |resume| &resume.prompt)
}

fn nobody() -> Failure {
    Failure::new(FailureClass::Input, "`facts` is nobody who could be asked")
        .hint("it answers steps of flows with what was looked up; name an agent for tasks")
}

fn no_models() -> Failure {
    Failure::new(FailureClass::Unavailable, "models are not asked here")
}

/// One line of an agent's standard output, in the vocabulary of all adapters; pure.
///
/// The scripted agent and models print nothing that has to be read.
pub fn normalize(adapter: &Adapter, line: &str) -> Vec<AgentEvent> {
    match adapter {
        Adapter::Claude => claude::normalize(line),
        Adapter::Codex => codex::normalize(line),
        Adapter::Acp(_) => acp::normalize(line),
        Adapter::Command(_) => command::normalize(line),
        Adapter::Scripted(_) | Adapter::Llm(_) | Adapter::Facts => {
            vec![AgentEvent::Raw { line: line.to_owned() }]
        }
    }
}

#[async_trait]
impl Agents for AgentPrograms {
    fn prompt(&self, template: &str, values: &serde_json::Value) -> Result<String, Failure> {
        Ok(self.prompts.render(template, values)?)
    }

    fn answer(&self, schema: &serde_json::Value, last_message: &str) -> Result<serde_json::Value, Failure> {
        Ok(answer::check(schema, last_message)?)
    }

    async fn run(&self, spec: &SessionSpec, watch: &dyn SessionWatch, stop: Stop) -> SessionOutcome {
        let containment = match self.boxes.containment().await {
            Ok(containment) => containment,
            Err(failure) => return not_started(&failure),
        };
        let (launch, reader) = match &spec.adapter {
            Adapter::Claude => {
                (self.launch_claude(spec, containment), Reader::Claude(claude::Reader::default()))
            }
            Adapter::Codex => (self.launch_codex(spec, containment), Reader::Codex(codex::Reader::default())),
            Adapter::Acp(argv) => {
                let client = acp::Client::new(spec, containment);
                (self.launch_acp(spec, argv), Reader::Acp(Box::new(client)))
            }
            Adapter::Command(argv) => (self.launch_command(spec, argv), Reader::Command),
            Adapter::Llm(routes) => {
                let Some(desk) = &self.desk else { return not_started(&no_models()) };
                let ways = (&self.options.llm, &self.prompts, &self.redactor);
                return llm::run(spec, routes, desk, ways, watch, stop).await;
            }
            Adapter::Facts => return not_started(&nobody()),
            Adapter::Scripted(playbook) => {
                let launch = |argv: Vec<String>| -> scripted::Launching<'_> {
                    Box::pin(async move { self.contain(spec, self.launch_scripted(spec, &argv)?).await })
                };
                let playbook = self.options.root.join(playbook);
                return scripted::run(spec, &playbook, containment, &launch, &self.redactor, watch, stop)
                    .await;
            }
        };
        let launch = match launch {
            Ok(launch) => self.contain(spec, launch).await,
            Err(failure) => Err(failure),
        };
        match launch {
            Ok(launch) => {
                let outcome = session::run(spec, launch, reader, &self.redactor, watch, stop).await;
                // Only who was stopped may be gone on with.
                if outcome.end != SessionEnd::Stopped {
                    let _nothing_is_there = tokio::fs::remove_dir_all(&spec.state).await;
                }
                outcome
            }
            Err(failure) => not_started(&failure),
        }
    }

    async fn reap(&self, run: &RunId, marks: &[ProcessMark]) -> u32 {
        // A group is surely ours only while the process that led it is seen to be the same one.
        let groups = marks.iter().filter(|mark| census::runs(**mark)).map(|mark| mark.pid).collect();
        census::end(Wanted { groups, entry: Marks::of_run(run), ..Wanted::default() }).await
    }

    async fn missing(&self, adapter: &Adapter) -> Option<Failure> {
        if *adapter == Adapter::Facts {
            return None;
        }
        if let Err(failure) = self.boxes.containment().await {
            return Some(failure);
        }
        match adapter {
            Adapter::Facts => None,
            Adapter::Claude => self.find_claude().err(),
            Adapter::Codex => self.find_codex().err(),
            Adapter::Acp(argv) | Adapter::Command(argv) => self.find_command(argv).err().map(Failure::from),
            Adapter::Llm(routes) => match &self.desk {
                Some(desk) => routes.iter().find_map(|route| desk.models.missing(route)),
                None => Some(no_models()),
            },
            Adapter::Scripted(playbook) => {
                let playbook = self.options.root.join(playbook);
                let read = tokio::task::spawn_blocking(move || scripted::read(&playbook)).await;
                read.ok()?.err().map(Failure::from)
            }
        }
    }
}
