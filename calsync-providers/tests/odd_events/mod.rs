//! BAD-01 for the members of Google's events, at any depth: an event that is odd in one of them is set aside or kept as it
//! is, everything beside it stays in step, and what is edited here afterwards changes that and nothing else there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    model::{Alarm, Event, Participant, Person},
    provider::PeoplePolicy,
    store::MemoryStore,
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{HttpError, HttpRequest, HttpResponse, HttpTransport, Secret},
};
use calsync_testkit::world::{World, body};
use chrono::TimeDelta;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::{Variation, variations};

/// A calendar at Google that holds whatever it is given. `PUT` replaces but for Google's own members, `PATCH` merges.
#[derive(Default)]
struct Calendar {
    events: Mutex<BTreeMap<String, (u64, Value)>>,
    /// What was written, by event.
    writes: Mutex<Vec<(String, Value)>>,
}

impl Calendar {
    fn put(&self, id: &str, event: Value) {
        let mut events = self.events.lock().unwrap();
        let number = events.values().map(|(number, _)| *number).max().unwrap_or_default() + 1;
        events.insert(id.to_owned(), (number, event));
    }

    fn get(&self, id: &str) -> Option<Value> {
        self.events.lock().unwrap().get(id).map(|(_, event)| event.clone())
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Value {
        let events = self.events.lock().unwrap();
        let since = query.get("syncToken").map_or(0, |token| token.parse().unwrap());
        let uid = query.get("iCalUID").map(String::as_str);
        let items: Vec<&Value> = events
            .values()
            .filter(|(number, event)| *number > since && (uid.is_none() || event["iCalUID"].as_str() == uid))
            .map(|(_, event)| event)
            .collect();
        let last = events.values().map(|(number, _)| *number).max().unwrap_or_default();
        json!({"kind": "calendar#events", "items": items, "nextSyncToken": last.to_string()})
    }

    fn write(&self, method: &Method, id: &str, sent: Value) -> Option<Value> {
        const KEPT: [&str; 11] = [
            "kind",
            "etag",
            "htmlLink",
            "created",
            "updated",
            "creator",
            "organizer",
            "sequence",
            "iCalUID",
            "hangoutLink",
            "eventType",
        ];
        let held = self.get(id)?;
        let mut event = held.clone();
        if method == Method::PUT {
            event = sent.clone();
            for name in KEPT {
                if let Some(value) = held.get(name) {
                    event[name] = value.clone();
                }
            }
        } else {
            merge(&mut event, &sent);
        }
        self.writes.lock().unwrap().push((id.to_owned(), sent));
        let number = self.writes.lock().unwrap().len();
        event["etag"] = json!(format!("\"written{number}\""));
        self.put(id, event.clone());
        Some(event)
    }
}

/// A merge as RFC 7396 has it.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, value) in patch {
        match value {
            Value::Null => drop(into.as_object_mut().unwrap().remove(name)),
            value => merge(&mut into[name], value),
        }
    }
}

#[async_trait]
impl HttpTransport for Calendar {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        let id = request.url.path().split("/events").nth(1).unwrap().trim_start_matches('/');
        let answer = match (&request.method, id) {
            (&Method::GET, "") => Some(self.list(&query)),
            (&Method::GET, id) => self.get(id),
            (method, id) => self.write(method, id, serde_json::from_slice(&request.body).unwrap()),
        };
        let status = if answer.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        let body = answer.map(|answer| answer.to_string().into_bytes()).unwrap_or_default();
        Ok(HttpResponse { status, headers: HeaderMap::new(), body })
    }
}

/// An event with every member Google has for one, and some it does not have yet.
fn whole(id: &str) -> Value {
    json!({
        "kind": "calendar#event", "id": id, "etag": "\"1\"", "status": "confirmed", "summary": "whole", "description": "d",
        "location": "l", "iCalUID": format!("{id}@google.com"), "htmlLink": "https://example.com/e", "sequence": 1,
        "created": "2026-01-01T00:00:00.000Z", "updated": "2026-01-01T00:00:00.000Z", "eventType": "default",
        "start": {"dateTime": "2026-03-02T09:00:00+01:00", "timeZone": "Europe/Berlin", "brandNew": "a"},
        "end": {"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": "Europe/Berlin"},
        "recurrence": ["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Europe/Berlin:20260303T090000"],
        "transparency": "opaque", "visibility": "private", "colorId": "1", "attendeesOmitted": false,
        "organizer": {"email": "ann@example.com", "self": true}, "creator": {"email": "ann@example.com", "self": true},
        "attendees": [
            {"email": "ann@example.com", "self": true, "organizer": true, "responseStatus": "accepted"},
            {"email": "ben@example.com", "displayName": "Ben", "responseStatus": "tentative", "optional": true,
             "comment": "late", "additionalGuests": 2},
        ],
        "reminders": {"useDefault": false, "overrides": [{"method": "popup", "minutes": 5}, {"method": "email", "minutes": 60}]},
        "conferenceData": {
            "conferenceId": "abc", "signature": "s", "notes": "n",
            "entryPoints": [{"entryPointType": "video", "uri": "https://meet.example.com/a", "label": "a", "pin": "1"}],
            "conferenceSolution": {"key": {"type": "hangoutsMeet"}, "name": "Meet"},
        },
        "hangoutLink": "https://meet.example.com/a",
        "attachments": [{"fileUrl": "https://example.com/f", "title": "t", "mimeType": "text/plain", "fileId": "f"}],
        "extendedProperties": {"private": {"a": "b"}, "shared": {"c": "d"}},
        "source": {"url": "https://example.com", "title": "a page"},
        "guestsCanModify": false, "locked": false, "brandNew": {"deep": [1, {"x": null}]},
    })
}

