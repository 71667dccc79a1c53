#![doc = include_str!("../README.md")]

mod answer;
mod endpoint;
mod fault;
mod models;
mod question;
mod stream;

pub use models::EndpointModels;
