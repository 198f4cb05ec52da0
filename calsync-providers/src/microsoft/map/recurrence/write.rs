//! A rule as a pattern, where there is one.

use calsync_core::{
    model::EventTime,
    recurrence::{
        ExpansionLimits, Frequency, RecurrenceRule, RecurrenceSet, RuleEntry, SeriesStart, Until, Weekday,
        Window,
    },
    zone::Zone,
};
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Value, json};

use super::super::super::config::MonthEnd;
use super::super::time::windows_name;
use super::{INDEXES, name_of, read::Pattern};

/// Graph takes no more.
const COUNT_MAX: u32 = 999;
/// Instances compared before a pattern is taken to mean what the rule says: more than four years of days, a hundred years
/// of months.
const COMPARED: usize = 1_500;

/// A series as Graph can hold it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// `patternedRecurrence`.
    pub(crate) recurrence: Value,
    /// The first instance, where the event begins on a day that the rule does not name: there Graph begins with the
    /// first that it does.
    pub(crate) begins: Option<NaiveDateTime>,
}

/// The pattern of a rule. `None` when there is none.
pub(crate) fn series(
    rules: &[RuleEntry],
    start: &EventTime,
    floating: &Zone,
    month_end: MonthEnd,
) -> Option<Series> {
    let [RuleEntry::Rule(rule)] = rules else { return None };
    if rule.is_opaque() {
        return None;
    }
    let local = start.local();
    let zone = match start {
        EventTime::Date(_) => None,
        EventTime::Floating(_) => Some(floating.clone()),
        EventTime::Utc(_) => Some(Zone::UTC),
        EventTime::Zoned { zone, .. } => Some(zone.clone()),
    };
    // The wall clock is all a pattern knows: everything is compared on it.
    let on_clock =
        RecurrenceRule { until: rule.until.map(|until| wall(until, zone.as_ref())), ..rule.clone() };
    let first = match zone {
        None => SeriesStart::<Utc>::Date(local.date()),
        Some(_) => SeriesStart::Floating(local),
    };
    let canonical = on_clock.canonical(&first);
    let (pattern, interval) = pattern(&canonical, local.date(), month_end)?;
    let wanted = starts(&on_clock, local, zone.is_none(), COMPARED)?;
    let begins = if pattern.names(local.date(), month_end) { None } else { Some(*wanted.get(1)?) };
    let from = begins.unwrap_or(local);
    let mut end = End::of(&on_clock, from)?;
    if begins.is_some()
        && let End::Count(count) = &mut end
    {
        *count = count.checked_sub(1).filter(|count| *count > 0)?;
    }
    // Read back, as the service will.
    let mut again = pattern.rule(month_end);
    again.interval = interval;
    match end {
        End::Never => {}
        End::Count(count) => again.count = Some(count),
        End::Date(date) => again.until = Some(Until::Date(date)),
    }
    let written = starts(&again, from, zone.is_none(), COMPARED)?;
    let skipped = usize::from(begins.is_some());
    if wanted.get(skipped..)? != written.get(..written.len().min(wanted.len() - skipped))?
        || (wanted.len() < COMPARED && written.len() != wanted.len() - skipped)
    {
        return None;
    }
    let zone_name = zone.as_ref().map_or("UTC", |zone| windows_name(zone).unwrap_or("UTC"));
    let recurrence = json!({
        "pattern": pattern.json(interval),
        "range": end.json(from.date(), zone_name),
    });
    Some(Series { recurrence, begins })
}

fn wall(until: Until, zone: Option<&Zone>) -> Until {
    match (until, zone) {
        (Until::Utc(instant), Some(zone)) => Until::Local(zone.to_local(instant)),
        (Until::Utc(instant), None) => Until::Date(instant.date_naive()),
        (Until::Local(local), None) => Until::Date(local.date()),
        (until, _) => until,
    }
}

/// The first instances on the wall clock; `None` when they cannot be told.
fn starts(
    rule: &RecurrenceRule,
    local: NaiveDateTime,
    all_day: bool,
    most: usize,
) -> Option<Vec<NaiveDateTime>> {
    let start = if all_day { SeriesStart::<Utc>::Date(local.date()) } else { SeriesStart::Floating(local) };
    let set = RecurrenceSet::new(start).with_rule(rule.clone());
    let mut limits = ExpansionLimits::default();
    limits.instances = most;
    let mut expansion = set.instances(Window::all(), &limits);
    let found: Vec<NaiveDateTime> = expansion.by_ref().take(most).map(|instance| instance.local).collect();
    (found.len() == most || expansion.into_report().is_complete()).then_some(found)
}

/// Where a series ends.
#[derive(Clone, Copy)]
enum End {
    Never,
    Count(u32),
    Date(NaiveDate),
}

