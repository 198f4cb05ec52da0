//! The one way to write, on the connection's thread.

use std::collections::BTreeSet;

use calsync_core::{
    model::{CalendarId, Event, EventId, LinkId},
    store::{
        BaseRecord, Batch, CommitReceipt, ConflictState, Doc, Expectation, LeaseToken, Log, Result, Revision,
        StoreError, StoreErrorKind, Write,
    },
};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Params, TransactionBehavior, params};

use super::{
    error::During,
    leases,
    reads::limited,
    rows,
    rows::{micros, to_json},
    sql,
};

const COMMIT: &str = "commit";

/// Writes a batch in one transaction. `IMMEDIATE`: the write lock is taken before anything is read, so that what was
/// checked still holds when it is written, also with other processes on the same file.
pub(super) fn commit(connection: &mut Connection, batch: &Batch) -> Result<CommitReceipt> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(COMMIT)?;
    if let Some(token) = &batch.lease {
        check_lease(&transaction, token)?;
    }
    for (index, expectation) in batch.expect.iter().enumerate() {
        if !holds(&transaction, expectation)? {
            return Err(StoreError::new(StoreErrorKind::Conflict { expectation: index }, COMMIT));
        }
    }
    let mut receipt = CommitReceipt::default();
    for write in &batch.writes {
        apply(&transaction, write, &mut receipt)?;
    }
    transaction.commit().during(COMMIT)?;
    Ok(receipt)
}

fn check_lease(connection: &Connection, token: &LeaseToken) -> Result<()> {
    let current = leases::read(connection, COMMIT, &token.name)?
        .filter(|lease| lease.holder.is_some())
        .map(|l| l.epoch);
    if current == Some(token.epoch) { Ok(()) } else { Err(StoreError::new(StoreErrorKind::Fenced, COMMIT)) }
}

fn holds(connection: &Connection, expectation: &Expectation) -> Result<bool> {
    Ok(match expectation {
        Expectation::Event { calendar, id, revision } => {
            let params = [calendar.as_str(), id.as_str()];
            number(connection, sql::EVENT_REVISION, params)? == revision.map(|revision| revision.0)
        }
        Expectation::Link { id, generation } => {
            number(connection, sql::LINK_GENERATION, [id.as_str()])? == *generation
        }
        Expectation::Uid { calendar, uid, events } => {
            let mut statement = connection.prepare_cached(sql::EVENT_IDS_OF_UID).during(COMMIT)?;
            let found = statement.query_map([calendar.as_str(), uid], |row| row.get(0)).during(COMMIT)?;
            let found: BTreeSet<String> = found.collect::<rusqlite::Result<_>>().during(COMMIT)?;
            found.iter().map(String::as_str).eq(events.iter().map(EventId::as_str).collect::<BTreeSet<_>>())
        }
        Expectation::Doc { space, key, version } => {
            number(connection, sql::DOC_VERSION, [space, key])? == *version
        }
    })
}

/// The one number a statement finds.
fn number(connection: &Connection, sql: &str, params: impl Params) -> Result<Option<u64>> {
    let mut statement = connection.prepare_cached(sql).during(COMMIT)?;
    let found: Option<i64> = statement.query_row(params, |row| row.get(0)).optional().during(COMMIT)?;
    Ok(found.map(rows::unsigned))
}

fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<()> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).during(COMMIT)?;
    Ok(())
}

