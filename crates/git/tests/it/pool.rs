//! Worktrees that are used again.

use std::fs;

use miyabi_core::ids::RunId;
use miyabi_core::ports::Worktrees;
use miyabi_git::{GitWorktrees, Options};

use crate::common::{Repo, commit_file, files_below, git_in, merge_spec, write};

fn run() -> RunId {
    "run-1".into()
}

#[tokio::test]
async fn a_closed_worktree_is_given_to_the_next_task_without_a_trace_of_the_last() {
    let repo = Repo::new();
    repo.write(".gitignore", "/target\n");
    repo.commit_all("Ignore");
    let ours = repo.worktrees();
    let first = ours.open(&repo.spec("one")).await.unwrap();
    ours.put_context(&first, &[(".agent-context.json", "{}".into()), ("prompt.md", "x".into())])
        .await
        .unwrap();
    write(&first.path.join("target/debug/out"), "x");
    fs::create_dir_all(first.path.join("empty/folder")).unwrap();
    let inode = inode(&first.path.join("README.md"));
    let commit = commit_file(&ours, &first, "one.txt", "x\n").await.commit;
    repo.git(["branch", "integration"]);
    ours.merge(&merge_spec("integration", &commit)).await.unwrap();
    ours.close(&run(), "one").await.unwrap();
    assert_eq!(ours.pool().unwrap(), [repo.at(".miyabi/pool/one")]);
    assert_eq!(ours.list().await.unwrap(), []);
    assert_eq!(repo.git(["status", "--porcelain"]), "", "the pool is ignored");

    repo.write("two.txt", "new on main\n");
    repo.commit_all("Move on");
    let second = ours.open(&repo.spec("two")).await.unwrap();
    assert_eq!(second.path, repo.at(".worktrees/two"));
    assert_eq!(self::inode(&second.path.join("README.md")), inode, "the same file, not a new one");
    assert_eq!(
        files_below(&second.path, &[".git"]),
        files_below(repo.root(), &[".git", ".worktrees", ".miyabi"])
    );
    assert!(!second.path.join("empty").exists());
    assert_eq!(git_in(&second.path, ["status", "--porcelain", "--branch", "--ignored"]), "## feature/two");
    assert_eq!(ours.pool().unwrap(), [] as [std::path::PathBuf; 0]);
    // Git itself agrees with where it is now.
    let listed = repo.git(["worktree", "list", "--porcelain"]);
    assert!(listed.contains(&format!("worktree {}", second.path.display())), "{listed}");
    commit_file(&ours, &second, "two.txt", "changed\n").await;
}

#[tokio::test]
async fn what_came_into_a_parked_worktree_is_not_given_to_anyone_and_not_lost() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    ours.open(&repo.spec("one")).await.unwrap();
    ours.close(&run(), "one").await.unwrap();
    let parked = ours.pool().unwrap().remove(0);
    write(&parked.join("src/stray.txt"), "stray\n");
    write(&parked.join("README.md"), "changed\n");
    let stamp = |path: &std::path::Path| {
        fs::File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    stamp(&parked.join("src"));
    let next = ours.open(&repo.spec("two")).await.unwrap();
    assert_eq!(git_in(&next.path, ["status", "--porcelain"]), "");
    assert!(!next.path.join("src/stray.txt").exists());
    assert_eq!(fs::read_to_string(next.path.join("README.md")).unwrap(), "# Crate\n");
    assert_eq!(repo.show("refs/miyabi/keep/run-1/step-1/1", "src/stray.txt"), "stray");
    assert!(!parked.exists());
}

#[tokio::test]
async fn a_changed_tracked_file_in_a_parked_worktree_is_put_right() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    ours.open(&repo.spec("one")).await.unwrap();
    ours.close(&run(), "one").await.unwrap();
    let parked = ours.pool().unwrap().remove(0);
    let file = fs::OpenOptions::new().append(true).open(parked.join("README.md")).unwrap();
    std::io::Write::write_all(&mut &file, b"appended in place\n").unwrap();
    drop(file);
    let next = ours.open(&repo.spec("two")).await.unwrap();
    assert_eq!(fs::read_to_string(next.path.join("README.md")).unwrap(), "# Crate\n");
    assert_eq!(git_in(&next.path, ["status", "--porcelain"]), "");
}

#[tokio::test]
async fn the_pool_has_a_size_and_can_be_emptied() {
    let repo = Repo::new();
    let open =
        |pool_size| GitWorktrees::open(repo.root(), Options { pool_size, ..Options::default() }).unwrap();
    let ours = open(2);
    for name in ["a", "b", "c"] {
        ours.open(&repo.spec(name)).await.unwrap();
    }
    for name in ["a", "b", "c"] {
        assert!(ours.close(&run(), name).await.unwrap().removed);
    }
    assert_eq!(ours.pool().unwrap().len(), 2);
    assert_eq!(ours.drain().await.unwrap(), 2);
    assert_eq!(ours.drain().await.unwrap(), 0);
    assert!(!repo.at(".miyabi").exists());
    let none = open(0);
    none.open(&repo.spec("d")).await.unwrap();
    none.close(&run(), "d").await.unwrap();
    assert_eq!(none.pool().unwrap().len(), 0);
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 1);
}

