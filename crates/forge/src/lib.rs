#![doc = include_str!("../README.md")]
//!
//! This file only opens the door; the local forge is in `local`, hidden markers are in `marker`, what forges send
//! is in `webhook`.

mod local;
mod marker;
pub mod webhook;

pub use local::{ForgeError, LocalForge};
