//! The rows of the memory store and the writes to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use chrono::{DateTime, Utc};

use super::table::Table;
use crate::{
    feed::{Additions, EventSeq, FeedEntry, numbered},
    model::{Calendar, CalendarId, Event, EventId, LinkId, RemoteId},
    store::{
        BaseRecord, CommitReceipt, Doc, EventRecord, Expectation, LeaseToken, LinkState, Log, OutboxEntry,
        OutboxId, Record, RecordKind, Result, Revision, StoreError, StoreErrorKind, Write,
    },
};

const COMMIT: &str = "commit";

/// A lease as it is kept. The row stays when the lease is given back, so that its epoch never starts again.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) epoch: u64,
    /// `None` once it was given back.
    pub(super) holder: Option<String>,
    pub(super) until: DateTime<Utc>,
}

/// An instant and an id: how old rows, and rows that are due, are ordered.
type Moment = (DateTime<Utc>, String);

#[derive(Clone, Default)]
pub(super) struct Rows {
    pub(super) calendars: Table<CalendarId, Calendar>,
    revisions: Table<CalendarId, Revision>,
    pub(super) events: Table<(CalendarId, EventId), EventRecord>,
    /// Index of `events` by UID.
    pub(super) uids: Table<(CalendarId, (String, EventId)), ()>,
    /// Index of `events` by revision.
    pub(super) changes: Table<(CalendarId, Revision), EventId>,
    pub(super) links: Table<LinkId, LinkState>,
    pub(super) bases: Table<(LinkId, RemoteId), BaseRecord>,
    /// Index of `bases` by event.
    pub(super) base_events: Table<(LinkId, EventId), RemoteId>,
    pub(super) outbox: Table<(LinkId, OutboxId), OutboxEntry>,
    /// Index of `outbox` by event.
    outbox_events: Table<(LinkId, EventId), OutboxId>,
    pub(super) records: Table<((RecordKind, LinkId), String), Record>,
    /// Index of the records that may be purged, by their age.
    aged: Table<((RecordKind, LinkId), Moment), ()>,
    /// The last entry of each calendar's feed; it outlives the entries.
    told: Table<CalendarId, EventSeq>,
    pub(super) feed: Table<(CalendarId, EventSeq), FeedEntry>,
    pub(super) docs: Table<(String, String), Doc>,
    /// Index of `docs` by when they are due.
    pub(super) due: Table<(String, Moment), ()>,
    /// The last version a document got. Not taken back with a batch: a gap does no harm.
    doc_version: u64,
    pub(super) leases: BTreeMap<String, Lease>,
}

impl Rows {
    /// Whether the token is the current one of its lease.
    pub(super) fn holds(&self, token: &LeaseToken) -> bool {
        self.leases.get(&token.name).is_some_and(|lease| lease.epoch == token.epoch && lease.holder.is_some())
    }

    /// Frees a lease; a token that is not current any more is ignored.
    pub(super) fn give_back(&mut self, token: &LeaseToken) {
        if let Some(lease) = self.leases.get_mut(&token.name).filter(|lease| lease.epoch == token.epoch) {
            lease.holder = None;
        }
    }

    pub(super) fn check(&self, index: usize, expectation: &Expectation) -> Result<()> {
        let holds = match expectation {
            Expectation::Event { calendar, id, revision } => {
                self.events.get(&(calendar.clone(), id.clone())).map(|record| record.revision) == *revision
            }
            Expectation::Link { id, generation } => {
                self.links.get(id).map(|link| link.generation) == *generation
            }
            Expectation::Uid { calendar, uid, events } => {
                let first = Bound::Included((calendar.clone(), (uid.clone(), EventId::from(""))));
                let found = self.uids.from(first).map(|(key, ())| key);
                let found: BTreeSet<&EventId> = found
                    .take_while(|(owner, (key, _))| owner == calendar && key == uid)
                    .map(|(_, (_, id))| id)
                    .collect();
                found == events.iter().collect()
            }
            Expectation::Doc { space, key, version } => {
                self.docs.get(&(space.clone(), key.clone())).map(|doc| doc.version) == *version
            }
        };
        if holds {
            Ok(())
        } else {
            Err(StoreError::new(StoreErrorKind::Conflict { expectation: index }, COMMIT))
        }
    }

