//! The issue flow on GitHub: a stand-in of its API that we did not write, with real git over real HTTP.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_tests::env::run;
use miyabi_tests::github::{ALICE, GitHub, is_here_or_say};
use miyabi_tests::seen::seen;
use serde_json::{Value, json};

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
        whole_flow(&GitHub::start(PROGRAM, SETTINGS).with_token(), "miyabi-bot");
    }
}

#[test]
fn an_issue_becomes_a_merged_change_as_an_app() {
    if is_here_or_say() {
        whole_flow(&GitHub::start(PROGRAM, SETTINGS).with_app(), "miyabi[bot]");
    }
}

#[test]
fn every_request_is_as_github_describes_it() {
    if !is_here_or_say() {
        return;
    }
    let github = GitHub::checked(PROGRAM, SETTINGS).with_token();
    github.env.miyabi(["labels", "sync"]).expect(0);
    whole_flow(&github, "miyabi-bot");
    let (found, writes) = github.violations();
    assert_eq!(found, [] as [Value; 0]);
    assert!(writes > 20, "{writes}");
    // The check can fail.
    github.ask(ALICE, "POST", "/repos/alice/shop/issues/1/labels", Some(&json!({ "labels": 7 })));
    assert_ne!(github.violations().0, [] as [Value; 0]);
}

/// Writes of a whole run, each of a kind of its own.
const DISTURBED: [(&str, &str); 7] = [
    ("POST", "/issues/\\d+/comments$"),
    ("PATCH", "/issues/comments/\\d+$"),
    ("POST", "/issues/\\d+/labels$"),
    ("DELETE", "/issues/\\d+/labels/"),
    ("POST", "/pulls$"),
    ("PUT", "/pulls/\\d+/merge$"),
    ("PATCH", "/issues/\\d+$"),
];

/// Carries one issue to its end while each of these writes is disturbed once; what is there afterwards.
fn disturbed(kind: Option<&str>, as_app: bool) -> Value {
    let github = GitHub::start(PROGRAM, SETTINGS);
    let github = if as_app { github.with_app() } else { github.with_token() };
    let issue = github.file(ALICE, "Write the right note", "- [ ] Write the right note\n");
    let faults: Vec<_> = kind
        .into_iter()
        .flat_map(|kind| {
            DISTURBED.map(|(method, path)| json!({ "method": method, "path": path, "kind": kind }))
        })
        .collect();
    github.ask(ALICE, "POST", "/_faults", Some(&json!(faults)));
    let agent = playbook(&github, PLAYBOOK);
    github.env.miyabi(["run", "issue", &issue.to_string(), "--agent", &agent]).expect(0);
    let (_, left) = github.ask(ALICE, "GET", "/_requests", None);
    assert_eq!(left["faults"], json!([]), "every write was disturbed");
    seen(&github, issue)
}

/// The final state equals that of a run which nothing disturbed.
fn changes_nothing(kind: &str, as_app: bool) {
    if is_here_or_say() {
        let undisturbed = disturbed(None, as_app);
        assert_eq!(undisturbed["comments"].as_array().map(Vec::len), Some(5));
        assert_eq!(disturbed(Some(kind), as_app), undisturbed);
    }
}

#[test]
fn answers_lost_after_the_effect_change_nothing() {
    changes_nothing("lost", false);
}

#[test]
fn server_errors_change_nothing() {
    changes_nothing("500", false);
}

#[test]
fn gateway_errors_change_nothing() {
    changes_nothing("502", false);
}

#[test]
fn connections_that_are_reset_change_nothing() {
    changes_nothing("reset", false);
}

#[test]
fn a_secondary_rate_limit_changes_nothing() {
    changes_nothing("secondary", false);
}

#[test]
fn answers_that_take_their_time_change_nothing() {
    changes_nothing("slow", false);
}

#[test]
fn a_token_of_an_app_that_ends_before_its_time_changes_nothing() {
    changes_nothing("401", true);
}

