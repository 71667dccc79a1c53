#![doc = include_str!("../README.md")]

mod access;
mod answer;
mod api;
mod body;
mod counters;
mod health;
mod intake;
mod live;
#[cfg(test)]
mod openapi;
mod routes;
mod serve;
mod settings;
mod state;
mod stream;

pub use live::Live;
pub use routes::app;
pub use serve::{ServeError, run};
pub use settings::{Limits, RuleSource, Rules, Settings};
pub use state::{Answers, Arrivals, Ports, Refused, Server};
