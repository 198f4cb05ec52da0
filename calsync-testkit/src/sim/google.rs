//! Google's emulator as a side of the simulation: people in Google's own application, and what is in the calendar, read
//! without the provider.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use calsync_core::{
    model::{Event, EventBody, EventTime, Override, OverrideScope, RecurrenceId, RemoteId, TimeSpan},
    recurrence::RuleEntry,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value, json};

use super::emulated::{Emulated, Held, Kind};
use crate::{
    dav::{Fault, RecordedRequest},
    google::{GoogleOptions, GoogleServer},
    listen::RawReply,
};

const CALENDAR: &str = "ann@example.com";
/// Where people keep what no program understands.
const NOTE: &str = "x-note";

pub(crate) struct GoogleSide {
    server: GoogleServer,
    /// What unreadable events were.
    garbled: Mutex<BTreeMap<RemoteId, (Value, Event)>>,
}

impl GoogleSide {
    pub(crate) fn new() -> Self {
        let options = GoogleOptions { max_recorded: 1, ..GoogleOptions::default() };
        Self { server: GoogleServer::in_process(options), garbled: Mutex::default() }
    }

    fn garbled(&self) -> MutexGuard<'_, BTreeMap<RemoteId, (Value, Event)>> {
        self.garbled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn point(time: &EventTime) -> Value {
    match time {
        EventTime::Date(date) => json!({"date": date.to_string()}),
        _ => {
            let at = time.local().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            json!({"dateTime": at, "timeZone": "UTC"})
        }
    }
}

fn set(event: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        Some(value) => event.insert(name.to_owned(), value),
        None => event.remove(name),
    };
}

/// Makes an event of Google's say what a body says, as far as two bodies differ.
fn write(event: &mut Map<String, Value>, before: Option<&EventBody>, after: &EventBody) {
    let text = |value: &Option<String>| value.clone().map(Value::from);
    let differs = |part: fn(&EventBody) -> &Option<String>| before.is_none_or(|b| part(b) != part(after));
    if differs(|body| &body.title) {
        set(event, "summary", text(&after.title));
    }
    if differs(|body| &body.description) {
        set(event, "description", text(&after.description));
    }
    if differs(|body| &body.location) {
        set(event, "location", text(&after.location));
    }
    if differs(|body| &body.url) {
        set(event, "source", after.url.as_ref().map(|url| json!({"url": url, "title": url})));
    }
    if before.is_none_or(|before| before.time != after.time) {
        set(event, "start", Some(point(&after.time.start)));
        set(event, "end", Some(point(&after.time.end)));
    }
}

/// Google's name of an instance.
fn instance(id: &str, key: RecurrenceId) -> String {
    match key {
        RecurrenceId::Instant(at) => format!("{id}_{}", at.format("%Y%m%dT%H%M%SZ")),
        RecurrenceId::Date(date) => format!("{id}_{}", date.format("%Y%m%d")),
        RecurrenceId::Floating(at) => format!("{id}_{}", at.format("%Y%m%dT%H%M%SZ")),
    }
}

fn read_point(value: &Value) -> Option<EventTime> {
    if let Some(date) = value["date"].as_str() {
        return Some(EventTime::Date(date.parse::<NaiveDate>().ok()?));
    }
    let at = DateTime::parse_from_rfc3339(value["dateTime"].as_str()?).ok()?;
    Some(EventTime::Utc(at.with_timezone(&Utc)))
}

fn read_body(event: &Value) -> Option<EventBody> {
    let text = |name: &str| event[name].as_str().map(ToOwned::to_owned);
    let time = TimeSpan { start: read_point(&event["start"])?, end: read_point(&event["end"])? };
    Some(EventBody {
        title: text("summary"),
        description: text("description"),
        location: text("location"),
        url: event["source"]["url"].as_str().map(ToOwned::to_owned),
        ..EventBody::new(time)
    })
}

/// The dates of a line `EXDATE`, in the spellings of RFC 5545 that Google takes.
fn excluded(line: &str) -> Vec<RecurrenceId> {
    let Some((_, dates)) = line.strip_prefix("EXDATE").and_then(|line| line.split_once(':')) else {
        return Vec::new();
    };
    let at = |date: &str| match NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ") {
        Ok(at) => Some(RecurrenceId::Instant(at.and_utc())),
        Err(_) => Some(RecurrenceId::Date(NaiveDate::parse_from_str(date, "%Y%m%d").ok()?)),
    };
    dates.split(',').filter_map(at).collect()
}

fn read(master: &Value, exceptions: &[&Value]) -> Option<Event> {
    let id = master["id"].as_str()?;
    let private = &master["extendedProperties"]["private"];
    let ours = private["calsyncUid"].as_str().filter(|_| private["calsyncId"] == id);
    let uid = ours.or(master["iCalUID"].as_str())?;
    let mut event = Event::single(uid, read_body(master)?);
    for line in master["recurrence"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Some(rule) = line.strip_prefix("RRULE:") {
            event.rules.push(RuleEntry::read(rule));
        }
        event.overrides.extend(excluded(line).into_iter().map(|key| (key, Override::Excluded)));
    }
    for exception in exceptions {
        let Some(key) = read_point(&exception["originalStartTime"]) else { continue };
        let changed = match read_body(exception) {
            _ if exception["status"] == "cancelled" => Override::Excluded,
            Some(body) => Override::Changed { body: Box::new(body), scope: OverrideScope::This },
            None => continue,
        };
        event.overrides.insert(RecurrenceId::of(&key), changed);
    }
    Some(event)
}

