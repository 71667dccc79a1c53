//! Opening: what is there afterwards, what is repaired, what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::{Worktree, WorktreeSpec};

use crate::common::{Repo, commit_spec, files_below, git_in, try_git_in, write};

#[tokio::test]
async fn a_worktree_stands_where_the_specification_says_and_nothing_else_changes() {
    let repo = Repo::new();
    fs::write(repo.at(".git/info/exclude"), "mine").unwrap();
    let before = repo.snapshot();
    let ours = repo.worktrees();
    let spec =
        WorktreeSpec { name: "issue-500".into(), branch: "feature/issue-500".into(), ..repo.spec("x") };
    let worktree = ours.open(&spec).await.unwrap();
    let expected = Worktree {
        name: "issue-500".into(),
        path: repo.at(".worktrees/issue-500"),
        branch: "feature/issue-500".into(),
        base: repo.head(),
    };
    assert_eq!(worktree, expected);
    assert_eq!(ours.folder(), repo.at(".worktrees"));
    assert_eq!(git_in(&worktree.path, ["status", "--porcelain", "--branch"]), "## feature/issue-500");
    assert_eq!(files_below(&worktree.path, &[".git"]), files_below(repo.root(), &[".git", ".worktrees"]));
    assert_eq!(ours.list().await.unwrap(), std::slice::from_ref(&worktree));
    assert_eq!(ours.open(&spec).await.unwrap(), worktree);
    assert_eq!(
        fs::read_to_string(repo.at(".git/info/exclude")).unwrap(),
        "mine\n# >>> miyabi: kept by miyabi, change what is outside of this block\n/.worktrees/\n\
         /.miyabi/miyabi.db*\n/.miyabi/runs/\n/.miyabi/pool/\n/.miyabi/*.lock\n/.ai/\n.agent-context.json\n\
         EXECUTION_CONTEXT.md\n# <<< miyabi\n"
    );
    ours.close(&spec.run, "issue-500").await.unwrap();
    assert_eq!(ours.drain().await.unwrap(), 1);
    assert_eq!(repo.snapshot(), before);
    assert!(!repo.at(".git/worktrees").exists());
    assert!(!repo.at(".miyabi").exists());
}

#[tokio::test]
async fn the_main_checkout_is_found_from_anywhere() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    for from in [repo.at("src"), worktree.path.join("src"), worktree.path] {
        let found = miyabi_git::GitWorktrees::open(&from, miyabi_git::Options::default()).unwrap();
        assert_eq!(found.root(), repo.root(), "from {}", from.display());
        assert_eq!(found.git_dir(), repo.at(".git"));
    }
}

#[tokio::test]
async fn work_stays_when_it_is_to_be_kept_and_is_pinned_when_not() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let mut spec = repo.spec("a");
    let worktree = ours.open(&spec).await.unwrap();
    write(&worktree.path.join("src/lib.rs"), "staged\n");
    git_in(&worktree.path, ["add", "-A"]);
    write(&worktree.path.join("src/lib.rs"), "later\n");
    write(&worktree.path.join("新しい\n\"file\".txt"), "untracked\n");
    write(&worktree.path.join(".agent-context.json"), "{}");

    spec.keep_work = true;
    assert_eq!(ours.open(&spec).await.unwrap(), worktree);
    assert_eq!(fs::read_to_string(worktree.path.join("src/lib.rs")).unwrap(), "later\n");
    assert_eq!(repo.kept(), [] as [&str; 0]);

    spec.keep_work = false;
    assert_eq!(ours.open(&spec).await.unwrap(), worktree);
    assert_eq!(files_below(&worktree.path, &[".git"]), files_below(repo.root(), &[".git", ".worktrees"]));
    assert_eq!(repo.kept(), ["refs/miyabi/keep/run-1/step-1/1"]);
    let kept = "refs/miyabi/keep/run-1/step-1/1";
    assert_eq!(repo.show(kept, "src/lib.rs"), "later");
    assert_eq!(repo.show(kept, "新しい\n\"file\".txt"), "untracked");
    assert_eq!(repo.show(format!("{kept}^2"), "src/lib.rs"), "staged");
    assert_eq!(repo.commit(&format!("{kept}^1")), repo.head());
    assert!(!repo.paths(kept).contains(&".agent-context.json".to_owned()));

    // Clean at its base: there is nothing to be pinned again.
    ours.open(&spec).await.unwrap();
    assert_eq!(repo.kept().len(), 1);
}

