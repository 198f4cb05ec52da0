//! `VAVAILABILITY` (RFC 7953): when somebody can be booked at all, as a calendar server keeps it.

use std::fmt;

use super::{
    busy::{BusyKind, BusyTime},
    spans::{Span, clip, difference, union},
};
use crate::{
    ical::{ContentLine, IcalError, IcalLimits, lines::Document, read::ReadOptions, read_calendar},
    model::{Event, EventTime},
    recurrence::ExpansionLimits,
    zone::Zone,
};

/// One `VAVAILABILITY`: inside its period everything is taken but what it makes available.
#[derive(Clone, PartialEq, Eq)]
pub struct VAvailability {
    /// Where its period begins; `None`: it always has.
    pub start: Option<EventTime>,
    /// Where its period ends; `None`: never.
    pub end: Option<EventTime>,
    /// What the rest of the period is (`BUSYTYPE`, section 3.2).
    pub busy_type: BusyKind,
    /// Which of several counts where they overlap: 1 before 9, and 0, undefined, last (section 4).
    pub priority: u8,
    /// `AVAILABLE`: when there is time, each an event without content or a series of them.
    pub available: Vec<Event>,
}

impl fmt::Debug for VAvailability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VAvailability")
            .field("busy_type", &self.busy_type)
            .field("priority", &self.priority)
            .field("available", &self.available.len())
            .finish_non_exhaustive()
    }
}

/// The text holds no availability that can be trusted. Whoever takes the rest of it for free would offer what is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VAvailabilityError {
    /// It is no calendar, or passes a limit.
    #[error(transparent)]
    Calendar(#[from] IcalError),
    /// It ends before its components do.
    #[error("the iCalendar text is cut off")]
    CutOff,
    /// A time of a `VAVAILABILITY` or `AVAILABLE` cannot be read.
    #[error("a VAVAILABILITY has a time that cannot be read")]
    Time,
}

/// Reads the `VAVAILABILITY` components of a text: the value of `calendar-availability` (RFC 7953 section 7.2), or a
/// resource. An empty list means that the text has none, which is no statement about anybody's time.
///
/// # Errors
/// When the text is no calendar, is cut off, or one of its times cannot be read: nothing is guessed.
pub fn read_vavailability(text: &str) -> Result<Vec<VAvailability>, VAvailabilityError> {
    let limits = IcalLimits::default();
    if text.len() > limits.max_bytes {
        let error = IcalError::TooLarge { bytes: text.len(), limit: limits.max_bytes };
        return Err(error.into());
    }
    let components = Components::of(text)?;
    components.found.iter().map(|found| found.read(&components.zones)).collect()
}

/// The lines of the components that matter, unfolded.
#[derive(Default)]
struct Components {
    zones: String,
    found: Vec<Raw>,
}

/// A `VAVAILABILITY` as its lines.
#[derive(Default)]
struct Raw {
    period: String,
    has_start: bool,
    has_end: bool,
    busy_type: Option<BusyKind>,
    priority: u8,
    /// Each `AVAILABLE` as a `VEVENT`, whose times it has: the reader of events reads them.
    available: String,
    count: usize,
}

impl Components {
    fn of(text: &str) -> Result<Self, VAvailabilityError> {
        let mut found = Self::default();
        let mut open: Vec<String> = Vec::new();
        let mut is_calendar = false;
        for line in Document::new(text.as_bytes()).lines() {
            let text = line.text();
            let Some(line) = ContentLine::parse(&text) else { continue };
            let name = line.value().trim().to_ascii_uppercase();
            let (begins, ends) = (line.is("BEGIN"), line.is("END"));
            if begins {
                let limit = IcalLimits::default().max_depth;
                if open.len() >= limit {
                    return Err(IcalError::TooDeep { offset: 0, limit }.into());
                }
                if open.is_empty() && name != "VCALENDAR" {
                    return Err(IcalError::NotICalendar.into());
                }
                is_calendar = true;
                open.push(name);
            } else if open.is_empty() {
                return Err(IcalError::NotICalendar.into());
            }
            found.take(&open, &line, &text, begins, ends);
            if ends && open.pop().is_none() {
                return Err(VAvailabilityError::CutOff);
            }
        }
        match (is_calendar, open.is_empty()) {
            (false, _) => Err(IcalError::NotICalendar.into()),
            (true, false) => Err(VAvailabilityError::CutOff),
            (true, true) => Ok(found),
        }
    }

