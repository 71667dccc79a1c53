//! What is found stands in the right order, and for the right reason.

use miyabi_core::knowledge::RecordKind;

use crate::Given;
use crate::things::{SHOP, any, chunk, mark, names, pointing, put, record, run, search};

fn close(is: f32, wanted: f32, by: f32) -> bool {
    (is - wanted).abs() <= by * wanted.abs()
}

pub(crate) async fn more_of_a_term_counts_more_but_ever_less(shelf: Given) {
    let long = format!("apple {}", "filler ".repeat(300));
    put(&*shelf, "run-1", &["apple pie", "apple apple apple pie", &long, "pear"]).await;
    let found = search(&*shelf, &["apple"], &any()).await;
    assert_eq!(names(&found), ["run-1/plan", "run-1/issue", "run-1/attempt"]);
    let (three, one, hidden) = (found[0].score, found[1].score, found[2].score);
    // How much exactly depends on what a shelf takes for a middling length.
    assert!(1.1 * one < three && three < 2.2 * one, "{three} {one}");
    assert!(0.1 * one < hidden && hidden < 0.7 * one, "{hidden} {one}");
}

pub(crate) async fn a_rare_term_counts_more(shelf: Given) {
    put(&*shelf, "run-1", &["common one", "common two", "common three", "common four", "rare one"]).await;
    let found = search(&*shelf, &["common", "rare"], &any()).await;
    assert_eq!(found[0].record.as_str(), "run-1/answer");
    assert!(found[0].score > 2.0 * found[1].score, "{found:?}");
    assert_eq!(found.len(), 5);
}

pub(crate) async fn weights_count(shelf: Given) {
    put(&*shelf, "run-1", &["apple filler", "filler pear", "apple pear"]).await;
    let weighed = |apple: f32, pear: f32| [("apple".to_owned(), apple), ("pear".to_owned(), pear)];
    let heavy = shelf.lexical(&weighed(3.0, 1.0), &any(), 10).await.unwrap();
    assert_eq!(names(&heavy), ["run-1/attempt", "run-1/issue", "run-1/plan"]);
    let other = shelf.lexical(&weighed(1.0, 3.0), &any(), 10).await.unwrap();
    assert_eq!(names(&other), ["run-1/attempt", "run-1/plan", "run-1/issue"]);
    assert!(close(heavy[1].score, 3.0 * heavy[2].score, 0.01), "{heavy:?}");
    let none = shelf.lexical(&weighed(1.0, 0.0), &any(), 10).await.unwrap();
    assert_eq!(none.len(), 2, "{none:?}");
}

pub(crate) async fn the_nearest_first(shelf: Given) {
    let of = |kind| record("run-1", kind);
    let chunks = [
        pointing(chunk(&of(RecordKind::Issue), 0, "east"), [1.0, 0.0, 0.0, 0.0]),
        pointing(chunk(&of(RecordKind::Plan), 0, "north"), [0.0, 1.0, 0.0, 0.0]),
        pointing(chunk(&of(RecordKind::Attempt), 0, "between"), [1.0, 1.0, 0.0, 0.0]),
        pointing(chunk(&of(RecordKind::Review), 0, "west"), [-1.0, 0.0, 0.0, 0.0]),
        chunk(&of(RecordKind::Answer), 0, "nowhere"),
    ];
    shelf.replace(SHOP, &run("run-1"), mark(1), &chunks).await.unwrap();
    let found = shelf.dense(&[1.0, 0.0, 0.0, 0.0], &any(), 10).await.unwrap();
    assert_eq!(names(&found), ["run-1/issue", "run-1/attempt", "run-1/plan", "run-1/review"]);
    for (hit, cosine) in found.iter().zip([1.0, 0.5_f32.sqrt(), 0.0, -1.0]) {
        assert!((hit.score - cosine).abs() < 1e-4, "{hit:?}");
    }
    let two = shelf.dense(&[0.0, 1.0, 0.0, 0.0], &any(), 2).await.unwrap();
    assert_eq!(names(&two), ["run-1/plan", "run-1/attempt"]);
    let filter = miyabi_core::knowledge::RecordFilter { kinds: vec![RecordKind::Review], ..any() };
    let only = shelf.dense(&[1.0, 0.0, 0.0, 0.0], &filter, 2).await.unwrap();
    assert_eq!(names(&only), ["run-1/review"], "a filter does not make the nearest ones fewer");
}

pub(crate) async fn japanese(shelf: Given) {
    put(&*shelf, "run-1", &["買い物かごがクーポンを忘れる", "在庫の数が合わない", "cart forgets the coupon"])
        .await;
    assert_eq!(names(&search(&*shelf, &["クーポ", "ーポン"], &any()).await), ["run-1/issue"]);
    assert_eq!(names(&search(&*shelf, &["在庫の"], &any()).await), ["run-1/plan"]);
    assert!(search(&*shelf, &["ポンを忘れ"], &any()).await.is_empty(), "terms are compared whole");
}

pub(crate) async fn the_best_are_kept(shelf: Given) {
    for number in 0..5 {
        let text = format!("apple {}", "filler ".repeat(10 * (number + 1)));
        put(&*shelf, &format!("run-{number}"), &[&text]).await;
    }
    let found = shelf.lexical(&[("apple".to_owned(), 1.0)], &any(), 2).await.unwrap();
    assert_eq!(names(&found), ["run-0/issue", "run-1/issue"]);
}
