//! The file of vectors: rows that are only ever added, each the content that it was made of and its numbers.
//!
//! In memory each number is one byte, which is enough to say which rows are near; those are then compared in full.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pulp::{Arch, Simd, WithSimd};

use super::error::LocalError;
use crate::shelf::Content;

/// So many rows a thread looks at before it asks for more.
const PART: usize = 4_096;
/// Bytes of a content at the beginning of a row.
const CONTENT: usize = 16;

/// The rows of a file.
pub(super) struct Vectors {
    path: PathBuf,
    file: File,
    dimensions: usize,
    rows: HashMap<Content, u64>,
    small: Small,
}

/// Rows of one byte for each number, with what that byte is worth.
#[derive(Default)]
pub(super) struct Small {
    dimensions: usize,
    numbers: Vec<i8>,
    worth: Vec<f32>,
}

impl Vectors {
    pub(super) fn open(path: &Path, dimensions: usize) -> Result<Self, LocalError> {
        let failed = |error| LocalError::file("open", path, error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let small = Small { dimensions, ..Small::default() };
        let mut vectors = Self { path: path.to_owned(), file, dimensions, rows: HashMap::new(), small };
        vectors.refresh()?;
        Ok(vectors)
    }

    /// Takes in what others added.
    pub(super) fn refresh(&mut self) -> Result<(), LocalError> {
        let failed = |error| LocalError::file("read", &self.path, error);
        let size = self.row_bytes() as u64;
        let length = self.file.metadata().map_err(failed)?.len();
        let known = self.small.rows();
        // A row that a killed process left half written is not counted.
        let rows = length / size;
        if rows <= known {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(known * size)).map_err(failed)?;
        let mut reader = std::io::BufReader::with_capacity(1 << 20, &self.file);
        let mut row = vec![0; self.row_bytes()];
        let mut numbers = vec![0.0; self.dimensions];
        for ix in known..rows {
            reader.read_exact(&mut row).map_err(failed)?;
            let content = decode(&row, &mut numbers);
            self.small.push(&numbers);
            self.rows.insert(content, ix);
        }
        Ok(())
    }

    /// Adds those that are not there; the caller holds the lock of the folder.
    pub(super) fn add<'a>(
        &mut self,
        new: impl Iterator<Item = (Content, &'a [f32])>,
    ) -> Result<(), LocalError> {
        self.refresh()?;
        let failed = |error| LocalError::file("write", &self.path, error);
        let size = self.row_bytes() as u64;
        let begin = self.small.rows() * size;
        self.file.set_len(begin).and_then(|()| self.file.seek(SeekFrom::Start(begin))).map_err(failed)?;
        let mut writer = BufWriter::new(&self.file);
        for (content, vector) in new {
            if self.rows.contains_key(&content) || vector.len() != self.dimensions {
                continue;
            }
            writer.write_all(&content.0).map_err(failed)?;
            for number in vector {
                writer.write_all(&number.to_le_bytes()).map_err(failed)?;
            }
            self.rows.insert(content, self.small.rows());
            self.small.push(vector);
        }
        writer.flush().map_err(failed)?;
        drop(writer);
        self.file.sync_data().map_err(failed)
    }

    /// How many there are.
    pub(super) fn rows(&self) -> u64 {
        self.small.rows()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn row(&self, content: &Content) -> Option<u64> {
        self.rows.get(content).copied()
    }

    pub(super) fn get(&self, content: &Content) -> Result<Option<Vec<f32>>, LocalError> {
        let Some(row) = self.row(content) else { return Ok(None) };
        let mut reading = Reading::of(self);
        reading.read(self, row)?;
        Ok(Some(reading.numbers))
    }

    /// The cosines of these rows and a vector.
    pub(super) fn cosines(
        &self,
        rows: impl Iterator<Item = u64>,
        vector: &[f32],
    ) -> Result<Vec<f32>, LocalError> {
        let mut reading = Reading::of(self);
        rows.map(|row| Ok(cosine(reading.read(self, row)?, vector))).collect()
    }

    pub(super) fn small(&self) -> &Small {
        &self.small
    }

    fn row_bytes(&self) -> usize {
        CONTENT + 4 * self.dimensions
    }
}

/// Room for one row at a time.
struct Reading {
    bytes: Vec<u8>,
    numbers: Vec<f32>,
}

impl Reading {
    fn of(vectors: &Vectors) -> Self {
        Self { bytes: vec![0; vectors.row_bytes()], numbers: vec![0.0; vectors.dimensions] }
    }

    fn read(&mut self, vectors: &Vectors, row: u64) -> Result<&[f32], LocalError> {
        let begin = row * self.bytes.len() as u64;
        let read = vectors.file.read_exact_at(&mut self.bytes, begin);
        read.map_err(|error| LocalError::file("read", &vectors.path, error))?;
        decode(&self.bytes, &mut self.numbers);
        Ok(&self.numbers)
    }
}

fn decode(row: &[u8], numbers: &mut [f32]) -> Content {
    let mut content = Content::default();
    let (head, tail) = row.split_at(CONTENT.min(row.len()));
    content.0.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
    for (number, bytes) in numbers.iter_mut().zip(tail.chunks_exact(4)) {
        *number = bytes.try_into().map_or(0.0, f32::from_le_bytes);
    }
    content
}

impl Small {
    fn rows(&self) -> u64 {
        self.worth.len() as u64
    }

    fn push(&mut self, vector: &[f32]) {
        let (numbers, worth) = shrink(vector);
        self.numbers.extend(numbers);
        self.worth.push(worth);
    }

    /// About the cosine of a row and a vector.
    #[inline(always)]
    fn near(&self, row: u64, query: &Shrunk) -> f32 {
        let Ok(row) = usize::try_from(row) else { return f32::MIN };
        let begin = row * self.dimensions;
        let Some(numbers) = self.numbers.get(begin..begin + self.dimensions) else { return f32::MIN };
        let product: i32 =
            numbers.iter().zip(&query.numbers).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        // Below 2^24 for any length in use: nothing is lost that matters.
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let product = product as f32;
        product * query.worth * self.worth.get(row).copied().unwrap_or_default()
    }

    /// Those rows that are nearest by that estimate, at most `limit` and in no order, with what stands beside each. So many
    /// threads look, each at the next rows that nobody looked at yet: one that has to wait for a processor holds up no
    /// other.
    pub(super) fn nearest<T: Copy + Send + Sync>(
        &self,
        rows: &[(u64, T)],
        query: &Shrunk,
        limit: usize,
        threads: usize,
    ) -> Vec<(f32, u64, T)> {
        let parts = Mutex::new(rows.chunks(PART));
        let scan = || {
            let mut best = Best { limit, least: f32::MIN, rows: Vec::new() };
            // Not in the loop's head: the lock would be held while it looks.
            let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            while let Some(rows) = next() {
                // The processor's widest instructions, where it has them.
                Arch::new().dispatch(Scan { small: self, rows, query, best: &mut best });
            }
            best.rows
        };
        std::thread::scope(|scope| {
            // A machine that has no thread to give leaves more to the others.
            let begin = || std::thread::Builder::new().spawn_scoped(scope, scan).ok();
            let others: Vec<_> = (1..threads).filter_map(|_| begin()).collect();
            let mut best = scan();
            for thread in others {
                // What panics there panics here.
                best.extend(thread.join().unwrap_or_else(|told| std::panic::resume_unwind(told)));
            }
            keep(&mut best, limit);
            best
        })
    }
}

/// The nearest rows so far, and some that may have been.
struct Best<T> {
    limit: usize,
    /// What is farther is none of them.
    least: f32,
    rows: Vec<(f32, u64, T)>,
}

impl<T> Best<T> {
    #[inline(never)]
    fn take(&mut self, row: (f32, u64, T)) {
        self.rows.push(row);
        if self.rows.len() >= self.limit.saturating_mul(2) {
            self.least = keep(&mut self.rows, self.limit);
        }
    }
}

/// The way through some rows.
struct Scan<'a, 'b, T> {
    small: &'a Small,
    rows: &'a [(u64, T)],
    query: &'a Shrunk,
    best: &'b mut Best<T>,
}

impl<T: Copy> WithSimd for Scan<'_, '_, T> {
    type Output = ();

    // All of it is compiled once for each kind of processor; what is called from here and not inlined is not.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for &(row, beside) in self.rows {
            let near = self.small.near(row, self.query);
            if near >= self.best.least {
                self.best.take((near, row, beside));
            }
        }
    }
}

