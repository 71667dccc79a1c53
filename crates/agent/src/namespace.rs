//! A PID namespace for each program, by bubblewrap: whatever a program starts ends with it, and with us, whatever it
//! calls itself and whatever it takes out of its environment.
//!
//! Nothing else is kept from the program here: it sees the same files and the same network.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::process::Launch;

/// Every file as it is, processes of the namespace only, and the end of it all when whoever started it ends.
const ARGUMENTS: [&str; 8] =
    ["--dev-bind", "/", "/", "--proc", "/proc", "--unshare-pid", "--die-with-parent", "--"];

/// Puts programs into namespaces where this machine can.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespace {
    /// bubblewrap; none: it is not wanted, or not here.
    program: Option<PathBuf>,
    works: OnceCell<bool>,
}

impl Namespace {
    /// Namespaces by this program.
    pub(crate) fn new(program: Option<PathBuf>) -> Self {
        Self { program, works: OnceCell::new() }
    }

    /// The same launch within a namespace, where that works.
    pub(crate) async fn put(&self, mut launch: Launch) -> Launch {
        let Some(program) = &self.program else { return launch };
        if !*self.works.get_or_init(|| works(program)).await {
            return launch;
        }
        let own = std::mem::replace(&mut launch.program, program.clone()).into_os_string();
        let words = ARGUMENTS.iter().map(OsString::from).chain([own]);
        launch.arguments = words.chain(std::mem::take(&mut launch.arguments)).collect();
        launch.has_namespace = true;
        launch
    }

    /// Whether programs get namespaces here.
    pub(crate) async fn works(&self) -> bool {
        match &self.program {
            Some(program) => *self.works.get_or_init(|| works(program)).await,
            None => false,
        }
    }
}

/// Containers often forbid it, so it is tried.
async fn works(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(ARGUMENTS).arg(program).arg("--version").env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let works = command.status().await.is_ok_and(|status| status.success());
    if !works {
        tracing::warn!(
            "`{}` cannot make a PID namespace here: agents are watched by process group and marks only",
            program.display()
        );
    }
    works
}
