//! The file of vectors: rows that are only ever added, each the content that it was made of and its numbers.
//!
//! In memory each number is one byte, which is enough to say which rows are near; those are then compared in full.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::LocalError;
use crate::shelf::Content;

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

    /// About the cosine of a row and a vector that was [shrunk](shrink).
    pub(super) fn near(&self, row: u64, (query, worth): (&[i8], f32)) -> f32 {
        let Ok(row) = usize::try_from(row) else { return f32::MIN };
        let begin = row * self.dimensions;
        let Some(numbers) = self.numbers.get(begin..begin + self.dimensions) else { return f32::MIN };
        let product: i32 = numbers.iter().zip(query).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        // Below 2^24 for any length in use: nothing is lost that matters.
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let product = product as f32;
        product * worth * self.worth.get(row).copied().unwrap_or_default()
    }

    /// How [near](Self::near) each of the rows is, with what stands beside it, in their order; shared out among so many
    /// threads.
    pub(super) fn estimates<T: Copy + Send + Sync>(
        &self,
        rows: &[(u64, T)],
        query: (&[i8], f32),
        threads: usize,
    ) -> Vec<(f32, u64, T)> {
        let estimate = |part: &[(u64, T)]| -> Vec<(f32, u64, T)> {
            part.iter().map(|&(row, beside)| (self.near(row, query), row, beside)).collect()
        };
        if threads < 2 {
            return estimate(rows);
        }
        std::thread::scope(|scope| {
            let parts = rows.chunks(rows.len().div_ceil(threads).max(1));
            let working: Vec<_> = parts.map(|part| scope.spawn(move || estimate(part))).collect();
            let done = working.into_iter().map(|thread| {
                // What panics there panics here.
                thread.join().unwrap_or_else(|told| std::panic::resume_unwind(told))
            });
            done.flatten().collect()
        })
    }
}

/// The numbers as bytes, and what one step of a byte is worth.
pub(super) fn shrink(vector: &[f32]) -> (Vec<i8>, f32) {
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
    a.iter().zip(b).map(|(a, b)| a * b).sum()
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
        let (bytes, worth) = shrink(&query);
        for (ix, row) in rows.iter().enumerate() {
            let near = small.near(ix as u64, (&bytes, worth));
            assert!((near - cosine(row, &query)).abs() < 0.005, "{near} {}", cosine(row, &query));
        }
        assert_eq!(shrink(&[0.0, 0.0]), (vec![0, 0], 0.0));
    }

    #[test]
    fn many_threads_say_what_one_says() {
        let mut small = Small { dimensions: 16, ..Small::default() };
        (0..50).for_each(|seed| small.push(&unit(seed, 16)));
        let (bytes, worth) = shrink(&unit(99, 16));
        let rows: Vec<(u64, char)> = (0..50).rev().zip('a'..).collect();
        let one = small.estimates(&rows, (&bytes, worth), 1);
        assert_eq!(one.iter().map(|(_, row, beside)| (*row, *beside)).collect::<Vec<_>>(), rows);
        for threads in [0, 2, 3, 7, 50, 64] {
            assert_eq!(small.estimates(&rows, (&bytes, worth), threads), one, "{threads}");
        }
        assert!(small.estimates::<char>(&[], (&bytes, worth), 4).is_empty());
    }
}
