//! The embedded default: one SQLite file, nothing installed.
//!
//! In: the calls of [`Store`]. Out: rows of one file. See `docs/adr/0004-store.md` for why it is built like this.
//!
//! ```
//! use calsync_core::{model::{Calendar, CalendarId}, store::{Batch, Store, Write}};
//! use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::TempDir::new()?;
//! # let path = directory.path().join("calsync.db");
//! let store = SqliteStore::open(path, SqliteConfig::default()).await?;
//! let home = Calendar { id: CalendarId::from("home"), name: "Home".to_owned(), color: None };
//! store.commit(Batch { writes: vec![Write::PutCalendar(home.clone())], ..Batch::default() }).await?;
//! assert_eq!(store.calendars().await?, [home]);
//! store.close().await;
//! # Ok(())
//! # }
//! ```

mod claims;
mod config;
mod error;
mod feeds;
mod leases;
mod migrations;
mod open;
mod reads;
mod rows;
mod sql;
#[cfg(test)]
mod tests;
mod worker;
mod writes;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use calsync_core::{
    feed::{Bell, EventSeq, FeedPage, told_by},
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, OutboxEntry, OutboxId, Record, RecordQuery, Result, Revision, Store,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;

pub use self::{
    config::{Durability, SqliteConfig},
    error::SqliteError,
};
use self::{
    open::Place,
    reads::{OwnedDocQuery, OwnedRecordQuery},
    worker::Worker,
};

/// A store in a SQLite file, or in memory.
///
/// - One connection on a thread of its own; calls are answered in the order they were made, on any async runtime. A store
///   in memory needs no thread.
/// - Dropping the future of a call is safe: the call is done whole or not at all.
/// - Several processes may use the same file. A call that has waited [`SqliteConfig::busy_timeout`] for another one
///   fails with [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable) and has written
///   nothing. The file must be on a local disk: the write-ahead log does not work over a network.
/// - Instants of event rows are kept to the microsecond.
/// - Handles of several tenants share the connection; the file is closed when the last handle is. What is closed is whole:
///   everything is in the one file, and it can be copied. While it is open, the files `-wal` and `-shm` belong to it.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    worker: Arc<Worker>,
    tenant: Arc<str>,
    /// Rings for this tenant's feeds, on every handle on the file.
    bell: Bell,
}

/// The connection, and whose rows a call is about.
struct Db<'a> {
    connection: &'a Connection,
    tenant: &'a str,
}

impl SqliteStore {
    /// Opens a file, or makes it with mode 0600; brings its schema up to date.
    ///
    /// The directory must exist. A file that is there keeps its mode. Directories of the path may be symbolic links,
    /// the file may not.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidInput`](calsync_core::store::StoreErrorKind::InvalidInput) with a [`SqliteError`] as
    /// source when the file is none of calsync's, is of a newer version, or is a link; it is left as it is.
    /// [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable) when another process holds
    /// it for longer than [`SqliteConfig::busy_timeout`].
    pub async fn open(path: impl Into<PathBuf>, config: SqliteConfig) -> Result<Self> {
        Ok(Self::new(Worker::start(Place::File(path.into()), config).await?))
    }

    /// An empty store that lives as long as this value.
    ///
    /// # Errors
    ///
    /// When SQLite has no memory for it.
    pub async fn open_in_memory() -> Result<Self> {
        Ok(Self::new(Worker::in_memory()?))
    }

    fn new(worker: Worker) -> Self {
        Self { worker: Arc::new(worker), tenant: "".into(), bell: Bell::default() }
    }

