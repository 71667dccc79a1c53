#![doc = include_str!("../README.md")]

mod answer;
mod connector;
mod endpoint;
mod fault;
mod keys;
mod models;
mod question;
mod stream;
mod vectors;

pub use keys::{KeyProxy, KeysError};
pub use models::EndpointModels;
pub use vectors::{EndpointEmbedder, VectorEndpoint};
