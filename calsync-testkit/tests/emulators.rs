//! The emulators as products: every switch by its name, over HTTP, and the calls they make.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::{sync::Arc, time::Duration};

use calsync_core::context::Clock;
use calsync_testkit::{
    Switch, SwitchError,
    cozi::{CoziOptions, CoziServer},
    dav::{self, DavOptions, DavServer},
    google::{GoogleOptions, GoogleQuirks, GoogleServer},
    microsoft::{GraphOptions, GraphServer, Quirks},
    oauth::OAuthOptions,
    world::VirtualClock,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A request by hand; the whole answer.
async fn http(url: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    exchange(url, method, path, &format!("Authorization: Bearer secret\r\n{headers}"), body).await
}

async fn with_token(url: &str, method: &str, path: &str, token: &str, body: &str) -> String {
    exchange(url, method, path, &format!("Authorization: Bearer {token}\r\n"), body).await
}

async fn exchange(url: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

fn status(answer: &str) -> &str {
    answer.split_whitespace().nth(1).unwrap_or("closed")
}

/// The quirks of a default, by name.
fn fields(quirks: impl serde::Serialize) -> Vec<String> {
    let Value::Object(fields) = serde_json::to_value(quirks).unwrap() else { panic!("no object") };
    fields.keys().cloned().collect()
}

fn quirk_names(switches: &[Switch]) -> Vec<String> {
    let quirks = switches.iter().filter(|switch| switch.verb == "quirk");
    let mut names: Vec<String> =
        quirks.map(|switch| switch.example.split('=').next().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_switch_has_a_name_and_an_example_and_is_turned_by_it() {
    assert_eq!(quirk_names(&GoogleServer::switches()), fields(GoogleQuirks::default()));
    assert_eq!(quirk_names(&GraphServer::switches()), fields(Quirks::default()));
    let quirks = |google: &GoogleServer, graph: &GraphServer| {
        let (mut of_google, mut of_graph) = (None, None);
        google.change_quirks(|quirks| of_google = Some(quirks.clone()));
        graph.change_quirks(|quirks| of_graph = Some(quirks.clone()));
        (of_google, of_graph)
    };
    let google = GoogleServer::start(GoogleOptions::default()).unwrap();
    let graph = GraphServer::start(GraphOptions::default()).unwrap();
    for (switches, follow) in [
        (
            GoogleServer::switches(),
            &(|line: &str| google.follow(line)) as &dyn Fn(&str) -> Result<(), SwitchError>,
        ),
        (GraphServer::switches(), &|line: &str| graph.follow(line)),
    ] {
        for switch in switches {
            let before = quirks(&google, &graph);
            let line = format!("{} {}", switch.verb, switch.example);
            follow(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(!switch.about.is_empty());
            if switch.verb == "quirk" {
                assert_ne!(quirks(&google, &graph), before, "{line} is what it was already");
            }
        }
        for line in
            ["quirk sleeps", "quirk page_max=many", "do nothing", "oauth consent=maybe", "fault x", "x"]
        {
            assert!(follow(line).is_err(), "{line}");
        }
    }
}

/// CalDAV and Cozi are told in the same words, as far as they have such switches.
#[tokio::test]
async fn caldav_and_cozi_follow_the_same_words() {
    let runtime = tokio::runtime::Handle::current();
    let caldav = DavServer::start_on(&runtime, DavOptions::default()).unwrap();
    let cozi = CoziServer::start_on(&runtime, CoziOptions::default()).unwrap();
    for (switches, follow) in [
        (
            DavServer::switches(),
            &(|line: &str| caldav.follow(line)) as &dyn Fn(&str) -> Result<(), SwitchError>,
        ),
        (CoziServer::switches(), &|line: &str| cozi.follow(line)),
    ] {
        assert!(switches.len() > 18);
        for switch in switches {
            let line = format!("{} {}", switch.verb, switch.example);
            follow(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in
            ["quirk sleeps", "quirk product=none", "oauth consent=deny", "do x", "fault status=403 code=x"]
        {
            follow(line).unwrap_err();
        }
    }
    let mut quirks = None;
    cozi.change_quirks(|now| quirks = Some(*now));
    let all = serde_json::to_value(quirks).unwrap();
    assert!(all.as_object().unwrap().values().all(|value| value == true), "{all}");
    cozi.clear_faults();
    cozi.follow("fault status=503 header=Retry-After:7 times=2").unwrap();
    for expected in ["503", "503"] {
        assert_eq!(status(&http(&cozi.url(), "GET", "/", "", "").await), expected);
    }
    assert_ne!(status(&http(&cozi.url(), "GET", "/", "", "").await), "503");

    caldav.clear_faults();
    caldav.follow("quirk product=rust_dav_server").unwrap();
    let mut quirks = None;
    caldav.change_quirks(|now| quirks = Some(now.clone()));
    assert_eq!(quirks, Some(dav::Quirks::rust_dav_server()));
    caldav.follow("fault status=507 method=PUT").unwrap();
    assert_ne!(status(&http(&caldav.url(), "GET", "/", "", "").await), "507");
    assert_eq!(status(&http(&caldav.url(), "PUT", "/x", "", "").await), "507");
}

/// An answer that never comes, and one that ends in the middle: the request has taken effect or not, as it is said.
#[tokio::test]
async fn an_answer_that_does_not_come_or_ends_in_the_middle() {
    let google = GoogleServer::start(GoogleOptions::default()).unwrap();
    let graph = GraphServer::start(GraphOptions::default()).unwrap();
    let time = |hour: u32| json!({"dateTime": format!("2026-01-06T{hour:02}:00:00Z"), "timeZone": "UTC"});
    let of_google = json!({"summary": "new", "start": time(9), "end": time(10)}).to_string();
    let of_graph =
        json!({"subject": "new", "start": time(9), "end": time(10)}).to_string().replace("00Z", "00");
    let calendar = graph.default_calendar();
    let there = |is_google: bool| {
        if is_google { google.events("primary").len() } else { graph.events(&calendar).len() }
    };
    for (is_google, url, path, body) in [
        (true, google.url(), "/calendar/v3/calendars/primary/events", &of_google),
        (false, graph.url(), "/v1.0/me/events", &of_graph),
    ] {
        let follow = |line: &str| if is_google { google.follow(line) } else { graph.follow(line) };
        for (fault, takes_effect) in [("hang-before", false), ("hang-after", true), ("truncate", true)] {
            let before = there(is_google);
            follow(&format!("fault {fault} method=POST")).unwrap();
            let patience = Duration::from_millis(if fault == "truncate" { 60_000 } else { 200 });
            let answered = http(&url, "POST", path, "", body);
            let answer = tokio::time::timeout(patience, answered).await;
            let body = answer.as_ref().ok().and_then(|answer| answer.split("\r\n\r\n").nth(1));
            match fault {
                "truncate" => {
                    let body = body.unwrap();
                    let half = serde_json::from_str::<Value>(body);
                    assert!(body.len() > 20 && half.is_err(), "{fault}: {body}");
                }
                _ => assert!(answer.is_err(), "{fault}: {answer:?}"),
            }
            assert_eq!(there(is_google) - before, usize::from(takes_effect), "{url} {fault}");
        }
        // Whoever gave up waiting holds no place.
        for _ in 0..8 {
            follow("fault hang-before").unwrap();
            let hung = http(&url, "GET", path, "", "");
            assert!(tokio::time::timeout(Duration::from_millis(20), hung).await.is_err());
        }
        assert_eq!(status(&http(&url, "GET", path, "", "").await), "200", "{url}");
    }
}

/// What a listing says of deleted events, by `showDeleted` and `singleEvents`: of single events never the series itself.
#[tokio::test]
async fn deleted_events_in_listings_of_google() {
    let google = GoogleServer::start(GoogleOptions::default()).unwrap();
    let event = |id: &str, repeats: bool| {
        let at = |hour: u32| json!({"dateTime": format!("2026-01-06T{hour:02}:00:00Z"), "timeZone": "UTC"});
        let mut event = json!({"id": id, "summary": id, "start": at(9), "end": at(10)});
        if repeats {
            event["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=2"]);
        }
        event
    };
    for (id, repeats) in [("alive", true), ("gone0", true), ("gone1", false)] {
        google.put("primary", event(id, repeats));
    }
    let events = "/calendar/v3/calendars/primary/events";
    for gone in ["alive_20260107T090000Z", "gone0", "gone1"] {
        let answer = http(&google.url(), "DELETE", &format!("{events}/{gone}"), "", "").await;
        assert_eq!(status(&answer), "204", "{gone}: {answer}");
    }
    for (show_deleted, single, expected) in [
        (false, false, &["alive", "alive_20260107T090000Z"][..]),
        (true, false, &["alive", "alive_20260107T090000Z", "gone0", "gone1"]),
        (false, true, &["alive_20260106T090000Z"]),
        (true, true, &["alive_20260106T090000Z", "alive_20260107T090000Z", "gone1"]),
    ] {
        let path = format!("{events}?showDeleted={show_deleted}&singleEvents={single}");
        let answer = http(&google.url(), "GET", &path, "", "").await;
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let mut ids: Vec<&str> =
            body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, expected, "showDeleted={show_deleted} singleEvents={single}");
    }
}

/// What changed in the list of calendars since it was listed: also what is hidden now, or gone.
#[tokio::test]
async fn the_calendar_list_of_google_tells_what_changed() {
    let google = GoogleServer::start(GoogleOptions::default()).unwrap();
    for id in ["a@example.com", "b@example.com", "c@example.com"] {
        google.add_calendar(id, id, "UTC", "owner");
    }
    let list = async |query: String| {
        let path = format!("/calendar/v3/users/me/calendarList{query}");
        let answer = http(&google.url(), "GET", &path, "", "").await;
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        (status(&answer).to_owned(), body)
    };
    let changed = async |token: &Value| {
        let (_, body) = list(format!("?syncToken={}", token.as_str().unwrap())).await;
        let shown = |entry: &Value| format!("{} {}", entry["id"].as_str().unwrap(), entry["deleted"]);
        let entries: Vec<String> = body["items"].as_array().unwrap().iter().map(shown).collect();
        (entries, body["nextSyncToken"].clone())
    };
    let (_, first) = list(String::new()).await;
    assert_eq!(first["items"].as_array().unwrap().len(), 4);
    let (nothing, token) = changed(&first["nextSyncToken"]).await;
    assert!(nothing.is_empty(), "{nothing:?}");
    google.set_calendar("a@example.com", "hidden", true.into());
    google.delete_calendar("b@example.com");
    let (entries, next) = changed(&token).await;
    assert_eq!(entries, ["a@example.com null", "b@example.com true"]);
    assert!(changed(&next).await.0.is_empty());
    let token = next.as_str().unwrap();
    assert_eq!(list(format!("?syncToken={token}&minAccessRole=owner")).await.0, "400");
    assert_eq!(list("?syncToken=other".to_owned()).await.0, "410");
}

/// `events/delta` names events and when they are; what they say is asked for by name.
#[tokio::test]
async fn the_rows_of_events_delta_are_outlines() {
    let graph = GraphServer::start(GraphOptions::default()).unwrap();
    let at = |hour: u32| json!({"dateTime": format!("2026-03-01T{hour:02}:00:00"), "timeZone": "UTC"});
    let calendar = graph.default_calendar();
    graph.add(&calendar, &json!({"subject": "x", "start": at(9), "end": at(10)})).unwrap();
    let range = json!({"type": "numbered", "startDate": "2026-03-01", "numberOfOccurrences": 3});
    let recurrence = json!({"pattern": {"type": "daily", "interval": 1}, "range": range});
    graph
        .add(&calendar, &json!({"subject": "y", "start": at(9), "end": at(10), "recurrence": recurrence}))
        .unwrap();
    let path = format!("/v1.0/me/calendars/{calendar}/events/delta");
    let answer = http(&graph.url(), "GET", &path, "", "").await;
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let rows = body["value"].as_array().unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["singleInstance", "seriesMaster"]);
    for row in rows {
        let names: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(names, ["end", "id", "start", "type"]);
    }
}

/// The limits of extended properties: 44 characters for a name, 1,024 for a value, 300 of them, 32 kB together.
#[tokio::test]
async fn extended_properties_of_google_have_limits() {
    let google = GoogleServer::start(GoogleOptions::default()).unwrap();
    let many = |count: usize, name: usize, value: usize| -> Value {
        let one = |n: usize| (format!("{n:0name$}"), Value::from("v".repeat(value)));
        Value::Object((0..count).map(one).collect())
    };
    for (set, private, shared, taken) in [
        ("a long name", many(1, 44, 1), json!({}), "200"),
        ("too long a name", many(1, 45, 1), json!({}), "400"),
        ("a long value", many(1, 5, 1024), json!({}), "200"),
        ("too long a value", many(1, 5, 1025), json!({}), "400"),
        ("many", many(150, 5, 1), many(150, 5, 1), "200"),
        ("too many", many(150, 5, 1), many(151, 5, 1), "400"),
        ("32 kB", many(32, 44, 980), json!({}), "200"),
        ("more than 32 kB", many(32, 44, 980), many(1, 1, 0), "400"),
        ("no text", json!({"a": 7}), json!({}), "400"),
    ] {
        let at = |hour: u32| json!({"dateTime": format!("2026-01-06T{hour:02}:00:00Z")});
        let sets = json!({"private": private, "shared": shared});
        let event = json!({"start": at(9), "end": at(10), "extendedProperties": sets}).to_string();
        let answer = http(&google.url(), "POST", "/calendar/v3/calendars/primary/events", "", &event).await;
        assert_eq!(status(&answer), taken, "{set}");
    }
}

#[tokio::test]
async fn a_client_in_any_language_turns_switches_over_http() {
    let google = GoogleServer::start(GoogleOptions::default()).unwrap();
    let graph = GraphServer::start(GraphOptions::default()).unwrap();
    for (url, list) in
        [(google.url(), "/calendar/v3/users/me/calendarList"), (graph.url(), "/v1.0/me/calendars")]
    {
        let told = http(&url, "GET", "/emulator", "", "").await;
        assert!(told.contains("quirk drops_notifications\n") && told.contains("do revoke-all"), "{told}");
        let lines =
            "fault status=429 code=rateLimitExceeded header=Retry-After:2.128 times=2\n\nquirk page_max=2";
        assert_eq!(status(&http(&url, "POST", "/emulator", "", lines).await), "204");
        for expected in ["429", "429", "200"] {
            let answer = http(&url, "GET", list, "", "").await;
            assert_eq!(status(&answer), expected);
            let throttled = expected == "429";
            assert_eq!(answer.contains("rateLimitExceeded"), throttled);
            assert_eq!(answer.to_ascii_lowercase().contains("retry-after: 2.128"), throttled);
        }
        let refused = http(&url, "POST", "/emulator", "", "quirk sleeps").await;
        assert!(status(&refused) == "400" && refused.contains("page_max"), "{refused}");
        // A connection that is closed without an answer.
        assert_eq!(status(&http(&url, "POST", "/emulator", "", "fault drop-before").await), "204");
        assert_eq!(status(&http(&url, "GET", list, "", "").await), "closed");
        let ended =
            http(&url, "POST", "/emulator", "", "fault status=500 times=always\ndo clear-faults").await;
        assert_eq!(status(&ended), "204");
        assert_eq!(status(&http(&url, "GET", list, "", "").await), "200");
    }
}

/// Somebody who is called: the heads and bodies of the calls, each answered with 200, and the handshake of Graph as asked.
struct Called {
    listener: TcpListener,
    address: String,
}

impl Called {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook?tenant=1", listener.local_addr().unwrap());
        Self { listener, address }
    }

    async fn next(&self) -> String {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).await.unwrap();
            text.extend_from_slice(&buffer[..read]);
            let so_far = String::from_utf8_lossy(&text).into_owned();
            let (head, body) = so_far.split_once("\r\n\r\n").unwrap_or((&so_far, ""));
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if length.is_some_and(|length| length.parse::<usize>().unwrap() <= body.len()) {
                let token =
                    head.split_once("validationToken=").map(|(_, rest)| rest.split(' ').next().unwrap());
                let answer = token.map(url_decode).unwrap_or_default();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    answer.len()
                );
                stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
                return so_far;
            }
        }
    }
}

