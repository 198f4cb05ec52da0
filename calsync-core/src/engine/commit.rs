//! The commits of a run: all of a step or nothing, under its lease.

use std::collections::HashSet;

use super::{
    EngineError,
    journal::note_what_is_left,
    outbox::is_nameless,
    pair::Outcome,
    run::{ATTEMPTS, Mode, PlannedDeletion, Run},
    telling::{fares_otherwise, of_conflicts},
};
use crate::{
    feed::{Happened, News, Origin},
    model::EventId,
    plan::{Action, Evidence, Operation},
    store::{
        Batch, CommitReceipt, LeaseEnd, LinkHealth, LinkState, OutboxEntry, OutboxOp, OutboxState, Revision,
        RunOutcome, Write,
    },
};

impl Run<'_> {
    /// Commits what was decided about some pairs, all of it or nothing. `Ok(false)`: an event was edited meanwhile,
    /// decide again.
    pub(super) async fn commit_outcomes(
        &mut self,
        mut outcomes: Vec<Outcome>,
        mut extra: Vec<Write>,
        attempt: usize,
    ) -> Result<bool, EngineError> {
        if let Some(permit) = &self.permit {
            let all = outcomes.len();
            outcomes.retain(|outcome| outcome.operation.as_ref().is_none_or(|done| permit.covers(done)));
            // The next run sees the rest again.
            self.unfinished |= outcomes.len() < all;
        }
        let mut batch = Batch::default();
        extra.extend(self.seen_again(&outcomes));
        let (mut created, mut updated, mut conflicts) = (0, 0, 0);
        let (mut operations, mut deletions, mut events) = (Vec::new(), Vec::new(), Vec::new());
        let (mut superseded, mut replanned) = (Vec::new(), Vec::new());
        for mut outcome in outcomes {
            batch.expect.extend(outcome.expect);
            let deletes = outcome.operation.as_ref().is_some_and(Operation::deletes);
            if deletes
                && let Some(event) = outcome.supersedes.take_if(|event| self.outbox.contains_key(event))
            {
                // What was decided before is void, and stays until the deletion itself is written, at the end of the run: a
                // run that ends in between would leave nobody who knows that something is to be done.
                let wedged = self
                    .outbox
                    .get(&event)
                    .filter(|entry| matches!(entry.state, OutboxState::Wedged { .. }))
                    .filter(|entry| !is_nameless(entry));
                if let Some(mut entry) = wedged.cloned() {
                    // Nobody would try it again.
                    (entry.state, entry.attempts, entry.not_before) =
                        (super::outbox::waiting_again(&entry), 0, None);
                    batch.writes.push(Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() });
                    batch.writes.push(Write::PutOutbox(Box::new(entry)));
                }
                self.voided.insert(event);
            }
            if let Some(entry) = outcome.supersedes.as_ref().and_then(|id| self.outbox.get(id)) {
                batch.writes.push(Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() });
            }
            superseded.extend(outcome.supersedes);
            replanned.extend(outcome.replan);
            batch.writes.extend(outcome.writes);
            created += outcome.created;
            updated += outcome.updated;
            conflicts += outcome.conflicts;
            if let Some(mut operation) = outcome.operation {
                if operation.action == Action::DeleteRemote {
                    operation.evidence.get_or_insert(Evidence::DeletedHere);
                }
                if operation.deletes() {
                    deletions.push(PlannedDeletion { operation, revision: outcome.revision });
                } else {
                    operations.push(operation);
                }
            }
            events.extend(outcome.event_id.map(|id| (id, outcome.revision.unwrap_or_default())));
        }
        batch.writes.append(&mut extra);
        let now = self.engine.clock.now();
        for write in &mut batch.writes {
            if let Write::PutOutbox(entry) = write {
                entry.id = super::push::ranked(entry, now);
                // The same write decided once more has spent its tries.
                let before = self.outbox.get(&entry.event_id).filter(|before| {
                    let creates = |entry: &OutboxEntry| matches!(entry.op, OutboxOp::Create { .. });
                    (before.remote_id == entry.remote_id || creates(before) && creates(entry))
                        && before.local == entry.local
                        && entry.local.is_some()
                        && !matches!(before.state, OutboxState::Wedged { .. })
                });
                entry.attempts = entry.attempts.max(before.map_or(0, |before| before.attempts));
            }
        }
        for (event, revision) in events {
            self.handled.insert(event, revision);
        }
        let decided: Vec<OutboxEntry> = batch.writes.iter().filter_map(intent).cloned().collect();
        self.mark_first(&mut batch.writes);
        if self.mode == Mode::Apply && !batch.writes.is_empty() {
            match self.commit(batch).await {
                Ok(receipt) => self.note_revisions(&receipt),
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        for event in superseded {
            self.outbox.remove(&event);
            self.voided.remove(&event);
        }
        if self.mode == Mode::Apply {
            // The host may edit an event again before this run sends what it decided about it.
            self.outbox.extend(decided.into_iter().map(|entry| (entry.event_id.clone(), entry)));
        }
        for event in &replanned {
            self.handled.remove(event);
        }
        self.recheck.append(&mut replanned);
        // An item that was looked at twice is deleted once.
        if !deletions.is_empty() {
            let new: HashSet<Option<EventId>> =
                deletions.iter().map(|new: &PlannedDeletion| new.operation.event_id.clone()).collect();
            self.deletions.retain(|old| !new.contains(&old.operation.event_id));
        }
        self.deletions.append(&mut deletions);
        self.plan.operations.append(&mut operations);
        self.counts.created += created;
        self.counts.updated += updated;
        self.counts.conflicts += conflicts;
        Ok(true)
    }

    /// The creations that this run may send first are recorded as sent with their decision, which saves a commit. In
    /// memory they are not: the host may edit the event before they go out.
    fn mark_first(&mut self, writes: &mut [Write]) {
        for write in writes {
            let Write::PutOutbox(entry) = write else { continue };
            self.marked.remove(&entry.event_id);
            let new = matches!((&entry.op, &entry.state), (OutboxOp::Create { .. }, OutboxState::Pending));
            if new && !is_nameless(entry) && self.marked.len() < self.group() {
                entry.state = OutboxState::Ambiguous;
                self.marked.insert(entry.event_id.clone());
            }
        }
    }

    /// A deletion here is written at the end of the run only. Where what led to it was seen by an earlier run, and this batch
    /// forgets why it is looked at now, the mark goes back before it: the next run would not find it otherwise.
    fn seen_again(&mut self, outcomes: &[Outcome]) -> Option<Write> {
        let planned = |outcome: &&Outcome| {
            let action = outcome.operation.as_ref().map(|operation| operation.action);
            action == Some(Action::DeleteRemote) && !outcome.writes.is_empty()
        };
        let first = outcomes.iter().filter(planned).filter_map(|outcome| outcome.revision).min()?;
        let mark = Revision(first.0.saturating_sub(1));
        if mark >= self.state.seen.min(self.seen_before) {
            return None;
        }
        self.seen_before = mark;
        Some(Write::PutLink(Box::new(LinkState { seen: mark, ..self.state.clone() })))
    }

    /// Commits a batch under the lease; the first one also records that the run began.
    pub(super) async fn commit(&mut self, mut batch: Batch) -> Result<CommitReceipt, EngineError> {
        self.keep_lease().await?;
        self.settle_ended(&mut batch).await?;
        batch.writes.extend(self.first_say().await?);
        self.note_what_is_ahead(&mut batch);
        self.note_kept_away(&mut batch);
        self.note_parted(&batch.writes);
        if self.says_change && !batch.writes.iter().any(|write| matches!(write, Write::PutLink(_))) {
            let seen = self.state.seen.min(self.seen_before);
            batch.writes.push(Write::PutLink(Box::new(LinkState { seen, ..self.state.clone() })));
        }
        self.leave_tally(&mut batch);
        batch.lease.clone_from(&self.lease);
        note_what_is_left(&mut batch.writes);
        if !self.recorded {
            batch.writes.push(Write::PutRun(Box::new(self.record(RunOutcome::Running))));
        }
        let health = self.tell_feed(&mut batch);
        self.known.write(&batch.writes);
        let taken = self.engine.store.commit(batch).await;
        self.known.ended(taken.is_ok().then(|| self.provider.requests()));
        let receipt = taken?;
        (self.recorded, self.says_change) = (true, false);
        self.told_health = health;
        Ok(receipt)
    }

    /// Tells the feed of the calendar what the batch does beside its events; answers how the link fares after it.
    fn tell_feed(&self, batch: &mut Batch) -> LinkHealth {
        let (calendar, at) = (&self.link.calendar, self.engine.clock.now());
        batch.by = Some(Origin { link: self.link.id.clone(), run: self.id.clone() });
        batch.news.extend(of_conflicts(&batch.writes, calendar, at));
        let mut states = batch.writes.iter().rev().filter_map(|write| match write {
            Write::PutLink(state) if state.id == self.link.id => Some(&state.health),
            _ => None,
        });
        let health = states.next().unwrap_or(&self.told_health).clone();
        if fares_otherwise(&self.told_health, &health) {
            let what = Happened::Link { link: self.link.id.clone(), health: health.clone() };
            batch.news.push(News { calendar: calendar.clone(), at, what });
        }
        health
    }

    /// Where a provider lists everything, the cursor is what was listed last. Should the listing be that again before a run,
    /// cut off or held, has moved the cursor, nothing would be reported, and what is applied now would stay for good. So the
    /// first commit that applies something says that the next run is to list whatever the cursor says.
    fn note_what_is_ahead(&mut self, batch: &mut Batch) {
        let applies = |write: &Write| {
            matches!(write, Write::PutBase(_) | Write::DeleteBase { .. } | Write::DeleteEvent { .. })
        };
        let ends = batch.lease_end == LeaseEnd::GivenBack;
        if self.capabilities.pull_incremental || ends || !batch.writes.iter().any(applies) {
            return;
        }
        if self.state.ahead_since.is_none() {
            self.state.ahead_since = Some(self.id.clone());
            self.says_change = true;
        }
        for write in &mut batch.writes {
            if let Write::PutLink(state) = write {
                state.ahead_since.clone_from(&self.state.ahead_since);
            }
        }
    }

    /// The last commit of a run: with it the lease is given back.
    pub(super) async fn commit_last(&mut self, mut batch: Batch) -> Result<CommitReceipt, EngineError> {
        batch.lease_end = LeaseEnd::GivenBack;
        let receipt = self.commit(batch).await?;
        self.lease = None;
        Ok(receipt)
    }

    /// Moves the mark of planned local changes past our own writes, as long as nobody else wrote in between.
    fn note_revisions(&mut self, receipt: &CommitReceipt) {
        for (calendar, event, revision) in &receipt.revisions {
            if *calendar != self.link.calendar {
                continue;
            }
            self.handled.insert(event.clone(), *revision);
            if revision.0 == self.state.seen.0 + 1 {
                self.state.seen = *revision;
            }
        }
    }
}

fn intent(write: &Write) -> Option<&OutboxEntry> {
    match write {
        Write::PutOutbox(entry) => Some(entry),
        _ => None,
    }
}
