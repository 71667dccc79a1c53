//! Worktrees, branches, merges and keep-refs, through the git program.
