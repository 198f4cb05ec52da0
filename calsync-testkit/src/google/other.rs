//! Calendars, colours, channels, busy times.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    events,
    reply::{Reply, Result, refuse},
    route::Asked,
    series,
    state::{Channel, State, text},
};
use crate::deliver::can_call;

pub(super) fn calendar_list(state: &State, asked: &Asked) -> Result<Reply> {
    let most = asked.number("maxResults", 100, 250)?;
    let most = state.quirks.page_max.map_or(most, |max| max.min(most)).max(1);
    let from: usize = match asked.get("pageToken").map(str::parse) {
        None => 0,
        Some(Ok(from)) => from,
        Some(Err(_)) => return refuse(400, "invalid"),
    };
    // Changes since a listing: what is hidden or deleted is always among them.
    let since: Option<u64> = match asked.get("syncToken") {
        None => None,
        Some(_) if asked.get("minAccessRole").is_some() => {
            return refuse(400, "syncTokenWithRequestRestrictions");
        }
        Some(token) => match token.strip_prefix("list~").and_then(|tick| tick.parse().ok()) {
            Some(tick) => Some(tick),
            None => return refuse(410, "fullSyncRequired"),
        },
    };
    let mut entries: Vec<Value> = Vec::new();
    for calendar in state.calendars.values() {
        let flag = |name: &str| calendar.entry.get(name) == Some(&Value::Bool(true));
        let shown = match since {
            Some(since) => calendar.listed > since,
            None => {
                (!flag("hidden") || asked.is("showHidden")) && (!flag("deleted") || asked.is("showDeleted"))
            }
        };
        if shown {
            entries.push(Value::Object(calendar.entry.clone()));
        }
    }
    let gone = state.unlisted.iter().filter(|(_, tick)| since.is_some_and(|since| *tick > since));
    entries.extend(gone.map(|(id, tick)| {
        json!({"kind": "calendar#calendarListEntry", "etag": format!("\"c{tick}\""), "id": id, "deleted": true})
    }));
    let more = entries.len() > from + most;
    let items: Vec<Value> = entries.into_iter().skip(from).take(most).collect();
    let mut body =
        json!({"kind": "calendar#calendarList", "etag": format!("\"l{}\"", state.ticks), "items": items});
    if more {
        body["nextPageToken"] = (from + most).to_string().into();
    } else {
        body["nextSyncToken"] = format!("list~{}", state.ticks).into();
    }
    Ok(Reply::json(&body))
}

pub(super) fn calendar_entry(state: &State, id: &str) -> Result<Reply> {
    match state.calendars.get(&state.calendar_id(id)) {
        Some(calendar) => Ok(Reply::json(&Value::Object(calendar.entry.clone()))),
        None => refuse(404, "notFound"),
    }
}

pub(super) fn calendar(state: &State, id: &str) -> Result<Reply> {
    let id = state.calendar_id(id);
    let Some(calendar) = state.calendars.get(&id) else { return refuse(404, "notFound") };
    let entry = &calendar.entry;
    Ok(Reply::json(&json!({
        "kind": "calendar#calendar", "etag": entry.get("etag"), "id": id, "summary": entry.get("summary"),
        "timeZone": calendar.zone, "conferenceProperties": entry.get("conferenceProperties"),
    })))
}

pub(super) fn insert_calendar(state: &mut State, asked: &Asked) -> Result<Reply> {
    let Some(summary) = text(&asked.body, "summary").map(ToOwned::to_owned) else {
        return refuse(400, "required");
    };
    let zone = text(&asked.body, "timeZone").unwrap_or("UTC").to_owned();
    let id = format!("c{}@group.calendar.google.com", state.ticks);
    state.add_calendar(&id, &summary, &zone, "owner");
    calendar(state, &id)
}

pub(super) fn colors() -> Reply {
    let color = |background: &str| json!({"background": background, "foreground": "#1d1d1d"});
    Reply::json(&json!({
        "kind": "calendar#colors", "updated": "2012-02-14T00:00:00.000Z",
        "calendar": {"1": color("#ac725e"), "14": color("#9fe1e7")},
        "event": {"1": color("#a4bdfc"), "2": color("#7ae7bf"), "11": color("#dc2127")},
    }))
}

