#![doc = include_str!("../README.md")]

pub mod analysis;
pub mod context;
pub mod decide;
pub mod delivery;
pub mod event;
pub mod failure;
pub mod flow;
pub mod ids;
pub mod intent;
pub mod issue;
pub mod labels;
pub mod naming;
mod plain;
pub mod plan;
pub mod policy;
pub mod ports;
mod reading;
pub mod redact;
pub mod report;
pub mod run;
pub mod session;
pub mod standing;
pub mod status;
pub mod task;
pub mod trigger;
pub mod view;
pub mod worktree;
