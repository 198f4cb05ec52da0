//! Reading VTIMEZONE components, and the arithmetic of zones in general.

#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use calsync_core::zone::{
    CustomZone, Observance, ObservanceKind, Tz, UtcOffset, VTimezone, YearlyRule, Zone, ZoneError,
    ZoneResolver,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use proptest::prelude::*;

/// The zone of a name.
fn tz(name: &str) -> Tz {
    name.parse().expect("a zone of the database")
}

fn time(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time")
}

fn component(body: &str) -> String {
    format!("BEGIN:VTIMEZONE\nTZID:X\n{body}\nEND:VTIMEZONE\n")
}

fn zone(body: &str) -> Zone {
    let parsed = VTimezone::parse(&component(body)).expect("a component");
    Zone::from(parsed.zone.unwrap_or_else(|error| panic!("{error}: {body}")))
}

/// STANDARD +0000 from 1970, and DAYLIGHT +0100 from the start by the rule, so that each onset of the rule shows.
fn onsets(start: &str, rule: &str, from: i32, to: i32) -> Vec<String> {
    let first = NaiveDate::from_ymd_opt(from, 1, 1).expect("a date");
    let end = NaiveDate::from_ymd_opt(to + 1, 1, 1).expect("a date");
    let days: Vec<_> = first.iter_days().take_while(|day| *day < end).collect();
    let midnights: Vec<_> = days.iter().map(|day| day.format("%Y%m%dT000000").to_string()).collect();
    let daylight = zone(&format!(
        "BEGIN:DAYLIGHT\nDTSTART:{start}\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0100\nRRULE:{rule}\nEND:DAYLIGHT\n\
         BEGIN:STANDARD\nDTSTART:19000102T000000\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0000\nRDATE:{}\nEND:STANDARD",
        midnights.join(",")
    ));
    days.into_iter()
        .filter(|day| daylight.offset_at(day.and_hms_opt(23, 59, 59).expect("a time").and_utc()) == 3600)
        .map(|day| day.to_string())
        .collect()
}

/// A DTSTART so many years later; whole cycles of 28 years keep the weekdays.
fn moved_years(start: &str, years: i32) -> String {
    let year: i32 = start[..4].parse().expect("a year");
    format!("{:04}{}", year + years, &start[4..])
}

