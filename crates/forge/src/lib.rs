#![doc = include_str!("../README.md")]
//!
//! This file only opens the door; the local forge is in `local`, GitHub in `github`, what forges send in `webhook`,
//! hidden markers in `marker`, what holds for the text of every forge in `text`.

mod github;
mod hosted;
mod labels;
mod local;
mod marker;
mod text;
pub mod webhook;

pub use github::{
    App, Auth, GitHubError, GitHubForge, GitHubOptions, IssueFilter, LabelSync, Limiter, MergeMethod,
    RepoName, SeenComment,
};
pub use hosted::HostedForge;
pub use local::{ForgeError, LocalForge};
