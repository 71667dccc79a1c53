//! The gate alone, on a checkout.

use miyabi_tests::env::TestEnv;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// Credentials look like this; in two parts, so that this file holds none.
fn secret() -> String {
    ["AKIA", "IOSFODNN7EXAMPLQ"].concat()
}

#[test]
fn a_checkout_is_scored_without_an_issue_and_without_an_agent() {
    let env = TestEnv::with_crate(PROGRAM);
    let head = env.git(&["rev-parse", "HEAD"]);
    let ran = env.miyabi(["review"]);
    let report = env.miyabi(["review", "--format", "json"]).json();
    assert_eq!(ran.code, Some(if report["recommendation"] == "APPROVE" { 0 } else { 10 }), "{ran:?}");
    assert!(ran.stdout.starts_with("## Quality Report\n\n**"), "{}", ran.stdout);
    assert_eq!(report["commit"], head.trim());
    assert_eq!(report["tree"], env.git(&["rev-parse", "HEAD^{tree}"]).trim());
    assert_eq!(report["measured"]["build"], serde_json::json!({ "value": true }), "{report:#}");
    assert!(ran.stdout.contains(&format!("**{} / 100**", report["score"])), "{}", ran.stdout);
    // It leaves nothing behind but its build folder, which git does not see.
    assert_eq!(env.git(&["status", "--porcelain"]), "");
    assert!(!env.repo().join(".miyabi/miyabi.db").exists());
}

#[test]
fn what_a_change_adds_is_judged_and_told_in_a_format_for_tools() {
    let env = TestEnv::with_crate(PROGRAM);
    env.git(&["switch", "--quiet", "--create", "work"]);
    let text = env.read("src/lib.rs");
    let bad = "/// Says 日本.\npub fn say() -> &'static str {\n    return \"日本\";\n}\n\n#[cfg(test)]";
    env.write("src/lib.rs", &text.replacen("#[cfg(test)]", bad, 1));
    env.write("config 認証.txt", &format!("key = \"{}\"\n", secret()));
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Add a greeting"]);
    let sarif = env.miyabi(["review", "--format", "sarif"]).expect(10).json();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
    }
    let of = |check: &str| -> &Value {
        let is = |result: &&Value| result["ruleId"].as_str().unwrap().starts_with(&format!("{check}/"));
        results.iter().find(is).unwrap_or_else(|| panic!("{check}: {results:#?}"))
    };
    let place = |result: &Value| result["locations"][0]["physicalLocation"].clone();
    assert_eq!(of("lint")["ruleId"], "lint/clippy::needless_return");
    assert_eq!(place(of("lint"))["artifactLocation"]["uri"], "src/lib.rs");
    assert!(place(of("lint"))["region"]["startLine"].as_u64().unwrap() > 5);
    assert_eq!(place(of("secrets"))["artifactLocation"]["uri"], "config%20%E8%AA%8D%E8%A8%BC.txt");
    assert!(!sarif.to_string().contains(&secret()), "a report repeats no credential");
    // On the base itself nothing is added, and nobody is to blame for what was there.
    let ran = env.miyabi(["review", "--base", "work", "--format", "json"]).json();
    assert_eq!(ran["measured"]["secrets"], serde_json::json!({ "value": 0 }));
}

#[test]
fn warnings_that_were_there_before_are_told_and_do_not_count() {
    let env = TestEnv::with_crate(PROGRAM);
    let text = env.read("src/lib.rs");
    let bad = |name: &str| {
        format!("/// Says 日本.\npub fn {name}() -> &'static str {{\n    return \"日本\";\n}}\n\n")
    };
    env.write("src/lib.rs", &text.replacen("#[cfg(test)]", &format!("{}#[cfg(test)]", bad("old")), 1));
    env.git(&["commit", "--quiet", "--all", "--message", "What was there"]);
    // Without a change to compare with, all of it counts.
    let alone = env.miyabi(["review", "--format", "json"]).json();
    assert_eq!(alone["breakdown"]["clippy"], 24.0, "{alone:#}");
    env.git(&["switch", "--quiet", "--create", "work"]);
    let text = env.read("src/lib.rs");
    env.write("src/lib.rs", &text.replacen("#[cfg(test)]", &format!("{}#[cfg(test)]", bad("new")), 1));
    env.git(&["commit", "--quiet", "--all", "--message", "Add another"]);
    let report = env.miyabi(["review", "--format", "json"]).json();
    assert_eq!(report["breakdown"]["clippy"], 24.0, "one of two: {report:#}");
    assert!(
        report["notes"]
            .to_string()
            .contains("1 warning on lines that the change does not touch, not counted"),
        "{report:#}"
    );
    let all = env
        .command(PROGRAM)
        .args(["review", "--format", "json"])
        .env("MIYABI_POLICY_COUNT_OLD_FINDINGS", "true")
        .current_dir(env.repo())
        .output()
        .unwrap();
    let all: Value = serde_json::from_slice(&all.stdout).unwrap();
    assert_eq!(all["breakdown"]["clippy"], 23.0, "both, where that is wanted");
}

