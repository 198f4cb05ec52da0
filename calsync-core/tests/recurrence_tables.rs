//! Series and their instances, as tables.
//!
//! A start is `20250101` (all-day), `20250101T090000` (floating) or `Europe/Berlin:20250101T090000`. Instances are wall-clock
//! times of the series; where instants matter, the test says so.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use calsync_core::recurrence::*;
use calsync_core::zone::Tz;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

fn time(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").unwrap()
}

fn date(text: &str) -> NaiveDate {
    NaiveDate::parse_from_str(text, "%Y%m%d").unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    time(text.strip_suffix('Z').unwrap()).and_utc()
}

fn start(text: &str) -> SeriesStart<Tz> {
    match text.split_once(':') {
        Some((zone, local)) => SeriesStart::Zoned(time(local), zone.parse().unwrap()),
        None if text.len() == 8 => SeriesStart::Date(date(text)),
        None => SeriesStart::Floating(time(text)),
    }
}

fn series(from: &str, rule: &str) -> RecurrenceSet<Tz> {
    RecurrenceSet::new(start(from)).with_rule(RuleEntry::read(rule))
}

fn excluding(mut set: RecurrenceSet<Tz>, dates: &[RecurrenceDate]) -> RecurrenceSet<Tz> {
    set.exdates.extend_from_slice(dates);
    set
}

fn window(from: &str, until: &str) -> Window {
    Window::Local(time(from)..time(until))
}

/// The first `most` instances, as `20250101T090000`, or `20250101` for midnight.
fn first(set: &RecurrenceSet<Tz>, most: usize) -> String {
    let instances = set.instances(Window::all(), &ExpansionLimits::default());
    let shown: Vec<_> = instances
        .take(most)
        .map(|at| at.local.format("%Y%m%dT%H%M%S").to_string().replace("T000000", ""))
        .collect();
    shown.join(" ")
}

fn instants(set: &RecurrenceSet<Tz>, from: &str, until: &str) -> Vec<String> {
    let found = set.instances(window(from, until), &ExpansionLimits::default());
    found.map(|at| at.utc.unwrap().format("%m-%dT%H:%MZ").to_string()).collect()
}

#[track_caller]
fn check(table: &[(&str, &str, usize, &str)]) {
    for (from, rule, most, expected) in table {
        assert_eq!(first(&series(from, rule), *most), *expected, "DTSTART {from} RRULE {rule}");
    }
}

