//! The stories of a commit: read from its files, held against what earlier runs found, and brought together at the end.

use std::collections::BTreeMap;

use miyabi_core::evidence::Evidence;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::CommitId;
use miyabi_core::story::{
    CacheDecision, FOLDER, Kept, Planned, Present, Stories, Story, StoryDecomposition, Summary, Tree, Wanted,
    decide_cache, evidence_of, read_files, scopes_of,
};

use super::{Job, Outcome, Working, ready};
use crate::World;

/// So many commits are looked at for what was found earlier.
const ANCESTORS: u32 = 500;
/// The most files of stories.
const MAX_FILES: usize = 2_000;
/// The largest file of a story, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Reads the stories of the run's commit and says what has to be done about each.
pub(super) fn read(world: World, job: &Job<'_>) -> Working {
    let run = job.run;
    let wanted = Wanted::of(&run.started.plan);
    let (repo, commit) = (run.started.repo.clone(), run.started.base_commit.clone());
    Box::pin(async move { to_value(&plan(&world, &repo, commit, &wanted).await?) })
}

/// Brings together what they came to.
pub(super) fn verdict(job: &Job<'_>) -> Working {
    ready(to_value(&Summary::of(job.run)))
}

async fn plan(world: &World, repo: &str, commit: CommitId, wanted: &Wanted) -> Result<Stories, Failure> {
    let tree = Tree::new(world.contents.files(&commit).await?);
    let (all, mut problems) = read_stories(world, &tree).await?;
    world.stories.sync_stories(repo, &commit, &all, world.clock.now()).await?;
    let count = all.len();
    let chosen: Vec<Story> = match wanted.only.as_slice() {
        [] => all.into_iter().filter(|story| story.state == miyabi_core::story::State::Active).collect(),
        only => {
            let missing: Vec<_> =
                only.iter().filter(|id| all.iter().all(|story| story.id != **id)).cloned().collect();
            if !missing.is_empty() {
                return Err(unknown(&missing, &commit, &problems));
            }
            // What is wrong with others is not what was asked.
            problems.clear();
            all.into_iter().filter(|story| only.contains(&story.id)).collect()
        }
    };
    let among = world.contents.ancestors(&commit, ANCESTORS).await?;
    let mut decompositions: BTreeMap<(String, String), StoryDecomposition> = BTreeMap::new();
    // Who wants it taken apart anew wants no earlier answer.
    let uses_earlier = wanted.cache || wanted.evaluate;
    let known = if uses_earlier { world.stories.decompositions(repo, &among).await? } else { Vec::new() };
    for known in known {
        decompositions.insert((known.story, known.text_hash), known.decomposition);
    }
    let kept = if wanted.cache { world.stories.kept_outcomes(repo, &among).await? } else { Vec::new() };
    let relevant: Vec<Kept> = kept
        .into_iter()
        .filter(|kept| {
            chosen
                .iter()
                .any(|story| story.id == kept.outcome.story && story.text_hash() == kept.outcome.text_hash)
        })
        .collect();
    let present = look(
        world,
        &tree,
        evidence_of(relevant.iter().map(|kept| &kept.outcome)),
        scopes_of(relevant.iter().map(|kept| &kept.outcome)),
    )
    .await?;
    let others = count - chosen.len();
    let planned = chosen.into_iter().map(|story| {
        let text_hash = story.text_hash();
        let decomposition = decompositions.get(&(story.id.clone(), text_hash.clone())).cloned();
        let (reused, steps) = match &decomposition {
            None => (Vec::new(), Vec::new()),
            Some(parts) => {
                let hash = parts.hash();
                let same =
                    |kept: &&Kept| kept.outcome.story == story.id && kept.outcome.decomposition_hash == hash;
                match decide_cache(&text_hash, parts, relevant.iter().find(same), &present) {
                    CacheDecision::Reuse(reused) => (reused, Vec::new()),
                    CacheDecision::Reevaluate { steps, reused } => (reused, steps),
                }
            }
        };
        Planned { story, decomposition, reused, steps, only_decompose: !wanted.evaluate }
    });
    Ok(Stories { commit, planned: planned.collect(), others, problems })
}

/// The stories of a commit, and what is wrong with their files.
async fn read_stories(world: &World, tree: &Tree) -> Result<(Vec<Story>, Vec<String>), Failure> {
    let is_story = |path: &&str| {
        path.strip_prefix(FOLDER)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|name| !name.contains('/') && (name.ends_with(".yaml") || name.ends_with(".yml")))
    };
    let paths: Vec<&str> = tree.paths().filter(is_story).collect();
    if paths.len() > MAX_FILES {
        let why = format!("there are {} files in {FOLDER}; at most {MAX_FILES} are read", paths.len());
        return Err(Failure::new(FailureClass::Input, why));
    }
    let mut problems: Vec<String> = Vec::new();
    let mut found: Vec<(&str, String)> = Vec::new();
    for path in &paths {
        match tree.blob(path) {
            Some(blob) => found.push((path, blob.to_owned())),
            None => problems.push(format!("{path}:1:1: a story is a file, and this is a link")),
        }
    }
    let blobs: Vec<String> = found.iter().map(|(_, blob)| blob.clone()).collect();
    let texts = world.contents.contents(&blobs, MAX_BYTES).await?;
    let mut files: Vec<(&str, String)> = Vec::new();
    for ((path, _), content) in found.iter().zip(texts) {
        match content.map(String::from_utf8) {
            Some(Ok(text)) => files.push((path, text)),
            Some(Err(_)) => problems.push(format!("{path}:1:1: the file is no UTF-8 text")),
            None => problems.push(format!("{path}:1:1: the file is larger than {MAX_BYTES} bytes")),
        }
    }
    let (stories, wrong) = read_files(files.iter().map(|(path, text)| (*path, text.as_str())));
    problems.extend(wrong.iter().map(|problem| problem.to_string().replace('\n', "; ")));
    Ok((stories, problems))
}

fn unknown(missing: &[String], commit: &CommitId, problems: &[String]) -> Failure {
    let short: String = commit.as_str().chars().take(12).collect();
    let mut why = format!("there is no story `{}` at commit {short}", missing.join("`, `"));
    if !problems.is_empty() {
        why.push_str(&format!("; files that are none: {}", problems.join("; ")));
    }
    Failure::new(FailureClass::Input, why)
        .hint("stories are read from commits: commit the file first; `miyabi story list` names them")
}

/// How a commit looks where these lines and scopes are.
pub(super) async fn look(
    world: &World,
    tree: &Tree,
    lines: impl IntoIterator<Item = Evidence>,
    scopes: impl IntoIterator<Item = Vec<String>>,
) -> Result<Present, Failure> {
    let known: Vec<(Evidence, String)> = lines
        .into_iter()
        .filter_map(|at| tree.blob(&at.path).map(str::to_owned).map(|blob| (at, blob)))
        .collect();
    let wanted: Vec<_> = known.iter().map(|(at, blob)| (blob.clone(), at.lines)).collect();
    let digests = world.contents.digests(&wanted).await?;
    let lines = known.into_iter().zip(digests).filter_map(|((at, _), digest)| Some((at, digest?)));
    let scopes = scopes.into_iter().map(|patterns| (patterns.clone(), tree.scope(&patterns)));
    Ok(Present { lines: lines.collect(), scopes: scopes.collect() })
}

pub(super) fn to_value<T: serde::Serialize>(value: &T) -> Outcome {
    serde_json::to_value(value).map_err(|error| Failure::caused(FailureClass::Internal, &error))
}
