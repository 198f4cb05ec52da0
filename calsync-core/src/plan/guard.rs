//! The brake on deletions, and what speaks for one.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// What says that something was deleted. Nothing is deleted without it (invariant 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// The provider reported that the item was deleted.
    Reported,
    /// A listing of everything lacked the item, and asking for it by name did not find it either, where the provider can
    /// be asked.
    Absent,
    /// The item was asked for by name and is not there.
    NotFound,
    /// The event was deleted here: its row says so.
    DeletedHere,
    /// The link's pipeline lets the event through no more. What is deleted is the copy.
    LeftOut,
    /// Time took the event out of the window of what the link copies. What is deleted is the copy; it does not count.
    OutsideWindow,
    /// The copy shows the UID of its event, which the link's rules hide by now, and no update changes a UID. What is deleted
    /// is the copy, and it is made again at once under a UID of its own; it does not count.
    MadeAgain,
    /// A person asked for what the link wrote to be taken away: everything, where the item's
    /// [mark](crate::provider::Seal) says that it is the link's, or that the link brought it in; or what one run made.
    Marked,
}

impl Evidence {
    /// Whether the brake counts a deletion that this speaks for. It does not count what the clock does to copies, nor one that is
    /// there again at once.
    pub fn counts(self) -> bool {
        !matches!(self, Self::OutsideWindow | Self::MadeAgain)
    }
}

/// When a run's deletions are held back for a person to approve (invariant 7).
///
/// They are held when there are more than `count` of them and they are more than `percent` of the joined pairs, or when
/// they are all of at least two. What counts is the deletions of both sides, those of this run and those that were carried
/// out within `within` before it without being asked about: many small steps are one large one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeletionGuard {
    /// Deletions that are always let through, unless they are everything. Default 10.
    pub count: usize,
    /// Share of the joined pairs, in percent. Default 20.
    pub percent: usize,
    /// How long a deletion that nobody was asked about counts. Default 7 days.
    pub within: TimeDelta,
}

impl Default for DeletionGuard {
    fn default() -> Self {
        Self { count: 10, percent: 20, within: TimeDelta::days(7) }
    }
}

/// What the guard judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deletions of both sides that are to be carried out.
    pub planned: usize,
    /// Deletions carried out lately that nobody was asked about.
    pub recent: usize,
    /// Pairs that are joined now, those to be deleted included. Of a feed that drops what is over, without what is, and without
    /// what the same listing brings in.
    pub joined: usize,
}

/// What the guard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// Ask a person.
    Hold,
}

impl DeletionGuard {
    /// Judges deletions.
    pub fn judge(&self, tally: Tally) -> Verdict {
        let Tally { planned, recent, joined } = tally;
        let total = planned.saturating_add(recent);
        let before = joined.saturating_add(recent);
        let many = total > self.count && total.saturating_mul(100) > before.saturating_mul(self.percent);
        // A calendar whose only event is deleted is an ordinary day; one that loses all of several is not.
        let all = planned >= joined && total > 1;
        if planned > 0 && (many || all) { Verdict::Hold } else { Verdict::Pass }
    }
}
