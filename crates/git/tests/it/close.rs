//! Closing: what goes, what is pinned, what may not go.

use std::fs;

use miyabi_core::ids::RunId;
use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::{Closed, Merged};

use crate::common::{Repo, commit_file, git_in, merge_spec, write};

const KEEP: &str = "refs/miyabi/keep/run-9/step-1/1";

fn run() -> RunId {
    "run-9".into()
}

#[tokio::test]
async fn a_merged_worktree_goes_with_its_branch_and_pins_nothing() {
    let repo = Repo::new();
    for ours in [repo.worktrees(), repo.without_pool()] {
        ours.open(&repo.spec("issue-5")).await.unwrap();
        let worktree = ours.open(&repo.spec("task")).await.unwrap();
        let commit = commit_file(&ours, &worktree, "a.txt", "x\n").await.commit;
        assert!(matches!(
            ours.merge(&merge_spec("feature/issue-5", &commit)).await.unwrap(),
            Merged::Done { .. }
        ));
        let closed = ours.close(&run(), "task").await.unwrap();
        assert_eq!(closed, Closed { removed: true, kept: None, branch_deleted: true });
        assert_eq!(repo.branches(), ["feature/issue-5", "main"]);
        assert!(!worktree.path.exists());
        assert_eq!(ours.list().await.unwrap().len(), 1);
        assert_eq!(ours.close(&run(), "task").await.unwrap(), Closed::default());
        ours.close(&run(), "issue-5").await.unwrap();
        ours.drain().await.unwrap();
        assert_eq!(repo.git(["worktree", "list"]).lines().count(), 1);
        repo.git(["update-ref", "-d", KEEP]);
    }
}

#[tokio::test]
async fn unmerged_and_uncommitted_work_is_pinned_first() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("task")).await.unwrap();
    let commit = commit_file(&ours, &worktree, "a.txt", "committed\n").await.commit;
    write(&worktree.path.join("a.txt"), "staged\n");
    git_in(&worktree.path, ["add", "-A"]);
    write(&worktree.path.join("a.txt"), "edited\n");
    write(&worktree.path.join("未追跡/-x \"y\"\n"), "untracked\n");
    let closed = ours.close(&run(), "task").await.unwrap();
    assert_eq!(closed, Closed { removed: true, kept: Some(KEEP.into()), branch_deleted: true });
    assert_eq!(repo.show(KEEP, "a.txt"), "edited");
    assert_eq!(repo.show(KEEP, "未追跡/-x \"y\"\n"), "untracked");
    assert_eq!(repo.show(format!("{KEEP}^2"), "a.txt"), "staged");
    assert_eq!(repo.commit(&format!("{KEEP}^1")), commit);
    assert_eq!(repo.branches(), ["main"]);
    assert!(!worktree.path.exists());
    assert_eq!(ours.pool().unwrap(), [] as [std::path::PathBuf; 0], "a dirty worktree is not used again");
}

#[tokio::test]
async fn two_branches_at_one_commit_do_not_vouch_for_each_other() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let one = ours.open(&repo.spec("one")).await.unwrap();
    let commit = commit_file(&ours, &one, "a.txt", "x\n").await.commit;
    let other = repo.worktrees();
    other.open(&crate::common::spec("two", &commit)).await.unwrap();
    let run = run();
    let (first, second) = tokio::join!(ours.close(&run, "one"), other.close(&run, "two"));
    let kept = [first.unwrap().kept, second.unwrap().kept];
    assert_eq!(kept.iter().flatten().collect::<Vec<_>>(), [KEEP]);
    assert_eq!(repo.commit(KEEP), commit);
    assert_eq!(repo.branches(), ["main"]);
}

#[tokio::test]
async fn a_detached_commit_and_an_unfinished_merge_are_pinned() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("task")).await.unwrap();
    git_in(&worktree.path, ["checkout", "-q", "--detach"]);
    write(&worktree.path.join("src/lib.rs"), "detached\n");
    git_in(&worktree.path, ["commit", "-qam", "detached"]);
    let detached = git_in(&worktree.path, ["rev-parse", "HEAD"]);
    repo.git(["checkout", "-q", "-b", "gone"]);
    repo.write("src/lib.rs", "theirs\n");
    let theirs = repo.commit_all("theirs");
    repo.git(["checkout", "-q", "main"]);
    assert_eq!(ours.begin_merge(&worktree, &theirs).await.unwrap().len(), 1);
    repo.git(["branch", "-D", "gone"]);
    let closed = ours.close(&run(), "task").await.unwrap();
    assert_eq!(closed, Closed { removed: true, kept: Some(KEEP.into()), branch_deleted: true });
    assert_eq!(repo.git(["log", "-1", "--format=%P", KEEP]), format!("{detached} {theirs}"));
    assert!(repo.show(KEEP, "src/lib.rs").contains("<<<<<<<"));
}

