//! The CalDAV provider against real servers.
//!
//! `CALSYNC_TEST_CALDAV="radicale=http://user:pass@127.0.0.1:5232/;xandikos=http://user:pass@127.0.0.1:8000/"` names
//! them. Each gets calendars of its own, made and deleted by the test.

#![cfg(feature = "caldav")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod caldav_support;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use caldav_support::*;
use calsync_core::{
    availability::{BusyKind, BusyTime},
    model::{Event, Override, RemoteCalendarId, RemoteId, Version},
    provider::{
        ChangeScope, Cursor, ErrorKind, Fetched, ItemChange, Payload, PeoplePolicy, Provider, PullMode,
        RenderRequest,
    },
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    http::{AddressPolicy, ClientOptions, Credentials, HttpClient, HttpRequest, HttpTransport},
};
use http::Method;
use url::Url;

struct Lab {
    name: String,
    provider: CalDavProvider,
    client: HttpClient,
    home: Url,
}

impl Lab {
    async fn calendar(&self) -> RemoteCalendarId {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("calsync-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let url = self.home.join(&format!("{unique}/")).unwrap();
        let method = Method::from_bytes(b"MKCALENDAR").unwrap();
        let made = self.client.send(HttpRequest::new(method, url)).await.unwrap();
        assert_eq!(made.response.status.as_u16(), 201, "{}", self.name);
        // What the server calls it counts, not what was asked for.
        let calendars = self.provider.calendars().await.unwrap();
        calendars.into_iter().find(|calendar| calendar.id.as_str().contains(&unique)).unwrap().id
    }

    async fn delete(&self, calendar: &RemoteCalendarId) {
        let url = Url::parse(calendar.as_str()).unwrap();
        self.client.send(HttpRequest::new(Method::DELETE, url)).await.unwrap();
    }
}

/// The servers named in the environment.
async fn labs() -> Vec<Lab> {
    let Ok(named) = std::env::var("CALSYNC_TEST_CALDAV") else {
        println!("skipped: CALSYNC_TEST_CALDAV names no servers");
        return Vec::new();
    };
    let mut labs = Vec::new();
    for (name, url) in named.split(';').filter_map(|entry| entry.trim().split_once('=')) {
        let url = Url::parse(url).unwrap();
        let (username, password) = (url.username().to_owned(), url.password().unwrap_or_default().to_owned());
        let transport: Arc<dyn HttpTransport> = transport();
        let config = CalDavConfig::new(url.as_str(), username.clone(), password.clone());
        let provider = CalDavProvider::new(config, Arc::clone(&transport)).unwrap();
        let account = provider.discover().await.unwrap();
        let mut options = ClientOptions::default();
        options.addresses = AddressPolicy::AllowPrivate;
        let home = Url::parse(&account.homes[0]).unwrap();
        let client = HttpClient::new(transport, options)
            .with_credentials(Credentials::Basic { username, password: password.into() }, home.clone());
        println!("{name}: {account:?}");
        labs.push(Lab { name: name.to_owned(), provider, client, home });
    }
    labs
}

#[tokio::test]
async fn a_whole_life_of_an_item() {
    for lab in labs().await {
        let (name, provider, calendar) = (&lab.name, &lab.provider, lab.calendar().await);
        let first = pull(provider, &calendar, None).await.unwrap();
        assert_eq!((first.scope, first.changes.len()), (ChangeScope::Snapshot, 0), "{name}");

        let id = provider.propose_id(&calendar, &event("uid-1"), "0123abcd").unwrap();
        let written = provider.create(&calendar, &id, &payload("uid-1", "one")).await.unwrap();
        let version = read_version(provider, &calendar, &written.id).await;
        assert!(written.version.is_none_or(|written| written == version), "{name}");
        let again = provider.create(&calendar, &id, &payload("uid-1", "two")).await.unwrap_err();
        assert_eq!(again.kind, ErrorKind::AlreadyExists { at: Some(id.clone()) }, "{name}");

        // What calsync does not know survives on the server.
        let fetched = provider.fetch(&calendar, std::slice::from_ref(&id)).await.unwrap();
        let [Fetched::Found { payload: held, .. }] = fetched.as_slice() else { panic!("{name}") };
        assert!(held.as_str().contains("X-KEPT:yes"), "{name}");
        assert_eq!(provider.read(held).unwrap().uid, "uid-1", "{name}");

        let second = pull(provider, &calendar, first.cursor).await.unwrap();
        assert_eq!(
            (second.scope, names(&second)),
            (ChangeScope::Delta, strings(&["0123abcd.ics"])),
            "{name}"
        );
        assert_eq!(second.changes[0].id, id, "{name}");

        let updated = provider.update(&calendar, &id, &version, &payload("uid-1", "two")).await.unwrap();
        let stale = provider.update(&calendar, &id, &version, &payload("uid-1", "three")).await.unwrap_err();
        assert_eq!(stale.kind, ErrorKind::VersionMismatch, "{name}");
        let stale = provider.delete(&calendar, &id, &version).await.unwrap_err();
        assert_eq!(stale.kind, ErrorKind::VersionMismatch, "{name}");
        let version = read_version(provider, &calendar, &id).await;
        assert!(updated.version.is_none_or(|updated| updated == version), "{name}");

        let before = provider.requests();
        let third = pull(provider, &calendar, second.cursor).await.unwrap();
        assert_eq!(names(&third), ["0123abcd.ics"], "{name}");
        let quiet = pull(provider, &calendar, third.cursor).await.unwrap();
        assert_eq!((quiet.scope, quiet.changes.len()), (ChangeScope::Delta, 0), "{name}");
        assert_eq!(provider.requests() - before, 2, "{name}");

        provider.delete(&calendar, &id, &version).await.unwrap();
        provider.delete(&calendar, &id, &version).await.unwrap();
        let last = pull(provider, &calendar, quiet.cursor).await.unwrap();
        assert_eq!(last.changes[0].change, ItemChange::Removed, "{name}");
        lab.delete(&calendar).await;
        let error = pull(provider, &calendar, None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::CalendarGone, "{name}");
    }
}

#[tokio::test]
async fn busy_times_as_the_server_reckons_them() {
    let at = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    for lab in labs().await {
        let (name, provider, calendar) = (&lab.name, &lab.provider, lab.calendar().await);
        let item = |uid: &str, lines: &str| {
            Payload::new(format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
                 {lines}SUMMARY:canary\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
            ))
        };
        for (uid, lines) in [
            ("series", "DTSTART:20260105T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=3\r\n"),
            ("free", "DTSTART:20260105T120000Z\r\nDTEND:20260105T130000Z\r\nTRANSP:TRANSPARENT\r\n"),
            ("later", "DTSTART:20260201T090000Z\r\nDTEND:20260201T100000Z\r\n"),
        ] {
            let id = provider.propose_id(&calendar, &event(uid), uid).unwrap();
            provider.create(&calendar, &id, &item(uid, lines)).await.unwrap();
        }
        let asked = [RemoteCalendarId::from("nobody@example.com"), calendar.clone()];
        let window = at("2026-01-05T00:00:00Z")..at("2026-01-07T00:00:00Z");
        let answers = provider.free_busy(&asked, window).await.unwrap();
        assert!(answers[0].unknown.is_some(), "{name}");
        let busy = [5, 6].map(|day: u32| {
            let at = |hour: u32| at(&format!("2026-01-0{day}T{hour:02}:00:00Z"));
            BusyTime { start: at(9), end: at(10), kind: BusyKind::Busy }
        });
        assert_eq!((answers[1].unknown.as_deref(), &answers[1].busy[..]), (None, &busy[..]), "{name}");
        lab.delete(&calendar).await;
    }
}

