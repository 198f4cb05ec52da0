//! The reads of the store, on the connection's thread.

use std::collections::BTreeSet;

use calsync_core::{
    model::{Calendar, CalendarId, EventId, LinkId, RunId},
    store::{
        BaseRecord, BaseSummary, Doc, EventRecord, LinkState, OutboxEntry, Record, RecordKind, Result,
        Revision,
    },
};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, Params, Row, params};

use crate::codec::{limited, signed};

use super::{Db, error::During, rows, sql};

/// Runs a statement and reads all its rows.
fn all<T>(
    db: &Db<'_>,
    operation: &'static str,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = db.connection.prepare_cached(sql).during(operation)?;
    let mut rows = statement.query(params).during(operation)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().during(operation)? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Runs a statement once per key, all in one transaction, so that the answer is of one moment. One look-up per key
/// instead of a list of keys in one statement: without a network between, it is as fast, and its plan cannot change.
fn each<T>(
    connection: &mut Connection,
    tenant: &str,
    operation: &'static str,
    sql: &str,
    owner: &str,
    keys: &BTreeSet<&str>,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let transaction = connection.transaction().during(operation)?;
    let db = Db { connection: &transaction, tenant };
    let mut found = Vec::new();
    for key in keys {
        found.extend(all(&db, operation, sql, params![tenant, owner, key], &read)?);
    }
    Ok(found)
}

pub(super) fn calendars(db: &Db<'_>) -> Result<Vec<Calendar>> {
    let operation = "calendars";
    all(db, operation, sql::CALENDARS, [db.tenant], |row| {
        let id: String = row.get(0).during(operation)?;
        let json: String = row.get(1).during(operation)?;
        rows::from_json(operation, &json, "calendar", id)
    })
}

pub(super) fn events(
    connection: &mut Connection,
    tenant: &str,
    calendar: &CalendarId,
    ids: &[EventId],
) -> Result<Vec<EventRecord>> {
    let keys = ids.iter().map(EventId::as_str).collect();
    each(connection, tenant, "events", sql::EVENT, calendar.as_str(), &keys, |row| rows::event("events", row))
}

pub(super) fn events_by_uid(
    connection: &mut Connection,
    tenant: &str,
    calendar: &CalendarId,
    uids: &[String],
) -> Result<Vec<EventRecord>> {
    let operation = "events_by_uid";
    let keys = uids.iter().map(String::as_str).collect();
    each(connection, tenant, operation, sql::EVENTS_BY_UID, calendar.as_str(), &keys, |row| {
        rows::event(operation, row)
    })
}

pub(super) fn events_since(
    db: &Db<'_>,
    calendar: &CalendarId,
    after: Revision,
    limit: usize,
) -> Result<Vec<EventRecord>> {
    let operation = "events_since";
    let params = params![db.tenant, calendar.as_str(), signed(after.0), limited(limit)];
    all(db, operation, sql::EVENTS_SINCE, params, |row| rows::event(operation, row))
}

pub(super) fn link(db: &Db<'_>, link: &LinkId) -> Result<Option<LinkState>> {
    let found = all(db, "link", sql::LINK, [db.tenant, link.as_str()], |row| rows::link("link", row, link))?;
    Ok(found.into_iter().next())
}

/// Bases by remote ids or by event ids, as `sql` says.
pub(super) fn bases(
    connection: &mut Connection,
    tenant: &str,
    link: &LinkId,
    sql: &'static str,
    keys: &[String],
) -> Result<Vec<BaseRecord>> {
    let keys = keys.iter().map(String::as_str).collect();
    each(connection, tenant, "bases", sql, link.as_str(), &keys, |row| rows::base("bases", row, link))
}

pub(super) fn base_summaries(
    db: &Db<'_>,
    link: &LinkId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<BaseSummary>> {
    let operation = "base_summaries";
    let params = params![db.tenant, link.as_str(), after, limited(limit)];
    all(db, operation, sql::BASE_SUMMARIES, params, |row| rows::base_summary(operation, row))
}

pub(super) fn outbox(
    db: &Db<'_>,
    link: &LinkId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<OutboxEntry>> {
    let params = params![db.tenant, link.as_str(), after, limited(limit)];
    all(db, "outbox", sql::OUTBOX, params, |row| rows::numbered("outbox", row, "outbox entry"))
}

/// A [`RecordQuery`](calsync_core::store::RecordQuery) that can go to another thread.
pub(super) struct OwnedRecordQuery {
    pub(super) kind: RecordKind,
    pub(super) link: LinkId,
    pub(super) event: Option<EventId>,
    pub(super) run: Option<RunId>,
    pub(super) after: Option<String>,
    pub(super) limit: usize,
}

pub(super) fn records(db: &Db<'_>, query: &OwnedRecordQuery) -> Result<Vec<Record>> {
    let event = query.event.as_ref().map(EventId::as_str);
    let run = query.run.as_ref().map(RunId::as_str);
    let (unfiltered, of_event, of_run, of_both) = match query.kind {
        RecordKind::Conflict => {
            (sql::CONFLICTS, sql::CONFLICTS_OF_EVENT, sql::CONFLICTS_OF_RUN, sql::CONFLICTS_OF_EVENT_IN_RUN)
        }
        RecordKind::Journal => {
            (sql::JOURNAL, sql::JOURNAL_OF_EVENT, sql::JOURNAL_OF_RUN, sql::JOURNAL_OF_EVENT_IN_RUN)
        }
        RecordKind::Quarantine => return list(db, query, sql::QUARANTINE, &[]),
        RecordKind::Run => return list(db, query, sql::RUNS, &[]),
    };
    match (event, run) {
        (None, None) => list(db, query, unfiltered, &[]),
        (Some(event), None) => list(db, query, of_event, &[event]),
        (None, Some(run)) => list(db, query, of_run, &[run]),
        (Some(event), Some(run)) => list(db, query, of_both, &[event, run]),
    }
}

/// One page of records; `filters` are the parameters from the fourth on.
fn list(db: &Db<'_>, query: &OwnedRecordQuery, sql: &str, filters: &[&str]) -> Result<Vec<Record>> {
    let operation = "records";
    let (link, limit) = (query.link.as_str(), limited(query.limit));
    let mut params: Vec<&dyn rusqlite::ToSql> = vec![&db.tenant, &link, &query.after, &limit];
    params.extend(filters.iter().map(|filter| filter as &dyn rusqlite::ToSql));
    all(db, operation, sql, &params[..], |row| {
        Ok(match query.kind {
            RecordKind::Conflict => Record::Conflict(rows::numbered(operation, row, "conflict")?),
            RecordKind::Quarantine => Record::Quarantine(rows::numbered(operation, row, "quarantined item")?),
            RecordKind::Run => Record::Run(rows::numbered(operation, row, "run")?),
            RecordKind::Journal => Record::Journal(rows::numbered(operation, row, "journal entry")?),
        })
    })
}

/// A [`DocQuery`](calsync_core::store::DocQuery) that can go to another thread.
pub(super) enum OwnedDocQuery {
    Keys(Vec<String>),
    Page { after: Option<String>, limit: usize },
    Due { at: DateTime<Utc>, limit: usize },
}

pub(super) fn docs(
    connection: &mut Connection,
    tenant: &str,
    space: &str,
    query: &OwnedDocQuery,
) -> Result<Vec<Doc>> {
    let operation = "docs";
    let read = |row: &Row<'_>| rows::doc(operation, row, space);
    match query {
        OwnedDocQuery::Keys(keys) => {
            let keys = keys.iter().map(String::as_str).collect();
            each(connection, tenant, operation, sql::DOC, space, &keys, read)
        }
        OwnedDocQuery::Page { after, limit } => {
            let params = params![tenant, space, after, limited(*limit)];
            all(&Db { connection, tenant }, operation, sql::DOCS, params, read)
        }
        OwnedDocQuery::Due { at, limit } => {
            let params = params![tenant, space, rows::micros(*at), limited(*limit)];
            all(&Db { connection, tenant }, operation, sql::DOCS_DUE, params, read)
        }
    }
}
