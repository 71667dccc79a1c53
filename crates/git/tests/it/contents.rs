//! What is in commits, without a checkout.

use miyabi_core::evidence::{Lines, sha256};
use miyabi_core::ports::Contents;

use crate::common::Repo;

#[tokio::test]
async fn files_lines_and_ancestors_of_a_commit() {
    let repo = Repo::new();
    let first = repo.head();
    repo.write("src/lib.rs", "一\ntwo\nthree");
    std::os::unix::fs::symlink("lib.rs", repo.at("src/link.rs")).unwrap();
    let second = repo.commit_all("Change");
    // What is in the checkout and in no commit is not looked at.
    repo.write("src/lib.rs", "other\n");
    let ours = repo.worktrees();
    assert_eq!(ours.ancestors(&second, 500).await.unwrap(), [second.clone(), first.clone()]);
    assert_eq!(ours.ancestors(&second, 1).await.unwrap(), std::slice::from_ref(&second));
    assert!(ours.ancestors(&"0".repeat(40).into(), 5).await.is_err());

    let files = ours.files(&second).await.unwrap();
    let names: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.is_regular)).collect();
    assert_eq!(
        names,
        [
            ("README.md", true),
            ("docs/日本語 「説明」.md", true),
            ("src/lib.rs", true),
            ("src/link.rs", false)
        ]
    );
    let blob = |path: &str| files.iter().find(|file| file.path == path).unwrap().blob.clone();
    let lines = |start, end| Lines { start, end };
    let (lib, readme, none) = (blob("src/lib.rs"), blob("README.md"), "1".repeat(40));
    let wanted = [
        (lib.clone(), lines(2, 3)),
        (none.clone(), lines(1, 1)),
        (readme.clone(), lines(1, 1)),
        (lib.clone(), lines(1, 1)),
        (lib.clone(), lines(3, 4)),
    ];
    let expected = [
        Some(sha256(b"two\nthree")),
        None,
        Some(sha256(b"# Crate\n")),
        Some(sha256("一\n".as_bytes())),
        None,
    ];
    assert_eq!(ours.digests(&wanted).await.unwrap(), expected);
    let contents = ours.contents(&[readme, none, lib.clone()], 10).await.unwrap();
    assert_eq!(contents, [Some(b"# Crate\n".to_vec()), None, None]);
    assert_eq!(ours.contents(&[lib], 100).await.unwrap(), [Some("一\ntwo\nthree".as_bytes().to_vec())]);
    assert!(ours.digests(&[("x; rm -rf".to_owned(), lines(1, 1))]).await.is_err());
    assert_eq!(ours.digests(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn thousands_of_files_pass_by_while_they_are_asked_for() {
    let repo = Repo::new();
    for n in 0..3_000 {
        repo.write(&format!("many/{}/{n}.txt", n % 50), format!("line {n}\n").repeat(30));
    }
    let commit = repo.commit_all("Many");
    let ours = repo.worktrees();
    let files = ours.files(&commit).await.unwrap();
    let many: Vec<_> = files.iter().filter(|file| file.path.starts_with("many/")).collect();
    let wanted: Vec<_> = many.iter().map(|file| (file.blob.clone(), Lines { start: 30, end: 30 })).collect();
    let digests = ours.digests(&wanted).await.unwrap();
    for (file, digest) in many.iter().zip(digests) {
        let name = file.path.rsplit('/').next().unwrap();
        let n = name.strip_suffix(".txt").unwrap();
        assert_eq!(digest, Some(sha256(format!("line {n}\n").as_bytes())), "{name}");
    }
    assert_eq!(many.len(), 3_000);
}
