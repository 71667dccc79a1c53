//! Licences of everything that is built in, held against `deny.toml` without any further program.

use std::collections::BTreeSet;

use cargo_metadata::{CargoOpt, MetadataCommand};

use super::{host, none, read, root};

/// The values of an array of strings in `deny.toml`.
fn list(text: &str, key: &str) -> BTreeSet<String> {
    let start = format!("\n{key} = [");
    let (_, rest) = text.split_once(&start).unwrap_or_else(|| panic!("deny.toml has `{key}`"));
    let (values, _) = rest.split_once("\n]").expect("the list ends");
    values.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether one of the ways to fulfil an SPDX expression needs only allowed licences.
fn allows(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // An old way to write `OR`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    let result = any(&mut rest, allowed);
    result && rest.is_empty()
}

fn any(tokens: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut result = all(tokens, allowed);
    while let ["OR", rest @ ..] = tokens {
        *tokens = rest;
        result |= all(tokens, allowed);
    }
    result
}

fn all(tokens: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut result = one(tokens, allowed);
    while let ["AND", rest @ ..] = tokens {
        *tokens = rest;
        result &= one(tokens, allowed);
    }
    result
}

fn one(tokens: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *tokens {
        ["(", rest @ ..] => {
            *tokens = rest;
            let result = any(tokens, allowed);
            match *tokens {
                [")", rest @ ..] => *tokens = rest,
                _ => return false,
            }
            result
        }
        [licence, "WITH", exception, rest @ ..] => {
            *tokens = rest;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, rest @ ..] => {
            *tokens = rest;
            allowed.contains(*licence)
        }
        [] => false,
    }
}

#[test]
fn expressions_are_understood() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0", "ISC"].map(str::to_owned));
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/Unlicense",
        "(MIT OR GPL-3.0) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
    ] {
        assert!(allows(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND GPL-3.0",
        "Apache-2.0 WITH LLVM-exception",
        "(MIT",
    ] {
        assert!(!allows(bad, &allowed), "{bad}");
    }
}

#[test]
fn everything_that_is_built_in_may_be() {
    let deny = read("deny.toml");
    let allowed = list(&deny, "allow");
    let bans = deny.lines().filter(|line| line.trim().starts_with("{ crate = \""));
    // What is named as a wrapper may use the crate, nobody else.
    let (wrapped, banned): (Vec<&str>, Vec<&str>) = bans.partition(|line| line.contains("wrappers = ["));
    let name = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
    let banned: BTreeSet<String> = banned.into_iter().map(name).collect();
    assert!(
        allowed.contains("MIT") && banned.contains("openssl"),
        "deny.toml is read: {allowed:?} {banned:?}"
    );

    let mut complaints: Vec<String> = read("Cargo.lock")
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .filter(|name| banned.contains(*name))
        .map(|name| format!("`{name}` is banned by deny.toml"))
        .collect();
    let mut command = MetadataCommand::new();
    command.current_dir(root()).features(CargoOpt::AllFeatures);
    // Not offline: what is optional may not have been fetched for the build.
    command.other_options(["--locked", "--filter-platform", &host()].map(str::to_owned));
    let packages = command.exec().expect("cargo can describe the workspace").packages;
    for line in wrapped {
        let (_, wrappers) = line.split_once("wrappers = [").expect("it was chosen by that");
        let wrappers = wrappers.split(']').next().unwrap_or_default();
        let uses = |package: &&cargo_metadata::Package| {
            package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind != cargo_metadata::DependencyKind::Development)
                .any(|dependency| dependency.name == name(line) && !dependency.optional)
        };
        for package in packages.iter().filter(uses) {
            if !wrappers.contains(&format!("\"{}\"", package.name)) {
                complaints.push(format!("`{}` may not use `{}`: see deny.toml", package.name, name(line)));
            }
        }
    }
    for package in &packages {
        let licence = package.license.as_deref().unwrap_or_default();
        if !allows(licence, &allowed) {
            complaints
                .push(format!("`{}` is under `{licence}`, which deny.toml does not allow", package.name));
        }
    }
    none("licences do not fit:", &complaints);
    assert!(packages.len() > 50, "the libraries are looked at too");
}
