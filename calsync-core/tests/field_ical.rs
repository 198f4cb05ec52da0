//! Bugs of other calendar-sync systems, at the level of iCalendar text: `docs/field-bugs.md` lists them all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use calsync_core::{
    ical::{ReadOptions, WriteOptions, read_calendar, write_new},
    model::{Event, EventBody, EventTime, Fold, TimeSpan},
    recurrence::ExpansionLimits,
    zone::Zone,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn at(year: i32, month: u32, day: u32, hour: u32, minute: u32) -> NaiveDateTime {
    date(year, month, day).and_hms_opt(hour, minute, 0).unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::from_iana(name).unwrap()
}

fn copied(event: &Event) -> Event {
    let text = write_new(event, &WriteOptions::new(DateTime::<Utc>::UNIX_EPOCH));
    read_one(&text)
}

fn read_one(text: &str) -> Event {
    let mut document = read_calendar(text, &ReadOptions::default()).unwrap();
    assert_eq!((document.items.len(), document.quarantined.len()), (1, 0), "{text}");
    document.items.remove(0).event
}

fn lines(body: &str) -> Event {
    read_one(&format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\n\
         {}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        body.replace('|', "\r\n")
    ))
}

/// AD-01, AD-02, LOOP-03: an all-day event is the same date on the copy, whoever looks at it from wherever.
#[test]
fn ad_02_the_same_date_in_every_zone() {
    let zones =
        ["Etc/GMT+12", "America/Los_Angeles", "UTC", "Europe/Berlin", "Asia/Tokyo", "Pacific/Kiritimati"];
    for day in [date(2023, 5, 12), date(2026, 8, 12), date(2025, 3, 30), date(2025, 10, 26)] {
        let event = Event::single("u", EventBody::new(TimeSpan::all_day(day, day)));
        let copy = copied(&event);
        assert_eq!(copy, event);
        for reader in zones.map(zone) {
            let start = reader.resolve(at(2000, 1, 1, 0, 0).date().and_time(Default::default()));
            let window = start..start + TimeDelta::days(366 * 100);
            let (instances, _) = copy.instances(window, &reader, &ExpansionLimits::default());
            assert_eq!(instances.len(), 1, "{}", reader.name());
            assert_eq!(instances[0].time.start, EventTime::Date(day));
        }
    }
}

/// AD-05: midnight to midnight with a time stays timed, in any zone; a date stays a date.
#[test]
fn ad_05_all_day_is_never_inferred() {
    for name in ["Europe/Berlin", "UTC", "America/Denver"] {
        let start = EventTime::zoned(at(2026, 6, 12, 0, 0), zone(name));
        let end = EventTime::zoned(at(2026, 6, 13, 0, 0), zone(name));
        let event = Event::single("u", EventBody::new(TimeSpan { start, end }));
        assert!(!copied(&event).body().unwrap().time.is_all_day(), "{name}");
    }
    let utc = lines("DTSTART:20260612T000000Z|DTEND:20260613T000000Z");
    assert!(!utc.body().unwrap().time.is_all_day());
}

/// AD-08: a zone on a date means nothing.
#[test]
fn ad_08_a_zone_on_a_date_is_ignored() {
    let event = lines("DTSTART;VALUE=DATE;TZID=America/New_York:20260612");
    assert_eq!(event.body().unwrap().time, TimeSpan::all_day(date(2026, 6, 12), date(2026, 6, 12)));
}

/// LOOP-06: an event without an end, or that ends where it starts, is one on the copy too, and the copy of the copy.
#[test]
fn loop_06_events_without_length_are_stable() {
    #[rustfmt::skip]
    let table = [
        "DTSTART:20260612T090000Z",
        "DTSTART:20260612T090000Z|DTEND:20260612T090000Z",
        "DTSTART:20260612T090000Z|DTEND:20260612T080000Z",
        "DTSTART;VALUE=DATE:20260612",
        "DTSTART;VALUE=DATE:20260612|DTEND;VALUE=DATE:20260612",
        "DTSTART;TZID=Europe/Berlin:20260612T090000|DURATION:PT0S",
    ];
    for text in table {
        let event = lines(text);
        let copy = copied(&event);
        assert_eq!(copy, event, "{text}");
        assert_eq!(copied(&copy), copy, "{text}");
    }
}

/// LOOP-18: each of the two times half past two on the night the clocks go back is itself on the copy.
#[test]
fn loop_18_both_readings_of_a_repeated_time() {
    for fold in [Fold::First, Fold::Second] {
        let time = |minute| EventTime::Zoned {
            local: at(2026, 10, 25, 2, minute),
            zone: zone("Europe/Berlin"),
            fold,
        };
        let event = Event::single("u", EventBody::new(TimeSpan { start: time(30), end: time(45) }));
        let copy = copied(&event);
        let start = &copy.body().unwrap().time.start;
        assert_eq!(start.absolute(), time(30).absolute(), "{fold:?}");
        assert_eq!(copied(&copy), copy, "{fold:?}");
    }
    let instants = [Fold::First, Fold::Second].map(|fold| {
        EventTime::Zoned { local: at(2026, 10, 25, 2, 30), zone: zone("Europe/Berlin"), fold }
            .absolute()
            .unwrap()
    });
    assert_eq!(instants[1] - instants[0], TimeDelta::hours(1));
}

/// TIME-11: start and end may be told in different zones.
#[test]
fn time_11_start_and_end_in_different_zones() {
    let start = EventTime::zoned(at(2026, 6, 12, 18, 0), zone("America/New_York"));
    let end = EventTime::zoned(at(2026, 6, 13, 6, 30), zone("Europe/London"));
    let event = Event::single("u", EventBody::new(TimeSpan { start, end }));
    let copy = copied(&event);
    assert_eq!(copy, event);
    assert_eq!(copy.body().unwrap().time.duration(), TimeDelta::minutes(7 * 60 + 30));
}

/// BAD-17: numbers beyond what a field holds are no reason to lose the event.
#[test]
fn bad_17_numbers_beyond_32_bits() {
    for number in ["2147483648", "9007199254740992", "9223372036854775808", "99999999999999999999999"] {
        let event = lines(&format!("DTSTART:20260612T090000Z|SEQUENCE:{number}|PRIORITY:{number}|SUMMARY:x"));
        assert_eq!(event.body().unwrap().title.as_deref(), Some("x"), "{number}");
    }
}
