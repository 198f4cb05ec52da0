//! The facade as a language sees it: names and JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::sync::{Arc, mpsc};

use async_trait::async_trait;
use calsync_bindings::{Code, Engine, Host, HostFailure, Runtime, pure, surface::surface};
use calsync_testkit::dav::{DavOptions, DavServer};
use serde_json::{Value, json};

const TEXT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:a\r\n\
    DTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260327T090000\r\nDURATION:PT1H\r\n\
    RRULE:FREQ=DAILY;COUNT=4\r\nSUMMARY:Stand-up\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

fn call(method: &str, args: Value) -> Value {
    serde_json::from_str(&pure(method, &args.to_string()).unwrap()).unwrap()
}

fn event() -> Value {
    call("parse", json!({ "texts": [TEXT] }))[0]["ok"]["events"][0].clone()
}

#[test]
fn rules_are_text_and_an_event_comes_back_as_it_was() {
    let event = event();
    assert_eq!(event["rules"], json!(["FREQ=DAILY;COUNT=4"]));
    let merged = call("merge", json!({ "items": [{ "local": event, "remote": event }] }));
    assert_eq!(merged[0]["local"], event);
    let mut renamed = event.clone();
    renamed["master"]["title"] = json!("Daily");
    let fields = call("diff", json!({ "pairs": [{ "before": event, "after": renamed }] }));
    assert_eq!(fields, json!([[{ "instance": null, "part": "title", "key": null }]]));
    let patched = call("patch", json!({ "edits": [{ "original": TEXT, "event": renamed }] }));
    assert_eq!(patched[0]["ok"], json!(TEXT.replace("Stand-up", "Daily")));
}

#[test]
fn a_window_has_the_instances_that_overlap_it() {
    let args = json!({ "events": [event()], "start": "2026-03-28T00:00:00Z", "end": "2026-03-30T00:00:00Z" });
    let instances = call("expand", args)[0]["instances"].clone();
    let ids: Vec<&str> = instances.as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["20260328T080000Z", "20260329T070000Z"]);
}