fn url_decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn google_calls_who_watches() {
    let google = GoogleServer::start(GoogleOptions::default()).unwrap();
    let called = Called::new().await;
    let watch = |id: &str, address: &str| {
        json!({"id": id, "type": "web_hook", "address": address, "token": "t0ken", "params": {"ttl": "3600"}})
            .to_string()
    };
    let path = "/calendar/v3/calendars/primary/events/watch";
    let refused = http(&google.url(), "POST", path, "", &watch("c1", "http://example.com/hook")).await;
    assert!(status(&refused) == "400" && refused.contains("webhookUrlNotHttps"), "{refused}");

    let opened = http(&google.url(), "POST", path, "", &watch("c1", &called.address)).await;
    assert_eq!(status(&opened), "200", "{opened}");
    let expect = |call: &str, state: &str, number: u32| {
        assert!(call.starts_with("POST /hook?tenant=1 HTTP/1.1"), "{call}");
        for header in [
            "X-Goog-Channel-ID: c1".to_owned(),
            "X-Goog-Channel-Token: t0ken".to_owned(),
            format!("X-Goog-Resource-State: {state}"),
            format!("X-Goog-Message-Number: {number}"),
            "X-Goog-Resource-ID: ".to_owned(),
            "X-Goog-Resource-URI: https://www.googleapis.com/calendar/v3/calendars/ann@example.com/events"
                .to_owned(),
            "X-Goog-Channel-Expiration: Mon, 05 Jan 2026 ".to_owned(),
        ] {
            assert!(call.contains(&header), "{header} in {call}");
        }
        assert!(call.ends_with("\r\n\r\n"), "there is no body: {call}");
    };
    expect(&called.next().await, "sync", 1);
    // A write of a client, and one behind its back.
    let event = json!({"summary": "x", "start": {"date": "2026-03-01"}, "end": {"date": "2026-03-02"}});
    let path = "/calendar/v3/calendars/primary/events";
    assert_eq!(status(&http(&google.url(), "POST", path, "", &event.to_string()).await), "200");
    expect(&called.next().await, "exists", 2);
    let id = google.put("primary", event.clone());
    expect(&called.next().await, "exists", 3);
    // A tenant where they get lost: the next one that arrives has missed one.
    google.follow("quirk drops_notifications").unwrap();
    google.delete("primary", &id);
    google.follow("quirk drops_notifications=false").unwrap();
    google.put("primary", event);
    expect(&called.next().await, "exists", 5);
    assert_eq!(google.notifications().len(), 4);
}

