//! Emulators as the languages start them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use calsync_bindings::{Code, Engine, testing::Emulator};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_is_an_account_of_its_provider() {
    for (provider, calendar) in [
        ("caldav", "Personal"),
        ("cozi", "The Browns"),
        ("google", "ann@example.com"),
        ("ics", "account"),
        ("microsoft", "Calendar"),
    ] {
        let emulator = Emulator::start(&json!({ "provider": provider }).to_string()).unwrap();
        let mut account: Value = serde_json::from_str(emulator.account()).unwrap();
        account["connection"] = json!("account");
        let engine = Engine::new("\"memory\"").unwrap();
        engine.call("connect".to_owned(), account.to_string(), None).await.unwrap();
        let args = json!({ "connection": "account" }).to_string();
        let remotes = engine.call("remote_calendars".to_owned(), args, None).await.unwrap();
        let remotes: Value = serde_json::from_str(&remotes).unwrap();
        assert_eq!(remotes[0]["name"], calendar, "{provider}: {remotes}");
        assert!(!format!("{emulator:?}").contains("secret"));
    }
}

#[test]
fn what_it_does_not_know_it_refuses() {
    for settings in [r#"{"provider":"post"}"#, r#"{"provider":"caldav","port":1}"#, "[]"] {
        assert_eq!(
            Emulator::start(settings).err().map(|failure| failure.code),
            Some(Code::InvalidInput),
            "{settings}"
        );
    }
}

/// What is in the calendar is put, replaced and deleted there, each service in its own form.
#[test]
fn items_are_put_replaced_and_deleted() {
    let ical = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tests//EN\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260105T120000Z\r\n\
        DTSTART:20260301T090000Z\r\nSUMMARY:Breakfast\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let google = json!({
        "summary": "Breakfast",
        "start": {"dateTime": "2026-03-01T09:00:00Z"},
        "end": {"dateTime": "2026-03-01T10:00:00Z"},
    });
    let graph = json!({
        "subject": "Breakfast",
        "start": {"dateTime": "2026-03-01T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-01T10:00:00", "timeZone": "UTC"},
    });
    let cozi = json!({"itemType": "appointment", "day": "2026-03-01", "description": "Breakfast"});
    for (provider, item) in [
        ("caldav", ical.to_owned()),
        ("cozi", cozi.to_string()),
        ("google", google.to_string()),
        ("microsoft", graph.to_string()),
    ] {
        let emulator = Emulator::start(&json!({ "provider": provider }).to_string()).unwrap();
        let ask = |method: &str, args: Value| -> Result<Value, Code> {
            let answer = emulator.ask(method, &args.to_string()).map_err(|failure| failure.code)?;
            Ok(serde_json::from_str(&answer).unwrap())
        };
        let id = ask("put", json!({ "item": item })).unwrap();
        let id = id.as_str().unwrap();
        let stored = ask("items", json!({})).unwrap();
        let text = stored[id].as_str().unwrap();
        assert!(text.contains("Breakfast"), "{provider}: {text}");
        let again = text.replace("Breakfast", "Brunch");
        assert_eq!(ask("put", json!({ "id": id, "item": again })), Ok(json!(id)), "{provider}");
        let other = ask("put", json!({ "item": item })).unwrap();
        let stored = ask("items", json!({})).unwrap();
        assert!(stored[id].as_str().unwrap().contains("Brunch"), "{provider}: {stored}");
        assert!(
            stored[other.as_str().unwrap()].as_str().unwrap().contains("Breakfast"),
            "{provider}: {stored}"
        );
        assert_eq!(ask("delete", json!({ "id": id })), Ok(Value::Null), "{provider}");
        assert_eq!(ask("items", json!({})).unwrap().as_object().unwrap().len(), 1, "{provider}");
        assert_eq!(ask("delete", json!({ "id": id })), Err(Code::InvalidInput), "{provider}");
        if provider != "caldav" {
            assert_eq!(ask("put", json!({ "id": id, "item": item })), Err(Code::InvalidInput), "{provider}");
        }
        assert_eq!(ask("put", json!({ "item": "neither form" })), Err(Code::InvalidInput), "{provider}");
        assert_eq!(ask("items", json!({})).unwrap().as_object().unwrap().len(), 1, "{provider}");
        assert_eq!(ask("tell", json!({ "line": "fault status=503" })), Ok(Value::Null), "{provider}");
        assert_eq!(ask("tell", json!({ "line": "fault teapot" })), Err(Code::InvalidInput), "{provider}");
        assert_eq!(ask("sing", json!({})), Err(Code::InvalidInput), "{provider}");
    }
}

/// What is no calendar text is refused where items are texts; one that is broken inside is a calendar still. An object is looked into
/// at Microsoft alone.
#[test]
fn an_item_of_another_form_is_refused() {
    let put = |provider: &str, id: Option<&str>, item: &str| {
        let emulator = Emulator::start(&json!({ "provider": provider }).to_string()).unwrap();
        let before = emulator.ask("items", "{}").unwrap();
        let put = emulator.ask("put", &json!({ "id": id, "item": item }).to_string());
        let changed = emulator.ask("items", "{}").unwrap() != before;
        assert_eq!(put.is_ok(), changed, "{provider}: {item}");
        put.map(drop).map_err(|failure| failure.code)
    };
    let event = "BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\n";
    for (provider, id) in
        [("caldav", Some("a.ics")), ("caldav", None), ("ics", Some("calendar.ics")), ("ics", None)]
    {
        for text in ["", "{}", "<html></html>", event] {
            assert_eq!(put(provider, id, text), Err(Code::InvalidInput), "{provider}: {text}");
        }
        assert_eq!(put(provider, id, &format!("begin:vcalendar\r\n{event}")), Ok(()), "{provider}");
    }
    for (provider, taken) in [("cozi", Ok(())), ("google", Ok(())), ("microsoft", Err(Code::InvalidInput))] {
        assert_eq!(put(provider, None, r#"{"start":"whenever"}"#), taken, "{provider}");
    }
}

/// A service that is down is left alone for a while, whatever a host asks meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_left_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 500 Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let engine = Engine::new("\"memory\"").unwrap();
    let account = json!({ "connection": "account", "provider": "google", "url": url, "secret": "x", "trust_address": true });
    engine.call("connect".to_owned(), account.to_string(), None).await.unwrap();
    for _ in 0..8 {
        let args = json!({ "connection": "account" }).to_string();
        let failure = engine.call("remote_calendars".to_owned(), args, None).await.unwrap_err();
        assert_eq!(failure.code, Code::Unavailable);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}
