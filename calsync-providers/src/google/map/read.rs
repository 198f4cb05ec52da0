//! An item to an event: the master with its rules, its exceptions as overrides.

use std::collections::BTreeMap;

use calsync_core::{
    diff::changed_fields,
    model::{Event, EventBody, EventTime, Override, OverrideScope, RecurrenceId, TimeSpan, UidOrigin},
    provider::{Declined, Payload, ReadError, UnreadKind},
};
use serde_json::Value;

use super::{alone, body, recurrence, time};
use crate::google::{
    config::EventColors,
    item::{Item, is_cancelled, is_series, master_of},
    wire::{Object, flag, inner, list, text},
};

/// Members of `extendedProperties.private` that calsync writes: the UID an event has elsewhere, the id of the event it was
/// written for (a copy made by hand carries both, and is not that event), and that a series is not written whole yet.
pub(crate) const UID: &str = "calsyncUid";
pub(crate) const ID: &str = "calsyncId";
pub(crate) const OPEN: &str = "calsyncOpen";
/// Which link wrote it, sealed with the event's id.
pub(crate) const MARK: &str = "calsyncMark";

/// Types that are no events of a person's calendar: where they work, and birthdays of contacts.
const NO_EVENTS: [&str; 2] = ["workingLocation", "birthday"];

/// Reads a payload.
pub(crate) fn read(payload: &Payload, colors: &EventColors) -> Result<Event, ReadError> {
    let item = Item::read(payload).ok_or_else(|| unreadable("the payload is no item of Google"))?;
    read_item(&item, colors)
}

pub(crate) fn read_item(item: &Item, colors: &EventColors) -> Result<Event, ReadError> {
    let event = &item.event;
    if text(event, "eventType").is_some_and(|kind| NO_EVENTS.contains(&kind)) {
        let reason = "it is a working location or a birthday".to_owned();
        return Err(ReadError { kind: UnreadKind::NotAnEvent, reason });
    }
    if is_cancelled(event) {
        return Err(unreadable("it is cancelled"));
    }
    let time =
        time::span(event).ok_or_else(|| unreadable("it has no usable start, or an end that is none"))?;
    if !is_rules(event.get("recurrence")) {
        // Read as a single event it would end a series here.
        return Err(unreadable("its recurrence is no list of lines"));
    }
    let start = time.start.clone();
    let master = body::read(event, time, colors);
    let mut read = Event::single(uid(event)?, master);
    if master_of(event).is_some() {
        // One instance of a series that is not in this calendar: shared_uid keeps it apart from its neighbours (REC-10).
        read.uid_origin = UidOrigin::Derived;
        return Ok(read);
    }
    if !is_series(event) {
        return Ok(match alone::noted(event) {
            Some(key) => alone::as_instance(read, key),
            None => read,
        });
    }
    let lines = list(event, "recurrence").iter().filter_map(Value::as_str);
    let lines = recurrence::read(lines, &start);
    if lines.rules.is_empty() && lines.added.is_empty() {
        // As a single event it would lose its lines with the next write.
        return Err(unreadable("its recurrence has neither a rule nor a date"));
    }
    read.rules = lines.rules;
    read.excluded_rules = lines.excluded_rules;
    read.overrides.extend(lines.added.into_iter().map(|key| (key, Override::Added { end: None })));
    read.overrides.extend(lines.excluded.into_iter().map(|key| (key, Override::Excluded)));
    if item.exceptions.iter().any(has_odd_time) {
        return Err(unreadable("an instance of it has times that cannot be read"));
    }
    let instances = instances(item, &read, colors);
    read.overrides.extend(instances);
    Ok(read)
}

/// What of an item the owner of the calendar declined: Google says which guest this calendar is of.
pub(crate) fn declined(payload: &Payload) -> Option<Declined> {
    let item = Item::read(payload)?;
    let whole = is_declined(&item.event);
    let of = |exception: &Object| {
        // What a fragment does not say is the series'.
        let says = exception.contains_key("attendees");
        Some((time::original_start(exception)?, if says { is_declined(exception) } else { whole }))
    };
    Some(Declined { whole, instances: item.exceptions.iter().filter_map(of).collect() })
}