impl End {
    fn of(rule: &RecurrenceRule, start: NaiveDateTime) -> Option<Self> {
        Some(match (rule.count, rule.until) {
            (None, None) => Self::Never,
            (Some(_), Some(_)) => return None,
            (Some(count), None) => Self::Count(Some(count).filter(|count| (1..=COUNT_MAX).contains(count))?),
            (None, Some(until)) => {
                let date = match until {
                    Until::Date(date) => date,
                    // A day that ends before the event's time of day has no instance any more.
                    Until::Local(local) if local.time() < start.time() => {
                        local.date().checked_sub_days(Days::new(1))?
                    }
                    Until::Local(local) => local.date(),
                    Until::Utc(instant) => instant.date_naive(),
                };
                // The first instance is there whatever UNTIL says.
                Self::Date(date.max(start.date()))
            }
        })
    }

    fn json(self, start: NaiveDate, zone: &str) -> Value {
        let start = start.to_string();
        match self {
            Self::Never => json!({"type": "noEnd", "startDate": start, "recurrenceTimeZone": zone}),
            Self::Count(count) => json!({
                "type": "numbered", "startDate": start, "numberOfOccurrences": count, "recurrenceTimeZone": zone,
            }),
            Self::Date(date) => json!({
                "type": "endDate", "startDate": start, "endDate": date.to_string(), "recurrenceTimeZone": zone,
            }),
        }
    }
}