/// The same without what makes calsync patch it: an event that is replaced whole when nothing is odd.
fn plain(id: &str) -> Value {
    let mut event = whole(id);
    let object = event.as_object_mut().unwrap();
    for name in [
        "attendees",
        "attendeesOmitted",
        "conferenceData",
        "hangoutLink",
        "attachments",
        "brandNew",
        "locked",
    ] {
        object.remove(name);
    }
    event["start"].as_object_mut().unwrap().remove("brandNew");
    event
}

/// What a person does to an odd event here.
struct Case {
    name: &'static str,
    edit: fn(&mut Event),
    /// The members it may change at Google.
    members: &'static [&'static str],
}

const CASES: [Case; 5] = [
    Case { name: "title", edit: |event| body(event).title = Some("edited".into()), members: &["summary"] },
    Case {
        name: "alarm",
        edit: |event| body(event).alarms.push(Alarm::display_before(120 * 60)),
        members: &["reminders"],
    },
    Case {
        name: "url",
        edit: |event| body(event).url = Some("https://example.com/other".into()),
        members: &["source"],
    },
    Case {
        name: "guest",
        edit: |event| {
            let person = Person { address: "cleo@example.com".into(), name: None };
            let (status, role) = Default::default();
            body(event).participants.push(Participant { person, status, role, expect_reply: false });
        },
        members: &["attendees"],
    },
    Case {
        name: "time",
        edit: |event| {
            let time = &mut body(event).time;
            let first = calsync_core::model::EventTime::Utc("2026-03-02T15:00:00Z".parse().unwrap());
            let last = calsync_core::model::EventTime::Utc("2026-03-02T16:00:00Z".parse().unwrap());
            (time.start, time.end) = (first, last);
        },
        members: &["start", "end", "recurrence"],
    },
];

/// What has to be there still: every element of the lists, every member of the objects, but for those in `may`.
fn is_kept(before: &Value, after: &Value, may: &[&str], at: &str, lost: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                let place = format!("{at}/{name}");
                match after.get(name) {
                    _ if may.contains(&place.as_str()) => {}
                    // Members that are null are members that are not there.
                    _ if value.is_null() => {}
                    None => lost.push(place),
                    Some(now) => is_kept(value, now, may, &place, lost),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, value) in before.iter().enumerate() {
                if !after.contains(value) {
                    lost.push(format!("{at}/{index}"));
                }
            }
        }
        (before, after) if before == after => {}
        _ => lost.push(at.to_owned()),
    }
}

struct Lab {
    calendar: Arc<Calendar>,
    provider: GoogleProvider,
    world: World,
    link: Link,
}

impl Lab {
    fn new() -> Self {
        let calendar = Arc::new(Calendar::default());
        let world = World::new(Arc::new(MemoryStore::default()), 1);
        let mut config = GoogleConfig::new(Arc::new(Secret::from("x")));
        config.batch_max = 1;
        let provider = GoogleProvider::new(config, calendar.clone()).unwrap().with_clock(world.clock.clone());
        let link = Link::new("google", "family", "c").with_people(PeoplePolicy::Write);
        Self { calendar, provider, world, link }
    }

    async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::minutes(15));
        self.world.engine.sync(&self.link, &self.provider, &SyncOptions::default()).await.unwrap()
    }

    /// The events here, by the id they have there.
    async fn here(&self) -> BTreeMap<String, Event> {
        let records = self.world.locals().await.into_iter();
        records
            .map(|record| (record.event.uid.trim_end_matches("@google.com").to_owned(), record.event))
            .collect()
    }
}

fn sibling(id: &str) -> Value {
    let mut event = plain(id);
    event["summary"] = json!(id);
    event
}

/// Members that say which event it is, and whether there is one.
fn is_about_identity(variation: &Variation) -> bool {
    let first = variation.path.first().map_or("", String::as_str);
    variation.path.is_empty() || matches!(first, "id" | "iCalUID" | "status")
}

