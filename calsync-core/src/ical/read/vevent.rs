//! One `VEVENT` component, read by itself: what it says, before it is joined with the others of its UID.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::ical::error::{Issue, IssueKind, QuarantineReason};
use crate::ical::text::{split_list, unescape};
use crate::ical::value::{IcalDuration, TimeValue};
use crate::ical::walk::{Closed, Property, Token, Walker};
use crate::ical::{ContentLine, IcalLimits};
use crate::model::{
    EventBody, EventTime, FreeBusyStatus, OverrideScope, Privacy, RuleEntry, Status, TimeSpan,
    VirtualLocation,
};

use super::alarm::AlarmLines;
use super::people;
use super::zones::Zones;

/// A component's content.
#[derive(Clone)]
pub(crate) struct VEvent {
    pub(crate) span: Range<usize>,
    pub(crate) uid: Option<String>,
    pub(crate) recurrence_id: Option<EventTime>,
    pub(crate) scope: OverrideScope,
    pub(crate) body: EventBody,
    pub(crate) rules: Vec<RuleEntry>,
    pub(crate) excluded_rules: Vec<RuleEntry>,
    pub(crate) exdates: Vec<EventTime>,
    pub(crate) rdates: Vec<(EventTime, Option<EventTime>)>,
    pub(crate) issues: Vec<Issue>,
}

/// Properties of an online meeting that hold nothing but its address.
pub(crate) const MEETING_LINKS: [&str; 2] = ["X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL"];

/// The longest name of a property that is read.
const LONGEST_NAME: usize = 32;

/// Reads the `VEVENT` at `span`.
pub(crate) fn read_vevent(
    input: &[u8],
    span: Range<usize>,
    zones: &mut Zones<'_>,
    limits: &IcalLimits,
) -> Result<VEvent, QuarantineReason> {
    let mut lines = EventLines::default();
    let mut walker = Walker::new(input, span.clone(), limits.max_depth);
    let mut alarm: Option<(AlarmLines, Range<usize>)> = None;
    // The nesting was counted when the text was indexed.
    while let Ok(Some(token)) = walker.next_token() {
        match token {
            Token::Begin { name, line } => {
                if walker.depth() == 2 && name.eq_ignore_ascii_case(b"VALARM") {
                    alarm = Some((AlarmLines::default(), line.offset()..line.end()));
                }
            }
            Token::End { closed, line } => {
                if closed != Closed::Explicitly {
                    let at = walker.offset();
                    lines.issue(IssueKind::MissingEnd, line.map_or(at..at, |line| line.offset()..line.end()));
                }
                if walker.depth() == 1
                    && let Some((alarm, span)) = alarm.take()
                {
                    match alarm.finish() {
                        Some(alarm) => lines.alarms.push(alarm),
                        None => lines.issue(IssueKind::BadAlarm, span),
                    }
                }
            }
            Token::Property(property) => {
                if property.has_loose_lines() {
                    lines.issue(IssueKind::LooseLine, property.span());
                }
                match (walker.depth(), &mut alarm) {
                    (1, _) => lines.take(&property, zones, limits)?,
                    (2, Some((alarm, _))) => {
                        if let Some(line) = ContentLine::parse(&property.text()) {
                            alarm.take(&line);
                        }
                    }
                    _ => {}
                }
            }
            Token::Junk(line) => {
                if !line.is_blank() {
                    lines.issue(IssueKind::LooseLine, line.offset()..line.end());
                }
            }
        }
    }
    lines.finish(span, zones)
}

/// The content as the lines come in.
#[derive(Default)]
struct EventLines {
    uid: Option<String>,
    start: Option<EventTime>,
    end: Option<EventTime>,
    duration: Option<IcalDuration>,
    recurrence_id: Option<EventTime>,
    scope: OverrideScope,
    title: Option<String>,
    description: Option<String>,
    location: Option<String>,
    geo: Option<String>,
    url: Option<String>,
    virtual_locations: Vec<VirtualLocation>,
    status: Option<Status>,
    free_busy: Option<FreeBusyStatus>,
    busy_status: Option<FreeBusyStatus>,
    privacy: Option<Privacy>,
    priority: Option<u8>,
    color: Option<String>,
    categories: BTreeSet<String>,
    organizer: Option<crate::model::Person>,
    participants: Vec<crate::model::Participant>,
    participant_keys: BTreeSet<String>,
    alarms: Vec<crate::model::Alarm>,
    sequence: Option<u32>,
    created: Option<DateTime<Utc>>,
    updated: Option<DateTime<Utc>>,
    is_flagged_all_day: bool,
    rules: Vec<RuleEntry>,
    excluded_rules: Vec<RuleEntry>,
    exdates: Vec<EventTime>,
    rdates: Vec<(EventTime, Option<EventTime>)>,
    issues: Vec<Issue>,
}

