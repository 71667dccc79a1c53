//! Small projects in other languages, measured by their real tools: `sh tests/setup-languages.sh` installs them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use miyabi_core::ports::Scope;
use miyabi_core::report::{
    CheckEnd, CheckKind, Coverage, DocCounts, Measured, Recommendation, TestCounts, Vulnerabilities,
};

use crate::common::{Bench, ends, found, of, scored, shown};

/// A checkout with the installed tools on its search path; `None`, with a word, where they are not installed.
fn bench() -> Option<Bench> {
    let folder = std::env::var_os("MIYABI_LANGUAGES_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/languages")),
        PathBuf::from,
    );
    let Ok(folder) = folder.canonicalize() else {
        eprintln!("left out: the tools of other languages are missing: sh tests/setup-languages.sh");
        return None;
    };
    let mut bench = Bench::new();
    let mut path = folder.join("python/bin").into_os_string();
    path.push(":");
    path.push(bench.options.env.get(std::ffi::OsStr::new("PATH")).unwrap());
    bench.options.env.insert("PATH".into(), path);
    Some(bench)
}

/// Answers each request whose path ends so and whose body has that word with that, for as long as the test lives.
/// Gives the address.
fn advisories(answers: Vec<(&'static str, &'static str, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                    break;
                }
                lines.push(line.to_lowercase());
            }
            let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
            let length = lines.iter().find_map(|line| line.strip_prefix("content-length:"));
            let mut body = vec![0; length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)];
            let _ = stream.read_exact(&mut body);
            let answer = answers
                .iter()
                .find(|(end, word, _)| path.ends_with(end) && String::from_utf8_lossy(&body).contains(word))
                .map_or("{}", |(.., answer)| answer);
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
            let _ = write!(stream.get_mut(), "{head} {}\r\n\r\n{answer}", answer.len());
        }
    });
    address
}

const DEMO: &str = "\"\"\"Doubles.\"\"\"\nimport os\n\n\ndef double(n):\n    \"\"\"Twice that.\"\"\"\n    if n > 100:\n        return 200\n    return 2 * n\n\n\ndef half(n):\n    return n / 2\n";

#[tokio::test]
async fn a_python_project() {
    let Some(mut bench) = bench() else { return };
    bench.file("pyproject.toml", "[project]\nname = \"demo\"\nversion = \"0.1.0\"\n");
    bench.file("demo/__init__.py", "");
    bench.file("demo/numbers.py", DEMO);
    bench.file(
        "tests/test_numbers.py",
        "from demo.numbers import double, half\n\n\ndef test_double():\n    assert double(2) == 4\n\n\ndef test_half():\n    assert half(4) == 3, \"雅\"\n",
    );
    bench.file("requirements.txt", "padding==1.0\nharmless==2.0\n");
    let vulnerable = r#"{"vulns": [{"id": "PYSEC-2026-1", "summary": "Pads to the right", "details": "雅", "aliases": [],
        "affected": [{"package": {"name": "padding", "ecosystem": "PyPI"}, "versions": ["1.0"],
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}]}]}]}"#;
    bench.options.osv_url =
        Some(advisories(vec![("/v1/query", "padding", vulnerable.to_owned())]) + "/v1/query");
    let checked = bench.check(Scope::Full).await;
    let measured = &checked.measured;
    assert_eq!(measured.build, Measured::Value(true));
    assert_eq!(measured.tests, Measured::Value(TestCounts { passed: 1, failed: 1, ignored: 0 }));
    assert_eq!(found(&checked, CheckKind::Tests), ["tests.test_numbers::test_half"]);
    assert_eq!(measured.coverage, Measured::Value(Coverage { lines: 7, covered: 6 }));
    assert_eq!(measured.lint_warnings, Measured::Value(1));
    assert_eq!(found(&checked, CheckKind::Lint), ["F401 @ demo/numbers.py:2"]);
    assert_eq!(measured.docs, Measured::Value(DocCounts { public: 3, documented: 2 }));
    let Measured::Value(security) = &measured.security else { panic!("{:?}", measured.security) };
    assert_eq!((security.packages, security.critical_or_high), (2, 1));
    assert_eq!(found(&checked, CheckKind::Security), ["PYSEC-2026-1"]);
    let report = scored(&checked);
    insta::assert_snapshot!("python", shown(&report));
    assert_eq!(report.recommendation, Recommendation::Block);
    assert_eq!(report.gates, ["1 test fails", "1 critical or high vulnerability"]);

    // Mended, it gets what it earns: all but the line that no test reaches and one docstring.
    bench.file("requirements.txt", "");
    bench.file("demo/numbers.py", &DEMO.replace("import os\n\n\n", "\n\n"));
    bench.file(
        "tests/test_numbers.py",
        "from demo.numbers import double, half\n\n\ndef test_double():\n    assert double(2) == 4\n\n\ndef test_half():\n    assert half(4) == 2\n",
    );
    let report = scored(&bench.check(Scope::Full).await);
    assert_eq!(report.not_measured, Vec::<String>::new());
    assert_eq!(
        (report.breakdown.tests, report.breakdown.clippy, report.breakdown.security, report.breakdown.docs),
        (33.15, 25.0, 20.0, 13.33)
    );
    assert_eq!((report.score, report.recommendation), (91, Recommendation::Approve));
}

