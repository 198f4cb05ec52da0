//! A batch as statements: one per table and group of writes, however many rows there are.
//!
//! Writes are gathered by table until one of them would be seen by another in the wrong order; then the group goes out
//! and a new one begins. Within a group the last write of a row counts, as no statement may touch a row twice; a second
//! write of a base or an outbox entry begins a new group, because what it leaves and takes is checked on the way.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::{
    feed::Additions,
    model::{CalendarId, EventId},
    store::{
        BaseRecord, Batch, CommitReceipt, ConflictRecord, Doc, JournalEntry, Log, OutboxEntry, Result,
        Revision, RunRecord, StoreError, StoreErrorKind, Write,
    },
};
use chrono::{DateTime, Utc};

use super::{
    checks::Found,
    feeds,
    rows::{to_micros, uid_hash},
    session::{Call, Param},
    sql::Sql,
};
use crate::codec::{limited, state_name, to_json, unsigned};

const COMMIT: &str = "commit";

/// Two names that make a key, below the tenant.
type Key<'a> = (&'a str, &'a str);

/// The row of an event that is written with its content.
struct EventRow {
    uid_hash: Vec<u8>,
    revision: i64,
    modified: DateTime<Utc>,
    deleted: Option<DateTime<Utc>>,
    json: String,
}

/// What a group does to an event.
enum EventChange {
    Put(EventRow),
    /// Its content stays as the database has it.
    Delete {
        revision: i64,
        deleted: DateTime<Utc>,
    },
}

/// What a batch knows of an event while it is gone through.
#[derive(Clone, Copy)]
struct Known {
    deleted: Option<DateTime<Utc>>,
}

/// Rows of a table that knows a second unique key, in their order: its statement writes one after the other, and a row
/// may take a place that one before it left.
struct Rows<'a, V> {
    rows: Vec<(Key<'a>, V)>,
    keys: BTreeSet<Key<'a>>,
}

impl<V> Default for Rows<'_, V> {
    fn default() -> Self {
        Self { rows: Vec::new(), keys: BTreeSet::new() }
    }
}

/// The writes that wait to go out together.
#[derive(Default)]
struct Group<'a> {
    calendars: BTreeMap<&'a str, String>,
    events: BTreeMap<Key<'a>, EventChange>,
    /// How often each was put: the database counts from what it has.
    links: BTreeMap<&'a str, (i64, String)>,
    deleted_bases: Vec<Key<'a>>,
    bases: Rows<'a, &'a BaseRecord>,
    deleted_outbox: Vec<Key<'a>>,
    outbox: Rows<'a, &'a OutboxEntry>,
    conflicts: BTreeMap<Key<'a>, &'a ConflictRecord>,
    /// `None`: let out.
    quarantine: BTreeMap<Key<'a>, Option<String>>,
    runs: BTreeMap<Key<'a>, &'a RunRecord>,
    journal: BTreeMap<Key<'a>, &'a JournalEntry>,
    /// `None`: deleted.
    docs: BTreeMap<Key<'a>, Option<(&'a Doc, i64)>>,
}

/// What is forgotten for its age.
#[derive(Clone, Copy)]
pub(super) enum Purged {
    Events,
    Log,
}

/// The statements of a batch.
pub(super) struct Plan<'a> {
    pub(super) calls: Vec<Call<'a>>,
    /// Which of them answer with the rows they forgot, in the order of the batch.
    pub(super) purges: Vec<(usize, Purged)>,
    /// What the commit will have done, but for the rows purged.
    pub(super) receipt: CommitReceipt,
    /// The statements that tell of it, to be the last ones.
    pub(super) feeds: Vec<Call<'a>>,
}

struct Planner<'a> {
    sql: &'a Sql,
    tenant: &'a str,
    group: Group<'a>,
    revisions: BTreeMap<&'a str, i64>,
    links: BTreeMap<&'a str, i64>,
    events: BTreeMap<Key<'a>, Known>,
    doc_versions: std::slice::Iter<'a, i64>,
    added: Additions,
    plan: Plan<'a>,
}

