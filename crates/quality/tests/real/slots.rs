//! One build folder for many checkouts: what is compiled of one is never taken for another.

use std::fs;

use miyabi_core::ids::RunId;
use miyabi_core::ports::{CheckJob, Checked, Checks, Scope, never_stop};
use miyabi_core::report::{Measured, TestCounts};
use miyabi_quality::ToolChecks;

use crate::common::Bench;

/// Two checkouts of one program whose integration test expects its own checkout's words, the older one second.
fn twins(bench: &Bench) {
    for twin in ["一", "二"] {
        let file = |path: &str, text: &str| bench.file(&format!("{twin}/{path}"), text);
        file(
            "Cargo.toml",
            "[workspace]\nexclude = [\"outside\"]\n\n[package]\nname = \"twin\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\noutside = { path = \"outside\" }\n",
        );
        file(
            "outside/Cargo.toml",
            "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        file("outside/src/lib.rs", &format!("pub fn words() -> &'static str {{\n    \"{twin}\"\n}}\n"));
        file("src/main.rs", "fn main() {\n    println!(\"{}\", outside::words());\n}\n");
        let test = format!(
            "use std::process::Command;\n\n#[test]\nfn speaks() {{\n    let said = Command::new(env!(\"CARGO_BIN_EXE_twin\")).output().unwrap();\n    \
             assert_eq!(String::from_utf8(said.stdout).unwrap(), \"{twin}\\n\");\n    \
             assert_eq!(std::env::current_dir().unwrap().file_name().unwrap(), \"{twin}\");\n    \
             assert_eq!(std::env::var(\"CARGO_MANIFEST_DIR\").unwrap(), env!(\"CARGO_MANIFEST_DIR\"));\n}}\n"
        );
        file("tests/speaks.rs", &test);
    }
}

async fn check(bench: &Bench, twin: &str, scope: Scope) -> Checked {
    let job = CheckJob {
        base: None,
        root: bench.root().join(twin),
        scope,
        touched: None,
        deadline_secs: 300,
        run: RunId::new("一"),
    };
    ToolChecks::new(bench.options.clone()).run(&job, never_stop()).await.unwrap()
}

fn slots(bench: &Bench) -> usize {
    fs::read_dir(bench.build_folder()).unwrap().count()
}

const ONE_PASSED: Measured<TestCounts> = Measured::Value(TestCounts { passed: 1, failed: 0, ignored: 0 });

#[tokio::test]
async fn checkouts_that_follow_each_other_share_a_slot_and_nothing_else() {
    let bench = Bench::new();
    twins(&bench);
    for twin in ["一", "二", "一"] {
        assert_eq!(check(&bench, twin, Scope::Task).await.measured.tests, ONE_PASSED, "{twin}");
    }
    assert_eq!(slots(&bench), 1);
}

#[tokio::test]
async fn checkouts_at_the_same_time_have_a_slot_each() {
    let bench = Bench::new();
    twins(&bench);
    let (one, other) = tokio::join!(check(&bench, "一", Scope::Task), check(&bench, "二", Scope::Task));
    assert_eq!((one.measured.tests, other.measured.tests), (ONE_PASSED, ONE_PASSED));
    assert_eq!(slots(&bench), 2);
}

#[tokio::test]
async fn the_score_does_not_trust_times_of_files() {
    let bench = Bench::library("//! Demo.\n\n#[test]\nfn passes() {}\n");
    let source = bench.root().join("src/lib.rs");
    let written = fs::metadata(&source).unwrap().modified().unwrap();
    assert_eq!(bench.check(Scope::Task).await.measured.tests, ONE_PASSED);
    bench.file("src/lib.rs", "//! Demo.\n\n#[test]\nfn passes() {\n    panic!();\n}\n");
    fs::File::options().write(true).open(&source).unwrap().set_modified(written).unwrap();
    let counts = TestCounts { passed: 0, failed: 1, ignored: 0 };
    assert_eq!(bench.check(Scope::Full).await.measured.tests, Measured::Value(counts));
}
