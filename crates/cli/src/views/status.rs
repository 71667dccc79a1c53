//! Where runs are: what moves, what waits for a person, what was interrupted, what ended.

use jiff::Timestamp;
use miyabi_core::ids::{EscalationId, IssueNumber};
use miyabi_core::ports::RunRow;
use miyabi_core::status::Status;
use serde::Serialize;

use crate::output::clean::short;
use crate::output::text;

/// The true state of a run, which takes more than its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A process drives it now.
    Running,
    /// A person is asked.
    WaitingForPerson,
    /// Something on its forge is waited for, such as CI; whoever drives it next looks there.
    WaitingForForge,
    /// A process drives it, and it waits for a time, such as when the machine has room again.
    WaitingForTime,
    /// It has not ended, waits for nobody, and no process drives it.
    Interrupted,
    /// It ended.
    Ended,
}

/// One run in the overview.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusRow {
    /// The run as the log tells it.
    #[serde(flatten)]
    pub run: RunRow,
    /// Its true state.
    pub state: State,
    /// Questions that are open.
    pub questions: Vec<EscalationId>,
    /// When it last gave a sign of life, an event or output of an agent that works; only for runs that have not ended.
    pub last_sign_at: Option<Timestamp>,
    /// Until when it waits and why; only where it waits for a time.
    pub waits: Option<Waits>,
}

/// A run that goes on by itself at some time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Waits {
    /// When.
    pub until: Timestamp,
    /// For what.
    pub reason: String,
}

/// The overview.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusView {
    /// Runs that have not ended, newest first.
    pub live: Vec<StatusRow>,
    /// The newest of those that ended.
    pub recent: Vec<StatusRow>,
}

/// The overview for people, as of `now`.
pub fn render(view: &StatusView, now: Timestamp) -> String {
    if view.live.is_empty() && view.recent.is_empty() {
        return "there are no runs yet: `miyabi issue new --title …` files an issue, `miyabi run issue N` starts it\n".to_owned();
    }
    let mut out = String::new();
    if view.live.is_empty() {
        out.push_str("nothing runs and nothing waits\n");
    } else {
        out.push_str(&table("last sign", &view.live, now));
        for row in &view.live {
            match row.state {
                State::Interrupted => out.push_str(&format!(
                    "run {} was interrupted: `miyabi resume {}` goes on\n",
                    row.run.number, row.run.number
                )),
                State::WaitingForPerson => {
                    for question in &row.questions {
                        out.push_str(&format!(
                            "run {} asks you: `miyabi escalation show {question}`\n",
                            row.run.number
                        ));
                    }
                }
                State::WaitingForForge => out.push_str(&format!(
                    "      a server looks again when its forge says something; `miyabi resume {}` looks now\n",
                    row.run.number
                )),
                State::WaitingForTime => {
                    if let Some(waits) = &row.waits {
                        let (until, reason) = (text::date_time(waits.until), short(&waits.reason, 200));
                        out.push_str(&format!("run {} waits until {until} UTC: {reason}\n", row.run.number));
                    }
                }
                State::Running | State::Ended => {}
            }
        }
    }
    if !view.recent.is_empty() {
        out.push_str("\nended:\n");
        out.push_str(&table("since", &view.recent, now));
    }
    out
}

fn table(age: &str, rows: &[StatusRow], now: Timestamp) -> String {
    text::table(
        ["run", "issue", "state", "stage", age, "title"],
        rows.iter().map(|row| {
            let state = match row.state {
                State::Running => "running".to_owned(),
                State::WaitingForPerson => "waits for you".to_owned(),
                State::WaitingForForge => "waits for its forge".to_owned(),
                State::WaitingForTime => "waits".to_owned(),
                State::Interrupted => "interrupted".to_owned(),
                State::Ended => row.run.status.to_string(),
            };
            let at = row.run.completion_time.or(row.last_sign_at).unwrap_or(row.run.started_at);
            let since = format!("{} ago", text::duration(now.duration_since(at)));
            let stage = if row.state == State::Ended && row.run.status == Status::Succeeded {
                String::new()
            } else {
                row.run.stage.clone()
            };
            [
                row.run.number.to_string(),
                if row.run.issue == 0 { String::new() } else { format!("#{}", row.run.issue) },
                state,
                stage,
                since,
                short(&row.run.title, 60),
            ]
        }),
    )
}

/// The issue that a worktree's name speaks of: `issue-500-task2` is of 500.
pub fn issue_of(worktree: &str) -> Option<IssueNumber> {
    worktree.strip_prefix("issue-")?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64, state: State, status: Status) -> StatusRow {
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        StatusRow {
            run: RunRow {
                id: format!("run-{number}").into(),
                number,
                repo: "local/r".to_owned(),
                issue: 500 + number,
                title: "認証 \u{1b}[31mred".to_owned(),
                flow: "issue".to_owned(),
                status,
                stage: "review".to_owned(),
                started_at: at,
                completion_time: status.is_end().then_some(at),
                duration_sec: None,
                reason: None,
                subject: None,
                head: None,
            },
            state,
            questions: if state == State::WaitingForPerson { vec!["3-1".into()] } else { vec![] },
            last_sign_at: Some(at),
            waits: (state == State::WaitingForTime)
                .then(|| Waits { until: at, reason: "only 3 MB of disk are free".to_owned() }),
        }
    }

    #[test]
    fn the_overview_says_what_to_do() {
        let view = StatusView {
            live: vec![
                row(3, State::WaitingForPerson, Status::Running),
                row(2, State::Interrupted, Status::Running),
                row(1, State::Running, Status::Running),
                row(4, State::WaitingForTime, Status::Running),
            ],
            recent: vec![row(0, State::Ended, Status::Succeeded)],
        };
        let now = "2026-11-21T12:00:05Z".parse().expect("a time");
        insta::assert_snapshot!(render(&view, now), @r#"
        run  issue  state          stage   last sign  title
        3    #503   waits for you  review  5.0 s ago  認証 red
        2    #502   interrupted    review  5.0 s ago  認証 red
        1    #501   running        review  5.0 s ago  認証 red
        4    #504   waits          review  5.0 s ago  認証 red
        run 3 asks you: `miyabi escalation show 3-1`
        run 2 was interrupted: `miyabi resume 2` goes on
        run 4 waits until 2026-11-21 12:00:00 UTC: only 3 MB of disk are free

        ended:
        run  issue  state      stage  since      title
        0    #500   succeeded         5.0 s ago  認証 red
        "#);
    }

    #[test]
    fn worktrees_know_their_issue() {
        assert_eq!(issue_of("issue-500"), Some(500));
        assert_eq!(issue_of("issue-500-task2"), Some(500));
        assert_eq!(issue_of("issue-x"), None);
        assert_eq!(issue_of("other-5"), None);
    }
}
