//! No reader panics, whatever the bytes are: pure noise, and noise put into the words that the formats use.

use std::path::Path;

use proptest::prelude::*;

use super::{audit, cargo_json, cvss, doctest, junit, lcov, libtest, lockfile, metadata, rustdoc_coverage};

fn read_as_everything(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = audit::read(bytes);
    let _ = cargo_json::read(bytes);
    let _ = cvss::severity(&text);
    let _ = doctest::read(&text);
    let _ = junit::read(bytes);
    let _ = lcov::read(bytes, Path::new("/w"));
    let _ = libtest::read(bytes);
    let _ = lockfile::third_party(bytes);
    let _ = metadata::read(bytes);
    let _ = metadata::toolchain(bytes);
    let _ = rustdoc_coverage::read(bytes);
}

fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "{ \"type\": \"",
            "suite",
            "\", \"event\": \"",
            "started",
            "failed",
            "\" }",
            "\n",
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"reason\":",
            "\"compiler-message\"",
            "test ",
            " ... ",
            "ok",
            "FAILED",
            " (line ",
            "SF:",
            "DA:",
            "end_of_record",
            "[[package]]",
            "name = \"",
            "<testsuite>",
            "<testcase name='",
            "'>",
            "<failure>",
            "</failure>",
            "</testcase>",
            "&#",
            "&",
            ";",
            "<![CDATA[",
            "]]>",
            "CVSS:3.1/",
            "AV:",
            "/",
            "雅",
            "\u{0}",
            "---- ",
            " stdout ----",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
        any::<u64>().prop_map(|number| number.to_string()),
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn noise_in_known_words_never_panics(text in words()) {
        read_as_everything(text.as_bytes());
    }

    #[test]
    fn a_damaged_recording_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), which in 0_usize..3) {
        let recordings: [&[u8]; 3] = [
            include_bytes!("../../recordings/cargo-audit-0.22.2.json"),
            include_bytes!("../../recordings/cargo-deny-0.20.2.json"),
            include_bytes!("../../recordings/nextest-0.9.143.xml"),
        ];
        let mut bytes = recordings[which].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_as_everything(&bytes);
        read_as_everything(&bytes[..at]);
    }
}
