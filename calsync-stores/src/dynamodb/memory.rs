//! What a process remembers of an owner's rows: they are as they were read for as long as the owner's guard is, because whoever
//! changes a row moves the guard. A commit that finds all it depends on here reads nothing: its transaction checks the guards,
//! and where one has moved it begins again from the table.
//!
//! Nothing is answered from here. It holds what runs under way read and wrote, and is dropped whole when it is full.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use calsync_core::{
    model::{CalendarId, EventId, LinkId, RemoteId},
    store::{Batch, Expectation, Result, Write},
};

use super::{
    DynamoStore,
    checks::{Found, Needs, following_row},
    guards::Guard,
    keys::{self, Key, Kind, Owner},
    plan::Plan,
    rows::{bytes, joined_item, text},
    session::Item,
};

/// How many rows are remembered.
const ROWS: usize = 4_096;
/// How many bytes of values.
const BYTES: usize = 8 << 20;

/// The rows of one owner.
#[derive(Default)]
struct Held {
    guard: Guard,
    /// `None`: there is none.
    rows: HashMap<Key, Option<Item>>,
}

/// Rows by the guard of their owner.
#[derive(Default)]
pub(super) struct Memory {
    owners: HashMap<Key, Held>,
    rows: usize,
    bytes: usize,
}

impl Memory {
    /// The guard of an owner, as it was last seen.
    pub(super) fn guard(&self, key: &Key) -> Option<&Guard> {
        self.owners.get(key).map(|held| &held.guard)
    }

    /// Remembers rows that were read while a guard was like this.
    pub(super) fn learn(
        &mut self,
        key: &Key,
        guard: &Guard,
        rows: impl IntoIterator<Item = (Key, Option<Item>)>,
    ) {
        if guard.lock.is_some() {
            self.forget(key);
            return;
        }
        if self.rows > ROWS || self.bytes > BYTES {
            *self = Self::default();
        }
        let held = self.owners.entry(key.clone()).or_default();
        if guard.version < held.guard.version {
            // A slow answer: what is held is newer.
            return;
        }
        if held.guard.version != guard.version {
            held.rows.clear();
        }
        // Its state is never needed: who asks for it reads it.
        held.guard = Guard { state: None, ..guard.clone() };
        for (key, item) in rows {
            // The parts of a large value are somewhere else.
            if item.as_ref().is_some_and(|item| item.contains_key("xi")) {
                held.rows.remove(&key);
                continue;
            }
            self.rows += 1;
            self.bytes += item.as_ref().and_then(|item| bytes(item, "vl")).map_or(0, <[u8]>::len);
            held.rows.insert(key, item);
        }
    }

    /// Somebody else changed its rows.
    pub(super) fn forget(&mut self, key: &Key) {
        self.owners.remove(key);
    }

    /// Remembers what a commit wrote: it found the guards like this and moved those it planned to.
    pub(super) fn wrote(&mut self, tenant: &str, found: &Found, plan: &Plan) {
        for (owner, (key, guard)) in &found.guards {
            let Some(change) = plan.guards.get(owner) else { continue };
            let same = self.owners.get(key).is_some_and(|held| held.guard.version == guard.version);
            let next = guard.after(change);
            if same && let Some(held) = self.owners.get_mut(key) {
                held.guard.version = next.version;
            }
            let of = |key: &&Key| owner_of(tenant, key).as_ref() == Some(owner);
            let rows = plan.rows.keys().filter(of).map(|key| (key.clone(), plan.rows[key].clone()));
            let rows: Vec<_> = rows.collect();
            self.learn(key, &next, rows);
        }
    }

