//! Merging without a checkout, and what happens to checkouts that are there.

use std::fs;

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::{ConflictFile, Merged};

use crate::common::{Repo, commit_file, git_in, merge_spec, spec, write};

#[tokio::test]
async fn a_merge_is_always_a_commit_and_the_branchs_worktree_follows() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let target = ours.open(&repo.spec("issue-5")).await.unwrap();
    let one = ours.open(&repo.spec("one")).await.unwrap();
    let two = ours.open(&repo.spec("two")).await.unwrap();
    let first = commit_file(&ours, &one, "一.txt", "1\n").await;
    let second = commit_file(&ours, &two, "two.txt", "2\n").await;
    let before = repo.git(["status", "--porcelain=v2", "--branch"]);
    for commit in [&first.commit, &second.commit] {
        let Merged::Done { commit: merged, tree } =
            ours.merge(&merge_spec("feature/issue-5", commit)).await.unwrap()
        else {
            panic!("it fits")
        };
        assert_eq!(repo.commit("feature/issue-5"), merged);
        assert_eq!(ours.tree(&merged).await.unwrap(), tree);
        assert_eq!(repo.commit("feature/issue-5^2"), *commit);
    }
    assert_eq!(
        repo.git(["log", "-1", "--format=%B|%at", "feature/issue-5"]),
        "Merge into feature/issue-5\n|1800000000"
    );
    assert_eq!(git_in(&target.path, ["status", "--porcelain", "--branch"]), "## feature/issue-5");
    assert_eq!(fs::read_to_string(target.path.join("一.txt")).unwrap(), "1\n");
    let tip = repo.commit("feature/issue-5");
    let again = ours.merge(&merge_spec("feature/issue-5", &first.commit)).await.unwrap();
    assert_eq!(again, Merged::Already { tree: ours.tree(&tip).await.unwrap(), commit: tip });
    assert_eq!(repo.git(["status", "--porcelain=v2", "--branch"]), before);
}

#[tokio::test]
async fn a_conflict_shows_both_sides_and_changes_nothing() {
    let repo = Repo::new();
    repo.write("共有 \"x\".txt", "a\nb\nc\n");
    repo.write("gone.txt", "x\n");
    repo.write("bin", [0, 1, 2]);
    repo.write("big.txt", "line\n".repeat(20_000));
    repo.commit_all("Share");
    let ours = repo.worktrees();
    let target = ours.open(&repo.spec("issue-5")).await.unwrap();
    let change = async |name: &str, value: &str| {
        let worktree = ours.open(&repo.spec(name)).await.unwrap();
        write(&worktree.path.join("共有 \"x\".txt"), format!("a\n{value}\nc\n"));
        write(&worktree.path.join("bin"), [&[0], value.as_bytes()].concat());
        write(&worktree.path.join("big.txt"), format!("{}{value}\n", "line\n".repeat(19_999)));
        if name == "two" {
            fs::remove_file(worktree.path.join("gone.txt")).unwrap();
        } else {
            write(&worktree.path.join("gone.txt"), "changed\n");
        }
        commit_file(&ours, &worktree, &format!("{name}.txt"), "fits\n").await.commit
    };
    let (one, two) = (change("one", "左").await, change("two", "右").await);
    ours.merge(&merge_spec("feature/issue-5", &one)).await.unwrap();
    let tip = repo.commit("feature/issue-5");
    let Merged::Conflict { ours: at, files } =
        ours.merge(&merge_spec("feature/issue-5", &two)).await.unwrap()
    else {
        panic!("it does not fit")
    };
    assert_eq!(at, tip);
    let around = "line\n".repeat(20);
    let file = |path: &str, kind: &str, text: Option<String>| ConflictFile {
        path: path.to_owned(),
        kind: format!("CONFLICT ({kind})"),
        text,
    };
    assert_eq!(
        files,
        [
            file(
                "big.txt",
                "contents",
                Some(format!(
                    "[… 19979 lines without a conflict …]\n{around}<<<<<<< {tip}\n左\n=======\n右\n>>>>>>> {two}\n"
                ))
            ),
            file("bin", "binary", None),
            file("gone.txt", "modify/delete", Some("changed\n".to_owned())),
            file(
                "共有 \"x\".txt",
                "contents",
                Some(format!("a\n<<<<<<< {tip}\n左\n=======\n右\n>>>>>>> {two}\nc\n"))
            ),
        ]
    );
    assert_eq!(repo.commit("feature/issue-5"), tip);
    assert_eq!(git_in(&target.path, ["status", "--porcelain"]), "");
    assert!(!target.path.join("two.txt").exists());
}

