//! Taking back what a run did.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Engine, EngineError, Link,
    journal::{is_as_left, left_as},
    withdrawn::{Leaving, Withdrawn, delete, let_return, withdrawn},
};
use crate::{
    diff::copy_field,
    model::{Event, EventId, RunId},
    plan::Evidence,
    provider::Provider,
    store::{
        BaseQuery, BaseRecord, BaseState, Batch, EventRecord, Expectation, JournalEntry, JournalOp,
        LeaseToken, Record, RecordKind, RecordQuery, RunOutcome, RunRecord, Write,
    },
};

/// What was taken back, in numbers.
///
/// Events a run changed or deleted get the content they had before; the next run carries that to the remote side, making
/// again, under the same UID, what was deleted there. Events it brought in are removed again and stay away. Items it made
/// there are deleted, and their events stay here and are not made there again, also not when they are edited; should
/// somebody make such an item there, the two are kept in step. What was edited, deleted or brought back since, on either
/// side, is left as it is. A run that was taken back already is left alone, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndoReport {
    /// Events brought back to what they were.
    pub restored: u64,
    /// Events removed again.
    pub removed: u64,
    /// Items the run made on the remote side, and that are deleted there now.
    pub removed_there: u64,
    /// Under which these deletions are in the journal. Taking that back has the next run make the items again.
    pub removal: Option<RunId>,
    /// Events left alone: edited since, or nothing of them is left to take back, or made there and not to be deleted.
    pub kept: u64,
    /// Those of them whose items the run made on the remote side, and that cannot be deleted there: the link only imports
    /// by now, or its provider gives no versions, so that nothing could tell whether somebody edited them. They are still
    /// kept in step.
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
pub(super) async fn undo(
    engine: &Engine,
    link: &Link,
    provider: &dyn Provider,
    run: &RunId,
) -> Result<UndoReport, EngineError> {
    let mut undo = Undo::begin(engine, link, provider).await?;
    let result = undo.run(run).await;
    undo.end().await;
    result
}

/// Takes the last runs back, the last one first.
pub(super) async fn undo_last(
    engine: &Engine,
    link: &Link,
    provider: &dyn Provider,
    count: usize,
) -> Result<Vec<(RunId, UndoReport)>, EngineError> {
    let mut undo = Undo::begin(engine, link, provider).await?;
    let result = undo.last(count).await;
    undo.end().await;
    result
}

struct Undo<'a> {
    engine: &'a Engine,
    link: &'a Link,
    provider: &'a dyn Provider,
    holder: String,
    lease: LeaseToken,
    /// Under which deletions there are written down.
    id: String,
    /// How many were.
    number: usize,
}

/// An event that may be taken back, as it is now.
struct Known<'a> {
    record: &'a EventRecord,
    base: Option<&'a BaseRecord>,
    withdrawn: Option<&'a Withdrawn>,
}

/// What is decided about some events.
#[derive(Default)]
struct Decided {
    batch: Batch,
    report: UndoReport,
    leaving: Vec<Leaving>,
}

/// The last thing a run did to each event: how it left it.
type Lasts = BTreeMap<EventId, JournalEntry>;

impl<'a> Undo<'a> {
    async fn begin(
        engine: &'a Engine,
        link: &'a Link,
        provider: &'a dyn Provider,
    ) -> Result<Self, EngineError> {
        let holder = engine.ids.fresh();
        let lease = engine.hold_lease(link, &holder).await?;
        Ok(Self { engine, link, provider, holder, lease, id: engine.run_id(), number: 0 })
    }

    async fn end(self) {
        // A lease that cannot be given back runs out by itself.
        let _ = self.engine.store.release_lease(&self.lease).await;
    }

    async fn commit(&self, mut batch: Batch) -> Result<(), EngineError> {
        batch.lease = Some(self.lease.clone());
        self.engine.store.commit(batch).await?;
        Ok(())
    }

