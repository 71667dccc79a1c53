//! A whole issue flow, killed at every event and at every write, ends as if nothing had happened.
//!
//! Six tasks, a conflict, a rework and an approval, on real git, real SQLite and a real agent program; only the checks
//! are a double, so that one run takes a second. `MIYABI_SWEEP=all` visits every point, as CI does; otherwise every
//! seventh is visited, from a place that differs from day to day. `MIYABI_SWEEP=after-event:17` visits that one.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that print their figures")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use miyabi_tests::crash::Point;
use miyabi_tests::env::TestEnv;
use miyabi_tests::sweep::points;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const CRASHING: &str = env!("CARGO_BIN_EXE_miyabi-crashing");
/// Everything is approved by a person; complex enough to be taken apart.
const SETTINGS: &str =
    "[policy]\nsimple_below = 0.0\napprove_above = 0.0\nnotify_from = 0.0\nmerge_from = 80\n";
const ISSUE: &str = "- [ ] Write the first note\n- [ ] Write the second note\n- [ ] Write the calm motto\n- [ ] Write the bold motto\n- [ ] Join the notes (depends on 1, 2)\n- [ ] Sign the notes (depends on 5)\n";
const PLAYBOOK: &str = r#"
task-1:
  - write: { path: notes/one.md, content: "one\n" }
task-2:
  - write: { path: notes/two.md, content: "two\n" }
task-3:
  - run: [sh, -c, "if [ -e motto.md ]; then echo slow and bold; else echo slow and steady; fi > motto.new; mv motto.new motto.md"]
task-4:
  - run: [sh, -c, "if [ -e motto.md ]; then echo slow and bold; else echo fast and bold; fi > motto.new; mv motto.new motto.md"]
task-3.resolve-1:
  - write: { path: motto.md, content: "slow and bold\n" }
task-4.resolve-1:
  - write: { path: motto.md, content: "slow and bold\n" }
task-5:
  - run: [sh, -c, "cat notes/one.md notes/two.md > notes/both.md"]
task-6:
  - append: { path: notes/both.md, content: "雅\n" }
rework-1:
  - write: { path: reworked.md, content: "better\n" }
"#;

struct Stage {
    env: TestEnv,
    agent: String,
}

impl Stage {
    fn new() -> Self {
        let files = [("README.md", "# Notes\n"), ("miyabi.toml", SETTINGS)];
        let env = TestEnv::new(PROGRAM, &files);
        let playbook = env.root().join("playbook.yaml");
        std::fs::write(&playbook, PLAYBOOK).unwrap();
        env.miyabi(["issue", "new", "--title", "Keep notes", "--body", ISSUE, "--label", "keep-me"])
            .expect(0);
        Self { agent: format!("scripted:{}", playbook.display()), env }
    }

    fn command(&self, point: Option<Point>) -> Command {
        let mut command = self.env.command(CRASHING);
        command.arg(self.env.repo()).args(["1", &self.agent]).args(point.map(|point| point.to_string()));
        command
    }

