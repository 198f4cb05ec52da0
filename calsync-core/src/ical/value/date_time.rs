//! DATE and DATE-TIME values (RFC 5545 sections 3.3.4 and 3.3.5), before a `TZID` is applied.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

/// A date or time as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeValue {
    /// `20260105`.
    Date(NaiveDate),
    /// `20260105T090000`: a wall-clock time, in a zone if a `TZID` says so.
    Local(NaiveDateTime),
    /// `20260105T090000Z`, or with an offset such as `+0100`, which RFC 5545 forbids and the field has.
    Utc(DateTime<Utc>),
}

impl TimeValue {
    /// Reads a value. Tolerated: blanks around it, lower case, `-` and `:` separators, missing seconds, `240000` for the
    /// end of the day, second 60 (read as 59, as section 3.3.12 allows), an offset. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().as_bytes();
        let year = number(&mut rest, 4)?;
        skip(&mut rest, b'-');
        let month = number(&mut rest, 2)?;
        skip(&mut rest, b'-');
        let day = number(&mut rest, 2)?;
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        match rest {
            [] => return Some(Self::Date(date)),
            [b'T' | b't' | b' ', tail @ ..] => rest = tail,
            _ => return None,
        }
        let hour = number(&mut rest, 2)?;
        skip(&mut rest, b':');
        let minute = number(&mut rest, 2)?;
        skip(&mut rest, b':');
        let second = if rest.first().is_some_and(u8::is_ascii_digit) { number(&mut rest, 2)? } else { 0 };
        if let [b'.', fraction @ ..] = rest {
            rest = fraction.trim_ascii_start();
            while let [b'0'..=b'9', tail @ ..] = rest {
                rest = tail;
            }
        }
        let local = if (hour, minute, second) == (24, 0, 0) {
            date.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN)
        } else {
            date.and_hms_opt(hour, minute, if second == 60 { 59 } else { second })?
        };
        match rest {
            [] => Some(Self::Local(local)),
            [b'Z' | b'z'] => Some(Self::Utc(local.and_utc())),
            [sign @ (b'+' | b'-'), tail @ ..] => {
                rest = tail;
                let hours = number(&mut rest, 2)?;
                skip(&mut rest, b':');
                let minutes = if rest.is_empty() { 0 } else { number(&mut rest, 2)? };
                if !rest.is_empty() || hours > 18 || minutes > 59 {
                    return None;
                }
                let offset = TimeDelta::minutes(i64::from(hours * 60 + minutes));
                let instant = if *sign == b'+' {
                    local.checked_sub_signed(offset)
                } else {
                    local.checked_add_signed(offset)
                };
                instant.map(|instant| Self::Utc(instant.and_utc()))
            }
            _ => None,
        }
    }
}

fn number(rest: &mut &[u8], digits: usize) -> Option<u32> {
    let head = rest.get(..digits)?;
    let mut value = 0;
    for byte in head {
        value = value * 10 + u32::from(byte.checked_sub(b'0').filter(|digit| *digit <= 9)?);
    }
    *rest = &rest[digits..];
    Some(value)
}

fn skip(rest: &mut &[u8], byte: u8) {
    if rest.first() == Some(&byte) {
        *rest = &rest[1..];
    }
}

/// Appends a wall-clock time as `YYYYMMDDThhmmss`.
pub fn write_time(out: &mut String, local: NaiveDateTime) {
    write_date(out, local.date());
    // A leap second is a second of the one before it.
    let second = local.second() + local.nanosecond() / 1_000_000_000;
    out.push('T');
    push_digits(out, [local.hour(), local.minute(), second]);
}

/// Appends a date as `YYYYMMDD`.
pub(crate) fn write_date(out: &mut String, date: NaiveDate) {
    match u32::try_from(date.year()) {
        // By hand: a feed has half a million of them, and a format is read anew for each.
        Ok(year @ 0..=9999) => push_digits(out, [year / 100, year % 100, date.month(), date.day()]),
        _ => {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = write!(out, "{}", date.format("%Y%m%d"));
        }
    }
}

/// Appends numbers below 100, two digits each.
fn push_digits<const N: usize>(out: &mut String, numbers: [u32; N]) {
    for number in numbers {
        let at = usize::try_from(number % 100 * 2).unwrap_or(0);
        out.push_str(&PAIRS[at..at + 2]);
    }
}

/// `00` to `99`.
const PAIRS: &str = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
                     5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(text: &str) -> String {
        match TimeValue::parse(text) {
            None => "-".to_owned(),
            Some(TimeValue::Date(date)) => date.to_string(),
            Some(TimeValue::Local(local)) => local.to_string(),
            Some(TimeValue::Utc(instant)) => format!("{}Z", instant.naive_utc()),
        }
    }

    #[test]
    fn times_as_the_field_writes_them() {
        for (text, expected) in [
            ("20260105", "2026-01-05"),
            (" 20260105 ", "2026-01-05"),
            ("2026-01-05", "2026-01-05"),
            ("20260105T090000", "2026-01-05 09:00:00"),
            ("20260105T0900", "2026-01-05 09:00:00"),
            ("20260105t090000z", "2026-01-05 09:00:00Z"),
            ("2026-01-05T09:00:00.000Z", "2026-01-05 09:00:00Z"),
            ("20260105T240000", "2026-01-06 00:00:00"),
            ("20161231T235960Z", "2016-12-31 23:59:59Z"),
            ("20260105T090000+0130", "2026-01-05 07:30:00Z"),
            ("20260105T090000-08:00", "2026-01-05 17:00:00Z"),
            ("00010101T000000Z", "0001-01-01 00:00:00Z"),
            ("99991231T235959", "9999-12-31 23:59:59"),
        ] {
            assert_eq!(show(text), expected, "{text}");
        }
    }

    #[test]
    fn bad_07_what_is_no_time() {
        for text in [
            "",
            "00000000",
            "20261301",
            "20260230",
            "2026010",
            "20260105T",
            "20260105T250000",
            "20260105T096100",
            "20260105T090061",
            "20260105T090000X",
            "tomorrow",
            "20260105T090000+9900",
            "é0260105",
            "20260105T24000",
        ] {
            assert_eq!(show(text), "-", "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9TtZz:+. -]{0,24}") {
            let _ = TimeValue::parse(&text);
        }
    }
}
