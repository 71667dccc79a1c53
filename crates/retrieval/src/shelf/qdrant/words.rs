//! Words as sparse vectors: a number for each term, and how much it counts.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::shelf::{AVERAGE_TERMS, B, K1};

/// The number of a term: the first four bytes of its SHA-256. Two terms with the same number are taken for one; of
/// 100,000 terms about one in 40,000 shares its number.
fn number(term: &str) -> u32 {
    let digest: [u8; 32] = Sha256::digest(term.as_bytes()).into();
    let [a, b, c, d, ..] = digest;
    u32::from_be_bytes([a, b, c, d])
}

/// A chunk's part of BM25 for each of its terms. The server multiplies it with how rare the term is.
pub(super) fn of_chunk(terms: &[(String, u32)]) -> (Vec<u32>, Vec<f32>) {
    let length: u32 = terms.iter().map(|(_, times)| times).sum();
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for (term, times) in terms.iter().filter(|(_, times)| *times > 0) {
        *counts.entry(number(term)).or_default() += times;
    }
    let against = K1 * (1.0 - B + B * length as f32 / AVERAGE_TERMS);
    let value = |times: u32| times as f32 * (K1 + 1.0) / (times as f32 + against);
    counts.into_iter().map(|(number, times)| (number, value(times))).unzip()
}

/// The weights of a query's terms; a term that is named twice counts with both.
pub(super) fn of_query(terms: &[(String, f32)]) -> (Vec<u32>, Vec<f32>) {
    let mut weights: BTreeMap<u32, f32> = BTreeMap::new();
    for (term, weight) in terms.iter().filter(|(_, weight)| *weight > 0.0 && weight.is_finite()) {
        *weights.entry(number(term)).or_default() += weight;
    }
    weights.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_a_chunk_is_that_of_bm25() {
        let (numbers, values) =
            of_chunk(&[("a".to_owned(), 3), ("b".to_owned(), 97), ("none".to_owned(), 0)]);
        assert_eq!(numbers.len(), 2);
        let a = values[numbers.iter().position(|it| *it == number("a")).unwrap()];
        // 3 × 2.2 / (3 + 1.2) in a chunk of just the middling length.
        assert!((a - 6.6 / 4.2).abs() < 1e-6, "{a}");
        assert!(numbers.is_sorted(), "the server wants each number once");
    }

    #[test]
    fn a_query_names_each_term_once_and_nothing_that_weighs_nothing() {
        let (numbers, values) = of_query(&[
            ("a".to_owned(), 1.0),
            ("a".to_owned(), 0.5),
            ("b".to_owned(), 0.0),
            ("c".to_owned(), f32::NAN),
        ]);
        assert_eq!((numbers, values), (vec![number("a")], vec![1.5]));
    }
}
