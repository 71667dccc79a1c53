//! Cargo's JSON messages (`--message-format=json`): diagnostics, test programs, and whether the build finished.
//! Source: <https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages>.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Deserialize;

/// What one run of cargo said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// Diagnostics, each once, in the order of their first appearance.
    pub diagnostics: Vec<Diagnostic>,
    /// Test programs that were built.
    pub programs: Vec<TestProgram>,
    /// Whether the build succeeded; `None` where cargo gave up before building.
    pub finished: Option<bool>,
    /// Errors of benchmarks that ask for unstable features, which a stable toolchain refuses (E0554).
    pub unstable_benches: u64,
    /// Lines that are no messages of cargo, such as the output of documentation tests.
    pub other: String,
}

impl Messages {
    /// The warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|one| one.level == Level::Warning)
    }

    /// Whether nothing is wrong but benchmarks that a stable toolchain cannot build.
    pub fn only_unstable_benches(&self) -> bool {
        self.unstable_benches > 0 && u64::try_from(self.errors().count()) == Ok(self.unstable_benches)
    }

    /// The errors, denied lints included.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|one| one.level == Level::Error)
    }
}

/// How bad the compiler finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// It does not compile, or a lint is denied.
    Error,
    /// It compiles.
    Warning,
}

/// One message of the compiler or linter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// Error or warning.
    pub level: Level,
    /// `clippy::needless_return`, `unused_variables`, `E0308`; `rustc` where there is no code.
    pub rule: String,
    /// The message as cargo would print it, first line first.
    pub message: String,
    /// Of the main place, as the compiler wrote it: usually relative to the workspace.
    pub file: Option<String>,
    /// Line of the main place, from 1.
    pub line: Option<u64>,
}

impl Diagnostic {
    /// Whether the linter alone objects: the compiler would not.
    pub fn is_clippy(&self) -> bool {
        self.rule.starts_with("clippy::")
    }
}

/// A test program that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestProgram {
    /// The file.
    pub executable: PathBuf,
    /// The target's name.
    pub target: String,
    /// Where the target begins: absolute path of its first source file.
    pub src_path: String,
}

