//! Recorded answers of git 2.47 and what is read from them.

use super::*;

const A: &str = "ee6df6514c641ba2a940b00952da6e4c7c2253fb";
const B: &str = "2acad0ac92ef471a9e3d47c989e23ce837792a38";

/// Recordings are written with `@` for NUL.
fn nul(text: &str) -> Vec<u8> {
    text.replace('@', "\0").into_bytes()
}

#[test]
fn versions() {
    assert_eq!(version("git version 2.47.3"), Some((2, 47)));
    assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
    assert_eq!(version("git version 2.38-rc1"), Some((2, 38)));
    assert_eq!(version("git version 2.50.GIT"), Some((2, 50)));
    assert_eq!(version("hub version 2"), None);
    assert_eq!(version(""), None);
}

#[test]
fn worktree_lists() {
    let output = nul(&format!(
        "worktree /r@HEAD {A}@branch refs/heads/main@@worktree /r/日 本@HEAD {A}@detached@locked a\nb@@"
    ));
    let at = |path: &str, branch: Option<&str>| Listed {
        path: path.into(),
        branch: branch.map(str::to_owned),
        bare: false,
    };
    assert_eq!(worktrees(&output), [at("/r", Some("main")), at("/r/日 本", None)]);
    assert_eq!(worktrees(b"worktree /b\0bare\0\0"), [Listed { bare: true, ..at("/b", None) }]);
    assert_eq!(worktrees(b""), []);
}

#[test]
fn statuses() {
    let output = nul(&format!(
        "# branch.oid {A}@# branch.head feature/日本@1 .M N... 100644 100644 100644 {A} {A} a b@\
         1 MM N... 100644 100644 100644 {A} {B} c@1 A. N... 000000 100644 100644 {A} {B} d@\
         1 .M S.MU 160000 160000 160000 {A} {A} sub@\
         2 R. N... 100644 100644 100644 {A} {A} R100 new name@old name@\
         u UU N... 100644 100644 100644 100644 {A} {A} {B} both\nsides@? -x/@! target/@"
    ));
    let entry = |kind, path: &str| Entry { kind, path: path.as_bytes().to_vec() };
    let tracked = |staged, unstaged, submodule| EntryKind::Tracked { staged, unstaged, submodule };
    let expected = Status {
        head: Some(CommitId::from(A)),
        branch: Some("feature/日本".to_owned()),
        entries: vec![
            entry(tracked(false, true, false), "a b"),
            entry(tracked(true, true, false), "c"),
            entry(tracked(true, false, false), "d"),
            entry(tracked(false, true, true), "sub"),
            entry(tracked(true, false, false), "new name"),
            entry(EntryKind::Unmerged, "both\nsides"),
            entry(EntryKind::Untracked, "-x/"),
            entry(EntryKind::Ignored, "target/"),
        ],
    };
    assert_eq!(status(&output), Some(expected));
    assert_eq!(
        status(b"# branch.oid (initial)\0# branch.head (detached)\0").expect("it can be done here"),
        Status::default()
    );
    assert!(!status(b"! target/\0").expect("it can be done here").is_dirty());
    for broken in [&b"fatal: x\0"[..], b"1 M\0", b"1 .M N... 100644\0", b"x y\0"] {
        assert_eq!(status(broken), None, "{}", String::from_utf8_lossy(broken));
    }
}

#[test]
fn changes_and_their_figures() {
    let zero = "0".repeat(40);
    let output = nul(&format!(
        ":100644 100755 {A} {A} M@a@:100644 000000 {A} {zero} D@bin@:000000 120000 {zero} {B} A@l@\
         :000000 100644 {zero} {B} A@q\"\n日本@:000000 160000 {zero} {B} A@vendor/x@\
         3\t1\ta@-\t-\tbin@1\t0\tl@12\t0\tq\"\n日本@1\t0\tvendor/x@"
    ));
    let changes = changes(&output).expect("it can be done here");
    let nested: Vec<_> =
        changes.iter().filter(|change| change.is_new_repository()).map(|c| &c.path).collect();
    assert_eq!(nested, ["vendor/x"]);
    assert_eq!(
        figures(A.into(), B.into(), changes),
        Committed {
            commit: A.into(),
            tree: B.into(),
            created: vec!["l".into(), "q\"\n日本".into(), "vendor/x".into()],
            changed: vec!["a".into()],
            deleted: vec!["bin".into()],
            insertions: 17,
            deletions: 1,
        }
    );
    assert_eq!(super::changes(b"").expect("it can be done here"), []);
    assert_eq!(super::changes(b"1\t2\tx\0"), None);
    assert_eq!(super::changes(b":x\0y\0"), None);
}

#[test]
fn conflicts() {
    let output = nul(&format!(
        "{B}@100644 {A} 1\ta@100644 {A} 2\ta@100644 {B} 3\ta@100644 {A} 1\tbin@100644 {A} 2\tbin@\
         100644 {B} 2\tまた\n@@1@a@Auto-merging@Auto-merging a\n@1@a@CONFLICT (contents)@CONFLICT (content): x\n@\
         1@bin@CONFLICT (binary)@warning: y\n@1@bin@CONFLICT (contents)@CONFLICT: z\n@"
    ));
    assert_eq!(
        conflict(&output),
        Some(Predicted {
            tree: B.into(),
            files: vec![
                ("a".into(), "CONFLICT (contents)".into()),
                ("bin".into(), "CONFLICT (binary)".into()),
                ("また\n".into(), "CONFLICT".into()),
            ],
        })
    );
    assert_eq!(conflict(&nul(&format!("{B}@no tab@"))), None);
    assert_eq!(conflict(b""), None);
    assert_eq!(conflict(b"merge-tree: x - not something we can merge"), None);
}
