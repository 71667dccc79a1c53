//! Go: its own compiler, tests and vet; golangci-lint and govulncheck where they are installed.

use miyabi_core::report::CheckKind;

use super::{Menu, Pantry};
use crate::recipe::{Format, REPORT, Recipe};

const NO_DOCS: &str = "no tool of this language reports documented items in a standard format; \
                       a `[[check]]` of format `doc_counts` can";

pub(super) fn menu(pantry: &Pantry<'_>) -> Menu {
    let mut menu = Menu::default();
    let build = ["go", "build", "-o", "/dev/null", "./..."];
    menu.recipes.push(Recipe::new("go build", CheckKind::Build, Format::ExitCode, &build));
    let profile = format!("-coverprofile={}", pantry.shown("cover.out"));
    let mut command = vec!["go", "test", "-json", "./..."];
    if pantry.options.coverage {
        command.insert(3, &profile);
    } else {
        menu.no_coverage = Some("switched off by `checks.coverage`".to_owned());
    }
    let mut tests = Recipe::new("go test", CheckKind::Tests, Format::GoTest, &command);
    tests.coverage = Some((Format::GoCover, pantry.at("cover.out"))).filter(|_| pantry.options.coverage);
    menu.recipes.push(tests);
    if pantry.has("golangci-lint") {
        let out = format!("--output.sarif.path={REPORT}");
        let lint = ["golangci-lint", "run", &out, "./..."];
        menu.recipes.push(Recipe::new("golangci-lint", CheckKind::Lint, Format::Sarif, &lint));
    } else {
        let vet = ["go", "vet", "-json", "./..."];
        menu.recipes.push(Recipe::new("go vet", CheckKind::Lint, Format::GoVet, &vet));
    }
    if pantry.has("gofmt") {
        let style = Recipe::new("gofmt", CheckKind::Format, Format::Files, &["gofmt", "-l", "."]);
        menu.recipes.push(style);
    } else {
        menu.lack(CheckKind::Format, "gofmt is not on the PATH");
    }
    if !pantry.text("go.mod").lines().any(|line| line.trim_start().starts_with("require")) {
        menu.stands_alone = true;
    } else if pantry.has("govulncheck") {
        let mut command = vec!["govulncheck", "-format=sarif"];
        let database =
            pantry.options.advisory_db.as_ref().map(|folder| format!("-db=file://{}", folder.display()));
        command.extend(database.as_deref());
        command.push("./...");
        menu.recipes.push(Recipe::new("govulncheck", CheckKind::Security, Format::Sarif, &command));
    } else {
        let why = "govulncheck is not installed: go install golang.org/x/vuln/cmd/govulncheck@latest";
        menu.lack(CheckKind::Security, why);
    }
    menu.lack(CheckKind::Docs, NO_DOCS);
    menu
}
