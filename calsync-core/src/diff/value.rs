//! Values looked up, compared and copied by the name of their field.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Field, Part};
use crate::model::{Alarm, AlarmTrigger, Event, EventBody, Override, OverrideScope, Participant, Status};

pub(super) fn participant<'a>(body: &'a EventBody, key: &str) -> Option<&'a Participant> {
    body.participants.iter().find(|p| p.person.address.eq_ignore_ascii_case(key))
}

pub(super) fn alarms<'a>(body: &'a EventBody, trigger: &'a AlarmTrigger) -> impl Iterator<Item = &'a Alarm> {
    body.alarms.iter().filter(move |alarm| alarm.trigger == *trigger)
}

/// Whether an instance does not take place: excluded (`EXDATE`), or an exception that is cancelled.
pub(super) fn is_off(value: Option<&Override>) -> bool {
    match value {
        Some(Override::Excluded) => true,
        Some(Override::Changed { body, scope: OverrideScope::This }) => {
            body.status == Some(Status::Cancelled)
        }
        _ => false,
    }
}

/// The content of an instance that takes place, or of the master.
fn body<'a>(event: &'a Event, field: &Field) -> Option<&'a EventBody> {
    match &field.instance {
        None => event.master.as_ref(),
        Some(id) => match event.overrides.get(id) {
            off if is_off(off) => None,
            Some(Override::Changed { body, .. }) => Some(&**body),
            _ => None,
        },
    }
}

fn body_mut<'a>(event: &'a mut Event, field: &Field) -> Option<&'a mut EventBody> {
    match &field.instance {
        None => event.master.as_mut(),
        Some(id) => match event.overrides.get_mut(id) {
            Some(Override::Changed { body, .. }) => Some(&mut **body),
            _ => None,
        },
    }
}

/// Whether a field has the same value in both.
pub fn same_field(a: &Event, b: &Event, field: &Field) -> bool {
    match (&field.part, field.instance) {
        (Part::Master, _) => match (&a.master, &b.master) {
            (Some(a), Some(b)) => same_body(a, b),
            (None, None) => true,
            _ => false,
        },
        (Part::Rules, _) => a.repeats_as(b),
        (Part::Override, Some(id)) => match (a.overrides.get(&id), b.overrides.get(&id)) {
            (a, b) if is_off(a) && is_off(b) => true,
            (
                Some(Override::Changed { body: a, scope: s }),
                Some(Override::Changed { body: b, scope: t }),
            ) => s == t && same_body(a, b),
            (a, b) => a == b,
        },
        _ => match (body(a, field), body(b, field)) {
            (Some(a), Some(b)) => same_part(a, b, &field.part),
            (None, None) => true,
            _ => false,
        },
    }
}

/// The same content; bookkeeping is none.
fn same_body(a: &EventBody, b: &EventBody) -> bool {
    let mut fields = BTreeSet::new();
    super::body_fields(a, b, None, &mut fields);
    fields.is_empty()
}

fn same_part(a: &EventBody, b: &EventBody, part: &Part) -> bool {
    match part {
        Part::Time => a.time == b.time,
        Part::Title => a.title == b.title,
        Part::Description => a.description == b.description,
        Part::Location => a.location == b.location,
        Part::Geo => a.geo == b.geo,
        Part::Url => a.url == b.url,
        Part::VirtualLocations => a.virtual_locations == b.virtual_locations,
        Part::Status => a.status == b.status,
        Part::FreeBusy => a.free_busy == b.free_busy,
        Part::Privacy => a.privacy == b.privacy,
        Part::Priority => a.priority == b.priority,
        Part::Color => a.color == b.color,
        Part::Organizer => a.organizer == b.organizer,
        Part::Category(name) => a.categories.contains(name) == b.categories.contains(name),
        Part::Participant(key) => participant(a, key) == participant(b, key),
        Part::Alarm(trigger) => alarms(a, trigger).eq(alarms(b, trigger)),
        // These are fields of the series, never of a body.
        Part::Master | Part::Rules | Part::Override => true,
    }
}

