//! What a commit must know before it writes.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::store::{Batch, Expectation, Log, Result, Write};
use futures_util::future::try_join_all;

use super::{
    DynamoStore,
    guards::{Guard, settled},
    keys::{self, Key, Kind, Owner},
    large,
    rows::{bytes, expired, lost, micros, text},
    session::{Index, Item, Range, key_of},
};

const COMMIT: &str = "commit";
/// How many tries are left when a large batch that is not decided is taken to be its dead writer's.
const LEFT: u32 = 4;

/// The rows a batch depends on.
#[derive(Default)]
pub(super) struct Needs {
    pub(super) owners: BTreeSet<Owner>,
    rows: BTreeSet<Key>,
    /// Events deleted until a time (microseconds), and how many of them may matter, by partition.
    graves: BTreeMap<Vec<u8>, (i64, usize)>,
    /// The old end of a log until a time, and how many rows of it may matter, by partition.
    logs: BTreeMap<Vec<u8>, (i64, usize)>,
    new_docs: usize,
}

impl Needs {
    pub(super) fn of(batch: &Batch, tenant: &str) -> Result<Self> {
        let mut needs = Self::default();
        for expectation in &batch.expect {
            match expectation {
                Expectation::Event { calendar, id, .. } => {
                    needs.event(tenant, calendar.as_str(), id.as_str())?;
                }
                Expectation::Uid { calendar, uid, .. } => {
                    needs.owners.insert(Owner::Calendar(calendar.as_str().to_owned()));
                    let hash = keys::hash(uid);
                    needs.rows.insert(keys::hashed(tenant, Kind::Uid, calendar.as_str(), &hash)?);
                }
                Expectation::Link { id, .. } => {
                    needs.owners.insert(Owner::Link(id.as_str().to_owned()));
                }
                Expectation::Doc { space, key, .. } => needs.doc(tenant, space, key)?,
            }
        }
        for write in &batch.writes {
            needs.write(write, tenant)?;
        }
        for news in &batch.news {
            needs.owners.insert(Owner::Calendar(news.calendar.as_str().to_owned()));
        }
        Ok(needs)
    }

    fn write(&mut self, write: &Write, tenant: &str) -> Result<()> {
        match write {
            Write::PutCalendar(calendar) => {
                self.owners.insert(Owner::Calendars);
                self.rows.insert(keys::row(tenant, Kind::Calendar, "", calendar.id.as_str())?);
            }
            Write::PutEvent { calendar, id, event, .. } => {
                self.event(tenant, calendar.as_str(), id.as_str())?;
                let hash = keys::hash(&event.uid);
                self.rows.insert(keys::hashed(tenant, Kind::Uid, calendar.as_str(), &hash)?);
            }
            Write::DeleteEvent { calendar, id, .. } => {
                self.event(tenant, calendar.as_str(), id.as_str())?;
            }
            Write::PurgeDeleted { calendar, before, limit } => {
                self.owners.insert(Owner::Calendar(calendar.as_str().to_owned()));
                let pk = keys::partition(tenant, Kind::Event, calendar.as_str())?;
                old(&mut self.graves, pk, micros(*before).saturating_sub(1), *limit);
            }
            Write::PutLink(link) => {
                self.owners.insert(Owner::Link(link.id.as_str().to_owned()));
            }
            Write::PutBase(base) => {
                let (link, event) = (base.link.as_str(), base.event_id.as_str());
                self.of_link(tenant, Kind::BaseOfItem, link, base.remote_id.as_str())?;
                self.of_link(tenant, Kind::Base, link, event)?;
            }
            Write::DeleteBase { link, remote_id } => {
                self.of_link(tenant, Kind::BaseOfItem, link.as_str(), remote_id.as_str())?;
            }
            Write::PutOutbox(entry) => {
                let (link, event) = (entry.link.as_str(), entry.event_id.as_str());
                self.of_link(tenant, Kind::Outbox, link, &entry.id.0)?;
                self.of_link(tenant, Kind::OutboxOfEvent, link, event)?;
            }
            Write::DeleteOutbox { link, id } => self.of_link(tenant, Kind::Outbox, link.as_str(), &id.0)?,
            Write::PutConflict(row) => self.logged(tenant, Kind::Conflict, row.link.as_str(), &row.id)?,
            Write::PutQuarantine(row) => {
                self.of_link(tenant, Kind::Quarantine, row.link.as_str(), row.remote_id.as_str())?;
            }
            Write::DeleteQuarantine { link, remote_id } => {
                self.of_link(tenant, Kind::Quarantine, link.as_str(), remote_id.as_str())?;
            }
            Write::PutRun(row) => self.logged(tenant, Kind::Run, row.link.as_str(), row.id.as_str())?,
            Write::PutJournal(row) => self.logged(tenant, Kind::Journal, row.link.as_str(), &row.id)?,
            Write::PurgeLog { link, log, before, limit } => {
                self.owners.insert(Owner::Link(link.as_str().to_owned()));
                let pk = keys::partition(tenant, kind_of(*log), link.as_str())?;
                old(&mut self.logs, pk, micros(*before), *limit);
            }
            Write::PutDoc(doc) => {
                self.new_docs += 1;
                self.doc(tenant, &doc.space, &doc.key)?;
            }
            Write::DeleteDoc { space, key } => self.doc(tenant, space, key)?,
        }
        Ok(())
    }

