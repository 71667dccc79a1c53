//! Environments: which keys are in one, and the same one without them.

use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};
use std::fmt;

use miyabi_core::redact::MIN_SECRET;
use secrecy::{ExposeSecret, SecretString};

use super::provider::{Base, Credential, PROVIDERS, Provider};
use super::{HOST, KeysError};

/// A key in an environment, and the service that it is for.
pub(super) struct Found {
    /// Which variable of the environment holds it.
    at: usize,
    pub(super) key: SecretString,
    pub(super) credential: Credential,
    pub(super) provider: &'static Provider,
    pub(super) base: Base,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("provider", &self.provider.name).finish_non_exhaustive()
    }
}

/// All keys of an environment. Variables that are empty hold none.
pub(super) fn find(environment: &[(OsString, OsString)]) -> Result<Vec<Found>, KeysError> {
    let mut found = Vec::new();
    for provider in &PROVIDERS {
        for (variable, credential) in provider.keys {
            let held = environment.iter().enumerate().filter(|(_, (name, _))| name == OsStr::new(variable));
            for (at, (_, value)) in held {
                if let Some(key) = read_key(variable, value)? {
                    let base = base_of(provider, environment)?;
                    found.push(Found { at, key, credential: *credential, provider, base });
                }
            }
        }
    }
    Ok(found)
}

fn read_key(variable: &'static str, value: &OsStr) -> Result<Option<SecretString>, KeysError> {
    let key = value.to_str().ok_or(KeysError::Key(variable))?.trim();
    if !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(KeysError::Key(variable));
    }
    Ok((!key.is_empty()).then(|| key.into()))
}

fn base_of(provider: &Provider, environment: &[(OsString, OsString)]) -> Result<Base, KeysError> {
    let given =
        environment.iter().find(|(name, value)| name == OsStr::new(provider.base) && !value.is_empty());
    let wrong = KeysError::Base { variable: provider.base, why: "it is no text" };
    let text = given.map_or(Ok(provider.usual_base), |(_, value)| value.to_str().ok_or(wrong))?;
    Base::read(provider.base, text.trim())
}

/// The environment with `tokens` in the place of the keys, each the token of the key at the same place, and with our
/// own address in the place of the services'.
pub(super) fn replaced(
    environment: &[(OsString, OsString)],
    found: &[Found],
    tokens: &[String],
    port: u16,
) -> Vec<(OsString, OsString)> {
    let lent: Vec<(&Found, &str)> = found.iter().zip(tokens.iter().map(String::as_str)).collect();
    let is_base = |name: &OsStr| found.iter().any(|key| name == OsStr::new(key.provider.base));
    let mut replaced: Vec<(OsString, OsString)> = environment
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| !is_base(name))
        .map(|(at, (name, value))| match lent.iter().find(|(key, _)| key.at == at) {
            Some((_, token)) => (name.clone(), token.into()),
            None => (name.clone(), without_keys(value, &lent)),
        })
        .collect();
    for provider in PROVIDERS.iter().filter(|provider| is_base(OsStr::new(provider.base))) {
        let path = found.iter().find(|key| key.provider.name == provider.name).map(|key| key.base.path());
        let url = format!("http://{HOST}:{port}/{}{}", provider.name, path.unwrap_or_default());
        replaced.push((provider.base.into(), url.into()));
    }
    replaced
}

/// The value with tokens for every key in it. The longest first: a key may be the beginning of another one.
fn without_keys(value: &OsStr, lent: &[(&Found, &str)]) -> OsString {
    let mut lent: Vec<(&str, &str)> =
        lent.iter().map(|(key, token)| (key.key.expose_secret(), *token)).collect();
    lent.sort_by_key(|(key, _)| Reverse(key.len()));
    // Keys are ASCII, so what is no text in a value hides none of them; it is lost only where a key was in it.
    let mut text = value.to_string_lossy();
    let mut is_changed = false;
    for (key, token) in lent {
        if holds(&text, key) {
            text = text.replace(key, token).into();
            is_changed = true;
        }
    }
    if is_changed { text.into_owned().into() } else { value.to_owned() }
}