    pub(super) fn write(
        &mut self,
        write: Write,
        receipt: &mut CommitReceipt,
        added: &mut Additions,
    ) -> Result<()> {
        match write {
            Write::PutCalendar(calendar) => self.calendars.put(calendar.id.clone(), calendar),
            Write::PutEvent { calendar, id, event, at } => {
                let revision = self.put_event(&calendar, &id, *event, at);
                added.put(&calendar, &id, revision, at);
                receipt.revisions.push((calendar, id, revision));
            }
            Write::DeleteEvent { calendar, id, at } => {
                if let Some(revision) = self.delete_event(&calendar, &id, at) {
                    added.deleted(&calendar, &id, revision, at);
                    receipt.revisions.push((calendar, id, revision));
                }
            }
            Write::PurgeDeleted { calendar, before, limit } => {
                receipt.forgotten.push(self.purge(&calendar, before, limit));
            }
            Write::PutLink(mut link) => {
                link.generation = self.links.get(&link.id).map_or(0, |old| old.generation) + 1;
                self.links.put(link.id.clone(), *link);
            }
            Write::PutBase(base) => self.put_base(*base)?,
            Write::DeleteBase { link, remote_id } => {
                if let Some(old) = self.bases.delete(&(link.clone(), remote_id)) {
                    self.base_events.delete(&(link, old.event_id));
                }
            }
            Write::PutOutbox(entry) => self.put_outbox(*entry)?,
            Write::DeleteOutbox { link, id } => {
                if let Some(old) = self.outbox.delete(&(link.clone(), id)) {
                    self.outbox_events.delete(&(link, old.event_id));
                }
            }
            Write::PutConflict(row) => self.put_record(Record::Conflict(row)),
            Write::PutQuarantine(row) => self.put_record(Record::Quarantine(row)),
            Write::DeleteQuarantine { link, remote_id } => {
                self.records.delete(&((RecordKind::Quarantine, link), remote_id.as_str().to_owned()));
            }
            Write::PutRun(row) => self.put_record(Record::Run(row)),
            Write::PutJournal(row) => self.put_record(Record::Journal(row)),
            Write::PurgeLog { link, log, before, limit } => {
                receipt.purged.push(self.purge_log(link, log, before, limit));
            }
            Write::PutDoc(doc) => receipt.doc_versions.push(self.put_doc(doc)),
            Write::DeleteDoc { space, key } => self.delete_doc(space, key),
        }
        Ok(())
    }

    fn put_record(&mut self, record: Record) {
        let (owner, id) = key_of(&record);
        let key = (owner, id);
        if let Some(age) = self.records.get(&key).and_then(age_of) {
            self.aged.delete(&(key.0.clone(), (age, key.1.clone())));
        }
        if let Some(age) = age_of(&record) {
            self.aged.put((key.0.clone(), (age, key.1.clone())), ());
        }
        self.records.put(key, record);
    }

    fn purge_log(&mut self, link: LinkId, log: Log, before: DateTime<Utc>, limit: usize) -> usize {
        let kind = match log {
            Log::Runs => RecordKind::Run,
            Log::Journal => RecordKind::Journal,
            Log::ResolvedConflicts => RecordKind::Conflict,
        };
        let (owner, before) = ((kind, link), to_micros(before));
        let first = Bound::Included((owner.clone(), (DateTime::<Utc>::MIN_UTC, String::new())));
        let old: Vec<Moment> = self
            .aged
            .from(first)
            .take_while(|((of, (age, _)), ())| *of == owner && *age < before)
            .take(limit)
            .map(|((_, aged), ())| aged.clone())
            .collect();
        let count = old.len();
        for (age, id) in old {
            self.records.delete(&(owner.clone(), id.clone()));
            self.aged.delete(&(owner.clone(), (age, id)));
        }
        count
    }