#[tokio::test]
async fn a_go_project() {
    let Some(bench) = bench() else { return };
    bench.file("go.mod", "module example.com/demo\n\ngo 1.27\n");
    bench.file(
        "demo.go",
        "// Package demo doubles.\npackage demo\n\nimport \"fmt\"\n\n// Double is twice n.\nfunc Double(n int) int {\n\tif n > 100 {\n\t\treturn 200\n\t}\n\treturn 2 * n\n}\n\nfunc Show()  { fmt.Printf(\"%d\", \"雅\") }\n",
    );
    bench.file(
        "demo_test.go",
        "package demo\n\nimport \"testing\"\n\nfunc TestDouble(t *testing.T) {\n\tif Double(2) != 4 {\n\t\tt.Fatal(\"no\")\n\t}\n}\n\nfunc TestWrong(t *testing.T) {\n\tt.Error(\"雅\")\n}\n",
    );
    let checked = bench.check(Scope::Full).await;
    let measured = &checked.measured;
    assert_eq!(measured.build, Measured::Value(true));
    // Before it tests, Go looks for what it is sure is wrong: that package does not get to its tests.
    let Measured::Value(counts) = measured.tests else { panic!("{:?}", measured.tests) };
    assert!(counts.failed > 0, "{counts:?}");
    assert_eq!(found(&checked, CheckKind::Lint), ["printf @ demo.go:14"]);
    assert_eq!(measured.security, Measured::Value(Vulnerabilities::default()));
    assert_eq!(of(&checked, CheckKind::Format).end, CheckEnd::Failed);

    bench.file(
        "demo.go",
        "// Package demo doubles.\npackage demo\n\n// Double is twice n.\nfunc Double(n int) int {\n\tif n > 100 {\n\t\treturn 200\n\t}\n\treturn 2 * n\n}\n",
    );
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 1, ignored: 0 }));
    assert_eq!(found(&checked, CheckKind::Tests), ["example.com/demo::TestWrong"]);
    assert_eq!(checked.measured.coverage, Measured::Value(Coverage { lines: 3, covered: 2 }));
    assert_eq!(checked.measured.lint_warnings, Measured::Value(0));
    assert_eq!(of(&checked, CheckKind::Format).end, CheckEnd::Passed);
    let report = scored(&checked);
    insta::assert_snapshot!("go", shown(&report));
    assert_eq!(report.gates, ["1 test fails"]);
    assert_eq!(report.not_measured.len(), 1, "documentation: {:?}", report.not_measured);
}

