//! Every row of the mapping, and random series both ways.

use calsync_core::{
    model::EventTime,
    recurrence::{ExpansionLimits, RecurrenceRule, RecurrenceSet, RuleEntry, SeriesStart, Window},
    zone::Zone,
};
use calsync_testkit::{
    microsoft::pattern_days,
    recurrence_cases::{Dice, recurrence_case},
    recurrence_oracle::StartKind,
};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;
use crate::microsoft::config::MonthEnd;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn nine(date: NaiveDate) -> NaiveDateTime {
    date.and_hms_opt(9, 0, 0).unwrap()
}

fn read_rule(pattern: Value, start: &str, month_end: MonthEnd) -> String {
    let recurrence = json!({"pattern": pattern, "range": {"type": "noEnd", "startDate": start}});
    match rule(recurrence.as_object().unwrap(), day(start), Some(&Zone::UTC), month_end) {
        Ok(rule) => rule.to_string(),
        Err(reason) => format!("({reason})"),
    }
}

#[test]
fn rec_every_pattern_is_a_rule() {
    for (pattern, expected) in [
        (json!({"type": "daily", "interval": 3, "month": 0, "dayOfMonth": 0}), "FREQ=DAILY;INTERVAL=3"),
        (
            json!({"type": "weekly", "interval": 2, "daysOfWeek": ["Sunday", "tuesday"], "firstDayOfWeek": "sunday"}),
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
        ),
        (json!({"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]}), "FREQ=WEEKLY;BYDAY=MO;WKST=SU"),
        (
            json!({"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"}),
            "FREQ=WEEKLY;BYDAY=MO",
        ),
        (json!({"type": "weekly", "interval": 1, "daysOfWeek": []}), "FREQ=WEEKLY;BYDAY=MO;WKST=SU"),
        (json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 5}), "FREQ=MONTHLY;BYMONTHDAY=5"),
        (json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 28}), "FREQ=MONTHLY;BYMONTHDAY=28"),
        (
            json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 29}),
            "FREQ=MONTHLY;BYMONTHDAY=28,29;BYSETPOS=-1",
        ),
        (
            json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 30}),
            "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1",
        ),
        (
            json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31}),
            "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
        ),
        (
            json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["friday"], "index": "last"}),
            "FREQ=MONTHLY;BYDAY=-1FR",
        ),
        (
            json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["friday"]}),
            "FREQ=MONTHLY;BYDAY=1FR",
        ),
        (
            json!({"type": "relativeMonthly", "interval": 2, "daysOfWeek": ["thursday", "friday"], "index": "second"}),
            "FREQ=MONTHLY;INTERVAL=2;BYDAY=TH,FR;BYSETPOS=2",
        ),
        (
            json!({"type": "absoluteYearly", "interval": 1, "month": 4, "dayOfMonth": 30}),
            "FREQ=YEARLY;BYMONTHDAY=30;BYMONTH=4",
        ),
        (
            json!({"type": "absoluteYearly", "interval": 1, "month": 2, "dayOfMonth": 29}),
            "FREQ=YEARLY;BYMONTHDAY=28,29;BYMONTH=2;BYSETPOS=-1",
        ),
        (
            json!({"type": "relativeYearly", "interval": 1, "month": 11, "daysOfWeek": ["thursday"], "index": "fourth"}),
            "FREQ=YEARLY;BYDAY=4TH;BYMONTH=11",
        ),
        (
            json!({"type": "relativeYearly", "interval": 1, "month": 11, "daysOfWeek": ["thursday", "friday"], "index": "second"}),
            "FREQ=YEARLY;BYDAY=TH,FR;BYMONTH=11;BYSETPOS=2",
        ),
        (
            json!({"type": "relativeYearly", "interval": 1, "month": 11, "daysOfWeek": ["saturday", "sunday"], "index": "last"}),
            "FREQ=YEARLY;BYDAY=SA,SU;BYMONTH=11;BYSETPOS=-1",
        ),
        (json!({"type": "hourly", "interval": 1}), "(a kind of pattern that is not known)"),
        (json!({"type": "daily", "interval": 0}), "(an interval out of range)"),
        (
            json!({"type": "weekly", "interval": 1, "daysOfWeek": ["someday"]}),
            "(a day of the week that is not known)",
        ),
        (
            json!({"type": "weekly", "interval": 1, "daysOfWeek": [3]}),
            "(a day of the week that is not known)",
        ),
        (
            json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 0}),
            "(a day of the month out of range)",
        ),
        (
            json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["friday"], "index": "fifth"}),
            "(an index that is not known)",
        ),
        (json!({}), "(a kind of pattern that is not known)"),
    ] {
        assert_eq!(read_rule(pattern.clone(), "2026-01-05", MonthEnd::Clamp), expected, "{pattern}");
    }
    let skip = json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31});
    assert_eq!(read_rule(skip, "2026-01-31", MonthEnd::Skip), "FREQ=MONTHLY;BYMONTHDAY=31");
}

