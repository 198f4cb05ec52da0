//! The one way to write.

use chrono::{DateTime, Utc};

use super::{
    BaseRecord, ConflictRecord, JournalEntry, LeaseToken, LinkState, OutboxEntry, OutboxId, QuarantineRecord,
    Revision, RunRecord,
};
use crate::model::{Calendar, CalendarId, Event, EventId, LinkId, RemoteId};

/// What must hold for a batch to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// are not given out again.
    PurgeDeleted {
        /// The calendar.
        calendar: CalendarId,
        /// Deleted before this.
        before: DateTime<Utc>,
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
}

/// Writes that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The lease the writer works under; the commit is refused when it is not the current one.
    pub lease: Option<LeaseToken>,
    /// What must hold.
    pub expect: Vec<Expectation>,
    /// What is written, in this order.
    pub writes: Vec<Write>,
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitReceipt {
    /// The revision of each event that was written or deleted, in the order of the batch.
    pub revisions: Vec<(CalendarId, EventId, Revision)>,
}
