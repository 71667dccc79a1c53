//! Short calls of programs of this machine: is it there, what version is it, who is the user.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::error::CliError;
use crate::exit;

/// The longest that a call may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first line that the program prints; `None` when it is not there, fails, or takes too long.
pub async fn ask<S: AsRef<OsStr>>(program: &str, args: &[S], folder: &Path) -> Option<String> {
    let output = call(program, args, folder).await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    output.status.success().then_some(line)
}

/// All that the program prints. Errors: it is not there, takes too long, or fails, with what it said.
pub async fn run(program: &str, args: &[&str], folder: &Path) -> Result<String, CliError> {
    let line = format!("`{program} {}`", args.join(" "));
    let output = call(program, args, folder).await;
    let output =
        output.map_err(|why| CliError::new(exit::UNAVAILABLE, format!("run {line}")).because(why))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(CliError::new(exit::UNAVAILABLE, format!("{line} failed ({})", output.status)).because(said))
}

async fn call<S: AsRef<OsStr>>(program: &str, args: &[S], folder: &Path) -> Result<Output, String> {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_PAGER", "cat").kill_on_drop(true);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(name);
    }
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it took longer than {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn programs_answer_or_are_not_there() {
        let here = Path::new(".");
        assert!(ask("git", &["--version"], here).await.is_some_and(|line| line.starts_with("git version")));
        assert_eq!(ask("git", &["no-such-command"], here).await, None);
        assert_eq!(ask::<&str>("no-such-program-雅", &[], here).await, None);
        let error = run("git", &["no-such-command"], here).await.expect_err("there is no such command");
        assert_eq!(error.exit().code, 20);
    }
}
