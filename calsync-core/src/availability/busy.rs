//! When the events of one calendar take up its owner's time.

use std::ops::Range;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    extent::Extent,
    spans::{clip, strongest},
};
use crate::{
    model::{Event, EventBody, FreeBusyStatus, Override, ParticipationStatus, Status, TimeSpan},
    provider::FreeBusy,
    recurrence::ExpansionLimits,
    zone::Zone,
};

/// How firmly a time is taken (`FBTYPE`, RFC 5545 section 3.2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusyKind {
    /// It may be (`BUSY-TENTATIVE`).
    Tentative,
    /// Nothing takes place, and nothing is to (`BUSY-UNAVAILABLE`).
    Unavailable,
    /// Something takes place (`BUSY`).
    Busy,
}

impl BusyKind {
    pub(super) const STRONGEST_FIRST: [Self; 3] = [Self::Busy, Self::Unavailable, Self::Tentative];
}

/// A time that is taken: from its start up to, not including, its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BusyTime {
    /// The first moment.
    pub start: DateTime<Utc>,
    /// The moment after the last.
    pub end: DateTime<Utc>,
    /// How firmly.
    pub kind: BusyKind,
}

/// How the events of a calendar are read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BusyOptions {
    /// The instants asked about.
    pub window: Range<DateTime<Utc>>,
    /// The zone of the calendar: dates and floating times are read in it, so that an all-day event takes the owner's
    /// day, which has 23 or 25 hours when the clocks change.
    pub zone: Zone,
    /// The addresses of the calendar's owner, without `mailto:`; ASCII case does not count. An invitation they declined
    /// or delegated takes no time; one they have not answered, or answered with perhaps, is tentative. Default: none.
    pub owner: Vec<String>,
    /// How much the expansion of one series may do. Default: that of [`ExpansionLimits`].
    pub limits: ExpansionLimits,
}

impl BusyOptions {
    /// The defaults, with a window and a zone.
    pub fn new(window: Range<DateTime<Utc>>, zone: Zone) -> Self {
        Self { window, zone, owner: Vec::new(), limits: ExpansionLimits::default() }
    }
}

/// The busy times of one calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusyTimes {
    /// In order, none overlapping another, cut at the window.
    pub times: Vec<BusyTime>,
    /// How many series could not be expanded whole: a rule without a clear meaning, or a limit. What is known of them
    /// is in `times`; the rest is not.
    pub incomplete_series: usize,
}

/// When events take up their owner's time.
///
/// What is transparent, cancelled, declined or of no length takes none. An event that says nothing of it does: that is
/// the default of `TRANSP` (RFC 5545 section 3.8.2.7), and what is left of a private event of somebody else (PRIV-07).
///
/// Looks at every event. Who asks more than once keeps a [`BusyIndex`](super::BusyIndex).
pub fn busy_times<'e>(events: impl IntoIterator<Item = &'e Event>, options: &BusyOptions) -> BusyTimes {
    let window = Extent::of_window(&options.window);
    let mut found = Found::default();
    for event in events {
        let extent = match &event.master {
            // The most common by far, at the least cost.
            Some(body) if event.rules.is_empty() && event.overrides.is_empty() => Extent::of_time(&body.time),
            _ => Extent::of(event),
        };
        if extent.touches(window) {
            found.look_at(event, options);
        }
    }
    found.merged()
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Found {
    pub(super) times: Vec<BusyTime>,
    incomplete_series: usize,
}

impl Found {
    pub(super) fn look_at(&mut self, event: &Event, options: &BusyOptions) {
        let report = match &event.master {
            Some(body) if event.rules.is_empty() && event.overrides.is_empty() => {
                self.times.extend(taken(&body.time, body, options));
                return;
            }
            Some(master) if event.overrides.is_empty() => {
                let Some(kind) = busy_kind(master, &options.owner) else { return };
                let (spans, report) =
                    event.plain_spans(master, &options.window, &options.zone, &options.limits);
                let clipped = spans.iter().filter_map(|span| clip(span, &options.window));
                self.times.extend(clipped.map(|span| BusyTime { start: span.start, end: span.end, kind }));
                report
            }
            _ if may_be_busy(event, &options.owner) => {
                let (instances, report) =
                    event.instances(options.window.clone(), &options.zone, &options.limits);
                self.times
                    .extend(instances.iter().filter_map(|found| taken(&found.time, found.body, options)));
                report
            }
            _ => return,
        };
        self.incomplete_series += usize::from(!report.is_complete());
    }

    pub(super) fn merged(self) -> BusyTimes {
        BusyTimes { times: strongest(self.times), incomplete_series: self.incomplete_series }
    }
}

/// The busy times a provider reports.
pub fn provider_busy_times(answer: &FreeBusy, window: &Range<DateTime<Utc>>) -> BusyTimes {
    let times = answer.busy.iter().filter_map(|time| {
        let span = clip(&(time.start..time.end), window)?;
        Some(BusyTime { start: span.start, end: span.end, kind: time.kind })
    });
    BusyTimes { times: strongest(times.collect()), incomplete_series: 0 }
}

/// The time that content takes at a time.
pub(super) fn taken(time: &TimeSpan, body: &EventBody, options: &BusyOptions) -> Option<BusyTime> {
    let kind = busy_kind(body, &options.owner)?;
    let span = time.start.instant(&options.zone)..time.end.instant(&options.zone);
    let span = clip(&span, &options.window)?;
    Some(BusyTime { start: span.start, end: span.end, kind })
}

/// Whether and how firmly the content of an event takes its owner's time. `None`: it does not.
pub(crate) fn busy_kind(body: &EventBody, owner: &[String]) -> Option<BusyKind> {
    if body.status == Some(Status::Cancelled) || body.free_busy == Some(FreeBusyStatus::Free) {
        return None;
    }
    let is_owner = |address: &str| owner.iter().any(|own| own.eq_ignore_ascii_case(address));
    let answer = body.participants.iter().find(|participant| is_owner(&participant.person.address));
    match answer.map(|participant| participant.status) {
        Some(ParticipationStatus::Declined | ParticipationStatus::Delegated) => None,
        Some(ParticipationStatus::Tentative | ParticipationStatus::NeedsAction) => Some(BusyKind::Tentative),
        _ if body.status == Some(Status::Tentative) => Some(BusyKind::Tentative),
        _ => Some(BusyKind::Busy),
    }
}

/// Whether any instance of a series may take time.
pub(super) fn may_be_busy(event: &Event, owner: &[String]) -> bool {
    event.master.iter().any(|body| busy_kind(body, owner).is_some())
        || event.overrides.values().any(|instance| match instance {
            Override::Changed { body, .. } => busy_kind(body, owner).is_some(),
            Override::Excluded | Override::Added { .. } => false,
        })
}
