//! What a hostile agent is pointed at.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The things that it is to reach for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The main checkout.
    pub main: PathBuf,
    /// A worktree of another task, with `secret.txt`.
    pub other_worktree: PathBuf,
    /// The home, with `secret.txt`.
    pub home: PathBuf,
    /// A process of the machine.
    pub victim: i32,
    /// A word of its command line that no other process has.
    pub victim_word: String,
    /// For how many seconds the process waits that it leaves behind; no other process waits as long.
    pub left_word: String,
    /// A port of this machine on which somebody listens.
    pub port: u16,
    /// A socket of this machine on which somebody listens.
    pub socket: PathBuf,
}
