//! Random histories: with the cache and without it, stories come to the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{requirement, story};
use crate::evidence::{Evidence, LineDigests};
use crate::story::{
    CacheDecision, Evaluation, Finding, Judgement, Kept, Present, StepOutcome, StoryDecomposition, Tree,
    TreeFile, conclude, decide_cache, evidence_of, scopes_of,
};

/// A commit: files by name, each with its lines.
type Files = BTreeMap<String, Vec<u8>>;

fn text(lines: &[u8]) -> String {
    lines.iter().map(|line| format!("{}\n", char::from(*line))).collect()
}

fn tree(files: &Files) -> Tree {
    let file = |(path, lines): (&String, &Vec<u8>)| TreeFile {
        path: path.clone(),
        blob: crate::evidence::sha256(text(lines).as_bytes()),
        is_regular: true,
    };
    Tree::new(files.iter().map(file).collect())
}

/// How a commit looks where these lines and scopes are.
fn look(
    files: &Files,
    lines: impl IntoIterator<Item = Evidence>,
    scopes: impl IntoIterator<Item = Vec<String>>,
) -> Present {
    let tree = tree(files);
    let digest = |at: Evidence| {
        let mut digests = LineDigests::new([at.lines]);
        digests.take(text(files.get(&at.path)?).as_bytes());
        Some((at, digests.finish().remove(0)?))
    };
    Present {
        lines: lines.into_iter().filter_map(digest).collect(),
        scopes: scopes.into_iter().map(|patterns| (patterns.clone(), tree.scope(&patterns))).collect(),
    }
}

/// Judges `has X in F` and `no X in F`: what it finds it shows, and what it does not find it says where it looked.
fn judge(files: &Files, step: u32, assertion: u32, asserted: &str) -> Judgement {
    let mut words = asserted.split(' ');
    let (kind, letter, folder) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let found =
        files.iter().filter(|(path, _)| path.starts_with(&format!("{folder}/"))).find_map(|(path, lines)| {
            let at = lines.iter().position(|line| char::from(*line).to_string() == letter)? + 1;
            Some(format!("{path}:{at}-{at}"))
        });
    let holds = found.is_some() == (kind == "has");
    Judgement {
        step,
        assertion,
        verdict: if holds { Finding::Pass } else { Finding::Fail },
        explanation: "looked".to_owned(),
        evidence: found.into_iter().collect(),
        searched: if holds && kind == "has" { Vec::new() } else { vec![folder.to_owned()] },
    }
}

fn answer(files: &Files, parts: &StoryDecomposition, steps: &[u32]) -> Evaluation {
    let asked = parts.requirements().filter(|(step, ..)| steps.contains(step));
    let judged = asked.flat_map(|(step, _, assertions)| {
        (1..).zip(assertions).map(move |(n, asserted)| judge(files, step, n, asserted))
    });
    Evaluation { assertions: judged.collect() }
}

/// Whether everything that a step rests on is the same in two commits, told without the cache's help.
fn rests_on_the_same(step: &StepOutcome, before: &Files, after: &Files) -> bool {
    step.assertions.iter().all(|assertion| {
        let line = |files: &Files, at: &Evidence| {
            files.get(&at.path).and_then(|lines| lines.get(at.lines.start as usize - 1)).copied()
        };
        let lines = assertion.evidence.iter().all(|cited| line(before, &cited.at) == line(after, &cited.at));
        let under = |files: &Files| {
            let folder = assertion.searched.first().map(|name| format!("{name}/")).unwrap_or_default();
            let inside: Files = files
                .iter()
                .filter(|(path, _)| path.starts_with(&folder))
                .map(|(p, l)| (p.clone(), l.clone()))
                .collect();
            // A folder that is not there says nothing of where was looked.
            if inside.is_empty() { files.clone() } else { inside }
        };
        lines && (assertion.scope.is_none() || under(before) == under(after))
    })
}

fn commits() -> impl Strategy<Value = Vec<Files>> {
    let path = prop::sample::select(vec!["a/1", "a/2", "b/1", "b/deep/2", "c/1"]);
    let file = (path, prop::collection::vec(prop::sample::select(b"xyz".to_vec()), 0..4));
    // Each commit changes a few files of the one before; a file without lines is gone.
    prop::collection::vec(prop::collection::vec(file, 0..3), 1..12).prop_map(|changes| {
        let mut files = Files::new();
        let next = |change: Vec<(&str, Vec<u8>)>| {
            for (path, lines) in change {
                match lines.is_empty() {
                    true => drop(files.remove(path)),
                    false => drop(files.insert(path.to_owned(), lines)),
                }
            }
            files.clone()
        };
        changes.into_iter().map(next).collect()
    })
}

proptest! {
    #[test]
    fn with_the_cache_and_without_it_verdicts_are_the_same(commits in commits()) {
        let parts = StoryDecomposition { steps: vec![
            requirement("one", &["has x a", "no y a"]),
            requirement("two", &["has z b"]),
            requirement("three", &["no x b", "has y c"]),
        ] };
        let all: Vec<u32> = parts.requirements().map(|(step, ..)| step).collect();
        let mut kept: Option<(Kept, Files)> = None;
        for (n, files) in commits.iter().enumerate() {
            let fresh = answer(files, &parts, &all);
            let named = fresh.names();
            let brute = conclude(&story(), &parts, &"c".into(), Some(&fresh), &[], &look(files, named.0, named.1));
            let outcomes: Vec<_> = kept.iter().map(|(kept, _)| &kept.outcome).collect();
            let now = look(files, evidence_of(outcomes.clone()), scopes_of(outcomes));
            let last = kept.as_ref().map(|(kept, _)| kept);
            let decision = decide_cache(&story().text_hash(), &parts, last, &now);
            let (steps, reused) = match decision {
                CacheDecision::Reuse(reused) => (Vec::new(), reused),
                CacheDecision::Reevaluate { steps, reused } => (steps, reused),
            };
            if let Some((before, then)) = &kept {
                for step in &before.outcome.steps {
                    let same = rests_on_the_same(step, then, files);
                    prop_assert_eq!(steps.contains(&step.step), !same, "step {} of commit {}", step.step, n);
                }
            }
            let asked = answer(files, &parts, &steps);
            let named = asked.names();
            let outcome = conclude(&story(), &parts, &"c".into(), Some(&asked), &reused, &look(files, named.0, named.1));
            prop_assert_eq!(outcome.verdict, brute.verdict);
            for (one, other) in outcome.steps.iter().zip(&brute.steps) {
                prop_assert_eq!(one.verdict, other.verdict, "step {} of commit {}", one.step, n);
            }
            kept = Some((Kept { run: format!("run-{n}").into(), outcome }, files.clone()));
        }
    }
}
