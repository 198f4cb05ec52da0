//! The one way to write.
//!
//! A commit is two round trips. The first begins the transaction, locks the rows the batch depends on and reads them;
//! the second writes and commits. Locks and not `SERIALIZABLE`: every writer of a calendar locks its row of `revisions`,
//! of a link its row of `links`, and a row that is not there yet is made to be locked, so that nothing a batch expects
//! can change before it is written; and no two commits of different calendars and links are ever taken for rivals,
//! as they are where the database guesses from pages of indexes.

use std::collections::BTreeSet;

use calsync_core::store::{Batch, CommitReceipt, Result, StoreError, StoreErrorKind, Write};
use serde_json::json;

use super::{
    PostgresStore,
    checks::{Found, Needs},
    config::WakeUps,
    error::{During, from_postgres, lost_to_another},
    open::ATTEMPTS,
    plan::plan,
    session::{Call, InTransaction, Session},
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
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match attempt(store, batch).await {
            // It was rolled back: nothing was written.
            Err(error) if left > 0 && lost_to_another(&error) => {}
            done => return done,
        }
    }
}

async fn attempt(store: &PostgresStore, batch: &Batch) -> Result<CommitReceipt> {
    let transaction = InTransaction::new(store.connection(COMMIT).await?);
    let connection =
        transaction.connection().ok_or_else(|| StoreError::new(StoreErrorKind::Backend, COMMIT))?;
    let session = Session { client: connection, statements: Some(&connection.statement_cache) };
    let done = write(store, &session, batch, Some((BEGIN, END))).await;
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
    let done = write(store, &session, batch, Some(("SAVEPOINT calsync", "RELEASE SAVEPOINT calsync"))).await;
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
    frame: Option<(&str, &str)>,
) -> Result<CommitReceipt> {
    let (sql, tenant) = (&store.shared.sql, store.tenant.as_ref());
    let needs = Needs::of(batch);
    let (kinds, asked): (Vec<_>, Vec<_>) = needs.calls(sql, tenant).into_iter().unzip();
    let mut calls: Vec<Call<'_>> = frame.map(|(begin, _)| Call::bare(begin)).into_iter().collect();
    calls.extend(store.tenant_setting());
    let before = calls.len();
    calls.extend(asked);
    let mut answers = session.pipeline(COMMIT, &calls).await?.into_iter();
    for answer in answers.by_ref().take(before) {
        answer.during(COMMIT)?;
    }
    let mut found = Found::default();
    for (index, kind) in kinds.iter().enumerate() {
        let answer = answers.next().ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, COMMIT))?;
        found.take(*kind, answer)?;
        if index == 0 {
            // The lease is asked for first: a writer that must stop hears nothing else.
            found.check_lease(batch)?;
        }
    }
    found.check_expectations(batch)?;

    let mut plan = plan(batch, &found, sql, tenant)?;
    if store.shared.config.wake_ups == WakeUps::On {
        let payloads = payloads(batch, tenant);
        if !payloads.is_empty() {
            let channel = store.shared.config.schema.as_str();
            plan.calls.push(Call { sql: TELL, params: vec![Box::new(channel), Box::new(payloads)] });
        }
    }
    plan.calls.extend(frame.map(|(_, end)| Call::bare(end)));
    let answers = session.pipeline(COMMIT, &plan.calls).await?;
    for (index, answer) in answers.iter().enumerate() {
        match answer {
            Ok(rows) if plan.purges.contains(&index) => plan.receipt.purged.push(rows.len()),
            Ok(_) => {}
            Err(error) => return Err(from_postgres(COMMIT, error)),
        }
    }
    if answers.len() < plan.calls.len() {
        return Err(StoreError::new(StoreErrorKind::Unavailable, COMMIT));
    }
    Ok(plan.receipt)
}

/// What listeners are told: once for each thing that changed, without its content.
fn payloads(batch: &Batch, tenant: &str) -> Vec<String> {
    let mut told = BTreeSet::new();
    for write in &batch.writes {
        told.extend(match write {
            Write::PutDoc(doc) if doc.due.is_some() => Some(("space", doc.space.as_str())),
            Write::PutOutbox(entry) => Some(("outbox", entry.link.as_str())),
            Write::PutEvent { calendar, .. } | Write::DeleteEvent { calendar, .. } => {
                Some(("calendar", calendar.as_str()))
            }
            _ => None,
        });
    }
    let payload = |(kind, name): (&str, &str)| {
        let text = json!({ "tenant": tenant, kind: name }).to_string();
        // A name too long to be told: look everywhere.
        if text.len() <= PAYLOAD { text } else { "{}".to_owned() }
    };
    told.into_iter().map(payload).collect()
}
