//! The property behind everything: whatever was committed, staged or left in a file stays reachable from a ref.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::{Worktree, WorktreeSpec};

use crate::common::{Repo, at, commit_spec, git_in, merge_spec, try_git_in, write};

/// A small generator of its own, so that a failing seed can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// What an agent has in its checkout that it has not itself overwritten or deleted.
#[derive(Default)]
struct Known {
    /// Contents that must be found, with what was done when they came to be.
    contents: BTreeMap<String, String>,
    /// Uncommitted content by worktree and file: the agent itself may still overwrite it.
    loose: BTreeMap<(String, String), String>,
}

impl Known {
    /// The content of all files that stand in the worktrees now can no longer be lost.
    fn settle(&mut self, name: &str, step: &str) {
        let settled: Vec<_> = self.loose.keys().filter(|(worktree, _)| worktree == name).cloned().collect();
        for key in settled {
            let content = self.loose.remove(&key).unwrap();
            self.contents.insert(content, step.to_owned());
        }
    }
}

async fn sequence(seed: u64) {
    let repo = Repo::new();
    let base = repo.head();
    repo.git(["branch", "integration"]);
    let ours = if seed.is_multiple_of(3) { repo.without_pool() } else { repo.worktrees() };
    let mut random = Random(seed);
    let mut known = Known::default();
    let mut open: BTreeMap<String, Worktree> = BTreeMap::new();
    let mut done: Vec<String> = Vec::new();
    for n in 0..30 {
        let name = format!("w{}", random.below(3));
        let file = ["a.txt", "深い/b.txt", "src/lib.rs"][usize::try_from(random.below(3)).unwrap()];
        let what = random.below(12);
        let step = format!("{n}: {what} on {name} {file}");
        done.push(step.clone());
        let Some(worktree) = open.get(&name).cloned() else {
            let spec = WorktreeSpec { step: format!("s{n}").into(), ..crate::common::spec(&name, &base) };
            open.insert(name, ours.open(&spec).await.unwrap());
            continue;
        };
        match what {
            0..=4 => {
                let content = format!("content {seed} {n} 内容\n");
                write(&worktree.path.join(file), &content);
                known.loose.insert((name, file.to_owned()), content);
            }
            5 => {
                git_in(&worktree.path, ["add", "-A"]);
                // A later `add` of the agent's own replaces what is staged; ours may not.
                let staged: Vec<_> = known.loose.iter().filter(|((w, _), _)| *w == name).collect();
                let staged: Vec<_> = staged.into_iter().map(|((_, f), c)| (f.clone(), c.clone())).collect();
                if random.below(2) == 0 && !staged.is_empty() {
                    let (file, content) = staged[0].clone();
                    known.contents.insert(content, format!("{step} staged"));
                    let later = format!("over staged {seed} {n}\n");
                    write(&worktree.path.join(&file), &later);
                    known.loose.insert((name.clone(), file), later);
                    let spec =
                        WorktreeSpec { step: format!("s{n}").into(), ..crate::common::spec(&name, &base) };
                    known.settle(&name, &step);
                    open.insert(name, ours.open(&spec).await.unwrap());
                }
            }
            6 => {
                git_in(&worktree.path, ["add", "-A"]);
                git_in(&worktree.path, ["commit", "-q", "--allow-empty", "-m", "agent's"]);
                known.settle(&name, &step);
            }
            7 => {
                let branch = format!("agent-{n}");
                let how = if random.below(2) == 0 { vec!["--detach"] } else { vec!["-b", branch.as_str()] };
                try_git_in(&worktree.path, [&["checkout", "-q"][..], &how].concat());
            }
            8 => {
                known.settle(&name, &step);
                let spec = commit_spec(&format!("ours {n}\n"), &[&worktree.base]);
                if let Some(committed) = ours.commit(&worktree, &spec).await.unwrap()
                    && random.below(2) == 0
                {
                    ours.merge(&merge_spec("integration", &committed.commit)).await.unwrap();
                }
            }
            9 => {
                known.settle(&name, &step);
                let spec = WorktreeSpec { step: format!("s{n}").into(), ..crate::common::spec(&name, &base) };
                open.insert(name, ours.open(&spec).await.unwrap());
            }
            _ => {
                known.settle(&name, &step);
                assert!(ours.close(&"run-1".into(), &name).await.unwrap().removed);
                open.remove(&name);
            }
        }
    }
    for name in open.keys() {
        known.settle(name, "end");
        ours.close(&"run-1".into(), name).await.unwrap();
    }
    // Nothing may rest on reflogs or on luck.
    repo.git(["reflog", "expire", "--expire=now", "--all"]);
    ours.drain().await.unwrap();
    repo.git(["gc", "-q", "--prune=now"]);
    let objects = repo.git(["rev-list", "--objects", "--all"]);
    let reachable: BTreeSet<&str> = objects.lines().filter_map(|line| line.split(' ').next()).collect();
    for (content, step) in &known.contents {
        let file = repo.root().parent().unwrap().join("content");
        fs::write(&file, content).unwrap();
        let id = repo.git(["hash-object", "--no-filters", file.to_str().unwrap()]);
        assert!(
            reachable.contains(id.as_str()),
            "seed {seed} lost {content:?} of {step}\n{}",
            done.join("\n")
        );
    }
    assert!(!known.contents.is_empty(), "seed {seed} wrote nothing at {}", at());
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_sequence_of_work_loses_anything() {
    let seeds = (1..=24).map(|seed| tokio::spawn(sequence(seed * 7919)));
    for run in seeds.collect::<Vec<_>>() {
        run.await.unwrap();
    }
}
