//! Conventional commits: reading `feat(types): add x`, and guessing the scope from paths.

use std::sync::LazyLock;

use regex::Regex;

/// A title that begins like a conventional commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conventional<'a> {
    /// `feat`, `fix` …
    pub word: &'a str,
    /// What stood in the parentheses.
    pub scope: Option<&'a str>,
    /// What follows the colon.
    pub description: &'a str,
}

/// Reads the beginning of a title; only the usual types in small letters count, other words before a colon are text.
pub(super) fn conventional(title: &str) -> Option<Conventional<'_>> {
    static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"^(feat|fix|docs|test|refactor|perf|build|ci|chore|style|revert)(?:\(([a-z0-9][a-z0-9_/-]{0,29})\))?!?:\s+(\S.*)$",
        )
        .expect("the pattern is constant and tested")
    });
    let found = PREFIX.captures(title)?;
    Some(Conventional {
        word: found.get(1)?.as_str(),
        scope: found.get(2).map(|scope| scope.as_str()),
        description: found.get(3)?.as_str(),
    })
}

/// The one part of the code that all these paths belong to, if there is one.
///
/// Folders that only hold code (`src`, `crates` …) are no part; files that only register others (`lib.rs`, manifests)
/// count where there is nothing else.
pub(super) fn of_files(files: &[String]) -> Option<String> {
    let telling: Vec<&String> = files.iter().filter(|path| !registers(path)).collect();
    let telling = if telling.is_empty() { files.iter().collect() } else { telling };
    let mut parts = telling.into_iter().map(|path| part(path));
    let first = parts.next()??;
    parts.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

fn registers(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(
        name,
        "lib.rs"
            | "main.rs"
            | "mod.rs"
            | "__init__.py"
            | "index.ts"
            | "index.js"
            | "Cargo.toml"
            | "Cargo.lock"
            | "package.json"
            | "package-lock.json"
            | "go.mod"
            | "go.sum"
            | "pyproject.toml"
    )
}

fn part(path: &str) -> Option<String> {
    const HOLDERS: [&str; 9] =
        ["src", "lib", "crates", "packages", "tests", "test", "docs", "doc", "internal"];
    let mut components =
        path.split('/').filter(|part| !part.is_empty()).skip_while(|part| HOLDERS.contains(part));
    let first = components.next()?;
    let stem = if components.next().is_none() { first.split('.').next().unwrap_or(first) } else { first };
    let stem = stem.to_lowercase();
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let telling = !matches!(stem.as_str(), "lib" | "main" | "mod" | "index" | "__init__");
    let short = (1..=20).contains(&stem.len());
    (telling && short && stem.starts_with(|c: char| c.is_ascii_alphanumeric()) && stem.chars().all(sound))
        .then_some(stem)
}
