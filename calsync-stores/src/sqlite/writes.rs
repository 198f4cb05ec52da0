//! The one way to write, on the connection's thread.

use std::collections::BTreeSet;

use calsync_core::{
    feed::Additions,
    model::{CalendarId, Event, EventId, LinkId},
    store::{
        BaseRecord, Batch, CommitReceipt, Doc, Expectation, LeaseEnd, LeaseToken, Log, Result, Revision,
        StoreError, StoreErrorKind, Write,
    },
};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Params, TransactionBehavior, params};

use crate::codec::{limited, state_name, to_json, unsigned};

use super::{Db, error::During, feeds, leases, rows::micros, sql};

const COMMIT: &str = "commit";

/// Writes a batch in one transaction. `IMMEDIATE`: the write lock is taken before anything is read, so that what was
/// checked still holds when it is written, also with other processes on the same file.
pub(super) fn commit(connection: &mut Connection, tenant: &str, batch: &Batch) -> Result<CommitReceipt> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(COMMIT)?;
    let db = Db { connection: &transaction, tenant };
    if let Some(token) = &batch.lease {
        check_lease(&db, token)?;
    }
    for (index, expectation) in batch.expect.iter().enumerate() {
        if !holds(&db, expectation)? {
            return Err(StoreError::new(StoreErrorKind::Conflict { expectation: index }, COMMIT));
        }
    }
    let mut receipt = CommitReceipt::default();
    let mut added = Additions::of(batch);
    for write in &batch.writes {
        apply(&db, write, &mut receipt, &mut added)?;
    }
    feeds::tell(&db, added)?;
    if let (LeaseEnd::GivenBack, Some(token)) = (batch.lease_end, &batch.lease) {
        leases::release(&transaction, tenant, token)?;
    }
    transaction.commit().during(COMMIT)?;
    Ok(receipt)
}

fn check_lease(db: &Db<'_>, token: &LeaseToken) -> Result<()> {
    let current =
        leases::read(db, COMMIT, &token.name)?.filter(|lease| lease.holder.is_some()).map(|l| l.epoch);
    if current == Some(token.epoch) { Ok(()) } else { Err(StoreError::new(StoreErrorKind::Fenced, COMMIT)) }
}

fn holds(db: &Db<'_>, expectation: &Expectation) -> Result<bool> {
    Ok(match expectation {
        Expectation::Event { calendar, id, revision } => {
            let params = [db.tenant, calendar.as_str(), id.as_str()];
            number(db, sql::EVENT_REVISION, params)? == revision.map(|revision| revision.0)
        }
        Expectation::Link { id, generation } => {
            number(db, sql::LINK_GENERATION, [db.tenant, id.as_str()])? == *generation
        }
        Expectation::Uid { calendar, uid, events } => {
            let mut statement = db.connection.prepare_cached(sql::EVENT_IDS_OF_UID).during(COMMIT)?;
            let found =
                statement.query_map([db.tenant, calendar.as_str(), uid], |row| row.get(0)).during(COMMIT)?;
            let found: BTreeSet<String> = found.collect::<rusqlite::Result<_>>().during(COMMIT)?;
            found.iter().map(String::as_str).eq(events.iter().map(EventId::as_str).collect::<BTreeSet<_>>())
        }
        Expectation::Doc { space, key, version } => {
            number(db, sql::DOC_VERSION, [db.tenant, space, key])? == *version
        }
    })
}

/// The one number a statement finds.
fn number(db: &Db<'_>, sql: &str, params: impl Params) -> Result<Option<u64>> {
    let mut statement = db.connection.prepare_cached(sql).during(COMMIT)?;
    let found: Option<i64> = statement.query_row(params, |row| row.get(0)).optional().during(COMMIT)?;
    Ok(found.map(unsigned))
}

fn execute(db: &Db<'_>, sql: &str, params: impl Params) -> Result<()> {
    db.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).during(COMMIT)?;
    Ok(())
}

