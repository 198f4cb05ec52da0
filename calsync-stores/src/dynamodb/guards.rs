//! Guards: one row per calendar, link and space, that says how often its rows were changed, and whether a large batch is at it.
//!
//! | | |
//! |---|---|
//! | `gv` | how often; every commit moves it (a space's only by large batches) |
//! | `lk` | the large batch that holds the owner back |
//! | `lr` | calendar: the last revision |
//! | `ch` | calendar: the events of the last revisions, in their order |
//! | `fl` | calendar: the last entry of its feed |
//! | `gn`, `vl` | link: generation and state |
//! | `oc`, `qc` | link: how many entries its outbox has, and how many items are in quarantine |

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use calsync_core::store::{Result, StoreError};

use super::{
    DynamoStore,
    keys::{self, Key, Owner},
    large,
    rows::{bytes, lost, natural, of_texts, texts},
    session::{Action, Item, Op, binary, number},
};

/// How many guards a handle remembers.
const REMEMBERED: usize = 4096;

/// A guard as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    pub(super) version: u64,
    pub(super) lock: Option<Vec<u8>>,
    pub(super) revision: u64,
    /// The events of the last revisions of a calendar: the last one is that of `revision`, and so on back.
    pub(super) recent: Vec<String>,
    /// The last entry of a calendar's feed.
    pub(super) told: u64,
    pub(super) generation: Option<u64>,
    pub(super) state: Option<Vec<u8>>,
    /// How many entries a link's outbox has; `None`: nobody counted.
    pub(super) outbox: Option<u64>,
    /// How many items of a link are in quarantine.
    pub(super) quarantine: Option<u64>,
}

impl Guard {
    pub(super) fn of(item: Option<&Item>) -> Self {
        // Where no commit has been there are no rows.
        let nothing = Self { outbox: Some(0), quarantine: Some(0), ..Self::default() };
        let Some(item) = item else { return nothing };
        let version = natural(item, "gv").unwrap_or(0);
        let counted = |name| natural(item, name).or((version == 0).then_some(0));
        Self {
            version,
            outbox: counted("oc"),
            quarantine: counted("qc"),
            lock: bytes(item, "lk").map(<[u8]>::to_vec),
            revision: natural(item, "lr").unwrap_or(0),
            recent: texts(Some(item), "ch"),
            told: natural(item, "fl").unwrap_or(0),
            generation: natural(item, "gn"),
            state: bytes(item, "vl").map(<[u8]>::to_vec),
        }
    }

    /// What a change makes of it.
    pub(super) fn after(&self, change: &Change) -> Self {
        let counted = |count: Option<u64>, more: fn(&Counts) -> i64| {
            let more = change.rows.as_ref().map_or(0, more);
            count.map(|count| count.saturating_add_signed(more))
        };
        Self {
            version: self.version + 1,
            lock: None,
            revision: change.revision.unwrap_or(self.revision),
            recent: self.recent_after(change),
            told: change.told.unwrap_or(self.told),
            generation: change.link.as_ref().map(|(generation, _)| *generation).or(self.generation),
            state: change.link.as_ref().map(|(_, state)| state.clone()).or_else(|| self.state.clone()),
            outbox: counted(self.outbox, |rows| rows.outbox),
            quarantine: counted(self.quarantine, |rows| rows.quarantine),
        }
    }
}

/// How many of the last changes of a calendar its guard names, and how many bytes their names have together.
const RECENT: (usize, usize) = (32, 2048);

impl Guard {
    fn recent_after(&self, change: &Change) -> Vec<String> {
        let (mut bytes, mut recent) = (0, Vec::new());
        for id in self.recent.iter().chain(&change.events).rev().take(RECENT.0) {
            bytes += id.len();
            if bytes > RECENT.1 {
                break;
            }
            recent.push(id.clone());
        }
        recent.reverse();
        recent
    }

    /// The events with a later revision than this, when all of them are named.
    pub(super) fn recent_since(&self, seen: u64) -> Option<BTreeSet<&str>> {
        let later = usize::try_from(self.revision.checked_sub(seen)?).ok()?;
        let first = self.recent.len().checked_sub(later)?;
        Some(self.recent.get(first..)?.iter().map(String::as_str).collect())
    }
}

