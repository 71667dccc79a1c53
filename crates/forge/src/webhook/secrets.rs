//! Shared secrets: of webhooks, and tokens that are given like them.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The secrets that count for one purpose; several while one takes the place of another. Shows nothing of them.
#[derive(Clone, Default)]
pub struct Secrets(Vec<Box<[u8]>>);

impl Secrets {
    /// Reads secrets that are separated by commas; white space around them and empty ones do not count.
    pub fn parse(list: &str) -> Self {
        let secrets = list.split(',').map(str::trim).filter(|secret| !secret.is_empty());
        Self(secrets.map(|secret| secret.as_bytes().into()).collect())
    }

    /// Whether there is none, so that nobody can be told to be genuine.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is one of them. How long it takes says nothing about how much of it was right.
    pub fn contains(&self, given: &[u8]) -> bool {
        // Digests are of one length, so that the lengths of the secrets stay unknown, too.
        let given = Sha256::digest(given);
        self.any(|secret| Sha256::digest(secret).ct_eq(&given))
    }

    /// Tries every secret, whichever fits.
    pub(super) fn any(&self, fits: impl Fn(&[u8]) -> Choice) -> bool {
        self.0.iter().fold(Choice::from(0), |found, secret| found | fits(secret)).into()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_separated_by_commas_and_never_shown() {
        let secrets = Secrets::parse(" old ,, 新しい鍵,");
        assert!(secrets.contains(b"old") && secrets.contains("新しい鍵".as_bytes()));
        for wrong in ["", "ol", "old ", "Old", "old,新しい鍵"] {
            assert!(!secrets.contains(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{secrets:?}"), "Secrets(2 hidden)");
        assert!(Secrets::parse(" , ").is_empty() && Secrets::default().is_empty());
        assert!(!Secrets::default().contains(b""));
    }
}
