//! The reads of the store. Each that reads more than one row reads them between two looks at their guard ([`Watch`]).

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::{
    model::{Calendar, CalendarId, EventId, LinkId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Doc, DocQuery, EventRecord, LinkState, OutboxEntry, Record,
        RecordKind, RecordQuery, Result, Revision,
    },
};

use super::{
    DynamoStore,
    error::unreadable,
    guards::{Guard, Watch, note, settled},
    keys::{self, Key, Kind, Owner},
    parts,
    rows::{self, bytes, expired, micros, text, texts},
    session::{Index, Item, Range},
};

/// Rows by key with their whole values, by key; `None` when a value was replaced meanwhile.
async fn whole(
    store: &DynamoStore,
    operation: &'static str,
    keys: BTreeSet<Key>,
) -> Result<Option<Vec<Item>>> {
    let found: BTreeMap<Key, Item> = store.shared.session.get_all(operation, keys).await?;
    joined(store, operation, found.into_values().collect()).await
}

async fn joined(
    store: &DynamoStore,
    operation: &'static str,
    mut items: Vec<Item>,
) -> Result<Option<Vec<Item>>> {
    Ok(parts::join(store, operation, &mut items).await?.then_some(items))
}

/// A list that is read page by page: the rows after a key, at most so many.
struct List<'a> {
    range: Range,
    /// How many bytes of an index's sort key come before the row's own.
    prefix: usize,
    after: Option<&'a [u8]>,
    limit: usize,
}

/// The rows of a list that pass, in order, without their large values. Names that share their beginning share a sort key in
/// an index, so what is at the end of a page may belong before it: then more is read.
async fn listed(
    store: &DynamoStore,
    operation: &'static str,
    list: List<'_>,
    passes: impl Fn(&Item) -> bool,
) -> Result<Vec<Item>> {
    let now = store.shared.session.config.clock.now();
    let mut range = list.range;
    range.limit = if list.limit == 0 { 0 } else { list.limit.saturating_add(1) };
    let sorted = range.index.map_or("sk", |index| index.attributes().1);
    loop {
        let mut found = store.shared.session.query(operation, &range).await?;
        let full = found.len() >= range.limit && range.limit > 0;
        let last = found.last().and_then(|item| bytes(item, sorted)).map(<[u8]>::to_vec);
        found.retain(|item| {
            let sk = bytes(item, "sk").unwrap_or_default();
            list.after.is_none_or(|after| sk > after) && passes(item) && !expired(item, now)
        });
        found.sort_by(|one, two| {
            let key = |item| {
                let first = bytes(item, sorted).unwrap_or_default();
                (
                    first.get(..list.prefix.min(first.len())).map(<[u8]>::to_vec),
                    bytes(item, "sk").map(<[u8]>::to_vec),
                )
            };
            key(one).cmp(&key(two))
        });
        let end = list.limit.checked_sub(1).and_then(|end| found.get(end));
        let settled = end.is_some_and(|end| bytes(end, sorted).map(<[u8]>::to_vec) != last);
        if !full || settled {
            found.truncate(list.limit);
            return Ok(found);
        }
        range.limit = range.limit.saturating_mul(2);
    }
}

pub(super) async fn calendars(store: &DynamoStore) -> Result<Vec<Calendar>> {
    let operation = "calendars";
    let pk = keys::partition(&store.tenant, Kind::Calendar, "")?;
    let range = Range { index: None, pk, from: None, to: None, limit: usize::MAX };
    let mut watch = Watch::begin(store, operation, &Owner::Calendars).await?;
    loop {
        let found = store.shared.session.query(operation, &range).await?;
        let found = joined(store, operation, found).await?;
        if watch.holds(found.is_some()).await?
            && let Some(found) = found
        {
            return found.iter().map(|item| rows::content(operation, item, "calendar")).collect();
        }
    }
}