    /// Goes on until the point or the end; says whether it was killed.
    fn go(&self, point: Option<Point>) -> bool {
        let output = self.command(point).output().unwrap();
        match (output.status.code(), output.status.signal()) {
            (Some(0), _) => false,
            (_, Some(9)) => true,
            end => panic!("{point:?}: {end:?}\n{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Says what is otherwise than it should be, and how it came to that.
    fn expect(&self, expected: &Value, what: &str) {
        let state = self.state();
        let other: Vec<_> =
            expected.as_object().unwrap().iter().filter(|(key, value)| state[*key] != **value).collect();
        if !other.is_empty() {
            for (key, value) in other {
                println!("{key} should be {value}\n{key} is {}", state[key]);
            }
            println!("{}", self.env.miyabi(["log", "1"]).stdout);
            panic!("{what}: not as if nothing had happened");
        }
    }

    /// Everything that is there afterwards, without times, ids and numbers of attempts.
    fn state(&self) -> Value {
        let env = &self.env;
        let issue = env.miyabi(["issue", "show", "1", "--json"]).expect(0).json();
        let heads = |comments: &Value| -> BTreeMap<String, u32> {
            let mut heads = BTreeMap::new();
            for comment in comments.as_array().unwrap() {
                let head = comment["body"].as_str().unwrap().lines().next().unwrap_or_default();
                *heads.entry(head.to_owned()).or_default() += 1;
            }
            heads
        };
        let changes = env.miyabi(["change", "list", "--json"]).expect(0).json();
        let changes: Vec<_> = changes
            .as_array()
            .unwrap()
            .iter()
            .map(|change| json!([change["number"], change["title"], change["state"], change["labels"]]))
            .collect();
        let status = env.miyabi(["status", "--json"]).expect(0).json();
        let runs = [&status["live"], &status["recent"]].map(|list| list.as_array().unwrap().len());
        let locks = std::fs::read_dir(env.repo().join(".miyabi/runs")).unwrap();
        let locks =
            locks.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "lock"));
        // Which of the two mottos came second, and was brought together with the first, is a matter of luck.
        let subjects = env.git(&["log", "--format=%s", "main"]).replace("calm", "").replace("bold", "");
        let mut subjects: Vec<_> = subjects.lines().collect();
        subjects.sort_unstable();
        // A task that was lost begins again from what was merged meanwhile, and may meet no conflict any more.
        subjects.dedup();
        json!({
            "tree": env.tree("main"), "commits": subjects, "status": env.git(&["status", "--porcelain"]),
            "branches": env.git(&["branch", "--format=%(refname:short)"]),
            "worktrees": [env.worktrees(), env.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count()],
            "issue": [issue["issue"]["open"], issue["issue"]["labels"]], "comments": heads(&issue["comments"]),
            "changes": changes, "runs": runs, "run": status["recent"][0]["status"],
            "locks": locks.count(), "processes": env.processes(),
        })
    }
}

/// What the undisturbed run leaves, and how many events and writes it has.
fn undisturbed() -> (Value, u64, u64) {
    let stage = Stage::new();
    assert!(!stage.go(None));
    let log = stage.env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    let of = |kind: &str| log.iter().filter(|event| event["body"]["type"] == kind).count() as u64;
    assert_eq!(
        (of("plan_extended"), of("escalation_answered")),
        (3, 1),
        "tasks, a conflict, a rework, an approval"
    );
    (stage.state(), log.len() as u64, of("intent_recorded"))
}

/// Kills at each of these points, goes on, and compares. With `twice`, what went on is killed as well.
fn sweep(name: &str, twice: bool, choose: impl Fn(u64, u64) -> Vec<Point>) {
    let (expected, events, writes) = undisturbed();
    let points = choose(events, writes);
    let mut killed = 0_usize;
    for point in &points {
        let stage = Stage::new();
        let again = match point {
            Point::BeforeEvent(n) | Point::AfterEvent(n) => Point::AfterEvent(n + 1),
            Point::BeforeWrite(_) | Point::AfterWrite(_) => Point::AfterWrite(0),
        };
        // A process that was not killed has come to the end.
        let kills = std::iter::once(*point).chain(twice.then_some(again));
        let were_killed = kills.map(Some).chain([None]).map(|point| stage.go(point)).take_while(|was| *was);
        killed += were_killed.count();
        // What people do after a power cut; the run may have ended just before it.
        stage.env.miyabi(["resume"]).expect(0);
        stage.expect(&expected, &format!("killed at {point}: MIYABI_SWEEP={point}"));
    }
    println!("{name}: {} points, {killed} kills, 0 losses, 0 duplicates, 0 survivors", points.len());
    assert!(points.len() < 3 || killed > 0, "the points are reached");
}

fn halves(point: fn(u64) -> Point, count: u64, half: usize) -> Vec<Point> {
    points(point, count).into_iter().skip(half).step_by(2).collect()
}

#[test]
fn killed_before_an_event_is_durable_first_half() {
    sweep("before events", false, |events, _| halves(Point::BeforeEvent, events, 0));
}

#[test]
fn killed_before_an_event_is_durable_second_half() {
    sweep("before events", false, |events, _| halves(Point::BeforeEvent, events, 1));
}

#[test]
fn killed_after_an_event_is_durable_first_half() {
    sweep("after events", false, |events, _| halves(Point::AfterEvent, events, 0));
}

#[test]
fn killed_after_an_event_is_durable_second_half() {
    sweep("after events", false, |events, _| halves(Point::AfterEvent, events, 1));
}

#[test]
fn killed_before_a_write_is_done() {
    sweep("before writes", false, |_, writes| points(Point::BeforeWrite, writes));
}

#[test]
fn killed_between_a_write_and_its_record() {
    sweep("after writes", false, |_, writes| points(Point::AfterWrite, writes));
}

#[test]
fn killed_while_it_recovers() {
    sweep("twice", true, |events, _| points(Point::AfterEvent, events).into_iter().step_by(3).collect());
}

#[test]
fn killed_between_a_write_and_its_record_again_and_again() {
    sweep("writes, twice", true, |_, writes| {
        points(Point::AfterWrite, writes).into_iter().step_by(2).collect()
    });
}

/// A small file system over a folder, until it is dropped.
struct Small(PathBuf);

impl Small {
    /// `None`, with a word, where nobody may mount anything.
    fn over(folder: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(folder);
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(folder.to_owned()));
        }
        println!("left out: mounting a small file system needs to be root");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root and leaves nothing out");
        None
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }

    /// Leaves so many bytes free.
    fn fill(&self, free: u64) {
        let disk = rustix::fs::statvfs(&self.0).unwrap();
        let size = (disk.f_bavail * disk.f_frsize).saturating_sub(free);
        std::fs::write(self.0.join("ballast"), vec![0; usize::try_from(size).unwrap()]).unwrap();
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_it() {
    let (expected, ..) = undisturbed();
    let (mut refused, sizes) = (0, [8, 48, 96, 160, 256, 384, 512, 768]);
    for kilobytes in sizes {
        let stage = Stage::new();
        let home = stage.env.repo().join(".miyabi");
        let kept = stage.env.root().join("kept");
        assert!(Command::new("cp").arg("-a").args([&home, &kept]).status().unwrap().success());
        let Some(small) = Small::over(&home) else { return };
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(kept.join(".")).arg(&home);
        assert!(copy.status().unwrap().success());
        small.fill(kilobytes * 1024);
        let output = stage.command(None).output().unwrap();
        if !output.status.success() {
            refused += 1;
            let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
            assert!(said.contains("full") || said.contains("no space"), "it names the cause: {said}");
        }
        assert_eq!(stage.env.processes(), Vec::<u32>::new(), "nothing is left running");
        small.empty();
        assert!(!stage.go(None));
        stage.env.miyabi(["resume"]).expect(0);
        stage.expect(&expected, &format!("{kilobytes} KB were free"));
    }
    println!("full disk: {} sizes, {refused} refusals, 0 losses, 0 duplicates, 0 survivors", sizes.len());
    assert!(refused > 2, "the disk was large enough for most of it");
}

#[test]
fn a_database_that_may_only_be_read() {
    let stage = Stage::new();
    let home = stage.env.repo().join(".miyabi");
    let kept = stage.env.root().join("kept");
    assert!(Command::new("cp").arg("-a").args([&home, &kept]).status().unwrap().success());
    let Some(small) = Small::over(&home) else { return };
    assert!(Command::new("cp").arg("-a").arg(kept.join(".")).arg(&home).status().unwrap().success());
    small.remount("ro");
    let ran = stage.env.miyabi(["run", "issue", "1", "--agent", &stage.agent]);
    assert_eq!(ran.code, Some(20), "{ran:?}");
    assert!(ran.stderr.contains("make the database file and its folder writable"), "{}", ran.stderr);
    assert_eq!(stage.env.worktrees(), Vec::<String>::new());
    assert_eq!(stage.env.git(&["branch", "--format=%(refname:short)"]), "main");
    small.remount("rw");
    assert!(!stage.go(None));
    stage.expect(&undisturbed().0, "after it could be written again");
}

/// So that a path that is used by nobody is no silent success.
#[test]
fn points_are_read_as_they_are_written() {
    for point in [Point::BeforeEvent(0), Point::AfterEvent(17), Point::BeforeWrite(3), Point::AfterWrite(4)] {
        assert_eq!(Point::parse(&point.to_string()), Some(point));
    }
    assert_eq!(Point::parse("after-event"), None);
    assert!(Path::new(CRASHING).is_file());
}
