//! RFC 5545 3.3.10 read plainly: every day of a period is tried against every BYxxx part, one after the other.
//!
//! This is what the expansion in `calsync_core::recurrence` is checked against. It shares only the rule's data type with
//! it, takes no short cuts, knows no zones, and is far too slow for anything else.

use calsync_core::recurrence::{Frequency, RecurrenceRule, Until, Weekday, WeekdayNum};
use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};

/// What DTSTART is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartKind {
    /// A date; instances are midnights and the time parts of the rule are ignored.
    Date,
    /// A wall-clock time that knows no daylight saving.
    DateTime,
}

/// The instances of a rule without fatal problems before `end` (exclusive), `most` of them at the most. DTSTART is
/// always the first and counts.
pub fn instances(
    rule: &RecurrenceRule,
    kind: StartKind,
    start: NaiveDateTime,
    end: NaiveDateTime,
    most: usize,
) -> Vec<NaiveDateTime> {
    let mut found = vec![start];
    let count = rule.count.map_or(usize::MAX, |count| count as usize);
    let mut step = 0u32;
    'periods: while let Some((first, after)) = period(rule, start, step) {
        if first >= end {
            break;
        }
        step += 1;
        for candidate in period_set(rule, kind, start, first, after) {
            if candidate <= start {
                continue;
            }
            if candidate >= end || !admits(rule, kind, candidate) || found.len() >= count {
                break 'periods;
            }
            if found.len() >= most {
                break 'periods;
            }
            found.push(candidate);
        }
    }
    found.retain(|instance| *instance < end);
    found
}

/// The step-th period: its first moment and the first moment after it.
fn period(rule: &RecurrenceRule, start: NaiveDateTime, step: u32) -> Option<(NaiveDateTime, NaiveDateTime)> {
    let moved = step.checked_mul(rule.interval)?;
    let midnight = |date: NaiveDate| date.and_hms_opt(0, 0, 0);
    let days = |first: NaiveDate, length: u64| {
        let first = first.checked_add_days(Days::new(u64::from(moved).checked_mul(length)?))?;
        Some((midnight(first)?, midnight(first.checked_add_days(Days::new(length))?)?))
    };
    let months = |first: NaiveDate, length: u32| {
        let first = first.checked_add_months(Months::new(moved.checked_mul(length)?))?;
        Some((midnight(first)?, midnight(first.checked_add_months(Months::new(length))?)?))
    };
    let exact = |first: NaiveDateTime, length: i64| {
        let first = first.checked_add_signed(TimeDelta::seconds(i64::from(moved) * length))?;
        Some((first, first.checked_add_signed(TimeDelta::seconds(length))?))
    };
    let today = start.date();
    match rule.frequency {
        // Weeks are numbered within years of whole weeks (ISO 8601), so with BYWEEKNO such a year is the period.
        Frequency::Yearly if !rule.by_week_no.is_empty() => {
            let year = week_year(today, rule.week_start).checked_add_unsigned(moved)?;
            let begin = |year: i32| week_begin(NaiveDate::from_ymd_opt(year, 1, 4)?, rule.week_start);
            Some((midnight(begin(year)?)?, midnight(begin(year + 1)?)?))
        }
        Frequency::Yearly => months(today.with_ordinal(1)?, 12),
        Frequency::Monthly => months(today.with_day(1)?, 1),
        Frequency::Weekly => days(week_begin(today, rule.week_start)?, 7),
        Frequency::Daily => days(today, 1),
        Frequency::Hourly => exact(start.with_minute(0)?.with_second(0)?, 3_600),
        Frequency::Minutely => exact(start.with_second(0)?, 60),
        Frequency::Secondly => exact(start, 1),
    }
}