pub(super) async fn events(
    store: &DynamoStore,
    calendar: &CalendarId,
    ids: &[EventId],
) -> Result<Vec<EventRecord>> {
    let operation = "events";
    let names = ids.iter().map(EventId::as_str);
    let wanted = row_keys(store, Kind::Event, calendar.as_str(), names)?;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut watch = Watch::begin(store, operation, &of_calendar(calendar)).await?;
    loop {
        let found = whole(store, operation, wanted.clone()).await?;
        if watch.holds(found.is_some()).await?
            && let Some(found) = found
        {
            return found.iter().map(|item| rows::event(operation, item)).collect();
        }
    }
}

pub(super) async fn events_by_uid(
    store: &DynamoStore,
    calendar: &CalendarId,
    uids: &[&str],
) -> Result<Vec<EventRecord>> {
    let operation = "events_by_uid";
    let mut hashes = BTreeSet::new();
    for uid in uids {
        hashes.insert(keys::hashed(&store.tenant, Kind::Uid, calendar.as_str(), &keys::hash(uid))?);
    }
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(found) = together_by_uid(store, calendar, &hashes).await? {
        return Ok(found);
    }
    let mut watch = Watch::begin(store, operation, &of_calendar(calendar)).await?;
    loop {
        let lists = store.shared.session.get_all(operation, hashes.clone()).await?;
        let ids: Vec<String> = lists.values().flat_map(|item| texts(Some(item), "ii")).collect();
        let names = ids.iter().map(String::as_str);
        let wanted = row_keys(store, Kind::Event, calendar.as_str(), names)?;
        let found = whole(store, operation, wanted).await?;
        if watch.holds(found.is_some()).await?
            && let Some(found) = found
        {
            return found.iter().map(|item| rows::event(operation, item)).collect();
        }
    }
}

/// The lists of some UIDs with their calendar's guard, then the events in them with the guard: where it is the same, all is of one
/// moment. `None`: it was not, or they are too many for that.
async fn together_by_uid(
    store: &DynamoStore,
    calendar: &CalendarId,
    lists: &BTreeSet<Key>,
) -> Result<Option<Vec<EventRecord>>> {
    let operation = "events_by_uid";
    let key = keys::guard(&store.tenant, &of_calendar(calendar))?;
    let Some((before, mut found)) = with_guard(store, operation, &key, lists).await? else { return Ok(None) };
    let names: Vec<String> = found.values().flat_map(|item| texts(Some(item), "ii")).collect();
    let learned = lists.iter().map(|list| (list.clone(), found.remove(list)));
    store.memory().learn(&key, &before, learned);
    if names.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let names = names.iter().map(String::as_str);
    let wanted = row_keys(store, Kind::Event, calendar.as_str(), names)?;
    let Some((after, found)) = with_guard(store, operation, &key, &wanted).await? else { return Ok(None) };
    if after.version != before.version {
        return Ok(None);
    }
    let Some(found) = joined(store, operation, found.into_values().collect()).await? else { return Ok(None) };
    found.iter().map(|item| rows::event(operation, item)).collect::<Result<_>>().map(Some)
}

/// Rows with the guard of their owner, of one moment; `None` while a large batch is at it, and where they are too many.
async fn with_guard(
    store: &DynamoStore,
    operation: &'static str,
    key: &Key,
    rows: &BTreeSet<Key>,
) -> Result<Option<(Guard, BTreeMap<Key, Item>)>> {
    let all = rows.iter().chain([key]).cloned().collect();
    let Some(mut found) = store.shared.session.get_together(operation, &all).await? else { return Ok(None) };
    let guard = Guard::of(found.remove(key).as_ref());
    if guard.lock.is_some() {
        return Ok(None);
    }
    note(&mut store.seen(), key, &guard);
    Ok(Some((guard, found)))
}

pub(super) async fn events_since(
    store: &DynamoStore,
    calendar: &CalendarId,
    after: Revision,
    limit: usize,
) -> Result<Vec<EventRecord>> {
    let operation = "events_since";
    let Some(first) = after.0.checked_add(1) else { return Ok(Vec::new()) };
    let pk = keys::partition(&store.tenant, Kind::Event, calendar.as_str())?;
    let from = Some(first.to_be_bytes().to_vec());
    let range = Range { index: Some(Index::First), pk, from, to: None, limit };
    let mut watch = Watch::begin(store, operation, &of_calendar(calendar)).await?;
    loop {
        let found = store.shared.session.query(operation, &range).await?;
        let found = joined(store, operation, found).await?;
        if watch.holds(found.is_some()).await?
            && let Some(found) = found
        {
            return found.iter().map(|item| rows::event(operation, item)).collect();
        }
    }
}

