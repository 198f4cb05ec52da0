//! Push and confirm: what is committed to the outbox is sent, and what is answered becomes the new base.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};

use super::{
    EngineError, Progress,
    conflicts::OpenFields,
    items::{Found, Item},
    outbox::{Health, after_failure, is_due, is_nameless, may_be_stuck_there},
    pull::Gone,
    run::{Mode, Run},
};
use crate::{
    diff::changed_fields,
    model::{Event, EventId, RemoteId, Version},
    plan::{Evidence, Urgency},
    provider::{ErrorKind, Fetched, Payload, PeoplePolicy, ProviderError, Written},
    store::{BaseRecord, Batch, JournalEntry, OutboxEntry, OutboxId, OutboxOp, OutboxState, Waiting, Write},
};

/// How often a write that met a newer version is merged and sent again in one run.
const ROUNDS: usize = 3;
/// Writes the provider may fail in a row before it counts as down: then no more are sent in this run.
pub(super) const FAILURES: usize = 3;

/// The answer to a write.
pub(super) enum Answer {
    Confirmed(Written),
    Deleted,
    Failed(ProviderError),
    /// The provider was found down before its turn came.
    Unsent,
    /// The lease could be somebody else's before its turn came.
    Late,
}

impl Answer {
    fn is_late(&self) -> bool {
        matches!(self, Self::Late)
    }
}

/// A confirmed write whose stored form is still to be read.
pub(super) struct Echo {
    pub(super) id: RemoteId,
    pub(super) version: Option<Version>,
    pub(super) local: Option<Box<Event>>,
    pub(super) open: Option<OpenFields>,
    pub(super) event_id: EventId,
    /// What was written down of a creation: how the item was left is known once it is read.
    pub(super) journal: Option<Box<JournalEntry>>,
}

/// What became of a round of writes.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) echoes: Vec<Echo>,
    /// Items that have another version than the write expected, with the event that was to be written.
    pub(super) changed: Vec<(RemoteId, EventId)>,
    /// Creations refused because another item has the UID.
    pub(super) elsewhere: Vec<(RemoteId, OutboxEntry)>,
    /// Creations were refused because of items that are about to be deleted, or take the place of an item that was deleted:
    /// they are sent after that.
    pub(super) depends: usize,
    /// The error that stops all further writes of this run.
    pub(super) stop: Option<ProviderError>,
    /// The last failure that may be the whole provider's and not the item's.
    pub(super) down: Option<ProviderError>,
    /// It took a write.
    pub(super) taken: bool,
}

impl Sent {
    pub(super) fn health(&self) -> Health {
        if self.taken { Health::TakesWrites } else { Health::Unknown }
    }
}

