//! What one person writes here another one reads from the account: times and fields, by way of Google and Microsoft.
#![cfg(all(feature = "google", feature = "microsoft"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

mod emulated;

use calsync_core::{
    diff::changed_fields,
    model::{
        Alarm, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope, Privacy, RecurrenceId,
        RuleEntry, Status, TimeSpan,
    },
    recurrence::ExpansionLimits,
    zone::Zone,
};
use calsync_testkit::world::body;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use emulated::{Lab, google, microsoft};

fn at(text: &str, zone: &str) -> EventTime {
    let local: NaiveDateTime = text.parse().unwrap();
    EventTime::zoned(local, Zone::from_iana(zone).unwrap())
}

/// An event from `start` to `end`, with a rule if it has one.
fn made(title: &str, start: EventTime, end: EventTime, rule: &str) -> Event {
    let body = EventBody { title: Some(title.to_owned()), ..EventBody::new(TimeSpan { start, end }) };
    let mut event = Event::single(format!("{title}@example.com"), body);
    if !rule.is_empty() {
        event.rules.push(RuleEntry::read(rule));
    }
    event
}

/// When it takes place, for a reader in Berlin.
fn instants(event: &Event) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let reader = Zone::from_iana("Europe/Berlin").unwrap();
    let day = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
    let (instances, _) = event.instances(day(2019)..day(2029), &reader, &ExpansionLimits::default());
    let resolved = |time: &EventTime| time.instant(&reader);
    instances.iter().map(|instance| (resolved(&instance.time.start), resolved(&instance.time.end))).collect()
}

/// The only event somebody has.
async fn only(lab: &Lab) -> Event {
    let mut all = lab.world.locals().await;
    assert_eq!(all.len(), 1);
    all.remove(0).event
}

#[tokio::test]
async fn time_02_03_08_11_a_series_takes_place_at_the_same_instants_for_whoever_reads_it() {
    let mut moved = made(
        "TIME-08",
        at("2026-03-01T23:30:00", "America/Los_Angeles"),
        at("2026-03-02T00:15:00", "America/Los_Angeles"),
        "FREQ=DAILY;COUNT=14",
    );
    let third = RecurrenceId::of(&at("2026-03-03T23:30:00", "America/Los_Angeles"));
    let mut later = moved.master.clone().unwrap();
    later.time = TimeSpan {
        start: at("2026-03-03T21:00:00", "America/Los_Angeles"),
        end: at("2026-03-03T21:45:00", "America/Los_Angeles"),
    };
    let changed = Override::Changed { body: Box::new(later), scope: OverrideScope::This };
    moved.overrides.insert(third, changed);
    moved
        .overrides
        .insert(RecurrenceId::of(&at("2026-03-09T23:30:00", "America/Los_Angeles")), Override::Excluded);
    let cases = [
        (
            made(
                "TIME-02",
                at("2019-11-10T09:00:00", "Europe/London"),
                at("2019-11-10T10:00:00", "Europe/London"),
                "FREQ=DAILY;UNTIL=20191117T090000Z",
            ),
            8,
        ),
        (
            made(
                "TIME-02 near midnight",
                at("2026-03-05T23:30:00", "America/Los_Angeles"),
                at("2026-03-05T23:45:00", "America/Los_Angeles"),
                "FREQ=DAILY;UNTIL=20260313T063000Z",
            ),
            8,
        ),
        (
            made(
                "TIME-03",
                at("2020-09-20T18:00:00", "Australia/Melbourne"),
                at("2020-09-20T19:00:00", "Australia/Melbourne"),
                "FREQ=WEEKLY;COUNT=5",
            ),
            5,
        ),
        (moved, 13),
        (
            made(
                "TIME-11",
                at("2026-05-01T20:00:00", "America/New_York"),
                at("2026-05-02T08:00:00", "Europe/London"),
                "",
            ),
            1,
        ),
    ];
    for (event, count) in cases {
        let title = event.master.as_ref().unwrap().title.clone().unwrap();
        for lab in [google("Europe/Berlin"), microsoft("Europe/Berlin")] {
            let expected = instants(&event);
            assert_eq!(expected.len(), count, "{title}");
            lab.world.add(event.clone()).await;
            lab.sync().await;
            lab.rests(&title).await;
            let other = Lab::on(lab.server.clone(), "Asia/Tokyo");
            other.sync().await;
            assert_eq!(instants(&only(&other).await), expected, "{title}");
            other.rests(&title).await;
            lab.rests(&title).await;
            assert_eq!(instants(&only(&lab).await), expected, "{title}");
        }
    }
}

