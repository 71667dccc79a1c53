#![doc = include_str!("../README.md")]
//!
//! This file only opens the door; the local forge is in `local`, GitHub in `github`, hidden markers in `marker`,
//! what holds for the text of every forge in `text`.

mod github;
mod labels;
mod local;
mod marker;
mod text;

pub use github::{
    App, Auth, CiState, GitHubError, GitHubForge, GitHubOptions, IssueFilter, Limiter, MergeMethod,
    Permission, RepoName,
};
pub use local::{ForgeError, LocalForge};
