//! What was received: kept before it is answered, settled when it was handled.

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::delivery::{Delivery, DeliveryKey, Provider, Verdict};
use miyabi_core::failure::Failure;
use miyabi_core::ports::{Deliveries, DeliveryFilter, DeliveryRow, Recorded};
use miyabi_core::trigger::{Matched, RuleNote};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::error::{Doing, Error};
use crate::rows::all;
use crate::store::SqliteStore;
use crate::values::{Count, Json, Time, unknown_word};

#[async_trait]
impl Deliveries for SqliteStore {
    async fn record(&self, delivery: &Delivery) -> Result<Recorded, Failure> {
        let delivery = delivery.clone();
        let columns = Columns::of(&delivery.verdict)?;
        Ok(self.write(move |connection| record(connection, &delivery, &columns)).await?)
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, Failure> {
        let filter = filter.clone();
        Ok(self.read(move |connection| list(connection, &filter)).await?)
    }

    async fn delivery(&self, key: &DeliveryKey) -> Result<Option<Delivery>, Failure> {
        let key = key.clone();
        Ok(self.read(move |connection| find(connection, &key)).await?)
    }

    async fn unhandled(&self, limit: u32) -> Result<Vec<Delivery>, Failure> {
        let sql = "SELECT * FROM deliveries WHERE handled_at IS NULL ORDER BY key LIMIT ?1";
        let list = move |connection: &Connection| {
            all(connection, sql, [limit], delivery).doing("list unhandled deliveries")
        };
        Ok(self.read(list).await?)
    }

    async fn settle(&self, key: &DeliveryKey, verdict: &Verdict, at: Timestamp) -> Result<bool, Failure> {
        let (key, columns) = (key.clone(), Columns::of(verdict)?);
        Ok(self.write(move |connection| settle(connection, &key, &columns, at)).await?)
    }

    async fn note(&self, key: &DeliveryKey, rules: &[RuleNote]) -> Result<(), Failure> {
        let (key, rules) = (key.clone(), rules.to_vec());
        let sql = "UPDATE deliveries SET rules = ?3 WHERE provider = ?1 AND delivery_id = ?2";
        let note = move |connection: &Connection| {
            let noted = connection
                .prepare_cached(sql)
                .and_then(|mut update| update.execute(params![key.provider.as_str(), key.id, Json(&rules)]));
            match noted.doing("note what rules made of a delivery")? {
                0 => Err(Error::NoDelivery(key.clone())),
                _ => Ok(()),
            }
        };
        Ok(self.write(note).await?)
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, Failure> {
        let sql = "DELETE FROM deliveries WHERE handled_at IS NOT NULL AND received_at < ?1";
        let forget = move |connection: &Connection| {
            let gone = connection.prepare_cached(sql).and_then(|mut delete| delete.execute([Time(before)]));
            gone.doing("forget deliveries")
        };
        let gone = self.write(forget).await?;
        Ok(u64::try_from(gone).unwrap_or(u64::MAX))
    }
}

/// A verdict as its columns.
struct Columns {
    verdict: &'static str,
    reason: Option<String>,
    trigger: Option<Json<Box<Matched>>>,
}

impl Columns {
    fn of(verdict: &Verdict) -> Result<Self, Error> {
        let (reason, trigger) = match verdict {
            Verdict::Accepted { trigger } => (None, Some(Json(trigger.clone()))),
            Verdict::Ignored { reason } | Verdict::Rejected { reason } => (Some(reason.clone()), None),
            Verdict::Duplicate => return Err(Error::DuplicateStored),
        };
        Ok(Self { verdict: verdict.as_str(), reason, trigger })
    }

    fn is_open(&self) -> bool {
        self.trigger.is_some()
    }
}

fn record(connection: &Connection, delivery: &Delivery, columns: &Columns) -> Result<Recorded, Error> {
    let Delivery { key, event, action, repo, sent_at, received_at, headers, body, verdict: _, rules } =
        delivery;
    let handled_at = (!columns.is_open()).then_some(Time(*received_at));
    let inserted = connection
        .prepare_cached(
            "INSERT INTO deliveries (provider, delivery_id, event, action, repo, sent_at, received_at, verdict,
                                     reason, trigger, handled_at, bytes, headers, body, rules)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT (provider, delivery_id) DO NOTHING",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                key.provider.as_str(),
                key.id,
                event,
                action,
                repo,
                sent_at.map(Time),
                Time(*received_at),
                columns.verdict,
                columns.reason,
                columns.trigger,
                handled_at,
                Count(u64::try_from(body.len()).unwrap_or(u64::MAX)),
                Json(headers),
                &body[..],
                (!rules.is_empty()).then_some(Json(rules)),
            ])
        })
        .doing("record a delivery")?;
    Ok(if inserted == 0 { Recorded::Duplicate } else { Recorded::New })
}

