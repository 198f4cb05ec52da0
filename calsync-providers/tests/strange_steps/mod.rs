//! BAD-01 for what is asked in the middle of a write: which instance an edit is of, what is there by now, what was made
//! before, whether the calendar is there at all. An answer nobody can read is never taken for "done" or "not there", and what
//! is written is the item that was meant.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use calsync_core::{
    model::{Override, RecurrenceId, RemoteId, Version},
    provider::{ErrorKind, Fetched, ItemChange, Payload, PeoplePolicy, Provider, RenderRequest},
};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    Service, Variation, calendar, changes, google, google_event, graph_event, graph_series, instant,
    is_of_the_answer, microsoft, multipart, payload, variations,
};

type Told = (u16, HeaderMap, String);

fn told(status: u16, value: &Value) -> Told {
    (status, HeaderMap::new(), value.to_string())
}

fn not_found() -> Told {
    told(404, &json!({"error": {"code": "ErrorItemNotFound", "errors": [{"reason": "notFound"}]}}))
}

/// Graph, with one kind of answer varied.
fn graph(answer: impl Fn(&str, &str) -> Told + Send + Sync + 'static) -> Arc<Service> {
    Service::raw(move |request| {
        let path = request.url.path();
        let query = request.url.query().unwrap_or_default();
        let is_look_up = path.ends_with("/events") && query.contains("filter");
        answer(request.method.as_str(), if is_look_up { "look-up" } else { path.rsplit('/').next().unwrap() })
    })
}

/// The version and the payload of an item, and the payload after an edit.
async fn edited(
    provider: &dyn Provider,
    id: &str,
    edit: impl FnOnce(&mut calsync_core::model::Event),
) -> (RemoteId, Version, Payload) {
    let id = RemoteId::from(id);
    let fetched = provider.fetch(&calendar(), std::slice::from_ref(&id)).await.unwrap().remove(0);
    let Fetched::Found { version: Some(version), payload, .. } = fetched else { panic!("{fetched:?}") };
    let mut event = provider.read(&payload).unwrap();
    edit(&mut event);
    let now = instant("2026-01-05T12:00:00Z");
    let request =
        RenderRequest { event: &event, original: Some(&payload), now, people: PeoplePolicy::Withhold };
    (id, version, provider.render(request).unwrap().payload)
}

fn second() -> RecurrenceId {
    RecurrenceId::Instant(instant("2026-01-07T09:00:00Z"))
}

/// Whether a list was emptied, or what is of interest was taken out of it: well-formed, and nothing is there.
fn takes_out(variation: &Variation, list: &str, row: &str) -> bool {
    match &variation.with {
        None => variation.is(row) || variation.is(list),
        Some(with) => variation.is(list) && with.as_array().is_some_and(Vec::is_empty),
    }
}

