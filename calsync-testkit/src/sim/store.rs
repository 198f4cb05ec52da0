//! A store whose every call can be stopped, fail, or forget as planted. What crosses it is checked as it crosses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use async_trait::async_trait;
use calsync_core::{
    feed::{Bell, EventSeq, FeedPage, Happened},
    model::{Calendar, CalendarId, Event, EventId, LinkId, RemoteId, Version},
    plan::Direction,
    provider::Cursor,
    store::{
        BaseQuery, BaseRecord, BaseState, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, Edits,
        EventRecord, JournalEntry, JournalOp, LeaseGrant, LeaseToken, LinkState, Opened, Opening,
        OutboxEntry, OutboxId, OutboxOp, Record, RecordQuery, Result, Revision, Store, StoreError,
        StoreErrorKind, Write, open_by_reads,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    book::Book,
    control::Control,
    executor::{pause, wait},
    fault::{Fault, Op},
    law::Law,
    plant::Plant,
    provider::SimRemote,
};

/// What all workers' stores share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Which run commits under which epoch of which lease.
    epochs: BTreeMap<(String, u64), (u8, u64)>,
}

/// One worker's way to the store.
pub(crate) struct SimStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) control: Arc<Control>,
    pub(crate) book: Arc<Mutex<Book>>,
    pub(crate) shared: Arc<Mutex<Shared>>,
    pub(crate) remotes: Vec<Arc<SimRemote>>,
    pub(crate) worker: u8,
    pub(crate) mine: Mutex<Mine>,
    /// Rows it likes to be asked for at once.
    pub(crate) rows: Option<usize>,
}

/// What one worker's run did so far.
#[derive(Default)]
pub(crate) struct Mine {
    /// Counts the runs of this worker.
    pub(crate) run: u64,
    /// Events this run decided to delete somewhere.
    pub(crate) deletions: Vec<EventId>,
    /// Events whose deletion it wrote, those that were decided before included.
    pub(crate) written: BTreeSet<EventId>,
    /// Rows other than the heartbeat that this run wrote.
    pub(crate) rows: u64,
}

/// A promise that was looked at, and how it would be broken.
type Looked = (Law, Option<String>);

/// The kinds of rows in a batch, for the trace.
struct Kinds<'a>(&'a [Write]);

impl fmt::Display for Kinds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for write in self.0 {
            f.write_str(match write {
                Write::PutEvent { .. } => "+event ",
                Write::DeleteEvent { .. } => "-event ",
                Write::PutLink(_) => "link ",
                Write::PutBase(_) => "+base ",
                Write::DeleteBase { .. } => "-base ",
                Write::PutOutbox(_) => "+outbox ",
                Write::DeleteOutbox { .. } => "-outbox ",
                Write::PutConflict(_) => "conflict ",
                Write::PutJournal(_) => "journal ",
                Write::PutRun(_) => "run ",
                Write::PutQuarantine(_) => "+quarantine ",
                Write::DeleteQuarantine { .. } => "-quarantine ",
                _ => "other ",
            })?;
        }
        Ok(())
    }
}

fn failed(kind: StoreErrorKind, name: &'static str) -> StoreError {
    StoreError::new(kind, name)
}

