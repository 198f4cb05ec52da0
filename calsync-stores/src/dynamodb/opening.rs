//! What is read together, in as few requests as there are tables' partitions to look into. The guard of a link says how much of
//! its outbox and quarantine there is, and that of a calendar its last revision, so that what holds nothing new is not asked for.
//! Where somebody is writing meanwhile, the single reads know what to do.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use calsync_core::{
    model::{CalendarId, LinkId, RemoteId},
    store::{
        BaseRecord, Doc, DocQuery, Edits, LeaseGrant, LeaseRequest, LeaseToken, LinkState, NotedPairs,
        OpenLink, Opened, Opening, OutboxEntry, OutboxId, OutboxOp, Pairs, QuarantineRecord, Result,
        Revision, Waiting, open_by_reads, pairs_by_reads, waiting_by_reads,
    },
};
use futures_util::future::try_join3;

use super::{
    DynamoStore,
    error::unreadable,
    guards::{Guard, note},
    keys::{self, Key, Kind, Owner},
    leases,
    memory::with_items,
    parts, reads,
    rows::{self, text},
    session::{Index, Item, Range, key_of},
};

const OPEN: &str = "open";

/// The guards of a link and of its calendar.
struct Guards {
    link: (Key, Guard),
    calendar: (Key, Guard),
}

impl Guards {
    fn keys(store: &DynamoStore, link: &LinkId, calendar: &CalendarId) -> Result<(Key, Key)> {
        Ok((
            keys::guard(&store.tenant, &Owner::Link(link.as_str().to_owned()))?,
            keys::guard(&store.tenant, &Owner::Calendar(calendar.as_str().to_owned()))?,
        ))
    }

    /// Out of rows that were read; `None` while a large batch is at one of them.
    fn of((link, calendar): (Key, Key), found: &BTreeMap<Key, Item>) -> Option<Self> {
        let guard = |key: Key| {
            let guard = Guard::of(found.get(&key));
            guard.lock.is_none().then_some((key, guard))
        };
        Some(Self { link: guard(link)?, calendar: guard(calendar)? })
    }

    fn learn(
        &self,
        store: &DynamoStore,
        of_link: Vec<(Key, Option<Item>)>,
        of_calendar: Vec<(Key, Option<Item>)>,
    ) {
        {
            let mut seen = store.seen();
            for (key, guard) in [&self.link, &self.calendar] {
                note(&mut seen, key, guard);
            }
        }
        let mut memory = store.memory();
        memory.learn(&self.link.0, &self.link.1, of_link);
        memory.learn(&self.calendar.0, &self.calendar.1, of_calendar);
    }

    fn versions(&self) -> (u64, u64) {
        (self.link.1.version, self.calendar.1.version)
    }
}

pub(super) async fn open(store: &DynamoStore, opening: Opening<'_>) -> Result<Opened> {
    let lease = match opening.lease {
        None => None,
        Some(LeaseRequest { name, holder, now, ttl }) => {
            match leases::acquire(store, name, holder, now, ttl).await? {
                LeaseGrant::Granted(token) => Some(token),
                LeaseGrant::Held { until } => return Ok(Opened::Held { until }),
            }
        }
    };
    if let Some(found) = look(store, opening).await? {
        return Ok(Opened::Link(Box::new(OpenLink { lease, ..found })));
    }
    by_reads(store, opening, lease).await
}

/// By the single reads, once the lease is taken.
async fn by_reads(store: &DynamoStore, opening: Opening<'_>, lease: Option<LeaseToken>) -> Result<Opened> {
    let mut opened = open_by_reads(store, Opening { lease: None, ..opening }).await?;
    if let Opened::Link(found) = &mut opened {
        found.lease = lease;
    }
    Ok(opened)
}