#[tokio::test]
async fn a_token_that_is_none() {
    for lab in labs().await {
        let (name, provider, calendar) = (&lab.name, &lab.provider, lab.calendar().await);
        provider.create(&calendar, &at(&calendar, "a"), &payload("a", "one")).await.unwrap();
        let first = pull(provider, &calendar, None).await.unwrap();
        let cursor = first.cursor.unwrap();
        let broken = Cursor(cursor.0.replacen("\"v\":\"", "\"v\":\"http://example.com/ns/sync/9999", 1));
        assert_ne!(broken.0, cursor.0, "{name}");
        match pull(provider, &calendar, Some(broken)).await {
            Err(error) => assert_eq!(error.kind, ErrorKind::CursorInvalid, "{name}"),
            // Servers that take any token tell everything.
            Ok(page) => assert_eq!(names(&page), ["a.ics"], "{name}"),
        }
        let page = changes(provider, &calendar, None, PullMode::Snapshot).await.unwrap();
        assert_eq!((page.scope, names(&page)), (ChangeScope::Snapshot, strings(&["a.ics"])), "{name}");
        assert!(pull(provider, &calendar, page.cursor).await.unwrap().changes.len() <= 1, "{name}");
        lab.delete(&calendar).await;
    }
}

#[tokio::test]
async fn many_items_and_some_that_are_not_there() {
    for lab in labs().await {
        let (name, provider, calendar) = (&lab.name, &lab.provider, lab.calendar().await);
        for n in 0..250 {
            let uid = format!("item-{n:03}");
            provider.create(&calendar, &at(&calendar, &uid), &payload(&uid, "many")).await.unwrap();
        }
        for mode in [PullMode::Incremental, PullMode::Snapshot] {
            let page = changes(provider, &calendar, None, mode).await.unwrap();
            assert_eq!((page.scope, page.changes.len()), (ChangeScope::Snapshot, 250), "{name} {mode:?}");
        }
        let ids: Vec<_> = (0..255).map(|n| at(&calendar, &format!("item-{n:03}"))).collect();
        let before = provider.requests();
        let fetched = outcomes(&provider.fetch(&calendar, &ids).await.unwrap());
        assert_eq!(fetched.iter().filter(|outcome| outcome.ends_with("found many")).count(), 250, "{name}");
        assert_eq!(fetched[250], "item-250.ics: missing", "{name}");
        // Three reports, and one look at each item that is not there.
        assert_eq!(provider.requests() - before, 8, "{name}");
        lab.delete(&calendar).await;
    }
}