impl SimStore {
    pub(crate) fn mine(&self) -> MutexGuard<'_, Mine> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read<T>(&self, name: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        pause().await;
        if self.control.strikes(Plant::NeverEnds, 1) {
            std::future::pending::<()>().await;
        }
        if self.control.fate(Op::StoreRead, |_| true).is_some() {
            return Err(failed(StoreErrorKind::Unavailable, name));
        }
        wait(call)
    }

    fn remote_of(&self, batch: &Batch) -> Option<&Arc<SimRemote>> {
        let lease = batch.lease.as_ref()?;
        let link = lease.name.strip_prefix("link:")?;
        self.remotes.iter().find(|remote| remote.link.as_str() == link)
    }

    /// What the engine is about to write, seen from outside. It counts once it is written.
    fn look(&self, remote: &SimRemote, batch: &Batch) -> Vec<Looked> {
        let mut looked = Vec::new();
        let journal = |event: &EventId| {
            batch.writes.iter().find_map(|write| match write {
                Write::PutJournal(entry) if entry.event_id == *event => Some(&**entry),
                _ => None,
            })
        };
        for write in &batch.writes {
            let (calendar, id, after) = match write {
                Write::PutEvent { calendar, id, event, .. } => (calendar, id, Some(&**event)),
                Write::DeleteEvent { calendar, id, .. } => (calendar, id, None),
                Write::PutOutbox(entry) => {
                    if matches!(entry.op, OutboxOp::Delete { .. }) {
                        self.mine().written.insert(entry.event_id.clone());
                        if entry.attempts == 0 && !self.is_decided(entry) {
                            self.deletes(&entry.event_id);
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            let before = wait(self.inner.events(calendar, std::slice::from_ref(id))).unwrap_or_default();
            let before = before.first().filter(|record| record.deleted.is_none());
            self.look_at_event(remote, id, before, after, journal(id), &mut looked);
        }
        looked
    }

    fn look_at_event(
        &self,
        remote: &SimRemote,
        id: &EventId,
        before: Option<&EventRecord>,
        after: Option<&Event>,
        journal: Option<&JournalEntry>,
        looked: &mut Vec<Looked>,
    ) {
        if before.map(|record| &record.event) == after {
            return;
        }
        let mut look = |law, holds: bool, what: &str| {
            looked.push((law, (!holds).then(|| format!("{id}: {what}"))));
        };
        let source = remote.setup.direction == Direction::Export;
        look(Law::I13, !source, "written at the source of a one-way link");
        let explained = journal.is_some_and(|entry| !entry.reason.is_empty());
        look(Law::I31, explained, "written without a word in the journal");
        let Some(before) = before else { return };
        let kept = journal.and_then(|entry| entry.before.as_deref()) == Some(&before.event);
        look(Law::I32, kept, "what it was before is not in the journal");
        if after.is_none() {
            self.deletes(id);
            let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
            look(Law::I08, !self.is_as_agreed(remote, id), "deleted, and its item is there as it was");
            look(
                Law::I06,
                book.deleted_elsewhere(&before.event.uid, 0),
                "deleted, and nobody deleted it anywhere else",
            );
        }
    }

    /// Whether the item of an event is there, in the version both sides agreed on.
    fn is_as_agreed(&self, remote: &SimRemote, event: &EventId) -> bool {
        let ids = std::slice::from_ref(event);
        let bases = wait(self.inner.bases(&remote.link, BaseQuery::Events(ids))).unwrap_or_default();
        let server = remote.server();
        bases.iter().any(|base| {
            let item = server.items.get(&base.remote_id);
            item.is_some_and(|item| base.version.as_ref() == Some(&item.version))
        })
    }

    /// Whether the deletion was decided by an earlier run, and is decided once more.
    fn is_decided(&self, new: &OutboxEntry) -> bool {
        let waiting = wait(self.inner.outbox(&new.link, None, 1000)).unwrap_or_default();
        let same = |entry: &OutboxEntry| {
            entry.event_id == new.event_id && matches!(entry.op, OutboxOp::Delete { .. })
        };
        waiting.iter().any(same)
    }

    fn deletes(&self, event: &EventId) {
        self.mine().written.insert(event.clone());
        let mut mine = self.mine();
        if !mine.deletions.contains(event) {
            mine.deletions.push(event.clone());
        }
    }

    /// I27: one run commits under one epoch.
    fn check_epoch(&self, lease: &LeaseToken) {
        let me = (self.worker, self.mine().run);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = *shared.epochs.entry((lease.name.clone(), lease.epoch)).or_insert(me);
        drop(shared);
        self.control.check(Law::I27, holder == me, || format!("epoch {} has two holders", lease.epoch));
    }

    /// What a planted bug makes of a batch.
    fn spoil(&self, batch: &mut Batch) {
        let control = &self.control;
        if control.has(Plant::NoExpectations) {
            batch.expect.clear();
        }
        let Some(remote) = self.remote_of(batch).cloned() else { return };
        if control.has(Plant::NoLease) {
            batch.lease = None;
        }
        if control.has(Plant::ConflictsUntold) {
            batch.news.retain(|news| !matches!(news.what, Happened::Conflict { .. }));
        }
        let mut more = Vec::new();
        batch.writes.retain(|write| match write {
            Write::PutOutbox(entry) if entry.attempts > 0 && control.has(Plant::FailedWriteForgotten) => {
                more.push(Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() });
                false
            }
            Write::PutOutbox(_) => !control.strikes(Plant::OutboxDropped, 200),
            Write::PutConflict(_) => {
                !control.has(Plant::ConflictDropped) && !control.has(Plant::PolicyIgnored)
            }
            Write::PutBase(_) => !control.strikes(Plant::BaseDropped, 200),
            Write::PutEvent { .. } => !control.strikes(Plant::LocalWriteDropped, 200),
            Write::PutJournal(_) => !control.has(Plant::JournalDropped),
            _ => true,
        });
        let confirms = batch.writes.iter().any(|write| {
            matches!(write, Write::PutJournal(entry)
                if matches!(entry.op, JournalOp::RemoteCreate | JournalOp::RemoteUpdate))
        });
        for write in &mut batch.writes {
            match write {
                Write::PutLink(link) if control.has(Plant::SeenRunsAhead) => link.seen.0 += 1,
                Write::PutLink(link) if control.has(Plant::HeldIsForgotten) => link.held = None,
                Write::PutLink(link) if control.strikes(Plant::CursorGoesBack, 200) => {
                    let tick = link
                        .cursor
                        .as_ref()
                        .and_then(|cursor| cursor.0.strip_prefix('t')?.parse::<u64>().ok());
                    link.cursor = tick.map(|tick| Cursor(format!("t{}", tick / 2)));
                }
                Write::PutJournal(entry) if control.has(Plant::BeforeDropped) => entry.before = None,
                Write::PutOutbox(entry) if control.has(Plant::MappingFirst) => {
                    if let OutboxOp::Create { payload } = &entry.op
                        && let Some(local) = &entry.local
                    {
                        more.push(Write::PutBase(Box::new(BaseRecord {
                            link: entry.link.clone(),
                            remote_id: entry.remote_id.clone(),
                            event_id: entry.event_id.clone(),
                            version: Some(Version::from("v0")),
                            payload: payload.clone(),
                            local: Some(local.clone()),
                            remote: None,
                            state: BaseState::Linked,
                        })));
                    }
                }
                Write::PutBase(base) if confirms => self.spoil_base(base),
                _ => {}
            }
        }
        if control.has(Plant::CursorFirst)
            && let Ok(Some(mut state)) = wait(self.inner.link(&remote.link))
        {
            state.cursor = Some(Cursor(format!("t{}", remote.server().tick)));
            more.push(Write::PutLink(Box::new(state)));
        }
        if control.has(Plant::CursorFirst) {
            // Before the run's own state, when it has one.
            more.append(&mut batch.writes);
            batch.writes = more;
        } else {
            batch.writes.append(&mut more);
        }
    }

    fn spoil_base(&self, base: &mut BaseRecord) {
        let control = &self.control;
        let old = || {
            let found =
                wait(self.inner.bases(&base.link, BaseQuery::Events(std::slice::from_ref(&base.event_id))));
            found.ok().and_then(|found| found.into_iter().next())
        };
        if control.has(Plant::BaseNotUpdated) {
            if let Some(old) = old() {
                *base = old;
            }
        } else if control.has(Plant::EchoIsEdit) {
            if let Some(old) = old() {
                base.payload = old.payload;
                base.version = old.version;
            }
        } else if control.has(Plant::SecondEditSwallowed) {
            let calendar = CalendarId::from(super::world::CALENDAR);
            let now =
                wait(self.inner.events(&calendar, std::slice::from_ref(&base.event_id))).unwrap_or_default();
            if let Some(record) = now.into_iter().next() {
                base.local = Some(Box::new(record.event));
            }
        }
    }
}

#[async_trait]
impl Store for SimStore {
    fn rows_at_once(&self) -> usize {
        self.rows.unwrap_or_else(|| self.inner.rows_at_once())
    }

    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.read("calendars", self.inner.calendars()).await
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        self.read("events", self.inner.events(calendar, ids)).await
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        self.read("events_by_uid", self.inner.events_by_uid(calendar, uids)).await
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.read("events_since", self.inner.events_since(calendar, after, limit)).await
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        self.read("link", self.inner.link(link)).await
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        self.read("bases", self.inner.bases(link, query)).await
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        self.read("base_summaries", self.inner.base_summaries(link, after, limit)).await
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.read("outbox", self.inner.outbox(link, after, limit)).await
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        self.read("records", self.inner.records(query)).await
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        self.read("docs", self.inner.docs(space, query)).await
    }

    /// In every other run with the bases of what was edited, as a store across a network answers.
    async fn open(&self, opening: Opening<'_>) -> Result<Opened> {
        let mut opened = open_by_reads(self, opening).await?;
        let reads_along = self.mine().run.is_multiple_of(2);
        if let Opened::Link(found) = &mut opened
            && let Edits::Since(edited) = &found.edits
            && reads_along
        {
            let ids: Vec<EventId> = edited.iter().map(|record| record.id.clone()).collect();
            found.bases = Some(self.bases(opening.link, BaseQuery::Events(&ids)).await?);
        }
        Ok(opened)
    }

    async fn feed(&self, calendar: &CalendarId, after: EventSeq, limit: usize) -> Result<FeedPage> {
        self.read("feed", self.inner.feed(calendar, after, limit)).await
    }

    async fn forget_feed(&self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        pause().await;
        wait(self.inner.forget_feed(calendar, before, limit))
    }

    fn bell(&self) -> Option<Bell> {
        self.inner.bell()
    }

    async fn commit(&self, mut batch: Batch) -> Result<CommitReceipt> {
        pause().await;
        let fate = self.control.fate(Op::Commit, |_| true);
        let (remote, lease) = (self.remote_of(&batch).cloned(), batch.lease.clone());
        self.spoil(&mut batch);
        self.control.note(format_args!(
            "commit {} by {}: {}",
            batch.writes.len(),
            self.worker,
            Kinds(&batch.writes)
        ));
        match fate {
            Some(Fault::CommitFails) => return Err(failed(StoreErrorKind::Unavailable, "commit")),
            Some(Fault::StoreFull) => return Err(failed(StoreErrorKind::Full, "commit")),
            _ => {}
        }
        // Forgetting what was deleted long ago is part of the heartbeat, and so is what each link says of that once a day.
        let rows = batch.writes.iter().filter(|write| match write {
            Write::PutLink(_) | Write::PurgeDeleted { .. } | Write::PurgeLog { .. } => false,
            Write::PutDoc(doc) => !doc.space.starts_with("settled."),
            _ => true,
        });
        let rows = rows.count() as u64;
        // What is compared has to be read before the batch replaces it.
        let looked = remote.map(|remote| self.look(&remote, &batch)).unwrap_or_default();
        let result = wait(self.inner.commit(batch));
        if result.is_ok() {
            if self.control.strikes(Plant::FeedForgets, 200) {
                let calendar = CalendarId::from(super::world::CALENDAR);
                let _ = wait(self.inner.forget_feed(&calendar, DateTime::<Utc>::MAX_UTC, 1));
            }
            self.mine().rows += rows;
            if let Some(lease) = lease {
                self.check_epoch(&lease);
            }
            for (law, broken) in looked {
                self.control.check(law, broken.is_none(), || broken.unwrap_or_default());
            }
        }
        if let Err(error) = &result
            && error.kind == StoreErrorKind::InvalidInput
        {
            self.control.broken(Law::I03, "the engine wrote what no store can keep".to_owned());
        }
        pause().await;
        if fate == Some(Fault::CommitAnswerLost) && result.is_ok() {
            return Err(failed(StoreErrorKind::Unavailable, "commit"));
        }
        result
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        pause().await;
        let fate = self.control.fate(Op::Lease, |_| true);
        if fate == Some(Fault::LeaseFails) {
            return Err(failed(StoreErrorKind::Unavailable, "acquire_lease"));
        }
        if self.control.has(Plant::NoLease) {
            return Ok(LeaseGrant::Granted(LeaseToken { name: name.to_owned(), epoch: 1 }));
        }
        let granted = wait(self.inner.acquire_lease(name, holder, now, ttl));
        if let Ok(LeaseGrant::Granted(token)) = &granted {
            let link = name.strip_prefix("link:").unwrap_or(name);
            for remote in self.remotes.iter().filter(|remote| remote.link.as_str() == link) {
                remote.epoch.store(token.epoch, Ordering::Relaxed);
            }
        }
        if fate == Some(Fault::LeaseAnswerLost) {
            return Err(failed(StoreErrorKind::Unavailable, "acquire_lease"));
        }
        granted
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        pause().await;
        wait(self.inner.release_lease(token))
    }
}
