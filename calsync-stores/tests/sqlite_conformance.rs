//! The SQLite store keeps every guarantee of the store trait: in memory, in a file, and in a file that is closed and
//! opened again between any two calls.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::{
    feed::{Bell, EventSeq, FeedPage},
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, OutboxEntry, OutboxId, Record, RecordQuery, Result, Revision, Store, Write,
    },
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::store_conformance::sample;
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

/// A store in a directory that goes when the test ends.
struct InDirectory {
    directory: TempDir,
    /// `None`: opened for each call.
    open: Option<SqliteStore>,
}

impl InDirectory {
    fn new() -> Self {
        Self { directory: TempDir::new().expect("a directory"), open: None }
    }

    async fn opened(&self) -> SqliteStore {
        SqliteStore::open(self.directory.path().join("calsync.db"), SqliteConfig::default())
            .await
            .expect("the file is opened")
    }
}

/// Passes a call on to the open store, or to one that is opened for it and closed after it.
macro_rules! pass_on {
    ($self:ident, $store:ident => $call:expr) => {
        match &$self.open {
            Some($store) => $call.await,
            None => {
                let fresh = $self.opened().await;
                let $store = &fresh;
                let answer = $call.await;
                fresh.close().await;
                answer
            }
        }
    };
}

#[async_trait]
impl Store for InDirectory {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        pass_on!(self, store => store.calendars())
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        pass_on!(self, store => store.events(calendar, ids))
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        pass_on!(self, store => store.events_by_uid(calendar, uids))
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        pass_on!(self, store => store.events_since(calendar, after, limit))
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        pass_on!(self, store => store.link(link))
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        pass_on!(self, store => store.bases(link, query))
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        pass_on!(self, store => store.base_summaries(link, after, limit))
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        pass_on!(self, store => store.outbox(link, after, limit))
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        pass_on!(self, store => store.records(query))
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        pass_on!(self, store => store.docs(space, query))
    }

    async fn feed(&self, calendar: &CalendarId, after: EventSeq, limit: usize) -> Result<FeedPage> {
        pass_on!(self, store => store.feed(calendar, after, limit))
    }

    async fn forget_feed(&self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        pass_on!(self, store => store.forget_feed(calendar, before, limit))
    }

    fn bell(&self) -> Option<Bell> {
        None
    }

    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        pass_on!(self, store => store.commit(batch))
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        pass_on!(self, store => store.acquire_lease(name, holder, now, ttl))
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        pass_on!(self, store => store.release_lease(token))
    }
}

mod in_memory {
    use super::*;

    async fn fresh() -> SqliteStore {
        SqliteStore::open_in_memory().await.expect("a store")
    }

    calsync_testkit::store_conformance!(fresh);
    calsync_testkit::feed_conformance!(fresh);

    async fn tenants() -> impl Fn(&str) -> SqliteStore {
        let store = fresh().await;
        move |name| store.tenant(name)
    }

    calsync_testkit::tenant_conformance!(tenants);
    calsync_testkit::tenant_feed_conformance!(tenants);

    async fn claims() -> (Arc<SqliteStore>, impl Fn(&str) -> Arc<dyn Store>) {
        let store = fresh().await;
        (Arc::new(store.clone()), move |name| Arc::new(store.tenant(name)))
    }

    calsync_testkit::claims_conformance!(claims);
}

/// A tenant among others, who have rows of every kind under the names the suite uses.
mod one_of_many_tenants {
    use super::*;

    async fn fresh() -> SqliteStore {
        let store = SqliteStore::open_in_memory().await.expect("a store");
        let link = LinkId::from("l");
        let writes = vec![
            sample::put_event(&"c".into(), "e", "of another tenant"),
            Write::PutCalendar(sample::calendar("c")),
            Write::PutLink(Box::new(sample::link_state(&link))),
            sample::put_base(&link, "item", "e"),
            sample::put_outbox(&link, "o1", "e"),
            Write::PutDoc(Doc::new("s", "k", "of another tenant")),
        ];
        store.commit(Batch { writes, ..Batch::default() }).await.expect("accepted");
        store.tenant("one")
    }

    calsync_testkit::store_conformance!(fresh);
    calsync_testkit::feed_conformance!(fresh);
}

mod in_a_file {
    use super::*;

    async fn fresh() -> InDirectory {
        let mut store = InDirectory::new();
        store.open = Some(store.opened().await);
        store
    }

    calsync_testkit::store_conformance!(fresh);
    calsync_testkit::feed_conformance!(fresh);
}

mod reopened_for_each_call {
    use super::*;

    async fn fresh() -> InDirectory {
        InDirectory::new()
    }

    calsync_testkit::store_conformance!(fresh);
    calsync_testkit::feed_conformance!(fresh);
}
