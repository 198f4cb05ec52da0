//! Points in time as the user meant them.

use std::fmt;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};

use super::text;
use crate::zone::Zone;

/// Which of two equal wall-clock times is meant when clocks go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fold {
    /// The first one, still in the offset before the change. RFC 5545 section 3.3.5 means this one.
    #[default]
    First,
    /// The second one. iCalendar cannot say it with a zone, so it is written there as an instant.
    Second,
}

/// A time of an event: one of the four forms of RFC 5545 section 3.3.5 / RFC 8984 section 1.4.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventTime {
    /// A calendar date: all-day, the same date in every zone. Never turned into an instant to be stored.
    Date(#[serde(serialize_with = "text::date")] NaiveDate),
    /// A wall-clock time in whatever zone the reader is in.
    Floating(#[serde(serialize_with = "text::local", deserialize_with = "read_local")] NaiveDateTime),
    /// A wall-clock time in a zone: follows the zone's rules when they change.
    Zoned {
        /// The wall-clock time.
        #[serde(serialize_with = "text::local", deserialize_with = "read_local")]
        local: NaiveDateTime,
        /// The zone whose clock shows it.
        zone: Zone,
        /// Which of the two when the time happens twice.
        #[serde(default, skip_serializing_if = "is_first")]
        fold: Fold,
    },
    /// An instant.
    Utc(#[serde(serialize_with = "text::instant")] DateTime<Utc>),
}

/// A wall-clock time in its usual form without the general parser, which reads all other forms: a store reads two of every event.
fn read_local<'de, D: Deserializer<'de>>(source: D) -> Result<NaiveDateTime, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = NaiveDateTime;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a formatted date and time string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<NaiveDateTime, E> {
            usual(text.as_bytes()).map_or_else(|| text.parse().map_err(E::custom), Ok)
        }
    }
    source.deserialize_str(Text)
}

/// `2026-03-16T08:00:00` and nothing else.
fn usual(text: &[u8]) -> Option<NaiveDateTime> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n] = text else { return None };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let year = i32::try_from(number(&[a, b, c, d])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[e, f])?, number(&[g, h])?)?;
    date.and_hms_opt(number(&[i, j])?, number(&[k, l])?, number(&[m, n])?)
}

fn is_first(fold: &Fold) -> bool {
    *fold == Fold::First
}

impl EventTime {
    /// A wall-clock time in a zone, the first one where it happens twice.
    pub fn zoned(local: NaiveDateTime, zone: Zone) -> Self {
        Self::Zoned { local, zone, fold: Fold::First }
    }

    /// Adds the date, the wall-clock time or the instant to a text, as it is in JSON: `2026-03-16`, `2026-03-16T08:00:00` or
    /// `2026-03-16T08:00:00Z`. The zone of a time that has one is not in it.
    pub fn push_text(&self, to: &mut String) {
        let (date, time, length) = match self {
            Self::Date(date) => (*date, NaiveTime::MIN, text::DATE),
            Self::Floating(local) | Self::Zoned { local, .. } => (local.date(), local.time(), text::LOCAL),
            Self::Utc(instant) => (instant.date_naive(), instant.time(), text::LOCAL + 1),
        };
        match (text::usual(date, time), self) {
            (Some(usual), _) => to.push_str(text::as_str(&usual[..length])),
            (None, Self::Date(date)) => to.push_str(&date.to_string()),
            (None, Self::Floating(local) | Self::Zoned { local, .. }) => to.push_str(&format!("{local:?}")),
            (None, Self::Utc(_)) => to.push_str(&format!("{:?}Z", date.and_time(time))),
        }
    }

    /// Whether this is a date without a time of day.
    pub fn is_date(&self) -> bool {
        matches!(self, Self::Date(_))
    }

    /// The zone, when the time has one.
    pub fn zone(&self) -> Option<&Zone> {
        match self {
            Self::Zoned { zone, .. } => Some(zone),
            _ => None,
        }
    }

