//! The environment of a child: chosen by an allow-list, never inherited.

use std::ffi::{OsStr, OsString};

use miyabi_core::ids::{RunId, SessionId, StepId};

/// Names that every agent gets when we have them.
const FOR_ALL: [&str; 9] =
    ["PATH", "HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "USER", "CARGO_HOME", "RUSTUP_HOME"];

/// Further names for Claude Code, which needs its key and its settings.
pub(crate) const FOR_CLAUDE: [&str; 2] = ["ANTHROPIC_*", "CLAUDE_*"];

/// Further names for Codex.
pub(crate) const FOR_CODEX: [&str; 2] = ["OPENAI_*", "CODEX_*"];

/// Further names for programs that speak the Agent Client Protocol: those of the models that they are usually over.
pub(crate) const FOR_ACP: [&str; 8] = [
    "ANTHROPIC_*",
    "CLAUDE_*",
    "OPENAI_*",
    "CODEX_*",
    "GEMINI_*",
    "GOOGLE_GEMINI_*",
    "OPENCODE_*",
    "OPENROUTER_*",
];

/// Tokens that no list can let through; neither can any setting of ours, `MIYABI_*`.
const NEVER: [&str; 2] = ["GITHUB_TOKEN", "GH_TOKEN"];

/// Where to look for programs when we have no search path ourselves.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The names in the environment by which a process is recognised as one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) run: RunId,
    pub(crate) step: StepId,
    pub(crate) session: SessionId,
}

impl Marks {
    /// The entry that every process of the session has in its environment.
    pub(crate) fn of_session(session: &SessionId) -> String {
        format!("MIYABI_SESSION={session}")
    }

    /// The entry that every process of the run has in its environment.
    pub(crate) fn of_run(run: &RunId) -> String {
        format!("MIYABI_RUN={run}")
    }
}

/// Chooses from our environment what a child gets, and adds the marks.
pub(crate) fn environment<'a>(
    ours: &[(OsString, OsString)],
    allowed: impl IntoIterator<Item = &'a str>,
    marks: &Marks,
) -> Vec<(OsString, OsString)> {
    let mut chosen = chosen(ours, allowed);
    if search_path(&chosen).is_none() {
        chosen.push(("PATH".into(), USUAL_PATH.into()));
    }
    chosen.push(("MIYABI_RUN".into(), marks.run.as_str().into()));
    chosen.push(("MIYABI_STEP".into(), marks.step.as_str().into()));
    chosen.push(("MIYABI_SESSION".into(), marks.session.as_str().into()));
    chosen
}

/// What a child gets of our environment. `allowed` holds names or, with a `*` at the end, beginnings of names.
pub(crate) fn chosen<'a>(
    ours: &[(OsString, OsString)],
    allowed: impl IntoIterator<Item = &'a str>,
) -> Vec<(OsString, OsString)> {
    let allowed: Vec<&str> = FOR_ALL.into_iter().chain(allowed).collect();
    let may_pass = |name: &OsString| name.to_str().is_some_and(|name| is_allowed(name, &allowed));
    ours.iter().filter(|(name, _)| may_pass(name)).cloned().collect()
}

/// The search path of an environment.
pub(crate) fn search_path(environment: &[(OsString, OsString)]) -> Option<&OsString> {
    environment.iter().find(|(name, _)| name == OsStr::new("PATH")).map(|(_, value)| value)
}

fn is_allowed(name: &str, allowed: &[&str]) -> bool {
    if NEVER.contains(&name) || name.starts_with("MIYABI_") {
        return false;
    }
    allowed.iter().any(|entry| match entry.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *entry,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(ours: &[(&str, &str)], allowed: &[&str]) -> Vec<(String, String)> {
        let ours: Vec<_> = ours.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let marks = Marks { run: "r".into(), step: "s".into(), session: "v".into() };
        environment(&ours, allowed.iter().copied(), &marks)
            .into_iter()
            .map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into()))
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_what_is_listed_goes_through() {
        let ours = [
            ("PATH", "/bin"),
            ("HOME", "/家"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("ANTHROPIC_API_KEY", "k"),
            ("CLAUDECODE", "1"),
            ("MY_PROXY", "p"),
        ];
        let marks = [("MIYABI_RUN", "r"), ("MIYABI_STEP", "s"), ("MIYABI_SESSION", "v")];
        let plain = [&[("PATH", "/bin"), ("HOME", "/家")][..], &marks].concat();
        assert_eq!(names_of(&ours, &[]), pairs(&plain));
        let claude = [&[("PATH", "/bin"), ("HOME", "/家"), ("ANTHROPIC_API_KEY", "k")][..], &marks].concat();
        assert_eq!(names_of(&ours, &FOR_CLAUDE), pairs(&claude));
        let more = [&[("PATH", "/bin"), ("HOME", "/家"), ("MY_PROXY", "p")][..], &marks].concat();
        assert_eq!(names_of(&ours, &["MY_PROXY"]), pairs(&more));
    }

    #[test]
    fn tokens_and_our_settings_never_go_through() {
        let ours = [
            ("GITHUB_TOKEN", "t"),
            ("GH_TOKEN", "t"),
            ("MIYABI_GITHUB_TOKEN", "t"),
            ("MIYABI_RUN", "of an outer run"),
        ];
        let all = ["*", "GITHUB_TOKEN", "GH_TOKEN", "MIYABI_*"];
        assert_eq!(
            names_of(&ours, &all),
            pairs(&[
                ("PATH", USUAL_PATH),
                ("MIYABI_RUN", "r"),
                ("MIYABI_STEP", "s"),
                ("MIYABI_SESSION", "v")
            ])
        );
    }
}
