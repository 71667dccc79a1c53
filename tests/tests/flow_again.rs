//! Agents of flows that are tried again.

use std::fs;

use miyabi_tests::env::TestEnv;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const FLOW: &str = r#"
name: tidy
steps:
  - name: tidy
    agent: tidier
    on_failure: retry
    max_retries: 1
    actions:
      - run_check: { check: right note }
      - open_change: { title: Tidy, body: It is tidy. }
"#;
const CHECK: &str =
    "[[check]]\nname = \"right note\"\nkind = \"tests\"\ncommand = [\"test\", \"-f\", \"notes/right.md\"]\n";
/// It does right only when it is told what was found.
const SCRIPT: &str = r#"told=$(cat)
mkdir -p notes
case "$told" in
  *"What was found last time"*"the check \`right note\` failed"*) echo right > notes/right.md ;;
  *) echo left > notes/left.md ;;
esac
echo done
"#;

#[test]
fn an_agent_is_told_what_its_check_found() {
    let env = TestEnv::new(
        PROGRAM,
        &[
            ("agents/tidier.md", "---\ndescription: d\n---\nYou tidy up.\n"),
            ("agents/flows/tidy.yaml", FLOW),
            ("miyabi.toml", CHECK),
        ],
    );
    env.write("p.json", "{}");
    let agent = env.root().join("agent.sh");
    fs::write(&agent, SCRIPT).unwrap();
    let adapter = format!("command:sh {}", agent.display());
    env.miyabi(["flow", "run", "tidy", "--payload", "p.json", "--agent", &adapter]).expect(0);
    let lines = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    let bodies: Vec<Value> = lines.into_iter().map(|event| event["body"].clone()).collect();
    let failed: Vec<_> = bodies.iter().filter(|body| body["type"] == "step_failed").collect();
    assert_eq!((failed.len(), &failed[0]["failure"]["class"]), (1, &json!("checks_failed")));
    let files = env.git(&["ls-tree", "--name-only", "miyabi/tidy-1-1", "notes/"]);
    assert_eq!(files, "notes/right.md", "it began from the same commit again");
}
