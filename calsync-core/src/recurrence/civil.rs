//! Proleptic Gregorian day arithmetic on plain integers.
//!
//! Expansion visits many days and months; whole numbers keep that free of allocation and of per-step validity
//! checks. A day is counted from 1970-01-01 (day 0), a local time in seconds from 1970-01-01T00:00:00 of the
//! same wall clock, an instant in Unix seconds.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};

/// Seconds in a day of the wall clock.
pub(super) const DAY: i64 = 86_400;
/// 9999-12-31, the last day a rule reaches: RFC 5545 3.3.4 writes years with four digits.
pub(super) const MAX_DAY: i64 = 2_932_896;

/// Day number of a civil date.
pub(super) fn day_of(year: i64, month: u32, day: u32) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted - era * 400;
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of the month of a day number.
pub(super) fn civil(day: i64) -> (i64, u32, u32) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Days from Monday: 0 is Monday, 6 is Sunday.
pub(super) fn weekday(day: i64) -> u32 {
    (day + 3).rem_euclid(7) as u32
}

/// True for a year of 366 days.
pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Number of days of a month, 28 to 31.
pub(super) fn month_length(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// 365 or 366.
pub(super) fn year_length(year: i64) -> u32 {
    365 + u32::from(is_leap(year))
}

/// First day of week 1 of a year: the first week with four or more days in it (ISO 8601, with any week start).
pub(super) fn first_week(year: i64, week_start: u32) -> i64 {
    let fourth = day_of(year, 1, 4);
    fourth - i64::from((weekday(fourth) + 7 - week_start) % 7)
}

/// Wall-clock seconds of a date-time; fractions of a second are dropped, a leap second reads as second 59.
pub(super) fn local_seconds(local: NaiveDateTime) -> i64 {
    local.and_utc().timestamp()
}

/// The date-time of wall-clock seconds; clamps to what chrono can hold, which is far outside years 1 to 9999.
pub(super) fn date_time(local: i64) -> NaiveDateTime {
    DateTime::from_timestamp(local, 0).map_or(NaiveDateTime::MAX, |instant| instant.naive_utc())
}

/// The day number of a date.
pub(super) fn day_number(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - 719_163
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Weekday;

    /// 0001-01-01.
    const MIN_DAY: i64 = -719_162;

    #[test]
    fn days_and_dates_agree_with_chrono() {
        for day in (MIN_DAY..=MAX_DAY).step_by(97).chain([MIN_DAY, MAX_DAY, -1, 0, 59, 60]) {
            let (year, month, of_month) = civil(day);
            let date = NaiveDate::from_ymd_opt(year as i32, month, of_month).unwrap();
            assert_eq!(day_number(date), day);
            assert_eq!(day_of(year, month, of_month), day);
            assert_eq!(date.weekday().num_days_from_monday(), weekday(day));
        }
    }

    #[test]
    fn week_one_is_the_iso_week_for_a_monday_start() {
        for year in 1900..2100 {
            let monday = NaiveDate::from_isoywd_opt(year, 1, Weekday::Mon).unwrap();
            assert_eq!(first_week(i64::from(year), 0), day_number(monday));
        }
    }
}
