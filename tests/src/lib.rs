//! Shared parts of the end-to-end tests: a sealed environment, repositories, the program, and a model that answers
//! from a script.

pub mod env;
pub mod model_endpoint;
