//! What starts something, what does not, and what is said about it.

use proptest::prelude::*;

use super::command::read;
use super::*;
use crate::delivery::Provider;

fn ignored(reason: &str) -> TriggerDecision {
    TriggerDecision::Ignored(reason.to_owned())
}

fn now() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().expect("a time")
}

fn issue(labels: &[&str]) -> Subject {
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    Subject { at: Place::Issue(500), open: true, labels }
}

fn seen(what: Happening) -> Occurrence {
    Occurrence {
        provider: Provider::Github,
        repo: Some("acme/shop".to_owned()),
        actor: Some(Actor { login: "alice".to_owned(), is_bot: false }),
        sent_at: Some(now()),
        event: String::new(),
        what,
    }
}

fn labeled(label: &str) -> Occurrence {
    seen(Happening::Labeled { on: issue(&["bug", label]), label: label.to_owned() })
}

fn said(body: &str) -> Occurrence {
    seen(Happening::Commented { on: issue(&[]), comment: 7, body: body.to_owned() })
}

fn judged(seen: &Occurrence) -> TriggerDecision {
    decide(seen, &TriggerSettings::default(), now())
}

fn write() -> Need {
    Need::Permission { of: "alice".to_owned(), at_least: Permission::Write }
}

fn run(rule: &str, note: &str, needs: Vec<Need>) -> TriggerDecision {
    let order = Order::Run { flow: "issue".to_owned(), on: Place::Issue(500), note: note.to_owned() };
    TriggerDecision::Accepted(Matched {
        rule: rule.to_owned(),
        repo: Some("acme/shop".to_owned()),
        actor: Some("alice".to_owned()),
        order,
        needs,
        starts: Vec::new(),
    })
}

fn command(command: Command, note: &str) -> TriggerDecision {
    let order = Order::Command { command, on: Place::Issue(500), comment: 7, note: note.to_owned() };
    TriggerDecision::Accepted(Matched {
        rule: "command".to_owned(),
        repo: Some("acme/shop".to_owned()),
        actor: Some("alice".to_owned()),
        order,
        needs: vec![write()],
        starts: Vec::new(),
    })
}

#[test]
fn a_label_starts_a_run_when_its_sender_may_write() {
    for label in ["miyabi", "Miyabi", "trigger:agent-execute"] {
        assert_eq!(judged(&labeled(label)), run("label", "", vec![write()]), "{label}");
    }
    assert_eq!(judged(&labeled("緊急")), ignored("label `緊急` starts nothing here"));
    let opened = |labels: &[&str]| judged(&seen(Happening::Opened(issue(labels))));
    assert_eq!(opened(&["bug", "miyabi"]), run("label", "", vec![write()]));
    assert_eq!(opened(&["bug"]), ignored("the issue has none of the labels that start a run"));
}

#[test]
fn comments_command() {
    let cases = [
        ("/miyabi run", run("comment", "", vec![write()])),
        ("/MIYABI Run:", run("comment", "", vec![write()])),
        ("/agent", run("comment", "", vec![write()])),
        ("@miyabi", run("comment", "", vec![write()])),
        ("@miyabi、ログインを直して", TriggerDecision::Ignored("the comment holds no command".to_owned())),
        ("@miyabi ログインを直して", run("comment", "ログインを直して", vec![write()])),
        ("@miyabi fix the login", run("comment", "fix the login", vec![write()])),
        ("@miyabi fix", command(Command::Fix, "")),
        ("@miyabi approve!", command(Command::Approve, "")),
        ("looks good\r\n\r\n/miyabi approve\r\nthanks", command(Command::Approve, "thanks")),
        ("/miyabi reject $(rm -rf /) \"${HOME}\"", command(Command::Reject, "$(rm -rf /) \"${HOME}\"")),
        ("/miyabi fix", command(Command::Fix, "")),
        ("/miyabi stop", command(Command::Stop, "")),
        ("/miyabi retry", command(Command::Retry, "")),
        ("/miyabi\u{3000}status", command(Command::Status, "")),
        ("/miyabi approve\n/miyabi approve", command(Command::Approve, "")),
    ];
    for (body, expected) in cases {
        assert_eq!(judged(&said(body)), expected, "{body}");
    }
}

#[test]
fn what_is_quoted_shown_or_hidden_commands_nothing() {
    for body in [
        "",
        "> /miyabi approve",
        "```\n/miyabi approve\n```",
        "~~~~ sh\n~~~\n/miyabi approve\n~~~~",
        "```\n/miyabi approve",
        "    /miyabi approve",
        "\t/miyabi approve",
        "<!-- \n/miyabi approve\n-->",
        "<!-- /miyabi approve -->",
        "<!-- /miyabi approve",
        "please /miyabi approve",
        "- /miyabi approve",
        "/miyabix approve",
        "thanks @miyabi",
        "@miyabi-bot approve",
        "a@miyabi approve",
    ] {
        assert_eq!(judged(&said(body)), ignored("the comment holds no command"), "{body}");
    }
    assert_eq!(judged(&said("<!-- a -->/miyabi stop")), command(Command::Stop, ""));
    assert_eq!(judged(&said("```sh\nls\n```\n/miyabi stop")), command(Command::Stop, ""));
}

