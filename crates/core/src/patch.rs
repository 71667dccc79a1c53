//! Patches that a model wrote: found in its words, made readable for git, and judged before they are applied.
//!
//! git reads them; what is done here is what models get wrong, and what no patch may do.

use serde::Deserialize;

/// What a patch may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchRules {
    /// The longest patch, in bytes.
    pub longest: usize,
    /// Whether it may change the definitions of CI.
    pub ci: bool,
}

/// 200 KiB, and nothing of CI.
impl Default for PatchRules {
    fn default() -> Self {
        Self { longest: 200 * 1024, ci: false }
    }
}

/// What became of a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patched {
    /// It is in the worktree; these files changed.
    Applied(Vec<String>),
    /// It may not be applied, for these reasons. Nothing changed.
    Refused(Vec<String>),
    /// It does not fit; of each hunk that does not, what was looked for. Nothing changed.
    Conflicts(Vec<String>),
}

/// A file of a patch, as git read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchedFile {
    /// Where it is.
    pub path: String,
    /// Whether its content is given as bytes.
    pub is_binary: bool,
}

/// What a model's words ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To apply a patch.
    Patch(String),
    /// To see files.
    Need(Vec<String>),
    /// Nothing that is known.
    Words,
}

/// Reads an answer: JSON with `diff` or `need`, a block of a diff, or nothing but a diff.
pub fn read_reply(text: &str) -> Reply {
    #[derive(Deserialize)]
    struct Json {
        #[serde(default)]
        diff: String,
        #[serde(default)]
        need: Vec<String>,
    }
    let blocks = blocks(text);
    let json =
        blocks.iter().find(|(kind, _)| kind == "json").map_or(text.trim(), |(_, block)| block.as_str());
    if let Ok(json) = serde_json::from_str::<Json>(json) {
        if !json.diff.trim().is_empty() {
            return Reply::Patch(json.diff);
        }
        if !json.need.is_empty() {
            return Reply::Need(json.need);
        }
    }
    let diffs: String = blocks
        .iter()
        .filter(|(kind, block)| kind == "diff" || kind == "patch" || (kind.is_empty() && is_diff(block)))
        .map(|(_, block)| block.as_str())
        .collect();
    match (diffs.is_empty(), is_diff(text)) {
        (false, _) => Reply::Patch(diffs),
        (true, true) => Reply::Patch(text.to_owned()),
        (true, false) => Reply::Words,
    }
}

fn is_diff(text: &str) -> bool {
    let begins = |line: &str| line.starts_with("diff --git ") || line.starts_with("--- ");
    text.lines().any(begins)
        && text.lines().any(|line| line.starts_with("@@ ") || line.starts_with("diff --git "))
}

/// The blocks between fences of backquotes, each with its kind. Lines of a diff begin with a sign, so that a fence in
/// one ends nothing.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for line in text.split_inclusive('\n') {
        let ticks = line.chars().take_while(|c| *c == '`').count();
        let rest = line.trim_start_matches('`').trim();
        match &mut open {
            None if ticks >= 3 => open = Some((ticks, rest.to_lowercase(), String::new())),
            Some((opened, kind, block)) if ticks >= *opened && rest.is_empty() => {
                blocks.push((std::mem::take(kind), std::mem::take(block)));
                open = None;
            }
            Some((_, _, block)) => block.push_str(line),
            None => {}
        }
    }
    // A model that forgot the last fence said everything all the same.
    blocks.extend(open.map(|(_, kind, block)| (kind, block)));
    blocks
}

