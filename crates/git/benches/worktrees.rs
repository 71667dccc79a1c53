//! What a worktree costs, beside what the git program alone takes for the same on the same machine in the same run.
//!
//! Prints `name ours floor ratio`, times in milliseconds. `MIYABI_BENCH_FILES` (20,000) and `MIYABI_BENCH_TASKS` (100)
//! make it smaller; every figure is the best of several rounds, in which ours and the floor take turns.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark reports to the terminal")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use miyabi_core::ids::CommitId;
use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::{CommitSpec, MergeSpec, Merged, WorktreeSpec};
use miyabi_git::{GitWorktrees, Options};

const ROUNDS: usize = 5;
/// Files of the repository that the tasks work on: so that git one at a time takes a good 100 ms for each.
const TASK_FILES: usize = 3_000;
/// As many tasks as the engine runs at once by default.
const AT_ONCE: usize = 5;

fn main() {
    let files = setting("MIYABI_BENCH_FILES", 20_000);
    let tasks = setting("MIYABI_BENCH_TASKS", 100);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{:<52} {:>10} {:>10} {:>7}", "name", "ours", "floor", "ratio");
    runtime.block_on(async {
        one_worktree(files).await;
        many_worktrees(files.min(1_000)).await;
        whole_tasks(files.min(TASK_FILES), tasks).await;
    });
}

/// A worktree for a task: new ones, one alone and several at once, and a reused one.
async fn one_worktree(files: usize) {
    let repo = Repo::new(files);
    let fresh = repo.worktrees(0);
    let pooled = repo.worktrees(1);
    let (mut floor, mut alone, mut several, mut reused) =
        (Best::new(), Best::new(), Best::new(), Best::new());
    pooled.open(&repo.spec("warm")).await.unwrap();
    pooled.close(&"run".into(), "warm").await.unwrap();
    let started = Instant::now();
    for round in (0..ROUNDS).take_while(|round| *round == 0 || started.elapsed() < Duration::from_secs(40)) {
        let floors = repo.path.join("floor");
        settle();
        floor.time(|| repo.git(&["worktree", "add", "-q", "-b", "floor", floors.to_str().unwrap(), "main"]));
        repo.git(&["worktree", "remove", "--force", floors.to_str().unwrap()]);
        repo.git(&["branch", "-q", "-D", "floor"]);

        settle();
        let begun = Instant::now();
        fresh.open(&repo.spec("alone")).await.unwrap();
        alone.add(begun.elapsed());
        fresh.close(&"run".into(), "alone").await.unwrap();

        let names = ["a", "b", "c", "d"];
        settle();
        let begun = Instant::now();
        let opened = names.map(|name| {
            let (fresh, spec) = (fresh.clone(), repo.spec(name));
            tokio::spawn(async move { fresh.open(&spec).await.unwrap() })
        });
        for task in opened {
            task.await.unwrap();
        }
        several.add(begun.elapsed() / 4);
        for name in names {
            fresh.close(&"run".into(), name).await.unwrap();
        }

        // The next task starts from a base that has moved on a little.
        repo.move_on(round);
        settle();
        let begun = Instant::now();
        pooled.open(&repo.spec("again")).await.unwrap();
        reused.add(begun.elapsed());
        pooled.close(&"run".into(), "again").await.unwrap();
        assert_eq!(pooled.pool().unwrap().len(), 1, "it was reused");
    }
    report(&format!("worktree, {files} files, first, alone"), &alone, &floor);
    report(&format!("worktree, {files} files, first, 4 at once, each"), &several, &floor);
    report(&format!("worktree, {files} files, reused"), &reused, &floor);
}

/// 64 at once; the floor is 64 one after the other, as git's own fail when they run at once.
async fn many_worktrees(files: usize) {
    let repo = Repo::new(files);
    let ours = repo.worktrees(0);
    let (mut time, mut floor) = (Best::new(), Best::new());
    settle();
    let begun = Instant::now();
    let opened: Vec<_> = (0..64)
        .map(|n| {
            let (ours, spec) = (ours.clone(), repo.spec(&format!("task{n}")));
            tokio::spawn(async move { ours.open(&spec).await.is_err() })
        })
        .collect();
    let mut failures = 0;
    for task in opened {
        failures += usize::from(task.await.unwrap());
    }
    time.add(begun.elapsed());
    settle();
    floor.time(|| {
        for n in 0..64 {
            let (branch, path) = (format!("floor{n}"), repo.path.join(format!("floor{n}")));
            repo.git(&["worktree", "add", "-q", "-b", &branch, path.to_str().unwrap(), "main"]);
        }
    });
    report(&format!("64 worktrees at once, {files} files, {failures} failures"), &time, &floor);
    assert_eq!(failures, 0);
}

