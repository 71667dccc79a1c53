//! Coding programs as agents: adapters, sessions, transcripts, prompts.
