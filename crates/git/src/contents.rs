//! What is in commits, read through one or two processes however much is asked for: the port `Contents`.

use std::collections::HashMap;

use async_trait::async_trait;
use miyabi_core::evidence::{LineDigests, Lines};
use miyabi_core::failure::Failure;
use miyabi_core::ids::CommitId;
use miyabi_core::ports::Contents;
use miyabi_core::story::TreeFile;

use crate::error::GitError;
use crate::names;
use crate::repository::Repository;
use crate::worktrees::GitWorktrees;

#[async_trait]
impl Contents for GitWorktrees {
    async fn ancestors(&self, commit: &CommitId, limit: u32) -> Result<Vec<CommitId>, Failure> {
        Ok(self.repository().ancestors_of(commit, limit).await?)
    }

    async fn files(&self, commit: &CommitId) -> Result<Vec<TreeFile>, Failure> {
        Ok(self.repository().files_of(commit).await?)
    }

    async fn digests(&self, wanted: &[(String, Lines)]) -> Result<Vec<Option<String>>, Failure> {
        Ok(self.repository().digests_of(wanted).await?)
    }

    async fn contents(&self, blobs: &[String], limit: usize) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        Ok(self.repository().contents_of(blobs, limit).await?)
    }
}

impl Repository {
    async fn ancestors_of(&self, commit: &CommitId, limit: u32) -> Result<Vec<CommitId>, GitError> {
        self.tree_of(commit).await?;
        let limit = format!("--max-count={limit}");
        let listed = self.git.ok(self.look(&["rev-list", &limit, commit.as_str(), "--"])).await?;
        Ok(String::from_utf8_lossy(&listed).lines().map(CommitId::from).collect())
    }

    async fn files_of(&self, commit: &CommitId) -> Result<Vec<TreeFile>, GitError> {
        let tree = self.tree_of(commit).await?;
        let call = self.look(&["ls-tree", "-r", "-z", "--full-tree", tree.as_str()]);
        let listed = self.git.ok(call).await?;
        // `<mode> <kind> <id>\t<path>`; a link is a blob, too, and its text is a path.
        let entry = |entry: &[u8]| {
            let entry = String::from_utf8_lossy(entry);
            let (meta, path) = entry.split_once('\t')?;
            let mut meta = meta.split(' ');
            let (mode, kind, id) = (meta.next()?, meta.next()?, meta.next()?);
            let is_regular = kind == "blob" && mode != "120000";
            Some(TreeFile { path: path.to_owned(), blob: id.to_owned(), is_regular })
        };
        Ok(listed.split(|byte| *byte == 0).filter_map(entry).collect())
    }

