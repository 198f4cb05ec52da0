//! The rows a store keeps.

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::DeletionTally;
use crate::{
    diff::Field,
    merge::Choice,
    model::{CalendarId, Event, EventId, LinkId, RemoteCalendarId, RemoteId, RunId, Version},
    plan::Evidence,
    provider::{Covered, Cursor, ErrorKind, Payload, PeoplePolicy, UnreadKind},
};

/// Counts the changes of a calendar: the first written event has revision 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// An event as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its id in the store.
    pub id: EventId,
    /// The revision of its last change.
    pub revision: Revision,
    /// Its content, also after it was deleted.
    pub event: Event,
    /// When its content was last written, by the writer's clock; deleting does not change it.
    pub modified: DateTime<Utc>,
    /// When it was deleted; `None` while it lives.
    pub deleted: Option<DateTime<Utc>>,
}

/// How a link is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkHealth {
    /// Fine.
    #[default]
    Active,
    /// The provider refused the credentials; a person has to renew them.
    NeedsReauth,
    /// The last run failed.
    Error {
        /// How.
        kind: ErrorKind,
        /// In a row.
        failures: u32,
    },
}

/// What a link remembers between runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// The link.
    pub id: LinkId,
    /// Counts the commits of this row; the store sets it.
    pub generation: u64,
    /// Its calendar.
    pub calendar: CalendarId,
    /// The remote calendar it was joined to, by the provider's name.
    pub remote: RemoteCalendarId,
    /// Where the last complete pull stopped.
    pub cursor: Option<Cursor>,
    /// What the cursor was made with: calsync's schema version and the link's scope. A cursor with another key is not
    /// used.
    pub cursor_key: String,
    /// Local changes up to this revision are planned.
    pub seen: Revision,
    /// When everything was last listed and compared.
    pub last_audit: Option<DateTime<Utc>>,
    /// When the remote side was last asked what changed there, and everything that came was dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pull: Option<DateTime<Utc>>,
    /// Which time the last pull that was read to its end covered.
    #[serde(default, skip_serializing_if = "Covered::is_all")]
    pub covered: Covered,
    /// When the last run ended well.
    pub last_success: Option<DateTime<Utc>>,
    /// How it is doing.
    pub health: LinkHealth,
    /// What the host keeps with the link ([`Link::note`](crate::engine::Link)), such as a discovered account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The deletions that wait for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldDeletions>,
    /// Something is applied that came after the cursor, by this run first: everything is listed next, of a provider that
    /// always lists everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_since: Option<RunId>,
    /// The link goes both ways by now and went one way before, and all there was on both sides was looked at since; only the
    /// deletions that wait keep it from being settled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub met_both_ways: bool,
    /// When everything was last listed no event was kept away from the remote side, by an undo or because it moved to another
    /// source, and none was since: nobody has to ask for an event that is new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub none_withdrawn: bool,
    /// What the brake on deletions goes by, for the run that has the lease next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tally: Option<DeletionTally>,
}

/// Deletions that wait for a person: until somebody answers, or what was deleted is there again, they are let through by
/// nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDeletions {
    /// The events, each as 16 hexadecimal digits of a hash of its id; at most [`NAMED`](Self::NAMED).
    events: BTreeSet<String>,
    /// There are more than are named.
    more: bool,
    /// The first run that saw what led to them, and may have ended before it held anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<RunId>,
    /// The run that held the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<RunId>,
}

impl HeldDeletions {
    /// What the run `last` is the first to hold, of what the run `first` saw, if it came as far.
    pub fn between(first: RunId, last: RunId) -> Self {
        Self { first: Some(first), last: Some(last), ..Self::default() }
    }

    /// Whether a run saw what led to the first of them.
    pub fn seen_by(&self, run: &RunId) -> bool {
        let first = self.first.as_ref();
        first.is_some_and(|first| (first..=self.last.as_ref().unwrap_or(first)).contains(&run))
    }

