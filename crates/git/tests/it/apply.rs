//! Patches of a model: all of it or nothing, and never outside.

use std::fs;
use std::os::unix::fs::symlink;

use miyabi_core::patch::{PatchRules, Patched};
use miyabi_core::ports::{Patches, Worktrees};
use miyabi_core::worktree::Worktree;
use miyabi_git::GitWorktrees;

use crate::common::{Repo, git_in, write};

async fn bench() -> (Repo, GitWorktrees, Worktree) {
    let repo = Repo::new();
    repo.write("numbers", (1..=40).map(|n| format!("{n}\n")).collect::<String>());
    repo.write(".github/workflows/ci.yml", "on: push\n");
    repo.commit_all("Count");
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    (repo, ours, worktree)
}

async fn apply(ours: &GitWorktrees, worktree: &Worktree, diff: &str) -> Patched {
    ours.apply(&worktree.path, diff, &PatchRules::default()).await.unwrap()
}

fn status(worktree: &Worktree) -> String {
    git_in(&worktree.path, ["-c", "core.quotePath=false", "status", "--short", "--untracked-files=all"])
}

/// Wrong counts, no beginning of files, no `a/`, no last line end: what models write.
#[tokio::test]
async fn a_patch_as_models_write_it_is_applied() {
    let (_repo, ours, worktree) = bench().await;
    let diff = "--- numbers\n+++ numbers\n@@ -1,99 +1,2 @@\n 1\n-2\n+二\n 3\n@@ -20,3 +20,4 @@\n 20\n+20.5\n 21\n\
                --- /dev/null\n+++ b/新しい/ファイル.txt\n@@ -0,0 +1,7 @@\n+hello\n\
                --- a/README.md\n+++ /dev/null\n@@ -1 +0,0 @@\n-# Crate";
    let expected = ["numbers", "新しい/ファイル.txt", "README.md"].map(str::to_owned);
    assert_eq!(apply(&ours, &worktree, diff).await, Patched::Applied(expected.into()));
    assert_eq!(status(&worktree), " D README.md\n M numbers\n?? 新しい/ファイル.txt");
    let numbers = fs::read_to_string(worktree.path.join("numbers")).unwrap();
    assert!(numbers.starts_with("1\n二\n3\n") && numbers.contains("20\n20.5\n21\n"), "{numbers}");
}

#[tokio::test]
async fn every_hunk_that_does_not_fit_is_named_and_nothing_is_changed() {
    let (_repo, ours, worktree) = bench().await;
    let diff = "--- a/numbers\n+++ b/numbers\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n@@ -10,3 +10,3 @@\n 10\n-eleven\n+XI\n 12\n\
                @@ -20,2 +20,2 @@\n-twenty\n+XX\n 21\n--- a/none\n+++ b/none\n@@ -1 +1 @@\n-x\n+y\n";
    let Patched::Conflicts(conflicts) = apply(&ours, &worktree, diff).await else { panic!("it fits") };
    let expected = [
        "numbers:10: these lines are not there as the hunk has them:\n10\neleven\n12",
        "numbers:20: these lines are not there as the hunk has them:\ntwenty\n21",
        "none: No such file or directory",
    ];
    assert_eq!(conflicts, expected);
    assert_eq!(status(&worktree), "");
    for nothing in ["", "Hello.", "--- a/numbers\n+++ b/numbers\n@@ nonsense @@\n"] {
        let Patched::Conflicts(said) = apply(&ours, &worktree, nothing).await else { panic!("{nothing}") };
        assert_eq!(said.len(), 1, "{said:?}");
    }
}

#[tokio::test]
async fn what_no_patch_may_do_is_refused() {
    let (repo, ours, worktree) = bench().await;
    let new = |path: &str, mode: &str| {
        format!(
            "diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n"
        )
    };
    symlink(repo.root(), worktree.path.join("out")).unwrap();
    symlink("README.md", worktree.path.join("link.md")).unwrap();
    let link = "diff --git a/link.md b/link.md\nindex 1..2 120000\n--- a/link.md\n+++ b/link.md\n@@ -1 +1 @@\n-README.md\n\\ No newline at end of file\n+/etc/passwd\n\\ No newline at end of file\n";
    let binary = "diff --git a/a.bin b/a.bin\nnew file mode 100644\nindex 0000000..f76dd23\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n\nliteral 0\nHcmV?d00001\n\n";
    let rename = "diff --git a/numbers b/../../numbers\nsimilarity index 100%\nrename from numbers\nrename to ../../numbers\n";
    let refused = [
        new("../outside", "100644"),
        new("/tmp/outside", "100644"),
        new(".git/hooks/pre-commit", "100755"),
        new("a/.GIT/config", "100644"),
        new("a-link", "120000"),
        new("a-module", "160000"),
        new(".github/workflows/more.yml", "100644"),
        link.to_owned(),
        rename.to_owned(),
        binary.to_owned(),
        new("large", "100644").replace("+/etc/passwd", &format!("+{}", "x".repeat(200 * 1024))),
    ];
    let before = status(&worktree);
    for diff in refused {
        let patched = apply(&ours, &worktree, &diff).await;
        assert!(matches!(&patched, Patched::Refused(why) if !why.is_empty()), "{patched:?}\n{diff}");
    }
    // What git itself refuses: a way through a link.
    let through = apply(&ours, &worktree, &new("out/inside", "100644")).await;
    assert!(matches!(through, Patched::Conflicts(_)), "{through:?}");
    assert_eq!(status(&worktree), before);
    assert_eq!(repo.git(["status", "--short"]), "");
    let ci = PatchRules { ci: true, ..PatchRules::default() };
    let allowed =
        ours.apply(&worktree.path, &new(".github/workflows/more.yml", "100644"), &ci).await.unwrap();
    assert!(matches!(allowed, Patched::Applied(_)), "{allowed:?}");
}

#[tokio::test]
async fn files_are_shown_and_no_link_is_followed() {
    let (repo, ours, worktree) = bench().await;
    write(&worktree.path.join("new.txt"), "新\n");
    write(&worktree.path.join(".gitignore"), "/target\n");
    write(&worktree.path.join("target/out"), "x");
    write(&worktree.path.join("bytes"), [0xff, 0xfe]);
    write(&worktree.path.join("large"), vec![b'x'; 1024 * 1024 + 1]);
    symlink("/etc/passwd", worktree.path.join("link")).unwrap();
    symlink(repo.root(), worktree.path.join("folder")).unwrap();
    let files = ours.files(&worktree.path).await.unwrap();
    assert!(files.iter().any(|file| file == "docs/日本語 「説明」.md"), "{files:?}");
    assert!(files.contains(&"new.txt".to_owned()) && !files.contains(&"target/out".to_owned()), "{files:?}");
    let text = async |path: &str| ours.text(&worktree.path, path).await;
    assert_eq!(text("new.txt").await.as_deref(), Some("新\n"));
    for path in
        ["none", "link", "folder/README.md", "bytes", "large", "../a/new.txt", "/etc/passwd", "", "src"]
    {
        assert_eq!(text(path).await, None, "{path}");
    }
}
