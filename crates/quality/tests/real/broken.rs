//! Projects with something wrong: each fault is found, counted, and named where it is.

use miyabi_core::ports::Scope;
use miyabi_core::report::{CheckEnd, CheckKind, DocCounts, Measured, Severity, TestCounts};

use miyabi_quality::spec::{CheckSpec, Format};

use crate::common::{Bench, ends, found, not_measured, of, scored, shown};

#[tokio::test]
async fn twelve_warnings_and_two_failing_tests_are_counted() {
    let unused: String = (0..12).map(|n| format!("    let 数{n} = {n};\n")).collect();
    let bench = Bench::library(&format!(
        "//! Demo.\n\n/// Wastes.\npub fn waste() {{\n{unused}}}\n\n#[cfg(test)]\nmod tests {{\n    #[test]\n    fn passes() {{}}\n\n    \
         #[test]\n    fn fails() {{\n        println!(\"$(rm) ${{{{x}}}} \\\"雅\\\"\");\n        assert_eq!(1 + 1, 3, \"算数\");\n    }}\n\n    \
         #[test]\n    fn fails_too() -> Result<(), String> {{\n        Err(\"だめ\".to_owned())\n    }}\n}}\n"
    ));
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.build, Measured::Value(true));
    assert_eq!(checked.measured.lint_warnings, Measured::Value(12));
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 2, ignored: 0 }));
    let lines: Vec<_> = (5..17).map(|line| format!("unused_variables @ src/lib.rs:{line}")).collect();
    assert_eq!(found(&checked, CheckKind::Lint), lines);
    assert_eq!(
        found(&checked, CheckKind::Tests),
        ["tests::fails @ src/lib.rs", "tests::fails_too @ src/lib.rs"]
    );
    let said = &of(&checked, CheckKind::Tests).findings[0].message;
    assert!(said.starts_with("$(rm) ${x} \"雅\"\n") && said.contains("failed: 算数"), "{said}");
    assert_eq!(
        ends(&checked),
        [
            (CheckKind::Build, CheckEnd::Passed),
            (CheckKind::Lint, CheckEnd::Failed),
            (CheckKind::Tests, CheckEnd::Failed),
            (CheckKind::Format, CheckEnd::Passed)
        ]
    );
}

/// The example of the specification on a real crate: at 95 % of the lines it is 58, to the point.
#[tokio::test]
async fn twelve_warnings_and_two_failing_tests_are_58() {
    let unused: String = (0..12).map(|n| format!("    let n{n} = {n};\n")).collect();
    let mut bench = Bench::library(&format!(
        "//! Demo.\n\n/// Wastes.\npub fn waste() {{\n{unused}}}\n\n#[cfg(test)]\nmod tests {{\n    #[test]\n    fn passes() {{}}\n\n    \
         #[test]\n    fn fails() {{\n        panic!(\"雅\");\n    }}\n\n    #[test]\n    fn fails_too() {{\n        panic!();\n    }}\n}}\n"
    ));
    let lines: String = (1..=100).map(|line| format!("DA:{line},{}\n", u8::from(line > 5))).collect();
    bench.file("lines.info", &format!("SF:src/lib.rs\n{lines}end_of_record\n"));
    bench.options.specs =
        vec![CheckSpec::new("lines", CheckKind::Tests, Format::Lcov, &["cat", "lines.info"])];
    // cargo-llvm-cov is not there, so the project's own check stands in for it.
    let report = scored(&bench.check(Scope::Full).await);
    assert_eq!(report.score, 58);
    insta::assert_snapshot!("rust", shown(&report));
}

#[tokio::test]
async fn what_does_not_compile_is_not_tested() {
    let bench = Bench::library("//! Demo.\n\n/// Wrong.\npub fn wrong() -> u8 {\n    \"雅\"\n}\n");
    let checked = bench.check(Scope::Full).await;
    let reason = || not_measured("does not build");
    assert_eq!(
        ends(&checked),
        [
            (CheckKind::Build, CheckEnd::Failed),
            (CheckKind::Lint, reason()),
            (CheckKind::Tests, reason()),
            (CheckKind::Docs, reason()),
            (CheckKind::Security, CheckEnd::Passed),
            (CheckKind::Format, CheckEnd::Passed)
        ]
    );
    assert_eq!(found(&checked, CheckKind::Build), ["E0308 @ src/lib.rs:5"]);
    assert_eq!(of(&checked, CheckKind::Build).findings[0].severity, Severity::High);
    assert_eq!(checked.measured.build, Measured::Value(false));
    assert_eq!(checked.measured.tests, Measured::Missing("does not build".into()));
    assert_eq!(checked.measured.lint_warnings, Measured::Missing("does not build".into()));
    assert_eq!(checked.measured.docs, Measured::Missing("does not build".into()));
}

