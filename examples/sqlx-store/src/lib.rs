//! A host's own store: its table of events stays where it is and as it is, calsync's rows lie beside it, and both change in
//! one transaction.
//!
//! The application of this example books meeting rooms. It had a table `events` with a title, a start and what is to eat;
//! `schema.sql` shows what was added. `write.rs` is the one way to write, this file reads. The promises it has to keep are in
//! `docs/store-contract.md`; `tests/sqlx_store.rs` runs the suite that checks them.
//!
//! It is meant to be read, and does one thing simply where `calsync-stores` does it fast: one writer at a time. It serves one
//! tenant; a host with more puts the tenant first in every key, and runs `tenant_conformance!` too.

mod lease;
mod row;
mod write;

use std::collections::BTreeSet;

use async_trait::async_trait;
use calsync_core::{
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, OutboxEntry, OutboxId, Record, RecordKind, RecordQuery, Result, Revision,
        Store, StoreError, StoreErrorKind,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use crate::row::{failed, from_json, kind_name, limited, signed};

/// Makes the tables. A host runs it as one of its migrations.
pub const SCHEMA: &str = include_str!("schema.sql");

/// The store over the host's pool.
#[derive(Clone, Debug)]
pub struct HostStore {
    pool: PgPool,
}

impl HostStore {
    /// A store on a database that has the tables of [`SCHEMA`].
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Writes a batch inside a transaction of the host, beside its own statements: all of it is seen when that commits. The
    /// transaction has to be `READ COMMITTED`: another one goes on seeing what was there when it began, whoever wrote since.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidInput`] in a transaction that is not `READ COMMITTED`; else as for [`Store::commit`]. The transaction must be rolled back then: part of the batch may be written in it.
    pub async fn commit_in(transaction: &mut PgConnection, batch: &Batch) -> Result<CommitReceipt> {
        let isolation: String = sqlx::query_scalar("SELECT current_setting('transaction_isolation')")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("commit"))?;
        if isolation != "read committed" {
            let why = format!("the transaction is {isolation}, and has to be read committed");
            return Err(StoreError::new(StoreErrorKind::InvalidInput, "commit").with_source(why));
        }
        write::commit(transaction, batch).await
    }
}

