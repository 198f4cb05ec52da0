//! What a feed is subscribed with.

use std::fmt;
use std::time::Duration;

use crate::http::{AddressPolicy, Credentials, Secret};

/// A subscription to one feed.
///
/// `Debug` shows neither the source (the address of a private feed is its password) nor names.
#[derive(Clone)]
pub struct IcsConfig {
    /// Where the feed is: `https://`, `http://`, `webcal://` and `webcals://` (read as https), `feed:` before any of
    /// these, or, with [`IcsConfig::allow_file`], a path or a `file://` URL. A user name and password in the URL are
    /// taken as credentials.
    pub source: Secret<String>,
    /// The name the calendar is listed under. Default: none, and the feed's own name (`NAME`, RFC 7986 section 5.1,
    /// or `X-WR-CALNAME`) is used.
    pub name: Option<String>,
    /// What to sign in with. Sent to the site of the source only, never where a redirect leads. Default: none, or what
    /// the URL of the source holds.
    pub credentials: Option<Credentials>,
    /// Whether the source may be a file of this machine. Default: no; a host that takes addresses from its users must
    /// not let them read its disk.
    pub allow_file: bool,
    /// Whether a `webcal://` or `feed://` source that cannot be reached by https may be asked by plain http. A source
    /// that says `http://` is asked by http whatever this says, but with credentials only where this is set or the host
    /// is this machine. The fallback of a `webcal://` source never carries credentials, except to this machine. Default:
    /// no.
    pub allow_plain_http: bool,
    /// Which addresses may be connected to. Default: public ones.
    pub addresses: AddressPolicy,
    /// What becomes of the feed's reminders. Default: [`FeedAlarms::Strip`].
    pub alarms: FeedAlarms,
    /// How feeds that invent new UIDs at every fetch are found out. Default: [`UidCheck::FetchTwice`].
    pub uid_check: UidCheck,
    /// The least time between two refreshes that [`refresh_after`](super::IcsProvider::refresh_after) gives, whatever
    /// the feed asks for. Default: 15 minutes.
    pub refresh_min: Duration,
    /// How many answers 404 or 410 in a row, seen by one provider value, mean that the feed is gone; before that it is
    /// not available. Default: 3.
    pub gone_after: u32,
    /// How many days ahead the feed is published for. A feed does not say so: with `None` it is taken to list all there is,
    /// and the time after its last event counts as free. Default: `None`.
    pub ahead_days: Option<u32>,
    /// How much is read before the feed is refused.
    pub limits: IcsLimits,
}

impl Default for IcsConfig {
    fn default() -> Self {
        Self {
            source: Secret::default(),
            name: None,
            credentials: None,
            allow_file: false,
            allow_plain_http: false,
            addresses: AddressPolicy::default(),
            alarms: FeedAlarms::default(),
            uid_check: UidCheck::default(),
            refresh_min: Duration::from_secs(15 * 60),
            gone_after: 3,
            ahead_days: None,
            limits: IcsLimits::default(),
        }
    }
}

impl IcsConfig {
    /// A subscription with the defaults.
    pub fn new(source: impl Into<String>) -> Self {
        Self { source: Secret::new(source.into()), ..Self::default() }
    }
}

impl fmt::Debug for IcsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IcsConfig")
            .field("has_credentials", &self.credentials.is_some())
            .field("allow_file", &self.allow_file)
            .field("allow_plain_http", &self.allow_plain_http)
            .field("addresses", &self.addresses)
            .field("alarms", &self.alarms)
            .field("uid_check", &self.uid_check)
            .field("refresh_min", &self.refresh_min)
            .field("gone_after", &self.gone_after)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What becomes of the reminders (`VALARM`) of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedAlarms {
    /// They are left out: a stranger's calendar does not ring.
    #[default]
    Strip,
    /// They are read as they are.
    Keep,
}

/// How feeds are found out that give their events new UIDs at every fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UidCheck {
    /// The first pull asks twice and compares, so that no name is given out that will not come again. Costs one
    /// request, conditional where the feed has validators, and one or two more where the UIDs changed.
    #[default]
    FetchTwice,
    /// From one pull to the next. The items of such a feed change their names once, at the third pull mostly.
    AcrossPulls,
}

/// Limits on one feed. Each bounds memory or time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcsLimits {
    /// Size of the feed in bytes, after decompression. Default: 20 MB.
    pub max_bytes: usize,
    /// Events, overrides of series counted one by one. Default: 50,000.
    pub max_events: usize,
    /// Length of one content line in bytes, with its folds. An event with a longer one is unreadable, its siblings are
    /// not. Default: 1 MB.
    pub max_line_bytes: usize,
    /// Size of all payloads together, in bytes: each event carries the zone definitions it uses. Default: 160 MB.
    pub max_payload_bytes: usize,
    /// How many times its size a compressed feed (`.ics.gz`) may unpack to; looked at from 1 MB on. Default: 200.
    pub max_ratio: usize,
    /// From the first byte sent to the last one read, redirects included. Default: 60 s.
    pub deadline: Duration,
}

impl Default for IcsLimits {
    fn default() -> Self {
        Self {
            max_bytes: 20_000_000,
            max_events: 50_000,
            max_line_bytes: 1_000_000,
            max_payload_bytes: 160_000_000,
            max_ratio: 200,
            deadline: Duration::from_secs(60),
        }
    }
}