#[tokio::test]
async fn what_compiles_but_does_not_link_is_no_build() {
    let bench = Bench::library(
        "//! Demo.\n\n#[link(name = \"miyabi_has_no_such_library\")]\nunsafe extern \"C\" {\n    fn nowhere();\n}\n\n\
         /// Calls it.\npub fn call() {\n    unsafe { nowhere() }\n}\n\n#[test]\nfn calls() {\n    call();\n}\n",
    );
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.build, Measured::Value(false));
    assert_eq!(checked.measured.lint_warnings, Measured::Value(0));
    assert_eq!(checked.measured.tests, Measured::Missing("does not build".into()));
    assert_eq!(found(&checked, CheckKind::Build), ["rustc"]);
}

#[tokio::test]
async fn a_manifest_that_cargo_cannot_read_is_no_build() {
    let bench = Bench::library("//! Demo.\n");
    bench.file("Cargo.toml", "[package\nname = 雅\n");
    let checked = bench.check(Scope::Full).await;
    assert_eq!(of(&checked, CheckKind::Build).end, CheckEnd::Failed);
    assert_eq!(checked.measured.build, Measured::Value(false));
    assert_eq!(checked.measured.tests, Measured::Missing("does not build".into()));
    assert!(of(&checked, CheckKind::Build).findings[0].message.contains("Cargo.toml"));
}

#[tokio::test]
async fn a_lint_that_is_an_error_of_clippy_alone_is_a_warning() {
    let bench = Bench::library(
        "//! Demo.\n\n/// Nearly.\npub fn pi() -> f64 {\n    3.14\n}\n\n#[test]\nfn passes() {\n    assert!(pi() > 3.0);\n}\n",
    );
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.build, Measured::Value(true));
    assert_eq!(checked.measured.lint_warnings, Measured::Value(1));
    assert_eq!(found(&checked, CheckKind::Lint), ["clippy::approx_constant @ src/lib.rs:5"]);
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 0, ignored: 0 }));
}

#[tokio::test]
async fn a_test_program_that_dies_is_a_failing_test() {
    let bench = Bench::library("//! Demo.\n");
    bench.file("tests/dies.rs", "#[test]\nfn aborts() {\n    std::process::abort();\n}\n");
    bench.file("tests/leaves.rs", "#[test]\nfn exits() {\n    std::process::exit(0);\n}\n");
    bench.file("tests/lives.rs", "#[test]\nfn passes() {}\n");
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 2, ignored: 0 }));
    let findings = &of(&checked, CheckKind::Tests).findings;
    let said: Vec<_> =
        findings.iter().map(|one| (one.rule.as_str(), one.message.as_str(), one.file.as_deref())).collect();
    assert_eq!(
        said,
        [
            ("dies", "the test program was killed by signal 6 while running aborts", Some("tests/dies.rs")),
            (
                "leaves",
                "the test program ended with exit code 0 while running exits",
                Some("tests/leaves.rs")
            )
        ]
    );
}

#[tokio::test]
async fn a_harness_of_the_projects_own_is_judged_by_its_exit_code() {
    let bench = Bench::library("//! Demo.\n");
    bench.file(
        "Cargo.toml",
        "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[[test]]\nname = \"good\"\nharness = false\n\n\
         [[test]]\nname = \"bad\"\nharness = false\n",
    );
    // Strict about its arguments, and a liar in what it prints.
    let check = "assert_eq!(std::env::args().count(), 1);";
    bench.file(
        "tests/good.rs",
        &format!("fn main() {{\n    {check}\n    println!(\"test x ... FAILED\");\n}}\n"),
    );
    bench.file("tests/bad.rs", &format!("fn main() {{\n    {check}\n    std::process::exit(7);\n}}\n"));
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 1, ignored: 0 }));
    assert_eq!(found(&checked, CheckKind::Tests), ["bad @ tests/bad.rs"]);
}

#[tokio::test]
async fn what_tests_print_is_not_taken_for_reports() {
    let lies = r#"{ \"type\": \"suite\", \"event\": \"ok\", \"passed\": 99, \"failed\": 0, \"ignored\": 0 }"#;
    let bench = Bench::library("//! Demo.\n");
    bench.file(
        "tests/lies.rs",
        &format!(
            "use std::process::Command;\n\n#[test]\nfn fails() {{\n    Command::new(\"echo\").arg(\"{lies}\").status().unwrap();\n    \
             Command::new(\"echo\").arg(\"test a (line 1) ... ok\").status().unwrap();\n    panic!(\"雅\");\n}}\n"
        ),
    );
    let checked = bench.check(Scope::Task).await;
    let Measured::Value(counts) = checked.measured.tests else { panic!("{:?}", checked.measured.tests) };
    assert_eq!(counts.failed, 1);
    assert_eq!(of(&checked, CheckKind::Tests).end, CheckEnd::Failed);
    assert_eq!(found(&checked, CheckKind::Tests), ["fails @ tests/lies.rs"]);
}

#[tokio::test]
async fn a_documentation_test_that_fails_is_a_failing_test() {
    let bench = Bench::library(
        "//! Demo.\n\n/// Adds.\n///\n/// ```\n/// assert_eq!(demo::add(2, 2), 5, \"算数\");\n/// ```\npub fn add(left: u64, right: u64) -> \
         u64 {\n    left + right\n}\n",
    );
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 0, failed: 1, ignored: 0 }));
    assert_eq!(found(&checked, CheckKind::Tests), ["src/lib.rs - add (line 5) @ src/lib.rs"]);
    assert!(of(&checked, CheckKind::Tests).findings[0].message.contains("算数"));
}

