//! A folder of flow files: what the good ones come to, and every problem of the bad ones.
//!
//! What is expected stands beside each file as `.txt`; `MIYABI_UPDATE=1` writes it anew.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests read files")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::flow::{self, Flow};
use miyabi_core::plan::{OnFailure, RunCondition, Uses, Work};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows").join(name)
}

fn files(name: &str) -> Vec<(String, PathBuf)> {
    let mut files: Vec<_> = std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    files.sort();
    files
}

/// Compares with the file beside, and says which ones differ.
fn compare(name: &str, show: impl Fn(&str, &str) -> String) {
    let update = std::env::var_os("MIYABI_UPDATE").is_some();
    let mut stale = Vec::new();
    for (file, path) in files(name) {
        let shown = show(&std::fs::read_to_string(&path).unwrap(), &file);
        let beside = path.with_extension("txt");
        if update {
            std::fs::write(&beside, &shown).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if shown != expected {
            stale.push(format!("{file}\n--- expected\n{expected}\n--- found\n{shown}"));
        }
    }
    assert!(stale.is_empty(), "set MIYABI_UPDATE=1 to accept\n\n{}", stale.join("\n"));
}

/// The whole flow, one fact a line.
fn describe(flow: &Flow) -> String {
    let Flow { name, description, version, trigger, plan } = flow;
    let mut out =
        format!("name {name:?}\ndescription {description:?}\nversion {version:?}\ntrigger {trigger:?}\n");
    for step in &plan.steps {
        writeln!(out, "{step:?}").unwrap();
    }
    out
}

#[test]
fn good_files_become_plans() {
    assert!(files("good").len() >= 10);
    compare("good", |text, file| match flow::parse(text, file) {
        Ok(flow) => describe(&flow),
        Err(problems) => panic!("{file}: {problems:#?}"),
    });
}

#[test]
fn bad_files_show_every_problem() {
    assert!(files("bad").len() >= 25);
    compare("bad", |text, file| match flow::parse(text, file) {
        Ok(flow) => panic!("{file} has no problems: {flow:#?}"),
        Err(problems) => {
            let shown: Vec<String> = problems.iter().map(|problem| problem.render(text)).collect();
            shown.join("\n")
        }
    });
}

#[test]
fn the_issue_flow_is_one_of_the_good_ones() {
    let flow = flow::parse(include_str!("../../../agents/flows/issue.yaml"), "issue.yaml").unwrap();
    assert_eq!(flow.name, "issue");
    let uses: Vec<Uses> = flow
        .plan
        .steps
        .iter()
        .map(|step| match &step.work {
            Work::Uses(uses) => *uses,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<Uses> = Uses::ALL.into_iter().filter(|uses| *uses != Uses::Update).collect();
    let mut sorted = uses.clone();
    sorted.sort_by_key(|uses| Uses::ALL.iter().position(|known| known == uses));
    assert_eq!(sorted, expected);

    let needs = |name: &str| {
        let step = flow.plan.steps.iter().find(|step| step.id.as_str() == name).unwrap();
        (step.needs.iter().map(|need| need.as_str()).collect::<Vec<_>>(), step.run_condition, step.on_failure)
    };
    let (success, stop) = (RunCondition::OnSuccess, OnFailure::Stop);
    assert_eq!(needs("analyse"), (vec![], success, stop));
    assert_eq!(needs("merge"), (vec!["ci"], success, stop));
    let before = vec!["analyse", "decompose", "execute", "review", "change", "ci", "merge", "deploy"];
    assert_eq!(needs("record"), (before, RunCondition::Always, OnFailure::Continue));
    assert_eq!(needs("cleanup"), (vec!["merge", "record"], success, OnFailure::Continue));
    assert_eq!(needs("close"), (vec!["merge", "deploy", "cleanup"], success, stop));
}

#[test]
fn a_problem_is_a_failure_of_the_input() {
    let problem = flow::parse("nam: x\nname: y\nsteps: [{name: a, uses: analyse}]", "流れ.yaml").unwrap_err();
    assert_eq!(problem.len(), 1);
    let failure = Failure::from(problem[0].clone());
    let expected =
        Failure::new(FailureClass::Input, "流れ.yaml:1:1: unknown key `nam` in a flow [unknown-key]")
            .hint("did you mean `name`?");
    assert_eq!(failure, expected);
}

#[test]
fn too_much_is_refused() {
    let big = format!("name: a # {}\n", "長".repeat(flow::MAX_BYTES / 3));
    let problems = flow::parse(&big, "big.yaml").unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["big.yaml:1:1: the file has 1048586 bytes; at most 1048576 are read [too-large]\n\
          hint: a flow names steps; keep data in files of its own"]
    );

    let mut many = "name: a\nsteps:\n".to_owned();
    for n in 0..=flow::MAX_STEPS {
        writeln!(many, "- {{name: s{n}, uses: analyse}}").unwrap();
    }
    let problems = flow::parse(&many, "many.yaml").unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["many.yaml:10003:3: there are 10001 steps; at most 10000 are read [too-large]"]);
}

#[test]
fn ten_thousand_wrong_steps_are_shown_in_bounds() {
    let mut many = "name: a\nsteps:\n".to_owned();
    for n in 0..flow::MAX_STEPS {
        let need = (n * 7919 + 1) % flow::MAX_STEPS;
        writeln!(many, "- {{name: s{n}, uses: merge, depends_on: [s{need}, t{n}]}}").unwrap();
    }
    let problems = flow::parse(&many, "many.yaml").unwrap_err();
    assert_eq!(problems.len(), 1001);
    assert_eq!(problems[1000].rule, "too-many-problems");
}