async fn look(store: &DynamoStore, opening: Opening<'_>) -> Result<Option<OpenLink>> {
    let Opening { link, calendar, limit, .. } = opening;
    let named = Guards::keys(store, link, calendar)?;
    let wanted: BTreeSet<Key> = [named.0.clone(), named.1.clone()].into();
    let found = store.shared.session.get_all(OPEN, wanted.clone()).await?;
    let Some(guards) = Guards::of(named.clone(), &found) else { return Ok(None) };
    let state = state(link, &guards.link.1)?;
    let seen = state.as_ref().map_or(Revision::default(), |state| state.seen);
    let last = guards.calendar.1.revision;
    let is_edited = seen.0 > 0 && last > seen.0;
    let recent = guards.calendar.1.recent_since(seen.0).filter(|_| is_edited);
    let is_listed = is_edited && recent.is_none();
    let Listed { edited, outbox: entries, quarantine: unread } =
        listed(store, opening, &guards, is_listed.then_some(seen)).await?;
    let mut found = Joined { events: known(edited), bases: Vec::new(), docs: None };
    if let Some(ids) = &recent {
        // Those the guard names are read by their keys, with their bases, and the guards with them.
        let read = by_event(store, OPEN, (link, calendar), (guards.versions(), ids), None).await?;
        let Some((_, joined)) = read.filter(|(now, _)| now.versions() == guards.versions()) else {
            return Ok(None);
        };
        found = joined;
    } else if is_listed || !entries.is_empty() || !unread.is_empty() {
        // They are of one moment when nobody wrote since.
        let after = store.shared.session.get_all(OPEN, wanted).await?;
        let same = Guards::of(named, &after).is_some_and(|after| after.versions() == guards.versions());
        if !same {
            return Ok(None);
        }
    }
    let Some(mut events) = whole(store, &there(&found.events), rows::event).await? else { return Ok(None) };
    let Some(mut bases) = whole(store, &there(&found.bases), base).await? else { return Ok(None) };
    let Some(outbox) = whole(store, &entries, outbox_entry).await? else { return Ok(None) };
    let Some(quarantine) = whole(store, &unread, quarantined).await? else { return Ok(None) };
    if recent.is_some() && events.is_empty() {
        // They were forgotten since: the table says whether the one that was seen is there.
        return Ok(None);
    }
    events.sort_by_key(|event| event.revision);
    let edits = match last.cmp(&seen.0) {
        _ if seen.0 == 0 => Edits::Unseen,
        Ordering::Less => Edits::Lost,
        Ordering::Equal => Edits::Since(Vec::new()),
        Ordering::Greater => Edits::of(events, seen, limit),
    };
    if let Edits::Since(edited) = &edits {
        bases.retain(|base| edited.iter().any(|event| event.id == base.event_id));
    }
    let bases = recent.is_some().then_some(bases);
    let mut of_link = known(entries.into_iter().chain(unread));
    of_link.extend(with_items(&store.tenant, link.as_str(), found.bases)?);
    guards.learn(store, of_link, found.events);
    Ok(Some(OpenLink { lease: None, state, edits, bases, quarantine, outbox }))
}

/// What is found by a query: each list where it holds something.
struct Listed {
    edited: Vec<Item>,
    outbox: Vec<Item>,
    quarantine: Vec<Item>,
}

/// The first pages of a link's outbox and quarantine, and of its calendar's events from a revision on.
async fn listed(
    store: &DynamoStore,
    Opening { link, calendar, limit, .. }: Opening<'_>,
    guards: &Guards,
    from: Option<Revision>,
) -> Result<Listed> {
    let session = &store.shared.session;
    let edited = async {
        let Some(from) = from else { return Ok(Vec::new()) };
        let pk = keys::partition(&store.tenant, Kind::Event, calendar.as_str())?;
        let (from, limit) = (Some(from.0.to_be_bytes().to_vec()), limit.saturating_add(1));
        let range = Range { index: Some(Index::First), pk, from, to: None, limit };
        session.query(OPEN, &range).await
    };
    let of_link = |kind: Kind, count: Option<u64>| async move {
        if count == Some(0) {
            return Ok(Vec::new());
        }
        let pk = keys::partition(&store.tenant, kind, link.as_str())?;
        let range = Range { index: None, pk, from: None, to: None, limit };
        session.query(OPEN, &range).await
    };
    let (edited, outbox, quarantine) = try_join3(
        edited,
        of_link(Kind::Outbox, guards.link.1.outbox),
        of_link(Kind::Quarantine, guards.link.1.quarantine),
    )
    .await?;
    Ok(Listed { edited, outbox, quarantine })
}

