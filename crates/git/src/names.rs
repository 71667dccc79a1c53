//! Names from outside, checked before they become a folder, a ref, an argument or a file.

use crate::error::GitError;

/// Checks the name of a worktree: one component of letters, digits, `.`, `_` and `-`, at most 100 of them.
pub(crate) fn worktree(name: &str) -> Result<(), GitError> {
    component("worktree name", name)
}

/// Checks the name of a file for the agent: one component; unlike a worktree's it may begin with a dot.
pub(crate) fn context_file(name: &str) -> Result<(), GitError> {
    let visible = name.strip_prefix('.').unwrap_or(name);
    if name == ".git" || name == ".gitignore" || name == ".gitattributes" || name == ".gitmodules" {
        return Err(GitError::Name { what: "file name", name: shown(name), why: "means something to git" });
    }
    component("file name", visible)
}

/// Checks the name of a branch, by the rules of `git check-ref-format`.
pub(crate) fn branch(name: &str) -> Result<(), GitError> {
    let refuse = |why| Err(GitError::Name { what: "branch name", name: shown(name), why });
    if name.is_empty() || name.len() > 200 {
        return refuse("is empty or too long");
    }
    if name.starts_with('-') || name == "@" || name == "HEAD" {
        return refuse("means something else to git");
    }
    if name.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c)) {
        return refuse("holds a character that git does not take");
    }
    if name.contains("..") || name.contains("@{") || name.ends_with('.') {
        return refuse("holds `..` or `@{`, or ends with a dot");
    }
    let bad = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    if name.split('/').any(bad) {
        return refuse("has a part that is empty, begins with a dot or ends with `.lock`");
    }
    Ok(())
}

/// Checks the full object id of a commit.
pub(crate) fn commit(id: &str) -> Result<&str, GitError> {
    let full = matches!(id.len(), 40 | 64) && id.bytes().all(|b| b.is_ascii_hexdigit());
    if full {
        return Ok(id);
    }
    Err(GitError::Name { what: "commit", name: shown(id), why: "is not a full object id" })
}

/// The name as one component of a ref; what does not fit becomes `-`.
pub(crate) fn ref_component(name: &str) -> String {
    let text: String = name
        .chars()
        .take(100)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

fn component(what: &'static str, name: &str) -> Result<(), GitError> {
    let refuse = |why| Err(GitError::Name { what, name: shown(name), why });
    if name.is_empty() || name.len() > 100 {
        return refuse("is empty or longer than 100 characters");
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b)) {
        return refuse("holds more than letters, digits, `.`, `_` and `-`");
    }
    if name.starts_with(['.', '-']) || name.ends_with('.') || name.ends_with(".lock") {
        return refuse("begins with `.` or `-`, or ends with `.` or `.lock`");
    }
    Ok(())
}

fn shown(name: &str) -> String {
    name.chars().take(80).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktree_names_are_single_safe_components() {
        for good in ["issue-500", "issue-500-task2", "a.b_c"] {
            assert!(worktree(good).is_ok(), "{good}");
        }
        let long = "x".repeat(101);
        for bad in [
            "", ".", "..", "../x", "a/b", "-x", ".hidden", "x.lock", "日本", "a b", "$(x)", "a\0b", "a\n",
            &long,
        ] {
            assert!(worktree(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn context_files_may_be_hidden_but_not_gits() {
        for good in [".agent-context.json", "EXECUTION_CONTEXT.md"] {
            assert!(context_file(good).is_ok(), "{good}");
        }
        for bad in [".git", ".gitignore", ".gitattributes", "..", ".", "", "a/b", ".git/config", "..x"] {
            assert!(context_file(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn branch_names_follow_gits_rules() {
        for good in ["main", "feature/issue-500", "feature/日本語", "a@b", "x$(y)"] {
            assert!(branch(good).is_ok(), "{good}");
        }
        for bad in [
            "", "-x", "@", "HEAD", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a\n", "/a",
            "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a@{1}",
        ] {
            assert!(branch(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_full_object_ids_are_commits() {
        assert!(commit(&"a".repeat(40)).is_ok());
        assert!(commit(&"0".repeat(64)).is_ok());
        for bad in ["", "HEAD", "--all", "main", "abc123", &"g".repeat(40)] {
            assert!(commit(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ref_components_hold_nothing_special() {
        assert_eq!(ref_component("task-500-2"), "task-500-2");
        assert_eq!(ref_component("../a b/日.lock"), "---a-b---lock");
        assert_eq!(ref_component(""), "-");
    }
}