    /// Its rows, when it depends on no others and on no document.
    pub(super) fn rows_alone(&self) -> Option<&BTreeSet<Key>> {
        let alone = self.graves.is_empty() && self.logs.is_empty() && self.new_docs == 0;
        alone.then_some(&self.rows)
    }

    fn event(&mut self, tenant: &str, calendar: &str, id: &str) -> Result<()> {
        self.owners.insert(Owner::Calendar(calendar.to_owned()));
        self.rows.insert(keys::row(tenant, Kind::Event, calendar, id)?);
        Ok(())
    }

    fn of_link(&mut self, tenant: &str, kind: Kind, link: &str, name: &str) -> Result<()> {
        self.owners.insert(Owner::Link(link.to_owned()));
        self.rows.insert(keys::row(tenant, kind, link, name)?);
        Ok(())
    }

    fn logged(&mut self, tenant: &str, kind: Kind, link: &str, name: &str) -> Result<()> {
        self.of_link(tenant, kind, link, name)
    }

    fn doc(&mut self, tenant: &str, space: &str, key: &str) -> Result<()> {
        self.owners.insert(Owner::Space(space.to_owned()));
        self.rows.insert(keys::row(tenant, Kind::Doc, space, key)?);
        Ok(())
    }
}

/// Wants the old end of a partition, down to the youngest and the most of what the batch forgets there.
fn old(ends: &mut BTreeMap<Vec<u8>, (i64, usize)>, pk: Vec<u8>, until: i64, limit: usize) {
    let (end, rows) = ends.entry(pk).or_insert((i64::MIN, 0));
    *end = (*end).max(until);
    *rows = rows.saturating_add(limit);
}

/// The rows of a log.
pub(super) fn kind_of(log: Log) -> Kind {
    match log {
        Log::Runs => Kind::Run,
        Log::Journal => Kind::Journal,
        Log::ResolvedConflicts => Kind::Conflict,
    }
}

/// What the table held. Guards are read before all other rows: when they are the same in the transaction that writes, so are
/// the rows.
#[derive(Default)]
pub(super) struct Found {
    pub(super) lease: Option<Item>,
    pub(super) guards: BTreeMap<Owner, (Key, Guard)>,
    pub(super) rows: BTreeMap<Key, Item>,
    /// A version for each document that is put.
    pub(super) versions: Vec<u64>,
}

