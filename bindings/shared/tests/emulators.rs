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
    for (provider, calendar) in
        [("caldav", "Personal"), ("google", "ann@example.com"), ("microsoft", "Calendar")]
    {
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
    for settings in [r#"{"provider":"ics"}"#, r#"{"provider":"caldav","port":1}"#, "[]"] {
        assert_eq!(
            Emulator::start(settings).err().map(|failure| failure.code),
            Some(Code::InvalidInput),
            "{settings}"
        );
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