/// Reads the output of cargo. Lines that are not JSON of cargo are kept in `other`, so nothing here can fail.
pub fn read(output: &[u8]) -> Messages {
    let text = String::from_utf8_lossy(output);
    let mut messages = Messages::default();
    let mut seen = HashSet::new();
    for line in text.lines() {
        match line.starts_with('{').then(|| serde_json::from_str::<Line>(line)) {
            Some(Ok(Line::CompilerMessage { target, message })) => {
                let column = message.column();
                let unstable = message.is_unstable_feature() && target.is_bench();
                if let Some(diagnostic) = message.diagnostic()
                    && seen.insert((diagnostic.clone(), column))
                {
                    messages.unstable_benches += u64::from(unstable);
                    messages.diagnostics.push(diagnostic);
                }
            }
            Some(Ok(Line::CompilerArtifact { target, profile, executable: Some(executable) }))
                if profile.test =>
            {
                messages.programs.push(TestProgram {
                    executable: PathBuf::from(executable),
                    target: target.name,
                    src_path: target.src_path,
                });
            }
            Some(Ok(Line::BuildFinished { success })) => messages.finished = Some(success),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => {
                messages.other.push_str(line);
                messages.other.push('\n');
            }
        }
    }
    messages
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Line {
    CompilerMessage {
        #[serde(default)]
        target: Built,
        message: Message,
    },
    CompilerArtifact {
        target: Target,
        profile: Profile,
        executable: Option<String>,
    },
    BuildFinished {
        success: bool,
    },
    BuildScriptExecuted {},
}

/// The target that a message is about.
#[derive(Default, Deserialize)]
struct Built {
    #[serde(default)]
    kind: Vec<String>,
}

impl Built {
    fn is_bench(&self) -> bool {
        self.kind.iter().any(|kind| kind == "bench")
    }
}

#[derive(Deserialize)]
struct Target {
    name: String,
    src_path: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Message {
    message: String,
    level: String,
    code: Option<Code>,
    rendered: Option<String>,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u64,
    #[serde(default)]
    column_start: u64,
    is_primary: bool,
}

impl Message {
    fn is_unstable_feature(&self) -> bool {
        self.code.as_ref().is_some_and(|code| code.code == "E0554")
    }

    fn main_span(&self) -> Option<&Span> {
        self.spans.iter().find(|span| span.is_primary)
    }

    fn column(&self) -> Option<u64> {
        self.main_span().map(|span| span.column_start)
    }

    /// The diagnostic; none for notes and for the closing lines that only count the others.
    fn diagnostic(self) -> Option<Diagnostic> {
        let level = match self.level.as_str() {
            "warning" => Level::Warning,
            // `error` and `error: internal compiler error`.
            level if level.starts_with("error") => Level::Error,
            _ => return None,
        };
        let counts_only = self.code.is_none() && self.spans.is_empty();
        if counts_only && (level == Level::Warning || self.message.starts_with("aborting due to")) {
            return None;
        }
        let (file, line) = match self.main_span() {
            Some(span) => (Some(span.file_name.clone()), Some(span.line_start)),
            None => (None, None),
        };
        Some(Diagnostic {
            level,
            rule: self.code.map_or_else(|| "rustc".to_owned(), |code| code.code),
            message: self.rendered.unwrap_or(self.message),
            file,
            line,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Lines as cargo 1.95 wrote them, shortened to the fields that are read and two that are not.
    const UNUSED: &str = r#"{"reason":"compiler-message","package_id":"path+file:///w#demo@0.1.0","message":{"rendered":"warning: unused variable: `数`\n --> src/lib.rs:3:9\n","$message_type":"diagnostic","children":[],"level":"warning","message":"unused variable: `数`","spans":[{"file_name":"src/lib.rs","line_start":3,"column_start":9,"is_primary":true},{"file_name":"src/a.rs","line_start":1,"column_start":1,"is_primary":false}],"code":{"code":"unused_variables","explanation":null}}}"#;
    const COUNT: &str = r#"{"reason":"compiler-message","message":{"rendered":"warning: 1 warning emitted\n\n","children":[],"level":"warning","message":"1 warning emitted","spans":[],"code":null}}"#;
    const LINKER: &str = r#"{"reason":"compiler-message","message":{"rendered":"error: linking with `cc` failed: exit status: 1\n","children":[],"level":"error","message":"linking with `cc` failed: exit status: 1","spans":[],"code":null}}"#;
    const ABORT: &str = r#"{"reason":"compiler-message","message":{"rendered":"error: aborting due to 1 previous error\n","children":[],"level":"error","message":"aborting due to 1 previous error","spans":[],"code":null}}"#;
    const PROGRAM: &str = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"t","src_path":"/w/tests/t.rs"},"profile":{"opt_level":"0","test":true},"executable":"/t/debug/deps/t-1"}"#;
    const BINARY: &str = r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"demo","src_path":"/w/src/main.rs"},"profile":{"opt_level":"0","test":false},"executable":"/t/debug/demo"}"#;

    #[test]
    fn the_same_message_from_two_targets_counts_once() {
        let output = [
            UNUSED,
            UNUSED,
            COUNT,
            LINKER,
            ABORT,
            PROGRAM,
            BINARY,
            r#"{"reason":"build-script-executed","package_id":"x","linked_libs":[]}"#,
            r#"{"reason":"of-the-future","x":1}"#,
            r#"{"reason":"build-finished","success":false}"#,
            "",
            "running 1 test",
        ]
        .join("\n");
        let expected = Messages {
            diagnostics: vec![
                Diagnostic {
                    level: Level::Warning,
                    rule: "unused_variables".into(),
                    message: "warning: unused variable: `数`\n --> src/lib.rs:3:9\n".into(),
                    file: Some("src/lib.rs".into()),
                    line: Some(3),
                },
                Diagnostic {
                    level: Level::Error,
                    rule: "rustc".into(),
                    message: "error: linking with `cc` failed: exit status: 1\n".into(),
                    file: None,
                    line: None,
                },
            ],
            programs: vec![TestProgram {
                executable: "/t/debug/deps/t-1".into(),
                target: "t".into(),
                src_path: "/w/tests/t.rs".into(),
            }],
            finished: Some(false),
            unstable_benches: 0,
            other: "{\"reason\":\"of-the-future\",\"x\":1}\n\nrunning 1 test\n".into(),
        };
        assert_eq!(read(output.as_bytes()), expected);
    }

    #[test]
    fn the_same_message_at_two_columns_counts_twice() {
        let other = UNUSED.replace("\"column_start\":9", "\"column_start\":20");
        assert_eq!(read(format!("{UNUSED}\n{other}").as_bytes()).warnings().count(), 2);
    }
}
