//! Rows as values, and back.

use calsync_core::{
    model::{Event, LinkId},
    provider::Payload,
    store::{BaseRecord, BaseSummary, Doc, EventRecord, LinkState, Result, Revision},
};
use chrono::{DateTime, Utc};
use rusqlite::Row;
use serde::de::DeserializeOwned;

use crate::codec::{state, unsigned};

use super::error::{During, unreadable};

/// The column form of an instant.
pub(super) fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
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

/// The row of [`EVENT`](super::sql::EVENT) and its like.
pub(super) fn event(operation: &'static str, row: &Row<'_>) -> Result<EventRecord> {
    let id: String = row.get(0).during(operation)?;
    let revision = Revision(unsigned(row.get(1).during(operation)?));
    let instant = |micros: i64| {
        DateTime::from_timestamp_micros(micros).ok_or_else(|| unreadable(operation, "event", &id))
    };
    let modified = instant(row.get(2).during(operation)?)?;
    let deleted = row.get::<_, Option<i64>>(3).during(operation)?.map(instant).transpose()?;
    let json = row.get_ref(4).during(operation)?.as_str().map_err(|_| unreadable(operation, "event", &id))?;
    let event = from_json(operation, json, "event", &id)?;
    Ok(EventRecord { id: id.into(), revision, event, modified, deleted })
}

/// The row of [`LINK`](super::sql::LINK).
pub(super) fn link(operation: &'static str, row: &Row<'_>, id: &LinkId) -> Result<LinkState> {
    let generation = unsigned(row.get(0).during(operation)?);
    let json: String = row.get(1).during(operation)?;
    Ok(LinkState { generation, ..from_json(operation, &json, "link", id)? })
}

/// The row of [`BASE_BY_REMOTE`](super::sql::BASE_BY_REMOTE) and its like.
pub(super) fn base(operation: &'static str, row: &Row<'_>, link: &LinkId) -> Result<BaseRecord> {
    let number: i64 = row.get(0).during(operation)?;
    let side = |column: usize| -> Result<Option<Box<Event>>> {
        let json: Option<String> = row.get(column).during(operation)?;
        json.map(|json| from_json(operation, &json, "base", number)).transpose()
    };
    Ok(BaseRecord {
        link: link.clone(),
        remote_id: row.get::<_, String>(1).during(operation)?.into(),
        event_id: row.get::<_, String>(2).during(operation)?.into(),
        version: row.get::<_, Option<String>>(3).during(operation)?.map(Into::into),
        state: state(&row.get::<_, String>(4).during(operation)?)
            .ok_or_else(|| unreadable(operation, "base", number))?,
        payload: Payload::new(row.get::<_, String>(5).during(operation)?),
        local: side(6)?,
        remote: side(7)?,
    })
}

/// The row of [`BASE_SUMMARIES`](super::sql::BASE_SUMMARIES).
pub(super) fn base_summary(operation: &'static str, row: &Row<'_>) -> Result<BaseSummary> {
    Ok(BaseSummary {
        remote_id: row.get::<_, String>(0).during(operation)?.into(),
        event_id: row.get::<_, String>(1).during(operation)?.into(),
        version: row.get::<_, Option<String>>(2).during(operation)?.map(Into::into),
    })
}

/// A row that is all JSON, known by its number because its id may be private.
pub(super) fn numbered<T: DeserializeOwned>(
    operation: &'static str,
    row: &Row<'_>,
    kind: &'static str,
) -> Result<T> {
    let number: i64 = row.get(0).during(operation)?;
    let json = row.get_ref(1).during(operation)?.as_str().map_err(|_| unreadable(operation, kind, number))?;
    from_json(operation, json, kind, number)
}

/// The row of [`DOC`](super::sql::DOC) and its like.
pub(super) fn doc(operation: &'static str, row: &Row<'_>, space: &str) -> Result<Doc> {
    let key: String = row.get(0).during(operation)?;
    let due = row.get::<_, Option<i64>>(2).during(operation)?;
    let due = due
        .map(|due| {
            DateTime::from_timestamp_micros(due).ok_or_else(|| unreadable(operation, "document", &key))
        })
        .transpose()?;
    let version = unsigned(row.get(1).during(operation)?);
    Ok(Doc { space: space.to_owned(), version, due, value: row.get(3).during(operation)?, key })
}
