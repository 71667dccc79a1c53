//! Tests of the module that this file belongs to.

use super::*;
use crate::analysis::Kind;

fn task(n: u32, dependencies: &[u32]) -> Task {
    Task {
        id: format!("task-500-{n}").into(),
        title: format!("Do {n}"),
        description: String::new(),
        kind: Kind::Feature,
        agent: "codegen".to_owned(),
        estimate_minutes: 10 * n,
        dependencies: dependencies.iter().map(|n| format!("task-500-{n}").into()).collect(),
        acceptance: vec![],
        files: vec!["src/lib.rs".to_owned(), "..a/b..".to_owned(), "ファイル.rs".to_owned()],
    }
}

fn messages(tasks: &[Task]) -> Vec<String> {
    let problems = check_tasks(tasks, 500, &Policy::default()).expect_err("these are wrong");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn sound_tasks_are_scheduled() {
    let tasks = [task(1, &[]), task(2, &[1]), task(3, &[1]), task(4, &[2, 3]), task(5, &[4]), task(6, &[4])];
    assert_eq!(
        check_tasks(&tasks, 500, &Policy::default()),
        Ok(Schedule {
            levels: vec![vec![0], vec![1, 2], vec![3], vec![4, 5]],
            critical_path: vec![0, 2, 3, 5],
            length: 140,
        })
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut tasks = vec![task(1, &[3]), task(2, &[9]), task(3, &[1]), task(2, &[])];
    tasks[0].title = " \t".to_owned();
    tasks[1].title = "長".repeat(201);
    tasks[1].estimate_minutes = 0;
    tasks[2].agent = "Code Gen; rm".to_owned();
    tasks[2].files = ["/etc/passwd", "a/../../b", "C:\\x", "", "sub/.GIT/config"].map(str::to_owned).into();
    tasks.push(Task { id: "task-501-1".into(), title: "a\nb".to_owned(), ..task(1, &[]) });
    tasks.push(Task { id: "task-500-01".into(), ..task(1, &[]) });
    tasks.push(Task { id: "task-500-7\u{1b}[31m".into(), ..task(1, &[]) });
    insta::assert_snapshot!(messages(&tasks).join("\n"), @r#"
    `task-500-1` has no title
    the title of `task-500-1` is not one line of text
    the title of `task-500-2` has 201 characters, at most 200 are allowed
    the estimate of `task-500-2` is 0 minutes, which is not between 1 and 525600
    `task-500-3` names the agent "Code Gen; rm", which is not a name of lower-case letters, digits and `-`
    `task-500-3` expects the file "/etc/passwd", which is not relative to the repository
    `task-500-3` expects the file "a/../../b", which climbs out with `..`
    `task-500-3` expects the file "C:\\x", which is not relative to the repository
    `task-500-3` expects the file "", which is empty
    `task-500-3` expects the file "sub/.GIT/config", which is inside `.git`
    `task-501-1` is not an id of the form `task-500-<n>`
    the title of `task-501-1` is not one line of text
    `task-500-01` is not an id of the form `task-500-<n>`
    `task-500-7 [31m` is not an id of the form `task-500-<n>`
    `task-500-2` is the id of more than one task
    `task-500-2` depends on `task-500-9`, which is no task of this issue
    the tasks wait for each other: task-500-1 → task-500-3 → task-500-1
    "#);
}

#[test]
fn fifty_are_enough() {
    let tasks: Vec<Task> = (1..=51).map(|n| task(n, &[])).collect();
    assert_eq!(messages(&tasks), ["there are 51 tasks, at most 50 are allowed"]);
    assert!(check_tasks(&tasks[..50], 500, &Policy::default()).is_ok());
    assert_eq!(messages(&[]), ["there is no task"]);
}

#[test]
fn a_failure_says_what_and_what_to_do() {
    let problems = check_tasks(&[task(1, &[1])], 500, &Policy::default()).expect_err("these are wrong");
    let failure = Failure::from(problems);
    assert_eq!(failure.class, FailureClass::Input);
    assert_eq!(
        failure.message,
        "the tasks cannot be worked on: the tasks wait for each other: task-500-1 → task-500-1"
    );
    assert_eq!(
        failure.evidence,
        serde_json::json!(["the tasks wait for each other: task-500-1 → task-500-1"])
    );
    assert!(failure.hint.is_some());
}

#[test]
fn a_long_cycle_is_shown_by_its_ends() {
    let tasks: Vec<Task> = (1..=40).map(|n| task(n, &[n % 40 + 1])).collect();
    insta::assert_snapshot!(messages(&tasks).join("\n"), @"the tasks wait for each other: task-500-1 → task-500-2 → task-500-3 → task-500-4 → task-500-5 → task-500-6 → task-500-7 → task-500-8 → task-500-9 → task-500-10 → … 20 more … → task-500-31 → task-500-32 → task-500-33 → task-500-34 → task-500-35 → task-500-36 → task-500-37 → task-500-38 → task-500-39 → task-500-40 → task-500-1");
}
