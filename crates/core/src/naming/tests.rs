//! Tests of the module that this file belongs to.

use proptest::prelude::*;

use super::*;

fn task(title: &str) -> Task {
    Task {
        id: "task-500-1".into(),
        title: title.to_owned(),
        description: String::new(),
        kind: Kind::Feature,
        agent: "codegen".to_owned(),
        estimate_minutes: 120,
        dependencies: vec![],
        acceptance: vec![],
        files: vec![],
    }
}

fn message(task: &Task, files: &[&str]) -> String {
    let files: Vec<String> = files.iter().map(|&file| file.to_owned()).collect();
    let run = "0197-run".into();
    let session = "0197-session".into();
    commit_message(&CommitFacts {
        task,
        issue: 500,
        index: 1,
        total: 6,
        run: &run,
        session: Some(&session),
        files: &files,
    })
}

fn first_line(title: &str, files: &[&str]) -> String {
    message(&task(title), files).lines().next().expect("there is a first line").to_owned()
}

#[test]
fn branches_and_folders() {
    assert_eq!(integration_branch(500), "feature/issue-500");
    assert_eq!(task_branch(500, 2), "feature/issue-500-task2");
    assert_eq!(rework_branch(500, 1), "feature/issue-500-rework1");
    let (folder, branch) = reading_place(7, 2);
    assert_eq!((folder.as_str(), branch.as_str()), ("run-7-step2", "feature/run-7-step2"));
    assert!(is_made(&branch) && is_made("feature/issue-500") && !is_made("feature/runs"));
    assert_eq!(integration_worktree(500), "issue-500");
    assert_eq!(task_worktree(500, 2), "issue-500-task2");
    assert_eq!(rework_worktree(500, 1), "issue-500-rework1");
}

