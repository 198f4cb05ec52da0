//! Pull, read, diff, plan and commit: page by page, a bounded number of items at a time.

use std::collections::{BTreeMap, HashMap};

use super::{
    EngineError, Progress,
    conflicts::OpenFields,
    pair::{Outcome, Pair, RemoteView},
    run::{Ids, Mode, PAGE, Pulled, Run},
};
use crate::{
    diff::changed_fields,
    model::{Event, EventId, RemoteId, Version},
    plan::Evidence,
    provider::{
        ChangePage, ChangeScope, ChangesRequest, Cursor, ErrorKind, Fetched, ItemChange, Payload,
        ProviderError, PullMode, Retry,
    },
    store::{BaseQuery, BaseRecord, EventRecord, Expectation, JournalOp, OutboxOp, Write},
};

/// Items decided and committed at once: what bounds the memory of a run.
const CHUNK: usize = 100;
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
    /// Pulls from the cursor, or everything when there is none, it is not accepted any more, or the audit is due.
    pub(super) async fn pull(&mut self) -> Result<Pulled, EngineError> {
        let now = self.engine.clock.now();
        // A provider that always lists everything needs no audit.
        let audit = self.audit
            || self.capabilities.pull_incremental
                && self.state.cursor.is_some()
                && self.state.last_audit.is_none_or(|last| now - last >= self.link.audit_every || last > now);
        let usable = self.state.cursor_key == self.link.cursor_key();
        let mut cursor = self.state.cursor.clone().filter(|_| usable);
        let mut mode = if audit { PullMode::Snapshot } else { PullMode::Incremental };
        let mut listed = Listed::default();
        let mut resynced = false;
        for _ in 0..PAGES_MAX {
            let request = ChangesRequest { cursor: cursor.as_ref(), mode };
            let page = match self.provider.changes(&self.link.remote, request).await {
                Ok(page) => page,
                Err(error) if error.kind == ErrorKind::CursorInvalid && !resynced => {
                    // Exactly one full resync; what it lists is compared, never imported anew.
                    resynced = true;
                    cursor = None;
                    mode = PullMode::Incremental;
                    listed = Listed::default();
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let more = page.more;
            if more && page.cursor.is_some() && page.cursor == cursor {
                return Err(stuck().into());
            }
            cursor.clone_from(&page.cursor);
            self.page(page, &mut listed).await?;
            if !more {
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
                    listed.removed.push(Gone { id: change.id, evidence: Evidence::Reported });
                }
                ItemChange::Present { version, payload } => {
                    if page.scope != ChangeScope::Delta {
                        listed.present.insert(change.id.clone());
                    }
                    let known = listed.summaries.get(&change.id);
                    if version.is_some()
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

    /// Ends a pull: what was deferred is settled, what is absent is found.
    async fn listed(&mut self, mut listed: Listed, cursor: Option<Cursor>) -> Result<Pulled, EngineError> {
        let complete = listed.scope == Some(ChangeScope::Snapshot);
        if complete {
            let absent: Vec<RemoteId> =
                listed.summaries.keys().filter(|id| !listed.present.contains(*id)).cloned().collect();
            self.confirm_absence(absent, &mut listed).await?;
            // What cannot be read has no base. A listing that lacks it lets it go; should it be there after all, the next
            // one sets it aside again.
            let unread = self.quarantine.keys().filter(|id| !listed.present.contains(*id));
            let unread = unread.map(|id| Gone { id: id.clone(), evidence: Evidence::Absent });
            listed.removed.extend(unread.collect::<Vec<_>>());
        }
        if !listed.removed.is_empty() {
            listed.incomplete |= self.defer_duplicates().await?;
        }
        let deferred = std::mem::take(&mut self.deferred);
        if !deferred.is_empty() {
            self.settle_deferred(deferred, &mut listed).await?;
        }
        Ok(Pulled { cursor, audited: complete, gone: listed.removed, incomplete: listed.incomplete })
    }

    /// What a complete listing lacks is asked for by name before it counts as gone: a listing that was taken while somebody
    /// wrote, or by a server that forgot an item, is no evidence by itself.
    async fn confirm_absence(
        &mut self,
        absent: Vec<RemoteId>,
        listed: &mut Listed,
    ) -> Result<(), EngineError> {
        let gone = |id| Gone { id, evidence: Evidence::Absent };
        if self.capabilities.pull_with_payload {
            // The listing is the content: asking again would read the same.
            listed.removed.extend(absent.into_iter().map(gone));
            return Ok(());
        }
        let most = if self.capabilities.fetch_max == 0 { PAGE } else { self.capabilities.fetch_max };
        for ids in absent.chunks(most) {
            let mut there = Vec::new();
            for fetched in self.provider.fetch(&self.link.remote, ids).await? {
                match fetched {
                    Fetched::Found { id, version, payload } => {
                        there.push(Item { id, version, payload: Some(payload) });
                    }
                    Fetched::Missing(id) => listed.removed.push(gone(id)),
                    // It may be there.
                    Fetched::Failed(..) => listed.incomplete = true,
                }
            }
            listed.incomplete |= self.chunk(there, Found::Asked).await?;
        }
        Ok(())
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
        let (items, incomplete) = self.with_payloads(items).await?;
        let items =
            items.into_iter().map(|(id, version, payload)| Item { id, version, payload: Some(payload) });
        self.deferred.extend(items);
        Ok(incomplete)
    }

    /// Items under a UID that another item of the calendar has: renamed when that one is gone, a duplicate when not.
    async fn settle_deferred(&mut self, deferred: Vec<Item>, listed: &mut Listed) -> Result<(), EngineError> {
        let gone: Ids = listed.removed.iter().map(|gone| gone.id.clone()).collect();
        let mut moved = Vec::new();
        let mut duplicates = Vec::new();
        // One item takes over a join; another one under the same UID waits like any duplicate.
        let mut taken = std::collections::HashSet::new();
        for item in deferred {
            let Some(payload) = &item.payload else { continue };
            let Ok(event) = self.provider.read(payload) else { continue };
            let holder = self.holder_of(&event.uid).await?;
            match holder {
                _ if taken.contains(&event.uid) => duplicates.push(item),
                Some(base) if !gone.contains(&base.remote_id) => duplicates.push(item),
                Some(base) => {
                    listed.removed.retain(|gone| gone.id != base.remote_id);
                    taken.insert(event.uid);
                    moved.push(item);
                }
                None => {
                    taken.insert(event.uid);
                    moved.push(item);
                }
            }
        }
        listed.incomplete |= self.chunk(moved, Found::Deferred).await?;
        let writes: Vec<Write> = duplicates
            .into_iter()
            .map(|item| {
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
        let mut bases = self.bases_by_remote(&ids).await?;
        // A version both sides agreed on, or one known to be unreadable, is not fetched again.
        let items: Vec<Item> = items
            .into_iter()
            .filter(|item| {
                item.version.is_none()
                    || bases.get(&item.id).is_none_or(|base| base.version != item.version)
                        && (found != Found::Listed || !self.is_quarantined(&item.id, &item.version))
            })
            .collect();
        let (items, incomplete) = self.with_payloads(items).await?;
        self.counts.pulled += items.len() as u64;
        let mut extra = Vec::new();
        let mut read = Vec::new();
        for (id, version, payload) in items {
            match self.provider.read(&payload) {
                Ok(event) => {
                    if self.quarantine.remove(&id).is_some() {
                        extra.push(Write::DeleteQuarantine {
                            link: self.link.id.clone(),
                            remote_id: id.clone(),
                        });
                    }
                    read.push(ReadItem { id, version, payload, event });
                }
                Err(error) => {
                    extra.push(self.set_aside(&id, version.as_ref(), error, Some(payload)));
                }
            }
        }
        let deferred = self.deferred.len();
        for attempt in 0.. {
            let outcomes = self.decide(&read, &bases, found).await?;
            if self.commit_outcomes(outcomes, extra.clone(), attempt).await? {
                break;
            }
            self.deferred.truncate(deferred);
            bases = self.bases_by_remote(&ids).await?;
        }
        Ok(incomplete)
    }

    async fn decide(
        &mut self,
        read: &[ReadItem],
        bases: &HashMap<RemoteId, BaseRecord>,
        found: Found,
    ) -> Result<Vec<Outcome>, EngineError> {
        let store = &self.engine.store;
        // Events by the UID of items that have no base, and the bases those events have under other names.
        let new: Vec<&str> = read
            .iter()
            .filter(|item| !bases.contains_key(&item.id))
            .map(|item| item.event.uid.as_str())
            .collect();
        let namesakes =
            if new.is_empty() { Vec::new() } else { store.events_by_uid(&self.link.calendar, &new).await? };
        let ids: Vec<EventId> = namesakes.iter().map(|record| record.id.clone()).collect();
        let joined: HashMap<EventId, BaseRecord> = if ids.is_empty() {
            HashMap::new()
        } else {
            let bases = store.bases(&self.link.id, BaseQuery::Events(&ids)).await?;
            bases.into_iter().map(|base| (base.event_id.clone(), base)).collect()
        };
        let ids: Vec<EventId> = bases.values().map(|base| base.event_id.clone()).collect();
        let mut events: HashMap<EventId, EventRecord> =
            by_id(if ids.is_empty() { Vec::new() } else { store.events(&self.link.calendar, &ids).await? });
        let mut by_uid: HashMap<&str, Vec<&EventRecord>> = HashMap::new();
        for record in &namesakes {
            by_uid.entry(&record.event.uid).or_default().push(record);
        }
        let mut outcomes = Vec::new();
        let mut taken: std::collections::HashSet<&str> = std::collections::HashSet::new();
        for item in read {
            let mut base = bases.get(&item.id);
            let mut local = base.and_then(|base| events.remove(&base.event_id));
            if base.is_none() {
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
                }
            }
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
                    if local.is_none() {
                        // Deleted events with its UID: should the host bring one back meanwhile, that one is the event.
                        let deleted = by_uid.get(item.event.uid.as_str()).into_iter().flatten();
                        outcome.expect.extend(deleted.map(|record| Expectation::Event {
                            calendar: self.link.calendar.clone(),
                            id: record.id.clone(),
                            revision: Some(record.revision),
                        }));
                    }
                    outcome.writes.extend(own.map(|(_, journal)| journal));
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
        Ok(outcomes)
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

    fn defer(&mut self, item: &ReadItem) {
        self.deferred.push(Item {
            id: item.id.clone(),
            version: item.version.clone(),
            payload: Some(item.payload.clone()),
        });
    }

    pub(super) async fn bases_by_remote(
        &self,
        ids: &[RemoteId],
    ) -> Result<HashMap<RemoteId, BaseRecord>, EngineError> {
        let bases = self.engine.store.bases(&self.link.id, BaseQuery::Remote(ids)).await?;
        Ok(bases.into_iter().map(|base| (base.remote_id.clone(), base)).collect())
    }

    /// Fetches what the listing did not carry. The flag says that something could not be read for now.
    async fn with_payloads(
        &mut self,
        items: Vec<Item>,
    ) -> Result<(Vec<(RemoteId, Option<Version>, Payload)>, bool), EngineError> {
        let mut ready = Vec::with_capacity(items.len());
        let mut wanted = Vec::new();
        for item in items {
            match item.payload {
                Some(payload) => ready.push((item.id, item.version, payload)),
                None => wanted.push(item.id),
            }
        }
        let mut incomplete = false;
        let most =
            if self.capabilities.fetch_max == 0 { wanted.len().max(1) } else { self.capabilities.fetch_max };
        let mut unreadable = Vec::new();
        for ids in wanted.chunks(most) {
            for fetched in self.provider.fetch(&self.link.remote, ids).await? {
                match fetched {
                    Fetched::Found { id, version, payload } => ready.push((id, version, payload)),
                    // Listed and not there: the next listing tells. Never a deletion.
                    Fetched::Missing(_) => {}
                    Fetched::Failed(id, error) if error.retry == Retry::Never => unreadable.push((id, error)),
                    Fetched::Failed(..) => incomplete = true,
                }
            }
        }
        if !unreadable.is_empty() {
            let writes = unreadable
                .into_iter()
                .map(|(id, error)| self.quarantine_write(&id, None, error.to_string(), None))
                .collect();
            self.commit_outcomes(Vec::new(), writes, usize::MAX).await?;
        }
        Ok((ready, incomplete))
    }

    /// Items the provider says are gone, or that a complete listing lacks.
    pub(super) async fn plan_remote_deletions(&mut self, gone: &[Gone]) -> Result<(), EngineError> {
        for chunk in gone.chunks(CHUNK) {
            let ids: Vec<RemoteId> = chunk.iter().map(|gone| gone.id.clone()).collect();
            let bases = self.bases_by_remote(&ids).await?;
            let mut extra = Vec::new();
            for id in &ids {
                if self.quarantine.remove(id).is_some() {
                    extra.push(Write::DeleteQuarantine { link: self.link.id.clone(), remote_id: id.clone() });
                }
            }
            let event_ids: Vec<EventId> = bases.values().map(|base| base.event_id.clone()).collect();
            for attempt in 0.. {
                let events = if event_ids.is_empty() {
                    HashMap::new()
                } else {
                    by_id(self.engine.store.events(&self.link.calendar, &event_ids).await?)
                };
                let mut outcomes = Vec::new();
                for Gone { id, evidence } in chunk {
                    let Some(base) = bases.get(id) else { continue };
                    let local = events.get(&base.event_id);
                    if self.left_the_window(local) {
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
                    let mut outcome = match self.consider(&pair).await? {
                        Ok(outcome) => outcome,
                        Err(error) => match local {
                            Some(record) => self.unwritable(record, Some(base), &error),
                            None => return Err(error.into()),
                        },
                    };
                    if let Some(operation) = &mut outcome.operation
                        && operation.deletes()
                    {
                        operation.evidence = Some(*evidence);
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
                    break;
                }
            }
        }
        Ok(())
    }

    /// A feed that publishes a window drops what is over; that is no deletion.
    fn left_the_window(&self, local: Option<&EventRecord>) -> bool {
        if !self.capabilities.pull_window_slides {
            return false;
        }
        let Some(body) = local.and_then(|record| record.event.body()) else { return false };
        let series = local.is_some_and(|record| record.event.is_series());
        let yesterday = self.engine.clock.now() - chrono::TimeDelta::days(1);
        !series && body.time.end.instant(&crate::zone::Zone::UTC) < yesterday
    }

    /// Ends a run: the cursor moves past what is applied, quarantined or queued, and past nothing else.
    pub(super) async fn settle(&mut self, pulled: Pulled) -> Result<(), EngineError> {
        if self.mode == Mode::Preview {
            return Ok(());
        }
        // What was held back or could not be done has to be seen again, on both sides.
        if self.plan.held || pulled.incomplete || self.unfinished {
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
        let ids: Vec<RemoteId> = page.changes.iter().map(|change| change.id.clone()).collect();
        for ids in ids.chunks(CHUNK) {
            let Ok(bases) = self.bases_by_remote(ids).await else { return cursor };
            let ours = page.changes.iter().filter(|change| ids.contains(&change.id)).all(|change| {
                let base = bases.get(&change.id);
                match &change.change {
                    ItemChange::Removed => base.is_none(),
                    ItemChange::Present { version, .. } => {
                        version.is_some() && base.is_some_and(|base| base.version == *version)
                    }
                }
            });
            if !ours {
                return cursor;
            }
        }
        page.cursor
    }
}

/// What a pull has seen so far.
#[derive(Default)]
struct Listed {
    scope: Option<ChangeScope>,
    has_summaries: bool,
    /// The versions both sides agreed on; loaded for snapshots only.
    summaries: BTreeMap<RemoteId, Option<Version>>,
    present: Ids,
    removed: Vec<Gone>,
    incomplete: bool,
}

pub(super) fn by_id(records: Vec<EventRecord>) -> HashMap<EventId, EventRecord> {
    records.into_iter().map(|record| (record.id.clone(), record)).collect()
}

fn stuck() -> ProviderError {
    ProviderError::new(ErrorKind::Protocol, "changes", "the pages do not end")
}
