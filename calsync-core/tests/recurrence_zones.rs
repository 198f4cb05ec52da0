//! Random rules in zones with clock changes, against the plain reading put into the zone by chrono.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use calsync_core::recurrence::*;
use calsync_core::zone::Tz;
use calsync_testkit::recurrence_cases::recurrence_case;
use calsync_testkit::recurrence_oracle::{self, StartKind};
use chrono::offset::LocalResult;
use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};

/// Half an hour, an hour, a gap at midnight, a day that never was, and none.
const ZONES: [&str; 6] = [
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "America/St_Johns",
    "Asia/Tokyo",
];

fn zones() -> [Tz; 6] {
    ZONES.map(|name| name.parse().unwrap())
}

/// The same zone by somebody else.
fn theirs(zone: Tz) -> chrono_tz::Tz {
    zone.name().parse().unwrap()
}

/// RFC 5545 3.3.5: the first of two, or the offset before the gap.
fn instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let zone = theirs(zone);
    match zone.from_local_datetime(&local) {
        LocalResult::Single(only) => only.to_utc(),
        LocalResult::Ambiguous(one, other) => one.to_utc().min(other.to_utc()),
        LocalResult::None => {
            let before = (1..60)
                .filter_map(|hours| zone.from_local_datetime(&(local - TimeDelta::hours(hours))).earliest())
                .next()
                .unwrap();
            (local - before.offset().fix()).and_utc()
        }
    }
}

fn seeds(table: impl Fn(u64) -> bool) -> impl Iterator<Item = u64> {
    (20_000..26_000).filter(move |seed| table(*seed))
}

#[test]
fn calendar_rules_follow_the_wall_clock_of_every_zone() {
    let mut shifted = 0;
    let coarse = |seed: u64| {
        let case = recurrence_case(seed);
        case.kind == StartKind::DateTime && !case.rule.frequency.is_sub_daily()
    };
    let zones = zones();
    for seed in seeds(coarse).take(2_500) {
        let mut case = recurrence_case(seed);
        // COUNT and UNTIL are the oracle's business without zones; here the clock is, at its changes.
        (case.rule.count, case.rule.until) = (None, None);
        if seed % 3 == 0 {
            case.rule.by_hour = vec![0, 1, 2, 3];
            case.rule.by_minute = vec![15, 45];
            case.rule.by_set_position.clear();
        }
        let zone = zones[seed as usize % zones.len()];
        let start = instant(zone, case.start);
        let oracle = recurrence_oracle::instances(&case.rule, case.kind, case.start, case.end, 20_000);
        let mut right: Vec<_> = oracle.iter().map(|local| instant(zone, *local)).collect();
        shifted += usize::from(!right.is_sorted_by(|a, b| a < b));
        right.retain(|at| *at >= start);
        right.sort_unstable();
        right.dedup();
        let until = instant(zone, case.end) - TimeDelta::days(2);
        for from in [start, start + (until - start) / 3] {
            let set = RecurrenceSet::new(SeriesStart::Zoned(case.start, zone)).with_rule(case.rule.clone());
            let found = set.instances(Window::Utc(from..until), &ExpansionLimits::default());
            let found: Vec<_> = found.map(|at| at.utc.unwrap()).collect();
            let right: Vec<_> = right.iter().copied().filter(|at| from <= *at && *at < until).collect();
            assert_eq!(found, right, "seed {seed}: {zone} {} {} from {from}", case.start, case.rule);
        }
    }
    assert!(shifted > 50, "only {shifted} cases met a gap out of order");
}

