//! Stories over the history of a published crate: with what was judged before, and without. The verdicts are the same.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that print their figures")]

use miyabi_tests::env::TestEnv;
use miyabi_tests::judge::{asked, results, run, story};
use miyabi_tests::published::Published;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
/// Versions of `itoa`, as if each were a commit: eight years in which it lost `std`, grew 128 bits and a `Buffer`.
const VERSIONS: [&str; 11] =
    ["0.4.0", "0.4.3", "0.4.4", "0.4.6", "0.4.8", "1.0.0", "1.0.1", "1.0.4", "1.0.6", "1.0.9", "1.0.15"];
/// What holds all the time, what began to hold, what ceased to, and what never did.
const STORIES: [(&str, &[&str]); 6] = [
    ("buffer", &["has Buffer in src", "has MaybeUninit in src", "has buffer in README.md"]),
    ("wide", &["has i128 in src", "has udiv128 in src", "no u256 in src"]),
    ("small", &["no std::vec in src", "has no_std in src/lib.rs", "no fallback in src"]),
    ("length", &["has MAX_STR_LEN in src"]),
    ("licence", &["has MIT in LICENSE-MIT", "has rights in LICENSE-MIT"]),
    ("tests", &["has i64 in tests", "has MAX in tests/test.rs"]),
];

fn published(version: &'static str) -> Published {
    Published { name: "itoa", version, ignore: "/target\nCargo.lock\n" }
}

/// The crate in its first version, and the stories.
fn first() -> TestEnv {
    let files = STORIES.map(|(id, criteria)| {
        let criteria: Vec<_> = criteria.iter().map(|text| (*text).to_owned()).collect();
        (format!(".miyabi/stories/{id}.yaml"), story(id, "", &criteria))
    });
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    TestEnv::with_published(PROGRAM, &published(VERSIONS[0]), &files)
}

/// What the stories came to, by assertion.
fn verdicts(found: &Value) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_story = |story: &Value| {
        let steps = story["steps"].as_array().unwrap().iter();
        let assertions = steps.flat_map(|step| step["assertions"].as_array().unwrap());
        let assertions = assertions.map(|assertion| text(&assertion["verdict"])).collect();
        (text(&story["story"]), text(&story["status"]), assertions)
    };
    found["stories"].as_array().unwrap().iter().map(of_story).collect()
}

/// The steps of a run, and those of them that an earlier run judged.
fn steps(found: &Value) -> (usize, usize) {
    let stories = found["stories"].as_array().unwrap().iter();
    let steps: Vec<_> = stories.flat_map(|story| story["steps"].as_array().unwrap()).collect();
    let reused = steps.iter().filter(|step| !step["cached_from_run"].is_null()).count();
    (steps.len(), reused)
}

fn judged(env: &TestEnv, found: &Value) -> usize {
    let asked = asked(env, found["run"].as_u64().unwrap());
    asked.iter().filter(|step| !step.ends_with(":decompose")).count()
}

#[test]
fn a_history_comes_to_the_same_with_and_without_earlier_judgements() {
    let (cached, brute) = (first(), first());
    let (mut sessions, mut without, mut all, mut kept) = (0, 0, 0, 0);
    let mut seen: Vec<Vec<(String, String, Vec<String>)>> = Vec::new();
    for (ix, version) in VERSIONS.into_iter().enumerate() {
        if ix > 0 {
            cached.next_version(&published(version));
            brute.next_version(&published(version));
        }
        let found = results(&run(&cached, &[]));
        let plain = results(&run(&brute, &["--no-cache"]));
        assert_eq!(verdicts(&found), verdicts(&plain), "{version}");
        let (steps, reused) = steps(&found);
        assert_eq!(self::steps(&plain), (steps, 0), "{version}");
        sessions += judged(&cached, &found);
        without += judged(&brute, &plain);
        all += steps;
        kept += reused;
        seen.push(verdicts(&found));
    }
    println!(
        "{} commits, {} stories: {kept} of {all} judgements taken over, {sessions} sessions instead of {without}, 0 verdicts differ",
        VERSIONS.len(),
        STORIES.len()
    );
    assert_eq!(without, VERSIONS.len() * STORIES.len());
    // Something is taken over, something is not, and verdicts change on the way.
    assert!(kept > all / 4 && kept < all, "{kept} of {all}");
    assert!(sessions < without && sessions > STORIES.len(), "{sessions} of {without}");
    assert!(seen.windows(2).any(|pair| pair[0] != pair[1]), "{seen:?}");
}
