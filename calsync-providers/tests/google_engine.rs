//! The engine with Google on one side: against the store, and through it against CalDAV.

#![cfg(all(feature = "google", feature = "caldav"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod google_support;

use std::sync::Arc;

use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    model::{Event, EventBody, EventTime, Override, OverrideScope, RecurrenceId, RuleEntry, TimeSpan},
    provider::Provider,
    store::{MemoryStore, Store},
    zone::Zone,
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    google::GoogleProvider,
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport},
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::{
    dav::{DavOptions, DavServer, Fault},
    google::{GoogleQuirks, GoogleServer},
    world::{World, body},
};
use chrono::{NaiveDate, TimeDelta};
use google_support::{config, primary, start, with};
use serde_json::json;

fn berlin(day: u32, hour: u32) -> EventTime {
    let local = NaiveDate::from_ymd_opt(2026, 3, day).unwrap().and_hms_opt(hour, 0, 0).unwrap();
    EventTime::zoned(local, Zone::from_iana("Europe/Berlin").unwrap())
}

fn single(uid: &str, title: &str, day: u32) -> Event {
    let body = EventBody::new(TimeSpan { start: berlin(day, 9), end: berlin(day, 10) });
    Event::single(uid, EventBody { title: Some(title.to_owned()), ..body })
}

fn timed(summary: &str, day: u32) -> serde_json::Value {
    json!({
        "summary": summary,
        "start": {"dateTime": format!("2026-03-{day:02}T09:00:00+01:00"), "timeZone": "Europe/Berlin"},
        "end": {"dateTime": format!("2026-03-{day:02}T10:00:00+01:00"), "timeZone": "Europe/Berlin"},
    })
}

fn key(day: u32) -> RecurrenceId {
    RecurrenceId::of(&berlin(day, 9))
}

fn link(world: &World) -> Link {
    Link::new("google", world.calendar.as_str(), primary())
}

async fn sync(world: &World, link: &Link, provider: &dyn Provider) -> SyncReport {
    world.engine.sync(link, provider, &SyncOptions::default()).await.unwrap()
}

/// Syncs until nothing is left to do, then once more: which must be one request and nothing else (invariant 5).
async fn converge(world: &World, link: &Link, provider: &GoogleProvider, server: &GoogleServer) {
    for _ in 0..4 {
        sync(world, link, provider).await;
    }
    server.clear_requests();
    let before = provider.requests();
    let report = sync(world, link, provider).await;
    let writes: Vec<_> = server.requests().into_iter().filter(|request| request.method != "GET").collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert!(report.plan.operations.is_empty(), "{:?}", report.plan.operations);
    assert_eq!(provider.requests() - before, 1);
    assert_eq!(server.mails(), 0);
}

fn world() -> World {
    World::new(Arc::new(MemoryStore::default()), 7)
}

#[tokio::test]
async fn both_sides_are_edited_and_agree() {
    let server = start(GoogleQuirks::default());
    server.put("primary", timed("from google", 2));
    let mut weekly = timed("weekly", 3);
    weekly["id"] = "weekly1".into();
    weekly["recurrence"] = json!(["RRULE:FREQ=WEEKLY;COUNT=4"]);
    server.put("primary", weekly);
    let (world, provider) = (world(), with(config(&server)));
    let link = link(&world);
    world.add(single("local", "from here", 4)).await;
    let mut series = single("series", "series", 5);
    series.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=5"));
    series.overrides.insert(key(6), Override::Excluded);
    let mut later = EventBody::new(TimeSpan { start: berlin(7, 15), end: berlin(7, 16) });
    later.title = Some("later".into());
    series.overrides.insert(key(7), Override::Changed { body: Box::new(later), scope: OverrideScope::This });
    world.add(series).await;
    converge(&world, &link, &provider, &server).await;
    assert_eq!(world.locals().await.len(), 4);
    // Two masters, two singles, one exception; the excluded date is in the rule.
    assert_eq!(server.events("primary").len(), 5);

    // An edit on each side of each kind.
    world.edit("local", |event| body(event).location = Some("here".into())).await;
    server.edit("primary", "weekly1_20260310T080000Z", |event| {
        event.insert("summary".into(), "other".into());
    });
    server.delete("primary", "weekly1_20260317T080000Z");
    world
        .edit("series", |event| {
            event.overrides.insert(key(8), Override::Excluded);
            body(event).title = Some("series of ours".into());
        })
        .await;
    converge(&world, &link, &provider, &server).await;
    let weekly = world.local("weekly1@google.com").await.event;
    assert_eq!(weekly.overrides.len(), 2);
    let titles: Vec<String> =
        server.events("primary").iter().map(|event| event["summary"].as_str().unwrap().to_owned()).collect();
    assert!(
        titles.contains(&"series of ours".to_owned()) && titles.contains(&"later".to_owned()),
        "{titles:?}"
    );
    assert!(server.events("primary").iter().any(|event| event["location"] == "here"));

    // A deletion on each side.
    world.delete("local").await;
    server.delete("primary", "weekly1");
    converge(&world, &link, &provider, &server).await;
    let mut uids: Vec<String> = world.locals().await.into_iter().map(|record| record.event.uid).collect();
    uids.sort();
    assert_eq!(uids.len(), 2);
    assert!(!server.events("primary").iter().any(|event| event["summary"] == "from here"));
}

