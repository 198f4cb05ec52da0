//! Rows as values, and what PostgreSQL says as errors of the store.

use calsync_core::store::{
    BaseSummary, Doc, EventRecord, RecordKind, Result, Revision, StoreError, StoreErrorKind,
};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sqlx::{Row as _, postgres::PgRow};

/// What a failure means to the engine: `Unavailable` is tried again, the rest is shown to a person. The message of the
/// database is left out, because it may quote the text of an event.
pub(crate) fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| {
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        let kind = match (&error, code.as_deref()) {
            (sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed, _) => {
                StoreErrorKind::Unavailable
            }
            // Shutting down, starting up, too many connections, serialisation, deadlock.
            (_, Some("57P01" | "57P02" | "57P03" | "53300" | "40001" | "40P01")) => {
                StoreErrorKind::Unavailable
            }
            (_, Some("53100")) => StoreErrorKind::Full,
            // The only constraints a well-formed batch can break are the unique ones; NUL in a name is no name here.
            (_, Some("23505" | "22021")) => StoreErrorKind::InvalidInput,
            (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_), _) => StoreErrorKind::Corrupt,
            _ => StoreErrorKind::Backend,
        };
        let shown =
            code.map_or_else(|| "PostgreSQL cannot be asked".to_owned(), |code| format!("SQLSTATE {code}"));
        StoreError::new(kind, operation).with_source(shown)
    }
}

fn corrupt(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, operation)
}

/// The JSON of a value.
pub(crate) fn to_json<T: serde::Serialize + ?Sized>(operation: &'static str, value: &T) -> Result<String> {
    // The cause may quote the value.
    serde_json::to_string(value).map_err(|_| StoreError::new(StoreErrorKind::InvalidInput, operation))
}

/// The value of a JSON column.
pub(crate) fn from_json<T: DeserializeOwned>(
    operation: &'static str,
    row: &PgRow,
    column: usize,
) -> Result<T> {
    let json: &str = row.try_get(column).map_err(failed(operation))?;
    serde_json::from_str(json).map_err(|_| corrupt(operation))
}

/// A counter.
pub(crate) fn unsigned(operation: &'static str, row: &PgRow, column: usize) -> Result<u64> {
    let number: i64 = row.try_get(column).map_err(failed(operation))?;
    u64::try_from(number).map_err(|_| corrupt(operation))
}

fn instant(operation: &'static str, row: &PgRow, column: usize) -> Result<Option<DateTime<Utc>>> {
    let micros: Option<i64> = row.try_get(column).map_err(failed(operation))?;
    micros.map(|micros| DateTime::from_timestamp_micros(micros).ok_or_else(|| corrupt(operation))).transpose()
}

/// A number of the caller's, for a comparison: past the largest a column has, all rows are smaller.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// What a list is called in the column `kind`.
pub(crate) fn kind_name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Conflict => "conflict",
        RecordKind::Quarantine => "quarantine",
        RecordKind::Run => "run",
        RecordKind::Journal => "journal",
    }
}

/// Columns: id, revision, modified, deleted, event.
pub(crate) fn event(operation: &'static str, row: &PgRow) -> Result<EventRecord> {
    let id: String = row.try_get(0).map_err(failed(operation))?;
    Ok(EventRecord {
        id: id.into(),
        revision: Revision(unsigned(operation, row, 1)?),
        modified: instant(operation, row, 2)?.ok_or_else(|| corrupt(operation))?,
        deleted: instant(operation, row, 3)?,
        event: from_json(operation, row, 4)?,
    })
}

/// Columns: id, event, version.
pub(crate) fn base_summary(operation: &'static str, row: &PgRow) -> Result<BaseSummary> {
    let (remote_id, event_id): (String, String) =
        (row.try_get(0).map_err(failed(operation))?, row.try_get(1).map_err(failed(operation))?);
    let version: Option<Vec<u8>> = row.try_get(2).map_err(failed(operation))?;
    let version = version.map(String::from_utf8).transpose().map_err(|_| corrupt(operation))?;
    Ok(BaseSummary {
        remote_id: remote_id.into(),
        event_id: event_id.into(),
        version: version.map(Into::into),
    })
}

/// Columns: key, version, due, value.
pub(crate) fn doc(operation: &'static str, row: &PgRow, space: &str) -> Result<Doc> {
    Ok(Doc {
        space: space.to_owned(),
        key: row.try_get(0).map_err(failed(operation))?,
        version: unsigned(operation, row, 1)?,
        due: instant(operation, row, 2)?,
        value: row.try_get(3).map_err(failed(operation))?,
    })
}
