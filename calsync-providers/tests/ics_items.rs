//! Events of a feed as items: names, versions, duplicates, payloads.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod ics_common;

use std::collections::BTreeSet;

use calsync_core::model::{EventTime, Override, Status, UidOrigin};
use calsync_core::provider::{ChangeScope, Fetched, Provider};
use calsync_providers::ics::{FeedAlarms, IcsProvider};
use ics_common::*;
use proptest::prelude::*;

fn vevent(lines: &str) -> String {
    format!("BEGIN:VEVENT\n{}\nEND:VEVENT\n", lines.replace('|', "\n"))
}

/// The events of a feed as `uid-origin title start`, and the names, which are always different ones.
async fn read_all(feed: impl AsRef<[u8]>) -> Vec<String> {
    let (provider, page) = page_of(feed).await;
    let names: BTreeSet<_> = page.changes.iter().map(|change| change.id.clone()).collect();
    assert_eq!(names.len(), page.changes.len());
    events(&provider, &page)
        .iter()
        .map(|event| {
            let body = event.body().unwrap();
            let uid = if event.uid_origin == UidOrigin::Given { event.uid.as_str() } else { "derived" };
            format!(
                "{uid} {} {}",
                body.title.as_deref().unwrap_or_default(),
                body.time.start.local().format("%d")
            )
        })
        .collect()
}