#[tokio::test]
async fn fld_04_what_google_cannot_hold_stays_here_and_is_no_edit() {
    let server = start(GoogleQuirks::default());
    let (world, provider) = (world(), with(config(&server)));
    let mut event = single("rich", "rich", 4);
    {
        let body = body(&mut event);
        body.categories.insert("work".into());
        body.priority = Some(1);
        body.geo = Some("52.5;13.4".into());
        body.status = Some(calsync_core::model::Status::Confirmed);
        body.free_busy = Some(calsync_core::model::FreeBusyStatus::Busy);
        body.alarms = [0, 600, 90, 40_320 * 60 + 60].map(calsync_core::model::Alarm::display_before).to_vec();
    }
    world.add(event.clone()).await;
    let link = link(&world);
    let report = sync(&world, &link, &provider).await;
    let losses = &report.plan.operations[0].losses;
    for lost in ["category", "priority", "geo", "alarm"] {
        assert!(losses.contains(&lost.to_owned()), "{losses:?}");
    }
    converge(&world, &link, &provider, &server).await;
    assert_eq!(world.local("rich").await.event, event);
    let reminders = &server.events("primary")[0]["reminders"];
    assert_eq!(
        *reminders,
        json!({"useDefault": false, "overrides": [{"method": "popup", "minutes": 10}, {"method": "popup", "minutes": 0}]})
    );
    // An edit there reaches us, and what only we have is still there.
    let id = server.events("primary")[0]["id"].as_str().unwrap().to_owned();
    server.edit("primary", &id, |event| {
        event.insert("summary".into(), "edited there".into());
    });
    converge(&world, &link, &provider, &server).await;
    let now = world.local("rich").await.event;
    let now = now.master.unwrap();
    assert_eq!((now.title.as_deref(), now.priority, now.alarms.len()), (Some("edited there"), Some(1), 4));
}

#[tokio::test]
async fn dup_08_lost_answers_leave_one_of_each() {
    for nth in 1..=12 {
        for fault in [Fault::drop_after, Fault::drop_before, || Fault::status(503)] {
            let server = start(GoogleQuirks::default());
            let (world, provider) = (world(), with(config(&server)));
            let link = link(&world);
            let mut series = single("series", "series", 5);
            series.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=5"));
            let mut later = EventBody::new(TimeSpan { start: berlin(7, 15), end: berlin(7, 16) });
            later.title = Some("later".into());
            series
                .overrides
                .insert(key(7), Override::Changed { body: Box::new(later), scope: OverrideScope::This });
            world.add(series.clone()).await;
            world.add(single("one", "one", 2)).await;
            server.inject(fault().nth(nth));
            for _ in 0..6 {
                let _ = world.engine.sync(&link, &provider, &SyncOptions::default()).await;
                world.clock.advance(TimeDelta::hours(1));
            }
            server.clear_faults();
            converge(&world, &link, &provider, &server).await;
            assert_eq!(server.events("primary").len(), 3, "request {nth}");
            assert_eq!(world.locals().await.len(), 2);
            assert_eq!(world.local("series").await.event, series, "request {nth}");
        }
    }
}

#[tokio::test]
async fn an_edit_interrupted_between_master_and_instances_is_finished() {
    for nth in 1..=10 {
        for fault in [Fault::drop_after, Fault::drop_before, || Fault::status(500)] {
            let server =
                start(GoogleQuirks { exceptions_follow_master: nth % 2 == 0, ..GoogleQuirks::default() });
            let (world, provider) = (world(), with(config(&server)));
            let link = link(&world);
            let mut series = single("series", "series", 5);
            series.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=5"));
            world.add(series).await;
            converge(&world, &link, &provider, &server).await;
            world
                .edit("series", |event| {
                    body(event).title = Some("renamed".into());
                    event.overrides.insert(key(6), Override::Excluded);
                    let mut later = EventBody::new(TimeSpan { start: berlin(7, 15), end: berlin(7, 16) });
                    later.title = Some("later".into());
                    let changed = Override::Changed { body: Box::new(later), scope: OverrideScope::This };
                    event.overrides.insert(key(7), changed);
                })
                .await;
            let wanted = world.local("series").await.event;
            server.inject(fault().nth(nth));
            for _ in 0..6 {
                let _ = world.engine.sync(&link, &provider, &SyncOptions::default()).await;
                world.clock.advance(TimeDelta::hours(1));
            }
            server.clear_faults();
            converge(&world, &link, &provider, &server).await;
            assert_eq!(world.local("series").await.event, wanted, "request {nth}");
            let id =
                server.events("primary")[0]["id"].as_str().unwrap().split('_').next().unwrap().to_owned();
            let (.., there) = google_support::item(&provider, &id.as_str().into()).await;
            assert!(calsync_core::diff::changed_fields(&wanted, &there).is_empty(), "request {nth}");
        }
    }
}