    /// Events that are named. Of more than these, any deletion counts as one that waits.
    pub const NAMED: usize = 1000;

    /// Whether the deletion of an event waits, or may.
    pub fn may_hold(&self, event: &EventId) -> bool {
        self.more || self.events.contains(&Self::digest(event))
    }

    /// Adds the deletion of an event.
    pub fn add(&mut self, event: &EventId) {
        let digest = Self::digest(event);
        if self.events.len() < Self::NAMED {
            self.events.insert(digest);
        } else {
            self.more |= !self.events.contains(&digest);
        }
    }

    /// Takes the deletion of an event out. Where more than the named ones wait, that changes nothing of the others.
    pub fn remove(&mut self, event: &EventId) {
        self.events.remove(&Self::digest(event));
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && !self.more
    }

    fn digest(event: &EventId) -> String {
        blake3::hash(event.as_str().as_bytes()).to_hex()[..16].to_owned()
    }
}

/// Whether a joined pair is kept in step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseState {
    /// It is.
    #[default]
    Linked,
    /// One side was deleted where the link may not delete the other; both are left alone.
    Suppressed,
}

/// What both sides of an item last agreed on: what a three-way merge starts from.
///
/// The two sides are kept apart, because a provider stores what it can hold in the form it likes: its own base is what
/// it really sent back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseRecord {
    /// Its link.
    pub link: LinkId,
    /// The item on the remote side.
    pub remote_id: RemoteId,
    /// The event on the local side.
    pub event_id: EventId,
    /// The version that belongs to `payload`.
    pub version: Option<Version>,
    /// The remote side's base, as the provider sent it.
    pub payload: Payload,
    /// The local side's base. `None`: exactly what `payload` reads as.
    pub local: Option<Box<Event>>,
    /// The remote side's base where it is not what `payload` reads as: while a conflict is open, its fields keep the
    /// value they had before.
    pub remote: Option<Box<Event>>,
    /// Whether it is kept in step.
    pub state: BaseState,
}

/// The short form of a base, for comparing listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseSummary {
    /// The item on the remote side.
    pub remote_id: RemoteId,
    /// The event on the local side.
    pub event_id: EventId,
    /// Its last agreed version.
    pub version: Option<Version>,
}

/// Which bases to read.
#[derive(Clone, Copy, Debug)]
pub enum BaseQuery<'a> {
    /// Of these items.
    Remote(&'a [RemoteId]),
    /// Of these events.
    Events(&'a [EventId]),
}

/// Orders outbox entries: later intents have greater ids. Text of fixed width, so that every database orders it alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutboxId(pub String);

/// A remote write that is decided and committed but not yet confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Its id.
    pub id: OutboxId,
    /// Its link.
    pub link: LinkId,
    /// The run that decided it.
    pub run: RunId,
    /// The event. At most one entry per event of a link.
    pub event_id: EventId,
    /// The item, by the name it has or will have: how a lost answer is looked up.
    pub remote_id: RemoteId,
    /// What to do.
    pub op: OutboxOp,
    /// The local side as it was when this was decided; the base once it is confirmed. `None` for a delete.
    pub local: Option<Box<Event>>,
    /// The fields it means to change.
    pub fields: Vec<Field>,
    /// Why.
    pub reason: String,
    /// What of the event the remote side cannot hold, in words for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
    /// Whether people are written with it. Where they are, and a later run is to write none, it is not sent as it is.
    #[serde(default, skip_serializing_if = "PeoplePolicy::is_withhold")]
    pub people: PeoplePolicy,
    /// How far it is.
    pub state: OutboxState,
    /// How often it was sent.
    pub attempts: u32,
    /// Not to be sent before; a day later at most.
    pub not_before: Option<DateTime<Utc>>,
}

/// A remote write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboxOp {
    /// Create the item.
    Create {
        /// With this content.
        payload: Payload,
    },
    /// Replace it.
    Update {
        /// When it has this version: the one the merge read.
        expected: Version,
        /// With this content.
        payload: Payload,
    },
    /// Delete it.
    Delete {
        /// When it has this version.
        expected: Version,
    },
}