#[tokio::test]
async fn a_worktree_moves_to_a_new_base_and_its_commits_are_pinned() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let first = repo.spec("a");
    let worktree = ours.open(&first).await.unwrap();
    write(&worktree.path.join("a.txt"), "a\n");
    let committed = ours.commit(&worktree, &commit_spec("A\n", &[&first.base])).await.unwrap().unwrap();
    repo.write("b.txt", "b\n");
    repo.commit_all("Move on");
    let second = repo.spec("a");
    let moved = ours.open(&second).await.unwrap();
    assert_eq!(moved.base, second.base);
    assert_eq!(repo.commit("feature/a"), second.base);
    assert_eq!(git_in(&moved.path, ["status", "--porcelain"]), "");
    assert!(moved.path.join("b.txt").exists() && !moved.path.join("a.txt").exists());
    assert_eq!(repo.commit("refs/miyabi/keep/run-1/step-1/1"), committed.commit);
}

#[tokio::test]
async fn a_branch_of_an_earlier_run_is_pinned_and_moved_unless_it_is_merged() {
    let repo = Repo::new();
    let base = repo.head();
    repo.git(["checkout", "-q", "-b", "feature/a"]);
    repo.write("old.txt", "old\n");
    let old = repo.commit_all("Earlier");
    repo.git(["checkout", "-q", "main"]);
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    assert_eq!(repo.commit("feature/a"), base);
    assert!(!worktree.path.join("old.txt").exists());
    assert_eq!(repo.commit("refs/miyabi/keep/run-1/step-1/1"), old);

    repo.git(["branch", "feature/b", "main~0"]);
    repo.write("new.txt", "new\n");
    repo.commit_all("Further");
    ours.open(&repo.spec("b")).await.unwrap();
    assert_eq!(repo.commit("feature/b"), repo.head());
    assert_eq!(repo.kept().len(), 1);
}

#[tokio::test]
async fn what_is_not_ours_is_refused_and_stays() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let refused = async |name: &str| {
        let failure = ours.open(&repo.spec(name)).await.unwrap_err();
        let closed = ours.close(&"run-1".into(), name).await.unwrap_err();
        assert_eq!((failure.class, closed.class), (FailureClass::Input, FailureClass::Input), "{name}");
        assert!(failure.hint.is_some());
        failure.message.replace(&repo.root().display().to_string(), "…")
    };
    write(&repo.at(".worktrees/folder/work.txt"), "mine\n");
    assert_eq!(
        refused("folder").await,
        "`…/.worktrees/folder` is in the way: a folder that miyabi did not make"
    );
    write(&repo.at(".worktrees/file"), "mine\n");
    assert_eq!(refused("file").await, "`…/.worktrees/file` is in the way: a file");
    symlink(repo.at("src"), repo.at(".worktrees/link")).unwrap();
    assert_eq!(refused("link").await, "`…/.worktrees/link` is in the way: a symbolic link");
    repo.git(["worktree", "add", "-q", "-b", "users", ".worktrees/users"]);
    assert_eq!(
        refused("users").await,
        "`…/.worktrees/users` is in the way: a worktree that miyabi did not make"
    );
    repo.git(["init", "-q", ".worktrees/other"]);
    assert_eq!(refused("other").await, "`…/.worktrees/other` is in the way: a repository of its own");
    // A copy of one of ours points at the same registration.
    let one = ours.open(&repo.spec("one")).await.unwrap();
    fs::create_dir(repo.at(".worktrees/copy")).unwrap();
    fs::copy(one.path.join(".git"), repo.at(".worktrees/copy/.git")).unwrap();
    assert_eq!(refused("copy").await, "`…/.worktrees/copy` is in the way: a copy of another worktree");
    for file in ["folder/work.txt", "file", "link/lib.rs", "users/README.md", "other/.git/HEAD", "copy/.git"]
    {
        assert!(repo.at(".worktrees").join(file).exists(), "{file}");
    }
    assert_eq!(ours.list().await.unwrap(), [one]);
}

#[tokio::test]
async fn a_worktrees_folder_that_leads_elsewhere_is_refused() {
    let repo = Repo::new();
    fs::create_dir(repo.at("elsewhere")).unwrap();
    symlink(repo.at("elsewhere"), repo.at(".worktrees")).unwrap();
    let failure = repo.worktrees().open(&repo.spec("a")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input);
    assert_eq!(fs::read_dir(repo.at("elsewhere")).unwrap().count(), 0);
    fs::remove_file(repo.at(".worktrees")).unwrap();
    fs::write(repo.at(".worktrees"), "a file").unwrap();
    assert_eq!(repo.worktrees().open(&repo.spec("a")).await.unwrap_err().class, FailureClass::Input);
    assert_eq!(fs::read_to_string(repo.at(".worktrees")).unwrap(), "a file");
}

