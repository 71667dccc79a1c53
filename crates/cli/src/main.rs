//! The `miyabi` program.

fn main() -> std::process::ExitCode {
    miyabi::main()
}
