//! A store around another one, with something that happens before and after each call: counted, failed, or never answered.

use std::sync::{Arc, Mutex, PoisonError};

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

/// Where in a call of a store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment<'a> {
    /// The store has not been asked yet. Names its method, with `commit of 3` for three writes and `records Run` for the kind.
    Before(&'a str),
    /// The store has answered, by the same name.
    After(&'a str),
}

/// What happens around the calls of a store.
#[async_trait]
pub trait StoreHook: Send + Sync {
    /// Happens before and after each call.
    ///
    /// # Errors
    ///
    /// What the caller is told instead of the store's answer: before the store is asked, or although it answered.
    async fn at(&self, moment: Moment<'_>) -> Result<()>;
}

/// Nothing happens.
#[async_trait]
impl StoreHook for () {
    async fn at(&self, _: Moment<'_>) -> Result<()> {
        Ok(())
    }
}

/// A store whose calls pass a [`StoreHook`].
pub struct HookedStore<H> {
    inner: Mutex<Arc<dyn Store>>,
    /// What happens around each call.
    pub hook: H,
}

impl<H: StoreHook> HookedStore<H> {
    /// Puts a hook around a store.
    pub fn new(inner: Arc<dyn Store>, hook: H) -> Self {
        Self { inner: Mutex::new(inner), hook }
    }

    /// From now on it is another store, as after a restore from a backup.
    pub fn swap(&self, inner: Arc<dyn Store>) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = inner;
    }

    fn inner(&self) -> Arc<dyn Store> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn around<T>(&self, name: &str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.hook.at(Moment::Before(name)).await?;
        let answer = call.await?;
        self.hook.at(Moment::After(name)).await?;
        Ok(answer)
    }
}

#[async_trait]
impl<H: StoreHook> Store for HookedStore<H> {
    fn rows_at_once(&self) -> usize {
        self.inner().rows_at_once()
    }

    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.around("calendars", self.inner().calendars()).await
    }
    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        self.around("events", self.inner().events(calendar, ids)).await
    }
    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        self.around("events_by_uid", self.inner().events_by_uid(calendar, uids)).await
    }
    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.around("events_since", self.inner().events_since(calendar, after, limit)).await
    }
    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        self.around("link", self.inner().link(link)).await
    }
    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        self.around("bases", self.inner().bases(link, query)).await
    }
    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        self.around("base_summaries", self.inner().base_summaries(link, after, limit)).await
    }
    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.around("outbox", self.inner().outbox(link, after, limit)).await
    }
    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        self.around(&format!("records {:?}", query.kind), self.inner().records(query)).await
    }
    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        self.around("docs", self.inner().docs(space, query)).await
    }
    async fn open(&self, opening: Opening<'_>) -> Result<Opened> {
        self.around("open", self.inner().open(opening)).await
    }
    async fn pairs(&self, link: &LinkId, calendar: &CalendarId, items: &[RemoteId]) -> Result<Pairs> {
        self.around("pairs", self.inner().pairs(link, calendar, items)).await
    }
    async fn noted_pairs(
        &self,
        link: &LinkId,
        calendar: &CalendarId,
        items: &[RemoteId],
        space: &str,
    ) -> Result<NotedPairs> {
        self.around("noted_pairs", self.inner().noted_pairs(link, calendar, items, space)).await
    }
    async fn waiting(&self, link: &LinkId, after: Option<&OutboxId>, limit: usize) -> Result<Waiting> {
        self.around("waiting", self.inner().waiting(link, after, limit)).await
    }
    async fn feed(&self, calendar: &CalendarId, after: EventSeq, limit: usize) -> Result<FeedPage> {
        self.around("feed", self.inner().feed(calendar, after, limit)).await
    }

    async fn forget_feed(&self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        self.around("forget_feed", self.inner().forget_feed(calendar, before, limit)).await
    }

    fn bell(&self) -> Option<Bell> {
        self.inner().bell()
    }

    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        self.around(&format!("commit of {}", batch.writes.len()), self.inner().commit(batch)).await
    }
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        self.around("acquire_lease", self.inner().acquire_lease(name, holder, now, ttl)).await
    }
    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        self.around("release_lease", self.inner().release_lease(token)).await
    }
}