/// Rows of events and of their bases; `None`: there is none.
struct Joined {
    events: Vec<(Key, Option<Item>)>,
    bases: Vec<(Key, Option<Item>)>,
    /// What a space holds under the names of the events, where that could be read with them.
    docs: Option<Vec<Item>>,
}

/// Events with their bases and the guards, of one moment: in one request where they are not too many. Otherwise it is one when the
/// guards still have the versions they had before.
async fn by_event(
    store: &DynamoStore,
    operation: &'static str,
    (link, calendar): (&LinkId, &CalendarId),
    (before, ids): ((u64, u64), &BTreeSet<&str>),
    space: Option<&str>,
) -> Result<Option<(Guards, Joined)>> {
    let session = &store.shared.session;
    let named = Guards::keys(store, link, calendar)?;
    let guards: BTreeSet<Key> = [named.0.clone(), named.1.clone()].into();
    let events = reads::row_keys(store, Kind::Event, calendar.as_str(), ids.iter().copied())?;
    let bases = reads::row_keys(store, Kind::Base, link.as_str(), ids.iter().copied())?;
    let (mut docs, mut space_guard) = (BTreeSet::new(), None);
    if let Some(space) = space {
        docs = reads::row_keys(store, Kind::Doc, space, ids.iter().copied())?;
        space_guard = Some(keys::guard(&store.tenant, &Owner::Space(space.to_owned()))?);
    }
    let all = events.iter().chain(&bases).chain(&guards).chain(&docs).chain(&space_guard);
    let together = session.get_together(operation, &all.cloned().collect()).await?;
    let is_one = together.is_some();
    let mut found = match together {
        Some(found) => found,
        None => {
            let mut found = session.get_all(operation, events.union(&bases).cloned().collect()).await?;
            found.extend(session.get_all(operation, guards).await?);
            found
        }
    };
    let Some(guards) = Guards::of(named, &found) else { return Ok(None) };
    if !is_one && guards.versions() != before {
        return Ok(None);
    }
    let mut of =
        |keys: BTreeSet<Key>| keys.into_iter().map(|key| (key.clone(), found.remove(&key))).collect();
    let (events, bases) = (of(events), of(bases));
    let free = space_guard.is_some_and(|key| Guard::of(found.get(&key)).lock.is_none());
    let docs = (is_one && free).then(|| docs.iter().filter_map(|key| found.remove(key)).collect());
    let joined = Joined { events, bases, docs };
    Ok(Some((guards, joined)))
}

/// The rows that are there.
fn there(rows: &[(Key, Option<Item>)]) -> Vec<Item> {
    rows.iter().filter_map(|(_, item)| item.clone()).collect()
}

pub(super) async fn pairs(
    store: &DynamoStore,
    link: &LinkId,
    calendar: &CalendarId,
    items: &[RemoteId],
) -> Result<Pairs> {
    match look_at_pairs(store, link, calendar, items, None).await? {
        Some((pairs, _)) => Ok(pairs),
        None => pairs_by_reads(store, link, calendar, items).await,
    }
}