    /// The wall-clock reading: midnight for a date, UTC for an instant.
    pub fn local(&self) -> NaiveDateTime {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN),
            Self::Floating(local) | Self::Zoned { local, .. } => *local,
            Self::Utc(instant) => instant.naive_utc(),
        }
    }

    /// The instant, reading dates and floating times in `reader`, the zone of whoever asks.
    pub fn instant(&self, reader: &Zone) -> DateTime<Utc> {
        match self {
            Self::Date(_) | Self::Floating(_) => reader.resolve(self.local()),
            Self::Zoned { local, zone, fold } => resolve(zone, *local, *fold),
            Self::Utc(instant) => *instant,
        }
    }

    /// The instant, when the time means one without knowing the reader: `None` for dates and floating times.
    pub fn absolute(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Date(_) | Self::Floating(_) => None,
            Self::Zoned { local, zone, fold } => Some(resolve(zone, *local, *fold)),
            Self::Utc(instant) => Some(*instant),
        }
    }

    /// Whether both name the same point: the same date, the same floating time, or the same instant.
    pub fn same_point(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Floating(a), Self::Floating(b)) => a == b,
            _ => self.absolute().is_some() && self.absolute() == other.absolute(),
        }
    }
}

fn resolve(zone: &Zone, local: NaiveDateTime, fold: Fold) -> DateTime<Utc> {
    let first = zone.resolve(local);
    if fold == Fold::First {
        return first;
    }
    // The second reading lies one clock change later; no zone sets its clock back by more than a day.
    let before = zone.offset_at(first);
    let after = zone.offset_at(first.checked_add_signed(TimeDelta::days(1)).unwrap_or(first));
    let second =
        first.checked_add_signed(TimeDelta::seconds(i64::from(before) - i64::from(after))).unwrap_or(first);
    if zone.to_local(second) == local { second } else { first }
}

/// When an event takes place: from its start up to, not including, its end.
///
/// The merge treats the two as one field: a start from one side with an end from the other is nobody's intent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeSpan {
    /// The first moment.
    pub start: EventTime,
    /// The moment after the last: for dates the day after the last day, as `DTEND` in RFC 5545 section 3.6.1.
    pub end: EventTime,
}

impl TimeSpan {
    /// The days from `first` to `last`, both included.
    pub fn all_day(first: NaiveDate, last: NaiveDate) -> Self {
        let end = last.max(first).checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
        Self { start: EventTime::Date(first), end: EventTime::Date(end) }
    }

    /// Whether the event lasts whole days.
    pub fn is_all_day(&self) -> bool {
        self.start.is_date()
    }

    /// Exact length; whole days of 24 hours for dates and floating times. Never negative.
    pub fn duration(&self) -> TimeDelta {
        let length = match (self.start.absolute(), self.end.absolute()) {
            (Some(start), Some(end)) => end - start,
            _ => self.end.local() - self.start.local(),
        };
        length.max(TimeDelta::zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_time_is_read_as_the_general_way_reads_it() {
        let texts = [
            "2026-03-16T08:00:00",
            "2024-02-29T23:59:59",
            "0000-01-01T00:00:00",
            "9999-12-31T23:59:59",
            "2026-02-29T08:00:00",
            "2026-13-01T08:00:00",
            "2026-03-16T24:00:00",
            "2026-03-16T08:60:00",
            "2016-12-31T23:59:60",
            "2026-03-16T08:00:00.5",
            "+12026-03-16T08:00:00",
            "-0001-03-16T08:00:00",
            "2026-3-16T8:00:00",
            "2026-03-16 08:00:00",
            "2026-03-16T08:00",
            "2026-03-16T08:00:00Z",
            "+026-03-16T08:00:00",
            "",
            "x",
        ];
        for text in texts {
            let general = text.parse::<NaiveDateTime>().ok();
            let read = serde_json::from_value::<EventTime>(serde_json::json!({ "floating": text })).ok();
            assert_eq!(read, general.map(EventTime::Floating), "{text}");
            assert!(usual(text.as_bytes()).is_none_or(|quick| Some(quick) == general), "{text}");
        }
    }
}
