//! A series as lines: its start, its zone (`date`, `floating` or a name), a window, and `RRULE:`, `EXRULE:`, `RDATE:`
//! and `EXDATE:` lines with any text in them.
//!
//! The expansion ends within its limits, in order and without repeats, and every rule reads back as it is shown.
#![no_main]

use calsync_core::recurrence::{
    ExpansionLimits, Instance, RecurrenceDate, RecurrenceRule, RecurrenceSet, RuleEntry, SeriesStart, Window,
    ZoneRules,
};
use calsync_core::zone::{Zone, zone_by_name};
use chrono::NaiveDateTime;
use libfuzzer_sys::fuzz_target;

const DATES: usize = 200;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    let start = lines.next().and_then(time).unwrap_or_default();
    let zone = lines.next().unwrap_or_default();
    let window = lines.next().unwrap_or_default().split_once('/').unwrap_or_default();
    let window = match (time(window.0), time(window.1)) {
        (Some(from), Some(to)) if zone.len().is_multiple_of(2) => Window::Utc(from.and_utc()..to.and_utc()),
        (Some(from), Some(to)) => Window::Local(from..to),
        _ => Window::all(),
    };
    let start = match zone {
        "date" => SeriesStart::Date(start.date()),
        "floating" => SeriesStart::Floating(start),
        name => SeriesStart::Zoned(start, zone_by_name(name).map_or(Zone::UTC, |(zone, _)| zone)),
    };
    let mut set = RecurrenceSet::new(start);
    for line in lines {
        match line.split_once(':') {
            Some(("RRULE", rule)) if set.rules.len() < 4 => set.rules.push(read(rule)),
            Some(("EXRULE", rule)) if set.exrules.len() < 4 => set.exrules.push(read(rule)),
            Some(("RDATE", dates)) => {
                set.rdates.extend(dates.split(',').take(DATES).filter_map(date));
            }
            Some(("EXDATE", dates)) => {
                set.exdates.extend(dates.split(',').take(DATES).filter_map(date));
            }
            _ => set.rules.extend((set.rules.len() < 4).then(|| read(line))),
        }
    }
    expand(&set, window);
});

fn time(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y%m%dT%H%M%S").ok()
}

fn date(text: &str) -> Option<RecurrenceDate> {
    match time(text) {
        Some(time) if text.ends_with('Z') => Some(RecurrenceDate::Utc(time.and_utc())),
        Some(time) => Some(RecurrenceDate::Local(time)),
        None => Some(RecurrenceDate::Date(time(&format!("{text}T000000"))?.date())),
    }
}

/// Reads a rule and checks that what is shown of it is the same rule.
fn read(text: &str) -> RuleEntry {
    let entry = RuleEntry::read(text);
    if let RuleEntry::Rule(rule) = &entry {
        let shown = rule.to_string();
        assert!(!shown.contains(['\r', '\n']), "a rule is one line");
        let again = RecurrenceRule::parse(&shown).expect("a rule as it is shown");
        assert_eq!(&again, rule, "{shown}");
        assert_eq!(again.fatal_problem(), rule.fatal_problem(), "{shown}");
    }
    entry
}

fn expand<Z: ZoneRules>(set: &RecurrenceSet<Z>, window: Window) {
    let mut limits = ExpansionLimits::default();
    (limits.steps, limits.instances) = (20_000, 500);
    let (found, report) = set.instances(window.clone(), &limits).collect_all();
    assert!(report.steps <= limits.steps && found.len() <= limits.instances);
    assert!(found.is_sorted_by(|a, b| a.key < b.key), "in order, each once");
    assert!(found.iter().all(|instance| inside(instance, &window)), "in the window");

    // With less budget the result is a beginning of the same result.
    (limits.steps, limits.instances) = (500, 20);
    let (fewer, report) = set.instances(window, &limits).collect_all();
    assert!(report.steps <= limits.steps && fewer.len() <= limits.instances);
    assert!(found.starts_with(&fewer), "a smaller budget gives fewer instances and no others");
}

fn inside(instance: &Instance, window: &Window) -> bool {
    match (window, instance.utc) {
        (Window::Utc(range), Some(utc)) => range.contains(&utc),
        (Window::Utc(range), None) => range.contains(&instance.local.and_utc()),
        // A time the clock skips is shown later than it is written, and the window is meant in written times.
        (Window::Local(range), None) => range.contains(&instance.local),
        (Window::Local(_), Some(_)) => true,
    }
}
