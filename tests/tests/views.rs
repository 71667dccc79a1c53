//! The views `workflow_runs` and `background_tasks` tell of every run and step what its log, folded, tells.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_core::event::Event;
use miyabi_core::run::{Run, fold};
use miyabi_core::status::Status;
use miyabi_tests::env::TestEnv;
use rusqlite::Connection;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const FLOW: &str = "
name: triage
steps:
  - name: classify
    agent: reader
    input: ${trigger.payload.text}
    actions: [{ notify: { body: done } }]
  - name: dig
    agent: reader
    if: steps.classify.output == 'bug'
  - name: break
    agent: breaker
    depends_on: [classify]
  - name: behind
    agent: reader
    depends_on: [break]
  - name: last
    agent: reader
    run_condition: always
    depends_on: [dig, behind]
";

/// A run as its log tells it.
fn folded(env: &TestEnv, run: &str) -> Run {
    let lines = env.miyabi(["log", run, "--json"]).expect(0).json_lines();
    let events: Vec<Event> = lines.into_iter().map(|line| serde_json::from_value(line).unwrap()).collect();
    fold(&events).unwrap().unwrap()
}

fn time(text: Option<String>) -> Option<jiff::Timestamp> {
    text.map(|text| text.parse().unwrap())
}

/// Holds both views against the run.
#[track_caller]
fn the_views_tell_the_same(env: &TestEnv, run: &Run) {
    let database = Connection::open(env.repo().join(".miyabi/miyabi.db")).unwrap();
    let (name, status, kind, payload, error): (String, String, String, String, Option<String>) = database
        .query_row(
            "SELECT workflow_name, status, trigger_type, trigger_payload, error_message FROM workflow_runs
             WHERE id = ?1 AND repository = ?2 AND started_at IS NOT NULL AND completed_at IS NOT NULL",
            [run.id.as_str(), &run.started.repo],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )
        .unwrap();
    assert_eq!((&name, status.as_str()), (&run.started.flow, run.status().as_str()));
    assert_eq!(kind, run.started.trigger);
    let payload: Value = serde_json::from_str(&payload).unwrap();
    match &run.started.payload {
        Some(told) => assert_eq!(payload, *told),
        None => assert_eq!(payload["issue"]["number"], json!(run.started.issue.number)),
    }
    assert_eq!(error.is_some(), run.status() != Status::Succeeded, "{error:?}");

    let mut select = database
        .prepare(
            "SELECT step_name, status, depends_on, condition, output, error, attempts, started_at, completed_at,
                    task_type FROM background_tasks WHERE workflow_run_id = ?1",
        )
        .unwrap();
    let mut rows = select.query([run.id.as_str()]).unwrap();
    for state in run.steps() {
        let row = rows.next().unwrap().expect("as many rows as steps");
        let text = |column: usize| row.get::<_, Option<String>>(column).unwrap();
        let step = &state.step;
        assert_eq!(text(0).as_deref(), Some(step.id.as_str()), "in plan order");
        assert_eq!(text(1).as_deref(), Some(state.status().as_str()), "{}", step.id);
        let needs: Vec<String> = serde_json::from_str(&text(2).unwrap()).unwrap();
        let expected: Vec<_> = step.needs.iter().map(ToString::to_string).collect();
        assert_eq!(needs, expected, "{}", step.id);
        assert_eq!(text(3), step.condition, "{}", step.id);
        let output = text(4).map(|text| serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!(output.as_ref(), state.output(), "{}", step.id);
        assert_eq!(text(5), state.failure().map(|failure| failure.message.clone()), "{}", step.id);
        assert_eq!(row.get::<_, u32>(6).unwrap(), state.attempt, "{}", step.id);
        assert_eq!(time(text(7)), state.started_at, "{}", step.id);
        assert_eq!(time(text(8)), state.ended_at, "{}", step.id);
        assert!(text(9).is_some_and(|kind| !kind.is_empty()), "{}", step.id);
    }
    assert!(rows.next().unwrap().is_none(), "no row but those of its steps");
}

#[test]
fn a_run_on_a_payload_with_steps_that_were_skipped_and_that_failed() {
    let agent = |text: &str| format!("---\ndescription: d\nadapter: command:{text}\n---\nDo.\n");
    let env = TestEnv::new(
        PROGRAM,
        &[
            ("agents/reader.md", &agent("cat")),
            ("agents/breaker.md", &agent("false")),
            ("agents/flows/triage.yaml", FLOW),
        ],
    );
    env.write("p.json", r#"{"text": "文"}"#);
    env.miyabi(["flow", "run", "triage", "--payload", "p.json", "--agent", "command:cat"]).expect(10);
    let run = folded(&env, "1");
    let statuses: Vec<_> = run.steps().iter().map(|state| state.status().as_str()).collect();
    assert_eq!(statuses, ["succeeded", "skipped", "failed", "skipped", "succeeded"]);
    the_views_tell_the_same(&env, &run);
}

#[test]
fn a_run_of_an_issue_whose_plan_grew() {
    let env = TestEnv::with_crate(PROGRAM);
    env.write("miyabi.toml", "[policy]\nmerge_from = 80\nsimple_below = 0.0\napprove_paths = [\"*.txt\"]\n");
    let playbook = "task-1-1:\n  - write: { path: a.txt, content: a }\ntask-1-2:\n  - write: { path: b.txt, content: b }\n";
    env.write("playbook.yaml", playbook);
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Rules"]);
    env.miyabi(["issue", "new", "--title", "Two notes", "--body", "- [ ] One\n- [ ] Two\n"]).expect(0);
    env.miyabi(["run", "issue", "1", "--agent", "scripted:playbook.yaml"]);
    // It asks whether to merge: what was done has ended, the question and what waits for it are cancelled.
    env.miyabi(["cancel", "1"]).expect(0);
    let run = folded(&env, "1");
    assert!(run.steps().iter().any(|state| state.step.id.as_str() == "task-1-2.merge"), "it grew");
    assert_eq!(run.status(), Status::Cancelled);
    the_views_tell_the_same(&env, &run);
}

#[test]
fn a_run_in_which_a_step_took_the_place_of_another_one() {
    let env = TestEnv::with_crate(PROGRAM);
    env.write("miyabi.toml", "[policy]\nmerge_from = 80\nsimple_below = 0.0\n");
    let write =
        |step: &str, text: &str| format!("{step}:\n  - write: {{ path: motto.md, content: {text} }}\n");
    let words = [("task-1-1", "calm"), ("task-1-2", "bold")];
    let resolved = |(step, _): &(&str, &str)| write(&format!("{step}.resolve-1"), "both");
    let playbook: String =
        words.iter().map(|(step, text)| write(step, text)).chain(words.iter().map(resolved)).collect();
    env.write("playbook.yaml", &playbook);
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Rules"]);
    env.miyabi(["issue", "new", "--title", "A motto", "--body", "- [ ] One\n- [ ] Two\n"]).expect(0);
    env.miyabi(["run", "issue", "1", "--agent", "scripted:playbook.yaml"]).expect(0);
    let run = folded(&env, "1");
    let replaced = run.steps().iter().find_map(|state| state.superseded_by.clone()).unwrap();
    let waited = run.steps().iter().filter(|state| state.step.needs.contains(&replaced)).count();
    assert!(waited > 0, "what waited for the one waits for the other");
    the_views_tell_the_same(&env, &run);
}

#[test]
fn a_run_whose_step_opened_a_change() {
    let flow = "name: tidy\nsteps:\n  - name: tidy\n    agent: tidier\n    actions: [{ open_change: { title: t, body: b } }]\n  - name: next\n    agent: reader\n    input: ${steps.tidy.output.change.number}\n";
    let env = TestEnv::new(
        PROGRAM,
        &[
            ("agents/tidier.md", "---\ndescription: d\nadapter: command:sh tidy.sh\n---\nTidy.\n"),
            ("agents/reader.md", "---\ndescription: d\nadapter: command:cat\n---\nRead.\n"),
            ("agents/flows/tidy.yaml", flow),
            ("tidy.sh", "echo x > note.txt\necho done\n"),
        ],
    );
    env.write("p.json", "{}");
    env.miyabi(["flow", "run", "tidy", "--payload", "p.json", "--agent", "command:cat"]).expect(0);
    let run = folded(&env, "1");
    let output = run.steps()[0].output().unwrap();
    assert_eq!((&output["change"]["number"], &output["text"]), (&json!(1), &json!("done")));
    the_views_tell_the_same(&env, &run);
}
