//! Which programs can do without the keys of their models: those that ask where their environment says.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use miyabi_core::session::Adapter;

use crate::environment::{FOR_ACP, FOR_CLAUDE, FOR_CODEX, chosen};

/// The names under which keys of models are handed over.
const KEYS: [&str; 5] =
    ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "CODEX_API_KEY", "GEMINI_API_KEY"];

/// Who has the keys of a program's models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyCustody {
    /// There is none in our environment that it would get.
    NoKey,
    /// miyabi: the program gets a token that ends with its session.
    Lent,
    /// The program, for this reason.
    Given(&'static str),
}

/// Who has the keys of the models of that program, when this is our environment.
pub fn key_custody(adapter: &Adapter, ours: &[(OsString, OsString)]) -> KeyCustody {
    let names: &[&str] = match adapter {
        Adapter::Claude => &FOR_CLAUDE,
        Adapter::Codex => &FOR_CODEX,
        Adapter::Acp(_) => &FOR_ACP,
        Adapter::Llm(_) | Adapter::Command(_) | Adapter::Scripted(_) | Adapter::Facts => &[],
    };
    let environment = chosen(ours, names.iter().copied());
    if !environment.iter().any(|(name, value)| KEYS.iter().any(|key| name == key) && !value.is_empty()) {
        return KeyCustody::NoKey;
    }
    why_not(adapter, &environment).map_or(KeyCustody::Lent, KeyCustody::Given)
}

/// Why the program must get the keys in that environment itself; `None`: it need not.
pub(crate) fn why_not(adapter: &Adapter, environment: &[(OsString, OsString)]) -> Option<&'static str> {
    let claude = || folder(environment, "CLAUDE_CONFIG_DIR", ".claude");
    let codex = || folder(environment, "CODEX_HOME", ".codex");
    match adapter {
        Adapter::Claude if says(claude(), "settings.json", &["ANTHROPIC_BASE_URL", "apiKeyHelper"]) => {
            Some("its own settings say where its models are")
        }
        Adapter::Codex if says(codex(), "config.toml", &["model_provider", "base_url"]) => {
            Some("its own settings say where its models are")
        }
        // It would pay in another way than its person chose.
        Adapter::Codex if codex().is_some_and(|folder| folder.join("auth.json").exists()) => {
            Some("it has a login of its own")
        }
        Adapter::Claude | Adapter::Codex => None,
        Adapter::Acp(argv) if argv.iter().any(|word| word.contains("codex")) => {
            Some("it takes no address from its environment")
        }
        Adapter::Acp(argv) if argv.iter().any(|word| word.contains("claude")) => {
            why_not(&Adapter::Claude, environment)
        }
        Adapter::Acp(argv) if argv.iter().any(|word| word.contains("gemini")) => None,
        Adapter::Acp(_) | Adapter::Command(_) | Adapter::Scripted(_) | Adapter::Llm(_) | Adapter::Facts => {
            Some("nobody knows where it asks its models")
        }
    }
}

/// The arguments by which Codex asks where its environment says; it knows no variable for it.
pub(crate) fn codex_arguments(lent: &[(OsString, OsString)]) -> Vec<OsString> {
    let value =
        |name: &str| lent.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.to_str());
    let key = ["CODEX_API_KEY", "OPENAI_API_KEY"].into_iter().find(|key| value(key).is_some());
    let (Some(key), Some(address)) = (key, value("OPENAI_BASE_URL")) else { return Vec::new() };
    let provider = format!(
        "model_providers.lent={{name=\"lent\",base_url=\"{address}\",env_key=\"{key}\",wire_api=\"responses\"}}"
    );
    ["-c", "model_provider=\"lent\"", "-c", &provider].map(OsString::from).into()
}

fn folder(environment: &[(OsString, OsString)], variable: &str, usual: &str) -> Option<PathBuf> {
    let value = |name: &str| {
        environment.iter().find(|(known, _)| known == OsStr::new(name)).map(|(_, value)| PathBuf::from(value))
    };
    value(variable).or_else(|| Some(value("HOME")?.join(usual)))
}

/// Whether a file of the program's own speaks of one of these. One that cannot be read may.
fn says(folder: Option<PathBuf>, file: &str, words: &[&str]) -> bool {
    let Some(path) = folder.map(|folder| folder.join(file)).filter(|path: &PathBuf| Path::exists(path))
    else {
        return false;
    };
    fs::read_to_string(path).map_or(true, |text| words.iter().any(|word| text.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_lent_unless_the_program_goes_its_own_way() {
        let home = tempfile::tempdir().unwrap();
        let of = |adapter: &str, key: &str| {
            let ours = [("HOME".into(), home.path().into()), (key.into(), "sk-1".into())];
            key_custody(&adapter.parse().unwrap(), &ours)
        };
        assert_eq!(of("claude", "OPENAI_API_KEY"), KeyCustody::NoKey);
        assert_eq!(of("llm:openai/m", "OPENAI_API_KEY"), KeyCustody::NoKey);
        for (adapter, key) in [
            ("claude", "ANTHROPIC_API_KEY"),
            ("codex", "CODEX_API_KEY"),
            ("acp:/x/claude-agent-acp", "ANTHROPIC_API_KEY"),
            ("acp:gemini --acp", "GEMINI_API_KEY"),
        ] {
            assert_eq!(of(adapter, key), KeyCustody::Lent, "{adapter}");
        }
        assert!(matches!(of("acp:codex-acp", "OPENAI_API_KEY"), KeyCustody::Given(_)));
        assert!(matches!(of("acp:goose acp", "OPENAI_API_KEY"), KeyCustody::Given(_)));
        for (path, text) in [
            (".claude/settings.json", r#"{"env": {"ANTHROPIC_BASE_URL": "https://gateway"}}"#),
            (".codex/auth.json", "{}"),
        ] {
            fs::create_dir_all(home.path().join(path).parent().unwrap()).unwrap();
            fs::write(home.path().join(path), text).unwrap();
        }
        assert!(matches!(of("claude", "ANTHROPIC_API_KEY"), KeyCustody::Given(_)));
        assert!(matches!(of("codex", "OPENAI_API_KEY"), KeyCustody::Given(_)));
    }

    #[test]
    fn codex_is_told_where_to_ask() {
        let lent = [
            ("OPENAI_BASE_URL".into(), "http://127.0.0.1:1/openai/v1".into()),
            ("OPENAI_API_KEY".into(), "t".into()),
        ];
        assert_eq!(
            codex_arguments(&lent).last().unwrap().to_str(),
            Some(
                r#"model_providers.lent={name="lent",base_url="http://127.0.0.1:1/openai/v1",env_key="OPENAI_API_KEY",wire_api="responses"}"#
            )
        );
        assert_eq!(codex_arguments(&lent[1..]), Vec::<OsString>::new());
    }
}