fn apply(db: &Db<'_>, write: &Write, receipt: &mut CommitReceipt, added: &mut Additions) -> Result<()> {
    match write {
        Write::PutCalendar(calendar) => execute(
            db,
            "INSERT INTO calendars (tenant, id, json) VALUES (?1, ?2, ?3) ON CONFLICT (tenant, id) DO UPDATE SET json = excluded.json",
            params![db.tenant, calendar.id.as_str(), to_json(COMMIT, calendar)?],
        ),
        Write::PutEvent { calendar, id, event, at } => {
            let revision = put_event(db, calendar, id, event, *at)?;
            added.put(calendar, id, revision, *at);
            receipt.revisions.push((calendar.clone(), id.clone(), revision));
            Ok(())
        }
        Write::DeleteEvent { calendar, id, at } => {
            if let Some(revision) = delete_event(db, calendar, id, *at)? {
                added.deleted(calendar, id, revision, *at);
                receipt.revisions.push((calendar.clone(), id.clone(), revision));
            }
            Ok(())
        }
        Write::PurgeDeleted { calendar, before, limit } => {
            let params = params![db.tenant, calendar.as_str(), micros(*before), limited(*limit)];
            receipt.forgotten.push(purge(
                db,
                sql::EVENTS_TO_PURGE,
                params,
                "DELETE FROM events WHERE rowid = ?1",
            )?);
            Ok(())
        }
        Write::PutLink(link) => execute(
            db,
            "INSERT INTO links (tenant, id, generation, json) VALUES (?1, ?2, 1, ?3) \
             ON CONFLICT (tenant, id) DO UPDATE SET generation = generation + 1, json = excluded.json",
            params![db.tenant, link.id.as_str(), to_json(COMMIT, link)?],
        ),
        Write::PutBase(base) => put_base(db, base),
        Write::DeleteBase { link, remote_id } => execute(
            db,
            "DELETE FROM bases WHERE tenant = ?1 AND link = ?2 AND remote_id = ?3",
            [db.tenant, link.as_str(), remote_id.as_str()],
        ),
        Write::PutOutbox(entry) => execute(
            db,
            "INSERT INTO outbox (tenant, link, id, event_id, json) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (tenant, link, id) DO UPDATE SET event_id = excluded.event_id, json = excluded.json",
            params![
                db.tenant,
                entry.link.as_str(),
                entry.id.0,
                entry.event_id.as_str(),
                to_json(COMMIT, entry)?
            ],
        ),
        Write::DeleteOutbox { link, id } => execute(
            db,
            "DELETE FROM outbox WHERE tenant = ?1 AND link = ?2 AND id = ?3",
            [db.tenant, link.as_str(), id.0.as_str()],
        ),
        Write::PutConflict(row) => execute(
            db,
            "INSERT INTO conflicts (tenant, link, id, event_id, run, aged, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (tenant, link, id) DO UPDATE SET \
             event_id = excluded.event_id, run = excluded.run, aged = excluded.aged, json = excluded.json",
            params![
                db.tenant,
                row.link.as_str(),
                row.id,
                row.event_id.as_str(),
                row.run.as_str(),
                row.resolved_since().map(micros),
                to_json(COMMIT, row)?
            ],
        ),
        Write::PutQuarantine(row) => execute(
            db,
            "INSERT INTO quarantine (tenant, link, remote_id, json) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (tenant, link, remote_id) DO UPDATE SET json = excluded.json",
            params![db.tenant, row.link.as_str(), row.remote_id.as_str(), to_json(COMMIT, row)?],
        ),
        Write::DeleteQuarantine { link, remote_id } => execute(
            db,
            "DELETE FROM quarantine WHERE tenant = ?1 AND link = ?2 AND remote_id = ?3",
            [db.tenant, link.as_str(), remote_id.as_str()],
        ),
        Write::PutRun(row) => execute(
            db,
            "INSERT INTO runs (tenant, link, id, aged, json) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (tenant, link, id) DO UPDATE SET aged = excluded.aged, json = excluded.json",
            params![
                db.tenant,
                row.link.as_str(),
                row.id.as_str(),
                micros(row.started),
                to_json(COMMIT, row)?
            ],
        ),
        Write::PutJournal(row) => execute(
            db,
            "INSERT INTO journal (tenant, link, id, event_id, run, aged, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (tenant, link, id) DO UPDATE SET \
             event_id = excluded.event_id, run = excluded.run, aged = excluded.aged, json = excluded.json",
            params![
                db.tenant,
                row.link.as_str(),
                row.id,
                row.event_id.as_str(),
                row.run.as_str(),
                micros(row.at),
                to_json(COMMIT, row)?
            ],
        ),
        Write::PurgeLog { link, log, before, limit } => {
            receipt.purged.push(purge_log(db, link, *log, *before, *limit)?);
            Ok(())
        }
        Write::PutDoc(doc) => {
            receipt.doc_versions.push(put_doc(db, doc)?);
            Ok(())
        }
        Write::DeleteDoc { space, key } => execute(
            db,
            "DELETE FROM docs WHERE tenant = ?1 AND space = ?2 AND key = ?3",
            [db.tenant, space, key],
        ),
    }
}

