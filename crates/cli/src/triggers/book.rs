//! The rules of every repository that is served, read again when their files have changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use miyabi_core::trigger::{Broken, TriggerSettings};
use miyabi_server::RuleSource;

use super::Words;
use crate::flow;

/// The rules by repository.
#[derive(Default)]
pub struct Book(RwLock<State>);

#[derive(Default)]
struct State {
    /// What all of them have in common: own accounts, and the repositories that are worked for.
    common: TriggerSettings,
    /// The repository that the server was started for; it stands for those that are not known.
    first: String,
    pages: BTreeMap<String, Page>,
}

struct Page {
    root: PathBuf,
    words: Words,
    /// Files, when they were written and how long they are.
    stamp: Vec<(PathBuf, Option<SystemTime>, u64)>,
    settings: Arc<TriggerSettings>,
}

impl Book {
    /// A book of one repository. `common.own` and `common.repos` count for all that join it.
    pub fn new(repo: &str, root: &Path, words: &Words, common: TriggerSettings) -> Self {
        let state = State { common, first: repo.to_ascii_lowercase(), pages: BTreeMap::new() };
        let book = Self(RwLock::new(state));
        book.add(repo, root, words);
        book
    }

    /// A repository with files of its own.
    pub fn add(&self, repo: &str, root: &Path, words: &Words) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let page = Page::read(root, words, &state.common);
        state.pages.insert(repo.to_ascii_lowercase(), page);
    }

    /// The rules of that repository as its files are now; of one that is not known, those of the first one.
    pub fn of(&self, repo: Option<&str>) -> Arc<TriggerSettings> {
        let name = {
            let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let name = repo.map(str::to_ascii_lowercase).filter(|name| state.pages.contains_key(name));
            let name = name.unwrap_or_else(|| state.first.clone());
            match state.pages.get(&name) {
                Some(page) if page.stamp == stamp(&page.root) => return Arc::clone(&page.settings),
                Some(_) => name,
                None => return Arc::new(state.common.clone()),
            }
        };
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let common = state.common.clone();
        let Some(page) = state.pages.get_mut(&name) else { return Arc::new(common) };
        *page = Page::read(&page.root.clone(), &page.words.clone(), &common);
        Arc::clone(&page.settings)
    }
}

impl RuleSource for Book {
    fn rules(&self, repo: Option<&str>) -> Arc<TriggerSettings> {
        self.of(repo)
    }
}

impl Page {
    /// Never fails: files that cannot be used are said to be so with every delivery.
    fn read(root: &Path, words: &Words, common: &TriggerSettings) -> Self {
        // Looked at first: what is written meanwhile is read again.
        let stamp = stamp(root);
        let settings = super::of(root, words).unwrap_or_else(|error| {
            let from = super::path(root).strip_prefix(root).unwrap_or(root).display().to_string();
            let broken = Broken { rule: "triggers".to_owned(), from, reason: error.summary() };
            let mut others = super::without_own(root, words);
            others.broken.insert(0, broken);
            others
        });
        let settings = TriggerSettings { own: common.own.clone(), repos: common.repos.clone(), ..settings };
        Self { root: root.to_owned(), words: words.clone(), stamp, settings: Arc::new(settings) }
    }
}

fn stamp(root: &Path) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
    let of = |path: PathBuf| {
        let facts = std::fs::metadata(&path).ok()?;
        Some((path, facts.modified().ok(), facts.len()))
    };
    let files = flow::files(root).into_iter().chain([super::path(root)]);
    files.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_the_files_as_they_are_now() {
        let root = tempfile::tempdir().unwrap();
        let words = Words { labels: vec!["miyabi".to_owned()], mention: String::new(), bots: Vec::new() };
        let common = TriggerSettings { own: vec!["us".to_owned()], ..TriggerSettings::default() };
        let book = Book::new("acme/Shop", root.path(), &words, common);
        let names = || {
            let rules = book.of(Some("Acme/shop"));
            let names: Vec<_> = rules.rules.iter().map(|rule| rule.name.clone()).collect();
            (names, rules.broken.len(), rules.own.clone())
        };
        let us = vec!["us".to_owned()];
        assert_eq!(names(), (vec!["label".to_owned(), "comment".to_owned()], 0, us.clone()));
        let folder = root.path().join(".miyabi/flows");
        std::fs::create_dir_all(&folder).unwrap();
        let text =
            "name: x\ntrigger: {type: webhook, event: push}\nsteps:\n  - {name: a, agent: b, input: x}\n";
        std::fs::write(folder.join("mine.yaml"), text).unwrap();
        assert_eq!(names().0, ["label", "comment", "mine"]);
        std::fs::write(super::super::path(root.path()), "rules: 7\n").unwrap();
        assert_eq!((names().0.len(), names().1), (3, 1), "a broken file keeps nothing else back");
    }
}
