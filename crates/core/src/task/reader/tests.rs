//! Tests of the module that this file belongs to.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::analysis::read_issue;
use crate::task::check_tasks;

fn issue(title: &str, body: &str) -> Issue {
    Issue {
        number: 500,
        title: title.to_owned(),
        body: body.to_owned(),
        labels: vec![],
        author: "alice".to_owned(),
        open: true,
        url: "miyabi issue show 500".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

/// The tasks of a body that is not simple.
fn tasks(body: &str) -> Vec<Task> {
    let issue = issue("Add things", body);
    let analysis = Analysis { complexity: 4.0, estimate_minutes: 600, ..read_issue(&issue) };
    read_tasks(&issue, &analysis, &Policy::default()).tasks
}

/// `1. title kind minutes <- needs` for each task.
fn lines(tasks: &[Task]) -> String {
    let short = |id: &StepId| id.as_str().rsplit('-').next().expect("there is one").to_owned();
    let line = |task: &Task| {
        let needs: Vec<String> = task.dependencies.iter().map(short).collect();
        format!(
            "{}. {} [{}] {}m <- {}",
            short(&task.id),
            task.title,
            task.kind.as_str(),
            task.estimate_minutes,
            needs.join(",")
        )
    };
    tasks.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_issue_of_the_demo() {
    let text = include_str!("../../../tests/fixtures/issue-500.md");
    let (title, body) = text.split_once('\n').expect("it has a title");
    let issue = issue(title.trim_start_matches("# "), body);
    let analysis = read_issue(&issue);
    assert!((3.0..5.0).contains(&analysis.complexity), "{}", analysis.complexity);
    let decomposition = read_tasks(&issue, &analysis, &Policy::default());
    assert_eq!(decomposition.coordinator, "deterministic reader");
    let tasks = decomposition.tasks;
    insta::assert_snapshot!(lines(&tasks), @r"
    1. Add User model [feature] 120m <- 
    2. Hash passwords [feature] 240m <- 1
    3. Issue session tokens [feature] 180m <- 1
    4. Add login and logout API [feature] 240m <- 2,3
    5. Test the whole way from sign-up to logout [test] 120m <- 4
    6. Document authentication [docs] 60m <- 4
    ");
    assert_eq!(
        tasks[1],
        Task {
            id: "task-500-2".into(),
            title: "Hash passwords".to_owned(),
            description: "with a salt of its own for each user".to_owned(),
            kind: Kind::Feature,
            agent: "codegen".to_owned(),
            estimate_minutes: 240,
            dependencies: vec!["task-500-1".into()],
            acceptance: vec![
                "the same password gives two different hashes".to_owned(),
                "a wrong password is not accepted".to_owned(),
            ],
            files: vec!["src/password.rs".to_owned()],
        }
    );
    assert_eq!(
        tasks[4].acceptance,
        ["Nobody gets in with a wrong password", "No password is stored or logged in plain text"]
    );
    assert_eq!(tasks[5].acceptance, Vec::<String>::new());
    let schedule = check_tasks(&tasks, 500, &Policy::default()).expect("these are sound");
    assert_eq!(schedule.levels, vec![vec![0], vec![1, 2], vec![3], vec![4, 5]]);
    assert_eq!((schedule.critical_path, schedule.length), (vec![0, 1, 3, 4], 720));
}

#[test]
fn a_simple_issue_is_one_task() {
    let issue = issue(
        "Fix typo",
        "- [ ] in the title (files: README.md)\n- [ ] below\n\nDone when:\n- it reads well\n",
    );
    let analysis = read_issue(&issue);
    assert!(analysis.complexity < 3.0);
    let tasks = read_tasks(&issue, &analysis, &Policy::default()).tasks;
    assert_eq!(
        tasks,
        [Task {
            id: "task-500-1".into(),
            title: "Fix typo".to_owned(),
            description: issue.body.clone(),
            kind: Kind::Docs,
            agent: "codegen".to_owned(),
            estimate_minutes: 60,
            dependencies: vec![],
            acceptance: ["in the title", "below", "it reads well"].map(str::to_owned).into(),
            files: vec!["README.md".to_owned()],
        }]
    );
}

#[test]
fn an_issue_without_open_items_is_one_task() {
    for body in ["", "words only", "- [x] done\n- [ ]\n", "- a bullet\n- another\n"] {
        assert_eq!(lines(&tasks(body)), "1. Add things [feature] 600m <- ", "{body:?}");
    }
    let analysis = read_issue(&issue("", ""));
    let nameless = read_tasks(&issue(" \n", ""), &analysis, &Policy::default());
    assert_eq!(nameless.tasks[0].title, "Resolve issue 500");
}

#[test]
fn tests_and_documentation_come_last_unless_they_say_otherwise() {
    insta::assert_snapshot!(lines(&tasks("- [ ] docs: describe it\n- [ ] Build a\n- [ ] Build b (depends on 2)\n- [ ] Build c\n- [ ] Integration tests\n- [ ] Test plan (after 2) [docs]\n")), @r#"
    1. describe it [docs] 37m <- 3,4
    2. Build a [feature] 150m <- 
    3. Build b [feature] 150m <- 2
    4. Build c [feature] 150m <- 
    5. Integration tests [test] 75m <- 3,4
    6. Test plan [docs] 37m <- 2
    "#);
}

#[test]
fn numbers_mean_what_the_writer_sees() {
    insta::assert_snapshot!(lines(&tasks("## やること\n3. 三\n5. 五 (depends on 3)\n7. 七（タスク5の後）\n")), @r#"
    1. 三 [feature] 200m <- 
    2. 五 [feature] 200m <- 1
    3. 七 [feature] 200m <- 2
    "#);
    insta::assert_snapshot!(lines(&tasks("- [x] a\n- [ ] b (depends on 1)\n- [ ] c (depends on 2)\n- [ ] d (blocked by #482)\n")), @r#"
    1. b [feature] 200m <- 
    2. c [feature] 200m <- 1
    3. d [feature] 200m <-
    "#);
}

#[test]
fn what_cannot_be_is_refused_and_not_overlooked() {
    let refused = |body: &str| {
        let problems = check_tasks(&tasks(body), 500, &Policy::default()).expect_err("these are wrong");
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        refused("- [ ] a (depends on 2)\n- [ ] b (depends on 1)\n"),
        ["the tasks wait for each other: task-500-1 → task-500-2 → task-500-1"]
    );
    assert_eq!(
        refused("- [ ] a (depends on 9)\n- [ ] b (files: ../x)\n"),
        [
            "`task-500-2` expects the file \"../x\", which climbs out with `..`",
            "`task-500-1` depends on `task-500-9`, which is no task of this issue"
        ]
    );
    // The number of a ticked item is free, and must not become another task's.
    assert_eq!(
        refused("- [ ] a (depends on 0)\n- [ ] b\n"),
        ["`task-500-1` depends on `task-500-3`, which is no task of this issue"]
    );
    assert_eq!(refused(&"- [ ] a\n".repeat(51)), ["there are 51 tasks, at most 50 are allowed"]);
}

#[test]
fn a_very_long_list_is_read() {
    let tasks = tasks(&"- [ ] Build something (2h; files: src/a.rs) — 認証\n".repeat(2_000));
    assert_eq!(tasks.len(), 2_000);
    assert_eq!(tasks[1_999].title, "Build something");
}

proptest! {
    #[test]
    fn any_text_gives_tasks(
        title in "(?s).{0,40}",
        body in "(?s).{0,80}|(- \\[ \\] [a-z]{1,5} ?(\\(depends on [1-6]\\)|docs|tests|（2h）)?\n){0,8}",
        complexity in 0.0..10.0_f64,
    ) {
        let issue = issue(&title, &body);
        let analysis = Analysis { complexity, ..read_issue(&issue) };
        let tasks = read_tasks(&issue, &analysis, &Policy::default()).tasks;
        prop_assert!(!tasks.is_empty());
        prop_assert!(complexity >= 3.0 || tasks.len() == 1);
        // Only what the writer said about dependencies and files can be wrong with them.
        if let Err(problems) = check_tasks(&tasks, 500, &Policy::default()) {
            for problem in problems {
                let text = problem.to_string();
                prop_assert!(text.contains("depends on") || text.contains("wait for each other") || text.contains("file"), "{text}");
            }
        }
    }
}
