//! Python: pytest under coverage.py, ruff, pip-audit, interrogate.

use miyabi_core::report::CheckKind;

use super::{Detected, Project};
use crate::spec::{CheckSpec, Format, REPORT};

/// What is no code of the project's own, for a project that does not say so itself.
const OMITTED: &str = "--omit=*/tests/*,*/test_*.py,*_test.py,*/conftest.py,*/.venv/*,setup.py";
/// Prints how many public items there are and how many have a docstring.
const DOCS: &str = include_str!("python_docs.py");
/// Folders that hold no code of the project's own.
const FOREIGN: &str = r"(^|/)(\.git|\.venv|venv|node_modules|\.worktrees|\.tox)(/|$)";

pub(super) fn detected(project: &Project<'_>) -> Detected {
    let mut detected = Detected::default();
    let build = CheckSpec::new(
        "compileall",
        CheckKind::Build,
        Format::ExitCode,
        &["python3", "-m", "compileall", "-q", "-f", "-x", FOREIGN, "."],
    );
    // Compiled files go where they are in nobody's way.
    detected.specs.push(build.env("PYTHONPYCACHEPREFIX", &project.shown("pycache")));
    tests(project, &mut detected);
    if project.has("ruff") {
        let lint = ["ruff", "check", "--no-cache", "--output-format=sarif", "."];
        detected.specs.push(CheckSpec::new("ruff", CheckKind::Lint, Format::Sarif, &lint));
        let style = ["ruff", "format", "--no-cache", "--check", "."];
        detected.specs.push(CheckSpec::new("ruff format", CheckKind::Format, Format::ExitCode, &style));
    } else {
        detected.lack(CheckKind::Lint, "ruff is not installed: pip install ruff");
        detected.lack(CheckKind::Format, "ruff is not installed: pip install ruff");
    }
    detected.specs.push(CheckSpec::new(
        "interrogate",
        CheckKind::Docs,
        Format::DocCounts,
        &["python3", "-c", DOCS],
    ));
    audit(project, &mut detected);
    for spec in &mut detected.specs {
        spec.env.push(("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()));
    }
    detected
}

fn tests(project: &Project<'_>, detected: &mut Detected) {
    if !project.has("pytest") {
        return detected.lack(CheckKind::Tests, "pytest is not installed: pip install pytest coverage");
    }
    let report = format!("--junitxml={REPORT}");
    let pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", &report];
    if !project.options.coverage || !project.has("coverage") {
        detected.no_coverage = Some(match project.options.coverage {
            true => "coverage.py is not installed: pip install coverage".to_owned(),
            false => "switched off by `checks.coverage`".to_owned(),
        });
        let command = [&["python3"][..], &pytest].concat();
        detected.specs.push(CheckSpec::new("pytest", CheckKind::Tests, Format::Junit, &command));
        return;
    }
    let data = format!("--data-file={}", project.shown("coverage"));
    let mut command = vec!["coverage", "run", &data];
    if !configured(project) {
        command.extend(["--source=.", OMITTED]);
    }
    command.extend(pytest);
    detected.specs.push(CheckSpec::new("pytest", CheckKind::Tests, Format::Junit, &command));
    let told = ["coverage", "lcov", "-q", &data, "-o", REPORT];
    let mut coverage = CheckSpec::new("coverage.py", CheckKind::Tests, Format::Lcov, &told);
    coverage.report = Some(project.at("coverage.info"));
    if let Some(last) = coverage.command.last_mut() {
        *last = project.shown("coverage.info");
    }
    detected.specs.push(coverage);
}

/// Whether the project says itself which lines count.
fn configured(project: &Project<'_>) -> bool {
    project.holds(".coveragerc")
        || project.text("pyproject.toml").contains("[tool.coverage")
        || project.text("setup.cfg").contains("[coverage:")
        || project.text("tox.ini").contains("[coverage:")
}

fn audit(project: &Project<'_>, detected: &mut Detected) {
    let pinned = project.text("requirements.txt");
    let mut wanted = pinned.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    // Whatever speaks of dependencies may bring some: full marks are for those that are sure to have none.
    let locks = ["Pipfile", "poetry.lock", "uv.lock", "pdm.lock", "environment.yml"];
    let installs = project.text("pyproject.toml").contains("dependencies")
        || ["setup.py", "setup.cfg"].iter().any(|file| project.text(file).contains("install_requires"))
        || locks.iter().any(|file| project.holds(file));
    if wanted.clone().next().is_none() && !installs {
        detected.stands_alone = true;
        return;
    }
    if !project.has("pip-audit") {
        return detected.lack(CheckKind::Security, "pip-audit is not installed: pip install pip-audit");
    }
    let mut command = vec!["pip-audit", "--format=json", "--progress-spinner=off"];
    let url;
    if let Some(osv) = &project.options.osv_url {
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
    detected.specs.push(CheckSpec::new("pip-audit", CheckKind::Security, Format::PipAudit, &command));
}