impl Run<'_> {
    /// Sends everything in the outbox that may be sent now.
    pub(super) async fn push(&mut self) -> Result<(), EngineError> {
        if self.mode == Mode::Preview {
            return Ok(());
        }
        let mut total = 0;
        for round in 0..=ROUNDS {
            let sent = self.send_all(&mut total).await?;
            let echoes = self.read_echoes(sent.echoes).await?;
            let made = self.made_and_edited();
            let again = !sent.changed.is_empty() || sent.depends > 0 || !made.is_empty();
            if sent.stop.is_some() || !again {
                // Nothing reads them any more in this run: they go with what ends it.
                self.last_writes.extend(echoes);
            } else if !echoes.is_empty() {
                self.commit(Batch { writes: echoes, ..Batch::default() }).await?;
            }
            if let Some(error) = sent.stop {
                return Err(error.into());
            }
            if !again || round == ROUNDS {
                self.waiting += sent.changed.len() + sent.depends;
                self.give_up_for_now(&sent.changed).await?;
                // Their intents are void: the next run has to see these events again to decide anew.
                self.unfinished |= !sent.changed.is_empty() || !made.is_empty();
                break;
            }
            self.recheck.extend(made);
            // Somebody else was faster: read, merge, and send the result.
            let mut gone: Vec<Gone> = Vec::new();
            let voided = sent.changed;
            for (_, event) in &voided {
                self.handled.remove(event);
                self.recheck.push(event.clone());
            }
            let changed: Vec<RemoteId> = voided.iter().map(|(item, _)| item.clone()).collect();
            for ids in changed.chunks(self.capabilities.fetch_max.max(1)) {
                let (mut items, mut ours) = (Vec::new(), Vec::new());
                for fetched in self.provider.fetch(&self.link.remote, ids).await? {
                    match fetched {
                        // Our own creation, after all.
                        Fetched::Found { id, version, payload } if self.made_it(&id, &payload) => {
                            ours.extend(self.adopt_voided(&id, &id, version, &payload));
                        }
                        Fetched::Renamed { asked, id, version, payload }
                            if self.made_it(&asked, &payload) =>
                        {
                            ours.extend(self.adopt_voided(&asked, &id, version, &payload));
                        }
                        Fetched::Found { id, version, payload }
                        | Fetched::Renamed { id, version, payload, .. } => {
                            items.push(Item { id, version, payload: Some(payload) });
                        }
                        Fetched::Missing(id) if !self.unread_names => {
                            gone.push(Gone { id, evidence: Evidence::NotFound });
                        }
                        // Left for the next run, which reads it again; or what is gone under one name may be what could not
                        // be read under another.
                        Fetched::Missing(id) | Fetched::Failed(id, _) => {
                            let about = voided.iter().filter(|(item, _)| *item == id).map(|(_, event)| event);
                            let about: Vec<&EventId> = about.collect();
                            self.recheck.retain(|event| !about.contains(&event));
                            self.unfinished = true;
                        }
                    }
                }
                if !ours.is_empty() {
                    self.commit(Batch { writes: ours, ..Batch::default() }).await?;
                }
                self.chunk(items, Found::Asked).await?;
            }
            self.plan_remote_deletions(&gone).await?;
            self.plan_recheck().await?;
            self.carry_out_deletions().await?;
        }
        if !self.edited_after.is_empty() {
            // Nothing else says of them that there is something to send when they are made.
            self.state.seen = self.state.seen.min(self.seen_before);
        }
        Ok(())
    }

    /// Events that were edited after their creation was decided, and are made or refused by now: what was edited goes next.
    fn made_and_edited(&mut self) -> Vec<EventId> {
        // One that may have been made all the same is looked for by the next run.
        let is_refused = |entry: &OutboxEntry| {
            matches!(entry.state, OutboxState::Wedged { .. })
                && (!may_be_stuck_there(entry) || self.not_made.contains(&entry.event_id))
        };
        let made = |event: &EventId| self.outbox.get(event).is_none_or(is_refused);
        let made: Vec<EventId> = self.edited_after.iter().filter(|event| made(event)).cloned().collect();
        for event in &made {
            self.edited_after.remove(event);
            self.handled.remove(event);
        }
        made
    }

    /// Takes what was found under the name of a refused creation for what that creation made.
    fn adopt_voided(
        &mut self,
        asked: &RemoteId,
        id: &RemoteId,
        version: Option<Version>,
        payload: &Payload,
    ) -> Vec<Write> {
        let Some(entry) = self.voided_creation(asked) else { return Vec::new() };
        let writes = self.adopt(&entry, id, version, payload);
        self.outbox.remove(&entry.event_id);
        self.voided.remove(&entry.event_id);
        writes
    }

    /// A creation that was refused because there is an item of its name.
    fn voided_creation(&self, id: &RemoteId) -> Option<OutboxEntry> {
        let made = |entry: &&OutboxEntry| {
            entry.remote_id == *id
                && matches!(entry.op, OutboxOp::Create { .. })
                && self.voided.contains(&entry.event_id)
        };
        self.outbox.values().find(made).cloned()
    }

    /// Whether what is found under the name of a refused creation may be what it made: it was sent before, or holds just
    /// that. Anything else is somebody else's, under a name that follows from the UID.
    fn made_it(&self, id: &RemoteId, found: &Payload) -> bool {
        self.voided_creation(id).is_some_and(|entry| {
            let OutboxOp::Create { payload } = &entry.op else { return false };
            let same = || {
                let (sent, found) = (self.provider.read(payload).ok()?, self.provider.read(found).ok()?);
                Some(changed_fields(&sent, &found).is_empty())
            };
            entry.run != self.id || entry.attempts > 0 || same() == Some(true)
        })
    }

    /// Writes that meet another version however often they are decided anew spend their tries like any that fail.
    async fn give_up_for_now(&mut self, changed: &[(RemoteId, EventId)]) -> Result<(), EngineError> {
        let error = ProviderError::new(ErrorKind::VersionMismatch, "push", "it is another version each time");
        let now = self.engine.clock.now();
        let mut writes = Vec::new();
        for (_, event) in changed {
            let Some(entry) = self.outbox.get(event) else { continue };
            let entry = after_failure(entry, &error, Health::TakesWrites, &self.link.retries, now);
            self.wedged(&entry);
            writes.push(Write::PutOutbox(Box::new(entry.clone())));
            self.outbox.insert(event.clone(), entry);
        }
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        Ok(())
    }

    async fn send_all(&mut self, total: &mut usize) -> Result<Sent, EngineError> {
        let mut sent = Sent::default();
        if !self.link.direction.exports() || self.outbox.is_empty() {
            return Ok(sent);
        }
        let now = self.engine.clock.now();
        let mut after: Option<OutboxId> = None;
        // Whole groups, and one entry more that tells whether there are others.
        let most = self.group() * (self.rows_at_once() / self.group()).max(1);
        loop {
            // What is sent is what the store holds now: to a worker that was paused it shows what another one did since. Only
            // whoever has the lease writes here, so that a commit of ours that is taken shows it as well, and that the rest of
            // a page is what the store holds as often as one is.
            let known = self.known.waiting(after.as_ref(), most + 1, self.provider.requests());
            let Waiting { entries: mut page, bases } = match known {
                Some(waiting) => waiting,
                None => self.engine.store.waiting(&self.link.id, after.as_ref(), most + 1).await?,
            };
            let mut bases: HashMap<EventId, BaseRecord> =
                bases.into_iter().map(|base| (base.event_id.clone(), base)).collect();
            let more = page.len() > most;
            page.truncate(most);
            while !page.is_empty() && sent.stop.is_none() {
                let rest = page.split_off(self.group().min(page.len()));
                let group = std::mem::replace(&mut page, rest);
                after = group.last().map(|entry| entry.id.clone());
                if !self.send_group(group, now, &mut bases, &mut sent, total).await? {
                    break;
                }
            }
            let last = !more && page.is_empty();
            if last && !sent.taken {
                sent.stop = sent.stop.or(sent.down.take());
            }
            if last || sent.stop.is_some() {
                return Ok(sent);
            }
        }
    }

    /// Sends those of a group that may be sent, and commits the answers. `Ok(false)`: some were sent, and nothing was committed
    /// since, so what was read with them may not be so any more.
    async fn send_group(
        &mut self,
        group: Vec<OutboxEntry>,
        now: DateTime<Utc>,
        bases: &mut HashMap<EventId, BaseRecord>,
        sent: &mut Sent,
        total: &mut usize,
    ) -> Result<bool, EngineError> {
        let mut ready = self.sendable(group, now);
        let mut holds = true;
        *total += ready.len();
        while !ready.is_empty() && sent.stop.is_none() {
            self.mark(&mut ready).await?;
            // What another worker may be sending by now is not ours to send.
            self.keep_lease().await?;
            let (late, answers): (Vec<_>, Vec<_>) =
                self.send(ready).await.into_iter().partition(|(_, answer)| answer.is_late());
            holds = self.confirm(answers, bases, sent).await?;
            ready = late.into_iter().map(|(entry, _)| entry).collect();
        }
        self.waiting += ready.len();
        self.tell(&Progress::Pushed {
            link: self.link.id.clone(),
            done: usize::try_from(self.counts.pushed).unwrap_or(usize::MAX),
            total: *total,
        });
        Ok(holds)
    }

    /// Those of a page that may be sent now.
    fn sendable(&mut self, page: Vec<OutboxEntry>, now: DateTime<Utc>) -> Vec<OutboxEntry> {
        let mut ready = Vec::new();
        for entry in page {
            let wedged = matches!(entry.state, OutboxState::Wedged { .. });
            if self.voided.contains(&entry.event_id) || self.unknown.contains(&entry.remote_id) {
                // Void, or it is not known whether it is there already: the next run decides, or asks again.
                self.waiting += 1;
                self.unfinished = true;
            } else if !wedged && !is_nameless(&entry) && is_due(&entry, now) {
                // It has become due, or what it is about has ended, since this run looked; or only this run writes no people.
                if self.names_too_many(&entry, now)
                    || self.names_people(&entry) && self.people() == PeoplePolicy::Withhold
                {
                    self.waiting += 1;
                    self.outbox.insert(entry.event_id.clone(), entry);
                } else {
                    ready.push(entry);
                }
            } else {
                self.waiting += usize::from(!wedged);
                self.outbox.insert(entry.event_id.clone(), entry);
            }
        }
        ready
    }

    /// Writes sent between two commits: as often as many as the provider takes at once, so that no batch goes half empty.
    pub(super) fn group(&self) -> usize {
        let (most, at_once) = (self.link.commit_every.max(1), self.capabilities.requests_max.max(1));
        if most < at_once { most } else { most - most % at_once }
    }

    /// Records of creations that they may have been applied from now on. The first ones of a run were recorded so when they
    /// were decided.
    async fn mark(&mut self, ready: &mut [OutboxEntry]) -> Result<(), EngineError> {
        let mut writes = Vec::new();
        for entry in ready {
            if matches!((&entry.op, &entry.state), (OutboxOp::Create { .. }, OutboxState::Pending)) {
                entry.state = OutboxState::Ambiguous;
                writes.push(Write::PutOutbox(Box::new(entry.clone())));
            }
        }
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        Ok(())
    }

    /// Sends some writes, a few at a time, until the provider is found down. Answers come in the order the provider gives
    /// them.
    async fn send(&self, entries: Vec<OutboxEntry>) -> Vec<(OutboxEntry, Answer)> {
        let (provider, calendar) = (self.provider, &self.link.remote);
        let failures = &AtomicUsize::new(0);
        // The first is sent in any case, the lease was just looked at: with a clock that jumps, or a store that is slow,
        // nothing would ever go out.
        let (clock, until, begun) = (&self.engine.clock, self.lease_until(), &AtomicBool::new(false));
        stream::iter(entries)
            .map(|entry| async move {
                if begun.swap(true, Ordering::Relaxed) && clock.now() >= until {
                    return (entry, Answer::Late);
                }
                if failures.load(Ordering::Relaxed) >= FAILURES {
                    return (entry, Answer::Unsent);
                }
                let answer = match &entry.op {
                    OutboxOp::Create { payload } => {
                        answer(provider.create(calendar, &entry.remote_id, payload).await)
                    }
                    OutboxOp::Update { expected, payload } => {
                        answer(provider.update(calendar, &entry.remote_id, expected, payload).await)
                    }
                    OutboxOp::Delete { expected } => {
                        let deleted = match self.told() {
                            PeoplePolicy::Withhold => {
                                provider.delete(calendar, &entry.remote_id, expected).await
                            }
                            PeoplePolicy::Write => {
                                provider.cancel(calendar, &entry.remote_id, expected).await
                            }
                        };
                        match deleted {
                            Ok(()) => Answer::Deleted,
                            Err(error) => Answer::Failed(error),
                        }
                    }
                };
                match &answer {
                    Answer::Failed(error) if stops_all(error) => failures.store(FAILURES, Ordering::Relaxed),
                    Answer::Failed(error) if error.kind == ErrorKind::Unavailable => {
                        failures.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => failures.store(0, Ordering::Relaxed),
                }
                (entry, answer)
            })
            .buffer_unordered(self.capabilities.requests_max.max(1))
            .collect()
            .await
    }
}

fn answer(result: Result<Written, ProviderError>) -> Answer {
    match result {
        Ok(written) => Answer::Confirmed(written),
        Err(error) => Answer::Failed(error),
    }
}

/// The id of an entry led by its urgency: the outbox is read in the order of its ids.
pub(super) fn ranked(entry: &OutboxEntry, now: DateTime<Utc>) -> OutboxId {
    let event = match entry.op {
        OutboxOp::Delete { .. } => None,
        OutboxOp::Create { .. } | OutboxOp::Update { .. } => entry.local.as_deref(),
    };
    let urgency = match (&entry.op, event) {
        (OutboxOp::Delete { .. }, _) | (_, Some(_)) => Urgency::of(event, now),
        (_, None) => Urgency::LATER,
    };
    let plain = match entry.id.0.split_once('.') {
        Some((digit, rest)) if digit.len() == 1 => rest,
        _ => &entry.id.0,
    };
    OutboxId(format!("{}.{plain}", urgency.digit()))
}

/// Whether a failure says that no write would be taken now.
pub(super) fn stops_all(error: &ProviderError) -> bool {
    matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unauthorized | ErrorKind::CalendarGone)
}