#[test]
fn rec_where_a_pattern_ends() {
    let berlin = Zone::from_iana("Europe/Berlin").unwrap();
    let read = |range: Value, zone: Option<&Zone>| {
        let recurrence = json!({"pattern": {"type": "daily", "interval": 1}, "range": range});
        match rule(recurrence.as_object().unwrap(), day("2026-01-05"), zone, MonthEnd::Clamp) {
            Ok(rule) => rule.to_string(),
            Err(reason) => format!("({reason})"),
        }
    };
    for (range, expected) in [
        (json!({"type": "noEnd", "endDate": "0001-01-01", "numberOfOccurrences": 0}), "FREQ=DAILY"),
        (
            json!({"type": "numbered", "numberOfOccurrences": 7, "endDate": "0001-01-01"}),
            "FREQ=DAILY;COUNT=7",
        ),
        (json!({"type": "endDate", "endDate": "2026-07-31"}), "FREQ=DAILY;UNTIL=20260731T215959Z"),
        (json!({"type": "numbered", "numberOfOccurrences": 0}), "(a count out of range)"),
        (json!({"type": "endDate", "endDate": "soon"}), "(an end that is no date)"),
        (json!({"type": "never"}), "(a kind of range that is not known)"),
    ] {
        assert_eq!(read(range.clone(), Some(&berlin)), expected, "{range}");
    }
    let dates = json!({"type": "endDate", "endDate": "2026-07-31"});
    assert_eq!(read(dates, None), "FREQ=DAILY;UNTIL=20260731");
}

fn written(rule: &str, start: &EventTime) -> String {
    let Some(series) = series(&[RuleEntry::read(rule)], start, &Zone::UTC, MonthEnd::Clamp) else {
        return "none".to_owned();
    };
    let part = |name: &str| series.recurrence[name].as_object().unwrap();
    let words: Vec<String> = part("pattern")
        .iter()
        .filter(|(name, _)| *name != "type" && *name != "interval")
        .map(|(name, value)| format!("{name}={}", value.to_string().replace('"', "")))
        .collect();
    let range = part("range");
    let end = match range["type"].as_str().unwrap() {
        "numbered" => format!(" x{}", range["numberOfOccurrences"]),
        "endDate" => format!(" to {}", range["endDate"].as_str().unwrap()),
        _ => String::new(),
    };
    let kind = part("pattern")["type"].as_str().unwrap();
    let moved = series.begins.map(|begins| format!(" from {}", begins.date())).unwrap_or_default();
    format!("{kind}/{} {}{end}{moved}", part("pattern")["interval"], words.join(" "))
        .replace("  ", " ")
        .trim()
        .to_owned()
}

