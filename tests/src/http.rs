//! Requests written byte by byte, for what no client would send.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends a request as it is and gives the status and the whole answer.
#[track_caller]
pub fn raw(url: &str, request: &[u8]) -> (u16, String) {
    let address = url.strip_prefix("http://").expect("it is an address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    // A server that has seen enough answers and does not read the rest.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), answer)
}