/// How far an outbox entry is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboxState {
    /// To be sent. A creation was never sent, is known to have made nothing, or was looked for and not found.
    #[default]
    Pending,
    /// Sent, or about to be, without an answer: it may have been applied. The engine reads before it sends again.
    Ambiguous,
    /// Refused. Waits for a person, for the event to change, or for the next day, when it is offered once more.
    Wedged {
        /// How.
        kind: ErrorKind,
        /// What the provider said, without event text.
        detail: String,
    },
}

/// One field both sides changed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldConflict {
    /// The field.
    pub field: Field,
    /// Its value on both sides when they last agreed, as JSON.
    pub base: serde_json::Value,
    /// The local value.
    pub local: serde_json::Value,
    /// The remote value.
    pub remote: serde_json::Value,
    /// Which side's value was kept: `local`, `remote` or `both`; `open` while it waits; `agreed` when both sides came to
    /// the same value by themselves; `replaced` when a conflict over more of the event took its place; `deleted` when
    /// the pair ended.
    pub outcome: String,
    /// Who decided it, and when; `None` while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settlement>,
}

/// Who ended a conflict, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// What kind of decision it was.
    pub by: SettledBy,
    /// The person, as the host names them; `None` for all other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// When it was carried out, by the engine's clock.
    pub at: DateTime<Utc>,
}

/// What kind of decision ended a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettledBy {
    /// The policy of the link.
    Policy,
    /// The host's own resolver.
    Resolver,
    /// A person's answer.
    Person,
    /// Nobody had to: by later edits both sides came to agree, one took its edit back, or a conflict over more of the
    /// event took the place of this one.
    Edits,
    /// One side was deleted, or the pair is kept in step no longer.
    Deletion,
}

/// Which version of a field a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Take {
    /// The local one goes to the remote side.
    Local,
    /// The remote one comes to the local side.
    Remote,
}

/// Whether an answer was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerState {
    /// The next run looks at it, or did and others are to be answered with it.
    Waiting,
    /// It was.
    Applied,
    /// A side changed after it was given, so that it was an answer to another question. What it was about is still
    /// open, or was settled otherwise.
    Stale,
}

/// What a person answered to an open conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictAnswer {
    /// Who, as the host names them.
    pub who: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What to take, by field.
    pub take: Vec<(Field, Take)>,
    /// Whether it was carried out.
    pub state: AnswerState,
}

/// Whether a conflict waits for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictState {
    /// It waits for a person.
    Open,
    /// It was decided.
    Resolved,
}

/// Both sides changed the same field to different values.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictRecord {
    /// Its id: greater ones are later.
    pub id: String,
    /// Its link.
    pub link: LinkId,
    /// The run that found it.
    pub run: RunId,
    /// The event.
    pub event_id: EventId,
    /// The item.
    pub remote_id: RemoteId,
    /// The UID, for people.
    pub uid: String,
    /// The fields; empty for a delete against an edit.
    pub fields: Vec<FieldConflict>,
    /// The whole local event, `None` when it was deleted.
    pub local: Option<Box<Event>>,
    /// The whole remote event, `None` when it was deleted.
    pub remote: Option<Box<Event>>,
    /// The policy that decided, by its name in the configuration.
    pub policy: String,
    /// Whether it waits for somebody.
    pub state: ConflictState,
    /// When it was found.
    pub at: DateTime<Utc>,
    /// Who decided the last of it, and when; `None` while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settlement>,
    /// What people answered, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<ConflictAnswer>,
    /// The event that keeps the local version, when both were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<EventId>,
}

impl ConflictRecord {
    /// Since when nobody is needed: when it was decided, or when it was found where the record does not say. `None`
    /// while it is open. What [`Log::ResolvedConflicts`](super::Log) is cut by.
    pub fn resolved_since(&self) -> Option<DateTime<Utc>> {
        match self.state {
            ConflictState::Open => None,
            ConflictState::Resolved => {
                Some(self.settled.as_ref().map_or(self.at, |settlement| settlement.at))
            }
        }
    }

