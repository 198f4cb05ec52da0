//! The reads of the store: one statement, and so one moment and one round trip, each.

use calsync_core::{
    model::{Calendar, CalendarId, EventId, LinkId, RunId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Doc, DocQuery, EventRecord, LinkState, OutboxEntry, Record,
        RecordKind, RecordQuery, Result, Revision,
    },
};
use tokio_postgres::Row;

use super::{
    PostgresStore, rows,
    rows::{to_micros, uid_hash},
    session::Param,
};
use crate::codec::{limited, signed};

/// Runs a statement whose first parameter is the tenant, and reads all its rows.
async fn all<T>(
    store: &PostgresStore,
    operation: &'static str,
    sql: &str,
    params: Vec<Param<'_>>,
    read: impl Fn(&Row) -> Result<T>,
) -> Result<Vec<T>> {
    store.call(operation, sql, params).await?.iter().map(read).collect()
}

pub(super) async fn calendars(store: &PostgresStore) -> Result<Vec<Calendar>> {
    let operation = "calendars";
    let sql = &store.shared.sql.calendars;
    all(store, operation, sql, Vec::new(), |row| rows::named(operation, row, "calendar")).await
}

pub(super) async fn events(
    store: &PostgresStore,
    calendar: &CalendarId,
    ids: &[EventId],
) -> Result<Vec<EventRecord>> {
    let keys: Vec<&str> = ids.iter().map(EventId::as_str).collect();
    let params: Vec<Param<'_>> = vec![Box::new(calendar.as_str()), Box::new(keys)];
    all(store, "events", &store.shared.sql.events, params, |row| rows::event("events", row)).await
}

pub(super) async fn events_by_uid(
    store: &PostgresStore,
    calendar: &CalendarId,
    uids: &[&str],
) -> Result<Vec<EventRecord>> {
    let operation = "events_by_uid";
    let hashes: Vec<Vec<u8>> = uids.iter().map(|uid| uid_hash(uid)).collect();
    let params: Vec<Param<'_>> = vec![Box::new(calendar.as_str()), Box::new(hashes)];
    let sql = &store.shared.sql.events_by_uid;
    all(store, operation, sql, params, |row| rows::event(operation, row)).await
}

pub(super) async fn events_since(
    store: &PostgresStore,
    calendar: &CalendarId,
    after: Revision,
    limit: usize,
) -> Result<Vec<EventRecord>> {
    let operation = "events_since";
    let params: Vec<Param<'_>> =
        vec![Box::new(calendar.as_str()), Box::new(signed(after.0)), Box::new(limited(limit))];
    let sql = &store.shared.sql.events_since;
    all(store, operation, sql, params, |row| rows::event(operation, row)).await
}

pub(super) async fn link(store: &PostgresStore, link: &LinkId) -> Result<Option<LinkState>> {
    let params: Vec<Param<'_>> = vec![Box::new(link.as_str())];
    let sql = &store.shared.sql.link;
    let found = all(store, "link", sql, params, |row| rows::link("link", row, link)).await?;
    Ok(found.into_iter().next())
}

pub(super) async fn bases(
    store: &PostgresStore,
    link: &LinkId,
    query: BaseQuery<'_>,
) -> Result<Vec<BaseRecord>> {
    let all_sql = &store.shared.sql;
    let (sql, keys): (_, Vec<&str>) = match query {
        BaseQuery::Remote(ids) => (&all_sql.bases_by_remote, ids.iter().map(|id| id.as_str()).collect()),
        BaseQuery::Events(ids) => (&all_sql.bases_by_event, ids.iter().map(|id| id.as_str()).collect()),
    };
    let params: Vec<Param<'_>> = vec![Box::new(link.as_str()), Box::new(keys)];
    all(store, "bases", sql, params, |row| rows::base("bases", row, link)).await
}

/// The parameters of a page: its owner, the key it starts after, and its size.
pub(super) fn page<'a>(owner: &'a str, after: Option<&'a str>, limit: usize) -> Vec<Param<'a>> {
    vec![Box::new(owner), Box::new(after), Box::new(limited(limit))]
}

pub(super) async fn base_summaries(
    store: &PostgresStore,
    link: &LinkId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<BaseSummary>> {
    let operation = "base_summaries";
    let sql = &store.shared.sql.base_summaries;
    let params = page(link.as_str(), after, limit);
    all(store, operation, sql, params, |row| rows::base_summary(operation, row)).await
}

pub(super) async fn outbox(
    store: &PostgresStore,
    link: &LinkId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<OutboxEntry>> {
    let sql = &store.shared.sql.outbox;
    let params = page(link.as_str(), after, limit);
    all(store, "outbox", sql, params, |row| rows::unnamed("outbox", row, "outbox entry")).await
}

pub(super) async fn records(store: &PostgresStore, query: RecordQuery<'_>) -> Result<Vec<Record>> {
    let operation = "records";
    let sql = &store.shared.sql;
    let filtered = matches!(query.kind, RecordKind::Conflict | RecordKind::Journal);
    let event = query.event.filter(|_| filtered).map(EventId::as_str);
    let run = query.run.filter(|_| filtered).map(RunId::as_str);
    let sql = match (query.kind, event, run) {
        (RecordKind::Quarantine, ..) => &sql.quarantine,
        (RecordKind::Run, ..) => &sql.runs,
        (RecordKind::Conflict, None, None) => &sql.conflicts,
        (RecordKind::Conflict, Some(_), None) => &sql.conflicts_of_event,
        (RecordKind::Conflict, None, Some(_)) => &sql.conflicts_of_run,
        (RecordKind::Conflict, Some(_), Some(_)) => &sql.conflicts_of_event_in_run,
        (RecordKind::Journal, None, None) => &sql.journal,
        (RecordKind::Journal, Some(_), None) => &sql.journal_of_event,
        (RecordKind::Journal, None, Some(_)) => &sql.journal_of_run,
        (RecordKind::Journal, Some(_), Some(_)) => &sql.journal_of_event_in_run,
    };
    let mut params = page(query.link.as_str(), query.after, query.limit);
    for filter in [event, run].into_iter().flatten() {
        params.push(Box::new(filter));
    }
    all(store, operation, sql, params, |row| {
        Ok(match query.kind {
            RecordKind::Conflict => Record::Conflict(rows::unnamed(operation, row, "conflict")?),
            RecordKind::Quarantine => Record::Quarantine(rows::unnamed(operation, row, "quarantined item")?),
            RecordKind::Run => Record::Run(rows::unnamed(operation, row, "run")?),
            RecordKind::Journal => Record::Journal(rows::unnamed(operation, row, "journal entry")?),
        })
    })
    .await
}

pub(super) async fn docs(store: &PostgresStore, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
    let sql = &store.shared.sql;
    let (sql, params): (_, Vec<Param<'_>>) = match query {
        DocQuery::Keys(keys) => (&sql.docs_by_key, vec![Box::new(space), Box::new(keys)]),
        DocQuery::Page { after, limit } => (&sql.docs, page(space, after, limit)),
        DocQuery::Due { at, limit } => {
            (&sql.docs_due, vec![Box::new(space), Box::new(to_micros(at)), Box::new(limited(limit))])
        }
    };
    all(store, "docs", sql, params, |row| rows::doc("docs", row, space)).await
}
