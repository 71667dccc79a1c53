//! Asks models behind endpoints, and keeps their keys.

mod answer;
mod endpoint;
mod fault;
mod models;
mod question;
mod stream;

pub use models::EndpointModels;