fn next_revision(db: &Db<'_>, calendar: &CalendarId) -> Result<i64> {
    db.connection
        .prepare_cached(
            "INSERT INTO revisions (tenant, calendar, last) VALUES (?1, ?2, 1) \
             ON CONFLICT (tenant, calendar) DO UPDATE SET last = last + 1 RETURNING last",
        )
        .and_then(|mut statement| statement.query_row([db.tenant, calendar.as_str()], |row| row.get(0)))
        .during(COMMIT)
}

fn put_event(
    db: &Db<'_>,
    calendar: &CalendarId,
    id: &EventId,
    event: &Event,
    at: DateTime<Utc>,
) -> Result<Revision> {
    let revision = next_revision(db, calendar)?;
    execute(
        db,
        "INSERT INTO events (tenant, calendar, id, uid, revision, modified, deleted, json) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7) \
         ON CONFLICT (tenant, calendar, id) DO UPDATE SET uid = excluded.uid, revision = excluded.revision, \
         modified = excluded.modified, deleted = NULL, json = excluded.json",
        params![
            db.tenant,
            calendar.as_str(),
            id.as_str(),
            event.uid,
            revision,
            micros(at),
            to_json(COMMIT, event)?
        ],
    )?;
    Ok(Revision(unsigned(revision)))
}

fn delete_event(
    db: &Db<'_>,
    calendar: &CalendarId,
    id: &EventId,
    at: DateTime<Utc>,
) -> Result<Option<Revision>> {
    if number(db, sql::EVENT_LIVES, [db.tenant, calendar.as_str(), id.as_str()])?.is_none() {
        return Ok(None);
    }
    let revision = next_revision(db, calendar)?;
    execute(
        db,
        "UPDATE events SET revision = ?4, deleted = ?5 WHERE tenant = ?1 AND calendar = ?2 AND id = ?3",
        params![db.tenant, calendar.as_str(), id.as_str(), revision, micros(at)],
    )?;
    Ok(Some(Revision(unsigned(revision))))
}

fn put_base(db: &Db<'_>, base: &BaseRecord) -> Result<()> {
    let json = |side: &Option<Box<Event>>| side.as_ref().map(|event| to_json(COMMIT, event)).transpose();
    execute(
        db,
        "INSERT INTO bases (tenant, link, remote_id, event_id, version, state, payload, local, remote) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (tenant, link, remote_id) DO UPDATE SET event_id = excluded.event_id, version = excluded.version, \
         state = excluded.state, payload = excluded.payload, local = excluded.local, remote = excluded.remote",
        params![
            db.tenant,
            base.link.as_str(),
            base.remote_id.as_str(),
            base.event_id.as_str(),
            base.version.as_ref().map(|version| version.as_str()),
            state_name(base.state),
            base.payload.as_str(),
            json(&base.local)?,
            json(&base.remote)?,
        ],
    )
}

fn purge_log(db: &Db<'_>, link: &LinkId, log: Log, before: DateTime<Utc>, limit: usize) -> Result<usize> {
    let (find, delete) = match log {
        Log::Runs => (sql::RUNS_TO_PURGE, "DELETE FROM runs WHERE rowid = ?1"),
        Log::Journal => (sql::JOURNAL_TO_PURGE, "DELETE FROM journal WHERE rowid = ?1"),
        Log::ResolvedConflicts => (sql::CONFLICTS_TO_PURGE, "DELETE FROM conflicts WHERE rowid = ?1"),
    };
    purge(db, find, params![db.tenant, link.as_str(), micros(before), limited(limit)], delete)
}

/// Deletes the rows that are found, and says how many.
fn purge(db: &Db<'_>, find: &str, params: impl Params, delete: &str) -> Result<usize> {
    let mut statement = db.connection.prepare_cached(find).during(COMMIT)?;
    let old = statement.query_map(params, |row| row.get(0)).during(COMMIT)?;
    let old: Vec<i64> = old.collect::<rusqlite::Result<_>>().during(COMMIT)?;
    for row in &old {
        execute(db, delete, [row])?;
    }
    Ok(old.len())
}

fn put_doc(db: &Db<'_>, doc: &Doc) -> Result<u64> {
    let version: i64 = db
        .connection
        .prepare_cached(sql::NEXT_DOC_VERSION)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during(COMMIT)?;
    execute(
        db,
        "INSERT INTO docs (tenant, space, key, version, due, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (tenant, space, key) DO UPDATE SET version = excluded.version, due = excluded.due, \
         value = excluded.value",
        params![db.tenant, doc.space, doc.key, version, doc.due.map(micros), doc.value],
    )?;
    Ok(unsigned(version))
}