/// The statements that write a batch whose expectations hold.
pub(super) fn plan<'a>(
    batch: &'a Batch,
    found: &'a Found,
    sql: &'a Sql,
    tenant: &'a str,
) -> Result<Plan<'a>> {
    let mut planner = Planner {
        sql,
        tenant,
        group: Group::default(),
        revisions: found.calendars.iter().map(|(id, last)| (id.as_str(), *last)).collect(),
        links: found.links.iter().map(|(id, generation)| (id.as_str(), *generation)).collect(),
        events: (found.events.iter())
            .map(|((calendar, id), state)| {
                ((calendar.as_str(), id.as_str()), Known { deleted: state.deleted })
            })
            .collect(),
        doc_versions: found.doc_versions.iter(),
        added: Additions::of(batch),
        plan: Plan {
            calls: Vec::new(),
            purges: Vec::new(),
            receipt: CommitReceipt::default(),
            feeds: Vec::new(),
        },
    };
    for write in &batch.writes {
        planner.add(write)?;
    }
    planner.flush()?;
    planner.finish(found);
    planner.plan.feeds = feeds::tell(planner.added.finish(), sql, tenant)?;
    Ok(planner.plan)
}

impl<'a> Planner<'a> {
    fn add(&mut self, write: &'a Write) -> Result<()> {
        let group = &mut self.group;
        match write {
            Write::PutCalendar(calendar) => {
                group.calendars.insert(calendar.id.as_str(), to_json(COMMIT, calendar)?);
            }
            Write::PutEvent { calendar, id, event, at } => {
                let revision = self.next_revision(calendar, id);
                self.added.put(calendar, id, Revision(unsigned(revision)), *at);
                let key = (calendar.as_str(), id.as_str());
                self.events.insert(key, Known { deleted: None });
                let row = EventRow {
                    uid_hash: uid_hash(&event.uid),
                    revision,
                    modified: to_micros(*at),
                    deleted: None,
                    json: to_json(COMMIT, event)?,
                };
                self.group.events.insert(key, EventChange::Put(row));
            }
            Write::DeleteEvent { calendar, id, at } => self.delete_event(calendar, id, to_micros(*at)),
            Write::PurgeDeleted { calendar, before, limit } => {
                // Which of them go is for the database to say: a row that is deleted and one that is gone are the same to
                // whatever this batch does with an event after that.
                self.flush()?;
                self.plan.purges.push((self.plan.calls.len(), Purged::Events));
                let (before, limit) = (to_micros(*before), limited(*limit));
                let sql = &self.sql.purge_events;
                self.call(sql, vec![Box::new(calendar.as_str()), Box::new(before), Box::new(limit)]);
            }
            Write::PutLink(link) => {
                *self.links.entry(link.id.as_str()).or_default() += 1;
                let times = group.links.get(link.id.as_str()).map_or(0, |(times, _)| *times);
                group.links.insert(link.id.as_str(), (times + 1, to_json(COMMIT, link)?));
            }
            Write::PutBase(base) => {
                let key = (base.link.as_str(), base.remote_id.as_str());
                if group.bases.keys.contains(&key) {
                    self.flush()?;
                }
                self.group.bases.keys.insert(key);
                self.group.bases.rows.push((key, base));
            }
            Write::DeleteBase { link, remote_id } => {
                if !group.bases.rows.is_empty() {
                    self.flush()?;
                }
                self.group.deleted_bases.push((link.as_str(), remote_id.as_str()));
            }
            Write::PutOutbox(entry) => {
                let key = (entry.link.as_str(), entry.id.0.as_str());
                if group.outbox.keys.contains(&key) {
                    self.flush()?;
                }
                self.group.outbox.keys.insert(key);
                self.group.outbox.rows.push((key, entry));
            }
            Write::DeleteOutbox { link, id } => {
                if !group.outbox.rows.is_empty() {
                    self.flush()?;
                }
                self.group.deleted_outbox.push((link.as_str(), &id.0));
            }
            Write::PutConflict(row) => {
                group.conflicts.insert((row.link.as_str(), &row.id), row);
            }
            Write::PutQuarantine(row) => {
                let key = (row.link.as_str(), row.remote_id.as_str());
                group.quarantine.insert(key, Some(to_json(COMMIT, row)?));
            }
            Write::DeleteQuarantine { link, remote_id } => {
                group.quarantine.insert((link.as_str(), remote_id.as_str()), None);
            }
            Write::PutRun(row) => {
                group.runs.insert((row.link.as_str(), row.id.as_str()), row);
            }
            Write::PutJournal(row) => {
                group.journal.insert((row.link.as_str(), &row.id), row);
            }
            Write::PurgeLog { link, log, before, limit } => {
                self.flush()?;
                let sql = match log {
                    Log::Runs => &self.sql.purge_runs,
                    Log::Journal => &self.sql.purge_journal,
                    Log::ResolvedConflicts => &self.sql.purge_conflicts,
                };
                self.plan.purges.push((self.plan.calls.len(), Purged::Log));
                let (before, limit) = (to_micros(*before), limited(*limit));
                self.call(sql, vec![Box::new(link.as_str()), Box::new(before), Box::new(limit)]);
            }
            Write::PutDoc(doc) => {
                let version = self.doc_versions.next().copied();
                let version = version.ok_or_else(|| StoreError::new(StoreErrorKind::Backend, COMMIT))?;
                self.plan.receipt.doc_versions.push(unsigned(version));
                group.docs.insert((&doc.space, &doc.key), Some((doc, version)));
            }
            Write::DeleteDoc { space, key } => {
                group.docs.insert((space, key), None);
            }
        }
        Ok(())
    }