pub(super) async fn link(store: &DynamoStore, link: &LinkId) -> Result<Option<LinkState>> {
    let key = keys::guard(&store.tenant, &of_link(link))?;
    let guard = settled(store, "link", &key).await?;
    let Some((generation, state)) = guard.generation.zip(guard.state) else { return Ok(None) };
    let state: LinkState =
        serde_json::from_slice(&state).map_err(|_| unreadable("link", "link", link.as_str()))?;
    Ok(Some(LinkState { generation, ..state }))
}

pub(super) async fn bases(
    store: &DynamoStore,
    link: &LinkId,
    query: BaseQuery<'_>,
) -> Result<Vec<BaseRecord>> {
    let operation = "bases";
    let wanted = match query {
        BaseQuery::Remote(ids) => {
            row_keys(store, Kind::BaseOfItem, link.as_str(), ids.iter().map(|id| id.as_str()))?
        }
        BaseQuery::Events(ids) => {
            row_keys(store, Kind::Base, link.as_str(), ids.iter().map(|id| id.as_str()))?
        }
    };
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut watch = Watch::begin(store, operation, &of_link(link)).await?;
    loop {
        let keys = match query {
            BaseQuery::Events(_) => wanted.clone(),
            BaseQuery::Remote(_) => {
                let joined = store.shared.session.get_all(operation, wanted.clone()).await?;
                let events = joined.values().filter_map(|item| text(item, "ei"));
                row_keys(store, Kind::Base, link.as_str(), events)?
            }
        };
        let found = whole(store, operation, keys).await?;
        if watch.holds(found.is_some()).await?
            && let Some(found) = found
        {
            return found.iter().map(|item| rows::content(operation, item, "base")).collect();
        }
    }
}

