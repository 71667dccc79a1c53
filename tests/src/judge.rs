//! Who judges stories in tests: a program that looks, and always comes to the same.

use serde_json::Value;

use crate::env::{Ran, TestEnv};

/// Takes the criteria of a story for its assertions, and judges `has X in F`, `no X in F` and lies by looking.
pub const JUDGE: &str = r#"
prompt=$(cat)
case "$prompt" in
*"You prepare a story"*)
  printf '{"steps":[{"type":"given","text":"the files"}'
  printf '%s\n' "$prompt" | sed -n 's/^- \(.*\)$/\1/p' | while read -r line; do
    printf ',{"type":"requirement","goal":"%s","assertions":["%s"]}' "$line" "$line"
  done
  printf ']}\n' ;;
*)
  printf '{"assertions":['
  comma=
  printf '%s\n' "$prompt" | sed -n 's/^step \([0-9]*\), assertion \([0-9]*\): \(.*\)$/\1 \2 \3/p' |
  while read -r step n kind word in where; do
    found=$(grep -rnF -- "$word" "$where" /dev/null 2>/dev/null | sort | head -n 1)
    file=$(printf '%s' "$found" | cut -d: -f1)
    line=$(printf '%s' "$found" | cut -d: -f2)
    evidence=; test -n "$found" && evidence="\"$file:$line-$line\""
    case "$kind${found:+-found}" in
    has-found) verdict=pass searched= ;;
    has) verdict=fail searched="\"$where\"" ;;
    no-found) verdict=fail searched="\"$where\"" ;;
    no) verdict=pass searched="\"$where\"" ;;
    hang*) tail -f /dev/null ;;
    *) verdict=pass searched= evidence='"nowhere.rs:1-1"' ;;
    esac
    printf '%s{"step":%s,"assertion":%s,"verdict":"%s","explanation":"looked for %s","evidence":[%s],"searched":[%s]}' \
      "$comma" "$step" "$n" "$verdict" "$word" "$evidence" "$searched"
    comma=,
  done
  printf ']}\n' ;;
esac
"#;

/// The text of a story that is judged by its criteria.
pub fn story(id: &str, more: &str, criteria: &[String]) -> String {
    let criteria: String = criteria.iter().map(|text| format!("  - {text}\n")).collect();
    format!("id: {id}\ntitle: Title of {id}\nstory: It holds.\nacceptance_criteria:\n{criteria}{more}")
}

/// The agent that judges.
pub fn judge(env: &TestEnv) -> String {
    let script = env.root().join("judge.sh");
    std::fs::write(&script, JUDGE).expect("the folder can be written");
    format!("command:sh {}", script.display())
}

/// Has the stories of a repository judged.
pub fn run(env: &TestEnv, more: &[&str]) -> Ran {
    let agent = judge(env);
    let arguments = ["story", "run", "--json", "--agent", &agent].into_iter().chain(more.iter().copied());
    env.miyabi(arguments.collect::<Vec<_>>())
}

/// What a run showed last: its number and its stories.
#[track_caller]
pub fn results(ran: &Ran) -> Value {
    ran.json_lines().pop().expect("it printed something")
}

/// The bodies of all events of a run.
#[track_caller]
pub fn log(env: &TestEnv, run: u64) -> Vec<Value> {
    let lines = env.miyabi(["log", &run.to_string(), "--json"]).expect(0).json_lines();
    lines.into_iter().map(|event| event["body"].clone()).collect()
}

/// The steps for which agents were started in a run.
#[track_caller]
pub fn asked(env: &TestEnv, run: u64) -> Vec<String> {
    let sessions = log(env, run).into_iter().filter(|body| body["type"] == "session_started");
    let mut steps: Vec<_> =
        sessions.map(|body| body["step"].as_str().unwrap_or_default().to_owned()).collect();
    steps.sort();
    steps
}
