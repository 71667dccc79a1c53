//! Landing: the base branch and whoever has it checked out.

use std::fs;
use std::time::Duration;

use miyabi_core::failure::FailureClass;
use miyabi_core::ids::CommitId;
use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::Landed;
use miyabi_git::GitWorktrees;

use crate::common::{Repo, commit_file, git_in, land_spec};

/// A finished commit that adds `landed.txt` and changes `src/lib.rs`.
async fn finished(repo: &Repo, ours: &GitWorktrees) -> CommitId {
    let worktree = ours.open(&repo.spec("issue-5")).await.unwrap();
    crate::common::write(&worktree.path.join("src/lib.rs"), "pub fn two() {}\n");
    commit_file(ours, &worktree, "landed 着陸.txt", "x\n").await.commit
}

#[tokio::test]
async fn the_main_checkout_follows_and_a_second_time_is_already() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let head = finished(&repo, &ours).await;
    let base = repo.head();
    // Uncommitted work elsewhere stays.
    repo.write("README.md", "edited by a person\n");
    repo.write("untracked.txt", "a person's\n");
    let landed = ours.land(&land_spec("main", &head)).await.unwrap();
    assert_eq!(landed, Landed::Done { commit: repo.head(), already: false });
    assert_eq!(
        repo.git(["log", "-1", "--format=%P|%B|%ct"]),
        format!("{base} {head}|Land 着陸\n|1800000000")
    );
    assert_eq!(fs::read_to_string(repo.at("landed 着陸.txt")).unwrap(), "x\n");
    assert_eq!(repo.git(["status", "--porcelain"]), " M README.md\n?? untracked.txt");
    let again = ours.land(&land_spec("main", &head)).await.unwrap();
    assert_eq!(again, Landed::Done { commit: repo.head(), already: true });
}

#[tokio::test]
async fn changes_in_the_way_are_named_and_nothing_is_done() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let head = finished(&repo, &ours).await;
    let refused = async |files: &[&str]| {
        let before = repo.snapshot();
        let failure = ours.land(&land_spec("main", &head)).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::DirtyCheckout);
        assert_eq!(failure.evidence, serde_json::json!({ "files": files }));
        assert!(failure.hint.is_some());
        assert_eq!(repo.snapshot(), before);
    };
    repo.write("src/lib.rs", "a person's\n");
    repo.write("landed 着陸.txt", "a person's\n");
    refused(&["src/lib.rs", "landed 着陸.txt"]).await;
    repo.git(["add", "src/lib.rs"]);
    fs::remove_file(repo.at("landed 着陸.txt")).unwrap();
    refused(&["src/lib.rs"]).await;
    repo.git(["reset", "-q", "--hard"]);
    // A folder where a file is to be.
    repo.write("landed 着陸.txt/inside", "a person's\n");
    refused(&["landed 着陸.txt/inside"]).await;
    fs::remove_dir_all(repo.at("landed 着陸.txt")).unwrap();
    assert!(matches!(
        ours.land(&land_spec("main", &head)).await.unwrap(),
        Landed::Done { already: false, .. }
    ));
}

/// As a landing leaves them that breaks off before the branch moves; or a person who took the change by hand.
#[tokio::test]
async fn files_that_are_already_as_the_change_has_them_are_not_in_the_way() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    repo.write("old.txt", "x\n");
    repo.commit_all("Old");
    let worktree = ours.open(&repo.spec("issue-5")).await.unwrap();
    crate::common::write(&worktree.path.join("src/lib.rs"), "pub fn two() {}\n");
    fs::remove_file(worktree.path.join("old.txt")).unwrap();
    let head = commit_file(&ours, &worktree, "landed 着陸.txt", "x\n").await.commit;

    repo.write("src/lib.rs", "pub fn two() {}\n");
    repo.write("landed 着陸.txt", "x\n");
    fs::remove_file(repo.at("old.txt")).unwrap();
    fs::create_dir(repo.at("old.txt")).unwrap();
    repo.write("old.txt/inside", "a person's\n");
    let failure = ours.land(&land_spec("main", &head)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::DirtyCheckout, "one is otherwise");
    fs::remove_dir_all(repo.at("old.txt")).unwrap();
    repo.write("README.md", "edited by a person\n");
    assert!(matches!(ours.land(&land_spec("main", &head)).await.unwrap(), Landed::Done { .. }));
    assert_eq!(repo.git(["status", "--porcelain"]), " M README.md");
    assert_eq!(repo.git(["diff", "--stat", "HEAD^2", "HEAD"]), "");
}

