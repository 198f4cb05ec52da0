//! For hosts without servers of their own: one DynamoDB table, made by [`provision`] or by `table.yaml` beside this file
//! (CloudFormation).
//!
//! In: the calls of [`Store`]. Out: rows of one table. See `docs/adr/0010-dynamodb.md` for why it is built like this, and for
//! every access pattern with its key.
//!
//! ```no_run
//! use calsync_core::store::Store;
//! use calsync_stores::dynamodb::{DynamoConfig, DynamoStore, Endpoint, client};
//!
//! # async fn example(key: &str, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let client = client(&Endpoint::region("eu-central-1"), key, secret, None);
//! let store = DynamoStore::open(client, DynamoConfig::default().with_table("calendars")).await?;
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
mod guards;
mod keys;
mod large;
mod leases;
mod memory;
mod open;
mod opening;
mod parts;
mod plan;
mod reads;
mod rows;
mod session;
mod writes;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
/// The client: a host that makes its own uses this version of it.
pub use aws_sdk_dynamodb;
use aws_sdk_dynamodb::Client;
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

use self::{checks::Found, guards::Seen, memory::Memory, plan::Plan, session::Session};
pub use self::{
    config::DynamoConfig,
    error::DynamoError,
    open::{Endpoint, client, provision},
};

/// What all handles on one table share.
struct Shared {
    session: Session,
    /// Versions of guards as they were last seen: a read that sees one again knows that nothing changed in between.
    seen: Mutex<Seen>,
    /// What runs under way read and wrote.
    memory: Mutex<Memory>,
}

/// A store in a DynamoDB table: one tenant's handle on it.
///
/// - Dropping the future of a call is safe: the call is done whole or not at all. A batch too large for one transaction is
///   finished, or given up, by whoever needs its rows next.
/// - An id has at most 1,024 bytes; a tenant's name and that of a calendar, link or space 2,045 together. A value has at most
///   [`DynamoConfig::max_value`] bytes, a link's state 300 KB, and a batch touches at most 95 calendars, links and spaces.
///   [`StoreErrorKind::InvalidInput`](calsync_core::store::StoreErrorKind::InvalidInput) with a [`DynamoError`] as source
///   says so.
/// - The rows of one calendar, or one kind of rows of one link, have 10 GB at most, as any table with local indexes.
/// - A commit that loses to others, and a request that is throttled, is tried again as [`DynamoConfig::attempts`] says, and
///   then fails with [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable). Waits are tokio's:
///   the store needs its runtime with time.
#[derive(Clone)]
pub struct DynamoStore {
    shared: Arc<Shared>,
    tenant: Arc<str>,
    /// Rings for this tenant's feeds, on every handle on the table.
    bell: Bell,
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore")
            .field("table", &self.shared.session.config.table)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl DynamoStore {
    /// Opens a table that is there; the handle is of the tenant `""`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidInput`](calsync_core::store::StoreErrorKind::InvalidInput) when there is no such table or it
    /// lacks an index, [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable) when the service
    /// cannot be reached.
    pub async fn open(client: Client, config: DynamoConfig) -> Result<Self> {
        open::check(&client, &config).await?;
        Ok(Self::new(client, config))
    }

    /// The same without looking whether the table is there and has its indexes: for functions that live for one request, and
    /// roles that may not describe tables.
    pub fn new(client: Client, config: DynamoConfig) -> Self {
        let shared =
            Shared { session: Session { client, config }, seen: Mutex::default(), memory: Mutex::default() };
        Self { shared: Arc::new(shared), tenant: "".into(), bell: Bell::default() }
    }

    /// A handle of another tenant on the same table. Tenants share nothing: each may have the same ids.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Self {
        Self { shared: Arc::clone(&self.shared), tenant: name.into(), bell: self.bell.tenant(name) }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the guards a commit moved, and the rows it wrote.
    fn remember(&self, found: &Found, plan: &Plan) {
        self.memory().wrote(&self.tenant, found, plan);
        let mut seen = self.seen();
        for owner in plan.guards.keys() {
            if let Some((key, guard)) = found.guards.get(owner) {
                seen.insert(key.clone(), guard.version + 1);
            }
        }
    }
}

#[async_trait]
impl Store for DynamoStore {
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
        opening::waiting(self, link, after, limit).await
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
        let ringing = self.bell.rings_after(&batch);
        let done = writes::commit(self, &batch).await;
        ringing.ended(&done);
        done
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
