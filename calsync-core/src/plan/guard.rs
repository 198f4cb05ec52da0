//! The brake on deletions.

use serde::{Deserialize, Serialize};

/// When a run's deletions are held back for a person to approve (invariant 7).
///
/// They are held when there are more than `count` of them and they are more than `percent` of the joined pairs, or when
/// they are all of at least two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeletionGuard {
    /// Deletions that are always let through, unless they are everything. Default 10.
    pub count: usize,
    /// Share of the joined pairs, in percent. Default 20.
    pub percent: usize,
}

impl Default for DeletionGuard {
    fn default() -> Self {
        Self { count: 10, percent: 20 }
    }
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
    /// Judges `deletions` out of `joined` pairs.
    pub fn judge(&self, deletions: usize, joined: usize) -> Verdict {
        let many =
            deletions > self.count && deletions.saturating_mul(100) > joined.saturating_mul(self.percent);
        // A calendar whose only event is deleted is an ordinary day; one that loses all of several is not.
        let all = deletions >= joined && deletions > 1;
        if many || all { Verdict::Hold } else { Verdict::Pass }
    }
}
