//! Claiming due documents of every tenant of the table.
//!
//! The indexes over all tenants are read as they are, which may be a moment behind: they only say where to look. What is taken
//! is decided by the documents themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use calsync_core::store::{
    Backlog, Claim, ClaimRequest, Claims, DueDoc, Later, LaterDoc, LaterQuery, Result, Store, WINDOW,
    take_turns,
};
use chrono::{DateTime, Utc};

use super::{
    DynamoStore,
    error::unreadable,
    guards,
    keys::{self, Key, Kind, Owner},
    parts,
    rows::{self, bytes, instant, integer, lost, micros, natural},
    session::{Action, Ended, Index, Item, Op, Range, binary, key_map, key_of, number},
    writes::{ITEMS, of_version},
};

const CLAIM: &str = "claim";
const NEXT_DUE: &str = "next_due";
const LATER: &str = "due_later";
const BACKLOG: &str = "backlog";
/// How often a claim that others emptied before it looks again.
const LOOKS: u32 = 3;

/// Claims for every tenant of the table, whatever tenant the handle is of. Needs the indexes `due` and `due-of-tenant`.
#[async_trait]
impl Claims for DynamoStore {
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>> {
        let mut claims = Vec::new();
        for space in request.spaces {
            for look in 0..LOOKS {
                let left = request.limit - claims.len();
                if left == 0 {
                    return Ok(claims);
                }
                let chosen = choose(self, space, &request, left).await?;
                if chosen.is_empty() {
                    break;
                }
                let before = claims.len();
                claims.extend(take(self, space, &request, &chosen).await?);
                if claims.len() > before {
                    break;
                }
                self.shared.session.pause(CLAIM, look, lost(CLAIM, look + 1)).await?;
            }
        }
        Ok(claims)
    }

    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>> {
        let mut next: Option<DateTime<Utc>> = None;
        for space in spaces {
            let pk = keys::due_partition(space)?;
            let range = Range { index: Some(Index::Due), pk, from: None, to: None, limit: 1 };
            let found = self.shared.session.query_index(NEXT_DUE, &range).await?;
            let due = found.first().and_then(|item| keys::micros(bytes(item, "g1")?));
            let due = due.map(|due| instant(NEXT_DUE, due)).transpose()?;
            next = next.min(due).or(next).or(due);
        }
        Ok(next)
    }

    /// The latest first.
    async fn due_later(&self, query: LaterQuery<'_>) -> Result<Later> {
        let LaterQuery { space, than, after, limit } = query;
        let pk = keys::due_partition(space)?;
        // The service refuses a start outside of the range.
        if after.is_some_and(|after| after.due <= than) {
            return Ok(Later::default());
        }
        let before = after.map(|after| place(after, space, &pk)).transpose()?;
        let from = Some(keys::instant(micros(than).saturating_add(1)).to_vec());
        let range = Range { index: Some(Index::Due), pk, from, to: None, limit };
        let found = self.shared.session.query_index_back(LATER, &range, before).await?;
        let due = |item: &Item| keys::micros(bytes(item, "g1")?);
        let last = found.last().filter(|_| found.len() >= limit);
        let next = last.map(|item| named(item, due(item))).transpose()?;
        let keys: Vec<Key> = found.iter().filter_map(key_of).collect();
        let mut read = self.shared.session.get_all(LATER, keys.iter().cloned().collect()).await?;
        let mut docs = Vec::new();
        for key in keys {
            let Some(row) = read.remove(&key) else { continue };
            let tenant =
                keys::tenant_of(&key.pk).ok_or_else(|| unreadable(LATER, "document", ""))?.to_owned();
            let store = self.tenant(&tenant);
            let mut row = [row];
            // Without its parts it is being written at this moment, and met the next time.
            if parts::join(&store, LATER, &mut row).await? {
                let [row] = &row;
                let doc = rows::doc(LATER, row, space)?;
                if doc.due.is_some_and(|due| due > than) {
                    docs.push(LaterDoc { store: Arc::new(store), tenant, doc });
                }
            }
        }
        Ok(Later { docs, next })
    }

