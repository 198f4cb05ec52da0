//! The one way to write.
//!
//! A commit is two round trips. The first begins the transaction, locks the rows the batch depends on and reads them;
//! the second writes and commits. A batch that depends on nothing but its lease, or on revisions of events it does not write,
//! is one round trip. Locks and not `SERIALIZABLE`: every writer of a calendar locks its row of `revisions`,
//! of a link its row of `links`, and a row that is not there yet is made to be locked, so that nothing a batch expects
//! can change before it is written; and no two commits of different calendars and links are ever taken for rivals,
//! as they are where the database guesses from pages of indexes.

use std::collections::BTreeSet;

use calsync_core::{
    feed::told_by,
    store::{Batch, CommitReceipt, LeaseEnd, Result, StoreError, StoreErrorKind, Write},
};
use serde_json::json;
use tokio_postgres::error::SqlState;

use super::{
    PostgresStore,
    checks::{Found, Needs},
    config::WakeUps,
    error::{During, from_postgres, lost_to_another},
    leases,
    open::ATTEMPTS,
    plan::{Plan, Purged, plan},
    session::{Call, InTransaction, Param, Session},
};

const COMMIT: &str = "commit";
/// Read committed: each statement sees what was committed before it began, so that what is read after a lock was
/// waited for is the newest.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const END: &str = "COMMIT";
const TELL: &str = "SELECT pg_notify($1, k.payload) FROM unnest($2::text[]) AS k (payload)";
/// PostgreSQL's limit is 8,000 bytes.
const PAYLOAD: usize = 7_900;

/// Writes a batch in a transaction of its own.
pub(super) async fn commit(store: &PostgresStore, batch: &Batch) -> Result<CommitReceipt> {
    let ringing = store.bell.rings_after(batch);
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match attempt(store, batch).await {
            // It was rolled back: nothing was written.
            Err(error) if left > 0 && lost_to_another(&error) => {}
            done => {
                ringing.ended(&done);
                return done;
            }
        }
    }
}

async fn attempt(store: &PostgresStore, batch: &Batch) -> Result<CommitReceipt> {
    let transaction = InTransaction::new(store.connection(COMMIT).await?);
    let connection =
        transaction.connection().ok_or_else(|| StoreError::new(StoreErrorKind::Backend, COMMIT))?;
    let session = Session { client: connection, statements: Some(&connection.statement_cache) };
    let done = match write_guarded(store, &session, batch).await {
        Ok(Guarded::Written(receipt)) => Ok(receipt),
        Ok(Guarded::NotOne) => write(store, &session, batch, (BEGIN, END)).await,
        Ok(Guarded::Refused) => {
            connection.batch_execute("ROLLBACK").await.during(COMMIT)?;
            write(store, &session, batch, (BEGIN, END)).await
        }
        Err(error) => Err(error),
    };
    if done.is_err() && connection.batch_execute("ROLLBACK").await.is_err() {
        // The connection is not what it should be: dropping the transaction closes it.
        return done;
    }
    transaction.ended();
    done
}

/// Writes a batch in the host's transaction: a savepoint takes back what is refused.
pub(super) async fn commit_in(
    store: &PostgresStore,
    transaction: &tokio_postgres::Transaction<'_>,
    batch: &Batch,
) -> Result<CommitReceipt> {
    let session = Session { client: tokio_postgres::GenericClient::client(transaction), statements: None };
    let done = write(store, &session, batch, ("SAVEPOINT calsync", "RELEASE SAVEPOINT calsync")).await;
    if done.is_err() {
        transaction
            .batch_execute("ROLLBACK TO SAVEPOINT calsync; RELEASE SAVEPOINT calsync")
            .await
            .during(COMMIT)?;
    }
    done
}

async fn write(
    store: &PostgresStore,
    session: &Session<'_>,
    batch: &Batch,
    (begin, end): (&str, &str),
) -> Result<CommitReceipt> {
    let (sql, tenant) = (&store.shared.sql, store.tenant.as_ref());
    let needs = Needs::of(batch);
    let mut found = Found::default();
    let mut first: Vec<Call<'_>> = vec![Call::bare(begin)];
    first.extend(store.tenant_setting());
    if needs.lease_only() {
        // Nothing to decide on: the writes go along, behind a statement that fails them when the lease is gone.
        first.extend(hold_lease(store, batch)?);
    } else {
        let before = first.len();
        let (kinds, asked): (Vec<_>, Vec<_>) = needs.calls(sql, tenant).into_iter().unzip();
        first.extend(asked);
        let mut answers = session.pipeline(COMMIT, &first).await?.into_iter();
        for answer in answers.by_ref().take(before) {
            answer.during(COMMIT)?;
        }
        for (index, kind) in kinds.iter().enumerate() {
            let answer =
                answers.next().ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, COMMIT))?;
            found.take(*kind, answer)?;
            if index == 0 {
                // The lease is asked for first: a writer that must stop hears nothing else.
                found.check_lease(batch)?;
            }
        }
        found.check_expectations(batch)?;
        first.clear();
    }
    let planned = plan(batch, &found, sql, tenant)?;
    match finish(store, session, batch, (first, planned, end)).await? {
        Finished::Written(receipt) => Ok(receipt),
        Finished::Failed(_) => Err(StoreError::new(StoreErrorKind::Fenced, COMMIT)),
    }
}

