//! What the host edited since the last run.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{
    EngineError,
    copies::exported,
    items::{Found, Item},
    outbox::is_due,
    pair::{Outcome, Pair, RemoteView},
    run::Run,
    window::is_off,
};
use crate::{
    model::{Event, EventBody, EventId, Override, RemoteId, Status},
    provider::{Payload, PeoplePolicy, ProviderError},
    store::{BaseQuery, BaseRecord, EventRecord, OutboxEntry, OutboxOp, OutboxState, Revision, Write},
};

impl Run<'_> {
    /// Plans every local change after the mark, and what an earlier push left to look at again.
    pub(super) async fn plan_local_changes(&mut self) -> Result<(), EngineError> {
        self.plan_recheck().await?;
        let mut after = self.state.seen;
        if let Some(before) = self.edited_before.take_if(|before| before.after <= after) {
            after = before.edited.last().map_or(after, |last| after.max(last.revision));
            self.plan_local(before.edited).await?;
            if !before.more {
                // What follows without a gap was written by this run; anything later is for the next one.
                let ours: HashSet<u64> = self.handled.values().map(|revision| revision.0).collect();
                while ours.contains(&(after.0 + 1)) {
                    after.0 += 1;
                }
                self.state.seen = self.state.seen.max(after);
                return Ok(());
            }
        }
        loop {
            let page =
                self.engine.store.events_since(&self.link.calendar, after, self.rows_at_once()).await?;
            let Some(last) = page.last() else { break };
            after = last.revision;
            self.plan_local(page).await?;
        }
        self.state.seen = self.state.seen.max(after);
        Ok(())
    }

    /// Plans what an earlier push or a merge left to look at again.
    pub(super) async fn plan_recheck(&mut self) -> Result<(), EngineError> {
        let recheck = std::mem::take(&mut self.recheck);
        for ids in recheck.chunks(self.rows_at_once()) {
            let records = self.engine.store.events(&self.link.calendar, ids).await?;
            self.plan_local(records).await?;
        }
        Ok(())
    }

    pub(super) async fn plan_local(&mut self, mut records: Vec<EventRecord>) -> Result<(), EngineError> {
        records.retain(|record| self.handled.get(&record.id).is_none_or(|done| record.revision > *done));
        if records.is_empty() {
            return Ok(());
        }
        let ids: Vec<EventId> = records.iter().map(|record| record.id.clone()).collect();
        for attempt in 0.. {
            let bases = self.bases_by_event(&ids).await?;
            let unjoined = records.iter().filter(|record| record.deleted.is_none());
            let unjoined = unjoined.map(|record| &record.id).filter(|id| !bases.contains_key(*id));
            let withdrawn = self.withdrawn(unjoined).await?;
            let (away, rest): (Vec<_>, Vec<_>) =
                records.into_iter().partition(|record| withdrawn.contains_key(&record.id));
            records = rest;
            let (mut outcomes, unread) = self.decide_local(&records, &bases).await?;
            // What stays away is not to be looked at again because of its time.
            let writes: Vec<Write> = away.iter().filter_map(|record| self.not_due(&record.id)).collect();
            outcomes.push(Outcome { writes, ..Outcome::default() });
            if self.commit_outcomes(outcomes, Vec::new(), attempt).await? {
                self.note_planned(records.iter(), None);
                let items = unread.into_iter().map(|id| Item { id, version: None, payload: None }).collect();
                self.unfinished |= self.chunk(items, Found::Asked).await?;
                return Ok(());
            }
            records = self.engine.store.events(&self.link.calendar, &ids).await?;
        }
        Ok(())
    }

    /// The bases of events, which are asked for where they are not known.
    pub(super) async fn bases_by_event(
        &mut self,
        ids: &[EventId],
    ) -> Result<HashMap<EventId, BaseRecord>, EngineError> {
        if !self.known.knows(ids) {
            let found = self.engine.store.bases(&self.link.id, BaseQuery::Events(ids)).await?;
            self.known.learn(ids.iter(), found);
        }
        Ok(self.known.bases(ids))
    }

    async fn decide_local(
        &mut self,
        records: &[EventRecord],
        bases: &HashMap<EventId, BaseRecord>,
    ) -> Result<(Vec<Outcome>, Vec<RemoteId>), EngineError> {
        let mut outcomes = Vec::new();
        let mut unread = Vec::new();
        for record in records {
            let base = bases.get(&record.id);
            if let Some(item) =
                self.outbox.get(&record.id).and_then(|entry| self.may_be_deleted(entry, record))
            {
                self.unknown.insert(item);
            }
            // Where a rule cannot tell nothing that was decided stands.
            let copied = !matches!(exported(self.copies, &record.event), Ok(None))
                && !self
                    .copies
                    .is_some_and(|copies| copies.is_outside(&record.event, base.is_some(), self.started));
            let decided = self.outbox.get(&record.id).filter(|entry| !self.is_decided_anew(entry));
            let waiting = decided.filter(|entry| stands(entry, record, base, copied));
            let first = decided.filter(|entry| copied && self.may_be_on_its_way(entry, record));
            if let Some(entry) = waiting.or(first)
                && !self.voided.contains(&record.id)
            {
                let writes = self.mark_waiting(entry, record);
                outcomes.push(Outcome { writes, ..Outcome::default() });
                if waiting.is_none() {
                    // However this run ends, what was edited is found again.
                    self.seen_before = self.seen_before.min(Revision(record.revision.0.saturating_sub(1)));
                    self.edited_after.insert(record.id.clone());
                }
                continue;
            }
            // Whether it is there could not be found out: the next run asks again, also when that was the last try of what makes it.
            let made =
                self.outbox.get(&record.id).filter(|entry| matches!(entry.op, OutboxOp::Create { .. }));
            let names =
                base.map(|base| &base.remote_id).into_iter().chain(made.map(|entry| &entry.remote_id));
            if names.into_iter().any(|name| self.unknown.contains(name)) {
                self.unfinished = true;
                continue;
            }
            // What the item holds now cannot be read, so nothing can be merged with it: decided once it can be.
            if base.is_some_and(|base| self.quarantine.contains_key(&base.remote_id)) {
                if self.outbox.contains_key(&record.id) {
                    outcomes.push(Outcome { supersedes: Some(record.id.clone()), ..Outcome::default() });
                }
                unread.extend(base.map(|base| base.remote_id.clone()));
                continue;
            }
            if base.is_none() && self.unread_names && self.meets() {
                self.unfinished = true;
                continue;
            }
            if base.is_none() && self.meeting.names(&record.id) {
                // It may be there already: a person decides.
                continue;
            }
            let base_event = base.and_then(|base| self.provider.read(&base.payload).ok());
            let pair = Pair {
                remote: RemoteView::Silent,
                local: Some(record),
                base,
                base_event: base_event.as_ref(),
            };
            match self.consider(&pair).await? {
                Ok(mut outcome) => {
                    // What is decided only once the item is read has to be found again by a run that comes after this one.
                    outcome.supersedes = outcome.needs_read.is_none().then(|| record.id.clone());
                    unread.extend(outcome.needs_read.clone());
                    outcomes.push(outcome);
                }
                Err(error) => outcomes.push(self.unwritable(record, &error)),
            }
        }
        unread.extend(self.give_way(&mut outcomes, bases.values()).await?);
        Ok((outcomes, unread))
    }

    /// Whether a write of an earlier run is decided anew although nobody edited its event. A creation that may have been
    /// rendered under other rules for copies is rendered again, and what it would have shown is not; what may be there already
    /// is looked up first, and compared after that, as what is joined is in any case. So is an update that would write people
    /// nobody is to write by now.
    fn is_decided_anew(&self, entry: &OutboxEntry) -> bool {
        match &entry.op {
            OutboxOp::Create { .. } => {
                let waits = entry.state == OutboxState::Pending && entry.run != self.id;
                waits && (self.renewed || self.copies.is_some())
            }
            OutboxOp::Update { .. } => self.names_too_many(entry, self.started),
            OutboxOp::Delete { .. } => false,
        }
    }

    /// A creation that was recorded as sent by an earlier run, and whose item is not there: its worker may be slower than its lease,
    /// and send it now. Under another name the event would be made twice. So it is sent as it was, under its own, one of the two is
    /// refused, and what was edited since goes after it. Not where it could invite somebody the edit has spared, nor when its tries are
    /// used up and the wait after the last of them is over: what the provider does not take is not to hold the edit up.
    fn may_be_on_its_way(&self, entry: &OutboxEntry, record: &EventRecord) -> bool {
        self.copies.is_none()
            && record.deleted.is_none()
            && (entry.attempts as usize <= self.link.retries.delays.len() || !is_due(entry, self.started))
            && (entry.people == PeoplePolicy::Withhold
                || entry.local.as_ref().is_some_and(|sent| spares_nobody(sent, &record.event, self.started)))
            && entry.state == OutboxState::Pending
            && matches!(entry.op, OutboxOp::Create { .. })
            && entry.run != self.id
            // Without it a person has asked for it to be decided anew.
            && entry.local.is_some()
            && self.marked.contains(&entry.event_id)
    }

    /// The item of an event that is back here, while an earlier run may have deleted it there and nobody has looked since.
    fn may_be_deleted(&self, entry: &OutboxEntry, record: &EventRecord) -> Option<RemoteId> {
        let sent =
            matches!(entry.op, OutboxOp::Delete { .. }) && !matches!(entry.state, OutboxState::Wedged { .. });
        (sent
            && record.deleted.is_none()
            && entry.run != self.id
            && !self.not_deleted.contains(&entry.remote_id))
        .then(|| entry.remote_id.clone())
    }

    /// An event that cannot be written there is kept as a wedged write, so that a person sees it.
    pub(super) fn unwritable(&mut self, record: &EventRecord, error: &ProviderError) -> Outcome {
        let entry = self.nameless(&record.id, &record.event, error);
        Outcome {
            supersedes: Some(record.id.clone()),
            writes: vec![Write::PutOutbox(Box::new(entry))],
            event_id: Some(record.id.clone()),
            revision: Some(record.revision),
            ..Outcome::default()
        }
    }

    pub(super) fn nameless(
        &mut self,
        event_id: &EventId,
        event: &Event,
        error: &ProviderError,
    ) -> OutboxEntry {
        OutboxEntry {
            id: crate::store::OutboxId(self.next_id()),
            link: self.link.id.clone(),
            run: self.id.clone(),
            event_id: event_id.clone(),
            // Without a name, also where there is an item: nothing was rendered that could be sent.
            remote_id: RemoteId::new(""),
            op: OutboxOp::Create { payload: Payload::new("") },
            local: Some(Box::new(event.clone())),
            losses: Vec::new(),
            people: PeoplePolicy::Withhold,
            fields: Vec::new(),
            reason: "it was edited here".to_owned(),
            state: OutboxState::Wedged { kind: error.kind.clone(), detail: error.to_string() },
            attempts: 0,
            not_before: None,
        }
    }
}