    fn take(&mut self, open: &[String], line: &ContentLine<'_>, text: &str, begins: bool, ends: bool) {
        let path: Vec<&str> = open.iter().map(String::as_str).collect();
        match path[..] {
            ["VCALENDAR", "VTIMEZONE", ..] => push(&mut self.zones, text),
            ["VCALENDAR", "VAVAILABILITY"] if begins => self.found.push(Raw::default()),
            ["VCALENDAR", "VAVAILABILITY"] if !ends => {
                if let Some(raw) = self.found.last_mut() {
                    raw.property(line, text);
                }
            }
            ["VCALENDAR", "VAVAILABILITY", "AVAILABLE"] => {
                if let Some(raw) = self.found.last_mut() {
                    match (begins, ends) {
                        (true, _) => push(&mut raw.available, "BEGIN:VEVENT"),
                        (_, true) => push(&mut raw.available, "END:VEVENT"),
                        _ => push(&mut raw.available, text),
                    }
                    raw.count += usize::from(begins);
                }
            }
            _ => {}
        }
    }
}

impl Raw {
    fn property(&mut self, line: &ContentLine<'_>, text: &str) {
        if line.is("DTSTART") || line.is("DTEND") || line.is("DURATION") {
            self.has_start |= line.is("DTSTART");
            self.has_end |= !line.is("DTSTART");
            push(&mut self.period, text);
        } else if line.is("PRIORITY") {
            self.priority = line.value().trim().parse().unwrap_or(0).min(9);
        } else if line.is("BUSYTYPE") {
            self.busy_type = match line.value().trim().to_ascii_uppercase().as_str() {
                "BUSY" => Some(BusyKind::Busy),
                "BUSY-TENTATIVE" => Some(BusyKind::Tentative),
                // Unknown values are read as the default (section 3.2).
                _ => None,
            };
        }
    }

    fn read(&self, zones: &str) -> Result<VAvailability, VAvailabilityError> {
        let period = if self.has_start {
            let event = format!("BEGIN:VEVENT\r\nUID:period\r\n{}END:VEVENT\r\n", self.period);
            events(zones, &event)?.pop().and_then(|event| event.master)
        } else {
            None
        };
        if self.has_start && period.is_none() {
            return Err(VAvailabilityError::Time);
        }
        let available = if self.count == 0 { Vec::new() } else { events(zones, &self.available)? };
        let (start, end) = period
            .map_or((None, None), |body| (Some(body.time.start), self.has_end.then_some(body.time.end)));
        let busy_type = self.busy_type.unwrap_or(BusyKind::Unavailable);
        Ok(VAvailability { start, end, busy_type, priority: self.priority, available })
    }
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}

fn events(zones: &str, components: &str) -> Result<Vec<Event>, VAvailabilityError> {
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{zones}{components}END:VCALENDAR\r\n");
    let document = read_calendar(&text, &ReadOptions::default())?;
    if !document.quarantined.is_empty() {
        return Err(VAvailabilityError::Time);
    }
    Ok(document.items.into_iter().map(|item| item.event).collect())
}

