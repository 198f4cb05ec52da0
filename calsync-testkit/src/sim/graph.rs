//! Microsoft's emulator as a side of the simulation: people in Outlook, and what is in the calendar, read without the
//! provider.

use calsync_core::{
    model::{Event, EventBody, EventTime, Override, OverrideScope, RecurrenceId, RemoteId, TimeSpan},
    recurrence::RuleEntry,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value, json};

use super::emulated::{Emulated, Held, Kind};
use crate::{
    dav::RecordedRequest,
    listen::RawReply,
    microsoft::{GraphOptions, GraphServer},
};

/// Where people keep what no program understands.
const NOTE: &str = "String {11111111-2222-3333-4444-555555555555} Name note";
/// The property set of the provider's own notes.
const SET: &str = "String {00020329-0000-0000-C000-000000000046} Name ";

pub(crate) struct GraphSide {
    server: GraphServer,
    calendar: String,
}

impl GraphSide {
    pub(crate) fn new() -> Self {
        let server = GraphServer::in_process(GraphOptions::default());
        let calendar = server.default_calendar();
        Self { server, calendar }
    }
}

fn point(time: &EventTime) -> Value {
    json!({"dateTime": time.local().format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"})
}

/// What of a body is to be said, where it differs from what was.
fn patch(before: Option<&EventBody>, after: &EventBody) -> Map<String, Value> {
    let mut patch = Map::new();
    let mut text = |name: &str, part: fn(&EventBody) -> &Option<String>, shown: fn(&str) -> Value| {
        if before.is_none_or(|before| part(before) != part(after)) {
            patch.insert(name.to_owned(), shown(part(after).as_deref().unwrap_or_default()));
        }
    };
    text("subject", |body| &body.title, |text| text.into());
    text("location", |body| &body.location, |text| json!({"displayName": text}));
    text("body", |body| &body.description, |text| json!({"contentType": "text", "content": text}));
    if before.is_none_or(|before| before.time != after.time) {
        patch.insert("isAllDay".to_owned(), after.time.is_all_day().into());
        patch.insert("start".to_owned(), point(&after.time.start));
        patch.insert("end".to_owned(), point(&after.time.end));
    }
    patch
}

/// The text of an HTML body, as far as texts of the simulation need it.
fn plain(html: &str) -> String {
    let inside = html.split_once("<body>").map_or(html, |(_, rest)| rest);
    let inside = inside.split_once("</body>").map_or(inside, |(inside, _)| inside);
    let (mut text, mut in_tag) = (String::new(), false);
    for letter in inside.chars() {
        match letter {
            '<' => in_tag = true,
            '>' => in_tag = false,
            '\r' | '\n' => {}
            other if !in_tag => text.push(other),
            _ => {}
        }
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn read_point(value: &Value, is_all_day: bool) -> Option<EventTime> {
    let at = value["dateTime"].as_str()?.get(..19)?;
    let at = NaiveDateTime::parse_from_str(at, "%Y-%m-%dT%H:%M:%S").ok()?;
    Some(if is_all_day { EventTime::Date(at.date()) } else { EventTime::Utc(at.and_utc()) })
}

fn read_body(event: &Value) -> Option<EventBody> {
    let is_all_day = event["isAllDay"].as_bool().unwrap_or_default();
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let time = TimeSpan {
        start: read_point(&event["start"], is_all_day)?,
        end: read_point(&event["end"], is_all_day)?,
    };
    Some(EventBody {
        title: text(event["subject"].as_str().map(ToOwned::to_owned)),
        description: text(event["body"]["content"].as_str().map(plain)),
        location: text(event["location"]["displayName"].as_str().map(ToOwned::to_owned)),
        ..EventBody::new(time)
    })
}

/// The instance of a day: all series of the simulation begin at an hour of UTC.
fn key_of(day: NaiveDate, start: &EventTime) -> RecurrenceId {
    match start {
        EventTime::Date(_) => RecurrenceId::Date(day),
        other => RecurrenceId::Instant(day.and_time(other.local().time()).and_utc()),
    }
}

fn read(event: &Value) -> Option<Event> {
    let extended = &event["extended"];
    let ours = |name: &str| extended[format!("{SET}{name}")].as_str();
    // A copy somebody makes of an event of ours carries its notes, and is not that event.
    let is_ours = ours("calsync.create").is_some_and(|made| event["transactionId"] == made);
    let uid = ours("calsync.uid").filter(|_| is_ours).or(event["iCalUId"].as_str())?;
    let body = read_body(event)?;
    let start = body.time.start.clone();
    let mut read = Event::single(uid, body);
    let recurrence = &event["recurrence"];
    if recurrence.is_object() {
        let (pattern, range) = (&recurrence["pattern"], &recurrence["range"]);
        let count = range["numberOfOccurrences"].as_u64().filter(|_| range["type"] == "numbered");
        let every = pattern["interval"].as_u64().filter(|_| pattern["type"] == "daily")?;
        let interval = if every == 1 { String::new() } else { format!(";INTERVAL={every}") };
        let count = count.map_or_else(String::new, |count| format!(";COUNT={count}"));
        read.rules.push(RuleEntry::read(&format!("FREQ=DAILY{interval}{count}")));
    }
    for day in event["cancelledOccurrences"].as_array().into_iter().flatten() {
        let day = day.as_str()?.parse().ok()?;
        read.overrides.insert(key_of(day, &start), Override::Excluded);
    }
    for exception in event["exceptionOccurrences"].as_array().into_iter().flatten() {
        let original = DateTime::parse_from_rfc3339(exception["originalStart"].as_str()?).ok()?;
        let key = key_of(original.with_timezone(&Utc).date_naive(), &start);
        let body = Box::new(read_body(exception)?);
        read.overrides.insert(key, Override::Changed { body, scope: OverrideScope::This });
    }
    Some(read)
}

impl Emulated for GraphSide {
    fn root(&self) -> String {
        self.server.url()
    }

    fn calendar(&self) -> String {
        self.calendar.clone()
    }

    fn stamp(&self) -> u64 {
        self.server.changes()
    }

    fn held(&self) -> Vec<Held> {
        let all = self.server.events(&self.calendar);
        let held = |stored: crate::microsoft::StoredEvent| {
            let event = read(&stored.event)?;
            let extended = &stored.event["extended"];
            let pending = extended[format!("{SET}calsync.pending")].as_str();
            Some(Held {
                id: RemoteId::from(stored.id),
                version: stored.event["@odata.etag"].as_str().unwrap_or_default().to_owned(),
                extra: extended[NOTE].as_str().unwrap_or_default().to_owned(),
                event,
                garbled: false,
                half_made: pending.is_some_and(|pending| pending != "-"),
            })
        };
        all.into_iter().filter_map(held).collect()
    }

    fn serve(&self, request: RecordedRequest, special: Option<Kind>) -> Option<RawReply> {
        // Nothing makes a page of Graph's empty; of a batch all but the first request can be throttled.
        if special == Some(Kind::OneFails) {
            self.server.change_quirks(|quirks| quirks.batch_served = 1);
        }
        let reply = self.server.exchange(request);
        self.server.change_quirks(|quirks| quirks.batch_served = 20);
        reply
    }

    fn create(&self, _: &str, extra: &str, event: &Event) {
        let Some(body) = &event.master else { return };
        let mut row = patch(None, body);
        row.insert("singleValueExtendedProperties".to_owned(), json!([{"id": NOTE, "value": extra}]));
        row.insert("isReminderOn".to_owned(), false.into());
        if event.is_series() {
            let first = body.time.start.local().date().to_string();
            let pattern = json!({"type": "daily", "interval": 1});
            let range = json!({"type": "numbered", "startDate": first, "numberOfOccurrences": 5});
            row.insert("recurrence".to_owned(), json!({"pattern": pattern, "range": range}));
        }
        if let Ok(id) = self.server.add(&self.calendar, &row.into()) {
            // As an invitation has it.
            self.server.set_property(&id, "iCalUId", event.uid.clone().into());
        }
    }

    fn edit(&self, id: &RemoteId, before: &Event, after: &Event) {
        let (Some(old), Some(new)) = (&before.master, &after.master) else { return };
        let mut only_instances = false;
        for (key, now) in &after.overrides {
            let was = before.overrides.get(key);
            let day = key.to_time(&new.time.start).local().date();
            let Some(name) = self.server.instance(id.as_str(), day).filter(|_| was != Some(now)) else {
                continue;
            };
            match (was, now) {
                (_, Override::Excluded) => {
                    only_instances = true;
                    self.server.delete(&name);
                }
                (Some(Override::Changed { body: was, .. }), Override::Changed { body, .. }) => {
                    // What follows the series follows by itself.
                    let followed = patch(Some(old), new);
                    let mut own = patch(Some(was), body);
                    own.retain(|name, value| followed.get(name) != Some(value));
                    if !own.is_empty() {
                        only_instances = true;
                        self.server.change(&name, &own.into());
                    }
                }
                (_, Override::Changed { body, .. }) => {
                    only_instances = true;
                    let mut own = patch(Some(new), body);
                    own.retain(|name, _| !matches!(name.as_str(), "start" | "end" | "isAllDay"));
                    self.server.change(&name, &own.into());
                }
                _ => {}
            }
        }
        if !only_instances || old != new {
            let mut patch = patch(Some(old), new);
            if patch.is_empty() {
                patch.insert("importance".to_owned(), "normal".into());
            }
            self.server.change(id.as_str(), &patch.into());
        }
    }

    fn remove(&self, id: &RemoteId) {
        self.server.delete(id.as_str());
    }

    fn forget_tokens(&self) {
        self.server.expire_tokens();
    }

    /// Graph checks what it stores.
    fn garble(&self, _: &RemoteId) {}

    fn mend(&self) {}
}
