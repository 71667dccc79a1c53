//! An answer as its pieces come, in the words of each provider. Pure.

use miyabi_core::model::{ModelFault, Provider, Said, SaidEnd};
use miyabi_core::session::Usage;
use serde_json::Value;

use crate::fault;

/// The longest answer that is taken, in bytes.
const LONGEST: usize = 8 * 1024 * 1024;

/// What came so far.
#[derive(Debug)]
pub(crate) struct Answer {
    provider: Provider,
    said: Said,
    ended: Option<SaidEnd>,
}

impl Answer {
    pub(crate) fn of(provider: Provider) -> Self {
        Self { provider, said: Said::default(), ended: None }
    }

    /// Takes the next piece. Errors: it tells of a fault, or there is too much of it.
    pub(crate) fn take(&mut self, piece: &str) -> Result<(), ModelFault> {
        if piece == "[DONE]" {
            return Ok(());
        }
        let json: Value = serde_json::from_str(piece)
            .map_err(|error| ModelFault::Broken(format!("what came is no JSON: {error}")))?;
        if !json["error"].is_null() {
            return Err(fault::of_event(piece));
        }
        match self.provider {
            Provider::Anthropic => self.message(&json),
            Provider::OpenAi | Provider::TensorZero => self.completion(&json),
        }
        if self.said.text.len() > LONGEST {
            return Err(ModelFault::Wrong(format!("the answer has more than {LONGEST} bytes")));
        }
        Ok(())
    }

    fn message(&mut self, json: &Value) {
        match json["type"].as_str() {
            Some("message_start") => {
                let message = &json["message"];
                self.said.response = text(&message["id"]);
                let usage = &message["usage"];
                let parts = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
                let counts = parts.iter().filter_map(|part| usage[part].as_u64());
                self.said.usage.input_tokens = Some(counts.sum());
            }
            Some("content_block_delta") => self.add(&json["delta"]["text"]),
            Some("message_delta") => {
                // What is told last holds.
                self.said.usage.output_tokens = json["usage"]["output_tokens"].as_u64();
                self.ended = json["delta"]["stop_reason"].as_str().map(end).or(self.ended);
            }
            _ => {}
        }
    }

    fn completion(&mut self, json: &Value) {
        self.said.response = text(&json["id"]).or_else(|| self.said.response.take());
        self.said.episode = text(&json["episode_id"]).or_else(|| self.said.episode.take());
        let choice = &json["choices"][0];
        self.add(&choice["delta"]["content"]);
        self.ended = choice["finish_reason"].as_str().map(end).or(self.ended);
        let usage = &json["usage"];
        if usage.is_object() {
            self.said.usage = Usage {
                input_tokens: usage["prompt_tokens"].as_u64(),
                output_tokens: usage["completion_tokens"].as_u64(),
                ..Usage::default()
            };
        }
    }

    fn add(&mut self, piece: &Value) {
        self.said.text.push_str(piece.as_str().unwrap_or_default());
    }

    /// The whole of it. Errors: the other side never said that it was.
    pub(crate) fn finish(self) -> Result<Said, ModelFault> {
        let ended = self.ended.ok_or_else(|| ModelFault::Broken("it ended in the middle".to_owned()))?;
        Ok(Said { ended, ..self.said })
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn end(reason: &str) -> SaidEnd {
    match reason {
        "max_tokens" | "length" | "model_context_window_exceeded" => SaidEnd::Cut,
        "refusal" | "content_filter" => SaidEnd::Refused,
        _ => SaidEnd::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(provider: Provider, pieces: &[&str]) -> Result<Said, ModelFault> {
        let mut answer = Answer::of(provider);
        for piece in pieces {
            answer.take(piece)?;
        }
        answer.finish()
    }

    #[test]
    fn a_message_is_read_piece_by_piece() {
        let said = read(
            Provider::Anthropic,
            &[
                r#"{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":9,"cache_read_input_tokens":1,"output_tokens":1}}}"#,
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
                r#"{"type":"ping"}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"雅"}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"び"}}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":7}}"#,
                r#"{"type":"message_stop"}"#,
            ],
        )
        .unwrap();
        assert_eq!(
            (said.text.as_str(), said.ended, said.response.as_deref()),
            ("雅び", SaidEnd::Cut, Some("msg_1"))
        );
        assert_eq!((said.usage.input_tokens, said.usage.output_tokens), (Some(10), Some(7)));
    }

    #[test]
    fn a_completion_is_read_piece_by_piece() {
        let said = read(
            Provider::TensorZero,
            &[
                r#"{"id":"c1","episode_id":"e1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
                r#"{"id":"c1","episode_id":"e1","choices":[{"index":0,"delta":{"content":"a雅"},"finish_reason":null}]}"#,
                r#"{"id":"c1","episode_id":"e1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
                r#"{"id":"c1","episode_id":"e1","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#,
                "[DONE]",
            ],
        )
        .unwrap();
        assert_eq!((said.text.as_str(), said.ended), ("a雅", SaidEnd::Whole));
        assert_eq!((said.response.as_deref(), said.episode.as_deref()), (Some("c1"), Some("e1")));
        assert_eq!((said.usage.input_tokens, said.usage.output_tokens), (Some(5), Some(2)));
    }

    #[test]
    fn what_did_not_come_whole_is_no_answer() {
        let begun = r#"{"choices":[{"delta":{"content":"a patch that is cu"}}]}"#;
        assert!(matches!(read(Provider::OpenAi, &[begun]), Err(ModelFault::Broken(_))));
        assert!(matches!(read(Provider::OpenAi, &[begun, "[DONE]"]), Err(ModelFault::Broken(_))));
        assert!(matches!(read(Provider::OpenAi, &["<html>"]), Err(ModelFault::Broken(_))));
        let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        assert!(matches!(read(Provider::Anthropic, &[overloaded]), Err(ModelFault::Busy { .. })));
    }
}
