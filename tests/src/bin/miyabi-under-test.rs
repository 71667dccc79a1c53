//! The program as the tests start it: the same `main`, built with the tests, so that it is never older than they are.

fn main() -> std::process::ExitCode {
    miyabi::main()
}
