//! The page about flows: its examples are flows, its tables are true.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_core::expression::{Scope, evaluate, render};
use miyabi_core::flow;
use miyabi_core::plan::ActionKind;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../docs/flows.md");

/// The blocks of that language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    let mut blocks = Vec::new();
    let mut rest = PAGE;
    while let Some((_, after)) = rest.split_once(&begin) {
        let (block, after) = after.split_once("\n```").unwrap();
        blocks.push(block);
        rest = after;
    }
    blocks
}

#[test]
fn every_example_is_a_flow() {
    let examples = blocks("yaml");
    assert!(examples.len() >= 4);
    for example in examples {
        if let Err(problems) = flow::parse(example, "docs/flows.md") {
            let shown: Vec<_> = problems.iter().map(|problem| problem.render(example)).collect();
            panic!("{}", shown.join("\n"));
        }
    }
}

#[test]
fn the_table_of_conditions_is_computed() {
    let payload: Value = serde_json::from_str(blocks("json")[0]).unwrap();
    let trigger = json!({ "payload": payload });
    let scope = Scope { trigger: Some(&trigger), ..Scope::default() };
    let (_, table) = PAGE.split_once("| condition | value |\n|---|---|\n").unwrap();
    let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 10);
    for row in rows {
        let (condition, value) = row.strip_prefix("| `").unwrap().split_once("` | `").unwrap();
        let expected: Value = serde_json::from_str(value.strip_suffix("` |").unwrap()).unwrap();
        assert_eq!(evaluate(condition, &scope).unwrap().value, expected, "{condition}");
        if let Value::String(text) = &expected {
            assert_eq!(&render(&format!("${{{condition}}}"), &scope).unwrap().text, text);
        }
    }
}

#[test]
fn every_action_is_explained() {
    for action in ActionKind::ALL {
        let word = format!("`{}`", action.as_str());
        let row = PAGE.lines().find(|line| line.starts_with('|') && line.contains(&word)).unwrap();
        for setting in action.settings() {
            assert!(row.contains(&format!("`{setting}`")), "{word} {setting}");
        }
    }
}
