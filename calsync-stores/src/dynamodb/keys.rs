//! Where a row is: the keys of the table, ordered as their names are.
//!
//! `pk` is the tenant with its length before it, a letter for the kind of row, and the owner. `sk` is the row's name in its
//! owner, byte by byte, so that a query lists rows in the order the trait asks for.

use calsync_core::store::{RecordKind, Result};

use super::error::too_long;

/// The longest partition key, in bytes ("Constraints in Amazon DynamoDB", developer guide).
const PARTITION: usize = 2048;
/// The longest sort key, in bytes (same page).
const SORT: usize = 1024;
/// How much of a name is in the sort key of an index, after what it is sorted by first: what shares it is told apart by the
/// reader.
const SHORTENED: usize = 960;
/// The one row of a partition that has one: no name is empty in the table.
const ONLY: &[u8] = &[0];

/// The key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) pk: Vec<u8>,
    pub(super) sk: Vec<u8>,
}

/// Kinds of rows, as the letter in their partition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    Calendar = b'c',
    Event = b'e',
    /// The ids of the events with a UID.
    Uid = b'u',
    /// By their event.
    Base = b'b',
    /// Which event an item is joined to.
    BaseOfItem = b'i',
    Outbox = b'o',
    /// Which entry an event has.
    OutboxOfEvent = b'p',
    Conflict = b'k',
    Quarantine = b'q',
    Run = b'r',
    Journal = b'j',
    Doc = b'd',
    /// Entries of a calendar's feed, some of one commit.
    Feed = b'n',
    Guard = b'g',
    Lease = b'l',
    /// A batch too large for a transaction.
    Large = b'w',
    /// A value too large for an item.
    Part = b'x',
}

impl Kind {
    pub(super) fn of_record(kind: RecordKind) -> Self {
        match kind {
            RecordKind::Conflict => Self::Conflict,
            RecordKind::Quarantine => Self::Quarantine,
            RecordKind::Run => Self::Run,
            RecordKind::Journal => Self::Journal,
        }
    }
}

/// Whose rows change together: each has a guard, a row that is checked or moved by every commit that touches it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Owner {
    /// The list of calendars.
    Calendars,
    /// The events of a calendar.
    Calendar(String),
    /// A link and all that is kept below it.
    Link(String),
    /// The documents of a space. Its guard is only moved by large batches: each document has a version of its own.
    Space(String),
}

/// The partition of a kind of rows of an owner.
pub(super) fn partition(tenant: &str, kind: Kind, owner: &str) -> Result<Vec<u8>> {
    partition_of(tenant, kind, owner.as_bytes())
}

fn partition_of(tenant: &str, kind: Kind, owner: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(tenant.len()).map_err(|_| too_long("tenant"))?;
    let mut key = length.to_be_bytes().to_vec();
    key.extend(tenant.as_bytes());
    key.push(kind as u8);
    key.extend(owner);
    if key.len() > PARTITION { Err(too_long("tenant and owner")) } else { Ok(key) }
}

/// A name as a sort key. Keys must not be empty, so the empty name is a zero byte, and names that begin with one get one more:
/// their order stays.
pub(super) fn sort(name: &str) -> Result<Vec<u8>> {
    let mut key = Vec::with_capacity(name.len() + 1);
    if name.is_empty() || name.as_bytes()[0] == 0 {
        key.push(0);
    }
    key.extend(name.as_bytes());
    if key.len() > SORT { Err(too_long("id")) } else { Ok(key) }
}

/// The name a sort key was made of; `None` when it was not made here.
pub(super) fn name(sort: &[u8]) -> Option<&str> {
    let name = if sort.first() == Some(&0) { sort.get(1..)? } else { sort };
    std::str::from_utf8(name).ok()
}

/// The kind of a row of a tenant that belongs to a calendar or a link.
pub(super) fn kind(tenant: &str, key: &Key) -> Option<Kind> {
    use Kind::{Base, BaseOfItem, Conflict, Event, Journal, Outbox, OutboxOfEvent, Quarantine, Run, Uid};
    let letter = *key.pk.get(2 + tenant.len())?;
    let kinds = [Base, BaseOfItem, Conflict, Event, Journal, Outbox, OutboxOfEvent, Quarantine, Run, Uid];
    kinds.into_iter().find(|kind| *kind as u8 == letter)
}

