//! What a reader may be told.

use crate::ical::IcalLimits;
use crate::zone::Zone;

/// Which identity the items of a text get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ItemIdentity {
    /// The `UID` they carry; derived from the content only where there is none.
    #[default]
    Given,
    /// Always derived from the content: for feeds that make up new UIDs on every fetch.
    Content,
}

/// What the zone of the calendar (`X-WR-TIMEZONE`) is used for, besides standing in for unknown `TZID`s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CalendarZoneUse {
    /// Nothing: a floating time floats and an instant is an instant.
    #[default]
    Unknown,
    /// Floating times are times in that zone, and series that start at an instant repeat in it, as Google's exports mean
    /// them.
    Apply,
}

/// How to read a text. The default reads it as it stands.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Limits on an untrusted text.
    pub limits: IcalLimits,
    /// The zone of times whose `TZID` nothing is known of, when the text names no zone of its own in `X-WR-TIMEZONE`.
    /// Default: none, and such an item is quarantined, for an event at a wrong time is worse than a report.
    pub default_zone: Option<Zone>,
    /// What `X-WR-TIMEZONE` is used for.
    pub calendar_zone: CalendarZoneUse,
    /// Which identity items get.
    pub identity: ItemIdentity,
    /// What derived UIDs are made unique with: a stable name of the feed, such as its URL. It goes into a hash only.
    pub feed_key: String,
}
