//! Custody of one program: it gets its input, its output is read, it ends in time, and nothing of it stays behind.
//!
//! What the output means is not known here.

use std::any::Any;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use miyabi_core::containment::{Containment, Refused};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::Stop;
use miyabi_core::session::ProcessMark;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

use crate::census::{self, Wanted};
use crate::environment::Marks;
use crate::lines::Lines;
use crate::transcript::{Transcript, Unfinished};

/// How long output is still read after the program has ended while others hold its pipes open.
const DRAIN: Duration = Duration::from_millis(500);
/// How many chunks are taken beyond that time if they are there already: more than pipes hold.
const LATE: u32 = 64;
/// How long the kernel is given to end a killed program.
const AFTER_KILL: Duration = Duration::from_secs(10);
/// How long a program has to end by itself after the conversation with it.
const FAREWELL: Duration = Duration::from_secs(2);
const CHUNK: usize = 64 * 1024;

/// A program to be started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// Its file, absolute.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Its current folder.
    pub(crate) folder: PathBuf,
    /// All of its environment, marks included.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// What it reads.
    pub(crate) input: Vec<u8>,
    /// What it reads after that, until nobody can say more; then the conversation is over, and it is to end.
    pub(crate) answers: Option<UnboundedReceiver<Vec<u8>>>,
    /// Whose it is.
    pub(crate) marks: Marks,
    /// How strongly it is kept in.
    pub(crate) containment: Containment,
    /// What its box, and who lends it the keys of its models, refused to it.
    pub(crate) refused: Vec<Refused>,
    /// What must be held until it is gone.
    pub(crate) held: Option<Arc<dyn Any + Send + Sync>>,
}

/// What ends a program that does not end by itself. Serves several programs, one after the other, until one of them
/// was stopped by it.
pub(crate) struct Until {
    pub(crate) deadline: Instant,
    pub(crate) grace: Duration,
    /// How long it may neither print anything nor use a processor.
    pub(crate) stall: Duration,
    pub(crate) stop: Stop,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    ByItself(ExitStatus),
    TimedOut,
    Stalled,
    Stopped,
}

/// What is left to say once a program is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) ended: Ended,
    /// Processes of it that had to be killed after it had ended.
    pub(crate) leftovers: u32,
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Output,
    Errors,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("start `{program}`: its folder `{folder}` is not there")]
    NoFolder { program: PathBuf, folder: PathBuf },
    #[error("start `{program}`")]
    Spawn {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::NoFolder { .. } => "the worktree was removed from outside; resume the run to open it again",
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "the program's own interpreter (the first line of a script, or a library loader) is missing"
            }
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "make the program executable for this user"
            }
            Self::Spawn { .. } => "start the program by hand to see what is wrong with it",
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::caused(FailureClass::Unavailable, &error).hint(error.hint())
    }
}

/// A program that runs and has not been given its input.
pub(crate) struct Running {
    child: Child,
    mark: ProcessMark,
    group: Group,
    launch: Launch,
}

/// Starts a program in its own process group.
pub(crate) async fn start(launch: Launch) -> Result<Running, StartError> {
    if !launch.folder.is_dir() {
        return Err(StartError::NoFolder { program: launch.program, folder: launch.folder });
    }
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .current_dir(&launch.folder)
        .env_clear()
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    let child = match spawn(&mut command).await {
        Ok(child) => child,
        Err(source) => return Err(StartError::Spawn { program: launch.program, source }),
    };
    let mark = census::mark(child.id().unwrap_or_default());
    Ok(Running { child, mark, group: Group { id: mark.pid, armed: true }, launch })
}

/// A program file that is just being written, or that a process forked in that moment still holds, is busy for a
/// moment only.
async fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut pause = Duration::from_millis(5);
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy
                    && pause < Duration::from_millis(500) =>
            {
                sleep(pause).await;
                pause *= 2;
            }
            result => return result,
        }
    }
}

impl Running {
    /// How it is recognised later.
    pub(crate) fn mark(&self) -> ProcessMark {
        self.mark
    }

    /// What its box refuses to it.
    pub(crate) fn refused(&self) -> Vec<Refused> {
        self.launch.refused.clone()
    }

    /// How strongly it is kept in.
    pub(crate) fn containment(&self) -> Containment {
        self.launch.containment
    }