    /// Writes the entries of feeds.
    pub(super) fn tell(&mut self, added: Additions) {
        for (calendar, added) in added.finish() {
            for entry in numbered(self.last_told(&calendar), added) {
                self.told.put(calendar.clone(), entry.seq);
                self.feed.put((calendar.clone(), entry.seq), entry);
            }
        }
    }

    pub(super) fn last_told(&self, calendar: &CalendarId) -> EventSeq {
        self.told.get(calendar).copied().unwrap_or_default()
    }

    pub(super) fn forget_feed(
        &mut self,
        calendar: &CalendarId,
        before: DateTime<Utc>,
        limit: usize,
    ) -> usize {
        let first = Bound::Included((calendar.clone(), EventSeq::default()));
        let oldest = self.feed.from(first).take_while(|((owner, _), _)| owner == calendar).take(limit);
        let oldest: Vec<(EventSeq, DateTime<Utc>)> = oldest.map(|(_, entry)| (entry.seq, entry.at)).collect();
        let forgotten = oldest.iter().rposition(|(_, at)| *at < to_micros(before)).map_or(0, |last| last + 1);
        for (seq, _) in &oldest[..forgotten] {
            self.feed.delete(&(calendar.clone(), *seq));
        }
        forgotten
    }

    fn put_doc(&mut self, doc: Doc) -> u64 {
        self.delete_doc(doc.space.clone(), doc.key.clone());
        self.doc_version += 1;
        let doc = Doc { version: self.doc_version, due: doc.due.map(to_micros), ..doc };
        if let Some(due) = doc.due {
            self.due.put((doc.space.clone(), (due, doc.key.clone())), ());
        }
        self.docs.put((doc.space.clone(), doc.key.clone()), doc);
        self.doc_version
    }

    fn delete_doc(&mut self, space: String, key: String) {
        if let Some(due) = self.docs.delete(&(space.clone(), key.clone())).and_then(|doc| doc.due) {
            self.due.delete(&(space, (due, key)));
        }
    }

    fn next_revision(&mut self, calendar: &CalendarId) -> Revision {
        let revision = Revision(self.revisions.get(calendar).map_or(0, |last| last.0) + 1);
        self.revisions.put(calendar.clone(), revision);
        revision
    }

    fn put_event(
        &mut self,
        calendar: &CalendarId,
        id: &EventId,
        event: Event,
        at: DateTime<Utc>,
    ) -> Revision {
        self.remove_event(calendar, id);
        let revision = self.next_revision(calendar);
        self.insert_event(
            calendar,
            EventRecord { id: id.clone(), revision, event, modified: to_micros(at), deleted: None },
        );
        revision
    }

    fn delete_event(&mut self, calendar: &CalendarId, id: &EventId, at: DateTime<Utc>) -> Option<Revision> {
        if self.events.get(&(calendar.clone(), id.clone()))?.deleted.is_some() {
            return None;
        }
        let record = self.remove_event(calendar, id)?;
        let revision = self.next_revision(calendar);
        self.insert_event(calendar, EventRecord { revision, deleted: Some(to_micros(at)), ..record });
        Some(revision)
    }

    fn insert_event(&mut self, calendar: &CalendarId, record: EventRecord) {
        self.uids.put((calendar.clone(), (record.event.uid.clone(), record.id.clone())), ());
        self.changes.put((calendar.clone(), record.revision), record.id.clone());
        self.events.put((calendar.clone(), record.id.clone()), record);
    }

    fn remove_event(&mut self, calendar: &CalendarId, id: &EventId) -> Option<EventRecord> {
        let record = self.events.delete(&(calendar.clone(), id.clone()))?;
        self.uids.delete(&(calendar.clone(), (record.event.uid.clone(), id.clone())));
        self.changes.delete(&(calendar.clone(), record.revision));
        Some(record)
    }

