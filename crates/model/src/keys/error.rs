//! Why no key could be lent.

use miyabi_core::failure::{Failure, FailureClass};

/// Why no key could be lent. Names variables, and says nothing of what stands in them.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// What stands in a variable cannot be sent as a key.
    #[error("`{0}` is no key: it holds something else than visible ASCII characters")]
    Key(&'static str),
    /// What stands in a variable is no address of a service.
    #[error("`{variable}` is no address of a service: {why}")]
    Base {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The machine's certificates cannot be read.
    #[error("prepare connections to models")]
    Certificates(#[source] std::io::Error),
    /// The machine gives no port.
    #[error("listen for programs that ask models")]
    Listen(#[source] std::io::Error),
    /// The machine gives no random numbers.
    #[error("make a token: this machine gives no random numbers")]
    Chance,
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        let class = match &error {
            KeysError::Key(_) | KeysError::Base { .. } => FailureClass::Input,
            KeysError::Certificates(_) | KeysError::Listen(_) | KeysError::Chance => {
                FailureClass::Unavailable
            }
        };
        let failure = Failure::caused(class, &error);
        match error {
            KeysError::Base { .. } => {
                failure.hint("such as https://gateway.example/v1, or http://127.0.0.1:11434/v1")
            }
            KeysError::Key(_) => {
                failure.hint("set it to the key as its provider shows it, without blanks or line ends")
            }
            KeysError::Certificates(_) => failure.hint("install them (package `ca-certificates`)"),
            KeysError::Listen(_) | KeysError::Chance => {
                failure.hint("set `agent.lend_keys = false` to give agents the keys themselves")
            }
        }
    }
}
