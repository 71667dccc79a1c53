//! The block of miyabi's in `.git/info/exclude`: what is never to be seen as untracked.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::error::GitError;

const BEGIN: &[u8] = b"# >>> miyabi: kept by miyabi, change what is outside of this block";
const END: &[u8] = b"# <<< miyabi";
const PATTERNS: [&str; 8] = [
    "/.worktrees/",
    "/.miyabi/miyabi.db*",
    "/.miyabi/runs/",
    "/.miyabi/pool/",
    "/.miyabi/*.lock",
    "/.ai/",
    ".agent-context.json",
    "EXECUTION_CONTEXT.md",
];

/// Whether the file has the block with all patterns and these file names.
pub(crate) fn is_complete(path: &Path, more: &[&str]) -> Result<bool, GitError> {
    let content = read(path)?;
    Ok(completed(&content, more).is_none())
}

/// Adds what is missing; everything else in the file stays as it is. The caller holds the lock.
pub(crate) fn complete(path: &Path, more: &[&str]) -> Result<(), GitError> {
    let Some(content) = completed(&read(path)?, more) else { return Ok(()) };
    let written = || -> std::io::Result<()> {
        // A link to a shared file is written through, not replaced.
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let beside = folder.join(format!(".exclude.miyabi.{}", std::process::id()));
        let mut file = fs::File::create(&beside)?;
        file.write_all(&content)?;
        if let Ok(metadata) = fs::metadata(&target) {
            file.set_permissions(metadata.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&beside, &target)
    };
    written().map_err(|source| GitError::io("write", path, source))
}

fn read(path: &Path) -> Result<Vec<u8>, GitError> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        content => content.map_err(|source| GitError::io("read", path, source)),
    }
}

/// The file's new content; none if it has everything. Bytes, because the file is the user's and may not be UTF-8.
fn completed(content: &[u8], more: &[&str]) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
    let is = |line: &[u8], what: &[u8]| line.trim_ascii_end() == what;
    let begin = lines.iter().position(|line| is(line, BEGIN));
    let end =
        begin.and_then(|begin| lines.iter().skip(begin).position(|line| is(line, END)).map(|n| begin + n));
    let (before, block, after) = match (begin, end) {
        (Some(begin), Some(end)) => (&lines[..begin], &lines[begin + 1..end], &lines[end + 1..]),
        // A block without an end was damaged by hand; a new one goes to the end of the file.
        _ => (&lines[..], &lines[..0], &lines[..0]),
    };
    let there: BTreeSet<&[u8]> = block.iter().map(|line| line.trim_ascii_end()).collect();
    let wanted = PATTERNS.into_iter().chain(more.iter().copied());
    let mut missing: Vec<&str> = wanted.filter(|pattern| !there.contains(pattern.as_bytes())).collect();
    missing.dedup();
    if missing.is_empty() && end.is_some() {
        return None;
    }
    let mut result = before.concat();
    if !result.is_empty() && !result.ends_with(b"\n") {
        result.push(b'\n');
    }
    result.extend(BEGIN);
    result.push(b'\n');
    result.extend(block.concat());
    for pattern in missing {
        result.extend(pattern.as_bytes());
        result.push(b'\n');
    }
    result.extend(END);
    result.push(b'\n');
    result.extend(after.concat());
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &[u8]) -> String {
        String::from_utf8(content.to_vec()).expect("it can be done here")
    }

    #[test]
    fn a_missing_final_newline_is_respected_and_the_second_time_changes_nothing() {
        let once = completed("*.日本\nlast".as_bytes(), &[]).expect("it can be done here");
        assert_eq!(
            text(&once),
            "*.日本\nlast\n\
             # >>> miyabi: kept by miyabi, change what is outside of this block\n\
             /.worktrees/\n/.miyabi/miyabi.db*\n/.miyabi/runs/\n/.miyabi/pool/\n/.miyabi/*.lock\n/.ai/\n\
             .agent-context.json\nEXECUTION_CONTEXT.md\n# <<< miyabi\n"
        );
        assert_eq!(completed(&once, &[]), None);
    }

    #[test]
    fn what_is_missing_joins_the_block_and_the_rest_stays() {
        let mut content = completed(b"a\r\n", &[]).expect("it can be done here");
        content.extend(b"after\xff");
        let more = completed(&content, &["prompt.md"]).expect("it can be done here");
        assert!(more.starts_with(b"a\r\n# >>> miyabi"));
        assert!(more.ends_with(b"EXECUTION_CONTEXT.md\nprompt.md\n# <<< miyabi\nafter\xff"));
        assert_eq!(completed(&more, &["prompt.md"]), None);
    }

    #[test]
    fn a_block_without_an_end_does_not_swallow_what_follows() {
        let content = [BEGIN, b"\nmine\n"].concat();
        let fixed = completed(&content, &[]).expect("it can be done here");
        assert!(fixed.starts_with(&content));
        assert!(text(&fixed).ends_with("EXECUTION_CONTEXT.md\n# <<< miyabi\n"));
    }

    #[test]
    fn a_link_is_written_through_and_the_folder_is_made() {
        let folder = tempfile::tempdir().expect("it can be done here");
        let path = folder.path().join("info/exclude");
        complete(&path, &[]).expect("it can be done here");
        assert!(is_complete(&path, &[]).expect("it can be done here"));
        let link = folder.path().join("link");
        let target = folder.path().join("target");
        fs::write(&target, "x\n").expect("it can be done here");
        std::os::unix::fs::symlink(&target, &link).expect("it can be done here");
        complete(&link, &[]).expect("it can be done here");
        assert!(fs::symlink_metadata(&link).expect("it can be done here").is_symlink());
        assert!(text(&fs::read(&target).expect("it can be done here")).starts_with("x\n# >>>"));
    }
}
