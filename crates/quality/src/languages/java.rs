//! Java: Maven or Gradle, by the reports that their own test plugins write. Linters, scanners and documentation are
//! plugins of the build there, so they come as checks of the project's own.

use std::path::PathBuf;

use miyabi_core::report::CheckKind;

use super::{Menu, Pantry};
use crate::recipe::{Format, Recipe};

const OWN: &str = "what measures this is a plugin of the build: name its command and report in a `[[check]]`";

pub(super) fn menu(pantry: &Pantry<'_>) -> Menu {
    let mut menu = Menu::default();
    let maven = pantry.holds("pom.xml");
    let wrapper = if maven { "./mvnw" } else { "./gradlew" };
    let program = match (pantry.holds(wrapper), maven) {
        (true, _) => wrapper,
        (false, true) => "mvn",
        (false, false) => "gradle",
    };
    let (build, tests, reports, lines): (&'static [&'static str], &'static [&'static str], _, _) = if maven {
        (
            &["--batch-mode", "--quiet", "test-compile"],
            &["--batch-mode", "--quiet", "--fail-at-end", "verify"],
            "target/surefire-reports/TEST-*.xml",
            "target/site/jacoco/jacoco.xml",
        )
    } else {
        (
            &["--console=plain", "--quiet", "testClasses"],
            &["--console=plain", "--quiet", "--continue", "check"],
            "build/test-results/test/TEST-*.xml",
            "build/reports/jacoco/test/jacocoTestReport.xml",
        )
    };
    let command = |arguments: &'static [&'static str]| [&[program][..], arguments].concat();
    menu.recipes.push(Recipe::new(program, CheckKind::Build, Format::ExitCode, &command(build)));
    let mut recipe = Recipe::new(program, CheckKind::Tests, Format::Junit, &command(tests));
    recipe.report = Some(PathBuf::from(reports));
    if pantry.options.coverage {
        recipe.coverage = Some((Format::Jacoco, pantry.root.join(lines)));
        menu.no_coverage = Some("the build writes no JaCoCo report: add its plugin".to_owned());
    } else {
        menu.no_coverage = Some("switched off by `checks.coverage`".to_owned());
    }
    menu.recipes.push(recipe);
    for kind in [CheckKind::Lint, CheckKind::Security, CheckKind::Docs, CheckKind::Format] {
        menu.lack(kind, OWN);
    }
    menu
}
