//! Where each provider is asked, and with which key: from the environment, under the names that everybody uses.

use std::fmt;

use http::{HeaderName, HeaderValue, Uri, header};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::model::{Provider, Route};
use secrecy::{ExposeSecret, SecretString};

/// The names of a provider's settings.
struct Names {
    key: &'static str,
    address: &'static str,
    /// Where it is asked without that setting; none: somebody runs it themselves.
    usual: Option<&'static str>,
    /// What follows the address.
    below: &'static str,
}

fn names(provider: Provider) -> Names {
    match provider {
        Provider::Anthropic => Names {
            key: "ANTHROPIC_API_KEY",
            address: "ANTHROPIC_BASE_URL",
            usual: Some("https://api.anthropic.com"),
            below: "/v1/messages",
        },
        Provider::OpenAi => Names {
            key: "OPENAI_API_KEY",
            address: "OPENAI_BASE_URL",
            usual: Some("https://api.openai.com/v1"),
            below: "/chat/completions",
        },
        Provider::TensorZero => Names {
            key: "MIYABI_TENSORZERO_API_KEY",
            address: "MIYABI_TENSORZERO_URL",
            usual: None,
            below: "/openai/v1/chat/completions",
        },
    }
}

/// One provider.
#[derive(Clone)]
pub(crate) struct Endpoint {
    provider: Provider,
    pub(crate) address: Uri,
    key: Option<SecretString>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may hold a login.
        let known = (self.provider, self.key.is_some());
        f.debug_struct("Endpoint").field("provider, has_key", &known).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// The provider's; `None`: it was not set up. Errors: what was set is no address.
    pub(crate) fn of(
        provider: Provider,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Failure> {
        let names = names(provider);
        let set = |name: &str| {
            variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let (key, own) = (set(names.key), set(names.address));
        // Whoever runs it themselves may want no key.
        let address = match (&key, own) {
            (_, Some(own)) => Some(own),
            (Some(_), None) => names.usual.map(str::to_owned),
            (None, None) => None,
        };
        let Some(address) = address else { return Ok(None) };
        let address = format!("{}{}", address.trim_end_matches('/'), names.below).parse::<Uri>().ok();
        let address = address.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let address = address.ok_or_else(|| {
            Failure::new(FailureClass::Input, format!("{} is no address of a model", names.address))
                .hint("it begins with https:// or http://, then a host")
        })?;
        Ok(Some(Self { provider, address, key: key.map(SecretString::from) }))
    }

    /// What to do where there is none.
    pub(crate) fn missing(route: &Route) -> Failure {
        let names = names(route.provider);
        let hint = match names.usual {
            Some(_) => format!(
                "set {} in miyabi's environment, or {} to the address of a model of your own",
                names.key, names.address
            ),
            None => format!("set {} to the address of the gateway", names.address),
        };
        Failure::new(FailureClass::Unavailable, format!("there is no way to ask the model `{route}`"))
            .hint(hint)
    }

    /// The headers by which we are known there. `None`: the key is none.
    pub(crate) fn login(&self) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        if self.provider == Provider::Anthropic {
            headers
                .push((HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01")));
        }
        if let Some(key) = &self.key {
            let key = key.expose_secret();
            let (name, value) = match self.provider {
                Provider::Anthropic => (HeaderName::from_static("x-api-key"), HeaderValue::from_str(key)),
                _ => (header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}"))),
            };
            let mut value = value.ok()?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
        Some(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(provider: Provider, set: &[(&str, &str)]) -> Result<Option<Endpoint>, Failure> {
        let value =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Endpoint::of(provider, value)
    }

    #[test]
    fn a_provider_is_found_by_what_is_set() {
        let address = |provider, set: &[(&str, &str)]| {
            of(provider, set).unwrap().map(|endpoint| endpoint.address.to_string())
        };
        assert_eq!(address(Provider::Anthropic, &[]), None);
        assert_eq!(address(Provider::Anthropic, &[("ANTHROPIC_API_KEY", " ")]), None);
        let usual = Some("https://api.anthropic.com/v1/messages".to_owned());
        assert_eq!(address(Provider::Anthropic, &[("ANTHROPIC_API_KEY", "k")]), usual);
        let own = [("OPENAI_BASE_URL", "http://localhost:8080/v1/")];
        assert_eq!(address(Provider::OpenAi, &own).unwrap(), "http://localhost:8080/v1/chat/completions");
        assert_eq!(address(Provider::TensorZero, &[("MIYABI_TENSORZERO_API_KEY", "k")]), None);
        let gateway = [("MIYABI_TENSORZERO_URL", "http://gateway:3000")];
        let expected = "http://gateway:3000/openai/v1/chat/completions";
        assert_eq!(address(Provider::TensorZero, &gateway).unwrap(), expected);
        for wrong in ["localhost:8080", "ftp://host", "://", "https://"] {
            let failure = of(Provider::OpenAi, &[("OPENAI_BASE_URL", wrong)]).unwrap_err();
            assert_eq!(failure.message, "OPENAI_BASE_URL is no address of a model", "{wrong}");
        }
    }

    #[test]
    fn no_key_is_shown() {
        let set = [("OPENAI_API_KEY", "a-secret"), ("OPENAI_BASE_URL", "http://me:a-secret@host/v1")];
        let endpoint = of(Provider::OpenAi, &set).unwrap().unwrap();
        let shown = format!("{endpoint:?} {:?}", endpoint.login());
        assert!(!shown.contains("secret"), "{shown}");
        assert!(of(Provider::OpenAi, &[("OPENAI_API_KEY", "a\nb")]).unwrap().unwrap().login().is_none());
    }
}
