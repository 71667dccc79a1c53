//! Bytes to lines, however they are cut into chunks; no reading, no writing.

/// The longest line that is read, in bytes; what is beyond it is dropped up to the next line end.
pub(crate) const LONGEST: usize = 1024 * 1024;

/// The longest description of what a tool works on, in characters.
const DETAIL: usize = 200;

/// The first line of what a tool works on, at most 200 characters of it.
pub(crate) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(DETAIL).collect();
    if short.len() < text.trim_end().len() {
        short.push('…');
    }
    short
}

/// Collects chunks into lines. Holds at most [`LONGEST`] bytes, whatever comes in.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes a chunk and gives each line that it completes, without its end, to `each`.
    ///
    /// What is not UTF-8 reads as the replacement character. Lines longer than [`LONGEST`] are cut.
    pub(crate) fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&str)) {
        let mut pieces = chunk.split(|byte| *byte == b'\n');
        let mut piece = pieces.next();
        while let Some(this) = piece {
            let room = LONGEST.saturating_sub(self.rest.len());
            self.rest.extend_from_slice(this.get(..room).unwrap_or(this));
            piece = pieces.next();
            if piece.is_some() {
                self.emit(&mut each);
            }
        }
    }

    /// Gives the last line to `each` if the output did not end with a line end.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(&str)) {
        if !self.rest.is_empty() {
            self.emit(&mut each);
        }
    }

    fn emit(&mut self, each: &mut impl FnMut(&str)) {
        let line = self.rest.strip_suffix(b"\r").unwrap_or(&self.rest);
        each(&String::from_utf8_lossy(line));
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| seen.push(line.to_owned()));
        }
        lines.finish(|line| seen.push(line.to_owned()));
        seen
    }

    #[test]
    fn chunks_do_not_matter() {
        let text = "一行目\r\n\n$(id) \"二\"\nlast".as_bytes();
        let whole = read(&[text]);
        assert_eq!(whole, ["一行目", "", "$(id) \"二\"", "last"]);
        for size in 1..text.len() {
            assert_eq!(read(&text.chunks(size).collect::<Vec<_>>()), whole, "in chunks of {size}");
        }
    }

    #[test]
    fn a_line_end_at_the_end_adds_no_line() {
        assert_eq!(read(&[b"a\n", b"b\n"]), ["a", "b"]);
        assert_eq!(read(&[]), [""; 0]);
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(read(&[b"a\xff\xfeb\nok"]), ["a\u{fffd}\u{fffd}b", "ok"]);
    }

    #[test]
    fn endless_lines_are_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; 300_000];
        let seen = read(&[&long, &long, &long, &long, b"tail\nnext\n"]);
        assert_eq!(seen.iter().map(String::len).collect::<Vec<_>>(), [LONGEST, 4]);
        assert_eq!(seen[1], "next");
    }
}
