//! Writing a zone as a VTIMEZONE, with the changes of a span of years.

use std::fmt::Write;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

use super::changes::{Change, changes};
use super::custom::{Observance, ObservanceKind};
use super::offset::UtcOffset;
use super::rule::{WeekdayRule, YearlyRule};
use super::{Tz, Zone};

/// A definition that begins before the events it serves survives readers that know nothing of earlier times.
const YEARS_BEFORE: i32 = 1;
/// Changes are looked at for so many years after the span: only then the last Sunday of a month differs from
/// the fourth.
const YEARS_AFTER: i32 = 12;
/// The longest span, in years.
const MAX_YEARS: i32 = 300;
/// A rule must hold for so many years to be written as one.
const RULE_YEARS: usize = 3;

/// A VTIMEZONE component for a zone, as folded content lines that each end with CRLF (RFC 5545 section 3.6.5).
///
/// The definition gives the offsets of the zone from `from_year` to `to_year`, both included. Changes that follow
/// the same rule every year become one observance with an RRULE, which has no end when the rule goes on;
/// the others become RDATEs. A zone that a file defined is written as it was read, whatever the years.
///
/// Years are clamped to 1 to 9900, and a span longer than 300 years is cut at its end.
///
/// ```
/// use calsync_core::zone::{Zone, write};
///
/// let text = write::vtimezone(&Zone::from_iana("Europe/Berlin").expect("a known zone"), 2025, 2027);
/// assert!(text.starts_with("BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\n"));
/// assert!(text.contains("RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n"));
/// ```
pub fn vtimezone(zone: &Zone, from_year: i32, to_year: i32) -> String {
    let mut out = String::new();
    line(&mut out, "BEGIN:VTIMEZONE");
    let name = zone.name().replace('\\', "\\\\").replace(',', "\\,").replace(';', "\\;");
    line(&mut out, &format!("TZID:{name}"));
    match zone {
        Zone::Iana(tz) => {
            let from = from_year.clamp(1 + YEARS_BEFORE, 9900);
            let to = to_year.clamp(from, from + MAX_YEARS);
            for observance in observances(*tz, from, to) {
                write_observance(&mut out, &observance);
            }
        }
        Zone::Custom(zone) => {
            for observance in zone.observances() {
                write_observance(&mut out, observance);
            }
        }
    }
    line(&mut out, "END:VTIMEZONE");
    out
}

/// The observances that give the offsets of these years, the earliest first.
fn observances(tz: Tz, from: i32, to: i32) -> Vec<Observance> {
    let (Some(begin), Some(start), Some(stop), Some(end)) = (
        NaiveDate::from_ymd_opt(from - YEARS_BEFORE, 1, 1),
        NaiveDate::from_ymd_opt(from, 1, 1),
        NaiveDate::from_ymd_opt(to + 1, 1, 2),
        NaiveDate::from_ymd_opt(to + YEARS_AFTER, 12, 31),
    ) else {
        return Vec::new();
    };
    let changes = changes(tz, begin.into(), end.into());
    let mut written = Vec::new();
    // Without a change in the year before, the state at the beginning must be said.
    if changes.first().is_none_or(|first| first.local.date().succ_opt() >= Some(start)) {
        let state = tz.rules().state_at(begin.and_time(NaiveTime::MIN).and_utc().timestamp());
        written.push(Observance {
            kind: state.kind(),
            start: begin.into(),
            offset_from: state.offset,
            offset_to: state.offset,
            rule: None,
            rdates: Vec::new(),
            name: state.name(),
        });
    }
    let mut singles: Vec<Observance> = Vec::new();
    for run in runs(&changes) {
        let Some((first, last)) = run.changes.first().zip(run.changes.last()) else { continue };
        if first.local.date() > stop {
            continue;
        }
        let goes_on = last.local.year() == end.year();
        if run.changes.len() >= RULE_YEARS {
            let mut rule = run.pattern.rule(first.local);
            // A day more than needed: some readers take the UTC of UNTIL for local time and would miss the last.
            rule.until = if goes_on { None } else { last.instant.checked_add_days(Days::new(1)) };
            written.push(Observance { rule: Some(rule), ..first.observance() });
            continue;
        }
        for change in run.changes.iter().filter(|change| change.local.date() <= stop) {
            let observance = change.observance();
            let same = |other: &&mut Observance| {
                (other.kind, other.offset_from, other.offset_to, &other.name)
                    == (observance.kind, observance.offset_from, observance.offset_to, &observance.name)
            };
            match singles.iter_mut().find(same) {
                Some(other) => other.rdates.push(observance.start),
                None => singles.push(observance),
            }
        }
    }
    for single in &mut singles {
        // DTSTART is the earliest: runs do not come in the order of time.
        single.rdates.push(single.start);
        single.rdates.sort_unstable();
        single.start = single.rdates.remove(0);
    }
    written.append(&mut singles);
    written.sort_by_key(|observance| observance.start);
    written
}

/// Changes of consecutive years that one rule describes.
struct Run<'a> {
    changes: Vec<&'a Change>,
    pattern: Pattern,
    candidates: Vec<Pattern>,
}

/// What can be the same about the days of changes in several years.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    LastWeekday(Weekday),
    NthWeekday(u8, Weekday),
    /// The weekday that falls on the seven days from this one on.
    WeekdayFrom(u8, Weekday),
    MonthDay(u8),
}

