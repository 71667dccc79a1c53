#![doc = include_str!("../README.md")]

mod deliveries;
mod error;
mod facts;
mod local;
mod log;
mod open;
mod rows;
mod store;
mod stories;
mod values;
mod writer;

pub use open::OpenError;
pub use store::SqliteStore;
