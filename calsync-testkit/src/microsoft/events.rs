//! Events: list, create, read, change, delete.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveTime};
use serde_json::{Value, json};

use super::{
    expand::{Pattern, local},
    quirks::DeletedInstance,
    render::{View, is_all_day, times, zone},
    request::{Reply, Request, encode},
    state::{Exception, Name, Object, State, Stored, Tombstone, id_of, occurrence_id, text},
};

/// A page of a list, with a link to the next one.
pub(super) fn page(state: &State, request: &Request, rows: Vec<Value>) -> Reply {
    let skip: usize = request.param("$skip").and_then(|skip| skip.parse().ok()).unwrap_or(0);
    let top = request.top(state.quirks.page_max);
    let more = rows.len() > skip + top;
    let mut body = json!({"value": rows.into_iter().skip(skip).take(top).collect::<Vec<_>>()});
    if more {
        let mut pairs: Vec<String> = request
            .query
            .iter()
            .filter(|(name, _)| *name != "$skip")
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        pairs.push(format!("$skip={}", skip + top));
        let path = request.raw.split('?').next().unwrap_or_default();
        body["@odata.nextLink"] = json!(format!("{}{path}?{}", state.base, pairs.join("&")));
    }
    Reply::json(200, body)
}

pub(super) fn list(state: &mut State, request: &Request, calendar: &str) -> Reply {
    let filter = request.param("$filter").unwrap_or_default().to_owned();
    let view = View::of(request);
    let numbers: Vec<u64> = state
        .events
        .iter()
        .filter(|(_, event)| event.calendar == calendar && matches(event, &filter))
        .map(|(number, _)| *number)
        .collect();
    let mut rows = Vec::new();
    for number in numbers {
        match state.events.get(&number).filter(|event| event.hidden) {
            Some(series) => {
                rows.extend(series.exceptions.keys().map(|day| view.instance(state, number, *day)));
            }
            None => rows.push(view.event(state, number)),
        }
    }
    page(state, request, rows)
}

/// The one filter that is served: an extended property with a value.
fn matches(event: &Stored, filter: &str) -> bool {
    if filter.is_empty() {
        return true;
    }
    let mut quoted = filter.split('\'').skip(1).step_by(2);
    match (filter.contains("singleValueExtendedProperties/any"), quoted.next(), quoted.next()) {
        (true, Some(id), Some(value)) => {
            event.extended.get(id).is_some_and(|own| own.eq_ignore_ascii_case(value))
        }
        _ => true,
    }
}

pub(super) fn get(state: &mut State, request: &Request, name: Name) -> Reply {
    let view = View::of(request);
    match name {
        Name::Event(number) if state.events.get(&number).is_some_and(|event| event.hidden) => {
            Reply::not_found()
        }
        Name::Event(number) => Reply::json(200, view.event(state, number)),
        Name::Occurrence(number, date) if state.has_instance(number, date) => {
            Reply::json(200, view.instance(state, number, date))
        }
        Name::Occurrence(..) => Reply::not_found(),
    }
}

fn refused(property: &str) -> Reply {
    Reply::error(
        400,
        "ErrorPropertyValidationFailure",
        &format!("At least one property failed validation: {property}"),
    )
}

