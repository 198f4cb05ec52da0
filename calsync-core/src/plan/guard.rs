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
    /// Pairs that are joined now, those to be deleted included.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_when_many_or_all() {
        #[rustfmt::skip]
        let table = [
            // planned, recent, joined, verdict
            (0, 0, 0, Verdict::Pass),
            (1, 0, 1, Verdict::Pass),
            (2, 0, 2, Verdict::Hold),
            (2, 0, 3, Verdict::Pass),
            (10, 0, 11, Verdict::Pass),
            (11, 0, 12, Verdict::Hold),
            (11, 0, 55, Verdict::Pass),
            (11, 0, 54, Verdict::Hold),
            (241, 0, 241, Verdict::Hold),
            (100, 0, 10_000, Verdict::Pass),
            (2_001, 0, 10_000, Verdict::Hold),
            // In slices: 54 pairs of which 10 are gone already.
            (1, 10, 44, Verdict::Hold),
            (1, 10, 45, Verdict::Pass),
            (0, 30, 1, Verdict::Pass),
            // The last of three, the others went one by one.
            (1, 2, 1, Verdict::Hold),
            (1, 1, 2, Verdict::Pass),
        ];
        for (planned, recent, joined, verdict) in table {
            let tally = Tally { planned, recent, joined };
            assert_eq!(DeletionGuard::default().judge(tally), verdict, "{tally:?}");
        }
    }

    /// However deletions are cut into slices, as many go through as in one piece at the most.
    #[test]
    fn slices_do_not_slip_through() {
        let guard = DeletionGuard::default();
        for size in [1_usize, 2, 3, 5, 8, 10, 11, 12, 20, 50, 54, 55, 56, 100, 1000] {
            for slice in [1_usize, 2, 3, 7, 10, 11, 50] {
                let mut gone = 0;
                while gone < size {
                    let tally = Tally { planned: slice.min(size - gone), recent: gone, joined: size - gone };
                    if guard.judge(tally) == Verdict::Hold {
                        break;
                    }
                    gone += tally.planned;
                }
                let whole = (0..=size)
                    .filter(|&planned| {
                        guard.judge(Tally { planned, recent: 0, joined: size }) == Verdict::Pass
                    })
                    .max();
                assert!(Some(gone) <= whole, "{gone} of {size} in slices of {slice}, {whole:?} at once");
            }
        }
    }
}