/// Whether a text gives a key away. A short one is no secret, a local server takes any word; looking for it inside
/// other text would change paths and names.
pub(super) fn holds(text: &str, key: &str) -> bool {
    if key.len() < MIN_SECRET { text.trim() == key } else { text.contains(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn lent(environment: &[(&str, &str)], tokens: &[&str]) -> Vec<(OsString, OsString)> {
        let environment = pairs(environment);
        let found = find(&environment).unwrap();
        assert_eq!(found.len(), tokens.len(), "{found:?}");
        let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
        replaced(&environment, &found, &tokens, 4100)
    }

    #[test]
    fn keys_become_tokens_and_addresses_ours() {
        let environment = [
            ("PATH", "/bin"),
            ("ANTHROPIC_API_KEY", "sk-ant-123456"),
            ("OPENAI_API_KEY", "sk-oai-123456"),
            ("OPENAI_BASE_URL", "https://gate.example/team/v1/"),
            ("CODEX_API_KEY", "sk-cdx-123456\n"),
            ("GEMINI_API_KEY", "AIza-123456"),
            ("ANTHROPIC_AUTH_TOKEN", "sk-ant-123456-longer"),
            ("EXTRA", "x: sk-ant-123456-longer, y: sk-ant-123456; 鍵=AIza-123456"),
        ];
        let expected = pairs(&[
            ("PATH", "/bin"),
            ("ANTHROPIC_API_KEY", "T1"),
            ("OPENAI_API_KEY", "T3"),
            ("CODEX_API_KEY", "T4"),
            ("GEMINI_API_KEY", "T5"),
            ("ANTHROPIC_AUTH_TOKEN", "T2"),
            ("EXTRA", "x: T2, y: T1; 鍵=T5"),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:4100/anthropic"),
            ("OPENAI_BASE_URL", "http://127.0.0.1:4100/openai/team/v1"),
            ("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:4100/gemini"),
        ]);
        assert_eq!(lent(&environment, &["T1", "T2", "T3", "T4", "T5"]), expected);
    }

    #[test]
    fn one_key_for_two_services_has_a_token_for_each() {
        let key = "sk-gateway-1";
        let found = lent(&[("OPENAI_API_KEY", key), ("ANTHROPIC_AUTH_TOKEN", key)], &["T1", "T2"]);
        assert!(found.starts_with(&pairs(&[("OPENAI_API_KEY", "T2"), ("ANTHROPIC_AUTH_TOKEN", "T1")])));
    }

    #[test]
    fn words_for_local_servers_are_no_secrets() {
        let environment = [("OPENAI_API_KEY", "ollama"), ("PATH", "/opt/ollama/bin"), ("SAME", "ollama")];
        let expected = pairs(&[("OPENAI_API_KEY", "T1"), ("PATH", "/opt/ollama/bin"), ("SAME", "T1")]);
        assert!(lent(&environment, &["T1"]).starts_with(&expected));
    }

    #[test]
    fn without_a_key_nothing_is_found() {
        for environment in
            [&[("OPENAI_API_KEY", "")][..], &[("OPENAI_BASE_URL", "no url")], &[("PATH", "/bin")]]
        {
            assert!(find(&pairs(environment)).unwrap().is_empty(), "{environment:?}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_shown() {
        for (environment, name) in [
            (&[("OPENAI_API_KEY", "geheim geheim")][..], "OPENAI_API_KEY"),
            (&[("GEMINI_API_KEY", "geheim-ü")], "GEMINI_API_KEY"),
            (&[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "https://me:geheim@x")], "OPENAI_BASE_URL"),
        ] {
            let text = format!("{:?}", find(&pairs(environment)).unwrap_err());
            assert!(text.contains(name) && !text.contains("geheim"), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_hides_no_key() {
        use std::os::unix::ffi::OsStringExt;
        let other = |bytes: &[u8]| ("OTHER".into(), OsString::from_vec(bytes.to_vec()));
        let mut environment = pairs(&[("GEMINI_API_KEY", "AIza-123456")]);
        environment.extend([other(b"\xe3AIza-123456\xff"), other(b"\xff")]);
        let found = find(&environment).unwrap();
        let replaced = replaced(&environment, &found, &["T".to_owned()], 1);
        assert_eq!(replaced[1].1, OsString::from("\u{fffd}T\u{fffd}"));
        assert_eq!(replaced[2], other(b"\xff"), "what holds no key stays as it is");
    }
}