/// What one person's components take of a window (section 4): from the least important to the most, each takes its
/// period over, and gives back what it makes available.
pub(super) fn unavailable(person: &[VAvailability], window: &Span, reader: &Zone) -> Vec<BusyTime> {
    let mut ordered: Vec<&VAvailability> = person.iter().collect();
    ordered.sort_by_key(|component| {
        std::cmp::Reverse(if component.priority == 0 { 10 } else { component.priority })
    });
    let mut taken: Vec<(Span, BusyKind)> = Vec::new();
    for component in ordered {
        let start = component.start.as_ref().map_or(window.start, |start| start.instant(reader));
        let end = component.end.as_ref().map_or(window.end, |end| end.instant(reader));
        let Some(period) = clip(&(start..end), window) else { continue };
        let instances = component
            .available
            .iter()
            .flat_map(|available| available.instances(period.clone(), reader, &ExpansionLimits::default()).0);
        let free: Vec<Span> = instances
            .filter_map(|found| {
                clip(&(found.time.start.instant(reader)..found.time.end.instant(reader)), &period)
            })
            .collect();
        let outside = |(span, kind): (Span, BusyKind)| {
            let rest = difference(&[span], std::slice::from_ref(&period));
            rest.into_iter().map(move |span| (span, kind))
        };
        taken = taken.into_iter().flat_map(outside).collect();
        let rest = difference(std::slice::from_ref(&period), &union(free));
        taken.extend(rest.into_iter().map(|span| (span, component.busy_type)));
    }
    taken.into_iter().map(|(span, kind)| BusyTime { start: span.start, end: span.end, kind }).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn text(body: &str) -> String {
        let lines: Vec<&str> = body.split_whitespace().collect();
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}\r\nEND:VCALENDAR\r\n", lines.join("\r\n"))
    }

    fn taken(body: &str) -> Vec<(String, String, BusyKind)> {
        let components = read_vavailability(&text(body)).expect("availability");
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("an instant");
        // Monday to Wednesday; Berlin is one hour ahead.
        let window = at("2026-01-05T00:00:00Z")..at("2026-01-07T00:00:00Z");
        let show = |at: DateTime<Utc>| at.format("%d %H:%M").to_string();
        let berlin = Zone::from_iana("Europe/Berlin").expect("a zone");
        let mut found = unavailable(&components, &window, &berlin);
        found.sort_by_key(|time| time.start);
        found.iter().map(|time| (show(time.start), show(time.end), time.kind)).collect()
    }

    fn row(start: &str, end: &str, kind: BusyKind) -> (String, String, BusyKind) {
        (start.to_owned(), end.to_owned(), kind)
    }

    const WORK: &str = "BEGIN:VAVAILABILITY UID:a DTSTAMP:20260101T000000Z
        BEGIN:AVAILABLE UID:b DTSTAMP:20260101T000000Z DTSTART;TZID=Europe/Berlin:20251201T090000
        DTEND;TZID=Europe/Berlin:20251201T170000 RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR END:AVAILABLE
        END:VAVAILABILITY";

    #[test]
    fn what_is_not_available_is_taken() {
        use BusyKind::Unavailable as U;
        assert_eq!(
            taken(WORK),
            [row("05 00:00", "05 08:00", U), row("05 16:00", "06 08:00", U), row("06 16:00", "07 00:00", U)]
        );
    }

    #[test]
    fn the_more_important_one_takes_its_period_over() {
        use BusyKind::{Busy as B, Unavailable as U};
        let travel = "BEGIN:VAVAILABILITY UID:c DTSTAMP:20260101T000000Z PRIORITY:1 BUSYTYPE:BUSY
            DTSTART:20260105T100000Z DTEND:20260105T180000Z
            BEGIN:AVAILABLE UID:d DTSTAMP:20260101T000000Z DTSTART:20260105T120000Z DURATION:PT1H END:AVAILABLE
            END:VAVAILABILITY";
        let expected = [
            row("05 00:00", "05 08:00", U),
            row("05 10:00", "05 12:00", B),
            row("05 13:00", "05 18:00", B),
            row("05 18:00", "06 08:00", U),
            row("06 16:00", "07 00:00", U),
        ];
        assert_eq!(taken(&format!("{travel} {WORK}")), expected);
        assert_eq!(taken(&format!("{WORK} {travel}")), expected);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_free_time() {
        let bad = WORK.replace("20251201T090000", "20251301T090000");
        assert_eq!(read_vavailability(&text(&bad)), Err(VAvailabilityError::Time));
        let cut = text(WORK);
        assert_eq!(read_vavailability(&cut[..cut.len() - 40]), Err(VAvailabilityError::CutOff));
        assert!(matches!(read_vavailability("<html>"), Err(VAvailabilityError::Calendar(_))));
        let deep = "BEGIN:VCALENDAR\r\n".repeat(9_000);
        assert!(matches!(read_vavailability(&deep), Err(VAvailabilityError::Calendar(_))));
    }
}
