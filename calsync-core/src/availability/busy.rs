//! When the events of one calendar take up its owner's time.

use std::ops::Range;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::spans::{clip, strongest};
use crate::{
    model::{Event, EventBody, EventTime, FreeBusyStatus, Override, ParticipationStatus, Status, TimeSpan},
    provider::FreeBusy,
    recurrence::{ExpansionLimits, RecurrenceRule, RuleEntry, Until},
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
pub fn busy_times<'e>(events: impl IntoIterator<Item = &'e Event>, options: &BusyOptions) -> BusyTimes {
    let reach = Reach::of(&options.window);
    let mut times = Vec::new();
    let mut incomplete_series = 0;
    for event in events {
        if event.rules.is_empty() && event.overrides.is_empty() {
            let near = event.master.as_ref().filter(|body| reach.touches(&body.time));
            times.extend(near.and_then(|body| taken(&body.time, body, options)));
        } else if let Some(master) = event.master.as_ref().filter(|_| event.overrides.is_empty()) {
            let kind =
                if reach.may_repeat_into(event, master) { busy_kind(master, &options.owner) } else { None };
            let Some(kind) = kind else { continue };
            let (spans, report) = event.plain_spans(master, &options.window, &options.zone, &options.limits);
            incomplete_series += usize::from(!report.is_complete());
            times.extend(spans.iter().filter_map(|span| clip(span, &options.window)).map(|span| BusyTime {
                start: span.start,
                end: span.end,
                kind,
            }));
        } else if may_be_busy(event, options) {
            let (instances, report) = event.instances(options.window.clone(), &options.zone, &options.limits);
            incomplete_series += usize::from(!report.is_complete());
            times.extend(instances.iter().filter_map(|found| taken(&found.time, found.body, options)));
        }
    }
    BusyTimes { times: strongest(times), incomplete_series }
}

/// The busy times a provider reports. It says nothing of how firmly.
pub fn provider_busy_times(answer: &FreeBusy, window: &Range<DateTime<Utc>>) -> BusyTimes {
    let clipped = answer.busy.iter().filter_map(|(start, end)| clip(&(*start..*end), window));
    let times = clipped.map(|span| BusyTime { start: span.start, end: span.end, kind: BusyKind::Busy });
    BusyTimes { times: strongest(times.collect()), incomplete_series: 0 }
}

fn taken(time: &TimeSpan, body: &EventBody, options: &BusyOptions) -> Option<BusyTime> {
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

fn may_be_busy(event: &Event, options: &BusyOptions) -> bool {
    event.master.iter().any(|body| busy_kind(body, &options.owner).is_some())
        || event.overrides.values().any(|instance| match instance {
            Override::Changed { body, .. } => busy_kind(body, &options.owner).is_some(),
            Override::Excluded | Override::Added { .. } => false,
        })
}

/// The window on any wall clock of the world: what lies outside it lies outside the window in every zone. Most events
/// of a calendar are years away, and are told so by two comparisons.
struct Reach {
    from: NaiveDateTime,
    to: NaiveDateTime,
}

impl Reach {
    /// No zone is further from UTC than a day.
    const MARGIN: TimeDelta = TimeDelta::days(1);

    fn of(window: &Range<DateTime<Utc>>) -> Self {
        Self {
            from: window.start.naive_utc().checked_sub_signed(Self::MARGIN).unwrap_or(NaiveDateTime::MIN),
            to: window.end.naive_utc().checked_add_signed(Self::MARGIN).unwrap_or(NaiveDateTime::MAX),
        }
    }

    fn touches(&self, time: &TimeSpan) -> bool {
        local(&time.start) <= self.to && local(&time.end) >= self.from
    }

    /// Whether a series without overrides may have an instance in the window. `true` in doubt.
    fn may_repeat_into(&self, event: &Event, master: &EventBody) -> bool {
        let (start, end) = (local(&master.time.start), local(&master.time.end));
        if start > self.to {
            return false;
        }
        // On the clock: the exact length costs a look at the zone, and differs by less than a day.
        let length = (end - start).max(TimeDelta::zero()) + Self::MARGIN;
        let last = |rule: &RuleEntry| match rule {
            RuleEntry::Rule(rule) => last_start(rule, start),
            RuleEntry::Opaque { .. } => None,
        };
        let ends_before = |rule: &RuleEntry| {
            last(rule)
                .and_then(|last| last.checked_add_signed(length + Self::MARGIN))
                .is_some_and(|end| end < self.from)
        };
        self.touches(&master.time) || !event.rules.iter().all(ends_before)
    }
}

#[inline]
fn local(time: &EventTime) -> NaiveDateTime {
    time.local()
}

/// A moment no instance of a rule starts after, on the clock of the series give or take a day, where that is plain.
fn last_start(rule: &RecurrenceRule, start: NaiveDateTime) -> Option<NaiveDateTime> {
    match rule.until {
        Some(Until::Date(date)) => return date.and_hms_opt(23, 59, 59),
        Some(Until::Local(local)) => return Some(local),
        Some(Until::Utc(instant)) => return Some(instant.naive_utc()),
        None => {}
    }
    let is_plain = rule.by_second.is_empty()
        && rule.by_minute.is_empty()
        && rule.by_hour.is_empty()
        && rule.by_month_day.is_empty()
        && rule.by_year_day.is_empty()
        && rule.by_week_no.is_empty()
        && rule.by_month.is_empty()
        && rule.by_set_position.is_empty()
        && rule.unknown.is_empty();
    let days = match rule.frequency {
        crate::recurrence::Frequency::Daily if rule.by_day.is_empty() => 1,
        crate::recurrence::Frequency::Weekly => 7,
        _ => return None,
    };
    let periods = i64::from(rule.count.filter(|_| is_plain)?).checked_mul(i64::from(rule.interval))?;
    start.checked_add_signed(TimeDelta::try_days(periods.checked_mul(days)?)?)
}
