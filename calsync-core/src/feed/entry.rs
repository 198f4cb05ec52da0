//! What a feed says.

use std::{fmt, num::ParseIntError, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    model::{CalendarId, EventId, LinkId, RunId},
    store::{ConflictState, LinkHealth, Revision},
};

/// Counts the entries of a calendar's feed: the first one is 1, each later one is one more. As text it is the number, for an
/// `id:` of server-sent events and the `Last-Event-ID` that comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventSeq(pub u64);

impl fmt::Display for EventSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventSeq {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The run that made a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its link.
    pub link: LinkId,
    /// Its id. That of an undo or a clean-up has no [`RunRecord`](crate::store::RunRecord).
    pub run: RunId,
}

/// What happened in a calendar. Ids and states, no text of an event: whoever may see that reads it by the id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Happened {
    /// An event was made, changed, or brought back.
    EventPut {
        /// The event.
        event: EventId,
        /// The revision it got. What is read now may be of a later one, which has an entry of its own.
        revision: Revision,
        /// Which run did it; `None`: the host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Origin>,
    },
    /// An event was deleted.
    EventDeleted {
        /// The event.
        event: EventId,
        /// The revision it got.
        revision: Revision,
        /// Which run did it; `None`: the host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Origin>,
    },
    /// A conflict was found, answered, or settled.
    Conflict {
        /// [`ConflictRecord::id`](crate::store::ConflictRecord).
        conflict: String,
        /// The link it is on.
        link: LinkId,
        /// The event it is about.
        event: EventId,
        /// How it stands since.
        state: ConflictState,
    },
    /// A link fares otherwise than before.
    Link {
        /// The link.
        link: LinkId,
        /// How it fares since.
        health: LinkHealth,
    },
}

/// An entry of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// Its place.
    pub seq: EventSeq,
    /// When, by the clock of whoever wrote it, to the microsecond. Clocks differ: the order is that of `seq`.
    pub at: DateTime<Utc>,
    /// What happened.
    pub what: Happened,
}

/// What a batch tells a feed beside the events it writes, which the store tells by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The calendar.
    pub calendar: CalendarId,
    /// When, by the caller's clock.
    pub at: DateTime<Utc>,
    /// What happened.
    pub what: Happened,
}

/// A page of a feed, of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// The last entry that was ever written, kept or not; 0: none was.
    pub last: EventSeq,
    /// Entries after the one that was asked for, in their order.
    pub entries: Vec<FeedEntry>,
}

impl FeedPage {
    /// Whether these are the entries right after `after`, none left out. `false`: what came next is not kept any more, or the
    /// store never wrote an entry `after`, because it was restored from a backup. Of a page that was asked for with a limit of
    /// at least 1.
    pub fn goes_on_after(&self, after: EventSeq) -> bool {
        let mut next = after.0;
        let follows = self.entries.iter().all(|entry| {
            next = next.saturating_add(1);
            entry.seq.0 == next
        });
        follows && if self.entries.is_empty() { self.last == after } else { next <= self.last.0 }
    }
}