#[tokio::test]
async fn graph_shakes_hands_and_calls_who_subscribed() {
    let graph = GraphServer::start(GraphOptions::default()).unwrap();
    let called = Called::new().await;
    let body = json!({
        "changeType": "created,updated,deleted", "notificationUrl": called.address,
        "lifecycleNotificationUrl": called.address, "resource": "me/events",
        "expirationDateTime": "2026-01-06T12:00:00Z", "clientState": "st4te",
    });
    let (url, body) = (graph.url(), body.to_string());
    let subscribing = tokio::spawn(async move { http(&url, "POST", "/v1.0/subscriptions", "", &body).await });
    for _ in 0..2 {
        let asked = called.next().await;
        assert!(asked.starts_with("POST /hook?tenant=1&validationToken=Validation%3A"), "{asked}");
        assert!(asked.contains("Content-Type: text/plain; charset=utf-8"), "{asked}");
    }
    let granted = subscribing.await.unwrap();
    assert_eq!(status(&granted), "201", "{granted}");

    let event = json!({
        "subject": "x", "start": {"dateTime": "2026-03-01T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-01T10:00:00", "timeZone": "UTC"},
    });
    let id = graph.add(&graph.default_calendar(), &event).unwrap();
    let told = called.next().await;
    assert!(
        told.contains("\"changeType\":\"created\"") && told.contains("\"clientState\":\"st4te\""),
        "{told}"
    );
    graph.follow("quirk drops_notifications").unwrap();
    assert!(graph.delete(&id));
    graph.follow("do lifecycle=missed").unwrap();
    let told = called.next().await;
    assert!(told.contains("\"lifecycleEvent\":\"missed\""), "the deletion was lost: {told}");
    graph.follow("do lifecycle=subscriptionRemoved").unwrap();
    assert!(called.next().await.contains("subscriptionRemoved"));
    assert_eq!(graph.subscriptions(), 0);
}