fn is_declined(event: &Object) -> bool {
    let guests = list(event, "attendees").iter().filter_map(Value::as_object);
    guests.filter(|guest| flag(guest, "self")).any(|own| text(own, "responseStatus") == Some("declined"))
}

/// Whether this is what Google says of rules: nothing, or a list of lines.
fn is_rules(recurrence: Option<&Value>) -> bool {
    match recurrence {
        None | Some(Value::Null) => true,
        Some(lines) => lines.as_array().is_some_and(|lines| lines.iter().all(Value::is_string)),
    }
}

/// Whether an exception says when it takes place, in words nobody knows. One that says nothing of it, as a cancelled one
/// may, takes place when the series says.
fn has_odd_time(exception: &Object) -> bool {
    let says = |name: &str| exception.get(name).is_some_and(|value| !value.is_null());
    !is_cancelled(exception) && (says("start") || says("end")) && time::span(exception).is_none()
}

/// What the exceptions say.
fn instances(item: &Item, series: &Event, colors: &EventColors) -> BTreeMap<RecurrenceId, Override> {
    let mut found = BTreeMap::new();
    let Some(master) = &series.master else { return found };
    for exception in &item.exceptions {
        let Some(key) = time::original_start(exception).filter(|key| fits(*key, &master.time.start)) else {
            continue;
        };
        if is_cancelled(exception) {
            found.insert(key, Override::Excluded);
            continue;
        }
        let body = instance_body(exception, key, master, colors);
        // An exception that says what the series says is none: it was changed and changed back.
        if series.overrides.contains_key(&key) || !same(&body, &inherited(master, key)) {
            found.insert(key, Override::Changed { body: Box::new(body), scope: OverrideScope::This });
        }
    }
    found
}

/// The content of an exception.
pub(crate) fn instance_body(
    exception: &Object,
    key: RecurrenceId,
    master: &EventBody,
    colors: &EventColors,
) -> EventBody {
    match time::span(exception) {
        Some(time) => body::read(exception, time, colors),
        // Every whole exception has a start. What a fragment does not say is the series' (REC-11).
        None => body::read_fragment(exception, inherited(master, key), colors),
    }
}

/// An instance as the series has it.
pub(crate) fn inherited(master: &EventBody, key: RecurrenceId) -> EventBody {
    let start = key.to_time(&master.time.start);
    let length = master.time.duration();
    let end = match &start {
        EventTime::Date(date) => EventTime::Date(date.checked_add_signed(length).unwrap_or(*date)),
        EventTime::Floating(local) => EventTime::Floating(local.checked_add_signed(length).unwrap_or(*local)),
        _ => match start.absolute().and_then(|at| at.checked_add_signed(length)) {
            Some(end) => match master.time.end.zone() {
                Some(zone) => time::in_zone(end, zone.clone()),
                None => EventTime::Utc(end),
            },
            None => start.clone(),
        },
    };
    EventBody { time: TimeSpan { start, end }, ..master.clone() }
}

/// Whether two bodies say the same; bookkeeping does not count.
pub(crate) fn same(a: &EventBody, b: &EventBody) -> bool {
    changed_fields(&Event::single("", a.clone()), &Event::single("", b.clone())).is_empty()
}

/// A series of dates has dates as keys. An exception of another kind is left from what the series was before.
pub(crate) fn fits(key: RecurrenceId, start: &EventTime) -> bool {
    matches!(key, RecurrenceId::Date(_)) == start.is_date()
}

fn uid(event: &Object) -> Result<String, ReadError> {
    let id = text(event, "id").unwrap_or_default();
    let known = text(event, "iCalUID").unwrap_or(id);
    if let Some(key) = time::original_start(event).filter(|_| master_of(event).is_some()) {
        return Ok(format!("{known}#{key}"));
    }
    let ours = inner(event, "extendedProperties").and_then(|properties| inner(properties, "private"));
    // What is about to be created has no id yet.
    let ours = ours.filter(|ours| text(ours, ID).unwrap_or_default() == id).and_then(|ours| text(ours, UID));
    let uid = ours.unwrap_or(known);
    if uid.is_empty() { Err(unreadable("it has neither a UID nor an id")) } else { Ok(uid.to_owned()) }
}

fn unreadable(reason: &str) -> ReadError {
    ReadError { kind: UnreadKind::Unreadable, reason: reason.to_owned() }
}
