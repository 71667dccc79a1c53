//! Facts from what a forge shows.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::issue::Issue;

fn change(title: &str, body: &str) -> Change {
    Change {
        number: 7,
        issue: 0,
        title: title.to_owned(),
        body: body.to_owned(),
        head: "login".to_owned(),
        base: "main".to_owned(),
        head_commit: CommitId::new("c2"),
        state: ChangeState::Open,
        merge_commit: None,
        labels: vec!["area:web".to_owned()],
        url: "https://forge.example/alice/shop/pull/7".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn survey() -> Survey {
    Survey { author: Some("Alice".to_owned()), ..Survey::of(change("Add login", "")) }
}

fn review(by: &str, state: ReviewState, commit: &str, may_write: bool) -> Review {
    Review { by: by.to_owned(), state, commit: Some(CommitId::new(commit)), may_write }
}

#[test]
fn each_persons_newest_word_counts_and_only_of_those_who_may_merge() {
    use ReviewState::{Approved, ChangesRequested, Commented, Dismissed};
    let says = |reviews: &[(&str, ReviewState, &str, bool)]| {
        let reviews =
            reviews.iter().map(|&(by, state, commit, may)| review(by, state, commit, may)).collect();
        let facts = ReviewFacts::of(&Survey { reviews: Some(reviews), ..survey() });
        (facts.state, facts.approvals, facts.stale_approvals, facts.changes_requested)
    };
    type Case<'a> = (&'a [(&'a str, ReviewState, &'a str, bool)], (Reviewed, usize, usize, usize));
    let table: &[Case<'_>] = &[
        (&[], (Reviewed::None, 0, 0, 0)),
        (&[("bob", Approved, "c2", true)], (Reviewed::Approved, 1, 0, 0)),
        (&[("bob", Approved, "c1", true)], (Reviewed::None, 0, 1, 0)),
        (&[("bob", Approved, "c1", true), ("bob", Approved, "c2", true)], (Reviewed::Approved, 1, 0, 0)),
        (&[("bob", Approved, "c2", true), ("BOB", Approved, "c2", true)], (Reviewed::Approved, 1, 0, 0)),
        (&[("bob", Approved, "c2", true), ("bob", Commented, "c2", true)], (Reviewed::Approved, 1, 0, 0)),
        (&[("bob", Approved, "c2", true), ("bob", Dismissed, "c2", true)], (Reviewed::None, 0, 0, 0)),
        (
            &[("bob", ChangesRequested, "c2", true), ("bob", Approved, "c2", true)],
            (Reviewed::Approved, 1, 0, 0),
        ),
        // Only who asked takes it back, whatever was pushed since.
        (
            &[("bob", ChangesRequested, "c1", true), ("eve", Approved, "c2", true)],
            (Reviewed::ChangesRequested, 1, 0, 1),
        ),
        // Neither the author nor who happens to pass by decides anything.
        (&[("alice", Approved, "c2", true), ("mallory", Approved, "c2", false)], (Reviewed::None, 0, 0, 0)),
        (&[("mallory", ChangesRequested, "c2", false)], (Reviewed::None, 0, 0, 0)),
    ];
    for (reviews, expected) in table {
        assert_eq!(says(reviews), *expected, "{reviews:?}");
    }
    let none = ReviewFacts::of(&survey());
    assert_eq!(
        (none.state, none.approvals),
        (Reviewed::Unknown, 0),
        "a forge without reviews approves nothing"
    );
    let gone = Review { commit: None, ..review("bob", Approved, "", true) };
    assert!(ReviewFacts::of(&Survey { reviews: Some(vec![gone]), ..survey() }).reviewers[0].stale);
}

#[test]
fn ci_is_what_its_checks_are() {
    use CheckState::{Failed, Passed, Pending};
    let says = |checks: Option<&[CheckState]>| {
        let check = |(n, &state): (usize, &CheckState)| CiCheck { name: format!("c{n}"), state, url: None };
        let checks = checks.map(|checks| checks.iter().enumerate().map(check).collect());
        CiFacts::of(&Survey { checks, ..survey() })
    };
    for (checks, expected) in [
        (None, CiState::NotConfigured),
        (Some(&[][..]), CiState::None),
        (Some(&[Passed, Passed]), CiState::Passed),
        (Some(&[Passed, Pending]), CiState::Pending),
        (Some(&[Passed, Pending, Failed]), CiState::Failed),
    ] {
        assert_eq!(says(checks).state, expected, "{checks:?}");
    }
    let facts = says(Some(&[Passed, Pending, Failed, Passed]));
    assert_eq!((facts.passed, facts.pending, facts.failed), (2, 1, 1));
    assert_eq!(
        facts.checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(),
        ["c2", "c1", "c0", "c3"]
    );
    assert_eq!(serde_json::to_value(&facts).unwrap()["state"], "failed");
}

#[test]
fn issues_are_linked_by_the_words_that_people_use() {
    let says = |title: &str, body: &str| {
        linked(&change(title, body)).into_iter().map(|link| (link.issue, link.closes)).collect::<Vec<_>>()
    };
    let table: &[(&str, &[(u64, bool)])] = &[
        ("Closes #12", &[(12, true)]),
        ("It fixes: GH-12 and more", &[(12, true)]),
        ("Resolves issue #12, #13 and #14.", &[(12, true), (13, false), (14, false)]),
        ("Refs #12\nPart of #13, related to #14", &[(12, false), (13, false), (14, false)]),
        ("Refs #12, closes #12", &[(12, true)]),
        ("Closes https://forge.example/alice/shop/issues/12", &[(12, true)]),
        ("Closes https://forge.example/other/shop/issues/12 and bob/web#3", &[]),
        ("`Closes #12`\n```\nCloses #13\n```\n<!-- Closes #14 -->", &[]),
        ("see #12, prefix #13, discloses #14, #15", &[]),
        ("closes #7, closes #0", &[]),
        ("Closes #99999999999999999999", &[]),
        ("認証を足す（Closes #12）", &[(12, true)]),
    ];
    for (body, expected) in table {
        assert_eq!(says("Add login", body), *expected, "{body}");
    }
    assert_eq!(says("Add login (fixes #3)", ""), [(3, true)]);
    assert_eq!(linked(&Change { issue: 5, ..change("x", "") }), [Link { issue: 5, closes: false }]);
    let many: String = (20..50).map(|n| format!("refs #{n}\n")).collect();
    assert_eq!(says("x", &many).len(), 10);
}

fn issue(number: u64, title: &str, body: &str) -> (Link, Option<Issue>) {
    let issue = Issue {
        number,
        title: title.to_owned(),
        body: body.to_owned(),
        labels: Vec::new(),
        author: "bob".to_owned(),
        open: true,
        url: String::new(),
        created_at: Timestamp::UNIX_EPOCH,
    };
    (Link { issue: number, closes: true }, Some(issue))
}

#[test]
fn requirements_are_what_lists_and_boxes_ask_for() {
    let said = |asked: &Asked| {
        let line = |one: &Requirement| {
            let line = one.line.map_or_else(|| "-".to_owned(), |line| line.to_string());
            let ticked = one.ticked.map_or("", |ticked| if ticked { " x" } else { " _" });
            format!("{} {line} {:?}{ticked}: {}", one.id, one.kind, one.text)
        };
        asked.items.iter().map(line).collect::<Vec<_>>()
    };
    let body = "Intro\n\n## Tasks\n- [x] Add the form\n- [ ] Hash <!-- quietly -->passwords\n  - nested\n\n\
                ## Acceptance criteria\n1. 誰でもログインできる\n\n## Background\n- [ ] not asked for\n";
    let own = change(
        "Add login",
        "Closes #12\n\n- [ ] Tell `${env.SECRET}` @all\n\n## Checklist\n- [x] I ran the tests\n",
    );
    let gone = (Link { issue: 13, closes: false }, None);
    let asked = Asked::of(Some(&own), &[issue(12, "Log in", body), gone, issue(14, "Log\nout", "No list.")]);
    assert_eq!(
        said(&asked),
        [
            "12.1 4 Task x: Add the form",
            "12.2 5 Task _: Hash passwords",
            "12.3 9 Acceptance: 誰でもログインできる",
            "14.1 - Title: Log out",
            "7.1 3 Task _: Tell `${env.SECRET}` @all",
        ]
    );
    let sources: Vec<_> =
        asked.sources.iter().map(|one| (one.source.as_str(), one.title.as_deref())).collect();
    assert_eq!(
        sources,
        [
            ("issue #12", Some("Log in")),
            ("issue #13", None),
            ("issue #14", Some("Log out")),
            ("change #7", Some("Add login")),
        ]
    );
    assert_eq!(said(&Asked::of(Some(&change("Add login", "text")), &[])), ["7.1 - Title: Add login"]);
    let many: String = (0..120).map(|n| format!("- [ ] item {n}\n")).collect();
    let asked = Asked::of(None, &[issue(12, "Many", &many)]);
    assert_eq!((asked.items.len(), asked.left_out), (100, 20));
}

#[test]
fn evidence_that_is_not_there_proves_nothing() {
    let body = "- [ ] a\n- [ ] b\n- [ ] c\n- [ ] d\n- [ ] e\n- [ ] f\n";
    let asked = Asked::of(None, &[issue(12, "x", body)]);
    let one = |id: &str, judgement, evidence: &[&str]| Judgement {
        id: id.to_owned(),
        judgement,
        evidence: evidence.iter().map(|&place| place.to_owned()).collect(),
        note: "so\nit is".to_owned(),
    };
    let said = Judgements {
        requirements: vec![
            one("12.1", Met::Met, &["src/a.rs:1-3", "src/none.rs:1-1"]),
            one("12.2", Met::Met, &["src/a.rs:3-4"]),
            one("12.3", Met::Partly, &[]),
            one("12.4", Met::NotMet, &[]),
            one("12.5", Met::Met, &["src/a.rs:1-1"]),
            one("12.5", Met::NotMet, &[]),
            one("99.1", Met::Met, &["src/a.rs:1-1", "../../etc/passwd:1-1"]),
        ],
    };
    assert_eq!(said.paths(), ["src/a.rs", "src/none.rs"]);
    let judged = said.judged(&asked, &BTreeMap::from([("src/a.rs".to_owned(), 3)]));
    let told: Vec<_> =
        judged.requirements.iter().map(|one| (one.id.as_str(), one.judgement, one.said)).collect();
    assert_eq!(
        told,
        [
            ("12.1", Met::Met, Some(Met::Met)),
            ("12.2", Met::Unclear, Some(Met::Met)),
            ("12.3", Met::Unclear, Some(Met::Partly)),
            ("12.4", Met::NotMet, Some(Met::NotMet)),
            // Said twice, or not at all.
            ("12.5", Met::Unclear, None),
            ("12.6", Met::Unclear, None),
        ]
    );
    assert_eq!((judged.met, judged.partly, judged.not_met, judged.unclear), (1, 0, 1, 4));
    assert_eq!(judged.unknown, ["99.1"]);
    let places: Vec<_> = judged.requirements[0].evidence.iter().map(|place| place.is_there).collect();
    assert_eq!(places, [true, false]);
    assert_eq!(judged.requirements[1].evidence[0].why_not.as_deref(), Some("the file has 3 lines"));
    assert_eq!(judged.requirements[0].note, "so it is");
}

#[test]
fn of_many_files_some_are_counted() {
    let file = |n: usize| TouchedFile {
        path: format!("f{n}"),
        how: "added".to_owned(),
        insertions: 1,
        deletions: 0,
    };
    let facts = ChangeFacts::of(&Survey { files: Some((0..230).map(file).collect()), ..survey() });
    assert_eq!((facts.files.map(|files| files.len()), facts.files_left_out), (Some(200), 30));
    assert_eq!(ChangeFacts::of(&survey()).files, None);
}

#[test]
fn every_kind_has_a_word() {
    for fact in Fact::ALL {
        assert_eq!(serde_json::to_value(fact).unwrap(), fact.as_str());
    }
}
