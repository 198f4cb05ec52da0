//! Single events: read, created, changed, deleted.

use serde_json::{Value, json};

use super::{
    check::{self, Moment},
    reply::{Reply, Result, refuse},
    route::Asked,
    series,
    state::{Object, State, is_cancelled, text},
};

/// Members only Google sets.
const READ_ONLY: [&str; 12] = [
    "kind",
    "etag",
    "htmlLink",
    "created",
    "updated",
    "creator",
    "organizer",
    "hangoutLink",
    "locked",
    "attendeesOmitted",
    "recurringEventId",
    "originalStartTime",
];

/// Members the guest of an event may change in the own copy.
const OF_GUESTS: [&str; 7] =
    ["reminders", "colorId", "transparency", "visibility", "extendedProperties", "attendees", "status"];

fn writable(state: &State, calendar: &str) -> Result<String> {
    let id = state.calendar_id(calendar);
    let Some(held) = state.calendars.get(&id) else { return refuse(404, "notFound") };
    match text(&held.entry, "accessRole") {
        Some("owner" | "writer" | "writerWithoutPrivateAccess") => Ok(id),
        _ => refuse(403, "requiredAccessLevel"),
    }
}

/// Who would have been mailed.
fn mail(state: &mut State, asked: &Asked, event: &Object) {
    let told =
        matches!(asked.get("sendUpdates"), Some("all" | "externalOnly")) || asked.is("sendNotifications");
    if told {
        let people = event.get("attendees").and_then(Value::as_array).map_or(0, Vec::len);
        state.mails += people;
    }
}

/// The event of an id: stored, or an instance as its series has it.
fn find(state: &State, calendar: &str, id: &str) -> Result<Object> {
    let Some(held) = state.calendars.get(calendar) else { return refuse(404, "notFound") };
    match held.events.get(id).map(|stored| stored.event.clone()).or_else(|| series::find(held, id)) {
        Some(event) => Ok(event),
        None => refuse(404, "notFound"),
    }
}

fn check_match(asked: &Asked, event: &Object) -> Result<()> {
    match asked.if_match.as_deref() {
        Some(etag) if etag != "*" && Some(etag) != text(event, "etag") => refuse(412, "conditionNotMet"),
        _ => Ok(()),
    }
}

pub(super) fn get(state: &State, calendar: &str, id: &str, asked: &Asked) -> Result<Reply> {
    let event = find(state, &state.calendar_id(calendar), id)?;
    if asked.if_none_match.is_some() && asked.if_none_match.as_deref() == text(&event, "etag") {
        return Ok(Reply::empty(304));
    }
    Ok(Reply::json(&Value::Object(event)))
}

pub(super) fn insert(state: &mut State, calendar: &str, asked: &Asked) -> Result<Reply> {
    let calendar = writable(state, calendar)?;
    let mut event = asked.body.clone();
    for member in READ_ONLY {
        event.remove(member);
    }
    match text(&event, "eventType").unwrap_or("default") {
        "default" | "outOfOffice" | "focusTime" | "workingLocation" | "birthday" => {}
        _ => return refuse(400, "eventTypeRestriction"),
    }
    if is_cancelled(&event) {
        return refuse(400, "invalid");
    }
    let id = match text(&event, "id") {
        Some(id) if !check::is_id(id) => return refuse(400, "invalid"),
        Some(id) => id.to_owned(),
        None => blake3::hash(format!("event {}", state.ticks).as_bytes()).to_hex()[..26].to_owned(),
    };
    let zone = state.calendars[&calendar].zone.clone();
    check::event(&mut event, &zone)?;
    if let Some(held) = state.calendars[&calendar].events.get(&id)
        && !(state.quirks.free_deleted_ids && is_cancelled(&held.event))
    {
        return refuse(409, "duplicate");
    }
    complete(state, &calendar, &mut event, &id, asked);
    let event = state.store(&calendar, event, true);
    mail(state, asked, &event);
    Ok(Reply::json(&Value::Object(event)))
}

/// A private copy of somebody else's event, known by its UID.
pub(super) fn import(state: &mut State, calendar: &str, asked: &Asked) -> Result<Reply> {
    let calendar = writable(state, calendar)?;
    let mut event = asked.body.clone();
    let Some(uid) = text(&event, "iCalUID").map(ToOwned::to_owned) else { return refuse(400, "required") };
    let zone = state.calendars[&calendar].zone.clone();
    check::event(&mut event, &zone)?;
    let known =
        state.calendars[&calendar].events.values().find(|held| text(&held.event, "iCalUID") == Some(&uid));
    let id = known.and_then(|held| text(&held.event, "id").map(ToOwned::to_owned));
    let id = id.unwrap_or_else(|| blake3::hash(uid.as_bytes()).to_hex()[..26].to_owned());
    let organizer = event.get("organizer").cloned();
    complete(state, &calendar, &mut event, &id, asked);
    if let Some(organizer) = organizer {
        event.insert("organizer".into(), organizer);
    }
    event.insert("eventType".into(), "default".into());
    let event = state.store(&calendar, event, true);
    Ok(Reply::json(&Value::Object(event)))
}