fn moved_dates(days: &str, years: i32) -> String {
    let move_day = |day: &str| {
        let year: i32 = day[..4].parse().expect("a year");
        format!("{}{}", year + years, &day[4..])
    };
    days.split_whitespace().map(move_day).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_rules_zone_definitions_use() {
    for (start, rule, days) in [
        ("19700329T020000", "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "2025-03-30 2026-03-29"),
        ("19700329T020000", "FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3;WKST=MO", "2025-03-30 2026-03-29"),
        ("20070311T020000", "freq=yearly;bymonth=3;byday=2su", "2025-03-09 2026-03-08"),
        ("20070311T020000", "FREQ=YEARLY;BYMONTH=3;BYDAY=+2SU;", "2025-03-09 2026-03-08"),
        (
            "19700308T020000",
            "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU",
            "2025-03-09 2026-03-08",
        ),
        (
            "19700329T020000",
            "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=-1,-2,-3,-4,-5,-6,-7;BYDAY=SU",
            "2025-03-30 2026-03-29",
        ),
        ("19700401T020000", "FREQ=YEARLY", "2025-04-01 2026-04-01"),
        ("19700401T020000", "FREQ=YEARLY;BYMONTH=4,10", "2025-04-01 2025-10-01 2026-04-01 2026-10-01"),
        ("19700401T020000", "FREQ=YEARLY;BYMONTHDAY=-1;BYMONTH=2", "2025-02-28 2026-02-28"),
        (
            "19700401T020000",
            "FREQ=YEARLY;BYMONTHDAY=31",
            "2025-01-31 2025-03-31 2025-05-31 2025-07-31 2025-08-31 2025-10-31 2025-12-31 2026-01-31 2026-03-31 2026-05-31 2026-07-31 2026-08-31 2026-10-31 2026-12-31",
        ),
        ("19700401T020000", "FREQ=YEARLY;BYDAY=20MO", "2025-05-19 2026-05-18"),
        ("19700401T020000", "FREQ=YEARLY;BYDAY=-1WE", "2025-12-31 2026-12-30"),
        (
            "19700401T020000",
            "FREQ=YEARLY;BYMONTH=4;BYDAY=MO",
            "2025-04-07 2025-04-14 2025-04-21 2025-04-28 2026-04-06 2026-04-13 2026-04-20 2026-04-27",
        ),
        ("19700401T020000", "FREQ=YEARLY;BYMONTH=4;BYDAY=5TU", "2025-04-29"),
        ("19700401T020000", "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=13;BYDAY=TU", "2025-05-13"),
        ("19710401T020000", "FREQ=YEARLY;INTERVAL=2", "2025-04-01"),
        ("19700401T020000", "FREQ=YEARLY;INTERVAL=2", "2026-04-01"),
        ("19700401T020000", "FREQ=YEARLY;UNTIL=20250401T020000Z", "2025-04-01"),
        ("19700401T020000", "FREQ=YEARLY;UNTIL=20250401T015959Z", ""),
        ("19700401T020000", "FREQ=YEARLY;UNTIL=20250401T020000", "2025-04-01"),
        ("19700401T020000", "FREQ=YEARLY;UNTIL=20250401", "2025-04-01"),
        ("20240401T020000", "FREQ=YEARLY;COUNT=2", "2025-04-01"),
        ("20250401T020000", "FREQ=YEARLY;COUNT=1", "2025-04-01"),
        ("20250401T020000", "FREQ=YEARLY;BYMONTH=4;BYDAY=TU;COUNT=3", "2025-04-01 2025-04-08 2025-04-15"),
        ("20250401T020000", "FREQ=YEARLY;COUNT=4000000000", "2025-04-01 2026-04-01"),
        ("20250715T020000", "FREQ=YEARLY;BYMONTH=4;BYDAY=1TU", "2025-07-15 2026-04-07"),
        ("20250401T020000", "FREQ=YEARLY;BYHOUR=2;BYMINUTE=0;BYSECOND=0", "2025-04-01 2026-04-01"),
        ("00010401T020000", "FREQ=YEARLY", "2025-04-01 2026-04-01"),
        ("20280401T020000", "FREQ=YEARLY", ""),
        (
            "20200401T020000",
            "FREQ=YEARLY;BYMONTHDAY=1;COUNT=62",
            "2025-01-01 2025-02-01 2025-03-01 2025-04-01 2025-05-01",
        ),
    ] {
        assert_eq!(onsets(start, rule, 2025, 2026).join(" "), days, "{start} {rule}");
        // The same in years for which no list of changes is kept.
        if !rule.contains("UNTIL") {
            let later = moved_years(start, 56);
            assert_eq!(onsets(&later, rule, 2081, 2082).join(" "), moved_dates(days, 56), "{later} {rule}");
        }
    }
    assert_eq!(
        onsets("20000229T020000", "FREQ=YEARLY", 2023, 2033).join(" "),
        "2024-02-29 2028-02-29 2032-02-29"
    );
}

#[test]
fn attack_11_rules_of_another_kind_are_refused() {
    let body = |rule: &str| {
        format!(
            "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0100\nRRULE:{rule}\nEND:STANDARD"
        )
    };
    for rule in [
        "",
        "FREQ=SECONDLY",
        "FREQ=DAILY;INTERVAL=1",
        "FREQ=MONTHLY",
        "BYMONTH=3",
        "FREQ=YEARLY;INTERVAL=0",
        "FREQ=YEARLY;INTERVAL=0;COUNT=5",
        "FREQ=YEARLY;COUNT=0",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=YEARLY;BYMONTH=0",
        "FREQ=YEARLY;BYMONTH=",
        "FREQ=YEARLY;BYMONTHDAY=32",
        "FREQ=YEARLY;BYMONTHDAY=0",
        "FREQ=YEARLY;BYDAY=0SU",
        "FREQ=YEARLY;BYDAY=XX",
        "FREQ=YEARLY;BYDAY=é",
        "FREQ=YEARLY;BYDAY=54SU",
        "FREQ=YEARLY;BYDAY=SU",
        "FREQ=YEARLY;BYMONTHDAY=1,2",
        "FREQ=YEARLY;BYDAY=S",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3",
        "FREQ=YEARLY;BYYEARDAY=1",
        "FREQ=YEARLY;BYWEEKNO=1",
        "FREQ=YEARLY;BYSETPOS=1",
        "FREQ=YEARLY;BYHOUR=1,2,3",
        "FREQ=YEARLY;UNTIL=tomorrow",
        "FREQ=YEARLY;COUNT=99999999999",
        "FREQ=YEARLY;X-A=1",
        "FREQ=YEARLY;BYMONTH",
    ] {
        let parsed = VTimezone::parse(&component(&body(rule))).expect("a component");
        assert_eq!(parsed.zone, Err(ZoneError::Rule), "{rule}");
    }
    let long = format!("FREQ=YEARLY;BYDAY={}", ["1SU"; 400].join(","));
    assert_eq!(VTimezone::parse(&component(&body(&long))).expect("a component").zone, Err(ZoneError::Limit));
}

#[test]
fn attack_11_definitions_are_limited_in_size() {
    let observance =
        "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0100\nEND:STANDARD\n";
    assert!(VTimezone::parse(&component(&observance.repeat(1000))).is_ok_and(|p| p.zone.is_ok()));
    let zone_of = |body: &str| VTimezone::parse(&component(body)).map(|parsed| parsed.zone);
    assert_eq!(zone_of(&observance.repeat(1001)), Ok(Err(ZoneError::Limit)));
    let ruled = observance.replace("END", "RRULE:FREQ=YEARLY\nEND");
    assert_eq!(zone_of(&ruled.repeat(65)), Ok(Err(ZoneError::Limit)));
    let rules = observance.replace("END", &("RRULE:FREQ=YEARLY\n".repeat(65) + "END"));
    assert_eq!(zone_of(&rules), Ok(Err(ZoneError::Limit)));
    let rdates =
        observance.replace("END", &format!("RDATE:{}\nEND", vec!["19700101T000000"; 10_001].join(",")));
    assert_eq!(zone_of(&rdates), Ok(Err(ZoneError::Limit)));
    assert_eq!(zone_of(&" ".repeat(300_000)), Err(ZoneError::Limit));
    let nested = "BEGIN:X\n".repeat(20_000);
    assert_eq!(zone_of(&nested), Ok(Err(ZoneError::NoObservance)));
}

#[test]
fn forms_of_lines_found_in_files() {
    let expected = zone(
        "BEGIN:STANDARD\nDTSTART:20200101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRDATE:20210101T000000\nEND:STANDARD",
    );
    for body in [
        "begin:standard\r\ndtstart:20200101t000000\r\ntzoffsetfrom:+0100\r\ntzoffsetto:+0200\r\nrdate:20210101T000000\r\nend:standard",
        "BEGIN:STANDARD\rDTSTART;VALUE=DATE-TIME:20200101T000000\rTZOFFSETFROM:+01:00\rTZOFFSETTO:0200\rRDATE;VALUE=PERIOD:20210101T000000/PT1H\rEND:STANDARD",
        "BEGIN:STANDARD \nDTSTART:20200101T00\n 0000\nTZOFFSETFROM: +010000\nTZOFF\n\tSETTO:+0200\nRDATE:20210101T000000,20210101T000000\nEND:STANDARD",
        "\nX-A;P=\"a:b\":c\nBEGIN:X-B\nBEGIN:STANDARD\nEND:STANDARD\nEND:X-B\nBEGIN:STANDARD\nDTSTART:20191231T230000Z\nTZNAME;LANGUAGE=en:A\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRDATE;VALUE=DATE:20210101\nCOMMENT:x\nEND:STANDARD",
        "BEGIN:STANDARD\nDTSTART:20200101\nTZOFFSETFROM:+1\nTZOFFSETTO:+200\nRDATE:20210101T000000",
    ] {
        assert_eq!(zone(body), expected, "{body}");
    }
}

#[test]
fn parts_that_are_missing() {
    let zone_of = |body: &str| VTimezone::parse(&component(body)).expect("a component").zone;
    let alone = zone_of("BEGIN:STANDARD\nTZOFFSETTO:+0300\nEND:STANDARD").map(Zone::from).expect("usable");
    assert_eq!(alone.offset_at(DateTime::<Utc>::UNIX_EPOCH), 10_800);
    for (body, error) in [
        ("", ZoneError::NoObservance),
        ("BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0000\nEND:STANDARD", ZoneError::Offset),
        ("BEGIN:STANDARD\nTZOFFSETTO:+2400\nEND:STANDARD", ZoneError::Offset),
        ("BEGIN:STANDARD\nTZOFFSETTO:+-3:00\nEND:STANDARD", ZoneError::Offset),
        ("BEGIN:STANDARD\nDTSTART:19701301T000000\nTZOFFSETTO:+0100\nEND:STANDARD", ZoneError::Start),
        ("BEGIN:STANDARD\nDTSTART:19700101T250000\nTZOFFSETTO:+0100\nEND:STANDARD", ZoneError::Start),
        ("BEGIN:STANDARD\nRDATE:x\nTZOFFSETTO:+0100\nEND:STANDARD", ZoneError::Rdate),
        (
            "BEGIN:STANDARD\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:DAYLIGHT",
            ZoneError::Start,
        ),
    ] {
        assert_eq!(zone_of(body), Err(error), "{body}");
    }
    for text in ["", "BEGIN:VEVENT\nEND:VEVENT", "TZID:X", "\u{feff}", "BEGIN"] {
        assert_eq!(VTimezone::parse(text), Err(ZoneError::NotVTimezone), "{text}");
    }
}

#[test]
fn left_out_and_repeated_times_follow_rfc_5545_in_both_kinds_of_zone() {
    let berlin = "BEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\n\
                  BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT";
    for zone in [Zone::from(tz("Europe/Berlin")), zone(berlin)] {
        for (local, instant) in [
            ("2026-03-29 01:59:59", "2026-03-29 00:59:59"),
            ("2026-03-29 02:00:00", "2026-03-29 01:00:00"),
            ("2026-03-29 02:30:00", "2026-03-29 01:30:00"),
            ("2026-03-29 03:00:00", "2026-03-29 01:00:00"),
            ("2026-10-25 01:59:59", "2026-10-24 23:59:59"),
            ("2026-10-25 02:00:00", "2026-10-25 00:00:00"),
            ("2026-10-25 02:59:59", "2026-10-25 00:59:59"),
            ("2026-10-25 03:00:00", "2026-10-25 02:00:00"),
            ("2199-07-01 12:00:00", "2199-07-01 10:00:00"),
            ("2200-01-01 12:00:00", "2200-01-01 11:00:00"),
        ] {
            assert_eq!(zone.resolve(time(local)), time(instant).and_utc(), "{zone:?} {local}");
        }
        assert_eq!(zone.to_local(time("2026-03-29 01:00:00").and_utc()), time("2026-03-29 03:00:00"));
        assert_eq!(zone.to_local(time("2026-03-29 00:59:59").and_utc()), time("2026-03-29 01:59:59"));
        assert_eq!(zone.to_local(time("2026-10-25 01:00:00").and_utc()), time("2026-10-25 02:00:00"));
    }
}

#[test]
fn before_the_first_onset_the_offset_is_the_one_it_comes_from() {
    let zone =
        zone("BEGIN:STANDARD\nDTSTART:20000101T000000\nTZOFFSETFROM:+0130\nTZOFFSETTO:+0200\nEND:STANDARD");
    assert_eq!(zone.offset_at(time("1999-12-31 22:29:59").and_utc()), 5400);
    assert_eq!(zone.offset_at(time("1999-12-31 22:30:00").and_utc()), 7200);
}

#[test]
fn time_12_offsets_of_all_zones_are_read_back() {
    for date in ["1890-06-01 00:00:00", "1945-08-01 00:00:00", "2026-01-15 12:00:00", "2026-07-15 12:00:00"] {
        for tz in Tz::all() {
            let seconds = Zone::from(tz).offset_at(time(date).and_utc());
            let offset = UtcOffset::from_seconds(seconds).expect("less than a day");
            let text = offset.to_string();
            assert_eq!(text.parse(), Ok(offset), "{tz} {text}");
            assert!(
                text.starts_with(if seconds < 0 { '-' } else { '+' }) && !text[1..].contains(['+', '-']),
                "{text}"
            );
        }
    }
    for (text, seconds) in [
        ("-0330", -12_600),
        ("-00:30", -1800),
        ("+053020", 19_820),
        ("-1", -3600),
        ("0", 0),
        ("+2359", 86_340),
    ] {
        assert_eq!(text.parse::<UtcOffset>().map(UtcOffset::seconds), Ok(seconds), "{text}");
    }
    for text in
        ["", "+", "+-3:00", "+2400", "+0060", "+01:00:00:00", "+01000", "é", "+é1", "1e3", "+ 100", "+1:+0"]
    {
        assert_eq!(text.parse::<UtcOffset>(), Err(ZoneError::Offset), "{text}");
    }
    assert_eq!(UtcOffset::from_seconds(86_400), None);
    assert_eq!(UtcOffset::from_seconds(i32::MIN), None);
}

#[test]
fn equality_is_of_rules_and_not_of_names() {
    let observance = |name: &str, offset_to| Observance {
        kind: ObservanceKind::Standard,
        start: time("2000-01-01 00:00:00"),
        offset_from: 0,
        offset_to,
        rule: Some(YearlyRule::yearly()),
        rdates: Vec::new(),
        name: Some(name.to_owned()),
    };
    let zone = |tzid: &str, name, offset| {
        Zone::from(CustomZone::new(tzid, vec![observance(name, offset)]).expect("valid"))
    };
    assert_eq!(zone("A", "a", 60), zone("B", "b", 60));
    assert_ne!(zone("A", "a", 60), zone("A", "a", 61));
    assert_ne!(Zone::UTC, zone("UTC", "UTC", 0));
}

#[test]
fn the_ends_of_time_do_not_panic() {
    let summer = zone(
        "BEGIN:DAYLIGHT\nDTSTART:00000101T000000\nTZOFFSETFROM:-2359\nTZOFFSETTO:+2359\nRRULE:FREQ=YEARLY\nEND:DAYLIGHT\nBEGIN:STANDARD\nDTSTART:99991231T235959\nTZOFFSETFROM:+2359\nTZOFFSETTO:-2359\nRDATE:99991231T235959\nRRULE:FREQ=YEARLY;INTERVAL=4000000000\nEND:STANDARD",
    );
    for zone in [summer, Zone::from(tz("Pacific/Apia")), Zone::from(tz("America/New_York"))] {
        for edge in [NaiveDateTime::MIN, NaiveDateTime::MAX] {
            let (instant, local) = (zone.resolve(edge), zone.to_local(edge.and_utc()));
            assert!((instant.naive_utc() - edge).abs() <= TimeDelta::days(1), "{zone:?}");
            assert!((local - edge).abs() <= TimeDelta::days(1), "{zone:?}");
        }
    }
}

/// Lines that often go together, with values that are often wrong.
fn noisy_line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "BEGIN",
        "END",
        "TZID",
        "DTSTART",
        "TZOFFSETFROM",
        "TZOFFSETTO",
        "RRULE",
        "RDATE",
        "TZNAME",
        "TZURL",
        "X-LIC-LOCATION",
        " ",
        "\t",
        "",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "VTIMEZONE",
            "STANDARD",
            "DAYLIGHT",
            "X",
            "19700101T000000",
            "99991231T235959Z",
            "00000101",
            "+0100",
            "-2359",
            "+1400",
            "FREQ=YEARLY",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU",
            "FREQ=YEARLY;BYDAY=-53SU,53MO,1TU,SU",
            "FREQ=YEARLY;COUNT=4294967295;INTERVAL=4294967295",
            "FREQ=YEARLY;UNTIL=00000101T000000Z",
            "FREQ=YEARLY;BYMONTHDAY=-31",
            "20200101T000000,20210101/PT1H",
            "Europe/Berlin",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,20}",
        "[+-]?[0-9:]{0,8}",
        "FREQ=YEARLY;(BYMONTH=[0-9,]{1,8};)?(BYDAY=-?[0-9]?(SU|MO|é)(,[0-9]?TU)?;)?(BYMONTHDAY=-?[0-9]{1,2};)?(COUNT=[0-9]{1,10})?",
    ];
    (
        name,
        prop::sample::select(vec![":", ";A=B:", ";A=\"", "", ";"]),
        value,
        prop::sample::select(vec!["\r\n", "\n", "\r", ""]),
    )
        .prop_map(|(name, separator, value, end)| format!("{name}{separator}{value}{end}"))
}

