//! An item as an event.

use calsync_core::{
    model::{Event, EventTime, Override, OverrideScope, RecurrenceId, TimeSpan, UidOrigin},
    provider::{Declined, Payload, ReadError, UnreadKind},
    recurrence::RuleEntry,
    zone::Zone,
};
use chrono::{NaiveDate, NaiveTime, Timelike};
use serde_json::Value;

use super::super::{
    item,
    wire::{Object, inner, list, text},
};
use super::{
    Options, fields, props, recurrence,
    time::{Zones, instant, nearest_date, span},
};

/// Instances an item may hold: a daily series over 25 years, all of them changed.
const INSTANCES_MAX: usize = 10_000;

pub(crate) fn read_payload(payload: &Payload, options: &Options<'_>) -> Result<Event, ReadError> {
    let object = item::object_of(payload).ok_or_else(|| unreadable("it is no JSON object"))?;
    read(&object, options).map_err(unreadable)
}

/// What of an item the owner of the calendar declined: Graph tells the answer of the mailbox beside those of the guests.
pub(crate) fn declined(payload: &Payload, options: &Options<'_>) -> Option<Declined> {
    let object = item::object_of(payload)?;
    let zones = Zones::of(&object, props::get(&object, options.set, props::ZONES));
    let start = span(&object, &zones)?.start;
    let is_declined = |event: &Object| {
        inner(event, "responseStatus").and_then(|answer| text(answer, "response")) == Some("declined")
    };
    let exceptions = list(&object, "exceptionOccurrences").iter().filter_map(Value::as_object);
    let instances =
        exceptions.filter_map(|one| Some((instance_of(one, &start)?, is_declined(one)))).collect();
    Some(Declined { whole: is_declined(&object), instances })
}

fn unreadable(reason: &'static str) -> ReadError {
    ReadError { kind: UnreadKind::Unreadable, reason: reason.to_owned() }
}

pub(crate) fn read(object: &Object, options: &Options<'_>) -> Result<Event, &'static str> {
    let noted = props::get(object, options.set, props::ZONES);
    let zones = Zones::of(object, noted);
    let time = span(object, &zones).ok_or("its times cannot be read")?;
    let (uid, origin) = uid(object, options).ok_or("it has neither a UID nor an id")?;
    let mut event = Event::single(uid, fields::read(object, time.clone()));
    event.uid_origin = origin;
    let is_master = text(object, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("seriesMaster"));
    let is_odd = object.get("recurrence").is_some_and(|pattern| !pattern.is_null() && !pattern.is_object());
    if is_odd || is_master && inner(object, "recurrence").is_none() {
        // Read as a single event it would end a series here.
        return Err("a recurrence that cannot be read");
    }
    if let Some(pattern) = inner(object, "recurrence") {
        let zone = zone_of(&time.start);
        let first = time.start.local().date();
        let rule = recurrence::rule(pattern, first, zone.as_ref(), options.month_end)?;
        event.rules.push(RuleEntry::Rule(rule));
        read_instances(object, &time, noted, &mut event)?;
    }
    Ok(event)
}

/// The zone a series repeats in; `None` for dates.
pub(crate) fn zone_of(start: &EventTime) -> Option<Zone> {
    match start {
        EventTime::Date(_) => None,
        EventTime::Zoned { zone, .. } => Some(zone.clone()),
        EventTime::Utc(_) | EventTime::Floating(_) => Some(Zone::UTC),
    }
}

fn read_instances(
    object: &Object,
    time: &TimeSpan,
    noted: Option<&str>,
    event: &mut Event,
) -> Result<(), &'static str> {
    // What is left out would look undone.
    let is_list = |name: &str| matches!(object.get(name), None | Some(Value::Null | Value::Array(_)));
    let exceptions = list(object, "exceptionOccurrences");
    if !is_list("cancelledOccurrences")
        || !is_list("exceptionOccurrences")
        || !exceptions.iter().all(Value::is_object)
    {
        return Err("exceptions that cannot be read");
    }
    let cancelled = list(object, "cancelledOccurrences");
    if cancelled.len() + exceptions.len() > INSTANCES_MAX {
        return Err("it has too many exceptions");
    }
    for name in cancelled {
        let date = name.as_str().and_then(cancelled_date).ok_or("a cancelled date that cannot be read")?;
        event.overrides.insert(on_date(date, &time.start), Override::Excluded);
    }
    for exception in exceptions.iter().filter_map(Value::as_object) {
        let id = instance_of(exception, &time.start).ok_or("an exception of which nobody knows the date")?;
        let time = span(exception, &Zones::of(exception, noted)).ok_or("an exception without a time")?;
        let body = Box::new(fields::read(exception, time));
        event.overrides.insert(id, Override::Changed { body, scope: OverrideScope::This });
    }
    Ok(())
}

