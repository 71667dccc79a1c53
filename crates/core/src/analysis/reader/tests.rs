//! Tests of the module that this file belongs to.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn issue(title: &str, body: &str, labels: &[&str]) -> Issue {
    Issue {
        number: 500,
        title: title.to_owned(),
        body: body.to_owned(),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        author: "alice".to_owned(),
        open: true,
        url: "miyabi issue show 500".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn read(title: &str, body: &str, labels: &[&str]) -> Analysis {
    read_issue(&issue(title, body, labels))
}

#[test]
fn the_issue_of_the_demo_proceeds() {
    let text = include_str!("../../../tests/fixtures/issue-500.md");
    let (title, body) = text.split_once('\n').expect("it has a title");
    insta::assert_json_snapshot!(read(title.trim_start_matches("# "), body, &["enhancement"]), @r#"
    {
      "complexity": 4.6,
      "kind": "feature",
      "security": "high",
      "estimate_minutes": 960,
      "areas": [
        "src/types.rs",
        "src/password.rs",
        "src/session.rs",
        "src/api.rs",
        "tests/integration.rs",
        "docs/authentication.md"
      ],
      "reasons": [
        "read by rules, without a model: 6 items of work, 2 headings, 1046 characters",
        "kind feature: the label `enhancement`",
        "security high: it speaks of `authentication`, `password`, `passwords`, `tokens`, `token` and 1 more",
        "estimate 960 minutes: 6 items state theirs, 0 are taken as usual for their kind",
        "+1.0: every issue starts here",
        "+1.5: 6 items of work",
        "+0.5: 5 items wait for others",
        "+0.8: a mistake would do harm (security high)",
        "+0.5: about 16 hours of work, two days or more",
        "+0.3: 6 parts of the code are named",
        "complexity 4.6 of 10"
      ],
      "analyst": "deterministic reader"
    }
    "#);
}

#[test]
fn a_typo_is_simple() {
    insta::assert_json_snapshot!(read("Fix typo in README", "`recieve` → `receive`", &[]), @r#"
    {
      "complexity": 0.5,
      "kind": "docs",
      "security": "low",
      "estimate_minutes": 30,
      "areas": [
        "typo",
        "readme"
      ],
      "reasons": [
        "read by rules, without a model: no list of tasks, 0 headings, 21 characters",
        "kind docs: the title says `typo`",
        "security low: no word of the list of guarded things is in it",
        "estimate 30 minutes: `typo` and no list of tasks",
        "+1.0: every issue starts here",
        "−0.5: it is said to be small (`typo`)",
        "complexity 0.5 of 10"
      ],
      "analyst": "deterministic reader"
    }
    "#);
}

#[test]
fn a_rewrite_waits_for_a_person() {
    let items: String = (0..12).map(|n| format!("- [ ] Move part {n} (depends on {n})\n")).collect();
    let body = format!("This is a breaking migration of the database.\n\n{items}");
    let analysis = read("Rewrite everything", &body, &[]);
    assert!(analysis.complexity > 7.0, "{analysis:#?}");
    let analysis = read(
        "全面的に書き直す",
        "大規模な移行です。互換性はありません。データベースも変わる。",
        &["size:xl"],
    );
    assert!(analysis.complexity >= 5.0, "{analysis:#?}");
}

#[test]
fn labels_are_a_persons_word() {
    let analysis = read(
        "Add login",
        "",
        &["documentation", "security:low", "complexity:high", "estimated:16h", "state:pending"],
    );
    assert_eq!(
        (analysis.kind, analysis.security, analysis.estimate_minutes, analysis.complexity),
        (Kind::Docs, Sensitivity::Low, 960, 7.1)
    );
    for (label, want) in
        [("complexity:low", 1.0), ("complexity:medium", 5.0), ("complexity:6.5", 6.5), ("complexity:99", 1.0)]
    {
        assert_eq!(read("Add things", "", &[label]).complexity, want, "{label}");
    }
    assert_eq!(read("Add things", "", &["Security"]).security, Sensitivity::High);
    assert_eq!(read("Crash", "", &["type:bug"]).kind, Kind::Bug);
}

#[test]
fn security_words_in_two_languages() {
    for (title, body, want) in [
        ("Add user authentication", "", Sensitivity::High),
        ("ユーザー認証を追加", "", Sensitivity::High),
        ("Improve start-up", "uses the password and the permission table", Sensitivity::High),
        ("Improve start-up", "the author of the tokenizer", Sensitivity::Low),
        ("Improve start-up", "```\npassword token secret\n```\n<!-- password token -->", Sensitivity::Low),
        ("Improve start-up", "mentions a password", Sensitivity::Medium),
        ("Improve the SQL", "", Sensitivity::Medium),
        ("Improve start-up", "", Sensitivity::Low),
    ] {
        assert_eq!(read(title, body, &[]).security, want, "{title} {body}");
    }
}

#[test]
fn estimates_are_stated_or_summed_or_usual() {
    for (title, body, want) in [
        ("Add x", "Estimate: 3 days", 1440),
        ("Add x", "- [ ] a (2h)\n- [ ] b ~30m\n- [x] c (99h)\n", 150),
        ("Add x", "- [ ] a (2h)\n- [ ] docs: b\n", 150),
        ("Add x", "", 120),
        ("Fix crash", "", 90),
        ("Tiny change", "", 30),
        ("Huge change", "", 4800),
        ("Add x", "Estimate: 9999 weeks", MAX_ESTIMATE),
    ] {
        assert_eq!(read(title, body, &[]).estimate_minutes, want, "{title} {body}");
    }
}

#[test]
fn areas_are_paths_or_words() {
    assert_eq!(
        read(
            "Add x",
            "see `src/a.rs`, src/a.rs, https://e.example/b.rs, ../c.rs, /etc/d.toml and Cargo.toml.",
            &[]
        )
        .areas,
        ["src/a.rs", "Cargo.toml"]
    );
    assert_eq!(read("Fix the empty-input crash", "", &[]).areas, ["empty-input", "crash"]);
    assert_eq!(read("ログインを追加", "", &[]).areas, ["ログインを追加"]);
}

#[test]
fn two_megabytes_are_read() {
    let body = "- [ ] Add (2h) @b `c` ${x} $(rm) \"認証\", and much more on the same line\n".repeat(28_000);
    assert!(body.len() > 2_000_000);
    let analysis = read("Big", &body, &[]);
    assert_eq!((analysis.complexity, analysis.security), (9.9, Sensitivity::Medium));
    assert_eq!(analysis.estimate_minutes, MAX_ESTIMATE);
}

#[test]
fn endless_repetitions_are_read() {
    for piece in
        ["((((", "<!--", "a", "# ", "~~~\n", "[](", "1 days src/", "\u{3000}", "after #", "- [ ] ", "a.rs/"]
    {
        let body = piece.repeat(100_000 / piece.len());
        let analysis = read("Big", &body, &[]);
        assert!((1.0..=10.0).contains(&analysis.complexity), "{piece:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_rated(title in "(?s).{0,60}", body in "(?s).{0,200}", labels in prop::collection::vec("(?s).{0,20}|complexity:[0-9.]{0,12}", 0..4)) {
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let issue = issue(&title, &body, &labels);
        let analysis = read_issue(&issue);
        prop_assert!((0.0..=10.0).contains(&analysis.complexity));
        prop_assert!(analysis.estimate_minutes >= 1);
        prop_assert_eq!(analysis, read_issue(&issue));
    }
}
