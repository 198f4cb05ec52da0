//! One run on one link: its lease, its state, its commits.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{
    Engine, EngineError, Link, Progress, SyncOptions, copies::Copies, deletions::PlannedOn,
    earlier::may_be_there, fetching::Unfetched, known::Known, lease::LEASE, left, meeting::Meeting,
    pair::Context, pull::Gone,
};
use crate::{
    model::{EventId, RemoteId, RunId, Version},
    plan::{Direction, Operation, Permit, Plan, PlanId},
    provider::{Capabilities, Covered, Cursor, PeoplePolicy, Provider, ReadError, UnreadKind},
    store::{
        BaseRecord, DeletionTally, Edits, EventRecord, LeaseRequest, LeaseToken, LinkHealth, LinkState,
        OpenLink, Opened, Opening, OutboxEntry, QuarantineRecord, Record, RecordKind, RecordQuery, Revision,
        RunCounts, Write,
    },
};
/// Rows read from the store at once.
pub(super) const PAGE: usize = 200;
/// How often a step is decided again when the host edits the same events meanwhile.
pub(super) const ATTEMPTS: usize = 5;

/// Whether a run writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Apply,
    Preview,
}

/// What the pull learned that is used once everything else is committed.
#[derive(Default)]
pub(super) struct Pulled {
    /// The remote side was asked.
    pub(super) asked: bool,
    /// Where the next pull starts; `None` to keep the old cursor.
    pub(super) cursor: Option<Cursor>,
    /// Everything there is was listed and compared.
    pub(super) audited: bool,
    /// Which time the remote side was asked about.
    pub(super) covered: Covered,
    /// Items that are gone.
    pub(super) gone: Vec<Gone>,
    /// Something could not be read for now: the cursor must not move past it.
    pub(super) incomplete: bool,
}

/// An item that is not an event here, and the version it was not one at.
pub(super) struct Unread {
    pub(super) version: Option<Version>,
    pub(super) kind: UnreadKind,
}

/// A deletion that is decided and waits for the guard.
pub(super) struct PlannedDeletion {
    pub(super) operation: Operation,
    /// The revision of the local event it was decided on.
    pub(super) revision: Option<Revision>,
}

/// A page of local changes.
pub(super) struct EditedBefore {
    /// All of them are later than this.
    pub(super) after: Revision,
    /// By revision.
    pub(super) edited: Vec<EventRecord>,
    /// There are more than these.
    pub(super) more: bool,
}

pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) link: &'a Link,
    pub(super) provider: &'a dyn Provider,
    /// What is copied, when it is not everything.
    pub(super) copies: Option<&'a Copies<'a>>,
    /// The rules for copies changed since everything was compared: it is brought in line with the new ones.
    pub(super) renewed: bool,
    /// Which way the link went until now, when it goes both ways since: everything is compared, also what was done on the side
    /// that was not carried.
    pub(super) turned: Option<Direction>,
    /// The events whose copies somebody edited until then.
    pub(super) edited_copies: BTreeSet<EventId>,
    /// Joined items that the pipeline lets through no more.
    pub(super) left_out: BTreeSet<RemoteId>,
    /// By which step; `None`: by none.
    pub(super) left_out_by: HashMap<RemoteId, Option<String>>,
    /// Events by the UID of their copies, once they were asked for.
    pub(super) by_copied_uid: Option<HashMap<String, EventId>>,
    /// What feeds of the calendar show, once it was asked for.
    pub(super) own_feeds: Option<HashSet<u128>>,
    pub(super) capabilities: Capabilities,
    pub(super) mode: Mode,
    pub(super) id: RunId,
    pub(super) state: LinkState,
    /// How the link fares as far as the feed of its calendar says.
    pub(super) told_health: LinkHealth,
    /// What a stored cursor must have been made with to be used.
    pub(super) cursor_key: String,
    pub(super) approve: Option<PlanId>,
    pub(super) refuse: Option<PlanId>,
    pub(super) audit: bool,
    /// Whether no people are written whatever the link says.
    pub(super) withhold_people: bool,
    /// Whether the remote side is asked whatever the link says.
    pub(super) look: bool,
    /// What may be done, when it is not everything.
    pub(super) permit: Option<Permit>,
    pub(super) plan: Plan,
    pub(super) counts: RunCounts,
    /// Events dealt with in this run, by the revision they have now.
    pub(super) handled: HashMap<EventId, Revision>,
    /// Items in quarantine, by the version they were unreadable at.
    pub(super) quarantine: HashMap<RemoteId, Unread>,
    /// Joined items of a sliding feed that do not count as what is left of it: those that are over and not listed any more,
    /// which are no deletions, and those this run brought in.
    pub(super) not_left: HashSet<RemoteId>,
    /// The first run that applied something after the cursor and ended before it could move it, until its journal was read.
    pub(super) ahead_before: Option<RunId>,
    /// Events that a feed brought in while it was a wrong one.
    pub(super) wrongly_brought: HashSet<EventId>,
    /// Items that could not be fetched for now; those tried often enough are in quarantine too.
    pub(super) unfetched: HashMap<RemoteId, Unfetched>,
    /// Those in quarantine that are only duplicates of another item.
    pub(super) duplicates: BTreeSet<RemoteId>,
    /// Writes that are decided and not confirmed, of earlier runs and of this one.
    pub(super) outbox: BTreeMap<EventId, OutboxEntry>,
    /// What the store holds of that, and of the bases.
    pub(super) known: Known,
    /// Events whose creations are recorded as maybe applied.
    pub(super) marked: HashSet<EventId>,
    /// What this run wrote there, by the version it has since; `None` when it was deleted.
    pub(super) ours: HashMap<RemoteId, Option<Version>>,
    /// Committed with the end of the run.
    pub(super) last_writes: Vec<Write>,
    /// Events whose write met another version, or none: their entry stays until it is decided what takes its place.
    pub(super) voided: HashSet<EventId>,
    /// Events to look at again, because what was sent for them is not what they are now.
    pub(super) recheck: Vec<EventId>,
    /// Events whose creation is sent as it was decided, and that were edited since.
    pub(super) edited_after: BTreeSet<EventId>,
    /// Events whose creation this run sent and the provider says it did not make.
    pub(super) not_made: HashSet<EventId>,
    pub(super) deletions: Vec<PlannedDeletion>,
    /// What they were planned on, of some.
    pub(super) planned: HashMap<EventId, PlannedOn>,
    /// Those of them that wait for a person.
    pub(super) held: Vec<PlannedDeletion>,
    /// The held plan that was approved or refused in this run.
    pub(super) approved: Option<PlanId>,
    pub(super) refused: Option<PlanId>,
    /// Deletions of this run that nobody was asked about.
    pub(super) unasked: u64,
    /// What the brake goes by at worst, as the last run left it and this one changed it; `None`: nobody knows.
    pub(super) tally: Option<DeletionTally>,
    /// Names of items that came under a UID which another item of the calendar has.
    pub(super) deferred: Vec<super::items::Item>,
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
    /// When everything was compared last before this run.
    pub(super) audited_before: Option<DateTime<Utc>>,
    /// Nobody said that copies which are there whole are to be reduced.
    pub(super) reduces_unasked: bool,
    /// The next commit writes the state of the link: under which rules copies are made from now on, what is held, or
    /// that the cursor lies behind what is applied.
    pub(super) says_change: bool,
    /// Whether other links share the calendar, once that was looked at.
    pub(super) is_shared: Option<bool>,
    /// It was looked at whether this link has a say in what is forgotten.
    pub(super) has_said: bool,
    /// The first local changes, read when the run began.
    pub(super) edited_before: Option<EditedBefore>,
    /// The mark of planned local changes when the run began.
    pub(super) seen_before: Revision,
    /// Something was left for the next run, which has to see it again.
    pub(super) unfinished: bool,
    /// Events that entered or left the window of what is copied because time passed, and were not looked at since.
    pub(super) due: BTreeSet<EventId>,
    /// Events looked at in this run that are outside that window and have no copy.
    pub(super) outside: BTreeSet<EventId>,
    pub(super) lease: Option<LeaseToken>,
    holder: String,
    renew_at: DateTime<Utc>,
    lease_looked_at: DateTime<Utc>,
    pub(super) started: DateTime<Utc>,
    pub(super) recorded: bool,
    pub(super) requests_before: u64,
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
        let state = new_state(link);
        let mut run = Self {
            engine,
            link,
            provider,
            copies,
            renewed: false,
            turned: None,
            edited_copies: BTreeSet::new(),
            left_out: BTreeSet::new(),
            left_out_by: HashMap::new(),
            by_copied_uid: None,
            own_feeds: None,
            capabilities: provider.capabilities(),
            mode,
            id: RunId::from(format!("{:012x}-{}", now.timestamp_millis().max(0), short(&engine.ids.fresh()))),
            cursor_key: state.cursor_key.clone(),
            told_health: state.health.clone(),
            state,
            approve: options.approve.clone(),
            refuse: options.refuse.clone(),
            audit: options.audit,
            withhold_people: options.withhold_people,
            look: options.look || mode == Mode::Preview,
            permit: None,
            plan: Plan { link: link.id.clone(), operations: Vec::new(), held: false },
            counts: RunCounts::default(),
            handled: HashMap::new(),
            quarantine: HashMap::new(),
            not_left: HashSet::new(),
            ahead_before: None,
            wrongly_brought: HashSet::new(),
            unfetched: HashMap::new(),
            duplicates: BTreeSet::new(),
            outbox: BTreeMap::new(),
            known: Known::new(engine.store.rows_at_once().max(2)),
            marked: HashSet::new(),
            ours: HashMap::new(),
            last_writes: Vec::new(),
            voided: HashSet::new(),
            recheck: Vec::new(),
            edited_after: BTreeSet::new(),
            not_made: HashSet::new(),
            deletions: Vec::new(),
            planned: HashMap::new(),
            held: Vec::new(),
            approved: None,
            refused: None,
            unasked: 0,
            tally: None,
            deferred: Vec::new(),
            unknown: HashSet::new(),
            meeting: Meeting::default(),
            rejoins: false,
            looks_for_rows: false,
            waiting: 0,
            edited_before: None,
            audited_before: None,
            reduces_unasked: false,
            says_change: false,
            is_shared: None,
            has_said: false,
            seen_before: Revision::default(),
            unfinished: false,
            not_deleted: HashSet::new(),
            unread_names: false,
            due: BTreeSet::new(),
            outside: BTreeSet::new(),
            lease: None,
            holder,
            renew_at: now,
            lease_looked_at: now,
            started: now,
            recorded: false,
            requests_before: provider.requests(),
            sequence: 0,
        };
        match run.open().await {
            Ok(()) => Ok(run),
            Err(error) => {
                run.release().await;
                Err(error)
            }
        }
    }

    /// Takes the lease, and reads what the run begins with.
    async fn open(&mut self) -> Result<(), EngineError> {
        let now = self.started;
        let name = Engine::lease_name(&self.link.id);
        let asked = LeaseRequest { name: &name, holder: &self.holder, now, ttl: LEASE };
        let opening = Opening {
            lease: (self.mode == Mode::Apply).then_some(asked),
            link: &self.link.id,
            calendar: &self.link.calendar,
            limit: self.rows_at_once(),
        };
        let store = &self.engine.store;
        let opened = match store.open(opening).await? {
            Opened::Held { .. } => {
                // By a worker that works, or by one that died and whose clock was far ahead.
                self.engine.hold_lease(&self.link.id, &self.holder).await?;
                store.open(opening).await?
            }
            opened => opened,
        };
        match opened {
            Opened::Held { until } => Err(EngineError::Busy { until }),
            Opened::Link(mut found) => {
                self.lease = found.lease.take();
                self.renew_at = now + LEASE / 3;
                self.load(*found).await
            }
        }
    }

    /// Rows read from the store at once, where they are what the run is about.
    pub(super) fn rows_at_once(&self) -> usize {
        self.engine.store.rows_at_once().max(2)
    }

    /// The steps of a run, in their order.
    pub(super) async fn steps(&mut self) -> Result<(), EngineError> {
        if self.reduces_unasked {
            return Err(EngineError::CopiesUnsaid { link: self.link.id.to_string() });
        }
        self.check_circles().await?;
        // What an earlier run decided and did not see confirmed comes first: it is part of what both sides hold.
        self.push_earlier().await?;
        let pulled = if self.may_skip_the_pull() { Pulled::default() } else { self.pull().await? };
        self.plan_remote_deletions(&pulled.gone).await?;
        self.plan_local_changes().await?;
        self.plan_due().await?;
        self.carry_out_deletions().await?;
        self.push().await?;
        self.look_at_what_waited().await?;
        self.settle(pulled).await
    }

    async fn load(&mut self, found: OpenLink) -> Result<(), EngineError> {
        if let Some(mut state) = found.state {
            if self.link.moved_from.as_ref() == Some(&state.remote) {
                // Its cursor is of the old name and not used: `cursor_key` holds that.
                state.remote.clone_from(&self.link.remote);
            }
            if state.calendar != self.link.calendar || state.remote != self.link.remote {
                return Err(EngineError::LinkMoved { link: self.link.id.to_string() });
            }
            (self.seen_before, self.audited_before) = (state.seen, state.last_audit);
            let epoch = self.lease.as_ref().map(|lease| lease.epoch);
            self.tally =
                state.tally.clone().filter(|tally| epoch.is_some_and(|epoch| tally.holds_under(epoch)));
            self.state = state;
            self.told_health.clone_from(&self.state.health);
            self.ahead_before.clone_from(&self.state.ahead_since);
            self.check_revisions(found.edits, found.bases).await?;
            self.reduces_unasked = self.link.would_reduce_unasked(&self.state.cursor_key);
            if self.link.goes_otherwise(&self.state.cursor_key) {
                // What was done here while nothing went out is looked at as well.
                (self.state.seen, self.seen_before) = (Revision::default(), Revision::default());
                self.turned = self.link.went_one_way(&self.state.cursor_key);
                if self.turned.is_some() {
                    self.edited_copies = left::all(&*self.engine.store, &self.link.id).await?;
                }
            }
            if Link::copies_otherwise(&self.state.cursor_key, &self.cursor_key) {
                self.renewed = true;
                (self.state.seen, self.seen_before) = (Revision::default(), Revision::default());
                if self.link.copies.is_some() && self.link.direction.exports() {
                    // Should this run end early and the rules be taken back, nothing else would say what it has shown.
                    self.state.cursor_key = self.link.changing_key();
                    self.says_change = true;
                }
            }
        } else {
            self.says_change = self.link.direction == Direction::Export;
        }
        let most = self.rows_at_once();
        let mut page = found.quarantine;
        loop {
            let next = page.last().filter(|_| page.len() >= most);
            let after = next.map(|last| last.remote_id.as_str().to_owned());
            for record in page {
                self.remember_unread(record);
            }
            let Some(after) = after else { break };
            let records = self.records(RecordKind::Quarantine, Some(&after)).await?.into_iter();
            let unread = records.filter_map(|record| match record {
                Record::Quarantine(record) => Some(*record),
                _ => None,
            });
            page = unread.collect();
        }
        let mut page = found.outbox;
        loop {
            let next = page.last().filter(|_| page.len() >= most);
            let after = next.map(|last| last.id.clone());
            self.known.lists(&page);
            self.outbox.extend(page.into_iter().map(|entry| (entry.event_id.clone(), entry)));
            let Some(after) = after else { break };
            page = self.engine.store.outbox(&self.link.id, Some(&after), most).await?;
        }
        let sent = self.outbox.values().filter(|entry| may_be_there(entry));
        self.marked = sent.map(|entry| entry.event_id.clone()).collect();
        self.load_due().await
    }

    /// What is kept out of the way of a run.
    fn remember_unread(&mut self, record: QuarantineRecord) {
        if record.reason == super::items::DUPLICATE {
            self.duplicates.insert(record.remote_id.clone());
        }
        if record.kind == UnreadKind::Unfetched && !self.remember_unfetched(&record) {
            return;
        }
        self.meeting.remember(&record);
        // Under other rules it is looked at again.
        let stale = self.renewed && record.kind == UnreadKind::LeftOut;
        let version = record.version.filter(|_| !stale);
        self.quarantine.insert(record.remote_id, Unread { version, kind: record.kind });
    }

    /// Revisions never go back, and the last one that was seen is there unless its event was purged. Where it is missing
    /// the host may have lost or restored its rows: then all of them are looked at again.
    async fn check_revisions(
        &mut self,
        edits: Edits,
        bases: Option<Vec<BaseRecord>>,
    ) -> Result<(), EngineError> {
        match edits {
            Edits::Unseen => return Ok(()),
            Edits::Since(edited) => {
                if let Some(bases) = bases {
                    self.known.learn(edited.iter().map(|record| &record.id), bases);
                }
                let more = edited.len() >= self.rows_at_once();
                self.edited_before = Some(EditedBefore { after: self.state.seen, edited, more });
                return Ok(());
            }
            Edits::Lost => {}
        }
        let store = &self.engine.store;
        (self.state.seen, self.seen_before) = (Revision::default(), Revision::default());
        (self.state.none_withdrawn, self.tally) = (false, None);
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
        let query = RecordQuery {
            kind,
            link: &self.link.id,
            event: None,
            run: None,
            after,
            limit: self.rows_at_once(),
        };
        Ok(self.engine.store.records(query).await?)
    }

    /// Takes the lease, or renews it when a good part of it has passed, or when a clock that was set back does not tell.
    /// Called before every commit and every group of writes.
    pub(super) async fn keep_lease(&mut self) -> Result<(), EngineError> {
        let now = self.engine.clock.now();
        let told = self.lease.is_some() && now >= self.lease_looked_at && now < self.renew_at;
        self.lease_looked_at = now;
        if self.mode == Mode::Preview || told {
            return Ok(());
        }
        let token = self.engine.hold_lease(&self.link.id, &self.holder).await?;
        // Somebody else had the lease in between when it changed hands more than once, from nobody to us: what was read
        // under the old one may be stale, so the run ends instead of going on under the new one. One change is our own
        // return to a lease that ran out while a provider was slow.
        if self.lease.as_ref().is_some_and(|old| token.epoch > old.epoch.saturating_add(1)) {
            return Err(EngineError::Busy { until: now + LEASE });
        }
        self.lease = Some(token);
        self.renew_at = now + LEASE / 3;
        Ok(())
    }

    /// Until when nobody else can have the lease, by our clock.
    pub(super) fn lease_until(&self) -> DateTime<Utc> {
        self.renew_at + (LEASE - LEASE / 3)
    }

    pub(super) async fn release(&mut self) {
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

    /// Whether this run writes people.
    pub(super) fn people(&self) -> PeoplePolicy {
        // Nor is anybody invited by the run in which both sides meet because the link goes both ways from now on.
        let met = self.state.last_success.is_some() && self.turned.is_none();
        if self.link.direction != Direction::TwoWay || met { self.told() } else { PeoplePolicy::Withhold }
    }

    /// Whether the people of what this run deletes are told.
    pub(super) fn told(&self) -> PeoplePolicy {
        if self.withhold_people { PeoplePolicy::Withhold } else { self.link.people }
    }

    /// Runs `decide` with what surrounds a decision.
    pub(super) fn with_context<T>(&mut self, decide: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let (engine, link, provider) = (self.engine, self.link, self.provider);
        let (copies, renewed, turned, started) = (self.copies, self.renewed, self.turned, self.started);
        let unseen = turned.filter(|_| !self.state.met_both_ways);
        let people = self.people();
        let run = self.id.clone();
        let mut next = || self.next_id();
        decide(&mut Context {
            link,
            provider,
            copies,
            people,
            renewed,
            turned,
            unseen,
            run: &run,
            ids: &*engine.ids,
            now: engine.clock.now(),
            started,
            next: &mut next,
        })
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

    /// Whether also what did not change is compared.
    pub(super) fn compares_all(&self) -> bool {
        self.renewed || self.turned.is_some()
    }

    pub(super) fn tell(&self, progress: &Progress) {
        self.engine.observer.progress(progress);
    }
}

/// Enough of a fresh id to tell the runs of one millisecond apart. A host's ids may be shorter.
pub(super) fn short(fresh: &str) -> &str {
    fresh.get(..8).unwrap_or(fresh)
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
        last_pull: None,
        covered: Covered::ALL,
        last_success: None,
        health: LinkHealth::Active,
        note: link.note.clone(),
        held: None,
        ahead_since: None,
        met_both_ways: false,
        none_withdrawn: false,
        tally: None,
    }
}

/// A set of ids, for telling what was listed.
pub(super) type Ids = HashSet<RemoteId>;