#[tokio::test]
async fn build_output_is_kept_where_that_is_wanted() {
    let repo = Repo::new();
    repo.write(".gitignore", "/target\n");
    repo.commit_all("Ignore");
    let options = Options { keep_build_output: true, ..Options::default() };
    let ours = GitWorktrees::open(repo.root(), options).unwrap();
    let first = ours.open(&repo.spec("one")).await.unwrap();
    ours.put_context(&first, &[("EXECUTION_CONTEXT.md", "x".into())]).await.unwrap();
    write(&first.path.join("target/out"), "built");
    ours.close(&run(), "one").await.unwrap();
    let second = ours.open(&repo.spec("two")).await.unwrap();
    assert_eq!(fs::read_to_string(second.path.join("target/out")).unwrap(), "built");
    assert!(!second.path.join("EXECUTION_CONTEXT.md").exists());
    write(&second.path.join("untracked.txt"), "x");
    ours.open(&repo.spec("two")).await.unwrap();
    assert!(second.path.join("target/out").exists() && !second.path.join("untracked.txt").exists());
}

#[tokio::test]
async fn a_move_that_was_broken_off_is_cleared_up() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    ours.open(&repo.spec("one")).await.unwrap();
    ours.close(&run(), "one").await.unwrap();
    // Taken from the pool, killed before git's books were brought up to date.
    let parked = ours.pool().unwrap().remove(0);
    fs::rename(&parked, repo.at(".worktrees/two")).unwrap();
    let again = repo.worktrees();
    let two = again.open(&repo.spec("two")).await.unwrap();
    assert_eq!(git_in(&two.path, ["status", "--porcelain", "--branch"]), "## feature/two");
    assert_eq!(again.list().await.unwrap(), [two]);
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 2);
}

#[tokio::test]
async fn draining_removes_what_was_broken_off_as_well() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    for name in ["opening", "parking", "open"] {
        ours.open(&repo.spec(name)).await.unwrap();
    }
    for (name, state) in [("opening", "opening"), ("parking", "parked")] {
        let record = repo.at(&format!(".git/worktrees/{name}/miyabi.json"));
        let text = fs::read_to_string(&record).unwrap();
        assert!(text.contains("\"state\":\"open\""), "{text}");
        fs::write(&record, text.replace("\"state\":\"open\"", &format!("\"state\":\"{state}\""))).unwrap();
    }
    assert_eq!(ours.drain().await.unwrap(), 0);
    assert_eq!(ours.list().await.unwrap().len(), 1);
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 2);
    assert_eq!(fs::read_dir(ours.folder()).unwrap().count(), 1);
}

/// A process may be killed between any two of the steps in which a worktree goes to the pool, from it, or away.
#[tokio::test]
async fn moves_that_were_broken_off_leave_nothing_behind() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let names = ["taken", "brought", "doomed", "kept"];
    for name in names {
        ours.open(&repo.spec(name)).await.unwrap();
    }
    for name in names {
        ours.close(&run(), name).await.unwrap();
    }
    let record = |name: &str, from: &str, to: &str| {
        let path = repo.at(&format!(".git/worktrees/{name}/miyabi.json"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    };
    // Taken for a task, not yet moved there.
    record("taken", "\"state\":\"parked\"", "\"state\":\"opening\"");
    // Brought into the pool, while git's books still say where it was.
    let was = repo.at(".worktrees/brought/.git");
    fs::write(repo.at(".git/worktrees/brought/gitdir"), format!("{}\n", was.display())).unwrap();
    // Moved away to be deleted, while git's books still have it.
    fs::rename(repo.at(".miyabi/pool/doomed"), repo.at(".worktrees/.trash-9-9-9")).unwrap();
    // Somebody's copy of one that was closed, and somebody's folder.
    fs::create_dir(repo.at(".worktrees/copy")).unwrap();
    fs::copy(repo.at(".miyabi/pool/kept/.git"), repo.at(".worktrees/copy/.git")).unwrap();
    fs::write(repo.at(".worktrees/copy/mine"), "mine").unwrap();
    fs::create_dir(repo.at(".miyabi/pool/foreign")).unwrap();

    let next = repo.worktrees();
    next.open(&repo.spec("new")).await.unwrap();
    assert_eq!(next.pool().unwrap(), Vec::<std::path::PathBuf>::new(), "the only good one was taken");
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 2);
    let left: Vec<_> =
        fs::read_dir(repo.at(".miyabi/pool")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["foreign"]);
    assert!(repo.at(".worktrees/copy/mine").exists());
    next.close(&run(), "new").await.unwrap();
    assert_eq!(next.drain().await.unwrap(), 1);
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 1);
    assert!(!repo.at(".git/worktrees").exists());
}

#[tokio::test]
async fn a_pool_folder_that_leads_elsewhere_is_not_used() {
    let repo = Repo::new();
    fs::create_dir_all(repo.at("elsewhere/pool")).unwrap();
    std::os::unix::fs::symlink(repo.at("elsewhere"), repo.at(".miyabi")).unwrap();
    let ours = repo.worktrees();
    ours.open(&repo.spec("one")).await.unwrap();
    assert!(ours.close(&run(), "one").await.unwrap().removed);
    assert_eq!(fs::read_dir(repo.at("elsewhere/pool")).unwrap().count(), 0);
}

fn inode(path: &std::path::Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap())
}
