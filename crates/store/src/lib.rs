//! The log and the facts on SQLite.
