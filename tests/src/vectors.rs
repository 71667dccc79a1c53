//! An endpoint that makes vectors, as simple as can be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::Value;

/// An endpoint for vectors to which farewells and goodbyes are the same; for as long as the test runs.
pub fn endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the endpoint of a test");
    let address = format!("http://{}/v1", listener.local_addr().expect("the endpoint of a test"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.expect("the endpoint of a test"));
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok() && !line.trim().is_empty() {
                if let Some((name, value)) =
                    line.split_once(':').filter(|(name, _)| *name == "content-length")
                {
                    length = value.trim().parse().unwrap_or_else(|_| panic!("{name}"));
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the endpoint of a test");
            let asked: Value = serde_json::from_slice(&body).expect("the endpoint of a test");
            let near = |text: &Value| {
                ["farewell", "goodbye"]
                    .iter()
                    .any(|word| text.as_str().expect("the endpoint of a test").contains(word))
            };
            let vector =
                |text: &Value| serde_json::json!({ "embedding": if near(text) { [1, 0] } else { [0, 1] } });
            let data: Vec<Value> =
                asked["input"].as_array().expect("the endpoint of a test").iter().map(vector).collect();
            let answer = serde_json::json!({ "data": data }).to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
            reader.get_mut().write_all((head + &answer).as_bytes()).expect("the endpoint of a test");
        }
    });
    address
}
