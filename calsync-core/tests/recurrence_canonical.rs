//! Rules that mean the same have one form, and the form means the same as the rule.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use calsync_core::recurrence::*;
use calsync_testkit::recurrence_cases::recurrence_case;
use calsync_testkit::recurrence_oracle::StartKind;
use chrono::{NaiveDateTime, Utc};

fn start(text: &str) -> SeriesStart<Utc> {
    SeriesStart::Floating(NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").unwrap())
}

fn canonical(rule: &str, start: &SeriesStart<Utc>) -> String {
    RecurrenceRule::parse(rule).unwrap().canonical(start).to_string()
}

#[test]
fn rec_14_equal_rules_have_one_form() {
    // DTSTART is Wednesday, 5 March 2025, 09:30. Every rule of a line means the same.
    let at = start("20250305T093000");
    let table: &[&[&str]] = &[
        &[
            "FREQ=YEARLY;BYMONTHDAY=5;BYMONTH=3",
            "FREQ=YEARLY",
            "FREQ=YEARLY;INTERVAL=1",
            "FREQ=MONTHLY;INTERVAL=12",
            "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=5",
            "FREQ=YEARLY;WKST=SU;BYMONTH=3",
            "FREQ=YEARLY;BYHOUR=9;BYMINUTE=30",
        ],
        &["FREQ=YEARLY;INTERVAL=2;BYMONTHDAY=5;BYMONTH=3", "FREQ=MONTHLY;INTERVAL=24"],
        &["FREQ=MONTHLY;BYMONTHDAY=5", "FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12"],
        &[
            "FREQ=WEEKLY;BYDAY=WE",
            "FREQ=WEEKLY",
            "FREQ=WEEKLY;BYDAY=2WE",
            "FREQ=DAILY;INTERVAL=7",
            "FREQ=DAILY;BYDAY=WE",
        ],
        &["FREQ=WEEKLY;INTERVAL=2;BYDAY=WE", "FREQ=DAILY;INTERVAL=14", "FREQ=WEEKLY;INTERVAL=2;WKST=SU"],
        &["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "FREQ=DAILY;BYDAY=FR,TH,WE,TU,MO,MO"],
        &["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;WKST=SU", "FREQ=DAILY;BYHOUR=9;BYSECOND=0"],
        &["FREQ=MONTHLY;BYDAY=1WE", "FREQ=MONTHLY;BYDAY=WE;BYSETPOS=1"],
        &[
            "FREQ=YEARLY;BYDAY=-1FR;BYMONTH=3",
            "FREQ=YEARLY;BYDAY=FR;BYMONTH=3;BYSETPOS=-1",
            "FREQ=MONTHLY;INTERVAL=12;BYDAY=-1FR",
        ],
    ];
    for same in table {
        for rule in *same {
            assert_eq!(canonical(rule, &at), same[0], "{rule}");
        }
    }
}

#[test]
fn rules_that_differ_keep_apart() {
    let at = start("20250305T093000");
    for (one, other) in [
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;WKST=SU"),
        ("FREQ=YEARLY;BYDAY=1MO", "FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYDAY=1MO"),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=4", "FREQ=MONTHLY;INTERVAL=12;BYMONTH=3"),
        ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1", "FREQ=MONTHLY;BYDAY=1MO,1TU"),
        ("FREQ=DAILY;COUNT=3", "FREQ=DAILY;COUNT=4"),
    ] {
        assert_ne!(canonical(one, &at), canonical(other, &at), "{one} / {other}");
    }
    let all_day = SeriesStart::Date(chrono::NaiveDate::from_ymd_opt(2025, 3, 5).unwrap());
    assert_eq!(
        canonical("FREQ=DAILY;BYHOUR=9;UNTIL=20250401T000000Z", &all_day),
        "FREQ=DAILY;UNTIL=20250401"
    );
    let opaque = "FREQ=MONTHLY;INTERVAL=12;SKIP=FORWARD";
    assert_eq!(canonical(opaque, &at), opaque);
}

#[test]
fn the_canonical_form_has_the_same_instances_and_is_its_own() {
    let limits = ExpansionLimits::default();
    let mut changed = 0;
    for seed in 0..4_000 {
        let mut case = recurrence_case(seed);
        // The lengths that another frequency has a word for.
        match (case.rule.frequency, seed % 4) {
            (Frequency::Monthly, 0) => case.rule.interval = 12,
            (Frequency::Daily, 0) => case.rule.interval = 7,
            (Frequency::Daily, 1) => case.rule.interval = 1,
            _ => {}
        }
        let start = match case.kind {
            StartKind::Date => SeriesStart::<Utc>::Date(case.start.date()),
            StartKind::DateTime => SeriesStart::Floating(case.start),
        };
        let canonical = case.rule.canonical(&start);
        assert_eq!(canonical.canonical(&start), canonical, "seed {seed}: {}", case.rule);
        changed += usize::from(canonical != case.rule);
        let expand = |rule: &RecurrenceRule| {
            let set = RecurrenceSet::new(start).with_rule(rule.clone());
            set.instances(Window::Local(case.from..case.end), &limits).collect::<Vec<_>>()
        };
        assert_eq!(expand(&canonical), expand(&case.rule), "seed {seed}: {} / {canonical}", case.rule);
    }
    assert!(changed > 1_000, "only {changed} rules had another form");
}
