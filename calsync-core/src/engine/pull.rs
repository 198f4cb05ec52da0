//! Pull, read, diff, plan and commit: page by page, a bounded number of items at a time.

use std::collections::{BTreeMap, HashMap};

use super::{
    EngineError, Progress,
    conflicts::OpenFields,
    meeting::sent_before,
    pair::{Outcome, Pair, RemoteView},
    run::{Ids, Mode, PAGE, Pulled, Run},
    withdrawn::{let_return, withdrawn},
};
use crate::{
    diff::changed_fields,
    model::{Event, EventId, RemoteId, Version},
    plan::{Direction, Evidence},
    provider::{
        Change, ChangePage, ChangeScope, ChangesRequest, Cursor, ErrorKind, ItemChange, Payload,
        ProviderError, PullMode, UnreadKind,
    },
    store::{
        BaseQuery, BaseRecord, BaseState, EventRecord, Expectation, JournalOp, LinkHealth, OutboxOp, Write,
    },
};

/// Items decided and committed at once: what bounds the memory of a run.
pub(super) const CHUNK: usize = 100;
/// Pages of one pull: more means that a provider goes round in circles.
const PAGES_MAX: usize = 100_000;

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

/// An item that is gone, and what says so.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) id: RemoteId,
    pub(super) evidence: Evidence,
}

/// An item that was listed.
pub(super) struct Item {
    pub(super) id: RemoteId,
    pub(super) version: Option<Version>,
    pub(super) payload: Option<Payload>,
}

/// An item that was read.
struct ReadItem {
    id: RemoteId,
    version: Option<Version>,
    payload: Payload,
    event: Event,
}

