//! A batch as rows: what the table will hold. Pure: the rows it depends on come in, the rows it changes go out.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::{
    feed::{Additions, EventSeq, FeedEntry, numbered},
    model::EventId,
    store::{
        BaseRecord, Batch, CommitReceipt, Expectation, LinkState, Log, OutboxEntry, Record, RecordKind,
        Result, Revision, StoreError, StoreErrorKind, Write,
    },
};
use chrono::TimeDelta;

use super::{
    checks::{Found, kind_of},
    feeds,
    guards::{Change, Counts},
    keys::{self, Key, Kind, Owner},
    rows::{
        base_item, bytes, doc_item, event_item, integer, joined_item, json_item, micros, natural, of_texts,
        outbox_item, pointer, record_item, record_name, set_deleted, set_revision, text, texts,
    },
    session::{Item, binary, key_map},
};
use crate::codec::to_json;

const COMMIT: &str = "commit";

/// What a commit writes.
#[derive(Default)]
pub(super) struct Plan {
    /// Rows as they will be; `None`: gone.
    pub(super) rows: BTreeMap<Key, Option<Item>>,
    /// The owners whose rows change.
    pub(super) guards: BTreeMap<Owner, Change>,
    /// Documents that are written or expected, with the version they have now.
    pub(super) docs: BTreeMap<Key, Option<u64>>,
    pub(super) receipt: CommitReceipt,
}

struct Planner<'a> {
    tenant: &'a str,
    keep: Option<TimeDelta>,
    found: &'a Found,
    versions: std::slice::Iter<'a, u64>,
    /// Rows that are deleted without having been read: their pair says that they are there. A base is read before it goes, as
    /// the parts of its value go with it.
    unread: BTreeSet<Key>,
    added: Additions,
    plan: Plan,
}

/// The rows of a batch, or why it is refused.
pub(super) fn plan(batch: &Batch, found: &Found, tenant: &str, keep: Option<TimeDelta>) -> Result<Plan> {
    let versions = found.versions.iter();
    let mut planner = Planner {
        tenant,
        keep,
        found,
        versions,
        unread: BTreeSet::new(),
        added: Additions::of(batch),
        plan: Plan::default(),
    };
    for (index, expectation) in batch.expect.iter().enumerate() {
        if !planner.holds(expectation)? {
            return Err(StoreError::new(StoreErrorKind::Conflict { expectation: index }, COMMIT));
        }
    }
    for write in &batch.writes {
        planner.write(write)?;
    }
    planner.tell()?;
    // What is there already need not be written.
    let unread = planner.unread;
    planner
        .plan
        .rows
        .retain(|key, item| found.rows.get(key) != item.as_ref() || (item.is_none() && unread.contains(key)));
    Ok(planner.plan)
}

