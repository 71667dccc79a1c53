//! Properties of reading flow files: no text makes it panic, and what is printed is read back.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use miyabi_core::flow;
use miyabi_core::plan::{AgentWork, OnFailure, Plan, RunCondition, Step, Uses, Work};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Pieces of flow files, put together without sense.
fn scraps() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "name",
        "steps",
        "uses",
        "depends_on",
        "timeout",
        "trigger",
        "agent",
        "if",
        "input",
        "actions",
        "variables",
        "output_key",
        "${",
        "steps.a.output",
        " == ",
        "'x'",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "<<",
        "!!str ",
        "\"",
        "'",
        "|",
        ">",
        "#",
        "---\n",
        "analyse",
        "merge",
        "検査",
        "\t",
        "\r\n",
        "~",
        "10m",
        "\u{FEFF}",
        "\u{0}",
        "? ",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.concat())
}

fn check_problems(text: &str) -> Result<(), TestCaseError> {
    let lines = text.split(['\n', '\r']).count();
    let Err(problems) = flow::parse(text, "x.yaml") else { return Ok(()) };
    prop_assert!(!problems.is_empty());
    for problem in &problems {
        prop_assert!((1..=lines + 1).contains(&problem.line), "{problem} of {lines} lines");
        prop_assert!(problem.column >= 1);
        prop_assert!(problem.render(text).contains('^'));
    }
    prop_assert!(problems.is_sorted_by_key(|problem| (problem.line, problem.column)));
    Ok(())
}

/// A plan of some built-in steps in a sound order, with needs among the earlier ones.
fn plans() -> impl Strategy<Value = (String, Plan)> {
    let name = "[a-zA-Zぁ-ん一-龠$`'\"{}\\[\\]:#&*!|>%@,?-][ -~ぁ-ん]{0,12}[a-z]";
    let options = (
        prop::sample::select(vec![RunCondition::OnSuccess, RunCondition::OnFailure, RunCondition::Always]),
        prop::sample::select(vec![OnFailure::Stop, OnFailure::Continue, OnFailure::Retry]),
        1..=100_u32,
        prop::option::of(1..=2_592_000_u64),
        any::<u64>(),
    );
    let steps = prop::collection::vec((name, options), 1..=Uses::ALL.len());
    (name, steps).prop_map(|(name, drafts)| {
        let mut steps: Vec<Step> = Vec::new();
        for (index, (name, (run_condition, on_failure, retries, timeout_secs, chosen))) in
            drafts.into_iter().enumerate()
        {
            let needs: Vec<_> = steps
                .iter()
                .enumerate()
                // The step above is always among them, so that the built-in steps stand in a sound order.
                .filter(|(earlier, _)| *earlier + 1 == index || chosen & (1 << earlier) != 0)
                .map(|(_, step)| step.id.clone())
                .collect();
            steps.push(Step {
                needs,
                run_condition,
                on_failure,
                max_retries: if on_failure == OnFailure::Retry { retries } else { 0 },
                timeout_secs,
                ..Step::new(format!("{index} {name}"), Work::Uses(Uses::ALL[index]))
            });
        }
        (name, Plan::from(steps))
    })
}

/// A JSON string is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn print(name: &str, plan: &Plan) -> String {
    let mut out = format!("name: {}\nsteps:\n", quoted(name));
    for step in &plan.steps {
        let Work::Uses(uses) = &step.work else { panic!("{step:?}") };
        writeln!(out, "  - name: {}\n    uses: {}", quoted(step.id.as_str()), uses.as_str()).unwrap();
        let needs: Vec<String> = step.needs.iter().map(|need| quoted(need.as_str())).collect();
        writeln!(out, "    depends_on: [{}]", needs.join(", ")).unwrap();
        let run_condition = serde_json::to_value(step.run_condition).unwrap();
        writeln!(out, "    run_condition: {}", run_condition.as_str().unwrap()).unwrap();
        let on_failure = serde_json::to_value(step.on_failure).unwrap();
        writeln!(out, "    on_failure: {}", on_failure.as_str().unwrap()).unwrap();
        if step.on_failure == OnFailure::Retry {
            writeln!(out, "    max_retries: {}", step.max_retries).unwrap();
        }
        if let Some(secs) = step.timeout_secs {
            writeln!(out, "    timeout: {secs}s").unwrap();
        }
    }
    out
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        check_problems(&text)?;
    }

    #[test]
    fn no_scraps_of_flows_make_it_panic(text in scraps()) {
        check_problems(&text)?;
    }

    #[test]
    fn a_cut_file_never_panics(cut in 0..4000_usize) {
        let text: String = include_str!("../../../agents/flows/issue.yaml").chars().take(cut).collect();
        check_problems(&text)?;
    }

    #[test]
    fn what_is_printed_is_read_back((name, plan) in plans()) {
        let text = print(&name, &plan);
        let flow = flow::parse(&text, "printed.yaml").map_err(|problems| TestCaseError::fail(format!("{problems:#?}\n{text}")))?;
        prop_assert_eq!(flow.name, name);
        prop_assert_eq!(flow.plan, plan);
    }
}

/// What an agent may be given; no expressions, so that it stays what it is.
fn inputs() -> impl Strategy<Value = Value> {
    let text = any::<String>().prop_filter("no expression", |text| !text.contains("${"));
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(prop_oneof![inner.clone(), Just(Value::Null)], 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z検$: ]{0,6}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn what_an_agent_is_given_is_read_back(
        input in inputs(),
        variable in inputs(),
        agent in "[a-z検-]{1,12}",
        limit in any::<i32>(),
    ) {
        let condition = format!("v == {limit} || steps.first.output['a b'] in ['x', {limit}]");
        let file = json!({
            "name": "x", "variables": { "v": variable }, "steps": [
                { "name": "first", "agent": agent, "output_key": "seen", "input": input },
                { "name": "second", "specialist": agent, "if": condition, "skills": [agent], "input": ["${seen}", input],
                  "actions": ["notify", { "add_labels": { "labels": ["${parent.output}"] } }] },
            ],
        });
        let text = serde_json::to_string(&file).unwrap();
        let flow = flow::parse(&text, "x.yaml").map_err(|problems| TestCaseError::fail(format!("{problems:#?}\n{text}")))?;
        let [first, second] = flow.plan.steps.as_slice() else { panic!("two steps") };
        prop_assert_eq!(first.input.as_ref(), Some(&input));
        prop_assert_eq!(&flow.plan.variables["v"], &variable);
        prop_assert_eq!(second.condition.as_ref(), Some(&condition));
        prop_assert_eq!(second.input.as_ref(), Some(&json!(["${seen}", input])));
        prop_assert_eq!(&first.work, &Work::Agent(AgentWork { agent: agent.clone(), skills: vec![] }));
        prop_assert_eq!(&second.work, &Work::Agent(AgentWork { agent: agent.clone(), skills: vec![agent] }));
        prop_assert_eq!(second.actions.len(), 2);
        let log = serde_json::to_string(&flow.plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&log).unwrap(), flow.plan);
    }
}
