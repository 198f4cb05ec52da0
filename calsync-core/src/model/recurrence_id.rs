//! The key of one instance of a series.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    EventTime,
    text::{as_str, put},
};

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

    /// The name an instance of a series has once its start moved from `before` to `after`: as much later on the wall clock.
    /// `None` where the calendar ends.
    pub fn moved(self, before: &EventTime, after: &EventTime) -> Option<Self> {
        let local = self.to_time(before).local().checked_add_signed(after.local() - before.local())?;
        let time = match after {
            EventTime::Date(_) => EventTime::Date(local.date()),
            EventTime::Floating(_) => EventTime::Floating(local),
            EventTime::Zoned { zone, .. } => EventTime::zoned(local, zone.clone()),
            EventTime::Utc(_) => EventTime::Utc(local.and_utc()),
        };
        Some(Self::of(&time))
    }
}

impl fmt::Display for RecurrenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time, end) = match self {
            Self::Date(date) => (*date, None, ""),
            Self::Floating(local) => (local.date(), Some(local.time()), ""),
            Self::Instant(instant) => (instant.date_naive(), Some(instant.time()), "Z"),
        };
        let Ok(year @ 0..=9999) = u32::try_from(date.year()) else {
            // Five digits and more, or before year 0: only texts that somebody made up have them.
            write!(f, "{}", date.format("%Y%m%d"))?;
            time.map_or(Ok(()), |time| write!(f, "{}", time.format("T%H%M%S")))?;
            return f.write_str(end);
        };
        let mut text = *b"00000000T000000";
        put(&mut text, 0..4, year);
        put(&mut text, 4..6, date.month());
        put(&mut text, 6..8, date.day());
        if let Some(time) = time {
            put(&mut text, 9..11, time.hour());
            put(&mut text, 11..13, time.minute());
            // A leap second is second 60.
            put(&mut text, 13..15, time.second() + time.nanosecond() / 1_000_000_000);
        }
        let length = if time.is_some() { 15 } else { 8 };
        f.write_str(as_str(&text[..length]))?;
        f.write_str(end)
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

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::RecurrenceId;

    #[test]
    fn the_text_is_that_of_the_format_of_icalendar() {
        let days =
            [(2026, 1, 5), (2024, 12, 31), (1, 2, 3), (0, 1, 1), (9999, 10, 20), (10000, 1, 1), (-4, 7, 8)];
        let times = [(0, 0, 0, 0), (18, 5, 9, 0), (23, 59, 59, 999_999_999), (23, 59, 59, 1_000_000_000)];
        for (year, month, day) in days {
            let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
            assert_eq!(RecurrenceId::Date(date).to_string(), date.format("%Y%m%d").to_string());
            for (hour, minute, second, nano) in times {
                let local = date.and_hms_nano_opt(hour, minute, second, nano).unwrap();
                let text = local.format("%Y%m%dT%H%M%S").to_string();
                assert_eq!(RecurrenceId::Floating(local).to_string(), text);
                assert_eq!(RecurrenceId::Instant(local.and_utc()).to_string(), format!("{text}Z"));
            }
        }
    }
}
