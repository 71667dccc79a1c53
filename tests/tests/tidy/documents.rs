//! What is written for people must exist: pages, links, commands, words, flows.

use std::path::{Path, PathBuf};

use miyabi_core::plan::Uses;
use miyabi_core::status::Status;

use super::{files, none, packages, read, root};

#[test]
fn the_pages_that_people_look_for_are_there() {
    let pages = [
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "docs/ARCHITECTURE.md",
        "docs/glossary.md",
    ];
    let missing: Vec<String> =
        pages.into_iter().filter(|page| !root().join(page).is_file()).map(str::to_owned).collect();
    none("pages are missing:", &missing);
    assert!(read("CHANGELOG.md").contains("\n## "), "CHANGELOG.md has a heading for each version");
}

fn pages() -> Vec<PathBuf> {
    let top = ["README.md", "CHANGELOG.md"].map(PathBuf::from);
    let crates = packages().into_iter().map(|package| package.join("README.md"));
    let pages = top.into_iter().chain(crates).filter(|page| root().join(page).is_file());
    pages.chain(files("docs", "md")).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut complaints = Vec::new();
    for page in pages() {
        let text = read(&page);
        let folder = page.parent().unwrap_or(Path::new(""));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let elsewhere = link.contains("://") || link.starts_with("mailto:") || target.is_empty();
            // `crate::` and the like are links of rustdoc, which checks them itself.
            if !elsewhere && !target.contains("::") && !root().join(folder).join(target).exists() {
                complaints.push(format!("{}: `{link}` leads nowhere", page.display()));
            }
        }
    }
    none("links lead nowhere:", &complaints);
}

#[test]
fn commands_in_pages_and_hints_exist() {
    let reference = read("docs/cli.md");
    let hints = packages().into_iter().filter(|package| package.starts_with("crates"));
    let hints =
        hints.flat_map(|package| files(package.join("src").to_str().expect("our names are text"), "rs"));
    let mut complaints = Vec::new();
    let mut seen = 0;
    for file in pages().into_iter().chain(hints) {
        for command in read(&file).split("`miyabi ").skip(1) {
            let word: String = command.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            if word.is_empty() || word.starts_with('-') {
                continue;
            }
            seen += 1;
            if !reference.contains(&format!("miyabi {word}")) {
                complaints.push(format!("{}: there is no `miyabi {word}`", file.display()));
            }
        }
    }
    none("commands do not exist:", &complaints);
    assert!(seen > 5, "commands are found in pages and hints");
}

#[test]
fn the_glossary_has_the_words_that_people_see() {
    let glossary = read("docs/glossary.md");
    let words = Status::ALL.map(Status::as_str).into_iter().chain(Uses::ALL.map(Uses::as_str));
    let missing: Vec<String> = words
        .filter(|word| !glossary.contains(&format!("`{word}`")))
        .map(|word| format!("`{word}` is not in docs/glossary.md"))
        .collect();
    none("words are not explained:", &missing);

    let terms: Vec<String> = glossary
        .lines()
        .filter_map(|line| line.strip_prefix("| **")?.split("**").next())
        .map(str::to_lowercase)
        .collect();
    let mut sorted = terms.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), terms.len(), "a word stands in the glossary once");
    assert!(terms.len() > 40, "the glossary is read line by line");
}

#[test]
fn every_flow_is_without_problems() {
    let flows = files("agents/flows", "yaml");
    assert!(flows.contains(&PathBuf::from("agents/flows/issue.yaml")));
    let mut complaints = Vec::new();
    for file in flows {
        let text = read(&file);
        if let Err(problems) = miyabi_core::flow::parse(&text, &file.display().to_string()) {
            complaints.extend(problems.iter().map(|problem| problem.render(&text)));
        }
    }
    none("flows have problems:", &complaints);
}

#[test]
fn what_ci_and_the_readme_run_is_the_same() {
    let command = "cargo nextest run --workspace";
    for file in ["README.md", ".ci/run", "justfile"] {
        assert!(read(file).contains(command), "{file} runs the tests by `{command}`");
    }
}