/// A line that nobody touched may become wrong by what was done elsewhere: the base tells which.
#[test]
fn warnings_that_a_change_brings_to_other_lines_count() {
    let env = TestEnv::with_crate(PROGRAM);
    let text = env.read("src/lib.rs");
    let old = "/// Says 日本.\npub fn old() -> &'static str {\n    return \"日本\";\n}\n\n";
    let used = "fn helper() -> u32 {\n    7\n}\n\n/// Helps.\npub fn help() -> u32 {\n    helper()\n}\n\n";
    env.write("src/lib.rs", &text.replacen("#[cfg(test)]", &format!("{old}{used}#[cfg(test)]"), 1));
    env.git(&["commit", "--quiet", "--all", "--message", "What was there"]);
    env.git(&["switch", "--quiet", "--create", "work"]);
    // The lines of the old warning move, and the helper is used no more.
    let text = env.read("src/lib.rs").replacen("    helper()\n", "    8\n", 1);
    env.write("src/lib.rs", &format!("//! Helps.\n\n{}", text.trim_start_matches("//! Helps.\n\n")));
    env.git(&["commit", "--quiet", "--all", "--message", "Help without a helper"]);
    let report = env.miyabi(["review", "--format", "json"]).json();
    assert_eq!(report["breakdown"]["clippy"], 24.0, "{report:#}");
    let issues = report["issues"].to_string();
    assert!(issues.contains("dead_code") && issues.contains("the base does not have it"), "{issues}");
    assert!(report["notes"].to_string().contains("1 warning on lines that"), "{report:#}");
    assert_eq!(env.git(&["status", "--porcelain"]), "");
}

#[test]
fn what_cannot_be_reviewed_is_said() {
    let env = TestEnv::with_crate(PROGRAM);
    let ran = env.miyabi(["review", "--base", "nowhere"]).expect(1);
    assert!(ran.stderr.contains("there is no branch `nowhere`"), "{}", ran.stderr);
    env.write("src/lib.rs", "//! Broken.\n");
    let ran = env.miyabi(["review"]).expect(1);
    assert!(ran.stderr.contains("uncommitted changes, `src/lib.rs` among them"), "{}", ran.stderr);
    env.miyabi(["review", "--format", "prose"]).expect(2);
}

#[test]
fn a_project_of_any_language_brings_its_checks() {
    let checks = r#"
[[check]]
kind = "build"
command = ["sh", "-c", "test -e main.雅"]

[[check]]
kind = "tests"
command = ["sh", "-c", "printf '<testsuite><testcase name=\"a\"/><testcase name=\"b\">%s</testcase></testsuite>' \"$(cat failure)\""]
format = "junit"

[[check]]
name = "style"
kind = "lint"
command = ["cat", "warnings"]
format = "files"
weight = 3
"#;
    let env = TestEnv::new(
        PROGRAM,
        &[("main.雅", "1\n"), ("failure", ""), ("warnings", ""), ("miyabi.toml", checks)],
    );
    let report = env.miyabi(["review", "--format", "json"]).expect(10).json();
    assert_eq!(report["breakdown"]["tests"], 20.0, "{report:#}");
    assert_eq!(report["breakdown"]["clippy"], 25.0);
    assert_eq!(report["recommendation"], "REWORK", "45 points: what nobody measured is not earned");
    env.write("failure", "<failure>the 雅 is wrong</failure>");
    env.write("warnings", "main.雅\nother.雅\n");
    env.git(&["commit", "--quiet", "--all", "--message", "Break it"]);
    let ran = env.miyabi(["review"]).expect(10);
    assert!(ran.stdout.contains("1 test fails") && ran.stdout.contains("the 雅 is wrong"), "{}", ran.stdout);
    let report = env.miyabi(["review", "--format", "json"]).expect(10).json();
    assert_eq!(report["breakdown"]["clippy"], 19.0, "{report:#}");
    env.write("miyabi.toml", "[[check]]\nkind = \"tests\"\ncomand = [\"x\"]\n");
    let ran = env.miyabi(["review"]).expect(1);
    assert!(ran.stderr.contains("miyabi.toml:1: check 1: unknown key `comand`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `command`?"), "{}", ran.stderr);
}
