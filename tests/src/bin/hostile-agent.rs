//! An agent that means harm: it tries what an agent must not be able to do, one thing after the other, and prints what
//! came of each: `<try>\t<done or stopped>\t<detail>`. `hostile-agent <plan.json>`, see [`Plan`].
//!
//! Its word counts only where nobody else can tell; the test looks for itself at what it left.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program of tests that prints its results")]

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode};
use rustix::process::{Pid, Signal, kill_process};

use miyabi_tests::hostile::Plan;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let plan = arguments.next().expect("give a plan");
    if plan == "eat" {
        // Memory that is only asked for is not there yet.
        let eaten = vec![1_u8; 1 << 30];
        println!("{}", eaten.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        return;
    }
    let text = fs::read_to_string(&plan).expect("the plan is there");
    let plan: Plan = serde_json::from_str(&text).expect("the plan is one");
    for (name, attempt) in TRIES {
        let (word, detail) = match attempt(&plan) {
            Ok(detail) => ("done", detail),
            Err(error) => ("stopped", error.kind().to_string()),
        };
        println!("{name}\t{word}\t{detail}");
    }
}

type Attempt = fn(&Plan) -> io::Result<String>;

const TRIES: [(&str, Attempt); 25] = [
    ("write into the main checkout", |plan| write(&plan.main.join("planted.txt"))),
    ("write into another worktree", |plan| write(&plan.other_worktree.join("planted.txt"))),
    ("write into the home", |plan| write(&plan.home.join("planted.txt"))),
    ("write through a symbolic link", through_a_link),
    ("read a file of the home", |plan| read(&plan.home.join("secret.txt"))),
    ("read a file of another worktree", |plan| read(&plan.other_worktree.join("secret.txt"))),
    ("read the database", |plan| read(&plan.main.join(".miyabi/miyabi.db"))),
    ("read /etc/shadow", |_| read(Path::new("/etc/shadow"))),
    ("read the login in .git/config", |plan| login(&plan.main.join(".git/config"))),
    ("read the environment of other processes", environments),
    ("read a token of the hub in its own environment", |_| own_environment()),
    ("see other processes", others),
    ("kill another process", |plan| kill(plan.victim)),
    ("plant a hook", |plan| write(&plan.main.join(".git/hooks/post-merge"))),
    ("change .git/config", |plan| {
        append(&plan.main.join(".git/config"), "[core]\n\tfsmonitor = touch /tmp/x\n")
    }),
    ("move a branch", |plan| write(&plan.main.join(".git/refs/heads/planted"))),
    ("bend the worktree's link to its repository", |_| bend()),
    ("make a device node", |_| device()),
    ("mount a file system", |_| run("mount", &["-t", "tmpfs", "tmpfs", "/mnt"])),
    ("connect to a server of this machine", |plan| connect(plan.port)),
    ("connect to a socket of this machine", |plan| socket(&plan.socket)),
    ("start 200 processes", |_| bomb()),
    ("use 1 GB of memory", |_| eat()),
    ("write a file of 64 MB", |_| fill()),
    ("leave a process behind", leave),
];

fn write(path: &Path) -> io::Result<String> {
    fs::write(path, "planted\n").map(|()| String::new())
}

fn append(path: &Path, text: &str) -> io::Result<String> {
    let mut file = fs::OpenOptions::new().append(true).open(path)?;
    file.write_all(text.as_bytes()).map(|()| String::new())
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(200).read_to_end(&mut text)?;
    if text.is_empty() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(String::from_utf8_lossy(&text).chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect())
}

fn login(config: &Path) -> io::Result<String> {
    let text = fs::read_to_string(config)?;
    let line = text.lines().find(|line| line.contains("hunter2")).ok_or(io::ErrorKind::NotFound)?;
    Ok(line.trim().to_owned())
}

fn through_a_link(plan: &Plan) -> io::Result<String> {
    symlink(plan.main.join("through-a-link.txt"), "way-out")?;
    write(Path::new("way-out"))
}

/// The processes that can be seen, but for this one and what it is kept in by.
fn seen() -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))).collect()
}

fn environments(_: &Plan) -> io::Result<String> {
    let own = std::process::id();
    for (pid, folder) in seen() {
        let text = fs::read(folder.join("environ")).unwrap_or_default();
        if pid != own && String::from_utf8_lossy(&text).contains("TOKEN_OF_THE_HUB=") {
            return Ok("TOKEN_OF_THE_HUB".to_owned());
        }
    }
    Err(io::ErrorKind::PermissionDenied.into())
}

fn own_environment() -> io::Result<String> {
    let names = ["TOKEN_OF_THE_HUB", "GITHUB_TOKEN", "MIYABI_GITHUB_TOKEN"];
    let found = names.into_iter().find(|name| std::env::var_os(name).is_some());
    found.map(str::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn others(plan: &Plan) -> io::Result<String> {
    let victim = |folder: &PathBuf| {
        let line = fs::read(folder.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&plan.victim_word)
    };
    match seen().iter().any(|(_, folder)| victim(folder)) {
        true => Ok(String::new()),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

fn kill(pid: i32) -> io::Result<String> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    kill_process(pid, Signal::KILL)?;
    Ok(String::new())
}

/// Without the link our own git would look elsewhere.
fn bend() -> io::Result<String> {
    let kept = fs::read(".git")?;
    fs::remove_file(".git")?;
    fs::write(".git", "gitdir: /tmp/elsewhere\n")?;
    fs::remove_file(".git")?;
    fs::write(".git", kept)?;
    Ok(String::new())
}

fn device() -> io::Result<String> {
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, "node", FileType::CharacterDevice, mode, rustix::fs::makedev(1, 3))?;
    Ok(String::new())
}

fn run(program: &str, arguments: &[&str]) -> io::Result<String> {
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() { Ok(String::new()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

fn connect(port: u16) -> io::Result<String> {
    TcpStream::connect(("127.0.0.1", port)).map(|_| String::new())
}

fn socket(path: &Path) -> io::Result<String> {
    UnixStream::connect(path).map(|_| String::new())
}

fn bomb() -> io::Result<String> {
    let mut children = Vec::new();
    let mut end = Ok(String::new());
    for _ in 0..200 {
        match Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                end = Err(error);
                break;
            }
        }
    }
    for mut child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
    end
}

fn eat() -> io::Result<String> {
    let own = std::env::current_exe()?;
    let status = Command::new(own).arg("eat").stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(String::new()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
}

fn fill() -> io::Result<String> {
    // Who writes beyond the limit is ended by the kernel.
    let written = run("sh", &["-c", "head -c 67108864 /dev/zero > large"]);
    fs::remove_file("large")?;
    written.map_err(|_| io::ErrorKind::FileTooLarge.into())
}

/// Deaf, in a session of its own, without our mark and without our pipes.
fn leave(plan: &Plan) -> io::Result<String> {
    let line = format!("trap '' HUP TERM INT; exec sleep {}", plan.left_word);
    let child = Command::new("setsid")
        .args(["env", "-i", "/bin/sh", "-c", &line])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Until it has become what it is to be, it still has our mark.
    let begun = Instant::now();
    let name = format!("/proc/{}/cmdline", child.id());
    while !fs::read(&name)?.starts_with(b"sleep\0") && begun.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    Ok(String::new())
}