    fn purge(&mut self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> usize {
        let before = to_micros(before);
        let start = Bound::Included((calendar.clone(), EventId::from("")));
        let mut gone: Vec<(DateTime<Utc>, EventId)> = self
            .events
            .from(start)
            .take_while(|((owner, _), _)| owner == calendar)
            .filter_map(|((_, id), record)| Some((record.deleted.filter(|at| *at < before)?, id.clone())))
            .collect();
        gone.sort();
        gone.truncate(limit);
        for (_, id) in &gone {
            self.remove_event(calendar, id);
        }
        gone.len()
    }

    fn put_base(&mut self, base: BaseRecord) -> Result<()> {
        let by_event = (base.link.clone(), base.event_id.clone());
        if self.base_events.get(&by_event).is_some_and(|other| *other != base.remote_id) {
            return Err(StoreError::new(StoreErrorKind::InvalidInput, COMMIT));
        }
        let key = (base.link.clone(), base.remote_id.clone());
        if let Some(old) = self.bases.delete(&key) {
            self.base_events.delete(&(old.link, old.event_id));
        }
        self.base_events.put(by_event, base.remote_id.clone());
        self.bases.put(key, base);
        Ok(())
    }

    fn put_outbox(&mut self, entry: OutboxEntry) -> Result<()> {
        let by_event = (entry.link.clone(), entry.event_id.clone());
        if self.outbox_events.get(&by_event).is_some_and(|other| *other != entry.id) {
            return Err(StoreError::new(StoreErrorKind::InvalidInput, COMMIT));
        }
        let key = (entry.link.clone(), entry.id.clone());
        if let Some(old) = self.outbox.delete(&key) {
            self.outbox_events.delete(&(old.link, old.event_id));
        }
        self.outbox_events.put(by_event, entry.id.clone());
        self.outbox.put(key, entry);
        Ok(())
    }

    /// Makes the changes of a batch final.
    pub(super) fn keep(&mut self) {
        self.calendars.keep();
        self.revisions.keep();
        self.events.keep();
        self.uids.keep();
        self.changes.keep();
        self.links.keep();
        self.bases.keep();
        self.base_events.keep();
        self.outbox.keep();
        self.outbox_events.keep();
        self.records.keep();
        self.aged.keep();
        self.told.keep();
        self.feed.keep();
        self.docs.keep();
        self.due.keep();
    }

    /// Takes back the changes of a batch.
    pub(super) fn roll_back(&mut self) {
        self.calendars.roll_back();
        self.revisions.roll_back();
        self.events.roll_back();
        self.uids.roll_back();
        self.changes.roll_back();
        self.links.roll_back();
        self.bases.roll_back();
        self.base_events.roll_back();
        self.outbox.roll_back();
        self.outbox_events.roll_back();
        self.records.roll_back();
        self.aged.roll_back();
        self.told.roll_back();
        self.feed.roll_back();
        self.docs.roll_back();
        self.due.roll_back();
    }
}

/// Where a record is kept.
fn key_of(record: &Record) -> ((RecordKind, LinkId), String) {
    match record {
        Record::Conflict(row) => ((RecordKind::Conflict, row.link.clone()), row.id.clone()),
        Record::Quarantine(row) => {
            ((RecordKind::Quarantine, row.link.clone()), row.remote_id.as_str().to_owned())
        }
        Record::Run(row) => ((RecordKind::Run, row.link.clone()), row.id.as_str().to_owned()),
        Record::Journal(row) => ((RecordKind::Journal, row.link.clone()), row.id.clone()),
    }
}

/// The time a log counts a record by; `None` when it is never purged.
fn age_of(record: &Record) -> Option<DateTime<Utc>> {
    match record {
        Record::Conflict(row) => row.resolved_since().map(to_micros),
        Record::Quarantine(_) => None,
        Record::Run(row) => Some(to_micros(row.started)),
        Record::Journal(row) => Some(to_micros(row.at)),
    }
}

/// What every store keeps of an instant. No instant `chrono` can hold is out of the range of microseconds.
pub(super) fn to_micros(instant: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(instant.timestamp_micros()).unwrap_or(instant)
}
