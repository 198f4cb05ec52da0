//! A store that is written no more once a rule of the host was silent.
//!
//! A rule that fails decides nothing about its event, and that is written down: it stays so until the event or the rule
//! changes. One that never answered, or was asked when its call was cancelled, said nothing of the event. So nothing may be
//! written of it, and the run ends where it would be.

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::{
    feed::{Bell, EventSeq, FeedPage},
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, NotedPairs, Opened, Opening, OutboxEntry, OutboxId, Pairs, Record,
        RecordQuery, Result, Revision, Store, StoreError, Waiting,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::host::Calling;

/// See the module.
pub(crate) struct Guarded(pub(crate) Arc<dyn Store>);

#[async_trait]
impl Store for Guarded {
    fn rows_at_once(&self) -> usize {
        self.0.rows_at_once()
    }

    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.0.calendars().await
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        self.0.events(calendar, ids).await
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        self.0.events_by_uid(calendar, uids).await
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.0.events_since(calendar, after, limit).await
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        self.0.link(link).await
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        self.0.bases(link, query).await
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        self.0.base_summaries(link, after, limit).await
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.0.outbox(link, after, limit).await
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        self.0.records(query).await
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        self.0.docs(space, query).await
    }

    async fn open(&self, opening: Opening<'_>) -> Result<Opened> {
        self.0.open(opening).await
    }

    async fn pairs(&self, link: &LinkId, calendar: &CalendarId, items: &[RemoteId]) -> Result<Pairs> {
        self.0.pairs(link, calendar, items).await
    }

    async fn noted_pairs(
        &self,
        link: &LinkId,
        calendar: &CalendarId,
        items: &[RemoteId],
        space: &str,
    ) -> Result<NotedPairs> {
        self.0.noted_pairs(link, calendar, items, space).await
    }

    async fn waiting(&self, link: &LinkId, after: Option<&OutboxId>, limit: usize) -> Result<Waiting> {
        self.0.waiting(link, after, limit).await
    }

    async fn feed(&self, calendar: &CalendarId, after: EventSeq, limit: usize) -> Result<FeedPage> {
        self.0.feed(calendar, after, limit).await
    }

    async fn forget_feed(&self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        self.0.forget_feed(calendar, before, limit).await
    }

    fn bell(&self) -> Option<Bell> {
        self.0.bell()
    }

    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        match Calling::noted().filter(|failure| failure.kind == "silent") {
            Some(silent) => Err(StoreError::backend("commit", silent)),
            None => self.0.commit(batch).await,
        }
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        self.0.acquire_lease(name, holder, now, ttl).await
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        self.0.release_lease(token).await
    }
}
