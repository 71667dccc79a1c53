//! Tests of the module that this file belongs to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::analysis::{Analysis, Kind, Sensitivity, read_issue};
use crate::issue::Issue;
use crate::policy::Policy;
use crate::report::{
    Check, CheckEnd, CheckKind, Coverage, DocCounts, Finding, Measured, Measurements, Report, Severity,
    TestCounts, Vulnerabilities, score,
};
use crate::status::Status;
use crate::task::{Task, check_tasks};

fn task(n: u32, title: &str, dependencies: &[u32]) -> Task {
    Task {
        id: format!("task-500-{n}").into(),
        title: title.to_owned(),
        description: String::new(),
        kind: Kind::Feature,
        agent: "codegen".to_owned(),
        estimate_minutes: 60 * n,
        dependencies: dependencies.iter().map(|n| format!("task-500-{n}").into()).collect(),
        acceptance: vec![],
        files: vec![],
    }
}

fn report(change: impl FnOnce(&mut Measurements), findings: Vec<Finding>) -> Report {
    let mut measured = Measurements {
        build: Measured::Value(true),
        tests: Measured::Value(TestCounts { passed: 10, failed: 0, ignored: 1 }),
        coverage: Measured::Value(Coverage { lines: 1000, covered: 961 }),
        lint_warnings: Measured::Value(0),
        lint_before: 0,
        security: Measured::Value(Vulnerabilities { packages: 12, ..Default::default() }),
        docs: Measured::Value(DocCounts { public: 8, documented: 8 }),
        secrets: Measured::Value(0),
    };
    change(&mut measured);
    let checks = vec![Check {
        kind: CheckKind::Format,
        command: vec!["cargo".to_owned(), "fmt".to_owned()],
        end: CheckEnd::Passed,
        findings,
        duration_ms: 5,
    }];
    score(measured, checks, &Policy::default(), "c0ffee".into(), "7ee5".into())
}

/// The text with its breaks to be seen.
fn seen(text: &str) -> String {
    text.replace('\u{200B}', "¦")
}

fn bad_report() -> Report {
    let finding = |severity, rule: &str, message: &str| Finding {
        check: CheckKind::Lint,
        severity,
        rule: rule.to_owned(),
        message: message.to_owned(),
        file: Some("src/認証.rs".to_owned()),
        line: Some(7),
    };
    let missing = || "`cargo audit` is not installed <!-- @all -->".to_owned();
    report(
        |m| {
            m.tests = Measured::Value(TestCounts { passed: 8, failed: 2, ignored: 0 });
            m.lint_warnings = Measured::Value(12);
            m.security = Measured::Missing(missing());
            m.docs = Measured::Value(DocCounts { public: 3, documented: 1 });
        },
        vec![
            finding(Severity::Low, "clippy::needless_return", "unneeded `return`\nmore"),
            finding(Severity::High, "x", "```\n# evil @alice <!-- miyabi:key -->"),
            finding(Severity::Medium, "y", "````` fence"),
        ],
    )
}

