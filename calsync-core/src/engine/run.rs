//! One run on one link: its lease, its state, its commits.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Engine, EngineError, Link, Progress, SyncOptions, SyncReport,
    copies::Copies,
    fetching::Unfetched,
    journal::note_what_is_left,
    meeting::Meeting,
    pair::{Context, Outcome},
    pull::Gone,
};
use crate::{
    model::{EventId, RemoteId, RunId, Version},
    plan::{Action, Evidence, Operation, Permit, Plan, PlanId},
    provider::{Capabilities, Cursor, ErrorKind, Provider, ProviderError, ReadError, UnreadKind},
    store::{
        Batch, CommitReceipt, LeaseGrant, LeaseToken, LinkHealth, LinkState, Log, OutboxEntry, OutboxOp,
        OutboxState, QuarantineRecord, Record, RecordKind, RecordQuery, Revision, RunCounts, RunOutcome,
        RunRecord, Write,
    },
};

/// How long a lease lasts. A worker that dies is replaced after this; one that works renews in time.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(10);
/// Rows of a log forgotten at once.
const PURGED: usize = 5_000;
/// Rows read from the store at once.
pub(super) const PAGE: usize = 200;
/// How often a step is decided again when the host edits the same events meanwhile.
const ATTEMPTS: usize = 5;

/// Whether a run writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Apply,
    Preview,
}

/// What the pull learned that is used once everything else is committed.
#[derive(Default)]
pub(super) struct Pulled {
    /// Where the next pull starts; `None` to keep the old cursor.
    pub(super) cursor: Option<Cursor>,
    /// Everything there is was listed and compared.
    pub(super) audited: bool,
    /// Items that are gone.
    pub(super) gone: Vec<Gone>,
    /// Something could not be read for now: the cursor must not move past it.
    pub(super) incomplete: bool,
}

/// An item that is not an event here, and the version it was not one at.
pub(super) struct Unread {
    pub(super) version: Option<Version>,
    kind: UnreadKind,
}

/// A deletion that is decided and waits for the guard.
pub(super) struct PlannedDeletion {
    pub(super) operation: Operation,
    /// The revision of the local event it was decided on.
    pub(super) revision: Option<Revision>,
}

pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) link: &'a Link,
    pub(super) provider: &'a dyn Provider,
    /// What is copied, when it is not everything.
    pub(super) copies: Option<&'a Copies<'a>>,
    /// The rules for copies changed since everything was compared: it is brought in line with the new ones.
    pub(super) renewed: bool,
    /// Joined items that the pipeline lets through no more.
    pub(super) left_out: BTreeSet<RemoteId>,
    /// By which step; `None`: by none.
    pub(super) left_out_by: HashMap<RemoteId, Option<String>>,
    /// Events by the UID of their copies, once they were asked for.
    pub(super) by_copied_uid: Option<HashMap<String, EventId>>,
    pub(super) capabilities: Capabilities,
    pub(super) mode: Mode,
    pub(super) id: RunId,
    pub(super) state: LinkState,
    pub(super) approve: Option<PlanId>,
    pub(super) refuse: Option<PlanId>,
    pub(super) audit: bool,
    /// What may be done, when it is not everything.
    pub(super) permit: Option<Permit>,
    pub(super) plan: Plan,
    pub(super) counts: RunCounts,
    /// Events dealt with in this run, by the revision they have now.
    pub(super) handled: HashMap<EventId, Revision>,
    /// Items in quarantine, by the version they were unreadable at.
    pub(super) quarantine: HashMap<RemoteId, Unread>,
    /// Joined items that are over and that a sliding feed does not list any more: no deletions, and nothing that is left.
    pub(super) slid_out: HashSet<RemoteId>,
    /// Items that could not be fetched for now; those tried often enough are in quarantine too.
    pub(super) unfetched: HashMap<RemoteId, Unfetched>,
    /// Those in quarantine that are only duplicates of another item.
    pub(super) duplicates: BTreeSet<RemoteId>,
    /// Writes that are decided and not confirmed, of earlier runs and of this one.
    pub(super) outbox: BTreeMap<EventId, OutboxEntry>,
    /// Events whose write met another version, or none: their entry stays until it is decided what takes its place.
    pub(super) voided: HashSet<EventId>,
    /// Events to look at again, because what was sent for them is not what they are now.
    pub(super) recheck: Vec<EventId>,
    pub(super) deletions: Vec<PlannedDeletion>,
    /// Those of them that wait for a person.
    pub(super) held: Vec<PlannedDeletion>,
    /// The held plan that was approved or refused in this run.
    pub(super) approved: Option<PlanId>,
    pub(super) refused: Option<PlanId>,
    /// Deletions of this run that nobody was asked about.
    pub(super) unasked: u64,
    /// Names of items that came under a UID which another item of the calendar has.
    pub(super) deferred: Vec<super::pull::Item>,
    /// Items of our own that could not be looked up: whatever a listing says of them is not decided in this run.
    pub(super) unknown: HashSet<RemoteId>,
    /// Items that an earlier run may have deleted, and that are there.
    pub(super) not_deleted: HashSet<RemoteId>,
    /// An item under a name that is not known yet could not be read for now.
    pub(super) unread_names: bool,
    /// Items that may be events here under another UID.
    pub(super) meeting: Meeting,
    /// The listing is of everything, so an item may turn out to be another one under a new name and UID.
    pub(super) rejoins: bool,
    /// Rows may be lost: every joined event is looked for.
    pub(super) looks_for_rows: bool,
    pub(super) waiting: usize,
    /// The mark of planned local changes when the run began.
    pub(super) seen_before: Revision,
    /// Something was left for the next run, which has to see it again.
    pub(super) unfinished: bool,
    lease: Option<LeaseToken>,
    holder: String,
    renew_at: DateTime<Utc>,
    started: DateTime<Utc>,
    recorded: bool,
    requests_before: u64,
    sequence: u32,
}

