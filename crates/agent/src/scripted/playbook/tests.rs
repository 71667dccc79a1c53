//! Which actions a step gets, and what is said of a wrong file.

use super::*;

fn parsed(text: &str) -> Playbook {
    parse(Path::new("play.yaml"), text).unwrap()
}

fn says(playbook: &Playbook, step: &str, attempt: Attempt) -> Option<Vec<String>> {
    let actions = playbook.actions(&step.into(), attempt)?;
    Some(
        actions
            .into_iter()
            .map(|action| match action {
                Action::Say(text) => text.clone(),
                other => format!("{other:?}"),
            })
            .collect(),
    )
}

#[test]
fn the_most_exact_key_wins() {
    let playbook = parsed(
        "task-500-1: [say: exact]\n\
         task-1: [say: one]\n\
         task-2: [say: two]\n\
         task-2.resolve-1: [say: resolve]\n\
         rework-1: [say: rework]\n\
         default: [say: other]\n",
    );
    let says = |step: &str| says(&playbook, step, 1).unwrap().join("");
    for (step, expected) in [
        ("task-500-1", "exact"),
        ("task-7-1", "one"),
        ("task-500-2", "two"),
        ("task-500-2.resolve-1", "resolve"),
        ("task-500-2.resolve-2", "two"),
        ("task-500-1.resolve-1", "one"),
        ("task-500-20", "other"),
        ("task-500-", "other"),
        ("task-x-2", "other"),
        ("task-500-2x", "other"),
        ("rework-1", "rework"),
        ("rework-2", "other"),
        ("作業", "other"),
    ] {
        assert_eq!(says(step), expected, "{step}");
    }
}

#[test]
fn without_a_default_other_steps_have_nothing() {
    assert_eq!(says(&parsed("task-1: []"), "task-500-1", 1), Some(vec![]));
    assert_eq!(says(&parsed("task-1: []"), "task-500-2", 1), None);
}

#[test]
fn attempts_have_their_own_actions() {
    let playbook = parsed(
        "default:\n  - say: always\n  - attempt: 1\n  - say: first\n  - attempt: 3\n  - say: third\n  - say: more\n",
    );
    let says = |attempt| says(&playbook, "x", attempt).unwrap().join(" ");
    assert_eq!(says(1), "always first");
    assert_eq!(says(2), "always first");
    assert_eq!(says(3), "always third more");
    assert_eq!(says(9), "always third more");
    assert_eq!(says(0), "always");
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let says = |text: &str| {
        let failure = Failure::from(parse(Path::new("遊び/play.yaml"), text).unwrap_err());
        assert!(failure.hint.is_some());
        failure.message
    };
    insta::assert_snapshot!(says("task-1:\n  - wrte: { path: a, content: b }\n"), @"遊び/play.yaml:2:5: unknown variant `wrte`, expected one of write, append, replace, delete, run, say, delay, exit, hang, fail, attempt");
    insta::assert_snapshot!(says("task-1:\n  - write: { path: a, contents: b }\n"), @"遊び/play.yaml:2:23: unknown field `contents`, expected one of path, content");
    insta::assert_snapshot!(says("task-1:\n  - write: { path: a }\n"), @"遊び/play.yaml:2:14: missing field `content`");
    insta::assert_snapshot!(says("task-1:\n  - say: ok\n  - write: { path: ../a, content: b }\n"), @"遊び/play.yaml:3:20: path `../a` must be relative and stay inside the worktree: no `..`, no leading `/`, not empty");
    insta::assert_snapshot!(says("task-1:\n  - delete: /etc/passwd\n"), @"遊び/play.yaml:2:13: path `/etc/passwd` must be relative and stay inside the worktree: no `..`, no leading `/`, not empty");
    insta::assert_snapshot!(says("task-1:\n  - delete: .git/config\n"), @"遊び/play.yaml:2:13: path `.git/config` belongs to git");
    insta::assert_snapshot!(says("task-1:\n  - run: []\n"), @"遊び/play.yaml:2:10: `run` names no program");
    insta::assert_snapshot!(says("task-1:\n  - delay: soon\n"), @"遊び/play.yaml:2:12: invalid u64");
    insta::assert_snapshot!(says("task-1:\n  - exit: 256\n"), @"遊び/play.yaml:2:11: invalid u8");
    insta::assert_snapshot!(says("task-1: []\ntask-1: []\n"), @"遊び/play.yaml:2:1: duplicate mapping key: task-1, set DuplicateKeyPolicy in Options if acceptable");
    insta::assert_snapshot!(says("- say: x\n"), @"遊び/play.yaml:1:1: expected mapping start");
    insta::assert_snapshot!(says("task-1: [\n"), @"遊び/play.yaml:1:9: unclosed bracket '['");
    insta::assert_snapshot!(says(""), @"遊び/play.yaml:1:1: the playbook is empty");
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = schema().to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let fits = |text: &str| validator.is_valid(&serde_json::from_str(text).unwrap());
    assert!(fits(
        r#"{"task-1": [{"write": {"path": "a", "content": "b"}}, {"run": ["ls"]}, "hang", {"attempt": 2},
            {"replace": {"path": "a", "from": "x", "to": "y"}}, {"delete": "a"}, {"exit": 1}]}"#
    ));
    assert!(!fits(r#"{"task-1": [{"write": {"path": "a"}}]}"#));
    assert!(!fits(r#"{"task-1": [{"run": []}]}"#));
    assert!(!fits(r#"{"task-1": [{"dance": 1}]}"#));
}
