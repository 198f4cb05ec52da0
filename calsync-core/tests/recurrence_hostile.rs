//! Rules nobody should write: whatever the text or the data, no panic, no endless work, and DTSTART stays.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use calsync_core::recurrence::*;
use calsync_core::zone::Tz;
use calsync_testkit::recurrence_cases::{Dice, recurrence_case};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// The zone of a name.
fn tz(name: &str) -> Tz {
    name.parse().unwrap()
}

const PIECES: [&str; 24] = [
    ";",
    "=",
    ",",
    "-",
    "+",
    "0",
    "1",
    "99999999999999999999",
    "-2147483648",
    "BYDAY=",
    "BYDAY=MO",
    "MO",
    "é",
    "\u{0}",
    "FREQ=",
    "FREQ=SECONDLY",
    "BYSETPOS=-366",
    "BYMONTHDAY=31",
    "COUNT=4294967295",
    "INTERVAL=4294967295",
    "UNTIL=2025é101",
    "UNTIL=99991231T235960Z",
    "BYSECOND=60",
    "T",
];

fn damaged(dice: &mut Dice, rule: &str) -> String {
    let mut chars: Vec<char> = rule.chars().collect();
    for _ in 0..dice.within(1, 4) {
        let at = dice.within(0, chars.len() as i64) as usize;
        match dice.within(0, 2) {
            0 => {
                let piece = PIECES[dice.within(0, PIECES.len() as i64 - 1) as usize];
                chars.splice(at..at, piece.chars());
            }
            1 => chars.truncate(at.max(1)),
            _ if at < chars.len() => drop(chars.remove(at)),
            _ => {}
        }
    }
    chars.into_iter().collect()
}

#[test]
fn damaged_rules_keep_dtstart_and_end_in_their_budget() {
    let mut limits = ExpansionLimits::default();
    (limits.steps, limits.instances) = (3_000, 200);
    let (mut opaque, mut usable) = (0, 0);
    for seed in 0..6_000 {
        let mut dice = Dice::new(seed);
        let case = recurrence_case(seed);
        let text = damaged(&mut dice, &case.rule.to_string());
        let entry = RuleEntry::read(&text);
        if entry.fatal_problem().is_some() {
            opaque += 1
        } else {
            usable += 1
        }
        if let RuleEntry::Rule(rule) = &entry {
            let again = RecurrenceRule::parse(&rule.to_string());
            assert_eq!(again.map(|rule| rule.to_string()), Ok(rule.to_string()), "seed {seed}: {text:?}");
        }
        let set = RecurrenceSet::new(SeriesStart::Zoned(case.start, tz("Europe/Berlin"))).with_rule(entry);
        let (found, report) = set.instances(Window::all(), &limits).collect_all();
        assert_eq!(
            found.first().map(|at| at.key),
            set.key_of(&RecurrenceDate::Local(case.start)),
            "seed {seed}: {text:?}"
        );
        assert!(report.steps <= limits.steps, "seed {seed}: {text:?}");
        assert!(found.is_sorted_by(|a, b| a.key < b.key), "seed {seed}: {text:?}");
    }
    assert!(opaque > 500 && usable > 500, "{opaque} opaque, {usable} usable");
}

#[test]
fn data_that_is_no_rule_is_opaque_not_a_panic() {
    let json = r#"{"frequency":"monthly","interval":0,"by_month":[0,200],"by_hour":[255],"by_second":[99],
        "by_day":[{"weekday":"mo","ordinal":-128}],"by_month_day":[-128,127],"by_year_day":[-32768,32767],
        "by_week_no":[127],"by_set_position":[0],"unknown":["A;B=\r\nC"]}"#;
    let rule: RecurrenceRule = serde_json::from_str(json).expect("the shape is right");
    assert!(rule.is_opaque());
    assert!(!rule.to_string().contains(['\r', '\n']), "a part cannot end the line it is written to");
    let start = NaiveDateTime::default();
    let set = RecurrenceSet::new(SeriesStart::Zoned(start, Tz::UTC)).with_rule(rule.clone());
    assert_eq!(set.instances(Window::all(), &ExpansionLimits::default()).count(), 1);
    assert_eq!(rule.canonical(&set.start), rule);
}

#[test]
fn a_rule_as_json_says_only_what_it_holds() {
    let rule = RecurrenceRule::parse("FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR,MO;UNTIL=20250101T090000Z")
        .expect("a rule");
    let json = serde_json::to_string(&rule).expect("plain data");
    assert_eq!(
        json,
        r#"{"frequency":"monthly","interval":2,"until":{"utc":"2025-01-01T09:00:00Z"},"by_day":[{"weekday":"mo"},{"weekday":"fr","ordinal":-1}]}"#
    );
    assert_eq!(serde_json::from_str::<RecurrenceRule>(&json).expect("as written"), rule);
}

#[test]
fn keys_and_windows_at_the_ends_of_chrono_do_not_overflow() {
    let limits = ExpansionLimits::default();
    let rule = RecurrenceRule::new(Frequency::Daily);
    let keys = [
        RecurrenceKey::Utc(DateTime::<chrono::Utc>::MAX_UTC),
        RecurrenceKey::Utc(DateTime::<chrono::Utc>::MIN_UTC),
        RecurrenceKey::Floating(NaiveDateTime::MIN),
        RecurrenceKey::Date(NaiveDate::MIN),
        RecurrenceKey::Date(NaiveDate::MAX),
    ];
    for start in [NaiveDateTime::MIN, NaiveDateTime::MAX, NaiveDateTime::default()] {
        let sets = [
            SeriesStart::Zoned(start, tz("Asia/Tokyo")),
            SeriesStart::Floating(start),
            SeriesStart::Date(start.date()),
        ];
        for start in sets {
            let set = RecurrenceSet::new(start).with_rule(rule.clone());
            for key in &keys {
                assert!(set.split_at(key, &limits).is_err());
                let _ = rule.truncate_before(key);
            }
            let extremes = [
                RecurrenceDate::Date(NaiveDate::MIN),
                RecurrenceDate::Local(NaiveDateTime::MAX),
                RecurrenceDate::Utc(DateTime::<chrono::Utc>::MIN_UTC),
            ];
            let mut set = set;
            set.rdates = set.shift_dates(&extremes, chrono::TimeDelta::MAX);
            set.exdates = extremes.to_vec();
            assert!(set.instances(Window::all(), &limits).count() <= limits.instances);
        }
    }
}
