//! What git prints, read by pure functions. Fields end with NUL, so no file name needs quoting.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use miyabi_core::ids::{CommitId, TreeId};
use miyabi_core::worktree::Committed;

use crate::names;

/// An entry of `git worktree list --porcelain -z`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) path: PathBuf,
    pub(crate) branch: Option<String>,
    pub(crate) bare: bool,
}

/// `git status --porcelain=v2 --branch -z`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// The commit of `HEAD`; none before the first one.
    pub(crate) head: Option<CommitId>,
    /// The branch of `HEAD`; none when it is detached.
    pub(crate) branch: Option<String>,
    pub(crate) entries: Vec<Entry>,
}

/// One path of a status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: EntryKind,
    pub(crate) path: Vec<u8>,
}

/// What is with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// Changed against `HEAD`, in the index, in the checkout or in both.
    Tracked {
        staged: bool,
        unstaged: bool,
        /// It is a submodule with changes inside.
        submodule: bool,
    },
    /// In conflict.
    Unmerged,
    /// Neither tracked nor ignored; a folder ends with `/`.
    Untracked,
    /// Ignored; a folder ends with `/`.
    Ignored,
}

impl Status {
    /// Whether there is work that is in no commit.
    pub(crate) fn is_dirty(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind != EntryKind::Ignored)
    }

    /// Paths of one sort as text.
    pub(crate) fn paths(&self, of: impl Fn(EntryKind) -> bool) -> Vec<String> {
        let chosen = self.entries.iter().filter(|entry| of(entry.kind));
        chosen.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect()
    }
}

/// A path of `git diff-tree -r -z --raw --numstat --no-renames`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) old_mode: u32,
    pub(crate) new_mode: u32,
    pub(crate) path: String,
    pub(crate) insertions: u64,
    pub(crate) deletions: u64,
}

const GITLINK: u32 = 0o160_000;

impl Changed {
    /// A repository in the repository that was not there before.
    pub(crate) fn is_new_repository(&self) -> bool {
        self.new_mode == GITLINK && self.old_mode != GITLINK
    }

    /// A repository in the repository, new or at another commit.
    pub(crate) fn is_repository(&self) -> bool {
        self.new_mode == GITLINK
    }
}

/// A conflict of `git merge-tree --write-tree -z --messages`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Predicted {
    /// The tree with what could be merged, and conflict markers in the rest.
    pub(crate) tree: TreeId,
    /// Paths in conflict with git's word for it, in git's order.
    pub(crate) files: Vec<(String, String)>,
}

/// Major and minor number of `git version 2.47.3 (Apple Git-1)`.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix("git version ")?.split(['.', ' ', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Reads `git worktree list --porcelain -z`; the main one comes first.
pub(crate) fn worktrees(output: &[u8]) -> Vec<Listed> {
    let mut listed = Vec::new();
    for field in output.split(|byte| *byte == 0) {
        if let Some(path) = field.strip_prefix(b"worktree ") {
            listed.push(Listed { path: PathBuf::from(OsStr::from_bytes(path)), branch: None, bare: false });
        } else if let Some(last) = listed.last_mut() {
            if let Some(branch) = field.strip_prefix(b"branch refs/heads/") {
                last.branch = Some(String::from_utf8_lossy(branch).into_owned());
            }
            last.bare |= field == b"bare";
        }
    }
    listed
}

/// Reads `git status --porcelain=v2 --branch -z`; none if it is something else.
pub(crate) fn status(output: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    let mut fields = output.split(|byte| *byte == 0);
    while let Some(field) = fields.next() {
        let (sort, rest) = match field {
            [] => continue,
            [sort, b' ', rest @ ..] => (*sort, rest),
            _ => return None,
        };
        let entry = match sort {
            b'#' => {
                let text = String::from_utf8_lossy(rest);
                match text.split_once(' ') {
                    Some(("branch.oid", id)) if id != "(initial)" => status.head = Some(CommitId::from(id)),
                    Some(("branch.head", name)) if name != "(detached)" => {
                        status.branch = Some(name.to_owned())
                    }
                    _ => {}
                }
                continue;
            }
            b'1' => tracked(rest, 8)?,
            b'2' => {
                fields.next()?;
                tracked(rest, 9)?
            }
            b'u' => Entry { kind: EntryKind::Unmerged, path: after(rest, 9)?.to_vec() },
            b'?' => Entry { kind: EntryKind::Untracked, path: rest.to_vec() },
            b'!' => Entry { kind: EntryKind::Ignored, path: rest.to_vec() },
            _ => return None,
        };
        status.entries.push(entry);
    }
    Some(status)
}

