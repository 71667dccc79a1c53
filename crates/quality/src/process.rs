//! Running one tool: its own process group, a chosen environment, a deadline, and output kept within bounds.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt as _;
use futures::future::Shared;
use miyabi_core::containment::{Bounds, CommandLine, Containment};
use miyabi_core::failure::Failure;
use miyabi_core::ports::{Boxes, Contained, Stop};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::findings::cut;
use crate::leftovers::{Group, MARK};
use crate::read::MAX_BYTES;

/// Of standard error the first and the last so many bytes are kept.
const EXCERPT_BYTES: usize = 16 * 1024;
/// How long output may still come after the tool and everything of it is gone.
const DRAIN: Duration = Duration::from_secs(2);

/// A command line with its environment.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    /// The file that is executed.
    pub(crate) file: PathBuf,
    /// The command as people write it; the first word stands for `file`.
    pub(crate) argv: Vec<String>,
    /// The whole environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The current folder.
    pub(crate) dir: PathBuf,
    /// What it may reach.
    pub(crate) bounds: Bounds,
}

/// How a tool ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It was stopped at its deadline.
    TimedOut(Duration),
    /// It was stopped because the run asked, or not started for that reason.
    Stopped,
    /// It could not be started.
    NotStarted(String),
}

/// One run of a tool.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// The command as people write it.
    pub(crate) argv: Vec<String>,
    /// How it ended.
    pub(crate) end: End,
    /// Standard output; see `overflowed`.
    pub(crate) stdout: Vec<u8>,
    /// Whether there was more standard output than is kept.
    pub(crate) overflowed: bool,
    /// Head and tail of standard error.
    pub(crate) stderr: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Ran {
    /// A run that came to nothing.
    pub(crate) fn without_output(argv: Vec<String>, end: End) -> Self {
        Self { argv, end, stdout: Vec::new(), overflowed: false, stderr: String::new(), took: Duration::ZERO }
    }

    pub(crate) fn ok(&self) -> bool {
        self.end == End::Exited(0)
    }

    /// Why the tool gave no result, for people: the program, how it ended and its complaint.
    pub(crate) fn reason(&self) -> String {
        let name = self.argv.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(" ");
        match &self.end {
            End::Exited(code) => match self.complaint() {
                Some(line) => format!("`{name}` ended with exit code {code}: {line}"),
                None => format!("`{name}` ended with exit code {code}"),
            },
            End::Killed(signal) => format!("`{name}` was killed by signal {signal}"),
            End::TimedOut(limit) => format!("`{name}` did not end within {} s", limit.as_secs_f64()),
            End::Stopped => format!("`{name}` was stopped"),
            End::NotStarted(why) => why.clone(),
        }
    }

    /// The line of standard error that says most: the first that begins with `error`, or else the last one.
    fn complaint(&self) -> Option<String> {
        let lines = || self.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
        lines()
            .find(|line| line.starts_with("error"))
            .or_else(|| lines().next_back())
            .map(|line| cut(line, 300))
    }
}

/// What the tools of a job have in common: when they must stop, and what keeps them in.
#[derive(Clone)]
pub(crate) struct Custody {
    stop: Shared<Stop>,
    boxes: Arc<dyn Boxes>,
}

impl Custody {
    pub(crate) fn new(stop: Stop, boxes: Arc<dyn Boxes>) -> Self {
        Self { stop: stop.shared(), boxes }
    }

    /// Whether it is known that the run asked.
    pub(crate) fn has_asked(&self) -> bool {
        self.stop.peek().is_some()
    }

    async fn asked(&self) {
        self.stop.clone().await;
    }

    /// The tool within its bounds.
    async fn contain(&self, tool: Tool, mark: &str) -> Result<Contained, Failure> {
        let Tool { file, argv, mut env, dir, bounds } = tool;
        env.push((MARK.into(), mark.into()));
        // The later of two values counts.
        let environment: BTreeMap<OsString, OsString> = env.into_iter().collect();
        let command = CommandLine {
            program: file,
            arguments: argv.into_iter().skip(1).map(OsString::from).collect(),
            folder: dir,
            environment: environment.into_iter().collect(),
        };
        self.boxes.contain(command, &bounds).await
    }
}

