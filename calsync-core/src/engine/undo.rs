//! Taking back what a run did.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{
    Engine, EngineError, Link,
    items::by_id,
    journal::is_as_left,
    lease::LEASE,
    withdrawn::{keeps_away, let_return, withdrawn},
};
use crate::{
    diff::copy_field,
    feed::Origin,
    model::{Event, EventId, RunId},
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
    /// The run these deletions are written down under: the name of the run that was taken back, with `-undone`. Taking that
    /// one back has the next run make the items again, edited here meanwhile or not.
    pub removal: Option<RunId>,
    /// Events left alone: edited since, or nothing of them is left to take back, or made there and not to be deleted.
    pub kept: u64,
    /// Those of them whose items the run made on the remote side, and that cannot be deleted there: the link only imports
    /// by now, the provider refuses it, or nothing tells whether somebody edited them. They are still kept in step.
    pub made_there: u64,
    /// Those of them that were edited since; at most 1,000.
    pub edited: Vec<EventId>,
}

impl UndoReport {
    /// Names events that were edited, and stay.
    pub(super) fn name(&mut self, edited: impl IntoIterator<Item = EventId>) {
        let room = NAMED.saturating_sub(self.edited.len());
        self.edited.extend(edited.into_iter().take(room));
    }
}

/// Rows read at once.
const PAGE: usize = 200;
/// Runs looked back at for those that did something.
const RUNS_MAX: usize = 10_000;
/// Runs before one that are asked what was taken back.
const LOOKED_BACK: usize = 200;
/// Edited events that are named.
const NAMED: usize = 1000;
/// How often a page is taken back again when the host edits the same events meanwhile.
pub(super) const ATTEMPTS: usize = 5;

/// Takes one run back.
pub(super) async fn undo(
    engine: &Engine,
    link: &Link,
    provider: &dyn Provider,
    run: &RunId,
) -> Result<UndoReport, EngineError> {
    let mut undo = Undo::begin(engine, link, provider).await?;
    let result = undo.run(run, &BTreeSet::new()).await;
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

pub(super) struct Undo<'a> {
    pub(super) engine: &'a Engine,
    pub(super) link: &'a Link,
    pub(super) provider: &'a dyn Provider,
    holder: String,
    lease: LeaseToken,
    /// When nobody else can have taken it yet, by our clock.
    pub(super) lease_until: DateTime<Utc>,
    /// What ids of journal entries begin with.
    prefix: String,
    /// How many there are.
    number: usize,
}

/// The first and the last thing a run did to an event.
pub(super) struct Left {
    pub(super) first: JournalOp,
    /// How it left it.
    pub(super) last: JournalEntry,
}

pub(super) type Lasts = BTreeMap<EventId, Left>;

/// A run that was.
struct Past {
    id: RunId,
    /// It was taken back.
    undone: bool,
}

impl<'a> Undo<'a> {
    async fn begin(
        engine: &'a Engine,
        link: &'a Link,
        provider: &'a dyn Provider,
    ) -> Result<Self, EngineError> {
        let holder = engine.ids.fresh();
        let lease_until = engine.clock.now() + LEASE;
        let lease = engine.hold_lease(&link.id, &holder).await?;
        let prefix = engine.run_id();
        Ok(Self { engine, link, provider, holder, lease, lease_until, prefix, number: 0 })
    }

    /// Prolongs the lease.
    pub(super) async fn keep_lease(&mut self) -> Result<(), EngineError> {
        let until = self.engine.clock.now() + LEASE;
        let lease = self.engine.hold_lease(&self.link.id, &self.holder).await?;
        if lease.epoch > self.lease.epoch.saturating_add(1) {
            // Somebody else had it in between: what was read before may be stale.
            return Err(EngineError::Busy { until });
        }
        (self.lease, self.lease_until) = (lease, until);
        Ok(())
    }

    pub(super) fn next_id(&mut self) -> String {
        self.number += 1;
        format!("{}-{:06x}", self.prefix, self.number)
    }

    async fn end(self) {
        // A lease that cannot be given back runs out by itself.
        let _ = self.engine.store.release_lease(&self.lease).await;
    }

    pub(super) async fn commit(&self, mut batch: Batch) -> Result<(), EngineError> {
        batch.lease = Some(self.lease.clone());
        batch.by = Some(Origin { link: self.link.id.clone(), run: self.prefix.clone().into() });
        if keeps_away(&self.link.id, &batch.writes)
            && let Some(mut state) = self.engine.store.link(&self.link.id).await?
            && std::mem::take(&mut state.none_withdrawn)
        {
            batch.writes.push(Write::PutLink(Box::new(state)));
        }
        self.engine.store.commit(batch).await?;
        Ok(())
    }