#[test]
fn a_plan_for_people() {
    let tasks = [
        task(1, "Add \"User\" model [types]", &[]),
        task(2, "`Hash` | <b>passwords</b> @alice", &[1]),
        task(3, "認証トークン;%%{init}", &[1]),
        task(4, "API", &[2, 3]),
    ];
    let schedule = check_tasks(&tasks, 500, &Policy::default()).expect("these are sound");
    let statuses =
        BTreeMap::from([("task-500-1".into(), Status::Succeeded), ("task-500-2".into(), Status::Running)]);
    insta::assert_snapshot!(seen(&decomposition_comment(500, &tasks, &schedule, Some(&statuses))), @r#"
    ## Plan for Issue #500

    4 tasks in 3 levels, about 10h of work, 8h on the critical path.

    ```mermaid
    graph TD
        t1["1. Add #34;User#34; model #91;types#93; (1h)"]
        t2["2. #96;Hash#96; #124; #60;b#62;passwords#60;/b#62; #64;alice (2h)"]
        t3["3. 認証トークン#59;#37;#37;#123;init#125; (3h)"]
        t4["4. API (4h)"]
        t1 --> t2
        t1 --> t3
        t2 --> t4
        t3 --> t4
        classDef critical stroke-width:3px
        class t1,t3,t4 critical
    ```

    | # | Task | Kind | Agent | Estimate | After | Status |
    |---:|---|---|---|---:|---|---|
    | 1 | Add "User" model \[types\] | feature | codegen | 1h |  | succeeded |
    | 2 | \`Hash\` \| \<b\>passwords\</b\> @¦alice | feature | codegen | 2h | 1 | running |
    | 3 | 認証トークン;%%{init} | feature | codegen | 3h | 1 | queued |
    | 4 | API | feature | codegen | 4h | 2, 3 | queued |

    **Critical path** (8h): 1 → 3 → 4

    **In parallel**:
    - level 1: 1
    - level 2: 2, 3
    - level 3: 4
    "#);
    let one = [task(1, "One", &[])];
    let schedule = check_tasks(&one, 500, &Policy::default()).expect("these are sound");
    insta::assert_snapshot!(seen(&decomposition_comment(500, &one, &schedule, None)), @r#"
    ## Plan for Issue #500

    1 task in 1 level, about 1h of work, 1h on the critical path.

    ```mermaid
    graph TD
        t1["1. One (1h)"]
        classDef critical stroke-width:3px
        class t1 critical
    ```

    | # | Task | Kind | Agent | Estimate | After |
    |---:|---|---|---|---:|---|
    | 1 | One | feature | codegen | 1h |  |

    **Critical path** (1h): 1

    **In parallel**:
    - level 1: 1
    "#);
}

#[test]
fn a_plan_of_many_tasks_fits_a_comment() {
    let policy = Policy { max_tasks: 10_000, ..Policy::default() };
    for count in [50, 100, 5000] {
        let tasks: Vec<Task> =
            (1..=count).map(|n| task(n, &"<|>".repeat(66), if n > 1 { &[1] } else { &[] })).collect();
        let schedule = check_tasks(&tasks, 500, &policy).expect("these are sound");
        let text = decomposition_comment(500, &tasks, &schedule, None);
        assert!(text.chars().count() < 65_000, "{count}: {}", text.chars().count());
    }
}

#[test]
fn a_quality_report_for_people() {
    insta::assert_snapshot!(seen(&quality_comment(500, &report(|_| (), vec![]))), @r#"
    ## Quality Report #500

    **100 / 100** · `quality:excellent` · **APPROVE**

    | Component | Points | Of | Measured |
    |---|---:|---:|---|
    | Tests | 35 | 35 | 10 passed, 1 ignored; 96.1 % of the lines covered |
    | Lint | 25 | 25 | 0 warnings |
    | Security | 20 | 20 | 12 packages, no known vulnerability |
    | Docs | 20 | 20 | 8 of 8 public items |

    Commit `c0ffee`, tree `7ee5`.
    "#);
    insta::assert_snapshot!(seen(&quality_comment(500, &bad_report())), @r#"
    ## Quality Report #500

    **24 / 100** · `quality:poor` · **REWORK**

    | Component | Points | Of | Measured |
    |---|---:|---:|---|
    | Tests | 5 | 35 | 8 passed, 2 failed; 96.1 % of the lines covered |
    | Lint | 13 | 25 | 12 warnings |
    | Security | 0 | 20 | not measured |
    | Docs | 6.66 | 20 | 1 of 3 public items |

    **Closed gates**

    - 2 tests fail

    **Not measured**

    - security: \`cargo audit\` is not installed \<¦!-- @¦all --\> (0 of 20 points)

    ### Findings (3 of 3)

    ``````text
    high lint x src/認証.rs:7: ```
    medium lint y src/認証.rs:7: ````` fence
    low lint clippy::needless_return src/認証.rs:7: unneeded `return`
    ``````

    Commit `c0ffee`, tree `7ee5`.
    "#);
}

#[test]
fn the_body_of_a_change() {
    let tasks = [task(1, "Add User model", &[]), task(2, "Fixes #1 for @bob", &[1])];
    let run = "0197".into();
    let good = report(|_| (), vec![]);
    let facts =
        ChangeFacts { issue: 500, title: "Add user authentication", tasks: &tasks, report: &good, run: &run };
    insta::assert_snapshot!(seen(&change_body(&facts)), @r#"
    ## Summary

    Add user authentication

    - Add User model (feature)
    - Fixe¦s #1 for @¦bob (feature)

    ## Quality Report

    **100 / 100** · `quality:excellent` · **APPROVE**

    | Component | Points | Of | Measured |
    |---|---:|---:|---|
    | Tests | 35 | 35 | 10 passed, 1 ignored; 96.1 % of the lines covered |
    | Lint | 25 | 25 | 0 warnings |
    | Security | 20 | 20 | 12 packages, no known vulnerability |
    | Docs | 20 | 20 | 8 of 8 public items |

    ## Checklist

    - [x] It builds
    - [x] All tests pass
    - [x] At least 95 % of the lines are covered
    - [x] No linter warning
    - [x] The code is formatted
    - [x] No known vulnerability in the dependencies
    - [x] Every public item is documented
    - [x] No secret in the added lines

    Made by run `0197`.

    Closes #500
    "#);
    let bad = bad_report();
    let body = change_body(&ChangeFacts { report: &bad, title: "Closes #1\n\n- [x] forged", ..facts });
    let (_, checklist) = body.split_once("## Checklist").expect("it has a title");
    insta::assert_snapshot!(seen(checklist), @r#"
    - [x] It builds
    - [ ] All tests pass (2 failing)
    - [x] At least 95 % of the lines are covered
    - [ ] No linter warning (12 warnings)
    - [x] The code is formatted
    - [ ] No known vulnerability in the dependencies (not measured: \`cargo audit\` is not installed \<¦!-- @¦all --\>)
    - [ ] Every public item is documented (1 of 3)
    - [x] No secret in the added lines

    Made by run `0197`.

    Closes #500
    "#);
    assert_eq!(body.matches("- [x]").count(), 4, "{body}");
}

#[test]
fn the_way_to_a_change() {
    insta::assert_snapshot!(seen(&link_comment(501, "https://forge.example/o/r/pull/501", &report(|_| (), vec![]))), @r#"
    Change #501 answers this issue: <https://forge.example/o/r/pull/501>

    **100 / 100** · `quality:excellent` · **APPROVE**
    "#);
    insta::assert_snapshot!(seen(&link_comment(501, "miyabi change show 501", &bad_report())), @r#"
    Change #501 answers this issue: `miyabi change show 501`

    **24 / 100** · `quality:poor` · **REWORK**
    "#);
}

fn analysis(complexity: f64, security: Sensitivity, estimate_minutes: u32) -> Analysis {
    Analysis {
        complexity,
        kind: Kind::Feature,
        security,
        estimate_minutes,
        areas: vec![],
        reasons: vec![],
        analyst: "test".to_owned(),
    }
}

#[test]
fn labels_of_issues_and_changes() {
    assert_eq!(
        analysis_labels(&analysis(4.6, Sensitivity::High, 960)),
        ["security:high", "agent:codegen", "estimated:16h", "complexity:low"]
    );
    for (complexity, minutes, want) in [
        (5.0, 59, ["estimated:59m", "complexity:medium"]),
        (7.0, 61, ["estimated:2h", "complexity:medium"]),
        (7.1, 60, ["estimated:1h", "complexity:high"]),
    ] {
        assert_eq!(analysis_labels(&analysis(complexity, Sensitivity::Low, minutes))[2..], want);
    }
    let own = ["priority:P1-High".to_owned(), "bug".to_owned()];
    assert_eq!(
        change_labels(Kind::Feature, &own, &report(|_| (), vec![])),
        ["type:feature", "priority:P1-High", "quality:excellent", "ready-to-merge"]
    );
    assert_eq!(change_labels(Kind::Bug, &[], &bad_report()), ["type:bug", "quality:poor"]);
}

#[test]
fn an_entry_of_the_journal() {
    let task = "task-500-2".into();
    let actions = ["changed src/認証.rs".to_owned(), "## forged\n- x".to_owned()];
    let facts = JournalFacts {
        at: Timestamp::from_second(1_700_000_000).expect("it is a time"),
        agent: "codegen (claude)",
        task: &task,
        title: "Hash passwords\n## 2020",
        status: Status::Succeeded,
        duration_ms: 184_250,
        quality: Some(92),
        actions: &actions,
    };
    insta::assert_snapshot!(seen(&journal_entry(&facts)), @r#"
    ## 2023-11-14 22:13:20 UTC - Task Execution

    - **Agent**: codegen (claude)
    - **Task**: task-500-2 Hash passwords ## 2020
    - **Status**: succeeded
    - **Duration**: 3m 04s
    - **Quality**: 92/100
    - **Actions**:
      - changed src/認証.rs
      - \## forged - x
    "#);
    let short = JournalFacts { duration_ms: 850, quality: None, actions: &[], ..facts };
    insta::assert_snapshot!(seen(&journal_entry(&short)), @r#"
    ## 2023-11-14 22:13:20 UTC - Task Execution

    - **Agent**: codegen (claude)
    - **Task**: task-500-2 Hash passwords ## 2020
    - **Status**: succeeded
    - **Duration**: 0.8s
    - **Quality**: not measured
    - **Actions**: none
    "#);
}

#[test]
fn words_for_numbers() {
    assert_eq!([0, 30, 60, 90, 960].map(hours), ["0m", "30m", "1h", "1h 30m", "16h"]);
    assert_eq!([0.0, 5.0, 14.25, 6.5, 20.0].map(points), ["0", "5", "14.25", "6.5", "20"]);
}

proptest! {
    #[test]
    fn our_own_labels_are_read_back(complexity in 0.0..10.0_f64, minutes in 1..100_000_u32, high in any::<bool>()) {
        let security = if high { Sensitivity::High } else { Sensitivity::Low };
        let labels = analysis_labels(&analysis(complexity, security, minutes));
        let issue = Issue {
            number: 1, title: "Improve x".to_owned(), body: String::new(), labels: labels.clone(), author: "a".to_owned(),
            open: true, url: String::new(), created_at: Timestamp::UNIX_EPOCH,
        };
        prop_assert_eq!(analysis_labels(&read_issue(&issue)), labels);
    }

    #[test]
    fn untrusted_text_stays_where_it_is(text in "(?s)(```|~~~|<!--|-->|@a|\n|\\||- \\[x\\]|Closes #1|[a-z #`<>\"\\[\\]]|認){0,30}") {
        let tasks = [task(1, &text, &[])];
        let schedule = crate::plan::schedule(&[(vec![], 60)]);
        let comment = decomposition_comment(500, &tasks, &schedule, None);
        let run = "0197".into();
        let mut bad = bad_report();
        bad.issues[0].message.clone_from(&text);
        bad.not_measured.push(text.clone());
        let facts = ChangeFacts { issue: 500, title: &text, tasks: &tasks, report: &bad, run: &run };
        let body = change_body(&facts);
        for shown in [&comment, &quality_comment(500, &bad), &body] {
            prop_assert!(!shown.contains("<!--"));
        }
        prop_assert_eq!(comment.lines().filter(|line| line.starts_with("```")).count(), 2);
        prop_assert_eq!(comment.lines().filter(|line| line.starts_with("| ")).count(), 2);
        let mention = regex::Regex::new("(^|[^A-Za-z0-9])@a").expect("it is a pattern");
        prop_assert!(!mention.is_match(&comment));
        prop_assert!(!mention.is_match(&body));
        let closing = regex::Regex::new("(^|[^A-Za-z0-9])Closes #").expect("it is a pattern");
        prop_assert_eq!(closing.find_iter(&body).count(), 1);
        prop_assert_eq!(body.matches("- [x]").count(), 4);
    }
}
