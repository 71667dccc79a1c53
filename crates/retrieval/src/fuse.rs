//! Two searches become one order: by rank, because their scores cannot be compared.

use std::collections::HashMap;

use miyabi_core::knowledge::{Place, RecordId};

use crate::shelf::{ChunkId, Scored};

/// How much less a rank counts than the one before it: reciprocal rank fusion with this constant.
const DAMP: f64 = 10.0;
/// A place in the search by words counts so much more than one in the search by meaning: in texts about code the words
/// are mostly the same ones.
const WORDS: f64 = 2.0;

/// A record that one of the searches found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub record: RecordId,
    /// The chunk that fits best.
    pub chunk: ChunkId,
    pub lexical: Option<Place>,
    pub dense: Option<Place>,
    pub score: f64,
}

/// The records of both searches, the best first. Of a record its best chunk counts.
pub(crate) fn fuse(lexical: &[Scored], dense: &[Scored]) -> Vec<Candidate> {
    let mut found: HashMap<RecordId, Candidate> = HashMap::new();
    for (chunk, place) in ranked(lexical) {
        let candidate = Candidate {
            record: chunk.record.clone(),
            chunk: chunk.id,
            lexical: Some(place),
            dense: None,
            score: WORDS / (DAMP + f64::from(place.rank)),
        };
        found.insert(chunk.record.clone(), candidate);
    }
    for (chunk, place) in ranked(dense) {
        let score = 1.0 / (DAMP + f64::from(place.rank));
        let new = || Candidate {
            record: chunk.record.clone(),
            chunk: chunk.id,
            lexical: None,
            dense: None,
            score: 0.0,
        };
        let candidate = found.entry(chunk.record.clone()).or_insert_with(new);
        candidate.dense = Some(place);
        candidate.score += score;
    }
    let mut candidates: Vec<Candidate> = found.into_values().collect();
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.record.cmp(&b.record)));
    candidates
}

/// The best chunk of each record with the record's rank; those that fit as well as each other share one.
fn ranked(found: &[Scored]) -> Vec<(&Scored, Place)> {
    let mut seen = std::collections::HashSet::new();
    let best = found.iter().filter(|chunk| seen.insert(&chunk.record));
    let mut last: Option<Place> = None;
    let places = best.zip(1..).map(|(chunk, rank)| {
        let score = f64::from(chunk.score);
        let rank = last.filter(|place| same(place.score, score)).map_or(rank, |place| place.rank);
        let place = Place { rank, score };
        last = Some(place);
        (chunk, place)
    });
    places.collect()
}

/// Whether two scores differ by nothing that means anything.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(record: &str, place: u32, score: f32) -> Scored {
        let record = RecordId::new(record);
        Scored { id: ChunkId::of(&record, place), record, score }
    }

    #[test]
    fn what_both_find_comes_first() {
        let words = [scored("a", 0, 9.0), scored("b", 1, 8.0), scored("b", 0, 7.0)];
        let meaning = [scored("c", 0, 0.9), scored("b", 0, 0.8)];
        let fused = fuse(&words, &meaning);
        assert_eq!(fused.iter().map(|it| it.record.as_str()).collect::<Vec<_>>(), ["b", "a", "c"]);
        let b = fused.first().unwrap();
        assert_eq!((b.lexical.unwrap().rank, b.dense.unwrap().rank), (2, 2));
        assert_eq!(b.chunk, ChunkId::of(&RecordId::new("b"), 1), "the part that the words found");
    }

    #[test]
    fn what_fits_as_well_stands_as_high() {
        let words = [scored("a", 0, 2.0), scored("b", 0, 2.0), scored("c", 0, 1.0)];
        let ranks: Vec<u32> = fuse(&words, &[]).iter().map(|it| it.lexical.unwrap().rank).collect();
        assert_eq!(ranks, [1, 1, 3]);
    }

    #[test]
    fn one_search_alone_keeps_its_order() {
        let words = [scored("a", 0, 9.0), scored("a", 1, 8.0), scored("b", 0, 1.0)];
        let fused = fuse(&words, &[]);
        assert_eq!(fused.iter().map(|it| it.record.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(fuse(&[], &[]).is_empty());
    }
}
