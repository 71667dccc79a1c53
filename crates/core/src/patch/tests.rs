//! What models write, and what becomes of it.

use proptest::prelude::*;

use super::*;

const DIFF: &str = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+一\n";

#[test]
fn a_diff_is_found_however_it_is_wrapped() {
    let patch = || Reply::Patch(DIFF.to_owned());
    assert_eq!(read_reply(DIFF), patch());
    assert_eq!(read_reply(&format!("Here it is.\n\n```diff\n{DIFF}```\nDone.")), patch());
    assert_eq!(read_reply(&format!("```\n{DIFF}```")), patch());
    assert_eq!(read_reply(&format!("````patch\n{DIFF}````\n")), patch());
    assert_eq!(read_reply(&format!("```diff\n{DIFF}")), patch(), "the last fence is missing");
    let json = serde_json::json!({ "summary": "s", "diff": DIFF }).to_string();
    assert_eq!(read_reply(&json), patch());
    assert_eq!(read_reply(&format!("So:\n```json\n{json}\n```\n")), patch());
}

#[test]
fn fences_in_a_diff_end_nothing() {
    let diff = "--- a/r.md\n+++ b/r.md\n@@ -1 +1,3 @@\n 雅\n+```sh\n+```\n";
    assert_eq!(read_reply(&format!("```diff\n{diff}```\n")), Reply::Patch(diff.to_owned()));
}

#[test]
fn a_model_may_ask_for_files_or_only_talk() {
    assert_eq!(
        read_reply(r#"{"need": ["src/a.rs", "雅.md"]}"#),
        Reply::Need(vec!["src/a.rs".into(), "雅.md".into()])
    );
    for words in ["", "Nothing is to be done.", "{}", r#"{"diff": ""}"#, "```sh\nls\n```", "--- a rule"] {
        assert_eq!(read_reply(words), Reply::Words, "{words}");
    }
}

#[test]
fn what_git_needs_is_added() {
    let written = "--- f\t2026-01-01\n+++ f\n@@ -1 +1 @@\n-1\n+2\n--- /dev/null\n+++ new/雅.txt\n@@ -0,0 +1 @@\n+x\n\
                   --- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n--- was a list\n";
    insta::assert_snapshot!(normalize(written), @r"
    diff --git a/f b/f
    --- a/f
    +++ b/f
    @@ -1 +1 @@
    -1
    +2
    diff --git a/new/雅.txt b/new/雅.txt
    new file mode 100644
    --- /dev/null
    +++ b/new/雅.txt
    @@ -0,0 +1 @@
    +x
    diff --git a/old b/old
    deleted file mode 100644
    --- a/old
    +++ /dev/null
    @@ -1 +0,0 @@
    --- was a list
    ");
}

#[test]
fn what_git_wrote_stays() {
    let whole = "diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n\
                 diff --git a/n b/n\nnew file mode 100755\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n";
    assert_eq!(normalize(whole), whole);
    let last_line_open = whole.trim_end();
    assert_eq!(normalize(last_line_open), whole);
}

#[test]
fn what_no_patch_may_do() {
    let of = |paths: &[&str], ci: bool| {
        let files: Vec<_> = paths
            .iter()
            .map(|path| PatchedFile { path: (*path).to_owned(), is_binary: *path == "a.png" })
            .collect();
        refusals(10, &files, &PatchRules { ci, ..PatchRules::default() })
    };
    assert_eq!(of(&["src/雅.rs", "docs/.github/workflows.md", "git/x", ".gitignore"], false), [""; 0]);
    let bad = ["../x", "/etc/passwd", "a/../../x", ".git/config", "sub/.GIT/hooks/x", "a.png", r"..\x"];
    assert_eq!(of(&bad, true).len(), bad.len(), "{:?}", of(&bad, true));
    let ci = [".github/workflows/ci.yml", ".gitlab-ci.yml", "Jenkinsfile", ".GitHub/Workflows/x.yml"];
    assert_eq!(of(&ci, false).len(), ci.len());
    assert_eq!(of(&ci, true), [""; 0]);
    let long = PatchRules::default().longest;
    assert_eq!(refusals(long, &[], &PatchRules::default()), [""; 0]);
    assert_eq!(refusals(long + 1, &[], &PatchRules::default()).len(), 1);
}

#[test]
fn conflicts_are_told_by_hunk() {
    let said = "Checking patch f...\nerror: while searching for:\n10\neleventy\n12\n\nerror: patch failed: f:10\n\
                error: while searching for:\n\nerror: patch failed: g:1\nerror: h: already exists in working directory\n";
    assert_eq!(
        conflicts(said),
        [
            "f:10: these lines are not there as the hunk has them:\n10\neleventy\n12",
            "g:1: the hunk does not fit",
            "h: already exists in working directory",
        ]
    );
}

proptest! {
    #[test]
    fn nothing_that_a_model_says_ends_us(text in "(```(diff|json)?\n|--- (a/)?[a-z雅]{1,3}\n|\\+\\+\\+ b/x\n|@@ -1 \\+1 @@\n|[-+ ]\\PC{0,5}\n|\\PC{0,9}|\\{\"diff\":){0,12}") {
        if let Reply::Patch(diff) = read_reply(&text) {
            let once = normalize(&diff);
            prop_assert_eq!(normalize(&once), once.clone());
        }
        conflicts(&text);
    }
}
