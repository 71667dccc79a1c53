//! Shared parts of the end-to-end tests: a sealed environment, repositories, published crates, the program,
//! and a model that answers from a script.

pub mod checks;
pub mod crash;
pub mod env;
pub mod git_http;
pub mod github;
pub mod hostile;
pub mod http;
pub mod judge;
pub mod model_endpoint;
pub mod people;
pub mod published;
pub mod runs;
pub mod seen;
pub mod sessions;
pub mod sweep;
pub mod terminal;
pub mod vectors;
