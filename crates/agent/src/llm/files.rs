//! What of a checkout a model is shown; pure.

use serde::Serialize;

/// The pages that tell programs about a repository.
const PAGES: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];
/// The part of the room that the list of files may take.
const LIST_PART: usize = 4;
/// What a path or a heading costs beside its letters, in tokens.
const AROUND: usize = 8;

/// A file to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Shown {
    pub(super) path: String,
    pub(super) text: String,
}

/// Roughly how many tokens a text has: a word of four letters is one, and so is each character of most other scripts.
pub(super) fn tokens(text: &str) -> usize {
    let (ascii, others) = text.chars().fold((0, 0), |(ascii, others), character| {
        if character.is_ascii() { (ascii + 1, others) } else { (ascii, others + 1) }
    });
    ascii / 4 + others + 1
}

/// The files that a task names and the pages for programs, in the order in which they are shown.
pub(super) fn named(prompt: &str, paths: &[String]) -> Vec<String> {
    let mut named: Vec<(usize, &String)> =
        paths.iter().filter_map(|path| Some((place(prompt, path)?, path))).collect();
    named.sort();
    let pages = paths.iter().filter(|path| PAGES.contains(&path.as_str()));
    let mut wanted: Vec<String> = pages.chain(named.into_iter().map(|(_, path)| path)).cloned().collect();
    let mut seen = std::collections::BTreeSet::new();
    wanted.retain(|path| seen.insert(path.clone()));
    wanted
}

/// Where a text names a path, and not a longer one that ends or begins with it.
fn place(text: &str, path: &str) -> Option<usize> {
    let is_part = |character: char| character.is_alphanumeric() || "_-/\\".contains(character);
    text.match_indices(path).map(|(at, _)| at).find(|at| {
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        let after = text.get(at + path.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// As much of the list of files as there is room for, and how many are left out.
pub(super) fn listed(paths: &[String], room: usize) -> (&[String], usize) {
    let mut left = room / LIST_PART;
    let fits = |path: &&String| {
        let cost = tokens(path);
        let fits = cost <= left;
        left = left.saturating_sub(cost);
        fits
    };
    let count = paths.iter().take_while(fits).count();
    let (shown, hidden) = paths.split_at_checked(count).unwrap_or((paths, &[]));
    (shown, hidden.len())
}

/// Those files that there is room for, in their order, and the paths of the others.
pub(super) fn that_fit(files: Vec<(String, Option<String>)>, room: usize) -> (Vec<Shown>, Vec<String>) {
    let (mut shown, mut missing, mut left) = (Vec::new(), Vec::new(), room);
    for (path, text) in files {
        let cost = text.as_ref().map(|text| tokens(text) + tokens(&path) + AROUND);
        match (text, cost.filter(|cost| *cost <= left)) {
            (Some(text), Some(cost)) => {
                left -= cost;
                shown.push(Shown { path, text });
            }
            _ => missing.push(path),
        }
    }
    (shown, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn what_the_task_names_is_shown_in_its_order() {
        let files = paths(&["AGENTS.md", "lib.rs", "src/lib.rs", "src/lib.rs.bak", "src/a.rs", "文書/雅.md"]);
        let prompt = "Change `src/lib.rs`, then 文書/雅.md, and src/lib.rs again. Not xsrc/a.rs.";
        assert_eq!(named(prompt, &files), ["AGENTS.md", "src/lib.rs", "文書/雅.md"]);
        assert_eq!(named("nothing", &paths(&["src/a.rs"])), [""; 0]);
    }

    #[test]
    fn the_list_and_the_files_keep_to_their_room() {
        let files = paths(&["aaaa", "bbbb", "cccc"]);
        assert_eq!(listed(&files, 4 * 2 * 2), (&files[..2], 1));
        assert_eq!(listed(&files, 0), (&files[..0], 3));
        let texts = vec![
            ("a".to_owned(), Some("x".repeat(400))),
            ("b".to_owned(), Some("x".repeat(4_000))),
            ("c".to_owned(), Some("短い".to_owned())),
            ("d".to_owned(), None),
        ];
        let (shown, missing) = that_fit(texts, 150);
        assert_eq!(shown.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(missing, ["b", "d"]);
    }

    #[test]
    fn scripts_count_by_what_they_cost() {
        assert_eq!((tokens(""), tokens("four"), tokens("日本語")), (1, 2, 4));
    }
}
