//! The `miyabi` program.
fn main() {}
