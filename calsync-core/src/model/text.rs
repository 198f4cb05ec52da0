//! Dates and times as text, digit by digit.
//!
//! chrono writes them through a description of the form, which takes ten times as long; every instance of a series has three of
//! them, and every event that is stored has two.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use serde::{Serialize, Serializer};

/// Adds the digits of a number to a text that has zeros in their place.
pub(super) fn put(text: &mut [u8], place: Range<usize>, mut number: u32) {
    for digit in text[place].iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// The bytes of a text of digits.
pub(super) fn as_str(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// A whole second of a year of four digits, as `2026-03-16T08:00:00Z`: what comes before the `T` is the date, and before the `Z`
/// the wall-clock time. `None` for all others, which are somebody's joke.
pub(super) fn usual(date: NaiveDate, time: NaiveTime) -> Option<[u8; 20]> {
    let year = u32::try_from(date.year()).ok().filter(|year| *year <= 9999)?;
    if time.nanosecond() != 0 {
        return None;
    }
    let mut text = *b"0000-00-00T00:00:00Z";
    put(&mut text, 0..4, year);
    put(&mut text, 5..7, date.month());
    put(&mut text, 8..10, date.day());
    put(&mut text, 11..13, time.hour());
    put(&mut text, 14..16, time.minute());
    put(&mut text, 17..19, time.second());
    Some(text)
}

/// How much of [`usual`] each form has.
pub(super) const DATE: usize = 10;
pub(super) const LOCAL: usize = 19;

pub(super) fn date<S: Serializer>(date: &NaiveDate, to: S) -> Result<S::Ok, S::Error> {
    match usual(*date, NaiveTime::MIN) {
        Some(text) => to.serialize_str(as_str(&text[..DATE])),
        None => date.serialize(to),
    }
}

pub(super) fn local<S: Serializer>(local: &NaiveDateTime, to: S) -> Result<S::Ok, S::Error> {
    match usual(local.date(), local.time()) {
        Some(text) => to.serialize_str(as_str(&text[..LOCAL])),
        None => local.serialize(to),
    }
}

pub(super) fn instant<S: Serializer>(instant: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    match usual(instant.date_naive(), instant.time()) {
        Some(text) => to.serialize_str(as_str(&text)),
        None => instant.serialize(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventTime;

    /// The same text as chrono's, whatever the time.
    #[test]
    fn every_time_is_written_as_chrono_writes_it() {
        let seconds = [0, 1, 951_782_399, 951_782_400, 1_772_355_600, 253_402_300_799, 253_402_300_800];
        let all = seconds.into_iter().flat_map(|at: i64| [at, -at, at - 62_167_219_200]);
        let all = all.flat_map(|at| [(at, 0), (at, 1), (at, 120_000_000)]);
        let mut usual_ones = 0;
        for (at, nanos) in all {
            let instant = DateTime::from_timestamp(at, nanos).expect("within what there is");
            let (local, date) = (instant.naive_utc(), instant.date_naive());
            usual_ones += usize::from(usual(date, local.time()).is_some());
            for (ours, theirs) in [
                (EventTime::Utc(instant), serde_json::json!({ "utc": instant })),
                (EventTime::Floating(local), serde_json::json!({ "floating": local })),
                (EventTime::Date(date), serde_json::json!({ "date": date })),
            ] {
                assert_eq!(serde_json::to_value(&ours).expect("JSON"), theirs);
                let mut text = String::new();
                ours.push_text(&mut text);
                assert_eq!(
                    Some(text.as_str()),
                    theirs.as_object().and_then(|one| one.values().next()?.as_str())
                );
                assert_eq!(serde_json::from_value::<EventTime>(theirs).expect("read again"), ours);
            }
        }
        assert!(usual_ones > 5);
    }
}
