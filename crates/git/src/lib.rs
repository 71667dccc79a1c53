#![doc = include_str!("../README.md")]

mod apply;
pub mod askpass;
mod clone;
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
mod leftovers;
mod lock;
mod merge;
mod names;
mod open;
mod parse;
mod patch;
mod pool;
mod recover;
mod registry;
mod remote;
mod repository;
mod resolve;
mod runner;
mod seal;
mod stale;
mod worktrees;

pub use clone::{Cloned, clone_into};
pub use error::GitError;
pub use remote::{Credentials, GitRemote, Login, RemoteError, RemoteOptions, Trouble};
pub use repository::Options;
pub use worktrees::GitWorktrees;
