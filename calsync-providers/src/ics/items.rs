//! Events of a feed gathered into items: one per series or single event, with the name and version it will have.
//!
//! In: a [`Feed`]. Out: [`Item`]s, at most one per name, in the order of the feed. Pure and the same for the same bytes.

use std::collections::HashMap;

use calsync_core::model::{RemoteId, Version};

use super::split::{Component, Feed, Flaw};

/// What names an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Naming {
    /// The UID, where there is one.
    #[default]
    Uid,
    /// Start and title: the feed invents UIDs.
    Content,
}

/// The `VEVENT`s that are one item.
pub(super) struct Item {
    /// Indices of its components in the feed: the master first, when there is one.
    pub(super) members: Vec<usize>,
    uid: Uid,
    /// Hash of all its text, without UIDs and bookkeeping.
    content: blake3::Hash,
    /// Hash of start, title and instance.
    identity: blake3::Hash,
    /// Hash of the start.
    start: blake3::Hash,
}

/// How an item stands to the UIDs in the feed.
enum Uid {
    /// It is the item of this UID.
    Own(String),
    /// One of several events under a UID, but not its item; told apart by their starts.
    Shared(String),
    None,
}

/// An item and what it is called.
pub(super) struct Named<'i> {
    pub(super) item: &'i Item,
    pub(super) id: RemoteId,
    /// The UID to write into the payload in place of what stands there.
    pub(super) derived_uid: Option<String>,
}

impl Item {
    fn new(feed: &Feed<'_>, members: Vec<usize>, uid: Uid) -> Self {
        let components = || members.iter().filter_map(|&at| feed.components.get(at));
        let mut parts: Vec<[u8; 32]> = components().map(|one| *content(feed, one).as_bytes()).collect();
        parts.sort_unstable();
        let mut hash = blake3::Hasher::new();
        parts.iter().for_each(|part| {
            hash.update(part);
        });
        let identity = components().next().map_or_else(|| blake3::hash(b""), identity);
        let start = components().next().and_then(|one| one.start.as_deref()).unwrap_or_default();
        Self { content: hash.finalize(), identity, start: blake3::hash(start.as_bytes()), uid, members }
    }

    pub(super) fn version(&self) -> Version {
        Version::new(&self.content.to_hex()[..32])
    }

    /// Short hashes of the content and the UID, for comparing two fetches.
    pub(super) fn sample(&self) -> Option<(u64, u64)> {
        let short = |hash: &blake3::Hash| {
            hash.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        match &self.uid {
            Uid::Own(uid) | Uid::Shared(uid) => {
                Some((short(&self.content), short(&blake3::hash(uid.as_bytes()))))
            }
            Uid::None => None,
        }
    }

    pub(super) fn flaw(&self, feed: &Feed<'_>) -> Option<Flaw> {
        self.members.iter().find_map(|&at| feed.components.get(at)?.flaw)
    }
}

/// The hash of everything a component means: its lines, the zones it uses, and what its calendar says about it.
fn content(feed: &Feed<'_>, component: &Component<'_>) -> blake3::Hash {
    let mut hash = blake3::Hasher::new();
    hash.update(component.content.as_bytes());
    for tzid in &component.zones {
        if let Some(zone) = feed.zone(component.calendar, tzid) {
            hash.update(b"\0zone\0").update(zone.hash.as_bytes());
        }
    }
    if let Some(head) = feed.calendars.get(component.calendar) {
        hash.update(b"\0calendar\0").update(head.zone.as_deref().unwrap_or_default().as_bytes());
        hash.update(if head.cancels { b"\0cancelled" } else { b"\0" });
    }
    hash.finalize()
}

fn identity(component: &Component<'_>) -> blake3::Hash {
    let mut hash = blake3::Hasher::new();
    for text in [&component.start, &component.summary, &component.recurrence_id] {
        let text = text.as_deref().unwrap_or_default();
        hash.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes()).update(text.as_bytes());
    }
    hash.finalize()
}

/// Gathers a feed's events into items.
///
/// Under one UID:
///
/// - an event that is there twice is there once;
/// - of several with the same `RECURRENCE-ID`, or without one and with the same start, the one with the higher
///   `SEQUENCE`, then the later `LAST-MODIFIED`, then the later place counts;
/// - several with different starts are items of their own. The one that repeats, else the earliest, is the item of the
///   UID and has the changed instances.
pub(super) fn gather(feed: &Feed<'_>) -> Vec<Item> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<(Option<&str>, Vec<usize>)> = Vec::new();
    for (at, component) in feed.components.iter().enumerate() {
        let Some(uid) = component.uid.as_deref() else {
            groups.push((None, vec![at]));
            continue;
        };
        let place = *places.entry(uid).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, members)) => members.push(at),
            None => groups.push((Some(uid), vec![at])),
        }
    }
    let mut items = Vec::with_capacity(groups.len());
    for (uid, members) in groups {
        match uid {
            None => items.push(Item::new(feed, members, Uid::None)),
            Some(uid) => gather_uid(feed, uid, &members, &mut items),
        }
    }
    items
}

