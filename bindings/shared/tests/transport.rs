//! HTTP of the host, as the facade asks for it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use calsync_bindings::{Code, Engine, Failure, Host, HostFailure, pure};
use serde_json::{Value, json};

const FEED: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n\
    DTSTART:20260305T090000Z\r\nSUMMARY:Review\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// Answers every request with the same, and keeps what it was asked.
struct Network {
    answer: Result<Value, &'static str>,
    asked: Mutex<Vec<Value>>,
}

#[async_trait]
impl Host for Network {
    async fn call(&self, method: &'static str, args: String) -> Result<String, HostFailure> {
        assert_eq!(method, "transport.send");
        self.asked.lock().unwrap().push(serde_json::from_str(&args).unwrap());
        match &self.answer {
            Ok(answer) => Ok(answer.to_string()),
            Err("silent") => std::future::pending().await,
            Err(kind) => Err(HostFailure::new(method, kind, "OSError")),
        }
    }

    fn tell(&self, _: String) {}
}

/// A feed that is read over a network of the host, once.
async fn read(url: &str, answer: Result<Value, &'static str>) -> (Result<Value, Failure>, Vec<Value>) {
    let network = Arc::new(Network { answer, asked: Mutex::default() });
    let engine =
        Engine::new(&json!({ "store": "memory", "host": { "transport": true } }).to_string()).unwrap();
    let mut last = Ok(Value::Null);
    for (method, args) in [
        ("put_calendar", json!({ "calendar": { "id": "family", "name": "Family" } })),
        ("connect", json!({ "connection": "feed", "provider": "ics", "url": url })),
        (
            "add_link",
            json!({ "link": "feed", "calendar": "family", "connection": "feed", "direction": "import" }),
        ),
        ("sync", json!({ "link": "feed" })),
        ("events", json!({ "calendar": "family" })),
    ] {
        let answer = engine.call(method.to_owned(), args.to_string(), Some(network.clone())).await;
        last = answer.map(|text| serde_json::from_str(&text).unwrap());
        if last.is_err() {
            break;
        }
    }
    let asked = network.asked.lock().unwrap().clone();
    (last, asked)
}

fn served(status: u16, body: &[u8]) -> Value {
    json!({ "status": status, "headers": [["Content-Type", "text/calendar"], ["not a name", "x"]], "body": BASE64.encode(body) })
}

#[tokio::test]
async fn a_feed_is_read_over_the_hosts_network() {
    let (events, asked) = read("https://feeds.example.com/a.ics", Ok(served(200, FEED.as_bytes()))).await;
    assert_eq!(events.unwrap()[0]["event"]["master"]["title"], "Review");
    let request = &asked[0]["request"];
    assert_eq!(request["method"], "GET");
    assert_eq!(request["url"], "https://feeds.example.com/a.ics");
    assert_eq!((&request["addresses"], &request["body"]), (&json!("public"), &json!("")));
    for limit in ["body_max", "connect_ms", "stall_ms", "total_ms"] {
        assert!(request[limit].as_u64().unwrap() > 1000, "{limit}");
    }
}

#[tokio::test]
async fn what_a_network_says_is_an_error_of_the_provider_and_what_it_does_wrong_is_the_hosts() {
    let own = Some("transport.send");
    let table: [(Result<Value, &'static str>, Code, bool, Option<&str>); 10] = [
        (Ok(served(401, b"")), Code::Unauthorized, false, None),
        (Err("connect"), Code::Unavailable, true, None),
        (Err("timeout"), Code::Unavailable, true, None),
        (Err("interrupted"), Code::Unavailable, true, None),
        (Err("too-large"), Code::TooLarge, false, None),
        (Err("blocked"), Code::Blocked, false, None),
        (Err("failed"), Code::HostFailed, false, own),
        (Ok(json!({ "status": 20, "headers": [], "body": "" })), Code::HostType, false, own),
        (Ok(json!({ "status": 200, "headers": [], "body": "?" })), Code::HostType, false, own),
        (Ok(json!("200 OK")), Code::HostType, false, own),
    ];
    for (answer, code, retryable, item) in table {
        let what = format!("{answer:?}");
        let (result, asked) = read("https://feeds.example.com/a.ics", answer).await;
        let failure = result.unwrap_err();
        assert_eq!((failure.code, failure.retryable), (code, retryable), "{what}: {failure}");
        if item.is_some() {
            assert_eq!(failure.item.as_deref(), item, "{what}");
        }
        assert_eq!(asked.len(), 1, "{what}");
        assert!(!failure.message.contains("feeds.example.com"), "{what}: {failure}");
    }
}

/// A body the transport should have ended, and one that never comes.
#[tokio::test(start_paused = true)]
async fn limits_hold_also_where_the_host_forgets_them() {
    let large = vec![b'x'; 40 << 20];
    let (result, _) = read("https://feeds.example.com/a.ics", Ok(served(200, &large))).await;
    assert_eq!(result.unwrap_err().code, Code::TooLarge);
    let (result, asked) = read("https://feeds.example.com/a.ics", Err("silent")).await;
    let failure = result.unwrap_err();
    assert_eq!((failure.code, failure.retryable, asked.len()), (Code::Unavailable, true, 1), "{failure}");
}

#[tokio::test]
async fn an_address_at_home_is_not_even_asked_for() {
    for url in ["http://10.0.0.1/a.ics", "http://localhost:8080/a.ics", "http://[::1]/a.ics"] {
        let (result, asked) = read(url, Ok(served(200, FEED.as_bytes()))).await;
        assert_eq!((result.unwrap_err().code, asked.len()), (Code::Blocked, 0), "{url}");
    }
    let given =
        ["8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "2606:4700::1111", "fe80::1%eth0", "example.com", ""];
    let public = pure("public_addresses", &json!({ "addresses": given }).to_string()).unwrap();
    assert_eq!(public, r#"["8.8.8.8","2606:4700::1111"]"#);
}

#[tokio::test]
async fn whom_an_account_trusts_holds_for_the_address_its_provider_has_by_itself() {
    for provider in ["google", "microsoft", "cozi"] {
        for (trusted, addresses) in [(false, "public"), (true, "all")] {
            let network = Arc::new(Network { answer: Ok(served(503, b"")), asked: Mutex::default() });
            let engine =
                Engine::new(&json!({ "store": "memory", "host": { "transport": true } }).to_string())
                    .unwrap();
            let account = json!({
                "connection": "account", "provider": provider, "username": "ann@example.com", "secret": "x",
                "unofficial": true, "trust_address": trusted,
            });
            for (method, args) in
                [("connect", account), ("remote_calendars", json!({ "connection": "account" }))]
            {
                // What the service says is nothing to this.
                let _ = engine.call(method.to_owned(), args.to_string(), Some(network.clone())).await;
            }
            let asked = network.asked.lock().unwrap().clone();
            assert_eq!(
                asked.first().map(|asked| &asked["request"]["addresses"]),
                Some(&json!(addresses)),
                "{provider}"
            );
        }
    }
}
