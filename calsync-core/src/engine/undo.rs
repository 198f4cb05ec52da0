//! Taking back what a run did.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Engine, EngineError, Link, journal::is_as_left};
use crate::{
    diff::copy_field,
    model::{Event, EventId, RunId},
    store::{
        BaseQuery, BaseRecord, BaseState, Batch, EventRecord, Expectation, JournalEntry, JournalOp,
        LeaseGrant, LeaseToken, Record, RecordKind, RecordQuery, RunOutcome, RunRecord, Write,
    },
};

/// What was taken back, in numbers.
///
/// Events a run changed or deleted get the content they had before; the next run carries that to the remote side, making
/// again, under the same UID, what was deleted there. Events it brought in are removed again and stay away. An event that
/// was edited, deleted or brought back since is left as it is. A run that was taken back already is left alone, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndoReport {
    /// Events brought back to what they were.
    pub restored: u64,
    /// Events removed again.
    pub removed: u64,
    /// Events left alone: edited since, or nothing of them is left to take back, or made on the remote side.
    pub kept: u64,
    /// Those of them whose items the run made on the remote side: they stay there, and the events are still kept in step.
    /// Deleting the event deletes its item.
    pub made_there: u64,
    /// Those of them that were edited since; at most 1,000.
    pub edited: Vec<EventId>,
}

/// Rows read at once.
const PAGE: usize = 200;
/// Runs looked back at for those that did something.
const RUNS_MAX: usize = 10_000;
/// Edited events that are named.
const NAMED: usize = 1000;
/// How often a page is taken back again when the host edits the same events meanwhile.
const ATTEMPTS: usize = 5;

/// Takes one run back.
pub(super) async fn undo(engine: &Engine, link: &Link, run: &RunId) -> Result<UndoReport, EngineError> {
    let lease = lease(engine, link).await?;
    let undo = Undo { engine, link, lease: &lease };
    let result = undo.run(run).await;
    // A lease that cannot be given back runs out by itself.
    let _ = engine.store.release_lease(&lease).await;
    result
}

/// Takes the last runs back, the last one first.
pub(super) async fn undo_last(
    engine: &Engine,
    link: &Link,
    count: usize,
) -> Result<Vec<(RunId, UndoReport)>, EngineError> {
    let lease = lease(engine, link).await?;
    let undo = Undo { engine, link, lease: &lease };
    let result = undo.last(count).await;
    let _ = engine.store.release_lease(&lease).await;
    result
}

async fn lease(engine: &Engine, link: &Link) -> Result<LeaseToken, EngineError> {
    let (now, holder) = (engine.clock.now(), engine.ids.fresh());
    let name = Engine::lease_name(&link.id);
    match engine.store.acquire_lease(&name, &holder, now, chrono::TimeDelta::seconds(10)).await? {
        LeaseGrant::Granted(token) => Ok(token),
        LeaseGrant::Held { until } => Err(EngineError::Busy { until }),
    }
}

struct Undo<'a> {
    engine: &'a Engine,
    link: &'a Link,
    lease: &'a LeaseToken,
}

/// The last thing a run did to each event: how it left it.
type Lasts = BTreeMap<EventId, JournalEntry>;

