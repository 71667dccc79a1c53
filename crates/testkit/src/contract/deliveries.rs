//! What was received.

use std::sync::Arc;

use miyabi_core::delivery::{Delivery, DeliveryKey, Provider, Verdict};
use miyabi_core::failure::FailureClass;
use miyabi_core::ports::{Deliveries, DeliveryFilter, DeliveryRow, Recorded};
use miyabi_core::trigger::{RuleNote, RuleOutcome};
use tokio::task::JoinSet;

use super::assert_input;
use crate::fixtures::{at, delivery, matched};

/// What is true of every [`Deliveries`].
pub async fn deliveries<D: Deliveries + 'static>(make: impl Fn() -> D) {
    a_delivery_comes_back_byte_for_byte(&make()).await;
    what_was_never_received_is_none(&make()).await;
    the_first_of_the_same_key_stays(&make()).await;
    many_at_once_are_one(make()).await;
    only_what_is_accepted_is_unhandled(&make()).await;
    what_is_settled_is_handled_once(&make()).await;
    what_rules_made_of_it_is_noted(&make()).await;
    lists_are_filtered_and_newest_first(&make()).await;
    what_is_handled_can_be_forgotten(&make()).await;
    a_duplicate_is_no_verdict_to_keep(&make()).await;
}

async fn record(deliveries: &impl Deliveries, delivery: &Delivery) -> Recorded {
    deliveries.record(delivery).await.expect("the delivery is kept")
}

async fn list(deliveries: &impl Deliveries, filter: DeliveryFilter) -> Vec<DeliveryRow> {
    deliveries.deliveries(&filter).await.expect("deliveries can be listed")
}

async fn unhandled(deliveries: &impl Deliveries, limit: u32) -> Vec<Delivery> {
    deliveries.unhandled(limit).await.expect("deliveries can be listed")
}

fn ids(rows: &[DeliveryRow]) -> Vec<&str> {
    rows.iter().map(|row| row.key.id.as_str()).collect()
}

async fn a_delivery_comes_back_byte_for_byte(deliveries: &impl Deliveries) {
    let strange = "'; DROP TABLE deliveries; -- \"日本語\" $(reboot) ${HOME}\r\n\u{0}🔐";
    let small = Delivery {
        event: strange.to_owned(),
        action: Some(strange.to_owned()),
        repo: Some(strange.to_owned()),
        sent_at: Some("2026-01-05T08:59:59.123456789Z".parse().expect("a time")),
        headers: [("x-github-event".to_owned(), strange.to_owned())].into(),
        body: Arc::from(&b"{\"a\": \"\xff\xfe\x00\"}"[..]),
        verdict: Verdict::rejected(strange),
        ..delivery(strange)
    };
    let large = Delivery { body: vec![0x5b; 26 * 1024 * 1024].into(), ..delivery("large") };
    let least = Delivery {
        action: None,
        repo: None,
        sent_at: None,
        headers: [].into(),
        body: Arc::from([]),
        rules: Vec::new(),
        ..delivery("least")
    };
    for delivery in [small, large, least] {
        assert_eq!(record(deliveries, &delivery).await, Recorded::New);
        let back = deliveries.delivery(&delivery.key).await.expect("it can be read");
        // Not by `assert_eq`, which would print megabytes.
        assert!(back.as_ref() == Some(&delivery), "{:?} came back as {back:?}", delivery.key);
    }
    let bytes: Vec<u64> =
        list(deliveries, DeliveryFilter::default()).await.iter().map(|row| row.bytes).collect();
    assert_eq!(bytes, [0, 26 * 1024 * 1024, 12]);
}

async fn what_was_never_received_is_none(deliveries: &impl Deliveries) {
    let key = DeliveryKey::new(Provider::Github, "無い");
    assert_eq!(deliveries.delivery(&key).await, Ok(None));
    assert_eq!(list(deliveries, DeliveryFilter::default()).await, []);
    assert_eq!(unhandled(deliveries, 9).await, []);
    assert_input(deliveries.settle(&key, &Verdict::ignored("x"), at(0)).await);
    assert_eq!(deliveries.forget(at(9)).await, Ok(0));
}

