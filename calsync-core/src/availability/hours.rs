//! Working hours: what a clock on the wall must show.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::spans::{Span, clip, union};
use crate::{recurrence::Weekday, zone::Zone};

/// A time of day to the minute: `00:00` to `24:00`, the last being the end of the day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockTime(u16);

/// The text is not a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time of day: expected hh:mm from 00:00 to 24:00")]
pub struct ClockTimeError;

const DAY: u16 = 24 * 60;

impl ClockTime {
    /// The beginning of the day.
    pub const MIDNIGHT: Self = Self(0);
    /// Its end.
    pub const END: Self = Self(DAY);

    /// A time by hour and minute.
    ///
    /// # Errors
    /// Past `24:00`, or 60 minutes and more.
    pub fn new(hour: u16, minute: u16) -> Result<Self, ClockTimeError> {
        let minutes = hour.checked_mul(60).and_then(|minutes| minutes.checked_add(minute));
        minutes.filter(|minutes| minute < 60 && *minutes <= DAY).map(Self).ok_or(ClockTimeError)
    }

    /// Minutes since midnight.
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ClockTime {
    type Err = ClockTimeError;

    fn from_str(text: &str) -> Result<Self, ClockTimeError> {
        let part = |text: &str| {
            let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse().map_err(|_| ClockTimeError) } else { Err(ClockTimeError) }
        };
        let (hour, minute) = text.split_once(':').ok_or(ClockTimeError)?;
        Self::new(part(hour)?, part(minute)?)
    }
}

impl Serialize for ClockTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClockTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hours of some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayHours {
    /// The days. Default: every day.
    #[serde(default = "every_day")]
    pub days: Vec<Weekday>,
    /// The first minute.
    pub from: ClockTime,
    /// The minute after the last. At or before `from` it is that of the next day: `22:00` to `06:00` is the night that
    /// begins on the day.
    pub to: ClockTime,
}

fn every_day() -> Vec<Weekday> {
    Weekday::ALL.to_vec()
}

impl DayHours {
    /// Whether a wall clock that shows `local` shows one of these hours.
    pub fn contains(&self, local: NaiveDateTime) -> bool {
        shows(&self.days, (self.from, self.to), local)
    }
}

/// Whether a wall clock that shows `local` shows one of some hours of some days.
pub(crate) fn shows(days: &[Weekday], (from, to): (ClockTime, ClockTime), local: NaiveDateTime) -> bool {
    let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
    let on = |day: chrono::Weekday| days.contains(&Weekday::from(day));
    let (from, to) = (from.0, to.0);
    let day = local.weekday();
    if from < to {
        on(day) && (from..to).contains(&minute)
    } else {
        (on(day) && minute >= from) || (on(day.pred()) && minute < to)
    }
}

/// When somebody works: a minute counts when a clock on the wall of the zone shows one of the hours. In the hour that a
/// change of the clocks shows twice it counts twice, and in the hour left out never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkingHours {
    /// Whose clock.
    pub zone: Zone,
    /// The hours; a minute counts when one of them holds it.
    pub hours: Vec<DayHours>,
}

impl WorkingHours {
    /// The instants of a window at which somebody works.
    pub(super) fn spans(&self, window: &Span) -> Vec<Span> {
        let mut spans = Vec::new();
        for (segment, offset) in segments(&self.zone, window) {
            let shift = TimeDelta::seconds(i64::from(offset));
            let local = |instant: DateTime<Utc>| instant.naive_utc().checked_add_signed(shift);
            let (Some(first), Some(last)) = (local(segment.start), local(segment.end)) else { continue };
            // The night before may last into the first day.
            let days = first.date().pred_opt().unwrap_or(first.date()).iter_days();
            for day in days.take_while(|day| *day <= last.date()) {
                let weekday = Weekday::from(day.weekday());
                for hours in self.hours.iter().filter(|hours| hours.days.contains(&weekday)) {
                    let next_day = if hours.to <= hours.from { i64::from(DAY) } else { 0 };
                    let at = |minutes: i64| {
                        let local =
                            day.and_hms_opt(0, 0, 0)?.checked_add_signed(TimeDelta::minutes(minutes))?;
                        Some(local.checked_sub_signed(shift)?.and_utc())
                    };
                    if let (Some(start), Some(end)) =
                        (at(i64::from(hours.from.0)), at(i64::from(hours.to.0) + next_day))
                    {
                        spans.extend(clip(&(start..end), &segment));
                    }
                }
            }
        }
        union(spans)
    }
}

/// How often the offset is asked for: no zone changes it twice within this time.
const STEP: TimeDelta = TimeDelta::hours(6);

/// A window cut where the clock changes, each piece with its offset in seconds east of Greenwich.
pub(super) fn segments(zone: &Zone, window: &Span) -> Vec<(Span, i32)> {
    let mut pieces = Vec::new();
    let mut start = window.start;
    let mut offset = zone.offset_at(start);
    let mut at = start;
    while at < window.end {
        let next = at.checked_add_signed(STEP).unwrap_or(window.end).min(window.end);
        let after = zone.offset_at(next);
        if after != offset {
            let change = change_between(zone, at, next, offset);
            pieces.push((start..change, offset));
            (start, offset) = (change, after);
        }
        at = next;
    }
    if start < window.end {
        pieces.push((start..window.end, offset));
    }
    pieces
}

/// The first second that no longer has the offset `before`.
fn change_between(zone: &Zone, before: DateTime<Utc>, after: DateTime<Utc>, offset: i32) -> DateTime<Utc> {
    let (mut low, mut high) = (before.timestamp(), after.timestamp());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let same = DateTime::from_timestamp(middle, 0).is_some_and(|at| zone.offset_at(at) == offset);
        if same { low = middle } else { high = middle }
    }
    DateTime::from_timestamp(high, 0).unwrap_or(after).min(after)
}
