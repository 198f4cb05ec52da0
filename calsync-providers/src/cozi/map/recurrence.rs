//! Cozi's rule and RRULE.

use calsync_core::{
    model::{Event, EventTime},
    recurrence::{
        ExpansionLimits, Frequency, RecurrenceRule, RuleEntry, SeriesStart, Until, Weekday, WeekdayNum,
    },
    zone::Zone,
};
use chrono::{DateTime, NaiveDate, TimeDelta};
use serde_json::{Value, json};

use super::super::{
    item::tells,
    wire::{Object, day, list, text},
};

const DAYS: [(&str, Weekday); 7] = [
    ("SU", Weekday::Sunday),
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
];

/// The rule; `None` when it does not repeat. What is not understood is an error: a guess would show on other days.
pub(crate) fn read(recurrence: &Object, start: &EventTime) -> Result<Option<RecurrenceRule>, &'static str> {
    let rules = match recurrence.get("rules") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(rules)) => rules.as_slice(),
        Some(_) => return Err("its rule cannot be read"),
    };
    let rule = match rules {
        [] if tells(recurrence) => return Err("it repeats, and does not say how"),
        [] => return Ok(None),
        [rule] => rule.as_object().ok_or("its rule cannot be read")?,
        _ => return Err("it has several rules"),
    };
    let known = ["frequency", "interval", "byDay", "byMonthDay", "byMonth", "end"];
    let is_given = |value: &Value| !(value.is_null() || value.as_array().is_some_and(Vec::is_empty));
    if rule.iter().any(|(name, value)| !known.contains(&name.as_str()) && is_given(value)) {
        return Err("its rule has a part that is not known");
    }
    let frequency = match text(rule, "frequency").unwrap_or_default().to_ascii_lowercase().as_str() {
        "daily" => Frequency::Daily,
        "weekly" => Frequency::Weekly,
        "monthly" => Frequency::Monthly,
        "yearly" => Frequency::Yearly,
        _ => return Err("its frequency is not known"),
    };
    let mut read = RecurrenceRule::new(frequency);
    read.interval = match rule.get("interval") {
        None | Some(Value::Null) => 1,
        Some(interval) => interval
            .as_u64()
            .and_then(|interval| u32::try_from(interval).ok())
            .filter(|interval| (1..=10_000).contains(interval))
            .ok_or("its interval cannot be read")?,
    };
    const PART: &str = "a part of its rule cannot be read";
    read.by_day = part(rule, "byDay", |value| weekday(value.as_str()?)).ok_or(PART)?;
    read.by_month_day = part(rule, "byMonthDay", |value| {
        i8::try_from(value.as_i64()?).ok().filter(|day| (1..=31).contains(&day.unsigned_abs()))
    })
    .ok_or(PART)?;
    read.by_month = part(rule, "byMonth", |value| {
        u8::try_from(value.as_u64()?).ok().filter(|month| (1..=12).contains(month))
    })
    .ok_or(PART)?;
    end(rule, &mut read, start)?;
    Ok(Some(normal(&read, start).ok_or("its rule is one of which the dates are not certain")?))
}

/// A list of values, all of which can be read.
fn part<T>(rule: &Object, name: &str, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    match rule.get(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(_)) => list(rule, name).iter().map(read).collect(),
        Some(_) => None,
    }
}

/// `TU`, `2TU`, `-1TU`.
fn weekday(text: &str) -> Option<WeekdayNum> {
    let at = text.len().checked_sub(2)?;
    let (number, name) = (text.get(..at)?, text.get(at..)?);
    let weekday = DAYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?.1;
    let ordinal = match number {
        "" => None,
        number => Some(number.parse::<i8>().ok().filter(|n| *n != 0 && n.unsigned_abs() <= 53)?),
    };
    Some(WeekdayNum { weekday, ordinal })
}

fn end(rule: &Object, read: &mut RecurrenceRule, start: &EventTime) -> Result<(), &'static str> {
    const UNREADABLE: &str = "the end of its rule cannot be read";
    let end = match rule.get("end") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(end)) => end,
        Some(_) => return Err(UNREADABLE),
    };
    for (name, value) in end {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            // The second is older.
            ("untilDay" | "until", Value::String(text)) => {
                read.until = Some(until(day(text).ok_or(UNREADABLE)?, start));
            }
            ("count", Value::Number(count)) => {
                let count = count.as_u64().and_then(|count| u32::try_from(count).ok());
                read.count = Some(count.filter(|count| *count > 0).ok_or(UNREADABLE)?);
            }
            _ => return Err(UNREADABLE),
        }
    }
    Ok(())
}

/// The last instance there can be on a day.
fn until(day: NaiveDate, start: &EventTime) -> Until {
    match start {
        EventTime::Zoned { zone, local, .. } => Until::Utc(zone.resolve(day.and_time(local.time()))),
        _ => Until::Date(day),
    }
}

