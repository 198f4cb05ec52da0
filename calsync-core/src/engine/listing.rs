//! The end of a listing: what was put off is settled, and what is gone is planned.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    EngineError,
    gone::no_more,
    items::{CHUNK, DUPLICATE, Found, Item, by_id},
    pair::{Pair, RemoteView},
    pull::{Gone, Listed},
    run::{Ids, Mode, PAGE, Pulled, Run},
};
use crate::{
    model::{Event, EventId, RemoteId},
    plan::Evidence,
    provider::{ChangeScope, Cursor, Fetched},
    store::{BaseQuery, BaseRecord, BaseState, Batch, EventRecord, OutboxOp, Write},
};

impl Run<'_> {
    /// Ends a pull: what was deferred is settled, what is absent is found.
    pub(super) async fn listed(
        &mut self,
        mut listed: Listed,
        cursor: Option<Cursor>,
    ) -> Result<Pulled, EngineError> {
        let complete = listed.scope == Some(ChangeScope::Snapshot);
        if complete {
            // An item that is asked about holds events here back, so it is looked for as if it were joined.
            let known = listed.summaries.keys().chain(self.meeting.items());
            let absent: Vec<RemoteId> = known.filter(|id| !listed.present.contains(*id)).cloned().collect();
            self.confirm_absence(absent, &mut listed).await?;
            // What cannot be read and was never joined has no base. A listing that lacks it lets it go; should it be there
            // after all, the next one sets it aside again.
            let unread = self.quarantine.keys().chain(self.unfetched.keys());
            let unread = unread.filter(|id| !listed.present.contains(*id));
            let unread = unread.filter(|id| !self.meeting.is_open(id) && !listed.summaries.contains_key(*id));
            listed.removed.extend(unread.map(|id| (id.clone(), Evidence::Absent)));
            self.note_what_is_new(&listed);
            if self.looks_for_rows {
                self.find_lost_rows(&mut listed).await?;
            }
        }
        // Once a day also when nothing is gone: a run that ended early may have deleted what they wait for. Where changes are
        // listed, everything is about as often.
        let is_time =
            || self.capabilities.pull_incremental || self.is_first_of_its_turn(self.state.last_success);
        if !listed.removed.is_empty() || complete && is_time() {
            listed.incomplete |= self.defer_duplicates().await?;
        }
        let deferred = std::mem::take(&mut self.deferred);
        if !deferred.is_empty() {
            self.settle_deferred(deferred, &mut listed).await?;
        }
        self.meet(&mut listed).await?;
        if complete && self.mode != Mode::Preview {
            let writes = self.settle_withdrawn(&listed.present).await?;
            if !writes.is_empty() {
                self.commit(Batch { writes, ..Batch::default() }).await?;
            }
        }
        if self.unread_names {
            // What is gone under one name may be what could not be read under another: the next run sees both.
            listed.removed.clear();
        }
        // The items are there; what is gone is what the link copies of them.
        for id in std::mem::take(&mut self.left_out) {
            listed.removed.entry(id).or_insert(Evidence::LeftOut);
        }
        let gone = listed.removed.into_iter().map(|(id, evidence)| Gone { id, evidence }).collect();
        let (covered, incomplete) = (listed.covered, listed.incomplete);
        Ok(Pulled { asked: true, cursor, audited: complete, covered, gone, incomplete })
    }

    /// What a complete listing lacks is asked for by name before it counts as gone: a listing that was taken while somebody
    /// wrote, or by a server that forgot an item, is no evidence by itself.
    async fn confirm_absence(
        &mut self,
        mut absent: Vec<RemoteId>,
        listed: &mut Listed,
    ) -> Result<(), EngineError> {
        if self.capabilities.pull_with_payload {
            let asked = match (self.capabilities.pull_window_slides, self.capabilities.pull_incremental) {
                // A service that lists a window of what it holds: what is ahead of the window, and a series that has
                // ended, are there to be asked for.
                (true, true) => self.not_yet_over(&absent).await?,
                // The listing is the content: asking again would read the same.
                _ => HashSet::new(),
            };
            let (ask, gone) = absent.into_iter().partition(|id| asked.contains(id));
            listed.removed.extend(Vec::into_iter(gone).map(|id| (id, Evidence::Absent)));
            absent = ask;
        }
        for ids in absent.chunks(self.most_fetched()) {
            let (mut there, mut failed) = (Vec::new(), Vec::new());
            for fetched in self.provider.fetch(&self.link.remote, ids).await? {
                match fetched {
                    Fetched::Found { id, version, payload }
                    | Fetched::Renamed { id, version, payload, .. } => {
                        there.push(Item { id, version, payload: Some(payload) });
                    }
                    Fetched::Missing(id) => {
                        listed.removed.insert(id, Evidence::Absent);
                    }
                    // It may be there.
                    Fetched::Failed(id, error) => failed.push((id, error)),
                }
            }
            listed.incomplete |= self.count_failures(failed).await?;
            listed.incomplete |= self.chunk(there, Found::Asked).await?;
        }
        Ok(())
    }

    /// Those of some items whose leaving the window does not follow from when they took place.
    async fn not_yet_over(&self, ids: &[RemoteId]) -> Result<HashSet<RemoteId>, EngineError> {
        let mut open = HashSet::new();
        for ids in ids.chunks(CHUNK) {
            let bases = self.engine.store.bases(&self.link.id, BaseQuery::Remote(ids)).await?;
            let events: Vec<EventId> = bases.iter().map(|base| base.event_id.clone()).collect();
            let rows = by_id(self.engine.store.events(&self.link.calendar, &events).await?);
            let left = |base: &BaseRecord| self.left_the_window(rows.get(&base.event_id));
            open.extend(bases.into_iter().filter(|base| !left(base)).map(|base| base.remote_id));
        }
        Ok(open)
    }

    /// Joined events whose rows the host has lost come in again: nothing says that anybody deleted them.
    async fn find_lost_rows(&mut self, listed: &mut Listed) -> Result<(), EngineError> {
        let mut after = None;
        loop {
            let page = self.engine.store.base_summaries(&self.link.id, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.remote_id.clone());
            let ids: Vec<EventId> = page.iter().map(|summary| summary.event_id.clone()).collect();
            let rows = by_id(self.engine.store.events(&self.link.calendar, &ids).await?);
            let lost = page
                .into_iter()
                .filter(|summary| !rows.contains_key(&summary.event_id))
                .filter(|summary| listed.present.contains(&summary.remote_id))
                .map(|summary| Item { id: summary.remote_id, version: None, payload: None })
                .collect::<Vec<_>>();
            for items in chunks(lost) {
                listed.incomplete |= self.chunk(items, Found::Asked).await?;
            }
        }
    }

    /// Duplicates in quarantine are looked at again when anything is gone: it may be what they wait for. An item renamed
    /// while the pages of a listing were read was in it under both names.
    async fn defer_duplicates(&mut self) -> Result<bool, EngineError> {
        let mut items = Vec::new();
        for id in std::mem::take(&mut self.duplicates) {
            if !self.deferred.iter().any(|item| item.id == id) {
                items.push(Item { id, version: None, payload: None });
            }
        }
        let (items, incomplete) = self.with_payloads(items, &HashMap::new()).await?;
        self.unread_names |= incomplete;
        let items =
            items.into_iter().map(|(id, version, payload)| Item { id, version, payload: Some(payload) });
        self.deferred.extend(items);
        Ok(incomplete)
    }

    /// What waits for an item that this run deleted is looked at: no listing says that the item is gone.
    pub(super) async fn look_at_what_waited(&mut self) -> Result<(), EngineError> {
        let deleted = self.ours.values().any(Option::is_none);
        if self.mode == Mode::Preview || !deleted || self.duplicates.is_empty() {
            return Ok(());
        }
        let mut listed = Listed { incomplete: self.defer_duplicates().await?, ..Listed::default() };
        let deferred = std::mem::take(&mut self.deferred);
        self.settle_deferred(deferred, &mut listed).await?;
        self.unfinished |= listed.incomplete;
        Ok(())
    }

    /// Items under a UID that another item of the calendar has: renamed when that one is gone, a duplicate when not.
    async fn settle_deferred(&mut self, deferred: Vec<Item>, listed: &mut Listed) -> Result<(), EngineError> {
        let gone: Ids = listed.removed.keys().cloned().collect();
        let mut moved = Vec::new();
        let mut duplicates = Vec::new();
        // One item takes over a join; another one under the same UID waits like any duplicate.
        let mut taken = HashSet::new();
        // Listed twice, by pages that overlap or a listing that began anew, it is one item.
        let mut last: BTreeMap<RemoteId, Item> = BTreeMap::new();
        last.extend(deferred.into_iter().map(|item| (item.id.clone(), item)));
        for item in last.into_values() {
            let Some(payload) = &item.payload else { continue };
            let Ok(event) = self.provider.read(payload) else { continue };
            let holder = self.holder_of(&event.uid).await?;
            match holder {
                _ if taken.contains(&event.uid) => duplicates.push(item),
                Some(base) if base.remote_id != item.id && !gone.contains(&base.remote_id) => {
                    duplicates.push(item);
                }
                holder => {
                    if let Some(base) = holder {
                        listed.removed.remove(&base.remote_id);
                    }
                    taken.insert(event.uid);
                    moved.push(item);
                }
            }
        }
        listed.incomplete |= self.chunk(moved, Found::Deferred).await?;
        let writes: Vec<Write> = duplicates
            .into_iter()
            .map(|item| {
                self.duplicates.insert(item.id.clone());
                self.quarantine_write(&item.id, item.version.as_ref(), DUPLICATE.to_owned(), item.payload)
            })
            .collect();
        self.commit_outcomes(Vec::new(), writes, usize::MAX).await?;
        Ok(())
    }

    /// The base of the event that has a UID, when that event is joined to another item.
    async fn holder_of(&self, uid: &str) -> Result<Option<BaseRecord>, EngineError> {
        let records = self.engine.store.events_by_uid(&self.link.calendar, &[uid]).await?;
        let ids: Vec<EventId> = records.into_iter().map(|record| record.id).collect();
        Ok(self.engine.store.bases(&self.link.id, BaseQuery::Events(&ids)).await?.into_iter().next())
    }

    /// Items the provider says are gone, or that a complete listing lacks.
    pub(super) async fn plan_remote_deletions(&mut self, gone: &[Gone]) -> Result<(), EngineError> {
        self.find_wrongly_brought(gone).await?;
        for chunk in gone.chunks(CHUNK) {
            let ids: Vec<RemoteId> = chunk.iter().map(|gone| gone.id.clone()).collect();
            let (bases, mut events, mut arrivals) = self.pairs_and_arrivals(&ids).await?;
            self.known.learn(bases.values().map(|base| &base.event_id), bases.values().cloned().collect());
            let mut extra = Vec::new();
            for id in &ids {
                extra.extend(self.let_out(id));
                self.recheck.extend(self.meeting.forget(id));
            }
            let event_ids: Vec<EventId> = bases.values().map(|base| base.event_id.clone()).collect();
            for attempt in 0.. {
                if attempt > 0 && !event_ids.is_empty() {
                    events = by_id(self.engine.store.events(&self.link.calendar, &event_ids).await?);
                    arrivals = self.arrivals(&event_ids).await?;
                }
                let mut outcomes = Vec::new();
                for Gone { id, evidence } in chunk {
                    let Some(base) = bases.get(id) else { continue };
                    let local = events.get(&base.event_id);
                    if *evidence == Evidence::Absent
                        && self.left_the_window(local)
                        && !self.wrongly_brought.contains(&base.event_id)
                    {
                        self.not_left.insert(id.clone());
                        continue;
                    }
                    let base_event = self.provider.read(&base.payload).ok();
                    // Our own deletion, its answer lost, and the event brought back here since: it is new there.
                    let undone = local.is_some_and(|record| record.deleted.is_none())
                        && self.outbox.get(&base.event_id).is_some_and(|entry| {
                            entry.remote_id == *id && matches!(entry.op, OutboxOp::Delete { .. })
                        });
                    let pair = Pair {
                        remote: RemoteView::Removed,
                        local,
                        base: (!undone).then_some(base),
                        base_event: base_event.as_ref().filter(|_| !undone),
                    };
                    let joined = pair.base.is_some_and(|base| base.state == BaseState::Linked);
                    let lives = local.is_some_and(|record| record.deleted.is_none());
                    let moved = arrivals.of(&base.event_id).filter(|_| joined && lives);
                    let decided = match moved {
                        Some(to) => Ok(self.part(&pair, to).await?),
                        None => self.consider(&pair).await?,
                    };
                    let mut outcome = match decided {
                        Ok(outcome) => outcome,
                        Err(error) => match local {
                            Some(record) => self.unwritable(record, &error),
                            None => return Err(error.into()),
                        },
                    };
                    if let Some(operation) = &mut outcome.operation
                        && operation.deletes()
                    {
                        operation.evidence = Some(*evidence);
                        if *evidence == Evidence::LeftOut {
                            let step = self.left_out_by.get(id).and_then(Option::as_deref);
                            operation.reason = no_more(step);
                        }
                    }
                    // A write decided earlier meant an item that is gone now.
                    outcome.supersedes = Some(base.event_id.clone());
                    if undone {
                        let (link, remote_id) = (base.link.clone(), base.remote_id.clone());
                        outcome.writes.insert(0, Write::DeleteBase { link, remote_id });
                    }
                    outcomes.push(outcome);
                }
                if self.commit_outcomes(outcomes, extra.clone(), attempt).await? {
                    self.note_planned(events.values(), Some(&arrivals));
                    break;
                }
            }
        }
        Ok(())
    }

    /// A feed that publishes a window drops what is over; that is no deletion.
    pub(super) fn left_the_window(&self, local: Option<&EventRecord>) -> bool {
        self.capabilities.pull_window_slides
            && local.is_some_and(|record| has_passed(&record.event, self.engine.clock.now()))
    }
}

/// Whether a feed that publishes a window may have dropped an event at that time.
pub(super) fn has_passed(event: &Event, at: DateTime<Utc>) -> bool {
    let yesterday = at - TimeDelta::days(1);
    let ends = event.body().map(|body| body.time.end.instant(&crate::zone::Zone::UTC));
    !event.is_series() && ends.is_some_and(|ends| ends < yesterday)
}

/// Items in chunks that are decided at once.
pub(super) fn chunks(mut items: Vec<Item>) -> impl Iterator<Item = Vec<Item>> {
    std::iter::from_fn(move || {
        let rest = items.split_off(items.len().min(CHUNK));
        let chunk = std::mem::replace(&mut items, rest);
        (!chunk.is_empty()).then_some(chunk)
    })
}
