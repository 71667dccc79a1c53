//! A GitHub of our own for a test: the stand-in of its API and git transport, a clone, and people who do things there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use crate::env::{TestEnv, run, small_crate};

/// Where `tests/setup-forge.sh` puts the stand-ins.
pub fn stand_ins() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("MIYABI_FORGE_DIR").map_or_else(|| root.join("target/forge"), PathBuf::from)
}

/// Whether the stand-ins are installed; says what is missing otherwise. On CI they have to be there.
#[expect(clippy::print_stdout, reason = "people are to see which test did not run")]
pub fn is_here_or_say() -> bool {
    let here = stand_ins().join("installed").is_file();
    if !here {
        let missing = "the stand-ins of GitHub are not installed: run tests/setup-forge.sh";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        println!("skipped: {missing}");
    }
    here
}

/// Who somebody is to the stand-in.
pub const ALICE: &str = "tok_alice";
/// The account that miyabi writes with, when it has a token.
pub const MIYABI: &str = "tok_miyabi";
/// Somebody without any right.
pub const MALLORY: &str = "tok_mallory";

/// The stand-in with one repository, `alice/shop`, and a clone of it.
pub struct GitHub {
    /// The clone, in which commands are run.
    pub env: TestEnv,
    /// The address of the API.
    pub api: String,
    /// The address of the repository for git.
    pub git: String,
    /// The private key of App 7.
    pub key: String,
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl GitHub {
    /// The stand-in with a small crate in `alice/shop`, and the same in `alice/web`.
    pub fn start(program: &str, settings: &str) -> Self {
        Self::launch(program, settings, false)
    }

    /// The same, with every request held against GitHub's own description of its API: see [`Self::violations`].
    pub fn checked(program: &str, settings: &str) -> Self {
        Self::launch(program, settings, true)
    }

    fn launch(program: &str, settings: &str, checked: bool) -> Self {
        let env = TestEnv::bare(program);
        let bare = env.root().join("origin.git");
        let work = env.root().join("work");
        fs::create_dir(&work).expect("the folder is new");
        for (path, text) in small_crate().into_iter().chain([("miyabi.toml", settings)]) {
            let path = work.join(path);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
            fs::write(path, text).expect("the file can be written");
        }
        let git = |folder: &PathBuf, arguments: &[&str]| {
            let ran = run(env.command("git").current_dir(folder).args(arguments));
            assert_eq!(ran.code, Some(0), "git {arguments:?}\n{}{}", ran.stdout, ran.stderr);
        };
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "--quiet", "--message", "Begin"]);
        let bare_path = bare.to_str().expect("temporary folders have plain names");
        git(&work, &["clone", "--quiet", "--bare", ".", bare_path]);
        let second = env.root().join("second.git");
        git(&work, &["clone", "--quiet", "--bare", ".", second.to_str().expect("the same")]);

