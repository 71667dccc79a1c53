#![doc = include_str!("../README.md")]

mod checks;
mod error;
mod find;
mod findings;
mod languages;
mod leftovers;
mod options;
mod process;
pub mod read;
mod runner;
mod rust;
mod sheet;
mod slot;
pub mod spec;

pub use checks::ToolChecks;
pub use error::QualityError;
pub use options::{BuildDir, Options};
pub use spec::{CheckSpec, Format};
