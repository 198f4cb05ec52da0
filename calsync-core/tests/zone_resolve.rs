//! Which zone a TZID means.

#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use calsync_core::zone::{
    DefinitionCheck, Tz, UnresolvedZone, Zone, ZoneError, ZoneResolver, ZoneSource, write,
};
use chrono::NaiveDate;

/// The zone of a name.
fn tz(name: &str) -> Tz {
    name.parse().expect("a zone of the database")
}

fn component(head: &str, observances: &[(&str, &str, &str, &str, &str)]) -> String {
    let mut text = format!("BEGIN:VTIMEZONE\r\n{head}\r\n");
    for (kind, start, from, to, more) in observances {
        text += &format!("BEGIN:{kind}\r\nDTSTART:{start}\r\nTZOFFSETFROM:{from}\r\nTZOFFSETTO:{to}\r\n");
        if !more.is_empty() {
            text += &format!("{more}\r\n");
        }
        text += &format!("END:{kind}\r\n");
    }
    text + "END:VTIMEZONE\r\n"
}

fn summer_and_winter(head: &str, standard: &str, daylight: &str) -> String {
    component(
        head,
        &[
            ("STANDARD", "16010101T030000", daylight, standard, "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10"),
            ("DAYLIGHT", "16010101T020000", standard, daylight, "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"),
        ],
    )
}

fn resolve(tzid: &str, definition: &str) -> (String, ZoneSource, DefinitionCheck) {
    let found = ZoneResolver::new([definition], None).resolve(tzid).expect("resolved");
    (found.zone.name().to_owned(), found.how, found.definition)
}

#[test]
fn names_alone() {
    let resolver = ZoneResolver::new([], None);
    use ZoneSource::{Alias, Iana, Offset, Windows};
    for (tzid, zone, how) in [
        ("Europe/Berlin", "Europe/Berlin", Iana),
        ("Asia/Calcutta", "Asia/Calcutta", Iana),
        ("UTC", "UTC", Iana),
        ("Etc/GMT+5", "Etc/GMT+5", Iana),
        ("\"Europe/Paris\"", "Europe/Paris", Iana),
        (" Europe/Paris ", "Europe/Paris", Iana),
        ("europe/berlin", "Europe/Berlin", Alias),
        ("America/New York", "America/New_York", Alias),
        ("/freeassociation.sourceforge.net/Europe/Amsterdam", "Europe/Amsterdam", Alias),
        ("/freeassociation.sourceforge.net/Tzfile/Europe/Rome", "Europe/Rome", Alias),
        ("/mozilla.org/20050126_1/America/New_York", "America/New_York", Alias),
        ("/mozilla.org/20070129_1/America/Argentina/Salta", "America/Argentina/Salta", Alias),
        ("/citadel.org/20190914_1/Asia/Tokyo", "Asia/Tokyo", Alias),
        ("tzone://Microsoft/Utc", "UTC", Alias),
        ("us/pacific-new", "America/Los_Angeles", Alias),
        ("/Europe/Vienna", "Europe/Vienna", Alias),
        ("posix/Europe/Vienna", "Europe/Vienna", Alias),
        ("Europe/Vienna 1", "Europe/Vienna", Alias),
        ("Eastern Standard Time 1", "America/New_York", Alias),
        ("W. Europe Standard Time", "Europe/Berlin", Windows),
        ("romance standard time", "Europe/Paris", Windows),
        ("UTC-11", "Etc/GMT+11", Windows),
        ("Pacific Standard Time (Mexico)", "America/Tijuana", Windows),
        ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Berlin", Windows),
        ("(UTC+01:00) Amsterdam\\, Berlin\\, Bern\\, Rome\\, Stockholm\\, Vienna", "Europe/Berlin", Windows),
        ("(GMT+01.00) Amsterdam / Berlin / Bern / Rome / Stockholm / Vienna", "Europe/Berlin", Windows),
        ("(GMT-05:00) Eastern Time (US & Canada)", "America/New_York", Windows),
        ("(GMT) Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London", "Europe/London", Windows),
        ("(UTC) Coordinated Universal Time", "Etc/UTC", Windows),
        ("(UTC-08:00) Pacific Time (US & Canada)", "America/Los_Angeles", Windows),
        ("(UTC+01:00) Brüssel, Kopenhagen, Madrid", "Europe/Madrid", Windows),
        ("(UTC+01:00) Europe/Oslo", "Europe/Oslo", Windows),
        ("Z", "UTC", Offset),
        ("GMT+01:00", "Etc/GMT-1", Offset),
        ("GMT-0500", "Etc/GMT+5", Offset),
        ("UTC+1", "Etc/GMT-1", Offset),
        ("+0200", "Etc/GMT-2", Offset),
        ("UTC+05:30", "UTC+05:30", Offset),
        ("GMT+00:00", "UTC", Offset),
    ] {
        let found = resolver.resolve(tzid).unwrap_or_else(|_| panic!("{tzid} is not resolved"));
        assert_eq!((found.zone.name(), found.how), (zone, how), "{tzid}");
        assert_eq!(found.definition, DefinitionCheck::Absent);
    }
}

