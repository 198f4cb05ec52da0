//! `VFREEBUSY` (RFC 5545 section 3.6.4): the answer of a calendar server that tells when somebody is busy, and nothing else.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    busy::{BusyKind, BusyTime},
    spans::strongest,
};
use crate::ical::{
    ContentLine, IcalError, IcalLimits,
    lines::Document,
    value::{IcalDuration, TimeValue},
};

/// Reads the busy times of a text: in order, none overlapping another. A text without any is one of somebody who is free.
///
/// A `FREEBUSY` without an `FBTYPE`, or with one nobody knows, is busy (section 3.2.9); a period that cannot be read ends the
/// reading, for it may be taken.
///
/// # Errors
/// The text is no calendar with a `VFREEBUSY`, is cut off or too large, or has a period that is none.
pub fn read_vfreebusy(text: &str) -> Result<Vec<BusyTime>, VFreeBusyError> {
    let limits = IcalLimits::default();
    if text.len() > limits.max_bytes {
        return Err(IcalError::TooLarge { bytes: text.len(), limit: limits.max_bytes }.into());
    }
    let (mut times, mut depth, mut is_open, mut seen) = (Vec::new(), 0_usize, false, false);
    for line in Document::new(text.as_bytes()).lines() {
        let text = line.text();
        let Some(line) = ContentLine::parse(&text) else {
            // It may have been a period.
            if is_open && depth == 2 && !text.trim().is_empty() {
                return Err(VFreeBusyError::Period);
            }
            continue;
        };
        if line.is("BEGIN") {
            let wanted = if depth == 0 { "VCALENDAR" } else { "VFREEBUSY" };
            let is_wanted = line.value().trim().eq_ignore_ascii_case(wanted);
            if depth == 0 && !is_wanted {
                return Err(IcalError::NotICalendar.into());
            }
            depth += 1;
            if depth == 2 && is_wanted {
                (is_open, seen) = (true, true);
            }
        } else if line.is("END") {
            depth = depth.checked_sub(1).ok_or(IcalError::NotICalendar)?;
            is_open &= depth >= 2;
        } else if is_open && depth == 2 && line.is("FREEBUSY") {
            let Some(kind) = kind(line.param("FBTYPE")) else { continue };
            for period in line.value().split(',').filter(|period| !period.trim().is_empty()) {
                let (start, end) = period_of(period).ok_or(VFreeBusyError::Period)?;
                if start < end {
                    times.push(BusyTime { start, end, kind });
                }
            }
        }
    }
    match (seen, depth) {
        (true, 0) => Ok(strongest(times)),
        (true, _) => Err(VFreeBusyError::CutOff),
        (false, _) => Err(IcalError::NotICalendar.into()),
    }
}

/// The text says nothing about anybody's time that can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VFreeBusyError {
    /// It is no calendar with a `VFREEBUSY`, or passes a limit.
    #[error(transparent)]
    Calendar(#[from] IcalError),
    /// It ends before its components do.
    #[error("the iCalendar text is cut off")]
    CutOff,
    /// A period is none.
    #[error("a VFREEBUSY has a period that cannot be read")]
    Period,
}

fn kind(fbtype: Option<&str>) -> Option<BusyKind> {
    let name = fbtype.unwrap_or("BUSY").trim_matches('"');
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("FREE") {
        None
    } else if is("BUSY-TENTATIVE") {
        Some(BusyKind::Tentative)
    } else if is("BUSY-UNAVAILABLE") {
        Some(BusyKind::Unavailable)
    } else {
        Some(BusyKind::Busy)
    }
}

/// Both ends are in UTC (section 3.8.2.6).
fn period_of(text: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let (start, end) = text.split_once('/')?;
    let instant = |text: &str| match TimeValue::parse(text) {
        Some(TimeValue::Utc(at)) => Some(at),
        _ => None,
    };
    let start = instant(start)?;
    let end = match instant(end) {
        Some(end) => end,
        None => start.checked_add_signed(TimeDelta::seconds(IcalDuration::parse(end)?.total_seconds()))?,
    };
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<Vec<String>, VFreeBusyError> {
        let text =
            format!("BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\n{lines}\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n");
        let show = |time: BusyTime| {
            format!("{}-{} {:?}", time.start.format("%d %R"), time.end.format("%d %R"), time.kind)
        };
        read_vfreebusy(&text).map(|times| times.into_iter().map(show).collect())
    }

    #[test]
    fn periods_as_servers_write_them() {
        for (lines, expected) in [
            ("DTSTAMP:20260105T000000Z", &[][..]),
            ("FREEBUSY:20260105T090000Z/20260105T100000Z", &["05 09:00-05 10:00 Busy"]),
            ("FREEBUSY;FBTYPE=BUSY:20260105T090000Z/PT1H30M", &["05 09:00-05 10:30 Busy"]),
            ("FREEBUSY;FBTYPE=\"BUSY-TENTATIVE\":20260105T230000Z/PT2H", &["05 23:00-06 01:00 Tentative"]),
            ("freebusy;fbtype=busy-unavailable:20260105T090000Z/P1D", &["05 09:00-06 09:00 Unavailable"]),
            ("FREEBUSY;FBTYPE=X-OUT:20260105T090000Z/PT1H", &["05 09:00-05 10:00 Busy"]),
            ("FREEBUSY;FBTYPE=FREE:20260105T090000Z/PT1H", &[]),
            (
                "FREEBUSY:20260105T100000Z/PT1H,20260105T090000Z/\r\n PT1H,20260105T120000Z/PT0S",
                &["05 09:00-05 11:00 Busy"],
            ),
            (
                "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260105T090000Z/PT3H\r\nFREEBUSY:20260105T100000Z/PT1H",
                &["05 09:00-05 10:00 Tentative", "05 10:00-05 11:00 Busy", "05 11:00-05 12:00 Tentative"],
            ),
        ] {
            assert_eq!(read(lines).unwrap_or_else(|error| panic!("{lines}: {error}")), expected, "{lines}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_free_time() {
        for lines in [
            "FREEBUSY:20260105T090000Z",
            "FREEBUSY:20260105T090000/PT1H",
            "FREEBUSY:x/y",
            "FREEBUSY:20260105/P1D",
        ] {
            assert_eq!(read(lines), Err(VFreeBusyError::Period), "{lines}");
        }
        for text in [
            "",
            "<html>",
            "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
            "BEGIN:VEVENT\r\nEND:VEVENT\r\n",
            "END:X\r\n",
        ] {
            assert!(matches!(read_vfreebusy(text), Err(VFreeBusyError::Calendar(_))), "{text}");
        }
        let cut = "BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\nFREEBUSY:20260105T090000Z/PT1H\r\n";
        assert_eq!(read_vfreebusy(cut), Err(VFreeBusyError::CutOff));
        // Times of other components are not looked at.
        let other = "BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\nBEGIN:X-Y\r\nFREEBUSY:bad\r\nEND:X-Y\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n";
        assert_eq!(read_vfreebusy(other), Ok(Vec::new()));
    }
}
