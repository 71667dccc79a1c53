//! Flow files: the repository's own, and those that miyabi brings. What they may name stands in [`Library`].

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use miyabi_agent::{Library, Places, Role};
use miyabi_core::cast::{AnswerKind, Brief, Cast};
use miyabi_core::facts::Fact;
use miyabi_core::flow::{self, Flow, FlowProblem, Known};
use miyabi_core::plan::{AgentWork, Plan, Uses, Work};
use miyabi_core::session::Adapter;
use miyabi_core::story::STORY_AGENTS;

use crate::context::Context;
use crate::error::CliError;
use crate::settings::FlowSettings;

/// Where a repository keeps its own; the first folder that has one of a name counts.
const FOLDERS: [&str; 3] = [".miyabi/agents/flows", ".miyabi/flows", "agents/flows"];
const BUILT_IN: [(&str, &str); 3] = [
    ("issue", include_str!("../../../agents/flows/issue.yaml")),
    ("pr-verify", include_str!("../../../agents/flows/pr-verify.yaml")),
    ("story-ci", include_str!("../../../agents/flows/story-ci.yaml")),
];
/// The longest file that is read; what is longer cannot be a flow.
const MAX_BYTES: u64 = 4 * flow::MAX_BYTES as u64;

/// The text of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// By what people call it: its file's name without the ending.
    pub name: String,
    /// How it is named in problems.
    pub file: String,
    /// Its file; none: it is built in.
    pub path: Option<PathBuf>,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// The flow. Errors: every problem of it.
    pub fn parse(&self, known: &Known) -> Result<Flow, Vec<FlowProblem>> {
        flow::parse_with(&self.text, &self.file, known)
    }

    /// The flow. Errors: every problem of it, shown with its line.
    pub fn usable(&self, known: &Known) -> Result<Flow, CliError> {
        self.parse(known).map_err(|problems| {
            let error = CliError::input(format!("the flow `{}` cannot be used", self.file));
            problems.iter().fold(error, |error, problem| error.because(problem.render(&self.text)))
        })
    }

    fn built_in((name, text): (&str, &str)) -> Self {
        let file = format!("{name}.yaml (built in)");
        Self { name: name.to_owned(), file, path: None, text: text.to_owned() }
    }
}

/// The `issue` flow for a repository.
///
/// Errors: every problem of its file, with place and hint; or everything in it that this version cannot carry out.
pub fn issue(root: &Path, settings: &FlowSettings) -> Result<Flow, CliError> {
    let source = named(Some(root), "issue")?.unwrap_or_else(|| Source::built_in(BUILT_IN[0]));
    let flow = source.usable(&allowed(settings))?;
    carried_out(flow, &source.file)
}

/// Every flow there is, by name: those of the repository, and the built-in ones that none of them replaces.
pub fn all(root: Option<&Path>) -> Result<Vec<Source>, CliError> {
    let mut found = root.map_or_else(|| Ok(Vec::new()), own)?;
    let others = BUILT_IN.into_iter().map(Source::built_in);
    let others: Vec<_> = others.filter(|one| found.iter().all(|known| known.name != one.name)).collect();
    found.extend(others);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The repository's own flows, by name.
pub fn own(root: &Path) -> Result<Vec<Source>, CliError> {
    let mut found: Vec<Source> = Vec::new();
    for path in files(root) {
        let source = read(&path, &shown(root, &path))?;
        if found.iter().all(|known| known.name != source.name) {
            found.push(source);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The files of the repository's own flows, those that others of the same name stand over included.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        files.extend(paths.into_iter().filter(|path| is_flow(path)));
    }
    files
}

/// The flow that was typed: a file, or the name of a flow.
pub fn typed(root: Option<&Path>, cwd: &Path, typed: &str) -> Result<Source, CliError> {
    let path = cwd.join(typed);
    if path.is_file() {
        return read(&path, typed);
    }
    match named(root, typed)? {
        Some(source) => Ok(source),
        None => Err(CliError::input(format!("there is no flow `{typed}`"))
            .hint("`miyabi flow list` names them; a file is given by its path")),
    }
}

/// The flow of that name.
fn named(root: Option<&Path>, name: &str) -> Result<Option<Source>, CliError> {
    // A name is one plain word, so it never leads out of the folders.
    let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) && !name.is_empty();
    let Some(root) = root.filter(|_| plain) else {
        return Ok(BUILT_IN.into_iter().find(|(known, _)| *known == name).map(Source::built_in));
    };
    for folder in FOLDERS {
        for extension in ["yaml", "yml"] {
            let path = root.join(folder).join(format!("{name}.{extension}"));
            if path.exists() {
                return read(&path, &shown(root, &path)).map(Some);
            }
        }
    }
    Ok(BUILT_IN.into_iter().find(|(known, _)| *known == name).map(Source::built_in))
}

fn is_flow(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") && path.is_file()
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn read(path: &Path, file: &str) -> Result<Source, CliError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::InvalidData => CliError::input(format!("the flow `{file}` is no UTF-8 text")),
        _ => CliError::file("read the flow", path, &error),
    };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(CliError::input(format!("the flow `{file}` is larger than {} bytes", flow::MAX_BYTES)));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Source { name, file: file.to_owned(), path: Some(path.to_owned()), text })
}