    /// Whether answers wait for all that is open: nobody is needed until the next run has looked at them. `false` once it is
    /// decided.
    pub fn is_answered(&self) -> bool {
        let answered = |field: &Field| {
            let waiting = self.answers.iter().filter(|answer| answer.state == AnswerState::Waiting);
            waiting.flat_map(|answer| &answer.take).any(|(about, _)| about == field)
        };
        let mut open = self.fields.iter().filter(|field| field.outcome == Choice::Open.name());
        self.state == ConflictState::Open && open.all(|field| answered(&field.field))
    }
}

/// A remote item that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRecord {
    /// Its link.
    pub link: LinkId,
    /// The item.
    pub remote_id: RemoteId,
    /// Its version when it was found unreadable; it is read again when this changes.
    pub version: Option<Version>,
    /// Whether anything is wrong with it.
    #[serde(default)]
    pub kind: UnreadKind,
    /// Why, without the item's text.
    pub reason: String,
    /// What was sent, when anything was.
    pub payload: Option<Payload>,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The question about it, when it may be an event here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<MatchQuestion>,
    /// What keeps it out, when it could be an event here and is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
}

/// What keeps an item out of what a link brings in: the link's rules, or that it comes from the calendar itself
/// ([`UnreadKind::OwnFeed`]). It names no text of the item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The filter that does not let it through; `None`: it takes no time, and the copy is busy-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// A hash of its UID, keyed by the link: so somebody who knows the UID finds out what became of the item.
    pub uid_hash: String,
}

impl LeftOut {
    /// What keeps an item with a UID out of a link.
    pub fn new(link: &LinkId, uid: &str, step: Option<String>) -> Self {
        Self { step, uid_hash: Self::hash(link, uid) }
    }

    /// Whether it is about an item with this UID.
    pub fn is_about(&self, link: &LinkId, uid: &str) -> bool {
        self.uid_hash == Self::hash(link, uid)
    }

    fn hash(link: &LinkId, uid: &str) -> String {
        let key = blake3::derive_key("calsync 2026-11 UID of an item left out", link.as_str().as_bytes());
        blake3::keyed_hash(&key, uid.as_bytes()).to_hex()[..32].to_owned()
    }
}

/// Which event here an item may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchQuestion {
    /// The events, the likeliest first. While the question is open none of them is made on the remote side.
    pub candidates: Vec<EventId>,
    /// What a person said; the next run does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<MatchAnswer>,
}

/// What a person says about an item that may be an event here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchAnswer {
    /// It is this event: the two are joined and merged.
    Join(EventId),
    /// It is none of them: each side gets what the other has.
    KeepBoth,
}

/// What a run did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCounts {
    /// Remote items read.
    pub pulled: u64,
    /// Local events made.
    pub created: u64,
    /// Local events changed.
    pub updated: u64,
    /// Local events deleted.
    pub deleted: u64,
    /// Remote writes confirmed.
    pub pushed: u64,
    /// Conflicts recorded.
    pub conflicts: u64,
    /// Items in quarantine at the end.
    pub quarantined: u64,
    /// Operations held back for approval.
    pub held: u64,
    /// Requests sent to the provider.
    pub requests: u64,
    /// Changes of the remote side that the run saw before it ended and knew as its own writes. No fewer than `pushed`: all of
    /// its writes were seen coming back. Fewer: the next run sees them.
    #[serde(default)]
    pub echoed: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// It has not ended, or its process died.
    Running,
    /// Both sides are in step.
    InStep,
    /// Part of it waits for approval.
    Held,
    /// It failed.
    Failed {
        /// How, without secrets or event text.
        error: String,
    },
    /// It was taken back.
    Undone,
}

