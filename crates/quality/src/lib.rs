//! Running checks, and reading the reports that tools write.
