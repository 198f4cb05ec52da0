//! The days a pattern names, found by looking at each day: slow, and with nothing in common with what it checks.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, Weekday};
use serde_json::Value;

use super::state::{Object, text};

/// No series is followed longer than this.
const YEARS_MAX: i32 = 60;

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name.to_ascii_lowercase().as_str() {
        "monday" => Weekday::Mon,
        "tuesday" => Weekday::Tue,
        "wednesday" => Weekday::Wed,
        "thursday" => Weekday::Thu,
        "friday" => Weekday::Fri,
        "saturday" => Weekday::Sat,
        "sunday" => Weekday::Sun,
        _ => return None,
    })
}

/// A checked `patternedRecurrence`.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    kind: String,
    interval: i64,
    days: Vec<Weekday>,
    first_day: Weekday,
    day: u32,
    month: u32,
    index: String,
    start: NaiveDate,
    until: Option<NaiveDate>,
    count: Option<u64>,
}

impl Pattern {
    /// `Err` names the property that the service would refuse.
    pub(super) fn read(recurrence: &Object) -> Result<Self, &'static str> {
        let pattern = recurrence.get("pattern").and_then(Value::as_object).ok_or("pattern")?;
        let range = recurrence.get("range").and_then(Value::as_object).ok_or("range")?;
        let kind = text(pattern, "type").unwrap_or_default().to_owned();
        let number = |name: &str| pattern.get(name).and_then(Value::as_i64).unwrap_or(0);
        let interval = number("interval");
        if !(1..=999).contains(&interval) {
            return Err("interval");
        }
        let named = pattern.get("daysOfWeek").and_then(Value::as_array).cloned().unwrap_or_default();
        let days: Option<Vec<Weekday>> = named.iter().map(|day| day.as_str().and_then(weekday)).collect();
        let days = days.ok_or("daysOfWeek")?;
        let first_day =
            weekday(text(pattern, "firstDayOfWeek").unwrap_or("sunday")).ok_or("firstDayOfWeek")?;
        let day = u32::try_from(number("dayOfMonth")).map_err(|_| "dayOfMonth")?;
        let month = u32::try_from(number("month")).map_err(|_| "month")?;
        let index = text(pattern, "index").unwrap_or("first").to_owned();
        if !["first", "second", "third", "fourth", "last"].contains(&index.as_str()) {
            return Err("index");
        }
        match kind.as_str() {
            "daily" => {}
            "weekly" | "relativeMonthly" if days.is_empty() => return Err("daysOfWeek"),
            "weekly" | "relativeMonthly" => {}
            "absoluteMonthly" if !(1..=31).contains(&day) => return Err("dayOfMonth"),
            "absoluteMonthly" => {}
            "absoluteYearly" | "relativeYearly" if !(1..=12).contains(&month) => return Err("month"),
            "absoluteYearly" if !(1..=31).contains(&day) => return Err("dayOfMonth"),
            "relativeYearly" if days.is_empty() => return Err("daysOfWeek"),
            "absoluteYearly" | "relativeYearly" => {}
            _ => return Err("type"),
        }
        let date = |name: &str| text(range, name).and_then(|date| date.parse::<NaiveDate>().ok());
        let start = date("startDate").ok_or("startDate")?;
        let (until, count) = match text(range, "type").unwrap_or_default() {
            "noEnd" => (None, None),
            "endDate" => (Some(date("endDate").filter(|end| *end >= start).ok_or("endDate")?), None),
            "numbered" => {
                let count = range.get("numberOfOccurrences").and_then(Value::as_u64);
                (None, Some(count.filter(|count| (1..=999).contains(count)).ok_or("numberOfOccurrences")?))
            }
            _ => return Err("range"),
        };
        Ok(Self { kind, interval, days, first_day, day, month, index, start, until, count })
    }

    /// The days of the series, up to and including `last`.
    pub(super) fn days(&self, last: NaiveDate) -> Vec<NaiveDate> {
        let mut found = Vec::new();
        let end = NaiveDate::from_ymd_opt(self.start.year() + YEARS_MAX, 12, 31).unwrap_or(last).min(last);
        let mut date = self.start;
        while date <= end && self.until.is_none_or(|until| date <= until) {
            if self.is_in_period(date) && self.names(date) {
                found.push(date);
                if self.count.is_some_and(|count| found.len() as u64 >= count) {
                    break;
                }
            }
            let Some(next) = date.checked_add_days(Days::new(1)) else { break };
            date = next;
        }
        found
    }

    fn is_in_period(&self, date: NaiveDate) -> bool {
        let periods = match self.kind.as_str() {
            "daily" => (date - self.start).num_days(),
            "weekly" => (self.week(date) - self.week(self.start)).num_days() / 7,
            "absoluteMonthly" | "relativeMonthly" => {
                i64::from(date.year() - self.start.year()) * 12 + i64::from(date.month())
                    - i64::from(self.start.month())
            }
            _ => i64::from(date.year() - self.start.year()),
        };
        periods % self.interval == 0
    }

    /// The first day of a date's week.
    fn week(&self, date: NaiveDate) -> NaiveDate {
        let back = date.weekday().days_since(self.first_day);
        date.checked_sub_days(Days::new(u64::from(back))).unwrap_or(date)
    }

    fn names(&self, date: NaiveDate) -> bool {
        let month = !self.kind.ends_with("Yearly") || date.month() == self.month;
        month
            && match self.kind.as_str() {
                "daily" => true,
                "weekly" => self.days.contains(&date.weekday()),
                "absoluteMonthly" | "absoluteYearly" => date.day() == self.day.min(length(date)),
                _ => self.is_indexed(date),
            }
    }

    fn is_indexed(&self, date: NaiveDate) -> bool {
        let days: Vec<u32> = (1..=length(date))
            .filter(|day| date.with_day(*day).is_some_and(|date| self.days.contains(&date.weekday())))
            .collect();
        let wanted = match self.index.as_str() {
            "first" => days.first(),
            "second" => days.get(1),
            "third" => days.get(2),
            "fourth" => days.get(3),
            _ => days.last(),
        };
        wanted == Some(&date.day())
    }
}

fn length(date: NaiveDate) -> u32 {
    (28..=31).rev().find(|day| date.with_day(*day).is_some()).unwrap_or(28)
}

/// The local time and the zone of a stored `dateTimeTimeZone`.
pub(super) fn local(point: &Object) -> Option<(NaiveDateTime, &str)> {
    let value = text(point, "dateTime")?;
    let value = value.trim_end_matches('Z');
    let local = NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M"))
        .ok()?;
    Some((local, text(point, "timeZone").unwrap_or("UTC")))
}
