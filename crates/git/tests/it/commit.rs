//! One commit of everything, whatever the agent did with git before.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::Committed;

use crate::common::{Repo, at, commit_spec, git_in, write};

#[tokio::test]
async fn everything_becomes_one_commit_with_its_figures() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    let file = |path: &str| worktree.path.join(path);
    write(&file("src/lib.rs"), "pub fn one() -> u32 {\n    2\n}\n\n");
    fs::remove_file(file("README.md")).unwrap();
    write(&file("新しい/「ファイル」 $(x) ${y}.txt"), "一\n二\n");
    write(&file("-rf"), "dash\n");
    write(&file("with\nnewline \"quote\".txt"), "x");
    write(&file("bin.dat"), [0, 159, 146, 150]);
    write(&file("run.sh"), "#!/bin/sh\n");
    fs::set_permissions(file("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("src/lib.rs", file("link")).unwrap();
    write(&file(".gitignore"), "/target\n");
    write(&file("target/out"), "ignored\n");
    let message = "feat(types): add `User` 利用者\n\n- $(touch x) ${y} \"quoted\"\n\nRefs #500 (task 1/6)\n\nMiyabi-Run: r\n";
    let spec = commit_spec(message, &[&worktree.base]);
    let committed = ours.commit(&worktree, &spec).await.unwrap().unwrap();
    let expected = Committed {
        commit: repo.commit("feature/a"),
        tree: repo.git(["rev-parse", "feature/a^{tree}"]).into(),
        created: [
            "-rf",
            ".gitignore",
            "bin.dat",
            "link",
            "run.sh",
            "with\nnewline \"quote\".txt",
            "新しい/「ファイル」 $(x) ${y}.txt",
        ]
        .map(str::to_owned)
        .into(),
        changed: vec!["src/lib.rs".into()],
        deleted: vec!["README.md".into()],
        insertions: 9,
        deletions: 2,
    };
    assert_eq!(committed, expected);
    assert_eq!(repo.git(["log", "-1", "--format=%B", "feature/a"]), message);
    assert_eq!(
        repo.git(["log", "-1", "--format=%an <%ae> %at|%cn <%ce> %ct|%P", "feature/a"]),
        format!(
            "Test 太郎 <taro@example.com> 1800000000|Test 太郎 <taro@example.com> 1800000000|{}",
            worktree.base
        )
    );
    let modes = repo.git(["ls-tree", "feature/a", "run.sh", "link"]);
    assert!(modes.contains("120000 blob") && modes.contains("100755 blob"), "{modes}");
    assert_eq!(git_in(&worktree.path, ["status", "--porcelain", "--branch"]), "## feature/a");
    // Repeated after a crash it is the same commit.
    assert_eq!(ours.commit(&worktree, &spec).await.unwrap(), Some(expected));
    assert_eq!(repo.kept(), [] as [&str; 0]);
}

#[tokio::test]
async fn nothing_changed_is_no_commit() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    ours.put_context(&worktree, &[(".agent-context.json", "{}".into())]).await.unwrap();
    assert_eq!(ours.commit(&worktree, &commit_spec("x", &[&worktree.base])).await.unwrap(), None);
    // Touched and put back, committed and taken back.
    write(&worktree.path.join("src/lib.rs"), "x");
    git_in(&worktree.path, ["commit", "-qam", "x"]);
    git_in(&worktree.path, ["revert", "--no-edit", "HEAD"]);
    assert_eq!(ours.commit(&worktree, &commit_spec("x", &[&worktree.base])).await.unwrap(), None);
}

#[tokio::test]
async fn what_the_agent_committed_is_squashed_and_pinned() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    write(&worktree.path.join("a.txt"), "first\n");
    git_in(&worktree.path, ["add", "-A"]);
    git_in(&worktree.path, ["commit", "-qm", "agent"]);
    let agents = repo.commit("feature/a");
    write(&worktree.path.join("a.txt"), "second\n");
    let committed = ours.commit(&worktree, &commit_spec("ours\n", &[&worktree.base])).await.unwrap().unwrap();
    assert_eq!(repo.git(["log", "--format=%s", "feature/a"]), "ours\nBegin");
    assert_eq!(repo.show(&committed.commit, "a.txt"), "second");
    assert_eq!(repo.commit("refs/miyabi/keep/run-1/step-1/1"), agents);
}

#[tokio::test]
async fn a_switched_or_detached_head_is_put_back() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    for (name, by) in
        [("a", vec!["checkout", "-q", "-b", "agents"]), ("b", vec!["checkout", "-q", "--detach"])]
    {
        let worktree = ours.open(&repo.spec(name)).await.unwrap();
        git_in(&worktree.path, by);
        write(&worktree.path.join("work.txt"), name);
        git_in(&worktree.path, ["add", "-A"]);
        git_in(&worktree.path, ["commit", "-qm", "agent's"]);
        write(&worktree.path.join("more.txt"), name);
        let committed =
            ours.commit(&worktree, &commit_spec("ours\n", &[&worktree.base])).await.unwrap().unwrap();
        assert_eq!(committed.created, ["more.txt", "work.txt"]);
        assert_eq!(repo.commit(&format!("feature/{name}")), committed.commit);
        assert_eq!(
            git_in(&worktree.path, ["status", "--porcelain", "--branch"]),
            format!("## feature/{name}")
        );
    }
    // The first one's commit is on its branch; the second one's was on none.
    assert_eq!(repo.kept().len(), 1);
    assert_eq!(repo.show("refs/miyabi/keep/run-1/step-1/1", "work.txt"), "b");
}

