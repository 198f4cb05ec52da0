//! Publishing: a calendar as a feed others subscribe to.
//!
//! In: events, [`FeedOptions`]. Out: an iCalendar text in chunks ([`feed`]), as busy times ([`free_busy`]), what to answer
//! to a conditional request ([`answer`]), and the secret in the feed's address ([`TokenRing`]). Or, over a store, all of it
//! together: a request in, an answer with its body out ([`Publisher`]), the tokens kept in the store ([`FeedTokens`]). No
//! server: a host serves the bytes with what it has. Constant memory: an event is read, written and forgotten.
//!
//! A feed is **busy-only until details are asked for**, and what is marked private is busy-only even then. See
//! [`Detail`].
//!
//! ```
//! use calsync_core::model::{Event, EventBody, EventTime, TimeSpan};
//! use calsync_core::publish::{FeedOptions, feed};
//! use calsync_core::secret::Secret;
//! use chrono::{DateTime, TimeDelta, Utc};
//!
//! let now: DateTime<Utc> = "2026-01-05T08:00:00Z".parse().unwrap();
//! let time = TimeSpan { start: EventTime::Utc(now), end: EventTime::Utc(now + TimeDelta::hours(1)) };
//! let mut body = EventBody::new(time);
//! body.title = Some("Dentist".to_owned());
//!
//! let options = FeedOptions::new(now, Secret::new([7; 32]));
//! let chunks: Vec<Vec<u8>> = feed([Event::single("u", body)], options).collect();
//! let text = String::from_utf8(chunks.concat()).unwrap();
//! assert!(text.contains("SUMMARY:Busy") && !text.contains("Dentist"));
//! ```

mod access;
mod body;
mod busy_only;
mod conditional;
mod feed;
mod free_busy;
mod keys;
mod plain;
mod published;
mod serve;
mod shown;
mod token;

use std::ops::Range;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use access::{FeedToken, FeedTokenError, FeedTokens, Granted};
pub use body::FeedBody;
pub use busy_only::{BusyOnly, busy_only};
pub(crate) use busy_only::{hidden_number, hidden_uid};
pub use conditional::{FeedAnswer, FeedRequest, Validators, answer};
pub use feed::{Feed, FeedWriter, feed, validators};
pub use free_busy::{FreeBusyWriter, free_busy};
pub(crate) use keys::known_feed_keys;
pub use keys::remember_feed_key;
pub use published::{FeedForm, Published};
pub use serve::{FeedCall, Publisher, Served};
pub use token::{TokenHash, TokenRing};

use crate::{ical::write::PRODUCT_ID, recurrence::ExpansionLimits, secret::Secret, zone::Zone};

/// How much of an event a feed shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// When somebody is busy, and nothing else: no text, no person, no id, no zone name of a file's own. What takes no
    /// time (transparent, cancelled, declined) is left out.
    #[default]
    BusyOnly,
    /// What the event says, without people and reminders. What is marked private is busy-only all the same, and what is
    /// marked secret is left out (RFC 8984 section 4.4.3).
    Details,
}

/// What a feed holds, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FeedOptions {
    /// Now. The window is counted from the beginning of this day, UTC, so that a feed of the same events is the same text
    /// all day.
    pub now: DateTime<Utc>,
    /// How much is shown. Default: busy-only.
    pub detail: Detail,
    /// The secret UIDs are made with where the event's own is not shown. One for each feed, kept with it: another key
    /// makes every event look new to subscribers, and two feeds of one key can be told to be of one calendar. Where a link
    /// may read the feed into the calendar it is of, the store has to know it: see [`remember_feed_key`].
    pub key: Secret<[u8; 32]>,
    /// The title of what is not shown. Default: `Busy`.
    pub busy_title: String,
    /// The title of what is shown and has none: some subscribers take no event without a title. Default: `(No title)`.
    pub untitled: String,
    /// The name subscribers see. Default: none.
    pub name: Option<String>,
    /// What it is about. Default: nothing.
    pub description: Option<String>,
    /// Its colour (`COLOR`, RFC 7986 section 5.9): a CSS name, or `#RRGGBB` for the name next to it; left out where it is neither.
    /// Default: none.
    pub color: Option<String>,
    /// The calendar's zone: dates and floating times are read in it. Default: UTC.
    pub zone: Zone,
    /// The addresses of the calendar's owner: what they declined takes none of their time. Default: none.
    pub owner: Vec<String>,
    /// How far back events are published. Default: 30 days.
    pub back: TimeDelta,
    /// How far ahead. Default: 180 days. A series with an instance in the window is published whole.
    pub ahead: TimeDelta,
    /// How often subscribers are asked to come back. Default: one hour. Google comes when it likes.
    pub refresh: TimeDelta,
    /// How much the expansion of one series may do. Default: that of [`ExpansionLimits`].
    pub limits: ExpansionLimits,
    /// `PRODID`. Default: calsync's.
    pub product_id: String,
}

impl FeedOptions {
    /// The defaults, with what has none.
    pub fn new(now: DateTime<Utc>, key: Secret<[u8; 32]>) -> Self {
        Self {
            now,
            detail: Detail::default(),
            key,
            busy_title: "Busy".to_owned(),
            untitled: "(No title)".to_owned(),
            name: None,
            description: None,
            color: None,
            zone: Zone::UTC,
            owner: Vec::new(),
            back: TimeDelta::days(30),
            ahead: TimeDelta::days(180),
            refresh: TimeDelta::hours(1),
            limits: ExpansionLimits::default(),
            product_id: PRODUCT_ID.to_owned(),
        }
    }

    /// The beginning of the day, UTC.
    fn today(&self) -> DateTime<Utc> {
        self.now.date_naive().and_time(NaiveTime::MIN).and_utc()
    }

    /// The instants published.
    pub fn window(&self) -> Range<DateTime<Utc>> {
        let day = self.today();
        let start = day.checked_sub_signed(self.back).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let end = day.checked_add_signed(self.ahead).unwrap_or(DateTime::<Utc>::MAX_UTC);
        start..end.max(start)
    }

    fn busy_only(&self) -> BusyOnly<'_> {
        BusyOnly { title: &self.busy_title, key: Some(self.key.expose()), owner: &self.owner }
    }
}