/// Absent, public, private and secret, busy and free: each combination is itself for whoever reads it.
#[tokio::test]
async fn fld_09_privacy_and_free_busy_are_two_fields_and_survive() {
    for privacy in [None, Some(Privacy::Private), Some(Privacy::Secret)] {
        for free_busy in [None, Some(FreeBusyStatus::Busy), Some(FreeBusyStatus::Free)] {
            for lab in [google("UTC"), microsoft("UTC")] {
                let mut event =
                    made("x", at("2026-05-01T09:00:00", "UTC"), at("2026-05-01T10:00:00", "UTC"), "");
                (body(&mut event).privacy, body(&mut event).free_busy) = (privacy, free_busy);
                let case = format!("{privacy:?} {free_busy:?}");
                lab.world.add(event).await;
                lab.sync().await;
                lab.rests(&case).await;
                let other = Lab::on(lab.server.clone(), "UTC");
                other.sync().await;
                let read = only(&other).await.master.unwrap();
                assert_eq!(read.privacy.filter(|privacy| *privacy != Privacy::Public), privacy, "{case}");
                let free = |status: Option<FreeBusyStatus>| status == Some(FreeBusyStatus::Free);
                assert_eq!(free(read.free_busy), free(free_busy), "{case}");
                // And here it is as it was.
                let here = only(&lab).await.master.unwrap();
                assert_eq!((here.privacy, here.free_busy), (privacy, free_busy), "{case}");
                other.rests(&case).await;
            }
        }
    }
}

/// What is cleared by one is cleared for the other, and nothing else is.
#[tokio::test]
async fn fld_06_a_field_cleared_by_one_is_cleared_for_the_other() {
    type Clear = fn(&mut EventBody);
    let fields: [(&str, Clear); 3] = [
        ("location", |body| body.location = None),
        ("description", |body| body.description = None),
        ("alarms", |body| body.alarms.clear()),
    ];
    for (field, clear) in fields {
        for lab in [google("UTC"), microsoft("UTC")] {
            let mut event = made("x", at("2026-05-01T09:00:00", "UTC"), at("2026-05-01T10:00:00", "UTC"), "");
            body(&mut event).location = Some("Room 1".to_owned());
            body(&mut event).description = Some("Agenda".to_owned());
            body(&mut event).alarms = vec![Alarm::display_before(600)];
            lab.world.add(event).await;
            lab.sync().await;
            let other = Lab::on(lab.server.clone(), "UTC");
            other.sync().await;
            let uid = only(&other).await.uid.to_string();
            other.world.edit(&uid, |event| clear(body(event))).await;
            other.sync().await;
            other.rests(field).await;
            lab.sync().await;
            let left = only(&lab).await.master.unwrap();
            let expected = |name: &str| name != field;
            assert_eq!(left.location.is_some(), expected("location"), "{field}");
            assert_eq!(left.description.is_some(), expected("description"), "{field}");
            assert_eq!(!left.alarms.is_empty(), expected("alarms"), "{field}");
            lab.rests(field).await;
        }
    }
}