    /// Gives it its input, reads its output to the end, and ends it when it is time.
    ///
    /// Every byte goes to the transcript, every line to `each`. Afterwards the program, its process group and every
    /// process with the mark of its session is gone.
    pub(crate) async fn attend(
        mut self,
        until: &mut Until,
        transcript: &mut Transcript,
        mut each: impl FnMut(Channel, &str),
    ) -> Gone {
        let mut output = Pipe::new(Channel::Output, self.child.stdout.take());
        let mut errors = Pipe::new(Channel::Errors, self.child.stderr.take());
        let (input, answers) = (std::mem::take(&mut self.launch.input), self.launch.answers.take());
        let is_conversation = answers.is_some();
        let feeding = feed(self.child.stdin.take(), input, answers);
        let mut feeding = std::pin::pin!(feeding);
        let mut fed = false;
        let mut phase = Phase::Running;
        let mut stopped = None;
        let mut status = None;
        let mut quiet = Quiet { since: Instant::now(), used_ticks: 0 };

        while !(status.is_some() && output.is_closed() && errors.is_closed()) {
            let alarm = phase.alarm(until, quiet.since);
            tokio::select! {
                read = output.read() => {
                    quiet.since = Instant::now();
                    output.take(read, transcript, &mut each).await;
                }
                read = errors.read() => {
                    quiet.since = Instant::now();
                    errors.take(read, transcript, &mut each).await;
                }
                () = &mut feeding, if !fed => {
                    fed = true;
                    if is_conversation && phase == Phase::Running {
                        phase = Phase::Over { asked: Instant::now() + FAREWELL };
                    }
                }
                exit = self.child.wait(), if status.is_none() => {
                    status = Some(exit.ok());
                    phase = Phase::Ended { drained: Instant::now() + DRAIN };
                }
                () = &mut until.stop, if matches!(phase, Phase::Running | Phase::Over { .. }) => {
                    stopped = Some(Ended::Stopped);
                    phase = self.ask(until.grace).await;
                }
                () = sleep_until(alarm) => match phase {
                    Phase::Running if alarm < until.deadline && self.works(&mut quiet, until.stall).await => {}
                    Phase::Running => {
                        let is_over = alarm >= until.deadline;
                        stopped = Some(if is_over { Ended::TimedOut } else { Ended::Stalled });
                        phase = self.ask(until.grace).await;
                    }
                    Phase::Over { .. } => phase = self.ask(until.grace).await,
                    Phase::Asked { .. } => {
                        self.group.kill();
                        phase = Phase::Killed { given_up: Instant::now() + AFTER_KILL };
                    }
                    Phase::Killed { .. } | Phase::Ended { .. } => break,
                },
            }
        }
        let mut leftovers = self.census(Vec::new()).await;
        let held: Vec<u64> = output.inode().into_iter().chain(errors.inode()).collect();
        if !held.is_empty() {
            // Somebody who neither has the mark nor is in the group still holds the pipes that we gave to it alone.
            leftovers += self.census(held).await;
        }
        // What the leftovers had written before they were killed is still in the pipes.
        let rest = Instant::now() + DRAIN;
        let mut late = 0;
        while !(output.is_closed() && errors.is_closed()) && late < LATE {
            late += u32::from(Instant::now() >= rest);
            tokio::select! {
                // On a machine that stood still the time is over before anything was read, which is there all the same.
                biased;
                read = output.read() => output.take(read, transcript, &mut each).await,
                read = errors.read() => errors.take(read, transcript, &mut each).await,
                () = sleep_until(rest) => break,
            }
        }
        transcript.write(&output.unfinished.take()).await;
        transcript.write(&errors.unfinished.take()).await;
        output.lines.finish(|line| each(Channel::Output, line));
        errors.lines.finish(|line| each(Channel::Errors, line));
        let ended = match (stopped, status.flatten()) {
            (Some(stopped), _) => stopped,
            (None, Some(status)) => Ended::ByItself(status),
            (None, None) => Ended::Stopped,
        };
        Gone { ended, leftovers }
    }

    fn wanted(&self, pipes: Vec<u64>) -> Wanted {
        let groups = if census::still_ours(self.mark) { vec![self.mark.pid] } else { Vec::new() };
        let entry = Marks::of_session(&self.launch.marks.session);
        Wanted { groups, entry, pipes, since_ticks: self.mark.start_ticks }
    }

