//! What gits of dead processes leave: they are waited for, and their locks are removed.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::Landed;

use crate::common::{Repo, commit_file, commit_spec, land_spec, write};

/// A lock that nobody has held for a long time.
fn stale(lock: &Path) {
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::File::create(lock).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
}

#[tokio::test]
async fn locks_that_a_killed_agent_left_are_no_obstacle() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let spec = repo.spec("a");
    let locks = [
        repo.at(".git/worktrees/a/HEAD.lock"),
        repo.at(".git/worktrees/a/index.lock"),
        repo.at(&format!(".git/refs/heads/{}.lock", spec.branch)),
    ];
    let left = || locks.iter().filter(|lock| lock.exists()).count();

    // Of a task that begins again after its worktree is gone.
    stale(&locks[2]);
    let worktree = ours.open(&spec).await.unwrap();
    assert_eq!(left(), 0);

    write(&worktree.path.join("work.txt"), "work\n");
    locks.iter().for_each(|lock| stale(lock));
    let committed = ours.commit(&worktree, &commit_spec("Work", &[&spec.base])).await.unwrap();
    assert!(committed.is_some());
    assert_eq!(left(), 0);

    locks.iter().for_each(|lock| stale(lock));
    let closed = ours.close(&spec.run, "a").await.unwrap();
    assert!(closed.removed && closed.branch_deleted && closed.kept.is_some(), "{closed:?}");
    assert_eq!(left(), 0);
    assert_eq!(repo.branches(), ["main"]);
}

#[tokio::test]
async fn locks_from_before_the_machine_was_started_are_removed() {
    let repo = Repo::new();
    let locks = ["packed-refs.lock", "config.lock", "refs/miyabi/keep/run-1/step-1/1.lock"];
    let locks = locks.map(|lock| repo.at(".git").join(lock));
    locks.iter().for_each(|lock| stale(lock));
    repo.worktrees().inspect().await.unwrap();
    assert_eq!(locks.iter().filter(|lock| lock.exists()).count(), 0);
}

/// A long-lived process looks again after it met one: here a git was killed long after the first look.
#[tokio::test]
async fn a_lock_that_was_met_is_looked_at_before_the_next_call() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    let head = commit_file(&ours, &worktree, "new.txt", "x\n").await.commit;
    let lock = repo.at(".git/refs/heads/main.lock");
    stale(&lock);
    let failure = ours.land(&land_spec("main", &head)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Transient, "{failure:?}");
    let landed = ours.land(&land_spec("main", &head)).await.unwrap();
    assert_eq!(landed, Landed::Done { commit: repo.head(), already: false });
    assert!(!lock.exists());
    assert_eq!(repo.git(["status", "--porcelain"]), "");
}

/// Git that goes on when its miyabi is dead: the next one looks at nothing before it has ended.
#[tokio::test]
async fn a_git_that_outlives_its_miyabi_is_waited_for() {
    let (repo, other) = (Repo::new(), Repo::new());
    let beside = repo.root().parent().unwrap();
    let (fifo, done) = (beside.join("fifo"), beside.join("done"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // A shell that looks like a git of a process that is not its parent.
    let mut orphan = Command::new("sh")
        .arg0("git")
        .args(["-c", "read line < \"$FIFO\"; echo written > \"$DONE\"", "git", "-C"])
        .arg(repo.root())
        .args(["-c", "miyabi.owner=2147483647", "update-ref"])
        .env("FIFO", &fifo)
        .env("DONE", &done)
        .spawn()
        .unwrap();
    let ours = repo.worktrees();
    let waiting = tokio::spawn(async move { ours.inspect().await });
    for _ in 0..3 {
        // Another repository has nothing to do with it.
        other.worktrees().inspect().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "it looked while somebody still wrote");
    fs::write(&fifo, "go on\n").unwrap();
    waiting.await.unwrap().unwrap();
    assert!(done.exists());
    assert!(orphan.wait().unwrap().success());
}
