//! What is rewritten at every run elsewhere: days, events without an end, the hour that comes twice.

use calsync_core::{
    model::{Event, EventBody, EventTime, Fold, TimeSpan},
    plan::Direction,
    zone::Zone,
};
use chrono::{NaiveDate, NaiveDateTime};
use serde_json::json;

use crate::accounts::{Account, Server, Side, all_instances, made};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// LOOP-03: an all-day event and series, in calendars in Denver and on Kiritimati, made here and at the account. They are
/// the same dates on both sides, and no run writes anything.
#[tokio::test(flavor = "multi_thread")]
async fn loop_03_all_day_events_are_not_replaced() {
    for zone in ["America/Denver", "Pacific/Kiritimati"] {
        let accounts = Account::each(zone);
        let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
        let all_day = |uid: &str, first: &str, last: &str, rule: &str| {
            let mut event = made(uid, "2026-08-12T00:00:00", "UTC", rule);
            event.master.as_mut().unwrap().time = TimeSpan::all_day(day(first), day(last));
            event
        };
        side.world.add(all_day("one", "2026-08-12", "2026-08-12", "")).await;
        side.world.add(all_day("three", "2026-10-31", "2026-11-02", "")).await;
        side.world.add(all_day("weekly", "2026-08-12", "2026-08-12", "FREQ=WEEKLY;COUNT=20")).await;
        let Server::Google(google) = &accounts[0].server else { unreachable!() };
        google.put(
            "primary",
            json!({"summary": "Birthday", "start": {"date": "2026-08-12"}, "end": {"date": "2026-08-13"}}),
        );
        let Server::Graph(graph) = &accounts[1].server else { unreachable!() };
        for (subject, at) in [("Holiday", "UTC"), ("Fair", "Mountain Standard Time")] {
            let (start, end) = ("2026-08-12T00:00:00", "2026-08-13T00:00:00");
            let event = json!({
                "subject": subject, "isAllDay": true,
                "start": {"dateTime": start, "timeZone": at}, "end": {"dateTime": end, "timeZone": at},
            });
            graph.add(&accounts[1].calendars[0], &event).unwrap();
        }
        side.settles(zone).await;
        let here = all_instances(&side.events().await);
        assert_eq!(here.len(), 1 + 1 + 20 + 3, "{zone}");
        let of_the_day = |event: &Event| {
            event.master.as_ref().unwrap().time == TimeSpan::all_day(day("2026-08-12"), day("2026-08-12"))
        };
        assert_eq!(side.events().await.iter().filter(|event| of_the_day(event)).count(), 5, "{zone}");
        for account in &accounts {
            assert_eq!(account.takes_place(0).await, here, "{zone}, {}", account.name);
        }
    }
}

/// LOOP-06: events without an end, or whose end is no later than their start. They come to rest on every side, whatever an
/// account makes of them, and the source keeps every byte.
#[tokio::test(flavor = "multi_thread")]
async fn loop_06_events_without_an_end_come_to_rest() {
    #[rustfmt::skip]
    let table = [
        "DTSTART:20260612T090000Z",
        "DTSTART:20260612T090000Z|DTEND:20260612T090000Z",
        "DTSTART:20260612T090000Z|DTEND:20260612T080000Z",
        "DTSTART:20260612T090000Z|DURATION:PT0S",
        "DTSTART:20260612T090000Z|DURATION:-PT1H",
        "DTSTART;VALUE=DATE:20260612",
        "DTSTART;VALUE=DATE:20260612|DTEND;VALUE=DATE:20260612",
        "DTSTART;VALUE=DATE:20260612|DTEND;VALUE=DATE:20260611",
        "DTSTART;TZID=Europe/Berlin:20260612T090000",
        "DTSTART;TZID=Europe/Berlin:20260612T090000|DTEND;TZID=Europe/Berlin:20260612T090000|RRULE:FREQ=DAILY;COUNT=3",
        "DTSTART:20260612T090000",
        "DTSTART:20260612T090000|DTEND:20260612T090000",
    ];
    let floating = |line: &str| line.starts_with("DTSTART:") && !line.contains('Z');
    let accounts = Account::each("Europe/Berlin");
    let Server::Dav(dav) = &accounts[2].server else { unreachable!() };
    let text = |n: usize| {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:u{n}\r\nDTSTAMP:20260101T000000Z\r\n\
             {}\r\nSUMMARY:event {n}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            table[n].replace('|', "\r\n")
        )
    };
    for n in 0..table.len() {
        dav.put("work", &format!("{n}.ics"), &text(n));
    }
    let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
    side.settles("events without an end").await;
    assert_eq!(side.events().await.len(), table.len());
    for account in &accounts[..2] {
        let seen = account.seen(0).await;
        let titles: Vec<_> = seen.iter().map(|event| event.body().unwrap().title.clone().unwrap()).collect();
        // Google has no floating times; Graph reads them in the zone the link names.
        let held = |line: &&&str| account.name != "google" || !floating(line);
        assert_eq!(seen.len(), table.iter().filter(held).count(), "{}: {titles:?}", account.name);
        for event in &seen {
            let body = event.body().unwrap();
            let n: usize = body.title.as_deref().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
            let case = format!("{} at {}", table[n], account.name);
            assert_eq!(body.time.is_all_day(), table[n].contains("VALUE=DATE"), "{case}");
            assert_eq!(body.time.start.local().date(), day("2026-06-12"), "{case}");
        }
    }
    for (n, line) in table.iter().enumerate() {
        assert_eq!(
            dav.get("work", &format!("{n}.ics")).as_deref(),
            Some(text(n).as_str()),
            "the source of {}",
            line
        );
    }
    // An edit of something else goes through, and leaves the length alone where it was not said.
    for n in 0..table.len() {
        side.world
            .edit(&format!("u{n}"), |event| event.master.as_mut().unwrap().location = Some("here".into()))
            .await;
    }
    side.settles("edited").await;
    for (n, lines) in table.iter().enumerate() {
        let body = dav.get("work", &format!("{n}.ics")).unwrap();
        assert!(body.contains("LOCATION:here"), "{}", lines);
        for line in lines.split('|') {
            assert!(body.contains(line), "{line} of {}\n{body}", lines);
        }
    }
}

