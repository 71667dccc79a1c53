//! Many at once, from many tasks and many processes.

use std::process::{Command, Stdio};

use miyabi_core::ports::Worktrees;
use miyabi_git::{GitWorktrees, Options};

use crate::common::{Repo, commit_file, git_in, merge_spec};

const CHILD: &str = "many::a_child_process_opens_its_share";

fn large() -> Repo {
    let repo = Repo::new();
    for n in 0..150 {
        repo.write(&format!("src/m{}/f{n}.rs", n % 20), format!("pub const N: u32 = {n};\n"));
    }
    repo.commit_all("Many files");
    repo
}

fn check_all(repo: &Repo, count: usize) {
    let listed = repo.git(["worktree", "list", "--porcelain"]);
    assert_eq!(listed.lines().filter(|line| line.starts_with("branch refs/heads/feature/")).count(), count);
    assert!(!listed.contains("locked") && !listed.contains("prunable"), "{listed}");
    for entry in std::fs::read_dir(repo.at(".worktrees")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(git_in(&path, ["status", "--porcelain", "--branch"]), format!("## feature/{name}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn sixty_four_tasks_open_at_once_work_merge_and_close() {
    let repo = large();
    let ours = repo.worktrees();
    let base = repo.head();
    repo.git(["branch", "integration"]);
    let open: Vec<_> = (0..64)
        .map(|n| {
            let (ours, spec) = (ours.clone(), crate::common::spec(&format!("task{n}"), &base));
            tokio::spawn(async move { ours.open(&spec).await.unwrap() })
        })
        .collect();
    let mut worktrees = Vec::new();
    for task in open {
        worktrees.push(task.await.unwrap());
    }
    check_all(&repo, 64);
    assert_eq!(ours.list().await.unwrap().len(), 64);
    let work: Vec<_> = worktrees
        .into_iter()
        .enumerate()
        .map(|(n, worktree)| {
            let ours = ours.clone();
            tokio::spawn(async move {
                let commit = commit_file(&ours, &worktree, &format!("done/{n}.txt"), "x\n").await.commit;
                ours.merge(&merge_spec("integration", &commit)).await.unwrap();
                let closed = ours.close(&"run-1".into(), &worktree.name).await.unwrap();
                assert_eq!((closed.kept, closed.branch_deleted), (None, true));
            })
        })
        .collect();
    for task in work {
        task.await.unwrap();
    }
    assert_eq!(repo.paths("integration").iter().filter(|path| path.starts_with("done/")).count(), 64);
    assert_eq!(repo.branches(), ["integration", "main"]);
    assert_eq!(ours.pool().unwrap().len(), 8);
    // The pool serves many at once, too.
    let again: Vec<_> = (0..16)
        .map(|n| {
            let (ours, spec) = (ours.clone(), crate::common::spec(&format!("again{n}"), &base));
            tokio::spawn(async move { ours.open(&spec).await.unwrap() })
        })
        .collect();
    for task in again {
        task.await.unwrap();
    }
    check_all(&repo, 16);
    assert_eq!(ours.pool().unwrap().len(), 0);
}

#[test]
fn four_processes_open_sixteen_each_and_close_them_again() {
    let repo = large();
    let run = |what: &str| {
        let children: Vec<_> = (0..4)
            .map(|child| {
                Command::new(std::env::current_exe().unwrap())
                    .args([CHILD, "--exact", "--ignored", "--nocapture"])
                    .env("MIYABI_TEST_REPO", repo.root())
                    .env("MIYABI_TEST_CHILD", child.to_string())
                    .env("MIYABI_TEST_WHAT", what)
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
        }
    };
    run("open");
    check_all(&repo, 64);
    run("close");
    let ours = repo.worktrees();
    assert_eq!(ours.pool().unwrap().len(), 8);
    assert_eq!(repo.branches(), ["main"]);
    run("open");
    check_all(&repo, 64);
    assert_eq!(ours.pool().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "run by the test with four processes"]
async fn a_child_process_opens_its_share() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let root = variable("MIYABI_TEST_REPO");
    let base = git_in(root.as_ref(), ["rev-parse", "main"]).into();
    let ours = GitWorktrees::open(&root, Options::default()).unwrap();
    let opens = variable("MIYABI_TEST_WHAT") == "open";
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let spec = crate::common::spec(&format!("c{}-{n}", variable("MIYABI_TEST_CHILD")), &base);
            let ours = ours.clone();
            tokio::spawn(async move {
                if opens {
                    ours.open(&spec).await.unwrap();
                } else {
                    assert!(ours.close(&spec.run, &spec.name).await.unwrap().removed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
