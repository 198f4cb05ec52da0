//! The one way to write: the lease, then the expectations, then the writes in their order, then the lease's end.

use std::collections::BTreeSet;

use calsync_core::{
    model::{CalendarId, Event, EventId, EventTime, LinkId},
    store::{
        Batch, CommitReceipt, Doc, Expectation, LeaseEnd, Log, RecordKind, Result, Revision, StoreError,
        StoreErrorKind, Write,
    },
    zone::Zone,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    lease, lock,
    row::{failed, kind_name, limited, to_json},
};

const COMMIT: &str = "commit";

/// Where all-day meetings begin: the rooms are in one place.
const ROOMS: &str = "Europe/Berlin";

pub(crate) async fn commit(transaction: &mut PgConnection, batch: &Batch) -> Result<CommitReceipt> {
    lock(transaction, COMMIT).await?;
    if let Some(token) = &batch.lease
        && !lease::is_current(transaction, COMMIT, token).await?
    {
        return Err(StoreError::new(StoreErrorKind::Fenced, COMMIT));
    }
    for (index, expectation) in batch.expect.iter().enumerate() {
        if !holds(transaction, expectation).await? {
            return Err(StoreError::new(StoreErrorKind::Conflict { expectation: index }, COMMIT));
        }
    }
    let mut receipt = CommitReceipt::default();
    for write in &batch.writes {
        apply(transaction, write, &mut receipt).await?;
    }
    if let (LeaseEnd::GivenBack, Some(token)) = (batch.lease_end, &batch.lease) {
        lease::release(transaction, COMMIT, token).await?;
    }
    Ok(receipt)
}

async fn holds(transaction: &mut PgConnection, expectation: &Expectation) -> Result<bool> {
    let (query, expected) = match expectation {
        Expectation::Uid { calendar, uid, events } => {
            let found: Vec<(String,)> =
                sqlx::query_as("SELECT id FROM events WHERE calendar = $1 AND uid = $2")
                    .bind(calendar.as_str())
                    .bind(uid.as_bytes())
                    .fetch_all(transaction)
                    .await
                    .map_err(failed(COMMIT))?;
            let found: BTreeSet<&str> = found.iter().map(|(id,)| id.as_str()).collect();
            return Ok(found == events.iter().map(EventId::as_str).collect());
        }
        Expectation::Event { calendar, id, revision } => (
            sqlx::query_as("SELECT revision FROM events WHERE calendar = $1 AND id = $2")
                .bind(calendar.as_str())
                .bind(id.as_str()),
            revision.map(|revision| revision.0),
        ),
        Expectation::Link { id, generation } => (
            sqlx::query_as("SELECT generation FROM calsync_rows WHERE kind = $1 AND owner = '' AND id = $2")
                .bind("link")
                .bind(id.as_str()),
            *generation,
        ),
        Expectation::Doc { space, key, version } => (
            sqlx::query_as("SELECT version FROM calsync_docs WHERE space = $1 AND key = $2")
                .bind(space.as_str())
                .bind(key.as_str()),
            *version,
        ),
    };
    let found: Option<(i64,)> = query.fetch_optional(transaction).await.map_err(failed(COMMIT))?;
    // A number no column can hold is no row's.
    Ok(found.map(|(number,)| number.unsigned_abs()) == expected)
}

