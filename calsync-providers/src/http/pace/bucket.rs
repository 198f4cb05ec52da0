//! A token bucket.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Pace;

/// One request, in the units the bucket counts in: so that every whole number a minute flows evenly.
const UNIT: i64 = 60_000;

/// Lets requests through at a pace. It holds no clock: every call is told the time, which may jump either way.
#[derive(Clone, Debug)]
pub struct Bucket {
    burst: i64,
    /// What flows in, in units a millisecond: requests a minute.
    flow: i64,
    level: i64,
    at: DateTime<Utc>,
    /// Nothing goes for so long from then on: the provider said so.
    blocked: Option<(DateTime<Utc>, Duration)>,
}

impl Bucket {
    /// A full one.
    pub fn new(pace: Pace, now: DateTime<Utc>) -> Self {
        let per_minute = pace.per_minute.max(1);
        // What is full at the beginning of a minute and what flows in during it are together what may go in it.
        let burst = pace.burst.clamp(1, (per_minute - 1).max(1));
        let flow = i64::from((per_minute - burst).max(1));
        let burst = i64::from(burst) * UNIT;
        Self { burst, flow, level: burst, at: now, blocked: None }
    }

    /// Takes `cost` out and says how long to wait before the request is sent; 0 is at once. More than the bucket holds is
    /// let through when it is full, and those behind wait for it.
    ///
    /// # Errors
    ///
    /// When the wait would be longer than `patience`: nothing is taken, and that long it would be.
    pub fn take(&mut self, cost: u32, now: DateTime<Utc>, patience: Duration) -> Result<Duration, Duration> {
        self.refill(now);
        let cost = i64::from(cost.max(1)).saturating_mul(UNIT);
        let lacking = (cost.min(self.burst) - self.level).max(0);
        let millis = u64::try_from((lacking + self.flow - 1) / self.flow).unwrap_or_default();
        let wait = Duration::from_millis(millis).max(self.blocked_for(now));
        if wait > patience {
            return Err(wait);
        }
        self.level = self.level.saturating_sub(cost);
        Ok(wait)
    }

    /// Lets nothing through for this long: `Retry-After`. A longer block that is there already stays.
    pub fn block(&mut self, now: DateTime<Utc>, wait: Duration) {
        if wait > self.blocked_for(now) {
            self.blocked = Some((now, wait));
        }
    }

    /// How long nothing goes.
    pub fn blocked_for(&mut self, now: DateTime<Utc>) -> Duration {
        let Some((since, wait)) = self.blocked else { return Duration::ZERO };
        // A clock that was set back must not make a minute an hour.
        let since = since.min(now);
        let left = wait.saturating_sub((now - since).to_std().unwrap_or_default());
        self.blocked = (!left.is_zero()).then_some((since, wait));
        left
    }

    fn refill(&mut self, now: DateTime<Utc>) {
        let passed = (now - self.at).clamp(TimeDelta::zero(), TimeDelta::days(1));
        self.at = now;
        self.level =
            self.level.saturating_add(passed.num_milliseconds().saturating_mul(self.flow)).min(self.burst);
    }
}
