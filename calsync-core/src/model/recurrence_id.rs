//! The key of one instance of a series.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::EventTime;

/// Names one instance by the start it had before anything moved it (RFC 5545 section 3.8.4.4).
///
/// Normalised, so that `18:00 Europe/London` and `19:00 Europe/Stockholm` are one key: an instant where the series has
/// instants, else the date or the floating time. As text it is the iCalendar value: `20260105`, `20260105T180000` or
/// `20260105T180000Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecurrenceId {
    /// An instance of an all-day series.
    Date(NaiveDate),
    /// An instance of a floating series.
    Floating(NaiveDateTime),
    /// An instance of a series with a zone or in UTC.
    Instant(DateTime<Utc>),
}

/// The text is not a date, a local time or a UTC time in the basic format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a recurrence id: expected YYYYMMDD, YYYYMMDDThhmmss or YYYYMMDDThhmmssZ")]
pub struct RecurrenceIdError;

impl RecurrenceId {
    /// The key of the instance that starts at `start`.
    pub fn of(start: &EventTime) -> Self {
        match start {
            EventTime::Date(date) => Self::Date(*date),
            EventTime::Floating(local) => Self::Floating(*local),
            EventTime::Zoned { .. } | EventTime::Utc(_) => {
                start.absolute().map_or(Self::Floating(start.local()), Self::Instant)
            }
        }
    }

    /// The start this key names, written the way `like` (the start of the series) is written.
    pub fn to_time(self, like: &EventTime) -> EventTime {
        match (self, like) {
            (Self::Instant(instant), EventTime::Zoned { zone, .. }) => {
                let local = zone.to_local(instant);
                let time = EventTime::zoned(local, zone.clone());
                // The later of two equal wall-clock times has no zoned form in iCalendar.
                if time.absolute() == Some(instant) { time } else { EventTime::Utc(instant) }
            }
            (Self::Instant(instant), _) => EventTime::Utc(instant),
            (Self::Date(date), _) => EventTime::Date(date),
            (Self::Floating(local), _) => EventTime::Floating(local),
        }
    }
}

impl fmt::Display for RecurrenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => write!(f, "{}", date.format("%Y%m%d")),
            Self::Floating(local) => write!(f, "{}", local.format("%Y%m%dT%H%M%S")),
            Self::Instant(instant) => write!(f, "{}", instant.format("%Y%m%dT%H%M%SZ")),
        }
    }
}

impl fmt::Debug for RecurrenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RecurrenceId {
    type Err = RecurrenceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(local) = text.strip_suffix('Z') {
            return NaiveDateTime::parse_from_str(local, "%Y%m%dT%H%M%S")
                .map(|local| Self::Instant(local.and_utc()))
                .map_err(|_| RecurrenceIdError);
        }
        if text.contains('T') {
            return NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S")
                .map(Self::Floating)
                .map_err(|_| RecurrenceIdError);
        }
        NaiveDate::parse_from_str(text, "%Y%m%d").map(Self::Date).map_err(|_| RecurrenceIdError)
    }
}

impl Serialize for RecurrenceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecurrenceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