impl EventLines {
    fn issue(&mut self, kind: IssueKind, span: Range<usize>) {
        // One of each kind says enough and bounds the memory.
        if !self.issues.iter().any(|issue| issue.kind == kind) {
            self.issues.push(Issue { kind, span });
        }
    }

    fn take(
        &mut self,
        property: &Property<'_>,
        zones: &mut Zones<'_>,
        limits: &IcalLimits,
    ) -> Result<(), QuarantineReason> {
        let mut upper = [0_u8; LONGEST_NAME];
        let Some(name) = upper_name(property, &mut upper) else {
            return Ok(());
        };
        if !is_read(name) {
            return Ok(());
        }
        let text = property.text();
        let Some(line) = ContentLine::parse(&text) else {
            return Ok(());
        };
        match name {
            b"UID" => set(&mut self.uid, || Some(unescape(line.value().trim()).into_owned())),
            b"SUMMARY" => set(&mut self.title, || text_value(&line)),
            b"DESCRIPTION" => set(&mut self.description, || text_value(&line)),
            b"LOCATION" => set(&mut self.location, || text_value(&line)),
            b"GEO" => set(&mut self.geo, || plain_value(&line)),
            b"URL" => set(&mut self.url, || plain_value(&line)),
            b"COLOR" => set(&mut self.color, || plain_value(&line)),
            b"STATUS" => set(&mut self.status, || word(&line, &STATUS)),
            b"TRANSP" => set(&mut self.free_busy, || word(&line, &TRANSP)),
            b"X-MICROSOFT-CDO-BUSYSTATUS" => set(&mut self.busy_status, || word(&line, &BUSY_STATUS)),
            b"CLASS" => set(&mut self.privacy, || privacy(&line)),
            b"PRIORITY" => {
                set(&mut self.priority, || {
                    line.value().trim().parse().ok().filter(|priority| *priority <= 9)
                });
            }
            b"SEQUENCE" => set(&mut self.sequence, || saturating_number(line.value())),
            b"CREATED" => set(&mut self.created, || instant(&line)),
            b"LAST-MODIFIED" => set(&mut self.updated, || instant(&line)),
            b"X-MICROSOFT-CDO-ALLDAYEVENT" => {
                self.is_flagged_all_day |= line.value().trim().eq_ignore_ascii_case("TRUE");
            }
            b"CATEGORIES" => self.categories.extend(categories(&line)),
            b"CONFERENCE" => {
                let name =
                    line.params().find(|param| param.is("LABEL")).map(|param| param.text().into_owned());
                self.meeting(line.value(), name);
            }
            b"X-GOOGLE-CONFERENCE" | b"X-MICROSOFT-SKYPETEAMSMEETINGURL" => self.meeting(line.value(), None),
            b"ORGANIZER" => set(&mut self.organizer, || people::person(&line)),
            b"ATTENDEE" => {
                if let Some(participant) = people::participant(&line)
                    && self.is_new(&participant.person)
                {
                    self.participants.push(participant);
                }
            }
            b"RRULE" => self.rule(&line, property, RuleKind::Repeats)?,
            b"EXRULE" => self.rule(&line, property, RuleKind::Excludes)?,
            _ => return self.take_time(name, line.split_at_last_colon(), property, zones, limits),
        }
        Ok(())
    }

