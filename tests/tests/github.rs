//! The issue flow on GitHub: a stand-in of its API that we did not write, with real git over real HTTP.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_tests::github::{ALICE, GitHub, is_here_or_say};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
/// Without a tool for coverage 80 points are enough; nobody waits for a CI that is not there.
const SETTINGS: &str = "[policy]\nmerge_from = 80\nci_grace_secs = 0\nci_poll_secs = 1\n";
const PLAYBOOK: &str = r#"
task-1:
  - write: { path: notes/right.md, content: "右\n" }
"#;

fn playbook(github: &GitHub, text: &str) -> String {
    let path = github.env.root().join("playbook.yaml");
    std::fs::write(&path, text).unwrap();
    format!("scripted:{}", path.display())
}

/// From an issue on GitHub to its end there; the same whoever miyabi is.
fn whole_flow(github: &GitHub, us: &str) {
    let issue = github.file(ALICE, "Write the right note 認証", "- [ ] Write the right note `$(id)`\n");
    let agent = playbook(github, PLAYBOOK);
    let before = github.env.git(&["rev-parse", "HEAD"]);
    let ran = github.env.miyabi(["run", "issue", &issue.to_string(), "--agent", &agent]).expect(0);
    assert!(ran.stdout.contains("done in"), "{}", ran.stdout);

    let issue_now = github.of_repo(ALICE, "GET", &format!("/issues/{issue}"), None);
    assert_eq!(issue_now["state"], "closed");
    let labels = github.labels(issue);
    assert!(labels.contains(&"state:done".to_owned()), "{labels:?}");
    assert_eq!(labels.iter().filter(|label| label.starts_with("state:")).count(), 1);

    let comments = github.comments(issue);
    let bodies: Vec<_> = comments.iter().map(|(_, body)| body.as_str()).collect();
    for start in ["## Status", "## Plan for Issue", "## Quality Report", "Change #", "## Run 1"] {
        assert_eq!(bodies.iter().filter(|body| body.starts_with(start)).count(), 1, "{start}: {bodies:#?}");
    }
    assert!(comments.iter().all(|(author, _)| author == us), "{comments:#?}");

    let change = github.of_repo(ALICE, "GET", "/pulls?state=all", None)[0].clone();
    assert!(!change["merged_at"].is_null(), "{change}");
    assert_eq!(change["head"]["ref"], format!("feature/issue-{issue}"));
    assert_eq!(change["title"], format!("feat: Write the right note 認証 (#{issue})"));
    let labels = github.labels(change["number"].as_u64().unwrap());
    assert!(labels.contains(&"ready-to-merge".to_owned()), "{labels:?}");
    assert_eq!(github.branches(), ["main"]);

    // The clone is as it was, but for what git fetched; a pull brings the work.
    assert_eq!(github.env.git(&["rev-parse", "HEAD"]), before);
    assert_eq!(github.env.git(&["status", "--porcelain"]), "");
    assert_eq!(github.env.git(&["branch", "--format=%(refname:short)"]), "main");
    assert_eq!(github.env.worktrees(), [] as [&str; 0]);
    github.env.git(&[
        "-c",
        "credential.helper=!f() { echo username=x; echo password=tok_alice; }; f",
        "pull",
        "--quiet",
    ]);
    assert_eq!(github.env.read("notes/right.md"), "右\n");
    let log = github.env.miyabi(["log", "1"]).expect(0);
    assert!(!format!("{}{}", log.stdout, ran.stderr).contains("tok_"), "no token is shown");
}

#[test]
fn an_issue_becomes_a_merged_change_with_a_token() {
    if is_here_or_say() {
        whole_flow(&GitHub::start(PROGRAM, "", SETTINGS).with_token(), "miyabi-bot");
    }
}

#[test]
fn an_issue_becomes_a_merged_change_as_an_app() {
    if is_here_or_say() {
        whole_flow(&GitHub::start(PROGRAM, "", SETTINGS).with_app(), "miyabi[bot]");
    }
}