/// A run of the engine on a link.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id: greater ones are later.
    pub id: RunId,
    /// Its link.
    pub link: LinkId,
    /// When it started.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// What it did.
    pub counts: RunCounts,
    /// The plan that waits for approval.
    pub held_plan: Option<String>,
    /// The held plan that was approved in this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// The held plan that was refused in this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Deletions of both sides that nobody was asked about: what [`DeletionGuard::within`](crate::plan::DeletionGuard)
    /// counts together. Written with the deletions themselves.
    #[serde(default)]
    pub unasked_deletions: u64,
}

/// What a journal entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalOp {
    /// A local event was made.
    LocalCreate,
    /// A local event was changed.
    LocalUpdate,
    /// A local event was deleted.
    LocalDelete,
    /// A remote item was created.
    RemoteCreate,
    /// A remote item was changed.
    RemoteUpdate,
    /// A remote item was deleted.
    RemoteDelete,
    /// Nothing was written; the reason says why.
    Kept,
}

/// One thing a run did, why, and what was there before: enough to explain it and to take it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Its id: greater ones are later.
    pub id: String,
    /// Its link.
    pub link: LinkId,
    /// The run.
    pub run: RunId,
    /// The event.
    pub event_id: EventId,
    /// The item, when there is one.
    pub remote_id: Option<RemoteId>,
    /// What was done.
    pub op: JournalOp,
    /// Why.
    pub reason: String,
    /// The side that was written, as it was before; `None` when there was nothing.
    pub before: Option<Box<Event>>,
    /// The fields that changed; empty for a creation or deletion.
    pub fields: Vec<Field>,
    /// What of the event the remote side cannot hold, in words for people: of a write to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
    /// What spoke for a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// How the local event was left, as a hash of its content or `deleted`: what tells whether it was edited since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How the remote item was left by a write to it, as a hash of its content: what tells whether it was edited since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A row of one of the lists people read.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A conflict.
    Conflict(Box<ConflictRecord>),
    /// A quarantined item.
    Quarantine(Box<QuarantineRecord>),
    /// A run.
    Run(Box<RunRecord>),
    /// A journal entry.
    Journal(Box<JournalEntry>),
}

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Conflicts, by id.
    Conflict,
    /// Quarantined items, by remote id.
    Quarantine,
    /// Runs, by id.
    Run,
    /// Journal entries, by id.
    Journal,
}

/// Which rows of a list.
#[derive(Clone, Copy, Debug)]
pub struct RecordQuery<'a> {
    /// The list.
    pub kind: RecordKind,
    /// Of this link.
    pub link: &'a LinkId,
    /// Only of this event (conflicts and journal; ignored for the others).
    pub event: Option<&'a EventId>,
    /// Only of this run (conflicts and journal; ignored for the others).
    pub run: Option<&'a RunId>,
    /// Starting after this id (a remote id for quarantine).
    pub after: Option<&'a str>,
    /// At most so many.
    pub limit: usize,
}

/// Proof of holding a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseToken {
    /// The lease.
    pub name: String,
    /// Grows with every change of holder; a commit with an older one is refused.
    pub epoch: u64,
}

/// The answer to asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseGrant {
    /// Granted.
    Granted(LeaseToken),
    /// Somebody else has it.
    Held {
        /// Until then, unless renewed.
        until: DateTime<Utc>,
    },
}

// What people wrote, and the UID that may hold their address, stay out of logs.

impl fmt::Debug for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldConflict")
            .field("field", &self.field)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConflictRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConflictRecord")
            .field("id", &self.id)
            .field("link", &self.link)
            .field("run", &self.run)
            .field("event_id", &self.event_id)
            .field("fields", &self.fields)
            .field("policy", &self.policy)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RunRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunRecord")
            .field("id", &self.id)
            .field("link", &self.link)
            .field("started", &self.started)
            .field("ended", &self.ended)
            .field("outcome", &self.outcome)
            .field("counts", &self.counts)
            .field("held_plan", &self.held_plan.is_some())
            .finish()
    }
}