/// The last day of a rule.
fn last_day(until: Until, start: &EventTime) -> Option<NaiveDate> {
    let local = match (until, start) {
        (Until::Date(day), _) => return Some(day),
        (Until::Local(local), _) => local,
        (Until::Utc(instant), EventTime::Zoned { zone, .. }) => zone.to_local(instant),
        (Until::Utc(instant), _) => instant.naive_utc(),
    };
    match start {
        EventTime::Zoned { local: first, .. } if local.time() < first.time() => local.date().pred_opt(),
        _ => Some(local.date()),
    }
}

/// The one form of a rule that is written and read here: spelled out, and ended by a day instead of a number. `None` when
/// Cozi has no way to say it.
pub(crate) fn normal(rule: &RecurrenceRule, start: &EventTime) -> Option<RecurrenceRule> {
    let first = match start {
        EventTime::Date(date) => SeriesStart::<Zone>::Date(*date),
        EventTime::Zoned { local, .. } => SeriesStart::Floating(*local),
        _ => return None,
    };
    let mut normal = rule.canonical(&first);
    if let Some(count) = rule.count {
        normal.count = None;
        normal.until = Some(until(last_counted(rule, count, start)?, start));
    } else if let Some(end) = rule.until {
        normal.until = Some(until(last_day(end, start)?, start));
    }
    let plain = normal.by_second.is_empty()
        && normal.by_minute.is_empty()
        && normal.by_hour.is_empty()
        && normal.by_year_day.is_empty()
        && normal.by_week_no.is_empty()
        && normal.by_set_position.is_empty()
        && normal.unknown.is_empty()
        && !normal.is_opaque();
    let ordinals = normal.by_day.iter().filter(|day| day.ordinal.is_some()).count();
    let fits = match normal.frequency {
        Frequency::Daily => {
            normal.by_day.is_empty() && normal.by_month_day.is_empty() && normal.by_month.is_empty()
        }
        // A week begins on a Sunday or a Monday; nobody knows which, and here it would matter.
        Frequency::Weekly => {
            let weeks_matter = normal.interval > 1 && normal.by_day.len() > 1;
            ordinals == 0 && !weeks_matter && normal.by_month_day.is_empty() && normal.by_month.is_empty()
        }
        Frequency::Monthly => {
            ordinals == normal.by_day.len()
                && normal.by_month.is_empty()
                && normal.by_day.len() + normal.by_month_day.len() == 1
        }
        Frequency::Yearly => {
            ordinals == normal.by_day.len()
                && normal.by_month.len() == 1
                && normal.by_day.len() + normal.by_month_day.len() == 1
        }
        _ => false,
    };
    (plain && fits).then_some(normal)
}

/// The day of the last instance of a rule that counts.
fn last_counted(rule: &RecurrenceRule, count: u32, start: &EventTime) -> Option<NaiveDate> {
    const COUNT_MAX: u32 = 10_000;
    if count > COUNT_MAX {
        return None;
    }
    let body = calsync_core::model::EventBody::new(calsync_core::model::TimeSpan {
        start: start.clone(),
        end: match start {
            EventTime::Date(date) => EventTime::Date(date.succ_opt()?),
            other => other.clone(),
        },
    });
    let mut event = Event::single("", body);
    event.rules.push(RuleEntry::Rule(rule.clone()));
    let from = start.instant(&Zone::UTC) - TimeDelta::days(2);
    let (instances, report) =
        event.instances(from..DateTime::<chrono::Utc>::MAX_UTC, &Zone::UTC, &ExpansionLimits::default());
    let last = instances.last().filter(|_| report.is_complete())?;
    Some(last.time.start.local().date())
}

/// The rule as it is written.
pub(crate) fn write(rule: &RecurrenceRule, start: &EventTime) -> Option<Value> {
    let rule = normal(rule, start)?;
    let frequency = match rule.frequency {
        Frequency::Daily => "Daily",
        Frequency::Weekly => "Weekly",
        Frequency::Monthly => "Monthly",
        Frequency::Yearly => "Yearly",
        _ => return None,
    };
    let mut written = json!({"frequency": frequency, "interval": rule.interval, "end": {}});
    if let Some(end) = rule.until {
        written["end"] = json!({"untilDay": last_day(end, start)?.to_string()});
    }
    let named = |day: &WeekdayNum| {
        let name = DAYS.iter().find(|(_, known)| *known == day.weekday).map_or("", |(name, _)| name);
        day.ordinal.map_or_else(|| name.to_owned(), |ordinal| format!("{ordinal}{name}"))
    };
    if !rule.by_day.is_empty() {
        written["byDay"] = rule.by_day.iter().map(named).collect();
    }
    if !rule.by_month_day.is_empty() {
        written["byMonthDay"] = json!(rule.by_month_day);
    }
    if !rule.by_month.is_empty() {
        written["byMonth"] = json!(rule.by_month);
    }
    Some(written)
}