/// What became of a batch in one round trip.
enum Guarded {
    Written(CommitReceipt),
    /// It depends on more than that.
    NotOne,
    /// An event has another revision. Which one remains to be found out.
    Refused,
}

/// Writes a batch that expects nothing but revisions of events it does not write, in one round trip: the writes go along, behind
/// statements that fail them when that does not hold.
async fn write_guarded(store: &PostgresStore, session: &Session<'_>, batch: &Batch) -> Result<Guarded> {
    let (sql, tenant) = (&store.shared.sql, store.tenant.as_ref());
    let Some(guard) = Needs::of(batch).guard(batch, sql, tenant) else {
        return Ok(Guarded::NotOne);
    };
    let mut first: Vec<Call<'_>> = vec![Call::bare(BEGIN)];
    first.extend(store.tenant_setting());
    first.extend(hold_lease(store, batch)?);
    first.extend(guard);
    let held = first.len();
    let found = Found::default();
    let planned = plan(batch, &found, sql, tenant)?;
    match finish(store, session, batch, (first, planned, END)).await? {
        Finished::Written(receipt) => Ok(Guarded::Written(receipt)),
        // The last of them is about the events.
        Finished::Failed(index) if index + 1 == held => Ok(Guarded::Refused),
        Finished::Failed(_) => Err(StoreError::new(StoreErrorKind::Fenced, COMMIT)),
    }
}

/// How the last round trip of a commit ended.
enum Finished {
    Written(CommitReceipt),
    /// The statement at this place said that what it is about does not hold.
    Failed(usize),
}

/// Sends what is left of a batch.
async fn finish<'a>(
    store: &'a PostgresStore,
    session: &Session<'_>,
    batch: &'a Batch,
    (mut first, planned, end): (Vec<Call<'a>>, Plan<'a>, &'a str),
) -> Result<Finished> {
    let Plan { calls, purges, mut receipt, feeds } = planned;
    let before = first.len();
    first.extend(calls);
    if let (LeaseEnd::GivenBack, Some(token)) = (batch.lease_end, &batch.lease) {
        first.extend(leases::give_back(store, token));
    }
    first.extend(feeds);
    if store.shared.config.wake_ups == WakeUps::On {
        let payloads = payloads(batch, &store.tenant);
        if !payloads.is_empty() {
            let channel = store.shared.config.schema.as_str();
            first.push(Call { sql: TELL, params: vec![Box::new(channel), Box::new(payloads)] });
        }
    }
    first.push(Call::bare(end));
    let answers = session.pipeline(COMMIT, &first).await?;
    for (index, answer) in answers.iter().enumerate() {
        match answer {
            Ok(rows) => {
                let purged = index.checked_sub(before);
                match purges.iter().find(|(call, _)| Some(*call) == purged) {
                    Some((_, Purged::Events)) => receipt.forgotten.push(rows.len()),
                    Some((_, Purged::Log)) => receipt.purged.push(rows.len()),
                    None => {}
                }
            }
            Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => {
                return Ok(Finished::Failed(index));
            }
            Err(error) => return Err(from_postgres(COMMIT, error)),
        }
    }
    if answers.len() < first.len() {
        return Err(StoreError::new(StoreErrorKind::Unavailable, COMMIT));
    }
    Ok(Finished::Written(receipt))
}

/// The statement that fails when the batch's lease is not the current one.
fn hold_lease<'a>(store: &'a PostgresStore, batch: &'a Batch) -> Result<Option<Call<'a>>> {
    let Some(token) = &batch.lease else { return Ok(None) };
    // An epoch PostgreSQL cannot hold is nobody's.
    let epoch = i64::try_from(token.epoch).map_err(|_| StoreError::new(StoreErrorKind::Fenced, COMMIT))?;
    let params: Vec<Param<'a>> =
        vec![Box::new(store.tenant.as_ref()), Box::new(token.name.as_str()), Box::new(epoch)];
    Ok(Some(Call { sql: &store.shared.sql.hold_lease, params }))
}

/// What listeners are told: once for each thing that changed, without its content.
fn payloads(batch: &Batch, tenant: &str) -> Vec<String> {
    let mut told = BTreeSet::new();
    for write in &batch.writes {
        told.extend(match write {
            Write::PutDoc(doc) if doc.due.is_some() => Some(("space", doc.space.as_str())),
            Write::PutOutbox(entry) => Some(("outbox", entry.link.as_str())),
            _ => None,
        });
    }
    told.extend(told_by(batch).into_iter().map(|calendar| ("calendar", calendar.as_str())));
    let payload = |(kind, name): (&str, &str)| {
        let text = json!({ "tenant": tenant, kind: name }).to_string();
        // A name too long to be told: look everywhere.
        if text.len() <= PAYLOAD { text } else { "{}".to_owned() }
    };
    told.into_iter().map(payload).collect()
}