/// Runs the tool to its end, its deadline or the stop, whichever comes first. Afterwards it, its process group and
/// everything that carries its mark is gone.
pub(crate) async fn run(tool: Tool, deadline: Duration, grace: Duration, custody: &Custody) -> Ran {
    let began = Instant::now();
    let argv = tool.argv.clone();
    if custody.has_asked() {
        return Ran::without_output(argv, End::Stopped);
    }
    let mark = new_mark();
    let file = tool.file.clone();
    let contained = match custody.contain(tool, &mark).await {
        Ok(contained) => contained,
        Err(failure) => return Ran::without_output(argv, End::NotStarted(failure.message)),
    };
    let mut child = match spawn(&contained.command) {
        Ok(child) => child,
        Err(error) => {
            let why = format!("`{}` could not be started: {error}", file.display());
            return Ran::without_output(argv, End::NotStarted(why));
        }
    };
    let group = Group::new(child.id(), mark);
    let stdout = Pump::start(child.stdout.take(), MAX_BYTES, 0);
    let stderr = Pump::start(child.stderr.take(), EXCERPT_BYTES, EXCERPT_BYTES);
    let end = tokio::select! {
        status = child.wait() => by_itself(status, contained.containment),
        () = custody.asked() => End::Stopped,
        () = tokio::time::sleep(deadline) => End::TimedOut(deadline),
    };
    if matches!(end, End::Stopped | End::TimedOut(_)) {
        ask_to_end(&mut child, &group, grace).await;
    }
    group.end().await;
    let _reaped = child.wait().await;
    let (stdout, stderr) = tokio::join!(stdout.finish(), stderr.finish());
    Ran {
        argv,
        end,
        overflowed: stdout.dropped,
        stdout: stdout.head,
        stderr: stderr.text(),
        took: began.elapsed(),
    }
}

fn spawn(command: &CommandLine) -> std::io::Result<Child> {
    Command::new(&command.program)
        .args(&command.arguments)
        .env_clear()
        .envs(command.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&command.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

fn by_itself(status: std::io::Result<ExitStatus>, containment: Containment) -> End {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            // bubblewrap says of a signal what a shell says of it.
            (Some(code @ 129..=192), _) if containment == Containment::Bubblewrap => End::Killed(code - 128),
            (Some(code), _) => End::Exited(code),
            (None, signal) => End::Killed(signal.unwrap_or(0)),
        },
        Err(error) => End::NotStarted(format!("its end could not be awaited: {error}")),
    }
}

/// Asks the whole group to end and waits until it has, or the grace is over.
async fn ask_to_end(child: &mut Child, group: &Group, grace: Duration) {
    group.ask();
    let gone = async {
        let _reaped = child.wait().await;
        // Others of the group are not our children: the kernel tells us nothing when they end.
        while group.lives() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _in_time = tokio::time::timeout(grace, gone).await;
}

/// A word that no other tool run has.
fn new_mark() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{}-{count}-{now:x}", std::process::id())
}

/// Output of which the head and the tail are kept.
#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: bool,
}

impl Kept {
    fn take(&mut self, bytes: &[u8], head_limit: usize, tail_limit: usize) {
        let room = head_limit.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let surplus = self.tail.len().saturating_sub(tail_limit);
        if surplus > 0 {
            self.tail.drain(..surplus);
            self.dropped = true;
        }
    }

    fn text(self) -> String {
        let mut bytes = self.head;
        if self.dropped {
            bytes.extend_from_slice("\n…\n".as_bytes());
        }
        bytes.extend(self.tail);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Reads a pipe to its end, so that the tool never blocks on it.
struct Pump {
    kept: Arc<Mutex<Kept>>,
    task: tokio::task::JoinHandle<()>,
}

impl Pump {
    fn start(
        pipe: Option<impl AsyncRead + Unpin + Send + 'static>,
        head_limit: usize,
        tail_limit: usize,
    ) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let into = Arc::clone(&kept);
        let task = tokio::spawn(async move {
            let Some(mut pipe) = pipe else { return };
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
                let bytes = buffer.get(..read).unwrap_or_default();
                into.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, head_limit, tail_limit);
            }
        });
        Self { kept, task }
    }

    /// What was kept. A pipe that somebody still holds open is given up after two seconds.
    async fn finish(mut self) -> Kept {
        if tokio::time::timeout(DRAIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