fn gather_uid(feed: &Feed<'_>, uid: &str, members: &[usize], items: &mut Vec<Item>) {
    if let [_] = members {
        items.push(Item::new(feed, members.to_vec(), Uid::Own(uid.to_owned())));
        return;
    }
    let (instances, masters): (Vec<usize>, Vec<usize>) = members
        .iter()
        .partition(|&&at| feed.components.get(at).is_some_and(|one| one.recurrence_id.is_some()));
    let instances = latest_of_each(feed, &instances, |one| one.recurrence_id.as_deref());
    let masters = latest_of_each(feed, &masters, |one| one.start.as_deref());
    let primary = match masters.as_slice() {
        [only] => Some(*only),
        _ => {
            let repeating =
                masters.iter().copied().filter(|&at| feed.components.get(at).is_some_and(|one| one.repeats));
            // An event that had the UID alone keeps its name when another one takes the UID as well: of single events
            // the earliest, as what is added mostly lies ahead.
            repeating
                .max_by_key(|&at| revision(feed, at))
                .or_else(|| masters.iter().copied().min_by_key(|&at| start_order(feed, at)))
        }
    };
    let own: Vec<usize> = primary.into_iter().chain(instances).collect();
    if !own.is_empty() {
        items.push(Item::new(feed, own, Uid::Own(uid.to_owned())));
    }
    for at in masters {
        if Some(at) != primary {
            items.push(Item::new(feed, vec![at], Uid::Shared(uid.to_owned())));
        }
    }
}

/// One component for each key, in the order of the feed.
fn latest_of_each<'f>(
    feed: &'f Feed<'_>,
    members: &[usize],
    key: impl Fn(&'f Component<'_>) -> Option<&'f str>,
) -> Vec<usize> {
    let mut latest: HashMap<Option<&str>, usize> = HashMap::new();
    for &at in members {
        let Some(component) = feed.components.get(at) else { continue };
        let best = latest.entry(key(component)).or_insert(at);
        if revision(feed, at) > revision(feed, *best) {
            *best = at;
        }
    }
    let mut latest: Vec<usize> = latest.into_values().collect();
    latest.sort_unstable();
    latest
}

/// Starts in the order of their digits, whatever their zones: it only has to be the same for the same events.
fn start_order<'f>(feed: &'f Feed<'_>, at: usize) -> (&'f str, &'f str) {
    let start = feed.components.get(at).and_then(|one| one.start.as_deref()).unwrap_or_default();
    (start.rsplit(':').next().unwrap_or_default(), start)
}

/// What tells the newer of two copies. A copy from a cancelled calendar has a higher `SEQUENCE` by RFC 5546, or comes
/// later.
fn revision<'f>(feed: &'f Feed<'_>, at: usize) -> (u64, &'f str, usize) {
    feed.components
        .get(at)
        .map_or((0, "", at), |one| (one.sequence, one.last_modified.as_deref().unwrap_or_default(), at))
}

/// Gives the items their names. `feed` is the fingerprint of the source: it goes into derived UIDs, which have to be
/// unique beyond the feed.
pub(super) fn name<'i>(items: &'i [Item], naming: Naming, feed: &str) -> Vec<Named<'i>> {
    let mut ordinals: HashMap<[u8; 32], u64> = HashMap::new();
    let mut named: Vec<(usize, Named<'i>)> = Vec::with_capacity(items.len());
    // Items alike in start and title are counted in the order of their content, so that a feed that shuffles its events
    // names them alike.
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&at| items.get(at).map(|item| *item.content.as_bytes()));
    for at in order {
        let Some(item) = items.get(at) else { continue };
        let (kind, key, is_derived) = match (&item.uid, naming) {
            (Uid::Own(uid), Naming::Uid) => ("uid", blake3::hash(uid.as_bytes()), false),
            (Uid::Shared(uid), Naming::Uid) => {
                let key = [blake3::hash(uid.as_bytes()), item.start].map(|hash| *hash.as_bytes());
                ("shared", blake3::hash(&key.concat()), true)
            }
            (Uid::None, _) | (_, Naming::Content) => ("content", item.identity, true),
        };
        let mut hash = blake3::Hasher::new_derive_key("calsync 2026-11 ics item");
        hash.update(kind.as_bytes()).update(key.as_bytes());
        let mut id = hash.finalize();
        let ordinal = ordinals.entry(*id.as_bytes()).or_insert(0);
        if *ordinal > 0 {
            id = hash.update(&ordinal.to_le_bytes()).finalize();
        }
        *ordinal += 1;
        let id = &id.to_hex()[..32];
        let derived_uid = is_derived.then(|| {
            let text = blake3::hash(format!("{feed} {id}").as_bytes()).to_hex();
            format!("{}@feed.calsync", &text[..32])
        });
        named.push((at, Named { item, id: RemoteId::new(id), derived_uid }));
    }
    named.sort_unstable_by_key(|(at, _)| *at);
    named.into_iter().map(|(_, named)| named).collect()
}
