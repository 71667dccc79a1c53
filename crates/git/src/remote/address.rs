//! Addresses of remotes: what is taken, and what is never said aloud.

use std::path::Path;

use super::error::RemoteError;

/// Where a remote is. It holds no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    url: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// `origin` is `scheme://host[:port]`.
    Http {
        origin: String,
        private: bool,
    },
    Ssh,
    Local,
}

impl Address {
    /// Reads a URL, an `user@host:path`, or a path, which is looked for from that folder.
    ///
    /// Errors: it holds credentials, or another way of transport.
    pub(crate) fn parse(text: &str, from: &Path) -> Result<Self, RemoteError> {
        let refuse = |why| Err(RemoteError::Address { why });
        if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
            return refuse("is empty, begins with `-` or holds control characters");
        }
        let address = |kind| Ok(Self { url: text.to_owned(), kind });
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text.split_once(':') {
                Some((_, rest)) if rest.starts_with(':') => refuse("names a helper program"),
                Some((host, _)) if !host.contains('/') => address(Kind::Ssh),
                _ => {
                    let url = from
                        .join(text)
                        .to_str()
                        .ok_or(RemoteError::Address { why: "is not text" })?
                        .to_owned();
                    Ok(Self { url, kind: Kind::Local })
                }
            };
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        match (scheme.to_ascii_lowercase().as_str(), user) {
            ("http" | "https", Some(_)) => Err(RemoteError::CredentialsInUrl),
            ("http" | "https", None) if authority.is_empty() => refuse("names no host"),
            (scheme @ ("http" | "https"), None) => {
                let origin = format!("{scheme}://{authority}");
                address(Kind::Http { origin, private: scheme == "https" || is_here(authority) })
            }
            ("ssh", Some(user)) if user.contains(':') => Err(RemoteError::CredentialsInUrl),
            ("ssh", _) => address(Kind::Ssh),
            ("file", _) => address(Kind::Local),
            _ => refuse("is reached neither by HTTP, by SSH nor as a path"),
        }
    }

    /// The address for git and for people.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `scheme://host[:port]` where a login may be told to that host: over TLS, or within this machine.
    pub(crate) fn origin_for_login(&self) -> Option<&str> {
        match &self.kind {
            Kind::Http { origin, private: true } => Some(origin),
            _ => None,
        }
    }

    /// Whether it is reached by SSH.
    pub(crate) fn is_ssh(&self) -> bool {
        self.kind == Kind::Ssh
    }

    /// Whether it is reached by HTTP, with TLS or without.
    pub(crate) fn is_http(&self) -> bool {
        matches!(self.kind, Kind::Http { .. })
    }

    /// What git may use on the way, in the form of `GIT_ALLOW_PROTOCOL`. A redirect never leads out of TLS.
    pub(crate) fn protocols(&self) -> &'static str {
        match &self.kind {
            Kind::Http { origin, .. } if origin.starts_with("https:") => "https",
            Kind::Http { .. } => "http:https",
            Kind::Ssh => "ssh",
            Kind::Local => "file",
        }
    }
}

fn is_here(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, RemoteError> {
        Address::parse(text, Path::new("/repo"))
    }

    #[test]
    fn addresses_say_how_they_are_reached_and_who_may_be_told_a_login() {
        let known = |text: &str| {
            let address = parse(text).unwrap();
            (address.protocols(), address.origin_for_login().map(str::to_owned))
        };
        let origin = |text: &str| Some(text.to_owned());
        assert_eq!(known("https://a.example/o/r.git"), ("https", origin("https://a.example")));
        assert_eq!(known("HTTPS://A.example:8443/日本"), ("https", origin("https://A.example:8443")));
        assert_eq!(known("http://127.0.0.1:80/r"), ("http:https", origin("http://127.0.0.1:80")));
        assert_eq!(known("http://[::1]:80/r"), ("http:https", origin("http://[::1]:80")));
        assert_eq!(known("http://a.example/r"), ("http:https", None));
        assert_eq!(known("http://127.0.0.1.a.example/r"), ("http:https", None));
        assert_eq!(known("git@a.example:o/r.git"), ("ssh", None));
        assert_eq!(known("ssh://git@a.example/o/r.git"), ("ssh", None));
        assert_eq!(known("file:///srv/r"), ("file", None));
        assert_eq!(known("/srv/a:b"), ("file", None));
        assert_eq!(parse("../r 日本").unwrap().url(), "/repo/../r 日本");
    }

    #[test]
    fn credentials_and_helpers_are_refused_and_not_repeated() {
        for text in [
            "https://user:hunter22@a.example/r",
            "https://hunter22@a.example/r",
            "http://x@y:hunter22@127.0.0.1/r",
            "ssh://git:hunter22@a.example/r",
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, RemoteError::CredentialsInUrl), "{text}");
            let failure = miyabi_core::failure::Failure::from(error);
            assert!(failure.hint.is_some() && !format!("{failure:?}").contains("hunter22"), "{failure:?}");
        }
        for text in [
            "",
            "-x",
            "--upload-pack=x",
            "ext::sh -c true",
            "git://a.example/r",
            "https:///r",
            "a\nb",
            "fd::7",
        ] {
            assert!(matches!(parse(text), Err(RemoteError::Address { .. })), "{text}");
        }
    }
}
