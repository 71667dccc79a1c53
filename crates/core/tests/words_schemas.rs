//! The published JSON Schemas in `docs/schemas` are those of the types.

use std::path::PathBuf;

use miyabi_core::analysis::Analysis;
use miyabi_core::context::AgentContext;
use miyabi_core::event::Escalation;
use miyabi_core::knowledge::learned::Learned;
use miyabi_core::report::Report;
use miyabi_core::task::Decomposition;
use schemars::{Schema, schema_for};

const REFRESH: &str = "MIYABI_UPDATE=1 cargo test -p miyabi-core --test words_schemas";

fn published() -> [(&'static str, Schema); 7] {
    [
        ("flow", Schema::try_from(miyabi_core::flow::schema()).expect("it is a schema")),
        ("agent-context", schema_for!(AgentContext)),
        ("analysis", schema_for!(Analysis)),
        ("decomposition", schema_for!(Decomposition)),
        ("escalation", schema_for!(Escalation)),
        ("report", schema_for!(Report)),
        ("learned", schema_for!(Learned)),
    ]
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the core opens no files; this test compares files with its types"
)]
fn published_schemas_are_those_of_the_types() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas");
    let update = std::env::var_os("MIYABI_UPDATE").is_some();
    let mut stale = Vec::new();
    for (name, schema) in published() {
        let file = folder.join(format!("{name}.schema.json"));
        let mut want = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
        want.push('\n');
        if update {
            std::fs::create_dir_all(&folder).expect("it can be made");
            std::fs::write(&file, want).expect("it can be written");
        } else if std::fs::read_to_string(&file).ok() != Some(want) {
            stale.push(format!("docs/schemas/{name}.schema.json"));
        }
    }
    assert!(stale.is_empty(), "stale: {}; refresh with `{REFRESH}`", stale.join(", "));
}

#[test]
fn the_context_is_spelled_as_specified() {
    let schema = schema_for!(AgentContext);
    let keys = |schema: &serde_json::Value| {
        let mut keys: Vec<String> =
            schema["properties"].as_object().expect("it has properties").keys().cloned().collect();
        keys.sort_unstable();
        keys.join(" ")
    };
    let schema = schema.to_value();
    assert_eq!(keys(&schema), "agentStatus agentType config issue promptPath task worktreeInfo");
    let definition = |name: &str| keys(&schema["$defs"][name]);
    assert_eq!(definition("ContextTask"), "acceptance dependencies description files id index title total");
    assert_eq!(definition("ContextIssue"), "body labels number title url");
    assert_eq!(definition("WorktreeInfo"), "baseCommit branch createdAt path sessionId");
}