#[tokio::test]
async fn tok_01_a_dead_token_changes_nothing_and_finds_what_was_deleted_meanwhile() {
    let server = start(GoogleQuirks { page_max: Some(2), ..GoogleQuirks::default() });
    let ids: Vec<String> = (2..=8).map(|day| server.put("primary", timed(&format!("{day}"), day))).collect();
    let (world, provider) = (world(), with(config(&server)));
    let link = link(&world);
    sync(&world, &link, &provider).await;
    assert_eq!(world.locals().await.len(), 7);
    server.delete("primary", &ids[3]);
    server.expire_tokens("primary");
    let report = sync(&world, &link, &provider).await;
    assert_eq!(report.plan.operations.len(), 1);
    assert_eq!(world.locals().await.len(), 6);
}

#[tokio::test]
async fn google_and_caldav_through_one_calendar_in_sqlite() {
    let google = start(GoogleQuirks::default());
    let dav = DavServer::start(DavOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("hub.db"), SqliteConfig::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let world = World::new(store, 9);
    let one = with(config(&google));
    let mut dav_config = CalDavConfig::new(dav.url(), "user", "secret");
    dav_config.addresses = AddressPolicy::AllowPrivate;
    let transport = ReqwestTransport::new(&ReqwestOptions::default()).unwrap();
    let two = CalDavProvider::new(dav_config, Arc::new(transport)).unwrap();
    let calendar = two.calendars().await.unwrap().remove(0).id;
    let links = [link(&world), Link::new("dav", world.calendar.as_str(), calendar)];

    let mut weekly = timed("weekly", 3);
    weekly["id"] = "weekly1".into();
    weekly["recurrence"] = json!(["RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;TZID=Europe/Berlin:20260317T090000"]);
    weekly["reminders"] = json!({"useDefault": false, "overrides": [{"method": "popup", "minutes": 15}]});
    google.put("primary", weekly);
    google.edit("primary", "weekly1_20260310T080000Z", |event| {
        event.insert("summary".into(), "moved".into());
    });
    google.put(
        "primary",
        json!({"summary": "all day", "start": {"date": "2026-03-05"}, "end": {"date": "2026-03-07"}}),
    );
    let ics = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:dav1\r\nDTSTAMP:20260101T000000Z\r\n\
        DTSTART:20260304T090000Z\r\nDTEND:20260304T100000Z\r\nSUMMARY:from dav\r\nCATEGORIES:WORK\r\nX-KEPT:yes\r\n\
        ATTENDEE:mailto:ben@example.com\r\nORGANIZER:mailto:user@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    dav.put("work", "dav1.ics", ics);
    for _ in 0..3 {
        sync(&world, &links[0], &one).await;
        sync(&world, &links[1], &two).await;
    }
    assert_eq!(dav.list("work").len(), 3);
    let on_dav: String = dav.list("work").into_iter().map(|(_, _, body)| body).collect();
    for wanted in [
        "RRULE:FREQ=WEEKLY;COUNT=4",
        "EXDATE;TZID=Europe/Berlin:20260317T090000",
        "SUMMARY:moved",
        "TRIGGER:-PT15M",
        "DTSTART;VALUE=DATE:20260305",
        "DTEND;VALUE=DATE:20260307",
    ] {
        assert!(on_dav.contains(wanted), "{wanted}\n{on_dav}");
    }
    assert!(google.events("primary").iter().any(|event| event["summary"] == "from dav"));
    assert!(!serde_json::to_string(&google.events("primary")).unwrap().contains("ben@example.com"));

    // Edited at Google, seen in CalDAV without losing what only CalDAV has.
    let id = google.events("primary").iter().find(|event| event["summary"] == "from dav").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    google.edit("primary", &id, |event| {
        event.insert("location".into(), "Room 1".into());
    });
    for _ in 0..2 {
        sync(&world, &links[0], &one).await;
        sync(&world, &links[1], &two).await;
    }
    let (_, _, edited) = dav.list("work").into_iter().find(|(name, ..)| name == "dav1.ics").unwrap();
    for kept in ["LOCATION:Room 1", "X-KEPT:yes", "CATEGORIES:WORK", "ATTENDEE:mailto:ben@example.com"] {
        assert!(edited.contains(kept), "{kept}\n{edited}");
    }
    // Quiet: nothing is written any more, on either side.
    google.clear_requests();
    dav.clear_requests();
    for (link, provider) in [(&links[0], &one as &dyn Provider), (&links[1], &two)] {
        assert!(sync(&world, link, provider).await.plan.operations.is_empty());
    }
    assert!(google.requests().iter().all(|request| request.method == "GET"));
    assert!(dav.requests().iter().all(|request| !matches!(request.method.as_str(), "PUT" | "DELETE")));
    assert_eq!(google.mails(), 0);
}
