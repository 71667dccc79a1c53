//! Shared parts of the end-to-end tests: a sealed environment, repositories, and the program.

pub mod env;