    /// What a batch depends on, when all of it is remembered; and the rows that are taken not to be there because they get
    /// names nobody had before: the transaction has to check that.
    pub(super) fn find(
        &self,
        store: &DynamoStore,
        batch: &Batch,
        needs: &Needs,
    ) -> Result<Option<(Found, BTreeSet<Key>)>> {
        let Some(wanted) = needs.rows_alone() else { return Ok(None) };
        let mut found = Found::default();
        let mut held = BTreeMap::new();
        for owner in &needs.owners {
            let key = keys::guard(&store.tenant, owner)?;
            if matches!(owner, Owner::Space(_)) {
                // What is known of it is for the transaction to say: that no large batch is at it, and of which version a
                // document is.
                found.guards.insert(owner.clone(), (key, Guard::default()));
                continue;
            }
            let Some(known) = self.owners.get(&key) else { return Ok(None) };
            found.guards.insert(owner.clone(), (key, known.guard.clone()));
            held.insert(owner, known);
        }
        let mut new = BTreeSet::new();
        let Uids { left, unchanged } = uids(store, batch, &held)?;
        let (joining, making) = (joining(store, batch)?, making(store, batch)?);
        let unwritten = unwritten(store, batch)?;
        for key in wanted.iter().chain(&left) {
            if unwritten.contains(key) {
                continue;
            }
            let Some(known) = owner_of(&store.tenant, key).and_then(|owner| held.get(&owner)) else {
                return Ok(None);
            };
            match known.rows.get(key) {
                Some(Some(item)) => {
                    found.rows.insert(key.clone(), item.clone());
                    if keys::kind(&store.tenant, key) == Some(Kind::BaseOfItem)
                        && let Some(base) = following_row(&store.tenant, key, item)?
                    {
                        let Some(Some(item)) = known.rows.get(&base) else { return Ok(None) };
                        found.rows.insert(base, item.clone());
                    }
                }
                Some(None) => {}
                None if unchanged.contains(key) => {}
                None => match keys::kind(&store.tenant, key) {
                    Some(Kind::Journal | Kind::Run | Kind::Conflict) => {
                        new.insert(key.clone());
                    }
                    Some(Kind::BaseOfItem) if joining.contains(key) => {
                        new.insert(key.clone());
                    }
                    Some(Kind::Event | Kind::Base) if making.contains(key) => {
                        new.insert(key.clone());
                    }
                    Some(Kind::Outbox | Kind::OutboxOfEvent) if known.guard.outbox == Some(0) => {}
                    Some(Kind::Quarantine) if known.guard.quarantine == Some(0) => {}
                    _ => return Ok(None),
                },
            }
        }
        Ok(Some((found, new)))
    }
}

/// The rows of documents that are expected not to be there, and that a batch does not touch: each is a condition of its own.
fn unwritten(store: &DynamoStore, batch: &Batch) -> Result<BTreeSet<Key>> {
    let mut unwritten = BTreeSet::new();
    for expectation in &batch.expect {
        if let Expectation::Doc { space, key, version: None } = expectation {
            unwritten.insert(keys::row(&store.tenant, Kind::Doc, space, key)?);
        }
    }
    for write in &batch.writes {
        if let Write::DeleteDoc { space, key } = write {
            unwritten.remove(&keys::row(&store.tenant, Kind::Doc, space, key)?);
        }
    }
    Ok(unwritten)
}

/// The rows of items a batch joins and does not part.
fn joining(store: &DynamoStore, batch: &Batch) -> Result<BTreeSet<Key>> {
    let by_item = |link: &LinkId, item: &RemoteId| {
        keys::row(&store.tenant, Kind::BaseOfItem, link.as_str(), item.as_str())
    };
    let mut joining = BTreeSet::new();
    for write in &batch.writes {
        if let Write::PutBase(base) = write {
            joining.insert(by_item(&base.link, &base.remote_id)?);
        }
    }
    for write in &batch.writes {
        if let Write::DeleteBase { link, remote_id } = write {
            joining.remove(&by_item(link, remote_id)?);
        }
    }
    Ok(joining)
}