#[test]
fn what_cannot_be_followed_is_refused_with_the_way_out() {
    let known = "known are `run`, `approve`, `reject`, `fix`, `stop`, `retry`, `status`";
    let cases = [
        ("/miyabi", format!("`/miyabi` alone is no command; {known}")),
        ("/miyabi aprove", format!("`aprove` is no command; {known}")),
        (
            "/miyabi approve\n/miyabi reject",
            "a comment gives one command, and this one gives `approve` and `reject`".to_owned(),
        ),
    ];
    for (body, reason) in cases {
        assert_eq!(judged(&said(body)), TriggerDecision::Rejected(reason), "{body}");
    }
}

#[test]
fn miyabi_does_not_listen_to_itself() {
    let own = "## Plan\n\n/miyabi run\n\n<!-- miyabi:plan -->\n";
    assert_eq!(judged(&said(own)), ignored("the comment is miyabi's own"));
    // A marker elsewhere is somebody's quotation.
    assert_eq!(judged(&said("<!-- miyabi:plan -->\n/miyabi stop")), command(Command::Stop, ""));

    let settings = TriggerSettings { own: vec!["Miyabi[bot]".to_owned()], ..TriggerSettings::default() };
    for mut seen in [labeled("miyabi"), said("/miyabi approve"), said("/miyabi nonsense")] {
        seen.actor = Some(Actor { login: "miyabi[bot]".to_owned(), is_bot: true });
        assert_eq!(decide(&seen, &settings, now()), ignored("`miyabi[bot]` is miyabi itself"));
    }
}

#[test]
fn a_bot_needs_its_exact_name_on_the_list() {
    let settings = TriggerSettings { bots: vec!["renovate[bot]".to_owned()], ..TriggerSettings::default() };
    let by = |login: &str, is_bot| {
        let actor = Some(Actor { login: login.to_owned(), is_bot });
        decide(&Occurrence { actor, ..labeled("miyabi") }, &settings, now())
    };
    let refused = |name: &str| {
        TriggerDecision::Rejected(format!("bot `{name}` is not on the list of bots that may ask"))
    };
    let TriggerDecision::Accepted(listed) = by("renovate[bot]", true) else { panic!("it is on the list") };
    assert_eq!(listed.needs, []);
    // A person with the name of a bot still needs the permission of a person.
    let TriggerDecision::Accepted(named) = by("renovate[bot]", false) else { panic!("it is on the list") };
    let need = Need::Permission { of: "renovate[bot]".to_owned(), at_least: Permission::Write };
    assert_eq!(named.needs, [need]);
    for (login, is_bot) in
        [("evil[bot]", true), ("evil[BOT]", false), ("Renovate[bot]", true), ("renovate", true)]
    {
        assert_eq!(by(login, is_bot), refused(login));
    }
    let nobody = Occurrence { actor: None, ..labeled("miyabi") };
    assert_eq!(judged(&nobody), TriggerDecision::Rejected("it names nobody who asks".to_owned()));
}

#[test]
fn conditions_are_kept_and_named() {
    let conditions = Conditions {
        require_labels: vec!["ready".to_owned()],
        exclude_labels: vec!["wip".to_owned()],
        require_review_approval: true,
        require_ci_pass: true,
        ..Conditions::default()
    };
    let label = On::Label { labels: vec!["miyabi".to_owned()] };
    let strict = Rule { conditions, ..Rule::new("strict", "issue", label.clone()) };
    let other = Rule { repo: Some("acme/other".to_owned()), ..Rule::new("other", "issue", label) };
    let settings = TriggerSettings { rules: vec![other, strict], ..TriggerSettings::default() };
    let with = |labels: &[&str]| {
        let what = Happening::Labeled { on: issue(labels), label: "miyabi".to_owned() };
        decide(&seen(what), &settings, now())
    };
    let needs = vec![write(), Need::ReviewApproval, Need::CiPass];
    assert_eq!(with(&["miyabi", "Ready"]), run("strict", "", needs));
    assert_eq!(with(&["miyabi"]), ignored("rule `strict`: label `ready` is missing"));
    assert_eq!(with(&["ready", "WIP"]), ignored("rule `strict`: label `wip` excludes it"));
    let what = Happening::Commented { on: issue(&[]), comment: 1, body: "/miyabi run".to_owned() };
    assert_eq!(decide(&seen(what), &settings, now()), ignored("no rule lets a comment start a run here"));
}

