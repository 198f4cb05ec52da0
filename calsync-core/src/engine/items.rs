//! Items that were listed or asked for: read, joined to what they belong to, decided and committed, a bounded number at a time.

use std::collections::HashMap;

use super::{
    EngineError,
    conflicts::OpenFields,
    left,
    meeting::Because,
    own_feeds::own_feed,
    pair::{Outcome, Pair, RemoteView},
    partner::{Known, Partner, Taken},
    run::{Ids, Run},
    withdrawn::let_return,
};
use crate::{
    diff::changed_fields,
    model::{Event, EventId, RemoteId, Version},
    plan::{Direction, Operation},
    provider::{Payload, UnreadKind},
    store::{BaseQuery, BaseRecord, EventRecord, Expectation, JournalOp, LeftOut, OutboxOp, Pairs, Write},
};

/// Items decided and committed at once, where they are no listing: what bounds the memory of a run. Of a listing it is half of what
/// the store likes to be asked for at once.
pub(super) const CHUNK: usize = 100;
/// Why an item is in quarantine that is readable: it waits for the one that has its UID to go.
pub(super) const DUPLICATE: &str = "another item of this calendar has the same UID";

/// How an item came to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It was listed. One known to be unusable at this version is not looked at again.
    Listed,
    /// It was asked for by name.
    Asked,
    /// It was deferred, because its UID belonged to another name: it takes over the join of that name.
    Deferred,
}

/// An item that was listed.
pub(super) struct Item {
    pub(super) id: RemoteId,
    pub(super) version: Option<Version>,
    pub(super) payload: Option<Payload>,
}

/// An item that was read.
pub(super) struct ReadItem {
    pub(super) id: RemoteId,
    pub(super) version: Option<Version>,
    pub(super) payload: Payload,
    pub(super) event: Event,
}

