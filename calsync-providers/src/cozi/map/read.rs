//! An item as an event.

use calsync_core::{
    model::{Event, EventBody, EventTime, Override, RecurrenceId, TimeSpan, UidOrigin},
    provider::{Payload, ReadError, UnreadKind},
    recurrence::RuleEntry,
    zone::Zone,
};
use chrono::{Days, NaiveDate, NaiveTime};
use serde_json::Value;

use super::super::{
    config::{CoziConfig, Reminders, Subscribed},
    item::{self, member},
    wire::{Object, day, list},
};
use super::{fields, recurrence};

/// A hundred years: longer is a mistake.
const SPAN_MAX: i64 = 36_525;
/// Dates left out of a series: every day over 25 years.
const EXCLUDED_MAX: usize = 10_000;

pub(crate) fn read_payload(payload: &Payload, config: &CoziConfig) -> Result<Event, ReadError> {
    let parts = item::parts_of(payload).ok_or_else(|| unreadable("it is no payload of Cozi"))?;
    let zone = Zone::from_iana(&parts.zone).ok_or_else(|| unreadable("the household's zone is not known"))?;
    let item = parts.item.as_object().ok_or_else(|| unreadable("it is no object"))?;
    if config.subscribed == Subscribed::LeaveOut && item::is_subscribed(item) {
        let reason = "it is of a calendar the household subscribes to".to_owned();
        return Err(ReadError { kind: UnreadKind::NotAnEvent, reason });
    }
    read(item, &zone, config.reminders).map_err(unreadable)
}

fn unreadable(reason: &'static str) -> ReadError {
    ReadError { kind: UnreadKind::Unreadable, reason: reason.to_owned() }
}

pub(crate) fn read(item: &Object, zone: &Zone, reminders: Reminders) -> Result<Event, &'static str> {
    let id = item.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).ok_or("it has no id")?;
    match member(item, "itemType") {
        None => {}
        Some(Value::String(kind)) if matches!(kind.as_str(), "appointment" | "birthday" | "meal") => {}
        Some(_) => return Err("it is of a kind nobody knows"),
    }
    let time = span(item, zone)?;
    let mut body = EventBody::new(time.clone());
    fields::read(item, &mut body, reminders)?;
    // Cozi has no UIDs: the same item has the same one wherever it is read.
    let mut event = Event::single(format!("cozi-{id}"), body);
    event.uid_origin = UidOrigin::Derived;
    if let Some(found) = member(item, "recurrence") {
        let found = found.as_object().ok_or("its recurrence cannot be read")?;
        if let Some(rule) = recurrence::read(found, &time.start)? {
            event.rules.push(RuleEntry::Rule(rule));
            for date in excluded(found)? {
                event.overrides.insert(on_date(date, &time.start), Override::Excluded);
            }
        }
    }
    Ok(event)
}

/// The dates of a series that do not take place, or take place as an item of their own.
pub(crate) fn excluded(recurrence: &Object) -> Result<Vec<NaiveDate>, &'static str> {
    const UNREADABLE: &str = "a date left out of the series cannot be read";
    match recurrence.get("exdates") {
        None | Some(Value::Null | Value::Array(_)) => {}
        Some(_) => return Err(UNREADABLE),
    }
    let entries = list(recurrence, "exdates");
    if entries.len() > EXCLUDED_MAX {
        return Err("it has too many dates left out");
    }
    let date = |entry: &Value| {
        let text = entry.as_str().or_else(|| entry.as_object()?.get("date")?.as_str());
        text.and_then(day).ok_or(UNREADABLE)
    };
    entries.iter().map(date).collect()
}

/// The instance of a series on a day.
pub(crate) fn on_date(date: NaiveDate, start: &EventTime) -> RecurrenceId {
    RecurrenceId::of(&match start {
        EventTime::Zoned { zone, local, .. } => EventTime::zoned(date.and_time(local.time()), zone.clone()),
        _ => EventTime::Date(date),
    })
}

/// All day when both times are midnight; an offset in days says where it ends.
fn span(item: &Object, zone: &Zone) -> Result<TimeSpan, &'static str> {
    let first = item::start_day(item).ok_or("its day cannot be read")?;
    let days = match member(item, "dateSpan") {
        None => 0,
        Some(days) => {
            days.as_i64().filter(|days| (0..=SPAN_MAX).contains(days)).ok_or("its length cannot be read")?
        }
    };
    let start = clock(item, "startTime")?;
    let end = clock(item, "endTime")?;
    let last = first.checked_add_days(Days::new(days.unsigned_abs())).ok_or("its end cannot be read")?;
    let (start, end) = match (start, end) {
        (Some(start), Some(end)) => (start, end),
        (None, None) => (NaiveTime::MIN, NaiveTime::MIN),
        _ => return Err("it has one of two times"),
    };
    if start == NaiveTime::MIN && end == NaiveTime::MIN {
        // The midnight after the last day; none is written as one day.
        let last = last.max(first.succ_opt().ok_or("its end cannot be read")?);
        return Ok(TimeSpan { start: EventTime::Date(first), end: EventTime::Date(last) });
    }
    let time = TimeSpan {
        start: EventTime::zoned(first.and_time(start), zone.clone()),
        end: EventTime::zoned(last.and_time(end), zone.clone()),
    };
    if last.and_time(end) < first.and_time(start) {
        return Err("it ends before it begins");
    }
    Ok(time)
}

/// `9:00:00`, `09:00:00` or `09:00`.
fn clock(item: &Object, name: &str) -> Result<Option<NaiveTime>, &'static str> {
    let Some(found) = member(item, name) else { return Ok(None) };
    let text = found.as_str().ok_or("its times cannot be read")?;
    NaiveTime::parse_from_str(text, "%H:%M:%S")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
        .map(Some)
        .map_err(|_| "its times cannot be read")
}
