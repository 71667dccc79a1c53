//! Many at once, from many tasks and many processes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use miyabi_core::ids::CommitId;
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
        let children: Vec<_> = (0..4).map(|n| child(&repo, n, what)).collect();
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

#[tokio::test]
async fn whatever_a_killed_process_was_at_the_next_one_goes_on() {
    let repo = large();
    for after in [1, 3, 8, 20] {
        let mut child = child(&repo, 0, "work");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = lines.map_while(Result::ok).filter(|line| line.contains("did ")).take(after).count();
        assert_eq!(seen, after);
        child.kill().unwrap();
        child.wait().unwrap();
        let ours = repo.worktrees();
        for n in 0..4 {
            let worktree = ours.open(&crate::common::spec(&format!("w{n}"), &repo.head())).await.unwrap();
            assert_eq!(
                git_in(&worktree.path, ["status", "--porcelain", "--branch"]),
                format!("## feature/w{n}")
            );
            commit_file(&ours, &worktree, "after.txt", &format!("{after} {n}\n")).await;
        }
        assert_eq!(ours.list().await.unwrap().len(), 4);
        for n in 0..4 {
            assert!(ours.close(&"run-1".into(), &format!("w{n}")).await.unwrap().removed);
        }
        assert_eq!(repo.branches(), ["main"]);
    }
    repo.worktrees().drain().await.unwrap();
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 1);
    assert_eq!(std::fs::read_dir(repo.at(".worktrees")).unwrap().count(), 0);
    repo.git(["fsck", "--strict"]);
    // Every commit that was begun by a killed process and finished is pinned.
    let contents = repo.git(["log", "--format=%s", "--glob=refs/miyabi/keep"]);
    assert!(contents.contains("Write after.txt"), "{contents}");
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let repo = large();
    let ours = repo.worktrees();
    for n in 0..4 {
        let spec = repo.spec(&format!("w{n}"));
        // Polled once, then dropped.
        let begun = tokio::time::timeout(std::time::Duration::ZERO, ours.open(&spec)).await;
        assert!(begun.is_err());
        let worktree = ours.open(&spec).await.unwrap();
        assert_eq!(git_in(&worktree.path, ["status", "--porcelain", "--branch"]), format!("## feature/w{n}"));
    }
    assert_eq!(repo.kept(), [] as [&str; 0]);
    check_all(&repo, 4);
}

#[test]
fn the_environment_of_a_hook_does_not_lead_elsewhere() {
    let (repo, other) = (large(), Repo::new());
    let before = other.snapshot();
    let mut command = child_command(&repo, 0, "open");
    let git_dir = other.at(".git");
    let variables = [
        ("GIT_DIR", git_dir.clone()),
        ("GIT_WORK_TREE", other.root().to_owned()),
        ("GIT_INDEX_FILE", git_dir.join("index")),
        ("GIT_OBJECT_DIRECTORY", git_dir.join("objects")),
        ("GIT_COMMON_DIR", git_dir),
        ("GIT_CONFIG_PARAMETERS", "'core.bare=true'".into()),
        ("GIT_NAMESPACE", "x".into()),
        ("GIT_EXTERNAL_DIFF", "false".into()),
        ("GIT_LITERAL_PATHSPECS", "1".into()),
    ];
    let output = command.envs(variables).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    check_all(&repo, 16);
    assert_eq!(other.snapshot(), before);
}

fn child_command(repo: &Repo, child: u32, what: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([CHILD, "--exact", "--ignored", "--nocapture"])
        .env("MIYABI_TEST_REPO", repo.root())
        .env("MIYABI_TEST_CHILD", child.to_string())
        .env("MIYABI_TEST_WHAT", what)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn child(repo: &Repo, child: u32, what: &str) -> Child {
    child_command(repo, child, what).spawn().unwrap()
}

/// Opens, works, commits and closes without end, and says each time what it did; until it is killed.
async fn work_until_killed(ours: &GitWorktrees, base: &CommitId) {
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            let (ours, spec) = (ours.clone(), crate::common::spec(&format!("w{n}"), base));
            tokio::spawn(async move {
                for round in 0_u64.. {
                    let worktree = ours.open(&spec).await.unwrap();
                    say(&format!("did open {n}"));
                    commit_file(&ours, &worktree, "work.txt", &format!("{n} {round}\n")).await;
                    say(&format!("did commit {n}"));
                    ours.close(&spec.run, &spec.name).await.unwrap();
                    say(&format!("did close {n}"));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "started by another test"]
async fn a_child_process_opens_its_share() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let root = variable("MIYABI_TEST_REPO");
    if variable("MIYABI_TEST_WHAT") == "work" {
        let ours = GitWorktrees::open(&root, Options::default()).unwrap();
        let base = ours.tip("main").await.unwrap().unwrap();
        return work_until_killed(&ours, &base).await;
    }
    let ours = GitWorktrees::open(&root, Options::default()).unwrap();
    let base = ours.tip("main").await.unwrap().unwrap();
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
