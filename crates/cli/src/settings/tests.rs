//! Layers, origins, and everything that can be wrong with settings.

use miyabi_core::report::CheckKind;
use serde_json::json;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn in_file(text: &str) -> Result<Settings, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("miyabi.toml");
    std::fs::write(&path, text).unwrap();
    let prefix = folder.path().display().to_string() + "/";
    load(&Places { repo: Some(path), ..Places::default() }).map_err(|error| {
        let lines = error.problems.iter().map(|problem| {
            let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{problem}{hint}").replace(&prefix, "")
        });
        lines.collect()
    })
}

#[test]
fn defaults_are_the_products() {
    let settings = load(&Places::default()).unwrap();
    assert_eq!(settings.policy, Policy::default());
    assert_eq!(settings.agent.default, "claude");
    assert!(settings.origins.values().all(|origin| *origin == Origin::Default));
}

#[test]
fn every_number_of_the_policy_is_a_setting() {
    let policy = serde_json::to_value(Policy::default()).unwrap();
    let known = Layer::defaults();
    for name in policy.as_object().unwrap().keys().filter(|name| *name != "max_parallel") {
        assert!(known.values.contains_key(&format!("policy.{name}")), "{name}");
    }
}

#[test]
fn later_places_win_and_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (user, repo) = (folder.path().join("user.toml"), folder.path().join("miyabi.toml"));
    std::fs::write(&user, "[run]\nmax_parallel = 2\n[policy]\nmerge_from = 85\nopen_from = 70\n").unwrap();
    std::fs::write(
        &repo,
        "# 設定\n[policy]\nmerge_from = 80\nsimple_below = 2\n[agent]\nenv = [\"A\", \"B\"]\n",
    )
    .unwrap();
    let settings = load(&Places {
        user: Some(user.clone()),
        repo: Some(repo.clone()),
        only: None,
        env: env(&[
            ("MIYABI_POLICY_MERGE_FROM", "75"),
            ("MIYABI_GITHUB_TOKEN", "x"),
            ("MIYABI_AGENT_PLANNER", ""),
        ]),
        flags: vec![("run.max_parallel", json!(9), "--max-parallel")],
    })
    .unwrap();
    let origin = |key: &str| settings.origins[key].clone();
    assert_eq!(settings.policy.merge_from, 75);
    assert_eq!(origin("policy.merge_from"), Origin::Env("MIYABI_POLICY_MERGE_FROM".into()));
    assert_eq!((settings.run.max_parallel, settings.policy.max_parallel), (9, 9));
    assert_eq!(origin("run.max_parallel"), Origin::Flag("--max-parallel".into()));
    assert_eq!((settings.policy.open_from, origin("policy.open_from")), (70, Origin::File(user, Some(5))));
    assert_eq!(settings.policy.simple_below, 2.0);
    assert_eq!(origin("agent.env"), Origin::File(repo, Some(6)));
    assert_eq!(settings.agent.env, ["A", "B"]);
}

#[test]
fn all_problems_are_told_at_once_with_their_lines() {
    let problems = in_file(
        "[run]\nmax_paralel = 3\n[polcy]\nmerge_from = 3\n[agent]\nenv = \"A\"\ndefault = 5\n[policy]\nmax_parallel = 3\ngrace_secs = -1\n",
    );
    assert_eq!(
        problems.unwrap_err(),
        [
            "miyabi.toml:2: unknown setting `run.max_paralel` (did you mean `run.max_parallel`?)",
            "miyabi.toml:4: unknown setting `polcy.merge_from` (did you mean `policy.merge_from`?)",
            "miyabi.toml:6: `agent.env` is the text `A`, expected a list of texts",
            "miyabi.toml:7: `agent.default` is `5`, expected a text in quotes",
            "miyabi.toml:9: unknown setting `policy.max_parallel` (did you mean `run.max_parallel`?)",
            "miyabi.toml:10: `policy.grace_secs` is `-1`, expected a whole number, not below zero",
        ]
    );
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let problems = in_file(
        "[run]\nmax_parallel = 0\n[policy]\nmerge_from = 500\nreview_from = 90\nmissing_checks = \"half\"\n[agent]\ndefault = \"copilot\"\n",
    );
    assert_eq!(
        problems.unwrap_err(),
        [
            "miyabi.toml:2: `run.max_parallel` is 0, expected 1 to 256",
            "miyabi.toml:4: `policy.merge_from` is 500, expected 0 to 101",
            "miyabi.toml:5: `policy.review_from` is 90, which is above `policy.open_from` (80)",
            "miyabi.toml:6: `policy.missing_checks` is `half`, expected `zero` or `exclude`",
            "miyabi.toml:8: `agent.default`: unknown agent `copilot`: expected `claude`, `codex`, `acp:<program>`, `llm:<provider>/<model>`, `command:<program>`, `scripted:<playbook.yaml>` or `facts`",
        ]
    );
}

#[test]
fn a_file_that_is_no_toml_names_the_place() {
    let problems = in_file("[run]\nmax_parallel = = 3\n").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("miyabi.toml: ") && problems[0].contains("line 2"), "{problems:?}");
}

#[test]
fn a_config_file_that_was_asked_for_must_be_there() {
    let error =
        load(&Places { only: Some("/nonexistent/設定.toml".into()), ..Places::default() }).unwrap_err();
    assert!(error.problems[0].to_string().starts_with("/nonexistent/設定.toml: cannot be read"), "{error:?}");
    assert!(load(&Places { repo: Some("/nonexistent/設定.toml".into()), ..Places::default() }).is_ok());
}