/// An address nobody answers at is granted no subscription.
#[tokio::test]
async fn graph_refuses_who_does_not_answer() {
    let graph = GraphServer::start(GraphOptions::default()).unwrap();
    let address = Called::new().await.address;
    let body = json!({
        "changeType": "updated", "notificationUrl": address, "resource": "me/events",
        "expirationDateTime": "2026-01-06T12:00:00Z",
    });
    let refused = http(&graph.url(), "POST", "/v1.0/subscriptions", "", &body.to_string()).await;
    assert!(status(&refused) == "400" && refused.contains("validation request failed"), "{refused}");
}

/// Everything an emulator starts with, with another value than its default.
#[tokio::test]
async fn an_emulator_starts_as_it_is_told() {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::default());
    let mut oauth = OAuthOptions::default().with_secret("s3cret");
    oauth.client_id = "other".to_owned();
    oauth.lifetime = Duration::from_secs(60);
    let google = GoogleServer::start(GoogleOptions {
        user: "bob@example.com".to_owned(),
        token: "t0ken".to_owned(),
        zone: "Asia/Tokyo".to_owned(),
        max_recorded: 2,
        oauth: oauth.clone(),
        clock: Some(clock.clone()),
        ..GoogleOptions::default()
    })
    .unwrap();
    let mut options = GraphOptions::default();
    (options.owner, options.token) = ("bob@example.com".to_owned(), "t0ken".to_owned());
    (options.calendar, options.oauth, options.clock) = ("Mine".to_owned(), oauth, Some(clock));
    let graph = GraphServer::start(options).unwrap();

    let list = "/calendar/v3/users/me/calendarList";
    let places = [(google.url(), list, "bob@example.com"), (graph.url(), "/v1.0/me/calendars", "Mine")];
    for (url, path, found) in &places {
        assert_eq!(status(&http(url, "GET", path, "", "").await), "401", "the default token is none");
        let answer = with_token(url, "GET", path, "t0ken", "").await;
        assert!(status(&answer) == "200" && answer.contains(found), "{answer}");
    }
    with_token(&google.url(), "GET", list, "t0ken", "").await;
    assert_eq!(google.requests().len(), 2, "the oldest is forgotten");
    let calendar = with_token(&google.url(), "GET", "/calendar/v3/calendars/primary", "t0ken", "").await;
    assert!(calendar.contains("Asia/Tokyo"), "{calendar}");
    assert!(
        with_token(&graph.url(), "GET", "/v1.0/me/calendar", "t0ken", "").await.contains("bob@example.com")
    );
    // The clock that was handed in, and not one that is a second later with each change.
    let event = json!({"summary": "x", "start": {"date": "2026-03-01"}, "end": {"date": "2026-03-02"}});
    for _ in 0..2 {
        let id = google.put("primary", event.clone());
        assert_eq!(google.event("primary", &id).unwrap()["updated"], "2026-01-05T12:00:00.000Z");
    }

    let ask = |client: &str| {
        format!(
            "/o/oauth2/v2/auth?response_type=code&client_id={client}&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F&state=s\
             &scope=openid&code_challenge=x&code_challenge_method=S256"
        )
    };
    assert_eq!(status(&http(&google.url(), "GET", &ask("calsync"), "", "").await), "400");
    assert_eq!(status(&http(&google.url(), "GET", &ask("other"), "", "").await), "302");
    for (secret, expected) in [("s3cret", "400"), ("wrong", "401")] {
        let form = format!("grant_type=refresh_token&refresh_token=x&client_id=other&client_secret={secret}");
        assert_eq!(status(&http(&google.url(), "POST", "/token", "", &form).await), expected);
    }
}
