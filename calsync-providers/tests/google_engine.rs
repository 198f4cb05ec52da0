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
    recurrence_cases::Dice,
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

/// LOOP-15: the account's own calendar under its alias and under its address is one: what one link copies there does not come
/// back by the other. The address is asked for when a link is new, and not again.
#[tokio::test(flavor = "multi_thread")]
async fn loop_15_primary_is_the_address_of_the_account() {
    use calsync_core::{
        engine::{CopyRules, EngineError},
        model::RemoteCalendarId,
        pipeline::Pipeline,
        plan::Direction,
    };

    let server = start(GoogleQuirks::default());
    let provider = with(config(&server));
    let address = provider.calendars().await.unwrap().remove(0).id;
    assert!(address.as_str().contains('@'), "{address}");
    let primary = RemoteCalendarId::from("primary");
    assert_eq!(provider.place(&primary).await.unwrap(), provider.place(&address).await.unwrap());
    let world = world();
    let calendar = world.calendar.as_str();
    let inward = Link::new("in", calendar, primary).with_direction(Direction::Import);
    let outward = Link::new("out", calendar, address)
        .with_direction(Direction::Export)
        .with_copies(CopyRules::new(Pipeline::default()));
    server.put("primary", timed("made there", 2));
    server.clear_requests();
    for _ in 0..3 {
        world.engine.sync(&inward, &provider, &SyncOptions::default()).await.unwrap();
    }
    let asked = server.requests();
    let addresses = asked.iter().filter(|request| request.path.contains("calendarList/primary"));
    assert_eq!(addresses.count(), 1, "once: {asked:?}");
    let error = world.engine.sync(&outward, &provider, &SyncOptions::default()).await.unwrap_err();
    assert!(matches!(&error, EngineError::Circle(circle) if circle.links == ["out", "in"]), "{error}");
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

/// Runs as a schedule would, each well after the one before, whether it fails or not.
async fn runs(world: &World, link: &Link, provider: &dyn Provider, count: usize) {
    for _ in 0..count {
        let _ = world.engine.sync(link, provider, &SyncOptions::default()).await;
        world.clock.advance(TimeDelta::hours(2));
    }
}

fn throttling() -> GoogleServer {
    start(GoogleQuirks { batch_throttles_after: Some(2), ..GoogleQuirks::default() })
}

/// QUO-03: of each batch two requests are served and the others refused for the pace. Those were not applied: nobody looks for
/// them, every run writes two more, and what comes in is listed meanwhile.
#[tokio::test]
async fn quo_03_a_batch_served_in_part_is_progress_in_every_run() {
    let (server, world) = (throttling(), world());
    let (provider, link) = (with(config(&server)), link(&world));
    for n in 0..9 {
        world.add(single(&format!("u{n}"), "ours", 2 + n)).await;
    }
    for run in 1..=4 {
        server.clear_requests();
        let there = format!("theirs {run}");
        server.put("primary", timed(&there, 20));
        runs(&world, &link, &provider, 1).await;
        assert_eq!(server.events("primary").len(), 3 * run, "two of ours, one of theirs");
        let title = |record: &calsync_core::store::EventRecord| record.event.body()?.title.clone();
        assert!(world.locals().await.iter().any(|record| title(record).as_ref() == Some(&there)));
        assert!(
            server.requests().iter().all(|request| !request.body_text().contains("GET ")),
            "nothing is looked for that is known not to be there"
        );
    }
    // The last one goes alone.
    runs(&world, &link, &provider, 1).await;
    assert_eq!(server.events("primary").len(), 13);
    server.change_quirks(|quirks| quirks.batch_throttles_after = None);
    converge(&world, &link, &provider, &server).await;
}

/// The same for creations whose answers were lost, which are looked up: the answers that come are used.
#[tokio::test]
async fn quo_03_look_ups_served_in_part_are_used() {
    let (server, world) = (throttling(), world());
    let (provider, link) = (with(config(&server)), link(&world));
    runs(&world, &link, &provider, 1).await;
    for n in 0..9 {
        world.add(single(&format!("u{n}"), "ours", 2 + n)).await;
    }
    server.change_quirks(|quirks| quirks.batch_throttles_after = Some(5));
    server.inject(Fault::drop_after().on_path("/batch"));
    runs(&world, &link, &provider, 1).await;
    assert_eq!(server.events("primary").len(), 5, "five were made, of nine of which nothing is known");
    server.change_quirks(|quirks| quirks.batch_throttles_after = Some(2));
    server.put("primary", timed("theirs", 20));
    runs(&world, &link, &provider, 1).await;
    assert_eq!(world.locals().await.len(), 10, "what comes in is listed");
    runs(&world, &link, &provider, 8).await;
    assert_eq!((server.events("primary").len(), world.locals().await.len()), (10, 10));
    server.change_quirks(|quirks| quirks.batch_throttles_after = None);
    converge(&world, &link, &provider, &server).await;
}

/// The same for what a delta brings of series, which are asked for whole, and for the instances of one that is written.
#[tokio::test]
async fn quo_03_series_served_in_part_come_and_go_all_the_same() {
    let (server, world) = (throttling(), world());
    let (provider, link) = (with(config(&server)), link(&world));
    runs(&world, &link, &provider, 1).await;
    let ids: Vec<String> = (0..9)
        .map(|n| {
            let mut series = timed(&format!("series {n}"), 2);
            series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=9"]);
            server.put("primary", series)
        })
        .collect();
    runs(&world, &link, &provider, 1).await;
    assert!(world.locals().await.len() >= 2, "what was answered is here");
    runs(&world, &link, &provider, 8).await;
    assert_eq!(world.locals().await.len(), 9);
    for id in &ids {
        server.edit("primary", id, |event| {
            event.insert("summary".to_owned(), "edited".into());
        });
    }
    runs(&world, &link, &provider, 9).await;
    let titles: Vec<_> =
        world.locals().await.iter().map(|record| record.event.body().unwrap().title.clone()).collect();
    assert_eq!(titles, vec![Some("edited".to_owned()); 9]);

    let mut series = single("ours", "ours", 2);
    series.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=9")];
    for day in 3..10 {
        let moved = EventBody::new(TimeSpan { start: berlin(day, 14), end: berlin(day, 15) });
        let moved = EventBody { title: Some("moved".to_owned()), ..moved };
        let moved = Override::Changed { body: Box::new(moved), scope: OverrideScope::This };
        series.overrides.insert(key(day), moved);
    }
    world.add(series).await;
    runs(&world, &link, &provider, 3).await;
    server.change_quirks(|quirks| quirks.batch_throttles_after = None);
    let moved = server.events("primary").iter().filter(|event| event["summary"] == "moved").count();
    assert_eq!(moved, 7);
    converge(&world, &link, &provider, &server).await;
}

/// TOK-03: a page may be empty and have a next one, also where one instance is asked for.
#[tokio::test]
async fn tok_03_an_instance_is_found_behind_an_empty_page() {
    let server = start(GoogleQuirks { empty_pages: true, ..GoogleQuirks::default() });
    let (provider, world) = (with(config(&server)), world());
    let link = link(&world);
    let mut series = single("series", "series", 2);
    series.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=5")];
    world.add(series).await;
    sync(&world, &link, &provider).await;
    world
        .edit("series", |series| {
            let moved = EventBody::new(TimeSpan { start: berlin(3, 14), end: berlin(3, 15) });
            let moved = EventBody { title: Some("moved".to_owned()), ..moved };
            let moved = Override::Changed { body: Box::new(moved), scope: OverrideScope::This };
            series.overrides.extend([(key(3), moved), (key(4), Override::Excluded)]);
        })
        .await;
    for _ in 0..3 {
        let report = sync(&world, &link, &provider).await;
        assert_eq!((report.waiting, report.wedged), (0, 0));
    }
    let events = server.events("primary");
    assert!(events.iter().any(|event| event["summary"] == "moved"), "{events:?}");
    let name = |event: &serde_json::Value| event["id"].as_str().map(|id| format!("{id}_20260304T080000Z"));
    let cancelled = events.iter().filter_map(name).find_map(|id| server.event("primary", &id)).unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    converge(&world, &link, &provider, &server).await;
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

#[tokio::test]
async fn a_thousand_new_events_go_in_batches_and_come_back_as_no_change() {
    let server = start(GoogleQuirks::default());
    let (world, provider) = (world(), with(config(&server)));
    let link = link(&world);
    for number in 0..1000 {
        world.add(single(&format!("u{number}"), "x", 1 + number % 28)).await;
    }
    sync(&world, &link, &provider).await;
    assert_eq!(server.events("primary").len(), 1000);
    assert!(provider.requests() <= 25, "{}", provider.requests());
    assert!(server.quota() <= 1010, "{}", server.quota());
    let before = provider.requests();
    assert!(sync(&world, &link, &provider).await.plan.operations.is_empty());
    assert_eq!(provider.requests() - before, 1);
}

/// One thing that somebody does on the Google side.
fn edit_there(server: &GoogleServer, dice: &mut Dice, number: i64) {
    let events = server.events("primary");
    let pick = |dice: &mut Dice| {
        let at = usize::try_from(dice.within(0, i64::try_from(events.len()).unwrap() - 1)).unwrap();
        events[at]["id"].as_str().unwrap().to_owned()
    };
    match dice.within(0, 9) {
        0..=2 => {
            let mut event = timed(&format!("there {number}"), u32::try_from(dice.within(2, 20)).unwrap());
            if dice.one_in(2) {
                event["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
            }
            event["id"] = format!("there{number}").into();
            server.put("primary", event);
        }
        _ if events.is_empty() => {}
        3..=5 => {
            let (id, title) = (pick(dice), format!("edited there {number}"));
            server.edit("primary", &id, |event| {
                event.insert("summary".into(), title.into());
            });
        }
        6 => server.delete("primary", &pick(dice)),
        _ => {
            // An instance of a series, by the id Google gives it.
            let Some(series) = events.iter().find(|event| event.get("recurrence").is_some()) else { return };
            let start = series["start"]["dateTime"].as_str().unwrap();
            let start = chrono::DateTime::parse_from_rfc3339(start).unwrap().to_utc()
                + TimeDelta::days(dice.within(0, 4));
            let id = format!("{}_{}", series["id"].as_str().unwrap(), start.format("%Y%m%dT%H%M%SZ"));
            if dice.one_in(2) {
                server.delete("primary", &id);
            } else {
                let title = format!("instance there {number}");
                server.edit("primary", &id, |event| {
                    event.insert("summary".into(), title.into());
                    event.insert("status".into(), "confirmed".into());
                });
            }
        }
    }
}

/// One thing that somebody does here.
async fn edit_here(world: &World, dice: &mut Dice, number: i64) {
    let events = world.locals().await;
    if events.is_empty() || dice.one_in(3) {
        let mut event = single(&format!("here{number}"), "here", u32::try_from(dice.within(2, 20)).unwrap());
        if dice.one_in(2) {
            event.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=6"));
        }
        world.add(event).await;
        return;
    }
    let at = usize::try_from(dice.within(0, i64::try_from(events.len()).unwrap() - 1)).unwrap();
    let uid = events[at].event.uid.clone();
    match dice.within(0, 5) {
        0 => world.delete(&uid).await,
        1 | 2 => world.edit(&uid, |event| body(event).title = Some(format!("edited here {number}"))).await,
        3 => world.edit(&uid, |event| body(event).location = Some(format!("room {number}"))).await,
        _ => {
            let day = dice.within(0, 4);
            world
                .edit(&uid, |event| {
                    let Some(master) = event.master.clone().filter(|_| event.is_series()) else { return };
                    let Some(start) = master.time.start.absolute() else { return };
                    let key = RecurrenceId::Instant(start + TimeDelta::days(day));
                    let start = key.to_time(&master.time.start);
                    let end = RecurrenceId::Instant(start.absolute().unwrap() + TimeDelta::hours(1))
                        .to_time(&start);
                    let mut own = EventBody { time: TimeSpan { start, end }, ..master };
                    own.title = Some(format!("instance here {number}"));
                    match event.overrides.get(&key) {
                        Some(Override::Changed { .. }) => event.overrides.remove(&key),
                        Some(_) => event.overrides.insert(key, Override::Excluded),
                        None if number % 2 == 0 => event.overrides.insert(key, Override::Excluded),
                        None => {
                            let changed =
                                Override::Changed { body: Box::new(own), scope: OverrideScope::This };
                            event.overrides.insert(key, changed)
                        }
                    };
                })
                .await;
        }
    }
}

/// Random edits on both sides, random faults between: both sides end up the same, once, and quiet.
#[tokio::test]
async fn seeds_of_edits_and_faults_converge() {
    for seed in 0..40_u64 {
        let mut dice = Dice::new(seed);
        let server = start(GoogleQuirks {
            page_max: dice.one_in(2).then_some(3),
            exceptions_first: dice.one_in(2),
            full_cancelled_rows: dice.one_in(2),
            exceptions_follow_master: dice.one_in(2),
            cascade_listed: dice.one_in(2),
            batch_reversed: dice.one_in(2),
            batch_conflicts: dice.one_in(3),
            ..GoogleQuirks::default()
        });
        let mut config = config(&server);
        if dice.one_in(3) {
            config.update = calsync_providers::google::UpdateMethod::Patch;
        }
        let (world, provider) = (world(), with(config));
        let link = link(&world);
        for number in 0..12 {
            for turn in 0..dice.within(0, 3) {
                edit_there(&server, &mut dice, number * 10 + turn);
            }
            for turn in 0..dice.within(0, 3) {
                edit_here(&world, &mut dice, number * 10 + turn).await;
            }
            let fault = match dice.within(0, 6) {
                0 => Some(Fault::drop_after()),
                1 => Some(Fault::drop_before()),
                2 => Some(Fault::status(503)),
                3 => Some(Fault::truncate()),
                _ => None,
            };
            if let Some(fault) = fault {
                server.inject(fault.nth(usize::try_from(dice.within(1, 6)).unwrap()));
            }
            if dice.one_in(5) {
                server.expire_tokens("primary");
            }
            let options = SyncOptions::default();
            let report = world.engine.sync(&link, &provider, &options).await;
            if let Ok(report) = report
                && report.plan.held
            {
                let approved = SyncOptions::default().approving(report.plan_id);
                let _ = world.engine.sync(&link, &provider, &approved).await;
            }
            world.clock.advance(TimeDelta::hours(1));
        }
        server.clear_faults();
        // A write that failed time and again, while others were taken, waits for a person.
        for entry in world.engine.outbox(&link.id).await.unwrap() {
            if matches!(entry.state, calsync_core::store::OutboxState::Wedged { .. }) {
                world.engine.retry_write(&link.id, &entry.event_id).await.unwrap();
            }
        }
        let mut quiet = false;
        for _ in 0..12 {
            world.clock.advance(TimeDelta::hours(1));
            let report = sync(&world, &link, &provider).await;
            if report.plan.held {
                let approved = SyncOptions::default().approving(report.plan_id.clone());
                let _ = world.engine.sync(&link, &provider, &approved).await;
            }
            quiet = report.plan.operations.is_empty();
        }
        assert!(quiet, "seed {seed}");
        assert_eq!(server.mails(), 0);
        let mut here: Vec<(String, Event)> = Vec::new();
        for record in world.locals().await {
            here.push((record.event.uid.clone(), provider.project(&record.event).into_owned()));
        }
        let all = google_support::pull(&provider, None).await.unwrap();
        let mut there: Vec<(String, Event)> = Vec::new();
        for change in &all.changes {
            let calsync_core::provider::ItemChange::Present { payload: Some(payload), .. } = &change.change
            else {
                panic!()
            };
            let event = provider.read(payload).unwrap();
            there.push((event.uid.clone(), provider.project(&event).into_owned()));
        }
        here.sort_by(|a, b| a.0.cmp(&b.0));
        there.sort_by(|a, b| a.0.cmp(&b.0));
        let uids = |side: &[(String, Event)]| side.iter().map(|(uid, _)| uid.clone()).collect::<Vec<_>>();
        assert_eq!(uids(&here), uids(&there), "seed {seed}");
        for ((uid, a), (_, b)) in here.iter().zip(&there) {
            let fields = calsync_core::diff::changed_fields(a, b);
            assert!(fields.is_empty(), "seed {seed}, {uid}: {fields:?}");
        }
    }
}

/// DEL-20: a listing names deleted masters for weeks. They are gone once, and a deletion of what is gone already is done.
#[tokio::test]
async fn del_20_what_is_cancelled_is_gone_once() {
    let server = start(GoogleQuirks::default());
    let ids: Vec<String> = (2..=9).map(|day| server.put("primary", timed(&format!("{day}"), day))).collect();
    let mut weekly = timed("weekly", 10);
    weekly["recurrence"] = json!(["RRULE:FREQ=WEEKLY;COUNT=4"]);
    let series = server.put("primary", weekly);
    let (world, provider) = (world(), with(config(&server)));
    let link = link(&world);
    sync(&world, &link, &provider).await;
    server.delete("primary", &ids[0]);
    server.delete("primary", &series);
    let report = sync(&world, &link, &provider).await;
    assert_eq!((report.counts.deleted, world.locals().await.len()), (2, 7));
    for _ in 0..3 {
        // Everything is listed again, the cancelled ones with it.
        server.expire_tokens("primary");
        server.clear_requests();
        let report = sync(&world, &link, &provider).await;
        assert!(report.plan.operations.is_empty(), "{:?}", report.plan.operations);
        assert!(server.requests().iter().all(|request| request.method == "GET"));
    }
    // Deleted here, which is answered 410 before it is true: nobody takes it for the deed. Then somebody is faster there.
    world.delete(&format!("{}@google.com", ids[1])).await;
    server.inject(Fault::status(410).on_path(&ids[1]));
    let report = sync(&world, &link, &provider).await;
    assert_eq!((report.waiting, report.wedged), (1, 0));
    server.delete("primary", &ids[1]);
    converge(&world, &link, &provider, &server).await;
    assert_eq!(world.locals().await.len(), 6);
}

/// DEL-22: a cancelled instance comes with its series, on a later page, or before it. In none of them it takes place.
/// An event that was deleted and comes back under its UID: Google keeps the ids of deleted events, or does not (nobody knows
/// for how long).
#[tokio::test]
async fn dup_08_an_event_that_comes_back_is_there_once_whether_its_id_is_free_or_not() {
    for free_deleted_ids in [false, true] {
        let server = start(GoogleQuirks { free_deleted_ids, ..GoogleQuirks::default() });
        let (world, provider) = (world(), with(config(&server)));
        let link = link(&world);
        // One deletion among many is not held.
        for day in 10..30 {
            server.put("primary", timed("other", day));
        }
        let there = || -> Vec<_> {
            let all = server.events("primary").into_iter().map(|event| event["summary"].clone());
            all.filter(|title| title != "other").collect()
        };
        for round in 1..=2 {
            world.add(single("again", &format!("round {round}"), 4)).await;
            converge(&world, &link, &provider, &server).await;
            assert_eq!(there(), [format!("round {round}")], "free: {free_deleted_ids}");
            world.delete("again").await;
            converge(&world, &link, &provider, &server).await;
            assert!(there().is_empty(), "free: {free_deleted_ids}");
        }
    }
}

#[tokio::test]
async fn del_22_a_cancelled_instance_does_not_take_place() {
    for (name, quirks) in [
        ("with its series", GoogleQuirks::default()),
        ("on a later page", GoogleQuirks { page_max: Some(1), ..GoogleQuirks::default() }),
        (
            "on an earlier page",
            GoogleQuirks { page_max: Some(1), exceptions_first: true, ..GoogleQuirks::default() },
        ),
        ("with all its members", GoogleQuirks { full_cancelled_rows: true, ..GoogleQuirks::default() }),
    ] {
        let server = start(quirks);
        let mut daily = timed("daily", 2);
        daily["id"] = "daily1".into();
        daily["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
        server.put("primary", daily);
        server.delete("primary", "daily1_20260304T080000Z");
        let (world, provider) = (world(), with(config(&server)));
        let link = link(&world);
        sync(&world, &link, &provider).await;
        // And one that is cancelled later, with the series known.
        server.delete("primary", "daily1_20260305T080000Z");
        sync(&world, &link, &provider).await;
        let event = world.local("daily1@google.com").await.event;
        let window = berlin(1, 0).absolute().unwrap()..berlin(30, 0).absolute().unwrap();
        let (found, _) =
            event.instances(window, &Zone::UTC, &calsync_core::recurrence::ExpansionLimits::default());
        let days: Vec<RecurrenceId> = found.iter().map(|instance| instance.id).collect();
        assert_eq!(days, [key(2), key(3), key(6)], "{name}");
        converge(&world, &link, &provider, &server).await;
    }
}

/// LOOP-05: Google cuts its joining information out of what is written. The copy is not replaced at every run for it, and
/// text that looks like markup stays text.
#[tokio::test]
async fn loop_05_text_that_google_takes_out_makes_no_loop() {
    let line = "-::~:~::~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~::~:~::-";
    let joining = format!("Agenda\n\n{line}\nJoin with Google Meet: https://meet.google.com/abc\n{line}");
    let markup = "wait &lt;timeout&gt;30&lt;/timeout&gt; <b>&amp;</b>";
    let source = start(GoogleQuirks::default());
    for (id, text, day) in [("joining", &*joining, 2), ("markup1", markup, 3)] {
        let mut event = timed(id, day);
        event["id"] = id.into();
        event["description"] = text.into();
        source.put("primary", event);
    }
    let target = start(GoogleQuirks { strips_joining_text: true, ..GoogleQuirks::default() });
    let (world, one, two) = (world(), with(config(&source)), with(config(&target)));
    let links = [link(&world), Link::new("target", world.calendar.as_str(), primary())];
    for _ in 0..2 {
        sync(&world, &links[0], &one).await;
        sync(&world, &links[1], &two).await;
    }
    converge(&world, &links[0], &one, &source).await;
    converge(&world, &links[1], &two, &target).await;
    let described = |server: &GoogleServer, title: &str| {
        let events = server.events("primary");
        let event = events.iter().find(|event| event["summary"] == title).expect("it is there").clone();
        event["description"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(described(&source, "joining"), joining, "the source keeps what only the target takes out");
    assert_eq!(described(&target, "joining"), "Agenda");
    assert_eq!(
        (described(&source, "markup1"), described(&target, "markup1")),
        (markup.into(), markup.into())
    );
    let here = world.local("joining@google.com").await.event;
    assert_eq!(here.body().unwrap().description.as_deref(), Some(&*joining));
}

/// LOOP-11: one meeting has an id of its own in every mailbox, and one `iCalUID` in all. Each is written under its own.
#[tokio::test]
async fn loop_11_each_mailbox_is_written_under_its_own_id() {
    let servers = [start(GoogleQuirks::default()), start(GoogleQuirks::default())];
    for (server, id) in servers.iter().zip(["inanns", "inbens"]) {
        let mut event = timed("meeting", 2);
        event["id"] = id.into();
        event["iCalUID"] = "shared@example.com".into();
        server.put("primary", event);
    }
    let world = world();
    let providers = servers.each_ref().map(|server| with(config(server)));
    let links = ["ann", "ben"].map(|name| Link::new(name, world.calendar.as_str(), primary()));
    for (link, provider) in links.iter().zip(&providers) {
        sync(&world, link, provider).await;
    }
    assert_eq!(world.locals().await.len(), 1);
    world.edit("shared@example.com", |event| body(event).location = Some("Room 1".into())).await;
    for ((link, provider), (server, id)) in
        links.iter().zip(&providers).zip(servers.iter().zip(["inanns", "inbens"]))
    {
        server.clear_requests();
        sync(&world, link, provider).await;
        let writes = server.requests().into_iter().filter(|request| request.method != "GET");
        let paths: Vec<String> = writes.map(|request| request.path).collect();
        assert!(!paths.is_empty() && paths.iter().all(|path| path.contains(id)), "{paths:?}");
        assert_eq!(server.event("primary", id).unwrap()["location"], "Room 1");
        converge(&world, link, provider, server).await;
    }
}

/// Every copy carries the mark of its link, on the wire of both, and a person's copy of it carries one that does not count.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_wrote_is_found_by_its_mark_when_the_store_is_lost() {
    use calsync_core::engine::{CleanOptions, CopyRules};

    let google = start(GoogleQuirks::default());
    let dav = DavServer::start(DavOptions::default()).unwrap();
    let one = with(config(&google));
    let mut dav_config = CalDavConfig::new(dav.url(), "user", "secret");
    dav_config.addresses = AddressPolicy::AllowPrivate;
    let transport = ReqwestTransport::new(&ReqwestOptions::default()).unwrap();
    let two = CalDavProvider::new(dav_config, Arc::new(transport)).unwrap();
    let calendar = two.calendars().await.unwrap().remove(0).id;
    let first = world();
    let links = [link(&first), Link::new("dav", first.calendar.as_str(), calendar)].map(|link| {
        link.with_direction(calsync_core::plan::Direction::Export).with_copies(CopyRules::everything())
    });
    google.put("primary", timed("made there", 2));
    let there = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:dav1\r\n\
        DTSTAMP:20260101T000000Z\r\nDTSTART:20260304T090000Z\r\nDTEND:20260304T100000Z\r\nSUMMARY:made there, too\r\n\
        END:VEVENT\r\nEND:VCALENDAR\r\n";
    dav.put("work", "dav1.ics", there);
    for n in 0..2 {
        first.add(single(&format!("u{n}"), "copied", 10 + n)).await;
    }
    let providers: [&dyn Provider; 2] = [&one, &two];
    for _ in 0..2 {
        for (link, provider) in links.iter().zip(providers) {
            sync(&first, link, provider).await;
        }
    }
    // An update leaves the mark.
    first.edit("u0", |event| body(event).location = Some("Room".to_owned())).await;
    for (link, provider) in links.iter().zip(providers) {
        sync(&first, link, provider).await;
    }
    let marked = |server: &GoogleServer| {
        server
            .events("primary")
            .into_iter()
            .find(|one| one["extendedProperties"]["private"]["calsyncMark"].is_string())
    };
    let mut copied = marked(&google).unwrap();
    for member in ["id", "iCalUID", "etag"] {
        copied.as_object_mut().unwrap().remove(member);
    }
    copied["summary"] = "somebody's copy".into();
    google.put("primary", copied);
    let (_, _, text) = dav
        .list("work")
        .into_iter()
        .find(|(_, _, text)| text.contains("X-CALSYNC-MARK") && text.contains("UID:u1"))
        .unwrap();
    dav.put("work", "copied.ics", &text.replace("UID:u1", "UID:copied"));

    let lost = world();
    for ((link, provider), (mine, theirs)) in links.iter().zip(providers).zip([(2, 2), (2, 2)]) {
        let asked = lost.engine.clean(link, provider, &CleanOptions::default()).await.unwrap();
        assert!(asked.plan.held);
        let options = CleanOptions::default().approving(asked.plan.deletions_id());
        let report = lost.engine.clean(link, provider, &options).await.unwrap();
        assert_eq!((report.deleted, report.foreign), (mine, 1), "{theirs} stay on {:?}", link.id);
    }
    let mut left: Vec<String> = google
        .events("primary")
        .iter()
        .filter(|one| one["status"] != "cancelled")
        .map(|one| one["summary"].to_string())
        .collect();
    left.sort();
    assert_eq!(left, ["\"made there\"", "\"somebody's copy\""]);
    let left: String = dav.list("work").into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(left.matches("BEGIN:VEVENT").count(), 2);
    assert!(left.contains("UID:dav1") && left.contains("UID:copied"));
}

/// An instance of which this side has no series.
fn orphan(uid: &str, title: &str) -> Event {
    let mut event = single(uid, title, 4);
    let body = EventBody {
        time: TimeSpan { start: berlin(4, 15), end: berlin(4, 16) },
        ..event.master.take().unwrap()
    };
    let changed = Override::Changed { body: Box::new(body), scope: OverrideScope::This };
    event.overrides.insert(key(4), changed);
    event
}

fn instance(event: &mut Event, day: u32) -> &mut EventBody {
    match event.overrides.get_mut(&key(day)) {
        Some(Override::Changed { body, .. }) => body,
        other => panic!("{other:?}"),
    }
}

/// REC-10: who is invited to one instance of a series has that one at Google as an event, and it is that instance for whoever
/// reads it: edited on either side, read by another hub, joined by its series, deleted.
#[tokio::test]
async fn rec_10_an_instance_without_its_series_stands_at_google_as_what_it_is() {
    let server = start(GoogleQuirks::default());
    let (world, provider) = (world(), with(config(&server)));
    let link = link(&world);
    let mut two = orphan("two", "first of two");
    let second = instance(&mut two, 4).clone();
    let changed = Override::Changed { body: Box::new(second), scope: OverrideScope::This };
    two.overrides.insert(key(6), changed);
    let rendered = google_support::render(&provider, &two, None);
    assert_eq!(rendered.losses, ["20260306T080000Z/override"], "which is said");
    world.add(orphan("series", "one of many")).await;
    world.add(single("other", "other", 5)).await;
    let report = sync(&world, &link, &provider).await;
    assert!(
        report.in_step() && report.plan.operations.iter().all(|done| done.losses.is_empty()),
        "{report:?}"
    );
    converge(&world, &link, &provider, &server).await;
    assert_eq!(world.local("series").await.event, orphan("series", "one of many"));
    let id_of = |title: &str| {
        let all = server.events("primary");
        let found =
            all.iter().find(|event| event["summary"] == title).unwrap_or_else(|| panic!("{title}: {all:?}"));
        found["id"].as_str().unwrap().to_owned()
    };
    let id = id_of("one of many");
    let there = server.event("primary", &id).unwrap();
    assert_eq!(there["start"]["dateTime"], "2026-03-04T15:00:00+01:00");
    assert!(there.get("recurrence").is_none() && server.events("primary").len() == 2);
    // Another hub has the same.
    let other = World::new(Arc::new(MemoryStore::default()), 9);
    let second = Link::new("second", other.calendar.as_str(), primary());
    other.engine.sync(&second, &provider, &SyncOptions::default()).await.unwrap();
    let mut read = other.local("series").await.event;
    assert!(read.master.is_none());
    assert_eq!(instance(&mut read, 4).title.as_deref(), Some("one of many"));
    // Edits of either side are edits of the instance.
    world.edit("series", |event| instance(event, 4).location = Some("here".into())).await;
    server.edit("primary", &id, |event| drop(event.insert("summary".into(), "renamed".into())));
    converge(&world, &link, &provider, &server).await;
    let mut here = world.local("series").await.event;
    assert!(here.master.is_none() && here.rules.is_empty());
    let held = instance(&mut here, 4);
    assert_eq!((held.title.as_deref(), held.location.as_deref()), (Some("renamed"), Some("here")));
    assert_eq!(server.event("primary", &id).unwrap()["location"], "here");
    // A copy somebody makes of it by hand is an event.
    let mut copy = server.event("primary", &id).unwrap();
    copy["summary"] = "copied".into();
    for own in ["id", "etag", "iCalUID"] {
        copy.as_object_mut().unwrap().remove(own);
    }
    server.put("primary", copy);
    converge(&world, &link, &provider, &server).await;
    let locals = world.locals().await;
    let copied = locals
        .iter()
        .find(|record| record.event.master.as_ref().and_then(|body| body.title.as_deref()) == Some("copied"));
    assert!(copied.is_some_and(|record| record.event.overrides.is_empty()));
    // A second instance has no place there: it stays here.
    world
        .edit("series", |event| {
            let body = EventBody::new(TimeSpan { start: berlin(6, 9), end: berlin(6, 10) });
            let changed = Override::Changed { body: Box::new(body), scope: OverrideScope::This };
            event.overrides.insert(key(6), changed);
        })
        .await;
    converge(&world, &link, &provider, &server).await;
    assert_eq!(world.local("series").await.event.overrides.len(), 2);
    // The series comes: the same event at Google is that series now.
    world
        .edit("series", |event| {
            event.master = single("series", "series", 2).master;
            event.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=7")];
        })
        .await;
    converge(&world, &link, &provider, &server).await;
    let series = server.event("primary", &id).unwrap();
    assert_eq!(
        (&series["summary"], &series["recurrence"]),
        (&json!("series"), &json!(["RRULE:FREQ=DAILY;COUNT=7"]))
    );
    assert!(series["extendedProperties"]["private"].get("calsyncInstance").is_none());
    assert_eq!(id_of("renamed"), format!("{id}_20260304T080000Z"));
    let read = world.local("series").await.event;
    assert_eq!((read.master.unwrap().title.as_deref(), read.overrides.len()), (Some("series"), 2));
    world.delete("series").await;
    converge(&world, &link, &provider, &server).await;
    assert!(server.event("primary", &id).is_none_or(|event| event["status"] == "cancelled"));
}

/// BAD-08: a UID too long for what Google keeps stays here, and is said to; the event is there once, whatever answer is lost.
#[tokio::test]
async fn bad_08_a_uid_too_long_for_google_stays_here() {
    let uid = "x".repeat(2048);
    for nth in 0..=4 {
        let server = start(GoogleQuirks::default());
        let (world, provider) = (world(), with(config(&server)));
        let link = link(&world);
        world.add(single(&uid, "long", 4)).await;
        world.add(single("short", "short", 4)).await;
        if nth > 0 {
            server.inject(Fault::drop_after().nth(nth));
            for _ in 0..4 {
                let _ = world.engine.sync(&link, &provider, &SyncOptions::default()).await;
                world.clock.advance(TimeDelta::hours(1));
            }
            server.clear_faults();
        } else {
            let report = sync(&world, &link, &provider).await;
            let losses: Vec<_> = report.plan.operations.iter().flat_map(|done| &done.losses).collect();
            assert_eq!(losses, ["uid"]);
        }
        converge(&world, &link, &provider, &server).await;
        assert_eq!((server.events("primary").len(), world.locals().await.len()), (2, 2), "{nth}");
        world.edit(&uid, |event| body(event).location = Some("here".into())).await;
        converge(&world, &link, &provider, &server).await;
        let there = server.events("primary");
        let there = there.iter().find(|event| event["summary"] == "long").unwrap();
        assert_eq!(there["location"], "here");
        server.edit("primary", there["id"].as_str().unwrap(), |event| {
            event.insert("summary".into(), "edited".into());
        });
        converge(&world, &link, &provider, &server).await;
        assert_eq!(world.local(&uid).await.event.master.unwrap().title.as_deref(), Some("edited"));
    }
}
