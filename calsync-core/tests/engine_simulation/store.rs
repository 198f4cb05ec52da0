//! A store whose every call can be stopped, fail, or lie as planted.

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::{
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, MemoryStore, OutboxEntry, OutboxId, Record, RecordQuery, Result, Revision,
        Store, StoreError, StoreErrorKind, Write,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::control::{Control, Fate, Plant, pause};

pub(crate) struct SimStore {
    pub(crate) inner: Arc<MemoryStore>,
    pub(crate) control: Arc<Control>,
}

impl SimStore {
    async fn call<T>(&self, name: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        pause().await;
        self.control.note(name);
        let failed = || StoreError::new(StoreErrorKind::Unavailable, name);
        let fate = self.control.fate();
        if let Fate::Before(_) = fate {
            return Err(failed());
        }
        let result = call.await;
        pause().await;
        if fate == Fate::After && result.is_ok() { Err(failed()) } else { result }
    }
}

#[async_trait]
impl Store for SimStore {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.call("calendars", self.inner.calendars()).await
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        self.call("events", self.inner.events(calendar, ids)).await
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        self.call("events_by_uid", self.inner.events_by_uid(calendar, uids)).await
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.call("events_since", self.inner.events_since(calendar, after, limit)).await
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        self.call("link", self.inner.link(link)).await
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        self.call("bases", self.inner.bases(link, query)).await
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        self.call("base_summaries", self.inner.base_summaries(link, after, limit)).await
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.call("outbox", self.inner.outbox(link, after, limit)).await
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        self.call("records", self.inner.records(query)).await
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        self.call("docs", self.inner.docs(space, query)).await
    }

    async fn commit(&self, mut batch: Batch) -> Result<CommitReceipt> {
        let control = &self.control;
        if control.plant == Plant::NoExpectations {
            batch.expect.clear();
        }
        batch.writes.retain(|write| match write {
            Write::PutOutbox(_) => !control.strikes(Plant::DropOutbox, 200),
            Write::PutConflict(_) => control.plant != Plant::DropConflicts,
            Write::PutBase(_) => !control.strikes(Plant::DropBases, 200),
            _ => true,
        });
        for write in &mut batch.writes {
            if let Write::PutLink(link) = write
                && control.plant == Plant::SeenRunsAhead
            {
                // Past what people did while the run was under way.
                let unseen = self.inner.events_since(&link.calendar, link.seen, 1000).await?;
                link.seen = unseen.last().map_or(link.seen, |record| record.revision);
            }
        }
        let kinds: Vec<&str> = batch.writes.iter().map(kind).collect();
        let name = format!("commit {}", kinds.join(" "));
        self.control.note(&name);
        self.call("commit", self.inner.commit(batch)).await
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        self.call("acquire_lease", self.inner.acquire_lease(name, holder, now, ttl)).await
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        self.call("release_lease", self.inner.release_lease(token)).await
    }
}

pub(crate) fn kind(write: &Write) -> &'static str {
    match write {
        Write::PutCalendar(_) => "calendar",
        Write::PutEvent { .. } => "event",
        Write::DeleteEvent { .. } => "-event",
        Write::PurgeDeleted { .. } => "purge",
        Write::PutLink(_) => "link",
        Write::PutBase(_) => "base",
        Write::DeleteBase { .. } => "-base",
        Write::PutOutbox(_) => "outbox",
        Write::DeleteOutbox { .. } => "-outbox",
        Write::PutConflict(_) => "conflict",
        Write::PutQuarantine(_) => "quarantine",
        Write::DeleteQuarantine { .. } => "-quarantine",
        Write::PutRun(_) => "run",
        Write::PutJournal(_) => "journal",
        Write::PurgeLog { .. } => "purge-log",
        Write::PutDoc(_) => "doc",
        Write::DeleteDoc { .. } => "-doc",
    }
}