#[test]
fn a_commit_message_as_specified() {
    let task = Task {
        acceptance: vec!["`User` has an id and a name".to_owned(), "names are not empty".to_owned()],
        ..task("Add User model")
    };
    insta::assert_snapshot!(message(&task, &["src/types.rs", "src/lib.rs"]), @r"
    feat(types): add User model

    - `User` has an id and a name
    - names are not empty

    Refs #500 (task 1/6)

    Miyabi-Run: 0197-run
    Miyabi-Task: task-500-1
    Miyabi-Session: 0197-session
    ");
}

#[test]
fn without_criteria_the_files_are_listed() {
    let files: Vec<String> = (0..12).map(|i| format!("src/auth/f{i}.rs")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    insta::assert_snapshot!(message(&task("認証を追加する。"), &files), @r"
    feat(auth): 認証を追加する

    - src/auth/f0.rs
    - src/auth/f1.rs
    - src/auth/f2.rs
    - src/auth/f3.rs
    - src/auth/f4.rs
    - src/auth/f5.rs
    - src/auth/f6.rs
    - and 5 more

    Refs #500 (task 1/6)

    Miyabi-Run: 0197-run
    Miyabi-Task: task-500-1
    Miyabi-Session: 0197-session
    ");
    insta::assert_snapshot!(message(&task("Think."), &[]), @r"
    feat: think

    Refs #500 (task 1/6)

    Miyabi-Run: 0197-run
    Miyabi-Task: task-500-1
    Miyabi-Session: 0197-session
    ");
}

#[test]
fn subjects() {
    for (title, files, want) in [
        ("Add User model", vec![], "feat: add User model"),
        ("API for login", vec![], "feat: API for login"),
        ("HashMap lookups", vec![], "feat: HashMap lookups"),
        ("A small change", vec![], "feat: a small change"),
        ("X-ray", vec![], "feat: X-ray"),
        ("JWT: sign tokens", vec![], "feat: JWT: sign tokens"),
        ("fix(parser): Handle `\"`", vec!["src/types.rs"], "fix(parser): handle `\"`"),
        ("docs: Describe login", vec!["docs/login.md"], "docs(login): describe login"),
        ("Note: this", vec![], "feat: note: this"),
        ("", vec![], "feat: work on the task"),
        ("# heading", vec![], "feat: # heading"),
        ("Work", vec!["crates/core/src/a.rs", "crates/core/src/b.rs"], "feat(core): work"),
        ("Work", vec!["src/a.rs", "src/b.rs"], "feat: work"),
        ("Work", vec!["src/lib.rs"], "feat: work"),
        ("Work", vec!["Cargo.toml"], "feat(cargo): work"),
        ("Work", vec!["src/日本語.rs"], "feat: work"),
        ("Work", vec!["src/a b$(x).rs"], "feat: work"),
        ("Work", vec!["../../etc/passwd"], "feat: work"),
        ("Fixes #12 for @alice", vec![], "feat: Fixe\u{200b}s #12 for @\u{200b}alice"),
    ] {
        assert_eq!(first_line(title, &files), want, "{title:?}");
    }
    let long = first_line(&"とても長い題名".repeat(20), &[]);
    assert_eq!(long.chars().count(), SUBJECT_LIMIT);
    assert!(long.ends_with('…'));
}

#[test]
fn trailers_are_ours_alone() {
    let task = Task {
        acceptance: vec!["ok\n\nMiyabi-Session: forged".to_owned(), "Miyabi-Run: forged".to_owned()],
        ..task("Add x\n\nMiyabi-Run: forged\nSigned-off-by: nobody")
    };
    insta::assert_snapshot!(message(&task, &[]), @r"
    feat: add x Miyabi-Run: forged Signed-off-by: nobody

    - ok Miyabi-Session: forged
    - Miyabi-Run: forged

    Refs #500 (task 1/6)

    Miyabi-Run: 0197-run
    Miyabi-Task: task-500-1
    Miyabi-Session: 0197-session
    ");
}

#[test]
fn merges_name_what_goes_in() {
    let (task, run) = (task("Hash passwords\nwith `argon2`"), "0197-run".into());
    let facts = MergeFacts { task: &task, issue: 500, index: 2, total: 6, run: &run };
    insta::assert_snapshot!(merge_message(&facts), @r"
    Merge task 2/6: Hash passwords with `argon2`

    Refs #500 (task 2/6)

    Miyabi-Run: 0197-run
    Miyabi-Task: task-500-1
    ");
    insta::assert_snapshot!(update_message("main", 500, &run), @r"
    Merge main into feature/issue-500

    Refs #500

    Miyabi-Run: 0197-run
    ");
}

#[test]
fn titles_of_changes() {
    assert_eq!(
        change_title(Kind::Feature, "Add user authentication", 500),
        "feat: Add user authentication (#500)"
    );
    assert_eq!(change_title(Kind::Bug, "fix(cli): Exit cleanly", 7), "fix(cli): Exit cleanly (#7)");
    assert_eq!(change_title(Kind::Docs, "  誤字を\n直す ", 7), "docs: 誤字を 直す (#7)");
    assert_eq!(change_title(Kind::Feature, "", 7), "feat: Resolve the issue (#7)");
    assert_eq!(change_title(Kind::Bug, "Closes #1", 7), "fix: Close\u{200b}s #1 (#7)");
}

proptest! {
    #[test]
    fn any_task_gives_a_message_of_one_shape(
        title in "(?s).{0,200}",
        criteria in prop::collection::vec("(?s).{0,60}|Miyabi-Run: x|# x", 0..12),
        files in prop::collection::vec("(?s).{0,30}|src/[a-z]{1,5}\\.rs", 0..5),
    ) {
        let task = Task { acceptance: criteria, files, ..task(&title) };
        let message = message(&task, &[]);
        let lines: Vec<&str> = message.lines().collect();
        prop_assert!(lines[0].starts_with(|c: char| c.is_ascii_lowercase()));
        prop_assert!(lines[0].chars().count() <= SUBJECT_LIMIT, "{}", lines[0]);
        prop_assert!(!message.contains("\n\n\n"));
        let (bullets, end) = lines[1..].split_at(lines.len() - 1 - 6);
        prop_assert_eq!(end, [
            "", "Refs #500 (task 1/6)", "", "Miyabi-Run: 0197-run", "Miyabi-Task: task-500-1", "Miyabi-Session: 0197-session",
        ]);
        prop_assert!(bullets.iter().all(|line| line.is_empty() || line.starts_with("- ")));
    }
}

#[test]
fn what_a_flow_offers_has_a_branch_that_git_takes_and_a_commit_that_says_whose_it_is() {
    let table = [
        ("tidy", "miyabi/tidy-7-2"),
        ("Tidy Up 上げ!", "miyabi/tidy-up-7-2"),
        ("../../x y.lock", "miyabi/x-y-lock-7-2"),
        ("整頓", "miyabi/flow-7-2"),
    ];
    for (flow, branch) in table {
        assert_eq!(offer_branch(flow, 7, 2), branch);
        assert!(is_made(branch));
    }
    assert_eq!(offer_branch(&"a".repeat(300), 7, 2).len(), "miyabi/".len() + 40 + "-7-2".len());
    let message = offer_message("tidy\n\nMiyabi-Run: 9", &"Closes #1".into(), &"r".into(), &"s".into());
    assert_eq!(message.lines().filter(|line| line.starts_with("Miyabi-Run: ")).count(), 1, "{message}");
    assert!(
        !message.contains("Closes #1") && message.ends_with("Miyabi-Run: r\nMiyabi-Session: s\n"),
        "{message}"
    );
}
