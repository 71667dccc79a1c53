//! JavaScript and TypeScript: npm, the TypeScript compiler, Vitest, Jest or Node's own test runner, ESLint.

use miyabi_core::report::CheckKind;
use serde_json::Value;

use super::{Menu, Pantry};
use crate::recipe::{Format, REPORT, Recipe};

const NO_DOCS: &str = "no tool of this language reports documented items in a standard format; \
                       a `[[check]]` of format `doc_counts` can";

pub(super) fn menu(pantry: &Pantry<'_>) -> Menu {
    let mut menu = Menu::default();
    let Ok(manifest) = serde_json::from_str::<Value>(&pantry.text("package.json")) else {
        menu.lack(CheckKind::Build, "package.json is not JSON");
        return menu;
    };
    let uses = |package: &str| {
        ["dependencies", "devDependencies"].iter().any(|list| manifest[list].get(package).is_some())
    };
    let alone = ["dependencies", "devDependencies", "optionalDependencies"]
        .iter()
        .all(|list| manifest[list].as_object().is_none_or(serde_json::Map::is_empty));
    let locked = pantry.holds("package-lock.json");
    if !alone && locked && !pantry.root.join("node_modules").is_dir() {
        let install = ["npm", "ci", "--no-audit", "--no-fund"];
        menu.recipes.push(Recipe::new("npm ci", CheckKind::Build, Format::ExitCode, &install));
    }
    if pantry.holds("tsconfig.json") && uses("typescript") {
        let compile = ["npx", "--no-install", "tsc", "--noEmit", "--pretty", "false"];
        menu.recipes.push(Recipe::new("tsc", CheckKind::Build, Format::ExitCode, &compile));
    } else if menu.recipes.is_empty() {
        // There is nothing to be built; that the runtime is there is what can be known.
        menu.recipes.push(Recipe::new("node", CheckKind::Build, Format::ExitCode, &["node", "--version"]));
    }
    tests(pantry, &mut menu, &uses);
    if uses("eslint") {
        let lint = ["npx", "--no-install", "eslint", "--format", "json", "."];
        menu.recipes.push(Recipe::new("eslint", CheckKind::Lint, Format::Eslint, &lint));
    } else {
        menu.lack(CheckKind::Lint, "the project uses no linter: npm install --save-dev eslint");
    }
    if uses("prettier") {
        let style = ["npx", "--no-install", "prettier", "--list-different", "."];
        menu.recipes.push(Recipe::new("prettier", CheckKind::Format, Format::Files, &style));
    } else {
        menu.lack(CheckKind::Format, "the project uses no formatter: npm install --save-dev prettier");
    }
    if alone {
        menu.stands_alone = true;
    } else if locked {
        let audit =
            Recipe::new("npm audit", CheckKind::Security, Format::NpmAudit, &["npm", "audit", "--json"]);
        menu.recipes.push(audit);
    } else {
        menu.lack(CheckKind::Security, "there is no package-lock.json: npm install --package-lock-only");
    }
    menu.lack(CheckKind::Docs, NO_DOCS);
    menu
}

fn tests(pantry: &Pantry<'_>, menu: &mut Menu, uses: &dyn Fn(&str) -> bool) {
    let folder = pantry.shown("coverage");
    let lcov = Some((Format::Lcov, pantry.at("coverage").join("lcov.info")));
    let wanted = pantry.options.coverage;
    let off = || Some("switched off by `checks.coverage`".to_owned());
    let mut recipe = if uses("vitest") {
        let out = format!("--outputFile={REPORT}");
        let dir = format!("--coverage.reportsDirectory={folder}");
        let mut command = vec!["npx", "--no-install", "vitest", "run", "--reporter=junit", &out];
        let can = uses("@vitest/coverage-v8") || uses("@vitest/coverage-istanbul");
        if can && wanted {
            command.extend(["--coverage.enabled=true", "--coverage.reporter=lcovonly", &dir]);
        } else if wanted {
            menu.no_coverage = Some("npm install --save-dev @vitest/coverage-v8".to_owned());
        }
        let mut recipe = Recipe::new("vitest", CheckKind::Tests, Format::Junit, &command);
        recipe.coverage = lcov.filter(|_| can);
        recipe
    } else if uses("jest") {
        if !uses("jest-junit") {
            let why = "Jest has no report for programs without jest-junit: npm install --save-dev jest-junit";
            return menu.lack(CheckKind::Tests, why);
        }
        let dir = format!("--coverageDirectory={folder}");
        let mut command = vec!["npx", "--no-install", "jest", "--ci", "--reporters=jest-junit"];
        if wanted {
            command.extend(["--coverage", "--coverageReporters=lcovonly", &dir]);
        }
        let mut recipe = Recipe::new("jest", CheckKind::Tests, Format::Junit, &command);
        recipe.coverage = lcov;
        recipe.env("JEST_JUNIT_OUTPUT_FILE", REPORT)
    } else {
        let to = format!("--test-reporter-destination={REPORT}");
        let lines = format!("--test-reporter-destination={}", pantry.shown("lcov.info"));
        let mut command = vec!["node", "--test", "--test-reporter=junit", &to];
        if wanted {
            command.extend(["--experimental-test-coverage", "--test-reporter=lcov", &lines]);
        }
        let mut recipe = Recipe::new("node --test", CheckKind::Tests, Format::Junit, &command);
        recipe.coverage = Some((Format::Lcov, pantry.at("lcov.info")));
        recipe
    };
    if !wanted {
        recipe.coverage = None;
        menu.no_coverage = off();
    }
    menu.recipes.push(recipe);
}
