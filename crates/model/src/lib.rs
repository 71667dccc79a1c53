#![doc = include_str!("../README.md")]

mod answer;
mod connector;
mod endpoint;
mod fault;
mod keys;
mod models;
mod question;
mod stream;

pub use keys::{KeyProxy, KeysError};
pub use models::EndpointModels;