/// `OID.{master}.{date}`: one instance a day is all a pattern can make, so that the date names it.
pub(crate) fn cancelled_date(name: &str) -> Option<NaiveDate> {
    name.rsplit('.').next()?.parse().ok()
}

/// The instance of a series on a day.
fn on_date(date: NaiveDate, start: &EventTime) -> RecurrenceId {
    let local = date.and_time(start.local().time());
    RecurrenceId::of(&match start {
        EventTime::Date(_) => EventTime::Date(date),
        EventTime::Floating(_) => EventTime::Floating(local),
        EventTime::Utc(_) => EventTime::Utc(local.and_utc()),
        EventTime::Zoned { zone, .. } => EventTime::zoned(local, zone.clone()),
    })
}

/// The instance an exception stands in for.
pub(crate) fn instance_of(exception: &Object, start: &EventTime) -> Option<RecurrenceId> {
    let original = instant(text(exception, "originalStart")?)?;
    Some(match start {
        EventTime::Date(_) if original.time() == NaiveTime::MIN => RecurrenceId::Date(original.date_naive()),
        EventTime::Date(_) => {
            let zone = text(exception, "originalStartTimeZone").and_then(super::time::zone_named);
            RecurrenceId::Date(nearest_date(original, zone.as_ref()))
        }
        EventTime::Floating(_) => RecurrenceId::Floating(original.naive_utc()),
        _ => RecurrenceId::Instant(original.with_nanosecond(0)?),
    })
}

/// The UID calsync wrote, else the one Exchange gave. A copy made in Outlook carries the note of the event it was copied
/// from, but not the identifier that one was created with.
fn uid(object: &Object, options: &Options<'_>) -> Option<(String, UidOrigin)> {
    let created = props::get(object, options.set, props::CREATE);
    let transaction = text(object, "transactionId");
    let is_copy = matches!((created, transaction), (Some(created), Some(own)) if created != own);
    if let Some(uid) = props::get(object, options.set, props::UID).filter(|_| !is_copy) {
        return Some((uid.to_owned(), UidOrigin::Given));
    }
    if let Some(uid) = text(object, "iCalUId") {
        return Some((uid.to_owned(), UidOrigin::Given));
    }
    let id = object.get("id").and_then(Value::as_str)?;
    Some((format!("graph-{}", &blake3::hash(id.as_bytes()).to_hex()[..32]), UidOrigin::Derived))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::microsoft::config::MonthEnd;

    #[test]
    fn the_answer_of_the_mailbox_is_read_for_the_series_and_for_each_exception() {
        let at = |time: &str| json!({"dateTime": time, "timeZone": "UTC"});
        let exception = |day: u8, answer: &str| {
            let (start, end) = (format!("2026-01-{day:02}T09:00:00"), format!("2026-01-{day:02}T10:00:00"));
            json!({
                "originalStart": format!("{start}Z"), "start": at(&start), "end": at(&end),
                "responseStatus": {"response": answer},
            })
        };
        let item = json!({
            "start": at("2026-01-05T09:00:00"), "end": at("2026-01-05T10:00:00"),
            "responseStatus": {"response": "declined"},
            "exceptionOccurrences": [exception(6, "accepted"), exception(7, "declined")],
        });
        let options = Options { set: "", month_end: MonthEnd::default(), floating: &Zone::UTC, title_max: 0 };
        let declined = declined(&Payload::new(item.to_string()), &options).unwrap();
        assert!(declined.whole);
        assert_eq!(declined.instances.into_values().collect::<Vec<_>>(), [false, true]);
    }
}
