//! The miyabi command: settings, wiring, output, exit codes.
