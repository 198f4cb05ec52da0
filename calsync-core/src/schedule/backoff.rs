//! How long a link that fails is left alone.

use std::time::Duration;

use chrono::TimeDelta;

use super::cadence::part;
use crate::provider::Retry;

/// How long a link that fails is left alone: twice as long after each failure in a row, and a part of it spread, so that
/// what failed together does not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackOff {
    /// After the first failure. Default: 1 minute.
    pub first: TimeDelta,
    /// At most. Default: 6 hours.
    pub longest: TimeDelta,
    /// The longest a provider may ask for. Default: 24 hours.
    pub asked_longest: TimeDelta,
    /// From so many failures in a row on, nudges do not hurry it any more and its circuit counts as open. Default: 5.
    pub open_after: u32,
}

impl Default for BackOff {
    fn default() -> Self {
        Self {
            first: TimeDelta::minutes(1),
            longest: TimeDelta::hours(6),
            asked_longest: TimeDelta::hours(24),
            open_after: 5,
        }
    }
}

/// What kind of failure it was, for the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// It may go better next time.
    Passing,
    /// The provider said when to come back.
    Asked(Duration),
    /// It will not go better by itself. It is tried as seldom as possible, in case somebody puts it right.
    Lasting,
}

impl From<Retry> for Setback {
    fn from(retry: Retry) -> Self {
        match retry {
            Retry::Never => Self::Lasting,
            Retry::Backoff => Self::Passing,
            Retry::After(wait) => Self::Asked(wait),
        }
    }
}

impl BackOff {
    /// How long the link `name` waits after `failures` in a row, the last one included: between half of the nominal wait
    /// and all of it.
    pub fn wait(&self, name: &str, failures: u32, setback: Setback) -> TimeDelta {
        let doublings = failures.saturating_sub(1).min(30);
        let nominal = match setback {
            Setback::Lasting => self.longest,
            Setback::Passing | Setback::Asked(_) => {
                let factor = i32::try_from(1_u32 << doublings).unwrap_or(i32::MAX);
                self.first.checked_mul(factor).map_or(self.longest, |wait| wait.min(self.longest))
            }
        };
        let half = nominal / 2;
        let spread = TimeDelta::milliseconds(part(name, i64::from(failures), half.num_milliseconds().max(1)));
        let wait = half + spread;
        match setback {
            Setback::Asked(asked) => {
                let asked = TimeDelta::from_std(asked).unwrap_or(TimeDelta::MAX).min(self.asked_longest);
                // Not at the very moment all others were told too.
                asked.max(wait) + (spread / 4).min(TimeDelta::seconds(30))
            }
            Setback::Passing | Setback::Lasting => wait,
        }
    }

    /// Whether the circuit is open: the link is tried once in a while and otherwise left alone.
    pub fn is_open(&self, failures: u32) -> bool {
        failures >= self.open_after
    }
}
