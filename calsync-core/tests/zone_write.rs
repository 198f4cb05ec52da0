//! Definitions written for zones of the database, read back by the same crate.

#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use calsync_core::zone::{Tz, VTimezone, Zone, write};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// The zone of a name.
fn tz(name: &str) -> Tz {
    name.parse().expect("a zone of the database")
}

fn read_back(text: &str) -> Zone {
    let parsed = VTimezone::parse(text).expect("a component");
    Zone::from(parsed.zone.unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn year_start(year: i32) -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(year, 1, 1).and_then(|d| d.and_hms_opt(0, 0, 0)).expect("a date").and_utc()
}

/// Every so often in these years, and around every change of the zone.
fn instants(zone: &Zone, from: i32, to: i32) -> Vec<DateTime<Utc>> {
    let step = TimeDelta::hours(190);
    let mut all = Vec::new();
    let mut at = year_start(from);
    while at < year_start(to + 1) {
        all.push(at);
        let next = at + step;
        if zone.offset_at(at) != zone.offset_at(next) {
            let (mut low, mut high) = (at, next);
            while high - low > TimeDelta::seconds(1) {
                let middle = low + (high - low) / 2;
                if zone.offset_at(middle) == zone.offset_at(at) { low = middle } else { high = middle }
            }
            all.extend([high - TimeDelta::seconds(1), high]);
        }
        at = next;
    }
    all
}

#[test]
fn every_zone_is_read_back_with_the_same_offsets_in_the_span() {
    for (from, to) in [(1890, 1891), (1941, 1945), (1976, 1978), (2006, 2009), (2024, 2026), (2099, 2101)] {
        for tz in Tz::all() {
            let zone = Zone::from(tz);
            let text = write::vtimezone(&zone, from, to);
            let read = read_back(&text);
            for instant in instants(&zone, from, to) {
                assert_eq!(
                    read.offset_at(instant),
                    zone.offset_at(instant),
                    "{} at {instant}\n{text}",
                    tz.name()
                );
                let local = zone.to_local(instant);
                assert_eq!(read.resolve(local), zone.resolve(local), "{} at {local}\n{text}", tz.name());
            }
        }
    }
}

#[test]
fn changes_that_held_for_days_only_are_not_missed() {
    for (tz, local, offset) in [
        (tz("Africa/Tunis"), "1943-04-20T12:00:00", 3600),
        (tz("Europe/Vienna"), "1945-04-03T11:00:00", 7200),
        (tz("America/Recife"), "2000-10-09T12:00:00", -7200),
        (tz("America/Noronha"), "2000-10-09T12:00:00", -3600),
        (tz("Asia/Gaza"), "2072-10-22T08:00:00", 10_800),
    ] {
        let local: NaiveDateTime = local.parse().expect("a time");
        let zone = Zone::from(tz);
        let read = read_back(&write::vtimezone(&zone, local.year(), local.year()));
        assert_eq!((local - read.resolve(local).naive_utc()).num_seconds(), offset, "{tz}");
        assert_eq!(read.resolve(local), zone.resolve(local), "{tz}");
    }
}

#[test]
fn the_usual_zones_need_one_pair_of_rules() {
    let cases = [
        (tz("Europe/Berlin"), ["BYMONTH=3;BYDAY=-1SU", "BYMONTH=10;BYDAY=-1SU"]),
        (tz("Europe/Dublin"), ["BYMONTH=3;BYDAY=-1SU", "BYMONTH=10;BYDAY=-1SU"]),
        (tz("America/New_York"), ["BYMONTH=3;BYDAY=2SU", "BYMONTH=11;BYDAY=1SU"]),
        (tz("Australia/Sydney"), ["BYMONTH=4;BYDAY=1SU", "BYMONTH=10;BYDAY=1SU"]),
        (
            tz("America/Santiago"),
            ["BYMONTH=4;BYMONTHDAY=2,3,4,5,6,7,8;BYDAY=SU", "BYMONTH=9;BYMONTHDAY=2,3,4,5,6,7,8;BYDAY=SU"],
        ),
        (
            tz("Asia/Jerusalem"),
            ["BYMONTH=3;BYMONTHDAY=23,24,25,26,27,28,29;BYDAY=FR", "BYMONTH=10;BYDAY=-1SU"],
        ),
        (tz("America/Nuuk"), ["BYMONTH=3;BYMONTHDAY=24,25,26,27,28,29,30;BYDAY=SA", "BYMONTH=10;BYDAY=-1SU"]),
    ];
    for (tz, rules) in cases {
        let text = write::vtimezone(&tz.into(), 2027, 2028);
        for rule in rules {
            assert!(text.contains(&format!("RRULE:FREQ=YEARLY;{rule}\r\n")), "{text}");
        }
        assert_eq!(text.matches("BEGIN:STANDARD").count(), 1, "{text}");
        assert_eq!(text.matches("BEGIN:DAYLIGHT").count(), 1, "{text}");
        assert!(!text.contains("RDATE") && !text.contains("UNTIL"), "{text}");
    }
}

#[test]
fn rules_without_an_end_hold_after_the_span() {
    for tz in [tz("Europe/Paris"), tz("America/Los_Angeles"), tz("Pacific/Auckland"), tz("Asia/Tokyo")] {
        let zone = Zone::from(tz);
        let read = read_back(&write::vtimezone(&zone, 2026, 2026));
        for instant in instants(&zone, 2026, 2099) {
            assert_eq!(read.offset_at(instant), zone.offset_at(instant), "{tz} at {instant}");
        }
    }
}

#[test]
fn changes_without_a_rule_are_listed() {
    let text = write::vtimezone(&tz("Africa/Casablanca").into(), 2024, 2026);
    assert!(text.contains("RDATE:20250223T030000\r\n"), "{text}");
}

#[test]
fn a_zone_without_changes_has_one_observance() {
    assert_eq!(
        write::vtimezone(&Zone::UTC, 2026, 2026),
        "BEGIN:VTIMEZONE\r\nTZID:UTC\r\nBEGIN:STANDARD\r\nDTSTART:20250101T000000\r\nTZOFFSETFROM:+0000\r\n\
         TZOFFSETTO:+0000\r\nTZNAME:UTC\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    );
}

#[test]
fn a_zone_of_a_file_is_written_as_it_was_read() {
    let text = "BEGIN:VTIMEZONE\r\nTZID:Our zone\\, East\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\n\
                TZOFFSETFROM:+0300\r\nTZOFFSETTO:+021530\r\nTZNAME:X\r\nRRULE:FREQ=YEARLY;INTERVAL=2;BYMONTH=10;BYDAY=-1SU,1MO;\
                UNTIL=20401028T010000Z\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:20000326T020000\r\n\
                TZOFFSETFROM:+021530\r\nTZOFFSETTO:+0300\r\nRDATE:20010325T020000\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";
    let zone = read_back(text);
    assert_eq!(zone.name(), "Our zone, East");
    assert_eq!(write::vtimezone(&zone, 1990, 1991).replace("\r\n ", ""), text);
    assert_eq!(read_back(&write::vtimezone(&zone, 1990, 1991)), zone);
}

#[test]
fn lines_are_folded_and_hold_no_control_characters() {
    let name = format!("{}\r\nBEGIN:VEVENT", "ä".repeat(120));
    let json = format!(
        r#"{{"tzid":{},"observances":[{{"kind":"standard","start":"1970-01-01T00:00:00","offset_from":0,"offset_to":0}}]}}"#,
        serde_json::to_string(&name).expect("json")
    );
    let zone: Zone = serde_json::from_str(&json).expect("a zone");
    let text = write::vtimezone(&zone, 2020, 2021);
    assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
    assert!(!text.contains("\r\nBEGIN:VEVENT"), "{text}");
    assert_eq!(read_back(&text).name(), zone.name());
}

#[test]
fn years_out_of_range_are_clamped() {
    for (from, to) in [(i32::MIN, i32::MAX), (i32::MAX, i32::MIN), (0, 0), (9999, 9999), (2026, 2020)] {
        let text = write::vtimezone(&tz("Europe/Berlin").into(), from, to);
        assert!(VTimezone::parse(&text).is_ok_and(|parsed| parsed.zone.is_ok()), "{from} {to}");
    }
    let read = read_back(&write::vtimezone(&tz("Europe/Berlin").into(), 2026, 2020));
    assert_eq!(read.offset_at(year_start(2026) + TimeDelta::days(200)), 7200);
}
