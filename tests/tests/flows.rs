//! Flow files, agents and skills from the outside: listed, checked, drawn, tried over a payload, refused where a run
//! would have to leave something out.

use miyabi_tests::env::TestEnv;
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const PR_VERIFY: &str = include_str!("../../crates/core/tests/flows/good/pr-verify.yaml");
const AGENTS: [&str; 5] = ["pr-analyzer", "pr-reviewer", "ci-checker", "e2e-tester", "report-generator"];

/// A repository with the flow `pr-verify`, its agents and its skill.
fn with_flow() -> TestEnv {
    let env = TestEnv::new(PROGRAM, &[("README.md", "x\n")]);
    for agent in AGENTS {
        env.write(
            &format!("agents/{agent}.md"),
            &format!("---\ndescription: {agent}\n---\nYou are {agent}.\n"),
        );
    }
    env.write(
        ".claude/skills/browser/SKILL.md",
        "---\nname: browser\ndescription: drives one\n---\n# Browser\n\nUse it.\n",
    );
    env.write("agents/flows/pr-verify.yaml", PR_VERIFY);
    env
}

#[test]
fn flows_are_listed_shown_and_drawn() {
    let env = with_flow();
    let flows = env.miyabi(["flow", "list", "--json"]).expect(0).json();
    let names: Vec<_> = flows.as_array().unwrap().iter().map(|flow| flow["flow"].as_str().unwrap()).collect();
    assert_eq!(names, ["issue", "pr-verify", "story-ci"]);
    let shown = env.miyabi(["flow", "show", "pr-verify", "--json"]).expect(0).json();
    assert_eq!(shown["steps"][3]["work"]["agent"], json!({ "agent": "e2e-tester", "skills": ["browser"] }));
    assert_eq!(shown["not_carried_out"], json!([]));
    let page = env.miyabi(["flow", "show", "pr-verify"]).expect(0).stdout;
    assert!(page.contains("agent report-generator, then post_pr_comment"), "{page}");
    let mermaid = env.miyabi(["flow", "graph", "pr-verify"]).expect(0).stdout;
    assert!(
        mermaid.starts_with("graph TD\n") && mermaid.contains("s4{{\"E2E Verification (e2e-tester)\"}}"),
        "{mermaid}"
    );
    let dot = env.miyabi(["flow", "graph", "pr-verify", "--format", "dot"]).expect(0).stdout;
    assert!(dot.starts_with("digraph plan {") && dot.contains("style=dashed"), "{dot}");
    // A copy of the built-in one is a flow of the repository's own.
    let source = env.miyabi(["flow", "show", "issue", "--source"]).expect(0).stdout;
    env.write(".miyabi/flows/issue.yaml", &source.replace("name: issue", "name: ours"));
    let flows = env.miyabi(["flow", "list", "--json"]).expect(0).json();
    assert_eq!((&flows[0]["file"], &flows[0]["name"]), (&".miyabi/flows/issue.yaml".into(), &"ours".into()));
}

#[test]
fn everything_that_is_wrong_is_shown_at_once_with_its_line() {
    let env = with_flow();
    env.miyabi(["flow", "check"]).expect(0);
    let wrong = PR_VERIFY
        .replace("specialist: ci-checker", "specialist: ci-chekcer")
        .replace("output.passed", "outptu.passed")
        .replace("skills: [browser]", "skills: [browzer]")
        .replace("post_pr_comment", "rm_rf");
    env.write("wrong.yaml", &wrong);
    let ran = env.miyabi(["flow", "check", "wrong.yaml", "issue"]).expect(1);
    for shown in [
        "wrong.yaml:24:17: there is no agent `ci-chekcer` [unknown-agent]",
        "24 |     specialist: ci-chekcer\n   |                 ^\n   = hint: did you mean `ci-checker`?",
        "wrong.yaml:32:37: a step has no `outptu` [unknown-name]",
        "there is no skill `browzer` [unknown-skill]",
        "`rm_rf` is no word for `actions` [unknown-word]",
        "issue.yaml (built in): 11 steps, no problem",
    ] {
        assert!(ran.stdout.contains(shown), "`{shown}` in\n{}", ran.stdout);
    }
    let told = env.miyabi(["flow", "check", "wrong.yaml", "--json"]).expect(1).json();
    assert_eq!(told[0]["problems"].as_array().unwrap().len(), 4);
    assert_eq!(told[0]["problems"][0]["rule"], "unknown-agent");
    env.miyabi(["flow", "check", "none"]).expect(1);
    env.miyabi(["flow", "run", "pr-verify"]).expect(2);
}

#[test]
fn a_payload_shows_what_every_prompt_and_condition_would_be() {
    let env = with_flow();
    let body = "${ANTHROPIC_API_KEY} ${steps['Verify CI'].output} {{ x }} {% raw %} $${y}";
    env.write(
        "p.json",
        &json!({ "pull_request": { "number": 7, "title": "題名", "body": body } }).to_string(),
    );
    let arguments = ["flow", "run", "pr-verify", "--dry-run", "--payload", "p.json", "--json"];
    let tried = env.miyabi(arguments).expect(0).json();
    assert_eq!(
        tried["steps"][0]["input"],
        format!("Change #7: 題名\n\n{body}\n"),
        "values are not read again"
    );
    assert_eq!(tried["steps"][1]["input"]["body"], body);
    assert_eq!(tried["steps"][3]["condition"]["holds"], false);
    assert_eq!(tried["steps"][3]["notes"][1], "`==` compared null, which is false");
    assert_eq!(
        tried["steps"][3]["prompt"],
        "You are e2e-tester.\n\n---\n\n## Injected Skills\n\n# Browser\n\nUse it.\n"
    );
    assert_eq!(tried["steps"][4]["input"]["e2e"], "not run");
    env.write(
        "o.json",
        &json!({ "Verify CI": { "passed": true }, "Check Reviews": { "approvals": 1 } }).to_string(),
    );
    let tried = env.miyabi(arguments.into_iter().chain(["--outputs", "o.json"])).expect(0).json();
    assert_eq!(tried["steps"][3]["condition"]["holds"], true);
    env.write("o.json", "{\"Verify\": 1}");
    let ran = env.miyabi(arguments.into_iter().chain(["--outputs", "o.json"])).expect(1);
    assert!(ran.stderr.contains("no step `Verify`"), "{}", ran.stderr);
}