    /// A handle of another tenant on the same file; the one a store is opened with is of the tenant `""`. Tenants share
    /// nothing: each may have the same ids.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Self {
        Self { worker: Arc::clone(&self.worker), tenant: name.into(), bell: self.bell.tenant(name) }
    }

    /// Finishes the calls that were made and closes the file, when this is the last handle on it. Dropping the last
    /// handle does the same and blocks its thread meanwhile: for some milliseconds, or as long as the call that runs.
    pub async fn close(self) {
        if let Some(worker) = Arc::into_inner(self.worker) {
            worker.close().await;
        }
    }

    /// Runs a call on the connection's thread.
    async fn run<T, F>(&self, operation: &'static str, call: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection, &str) -> Result<T> + Send + 'static,
    {
        let tenant = Arc::clone(&self.tenant);
        self.worker.run(operation, move |connection| call(connection, &tenant)).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.run("calendars", |connection, tenant| reads::calendars(&Db { connection, tenant })).await
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        let (calendar, ids) = (calendar.clone(), ids.to_vec());
        self.run("events", move |connection, tenant| reads::events(connection, tenant, &calendar, &ids)).await
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        let calendar = calendar.clone();
        let uids: Vec<String> = uids.iter().map(|&uid| uid.to_owned()).collect();
        self.run("events_by_uid", move |connection, tenant| {
            reads::events_by_uid(connection, tenant, &calendar, &uids)
        })
        .await
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        let calendar = calendar.clone();
        self.run("events_since", move |connection, tenant| {
            reads::events_since(&Db { connection, tenant }, &calendar, after, limit)
        })
        .await
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        let link = link.clone();
        self.run("link", move |connection, tenant| reads::link(&Db { connection, tenant }, &link)).await
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        let link = link.clone();
        let (sql, keys): (_, Vec<String>) = match query {
            BaseQuery::Remote(ids) => {
                (sql::BASE_BY_REMOTE, ids.iter().map(|id| id.as_str().into()).collect())
            }
            BaseQuery::Events(ids) => (sql::BASE_BY_EVENT, ids.iter().map(|id| id.as_str().into()).collect()),
        };
        self.run("bases", move |connection, tenant| reads::bases(connection, tenant, &link, sql, &keys)).await
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        let (link, after) = (link.clone(), after.cloned());
        self.run("base_summaries", move |connection, tenant| {
            reads::base_summaries(
                &Db { connection, tenant },
                &link,
                after.as_ref().map(RemoteId::as_str),
                limit,
            )
        })
        .await
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        let (link, after) = (link.clone(), after.cloned());
        self.run("outbox", move |connection, tenant| {
            reads::outbox(&Db { connection, tenant }, &link, after.as_ref().map(|id| id.0.as_str()), limit)
        })
        .await
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        let query = OwnedRecordQuery {
            kind: query.kind,
            link: query.link.clone(),
            event: query.event.cloned(),
            run: query.run.cloned(),
            after: query.after.map(str::to_owned),
            limit: query.limit,
        };
        self.run("records", move |connection, tenant| reads::records(&Db { connection, tenant }, &query))
            .await
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        let space = space.to_owned();
        let query = match query {
            DocQuery::Keys(keys) => OwnedDocQuery::Keys(keys.iter().map(|&key| key.to_owned()).collect()),
            DocQuery::Page { after, limit } => OwnedDocQuery::Page { after: after.map(str::to_owned), limit },
            DocQuery::Due { at, limit } => OwnedDocQuery::Due { at, limit },
        };
        self.run("docs", move |connection, tenant| reads::docs(connection, tenant, &space, &query)).await
    }

    async fn feed(&self, calendar: &CalendarId, after: EventSeq, limit: usize) -> Result<FeedPage> {
        let calendar = calendar.clone();
        self.run("feed", move |connection, tenant| feeds::page(connection, tenant, &calendar, after, limit))
            .await
    }

    async fn forget_feed(&self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        let calendar = calendar.clone();
        self.run("forget_feed", move |connection, tenant| {
            feeds::forget(connection, tenant, &calendar, before, limit)
        })
        .await
    }

    fn bell(&self) -> Option<Bell> {
        Some(self.bell.clone())
    }

    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        let bell = self.bell.clone();
        self.run("commit", move |connection, tenant| {
            let receipt = writes::commit(connection, tenant, &batch)?;
            // Here and not by the caller, who may not wait for the answer.
            told_by(&batch).into_iter().for_each(|calendar| bell.ring(calendar));
            Ok(receipt)
        })
        .await
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.run("acquire_lease", move |connection, tenant| {
            leases::acquire(connection, tenant, &name, &holder, now, ttl)
        })
        .await
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        let token = token.clone();
        self.run("release_lease", move |connection, tenant| leases::release(connection, tenant, &token)).await
    }
}
