//! Instances of series: which there are, and what they are called.

use calsync_core::{
    ical::{ContentLine, value::TimeValue},
    recurrence::{ExpansionLimits, Instance, RecurrenceDate, RecurrenceSet, RuleEntry, SeriesStart, Window},
    zone::Zone,
};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    check::Moment,
    state::{Calendar, Object, Stored, is_cancelled, text},
};

/// How far a listing without an end looks.
const HORIZON_DAYS: i64 = 730;

fn set_of(master: &Object, zone: &str) -> Option<RecurrenceSet<Zone>> {
    let start = Moment::read(master.get("start"), zone).ok()?;
    let named = match &start {
        Moment::Date(_) => None,
        Moment::Time(_, named) => Some(Zone::from_iana(named.as_deref().unwrap_or(zone))?),
    };
    let first = start.local(zone);
    let mut set = RecurrenceSet::new(match &named {
        None => SeriesStart::Date(first.date()),
        Some(zone) => SeriesStart::Zoned(first, zone.clone()),
    });
    for line in master.get("recurrence")?.as_array()?.iter().filter_map(Value::as_str) {
        let line = ContentLine::parse(line)?;
        let dates = |line: &ContentLine<'_>| -> Vec<RecurrenceDate> {
            let tzid = line.param("TZID").and_then(Zone::from_iana);
            line.value()
                .split(',')
                .filter_map(|value| match TimeValue::parse(value.split('/').next()?)? {
                    TimeValue::Date(date) if named.is_some() => {
                        Some(RecurrenceDate::Local(date.and_time(first.time())))
                    }
                    TimeValue::Date(date) => Some(RecurrenceDate::Date(date)),
                    TimeValue::Utc(instant) => Some(RecurrenceDate::Utc(instant)),
                    TimeValue::Local(local) => Some(match &tzid {
                        Some(zone) => RecurrenceDate::Utc(zone.resolve(local)),
                        None => RecurrenceDate::Local(local),
                    }),
                })
                .collect()
        };
        if line.is("RRULE") {
            set.rules.push(RuleEntry::read(line.value()));
        } else if line.is("EXRULE") {
            set.exrules.push(RuleEntry::read(line.value()));
        } else if line.is("RDATE") {
            set.rdates.extend(dates(&line));
        } else if line.is("EXDATE") {
            set.exdates.extend(dates(&line));
        }
    }
    Some(set)
}

/// The part of an instance's id after the master's: its original start.
fn suffix(instance: &Instance) -> String {
    match instance.utc {
        Some(instant) => instant.format("%Y%m%dT%H%M%SZ").to_string(),
        None => instance.local.format("%Y%m%d").to_string(),
    }
}

/// An instance as the series has it.
fn virtual_instance(master: &Object, zone: &str, instance: &Instance) -> Option<Object> {
    let (start, end) =
        (Moment::read(master.get("start"), zone).ok()?, Moment::read(master.get("end"), zone).ok()?);
    let (from, to) = match (&start, &end, instance.utc) {
        (Moment::Date(first), Moment::Date(last), _) => {
            let date = instance.local.date();
            (Moment::Date(date), Moment::Date(date + (*last - *first)))
        }
        (Moment::Time(first, named), Moment::Time(last, end_named), Some(instant)) => (
            Moment::Time(instant, named.clone()),
            Moment::Time(instant + (*last - *first), end_named.clone()),
        ),
        _ => return None,
    };
    let id = text(master, "id")?;
    let mut event = master.clone();
    event.remove("recurrence");
    event.insert("id".into(), format!("{id}_{}", suffix(instance)).into());
    event.insert("recurringEventId".into(), id.into());
    event.insert("originalStartTime".into(), from.write(zone));
    event.insert("start".into(), from.write(zone));
    event.insert("end".into(), to.write(zone));
    Some(event)
}

/// The instance with this id, as the series has it.
pub(super) fn find(calendar: &Calendar, id: &str) -> Option<Object> {
    let (master, suffix) = id.rsplit_once('_')?;
    let master = &calendar.events.get(master)?.event;
    if is_cancelled(master) {
        return None;
    }
    let at = match TimeValue::parse(suffix)? {
        TimeValue::Date(date) => date.and_time(chrono::NaiveTime::MIN),
        TimeValue::Utc(instant) => instant.naive_utc(),
        TimeValue::Local(_) => return None,
    };
    let around = at.and_utc() - TimeDelta::days(2)..at.and_utc() + TimeDelta::days(2);
    expand(master, &calendar.zone, around).into_iter().find(|event| text(event, "id") == Some(id))
}

fn expand(master: &Object, zone: &str, window: std::ops::Range<DateTime<Utc>>) -> Vec<Object> {
    let Some(set) = set_of(master, zone) else { return Vec::new() };
    let (instances, _) = set.instances(Window::Utc(window), &ExpansionLimits::default()).collect_all();
    instances.iter().take(5000).filter_map(|instance| virtual_instance(master, zone, instance)).collect()
}

/// All instances of a series in a window, with its exceptions in the place of what they replace.
pub(super) fn instances(
    calendar: &Calendar,
    master: &Object,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> Vec<Object> {
    let id = text(master, "id").unwrap_or_default();
    let first = Moment::read(master.get("start"), &calendar.zone)
        .map(|start| start.local(&calendar.zone))
        .unwrap_or_default();
    let begin = first.and_utc() - TimeDelta::days(2);
    let start = from.map_or(begin, |from| (from - TimeDelta::days(40)).max(begin));
    let end = to.unwrap_or(start + TimeDelta::days(HORIZON_DAYS));
    let mut found: Vec<Object> = expand(master, &calendar.zone, start..end);
    for Stored { event, .. } in calendar.events.values() {
        if text(event, "recurringEventId") == Some(id) {
            found.retain(|known| text(known, "id") != text(event, "id"));
            found.push(event.clone());
        }
    }
    found.retain(|event| overlaps(event, &calendar.zone, from, to));
    found.sort_by_key(|event| start_of(event, &calendar.zone));
    found
}

pub(super) fn start_of(event: &Object, zone: &str) -> NaiveDateTime {
    instant_of(event, "start", zone)
}

fn instant_of(event: &Object, name: &str, zone: &str) -> NaiveDateTime {
    match Moment::read(event.get(name), zone) {
        Ok(Moment::Time(instant, _)) => instant.naive_utc(),
        Ok(date) => date.local(zone),
        Err(_) => match Moment::read(event.get("originalStartTime"), zone) {
            Ok(Moment::Time(instant, _)) => instant.naive_utc(),
            Ok(date) => date.local(zone),
            Err(_) => NaiveDateTime::default(),
        },
    }
}

/// `timeMin` bounds the end and `timeMax` the start, both exclusive.
pub(super) fn overlaps(
    event: &Object,
    zone: &str,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> bool {
    from.is_none_or(|from| instant_of(event, "end", zone) > from.naive_utc())
        && to.is_none_or(|to| instant_of(event, "start", zone) < to.naive_utc())
}

/// Whether a series has an instance with this id, changed or not.
pub(super) fn has_instance(calendar: &Calendar, master: &Object, id: &str) -> bool {
    let suffix = id.rsplit_once('_').map(|(_, suffix)| suffix).and_then(TimeValue::parse);
    let at = match suffix {
        Some(TimeValue::Date(date)) => date.and_time(chrono::NaiveTime::MIN).and_utc(),
        Some(TimeValue::Utc(instant)) => instant,
        _ => return false,
    };
    expand(master, &calendar.zone, at - TimeDelta::days(2)..at + TimeDelta::days(2))
        .iter()
        .any(|event| text(event, "id") == Some(id))
}