impl Emulated for GoogleSide {
    fn root(&self) -> String {
        self.server.url()
    }

    fn calendar(&self) -> String {
        CALENDAR.to_owned()
    }

    fn stamp(&self) -> u64 {
        self.server.changes(CALENDAR)
    }

    fn held(&self) -> Vec<Held> {
        let garbled = self.garbled();
        let all = self.server.stored(CALENDAR);
        let mut exceptions: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for event in &all {
            if let Some(series) = event["recurringEventId"].as_str() {
                exceptions.entry(series).or_default().push(event);
            }
        }
        let masters = all
            .iter()
            .filter(|event| event["status"] != "cancelled" && event.get("recurringEventId").is_none());
        masters
            .filter_map(|master| {
                let id = master["id"].as_str()?;
                let parts = exceptions.get(id).map(Vec::as_slice).unwrap_or_default();
                let tags = std::iter::once(master).chain(parts.iter().copied());
                let version = tags.filter_map(|event| event["etag"].as_str()).collect();
                let extra =
                    master["extendedProperties"]["shared"][NOTE].as_str().unwrap_or_default().to_owned();
                let id = RemoteId::from(id);
                let broken = garbled.get(&id).map(|(_, event)| event.clone());
                let is_garbled = broken.is_some();
                let event = broken.or_else(|| read(master, parts))?;
                let private = &master["extendedProperties"]["private"];
                let half_made = private["calsyncOpen"].is_string() && private["calsyncId"] == id.as_str();
                Some(Held { id, version, extra, event, garbled: is_garbled, half_made })
            })
            .collect()
    }

    fn serve(&self, request: RecordedRequest, special: Option<Kind>) -> Option<RawReply> {
        match special {
            Some(Kind::EmptyPages) => self.server.change_quirks(|quirks| quirks.empty_pages = true),
            Some(Kind::OneFails) => self.server.inject(Fault::status(503).on_path("/events")),
            None => {}
        }
        let reply = self.server.exchange(request);
        if special.is_some() {
            self.server.clear_faults();
            self.server.change_quirks(|quirks| quirks.empty_pages = false);
        }
        reply
    }

    fn create(&self, name: &str, extra: &str, event: &Event) {
        let Some(body) = &event.master else { return };
        let mut row = Map::new();
        write(&mut row, None, body);
        let rules: Vec<String> = event.rules.iter().map(|rule| format!("RRULE:{rule}")).collect();
        if !rules.is_empty() {
            row.insert("recurrence".to_owned(), rules.into());
        }
        row.insert("id".to_owned(), name.into());
        row.insert("iCalUID".to_owned(), event.uid.clone().into());
        row.insert("reminders".to_owned(), json!({"useDefault": false}));
        row.insert("extendedProperties".to_owned(), json!({"shared": {NOTE: extra}}));
        self.server.put(CALENDAR, row.into());
    }

    fn edit(&self, id: &RemoteId, before: &Event, after: &Event) {
        let (Some(old), Some(new)) = (&before.master, &after.master) else { return };
        let mut only_instances = false;
        for (key, now) in &after.overrides {
            let was = before.overrides.get(key);
            if was == Some(now) {
                continue;
            }
            only_instances = true;
            let name = instance(id.as_str(), *key);
            match now {
                Override::Changed { body, .. } => self.server.edit(CALENDAR, &name, |event| {
                    event.insert("status".to_owned(), "confirmed".into());
                    let was = match was {
                        Some(Override::Changed { body, .. }) => Some(&**body),
                        _ => None,
                    };
                    write(event, was, body);
                }),
                _ => self.server.delete(CALENDAR, &name),
            }
        }
        // What changes nothing is a touch: the event gets a new tag.
        if !only_instances || old != new {
            self.server.edit(CALENDAR, id.as_str(), |event| write(event, Some(old), new));
        }
    }

    fn remove(&self, id: &RemoteId) {
        let target = format!("/calendar/v3/calendars/{CALENDAR}/events/{id}");
        let headers = vec![("authorization".to_owned(), "Bearer secret".to_owned())];
        self.server.exchange(RecordedRequest::inner("DELETE".to_owned(), target, headers, Vec::new()));
    }

    fn forget_tokens(&self) {
        self.server.expire_tokens(CALENDAR);
    }

    fn garble(&self, id: &RemoteId) {
        let Some(held) = self.held().into_iter().find(|held| held.id == *id && !held.garbled) else { return };
        let Some(was) = self.server.event(CALENDAR, id.as_str()) else { return };
        self.garbled().insert(id.clone(), (was["start"].clone(), held.event));
        self.server.edit(CALENDAR, id.as_str(), |event| {
            event.insert("start".to_owned(), json!({"dateTime": "tomorrow"}));
        });
    }

    fn mend(&self) {
        for (id, (start, _)) in std::mem::take(&mut *self.garbled()) {
            self.server.edit(CALENDAR, id.as_str(), |event| {
                event.insert("start".to_owned(), start);
            });
        }
    }
}
