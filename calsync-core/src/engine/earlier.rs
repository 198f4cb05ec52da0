//! What earlier runs sent, and whether it was applied: their answers may be lost.

use chrono::{DateTime, Utc};

use super::{
    EngineError,
    items::{Found, Item, by_id},
    outbox::{Health, after_failure, is_due, is_nameless, may_be_stuck_there, offered_again},
    pair::marked,
    push::ranked,
    remade::is_remaking,
    run::{Mode, PAGE, Run},
    window::is_off,
};
use crate::{
    model::{EventId, RemoteId, Version},
    plan::Direction,
    provider::{Fetched, Payload, PeoplePolicy, ProviderError, RenderRequest},
    store::{Batch, OutboxEntry, OutboxOp, OutboxState, Write},
};

impl Run<'_> {
    /// Takes up what earlier runs decided. Creations that may have been sent are looked up; what was never sent needs no
    /// question, so that a provider that allows few requests spends them on writes.
    pub(super) async fn push_earlier(&mut self) -> Result<(), EngineError> {
        if self.mode == Mode::Preview || self.outbox.is_empty() {
            return Ok(());
        }
        let now = self.engine.clock.now();
        if !self.link.direction.exports() {
            self.forget_writes().await?;
        }
        self.rank_again(now).await?;
        self.offer_again(now).await?;
        self.look_for_stuck().await?;
        let ready: Vec<OutboxEntry> = self
            .outbox
            .values()
            .filter(|entry| !matches!(entry.state, OutboxState::Wedged { .. }))
            .filter(|entry| is_due(entry, now) || self.names_too_many(entry, now))
            .cloned()
            .collect();
        // Looked up even while it is too early to send again: until it is known whether the item is there, an item that
        // is listed would be taken for somebody else's.
        let creations: Vec<OutboxEntry> =
            self.outbox.values().filter(|entry| may_be_there(entry)).cloned().collect();
        let mut there = Vec::new();
        let mut writes = Vec::new();
        let most = if self.capabilities.fetch_max == 0 { PAGE } else { self.capabilities.fetch_max };
        for entries in creations.chunks(most) {
            let ids: Vec<RemoteId> = entries.iter().map(|entry| entry.remote_id.clone()).collect();
            for fetched in self.provider.fetch(&self.link.remote, &ids).await? {
                match fetched {
                    Fetched::Found { id, version, payload } => there.push((id.clone(), id, version, payload)),
                    Fetched::Renamed { asked, id, version, payload } => {
                        there.push((asked, id, version, payload))
                    }
                    Fetched::Missing(id) => writes.extend(self.not_applied(&id)),
                    // It may be there: nothing about it can be decided now, and nothing else waits for it.
                    Fetched::Failed(id, error) => writes.extend(self.still_unknown(&id, error)),
                }
            }
        }
        for (asked, id, version, payload) in &there {
            if let Some(entry) = creations.iter().find(|entry| entry.remote_id == *asked) {
                writes.extend(self.adopt(entry, id, version.clone(), payload));
                self.outbox.remove(&entry.event_id);
            }
        }
        writes.extend(self.keep_people_out(now));
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        self.look_at_replaced(most).await?;
        // Everything else is sent with what this run decides.
        let events = ready.iter().chain(&creations).map(|entry| entry.event_id.clone());
        self.recheck.extend(events);
        Ok(())
    }

    /// Whether an earlier run decided to write people.
    pub(super) fn names_people(&self, entry: &OutboxEntry) -> bool {
        entry.run != self.id && entry.people == PeoplePolicy::Write
    }

    /// Whether a write of an earlier run names people whom none is to name by now: the link writes none any more, or nobody is
    /// invited to what is to be made, because it is over.
    pub(super) fn names_too_many(&self, entry: &OutboxEntry, now: DateTime<Utc>) -> bool {
        let invites = self.link.direction == Direction::TwoWay && matches!(entry.op, OutboxOp::Create { .. });
        let is_off = || invites && entry.local.as_ref().is_some_and(|local| is_off(local, now));
        self.names_people(entry) && (self.link.people == PeoplePolicy::Withhold || is_off())
    }

    /// Creations of earlier runs that name too many are sent without people, under their own names: of two workers one is
    /// refused. Only those that are known not to be there; the others are looked up again.
    fn keep_people_out(&mut self, now: DateTime<Utc>) -> Vec<Write> {
        if self.renewed || self.copies.is_some() {
            // They are decided anew.
            return Vec::new();
        }
        let names_too_many = |entry: &&OutboxEntry| {
            let waits = entry.state == OutboxState::Pending && matches!(entry.op, OutboxOp::Create { .. });
            waits && self.names_too_many(entry, now)
        };
        let mut entries: Vec<OutboxEntry> = self.outbox.values().filter(names_too_many).cloned().collect();
        for entry in &mut entries {
            let rendered = entry.local.as_ref().and_then(|event| {
                let people = PeoplePolicy::Withhold;
                let request = RenderRequest { event, original: None, now, people };
                self.provider.render(request).ok()
            });
            match rendered {
                Some(rendered) => {
                    let payload = marked(self.link, self.provider, &entry.remote_id, rendered.payload);
                    entry.op = OutboxOp::Create { payload };
                    entry.losses = rendered.losses;
                    entry.people = PeoplePolicy::Withhold;
                }
                // Decided anew, so that what is wrong with it is told.
                None => entry.local = None,
            }
            self.outbox.insert(entry.event_id.clone(), entry.clone());
        }
        entries.into_iter().map(|entry| Write::PutOutbox(Box::new(entry))).collect()
    }

    /// Updates and deletions that may have been applied without an answer, of events that were edited or brought back here
    /// since. What takes their place would make their effect look like somebody else's edit or deletion, so their items
    /// are read before that.
    async fn look_at_replaced(&mut self, most: usize) -> Result<(), EngineError> {
        // Of a copy that is to be made again it is asked also when its deletion is stuck: it may have gone through.
        let is_stuck = |entry: &OutboxEntry| matches!(entry.state, OutboxState::Wedged { .. });
        let sent = |entry: &&OutboxEntry| {
            !matches!(entry.op, OutboxOp::Create { .. }) && (!is_stuck(entry) || is_remaking(entry))
        };
        let sent: Vec<OutboxEntry> = self.outbox.values().filter(sent).cloned().collect();
        let now = self.engine.clock.now();
        for entries in sent.chunks(most) {
            let ids: Vec<EventId> = entries.iter().map(|entry| entry.event_id.clone()).collect();
            let records = by_id(self.engine.store.events(&self.link.calendar, &ids).await?);
            let replaced = |entry: &&OutboxEntry| {
                let lives = records.get(&entry.event_id).filter(|record| record.deleted.is_none());
                match &entry.op {
                    OutboxOp::Delete { .. } => lives.is_some(),
                    _ => {
                        self.names_too_many(entry, now)
                            || lives.is_none_or(|record| entry.local.as_deref() != Some(&record.event))
                    }
                }
            };
            let replaced: Vec<&OutboxEntry> = entries.iter().filter(replaced).collect();
            if replaced.is_empty() {
                continue;
            }
            let names: Vec<RemoteId> = replaced.iter().map(|entry| entry.remote_id.clone()).collect();
            let (mut writes, mut there) = (Vec::new(), Vec::new());
            for fetched in self.provider.fetch(&self.link.remote, &names).await? {
                match fetched {
                    Fetched::Missing(id) => {
                        let deletes = |entry: &&&OutboxEntry| {
                            entry.remote_id == id && matches!(entry.op, OutboxOp::Delete { .. })
                        };
                        // An update whose item is gone: the listing tells.
                        let Some(entry) = replaced.iter().find(deletes) else { continue };
                        self.outbox.remove(&entry.event_id);
                        writes.push(Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() });
                        writes.extend(self.removed(entry, None));
                        writes.extend(self.made_again(entry));
                        self.recheck.push(entry.event_id.clone());
                    }
                    Fetched::Failed(id, error) => writes.extend(self.still_unknown(&id, error)),
                    Fetched::Found { id, .. } | Fetched::Renamed { asked: id, .. }
                        if replaced.iter().any(|entry| entry.remote_id == id && is_stuck(entry)) => {}
                    Fetched::Renamed { asked, .. } => {
                        self.not_deleted.insert(asked);
                    }
                    Fetched::Found { id, version, payload } => {
                        self.not_deleted.insert(id.clone());
                        there.push(Item { id, version, payload: Some(payload) });
                    }
                }
            }
            if !writes.is_empty() {
                self.commit(Batch { writes, ..Batch::default() }).await?;
            }
            self.chunk(there, Found::Asked).await?;
        }
        Ok(())
    }

    /// A link that does not write to the remote side any more sends nothing of what it decided when it did. A creation
    /// that may have been applied is looked up all the same; every other write names a version, and is found by the pull
    /// if it was applied.
    async fn forget_writes(&mut self) -> Result<(), EngineError> {
        let mut writes = Vec::new();
        self.outbox.retain(|_, entry| {
            let keep = may_be_there(entry);
            if !keep {
                writes.push(Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() });
                if is_remaking(entry) {
                    // Gone or not, nobody deleted it: it meets its event anew.
                    let (link, remote_id) = (entry.link.clone(), entry.remote_id.clone());
                    writes.push(Write::DeleteBase { link, remote_id });
                }
            }
            keep
        });
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        Ok(())
    }

    /// A creation whose item can not be looked up: it spends its tries like a write that failed.
    fn still_unknown(&mut self, id: &RemoteId, error: ProviderError) -> Option<Write> {
        let now = self.engine.clock.now();
        let entry = self.outbox.values_mut().find(|entry| entry.remote_id == *id)?;
        let is_tried = is_due(entry, now);
        if is_tried {
            let error = error.maybe_applied();
            *entry = after_failure(entry, &error, Health::TakesWrites, &self.link.retries, now);
        }
        let entry = entry.clone();
        if is_tried {
            self.wedged(&entry);
        }
        // The listing may hold it, and must not be taken for somebody else's item.
        self.unknown.insert(entry.remote_id.clone());
        Some(Write::PutOutbox(Box::new(entry)))
    }

    /// What waited meanwhile may be due within the hour by now.
    async fn rank_again(&mut self, now: DateTime<Utc>) -> Result<(), EngineError> {
        let mut writes = Vec::new();
        for entry in self.outbox.values_mut() {
            let id = ranked(entry, now);
            if id != entry.id {
                writes.push(Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() });
                entry.id = id;
                writes.push(Write::PutOutbox(Box::new(entry.clone())));
            }
        }
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        Ok(())
    }

    /// What was refused a day ago is offered again: a right may be given back by now, a disk have room, a proxy be gone, and
    /// nobody has to be there for it (I24). What cannot even be said waits for an edit.
    ///
    /// It is the write that was decided then, unless the event was edited since: who was spared an invitation is spared it. A
    /// page of them in a run, because each creation is looked for first.
    async fn offer_again(&mut self, now: DateTime<Utc>) -> Result<(), EngineError> {
        let is_over = |entry: &OutboxEntry| {
            matches!(entry.state, OutboxState::Wedged { .. })
                && entry.not_before.is_some()
                && is_due(entry, now)
                && !is_nameless(entry)
        };
        let mut writes = Vec::new();
        let mut over: Vec<_> = self.outbox.values_mut().filter(|entry| is_over(entry)).collect();
        // What a person has asked for comes first.
        over.sort_by_key(|entry| entry.not_before);
        for entry in over.into_iter().take(PAGE) {
            *entry = offered_again(entry.clone());
            writes.push(Write::PutOutbox(Box::new(entry.clone())));
        }
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        Ok(())
    }

    /// Creations whose tries are used up and whose events were edited or deleted since: the last of the tries may have made
    /// something, which is looked for before anything takes their place.
    async fn look_for_stuck(&mut self) -> Result<(), EngineError> {
        if self.edited_before.as_ref().is_some_and(|before| before.edited.is_empty() && !before.more) {
            return Ok(());
        }
        let stuck = self.outbox.values().filter(|entry| may_be_stuck_there(entry));
        let stuck: Vec<EventId> = stuck.map(|entry| entry.event_id.clone()).collect();
        let mut writes = Vec::new();
        for ids in stuck.chunks(PAGE) {
            let records = by_id(self.engine.store.events(&self.link.calendar, ids).await?);
            for id in ids {
                let lives = records.get(id).filter(|record| record.deleted.is_none());
                let Some(entry) = self.outbox.get_mut(id) else { continue };
                if lives.is_none_or(|record| entry.local.as_deref() != Some(&record.event)) {
                    *entry = offered_again(entry.clone());
                    writes.push(Write::PutOutbox(Box::new(entry.clone())));
                }
            }
        }
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        Ok(())
    }

    /// A creation that did not happen is to be sent like any other, or replaced by what the event is now. Where nothing is
    /// sent any more, it is forgotten.
    fn not_applied(&mut self, id: &RemoteId) -> Option<Write> {
        let entry = self.outbox.values_mut().find(|entry| entry.remote_id == *id && may_be_there(entry))?;
        entry.state = OutboxState::Pending;
        if self.link.direction.exports() {
            return None;
        }
        let (link, id, event) = (entry.link.clone(), entry.id.clone(), entry.event_id.clone());
        self.outbox.remove(&event);
        Some(Write::DeleteOutbox { link, id })
    }

    /// A creation that was applied although its answer was lost. The base is what was sent: what the item holds beyond
    /// that is an edit of the remote side, found by the pull because the version is not known.
    pub(super) fn adopt(
        &mut self,
        entry: &OutboxEntry,
        id: &RemoteId,
        version: Option<Version>,
        found: &Payload,
    ) -> Vec<Write> {
        let OutboxOp::Create { payload } = &entry.op else { return Vec::new() };
        self.counts.pushed += 1;
        let version = version.filter(|_| found == payload);
        let mut writes = self.confirmed(entry, (id.clone(), version), payload.clone(), None, None);
        writes.push(Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() });
        writes
    }
}

/// Whether an entry is a creation that may have been applied.
pub(super) fn may_be_there(entry: &OutboxEntry) -> bool {
    matches!((&entry.op, &entry.state), (OutboxOp::Create { .. }, OutboxState::Ambiguous))
        && !is_nameless(entry)
}