#[test]
fn unknown_names_are_never_silently_utc() {
    let resolver = ZoneResolver::new([], None);
    for tzid in [
        "",
        " ",
        "\"",
        "Customized Time Zone",
        "Mars/Olympus",
        "/",
        "///",
        "1",
        " 1",
        "(UTC+01:00)",
        "(UTC+99:00) Berlin",
        "(",
        "GMT+",
        "GMT+25",
        "+é",
        "é",
        "ééé+1",
        "Local",
        "Foo.bar/",
        "Berlin",
        "CEST",
        "\\",
        "UTC+01:00:00:00",
    ] {
        assert_eq!(resolver.resolve(tzid), Err(UnresolvedZone { definition: None }), "{tzid:?}");
    }
    let with_default = ZoneResolver::new([], Some(Zone::from(tz("Asia/Tokyo"))));
    let found = with_default.resolve("Mars/Olympus").expect("the default");
    assert_eq!((found.zone.name(), found.how), ("Asia/Tokyo", ZoneSource::Default));
}

#[test]
fn time_09_a_known_name_wins_over_a_bogus_definition_and_it_is_recorded() {
    let bogus = summer_and_winter("TZID:Europe/Berlin", "+0100", "+0300");
    assert_eq!(
        resolve("Europe/Berlin", &bogus),
        ("Europe/Berlin".into(), ZoneSource::Iana, DefinitionCheck::Contradicts)
    );
    let shifted = component(
        "TZID:Europe/Berlin",
        &[
            ("STANDARD", "19701025T030000", "+0200", "+0100", "RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11"),
            ("DAYLIGHT", "19700329T020000", "+0100", "+0200", "RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3"),
        ],
    );
    assert_eq!(resolve("Europe/Berlin", &shifted).2, DefinitionCheck::Contradicts);
    let right = summer_and_winter("TZID:Europe/Berlin", "+0100", "+0200");
    assert_eq!(resolve("Europe/Berlin", &right).2, DefinitionCheck::Agrees);
}

#[test]
fn time_09_a_definition_without_one_equal_offset_replaces_the_name() {
    let other = summer_and_winter("TZID:Europe/Berlin", "+0530", "+0630");
    assert_eq!(
        resolve("Europe/Berlin", &other),
        ("Europe/Berlin".into(), ZoneSource::Definition, DefinitionCheck::Replaces)
    );
    // A file from before the country moved its clocks in December 2018 is old, not wrong.
    let old = component("TZID:Asia/Qyzylorda", &[("STANDARD", "20041031T000000", "+0600", "+0600", "")]);
    assert_eq!(resolve("Asia/Qyzylorda", &old).2, DefinitionCheck::Contradicts);
}

#[test]
fn an_abbreviation_means_what_the_file_says_it_means() {
    let new_york =
        write::vtimezone(&tz("America/New_York").into(), 1999, 2038).replace("America/New_York", "EST");
    assert_eq!(
        resolve("EST", &new_york),
        ("America/New_York".into(), ZoneSource::Matched, DefinitionCheck::Replaces)
    );
    let fixed = component("TZID:EST", &[("STANDARD", "19700101T000000", "-0500", "-0500", "")]);
    assert_eq!(resolve("EST", &fixed), ("EST".into(), ZoneSource::Iana, DefinitionCheck::Agrees));
}

#[test]
fn attack_39_a_false_definition_stays_in_its_document() {
    let false_rules = summer_and_winter("TZID:Europe/Berlin", "+0530", "+0630");
    let poisoned = ZoneResolver::new([false_rules.as_str()], None);
    assert_eq!(poisoned.resolve("Europe/Berlin").map(|z| z.how), Ok(ZoneSource::Definition));
    let clean = ZoneResolver::new([], None);
    assert_eq!(clean.resolve("Europe/Berlin").map(|z| z.zone), Ok(tz("Europe/Berlin").into()));
}

#[test]
fn a_definition_is_asked_for_a_location_first() {
    for head in [
        "TZID:Office\r\nX-LIC-LOCATION:Europe/Rome",
        "TZID:Office\r\nx-lic-location:europe/rome",
        "TZID:Office\r\nTZURL:http://tzurl.org/zoneinfo/Europe/Rome",
        "TZID:Office\r\nTZURL:http://tzurl.org/zoneinfo-outlook/Europe/Rome.ics",
        "TZID:Off\r\n ice\r\nX-LIC-LOC\r\n ATION:Europe/Ro\r\n me",
    ] {
        let text = summer_and_winter(head, "+0100", "+0200");
        assert_eq!(
            resolve("Office", &text),
            ("Europe/Rome".into(), ZoneSource::Location, DefinitionCheck::Used),
            "{head}"
        );
    }
}

