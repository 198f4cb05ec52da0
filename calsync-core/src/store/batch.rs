//! The one way to write.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{
    BaseRecord, ConflictRecord, Doc, JournalEntry, LeaseToken, LinkState, OutboxEntry, OutboxId,
    QuarantineRecord, Revision, RunRecord,
};
use crate::{
    feed::{News, Origin},
    model::{Calendar, CalendarId, Event, EventId, LinkId, RemoteId},
};

/// What must hold for a batch to be written.
#[derive(Clone, PartialEq, Eq)]
pub enum Expectation {
    /// The event has this revision; `None`: there is no such event, not even a deleted one.
    Event {
        /// Its calendar.
        calendar: CalendarId,
        /// The event.
        id: EventId,
        /// Its revision.
        revision: Option<Revision>,
    },
    /// The link's state has this generation; `None`: it has no state yet.
    Link {
        /// The link.
        id: LinkId,
        /// [`LinkState::generation`].
        generation: Option<u64>,
    },
    /// The events of the calendar with this UID, deleted ones included, are exactly these: what
    /// [`Store::events_by_uid`](super::Store::events_by_uid) said is still so. It keeps a writer that found no event
    /// of a UID from making a second one beside the one somebody else made meanwhile.
    Uid {
        /// The calendar.
        calendar: CalendarId,
        /// The UID.
        uid: String,
        /// Their ids, in any order; an id that is named twice counts once.
        events: Vec<EventId>,
    },
    /// The document has this version; `None`: there is none under this key.
    Doc {
        /// Its space.
        space: String,
        /// Its key.
        key: String,
        /// [`Doc::version`].
        version: Option<u64>,
    },
}

impl fmt::Debug for Expectation {
    /// All but the UID, which may hold an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { calendar, id, revision } => f
                .debug_struct("Event")
                .field("calendar", calendar)
                .field("id", id)
                .field("revision", revision)
                .finish(),
            Self::Link { id, generation } => {
                f.debug_struct("Link").field("id", id).field("generation", generation).finish()
            }
            Self::Uid { calendar, events, .. } => f
                .debug_struct("Uid")
                .field("calendar", calendar)
                .field("events", events)
                .finish_non_exhaustive(),
            Self::Doc { space, key, version } => f
                .debug_struct("Doc")
                .field("space", space)
                .field("key", key)
                .field("version", version)
                .finish(),
        }
    }
}

/// A log of a link that grows with time and is cut at its old end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Log {
    /// Runs, by when they started.
    Runs,
    /// Journal entries, by when they were made.
    Journal,
    /// Conflicts that were decided, by when ([`ConflictRecord::resolved_since`]). Open ones stay however old they are.
    ResolvedConflicts,
}

/// One row to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Makes or changes a calendar.
    PutCalendar(Calendar),
    /// Makes an event, changes it, or brings a deleted one back. It gets the calendar's next revision.
    PutEvent {
        /// Its calendar.
        calendar: CalendarId,
        /// The event.
        id: EventId,
        /// Its content.
        event: Box<Event>,
        /// When, by the caller's clock.
        at: DateTime<Utc>,
    },
    /// Deletes an event softly: the row stays, with its content and the calendar's next revision. Ignored when there
    /// is no such event or it is deleted already.
    DeleteEvent {
        /// Its calendar.
        calendar: CalendarId,
        /// The event.
        id: EventId,
        /// When, by the caller's clock.
        at: DateTime<Utc>,
    },
    /// Forgets events of a calendar that were deleted before a time; one deleted exactly then stays. Their revisions
    /// are not given out again. Those deleted first go first, of one instant in any order.
    ///
    /// A store may forget all of them whatever `limit` says; it then commits as much at once as there is.
    /// [`CommitReceipt::forgotten`] tells the two apart.
    PurgeDeleted {
        /// The calendar.
        calendar: CalendarId,
        /// Deleted before this.
        before: DateTime<Utc>,
        /// At most so many events.
        limit: usize,
    },
    /// Makes or replaces a link's state. The store sets its generation, one more than before (the first is 1),
    /// whatever the row says.
    PutLink(Box<LinkState>),
    /// Makes or replaces the base of a remote id. At most one per event of a link: when an item is renamed, its old
    /// base is deleted first, in the same batch.
    PutBase(Box<BaseRecord>),
    /// Forgets a base.
    DeleteBase {
        /// Its link.
        link: LinkId,
        /// Its remote item.
        remote_id: RemoteId,
    },
    /// Makes or replaces an outbox entry. At most one per event of a link.
    PutOutbox(Box<OutboxEntry>),
    /// Removes an outbox entry.
    DeleteOutbox {
        /// Its link.
        link: LinkId,
        /// The entry.
        id: OutboxId,
    },
    /// Makes or replaces a conflict.
    PutConflict(Box<ConflictRecord>),
    /// Makes or replaces a quarantined item.
    PutQuarantine(Box<QuarantineRecord>),
    /// Lets an item out of quarantine.
    DeleteQuarantine {
        /// Its link.
        link: LinkId,
        /// The item.
        remote_id: RemoteId,
    },
    /// Makes or replaces a run.
    PutRun(Box<RunRecord>),
    /// Adds a journal entry, or replaces the one with this id.
    PutJournal(Box<JournalEntry>),
    /// Forgets the oldest rows of a log: those from before a time, one of exactly then stays; oldest first, those of
    /// one instant by id. [`CommitReceipt::purged`] says how many: fewer than `limit` is all there were.
    PurgeLog {
        /// Its link.
        link: LinkId,
        /// The log.
        log: Log,
        /// Older than this.
        before: DateTime<Utc>,
        /// At most so many rows.
        limit: usize,
    },
    /// Makes or replaces a document. The store sets its version, whatever the row says.
    PutDoc(Doc),
    /// Removes a document. Ignored when there is none.
    DeleteDoc {
        /// Its space.
        space: String,
        /// Its key.
        key: String,
    },
}

/// What becomes of the lease of a batch once the batch is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaseEnd {
    /// The writer goes on under it.
    #[default]
    Kept,
    /// It is given back with the batch, as by [`Store::release_lease`](super::Store::release_lease): free for whoever sees
    /// the batch, its token dead. A batch that is refused gives nothing back.
    GivenBack,
}

/// Writes that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The lease the writer works under; the commit is refused when it is not the current one.
    pub lease: Option<LeaseToken>,
    /// Whether the writer still needs it after that. Without a lease it means nothing.
    pub lease_end: LeaseEnd,
    /// What must hold.
    pub expect: Vec<Expectation>,
    /// What is written, in this order.
    pub writes: Vec<Write>,
    /// Which run writes its events, for the feeds of the calendars; `None`: the host. A store without feeds ignores it.
    pub by: Option<Origin>,
    /// What the feeds of calendars are told beside the events that are written, after those. A store without feeds ignores it.
    pub news: Vec<News>,
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitReceipt {
    /// The revision of each event that was written or deleted, in the order of the batch.
    pub revisions: Vec<(CalendarId, EventId, Revision)>,
    /// The new version of each document that was put, in the order of the batch.
    pub doc_versions: Vec<u64>,
    /// How many rows each [`Write::PurgeLog`] removed, in the order of the batch.
    pub purged: Vec<usize>,
    /// How many events each [`Write::PurgeDeleted`] removed, in the order of the batch: fewer than its limit is all there
    /// were. Empty from a store that knows no limit, and has forgotten all of them.
    pub forgotten: Vec<usize>,
}