#[test]
fn rules_of_every_frequency() {
    check(&[
        ("20250131", "FREQ=DAILY;INTERVAL=15;COUNT=4", 9, "20250131 20250215 20250302 20250317"),
        ("20250303", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU", 5, "20250303 20250309 20250317 20250323 20250331"),
        ("20250303", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU", 4, "20250303 20250316 20250317 20250330"),
        ("20250110", "FREQ=MONTHLY;BYDAY=2FR,-1MO", 4, "20250110 20250127 20250214 20250224"),
        ("20250104", "FREQ=MONTHLY;BYDAY=1SA,TU", 6, "20250104 20250107 20250114 20250121 20250128 20250201"),
        ("20250101", "FREQ=YEARLY;BYYEARDAY=1,-1,366", 5, "20250101 20251231 20260101 20261231 20270101"),
        ("20240101", "FREQ=YEARLY;BYYEARDAY=366", 3, "20240101 20241231 20281231"),
        (
            "20250110T083000",
            "FREQ=HOURLY;INTERVAL=8;COUNT=3",
            9,
            "20250110T083000 20250110T163000 20250111T003000",
        ),
        (
            "20250110T235930",
            "FREQ=SECONDLY;INTERVAL=20;COUNT=3",
            9,
            "20250110T235930 20250110T235950 20250111T000010",
        ),
        (
            "20250110T233000",
            "FREQ=MINUTELY;INTERVAL=25;COUNT=3",
            9,
            "20250110T233000 20250110T235500 20250111T002000",
        ),
        (
            "20250106T090000",
            "FREQ=DAILY;BYHOUR=9,14;BYMINUTE=0,30;BYSETPOS=1,-1",
            4,
            "20250106T090000 20250106T143000 20250107T090000 20250107T143000",
        ),
    ]);
}

#[test]
fn weeks_are_numbered_from_both_ends() {
    check(&[
        // 2020 and 2026 have 53 weeks; 1 January 2021 lies in week 53 of 2020.
        ("20200101", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=FR", 4, "20200101 20210101 20270101 20321231"),
        ("20200101", "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=TH", 4, "20200101 20201231 20211230 20221229"),
        ("20200101", "FREQ=YEARLY;BYWEEKNO=-53;BYDAY=MO", 4, "20200101 20251229 20311229 20361229"),
        // Every second or third time the whole week, not the days of it in one calendar year.
        (
            "20241231",
            "FREQ=YEARLY;INTERVAL=3;BYWEEKNO=1;BYDAY=MO,TU",
            5,
            "20241231 20280103 20280104 20301230 20301231",
        ),
        ("20100102", "FREQ=YEARLY;INTERVAL=6;BYWEEKNO=53;BYDAY=TU,SA", 3, "20100102 20151229 20160102"),
        // Without a day of its own the week gives DTSTART's weekday.
        ("20250514", "FREQ=YEARLY;BYWEEKNO=20", 3, "20250514 20260513 20270519"),
        ("20250511", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=SU;WKST=SU", 3, "20250511 20260517 20270516"),
    ]);
}

#[test]
fn rec_13_month_ends_leap_days_and_last_weekdays() {
    check(&[
        ("20250131", "FREQ=MONTHLY", 5, "20250131 20250331 20250531 20250731 20250831"),
        ("20250129", "FREQ=MONTHLY;BYMONTHDAY=29", 3, "20250129 20250329 20250429"),
        (
            "20250131",
            "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
            4,
            "20250131 20250228 20250331 20250430",
        ),
        (
            "20250131",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            5,
            "20250131 20250228 20250331 20250430 20250530",
        ),
        ("20240229", "FREQ=YEARLY", 4, "20240229 20280229 20320229 20360229"),
        ("20960229", "FREQ=YEARLY", 3, "20960229 21040229 21080229"),
        ("20240229", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", 4, "20240229 20250228 20260228 20270228"),
    ]);
}

#[test]
fn rec_20_every_second_month_on_the_last_monday() {
    check(&[(
        "20230130",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1MO",
        5,
        "20230130 20230327 20230529 20230731 20230925",
    )]);
}

#[test]
fn a_weekly_set_position_sees_the_whole_first_week() {
    // DTSTART is the Wednesday: the first of MO,WE,FR in its week lies before it, so it is not chosen again.
    check(&[
        ("20250108", "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1", 3, "20250108 20250113 20250120"),
        ("20250108", "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=-1", 3, "20250108 20250110 20250117"),
    ]);
}

#[test]
fn dtstart_is_the_first_instance_and_counts() {
    check(&[
        ("20250102", "FREQ=WEEKLY;BYDAY=MO;COUNT=3", 9, "20250102 20250106 20250113"),
        ("20250102", "FREQ=WEEKLY;BYDAY=MO;UNTIL=20250101", 9, "20250102"),
        ("20250102", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", 9, "20250102"),
    ]);
}

#[test]
fn until_in_every_form() {
    check(&[
        // A date on a timed series: the whole local day.
        (
            "Europe/Berlin:20250103T230000",
            "FREQ=DAILY;UNTIL=20250105",
            9,
            "20250103T230000 20250104T230000 20250105T230000",
        ),
        (
            "Europe/Berlin:20250103T230000",
            "FREQ=DAILY;UNTIL=20250105T230000",
            9,
            "20250103T230000 20250104T230000 20250105T230000",
        ),
        (
            "Europe/Berlin:20250103T230000",
            "FREQ=DAILY;UNTIL=20250105T220000Z",
            9,
            "20250103T230000 20250104T230000 20250105T230000",
        ),
        (
            "Europe/Berlin:20250103T230000",
            "FREQ=DAILY;UNTIL=20250105T215959Z",
            9,
            "20250103T230000 20250104T230000",
        ),
        ("20250103T230000", "FREQ=DAILY;UNTIL=20250104T230000Z", 9, "20250103T230000 20250104T230000"),
        ("20250103", "FREQ=DAILY;UNTIL=20250104T120000Z", 9, "20250103 20250104"),
        ("20250103", "FREQ=DAILY;UNTIL=20250104T000000", 9, "20250103 20250104"),
        ("20250103", "FREQ=DAILY;UNTIL=20250105;COUNT=2", 9, "20250103 20250104"),
        ("20250103", "FREQ=DAILY;UNTIL=20250104;COUNT=9", 9, "20250103 20250104"),
    ]);
}

#[test]
fn time_02_until_near_midnight_does_not_lose_the_last_day() {
    let last = |from: &str, rule: &str| {
        let set = series(from, rule);
        let (all, report) = set.instances(Window::all(), &ExpansionLimits::default()).collect_all();
        assert!(report.is_complete());
        (all.len(), all.last().unwrap().local.to_string())
    };
    let daily = last("Europe/London:20191110T090000", "FREQ=DAILY;UNTIL=20191117T090000Z");
    assert_eq!(daily, (8, "2019-11-17 09:00:00".into()));
    // UNTIL is midnight local at the end of the 16th, Pacific time.
    let late = "America/Los_Angeles:20191110T233000";
    for until in ["20191117T080000Z", "20191117T000000", "20191116"] {
        let found = last(late, &format!("FREQ=DAILY;UNTIL={until}"));
        assert_eq!(found, (7, "2019-11-16 23:30:00".into()), "UNTIL={until}");
    }
}

#[test]
fn time_14_hourly_over_the_spring_gap_repeats_no_instant() {
    let set = series("Europe/Berlin:20250330T003000", "FREQ=HOURLY;COUNT=5");
    let found = instants(&set, "20250329T000000", "20250401T000000");
    assert_eq!(found, ["03-29T23:30Z", "03-30T00:30Z", "03-30T01:30Z", "03-30T02:30Z", "03-30T03:30Z"]);
    assert_eq!(
        first(&set, 5),
        "20250330T003000 20250330T013000 20250330T033000 20250330T043000 20250330T053000"
    );
    // In autumn the hour is there twice.
    let set = series("Europe/Berlin:20251026T013000", "FREQ=HOURLY;COUNT=4");
    assert_eq!(first(&set, 5), "20251026T013000 20251026T023000 20251026T023000 20251026T033000");
    // A filter reads the wall clock: there is no 02:30 that day, and two in autumn.
    let set = series("Europe/Berlin:20250329T023000", "FREQ=HOURLY;BYHOUR=2;COUNT=3");
    assert_eq!(first(&set, 5), "20250329T023000 20250331T023000 20250401T023000");
}

#[test]
fn daily_rules_keep_the_wall_clock() {
    let set = series("Europe/Berlin:20250329T023000", "FREQ=DAILY;COUNT=3");
    assert_eq!(first(&set, 5), "20250329T023000 20250330T033000 20250331T023000");
    assert_eq!(
        instants(&set, "20250329T000000", "20250402T000000"),
        ["03-29T01:30Z", "03-30T01:30Z", "03-31T00:30Z"]
    );
    // The first of two: 02:30 summer time.
    let set = series("Europe/Berlin:20251025T023000", "FREQ=DAILY;COUNT=3");
    assert_eq!(
        instants(&set, "20251025T000000", "20251030T000000"),
        ["10-25T00:30Z", "10-26T00:30Z", "10-27T01:30Z"]
    );
    // What moves out of the gap takes its place in the order, and meets its neighbour only once.
    let set = series("Europe/Berlin:20250330T013000", "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=15,30;COUNT=6");
    assert_eq!(
        instants(&set, "20250330T000000", "20250331T000000"),
        ["03-30T00:30Z", "03-30T01:15Z", "03-30T01:30Z"]
    );
    // Samoa had no 30 December 2011.
    let set = series("Pacific/Apia:20111229T100000", "FREQ=DAILY;COUNT=3");
    assert_eq!(instants(&set, "20111220T000000", "20120105T000000"), ["12-29T20:00Z", "12-30T20:00Z"]);
}

#[test]
fn a_window_may_begin_at_any_instant_of_a_clock_change() {
    for (zone, day, change) in [
        ("Europe/Berlin", "20251024", "20251026T010000Z"),
        ("Europe/Berlin", "20250328", "20250330T010000Z"),
        ("Pacific/Apia", "20111227", "20111230T100000Z"),
    ] {
        let set = series(&format!("{zone}:{day}T003000"), "FREQ=DAILY;BYHOUR=0,1,2,3,4;BYMINUTE=0,30");
        let all: Vec<_> = set.instances(Window::all(), &ExpansionLimits::default()).take(90).collect();
        for minutes in (-1_800..1_800).step_by(10) {
            let from = utc(change) + chrono::TimeDelta::minutes(minutes);
            let right: Vec<_> = all.iter().filter(|at| at.utc.unwrap() >= from).take(20).copied().collect();
            let found = set.instances(Window::from_utc(from), &ExpansionLimits::default());
            assert_eq!(found.take(20).collect::<Vec<_>>(), right, "{zone} from {from}");
        }
    }
}

#[test]
fn ad_07_all_day_series_have_one_date_each_across_clock_changes() {
    let expected = ["2025", "2026", "2027", "2028", "2029"];
    for day in ["0330", "1026"] {
        let set = series(&format!("2025{day}"), "FREQ=YEARLY;COUNT=5");
        let (found, _) = set.instances(Window::all(), &ExpansionLimits::default()).collect_all();
        let keys: Vec<_> = found.iter().map(|at| at.key).collect();
        let right = expected.map(|year| RecurrenceKey::Date(date(&format!("{year}{day}"))));
        assert_eq!(keys, right);
        assert!(found.iter().all(|at| at.utc.is_none()), "a date is no instant");
    }
}

#[test]
fn rec_01_exdate_in_the_zone_of_the_series() {
    let set = series("Europe/Vienna:20151201T090000", "FREQ=WEEKLY;UNTIL=20151215T225959Z");
    let set = excluding(set, &[RecurrenceDate::Local(time("20151208T090000"))]);
    assert_eq!(first(&set, 9), "20151201T090000 20151215T090000");
}

#[test]
fn rec_02_date_exdate_on_timed_series() {
    let set = series("Europe/Berlin:20240318T100000", "FREQ=WEEKLY;COUNT=4");
    let exdates = ["20240325", "20240401"].map(|day| RecurrenceDate::Date(date(day)));
    assert_eq!(first(&excluding(set, &exdates), 9), "20240318T100000 20240408T100000");
    // The local day counts, not the day in UTC: 23:30 in Los Angeles is the next day there.
    let set = series("America/Los_Angeles:20260102T233000", "FREQ=DAILY;COUNT=3");
    let set = excluding(set, &[RecurrenceDate::Date(date("20260103"))]);
    assert_eq!(first(&set, 9), "20260102T233000 20260104T233000");
}

#[test]
fn time_08_exdate_and_key_as_instants() {
    let set = series("America/Los_Angeles:20260101T233000", "FREQ=DAILY;COUNT=4");
    let of = RecurrenceDate::Utc(utc("20260104T073000Z"));
    let key = set.key_of(&of).unwrap();
    assert_eq!(set.key_of(&RecurrenceDate::Local(time("20260103T233000"))), Some(key));
    let all: Vec<_> = set.instances(Window::all(), &ExpansionLimits::default()).collect();
    assert_eq!(all.iter().position(|at| at.key == key), Some(2));
    assert_eq!(first(&excluding(set, &[of]), 9), "20260101T233000 20260102T233000 20260104T233000");
}

#[test]
fn rec_07_every_instance_excluded_is_empty_and_complete() {
    let days = (6..=13).map(|day| RecurrenceDate::Date(date(&format!("202508{day:02}"))));
    let days: Vec<_> = days.collect();
    for from in ["20250806", "Europe/Berlin:20250806T100000"] {
        let set = excluding(series(from, "FREQ=DAILY;COUNT=8"), &days);
        let (found, report) = set.first_instance(&ExpansionLimits::default());
        assert_eq!((found, report.is_complete()), (None, true), "{from}");
        let set = excluding(series(from, "FREQ=DAILY;COUNT=8"), &days[..7]);
        assert!(set.first_instance(&ExpansionLimits::default()).0.is_some(), "{from}");
    }
}

#[test]
fn rec_08_a_series_since_2019_is_found_in_2026() {
    for rule in ["FREQ=WEEKLY", "FREQ=WEEKLY;COUNT=1000", "FREQ=WEEKLY;UNTIL=20300101"] {
        let set = series("Europe/Berlin:20190107T090000", rule);
        let (found, report) = set
            .instances(window("20260101T000000", "20260201T000000"), &ExpansionLimits::default())
            .collect_all();
        let days: Vec<_> = found.iter().map(|at| at.local.format("%d").to_string()).collect();
        assert_eq!(days, ["05", "12", "19", "26"], "{rule}");
        assert!(report.steps < 20, "{rule}: {} steps", report.steps);
    }
    let ended = series("Europe/Berlin:20190107T090000", "FREQ=WEEKLY;COUNT=10");
    assert!(instants(&ended, "20260101T000000", "20260201T000000").is_empty());
}

#[test]
fn rec_16_invalid_rules_keep_the_event_and_are_reported() {
    let out_of_range = RuleProblem::OutOfRange;
    let table = [
        ("FREQ=DAILY;INTERVAL=0", out_of_range(RulePart::Interval)),
        ("FREQ=DAILY;COUNT=0", out_of_range(RulePart::Count)),
        ("FREQ=YEARLY;BYMONTH=13", out_of_range(RulePart::ByMonth)),
        ("FREQ=MONTHLY;BYMONTHDAY=0", out_of_range(RulePart::ByMonthDay)),
        ("FREQ=MONTHLY;BYMONTHDAY=-32", out_of_range(RulePart::ByMonthDay)),
        ("FREQ=MONTHLY;BYDAY=99999999999MO", out_of_range(RulePart::ByDay)),
        ("FREQ=MONTHLY;BYDAY=0MO", out_of_range(RulePart::ByDay)),
        ("FREQ=DAILY;COUNT=99999999999999999999", out_of_range(RulePart::Count)),
        ("FREQ=DAILY;BYHOUR=24", out_of_range(RulePart::ByHour)),
        ("FREQ=DAILY;UNTIL=soon", RuleProblem::Unreadable(RulePart::Until)),
        ("FREQ=DAILY;UNTIL=20250230", RuleProblem::Unreadable(RulePart::Until)),
        ("FREQ=FORTNIGHTLY", RuleProblem::Unreadable(RulePart::Freq)),
        ("FREQ=WEEKLY;BYDAY=XX", RuleProblem::Unreadable(RulePart::ByDay)),
        ("FREQ=WEEKLY;BYDAY=1", RuleProblem::Unreadable(RulePart::ByDay)),
        ("FREQ=DAILY;COUNT=2;COUNT=3", RuleProblem::Duplicate(RulePart::Count)),
        ("INTERVAL=2", RuleProblem::NoFrequency),
        ("", RuleProblem::NoFrequency),
        ("FREQ=WEEKLY;BYMONTHDAY=13", RuleProblem::NotAllowed(RulePart::ByMonthDay)),
        ("FREQ=DAILY;BYWEEKNO=20", RuleProblem::NotAllowed(RulePart::ByWeekNo)),
        ("FREQ=MONTHLY;BYYEARDAY=1", RuleProblem::NotAllowed(RulePart::ByYearDay)),
        ("FREQ=YEARLY;RSCALE=CHINESE;BYMONTH=1", RuleProblem::UnknownPart),
        ("FREQ=MONTHLY;SKIP=FORWARD", RuleProblem::UnknownPart),
        ("FREQ=DAILY;BYEASTER=0", RuleProblem::UnknownPart),
    ];
    for (rule, problem) in table {
        let entry = RuleEntry::read(rule);
        assert_eq!(entry.fatal_problem(), Some(problem), "{rule}");
        let set = series("Europe/Berlin:20250101T090000", rule);
        let (found, report) = set.instances(Window::all(), &ExpansionLimits::default()).collect_all();
        assert_eq!(found.len(), 1, "{rule} keeps DTSTART");
        assert_eq!(report.opaque, [OpaqueRule { exclude: false, index: 0, problem }], "{rule}");
        assert!(!report.is_complete());
        assert_eq!(RuleEntry::read(&entry.to_string()), entry, "{rule} is written back");
    }
    // Hand-made values are judged too, and a rule of hours means nothing on dates.
    let mut made = RecurrenceRule::new(Frequency::Daily);
    made.interval = 0;
    assert!(made.is_opaque());
    let hourly = series("20250101", "FREQ=HOURLY");
    let report = hourly.instances(Window::all(), &ExpansionLimits::default());
    assert_eq!(report.collect_all().1.opaque[0].problem, RuleProblem::SubDailyOnDate);
}

#[test]
fn field_data_is_read_and_what_is_odd_is_reported() {
    let table = [
        ("freq=weekly; byday=mo ,we;", "FREQ=WEEKLY;BYDAY=MO,WE", None),
        ("RRULE:FREQ=DAILY;INTERVAL=1;WKST=MO", "FREQ=DAILY", None),
        ("COUNT=+3;FREQ=DAILY", "FREQ=DAILY;COUNT=3", None),
        ("FREQ=MONTHLY;BYDAY=+1MO,-1FR", "FREQ=MONTHLY;BYDAY=1MO,-1FR", None),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY", None),
        (
            "FREQ=DAILY;UNTIL=20250101;COUNT=3",
            "FREQ=DAILY;UNTIL=20250101;COUNT=3",
            Some(RuleProblem::CountAndUntil),
        ),
        ("FREQ=WEEKLY;BYDAY=1MO", "FREQ=WEEKLY;BYDAY=1MO", Some(RuleProblem::OrdinalIgnored)),
        ("FREQ=DAILY;X-NOTE=1", "FREQ=DAILY;X-NOTE=1", Some(RuleProblem::PartIgnored)),
        (
            "FREQ=DAILY;RSCALE=GREGORIAN;SKIP=OMIT",
            "FREQ=DAILY;RSCALE=GREGORIAN;SKIP=OMIT",
            Some(RuleProblem::PartIgnored),
        ),
        ("FREQ=DAILY;UNTIL=", "FREQ=DAILY;UNTIL=", Some(RuleProblem::PartIgnored)),
        ("FREQ=DAILY;BYSETPOS=1", "FREQ=DAILY;BYSETPOS=1", Some(RuleProblem::SetPositionAlone)),
    ];
    for (text, canonical, problem) in table {
        let rule = RecurrenceRule::parse(text).unwrap();
        assert_eq!(rule.to_string(), canonical, "{text}");
        assert_eq!(rule.problems(), Vec::from_iter(problem), "{text}");
        assert!(!rule.is_opaque(), "{text}");
    }
    // The ordinal is ignored: every Monday, not every day.
    check(&[("20250106", "FREQ=WEEKLY;BYDAY=1MO", 3, "20250106 20250113 20250120")]);
    check(&[("20250107", "FREQ=DAILY;BYDAY=2TU", 3, "20250107 20250114 20250121")]);
}

#[test]
fn rdate_joins_the_set_and_dtstart_stays() {
    let mut set = RecurrenceSet::new(start("Europe/Berlin:20250106T090000"));
    set.rdates = vec![
        RecurrenceDate::Utc(utc("20250108T080000Z")),
        RecurrenceDate::Date(date("20250107")),
        RecurrenceDate::Local(time("20250108T090000")),
        RecurrenceDate::Local(time("20250106T090000")),
    ];
    assert_eq!(first(&set, 9), "20250106T090000 20250107T090000 20250108T090000");
    set.exdates = vec![RecurrenceDate::Local(time("20250106T090000"))];
    assert_eq!(first(&set, 9), "20250107T090000 20250108T090000");
}

#[test]
fn several_rules_are_merged_and_exrule_takes_away() {
    let mut set =
        series("20250106", "FREQ=WEEKLY;COUNT=3").with_rule(RuleEntry::read("FREQ=DAILY;INTERVAL=5;COUNT=3"));
    assert_eq!(first(&set, 9), "20250106 20250111 20250113 20250116 20250120");
    set.exrules.push(RuleEntry::read("FREQ=DAILY;INTERVAL=7;COUNT=2"));
    assert_eq!(first(&set, 9), "20250111 20250116 20250120");
}

#[test]
fn a_leap_second_reads_as_second_59() {
    check(&[("20250101T000000", "FREQ=MINUTELY;BYSECOND=60", 3, "20250101 20250101T000059 20250101T000159")]);
}

#[test]
fn time_15_the_ends_of_time_do_not_panic() {
    for zone in ["Pacific/Kiritimati", "Etc/GMT+12"] {
        for at in ["00010101T000000", "16010101T000000", "45000831T000000", "99991231T235959"] {
            for rule in [
                "FREQ=YEARLY",
                "FREQ=DAILY;INTERVAL=4294967295",
                "FREQ=SECONDLY;INTERVAL=4294967295",
                "FREQ=MONTHLY;COUNT=4294967295",
                "FREQ=HOURLY;COUNT=3",
            ] {
                let set = series(&format!("{zone}:{at}"), rule);
                let all = set.instances(Window::all(), &ExpansionLimits::default());
                assert_eq!(all.take(3).next().unwrap().local, time(at), "{zone} {at} {rule}");
                let late = Window::from_utc(utc("99991230T000000Z"));
                assert!(set.instances(late, &ExpansionLimits::default()).count() < 50_001);
            }
        }
    }
}

#[test]
fn bad_16_bombs_end_within_their_budget() {
    let minutes: String = (0..60).map(|n| format!("{n},")).collect();
    let all_seconds =
        format!("FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2;BYMINUTE={minutes};BYSECOND={minutes}");
    // DTSTART, rule, one month of 2026 to look at, steps it may take.
    let table = [
        ("20240101T090000", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", 100),
        ("19700101T000000", "FREQ=MINUTELY", 100_000),
        ("19700101T000000", "FREQ=MINUTELY;COUNT=4000000000", 100_000),
        ("19000101T000000", "FREQ=SECONDLY;COUNT=4294967295", 110_000),
        ("19000101T000000", "FREQ=SECONDLY", 110_000),
        ("19700101T000000", "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1", 100_000),
        ("19700101T000000", "FREQ=HOURLY;BYDAY=MO;COUNT=1000000", 100_000),
        ("00010101T000000", "FREQ=DAILY", 100),
        ("00010101T000000", "FREQ=DAILY;COUNT=4000000", 100),
        ("00010101T000000", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2", 60_000),
        ("00010101T000000", "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=4000000", 30_000),
        ("20240101T000000", all_seconds.as_str(), 110_000),
    ];
    for (from, rule, most) in table {
        for zoned in [from.to_owned(), format!("Europe/Berlin:{from}")] {
            let set = series(&zoned, rule);
            let month = window("20260101T000000", "20260201T000000");
            let report = set.instances(month, &ExpansionLimits::default()).collect_all().1;
            assert!(report.steps <= most, "{zoned} {rule}: {} steps", report.steps);
            assert_ne!(report.stopped, Some(LimitReached::Steps), "{zoned} {rule}");
        }
    }
    // Looking for the next instance of a dead rule has no near end: the budget ends it, and DTSTART is kept.
    for rule in ["FREQ=SECONDLY;INTERVAL=2;BYSECOND=1", "FREQ=MINUTELY;BYHOUR=3;BYMONTHDAY=31;BYYEARDAY=1"] {
        let set = series("Europe/Berlin:20240101T090000", rule);
        let (found, report) = set.instances(Window::all(), &ExpansionLimits::default()).collect_all();
        assert_eq!((found.len(), report.stopped), (1, Some(LimitReached::Steps)), "{rule}");
        assert!(report.steps <= ExpansionLimits::default().steps);
    }
}

#[test]
fn limits_are_reported() {
    let mut limits = ExpansionLimits::default();
    limits.instances = 10;
    limits.dates = 3;
    let set = series("20250101", "FREQ=DAILY");
    let (found, report) = set.instances(Window::all(), &limits).collect_all();
    assert_eq!((found.len(), report.stopped), (10, Some(LimitReached::Instances)));
    let ten = series("20250101", "FREQ=DAILY;COUNT=10").instances(Window::all(), &limits).collect_all();
    assert_eq!((ten.0.len(), ten.1.stopped), (10, None));
    let dates = ["20250102", "20250103", "20250104", "20250105"].map(|day| RecurrenceDate::Date(date(day)));
    let many = excluding(series("20250101", "FREQ=DAILY"), &dates);
    let (found, report) = many.instances(Window::all(), &limits).collect_all();
    assert_eq!((found.len(), report.stopped), (1, Some(LimitReached::Dates)));
}