async fn apply(transaction: &mut PgConnection, write: &Write, receipt: &mut CommitReceipt) -> Result<()> {
    match write {
        Write::PutCalendar(calendar) => {
            put(transaction, Row::new("calendar", "", calendar.id.as_str()), calendar).await
        }
        Write::PutEvent { calendar, id, event, at } => {
            let revision = put_event(transaction, calendar, id, event, *at).await?;
            receipt.revisions.push((calendar.clone(), id.clone(), revision));
            Ok(())
        }
        Write::DeleteEvent { calendar, id, at } => {
            if let Some(revision) = delete_event(transaction, calendar, id, *at).await? {
                receipt.revisions.push((calendar.clone(), id.clone(), revision));
            }
            Ok(())
        }
        Write::PurgeDeleted { calendar, before, limit } => {
            let purge = sqlx::query(
                "DELETE FROM events WHERE ctid = ANY(ARRAY(SELECT ctid FROM events \
                 WHERE calendar = $1 AND deleted < $2 ORDER BY deleted LIMIT $3))",
            )
            .bind(calendar.as_str())
            .bind(before.timestamp_micros())
            .bind(i64::try_from(*limit).unwrap_or(i64::MAX));
            let purged = purge.execute(transaction).await.map_err(failed(COMMIT))?;
            receipt.forgotten.push(usize::try_from(purged.rows_affected()).unwrap_or(usize::MAX));
            Ok(())
        }
        Write::PutLink(link) => put(transaction, Row::new("link", "", link.id.as_str()), link).await,
        Write::PutBase(base) => {
            let row = Row {
                event: Some(base.event_id.as_str()),
                version: base.version.as_ref().map(|version| version.as_str().as_bytes()),
                ..Row::new("base", base.link.as_str(), base.remote_id.as_str())
            };
            put(transaction, row, base).await
        }
        Write::DeleteBase { link, remote_id } => delete(transaction, "base", link, remote_id.as_str()).await,
        Write::PutOutbox(entry) => {
            let row = Row {
                event: Some(entry.event_id.as_str()),
                ..Row::new("outbox", entry.link.as_str(), &entry.id.0)
            };
            put(transaction, row, entry).await
        }
        Write::DeleteOutbox { link, id } => delete(transaction, "outbox", link, &id.0).await,
        Write::PutConflict(conflict) => {
            let row = Row {
                event: Some(conflict.event_id.as_str()),
                run: Some(conflict.run.as_str()),
                aged: conflict.resolved_since(),
                ..Row::new(kind_name(RecordKind::Conflict), conflict.link.as_str(), &conflict.id)
            };
            put(transaction, row, conflict).await
        }
        Write::PutQuarantine(item) => {
            let kind = kind_name(RecordKind::Quarantine);
            put(transaction, Row::new(kind, item.link.as_str(), item.remote_id.as_str()), item).await
        }
        Write::DeleteQuarantine { link, remote_id } => {
            delete(transaction, kind_name(RecordKind::Quarantine), link, remote_id.as_str()).await
        }
        Write::PutRun(run) => {
            let kind = kind_name(RecordKind::Run);
            let row = Row { aged: Some(run.started), ..Row::new(kind, run.link.as_str(), run.id.as_str()) };
            put(transaction, row, run).await
        }
        Write::PutJournal(entry) => {
            let row = Row {
                event: Some(entry.event_id.as_str()),
                run: Some(entry.run.as_str()),
                aged: Some(entry.at),
                ..Row::new(kind_name(RecordKind::Journal), entry.link.as_str(), &entry.id)
            };
            put(transaction, row, entry).await
        }
        Write::PurgeLog { link, log, before, limit } => {
            receipt.purged.push(purge_log(transaction, link, *log, *before, *limit).await?);
            Ok(())
        }
        Write::PutDoc(doc) => {
            receipt.doc_versions.push(put_doc(transaction, doc).await?);
            Ok(())
        }
        Write::DeleteDoc { space, key } => {
            let delete = sqlx::query("DELETE FROM calsync_docs WHERE space = $1 AND key = $2")
                .bind(space.as_str())
                .bind(key.as_str());
            delete.execute(transaction).await.map_err(failed(COMMIT))?;
            Ok(())
        }
    }
}

/// The columns of `calsync_rows` beside the JSON.
struct Row<'a> {
    kind: &'static str,
    owner: &'a str,
    id: &'a str,
    event: Option<&'a str>,
    run: Option<&'a str>,
    aged: Option<DateTime<Utc>>,
    version: Option<&'a [u8]>,
}

impl<'a> Row<'a> {
    fn new(kind: &'static str, owner: &'a str, id: &'a str) -> Self {
        Self { kind, owner, id, event: None, run: None, aged: None, version: None }
    }
}

/// Makes or replaces a row, whole: what is `None` now is NULL now.
async fn put<T: Serialize>(transaction: &mut PgConnection, row: Row<'_>, value: &T) -> Result<()> {
    let json = to_json(COMMIT, value)?;
    sqlx::query(
        "INSERT INTO calsync_rows (kind, owner, id, event, run, aged, version, json) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (kind, owner, id) DO UPDATE SET event = excluded.event, run = excluded.run, \
         aged = excluded.aged, version = excluded.version, json = excluded.json, \
         generation = calsync_rows.generation + 1",
    )
    .bind(row.kind)
    .bind(row.owner)
    .bind(row.id)
    .bind(row.event)
    .bind(row.run)
    .bind(row.aged.map(|at| at.timestamp_micros()))
    .bind(row.version)
    .bind(json)
    .execute(transaction)
    .await
    .map_err(failed(COMMIT))?;
    Ok(())
}

async fn delete(transaction: &mut PgConnection, kind: &'static str, link: &LinkId, id: &str) -> Result<()> {
    sqlx::query("DELETE FROM calsync_rows WHERE kind = $1 AND owner = $2 AND id = $3")
        .bind(kind)
        .bind(link.as_str())
        .bind(id)
        .execute(transaction)
        .await
        .map_err(failed(COMMIT))?;
    Ok(())
}

/// The calendar's next revision. A row and not a sequence: what a transaction that is rolled back took is given back.
async fn next_revision(transaction: &mut PgConnection, calendar: &CalendarId) -> Result<i64> {
    let (revision,): (i64,) = sqlx::query_as(
        "INSERT INTO calsync_revisions (calendar, last) VALUES ($1, 1) \
         ON CONFLICT (calendar) DO UPDATE SET last = calsync_revisions.last + 1 RETURNING last",
    )
    .bind(calendar.as_str())
    .fetch_one(transaction)
    .await
    .map_err(failed(COMMIT))?;
    Ok(revision)
}