fn apply(connection: &Connection, write: &Write, receipt: &mut CommitReceipt) -> Result<()> {
    match write {
        Write::PutCalendar(calendar) => execute(
            connection,
            "INSERT INTO calendars (id, json) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET json = excluded.json",
            params![calendar.id.as_str(), to_json(COMMIT, calendar)?],
        ),
        Write::PutEvent { calendar, id, event, at } => {
            let revision = put_event(connection, calendar, id, event, *at)?;
            receipt.revisions.push((calendar.clone(), id.clone(), revision));
            Ok(())
        }
        Write::DeleteEvent { calendar, id, at } => {
            if let Some(revision) = delete_event(connection, calendar, id, *at)? {
                receipt.revisions.push((calendar.clone(), id.clone(), revision));
            }
            Ok(())
        }
        Write::PurgeDeleted { calendar, before } => {
            execute(connection, sql::EVENTS_TO_PURGE, params![calendar.as_str(), micros(*before)])
        }
        Write::PutLink(link) => execute(
            connection,
            "INSERT INTO links (id, generation, json) VALUES (?1, 1, ?2) \
             ON CONFLICT (id) DO UPDATE SET generation = generation + 1, json = excluded.json",
            params![link.id.as_str(), to_json(COMMIT, link)?],
        ),
        Write::PutBase(base) => put_base(connection, base),
        Write::DeleteBase { link, remote_id } => execute(
            connection,
            "DELETE FROM bases WHERE link = ?1 AND remote_id = ?2",
            [link.as_str(), remote_id.as_str()],
        ),
        Write::PutOutbox(entry) => execute(
            connection,
            "INSERT INTO outbox (link, id, event_id, json) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (link, id) DO UPDATE SET event_id = excluded.event_id, json = excluded.json",
            params![entry.link.as_str(), entry.id.0, entry.event_id.as_str(), to_json(COMMIT, entry)?],
        ),
        Write::DeleteOutbox { link, id } => execute(
            connection,
            "DELETE FROM outbox WHERE link = ?1 AND id = ?2",
            [link.as_str(), id.0.as_str()],
        ),
        Write::PutConflict(row) => execute(
            connection,
            "INSERT INTO conflicts (link, id, event_id, run, aged, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (link, id) DO UPDATE SET \
             event_id = excluded.event_id, run = excluded.run, aged = excluded.aged, json = excluded.json",
            params![
                row.link.as_str(),
                row.id,
                row.event_id.as_str(),
                row.run.as_str(),
                (row.state == ConflictState::Resolved).then(|| micros(row.at)),
                to_json(COMMIT, row)?
            ],
        ),
        Write::PutQuarantine(row) => execute(
            connection,
            "INSERT INTO quarantine (link, remote_id, json) VALUES (?1, ?2, ?3) \
             ON CONFLICT (link, remote_id) DO UPDATE SET json = excluded.json",
            params![row.link.as_str(), row.remote_id.as_str(), to_json(COMMIT, row)?],
        ),
        Write::DeleteQuarantine { link, remote_id } => execute(
            connection,
            "DELETE FROM quarantine WHERE link = ?1 AND remote_id = ?2",
            [link.as_str(), remote_id.as_str()],
        ),
        Write::PutRun(row) => execute(
            connection,
            "INSERT INTO runs (link, id, aged, json) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (link, id) DO UPDATE SET aged = excluded.aged, json = excluded.json",
            params![row.link.as_str(), row.id.as_str(), micros(row.started), to_json(COMMIT, row)?],
        ),
        Write::PutJournal(row) => execute(
            connection,
            "INSERT INTO journal (link, id, event_id, run, aged, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (link, id) DO UPDATE SET \
             event_id = excluded.event_id, run = excluded.run, aged = excluded.aged, json = excluded.json",
            params![
                row.link.as_str(),
                row.id,
                row.event_id.as_str(),
                row.run.as_str(),
                micros(row.at),
                to_json(COMMIT, row)?
            ],
        ),
        Write::PurgeLog { link, log, before, limit } => {
            receipt.purged.push(purge_log(connection, link, *log, *before, *limit)?);
            Ok(())
        }
        Write::PutDoc(doc) => {
            receipt.doc_versions.push(put_doc(connection, doc)?);
            Ok(())
        }
        Write::DeleteDoc { space, key } => {
            execute(connection, "DELETE FROM docs WHERE space = ?1 AND key = ?2", [space, key])
        }
    }
}

