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
    copies::held,
    journal::left_as,
    outbox::{Health, after_failure, is_nameless},
    pull::{Found, Gone, Item, by_id},
    run::{Mode, PAGE, Run},
};
use crate::{
    diff::changed_fields,
    model::{Event, EventId, RemoteId, Version},
    plan::{Evidence, Urgency},
    provider::{ErrorKind, Fetched, Payload, ProviderError, Retry, Written},
    store::{
        BaseQuery, BaseRecord, BaseState, Batch, JournalEntry, JournalOp, OutboxEntry, OutboxId, OutboxOp,
        OutboxState, Write,
    },
};

/// Confirmations committed at once.
const GROUP: usize = 50;
/// How often a write that met a newer version is merged and sent again in one run.
const ROUNDS: usize = 3;
/// Writes the provider may fail in a row before it counts as down: then no more are sent in this run.
const FAILURES: usize = 3;

/// The answer to a write.
enum Answer {
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
struct Echo {
    id: RemoteId,
    version: Option<Version>,
    local: Option<Box<Event>>,
    open: Option<OpenFields>,
    event_id: EventId,
}

/// The remote side of a pair before a write.
struct Before {
    event: Event,
    open: Option<OpenFields>,
}

/// What became of a round of writes.
#[derive(Default)]
struct Sent {
    echoes: Vec<Echo>,
    /// Items that have another version than the write expected, with the event that was to be written.
    changed: Vec<(RemoteId, EventId)>,
    /// Creations refused because another item has the UID.
    elsewhere: Vec<(RemoteId, OutboxEntry)>,
    /// The error that stops all further writes of this run.
    stop: Option<ProviderError>,
    /// The last failure that may be the whole provider's and not the item's.
    down: Option<ProviderError>,
    /// It took a write.
    taken: bool,
}

impl Sent {
    fn health(&self) -> Health {
        if self.taken { Health::TakesWrites } else { Health::Unknown }
    }
}

impl Run<'_> {
    /// Sends what earlier runs decided. Their answers may be lost, so creations are looked up before they are sent.
    pub(super) async fn push_earlier(&mut self) -> Result<(), EngineError> {
        if self.mode == Mode::Preview || self.outbox.is_empty() {
            return Ok(());
        }
        let now = self.engine.clock.now();
        if !self.link.direction.exports() {
            self.forget_writes().await?;
        }
        self.rank_again(now).await?;
        let ready: Vec<OutboxEntry> = self
            .outbox
            .values()
            .filter(|entry| !matches!(entry.state, OutboxState::Wedged { .. }))
            .filter(|entry| entry.not_before.is_none_or(|time| time <= now))
            .cloned()
            .collect();
        // Looked up even while it is too early to send again: until it is known whether the item is there, an item that
        // is listed would be taken for somebody else's.
        let creations: Vec<OutboxEntry> = self
            .outbox
            .values()
            .filter(|entry| matches!(entry.op, OutboxOp::Create { .. }) && !is_nameless(entry))
            .filter(|entry| !matches!(entry.state, OutboxState::Wedged { .. }))
            .cloned()
            .collect();
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
                    Fetched::Missing(id) => self.not_applied(&id),
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
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        self.look_at_replaced(most).await?;
        // Everything else is sent with what this run decides.
        let events = ready.iter().chain(&creations).map(|entry| entry.event_id.clone());
        self.recheck.extend(events);
        Ok(())
    }