#[tokio::test]
async fn many_merges_at_once_into_one_branch_all_arrive() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    ours.open(&repo.spec("issue-5")).await.unwrap();
    let mut commits = Vec::new();
    for n in 0..8 {
        let worktree = ours.open(&repo.spec(&format!("task{n}"))).await.unwrap();
        commits.push(commit_file(&ours, &worktree, &format!("{n}.txt"), "x\n").await.commit);
    }
    // Two custodians stand for two processes: only the compare-and-swap is between them.
    let other = repo.worktrees();
    let merges: Vec<_> = commits
        .iter()
        .enumerate()
        .map(|(n, commit)| {
            let custodian = if n % 2 == 0 { ours.clone() } else { other.clone() };
            let spec = merge_spec("feature/issue-5", commit);
            tokio::spawn(async move { custodian.merge(&spec).await })
        })
        .collect();
    for merge in merges {
        assert!(matches!(merge.await.unwrap().unwrap(), Merged::Done { .. }));
    }
    let paths = repo.paths("feature/issue-5");
    assert!((0..8).all(|n| paths.contains(&format!("{n}.txt"))), "{paths:?}");
    assert_eq!(repo.git(["rev-list", "--count", "--merges", "feature/issue-5"]), "8");
    assert_eq!(git_in(&repo.at(".worktrees/issue-5"), ["status", "--porcelain"]), "");
}

#[tokio::test]
async fn work_in_the_branchs_worktree_is_pinned_when_the_merge_overwrites_it() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let target = ours.open(&repo.spec("issue-5")).await.unwrap();
    let one = ours.open(&repo.spec("one")).await.unwrap();
    let commit = commit_file(&ours, &one, "a.txt", "merged\n").await.commit;
    write(&target.path.join("a.txt"), "somebody's\n");
    write(&target.path.join("src/lib.rs"), "edited\n");
    assert!(matches!(
        ours.merge(&merge_spec("feature/issue-5", &commit)).await.unwrap(),
        Merged::Done { .. }
    ));
    assert_eq!(fs::read_to_string(target.path.join("a.txt")).unwrap(), "merged\n");
    assert_eq!(git_in(&target.path, ["status", "--porcelain"]), "");
    assert_eq!(repo.show("refs/miyabi/keep/run-1/step-1/1", "a.txt"), "somebody's");
    assert_eq!(repo.show("refs/miyabi/keep/run-1/step-1/1", "src/lib.rs"), "edited");
}

#[tokio::test]
async fn a_branch_without_a_checkout_grows_and_one_that_a_person_has_does_not() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let one = ours.open(&repo.spec("one")).await.unwrap();
    let commit = commit_file(&ours, &one, "a.txt", "x\n").await.commit;
    repo.git(["branch", "feature/issue-5"]);
    assert!(matches!(
        ours.merge(&merge_spec("feature/issue-5", &commit)).await.unwrap(),
        Merged::Done { .. }
    ));
    let before = repo.snapshot();
    let failure = ours.merge(&merge_spec("main", &commit)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input);
    assert_eq!(repo.snapshot(), before);
}

#[tokio::test]
async fn unknown_branches_and_commits_are_named() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let failure = ours.merge(&merge_spec("feature/none", &repo.head())).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (FailureClass::Input, "there is no branch `feature/none`")
    );
    ours.open(&spec("a", &repo.head())).await.unwrap();
    let missing = "1".repeat(40);
    let failure = ours.merge(&merge_spec("feature/a", &missing.as_str().into())).await.unwrap_err();
    assert_eq!(failure.message, format!("there is no commit `{missing}`"));
    for bad in ["", "--all", "main"] {
        assert_eq!(
            ours.merge(&merge_spec("feature/a", &bad.into())).await.unwrap_err().class,
            FailureClass::Input
        );
    }
}
