//! What a program gets, and what is read from it.

use std::fs;

use miyabi_core::ports::Agents;
use miyabi_core::session::{Adapter, AgentEvent, SessionEnd};

use crate::bench::Bench;

fn failed(detail: &str) -> SessionEnd {
    SessionEnd::Failed { detail: detail.to_owned() }
}

#[tokio::test]
async fn the_prompt_arrives_whole() {
    let bench = Bench::new();
    let mut spec = bench.spec(bench.script("cat > prompt.txt; pwd; echo できました"));
    spec.prompt = "日本語 \"quotes\" 'more' $(touch x) ${HOME} `id` \\ \0 \u{1F338}\n".repeat(40_000);
    assert!(spec.prompt.len() > 2_000_000);
    let outcome = bench.run(&spec).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    assert_eq!(outcome.leftovers, 0);
    let folder = fs::canonicalize(&spec.worktree).unwrap();
    assert_eq!(outcome.last_message, Some(format!("{}\nできました", folder.display())));
    assert!(bench.read("worktree/prompt.txt") == spec.prompt);
    assert_eq!(fs::read_dir(&spec.worktree).unwrap().count(), 1);
}

#[tokio::test]
async fn a_prompt_that_nobody_reads_does_no_harm() {
    let bench = Bench::new();
    let mut spec = bench.spec(bench.script("exec <&-; echo done"));
    spec.prompt = "x".repeat(5_000_000);
    let outcome = bench.run(&spec).await;
    assert_eq!((outcome.end, outcome.last_message.as_deref()), (SessionEnd::Completed, Some("done")));
}

