//! `miyabi knowledge index`, killed at whatever file it touches, or at whatever it sends to a server: the next command
//! leaves what an undisturbed one leaves.
//!
//! `MIYABI_SWEEP` as in `crash_sweep.rs`; the points are `after-write:N`, where N counts what the kernel says of the files
//! of the index (they are made, written, closed, renamed and removed), or the pieces that are sent.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that print their figures")]

use std::fs;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use miyabi_tests::crash::Point;
use miyabi_tests::env::TestEnv;
use miyabi_tests::runs::copies;
use miyabi_tests::sweep::points;
use miyabi_tests::vectors::endpoint;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const PLAYBOOK: &str = "task-1-1:\n  - write: { path: notes.md, content: \"n\\n\" }\n";
/// Runs that fill more than one commit of the index, of which each takes 200.
const MANY: usize = 300;

struct Stage {
    env: TestEnv,
    /// What an undisturbed build leaves.
    whole: (Vec<Value>, Value),
}

impl Stage {
    /// A repository with so many runs that have ended.
    fn new(runs: usize) -> Self {
        let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n")]);
        let playbook = env.root().join("playbook.yaml");
        fs::write(&playbook, PLAYBOOK).unwrap();
        env.miyabi(["issue", "new", "--title", "記録を加える", "--body", "Add `notes.md`."]).expect(0);
        env.miyabi(["run", "issue", "1", "--agent", &format!("scripted:{}", playbook.display())]).expect(11);
        env.miyabi(["escalation", "answer", "1-1", "--action", "reject"]);
        env.miyabi(["resume", "1"]);
        copies(&env, runs - 1, |_| ());
        Self { env, whole: (Vec::new(), Value::Null) }
    }

    fn index(&self, rebuild: bool) -> Child {
        let mut command = self.env.program(["knowledge", "index"]);
        if rebuild {
            command.arg("--rebuild");
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What is exported, and what is counted but for the space.
    fn knows(&self) -> (Vec<Value>, Value) {
        let records = self.env.miyabi(["knowledge", "export", "--json"]).expect(0).json_lines();
        let mut stats = self.env.miyabi(["knowledge", "stats", "--json"]).expect(0).json();
        stats["bytes"] = Value::Null;
        (records, stats)
    }

    fn folder(&self) -> PathBuf {
        self.env.repo().join(".miyabi/knowledge")
    }

    /// The folders that hold the index; made if they are not there, as a kill may leave them.
    fn folders(&self) -> Vec<PathBuf> {
        let inside = fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        let inside: Vec<PathBuf> = inside.filter(|path| path.is_dir()).collect();
        inside.into_iter().flat_map(|it| [it.join("words"), it]).collect()
    }

    /// As if nothing had been indexed, with empty folders.
    fn empty(&self) {
        for folder in self.folders() {
            let _ = fs::remove_dir_all(folder.join("words.broken"));
            for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                if file.is_file() {
                    fs::remove_file(file).unwrap();
                }
            }
        }
    }

    /// What everybody can see after a kill, and that nothing is left to be done.
    fn is_whole(&self, point: impl std::fmt::Display) {
        assert_eq!(self.knows(), self.whole, "after {point}");
        let told = self.env.miyabi(["knowledge", "index"]).expect(0).stdout;
        assert!(told.contains("nothing new"), "after {point}: {told}");
    }
}

/// Lets the process run until the files in these folders changed that often, and kills it then; counts up to its end
/// where it ends before. Changes for which `counts` says no are left out.
fn killed_at(
    mut child: Child,
    folders: &[PathBuf],
    at: u64,
    counts: impl Fn(&str) -> bool,
    watch: &Watch,
) -> Ended {
    let output = child.stdout.take().unwrap();
    let mut seen = 0;
    loop {
        let mut ready = [PollFd::new(&watch.fd, PollFlags::IN), PollFd::new(&output, PollFlags::IN)];
        poll(&mut ready, None).unwrap();
        let (files, ends) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
        if files {
            seen += watch.changes(&counts);
            if seen >= at {
                child.kill().unwrap();
                let ended = child.wait().unwrap();
                watch.changes(&counts);
                return if ended.signal() == Some(9) { Ended::Killed } else { Ended::ByItself(seen) };
            }
        } else if ends {
            let ended = child.wait_with_output().unwrap();
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
            seen += watch.changes(&counts);
            assert!(folders.iter().all(|folder| folder.is_dir()));
            return Ended::ByItself(seen);
        }
    }
}

#[derive(Debug, PartialEq)]
enum Ended {
    Killed,
    /// After so many changes.
    ByItself(u64),
}

/// What the kernel says of files.
struct Watch {
    fd: std::os::fd::OwnedFd,
}

impl Watch {
    fn of(folders: &[PathBuf]) -> Self {
        let fd = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let flags = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE;
        for folder in folders {
            add_watch(&fd, folder.as_path(), flags).unwrap();
        }
        Self { fd }
    }