/// The host's columns are written from the event, the host's own (`catering`) are left alone.
async fn put_event(
    transaction: &mut PgConnection,
    calendar: &CalendarId,
    id: &EventId,
    event: &Event,
    at: DateTime<Utc>,
) -> Result<Revision> {
    let revision = next_revision(transaction, calendar).await?;
    let json = to_json(COMMIT, event)?;
    let body = event.master.as_ref();
    // What people search need not hold a NUL, and PostgreSQL's text cannot.
    let shown = |text: &Option<String>| text.as_ref().map(|text| text.replace('\0', ""));
    sqlx::query(
        "INSERT INTO events (calendar, id, title, location, starts_at, uid, revision, modified, event) \
         VALUES ($1, $2, $3, $4, to_timestamp($5), $6, $7, $8, $9) \
         ON CONFLICT (calendar, id) DO UPDATE SET title = excluded.title, location = excluded.location, \
         starts_at = excluded.starts_at, uid = excluded.uid, revision = excluded.revision, \
         modified = excluded.modified, deleted = NULL, event = excluded.event",
    )
    .bind(calendar.as_str())
    .bind(id.as_str())
    .bind(body.and_then(|body| shown(&body.title)))
    .bind(body.and_then(|body| shown(&body.location)))
    .bind(body.map(|body| starts_at(&body.time.start)))
    .bind(event.uid.as_bytes())
    .bind(revision)
    .bind(at.timestamp_micros())
    .bind(json)
    .execute(transaction)
    .await
    .map_err(failed(COMMIT))?;
    Ok(Revision(revision.unsigned_abs()))
}

/// Seconds since 1970 UTC, as `to_timestamp` takes them.
fn starts_at(start: &EventTime) -> f64 {
    let instant = match Zone::from_iana(ROOMS) {
        Some(rooms) => start.instant(&rooms),
        None => start.local().and_utc(),
    };
    instant.timestamp() as f64
}

async fn delete_event(
    transaction: &mut PgConnection,
    calendar: &CalendarId,
    id: &EventId,
    at: DateTime<Utc>,
) -> Result<Option<Revision>> {
    let lives: Option<(i64,)> =
        sqlx::query_as("SELECT revision FROM events WHERE calendar = $1 AND id = $2 AND deleted IS NULL")
            .bind(calendar.as_str())
            .bind(id.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed(COMMIT))?;
    if lives.is_none() {
        return Ok(None);
    }
    let revision = next_revision(transaction, calendar).await?;
    sqlx::query("UPDATE events SET revision = $3, deleted = $4 WHERE calendar = $1 AND id = $2")
        .bind(calendar.as_str())
        .bind(id.as_str())
        .bind(revision)
        .bind(at.timestamp_micros())
        .execute(transaction)
        .await
        .map_err(failed(COMMIT))?;
    Ok(Some(Revision(revision.unsigned_abs())))
}

async fn purge_log(
    transaction: &mut PgConnection,
    link: &LinkId,
    log: Log,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize> {
    let kind = kind_name(match log {
        Log::Runs => RecordKind::Run,
        Log::Journal => RecordKind::Journal,
        Log::ResolvedConflicts => RecordKind::Conflict,
    });
    let purged = sqlx::query(
        "DELETE FROM calsync_rows WHERE kind = $1 AND owner = $2 AND id IN (SELECT id FROM calsync_rows \
         WHERE kind = $1 AND owner = $2 AND aged < $3 ORDER BY aged, id LIMIT $4)",
    )
    .bind(kind)
    .bind(link.as_str())
    .bind(before.timestamp_micros())
    .bind(limited(limit))
    .execute(transaction)
    .await
    .map_err(failed(COMMIT))?;
    Ok(usize::try_from(purged.rows_affected()).unwrap_or(usize::MAX))
}

async fn put_doc(transaction: &mut PgConnection, doc: &Doc) -> Result<u64> {
    let (version,): (i64,) = sqlx::query_as(
        "INSERT INTO calsync_docs (space, key, version, due, value) \
         VALUES ($1, $2, nextval('calsync_doc_versions'), $3, $4) \
         ON CONFLICT (space, key) DO UPDATE SET version = excluded.version, due = excluded.due, \
         value = excluded.value RETURNING version",
    )
    .bind(doc.space.as_str())
    .bind(doc.key.as_str())
    .bind(doc.due.map(|due| due.timestamp_micros()))
    .bind(doc.value.as_slice())
    .fetch_one(transaction)
    .await
    .map_err(failed(COMMIT))?;
    Ok(version.unsigned_abs())
}
