//! Zone definitions: any text as VTIMEZONE, its rules asked for times near and far, written and read again.
#![no_main]

use calsync_core::zone::{VTimezone, Zone, ZoneResolver, write, zone_by_name};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use libfuzzer_sys::fuzz_target;

const DAY: i32 = 86_400;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    // A name alone: the first line.
    let first = text.lines().next().unwrap_or_default();
    if let Some((zone, _)) = zone_by_name(first) {
        ask(&zone);
    }

    let mut starts: Vec<usize> = text.match_indices("BEGIN:VTIMEZONE").map(|(at, _)| at).take(8).collect();
    starts.push(text.len());
    let definitions: Vec<&str> = starts.windows(2).map(|two| &text[two[0]..two[1]]).collect();
    let resolver = ZoneResolver::new(definitions.iter().copied(), None);
    for definition in definitions.iter().copied().chain([&*text]) {
        let Ok(parsed) = VTimezone::parse(definition) else {
            continue;
        };
        if let Ok(resolved) = resolver.resolve(&parsed.tzid) {
            assert_eq!(resolver.resolve(&parsed.tzid).map(|again| again.zone), Ok(resolved.zone.clone()));
            ask(&resolved.zone);
        }
        let Ok(custom) = parsed.zone else {
            continue;
        };
        let zone = Zone::from(custom);
        ask(&zone);
        let written = write::vtimezone(&zone, 2020, 2030);
        assert!(written.starts_with("BEGIN:VTIMEZONE\r\nTZID:") && written.ends_with("END:VTIMEZONE\r\n"));
        let begins = written.split("\r\n").filter(|line| *line == "BEGIN:VTIMEZONE").count();
        assert_eq!(begins, 1, "nothing was injected");
        // Written, a definition may pass the limit it was read within.
        if written.len() < 200_000 {
            let again = VTimezone::parse(&written).expect("our own definition");
            assert_eq!(again.zone.map(Zone::from), Ok(zone), "{written}");
        }
    }
});

/// Asks for offsets, near changes and at the ends of what can be said.
fn ask(zone: &Zone) {
    let instants = [i64::MIN, -62_135_596_800, 0, 1_774_746_000, 1_792_893_600, 4_102_444_800, i64::MAX];
    for seconds in instants {
        let instant = DateTime::from_timestamp(seconds, 0).unwrap_or(if seconds < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        });
        assert!(zone.offset_at(instant).abs() <= DAY, "an offset is less than a day");
        let local = zone.to_local(instant);
        let back = zone.resolve(local);
        // Of a time shown twice the first is meant, so it may be earlier, by the width of the change.
        assert!((instant - back).num_seconds().abs() <= 2 * i64::from(DAY));
    }
    for month in 1..=12 {
        let Some(date) = NaiveDate::from_ymd_opt(2026, month, 28) else { continue };
        let local: NaiveDateTime = date.into();
        assert!((zone.resolve(local).naive_utc() - local).num_seconds().abs() <= i64::from(DAY));
    }
}