/// What Google adds to an event that is new.
pub(super) fn complete(state: &State, calendar: &str, event: &mut Object, id: &str, asked: &Asked) {
    let owner = json!({"email": calendar, "self": true});
    let defaults = json!({
        "kind": "calendar#event", "id": id, "status": "confirmed",
        "htmlLink": format!("https://www.google.com/calendar/event?eid={id}"),
        "created": state.stamp(), "updated": state.stamp(),
        "creator": {"email": state.user, "self": calendar == state.user}, "organizer": owner,
        "iCalUID": format!("{id}@google.com"), "sequence": 0, "reminders": {"useDefault": true},
        "eventType": "default",
    });
    for (name, value) in defaults.as_object().into_iter().flatten() {
        event.entry(name.clone()).or_insert(value.clone());
    }
    event.insert("id".into(), id.into());
    without_defaults(event);
    conference(event, asked, None);
}

/// What is as it is by default is not repeated in answers.
fn without_defaults(event: &mut Object) {
    for (name, default) in [("transparency", "opaque"), ("visibility", "default")] {
        if text(event, name) == Some(default) {
            event.remove(name);
        }
    }
    event.retain(|_, value| !value.is_null());
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    for name in ["recurrence", "attendees", "attachments"] {
        if event.get(name).is_some_and(empty) {
            event.remove(name);
        }
    }
    for name in ["summary", "description", "location"] {
        if text(event, name) == Some("") {
            event.remove(name);
        }
    }
}

/// Conference data and attachments are only looked at when a parameter says so.
fn conference(event: &mut Object, asked: &Asked, held: Option<&Object>) {
    let mut keep = |name: &str| match held.and_then(|held| held.get(name)) {
        Some(value) => {
            event.insert(name.into(), value.clone());
        }
        None => {
            event.remove(name);
        }
    };
    if asked.get("conferenceDataVersion") != Some("1") {
        keep("conferenceData");
        keep("hangoutLink");
    }
    if !asked.is("supportsAttachments") {
        keep("attachments");
    }
}

pub(super) fn update(state: &mut State, calendar: &str, id: &str, asked: &Asked) -> Result<Reply> {
    let calendar = writable(state, calendar)?;
    let held = find(state, &calendar, id)?;
    check_match(asked, &held)?;
    let mut event = asked.body.clone();
    for member in READ_ONLY.into_iter().chain(["id", "iCalUID", "eventType"]) {
        match held.get(member) {
            Some(value) => event.insert(member.into(), value.clone()),
            None => event.remove(member),
        };
    }
    event.entry("status").or_insert("confirmed".into());
    event.entry("reminders").or_insert(json!({"useDefault": true}));
    conference(&mut event, asked, Some(&held));
    write(state, &calendar, &held, event, asked)
}