pub(super) fn watch(state: &mut State, calendar: &str, asked: &Asked) -> Result<Reply> {
    let calendar = state.calendar_id(calendar);
    if !state.calendars.contains_key(&calendar) {
        return refuse(404, "notFound");
    }
    if calendar.contains("#holiday@") {
        return refuse(400, "pushNotSupportedForRequestedResource");
    }
    let body = &asked.body;
    let Some(id) = text(body, "id").map(ToOwned::to_owned) else { return refuse(400, "required") };
    let address = text(body, "address").unwrap_or_default().to_owned();
    // Nobody on this machine has a certificate, and nobody else is called.
    if !address.starts_with("https://") && !can_call(&address) {
        return refuse(400, "webhookUrlNotHttps");
    }
    if !matches!(text(body, "type"), Some("web_hook" | "webhook"))
        || text(body, "token").is_some_and(|t| t.len() > 256)
    {
        return refuse(400, "invalid");
    }
    if state.channels.contains_key(&id) || id.len() > 64 {
        return refuse(400, "channelIdNotUnique");
    }
    let ttl = body.get("params").and_then(|params| params.get("ttl")?.as_str()?.parse::<u64>().ok());
    let ttl = ttl.unwrap_or(604_800).min(state.quirks.channel_seconds_max);
    let ends = state.now() + TimeDelta::seconds(i64::try_from(ttl).unwrap_or_default());
    let expires = ends.timestamp_millis();
    let resource = blake3::hash(calendar.as_bytes()).to_hex()[..26].to_owned();
    let token = text(body, "token").map(ToOwned::to_owned);
    let expiration: Value =
        if state.quirks.numeric_expiration { expires.into() } else { expires.to_string().into() };
    let mut answer = json!({
        "kind": "api#channel", "id": id, "resourceId": resource,
        "resourceUri": format!("https://www.googleapis.com/calendar/v3/calendars/{calendar}/events?alt=json"),
        "expiration": expiration,
    });
    if let Some(token) = &token {
        answer["token"] = token.as_str().into();
    }
    let channel = Channel { calendar, resource, token, messages: 0, expires: ends, address };
    state.channels.insert(id.clone(), channel);
    state.call(&id, "sync");
    Ok(Reply::json(&answer))
}

pub(super) fn stop(state: &mut State, asked: &Asked) -> Result<Reply> {
    let (id, resource) = (text(&asked.body, "id"), text(&asked.body, "resourceId"));
    let known = id
        .and_then(|id| state.channels.get(id))
        .is_some_and(|known| Some(known.resource.as_str()) == resource);
    match id {
        Some(id) if known => {
            state.channels.remove(id);
            Ok(Reply::empty(204))
        }
        _ => refuse(404, "notFound"),
    }
}

pub(super) fn free_busy(state: &State, asked: &Asked) -> Result<Reply> {
    let time = |name: &str| {
        let time = text(&asked.body, name).and_then(|time| DateTime::parse_from_rfc3339(time).ok());
        time.map(|time| time.with_timezone(&Utc))
    };
    let (Some(from), Some(to)) = (time("timeMin"), time("timeMax")) else { return refuse(400, "required") };
    if from >= to {
        return refuse(400, "timeRangeEmpty");
    }
    let items = asked.body.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut calendars = serde_json::Map::new();
    for id in items.iter().filter_map(|item| item.get("id")?.as_str()) {
        let Some(calendar) = state.calendars.get(&state.calendar_id(id)) else {
            let error = json!({"domain": "global", "reason": "notFound"});
            calendars.insert(id.to_owned(), json!({"errors": [error], "busy": []}));
            continue;
        };
        let mut busy = Vec::new();
        for stored in calendar.events.values() {
            let event = &stored.event;
            let all = if event.contains_key("recurrence") {
                series::instances(calendar, event, Some(from), Some(to))
            } else if event.contains_key("recurringEventId") {
                Vec::new()
            } else {
                vec![event.clone()]
            };
            busy.extend(all.iter().filter_map(|event| events::busy(event, &calendar.zone)));
        }
        busy.retain(|(start, end)| *start < to && *end > from);
        busy.sort_unstable();
        let shown = |time: DateTime<Utc>| time.clamp(from, to).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let busy: Vec<Value> =
            busy.into_iter().map(|(start, end)| json!({"start": shown(start), "end": shown(end)})).collect();
        calendars.insert(id.to_owned(), json!({"busy": busy}));
    }
    let shown = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    Ok(Reply::json(&json!({
        "kind": "calendar#freeBusy", "timeMin": shown(from), "timeMax": shown(to), "calendars": calendars,
    })))
}