/// What a client may not say, or says wrongly.
fn check(properties: &Object) -> Result<(), Reply> {
    for name in ["start", "end"] {
        let Some(point) = properties.get(name).and_then(Value::as_object) else { return Err(refused(name)) };
        let Some((at, zone_name)) = local(point) else { return Err(refused(name)) };
        if zone(zone_name).is_none() {
            return Err(Reply::error(
                400,
                "TimeZoneNotSupportedException",
                "A valid TimeZone value must be specified.",
            ));
        }
        if is_all_day(properties) && at.time() != NaiveTime::MIN {
            return Err(Reply::error(
                400,
                "ErrorPropertyValidationFailure",
                "The Event.Start and Event.End of an all-day event need to be set to midnight.",
            ));
        }
    }
    let Some(span) = times(properties) else { return Err(refused("start")) };
    let same_day = is_all_day(properties) && span.end <= span.start;
    if span.end < span.start || same_day {
        return Err(refused("end"));
    }
    for (name, words) in [
        ("showAs", &["free", "tentative", "busy", "oof", "workingElsewhere", "unknown"][..]),
        ("sensitivity", &["normal", "personal", "private", "confidential"]),
        ("importance", &["low", "normal", "high"]),
    ] {
        if let Some(value) = properties.get(name).filter(|value| !value.is_null())
            && !value.as_str().is_some_and(|word| words.contains(&word))
        {
            return Err(refused(name));
        }
    }
    if let Some(recurrence) = properties.get("recurrence").filter(|value| !value.is_null()) {
        let recurrence = recurrence.as_object().ok_or_else(|| refused("recurrence"))?;
        Pattern::read(recurrence).map_err(refused)?;
        let begins = recurrence.get("range").and_then(|range| range.get("startDate")).and_then(Value::as_str);
        let start = properties.get("start").and_then(Value::as_object).and_then(local);
        if begins != start.map(|(at, _)| at.date().to_string()).as_deref() {
            return Err(refused("startDate"));
        }
    }
    Ok(())
}

/// Takes the extended properties out of what a client sent.
fn take_extended(body: &mut Object, into: &mut BTreeMap<String, String>) {
    let Some(Value::Array(properties)) = body.remove("singleValueExtendedProperties") else { return };
    for property in properties.iter().filter_map(Value::as_object) {
        if let (Some(id), Some(value)) = (text(property, "id"), text(property, "value")) {
            into.insert(id.to_owned(), value.to_owned());
        }
    }
}

/// Text becomes HTML, and HTML is rewritten.
fn rewrite_body(properties: &mut Object) {
    let Some(body) = properties.get("body").and_then(Value::as_object) else { return };
    let content = text(body, "content").unwrap_or_default();
    let is_html = text(body, "contentType").is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
    let inside = if is_html {
        let inside = content.split_once("<body>").map_or(content, |(_, rest)| rest);
        inside
            .trim_end_matches("\r\n</body>\r\n</html>\r\n")
            .trim_end_matches("</body></html>")
            .trim_matches(['\r', '\n'])
            .to_owned()
    } else {
        content
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace("\r\n", "\n")
            .replace('\n', "<br>\r\n")
    };
    let html = if inside.is_empty() {
        String::new()
    } else {
        format!(
            "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n<body>\r\n{inside}\r\n</body>\r\n</html>\r\n"
        )
    };
    properties.insert("body".into(), json!({"contentType": "html", "content": html}));
}

