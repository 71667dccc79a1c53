//! Java: Maven or Gradle, by the reports that their own test plugins write. Linters, scanners and documentation are
//! plugins of the build there, so they come as checks of the project's own.

use std::path::PathBuf;

use miyabi_core::report::CheckKind;

use super::{Detected, Project};
use crate::spec::{CheckSpec, Format};

const OWN: &str = "what measures this is a plugin of the build: name its command and report in a `[[check]]`";

pub(super) fn detected(project: &Project<'_>) -> Detected {
    let mut detected = Detected::default();
    let maven = project.holds("pom.xml");
    let wrapper = if maven { "./mvnw" } else { "./gradlew" };
    let program = match (project.holds(wrapper), maven) {
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
    detected.specs.push(CheckSpec::new(program, CheckKind::Build, Format::ExitCode, &command(build)));
    let mut spec = CheckSpec::new(program, CheckKind::Tests, Format::Junit, &command(tests));
    spec.report = Some(PathBuf::from(reports));
    if project.options.coverage {
        spec.coverage = Some((Format::Jacoco, project.root.join(lines)));
        detected.no_coverage = Some("the build writes no JaCoCo report: add its plugin".to_owned());
    } else {
        detected.no_coverage = Some("switched off by `checks.coverage`".to_owned());
    }
    detected.specs.push(spec);
    for kind in [CheckKind::Lint, CheckKind::Security, CheckKind::Docs, CheckKind::Format] {
        detected.lack(kind, OWN);
    }
    detected
}
