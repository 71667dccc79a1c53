#![doc = include_str!("../README.md")]

mod keys;

pub use keys::{KeyProxy, KeysError};
