//! What becomes of the answers to writes: a base, another try, or a question for a person.

use std::collections::HashMap;

use super::{
    EngineError, Progress,
    conflicts::OpenFields,
    copies::held,
    earlier::may_be_there,
    items::{Found, Item, by_id},
    journal::{content_of, left_as},
    outbox::{after_failure, stuck},
    push::{Answer, Echo, Sent, stops_all},
    remade::is_remaking,
    run::{PAGE, Run},
};
use crate::{
    diff::changed_fields,
    model::{Event, EventId, RemoteId, Version},
    plan::Evidence,
    provider::{ErrorKind, Fetched, Payload, ProviderError, Retry, Written},
    store::{
        BaseRecord, BaseState, Batch, JournalEntry, JournalOp, OutboxEntry, OutboxOp, OutboxState, Write,
    },
};

/// The remote side of a pair before a write.
struct Before {
    event: Event,
    open: Option<OpenFields>,
}

impl Run<'_> {
    /// Writes down what was answered; `Ok(false)` when there is nothing to write.
    pub(super) async fn confirm(
        &mut self,
        answers: Vec<(OutboxEntry, Answer)>,
        bases: &mut HashMap<EventId, BaseRecord>,
        sent: &mut Sent,
    ) -> Result<bool, EngineError> {
        let mut writes = Vec::new();
        sent.taken |=
            answers.iter().any(|(_, answer)| matches!(answer, Answer::Confirmed(_) | Answer::Deleted));
        let mut unsent = 0;
        for (entry, answer) in answers {
            let base = bases.remove(&entry.event_id);
            let (before, open) = match base.and_then(|base| self.before(&entry, &base, &answer)) {
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
                    if let Some(creation) = self.made_again(&entry) {
                        sent.depends += 1;
                        writes.push(creation);
                    }
                }
                Answer::Failed(error) => writes.extend(self.failed(entry, error, sent)),
                Answer::Unsent | Answer::Late => {
                    unsent += 1;
                    writes.extend(self.not_sent(entry));
                }
            }
        }
        writes.extend(self.same_uid(sent).await?);
        self.waiting += unsent;
        if unsent > 0 && sent.stop.is_none() {
            sent.stop = sent.down.take();
        }
        if writes.is_empty() {
            return Ok(false);
        }
        self.commit(Batch { writes, ..Batch::default() }).await?;
        Ok(true)
    }

    /// What becomes of creations whose UID an item of the calendar has: it is the same event and the two are joined, unless
    /// that item is joined to another event already. An event that is about to be deleted goes first, and the creation waits
    /// for that; otherwise there are two events here that only one item can be.
    async fn same_uid(&mut self, sent: &mut Sent) -> Result<Vec<Write>, EngineError> {
        let elsewhere = std::mem::take(&mut sent.elsewhere);
        if elsewhere.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<RemoteId> = elsewhere.iter().map(|(at, _)| at.clone()).collect();
        let bases = self.bases_by_remote(&ids).await?;
        let holders: Vec<EventId> = bases.values().map(|base| base.event_id.clone()).collect();
        let rows = by_id(self.engine.store.events(&self.link.calendar, &holders).await?);
        let mut writes = Vec::new();
        for (at, mut entry) in elsewhere {
            if bases.get(&at).is_none_or(|base| base.event_id == entry.event_id) {
                // It stays until they are joined: a run that could not read the item would forget the event otherwise.
                sent.changed.push((at, entry.event_id.clone()));
                self.voided.insert(entry.event_id.clone());
                self.outbox.insert(entry.event_id.clone(), entry);
                continue;
            }
            let holder = bases.get(&at).map(|base| &base.event_id);
            let deletion = holder.and_then(|holder| self.outbox.get(holder)).is_some_and(|entry| {
                let wedged = matches!(entry.state, OutboxState::Wedged { .. });
                matches!(entry.op, OutboxOp::Delete { .. }) && !wedged
            });
            // It is deleted in this run; or was, right after the creation was refused.
            let soon = deletion || self.ours.get(&at).is_some_and(Option::is_none);
            let deleted = holder.and_then(|holder| rows.get(holder)).is_some_and(|row| row.deleted.is_some());
            if soon || deleted {
                // Where a person is asked about the deletion first, the creation waits for the answer.
                sent.depends += usize::from(soon);
                self.waiting += usize::from(!soon);
                entry.state = OutboxState::Pending;
                self.outbox.insert(entry.event_id.clone(), entry.clone());
                writes.push(Write::PutOutbox(Box::new(entry)));
                continue;
            }
            let detail =
                "another event of this calendar has the same UID, and the item there is joined to it";
            let kind = ErrorKind::AlreadyExists { at: Some(at) };
            let entry = stuck(entry, kind, detail.to_owned(), self.engine.clock.now());
            self.wedged(&entry);
            self.outbox.insert(entry.event_id.clone(), entry.clone());
            writes.push(Write::PutOutbox(Box::new(entry)));
        }
        Ok(writes)
    }

    /// The remote side as it was before a write that was taken, for the journal.
    fn before(&self, entry: &OutboxEntry, base: &BaseRecord, answer: &Answer) -> Option<Before> {
        let taken = matches!(answer, Answer::Confirmed(_) | Answer::Deleted);
        if !taken || matches!(entry.op, OutboxOp::Create { .. }) {
            return None;
        }
        let event = self.provider.read(&base.payload).ok()?;
        let open = OpenFields::of(base, &event, entry);
        Some(Before { event, open })
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
            let journal = writes.iter().find_map(|write| match write {
                Write::PutJournal(entry) if entry.op == JournalOp::RemoteCreate => Some(entry.clone()),
                _ => None,
            });
            sent.echoes.push(Echo { id, version, local, open, event_id, journal });
        }
        writes
    }

    pub(super) fn confirmed(
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
        let mut journal = self.journal(op, entry, &id, before);
        if let Write::PutJournal(journal) = &mut journal {
            journal.there = read.as_ref().map(content_of);
        }
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
        self.note_ours(&base);
        vec![Write::PutBase(Box::new(base)), journal]
    }

    /// Remembers the version of what was written; without one nothing is known.
    fn note_ours(&mut self, base: &BaseRecord) {
        match &base.version {
            Some(version) => self.ours.insert(base.remote_id.clone(), Some(version.clone())),
            None => self.ours.remove(&base.remote_id),
        };
    }

    pub(super) fn removed(&mut self, entry: &OutboxEntry, before: Option<Box<Event>>) -> Vec<Write> {
        self.counts.pushed += 1;
        self.ours.insert(entry.remote_id.clone(), None);
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
            losses: entry.losses.clone(),
            evidence: (op == JournalOp::RemoteDelete)
                .then(|| if is_remaking(entry) { Evidence::MadeAgain } else { Evidence::DeletedHere }),
            after: Some(left_as(entry.local.as_deref())),
            there: None,
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
                let is_ambiguous = error.is_ambiguous();
                sent.stop = Some(error);
                if is_ambiguous {
                    // A creation of several requests, of which the first was served: it is looked for before anything else.
                    self.outbox.insert(entry.event_id.clone(), entry);
                    return Vec::new();
                }
                return self.not_sent(entry).into_iter().collect();
            }
            _ if error.retry == Retry::Never && !error.is_ambiguous() => {
                self.not_made.insert(entry.event_id.clone());
                entry = stuck(entry, error.kind.clone(), error.to_string(), self.engine.clock.now());
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

    /// A write that certainly had no effect waits as it did. A creation is not looked up again: what has its name by then is
    /// somebody else's.
    fn not_sent(&mut self, mut entry: OutboxEntry) -> Option<Write> {
        let marked = may_be_there(&entry);
        if marked {
            entry.state = OutboxState::Pending;
        }
        self.outbox.insert(entry.event_id.clone(), entry.clone());
        marked.then(|| Write::PutOutbox(Box::new(entry)))
    }

    /// Tells about a write that waits for a person from now on.
    pub(super) fn wedged(&self, entry: &OutboxEntry) {
        if let OutboxState::Wedged { kind, .. } = &entry.state {
            self.tell(&Progress::Wedged {
                link: self.link.id.clone(),
                event: entry.event_id.clone(),
                kind: kind.clone(),
            });
        }
    }

    /// Reads what the provider made of our writes: that, not what was sent, is its side of the base.
    /// What the last of them come to is returned, to be committed.
    pub(super) async fn read_echoes(&mut self, echoes: Vec<Echo>) -> Result<Vec<Write>, EngineError> {
        let most = if self.capabilities.fetch_max == 0 { PAGE } else { self.capabilities.fetch_max };
        let mut writes = Vec::new();
        for group in echoes.chunks(most) {
            let ids: Vec<RemoteId> = group.iter().map(|echo| echo.id.clone()).collect();
            // A write that cannot be read back now is compared by the next pull.
            let Ok(fetched) = self.provider.fetch(&self.link.remote, &ids).await else { break };
            if writes.len() >= PAGE {
                let writes = std::mem::take(&mut writes);
                self.commit(Batch { writes, ..Batch::default() }).await?;
            }
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
                self.note_ours(&base);
                writes.push(Write::PutBase(Box::new(base)));
                let there = Some(content_of(&read));
                writes.extend(echo.journal.clone().filter(|journal| journal.there != there).map(
                    |mut journal| {
                        journal.there = there;
                        Write::PutJournal(journal)
                    },
                ));
            }
            self.chunk(edited, Found::Asked).await?;
        }
        Ok(writes)
    }
}