/// The patch as git reads it: each file has the lines that begin it, its paths have `a/` and `b/`, and it ends with a
/// line end. Without those lines git takes the next file for the end of the last hunk once it counts the lines itself.
pub fn normalize(diff: &str) -> String {
    let lines: Vec<&str> = diff.lines().collect();
    let mut out = String::with_capacity(diff.len() + 256);
    // Whether this file's own beginning was seen, and whether it says that the file is new or goes.
    let (mut begun, mut told) = (false, false);
    for (index, line) in lines.iter().enumerate() {
        let next = lines.get(index + 1).copied().unwrap_or_default();
        let after = lines.get(index + 2).copied().unwrap_or_default();
        let old = line.strip_prefix("--- ");
        let new = next.strip_prefix("+++ ").filter(|_| after.starts_with("@@") || after.is_empty());
        if line.starts_with("diff --git ") {
            (begun, told) = (true, false);
        } else if line.starts_with("new file mode ") || line.starts_with("deleted file mode ") {
            told = true;
        } else if let (Some(old), Some(new)) = (old.map(path), new.map(path)) {
            let (made, gone) = (old == NOTHING, new == NOTHING);
            let name = if made { new } else { old };
            if !begun {
                out.push_str(&format!("diff --git a/{name} b/{}\n", if gone { name } else { new }));
            }
            if !told && (made || gone) {
                out.push_str(if made { "new file mode 100644\n" } else { "deleted file mode 100644\n" });
            }
            out.push_str(&if made { format!("--- {NOTHING}\n") } else { format!("--- a/{old}\n") });
            continue;
        } else if let Some(new) = line.strip_prefix("+++ ")
            && index > 0
            && out.lines().next_back().is_some_and(|before| before.starts_with("--- "))
        {
            let new = path(new);
            out.push_str(&if new == NOTHING { format!("+++ {NOTHING}\n") } else { format!("+++ b/{new}\n") });
            begun = false;
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

const NOTHING: &str = "/dev/null";

/// The path of a header, without the time that some programs write behind it.
fn path(header: &str) -> &str {
    let name = header.split('\t').next().unwrap_or_default().trim_end();
    name.strip_prefix("a/").or_else(|| name.strip_prefix("b/")).unwrap_or(name)
}

/// Why a patch of these files may not be applied; nothing: it may.
pub fn refusals(bytes: usize, files: &[PatchedFile], rules: &PatchRules) -> Vec<String> {
    let mut refusals = Vec::new();
    if bytes > rules.longest {
        refusals.push(format!("the patch has {bytes} bytes; at most {} are taken", rules.longest));
    }
    for PatchedFile { path, is_binary } in files {
        let mut parts = path.split(['/', '\\']);
        if path.is_empty() || path.starts_with('/') || parts.clone().any(|part| part == "..") {
            refusals.push(format!("{path}: it is outside of the repository"));
        } else if parts.any(|part| part.eq_ignore_ascii_case(".git")) {
            refusals.push(format!("{path}: it belongs to git"));
        } else if !rules.ci && defines_ci(path) {
            refusals.push(format!("{path}: definitions of CI are changed by people"));
        } else if *is_binary {
            refusals.push(format!("{path}: it is binary"));
        }
    }
    refusals
}

/// Whether a file says what CI does.
pub fn defines_ci(path: &str) -> bool {
    const FOLDERS: [&str; 5] =
        [".github/workflows/", ".github/actions/", ".circleci/", ".buildkite/", ".gitlab/ci/"];
    const FILES: [&str; 9] = [
        ".gitlab-ci.yml",
        ".travis.yml",
        ".drone.yml",
        ".cirrus.yml",
        ".woodpecker.yml",
        "appveyor.yml",
        "azure-pipelines.yml",
        "bitbucket-pipelines.yml",
        "jenkinsfile",
    ];
    let path = path.to_lowercase();
    FOLDERS.iter().any(|folder| path.starts_with(folder)) || FILES.contains(&path.as_str())
}

/// The hunks that do not fit, from what `git apply --check --reject` says of them.
pub fn conflicts(said: &str) -> Vec<String> {
    let mut conflicts: Vec<String> = Vec::new();
    let mut looked_for: Option<String> = None;
    for line in said.lines() {
        let error = line.strip_prefix("error: ");
        match (error, &mut looked_for) {
            (Some("while searching for:"), _) => looked_for = Some(String::new()),
            (Some(error), found) => {
                let place = error.strip_prefix("patch failed: ");
                let message = match (place, found.take().filter(|text| !text.trim().is_empty())) {
                    (Some(place), Some(text)) => {
                        format!(
                            "{place}: these lines are not there as the hunk has them:\n{}",
                            text.trim_end()
                        )
                    }
                    (Some(place), None) => format!("{place}: the hunk does not fit"),
                    (None, _) => error.to_owned(),
                };
                conflicts.push(message);
            }
            (None, Some(text)) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    conflicts
}

#[cfg(test)]
mod tests;
