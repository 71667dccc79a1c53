//! How a GitHub App says who it is: a JSON web token, signed with RS256 by its private key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{App, GitHubError};

/// How far clocks may differ, in seconds.
const SKEW: i64 = 60;
/// How long a token is valid, in seconds; GitHub takes at most ten minutes.
const LIFE: i64 = 480;

/// A GitHub App that can sign.
pub(super) struct Signer {
    id: u64,
    key: RsaKeyPair,
}

impl Signer {
    /// Reads the App's private key, PKCS#1 as GitHub gives it out, or PKCS#8. Errors: `BadKey`.
    pub(super) fn new(app: &App) -> Result<Self, GitHubError> {
        let bad = |why: String| GitHubError::BadKey { why };
        let pem = app.private_key.expose_secret();
        let der =
            PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| bad("it is not PEM".to_owned()))?;
        let key = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(bad("it is not an RSA key".to_owned())),
        };
        Ok(Self { id: app.id, key: key.map_err(|rejected| bad(rejected.to_string()))? })
    }

    /// The App's id.
    pub(super) fn app(&self) -> u64 {
        self.id
    }

    /// A token that is valid for some minutes from `now` on. Errors: `Sign`.
    pub(super) fn token(&self, now: Timestamp) -> Result<SecretString, GitHubError> {
        let now = now.as_second();
        let claims = json!({ "iat": now - SKEW, "exp": now + LIFE, "iss": self.id.to_string() });
        let header = json!({ "alg": "RS256", "typ": "JWT" });
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed =
            format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| GitHubError::Sign(self.id))?;
        Ok(format!("{signed}.{}", encode(&signature)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_none_are_told_and_not_shown() {
        let read = |pem: &str| {
            let app = App { id: 7, private_key: pem.into(), installation: None };
            Signer::new(&app).err().map(|error| error.to_string())
        };
        let told = |why: &str| Some(format!("read the private key of the GitHub App: {why}"));
        assert_eq!(read(""), told("it is not PEM"));
        assert_eq!(read("秘密鍵"), told("it is not PEM"));
        let rsa = ["-----BEGIN RSA PRIVATE KEY-----", "AAAA", "-----END RSA PRIVATE KEY-----"].join("\n");
        assert_eq!(read(&rsa), told("InvalidEncoding"));
        let elliptic = ["-----BEGIN EC PRIVATE KEY-----", "AAAA", "-----END EC PRIVATE KEY-----"].join("\n");
        assert_eq!(read(&elliptic), told("it is not an RSA key"));
    }
}
