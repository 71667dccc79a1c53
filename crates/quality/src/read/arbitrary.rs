//! No reader panics, whatever the bytes are: pure noise, and noise put into the words that the formats use.

use std::path::Path;

use proptest::prelude::*;

use miyabi_core::report::CheckKind;

use super::{
    audit, cargo_json, cobertura, cvss, doctest, go_test, junit, lcov, libtest, lockfile, metadata, node,
    plain, python, rustdoc_coverage, sarif,
};

fn read_as_everything(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = audit::read(bytes);
    let _ = cargo_json::read(bytes);
    let _ = cobertura::read(bytes);
    let _ = cobertura::jacoco(bytes);
    let _ = cvss::severity(&text);
    let _ = doctest::read(&text);
    let _ = go_test::read(bytes);
    let _ = go_test::cover(bytes);
    let _ = junit::read(bytes);
    let _ = lcov::read(bytes, Path::new("/w"));
    let _ = libtest::read(bytes);
    let _ = lockfile::third_party(bytes);
    let _ = metadata::read(bytes);
    let _ = metadata::toolchain(bytes);
    let _ = node::audit(bytes);
    let _ = node::eslint(bytes, Path::new("/w"));
    let _ = plain::docs(bytes);
    let _ = plain::files(bytes, CheckKind::Format, Path::new("/w"));
    let _ = plain::vet(bytes, Path::new("/w"));
    let _ = python::audit(bytes);
    let _ = rustdoc_coverage::read(bytes);
    let _ = sarif::read(bytes, CheckKind::Security, Path::new("/w"));
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
            "{\"version\":\"2.1.0\",\"runs\":[",
            "\"results\":",
            "%E9",
            "mode: set\n",
            ".go:1.1,2.2 1 0\n",
            "{\"Action\":\"",
            "fail\",\"Package\":\"",
            "<coverage>",
            "<report>",
            "<line number='",
            "' hits='",
            "'/>",
            "# ",
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
    fn a_damaged_recording_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), which in 0_usize..8) {
        let recordings: [&[u8]; 8] = [
            include_bytes!("../../recordings/cargo-audit-0.22.2.json"),
            include_bytes!("../../recordings/cargo-deny-0.20.2.json"),
            include_bytes!("../../recordings/nextest-0.9.143.xml"),
            include_bytes!("../../recordings/coverage-7.17.3.xml"),
            include_bytes!("../../recordings/go-1.27.3.jsonl"),
            include_bytes!("../../recordings/npm-audit-11.19.1.json"),
            include_bytes!("../../recordings/pytest-9.2.0.xml"),
            include_bytes!("../../recordings/ruff-0.17.6.sarif"),
        ];
        let mut bytes = recordings[which].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_as_everything(&bytes);
        read_as_everything(&bytes[..at]);
    }
}