#[test]
fn time_14_exact_rules_step_through_clock_changes() {
    for (index, zone) in zones().into_iter().enumerate() {
        // A few days around a change of the clock, or around New Year where there is none.
        let begin = match index {
            0 => "20250405T0",
            1 => "20251025T0",
            2 => "20171014T0",
            3 => "20111228T0",
            4 => "20250308T0",
            _ => "20250101T0",
        };
        let start = NaiveDateTime::parse_from_str(&format!("{begin}01500"), "%Y%m%dT%H%M%S").unwrap();
        for (text, step, hours) in [
            ("FREQ=HOURLY", 3_600, 0..24),
            ("FREQ=HOURLY;INTERVAL=5", 18_000, 0..24),
            ("FREQ=HOURLY;BYHOUR=1,2,3", 3_600, 1..4),
            ("FREQ=MINUTELY;INTERVAL=7;BYHOUR=0,1,2,3,4", 420, 0..5),
            ("FREQ=SECONDLY;INTERVAL=50;BYHOUR=23,0,1,2", 50, 23..27),
        ] {
            for days in ["", ";BYDAY=TU,TH,SU", ";BYMONTHDAY=1,15,26,30,-2"] {
                let rule = RecurrenceRule::parse(&format!("{text}{days}")).unwrap();
                let first = instant(zone, start);
                let mut right = vec![first];
                for n in 1..=(8 * 86_400 / step) {
                    let at = first + TimeDelta::seconds(n * step);
                    let local = at.with_timezone(&theirs(zone)).naive_local();
                    let hour = i64::from(local.hour());
                    let length = i64::from(local.date().num_days_in_month());
                    let day = i64::from(local.day());
                    let passes = match days {
                        "" => true,
                        ";BYDAY=TU,TH,SU" => {
                            matches!(local.weekday().num_days_from_monday(), 1 | 3 | 6)
                        }
                        _ => [1, 15, 26, 30, length - 1].contains(&day),
                    };
                    if passes && (hours.contains(&hour) || hours.contains(&(hour + 24))) {
                        right.push(at);
                    }
                }
                let until = first + TimeDelta::days(8) + TimeDelta::seconds(1);
                for from in [0, 31, 60].map(|hours| first + TimeDelta::hours(hours)) {
                    for count in [None, Some(60)] {
                        let mut rule = rule.clone();
                        rule.count = count;
                        let set = RecurrenceSet::new(SeriesStart::Zoned(start, zone)).with_rule(rule.clone());
                        let found = set.instances(Window::Utc(from..until), &ExpansionLimits::default());
                        let found: Vec<_> = found.map(|at| at.utc.unwrap()).collect();
                        let counted = right.iter().take(count.map_or(usize::MAX, |count| count as usize));
                        let right: Vec<_> = counted.copied().filter(|at| *at >= from).collect();
                        assert_eq!(found, right, "{zone} {start} {rule} from {from}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_provided_resolution_agrees_with_the_database() {
    /// A zone that knows only its offsets, as one read from a VTIMEZONE may.
    struct Plain(Tz);
    impl ZoneRules for Plain {
        fn offset_at(&self, utc: i64) -> i32 {
            ZoneRules::offset_at(&self.0, utc)
        }
    }
    for zone in zones() {
        let first = NaiveDateTime::parse_from_str("20100101T000000", "%Y%m%dT%H%M%S").unwrap();
        for n in 0..4 * 366 * 24 * 2 {
            let local = first + TimeDelta::minutes(n * 30);
            let expected = zone.resolve(local);
            assert_eq!(Plain(zone).resolve(local), expected, "{zone} {local}");
            assert_eq!(expected.instant(), instant(zone, local).timestamp(), "{zone} {local}");
        }
        for n in 0..400 {
            let utc = first.and_utc().timestamp() + n * 86_400 * 4 + n * 977;
            let (from, until) = zone.steady_span(utc);
            assert!(from <= utc && utc < until, "{zone}");
            // A span may reach to the end of time.
            let near = from.max(utc - 30 * 86_400)..until.min(utc + 30 * 86_400);
            for probe in near.clone().step_by(3_600).chain([near.end - 1]) {
                assert_eq!(zone.offset_at(probe), zone.offset_at(utc), "{zone} {probe}");
            }
        }
    }
}
