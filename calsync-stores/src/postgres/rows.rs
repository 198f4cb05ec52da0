//! Rows as values, and back.

use calsync_core::{
    model::{Event, LinkId},
    provider::Payload,
    store::{BaseRecord, BaseSummary, Doc, EventRecord, LinkState, Result, Revision},
};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use tokio_postgres::{Row, types::FromSql};

use super::error::unreadable;
use crate::codec::{state, unsigned};

/// How many bytes of a hash stand for a UID.
const HASH: usize = 16;

/// What stands for a UID in its index.
pub(super) fn uid_hash(uid: &str) -> Vec<u8> {
    blake3::hash(uid.as_bytes()).as_bytes().iter().copied().take(HASH).collect()
}

/// What is kept of an instant. No instant `chrono` can hold is out of the range of microseconds.
pub(super) fn to_micros(instant: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(instant.timestamp_micros()).unwrap_or(instant)
}

pub(super) fn column<'a, T: FromSql<'a>>(operation: &'static str, row: &'a Row, index: usize) -> Result<T> {
    // A value that cannot be read is the row's fault, not the connection's; the client's message is left out.
    row.try_get(index).map_err(|_| unreadable(operation, "row", ""))
}

/// The value of a JSON column; `kind` and `id` say which row it is when it is not readable.
pub(super) fn from_json<T: DeserializeOwned>(
    operation: &'static str,
    json: &str,
    kind: &'static str,
    id: impl ToString,
) -> Result<T> {
    serde_json::from_str(json).map_err(|_| unreadable(operation, kind, id))
}

/// The row of [`Sql::calendars`](super::sql::Sql) and its like: an id and JSON.
pub(super) fn named<T: DeserializeOwned>(
    operation: &'static str,
    row: &Row,
    kind: &'static str,
) -> Result<T> {
    let id: &str = column(operation, row, 0)?;
    from_json(operation, column(operation, row, 1)?, kind, id)
}

/// A row that is all JSON; its id may be private.
pub(super) fn unnamed<T: DeserializeOwned>(
    operation: &'static str,
    row: &Row,
    kind: &'static str,
) -> Result<T> {
    from_json(operation, column(operation, row, 0)?, kind, "")
}

/// The row of [`Sql::events`](super::sql::Sql) and its like.
pub(super) fn event(operation: &'static str, row: &Row) -> Result<EventRecord> {
    let id: &str = column(operation, row, 0)?;
    Ok(EventRecord {
        id: id.into(),
        revision: Revision(unsigned(column(operation, row, 1)?)),
        modified: column(operation, row, 2)?,
        deleted: column(operation, row, 3)?,
        event: from_json(operation, column(operation, row, 4)?, "event", id)?,
    })
}

/// The row of [`Sql::link`](super::sql::Sql).
pub(super) fn link(operation: &'static str, row: &Row, id: &LinkId) -> Result<LinkState> {
    let generation = unsigned(column(operation, row, 0)?);
    Ok(LinkState { generation, ..from_json(operation, column(operation, row, 1)?, "link", id)? })
}

/// A version as bytes: an etag is whatever a server sends, and text of PostgreSQL holds no NUL.
fn version(operation: &'static str, bytes: Option<&[u8]>) -> Result<Option<calsync_core::model::Version>> {
    bytes
        .map(|bytes| {
            std::str::from_utf8(bytes).map(Into::into).map_err(|_| unreadable(operation, "base", ""))
        })
        .transpose()
}

/// The row of [`Sql::bases_by_remote`](super::sql::Sql) and its like.
pub(super) fn base(operation: &'static str, row: &Row, link: &LinkId) -> Result<BaseRecord> {
    base_from(operation, row, 0, link)
}

/// What the row of [`Sql::events_since_seen`](super::sql::Sql) says beside its event.
pub(super) fn base_of_event(operation: &'static str, row: &Row, link: &LinkId) -> Result<Option<BaseRecord>> {
    let joined: Option<&str> = column(operation, row, EVENT)?;
    joined.map(|_| base_from(operation, row, EVENT, link)).transpose()
}

/// How many columns an event has.
const EVENT: usize = 5;

fn base_from(operation: &'static str, row: &Row, first: usize, link: &LinkId) -> Result<BaseRecord> {
    let event_id: &str = column(operation, row, first + 1)?;
    let side = |index| -> Result<Option<Box<Event>>> {
        let json: Option<&str> = column(operation, row, first + index)?;
        json.map(|json| from_json(operation, json, "base of event", event_id)).transpose()
    };
    let payload = std::str::from_utf8(column(operation, row, first + 4)?);
    Ok(BaseRecord {
        link: link.clone(),
        remote_id: column::<&str>(operation, row, first)?.into(),
        event_id: event_id.into(),
        version: version(operation, column(operation, row, first + 2)?)?,
        state: state(column(operation, row, first + 3)?)
            .ok_or_else(|| unreadable(operation, "base of event", event_id))?,
        payload: Payload::new(payload.map_err(|_| unreadable(operation, "base of event", event_id))?),
        local: side(5)?,
        remote: side(6)?,
    })
}

/// The row of [`Sql::base_summaries`](super::sql::Sql).
pub(super) fn base_summary(operation: &'static str, row: &Row) -> Result<BaseSummary> {
    Ok(BaseSummary {
        remote_id: column::<&str>(operation, row, 0)?.into(),
        event_id: column::<&str>(operation, row, 1)?.into(),
        version: version(operation, column(operation, row, 2)?)?,
    })
}

/// The row of [`Sql::docs`](super::sql::Sql) and its like.
pub(super) fn doc(operation: &'static str, row: &Row, space: &str) -> Result<Doc> {
    Ok(Doc {
        space: space.to_owned(),
        key: column(operation, row, 0)?,
        version: unsigned(column(operation, row, 1)?),
        due: column(operation, row, 2)?,
        value: column(operation, row, 3)?,
    })
}