pub(super) async fn noted_pairs(
    store: &DynamoStore,
    link: &LinkId,
    calendar: &CalendarId,
    items: &[RemoteId],
    space: &str,
) -> Result<NotedPairs> {
    let pairs = match look_at_pairs(store, link, calendar, items, Some(space)).await? {
        Some((pairs, Some(docs))) => return Ok(NotedPairs { pairs, docs }),
        Some((pairs, None)) => pairs,
        None => pairs_by_reads(store, link, calendar, items).await?,
    };
    let keys: Vec<&str> = pairs.bases.iter().map(|base| base.event_id.as_str()).collect();
    let docs = reads::docs(store, space, DocQuery::Keys(&keys)).await?;
    Ok(NotedPairs { pairs, docs })
}

/// Which events the items are joined to, with the guards or under those a run has seen; then events and bases with the guards:
/// where the link's is still the same, so is what they are joined to.
async fn look_at_pairs(
    store: &DynamoStore,
    link: &LinkId,
    calendar: &CalendarId,
    items: &[RemoteId],
    space: Option<&str>,
) -> Result<Option<(Pairs, Option<Vec<Doc>>)>> {
    let operation = "pairs";
    let named = Guards::keys(store, link, calendar)?;
    let wanted = reads::row_keys(store, Kind::BaseOfItem, link.as_str(), items.iter().map(RemoteId::as_str))?;
    if wanted.is_empty() {
        return Ok(None);
    }
    let session = &store.shared.session;
    let all = wanted.iter().chain([&named.0, &named.1]).cloned().collect();
    let (mut joins, before) = match session.get_together(operation, &all).await? {
        Some(joins) => {
            let Some(guards) = Guards::of(named, &joins) else { return Ok(None) };
            if wanted.iter().all(|key| !joins.contains_key(key)) {
                // None of them is joined.
                let nothing = wanted.into_iter().map(|key| (key, None)).collect();
                guards.learn(store, nothing, Vec::new());
                return Ok(Some((Pairs::default(), Some(Vec::new()))));
            }
            (joins, guards.versions())
        }
        None => {
            let Some(before) = known_versions(store, &named) else { return Ok(None) };
            (session.get_all(operation, wanted.clone()).await?, before)
        }
    };
    let joined = wanted.iter().filter_map(|key| text(joins.get(key)?, "ei"));
    let ids: BTreeSet<String> = joined.map(str::to_owned).collect();
    let ids = ids.iter().map(String::as_str).collect();
    let read = by_event(store, operation, (link, calendar), (before, &ids), space).await?;
    let Some((guards, found)) = read.filter(|(now, _)| now.versions().0 == before.0) else { return Ok(None) };
    let mut of_link: Vec<_> = wanted.into_iter().map(|key| (key.clone(), joins.remove(&key))).collect();
    of_link.extend(found.bases.iter().cloned());
    guards.learn(store, of_link, found.events.clone());
    let Some(bases) = whole(store, &there(&found.bases), base).await? else { return Ok(None) };
    let Some(events) = whole(store, &there(&found.events), rows::event).await? else { return Ok(None) };
    let doc = |item: &Item| rows::doc(operation, item, space.unwrap_or_default());
    let docs = match found.docs {
        Some(mut docs) => {
            let is_whole = parts::join(store, operation, &mut docs).await?;
            is_whole.then(|| docs.iter().map(doc).collect::<Result<_>>()).transpose()?
        }
        None => None,
    };
    Ok(Some((Pairs { bases, events }, docs)))
}

/// The versions of the guards a run has seen.
fn known_versions(store: &DynamoStore, (link, calendar): &(Key, Key)) -> Option<(u64, u64)> {
    let memory = store.memory();
    Some((memory.guard(link)?.version, memory.guard(calendar)?.version))
}

pub(super) async fn waiting(
    store: &DynamoStore,
    link: &LinkId,
    after: Option<&OutboxId>,
    limit: usize,
) -> Result<Waiting> {
    match look_at_waiting(store, link, after, limit).await? {
        Some(waiting) => Ok(waiting),
        None => waiting_by_reads(store, link, after, limit).await,
    }
}

