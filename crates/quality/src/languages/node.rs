//! JavaScript and TypeScript: npm, the TypeScript compiler, Vitest, Jest or Node's own test runner, ESLint.

use miyabi_core::report::CheckKind;
use serde_json::Value;

use super::{Detected, Project};
use crate::spec::{CheckSpec, Format, REPORT};

const NO_DOCS: &str = "no tool of this language reports documented items in a standard format; \
                       a `[[check]]` of format `doc_counts` can";

pub(super) fn detected(project: &Project<'_>) -> Detected {
    let mut detected = Detected::default();
    let Ok(manifest) = serde_json::from_str::<Value>(&project.text("package.json")) else {
        detected.lack(CheckKind::Build, "package.json is not JSON");
        return detected;
    };
    let uses = |package: &str| {
        ["dependencies", "devDependencies"].iter().any(|list| manifest[list].get(package).is_some())
    };
    // Packages of a workspace have lists of their own.
    let alone = manifest["workspaces"].is_null()
        && ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]
            .iter()
            .all(|list| manifest[list].as_object().is_none_or(serde_json::Map::is_empty));
    let locked = project.holds("package-lock.json");
    if !alone && locked && !project.root.join("node_modules").is_dir() {
        let install = ["npm", "ci", "--no-audit", "--no-fund"];
        detected.specs.push(CheckSpec::new("npm ci", CheckKind::Build, Format::ExitCode, &install));
    }
    if project.holds("tsconfig.json") && uses("typescript") {
        let compile = ["npx", "--no-install", "tsc", "--noEmit", "--pretty", "false"];
        detected.specs.push(CheckSpec::new("tsc", CheckKind::Build, Format::ExitCode, &compile));
    } else if detected.specs.is_empty() {
        // There is nothing to be built; that the runtime is there is what can be known.
        detected.specs.push(CheckSpec::new(
            "node",
            CheckKind::Build,
            Format::ExitCode,
            &["node", "--version"],
        ));
    }
    tests(project, &mut detected, &uses);
    if uses("eslint") {
        let lint = ["npx", "--no-install", "eslint", "--format", "json", "."];
        detected.specs.push(CheckSpec::new("eslint", CheckKind::Lint, Format::Eslint, &lint));
    } else {
        detected.lack(CheckKind::Lint, "the project uses no linter: npm install --save-dev eslint");
    }
    if uses("prettier") {
        let style = ["npx", "--no-install", "prettier", "--list-different", "."];
        detected.specs.push(CheckSpec::new("prettier", CheckKind::Format, Format::Files, &style));
    } else {
        detected.lack(CheckKind::Format, "the project uses no formatter: npm install --save-dev prettier");
    }
    if alone {
        detected.stands_alone = true;
    } else if locked {
        let audit =
            CheckSpec::new("npm audit", CheckKind::Security, Format::NpmAudit, &["npm", "audit", "--json"]);
        detected.specs.push(audit);
    } else {
        detected.lack(CheckKind::Security, "there is no package-lock.json: npm install --package-lock-only");
    }
    detected.lack(CheckKind::Docs, NO_DOCS);
    detected
}

fn tests(project: &Project<'_>, detected: &mut Detected, uses: &dyn Fn(&str) -> bool) {
    let folder = project.shown("coverage");
    let lcov = Some((Format::Lcov, project.at("coverage").join("lcov.info")));
    let wanted = project.options.coverage;
    let off = || Some("switched off by `checks.coverage`".to_owned());
    let mut spec = if uses("vitest") {
        let out = format!("--outputFile={REPORT}");
        let dir = format!("--coverage.reportsDirectory={folder}");
        let mut command = vec!["npx", "--no-install", "vitest", "run", "--reporter=junit", &out];
        let can = uses("@vitest/coverage-v8") || uses("@vitest/coverage-istanbul");
        if can && wanted {
            command.extend(["--coverage.enabled=true", "--coverage.reporter=lcovonly", &dir]);
        } else if wanted {
            detected.no_coverage = Some("npm install --save-dev @vitest/coverage-v8".to_owned());
        }
        let mut spec = CheckSpec::new("vitest", CheckKind::Tests, Format::Junit, &command);
        spec.coverage = lcov.filter(|_| can);
        spec
    } else if uses("jest") {
        if !uses("jest-junit") {
            let why = "Jest has no report for programs without jest-junit: npm install --save-dev jest-junit";
            return detected.lack(CheckKind::Tests, why);
        }
        let dir = format!("--coverageDirectory={folder}");
        let mut command = vec!["npx", "--no-install", "jest", "--ci", "--reporters=jest-junit"];
        if wanted {
            command.extend(["--coverage", "--coverageReporters=lcovonly", &dir]);
        }
        let mut spec = CheckSpec::new("jest", CheckKind::Tests, Format::Junit, &command);
        spec.coverage = lcov;
        spec.env("JEST_JUNIT_OUTPUT_FILE", REPORT)
    } else {
        let to = format!("--test-reporter-destination={REPORT}");
        let lines = format!("--test-reporter-destination={}", project.shown("lcov.info"));
        let mut command = vec!["node", "--test", "--test-reporter=junit", &to];
        if wanted {
            command.extend(["--experimental-test-coverage", "--test-reporter=lcov", &lines]);
        }
        let mut spec = CheckSpec::new("node --test", CheckKind::Tests, Format::Junit, &command);
        spec.coverage = Some((Format::Lcov, project.at("lcov.info")));
        spec
    };
    if !wanted {
        spec.coverage = None;
        detected.no_coverage = off();
    }
    detected.specs.push(spec);
}
