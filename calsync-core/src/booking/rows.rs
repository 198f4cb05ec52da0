//! The rows that keep reservations apart: which a time touches, and what is in them.

use std::{collections::BTreeSet, ops::Range};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::{BookingError, HoldId, ROWS_MAX};
use crate::{
    availability::{BusyKind, BusyTime, busy_kind},
    model::{CalendarId, Event, EventId},
    store::{Doc, StoreError, StoreErrorKind},
};

/// The space of the rows.
pub(super) const SPACE: &str = "bookings";

/// How long a row is, in seconds. Shorter ones make strangers collide less, and a long booking touch more of them.
const LENGTH: i64 = 4 * 60 * 60;

/// What a row may hold, in bytes: every store takes 64 KiB.
const VALUE_MAX: usize = 60 * 1024;

/// Who has a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum By {
    /// A booking.
    Event {
        /// The calendar of its event, which need not be that of the row.
        calendar: CalendarId,
        /// The event.
        event: EventId,
    },
    /// Somebody who has not decided yet.
    Hold {
        /// Their hold.
        hold: HoldId,
        /// Until when.
        #[serde(with = "chrono::serde::ts_microseconds")]
        until: DateTime<Utc>,
    },
}

/// A time somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) by: By,
    #[serde(with = "chrono::serde::ts_microseconds")]
    start: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_microseconds")]
    end: DateTime<Utc>,
    /// With what is kept free around it.
    #[serde(with = "chrono::serde::ts_microseconds")]
    from: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_microseconds")]
    to: DateTime<Utc>,
}

impl Entry {
    pub(super) fn new(by: By, slot: &Range<DateTime<Utc>>, kept: &Range<DateTime<Utc>>) -> Self {
        Self { by, start: slot.start, end: slot.end, from: kept.start, to: kept.end }
    }

    pub(super) fn slot(&self) -> Range<DateTime<Utc>> {
        self.start..self.end
    }

    pub(super) fn kept(&self) -> Range<DateTime<Utc>> {
        self.from..self.to
    }

    pub(super) fn busy(&self) -> BusyTime {
        BusyTime { start: self.start, end: self.end, kind: BusyKind::Busy }
    }
}

/// Names rows.
pub(super) struct Rows;

impl Rows {
    /// The rows of a time on calendars.
    pub(super) fn touched<'a>(
        calendars: impl Iterator<Item = &'a CalendarId>,
        kept: &Range<DateTime<Utc>>,
    ) -> Result<Vec<String>, BookingError> {
        let (first, last) = numbers(kept);
        let calendars: BTreeSet<&CalendarId> = calendars.collect();
        let each = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(usize::MAX);
        let rows = each.saturating_mul(calendars.len());
        if rows > ROWS_MAX {
            return Err(BookingError::TooMuch { rows, max: ROWS_MAX });
        }
        let of = |calendar: &CalendarId| {
            let name = name(calendar);
            (first..=last).map(move |number| key(&name, number))
        };
        Ok(calendars.into_iter().flat_map(of).collect())
    }

    /// The key before the first row of a time on a calendar, and the last one.
    pub(super) fn range(calendar: &CalendarId, kept: &Range<DateTime<Utc>>) -> (String, String) {
        let (first, last) = numbers(kept);
        let name = name(calendar);
        (key(&name, first.saturating_sub(1)), key(&name, last))
    }

    /// When the time of a row is over.
    pub(super) fn over(key: &str) -> Option<DateTime<Utc>> {
        let number = i64::from_str_radix(key.rsplit_once(':')?.1, 16).ok()?.checked_sub(ORIGIN)?;
        DateTime::from_timestamp(number.checked_add(1)?.checked_mul(LENGTH)?, 0)
    }
}

/// Rows are numbered from long before any time there is, so that none is negative and their order is that of their keys.
const ORIGIN: i64 = 1 << 40;

fn numbers(kept: &Range<DateTime<Utc>>) -> (i64, i64) {
    let first = kept.start.timestamp().div_euclid(LENGTH);
    // The end is not part of it.
    let whole = kept.end.timestamp_subsec_nanos() == 0;
    let last = (kept.end.timestamp() - i64::from(whole)).div_euclid(LENGTH);
    (first, last.max(first))
}

