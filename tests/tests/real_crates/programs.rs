//! Agents that are programs and playbooks, on `semver` and on `heck`.

use miyabi_tests::env::TestEnv;
use miyabi_tests::published::Published;
use serde_json::Value;

use super::PROGRAM;
use super::common::{Before, SETTINGS, file_issue, log, of_type, outputs, report, run};

/// 3,200 lines, a build script, integration tests, a third-party package, and a benchmark that needs nightly.
const SEMVER: Published = Published { name: "semver", version: "1.0.26", ignore: "/target\n" };
/// 900 lines, most of whose tests come out of macros; no lock file.
const HECK: Published = Published { name: "heck", version: "0.5.0", ignore: "/target\n/Cargo.lock\n" };

/// An agent as people write them: it takes its task from the context file, looks whether the prompt says the same, and
/// edits what is there.
const AGENT: &str = r##"
set -eu
prompt=$(cat)
field() { sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" .agent-context.json | head -n 1; }
task=$(field id)
title=$(field title)
case $prompt in *"Task $task (feature): $title"*) ;; *) echo "another task: $task $title" >&2; exit 3 ;; esac
case $prompt in *'「正式版か?」 "$(touch pwned)" ${HOME}'*) ;; *) echo "the issue's words are lost" >&2; exit 4 ;; esac
grep -q '^# Execution Context for Issue #' EXECUTION_CONTEXT.md
case $task in
*-1)
    METHOD=$(cat <<'RUST'
{METHOD}RUST
)
    export METHOD
    awk '/Compare the major, minor, patch, and pre-release/ { print ENVIRON["METHOD"]; print "" } { print }' \
        src/lib.rs > src/lib.rs.new
    cat src/lib.rs.new > src/lib.rs
    rm src/lib.rs.new
    ;;
*-2)
    grep -q 'pub fn is_prerelease' src/lib.rs
    cat >> tests/test_version.rs <<'RUST'
{TEST}RUST
    ;;
esac
echo "did $task"
"##;

const METHOD: &str = r#"    /// Whether this version has a pre-release part, as `1.0.0-alpha.1` has.
    ///
    /// ```
    /// # use semver::Version;
    /// assert!(Version::parse("1.0.0-alpha.1").unwrap().is_prerelease());
    /// assert!(!Version::new(1, 0, 0).is_prerelease());
    /// ```
    pub fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }
"#;

const TEST: &str = r#"
#[test]
fn test_is_prerelease() {
    for (text, expected) in [("1.0.0", false), ("1.0.0+build", false), ("1.0.0-0", true), ("1.0.0-a+b", true)] {
        assert_eq!(version(text).is_prerelease(), expected, "{text}");
    }
}
"#;

#[test]
fn a_program_adds_a_documented_method_and_its_test_to_semver() {
    let env = TestEnv::with_published(PROGRAM, &SEMVER, &[("miyabi.toml", SETTINGS)]);
    let before = Before::of(&env);
    let marker = "    /// Compare the major, minor, patch, and pre-release value of two versions,";
    let library = env.read("src/lib.rs").replacen(marker, &format!("{METHOD}\n{marker}"), 1);
    let tests = env.read("tests/test_version.rs") + TEST;

    let agent = env.root().join("agent.sh");
    std::fs::write(&agent, AGENT.replace("{METHOD}", METHOD).replace("{TEST}", TEST)).unwrap();
    let body = "「正式版か?」 \"$(touch pwned)\" ${HOME}\n\n\
        - [ ] Add a method that tells pre-releases\n- [ ] Extend the table of that method's cases (depends on 1)\n";
    let issue = file_issue(&env, "Tell pre-releases from releases", body);
    run(&env, issue, &format!("command:sh {}", agent.display())).expect(0);

    let files = [("src/lib.rs", library.as_str()), ("tests/test_version.rs", tests.as_str())];
    before.assert_landed(&env, issue, &files, 2);
    let report = report(&env);
    let quality = &report["quality"];
    assert_eq!((&quality["vulnerabilities"], &quality["breakdown"]["security"]), (&Value::Null, &0.0.into()));
    assert!(report["not_measured"].to_string().contains("security"), "it is named: {report:#}");
    let log = log(&env);
    let [result] = outputs(&log, &format!("task-{issue}-2"))[..] else { panic!("one result") };
    assert_eq!(result["tests_passed"], quality["tests"][0], "the task's own checks count the same");
    assert_eq!(result["files_changed"], serde_json::json!(["tests/test_version.rs"]));
    assert_eq!((&result["insertions"], &result["deletions"]), (&7.into(), &0.into()));
}

