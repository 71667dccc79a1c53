//! The box that untrusted programs of a repository are put into, and what all of them may reach.

use std::fs;
use std::path::{Path, PathBuf};

use miyabi_contain::{BoxOptions, Limits, MachineBoxes};
use miyabi_core::containment::Bounds;
use miyabi_core::redact::Redactor;

use crate::hosting;
use crate::settings::Settings;

/// The boxes that untrusted programs of this repository are put into.
pub(crate) fn boxes(root: &Path, settings: &Settings) -> MachineBoxes {
    let agent = &settings.agent;
    MachineBoxes::new(BoxOptions {
        demand: settings.policy.containment,
        environment: std::env::vars_os().collect(),
        entry: hosting::own_program().ok(),
        private: root.join(".miyabi").join("boxes"),
        readable: agent.readable.iter().map(|path| place(root, path)).collect(),
        writable: agent.writable.iter().map(|path| place(root, path)).collect(),
        limits: Limits {
            memory_mb: agent.memory_mb,
            processes: agent.processes,
            cpu_percent: agent.cpu_percent,
            file_mb: agent.file_mb,
        },
    })
}

/// What everybody may read of a repository: its history, without the login that its settings may hold.
pub(crate) fn history(git: &Path) -> Bounds {
    let config = git.join("config");
    let shown = fs::read_to_string(&config).ok().and_then(|text| without_login(&text));
    let replaced = shown.map(|text| (config, text)).into_iter().collect();
    Bounds { readable: vec![git.to_owned()], replaced, ..Bounds::default() }
}

/// The settings of a repository without secrets; nothing where there are none in them.
fn without_login(text: &str) -> Option<String> {
    let lines =
        text.lines().filter(|line| !line.trim_start().to_ascii_lowercase().starts_with("extraheader"));
    let kept: String = lines.flat_map(|line| [line, "\n"]).collect();
    let shown = Redactor::default().redact(&kept).into_owned();
    (shown.trim_end() != text.trim_end()).then_some(shown)
}

/// A path of the settings: from the home with `~/`, otherwise from the main checkout.
fn place(root: &Path, path: &str) -> PathBuf {
    let home = path.strip_prefix("~/").zip(std::env::var_os("HOME"));
    home.map_or_else(|| root.join(path), |(rest, home)| PathBuf::from(home).join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_the_settings_of_the_repository_is_not_shown() {
        assert_eq!(without_login("[core]\n\tbare = false\n"), None, "it is shown as it is");
        let text = "[core]\n\tbare = false\n[http]\n\tExtraHeader = AUTHORIZATION: basic eA==\n[remote \"origin\"]\n\
                    \turl = https://x-access-token:hunter2hunter2@example.com/雅.git\n";
        let shown = without_login(text).unwrap();
        assert!(shown.contains("bare = false") && shown.contains("example.com/雅.git"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("eA=="), "{shown}");
    }
}
