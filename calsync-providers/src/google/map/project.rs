//! What Google can hold of an event, in the one form it is read back in.

use std::{borrow::Cow, collections::BTreeSet};

use calsync_core::{
    model::{
        Alarm, AlarmAction, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope,
        ParticipationStatus, Privacy, Role, Status,
    },
    recurrence::RuleEntry,
};

use super::{
    body::{ALARMS_MAX, color_id, minutes},
    read::{inherited, same},
    recurrence,
    time::{is_utc, mended},
};
use crate::google::config::GoogleConfig;

/// Reduces an event. Idempotent.
pub(crate) fn project<'e>(event: &'e Event, config: &GoogleConfig) -> Cow<'e, Event> {
    let mut held = event.clone();
    let series = event.is_series();
    let zoned = |time: &EventTime| zoned(time, series, config);
    if let Some(master) = &mut held.master {
        hold(master, config, &zoned);
    }
    if let Some(start) = held.master.as_ref().map(|master| master.time.start.clone()) {
        let canonical = |rule: &RuleEntry| recurrence::canonical(rule, &start);
        held.rules = held.rules.iter().map(canonical).collect();
        held.excluded_rules = held.excluded_rules.iter().map(canonical).collect();
        if held.is_series() {
            hold_instances(&mut held, config, &zoned, &start);
        } else {
            held.overrides.clear();
        }
    }
    if held == *event { Cow::Borrowed(event) } else { Cow::Owned(held) }
}

fn hold_instances(
    held: &mut Event,
    config: &GoogleConfig,
    zoned: &dyn Fn(&EventTime) -> EventTime,
    start: &EventTime,
) {
    let overrides = std::mem::take(&mut held.overrides);
    for (key, instance) in overrides {
        // A floating series got a zone: its instances have got instants.
        let key = calsync_core::model::RecurrenceId::of(&zoned(&key.to_time(start)));
        let instance = match instance {
            Override::Added { .. } => Override::Added { end: None },
            Override::Excluded => Override::Excluded,
            Override::Changed { body, .. } if body.status == Some(Status::Cancelled) => Override::Excluded,
            Override::Changed { mut body, .. } => {
                hold(&mut body, config, zoned);
                Override::Changed { body, scope: OverrideScope::This }
            }
        };
        held.overrides.insert(key, instance);
    }
    // A change that changes nothing is none.
    let Some(master) = held.master.clone() else { return };
    let idle = |key, instance: &Override| {
        matches!(instance, Override::Changed { body, .. } if same(body, &inherited(&master, key)))
    };
    let idle: Vec<_> = held.overrides.iter().filter(|(key, instance)| idle(**key, instance)).map(|(key, _)| *key).collect();
    for key in idle {
        if recurrence::generates(held, key) {
            held.overrides.remove(&key);
        } else {
            held.overrides.insert(key, Override::Added { end: None });
        }
    }
}

fn hold(body: &mut EventBody, config: &GoogleConfig, zoned: &dyn Fn(&EventTime) -> EventTime) {
    body.time = mended(zoned(&body.time.start), Some(zoned(&body.time.end)));
    for text in [&mut body.title, &mut body.description, &mut body.location] {
        if text.as_deref() == Some("") {
            *text = None;
        }
    }
    let is_web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    body.url = body.url.take().filter(is_web);
    match body.status {
        Some(Status::Confirmed) => body.status = None,
        // A cancelled event is a deleted one there: it is shown as one that takes up no time.
        Some(Status::Cancelled) => {
            body.status = Some(Status::Tentative);
            body.free_busy = Some(FreeBusyStatus::Free);
        }
        _ => {}
    }
    if body.free_busy == Some(FreeBusyStatus::Busy) {
        body.free_busy = None;
    }
    body.privacy = body.privacy.filter(|privacy| matches!(privacy, Privacy::Public | Privacy::Private | Privacy::Secret));
    let color = body.color.take();
    // In the spelling it is read back in.
    body.color = color.and_then(|color| config.colors.get(color_id(&color, &config.colors)?).cloned());
    body.geo = None;
    body.priority = None;
    body.categories = BTreeSet::new();
    body.virtual_locations = Vec::new();
    body.organizer = None;
    body.participants.retain(|participant| participant.person.address.contains('@'));
    for participant in &mut body.participants {
        participant.expect_reply = false;
        if participant.role != Role::Optional {
            participant.role = Role::Required;
        }
        if participant.status == ParticipationStatus::Delegated {
            participant.status = ParticipationStatus::NeedsAction;
        }
        participant.person.name = participant.person.name.take().filter(|name| !name.is_empty());
    }
    let mut alarms: Vec<Alarm> = body
        .alarms
        .iter()
        .filter(|alarm| minutes(alarm).is_some())
        .map(|alarm| {
            let action = match alarm.action {
                AlarmAction::Email => AlarmAction::Email,
                _ => AlarmAction::Display,
            };
            Alarm { trigger: alarm.trigger, action, description: None }
        })
        .collect();
    alarms.sort();
    alarms.dedup();
    // Of too many the ones nearest to the start stay.
    let excess = alarms.len().saturating_sub(ALARMS_MAX);
    alarms.drain(..excess);
    body.alarms = alarms;
}

/// A time in a form Google has, where there is one that means the same.
fn zoned(time: &EventTime, series: bool, config: &GoogleConfig) -> EventTime {
    match (time, &config.floating_zone) {
        (EventTime::Floating(local), Some(zone)) => EventTime::zoned(*local, zone.clone()),
        (EventTime::Zoned { zone, .. }, _) if is_utc(zone) => utc(time),
        // A single event keeps its instant; a series would move when the clocks change.
        (EventTime::Zoned { zone, .. }, _) if zone.iana().is_none() && !series => utc(time),
        _ => time.clone(),
    }
}

fn utc(time: &EventTime) -> EventTime {
    time.absolute().map_or_else(|| time.clone(), EventTime::Utc)
}
