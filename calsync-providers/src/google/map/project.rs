//! What Google can hold of an event, in the one form it is read back in.

use std::{borrow::Cow, collections::BTreeSet};

use calsync_core::{
    model::{
        AlarmAction, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope,
        ParticipationStatus, Privacy, Role, Status,
    },
    recurrence::RuleEntry,
};

use super::{
    alone,
    body::{ALARMS_MAX, color_id, minutes},
    read::{inherited, same},
    recurrence,
    time::{in_zone, is_utc, mended},
};
use crate::google::config::GoogleConfig;

/// Reduces an event. Idempotent.
pub(crate) fn project<'e>(event: &'e Event, config: &GoogleConfig) -> Cow<'e, Event> {
    let mut held = event.clone();
    let series = event.is_series();
    let zoned = |time: &EventTime| zoned(time, series, config);
    let shown = |time: &EventTime| existing(zoned(time));
    if let Some(master) = &mut held.master {
        hold(master, config, if series { &zoned } else { &shown });
    }
    if let Some(start) = held.master.as_ref().map(|master| master.time.start.clone()) {
        let canonical = |rule: &RuleEntry| recurrence::canonical(rule, &start);
        held.rules = held.rules.iter().map(canonical).collect();
        held.excluded_rules = held.excluded_rules.iter().map(canonical).collect();
        if held.is_series() {
            hold_instances(&mut held, config, (&zoned, &shown), &start);
        } else {
            held.overrides.clear();
        }
    }
    if held.master.is_none() {
        hold_alone(&mut held, config, &shown);
    }
    if held == *event { Cow::Borrowed(event) } else { Cow::Owned(held) }
}

/// The same event in the words it is read back in: nothing is taken away that means anything.
pub(crate) fn tidied(event: &Event) -> Event {
    let mut tidied = event.clone();
    if let Some(master) = &mut tidied.master {
        tidy(master);
        let start = master.time.start.clone();
        for rule in tidied.rules.iter_mut().chain(&mut tidied.excluded_rules) {
            *rule = recurrence::canonical(rule, &start);
        }
    }
    for instance in tidied.overrides.values_mut() {
        if let Override::Changed { body, .. } = instance {
            tidy(body);
        }
    }
    drop_idle(&mut tidied);
    tidied
}

fn tidy(body: &mut EventBody) {
    let same = |time: &EventTime| match time {
        EventTime::Zoned { zone, .. } if is_utc(zone) => utc(time),
        _ => time.clone(),
    };
    body.time = mended(same(&body.time.start), Some(same(&body.time.end)));
    for text in [&mut body.title, &mut body.description, &mut body.location] {
        if text.as_deref() == Some("") {
            *text = None;
        }
    }
    // Confirmed and busy are what Google says when nobody said anything.
    body.status = body.status.filter(|status| *status != Status::Confirmed);
    body.free_busy = body.free_busy.filter(|status| *status != FreeBusyStatus::Busy);
    body.color = body.color.take().map(|color| color.to_ascii_lowercase());
    for participant in &mut body.participants {
        participant.expect_reply = false;
        participant.person.name = participant.person.name.take().filter(|name| !name.is_empty());
    }
    for alarm in &mut body.alarms {
        alarm.description = None;
        if alarm.action != AlarmAction::Email {
            alarm.action = AlarmAction::Display;
        }
    }
    body.alarms.sort();
    body.alarms.dedup();
}

/// Of a series that is not there its first instance stands at Google, as an event by itself.
fn hold_alone(held: &mut Event, config: &GoogleConfig, shown: &dyn Fn(&EventTime) -> EventTime) {
    let (mut single, key) = alone::as_event(held.clone());
    let (Some(key), Some(body)) = (key, &mut single.master) else { return };
    hold(body, config, shown);
    single.rules.clear();
    single.excluded_rules.clear();
    *held = alone::as_instance(single, key);
}

fn hold_instances(
    held: &mut Event,
    config: &GoogleConfig,
    (zoned, shown): (&dyn Fn(&EventTime) -> EventTime, &dyn Fn(&EventTime) -> EventTime),
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
                hold(&mut body, config, shown);
                Override::Changed { body, scope: OverrideScope::This }
            }
        };
        held.overrides.insert(key, instance);
    }
    drop_idle(held);
}

/// A change that changes nothing is none.
fn drop_idle(held: &mut Event) {
    let Some(master) = held.master.clone() else { return };
    let idle = |key, instance: &Override| matches!(instance, Override::Changed { body, .. } if same(body, &inherited(&master, key)));
    let idle: Vec<_> =
        held.overrides.iter().filter(|(key, instance)| idle(**key, instance)).map(|(key, _)| *key).collect();
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
    tidy(body);
    narrow(body);
    // A cancelled event is a deleted one there: it is shown as one that takes up no time.
    if body.status == Some(Status::Cancelled) {
        body.status = Some(Status::Tentative);
        body.free_busy = Some(FreeBusyStatus::Free);
    }
    body.privacy = body
        .privacy
        .filter(|privacy| matches!(privacy, Privacy::Public | Privacy::Private | Privacy::Secret));
    let color = body.color.take();
    // In the spelling it is read back in.
    body.color = color.and_then(|color| config.colors.get(color_id(&color, &config.colors)?).cloned());
    body.geo = None;
    body.priority = None;
    body.categories = BTreeSet::new();
    body.virtual_locations = Vec::new();
    body.organizer = None;
    for participant in &mut body.participants {
        if participant.role != Role::Optional {
            participant.role = Role::Required;
        }
        if participant.status == ParticipationStatus::Delegated {
            participant.status = ParticipationStatus::NeedsAction;
        }
    }
}

/// Takes out of the lists and links what Google takes in no write. What it sends of that kind all the same is no change.
pub(super) fn narrow(body: &mut EventBody) {
    let is_web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    body.url = body.url.take().filter(is_web);
    body.participants.retain(|participant| participant.person.address.contains('@'));
    body.alarms.retain(|alarm| minutes(alarm).is_some());
    // Of too many the ones nearest to the start stay.
    let excess = body.alarms.len().saturating_sub(ALARMS_MAX);
    body.alarms.drain(..excess);
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

/// What the clocks show when it takes place: Google keeps instants, so a time that the clocks skip comes back as the one
/// they jump to.
fn existing(time: EventTime) -> EventTime {
    match (&time, time.absolute()) {
        (EventTime::Zoned { zone, .. }, Some(instant)) => in_zone(instant, zone.clone()),
        _ => time,
    }
}

/// Whether the clocks of its zone never show it.
pub(super) fn is_skipped(time: &EventTime) -> bool {
    existing(time.clone()).local() != time.local()
}

fn utc(time: &EventTime) -> EventTime {
    time.absolute().map_or_else(|| time.clone(), EventTime::Utc)
}