impl<'a> Run<'a> {
    pub(super) async fn begin(
        engine: &'a Engine,
        link: &'a Link,
        (provider, copies): (&'a dyn Provider, Option<&'a Copies<'a>>),
        mode: Mode,
        options: &SyncOptions,
    ) -> Result<Self, EngineError> {
        let now = engine.clock.now();
        let holder = engine.ids.fresh();
        let mut run = Self {
            engine,
            link,
            provider,
            copies,
            renewed: false,
            left_out: BTreeSet::new(),
            left_out_by: HashMap::new(),
            by_copied_uid: None,
            capabilities: provider.capabilities(),
            mode,
            id: RunId::from(format!("{:012x}-{}", now.timestamp_millis().max(0), short(&engine.ids.fresh()))),
            state: new_state(link),
            approve: options.approve.clone(),
            refuse: options.refuse.clone(),
            audit: options.audit,
            permit: None,
            plan: Plan { link: link.id.clone(), operations: Vec::new(), held: false },
            counts: RunCounts::default(),
            handled: HashMap::new(),
            quarantine: HashMap::new(),
            slid_out: HashSet::new(),
            unfetched: HashMap::new(),
            duplicates: BTreeSet::new(),
            outbox: BTreeMap::new(),
            voided: HashSet::new(),
            recheck: Vec::new(),
            deletions: Vec::new(),
            held: Vec::new(),
            approved: None,
            refused: None,
            unasked: 0,
            deferred: Vec::new(),
            unknown: HashSet::new(),
            meeting: Meeting::default(),
            rejoins: false,
            looks_for_rows: false,
            waiting: 0,
            seen_before: Revision::default(),
            unfinished: false,
            not_deleted: HashSet::new(),
            unread_names: false,
            lease: None,
            holder,
            renew_at: now,
            started: now,
            recorded: false,
            requests_before: provider.requests(),
            sequence: 0,
        };
        run.keep_lease().await?;
        match run.load().await {
            Ok(()) => Ok(run),
            Err(error) => {
                run.release().await;
                Err(error)
            }
        }
    }

    /// The steps of a run, in their order.
    pub(super) async fn steps(&mut self) -> Result<(), EngineError> {
        // What an earlier run decided and did not see confirmed comes first: it is part of what both sides hold.
        self.push_earlier().await?;
        let pulled = self.pull().await?;
        self.plan_remote_deletions(&pulled.gone).await?;
        self.plan_local_changes().await?;
        self.carry_out_deletions().await?;
        self.push().await?;
        self.settle(pulled).await
    }

    async fn load(&mut self) -> Result<(), EngineError> {
        if let Some(mut state) = self.engine.store.link(&self.link.id).await? {
            if self.link.moved_from.as_ref() == Some(&state.remote) {
                // Its cursor is of the old name and not used: `cursor_key` holds that.
                state.remote.clone_from(&self.link.remote);
            }
            if state.calendar != self.link.calendar || state.remote != self.link.remote {
                return Err(EngineError::LinkMoved { link: self.link.id.to_string() });
            }
            self.seen_before = state.seen;
            self.state = state;
            self.check_revisions().await?;
            if self.link.goes_otherwise(&self.state.cursor_key) {
                // What was done here while nothing went out is looked at as well.
                (self.state.seen, self.seen_before) = (Revision::default(), Revision::default());
            }
            if self.link.copies_otherwise(&self.state.cursor_key) {
                self.renewed = true;
                (self.state.seen, self.seen_before) = (Revision::default(), Revision::default());
            }
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.records(RecordKind::Quarantine, after.as_deref()).await?;
            let Some(Record::Quarantine(last)) = page.last() else { break };
            after = Some(last.remote_id.as_str().to_owned());
            for record in page {
                if let Record::Quarantine(record) = record {
                    if record.reason == super::pull::DUPLICATE {
                        self.duplicates.insert(record.remote_id.clone());
                    }
                    if record.kind == UnreadKind::Unfetched && !self.remember_unfetched(&record) {
                        continue;
                    }
                    self.meeting.remember(&record);
                    // Under other rules it is looked at again.
                    let stale = self.renewed && record.kind == UnreadKind::LeftOut;
                    let version = record.version.filter(|_| !stale);
                    let unread = Unread { version, kind: record.kind };
                    self.quarantine.insert(record.remote_id, unread);
                }
            }
        }
        let mut after = None;
        loop {
            let page = self.engine.store.outbox(&self.link.id, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            self.outbox.extend(page.into_iter().map(|entry| (entry.event_id.clone(), entry)));
        }
        Ok(())
    }

    /// Revisions never go back, and the last one that was seen is there unless its event was purged. Where it is missing
    /// the host may have lost or restored its rows: then all of them are looked at again.
    async fn check_revisions(&mut self) -> Result<(), EngineError> {
        let Some(before) = self.state.seen.0.checked_sub(1).map(Revision) else { return Ok(()) };
        let store = &self.engine.store;
        if !store.events_since(&self.link.calendar, before, 1).await?.is_empty() {
            return Ok(());
        }
        (self.state.seen, self.seen_before) = (Revision::default(), Revision::default());
        self.looks_for_rows = true;
        // A calendar that is empty as a whole is filled again at once.
        self.audit |= store.events_since(&self.link.calendar, Revision::default(), 1).await?.is_empty();
        Ok(())
    }

    pub(super) async fn records(
        &self,
        kind: RecordKind,
        after: Option<&str>,
    ) -> Result<Vec<Record>, EngineError> {
        let query = RecordQuery { kind, link: &self.link.id, event: None, run: None, after, limit: PAGE };
        Ok(self.engine.store.records(query).await?)
    }

    /// Takes the lease, or renews it when a good part of it has passed. Called before every commit.
    pub(super) async fn keep_lease(&mut self) -> Result<(), EngineError> {
        let now = self.engine.clock.now();
        if self.mode == Mode::Preview || (self.lease.is_some() && now < self.renew_at) {
            return Ok(());
        }
        let name = Engine::lease_name(&self.link.id);
        match self.engine.store.acquire_lease(&name, &self.holder, now, LEASE).await? {
            LeaseGrant::Granted(token) => {
                // Somebody else had the lease in between when it changed hands more than once, from nobody to us: what
                // was read under the old one may be stale, so the run ends instead of going on under the new one. One
                // change is our own return to a lease that ran out while a provider was slow.
                if self.lease.as_ref().is_some_and(|old| token.epoch > old.epoch.saturating_add(1)) {
                    return Err(EngineError::Busy { until: now + LEASE });
                }
                self.lease = Some(token);
                self.renew_at = now + LEASE / 3;
                Ok(())
            }
            LeaseGrant::Held { until } => Err(EngineError::Busy { until }),
        }
    }

    /// Until when nobody else can have the lease, by our clock.
    pub(super) fn lease_until(&self) -> DateTime<Utc> {
        self.renew_at + (LEASE - LEASE / 3)
    }

    async fn release(&mut self) {
        if let Some(token) = self.lease.take() {
            // A lease that cannot be given back runs out by itself.
            let _ = self.engine.store.release_lease(&token).await;
        }
    }

    /// An id that sorts after all earlier ones of this run.
    pub(super) fn next_id(&mut self) -> String {
        self.sequence += 1;
        format!("{}-{:06x}", self.id, self.sequence)
    }

    /// Runs `decide` with what surrounds a decision.
    pub(super) fn with_context<T>(&mut self, decide: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let (engine, link, provider) = (self.engine, self.link, self.provider);
        let (copies, renewed) = (self.copies, self.renewed);
        let run = self.id.clone();
        let mut next = || self.next_id();
        decide(&mut Context {
            link,
            provider,
            copies,
            renewed,
            run: &run,
            ids: &*engine.ids,
            now: engine.clock.now(),
            next: &mut next,
        })
    }

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
                    .filter(|entry| !super::outbox::is_nameless(entry));
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
        batch.lease.clone_from(&self.lease);
        note_what_is_left(&mut batch.writes);
        if !self.recorded {
            batch.writes.push(Write::PutRun(Box::new(self.record(RunOutcome::Running))));
        }
        let receipt = self.engine.store.commit(batch).await?;
        self.recorded = true;
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

    pub(super) fn quarantine_write(
        &mut self,
        remote_id: &RemoteId,
        version: Option<&Version>,
        reason: String,
        payload: Option<crate::provider::Payload>,
    ) -> Write {
        self.set_aside(remote_id, version, ReadError { kind: UnreadKind::Unreadable, reason }, payload)
    }

    /// Keeps an item that is not an event here out of the way until its version changes.
    pub(super) fn set_aside(
        &mut self,
        remote_id: &RemoteId,
        version: Option<&Version>,
        error: ReadError,
        payload: Option<crate::provider::Payload>,
    ) -> Write {
        self.unfetched.remove(remote_id);
        self.note_unread(remote_id, version, error.kind);
        Write::PutQuarantine(Box::new(QuarantineRecord {
            link: self.link.id.clone(),
            remote_id: remote_id.clone(),
            version: version.cloned(),
            kind: error.kind,
            reason: error.reason,
            // A task is not kept: nothing is to be repaired or shown.
            payload: payload.filter(|_| error.kind == UnreadKind::Unreadable),
            attempts: 1,
            since: self.engine.clock.now(),
            question: None,
            left_out: None,
        }))
    }

    pub(super) fn note_unread(&mut self, remote_id: &RemoteId, version: Option<&Version>, kind: UnreadKind) {
        self.quarantine.insert(remote_id.clone(), Unread { version: version.cloned(), kind });
    }

    pub(super) fn tell(&self, progress: &Progress) {
        self.engine.observer.progress(progress);
    }

    pub(super) fn record(&self, outcome: RunOutcome) -> RunRecord {
        let ended = (outcome != RunOutcome::Running).then(|| self.engine.clock.now());
        RunRecord {
            id: self.id.clone(),
            link: self.link.id.clone(),
            started: self.started,
            ended,
            outcome,
            counts: self.counts,
            held_plan: self.plan.held.then(|| self.held_id().0),
            approved: self.approved.as_ref().map(|plan| plan.0.clone()),
            refused: self.refused.as_ref().map(|plan| plan.0.clone()),
            unasked_deletions: self.unasked,
        }
    }

    /// Records how the run ended, gives the lease back and reports.
    pub(super) async fn finish(mut self, result: Result<(), EngineError>) -> Result<SyncReport, EngineError> {
        self.counts.requests = self.provider.requests() - self.requests_before;
        let quarantined =
            |unread: &&Unread| matches!(unread.kind, UnreadKind::Unreadable | UnreadKind::Unfetched);
        self.counts.quarantined = self.quarantine.values().filter(quarantined).count() as u64;
        let result = match (self.mode, result) {
            (Mode::Preview, result) => result,
            (Mode::Apply, Ok(())) => self.record_success().await,
            (Mode::Apply, Err(error)) => {
                // The first error is the one to report; that it could not be recorded as well changes nothing.
                let _ = self.record_failure(&error).await;
                Err(error)
            }
        };
        self.release().await;
        result?;
        let wedged =
            self.outbox.values().filter(|entry| matches!(entry.state, OutboxState::Wedged { .. })).count();
        let plan_id = if self.plan.held { self.held_id() } else { self.plan.id() };
        Ok(SyncReport {
            run: self.id,
            plan: self.plan,
            counts: self.counts,
            plan_id,
            undecided: self.meeting.open(),
            answered: self.approved.or(self.refused),
            waiting: self.waiting,
            wedged,
        })
    }

    async fn record_success(&mut self) -> Result<(), EngineError> {
        let now = self.engine.clock.now();
        self.state.health = LinkHealth::Active;
        self.state.last_success = Some(now);
        if self.link.note.is_some() {
            self.state.note.clone_from(&self.link.note);
        }
        let mut batch =
            Batch { writes: vec![Write::PutLink(Box::new(self.state.clone()))], ..Batch::default() };
        if self.state.last_audit.is_some_and(|audit| audit >= self.started) {
            // With everything compared, what was deleted long enough ago is forgotten.
            batch.writes.push(Write::PurgeDeleted {
                calendar: self.link.calendar.clone(),
                before: now - self.link.keep_deleted,
            });
            // A bounded number of each, so that no commit is large: the next day takes the rest.
            for log in [Log::Runs, Log::Journal, Log::ResolvedConflicts] {
                batch.writes.push(Write::PurgeLog {
                    link: self.link.id.clone(),
                    log,
                    before: now - self.link.keep_log,
                    limit: PURGED,
                });
            }
        }
        // A run that found nothing to do leaves a heartbeat and no record.
        if self.recorded || self.plan.held {
            let outcome = if self.plan.held { RunOutcome::Held } else { RunOutcome::InStep };
            batch.writes.push(Write::PutRun(Box::new(self.record(outcome))));
            self.recorded = true;
        } else {
            self.recorded = true;
        }
        self.commit(batch).await?;
        Ok(())
    }

    async fn record_failure(&mut self, error: &EngineError) -> Result<(), EngineError> {
        // What was read stays; only the health changes, on the state the store has.
        let mut state = self.engine.store.link(&self.link.id).await?.unwrap_or_else(|| new_state(self.link));
        state.health = match error {
            error if error.needs_credentials() => LinkHealth::NeedsReauth,
            EngineError::Provider(ProviderError { kind, .. }) => failed(&state.health, kind.clone()),
            _ => failed(&state.health, ErrorKind::Internal),
        };
        let record = self.record(RunOutcome::Failed { error: error.to_string() });
        self.recorded = true;
        self.commit(Batch {
            writes: vec![Write::PutLink(Box::new(state)), Write::PutRun(Box::new(record))],
            ..Batch::default()
        })
        .await?;
        Ok(())
    }
}

/// Enough of a fresh id to tell the runs of one millisecond apart. A host's ids may be shorter.
pub(super) fn short(fresh: &str) -> &str {
    fresh.get(..8).unwrap_or(fresh)
}

fn intent(write: &Write) -> Option<&OutboxEntry> {
    match write {
        Write::PutOutbox(entry) => Some(entry),
        _ => None,
    }
}

fn failed(before: &LinkHealth, kind: ErrorKind) -> LinkHealth {
    let failures = match before {
        LinkHealth::Error { failures, .. } => failures.saturating_add(1),
        _ => 1,
    };
    LinkHealth::Error { kind, failures }
}

pub(super) fn new_state(link: &Link) -> LinkState {
    LinkState {
        id: link.id.clone(),
        generation: 0,
        calendar: link.calendar.clone(),
        remote: link.remote.clone(),
        cursor: None,
        cursor_key: link.cursor_key(),
        seen: Revision::default(),
        last_audit: None,
        last_success: None,
        health: LinkHealth::Active,
        note: link.note.clone(),
    }
}

/// A set of ids, for telling what was listed.
pub(super) type Ids = HashSet<RemoteId>;