#[test]
fn arguments_that_cannot_be_read_are_refused_without_their_text() {
    for (method, args) in [
        ("parse", "not json"),
        ("parse", r#"{"text": "secret"}"#),
        ("expand", r#"{"events": [], "start": "secret", "end": "secret"}"#),
        ("merge", r#"{"items": [], "policy": "secret"}"#),
        ("no such method", "{}"),
    ] {
        let failure = pure(method, args).unwrap_err();
        assert_eq!(failure.code, Code::InvalidInput, "{method}");
        assert!(!failure.message.contains("secret"), "{method}: {failure}");
    }
}

#[test]
fn a_url_is_no_path_of_a_store() {
    let refused =
        Engine::new(r#"{"sqlite": {"path": "postgresql://app:secret@db/calendars"}}"#).err().unwrap();
    assert_eq!(refused.code, Code::InvalidInput);
    assert!(!refused.message.contains("secret"), "{refused}");
}

#[test]
fn the_surface_knows_fields_words_and_codes() {
    let surface = surface();
    assert!(surface.values.iter().all(|(name, fields)| !fields.is_empty() || *name == "Nothing"));
    assert!(surface.words.values().all(|words| words.len() > 1));
    assert!(surface.values["Event"].contains(&"excluded_rules".to_owned()));
    assert!(surface.codes.contains(&"host-silent"));
    assert_eq!(surface.words["Direction"], ["two-way", "import", "export"]);
}

async fn ask(engine: &Engine, method: &str, args: Value) -> Value {
    let answer = engine.call(method.to_owned(), args.to_string(), None).await;
    serde_json::from_str(&answer.unwrap_or_else(|failure| panic!("{method}: {failure}"))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_goes_out_and_a_held_plan_is_approved() {
    let server = DavServer::start(DavOptions::default()).unwrap();
    let engine = Engine::new("\"memory\"").unwrap();
    ask(&engine, "put_calendar", json!({ "calendar": { "id": "family", "name": "Family" } })).await;
    let account = json!({
        "connection": "account", "provider": "caldav", "url": server.url(), "username": "user", "secret": "secret",
        "trust_address": true,
    });
    ask(&engine, "connect", account).await;
    let remote = ask(&engine, "remote_calendars", json!({ "connection": "account" })).await;
    let link = json!({
        "link": "home", "calendar": "family", "connection": "account", "remote": remote[0]["id"],
    });
    ask(&engine, "add_link", link).await;
    for number in 0..12 {
        let mut event = event();
        event["uid"] = json!(format!("e{number}"));
        ask(&engine, "add_event", json!({ "calendar": "family", "event": event })).await;
    }
    assert_eq!(ask(&engine, "sync", json!({ "link": "home" })).await["counts"]["pushed"], 12);
    for stored in ask(&engine, "events", json!({ "calendar": "family" })).await.as_array().unwrap() {
        let args = json!({ "calendar": "family", "id": stored["id"], "revision": stored["revision"] });
        ask(&engine, "delete_event", args).await;
    }
    let held = ask(&engine, "sync", json!({ "link": "home" })).await;
    assert_eq!((&held["held"], &held["counts"]["held"]), (&json!(true), &json!(12)));
    let done = ask(&engine, "sync", json!({ "link": "home", "approve": held["plan_id"] })).await;
    assert_eq!(done["counts"]["pushed"], 12);
    let closed = ask(&engine, "close", json!({})).await;
    assert_eq!(closed, Value::Null);
    let failure = engine.call("calendars".to_owned(), "{}".to_owned(), None).await.unwrap_err();
    assert_eq!(failure.code, Code::Closed);
}

/// PRIV-01: what a link that exports shows without a word, and when everything is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn priv_01_an_export_is_busy_only_until_it_says_more() {
    let server = DavServer::start(DavOptions::default()).unwrap();
    let engine = Engine::new("\"memory\"").unwrap();
    ask(&engine, "put_calendar", json!({ "calendar": { "id": "family", "name": "Family" } })).await;
    let account = json!({
        "connection": "account", "provider": "caldav", "url": server.url(), "username": "user", "secret": "secret",
        "trust_address": true,
    });
    ask(&engine, "connect", account).await;
    let remote = ask(&engine, "remote_calendars", json!({ "connection": "account" })).await;
    let mut event = event();
    event["master"]["title"] = json!("Canary");
    ask(&engine, "add_event", json!({ "calendar": "family", "event": event })).await;
    let everything = json!({ "pipeline": { "start": { "type": "everything" } } }).to_string();
    for (copies, shown) in [(None, "Busy"), (Some(&everything), "Canary"), (None, "Busy")] {
        let link = json!({
            "link": "mirror", "calendar": "family", "connection": "account", "remote": remote[0]["id"],
            "direction": "export", "copies": copies,
        });
        ask(&engine, "add_link", link).await;
        let synced = engine.call("sync".to_owned(), json!({ "link": "mirror" }).to_string(), None).await;
        if copies.is_none() && server.list("work").iter().any(|(_, _, text)| text.contains("Canary")) {
            // It was whole before: somebody has to say that it is not to be any more.
            assert_eq!(synced.unwrap_err().code, Code::InvalidInput);
            continue;
        }
        synced.unwrap();
        let all: Vec<String> = server.list("work").into_iter().map(|(_, _, text)| text).collect();
        assert!(all.len() == 1 && all[0].contains(&format!("SUMMARY:{shown}\r\n")), "{all:?}");
    }
}

/// What `transform` gives is what the link writes, down to the UID.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_shown_first_is_the_one_that_is_written() {
    let server = DavServer::start(DavOptions::default()).unwrap();
    let engine = Engine::new("\"memory\"").unwrap();
    ask(&engine, "put_calendar", json!({ "calendar": { "id": "family", "name": "Family" } })).await;
    let account = json!({
        "connection": "account", "provider": "caldav", "url": server.url(), "username": "user", "secret": "secret",
        "trust_address": true,
    });
    ask(&engine, "connect", account).await;
    let remote = ask(&engine, "remote_calendars", json!({ "connection": "account" })).await;
    let steps = json!([{ "name": "whose", "transform": { "type": "prefix-title", "prefix": "[{{calendar_name}}] " } }]);
    let pipeline = json!({ "start": { "type": "bare", "title": "Taken" }, "steps": steps });
    let copies = json!({ "pipeline": pipeline, "calendar_name": "Anna", "uid_salt": "pepper" }).to_string();
    let link = json!({
        "link": "mirror", "calendar": "family", "connection": "account", "remote": remote[0]["id"],
        "direction": "export", "copies": copies,
    });
    ask(&engine, "add_link", link).await;
    ask(&engine, "add_event", json!({ "calendar": "family", "event": event() })).await;
    ask(&engine, "sync", json!({ "link": "mirror" })).await;
    let args = json!({
        "events": [event()], "pipeline": pipeline.to_string(), "around": { "calendar_name": "Anna" }, "link": "mirror",
        "uid_salt": "pepper",
    });
    let shown = call("transform", args)[0]["event"].clone();
    let written: Vec<String> = server.list("work").into_iter().map(|(_, _, text)| text).collect();
    let written = call("parse", json!({ "texts": written }))[0]["ok"]["events"][0].clone();
    assert_eq!((&shown["uid"], &shown["rules"]), (&written["uid"], &written["rules"]));
    assert_eq!(
        (&shown["master"]["title"], &shown["master"]["time"]),
        (&json!("[Anna] Taken"), &written["master"]["time"])
    );
    assert_eq!(written["master"]["title"], "[Anna] Taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_set_explained_and_counted_as_taken_time() {
    let server = DavServer::start(DavOptions::default()).unwrap();
    let engine = Engine::new("\"memory\"").unwrap();
    ask(&engine, "put_calendar", json!({ "calendar": { "id": "family", "name": "Family" } })).await;
    let account = json!({
        "connection": "account", "provider": "caldav", "url": server.url(), "username": "user", "secret": "secret",
        "trust_address": true,
    });
    ask(&engine, "connect", account).await;
    let remote = ask(&engine, "remote_calendars", json!({ "connection": "account" })).await;
    let link = |direction: &str, pipeline: Value| {
        let copies = json!({ "pipeline": pipeline, "calendar_name": "Anna" }).to_string();
        json!({
            "link": "mirror", "calendar": "family", "connection": "account", "remote": remote[0]["id"],
            "direction": direction, "copies": copies, "edits": "restore", "check_copies_every": 3600,
        })
    };
    let steps = json!({ "steps": [
        { "name": "no lunches", "filter": { "type": "title", "exclude": "(?i)lunch" } },
        { "name": "whose", "transform": { "type": "prefix-title", "prefix": "[{{calendar_name}}] " } },
    ] });
    for (direction, pipeline, expected) in [
        ("two-way", steps.clone(), "one way"),
        (
            "export",
            json!({ "steps": [{ "name": "a", "filter": { "type": "title", "exclude": "(" } }] }),
            "regular",
        ),
        ("export", json!({ "steps": [{ "name": "a" }] }), "copies"),
    ] {
        let failure = engine.call("add_link".to_owned(), link(direction, pipeline).to_string(), None).await;
        let failure = failure.unwrap_err();
        assert!(failure.code == Code::InvalidInput && failure.message.contains(expected), "{failure}");
    }
    ask(&engine, "add_link", link("export", steps)).await;
    let mut ids = Vec::new();
    for title in ["Lunch", "Review"] {
        let mut event = event();
        (event["uid"], event["master"]["title"]) = (json!(title), json!(title));
        ids.push(ask(&engine, "add_event", json!({ "calendar": "family", "event": event })).await);
    }
    let terms = |window: [&str; 2]| {
        let terms = json!({
            "calendars": [{ "calendar": "family" }], "start": window[0], "end": window[1],
            "slots": { "slot_minutes": 60, "granularity_minutes": 60 },
        });
        json!({ "terms": terms })
    };
    let never = ask(&engine, "free", terms(["2100-01-01T00:00:00Z", "2100-01-01T02:00:00Z"])).await;
    assert_eq!(never["calendars"][0]["state"], "current", "a link that exports brings nothing in");
    let mut import = link("import", json!({ "steps": [] }));
    (import["link"], import["calendar"]) = (json!("import"), json!("other"));
    ask(&engine, "add_link", import).await;
    let other = json!({
        "calendars": [{ "calendar": "other" }], "start": "2100-01-01T00:00:00Z", "end": "2100-01-02T00:00:00Z",
    });
    let never = ask(&engine, "free", json!({ "terms": other })).await;
    assert_eq!(never["calendars"][0]["state"], "unknown", "its link never ran");
    ask(&engine, "sync", json!({ "link": "mirror" })).await;
    let texts: Vec<String> = server.list("work").into_iter().map(|(_, _, text)| text).collect();
    assert!(texts.len() == 1 && texts[0].contains("SUMMARY:[Anna] Busy"), "{texts:?}");
    for (id, state) in ids.iter().zip(["left-out", "in-step"]) {
        let args = json!({ "calendar": "family", "id": id });
        let explained = ask(&engine, "explain", args).await;
        assert_eq!(explained["ways"][0]["state"], state, "{explained}");
    }
    let found = ask(&engine, "free", terms(["2100-01-01T00:00:00Z", "2100-01-01T02:00:00Z"])).await;
    assert_eq!(
        (found["slots"].as_array().unwrap().len(), &found["calendars"][0]["state"]),
        (2, &json!("current"))
    );
    let past = ask(&engine, "free", terms(["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"])).await;
    assert!(!past["busy"].as_array().unwrap().is_empty(), "{past}");
    for (method, args) in [
        ("explain", json!({ "calendar": "family", "id": "nobody" })),
        ("free", json!({ "terms": {} })),
        ("free", json!({ "terms": "no terms" })),
        ("free", terms(["2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"])),
        ("free", terms(["2100-01-01T02:00:00Z", "2100-01-01T00:00:00Z"])),
    ] {
        let failure = engine.call(method.to_owned(), args.to_string(), None).await.unwrap_err();
        assert_eq!(failure.code, Code::InvalidInput, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_shows_no_more_than_busy_times_has_to_be_free_as_well() {
    let server = DavServer::start(DavOptions::default()).unwrap();
    let timed = |uid: &str, hour: u32, more: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART:21000101T{hour:02}0000Z\r\nDURATION:PT1H\r\n{more}END:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    server.put("work", "a.ics", &timed("a", 1, ""));
    server.put("work", "b.ics", &timed("b", 2, "STATUS:TENTATIVE\r\n"));
    let engine = Engine::new("\"memory\"").unwrap();
    ask(&engine, "put_calendar", json!({ "calendar": { "id": "own", "name": "Own" } })).await;
    let account = json!({
        "connection": "account", "provider": "caldav", "url": server.url(), "username": "user", "secret": "secret",
        "trust_address": true,
    });
    ask(&engine, "connect", account).await;
    let remote = ask(&engine, "remote_calendars", json!({ "connection": "account" })).await[0]["id"].clone();
    let terms = |connection: &str, remote: &Value, tentative: &str| {
        let terms = json!({
            "calendars": [{ "calendar": "own" }],
            "elsewhere": [{ "calendar": "boss", "connection": connection, "remote": remote }],
            "start": "2100-01-01T00:00:00Z", "end": "2100-01-01T04:00:00Z",
            "slots": { "tentative": tentative, "slot_minutes": 60, "granularity_minutes": 60 },
        });
        json!({ "terms": terms })
    };
    for (tentative, slots) in [("busy", 2), ("free", 3)] {
        let found = ask(&engine, "free", terms("account", &remote, tentative)).await;
        assert_eq!(found["slots"].as_array().unwrap().len(), slots, "{found}");
        let about = &found["calendars"][1];
        assert_eq!((&about["calendar"], &about["state"]), (&json!("boss"), &json!("current")));
    }
    let nobody = ask(&engine, "free", terms("account", &json!("nobody@example.com"), "busy")).await;
    assert_eq!((&nobody["slots"], &nobody["calendars"][1]["state"]), (&json!([]), &json!("unknown")));
    let failure = engine.call("free".to_owned(), terms("none", &remote, "busy").to_string(), None).await;
    assert_eq!(failure.unwrap_err().code, Code::UnknownConnection);
    let mut taken = terms("account", &remote, "busy");
    (taken["start"], taken["end"]) = (json!("2100-01-01T02:00:00Z"), json!("2100-01-01T03:00:00Z"));
    taken["minutes"] = json!(5);
    let failure = engine.call("hold".to_owned(), taken.to_string(), None).await.unwrap_err();
    assert_eq!(failure.code, Code::SlotTaken);
}

/// What nobody read is not on offer, and the answer says so.
#[tokio::test(flavor = "multi_thread")]
async fn free_time_is_that_of_what_a_feed_is_published_for() {
    let folder = tempfile::tempdir().unwrap();
    let feed = folder.path().join("feed.ics");
    std::fs::write(&feed, TEXT).unwrap();
    let engine = Engine::new("\"memory\"").unwrap();
    ask(&engine, "put_calendar", json!({ "calendar": { "id": "family", "name": "Family" } })).await;
    for (ahead_days, covers) in [(Some(30), false), (None, true)] {
        let account = json!({
            "connection": "feed", "provider": "ics", "url": feed.to_str(), "trust_address": true,
            "ahead_days": ahead_days,
        });
        ask(&engine, "connect", account).await;
        let link =
            json!({ "link": "feed", "calendar": "family", "connection": "feed", "direction": "import" });
        ask(&engine, "add_link", link).await;
        ask(&engine, "sync", json!({ "link": "feed" })).await;
        let terms = json!({
            "calendars": [{ "calendar": "family" }], "start": "2131-03-03T00:00:00Z", "end": "2131-03-03T01:00:00Z",
        });
        let found = ask(&engine, "free", json!({ "terms": terms })).await;
        let about = &found["calendars"][0];
        assert_eq!((&about["state"], &about["covers_window"]), (&json!("current"), &json!(covers)));
        assert_eq!((found["slots"] == json!([]), about["covered"].is_null()), (!covers, !covers), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_forgotten_leaves_both_sides_and_meets_them_anew() {
    let server = DavServer::start(DavOptions::default()).unwrap();
    let engine = Engine::new("\"memory\"").unwrap();
    ask(&engine, "put_calendar", json!({ "calendar": { "id": "family", "name": "Family" } })).await;
    let account = json!({
        "connection": "account", "provider": "caldav", "url": server.url(), "username": "user", "secret": "secret",
        "trust_address": true,
    });
    ask(&engine, "connect", account).await;
    let remote = ask(&engine, "remote_calendars", json!({ "connection": "account" })).await;
    let link = json!({
        "link": "home", "calendar": "family", "connection": "account", "remote": remote[0]["id"],
    });
    ask(&engine, "add_link", link.clone()).await;
    let id = ask(&engine, "add_event", json!({ "calendar": "family", "event": event() })).await;
    ask(&engine, "sync", json!({ "link": "home" })).await;
    let sources = async || {
        let found = ask(&engine, "sources", json!({ "events": [id] })).await;
        found.as_array().unwrap().len()
    };
    assert_eq!(sources().await, 1);

    ask(&engine, "forget", json!({ "link": "home" })).await;
    for method in ["sync", "forget"] {
        let failure = engine.call(method.to_owned(), json!({ "link": "home" }).to_string(), None).await;
        assert_eq!(failure.unwrap_err().code, Code::UnknownLink, "{method}");
    }
    ask(&engine, "add_link", link).await;
    assert_eq!(sources().await, 0);
    let events = ask(&engine, "events", json!({ "calendar": "family" })).await;
    assert_eq!((events.as_array().unwrap().len(), server.list("work").len()), (1, 1));

    ask(&engine, "sync", json!({ "link": "home" })).await;
    let events = ask(&engine, "events", json!({ "calendar": "family" })).await;
    assert_eq!((events.as_array().unwrap().len(), server.list("work").len()), (1, 1));
    assert_eq!(sources().await, 1);
}

/// A host that gives one answer to everything.
struct Always(Result<String, HostFailure>);

#[async_trait]
impl Host for Always {
    async fn call(&self, _: &'static str, _: String) -> Result<String, HostFailure> {
        self.0.clone()
    }

    fn tell(&self, _: String) {}
}

#[tokio::test]
async fn a_hosts_failure_names_its_method_and_keeps_its_kind() {
    let engine = Engine::new("\"host\"").unwrap();
    for (answer, code) in [
        (Ok("[]".to_owned()), None),
        (Ok("7".to_owned()), Some(Code::HostType)),
        (Ok("no json".to_owned()), Some(Code::HostType)),
        (Err(HostFailure::new("store.calendars", "failed", "LookupError")), Some(Code::HostFailed)),
        (Err(HostFailure::new("store.calendars", "silent", "")), Some(Code::HostSilent)),
        (Err(HostFailure::new("store.calendars", "unavailable", "")), Some(Code::StoreUnavailable)),
        (Err(HostFailure::new("store.calendars", "conflict", "")), Some(Code::StoreConflict)),
    ] {
        let host: Arc<dyn Host> = Arc::new(Always(answer));
        let result = engine.call("calendars".to_owned(), "{}".to_owned(), Some(host)).await;
        let failure = result.err();
        assert_eq!(failure.as_ref().map(|failure| failure.code), code);
        if matches!(code, Some(Code::HostType | Code::HostFailed | Code::HostSilent)) {
            assert_eq!(failure.and_then(|failure| failure.item).as_deref(), Some("store.calendars"));
        }
    }
    let nobody = engine.call("calendars".to_owned(), "{}".to_owned(), None).await.unwrap_err();
    assert_eq!(nobody.code, Code::HostSilent);
}

#[test]
fn the_runtime_tells_once_also_of_a_panic_and_of_a_cancellation() {
    let runtime = Runtime::new().unwrap();
    let (sender, receiver) = mpsc::channel();
    let tell = |sender: &mpsc::Sender<_>| {
        let sender = sender.clone();
        move |result: Result<String, calsync_bindings::Failure>| {
            sender.send(result.map_err(|failure| failure.code)).unwrap();
        }
    };
    runtime.start(async { Ok("1".to_owned()) }, tell(&sender)).unwrap();
    assert_eq!(receiver.recv().unwrap(), Ok("1".to_owned()));
    runtime.start(async { panic!("a bug") }, tell(&sender)).unwrap();
    assert_eq!(receiver.recv().unwrap(), Err(Code::Internal));
    runtime.start(std::future::pending(), tell(&sender)).unwrap().cancel();
    assert_eq!(receiver.recv().unwrap(), Err(Code::Cancelled));
    runtime.start(std::future::pending(), tell(&sender)).unwrap();
    runtime.shutdown();
    let after = runtime.start(async { Ok(String::new()) }, tell(&sender)).unwrap_err();
    assert_eq!(after.code, Code::Closed);
}
