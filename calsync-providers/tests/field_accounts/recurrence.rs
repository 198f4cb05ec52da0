//! Exceptions and rules of the field between accounts.

use calsync_core::{
    model::{Override, RecurrenceId},
    plan::Direction,
};
use chrono::{Days, NaiveDate};
use serde_json::json;

use crate::accounts::{Account, Server, Side, all_instances, at, instances, key, made};

const BERLIN: &str = "Europe/Berlin";

/// REC-05: a copied series carries the recurrence id of another series and rules of its own. It is a series of its own, the
/// source keeps every byte, and what it is copied to recurs.
#[tokio::test(flavor = "multi_thread")]
async fn rec_05_an_exception_of_a_foreign_series() {
    let own = "BEGIN:VEVENT\r\nUID:other\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260202T090000\r\n\
        DTEND;TZID=Europe/Berlin:20260202T100000\r\nRRULE:FREQ=WEEKLY;COUNT=4\r\nSUMMARY:other\r\nEND:VEVENT\r\n";
    let foreign = |uid: &str, rule: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;TZID=Europe/Berlin:20251111T070000\r\n\
             DTSTART;TZID=Europe/Berlin:20260303T110000\r\nDTEND;TZID=Europe/Berlin:20260303T120000\r\n{rule}SUMMARY:copied\r\n\
             END:VEVENT\r\n"
        )
    };
    let rule = "RRULE:FREQ=WEEKLY;COUNT=5\r\n";
    // What is in the object, and how many instances it has at least and at most.
    let table = [
        (foreign("copied", rule), 5, 5),
        (foreign("copied", ""), 1, 1),
        // Two UIDs in one object: no server may hold that, and it is set aside whole.
        (format!("{own}{}", foreign("copied", rule)), 0, 0),
        // An exception of its own series that it does not have.
        (format!("{own}{}", foreign("other", "")), 4, 5),
        (format!("{own}{}", foreign("other", rule)), 4, 9),
    ];
    for (n, (events, least, most)) in table.into_iter().enumerate() {
        let accounts = Account::each(BERLIN);
        let Server::Dav(dav) = &accounts[2].server else { unreachable!() };
        let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{events}END:VCALENDAR\r\n");
        dav.put("work", "copied.ics", &text);
        dav.put("work", "sibling.ics", &text_of("sibling"));
        let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
        side.settles(&format!("case {n}")).await;
        let here = all_instances(&side.events().await);
        assert!((least + 1..=most + 1).contains(&here.len()), "case {n}: {here:?}");
        assert!(here.iter().any(|instance| instance.ends_with("sibling")), "case {n}");
        assert_eq!(dav.get("work", "copied.ics").as_deref(), Some(text.as_str()), "case {n}");
        for account in &accounts[..2] {
            if n >= 3 && account.name == "graph" {
                // An instance that its rule does not have has no name there.
                let there = account.takes_place(0).await;
                assert!(
                    there.iter().all(|instance| here.contains(instance)) && there.len() == 5,
                    "case {n}: {there:?}"
                );
                continue;
            }
            assert_eq!(account.takes_place(0).await, here, "case {n}: {}", account.name);
        }
    }
}

