//! A feed as busy times: `VFREEBUSY` (RFC 5545 section 3.6.4), for machines.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};

use super::{FeedOptions, feed::without_secret};
use crate::{
    availability::{BusyKind, BusyOptions, BusyTime, busy_times, merged},
    ical::write::{line::LineStyle, property},
    model::Event,
};

/// When the calendar's owner is busy in the window, merged: nothing tells one event from two. What is marked secret is left
/// out. People subscribe to [`feed`](super::feed()) instead: Google shows nothing of this form.
pub fn free_busy<E, I>(events: I, options: &FeedOptions) -> String
where
    E: Borrow<Event>,
    I: IntoIterator<Item = E>,
{
    let mut writer = FreeBusyWriter::new(options);
    for event in events {
        writer.event(event.borrow());
    }
    writer.end()
}

/// Busy times gathered before they are merged once more.
const GATHERED: usize = 4096;

/// [`free_busy`] where events come a few at a time, as from a store. It keeps the busy times, merged, and nothing of the
/// events.
#[derive(Debug)]
pub struct FreeBusyWriter {
    how: BusyOptions,
    uid: String,
    product_id: String,
    stamp: DateTime<Utc>,
    times: Vec<BusyTime>,
    merged: usize,
}

impl FreeBusyWriter {
    /// A writer of one window.
    pub fn new(options: &FeedOptions) -> Self {
        let mut how = BusyOptions::new(options.window(), options.zone.clone());
        how.owner.clone_from(&options.owner);
        how.limits = options.limits;
        Self {
            how,
            uid: super::busy_only::hidden_uid(options.key.expose(), "free-busy"),
            product_id: options.product_id.clone(),
            stamp: options.today(),
            times: Vec::new(),
            merged: 0,
        }
    }

    /// Adds the times of an event, unless it is marked secret.
    pub fn event(&mut self, event: &Event) {
        let Some(event) = without_secret(event) else { return };
        self.times.extend(busy_times([&*event], &self.how).times);
        if self.times.len() >= self.merged + GATHERED {
            self.times = merged(std::mem::take(&mut self.times));
            self.merged = self.times.len();
        }
    }

    /// The whole text.
    pub fn end(self) -> String {
        let mut out = Vec::new();
        let mut line = |line: &str| LineStyle::STANDARD.push(&mut out, line);
        line("BEGIN:VCALENDAR");
        line("VERSION:2.0");
        line(&property::plain("PRODID", &self.product_id));
        line("BEGIN:VFREEBUSY");
        line(&format!("UID:{}", self.uid));
        line(&property::instant("DTSTAMP", self.stamp));
        line(&property::instant("DTSTART", self.how.window.start));
        line(&property::instant("DTEND", self.how.window.end));
        for time in merged(self.times) {
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
}