/// How many rows more a link has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) outbox: i64,
    pub(super) quarantine: i64,
}

/// What a commit does to a guard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) revision: Option<u64>,
    /// The events that get the revisions up to that one, in their order.
    pub(super) events: Vec<String>,
    /// The last entry of a calendar's feed.
    pub(super) told: Option<u64>,
    /// Generation and state of a link.
    pub(super) link: Option<(u64, Vec<u8>)>,
    /// Of a link whose rows change.
    pub(super) rows: Option<Counts>,
}

const UNLOCKED: &str = "attribute_not_exists(lk)";
/// Nothing changed since the guard was read, and no large batch is at it.
const SAME: &str = "gv = :v AND attribute_not_exists(lk)";
const NEVER: &str = "attribute_not_exists(gv) AND attribute_not_exists(lk)";

/// The guard is as it was read.
pub(super) fn check(key: &Key, guard: &Guard) -> Op {
    conditional(Op::new(Action::Check(key.clone())), guard)
}

/// No large batch is at the owner.
pub(super) fn check_unlocked(key: &Key) -> Op {
    Op::new(Action::Check(key.clone())).when(UNLOCKED)
}

fn conditional(op: Op, guard: &Guard) -> Op {
    if guard.version == 0 { op.when(NEVER) } else { op.when(SAME).with(":v", number(guard.version)) }
}

/// Moves the guard on, when it is as it was read.
pub(super) fn change(key: &Key, guard: &Guard, change: &Change) -> Op {
    conditional(changed(key, guard, change), guard)
}

/// Moves the guard on under the lock of a large batch.
pub(super) fn change_locked(key: &Key, guard: &Guard, change: &Change, batch: &[u8]) -> Op {
    changed(key, guard, change).when("lk = :l").with(":l", binary(batch))
}

fn changed(key: &Key, guard: &Guard, change: &Change) -> Op {
    let mut text = "SET gv = :n".to_owned();
    let mut values: Vec<(&str, AttributeValue)> = vec![(":n", number(guard.version + 1))];
    if let Some(revision) = change.revision {
        text.push_str(", lr = :r");
        values.push((":r", number(revision)));
        text.push_str(", ch = :c");
        values.push((":c", of_texts(guard.recent_after(change))));
    }
    if let Some(told) = change.told {
        text.push_str(", fl = :f");
        values.push((":f", number(told)));
    }
    if let Some((generation, state)) = &change.link {
        text.push_str(", gn = :g, vl = :s");
        values.push((":g", number(generation)));
        values.push((":s", binary(state.clone())));
    }
    if change.rows.is_some() {
        let after = guard.after(change);
        if let Some(count) = after.outbox {
            text.push_str(", oc = :o");
            values.push((":o", number(count)));
        }
        if let Some(count) = after.quarantine {
            text.push_str(", qc = :q");
            values.push((":q", number(count)));
        }
    }
    values
        .into_iter()
        .fold(Op::new(Action::Update(key.clone(), text)), |op, (name, value)| op.with(name, value))
}

/// Locks an owner for a large batch.
pub(super) fn lock(key: &Key, batch: &[u8]) -> Op {
    Op::new(Action::Update(key.clone(), "SET lk = :l".to_owned())).when(UNLOCKED).with(":l", binary(batch))
}

/// Takes the lock of a large batch off.
pub(super) fn unlock(key: &Key, batch: &[u8]) -> Op {
    Op::new(Action::Update(key.clone(), "REMOVE lk".to_owned())).when("lk = :l").with(":l", binary(batch))
}

/// Versions of guards by key, as they were last seen without a batch under way.
pub(super) type Seen = HashMap<Key, u64>;

/// Remembers a guard that was read without a batch under way.
pub(super) fn note(seen: &mut Seen, key: &Key, guard: &Guard) {
    if seen.len() >= REMEMBERED {
        seen.clear();
    }
    seen.insert(key.clone(), guard.version);
}

/// A read of several rows that must all be of one moment: it is done again until the guard is the same before and after.
pub(super) struct Watch<'a> {
    store: &'a DynamoStore,
    operation: &'static str,
    key: Key,
    version: u64,
    tried: u32,
}

