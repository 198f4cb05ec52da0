//! Busy-only events as most are: a time, perhaps a rule, nothing of their own. Written without being made first.
//!
//! A feed of many is written twice as fast for it; the bytes are the same, which a test holds it to.

use std::io::Write as _;

use super::busy_only::{hidden_uid, plain_rule, shell};
use super::feed::component;
use super::{Detail, FeedOptions};
use crate::{
    availability::{BusyKind, busy_kind},
    ical::write::{Head, line::LineStyle, property, zones::ZoneNames},
    model::{Event, EventTime, Fold, Privacy, TimeSpan},
    zone::Zone,
};

/// What such events have in common.
#[derive(Debug)]
pub(super) struct Plain {
    /// The line of the stamp.
    stamp: Vec<u8>,
    /// What comes after the times, by whether it is tentative, and by whether it takes whole days.
    tails: [[Vec<u8>; 2]; 2],
}

/// Whether an event was dealt with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dealt {
    /// It was written, or shows nothing.
    Yes,
    /// There is more to it.
    No,
}

impl Plain {
    /// `None` where details are shown.
    pub(super) fn of(options: &FeedOptions) -> Option<Self> {
        if options.detail != Detail::BusyOnly {
            return None;
        }
        let mut stamp = Vec::new();
        LineStyle::STANDARD.push(&mut stamp, &property::instant("DTSTAMP", options.today()));
        let day = options.today().date_naive();
        let tail = |kind, time: EventTime| {
            let body = shell(TimeSpan { start: time.clone(), end: time }, kind, &options.busy_title);
            let head = Head { uid: "", recurrence_id: None, stamp: None };
            let (mut lines, mut out) = (Vec::new(), Vec::new());
            component(&head, &body, Vec::new(), &mut ZoneNames::default(), &mut lines);
            let after = lines.iter().position(|line| line.starts_with("DTEND")).map_or(0, |end| end + 1);
            for line in &lines[after..] {
                LineStyle::STANDARD.push(&mut out, line);
            }
            out
        };
        let tails = [BusyKind::Busy, BusyKind::Tentative]
            .map(|kind| [tail(kind, EventTime::Utc(options.today())), tail(kind, EventTime::Date(day))]);
        Some(Self { stamp, tails })
    }

    /// Writes an event that is in the window, if there is no more to it than that.
    pub(super) fn write(
        &self,
        event: &Event,
        options: &FeedOptions,
        zones: &mut ZoneNames,
        out: &mut Vec<u8>,
    ) -> Dealt {
        let Some(body) =
            event.master.as_ref().filter(|_| event.overrides.is_empty() && event.excluded_rules.is_empty())
        else {
            return Dealt::No;
        };
        if ![&body.time.start, &body.time.end].into_iter().all(is_plain) {
            return Dealt::No;
        }
        if body.privacy == Some(Privacy::Secret) {
            return Dealt::Yes;
        }
        let Some(kind) = busy_kind(body, &options.owner) else { return Dealt::Yes };
        let style = LineStyle::STANDARD;
        out.extend_from_slice(b"BEGIN:VEVENT\r\nUID:");
        out.extend_from_slice(hidden_uid(options.key.expose(), &event.uid).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.stamp);
        if body.sequence > 0 {
            // Writing to a vector does not fail.
            let _ = write!(out, "SEQUENCE:{}\r\n", body.sequence);
        }
        style.push(out, &property::time("DTSTART", &body.time.start, zones));
        style.push(out, &property::time("DTEND", &body.time.end, zones));
        for rule in event.rules.iter().filter_map(plain_rule).filter(|rule| rule.fatal_problem().is_none()) {
            style.push(out, &property::rule("RRULE", &rule, &body.time.start));
        }
        let (tentative, days) = (kind == BusyKind::Tentative, body.time.is_all_day());
        out.extend_from_slice(&self.tails[usize::from(tentative)][usize::from(days)]);
        Dealt::Yes
    }
}

/// Whether a time is written as it is.
fn is_plain(time: &EventTime) -> bool {
    !matches!(
        time,
        EventTime::Zoned { zone: Zone::Custom(_), .. } | EventTime::Zoned { fold: Fold::Second, .. }
    )
}