async fn the_first_of_the_same_key_stays(deliveries: &impl Deliveries) {
    let first = delivery("1");
    assert_eq!(record(deliveries, &first).await, Recorded::New);
    let second = Delivery {
        event: "push".to_owned(),
        received_at: at(9),
        body: Arc::from(&b"{}"[..]),
        verdict: Verdict::ignored("another"),
        ..first.clone()
    };
    assert_eq!(record(deliveries, &second).await, Recorded::Duplicate);
    assert_eq!(deliveries.delivery(&first.key).await, Ok(Some(first)));
    // The same name from another provider is another delivery.
    let other = Delivery { key: DeliveryKey::new(Provider::Gitlab, "1"), ..second };
    assert_eq!(record(deliveries, &other).await, Recorded::New);
    assert_eq!(deliveries.delivery(&other.key).await, Ok(Some(other)));
}

async fn many_at_once_are_one(deliveries: impl Deliveries + 'static) {
    let deliveries = Arc::new(deliveries);
    let mut senders = JoinSet::new();
    for n in 0..64 {
        let deliveries = Arc::clone(&deliveries);
        senders.spawn(async move { record(&*deliveries, &delivery(&(n % 8).to_string())).await });
    }
    let answers = senders.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Recorded::New).count(), 8);
    assert_eq!(list(&*deliveries, DeliveryFilter::default()).await.len(), 8);
}

async fn only_what_is_accepted_is_unhandled(deliveries: &impl Deliveries) {
    let ignored = Delivery { verdict: Verdict::ignored("nothing asked"), ..delivery("ignored") };
    let rejected = Delivery { verdict: Verdict::rejected("not allowed"), ..delivery("rejected") };
    let (first, second) = (delivery("first"), delivery("second"));
    for delivery in [&ignored, &first, &rejected, &second] {
        record(deliveries, delivery).await;
    }
    assert_eq!(unhandled(deliveries, 9).await, [first.clone(), second]);
    assert_eq!(unhandled(deliveries, 1).await, [first]);
    assert_eq!(unhandled(deliveries, 0).await, []);
    let handled: Vec<_> =
        list(deliveries, DeliveryFilter::default()).await.into_iter().map(|row| row.handled_at).collect();
    assert_eq!(handled, [None, Some(at(0)), None, Some(at(0))]);
}

async fn what_is_settled_is_handled_once(deliveries: &impl Deliveries) {
    let first = delivery("1");
    record(deliveries, &first).await;
    let refused = Verdict::rejected("`alice` may only read");
    assert_eq!(deliveries.settle(&first.key, &refused, at(5)).await, Ok(true));
    assert_eq!(unhandled(deliveries, 9).await, []);
    let settled = Delivery { verdict: refused.clone(), ..first.clone() };
    assert_eq!(deliveries.delivery(&first.key).await, Ok(Some(settled.clone())));
    let late = Verdict::Accepted { trigger: Box::new(matched(500)) };
    assert_eq!(deliveries.settle(&first.key, &late, at(6)).await, Ok(false));
    assert_eq!(deliveries.delivery(&first.key).await, Ok(Some(settled)));
    let rows = list(deliveries, DeliveryFilter::default()).await;
    assert_eq!((&rows[0].verdict, rows[0].handled_at), (&refused, Some(at(5))));
    assert_eq!(record(deliveries, &first).await, Recorded::Duplicate);

    record(deliveries, &delivery("2")).await;
    assert_eq!(deliveries.settle(&delivery("2").key, &late, at(7)).await, Ok(true));
    assert_eq!(unhandled(deliveries, 9).await, []);
}

