//! What is true of every implementation of a port. `make` gives an empty one for each case.
//!
//! A failing case is named by the function that its panic comes from.

mod deliveries;
mod facts;
mod forge;
mod local;
mod log;
mod runs;
mod stories;
mod survey;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::{Store, StoreError};

pub use self::deliveries::deliveries;
pub use self::facts::facts;
pub use self::forge::{HEAD, Place, forge};
pub use self::local::local_records;
pub use self::log::log;
pub use self::runs::runs;
pub use self::stories::stories;
pub use self::survey::{FILE, Reviewed, survey};

/// Everything that is true of a [`Store`]: [`log`], [`runs`] and [`facts`].
pub async fn store<S: Store + 'static>(make: impl Fn() -> S) {
    log(&make).await;
    runs(&make).await;
    facts(&make).await;
}

/// The failure of an answer that must be one.
#[track_caller]
fn broken<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Failure {
    match answer {
        Err(StoreError::Broken(failure)) => failure,
        other => panic!("expected a failure, not {other:?}"),
    }
}

/// The answer must be refused as something the user cannot ask for, with a hint.
#[track_caller]
fn assert_input<T: std::fmt::Debug>(answer: Result<T, Failure>) {
    match answer {
        Err(failure) => {
            assert_eq!(failure.class, FailureClass::Input, "{failure:?}");
            assert!(failure.hint.is_some(), "{failure:?}");
        }
        other => panic!("expected a failure, not {other:?}"),
    }
}