/// The pattern and the interval of a rule in its canonical form.
fn pattern(rule: &RecurrenceRule, start: NaiveDate, month_end: MonthEnd) -> Option<(Pattern, u32)> {
    let other = rule.by_second.is_empty()
        && rule.by_minute.is_empty()
        && rule.by_hour.is_empty()
        && rule.by_year_day.is_empty()
        && rule.by_week_no.is_empty();
    if !other {
        return None;
    }
    let interval = rule.interval;
    let plain: Option<Vec<Weekday>> =
        rule.by_day.iter().map(|day| day.ordinal.is_none().then_some(day.weekday)).collect();
    let no_days = rule.by_day.is_empty();
    let no_dates = rule.by_month_day.is_empty();
    let no_months = rule.by_month.is_empty();
    let no_positions = rule.by_set_position.is_empty();
    Some(match rule.frequency {
        Frequency::Daily if no_days && no_dates && no_months && no_positions => (Pattern::Daily, interval),
        Frequency::Weekly if no_dates && no_months && no_positions => (
            Pattern::Weekly { days: plain.filter(|days| !days.is_empty())?, week_start: rule.week_start },
            interval,
        ),
        Frequency::Monthly if no_months => match within_month(rule, start, 28, month_end)? {
            Within::Every(days) if interval == 1 => {
                (Pattern::Weekly { days, week_start: rule.week_start }, 1)
            }
            Within::Every(_) => return None,
            Within::Day(day) => (Pattern::AbsoluteMonthly { day }, interval),
            Within::Weekday(days, index) => (Pattern::RelativeMonthly { days, index }, interval),
        },
        Frequency::Yearly => match rule.by_month[..] {
            [month] => {
                let shortest = match month {
                    2 => 28,
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                match within_month(rule, start, shortest, month_end)? {
                    Within::Every(_) => return None,
                    Within::Day(day) => (Pattern::AbsoluteYearly { month, day }, interval),
                    Within::Weekday(days, index) => {
                        (Pattern::RelativeYearly { month, days, index }, interval)
                    }
                }
            }
            // Evenly over the year is every few months.
            ref months if months.len() > 1 && interval == 1 => {
                let step = every(months)?;
                match within_month(rule, start, 28, month_end)? {
                    Within::Every(_) => return None,
                    Within::Day(day) => (Pattern::AbsoluteMonthly { day }, step),
                    Within::Weekday(days, index) => (Pattern::RelativeMonthly { days, index }, step),
                }
            }
            _ => return None,
        },
        _ => return None,
    })
}

/// How many months lie between months that are spread evenly over the year.
fn every(months: &[u8]) -> Option<u32> {
    let mut sorted = months.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let count = u8::try_from(sorted.len()).ok()?;
    if count == 0 || 12 % count != 0 {
        return None;
    }
    let step = 12 / count;
    sorted.windows(2).all(|pair| pair[1] - pair[0] == step).then_some(u32::from(step))
}

/// What a rule names within a month.
enum Within {
    /// Every one of these days of the week.
    Every(Vec<Weekday>),
    /// A date.
    Day(u8),
    /// The n-th of these days of the week.
    Weekday(Vec<Weekday>, i8),
}

/// `shortest`: the last day every month meant here has.
fn within_month(
    rule: &RecurrenceRule,
    start: NaiveDate,
    shortest: i8,
    month_end: MonthEnd,
) -> Option<Within> {
    let index = |position: i16| {
        let index = i8::try_from(position).ok()?;
        INDEXES.iter().any(|(_, known)| *known == index).then_some(index)
    };
    let all = || Weekday::ALL.to_vec();
    match (&rule.by_month_day[..], &rule.by_day[..], &rule.by_set_position[..]) {
        ([], [], []) => Some(Within::Day(u8::try_from(start.day()).ok()?)),
        ([-1], [], []) => Some(Within::Weekday(all(), -1)),
        ([day], [], []) if *day > 0 && (*day <= shortest || month_end == MonthEnd::Skip) => {
            Some(Within::Day(day.unsigned_abs()))
        }
        // Up to a date, the last there is: the last day of shorter months.
        ([.., last], [], [-1]) if month_end == MonthEnd::Clamp => {
            let run = rule.by_month_day.windows(2).all(|pair| pair[1] == pair[0] + 1);
            let first = rule.by_month_day.first().copied()?;
            (run && first > 0 && first <= shortest && *last <= 31).then_some(Within::Day(last.unsigned_abs()))
        }
        ([], [day], []) if day.ordinal.is_some() => {
            Some(Within::Weekday(vec![day.weekday], index(i16::from(day.ordinal?))?))
        }
        ([], days, positions) if days.iter().all(|day| day.ordinal.is_none()) => {
            let days: Vec<Weekday> = days.iter().map(|day| day.weekday).collect();
            match positions {
                [] => Some(Within::Every(days)),
                [position] => Some(Within::Weekday(days, index(*position)?)),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Pattern {
    /// Whether a date is one of the pattern's, whatever the interval.
    fn names(&self, date: NaiveDate, month_end: MonthEnd) -> bool {
        let weekday = Weekday::from(date.weekday());
        let month_is = |month: &u8| u32::from(*month) == date.month();
        match self {
            Self::Daily => true,
            Self::Weekly { days, .. } => days.contains(&weekday),
            Self::AbsoluteMonthly { day } => on_day(date, *day, month_end),
            Self::AbsoluteYearly { month, day } => month_is(month) && on_day(date, *day, month_end),
            Self::RelativeMonthly { days, index } => nth(date, days, *index),
            Self::RelativeYearly { month, days, index } => month_is(month) && nth(date, days, *index),
        }
    }

    fn json(&self, interval: u32) -> Value {
        let names = |days: &[Weekday]| days.iter().map(|day| name_of(*day)).collect::<Vec<_>>();
        let word = |index: i8| INDEXES.iter().find(|(_, known)| *known == index).map(|(word, _)| *word);
        match self {
            Self::Daily => json!({"type": "daily", "interval": interval}),
            Self::Weekly { days, week_start } => json!({
                "type": "weekly", "interval": interval, "daysOfWeek": names(days), "firstDayOfWeek": name_of(*week_start),
            }),
            Self::AbsoluteMonthly { day } => {
                json!({"type": "absoluteMonthly", "interval": interval, "dayOfMonth": day})
            }
            Self::RelativeMonthly { days, index } => json!({
                "type": "relativeMonthly", "interval": interval, "daysOfWeek": names(days), "index": word(*index),
            }),
            Self::AbsoluteYearly { month, day } => {
                json!({"type": "absoluteYearly", "interval": interval, "month": month, "dayOfMonth": day})
            }
            Self::RelativeYearly { month, days, index } => json!({
                "type": "relativeYearly", "interval": interval, "month": month, "daysOfWeek": names(days),
                "index": word(*index),
            }),
        }
    }
}

fn days_in_month(date: NaiveDate) -> u32 {
    let next = if date.month() == 12 { (date.year() + 1, 1) } else { (date.year(), date.month() + 1) };
    NaiveDate::from_ymd_opt(next.0, next.1, 1)
        .and_then(|first| first.pred_opt())
        .map_or(28, |last| last.day())
}

fn on_day(date: NaiveDate, day: u8, month_end: MonthEnd) -> bool {
    match month_end {
        MonthEnd::Clamp => date.day() == u32::from(day).min(days_in_month(date)),
        MonthEnd::Skip => date.day() == u32::from(day),
    }
}

/// Whether a date is the n-th (or last) of its month among some days of the week.
fn nth(date: NaiveDate, days: &[Weekday], index: i8) -> bool {
    let is_named =
        |day: u32| date.with_day(day).is_some_and(|date| days.contains(&Weekday::from(date.weekday())));
    if !is_named(date.day()) {
        return false;
    }
    match index {
        -1 => !(date.day() + 1..=days_in_month(date)).any(is_named),
        index => (1..=date.day()).filter(|day| is_named(*day)).count() == usize::from(index.unsigned_abs()),
    }
}
