//! Whether the calls of webhooks come at all.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often to look without a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollOptions {
    /// While calls have announced every change lately. Default: 6 h.
    pub delivering: Duration,
    /// While it is not known yet. Default: 15 min.
    pub unproven: Duration,
    /// While changes are found that nobody announced, or there is no channel. Default: 5 min.
    pub unreliable: Duration,
}

impl Default for PollOptions {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self { delivering: minutes(360), unproven: minutes(15), unreliable: minutes(5) }
    }
}

/// What is known of the calls of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Too little was seen.
    Unproven,
    /// Changes are announced.
    Delivers,
    /// Of the changes of late too many were not.
    Unreliable,
}

/// Changes that count: the last ones, as bits, the latest lowest.
const WINDOW: u32 = 20;
/// So many announced changes prove something.
const PROOF: u32 = 3;

/// Whether changes are announced, measured by pulls that found some. A pull that finds nothing tells nothing. It is kept with
/// the link, as two numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryHealth {
    /// Bits of what was announced, the latest lowest.
    announced: u32,
    /// How many bits count.
    seen: u32,
}

impl DeliveryHealth {
    /// A pull found changes that did not come from here. `announced`: a call had come since the pull before.
    #[must_use]
    pub fn found(self, announced: Announced) -> Self {
        let bit = u32::from(announced == Announced::Before);
        let mask = (1 << WINDOW) - 1;
        Self { announced: (self.announced << 1 | bit) & mask, seen: (self.seen + 1).min(WINDOW) }
    }

    /// What that says. One change in ten that nobody announced is too many; so are the last two.
    pub fn delivery(self) -> Delivery {
        let announced = self.announced.count_ones();
        let missed = self.seen.saturating_sub(announced);
        let last_missed = self.seen >= 2 && self.announced & 0b11 == 0;
        match () {
            () if last_missed || missed * 10 > self.seen && missed > 1 => Delivery::Unreliable,
            () if announced >= PROOF && self.announced & 1 == 1 => Delivery::Delivers,
            () => Delivery::Unproven,
        }
    }

    /// The longest time between two pulls. `channel`: whether calls can come.
    pub fn interval(self, options: &PollOptions, channel: HasChannel) -> Duration {
        match (channel, self.delivery()) {
            (HasChannel::No, _) | (_, Delivery::Unreliable) => options.unreliable,
            (HasChannel::Yes, Delivery::Unproven) => options.unproven,
            (HasChannel::Yes, Delivery::Delivers) => options.delivering,
        }
    }
}

/// Whether a change was announced before it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// A call came first.
    Before,
    /// The pull found it by itself.
    Not,
}

/// Whether a link has a channel that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HasChannel {
    /// It has.
    Yes,
    /// It has none, or the provider offers none.
    No,
}