/// LOOP-18: half past two on the night the clocks go back, at +02:00 and at +01:00, made here and at each account: each is
/// the same instant on every side, and no run writes anything.
#[tokio::test(flavor = "multi_thread")]
async fn loop_18_the_repeated_hour_does_not_flip() {
    let local: NaiveDateTime = "2026-10-25T02:30:00".parse().unwrap();
    let zone = Zone::from_iana("Europe/Berlin").unwrap();
    let accounts = Account::each("Europe/Berlin");
    for (n, fold) in [Fold::First, Fold::Second].into_iter().enumerate() {
        let offset = ["+02:00", "+01:00"][n];
        let time = |minutes| EventTime::Zoned {
            local: local + chrono::TimeDelta::minutes(minutes),
            zone: zone.clone(),
            fold,
        };
        for from in 0..4 {
            let title = format!("{offset} from {from}");
            match from {
                1 => {
                    let Server::Google(google) = &accounts[0].server else { unreachable!() };
                    let at = |minute| json!({"dateTime": format!("2026-10-25T02:{minute}:00{offset}"), "timeZone": "Europe/Berlin"});
                    google.put("primary", json!({"summary": title, "start": at(30), "end": at(45)}));
                }
                2 => {
                    // Graph tells the two apart in UTC only.
                    let Server::Graph(graph) = &accounts[1].server else { unreachable!() };
                    let hour = [0, 1][n];
                    let at = |minute| json!({"dateTime": format!("2026-10-25T0{hour}:{minute}:00"), "timeZone": "UTC"});
                    let event = json!({"subject": title, "start": at(30), "end": at(45)});
                    graph.add(&accounts[1].calendars[0], &event).unwrap();
                }
                _ => {
                    let owner = Side::of((from == 3).then_some((&accounts[2], 0)), Direction::TwoWay);
                    let body = EventBody::new(TimeSpan { start: time(0), end: time(15) });
                    let event = Event::single(&*title, EventBody { title: Some(title.clone()), ..body });
                    owner.world.add(event).await;
                    owner.sync().await;
                    if from == 0 {
                        continue;
                    }
                }
            }
        }
    }
    let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
    for (n, fold) in [Fold::First, Fold::Second].into_iter().enumerate() {
        let at = |minutes| EventTime::Zoned {
            local: local + chrono::TimeDelta::minutes(minutes),
            zone: zone.clone(),
            fold,
        };
        let title = format!("{} from here", ["+02:00", "+01:00"][n]);
        let body = EventBody::new(TimeSpan { start: at(0), end: at(15) });
        side.world.add(Event::single(&*title, EventBody { title: Some(title.clone()), ..body })).await;
    }
    side.settles("the repeated hour").await;
    let here = all_instances(&side.events().await);
    assert_eq!(here.len(), 8, "{here:?}");
    for instance in &here {
        let at = if instance.contains("+02:00") { "2026-10-25T00:30:00Z" } else { "2026-10-25T01:30:00Z" };
        assert!(instance.starts_with(at), "{instance} {here:#?}");
    }
    for account in &accounts {
        assert_eq!(account.takes_place(0).await, here, "{}", account.name);
    }
    // Moved on by a quarter on one side, each is the other quarter on all.
    for event in side.events().await {
        let uid = event.uid.clone();
        side.world
            .edit(&uid, |event| {
                let time = &mut event.master.as_mut().unwrap().time;
                let later = |time: &EventTime| {
                    let at = time.absolute().unwrap() + chrono::TimeDelta::minutes(15);
                    calsync_core::model::RecurrenceId::Instant(at).to_time(time)
                };
                *time = TimeSpan { start: later(&time.start), end: later(&time.end) };
            })
            .await;
    }
    side.settles("a quarter later").await;
    let here = all_instances(&side.events().await);
    for instance in &here {
        let at = if instance.contains("+02:00") { "2026-10-25T00:45:00Z" } else { "2026-10-25T01:45:00Z" };
        assert!(instance.starts_with(at), "{instance}");
    }
    for account in &accounts {
        assert_eq!(account.takes_place(0).await, here, "{}", account.name);
    }
}