/// A module in the manner of heck's own ones, with one test and two in its documentation.
fn new_case(name: &str, upper: &str, sign: &str, signs: &str) -> String {
    let template = include_str!("new_case.rs.txt");
    let values = [("{name}", name), ("{Name}", upper), ("{sign}", sign), ("{signs}", signs)];
    values.iter().fold(template.to_owned(), |text, (key, value)| text.replace(key, value))
}

const BOTH: &str = "//! The new cases beside the old ones.

use heck::{ToDotCase, ToKebabCase, ToPathCase};

#[test]
fn the_same_words_with_other_signs() {
    let text = \"HTTPサーバを BuildIt\";
    let expected = text.to_kebab_case();
    assert_eq!(text.to_dot_case().replace('.', \"-\"), expected);
    assert_eq!(text.to_path_case().replace('/', \"-\"), expected);
}
";

#[test]
fn a_playbook_adds_two_modules_to_heck_in_tasks_that_stand_on_one_another() {
    let env = TestEnv::with_published(PROGRAM, &HECK, &[("miyabi.toml", SETTINGS)]);
    let before = Before::of(&env);
    let modules = [new_case("dot", "Dot", ".", "dots"), new_case("path", "Path", "/", "slashes")];
    let dot = [
        ("mod kebab;", "mod dot;\nmod kebab;"),
        ("pub use kebab::", "pub use dot::{AsDotCase, ToDotCase};\npub use kebab::"),
        ("//! 8. Train-Case", "//! 8. Train-Case\n//! 9. dot.case"),
    ];
    let path = [
        ("mod lower_camel;", "mod lower_camel;\nmod path;"),
        ("pub use shouty_kebab::", "pub use path::{AsPathCase, ToPathCase};\npub use shouty_kebab::"),
        ("//! 9. dot.case", "//! 9. dot.case\n//! 10. path/case"),
    ];
    let news = [("# unreleased\n", "# unreleased\n\n- Add dot.case and path/case.\n")];
    let dot_is_made = [vec![write("src/dot.rs", &modules[0])], replace("src/lib.rs", &dot)].concat();
    let path_is_made = [vec![write("src/path.rs", &modules[1])], replace("src/lib.rs", &path)].concat();
    let both_are_tested = [vec![write("tests/new_cases.rs", BOTH)], replace("CHANGELOG.md", &news)].concat();
    let playbook = serde_json::json!({
        "task-1": dot_is_made,
        "task-2": path_is_made,
        "task-3": both_are_tested,
    });
    let place = env.root().join("playbook.yaml");
    std::fs::write(&place, playbook.to_string()).unwrap();
    let body = "- [ ] Add a case with dots between words\n\
        - [ ] Add a case with slashes between words (depends on 1)\n\
        - [ ] Test the new cases beside the old ones, and note them in the changelog (depends on 1, 2)\n";
    let issue = file_issue(&env, "Add dot.case and path/case", body);
    let library = [dot, path].concat().iter().fold(env.read("src/lib.rs"), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    });
    let changelog = env.read("CHANGELOG.md").replacen(news[0].0, news[0].1, 1);
    run(&env, issue, &format!("scripted:{}", place.display())).expect(0);

    let files = [
        ("src/dot.rs", modules[0].as_str()),
        ("src/path.rs", modules[1].as_str()),
        ("src/lib.rs", library.as_str()),
        ("CHANGELOG.md", changelog.as_str()),
        ("tests/new_cases.rs", BOTH),
    ];
    before.assert_landed(&env, issue, &files, 7);
    let log = log(&env);
    let place = |kind: &str, step: &str| {
        log.iter()
            .position(|body| body["type"] == kind && body["step"] == step)
            .unwrap_or_else(|| panic!("{step}"))
    };
    for (task, stands_on) in [(2, 1), (3, 1), (3, 2)] {
        let merged = place("step_succeeded", &format!("task-{issue}-{stands_on}.merge"));
        assert!(merged < place("step_started", &format!("task-{issue}-{task}")), "{task} after {stands_on}");
    }
    assert_eq!(of_type(&log, "step_failed"), Vec::<&Value>::new());
    let quality = &report(&env)["quality"];
    assert_eq!(quality["packages"], 0, "nothing to audit");
    assert_eq!(quality["breakdown"]["security"], 20.0);
    assert_eq!(quality["docs"][0], quality["docs"][1], "heck documents all of its items, and so do we");
}

fn write(path: &str, content: &str) -> Value {
    serde_json::json!({ "write": { "path": path, "content": content } })
}

fn replace(path: &str, changes: &[(&str, &str)]) -> Vec<Value> {
    let change = |(from, to)| serde_json::json!({ "replace": { "path": path, "from": from, "to": to } });
    changes.iter().copied().map(change).collect()
}