    /// By the index of what is due, which may be a moment behind. No index tells the writes of all tenants: they are not counted.
    async fn backlog(&self, spaces: &[&str], now: DateTime<Utc>, limit: usize) -> Result<Backlog> {
        let mut due = 0;
        for space in spaces {
            let pk = keys::due_partition(space)?;
            let range = Range { index: Some(Index::Due), pk, from: None, to: until(now), limit: limit - due };
            due += self.shared.session.query_index(BACKLOG, &range).await?.len();
        }
        Ok(Backlog { due: Some(due), writes: None })
    }
}

/// The keys of a document in the table and in the index of what is due.
fn place(doc: &DueDoc, space: &str, pk: &[u8]) -> Result<Item> {
    let key = keys::row(&doc.tenant, Kind::Doc, space, &doc.key)?;
    let by_time = keys::indexed(&keys::instant(micros(doc.due)), &key.sk);
    let mut place = key_map(&key);
    place.insert("gp".to_owned(), binary(pk));
    place.insert("g1".to_owned(), binary(by_time));
    Ok(place)
}

/// The document an entry of an index names.
fn named(item: &Item, due: Option<i64>) -> Result<DueDoc> {
    let broken = || unreadable(CLAIM, "document", "");
    let tenant = bytes(item, "pk").and_then(keys::tenant_of).ok_or_else(broken)?.to_owned();
    let key = rows::name(CLAIM, item, "document")?;
    Ok(DueDoc { tenant, key, due: instant(CLAIM, due.ok_or_else(broken)?)? })
}

/// The end of what is due at a time: behind every key of that moment.
fn until(now: DateTime<Utc>) -> Option<Vec<u8>> {
    Some([keys::instant(micros(now)).as_slice(), &[0xff]].concat())
}

async fn choose(
    store: &DynamoStore,
    space: &str,
    request: &ClaimRequest<'_>,
    limit: usize,
) -> Result<Vec<DueDoc>> {
    let session = &store.shared.session;
    let pk = keys::due_partition(space)?;
    let range =
        Range { index: Some(Index::Due), pk: pk.clone(), from: None, to: until(request.now), limit: WINDOW };
    let found = session.query_index(CLAIM, &range).await?;
    let due = |item: &Item| keys::micros(bytes(item, "g1")?);
    let mut all = found.iter().map(|item| named(item, due(item))).collect::<Result<Vec<_>>>()?;
    if all.len() == WINDOW {
        // More than is looked at: the first of each tenant, so that none is hidden behind another one's.
        let mut tenants: Vec<DueDoc> = Vec::new();
        let last = request.after.map(str::to_owned);
        for (start, end) in [(last.clone(), None), (None, last.clone())] {
            let mut from = start.map(|tenant| past(&tenant));
            while tenants.len() < limit {
                let range =
                    Range { index: Some(Index::DueOfTenant), pk: pk.clone(), from, to: None, limit: 1 };
                let found = session.query_index(CLAIM, &range).await?;
                let Some(first) = found.first() else { break };
                let at =
                    bytes(first, "g2").and_then(|key| keys::micros(key.get(key.len().checked_sub(8)?..)?));
                let first = named(first, at)?;
                if end.as_ref().is_some_and(|end| first.tenant > *end) {
                    break;
                }
                from = Some(past(&first.tenant));
                if first.due <= request.now && !request.except.contains(&first.tenant.as_str()) {
                    tenants.push(first);
                }
            }
            if last.is_none() {
                break;
            }
        }
        all.retain(|doc| !tenants.contains(doc));
        all.append(&mut tenants);
    }
    all.retain(|doc| !request.except.contains(&doc.tenant.as_str()));
    Ok(take_turns(all, request.after, limit))
}

/// The place after all documents of a tenant.
fn past(tenant: &str) -> Vec<u8> {
    let mut key = keys::tenant_prefix(tenant);
    key.extend([0xff; 9]);
    key
}

