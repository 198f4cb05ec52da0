//! Pacing: staying below a provider's limits instead of running into them.
//!
//! In: how many requests a provider takes, and a clock. Out: when the next one may go, or that it may not for now.
//!
//! [`Bucket`] and [`Breaker`] decide and know no clock, no network and no waiting; [`PacedTransport`] puts them around a
//! transport, one of each for every host. A short wait is waited for; a long one is an error that says when to come back.
//! Nothing is sent twice here.

mod breaker;
mod transport;

use std::time::Duration;

pub use breaker::{Breaker, BreakerOptions, Health};
pub use calsync_core::store::Bucket;
use calsync_core::store::Rate;
use url::Url;

use super::is_local;
pub use transport::{PacedTransport, Timer, TokioTimer};

/// How many requests a provider takes from one account. In any minute at most `per_minute` are sent, requests of the cost
/// 1 taken; see [`HttpRequest::cost`](super::HttpRequest::cost).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The most in any minute. 0 counts as 1.
    pub per_minute: u32,
    /// How many may go at once after a rest. The more, the slower it goes on after them: what flows on is `per_minute` less
    /// this. At most `per_minute`; 0 counts as 1.
    pub burst: u32,
    /// The most that are under way at the same time. 0 counts as 1.
    pub concurrent: usize,
}

impl Pace {
    /// Google Calendar's documented limit of 600 requests a minute, user and project.
    pub const GOOGLE: Self = Self { per_minute: 600, burst: 300, concurrent: 8 };
    /// Half of Google's limit: for a project that another program shares.
    pub const GOOGLE_300: Self = Self { per_minute: 300, burst: 150, concurrent: 8 };
    /// Microsoft Graph's documented limits of a mailbox and app: 10,000 requests in ten minutes, four at a time.
    pub const MICROSOFT: Self = Self { per_minute: 1_000, burst: 250, concurrent: 4 };
    /// A CalDAV server or feed of which no limit is known: ten a second, and a burst for a first listing.
    pub const CALDAV: Self = Self { per_minute: 600, burst: 120, concurrent: 4 };
    /// A server of one's own, on this machine or in the network at home: nobody else pays for its requests. Four at a time,
    /// and a breaker as everywhere.
    pub const UNLIMITED: Self = Self { per_minute: u32::MAX, burst: u32::MAX, concurrent: 4 };
    /// Hosts that want one request every two seconds, as GMX and Web.de do.
    pub const CALDAV_30: Self = Self { per_minute: 30, burst: 10, concurrent: 1 };
    /// Cozi, which documents no limit: slow enough for a private interface.
    pub const COZI_10: Self = Self { per_minute: 10, burst: 4, concurrent: 1 };

    /// The pace for the service at an address: this one, or [`Pace::UNLIMITED`] on this machine and in a private network.
    #[must_use]
    pub fn at(self, address: &str) -> Self {
        if Url::parse(address).is_ok_and(|url| is_local(&url)) { Self::UNLIMITED } else { self }
    }

    /// Another limit by the minute: half of it may go at once.
    #[must_use]
    pub const fn per_minute(self, per_minute: u32) -> Self {
        Self { per_minute, burst: per_minute / 2, ..self }
    }
}

impl From<Pace> for Rate {
    fn from(pace: Pace) -> Self {
        Self { per_minute: pace.per_minute, burst: pace.burst }
    }
}

/// Waits differ by up to a quarter from account to account, so that a fleet that was told the same does not come back in
/// lockstep (QUO-06). `salt` tells accounts apart.
pub(crate) fn spread(wait: Duration, salt: u64) -> Duration {
    // SplitMix64: neighbours among the salts land far from each other.
    let mut mixed = salt.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let thousandths = u32::try_from(mixed % 1_000).unwrap_or_default();
    wait + wait / 4 * thousandths / 1_000
}
