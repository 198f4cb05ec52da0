//! What joins a calendar to a remote calendar.

use std::borrow::Cow;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{CopyRules, FetchPatience, RetryBudget};
use crate::{
    identity::MatchOptions,
    merge::{ConflictPolicy, DeletionPolicy},
    model::{CalendarId, LinkId, RemoteCalendarId},
    pipeline::Pipeline,
    plan::{DeletionGuard, Direction, Rules},
    provider::PeoplePolicy,
};

/// One calendar joined to one remote calendar, and the rules between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// The local calendar: the hub.
    pub calendar: CalendarId,
    /// The remote calendar.
    pub remote: RemoteCalendarId,
    /// Which way changes go. Default: both.
    ///
    /// A link that went one way and goes both ways from now on compares everything in its next run: edits of copies are edits
    /// from then on, and merged; a copy whose deletion a run saw is made again, and nothing is deleted for it. A deletion that no
    /// run saw before is one of a two-way link, and goes across under the brake.
    pub direction: Direction,
    /// Who wins a field both sides changed. Default: the remote side.
    pub conflicts: ConflictPolicy,
    /// What becomes of an event that one side deleted and the other edited. Default: the edit survives, whatever
    /// `conflicts` says. On a link that goes one way: whether a copy that somebody deletes comes back, see
    /// [`DeletionPolicy`].
    #[serde(default)]
    pub deletions: DeletionPolicy,
    /// Whether people may be written to the remote side. Default: those there stay as they are. On a two-way link the
    /// run in which both sides meet writes none, whatever this says, nor does a later one that makes what a person was asked
    /// about then; nor is anybody invited to what is over.
    pub people: PeoplePolicy,
    /// When deletions wait for approval.
    pub guard: DeletionGuard,
    /// How sure it must be that two events under different UIDs are the same when the calendars meet.
    #[serde(default)]
    pub matching: MatchOptions,
    /// How often everything is listed and compared although the provider reports changes: servers forget to.
    /// Default: 24 hours.
    pub audit_every: TimeDelta,
    /// How long deleted events are kept at least, so that they can be brought back. Default: 30 days. They are kept for
    /// longer while a link of the calendar has not carried the deletion out; one that did not run through for a year, and was
    /// not [forgotten](super::Engine::forget), has no say in that.
    pub keep_deleted: TimeDelta,
    /// How long runs, journal entries, decided conflicts and entries of change feeds are kept; what is older cannot be explained or undone. Open
    /// conflicts are kept until somebody decides. Default: 90 days.
    #[serde(default = "keep_log")]
    pub keep_log: TimeDelta,
    /// How often a write that the provider did not take is tried again before a person is asked.
    #[serde(default)]
    pub retries: RetryBudget,
    /// Remote writes that are sent between two commits: as many may have to be looked up after a crash. At least 1;
    /// where there is room for it, a multiple of [`Capabilities::requests_max`](crate::provider::Capabilities::requests_max)
    /// below it. Default: 100, as many as are decided at once.
    #[serde(default = "commit_every")]
    pub commit_every: usize,
    /// How long an item that cannot be fetched holds the link back.
    #[serde(default)]
    pub fetching: FetchPatience,
    /// What is copied, and what the copies show; only on a link that goes one way.
    ///
    /// Default: a link that exports shows when somebody is busy, and nothing else, until it says
    /// [`CopyRules::everything`] or what is to be seen; a link that imports, or goes both ways, is whole. A link without
    /// rules whose items were whole when it ran last is refused, and not reduced: somebody has to say which it is.
    ///
    /// A change of it compares everything again. What is let through no more is deleted where the copies are, and counts
    /// against `guard`; what is shown no more is taken out of the copies there are. One that shows the UID of its event, where
    /// the rules hide it from now on, is deleted and made again by the same run, which does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<CopyRules>,
    /// What becomes of a copy that somebody edits where it is, on a link that goes one way. Default: it stays as it is until
    /// its event is edited.
    #[serde(default)]
    pub edits: CopyEdits,
    /// How often a link that exports looks at its copies for what people did to them. A run in between, with nothing to
    /// write, asks the remote side nothing: what people did there is found by the first run after this time, and before
    /// anything is written in any case. So is that credentials were withdrawn. Default: zero, every run looks.
    #[serde(default = "TimeDelta::zero")]
    pub check_copies_every: TimeDelta,
    /// What the remote calendar was called before, where the host knows that it is the same one: its server has another
    /// name or port now. A link whose state is of this calendar goes on with [`Link::remote`]; everything is listed and
    /// compared once, and what is not there counts as deleted there, within `guard`. Items must keep their ids. Default:
    /// none, and a link that points elsewhere is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<RemoteCalendarId>,
    /// Kept with the link's state for the host, which finds it there before it has spoken to the provider: a
    /// discovered account, for one. Holds no secret: the store keeps it as it is.
    pub note: Option<String>,
}