        let config = json!({
            "tools": stand_ins().join("node_modules"), "bare": bare, "second": second,
            "checked": checked,
        });
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("github/stand-in.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(config.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed where the stand-ins are");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the stand-in says where it is");
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let word = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        let (api, address, key) = (word("api"), word("git"), word("key"));
        let stdin = child.stdin.take();
        let env = env
            .variable("MIYABI_GITHUB_API_URL", &api)
            .variable("MIYABI_GITHUB_WEBHOOK_SECRET", SECRET)
            .variable("GIT_CONFIG_NOSYSTEM", "1");
        // Cloned as a person would; from here on git asks miyabi.
        let login = address.replacen("://", "://x:tok_alice@", 1);
        let ran = run(env.command("git").args(["clone", "--quiet", &login, "repo"]));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        env.git(&["remote", "set-url", "origin", &address]);
        Self { env, api, git: address, key, child, _stdin: stdin }
    }

    /// The same, with miyabi writing as a user with a token.
    #[must_use]
    pub fn with_token(mut self) -> Self {
        self.env.set("MIYABI_GITHUB_TOKEN", MIYABI);
        self
    }

    /// The same, with miyabi writing as App 7.
    #[must_use]
    pub fn with_app(mut self) -> Self {
        let path = self.env.root().join("app.pem");
        fs::write(&path, &self.key).expect("the key can be written");
        let path = path.to_str().expect("temporary folders have plain names").to_owned();
        self.env.set("MIYABI_GITHUB_APP_ID", "7");
        self.env.set("MIYABI_GITHUB_APP_PRIVATE_KEY_FILE", path);
        self
    }

    /// Asks the API as somebody; gives status and body.
    pub fn ask(&self, who: &str, method: &str, route: &str, body: Option<&Value>) -> (u16, Value) {
        request(method, &format!("{}{route}", self.api), who, body)
    }

    /// The same below the repository, which must succeed.
    #[track_caller]
    pub fn of_repo(&self, who: &str, method: &str, rest: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.ask(who, method, &format!("/repos/alice/shop{rest}"), body);
        assert!((200..300).contains(&status), "{method} {rest}: {status} {answer}");
        answer
    }

    /// What was wrong with requests, and how many writes there were.
    pub fn violations(&self) -> (Vec<Value>, usize) {
        let (_, told) = self.ask(ALICE, "GET", "/_requests", None);
        let list = |key: &str| told[key].as_array().cloned().unwrap_or_default();
        (list("violations"), list("requests").len())
    }

    /// Files an issue as somebody and gives its number.
    #[track_caller]
    pub fn file(&self, who: &str, title: &str, body: &str) -> u64 {
        let issue = self.of_repo(who, "POST", "/issues", Some(&json!({ "title": title, "body": body })));
        issue["number"].as_u64().expect("an issue has a number")
    }

    /// Names of the labels of an issue or change.
    #[track_caller]
    pub fn labels(&self, number: u64) -> Vec<String> {
        let labels = self.of_repo(ALICE, "GET", &format!("/issues/{number}/labels"), None);
        let names = labels.as_array().into_iter().flatten();
        names.filter_map(|label| label["name"].as_str().map(str::to_owned)).collect()
    }

    /// Author and body of every comment, oldest first.
    #[track_caller]
    pub fn comments(&self, number: u64) -> Vec<(String, String)> {
        let comments = self.of_repo(ALICE, "GET", &format!("/issues/{number}/comments?per_page=100"), None);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let comments = comments.as_array().into_iter().flatten();
        comments.map(|comment| (word(&comment["user"]["login"]), word(&comment["body"]))).collect()
    }

    /// Names of the branches on the forge.
    #[track_caller]
    pub fn branches(&self) -> Vec<String> {
        let branches = self.of_repo(ALICE, "GET", "/branches", None);
        let branches = branches.as_array().into_iter().flatten();
        branches.filter_map(|branch| branch["name"].as_str().map(str::to_owned)).collect()
    }

    /// Pushes a commit with these files to any ref as alice; gives its id. Nothing of it stays in the clone.
    #[track_caller]
    pub fn push(&self, place: &str, files: &[(&str, &str)]) -> String {
        let folder = self.env.root().join("elsewhere");
        let git = |arguments: &[&str]| {
            let ran = run(self.env.command("git").current_dir(&folder).args(arguments)).expect(0);
            ran.stdout.trim().to_owned()
        };
        if !folder.is_dir() {
            let address = self.git.replacen("://", "://x:tok_alice@", 1);
            let path = folder.to_str().expect("temporary folders have plain names");
            run(self.env.command("git").args(["clone", "--quiet", &address, path])).expect(0);
        }
        git(&["checkout", "--quiet", "--detach"]);
        for (path, text) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
            fs::write(path, text).expect("the file can be written");
        }
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--allow-empty", "--message", "Change files"]);
        git(&["push", "--quiet", "--force", "origin", &format!("HEAD:{place}")]);
        git(&["rev-parse", "HEAD"])
    }

    /// Whether the server in the clone is done with the delivery of that id.
    #[track_caller]
    pub fn has_handled(&self, id: &str) -> bool {
        let rows = self.env.miyabi(["delivery", "list", "--json"]).expect(0).json();
        let row = rows.as_array().into_iter().flatten().find(|row| row["id"] == format!("github:{id}"));
        row.is_some_and(|row| !row["handled_at"].is_null())
    }

    /// What GitHub delivers of something that alice did with a change.
    #[track_caller]
    pub fn payload_of(&self, change: u64, action: &str) -> Value {
        let change = self.of_repo(ALICE, "GET", &format!("/pulls/{change}"), None);
        json!({
            "action": action, "number": change["number"], "pull_request": change,
            "repository": { "id": 1, "name": "shop", "full_name": "alice/shop", "owner": { "login": "alice" } },
            "sender": { "login": "alice", "type": "User" },
        })
    }

    /// Brings one more commit to the head of a change, and gives it. What is pushed to the branch does not move the
    /// changes of the stand-in; bringing its base into it does.
    #[track_caller]
    pub fn advance(&self, change: u64) -> String {
        self.of_repo(ALICE, "PUT", &format!("/pulls/{change}/update-branch"), Some(&json!({})));
        let change = self.of_repo(ALICE, "GET", &format!("/pulls/{change}"), None);
        change["head"]["sha"].as_str().expect("a change has a head").to_owned()
    }

    /// Reports a check on a commit.
    #[track_caller]
    pub fn check(&self, commit: &str, name: &str, conclusion: &str) {
        let check =
            json!({ "name": name, "head_sha": commit, "status": "completed", "conclusion": conclusion });
        self.of_repo(ALICE, "POST", "/check-runs", Some(&check));
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        // It ends by itself with its standard input; this way nothing waits for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The secret of the webhook.
pub const SECRET: &str = "webhook-secret-of-the-test";

/// One signed delivery; prints the status.
const DELIVER: &str = r#"
const [library, url, secret, event, id, body] = process.argv.slice(1);
const { sign } = await import(library);
const named = Buffer.from(event, "utf8").toString("latin1");
const answer = await fetch(url, {
  method: "POST",
  headers: {
    "content-type": "application/json", "x-github-event": named, "x-github-delivery": id,
    "x-hub-signature-256": await sign(secret, body),
  },
  body,
});
console.log(answer.status);
"#;

/// One request; prints status and body.
const ASK: &str = r#"
const [method, url, token, body] = process.argv.slice(1);
const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
const answer = await fetch(url, { method, headers, body: body || undefined });
const text = await answer.text();
let parsed = text;
try { parsed = text ? JSON.parse(text) : null; } catch {}
console.log(JSON.stringify({ status: answer.status, body: parsed }));
"#;

/// Sends a request with that token; gives status and body.
pub(crate) fn request(method: &str, url: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
    let mut command = Command::new("node");
    command.arg("-e").arg(ASK).args([method, url, token, &body.map(Value::to_string).unwrap_or_default()]);
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{method} {url}: {}", ran.stderr);
    let answer: Value = serde_json::from_str(&ran.stdout).expect("the script prints JSON");
    let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    (status.expect("a status is a small number"), answer["body"].clone())
}

/// `miyabi serve` in the clone, and the webhook that leads to it.
pub struct Served {
    /// Where it listens.
    pub url: String,
    child: Child,
}

impl Served {
    /// Starts the server and returns when it listens.
    #[expect(clippy::print_stderr, reason = "what the server logged is for whoever looks at a failed test")]
    pub fn start(env: &TestEnv) -> Self {
        let mut child = env.start(["serve", "--listen", "127.0.0.1:0", "--log-level", "info"]);
        let mut lines = BufReader::new(child.stderr.take().expect("it is a pipe")).lines();
        let mut said = String::new();
        let url = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended before it listened:\n{said}"));
            let line = line.expect("it is text");
            if let Some((_, url)) = line.split_once(" on http://").filter(|_| line.starts_with("serving")) {
                break format!("http://{}", url.trim());
            }
            said.push_str(&line);
            said.push('\n');
        };
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("serve: {line}")));
        Self { url, child }
    }

    /// The same, with a webhook at the forge that leads to it.
    pub fn hooked(github: &GitHub) -> Self {
        let served = Self::start(&github.env);
        let hook = json!({
            "config": { "url": format!("{}/webhook", served.url), "secret": SECRET, "content_type": "json" },
            "events": ["*"],
            "active": true,
        });
        github.of_repo(ALICE, "POST", "/hooks", Some(&hook));
        served
    }

    /// Delivers an event that the stand-in does not send, signed by GitHub's own library. Gives the status.
    pub fn deliver(&self, event: &str, id: &str, payload: &Value) -> u16 {
        self.deliver_text(event, id, &payload.to_string())
    }

    /// The same with a body that need not be JSON.
    pub fn deliver_text(&self, event: &str, id: &str, body: &str) -> u16 {
        let mut command = Command::new("node");
        let library = stand_ins().join("node_modules/@octokit/webhooks-methods/dist-node/index.js");
        command.args(["--input-type=module", "-e", DELIVER]);
        command.arg(library).args([&format!("{}/webhook", self.url), SECRET, event, id, body]);
        let ran = run(&mut command);
        assert_eq!(ran.code, Some(0), "{event}: {}", ran.stderr);
        ran.stdout.trim().parse().expect("the script prints a status")
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to stop and gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there").success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until it is so. Each look asks a program and takes its time.
#[track_caller]
pub fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let patience = std::time::Duration::from_secs(120);
    let begun = std::time::Instant::now();
    while !look() {
        assert!(begun.elapsed() < patience, "it never came to be: {what}");
    }
}