    async fn census(&mut self, pipes: Vec<u64>) -> u32 {
        let leftovers = census::end(self.wanted(pipes)).await;
        self.group.armed = false;
        leftovers
    }

    /// Asks it to end. bubblewrap would take everybody in its box along at once, so it is not asked itself.
    async fn ask(&self, grace: Duration) -> Phase {
        if self.launch.containment == Containment::Bubblewrap {
            census::ask(self.wanted(Vec::new()), self.mark).await;
        } else {
            self.group.ask();
        }
        Phase::Asked { killed: Instant::now() + grace }
    }

    /// Whether it used a hundredth of a processor while it printed nothing; then it is given as long again.
    async fn works(&self, quiet: &mut Quiet, stall: Duration) -> bool {
        let used_ticks = census::used_ticks(self.wanted(Vec::new())).await;
        let works = used_ticks.saturating_sub(quiet.used_ticks) > stall.as_secs();
        *quiet = Quiet { since: Instant::now(), used_ticks };
        works
    }
}

/// Since when nothing was seen of a program, and how much processor time it had used when it was last looked at.
struct Quiet {
    since: Instant,
    used_ticks: u64,
}

/// How far the end of a program has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// Everything is said; some programs do not end by themselves then.
    Over {
        asked: Instant,
    },
    Asked {
        killed: Instant,
    },
    Killed {
        given_up: Instant,
    },
    Ended {
        drained: Instant,
    },
}

impl Phase {
    /// When something has to be done if nothing happens.
    fn alarm(self, until: &Until, quiet_since: Instant) -> Instant {
        match self {
            Self::Running => until.deadline.min(quiet_since + until.stall),
            Self::Over { asked: at }
            | Self::Asked { killed: at }
            | Self::Killed { given_up: at }
            | Self::Ended { drained: at } => at,
        }
    }
}

/// The process group of a program. Kills it when the session is dropped half-way.
struct Group {
    id: u32,
    armed: bool,
}

impl Group {
    fn ask(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    fn kill(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(group) = i32::try_from(self.id).ok().and_then(rustix::process::Pid::from_raw) {
            let _gone_already = rustix::process::kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.armed {
            self.kill();
        }
    }
}

/// Writes the input and what is answered after it, and closes the pipe. A program that does not read all of it is free
/// to do so.
async fn feed(pipe: Option<ChildStdin>, input: Vec<u8>, answers: Option<UnboundedReceiver<Vec<u8>>>) {
    let Some(mut pipe) = pipe else { return };
    let _not_read_to_the_end = pipe.write_all(&input).await;
    let Some(mut answers) = answers else { return };
    while let Some(answer) = answers.recv().await {
        let _not_read_to_the_end = pipe.write_all(&answer).await;
    }
}

/// One of the program's two output pipes.
struct Pipe<R> {
    channel: Channel,
    source: Option<R>,
    buffer: Box<[u8]>,
    lines: Lines,
    unfinished: Unfinished,
}

impl<R: AsyncRead + AsFd + Unpin> Pipe<R> {
    /// Its number while it is open, by which others that hold it are found.
    fn inode(&self) -> Option<u64> {
        rustix::fs::fstat(self.source.as_ref()?).ok().map(|stat| stat.st_ino)
    }

    fn new(channel: Channel, source: Option<R>) -> Self {
        Self {
            channel,
            source,
            buffer: vec![0; CHUNK].into(),
            lines: Lines::default(),
            unfinished: Unfinished::default(),
        }
    }

    fn is_closed(&self) -> bool {
        self.source.is_none()
    }

    /// Reads a chunk into the buffer and says how long it is; 0 at the end. Never ready once closed.
    async fn read(&mut self) -> usize {
        match &mut self.source {
            Some(source) => source.read(&mut self.buffer).await.unwrap_or(0),
            None => std::future::pending().await,
        }
    }

    async fn take(
        &mut self,
        length: usize,
        transcript: &mut Transcript,
        each: &mut impl FnMut(Channel, &str),
    ) {
        if length == 0 {
            self.source = None;
            return;
        }
        let chunk = self.buffer.get(..length).unwrap_or_default();
        transcript.write(&self.unfinished.push(chunk)).await;
        self.lines.push(chunk, |line| each(self.channel, line));
    }
}
