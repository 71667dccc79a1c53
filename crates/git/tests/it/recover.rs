//! What was pinned is found again, comes back as a branch, and is let go only as it was seen.

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::{Keepsakes, Worktrees};
use miyabi_core::worktree::KeptFile;

use crate::common::{Repo, commit_file, write};

#[tokio::test]
async fn uncommitted_work_of_a_removed_worktree_comes_back_as_a_branch() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    assert_eq!(ours.kept().await.unwrap(), []);
    let worktree = ours.open(&repo.spec("task")).await.unwrap();
    commit_file(&ours, &worktree, "a.txt", "committed\n").await;
    write(&worktree.path.join("a.txt"), "edited\nby an agent\n");
    write(&worktree.path.join("未追跡"), "untracked\n");
    ours.close(&"run-9".into(), "task").await.unwrap();

    let kept = ours.kept().await.unwrap();
    let [one] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!((one.run.as_str(), one.step.as_str(), &one.held_by), ("run-9", "step-1", &None));
    let files = ours.files(one).await.unwrap();
    let file = |path: &str, insertions, deletions| KeptFile { path: path.to_owned(), insertions, deletions };
    assert_eq!(files, [file("a.txt", 2, 1), file("未追跡", 1, 0)]);

    for wrong in ["main", "-x", "a..b", ""] {
        let failure = ours.restore(one, wrong).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Input, "{wrong}: {failure:?}");
    }
    ours.restore(one, "miyabi/found").await.unwrap();
    assert_eq!(repo.show("miyabi/found", "未追跡"), "untracked");
    let again = ours.kept().await.unwrap();
    assert_eq!(again[0].held_by.as_deref(), Some("miyabi/found"));

    let mut moved = again[0].clone();
    moved.commit = repo.head();
    assert_eq!(ours.forget(&[moved]).await.unwrap(), 0, "what is not as it was seen stays");
    assert_eq!(ours.forget(&again).await.unwrap(), 1);
    assert_eq!(ours.kept().await.unwrap(), []);
    assert_eq!(repo.show("miyabi/found", "a.txt"), "edited\nby an agent");
}
