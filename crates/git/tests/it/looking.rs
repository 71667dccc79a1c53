//! Looking at the repository changes nothing and says what is.

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::{AddedLine, Worktrees};
use miyabi_core::worktree::{Committed, RepoState};

use crate::common::{Repo, commit_file};

#[tokio::test]
async fn the_state_of_the_main_checkout() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    repo.write("untracked.txt", "x");
    repo.write("README.md", "edited");
    for n in 0..25 {
        repo.write(&format!("f{n:02}.txt"), "x");
        repo.git(["add", &format!("f{n:02}.txt")]);
    }
    repo.write(".gitattributes", "*.bin filter=lfs diff=lfs\n");
    repo.write(".gitmodules", "");
    let state = ours.inspect().await.unwrap();
    let mut dirty = vec!["README.md".to_owned()];
    dirty.extend((0..19).map(|n| format!("f{n:02}.txt")));
    let expected = RepoState {
        root: repo.root().to_owned(),
        branch: "main".into(),
        head: repo.head(),
        dirty,
        remarks: vec![
            "it has submodules, which worktrees leave empty".into(),
            "it stores large files with Git LFS".into(),
        ],
    };
    assert_eq!(state, expected);
    repo.git(["reset", "-q", "--hard"]);
    repo.git(["checkout", "-q", "--detach"]);
    let failure = ours.inspect().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input);
    assert!(failure.hint.is_some());
}

#[tokio::test]
async fn tips_trees_and_comparisons() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let base = repo.head();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    let committed = commit_file(&ours, &worktree, "日本 \"語\".txt", "一\n二\n").await;
    assert_eq!(ours.tip("feature/a").await.unwrap(), Some(committed.commit.clone()));
    assert_eq!(ours.tip("feature/none").await.unwrap(), None);
    assert_eq!(ours.tip("--all").await.unwrap_err().class, FailureClass::Input);
    assert_eq!(ours.tree(&committed.commit).await.unwrap(), committed.tree);
    assert_eq!(ours.tree(&"1".repeat(40).into()).await.unwrap_err().class, FailureClass::Input);
    assert_eq!(ours.compare(&base, &committed.commit).await.unwrap(), committed);
    let back = ours.compare(&committed.commit, &base).await.unwrap();
    let expected = Committed {
        commit: base.clone(),
        tree: ours.tree(&base).await.unwrap(),
        created: vec![],
        changed: vec![],
        deleted: vec!["日本 \"語\".txt".into()],
        insertions: 0,
        deletions: 2,
    };
    assert_eq!(back, expected);
}

#[tokio::test]
async fn texts_of_a_commit_are_read_as_they_are_there() {
    let repo = Repo::new();
    repo.write("CONTRIBUTING.md", "日本語で\n");
    repo.write("docs/規則.md", "二\n");
    repo.write("binary.md", [0xff, 0xfe, b'x']);
    repo.write("long.md", vec![b'a'; 1024 * 1024 + 1]);
    std::os::unix::fs::symlink("/etc/hostname", repo.at("link.md")).unwrap();
    repo.commit_all("Rules");
    repo.write("CONTRIBUTING.md", "not committed\n");
    let ours = repo.worktrees();
    let paths =
        ["docs/規則.md", "none.md", "link.md", "binary.md", "long.md", "docs", "--all", "CONTRIBUTING.md"];
    let found = ours.texts(&repo.head(), &paths).await.unwrap();
    let expected = [("docs/規則.md", "二\n"), ("CONTRIBUTING.md", "日本語で\n")];
    assert_eq!(found, expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    assert!(ours.texts(&"1".repeat(40).into(), &paths).await.is_err());
}

#[tokio::test]
async fn added_lines_are_those_since_the_merge_base() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    crate::common::write(&worktree.path.join("bin"), [0, 1, b'\n', 2]);
    crate::common::write(
        &worktree.path.join("src/lib.rs"),
        "pub fn one() -> u32 {\n    2\n}\n++++ b/x\n@@ -1 +1 @@\n",
    );
    crate::common::write(&worktree.path.join("長い.txt"), format!("{}\r\nsecret=日本", "長".repeat(5000)));
    let head = commit_file(&ours, &worktree, "z \"q\"\t\n.txt", "$(x) ${y}\n").await.commit;
    repo.write("README.md", "moved on\n");
    let base = repo.commit_all("Move on");
    let line = |file: &str, line, text: &str| AddedLine { file: file.into(), line, text: text.into() };
    let expected = [
        line("src/lib.rs", 2, "    2"),
        line("src/lib.rs", 4, "++++ b/x"),
        line("src/lib.rs", 5, "@@ -1 +1 @@"),
        line("z \"q\"\t\n.txt", 1, "$(x) ${y}"),
        line("長い.txt", 1, &"長".repeat(4000)),
        line("長い.txt", 2, "secret=日本"),
    ];
    assert_eq!(ours.added_lines(&base, &head, 1000).await.unwrap(), expected);
    assert_eq!(ours.added_lines(&base, &head, 2).await.unwrap(), expected[..2]);
    assert_eq!(ours.added_lines(&base, &head, 0).await.unwrap(), []);
    assert_eq!(ours.added_lines(&head, &head, 9).await.unwrap(), []);

    // The files that these lines were added to, whatever came after them.
    let folder = repo.root().parent().unwrap().join("base 土台");
    std::fs::create_dir(&folder).unwrap();
    repo.write("README.md", "uncommitted\n");
    let before = repo.snapshot();
    ours.lay_out_base(&base, &head, &folder).await.unwrap();
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(read("README.md"), repo.git(["show", "HEAD^:README.md"]) + "\n");
    assert!(read("src/lib.rs").contains("    1"));
    assert!(!folder.join("bin").exists() && !folder.join(".git").exists());
    assert_eq!(repo.snapshot(), before, "the checkout and its index are left alone");
    assert!(ours.lay_out_base(&"1".repeat(40).into(), &head, &folder).await.is_err());
}

#[tokio::test]
async fn a_big_change_is_read_no_further_than_wanted_and_unrelated_histories_can_be_compared() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let base = repo.head();
    repo.git(["checkout", "-q", "--orphan", "other"]);
    repo.git(["rm", "-rfq", "."]);
    repo.write("big.txt", "行\n".repeat(1_000_000));
    let head = repo.commit_all("Big");
    let lines = ours.added_lines(&base, &head, 10).await.unwrap();
    assert_eq!(lines.len(), 10);
    assert_eq!(lines[9], AddedLine { file: "big.txt".into(), line: 10, text: "行".into() });
}