#[tokio::test]
async fn the_environment_is_the_allow_list_and_the_marks() {
    let mut bench = Bench::new();
    for (name, value) in [
        ("LANG", "ja_JP.UTF-8"),
        ("MIYABI_GITHUB_TOKEN", "secret"),
        ("GITHUB_TOKEN", "secret"),
        ("GH_TOKEN", "secret"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("ANTHROPIC_API_KEY", "secret"),
        ("MY_PROXY", "http://proxy $(id)"),
    ] {
        bench.options.environment.push((name.into(), value.into()));
    }
    bench.options.pass = ["MY_PROXY", "GITHUB_TOKEN", "MIYABI_*"].map(str::to_owned).to_vec();
    let spec = bench.spec(Adapter::Command(["env", "-0"].map(str::to_owned).to_vec()));
    let outcome = bench.run(&spec).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    let transcript = bench.transcript();
    let mut seen: Vec<_> = transcript.split_terminator('\0').collect();
    seen.sort_unstable();
    let mut expected = [
        format!("HOME={}", bench.root.path().display()),
        "LANG=ja_JP.UTF-8".to_owned(),
        format!("MIYABI_RUN={}", spec.run),
        format!("MIYABI_SESSION={}", spec.session),
        "MIYABI_STEP=task-500-2".to_owned(),
        "MY_PROXY=http://proxy $(id)".to_owned(),
        format!("PATH={}", std::env::var("PATH").unwrap()),
    ];
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn arguments_are_never_read_by_a_shell() {
    let bench = Bench::new();
    let words = ["printf", "%s\\n", "$(touch x)", "a;b", "日 本", "--"];
    let outcome = bench.run(&bench.spec(Adapter::Command(words.map(str::to_owned).to_vec()))).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    assert_eq!(outcome.last_message.as_deref(), Some("$(touch x)\na;b\n日 本\n--"));
}

#[tokio::test]
async fn exit_codes_and_the_last_errors_are_told() {
    let bench = Bench::new();
    let script = bench
        .script("echo working; i=0; while [ $i -lt 30 ]; do echo \"誤り $i\" >&2; i=$((i+1)); done; exit 7");
    let outcome = bench.run(&bench.spec(script)).await;
    let last: Vec<_> = (20..30).map(|i| format!("誤り {i}")).collect();
    assert_eq!(outcome.end, failed(&format!("the program ended with exit code 7: {}", last.join("\n"))));
    assert_eq!(outcome.last_message.as_deref(), Some("working"));
    assert_eq!(bench.transcript().lines().count(), 31);

    let outcome = bench.run(&bench.spec(bench.script("kill -KILL $$"))).await;
    assert_eq!(outcome.end, failed("the program was ended by signal 9"));
}

#[tokio::test]
async fn what_is_not_text_is_kept_and_read_as_far_as_it_is() {
    let bench = Bench::new();
    let outcome =
        bench.run(&bench.spec(bench.script("printf 'a\\377b\\r\\n\\000c'; printf 'e\\376' >&2"))).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    assert_eq!(outcome.last_message.as_deref(), Some("a\u{fffd}b\n\0c"));
    let mut bytes = fs::read(bench.root.path().join("logs/会話.log")).unwrap();
    bytes.sort_unstable();
    assert_eq!(bytes, b"\x00\n\rabce\xfe\xff");
    assert!(bench.events().contains(&AgentEvent::Raw { line: "e\u{fffd}".to_owned() }));
}

#[tokio::test]
async fn endless_output_stays_on_disk() {
    const BYTES: u64 = 200_000_000;
    let peak = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    };
    let bench = Bench::new();
    let before = peak();
    let script = bench.script(&format!("head -c {BYTES} /dev/zero | tr '\\0' x; echo; echo end"));
    let outcome = bench.run(&bench.spec(script)).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    assert_eq!(
        outcome.last_message.as_deref().map(|text| text.lines().last().unwrap().to_owned()),
        Some("end".to_owned())
    );
    assert_eq!(fs::metadata(bench.root.path().join("logs/会話.log")).unwrap().len(), BYTES + 5);
    let grown = peak() - before;
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes more at the peak");
}

#[tokio::test]
async fn programs_that_cannot_be_started_are_told_with_what_to_do() {
    let bench = Bench::new();
    fs::write(bench.root.path().join("plain.txt"), "no program").unwrap();
    let ends = async |argv: &[&str]| {
        let adapter = Adapter::Command(argv.iter().map(|&word| word.to_owned()).collect());
        let missing = bench.programs().missing(&adapter).await.unwrap();
        let end = bench.run(&bench.spec(adapter)).await.end;
        let hint = missing.hint.unwrap();
        assert_eq!(end, SessionEnd::NotStarted { detail: missing.message.clone(), hint: hint.clone() });
        let root = bench.root.path().display().to_string();
        format!("{} | {hint}", missing.message).replace(&root, "ROOT")
    };
    insta::assert_snapshot!(ends(&["no-such-agent"]).await, @"find program `no-such-agent`: it is in no folder of the search path | install `no-such-agent`, or give its path: `--agent command:/path/to/no-such-agent`");
    insta::assert_snapshot!(ends(&["./居ない.sh"]).await, @"find program `ROOT/./居ない.sh`: there is no such file | relative paths start at the main checkout; check the spelling");
    insta::assert_snapshot!(ends(&["./plain.txt"]).await, @"run program `ROOT/./plain.txt`: it is not an executable file | make it executable: `chmod +x ROOT/./plain.txt`");
    insta::assert_snapshot!(ends(&[]).await, @"the agent names no program | give a program: `--agent command:./my-agent.sh`");
    assert_eq!(*bench.watch.started.lock().unwrap(), []);

    assert_eq!(bench.programs().missing(&Adapter::Command(vec!["sh".to_owned()])).await, None);
}

#[tokio::test]
async fn a_claude_that_is_not_there_is_told() {
    let mut bench = Bench::new();
    bench.options.claude.program = "/no/such/claude".into();
    let missing = bench.programs().missing(&Adapter::Claude).await.unwrap();
    assert_eq!(missing.message, "find program `/no/such/claude`: there is no such file");
    assert_eq!(
        missing.hint.as_deref(),
        Some(
            "install Claude Code (`npm install -g @anthropic-ai/claude-code`), or set `agent.claude_program` to its path"
        )
    );
}

#[tokio::test]
async fn broken_scripts_and_lost_worktrees_are_not_started() {
    let bench = Bench::new();
    let mut spec = bench.spec(bench.script(""));
    fs::write(bench.root.path().join("agent.sh"), "#!/no/such/shell\n").unwrap();
    let SessionEnd::NotStarted { detail, .. } = bench.run(&spec).await.end else { panic!("it started") };
    assert!(detail.ends_with("agent.sh`: No such file or directory (os error 2)"), "{detail}");

    spec.worktree = bench.root.path().join("gone");
    let SessionEnd::NotStarted { detail, hint } = bench.run(&spec).await.end else { panic!("it started") };
    assert!(detail.ends_with("gone` is not there"), "{detail}");
    assert_eq!(hint, "the worktree was removed from outside; resume the run to open it again");
}

#[tokio::test]
async fn without_a_transcript_nothing_starts() {
    let bench = Bench::new();
    let mut spec = bench.spec(bench.script("touch started"));
    fs::write(bench.root.path().join("file"), "").unwrap();
    spec.transcript = bench.root.path().join("file/log");
    let SessionEnd::NotStarted { detail, .. } = bench.run(&spec).await.end else { panic!("it started") };
    assert!(detail.starts_with("write transcript `"), "{detail}");
    assert_eq!(fs::read_dir(&spec.worktree).unwrap().count(), 0);
}

#[tokio::test]
async fn a_full_disk_fails_the_session_and_not_the_reading() {
    let bench = Bench::new();
    let mut spec = bench.spec(bench.script("head -c 3000000 /dev/zero; echo; echo end"));
    spec.transcript = "/dev/full".into();
    let outcome = bench.run(&spec).await;
    assert_eq!(outcome.end, failed("write transcript `/dev/full`: No space left on device (os error 28)"));
    assert_eq!(outcome.last_message.as_deref(), Some("end"));
}
