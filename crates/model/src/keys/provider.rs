//! Services of models: which variables name their keys and addresses, how a request carries a key, and what may be
//! asked of them.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme, Uri};
use secrecy::{ExposeSecret, SecretString};

use super::{KeysError, path};

pub(super) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
pub(super) const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// How a request carries its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// `x-api-key: KEY`.
    ApiKey,
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `x-goog-api-key: KEY`.
    GoogApiKey,
}

impl Credential {
    /// The header that carries the key. `None`: no header can.
    pub(super) fn header(self, key: &SecretString) -> Option<(HeaderName, HeaderValue)> {
        let key = key.expose_secret();
        let (name, value) = match self {
            Self::ApiKey => (X_API_KEY, HeaderValue::from_str(key)),
            Self::Bearer => (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}"))),
            Self::GoogApiKey => (X_GOOG_API_KEY, HeaderValue::from_str(key)),
        };
        let mut value = value.ok()?;
        // Such values are left out of what libraries show of a request.
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// A service.
#[derive(Debug)]
pub(super) struct Provider {
    /// Its name, and the first segment of its paths here.
    pub(super) name: &'static str,
    /// The variables that hold its keys.
    pub(super) keys: &'static [(&'static str, Credential)],
    /// The variable that holds its address.
    pub(super) base: &'static str,
    /// Where it is when that variable says nothing.
    pub(super) usual_base: &'static str,
    /// What may be asked of it, below its address. `*` is one segment.
    pub(super) paths: &'static [&'static str],
}

/// Every service whose keys can be lent.
pub(super) static PROVIDERS: [Provider; 3] = [
    Provider {
        name: "anthropic",
        keys: &[("ANTHROPIC_API_KEY", Credential::ApiKey), ("ANTHROPIC_AUTH_TOKEN", Credential::Bearer)],
        base: "ANTHROPIC_BASE_URL",
        usual_base: "https://api.anthropic.com",
        paths: &["/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/v1/models/*"],
    },
    Provider {
        name: "openai",
        keys: &[("OPENAI_API_KEY", Credential::Bearer), ("CODEX_API_KEY", Credential::Bearer)],
        base: "OPENAI_BASE_URL",
        usual_base: "https://api.openai.com/v1",
        paths: &[
            "/responses",
            "/responses/compact",
            "/chat/completions",
            "/completions",
            "/embeddings",
            "/models",
            "/models/*",
        ],
    },
    Provider {
        name: "gemini",
        keys: &[("GEMINI_API_KEY", Credential::GoogApiKey)],
        base: "GOOGLE_GEMINI_BASE_URL",
        usual_base: "https://generativelanguage.googleapis.com",
        paths: &["/v1beta/models", "/v1beta/models/*", "/v1/models/*"],
    },
];

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or with a slash in front and none behind.
    path: String,
}

impl Base {
    /// Reads what stands in that variable.
    pub(super) fn read(variable: &'static str, text: &str) -> Result<Self, KeysError> {
        let wrong = |why| KeysError::Base { variable, why };
        let parts = text.parse::<Uri>().map_err(|_| wrong("it cannot be read"))?.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP);
        let scheme = scheme.ok_or_else(|| wrong("it begins with neither https:// nor http://"))?;
        let authority = parts.authority.filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it holds a user name or password, which cannot be lent"));
        }
        let below = parts.path_and_query;
        if below.as_ref().is_some_and(|below| below.query().is_some()) {
            return Err(wrong("it holds a query, and no path can follow that"));
        }
        let path = below.as_ref().map_or("", |below| below.path()).trim_end_matches('/');
        if !path.is_empty() && !path::is_plain(path) {
            return Err(wrong("its path has empty, encoded or climbing segments"));
        }
        Ok(Self { scheme, authority, path: path.to_owned() })
    }

    /// Its path: empty, or with a slash in front and none behind.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The address of what stands below it.
    pub(super) fn join(&self, rest: &str, query: Option<&str>) -> Result<Uri, http::Error> {
        let mark = if query.is_some() { "?" } else { "" };
        let below = [&self.path, rest, mark, query.unwrap_or_default()].concat();
        let to = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        to.path_and_query(below).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused_without_what_is_secret_in_them() {
        for (text, joined) in [
            ("https://api.example.com", "https://api.example.com/models?a=1"),
            ("HTTPS://api.example.com/", "https://api.example.com/models?a=1"),
            ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1/models?a=1"),
            ("http://[::1]:8080/a/gpt-4.1/v1", "http://[::1]:8080/a/gpt-4.1/v1/models?a=1"),
        ] {
            let base = Base::read("X", text).unwrap();
            assert_eq!(base.join("/models", Some("a=1")).unwrap(), joined, "{text}");
        }
        for (wrong, why) in [
            ("", "cannot be read"),
            ("secret words", "cannot be read"),
            ("https://", "cannot be read"),
            ("localhost:8080", "neither https"),
            ("/v1", "neither https"),
            ("ftp://secret.example", "neither https"),
            ("https://secret:secret@api.example.com/v1", "user name"),
            ("https://api.example.com/v1?key=secret", "query"),
            ("https://api.example.com/a//secret", "segments"),
            ("https://api.example.com/a/../secret", "segments"),
            ("https://api.example.com/a%2fsecret", "segments"),
        ] {
            let error = Base::read("X_BASE_URL", wrong).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(why) && text.contains("X_BASE_URL"), "{wrong}: {text}");
            assert!(!text.contains("secret"), "{wrong}: {text}");
        }
    }

    #[test]
    fn the_usual_addresses_are_addresses() {
        for provider in &PROVIDERS {
            Base::read(provider.base, provider.usual_base).unwrap();
        }
    }
}
