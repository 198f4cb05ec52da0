//! The zones of the database, beside what two other libraries make of them.
#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use calsync_core::zone::{Tz, Zone, write};
use chrono::{DateTime, LocalResult, Offset, TimeDelta, TimeZone, Utc};
use jiff::{Timestamp, tz::TimeZone as TheirZone};

fn theirs(tz: Tz) -> TheirZone {
    TheirZone::get(tz.name()).expect("a zone both have")
}

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("an instant")
}

fn start_of(year: i32) -> i64 {
    let start = chrono::NaiveDate::from_ymd_opt(year, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
    start.expect("a year").and_utc().timestamp()
}

/// The offsets by which a local time can be read in the other library's zone, the earlier instant first. Its own answer
/// for local times takes the rule at the end of a file to hold before it does (Nuuk, October 2023).
fn their_offsets(zone: &TheirZone, local: i64) -> Vec<i32> {
    let timestamp = |seconds| Timestamp::from_second(seconds).expect("an instant");
    let begin = timestamp(local - 100_000);
    let later = zone.following(begin).map(|change| change.timestamp());
    let mut offsets: Vec<i32> = [begin]
        .into_iter()
        .chain(later.take_while(|at| *at < timestamp(local + 100_000)))
        .map(|at| zone.to_offset(at).seconds())
        .filter(|offset| zone.to_offset(timestamp(local - i64::from(*offset))).seconds() == *offset)
        .collect();
    offsets.sort_unstable_by_key(|offset| std::cmp::Reverse(*offset));
    offsets.dedup();
    offsets
}

#[test]
fn every_zone_is_read_as_another_library_reads_it() {
    let mut compared = 0;
    for tz in Tz::all() {
        let (zone, theirs) = (Zone::from(tz), theirs(tz));
        let changes = theirs.following(Timestamp::from_second(start_of(1800)).expect("an instant"));
        let changes =
            changes.map(|change| change.timestamp().as_second()).take_while(|at| *at < start_of(2110));
        // Around every change, and now and then where there is none.
        let quiet = (1850..2400).step_by(25).map(|year| start_of(year) + 86_400 * 100);
        for at in changes.chain(quiet) {
            for seconds in [-90_000, -1_800, -1, 0, 3_599] {
                let utc = instant(at + seconds);
                let right =
                    theirs.to_offset(Timestamp::from_second(at + seconds).expect("an instant")).seconds();
                assert_eq!(zone.offset_at(utc), right, "{tz} at {utc}");
                assert_eq!(utc.with_timezone(&tz).offset().fix().local_minus_utc(), right, "{tz} at {utc}");
                for before in [0, 3_600, 86_400] {
                    let local = utc.naive_utc() + TimeDelta::seconds(i64::from(right) - before);
                    let found = match tz.offset_from_local_datetime(&local) {
                        LocalResult::None => vec![],
                        LocalResult::Single(only) => vec![only],
                        LocalResult::Ambiguous(first, second) => vec![first, second],
                    };
                    let found: Vec<_> = found.iter().map(|offset| offset.fix().local_minus_utc()).collect();
                    assert_eq!(
                        found,
                        their_offsets(&theirs, local.and_utc().timestamp()),
                        "{tz}, {local} there"
                    );
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 400_000, "{compared}");
}

#[test]
fn definitions_have_the_abbreviations_of_the_other_library() {
    for tz in Tz::all() {
        let (text, theirs) = (write::vtimezone(&Zone::from(tz), 2026, 2026), theirs(tz));
        for month in 0..12 {
            let at = Timestamp::from_second(start_of(2026) + month * 2_629_746).expect("an instant");
            let info = theirs.to_offset_info(at);
            let kind = if info.dst().is_dst() { "DAYLIGHT" } else { "STANDARD" };
            let observance = text.split("BEGIN:").find(|part| {
                part.starts_with(kind) && part.contains(&format!("TZNAME:{}\r\n", info.abbreviation()))
            });
            assert!(observance.is_some(), "{tz} {} {kind}: {text}", info.abbreviation());
        }
    }
}

/// What release 2025b says of the time before it, by a library that has its own tables. What differs was found out
/// since, or decided afterwards.
#[test]
fn no_zone_of_an_older_release_is_missing_or_moved() {
    let mut moved = Vec::new();
    for old in chrono_tz::TZ_VARIANTS {
        let tz: Tz = old.name().parse().unwrap_or_else(|_| panic!("{old} is missing"));
        let differs = |at: &i64| {
            let was = old.offset_from_utc_datetime(&instant(*at).naive_utc()).fix().local_minus_utc();
            was != Zone::from(tz).offset_at(instant(*at))
        };
        if let Some(at) = (start_of(1990)..start_of(2025)).step_by(6 * 3_600).find(differs) {
            moved.push(format!("{tz} {}", instant(at).date_naive()));
        }
    }
    assert_eq!(
        moved,
        ["America/Bogota 1992-05-02", "Europe/Chisinau 2022-03-27", "Europe/Tiraspol 2022-03-27"]
    );
}

/// Every file of the release is one the reader knows: a zone that is unknown here would be unknown to every host.
#[test]
fn every_file_of_the_release_is_read() {
    let there = jiff::tz::db().available().filter(|name| name.as_str() != "Factory").count();
    assert_eq!(Tz::all().count(), there);
    assert!(!Tz::release().is_empty());
}

#[test]
fn what_another_release_stored_is_read() {
    for (stored, read) in [("US/Pacific-New", "America/Los_Angeles"), ("europe/BERLIN", "Europe/Berlin")] {
        let zone: Zone = serde_json::from_value(stored.into()).expect("a zone");
        assert_eq!(zone.name(), read);
    }
    assert!(serde_json::from_value::<Zone>("Mars/Olympus".into()).is_err());
}

#[cfg(feature = "chrono-tz")]
#[test]
fn zones_of_chrono_tz_are_taken_by_their_names() {
    for theirs in chrono_tz::TZ_VARIANTS {
        assert_eq!(Zone::try_from(theirs).expect("a zone").name(), theirs.name());
    }
}

#[test]
fn what_changed_in_2026_is_known() {
    // Winter time is over for good in these; release 2025b has it still.
    for (name, summer) in [("America/Edmonton", -6), ("America/Vancouver", -7), ("America/Winnipeg", -5)] {
        let zone = Zone::from_iana(name).expect("a zone");
        for (utc, offset) in [
            ("2026-01-15T12:00:00Z", summer - 1),
            ("2026-07-15T12:00:00Z", summer),
            ("2026-12-15T12:00:00Z", summer),
        ] {
            assert_eq!(zone.offset_at(utc.parse().expect("an instant")), offset * 3_600, "{name} {utc}");
        }
    }
}