    async fn digests_of(&self, wanted: &[(String, Lines)]) -> Result<Vec<Option<String>>, GitError> {
        // A content passes by once, whatever is asked of it.
        let mut blobs: Vec<String> = Vec::new();
        let mut asked: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, (blob, _)) in wanted.iter().enumerate() {
            let places = asked.entry(blob).or_default();
            if places.is_empty() {
                blobs.push(blob.clone());
            }
            places.push(place);
        }
        let mut found = vec![None; wanted.len()];
        let mut current: Option<LineDigests> = None;
        let places = |blob: usize| asked.get(blobs[blob].as_str()).map_or(&[][..], Vec::as_slice);
        self.batch(&blobs, &mut |blob, part| match part {
            Part::Begin(_) => {
                current = Some(LineDigests::new(places(blob).iter().map(|place| wanted[*place].1)));
            }
            Part::Piece(piece) => current.iter_mut().for_each(|digests| digests.take(piece)),
            Part::End => {
                let digests = current.take().map(LineDigests::finish).unwrap_or_default();
                places(blob).iter().zip(digests).for_each(|(place, digest)| found[*place] = digest);
            }
        })
        .await?;
        Ok(found)
    }

    async fn contents_of(&self, blobs: &[String], limit: usize) -> Result<Vec<Option<Vec<u8>>>, GitError> {
        let mut found = vec![None; blobs.len()];
        self.batch(blobs, &mut |blob, part| match part {
            Part::Begin(size) if size <= limit as u64 => found[blob] = Some(Vec::new()),
            Part::Piece(piece) => {
                found[blob].iter_mut().for_each(|content: &mut Vec<u8>| content.extend(piece))
            }
            Part::Begin(_) | Part::End => {}
        })
        .await?;
        Ok(found)
    }

    /// Has these contents pass by, each with its place among them; what is not there does not begin.
    async fn batch(
        &self,
        blobs: &[String],
        take: &mut (dyn FnMut(usize, Part<'_>) + Send),
    ) -> Result<(), GitError> {
        if blobs.is_empty() {
            return Ok(());
        }
        let mut input = String::new();
        for blob in blobs {
            input.push_str(names::commit(blob)?);
            input.push('\n');
        }
        let mut batch = Batch { blob: 0, header: Vec::new(), left: None };
        let call = self.look(&["cat-file", "--batch"]).input(input);
        self.git.stream(call, &mut |piece| batch.take(piece, take)).await?;
        match batch.blob == blobs.len() && batch.left.is_none() {
            true => Ok(()),
            false => Err(GitError::Answer { call: "git cat-file --batch" }),
        }
    }
}

/// What is seen of a content.
enum Part<'p> {
    /// It has so many bytes.
    Begin(u64),
    /// The next ones.
    Piece(&'p [u8]),
    /// That was all.
    End,
}

/// The output of `git cat-file --batch`, read piece by piece: `<id> blob <size>`, the content, and the end of a line.
struct Batch {
    /// The content that comes next, or passes by.
    blob: usize,
    /// What has been read of its first line.
    header: Vec<u8>,
    /// How much of it is to come, the end of the line behind it included; none: its first line is to come.
    left: Option<u64>,
}

impl Batch {
    fn take(&mut self, mut piece: &[u8], tell: &mut (dyn FnMut(usize, Part<'_>) + Send)) -> bool {
        while !piece.is_empty() {
            let Some(left) = self.left else {
                let end = piece.iter().position(|byte| *byte == b'\n');
                let (head, rest) = piece.split_at(end.unwrap_or(piece.len()));
                self.header.extend(head);
                piece = rest.get(1..).unwrap_or_default();
                if end.is_some() {
                    let header = std::mem::take(&mut self.header);
                    let header = String::from_utf8_lossy(&header).into_owned();
                    match header.rsplit_once(' ').and_then(|(_, size)| size.parse::<u64>().ok()) {
                        Some(size) => {
                            tell(self.blob, Part::Begin(size));
                            self.left = Some(size + 1);
                        }
                        // `<id> missing`
                        None => self.blob += 1,
                    }
                }
                continue;
            };
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let (content, rest) = piece.split_at(now);
            let after = left - now as u64;
            // The last byte is the end of the line that git adds.
            let content =
                if after == 0 { content.split_last().map_or(content, |(_, all)| all) } else { content };
            if !content.is_empty() {
                tell(self.blob, Part::Piece(content));
            }
            piece = rest;
            self.left = (after > 0).then_some(after);
            if after == 0 {
                tell(self.blob, Part::End);
                self.blob += 1;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_the_same_however_it_is_cut() {
        let output = b"aa blob 3\na\nb\nbb missing\ncc blob 0\n\ndd blob 1\n\n\n";
        for size in 1..=output.len() {
            let mut seen: Vec<(usize, u64, Vec<u8>, bool)> = Vec::new();
            let mut batch = Batch { blob: 0, header: Vec::new(), left: None };
            for piece in output.chunks(size) {
                batch.take(piece, &mut |blob, part| match part {
                    Part::Begin(size) => seen.push((blob, size, Vec::new(), false)),
                    Part::Piece(piece) => seen.last_mut().expect("it has begun").2.extend(piece),
                    Part::End => seen.last_mut().expect("it has begun").3 = true,
                });
            }
            let expected =
                [(0, 3, b"a\nb".to_vec(), true), (2, 0, Vec::new(), true), (3, 1, b"\n".to_vec(), true)];
            assert_eq!(seen, expected, "in pieces of {size}");
            assert_eq!((batch.blob, batch.left), (4, None));
        }
    }
}
