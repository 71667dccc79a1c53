//! What git starts to ask for a login, as the program does it when git starts it.

use std::io::Write;
use std::process::ExitCode;

use secrecy::ExposeSecret;

fn main() -> ExitCode {
    let prompt = std::env::args().nth(1).unwrap_or_default();
    let answer = miyabi_git::askpass::answer(&prompt, |name| std::env::var_os(name));
    let Some(Ok(secret)) = answer else { return ExitCode::FAILURE };
    match writeln!(std::io::stdout(), "{}", secret.expose_secret()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
