//! Flows and the environment: what the settings allow, as it was when the run began, and nothing that is secret.

use std::io::{BufRead, BufReader};

use miyabi_tests::env::TestEnv;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const FLOW: &str = r#"
name: where
steps:
  - name: wait
    agent: reader
    if: env.REGION == '東京'
    input: in ${env.REGION}
  - name: after
    agent: reader
    input: "region ${env.REGION}, other ${default(env.OTHER, 'none')}"
"#;

/// A repository with the flow and its agent, which says what it is told.
fn with_flow() -> TestEnv {
    let env = TestEnv::new(
        PROGRAM,
        &[
            ("agents/reader.md", "---\ndescription: d\n---\nYou read.\n"),
            (".miyabi/flows/where.yaml", FLOW),
            ("miyabi.toml", "[flow]\nenv = [\"REGION\", \"OTHER\", \"UNREAD\"]\n"),
        ],
    );
    env.write("p.json", "{}");
    env.variable("REGION", "東京").variable("UNREAD", "nobody reads this")
}

fn log(env: &TestEnv) -> Vec<Value> {
    let lines = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    lines.into_iter().map(|event| event["body"].clone()).collect()
}

#[test]
fn a_run_keeps_the_environment_that_it_began_with() {
    let mut env = with_flow();
    let agent = env.root().join("agent.sh");
    let script = |wait: &str| format!("[ \"$MIYABI_STEP\" = wait ] && {wait}\ncat\n");
    std::fs::write(&agent, script("{ echo ready >&2; tail -f /dev/null; }")).unwrap();
    let adapter = format!("command:sh {}", agent.display());
    let mut first = env.start(["flow", "run", "where", "--payload", "p.json", "--agent", &adapter]);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("wait started")), "its condition holds");
    first.kill().unwrap();
    first.wait().unwrap();
    std::fs::write(&agent, script("echo went on")).unwrap();
    env.set("REGION", "elsewhere");
    env.set("OTHER", "elsewhere");
    env.miyabi(["resume", "1"]).expect(0);
    let log = log(&env);
    assert_eq!(log[0]["environment"], json!({ "REGION": "東京" }), "what is read and set, nothing else");
    let told: Vec<_> = log.iter().filter_map(|body| body["output"].as_str()).collect();
    assert!(told[0].contains("東京"), "{told:?}");
    let last = told[1].split("## Input").last().unwrap();
    assert!(last.contains("東京") && last.contains("none") && !last.contains("elsewhere"), "{last}");
    assert!(!env.miyabi(["log", "1", "--json"]).stdout.contains("nobody reads this"));
}

#[test]
fn a_dry_run_says_what_is_set() {
    let env = with_flow();
    let arguments = ["flow", "run", "where", "--dry-run", "--payload", "p.json"];
    let page = env.miyabi(arguments).expect(0).stdout;
    assert!(page.contains("env.REGION = \"東京\"\n"), "{page}");
    assert!(page.contains("env.OTHER is not set here: it has no value\n"), "{page}");
    let tried = env.miyabi(arguments.into_iter().chain(["--json"])).expect(0).json();
    assert_eq!(tried["environment"], json!({ "OTHER": null, "REGION": "東京" }));
    assert_eq!(tried["steps"][0]["condition"]["holds"], true);
    assert_eq!(tried["steps"][1]["input"], "region 東京, other none");
}

#[test]
fn what_is_not_allowed_or_is_secret_is_refused_before_anything_begins() {
    let mut env = with_flow();
    let run = |env: &TestEnv, flow: &str| {
        let ran =
            env.miyabi(["flow", "run", flow, "--payload", "p.json", "--agent", "command:cat"]).expect(1);
        ran.stderr
    };
    let more = "  - {name: home, agent: reader, input: '${env.HOME}'}\n";
    env.write("more.yaml", &format!("{FLOW}{more}"));
    let checked = env.miyabi(["flow", "check", "more.yaml"]).expect(1).stdout;
    for told in [&checked, &run(&env, "more.yaml")] {
        assert!(told.contains("`HOME` of the environment may not be read"), "{told}");
        assert!(
            told.contains("the setting `flow.env` lets flows read `OTHER`, `REGION` or `UNREAD`"),
            "{told}"
        );
    }
    env.miyabi(["flow", "check", "where"]).expect(0);
    // The name says nothing, the value does.
    let token = format!("ghp_{}", "a1B2".repeat(9));
    env.set("OTHER", &token);
    let dry = env.miyabi(["flow", "run", "where", "--dry-run", "--payload", "p.json"]).expect(1).stderr;
    for told in [dry, run(&env, "where")] {
        assert!(told.contains("cannot be given `OTHER`") && told.contains("seems to be a secret"), "{told}");
        assert!(!told.contains(&token), "{told}");
    }
    // A copy of the flow of issues is held against the same list.
    let issue = env.miyabi(["flow", "show", "issue", "--source"]).expect(0).stdout;
    env.write(
        ".miyabi/flows/issue.yaml",
        &issue.replacen("uses: analyse", "uses: analyse\n    if: env.HOME != null", 1),
    );
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", "Write."]).expect(0);
    let told = env.miyabi(["run", "issue", "1", "--agent", "command:cat"]).expect(1).stderr;
    assert!(told.contains("`HOME` of the environment may not be read"), "{told}");
    env.write("miyabi.toml", "[flow]\nenv = [\"DEPLOY_TOKEN\"]\n");
    let told = env.miyabi(["flow", "check"]).expect(1).stderr;
    assert!(told.contains("miyabi.toml:2: `flow.env` has `DEPLOY_TOKEN`, the name of a secret"), "{told}");
    env.miyabi(["log", "1"]).expect(1);
}
