//! Tests of the module that this file belongs to.

use proptest::prelude::*;

use super::*;
use crate::reading::outline::Outline;

fn one(text: &str) -> Work {
    read(&Item { text: text.to_owned(), ..Item::default() })
}

fn numbers(work: &Work) -> Vec<u32> {
    work.after.iter().map(|reference| reference.number).collect()
}

#[test]
fn all_markers_of_an_item() {
    let outline = Outline::read(
        "- [ ] Hash passwords (depends on 1, 2; 4h; files: `src/password.rs`, src/lib.rs) [test] — with argon2\n  - never in plain text\n  - Files: tests/a.rs\n  and a salt\n  - Depends on: 3\n",
    );
    assert_eq!(
        read(outline.work()[0]),
        Work {
            title: "Hash passwords".to_owned(),
            description: "with argon2\nand a salt".to_owned(),
            criteria: vec!["never in plain text".to_owned()],
            after: [1, 2, 3].map(|number| Reference { number, hash: false }).into(),
            minutes: Some(240),
            files: ["src/password.rs", "src/lib.rs", "tests/a.rs"].map(str::to_owned).into(),
            kind: Some(Kind::Test),
        }
    );
}

#[test]
fn titles_end_where_the_explanation_begins() {
    for (text, title, description) in [
        ("User model", "User model", ""),
        ("User model (types)", "User model (types)", ""),
        ("Add login: name and password", "Add login", "name and password"),
        ("Add login – soon: really", "Add login", "soon: really"),
        ("**Add login**: name", "Add login", "name"),
        ("**Add login** with name", "Add login", "with name"),
        ("ログインを追加：名前とパスワード", "ログインを追加", "名前とパスワード"),
        ("docs: Describe login: all of it", "Describe login", "all of it"),
        ("Docs", "Docs", ""),
        ("feat(types): Add model — soon", "feat(types): Add model", "soon"),
        ("Use std::fmt and https://example.com/a.", "Use std::fmt and https://example.com/a", ""),
        ("See [the page](https://example.com/x) (2h)", "See the page", ""),
        ("Quote \"it\" `x` $(rm) ${y} (really?)", "Quote \"it\" `x` $(rm) ${y} (really?)", ""),
        ("Add (2h) login ~3h", "Add login", ""),
        ("(2h)", "", ""),
    ] {
        let work = one(text);
        assert_eq!((work.title.as_str(), work.description.as_str()), (title, description), "{text:?}");
    }
    let long = one(&"長い".repeat(300));
    assert_eq!((long.title.chars().count(), long.description.chars().count()), (200, 600));
}

#[test]
fn dependencies_in_many_words() {
    for (text, want) in [
        ("x (depends on 1)", vec![1]),
        ("x (after #2)", vec![2]),
        ("x (blocked by task 3 and task-500-4)", vec![3, 4]),
        ("x (needs: 1 & 2, 3h)", vec![1, 2]),
        ("x （依存: 1、2）", vec![1, 2]),
        ("x（タスク1の後）", vec![1]),
        ("x, depends on #1 and #2.", vec![1, 2]),
        ("x after #5", vec![5]),
        ("x blocked by: 5", vec![5]),
        ("retry after 3 seconds", vec![]),
        ("depends on 2 services", vec![]),
        ("x (after lunch)", vec![]),
        ("x (depends on the weather)", vec![]),
        ("x (depends on 99999999999999999999)", vec![]),
    ] {
        assert_eq!(numbers(&one(text)), want, "{text:?}");
    }
    assert!(one("x (after #2)").after[0].hash);
    assert_eq!(one("x (depends on the weather)").title, "x (depends on the weather)");
}

#[test]
fn durations() {
    for (text, want) in [
        ("2h", Some(120)),
        ("~3 days", Some(1440)),
        ("1.5 hours", Some(90)),
        ("0.25h", Some(15)),
        ("30 min", Some(30)),
        ("1 週間", Some(2400)),
        ("約2時間", Some(120)),
        ("0 h", Some(1)),
        ("9999w", Some(23_997_600)),
        ("2 hats", None),
        ("h", None),
        ("-2h", None),
    ] {
        assert_eq!(minutes(text), want, "{text:?}");
    }
    assert_eq!(stated_estimate("words\n**Estimate:** ~16h\n"), Some(960));
    assert_eq!(stated_estimate("見積もり：3日"), Some(1440));
    assert_eq!(stated_estimate("we estimate that 3 days are enough"), None);
}

proptest! {
    #[test]
    fn any_item_is_read(text in "(?s).{0,60}|([a(\\[;,:—~#0-9 h\\])（）]|depends on |after |files: ){0,25}") {
        let work = one(&text);
        prop_assert!(work.title.chars().count() <= crate::task::MAX_TITLE);
        prop_assert!(!work.title.contains('\n'));
    }
}