/// Keeps the best so many, and says how near the farthest of them is.
fn keep<T>(best: &mut Vec<(f32, u64, T)>, limit: usize) -> f32 {
    if best.len() > limit {
        best.select_nth_unstable_by(limit, |a, b| down(a.0, b.0));
        best.truncate(limit);
    }
    best.iter().fold(f32::MAX, |least, (near, ..)| least.min(*near))
}

/// Compares so that the higher comes first; what is no number comes last.
pub(super) fn down(a: f32, b: f32) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// A vector that rows are compared with: numbers within -127 and 127, and what one step of them is worth. They are wider
/// than those of rows, because processors multiply numbers of that width, and widening takes as long as multiplying.
pub(super) struct Shrunk {
    numbers: Vec<i16>,
    worth: f32,
}

impl Shrunk {
    pub(super) fn of(vector: &[f32]) -> Self {
        let (numbers, worth) = shrink(vector);
        Self { numbers: numbers.into_iter().map(i16::from).collect(), worth }
    }
}

/// The numbers as bytes, and what one step of a byte is worth.
fn shrink(vector: &[f32]) -> (Vec<i8>, f32) {
    let largest = vector.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
    if largest == 0.0 {
        return (vec![0; vector.len()], 0.0);
    }
    #[expect(clippy::cast_possible_truncation, reason = "within -127 and 127 by construction")]
    let numbers = vector.iter().map(|number| (number / largest * 127.0).round() as i8).collect();
    (numbers, largest / 127.0)
}

