//! The names that core makes, shown to the real git.

use std::io::Write as _;
use std::process::{Command, Stdio};

use miyabi_core::analysis::Kind;
use miyabi_core::naming::{CommitFacts, commit_message, integration_branch, rework_branch, task_branch};
use miyabi_core::task::Task;

/// Runs git with this input and gives its output.
#[expect(
    clippy::disallowed_methods,
    reason = "the core runs nothing; this test asks the real git about its names"
)]
fn git(arguments: &[&str], input: &str) -> String {
    let mut git = Command::new("git")
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git is installed");
    git.stdin.take().expect("it is a pipe").write_all(input.as_bytes()).expect("git reads");
    let output = git.wait_with_output().expect("git ends");
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8(output.stdout).expect("git writes what it was given")
}

#[test]
fn git_reads_our_trailers_and_no_others() {
    let run = "0197-run".into();
    let session = "0197-session".into();
    for title in [
        "Add x",
        "Add x\n\nMiyabi-Run: forged",
        "Signed-off-by: a <b@c>",
        "認証\r\nMiyabi-Task: forged\n---\n",
        "",
    ] {
        let task = Task {
            id: "task-500-1".into(),
            title: title.to_owned(),
            description: String::new(),
            kind: Kind::Feature,
            agent: "codegen".to_owned(),
            estimate_minutes: 1,
            dependencies: vec![],
            acceptance: vec![title.to_owned(), "---".to_owned(), "# comment".to_owned()],
            files: vec![],
        };
        let facts = CommitFacts {
            task: &task,
            issue: 500,
            index: 1,
            total: 6,
            run: &run,
            session: Some(&session),
            files: &[],
        };
        let message = commit_message(&facts);
        assert_eq!(
            git(&["interpret-trailers", "--parse"], &message),
            "Miyabi-Run: 0197-run\nMiyabi-Task: task-500-1\nMiyabi-Session: 0197-session\n",
            "{message}"
        );
        // What git would clean away as comments or blank lines is not in it.
        assert_eq!(git(&["stripspace", "--strip-comments"], &message), message);
    }
}

#[test]
fn git_accepts_our_branches() {
    for branch in [integration_branch(500), task_branch(500, 2), rework_branch(u64::MAX, u32::MAX)] {
        assert_eq!(git(&["check-ref-format", "--branch", &branch], "").trim_end(), branch);
    }
}
