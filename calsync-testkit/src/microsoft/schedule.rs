//! `getSchedule`: the owner's own busy times; nobody else is known.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    expand::local,
    render::{times, zone},
    request::{Reply, Request},
    state::{State, Stored, text},
};

fn point(value: Option<&Value>) -> Option<DateTime<Utc>> {
    let (at, name) = local(value?.as_object()?)?;
    Some(zone(name)?.resolve(at))
}

pub(super) fn serve(state: &mut State, request: &Request) -> Reply {
    let body = request.json().unwrap_or_default();
    let (Some(from), Some(until)) = (point(body.get("startTime")), point(body.get("endTime"))) else {
        return Reply::error(400, "ErrorInvalidParameter", "startTime and endTime are required.");
    };
    let schedules: Vec<&str> = body
        .get("schedules")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if schedules.is_empty() || schedules.len() > 20 || until - from > TimeDelta::days(62) {
        return Reply::error(
            400,
            "ErrorInvalidParameter",
            "The requested time duration or the list is too long.",
        );
    }
    let mut items = Vec::new();
    for event in state.events.values() {
        let status = text(&event.properties, "showAs").unwrap_or("busy");
        for times in busy(event, from, until) {
            let at = |time: DateTime<Utc>| json!({"dateTime": time.format("%Y-%m-%dT%H:%M:%S.0000000").to_string(), "timeZone": "UTC"});
            items.push((
                times.0,
                json!({"status": status, "start": at(times.0), "end": at(times.1), "isPrivate": false}),
            ));
        }
    }
    items.sort_by_key(|(start, _)| *start);
    let items: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
    let value: Vec<Value> = schedules
        .into_iter()
        .map(|id| {
            if id.eq_ignore_ascii_case(&state.owner) {
                json!({"scheduleId": id, "availabilityView": "", "scheduleItems": items, "workingHours": {}})
            } else {
                json!({"scheduleId": id, "error": {"responseCode": "ErrorMailRecipientNotFound", "message": "not found"}})
            }
        })
        .collect();
    Reply::json(200, json!({ "value": value }))
}

fn busy(event: &Stored, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let found = if event.properties.contains_key("recurrence") {
        event.within(from, until).into_iter().filter_map(|day| event.actual(day)).collect()
    } else {
        times(&event.properties).into_iter().filter(|t| t.start < until && t.end > from).collect::<Vec<_>>()
    };
    found.into_iter().map(|times| (times.start, times.end)).collect()
}