pub(super) async fn base_summaries(
    store: &DynamoStore,
    link: &LinkId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<BaseSummary>> {
    let operation = "base_summaries";
    let pk = keys::partition(&store.tenant, Kind::Base, link.as_str())?;
    let after = after.map(keys::sort).transpose()?;
    let limit_with_first = if limit == 0 { 0 } else { limit.saturating_add(1) };
    let range =
        Range { index: Some(Index::First), pk, from: after.clone(), to: None, limit: limit_with_first };
    let mut watch = Watch::begin(store, operation, &of_link(link)).await?;
    loop {
        let mut found = store.shared.session.query_index(operation, &range).await?;
        if watch.holds(true).await? {
            found.retain(|item| bytes(item, "i1") != after.as_deref());
            found.truncate(limit);
            return found.iter().map(|item| rows::base_summary(operation, item)).collect();
        }
    }
}

pub(super) async fn outbox(
    store: &DynamoStore,
    link: &LinkId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<OutboxEntry>> {
    let operation = "outbox";
    let pk = keys::partition(&store.tenant, Kind::Outbox, link.as_str())?;
    let after = after.map(keys::sort).transpose()?;
    let mut watch = Watch::begin(store, operation, &of_link(link)).await?;
    loop {
        let range = Range { index: None, pk: pk.clone(), from: after.clone(), to: None, limit };
        let list = List { range, prefix: 0, after: after.as_deref(), limit };
        let found = listed(store, operation, list, |_| true).await?;
        let found = joined(store, operation, found).await?;
        if watch.holds(found.is_some()).await?
            && let Some(found) = found
        {
            return found.iter().map(|item| rows::content(operation, item, "outbox entry")).collect();
        }
    }
}

pub(super) async fn records(store: &DynamoStore, query: RecordQuery<'_>) -> Result<Vec<Record>> {
    let operation = "records";
    let pk = keys::partition(&store.tenant, Kind::of_record(query.kind), query.link.as_str())?;
    let after = query.after.map(keys::sort).transpose()?;
    let filtered = matches!(query.kind, RecordKind::Conflict | RecordKind::Journal);
    let event = query.event.filter(|_| filtered).map(|event| keys::hash(event.as_str()));
    let run = query.run.filter(|_| filtered).map(|run| keys::hash(run.as_str()));
    let (index, owner) = match (&event, &run) {
        (Some(event), _) => (Some(Index::First), event.clone()),
        (None, Some(run)) => (Some(Index::Second), run.clone()),
        (None, None) => (None, Vec::new()),
    };
    let from = match (&after, index) {
        (Some(after), Some(_)) => Some(keys::indexed(&owner, after)),
        (Some(after), None) => Some(after.clone()),
        (None, Some(_)) => Some(owner.clone()),
        (None, None) => None,
    };
    // No name goes on with this byte.
    let to = index.map(|_| [owner.as_slice(), &[0xff]].concat());
    let mut watch = Watch::begin(store, operation, &of_link(query.link)).await?;
    loop {
        let range = Range { index, pk: pk.clone(), from: from.clone(), to: to.clone(), limit: query.limit };
        let list = List { range, prefix: owner.len(), after: after.as_deref(), limit: query.limit };
        let of_run = |item: &Item| {
            run.as_ref().is_none_or(|run| bytes(item, "i2").is_some_and(|key| key.starts_with(run)))
        };
        let found = listed(store, operation, list, of_run).await?;
        let found = joined(store, operation, found).await?;
        if watch.holds(found.is_some()).await?
            && let Some(found) = found
        {
            return found.iter().map(|item| rows::record(operation, item, query.kind)).collect();
        }
    }
}

pub(super) async fn docs(store: &DynamoStore, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
    let operation = "docs";
    let pk = keys::partition(&store.tenant, Kind::Doc, space)?;
    let wanted = match query {
        DocQuery::Keys(keys) => row_keys(store, Kind::Doc, space, keys.iter().copied())?,
        _ => BTreeSet::new(),
    };
    if matches!(query, DocQuery::Keys(_)) && wanted.is_empty() {
        return Ok(Vec::new());
    }
    let after = match query {
        DocQuery::Page { after, .. } => after.map(keys::sort).transpose()?,
        _ => None,
    };
    let mut watch = Watch::begin(store, operation, &Owner::Space(space.to_owned())).await?;
    loop {
        let found = match query {
            DocQuery::Keys(_) => whole(store, operation, wanted.clone()).await?,
            DocQuery::Page { limit, .. } => {
                let range = Range { index: None, pk: pk.clone(), from: after.clone(), to: None, limit };
                let list = List { range, prefix: 0, after: after.as_deref(), limit };
                joined(store, operation, listed(store, operation, list, |_| true).await?).await?
            }
            DocQuery::Due { at, limit } => {
                let to = Some([keys::instant(micros(at)).as_slice(), &[0xff]].concat());
                let range = Range { index: Some(Index::First), pk: pk.clone(), from: None, to, limit };
                let list = List { range, prefix: 8, after: None, limit };
                joined(store, operation, listed(store, operation, list, |_| true).await?).await?
            }
        };
        if watch.holds(found.is_some()).await?
            && let Some(found) = found
        {
            return found.iter().map(|item| rows::doc(operation, item, space)).collect();
        }
    }
}

fn of_calendar(calendar: &CalendarId) -> Owner {
    Owner::Calendar(calendar.as_str().to_owned())
}

fn of_link(link: &LinkId) -> Owner {
    Owner::Link(link.as_str().to_owned())
}

/// The keys of rows by name. A name that is too long for a key names no row.
pub(super) fn row_keys<'a>(
    store: &DynamoStore,
    kind: Kind,
    owner: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<BTreeSet<Key>> {
    let pk = keys::partition(&store.tenant, kind, owner)?;
    Ok(names.filter_map(|name| Some(Key { pk: pk.clone(), sk: keys::sort(name).ok()? })).collect())
}