/// All candidates of one period, BYSETPOS applied.
fn period_set(
    rule: &RecurrenceRule,
    kind: StartKind,
    start: NaiveDateTime,
    first: NaiveDateTime,
    after: NaiveDateTime,
) -> Vec<NaiveDateTime> {
    let mut set = Vec::new();
    let one = |value: u32| value..value + 1;
    let hours = if rule.frequency.is_sub_daily() { one(first.hour()) } else { 0..24 };
    let minutes = if rule.frequency < Frequency::Hourly { one(first.minute()) } else { 0..60 };
    let seconds = if rule.frequency == Frequency::Secondly { one(first.second()) } else { 0..60 };
    let mut day = first.date();
    // A period of an hour or less may end at midnight, but begins on one day only.
    while day < after.date() || day == first.date() {
        if day_passes(rule, start.date(), day) {
            for hour in hours.clone().filter(|hour| hour_passes(rule, kind, start, *hour)) {
                for minute in minutes.clone().filter(|minute| minute_passes(rule, kind, start, *minute)) {
                    for second in seconds.clone().filter(|second| second_passes(rule, kind, start, *second)) {
                        set.extend(day.and_hms_opt(hour, minute, second));
                    }
                }
            }
        }
        let Some(next) = day.succ_opt() else { break };
        day = next;
    }
    if rule.by_set_position.is_empty() {
        return set;
    }
    let length = set.len() as i64;
    let kept = |index: usize| {
        let from_start = index as i64 + 1;
        rule.by_set_position
            .iter()
            .any(|p| i64::from(*p) == from_start || i64::from(*p) == from_start - length - 1)
    };
    let chosen = set.iter().enumerate().filter(|(index, _)| kept(*index)).map(|(_, at)| *at);
    chosen.collect()
}

fn hour_passes(rule: &RecurrenceRule, kind: StartKind, start: NaiveDateTime, hour: u32) -> bool {
    if kind == StartKind::Date {
        return hour == 0;
    }
    if rule.by_hour.is_empty() {
        return rule.frequency.is_sub_daily() || hour == start.hour();
    }
    rule.by_hour.iter().any(|listed| u32::from(*listed) == hour)
}

fn minute_passes(rule: &RecurrenceRule, kind: StartKind, start: NaiveDateTime, minute: u32) -> bool {
    if kind == StartKind::Date {
        return minute == 0;
    }
    if rule.by_minute.is_empty() {
        return rule.frequency < Frequency::Hourly || minute == start.minute();
    }
    rule.by_minute.iter().any(|listed| u32::from(*listed) == minute)
}

fn second_passes(rule: &RecurrenceRule, kind: StartKind, start: NaiveDateTime, second: u32) -> bool {
    if kind == StartKind::Date {
        return second == 0;
    }
    if rule.by_second.is_empty() {
        return rule.frequency == Frequency::Secondly || second == start.second();
    }
    // RFC 5545 3.3.12: without leap seconds, 60 is 59.
    rule.by_second.iter().any(|listed| u32::from(*listed).min(59) == second)
}

/// Whether a day is among those the day parts, or DTSTART in their place, name.
fn day_passes(rule: &RecurrenceRule, start: NaiveDate, day: NaiveDate) -> bool {
    if !listed(&rule.by_month, || (i64::from(day.month()), 0))
        || !listed(&rule.by_month_day, || from_both_ends(day.day(), days_in_month(day)))
        || !listed(&rule.by_year_day, || from_both_ends(day.ordinal(), days_in_year(day)))
        || !listed(&rule.by_week_no, || week_number(day, rule.week_start))
        || !(rule.by_day.is_empty() || rule.by_day.iter().any(|by_day| weekday_passes(rule, by_day, day)))
    {
        return false;
    }
    // What the rule leaves out is as in DTSTART.
    let no_day = rule.by_month_day.is_empty() && rule.by_year_day.is_empty() && rule.by_day.is_empty();
    match rule.frequency {
        Frequency::Yearly if no_day && !rule.by_week_no.is_empty() => day.weekday() == start.weekday(),
        Frequency::Yearly if no_day && rule.by_month.is_empty() => {
            day.month() == start.month() && day.day() == start.day()
        }
        Frequency::Yearly | Frequency::Monthly if no_day => day.day() == start.day(),
        Frequency::Weekly if rule.by_day.is_empty() => day.weekday() == start.weekday(),
        _ => true,
    }
}