    /// How many changes there were since it was asked.
    fn changes(&self, counts: impl Fn(&str) -> bool) -> u64 {
        let mut buffer = [MaybeUninit::uninit(); 16384];
        let mut reader = Reader::new(&self.fd, &mut buffer);
        let mut seen = 0;
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            seen += u64::from(counts(&format!("{name} {:?}", event.events())));
        }
        seen
    }
}

fn number(point: Point) -> u64 {
    match point {
        Point::AfterWrite(n) => n + 1,
        other => panic!("{other} is no point of this sweep"),
    }
}

/// Kills an index at each point, and looks at what the next command leaves; says how many kills there were.
fn sweep(stage: &Stage, name: &str, rebuild: bool) -> usize {
    let folders = stage.folders();
    let watch = Watch::of(&folders);
    let begin = || {
        if !rebuild {
            stage.empty();
        }
        watch.changes(|_| true);
        stage.index(rebuild)
    };
    let Ended::ByItself(count) = killed_at(begin(), &folders, u64::MAX, |_| true, &watch) else { panic!() };
    stage.is_whole("no kill");
    let mut kills = 0;
    let visited = points(Point::AfterWrite, count);
    for point in &visited {
        kills += usize::from(killed_at(begin(), &folders, number(*point), |_| true, &watch) == Ended::Killed);
        stage.is_whole(point);
    }
    println!("{name}: {count} changes of files, {} points, {kills} kills, 0 losses", visited.len());
    kills
}

#[test]
fn a_killed_index_is_made_whole_by_the_next_command() {
    let mut stage = Stage::new(3);
    stage.env.write("miyabi.toml", "[knowledge]\nembed_model = \"two\"\nembed_dimensions = 2\n");
    stage.env.set("MIYABI_EMBEDDINGS_URL", endpoint());
    stage.whole = stage.knows();
    assert_eq!(stage.whole.1["runs"], 3, "{:?}", stage.whole.1);
    assert_eq!(stage.whole.1["chunks"], stage.whole.1["vectors"], "{:?}", stage.whole.1);
    let kills = sweep(&stage, "index", false) + sweep(&stage, "index --rebuild", true);
    let one = std::env::var("MIYABI_SWEEP").is_ok_and(|asked| asked.contains(':'));
    assert!(one || kills > 4, "{kills} kills");
}

#[test]
fn an_index_that_is_killed_between_two_commits_keeps_the_first() {
    let mut stage = Stage::new(MANY);
    stage.whole = stage.knows();
    assert_eq!(stage.whole.1["runs"], MANY);
    let folders = stage.folders();
    let watch = Watch::of(&folders);
    // A commit is there when its list of segments has its name: of what was forgotten, of 200 runs, of the rest.
    let commit = |change: &str| change.starts_with("meta.json ") && change.contains("MOVED_TO");
    let Ended::ByItself(commits) = killed_at(stage.index(true), &folders, u64::MAX, commit, &watch) else {
        panic!()
    };
    assert!(commits >= 3, "{commits}");
    for at in 1..commits {
        assert_eq!(killed_at(stage.index(true), &folders, at, commit, &watch), Ended::Killed, "{at}");
        let half = stage.env.miyabi(["knowledge", "stats", "--json"]).expect(0).json();
        println!("killed after {at} of {commits} commits: {} of {MANY} runs are there", half["runs"]);
        assert!(half["runs"].as_u64().unwrap() <= MANY as u64, "{half}");
        let found = stage.env.miyabi(["knowledge", "search", "記録", "--json"]).expect(0);
        let missing = MANY as u64 - half["runs"].as_u64().unwrap();
        let told = format!("nothing was known of {missing} runs");
        assert_eq!(found.stderr.contains(&told), missing > 0, "{missing}: {}", found.stderr);
        assert!(!found.json()["hits"].as_array().unwrap().is_empty());
        stage.is_whole(at);
    }
}

