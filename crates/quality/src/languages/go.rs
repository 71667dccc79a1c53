//! Go: its own compiler, tests and vet; golangci-lint and govulncheck where they are installed.

use miyabi_core::report::CheckKind;

use super::{Detected, Project};
use crate::spec::{CheckSpec, Format, REPORT};

const NO_DOCS: &str = "no tool of this language reports documented items in a standard format; \
                       a `[[check]]` of format `doc_counts` can";

pub(super) fn detected(project: &Project<'_>) -> Detected {
    let mut detected = Detected::default();
    let build = ["go", "build", "-o", "/dev/null", "./..."];
    detected.specs.push(CheckSpec::new("go build", CheckKind::Build, Format::ExitCode, &build));
    let profile = format!("-coverprofile={}", project.shown("cover.out"));
    let mut command = vec!["go", "test", "-json", "./..."];
    if project.options.coverage {
        command.insert(3, &profile);
    } else {
        detected.no_coverage = Some("switched off by `checks.coverage`".to_owned());
    }
    let mut tests = CheckSpec::new("go test", CheckKind::Tests, Format::GoTest, &command);
    tests.coverage = Some((Format::GoCover, project.at("cover.out"))).filter(|_| project.options.coverage);
    detected.specs.push(tests);
    if project.has("golangci-lint") {
        let out = format!("--output.sarif.path={REPORT}");
        let lint = ["golangci-lint", "run", &out, "./..."];
        detected.specs.push(CheckSpec::new("golangci-lint", CheckKind::Lint, Format::Sarif, &lint));
    } else {
        let vet = ["go", "vet", "-json", "./..."];
        detected.specs.push(CheckSpec::new("go vet", CheckKind::Lint, Format::GoVet, &vet));
    }
    if project.has("gofmt") {
        let style = CheckSpec::new("gofmt", CheckKind::Format, Format::Files, &["gofmt", "-l", "."]);
        detected.specs.push(style);
    } else {
        detected.lack(CheckKind::Format, "gofmt is not on the PATH");
    }
    if !project.text("go.mod").lines().any(|line| line.trim_start().starts_with("require")) {
        detected.stands_alone = true;
    } else if project.has("govulncheck") {
        let mut command = vec!["govulncheck", "-format=sarif"];
        let database =
            project.options.advisory_db.as_ref().map(|folder| format!("-db=file://{}", folder.display()));
        command.extend(database.as_deref());
        command.push("./...");
        detected.specs.push(CheckSpec::new("govulncheck", CheckKind::Security, Format::Sarif, &command));
    } else {
        let why = "govulncheck is not installed: go install golang.org/x/vuln/cmd/govulncheck@latest";
        detected.lack(CheckKind::Security, why);
    }
    detected.lack(CheckKind::Docs, NO_DOCS);
    detected
}
