//! Listings: pages that are frozen when the first is given, sync tokens that are good for one question.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    reply::{Reply, Result, refuse},
    route::Asked,
    series,
    state::{Calendar, Object, Pending, State, is_cancelled, text},
};

/// Parameters that a sync token forbids.
const FORBIDDEN: [&str; 8] = [
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
];

/// Every parameter of the method.
const KNOWN: [&str; 25] = [
    "alwaysIncludeEmail",
    "eventTypes",
    "iCalUID",
    "maxAttendees",
    "maxResults",
    "orderBy",
    "pageToken",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "showDeleted",
    "showHiddenInvitations",
    "singleEvents",
    "syncToken",
    "timeMax",
    "timeMin",
    "timeZone",
    "updatedMin",
    "alt",
    "fields",
    "prettyPrint",
    "quotaUser",
    "key",
    "originalStart",
    "userIp",
];

/// What was asked, without where in it: a sync token is good for nothing else.
fn question(asked: &Asked) -> String {
    let parts = asked.query.iter().filter(|(name, _)| {
        !matches!(name.as_str(), "pageToken" | "syncToken" | "prettyPrint" | "alt" | "fields" | "timeMin")
    });
    parts.map(|(name, values)| format!("{name}={}", values.join(","))).collect::<Vec<_>>().join("&")
}

fn time(asked: &Asked, name: &str) -> Result<Option<DateTime<Utc>>> {
    match asked.get(name).map(DateTime::parse_from_rfc3339) {
        None => Ok(None),
        Some(Ok(time)) => Ok(Some(time.with_timezone(&Utc))),
        Some(Err(_)) => refuse(400, "badRequest"),
    }
}

pub(super) fn events(state: &mut State, calendar: &str, asked: &Asked) -> Result<Reply> {
    let id = state.calendar_id(calendar);
    if !state.calendars.contains_key(&id) {
        return refuse(404, "notFound");
    }
    if asked.query.keys().any(|name| !KNOWN.contains(&name.as_str())) {
        return refuse(400, "invalidParameter");
    }
    let most = asked.number("maxResults", 250, 2500)?;
    if asked.get("syncToken").is_some() && FORBIDDEN.iter().any(|name| asked.get(name).is_some()) {
        return refuse(400, "syncTokenWithRequestRestrictions");
    }
    let question = format!("{id}?{}", question(asked));
    let pending = match asked.get("pageToken") {
        Some(token) => match state.pages.remove(token) {
            Some(pending) if pending.question == question => pending,
            _ => return refuse(400, "invalid"),
        },
        None => begin(state, &id, asked, question)?,
    };
    Ok(page(state, &id, pending, most, "calendar#events"))
}

/// The first page: everything that is going to be on all of them.
fn begin(state: &mut State, id: &str, asked: &Asked, question: String) -> Result<Pending> {
    let (from, to) = (time(asked, "timeMin")?, time(asked, "timeMax")?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return refuse(400, "timeRangeEmpty");
    }
    let since = match asked.get("syncToken") {
        None => None,
        Some(token) => {
            let known = token.strip_prefix("sync~").and_then(|rest| {
                let (changes, of) = rest.split_once('~')?;
                Some((changes.parse::<u64>().ok()?, of.to_owned()))
            });
            let Some((changes, of)) = known else { return refuse(410, "fullSyncRequired") };
            if of != token_of(&question) || asked.get("showDeleted") == Some("false") {
                return refuse(400, "invalid");
            }
            let calendar = &state.calendars[id];
            if changes < calendar.oldest || changes > calendar.changes {
                return refuse(410, "fullSyncRequired");
            }
            Some(changes)
        }
    };
    let calendar = &state.calendars[id];
    let updated = time(asked, "updatedMin")?;
    let deleted = asked.is("showDeleted") || since.is_some() || updated.is_some();
    let single = asked.is("singleEvents");
    let matches = |event: &Object| {
        let property = |name: &str, set: &str| {
            asked.query.get(name).into_iter().flatten().all(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                event
                    .get("extendedProperties")
                    .and_then(|sets| sets.get(set)?.get(key)?.as_str())
                    .is_some_and(|held| held == value)
            })
        };
        let has_text = |query: &str| {
            let query = query.to_lowercase();
            ["summary", "description", "location"]
                .iter()
                .any(|name| text(event, name).is_some_and(|held| held.to_lowercase().contains(&query)))
        };
        asked.get("iCalUID").is_none_or(|uid| text(event, "iCalUID") == Some(uid))
            && property("privateExtendedProperty", "private")
            && property("sharedExtendedProperty", "shared")
            && asked.get("q").is_none_or(has_text)
            && asked.query.get("eventTypes").is_none_or(|types| {
                types.iter().any(|kind| text(event, "eventType").unwrap_or("default") == kind)
            })
            && updated.is_none_or(|min| {
                text(event, "updated")
                    .and_then(|time| DateTime::parse_from_rfc3339(time).ok())
                    .is_some_and(|time| time >= min)
            })
    };
    let mut rows: Vec<Object> = Vec::new();
    for stored in calendar.events.values() {
        let event = &stored.event;
        if since.is_some_and(|since| stored.changed <= since) || !matches(event) {
            continue;
        }
        let is_instance = event.contains_key("recurringEventId");
        let series = event.contains_key("recurrence");
        if single && series && !is_cancelled(event) {
            let all = series::instances(calendar, event, from, to);
            rows.extend(all.into_iter().filter(|row| deleted || !is_cancelled(row)));
            continue;
        }
        // Cancelled instances are listed even when deleted events are not: they are part of their series.
        // And what is deleted is listed with a sync token in any case; else, of single events, only instances are.
        let listed = match (is_cancelled(event), single && since.is_none()) {
            (false, _) => true,
            (true, true) => deleted && !series,
            (true, false) => deleted || is_instance,
        };
        let inside = (series && to.is_none_or(|to| series::start_of(event, &calendar.zone) < to.naive_utc()))
            || series::overlaps(event, &calendar.zone, from, to)
            || is_cancelled(event);
        if listed && inside {
            rows.push(event.clone());
        }
    }
    let by_id = |rows: &mut Vec<Object>| {
        let mut seen = std::collections::BTreeSet::new();
        rows.retain(|row| seen.insert(text(row, "id").unwrap_or_default().to_owned()));
    };
    by_id(&mut rows);
    match asked.get("orderBy") {
        Some("startTime") if single => rows.sort_by_key(|row| series::start_of(row, &calendar.zone)),
        Some("startTime") => return refuse(400, "badRequest"),
        Some("updated") => rows.sort_by_key(|row| text(row, "updated").map(ToOwned::to_owned)),
        Some(_) => return refuse(400, "invalidParameter"),
        None if state.quirks.exceptions_first => {
            rows.sort_by_key(|row| !row.contains_key("recurringEventId"))
        }
        None => {}
    }
    let full = state.quirks.full_cancelled_rows;
    let rows: VecDeque<Value> = rows.into_iter().map(|row| Value::Object(shown(row, full))).collect();
    let partial = FORBIDDEN.iter().any(|name| *name != "timeMin" && asked.get(name).is_some());
    let sync = (!partial).then(|| format!("sync~{}~{}", calendar.changes, token_of(&question)));
    Ok(Pending { rows, sync, question, was_empty: false })
}