#[test]
fn several_that_index_at_once_leave_what_one_leaves() {
    let mut stage = Stage::new(4);
    stage.whole = stage.knows();
    fs::remove_dir_all(stage.folder()).unwrap();
    let mut children: Vec<Child> = [true, false, true, false].map(|rebuild| stage.index(rebuild)).into();
    children.push(stage.env.start(["knowledge", "search", "記録"]));
    for child in children {
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    stage.is_whole("five at once");
}

/// The stand-in of a Qdrant server, while this lives; none where it is not installed, which is said.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let installed =
            std::env::var_os("MIYABI_QDRANT_DIR").map_or_else(|| root.join("target/qdrant"), PathBuf::from);
        if !installed.join("installed").is_file() {
            let missing = "the stand-in of Qdrant is not installed: run tests/setup-qdrant.sh";
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            println!("skipped: {missing}");
            return None;
        }
        let mut child = std::process::Command::new(installed.join("python/bin/python"))
            .arg(root.join("tests/qdrant/server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = Vec::new();
        let mut output = child.stdout.take().unwrap();
        let mut byte = [0];
        while output.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            port.push(byte[0]);
        }
        let port = String::from_utf8(port).unwrap().trim().parse().unwrap();
        Some(Self { child, port })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The way to a server, which counts what is sent and kills who sends it.
#[derive(Clone)]
struct Way {
    port: u16,
    /// Pieces that were sent.
    sent: Arc<AtomicU64>,
    /// Who is killed, and when.
    victim: Arc<Mutex<Option<(Child, u64)>>>,
}

impl Way {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Self { port, sent: Arc::default(), victim: Arc::default() };
        let ours = way.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (client, to) = (stream.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
                let (back, from) = (client.try_clone().unwrap(), to.try_clone().unwrap());
                let way = ours.clone();
                std::thread::spawn(move || pass(client, to, || way.count()));
                std::thread::spawn(move || pass(from, back, || ()));
            }
        });
        way
    }

    /// Counts a piece before it arrives.
    fn count(&self) {
        let sent = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some((child, at)) = self.victim.lock().unwrap().as_mut()
            && sent >= *at
        {
            child.kill().unwrap();
        }
    }

    /// Lets the process run until that many pieces were sent, and kills it then.
    fn killed_at(&self, child: impl FnOnce() -> Child, at: u64) -> Ended {
        let mut victim = self.victim.lock().unwrap();
        self.sent.store(0, Ordering::SeqCst);
        let mut child = child();
        let mut output = child.stdout.take().unwrap();
        *victim = Some((child, at));
        drop(victim);
        output.read_to_end(&mut Vec::new()).unwrap();
        let (mut child, _) = self.victim.lock().unwrap().take().unwrap();
        let ended = child.wait().unwrap();
        if ended.signal() == Some(9) {
            return Ended::Killed;
        }
        assert!(ended.success(), "{ended}");
        Ended::ByItself(self.sent.load(Ordering::SeqCst))
    }
}

/// Passes on what comes, until nothing comes.
fn pass(mut from: TcpStream, mut to: TcpStream, each: impl Fn()) {
    let mut buffer = [0; 65536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        each();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}

#[test]
fn an_index_on_a_server_that_is_killed_is_made_whole_by_the_next_command() {
    let Some(server) = Server::start() else { return };
    let way = Way::to(server.port);
    let mut stage = Stage::new(3);
    stage.env.set("MIYABI_QDRANT_URL", format!("http://127.0.0.1:{}", way.port));
    stage.whole = stage.knows();
    assert_eq!(stage.whole.1["runs"], 3, "{:?}", stage.whole.1);
    assert!(stage.whole.1["store"].as_str().unwrap().starts_with("Qdrant at "), "{:?}", stage.whole.1);
    let Ended::ByItself(count) = way.killed_at(|| stage.index(true), u64::MAX) else { panic!() };
    stage.is_whole("no kill");
    let visited = points(Point::AfterWrite, count);
    let mut kills = 0;
    for point in &visited {
        kills += usize::from(way.killed_at(|| stage.index(true), number(*point)) == Ended::Killed);
        stage.is_whole(point);
    }
    println!(
        "index --rebuild on a server: {count} pieces, {} points, {kills} kills, 0 losses",
        visited.len()
    );
}