#[tokio::test]
async fn names_and_commits_that_cannot_be_are_refused_before_anything_happens() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let good = repo.spec("a");
    let bad = [
        WorktreeSpec { name: "../x".into(), ..good.clone() },
        WorktreeSpec { name: "$(touch x)".into(), ..good.clone() },
        WorktreeSpec { branch: "--force".into(), ..good.clone() },
        WorktreeSpec { branch: "a..b".into(), ..good.clone() },
        WorktreeSpec { base: "HEAD".into(), ..good.clone() },
        WorktreeSpec { base: "--detach".into(), ..good.clone() },
        WorktreeSpec { base: "0".repeat(40).into(), ..good.clone() },
        WorktreeSpec { base: "1".repeat(40).into(), ..good.clone() },
    ];
    for spec in bad {
        let failure = ours.open(&spec).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Input, "{spec:?}: {failure}");
        assert_eq!(ours.list().await.unwrap(), []);
    }
    assert!(!repo.at(".git/worktrees").exists());
    assert_eq!(repo.branches(), ["main"]);
}

#[tokio::test]
async fn clashing_and_busy_branches_are_named() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    repo.git(["branch", "feature"]);
    let clash = ours.open(&repo.spec("a")).await.unwrap_err();
    assert_eq!(
        (clash.class, clash.message.as_str()),
        (FailureClass::Input, "the branch `feature/a` cannot exist beside `feature`")
    );
    repo.git(["branch", "-m", "feature", "feature/a/deep"]);
    let clash = ours.open(&repo.spec("a")).await.unwrap_err();
    assert_eq!(clash.message, "the branch `feature/a` cannot exist beside `feature/a/deep`");
    repo.git(["checkout", "-q", "-b", "feature/b"]);
    let busy = ours.open(&repo.spec("b")).await.unwrap_err();
    assert_eq!(busy.class, FailureClass::Input);
    assert_eq!(busy.message, format!("the branch `feature/b` is checked out at `{}`", repo.root().display()));
    assert!(!repo.at(".git/worktrees").exists(), "nothing half-made is left");
    assert_eq!(fs::read_dir(repo.at(".worktrees")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_a_killed_process_leaves_is_repaired() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let clean = || "## feature/a".to_owned();
    let status = || git_in(&repo.at(".worktrees/a"), ["status", "--porcelain", "--branch"]);

    // Registered, not populated, not yet unlocked.
    let reason = "miyabi opens it";
    let path = repo.at(".worktrees/a");
    let add = ["worktree", "add", "-q", "--no-checkout", "--detach", "--lock", "--reason", reason];
    git_in(repo.root(), [&add[..], &[path.to_str().unwrap()]].concat());
    write(&path.join("half.txt"), "of a broken population\n");
    ours.open(&repo.spec("a")).await.unwrap();
    assert_eq!(status(), clean());

    // The folder is gone; what was staged and committed in it is not.
    write(&path.join("staged.txt"), "staged\n");
    git_in(&path, ["add", "-A"]);
    fs::remove_dir_all(&path).unwrap();
    ours.open(&repo.spec("a")).await.unwrap();
    assert_eq!(status(), clean());
    assert_eq!(repo.show("refs/miyabi/keep/run-1/step-1/1", "staged.txt"), "staged");

    // The folder has lost its `.git`.
    fs::remove_file(path.join(".git")).unwrap();
    write(&path.join("work.txt"), "work\n");
    ours.open(&repo.spec("a")).await.unwrap();
    assert_eq!(status(), clean());
    assert_eq!(repo.show("refs/miyabi/keep/run-1/step-1/2", "work.txt"), "work");

    // Git was killed while it held the index.
    let lock = repo.at(".git/worktrees/a/index.lock");
    fs::write(&lock, "").unwrap();
    fs::File::open(&lock).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    ours.open(&repo.spec("a")).await.unwrap();
    assert_eq!(status(), clean());

    // Registration ended before git had written where the worktree is; removal ended before the folders were gone.
    fs::create_dir_all(repo.at(".git/worktrees/begun")).unwrap();
    fs::write(repo.at(".git/worktrees/begun/locked"), reason).unwrap();
    write(&repo.at(".worktrees/.trash-1-1-1/x"), "x");
    write(&repo.at(".git/miyabi/trash-1/x"), "x");
    let next = repo.worktrees();
    next.open(&repo.spec("b")).await.unwrap();
    assert!(!repo.at(".git/worktrees/begun").exists());
    assert!(!repo.at(".worktrees/.trash-1-1-1").exists());
    assert!(!repo.at(".git/miyabi/trash-1").exists());

    // An empty folder is no obstacle.
    fs::create_dir(repo.at(".worktrees/c")).unwrap();
    next.open(&repo.spec("c")).await.unwrap();
    assert_eq!(next.list().await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_unfinished_merge_or_rebase_does_not_stop_a_reset() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    write(&worktree.path.join("src/lib.rs"), "ours\n");
    git_in(&worktree.path, ["commit", "-qam", "ours"]);
    repo.write("src/lib.rs", "theirs\n");
    repo.commit_all("theirs");
    assert!(!try_git_in(&worktree.path, ["rebase", "main"]).0);
    let again = ours.open(&repo.spec("a")).await.unwrap();
    assert_eq!(git_in(&again.path, ["status", "--porcelain", "--branch"]), "## feature/a");
    assert!(!repo.at(".git/worktrees/a/rebase-merge").exists());
    assert_eq!(
        repo.git(["log", "--format=%s", "-1", "refs/miyabi/keep/run-1/step-1/1"]),
        "Keep what stood in a"
    );
    let all = repo.git(["log", "--format=%s", "--glob=refs/miyabi/keep"]);
    assert!(all.contains("ours"), "{all}");
}

#[tokio::test]
async fn a_repository_inside_is_named_and_neither_committed_nor_removed() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let spec = repo.spec("a");
    let worktree = ours.open(&spec).await.unwrap();
    for with_commit in [false, true] {
        let nested = worktree.path.join("vendor/内側");
        fs::create_dir_all(&nested).unwrap();
        git_in(&nested, ["init", "-q"]);
        write(&nested.join("x.txt"), "x\n");
        if with_commit {
            git_in(
                &nested,
                ["-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-m", "x"],
            );
        }
        let failure = ours.commit(&worktree, &commit_spec("x\n", &[&spec.base])).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::AgentFailed);
        assert_eq!(failure.evidence, serde_json::json!({ "nested_repositories": ["vendor/内側"] }));
        assert_eq!(ours.open(&spec).await.unwrap_err().class, FailureClass::Input);
        assert_eq!(ours.close(&spec.run, "a").await.unwrap_err().class, FailureClass::Input);
        assert!(nested.join("x.txt").exists());
        assert_eq!(repo.commit("feature/a"), spec.base);
    }
    // Once the inner repository is gone, its files belong to the task.
    fs::remove_dir_all(worktree.path.join("vendor/内側/.git")).unwrap();
    let committed = ours.commit(&worktree, &commit_spec("x\n", &[&spec.base])).await.unwrap().unwrap();
    assert_eq!(committed.created, ["vendor/内側/x.txt"]);
}