/// Takes what is still due, and nobody else's.
async fn take(
    store: &DynamoStore,
    space: &str,
    request: &ClaimRequest<'_>,
    chosen: &[DueDoc],
) -> Result<Vec<Claim>> {
    let mut of_tenants: BTreeMap<&str, BTreeSet<Key>> = BTreeMap::new();
    for doc in chosen {
        let key = keys::row(&doc.tenant, Kind::Doc, space, &doc.key)?;
        of_tenants.entry(&doc.tenant).or_default().insert(key);
    }
    let mut taken = BTreeMap::new();
    for (tenant, keys) in of_tenants {
        let of_tenant = store.tenant(tenant);
        for (item, since) in take_of_tenant(&of_tenant, space, request, keys).await? {
            let doc = rows::doc(CLAIM, &item, space)?;
            taken.insert((tenant, doc.key.clone()), (doc, since));
        }
    }
    // In the order they were chosen in: the last one says whose turn is next.
    let claims = chosen.iter().filter_map(|wanted| {
        let (doc, since) = taken.remove(&(wanted.tenant.as_str(), wanted.key.clone()))?;
        let store: Arc<dyn Store> = Arc::new(store.tenant(&wanted.tenant));
        Some(Claim { tenant: wanted.tenant.clone(), store, doc, since })
    });
    Ok(claims.collect())
}

async fn take_of_tenant(
    store: &DynamoStore,
    space: &str,
    request: &ClaimRequest<'_>,
    keys: BTreeSet<Key>,
) -> Result<Vec<(Item, DateTime<Utc>)>> {
    let session = &store.shared.session;
    let guard = keys::guard(&store.tenant, &Owner::Space(space.to_owned()))?;
    guards::settled(store, CLAIM, &guard).await?;
    let mut found: Vec<Item> = session.get_all(CLAIM, keys).await?.into_values().collect();
    found.retain(|item| integer(item, "du").is_some_and(|due| due <= micros(request.now)));
    let mut wanted = Vec::new();
    for item in &found {
        wanted.push(claimed(store, space, request, item)?);
    }
    let mut taken = Vec::new();
    for page in wanted.chunks(ITEMS - 1) {
        // All at once where nobody is at them, otherwise what is left of them.
        if page.len() > 1 && take_together(store, &guard, page).await? {
            taken.extend_from_slice(page);
            continue;
        }
        for one in page {
            if take_together(store, &guard, std::slice::from_ref(one)).await? {
                taken.push(one.clone());
            }
        }
    }
    let (mut items, mut since) = (Vec::new(), Vec::new());
    for one in taken {
        items.push(one.item);
        since.push(one.since);
    }
    if !parts::join(store, CLAIM, &mut items).await? {
        // Written again within the claim: it is the other one's now.
        return Ok(Vec::new());
    }
    Ok(items.into_iter().zip(since).collect())
}

/// A document as it will be, with the version it has now.
#[derive(Clone)]
struct Wanted {
    item: Item,
    version: Option<u64>,
    since: DateTime<Utc>,
}

fn claimed(store: &DynamoStore, space: &str, request: &ClaimRequest<'_>, found: &Item) -> Result<Wanted> {
    let broken = || unreadable(CLAIM, "document", "");
    let key = key_of(found).ok_or_else(broken)?;
    let version: [u8; 8] = store.shared.session.draw(CLAIM)?;
    let until = micros(request.until);
    let by_time = keys::indexed(&keys::instant(until), &key.sk);
    let mut item = found.clone();
    item.insert("dv".to_owned(), number(u64::from_be_bytes(version) >> 1));
    item.insert("du".to_owned(), number(until));
    item.insert("i1".to_owned(), binary(by_time.clone()));
    item.insert("gp".to_owned(), binary(keys::due_partition(space)?));
    item.insert("g1".to_owned(), binary(by_time));
    item.insert("g2".to_owned(), binary(keys::due_of_tenant(&store.tenant, until)));
    let since = instant(CLAIM, integer(found, "du").ok_or_else(broken)?)?;
    Ok(Wanted { item, version: natural(found, "dv"), since })
}

async fn take_together(store: &DynamoStore, guard: &Key, docs: &[Wanted]) -> Result<bool> {
    let mut ops = vec![guards::check_unlocked(guard)];
    ops.extend(docs.iter().map(|doc| of_version(Op::new(Action::Put(doc.item.clone())), doc.version)));
    Ok(store.shared.session.transact(CLAIM, ops).await? == Ended::Written)
}
