//! BAD-01, mechanically: every member of every answer of Google and Microsoft missing, null, of another type or a word
//! nobody knows. What was not varied is read as it was, or the whole answer is refused with an error that has a type;
//! nothing panics, and nothing is taken for deleted, free or applied that is not.
#![cfg(all(feature = "google", feature = "microsoft"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod json_paths;
mod odd_events;
mod strange_steps;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use calsync_core::{
    model::{Event, EventBody, EventTime, RemoteCalendarId, RemoteId, TimeSpan, Version},
    provider::{
        Change, ChangePage, ChangeScope, ChangesRequest, Cursor, ErrorKind, Fetched, FreeBusy, ItemChange,
        Payload, PeoplePolicy, Provider, ProviderError, PullMode, RenderRequest, Retry, Watch, WatchRequest,
    },
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{HttpError, HttpRequest, HttpResponse, HttpTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use calsync_testkit::world::VirtualClock;
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::{join, join_all};
use http::{HeaderMap, StatusCode};
use json_paths::{collect, replace};
use serde_json::{Value, json};

// ---- the driver

/// One way an answer differs from the one it should be.
struct Variation {
    /// What was varied, from the root.
    path: Vec<String>,
    with: Option<Value>,
    answer: Value,
}

impl Variation {
    fn shown(&self) -> String {
        format!("/{} = {:?}", self.path.join("/"), self.with)
    }

    /// Whether what was varied is this, or in it.
    fn is_in(&self, pointer: &str) -> bool {
        let own: String = self.path.iter().map(|part| format!("/{part}")).collect();
        own == pointer || own.starts_with(&format!("{pointer}/"))
    }

    /// Whether what was varied is one item of a list, or in one: then nothing else may suffer, and nobody hears an error.
    fn is_in_an_item(&self, list: &str) -> bool {
        self.is_in(list) && self.path.len() > list.matches('/').count()
    }

    /// Whether it is the whole of this, or its name: nobody can say which it was.
    fn takes_the_name(&self, pointer: &str) -> bool {
        [pointer.to_owned(), format!("{pointer}/id")].iter().any(|place| self.is(place))
    }

    fn is(&self, pointer: &str) -> bool {
        self.path.iter().map(|part| format!("/{part}")).collect::<String>() == pointer
    }

    /// Whether what was varied is below here, or above it.
    fn touches(&self, pointer: &str) -> bool {
        let own: String = self.path.iter().map(|part| format!("/{part}")).collect();
        let below = |long: &str, short: &str| long == short || long.starts_with(&format!("{short}/"));
        below(&own, pointer) || below(pointer, &own)
    }
}

/// Every member of an answer, at any depth, varied in every way.
fn variations(good: &Value) -> Vec<Variation> {
    let mut paths = Vec::new();
    collect(good, &mut Vec::new(), &mut paths);
    let strange = [
        json!(null),
        json!(7),
        json!(-1.5),
        json!(u64::MAX),
        json!("wordOfNextYear"),
        json!(""),
        json!(true),
        json!([]),
        json!({}),
        json!([null, 3, "x", {}]),
        json!("\u{0}\r\n\u{1f600}"),
    ];
    let mut all = Vec::new();
    for path in paths {
        for with in strange.iter().cloned().map(Some).chain([None]) {
            let mut answer = good.clone();
            replace(&mut answer, &path, with.as_ref());
            all.push(Variation { path: path.clone(), with, answer });
        }
    }
    // The answer itself.
    for with in strange {
        all.push(Variation { path: Vec::new(), answer: with.clone(), with: Some(with) });
    }
    assert!(all.len() > 20);
    all
}

type Answer = dyn Fn(&HttpRequest) -> (u16, HeaderMap, String) + Send + Sync;

/// A service that answers as it is told.
struct Service {
    answer: Box<Answer>,
    asked: Mutex<Vec<String>>,
}

impl Service {
    fn new(answer: impl Fn(&HttpRequest) -> Value + Send + Sync + 'static) -> Arc<Self> {
        Self::raw(move |request| (200, HeaderMap::new(), answer(request).to_string()))
    }

    fn raw(answer: impl Fn(&HttpRequest) -> (u16, HeaderMap, String) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), asked: Mutex::default() })
    }

    /// Writes, as they came.
    fn writes(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|line| !line.starts_with("GET ")).cloned().collect()
    }
}

#[async_trait]
impl HttpTransport for Service {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.asked.lock().unwrap().push(format!("{} {}", request.method, request.url.path()));
        let (status, headers, body) = (self.answer)(&request);
        Ok(HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into_bytes() })
    }
}

fn google(service: Arc<Service>) -> GoogleProvider {
    let provider = GoogleProvider::new(GoogleConfig::new(Arc::new(Secret::from("x"))), service).unwrap();
    provider.with_clock(Arc::new(VirtualClock::default()))
}

