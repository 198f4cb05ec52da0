//! Model values as unfolded content lines. Whatever the value holds, it is exactly one line.

use chrono::{Datelike, NaiveDate, NaiveDateTime};

use crate::ical::params::write_value;
use crate::ical::read::{CLASS, DEFAULT_DESCRIPTION, STATUS, TRANSP, is_utc};
use crate::ical::text::{escape_into, push_single_line};
use crate::ical::value::{IcalDuration, write_date, write_time};
use crate::model::{
    Alarm, AlarmAction, AlarmTrigger, Color, EventBody, EventTime, Fold, Participant, ParticipationStatus,
    Person, RelativeTo, Role, RuleEntry, VirtualLocation,
};
use crate::recurrence::Until;

use super::zones::ZoneNames;

/// `NAME:text` with the text escaped.
pub(crate) fn text(name: &str, value: &str) -> String {
    let mut line = named(name, value.len());
    escape_into(&mut line, value);
    line
}

/// `NAME:value` with a value that has no escapes.
pub(crate) fn plain(name: &str, value: &str) -> String {
    let mut line = named(name, value.len());
    push_single_line(&mut line, value);
    line
}

/// The beginning of a line, with room for a value.
fn named(name: &str, room: usize) -> String {
    let mut line = String::with_capacity(name.len() + 1 + room);
    line.push_str(name);
    line.push(':');
    line
}

/// A time's parameters (with a leading `;`) and its value.
pub(crate) fn time_parts(time: &EventTime, zones: &mut ZoneNames) -> (String, String) {
    let (mut params, mut value) = (String::new(), String::new());
    push_time_params(&mut params, time, zones);
    push_time_value(&mut value, time);
    (params, value)
}

fn push_time_params(line: &mut String, time: &EventTime, zones: &mut ZoneNames) {
    match time {
        EventTime::Date(_) => line.push_str(";VALUE=DATE"),
        EventTime::Zoned { zone, fold: Fold::First, .. } if !is_utc(zone) => {
            line.push_str(";TZID=");
            write_value(line, zones.tzid(zone));
        }
        EventTime::Floating(_) | EventTime::Utc(_) | EventTime::Zoned { .. } => {}
    }
}

fn push_time_value(line: &mut String, time: &EventTime) {
    match time {
        EventTime::Date(date) => push_date(line, *date),
        EventTime::Floating(local) => write_time(line, within_range(*local)),
        EventTime::Utc(instant) => push_instant(line, instant.naive_utc()),
        EventTime::Zoned { local, zone, .. } if is_utc(zone) => push_instant(line, *local),
        EventTime::Zoned { local, fold: Fold::First, .. } => write_time(line, within_range(*local)),
        // iCalendar reads such a time as the first of the two: only the instant names the second.
        EventTime::Zoned { local, fold: Fold::Second, .. } => {
            push_instant(line, time.absolute().map_or(*local, |instant| instant.naive_utc()));
        }
    }
}

fn push_instant(value: &mut String, utc: NaiveDateTime) {
    write_time(value, within_range(utc));
    value.push('Z');
}

fn push_date(value: &mut String, date: NaiveDate) {
    write_date(value, within_range(date.into()).date());
}

/// A time with a year of four digits: the nearest one that iCalendar can write.
fn within_range(time: NaiveDateTime) -> NaiveDateTime {
    match time.year() {
        ..0 => NaiveDate::from_ymd_opt(0, 1, 1).and_then(|date| date.and_hms_opt(0, 0, 0)).unwrap_or(time),
        0..=9999 => time,
        _ => NaiveDate::from_ymd_opt(9999, 12, 31)
            .and_then(|date| date.and_hms_opt(23, 59, 59))
            .unwrap_or(time),
    }
}

/// A line that holds one time.
pub(crate) fn time(name: &str, time: &EventTime, zones: &mut ZoneNames) -> String {
    let mut line = String::with_capacity(name.len() + 48);
    line.push_str(name);
    push_time_params(&mut line, time, zones);
    line.push(':');
    push_time_value(&mut line, time);
    line
}

/// A bookkeeping instant.
pub(crate) fn instant(name: &str, time: chrono::DateTime<chrono::Utc>) -> String {
    let mut line = named(name, "YYYYMMDDThhmmssZ".len());
    push_instant(&mut line, time.naive_utc());
    line
}

