//! What it costs to see whether evidence still holds at a commit, beside `sha256sum` on the same files.
//!
//! Prints `name ours floor ratio`, times in milliseconds. `MIYABI_BENCH_FILES` (3,000) makes it smaller; every figure is
//! the best of five rounds, in which ours and the floor take turns.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark reports to the terminal")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use miyabi_core::evidence::Lines;
use miyabi_core::ports::Contents;
use miyabi_core::story::Tree;
use miyabi_git::{GitWorktrees, Options};

const ROUNDS: usize = 5;
/// About 20 KB for each file.
const LINES: usize = 400;

fn main() {
    let files =
        std::env::var("MIYABI_BENCH_FILES").ok().and_then(|value| value.parse().ok()).unwrap_or(3_000);
    let folder = tempfile::tempdir().unwrap();
    let repo = folder.path().canonicalize().unwrap();
    let paths: Vec<_> = (0..files).map(|n| format!("src/f{n:05}.rs")).collect();
    fs::create_dir(repo.join("src")).unwrap();
    for (n, path) in paths.iter().enumerate() {
        let line = |ix: usize| {
            format!("    let value_{ix} = compute({n}, {}); // 雅\n", ix.wrapping_mul(2_654_435_761) % 99_991)
        };
        fs::write(repo.join(path), (0..LINES).map(line).collect::<String>()).unwrap();
    }
    git(&repo, &["init", "-q", "-b", "main"]);
    git(&repo, &["add", "-A"]);
    git(
        &repo,
        &["-c", "user.name=Bench", "-c", "user.email=bench@example.com", "commit", "-q", "-m", "Begin"],
    );
    git(&repo, &["repack", "-a", "-d", "-q"]);
    let head = git(&repo, &["rev-parse", "main"]).trim().into();
    let ours = GitWorktrees::open(&repo, Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut time, mut floor, mut raw) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let sums = Command::new("sha256sum").args(&paths).current_dir(&repo).output().unwrap();
        floor = floor.min(begun.elapsed());
        assert_eq!(sums.stdout.iter().filter(|byte| **byte == b'\n').count(), files);

        // What git alone takes to hand out the same contents.
        let begun = Instant::now();
        git(&repo, &["cat-file", "--batch", "--batch-all-objects", "--unordered"]);
        raw = raw.min(begun.elapsed());

        let begun = Instant::now();
        let found = runtime.block_on(async {
            let before = ours.ancestors(&head, 500).await.unwrap();
            let tree = Tree::new(ours.files(&before[0]).await.unwrap());
            let wanted: Vec<_> = paths
                .iter()
                .map(|path| (tree.blob(path).unwrap().to_owned(), Lines { start: 100, end: 140 }))
                .collect();
            ours.digests(&wanted).await.unwrap()
        });
        time = time.min(begun.elapsed());
        assert!(found.len() == files && found.iter().all(Option::is_some));
    }
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{:<52} {:>10} {:>10} {:>7}", "name", "ours", "floor", "ratio");
    for (what, floor) in [("sha256sum", floor), ("git cat-file --batch", raw)] {
        let name = format!("evidence in {files} files, beside {what}");
        println!("{name:<52} {:>10.1} {:>10.1} {:>7.3}", ms(time), ms(floor), ms(time) / ms(floor));
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