#[tokio::test]
async fn a_uid_that_is_taken() {
    for lab in labs().await {
        let (name, provider, calendar) = (&lab.name, &lab.provider, lab.calendar().await);
        let first = at(&calendar, "first");
        provider.create(&calendar, &first, &payload("uid-1", "one")).await.unwrap();
        // Some servers store a second one; the others say where the first is.
        if let Err(error) =
            provider.create(&calendar, &at(&calendar, "second"), &payload("uid-1", "two")).await
        {
            assert_eq!(error.kind, ErrorKind::AlreadyExists { at: Some(first) }, "{name}");
        }
        lab.delete(&calendar).await;
    }
}

#[tokio::test]
async fn content_no_server_should_take() {
    for lab in labs().await {
        let (name, provider, calendar) = (&lab.name, &lab.provider, lab.calendar().await);
        let garbage = Payload::new("this is no calendar");
        let error = provider.create(&calendar, &at(&calendar, "a"), &garbage).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{name}: {error}");
        lab.delete(&calendar).await;
    }
}

const RICH: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nX-WR-KEPT:1\r\n\
    BEGIN:VEVENT\r\nUID:rich-1\r\nDTSTAMP:20261121T120000Z\r\nDTSTART;TZID=Europe/Berlin:20261201T100000\r\n\
    DTEND;TZID=Europe/Berlin:20261201T113000\r\nRRULE:FREQ=WEEKLY;COUNT=10;BYDAY=TU\r\n\
    EXDATE;TZID=Europe/Berlin:20261215T100000\r\nSUMMARY:Grüße\\, R&D <1> \u{1f389}\r\n\
    DESCRIPTION:two\\nlines\\; and more\r\nLOCATION:Room 1\r\nCATEGORIES:one,two\r\nSTATUS:TENTATIVE\r\n\
    TRANSP:TRANSPARENT\r\nCLASS:PRIVATE\r\nX-KEPT;A=b:c\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\n\
    TRIGGER:-PT15M\r\nDESCRIPTION:soon\r\nEND:VALARM\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:rich-1\r\n\
    DTSTAMP:20261121T120000Z\r\nRECURRENCE-ID;TZID=Europe/Berlin:20261208T100000\r\n\
    DTSTART;TZID=Europe/Berlin:20261208T140000\r\nDTEND;TZID=Europe/Berlin:20261208T150000\r\n\
    SUMMARY:moved\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[tokio::test]