/// The rows of events a batch makes, and of their bases.
fn making(store: &DynamoStore, batch: &Batch) -> Result<BTreeSet<Key>> {
    let made: BTreeSet<(&CalendarId, &EventId)> = batch
        .expect
        .iter()
        .filter_map(|expectation| match expectation {
            Expectation::Event { calendar, id, revision: None } => Some((calendar, id)),
            _ => None,
        })
        .collect();
    let mut making = BTreeSet::new();
    for write in &batch.writes {
        match write {
            Write::PutEvent { calendar, id, .. } if made.contains(&(calendar, id)) => {
                making.insert(keys::row(&store.tenant, Kind::Event, calendar.as_str(), id.as_str())?);
            }
            Write::PutBase(base) if made.iter().any(|(_, id)| **id == base.event_id) => {
                let (link, event) = (base.link.as_str(), base.event_id.as_str());
                making.insert(keys::row(&store.tenant, Kind::Base, link, event)?);
            }
            _ => {}
        }
    }
    Ok(making)
}

/// Lists of events by UID, as the events of a batch are known to be in them.
struct Uids {
    /// Those an event leaves.
    left: BTreeSet<Key>,
    /// Those a batch does not touch although it writes their events, because each keeps the UID it has.
    unchanged: BTreeSet<Key>,
}

fn uids(store: &DynamoStore, batch: &Batch, held: &BTreeMap<&Owner, &Held>) -> Result<Uids> {
    let list = |calendar: &str, hash: &[u8]| keys::hashed(&store.tenant, Kind::Uid, calendar, hash);
    let (mut left, mut unchanged, mut needed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for expectation in &batch.expect {
        if let Expectation::Uid { calendar, uid, .. } = expectation {
            needed.insert(list(calendar.as_str(), &keys::hash(uid))?);
        }
    }
    for write in &batch.writes {
        let Write::PutEvent { calendar, id, event, .. } = write else { continue };
        let key = keys::row(&store.tenant, Kind::Event, calendar.as_str(), id.as_str())?;
        let owner = Owner::Calendar(calendar.as_str().to_owned());
        let known = held.get(&owner).and_then(|held| held.rows.get(&key)).and_then(Option::as_ref);
        let (has, gets) = (known.and_then(|item| bytes(item, "uh")), keys::hash(&event.uid));
        let joined = list(calendar.as_str(), &gets)?;
        if has == Some(gets.as_slice()) {
            unchanged.insert(joined);
            continue;
        }
        needed.insert(joined);
        if let Some(has) = has {
            left.insert(list(calendar.as_str(), has)?);
        }
    }
    unchanged.retain(|list| !needed.contains(list) && !left.contains(list));
    Ok(Uids { left, unchanged })
}

/// Whose row it is; `None`: that of an owner without a memory.
fn owner_of(tenant: &str, key: &Key) -> Option<Owner> {
    let name = || keys::owner(tenant, key).map(str::to_owned);
    Some(match keys::kind(tenant, key)? {
        Kind::Event | Kind::Uid => Owner::Calendar(name()?),
        Kind::Base
        | Kind::BaseOfItem
        | Kind::Outbox
        | Kind::OutboxOfEvent
        | Kind::Conflict
        | Kind::Quarantine
        | Kind::Run
        | Kind::Journal => Owner::Link(name()?),
        _ => return None,
    })
}

/// Rows of bases, with the rows of their items that follow from them.
pub(super) fn with_items(
    tenant: &str,
    link: &str,
    bases: impl IntoIterator<Item = (Key, Option<Item>)>,
) -> Result<Vec<(Key, Option<Item>)>> {
    let mut all = Vec::new();
    for (key, item) in bases {
        let name = item.as_ref().and_then(|item| text(item, "ri"));
        if let Some((name, event)) = name.zip(keys::name(&key.sk)) {
            let by_item = keys::row(tenant, Kind::BaseOfItem, link, name)?;
            let joined = joined_item(&by_item, event);
            all.push((by_item, Some(joined)));
        }
        all.push((key, item));
    }
    Ok(all)
}