fn microsoft(service: Arc<Service>) -> MicrosoftProvider {
    let config = MicrosoftConfig::new(Arc::new(Secret::from("x")));
    MicrosoftProvider::new(config, service).unwrap().with_clock(Arc::new(VirtualClock::default()))
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn window() -> std::ops::Range<DateTime<Utc>> {
    instant("2026-01-05T00:00:00Z")..instant("2026-01-12T00:00:00Z")
}

fn calendar() -> RemoteCalendarId {
    RemoteCalendarId::from("c")
}

/// An error of the service's making: typed, and not "never again" where the answer may be good the next time.
fn is_of_the_answer(error: &ProviderError, shown: &str) {
    assert!(
        matches!(
            error.kind,
            ErrorKind::Protocol | ErrorKind::CursorInvalid | ErrorKind::Blocked | ErrorKind::Unavailable
        ),
        "{shown}: {error}"
    );
}

/// The items of a list, but those that were varied, are as they were; or the list itself is none, and refused.
fn others_are_as_they_were<T: PartialEq + std::fmt::Debug>(
    variation: &Variation,
    list: &str,
    good: &[T],
    found: Result<Vec<T>, ProviderError>,
) {
    match found {
        Err(error) => {
            assert!(!variation.is_in_an_item(list), "{}: {error}", variation.shown());
            is_of_the_answer(&error, &variation.shown());
        }
        Ok(found) if variation.touches(list) && !variation.path.is_empty() => {
            for (index, item) in good.iter().enumerate() {
                if !variation.touches(&format!("{list}/{index}")) {
                    assert!(found.contains(item), "{}: {item:?} is gone", variation.shown());
                }
            }
        }
        Ok(found) => assert!(found == good || variation.path.len() <= 1, "{}: {found:?}", variation.shown()),
    }
}

// ---- calendars

#[tokio::test]
async fn bad_01_lists_of_calendars() {
    let entry = |id: &str| {
        json!({"kind": "calendar#calendarListEntry", "id": id, "etag": "\"1\"", "summary": "s", "summaryOverride": id,
            "accessRole": "owner", "backgroundColor": "#abcdef", "hidden": false, "deleted": false, "primary": false,
            "timeZone": "UTC", "selected": true})
    };
    let good = json!({"kind": "calendar#calendarList", "etag": "\"p\"", "nextSyncToken": "t",
        "items": [entry("a"), entry("b"), entry("c")]});
    let list = |answer: Value| async move { google(Service::new(move |_| answer.clone())).calendars().await };
    let wanted = list(good.clone()).await.unwrap();
    assert_eq!(wanted.len(), 3);
    for variation in variations(&good) {
        others_are_as_they_were(&variation, "/items", &wanted, list(variation.answer.clone()).await);
    }

    let entry = |id: &str| {
        json!({"id": id, "name": id, "color": "auto", "hexColor": "#abcdef", "canEdit": true, "canShare": true,
            "isDefaultCalendar": false, "owner": {"name": "Ann", "address": "ann@example.com"}})
    };
    let good = json!({"@odata.context": "x", "value": [entry("a"), entry("b"), entry("c")]});
    let list =
        |answer: Value| async move { microsoft(Service::new(move |_| answer.clone())).calendars().await };
    let wanted = list(good.clone()).await.unwrap();
    assert_eq!(wanted.len(), 3);
    for variation in variations(&good) {
        others_are_as_they_were(&variation, "/value", &wanted, list(variation.answer.clone()).await);
    }
}

// ---- busy times

/// What is not known to be busy is not known to be free.
fn nobody_is_free_by_mistake(
    variation: &Variation,
    places: [&str; 2],
    good: &[FreeBusy],
    found: Result<Vec<FreeBusy>, ProviderError>,
) {
    let shown = variation.shown();
    let found = match found {
        Err(error) => {
            assert!(!places.iter().any(|place| variation.is_in(place)), "{shown}: {error}");
            return is_of_the_answer(&error, &shown);
        }
        Ok(found) => found,
    };
    assert_eq!(found.len(), 2, "{shown}");
    for ((place, good), found) in places.iter().zip(good).zip(found) {
        assert_eq!(found.calendar, good.calendar);
        if !variation.touches(place) {
            assert_eq!(&found, good, "{shown}");
        } else if found.unknown.is_none() && !variation.path.is_empty() {
            // Emptied lists and spans that were taken out are well-formed: there is nothing to see there.
            let is_plain = match &variation.with {
                None => variation.path.last().is_some_and(|last| last.parse::<usize>().is_ok()),
                Some(with) => with.as_array().is_some_and(Vec::is_empty),
            };
            // A status nobody knows is as firm as any.
            let as_firm = found.busy.len() == good.busy.len()
                && found.busy.iter().zip(&good.busy).all(|(found, good)| {
                    (found.start, found.end) == (good.start, good.end) && found.kind >= good.kind
                });
            assert!(is_plain || as_firm, "{shown}: {:?}", found.busy);
        }
    }
}

#[tokio::test]
async fn bad_01_busy_times() {
    let asked = [RemoteCalendarId::from("a"), RemoteCalendarId::from("b")];
    let busy = json!([
        {"start": "2026-01-06T09:00:00Z", "end": "2026-01-06T10:00:00Z"},
        {"start": "2026-01-07T09:00:00+01:00", "end": "2026-01-07T10:00:00+01:00"},
    ]);
    let good = json!({"kind": "calendar#freeBusy", "timeMin": "x", "timeMax": "y", "groups": {},
        "calendars": {"a": {"busy": busy, "errors": []}, "b": {"busy": busy}}});
    let ask = |answer: Value| {
        let asked = &asked;
        async move { google(Service::new(move |_| answer.clone())).free_busy(asked, window()).await }
    };
    let wanted = ask(good.clone()).await.unwrap();
    assert_eq!(wanted[0].busy.len(), 2);
    for variation in variations(&good) {
        let found = ask(variation.answer.clone()).await;
        nobody_is_free_by_mistake(&variation, ["/calendars/a", "/calendars/b"], &wanted, found);
    }

    let item = |day: u32, status: &str| {
        let at = |hour: u32| json!({"dateTime": format!("2026-01-{day:02}T{hour:02}:00:00.0000000"), "timeZone": "UTC"});
        json!({"isPrivate": false, "status": status, "subject": "s", "location": "l", "start": at(9), "end": at(10)})
    };
    let entry = |id: &str| {
        json!({"scheduleId": id, "availabilityView": "0022", "error": null, "workingHours": {"daysOfWeek": ["monday"]},
            "scheduleItems": [item(6, "busy"), item(7, "tentative"), item(8, "oof")]})
    };
    let good = json!({"@odata.context": "x", "value": [entry("a"), entry("b")]});
    let ask = |answer: Value| {
        let asked = &asked;
        async move { microsoft(Service::new(move |_| answer.clone())).free_busy(asked, window()).await }
    };
    let wanted = ask(good.clone()).await.unwrap();
    assert_eq!(wanted[0].busy.len(), 3);
    for variation in variations(&good) {
        let found = ask(variation.answer.clone()).await;
        nobody_is_free_by_mistake(&variation, ["/value/0", "/value/1"], &wanted, found);
    }
}

// ---- channels and subscriptions

#[tokio::test]
async fn bad_01_channels_and_subscriptions() {
    let request = WatchRequest {
        id: "channel-1",
        address: "https://example.com/hook",
        secret: "s3cret",
        lifetime: Duration::from_secs(3600),
    };
    // It names something, and ends: what is granted is never taken to last for ever.
    let check = |found: Result<Watch, ProviderError>, shown: &str| match found {
        Err(error) => is_of_the_answer(&error, shown),
        Ok(watch) => assert!(
            !watch.id.is_empty() && watch.expires > DateTime::UNIX_EPOCH - chrono::TimeDelta::days(1),
            "{shown}"
        ),
    };
    let good = json!({"kind": "api#channel", "id": "channel-1", "resourceId": "r", "resourceUri": "u", "token": "s3cret",
        "expiration": "1767700000000", "type": "web_hook", "address": "https://example.com/hook", "params": {"ttl": "3600"}});
    for variation in variations(&good) {
        let answer = variation.answer.clone();
        let provider = google(Service::new(move |_| answer.clone()));
        check(provider.watch(&calendar(), request).await, &variation.shown());
    }
    let good = json!({"id": "sub-1", "resource": "me/events", "expirationDateTime": "2026-01-09T00:00:00Z",
        "changeType": "created,updated,deleted", "clientState": "s3cret", "notificationUrl": "https://example.com/hook"});
    let held =
        Watch { id: "sub-1".into(), resource: String::new(), expires: instant("2026-01-07T00:00:00Z") };
    for variation in variations(&good) {
        let answer = variation.answer.clone();
        let provider = microsoft(Service::new(move |_| answer.clone()));
        check(provider.watch(&calendar(), request).await, &variation.shown());
        check(provider.rewatch(&held, Duration::from_secs(3600)).await, &variation.shown());
    }
}

// ---- colours

#[tokio::test]
async fn bad_01_colours() {
    let color = json!({"background": "#a4bdfc", "foreground": "#1d1d1d"});
    let good = json!({"kind": "calendar#colors", "updated": "2026-01-01T00:00:00Z",
        "calendar": {"1": color}, "event": {"1": color, "2": color}});
    for variation in variations(&good) {
        let answer = variation.answer.clone();
        match google(Service::new(move |_| answer.clone())).event_colors().await {
            Ok(colors) => {
                let wanted = |id: &str| {
                    let untouched = !variation.touches(&format!("/event/{id}"));
                    !untouched || format!("{colors:?}").contains("#a4bdfc")
                };
                assert!(wanted("1") && wanted("2"), "{}", variation.shown());
            }
            Err(error) => {
                assert!(!["/event/1", "/event/2"].iter().any(|place| variation.is_in(place)), "{error}");
                is_of_the_answer(&error, &variation.shown());
            }
        }
    }
}

// ---- changes

fn names(page: &ChangePage) -> BTreeMap<String, bool> {
    let of = |change: &Change| {
        (change.id.as_str().to_owned(), matches!(change.change, ItemChange::Present { .. }))
    };
    page.changes.iter().map(of).collect()
}

/// A page in which something was varied: everything else is in it, or it is refused, or it admits that something is missing.
fn no_change_is_lost(
    variation: &Variation,
    rows: &[(&str, &str)],
    good: &ChangePage,
    found: Result<ChangePage, ProviderError>,
) {
    let shown = variation.shown();
    let found = match found {
        Err(error) => {
            // A change that cannot be named is looked for in a listing; anything else of one item is its own affair.
            let nameless = rows.iter().any(|(row, _)| variation.takes_the_name(row));
            let in_one = rows.iter().any(|(row, _)| variation.is_in(row));
            assert!(!in_one || nameless && error.kind == ErrorKind::CursorInvalid, "{shown}: {error}");
            return is_of_the_answer(&error, &shown);
        }
        Ok(found) => found,
    };
    let (wanted, names) = (names(good), names(&found));
    for (pointer, id) in rows {
        if !variation.touches(pointer) {
            assert_eq!(names.get(*id), wanted.get(*id), "{shown}: {id} of {names:?}");
        } else if !names.contains_key(*id) && wanted[*id] {
            // The row itself has lost its name, or is taken out of a list that is well-formed without it.
            let taken_out = match &variation.with {
                // Google may leave an empty list out.
                None => {
                    variation.path.last().is_some_and(|last| last.parse::<usize>().is_ok() || last == "items")
                }
                Some(with) => variation.path.len() == 1 && with.as_array().is_some_and(Vec::is_empty),
            };
            let renamed = variation
                .path
                .last()
                .is_some_and(|last| last == "id" || last == "seriesMasterId" || last == "recurringEventId");
            assert!(
                taken_out || renamed || found.scope == ChangeScope::PartialSnapshot,
                "{shown}: {id} is left out of {names:?}"
            );
        } else if names.get(*id) == Some(&false) && wanted[*id] {
            // Taken for deleted: only where the answer says so.
            let says_so = variation.path.last().is_some_and(|last| last == "status" || last == "@removed");
            assert!(says_so, "{shown}: {id} is taken for deleted");
        }
    }
}

fn graph_event(id: &str) -> Value {
    let at =
        |hour: u32| json!({"dateTime": format!("2026-01-06T{hour:02}:00:00.0000000"), "timeZone": "UTC"});
    json!({"@odata.etag": "W/\"1\"", "id": id, "type": "singleInstance", "subject": id, "isAllDay": false,
        "start": at(9), "end": at(10), "seriesMasterId": null})
}

fn graph_series(id: &str) -> Value {
    let mut event = graph_event(id);
    event["type"] = json!("seriesMaster");
    event["recurrence"] = json!({
        "pattern": {"type": "daily", "interval": 1, "month": 0, "dayOfMonth": 0, "index": "first"},
        "range": {"type": "noEnd", "startDate": "2026-01-06", "endDate": "0001-01-01", "numberOfOccurrences": 0},
    });
    event["cancelledOccurrences"] = json!(["OID.m.2026-01-08"]);
    event["exceptionOccurrences"] = json!([]);
    event
}

/// What the service has: single events `s1` and `s2`, a series `m`, and nothing else.
fn graph_item(id: &str) -> Option<Value> {
    match id {
        "s1" | "s2" => Some(graph_event(id)),
        "m" => Some(graph_series(id)),
        _ => None,
    }
}

fn graph_part(part: &Value) -> Value {
    let url = part["url"].as_str().unwrap();
    let id = url.split('?').next().unwrap().rsplit('/').next().unwrap();
    match graph_item(id) {
        Some(item) => json!({"id": part["id"], "status": 200, "headers": {}, "body": item}),
        None => json!({"id": part["id"], "status": 404, "body": {"error": {"code": "ErrorItemNotFound"}}}),
    }
}

/// Answers everything but what `first` answers.
fn graph_service(first: impl Fn(&str) -> Option<Value> + Send + Sync + 'static) -> Arc<Service> {
    Service::raw(move |request| {
        let path = request.url.path();
        let told = |status: u16, value: &Value| (status, HeaderMap::new(), value.to_string());
        if let Some(answer) = first(path) {
            return told(200, &answer);
        }
        if path.ends_with("$batch") {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let parts: Vec<Value> = body["requests"].as_array().unwrap().iter().map(graph_part).collect();
            return told(200, &json!({ "responses": parts }));
        }
        match graph_item(path.rsplit('/').next().unwrap()) {
            Some(item) => told(200, &item),
            None => told(404, &json!({"error": {"code": "ErrorItemNotFound"}})),
        }
    })
}

async fn changes(provider: &dyn Provider, cursor: Option<&Cursor>) -> Result<ChangePage, ProviderError> {
    let request = ChangesRequest { cursor, mode: PullMode::Incremental };
    provider.changes(&calendar(), request).await
}

#[tokio::test]
async fn bad_01_deltas_and_listings_of_graph() {
    let link = |rest: &str| format!("https://graph.microsoft.com/v1.0/me/{rest}");
    let empty = json!({"value": [], "@odata.deltaLink": link("delta?t=1")});
    let skeleton = json!({"@odata.type": "#microsoft.graph.event", "@odata.etag": "W/\"1\"", "id": "o1", "type": "occurrence",
        "seriesMasterId": "m", "start": {"dateTime": "2026-01-07T09:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-01-07T10:00:00.0000000", "timeZone": "UTC"}});
    let single = |id: &str| graph_event(id);
    let good = json!({"@odata.context": "x", "@odata.deltaLink": link("delta?t=2"), "value": [
        single("s1"), skeleton, {"id": "gone", "@removed": {"reason": "deleted"}}, single("s2"),
    ]});
    // A cursor first: the start of the delta query, and an empty listing.
    let started = {
        let empty = empty.clone();
        let provider = microsoft(graph_service(move |path| {
            let is_list = path.ends_with("/delta") || path.ends_with("/events");
            is_list.then(|| empty.clone())
        }));
        let page = changes(&provider, None).await.unwrap();
        changes(&provider, page.cursor.as_ref()).await.unwrap().cursor.unwrap()
    };
    let pull = |answer: Value| {
        let started = &started;
        async move {
            let provider =
                microsoft(graph_service(move |path| path.ends_with("delta").then(|| answer.clone())));
            changes(&provider, Some(started)).await
        }
    };
    let wanted = pull(good.clone()).await.unwrap();
    assert_eq!(
        names(&wanted),
        [("gone", false), ("m", true), ("s1", true), ("s2", true)].map(|(id, is)| (id.to_owned(), is)).into()
    );
    let rows = [("/value/0", "s1"), ("/value/1", "m"), ("/value/2", "gone"), ("/value/3", "s2")];
    for variation in variations(&good) {
        let found = pull(variation.answer.clone()).await;
        if let Ok(page) = &found {
            assert!(page.cursor.is_some(), "{}", variation.shown());
        }
        no_change_is_lost(&variation, &rows, &wanted, found);
    }

    // The listing behind a first delta query.
    let listed = json!({"@odata.context": "x", "value": [single("s1"), graph_series("m"), single("s2")]});
    let list = |answer: Value| {
        let empty = empty.clone();
        async move {
            let provider = microsoft(graph_service(move |path| {
                if path.ends_with("/delta") {
                    return Some(empty.clone());
                }
                path.ends_with("/calendars/c/events").then(|| answer.clone())
            }));
            let page = changes(&provider, None).await?;
            changes(&provider, page.cursor.as_ref()).await
        }
    };
    let wanted = list(listed.clone()).await.unwrap();
    assert_eq!(names(&wanted).len(), 3);
    let rows = [("/value/0", "s1"), ("/value/1", "m"), ("/value/2", "s2")];
    for variation in variations(&listed) {
        no_change_is_lost(&variation, &rows, &wanted, list(variation.answer.clone()).await);
    }
}

#[tokio::test]
async fn bad_01_batches_of_reads_at_graph() {
    let part = |index: usize, item: Value| json!({"id": index.to_string(), "status": 200, "headers": {"Content-Type": "application/json"}, "body": item});
    let missing = json!({"id": "3", "status": 404, "headers": {}, "body": {"error": {"code": "ErrorItemNotFound", "message": "m",
        "innerError": {"request-id": "r"}}}});
    let good = json!({"responses": [part(2, graph_event("s2")), part(0, graph_event("s1")), missing, part(1, graph_series("m"))]});
    let ids: Vec<RemoteId> = ["s1", "m", "s2", "gone"].map(RemoteId::from).into();
    let fetch = |answer: Value| {
        let ids = &ids;
        async move { microsoft(Service::new(move |_| answer.clone())).fetch(&calendar(), ids).await }
    };
    let outcome = |fetched: &Fetched| match fetched {
        Fetched::Found { id, .. } | Fetched::Renamed { id, .. } => (id.as_str().to_owned(), "found"),
        Fetched::Missing(id) => (id.as_str().to_owned(), "missing"),
        Fetched::Failed(id, _) => (id.as_str().to_owned(), "failed"),
    };
    let wanted: BTreeMap<_, _> = fetch(good.clone()).await.unwrap().iter().map(outcome).collect();
    assert_eq!(wanted["gone"], "missing");
    for variation in variations(&good) {
        let shown = variation.shown();
        let found: BTreeMap<_, _> = match fetch(variation.answer.clone()).await {
            Ok(found) => found.iter().map(outcome).collect(),
            Err(error) => {
                assert!(!variation.is_in_an_item("/responses"), "{shown}: {error}");
                is_of_the_answer(&error, &shown);
                continue;
            }
        };
        assert_eq!(found.len(), 4, "{shown}");
        for (pointer, id) in
            [("/responses/0", "s2"), ("/responses/1", "s1"), ("/responses/2", "gone"), ("/responses/3", "m")]
        {
            let is = found[id];
            if !variation.touches(pointer) {
                // A part that says it is another's makes both unbelievable.
                let clash = variation.path.last().is_some_and(|last| last == "id") && is == "failed";
                assert!(is == wanted[id] || clash, "{shown}: {id} {is}");
            } else if wanted[id] == "found" {
                assert_ne!(is, "missing", "{shown}: {id}");
            } else {
                assert_ne!(is, "found", "{shown}: {id}");
            }
        }
    }
}

fn event() -> Event {
    let at = |hour: u32| {
        EventTime::Utc(
            NaiveDate::from_ymd_opt(2026, 1, 6).unwrap().and_hms_opt(hour, 0, 0).unwrap().and_utc(),
        )
    };
    let body =
        EventBody { title: Some("t".into()), ..EventBody::new(TimeSpan { start: at(9), end: at(10) }) };
    Event::single("u", body)
}

fn payload(provider: &dyn Provider) -> Payload {
    let event = event();
    let request = RenderRequest {
        event: &event,
        original: None,
        now: instant("2026-01-05T12:00:00Z"),
        people: PeoplePolicy::Withhold,
    };
    provider.render(request).unwrap().payload
}

/// Two creations and a deletion whose answers are varied: each is done, refused, or may have been applied.
#[tokio::test]
async fn bad_01_answers_to_writes_at_graph() {
    let good = json!({"responses": [
        {"id": "1", "status": 201, "headers": {"ETag": "W/\"1\""}, "body": graph_event("s2")},
        {"id": "0", "status": 201, "headers": {"ETag": "W/\"1\""}, "body": graph_event("s1")},
    ]});
    for variation in variations(&good) {
        let answer = variation.answer.clone();
        let provider = microsoft(Service::new(move |_| answer.clone()));
        let item = payload(&provider);
        let (a, b) = (RemoteId::from("new:a"), RemoteId::from("new:b"));
        let calendar = calendar();
        let (a, b) = join(provider.create(&calendar, &a, &item), provider.create(&calendar, &b, &item)).await;
        let shown = variation.shown();
        for (pointer, id, written) in [("/responses/1", "s1", a), ("/responses/0", "s2", b)] {
            match written {
                Ok(written) if !variation.touches(pointer) => assert_eq!(written.id.as_str(), id, "{shown}"),
                Ok(_) => {}
                // A status of 7 or "x" is no refusal: nobody knows what was done.
                Err(error) => assert!(error.is_ambiguous(), "{shown}: {error}"),
            }
        }
    }
    // By itself.
    for variation in variations(&graph_event("s1")) {
        let answer = variation.answer.clone();
        let provider = microsoft(Service::raw(move |_| (201, HeaderMap::new(), answer.to_string())));
        let created = provider.create(&calendar(), &RemoteId::from("new:a"), &payload(&provider)).await;
        match created {
            Ok(written) => assert!(!written.id.as_str().is_empty()),
            Err(error) => assert!(error.is_ambiguous(), "{}: {error}", variation.shown()),
        }
    }
}

// ---- Google: events that are read by name, instances, parts of batches

fn google_event(id: &str) -> Value {
    json!({"kind": "calendar#event", "id": id, "etag": "\"1\"", "status": "confirmed", "summary": id, "iCalUID": format!("{id}@example.com"),
        "start": {"dateTime": "2026-01-06T09:00:00Z", "timeZone": "UTC"}, "end": {"dateTime": "2026-01-06T10:00:00Z", "timeZone": "UTC"}})
}

fn multipart(parts: &[(usize, u16, &Value)]) -> (u16, HeaderMap, String) {
    let mut body = String::new();
    for (id, status, value) in parts {
        body.push_str(&format!(
            "--x\r\nContent-Type: application/http\r\nContent-ID: <response-{id}>\r\n\r\nHTTP/1.1 {status} X\r\n\
             Content-Type: application/json\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str("--x--\r\n");
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "multipart/mixed; boundary=x".parse().unwrap());
    (200, headers, body)
}

#[tokio::test]
async fn bad_01_parts_of_batches_at_google() {
    let ids: Vec<RemoteId> = ["aaaaa", "bbbbb"].map(RemoteId::from).into();
    for variation in variations(&google_event("aaaaa")) {
        let answer = variation.answer.clone();
        let service =
            Service::raw(move |_| multipart(&[(1, 200, &google_event("bbbbb")), (0, 200, &answer)]));
        let shown = variation.shown();
        let found = google(service).fetch(&calendar(), &ids).await;
        let found = found.unwrap_or_else(|error| panic!("{shown}: {error}"));
        let is_there = |one: &Fetched| matches!(one, Fetched::Found { id, .. } if id.as_str() == "bbbbb");
        assert!(found.iter().any(is_there), "{shown}");
        // Cancelled is gone; nothing else is.
        let gone = found.iter().any(|one| matches!(one, Fetched::Missing(id) if id.as_str() == "aaaaa"));
        assert!(!gone || variation.touches("/status"), "{shown}");

        let answer = variation.answer.clone();
        let service =
            Service::raw(move |_| multipart(&[(1, 200, &google_event("bbbbb")), (0, 200, &answer)]));
        let provider = google(service);
        let item = payload(&provider);
        let calendar = calendar();
        let all = join_all(ids.iter().map(|id| provider.create(&calendar, id, &item))).await;
        assert!(all[1].is_ok(), "{shown}: {:?}", all[1]);
        if let Err(error) = &all[0] {
            assert!(error.is_ambiguous(), "{shown}: {error}");
        }
    }
    // Refusals: whatever is in their bodies, they are refusals of that part.
    let refusal = json!({"error": {"code": 403, "message": "m", "status": "PERMISSION_DENIED", "details": [{"reason": "X"}],
        "errors": [{"domain": "global", "reason": "forbidden", "message": "m"}]}});
    for variation in variations(&refusal) {
        let answer = variation.answer.clone();
        let service =
            Service::raw(move |_| multipart(&[(0, 403, &answer), (1, 200, &google_event("bbbbb"))]));
        let provider = google(service);
        let item = payload(&provider);
        let calendar = calendar();
        let all = join_all(ids.iter().map(|id| provider.create(&calendar, id, &item))).await;
        let error = all[0].as_ref().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Forbidden, "{}", variation.shown());
        assert!(all[1].is_ok());
    }
}

#[tokio::test]
async fn bad_01_deltas_and_series_of_google() {
    let mut exception = google_event("mmmmm_20260107T090000Z");
    exception["recurringEventId"] = json!("mmmmm");
    exception["iCalUID"] = json!("mmmmm@example.com");
    exception["originalStartTime"] = json!({"dateTime": "2026-01-07T09:00:00Z", "timeZone": "UTC"});
    let mut master = google_event("mmmmm");
    master["recurrence"] = json!(["RRULE:FREQ=DAILY"]);
    let good = json!({"kind": "calendar#events", "etag": "\"p\"", "summary": "s", "timeZone": "UTC", "accessRole": "owner",
        "nextSyncToken": "t2", "items": [google_event("aaaaa"), exception, {"kind": "calendar#event", "id": "ccccc", "etag": "\"2\"", "status": "cancelled"},
        google_event("bbbbb")]});
    // The series is asked for by its UID.
    let whole = json!({"kind": "calendar#events", "items": [master, exception]});
    let start = json!({"kind": "calendar#events", "items": [], "nextSyncToken": "t1"});
    let pull = |delta: Value, series: Value| {
        let start = start.clone();
        async move {
            let provider = google(Service::new(move |request| {
                let query = request.url.query().unwrap_or_default();
                match query {
                    query if query.contains("iCalUID") => series.clone(),
                    query if query.contains("syncToken") => delta.clone(),
                    _ if request.url.path().ends_with("/events") => start.clone(),
                    _ => master_of(&series),
                }
            }));
            let page = changes(&provider, None).await?;
            changes(&provider, page.cursor.as_ref()).await
        }
    };
    let wanted = pull(good.clone(), whole.clone()).await.unwrap();
    let found = names(&wanted);
    assert!(found["aaaaa"] && found["bbbbb"] && found["mmmmm"] && !found["ccccc"], "{found:?}");
    let rows = [("/items/0", "aaaaa"), ("/items/1", "mmmmm"), ("/items/2", "ccccc"), ("/items/3", "bbbbb")];
    for variation in variations(&good) {
        no_change_is_lost(&variation, &rows, &wanted, pull(variation.answer.clone(), whole.clone()).await);
    }
    // And what is read of the series, which is one item: whatever is said of it, it is not gone, and the others come.
    let mut unread = 0;
    let mut bare = good.clone();
    bare["items"][1] = json!({"kind": "calendar#event", "id": "mmmmm_20260107T090000Z", "etag": "\"2\"", "status": "cancelled",
        "recurringEventId": "mmmmm", "originalStartTime": {"dateTime": "2026-01-07T09:00:00Z"}});
    for (variation, delta) in variations(&whole).iter().flat_map(|one| [(one, &good), (one, &bare)]) {
        let shown = variation.shown();
        let page = pull(delta.clone(), variation.answer.clone()).await;
        let page = page.unwrap_or_else(|error| panic!("{shown}: {error}"));
        let names = names(&page);
        assert!(names["aaaaa"] && names["bbbbb"] && !names["ccccc"], "{shown}");
        assert_ne!(names.get("mmmmm"), Some(&false), "{shown}");
        let unknown = |change: &&Change| {
            change.id.as_str() == "mmmmm"
                && change.change == ItemChange::Present { version: None, payload: None }
        };
        if page.changes.iter().any(|change| unknown(&change)) {
            unread += 1;
            // An instance that may stand for itself is not told now: a listing will.
            assert_eq!(page.cursor.is_none(), delta == &good, "{shown}");
        }
    }
    assert!(unread > 50, "{unread}");
}

/// The master, when it is asked for by itself.
fn master_of(series: &Value) -> Value {
    series.pointer("/items/0").cloned().unwrap_or(Value::Null)
}

#[tokio::test]
async fn bad_01_instances_of_google_are_written_by_the_name_they_have() {
    let mut master = google_event("mmmmm");
    master["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
    let mut instance = google_event("mmmmm_20260107T090000Z");
    instance["recurringEventId"] = json!("mmmmm");
    instance["summary"] = json!("mmmmm");
    instance["originalStartTime"] = json!({"dateTime": "2026-01-07T09:00:00Z", "timeZone": "UTC"});
    instance["start"]["dateTime"] = json!("2026-01-07T09:00:00Z");
    instance["end"]["dateTime"] = json!("2026-01-07T10:00:00Z");
    let good = json!({"kind": "calendar#events", "items": [instance]});
    let mut outcomes = BTreeSet::new();
    for variation in variations(&good) {
        let (answer, held) = (variation.answer.clone(), master.clone());
        let service = Service::raw(move |request| {
            let path = request.url.path();
            let body = if path.ends_with("/instances") {
                answer.clone()
            } else if path.ends_with("/events") {
                json!({"kind": "calendar#events", "items": [held]})
            } else if request.method == "DELETE" {
                return (204, HeaderMap::new(), String::new());
            } else {
                held.clone()
            };
            (200, HeaderMap::new(), body.to_string())
        });
        let provider = google(service.clone());
        let id = RemoteId::from("mmmmm");
        let fetched = provider.fetch(&calendar(), std::slice::from_ref(&id)).await.unwrap().remove(0);
        let Fetched::Found { version: Some(version), payload, .. } = fetched else { panic!("{fetched:?}") };
        let mut event = provider.read(&payload).unwrap();
        let key = calsync_core::model::RecurrenceId::Instant(instant("2026-01-07T09:00:00Z"));
        event.overrides.insert(key, calsync_core::model::Override::Excluded);
        let now = instant("2026-01-05T12:00:00Z");
        let request =
            RenderRequest { event: &event, original: Some(&payload), now, people: PeoplePolicy::Withhold };
        let rendered = provider.render(request).unwrap();
        let written = provider.update(&calendar(), &id, &version, &rendered.payload).await;
        let shown = variation.shown();
        outcomes.insert(written.is_ok());
        if let Err(error) = &written {
            assert!(
                matches!(
                    error.kind,
                    // A tag that is no header is refused before it is sent.
                    ErrorKind::Protocol
                        | ErrorKind::VersionMismatch
                        | ErrorKind::Refused
                        | ErrorKind::InvalidInput
                ),
                "{shown}: {error}"
            );
        }
        // The series itself is not deleted for want of a name.
        for line in service.writes() {
            let name = line.rsplit('/').next().unwrap();
            assert!(
                line.starts_with("DELETE") && !["mmmmm", "events", ""].contains(&name),
                "{shown}: {line}"
            );
        }
    }
    assert_eq!(outcomes.len(), 2);
}

// ---- refusals

#[tokio::test]
async fn bad_01_bodies_of_refusals() {
    let graph = json!({"error": {"code": "ErrorAccessDenied", "message": "Ann may not", "innerError": {"date": "2026-01-05T09:00:00",
        "request-id": "r", "client-request-id": "c", "code": "x"}}});
    for variation in variations(&graph) {
        let answer = variation.answer.clone();
        let provider = microsoft(Service::raw(move |_| (403, HeaderMap::new(), answer.to_string())));
        let error = provider.calendars().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Forbidden, "{}", variation.shown());
        assert!(!format!("{error} {error:?}").contains("Ann"));
    }
}

// ---- tokens

#[cfg(feature = "oauth")]
#[tokio::test]
async fn bad_01_answers_of_token_endpoints() {
    use calsync_core::context::Clock as _;
    use calsync_providers::oauth::{
        Exchange, Intent, OAuthConfig, OAuthErrorKind, start_device, wait_for_device,
    };

    let clock = VirtualClock::default();
    let device = json!({"device_code": "d", "user_code": "U-1", "verification_uri": "https://example.com/device", "expires_in": 900,
        "interval": 5, "message": "m"});
    let tokens = json!({"token_type": "Bearer", "scope": "a b", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "at",
        "refresh_token": "rt", "id_token": "x.y.z"});
    let ask = |device: Value, tokens: Value, renewed: Value| {
        let clock = &clock;
        async move {
            let service = Service::new(move |request| match &*String::from_utf8_lossy(&request.body) {
                body if body.contains("refresh_token=") => renewed.clone(),
                body if body.contains("device_code=") => tokens.clone(),
                _ => device.clone(),
            });
            let exchange = Exchange::new(OAuthConfig::microsoft("common", "client").unwrap(), service);
            let code = start_device(&exchange, &Intent::new("account", "session"), clock.now()).await?;
            let grant = wait_for_device(&exchange, &code, clock, |_| async {}).await?;
            let renewed = exchange.refresh(&grant.tokens, clock.now()).await?;
            Ok::<_, calsync_providers::oauth::OAuthError>((grant.tokens, renewed))
        }
    };
    let (first, renewed) = ask(device.clone(), tokens.clone(), tokens.clone()).await.unwrap();
    assert!(first.refresh.is_some() && renewed.expires > clock.now());
    let cases = [&device, &tokens, &tokens].map(variations);
    for (place, variations) in cases.into_iter().enumerate() {
        for variation in variations {
            let mut answers = [device.clone(), tokens.clone(), tokens.clone()];
            answers[place] = variation.answer.clone();
            let [a, b, c] = answers;
            let shown = format!("{place} {}", variation.shown());
            match ask(a, b, c).await {
                // A token that lasts for a while, and the refresh token is kept whatever the answer says.
                Ok((first, renewed)) => {
                    assert!(
                        !renewed.access.expose().is_empty() || variation.touches("/access_token"),
                        "{shown}"
                    );
                    assert!(renewed.expires >= clock.now(), "{shown}");
                    assert!(renewed.refresh.is_some() || first.refresh.is_none(), "{shown}");
                }
                // Never a verdict on the grant: nobody is asked to connect again because of such an answer.
                Err(error) => assert!(
                    matches!(error.kind, OAuthErrorKind::Protocol | OAuthErrorKind::Unavailable)
                        || (place == 1 && variation.touches("/refresh_token")),
                    "{shown}: {error}"
                ),
            }
        }
    }
}

/// The error as a word or two.
fn told<T: std::fmt::Debug>(result: Result<T, ProviderError>) -> String {
    let Err(error) = result else { return "taken".to_owned() };
    let retry = match error.retry {
        Retry::Never => "",
        Retry::Backoff => ", backoff",
        Retry::After(_) => ", later",
    };
    let kind = format!("{:?}", error.kind).replace(" { at: None }", "");
    format!("{kind}{retry}{}", if error.is_ambiguous() { ", open" } else { "" })
}

/// What a pull with a token, an update and a creation make of an answer.
async fn verdicts(
    provider: &dyn Provider,
    cursor: &Cursor,
    (id, version, held): (&RemoteId, &Version, &Payload),
) -> [String; 3] {
    let mut event = provider.read(held).unwrap();
    event.master.as_mut().unwrap().title = Some("other".into());
    let now = instant("2026-01-05T12:00:00Z");
    let request = RenderRequest { event: &event, original: Some(held), now, people: PeoplePolicy::Withhold };
    let rendered = provider.render(request).unwrap().payload;
    let (fresh, new) = (provider.propose_id(&calendar(), &event, "fresh").unwrap(), payload(provider));
    [
        told(changes(provider, Some(cursor)).await),
        told(provider.update(&calendar(), id, version, &rendered).await),
        told(provider.create(&calendar(), &fresh, &new).await),
    ]
}

#[tokio::test]
async fn every_status_and_reason_of_google() {
    let start =
        google(Service::new(|_| json!({"kind": "calendar#events", "items": [], "nextSyncToken": "t"})));
    let cursor = changes(&start, None).await.unwrap().cursor.unwrap();
    let id = RemoteId::from("aaaaa");
    let held = google(Service::new(|_| google_event("aaaaa")));
    let Fetched::Found { payload: held, version: Some(version), .. } =
        held.fetch(&calendar(), std::slice::from_ref(&id)).await.unwrap().remove(0)
    else {
        panic!()
    };
    let mut wrong = Vec::new();
    for (status, reason, pull, update, create) in [
        (400, "badRequest", "CursorInvalid", "Refused", "Refused"),
        (400, "invalid", "CursorInvalid", "Refused", "Refused"),
        (400, "required", "CursorInvalid", "Refused", "Refused"),
        (400, "timeRangeEmpty", "CursorInvalid", "Refused", "Refused"),
        (400, "invalidParameter", "CursorInvalid", "Refused", "Refused"),
        (400, "syncTokenWithRequestRestrictions", "CursorInvalid", "Refused", "Refused"),
        (400, "channelIdNotUnique", "CursorInvalid", "Refused", "Refused"),
        (400, "eventTypeRestriction", "CursorInvalid", "Refused", "Refused"),
        (401, "authError", "Unauthorized", "Unauthorized", "Unauthorized"),
        (403, "userRateLimitExceeded", "Throttled, backoff", "Throttled, backoff", "Throttled, backoff"),
        (403, "rateLimitExceeded", "Throttled, backoff", "Throttled, backoff", "Throttled, backoff"),
        (403, "quotaExceeded", "Throttled, later", "Throttled, later", "Throttled, later"),
        (403, "calendarUsageLimits", "Throttled, later", "Throttled, later", "Throttled, later"),
        (403, "dailyLimitExceeded", "Throttled, later", "Throttled, later", "Throttled, later"),
        (403, "forbidden", "Forbidden", "Forbidden", "Forbidden"),
        (403, "forbiddenForNonOrganizer", "Forbidden", "Forbidden", "Forbidden"),
        (403, "insufficientPermissions", "Unauthorized", "Unauthorized", "Unauthorized"),
        (403, "accessNotConfigured", "Forbidden", "Forbidden", "Forbidden"),
        (403, "requiredAccessLevel", "Forbidden", "Forbidden", "Forbidden"),
        (403, "cannotChangeOrganizer", "Forbidden", "Forbidden", "Forbidden"),
        (403, "forbiddenForServiceAccounts", "Forbidden", "Forbidden", "Forbidden"),
        (404, "notFound", "CalendarGone", "CalendarGone", "CalendarGone"),
        (409, "duplicate", "AlreadyExists", "AlreadyExists", "AlreadyExists"),
        (409, "conflict", "Unavailable, backoff", "Unavailable, backoff", "Unavailable, backoff"),
        (410, "fullSyncRequired", "CursorInvalid", "CalendarGone", "CalendarGone"),
        (410, "updatedMinTooLongAgo", "CursorInvalid", "CalendarGone", "CalendarGone"),
        (410, "deleted", "CursorInvalid", "CalendarGone", "CalendarGone"),
        (412, "conditionNotMet", "VersionMismatch", "VersionMismatch", "VersionMismatch"),
        (429, "rateLimitExceeded", "Throttled, backoff", "Throttled, backoff", "Throttled, backoff"),
        (
            500,
            "backendError",
            "Unavailable, backoff",
            "Unavailable, backoff, open",
            "Unavailable, backoff, open",
        ),
        (
            500,
            "internalError",
            "Unavailable, backoff",
            "Unavailable, backoff, open",
            "Unavailable, backoff, open",
        ),
        (
            502,
            "backendError",
            "Unavailable, backoff",
            "Unavailable, backoff, open",
            "Unavailable, backoff, open",
        ),
        (503, "backendError", "Unavailable, backoff", "Unavailable, backoff", "Unavailable, backoff"),
        (
            504,
            "backendError",
            "Unavailable, backoff",
            "Unavailable, backoff, open",
            "Unavailable, backoff, open",
        ),
    ] {
        let body = json!({"error": {"code": status, "errors": [{"domain": "global", "reason": reason}]}});
        let provider = google(Service::raw(move |_| (status, HeaderMap::new(), body.to_string())));
        let found = verdicts(&provider, &cursor, (&id, &version, &held)).await;
        if found != [pull, update, create] {
            wrong.push(format!(
                "        ({status}, {reason:?}, {:?}, {:?}, {:?}),",
                found[0], found[1], found[2]
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_status_and_code_of_graph() {
    let link = "https://graph.microsoft.com/v1.0/me/delta?t=1";
    let start = microsoft(graph_service(move |path| {
        let is_list = path.ends_with("/delta") || path.ends_with("/events");
        is_list.then(|| json!({"value": [], "@odata.deltaLink": link}))
    }));
    let page = changes(&start, None).await.unwrap();
    let cursor = changes(&start, page.cursor.as_ref()).await.unwrap().cursor.unwrap();
    let held = Payload::new(graph_event("s1").to_string());
    let (id, version) = (RemoteId::from("s1"), Version::from("W/\"1\""));
    let mut wrong = Vec::new();
    for (status, code, pull, update, create) in [
        (400, "ErrorInvalidIdMalformed", "CursorInvalid", "Refused", "Refused"),
        (400, "ErrorPropertyValidationFailure", "CursorInvalid", "Refused", "Refused"),
        (400, "ErrorOccurrenceCrossingBoundary", "CursorInvalid", "Refused", "Refused"),
        (400, "ErrorInvalidRequest", "CursorInvalid", "Refused", "Refused"),
        (400, "RequestBodyRead", "CursorInvalid", "Refused", "Refused"),
        (400, "ErrorDuplicateTransactionId", "CursorInvalid", "Refused", "Refused"),
        (401, "InvalidAuthenticationToken", "Unauthorized", "Unauthorized", "Unauthorized"),
        (401, "CompactToken", "Unauthorized", "Unauthorized", "Unauthorized"),
        (403, "ErrorAccessDenied", "Forbidden", "Forbidden", "Forbidden"),
        (403, "Forbidden", "Forbidden", "Forbidden", "Forbidden"),
        (403, "accessDenied", "Forbidden", "Forbidden", "Forbidden"),
        (404, "ErrorItemNotFound", "CalendarGone", "NotFound", "CalendarGone"),
        (404, "itemNotFound", "CalendarGone", "NotFound", "CalendarGone"),
        (404, "MailboxNotEnabledForRESTAPI", "Forbidden", "Forbidden", "Forbidden"),
        (404, "ErrorNonExistentMailbox", "Forbidden", "Forbidden", "Forbidden"),
        (409, "nameAlreadyExists", "AlreadyExists", "AlreadyExists", "AlreadyExists"),
        (409, "ErrorFolderExists", "AlreadyExists", "AlreadyExists", "AlreadyExists"),
        (409, "ConcurrentItemSave", "Unavailable, backoff", "Unavailable, backoff", "Unavailable, backoff"),
        (409, "ErrorDuplicateTransactionId", "AlreadyExists", "AlreadyExists", "AlreadyExists"),
        (410, "syncStateNotFound", "CursorInvalid", "NotFound", "CalendarGone"),
        (410, "SyncStateNotFound", "CursorInvalid", "NotFound", "CalendarGone"),
        (410, "resyncRequired", "CursorInvalid", "NotFound", "CalendarGone"),
        (410, "resyncApplyDifferences", "CursorInvalid", "NotFound", "CalendarGone"),
        (410, "resyncUploadDifferences", "CursorInvalid", "NotFound", "CalendarGone"),
        (412, "ErrorIrresolvableConflict", "VersionMismatch", "VersionMismatch", "VersionMismatch"),
        (412, "resourceModified", "VersionMismatch", "VersionMismatch", "VersionMismatch"),
        (412, "entityTagDoesNotMatch", "VersionMismatch", "VersionMismatch", "VersionMismatch"),
        (423, "locked", "Unavailable, backoff", "Unavailable, backoff", "Unavailable, backoff"),
        (424, "FailedDependency", "Unavailable, backoff", "Unavailable, backoff", "Unavailable, backoff"),
        (429, "TooManyRequests", "Throttled, backoff", "Throttled, backoff", "Throttled, backoff"),
        (429, "ApplicationThrottled", "Throttled, backoff", "Throttled, backoff", "Throttled, backoff"),
        (429, "activityLimitReached", "Throttled, backoff", "Throttled, backoff", "Throttled, backoff"),
        (
            500,
            "ErrorInternalServerTransientError",
            "Unavailable, backoff",
            "Unavailable, backoff, open",
            "Unavailable, backoff, open",
        ),
        (
            500,
            "ErrorInternalServerError",
            "Unavailable, backoff",
            "Unavailable, backoff, open",
            "Unavailable, backoff, open",
        ),
        (502, "", "Unavailable, backoff", "Unavailable, backoff, open", "Unavailable, backoff, open"),
        (503, "ErrorServerBusy", "Unavailable, backoff", "Unavailable, backoff", "Unavailable, backoff"),
        (503, "ServiceUnavailable", "Unavailable, backoff", "Unavailable, backoff", "Unavailable, backoff"),
        (
            504,
            "UnknownError",
            "Unavailable, backoff",
            "Unavailable, backoff, open",
            "Unavailable, backoff, open",
        ),
        (507, "ErrorQuotaExceeded", "TooLarge", "TooLarge", "TooLarge"),
        (509, "", "Unavailable, backoff", "Unavailable, backoff", "Unavailable, backoff"),
    ] {
        let body = json!({"error": {"code": code, "message": "m", "innerError": {}}});
        let provider = microsoft(Service::raw(move |_| (status, HeaderMap::new(), body.to_string())));
        let found = verdicts(&provider, &cursor, (&id, &version, &held)).await;
        if found != [pull, update, create] {
            wrong.push(format!(
                "        ({status}, {code:?}, {:?}, {:?}, {:?}),",
                found[0], found[1], found[2]
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