impl<'a> Watch<'a> {
    /// Looks at the guard of what is about to be read. A version that was seen before this read does as well.
    pub(super) async fn begin(
        store: &'a DynamoStore,
        operation: &'static str,
        owner: &Owner,
    ) -> Result<Self> {
        let key = keys::guard(&store.tenant, owner)?;
        let seen = store.seen().get(&key).copied();
        let mut watch = Self { store, operation, key, version: seen.unwrap_or(0), tried: 0 };
        if seen.is_none() {
            watch.version = watch.settled().await?.version;
        }
        Ok(watch)
    }

    /// The guard, once no decided batch is under way.
    async fn settled(&self) -> Result<Guard> {
        let guard = settled(self.store, self.operation, &self.key).await?;
        note(&mut self.store.seen(), &self.key, &guard);
        Ok(guard)
    }

    /// Whether what was read is whole and of one moment; otherwise it is to be read again.
    pub(super) async fn holds(&mut self, whole: bool) -> Result<bool> {
        Ok(self.guard(whole).await?.is_some())
    }

    /// The guard as it was at that moment, when what was read is whole and of one; otherwise it is to be read again.
    pub(super) async fn guard(&mut self, whole: bool) -> Result<Option<Guard>> {
        let guard = self.settled().await?;
        if whole && guard.version == self.version {
            return Ok(Some(guard));
        }
        self.version = guard.version;
        self.again().await?;
        Ok(None)
    }

    /// Waits before reading again.
    async fn again(&mut self) -> Result<()> {
        let last: StoreError = lost(self.operation, self.tried + 1);
        // Most of the time what was under way is done by now.
        if self.tried > 2 {
            self.store.shared.session.pause(self.operation, self.tried, last).await?;
        }
        self.tried += 1;
        Ok(())
    }
}

/// A guard, once no decided batch is under way: one that is gets finished here.
pub(super) async fn settled(store: &DynamoStore, operation: &'static str, key: &Key) -> Result<Guard> {
    let mut tried = 0;
    loop {
        let item = store.shared.session.get(operation, key).await?;
        let guard = Guard::of(item.as_ref());
        let Some(batch) = &guard.lock else { return Ok(guard) };
        match large::meet(store, operation, batch).await? {
            // Nothing of it is written: what is there is what was before it.
            large::Met::Undecided => return Ok(guard),
            large::Met::Gone => {}
        }
        store.shared.session.pause(operation, tried, lost(operation, tried + 1)).await?;
        tried += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(events: &[&str], revision: u64) -> Change {
        let events = events.iter().map(|id| (*id).to_owned()).collect();
        Change { events, revision: Some(revision), ..Change::default() }
    }

    #[test]
    fn a_guard_names_the_last_changes() {
        let mut guard = Guard { revision: 7, ..Guard::default() };
        assert_eq!(guard.recent_since(6), None, "nobody wrote down which");
        assert_eq!(guard.recent_since(8), None, "it is not there");
        guard = guard.after(&changed(&["a", "b", "a"], 10));
        assert_eq!(guard.recent, ["a", "b", "a"]);
        assert_eq!(guard.recent_since(7), Some(["a", "b"].into()));
        assert_eq!(guard.recent_since(9), Some(["a"].into()));
        assert_eq!(guard.recent_since(10), Some(BTreeSet::new()));
        assert_eq!(guard.recent_since(6), None);
        guard = guard.after(&Change::default());
        assert_eq!(guard.recent_since(7), Some(["a", "b"].into()), "no event was written");

        guard = guard.after(&changed(&["c"; 30], 40));
        assert_eq!((guard.recent.len(), guard.recent_since(8)), (32, Some(["a", "b", "c"].into())));
        assert_eq!(guard.recent_since(7), None, "the oldest is dropped");
        let long = "l".repeat(1_000);
        guard = guard.after(&changed(&[&long, "d", &long], 43));
        assert_eq!((guard.recent.len(), guard.recent_since(40)), (32, Some([long.as_str(), "d"].into())));
        guard = guard.after(&changed(&[&long], 44));
        assert_eq!((guard.recent.len(), guard.recent_since(41)), (3, Some([long.as_str(), "d"].into())));
        guard = guard.after(&changed(&[&"m".repeat(3_000)], 45));
        assert!(guard.recent.is_empty() && guard.recent_since(44).is_none(), "none is named before a gap");
    }
}
