//! Which event here an item belongs to that was read: by its name, by what a person said, by its UID, by a write of ours
//! whose answer was lost, or none.

use std::collections::{HashMap, HashSet};

use super::{
    EngineError,
    items::{Found, ReadItem, by_id},
    meeting::{Because, sent_before},
    run::{PAGE, Run},
    withdrawn::Withdrawn,
};
use crate::{
    model::{Event, EventId, RemoteId},
    store::{BaseQuery, BaseRecord, BaseState, EventRecord, OutboxOp, Revision},
};

/// What the store has that items without a base may belong to.
pub(super) struct Known {
    /// Events that have the UID of one of them, or whose copies have.
    namesakes: Vec<EventRecord>,
    /// Where among the namesakes those of a UID are.
    by_uid: HashMap<String, Vec<usize>>,
    /// Events that items were matched with.
    matched: HashMap<EventId, EventRecord>,
    /// Bases that these events have under other names.
    joined: HashMap<EventId, BaseRecord>,
    /// Creations that were sent and not answered, and their events.
    unanswered: Vec<(EventId, Event)>,
    sent: HashMap<EventId, EventRecord>,
    withdrawn: HashMap<EventId, Withdrawn>,
}

/// What items of the same chunk belong to already.
#[derive(Default)]
pub(super) struct Taken<'r> {
    events: HashSet<EventId>,
    uids: HashSet<&'r str>,
}

/// What an item belongs to.
pub(super) enum Partner<'k> {
    /// That can only be said after the item that has its event, or its UID, by now.
    Later,
    /// It may be an event here under another UID: all that may be are compared first.
    PutOff,
    /// This.
    Found {
        /// What both sides agreed on.
        base: Option<&'k BaseRecord>,
        /// The event here, which may be deleted.
        local: Option<Box<EventRecord>>,
        /// Set when neither name nor UID say so: what does.
        match_: Option<Because>,
    },
}

impl Known {
    /// Events that have a UID, or whose copies have.
    pub(super) fn namesakes(&self, uid: &str) -> impl Iterator<Item = &EventRecord> {
        self.by_uid.get(uid).into_iter().flatten().filter_map(|at| self.namesakes.get(*at))
    }

    /// The item of an event, taken away again by the undo of the run that made it.
    pub(super) fn withdrawn(&self, event: &EventId) -> Option<&Withdrawn> {
        self.withdrawn.get(event)
    }
}

