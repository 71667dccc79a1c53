//! Whether a delivery is genuine: over the raw bytes, before anything of them is understood, in constant time.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use miyabi_core::delivery::Provider;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::Secrets;

/// The header with the signature of GitHub; CI signs in the same way.
const SIGNATURE: &str = "x-hub-signature-256";
/// The header with GitLab's token.
const TOKEN: &str = "x-gitlab-token";

/// Why a delivery is not known to be genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing to compare with.
    #[error("no webhook secret is set for {0}")]
    NotConfigured(Provider),
    /// The header that proves it.
    #[error("header `{0}` is missing")]
    Missing(&'static str),
    /// It is there more than once: which one counts would be a guess.
    #[error("header `{0}` is there more than once")]
    Repeated(&'static str),
    /// It is there, and not what it should be.
    #[error("header `{0}` is not a signature")]
    NotASignature(&'static str),
    /// It belongs to another body or another secret.
    #[error("header `{0}` does not fit")]
    Wrong(&'static str),
}

impl Refusal {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotConfigured(_) => "not_configured",
            Self::Missing(_) => "missing",
            Self::Repeated(_) => "repeated",
            Self::NotASignature(_) => "not_a_signature",
            Self::Wrong(_) => "wrong",
        }
    }
}

/// Checks that the sender knows one of the secrets: HMAC-SHA256 over the body for GitHub and CI, the token for
/// GitLab. How long it takes says nothing about how much of it was right, nor about which secret fits.
pub fn verify(
    provider: Provider,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &Secrets,
) -> Result<(), Refusal> {
    if secrets.is_empty() {
        return Err(Refusal::NotConfigured(provider));
    }
    let name = match provider {
        Provider::Github | Provider::Ci => SIGNATURE,
        Provider::Gitlab => TOKEN,
    };
    let mut values = headers.get_all(name).iter();
    let given = values.next().ok_or(Refusal::Missing(name))?.as_bytes();
    if values.next().is_some() {
        return Err(Refusal::Repeated(name));
    }
    let fits = match provider {
        Provider::Github | Provider::Ci => {
            let signature = signature(given).ok_or(Refusal::NotASignature(name))?;
            secrets.any(|secret| hmac(secret, body).ct_eq(&signature))
        }
        Provider::Gitlab => secrets.contains(given),
    };
    if fits { Ok(()) } else { Err(Refusal::Wrong(name)) }
}

fn hmac(secret: &[u8], body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of HMAC may have any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// The bytes of `sha256=` and 64 hexadecimal digits.
fn signature(given: &[u8]) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = given.strip_prefix(b"sha256=")?.try_into().ok()?;
    let mut bytes = [0; 32];
    let (pairs, _) = digits.as_chunks::<2>();
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