/// The cosine of two vectors of length 1.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    // Sums of their own, because a processor adds several at once, and the order of additions is not the compiler's to
    // change.
    let mut sums = [0.0f32; 8];
    let (a, b) = (a.chunks(sums.len()), b.chunks(sums.len()));
    for (a, b) in a.zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(seed: u32, dimensions: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let mut numbers: Vec<f32> = (0..dimensions)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f32::from(i16::try_from(state >> 17).unwrap()) / 32_768.0 - 0.5
            })
            .collect();
        let length = cosine(&numbers, &numbers).sqrt();
        numbers.iter_mut().for_each(|number| *number /= length);
        numbers
    }

    #[test]
    fn rows_are_kept_and_others_see_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let mut one = Vectors::open(&path, 8).unwrap();
        let mut other = Vectors::open(&path, 8).unwrap();
        let (a, b) = (unit(1, 8), unit(2, 8));
        let (ka, kb) = (Content::of("a"), Content::of("b"));
        one.add([(ka, a.as_slice()), (kb, b.as_slice()), (ka, b.as_slice())].into_iter()).unwrap();
        assert_eq!(other.row(&ka), None);
        other.refresh().unwrap();
        assert_eq!((other.row(&ka), other.row(&kb)), (Some(0), Some(1)));
        assert_eq!(other.get(&ka).unwrap().unwrap(), a);
        assert_eq!(other.get(&Content::of("c")).unwrap(), None);
    }

    #[test]
    fn half_a_row_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let a = unit(1, 8);
        Vectors::open(&path, 8).unwrap().add([(Content::of("a"), a.as_slice())].into_iter()).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[7; 20]).unwrap();
        let mut after = Vectors::open(&path, 8).unwrap();
        assert_eq!(after.small().rows(), 1);
        after.add([(Content::of("b"), a.as_slice())].into_iter()).unwrap();
        let last = Vectors::open(&path, 8).unwrap();
        assert_eq!(last.get(&Content::of("b")).unwrap().unwrap(), a);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 * (16 + 32));
    }

    #[test]
    fn bytes_are_near_the_numbers() {
        let mut small = Small { dimensions: 384, ..Small::default() };
        let rows: Vec<Vec<f32>> = (0..50).map(|seed| unit(seed, 384)).collect();
        rows.iter().for_each(|row| small.push(row));
        let query = unit(99, 384);
        let shrunk = Shrunk::of(&query);
        for (ix, row) in rows.iter().enumerate() {
            let near = small.near(ix as u64, &shrunk);
            assert!((near - cosine(row, &query)).abs() < 0.005, "{near} {}", cosine(row, &query));
        }
        assert_eq!(shrink(&[0.0, 0.0]), (vec![0, 0], 0.0));
    }

    #[test]
    fn the_nearest_are_the_same_however_many_look() {
        let mut small = Small { dimensions: 4, ..Small::default() };
        let rows = 2 * PART as u64 + 50;
        (0..rows).for_each(|seed| small.push(&unit(u32::try_from(seed).unwrap(), 4)));
        let query = Shrunk::of(&unit(99, 4));
        let beside: Vec<(u64, u64)> = (0..rows).rev().map(|row| (row, row + 1)).collect();
        let mut all: Vec<f32> = (0..rows).map(|row| small.near(row, &query)).collect();
        all.sort_by(|a, b| down(*a, *b));
        for limit in [0, 1, 3, PART, rows as usize - 1, rows as usize, rows as usize + 1] {
            for threads in [0, 1, 2, 7] {
                let mut best = small.nearest(&beside, &query, limit, threads);
                best.sort_by(|a, b| down(a.0, b.0));
                assert!(
                    best.iter().all(|(near, row, beside)| {
                        row + 1 == *beside && *near == small.near(*row, &query)
                    })
                );
                let best: Vec<f32> = best.into_iter().map(|(near, ..)| near).collect();
                assert_eq!(best, all.iter().copied().take(limit).collect::<Vec<_>>(), "{limit} {threads}");
            }
        }
        assert!(small.nearest::<char>(&[], &query, 4, 4).is_empty());
    }
}
