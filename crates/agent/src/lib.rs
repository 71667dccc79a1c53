#![doc = include_str!("../README.md")]

pub mod acp;
mod answer;
mod bounds;
mod census;
pub mod claude;
pub mod codex;
pub mod command;
mod environment;
mod front;
mod lending;
mod library;
mod lines;
mod llm;
mod process;
mod program;
mod programs;
mod prompts;
mod roles;
pub mod scripted;
mod seen;
mod session;
mod skills;
mod transcript;
mod yaml;

pub use answer::{BadAnswer, Violation, answer, answer_schema};
pub use claude::ClaudeOptions;
pub use codex::CodexOptions;
pub use lending::{KeyCustody, key_custody};
pub use library::{Found, Library, LibraryProblem, Origin, Places};
pub use llm::LlmOptions;
pub use program::ProgramError;
pub use programs::{AgentOptions, AgentPrograms, normalize};
pub use prompts::PromptError;
pub use roles::{Role, RoleError, parse as parse_role, role, role_names};
pub use skills::{Skill, compose};