/// Whether everybody who is in an event is in what it became, and is invited to that.
fn spares_nobody(before: &Event, after: &Event, now: DateTime<Utc>) -> bool {
    let before = people(before, |_| true);
    let takes_place = |body: &EventBody| body.status != Some(Status::Cancelled);
    before.is_empty() || !is_off(after, now) && before.is_subset(&people(after, takes_place))
}

/// Who is in an event, of those bodies of it that count.
fn people(event: &Event, counts: impl Fn(&EventBody) -> bool) -> HashSet<String> {
    let changed = event.overrides.values().filter_map(|change| match change {
        Override::Changed { body, .. } => Some(&**body),
        Override::Excluded | Override::Added { .. } => None,
    });
    let bodies = event.master.iter().chain(changed).filter(|body| counts(body));
    bodies.flat_map(|body| &body.participants).map(|participant| participant.person.key()).collect()
}

/// Whether a decided write is still what the event asks for. A creation that may have been applied stands until it is
/// known; every other write names the item and the version it replaces, so a newer one can take its place at any time.
fn stands(entry: &OutboxEntry, record: &EventRecord, base: Option<&BaseRecord>, copied: bool) -> bool {
    match (&entry.state, &entry.op) {
        (OutboxState::Ambiguous, OutboxOp::Create { .. }) => true,
        (_, OutboxOp::Update { .. } | OutboxOp::Delete { .. })
            if base.is_some_and(|base| base.remote_id != entry.remote_id) =>
        {
            // The item has another name by now.
            false
        }
        (_, OutboxOp::Delete { .. }) => record.deleted.is_some() || !copied,
        _ => record.deleted.is_none() && copied && entry.local.as_deref() == Some(&record.event),
    }
}