/// The owner of a row of a tenant.
pub(super) fn owner<'a>(tenant: &str, key: &'a Key) -> Option<&'a str> {
    std::str::from_utf8(key.pk.get(3 + tenant.len()..)?).ok()
}

/// A row by its kind, owner and name.
pub(super) fn row(tenant: &str, kind: Kind, owner: &str, name: &str) -> Result<Key> {
    Ok(Key { pk: partition(tenant, kind, owner)?, sk: sort(name)? })
}

/// A row that is found by what stands for its name.
pub(super) fn hashed(tenant: &str, kind: Kind, owner: &str, hash: &[u8]) -> Result<Key> {
    Ok(Key { pk: partition(tenant, kind, owner)?, sk: hash.to_vec() })
}

/// The row of entries of a feed of which this is the last.
pub(super) fn feed(tenant: &str, calendar: &str, last: u64) -> Result<Key> {
    Ok(Key { pk: partition(tenant, Kind::Feed, calendar)?, sk: last.to_be_bytes().to_vec() })
}

/// The guard of an owner.
pub(super) fn guard(tenant: &str, owner: &Owner) -> Result<Key> {
    let (kind, name) = match owner {
        Owner::Calendars => (b'a', ""),
        Owner::Calendar(id) => (b'c', id.as_str()),
        Owner::Link(id) => (b'l', id.as_str()),
        Owner::Space(id) => (b's', id.as_str()),
    };
    let mut owner = vec![kind];
    owner.extend(name.as_bytes());
    Ok(Key { pk: partition_of(tenant, Kind::Guard, &owner)?, sk: ONLY.to_vec() })
}

/// The row of a lease.
pub(super) fn lease(tenant: &str, name: &str) -> Result<Key> {
    Ok(Key { pk: partition(tenant, Kind::Lease, name)?, sk: ONLY.to_vec() })
}

/// The head of a large batch (`None`), or one of its parts.
pub(super) fn large(tenant: &str, id: &[u8], part: Option<u32>) -> Result<Key> {
    let sk = part.map_or_else(|| ONLY.to_vec(), |part| [&[1], part.to_be_bytes().as_slice()].concat());
    Ok(Key { pk: partition_of(tenant, Kind::Large, id)?, sk })
}

/// A part of a large value.
pub(super) fn part(tenant: &str, id: &[u8], part: u32) -> Result<Key> {
    Ok(Key { pk: partition_of(tenant, Kind::Part, id)?, sk: part.to_be_bytes().to_vec() })
}

/// Sixteen bytes that stand for a name of any length.
pub(super) fn hash(name: &str) -> Vec<u8> {
    blake3::hash(name.as_bytes()).as_bytes().iter().copied().take(16).collect()
}

/// An instant in microseconds as a sort key: signed numbers in their order.
pub(super) fn instant(micros: i64) -> [u8; 8] {
    (micros.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The instant of [`instant`].
pub(super) fn micros(key: &[u8]) -> Option<i64> {
    let bytes: [u8; 8] = key.get(..8)?.try_into().ok()?;
    Some((u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed())
}

/// A sort key of an index: what it is sorted by first, then as much of the row's own sort key as there is room for.
pub(super) fn indexed(first: &[u8], sort: &[u8]) -> Vec<u8> {
    let mut key = first.to_vec();
    key.extend(sort.iter().take(SHORTENED));
    key
}

/// The partition of the indexes over all tenants: the documents of a space that are due at some time.
pub(super) fn due_partition(space: &str) -> Result<Vec<u8>> {
    partition("", Kind::Doc, space)
}

/// What [`due_of_tenant`] keys of a tenant begin with, in the order of their names.
pub(super) fn tenant_prefix(tenant: &str) -> Vec<u8> {
    let mut key = Vec::new();
    for byte in tenant.bytes().take(SHORTENED) {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.truncate(SHORTENED);
    key.extend([0, 1]);
    key
}

/// The sort key of the index of due documents by tenant.
pub(super) fn due_of_tenant(tenant: &str, due: i64) -> Vec<u8> {
    let mut key = tenant_prefix(tenant);
    key.extend(instant(due));
    key
}

/// The tenant of a partition key.
pub(super) fn tenant_of(pk: &[u8]) -> Option<&str> {
    let length = usize::from(u16::from_be_bytes(pk.get(..2)?.try_into().ok()?));
    std::str::from_utf8(pk.get(2..2 + length)?).ok()
}
