//! Wrong places, wrong programs, full disks: each with its class and a hint.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::Worktrees;
use miyabi_git::{GitWorktrees, Options};

use crate::common::{Repo, git_in};

fn failure(root: &Path, options: Options) -> Failure {
    let failure = Failure::from(GitWorktrees::open(root, options).unwrap_err());
    assert!(failure.hint.is_some(), "{failure}");
    failure
}

#[tokio::test]
async fn places_that_are_no_checkout() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let class = |root: &Path| failure(root, Options::default()).class;
    assert_eq!(class(&root), FailureClass::Input);
    assert_eq!(class(&root.join("no such folder")), FailureClass::Input);
    fs::write(root.join("file"), "").unwrap();
    assert_eq!(class(&root.join("file")), FailureClass::Input);
    git_in(&root, ["init", "-q", "--bare", "bare"]);
    let bare = failure(&root.join("bare"), Options::default());
    assert_eq!(bare.message, format!("`{}` is a bare repository", root.join("bare").display()));
    let empty = Repo::empty(&[]);
    assert_eq!(class(&empty.at(".git")), FailureClass::Input);
    let none = empty.worktrees().inspect().await.unwrap_err();
    assert_eq!((none.class, none.hint.is_some()), (FailureClass::Input, true));
}

#[test]
fn programs_that_cannot_be_used() {
    let repo = Repo::new();
    let with = |program: &Path| Options { program: program.to_owned(), ..Options::default() };
    let missing = failure(repo.root(), with(Path::new("/no/such/git")));
    assert_eq!(missing.class, FailureClass::Unavailable);
    let old = script(&repo, "echo git version 2.37.9");
    let failure = failure(repo.root(), with(&old));
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (FailureClass::Unavailable, "git 2.37.9 is older than 2.38")
    );
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_half_made_is_left() {
    let repo = Repo::new();
    let program = script(
        &repo,
        r#"for word in "$@"; do case "$word" in checkout)
            echo half > "$2/src/half.txt"
            echo "error: unable to write file src/lib.rs: No space left on device" >&2; exit 128;; esac; done
        exec git "$@""#,
    );
    let ours = GitWorktrees::open(repo.root(), Options { program, ..Options::default() }).unwrap();
    let failure = ours.open(&repo.spec("a")).await.unwrap_err();
    assert_eq!((failure.class, failure.hint.is_some()), (FailureClass::Exhausted, true));
    assert_eq!(fs::read_dir(repo.at(".worktrees")).unwrap().count(), 0);
    assert!(!repo.at(".git/worktrees").exists());
    assert_eq!(repo.branches(), ["main"]);
    assert!(repo.worktrees().open(&repo.spec("a")).await.is_ok());
}

/// Another git has begun to write about a worktree of its own, and goes on when ours has failed twice.
#[tokio::test]
async fn a_worktree_that_another_git_is_just_making_is_waited_for() {
    let repo = Repo::new();
    let half = repo.at(".git/worktrees/half");
    let program = script(
        &repo,
        &format!(
            "half='{}'; log=\"$half.log\"\n\
             if [ -d \"$half\" ] && [ ! -s \"$half/commondir\" ]; then\n\
             echo x >> \"$log\"; [ $(wc -l < \"$log\") -gt 12 ] && echo ../.. > \"$half/commondir\"; fi\n\
             exec git \"$@\"",
            half.display()
        ),
    );
    let ours = GitWorktrees::open(repo.root(), Options { program, ..Options::default() }).unwrap();
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("gitdir"), "/nowhere/.git\n").unwrap();
    fs::write(half.join("HEAD"), "ref: refs/heads/elsewhere\n").unwrap();
    fs::write(half.join("commondir"), "").unwrap();
    // The branch is there already, as it is after a restart: git looks where it is checked out.
    repo.git(["branch", "feature/a"]);
    ours.open(&repo.spec("a")).await.unwrap();
    assert!(fs::read_to_string(half.with_extension("log")).unwrap().lines().count() > 12, "it was met");
}

/// Of a registration that a power cut ended a file without content is left, and no git works any more.
#[tokio::test]
async fn a_registration_that_a_power_cut_ended_is_taken_away() {
    let repo = Repo::new();
    let reason = "miyabi opens it";
    repo.git(["worktree", "add", "--no-checkout", "--detach", "--lock", "--reason", reason, ".worktrees/a"]);
    fs::write(repo.at(".git/worktrees/a/commondir"), "").unwrap();
    repo.git(["branch", "feature/a"]);
    repo.worktrees().open(&repo.spec("a")).await.unwrap();
    repo.git(["worktree", "list"]);
}

#[tokio::test]
async fn a_disk_that_really_is_full() {
    let Some(disk) = SmallDisk::mount() else {
        // Only the superuser may mount; the test above then stands alone.
        return;
    };
    let repo = Repo::new();
    for n in 0..20 {
        // Small as an object, large as a file.
        repo.write(&format!("big{n}"), vec![n; 500_000]);
    }
    repo.commit_all("Big");
    git_in(&disk.path, ["clone", "-q", "--no-checkout", repo.root().to_str().unwrap(), "repo"]);
    let root = disk.path.join("repo").canonicalize().unwrap();
    let ours = GitWorktrees::open(&root, Options::default()).unwrap();
    let failure = ours.open(&repo.spec("a")).await.unwrap_err();
    assert_eq!((failure.class, failure.hint.is_some()), (FailureClass::Exhausted, true), "{failure}");
    assert_eq!(fs::read_dir(root.join(".worktrees")).unwrap().count(), 0);
    assert!(!root.join(".git/worktrees").exists());
    assert_eq!(git_in(&root, ["branch", "--list", "feature/*"]), "");
}

#[tokio::test]
async fn a_call_that_hangs_is_stopped_with_what_it_started() {
    let repo = Repo::new();
    let program = script(
        &repo,
        r#"here=$(dirname "$0")
        if [ -e "$here/armed" ]; then sleep 1000 & echo $! > "$here/sleeper"; wait; fi
        exec git "$@""#,
    );
    let options = Options { program, deadline: Duration::from_secs(1), ..Options::default() };
    let ours = GitWorktrees::open(repo.root(), options).unwrap();
    let beside = repo.root().parent().unwrap();
    fs::write(beside.join("armed"), "").unwrap();
    let failure = ours.inspect().await.unwrap_err();
    assert_eq!((failure.class, failure.hint), (FailureClass::Transient, None));
    let sleeper = fs::read_to_string(beside.join("sleeper")).unwrap();
    assert!(ends(sleeper.trim().parse().unwrap()), "{sleeper} goes on");
}

/// Waits for the end of a process; it was killed, and dies when the kernel comes to it. False if it lives on.
fn ends(process: i32) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let Ok(open) = pidfd_open(Pid::from_raw(process).unwrap(), PidfdFlags::empty()) else { return true };
    let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
    poll(&mut [PollFd::new(&open, PollFlags::IN)], Some(&patience)).unwrap() == 1
}

/// A file system of 4 MB that goes away at the end.
struct SmallDisk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&path).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self { path, _folder: folder })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// A program that stands in for git.
fn script(repo: &Repo, text: &str) -> PathBuf {
    let path = repo.root().parent().unwrap().join("git-stand-in");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
