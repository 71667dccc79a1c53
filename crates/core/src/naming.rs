//! stub
use crate::ids::*; use crate::task::Task;
pub fn integration_branch(_: u64) -> String { unimplemented!() }
pub fn integration_worktree(_: u64) -> String { unimplemented!() }
pub fn task_branch(_: u64, _: u32) -> String { unimplemented!() }
pub fn task_worktree(_: u64, _: u32) -> String { unimplemented!() }
pub fn rework_branch(_: u64, _: u32) -> String { unimplemented!() }
pub fn rework_worktree(_: u64, _: u32) -> String { unimplemented!() }
pub fn merge_message(_: u64, _: &Task) -> String { unimplemented!() }
pub struct CommitFacts<'a> { pub task: &'a Task, pub issue: u64, pub index: u32, pub total: u32, pub run: &'a RunId, pub session: &'a SessionId }
pub fn commit_message(_: &CommitFacts<'_>) -> String { unimplemented!() }