/// An `RDATE`: a time, or a period when it has an end of its own.
pub(crate) fn rdate(start: &EventTime, end: Option<&EventTime>, zones: &mut ZoneNames) -> String {
    let Some(end) = end else {
        return time("RDATE", start, zones);
    };
    // A period has one TZID: with two zones, both ends are instants.
    let as_instant = |time: &EventTime| time.absolute().map_or_else(|| time.clone(), EventTime::Utc);
    let (start, end) = match (start, end) {
        (EventTime::Zoned { zone: a, .. }, EventTime::Zoned { zone: b, .. }) if a == b => {
            (start.clone(), end.clone())
        }
        _ => (as_instant(start), as_instant(end)),
    };
    let (mut params, start) = time_parts(&start, zones);
    let (_, end) = time_parts(&end, zones);
    if params == ";VALUE=DATE" {
        params.clear();
        return format!("RDATE;VALUE=DATE:{start}");
    }
    format!("RDATE;VALUE=PERIOD{params}:{start}/{end}")
}

/// What the values of a series have in common with its start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeForm {
    Date,
    Floating,
    /// With a zone, or in UTC.
    Instant,
}

impl TimeForm {
    pub(crate) fn of(time: &EventTime) -> Self {
        match time {
            EventTime::Date(_) => Self::Date,
            EventTime::Floating(_) => Self::Floating,
            EventTime::Zoned { .. } | EventTime::Utc(_) => Self::Instant,
        }
    }
}

/// An `RRULE` or `EXRULE` of a series with this start.
pub(crate) fn rule(name: &str, rule: &RuleEntry, start: &EventTime) -> String {
    match fitting(rule, start) {
        RuleEntry::Rule(rule) => plain(name, &rule.to_string()),
        RuleEntry::Opaque { text, .. } => plain(name, &text),
    }
}

/// The rule with its `UNTIL` in the form that goes with the start (RFC 5545 section 3.3.10), ending where it ended.
pub(crate) fn fitting(rule: &RuleEntry, start: &EventTime) -> RuleEntry {
    let mut rule = rule.clone();
    if let RuleEntry::Rule(rule) = &mut rule {
        rule.until = rule.until.map(|until| fitting_until(until, start));
    }
    rule
}

fn fitting_until(until: Until, start: &EventTime) -> Until {
    // A date lasts to the end of its day, and a local time to the second of two equal ones.
    let last_second = |date: NaiveDate| date.and_hms_opt(23, 59, 59).unwrap_or_default();
    let local = match until {
        Until::Date(date) => last_second(date),
        Until::Local(local) => local,
        Until::Utc(instant) => instant.naive_utc(),
    };
    match (start, until) {
        (EventTime::Date(_), _) => Until::Date(local.date()),
        (EventTime::Floating(_), _) => Until::Local(local),
        (_, Until::Utc(_)) => until,
        (EventTime::Zoned { zone, .. }, _) => {
            let time = EventTime::Zoned { local, zone: zone.clone(), fold: Fold::Second };
            time.absolute().map_or(until, Until::Utc)
        }
        (EventTime::Utc(_), _) => Until::Utc(local.and_utc()),
    }
}

/// The calendar address of a person.
pub(crate) fn address(person: &Person) -> String {
    let mut value = String::new();
    if !has_scheme(&person.address) {
        value.push_str("mailto:");
    }
    push_single_line(&mut value, person.address.trim());
    value
}

/// Whether an address is a URI and not a bare mail address.
fn has_scheme(address: &str) -> bool {
    address.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    }) || address.starts_with('/')
}

/// `ORGANIZER`.
pub(crate) fn organizer(person: &Person) -> String {
    let mut line = "ORGANIZER".to_owned();
    push_param(&mut line, "CN", person.name.as_deref());
    format!("{line}:{}", address(person))
}

/// Appends `;NAME=value`, if there is a value.
pub(crate) fn push_param(line: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        line.push(';');
        line.push_str(name);
        line.push('=');
        write_value(line, value);
    }
}

/// The parameters of an `ATTENDEE` that the model holds, each with its value or `None` for the default.
pub(crate) fn participant_params(participant: &Participant) -> [(&'static str, Option<&str>); 4] {
    let status = match participant.status {
        ParticipationStatus::NeedsAction => None,
        ParticipationStatus::Accepted => Some("ACCEPTED"),
        ParticipationStatus::Declined => Some("DECLINED"),
        ParticipationStatus::Tentative => Some("TENTATIVE"),
        ParticipationStatus::Delegated => Some("DELEGATED"),
    };
    let role = match participant.role {
        Role::Required => None,
        Role::Optional => Some("OPT-PARTICIPANT"),
        Role::Chair => Some("CHAIR"),
        Role::Informational => Some("NON-PARTICIPANT"),
    };
    [
        ("CN", participant.person.name.as_deref()),
        ("PARTSTAT", status),
        ("ROLE", role),
        ("RSVP", participant.expect_reply.then_some("TRUE")),
    ]
}

/// `ATTENDEE`.
pub(crate) fn attendee(participant: &Participant) -> String {
    let mut line = "ATTENDEE".to_owned();
    for (name, value) in participant_params(participant) {
        push_param(&mut line, name, value);
    }
    format!("{line}:{}", address(&participant.person))
}

/// `CONFERENCE`.
pub(crate) fn conference(location: &VirtualLocation) -> String {
    let mut line = "CONFERENCE;VALUE=URI".to_owned();
    push_param(&mut line, "LABEL", location.name.as_deref());
    plain(&line, location.uri.trim())
}

/// `CATEGORIES` with these values.
pub(crate) fn categories<'c>(head: &str, values: impl IntoIterator<Item = &'c String>) -> Option<String> {
    let mut line = format!("{head}:");
    let mut any = false;
    for value in values {
        if any {
            line.push(',');
        }
        escape_into(&mut line, value.trim());
        any = true;
    }
    any.then_some(line)
}