/// What becomes of a copy that somebody edits where it is. A link that goes both ways has no copies.
///
/// What becomes of a copy that somebody deletes is not said here, but by [`Link::deletions`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyEdits {
    /// It stays as it is, field by field, until the same field of its event is edited.
    #[default]
    Leave,
    /// It becomes again what its event says. What was written there is in the journal.
    Restore,
    /// It is an event of its own from then on: neither edits nor the deletion of the event it was copied from reach it.
    Detach,
}

impl Link {
    /// A two-way link with the default rules.
    pub fn new(
        id: impl Into<LinkId>,
        calendar: impl Into<CalendarId>,
        remote: impl Into<RemoteCalendarId>,
    ) -> Self {
        Self {
            id: id.into(),
            calendar: calendar.into(),
            remote: remote.into(),
            direction: Direction::default(),
            conflicts: ConflictPolicy::default(),
            deletions: DeletionPolicy::default(),
            people: PeoplePolicy::default(),
            guard: DeletionGuard::default(),
            matching: MatchOptions::default(),
            audit_every: TimeDelta::hours(24),
            keep_deleted: TimeDelta::days(30),
            keep_log: keep_log(),
            retries: RetryBudget::default(),
            commit_every: commit_every(),
            fetching: FetchPatience::default(),
            copies: None,
            edits: CopyEdits::default(),
            check_copies_every: TimeDelta::zero(),
            moved_from: None,
            note: None,
        }
    }

    /// Sets the direction.
    #[must_use]
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Sets the conflict policy.
    #[must_use]
    pub fn with_conflicts(mut self, policy: ConflictPolicy) -> Self {
        self.conflicts = policy;
        self
    }

    /// Sets what becomes of an event that one side deleted and the other edited.
    #[must_use]
    pub fn with_deletions(mut self, policy: DeletionPolicy) -> Self {
        self.deletions = policy;
        self
    }

    /// The rules a decision about one pair follows.
    pub(crate) fn rules(&self) -> Rules {
        Rules { direction: self.direction, conflicts: self.conflicts, deletions: self.deletions }
    }

    /// Sets whether people are written.
    #[must_use]
    pub fn with_people(mut self, people: PeoplePolicy) -> Self {
        self.people = people;
        self
    }

    /// Sets the deletion guard.
    #[must_use]
    pub fn with_guard(mut self, guard: DeletionGuard) -> Self {
        self.guard = guard;
        self
    }

    /// Sets what is joined when the calendars meet.
    #[must_use]
    pub fn with_matching(mut self, matching: MatchOptions) -> Self {
        self.matching = matching;
        self
    }

    /// Sets how often a failed write is tried again.
    #[must_use]
    pub fn with_retries(mut self, retries: RetryBudget) -> Self {
        self.retries = retries;
        self
    }

    /// Sets how many remote writes are sent between two commits.
    #[must_use]
    pub fn with_commit_every(mut self, writes: usize) -> Self {
        self.commit_every = writes;
        self
    }

    /// Sets how long an item that cannot be fetched holds the link back.
    #[must_use]
    pub fn with_fetching(mut self, patience: FetchPatience) -> Self {
        self.fetching = patience;
        self
    }

    /// Sets what is copied, and what the copies show.
    #[must_use]
    pub fn with_copies(mut self, rules: CopyRules) -> Self {
        self.copies = Some(rules);
        self
    }

