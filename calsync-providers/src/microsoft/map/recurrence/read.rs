//! A pattern as a rule: always possible.

use calsync_core::{
    recurrence::{Frequency, RecurrenceRule, Until, Weekday, WeekdayNum},
    zone::Zone,
};
use chrono::{Datelike, NaiveDate, NaiveTime};

use super::super::super::{
    config::MonthEnd,
    wire::{Object, inner, integer, list, text},
};
use super::{INDEXES, day_named};

/// When a pattern repeats, without when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Daily,
    Weekly { days: Vec<Weekday>, week_start: Weekday },
    AbsoluteMonthly { day: u8 },
    RelativeMonthly { days: Vec<Weekday>, index: i8 },
    AbsoluteYearly { month: u8, day: u8 },
    RelativeYearly { month: u8, days: Vec<Weekday>, index: i8 },
}

/// Reads `patternedRecurrence`. `start` is the first day; the zone is the one the series repeats in, `None` for all-day.
pub(crate) fn rule(
    recurrence: &Object,
    start: NaiveDate,
    zone: Option<&Zone>,
    month_end: MonthEnd,
) -> Result<RecurrenceRule, &'static str> {
    let pattern = inner(recurrence, "pattern").ok_or("a series without a pattern")?;
    let mut rule = Pattern::read(pattern, start)?.rule(month_end);
    rule.interval = match integer(pattern, "interval") {
        None => 1,
        Some(interval) => {
            u32::try_from(interval).ok().filter(|n| *n > 0).ok_or("an interval out of range")?
        }
    };
    let range = inner(recurrence, "range").ok_or("a series without a range")?;
    match text(range, "type").unwrap_or_default().to_ascii_lowercase().as_str() {
        "noend" => {}
        "numbered" => {
            let count = integer(range, "numberOfOccurrences").and_then(|n| u32::try_from(n).ok());
            rule.count = Some(count.filter(|n| *n > 0).ok_or("a count out of range")?);
        }
        "enddate" => {
            let end = text(range, "endDate").and_then(|date| date.parse::<NaiveDate>().ok());
            rule.until = Some(until(end.ok_or("an end that is no date")?, zone));
        }
        _ => return Err("a kind of range that is not known"),
    }
    Ok(rule)
}

/// The last moment of the last day, in the form the series has.
pub(super) fn until(date: NaiveDate, zone: Option<&Zone>) -> Until {
    match zone {
        None => Until::Date(date),
        Some(zone) => {
            let last = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default();
            Until::Utc(zone.resolve(date.and_time(last)))
        }
    }
}

impl Pattern {
    /// What the type does not use is there all the same (`"month":0`), and not looked at.
    pub(crate) fn read(pattern: &Object, start: NaiveDate) -> Result<Self, &'static str> {
        let own = || vec![Weekday::from(start.weekday())];
        let days = || -> Result<Vec<Weekday>, &'static str> {
            let named = list(pattern, "daysOfWeek").iter().map(|day| day.as_str().and_then(day_named));
            let mut days: Vec<Weekday> =
                named.collect::<Option<_>>().ok_or("a day of the week that is not known")?;
            days.sort_unstable();
            days.dedup();
            Ok(if days.is_empty() { own() } else { days })
        };
        let number = |name: &str, most: u8| {
            integer(pattern, name).and_then(|n| u8::try_from(n).ok()).filter(|n| (1..=most).contains(n))
        };
        let day = || number("dayOfMonth", 31).ok_or("a day of the month out of range");
        let month = || number("month", 12).ok_or("a month out of range");
        let index = || match text(pattern, "index") {
            None => Ok(1),
            Some(name) => INDEXES
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, index)| *index)
                .ok_or("an index that is not known"),
        };
        let week_start = || match text(pattern, "firstDayOfWeek") {
            // Not RFC 5545's default, which is Monday.
            None => Ok(Weekday::Sunday),
            Some(name) => day_named(name).ok_or("a day of the week that is not known"),
        };
        Ok(match text(pattern, "type").unwrap_or_default().to_ascii_lowercase().as_str() {
            "daily" => Self::Daily,
            "weekly" => Self::Weekly { days: days()?, week_start: week_start()? },
            "absolutemonthly" => Self::AbsoluteMonthly { day: day()? },
            "relativemonthly" => Self::RelativeMonthly { days: days()?, index: index()? },
            "absoluteyearly" => Self::AbsoluteYearly { month: month()?, day: day()? },
            "relativeyearly" => Self::RelativeYearly { month: month()?, days: days()?, index: index()? },
            _ => return Err("a kind of pattern that is not known"),
        })
    }

    /// The rule, once in each period.
    pub(crate) fn rule(&self, month_end: MonthEnd) -> RecurrenceRule {
        let mut rule = RecurrenceRule::new(match self {
            Self::Daily => Frequency::Daily,
            Self::Weekly { .. } => Frequency::Weekly,
            Self::AbsoluteMonthly { .. } | Self::RelativeMonthly { .. } => Frequency::Monthly,
            Self::AbsoluteYearly { .. } | Self::RelativeYearly { .. } => Frequency::Yearly,
        });
        match self {
            Self::Daily => {}
            Self::Weekly { days, week_start } => {
                rule.by_day = plain(days);
                rule.week_start = *week_start;
            }
            Self::AbsoluteMonthly { day } => on_day(&mut rule, *day, 28, month_end),
            Self::AbsoluteYearly { month, day } => {
                rule.by_month = vec![*month];
                // The shortest this month gets.
                let shortest = match month {
                    2 => 28,
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                on_day(&mut rule, *day, shortest, month_end);
            }
            Self::RelativeMonthly { days, index } => on_weekday(&mut rule, days, *index),
            Self::RelativeYearly { month, days, index } => {
                rule.by_month = vec![*month];
                on_weekday(&mut rule, days, *index);
            }
        }
        rule
    }
}

fn plain(days: &[Weekday]) -> Vec<WeekdayNum> {
    days.iter().map(|weekday| WeekdayNum { weekday: *weekday, ordinal: None }).collect()
}

/// A day some months do not have is the last one they have: the last of those up to it.
fn on_day(rule: &mut RecurrenceRule, day: u8, shortest: u8, month_end: MonthEnd) {
    let signed = |day: u8| i8::try_from(day).unwrap_or(i8::MAX);
    if day <= shortest || month_end == MonthEnd::Skip {
        rule.by_month_day = vec![signed(day)];
    } else {
        rule.by_month_day = (shortest..=day).map(signed).collect();
        rule.by_set_position = vec![-1];
    }
}

/// One day of several in a month is a choice among them, never one of each: `1TH,1FR` would be two days.
fn on_weekday(rule: &mut RecurrenceRule, days: &[Weekday], index: i8) {
    match days {
        [weekday] => rule.by_day = vec![WeekdayNum { weekday: *weekday, ordinal: Some(index) }],
        _ => {
            rule.by_day = plain(days);
            rule.by_set_position = vec![i16::from(index)];
        }
    }
}