/// Open, write a file, commit, merge, close; the floor is git one at a time. Ours and the floor take turns, so that
/// what else the machine does weighs on both; after a minute it is enough.
async fn whole_tasks(files: usize, tasks: usize) {
    let (floor_repo, repo) = (Repo::new(files), Repo::new(files));
    let ours = repo.worktrees(AT_ONCE);
    ours.open(&repo.spec("issue-1")).await.unwrap();
    let (mut floor, mut time, mut one_by_one) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut done, begun) = (0, Instant::now());
    while done < tasks && begun.elapsed() < Duration::from_secs(50) {
        let batch = done..(done + 2 * AT_ONCE).min(tasks);
        floor += timed(async { batch.clone().for_each(|n| floor_task(&floor_repo, n)) }).await;
        time += timed(async {
            let workers = (0..AT_ONCE).map(|worker| {
                let (ours, own) = (ours.clone(), batch.clone().skip(worker).step_by(AT_ONCE));
                tokio::spawn(async move {
                    for n in own {
                        our_task(&ours, n).await;
                    }
                })
            });
            for worker in workers.collect::<Vec<_>>() {
                worker.await.unwrap();
            }
        })
        .await;
        one_by_one += timed(async {
            for n in batch.clone() {
                our_task(&ours, tasks + n).await;
            }
        })
        .await;
        done = batch.end;
    }
    let count = repo.git(&["rev-list", "--count", "--merges", "feature/issue-1"]);
    assert_eq!(count.trim(), (2 * done).to_string());
    let floor = Best(floor);
    report(&format!("{done} tasks, {files} files, {AT_ONCE} at once"), &Best(time), &floor);
    report(&format!("{done} tasks, {files} files, one at a time"), &Best(one_by_one), &floor);
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let begun = Instant::now();
    work.await;
    begun.elapsed()
}

async fn our_task(ours: &GitWorktrees, n: usize) {
    let base = ours.tip("feature/issue-1").await.unwrap().unwrap();
    let worktree = ours.open(&spec(&format!("task{n}"), &base)).await.unwrap();
    fs::write(worktree.path.join(format!("new{n}.txt")), "x\n").unwrap();
    let spec = CommitSpec { message: "New\n".into(), parents: vec![base], at: at() };
    let commit = ours.commit(&worktree, &spec).await.unwrap().unwrap().commit;
    let merge =
        MergeSpec { into: "feature/issue-1".into(), from: commit, message: "Merge\n".into(), at: at() };
    assert!(matches!(ours.merge(&merge).await.unwrap(), Merged::Done { .. }));
    assert!(ours.close(&"run".into(), &worktree.name).await.unwrap().branch_deleted);
}

fn floor_task(repo: &Repo, n: usize) {
    let (branch, path) = (format!("task{n}"), repo.path.join(format!("../floor-task{n}")));
    repo.git(&["worktree", "add", "-q", "-b", &branch, path.to_str().unwrap(), "main"]);
    fs::write(path.join(format!("new{n}.txt")), "x\n").unwrap();
    git(&path, &["add", "-A"]);
    git(&path, &["commit", "-q", "-m", "New"]);
    repo.git(&["merge", "-q", "--no-ff", "-m", "Merge", &branch]);
    repo.git(&["worktree", "remove", path.to_str().unwrap()]);
    repo.git(&["branch", "-q", "-d", &branch]);
}

/// Waits until the disk has done what was asked of it, so that removing the last worktree does not slow the next one.
fn settle() {
    assert!(Command::new("sync").status().unwrap().success());
}

/// A generated repository, removed at the end.
struct Repo {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Repo {
    fn new(files: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("repo");
        fs::create_dir(&path).unwrap();
        let repo = Self { _folder: folder, path };
        repo.git(&["init", "-q", "-b", "main"]);
        repo.git(&["config", "user.name", "Bench"]);
        repo.git(&["config", "user.email", "bench@example.com"]);
        for n in 0..files {
            let file = repo.path.join(format!("src/m{:03}/n{:02}/f{n:05}.rs", n / 400, n / 20 % 20));
            if n % 20 == 0 {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
            }
            let line = format!("pub fn f{n}() -> u64 {{ {} }}\n", n.wrapping_mul(2_654_435_761));
            fs::write(file, line.repeat(5 + n % 55)).unwrap();
        }
        repo.git(&["add", "-A"]);
        repo.git(&["commit", "-q", "-m", "Begin"]);
        repo.git(&["repack", "-a", "-d", "-q"]);
        repo
    }

    fn move_on(&self, round: usize) {
        for n in 0..20 {
            fs::write(self.path.join(format!("moved-{round}-{n}.txt")), "x\n").unwrap();
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "Move on"]);
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.path, arguments)
    }

    fn worktrees(&self, pool_size: usize) -> GitWorktrees {
        GitWorktrees::open(&self.path, Options { pool_size, ..Options::default() }).unwrap()
    }

    fn spec(&self, name: &str) -> WorktreeSpec {
        spec(name, &CommitId::from(self.git(&["rev-parse", "main"]).trim()))
    }
}

fn spec(name: &str, base: &CommitId) -> WorktreeSpec {
    WorktreeSpec {
        run: "run".into(),
        step: "step".into(),
        name: name.to_owned(),
        branch: format!("feature/{name}"),
        base: base.clone(),
        keep_work: false,
    }
}

fn at() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The shortest of several times.
struct Best(Duration);

impl Best {
    fn new() -> Self {
        Self(Duration::MAX)
    }

    fn add(&mut self, time: Duration) {
        self.0 = self.0.min(time);
    }

    fn time<T>(&mut self, work: impl FnOnce() -> T) {
        let begun = Instant::now();
        work();
        self.add(begun.elapsed());
    }
}

fn report(name: &str, ours: &Best, floor: &Best) {
    let ms = |best: &Best| best.0.as_secs_f64() * 1000.0;
    let (ours, floor) = (ms(ours), ms(floor));
    println!("{name:<52} {ours:>10.1} {floor:>10.1} {:>7.3}", ours / floor);
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