#[tokio::test]
async fn a_branch_that_a_person_has_checked_out_stays() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("task")).await.unwrap();
    repo.git(["worktree", "add", "-q", "-f", "../persons", "feature/task"]);
    let closed = ours.close(&run(), "task").await.unwrap();
    assert_eq!(closed, Closed { removed: true, kept: None, branch_deleted: false });
    assert!(!worktree.path.exists());
    assert_eq!(repo.branches(), ["feature/task", "main"]);
}

#[tokio::test]
async fn a_folder_that_somebody_removed_is_forgotten_with_its_branch() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("task")).await.unwrap();
    let commit = commit_file(&ours, &worktree, "a.txt", "x\n").await.commit;
    fs::remove_dir_all(&worktree.path).unwrap();
    let closed = ours.close(&run(), "task").await.unwrap();
    assert_eq!(closed, Closed { removed: true, kept: Some(KEEP.into()), branch_deleted: true });
    assert_eq!(repo.commit(KEEP), commit);
    assert!(!repo.at(".git/worktrees").exists());
}

#[tokio::test]
async fn ignored_output_goes_and_folders_that_may_not_be_written_too() {
    use std::os::unix::fs::PermissionsExt;
    let repo = Repo::new();
    repo.write(".gitignore", "/target\n");
    repo.commit_all("Ignore");
    let ours = repo.without_pool();
    let worktree = ours.open(&repo.spec("task")).await.unwrap();
    let sealed = worktree.path.join("target/sealed");
    write(&sealed.join("x"), "x");
    fs::set_permissions(&sealed, fs::Permissions::from_mode(0o555)).unwrap();
    let closed = ours.close(&run(), "task").await.unwrap();
    assert_eq!(closed, Closed { removed: true, kept: None, branch_deleted: true });
    assert_eq!(fs::read_dir(ours.folder()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_branch_that_did_its_work_goes_and_takes_nothing_with_it() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let (run, step) = (run(), "step-1".into());
    let worktree = ours.open(&repo.spec("task")).await.unwrap();
    let commit = commit_file(&ours, &worktree, "a.txt", "x\n").await.commit;
    ours.keep_branch("miyabi/tidy-1-1", &commit).await.unwrap();
    // It is looked at somewhere, or somebody went on with it.
    let elsewhere = repo.at("elsewhere");
    repo.git(["worktree", "add", "--quiet", elsewhere.to_str().unwrap(), "miyabi/tidy-1-1"]);
    assert!(!ours.drop_branch(&run, &step, "miyabi/tidy-1-1", &commit).await.unwrap());
    repo.git(["worktree", "remove", elsewhere.to_str().unwrap()]);
    assert!(!ours.drop_branch(&run, &step, "miyabi/tidy-1-1", &repo.head()).await.unwrap());
    // Another branch has the commit, too: nothing is to be kept.
    assert!(ours.drop_branch(&run, &step, "miyabi/tidy-1-1", &commit).await.unwrap());
    assert_eq!(repo.kept(), [] as [String; 0]);
    assert!(!ours.drop_branch(&run, &step, "miyabi/tidy-1-1", &commit).await.unwrap(), "it is gone");
    let other = ours.open(&repo.spec("other")).await.unwrap();
    let lone = commit_file(&ours, &other, "b.txt", "y\n").await.commit;
    ours.keep_branch("miyabi/tidy-1-2", &lone).await.unwrap();
    ours.close(&run, "other").await.unwrap();
    assert!(ours.drop_branch(&run, &step, "miyabi/tidy-1-2", &lone).await.unwrap());
    assert_eq!(repo.commit(KEEP), lone, "nothing else reaches it");
    assert!(ours.drop_branch(&run, &step, "../outside", &lone).await.is_err());
}
