//! What was received, in a list.

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::delivery::{Delivery, DeliveryKey, Verdict};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::{Deliveries, DeliveryFilter, DeliveryRow, Recorded};
use miyabi_core::trigger::RuleNote;

use super::MemoryStore;

/// A delivery with the time when it was handled.
pub(super) struct Kept {
    delivery: Delivery,
    handled_at: Option<Timestamp>,
}

impl Kept {
    fn row(&self) -> DeliveryRow {
        let Delivery { key, event, action, repo, sent_at, received_at, body, verdict, rules, .. } =
            self.delivery.clone();
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let handled_at = self.handled_at;
        DeliveryRow { key, event, action, repo, sent_at, received_at, bytes, verdict, handled_at, rules }
    }
}

#[async_trait]
impl Deliveries for MemoryStore {
    async fn record(&self, delivery: &Delivery) -> Result<Recorded, Failure> {
        check(&delivery.verdict)?;
        let kept = &mut self.state().deliveries;
        if kept.iter().any(|kept| kept.delivery.key == delivery.key) {
            return Ok(Recorded::Duplicate);
        }
        let handled_at = (!delivery.verdict.is_accepted()).then_some(delivery.received_at);
        kept.push(Kept { delivery: delivery.clone(), handled_at });
        Ok(Recorded::New)
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, Failure> {
        let DeliveryFilter { provider, repo, verdict, unhandled, limit } = filter;
        let wanted = |row: &DeliveryRow| {
            provider.is_none_or(|provider| row.key.provider == provider)
                && repo.as_ref().is_none_or(|repo| row.repo.as_ref() == Some(repo))
                && verdict.as_ref().is_none_or(|word| row.verdict.as_str() == word)
                && (!unhandled || row.handled_at.is_none())
        };
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        Ok(self.state().deliveries.iter().rev().map(Kept::row).filter(wanted).take(limit).collect())
    }

    async fn delivery(&self, key: &DeliveryKey) -> Result<Option<Delivery>, Failure> {
        let state = self.state();
        let mut deliveries = state.deliveries.iter().map(|kept| &kept.delivery);
        Ok(deliveries.find(|delivery| delivery.key == *key).cloned())
    }

    async fn unhandled(&self, limit: u32) -> Result<Vec<Delivery>, Failure> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let state = self.state();
        let open = state.deliveries.iter().filter(|kept| kept.handled_at.is_none());
        Ok(open.take(limit).map(|kept| kept.delivery.clone()).collect())
    }

    async fn settle(&self, key: &DeliveryKey, verdict: &Verdict, at: Timestamp) -> Result<bool, Failure> {
        check(verdict)?;
        let deliveries = &mut self.state().deliveries;
        let Some(kept) = deliveries.iter_mut().find(|kept| kept.delivery.key == *key) else {
            return Err(none(key));
        };
        if kept.handled_at.is_some() {
            return Ok(false);
        }
        kept.delivery.verdict = verdict.clone();
        kept.handled_at = Some(at);
        Ok(true)
    }

    async fn note(&self, key: &DeliveryKey, rules: &[RuleNote]) -> Result<(), Failure> {
        let deliveries = &mut self.state().deliveries;
        let Some(kept) = deliveries.iter_mut().find(|kept| kept.delivery.key == *key) else {
            return Err(none(key));
        };
        kept.delivery.rules = rules.to_vec();
        Ok(())
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, Failure> {
        let deliveries = &mut self.state().deliveries;
        let length = deliveries.len();
        deliveries.retain(|kept| kept.handled_at.is_none() || kept.delivery.received_at >= before);
        Ok(u64::try_from(length - deliveries.len()).unwrap_or(u64::MAX))
    }
}

fn none(key: &DeliveryKey) -> Failure {
    Failure::new(FailureClass::Input, format!("find delivery `{key}`: there is none"))
        .hint("it was never received here, or it is forgotten")
}

fn check(verdict: &Verdict) -> Result<(), Failure> {
    match verdict {
        Verdict::Duplicate => {
            let message = "keep a delivery as a duplicate: only the first one is kept";
            Err(Failure::new(FailureClass::Internal, message).hint("this is a bug of miyabi"))
        }
        Verdict::Accepted { .. } | Verdict::Ignored { .. } | Verdict::Rejected { .. } => Ok(()),
    }
}