/// What is varied for a case: everything when the title is edited, else what the edit is about.
fn is_asked(case: &Case, variation: &Variation) -> bool {
    let with = variation.with.as_ref();
    let plainly = with.is_none_or(|with| *with == 7 || *with == "wordOfNextYear");
    let about = case.members.contains(&variation.path.first().map_or("", String::as_str));
    !is_about_identity(variation) && if case.name == "title" { plainly } else { about }
}

#[tokio::test]
async fn bad_01_what_is_odd_in_an_event_of_google_outlives_every_edit_made_here() {
    let (mut set_aside, mut written, mut unsaid) = (0, 0, BTreeSet::new());
    for (form, case) in [whole as fn(&str) -> Value, plain]
        .into_iter()
        .flat_map(|form| CASES.iter().map(move |case| (form, case)))
    {
        let lab = Lab::new();
        let variations: Vec<Variation> =
            variations(&form("x")).into_iter().filter(|variation| is_asked(case, variation)).collect();
        let ids: Vec<String> = (0..variations.len()).map(|n| format!("odd{n:05}")).collect();
        for id in &ids {
            lab.calendar.put(id, form(id));
        }
        for id in ["onexx", "twoxx"] {
            lab.calendar.put(id, sibling(id));
        }
        lab.sync().await;
        let before = lab.here().await;
        assert_eq!(before.len(), variations.len() + 2, "{}", case.name);

        // Every one of them becomes odd in its own way.
        for (id, variation) in ids.iter().zip(&variations) {
            let mut odd = variation.answer.clone();
            (odd["id"], odd["iCalUID"]) = (json!(id), json!(format!("{id}@google.com")));
            if variation.path[0] != "etag" {
                odd["etag"] = json!("\"2\"");
            }
            lab.calendar.put(id, odd);
        }
        lab.sync().await;
        let here = lab.here().await;
        let lost: Vec<String> = ids
            .iter()
            .zip(&variations)
            .filter(|(id, _)| !here.contains_key(*id))
            .map(|(_, v)| v.shown())
            .collect();
        assert!(lost.is_empty(), "{}: deleted here: {lost:#?}", case.name);
        for id in ["onexx", "twoxx"] {
            assert_eq!(here[id], before[id], "{}", case.name);
        }
        assert_eq!(lab.calendar.writes.lock().unwrap().len(), 0, "{}: nothing goes out for it", case.name);

        // A person edits all of them.
        let held: BTreeMap<&String, Value> =
            ids.iter().map(|id| (id, lab.calendar.get(id).unwrap())).collect();
        for record in lab.world.locals().await {
            if ids.iter().any(|id| record.event.uid == format!("{id}@google.com")) {
                let mut event = record.event;
                (case.edit)(&mut event);
                lab.world.hub.update(&lab.world.calendar, &record.id, record.revision, event).await.unwrap();
            }
        }
        for _ in 0..3 {
            lab.sync().await;
        }
        let touched: BTreeSet<String> =
            lab.calendar.writes.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
        for (id, variation) in ids.iter().zip(&variations) {
            let (before, after) = (&held[id], lab.calendar.get(id).unwrap());
            if !touched.contains(id) {
                assert_eq!(*before, after);
                set_aside += 1;
                unsaid.insert(variation.path.join("/"));
                continue;
            }
            written += 1;
            let mut may: Vec<String> = vec!["/etag".to_owned()];
            for member in case.members {
                match *member {
                    // Of these the known members change.
                    "start" | "end" => {
                        may.extend(["date", "dateTime", "timeZone"].map(|form| format!("/{member}/{form}")))
                    }
                    "source" => may.push("/source/url".to_owned()),
                    "reminders" => may.push("/reminders/useDefault".to_owned()),
                    "attendees" => {}
                    member => may.push(format!("/{member}")),
                }
                // One that is not what it should be at all has nothing in it to keep.
                if *member != "attendees" && !before[*member].is_object() {
                    may.push(format!("/{member}"));
                }
            }
            // Beside the calendar's own reminders there are no others.
            if !before["reminders"]["overrides"].is_array() || before["reminders"]["useDefault"] == true {
                may.push("/reminders/overrides".to_owned());
            }
            let may: Vec<&str> = may.iter().map(String::as_str).collect();
            let mut lost = Vec::new();
            is_kept(before, &after, &may, "", &mut lost);
            assert!(
                lost.is_empty(),
                "{} after {}: {lost:?}\n{before:#}\n{after:#}",
                case.name,
                variation.shown()
            );
        }
        for id in ["onexx", "twoxx"] {
            assert_eq!(lab.here().await[id], before[id], "{}", case.name);
        }
    }
    // Most of what is odd is no reason to leave the rest of the event alone.
    assert!(
        written > 3 * set_aside && set_aside > 0,
        "{written} written, {set_aside} set aside: {unsaid:#?}"
    );
}
