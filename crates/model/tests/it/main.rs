//! Keys lent over real connections: what services get, what programs get, and that neither gets more.
#![expect(clippy::unwrap_used, reason = "tests")]

mod ends;
mod lending;
mod refusing;
mod streams;
mod vectors;
mod world;