    fn take_time(
        &mut self,
        name: &[u8],
        line: ContentLine<'_>,
        property: &Property<'_>,
        zones: &mut Zones<'_>,
        limits: &IcalLimits,
    ) -> Result<(), QuarantineReason> {
        match name {
            b"DTSTART" if self.start.is_none() => self.start = Some(zones.time(&line, "DTSTART")?),
            b"DTEND" if self.end.is_none() => match zones.time(&line, "DTEND") {
                Ok(end) => self.end = Some(end),
                Err(reason @ QuarantineReason::UnknownZone { .. }) => return Err(reason),
                Err(_) => self.issue(IssueKind::BadEnd, property.span()),
            },
            b"DURATION" if self.duration.is_none() => {
                self.duration = IcalDuration::parse(line.value());
                if self.duration.is_none() {
                    self.issue(IssueKind::BadEnd, property.span());
                }
            }
            b"RECURRENCE-ID" if self.recurrence_id.is_none() => {
                self.recurrence_id = Some(zones.time(&line, "RECURRENCE-ID")?);
                if line.param("RANGE").is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE")) {
                    self.scope = OverrideScope::ThisAndFuture;
                }
            }
            b"EXDATE" | b"RDATE" => {
                for value in line.value().split(',').filter(|value| !value.trim().is_empty()) {
                    if self.exdates.len() + self.rdates.len() >= limits.max_dates_per_event {
                        return Err(QuarantineReason::TooManyDates);
                    }
                    let date = if name == b"EXDATE" {
                        zones.value(value, &line, "EXDATE").map(|date| self.exdates.push(date))
                    } else {
                        read_rdate(value, &line, zones).map(|date| self.rdates.push(date))
                    };
                    match date {
                        Ok(()) => {}
                        Err(reason @ QuarantineReason::UnknownZone { .. }) => return Err(reason),
                        Err(_) => self.issue(IssueKind::BadDate, property.span()),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether nobody with this address takes part yet.
    fn is_new(&mut self, person: &crate::model::Person) -> bool {
        // A few are compared; only many are worth a set of their keys.
        const FEW: usize = 16;
        if self.participants.len() < FEW {
            return !self
                .participants
                .iter()
                .any(|known| known.person.address.eq_ignore_ascii_case(&person.address));
        }
        if self.participant_keys.is_empty() {
            self.participant_keys.extend(self.participants.iter().map(|known| known.person.key()));
        }
        self.participant_keys.insert(person.key())
    }

    fn meeting(&mut self, uri: &str, name: Option<String>) {
        let uri = uri.trim();
        if !uri.is_empty()
            && self.virtual_locations.len() < MAX_MEETINGS
            && !self.virtual_locations.iter().any(|known| known.uri == uri)
        {
            self.virtual_locations.push(VirtualLocation { uri: uri.to_owned(), name });
        }
    }

    fn rule(
        &mut self,
        line: &ContentLine<'_>,
        property: &Property<'_>,
        kind: RuleKind,
    ) -> Result<(), QuarantineReason> {
        let rule = read_rule(line.value());
        if matches!(rule, RuleEntry::Opaque { .. }) {
            self.issue(IssueKind::OpaqueRule, property.span());
        }
        let rules = match kind {
            RuleKind::Repeats => &mut self.rules,
            RuleKind::Excludes => &mut self.excluded_rules,
        };
        if rules.len() >= MAX_RULES {
            return Err(QuarantineReason::TooManyDates);
        }
        rules.push(rule);
        Ok(())
    }

    fn finish(mut self, span: Range<usize>, zones: &Zones<'_>) -> Result<VEvent, QuarantineReason> {
        let mut start = self.start.take().ok_or(QuarantineReason::NoStart)?;
        let mut end = self.end.take();
        if let (EventTime::Utc(instant), Some(zone), false) =
            (&start, zones.floating(), self.rules.is_empty())
        {
            let start_local = EventTime::zoned(zone.to_local(*instant), zone.clone());
            if let Some(EventTime::Utc(instant)) = &end {
                end = Some(EventTime::zoned(zone.to_local(*instant), zone.clone()));
            }
            start = start_local;
        }
        let (end, issue) = effective_end(&start, end.as_ref(), self.duration);
        if let Some(kind) = issue {
            self.issue(kind, span.clone());
        }
        // A list grows to room for four; an event that is kept has one alarm and a few people.
        self.participants.shrink_to_fit();
        self.alarms.shrink_to_fit();
        let mut time = TimeSpan { start, end };
        if self.is_flagged_all_day {
            time = all_day_by_flag(time);
        }
        Ok(VEvent {
            span,
            uid: self.uid.filter(|uid| !uid.is_empty()),
            recurrence_id: self.recurrence_id,
            scope: self.scope,
            body: EventBody {
                time,
                title: self.title,
                description: self.description,
                location: self.location,
                geo: self.geo,
                url: self.url,
                virtual_locations: self.virtual_locations,
                status: self.status,
                free_busy: self.free_busy.or(self.busy_status),
                privacy: self.privacy,
                priority: self.priority,
                color: self.color,
                categories: self.categories,
                organizer: self.organizer,
                participants: self.participants,
                alarms: self.alarms,
                sequence: self.sequence.unwrap_or(0),
                created: self.created,
                updated: self.updated,
            },
            rules: self.rules,
            excluded_rules: self.excluded_rules,
            exdates: self.exdates,
            rdates: self.rdates,
            issues: self.issues,
        })
    }
}

/// More places to meet than this are not read; their lines stay.
const MAX_MEETINGS: usize = 100;

/// More rules than this in one component are an attack.
const MAX_RULES: usize = 64;

#[derive(Clone, Copy)]
enum RuleKind {
    Repeats,
    Excludes,
}

/// Reads a rule, or keeps its text.
pub(crate) fn read_rule(value: &str) -> RuleEntry {
    RuleEntry::read(value.trim())
}

/// One `RDATE` value: a start, or a period with an end of its own.
pub(crate) fn read_rdate(
    value: &str,
    line: &ContentLine<'_>,
    zones: &mut Zones<'_>,
) -> Result<(EventTime, Option<EventTime>), QuarantineReason> {
    let Some((start, end)) = value.split_once('/') else {
        return Ok((zones.value(value, line, "RDATE")?, None));
    };
    let start = zones.value(start, line, "RDATE")?;
    let end = match IcalDuration::parse(end) {
        Some(duration) => duration.after(&start).ok_or(QuarantineReason::BadTime { property: "RDATE" })?,
        None => zones.value(end, line, "RDATE")?,
    };
    Ok((start, Some(end)))
}

/// The categories of one line.
pub(crate) fn categories(line: &ContentLine<'_>) -> impl Iterator<Item = String> {
    split_list(line.value())
        .map(|part| unescape(part).trim().to_owned())
        .filter(|category| !category.is_empty())
}

/// Where an event ends, from what its lines say (RFC 5545 section 3.6.1). `DTEND` wins over `DURATION`; with neither, a
/// date lasts its day and a time has no length; an end before the start is no length.
pub(crate) fn effective_end(
    start: &EventTime,
    end: Option<&EventTime>,
    duration: Option<IcalDuration>,
) -> (EventTime, Option<IssueKind>) {
    let next_day = |start: &EventTime| IcalDuration { days: 1, ..IcalDuration::default() }.after(start);
    let shortest = || match start {
        EventTime::Date(_) => next_day(start).unwrap_or_else(|| start.clone()),
        _ => start.clone(),
    };
    if let Some(end) = end {
        // Mixed forms: whichever the start has decides.
        let end = match (start, end) {
            (EventTime::Date(_), EventTime::Date(_)) => end.clone(),
            (EventTime::Date(_), timed) => EventTime::Date(timed.local().date()),
            (EventTime::Floating(_), EventTime::Date(date)) => {
                EventTime::Floating(date.and_time(chrono::NaiveTime::MIN))
            }
            (EventTime::Zoned { zone, .. }, EventTime::Date(_) | EventTime::Floating(_)) => {
                EventTime::zoned(end.local(), zone.clone())
            }
            (EventTime::Utc(_), EventTime::Date(_) | EventTime::Floating(_)) => {
                EventTime::Utc(end.local().and_utc())
            }
            (EventTime::Floating(_), timed) => EventTime::Floating(timed.local()),
            _ => end.clone(),
        };
        let is_before = match (start, &end) {
            // The usual case, told by the clock alone.
            (
                EventTime::Zoned { local: start, zone: a, .. },
                EventTime::Zoned { local: end, zone: b, .. },
            ) if a == b && end >= start => false,
            _ => match (start.absolute(), end.absolute()) {
                (Some(start), Some(end)) => end < start,
                _ => end.local() < start.local(),
            },
        };
        if is_before {
            return (shortest(), Some(IssueKind::NegativeLength));
        }
        return if start.is_date() && end == *start { (shortest(), None) } else { (end, None) };
    }
    match duration {
        None => (shortest(), None),
        Some(duration) if duration.total_seconds() == 0 => (shortest(), None),
        Some(duration) => match duration.after(start) {
            Some(end) => (end, None),
            None => (shortest(), Some(IssueKind::NegativeLength)),
        },
    }
}

/// The days a span covers, when its producer flags it as all-day and it runs from midnight to midnight.
fn all_day_by_flag(time: TimeSpan) -> TimeSpan {
    let (start, end) = (time.start.local(), time.end.local());
    let is_midnight = |time: chrono::NaiveDateTime| time.time() == chrono::NaiveTime::MIN;
    if time.start.is_date() || !is_midnight(start) || !is_midnight(end) {
        return time;
    }
    let start = EventTime::Date(start.date());
    let (end, _) = effective_end(&start, Some(&EventTime::Date(end.date())), None);
    TimeSpan { start, end }
}

/// The name of a property in upper case, unless it is longer than any that is read.
fn upper_name<'b>(property: &Property<'_>, buffer: &'b mut [u8; LONGEST_NAME]) -> Option<&'b [u8]> {
    let name = property.name();
    let upper = buffer.get_mut(..name.len())?;
    upper.copy_from_slice(&name);
    upper.make_ascii_uppercase();
    Some(upper)
}

/// Whether a property says anything the model holds: all others are not even unfolded.
fn is_read(name: &[u8]) -> bool {
    matches!(
        name,
        b"UID"
            | b"SUMMARY"
            | b"DESCRIPTION"
            | b"LOCATION"
            | b"GEO"
            | b"URL"
            | b"COLOR"
            | b"STATUS"
            | b"TRANSP"
            | b"CLASS"
            | b"PRIORITY"
            | b"SEQUENCE"
            | b"CREATED"
            | b"LAST-MODIFIED"
            | b"CATEGORIES"
            | b"CONFERENCE"
            | b"ORGANIZER"
            | b"ATTENDEE"
            | b"RRULE"
            | b"EXRULE"
            | b"DTSTART"
            | b"DTEND"
            | b"DURATION"
            | b"RECURRENCE-ID"
            | b"EXDATE"
            | b"RDATE"
            | b"X-GOOGLE-CONFERENCE"
            | b"X-MICROSOFT-CDO-ALLDAYEVENT"
            | b"X-MICROSOFT-CDO-BUSYSTATUS"
            | b"X-MICROSOFT-SKYPETEAMSMEETINGURL"
    )
}

/// Sets a field from the first line that gives it a value: of repeated properties the first counts.
fn set<T>(field: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if field.is_none() {
        *field = value();
    }
}

/// A TEXT value; an empty one says nothing.
fn text_value(line: &ContentLine<'_>) -> Option<String> {
    let text = unescape(line.value());
    (!text.is_empty()).then(|| text.into_owned())
}

/// A value without escapes; an empty one says nothing.
fn plain_value(line: &ContentLine<'_>) -> Option<String> {
    let value = line.value().trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// The words of `STATUS`.
pub(crate) const STATUS: [(&str, Status); 3] =
    [("CONFIRMED", Status::Confirmed), ("TENTATIVE", Status::Tentative), ("CANCELLED", Status::Cancelled)];
/// The words of `TRANSP`.
pub(crate) const TRANSP: [(&str, FreeBusyStatus); 2] =
    [("OPAQUE", FreeBusyStatus::Busy), ("TRANSPARENT", FreeBusyStatus::Free)];
/// The words of `CLASS`.
pub(crate) const CLASS: [(&str, Privacy); 3] =
    [("PUBLIC", Privacy::Public), ("PRIVATE", Privacy::Private), ("CONFIDENTIAL", Privacy::Secret)];
/// The words of `X-MICROSOFT-CDO-BUSYSTATUS`.
const BUSY_STATUS: [(&str, FreeBusyStatus); 5] = [
    ("FREE", FreeBusyStatus::Free),
    ("TENTATIVE", FreeBusyStatus::Busy),
    ("BUSY", FreeBusyStatus::Busy),
    ("OOF", FreeBusyStatus::Busy),
    ("WORKINGELSEWHERE", FreeBusyStatus::Free),
];

/// A word nobody knows is to be treated as `PRIVATE` (RFC 5545 section 3.8.1.3).
fn privacy(line: &ContentLine<'_>) -> Option<Privacy> {
    let unknown = (!line.value().trim().is_empty()).then_some(Privacy::Private);
    word(line, &CLASS).or(unknown)
}

fn word<T: Copy>(line: &ContentLine<'_>, words: &[(&str, T)]) -> Option<T> {
    let value = line.value().trim();
    words.iter().find(|(word, _)| value.eq_ignore_ascii_case(word)).map(|(_, meaning)| *meaning)
}

/// A number that may be larger than any that fits: ids beyond 32 bits are met.
fn saturating_number(value: &str) -> Option<u32> {
    let value = value.trim();
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(value.parse().unwrap_or(u32::MAX))
}

/// A bookkeeping time: in UTC by RFC 5545, read as UTC where it does not say so.
fn instant(line: &ContentLine<'_>) -> Option<DateTime<Utc>> {
    match TimeValue::parse(line.split_at_last_colon().value())? {
        TimeValue::Utc(instant) => Some(instant),
        TimeValue::Local(local) => Some(local.and_utc()),
        TimeValue::Date(_) => None,
    }
}
