//! Repositories as they are: hooks, sparse checkouts, other object formats, line ends, settings that bite.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::{Landed, Merged};

use crate::common::{Repo, commit_file, commit_spec, git_in, land_spec, merge_spec, write};

/// The whole way of a task: open, commit, merge, land, close; twice, so that the second one is reused.
async fn whole_way(repo: &Repo) {
    let ours = repo.worktrees();
    ours.open(&repo.spec("issue-5")).await.unwrap();
    for n in 0..2 {
        let base = ours.tip("feature/issue-5").await.unwrap().unwrap();
        let task = ours.open(&crate::common::spec(&format!("task{n}"), &base)).await.unwrap();
        assert_eq!(git_in(&task.path, ["status", "--porcelain"]), "");
        let commit = commit_file(&ours, &task, &format!("新{n}.txt"), "x\n").await.commit;
        assert!(matches!(
            ours.merge(&merge_spec("feature/issue-5", &commit)).await.unwrap(),
            Merged::Done { .. }
        ));
        let closed = ours.close(&"run-1".into(), &task.name).await.unwrap();
        assert_eq!((closed.kept, closed.branch_deleted), (None, true));
    }
    assert_eq!(ours.pool().unwrap().len(), 1);
    let head = ours.tip("feature/issue-5").await.unwrap().unwrap();
    let landed = ours.land(&land_spec("main", &head)).await.unwrap();
    assert!(matches!(landed, Landed::Done { already: false, .. }));
    assert_eq!(ours.compare(&head, &repo.head()).await.unwrap().tree, ours.tree(&head).await.unwrap());
    let closed = ours.close(&"run-1".into(), "issue-5").await.unwrap();
    assert_eq!((closed.kept, closed.branch_deleted), (None, true));
    ours.drain().await.unwrap();
    assert_eq!(repo.branches(), ["main"]);
    assert_eq!(repo.kept(), [] as [&str; 0]);
    assert_eq!(repo.git(["status", "--porcelain"]), "");
    repo.git(["fsck", "--strict"]);
}

#[tokio::test]
async fn hooks_never_run_and_settings_do_not_bite() {
    let repo = Repo::new();
    let mark = repo.root().parent().unwrap().join("hook-ran");
    for hook in [
        "pre-commit",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "post-merge",
        "pre-merge-commit",
        "reference-transaction",
        "post-index-change",
        "prepare-commit-msg",
    ] {
        let path = repo.at(".git/hooks").join(hook);
        write(&path, format!("#!/bin/sh\necho {hook} >> '{}'\nexit 1\n", mark.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (name, value) in [
        ("commit.gpgSign", "true"),
        ("merge.ff", "only"),
        ("merge.verifySignatures", "true"),
        ("merge.autoStash", "true"),
        ("branch.main.mergeOptions", "--no-ff --squash"),
        ("diff.noprefix", "true"),
        ("diff.renames", "copies"),
        ("diff.external", "false"),
        ("status.showUntrackedFiles", "no"),
        ("status.relativePaths", "true"),
        ("core.fsmonitor", "false-program"),
        ("core.untrackedCache", "true"),
        ("core.splitIndex", "true"),
        ("core.pager", "false"),
        ("color.ui", "always"),
        ("submodule.recurse", "true"),
        ("checkout.defaultRemote", "x"),
        ("branch.autoSetupMerge", "always"),
        ("worktree.useRelativePaths", "true"),
        ("i18n.commitEncoding", "Shift_JIS"),
    ] {
        repo.git(["config", name, value]);
    }
    whole_way(&repo).await;
    assert!(!mark.exists(), "{:?}", fs::read_to_string(&mark));
}

#[tokio::test]
async fn sha256_and_reftable_repositories_work() {
    whole_way(&Repo::with(&["--object-format=sha256"])).await;
    whole_way(&Repo::with(&["--ref-format=reftable"])).await;
}

#[tokio::test]
async fn packed_refs_and_a_separate_git_dir_work() {
    let repo = Repo::new();
    repo.git(["branch", "other"]);
    repo.git(["pack-refs", "--all"]);
    repo.git(["branch", "-D", "other"]);
    whole_way(&repo).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let git_dir = elsewhere.path().join("git");
    whole_way(&Repo::with(&[&format!("--separate-git-dir={}", git_dir.display())])).await;
}

#[tokio::test]
async fn a_sparse_checkout_stays_sparse_and_loses_nothing_outside() {
    let repo = Repo::new();
    repo.write("other/x.txt", "x\n");
    repo.commit_all("Other");
    repo.git(["sparse-checkout", "set", "src"]);
    assert!(!repo.at("other").exists());
    let ours = repo.worktrees();
    let task = ours.open(&repo.spec("a")).await.unwrap();
    assert!(!task.path.join("other").exists() && task.path.join("src/lib.rs").exists());
    write(&task.path.join("src/lib.rs"), "changed\n");
    write(&task.path.join("outside/new.txt"), "new\n");
    let committed = ours.commit(&task, &commit_spec("x\n", &[&task.base])).await.unwrap().unwrap();
    assert_eq!((committed.created.len(), committed.changed.len(), committed.deleted.len()), (1, 1, 0));
    assert_eq!(repo.show(&committed.commit, "other/x.txt"), "x");
    assert_eq!(ours.inspect().await.unwrap().remarks, ["the checkout is sparse"]);
    let landed = ours.land(&land_spec("main", &committed.commit)).await.unwrap();
    assert!(matches!(landed, Landed::Done { already: false, .. }));
    assert!(!repo.at("other").exists());
    ours.close(&"run-1".into(), "a").await.unwrap();
    whole_way(&repo).await;
}

#[tokio::test]
async fn line_ends_links_and_modes_come_through() {
    let repo = Repo::new();
    repo.git(["config", "core.autocrlf", "true"]);
    repo.write(".gitattributes", "*.bat text eol=crlf\n*.raw -text\n");
    repo.write("a.bat", "one\r\ntwo\r\n");
    repo.write("b.raw", "one\r\ntwo\n");
    repo.commit_all("Line ends");
    repo.git(["config", "core.safecrlf", "true"]);
    let ours = repo.worktrees();
    let task = ours.open(&repo.spec("a")).await.unwrap();
    assert_eq!(fs::read_to_string(task.path.join("a.bat")).unwrap(), "one\r\ntwo\r\n");
    assert_eq!(ours.commit(&task, &commit_spec("x", &[&task.base])).await.unwrap(), None);
    write(&task.path.join("mixed.txt"), "one\r\ntwo\n");
    write(&task.path.join("b.raw"), "one\r\n");
    let committed = ours.commit(&task, &commit_spec("x\n", &[&task.base])).await.unwrap().unwrap();
    assert_eq!(repo.git(["cat-file", "-s", &format!("{}:b.raw", committed.commit)]), "5");
    assert_eq!(repo.show(&committed.commit, "mixed.txt"), "one\ntwo");
    ours.land(&land_spec("main", &committed.commit)).await.unwrap();
    ours.close(&"run-1".into(), "a").await.unwrap();
    whole_way(&repo).await;
}

#[tokio::test]
async fn a_repository_without_an_identity_gets_ours() {
    let repo = Repo::new();
    repo.git(["config", "user.name", ""]);
    repo.git(["config", "user.email", ""]);
    let ours = repo.worktrees();
    let task = ours.open(&repo.spec("a")).await.unwrap();
    let committed = commit_file(&ours, &task, "a.txt", "x\n").await;
    assert_eq!(
        repo.git(["log", "-1", "--format=%an <%ae>", committed.commit.as_str()]),
        "miyabi <miyabi@localhost>"
    );
}
