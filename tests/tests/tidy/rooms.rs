//! Which crate may use which: the table of the architecture, compared with what cargo says.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use super::{host, none, packages, read, root};

/// What each room may use of ours. `*`: all but what is never shipped.
const ROOMS: [(&str, &[&str]); 16] = [
    ("miyabi-core", &[]),
    ("miyabi-store", &["miyabi-core"]),
    ("miyabi-git", &["miyabi-core"]),
    ("miyabi-agent", &["miyabi-core"]),
    ("miyabi-contain", &["miyabi-core"]),
    ("miyabi-forge", &["miyabi-core"]),
    ("miyabi-model", &["miyabi-core"]),
    ("miyabi-notify", &["miyabi-core"]),
    ("miyabi-retrieval", &["miyabi-core"]),
    ("miyabi-quality", &["miyabi-core"]),
    ("miyabi-engine", &["miyabi-core"]),
    ("miyabi-fleet", &["miyabi-core"]),
    ("miyabi-server", &["miyabi-core", "miyabi-engine", "miyabi-forge"]),
    ("miyabi-testkit", &["miyabi-core"]),
    ("miyabi", &["*"]),
    ("miyabi-tests", &["*", "miyabi-testkit"]),
];

/// Never part of what people get.
const UNSHIPPED: [&str; 2] = ["miyabi-testkit", "miyabi-tests"];

/// Libraries that speak to one outside thing, and the rooms that know it.
const FENCED: [(&str, &[&str]); 15] = [
    ("candle-core", &["miyabi-retrieval"]),
    ("candle-nn", &["miyabi-retrieval"]),
    ("candle-transformers", &["miyabi-retrieval"]),
    ("tokenizers", &["miyabi-retrieval"]),
    ("lettre", &["miyabi-notify"]),
    ("qdrant-client", &["miyabi-retrieval"]),
    ("landlock", &["miyabi-contain"]),
    ("rusqlite", &["miyabi-store"]),
    ("rusqlite_migration", &["miyabi-store"]),
    ("octocrab", &["miyabi-forge"]),
    ("git2", &["miyabi-git"]),
    ("async-nats", &["miyabi-fleet"]),
    ("axum", &["miyabi-server"]),
    ("clap", &["miyabi"]),
    ("miette", &["miyabi"]),
];

/// What the core must not even reach through others.
const NOT_BELOW_THE_CORE: [&str; 8] =
    ["tokio", "mio", "async-std", "reqwest", "hyper", "rusqlite", "git2", "rustls"];

fn metadata(whole: bool) -> Metadata {
    let mut command = MetadataCommand::new();
    command.current_dir(root());
    if whole {
        command.other_options(["--offline", "--locked", "--filter-platform", &host()].map(str::to_owned));
    } else {
        command.no_deps();
    }
    command.exec().expect("cargo can describe the workspace")
}

fn ours(package: &Package, kind: DependencyKind) -> BTreeSet<&str> {
    let named = package.dependencies.iter().filter(|dependency| dependency.kind == kind);
    named.map(|dependency| dependency.name.as_str()).filter(|name| is_ours(name)).collect()
}

fn is_ours(name: &str) -> bool {
    name == "miyabi" || name.starts_with("miyabi-")
}

#[test]
fn crates_use_only_what_their_room_allows() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.into_iter().collect();
    let mut complaints = Vec::new();
    for package in &metadata(false).packages {
        let name = package.name.as_str();
        let Some(allowed) = rooms.get(name) else {
            complaints.push(format!("{name} has no room: add it to this table and to the architecture page"));
            continue;
        };
        let may =
            |used: &str| allowed.contains(&used) || (allowed.contains(&"*") && !UNSHIPPED.contains(&used));
        for kind in [DependencyKind::Normal, DependencyKind::Build] {
            for used in ours(package, kind).into_iter().filter(|used| !may(used)) {
                complaints.push(format!("{name} may not use {used}"));
            }
        }
        // Tests of a crate may use the doubles too, the crate itself with other features, and real boxes for what they
        // start.
        for used in ours(package, DependencyKind::Development) {
            if !may(used) && !["miyabi-testkit", "miyabi-contain"].contains(&used) && used != name {
                complaints.push(format!("the tests of {name} may not use {used}"));
            }
        }
    }
    none("crates use what is not in their room:", &complaints);
}

#[test]
fn outside_things_are_spoken_to_in_one_room() {
    let fences: BTreeMap<&str, &[&str]> = FENCED.into_iter().collect();
    let mut complaints = Vec::new();
    for package in &metadata(false).packages {
        let name = package.name.as_str();
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Normal || name == "miyabi-tests" {
                continue;
            }
            if let Some(rooms) = fences.get(dependency.name.as_str())
                && !rooms.contains(&name)
            {
                complaints.push(format!("{name} may not use {}: that is for {rooms:?}", dependency.name));
            }
        }
    }
    none("libraries are used outside their room:", &complaints);
}

#[test]
fn the_core_reaches_nothing_outside() {
    let metadata = metadata(true);
    let resolve = metadata.resolve.as_ref().expect("cargo resolved the workspace");
    let name_of = |id| metadata[id].name.as_str();
    let core = metadata.packages.iter().find(|package| package.name.as_str() == "miyabi-core");
    let core = &core.expect("there is a core").id;
    let (mut seen, mut open) = (BTreeSet::from([core]), vec![core]);
    while let Some(id) = open.pop() {
        let node = resolve.nodes.iter().find(|node| node.id == *id).expect("every package is resolved");
        for dependency in &node.deps {
            let is_normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if is_normal && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    assert!(seen.len() > 5, "the core has libraries, so they are found here: {seen:?}");
    let reached: Vec<&str> =
        seen.into_iter().map(name_of).filter(|name| NOT_BELOW_THE_CORE.contains(name)).collect();
    assert_eq!(reached, Vec::<&str>::new(), "the core touches nothing outside");
}

#[test]
fn every_package_follows_the_workspace() {
    let mut complaints = Vec::new();
    for folder in packages() {
        let manifest = read(folder.join("Cargo.toml"));
        let file = folder.join("Cargo.toml");
        let file = file.display();
        if !manifest.contains("[lints]\nworkspace = true") {
            complaints.push(format!("{file}: write `[lints]` with `workspace = true`"));
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if !manifest.contains(&format!("\n{key}.workspace = true")) {
                complaints.push(format!("{file}: write `{key}.workspace = true`"));
            }
        }
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]")
                && line.contains(" = ")
                && !line.contains("workspace = true")
            {
                complaints
                    .push(format!("{file}: take `{line}` from the workspace, so that there is one version"));
            }
        }
    }
    none("packages go their own way:", &complaints);
}