#[tokio::test]
async fn bad_02_one_bad_event_of_a_hundred_harms_no_other() {
    for bad in [
        "UID:bad|SUMMARY:no start",
        "UID:bad|DTSTART:yesterday",
        "UID:bad|DTSTART;TZID=Nowhere/Land:20260101T090000",
        "DTSTART;TZID=:",
        "no line at all",
    ] {
        let good: String = (0..99).map(|at| event(&format!("u{at}"), at, &format!("t{at}"))).collect();
        let (provider, page) = page_of(feed(&format!("{good}{}", vevent(bad)))).await;
        assert_eq!((page.scope, page.changes.len()), (ChangeScope::Snapshot, 100), "{bad}");
        assert_eq!(events(&provider, &page).len(), 99, "{bad}");
        let error = provider.read(payload(&page.changes[99])).unwrap_err();
        assert!(!error.reason.is_empty() && !error.reason.contains("bad"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_end_is_closed_by_the_next_event() {
    let text =
        feed(&format!("BEGIN:VEVENT\nUID:a\nDTSTART:20260103T090000Z\nSUMMARY:A\n{}", event("b", 3, "B")));
    assert_eq!(read_all(text).await, ["a A 03", "b B 04"]);
}

#[tokio::test]
async fn bad_19_the_same_feed_however_it_is_spelled() {
    let sound = feed(&format!(
        "{}{}",
        vevent("UID:a-1|DTSTART:20260101T090000Z|SUMMARY:One title"),
        vevent("UID:b-2|DTSTART:20260102T090000Z|SUMMARY:Other")
    ));
    let expected = ["a-1 One title 01", "b-2 Other 02"];
    for (what, text) in [
        ("sound", sound.clone()),
        ("LF", sound.replace("\r\n", "\n")),
        ("CR", sound.replace("\r\n", "\r")),
        ("CR CR LF", sound.replace("\r\n", "\r\r\n")),
        ("blank lines", sound.replace("\r\n", "\r\n\r\n")),
        ("trailing blanks", sound.replace("VEVENT\r\n", "VEVENT \r\n").replace("Z\r\n", "Z \r\n")),
        (
            "lower case",
            ["BEGIN", "END", "VEVENT", "VCALENDAR", "UID", "DTSTART", "SUMMARY"]
                .iter()
                .fold(sound.clone(), |text, name| text.replace(name, &name.to_lowercase())),
        ),
        ("tab folds", sound.replace("title", "ti\r\n\ttle").replace("UID:a", "UID:\r\n\ta")),
        ("folded names", sound.replace("UID", "U\r\n ID").replace("BEGIN:VEVENT", "BEG\r\n IN:VEVENT")),
        ("folds that lost their blank", sound.replace("title", "\r\ntitle").replace("UID:a-", "UID:a-\r\n")),
        ("no end of the last event", sound.replacen("END:VEVENT\r\nEND:V", "END:V", 1)),
        ("junk behind the end", format!("{sound}<!-- 0.1 s -->\r\n")),
        (
            "parameters",
            sound.replace("UID:", "UID;X-A=\"b:c\":").replace("DTSTART:", "DTSTART;VALUE=DATE-TIME:"),
        ),
    ] {
        assert_eq!(read_all(&text).await, expected, "{what}");
    }
    let orphan = format!("{sound}{}", vevent("UID:c|DTSTART:20260103T090000Z"));
    assert_eq!(page_of(orphan).await.1.scope, ChangeScope::PartialSnapshot);
}

#[tokio::test]
async fn one_uid_several_times() {
    for (events, expected) in [
        // (a) the same
        (vec!["UID:a|DTSTART:20260101T090000Z|SUMMARY:x"; 3], vec!["a x 01"]),
        (
            vec![
                "UID:a|DTSTART:20260101T090000Z|SUMMARY:x|DTSTAMP:20260101T000000Z",
                "UID:a|DTSTART:20260101T090000Z|SUMMARY:x|DTSTAMP:20260102T000000Z",
            ],
            vec!["a x 01"],
        ),
        // (b) other starts, no rule
        (
            vec![
                "UID:a|DTSTART:20260101T090000Z|SUMMARY:x",
                "UID:a|DTSTART:20260102T090000Z|SUMMARY:x",
                "UID:a|DTSTART:20260103T090000Z|SUMMARY:y|SEQUENCE:4",
            ],
            vec!["a x 01", "derived x 02", "derived y 03"],
        ),
        // (c) the same start: the higher revision
        (
            vec![
                "UID:a|DTSTART:20260101T090000Z|SUMMARY:new|SEQUENCE:10",
                "UID:a|DTSTART:20260101T090000Z|SUMMARY:old|SEQUENCE:9",
            ],
            vec!["a new 01"],
        ),
        (
            vec![
                "UID:a|DTSTART:20260101T090000Z|SUMMARY:new|LAST-MODIFIED:20260102T000000Z",
                "UID:a|DTSTART:20260101T090000Z|SUMMARY:old|LAST-MODIFIED:20260101T000000Z",
            ],
            vec!["a new 01"],
        ),
        (
            vec![
                "UID:a|DTSTART:20260101T090000Z|SUMMARY:first",
                "UID:a|DTSTART:20260101T090000Z|SUMMARY:last",
            ],
            vec!["a last 01"],
        ),
        // A series keeps the UID, a single event beside it is its own item.
        (
            vec![
                "UID:a|DTSTART:20260105T090000Z|SUMMARY:one",
                "UID:a|DTSTART:20260101T090000Z|RRULE:FREQ=DAILY;COUNT=9|SUMMARY:all",
                "UID:a|RECURRENCE-ID:20260103T090000Z|DTSTART:20260103T100000Z|SUMMARY:moved",
            ],
            vec!["a all 01", "derived one 05"],
        ),
        // No UID, or a blank one.
        (
            vec![
                "DTSTART:20260101T090000Z|SUMMARY:x",
                "UID:|DTSTART:20260101T090000Z|SUMMARY:x",
                "DTSTART:20260101T090000Z|SUMMARY:x|LOCATION:here",
            ],
            vec!["derived x 01"; 3],
        ),
    ] {
        let text = feed(&events.iter().map(|lines| vevent(lines)).collect::<String>());
        assert_eq!(read_all(text).await, expected, "{events:?}");
    }
}

#[tokio::test]
async fn a_series_and_its_instances_are_one_item_wherever_they_stand() {
    let text = feed(&format!(
        "{}{}{}{}{}",
        vevent("UID:s|RECURRENCE-ID:20260103T090000Z|DTSTART:20260103T100000Z|SUMMARY:old|SEQUENCE:1"),
        event("other", 7, "other"),
        vevent("UID:s|RECURRENCE-ID:20260103T090000Z|DTSTART:20260103T110000Z|SUMMARY:new|SEQUENCE:2"),
        vevent("UID:s|DTSTART:20260101T090000Z|RRULE:FREQ=DAILY;COUNT=5|SUMMARY:all"),
        vevent("UID:alone|RECURRENCE-ID:20260103T090000Z|DTSTART:20260103T100000Z|SUMMARY:one"),
    ));
    let (provider, page) = page_of(text).await;
    let events = events(&provider, &page);
    assert_eq!(events.len(), 3);
    let changed: Vec<_> = events[0]
        .overrides
        .values()
        .map(|instance| match instance {
            Override::Changed { body, .. } => body.title.clone().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(changed, ["new"]);
    assert!(events[2].master.is_none() && events[2].overrides.len() == 1);

    // The master comes later: it is the same item.
    let id = page.changes[2].id.clone();
    let later = feed(&format!(
        "{}{}",
        vevent("UID:alone|DTSTART:20260101T090000Z|RRULE:FREQ=DAILY;COUNT=5|SUMMARY:all"),
        vevent("UID:alone|RECURRENCE-ID:20260103T090000Z|DTSTART:20260103T100000Z|SUMMARY:one"),
    ));
    assert_eq!(page_of(later).await.1.changes[0].id, id);
}

#[tokio::test]
async fn fld_12_method_goes_and_a_cancellation_stays() {
    for (method, status) in [
        ("METHOD:PUBLISH", Some(Status::Confirmed)),
        ("METHOD:REQUEST", Some(Status::Confirmed)),
        ("METHOD:CANCEL", Some(Status::Cancelled)),
        ("method:cancel ", Some(Status::Cancelled)),
    ] {
        // Behind the events it counts as well.
        let text = feed(&format!(
            "{}{method}\n",
            vevent("UID:a|DTSTART:20260101T090000Z|STATUS:CONFIRMED|SUMMARY:x")
        ));
        let (provider, page) = page_of(text).await;
        assert!(!payload(&page.changes[0]).as_str().to_uppercase().contains("METHOD"));
        assert_eq!(events(&provider, &page)[0].body().unwrap().status, status, "{method}");
    }
}

#[tokio::test]
async fn bad_10_byte_order_mark_and_several_calendars_in_one_file() {
    let first = "BEGIN:VCALENDAR\nX-WR-TIMEZONE:Europe/Berlin\nBEGIN:VEVENT\nUID:a\nDTSTART:20260701T090000\n\
                 SUMMARY:A\nEND:VEVENT\nEND:VCALENDAR\n";
    let second = "BEGIN:VCALENDAR\nMETHOD:CANCEL\nBEGIN:VEVENT\nUID:b\nDTSTART:20260702T090000\nSUMMARY:B\n\
                  END:VEVENT\nEND:VCALENDAR\n";
    let (provider, page) = page_of(format!("\u{feff}{first}\n{second}")).await;
    assert_eq!((page.scope, page.changes.len()), (ChangeScope::Snapshot, 2));
    let events = events(&provider, &page);
    let starts: Vec<_> = events.iter().map(|event| &event.body().unwrap().time.start).collect();
    assert!(matches!(starts[0], EventTime::Zoned { .. }), "{starts:?}");
    assert!(matches!(starts[1], EventTime::Floating(_)), "{starts:?}");
    assert_eq!(events[1].body().unwrap().status, Some(Status::Cancelled));

    // The first has no end: all of it is read, and its absence of more is no evidence.
    let broken = first.replace("END:VCALENDAR\n", "");
    let (_, page) = page_of(format!("{broken}{second}")).await;
    assert_eq!((page.scope, page.changes.len()), (ChangeScope::PartialSnapshot, 2));
}

#[tokio::test]
async fn zones_travel_with_the_events_that_use_them() {
    let zone = |name: &str, offset: &str| {
        format!(
            "BEGIN:VTIMEZONE\nTZID:{name}\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:{offset}\n\
             TZOFFSETTO:{offset}\nEND:STANDARD\nEND:VTIMEZONE\n"
        )
    };
    let text = feed(&format!(
        "{}{}{}{}{}",
        zone("One", "+0130"),
        vevent("UID:a|DTSTART;TZID=One:20260101T090000|DTEND;TZID=\"Two, too\":20260101T100000"),
        vevent("UID:b|DTSTART;TZID=GMT+03:17:20260101T090000"),
        zone("Two, too", "+0230"),
        zone("GMT+03:17", "+0317"),
    ));
    let (provider, page) = page_of(text).await;
    let uses = |at: usize| {
        let text = payload(&page.changes[at]).as_str();
        ["One", "Two, too", "GMT+03:17"].map(|name| text.contains(&format!("\r\nTZID:{name}\r\n")))
    };
    assert_eq!(uses(0), [true, true, false]);
    assert_eq!(uses(1), [false, false, true]);
    assert_eq!(events(&provider, &page).len(), 2);
}

#[tokio::test]
async fn attack_39_a_false_definition_harms_its_own_feed_only() {
    let false_zone = "BEGIN:VTIMEZONE\nTZID:House\nBEGIN:STANDARD\nDTSTART:19700101T000000\n\
                      TZOFFSETFROM:+0900\nTZOFFSETTO:+0900\nEND:STANDARD\nEND:VTIMEZONE\n";
    let lines = "UID:a|DTSTART;TZID=House:20260101T090000|SUMMARY:x";
    let (with, page) = page_of(feed(&format!("{false_zone}{}", vevent(lines)))).await;
    assert_eq!(events(&with, &page).len(), 1);
    let (without, page) = page_of(feed(&vevent(lines))).await;
    assert_eq!(events(&without, &page).len(), 0);
}

#[tokio::test]
async fn ad_04_end_equal_to_start_is_one_day_and_quiet() {
    for lines in [
        "UID:a|DTSTART;VALUE=DATE:20150325|DTEND;VALUE=DATE:20150325",
        "UID:a|DTSTART;VALUE=DATE:20150325",
        "UID:a|DTSTART;VALUE=DATE:20150325|DTEND;VALUE=DATE:20150326",
    ] {
        let provider = provider(Fake::bodies([feed(&vevent(lines))]));
        let page = pull(&provider, None).await.unwrap();
        let event = events(&provider, &page).remove(0);
        let time = &event.body().unwrap().time;
        assert!(time.is_all_day());
        assert_eq!(time.end.local().format("%Y%m%d").to_string(), "20150326", "{lines}");
        assert!(payload(&page.changes[0]).as_str().contains(&lines.replace('|', "\r\n")));
        let again = pull(&provider, page.cursor.as_ref()).await.unwrap();
        assert_eq!((again.scope, again.changes.len()), (ChangeScope::Delta, 0));
    }
}

#[tokio::test]
async fn reminders_of_strangers_do_not_ring_unless_asked_for() {
    let text =
        feed(&vevent("UID:a|DTSTART:20260101T090000Z|BEGIN:VALARM|ACTION:DISPLAY|TRIGGER:-PT15M|END:VALARM"));
    for (alarms, count) in [(FeedAlarms::Strip, 0), (FeedAlarms::Keep, 1)] {
        let mut config = config(URL);
        config.alarms = alarms;
        let provider =
            IcsProvider::new(config, Fake::bodies([&text]), std::sync::Arc::new(FixedClock)).unwrap();
        let page = pull(&provider, None).await.unwrap();
        assert_eq!(events(&provider, &page)[0].body().unwrap().alarms.len(), count);
    }
}

#[tokio::test]
async fn old_encodings_and_folds_within_a_character_are_read() {
    let mut text =
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART:20260101T090000Z\r\nSUMMARY:Gr\xFC".to_vec();
    text.extend(b"n\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:b\r\nDTSTART:20260102T090000Z\r\nSUMMARY:Bl\xC3\r\n \xA4u\r\n");
    text.extend(b"END:VEVENT\r\nEND:VCALENDAR\r\n");
    assert_eq!(read_all(text).await, ["a Grün 01", "b Bläu 02"]);
}

#[tokio::test]
async fn fetch_serves_the_same_payloads_again() {
    let (provider, page) = page_of(feed(&format!(
        "{}{}{}",
        event("a", 1, "A"),
        vevent("DTSTART:20260105T090000Z|SUMMARY:no uid"),
        event("c", 3, "C")
    )))
    .await;
    let mut ids: Vec<_> = page.changes.iter().map(|change| change.id.clone()).collect();
    ids.push("nowhere".into());
    let answers = provider.fetch(provider.calendar(), &ids).await.unwrap();
    assert_eq!(answers.len(), 4);
    for (answer, change) in answers.iter().zip(&page.changes) {
        let Fetched::Found { id, version: Some(v), payload: p } = answer else { panic!("{answer:?}") };
        assert_eq!((id, v.as_str(), p), (&change.id, version(change), payload(change)));
    }
    assert!(matches!(&answers[3], Fetched::Missing(id) if id.as_str() == "nowhere"));
}

#[tokio::test]
async fn ten_thousand_events() {
    let (provider, page) = page_of(events_feed(10_000)).await;
    assert_eq!((page.scope, page.changes.len()), (ChangeScope::Snapshot, 10_000));
    let names: BTreeSet<_> = page.changes.iter().map(|change| change.id.clone()).collect();
    assert_eq!(names.len(), 10_000);
    assert_eq!(titles(&provider, &page)[9_999], "t9999");
}

fn lines() -> impl Strategy<Value = String> {
    let line = "(SUMMARY|X-A|DESCRIPTION|DTSTAMP|ATTENDEE;CN=\"a;b:c\"|BEGIN:VALARM\r\nUID:x\r\nEND|x y|):\
                [a-zé,;:\\\\ ]{0,12}";
    let end =
        prop_oneof![Just("\r\n"), Just("\n"), Just("\r\n \r\n\t"), Just("\r\n  more\r\n"), Just("\r\n\r\n")];
    proptest::collection::vec((line, end), 0..12)
        .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
}

proptest! {
    #[test]
    fn splitting_keeps_the_lines_of_each_event_byte_for_byte(events in proptest::collection::vec(lines(), 1..8)) {
        let events: Vec<String> = events
            .iter()
            .enumerate()
            .map(|(at, lines)| format!("BEGIN:VEVENT\r\nUID:u{at}\r\n{lines}\r\nEND:VEVENT\r\n"))
            .collect();
        let text = format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", events.concat());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_, page) = runtime.block_on(page_of(text));
        prop_assert_eq!(page.changes.len(), events.len());
        for (change, event) in page.changes.iter().zip(&events) {
            let expected = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{event}END:VCALENDAR\r\n");
            prop_assert_eq!(payload(change).as_str(), expected);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(parts in proptest::collection::vec(
        "(BEGIN:|END:|VEVENT|VALARM|VCALENDAR|VTIMEZONE|UID:|TZID=|DTSTART;|METHOD:CANCEL|RRULE:|\r\n|\n|\r| |;|:|é){1,4}",
        0..40))
    {
        let text = format!("BEGIN:VCALENDAR\r\n{}\r\nEND:VCALENDAR\r\n", parts.concat());
        let provider = provider(Fake::bodies([text]));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        if let Ok(page) = runtime.block_on(pull(&provider, None)) {
            let names: BTreeSet<_> = page.changes.iter().map(|change| change.id.clone()).collect();
            prop_assert_eq!(names.len(), page.changes.len());
            events(&provider, &page);
        }
    }
}