fn settle(
    connection: &Connection,
    key: &DeliveryKey,
    columns: &Columns,
    at: Timestamp,
) -> Result<bool, Error> {
    let settled = connection
        .prepare_cached(
            "UPDATE deliveries SET verdict = ?3, reason = ?4, trigger = ?5, handled_at = ?6
             WHERE provider = ?1 AND delivery_id = ?2 AND handled_at IS NULL",
        )
        .and_then(|mut update| {
            let Columns { verdict, reason, trigger } = columns;
            update.execute(params![key.provider.as_str(), key.id, verdict, reason, trigger, Time(at)])
        })
        .doing("settle a delivery")?;
    if settled > 0 {
        return Ok(true);
    }
    let known: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM deliveries WHERE provider = ?1 AND delivery_id = ?2)")
        .and_then(|mut select| select.query_row([key.provider.as_str(), &key.id], |row| row.get(0)))
        .doing("look for a delivery")?;
    if known { Ok(false) } else { Err(Error::NoDelivery(key.clone())) }
}

fn find(connection: &Connection, key: &DeliveryKey) -> Result<Option<Delivery>, Error> {
    connection
        .prepare_cached("SELECT * FROM deliveries WHERE provider = ?1 AND delivery_id = ?2")
        .and_then(|mut select| select.query_row([key.provider.as_str(), &key.id], delivery).optional())
        .doing("read a delivery")
}

fn list(connection: &Connection, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, Error> {
    let mut sql = "SELECT provider, delivery_id, event, action, repo, sent_at, received_at, verdict, reason,
                          trigger, handled_at, bytes, rules
                   FROM deliveries WHERE true"
        .to_owned();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    if let Some(provider) = filter.provider {
        sql.push_str(" AND provider = ?");
        values.push(Box::new(provider.as_str()));
    }
    if let Some(repo) = &filter.repo {
        sql.push_str(" AND repo = ?");
        values.push(Box::new(repo.clone()));
    }
    if let Some(verdict) = &filter.verdict {
        sql.push_str(" AND verdict = ?");
        values.push(Box::new(verdict.clone()));
    }
    if filter.unhandled {
        sql.push_str(" AND handled_at IS NULL");
    }
    sql.push_str(" ORDER BY key DESC");
    if let Some(limit) = filter.limit {
        sql.push_str(" LIMIT ?");
        values.push(Box::new(limit));
    }
    all(connection, &sql, rusqlite::params_from_iter(values), listed).doing("list deliveries")
}

fn listed(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        key: key(row)?,
        event: row.get("event")?,
        action: row.get("action")?,
        repo: row.get("repo")?,
        sent_at: row.get::<_, Option<Time>>("sent_at")?.map(|Time(at)| at),
        received_at: row.get::<_, Time>("received_at")?.0,
        bytes: row.get::<_, Count>("bytes")?.0,
        verdict: verdict(row)?,
        handled_at: row.get::<_, Option<Time>>("handled_at")?.map(|Time(at)| at),
        rules: row
            .get::<_, Option<Json<Vec<RuleNote>>>>("rules")?
            .map(|Json(rules)| rules)
            .unwrap_or_default(),
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let DeliveryRow { key, event, action, repo, sent_at, received_at, verdict, rules, .. } = listed(row)?;
    let Json(headers) = row.get("headers")?;
    let body = row.get_ref("body")?.as_blob()?.into();
    Ok(Delivery { key, event, action, repo, sent_at, received_at, headers, body, verdict, rules })
}

fn key(row: &Row<'_>) -> rusqlite::Result<DeliveryKey> {
    let word: String = row.get("provider")?;
    let provider = Provider::parse(&word).ok_or_else(|| unknown_word(&word))?;
    Ok(DeliveryKey { provider, id: row.get("delivery_id")? })
}

fn verdict(row: &Row<'_>) -> rusqlite::Result<Verdict> {
    let word: String = row.get("verdict")?;
    match word.as_str() {
        "accepted" => Ok(Verdict::Accepted { trigger: row.get::<_, Json<_>>("trigger")?.0 }),
        "ignored" => Ok(Verdict::Ignored { reason: row.get("reason")? }),
        "rejected" => Ok(Verdict::Rejected { reason: row.get("reason")? }),
        word => Err(unknown_word(word)),
    }
}
