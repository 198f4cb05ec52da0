//! What the brake on deletions goes by, as the last run of a link left it.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::plan::Tally;

/// What the brake on deletions goes by, as the last run of a link left it: bounds on the safe side, so that a run which
/// deletes little need not read what says it exactly.
///
/// It holds for the run that has the lease next. Whoever else had it since, an undo, a clean-up, a run that died, may have
/// parted pairs or deleted: the epoch of the lease tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionTally {
    /// The epoch of the lease of the run that left it.
    epoch: u64,
    /// At least so many pairs were joined.
    joined: usize,
    /// At most so many deletions were carried out that nobody was asked about, by when, in order.
    unasked: VecDeque<Unasked>,
    /// All that came later are among them.
    since: DateTime<Utc>,
}

/// Deletions of some runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Unasked {
    /// When the last of the runs began.
    at: DateTime<Utc>,
    count: u64,
}

impl DeletionTally {
    /// More runs than these are counted as if they had been later, two at a time.
    pub const KEPT: usize = 32;

    /// So many pairs are joined, and all deletions after `since` that nobody was asked about are to be added.
    pub fn new(joined: usize, since: DateTime<Utc>) -> Self {
        Self { epoch: 0, joined, unasked: VecDeque::new(), since }
    }

    /// Adds deletions of a run that began at a time. Within a sixteenth of the time in which they count they are one number.
    pub fn add(&mut self, at: DateTime<Utc>, count: u64, within: TimeDelta) {
        if count == 0 {
            return;
        }
        let grain = (within.num_seconds() / 16).max(1);
        let part = |at: DateTime<Utc>| at.timestamp().div_euclid(grain);
        match self.unasked.back_mut() {
            // Of a clock that went back, they count as long as those before.
            Some(last) if part(last.at) >= part(at) => {
                (last.at, last.count) = (last.at.max(at), last.count.saturating_add(count));
            }
            _ => self.unasked.push_back(Unasked { at, count }),
        }
        while self.unasked.len() > Self::KEPT
            && let Some(first) = self.unasked.pop_front()
        {
            if let Some(next) = self.unasked.front_mut() {
                next.count = next.count.saturating_add(first.count);
            }
        }
    }

    /// Deletions after a time that nobody was asked about, at most. `None`: it is not known so far back.
    pub fn recent(&self, since: DateTime<Utc>) -> Option<u64> {
        let counts = self.unasked.iter().filter(|unasked| unasked.at >= since).map(|unasked| unasked.count);
        (since >= self.since).then(|| counts.fold(0, u64::saturating_add))
    }

    /// What the brake judges, at worst, if `leaving` of the pairs are about to go. `None`: not known so far back.
    pub fn at_worst(&self, planned: usize, leaving: usize, since: DateTime<Utc>) -> Option<Tally> {
        let recent = usize::try_from(self.recent(since)?).unwrap_or(usize::MAX);
        Some(Tally { planned, recent, joined: self.joined.saturating_sub(leaving) })
    }

    /// At least so many pairs are joined.
    pub fn set_joined(&mut self, joined: usize) {
        self.joined = joined;
    }

    /// So many pairs may be joined no more.
    pub fn part(&mut self, pairs: usize) {
        self.joined = self.joined.saturating_sub(pairs);
    }

    /// A person has seen what was deleted up to here: it counts no more.
    pub fn forgive(&mut self) {
        self.unasked.clear();
    }

    /// Leaves it to the run that has the lease next, without what is over.
    #[must_use]
    pub fn left_by(mut self, epoch: u64, now: DateTime<Utc>, within: TimeDelta) -> Self {
        let before = now.checked_sub_signed(within).unwrap_or(self.since);
        // A time in which they count that is made longer, or a clock that is behind this one, finds that it is not known.
        self.since = self.since.max(before);
        self.unasked.retain(|unasked| unasked.at >= before);
        self.epoch = epoch;
        self
    }

    /// Whether a lease is the first after that of the run that left it.
    pub fn holds_under(&self, epoch: u64) -> bool {
        self.epoch.checked_add(1) == Some(epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: TimeDelta = TimeDelta::days(7);

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
    }

    #[test]
    fn deletions_count_for_a_week_at_least_and_for_a_sixteenth_longer_at_most() {
        let mut tally = DeletionTally::new(100, at(-1000));
        for hour in 0..24 * 30 {
            tally.add(at(hour), 1, WEEK);
            let exact = u64::try_from(hour + 1).unwrap_or_default().min(24 * 7 + 1);
            let recent = tally.recent(at(hour) - WEEK).unwrap_or_default();
            assert!((exact..=exact + 11).contains(&recent), "{recent} of {exact} at hour {hour}");
            tally = tally.left_by(1, at(hour), WEEK);
        }
        assert!(tally.unasked.len() <= 17);
    }

    #[test]
    fn what_is_merged_or_late_counts_longer_and_never_less() {
        let mut tally = DeletionTally::new(100, at(0));
        // The hosts of this link change their minds about how long deletions count.
        for hour in 0..200 {
            tally.add(at(hour), 1, TimeDelta::minutes(16));
        }
        assert_eq!((tally.unasked.len(), tally.recent(at(0))), (DeletionTally::KEPT, Some(200)));
        assert_eq!(tally.recent(at(199)), Some(1));
        // A clock that is behind.
        tally.add(at(100), 5, WEEK);
        assert_eq!(tally.recent(at(199)), Some(6));
    }

    #[test]
    fn what_was_forgotten_is_not_known() {
        let mut tally = DeletionTally::new(100, at(0));
        tally.add(at(1), 3, WEEK);
        assert_eq!(tally.recent(at(-1)), None, "nobody counted them then");
        let tally = tally.left_by(4, at(24 * 8), WEEK);
        assert_eq!(tally.recent(at(24)), Some(0));
        assert_eq!(tally.at_worst(1, 0, at(0)), None, "they are forgotten by now");
        assert!(tally.holds_under(5));
        assert!(!tally.holds_under(4) && !tally.holds_under(6));
        let Some(worst) = tally.at_worst(2, 30, at(24)) else { panic!("it is known") };
        assert_eq!((worst.planned, worst.recent, worst.joined), (2, 0, 70));
    }
}
