//! What of an event Cozi can hold: the rest stays here, and is no change.

use std::{borrow::Cow, collections::BTreeMap};

use calsync_core::{
    model::{Event, EventBody, EventTime, Override, RecurrenceId, Status, TimeSpan},
    recurrence::RuleEntry,
    zone::Zone,
};
use chrono::{NaiveDate, NaiveDateTime, Timelike};

use super::{super::config::Reminders, Options, fields, read::on_date, recurrence};

/// Why an event cannot be written. What would take place on other days, or in other words, is not written at all.
pub(crate) fn problem(event: &Event, zone: &Zone) -> Option<&'static str> {
    let Some(master) = &event.master else { return Some("only single instances of it are known") };
    if master.status == Some(Status::Cancelled) {
        return Some("it is cancelled, which Cozi cannot say");
    }
    if !event.is_series() {
        return None;
    }
    if !event.excluded_rules.is_empty() || event.rules.len() != 1 {
        return Some("Cozi has one rule for a series");
    }
    if event.overrides.values().any(|instance| !matches!(instance, Override::Excluded)) {
        return Some("Cozi keeps a changed instance as an event of its own");
    }
    let start = &master.time.start;
    let foreign = match start {
        EventTime::Date(_) | EventTime::Floating(_) => false,
        EventTime::Zoned { zone: own, .. } => own != zone,
        EventTime::Utc(_) => *zone != Zone::UTC,
    };
    if foreign {
        return Some("a series in another zone than the household's would drift by an hour");
    }
    let rule = event.rules.first().and_then(|entry| match entry {
        RuleEntry::Rule(rule) => recurrence::normal(rule, &local(start, zone)),
        RuleEntry::Opaque { .. } => None,
    });
    rule.is_none().then_some("Cozi has no such rule")
}

/// Reduces an event to what Cozi can hold. Idempotent.
pub(crate) fn project<'e>(event: &'e Event, options: &Options<'_>) -> Cow<'e, Event> {
    if problem(event, &options.zone).is_some() {
        return Cow::Borrowed(event);
    }
    let mut reduced = event.clone();
    reduced.lineage = None;
    let Some(master) = &mut reduced.master else { return Cow::Borrowed(event) };
    let before = master.time.start.clone();
    body(master, options);
    let start = master.time.start.clone();
    if event.is_series() {
        for entry in &mut reduced.rules {
            if let RuleEntry::Rule(rule) = entry
                && let Some(normal) = recurrence::normal(rule, &start)
            {
                *rule = normal;
            }
        }
        let excluded =
            |id: &RecurrenceId| (on_date(date(*id, &before, &options.zone), &start), Override::Excluded);
        reduced.overrides = event.overrides.keys().map(excluded).collect();
    } else {
        reduced.overrides = BTreeMap::new();
    }
    if reduced == *event { Cow::Borrowed(event) } else { Cow::Owned(reduced) }
}

/// The day an instance begins on, in the household.
pub(crate) fn date(id: RecurrenceId, start: &EventTime, zone: &Zone) -> NaiveDate {
    local(&id.to_time(start), zone).local().date()
}

fn body(body: &mut EventBody, options: &Options<'_>) {
    let (start, mut end) = (local(&body.time.start, &options.zone), local(&body.time.end, &options.zone));
    if end.local() < start.local() {
        end = start.clone();
    }
    let kept = EventBody {
        title: Some(
            body.title.as_deref().and_then(fields::tidy).unwrap_or_else(|| options.untitled.to_owned()),
        ),
        description: body.description.as_deref().and_then(fields::tidy),
        location: body.location.as_deref().and_then(fields::tidy),
        sequence: body.sequence,
        created: body.created,
        updated: body.updated,
        alarms: match options.reminders {
            Reminders::Sync => fields::reminders(&body.alarms)
                .into_iter()
                .map(|minutes| calsync_core::model::Alarm::display_before(minutes * 60))
                .collect(),
            Reminders::Leave => Vec::new(),
        },
        ..EventBody::new(span(start, end))
    };
    *body = kept;
}

/// What begins and ends at midnight is a whole day at Cozi, however it is written here.
fn span(start: EventTime, end: EventTime) -> TimeSpan {
    let midnight = |time: &EventTime| time.local().num_seconds_from_midnight() == 0;
    if start.is_date() {
        let last = end.local().date().max(start.local().date().succ_opt().unwrap_or(NaiveDate::MAX));
        return TimeSpan { start, end: EventTime::Date(last) };
    }
    if midnight(&start) && midnight(&end) && end.local() > start.local() {
        return TimeSpan {
            start: EventTime::Date(start.local().date()),
            end: EventTime::Date(end.local().date()),
        };
    }
    TimeSpan { start, end }
}

/// A time as the household's clock shows it, to the minute.
pub(crate) fn local(time: &EventTime, zone: &Zone) -> EventTime {
    let minutes = |local: NaiveDateTime| {
        local.with_second(0).and_then(|local| local.with_nanosecond(0)).unwrap_or(local)
    };
    match time {
        EventTime::Date(date) => EventTime::Date(*date),
        EventTime::Floating(local) => EventTime::zoned(minutes(*local), zone.clone()),
        EventTime::Zoned { local, zone: own, .. } if own == zone => {
            EventTime::zoned(minutes(*local), zone.clone())
        }
        EventTime::Zoned { .. } | EventTime::Utc(_) => {
            let instant = time.instant(zone);
            EventTime::zoned(minutes(zone.to_local(instant)), zone.clone())
        }
    }
}
