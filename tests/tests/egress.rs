//! A box with a list of hosts: what is on it is reached through the proxy, and nothing else is reached at all.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use miyabi_agent::{AgentOptions, AgentPrograms};
use miyabi_contain::Limits;
use miyabi_core::containment::{Bounds, Containment, Network};
use miyabi_core::ports::{Agents, never_stop};
use miyabi_core::session::{Adapter, SessionEnd};
use miyabi_tests::model_endpoint::{ModelEndpoint, Turn, claude_or_say, codex_or_say};
use miyabi_tests::sessions::{Watch, boxes, spec, stage};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// The real programs reach their model, and nothing else: not even their own makers' servers.
#[tokio::test]
async fn real_agents_work_with_their_model_alone_on_the_list() {
    let (Some(claude), Some(codex)) = (claude_or_say(), codex_or_say()) else { return };
    for containment in [Containment::Bubblewrap, Containment::Landlock] {
        for adapter in [Adapter::Claude, Adapter::Codex] {
            let is_claude = adapter == Adapter::Claude;
            let endpoint = ModelEndpoint::answering(move |asked| match asked.answers {
                0 if is_claude => {
                    Turn::tool("Bash", json!({ "command": "echo 雅 > note.md", "description": "-" }))
                }
                0 => Turn::tool("exec_command", json!({ "cmd": "echo 雅 > note.md" })),
                _ => Turn::Say("Done.".to_owned()),
            })
            .await
            .unwrap();
            let (root, mut options) = stage(&endpoint);
            (options.claude.program, options.codex.program) = (claude.clone(), codex.clone());
            let host = endpoint.url().trim_start_matches("http://").to_owned();
            options.shared = Bounds { network: Network::read(&[host]).unwrap(), ..Bounds::default() };
            let spec = spec(root.path(), adapter.clone(), "Write a note.");
            let Some(boxes) = boxes(root.path(), PROGRAM, containment, Limits::default()).await else {
                return;
            };
            let watch = Watch::default();
            let outcome = AgentPrograms::new(options).within(boxes).run(&spec, &watch, never_stop()).await;
            let said = fs::read_to_string(&spec.transcript).unwrap_or_default();
            assert_eq!(outcome.end, SessionEnd::Completed, "{adapter} {containment}: {outcome:?}\n{said}");
            assert_eq!(
                fs::read_to_string(root.path().join("worktree/note.md")).unwrap(),
                "雅\n",
                "{adapter} {containment}"
            );
        }
    }
}

/// A server that answers every request with the same word, until the test ends.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head);
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nreached";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

#[tokio::test]
async fn only_hosts_on_the_list_are_reached() {
    for containment in [Containment::Bubblewrap, Containment::Landlock] {
        let (listed, other) = (server(), server());
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("worktree")).unwrap();
        fs::create_dir(root.path().join("home")).unwrap();
        let script = format!(
            "get() {{ curl --silent --max-time 20 \"$@\" || echo nothing; }}\n\
             get http://127.0.0.1:{listed}/; echo; get http://127.0.0.1:{other}/; echo\n\
             get --proxytunnel http://127.0.0.1:{listed}/; echo; get --proxytunnel http://127.0.0.1:{other}/; echo\n\
             get --noproxy '*' http://127.0.0.1:{listed}/; get --noproxy '*' http://127.0.0.1:{other}/\n\
             exit 7\n"
        );
        fs::write(root.path().join("agent.sh"), script).unwrap();
        let agent = root.path().join("agent.sh").display().to_string();
        let spec = spec(root.path(), Adapter::Command(vec!["sh".to_owned(), agent]), "Go out.");
        let environment =
            [("PATH", std::env::var_os("PATH").unwrap()), ("HOME", root.path().join("home").into())];
        let mut options =
            AgentOptions::new(root.path(), environment.map(|(name, value)| (OsString::from(name), value)));
        let network = Network::read(&[format!("127.0.0.1:{listed}"), "example.com".to_owned()]).unwrap();
        options.shared = Bounds { network, ..Bounds::default() };
        let Some(boxes) = boxes(root.path(), PROGRAM, containment, Limits::default()).await else { return };
        let watch = Watch::default();
        let outcome = AgentPrograms::new(options).within(boxes).run(&spec, &watch, never_stop()).await;
        // Its exit code comes through whoever stands beside it.
        assert!(
            matches!(&outcome.end, SessionEnd::Failed { detail } if detail.contains("exit code 7")),
            "{outcome:?}"
        );
        let said = outcome.last_message.clone().unwrap();
        let refusal = format!("miyabi: 127.0.0.1:{other} is not in `agent.network`");
        let expected = ["reached", &refusal, "reached", "nothing", "", "nothing", "nothing"];
        let expected: Vec<_> = expected.iter().filter(|line| !line.is_empty()).collect();
        let lines: Vec<_> = said.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(format!("{lines:?}"), format!("{expected:?}"), "{containment}");
        assert_eq!(outcome.refusals, [format!("connect to 127.0.0.1:{other} (2 times)")], "{containment}");
    }
}
