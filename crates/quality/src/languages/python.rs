//! Python: pytest under coverage.py, ruff, pip-audit, interrogate.

use miyabi_core::report::CheckKind;

use super::{Menu, Pantry};
use crate::recipe::{Format, REPORT, Recipe};

/// What is no code of the project's own, for a project that does not say so itself.
const OMITTED: &str = "--omit=*/tests/*,*/test_*.py,*_test.py,*/conftest.py,*/.venv/*,setup.py";
/// Prints how many public items there are and how many have a docstring.
const DOCS: &str = include_str!("python_docs.py");
/// Folders that hold no code of the project's own.
const FOREIGN: &str = r"(^|/)(\.git|\.venv|venv|node_modules|\.worktrees|\.tox)(/|$)";

pub(super) fn menu(pantry: &Pantry<'_>) -> Menu {
    let mut menu = Menu::default();
    let build = Recipe::new(
        "compileall",
        CheckKind::Build,
        Format::ExitCode,
        &["python3", "-m", "compileall", "-q", "-f", "-x", FOREIGN, "."],
    );
    // Compiled files go where they are in nobody's way.
    menu.recipes.push(build.env("PYTHONPYCACHEPREFIX", &pantry.shown("pycache")));
    tests(pantry, &mut menu);
    if pantry.has("ruff") {
        let lint = ["ruff", "check", "--no-cache", "--output-format=sarif", "."];
        menu.recipes.push(Recipe::new("ruff", CheckKind::Lint, Format::Sarif, &lint));
        let style = ["ruff", "format", "--no-cache", "--check", "."];
        menu.recipes.push(Recipe::new("ruff format", CheckKind::Format, Format::ExitCode, &style));
    } else {
        menu.lack(CheckKind::Lint, "ruff is not installed: pip install ruff");
        menu.lack(CheckKind::Format, "ruff is not installed: pip install ruff");
    }
    menu.recipes.push(Recipe::new(
        "interrogate",
        CheckKind::Docs,
        Format::DocCounts,
        &["python3", "-c", DOCS],
    ));
    audit(pantry, &mut menu);
    for recipe in &mut menu.recipes {
        recipe.env.push(("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()));
    }
    menu
}

fn tests(pantry: &Pantry<'_>, menu: &mut Menu) {
    if !pantry.has("pytest") {
        return menu.lack(CheckKind::Tests, "pytest is not installed: pip install pytest coverage");
    }
    let report = format!("--junitxml={REPORT}");
    let pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", &report];
    if !pantry.options.coverage || !pantry.has("coverage") {
        menu.no_coverage = Some(match pantry.options.coverage {
            true => "coverage.py is not installed: pip install coverage".to_owned(),
            false => "switched off by `checks.coverage`".to_owned(),
        });
        let command = [&["python3"][..], &pytest].concat();
        menu.recipes.push(Recipe::new("pytest", CheckKind::Tests, Format::Junit, &command));
        return;
    }
    let data = format!("--data-file={}", pantry.shown("coverage"));
    let mut command = vec!["coverage", "run", &data];
    if !configured(pantry) {
        command.extend(["--source=.", OMITTED]);
    }
    command.extend(pytest);
    menu.recipes.push(Recipe::new("pytest", CheckKind::Tests, Format::Junit, &command));
    let told = ["coverage", "lcov", "-q", &data, "-o", REPORT];
    let mut coverage = Recipe::new("coverage.py", CheckKind::Tests, Format::Lcov, &told);
    coverage.report = Some(pantry.at("coverage.info"));
    if let Some(last) = coverage.command.last_mut() {
        *last = pantry.shown("coverage.info");
    }
    menu.recipes.push(coverage);
}

/// Whether the project says itself which lines count.
fn configured(pantry: &Pantry<'_>) -> bool {
    pantry.holds(".coveragerc")
        || pantry.text("pyproject.toml").contains("[tool.coverage")
        || pantry.text("setup.cfg").contains("[coverage:")
        || pantry.text("tox.ini").contains("[coverage:")
}

fn audit(pantry: &Pantry<'_>, menu: &mut Menu) {
    let pinned = pantry.text("requirements.txt");
    let mut wanted = pinned.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let names_some = pantry.text("pyproject.toml").lines().any(|line| {
        let line = line.trim();
        line.starts_with("dependencies") || line.starts_with("[tool.poetry.dependencies]")
    });
    let installs = names_some
        || pantry.text("setup.py").contains("install_requires")
        || pantry.text("setup.cfg").contains("install_requires");
    if wanted.clone().next().is_none() && !installs {
        menu.stands_alone = true;
        return;
    }
    if !pantry.has("pip-audit") {
        return menu.lack(CheckKind::Security, "pip-audit is not installed: pip install pip-audit");
    }
    let mut command = vec!["pip-audit", "--format=json", "--progress-spinner=off"];
    let url;
    if let Some(osv) = &pantry.options.osv_url {
        url = format!("--osv-url={osv}");
        command.extend(["--vulnerability-service=osv", &url]);
    }
    if wanted.clone().next().is_none() {
        command.push(".");
    } else {
        command.push("--requirement=requirements.txt");
        if wanted.all(|line| line.contains("==")) {
            // All is said already, so nothing has to be resolved.
            command.extend(["--no-deps", "--disable-pip"]);
        }
    }
    menu.recipes.push(Recipe::new("pip-audit", CheckKind::Security, Format::PipAudit, &command));
}