    /// Updates and deletions that may have been applied without an answer, of events that were edited or brought back here
    /// since. What takes their place would make their effect look like somebody else's edit or deletion, so their items
    /// are read before that.
    async fn look_at_replaced(&mut self, most: usize) -> Result<(), EngineError> {
        let sent = |entry: &&OutboxEntry| {
            !matches!(entry.op, OutboxOp::Create { .. }) && !matches!(entry.state, OutboxState::Wedged { .. })
        };
        let sent: Vec<OutboxEntry> = self.outbox.values().filter(sent).cloned().collect();
        for entries in sent.chunks(most) {
            let ids: Vec<EventId> = entries.iter().map(|entry| entry.event_id.clone()).collect();
            let records = by_id(self.engine.store.events(&self.link.calendar, &ids).await?);
            let replaced = |entry: &&OutboxEntry| {
                let lives = records.get(&entry.event_id).filter(|record| record.deleted.is_none());
                match &entry.op {
                    OutboxOp::Delete { .. } => lives.is_some(),
                    _ => lives.is_none_or(|record| entry.local.as_deref() != Some(&record.event)),
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
                        self.recheck.push(entry.event_id.clone());
                    }
                    Fetched::Failed(id, error) => writes.extend(self.still_unknown(&id, error)),
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
            let keep = matches!(entry.op, OutboxOp::Create { .. })
                && !is_nameless(entry)
                && !matches!(entry.state, OutboxState::Wedged { .. });
            if !keep {
                writes.push(Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() });
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
        if entry.not_before.is_none_or(|time| time <= now) {
            let error = error.maybe_applied();
            *entry = after_failure(entry, &error, Health::TakesWrites, &self.link.retries, now);
        } else if entry.state == OutboxState::Pending {
            // Until somebody has looked, nothing takes its place.
            entry.state = OutboxState::Ambiguous;
        }
        let entry = entry.clone();
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

    /// A creation that did not happen is to be sent like any other, or replaced by what the event is now.
    fn not_applied(&mut self, id: &RemoteId) {
        for entry in self.outbox.values_mut().filter(|entry| entry.remote_id == *id) {
            if entry.state == OutboxState::Ambiguous {
                entry.state = OutboxState::Pending;
            }
        }
    }

    /// A creation that was applied although its answer was lost. The base is what was sent: what the item holds beyond
    /// that is an edit of the remote side, found by the pull because the version is not known.
    fn adopt(
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

    /// Sends everything in the outbox that may be sent now.
    pub(super) async fn push(&mut self) -> Result<(), EngineError> {
        if self.mode == Mode::Preview {
            return Ok(());
        }
        let mut total = 0;
        for round in 0..=ROUNDS {
            let sent = self.send_all(&mut total).await?;
            self.read_echoes(sent.echoes).await?;
            if let Some(error) = sent.stop {
                return Err(error.into());
            }
            if sent.changed.is_empty() || round == ROUNDS {
                self.waiting += sent.changed.len();
                self.give_up_for_now(&sent.changed).await?;
                // Their intents are void: the next run has to see these events again to decide anew.
                self.unfinished |= !sent.changed.is_empty();
                break;
            }
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
                        Fetched::Missing(id) => gone.push(Gone { id, evidence: Evidence::NotFound }),
                        // Left for the next run, which reads it again.
                        Fetched::Failed(id, _) => {
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
        Ok(())
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
        if !self.link.direction.exports() {
            return Ok(sent);
        }
        let mut after: Option<OutboxId> = None;
        let now = self.engine.clock.now();
        loop {
            let page = self.engine.store.outbox(&self.link.id, after.as_ref(), GROUP).await?;
            let Some(last) = page.last() else {
                if !sent.taken {
                    sent.stop = sent.stop.or(sent.down.take());
                }
                return Ok(sent);
            };
            after = Some(last.id.clone());
            let mut ready = Vec::new();
            for entry in page {
                let wedged = matches!(entry.state, OutboxState::Wedged { .. });
                if self.voided.contains(&entry.event_id) || self.unknown.contains(&entry.remote_id) {
                    // Void, or it is not known whether it is there already: the next run decides, or asks again.
                    self.waiting += 1;
                    self.unfinished = true;
                } else if !wedged && !is_nameless(&entry) && entry.not_before.is_none_or(|time| time <= now) {
                    ready.push(entry);
                } else {
                    self.waiting += usize::from(!wedged);
                    self.outbox.insert(entry.event_id.clone(), entry);
                }
            }
            *total += ready.len();
            while !ready.is_empty() {
                // What another worker may be sending by now is not ours to send.
                self.keep_lease().await?;
                let (late, answers): (Vec<_>, Vec<_>) =
                    self.send(ready).await.into_iter().partition(|(_, answer)| answer.is_late());
                self.confirm(answers, &mut sent).await?;
                ready = late.into_iter().map(|(entry, _)| entry).collect();
            }
            self.tell(&Progress::Pushed {
                link: self.link.id.clone(),
                done: usize::try_from(self.counts.pushed).unwrap_or(usize::MAX),
                total: *total,
            });
            if sent.stop.is_some() {
                return Ok(sent);
            }
        }
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
                        match provider.delete(calendar, &entry.remote_id, expected).await {
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

    async fn confirm(
        &mut self,
        answers: Vec<(OutboxEntry, Answer)>,
        sent: &mut Sent,
    ) -> Result<(), EngineError> {
        let mut writes = Vec::new();
        let mut before = self.before(&answers).await?;
        sent.taken |=
            answers.iter().any(|(_, answer)| matches!(answer, Answer::Confirmed(_) | Answer::Deleted));
        let mut unsent = 0;
        for (entry, answer) in answers {
            let (before, open) = match before.remove(&entry.event_id) {
                Some(Before { event, open }) => (Some(Box::new(event)), open),
                None => (None, None),
            };
            let done = Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() };
            match answer {
                Answer::Confirmed(written) => {
                    self.outbox.remove(&entry.event_id);
                    writes.push(done);
                    writes.extend(self.written(&entry, written, (before, open), sent));
                }
                Answer::Deleted => {
                    self.outbox.remove(&entry.event_id);
                    writes.push(done);
                    writes.extend(self.removed(&entry, before));
                }
                Answer::Failed(error) => writes.extend(self.failed(entry, error, sent)),
                Answer::Unsent | Answer::Late => {
                    unsent += 1;
                    self.outbox.insert(entry.event_id.clone(), entry);
                }
            }
        }
        writes.extend(self.same_uid(sent).await?);
        self.waiting += unsent;
        if unsent > 0 && sent.stop.is_none() {
            sent.stop = sent.down.take();
        }
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        Ok(())
    }

    /// What becomes of creations whose UID an item of the calendar has: it is the same event and the two are joined, unless
    /// that item is joined to another event already. Then there are two events here that only one item can be.
    async fn same_uid(&mut self, sent: &mut Sent) -> Result<Vec<Write>, EngineError> {
        let elsewhere = std::mem::take(&mut sent.elsewhere);
        if elsewhere.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<RemoteId> = elsewhere.iter().map(|(at, _)| at.clone()).collect();
        let bases = self.bases_by_remote(&ids).await?;
        let mut writes = Vec::new();
        for (at, mut entry) in elsewhere {
            if bases.get(&at).is_none_or(|base| base.event_id == entry.event_id) {
                // It stays until they are joined: a run that could not read the item would forget the event otherwise.
                sent.changed.push((at, entry.event_id.clone()));
                self.voided.insert(entry.event_id.clone());
                self.outbox.insert(entry.event_id.clone(), entry);
                continue;
            }
            let detail =
                "another event of this calendar has the same UID, and the item there is joined to it";
            entry.attempts += 1;
            entry.state = OutboxState::Wedged {
                kind: ErrorKind::AlreadyExists { at: Some(at) },
                detail: detail.to_owned(),
            };
            self.wedged(&entry);
            self.outbox.insert(entry.event_id.clone(), entry.clone());
            writes.push(Write::PutOutbox(Box::new(entry)));
        }
        Ok(writes)
    }

    /// The remote sides as they were before these writes, for the journal.
    async fn before(
        &self,
        answers: &[(OutboxEntry, Answer)],
    ) -> Result<HashMap<EventId, Before>, EngineError> {
        let ids: Vec<EventId> = answers
            .iter()
            .filter(|(entry, answer)| {
                !matches!(entry.op, OutboxOp::Create { .. })
                    && matches!(answer, Answer::Confirmed(_) | Answer::Deleted)
            })
            .map(|(entry, _)| entry.event_id.clone())
            .collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let bases = self.engine.store.bases(&self.link.id, BaseQuery::Events(&ids)).await?;
        Ok(bases
            .into_iter()
            .filter_map(|base| {
                let event = self.provider.read(&base.payload).ok()?;
                let open = OpenFields::of(&base, &event);
                Some((base.event_id, Before { event, open }))
            })
            .collect())
    }

    fn written(
        &mut self,
        entry: &OutboxEntry,
        written: Written,
        (before, open): (Option<Box<Event>>, Option<OpenFields>),
        sent: &mut Sent,
    ) -> Vec<Write> {
        let (OutboxOp::Create { payload } | OutboxOp::Update { payload, .. }) = &entry.op else {
            return Vec::new();
        };
        self.counts.pushed += 1;
        let echo = written.payload.is_none().then(|| (written.id.clone(), written.version.clone()));
        // Until the echo is read, what the provider made of it is not known, and no later write may be a patch of what was
        // sent: without a version the item is read first.
        let version = written.version.filter(|_| echo.is_none());
        let stored = written.payload.unwrap_or_else(|| payload.clone());
        let mut writes = Vec::new();
        if written.id != entry.remote_id {
            writes.push(Write::DeleteBase { link: entry.link.clone(), remote_id: entry.remote_id.clone() });
        }
        writes.extend(self.confirmed(entry, (written.id, version), stored, before, open.as_ref()));
        if let Some((id, version)) = echo {
            let (local, event_id) = (entry.local.clone(), entry.event_id.clone());
            sent.echoes.push(Echo { id, version, local, open, event_id });
        }
        writes
    }

    fn confirmed(
        &mut self,
        entry: &OutboxEntry,
        (id, version): (RemoteId, Option<Version>),
        payload: Payload,
        before: Option<Box<Event>>,
        open: Option<&OpenFields>,
    ) -> Vec<Write> {
        let read = self.provider.read(&payload).ok();
        let op = match entry.op {
            OutboxOp::Create { .. } => JournalOp::RemoteCreate,
            _ => JournalOp::RemoteUpdate,
        };
        let journal = self.journal(op, entry, &id, before);
        let local = entry.local.clone().filter(|local| read.as_ref() != Some(&**local));
        let mut base = BaseRecord {
            link: entry.link.clone(),
            remote_id: id,
            event_id: entry.event_id.clone(),
            version,
            payload,
            local,
            remote: None,
            state: BaseState::Linked,
        };
        if let (Some(open), Some(read)) = (open, &read) {
            open.keep(&mut base, read);
        }
        vec![Write::PutBase(Box::new(base)), journal]
    }

    fn removed(&mut self, entry: &OutboxEntry, before: Option<Box<Event>>) -> Vec<Write> {
        self.counts.pushed += 1;
        let journal = self.journal(JournalOp::RemoteDelete, entry, &entry.remote_id, before);
        vec![Write::DeleteBase { link: entry.link.clone(), remote_id: entry.remote_id.clone() }, journal]
    }

    pub(super) fn journal(
        &mut self,
        op: JournalOp,
        entry: &OutboxEntry,
        id: &RemoteId,
        before: Option<Box<Event>>,
    ) -> Write {
        Write::PutJournal(Box::new(JournalEntry {
            id: self.next_id(),
            link: entry.link.clone(),
            run: self.id.clone(),
            event_id: entry.event_id.clone(),
            remote_id: Some(id.clone()),
            op,
            reason: entry.reason.clone(),
            before,
            fields: entry.fields.clone(),
            evidence: (op == JournalOp::RemoteDelete).then_some(Evidence::DeletedHere),
            after: Some(left_as(entry.local.as_deref())),
            at: self.engine.clock.now(),
        }))
    }

    fn failed(&mut self, mut entry: OutboxEntry, error: ProviderError, sent: &mut Sent) -> Vec<Write> {
        match error.kind {
            // Somebody else was faster, or it is gone: what was decided is void, and decided again on what is there.
            // Until then it stays: a run that ends in between would leave nobody who knows that something is to be sent.
            ErrorKind::VersionMismatch | ErrorKind::NotFound => {
                sent.changed.push((entry.remote_id.clone(), entry.event_id.clone()));
                self.voided.insert(entry.event_id.clone());
                self.outbox.insert(entry.event_id.clone(), entry);
                return Vec::new();
            }
            ErrorKind::AlreadyExists { at: Some(at) } if at != entry.remote_id => {
                sent.elsewhere.push((at, entry));
                return Vec::new();
            }
            ErrorKind::AlreadyExists { .. } => {
                // Under our own name it is our own write, applied when its answer was lost.
                sent.changed.push((entry.remote_id.clone(), entry.event_id.clone()));
                self.voided.insert(entry.event_id.clone());
                self.outbox.insert(entry.event_id.clone(), entry);
                return Vec::new();
            }
            ErrorKind::Unauthorized | ErrorKind::CalendarGone => {
                sent.stop = Some(error);
                self.outbox.insert(entry.event_id.clone(), entry);
                return Vec::new();
            }
            _ if error.retry == Retry::Never && !error.is_ambiguous() => {
                entry.attempts += 1;
                entry.state = OutboxState::Wedged { kind: error.kind.clone(), detail: error.to_string() };
            }
            _ => {
                let now = self.engine.clock.now();
                entry = after_failure(&entry, &error, sent.health(), &self.link.retries, now);
                self.waiting += usize::from(!matches!(entry.state, OutboxState::Wedged { .. }));
                if stops_all(&error) {
                    sent.stop = Some(error);
                } else if error.kind == ErrorKind::Unavailable {
                    sent.down = Some(error);
                }
            }
        }
        self.wedged(&entry);
        self.outbox.insert(entry.event_id.clone(), entry.clone());
        vec![Write::PutOutbox(Box::new(entry))]
    }

    /// Tells about a write that waits for a person from now on.
    fn wedged(&self, entry: &OutboxEntry) {
        if let OutboxState::Wedged { kind, .. } = &entry.state {
            self.tell(&Progress::Wedged {
                link: self.link.id.clone(),
                event: entry.event_id.clone(),
                kind: kind.clone(),
            });
        }
    }

    /// Reads what the provider made of our writes: that, not what was sent, is its side of the base.
    async fn read_echoes(&mut self, echoes: Vec<Echo>) -> Result<(), EngineError> {
        let most = if self.capabilities.fetch_max == 0 { PAGE } else { self.capabilities.fetch_max };
        for group in echoes.chunks(most) {
            let ids: Vec<RemoteId> = group.iter().map(|echo| echo.id.clone()).collect();
            // A write that cannot be read back now is compared by the next pull.
            let Ok(fetched) = self.provider.fetch(&self.link.remote, &ids).await else { return Ok(()) };
            let mut writes = Vec::new();
            let mut edited = Vec::new();
            for fetched in fetched {
                let Fetched::Found { id, version, payload } = fetched else { continue };
                let Some(echo) = group.iter().find(|echo| echo.id == id) else { continue };
                let Ok(read) = self.provider.read(&payload) else { continue };
                // Without a version to compare, the same content is our own write coming back.
                let ours = match &echo.version {
                    Some(_) => echo.version == version,
                    None => echo.local.as_ref().is_some_and(|local| {
                        changed_fields(
                            &held(self.copies, self.provider, local),
                            &self.provider.project(&read),
                        )
                        .is_empty()
                    }),
                };
                if !ours {
                    edited.push(Item { id, version, payload: Some(payload) });
                    continue;
                }
                let mut base = BaseRecord {
                    link: self.link.id.clone(),
                    remote_id: id,
                    event_id: echo.event_id.clone(),
                    version,
                    payload,
                    local: echo.local.clone().filter(|local| **local != read),
                    remote: None,
                    state: BaseState::Linked,
                };
                if let Some(open) = &echo.open {
                    open.keep(&mut base, &read);
                }
                writes.push(Write::PutBase(Box::new(base)));
            }
            if !writes.is_empty() {
                self.commit(Batch { writes, ..Batch::default() }).await?;
            }
            self.chunk(edited, Found::Asked).await?;
        }
        Ok(())
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
fn stops_all(error: &ProviderError) -> bool {
    matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unauthorized | ErrorKind::CalendarGone)
}