    fn next_revision(&mut self, calendar: &'a CalendarId, id: &'a EventId) -> i64 {
        let last = self.revisions.entry(calendar.as_str()).or_default();
        *last += 1;
        let revision = *last;
        let receipt = (calendar.clone(), id.clone(), Revision(unsigned(revision)));
        self.plan.receipt.revisions.push(receipt);
        revision
    }

    fn delete_event(&mut self, calendar: &'a CalendarId, id: &'a EventId, at: DateTime<Utc>) {
        let key = (calendar.as_str(), id.as_str());
        let Some(known) = self.events.get_mut(&key).filter(|known| known.deleted.is_none()) else { return };
        known.deleted = Some(at);
        let new = self.next_revision(calendar, id);
        self.added.deleted(calendar, id, Revision(unsigned(new)), at);
        match self.group.events.get_mut(&key) {
            Some(EventChange::Put(row)) => {
                row.revision = new;
                row.deleted = Some(at);
            }
            _ => {
                self.group.events.insert(key, EventChange::Delete { revision: new, deleted: at });
            }
        }
    }

    /// Adds a statement whose first parameter is the tenant.
    fn call(&mut self, sql: &'a str, params: Vec<Param<'a>>) {
        let mut all: Vec<Param<'a>> = vec![Box::new(self.tenant)];
        all.extend(params);
        self.plan.calls.push(Call { sql, params: all });
    }

    /// Sends the group.
    fn flush(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        let sql = self.sql;
        if !group.calendars.is_empty() {
            let (ids, json): (Vec<&str>, Vec<String>) = group.calendars.into_iter().unzip();
            self.call(&sql.put_calendars, vec![Box::new(ids), Box::new(json)]);
        }
        self.flush_events(group.events);
        if !group.links.is_empty() {
            let (mut ids, mut times, mut json) = (Vec::new(), Vec::new(), Vec::new());
            for (id, (put, text)) in group.links {
                ids.push(id);
                times.push(put);
                json.push(text);
            }
            self.call(&sql.put_links, vec![Box::new(ids), Box::new(times), Box::new(json)]);
        }
        self.delete(&sql.delete_bases, group.deleted_bases);
        self.flush_bases(group.bases.rows)?;
        self.delete(&sql.delete_outbox, group.deleted_outbox);
        self.flush_outbox(group.outbox.rows)?;
        self.flush_records(group.conflicts, group.runs, group.journal)?;
        self.flush_quarantine(group.quarantine);
        self.flush_docs(group.docs);
        Ok(())
    }