/// An absent list lets everything pass.
fn listed<T: Copy + Into<i64>>(list: &[T], numbers: impl Fn() -> (i64, i64)) -> bool {
    if list.is_empty() {
        return true;
    }
    let (forward, backward) = numbers();
    list.iter().any(|item| (*item).into() == forward || (*item).into() == backward)
}

/// The number of a thing among `length` of them, counted from the first and from the last (-1).
fn from_both_ends(number: u32, length: i64) -> (i64, i64) {
    (i64::from(number), i64::from(number) - length - 1)
}

fn weekday_passes(rule: &RecurrenceRule, by_day: &WeekdayNum, day: NaiveDate) -> bool {
    if Weekday::from(day.weekday()) != by_day.weekday {
        return false;
    }
    let ordinals_count = match rule.frequency {
        Frequency::Monthly => true,
        Frequency::Yearly => rule.by_week_no.is_empty(),
        _ => false,
    };
    let Some(ordinal) = by_day.ordinal.filter(|_| ordinals_count) else { return true };
    let in_month = rule.frequency == Frequency::Monthly || !rule.by_month.is_empty();
    let (at, length) = if in_month {
        (i64::from(day.day()), days_in_month(day))
    } else {
        (i64::from(day.ordinal()), days_in_year(day))
    };
    let nth = (at - 1) / 7 + 1;
    let nth_from_end = (length - at) / 7 + 1;
    i64::from(ordinal) == nth || i64::from(ordinal) == -nth_from_end
}

fn days_in_month(day: NaiveDate) -> i64 {
    (28..=31).rev().find(|n| day.with_day(*n).is_some()).map_or(28, i64::from)
}

fn days_in_year(day: NaiveDate) -> i64 {
    if day.leap_year() { 366 } else { 365 }
}

fn week_begin(day: NaiveDate, week_start: Weekday) -> Option<NaiveDate> {
    let mut begin = day;
    while Weekday::from(begin.weekday()) != week_start {
        begin = begin.pred_opt()?;
    }
    Some(begin)
}

/// The year that has four or more days of a day's week.
fn week_year(day: NaiveDate, week_start: Weekday) -> i32 {
    let begin = week_begin(day, week_start).unwrap_or(day);
    begin.checked_add_days(Days::new(3)).unwrap_or(day).year()
}

/// The number of the week a day lies in, from both ends of the year of that week. A week belongs to the year that
/// has four or more of its days.
fn week_number(day: NaiveDate, week_start: Weekday) -> (i64, i64) {
    let middle = |day: NaiveDate| {
        week_begin(day, week_start).and_then(|begin| begin.checked_add_days(Days::new(3))).unwrap_or(day)
    };
    let of_week = middle(day);
    let number = |middle: NaiveDate| i64::from(middle.ordinal0() / 7 + 1);
    let last = NaiveDate::from_ymd_opt(of_week.year(), 12, 31).unwrap_or(day);
    let mut last = middle(last);
    if last.year() != of_week.year() {
        last = last.checked_sub_days(Days::new(7)).unwrap_or(last);
    }
    (number(of_week), number(of_week) - number(last) - 1)
}

fn admits(rule: &RecurrenceRule, kind: StartKind, candidate: NaiveDateTime) -> bool {
    match (rule.until, kind) {
        (None, _) => true,
        (Some(Until::Date(date)), _) => candidate.date() <= date,
        (Some(Until::Local(local)), StartKind::Date) => candidate.date() <= local.date(),
        (Some(Until::Utc(instant)), StartKind::Date) => candidate.date() <= instant.date_naive(),
        (Some(Until::Local(local)), StartKind::DateTime) => candidate <= local,
        (Some(Until::Utc(instant)), StartKind::DateTime) => candidate <= instant.naive_utc(),
    }
}
