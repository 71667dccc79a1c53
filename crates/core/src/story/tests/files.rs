//! The files of stories.

use proptest::prelude::*;

use crate::story::{State, Story, read_file, read_files, write_file};

const LOGIN: &str = "id: login\ntitle: ログイン\nstory: |\n  利用者はログインできる。\nacceptance_criteria:\n  - 正しい合言葉で入れる\n  - \"it's: fine\"\nstate: paused\n";

#[test]
fn a_story_is_read() {
    let story = read_file(LOGIN, "a.yaml").unwrap();
    assert_eq!(story.title, "ログイン");
    assert_eq!(story.story, "利用者はログインできる。");
    assert_eq!(story.acceptance_criteria, ["正しい合言葉で入れる", "it's: fine"]);
    assert_eq!((story.state, story.path.as_str()), (State::Paused, "a.yaml"));
    assert_eq!(read_file("id: a\ntitle: b\nstory: c\n", "a").unwrap().state, State::Active);
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let text = "id: log in\ntitel: x\nstory: ' '\nstate: done\nacceptance_criteria: {a: b}\n";
    let problems = read_file(text, "s/x.yaml").unwrap_err();
    let shown: Vec<_> = problems.iter().map(|p| format!("{}:{} {}", p.line, p.column, p.rule)).collect();
    assert_eq!(
        shown,
        [
            "1:1 missing-key",
            "1:5 bad-id",
            "2:1 unknown-key",
            "3:8 no-value",
            "4:8 unknown-word",
            "5:22 wrong-type"
        ]
    );
    assert!(problems[1].to_string().starts_with("s/x.yaml:1:5: "), "{}", problems[1]);
    for (text, rule) in [
        ("", "empty"),
        ("a: [", "yaml-syntax"),
        ("- a", "wrong-type"),
        ("id: -a\ntitle: b\nstory: c", "bad-id"),
    ] {
        assert!(read_file(text, "x").unwrap_err().iter().any(|p| p.rule == rule), "{text}");
    }
}

#[test]
fn of_two_files_with_one_id_neither_counts() {
    let other = LOGIN.replace("login", "other");
    let (stories, problems) =
        read_files([("a.yaml", LOGIN), ("b.yaml", LOGIN), ("c.yaml", &other), ("d.yaml", "x")]);
    assert_eq!(stories.iter().map(|story| story.id.as_str()).collect::<Vec<_>>(), ["other"]);
    let shown: Vec<_> = problems.iter().map(|p| format!("{}:{} {}", p.file, p.line, p.rule)).collect();
    assert_eq!(shown, ["a.yaml:1 duplicate-id", "b.yaml:1 duplicate-id", "d.yaml:1 wrong-type"]);
    assert!(problems[0].message.contains("b.yaml"), "{}", problems[0]);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        title in r"\PC{1,30}",
        text in r"(?:[\PC\n]){1,80}",
        criteria in prop::collection::vec(r"\PC{1,20}", 0..4),
    ) {
        let good = |text: &str| !text.trim().is_empty() && !text.chars().any(|c| c.is_control() && c != '\n');
        prop_assume!(good(&text) && criteria.iter().all(|text| good(text)) && good(&title));
        let story = Story {
            id: "見る-1".to_owned(),
            title: title.trim().to_owned(),
            story: text.trim().to_owned(),
            acceptance_criteria: criteria.iter().map(|text| text.trim().to_owned()).collect(),
            state: State::Planned,
            path: "x.yaml".to_owned(),
        };
        prop_assert_eq!(read_file(&write_file(&story), "x.yaml"), Ok(story));
    }
}
