#![doc = include_str!("../README.md")]

mod boxes;
mod bubblewrap;
mod cgroup;
pub mod enter;
mod landlock;
mod machine;
mod mounts;
mod private;
mod probe;
mod proxy;
mod relay;

pub use boxes::{BoxOptions, Limits, MachineBoxes};
pub use probe::{Lack, Probe};