async fn what_rules_made_of_it_is_noted(deliveries: &impl Deliveries) {
    let first = delivery("1");
    record(deliveries, &first).await;
    let mut began = RuleNote::new("確認", RuleOutcome::Match, "began run 4");
    began.run = Some(4);
    let notes = vec![began, RuleNote::new("other", RuleOutcome::Skip, "label `x` is missing")];
    assert_eq!(deliveries.note(&first.key, &notes).await, Ok(()));
    let noted = Delivery { rules: notes.clone(), ..first.clone() };
    assert!(unhandled(deliveries, 9).await.contains(&noted), "that is not its end");
    let ignored = Verdict::ignored("nothing fits");
    assert_eq!(deliveries.settle(&first.key, &ignored, at(5)).await, Ok(true));
    let settled = Delivery { verdict: ignored, ..noted };
    assert_eq!(deliveries.delivery(&first.key).await, Ok(Some(settled)));
    assert_eq!(list(deliveries, DeliveryFilter::default()).await[0].rules, notes);
    let unknown = DeliveryKey::new(Provider::Github, "無い");
    let failure = deliveries.note(&unknown, &notes).await.expect_err("there is none");
    assert_eq!(failure.class, FailureClass::Input);
}

async fn lists_are_filtered_and_newest_first(deliveries: &impl Deliveries) {
    let ignored = Verdict::ignored("nothing asked");
    let all = [
        delivery("1"),
        Delivery { verdict: ignored.clone(), ..delivery("2") },
        Delivery { repo: Some("acme/その他".to_owned()), ..delivery("3") },
        Delivery { key: DeliveryKey::new(Provider::Ci, "4"), verdict: ignored, ..delivery("4") },
    ];
    for delivery in &all {
        record(deliveries, delivery).await;
    }
    let filter = DeliveryFilter::default;
    let cases = [
        (filter(), vec!["4", "3", "2", "1"]),
        (DeliveryFilter { provider: Some(Provider::Ci), ..filter() }, vec!["4"]),
        (DeliveryFilter { repo: Some("acme/その他".to_owned()), ..filter() }, vec!["3"]),
        (DeliveryFilter { verdict: Some("ignored".to_owned()), ..filter() }, vec!["4", "2"]),
        (DeliveryFilter { verdict: Some("' OR true --".to_owned()), ..filter() }, vec![]),
        (DeliveryFilter { unhandled: true, ..filter() }, vec!["3", "1"]),
        (DeliveryFilter { unhandled: true, limit: Some(1), ..filter() }, vec!["3"]),
        (DeliveryFilter { limit: Some(u32::MAX), ..filter() }, vec!["4", "3", "2", "1"]),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(&list(deliveries, filter.clone()).await), expected, "{filter:?}");
    }
}

async fn what_is_handled_can_be_forgotten(deliveries: &impl Deliveries) {
    let ignored = |id: &str, seconds| Delivery {
        verdict: Verdict::ignored("x"),
        received_at: at(seconds),
        ..delivery(id)
    };
    for delivery in [ignored("old", 1), delivery("open"), ignored("new", 5)] {
        record(deliveries, &delivery).await;
    }
    assert_eq!(deliveries.forget(at(5)).await, Ok(1));
    assert_eq!(ids(&list(deliveries, DeliveryFilter::default()).await), ["new", "open"]);
    assert_eq!(record(deliveries, &ignored("old", 9)).await, Recorded::New);
}

async fn a_duplicate_is_no_verdict_to_keep(deliveries: &impl Deliveries) {
    let duplicate = Delivery { verdict: Verdict::Duplicate, ..delivery("1") };
    let refused = deliveries.record(&duplicate).await.map_err(|failure| failure.class);
    assert_eq!(refused, Err(FailureClass::Internal));
    record(deliveries, &delivery("1")).await;
    let refused = deliveries.settle(&duplicate.key, &Verdict::Duplicate, at(0)).await;
    assert_eq!(refused.map_err(|failure| failure.class), Err(FailureClass::Internal));
    assert_eq!(unhandled(deliveries, 9).await, [delivery("1")]);
}