    async fn last(&mut self, count: usize) -> Result<Vec<(RunId, UndoReport)>, EngineError> {
        let mut runs: Vec<Past> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.rows(RecordKind::Run, None, after.as_deref()).await?;
            let Some(Record::Run(last)) = page.last() else { break };
            after = Some(last.id.to_string());
            runs.extend(page.into_iter().filter_map(|record| match record {
                Record::Run(run) => Some(Past { undone: run.outcome == RunOutcome::Undone, id: run.id }),
                _ => None,
            }));
            runs.drain(..runs.len().saturating_sub(RUNS_MAX.max(count)));
        }
        let mut reports = Vec::new();
        while let Some(run) = runs.pop() {
            if reports.len() == count {
                break;
            }
            if run.undone {
                continue;
            }
            let carried = self.carried(&run.id, &runs).await?;
            match self.run(&run.id, &carried).await {
                Ok(report) => reports.push((run.id, report)),
                // A run that only failed or held something, or carried over what was taken back, did nothing to take back.
                Err(EngineError::UnknownRun { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reports)
    }

    /// Events that a run only carried over after an earlier one had been taken back: that is a part of taking it back, and
    /// not the last thing that was done.
    async fn carried(&self, run: &RunId, earlier: &[Past]) -> Result<BTreeSet<EventId>, EngineError> {
        let Some(first_undone) = earlier.iter().position(|past| past.undone) else {
            return Ok(BTreeSet::new());
        };
        let remote =
            |op| matches!(op, JournalOp::RemoteCreate | JournalOp::RemoteUpdate | JournalOp::RemoteDelete);
        let mut carries = self.lasts(run).await?;
        carries.retain(|_, left| remote(left.first));
        // The last thing that was done to each before, and whether it was taken back.
        let mut before: BTreeMap<EventId, (bool, JournalEntry)> = BTreeMap::new();
        for past in earlier[first_undone..].iter().rev().take(LOOKED_BACK) {
            if before.len() == carries.len() {
                break;
            }
            let (mut after, mut of_this) = (None::<String>, BTreeMap::new());
            loop {
                let page = self.journal(&past.id, after.as_deref()).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.id.clone());
                for entry in page.into_iter().filter(|entry| entry.op != JournalOp::Kept) {
                    if carries.contains_key(&entry.event_id) && !before.contains_key(&entry.event_id) {
                        of_this.entry(entry.event_id.clone()).or_insert((past.undone, entry));
                    }
                }
            }
            before.append(&mut of_this);
        }
        before.retain(|_, (was_undone, _)| *was_undone);
        let ids: Vec<EventId> = before.keys().cloned().collect();
        let mut carried = BTreeSet::new();
        for ids in ids.chunks(PAGE) {
            let records = self.engine.store.events(&self.link.calendar, ids).await?;
            let back = records.iter().filter(|record| {
                let (first, carry) = (before.get(&record.id), carries.get(&record.id));
                first.zip(carry).is_some_and(|((_, first), carry)| {
                    is_as_before(first, record) && says_no_more_than(&carry.last, first)
                })
            });
            carried.extend(back.map(|record| record.id.clone()));
        }
        Ok(carried)
    }

    async fn run(&mut self, run: &RunId, except: &BTreeSet<EventId>) -> Result<UndoReport, EngineError> {
        let mut report = UndoReport::default();
        let mut lasts = self.lasts(run).await?;
        lasts.retain(|event, _| !except.contains(event));
        if lasts.is_empty() {
            return Err(EngineError::UnknownRun { run: run.to_string() });
        }
        let record = self.record(run).await?;
        if record.as_ref().is_some_and(|record| record.outcome == RunOutcome::Undone) {
            report.kept = lasts.len() as u64;
            return Ok(report);
        }
        // What is here first: for that nobody else is needed.
        let (mut seen, mut after) = (BTreeSet::new(), None::<String>);
        loop {
            let page = self.journal(run, after.as_deref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            // The first entry of an event holds what it was before the run.
            let firsts: Vec<&JournalEntry> = page
                .iter()
                .filter(|entry| entry.op != JournalOp::Kept && entry.op != JournalOp::RemoteCreate)
                .filter(|entry| lasts.get(&entry.event_id).is_some_and(|left| left.first == entry.op))
                .filter(|entry| seen.insert(entry.event_id.clone()))
                .collect();
            for firsts in firsts.chunks(self.link.commit_every.max(1)) {
                self.keep_lease().await?;
                self.take_back(firsts, &lasts, &mut report).await?;
            }
        }
        self.take_away(run, &lasts, &mut report).await?;
        if let Some(record) = record {
            let undone = RunRecord { outcome: RunOutcome::Undone, ..record };
            let writes = vec![Write::PutRun(Box::new(undone))];
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        Ok(report)
    }

    /// Takes back what is here.
    async fn take_back(
        &mut self,
        firsts: &[&JournalEntry],
        lasts: &Lasts,
        report: &mut UndoReport,
    ) -> Result<(), EngineError> {
        let ids: Vec<EventId> = firsts.iter().map(|entry| entry.event_id.clone()).collect();
        let store = &*self.engine.store;
        for attempt in 0.. {
            let records = by_id(store.events(&self.link.calendar, &ids).await?);
            let bases = store.bases(&self.link.id, BaseQuery::Events(&ids)).await?;
            let deleted = firsts.iter().filter(|first| first.op == JournalOp::RemoteDelete);
            let withdrawn = withdrawn(store, &self.link.id, deleted.map(|first| &first.event_id)).await?;
            let again = self.made_again(records.values()).await?;
            let (mut batch, mut now) = (Batch::default(), UndoReport::default());
            for first in firsts {
                let Some(record) = records.get(&first.event_id) else {
                    now.kept += 1;
                    continue;
                };
                if withdrawn.contains_key(&record.id) {
                    self.let_return(record, &mut batch, &mut now);
                    continue;
                }
                if is_taken_back(first, record) {
                    // An undo that was cut off.
                    now.kept += 1;
                    continue;
                }
                let as_left = lasts.get(&record.id).is_some_and(|left| is_as_left(&left.last, record));
                if !as_left || again.contains(&record.id) {
                    now.kept += 1;
                    now.edited.push(record.id.clone());
                    continue;
                }
                let base = bases.iter().find(|base| base.event_id == record.id);
                self.one(first, record, base, &mut batch, &mut now);
            }
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
            report.name(now.edited);
            return Ok(());
        }
        Ok(())
    }

    /// Has the next run make an item again that an undo took away, edited here meanwhile or not.
    fn let_return(&self, record: &EventRecord, batch: &mut Batch, report: &mut UndoReport) {
        batch.writes.push(let_return(&self.link.id, &record.id));
        if record.deleted.is_some() {
            report.kept += 1;
            return;
        }
        report.restored += 1;
        self.put(record, record.event.clone(), batch);
    }

    fn put(&self, record: &EventRecord, event: Event, batch: &mut Batch) {
        let (calendar, id, at) = (self.link.calendar.clone(), record.id.clone(), self.engine.clock.now());
        batch.writes.push(Write::PutEvent { calendar, id, event: Box::new(event), at });
        batch.expect.push(self.unchanged(record));
    }

    pub(super) fn unchanged(&self, record: &EventRecord) -> Expectation {
        Expectation::Event {
            calendar: self.link.calendar.clone(),
            id: record.id.clone(),
            revision: Some(record.revision),
        }
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
        let restored = match (first.op, &first.before) {
            (JournalOp::LocalUpdate | JournalOp::LocalDelete, Some(before)) => (**before).clone(),
            // What was sent becomes what was there before; what the remote side cannot hold stays.
            // Where copies show something else than their events, what the copy was says nothing about the event.
            (JournalOp::RemoteUpdate, Some(before)) if self.link.copy_rules().is_none() => {
                with_fields(&record.event, before, first)
            }
            // The host deleted it and the run carried that over: the content is still in the row.
            (JournalOp::RemoteDelete, _)
                if record.deleted.is_some()
                    || base.is_some_and(|base| base.state == BaseState::Suppressed) =>
            {
                record.event.clone()
            }
            (JournalOp::LocalCreate, _) => {
                let (calendar, id) = (self.link.calendar.clone(), record.id.clone());
                batch.writes.push(Write::DeleteEvent { calendar, id, at: self.engine.clock.now() });
                if let Some(base) = base {
                    let base = BaseRecord { state: BaseState::Suppressed, ..base.clone() };
                    batch.writes.push(Write::PutBase(Box::new(base)));
                }
                batch.expect.push(self.unchanged(record));
                report.removed += 1;
                return;
            }
            _ => {
                report.kept += 1;
                return;
            }
        };
        report.restored += 1;
        self.put(record, restored, batch);
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
                let first = lasts.get(&entry.event_id).map_or(entry.op, |left| left.first);
                lasts.insert(entry.event_id.clone(), Left { first, last: entry });
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

/// Whether a write said nothing that the one that was taken back had not said, the other way round.
fn says_no_more_than(carry: &JournalEntry, undone: &JournalEntry) -> bool {
    carry.op != JournalOp::RemoteUpdate || carry.fields.iter().all(|field| undone.fields.contains(field))
}

/// Whether an event is as it was before a run that was taken back, on whichever side the run wrote.
fn is_as_before(first: &JournalEntry, record: &EventRecord) -> bool {
    match (first.op, &first.before) {
        (JournalOp::RemoteUpdate, Some(before)) => {
            record.deleted.is_none() && with_fields(&record.event, before, first) == record.event
        }
        (JournalOp::RemoteDelete, _) => record.deleted.is_none(),
        _ => is_taken_back(first, record),
    }
}

fn with_fields(event: &Event, before: &Event, entry: &JournalEntry) -> Event {
    let mut event = event.clone();
    for field in &entry.fields {
        copy_field(field, before, &mut event);
    }
    event
}