#[tokio::test]
async fn many_failures_are_counted_in_full_and_listed_in_part() {
    let tests: String = (0..250)
        .map(|n| format!("#[test]\nfn fails_{n}() {{\n    panic!(\"{{}}\", \"雅\".repeat(5000));\n}}\n"))
        .collect();
    let bench = Bench::library("//! Demo.\n");
    bench.file("tests/many.rs", &tests);
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 0, failed: 250, ignored: 0 }));
    let findings = &of(&checked, CheckKind::Tests).findings;
    assert_eq!(findings.len(), 201);
    assert_eq!(findings[0].message.chars().count(), 4000);
    assert_eq!(findings[200].message, "50 more findings are not listed");
}

#[tokio::test]
async fn files_that_are_not_formatted_are_named() {
    let bench = Bench::library("//! Demo.\n\nmod 雅;\n");
    bench.file("src/雅.rs", "#[test]\nfn  wide( ) { }\n");
    let checked = bench.check(Scope::Task).await;
    assert_eq!(found(&checked, CheckKind::Format), ["rustfmt @ src/雅.rs"]);
    assert_eq!(of(&checked, CheckKind::Format).end, CheckEnd::Failed);
}

#[tokio::test]
async fn undocumented_items_and_broken_links_are_found() {
    let bench = Bench::library(
        "//! Demo.\n\n/// Documented, with a link to [`Nowhere`].\npub struct Known {\n    pub field: u8,\n}\n\npub fn bare() {}\n\n\
         /// Inside.\npub mod inner;\n",
    );
    bench.file("src/inner.rs", "pub fn bare() {}\n\n/// Known.\npub fn known() {}\n\nfn private() {}\n");
    let checked = bench.check(Scope::Full).await;
    // The crate, `Known`, its field, `bare`, `inner` and two functions inside.
    assert_eq!(checked.measured.docs, Measured::Value(DocCounts { public: 7, documented: 4 }));
    assert_eq!(of(&checked, CheckKind::Docs).end, CheckEnd::Failed);
    assert_eq!(
        found(&checked, CheckKind::Docs),
        [
            "rustdoc::broken_intra_doc_links @ src/lib.rs:3",
            "missing_docs @ src/inner.rs",
            "missing_docs @ src/lib.rs"
        ]
    );
}

#[tokio::test]
async fn documentation_that_cannot_be_built_is_not_counted() {
    let bench = Bench::library(
        "//! Demo.\n#![deny(rustdoc::broken_intra_doc_links)]\n\n/// See [`Nowhere`].\npub fn known() {}\n",
    );
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.docs, Measured::Missing("the documentation cannot be built".into()));
    assert_eq!(of(&checked, CheckKind::Docs).end, CheckEnd::Failed);
    assert_eq!(found(&checked, CheckKind::Docs), ["rustdoc::broken_intra_doc_links @ src/lib.rs:4"]);
}

#[tokio::test]
async fn benchmarks_that_need_nightly_are_left_out_and_told() {
    let bench = Bench::library(
        "//! Demo.\n\n/// Wastes.\npub fn waste() {\n    let 数 = 1;\n}\n\n#[test]\nfn passes() {}\n",
    );
    bench.file("benches/fast.rs", "#![feature(test)]\nextern crate test;\n");
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.build, Measured::Value(true));
    assert_eq!(checked.measured.lint_warnings, Measured::Value(1));
    assert_eq!(found(&checked, CheckKind::Lint), ["unused_variables @ src/lib.rs:5", "E0554"]);
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 0, ignored: 0 }));

    bench.file("benches/fast.rs", "fn main() {\n    let 数: u8 = \"雅\";\n}\n");
    let checked = bench.check(Scope::Task).await;
    assert_eq!(found(&checked, CheckKind::Build), ["E0308 @ benches/fast.rs:2"]);
    assert_eq!(checked.measured.build, Measured::Value(false));
}

#[tokio::test]
async fn tests_see_their_own_surroundings_only() {
    let mut bench = Bench::library("//! Demo.\n");
    bench.options = bench.options.with_var("HTTPS_PROXY", "proxy.example");
    bench.file(
        "tests/sees.rs",
        "#[test]\nfn sees() {\n    let mut names: Vec<_> = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with(\"MIYABI\") || \
         name.contains(\"TOKEN\") || name.ends_with(\"PROXY\")).collect();\n    names.sort();\n    assert_eq!(names, [\"HTTPS_PROXY\", \"MIYABI_CHECK\", \
         \"MIYABI_RUN\"]);\n    assert_eq!(std::env::current_dir().unwrap(), std::path::Path::new(env!(\"CARGO_MANIFEST_DIR\")));\n}\n",
    );
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 0, ignored: 0 }));
}