fn next_revision(connection: &Connection, calendar: &CalendarId) -> Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO revisions (calendar, last) VALUES (?1, 1) \
             ON CONFLICT (calendar) DO UPDATE SET last = last + 1 RETURNING last",
        )
        .and_then(|mut statement| statement.query_row([calendar.as_str()], |row| row.get(0)))
        .during(COMMIT)
}

fn put_event(
    connection: &Connection,
    calendar: &CalendarId,
    id: &EventId,
    event: &Event,
    at: DateTime<Utc>,
) -> Result<Revision> {
    let revision = next_revision(connection, calendar)?;
    execute(
        connection,
        "INSERT INTO events (calendar, id, uid, revision, modified, deleted, json) \
         VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6) \
         ON CONFLICT (calendar, id) DO UPDATE SET uid = excluded.uid, revision = excluded.revision, \
         modified = excluded.modified, deleted = NULL, json = excluded.json",
        params![calendar.as_str(), id.as_str(), event.uid, revision, micros(at), to_json(COMMIT, event)?],
    )?;
    Ok(Revision(rows::unsigned(revision)))
}

fn delete_event(
    connection: &Connection,
    calendar: &CalendarId,
    id: &EventId,
    at: DateTime<Utc>,
) -> Result<Option<Revision>> {
    if number(connection, sql::EVENT_LIVES, [calendar.as_str(), id.as_str()])?.is_none() {
        return Ok(None);
    }
    let revision = next_revision(connection, calendar)?;
    execute(
        connection,
        "UPDATE events SET revision = ?3, deleted = ?4 WHERE calendar = ?1 AND id = ?2",
        params![calendar.as_str(), id.as_str(), revision, micros(at)],
    )?;
    Ok(Some(Revision(rows::unsigned(revision))))
}

fn put_base(connection: &Connection, base: &BaseRecord) -> Result<()> {
    let json = |side: &Option<Box<Event>>| side.as_ref().map(|event| to_json(COMMIT, event)).transpose();
    execute(
        connection,
        "INSERT INTO bases (link, remote_id, event_id, version, state, payload, local, remote) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (link, remote_id) DO UPDATE SET event_id = excluded.event_id, version = excluded.version, \
         state = excluded.state, payload = excluded.payload, local = excluded.local, remote = excluded.remote",
        params![
            base.link.as_str(),
            base.remote_id.as_str(),
            base.event_id.as_str(),
            base.version.as_ref().map(|version| version.as_str()),
            rows::state_name(base.state),
            base.payload.as_str(),
            json(&base.local)?,
            json(&base.remote)?,
        ],
    )
}

fn purge_log(
    connection: &Connection,
    link: &LinkId,
    log: Log,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize> {
    let (find, delete) = match log {
        Log::Runs => (sql::RUNS_TO_PURGE, "DELETE FROM runs WHERE rowid = ?1"),
        Log::Journal => (sql::JOURNAL_TO_PURGE, "DELETE FROM journal WHERE rowid = ?1"),
        Log::ResolvedConflicts => (sql::CONFLICTS_TO_PURGE, "DELETE FROM conflicts WHERE rowid = ?1"),
    };
    let mut statement = connection.prepare_cached(find).during(COMMIT)?;
    let params = params![link.as_str(), micros(before), limited(limit)];
    let old = statement.query_map(params, |row| row.get(0)).during(COMMIT)?;
    let old: Vec<i64> = old.collect::<rusqlite::Result<_>>().during(COMMIT)?;
    for row in &old {
        execute(connection, delete, [row])?;
    }
    Ok(old.len())
}

fn put_doc(connection: &Connection, doc: &Doc) -> Result<u64> {
    let version: i64 = connection
        .prepare_cached(
            "INSERT INTO counters (name, last) VALUES ('docs', 1) \
             ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last",
        )
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during(COMMIT)?;
    execute(
        connection,
        "INSERT INTO docs (space, key, version, due, value) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (space, key) DO UPDATE SET version = excluded.version, due = excluded.due, \
         value = excluded.value",
        params![doc.space, doc.key, version, doc.due.map(micros), doc.value],
    )?;
    Ok(rows::unsigned(version))
}
