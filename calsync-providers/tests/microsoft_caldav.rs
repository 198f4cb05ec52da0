//! One calendar kept in step with Microsoft Graph and with a CalDAV server: what is done on either side arrives on the
//! other, and then there is nothing left to do.
#![cfg(all(feature = "microsoft", feature = "caldav"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::sync::Arc;

use calsync_core::{
    engine::{Link, SyncOptions},
    model::Override,
    provider::Provider,
    store::MemoryStore,
    zone::Zone,
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    http::{AddressPolicy, HttpTransport, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use calsync_testkit::{
    dav::{DavOptions, DavServer},
    microsoft::{GraphOptions, GraphServer},
    world::{World, event},
};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::json;

struct Lab {
    world: World,
    graph: GraphServer,
    dav: DavServer,
    office: MicrosoftProvider,
    home: CalDavProvider,
    links: [Link; 2],
    calendar: String,
}

async fn lab() -> Lab {
    let graph = GraphServer::start(GraphOptions::default()).unwrap();
    let dav = DavServer::start(DavOptions::default()).unwrap();
    let world = World::new(Arc::new(MemoryStore::default()), 1);
    let transport: Arc<dyn HttpTransport> =
        Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
    let config =
        MicrosoftConfig::new(Arc::new(Secret::from("secret"))).at(graph.url(), AddressPolicy::AllowPrivate);
    let office = MicrosoftProvider::new(config, transport.clone()).unwrap().with_clock(world.clock.clone());
    let home = CalDavProvider::new(CalDavConfig::new(dav.url(), "user", "secret"), transport)
        .unwrap()
        .with_clock(world.clock.clone());
    let calendar = graph.default_calendar();
    let remote = home.calendars().await.unwrap().remove(0).id;
    let links = [Link::new("office", "family", calendar.as_str()), Link::new("home", "family", remote)];
    Lab { world, graph, dav, office, home, links, calendar }
}

impl Lab {
    /// Runs both links until neither finds anything to do; returns how many rounds that took.
    async fn settle(&self) -> usize {
        for round in 0..6 {
            self.world.clock.advance(TimeDelta::minutes(15));
            let engine = &self.world.engine;
            let first = engine.sync(&self.links[0], &self.office, &SyncOptions::default()).await.unwrap();
            let second = engine.sync(&self.links[1], &self.home, &SyncOptions::default()).await.unwrap();
            if first.plan.operations.is_empty() && second.plan.operations.is_empty() {
                return round;
            }
        }
        panic!("it does not come to rest");
    }

    fn object(&self, part: &str) -> (String, String) {
        let found = self.dav.list("work").into_iter().find(|(_, _, body)| body.contains(part));
        found.map(|(name, _, body)| (name, body)).unwrap_or_else(|| panic!("no object with {part}"))
    }
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_on_three_sides_come_to_rest_and_nobody_is_mailed() {
    let lab = lab().await;
    let weekly = json!({
        "subject": "review", "body": {"contentType": "text", "content": "agenda\nminutes"}, "categories": ["Team"],
        "start": {"dateTime": "2026-01-05T09:00:00", "timeZone": "Romance Standard Time"},
        "end": {"dateTime": "2026-01-05T10:00:00", "timeZone": "Romance Standard Time"},
        "recurrence": {
            "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "sunday"},
            "range": {"type": "endDate", "startDate": "2026-01-05", "endDate": "2026-03-02"},
        },
    });
    let series = lab.graph.add(&lab.calendar, &weekly).unwrap();
    let attendees = json!({
        "subject": "meeting", "start": {"dateTime": "2026-01-08T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-01-08T10:00:00", "timeZone": "UTC"},
        "attendees": [{"type": "required", "emailAddress": {"address": "bob@example.com", "name": "Bob"}}],
    });
    lab.graph.add(&lab.calendar, &attendees).unwrap();
    lab.dav.put(
        "work",
        "trip.ics",
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:trip\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART;VALUE=DATE:20260110\r\nDTEND;VALUE=DATE:20260113\r\nSUMMARY:trip\r\nX-KEPT:yes\r\nCOLOR:red\r\n\
         BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:trip\r\nTRIGGER:-PT30M\r\nEND:VALARM\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n",
    );
    for n in 0..10 {
        lab.world.add(event(&format!("u{n}"), "filler")).await;
    }
    assert!(lab.settle().await <= 3);
    assert_eq!(lab.world.locals().await.len(), 13);
    assert_eq!(lab.dav.list("work").len(), 13);
    let (_, review) = lab.object("SUMMARY:review");
    for line in [
        "DTSTART;TZID=Europe/Paris:20260105T090000",
        "BYDAY=MO",
        "UNTIL=20260302T225959Z",
        "DESCRIPTION:agenda\\nminutes",
        "CATEGORIES:Team",
    ] {
        assert!(review.contains(line), "{line}: {review}");
    }
    let trip =
        lab.graph.events(&lab.calendar).into_iter().find(|stored| stored.event["subject"] == "trip").unwrap();
    assert_eq!(trip.event["isAllDay"], true);
    assert_eq!(trip.event["start"]["dateTime"], "2026-01-10T00:00:00.0000000");
    assert_eq!(trip.event["reminderMinutesBeforeStart"], 30);

    // On Graph an instance is moved and one deleted, on CalDAV the title changes, here the place: all of it meets.
    let moved = lab.graph.instance(&series, day("2026-01-12")).unwrap();
    let times = json!({
        "start": {"dateTime": "2026-01-13T15:00:00", "timeZone": "UTC"}, "end": {"dateTime": "2026-01-13T16:00:00", "timeZone": "UTC"},
    });
    assert!(lab.graph.change(&moved, &times));
    assert!(lab.graph.delete(&lab.graph.instance(&series, day("2026-01-19")).unwrap()));
    let (name, body) = lab.object("UID:trip");
    lab.dav.put("work", &name, &body.replace("SUMMARY:trip", "SUMMARY:long trip"));
    lab.world.edit("trip", |event| event.master.as_mut().unwrap().location = Some("sea".into())).await;
    lab.settle().await;
    let (_, review) = lab.object("SUMMARY:review");
    assert!(review.contains("EXDATE;TZID=Europe/Paris:20260119T090000"), "{review}");
    assert!(review.contains("RECURRENCE-ID;TZID=Europe/Paris:20260112T090000"), "{review}");
    let (_, body) = lab.object("UID:trip");
    assert!(
        body.contains("SUMMARY:long trip")
            && body.contains("LOCATION:sea")
            && body.contains("X-KEPT:yes")
            && body.contains("COLOR:red"),
        "{body}"
    );
    let trip = lab.graph.events(&lab.calendar).into_iter().find(|stored| stored.id == trip.id).unwrap();
    assert_eq!(
        (trip.event["subject"].as_str(), trip.event["location"]["displayName"].as_str()),
        (Some("long trip"), Some("sea"))
    );

    // The same instants on both sides.
    let (from, until) = (instant("2026-01-01T00:00:00Z"), instant("2027-01-01T00:00:00Z"));
    let review =
        lab.world.locals().await.into_iter().find(|record| record.event.rules.len() == 1).unwrap().event;
    assert!(review.overrides.values().any(|value| matches!(value, Override::Excluded)));
    let (instances, _) = review.instances(from..until, &Zone::UTC, &Default::default());
    let here: Vec<_> = instances.iter().map(|instance| instance.time.start.instant(&Zone::UTC)).collect();
    assert_eq!(lab.graph.instants(&series, from, until), here);

    // Deleted on one side is deleted on all.
    let (name, _) = lab.object("UID:trip");
    assert!(lab.dav.delete("work", &name));
    lab.settle().await;
    assert!(!lab.graph.events(&lab.calendar).iter().any(|stored| stored.id == trip.id));
    assert_eq!(lab.settle().await, 0);
    assert_eq!(lab.graph.mails(), 0);
}

/// A colour neither side holds as it is stays here, and is written once: on CalDAV by the name next to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_colour_in_digits_stays_here_and_comes_to_rest() {
    let lab = lab().await;
    let colored = |color: &str| {
        let mut event = event("u", "party");
        event.master.as_mut().unwrap().color = Some(color.to_owned());
        event
    };
    lab.world.add(colored("#dc2127")).await;
    assert!(lab.settle().await <= 2);
    let here = || async { lab.world.locals().await.remove(0).event.master.unwrap().color.unwrap() };
    let held = |line: &str| lab.object("SUMMARY:party").1.contains(line);
    assert!(held("COLOR:crimson\r\n") && here().await == "#dc2127");
    // To another one with the same name, and to one with another.
    for (color, line) in [("#dc1f2a", "COLOR:crimson\r\n"), ("#0000fe", "COLOR:blue\r\n")] {
        lab.world.edit("u", |event| event.master.as_mut().unwrap().color = Some(color.to_owned())).await;
        assert!(lab.settle().await <= 2, "{color}");
        assert!(held(line) && here().await == color, "{color}");
    }
    // One given there is a change like any other.
    let (name, text) = lab.object("SUMMARY:party");
    lab.dav.put("work", &name, &text.replace("COLOR:blue", "COLOR:teal"));
    lab.settle().await;
    assert_eq!(here().await, "teal");
}