#[tokio::test]
async fn a_javascript_project() {
    let Some(mut bench) = bench() else { return };
    let registry = advisories(vec![
        (
            "/advisories/bulk",
            "",
            r#"{"left-padding": [{"id": 1, "url": "https://example.com/GHSA-demo", "title": "Pads to the right",
                "severity": "moderate", "vulnerable_versions": "<1.2.0", "cwe": [], "cvss": {"score": 5.0}}]}"#
                .to_owned(),
        ),
        (
            "/left-padding",
            "",
            r#"{"name": "left-padding", "dist-tags": {"latest": "1.0.0"},
                "versions": {"1.0.0": {"name": "left-padding", "version": "1.0.0"}}}"#
                .to_owned(),
        ),
    ]);
    let home = bench.root().join("..");
    bench.options.env.insert("HOME".into(), home.into());
    bench.file(".npmrc", &format!("registry={registry}/\n"));
    bench.file(
        "package.json",
        r#"{"name": "demo", "version": "1.0.0", "type": "module", "dependencies": {"left-padding": "1.0.0"}}"#,
    );
    bench.file(
        "package-lock.json",
        r#"{"name": "demo", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": {
            "": {"name": "demo", "version": "1.0.0", "dependencies": {"left-padding": "1.0.0"}},
            "node_modules/left-padding": {"version": "1.0.0"}}}"#,
    );
    bench.file("node_modules/left-padding/package.json", r#"{"name": "left-padding", "version": "1.0.0"}"#);
    bench.file(
        "src/numbers.js",
        "export function double(n) {\n  if (n > 100) {\n    return 200;\n  }\n  return 2 * n;\n}\n",
    );
    bench.file(
        "test/numbers.test.js",
        "import test from \"node:test\";\nimport assert from \"node:assert\";\nimport { double } from \"../src/numbers.js\";\n\ntest(\"doubles 雅\", () => assert.equal(double(2), 4));\ntest(\"is wrong\", () => assert.equal(double(2), 5));\ntest(\"later\", { skip: true }, () => {});\n",
    );
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.build, Measured::Value(true), "{:?}", ends(&checked));
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 1, ignored: 1 }));
    assert_eq!(found(&checked, CheckKind::Tests), ["test::is wrong"]);
    let Measured::Value(coverage) = checked.measured.coverage else { panic!("{:?}", checked.measured) };
    assert!(coverage.covered < coverage.lines, "{coverage:?}");
    let Measured::Value(security) = checked.measured.security else { panic!("{:?}", checked.measured) };
    assert_eq!((security.medium, security.critical_or_high), (1, 0));
    let report = scored(&checked);
    insta::assert_snapshot!("javascript", shown(&report));
    assert_eq!(report.breakdown.security, 15.0);
    assert_eq!(report.not_measured.len(), 2, "lint and documentation: {:?}", report.not_measured);
}

#[tokio::test]
async fn eslint_tells_what_it_found() {
    let Some(bench) = bench() else { return };
    bench.file(
        "package.json",
        r#"{"name": "demo", "type": "module", "devDependencies": {"eslint": "10.15.0"}}"#,
    );
    bench.file(
        "eslint.config.js",
        "export default [{ rules: { \"no-var\": \"error\", \"eqeqeq\": \"warn\" } }];\n",
    );
    bench.file("雅.js", "var a = 1;\nif (a == 2) {\n  console.log(a);\n}\n");
    let eslint =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/languages/node_modules/eslint/bin/eslint.js");
    bench.file("node_modules/.bin/eslint", &format!("#!/bin/sh\nexec node '{eslint}' \"$@\"\n"));
    let program = bench.root().join("node_modules/.bin/eslint");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(program, executable).unwrap();
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.lint_warnings, Measured::Value(2), "{:?}", ends(&checked));
    assert_eq!(found(&checked, CheckKind::Lint), ["no-var @ 雅.js:1", "eqeqeq @ 雅.js:2"]);
}
