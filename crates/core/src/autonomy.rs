//! What goes on without a person, and what does not: by the labels of an issue and by the paths of a change.

use crate::decide::{APPROVE, MODIFY};
use crate::event::Answer;
use crate::issue::Issue;
use crate::policy::Policy;

/// Where an answer comes from that nobody gave.
pub const DEADLINE: &str = "deadline";
/// Where an answer comes from that somebody gave by merging the change at the forge.
pub const MERGED: &str = "change merged";
/// The label of an issue that goes before all others.
pub const HOTFIX: &str = "priority:P0-Critical";

/// Whether an issue is a hotfix: one task, told to people at once, waiting for nobody to object.
pub fn is_hotfix(issue: &Issue) -> bool {
    issue.labels.iter().any(|label| label.eq_ignore_ascii_case(HOTFIX))
}

/// The first label of the issue whose plans wait for approval, whatever their complexity.
pub fn asking_label<'a>(policy: &Policy, issue: &'a Issue) -> Option<&'a str> {
    let asks =
        |label: &&String| policy.approve_labels.iter().any(|wanted| wanted.eq_ignore_ascii_case(label));
    issue.labels.iter().find(asks).map(String::as_str)
}

/// Those of the paths that only a person lets in, whatever the score.
pub fn guarded<'a>(policy: &Policy, paths: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut guarded: Vec<String> = paths
        .filter(|path| policy.approve_paths.iter().any(|pattern| covers(pattern, path)))
        .cloned()
        .collect();
    guarded.sort();
    guarded.dedup();
    guarded
}

/// Who may give this answer; none: everybody who may answer at all.
///
/// `guarded`: the question is asked because of `approve_labels` or `approve_paths`.
pub fn approvers<'a>(policy: &'a Policy, guarded: bool, answer: &Answer) -> Option<&'a [String]> {
    let lets_pass = [APPROVE, MODIFY].contains(&answer.action.as_str());
    // What the forge let somebody do is done, and nobody gives the default answer.
    if !lets_pass || [DEADLINE, MERGED].contains(&answer.from.as_str()) {
        return None;
    }
    let of_guarded = Some(policy.guarded_approvers.as_slice()).filter(|names| guarded && !names.is_empty());
    of_guarded.or(Some(policy.approvers.as_slice())).filter(|names| !names.is_empty())
}

/// Whether somebody is one of these; logins are written with or without `@`.
pub fn is_among(names: &[String], by: &str) -> bool {
    let by = by.trim_start_matches('@');
    names.iter().any(|name| name.trim_start_matches('@').eq_ignore_ascii_case(by))
}

/// Whether something can be covered by it: one that guards nothing is a mistake, not a wish.
pub fn is_pattern(pattern: &str) -> bool {
    let ending = pattern.strip_prefix('*');
    let rest = ending.unwrap_or(pattern);
    !rest.trim_matches('/').is_empty() && !rest.contains(['*', '?', '[', '\\']) && !rest.starts_with("./")
}

/// `migrations/` and `migrations` cover a folder, `Cargo.toml` a file at the root, `*.sql` an ending anywhere.
fn covers(pattern: &str, path: &str) -> bool {
    if let Some(ending) = pattern.strip_prefix('*') {
        return !ending.is_empty() && path.ends_with(ending);
    }
    let folder = pattern.trim_start_matches('/').trim_end_matches('/');
    let inside = path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    !folder.is_empty() && (inside || (path == folder && !pattern.ends_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_guard_nothing_is_no_pattern() {
        for pattern in ["migrations/", "/a/b", "*.sql", "*_雅.rs", "Cargo.toml"] {
            assert!(is_pattern(pattern), "{pattern}");
        }
        for pattern in ["", "/", "*", "migrations/**", "**/a", "a/*.sql", "./a", "[ab]", "a?"] {
            assert!(!is_pattern(pattern), "{pattern}");
        }
    }

    #[test]
    fn patterns_cover_folders_files_and_endings() {
        for (pattern, path, expected) in [
            ("migrations/", "migrations/1.sql", true),
            ("migrations", "migrations/deep/雅.sql", true),
            ("/migrations/", "migrations/1.sql", true),
            ("migrations/", "migrations", false),
            ("migrations/", "app/migrations/1.sql", false),
            ("migrations", "migrations2/1.sql", false),
            ("Cargo.toml", "Cargo.toml", true),
            ("Cargo.toml", "a/Cargo.toml", false),
            ("*.sql", "a/b.sql", true),
            ("*.sql", "a/b.sqlite", false),
            ("*", "a", false),
            ("", "a", false),
            ("/", "a", false),
        ] {
            assert_eq!(covers(pattern, path), expected, "{pattern} {path}");
        }
    }
}
