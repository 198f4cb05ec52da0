//! The feeds of calendars. Entries of one commit are kept together: an item costs a transaction the same, whatever it holds.

use calsync_core::{
    feed::{EventSeq, FeedEntry, FeedPage},
    model::CalendarId,
    store::Result,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    DynamoStore,
    guards::Watch,
    keys::{self, Key, Kind, Owner},
    parts,
    rows::{content, expired, json_item},
    session::{Item, Range, key_of, number},
};

const FEED: &str = "feed";
const FORGET: &str = "forget_feed";
/// How many entries are in one item at most.
pub(super) const TOGETHER: usize = 50;

/// The item of some entries, which are not none. It goes by itself when its youngest entry does.
pub(super) fn item(key: &Key, entries: &[FeedEntry], keep: Option<TimeDelta>) -> Result<Item> {
    let mut item = json_item(key, entries)?;
    let youngest = entries.iter().map(|entry| entry.at).max();
    if let Some(end) = keep.zip(youngest).and_then(|(keep, at)| at.checked_add_signed(keep)) {
        item.insert("xt".to_owned(), number(end.timestamp()));
    }
    Ok(item)
}

/// Reads so many items first: most of the time there are fewer, and each may hold [`TOGETHER`] entries.
const FIRST: usize = 16;

fn range(store: &DynamoStore, calendar: &CalendarId, from: u64, limit: usize) -> Result<Range> {
    let pk = keys::partition(&store.tenant, Kind::Feed, calendar.as_str())?;
    Ok(Range { index: None, pk, from: Some(from.to_be_bytes().to_vec()), to: None, limit })
}

fn entries_of(items: &[Item]) -> Result<Vec<FeedEntry>> {
    let mut entries = Vec::new();
    for item in items {
        entries.extend(content::<Vec<FeedEntry>>(FEED, item, "entries of a feed")?);
    }
    Ok(entries)
}

pub(super) async fn page(
    store: &DynamoStore,
    calendar: &CalendarId,
    after: EventSeq,
    limit: usize,
) -> Result<FeedPage> {
    let owner = Owner::Calendar(calendar.as_str().to_owned());
    // An item is named by its last entry. After the last number there is none.
    let first = after.0.checked_add(1);
    let most = first.map_or(0, |_| limit);
    let mut range = range(store, calendar, first.unwrap_or(u64::MAX), most.min(FIRST))?;
    let mut watch = Watch::begin(store, FEED, &owner).await?;
    loop {
        let mut found = store.shared.session.query(FEED, &range).await?;
        let more = found.len() == range.limit && range.limit < most;
        let now = store.shared.session.config.clock.now();
        found.retain(|item| !expired(item, now));
        if !parts::join(store, FEED, &mut found).await? {
            watch.holds(false).await?;
            continue;
        }
        let mut entries = entries_of(&found)?;
        entries.retain(|entry| entry.seq > after);
        if more && entries.len() < limit {
            range.limit = most;
            continue;
        }
        let Some(guard) = watch.guard(true).await? else { continue };
        entries.truncate(limit);
        return Ok(FeedPage { last: EventSeq(guard.told), entries });
    }
}

/// Forgets old items, those whose last entry is not after the last old one of the oldest; answers how many entries. In no
/// order and under no guard: who asks for what goes can tell that it does, and nobody else sees it.
pub(super) async fn forget(
    store: &DynamoStore,
    calendar: &CalendarId,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize> {
    let session = &store.shared.session;
    let mut oldest = session.query(FORGET, &range(store, calendar, 0, limit)?).await?;
    let mut keys: Vec<Vec<Key>> = Vec::with_capacity(oldest.len());
    for item in &oldest {
        let mut of_item = parts::keys_of(&store.tenant, item)?;
        of_item.extend(key_of(item));
        keys.push(of_item);
    }
    if !parts::join(store, FORGET, &mut oldest).await? {
        // Somebody else forgets it.
        return Ok(0);
    }
    let (mut count, mut forgotten, mut end) = (0, 0, 0);
    for (n, item) in oldest.iter().enumerate() {
        let entries = entries_of(std::slice::from_ref(item))?;
        count += entries.len();
        if entries.last().is_some_and(|last| last.at < before) {
            (forgotten, end) = (count, n + 1);
        }
        // The commit that reaches the limit goes whole.
        if count >= limit {
            break;
        }
    }
    keys.truncate(end);
    session.write_apart(FORGET, Vec::new(), keys.concat()).await?;
    Ok(forgotten)
}
