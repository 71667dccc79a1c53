//! Where something was looked for: what was not found there may be there when a file of it has changed.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    /// From the root of the repository.
    pub path: String,
    /// The id of its content.
    pub blob: String,
    /// Whether it is a file with lines; links and submodules are none.
    pub is_regular: bool,
}

/// The files of a commit, by path.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, TreeFile>,
}

impl Tree {
    /// Of these files.
    pub fn new(files: Vec<TreeFile>) -> Self {
        Self { files: files.into_iter().map(|file| (file.path.clone(), file)).collect() }
    }

    /// The content of a file with lines.
    pub fn blob(&self, path: &str) -> Option<&str> {
        self.files.get(path).filter(|file| file.is_regular).map(|file| file.blob.as_str())
    }

    /// Names of the files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// SHA-256 of names and contents of the files that these patterns mean.
    ///
    /// A pattern means the file or folder of that path; `*` and `?` stand for characters of one name, `**` for any
    /// folders. Patterns that mean nothing here may be mistaken, so without one that does, all files count.
    pub fn scope(&self, patterns: &[String]) -> String {
        let patterns: Vec<Vec<Vec<char>>> = patterns.iter().filter_map(|text| parts(text)).collect();
        let mut hash = Sha256::new();
        let mut any = false;
        for file in self.files.values() {
            let names: Vec<Vec<char>> = file.path.split('/').map(|name| name.chars().collect()).collect();
            if patterns.iter().any(|pattern| means(pattern, &names)) {
                any = true;
                take(&mut hash, file);
            }
        }
        if !any {
            hash = Sha256::new();
            self.files.values().for_each(|file| take(&mut hash, file));
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn take(hash: &mut Sha256, file: &TreeFile) {
    hash.update(file.path.as_bytes());
    hash.update(b"\0");
    hash.update(file.blob.as_bytes());
    hash.update(b"\n");
}

/// The names of a pattern; none where it means nothing below the root, or everything.
fn parts(pattern: &str) -> Option<Vec<Vec<char>>> {
    let names: Vec<&str> =
        pattern.trim().split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    let is_good = !names.is_empty() && !names.contains(&"..") && names.len() <= 64;
    is_good.then(|| names.into_iter().map(|name| name.chars().collect()).collect())
}

/// Whether a pattern means this file, or a folder that it is in.
fn means(pattern: &[Vec<char>], names: &[Vec<char>]) -> bool {
    let is_star = |p: usize| pattern.get(p).is_some_and(|part| *part == ['*', '*']);
    walk((pattern.len(), names.len()), false, is_star, |p, n| fits(&pattern[p], &names[n]))
}

/// Whether a name fits a pattern with `*` and `?`.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let is_star = |p: usize| pattern.get(p) == Some(&'*');
    walk((pattern.len(), name.len()), true, is_star, |p, n| pattern[p] == '?' || pattern[p] == name[n])
}

/// Whether a pattern comes to its end, and with `exact` the text as well. It goes back to the last star only, so that
/// it takes no longer than both lengths multiplied.
fn walk(
    (pattern, text): (usize, usize),
    exact: bool,
    is_star: impl Fn(usize) -> bool,
    is_same: impl Fn(usize, usize) -> bool,
) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        if is_star(p) {
            back = Some((p, n));
            p += 1;
        } else if p == pattern && (n == text || !exact) {
            return true;
        } else if p < pattern && n < text && is_same(p, n) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((star, from)) = back.filter(|(_, from)| *from < text) {
            back = Some((star, from + 1));
            (p, n) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        let file = |path: &&str| TreeFile {
            path: (*path).to_owned(),
            blob: format!("of {path}"),
            is_regular: !path.ends_with(".link"),
        };
        Tree::new(paths.iter().map(file).collect())
    }

    #[test]
    fn a_scope_is_what_its_patterns_mean() {
        let all = ["a.md", "docs/日本.md", "docs/deep/x.md", "src/lib.rs", "src/bin/main.rs", "source/x.rs"];
        let table: [(&str, &[&str]); 12] = [
            ("src", &["src/lib.rs", "src/bin/main.rs"]),
            ("./src/", &["src/lib.rs", "src/bin/main.rs"]),
            ("src/lib.rs", &["src/lib.rs"]),
            ("s*/*.rs", &["src/lib.rs", "source/x.rs"]),
            ("s*", &["src/lib.rs", "src/bin/main.rs", "source/x.rs"]),
            ("**/*.md", &["a.md", "docs/日本.md", "docs/deep/x.md"]),
            ("docs/??.md", &["docs/日本.md"]),
            ("**/deep", &["docs/deep/x.md"]),
            (".", &all),
            ("../x", &all),
            ("scr", &all),
            ("", &all),
        ];
        for (pattern, expected) in table {
            assert_eq!(tree(&all).scope(&[pattern.to_owned()]), tree(expected).scope(&[]), "{pattern}");
        }
        let two = ["src/lib.rs".to_owned(), "nowhere".to_owned(), "a.md".to_owned()];
        assert_eq!(tree(&all).scope(&two), tree(&["a.md", "src/lib.rs"]).scope(&[]));
    }

    #[test]
    fn names_and_contents_count() {
        let one = tree(&["a"]).scope(&[]);
        assert_ne!(one, tree(&["b"]).scope(&[]));
        let other = TreeFile { path: "a".into(), blob: "other".into(), is_regular: true };
        assert_ne!(one, Tree::new(vec![other]).scope(&[]));
        assert_eq!(tree(&["a.link"]).blob("a.link"), None);
        assert_eq!(tree(&["a"]).blob("a"), Some("of a"));
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let name: Vec<char> = "a".repeat(2_000).chars().collect();
        let pattern: Vec<char> = "a*".repeat(500).chars().chain(['b']).collect();
        assert!(!fits(&pattern, &name));
    }
}
