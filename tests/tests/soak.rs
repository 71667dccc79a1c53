//! Many runs on one repository, two at a time, each killed at random and gone on with: everything is there in the end,
//! once, and nothing else is.
//!
//! `MIYABI_SOAK=200` for so many runs (12 otherwise), `MIYABI_SEED=7` for another course of events.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that print their figures")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use miyabi_testkit::dice::Dice;
use miyabi_tests::crash::Point;
use miyabi_tests::env::TestEnv;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const CRASHING: &str = env!("CARGO_BIN_EXE_miyabi-crashing");
const SETTINGS: &str = "[policy]\nsimple_below = 0.0\nmerge_from = 80\nbase_moves = 1000\n";
const ISSUE: &str =
    "- [ ] Write the left note\n- [ ] Write the right note\n- [ ] Join the notes (depends on 1, 2)\n";
/// Most kills of one run.
const KILLS: usize = 4;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// Somewhere in a run; some points lie behind its end.
fn point(dice: &mut Dice) -> Point {
    let event = dice.roll(60) as u64;
    let write = dice.roll(14) as u64;
    [Point::BeforeEvent(event), Point::AfterEvent(event), Point::BeforeWrite(write), Point::AfterWrite(write)]
        [dice.roll(4)]
}

/// Works on one issue until it is done; says how often it was killed.
fn carry(env: &TestEnv, issue: u64, agent: &str, seed: u64) -> usize {
    let mut dice = Dice::seeded(seed.wrapping_mul(1_000_003).wrapping_add(issue));
    let mut killed = 0;
    let points: Vec<_> = (0..dice.roll(KILLS + 1)).map(|_| point(&mut dice)).collect();
    for point in points.into_iter().map(Some).chain([None]) {
        let mut command = env.command(CRASHING);
        command.arg(env.repo()).args([&issue.to_string(), agent]).args(point.map(|point| point.to_string()));
        let output = command.output().unwrap();
        match (output.status.code(), output.status.signal()) {
            (Some(0), _) => break,
            (_, Some(9)) => killed += 1,
            end => panic!("issue {issue} {point:?}: {end:?}\n{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    killed
}

#[test]
fn many_runs_that_are_killed_at_random_leave_what_undisturbed_ones_would() {
    let (runs, seed) = (number("MIYABI_SOAK", 12), number("MIYABI_SEED", 1));
    let files =
        [("README.md", "# Notes\n"), ("reworked.md", "as good as can be\n"), ("miyabi.toml", SETTINGS)];
    let env = TestEnv::new(PROGRAM, &files);
    let mut playbook = String::new();
    for issue in 1..=runs {
        env.miyabi(["issue", "new", "--title", &format!("Keep notes {issue}"), "--body", ISSUE]).expect(0);
    }
    let issues = env.miyabi(["issue", "list", "--json"]).expect(0).json();
    let mut numbers: Vec<u64> =
        issues.as_array().unwrap().iter().map(|issue| issue["number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers.len() as u64, runs);
    for issue in &numbers {
        playbook.push_str(&format!(
            "task-{issue}-1:\n  - write: {{ path: notes/{issue}/left.md, content: \"left\\n\" }}\n\
             task-{issue}-2:\n  - write: {{ path: notes/{issue}/right.md, content: \"right\\n\" }}\n\
             task-{issue}-3:\n  - run: [sh, -c, \"cat notes/{issue}/left.md notes/{issue}/right.md > notes/{issue}/both.md\"]\n"
        ));
    }
    let path = env.root().join("playbook.yaml");
    std::fs::write(&path, playbook).unwrap();
    let agent = format!("scripted:{}", path.display());

    let (next, kills) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(issue) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
            let killed = carry(&env, *issue, &agent, seed);
            kills.lock().unwrap().insert(*issue, killed);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    env.miyabi(["resume"]).expect(0);

    // Every run did its work, all of it and once.
    let mut expected = vec!["README.md".to_owned(), "miyabi.toml".to_owned(), "reworked.md".to_owned()];
    for issue in &numbers {
        expected.extend(["both", "left", "right"].map(|name| format!("notes/{issue}/{name}.md")));
        assert_eq!(env.read(&format!("notes/{issue}/both.md")), "left\nright\n");
        let shown = env.miyabi(["issue", "show", &issue.to_string(), "--json"]).expect(0).json();
        assert_eq!(shown["issue"]["open"], false, "issue {issue}");
        let mut heads = BTreeMap::<&str, u32>::new();
        for comment in shown["comments"].as_array().unwrap() {
            *heads
                .entry(comment["body"].as_str().unwrap().lines().next().unwrap_or_default())
                .or_default() += 1;
        }
        assert!(heads.values().all(|count| *count == 1), "issue {issue}: {heads:?}");
    }
    let tree = env.git(&["ls-tree", "-r", "--name-only", "main"]);
    let mut names: Vec<_> = tree.lines().collect();
    names.sort_unstable();
    expected.sort();
    assert_eq!(names, expected);
    let changes = env.miyabi(["change", "list", "--json"]).expect(0).json();
    let merged = changes.as_array().unwrap().iter().filter(|change| change["state"] == "merged").count();
    assert_eq!((merged as u64, changes.as_array().unwrap().len() as u64), (runs, runs));
    // And left nothing else.
    assert_eq!(env.worktrees(), Vec::<String>::new());
    assert_eq!(env.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
    assert_eq!(env.git(&["branch", "--format=%(refname:short)"]), "main");
    assert_eq!(env.git(&["status", "--porcelain"]), "");
    assert_eq!(env.processes(), Vec::<u32>::new());
    let status = env.miyabi(["status", "--json", "--recent", "100000"]).expect(0).json();
    let ended = status["recent"].as_array().unwrap();
    assert_eq!((ended.len() as u64, status["live"].as_array().unwrap().len()), (runs, 0));
    assert!(ended.iter().all(|run| run["status"] == "succeeded"));

    let kills: usize = kills.lock().unwrap().values().sum();
    println!("soak: {runs} runs, {kills} kills, 0 losses, 0 duplicates, 0 survivors");
    assert!(kills > 0, "nothing was killed");
}