pub(super) fn patch(state: &mut State, calendar: &str, id: &str, asked: &Asked) -> Result<Reply> {
    let calendar = writable(state, calendar)?;
    let held = find(state, &calendar, id)?;
    check_match(asked, &held)?;
    let mut event = held.clone();
    let fixed = |name: &str| READ_ONLY.contains(&name) || matches!(name, "id" | "iCalUID" | "eventType");
    let changes: Object =
        asked.body.iter().filter(|(name, _)| !fixed(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
    merge(&mut event, &changes);
    conference(&mut event, asked, Some(&held));
    write(state, &calendar, &held, event, asked)
}

/// Arrays are replaced, objects merged, null clears.
fn merge(into: &mut Object, changes: &Object) {
    for (name, value) in changes {
        match (into.get_mut(name), value) {
            (_, Value::Null) => {
                into.remove(name);
            }
            (Some(Value::Object(held)), Value::Object(changes)) => merge(held, changes),
            (_, Value::Object(changes)) => {
                let mut fresh = Object::new();
                merge(&mut fresh, changes);
                into.insert(name.clone(), fresh.into());
            }
            _ => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Stores what a change made of an event.
fn write(
    state: &mut State,
    calendar: &str,
    held: &Object,
    mut event: Object,
    asked: &Asked,
) -> Result<Reply> {
    let zone = state.calendars[calendar].zone.clone();
    if text(held, "eventType")
        .is_some_and(|kind| matches!(kind, "fromGmail" | "birthday" | "workingLocation"))
    {
        return refuse(400, "eventTypeRestriction");
    }
    let lower = |name| event.get(name).and_then(Value::as_i64) < held.get(name).and_then(Value::as_i64);
    if event.contains_key("sequence") && lower("sequence") {
        return refuse(400, "invalid");
    }
    check::event(&mut event, &zone)?;
    without_defaults(&mut event);
    let is_guest = held.get("organizer").and_then(|organizer| organizer.get("self"))
        != Some(&Value::Bool(true))
        && held.contains_key("organizer");
    let touched = |event: &Object| {
        let names = event.keys().chain(held.keys()).collect::<std::collections::BTreeSet<_>>();
        names.into_iter().filter(|name| event.get(*name) != held.get(*name)).cloned().collect::<Vec<_>>()
    };
    let changed = touched(&event);
    if is_guest && changed.iter().any(|name| !OF_GUESTS.contains(&name.as_str()) && name != "sequence") {
        return refuse(403, "forbiddenForNonOrganizer");
    }
    let moved = changed.iter().any(|name| matches!(name.as_str(), "start" | "end" | "recurrence"));
    let sequence = held.get("sequence").and_then(Value::as_i64).unwrap_or_default() + i64::from(moved);
    event.insert("sequence".into(), sequence.into());
    // Changes of reminders leave the time of the last change alone.
    let updated = changed.iter().any(|name| name != "reminders");
    let event = state.store(calendar, event, updated);
    if event.contains_key("recurrence") || held.contains_key("recurrence") {
        follow(state, calendar, &event, moved);
    }
    mail(state, asked, &event);
    Ok(Reply::json(&Value::Object(event)))
}

/// What a change of a master does to its exceptions: those whose instance is no more go with it.
fn follow(state: &mut State, calendar: &str, master: &Object, moved: bool) {
    let id = text(master, "id").unwrap_or_default().to_owned();
    let Some(held) = state.calendars.get_mut(calendar) else { return };
    let exceptions: Vec<String> = held
        .events
        .iter()
        .filter(|(_, stored)| text(&stored.event, "recurringEventId") == Some(&id))
        .map(|(id, _)| id.clone())
        .collect();
    for exception in exceptions {
        if moved && !series::has_instance(held, master, &exception) {
            held.events.remove(&exception);
        }
    }
    if state.quirks.exceptions_follow_master {
        let Some(held) = state.calendars.get(calendar) else { return };
        let followers: Vec<Object> = held
            .events
            .values()
            .filter(|stored| text(&stored.event, "recurringEventId") == Some(&id))
            .map(|stored| stored.event.clone())
            .collect();
        for event in followers {
            state.store(calendar, event, true);
        }
    }
}

pub(super) fn delete(state: &mut State, calendar: &str, id: &str, asked: &Asked) -> Result<Reply> {
    let calendar = writable(state, calendar)?;
    let mut event = find(state, &calendar, id)?;
    if is_cancelled(&event) {
        return refuse(410, "deleted");
    }
    check_match(asked, &event)?;
    mail(state, asked, &event);
    event.insert("status".into(), "cancelled".into());
    let is_master = event.contains_key("recurrence");
    state.store(&calendar, event, true);
    if is_master {
        let cascade = state.quirks.cascade_listed;
        let Some(held) = state.calendars.get_mut(&calendar) else { return refuse(404, "notFound") };
        let exceptions: Vec<Object> = held
            .events
            .values()
            .filter(|stored| text(&stored.event, "recurringEventId") == Some(id))
            .map(|stored| stored.event.clone())
            .collect();
        for mut exception in exceptions {
            if cascade {
                exception.insert("status".into(), "cancelled".into());
                state.store(&calendar, exception, true);
            } else if let Some(held) = state.calendars.get_mut(&calendar) {
                held.events.remove(text(&exception, "id").unwrap_or_default());
            }
        }
    }
    Ok(Reply::empty(204))
}

/// When an event that takes up time takes place, for free-busy.
pub(super) fn busy(
    event: &Object,
    zone: &str,
) -> Option<(chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>)> {
    if is_cancelled(event) || text(event, "transparency") == Some("transparent") {
        return None;
    }
    let at = |name: &str| match Moment::read(event.get(name), zone).ok()? {
        Moment::Time(instant, _) => Some(instant),
        Moment::Date(date) => {
            let zone = calsync_core::zone::Zone::from_iana(zone)?;
            Some(zone.resolve(date.and_time(chrono::NaiveTime::MIN)))
        }
    };
    Some((at("start")?, at("end")?))
}