fn exercise(text: &str) {
    let resolver = ZoneResolver::new([text], None);
    let parsed = VTimezone::parse(text);
    let tzid = parsed.as_ref().map_or("X", |parsed| parsed.tzid.as_str());
    let zones = resolver.resolve(tzid).ok().map(|found| found.zone);
    for zone in parsed.ok().and_then(|p| p.zone.ok()).map(Zone::from).into_iter().chain(zones) {
        for instant in
            ["0000-01-01 00:00:00", "1900-02-28 23:59:59", "2026-03-29 02:30:00", "9999-12-31 23:59:59"]
        {
            let local = time(instant);
            assert!((zone.resolve(local).naive_utc() - local).abs() < TimeDelta::days(1));
            assert_eq!(zone.resolve(zone.to_local(zone.resolve(local))), zone.resolve(local));
        }
        let written = calsync_core::zone::write::vtimezone(&zone, 2020, 2021);
        let read = VTimezone::parse(&written).expect("our own component").zone.expect("our own rules");
        if zone.iana().is_none() {
            assert_eq!(Zone::from(read), zone, "{written}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_does_not_panic(lines in prop::collection::vec(noisy_line(), 0..30)) {
        exercise(&lines.concat());
        exercise(&format!("BEGIN:VTIMEZONE\nTZID:X\n{}", lines.concat()));
    }

    #[test]
    fn one_noisy_observance_does_not_panic(lines in prop::collection::vec(noisy_line(), 0..4)) {
        exercise(&component(&format!(
            "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0230\nTZOFFSETTO:+0100\n{}\nEND:STANDARD", lines.concat()
        )));
    }

    #[test]
    fn any_name_is_resolved_or_refused(name in "\\PC{0,40}", path in "[/A-Za-z_.() +:0-9-]{0,30}") {
        let resolver = ZoneResolver::new([], None);
        for name in [name, path] {
            if let Ok(found) = resolver.resolve(&name) {
                prop_assert!(!found.zone.name().is_empty());
            }
        }
    }
}

/// The last second of the year 9999 in UTC is a time of the year 10000 east of Greenwich.
#[test]
fn an_rdate_no_text_can_say_is_refused() {
    let text = "BEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:20000101T000000\r\nTZOFFSETFROM:+0100\r\n\
                TZOFFSETTO:+0200\r\nRDATE:99991231T235959Z\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
    let zone = VTimezone::parse(text).unwrap().zone;
    assert_eq!(zone.unwrap_err(), ZoneError::Rdate);
}
