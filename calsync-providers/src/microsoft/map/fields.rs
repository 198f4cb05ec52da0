//! The plain fields of an event and of an instance.

use calsync_core::model::{
    Alarm, AlarmAction, AlarmTrigger, EventBody, FreeBusyStatus, Privacy, RelativeTo, Status, TimeSpan,
    VirtualLocation,
};
use serde_json::{Value, json};

use super::{
    super::wire::{Object, flag, inner, integer, list, text},
    body, people,
    time::instant,
};

/// Reads everything but the time.
pub(crate) fn read(object: &Object, time: TimeSpan) -> EventBody {
    let mut event = EventBody::new(time);
    event.title = text(object, "subject").map(ToOwned::to_owned);
    event.description = body::read(object);
    if let Some(location) = inner(object, "location") {
        event.location = text(location, "displayName").map(ToOwned::to_owned);
        if let Some(coordinates) = inner(location, "coordinates") {
            let number = |name: &str| coordinates.get(name).filter(|value| value.is_number());
            event.geo = number("latitude")
                .zip(number("longitude"))
                .map(|(latitude, longitude)| format!("{latitude};{longitude}"));
        }
    }
    let link = inner(object, "onlineMeeting")
        .and_then(|meeting| text(meeting, "joinUrl"))
        .or_else(|| text(object, "onlineMeetingUrl"));
    event.virtual_locations.extend(link.map(|uri| VirtualLocation { uri: uri.to_owned(), name: None }));
    let shown = text(object, "showAs").unwrap_or_default();
    event.free_busy = match shown {
        "free" => Some(FreeBusyStatus::Free),
        "busy" | "tentative" | "oof" | "workingElsewhere" => Some(FreeBusyStatus::Busy),
        _ => None,
    };
    event.status = if flag(object, "isCancelled") {
        Some(Status::Cancelled)
    } else {
        (shown == "tentative").then_some(Status::Tentative)
    };
    event.privacy = match text(object, "sensitivity").unwrap_or_default() {
        "" | "normal" => None,
        "confidential" => Some(Privacy::Secret),
        // `personal`, `private`, and whatever there will be: a word nobody knows shows nothing to anybody.
        _ => Some(Privacy::Private),
    };
    event.priority = match text(object, "importance").unwrap_or_default() {
        "high" => Some(1),
        "low" => Some(9),
        _ => None,
    };
    event.categories =
        list(object, "categories").iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    people::read(object, &mut event);
    if flag(object, "isReminderOn") {
        let minutes = integer(object, "reminderMinutesBeforeStart").unwrap_or_default();
        event.alarms.push(Alarm::display_before(minutes.clamp(-MINUTES_MAX, MINUTES_MAX) * 60));
    }
    event.created = text(object, "createdDateTime").and_then(instant);
    event.updated = text(object, "lastModifiedDateTime").and_then(instant);
    event
}

/// Two years: more is no reminder.
const MINUTES_MAX: i64 = 1_051_200;

/// How an event shows in its owner's day. What is cancelled takes up no time.
pub(crate) fn show_as(event: &EventBody) -> &'static str {
    match (event.free_busy, event.status) {
        (Some(FreeBusyStatus::Free), _) | (_, Some(Status::Cancelled)) => "free",
        (_, Some(Status::Tentative)) => "tentative",
        _ => "busy",
    }
}

pub(crate) fn sensitivity(privacy: Option<Privacy>) -> &'static str {
    match privacy {
        Some(Privacy::Private) => "private",
        Some(Privacy::Secret) => "confidential",
        Some(Privacy::Public) | None => "normal",
    }
}

pub(crate) fn importance(priority: Option<u8>) -> &'static str {
    match priority {
        Some(1..=4) => "high",
        Some(6..=9) => "low",
        _ => "normal",
    }
}

pub(crate) fn location(event: &EventBody) -> Value {
    let mut location = json!({"displayName": event.location.as_deref().unwrap_or_default()});
    let numbers =
        event.geo.as_deref().and_then(|geo| geo.split_once(';')).and_then(|(latitude, longitude)| {
            Some((latitude.trim().parse::<f64>().ok()?, longitude.trim().parse::<f64>().ok()?))
        });
    if let Some((latitude, longitude)) = numbers.filter(|(a, b)| a.is_finite() && b.is_finite()) {
        location["coordinates"] = json!({"latitude": latitude, "longitude": longitude});
    }
    location
}

/// As much of a title as Graph holds.
pub(crate) fn title(whole: &str, most: usize) -> &str {
    match whole.char_indices().nth(most) {
        Some((end, _)) if most > 0 => whole.get(..end).unwrap_or(whole).trim_end(),
        _ => whole,
    }
}

/// The one reminder Graph holds: of those before the start, the last. Minutes, and whether anything is lost by it.
pub(crate) fn reminder(alarms: &[Alarm]) -> (Option<i64>, bool) {
    let before = |alarm: &Alarm| match alarm.trigger {
        AlarmTrigger::Offset { seconds, relative_to: RelativeTo::Start } if seconds <= 0 => Some(-seconds),
        _ => None,
    };
    let chosen = alarms.iter().filter_map(before).min();
    let minutes = chosen.map(|seconds| seconds / 60);
    let exact = match alarms {
        [] => true,
        [alarm] => {
            before(alarm).is_some_and(|seconds| seconds % 60 == 0 && seconds / 60 <= MINUTES_MAX)
                && alarm.action != AlarmAction::Email
                && alarm.description.is_none()
        }
        _ => false,
    };
    (minutes.map(|minutes| minutes.min(MINUTES_MAX)), !exact)
}
