//! Taking back what a run did.

use std::collections::HashSet;

use super::{Engine, EngineError, Link};
use crate::{
    model::{EventId, RunId},
    store::{
        BaseQuery, BaseRecord, BaseState, Batch, Expectation, JournalEntry, JournalOp, LeaseGrant, Record,
        RecordKind, RecordQuery, RunOutcome, Write,
    },
};

/// What was taken back, in numbers.
///
/// Events a run changed or deleted get the content they had before; the next run carries that to the remote side. Events
/// it brought in are removed again and stay away. An event that was edited since is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UndoReport {
    /// Events brought back to what they were.
    pub restored: u64,
    /// Events removed again.
    pub removed: u64,
    /// Events left alone, because they were edited since or nothing is left to restore.
    pub kept: u64,
}

/// Journal entries read at once.
const PAGE: usize = 200;

pub(super) async fn undo(engine: &Engine, link: &Link, run: &RunId) -> Result<UndoReport, EngineError> {
    let store = &engine.store;
    let now = engine.clock.now();
    let holder = engine.ids.fresh();
    let grant = store
        .acquire_lease(&Engine::lease_name(&link.id), &holder, now, chrono::TimeDelta::seconds(10))
        .await?;
    let lease = match grant {
        LeaseGrant::Granted(token) => token,
        LeaseGrant::Held { until } => return Err(EngineError::Busy { until }),
    };
    let result = undo_all(engine, link, run, &lease).await;
    // A lease that cannot be given back runs out by itself.
    let _ = store.release_lease(&lease).await;
    result
}

async fn undo_all(
    engine: &Engine,
    link: &Link,
    run: &RunId,
    lease: &crate::store::LeaseToken,
) -> Result<UndoReport, EngineError> {
    let mut report = UndoReport::default();
    let mut seen: HashSet<EventId> = HashSet::new();
    let mut found = false;
    let mut after: Option<String> = None;
    loop {
        let page = journal(engine, link, run, after.as_deref()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        found = true;
        // The first entry of an event holds what it was before the run.
        let firsts: Vec<&JournalEntry> =
            page.iter().filter(|entry| seen.insert(entry.event_id.clone())).collect();
        let ids: Vec<EventId> = firsts.iter().map(|entry| entry.event_id.clone()).collect();
        let records = engine.store.events(&link.calendar, &ids).await?;
        let bases = engine.store.bases(&link.id, BaseQuery::Events(&ids)).await?;
        let mut batch = Batch { lease: Some(lease.clone()), ..Batch::default() };
        for entry in firsts {
            let record = records.iter().find(|record| record.id == entry.event_id);
            let base = bases.iter().find(|base| base.event_id == entry.event_id);
            let Some(record) = record.filter(|record| record.modified <= last_touch(&page, &entry.event_id))
            else {
                report.kept += 1;
                continue;
            };
            let put = |event: &crate::model::Event| Write::PutEvent {
                calendar: link.calendar.clone(),
                id: entry.event_id.clone(),
                event: Box::new(event.clone()),
                at: engine.clock.now(),
            };
            match (entry.op, &entry.before) {
                (JournalOp::LocalUpdate | JournalOp::LocalDelete | JournalOp::RemoteUpdate, Some(before)) => {
                    batch.writes.push(put(before));
                    report.restored += 1;
                }
                // The host deleted it and the run carried that over: the content is still in the row.
                (JournalOp::RemoteDelete, _) => {
                    batch.writes.push(put(&record.event));
                    report.restored += 1;
                }
                (JournalOp::LocalCreate, _) => {
                    batch.writes.push(Write::DeleteEvent {
                        calendar: link.calendar.clone(),
                        id: entry.event_id.clone(),
                        at: engine.clock.now(),
                    });
                    if let Some(base) = base {
                        let base = BaseRecord { state: BaseState::Suppressed, ..base.clone() };
                        batch.writes.push(Write::PutBase(Box::new(base)));
                    }
                    report.removed += 1;
                }
                _ => {
                    report.kept += 1;
                    continue;
                }
            }
            batch.expect.push(Expectation::Event {
                calendar: link.calendar.clone(),
                id: record.id.clone(),
                revision: Some(record.revision),
            });
        }
        if !batch.writes.is_empty() {
            engine.store.commit(batch).await?;
        }
    }
    if !found {
        return Err(EngineError::UnknownRun { run: run.to_string() });
    }
    mark_undone(engine, link, run, lease).await?;
    Ok(report)
}

/// When the run last touched an event: later edits are somebody else's.
fn last_touch(page: &[JournalEntry], event: &EventId) -> chrono::DateTime<chrono::Utc> {
    page.iter()
        .filter(|entry| entry.event_id == *event)
        .map(|entry| entry.at)
        .max()
        .unwrap_or(chrono::DateTime::<chrono::Utc>::MIN_UTC)
}

async fn journal(
    engine: &Engine,
    link: &Link,
    run: &RunId,
    after: Option<&str>,
) -> Result<Vec<JournalEntry>, EngineError> {
    let query = RecordQuery {
        kind: RecordKind::Journal,
        link: &link.id,
        event: None,
        run: Some(run),
        after,
        limit: PAGE,
    };
    let records = engine.store.records(query).await?;
    Ok(records
        .into_iter()
        .filter_map(|record| match record {
            Record::Journal(entry) => Some(*entry),
            Record::Conflict(_) | Record::Quarantine(_) | Record::Run(_) => None,
        })
        .collect())
}

async fn mark_undone(
    engine: &Engine,
    link: &Link,
    run: &RunId,
    lease: &crate::store::LeaseToken,
) -> Result<(), EngineError> {
    let mut after: Option<String> = None;
    loop {
        let query = RecordQuery {
            kind: RecordKind::Run,
            link: &link.id,
            event: None,
            run: None,
            after: after.as_deref(),
            limit: PAGE,
        };
        let page = engine.store.records(query).await?;
        let Some(Record::Run(last)) = page.last() else { return Ok(()) };
        after = Some(last.id.to_string());
        for record in page {
            if let Record::Run(mut record) = record
                && record.id == *run
            {
                record.outcome = RunOutcome::Undone;
                engine
                    .store
                    .commit(Batch {
                        lease: Some(lease.clone()),
                        writes: vec![Write::PutRun(record)],
                        ..Batch::default()
                    })
                    .await?;
                return Ok(());
            }
        }
    }
}
