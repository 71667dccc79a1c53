//! What every shelf does, asked of each of them, and what one on a server does besides.
//!
//! `QDRANT_URL` (and `QDRANT_API_KEY`) have the suite run on a real server as well, in collections that are deleted
//! afterwards.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "contract/filters.rs"]
mod filters;
#[path = "contract/keeping.rs"]
mod keeping;
#[path = "contract/local.rs"]
mod local;
#[path = "contract/qdrant.rs"]
mod qdrant;
#[path = "contract/ranking.rs"]
mod ranking;
#[path = "contract/stand_in.rs"]
mod stand_in;
#[path = "contract/things.rs"]
mod things;

use miyabi_core::ports::Maker;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use miyabi_retrieval::Shelf;

/// What a case is given: an empty shelf of its own, for vectors of four numbers.
type Given = Arc<dyn Shelf>;
/// A case, with its name.
type Case = (&'static str, fn(Given) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// What shelves are opened with.
fn maker() -> Maker {
    Maker { name: "four axes".to_owned(), dimensions: 4 }
}

macro_rules! cases {
    ($($room:ident::{$($case:ident),* $(,)?}),* $(,)?) => {
        /// Everything that a shelf has to do.
        fn cases() -> Vec<Case> {
            vec![$($((stringify!($case), |shelf| Box::pin($room::$case(shelf)))),*),*]
        }
    };
}

cases! {
    keeping::{
        what_is_put_is_found, old_parts_go, marks_say_how_much_is_here, a_run_goes_with_its_repo, vectors_are_found_by_content,
        twice_is_once, a_repo_is_forgotten, what_is_here_is_counted, nothing_is_asked, five_megabytes,
        odd_characters, many_runs_at_once, several_runs_go_together,
    },
    ranking::{
        more_of_a_term_counts_more_but_ever_less, a_rare_term_counts_more, weights_count,
        the_nearest_first, japanese, the_best_are_kept,
    },
    filters::{each_filter_holds, patterns_of_repos, ids_in_order, records_that_were_given},
}

/// Runs every case on a shelf of its own, and says which failed.
async fn check<F: Future<Output = Given>>(open: impl Fn(&'static str) -> F) {
    let mut failed = Vec::new();
    for (name, case) in cases() {
        let shelf = open(name).await;
        if let Err(error) = tokio::spawn(case(shelf)).await {
            failed.push(format!("{name}: {error}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shelf_on_the_stand_in_of_qdrant_keeps_the_contract() {
    let Some(server) = stand_in::Server::start(&[]) else { return };
    check(|name| async { stand_in::open(server.settings(name, Some(maker()))).await.unwrap() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shelf_on_a_real_qdrant_keeps_the_contract() {
    let Some(real) = stand_in::Real::named() else { return };
    check(|name| async { stand_in::open(real.settings(name, Some(maker()))).await.unwrap() }).await;
    real.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shelf_in_a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name| {
        let shelf = miyabi_retrieval::LocalShelf::open(&folder.path().join(name), Some(&maker())).unwrap();
        async move { Arc::new(shelf) as Given }
    };
    check(open).await;
}