impl Run<'_> {
    /// Reads what items may belong to that have no base.
    pub(super) async fn known(
        &mut self,
        read: &[ReadItem],
        bases: &HashMap<RemoteId, BaseRecord>,
    ) -> Result<Known, EngineError> {
        let calendar = &self.link.calendar;
        let store = &self.engine.store;
        let new: Vec<&str> = read
            .iter()
            .filter(|item| !bases.contains_key(&item.id))
            .map(|item| item.event.uid.as_str())
            .collect();
        let mut namesakes =
            if new.is_empty() { Vec::new() } else { store.events_by_uid(calendar, &new).await? };
        namesakes.extend(self.originals(&new).await?);
        let matched = read.iter().filter_map(|item| self.meeting.matched.get(&item.id));
        let matched: Vec<EventId> = matched.map(|(event, _)| event.clone()).collect();
        let ids: Vec<EventId> =
            namesakes.iter().map(|record| record.id.clone()).chain(matched.iter().cloned()).collect();
        let matched = self.events_of_ids(matched).await?;
        let unanswered = if new.is_empty() { Vec::new() } else { self.unanswered() };
        let sent = self.events_of_ids(unanswered.iter().map(|(event, _)| event.clone()).collect()).await?;
        let joined = if ids.is_empty() {
            HashMap::new()
        } else {
            let bases = store.bases(&self.link.id, BaseQuery::Events(&ids)).await?;
            bases.into_iter().map(|base| (base.event_id.clone(), base)).collect()
        };
        let unjoined = ids.iter().filter(|id| !joined.contains_key(*id));
        let withdrawn = self.withdrawn(unjoined).await?;
        let hidden = self.copies.filter(|copies| copies.hides_uids());
        let mut by_uid: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, record) in namesakes.iter().enumerate() {
            let uid = &record.event.uid;
            by_uid.entry(uid.clone()).or_default().push(at);
            for copied in hidden.iter().flat_map(|copies| copies.copied_uids(uid)) {
                by_uid.entry(copied).or_default().push(at);
            }
        }
        Ok(Known { namesakes, by_uid, matched, joined, unanswered, sent, withdrawn })
    }

    async fn events_of_ids(&self, ids: Vec<EventId>) -> Result<HashMap<EventId, EventRecord>, EngineError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(by_id(self.engine.store.events(&self.link.calendar, &ids).await?))
    }

    /// Says what an item belongs to; `base` and `local` are what its own name says.
    pub(super) async fn partner<'k, 'r>(
        &mut self,
        item: &'r ReadItem,
        (base, local): (Option<&'k BaseRecord>, Option<EventRecord>),
        known: &'k Known,
        taken: &mut Taken<'r>,
        found: Found,
    ) -> Result<Partner<'k>, EngineError> {
        if let Some(base) = base.filter(|base| local.is_some() || !self.lost_its_row(base)) {
            return Ok(Partner::Found { base: Some(base), local: local.map(Box::new), match_: None });
        }
        if let Some((event, because)) = self.meeting.matched.get(&item.id)
            && taken.events.insert(event.clone())
        {
            let matched = known.matched.get(event).filter(|record| record.deleted.is_none());
            return Ok(Partner::Found {
                base: known.joined.get(event),
                local: matched.cloned().map(Box::new),
                match_: Some(*because),
            });
        }
        let candidates: Vec<&EventRecord> = known.namesakes(&item.event.uid).collect();
        let other = candidates.iter().find_map(|record| known.joined.get(&record.id));
        if let Some(other) = other.filter(|_| found == Found::Deferred) {
            let local = candidates.iter().find(|record| record.id == other.event_id).copied().cloned();
            return Ok(Partner::Found { base: Some(other), local: local.map(Box::new), match_: None });
        }
        // The second of two new items under one UID in one chunk waits until the first is joined.
        if other.is_some() || !taken.uids.insert(&item.event.uid) {
            return Ok(Partner::Later);
        }
        let living = candidates.iter().find(|record| record.deleted.is_none()).copied();
        let local = living
            .or_else(|| sent_before(&known.unanswered, &item.event).and_then(|event| known.sent.get(event)));
        if local.is_none()
            && found == Found::Listed
            && self.puts_off(&item.id, item.version.as_ref(), &item.payload, &item.event).await?
        {
            return Ok(Partner::PutOff);
        }
        // What was deleted under its UID comes back as what it was: another link may still hold it, and two events of one
        // calendar never share a UID.
        let local = local.or_else(|| candidates.iter().max_by_key(|record| record.revision).copied());
        Ok(Partner::Found { base: None, local: local.cloned().map(Box::new), match_: None })
    }

    /// Events whose copies have one of some UIDs, where copies have others than their events: what the link knew of its
    /// copies may be lost, and they are found again instead of made twice.
    async fn originals(&mut self, uids: &[&str]) -> Result<Vec<EventRecord>, EngineError> {
        let Some(copies) = self.copies.filter(|copies| copies.hides_uids() && !uids.is_empty()) else {
            return Ok(Vec::new());
        };
        if self.by_copied_uid.is_none() {
            let mut all = HashMap::new();
            let mut after = Revision::default();
            loop {
                let page = self.engine.store.events_since(&self.link.calendar, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.revision;
                for record in page.iter().filter(|record| record.deleted.is_none()) {
                    let uids = copies.copied_uids(&record.event.uid);
                    all.extend(uids.map(|uid| (uid, record.id.clone())));
                }
            }
            self.by_copied_uid = Some(all);
        }
        let known = self.by_copied_uid.iter();
        let ids: Vec<EventId> =
            known.flat_map(|known| uids.iter().filter_map(|uid| known.get(*uid))).cloned().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.engine.store.events(&self.link.calendar, &ids).await?)
    }

    /// A joined event without a row was not deleted here, or the row would say so: it was lost, and comes in again.
    fn lost_its_row(&self, base: &BaseRecord) -> bool {
        base.state == BaseState::Linked
            && !self
                .outbox
                .get(&base.event_id)
                .is_some_and(|entry| matches!(entry.op, OutboxOp::Delete { .. }))
    }
}
