#![doc = include_str!("../README.md")]

mod checks;
mod error;
mod find;
mod findings;
mod leftovers;
mod options;
mod process;
pub mod read;
mod rust;
mod sheet;
mod slot;

pub use checks::ToolChecks;
pub use error::QualityError;
pub use options::{BuildDir, Options};
