//! A circuit breaker.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::spread;

/// When a host is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// So many failures in a row open it. Default: 5; 0 counts as 1.
    pub failures: u32,
    /// How long it is open first; each time it opens again, twice as long. Up to a quarter is added, another for every
    /// account. Default: 30 s.
    pub pause: Duration,
    /// How long at most, before that quarter. Default: 15 min.
    pub pause_max: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(30), pause_max: Duration::from_secs(15 * 60) }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The host answered, and be it with a refusal.
    Answered,
    /// It did not, or answered that it cannot (500 and above).
    Failed,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Requests go; so many failed in a row.
    Closed(u32),
    /// None goes for so long from then on.
    Open(DateTime<Utc>, Duration),
    /// One goes, to see. If nothing is heard of it for as long, another one does.
    Probing(DateTime<Utc>, Duration),
}

/// Stops asking a host that is down, and asks again once in a while. It holds no clock.
#[derive(Clone, Debug)]
pub struct Breaker {
    options: BreakerOptions,
    state: State,
    /// How often it opened since it was closed last.
    opened: u32,
    salt: u64,
}

impl Breaker {
    /// A closed one. `salt` tells accounts apart.
    pub fn new(options: BreakerOptions, salt: u64) -> Self {
        Self { options, state: State::Closed(0), opened: 0, salt }
    }

    /// How long no request may go; zero when one may.
    pub fn rests_for(&mut self, now: DateTime<Utc>) -> Duration {
        match &mut self.state {
            State::Closed(_) => Duration::ZERO,
            State::Open(since, pause) | State::Probing(since, pause) => {
                // A clock that was set back must not make a minute an hour.
                *since = (*since).min(now);
                pause.saturating_sub((now - *since).to_std().unwrap_or_default())
            }
        }
    }

    /// Whether a request may go, which is then taken to go.
    ///
    /// # Errors
    ///
    /// How long none may.
    pub fn admit(&mut self, now: DateTime<Utc>) -> Result<(), Duration> {
        let left = self.rests_for(now);
        if !left.is_zero() {
            return Err(left);
        }
        if let State::Open(_, pause) | State::Probing(_, pause) = self.state {
            self.state = State::Probing(now, pause);
        }
        Ok(())
    }

    /// Learns what came of a request that was admitted.
    pub fn learn(&mut self, health: Health, now: DateTime<Utc>) {
        self.state = match (health, self.state) {
            (Health::Answered, _) => {
                self.opened = 0;
                State::Closed(0)
            }
            (Health::Failed, State::Closed(failures)) if failures + 1 < self.options.failures => {
                State::Closed(failures + 1)
            }
            // One that was under way when it opened tells nothing new.
            (Health::Failed, open @ State::Open(..)) => open,
            (Health::Failed, _) => {
                let doubled = self.options.pause.saturating_mul(1 << self.opened.min(16));
                self.opened = self.opened.saturating_add(1);
                let pause = doubled.min(self.options.pause_max.max(self.options.pause));
                State::Open(now, spread(pause, self.salt.wrapping_add(u64::from(self.opened))))
            }
        };
    }
}