#[test]
fn what_is_closed_foreign_or_old_starts_nothing() {
    let closed = Subject { open: false, ..issue(&["miyabi"]) };
    let closed = seen(Happening::Labeled { on: closed, label: "miyabi".to_owned() });
    assert_eq!(judged(&closed), ignored("it is closed"));
    let change = Subject { at: Place::Change(9), ..issue(&["miyabi"]) };
    let change = seen(Happening::Labeled { on: change, label: "miyabi".to_owned() });
    assert_eq!(judged(&change), ignored("rule `label`: it is for issues, and this is a change"));

    let settings = TriggerSettings { repos: vec!["Acme/Shop".to_owned()], ..TriggerSettings::default() };
    assert!(matches!(decide(&labeled("miyabi"), &settings, now()), TriggerDecision::Accepted(_)));
    let foreign = Occurrence { repo: Some("evil/shop".to_owned()), ..labeled("miyabi") };
    assert_eq!(decide(&foreign, &settings, now()), ignored("repo `evil/shop` is not on the list of repos"));
    let nowhere = Occurrence { repo: None, ..labeled("miyabi") };
    assert_eq!(judged(&nowhere), ignored("it names no repo"));

    let days = |days: i64| Some(now() - SignedDuration::from_hours(24 * days));
    for old in [labeled("miyabi"), said("/miyabi approve")] {
        let old = Occurrence { sent_at: days(4), ..old };
        assert_eq!(judged(&old), ignored("it is stale: it happened at 2026-01-01T09:00:00Z"));
        let unlimited = TriggerSettings { max_age_secs: None, ..TriggerSettings::default() };
        assert!(matches!(decide(&old, &unlimited, now()), TriggerDecision::Accepted(_)));
        let late = Occurrence { sent_at: days(-1), ..old };
        assert!(matches!(judged(&late), TriggerDecision::Accepted(_)), "another clock is no offence");
    }
}

#[test]
fn facts_are_passed_on_whoever_caused_them() {
    let notice = Notice::Ci { commit: "1".repeat(40), branch: Some("main".to_owned()) };
    let actor = Some(Actor { login: "github-actions[bot]".to_owned(), is_bot: true });
    let ci = Occurrence { actor, sent_at: None, ..seen(Happening::Noticed(notice.clone())) };
    let TriggerDecision::Accepted(matched) = judged(&ci) else { panic!("it is a fact") };
    assert_eq!((matched.order, matched.needs), (Order::Notice { notice }, vec![]));

    let (added, removed) = (vec!["acme/new".to_owned()], vec!["acme/old".to_owned()]);
    let what = Happening::Enrolled { added: added.clone(), removed: removed.clone() };
    let TriggerDecision::Accepted(matched) = judged(&Occurrence { repo: None, ..seen(what) }) else {
        panic!("it is a fact")
    };
    assert_eq!((matched.order, matched.needs), (Order::Enrol { added, removed }, vec![]));

    assert_eq!(judged(&seen(Happening::Ping)), ignored("a ping asks for nothing"));
    let nothing = Happening::Nothing { reason: "nobody asked".to_owned() };
    assert_eq!(judged(&seen(nothing)), ignored("nobody asked"));
}

#[test]
fn settings_are_read_as_people_write_them() {
    let written = serde_json::json!({
        "rules": [{
            "name": "ready", "flow": "issue", "repo": "acme/shop",
            "on": {"type": "label", "labels": ["go"]},
            "conditions": {"requireLabels": ["ok"], "excludeLabels": [], "requireReviewApproval": true, "requireCIPass": true}
        }],
        "bots": ["renovate[bot]"]
    });
    let settings: TriggerSettings = serde_json::from_value(written).expect("they are settings");
    let conditions = Conditions {
        require_labels: vec!["ok".to_owned()],
        require_review_approval: true,
        require_ci_pass: true,
        ..Conditions::default()
    };
    let rule = Rule {
        repo: Some("acme/shop".to_owned()),
        conditions,
        ..Rule::new("ready", "issue", On::Label { labels: vec!["go".to_owned()] })
    };
    let bots = vec!["renovate[bot]".to_owned()];
    assert_eq!(settings, TriggerSettings { rules: vec![rule], bots, ..TriggerSettings::default() });
}

proptest! {
    #[test]
    fn any_comment_is_read(body in "(?s)(.|\n|> |```|~~~|<!--|-->|/miyabi |run|approve|@miyabi ){0,40}") {
        let settings = TriggerSettings::default();
        // Quoted as a whole, nothing of it is obeyed.
        let quoted: String = body.lines().map(|line| format!("> {line}\n")).collect();
        prop_assert_eq!(read(&quoted, &settings), Said::Nothing);
        let hidden = format!("<!-- {} -->", body.replace('>', ""));
        prop_assert_eq!(read(&hidden, &settings), Said::Nothing);
        read(&body, &settings);
    }
}