#[test]
fn credentials_that_are_refused_are_told_and_nothing_is_begun() {
    if !is_here_or_say() {
        return;
    }
    let mut github = GitHub::start(PROGRAM, SETTINGS);
    github.env.set("MIYABI_GITHUB_TOKEN", "tok_of_nobody");
    // The stand-in lets anybody in; GitHub does not.
    let refused = json!({ "method": "GET", "path": "^/user$", "kind": "401" });
    github.ask(ALICE, "POST", "/_faults", Some(&json!([refused, refused])));
    let issue = github.file(ALICE, "Write the right note", "");
    let ran = github.env.miyabi(["run", "issue", &issue.to_string(), "--agent", "command:true"]).expect(1);
    assert!(
        ran.stderr.contains("MIYABI_GITHUB_TOKEN") && !ran.stderr.contains("tok_of_nobody"),
        "{}",
        ran.stderr
    );
    let ran = github.env.miyabi(["issue", "new", "--title", "x"]).expect(1);
    assert!(ran.stderr.contains("live on GitHub"), "{}", ran.stderr);
}

#[test]
fn an_issue_is_carried_out_without_a_checkout() {
    if !is_here_or_say() {
        return;
    }
    let github = GitHub::start(PROGRAM, SETTINGS).with_token();
    let issue = github.file(ALICE, "Write the right note", "- [ ] Write the right note\n");
    let agent = playbook(&github, PLAYBOOK);
    let elsewhere = |arguments: &[&str]| {
        let mut command = github.env.program(arguments);
        run(command.current_dir(github.env.home()))
    };
    let nothing = elsewhere(&["status", "--repo", "alice/shop"]).expect(1);
    assert!(nothing.stderr.contains("no clone of alice/shop is kept here"), "{}", nothing.stderr);
    let nothing = elsewhere(&["run", "issue", "alice/none#1", "--agent", &agent]).expect(1);
    assert!(nothing.stderr.contains("alice/none"), "{}", nothing.stderr);
    let two = elsewhere(&["run", "issue", "alice/shop#1", "alice/none#1", "--agent", &agent]).expect(1);
    assert!(two.stderr.contains("different repositories"), "{}", two.stderr);

    let named = format!("alice/shop#{issue}");
    elsewhere(&["run", "issue", &named, "--dry-run", "--agent", &agent]).expect(0);
    assert_eq!(github.comments(issue), [], "a dry run writes nothing");
    elsewhere(&["run", "issue", &named, "--agent", &agent]).expect(0);
    assert_eq!(github.of_repo(ALICE, "GET", &format!("/issues/{issue}"), None)["state"], "closed");
    assert_eq!(github.branches(), ["main"]);
    let status = elsewhere(&["status", "--repo", "alice/shop", "--json"]).expect(0).json();
    assert_eq!(status["recent"][0]["status"], "succeeded");
    // Its own clone keeps no secret.
    let clone = github.env.home().join(".local/share/miyabi/repos/127.0.0.1/alice/shop");
    assert!(!std::fs::read_to_string(clone.join(".git/config")).unwrap().contains("tok_"));
    assert!(!github.env.repo().join(".miyabi").exists(), "the checkout beside it is left alone");
}

#[test]
fn labels_are_made_once_and_brought_up_to_date() {
    if !is_here_or_say() {
        return;
    }
    let github = GitHub::start(PROGRAM, SETTINGS).with_token();
    github.of_repo(ALICE, "POST", "/labels", Some(&json!({ "name": "Miyabi", "color": "000000" })));
    github.of_repo(ALICE, "POST", "/labels", Some(&json!({ "name": "ours", "color": "000000" })));
    let first = github.env.miyabi(["labels", "sync", "--json"]).expect(0).json();
    assert_eq!(first["updated"], json!(["miyabi"]));
    let wanted =
        github.env.miyabi(["labels", "list", "--json"]).expect(0).json().as_array().map_or(0, Vec::len);
    let created = first["created"].as_array().map_or(0, Vec::len);
    assert_eq!(created + 1 + first["unchanged"].as_u64().unwrap() as usize, wanted);
    let again = github.env.miyabi(["labels", "sync", "--json"]).expect(0).json();
    assert_eq!(again, json!({ "created": [], "updated": [], "unchanged": wanted }));
    let names = github.of_repo(ALICE, "GET", "/labels?per_page=100", None);
    assert!(names.as_array().unwrap().iter().any(|label| label["name"] == "ours"));
}
