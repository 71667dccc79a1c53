//! A folder of flow files: what the good ones come to, and every problem of the bad ones.
//!
//! What is expected stands beside each file as `.txt`; `MIYABI_UPDATE=1` writes it anew.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests read files")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::flow::{self, Flow, Known};
use miyabi_core::ids::StepId;
use miyabi_core::plan::{OnFailure, RunCondition, Step, Uses, Work};

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

/// What the files may name.
fn known() -> Known {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Known {
        agents: Some(names(&[
            "ci-checker",
            "codegen",
            "coordinator",
            "e2e-tester",
            "issue",
            "pr-analyzer",
            "pr-reviewer",
            "report-generator",
        ])),
        skills: Some(names(&["browser"])),
        environment: Some(names(&["HOME"])),
    }
}

/// The whole flow, one fact a line.
fn describe(flow: &Flow) -> String {
    let Flow { name, description, version, trigger, plan } = flow;
    let mut out =
        format!("name {name:?}\ndescription {description:?}\nversion {version:?}\ntrigger {trigger:?}\n");
    for (name, value) in &plan.variables {
        writeln!(out, "variable {name}: {value}").unwrap();
    }
    for step in &plan.steps {
        let Step {
            id,
            work,
            needs,
            run_condition,
            on_failure,
            max_retries,
            timeout_secs,
            condition,
            input,
            output_key,
            actions,
        } = step;
        writeln!(out, "step {:?} {work:?}", id.as_str()).unwrap();
        writeln!(out, "  needs {:?}", needs.iter().map(StepId::as_str).collect::<Vec<_>>()).unwrap();
        writeln!(out, "  {run_condition:?}, then {on_failure:?} {max_retries}, {timeout_secs:?} s").unwrap();
        for (key, text) in [("condition", condition), ("output_key", output_key)] {
            text.iter().for_each(|text| writeln!(out, "  {key} {text:?}").unwrap());
        }
        input.iter().for_each(|input| writeln!(out, "  input {input}").unwrap());
        for action in actions {
            let with = serde_json::to_string(&action.with).unwrap();
            writeln!(out, "  action {} {with}", action.action.as_str()).unwrap();
        }
    }
    out
}

#[test]
fn good_files_become_plans() {
    assert!(files("good").len() >= 20);
    compare("good", |text, file| match flow::parse_with(text, file, &known()) {
        Ok(flow) => describe(&flow),
        Err(problems) => panic!("{file}: {problems:#?}"),
    });
}

#[test]
fn bad_files_show_every_problem() {
    assert!(files("bad").len() >= 50);
    compare("bad", |text, file| match flow::parse_with(text, file, &known()) {
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
    let expected: Vec<Uses> =
        Uses::ALL.into_iter().filter(|uses| uses.is_of_issues() && *uses != Uses::Update).collect();
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

/// The schema lets through what the parser lets through, and stops what a schema can stop.
#[test]
fn the_schema_says_the_same() {
    let schema = jsonschema::validator_for(&flow::schema()).unwrap();
    let read = |path: &Path| -> Result<serde_json::Value, _> {
        serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap())
    };
    for (file, path) in files("good") {
        let value = read(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let wrong: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{file}");
    }
    for file in [
        "actions",
        "camel-case",
        "missing-keys",
        "no-uses",
        "two-spellings",
        "unknown-keys",
        "unknown-words",
        "empty-steps",
        "steps-not-a-list",
        "timeouts",
        "trigger-type",
    ] {
        let value = read(&folder("bad").join(file).with_extension("yaml")).unwrap();
        assert!(!schema.is_valid(&value), "{file} is let through");
    }
}

/// A long chain of agent steps, each of which looks back over half of it.
#[test]
fn ten_thousand_steps_with_expressions_are_read() {
    let mut many = "name: many\nvariables: {limit: 1}\nsteps:\n".to_owned();
    for n in 0..flow::MAX_STEPS {
        let (near, far) = (n.saturating_sub(1), n / 2);
        write!(many, "- name: s{n}\n  agent: issue\n  output_key: o{n}\n").unwrap();
        if n > 0 {
            writeln!(many, "  if: o{near}.ok && steps.s{far}.output.n > limit").unwrap();
        }
    }
    let flow = flow::parse_with(&many, "many.yaml", &known()).unwrap();
    assert_eq!(flow.plan.steps.len(), flow::MAX_STEPS);
}
