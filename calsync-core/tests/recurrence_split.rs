//! Cutting a series in two and moving its instances.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use calsync_core::recurrence::*;
use calsync_core::zone::Tz;
use calsync_testkit::recurrence_cases::recurrence_case;
use calsync_testkit::recurrence_oracle::StartKind;
use chrono::{NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// The zone of a name.
fn tz(name: &str) -> Tz {
    name.parse().unwrap()
}

fn time(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").unwrap()
}

fn berlin(from: &str, rule: &str) -> RecurrenceSet<Tz> {
    RecurrenceSet::new(SeriesStart::Zoned(time(from), tz("Europe/Berlin"))).with_rule(RuleEntry::read(rule))
}

fn all(set: &RecurrenceSet<Tz>) -> Vec<Instance> {
    set.instances(Window::all(), &ExpansionLimits::default()).take(100).collect()
}

fn rule_text(set: &RecurrenceSet<Tz>) -> String {
    set.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
}

#[test]
fn a_rule_ends_just_before_the_cut() {
    let day = NaiveDate::from_ymd_opt(2025, 1, 13).unwrap();
    let at = time("20250113T090000");
    let table = [
        ("FREQ=WEEKLY;COUNT=9", RecurrenceKey::Date(day), "FREQ=WEEKLY;UNTIL=20250112"),
        ("FREQ=WEEKLY", RecurrenceKey::Floating(at), "FREQ=WEEKLY;UNTIL=20250113T085959"),
        (
            "FREQ=WEEKLY;UNTIL=20260101T000000Z",
            RecurrenceKey::Utc(at.and_utc()),
            "FREQ=WEEKLY;UNTIL=20250113T085959Z",
        ),
        // A cut after the end does not bring the series back to life.
        (
            "FREQ=WEEKLY;UNTIL=20250107T000000Z",
            RecurrenceKey::Utc(at.and_utc()),
            "FREQ=WEEKLY;UNTIL=20250107T000000Z",
        ),
        ("FREQ=WEEKLY;UNTIL=20250107", RecurrenceKey::Utc(at.and_utc()), "FREQ=WEEKLY;UNTIL=20250107"),
    ];
    for (rule, key, expected) in table {
        assert_eq!(
            RecurrenceRule::parse(rule).unwrap().truncate_before(&key).to_string(),
            expected,
            "{rule}"
        );
    }
}

#[test]
fn dup_10_both_halves_have_what_the_whole_had() {
    let mut set = berlin("20250106T090000", "FREQ=WEEKLY;COUNT=10");
    set.exdates =
        vec![RecurrenceDate::Local(time("20250113T090000")), RecurrenceDate::Local(time("20250210T090000"))];
    set.rdates =
        vec![RecurrenceDate::Local(time("20250108T120000")), RecurrenceDate::Local(time("20250301T120000"))];
    let whole = all(&set);
    let cut = RecurrenceKey::Utc(time("20250127T080000").and_utc());
    let (head, tail) = set.split_at(&cut, &ExpansionLimits::default()).unwrap();
    assert_eq!(rule_text(&head), "FREQ=WEEKLY;UNTIL=20250127T075959Z");
    // Three of ten lie before the cut, excluded or not.
    assert_eq!(rule_text(&tail), "FREQ=WEEKLY;COUNT=7");
    assert_eq!([all(&head), all(&tail)].concat(), whole);
    assert!(all(&head).iter().all(|at| at.key < cut));
    assert_eq!(all(&tail)[0].key, cut);
}

#[test]
fn what_cannot_be_cut_is_said() {
    let limits = ExpansionLimits::default();
    let key = |text: &str| RecurrenceKey::Utc(time(text).and_utc());
    let set = berlin("20250106T090000", "FREQ=WEEKLY;INTERVAL=2");
    assert_eq!(set.split_at(&key("20250106T080000"), &limits).unwrap_err(), SplitError::FirstInstance);
    assert_eq!(set.split_at(&key("20250113T080000"), &limits).unwrap_err(), SplitError::NotAnInstance);
    let opaque = berlin("20250106T090000", "FREQ=WEEKLY;SKIP=FORWARD");
    assert_eq!(opaque.split_at(&key("20250106T080000"), &limits).unwrap_err(), SplitError::NotExpandable);
    // The 14th is an extra date in the week the rule leaves out: a rule from there would run in the wrong weeks.
    let mut extra = set.clone();
    extra.rdates = vec![RecurrenceDate::Local(time("20250114T090000"))];
    assert_eq!(extra.split_at(&key("20250114T080000"), &limits).unwrap_err(), SplitError::NotASeries);
}

/// Cut at an extra date after the last instance of its rule: the rule does not go on up to the cut.
#[test]
fn a_count_that_ran_out_before_the_cut_stays() {
    let mut set = berlin("20250106T090000", "FREQ=DAILY;COUNT=3");
    set.rdates = vec![RecurrenceDate::Local(time("20250120T090000"))];
    let cut = RecurrenceKey::Utc(time("20250120T080000").and_utc());
    let (head, tail) = set.split_at(&cut, &ExpansionLimits::default()).unwrap();
    assert_eq!((rule_text(&head).as_str(), rule_text(&tail).as_str()), ("FREQ=DAILY;COUNT=3", ""));
    assert_eq!([all(&head), all(&tail)].concat(), all(&set));
}

#[test]
fn random_series_are_cut_without_loss_or_not_at_all() {
    let limits = ExpansionLimits::default();
    let mut cut = 0;
    for seed in 0..1_500 {
        let case = recurrence_case(seed);
        let set = match case.kind {
            StartKind::Date => RecurrenceSet::new(SeriesStart::<Utc>::Date(case.start.date())),
            StartKind::DateTime => RecurrenceSet::new(SeriesStart::Zoned(case.start, Utc)),
        };
        let set = set.with_rule(case.rule.clone());
        let window = || Window::Local(case.start..case.end);
        let whole: Vec<_> = set.instances(window(), &limits).take(60).collect();
        let Some(at) = whole.get(whole.len() / 2).filter(|at| at.key != whole[0].key) else { continue };
        let Ok((head, tail)) = set.split_at(&at.key, &limits) else { continue };
        cut += 1;
        let mut both: Vec<_> = head.instances(Window::all(), &limits).collect();
        both.extend(tail.instances(window(), &limits));
        both.truncate(whole.len());
        assert_eq!(both, whole, "seed {seed}: {} at {:?}", case.rule, at.key);
    }
    assert!(cut > 700, "only {cut} series were cut");
}

#[test]
fn this_and_future_moves_on_the_wall_clock() {
    let set = berlin("20250324T090000", "FREQ=WEEKLY;COUNT=2");
    let moved: Vec<_> = all(&set).iter().map(|at| set.shift_instance(at, TimeDelta::minutes(90))).collect();
    // The clock goes forward between the two: the instants are not 7 days apart, the wall clock is.
    let shown: Vec<_> = moved.iter().map(|at| (at.local.to_string(), at.utc.unwrap().to_string())).collect();
    assert_eq!(
        shown,
        [
            ("2025-03-24 10:30:00".into(), "2025-03-24 09:30:00 UTC".into()),
            ("2025-03-31 10:30:00".into(), "2025-03-31 08:30:00 UTC".to_owned()),
        ]
    );
    assert_eq!(moved[1].key, all(&set)[1].key, "the identity stays");
}

#[test]
fn rec_17_exdates_move_with_the_series() {
    let mut set = berlin("20250324T090000", "FREQ=DAILY;COUNT=10");
    let excluded = [
        RecurrenceDate::Local(time("20250325T090000")),
        RecurrenceDate::Utc(time("20250331T070000").and_utc()),
        RecurrenceDate::Date(NaiveDate::from_ymd_opt(2025, 4, 1).unwrap()),
    ];
    set.exdates = excluded.to_vec();
    let by = TimeDelta::hours(1);
    let mut later = berlin("20250324T100000", "FREQ=DAILY;COUNT=10");
    later.exdates = set.shift_dates(&set.exdates, by);
    let days = |set: &RecurrenceSet<Tz>| all(set).iter().map(|at| at.local.date()).collect::<Vec<_>>();
    assert_eq!(days(&set).len(), 7);
    assert_eq!(days(&later), days(&set));
}