impl Run<'_> {
    /// Whether the copies of an exporting link need not be looked at in this run: that was done not long ago, and there is
    /// nothing this run could write on what it does not know.
    pub(super) fn may_skip_the_pull(&self) -> bool {
        let (now, every) = (self.started, self.link.check_copies_every);
        let lately = self.state.last_pull.is_some_and(|last| last <= now && now - last < every);
        let nothing_here =
            self.edited_before.as_ref().is_some_and(|before| before.edited.is_empty() && !before.more);
        let nothing_waits = self.outbox.is_empty()
            && self.due.is_empty()
            && self.recheck.is_empty()
            && self.unfetched.is_empty()
            && self.meeting.is_settled();
        let nobody_asks = !self.look
            && !self.audit
            && self.approve.is_none()
            && self.refuse.is_none()
            && self.permit.is_none();
        self.link.direction == Direction::Export
            && lately
            && nothing_here
            && nothing_waits
            && nobody_asks
            && !self.renewed
            && !self.looks_for_rows
            && self.state.health == LinkHealth::Active
            && self.cursor_is_usable()
            && !self.audit_is_due()
    }

    /// A provider that always lists everything needs no audit.
    fn audit_is_due(&self) -> bool {
        let (now, every) = (self.engine.clock.now(), self.link.audit_every);
        self.capabilities.pull_incremental
            && self.state.cursor.is_some()
            && self.state.last_audit.is_none_or(|last| now - last >= every || last > now)
    }

    fn cursor_is_usable(&self) -> bool {
        self.state.cursor_key == self.link.cursor_key()
    }

    /// Pulls from the cursor, or everything when there is none, it is not accepted any more, or the audit is due.
    pub(super) async fn pull(&mut self) -> Result<Pulled, EngineError> {
        let audit = self.audit || self.audit_is_due();
        let usable = self.cursor_is_usable();
        let mut cursor = self.state.cursor.clone().filter(|_| usable);
        let mut mode = if audit { PullMode::Snapshot } else { PullMode::Incremental };
        self.ask_again().await?;
        let mut listed = Listed { incomplete: self.settle_answers().await?, ..Listed::default() };
        let mut resynced = false;
        let put_off = (self.deferred.len(), self.meeting.strangers());
        self.looks_for_rows |= audit || cursor.is_none() && self.state.last_audit.is_some();
        for _ in 0..PAGES_MAX {
            let request = ChangesRequest { cursor: cursor.as_ref(), mode };
            let page = match self.provider.changes(&self.link.remote, request).await {
                Ok(page) => page,
                Err(error) if error.kind == ErrorKind::CursorInvalid && !resynced => {
                    // Exactly one full resync; what it lists is compared, never imported anew.
                    resynced = true;
                    cursor = None;
                    mode = PullMode::Incremental;
                    listed = Listed { incomplete: listed.incomplete, ..Listed::default() };
                    // What was put off is listed again, as it is by then.
                    self.deferred.truncate(put_off.0);
                    self.meeting.forget_strangers(put_off.1);
                    self.left_out.clear();
                    self.looks_for_rows = true;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let (more, scope) = (page.more, page.scope);
            if more && page.cursor.is_some() && page.cursor == cursor {
                return Err(stuck().into());
            }
            cursor.clone_from(&page.cursor);
            self.page(page, &mut listed).await?;
            if !more {
                // Only a last page that is partial itself has a cursor that knows of the gap.
                let gap = listed.scope == Some(ChangeScope::PartialSnapshot);
                listed.incomplete |= gap && scope != ChangeScope::PartialSnapshot;
                return self.listed(listed, cursor).await;
            }
        }
        Err(stuck().into())
    }

    async fn page(&mut self, page: ChangePage, listed: &mut Listed) -> Result<(), EngineError> {
        self.tell(&Progress::Listed { link: self.link.id.clone(), changes: page.changes.len() });
        if page.scope != ChangeScope::Delta && !listed.has_summaries {
            listed.summaries = self.summaries().await?;
            listed.has_summaries = true;
        }
        self.rejoins = page.scope == ChangeScope::Snapshot && !listed.summaries.is_empty();
        listed.scope = Some(match (listed.scope, page.scope) {
            (Some(ChangeScope::PartialSnapshot), _) | (_, ChangeScope::PartialSnapshot) => {
                ChangeScope::PartialSnapshot
            }
            (_, scope) => scope,
        });
        let mut items = Vec::new();
        for change in page.changes {
            if self.unknown.contains(&change.id) {
                listed.incomplete = true;
                listed.present.insert(change.id);
                continue;
            }
            match change.change {
                ItemChange::Removed => {
                    listed.removed.insert(change.id, Evidence::Reported);
                }
                ItemChange::Present { version, payload } => {
                    // Reported once as gone and later as there: the last word counts.
                    listed.removed.remove(&change.id);
                    if page.scope != ChangeScope::Delta {
                        listed.present.insert(change.id.clone());
                    }
                    let known = listed.summaries.get(&change.id);
                    if version.is_some()
                        && !self.renewed
                        && (known.is_some_and(|known| *known == version)
                            || self.is_quarantined(&change.id, &version))
                    {
                        continue;
                    }
                    items.push(Item { id: change.id, version, payload });
                }
            }
        }
        let total = items.len();
        let mut done = 0;
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let chunk: Vec<Item> = items.by_ref().take(CHUNK).collect();
            done += chunk.len();
            listed.incomplete |= self.chunk(chunk, Found::Listed).await?;
            self.tell(&Progress::Pulled { link: self.link.id.clone(), done, total });
        }
        Ok(())
    }

    async fn summaries(&self) -> Result<BTreeMap<RemoteId, Option<Version>>, EngineError> {
        let mut all = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.engine.store.base_summaries(&self.link.id, after.as_ref(), PAGE * 5).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.remote_id.clone());
            all.extend(page.into_iter().map(|summary| (summary.remote_id, summary.version)));
        }
    }

    fn is_quarantined(&self, id: &RemoteId, version: &Option<Version>) -> bool {
        self.quarantine.get(id).is_some_and(|known| known.version == *version)
    }

    /// Reads, decides and commits up to [`CHUNK`] items. `Ok(true)`: something could not be read for now.
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
                    || self.renewed
                    || bases.get(&item.id).is_none_or(|base| base.version != item.version)
                        && (found != Found::Listed || !self.is_quarantined(&item.id, &item.version))
            })
            .collect();
        let names: Vec<RemoteId> =
            items.iter().filter(|item| !bases.contains_key(&item.id)).map(|item| item.id.clone()).collect();
        let (items, incomplete) = self.with_payloads(items).await?;
        self.unread_names |= incomplete && names.iter().any(|name| items.iter().all(|(id, ..)| id != name));
        self.counts.pulled += items.len() as u64;
        let mut extra = Vec::new();
        let mut read = Vec::new();
        for (id, version, payload) in items {
            match self.provider.read(&payload) {
                Ok(_) if found == Found::Listed && self.meeting.is_open(&id) => {
                    extra.extend(self.still_asked(&id, version.as_ref(), payload));
                }
                Ok(event) => {
                    extra.extend(self.let_out(&id));
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

    async fn decide(
        &mut self,
        read: &[ReadItem],
        bases: &HashMap<RemoteId, BaseRecord>,
        mut events: HashMap<EventId, EventRecord>,
        found: Found,
    ) -> Result<Vec<Outcome>, EngineError> {
        let store = &self.engine.store;
        // Events by the UID of items that have no base, and the bases those events have under other names.
        let new: Vec<&str> = read
            .iter()
            .filter(|item| !bases.contains_key(&item.id))
            .map(|item| item.event.uid.as_str())
            .collect();
        let mut namesakes =
            if new.is_empty() { Vec::new() } else { store.events_by_uid(&self.link.calendar, &new).await? };
        namesakes.extend(self.originals(&new).await?);
        let store = &self.engine.store;
        let matched: Vec<EventId> = read
            .iter()
            .filter_map(|item| self.meeting.matched.get(&item.id))
            .map(|(event, _)| event.clone())
            .collect();
        let ids: Vec<EventId> =
            namesakes.iter().map(|record| record.id.clone()).chain(matched.iter().cloned()).collect();
        let matched = by_id(if matched.is_empty() {
            Vec::new()
        } else {
            store.events(&self.link.calendar, &matched).await?
        });
        let unanswered = if new.is_empty() { Vec::new() } else { self.unanswered() };
        let sent: Vec<EventId> = unanswered.iter().map(|(event, _)| event.clone()).collect();
        let sent = by_id(if sent.is_empty() {
            Vec::new()
        } else {
            store.events(&self.link.calendar, &sent).await?
        });
        let joined: HashMap<EventId, BaseRecord> = if ids.is_empty() {
            HashMap::new()
        } else {
            let bases = store.bases(&self.link.id, BaseQuery::Events(&ids)).await?;
            bases.into_iter().map(|base| (base.event_id.clone(), base)).collect()
        };
        let unjoined = namesakes.iter().chain(matched.values()).map(|record| &record.id);
        let unjoined = unjoined.filter(|id| !joined.contains_key(*id));
        let withdrawn = withdrawn(&**store, &self.link.id, unjoined).await?;
        let hidden = self.copies.filter(|copies| copies.hides_uids());
        let copied_uids: HashMap<EventId, Vec<String>> = hidden.map_or_else(HashMap::new, |copies| {
            let copied = |record: &EventRecord| copies.copied_uids(&record.event.uid).collect();
            namesakes.iter().map(|record| (record.id.clone(), copied(record))).collect()
        });
        let mut by_uid: HashMap<&str, Vec<&EventRecord>> = HashMap::new();
        for record in &namesakes {
            by_uid.entry(&record.event.uid).or_default().push(record);
            for copied in copied_uids.get(&record.id).into_iter().flatten() {
                by_uid.entry(copied).or_default().push(record);
            }
        }
        let mut outcomes = Vec::new();
        let mut found_again: std::collections::HashSet<EventId> = std::collections::HashSet::new();
        let mut taken: std::collections::HashSet<&str> = std::collections::HashSet::new();
        for item in read {
            let mut base = bases.get(&item.id);
            let mut local = base.and_then(|base| events.remove(&base.event_id));
            if local.is_none() && base.is_some_and(|base| self.lost_its_row(base)) {
                base = None;
            }
            let mut sure = None;
            if base.is_none()
                && let Some((event, confidence)) = self.meeting.matched.get(&item.id)
                && found_again.insert(event.clone())
            {
                base = joined.get(event);
                local = matched.get(event).filter(|record| record.deleted.is_none()).cloned();
                sure = Some(*confidence);
            } else if base.is_none() {
                let candidates = by_uid.get(item.event.uid.as_str()).map_or(&[][..], Vec::as_slice);
                let joined_elsewhere = candidates.iter().find_map(|record| joined.get(&record.id));
                if let Some(other) = joined_elsewhere {
                    if found != Found::Deferred {
                        self.defer(item);
                        continue;
                    }
                    base = Some(other);
                    local =
                        candidates.iter().find(|record| record.id == other.event_id).map(|r| (*r).clone());
                } else if !taken.insert(&item.event.uid) {
                    // Two new items under one UID in one chunk: the second waits until the first is joined.
                    self.defer(item);
                    continue;
                } else {
                    local = candidates.iter().find(|record| record.deleted.is_none()).map(|r| (*r).clone());
                    if local.is_none() {
                        local =
                            sent_before(&unanswered, &item.event).and_then(|event| sent.get(event).cloned());
                    }
                    if local.is_none()
                        && found == Found::Listed
                        && self.puts_off(&item.id, item.version.as_ref(), &item.payload, &item.event).await?
                    {
                        continue;
                    }
                    if local.is_none() {
                        // What was deleted under its UID comes back as what it was: another link may still hold it, and two
                        // events of one calendar never share a UID.
                        local = candidates.iter().max_by_key(|record| record.revision).map(|r| (*r).clone());
                    }
                }
            }
            let unjoined = local.as_ref().filter(|_| base.is_none());
            let unjoined = unjoined.and_then(|record| Some((record, withdrawn.get(&record.id)?)));
            let mut returned = None;
            if let Some((record, gone)) = unjoined {
                if gone.is(&item.id, item.version.as_ref()) {
                    continue;
                }
                returned = Some(let_return(&self.link.id, &record.id));
            }
            let arrived = match local.as_ref().filter(|_| base.is_none()) {
                Some(record) => self.arrived(record).await?,
                None => None,
            };
            let own = base.and_then(|base| self.own_write(base, item));
            base = own.as_ref().map(|(base, _)| base).or(base);
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
                local: local.as_ref(),
                base,
                base_event,
            };
            match self.consider(&pair).await? {
                Ok(mut outcome) => {
                    // What an earlier run decided on an older state of the item is decided anew.
                    outcome.supersedes.clone_from(&outcome.event_id);
                    if let Some(sure) = sure {
                        let reason = match sure {
                            Some(sure) => {
                                format!("title, start and place are the same on both sides ({sure})")
                            }
                            None => "a person said that it is the same event".to_owned(),
                        };
                        // Nothing else tells later why two events with different UIDs are one.
                        if let Some(event) = &outcome.event_id {
                            outcome.writes.push(self.with_context(|cx| {
                                cx.journal(JournalOp::Kept, event, Some(&item.id), &reason, None, Vec::new())
                            }));
                        }
                        if let Some(operation) = &mut outcome.operation {
                            operation.reason = reason;
                        }
                    }
                    let lives = local.as_ref().is_some_and(|record| record.deleted.is_none());
                    if !lives {
                        // Deleted events with its UID: should the host bring one back meanwhile, that one is the event.
                        let deleted = by_uid.get(item.event.uid.as_str()).into_iter().flatten();
                        outcome.expect.extend(deleted.map(|record| Expectation::Event {
                            calendar: self.link.calendar.clone(),
                            id: record.id.clone(),
                            revision: Some(record.revision),
                        }));
                    }
                    if !lives && base.is_none() {
                        // And should somebody make one under its UID meanwhile, the two are joined.
                        let known = by_uid.get(item.event.uid.as_str()).into_iter().flatten();
                        outcome.expect.push(Expectation::Uid {
                            calendar: self.link.calendar.clone(),
                            uid: item.event.uid.clone(),
                            events: known.map(|record| record.id.clone()).collect(),
                        });
                    }
                    outcome.writes.extend(own.map(|(_, journal)| journal));
                    outcome.writes.extend(returned);
                    outcome.writes.extend(arrived);
                    outcomes.push(outcome);
                }
                Err(error) => {
                    let write = self.quarantine_write(
                        &item.id,
                        item.version.as_ref(),
                        error.to_string(),
                        Some(item.payload.clone()),
                    );
                    outcomes.push(Outcome { writes: vec![write], ..Outcome::default() });
                }
            }
        }
        let again: Ids = self.give_way(&mut outcomes, bases.values()).await?.into_iter().collect();
        read.iter().filter(|item| again.contains(&item.id)).for_each(|item| self.defer(item));
        Ok(outcomes)
    }

    /// Events whose copies have one of some UIDs, where copies have others than their events: what the link knew of its
    /// copies may be lost, and they are found again instead of made twice.
    async fn originals(&mut self, uids: &[&str]) -> Result<Vec<EventRecord>, EngineError> {
        let Some(copies) = self.copies.filter(|copies| copies.hides_uids() && !uids.is_empty()) else {
            return Ok(Vec::new());
        };
        if self.by_copied_uid.is_none() {
            let mut all = HashMap::new();
            let mut after = crate::store::Revision::default();
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
        let open = before.as_ref().and_then(|before| OpenFields::of(base, before));
        let journal = self.journal(JournalOp::RemoteUpdate, &entry, &item.id, before);
        let mut agreed =
            BaseRecord { payload: item.payload.clone(), local: entry.local, remote: None, ..base.clone() };
        if let Some(open) = open {
            open.keep(&mut agreed, &item.event);
        }
        Some((agreed, journal))
    }

    /// A joined event without a row was not deleted here, or the row would say so: it was lost, and comes in again.
    fn lost_its_row(&self, base: &BaseRecord) -> bool {
        base.state == BaseState::Linked
            && !self
                .outbox
                .get(&base.event_id)
                .is_some_and(|entry| matches!(entry.op, OutboxOp::Delete { .. }))
    }

    fn defer(&mut self, item: &ReadItem) {
        self.deferred.push(Item {
            id: item.id.clone(),
            version: item.version.clone(),
            payload: Some(item.payload.clone()),
        });
    }

    /// Bases of items with the events they are joined to.
    async fn pairs(
        &self,
        ids: &[RemoteId],
    ) -> Result<(HashMap<RemoteId, BaseRecord>, HashMap<EventId, EventRecord>), EngineError> {
        let pairs = self.engine.store.pairs(&self.link.id, &self.link.calendar, ids).await?;
        let bases = pairs.bases.into_iter().map(|base| (base.remote_id.clone(), base));
        Ok((bases.collect(), by_id(pairs.events)))
    }

    pub(super) async fn bases_by_remote(
        &self,
        ids: &[RemoteId],
    ) -> Result<HashMap<RemoteId, BaseRecord>, EngineError> {
        let bases = self.engine.store.bases(&self.link.id, BaseQuery::Remote(ids)).await?;
        Ok(bases.into_iter().map(|base| (base.remote_id.clone(), base)).collect())
    }

    /// Ends a run: the cursor moves past what is applied, quarantined or queued, and past nothing else.
    pub(super) async fn settle(&mut self, pulled: Pulled) -> Result<(), EngineError> {
        if self.mode == Mode::Preview {
            return Ok(());
        }
        // What was held back or could not be done has to be seen again, on both sides.
        if self.plan.held || pulled.incomplete || self.unfinished || !self.left_out.is_empty() {
            self.state.seen = self.seen_before;
            return Ok(());
        }
        let mut cursor = pulled.cursor;
        if self.counts.pushed > 0 && self.capabilities.pull_incremental && cursor.is_some() {
            // Our own writes come back with the next pull; reading them now keeps that pull empty.
            cursor = self.past_echo(cursor).await;
        }
        if cursor.is_some() {
            self.state.cursor = cursor;
        }
        self.state.cursor_key = self.link.cursor_key();
        if pulled.asked {
            self.state.last_pull = Some(self.started);
        }
        if pulled.audited {
            self.state.last_audit = Some(self.engine.clock.now());
        }
        Ok(())
    }

    /// The cursor after our own writes, if nothing else happened in between; else the one before them.
    async fn past_echo(&mut self, cursor: Option<Cursor>) -> Option<Cursor> {
        let request = ChangesRequest { cursor: cursor.as_ref(), mode: PullMode::Incremental };
        let Ok(page) = self.provider.changes(&self.link.remote, request).await else { return cursor };
        if page.more || page.scope != ChangeScope::Delta || page.cursor.is_none() {
            return cursor;
        }
        for changes in page.changes.chunks(CHUNK) {
            let wrote = |change: &Change| match (&change.change, self.ours.get(&change.id)) {
                (ItemChange::Removed, Some(None)) => true,
                (ItemChange::Present { version, .. }, Some(ours)) => version.is_some() && ours == version,
                _ => false,
            };
            // Written earlier, and announced late.
            let others: Vec<&Change> = changes.iter().filter(|change| !wrote(change)).collect();
            if others.is_empty() {
                continue;
            }
            let ids: Vec<RemoteId> = others.iter().map(|change| change.id.clone()).collect();
            let Ok(bases) = self.bases_by_remote(&ids).await else { return cursor };
            let ours = others.iter().all(|change| {
                let base = bases.get(&change.id);
                match &change.change {
                    ItemChange::Removed => base.is_none() && !self.quarantine.contains_key(&change.id),
                    ItemChange::Present { version, .. } => {
                        version.is_some() && base.is_some_and(|base| base.version == *version)
                    }
                }
            });
            if !ours {
                return cursor;
            }
        }
        self.counts.echoed = page.changes.len() as u64;
        page.cursor
    }
}

/// What a pull has seen so far.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) scope: Option<ChangeScope>,
    pub(super) has_summaries: bool,
    /// The versions both sides agreed on; loaded for snapshots only.
    pub(super) summaries: BTreeMap<RemoteId, Option<Version>>,
    pub(super) present: Ids,
    /// Each item once, however often it was reported.
    pub(super) removed: BTreeMap<RemoteId, Evidence>,
    pub(super) incomplete: bool,
}

pub(super) fn by_id(records: Vec<EventRecord>) -> HashMap<EventId, EventRecord> {
    records.into_iter().map(|record| (record.id.clone(), record)).collect()
}

fn stuck() -> ProviderError {
    ProviderError::new(ErrorKind::Protocol, "changes", "the pages do not end")
}