/// Turning an event into an online meeting puts links into its body.
fn make_online(properties: &mut Object, number: u64) {
    let wanted = properties.get("isOnlineMeeting").and_then(Value::as_bool).unwrap_or(false);
    if !wanted || properties.contains_key("onlineMeeting") {
        return;
    }
    let url = format!("https://teams.example.com/l/meetup-join/{number}");
    properties.insert("onlineMeetingProvider".into(), json!("teamsForBusiness"));
    properties.insert("onlineMeeting".into(), json!({"joinUrl": url}));
    let content = properties
        .get("body")
        .and_then(|body| body.get("content"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let line = "_".repeat(80);
    let blob = format!(
        "<br><div style=\"width:100%\"><span style=\"white-space:nowrap\">{line}</span></div><div class=\"me-email-text\"><a class=\"me-email-headline\" href=\"{url}\">Join the meeting now</a></div><div><span>{line}</span></div>"
    );
    let content = if content.is_empty() {
        format!("<html><body>{blob}</body></html>")
    } else {
        content.replace("\r\n</body>", &format!("{blob}\r\n</body>"))
    };
    properties.insert("body".into(), json!({"contentType": "html", "content": content}));
}

fn people(properties: &Object) -> u64 {
    properties.get("attendees").and_then(Value::as_array).map_or(0, |attendees| attendees.len() as u64)
}

/// How many people are told when an event, or one instance of it, is changed or deleted: of a whole series also those who are
/// in single instances only.
fn invited(event: &Stored, name: Name) -> u64 {
    let of_master = people(&event.properties);
    match name {
        Name::Event(_) => {
            event.exceptions.values().map(|own| people(&own.properties)).fold(of_master, u64::max)
        }
        Name::Occurrence(_, date) => {
            let own = event.exceptions.get(&date).filter(|own| own.properties.contains_key("attendees"));
            own.map_or(of_master, |own| people(&own.properties))
        }
    }
}

pub(super) fn create(state: &mut State, request: &Request, calendar: &str) -> Reply {
    let Some(mut body) = request.json() else {
        return Reply::error(400, "RequestBodyRead", "The body cannot be read.");
    };
    if !state.calendars.get(calendar).is_some_and(|row| row.can_edit) {
        return Reply::error(403, "ErrorAccessDenied", "Access is denied.");
    }
    let sent = Value::Object(body.clone());
    let view = View::of(request);
    if let Some(transaction) = text(&body, "transactionId").filter(|id| !id.is_empty()) {
        let known = state.events.iter().find(|(_, event)| {
            event.calendar == calendar && text(&event.properties, "transactionId") == Some(transaction)
        });
        if let Some((number, event)) = known {
            let (number, same) = (*number, event.request == sent);
            if same {
                return Reply::json(201, view.event(state, number));
            }
            return Reply::error(
                state.quirks.duplicate_status,
                "ErrorDuplicateTransactionId",
                "Your request can't be completed. The TransactionId was already used to create a different event.",
            );
        }
    }
    let mut extended = BTreeMap::new();
    take_extended(&mut body, &mut extended);
    body.retain(|name, value| !name.starts_with('@') && !value.is_null());
    for name in ["id", "exceptionOccurrences", "cancelledOccurrences"] {
        body.remove(name);
    }
    if let Err(reply) = check(&body) {
        return reply;
    }
    let number = state.next();
    rewrite_body(&mut body);
    make_online(&mut body, number);
    // The service begins a series with the first day its pattern names.
    align(&mut body);
    state.mails += people(&body);
    let stored = Stored {
        calendar: calendar.to_owned(),
        properties: body,
        extended,
        exceptions: BTreeMap::new(),
        cancelled: BTreeSet::new(),
        version: number,
        changed: number,
        created: state.now,
        updated: state.now,
        request: sent,
        foreign: false,
        hidden: false,
    };
    state.events.insert(number, stored);
    state.notify(number, "created");
    let created = view.event(state, number);
    let etag = created.get("@odata.etag").and_then(Value::as_str).unwrap_or_default().to_owned();
    Reply::json(201, created).header("ETag", etag)
}

fn align(properties: &mut Object) {
    let first = properties.get("recurrence").and_then(Value::as_object).and_then(|recurrence| {
        let pattern = Pattern::read(recurrence).ok()?;
        let start = local(properties.get("start")?.as_object()?)?.0.date();
        pattern.days(start + chrono::Days::new(3700)).first().map(|first| (*first - start).num_days())
    });
    let Some(days) = first.filter(|days| *days > 0) else { return };
    for name in ["start", "end"] {
        if let Some(point) = properties.get_mut(name).and_then(Value::as_object_mut)
            && let Some((at, _)) = local(point)
        {
            let moved = at + chrono::TimeDelta::days(days);
            point.insert("dateTime".into(), json!(moved.format("%Y-%m-%dT%H:%M:%S.0000000").to_string()));
            if name == "start"
                && let Some(range) = properties.get_mut("recurrence").and_then(|r| r.get_mut("range"))
            {
                range["startDate"] = json!(moved.date().to_string());
            }
        }
    }
}

fn is_stale(state: &State, request: &Request, version: u64) -> bool {
    !state.quirks.ignores_if_match
        && request.header("if-match").is_some_and(|tag| {
            tag != "*"
                && tag.trim_matches('"') != format!("ck{version}")
                && tag != format!("W/\"ck{version}\"")
        })
}

fn conflict() -> Reply {
    Reply::error(
        412,
        "ErrorIrresolvableConflict",
        "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.",
    )
}

/// Changes nobody but the owner sees.
const QUIET: [&str; 7] = [
    "categories",
    "importance",
    "isReminderOn",
    "reminderMinutesBeforeStart",
    "sensitivity",
    "showAs",
    "singleValueExtendedProperties",
];

pub(super) fn patch(state: &mut State, request: &Request, name: Name) -> Reply {
    let Some(mut body) = request.json() else {
        return Reply::error(400, "RequestBodyRead", "The body cannot be read.");
    };
    body.retain(|name, _| {
        !name.starts_with('@') && !["id", "transactionId", "type", "iCalUId"].contains(&name.as_str())
    });
    let (Name::Event(number) | Name::Occurrence(number, _)) = name;
    let Some(event) = state.events.get(&number).cloned() else { return Reply::not_found() };
    let mails = if body.keys().all(|name| QUIET.contains(&name.as_str())) || event.foreign {
        0
    } else {
        let now = Value::Object(body.clone());
        people(now.as_object().unwrap_or(&event.properties)).max(invited(&event, name))
    };
    let reply = match name {
        Name::Event(number) => patch_event(state, request, number, event, body),
        Name::Occurrence(number, date) => patch_instance(state, request, number, date, event, body),
    };
    if reply.status == 200 {
        state.mails += mails;
        state.notify(number, "updated");
    }
    reply
}

fn patch_event(
    state: &mut State,
    request: &Request,
    number: u64,
    mut event: Stored,
    mut body: Object,
) -> Reply {
    if is_stale(state, request, event.version) {
        return conflict();
    }
    take_extended(&mut body, &mut event.extended);
    let before = (event.properties.get("recurrence").cloned(), event.properties.get("start").cloned());
    rewrite_body(&mut body);
    for (name, value) in body {
        if value.is_null() {
            event.properties.remove(&name);
        } else {
            event.properties.insert(name, value);
        }
    }
    if let Err(reply) = check(&event.properties) {
        return reply;
    }
    align(&mut event.properties);
    let after = (event.properties.get("recurrence").cloned(), event.properties.get("start").cloned());
    if before.0.is_some() && before != after && (state.quirks.drops_exceptions || after.0.is_none()) {
        event.exceptions.clear();
        event.cancelled.clear();
    }
    state.events.insert(number, event);
    state.touch(number);
    let changed = View::of(request).event(state, number);
    let etag = changed.get("@odata.etag").and_then(Value::as_str).unwrap_or_default().to_owned();
    Reply::json(200, changed).header("ETag", etag)
}

fn patch_instance(
    state: &mut State,
    request: &Request,
    number: u64,
    date: NaiveDate,
    mut event: Stored,
    mut body: Object,
) -> Reply {
    if !state.has_instance(number, date) {
        return Reply::not_found();
    }
    let version = event.exceptions.get(&date).map_or(event.version, |exception| exception.version);
    if is_stale(state, request, version) {
        return conflict();
    }
    if body.contains_key("recurrence") {
        return refused("recurrence");
    }
    let mut ignored = BTreeMap::new();
    take_extended(&mut body, &mut ignored);
    rewrite_body(&mut body);
    let mut own = match event.exceptions.get(&date) {
        Some(exception) => exception.properties.clone(),
        None => {
            // An exception has times of its own from the start.
            let whole = View::of(request).plain().instance(state, number, date);
            let mut own = Object::new();
            for name in ["start", "end"] {
                own.insert(name.into(), whole.get(name).cloned().unwrap_or(Value::Null));
            }
            own
        }
    };
    own.extend(body);
    let merged = event.merged(&own);
    if let Err(reply) = check(&merged) {
        return reply;
    }
    if crosses(&event, date, &merged) {
        return Reply::error(
            400,
            "ErrorOccurrenceCrossingBoundary",
            "Modified occurrence is crossing or overlapping adjacent occurrence.",
        );
    }
    let version = state.next();
    event.exceptions.insert(date, Exception { properties: own, version });
    event.changed = version;
    if state.quirks.exception_touches_master {
        event.version = version;
    }
    event.updated = state.now;
    state.events.insert(number, event);
    Reply::json(200, View::of(request).instance(state, number, date))
}

/// Whether an instance lands on or past the day of one of its neighbours.
fn crosses(event: &Stored, date: NaiveDate, merged: &Object) -> bool {
    let Some(name) = event.series_zone() else { return false };
    let (Some(series), Some(now)) = (zone(&name), times(merged)) else { return false };
    let day = series.to_local(now.start).date();
    if is_all_day(merged) {
        return false;
    }
    let days = event.live_days(date + chrono::Days::new(800));
    let before = days.iter().rev().find(|other| **other < date);
    let after = days.iter().find(|other| **other > date);
    let actual = |other: &NaiveDate| event.actual(*other).map(|times| series.to_local(times.start).date());
    before.and_then(actual).is_some_and(|before| day <= before)
        || after.and_then(actual).is_some_and(|after| day >= after)
}

pub(super) fn delete(state: &mut State, request: &Request, name: Name) -> Reply {
    let (Name::Event(number) | Name::Occurrence(number, _)) = name;
    let Some(event) = state.events.get(&number).cloned() else { return Reply::not_found() };
    let mails = if event.foreign { 0 } else { invited(&event, name) };
    match name {
        Name::Event(number) => {
            if is_stale(state, request, event.version) {
                return conflict();
            }
            state.remove(number);
            state.notify_gone(number, &event.calendar);
        }
        Name::Occurrence(number, date) => {
            if !state.has_instance(number, date) {
                return Reply::not_found();
            }
            let version = event.exceptions.get(&date).map_or(event.version, |exception| exception.version);
            if is_stale(state, request, version) {
                return conflict();
            }
            state.cancel(number, date);
            state.notify(number, "updated");
        }
    }
    state.mails += mails;
    Reply::empty(204)
}

impl State {
    pub(super) fn has_instance(&self, number: u64, date: NaiveDate) -> bool {
        self.events.get(&number).is_some_and(|event| {
            event.exceptions.contains_key(&date) && !event.cancelled.contains(&date)
                || event.live_days(date).last() == Some(&date)
        })
    }

    pub(super) fn remove(&mut self, number: u64) {
        let changed = self.next();
        if let Some(event) = self.events.remove(&number) {
            for immutable in [true, false] {
                let name = id_of(number, immutable);
                self.gone.push(Tombstone { calendar: event.calendar.clone(), name, changed });
            }
        }
    }

    pub(super) fn cancel(&mut self, number: u64, date: NaiveDate) {
        let changed = self.next();
        let now = self.now;
        let how = self.quirks.deleted_instance;
        let Some(event) = self.events.get_mut(&number) else { return };
        event.exceptions.remove(&date);
        event.cancelled.insert(date);
        event.updated = now;
        // The version of the whole tells by the list of cancelled dates; delta tells as it is set to.
        if how == DeletedInstance::Series {
            event.changed = changed;
        }
        if how == DeletedInstance::Removed {
            let calendar = event.calendar.clone();
            for immutable in [true, false] {
                let name = occurrence_id(number, date, immutable);
                self.gone.push(Tombstone { calendar: calendar.clone(), name, changed });
            }
        }
    }
}
