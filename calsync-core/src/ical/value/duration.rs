//! DURATION values (RFC 5545 section 3.3.6).

use std::fmt;

use chrono::{Days, TimeDelta};

use crate::model::EventTime;

/// A length of time: whole days, which follow the wall clock, and seconds, which are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcalDuration {
    /// Whether it counts backwards.
    pub negative: bool,
    /// Days, weeks included.
    pub days: u32,
    /// Hours, minutes and seconds, as seconds.
    pub seconds: u32,
}

/// Longer than any event or alarm: 1,000 years.
const MAX_DAYS: u64 = 366_000;

impl IcalDuration {
    /// Reads a value. Tolerated: blanks, lower case, days or weeks behind `T` (`PT2D`), hours, minutes or seconds
    /// without it (`P1H`, `-P10M`: minutes, as there are no months here), a trailing `T`. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, rest) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let rest = rest.strip_prefix(['P', 'p'])?;
        let (mut days, mut seconds) = (0_u64, 0_u64);
        let mut number: Option<u64> = None;
        let mut any = false;
        for byte in rest.bytes() {
            let unit = byte.to_ascii_uppercase();
            match unit {
                b'0'..=b'9' => {
                    number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(unit - b'0'))?);
                    continue;
                }
                b'T' if number.is_none() => {
                    any = true;
                    continue;
                }
                _ => {}
            }
            let value = number.take()?.min(u64::from(u32::MAX));
            match unit {
                b'W' => days += value * 7,
                b'D' => days += value,
                b'H' => seconds += value * 3600,
                b'M' => seconds += value * 60,
                b'S' => seconds += value,
                _ => return None,
            }
            any = true;
        }
        if number.is_some() || !any || days > MAX_DAYS || seconds > MAX_DAYS * 86_400 {
            return None;
        }
        Some(Self { negative, days: u32::try_from(days).ok()?, seconds: u32::try_from(seconds).ok()? })
    }

    /// The exact length in seconds, days counted as 24 hours; negative when it counts backwards.
    pub fn total_seconds(self) -> i64 {
        let seconds = i64::from(self.days) * 86_400 + i64::from(self.seconds);
        if self.negative { -seconds } else { seconds }
    }

    /// A duration of exactly `seconds`, whole days as days: right for alarms, which RFC 5545 counts in exact time.
    pub fn from_seconds(seconds: i64) -> Self {
        let length = seconds.unsigned_abs();
        let (days, rest) = if length.is_multiple_of(86_400) { (length / 86_400, 0) } else { (0, length) };
        Self {
            negative: seconds < 0,
            days: u32::try_from(days).unwrap_or(u32::MAX),
            seconds: u32::try_from(rest).unwrap_or(u32::MAX),
        }
    }

    /// `start` plus this length: days on the wall clock first, then exact time (RFC 5545 section 3.3.6). `None` past
    /// the ends of time, and for a negative duration.
    pub fn after(self, start: &EventTime) -> Option<EventTime> {
        if self.negative && self.total_seconds() != 0 {
            return None;
        }
        let days = Days::new(u64::from(self.days));
        let seconds = TimeDelta::seconds(i64::from(self.seconds));
        Some(match start {
            EventTime::Date(date) => {
                let whole = Days::new(u64::from(self.days) + u64::from(self.seconds).div_ceil(86_400));
                EventTime::Date(date.checked_add_days(whole)?)
            }
            EventTime::Floating(local) => {
                EventTime::Floating(local.checked_add_days(days)?.checked_add_signed(seconds)?)
            }
            EventTime::Utc(instant) => {
                EventTime::Utc(instant.checked_add_days(days)?.checked_add_signed(seconds)?)
            }
            EventTime::Zoned { local, zone, fold } => {
                let local = local.checked_add_days(days)?;
                if self.seconds == 0 {
                    return Some(EventTime::Zoned { local, zone: zone.clone(), fold: *fold });
                }
                let instant = zone.resolve(local).checked_add_signed(seconds)?;
                let time = EventTime::zoned(zone.to_local(instant), zone.clone());
                // The second of two equal wall-clock times: only the instant says which.
                if time.absolute() == Some(instant) { time } else { EventTime::Utc(instant) }
            }
        })
    }
}

impl fmt::Display for IcalDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        f.write_str("P")?;
        if self.days > 0 {
            write!(f, "{}D", self.days)?;
        }
        if self.seconds > 0 || self.days == 0 {
            f.write_str("T")?;
            let (hours, minutes, seconds) = (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60);
            if hours > 0 {
                write!(f, "{hours}H")?;
            }
            if minutes > 0 {
                write!(f, "{minutes}M")?;
            }
            if seconds > 0 || (hours == 0 && minutes == 0) {
                write!(f, "{seconds}S")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

    use super::*;
    use crate::zone::Zone;

    #[test]
    fn bad_04_durations_as_the_field_writes_them() {
        for (text, seconds) in [
            ("PT90M", Some(5400)),
            ("PT1H30M", Some(5400)),
            ("P1W", Some(604_800)),
            ("P15DT5H0M20S", Some(1_314_020)),
            ("-PT15M", Some(-900)),
            ("+PT15M", Some(900)),
            ("PT2D", Some(172_800)),
            ("-P2DT", Some(-172_800)),
            ("P1H", Some(3600)),
            ("-P10M", Some(-600)),
            ("pt0s", Some(0)),
            ("P0D", Some(0)),
            ("PT", Some(0)),
            ("-P", None),
            ("P5", None),
            ("PT5", None),
            ("15M", None),
            ("P1Y", None),
            ("PT99999999999999999999S", None),
            ("P999999999D", None),
        ] {
            assert_eq!(IcalDuration::parse(text).map(IcalDuration::total_seconds), seconds, "{text}");
        }
    }

    #[test]
    fn days_follow_the_clock_and_hours_do_not() {
        let berlin = Zone::from_iana("Europe/Berlin").unwrap();
        let start = EventTime::zoned(
            NaiveDate::from_ymd_opt(2026, 3, 28).unwrap().and_hms_opt(12, 0, 0).unwrap(),
            berlin,
        );
        let after =
            |text: &str| IcalDuration::parse(text).unwrap().after(&start).unwrap().local().to_string();
        assert_eq!(after("P1D"), "2026-03-29 12:00:00");
        assert_eq!(after("PT24H"), "2026-03-29 13:00:00");
        assert_eq!(after("P1DT1H"), "2026-03-29 13:00:00");
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(seconds in -200_000_000_i64..200_000_000) {
            let duration = IcalDuration::from_seconds(seconds);
            prop_assert_eq!(duration.total_seconds(), seconds);
            prop_assert_eq!(IcalDuration::parse(&duration.to_string()), Some(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+PpTtWwDdHhMmSs0-9 ]{0,20}") {
            let _ = IcalDuration::parse(&text).map(|duration| duration.after(&EventTime::Utc(DateTime::<Utc>::MAX_UTC)));
        }
    }

    use chrono::{DateTime, Utc};
}