/// Gives `field` of `into` the value it has in `from`.
///
/// A field of an instance that `into` does not have as a changed instance takes the whole instance along: half an
/// instance means nothing.
pub fn copy_field(field: &Field, from: &Event, into: &mut Event) {
    match (&field.part, field.instance) {
        (Part::Master, _) => into.master.clone_from(&from.master),
        (Part::Rules, _) => {
            into.rules.clone_from(&from.rules);
            into.excluded_rules.clone_from(&from.excluded_rules);
        }
        (_, Some(id))
            if field.part == Part::Override || body(from, field).is_none() || body(into, field).is_none() =>
        {
            match from.overrides.get(&id) {
                Some(value) => {
                    into.overrides.insert(id, value.clone());
                }
                None => {
                    into.overrides.remove(&id);
                }
            }
        }
        _ => {
            if let Some(source) = body(from, field) {
                match body_mut(into, field) {
                    Some(target) => copy_part(&field.part, source, target),
                    None => into.master.clone_from(&from.master),
                }
            }
        }
    }
}

fn copy_part(part: &Part, from: &EventBody, into: &mut EventBody) {
    match part {
        Part::Time => into.time.clone_from(&from.time),
        Part::Title => into.title.clone_from(&from.title),
        Part::Description => into.description.clone_from(&from.description),
        Part::Location => into.location.clone_from(&from.location),
        Part::Geo => into.geo.clone_from(&from.geo),
        Part::Url => into.url.clone_from(&from.url),
        Part::VirtualLocations => into.virtual_locations.clone_from(&from.virtual_locations),
        Part::Status => into.status = from.status,
        Part::FreeBusy => into.free_busy = from.free_busy,
        Part::Privacy => into.privacy = from.privacy,
        Part::Priority => into.priority = from.priority,
        Part::Color => into.color.clone_from(&from.color),
        Part::Organizer => into.organizer.clone_from(&from.organizer),
        Part::Category(name) => {
            if from.categories.contains(name) {
                into.categories.insert(name.clone());
            } else {
                into.categories.remove(name);
            }
        }
        Part::Participant(key) => {
            let place = into.participants.iter().position(|p| p.person.address.eq_ignore_ascii_case(key));
            match (participant(from, key), place) {
                (Some(value), Some(place)) => into.participants[place] = value.clone(),
                (Some(value), None) => into.participants.push(value.clone()),
                (None, Some(place)) => {
                    into.participants.remove(place);
                }
                (None, None) => {}
            }
        }
        Part::Alarm(trigger) => {
            let place = into.alarms.iter().position(|a| a.trigger == *trigger).unwrap_or(into.alarms.len());
            into.alarms.retain(|a| a.trigger != *trigger);
            let values: Vec<Alarm> = alarms(from, trigger).cloned().collect();
            into.alarms.splice(place..place, values);
        }
        Part::Master | Part::Rules | Part::Override => {}
    }
}

/// The value of a field as JSON, for a conflict record: what a person needs to choose. `null` when it is not there.
pub fn field_value(event: &Event, field: &Field) -> Value {
    fn to_json(value: &impl serde::Serialize) -> Value {
        serde_json::to_value(value).unwrap_or(Value::Null)
    }
    match (&field.part, field.instance) {
        (Part::Master, _) => return to_json(&event.master),
        (Part::Rules, _) => return to_json(&event.rules),
        (Part::Override, Some(id)) => return to_json(&event.overrides.get(&id)),
        _ => {}
    }
    let Some(body) = body(event, field) else { return Value::Null };
    match &field.part {
        Part::Time => to_json(&body.time),
        Part::Title => json!(body.title),
        Part::Description => json!(body.description),
        Part::Location => json!(body.location),
        Part::Geo => json!(body.geo),
        Part::Url => json!(body.url),
        Part::VirtualLocations => to_json(&body.virtual_locations),
        Part::Status => to_json(&body.status),
        Part::FreeBusy => to_json(&body.free_busy),
        Part::Privacy => to_json(&body.privacy),
        Part::Priority => json!(body.priority),
        Part::Color => json!(body.color),
        Part::Organizer => to_json(&body.organizer),
        Part::Category(name) => json!(body.categories.contains(name)),
        Part::Participant(key) => to_json(&participant(body, key)),
        Part::Alarm(trigger) => to_json(&alarms(body, trigger).collect::<Vec<_>>()),
        Part::Master | Part::Rules | Part::Override => Value::Null,
    }
}
