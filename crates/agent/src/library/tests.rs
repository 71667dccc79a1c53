//! Agents and skills from folders: who wins, and what is refused.

use super::*;

/// Writes files below a folder.
fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn load(repository: &Path, home: &Path) -> Library {
    Library::load(&Places { repository: Some(repository.to_owned()), home: Some(home.to_owned()) })
}

fn problems(library: &Library, root: &Path) -> Vec<String> {
    let root = format!("{}/", root.display());
    library.problems.iter().map(|problem| problem.to_string().replace(&root, "")).collect()
}

const AGENT: &str = "---\ndescription: d\n---\nYou look.\n";

#[test]
fn without_files_there_are_the_built_in_ones() {
    let library = Library::load(&Places::default());
    let names: Vec<&str> = library.agents.keys().map(String::as_str).collect();
    assert_eq!(names, role_names().collect::<Vec<_>>());
    assert_eq!((library.skills.len(), library.problems), (0, Vec::new()));
    assert_eq!(
        Library::load(&Places { repository: Some("/nowhere".into()), home: None }).problems,
        Vec::new()
    );
}

#[test]
fn what_stands_nearer_wins() {
    let (repository, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(
        home.path(),
        &[
            (".miyabi/agents/review.md", AGENT),
            (".miyabi/agents/mine.md", AGENT),
            ("agents/not-read.md", AGENT),
            (".miyabi/agents/skills/browser/SKILL.md", "Home."),
        ],
    );
    write(
        repository.path(),
        &[
            ("agents/review.yaml", "description: ours\nsystem_prompt: |\n  Look.\nskills: [browser]\n"),
            ("agents/検査.yml", "description: 検査\nsystem_prompt: 確かめる\nadapter: command:true\n"),
            ("agents/README.md", "about"),
            ("agents/labels.yaml", "- name: x"),
            ("agents/flows/x.yaml", "name: x"),
            ("agents/notes.txt", "x"),
            (".claude/skills/browser/SKILL.md", "---\nname: browser\n---\nOurs."),
            (".agents/skills/other/SKILL.md", "Other."),
            (".agents/skills/empty/README.md", "x"),
        ],
    );
    let library = load(repository.path(), home.path());
    assert_eq!(library.problems, Vec::new());
    let review = &library.agents["review"];
    assert_eq!((review.origin, review.item.text.as_str()), (Origin::Repository, "Look."));
    assert_eq!(review.instead_of, [Origin::Home, Origin::BuiltIn]);
    assert_eq!(library.agents["mine"].origin, Origin::Home);
    assert_eq!(library.agents["検査"].item.text, "確かめる");
    assert!(!library.agents.contains_key("not-read"));
    assert_eq!(library.agents["codegen"].origin, Origin::BuiltIn);
    assert_eq!(library.skills["browser"].item.text, "Ours.");
    assert_eq!(library.skills["browser"].instead_of, [Origin::Home]);
    let skills = library.skills_of(&review.item, &["other".to_owned(), "browser".to_owned()]).unwrap();
    assert_eq!(skills.iter().map(|skill| skill.name.as_str()).collect::<Vec<_>>(), ["browser", "other"]);
    assert_eq!(library.skills_of(&review.item, &["none".to_owned()]).unwrap_err(), "none");
}

#[test]
fn twice_the_same_name_names_both_files() {
    let (repository, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(
        repository.path(),
        &[
            ("agents/a.md", AGENT),
            ("agents/a.yaml", "description: d\nsystem_prompt: x\n"),
            ("agents/b.md", "---\nname: c\ndescription: d\n---\nx"),
            (".miyabi/agents/c.md", AGENT),
            ("agents/skills/s/SKILL.md", "one"),
            (".claude/skills/t/SKILL.md", "---\nname: s\n---\ntwo"),
        ],
    );
    let library = load(repository.path(), home.path());
    assert_eq!(
        problems(&library, repository.path()),
        [
            "agents/a.yaml: `a` is in `agents/a.md`, too",
            "agents/b.md: `c` is in `.miyabi/agents/c.md`, too",
            ".claude/skills/t/SKILL.md: `s` is in `agents/skills/s/SKILL.md`, too",
        ]
    );
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (repository, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(
        repository.path(),
        &[
            ("agents/a.md", "no front matter"),
            ("agents/b.md", "---\ndescription: d\ncolour: red\n---\nx"),
            ("agents/c.md", "---\ndescription: d\n---\n"),
            ("agents/d.yaml", "description: d\n"),
            ("agents/e.md", "---\ndescription: d\nskills: [none]\n---\nx"),
            ("agents/f.md", "---\ndescription: d\nadapter: copilot\n---\nx"),
            ("agents/g.md", "---\nname: ../g\ndescription: d\n---\nx"),
            ("agents/skills/h/SKILL.md", "---\nname: h\n---\n"),
        ],
    );
    fs::write(repository.path().join("agents/i.md"), [0xFF, 0xFE]).unwrap();
    let library = load(repository.path(), home.path());
    insta::assert_snapshot!(problems(&library, repository.path()).join("\n"), @"
    agents/a.md: read role `a`: it has no front matter between two lines `---`
    agents/b.md: read role `b`: line 3: unknown field `colour`, expected one of name, description, adapter, prompt, output, timeout_secs, skills, facts, system_prompt
    agents/c.md: there is no text below its front matter: that is what the agent is told
    agents/d.yaml: read role `d`: it has no `system_prompt`
    agents/g.md: read role `g`: `../g` is no name: letters, digits, `-`, `_` and `.`
    agents/i.md: it is no UTF-8 text
    agents/skills/h/SKILL.md: there is no text below its front matter
    agents/e.md: there is no skill `none`
    agents/f.md: unknown agent `copilot`: expected `claude`, `codex`, `acp:<program>`, `llm:<provider>/<model>`, `command:<program>`, `scripted:<playbook.yaml>` or `facts`
    ");
    assert_eq!(library.agents.len(), role_names().count());
}

#[test]
fn what_cannot_be_used_is_not_replaced_in_silence() {
    let (repository, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(
        repository.path(),
        &[
            ("agents/review.md", "broken"),
            ("agents/codegen.md", AGENT),
            ("agents/codegen.yaml", "description: d\nsystem_prompt: x\n"),
        ],
    );
    let library = load(repository.path(), home.path());
    assert_eq!(library.problems.len(), 2);
    assert!(!library.agents.contains_key("review") && !library.agents.contains_key("codegen"));
    assert!(library.agents.contains_key("issue"));
}
