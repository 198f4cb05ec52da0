//! The lines of `recurrence`: RRULE, EXRULE, RDATE and EXDATE as in iCalendar, without DTSTART.

use std::collections::BTreeSet;

use calsync_core::{
    ical::{ContentLine, value::TimeValue},
    model::{Event, EventTime, Override, RecurrenceId, RuleEntry},
    recurrence::{
        ExpansionLimits, RecurrenceDate, RecurrenceKey, RecurrenceRule, RecurrenceSet, SeriesStart, Until,
    },
    zone::{Zone, zone_by_name},
};
use chrono::{NaiveTime, Utc};

use super::time::is_utc;

/// What the lines say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) rules: Vec<RuleEntry>,
    pub(crate) excluded_rules: Vec<RuleEntry>,
    pub(crate) added: BTreeSet<RecurrenceId>,
    pub(crate) excluded: BTreeSet<RecurrenceId>,
    /// Lines of other names: kept.
    pub(crate) other: Vec<String>,
}

/// Reads the lines of a series that starts at `start`.
pub(crate) fn read<'l>(lines: impl Iterator<Item = &'l str>, start: &EventTime) -> Lines {
    let mut read = Lines::default();
    for text in lines {
        let Some(line) = ContentLine::parse(text) else {
            read.other.push(text.to_owned());
            continue;
        };
        if line.is("RRULE") {
            read.rules.push(rule(line.value(), start));
        } else if line.is("EXRULE") {
            read.excluded_rules.push(rule(line.value(), start));
        } else if line.is("RDATE") || line.is("EXDATE") {
            let zone = line.param("TZID").and_then(zone_by_name).map(|(zone, _)| zone);
            let keys = line.value().split(',').filter_map(|value| {
                // Of a period the start; its own length has no other place to be kept here.
                let value = value.split('/').next().unwrap_or(value);
                TimeValue::parse(value).map(|value| key(value, zone.as_ref(), start))
            });
            let into = if line.is("RDATE") { &mut read.added } else { &mut read.excluded };
            into.extend(keys);
        } else {
            read.other.push(text.to_owned());
        }
    }
    read
}

/// A rule in the form Google has it in: UNTIL is a date for dates, an instant for times.
fn rule(text: &str, start: &EventTime) -> RuleEntry {
    canonical(&RuleEntry::read(text), start)
}

/// A rule with its UNTIL in the form of the series: RFC 5545 3.3.10, and Google refuses anything else.
pub(crate) fn canonical(entry: &RuleEntry, start: &EventTime) -> RuleEntry {
    let RuleEntry::Rule(rule) = entry else { return entry.clone() };
    let until = rule.until.map(|until| until_like(until, start));
    RuleEntry::Rule(RecurrenceRule { until, ..rule.clone() })
}

fn until_like(until: Until, start: &EventTime) -> Until {
    let zone = match start {
        EventTime::Date(_) => {
            return Until::Date(match until {
                Until::Date(date) => date,
                Until::Local(local) => local.date(),
                Until::Utc(instant) => instant.date_naive(),
            });
        }
        // Refused elsewhere unless there is a zone to read it in.
        EventTime::Floating(_) => return until,
        EventTime::Zoned { zone, .. } => zone.clone(),
        EventTime::Utc(_) => Zone::UTC,
    };
    Until::Utc(match until {
        Until::Utc(instant) => instant,
        Until::Local(local) => zone.resolve(local),
        // The whole of that local day counts.
        Until::Date(date) => {
            zone.resolve(date.and_time(NaiveTime::from_hms_opt(23, 59, 59).unwrap_or(NaiveTime::MIN)))
        }
    })
}

/// The instance a value of RDATE or EXDATE names, in the form of the series.
fn key(value: TimeValue, zone: Option<&Zone>, start: &EventTime) -> RecurrenceId {
    let at = |local: chrono::NaiveDateTime| match (zone, start) {
        (Some(zone), _) => RecurrenceId::Instant(zone.resolve(local)),
        (None, EventTime::Zoned { zone, .. }) => RecurrenceId::Instant(zone.resolve(local)),
        (None, _) => RecurrenceId::Instant(local.and_utc()),
    };
    match (start, value) {
        (EventTime::Date(_), TimeValue::Date(date)) => RecurrenceId::Date(date),
        (EventTime::Date(_), TimeValue::Local(local)) => RecurrenceId::Date(local.date()),
        (EventTime::Date(_), TimeValue::Utc(instant)) => RecurrenceId::Date(instant.date_naive()),
        // REC-02: a date names the instance of that day.
        (_, TimeValue::Date(date)) => {
            let local = date.and_time(start.local().time());
            match start {
                EventTime::Zoned { zone, .. } => RecurrenceId::Instant(zone.resolve(local)),
                _ => RecurrenceId::Instant(local.and_utc()),
            }
        }
        (_, TimeValue::Local(local)) => at(local),
        (_, TimeValue::Utc(instant)) => RecurrenceId::Instant(instant),
    }
}

/// Writes the lines: rules first, then one line for each kind of date.
pub(crate) fn write(lines: &Lines, start: &EventTime) -> Vec<String> {
    let mut written = Vec::new();
    written.extend(lines.rules.iter().map(|rule| format!("RRULE:{rule}")));
    written.extend(lines.excluded_rules.iter().map(|rule| format!("EXRULE:{rule}")));
    written.extend(dates("RDATE", &lines.added, start));
    written.extend(dates("EXDATE", &lines.excluded, start));
    written.extend(lines.other.iter().cloned());
    written
}