/// The entries under the guard a run has seen; then their bases with the guard, of one moment.
async fn look_at_waiting(
    store: &DynamoStore,
    link: &LinkId,
    after: Option<&OutboxId>,
    limit: usize,
) -> Result<Option<Waiting>> {
    let operation = "waiting";
    let session = &store.shared.session;
    let guard = keys::guard(&store.tenant, &Owner::Link(link.as_str().to_owned()))?;
    let Some(before) = store.memory().guard(&guard).map(|guard| guard.version) else { return Ok(None) };
    let pk = keys::partition(&store.tenant, Kind::Outbox, link.as_str())?;
    // Where it is the first page it begins with the first row, else behind the last one.
    let from = after.map(|after| keys::sort(&after.0)).transpose()?;
    let more = usize::from(from.is_some() && limit > 0);
    let range = Range { index: None, pk, from: from.clone(), to: None, limit: limit.saturating_add(more) };
    let mut listed = session.query(operation, &range).await?;
    listed.retain(|item| rows::bytes(item, "sk") != from.as_deref());
    listed.truncate(limit);
    let Some(entries) = whole(store, &listed, outbox_entry).await? else { return Ok(None) };
    let changes = |entry: &&OutboxEntry| !matches!(entry.op, OutboxOp::Create { .. });
    let names = entries.iter().filter(changes).map(|entry| entry.event_id.as_str());
    let wanted = reads::row_keys(store, Kind::Base, link.as_str(), names)?;
    let all = wanted.iter().chain([&guard]).cloned().collect();
    let Some(mut found) = session.get_together(operation, &all).await? else { return Ok(None) };
    let now = Guard::of(found.remove(&guard).as_ref());
    if now.lock.is_some() || now.version != before {
        return Ok(None);
    }
    let known_bases = wanted.into_iter().map(|key| (key.clone(), found.get(&key).cloned()));
    let mut learned = with_items(&store.tenant, link.as_str(), known_bases)?;
    learned.extend(known(listed));
    let bases: Vec<Item> = found.into_values().collect();
    let Some(bases) = whole(store, &bases, base).await? else { return Ok(None) };
    store.memory().learn(&guard, &now, learned);
    Ok(Some(Waiting { entries, bases }))
}

/// The state a guard of a link holds.
fn state(link: &LinkId, guard: &Guard) -> Result<Option<LinkState>> {
    let Some((generation, state)) = guard.generation.zip(guard.state.as_deref()) else { return Ok(None) };
    let state: LinkState =
        serde_json::from_slice(state).map_err(|_| unreadable(OPEN, "link", link.as_str()))?;
    Ok(Some(LinkState { generation, ..state }))
}

fn outbox_entry(operation: &'static str, item: &Item) -> Result<OutboxEntry> {
    rows::content(operation, item, "outbox entry")
}

fn quarantined(operation: &'static str, item: &Item) -> Result<QuarantineRecord> {
    rows::content(operation, item, "quarantined item")
}

fn base(operation: &'static str, item: &Item) -> Result<BaseRecord> {
    rows::content(operation, item, "base")
}

/// Rows as they are remembered.
fn known(items: impl IntoIterator<Item = Item>) -> Vec<(Key, Option<Item>)> {
    items.into_iter().filter_map(|item| Some((key_of(&item)?, Some(item)))).collect()
}

/// What rows hold, with their large values; `None` when one was replaced meanwhile.
async fn whole<T>(
    store: &DynamoStore,
    items: &[Item],
    read: fn(&'static str, &Item) -> Result<T>,
) -> Result<Option<Vec<T>>> {
    let mut items = items.to_vec();
    if !parts::join(store, OPEN, &mut items).await? {
        return Ok(None);
    }
    items.iter().map(|item| read(OPEN, item)).collect::<Result<_>>().map(Some)
}