/// Every read is one statement, so that its answer is of one moment.
#[async_trait]
impl Store for HostStore {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        let rows =
            sqlx::query("SELECT json FROM calsync_rows WHERE kind = 'calendar' AND owner = '' ORDER BY id")
                .fetch_all(&self.pool)
                .await
                .map_err(failed("calendars"))?;
        rows.iter().map(|row| from_json("calendars", row, 0)).collect()
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        let ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
        let rows = sqlx::query(
            "SELECT id, revision, modified, deleted, event FROM events WHERE calendar = $1 AND id = ANY($2)",
        )
        .bind(calendar.as_str())
        .bind(ids)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("events"))?;
        rows.iter().map(|row| row::event("events", row)).collect()
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        let uids: BTreeSet<&str> = uids.iter().copied().collect();
        let uids: Vec<Vec<u8>> = uids.into_iter().map(|uid| uid.as_bytes().to_vec()).collect();
        let rows = sqlx::query(
            "SELECT id, revision, modified, deleted, event FROM events WHERE calendar = $1 AND uid = ANY($2)",
        )
        .bind(calendar.as_str())
        .bind(uids)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("events_by_uid"))?;
        rows.iter().map(|row| row::event("events_by_uid", row)).collect()
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        let rows = sqlx::query(
            "SELECT id, revision, modified, deleted, event FROM events \
             WHERE calendar = $1 AND revision > $2 ORDER BY revision LIMIT $3",
        )
        .bind(calendar.as_str())
        .bind(signed(after.0))
        .bind(limited(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("events_since"))?;
        rows.iter().map(|row| row::event("events_since", row)).collect()
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        let row = sqlx::query(
            "SELECT json, generation FROM calsync_rows WHERE kind = 'link' AND owner = '' AND id = $1",
        )
        .bind(link.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("link"))?;
        let Some(row) = row else { return Ok(None) };
        let generation = row::unsigned("link", &row, 1)?;
        Ok(Some(LinkState { generation, ..from_json("link", &row, 0)? }))
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        let (sql, keys): (&'static str, Vec<String>) = match query {
            BaseQuery::Remote(ids) => (
                "SELECT json FROM calsync_rows WHERE kind = 'base' AND owner = $1 AND id = ANY($2)",
                ids.iter().map(RemoteId::to_string).collect(),
            ),
            BaseQuery::Events(ids) => (
                "SELECT json FROM calsync_rows WHERE kind = 'base' AND owner = $1 AND event = ANY($2)",
                ids.iter().map(EventId::to_string).collect(),
            ),
        };
        let rows = sqlx::query(sql)
            .bind(link.as_str())
            .bind(keys)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("bases"))?;
        rows.iter().map(|row| from_json("bases", row, 0)).collect()
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        let rows = sqlx::query(
            "SELECT id, event, version FROM calsync_rows WHERE kind = 'base' AND owner = $1 \
             AND id >= coalesce($2, '') AND id IS DISTINCT FROM $2 ORDER BY id LIMIT $3",
        )
        .bind(link.as_str())
        .bind(after.map(RemoteId::as_str))
        .bind(limited(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("base_summaries"))?;
        rows.iter().map(|row| row::base_summary("base_summaries", row)).collect()
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        let rows = sqlx::query(
            "SELECT json FROM calsync_rows WHERE kind = 'outbox' AND owner = $1 \
             AND id >= coalesce($2, '') AND id IS DISTINCT FROM $2 ORDER BY id LIMIT $3",
        )
        .bind(link.as_str())
        .bind(after.map(|id| id.0.as_str()))
        .bind(limited(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("outbox"))?;
        rows.iter().map(|row| from_json("outbox", row, 0)).collect()
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        // The filters are for the two lists that have such columns.
        let filtered = matches!(query.kind, RecordKind::Conflict | RecordKind::Journal);
        let rows = sqlx::query(
            "SELECT json FROM calsync_rows WHERE kind = $1 AND owner = $2 \
             AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
             AND ($4::text IS NULL OR event = $4) AND ($5::text IS NULL OR run = $5) ORDER BY id LIMIT $6",
        )
        .bind(kind_name(query.kind))
        .bind(query.link.as_str())
        .bind(query.after)
        .bind(query.event.filter(|_| filtered).map(EventId::as_str))
        .bind(query.run.filter(|_| filtered).map(|run| run.as_str()))
        .bind(limited(query.limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("records"))?;
        let records = rows.iter().map(|row| {
            Ok(match query.kind {
                RecordKind::Conflict => Record::Conflict(from_json("records", row, 0)?),
                RecordKind::Quarantine => Record::Quarantine(from_json("records", row, 0)?),
                RecordKind::Run => Record::Run(from_json("records", row, 0)?),
                RecordKind::Journal => Record::Journal(from_json("records", row, 0)?),
            })
        });
        records.collect()
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        let rows = match query {
            DocQuery::Keys(keys) => {
                let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
                sqlx::query(
                    "SELECT key, version, due, value FROM calsync_docs WHERE space = $1 AND key = ANY($2)",
                )
                .bind(space)
                .bind(keys)
                .fetch_all(&self.pool)
                .await
            }
            DocQuery::Page { after, limit } => {
                sqlx::query(
                    "SELECT key, version, due, value FROM calsync_docs WHERE space = $1 \
                     AND key >= coalesce($2, '') AND key IS DISTINCT FROM $2 ORDER BY key LIMIT $3",
                )
                .bind(space)
                .bind(after)
                .bind(limited(limit))
                .fetch_all(&self.pool)
                .await
            }
            DocQuery::Due { at, limit } => {
                sqlx::query(
                    "SELECT key, version, due, value FROM calsync_docs WHERE space = $1 AND due <= $2 \
                     ORDER BY due, key LIMIT $3",
                )
                .bind(space)
                .bind(at.timestamp_micros())
                .bind(limited(limit))
                .fetch_all(&self.pool)
                .await
            }
        };
        rows.map_err(failed("docs"))?.iter().map(|row| row::doc("docs", row, space)).collect()
    }

    /// One transaction. Dropping the future rolls it back, or the commit was already on its way: never half of it.
    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        let mut transaction = self.pool.begin().await.map_err(failed("commit"))?;
        let receipt = write::commit(&mut transaction, &batch).await?;
        transaction.commit().await.map_err(failed("commit"))?;
        Ok(receipt)
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        let mut transaction = self.pool.begin().await.map_err(failed("acquire_lease"))?;
        let grant = lease::acquire(&mut transaction, name, holder, now, ttl).await?;
        transaction.commit().await.map_err(failed("acquire_lease"))?;
        Ok(grant)
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        lease::release(&self.pool, "release_lease", token).await
    }
}

/// Lets one writer in at a time, until its transaction ends; readers go on. With that, what is checked still holds when it is
/// written, also what is *not* there (promises 1 to 3), and revisions become visible in their order (5). Taken before
/// anything is read: a statement after it sees what the writer before committed.
async fn lock(transaction: &mut PgConnection, operation: &'static str) -> Result<()> {
    sqlx::query("LOCK TABLE calsync_revisions IN EXCLUSIVE MODE")
        .execute(transaction)
        .await
        .map_err(failed(operation))?;
    Ok(())
}