    fn delete(&mut self, sql: &'a str, keys: Vec<Key<'a>>) {
        if !keys.is_empty() {
            let (owners, ids): (Vec<&str>, Vec<&str>) = keys.into_iter().unzip();
            self.call(sql, vec![Box::new(owners), Box::new(ids)]);
        }
    }

    fn flush_events(&mut self, events: BTreeMap<Key<'a>, EventChange>) {
        let (mut calendars, mut ids, mut hashes, mut revisions) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut modified, mut deleted, mut json) = (Vec::new(), Vec::new(), Vec::new());
        let (mut gone, mut gone_revisions, mut gone_at) = (Vec::new(), Vec::new(), Vec::new());
        for ((calendar, id), change) in events {
            match change {
                EventChange::Put(row) => {
                    calendars.push(calendar);
                    ids.push(id);
                    hashes.push(row.uid_hash);
                    revisions.push(row.revision);
                    modified.push(row.modified);
                    deleted.push(row.deleted);
                    json.push(row.json);
                }
                EventChange::Delete { revision, deleted } => {
                    gone.push((calendar, id));
                    gone_revisions.push(revision);
                    gone_at.push(deleted);
                }
            }
        }
        let sql = self.sql;
        if !ids.is_empty() {
            self.call(
                &sql.put_events,
                vec![
                    Box::new(calendars),
                    Box::new(ids),
                    Box::new(hashes),
                    Box::new(revisions),
                    Box::new(modified),
                    Box::new(deleted),
                    Box::new(json),
                ],
            );
        }
        if !gone.is_empty() {
            let (calendars, ids): (Vec<&str>, Vec<&str>) = gone.into_iter().unzip();
            self.call(
                &sql.delete_events,
                vec![Box::new(calendars), Box::new(ids), Box::new(gone_revisions), Box::new(gone_at)],
            );
        }
    }

    fn flush_bases(&mut self, rows: Vec<(Key<'a>, &'a BaseRecord)>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let (mut links, mut items, mut events, mut versions) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut states, mut payloads) = (Vec::new(), Vec::new());
        let (mut locals, mut remotes) = (Vec::new(), Vec::new());
        for ((link, item), base) in rows {
            links.push(link);
            items.push(item);
            events.push(base.event_id.as_str());
            versions.push(base.version.as_ref().map(|version| version.as_str().as_bytes()));
            states.push(state_name(base.state));
            payloads.push(base.payload.as_str().as_bytes());
            locals.push(base.local.as_ref().map(|event| to_json(COMMIT, event)).transpose()?);
            remotes.push(base.remote.as_ref().map(|event| to_json(COMMIT, event)).transpose()?);
        }
        self.call(
            &self.sql.put_bases,
            vec![
                Box::new(links),
                Box::new(items),
                Box::new(events),
                Box::new(versions),
                Box::new(states),
                Box::new(payloads),
                Box::new(locals),
                Box::new(remotes),
            ],
        );
        Ok(())
    }

    fn flush_outbox(&mut self, rows: Vec<(Key<'a>, &'a OutboxEntry)>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let (mut links, mut ids, mut events, mut json) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for ((link, id), entry) in rows {
            links.push(link);
            ids.push(id);
            events.push(entry.event_id.as_str());
            json.push(to_json(COMMIT, entry)?);
        }
        let params: Vec<Param<'a>> = vec![Box::new(links), Box::new(ids), Box::new(events), Box::new(json)];
        self.call(&self.sql.put_outbox, params);
        Ok(())
    }

    fn flush_records(
        &mut self,
        conflicts: BTreeMap<Key<'a>, &'a ConflictRecord>,
        runs: BTreeMap<Key<'a>, &'a RunRecord>,
        journal: BTreeMap<Key<'a>, &'a JournalEntry>,
    ) -> Result<()> {
        let sql = self.sql;
        if !conflicts.is_empty() {
            let mut rows = LogRows::default();
            for (key, row) in conflicts {
                let aged = row.resolved_since().map(to_micros);
                rows.push(key, (row.event_id.as_str(), row.run.as_str()), aged, to_json(COMMIT, row)?);
            }
            self.call(&sql.put_conflicts, rows.params());
        }
        if !journal.is_empty() {
            let mut rows = LogRows::default();
            for (key, row) in journal {
                let aged = Some(to_micros(row.at));
                rows.push(key, (row.event_id.as_str(), row.run.as_str()), aged, to_json(COMMIT, row)?);
            }
            self.call(&sql.put_journal, rows.params());
        }
        if !runs.is_empty() {
            let (mut links, mut ids, mut aged, mut json) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for ((link, id), row) in runs {
                links.push(link);
                ids.push(id);
                aged.push(to_micros(row.started));
                json.push(to_json(COMMIT, row)?);
            }
            self.call(&sql.put_runs, vec![Box::new(links), Box::new(ids), Box::new(aged), Box::new(json)]);
        }
        Ok(())
    }

    fn flush_quarantine(&mut self, rows: BTreeMap<Key<'a>, Option<String>>) {
        let (mut links, mut items, mut json, mut gone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for ((link, item), row) in rows {
            match row {
                Some(text) => {
                    links.push(link);
                    items.push(item);
                    json.push(text);
                }
                None => gone.push((link, item)),
            }
        }
        let sql = self.sql;
        self.delete(&sql.delete_quarantine, gone);
        if !links.is_empty() {
            self.call(&sql.put_quarantine, vec![Box::new(links), Box::new(items), Box::new(json)]);
        }
    }

    fn flush_docs(&mut self, rows: BTreeMap<Key<'a>, Option<(&'a Doc, i64)>>) {
        let (mut spaces, mut keys, mut versions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut due, mut values, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for ((space, key), row) in rows {
            match row {
                Some((doc, version)) => {
                    spaces.push(space);
                    keys.push(key);
                    versions.push(version);
                    due.push(doc.due.map(to_micros));
                    values.push(doc.value.as_slice());
                }
                None => gone.push((space, key)),
            }
        }
        let sql = self.sql;
        self.delete(&sql.delete_docs, gone);
        if !spaces.is_empty() {
            self.call(
                &sql.put_docs,
                vec![Box::new(spaces), Box::new(keys), Box::new(versions), Box::new(due), Box::new(values)],
            );
        }
    }

    /// Counters that moved, and rows that were only made to be locked.
    fn finish(&mut self, found: &'a Found) {
        let sql = self.sql;
        let (calendars, last): (Vec<&str>, Vec<i64>) = (self.revisions.iter())
            .filter(|(calendar, last)| found.calendars.get(**calendar) != Some(last))
            .map(|(calendar, last)| (*calendar, *last))
            .unzip();
        if !calendars.is_empty() {
            self.call(&sql.set_revisions, vec![Box::new(calendars), Box::new(last)]);
        }
        let links: Vec<&str> =
            self.links.iter().filter(|(_, generation)| **generation == 0).map(|(id, _)| *id).collect();
        if !links.is_empty() {
            self.call(&sql.drop_links, vec![Box::new(links)]);
        }
        let docs: Vec<Key<'a>> = (found.docs.iter())
            .filter(|(_, version)| **version == 0)
            .map(|((space, key), _)| (space.as_str(), key.as_str()))
            .collect();
        self.delete(&sql.drop_docs, docs);
    }
}

/// The columns of conflicts and of the journal.
#[derive(Default)]
struct LogRows<'a> {
    links: Vec<&'a str>,
    ids: Vec<&'a str>,
    events: Vec<&'a str>,
    runs: Vec<&'a str>,
    aged: Vec<Option<DateTime<Utc>>>,
    json: Vec<String>,
}

impl<'a> LogRows<'a> {
    fn push(&mut self, key: Key<'a>, (event, run): Key<'a>, aged: Option<DateTime<Utc>>, json: String) {
        self.links.push(key.0);
        self.ids.push(key.1);
        self.events.push(event);
        self.runs.push(run);
        self.aged.push(aged);
        self.json.push(json);
    }

    fn params(self) -> Vec<Param<'a>> {
        vec![
            Box::new(self.links),
            Box::new(self.ids),
            Box::new(self.events),
            Box::new(self.runs),
            Box::new(self.aged),
            Box::new(self.json),
        ]
    }
}
