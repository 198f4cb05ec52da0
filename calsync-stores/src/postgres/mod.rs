//! For hosts with many workers, or with a PostgreSQL of their own: a schema in it. PostgreSQL 13 or newer.
//!
//! In: the calls of [`Store`]. Out: rows of one schema. See `docs/adr/0012-postgres.md` for why it is built like this.
//!
//! ```no_run
//! use calsync_core::store::Store;
//! use calsync_stores::postgres::{PostgresConfig, PostgresStore};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::connect("postgres://sync@127.0.0.1/calendars", PostgresConfig::default()).await?;
//! let of_acme = store.tenant("acme");
//! println!("{} calendars", of_acme.calendars().await?.len());
//! # Ok(())
//! # }
//! ```

mod checks;
mod claims;
mod config;
mod error;
mod feeds;
mod leases;
mod listen;
mod migrations;
mod open;
mod opening;
mod plan;
mod reads;
mod rows;
mod session;
mod sql;
#[cfg(test)]
mod tests;
mod wakes;
mod writes;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use calsync_core::{
    feed::{Bell, EventSeq, FeedPage},
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, NotedPairs, Opened, Opening, OutboxEntry, OutboxId, Pairs, Record,
        RecordQuery, Result, Revision, Store, Waiting,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

/// The pool, and in it the client: a host that makes its own uses this version of them.
pub use deadpool_postgres;
use deadpool_postgres::{Pool, tokio_postgres};

use self::sql::Sql;
pub use self::{
    claims::TenantClaims,
    config::{PostgresConfig, WakeUps},
    error::PostgresError,
    listen::{Listener, Wake},
    wakes::PostgresWakes,
};

/// What all handles on one database share.
struct Shared {
    pool: Pool,
    sql: Sql,
    config: PostgresConfig,
}

/// A store in a PostgreSQL database: one tenant's handle on it.
///
/// - A read is one round trip, a commit two, however many rows they touch.
/// - Dropping the future of a call is safe: the call is done whole or not at all.
/// - A commit that loses to another one (a serialization failure, a deadlock) is begun again, and fails with
///   [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable) after five times.
/// - The key of a row, tenant included, is at most some 2,600 bytes, and holds no NUL;
///   [`StoreErrorKind::InvalidInput`](calsync_core::store::StoreErrorKind::InvalidInput) says so. UIDs, versions and
///   payloads have neither limit.
/// - Instants of rows are kept to the microsecond, whatever the zone of server and session, from 4713 BC on.
/// - Statements are prepared once per connection: a pooler between that hands each transaction to another connection
///   must know about prepared statements.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
    tenant: Arc<str>,
    /// Rings for this tenant's feeds, on every handle on the pool.
    bell: Bell,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.shared.config.schema)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects with a pool of its own, without TLS, and brings the schema up to date; the handle is of the tenant `""`.
    ///
    /// `url` is a connection string as of libpq, `postgres://user:password@host:port/database` or `host=... user=...`.
    /// A host that needs TLS makes the pool and gives it to [`PostgresStore::with_pool`].
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidInput`](calsync_core::store::StoreErrorKind::InvalidInput) with a [`PostgresError`] as
    /// source when the connection string or the schema's name cannot be used, or the schema is of a newer version;
    /// [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable) when the server cannot be
    /// reached.
    pub async fn connect(url: &str, config: PostgresConfig) -> Result<Self> {
        let pool = open::pool(url, &config)?;
        Self::with_pool(pool, config).await
    }

    /// The same with a pool of the host's. Its connections must write (no standby) and stay in no transaction when
    /// they come back to the pool; its settings, such as time zone, search path or isolation level, do not matter.
    ///
    /// # Errors
    ///
    /// As for [`PostgresStore::connect`].
    pub async fn with_pool(pool: Pool, config: PostgresConfig) -> Result<Self> {
        open::open(pool, config).await
    }

    /// A handle of another tenant on the same pool. Tenants share nothing: each may have the same ids.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Self {
        Self { shared: Arc::clone(&self.shared), tenant: name.into(), bell: self.bell.tenant(name) }
    }

    /// Writes a batch inside a transaction of the host's: what the host writes in it and the batch become visible
    /// together, or not at all. A refused batch leaves the transaction usable, with everything the host did before.
    ///
    /// Who reads a feed in this process is not woken by it, because it is not committed yet; where
    /// [`PostgresStore::hear_others`] runs, it is woken when it is.
    ///
    /// Locks are held until the host ends the transaction, so it should end soon. In a transaction that is
    /// `REPEATABLE READ` or `SERIALIZABLE`, a calendar, link or document that somebody else changed since the
    /// transaction began fails the batch with
    /// [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable): the host begins again.
    ///
    /// # Errors
    ///
    /// As for [`Store::commit`].
    pub async fn commit_in(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        batch: Batch,
    ) -> Result<CommitReceipt> {
        writes::commit_in(self, transaction, &batch).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        reads::calendars(self).await
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        reads::events(self, calendar, ids).await
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        reads::events_by_uid(self, calendar, uids).await
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        reads::events_since(self, calendar, after, limit).await
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        reads::link(self, link).await
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        reads::bases(self, link, query).await
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        reads::base_summaries(self, link, after.map(RemoteId::as_str), limit).await
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        reads::outbox(self, link, after.map(|id| id.0.as_str()), limit).await
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        reads::records(self, query).await
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        reads::docs(self, space, query).await
    }

    async fn open(&self, opening: Opening<'_>) -> Result<Opened> {
        opening::open(self, opening).await
    }

    async fn pairs(&self, link: &LinkId, calendar: &CalendarId, items: &[RemoteId]) -> Result<Pairs> {
        opening::pairs(self, link, calendar, items).await
    }

    async fn noted_pairs(
        &self,
        link: &LinkId,
        calendar: &CalendarId,
        items: &[RemoteId],
        space: &str,
    ) -> Result<NotedPairs> {
        opening::noted_pairs(self, link, calendar, items, space).await
    }

    async fn waiting(&self, link: &LinkId, after: Option<&OutboxId>, limit: usize) -> Result<Waiting> {
        opening::waiting(self, link, after.map(|id| id.0.as_str()), limit).await
    }

    async fn feed(&self, calendar: &CalendarId, after: EventSeq, limit: usize) -> Result<FeedPage> {
        feeds::page(self, calendar, after, limit).await
    }

    async fn forget_feed(&self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        feeds::forget(self, calendar, before, limit).await
    }

    fn bell(&self) -> Option<Bell> {
        Some(self.bell.clone())
    }

    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        writes::commit(self, &batch).await
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        leases::acquire(self, name, holder, now, ttl).await
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        leases::release(self, token).await
    }
}
