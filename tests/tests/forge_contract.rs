//! GitHub keeps the contracts of every forge: its adapter against the stand-in, which we did not write.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use miyabi_core::facts::{CheckState, ReviewState};
use miyabi_core::ids::{ChangeNumber, CommitId, IssueNumber};
use miyabi_core::intent::Write;
use miyabi_core::ports::Forge;
use miyabi_forge::{Auth, GitHubForge, GitHubOptions};
use miyabi_testkit::contract::{self, HEAD, Place, Reviewed};
use miyabi_testkit::{ManualClock, fixtures};
use miyabi_tests::github::{ALICE, GitHub, MALLORY, MIYABI, is_here_or_say};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// The stand-in, and miyabi's own way to it.
struct OnGitHub {
    github: GitHub,
    forge: GitHubForge,
    pushes: AtomicU64,
    /// Ids of check runs, by name.
    checks: Mutex<Vec<(String, u64)>>,
}

impl OnGitHub {
    fn start() -> Self {
        let github = GitHub::start(PROGRAM, "");
        let auth = Auth::Token(MIYABI.to_owned().into());
        let clock = Arc::new(ManualClock::new(fixtures::at(0)));
        let options = GitHubOptions {
            api_url: github.api.clone(),
            ..GitHubOptions::new("alice/shop".parse().unwrap(), auth, clock)
        };
        let forge = GitHubForge::new(options).unwrap();
        Self { github, forge, pushes: AtomicU64::new(0), checks: Mutex::default() }
    }

    /// Commits one more file and pushes it to [`HEAD`] as alice.
    fn commit(&self) -> CommitId {
        let (env, n) = (&self.github.env, self.pushes.fetch_add(1, Ordering::Relaxed));
        if n == 0 {
            env.git(&["switch", "--quiet", "--create", HEAD]);
        }
        env.write(&format!("notes/右 {n}.md"), "右\n");
        env.git(&["add", "notes"]);
        env.git(&["commit", "--quiet", "--message", "Add a note"]);
        env.git(&["push", "--quiet", &self.github.git.replacen("://", "://x:tok_alice@", 1), HEAD]);
        env.git(&["rev-parse", "HEAD"]).into()
    }

    fn token(who: &str) -> &'static str {
        match who {
            "mallory" => MALLORY,
            "alice" => ALICE,
            _ => MIYABI,
        }
    }
}

#[async_trait]
impl Place for OnGitHub {
    fn forge(&self) -> &dyn Forge {
        &self.forge
    }

    fn us(&self) -> String {
        "miyabi-bot".to_owned()
    }

    fn person(&self) -> String {
        "alice".to_owned()
    }

    async fn file(&self, title: &str, body: &str, labels: &[&str]) -> IssueNumber {
        let issue = json!({ "title": title, "body": body, "labels": labels });
        self.github.of_repo(ALICE, "POST", "/issues", Some(&issue))["number"].as_u64().unwrap()
    }

    async fn say(&self, issue: IssueNumber, text: &str) -> String {
        let route = format!("/issues/{issue}/comments");
        let said = self.github.of_repo(ALICE, "POST", &route, Some(&json!({ "body": text })));
        said["body"].as_str().unwrap().to_owned()
    }

    async fn push(&self) -> CommitId {
        self.commit()
    }
}

#[async_trait]
impl Reviewed for OnGitHub {
    fn forge(&self) -> &dyn Forge {
        &self.forge
    }

    fn has_reviews(&self) -> bool {
        true
    }

    fn author(&self) -> Option<String> {
        Some("alice".to_owned())
    }

    fn member(&self) -> String {
        "miyabi-bot".to_owned()
    }

    fn stranger(&self) -> String {
        "mallory".to_owned()
    }

    async fn open(&self) -> ChangeNumber {
        self.commit();
        let new = json!({ "title": "Add notes", "head": HEAD, "base": "main", "body": "" });
        self.github.of_repo(ALICE, "POST", "/pulls", Some(&new))["number"].as_u64().unwrap()
    }

    async fn push(&self, change: ChangeNumber) -> CommitId {
        self.github.advance(change).into()
    }

    async fn request(&self, change: ChangeNumber, who: &str) {
        let route = format!("/pulls/{change}/requested_reviewers");
        self.github.of_repo(ALICE, "POST", &route, Some(&json!({ "reviewers": [who] })));
    }

    async fn review(&self, change: ChangeNumber, who: &str, says: ReviewState) {
        let event = match says {
            ReviewState::Approved => "APPROVE",
            ReviewState::ChangesRequested => "REQUEST_CHANGES",
            ReviewState::Commented => "COMMENT",
            ReviewState::Dismissed => unreachable!("nobody reviews like this"),
        };
        let review = json!({ "event": event, "body": "見た" });
        self.github.of_repo(Self::token(who), "POST", &format!("/pulls/{change}/reviews"), Some(&review));
    }

    async fn dismiss(&self, change: ChangeNumber, who: &str) {
        let reviews = self.github.of_repo(ALICE, "GET", &format!("/pulls/{change}/reviews"), None);
        let last = reviews.as_array().unwrap().iter().rfind(|review| review["user"]["login"] == who);
        let route = format!("/pulls/{change}/reviews/{}/dismissals", last.unwrap()["id"]);
        self.github.of_repo(ALICE, "PUT", &route, Some(&json!({ "message": "it is mended" })));
    }

    async fn check(&self, commit: &CommitId, name: &str, state: CheckState) {
        let mut check = match state {
            CheckState::Pending => json!({ "status": "in_progress" }),
            CheckState::Passed => json!({ "status": "completed", "conclusion": "success" }),
            CheckState::Failed => json!({ "status": "completed", "conclusion": "failure" }),
        };
        let mut known = self.checks.lock().unwrap();
        if let Some((_, id)) = known.iter().find(|(known, _)| known == name) {
            self.github.of_repo(ALICE, "PATCH", &format!("/check-runs/{id}"), Some(&check));
            return;
        }
        check["name"] = Value::from(name);
        check["head_sha"] = Value::from(commit.as_str());
        let made = self.github.of_repo(ALICE, "POST", "/check-runs", Some(&check));
        known.push((name.to_owned(), made["id"].as_u64().unwrap()));
    }

    async fn merge(&self, change: ChangeNumber) {
        let commit = self.forge.change(change).await.unwrap().unwrap().head_commit;
        let write = Write::MergeChange { change, commit, title: "x".to_owned(), only_if_ready: false };
        self.forge.perform(&"r/merge".into(), &write, fixtures::at(9)).await.unwrap();
    }
}

#[tokio::test]
async fn an_issue_is_carried_from_its_filing_to_its_closing() {
    if is_here_or_say() {
        contract::forge(&OnGitHub::start()).await;
    }
}

#[tokio::test]
async fn what_is_shown_of_a_change_is_what_people_and_ci_said() {
    if is_here_or_say() {
        contract::survey(&OnGitHub::start()).await;
    }
}