#[test]
fn a_definition_with_the_changes_of_a_known_zone_becomes_that_zone() {
    for (tzid, tz, expected) in [
        ("Customized Time Zone", tz("America/New_York"), "America/New_York"),
        ("tzone://Microsoft/Custom", tz("Europe/Berlin"), "Europe/Budapest"),
        ("Our office in Amsterdam", tz("Europe/Berlin"), "Europe/Amsterdam"),
        ("ourofficeinamsterdam", tz("Europe/Berlin"), "Europe/Budapest"),
        ("Lab", tz("Asia/Kolkata"), "Asia/Kolkata"),
        ("Lab", tz("Asia/Tokyo"), "Etc/GMT-9"),
        ("Lab", tz("Africa/Casablanca"), "Africa/Casablanca"),
    ] {
        let text = write::vtimezone(&tz.into(), 1999, 2038).replace(tz.name(), tzid);
        assert_eq!(
            resolve(tzid, &text),
            (expected.into(), ZoneSource::Matched, DefinitionCheck::Used),
            "{tzid}"
        );
    }
}

#[test]
fn a_definition_like_no_known_zone_is_a_zone_of_its_own() {
    let text = summer_and_winter("TZID:Customized Time Zone", "+0130", "+0215");
    let resolver = ZoneResolver::new([text.as_str()], Some(Zone::UTC));
    let found = resolver.resolve("Customized Time Zone").expect("defined");
    assert_eq!((found.how, found.definition), (ZoneSource::Definition, DefinitionCheck::Used));
    let noon =
        |m, d| NaiveDate::from_ymd_opt(2026, m, d).and_then(|d| d.and_hms_opt(12, 0, 0)).expect("a date");
    assert_eq!(found.zone.resolve(noon(7, 1)).to_rfc3339(), "2026-07-01T09:45:00+00:00");
    assert_eq!(found.zone.resolve(noon(1, 1)).to_rfc3339(), "2026-01-01T10:30:00+00:00");
}

#[test]
fn a_definition_that_cannot_be_read_leaves_the_default_or_an_error() {
    let text = component(
        "TZID:Bad",
        &[("STANDARD", "19700101T000000", "+0100", "+0200", "RRULE:FREQ=SECONDLY;COUNT=999999999")],
    );
    let unresolved = UnresolvedZone { definition: Some(ZoneError::Rule) };
    assert_eq!(ZoneResolver::new([text.as_str()], None).resolve("Bad"), Err(unresolved));
    let found = ZoneResolver::new([text.as_str()], Some(Zone::UTC)).resolve("Bad").expect("the default");
    assert_eq!(
        (found.how, found.definition),
        (ZoneSource::Default, DefinitionCheck::Unusable(ZoneError::Rule))
    );
    let named = text.replace("TZID:Bad", "TZID:Asia/Tokyo");
    let found = ZoneResolver::new([named.as_str()], None).resolve("Asia/Tokyo").expect("known");
    assert_eq!((found.how, found.definition), (ZoneSource::Iana, DefinitionCheck::Unusable(ZoneError::Rule)));
}

#[test]
fn the_tzid_of_a_time_and_of_its_definition_may_differ_in_quotes_and_escapes() {
    let text = summer_and_winter("TZID:\"Here\\, there\"", "+0130", "+0215");
    for tzid in ["Here, there", "\"Here, there\"", "Here\\, there"] {
        assert_eq!(resolve(tzid, &text).1, ZoneSource::Definition, "{tzid}");
    }
}

#[test]
fn of_several_definitions_the_first_counts() {
    let (first, second) = (
        component("TZID:X", &[("STANDARD", "19700101T000000", "+0130", "+0130", "")]),
        component("TZID:X", &[("STANDARD", "19700101T000000", "+0145", "+0145", "")]),
    );
    let resolver = ZoneResolver::new([first.as_str(), &second, "", "garbage", "BEGIN:VTIMEZONE"], None);
    let zone = resolver.resolve("X").expect("defined").zone;
    assert_eq!(zone.offset_at(chrono::DateTime::UNIX_EPOCH), 5400);
}

#[test]
fn zones_are_serialised_by_name_or_by_rules() {
    assert_eq!(serde_json::to_string(&Zone::from(tz("Europe/Paris"))).expect("json"), r#""Europe/Paris""#);
    let text = summer_and_winter("TZID:Mine", "+0130", "+0215");
    let zone = ZoneResolver::new([text.as_str()], None).resolve("Mine").expect("defined").zone;
    let json = serde_json::to_string(&zone).expect("json");
    assert!(
        json.starts_with(r#"{"tzid":"Mine","observances":[{"kind":"standard","start":"1601-01-01T03:00:00""#),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<Zone>(&json).expect("a zone"), zone);
    for bad in [
        r#""Mars/Olympus""#,
        r#"{"tzid":"X","observances":[]}"#,
        r#"{"tzid":"X","observances":[{"kind":"standard","start":"1970-01-01T00:00:00","offset_from":0,"offset_to":86400}]}"#,
        r#"{"tzid":"X","observances":[{"kind":"standard","start":"1970-01-01T00:00:00","offset_from":0,"offset_to":0,"rule":{"interval":0}}]}"#,
        "7",
    ] {
        assert!(serde_json::from_str::<Zone>(bad).is_err(), "{bad}");
    }
}