#[test]
fn environment_variables_are_checked() {
    let found = |pairs| {
        let error = load(&Places { env: env(pairs), ..Places::default() }).unwrap_err();
        error.problems.iter().map(|p| format!("{p} / {:?}", p.hint)).collect::<Vec<_>>()
    };
    assert_eq!(
        found(&[("MIYABI_RUN_MAX_PARALEL", "2"), ("MIYABI_CHECKS_COVERAGE", "yes")]),
        [
            "unknown environment variable `MIYABI_RUN_MAX_PARALEL` / Some(\"did you mean `MIYABI_RUN_MAX_PARALLEL`?\")",
            "environment variable `MIYABI_CHECKS_COVERAGE`: `checks.coverage` is the text `yes`, expected `true` or `false` / None",
        ]
    );
    let settings =
        load(&Places { env: env(&[("MIYABI_AGENT_ENV", "A, B ,")]), ..Places::default() }).unwrap();
    assert_eq!(settings.agent.env, ["A", "B"]);
}

#[test]
fn the_users_file_is_found() {
    assert_eq!(user_file(&env(&[("HOME", "/h")])), Some("/h/.config/miyabi/config.toml".into()));
    assert_eq!(
        user_file(&env(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")])),
        Some("/x/miyabi/config.toml".into())
    );
    assert_eq!(user_file(&env(&[("XDG_CONFIG_HOME", "")])), None);
}

#[test]
fn a_project_brings_checks_of_its_own() {
    let text = "[[check]]\nname = \"pages 雅\"\nkind = \"lint\"\ncommand = [\"sh\", \"-c\", \"true\"]\nweight = 5\n\n\
                [[check]]\nkind = \"tests\"\ncommand = [\"make\", \"check\"]\nformat = \"junit\"\nreport = \"out/*.xml\"\ntimeout_secs = 9\n";
    let checks = in_file(text).expect("works").own_checks;
    let told: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.kind, check.weight)).collect();
    assert_eq!(told, [("pages 雅", CheckKind::Lint, 5), ("make check", CheckKind::Tests, 1)]);
    assert_eq!(checks[1].report.as_deref(), Some(Path::new("out/*.xml")));
    assert_eq!(checks[1].timeout, Some(std::time::Duration::from_secs(9)));
}

#[test]
fn wrong_checks_are_told_with_their_lines() {
    let table = |keys: &str| {
        format!("# one\n[[check]]\nkind = \"build\"\ncommand = [\"true\"]\n\n[[check]]\n{keys}\n")
    };
    for (keys, expected) in [
        ("kind = \"lnt\"\ncommand = [\"x\"]", "6: check 2: `kind` is `lnt`, which is none"),
        ("kind = \"lint\"\ncommand = [\"x\"]\nfrmat = \"sarif\"", "6: check 2: unknown key `frmat`"),
        (
            "kind = \"docs\"\ncommand = [\"x\"]",
            "6: check 2: a report of format `exit_code` says nothing of docs",
        ),
        ("kind = \"lint\"\ncommand = []", "6: check 2: `command` names no program"),
        (
            "kind = \"tests\"\ncommand = [\"x\"]\nweight = 2",
            "6: check 2: `weight` is for checks of kind `lint`",
        ),
        ("kind = \"lint\"", "6: check 2: missing field `command`"),
        (
            "kind = \"tests\"\nformat = \"junit\"\ncommand = [\"x\"]\nreport = \"../x\"",
            "6: check 2: the report `../x` is not inside the checkout",
        ),
    ] {
        let problems = in_file(&table(keys)).expect_err("is refused");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
    assert!(in_file("check = 3\n").expect_err("is refused")[0].contains("no list of tables"));
}

#[test]
fn weights_add_up() {
    let problems = in_file("[policy]\nweight_docs = 10\n").expect_err("is refused");
    assert!(problems[0].contains(":2: the weights of the score add up to 90, expected 100"), "{problems:?}");
    let settings = in_file("[policy]\nweight_docs = 10\nweight_tests = 45\n").expect("works");
    assert_eq!((settings.policy.weight_docs, settings.policy.weight_tests), (10, 45));
}

#[test]
fn a_path_that_would_guard_nothing_is_refused() {
    let problems =
        in_file("[policy]\napprove_paths = [\"*.sql\", \"migrations/**\"]\n").expect_err("is refused");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains(":2: `policy.approve_paths` has `migrations/**`, expected a folder"),
        "{problems:?}"
    );
}

#[test]
fn flows_are_allowed_names_and_no_secrets() {
    let settings = in_file("[flow]\nenv = [\"REGION\", \"地域\"]\n").expect("works");
    assert_eq!(settings.flow.env, ["REGION", "地域"]);
    for (list, expected) in [
        ("\"GITHUB_TOKEN\"", ":2: `flow.env` has `GITHUB_TOKEN`, the name of a secret"),
        ("\"REGION\", \"AWS_*\"", ":2: `flow.env` has `AWS_*`, expected the name of an environment variable"),
        ("\"\"", ":2: `flow.env` has ``, expected the name"),
    ] {
        let problems = in_file(&format!("[flow]\nenv = [{list}]\n")).expect_err("is refused");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}
