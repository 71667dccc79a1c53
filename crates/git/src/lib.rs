#![doc = include_str!("../README.md")]

mod close;
mod commit;
mod error;
mod excerpt;
mod exclude;
mod facts;
mod folders;
mod handover;
mod inspect;
mod keep;
mod land;
mod lock;
mod merge;
mod names;
mod open;
mod parse;
mod patch;
mod pool;
mod registry;
mod repository;
mod resolve;
mod runner;
mod worktrees;

pub use error::GitError;
pub use repository::Options;
pub use worktrees::GitWorktrees;
