//! Writing the chunks of runs: the marks go first and come last, so that none stands for less than is there.

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::Mark;
use qdrant_client::qdrant::{Condition, DeletePointsBuilder, Filter, PointStruct, UpsertPointsBuilder};

use super::point::{self, field};
use super::{NAMES, QdrantShelf, choose};
use crate::shelf::Chunk;

/// Points that one request holds.
const POINTS: usize = 64;
/// Chunks that are written before their marks are, if they are of more than one run.
const CHUNKS: usize = 2000;
/// About how many bytes one request holds, if it holds more than one point.
const BYTES: usize = 1_000_000;

/// What is to be here of a run.
#[derive(Clone, Copy)]
pub(super) struct Writing<'a> {
    pub(super) run: &'a RunId,
    pub(super) mark: Mark,
    pub(super) chunks: &'a [Chunk],
}

impl QdrantShelf {
    /// See [`crate::Shelf::replace`]: several runs go together, as many as one filter should name.
    pub(super) async fn write(&self, repo: &str, runs: &[Writing<'_>]) -> Result<(), Failure> {
        let mut rest = runs;
        while !rest.is_empty() {
            let mut chunks = 0;
            let fits = |writing: &&Writing<'_>| {
                chunks += writing.chunks.len();
                chunks <= CHUNKS
            };
            let count = rest.iter().take(NAMES).take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            self.write_together(repo, now).await?;
            rest = later;
        }
        Ok(())
    }

    async fn write_together(&self, repo: &str, runs: &[Writing<'_>]) -> Result<(), Failure> {
        let names = || runs.iter().map(|it| it.run.as_str().to_owned());
        // Not of the repo: it may have another name by now.
        let of_runs = || [choose::any(field::RUN, names())];
        let chunks = || runs.iter().flat_map(|it| it.chunks);
        let old_marks = choose::and(Filter::must(of_runs()), [choose::is(field::KIND, point::MARK)]);
        let request = DeletePointsBuilder::new(self.collection()).points(old_marks).wait(true).build();
        self.ask("write", || self.server.client.delete_points(request.clone())).await?;

        // From here on a collection that is gone is not made again: what was written before would be missing in it.
        let mut batch = Batch::default();
        for chunk in chunks() {
            let size = weight(chunk);
            if batch.is_full(size) {
                self.put(std::mem::take(&mut batch).points).await?;
            }
            batch.size += size;
            batch.points.push(point::of_chunk(chunk, self.place.maker.is_some())?);
        }
        self.put(batch.points).await?;

        let mut old = choose::chunks(of_runs());
        old.must_not.push(Condition::has_id(chunks().map(|chunk| point::id(&chunk.id))));
        let request = DeletePointsBuilder::new(self.collection()).points(old).wait(true).build();
        self.server.ask("write", || self.server.client.delete_points(request.clone())).await?;

        let (here, wanted) = (self.count(choose::chunks(of_runs())).await?, chunks().count());
        if here != wanted as u64 {
            let message = format!(
                "Qdrant at {} holds {here} of the {wanted} parts of {} that were just written",
                self.server.url,
                names().collect::<Vec<_>>().join(", ")
            );
            return Err(Failure::new(FailureClass::Unavailable, message).hint(
                "somebody else writes the same runs or deletes: they are written again the next time",
            ));
        }
        let marks = runs.iter().map(|it| point::of_mark(repo, it.run, it.mark)).collect::<Result<_, _>>()?;
        self.put(marks).await
    }

    async fn put(&self, points: Vec<PointStruct>) -> Result<(), Failure> {
        if points.is_empty() {
            return Ok(());
        }
        let request = UpsertPointsBuilder::new(self.collection(), points).wait(true).build();
        self.server.ask("write", || self.server.client.upsert_points(request.clone())).await?;
        Ok(())
    }
}

#[derive(Default)]
struct Batch {
    points: Vec<PointStruct>,
    size: usize,
}

impl Batch {
    fn is_full(&self, more: usize) -> bool {
        !self.points.is_empty() && (self.points.len() >= POINTS || self.size + more > BYTES)
    }
}

/// About how many bytes a chunk is on its way.
fn weight(chunk: &Chunk) -> usize {
    let record = &chunk.record;
    let names = record.files.iter().map(|file| file.len() + 4).sum::<usize>()
        + record.given.iter().map(|id| id.as_str().len() + 4).sum::<usize>();
    let numbers = chunk.terms.len() * 8 + chunk.vector.as_ref().map_or(0, |vector| vector.len() * 4);
    chunk.text.len() + record.title.len() + record.url.len() + names + numbers + 500
}
