//! Server-sent events, from bytes however they are cut. Pure.

/// The longest event that is taken, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// Collects bytes into the data of events. Names and ids of events say nothing that is needed here.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: String,
}

/// An event is longer than any answer has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Events {
    /// Takes bytes, and gives the data of each event that they complete to `each`.
    pub(crate) fn push<E: From<TooLong>>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        for byte in bytes {
            match byte {
                b'\n' => {
                    if let Some(data) = self.end_of_line() {
                        each(&data)?;
                    }
                }
                byte if self.line.len() + self.data.len() < LONGEST => self.line.push(*byte),
                _ => return Err(TooLong.into()),
            }
        }
        Ok(())
    }

    /// The data of the event that ends with this line, if one does.
    fn end_of_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned();
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        let is_whole = line.is_empty() && !self.data.is_empty();
        is_whole.then(|| std::mem::take(&mut self.data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]]) -> Result<Vec<String>, TooLong> {
        let (mut events, mut seen) = (Events::default(), Vec::new());
        for chunk in chunks {
            events.push(chunk, |data| {
                seen.push(data.to_owned());
                Ok::<_, TooLong>(())
            })?;
        }
        Ok(seen)
    }

    #[test]
    fn chunks_do_not_matter() {
        let text =
            "event: x\ndata: {\"雅\": 1}\n\n: a comment\r\n\r\ndata:two\r\ndata: lines\r\n\r\ndata: cut"
                .as_bytes();
        let whole = read(&[text]).unwrap();
        assert_eq!(whole, ["{\"雅\": 1}", "two\nlines"]);
        for size in 1..text.len() {
            assert_eq!(read(&text.chunks(size).collect::<Vec<_>>()).unwrap(), whole, "in chunks of {size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let chunk = vec![b'x'; LONGEST / 4];
        assert_eq!(read(&[&chunk, &chunk, &chunk, &chunk, &chunk]), Err(TooLong));
    }
}