fn text_of(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260612T090000Z\r\nDTEND:20260612T100000Z\r\nSUMMARY:{uid}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// REC-07: of a series from the 6th to the 13th of August all eight instances are excluded, from the start or one by one. It
/// is nowhere deleted by that and no run fails, and when one is let in again it takes place everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn rec_07_a_series_without_any_instance_is_kept() {
    for from_the_start in [true, false] {
        let case = format!("from the start: {from_the_start}");
        let accounts = Account::each(BERLIN);
        let Server::Dav(dav) = &accounts[2].server else { unreachable!() };
        let text = |days: &[u32]| {
            let excluded: String = days
                .iter()
                .map(|day| format!("EXDATE;TZID=Europe/Berlin:202608{day:02}T090000\r\n"))
                .collect();
            format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:daily\r\n\
                 DTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260806T090000\r\n\
                 DTEND;TZID=Europe/Berlin:20260806T100000\r\nRRULE:FREQ=DAILY;UNTIL=20260813T070000Z\r\n{excluded}\
                 SUMMARY:daily\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
            )
        };
        let all: Vec<u32> = (6..=13).collect();
        let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
        for end in if from_the_start { 8..=8 } else { 0..=8 } {
            dav.put("work", "daily.ics", &text(&all[..end]));
            side.settles(&case).await;
        }
        assert_eq!((side.events().await.len(), all_instances(&side.events().await).len()), (1, 0), "{case}");
        assert_eq!(dav.get("work", "daily.ics"), Some(text(&all)), "{case}");
        for account in &accounts {
            assert_eq!(account.takes_place(0).await, Vec::<String>::new(), "{case}: {}", account.name);
        }
        side.world
            .edit("daily", |event| drop(event.overrides.remove(&key("2026-08-10T09:00:00", BERLIN))))
            .await;
        side.settles(&case).await;
        for account in &accounts {
            if account.name == "graph" {
                // What was deleted there cannot be brought back as an instance, and the link is told so.
                continue;
            }
            let one = account.takes_place(0).await;
            assert_eq!(one, ["2026-08-10T07:00:00Z..2026-08-10T08:00:00Z daily"], "{case}: {}", account.name);
        }
    }
}

/// REC-11: an exception that comes with nothing but that it is tentative, or with a title only, has the rest from its
/// series, on every side; and one that is there already keeps what it had.
#[tokio::test(flavor = "multi_thread")]
async fn rec_11_an_exception_of_few_members_inherits_the_rest() {
    let accounts = Account::each(BERLIN);
    let Server::Google(google) = &accounts[0].server else { unreachable!() };
    let at = |hour: u32| json!({"dateTime": format!("2026-02-02T{hour:02}:00:00+01:00"), "timeZone": BERLIN});
    google.put(
        "primary",
        json!({"id": "series1", "summary": "series", "location": "Room 1", "start": at(9), "end": at(10),
               "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=4"]}),
    );
    let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
    side.settles("before").await;
    google.edit("primary", "series1_20260209T080000Z", |event| {
        event.insert("status".into(), "tentative".into());
        for lost in ["summary", "location", "start", "end"] {
            event.remove(lost);
        }
    });
    let Server::Graph(graph) = &accounts[1].server else { unreachable!() };
    let id = graph.events(&accounts[1].calendars[0]).remove(0).id;
    let instance = graph.instance(&id, NaiveDate::from_ymd_opt(2026, 2, 16).unwrap()).unwrap();
    assert!(graph.change(&instance, &json!({"showAs": "free"})));
    side.settles("after").await;
    let here = all_instances(&side.events().await);
    assert_eq!(here.len(), 4);
    for (week, instance) in here.iter().enumerate() {
        let day = NaiveDate::from_ymd_opt(2026, 2, 2).unwrap() + Days::new(7 * week as u64);
        assert_eq!(*instance, format!("{day}T08:00:00Z..{day}T09:00:00Z series"));
    }
    let event = side.events().await.remove(0);
    for value in event.overrides.values() {
        let Override::Changed { body, .. } = value else { panic!("{value:?}") };
        assert_eq!((body.title.as_deref(), body.location.as_deref()), (Some("series"), Some("Room 1")));
    }
    for account in &accounts {
        assert_eq!(account.takes_place(0).await, here, "{}", account.name);
    }
}