    async fn last(&mut self, count: usize) -> Result<Vec<(RunId, UndoReport)>, EngineError> {
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

    async fn run(&mut self, run: &RunId) -> Result<UndoReport, EngineError> {
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
        // What waits to be sent was decided since.
        let waiting = self.engine.outbox(&self.link.id).await?;
        let waiting: BTreeSet<EventId> = waiting.into_iter().map(|entry| entry.event_id).collect();
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
            for firsts in firsts.chunks(self.link.commit_every.max(1)) {
                self.lease = self.engine.hold_lease(self.link, &self.holder).await?;
                let leaving = self.take_back(firsts, &lasts, &waiting, &mut report).await?;
                self.take_away(leaving, &mut report).await?;
            }
        }
        if let Some(record) = record {
            let undone = RunRecord { outcome: RunOutcome::Undone, ..record };
            let writes = vec![Write::PutRun(Box::new(undone))];
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        Ok(report)
    }

    /// Takes back what is here, and writes down what is to be deleted there.
    async fn take_back(
        &mut self,
        firsts: &[&JournalEntry],
        lasts: &Lasts,
        waiting: &BTreeSet<EventId>,
        report: &mut UndoReport,
    ) -> Result<Vec<Leaving>, EngineError> {
        let ids: Vec<EventId> = firsts.iter().map(|entry| entry.event_id.clone()).collect();
        let store = &*self.engine.store;
        for attempt in 0.. {
            let records: HashMap<EventId, EventRecord> =
                super::pull::by_id(store.events(&self.link.calendar, &ids).await?);
            let bases = store.bases(&self.link.id, BaseQuery::Events(&ids)).await?;
            let there = firsts.iter().filter(|first| is_there(first.op));
            let withdrawn = withdrawn(store, &self.link.id, there.map(|first| &first.event_id)).await?;
            let again = self.made_again(records.values()).await?;
            let mut decided = Decided::default();
            for first in firsts {
                let Some(record) = records.get(&first.event_id) else {
                    decided.report.kept += 1;
                    continue;
                };
                if is_taken_back(first, record) {
                    // An undo that was cut off.
                    decided.report.kept += 1;
                    continue;
                }
                let as_left = lasts.get(&first.event_id).is_some_and(|last| is_as_left(last, record));
                let as_left =
                    as_left && (first.op != JournalOp::RemoteCreate || !waiting.contains(&first.event_id));
                if !as_left || again.contains(&record.id) {
                    decided.report.kept += 1;
                    decided.report.edited.push(record.id.clone());
                    continue;
                }
                let base = bases.iter().find(|base| base.event_id == first.event_id);
                let known = Known { record, base, withdrawn: withdrawn.get(&first.event_id) };
                self.one(first, &known, &mut decided);
            }
            let Decided { batch, report: now, leaving } = decided;
            if !batch.writes.is_empty() {
                match self.commit(batch).await {
                    Ok(()) => {}
                    Err(error) if error.is_conflict() && attempt < ATTEMPTS => continue,
                    Err(error) => return Err(error),
                }
            }
            report.restored += now.restored;
            report.removed += now.removed;
            report.kept += now.kept;
            report.made_there += now.made_there;
            name(report, now.edited);
            return Ok(leaving);
        }
        Ok(Vec::new())
    }

    /// Deletes items there, and keeps in step again what stays.
    async fn take_away(&self, leaving: Vec<Leaving>, report: &mut UndoReport) -> Result<(), EngineError> {
        if leaving.is_empty() {
            return Ok(());
        }
        let gone = delete(self.link, self.provider, leaving).await;
        report.removed_there += gone.removed;
        report.kept += gone.edited.len() as u64;
        if gone.removed > 0 {
            report.removal = Some(RunId::from(self.id.as_str()));
        }
        name(report, gone.edited.iter().map(|item| item.event.clone()));
        let link = &self.link.id;
        let writes: Vec<Write> =
            gone.edited.into_iter().chain(gone.stayed).flat_map(|item| item.stay(link)).collect();
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        gone.error.map_or(Ok(()), |error| Err(error.into()))
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
    fn one(&mut self, first: &JournalEntry, known: &Known<'_>, decided: &mut Decided) {
        let Known { record, base, withdrawn } = *known;
        let (calendar, id, at) = (self.link.calendar.clone(), record.id.clone(), self.engine.clock.now());
        let Decided { batch, report, leaving } = decided;
        match (first.op, &first.before) {
            (JournalOp::LocalUpdate | JournalOp::LocalDelete, Some(before)) => {
                batch.writes.push(Write::PutEvent { calendar, id, event: before.clone(), at });
                report.restored += 1;
            }
            // What was sent becomes what was there before; what the remote side cannot hold stays.
            // Where copies show something else than their events, what the copy was says nothing about the event.
            (JournalOp::RemoteUpdate, Some(before)) if self.link.copies.is_none() => {
                let event = Box::new(with_fields(&record.event, before, first));
                batch.writes.push(Write::PutEvent { calendar, id, event, at });
                report.restored += 1;
            }
            // It is there again already.
            (JournalOp::RemoteDelete, _)
                if record.deleted.is_none() && base.is_some_and(|base| base.state == BaseState::Linked) =>
            {
                report.kept += 1;
                return;
            }
            // The host deleted it and the run carried that over, or an undo took it away there: the content is in the row.
            (JournalOp::RemoteDelete, _) => {
                batch.writes.push(Write::PutEvent {
                    calendar,
                    id,
                    event: Box::new(record.event.clone()),
                    at,
                });
                batch.writes.extend(withdrawn.map(|_| let_return(&self.link.id, &record.id)));
                report.restored += 1;
            }
            (JournalOp::LocalCreate, _) => {
                batch.writes.push(Write::DeleteEvent { calendar, id, at });
                if let Some(base) = base {
                    let base = BaseRecord { state: BaseState::Suppressed, ..base.clone() };
                    batch.writes.push(Write::PutBase(Box::new(base)));
                }
                report.removed += 1;
            }
            (JournalOp::RemoteCreate, _) => {
                let item = match (base, withdrawn) {
                    _ if !self.link.direction.exports() => None,
                    (Some(base), _) if base.state == BaseState::Linked => Leaving::of(base),
                    (None, Some(withdrawn)) => Some(Leaving::again(&record.id, withdrawn)),
                    _ => None,
                };
                let Some(item) = item else {
                    report.kept += 1;
                    report.made_there += u64::from(base.is_some());
                    return;
                };
                batch.writes.extend(item.withdraw(&self.link.id));
                batch.writes.push(self.taken_away(&item, record));
                leaving.push(item);
            }
            _ => {
                report.kept += 1;
                return;
            }
        }
        batch.expect.push(Expectation::Event {
            calendar: self.link.calendar.clone(),
            id: record.id.clone(),
            revision: Some(record.revision),
        });
    }

    fn taken_away(&mut self, item: &Leaving, record: &EventRecord) -> Write {
        self.number += 1;
        Write::PutJournal(Box::new(JournalEntry {
            id: format!("{}-{:06x}", self.id, self.number),
            link: self.link.id.clone(),
            run: RunId::from(self.id.as_str()),
            event_id: record.id.clone(),
            remote_id: Some(item.item.clone()),
            op: JournalOp::RemoteDelete,
            reason: "the run that made it was taken back".to_owned(),
            before: item.base.as_ref().and_then(|base| self.provider.read(&base.payload).ok()).map(Box::new),
            fields: Vec::new(),
            evidence: Some(Evidence::Marked),
            after: Some(left_as(Some(&record.event))),
            at: self.engine.clock.now(),
        }))
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

/// Whether what a run did may have to do with an item that was taken away since.
fn is_there(op: JournalOp) -> bool {
    matches!(op, JournalOp::RemoteCreate | JournalOp::RemoteDelete)
}

/// Whether what the run did here is taken back already.
fn is_taken_back(first: &JournalEntry, record: &EventRecord) -> bool {
    match (first.op, &first.before) {
        (JournalOp::LocalUpdate | JournalOp::LocalDelete, Some(before)) => {
            record.deleted.is_none() && **before == record.event
        }
        (JournalOp::LocalCreate, _) => record.deleted.is_some(),
        _ => false,
    }
}

fn name(report: &mut UndoReport, edited: impl IntoIterator<Item = EventId>) {
    let room = NAMED.saturating_sub(report.edited.len());
    report.edited.extend(edited.into_iter().take(room));
}

fn with_fields(event: &Event, before: &Event, entry: &JournalEntry) -> Event {
    let mut event = event.clone();
    for field in &entry.fields {
        copy_field(field, before, &mut event);
    }
    event
}