#[tokio::test]
async fn bad_01_instances_of_graph_are_written_by_the_name_they_have() {
    let row = |day: u32| {
        json!({"@odata.etag": "W/\"i\"", "id": format!("o{day}"), "type": "occurrence", "changeKey": "i",
            "originalStart": format!("2026-01-{day:02}T09:00:00Z"),
            "start": {"dateTime": format!("2026-01-{day:02}T09:00:00.0000000"), "timeZone": "UTC"}})
    };
    let good = json!({"@odata.context": "x", "value": [row(6), row(7), row(9)]});
    let mut outcomes = [0, 0];
    for variation in variations(&good) {
        let answer = variation.answer.clone();
        let service = graph(move |method, name| match (method, name) {
            ("DELETE", _) => (204, HeaderMap::new(), String::new()),
            (_, "instances") => told(200, &answer),
            (_, "m") => told(200, &graph_series("m")),
            _ => not_found(),
        });
        let provider = microsoft(service.clone());
        let (id, version, rendered) =
            edited(&provider, "m", |event| drop(event.overrides.insert(second(), Override::Excluded))).await;
        let written = provider.update(&calendar(), &id, &version, &rendered).await;
        let shown = variation.shown();
        let deleted: Vec<String> =
            service.writes().into_iter().filter(|line| line.starts_with("DELETE")).collect();
        for line in service.writes() {
            let name = line.rsplit('/').next().unwrap();
            let is_mark = line.starts_with("PATCH") && name == "m";
            assert!(is_mark || !["m", "o6", "o9", "events", ""].contains(&name), "{shown}: {line}");
        }
        outcomes[usize::from(written.is_ok())] += 1;
        match written {
            // Done, or there was none to call off.
            Ok(written) => {
                assert_eq!(written.id, id, "{shown}");
                assert!(deleted.len() == 1 || takes_out(&variation, "/value", "/value/1"), "{shown}");
            }
            Err(error) if error.kind == ErrorKind::InvalidInput => assert!(deleted.is_empty(), "{shown}"),
            Err(error) => {
                is_of_the_answer(&error, &shown);
                assert!(deleted.is_empty(), "{shown}");
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 50), "{outcomes:?}");
}

#[tokio::test]
async fn bad_01_answers_to_changes_at_graph() {
    for held in [graph_event("s1"), graph_series("s1")] {
        let mut good = held.clone();
        good["@odata.etag"] = json!("W/\"2\"");
        for variation in variations(&good) {
            let (answer, before, after) = (variation.answer.clone(), held.clone(), good.clone());
            let is_patched = AtomicBool::new(false);
            let service = graph(move |method, _| {
                if method == "PATCH" {
                    is_patched.store(true, Ordering::Relaxed);
                    return told(200, &answer);
                }
                told(200, if is_patched.load(Ordering::Relaxed) { &after } else { &before })
            });
            let provider = microsoft(service.clone());
            let (id, version, rendered) = edited(&provider, "s1", |event| {
                event.master.as_mut().unwrap().title = Some("other".into());
            })
            .await;
            // It was applied: its answer does not make it another item, nor an error.
            let shown = variation.shown();
            let written = provider.update(&calendar(), &id, &version, &rendered).await;
            let written = written.unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!(written.id, id, "{shown}");
            assert!(!variation.takes_the_name("") || written.version.is_none(), "{shown}");
            assert_eq!(service.writes().len(), 1, "{shown}");
        }
    }
}

#[tokio::test]
async fn bad_01_what_is_there_at_graph_before_it_is_written_or_deleted() {
    let mut meeting = graph_series("m");
    meeting["isOrganizer"] = json!(true);
    meeting["attendees"] =
        json!([{"type": "required", "emailAddress": {"address": "bob@example.com", "name": "Bob"}}]);
    for (good, people) in [
        (graph_series("m"), PeoplePolicy::Withhold),
        (meeting.clone(), PeoplePolicy::Withhold),
        (meeting, PeoplePolicy::Write),
    ] {
        let mut deletions = 0;
        for variation in variations(&good) {
            let shown = variation.shown();
            let (answer, held) = (variation.answer.clone(), good.clone());
            let strange = Arc::new(AtomicBool::new(false));
            let is_strange = Arc::clone(&strange);
            let service = graph(move |method, name| match (method, name) {
                ("DELETE", _) => (204, HeaderMap::new(), String::new()),
                (_, "m") if is_strange.load(Ordering::Relaxed) => told(200, &answer),
                (_, "m") => told(200, &held),
                _ => not_found(),
            });
            let provider = microsoft(service.clone());
            let (id, version, rendered) = edited(&provider, "m", |event| {
                event.master.as_mut().unwrap().categories = ["Red".into()].into();
            })
            .await;
            strange.store(true, Ordering::Relaxed);
            let is_told_elsewhere = |kind: &ErrorKind| {
                matches!(kind, ErrorKind::VersionMismatch | ErrorKind::Refused | ErrorKind::InvalidInput)
            };
            match provider.update(&calendar(), &id, &version, &rendered).await {
                Ok(written) => assert_eq!(written.id, id, "{shown}"),
                Err(error) if is_told_elsewhere(&error.kind) => {}
                Err(error) => is_of_the_answer(&error, &shown),
            }
            let before = service.writes();
            assert!(before.iter().all(|line| line.ends_with("/m")), "{shown}: {before:?}");
            let deleted = match people {
                PeoplePolicy::Write => provider.cancel(&calendar(), &id, &version).await,
                _ => provider.delete(&calendar(), &id, &version).await,
            };
            let sent = service.writes().split_off(before.len());
            assert!(sent.iter().all(|line| line.ends_with("/m")), "{shown}: {sent:?}");
            // Deleted is what was deleted; and nobody is mailed because the people in it cannot be read.
            assert_eq!(sent.len(), usize::from(deleted.is_ok()), "{shown}");
            let has_people = good.get("attendees").is_some() && people == PeoplePolicy::Withhold;
            let without = matches!(&variation.with, None | Some(Value::Null))
                || variation.with.as_ref().is_some_and(|with| with.as_array().is_some_and(Vec::is_empty));
            let says_so = without && variation.touches("/attendees");
            assert!(!has_people || sent.is_empty() || says_so, "{shown}: {sent:?}");
            deletions += sent.len();
            if let Err(error) = deleted
                && !is_told_elsewhere(&error.kind)
            {
                is_of_the_answer(&error, &shown);
            }
        }
        assert_eq!(deletions > 50, good.get("attendees").is_none() || people == PeoplePolicy::Write);
    }
}

#[tokio::test]
async fn bad_01_what_was_made_before_at_graph() {
    let mut item = graph_event("s1");
    item["transactionId"] = json!("fresh");
    item["singleValueExtendedProperties"] = json!([{"value": "fresh",
        "id": "String {00020329-0000-0000-C000-000000000046} Name calsync.create"}]);
    let rows = json!({"@odata.context": "x", "value": [{"@odata.etag": "W/\"1\"", "id": "s1", "type": "singleInstance"}]});
    let asked = [RemoteId::from("new:fresh"), RemoteId::from("s2")];
    let mut found = [0, 0];
    for (place, variation) in variations(&rows)
        .into_iter()
        .map(|one| (0, one))
        .chain(variations(&item).into_iter().map(|one| (1, one)))
    {
        let shown = format!("{place} {}", variation.shown());
        let mut answers = [rows.clone(), item.clone()];
        answers[place] = variation.answer.clone();
        let service = graph(move |method, name| match (method, name) {
            ("POST", _) => told(409, &json!({"error": {"code": "ErrorDuplicateTransactionId"}})),
            (_, "look-up") => told(200, &answers[0]),
            (_, "s1") => told(200, &answers[1]),
            (_, "s2") => told(200, &graph_event("s2")),
            _ => not_found(),
        });
        let provider = microsoft(service.clone());
        // One of two that are asked for: the other has its answer.
        let fetched = provider.fetch(&calendar(), &asked).await;
        let fetched = fetched.unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(matches!(&fetched[0], Fetched::Found { id, .. } if id.as_str() == "s2"), "{shown}");
        match &fetched[1] {
            Fetched::Renamed { id, .. } => {
                found[place] += 1;
                assert_eq!(id.as_str(), "s1", "{shown}");
            }
            Fetched::Missing(_) => {
                let gone = place == 0 && takes_out(&variation, "/value", "/value/0");
                // Under another name there is nothing to find.
                let renamed = place == 0 && variation.is("/value/0/id");
                assert!((gone && variation.with.is_some() || variation.is("/value/0")) || renamed, "{shown}");
            }
            Fetched::Failed(_, error) => is_of_the_answer(error, &shown),
            other => panic!("{shown}: {other:?}"),
        }
        assert!(service.writes().is_empty(), "{shown}");
        let created = provider.create(&calendar(), &asked[0], &payload(&provider)).await;
        let error = created.map(|written| written.id).unwrap_err();
        match &error.kind {
            ErrorKind::AlreadyExists { at } => {
                assert!(at.as_ref().is_none_or(|at| at.as_str() == "s1"), "{shown}: {at:?}");
            }
            _ => is_of_the_answer(&error, &shown),
        }
        assert_eq!(service.writes().len(), 1, "{shown}");
    }
    assert!(found.iter().all(|count| *count > 20), "{found:?}");
}

#[tokio::test]
async fn bad_01_a_calendar_that_is_asked_for() {
    let good = json!({"@odata.context": "x", "id": "c", "name": "Work", "color": "auto", "changeKey": "k", "canEdit": true,
        "owner": {"name": "Ann", "address": "ann@example.com"}});
    for variation in variations(&good) {
        let shown = variation.shown();
        let answer = variation.answer.clone();
        let service = graph(move |_, name| if name == "c" { told(200, &answer) } else { not_found() });
        let deleted =
            microsoft(service).delete(&calendar(), &RemoteId::from("s1"), &Version::from("1")).await;
        // Gone is what is not there while the calendar is.
        match deleted {
            Ok(()) => assert!(!variation.path.is_empty(), "{shown}"),
            Err(error) => {
                is_of_the_answer(&error, &shown);
                assert!(variation.path.is_empty() || variation.takes_the_name(""), "{shown}");
            }
        }
    }
    for variation in variations(&json!({"kind": "calendar#events"})) {
        let shown = variation.shown();
        let answer = variation.answer.clone();
        let service = Service::raw(move |request| {
            if request.url.path().ends_with("/events") { told(200, &answer) } else { not_found() }
        });
        let (id, version) = (RemoteId::from("aaaaa"), Version::from(":\"1\""));
        let deleted = google(service).delete(&calendar(), &id, &version).await;
        if let Err(error) = &deleted {
            is_of_the_answer(error, &shown);
        }
        assert_eq!(deleted.is_ok(), variation.answer.is_object(), "{shown}");
    }
}

#[tokio::test]
async fn bad_01_an_id_that_is_taken_at_google() {
    let id = RemoteId::from("aaaaa");
    let posted = |service: Arc<Service>| {
        let id = id.clone();
        async move {
            let provider = google(service.clone());
            let created = provider.create(&calendar(), &id, &payload(&provider)).await;
            (created, service.writes())
        }
    };
    // What the service has of our own earlier try.
    let sent = Arc::new(std::sync::Mutex::new(Value::Null));
    let keep = Arc::clone(&sent);
    posted(Service::raw(move |request| {
        *keep.lock().unwrap() = serde_json::from_slice(&request.body).unwrap();
        told(200, &google_event("aaaaa"))
    }))
    .await
    .0
    .unwrap();
    let mut good = sent.lock().unwrap().clone();
    for (member, value) in google_event("aaaaa").as_object().unwrap() {
        good.as_object_mut().unwrap().entry(member.clone()).or_insert(value.clone());
    }
    let (mut adopted, mut others) = (0, 0);
    for variation in variations(&good) {
        let shown = variation.shown();
        let answer = variation.answer.clone();
        let (created, writes) = posted(Service::raw(move |request| match request.method.as_str() {
            "POST" => told(409, &json!({"error": {"errors": [{"reason": "duplicate"}]}})),
            _ => told(200, &answer),
        }))
        .await;
        assert_eq!(writes.len(), 1, "{shown}");
        match created {
            Ok(written) => {
                adopted += 1;
                assert_eq!(written.id, id);
                assert!(!variation.path.is_empty() && !variation.takes_the_name(""), "{shown}");
            }
            Err(error) if matches!(&error.kind, ErrorKind::AlreadyExists { at: Some(at) } if *at == id) => {
                others += 1;
                assert!(!variation.path.is_empty(), "{shown}");
            }
            Err(error) => is_of_the_answer(&error, &shown),
        }
    }
    assert!(adopted > 20 && others > 20, "{adopted} {others}");
}

fn google_series() -> [Value; 2] {
    let mut master = google_event("mmmmm");
    master["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
    let mut exception = google_event("mmmmm_20260107T090000Z");
    exception["recurringEventId"] = json!("mmmmm");
    exception["iCalUID"] = json!("mmmmm@example.com");
    exception["originalStartTime"] = json!({"dateTime": "2026-01-07T09:00:00Z", "timeZone": "UTC"});
    [master, exception]
}

#[tokio::test]
async fn bad_01_what_is_read_at_google_before_and_after_a_deletion() {
    // A series is read before it is deleted: the event by its name, and what belongs to it.
    let [master, exception] = google_series();
    let listed = json!({"kind": "calendar#events", "items": [master, exception]});
    let delete = |answers: [Value; 2], version: Option<Version>| async move {
        let service = Service::raw(move |request| match request.method.as_str() {
            "DELETE" => (204, HeaderMap::new(), String::new()),
            _ if request.url.path().ends_with("/events") => told(200, &answers[1]),
            _ => told(200, &answers[0]),
        });
        let provider = google(service.clone());
        let id = RemoteId::from("mmmmm");
        let version = match version {
            Some(version) => version,
            None => match provider.fetch(&calendar(), std::slice::from_ref(&id)).await.unwrap().remove(0) {
                Fetched::Found { version: Some(version), .. } => version,
                other => panic!("{other:?}"),
            },
        };
        let deleted = provider.delete(&calendar(), &id, &version).await;
        (deleted, service.writes(), version)
    };
    let (deleted, writes, version) = delete([master.clone(), listed.clone()], None).await;
    assert!(deleted.is_ok() && writes.len() == 1);
    for (place, good) in [(0, &master), (1, &listed)] {
        for variation in variations(good) {
            let shown = format!("{place} {}", variation.shown());
            let mut answers = [master.clone(), listed.clone()];
            answers[place] = variation.answer.clone();
            let (deleted, writes, _) = delete(answers, Some(version.clone())).await;
            assert_eq!(deleted.is_ok(), writes.len() == 1, "{shown}");
            assert!(writes.iter().all(|line| line.ends_with("/mmmmm")), "{shown}: {writes:?}");
            if let Err(error) = deleted
                && error.kind != ErrorKind::VersionMismatch
            {
                is_of_the_answer(&error, &shown);
            }
        }
    }
    // "Not that version", said of what may have been deleted.
    for status in ["confirmed", "cancelled"] {
        let mut good = google_event("aaaaa");
        good["status"] = json!(status);
        for variation in variations(&good) {
            let shown = variation.shown();
            let answer = variation.answer.clone();
            let service = Service::raw(move |request| match request.method.as_str() {
                "DELETE" => told(412, &json!({"error": {"errors": [{"reason": "conditionNotMet"}]}})),
                _ => told(200, &answer),
            });
            let (id, version) = (RemoteId::from("aaaaa"), Version::from(":\"1\""));
            let deleted = google(service).delete(&calendar(), &id, &version).await;
            let is_gone = status == "cancelled"
                && !variation.path.is_empty()
                && !variation.is("/status")
                && !variation.takes_the_name("");
            assert_eq!(deleted.is_ok(), is_gone, "{shown}");
        }
    }
}

#[tokio::test]
async fn bad_01_instances_google_names_and_series_it_does_not_list() {
    // Called off here: which one that is has to be told.
    let [master, mut instance] = google_series();
    instance["summary"] = json!("mmmmm");
    instance["start"]["dateTime"] = json!("2026-01-07T09:00:00Z");
    instance["end"]["dateTime"] = json!("2026-01-07T10:00:00Z");
    let good = json!({"kind": "calendar#events", "items": [instance]});
    for variation in variations(&good) {
        let (answer, held) = (variation.answer.clone(), master.clone());
        let service = Service::raw(move |request| match (request.method.as_str(), request.url.path()) {
            ("DELETE", _) => (204, HeaderMap::new(), String::new()),
            (_, path) if path.ends_with("/instances") => told(200, &answer),
            (_, path) if path.ends_with("/events") => told(200, &json!({"items": [held]})),
            _ => told(200, &held),
        });
        let provider = google(service.clone());
        let (id, version, rendered) =
            edited(&provider, "mmmmm", |event| drop(event.overrides.insert(second(), Override::Excluded)))
                .await;
        let written = provider.update(&calendar(), &id, &version, &rendered).await;
        let is_none = takes_out(&variation, "/items", "/items/0");
        let is_off = variation.answer.pointer("/items/0/status") == Some(&json!("cancelled"));
        let shown = variation.shown();
        assert!(written.is_err() || !service.writes().is_empty() || is_none || is_off, "{shown}");
    }

    // A master that changed, and what is said of the series it is.
    let [mut master, exception] = google_series();
    master["etag"] = json!("\"2\"");
    let delta =
        json!({"kind": "calendar#events", "nextSyncToken": "t2", "items": [google_event("aaaaa"), master]});
    let whole = json!({"kind": "calendar#events", "items": [master, exception]});
    for variation in variations(&whole) {
        let shown = variation.shown();
        let (delta, series) = (delta.clone(), variation.answer.clone());
        let provider = google(Service::new(move |request| match request.url.query().unwrap_or_default() {
            query if query.contains("iCalUID") => series.clone(),
            query if query.contains("syncToken") => delta.clone(),
            _ => json!({"kind": "calendar#events", "items": [], "nextSyncToken": "t1"}),
        }));
        let page = changes(&provider, None).await.unwrap();
        let page = changes(&provider, page.cursor.as_ref()).await.unwrap();
        // It changed: either it is here, or it is asked for by name.
        for id in ["aaaaa", "mmmmm"] {
            let change = page.changes.iter().find(|change| change.id.as_str() == id);
            let is_told = change.is_some_and(|change| matches!(change.change, ItemChange::Present { .. }));
            let is_off =
                id == "mmmmm" && variation.answer.pointer("/items/0/status") == Some(&json!("cancelled"));
            assert!(is_told || is_off, "{shown}: {id}");
        }
    }

    // Asked for by name: whole, or not at all.
    let [master, exception] = google_series();
    let ids = [RemoteId::from("mmmmm"), RemoteId::from("bbbbb")];
    for variation in variations(&json!({"kind": "calendar#events", "items": [master, exception]})) {
        let shown = variation.shown();
        let (held, series) = (master.clone(), variation.answer.clone());
        let provider = google(Service::raw(move |request| match request.url.path() {
            path if path.ends_with("/events") => told(200, &series),
            _ => multipart(&[(0, 200, &held), (1, 200, &google_event("bbbbb"))]),
        }));
        let fetched = provider.fetch(&calendar(), &ids).await;
        let fetched = fetched.unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(matches!(&fetched[1], Fetched::Found { .. }), "{shown}");
        match &fetched[0] {
            Fetched::Found { payload, .. } => {
                let is_whole = payload.as_str().contains("exceptions");
                assert!(is_whole || variation.touches("/items/1"), "{shown}");
                // A row taken out of the list, or one of another series.
                let plain =
                    takes_out(&variation, "/items", "/items/1") || variation.is("/items/1/recurringEventId");
                assert!(is_whole || plain, "{shown}");
            }
            Fetched::Failed(_, error) => is_of_the_answer(error, &shown),
            other => panic!("{shown}: {other:?}"),
        }
    }
}