#[test]
fn rec_rules_that_are_patterns_and_rules_that_are_not() {
    let berlin = Zone::from_iana("Europe/Berlin").unwrap();
    for (start, rule, expected) in [
        ("2026-01-05", "FREQ=DAILY;INTERVAL=2", "daily/2"),
        (
            "2026-01-05",
            "FREQ=DAILY;BYDAY=MO,TU",
            "weekly/1 daysOfWeek=[monday,tuesday] firstDayOfWeek=monday",
        ),
        ("2026-01-05", "FREQ=WEEKLY", "weekly/1 daysOfWeek=[monday] firstDayOfWeek=monday"),
        (
            "2026-01-04",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,TU;WKST=SU",
            "weekly/2 daysOfWeek=[tuesday,sunday] firstDayOfWeek=sunday",
        ),
        (
            "2026-01-04",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,TU",
            "weekly/2 daysOfWeek=[tuesday,sunday] firstDayOfWeek=monday",
        ),
        ("2026-01-05", "FREQ=MONTHLY", "absoluteMonthly/1 dayOfMonth=5"),
        ("2026-01-05", "FREQ=MONTHLY;BYMONTHDAY=5;COUNT=12", "absoluteMonthly/1 dayOfMonth=5 x12"),
        (
            "2026-01-31",
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            "relativeMonthly/1 daysOfWeek=[monday,tuesday,wednesday,thursday,friday,saturday,sunday] index=last",
        ),
        ("2026-01-31", "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", "absoluteMonthly/1 dayOfMonth=31"),
        ("2026-01-30", "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", "absoluteMonthly/1 dayOfMonth=30"),
        ("2026-01-13", "FREQ=MONTHLY;BYDAY=2TU", "relativeMonthly/1 daysOfWeek=[tuesday] index=second"),
        ("2026-01-30", "FREQ=MONTHLY;BYDAY=-1FR", "relativeMonthly/1 daysOfWeek=[friday] index=last"),
        (
            "2026-01-30",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "relativeMonthly/1 daysOfWeek=[monday,tuesday,wednesday,thursday,friday] index=last",
        ),
        (
            "2026-01-05",
            "FREQ=MONTHLY;BYDAY=MO,WE",
            "weekly/1 daysOfWeek=[monday,wednesday] firstDayOfWeek=monday",
        ),
        ("2026-01-05", "FREQ=YEARLY", "absoluteYearly/1 dayOfMonth=5 month=1"),
        ("2026-01-05", "FREQ=MONTHLY;INTERVAL=12", "absoluteYearly/1 dayOfMonth=5 month=1"),
        ("2026-01-05", "FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=5", "absoluteMonthly/6 dayOfMonth=5"),
        (
            "2026-11-26",
            "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
            "relativeYearly/1 daysOfWeek=[thursday] index=fourth month=11",
        ),
        (
            "2026-11-06",
            "FREQ=YEARLY;BYMONTH=11;BYDAY=TH,FR;BYSETPOS=2",
            "relativeYearly/1 daysOfWeek=[thursday,friday] index=second month=11",
        ),
        (
            "2026-11-29",
            "FREQ=YEARLY;BYMONTH=11;BYDAY=SA,SU;BYSETPOS=-1",
            "relativeYearly/1 daysOfWeek=[saturday,sunday] index=last month=11",
        ),
        ("2026-01-05", "FREQ=DAILY;UNTIL=20260110T080000Z", "daily/1 to 2026-01-10"),
        // Nine in Berlin is eight in UTC: the tenth has no instance any more.
        ("2026-01-05", "FREQ=DAILY;UNTIL=20260110T075959Z", "daily/1 to 2026-01-09"),
        ("2026-01-05", "FREQ=DAILY;UNTIL=20260110", "daily/1 to 2026-01-10"),
        ("2026-01-05", "FREQ=DAILY;COUNT=999", "daily/1 x999"),
        // The second it takes place at anyway.
        ("2026-01-05", "FREQ=DAILY;BYSECOND=0", "daily/1"),
        // The first day is not one of the rule's.
        (
            "2026-01-06",
            "FREQ=WEEKLY;BYDAY=MO;COUNT=5",
            "weekly/1 daysOfWeek=[monday] firstDayOfWeek=monday x4 from 2026-01-12",
        ),
        // What Graph has no word for.
        ("2026-01-31", "FREQ=MONTHLY;BYMONTHDAY=31", "none"),
        ("2026-01-30", "FREQ=MONTHLY;BYMONTHDAY=30", "none"),
        ("2026-01-29", "FREQ=MONTHLY", "none"),
        ("2028-02-29", "FREQ=YEARLY", "none"),
        ("2026-01-05", "FREQ=HOURLY", "none"),
        ("2026-01-05", "FREQ=DAILY;BYHOUR=9,15", "none"),
        ("2026-01-05", "FREQ=DAILY;BYMINUTE=0,30", "none"),
        ("2026-01-05", "FREQ=DAILY;BYSECOND=0,30", "none"),
        ("2026-01-05", "FREQ=DAILY;BYSECOND=30", "none"),
        ("2026-01-05", "FREQ=YEARLY;BYWEEKNO=2", "none"),
        ("2026-01-05", "FREQ=YEARLY;BYYEARDAY=5", "none"),
        ("2026-01-05", "FREQ=MONTHLY;BYMONTHDAY=5,20", "none"),
        ("2026-01-30", "FREQ=MONTHLY;BYMONTHDAY=-2", "none"),
        ("2026-01-29", "FREQ=MONTHLY;BYDAY=5TH", "none"),
        ("2026-01-05", "FREQ=MONTHLY;BYDAY=1MO,3MO", "none"),
        ("2026-01-05", "FREQ=DAILY;BYMONTH=1", "none"),
        ("2026-01-05", "FREQ=YEARLY;BYMONTH=1,2;BYMONTHDAY=5", "none"),
        ("2026-01-05", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1,3", "none"),
        ("2026-01-05", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=5", "none"),
        ("2026-01-05", "FREQ=DAILY;COUNT=1000", "none"),
        ("2026-01-05", "FREQ=DAILY;COUNT=5;UNTIL=20260110", "none"),
        ("2026-01-13", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "none"),
        ("2026-01-05", "FREQ=NEVER", "none"),
    ] {
        let start = EventTime::zoned(nine(day(start)), berlin.clone());
        assert_eq!(written(rule, &start), expected, "{rule} from {start:?}");
    }
    let two = [RuleEntry::read("FREQ=DAILY"), RuleEntry::read("FREQ=WEEKLY")];
    let start = EventTime::Date(day("2026-01-05"));
    assert!(series(&two, &start, &Zone::UTC, MonthEnd::Clamp).is_none());
}

/// WKST matters from an interval of two on (RFC 5545 section 3.8.5.3).
#[test]
fn rec_the_first_day_of_the_week_moves_instances() {
    for (first, expected) in [
        ("monday", ["2026-01-04", "2026-01-13", "2026-01-18", "2026-01-27"]),
        ("sunday", ["2026-01-04", "2026-01-06", "2026-01-18", "2026-01-20"]),
    ] {
        let recurrence = json!({
            "pattern": {"type": "weekly", "interval": 2, "daysOfWeek": ["sunday", "tuesday"], "firstDayOfWeek": first},
            "range": {"type": "numbered", "startDate": "2026-01-04", "numberOfOccurrences": 4},
        });
        let rule =
            rule(recurrence.as_object().unwrap(), day("2026-01-04"), Some(&Zone::UTC), MonthEnd::Clamp)
                .unwrap();
        let found = days(&rule, nine(day("2026-01-04")), false, 10);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
        let other = pattern_days(&recurrence, day("2027-01-01")).unwrap();
        assert_eq!(other.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }
}

fn days(rule: &RecurrenceRule, start: NaiveDateTime, all_day: bool, most: usize) -> Vec<NaiveDate> {
    let first = if all_day { SeriesStart::<Utc>::Date(start.date()) } else { SeriesStart::Floating(start) };
    let set = RecurrenceSet::new(first).with_rule(rule.clone());
    set.instances(Window::all(), &ExpansionLimits::default())
        .take(most)
        .map(|instance| instance.local.date())
        .collect()
}

/// Rule to pattern: the same days by the emulator's own reckoning, or none at all, which is a reported loss.
#[test]
fn rec_ten_thousand_rules_mean_the_same_days_or_are_not_written() {
    let mut expressed = 0;
    for seed in 0..10_000 {
        let case = recurrence_case(seed);
        let all_day = case.kind == StartKind::Date;
        let start =
            if all_day { EventTime::Date(case.start.date()) } else { EventTime::Utc(case.start.and_utc()) };
        let rules = [RuleEntry::Rule(case.rule.clone())];
        let Some(series) = series(&rules, &start, &Zone::UTC, MonthEnd::Clamp) else { continue };
        expressed += 1;
        let skipped = usize::from(series.begins.is_some());
        let last = case.start.date() + TimeDelta::days(1500);
        let mut wanted = days(&case.rule, case.start, all_day, 40 + skipped);
        wanted.retain(|day| *day <= last);
        let mut found = pattern_days(&series.recurrence, last).unwrap();
        found.truncate(40);
        assert_eq!(found, wanted[skipped..], "seed {seed}: {} -> {}", case.rule, series.recurrence);
    }
    assert!(expressed > 500, "{expressed}");
}

/// Pattern to rule and back: the same days every time, and nothing is ever lost.
#[test]
fn rec_ten_thousand_patterns_survive_the_way_there_and_back() {
    let kinds = ["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"];
    for seed in 0..10_000 {
        let mut dice = Dice::new(seed);
        let mut named: Vec<&str> = DAYS.iter().map(|(name, _)| *name).filter(|_| dice.one_in(3)).collect();
        if named.is_empty() {
            named.push("wednesday");
        }
        let kind = kinds[usize::try_from(dice.within(0, 5)).unwrap()];
        let month = dice.within(1, 12);
        let longest = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][usize::try_from(month - 1).unwrap()];
        let most = if kind == "absoluteYearly" { longest } else { 31 };
        let pattern = json!({
            "type": kind, "interval": dice.within(1, 4), "daysOfWeek": named, "dayOfMonth": dice.within(1, most), "month": month,
            "index": INDEXES[usize::try_from(dice.within(0, 4)).unwrap()].0,
            "firstDayOfWeek": DAYS[usize::try_from(dice.within(0, 6)).unwrap()].0,
        });
        let base = day("2026-01-01") + TimeDelta::days(dice.within(0, 800));
        let mut recurrence =
            json!({"pattern": pattern, "range": {"type": "noEnd", "startDate": base.to_string()}});
        // The service begins a series on a day of its pattern.
        let Some(first) = pattern_days(&recurrence, base + TimeDelta::days(3000)).unwrap().first().copied()
        else {
            continue;
        };
        recurrence["range"] = match dice.within(0, 2) {
            0 => json!({"type": "noEnd", "startDate": first.to_string(), "numberOfOccurrences": 0}),
            1 => {
                json!({"type": "numbered", "startDate": first.to_string(), "numberOfOccurrences": dice.within(1, 60)})
            }
            _ => {
                json!({"type": "endDate", "startDate": first.to_string(), "endDate": (first + TimeDelta::days(dice.within(0, 700))).to_string()})
            }
        };
        let last = first + TimeDelta::days(900);
        let wanted = pattern_days(&recurrence, last).unwrap();
        let read = rule(recurrence.as_object().unwrap(), first, Some(&Zone::UTC), MonthEnd::Clamp).unwrap();
        let core: Vec<NaiveDate> =
            days(&read, nine(first), false, 1000).into_iter().take_while(|day| *day <= last).collect();
        assert_eq!(core, wanted, "seed {seed}: {recurrence} -> {read}");
        let again = series(
            &[RuleEntry::Rule(read.clone())],
            &EventTime::Utc(nine(first).and_utc()),
            &Zone::UTC,
            MonthEnd::Clamp,
        );
        let again = again.unwrap_or_else(|| panic!("seed {seed}: {recurrence} -> {read} -> none"));
        assert_eq!(
            pattern_days(&again.recurrence, last).unwrap(),
            wanted,
            "seed {seed}: {recurrence} -> {read} -> {again:?}"
        );
    }
}