impl Run<'_> {
    pub(super) fn is_quarantined(&self, id: &RemoteId, version: &Option<Version>) -> bool {
        self.quarantine.get(id).is_some_and(|known| known.version == *version)
    }

    /// Reads, decides and commits some items. `Ok(true)`: something could not be read for now.
    pub(super) async fn chunk(&mut self, items: Vec<Item>, found: Found) -> Result<bool, EngineError> {
        if items.is_empty() {
            return Ok(false);
        }
        let ids: Vec<RemoteId> = items.iter().map(|item| item.id.clone()).collect();
        let (mut bases, mut events) = self.pairs(&ids).await?;
        // A version both sides agreed on, or one known to be unreadable, is not fetched again.
        let items: Vec<Item> = items
            .into_iter()
            .filter(|item| {
                item.version.is_none()
                    || self.compares_all()
                    || bases.get(&item.id).is_none_or(|base| base.version != item.version)
                        && (found != Found::Listed || !self.is_quarantined(&item.id, &item.version))
            })
            .collect();
        let names: Vec<RemoteId> =
            items.iter().filter(|item| !bases.contains_key(&item.id)).map(|item| item.id.clone()).collect();
        let listed = if found == Found::Listed { &bases } else { &HashMap::new() };
        let (items, incomplete) = self.with_payloads(items, listed).await?;
        self.unread_names |= incomplete && names.iter().any(|name| items.iter().all(|(id, ..)| id != name));
        self.counts.pulled += items.len() as u64;
        let mut extra = Vec::new();
        let (mut read, mut out) = (Vec::new(), Vec::new());
        for (id, version, payload) in items {
            match self.provider.read(&payload) {
                // One that came in before the feed was known stays joined.
                Ok(event) if !bases.contains_key(&id) && self.is_of_own_feed(&event.uid).await? => {
                    self.recheck.extend(self.meeting.forget(&id));
                    let mut row = self.set_aside(&id, version.as_ref(), own_feed(), None);
                    if let Write::PutQuarantine(record) = &mut row {
                        record.left_out = Some(LeftOut::new(&self.link.id, &event.uid, None));
                    }
                    extra.push(row);
                }
                Ok(_) if found == Found::Listed && self.meeting.is_open(&id) => {
                    extra.extend(self.still_asked(&id, version.as_ref(), payload));
                }
                Ok(event) => {
                    let let_out = self.let_out(&id);
                    out.extend(let_out.is_some().then(|| id.clone()));
                    extra.extend(let_out);
                    // Listed before as one the rules leave out, and edited since: the last word counts.
                    self.left_out.remove(&id);
                    read.push(ReadItem { id, version, payload, event });
                }
                Err(error) => {
                    let left_out = self.copies.filter(|_| error.kind == UnreadKind::LeftOut);
                    let left_out = left_out.and_then(|copies| copies.left_out(&payload));
                    if error.kind == UnreadKind::LeftOut && bases.contains_key(&id) {
                        let step = left_out.and_then(|left_out| left_out.step);
                        self.left_out_by.insert(id.clone(), step);
                        self.left_out.insert(id);
                        continue;
                    }
                    let mut row = self.set_aside(&id, version.as_ref(), error, Some(payload));
                    if let Write::PutQuarantine(record) = &mut row {
                        record.left_out = left_out;
                    }
                    extra.push(row);
                }
            }
        }
        self.find_notes(&out, &bases).await?;
        let (deferred, strangers) = (self.deferred.len(), self.meeting.strangers());
        for attempt in 0.. {
            let outcomes = self.decide(&read, &bases, events, found).await?;
            if self.commit_outcomes(outcomes, extra.clone(), attempt).await? {
                break;
            }
            self.deferred.truncate(deferred);
            self.meeting.forget_strangers(strangers);
            (bases, events) = self.pairs(&ids).await?;
        }
        Ok(incomplete)
    }

    /// What could not be read when the link was made to go both ways is met once it can be: it may have been edited before.
    async fn find_notes(
        &mut self,
        out: &[RemoteId],
        bases: &HashMap<RemoteId, BaseRecord>,
    ) -> Result<(), EngineError> {
        let joined = out.iter().filter_map(|id| bases.get(id));
        if self.link.direction == Direction::TwoWay && self.turned.is_none() {
            self.edited_copies.extend(left::edited(&*self.engine.store, &self.link.id, joined).await?);
        }
        Ok(())
    }

    /// Decides what is to become of items.
    async fn decide(
        &mut self,
        read: &[ReadItem],
        bases: &HashMap<RemoteId, BaseRecord>,
        mut events: HashMap<EventId, EventRecord>,
        found: Found,
    ) -> Result<Vec<Outcome>, EngineError> {
        let known = self.known(read, bases).await?;
        let mut taken = Taken::default();
        let mut outcomes = Vec::new();
        for item in read {
            let named = bases.get(&item.id);
            let event = named.and_then(|base| events.remove(&base.event_id));
            match self.partner(item, (named, event), &known, &mut taken, found).await? {
                Partner::Later => self.defer(item),
                Partner::PutOff => {}
                Partner::Found { base, local, match_ } => {
                    let mut outcome = self.decide_pair(item, base, local.as_deref(), &known).await?;
                    if let (Some(outcome), Some(because)) = (&mut outcome, match_) {
                        self.tell_match(outcome, item, because);
                    }
                    outcomes.extend(outcome);
                }
            }
        }
        let again: Ids = self.give_way(&mut outcomes, bases.values()).await?.into_iter().collect();
        read.iter().filter(|item| again.contains(&item.id)).for_each(|item| self.defer(item));
        Ok(outcomes)
    }

    /// Decides about one item and what it belongs to. `None`: it is one that was taken away again, and is still as it was.
    async fn decide_pair(
        &mut self,
        item: &ReadItem,
        base: Option<&BaseRecord>,
        local: Option<&EventRecord>,
        known: &Known,
    ) -> Result<Option<Outcome>, EngineError> {
        let unjoined = local.filter(|_| base.is_none());
        let mut returned = None;
        if let Some(record) = unjoined
            && let Some(gone) = known.withdrawn(&record.id)
        {
            if gone.is(&item.id, item.version.as_ref()) {
                return Ok(None);
            }
            returned = Some(let_return(&self.link.id, &record.id));
        }
        let arrived = match unjoined {
            Some(record) => self.arrived(record).await?,
            None => None,
        };
        let own = base.and_then(|base| self.own_write(base, item));
        let base = own.as_ref().map(|(base, _)| base).or(base);
        // The same payload reads as the same event: half the work for a feed that lists everything at every poll.
        let same = base.is_some_and(|base| base.payload == item.payload);
        let base_read = base.filter(|_| !same).and_then(|base| self.provider.read(&base.payload).ok());
        let base_event = if same { Some(&item.event) } else { base_read.as_ref() };
        let pair = Pair {
            remote: RemoteView::Read {
                id: &item.id,
                version: item.version.as_ref(),
                payload: &item.payload,
                event: &item.event,
            },
            local,
            base,
            base_event,
        };
        let mut outcome = match self.consider(&pair).await? {
            Ok(outcome) => outcome,
            Err(error) => {
                let payload = Some(item.payload.clone());
                let write =
                    self.quarantine_write(&item.id, item.version.as_ref(), error.to_string(), payload);
                return Ok(Some(Outcome { writes: vec![write], ..Outcome::default() }));
            }
        };
        let lives = local.filter(|record| record.deleted.is_none());
        if let Some(record) = lives.filter(|_| !outcome.operation.as_ref().is_some_and(Operation::deletes)) {
            self.is_there(&record.id);
        }
        // What an earlier run decided on an older state of the item is decided anew.
        outcome.supersedes.clone_from(&outcome.event_id);
        if local.is_none_or(|record| record.deleted.is_some()) {
            self.expect_nothing_new(&mut outcome, &item.event.uid, base, known);
        }
        outcome.writes.extend(own.map(|(_, journal)| journal));
        outcome.writes.extend(returned);
        outcome.writes.extend(arrived);
        Ok(Some(outcome))
    }

    /// What was decided without a living event holds as long as the host makes none.
    fn expect_nothing_new(&self, outcome: &mut Outcome, uid: &str, base: Option<&BaseRecord>, known: &Known) {
        let calendar = &self.link.calendar;
        // Deleted events with its UID: should the host bring one back meanwhile, that one is the event.
        outcome.expect.extend(known.namesakes(uid).map(|record| Expectation::Event {
            calendar: calendar.clone(),
            id: record.id.clone(),
            revision: Some(record.revision),
        }));
        if base.is_none() {
            // And should somebody make one under its UID meanwhile, the two are joined.
            outcome.expect.push(Expectation::Uid {
                calendar: calendar.clone(),
                uid: uid.to_owned(),
                events: known.namesakes(uid).map(|record| record.id.clone()).collect(),
            });
        }
    }

    /// Says why two events with different UIDs are one: nothing else tells it later.
    fn tell_match(&mut self, outcome: &mut Outcome, item: &ReadItem, because: Because) {
        let reason = because.to_string();
        if let Some(event) = &outcome.event_id {
            outcome.writes.push(self.with_context(|cx| {
                cx.journal(JournalOp::Kept, event, Some(&item.id), &reason, None, Vec::new())
            }));
        }
        if let Some(operation) = &mut outcome.operation {
            operation.reason = reason;
        }
    }

    /// An update that was applied although its answer was lost: the item holds exactly what was sent. Then that is what
    /// both sides agreed on, and not an edit of the remote side.
    fn own_write(&mut self, base: &BaseRecord, item: &ReadItem) -> Option<(BaseRecord, Write)> {
        let entry = self.outbox.get(&base.event_id).filter(|entry| entry.remote_id == item.id)?.clone();
        let OutboxOp::Update { payload, .. } = &entry.op else { return None };
        let sent = self.provider.read(payload).ok()?;
        if base.version == item.version || !changed_fields(&sent, &item.event).is_empty() {
            return None;
        }
        let before = self.provider.read(&base.payload).ok().map(Box::new);
        let open = before.as_ref().and_then(|before| OpenFields::of(base, before, &entry));
        let journal = self.journal(JournalOp::RemoteUpdate, &entry, &item.id, before);
        let mut agreed =
            BaseRecord { payload: item.payload.clone(), local: entry.local, remote: None, ..base.clone() };
        if let Some(open) = open {
            open.keep(&mut agreed, &item.event);
        }
        Some((agreed, journal))
    }

    fn defer(&mut self, item: &ReadItem) {
        self.deferred.push(Item {
            id: item.id.clone(),
            version: item.version.clone(),
            payload: Some(item.payload.clone()),
        });
    }

    /// Bases of items with the events they are joined to.
    pub(super) async fn pairs(
        &self,
        ids: &[RemoteId],
    ) -> Result<(HashMap<RemoteId, BaseRecord>, HashMap<EventId, EventRecord>), EngineError> {
        Ok(by_names(self.engine.store.pairs(&self.link.id, &self.link.calendar, ids).await?))
    }

    pub(super) async fn bases_by_remote(
        &self,
        ids: &[RemoteId],
    ) -> Result<HashMap<RemoteId, BaseRecord>, EngineError> {
        let bases = self.engine.store.bases(&self.link.id, BaseQuery::Remote(ids)).await?;
        Ok(bases.into_iter().map(|base| (base.remote_id.clone(), base)).collect())
    }
}

/// Bases by their items, and events by their ids.
pub(super) fn by_names(pairs: Pairs) -> (HashMap<RemoteId, BaseRecord>, HashMap<EventId, EventRecord>) {
    let bases = pairs.bases.into_iter().map(|base| (base.remote_id.clone(), base));
    (bases.collect(), by_id(pairs.events))
}

pub(super) fn by_id(records: Vec<EventRecord>) -> HashMap<EventId, EventRecord> {
    records.into_iter().map(|record| (record.id.clone(), record)).collect()
}