impl Undo<'_> {
    async fn last(&self, count: usize) -> Result<Vec<(RunId, UndoReport)>, EngineError> {
        let mut runs = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.rows(RecordKind::Run, None, after.as_deref()).await?;
            let Some(Record::Run(last)) = page.last() else { break };
            after = Some(last.id.to_string());
            runs.extend(page.into_iter().filter_map(|record| match record {
                Record::Run(run) if run.outcome != RunOutcome::Undone => Some(run.id),
                _ => None,
            }));
            runs.drain(..runs.len().saturating_sub(RUNS_MAX.max(count)));
        }
        let mut reports = Vec::new();
        for run in runs.into_iter().rev() {
            if reports.len() == count {
                break;
            }
            match self.run(&run).await {
                Ok(report) => reports.push((run, report)),
                // A run that only failed or held something did nothing to take back.
                Err(EngineError::UnknownRun { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reports)
    }

    async fn run(&self, run: &RunId) -> Result<UndoReport, EngineError> {
        let mut report = UndoReport::default();
        let lasts = self.lasts(run).await?;
        if lasts.is_empty() {
            return Err(EngineError::UnknownRun { run: run.to_string() });
        }
        let record = self.record(run).await?;
        if record.as_ref().is_some_and(|record| record.outcome == RunOutcome::Undone) {
            report.kept = lasts.len() as u64;
            return Ok(report);
        }
        let mut seen: BTreeSet<EventId> = BTreeSet::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.journal(run, after.as_deref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            // The first entry of an event holds what it was before the run.
            let firsts: Vec<&JournalEntry> = page
                .iter()
                .filter(|entry| entry.op != JournalOp::Kept && seen.insert(entry.event_id.clone()))
                .collect();
            if !firsts.is_empty() {
                self.take_back(&firsts, &lasts, &mut report).await?;
            }
        }
        if let Some(record) = record {
            let undone = RunRecord { outcome: RunOutcome::Undone, ..record };
            let writes = vec![Write::PutRun(Box::new(undone))];
            let lease = Some(self.lease.clone());
            self.engine.store.commit(Batch { lease, writes, ..Batch::default() }).await?;
        }
        Ok(report)
    }

    async fn take_back(
        &self,
        firsts: &[&JournalEntry],
        lasts: &Lasts,
        report: &mut UndoReport,
    ) -> Result<(), EngineError> {
        let ids: Vec<EventId> = firsts.iter().map(|entry| entry.event_id.clone()).collect();
        for attempt in 0.. {
            let records: HashMap<EventId, EventRecord> =
                super::pull::by_id(self.engine.store.events(&self.link.calendar, &ids).await?);
            let bases = self.engine.store.bases(&self.link.id, BaseQuery::Events(&ids)).await?;
            let again = self.made_again(records.values()).await?;
            let mut now = UndoReport::default();
            let mut batch = Batch { lease: Some(self.lease.clone()), ..Batch::default() };
            for first in firsts {
                let Some(record) = records.get(&first.event_id) else {
                    now.kept += 1;
                    continue;
                };
                let as_left = lasts.get(&first.event_id).is_some_and(|last| is_as_left(last, record));
                if !as_left || again.contains(&record.id) {
                    now.kept += 1;
                    now.edited.push(record.id.clone());
                    continue;
                }
                let base = bases.iter().find(|base| base.event_id == first.event_id);
                self.one(first, record, base, &mut batch, &mut now);
            }
            if !batch.writes.is_empty() {
                match self.engine.store.commit(batch).await.map_err(EngineError::from) {
                    Ok(_) => {}
                    Err(error) if error.is_conflict() && attempt < ATTEMPTS => continue,
                    Err(error) => return Err(error),
                }
            }
            report.restored += now.restored;
            report.removed += now.removed;
            report.kept += now.kept;
            report.made_there += now.made_there;
            report.edited.extend(now.edited);
            report.edited.truncate(NAMED);
            return Ok(());
        }
        Ok(())
    }

    /// Deleted events that somebody made again meanwhile, under the same UID.
    async fn made_again<'r>(
        &self,
        records: impl Iterator<Item = &'r EventRecord>,
    ) -> Result<BTreeSet<EventId>, EngineError> {
        let deleted: Vec<&EventRecord> = records.filter(|record| record.deleted.is_some()).collect();
        let uids: Vec<&str> = deleted.iter().map(|record| record.event.uid.as_str()).collect();
        if uids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let namesakes = self.engine.store.events_by_uid(&self.link.calendar, &uids).await?;
        let live: BTreeSet<&str> = namesakes
            .iter()
            .filter(|record| record.deleted.is_none())
            .map(|record| record.event.uid.as_str())
            .collect();
        let again = deleted.iter().filter(|record| live.contains(record.event.uid.as_str()));
        Ok(again.map(|record| record.id.clone()).collect())
    }

    /// Takes one event back, by the first thing the run did to it.
    fn one(
        &self,
        first: &JournalEntry,
        record: &EventRecord,
        base: Option<&BaseRecord>,
        batch: &mut Batch,
        report: &mut UndoReport,
    ) {
        let (calendar, id, at) = (self.link.calendar.clone(), record.id.clone(), self.engine.clock.now());
        let restored = match (first.op, &first.before) {
            (JournalOp::LocalUpdate | JournalOp::LocalDelete, Some(before)) => Some((**before).clone()),
            // What was sent becomes what was there before; what the remote side cannot hold stays.
            // Where copies show something else than their events, what the copy was says nothing about the event.
            (JournalOp::RemoteUpdate, Some(before)) if self.link.copies.is_none() => {
                Some(with_fields(&record.event, before, first))
            }
            // The host deleted it and the run carried that over: the content is still in the row.
            (JournalOp::RemoteDelete, _) => Some(record.event.clone()),
            (JournalOp::LocalCreate, _) => None,
            (op, _) => {
                report.kept += 1;
                report.made_there += u64::from(op == JournalOp::RemoteCreate);
                return;
            }
        };
        if let Some(event) = restored {
            batch.writes.push(Write::PutEvent { calendar, id, event: Box::new(event), at });
            report.restored += 1;
        } else {
            batch.writes.push(Write::DeleteEvent { calendar, id, at });
            if let Some(base) = base {
                let base = BaseRecord { state: BaseState::Suppressed, ..base.clone() };
                batch.writes.push(Write::PutBase(Box::new(base)));
            }
            report.removed += 1;
        }
        batch.expect.push(Expectation::Event {
            calendar: self.link.calendar.clone(),
            id: record.id.clone(),
            revision: Some(record.revision),
        });
    }

    async fn lasts(&self, run: &RunId) -> Result<Lasts, EngineError> {
        let mut lasts = Lasts::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.journal(run, after.as_deref()).await?;
            let Some(last) = page.last() else { return Ok(lasts) };
            after = Some(last.id.clone());
            for mut entry in page.into_iter().filter(|entry| entry.op != JournalOp::Kept) {
                // Only how it was left is asked for.
                entry.before = None;
                lasts.insert(entry.event_id.clone(), entry);
            }
        }
    }

    async fn record(&self, run: &RunId) -> Result<Option<RunRecord>, EngineError> {
        // Ids are listed after a text that is shorter by a letter.
        let mut after = run.as_str().to_owned();
        after.pop();
        let mut after = Some(after);
        loop {
            let page = self.rows(RecordKind::Run, None, after.as_deref()).await?;
            let Some(Record::Run(last)) = page.last() else { return Ok(None) };
            after = Some(last.id.to_string());
            let past = last.id >= *run;
            let found = page.into_iter().find_map(|record| match record {
                Record::Run(record) if record.id == *run => Some(*record),
                _ => None,
            });
            if found.is_some() || past {
                return Ok(found);
            }
        }
    }

    async fn journal(&self, run: &RunId, after: Option<&str>) -> Result<Vec<JournalEntry>, EngineError> {
        let records = self.rows(RecordKind::Journal, Some(run), after).await?;
        Ok(records
            .into_iter()
            .filter_map(|record| match record {
                Record::Journal(entry) => Some(*entry),
                Record::Conflict(_) | Record::Quarantine(_) | Record::Run(_) => None,
            })
            .collect())
    }

    async fn rows(
        &self,
        kind: RecordKind,
        run: Option<&RunId>,
        after: Option<&str>,
    ) -> Result<Vec<Record>, EngineError> {
        let query = RecordQuery { kind, link: &self.link.id, event: None, run, after, limit: PAGE };
        Ok(self.engine.store.records(query).await?)
    }
}

fn with_fields(event: &Event, before: &Event, entry: &JournalEntry) -> Event {
    let mut event = event.clone();
    for field in &entry.fields {
        copy_field(field, before, &mut event);
    }
    event
}