/// `XY sub …` and, after as many spaces as told (the first one is gone), the path.
fn tracked(rest: &[u8], spaces: usize) -> Option<Entry> {
    let [staged, unstaged, b' ', sub, commit, changes, untracked, ..] = rest else { return None };
    let kind = EntryKind::Tracked {
        staged: *staged != b'.',
        unstaged: *unstaged != b'.',
        submodule: *sub == b'S' && (*commit, *changes, *untracked) != (b'.', b'.', b'.'),
    };
    Some(Entry { kind, path: after(rest, spaces - 1)?.to_vec() })
}

fn after(text: &[u8], spaces: usize) -> Option<&[u8]> {
    text.splitn(spaces + 1, |byte| *byte == b' ').nth(spaces)
}

/// Reads `git diff-tree -r -z --raw --numstat --no-renames`; none if it is something else.
pub(crate) fn changes(output: &[u8]) -> Option<Vec<Changed>> {
    let mut changed: Vec<Changed> = Vec::new();
    let mut fields = output.split(|byte| *byte == 0);
    let mut counted = 0;
    while let Some(field) = fields.next() {
        if let Some(raw) = field.strip_prefix(b":") {
            let raw = std::str::from_utf8(raw).ok()?;
            let mut modes = raw.split(' ').map(|mode| u32::from_str_radix(mode, 8));
            let (old_mode, new_mode) = (modes.next()?.ok()?, modes.next()?.ok()?);
            let path = String::from_utf8_lossy(fields.next()?).into_owned();
            changed.push(Changed { old_mode, new_mode, path, insertions: 0, deletions: 0 });
        } else if !field.is_empty() {
            let text = String::from_utf8_lossy(field);
            let mut columns = text.splitn(3, '\t');
            let (insertions, deletions, path) = (columns.next()?, columns.next()?, columns.next()?);
            // Both lists have the same order, so each search ends where it begins, nearly always.
            counted += changed.iter().skip(counted).position(|change| change.path == path)?;
            let change = changed.get_mut(counted)?;
            counted += 1;
            // `-` stands for a binary file.
            change.insertions = insertions.parse().unwrap_or_default();
            change.deletions = deletions.parse().unwrap_or_default();
        }
    }
    Some(changed)
}

/// The figures of a commit from its changes.
pub(crate) fn figures(commit: CommitId, tree: TreeId, changes: Vec<Changed>) -> Committed {
    let mut figures = Committed {
        commit,
        tree,
        created: Vec::new(),
        changed: Vec::new(),
        deleted: Vec::new(),
        insertions: 0,
        deletions: 0,
    };
    for change in changes {
        figures.insertions += change.insertions;
        figures.deletions += change.deletions;
        let paths = match (change.old_mode, change.new_mode) {
            (0, _) => &mut figures.created,
            (_, 0) => &mut figures.deleted,
            _ => &mut figures.changed,
        };
        paths.push(change.path);
    }
    figures
}

/// Reads what `git merge-tree --write-tree -z --messages` prints about a conflict; none if it is something else.
pub(crate) fn conflict(output: &[u8]) -> Option<Predicted> {
    let mut fields = output.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let tree =
        fields.next().filter(|id| names::commit(id).is_ok()).map(|id| TreeId::from(id.into_owned()))?;
    let mut files: Vec<(String, Option<String>)> = Vec::new();
    for field in fields.by_ref() {
        if field.is_empty() {
            break;
        }
        // `<mode> <object> <stage>\t<path>`, once for each side.
        let (_, path) = field.split_once('\t')?;
        if files.iter().all(|(known, _)| known != path) {
            files.push((path.to_owned(), None));
        }
    }
    while let Some(count) = fields.next() {
        if count.is_empty() {
            continue;
        }
        let count: usize = count.parse().ok()?;
        let paths: Vec<_> = fields.by_ref().take(count).collect();
        let kind = fields.next()?;
        fields.next()?;
        if kind.starts_with("CONFLICT") {
            let touched = files.iter_mut().filter(|(path, _)| paths.iter().any(|named| named == path));
            touched.for_each(|(_, known)| {
                known.get_or_insert_with(|| kind.to_string());
            });
        }
    }
    let files = files.into_iter().map(|(path, kind)| (path, kind.unwrap_or_else(|| "CONFLICT".to_owned())));
    Some(Predicted { tree, files: files.collect() })
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