/// Agents and skills: the repository's, those of the home folder, the built-in ones.
pub fn library(root: Option<&Path>, context: &Context) -> Library {
    let home = context.var("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    Library::load(&Places { repository: root.map(Path::to_owned), home })
}

/// What flows may name: what the library holds, and the environment as far as the settings allow it.
pub fn known(library: &Library, settings: &FlowSettings) -> Known {
    Known {
        agents: Some(library.agents.keys().cloned().collect()),
        skills: Some(library.skills.keys().cloned().collect()),
        ..allowed(settings)
    }
}

/// The same with agents and skills of any name.
pub fn allowed(settings: &FlowSettings) -> Known {
    Known { environment: Some(settings.env.iter().cloned().collect()), ..Known::default() }
}

/// The agents and skills of a plan, as they are now.
///
/// Errors: everything that is not there, or is wrong.
pub fn cast(library: &Library, plan: &Plan) -> Result<Cast, CliError> {
    let mut cast = Cast::default();
    let mut wrong: Vec<String> = Vec::new();
    let asked = plan.steps.iter().flat_map(|step| match &step.work {
        Work::Agent(work) => vec![(step, work.clone())],
        // The steps of stories join the run later, and ask these.
        Work::Uses(Uses::Stories) => {
            STORY_AGENTS.map(|agent| (step, AgentWork { agent: agent.to_owned(), skills: Vec::new() })).into()
        }
        _ => Vec::new(),
    });
    for (step, work) in asked {
        let Some(found) = library.agents.get(&work.agent) else {
            wrong.push(format!("step `{}`: there is no agent `{}`", step.id, work.agent));
            continue;
        };
        let role = &found.item;
        match library.skills_of(role, &work.skills) {
            Ok(skills) => {
                cast.skills.extend(skills.into_iter().map(|skill| (skill.name.clone(), skill.text.clone())));
            }
            Err(skill) => wrong.push(format!("step `{}`: there is no skill `{skill}`", step.id)),
        }
        if cast.agents.contains_key(&role.name) {
            continue;
        }
        match brief(role) {
            Ok(brief) => {
                cast.agents.insert(work.agent.clone(), brief);
            }
            Err(why) => wrong.push(format!("agent `{}`: {why}", role.name)),
        }
    }
    if wrong.is_empty() {
        return Ok(cast);
    }
    let error = CliError::input("the agents of the flow cannot be used");
    let error = wrong.into_iter().fold(error, |error, why| error.because(why));
    Err(error.hint("`miyabi agent check` says what is wrong with agents, `miyabi skill list` names skills"))
}

fn brief(role: &Role) -> Result<Brief, String> {
    let answer = role.output.as_deref().map(|word| {
        let words = AnswerKind::ALL.map(AnswerKind::as_str).join(", ");
        AnswerKind::parse(word).ok_or_else(|| format!("its `output` `{word}` is none of {words}"))
    });
    let adapter = role.adapter.as_deref().map(str::parse::<Adapter>).transpose()?;
    let answer = answer.transpose()?;
    if answer == Some(AnswerKind::Judgements) && !role.facts.contains(&Fact::Requirements) {
        return Err(
            "its `output` is `judgements`, and its `facts` have no `requirements` to judge".to_owned()
        );
    }
    let (text, skills, facts) = (role.text.clone(), role.skills.clone(), role.facts.clone());
    Ok(Brief { text, adapter, answer, timeout_secs: role.timeout_secs, skills, facts })
}

/// The flow, if all of it is carried out: what is not is never left out in silence.
pub fn carried_out(flow: Flow, file: &str) -> Result<Flow, CliError> {
    let lacking = flow.plan.lacking();
    if lacking.is_empty() {
        return Ok(flow);
    }
    let mut error =
        CliError::input(format!("the flow `{file}` asks for what this version does not carry out yet"));
    for lack in &lacking {
        error = error.because(format!("step `{}`: {}", lack.step, lack.what));
    }
    Err(error
        .hint("take these steps and keys out; `miyabi flow run --dry-run` shows what they would come to"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn none() -> FlowSettings {
        FlowSettings { env: Vec::new() }
    }

    #[test]
    fn the_built_in_flow_is_used_unless_the_repository_has_its_own() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(issue(root.path(), &none()).unwrap().name, "issue");
        for folder in ["agents/flows", ".miyabi/flows", ".miyabi/agents/flows"] {
            write(
                root.path(),
                &format!("{folder}/issue.yaml"),
                "name: 自分\nsteps:\n  - name: a\n    uses: analize\n",
            );
            let error = issue(root.path(), &none()).unwrap_err();
            assert_eq!(error.exit().code, 1);
            assert!(error.render().contains(&format!("{folder}/issue.yaml:4:")), "{}", error.render());
        }
        let names: Vec<_> = all(Some(root.path())).unwrap().into_iter().map(|source| source.file).collect();
        assert_eq!(
            names,
            [".miyabi/agents/flows/issue.yaml", "pr-verify.yaml (built in)", "story-ci.yaml (built in)"]
        );
    }

    #[test]
    fn flows_are_found_by_name_and_by_file() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "agents/flows/確認.yml", "name: x");
        write(root.path(), "agents/flows/notes.txt", "x");
        let names: Vec<_> = all(Some(root.path())).unwrap().into_iter().map(|source| source.name).collect();
        assert_eq!(names, ["issue", "pr-verify", "story-ci", "確認"]);
        let file = |what: &str| typed(Some(root.path()), root.path(), what).map(|source| source.file);
        assert_eq!(file("確認").unwrap(), "agents/flows/確認.yml");
        assert_eq!(file("agents/flows/確認.yml").unwrap(), "agents/flows/確認.yml");
        assert_eq!(file("issue").unwrap(), "issue.yaml (built in)");
        for wrong in ["none", "../agents/flows/確認", ""] {
            assert_eq!(file(wrong).unwrap_err().exit().code, 1, "{wrong}");
        }
        assert_eq!(all(None).unwrap().len(), 3);
    }

    #[test]
    fn agents_of_a_flow_are_taken_as_they_are_and_what_is_missing_is_told_at_once() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "agents/a.md",
            "---\ndescription: d\noutput: json\nskills: [s]\nadapter: claude\ntimeout_secs: 90\n---\nLook.",
        );
        write(root.path(), "agents/b.md", "---\ndescription: d\noutput: free\n---\nLook.");
        write(root.path(), "agents/skills/s/SKILL.md", "Skill.");
        let places = Places { repository: Some(root.path().to_owned()), home: None };
        let library = Library::load(&places);
        let plan = |text: &str| flow::parse(&format!("name: x\nsteps:\n{text}"), "x").unwrap().plan;
        let known =
            cast(&library, &plan("  - {name: a, agent: a}\n  - {name: b, agent: a, skills: [s]}")).unwrap();
        let a = &known.agents["a"];
        assert_eq!((a.text.as_str(), a.answer), ("Look.", Some(AnswerKind::Json)));
        assert_eq!(a.timeout_secs, Some(90));
        assert_eq!((a.adapter.clone(), known.skills["s"].as_str()), (Some(Adapter::Claude), "Skill."));
        let text =
            "  - {name: a, agent: nobody}\n  - {name: b, agent: b}\n  - {name: c, agent: a, skills: [t]}";
        let shown = cast(&library, &plan(text)).unwrap_err().render();
        for wrong in [
            "step `a`: there is no agent `nobody`",
            "agent `b`: its `output` `free` is none of json,",
            "step `c`: there is no skill `t`",
        ] {
            assert!(shown.contains(wrong), "{wrong} in\n{shown}");
        }
    }

    #[test]
    fn a_flow_that_cannot_be_carried_out_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let text = "name: x\nsteps:\n  - {name: a, agent: issue, if: true, actions: [notify, deploy]}\n  - {name: b, uses: record, run_condition: manual, actions: [add_labels, run_check]}\n";
        write(root.path(), ".miyabi/flows/issue.yaml", text);
        let error = issue(root.path(), &none()).unwrap_err();
        assert_eq!(error.exit().code, 1);
        let shown = error.render();
        for lacking in ["step `a`: the action `deploy`", "step `b`: the action `run_check`"] {
            assert!(shown.contains(lacking), "{lacking} in\n{shown}");
        }
        for done in ["condition", "agent", "notify", "add_labels"] {
            assert!(!shown.contains(done), "{done} is carried out: {shown}");
        }
    }
}