/// Reads what a batch depends on. `batch_id` is that of a large batch, which holds the owners back itself; otherwise no batch
/// may be at them.
pub(super) async fn find(
    store: &DynamoStore,
    batch: &Batch,
    needs: &Needs,
    batch_id: Option<&[u8]>,
) -> Result<Found> {
    let session = &store.shared.session;
    let mut found = Found::default();
    let mut keys = BTreeMap::new();
    for owner in &needs.owners {
        keys.insert(owner.clone(), keys::guard(&store.tenant, owner)?);
    }
    let lease = batch.lease.as_ref().map(|token| keys::lease(&store.tenant, &token.name)).transpose()?;
    let mut tried = 0;
    let mut together = None;
    loop {
        let wanted: BTreeSet<Key> = keys.values().cloned().chain(lease.clone()).collect();
        // All in one request where it is not much and nobody is at it: then it is all of one moment.
        let of_space = |owner: &Owner| matches!(owner, Owner::Space(_));
        // Documents of a space are written by many at a time: there somebody always is.
        let calm = batch_id.is_none() && tried == 0 && !needs.owners.iter().any(of_space);
        if calm && needs.graves.is_empty() && needs.logs.is_empty() {
            let all = wanted.iter().chain(&needs.rows).cloned().collect();
            together = session.get_together(COMMIT, &all).await?;
        }
        let mut items = match &together {
            Some(rows) => rows.clone(),
            None => session.get_all(COMMIT, wanted).await?,
        };
        let mut others: Vec<(Key, Vec<u8>)> = Vec::new();
        for (owner, key) in &keys {
            let guard = Guard::of(items.get(key));
            if let Some(other) = guard.lock.as_ref().filter(|lock| batch_id != Some(lock.as_slice())) {
                others.push((key.clone(), other.clone()));
            }
            found.guards.insert(owner.clone(), (key.clone(), guard));
        }
        found.lease = lease.as_ref().and_then(|key| items.remove(key));
        if others.is_empty() {
            break;
        }
        together = None;
        for (key, other) in others {
            yield_to(store, &key, &other, tried).await?;
        }
        session.pause(COMMIT, tried, lost(COMMIT, tried + 1)).await?;
        tried += 1;
    }
    if let Some(rows) = together {
        found.rows = rows.into_iter().filter(|(key, _)| needs.rows.contains(key)).collect();
    } else {
        let rows = session.get_all(COMMIT, needs.rows.clone());
        let (rows, purged) = futures_util::future::try_join(rows, old_rows(store, needs)).await?;
        found.rows = rows;
        found.rows.extend(purged);
    }
    let now = session.config.clock.now();
    found.rows.retain(|_, item| !expired(item, now));
    let mut following = BTreeSet::new();
    for (key, item) in &found.rows {
        following.extend(following_row(&store.tenant, key, item)?);
    }
    following.retain(|key| !needs.rows.contains(key));
    found.rows.extend(session.get_all(COMMIT, following).await?);
    for _ in 0..needs.new_docs {
        found.versions.push(u64::from_be_bytes(session.draw(COMMIT)?) >> 1);
    }
    Ok(found)
}

/// What a row that is written or goes depends on beside itself: an event leaves the list of the UID it has now, and an item the
/// base of the event it is joined to, whose value may be in parts.
pub(super) fn following_row(tenant: &str, key: &Key, item: &Item) -> Result<Option<Key>> {
    let as_kind = |kind: Kind, sk: Vec<u8>| {
        let mut pk = key.pk.clone();
        if let Some(letter) = pk.get_mut(2 + tenant.len()) {
            *letter = kind as u8;
        }
        Key { pk, sk }
    };
    Ok(match keys::kind(tenant, key) {
        Some(Kind::Event) => bytes(item, "uh").map(|hash| as_kind(Kind::Uid, hash.to_vec())),
        Some(Kind::BaseOfItem) => {
            let event = text(item, "ei").map(keys::sort).transpose()?;
            event.map(|event| as_kind(Kind::Base, event))
        }
        _ => None,
    })
}

/// Finishes another writer's large batch, waits for it, or gives it up when its writer seems dead.
pub(super) async fn yield_to(store: &DynamoStore, key: &Key, other: &[u8], tried: u32) -> Result<()> {
    let guard = settled(store, COMMIT, key).await?;
    if guard.lock.as_deref() == Some(other) && tried + LEFT >= store.shared.session.config.attempts {
        large::give_up(store, other).await?;
    }
    Ok(())
}

/// Rows that are forgotten for their age.
async fn old_rows(store: &DynamoStore, needs: &Needs) -> Result<Vec<(Key, Item)>> {
    let mut ranges = Vec::new();
    for (pk, (until, limit)) in needs.graves.iter().chain(&needs.logs) {
        // Rows the batch itself replaces may make room for as many behind them.
        let replaced = needs.rows.iter().filter(|key| key.pk == *pk).count();
        let (to, limit) = (Some(keys::instant(*until).to_vec()), limit.saturating_add(replaced));
        ranges.push(Range { index: Some(Index::Third), pk: pk.clone(), from: None, to, limit });
    }
    let rows = try_join_all(ranges.iter().map(|range| store.shared.session.query(COMMIT, range))).await?;
    Ok(rows.into_iter().flatten().filter_map(|item| Some((key_of(&item)?, item))).collect())
}