/// FLD-13: every field, by every way an edit can take: with the event when it is made, on a single event, on a series, on an
/// instance that is like its series, and on one that differs already. Who reads it elsewhere reads what the account can
/// hold of it, and nothing else has changed.
#[tokio::test]
async fn fld_13_every_field_is_written_by_every_way_an_edit_takes() {
    type Edit = fn(&mut EventBody);
    let fields: [(&str, Edit); 11] = [
        ("title", |body| body.title = Some("another".into())),
        ("description", |body| body.description = Some("another".into())),
        ("location", |body| body.location = Some("another".into())),
        ("url", |body| body.url = Some("https://example.com/".into())),
        ("time", |body| body.time.end = at("2026-05-04T10:30:00", "Europe/Berlin")),
        ("status", |body| body.status = Some(Status::Tentative)),
        ("free-busy", |body| body.free_busy = Some(FreeBusyStatus::Free)),
        ("privacy", |body| body.privacy = Some(Privacy::Private)),
        ("priority", |body| body.priority = Some(1)),
        ("categories", |body| body.categories = ["Red".to_owned()].into()),
        ("alarms", |body| body.alarms = vec![Alarm::display_before(900)]),
    ];
    let (first, last) = ("2026-05-04T09:00:00", "2026-05-04T10:00:00");
    let [start, end] = [first, last].map(|text| at(text, "Europe/Berlin"));
    let whole = |title: &str, rule: &str| {
        let mut event = made(title, start.clone(), end.clone(), rule);
        body(&mut event).alarms = vec![Alarm::display_before(600)];
        // Said aloud, as an account says it that has no word for nothing.
        body(&mut event).free_busy = Some(FreeBusyStatus::Busy);
        event
    };
    // The first instance, so that the times of the edits above are its own; and a neighbour that differs already.
    let own = RecurrenceId::of(&start);
    for lab in [google("Europe/Berlin"), microsoft("Europe/Berlin")] {
        let kind = if matches!(lab.server, emulated::Server::Google(_)) { "google" } else { "microsoft" };
        for (field, edit) in fields {
            let name = |way: &str| format!("{field} {way}");
            let instance = |event: &Event, edit: Edit| {
                let mut body = event.master.clone().unwrap();
                edit(&mut body);
                Override::Changed { body: Box::new(body), scope: OverrideScope::This }
            };
            let mut created = whole(&name("created"), "");
            edit(body(&mut created));
            let mut differs = whole(&name("differs"), "FREQ=WEEKLY;COUNT=4");
            let moved = instance(&differs, |body| body.location = Some("elsewhere".into()));
            differs.overrides.insert(own, moved);
            lab.world.add(created).await;
            lab.world.add(whole(&name("single"), "")).await;
            lab.world.add(whole(&name("series"), "FREQ=WEEKLY;COUNT=4")).await;
            lab.world.add(whole(&name("instance"), "FREQ=WEEKLY;COUNT=4")).await;
            lab.world.add(differs).await;
        }
        lab.sync().await;
        for (field, edit) in fields {
            let uid = |way: &str| format!("{field} {way}@example.com");
            for way in ["single", "series"] {
                lab.world.edit(&uid(way), |event| edit(body(event))).await;
            }
            lab.world
                .edit(&uid("instance"), |event| {
                    let mut changed = event.master.clone().unwrap();
                    edit(&mut changed);
                    let changed = Override::Changed { body: Box::new(changed), scope: OverrideScope::This };
                    event.overrides.insert(own, changed);
                })
                .await;
            lab.world
                .edit(&uid("differs"), |event| {
                    let Some(Override::Changed { body, .. }) = event.overrides.get_mut(&own) else {
                        panic!()
                    };
                    edit(body);
                })
                .await;
        }
        lab.sync().await;
        lab.rests(kind).await;
        let other = Lab::on(lab.server.clone(), "Europe/Berlin");
        other.sync().await;
        let read = other.world.locals().await;
        assert_eq!(read.len(), fields.len() * 5, "{kind}");
        let here = lab.world.locals().await;
        for record in here {
            let there = read.iter().find(|other| other.event.uid == record.event.uid).unwrap();
            let wanted = lab.provider.project(&record.event).into_owned();
            let held = lab.provider.project(&there.event).into_owned();
            // Graph has no place for an address, and tells the times of an instance in UTC.
            let uid = record.event.uid.as_str();
            let is_held = kind == "google" || !uid.starts_with("url ");
            let differs: Vec<String> =
                changed_fields(&held, &wanted).iter().map(ToString::to_string).collect();
            let differs: Vec<&String> =
                differs.iter().filter(|part| is_held && !part.ends_with("time")).collect();
            assert!(differs.is_empty(), "{kind}, {uid}: {differs:?}");
            assert_eq!(instants(&there.event), instants(&record.event), "{kind}, {uid}");
        }
        other.rests(kind).await;
    }
}
