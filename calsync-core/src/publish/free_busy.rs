//! A feed as busy times: `VFREEBUSY` (RFC 5545 section 3.6.4), for machines.

use std::borrow::Borrow;

use super::FeedOptions;
use crate::{
    availability::{BusyKind, BusyOptions, busy_times},
    ical::write::{line::LineStyle, property},
    model::{Event, Privacy},
};

/// When the calendar's owner is busy in the window, merged: nothing tells one event from two. What is marked secret is left
/// out. People subscribe to [`feed`](super::feed()) instead: Google shows nothing of this form.
pub fn free_busy<E, I>(events: I, options: &FeedOptions) -> String
where
    E: Borrow<Event>,
    I: IntoIterator<Item = E>,
{
    let window = options.window();
    let mut how = BusyOptions::new(window.clone(), options.zone.clone());
    how.owner.clone_from(&options.owner);
    how.limits = options.limits;
    let mut times = Vec::new();
    for event in events {
        let event: &Event = event.borrow();
        if event.body().and_then(|body| body.privacy) != Some(Privacy::Secret) {
            times.extend(busy_times([event], &how).times);
        }
    }
    let mut out = Vec::new();
    let mut line = |line: &str| LineStyle::STANDARD.push(&mut out, line);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line(&property::plain("PRODID", &options.product_id));
    line("METHOD:PUBLISH");
    line("BEGIN:VFREEBUSY");
    line(&format!("UID:{}", super::busy_only::hidden_uid(options.key.expose(), "free-busy")));
    line(&property::instant("DTSTAMP", options.today()));
    line(&property::instant("DTSTART", window.start));
    line(&property::instant("DTEND", window.end));
    for time in crate::availability::merged(times) {
        let kind = match time.kind {
            BusyKind::Busy => "BUSY",
            BusyKind::Tentative => "BUSY-TENTATIVE",
            BusyKind::Unavailable => "BUSY-UNAVAILABLE",
        };
        let form = "%Y%m%dT%H%M%SZ";
        line(&format!("FREEBUSY;FBTYPE={kind}:{}/{}", time.start.format(form), time.end.format(form)));
    }
    line("END:VFREEBUSY");
    line("END:VCALENDAR");
    // Made of strings, cut at character boundaries.
    String::from_utf8(out).unwrap_or_default()
}
