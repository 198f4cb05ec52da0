//! Rows as items, and back. Attributes have names of two letters: they are paid for by the byte, and none is a reserved word.
//!
//! | | |
//! |---|---|
//! | `vl` | the row's content: JSON, or a document's bytes |
//! | `xi`, `xn` | where that content is in parts, and how many |
//! | `rv`, `mo`, `de`, `uh` | event: revision, written, deleted (microseconds), hash of its UID |
//! | `ii` | UID: the ids of its events |
//! | `ri`, `vs` | base: the item and its version |
//! | `ei` | item's base, outbox: the event |
//! | `ri` | event's entry: the entry |
//! | `dv`, `du` | document: version, due (microseconds) |
//! | `i1`, `i2`, `i3`, `gp`, `g1`, `g2` | sort keys of the indexes |
//! | `xt` | when DynamoDB may remove it (seconds) |

use aws_sdk_dynamodb::types::AttributeValue;
use calsync_core::{
    model::{Event, EventId, LinkId},
    store::{
        BaseRecord, BaseSummary, Doc, EventRecord, OutboxEntry, Record, RecordKind, Result, Revision,
        StoreError,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    error::unreadable,
    keys::{self, Key, Kind},
    session::{Item, binary, key_map, number},
};
use crate::codec::to_json;

const COMMIT: &str = "commit";

/// What is kept of an instant.
pub(super) fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

pub(super) fn instant(operation: &'static str, micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| unreadable(operation, "row", ""))
}

/// A row with its key and content.
pub(super) fn item(key: &Key, content: impl Into<Vec<u8>>) -> Item {
    let mut item = key_map(key);
    item.insert("vl".to_owned(), binary(content));
    item
}

pub(super) fn json_item<T: Serialize + ?Sized>(key: &Key, content: &T) -> Result<Item> {
    Ok(item(key, to_json(COMMIT, content)?))
}

pub(super) fn bytes<'a>(item: &'a Item, name: &str) -> Option<&'a [u8]> {
    item.get(name)?.as_b().ok().map(AsRef::as_ref)
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn integer(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn natural(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The texts of a list.
pub(super) fn texts(item: Option<&Item>, name: &str) -> Vec<String> {
    let list = item.and_then(|item| item.get(name)).and_then(|value| value.as_l().ok());
    list.into_iter().flatten().filter_map(|value| value.as_s().ok()).cloned().collect()
}

pub(super) fn of_texts(texts: impl IntoIterator<Item = String>) -> AttributeValue {
    AttributeValue::L(texts.into_iter().map(AttributeValue::S).collect())
}

/// The content of a row, as JSON. The cause is left out: it may quote the value.
pub(super) fn content<T: DeserializeOwned>(
    operation: &'static str,
    item: &Item,
    kind: &'static str,
) -> Result<T> {
    let bytes = bytes(item, "vl").ok_or_else(|| unreadable(operation, kind, ""))?;
    serde_json::from_slice(bytes).map_err(|_| unreadable(operation, kind, ""))
}

/// The name of a row in its partition.
pub(super) fn name(operation: &'static str, item: &Item, kind: &'static str) -> Result<String> {
    let name = bytes(item, "sk").and_then(keys::name);
    name.map(str::to_owned).ok_or_else(|| unreadable(operation, kind, ""))
}

/// The row of an event that is written.
pub(super) fn event_item(key: &Key, event: &Event, revision: u64, at: DateTime<Utc>) -> Result<Item> {
    let mut item = json_item(key, event)?;
    item.insert("mo".to_owned(), number(micros(at)));
    item.insert("uh".to_owned(), binary(keys::hash(&event.uid)));
    set_revision(&mut item, revision);
    Ok(item)
}

pub(super) fn set_revision(item: &mut Item, revision: u64) {
    item.insert("rv".to_owned(), number(revision));
    item.insert("i1".to_owned(), binary(revision.to_be_bytes()));
}

/// Marks the row of an event as deleted.
pub(super) fn set_deleted(item: &mut Item, at: i64) {
    item.insert("de".to_owned(), number(at));
    item.insert("i3".to_owned(), binary(keys::instant(at)));
}

pub(super) fn event(operation: &'static str, item: &Item) -> Result<EventRecord> {
    let missing = || unreadable(operation, "event", "");
    let deleted = integer(item, "de").map(|at| instant(operation, at)).transpose()?;
    Ok(EventRecord {
        id: EventId::from(name(operation, item, "event")?.as_str()),
        revision: Revision(natural(item, "rv").ok_or_else(missing)?),
        event: content(operation, item, "event")?,
        modified: instant(operation, integer(item, "mo").ok_or_else(missing)?)?,
        deleted,
    })
}

pub(super) fn base_item(key: &Key, base: &BaseRecord) -> Result<Item> {
    let mut item = json_item(key, base)?;
    item.insert("ri".to_owned(), AttributeValue::S(base.remote_id.as_str().to_owned()));
    if let Some(version) = &base.version {
        item.insert("vs".to_owned(), AttributeValue::S(version.as_str().to_owned()));
    }
    item.insert("i1".to_owned(), binary(keys::sort(base.remote_id.as_str())?));
    Ok(item)
}

/// The row that says which event an item is joined to.
pub(super) fn joined_item(key: &Key, event: &str) -> Item {
    let mut item = key_map(key);
    item.insert("ei".to_owned(), AttributeValue::S(event.to_owned()));
    item
}

pub(super) fn base_summary(operation: &'static str, item: &Item) -> Result<BaseSummary> {
    let remote_id =
        bytes(item, "i1").and_then(keys::name).ok_or_else(|| unreadable(operation, "base", ""))?;
    Ok(BaseSummary {
        remote_id: remote_id.into(),
        event_id: name(operation, item, "base")?.as_str().into(),
        version: text(item, "vs").map(Into::into),
    })
}

pub(super) fn outbox_item(key: &Key, entry: &OutboxEntry) -> Result<Item> {
    let mut item = json_item(key, entry)?;
    item.insert("ei".to_owned(), AttributeValue::S(entry.event_id.as_str().to_owned()));
    Ok(item)
}

/// The row that says which entry an event has.
pub(super) fn pointer(key: &Key, to: &str) -> Item {
    let mut item = key_map(key);
    item.insert("ri".to_owned(), AttributeValue::S(to.to_owned()));
    item
}

/// A record's kind, link and id.
pub(super) fn record_name(record: &Record) -> (RecordKind, &LinkId, &str) {
    match record {
        Record::Conflict(row) => (RecordKind::Conflict, &row.link, &row.id),
        Record::Quarantine(row) => (RecordKind::Quarantine, &row.link, row.remote_id.as_str()),
        Record::Run(row) => (RecordKind::Run, &row.link, row.id.as_str()),
        Record::Journal(row) => (RecordKind::Journal, &row.link, &row.id),
    }
}

pub(super) fn record_item(key: &Key, record: &Record, keep: Option<TimeDelta>) -> Result<Item> {
    let (mut item, event, run, age) = match record {
        Record::Conflict(row) => {
            (json_item(key, row)?, Some(&row.event_id), Some(&row.run), row.resolved_since())
        }
        Record::Quarantine(row) => (json_item(key, row)?, None, None, None),
        Record::Run(row) => (json_item(key, row)?, None, None, Some(row.started)),
        Record::Journal(row) => (json_item(key, row)?, Some(&row.event_id), Some(&row.run), Some(row.at)),
    };
    if let Some(event) = event {
        item.insert("i1".to_owned(), binary(keys::indexed(&keys::hash(event.as_str()), &key.sk)));
    }
    if let Some(run) = run {
        item.insert("i2".to_owned(), binary(keys::indexed(&keys::hash(run.as_str()), &key.sk)));
    }
    if let Some(age) = age {
        item.insert("i3".to_owned(), binary(keys::indexed(&keys::instant(micros(age)), &key.sk)));
        if let Some(end) = keep.and_then(|keep| age.checked_add_signed(keep)) {
            item.insert("xt".to_owned(), number(end.timestamp()));
        }
    }
    Ok(item)
}

pub(super) fn record(operation: &'static str, item: &Item, kind: RecordKind) -> Result<Record> {
    Ok(match kind {
        RecordKind::Conflict => Record::Conflict(content(operation, item, "conflict")?),
        RecordKind::Quarantine => Record::Quarantine(content(operation, item, "quarantined item")?),
        RecordKind::Run => Record::Run(content(operation, item, "run")?),
        RecordKind::Journal => Record::Journal(content(operation, item, "journal entry")?),
    })
}

/// Whether DynamoDB may have removed it already.
pub(super) fn expired(item: &Item, now: DateTime<Utc>) -> bool {
    integer(item, "xt").is_some_and(|end| end <= now.timestamp())
}

pub(super) fn doc_item(tenant: &str, key: &Key, doc: &Doc, version: u64) -> Result<Item> {
    let mut item = item(key, doc.value.clone());
    item.insert("dv".to_owned(), number(version));
    if let Some(due) = doc.due.map(micros) {
        item.insert("du".to_owned(), number(due));
        let by_time = keys::indexed(&keys::instant(due), &key.sk);
        item.insert("i1".to_owned(), binary(by_time.clone()));
        item.insert("gp".to_owned(), binary(keys::due_partition(&doc.space)?));
        item.insert("g1".to_owned(), binary(by_time));
        item.insert("g2".to_owned(), binary(keys::due_of_tenant(tenant, due)));
    }
    Ok(item)
}

pub(super) fn doc(operation: &'static str, item: &Item, space: &str) -> Result<Doc> {
    let missing = || unreadable(operation, "document", "");
    let due = integer(item, "du").map(|due| instant(operation, due)).transpose()?;
    Ok(Doc {
        space: space.to_owned(),
        key: name(operation, item, "document")?,
        value: bytes(item, "vl").ok_or_else(missing)?.to_vec(),
        version: natural(item, "dv").ok_or_else(missing)?,
        due,
    })
}

/// The kind of a row, for errors.
pub(super) fn kind_name(key: &Key, tenant: &str) -> &'static str {
    let letter = key.pk.get(2 + tenant.len()).copied();
    let named = [
        (Kind::Event, "event"),
        (Kind::Base, "base"),
        (Kind::Outbox, "outbox entry"),
        (Kind::Conflict, "conflict"),
        (Kind::Quarantine, "quarantined item"),
        (Kind::Run, "run"),
        (Kind::Journal, "journal entry"),
        (Kind::Feed, "entries of a feed"),
        (Kind::Doc, "document"),
        (Kind::Calendar, "calendar"),
    ];
    named.into_iter().find(|(kind, _)| Some(*kind as u8) == letter).map_or("row", |(_, name)| name)
}

/// What stands for a state that has no content of its own.
pub(super) fn lost(operation: &'static str, times: u32) -> StoreError {
    StoreError::new(calsync_core::store::StoreErrorKind::Unavailable, operation)
        .with_source(super::DynamoError::Contended(times))
}