impl Planner<'_> {
    fn get(&self, key: &Key) -> Option<&Item> {
        match self.plan.rows.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.found.rows.get(key),
        }
    }

    fn put(&mut self, key: Key, item: Item) {
        self.plan.rows.insert(key, Some(item));
    }

    fn delete(&mut self, key: Key) {
        self.plan.rows.insert(key, None);
    }

    fn row(&self, kind: Kind, owner: &str, name: &str) -> Result<Key> {
        keys::row(self.tenant, kind, owner, name)
    }

    /// The change of an owner's guard.
    fn touch(&mut self, owner: Owner) -> &mut Change {
        self.plan.guards.entry(owner).or_default()
    }

    fn link(&mut self, link: &str) -> &mut Change {
        let change = self.touch(Owner::Link(link.to_owned()));
        change.rows.get_or_insert_default();
        change
    }

    /// How many rows more a link has.
    fn counts(&mut self, link: &str) -> &mut Counts {
        self.link(link).rows.get_or_insert_default()
    }

    fn holds(&mut self, expectation: &Expectation) -> Result<bool> {
        Ok(match expectation {
            Expectation::Event { calendar, id, revision } => {
                let key = self.row(Kind::Event, calendar.as_str(), id.as_str())?;
                self.get(&key).and_then(|item| natural(item, "rv")) == revision.map(|revision| revision.0)
            }
            Expectation::Link { id, generation } => {
                let guard = self.found.guards.get(&Owner::Link(id.as_str().to_owned()));
                guard.and_then(|(_, guard)| guard.generation) == *generation
            }
            Expectation::Uid { calendar, uid, events } => {
                let key = keys::hashed(self.tenant, Kind::Uid, calendar.as_str(), &keys::hash(uid))?;
                let there: BTreeSet<String> = texts(self.get(&key), "ii").into_iter().collect();
                let expected: BTreeSet<&str> = events.iter().map(EventId::as_str).collect();
                there.len() == expected.len() && there.iter().all(|id| expected.contains(id.as_str()))
            }
            Expectation::Doc { space, key, version } => {
                let key = self.row(Kind::Doc, space, key)?;
                let there = self.doc_version(&key);
                there == *version
            }
        })
    }

    /// The version a document has in the table, which the commit depends on from here on.
    fn doc_version(&mut self, key: &Key) -> Option<u64> {
        let version = self.found.rows.get(key).and_then(|item| natural(item, "dv"));
        self.plan.docs.insert(key.clone(), version);
        version
    }

    fn write(&mut self, write: &Write) -> Result<()> {
        match write {
            Write::PutCalendar(calendar) => {
                let key = self.row(Kind::Calendar, "", calendar.id.as_str())?;
                let item = json_item(&key, calendar)?;
                self.put(key, item);
                self.touch(Owner::Calendars);
            }
            Write::PutEvent { calendar, id, event, at } => {
                let (calendar_id, key) =
                    (calendar.as_str(), self.row(Kind::Event, calendar.as_str(), id.as_str())?);
                let revision = self.next_revision(calendar_id, id.as_str());
                let has = self.get(&key).and_then(|item| bytes(item, "uh"));
                // It is in the list of the UID it has, so that list need not be known.
                if has != Some(keys::hash(&event.uid).as_slice()) {
                    self.leave_uid(calendar_id, &key, id.as_str())?;
                    self.join_uid(calendar_id, &event.uid, id.as_str())?;
                }
                let item = event_item(&key, event, revision, *at)?;
                self.put(key, item);
                self.added.put(calendar, id, Revision(revision), *at);
                self.plan.receipt.revisions.push((calendar.clone(), id.clone(), Revision(revision)));
            }
            Write::DeleteEvent { calendar, id, at } => {
                let key = self.row(Kind::Event, calendar.as_str(), id.as_str())?;
                let Some(item) = self.get(&key).filter(|item| !item.contains_key("de")) else {
                    return Ok(());
                };
                let mut item = item.clone();
                let revision = self.next_revision(calendar.as_str(), id.as_str());
                set_revision(&mut item, revision);
                set_deleted(&mut item, micros(*at));
                self.put(key, item);
                self.added.deleted(calendar, id, Revision(revision), *at);
                self.plan.receipt.revisions.push((calendar.clone(), id.clone(), Revision(revision)));
            }
            Write::PurgeDeleted { calendar, before, limit } => {
                let forgotten = self.purge_deleted(calendar.as_str(), micros(*before), *limit)?;
                self.plan.receipt.forgotten.push(forgotten);
            }
            Write::PutLink(link) => self.put_link(link)?,
            Write::PutBase(base) => self.put_base(base)?,
            Write::DeleteBase { link, remote_id } => {
                let key = self.row(Kind::BaseOfItem, link.as_str(), remote_id.as_str())?;
                self.delete_pair(key, Kind::Base, link.as_str())?;
            }
            Write::PutOutbox(entry) => self.put_outbox(entry)?,
            Write::DeleteOutbox { link, id } => {
                let key = self.row(Kind::Outbox, link.as_str(), &id.0)?;
                self.delete_pair(key, Kind::OutboxOfEvent, link.as_str())?;
            }
            Write::PutConflict(row) => self.put_record(&Record::Conflict(row.clone()))?,
            Write::PutQuarantine(row) => self.put_record(&Record::Quarantine(row.clone()))?,
            Write::DeleteQuarantine { link, remote_id } => {
                let key = self.row(Kind::Quarantine, link.as_str(), remote_id.as_str())?;
                if self.get(&key).is_some() {
                    self.delete(key);
                    self.counts(link.as_str()).quarantine -= 1;
                }
            }
            Write::PutRun(row) => self.put_record(&Record::Run(row.clone()))?,
            Write::PutJournal(row) => self.put_record(&Record::Journal(row.clone()))?,
            Write::PurgeLog { link, log, before, limit } => {
                let purged = self.purge_log(link.as_str(), *log, micros(*before), *limit)?;
                self.plan.receipt.purged.push(purged);
            }
            Write::PutDoc(doc) => {
                let version = self.versions.next().copied();
                let version = version.ok_or_else(|| StoreError::new(StoreErrorKind::Backend, COMMIT))?;
                let key = self.row(Kind::Doc, &doc.space, &doc.key)?;
                self.doc_version(&key);
                let item = doc_item(self.tenant, &key, doc, version)?;
                self.put(key, item);
                self.plan.receipt.doc_versions.push(version);
            }
            Write::DeleteDoc { space, key } => {
                let key = self.row(Kind::Doc, space, key)?;
                self.doc_version(&key);
                self.delete(key);
            }
        }
        Ok(())
    }

    /// The revision an event of a calendar gets.
    fn next_revision(&mut self, calendar: &str, event: &str) -> u64 {
        let owner = Owner::Calendar(calendar.to_owned());
        let last = self.found.guards.get(&owner).map_or(0, |(_, guard)| guard.revision);
        let change = self.touch(owner);
        let next = change.revision.unwrap_or(last) + 1;
        change.revision = Some(next);
        change.events.push(event.to_owned());
        next
    }

    /// The rows of what the batch adds to feeds.
    fn tell(&mut self) -> Result<()> {
        let added = std::mem::replace(&mut self.added, Additions::of(&Batch::default()));
        for (calendar, added) in added.finish() {
            let owner = Owner::Calendar(calendar.as_str().to_owned());
            let last = self.found.guards.get(&owner).map_or(0, |(_, guard)| guard.told);
            let entries: Vec<FeedEntry> = numbered(EventSeq(last), added).collect();
            for row in entries.chunks(feeds::TOGETHER) {
                let Some(last) = row.last() else { continue };
                let key = keys::feed(self.tenant, calendar.as_str(), last.seq.0)?;
                let item = feeds::item(&key, row, self.keep)?;
                self.put(key, item);
                self.touch(owner.clone()).told = Some(last.seq.0);
            }
        }
        Ok(())
    }

    /// Takes an event out of the list of the UID it has.
    fn leave_uid(&mut self, calendar: &str, event: &Key, id: &str) -> Result<()> {
        let Some(hash) = self.get(event).and_then(|item| bytes(item, "uh")).map(<[u8]>::to_vec) else {
            return Ok(());
        };
        let key = keys::hashed(self.tenant, Kind::Uid, calendar, &hash)?;
        let mut ids = texts(self.get(&key), "ii");
        ids.retain(|other| other != id);
        if ids.is_empty() {
            self.delete(key);
        } else {
            self.put_uid(key, ids);
        }
        Ok(())
    }

    fn join_uid(&mut self, calendar: &str, uid: &str, id: &str) -> Result<()> {
        let key = keys::hashed(self.tenant, Kind::Uid, calendar, &keys::hash(uid))?;
        let mut ids = texts(self.get(&key), "ii");
        if !ids.iter().any(|other| other == id) {
            ids.push(id.to_owned());
        }
        self.put_uid(key, ids);
        Ok(())
    }

    fn put_uid(&mut self, key: Key, ids: Vec<String>) {
        let mut item = key_map(&key);
        item.insert("ii".to_owned(), of_texts(ids));
        self.put(key, item);
    }

    /// The rows of a partition as they are at this point of the batch, as far as they are known.
    fn known(&self, pk: &[u8]) -> BTreeSet<Key> {
        let first = Key { pk: pk.to_vec(), sk: Vec::new() };
        let of = |key: &&Key| key.pk == pk;
        let there = self.found.rows.range(first.clone()..).map(|(key, _)| key).take_while(of);
        let changed = self.plan.rows.range(first..).map(|(key, _)| key).take_while(of);
        there.chain(changed).cloned().collect()
    }

    fn purge_deleted(&mut self, calendar: &str, before: i64, limit: usize) -> Result<usize> {
        let pk = keys::partition(self.tenant, Kind::Event, calendar)?;
        let mut old: Vec<(i64, Key, String)> = self
            .known(&pk)
            .into_iter()
            .filter_map(|key| {
                let at = integer(self.get(&key)?, "de").filter(|at| *at < before)?;
                let id = keys::name(&key.sk)?.to_owned();
                Some((at, key, id))
            })
            .collect();
        old.sort();
        old.truncate(limit);
        let forgotten = old.len();
        for (_, key, id) in old {
            self.leave_uid(calendar, &key, &id)?;
            self.delete(key);
            self.touch(Owner::Calendar(calendar.to_owned()));
        }
        Ok(forgotten)
    }

    fn put_link(&mut self, link: &LinkState) -> Result<()> {
        let owner = Owner::Link(link.id.as_str().to_owned());
        let last = self.found.guards.get(&owner).and_then(|(_, guard)| guard.generation).unwrap_or(0);
        let state = to_json(COMMIT, link)?.into_bytes();
        let change = self.link(link.id.as_str());
        let generation = change.link.as_ref().map_or(last, |(generation, _)| *generation) + 1;
        change.link = Some((generation, state));
        Ok(())
    }

    fn put_base(&mut self, base: &BaseRecord) -> Result<()> {
        let (link, event, name) = (base.link.as_str(), base.event_id.as_str(), base.remote_id.as_str());
        let key = self.row(Kind::BaseOfItem, link, name)?;
        let item = joined_item(&key, event);
        let by_event = self.row(Kind::Base, link, event)?;
        let of_event = base_item(&by_event, base)?;
        self.put_pair((key, item), (by_event, of_event), Kind::Base, link, (event, name))
    }

    fn put_outbox(&mut self, entry: &OutboxEntry) -> Result<()> {
        let key = self.row(Kind::Outbox, entry.link.as_str(), &entry.id.0)?;
        let item = outbox_item(&key, entry)?;
        let (link, event) = (entry.link.as_str(), entry.event_id.as_str());
        let by_event = self.row(Kind::OutboxOfEvent, link, event)?;
        let of_event = pointer(&by_event, &entry.id.0);
        self.put_pair((key, item), (by_event, of_event), Kind::OutboxOfEvent, link, (event, &entry.id.0))
    }

    /// Puts what an event has at most one of: a row by its name, and one by its event.
    fn put_pair(
        &mut self,
        (key, item): (Key, Item),
        (by_event, pointed): (Key, Item),
        of_event: Kind,
        link: &str,
        (event, name): (&str, &str),
    ) -> Result<()> {
        if self.get(&by_event).and_then(|item| text(item, "ri")).is_some_and(|other| other != name) {
            return Err(StoreError::new(StoreErrorKind::InvalidInput, COMMIT));
        }
        if let Some(old) = self.get(&key).and_then(|item| text(item, "ei")).filter(|old| *old != event) {
            let old = self.row(of_event, link, old)?;
            self.unread.insert(old.clone());
            self.delete(old);
        }
        self.put(by_event, pointed);
        let more = i64::from(of_event == Kind::OutboxOfEvent && self.get(&key).is_none());
        self.put(key, item);
        self.counts(link).outbox += more;
        Ok(())
    }

    fn delete_pair(&mut self, key: Key, of_event: Kind, link: &str) -> Result<()> {
        let Some(event) = self.get(&key).and_then(|item| text(item, "ei")) else { return Ok(()) };
        let by_event = self.row(of_event, link, event)?;
        self.unread.insert(by_event.clone());
        self.delete(by_event);
        self.delete(key);
        self.counts(link).outbox -= i64::from(of_event == Kind::OutboxOfEvent);
        Ok(())
    }

    fn put_record(&mut self, record: &Record) -> Result<()> {
        let (kind, link, id) = record_name(record);
        let key = self.row(Kind::of_record(kind), link.as_str(), id)?;
        let item = record_item(&key, record, self.keep)?;
        let more = i64::from(kind == RecordKind::Quarantine && self.get(&key).is_none());
        self.put(key, item);
        self.counts(link.as_str()).quarantine += more;
        Ok(())
    }

    fn purge_log(&mut self, link: &str, log: Log, before: i64, limit: usize) -> Result<usize> {
        let pk = keys::partition(self.tenant, kind_of(log), link)?;
        let mut old: Vec<(i64, Key)> = self
            .known(&pk)
            .into_iter()
            .filter_map(|key| {
                let age = keys::micros(bytes(self.get(&key)?, "i3")?)?;
                (age < before).then_some((age, key))
            })
            .collect();
        old.sort();
        old.truncate(limit);
        let purged = old.len();
        for (_, key) in old {
            self.delete(key);
            self.link(link);
        }
        Ok(purged)
    }
}

/// A row as it is kept in the journal of a large batch, and back.
pub(super) mod journal {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::{Item, Key, binary, bytes};
    use crate::dynamodb::session::Action;

    pub(in crate::dynamodb) fn write(key: &Key, item: Option<&Item>) -> AttributeValue {
        let map = match item {
            Some(item) => Item::from([("p".to_owned(), AttributeValue::M(item.clone()))]),
            None => Item::from([
                ("k".to_owned(), binary(key.pk.clone())),
                ("s".to_owned(), binary(key.sk.clone())),
            ]),
        };
        AttributeValue::M(map)
    }

    pub(in crate::dynamodb) fn read(value: &AttributeValue) -> Option<Action> {
        let map = value.as_m().ok()?;
        if let Some(item) = map.get("p") {
            return Some(Action::Put(item.as_m().ok()?.clone()));
        }
        Some(Action::Delete(Key { pk: bytes(map, "k")?.to_vec(), sk: bytes(map, "s")?.to_vec() }))
    }
}