/// The lines of a `VALARM`.
///
/// A mail alarm needs an `ATTENDEE` to go to (RFC 5545 section 3.6.6), which an event here has not: it is written as a
/// message. A mail from a copy would also reach people the original tells already.
pub(crate) fn alarm(alarm: &Alarm) -> Vec<String> {
    let action = match alarm.action {
        AlarmAction::Display | AlarmAction::Email => "DISPLAY",
        AlarmAction::Audio => "AUDIO",
    };
    let mut lines = vec!["BEGIN:VALARM".to_owned(), format!("ACTION:{action}"), trigger(&alarm.trigger)];
    match &alarm.description {
        Some(description) => lines.push(text("DESCRIPTION", description)),
        None if alarm.action == AlarmAction::Audio => {}
        None => lines.push(text("DESCRIPTION", DEFAULT_DESCRIPTION)),
    }
    lines.push("END:VALARM".to_owned());
    lines
}

fn trigger(trigger: &AlarmTrigger) -> String {
    match trigger {
        AlarmTrigger::Offset { seconds, relative_to } => {
            let related = match relative_to {
                RelativeTo::Start => "",
                RelativeTo::End => ";RELATED=END",
            };
            format!("TRIGGER{related}:{}", IcalDuration::from_seconds(*seconds))
        }
        AlarmTrigger::Absolute(time) => instant("TRIGGER;VALUE=DATE-TIME", *time),
    }
}

/// A field of a body that stands on lines of its own and needs no look at the lines that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SimpleField {
    Title,
    Description,
    Location,
    Geo,
    Url,
    Status,
    FreeBusy,
    Privacy,
    Priority,
    Color,
}

impl SimpleField {
    pub(crate) const ALL: [Self; 10] = [
        Self::Title,
        Self::Description,
        Self::Location,
        Self::Geo,
        Self::Url,
        Self::Status,
        Self::FreeBusy,
        Self::Privacy,
        Self::Priority,
        Self::Color,
    ];

    /// The property.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Title => "SUMMARY",
            Self::Description => "DESCRIPTION",
            Self::Location => "LOCATION",
            Self::Geo => "GEO",
            Self::Url => "URL",
            Self::Status => "STATUS",
            Self::FreeBusy => "TRANSP",
            Self::Privacy => "CLASS",
            Self::Priority => "PRIORITY",
            Self::Color => "COLOR",
        }
    }

    /// The encoded value in a body.
    pub(crate) fn value(self, body: &EventBody) -> Option<String> {
        let text = |value: &Option<String>| {
            let value = value.as_deref().filter(|value| !value.is_empty())?;
            let mut out = String::new();
            escape_into(&mut out, value);
            Some(out)
        };
        let single = |value: &Option<String>| {
            let mut out = String::new();
            push_single_line(&mut out, value.as_deref()?.trim());
            (!out.is_empty()).then_some(out)
        };
        match self {
            Self::Title => text(&body.title),
            Self::Description => text(&body.description),
            Self::Location => text(&body.location),
            Self::Geo => single(&body.geo),
            Self::Url => single(&body.url),
            Self::Color => body.color.as_deref().and_then(color).map(ToOwned::to_owned),
            Self::Status => word(&STATUS, body.status),
            Self::FreeBusy => word(&TRANSP, body.free_busy),
            Self::Privacy => word(&CLASS, body.privacy),
            Self::Priority => body.priority.map(|priority| priority.min(9).to_string()),
        }
    }
}

/// The value of `COLOR`: a CSS name, and nothing else (RFC 7986 section 5.9). Of what is no name the nearest; of what is no
/// colour none.
pub(crate) fn color(color: &str) -> Option<&str> {
    let color = color.trim();
    let known = Color::parse(color)?;
    Some(if color.starts_with('#') { known.css_name() } else { color })
}

fn word<T: Copy + PartialEq>(words: &[(&str, T)], value: Option<T>) -> Option<String> {
    let value = value?;
    words.iter().find(|(_, meaning)| *meaning == value).map(|(word, _)| (*word).to_owned())
}