#[tokio::test]
async fn files_for_the_agent_are_put_in_and_links_are_not_followed() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    let files = [(".agent-context.json", "{}".to_owned()), ("EXECUTION_CONTEXT.md", "# 実行\n".to_owned())];
    ours.put_context(&worktree, &files).await.unwrap();
    ours.put_context(&worktree, &files).await.unwrap();
    let path = worktree.path.join("EXECUTION_CONTEXT.md");
    assert_eq!(fs::read_to_string(&path).unwrap(), "# 実行\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(git_in(&worktree.path, ["status", "--porcelain"]), "");
    // A further file is excluded as well.
    ours.put_context(&worktree, &[("prompt.md", "x".to_owned())]).await.unwrap();
    assert_eq!(git_in(&worktree.path, ["status", "--porcelain"]), "");

    let victim = repo.at("victim");
    fs::write(&victim, "safe").unwrap();
    fs::remove_file(&path).unwrap();
    symlink(&victim, &path).unwrap();
    let failure = ours.put_context(&worktree, &files).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input);
    // Nor is another name of the same file written through.
    fs::remove_file(&path).unwrap();
    fs::hard_link(&victim, &path).unwrap();
    ours.put_context(&worktree, &files).await.unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "safe");
    for name in ["../x", ".git", "a/b", "", ".gitignore"] {
        let failure = ours.put_context(&worktree, &[(name, "x".to_owned())]).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Input, "{name}");
    }
    let stranger = Worktree { path: repo.root().to_owned(), ..worktree };
    assert_eq!(ours.put_context(&stranger, &files).await.unwrap_err().class, FailureClass::Input);
}
