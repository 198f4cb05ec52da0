//! Limits of one expansion.

use serde::{Deserialize, Serialize};

/// How much one expansion may do. What does not fit is reported, never dropped in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ExpansionLimits {
    /// Instances returned at most. Default 50,000: a daily series over 136 years.
    pub instances: usize,
    /// Steps of work at most: one for each period looked at or candidate made, whether or not it becomes an
    /// instance. Default 1,000,000, some 20 ms of one core.
    pub steps: u64,
    /// RDATE and EXDATE values read at most, together. Default 100,000.
    pub dates: usize,
}

impl Default for ExpansionLimits {
    fn default() -> Self {
        Self { instances: 50_000, steps: 1_000_000, dates: 100_000 }
    }
}

/// The limit an expansion ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitReached {
    /// [`ExpansionLimits::instances`].
    Instances,
    /// [`ExpansionLimits::steps`].
    Steps,
    /// [`ExpansionLimits::dates`].
    Dates,
}

/// Counts work against a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    used: u64,
    limit: u64,
    exceeded: bool,
}

impl Steps {
    pub(super) fn new(limit: u64) -> Self {
        Self { used: 0, limit, exceeded: false }
    }

    /// Takes steps from the budget; `None` when it does not hold them.
    #[inline]
    pub(super) fn spend(&mut self, cost: u64) -> Option<()> {
        if self.used.saturating_add(cost) > self.limit {
            self.exceeded = true;
            return None;
        }
        self.used += cost;
        Some(())
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn exceeded(&self) -> bool {
        self.exceeded
    }
}
