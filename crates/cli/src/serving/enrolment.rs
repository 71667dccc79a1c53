//! Repositories that an App was given, besides the one that the server was started for: each in a clone of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miyabi_core::delivery::Verdict;
use miyabi_forge::RepoName;
use tracing::{info, warn};

use super::Done;
use super::site::{Shared, Site};
use crate::clones;
use crate::error::CliError;
use crate::wiring::{Access, Home, prepare_build_folder};

/// Which repositories are enrolled: a list on the disk, and their sites.
pub(super) struct Enrolment {
    /// Whether it is wanted at all.
    is_wanted: bool,
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is on the disk: those that cannot be served just now, too.
    listed: BTreeSet<String>,
    sites: BTreeMap<String, Arc<Site>>,
}

impl Enrolment {
    /// What the disk says; nothing is opened yet.
    pub(super) fn new(first: &Home) -> Self {
        let file = first.runs_folder().join("enrolled");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let listed = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        let state = State { listed, sites: BTreeMap::new() };
        Self { is_wanted: first.settings.serve.enrol, file, state: Mutex::new(state) }
    }

    /// The sites, in the order of their names.
    pub(super) fn sites(&self) -> Vec<Arc<Site>> {
        self.state().sites.values().cloned().collect()
    }

    /// The site of that repository.
    pub(super) fn site(&self, repo: &str) -> Option<Arc<Site>> {
        self.state().sites.get(&repo.to_ascii_lowercase()).cloned()
    }

    /// Opens every enrolled repository and goes on with its runs. One that cannot be opened keeps no other back; it is
    /// tried again with the next start.
    pub(super) async fn open_all(&self, shared: &Shared, first: &Site) {
        if !self.is_wanted {
            return;
        }
        let listed = self.state().listed.clone();
        for repo in listed {
            if let Err(error) = self.open(shared, first, &repo).await {
                warn!(repo, "{repo} is enrolled and cannot be served: {}", error.render());
            }
        }
    }

    /// Does what an `installation` event says. Errors: something that may pass.
    pub(super) async fn change(
        &self,
        shared: &Shared,
        first: &Site,
        added: &[String],
        removed: &[String],
    ) -> Result<Done, CliError> {
        if !self.is_wanted {
            let why = format!("this server works for {} only: `serve.enrol` is off", first.home.repo);
            return Ok(Done::Settled(Verdict::ignored(why)));
        }
        let gone = self.remove(removed)?;
        let mut refused = Vec::new();
        let mut opened = Vec::new();
        for repo in added.iter().filter(|repo| !repo.eq_ignore_ascii_case(&first.home.repo)) {
            match self.open(shared, first, repo).await {
                Ok(()) => opened.push(repo.clone()),
                Err(error) if error.may_pass() => return Err(error),
                Err(error) => refused.push(format!("{repo}: {}", error.summary())),
            }
        }
        info!(?opened, ?gone, ?refused, "repositories came and went");
        Ok(match refused.is_empty() {
            true => Done::Settled(Verdict::ignored(format!(
                "enrolled: {}; removed: {}",
                listed(&opened),
                listed(&gone)
            ))),
            false => Done::no(refused.join("; ")),
        })
    }

    /// Clones, opens, lists and goes on.
    async fn open(&self, shared: &Shared, first: &Site, repo: &str) -> Result<(), CliError> {
        if self.site(repo).is_some() {
            return Ok(());
        }
        let name: RepoName = repo.parse().map_err(miyabi_core::failure::Failure::from)?;
        let folder = clones::obtain(&shared.context, &name).await?;
        let mut home = Home::open(&shared.context.at(folder), Access::Write, Vec::new())?;
        prepare_build_folder(&home.root)?;
        // Deliveries are kept once, where the server was started.
        home.deliveries = Arc::clone(&first.home.deliveries);
        shared.book.add(&home.repo, &home.root, &home.settings.trigger);
        let site = Arc::new(Site::new(Arc::new(home), shared));
        {
            let mut state = self.state();
            state.listed.insert(repo.to_ascii_lowercase());
            state.sites.insert(repo.to_ascii_lowercase(), Arc::clone(&site));
        }
        self.write()?;
        site.go_on().await
    }

    /// Forgets repositories; `owner/*` are all of an owner. What is under way there ends as it can.
    fn remove(&self, removed: &[String]) -> Result<Vec<String>, CliError> {
        let is_gone = |repo: &str| {
            removed.iter().any(|gone| match gone.strip_suffix("/*") {
                Some(owner) => repo.split('/').next().is_some_and(|of| of.eq_ignore_ascii_case(owner)),
                None => gone.eq_ignore_ascii_case(repo),
            })
        };
        let gone: Vec<String> = {
            let mut state = self.state();
            state.sites.retain(|repo, _| !is_gone(repo));
            state.listed.extract_if(.., |repo| is_gone(repo)).collect()
        };
        if !gone.is_empty() {
            self.write()?;
        }
        Ok(gone)
    }

    fn write(&self) -> Result<(), CliError> {
        let text: String = self.state().listed.iter().map(|repo| format!("{repo}\n")).collect();
        let new = self.file.with_extension("new");
        let folder = self.file.parent().unwrap_or(&self.file);
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&new, text))
            .and_then(|()| std::fs::rename(&new, &self.file));
        written.map_err(|error| CliError::file("list the enrolled repositories in", &self.file, &error))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