#[tokio::test]
async fn a_base_that_moved_is_told() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let head = finished(&repo, &ours).await;
    repo.write("other.txt", "x\n");
    let base = repo.commit_all("Other");
    let before = repo.snapshot();
    assert_eq!(ours.land(&land_spec("main", &head)).await.unwrap(), Landed::BaseMoved { base });
    assert_eq!(repo.snapshot(), before);
}

#[tokio::test]
async fn a_base_that_nobody_has_checked_out_moves_by_its_ref_and_a_persons_worktree_follows() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let head = finished(&repo, &ours).await;
    repo.git(["branch", "release"]);
    repo.git(["branch", "next"]);
    repo.git(["worktree", "add", "-q", "../persons", "next"]);
    let before = repo.git(["status", "--porcelain=v2", "--branch"]);
    assert!(matches!(
        ours.land(&land_spec("release", &head)).await.unwrap(),
        Landed::Done { already: false, .. }
    ));
    assert!(matches!(
        ours.land(&land_spec("next", &head)).await.unwrap(),
        Landed::Done { already: false, .. }
    ));
    let persons = repo.root().parent().unwrap().join("persons");
    assert_eq!(git_in(&persons, ["status", "--porcelain"]), "");
    assert!(persons.join("landed 着陸.txt").exists());
    assert_eq!(repo.git(["status", "--porcelain=v2", "--branch"]), before);
    // The same base checked out twice: one of them would show the change undone.
    repo.git(["branch", "twice"]);
    repo.git(["worktree", "add", "-q", "../twice1", "twice"]);
    repo.git(["worktree", "add", "-q", "-f", "../twice2", "twice"]);
    assert_eq!(ours.land(&land_spec("twice", &head)).await.unwrap_err().class, FailureClass::Input);
}

#[tokio::test]
async fn a_rebase_or_merge_in_progress_is_not_disturbed() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let head = finished(&repo, &ours).await;
    repo.git(["checkout", "-q", "-b", "side"]);
    repo.write("README.md", "side\n");
    repo.commit_all("Side");
    repo.git(["checkout", "-q", "main"]);
    fs::create_dir(repo.at(".git/rebase-merge")).unwrap();
    fs::write(repo.at(".git/rebase-merge/head-name"), "refs/heads/main\n").unwrap();
    let failure = ours.land(&land_spec("main", &head)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::DirtyCheckout);
    fs::remove_dir_all(repo.at(".git/rebase-merge")).unwrap();
    repo.git(["merge", "-q", "--no-commit", "--no-ff", "side"]);
    let before = repo.snapshot();
    let failure = ours.land(&land_spec("main", &head)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::DirtyCheckout);
    assert_eq!(repo.snapshot(), before);
}

#[tokio::test]
async fn unknown_bases_and_commits_are_refused() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    for (base, head) in
        [("none", repo.head()), ("main", "1".repeat(40).into()), ("-x", repo.head()), ("main", "x".into())]
    {
        let failure = ours.land(&land_spec(base, &head)).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Input, "{base} {head}: {failure}");
    }
}

/// Files of a change that is landing are no uncommitted work of anybody: who looks waits until it has landed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_in_which_a_change_lands_is_not_dirty() {
    let repo = Repo::new();
    // Another miyabi, half-way: the files and the index are new, and the branch is not.
    fs::create_dir_all(repo.at(".git/miyabi")).unwrap();
    let lock = fs::File::create(repo.at(".git/miyabi/land-main.lock")).unwrap();
    lock.lock().unwrap();
    repo.write("landed 着陸.txt", "x\n");
    repo.git(["add", "-A"]);
    let ours = repo.worktrees();
    let mut looking = tokio::spawn(async move { ours.inspect().await.unwrap() });
    let waited = tokio::time::timeout(Duration::from_millis(500), &mut looking).await;
    assert!(waited.is_err(), "it did not wait: {waited:?}");
    let landed = repo.commit_all("Land");
    drop(lock);
    let state = looking.await.unwrap();
    assert_eq!((state.dirty, state.head), (Vec::new(), landed));
    // What a person left is told all the same.
    repo.write("README.md", "edited by a person\n");
    assert_eq!(repo.worktrees().inspect().await.unwrap().dirty, ["README.md"]);
}