/// REC-13: the last working day, the 29th, 30th and 31st, and leap days take place on the same dates for ten years on
/// every side, or the account is said not to be able to hold the rule; here the series stays what it was in any case.
#[tokio::test(flavor = "multi_thread")]
async fn rec_13_ends_of_months_on_every_side() {
    let rules = [
        ("2026-01-30", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),
        ("2026-01-31", "FREQ=MONTHLY;BYMONTHDAY=31"),
        ("2026-01-31", "FREQ=MONTHLY"),
        ("2026-01-30", "FREQ=MONTHLY;BYMONTHDAY=30"),
        ("2026-01-29", "FREQ=MONTHLY;BYMONTHDAY=29"),
        ("2026-01-31", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("2026-01-30", "FREQ=MONTHLY;BYDAY=-1FR"),
        ("2026-01-30", "FREQ=MONTHLY;BYDAY=5FR"),
        ("2024-02-29", "FREQ=YEARLY"),
        ("2024-02-29", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"),
        ("2026-02-28", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1"),
        ("2026-01-31", "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=31"),
        ("2026-01-31", "FREQ=MONTHLY;BYMONTHDAY=31;UNTIL=20300601T000000Z"),
    ];
    let accounts = Account::each(BERLIN);
    let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
    for (n, (start, rule)) in rules.iter().enumerate() {
        side.world.add(made(&format!("s{n:02}"), &format!("{start}T23:30:00"), BERLIN, rule)).await;
    }
    let reports = side.sync().await;
    side.settles("ends of months").await;
    for (n, (start, rule)) in rules.iter().enumerate() {
        let uid = format!("s{n:02}");
        let here = side.world.local(&uid).await;
        let expected = made(&uid, &format!("{start}T23:30:00"), BERLIN, rule);
        assert_eq!(instances(&here.event), instances(&expected), "{rule}: here");
        for (account, report) in accounts.iter().zip(&reports) {
            let seen = account.seen(0).await;
            let copy = seen.iter().find(|event| event.body().unwrap().title.as_deref() == Some(&*uid));
            let copy = copy.unwrap_or_else(|| panic!("{rule} is not at {}", account.name));
            let of =
                |operation: &&calsync_core::plan::Operation| operation.event_id.as_ref() == Some(&here.id);
            let losses = report.plan.operations.iter().find(of).map(|operation| &operation.losses).unwrap();
            if losses.is_empty() {
                assert_eq!(instances(copy), instances(&expected), "{rule}: {}", account.name);
            } else {
                assert_eq!(account.name, "graph", "{rule}: {losses:?}");
            }
        }
    }
}

/// REC-17 neighbour: a series with an excluded, a moved and a renamed instance moves by an hour, at any account or here;
/// three instances are what they were, an hour later.
#[tokio::test(flavor = "multi_thread")]
async fn rec_17_a_series_that_moves_keeps_its_exceptions() {
    for from in 0..4 {
        let accounts = Account::each(BERLIN);
        let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
        let mut series = made("series", "2026-02-02T09:00:00", BERLIN, "FREQ=WEEKLY;COUNT=6");
        for day in ["2026-02-09", "2026-02-16", "2026-02-23"] {
            series.overrides.insert(key(&format!("{day}T09:00:00"), BERLIN), Override::Excluded);
        }
        side.world.add(series).await;
        side.settles("before").await;
        let person = (from > 0).then(|| Side::of([(&accounts[from - 1], 0)], Direction::TwoWay));
        let editor = person.as_ref().unwrap_or(&side);
        editor.sync().await;
        let case = if from > 0 { accounts[from - 1].name } else { "here" };
        let record = editor.world.locals().await.remove(0);
        editor
            .world
            .edit(&record.event.uid, |event| {
                let time = &mut event.master.as_mut().unwrap().time;
                time.start = at("2026-02-02T10:00:00", BERLIN);
                time.end = at("2026-02-02T11:00:00", BERLIN);
                let moved = |id: RecurrenceId| match id {
                    RecurrenceId::Instant(at) => RecurrenceId::Instant(at + chrono::TimeDelta::hours(1)),
                    other => other,
                };
                let overrides = std::mem::take(&mut event.overrides);
                event.overrides = overrides.into_iter().map(|(id, value)| (moved(id), value)).collect();
            })
            .await;
        editor.settles(case).await;
        side.settles(case).await;
        editor.settles(case).await;
        let expected = ["2026-02-02", "2026-03-02", "2026-03-09"]
            .map(|day| format!("{day}T09:00:00Z..{day}T10:00:00Z series"));
        for account in &accounts {
            assert_eq!(account.takes_place(0).await, expected, "{case}: {}", account.name);
        }
        assert_eq!(all_instances(&side.events().await), expected, "{case}: here");
    }
}
