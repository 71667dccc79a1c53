//! The grammar of flow files as a JSON Schema, for editors that complete and check while somebody writes.
//!
//! It says what a schema can say. How steps follow each other and what expressions find is checked by the parser.

use serde_json::{Value, json};

use super::trigger::TriggerKind;
use super::{MAX_STEPS, step};
use crate::plan::{ActionKind, Uses};

/// The JSON Schema of flow files.
pub fn schema() -> Value {
    let names =
        |text: &str| json!({ "description": text, "type": "array", "items": { "$ref": "#/$defs/word" } });
    let one_or_more =
        |text: &str| json!({ "description": text, "anyOf": [{ "$ref": "#/$defs/word" }, names(text)] });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Flow",
        "description": "A flow of miyabi: what starts it, and steps that wait for each other.",
        "type": "object",
        "required": ["name", "steps"],
        "additionalProperties": false,
        "properties": {
            "name": { "description": "What people call it.", "$ref": "#/$defs/word" },
            "description": { "description": "What it is for.", "$ref": "#/$defs/word" },
            "version": { "description": "Its own version, in any form.", "$ref": "#/$defs/word" },
            "trigger": {
                "description": "What starts it; without it, a person does.",
                "type": "object",
                "required": ["type"],
                "additionalProperties": false,
                "properties": {
                    "type": { "description": "What kind of thing happens.", "enum": TriggerKind::ALL.map(TriggerKind::as_str) },
                    "source": { "description": "Where it happens, such as `github`.", "$ref": "#/$defs/word" },
                    "event": { "description": "The name of one event.", "$ref": "#/$defs/word" },
                    "events": one_or_more("The names of several events."),
                    "cron": { "description": "When: minute, hour, day of the month, month, day of the week.", "type": "string" },
                },
            },
            "variables": {
                "description": "Values that expressions find under `variables`, and by name alone.",
                "type": "object",
                "propertyNames": { "not": { "enum": crate::expression::RESERVED } },
            },
            "steps": {
                "description": "Steps. Without `depends_on` each waits for the one above it.",
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_STEPS,
                "items": { "$ref": "#/$defs/step" },
            },
        },
        "$defs": {
            "word": { "type": ["string", "number", "boolean"] },
            "condition": { "type": ["string", "boolean"] },
            "step": step_schema(one_or_more),
            "action": {
                "anyOf": [
                    { "enum": ActionKind::ALL.map(ActionKind::as_str) },
                    {
                        "type": "object",
                        "minProperties": 1,
                        "maxProperties": 1,
                        "additionalProperties": false,
                        "properties": ActionKind::ALL.iter().map(|action| (action.as_str().to_owned(), settings(*action))).collect::<serde_json::Map<_, _>>(),
                    },
                ],
            },
        },
    })
}

fn settings(action: ActionKind) -> Value {
    let known = action.settings().iter().map(|name| ((*name).to_owned(), json!(true)));
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": known.collect::<serde_json::Map<_, _>>(),
    })
}

fn step_schema(one_or_more: impl Fn(&str) -> Value) -> Value {
    let agent = "The agent that does it: the name of a role. `specialist` is another word for it.";
    let condition = "An expression; where it does not hold the step is skipped. `if` is another word for it.";
    let property = |key: &str| match key {
        "name" => {
            json!({ "description": "Unique in the file; how others refer to it.", "$ref": "#/$defs/word" })
        }
        "uses" => json!({ "description": "A built-in step.", "enum": Uses::ALL.map(Uses::as_str) }),
        "agent" | "specialist" => json!({ "description": agent, "$ref": "#/$defs/word" }),
        "input" => json!({ "description": "What the agent is given: any value, with `${…}` in its texts." }),
        "output_key" => json!({ "description": "A name for its output in expressions.", "type": "string" }),
        "condition" | "if" => json!({ "description": condition, "$ref": "#/$defs/condition" }),
        "run_condition" => json!({
            "description": "When it starts, looking at how the steps before it ended.",
            "enum": ["always", "on_success", "on_failure", "manual"],
        }),
        "depends_on" => one_or_more("Steps that it waits for; `[]`: none."),
        "actions" => json!({
            "description": "What is written to the outside world once it succeeded.",
            "anyOf": [{ "$ref": "#/$defs/action" }, { "type": "array", "items": { "$ref": "#/$defs/action" } }],
        }),
        "on_failure" => {
            json!({ "description": "What its failure means.", "enum": ["stop", "continue", "retry"] })
        }
        "max_retries" => {
            json!({ "description": "How often it is tried again with `on_failure: retry`.", "type": "integer", "minimum": 0, "maximum": step::MAX_RETRIES })
        }
        "timeout" => json!({
            "description": "Its deadline: seconds, or `90s`, `10m`, `2h`.",
            "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^[0-9]+[smh]?$" }],
        }),
        _ => one_or_more("Skills whose texts are added to the agent's prompt."),
    };
    let properties = step::KEYS.iter().map(|key| ((*key).to_owned(), property(key)));
    json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "oneOf": [{ "required": ["uses"] }, { "required": ["agent"] }, { "required": ["specialist"] }],
        "not": { "required": ["condition", "if"] },
        "properties": properties.collect::<serde_json::Map<_, _>>(),
    })
}