    /// Sets what becomes of a copy that somebody edits.
    #[must_use]
    pub fn with_edits(mut self, edits: CopyEdits) -> Self {
        self.edits = edits;
        self
    }

    /// Sets how often a link that exports looks at its copies.
    #[must_use]
    pub fn with_check_copies_every(mut self, every: TimeDelta) -> Self {
        self.check_copies_every = every;
        self
    }

    /// Sets what the same remote calendar was called before.
    #[must_use]
    pub fn with_moved_from(mut self, before: impl Into<RemoteCalendarId>) -> Self {
        self.moved_from = Some(before.into());
        self
    }

    /// Sets what the store keeps for the host.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The rules its copies are made by; `None`: every event is copied whole.
    pub(crate) fn copy_rules(&self) -> Option<Cow<'_, CopyRules>> {
        match (&self.copies, self.direction) {
            (Some(rules), _) if rules.is_whole() => None,
            (Some(rules), _) => Some(Cow::Borrowed(rules)),
            // Whose events these are nothing can tell for sure: rows of the link that brought them may be lost.
            (None, Direction::Export) => Some(Cow::Owned(CopyRules::new(Pipeline::default()))),
            (None, Direction::TwoWay | Direction::Import) => None,
        }
    }

    /// Whether a stored cursor was made when the items there were whole, and nobody said that they are to be reduced.
    pub(crate) fn would_reduce_unasked(&self, stored: &str) -> bool {
        let rules = stored.split(':').next().and_then(|head| head.split_once('+'));
        let by_rules = rules.is_some_and(|(_, rules)| rules != CHANGING);
        self.copies.is_none()
            && self.direction == Direction::Export
            && (!by_rules || self.goes_otherwise(stored))
    }

    /// What a stored cursor must have been made with to be used: another version of calsync, or another remote
    /// calendar, asks for a full comparison (never for a new import).
    pub(crate) fn cursor_key(&self) -> String {
        let way = self.way();
        match self.copy_rules() {
            None => format!("{SCHEMA}{way}:{}", self.remote.as_str()),
            Some(rules) => format!("{SCHEMA}{way}+{}:{}", rules.fingerprint(), self.remote.as_str()),
        }
    }

    /// What is stored while the copies go from some rules to others: any rules are others than these.
    pub(crate) fn changing_key(&self) -> String {
        format!("{SCHEMA}{}+{CHANGING}:{}", self.way(), self.remote.as_str())
    }

    fn way(&self) -> char {
        match self.direction {
            Direction::TwoWay => 't',
            Direction::Import => 'i',
            Direction::Export => 'e',
        }
    }

    /// Whether a stored cursor was made when changes went another way.
    pub(crate) fn goes_otherwise(&self, stored: &str) -> bool {
        let head = stored.split([':', '+']).next().unwrap_or_default();
        !head.ends_with(self.way())
    }

    /// Which way changes went when a stored cursor was made, where they go both ways now and went one way then.
    pub(crate) fn went_one_way(&self, stored: &str) -> Option<Direction> {
        let head = stored.split([':', '+']).next().unwrap_or_default();
        match (self.direction, head.chars().next_back()) {
            (Direction::TwoWay, Some('i')) => Some(Direction::Import),
            (Direction::TwoWay, Some('e')) => Some(Direction::Export),
            _ => None,
        }
    }

    /// Whether a stored cursor was made with other rules for copies than a link's own [`Link::cursor_key`].
    pub(crate) fn copies_otherwise(stored: &str, own: &str) -> bool {
        fn rules(key: &str) -> Option<&str> {
            let head = key.split(':').next()?;
            head.split_once('+').map(|(_, rules)| rules)
        }
        rules(stored) != rules(own)
    }
}

/// In a cursor's key instead of the rules: some copies are by the rules before, and some by those after.
const CHANGING: &str = "~";

/// Raised when what is read from a payload changes its meaning.
const SCHEMA: u32 = 1;

fn keep_log() -> TimeDelta {
    TimeDelta::days(90)
}

fn commit_every() -> usize {
    100
}