fn dates(name: &str, keys: &BTreeSet<RecurrenceId>, start: &EventTime) -> Vec<String> {
    let (mut dates, mut locals, mut instants) = (Vec::new(), Vec::new(), Vec::new());
    let zone = start.zone().filter(|zone| !is_utc(zone) && zone.iana().is_some());
    for key in keys {
        match (key, zone) {
            (RecurrenceId::Date(_), _) => dates.push(key.to_string()),
            (RecurrenceId::Instant(instant), Some(zone))
                if zone.resolve(zone.to_local(*instant)) == *instant =>
            {
                locals.push(zone.to_local(*instant).format("%Y%m%dT%H%M%S").to_string());
            }
            _ => instants.push(key.to_string()),
        }
    }
    let mut lines = Vec::new();
    if !dates.is_empty() {
        lines.push(format!("{name};VALUE=DATE:{}", dates.join(",")));
    }
    if let Some(zone) = zone.filter(|_| !locals.is_empty()) {
        lines.push(format!("{name};TZID={}:{}", zone.name(), locals.join(",")));
    }
    if !instants.is_empty() {
        lines.push(format!("{name}:{}", instants.join(",")));
    }
    lines
}

/// Whether the rules and added dates of a series have an instance at `key`, whatever is excluded.
pub(crate) fn generates(event: &Event, key: RecurrenceId) -> bool {
    let Some(master) = &event.master else { return false };
    let start = match &master.time.start {
        EventTime::Date(date) => SeriesStart::Date(*date),
        EventTime::Floating(local) => SeriesStart::Floating(*local),
        EventTime::Zoned { local, zone, .. } => SeriesStart::Zoned(*local, zone.clone()),
        EventTime::Utc(instant) => SeriesStart::Zoned(instant.naive_utc(), Zone::UTC),
    };
    let mut set = RecurrenceSet::new(start);
    set.rules.extend(event.rules.iter().cloned());
    set.exrules.extend(event.excluded_rules.iter().cloned());
    for (id, instance) in &event.overrides {
        if matches!(instance, Override::Added { .. }) {
            set.rdates.push(match id {
                RecurrenceId::Date(date) => RecurrenceDate::Date(*date),
                RecurrenceId::Floating(local) => RecurrenceDate::Local(*local),
                RecurrenceId::Instant(instant) => RecurrenceDate::Utc(*instant),
            });
        }
    }
    let key = match key {
        RecurrenceId::Date(date) => RecurrenceKey::Date(date),
        RecurrenceId::Floating(local) => RecurrenceKey::Floating(local),
        RecurrenceId::Instant(instant) => RecurrenceKey::Utc(instant.with_timezone(&Utc)),
    };
    set.find(&key, &ExpansionLimits::default()).is_some()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn berlin() -> EventTime {
        let local = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap().and_hms_opt(9, 0, 0).unwrap();
        EventTime::zoned(local, Zone::from_iana("Europe/Berlin").unwrap())
    }

    fn date() -> EventTime {
        EventTime::Date(NaiveDate::from_ymd_opt(2026, 1, 5).unwrap())
    }

    /// What a line becomes when it is read and written again.
    #[test]
    fn lines_of_a_timed_and_an_all_day_series() {
        for (start, line, expected) in [
            (
                berlin(),
                "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20261231T225959Z",
                "RRULE:FREQ=WEEKLY;UNTIL=20261231T225959Z;BYDAY=MO",
            ),
            // UNTIL in the form of the series: the whole local day, the local time.
            (berlin(), "RRULE:FREQ=DAILY;UNTIL=20260110", "RRULE:FREQ=DAILY;UNTIL=20260110T225959Z"),
            (berlin(), "RRULE:FREQ=DAILY;UNTIL=20260710T090000", "RRULE:FREQ=DAILY;UNTIL=20260710T070000Z"),
            (date(), "RRULE:FREQ=DAILY;UNTIL=20260110T225959Z", "RRULE:FREQ=DAILY;UNTIL=20260110"),
            (berlin(), "EXRULE:FREQ=MONTHLY;BYMONTHDAY=13", "EXRULE:FREQ=MONTHLY;BYMONTHDAY=13"),
            (
                berlin(),
                "EXDATE;TZID=Europe/Berlin:20260105T090000,20260106T090000",
                "EXDATE;TZID=Europe/Berlin:20260105T090000,20260106T090000",
            ),
            (berlin(), "EXDATE:20260105T080000Z", "EXDATE;TZID=Europe/Berlin:20260105T090000"),
            (
                berlin(),
                "EXDATE;TZID=America/New_York:20260105T030000",
                "EXDATE;TZID=Europe/Berlin:20260105T090000",
            ),
            // REC-02
            (berlin(), "EXDATE;VALUE=DATE:20260107", "EXDATE;TZID=Europe/Berlin:20260107T090000"),
            (date(), "EXDATE;VALUE=DATE:20260105,20260106", "EXDATE;VALUE=DATE:20260105,20260106"),
            (date(), "EXDATE:20260105T000000Z", "EXDATE;VALUE=DATE:20260105"),
            (
                berlin(),
                "RDATE;TZID=Europe/Berlin:20260201T090000",
                "RDATE;TZID=Europe/Berlin:20260201T090000",
            ),
            (
                berlin(),
                "RDATE;VALUE=PERIOD:20260201T080000Z/PT1H",
                "RDATE;TZID=Europe/Berlin:20260201T090000",
            ),
            // The second of two equal wall-clock times has no local form.
            (berlin(), "EXDATE:20261025T013000Z", "EXDATE:20261025T013000Z"),
            (berlin(), "X-OTHER:kept", "X-OTHER:kept"),
        ] {
            assert_eq!(write(&read([line].into_iter(), &start), &start), [expected], "{line}");
        }
    }
}
