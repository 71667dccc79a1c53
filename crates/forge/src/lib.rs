#![doc = include_str!("../README.md")]
//!
//! This file only opens the door; the local forge is in `local`, hidden markers are in `marker`.

mod local;
mod marker;

pub use local::{ForgeError, LocalForge};
