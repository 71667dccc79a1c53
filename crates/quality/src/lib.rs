#![doc = include_str!("../README.md")]

mod checks;
mod cook;
mod error;
mod find;
mod findings;
mod languages;
mod leftovers;
mod options;
mod process;
pub mod read;
pub mod recipe;
mod rust;
mod sheet;
mod slot;

pub use checks::ToolChecks;
pub use error::QualityError;
pub use options::{BuildDir, Options};
pub use recipe::{Format, Recipe};