/// A calendar as keys name it: of one length, whatever its id is made of.
fn name(calendar: &CalendarId) -> String {
    blake3::hash(calendar.as_str().as_bytes()).to_hex()[..32].to_owned()
}

fn key(name: &str, number: i64) -> String {
    format!("{name}:{:016x}", number + ORIGIN)
}

/// What is in a row.
pub(super) fn read(doc: &Doc) -> Result<Vec<Entry>, BookingError> {
    doc.read().ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, "read a row of bookings").into())
}

/// A row as it is kept.
pub(super) fn write(entries: &[Entry]) -> Result<Vec<u8>, BookingError> {
    // Made of strings and numbers only: it can always be written.
    let value = serde_json::to_vec(entries).unwrap_or_default();
    if value.len() > VALUE_MAX {
        return Err(StoreError::new(StoreErrorKind::Full, "write a row of bookings").into());
    }
    Ok(value)
}

/// From when to when a booking takes place; `None` for what cannot be one: a series, a date or floating time, what has no
/// length or takes no time.
pub(super) fn times(event: &Event) -> Option<Range<DateTime<Utc>>> {
    let body = event.master.as_ref().filter(|_| event.rules.is_empty() && event.overrides.is_empty())?;
    busy_kind(body, &[])?;
    // To the microsecond, as rows have it.
    let span = body.time.start.absolute()?.trunc_subsecs(6)..body.time.end.absolute()?.trunc_subsecs(6);
    (span.start < span.end).then_some(span)
}

/// Whether an event is a booking of exactly this time.
pub(super) fn is_booked(event: &Event, slot: &Range<DateTime<Utc>>) -> bool {
    times(event).as_ref() == Some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn times_that_touch_share_a_row() {
        let rows = |from: &str, to: &str| {
            let calendars = [CalendarId::from("a")];
            Rows::touched(calendars.iter(), &(at(from)..at(to))).expect("not too many")
        };
        // Its end is not part of a time.
        for (from, to, count) in [
            ("2026-01-05T08:00:00Z", "2026-01-05T12:00:00Z", 1),
            ("2026-01-05T08:00:00Z", "2026-01-05T12:00:00.000001Z", 2),
            ("2026-01-05T11:59:59Z", "2026-01-05T12:00:01Z", 2),
            ("1969-12-31T23:00:00Z", "1970-01-01T01:00:00Z", 2),
        ] {
            assert_eq!(rows(from, to).len(), count, "{from} to {to}");
        }
        let (one, other) = (
            rows("2026-01-05T09:00:00Z", "2026-01-05T12:30:00Z"),
            rows("2026-01-05T12:29:59Z", "2026-01-05T13:00:00Z"),
        );
        assert!(one.iter().any(|key| other.contains(key)));
        let mut sorted = rows("1969-12-29T00:00:00Z", "1970-01-04T00:00:00Z");
        let given = sorted.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, given, "the order of keys is that of times");
        let over = Rows::over(&rows("2026-01-05T09:00:00Z", "2026-01-05T09:30:00Z")[0]);
        assert_eq!(over, Some(at("2026-01-05T12:00:00Z")));
    }

    #[test]
    fn what_does_not_fit_into_a_commit_is_refused() {
        let calendars: Vec<CalendarId> = (0..41).map(|n| CalendarId::from(format!("c{n}"))).collect();
        let kept = at("2026-01-05T11:00:00Z")..at("2026-01-05T13:00:00Z");
        assert!(Rows::touched(calendars[..40].iter(), &kept).is_ok());
        let error = Rows::touched(calendars.iter(), &kept).expect_err("82 rows");
        assert!(matches!(error, BookingError::TooMuch { rows: 82, max: 80 }));
        let ever = DateTime::<Utc>::MIN_UTC..DateTime::<Utc>::MAX_UTC;
        assert!(matches!(Rows::touched(calendars.iter(), &ever), Err(BookingError::TooMuch { .. })));
    }
}
