//! A merge left in a worktree for an agent or a person.

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::Worktrees;

use crate::common::{Repo, commit_spec, git_in, write};

#[tokio::test]
async fn both_sides_stand_in_the_file_and_a_second_begin_keeps_what_was_resolved() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    write(&worktree.path.join("docs/日本語 「説明」.md"), "こちら\n");
    let mine =
        ours.commit(&worktree, &commit_spec("mine\n", &[&worktree.base])).await.unwrap().unwrap().commit;
    repo.write("docs/日本語 「説明」.md", "あちら\n");
    repo.write("fits.txt", "x\n");
    let theirs = repo.commit_all("theirs");
    let files = ours.begin_merge(&worktree, &theirs).await.unwrap();
    let names: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(names, ["docs/日本語 「説明」.md"]);
    assert_eq!(
        files[0].text.as_deref(),
        Some(format!("<<<<<<< {mine}\nこちら\n=======\nあちら\n>>>>>>> {theirs}\n").as_str())
    );
    assert!(worktree.path.join("fits.txt").exists());
    let left = async || ours.markers_left(&worktree, &names).await.unwrap();
    let marks = [1, 3, 5].map(|line| format!("docs/日本語 「説明」.md:{line}"));
    assert_eq!(left().await, marks);
    write(&worktree.path.join("docs/日本語 「説明」.md"), "両方\n");
    assert_eq!(ours.begin_merge(&worktree, &theirs).await.unwrap(), files);
    assert_eq!(left().await, [] as [&str; 0]);
    let spec = commit_spec("Resolve\n", &[&mine, &theirs]);
    let committed = ours.commit(&worktree, &spec).await.unwrap().unwrap();
    assert_eq!(committed.created, ["fits.txt"]);
    assert_eq!(committed.changed, names);
    assert_eq!(git_in(&worktree.path, ["status", "--porcelain", "--branch"]), "## feature/a");
    // Already in: nothing is begun.
    assert_eq!(ours.begin_merge(&worktree, &theirs).await.unwrap(), []);
}

#[tokio::test]
async fn a_merge_over_uncommitted_work_is_refused_and_the_work_stays() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    repo.write("src/lib.rs", "theirs\n");
    let theirs = repo.commit_all("theirs");
    write(&worktree.path.join("src/lib.rs"), "uncommitted\n");
    let failure = ours.begin_merge(&worktree, &theirs).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::DirtyCheckout);
    assert_eq!(std::fs::read_to_string(worktree.path.join("src/lib.rs")).unwrap(), "uncommitted\n");
    let failure = ours.begin_merge(&worktree, &"1".repeat(40).into()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input);
}

#[tokio::test]
async fn markers_are_looked_for_inside_the_worktree_only() {
    let repo = Repo::new();
    let ours = repo.worktrees();
    let worktree = ours.open(&repo.spec("a")).await.unwrap();
    let look = async |file: &str| ours.markers_left(&worktree, &[file.to_owned()]).await;
    assert_eq!(look("gone.txt").await.unwrap(), [] as [&str; 0]);
    std::os::unix::fs::symlink("/", worktree.path.join("root")).unwrap();
    assert_eq!(look("root").await.unwrap(), [] as [&str; 0]);
    for bad in ["../../README.md", "/etc/passwd", "root/etc/passwd"] {
        assert_eq!(look(bad).await.unwrap_err().class, FailureClass::Input, "{bad}");
    }
}
