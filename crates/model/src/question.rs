//! What is asked, in the words of each provider. Pure.

use miyabi_core::model::{Ask, Provider, Route, Turn};
use serde_json::{Value, json};

/// The body of a request whose answer is streamed.
pub(crate) fn body(route: &Route, ask: &Ask) -> Value {
    let turns = ask.turns.iter().map(|turn| match turn {
        Turn::Ours(text) => json!({ "role": "user", "content": text }),
        Turn::Theirs(text) => json!({ "role": "assistant", "content": text }),
    });
    if route.provider == Provider::Anthropic {
        return json!({
            "model": route.model,
            "max_tokens": ask.answer_tokens,
            "system": ask.system,
            "messages": turns.collect::<Vec<_>>(),
            "stream": true,
        });
    }
    let system = json!({ "role": "system", "content": ask.system });
    // The longest answer has two names there, and each model knows one of them; its own limit is as good.
    let mut body = json!({
        "model": route.model,
        "messages": std::iter::once(system).chain(turns).collect::<Vec<_>>(),
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    if route.provider == Provider::TensorZero {
        body["model"] = json!(format!("tensorzero::function_name::{}", route.model));
        body["tensorzero::tags"] = json!(ask.tags);
        if let Some(episode) = &ask.episode {
            body["tensorzero::episode_id"] = json!(episode);
        }
    }
    body
}