#[test]
fn agents_and_skills_come_from_the_repository_and_the_home_folder() {
    let env = with_flow();
    let home = env.home().join(".miyabi/agents");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("review.md"), "---\ndescription: mine\n---\nMine.\n").unwrap();
    std::fs::write(home.join("e2e-tester.md"), "---\ndescription: mine\n---\nMine.\n").unwrap();
    let agents = env.miyabi(["agent", "list", "--json"]).expect(0).json();
    let from = |name: &str| {
        let agent = agents.as_array().unwrap().iter().find(|agent| agent["name"] == name).unwrap();
        (agent["from"].clone(), agent["instead_of"].clone())
    };
    assert_eq!(from("review"), (json!("home"), json!(["built in"])));
    assert_eq!(from("e2e-tester"), (json!("repository"), json!(["home", "built in"])));
    let shown = env.miyabi(["agent", "show", "ci-checker", "--skill", "browser"]).expect(0).stdout;
    assert_eq!(shown, "You are ci-checker.\n\n---\n\n## Injected Skills\n\n# Browser\n\nUse it.\n");
    let skills = env.miyabi(["skill", "list", "--json"]).expect(0).json();
    assert_eq!(skills[0]["description"], "drives one");
    env.miyabi(["agent", "check"]).expect(0);
    env.write("agents/ci-checker.yaml", "description: again\nsystem_prompt: Again.\n");
    let checked = env.miyabi(["agent", "check"]).expect(1).stdout;
    assert!(
        checked.contains("ci-checker.yaml: `ci-checker` is in `") && checked.contains("ci-checker.md`, too"),
        "{checked}"
    );
    let flow = env.miyabi(["flow", "check", "pr-verify"]).expect(1);
    assert!(flow.stdout.contains("there is no agent `ci-checker`"), "{}", flow.stdout);
    assert!(flow.stderr.contains("ci-checker.md`, too"), "{}", flow.stderr);
}

#[test]
fn a_run_leaves_nothing_of_a_flow_out_in_silence() {
    let env = with_flow();
    env.miyabi(["issue", "new", "--title", "Write a note", "--body", "One note."]).expect(0);
    let flow = "name: issue\nsteps:\n  - { name: analyse, uses: analyse }\n  - { name: tell, agent: ci-checker, actions: [notify, deploy] }\n";
    env.write(".miyabi/flows/issue.yaml", flow);
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Settle the flow"]);
    let ran = env.miyabi(["run", "issue", "1", "--agent", "command:true"]).expect(1);
    assert!(ran.stderr.contains("step `tell`: the action `deploy`"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("notify"), "{}", ran.stderr);
    assert_eq!(env.git(&["branch", "--format=%(refname:short)"]), "main", "nothing was begun");
}

#[test]
fn conditions_and_manual_steps_of_a_copied_flow_are_carried_out() {
    let env = TestEnv::with_crate(PROGRAM);
    let source = env.miyabi(["flow", "show", "issue", "--source"]).expect(0).stdout;
    let ours = source
        .replace(
            "    uses: deploy\n",
            "    uses: deploy\n    if: contains(trigger.payload.issue.labels, 'release') || report.score > wanted\n",
        )
        .replace("    uses: review\n", "    uses: review\n    output_key: report\n")
        .replace("    uses: merge\n", "    uses: merge\n    run_condition: manual\n")
        .replace("\nsteps:\n", "\nvariables: { wanted: 100 }\n\nsteps:\n");
    env.write(".miyabi/flows/issue.yaml", &ours);
    env.miyabi(["flow", "check"]).expect(0);
    env.write("miyabi.toml", "[policy]\nmerge_from = 50\n");
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Settle the flow"]);
    env.miyabi(["issue", "new", "--title", "Write a note", "--body", "One note."]).expect(0);
    let playbook = env.root().join("playbook.yaml");
    std::fs::write(&playbook, "default:\n  - write: { path: note.md, content: \"note\\n\" }\n").unwrap();
    let agent = format!("scripted:{}", playbook.display());
    env.miyabi(["run", "issue", "1", "--agent", &agent]).expect(11);
    let asked = env.miyabi(["escalation", "list"]).expect(0).stdout;
    assert!(asked.contains("step `merge` is started by a person"), "{asked}");
    env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway"]).expect(0);
    let log = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    let skipped: Vec<_> = log.iter().filter(|event| event["body"]["type"] == "step_skipped").collect();
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert_eq!(skipped[0]["body"]["step"], "deploy");
    assert_eq!(skipped[0]["body"]["reason"], "its condition does not hold");
    let ended =
        log.iter().any(|event| event["body"]["step"] == "close" && event["body"]["type"] == "step_succeeded");
    assert!(ended, "what needs the skipped step goes on");
    assert_eq!(env.read("note.md"), "note\n");
}