fn runs(changes: &[Change]) -> Vec<Run<'_>> {
    let mut finished: Vec<Run<'_>> = Vec::new();
    let mut open: Vec<Run<'_>> = Vec::new();
    for change in changes {
        let year = change.local.year();
        // A run without a change in the year before is over.
        for at in (0..open.len()).rev() {
            if open[at].changes.last().is_none_or(|last| last.local.year() < year - 1) {
                finished.push(open.remove(at));
            }
        }
        let candidates = Pattern::candidates(change.local.date());
        let joined = open.iter_mut().find_map(|run| {
            let last = run.changes.last()?;
            let left: Vec<_> = run.candidates.iter().copied().filter(|c| candidates.contains(c)).collect();
            (last.local.year() == year - 1 && last.repeats_as(change) && !left.is_empty())
                .then_some((run, left))
        });
        match joined {
            Some((run, left)) => {
                run.changes.push(change);
                run.pattern = left.first().copied().unwrap_or(run.pattern);
                run.candidates = left;
            }
            None => {
                let Some(pattern) = candidates.first().copied() else { continue };
                open.push(Run { changes: vec![change], pattern, candidates });
            }
        }
    }
    finished.append(&mut open);
    finished
}

impl Pattern {
    /// All that could be meant by a day, the most usual first.
    fn candidates(date: NaiveDate) -> Vec<Pattern> {
        let (day, length, weekday) = (date.day() as u8, date.num_days_in_month(), date.weekday());
        let mut all = Vec::with_capacity(10);
        if day + 7 > length {
            all.push(Pattern::LastWeekday(weekday));
        }
        if day <= 28 {
            all.push(Pattern::NthWeekday((day - 1) / 7 + 1, weekday));
        }
        let first_days = day.saturating_sub(6).max(1)..=day.min(length - 6);
        all.extend(first_days.map(|first| Pattern::WeekdayFrom(first, weekday)));
        all.push(Pattern::MonthDay(day));
        all
    }

    fn rule(self, first: NaiveDateTime) -> YearlyRule {
        let mut rule = YearlyRule::yearly();
        rule.months = vec![first.month() as u8];
        match self {
            Pattern::LastWeekday(weekday) => rule.weekdays = vec![WeekdayRule { ordinal: Some(-1), weekday }],
            Pattern::NthWeekday(n, weekday) => {
                rule.weekdays = vec![WeekdayRule { ordinal: Some(n as i8), weekday }];
            }
            Pattern::WeekdayFrom(first, weekday) => {
                rule.month_days = (first as i8..=first as i8 + 6).collect();
                rule.weekdays = vec![WeekdayRule { ordinal: None, weekday }];
            }
            Pattern::MonthDay(day) => rule.month_days = vec![day as i8],
        }
        rule
    }
}

fn write_observance(out: &mut String, observance: &Observance) {
    let kind = match observance.kind {
        ObservanceKind::Standard => "STANDARD",
        ObservanceKind::Daylight => "DAYLIGHT",
    };
    line(out, &format!("BEGIN:{kind}"));
    line(out, &format!("DTSTART:{}", local_time(observance.start)));
    line(out, &format!("TZOFFSETFROM:{}", offset(observance.offset_from)));
    line(out, &format!("TZOFFSETTO:{}", offset(observance.offset_to)));
    if let Some(name) = &observance.name {
        line(out, &format!("TZNAME:{name}"));
    }
    if let Some(rule) = &observance.rule {
        line(out, &rule_text(rule));
    }
    for rdate in &observance.rdates {
        line(out, &format!("RDATE:{}", local_time(*rdate)));
    }
    line(out, &format!("END:{kind}"));
}

fn rule_text(rule: &YearlyRule) -> String {
    let mut text = String::from("RRULE:FREQ=YEARLY");
    if rule.interval != 1 {
        // Writing to a String does not fail.
        let _ = write!(text, ";INTERVAL={}", rule.interval);
    }
    let mut part = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            let _ = write!(text, ";{name}={}", values.join(","));
        }
    };
    part("BYMONTH", rule.months.iter().map(u8::to_string).collect());
    part("BYMONTHDAY", rule.month_days.iter().map(i8::to_string).collect());
    part("BYDAY", rule.weekdays.iter().map(weekday_text).collect());
    if let Some(until) = rule.until {
        let _ = write!(text, ";UNTIL={}Z", local_time(until.naive_utc()));
    }
    text
}

fn weekday_text(rule: &WeekdayRule) -> String {
    let day = match rule.weekday {
        Weekday::Mon => "MO",
        Weekday::Tue => "TU",
        Weekday::Wed => "WE",
        Weekday::Thu => "TH",
        Weekday::Fri => "FR",
        Weekday::Sat => "SA",
        Weekday::Sun => "SU",
    };
    rule.ordinal.map_or_else(|| day.to_owned(), |ordinal| format!("{ordinal}{day}"))
}

fn local_time(time: NaiveDateTime) -> String {
    time.format("%Y%m%dT%H%M%S").to_string()
}

fn offset(seconds: i32) -> String {
    UtcOffset::from_seconds(seconds).map_or_else(String::new, |offset| offset.to_string())
}

/// Appends a content line, folded after 75 octets, never within a character (RFC 5545 section 3.1).
fn line(out: &mut String, text: &str) {
    let mut width = 0;
    for character in text.chars().filter(|c| !c.is_control()) {
        if width + character.len_utf8() > 75 {
            out.push_str("\r\n ");
            width = 1;
        }
        out.push(character);
        width += character.len_utf8();
    }
    out.push_str("\r\n");
}