#[tokio::test]
async fn what_was_staged_and_then_overwritten_is_pinned() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    write(&worktree.path.join("a.txt"), "staged\n");
    git_in(&worktree.path, ["add", "a.txt"]);
    write(&worktree.path.join("a.txt"), "later\n");
    let committed = ours.commit(&worktree, &commit_spec("x\n", &[&worktree.base])).await.unwrap().unwrap();
    assert_eq!(repo.show(&committed.commit, "a.txt"), "later");
    assert_eq!(repo.show("refs/miyabi/keep/run-1/step-1/1", "a.txt"), "staged");
}

#[tokio::test]
async fn files_for_the_agent_are_in_no_commit_even_by_force() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    let files = [
        (".agent-context.json", "{}".to_owned()),
        ("EXECUTION_CONTEXT.md", "x".to_owned()),
        ("prompt.md", "y".to_owned()),
    ];
    ours.put_context(&worktree, &files).await.unwrap();
    git_in(&worktree.path, ["add", "-f", ".agent-context.json", "prompt.md"]);
    git_in(&worktree.path, ["commit", "-qm", "agent"]);
    git_in(&worktree.path, ["add", "-f", "EXECUTION_CONTEXT.md"]);
    write(&worktree.path.join("a.txt"), "a\n");
    let committed = ours.commit(&worktree, &commit_spec("x\n", &[&worktree.base])).await.unwrap().unwrap();
    assert_eq!(committed.created, ["a.txt"]);
    assert_eq!(git_in(&worktree.path, ["status", "--porcelain"]), "");
    assert!(worktree.path.join("prompt.md").exists());
}

#[tokio::test]
async fn a_tracked_file_of_that_name_stays_as_it_was() {
    let repo = Repo::new();
    repo.write("EXECUTION_CONTEXT.md", "the repository's own\n");
    repo.commit_all("Track it");
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    ours.put_context(&worktree, &[("EXECUTION_CONTEXT.md", "ours".into())]).await.unwrap();
    assert_eq!(ours.commit(&worktree, &commit_spec("x\n", &[&worktree.base])).await.unwrap(), None);
    write(&worktree.path.join("a.txt"), "a\n");
    let committed = ours.commit(&worktree, &commit_spec("x\n", &[&worktree.base])).await.unwrap().unwrap();
    assert_eq!(committed.created, ["a.txt"]);
    assert_eq!(committed.changed, [] as [&str; 0]);
    assert_eq!(repo.show(&committed.commit, "EXECUTION_CONTEXT.md"), "the repository's own");
    let closed = ours.close(&"run-1".into(), "a").await.unwrap();
    assert_eq!(closed.kept.as_deref(), Some("refs/miyabi/keep/run-1/step-1/1"));
    assert_eq!(repo.commit("refs/miyabi/keep/run-1/step-1/1"), committed.commit);
    let next = ours.open(&repo.spec("b")).await.unwrap();
    assert_eq!(git_in(&next.path, ["status", "--porcelain"]), "");
}

#[tokio::test]
async fn a_resolved_merge_has_both_parents_and_a_big_change_is_counted() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    repo.write("big.txt", "日本語の行\n".repeat(200_000));
    let theirs = repo.commit_all("Big");
    assert_eq!(ours.begin_merge(&worktree, &theirs).await.unwrap(), []);
    write(&worktree.path.join("a.txt"), "a\n");
    let spec = commit_spec("Merge\n", &[&worktree.base, &theirs]);
    let committed = ours.commit(&worktree, &spec).await.unwrap().unwrap();
    assert_eq!((committed.created.len(), committed.insertions), (2, 200_001));
    assert_eq!(repo.git(["log", "-1", "--format=%P", "feature/a"]), format!("{} {theirs}", worktree.base));
    assert_eq!(git_in(&worktree.path, ["status"]).lines().count(), 2, "no merge is in progress");
}

#[tokio::test]
async fn wrong_input_is_refused() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    write(&worktree.path.join("a.txt"), "a\n");
    let commit = async |parents: &[&str]| {
        let parents = parents.iter().map(|id| (*id).into()).collect();
        let spec = miyabi_core::worktree::CommitSpec { message: "x".into(), parents, at: at() };
        ours.commit(&worktree, &spec).await.unwrap_err().class
    };
    assert_eq!(commit(&[]).await, FailureClass::Input);
    assert_eq!(commit(&["--amend"]).await, FailureClass::Input);
    assert_eq!(commit(&["main"]).await, FailureClass::Input);
    ours.close(&"run-1".into(), "a").await.unwrap();
    let gone = ours.commit(&worktree, &commit_spec("x", &[&worktree.base])).await.unwrap_err();
    assert_eq!((gone.class, gone.message.as_str()), (FailureClass::Input, "`a` is no worktree of miyabi"));
}