async fn what_is_rendered_comes_back_the_same() {
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    for lab in labs().await {
        let (name, provider, calendar) = (&lab.name, &lab.provider, lab.calendar().await);
        let people = PeoplePolicy::Withhold;
        let event = provider.read(&Payload::new(RICH)).unwrap();
        let fresh = RenderRequest { event: &event, original: None, now, people };
        let rendered = provider.render(fresh).unwrap();
        assert!(rendered.losses.is_empty(), "{name}");
        let id = at(&calendar, "rich");
        provider.create(&calendar, &id, &rendered.payload).await.unwrap();
        let (_, held) = read(provider, &calendar, &id).await;
        assert_same(&provider.read(&held).unwrap(), &event, name);

        // Stored by somebody else with things calsync has no field for, then changed by it.
        let version = read_version(provider, &calendar, &id).await;
        provider.update(&calendar, &id, &version, &Payload::new(RICH)).await.unwrap();
        let (version, held) = read(provider, &calendar, &id).await;
        let mut changed = provider.read(&held).unwrap();
        changed.master.as_mut().unwrap().title = Some("changed".into());
        let patch = RenderRequest { event: &changed, original: Some(&held), now, people };
        let patched = provider.render(patch).unwrap().payload;
        provider.update(&calendar, &id, &version, &patched).await.unwrap();
        let (_, held) = read(provider, &calendar, &id).await;
        assert_same(&provider.read(&held).unwrap(), &changed, name);
        assert!(held.as_str().contains("X-KEPT") && held.as_str().contains("X-WR-KEPT"), "{name}");
        lab.delete(&calendar).await;
    }
}

async fn read(provider: &CalDavProvider, calendar: &RemoteCalendarId, id: &RemoteId) -> (Version, Payload) {
    match provider.fetch(calendar, std::slice::from_ref(id)).await.unwrap().pop() {
        Some(Fetched::Found { version: Some(version), payload, .. }) => (version, payload),
        other => panic!("{other:?}"),
    }
}

/// The same but for bookkeeping.
fn assert_same(a: &Event, b: &Event, name: &str) {
    let plain = |event: &Event| {
        let mut event = event.clone();
        let changed = event.overrides.values_mut().filter_map(|o| match o {
            Override::Changed { body, .. } => Some(&mut **body),
            _ => None,
        });
        for body in event.master.iter_mut().chain(changed) {
            (body.sequence, body.created, body.updated) = (0, None, None);
        }
        serde_json::to_value(event).unwrap()
    };
    assert_eq!(plain(a), plain(b), "{name}");
}

fn at(calendar: &RemoteCalendarId, stem: &str) -> RemoteId {
    let path = Url::parse(calendar.as_str()).unwrap().path().to_owned();
    RemoteId::from(format!("{path}{stem}.ics"))
}