/// A row: of what is cancelled only what is guaranteed.
fn shown(event: Object, full: bool) -> Object {
    if !is_cancelled(&event) || full {
        return event;
    }
    let kept = ["kind", "etag", "id", "status", "recurringEventId", "originalStartTime"];
    event.into_iter().filter(|(name, _)| kept.contains(&name.as_str())).collect()
}

fn token_of(question: &str) -> String {
    blake3::hash(question.as_bytes()).to_hex()[..12].to_owned()
}

fn page(state: &mut State, id: &str, mut pending: Pending, most: usize, kind: &str) -> Reply {
    let most = state.quirks.page_max.map_or(most, |max| max.min(most)).max(1);
    let empty = state.quirks.empty_pages && !pending.was_empty && !pending.rows.is_empty();
    let take = if empty { 0 } else { most.min(pending.rows.len()) };
    let items: Vec<Value> = pending.rows.drain(..take).collect();
    pending.was_empty = empty;
    let now = state.stamp();
    let Some(calendar) = state.calendars.get(id) else { return Reply::empty(404) };
    let entry = &calendar.entry;
    let mut body = json!({
        "kind": kind,
        "etag": format!("\"p{}\"", calendar.changes),
        "summary": entry.get("summary"),
        "description": "",
        "updated": now,
        "timeZone": calendar.zone,
        "accessRole": entry.get("accessRole"),
        "defaultReminders": entry.get("defaultReminders"),
        "items": items,
    });
    if !pending.rows.is_empty() {
        let token = format!("page~{}", state.tick());
        body["nextPageToken"] = token.clone().into();
        state.pages.insert(token, pending);
        // Whoever never comes back for the rest leaves nothing behind for long.
        while state.pages.len() > 100 {
            state.pages.pop_first();
        }
    } else if let Some(sync) = pending.sync {
        body["nextSyncToken"] = sync.into();
    }
    Reply::json(&body)
}

pub(super) fn instances(state: &mut State, calendar: &str, event: &str, asked: &Asked) -> Result<Reply> {
    let id = state.calendar_id(calendar);
    let most = asked.number("maxResults", 250, 2500)?;
    let Some(held) = state.calendars.get(&id) else { return refuse(404, "notFound") };
    let Some(master) = held.events.get(event).filter(|stored| !is_cancelled(&stored.event)) else {
        return refuse(404, "notFound");
    };
    let (from, to) = (time(asked, "timeMin")?, time(asked, "timeMax")?);
    let question = format!("{id}/{event}?{}", question(asked));
    let pending = match asked.get("pageToken") {
        Some(token) => match state.pages.remove(token) {
            Some(pending) if pending.question == question => pending,
            _ => return refuse(400, "invalid"),
        },
        None => {
            let mut rows = match asked.get("originalStart") {
                Some(start) => original(held, &master.event, start),
                None => series::instances(held, &master.event, from, to),
            };
            rows.retain(|row| asked.is("showDeleted") || !is_cancelled(row));
            let rows = rows.into_iter().map(Value::Object).collect();
            Pending { rows, sync: None, question, was_empty: false }
        }
    };
    Ok(page(state, &id, pending, most, "calendar#events"))
}

/// The instance that had this start before anything moved it.
fn original(calendar: &Calendar, master: &Object, start: &str) -> Vec<Object> {
    let id = text(master, "id").unwrap_or_default();
    let suffix = match DateTime::parse_from_rfc3339(start) {
        Ok(time) => time.with_timezone(&Utc).format("%Y%m%dT%H%M%SZ").to_string(),
        Err(_) => start.replace('-', ""),
    };
    let name = format!("{id}_{suffix}");
    let held = calendar.events.get(&name).map(|stored| stored.event.clone());
    held.or_else(|| series::find(calendar, &name)).into_iter().collect()
}
