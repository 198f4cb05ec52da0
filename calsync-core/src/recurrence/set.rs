//! A recurring series: DTSTART, rules, extra and excluded dates.

use super::budget::{ExpansionLimits, LimitReached, Steps};
use super::civil::{DAY, date_time, day_number, local_seconds};
use super::expansion::Expansion;
use super::plan::AllDay;
use super::rule::RuleProblem;
use super::stream::{Frame, Moment};
use super::text::RuleEntry;
use super::zone::{ZoneCursor, ZoneRules};
use crate::model::Fold;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// DTSTART of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeriesStart<Z> {
    /// An all-day series.
    Date(NaiveDate),
    /// A wall-clock time in whatever zone the reader is in.
    Floating(NaiveDateTime),
    /// A wall-clock time in a zone. A DTSTART in UTC is one with [`chrono::Utc`] as its zone.
    Zoned(NaiveDateTime, Z),
}

/// A value of RDATE or EXDATE, or a RECURRENCE-ID. Of an RDATE;VALUE=PERIOD it is the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecurrenceDate {
    /// A date. As EXDATE of a timed series it removes every instance of that local day (RFC 5545 wants the type of
    /// DTSTART; the field has this one). As RDATE of a timed series it is that day at the time of DTSTART.
    Date(NaiveDate),
    /// A wall-clock time in the zone of the series, or floating.
    Local(NaiveDateTime),
    /// An instant. A value with a TZID of its own is resolved to this by the caller, with that zone.
    Utc(DateTime<Utc>),
}

/// What tells one instance of a series from the others: its original start, as a date, a floating time or, in a zone, an
/// instant. The zone it was written in does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecurrenceKey {
    /// Of an all-day series.
    Date(NaiveDate),
    /// Of a floating series.
    Floating(NaiveDateTime),
    /// Of a series in a zone.
    Utc(DateTime<Utc>),
}

/// One instance of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// Its identity, which stays when an override moves it.
    pub key: RecurrenceKey,
    /// Its start on the wall clock of the series; midnight for all-day. For a time the clock skips, what the clock
    /// shows instead.
    pub local: NaiveDateTime,
    /// Its start as an instant, when the series has a zone.
    pub utc: Option<DateTime<Utc>>,
}

/// The span instances must start in: from (inclusive) to (exclusive).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// Instants. A floating or all-day series has none: its wall clock is compared with the digits of these.
    Utc(Range<DateTime<Utc>>),
    /// Wall-clock times of the series.
    Local(Range<NaiveDateTime>),
}

impl Window {
    /// From an instant on, to the end of the year 9999.
    pub fn from_utc(from: DateTime<Utc>) -> Self {
        Self::Utc(from..DateTime::<Utc>::MAX_UTC)
    }

    /// Everything.
    pub fn all() -> Self {
        Self::Local(NaiveDateTime::MIN..NaiveDateTime::MAX)
    }
}

/// A recurring series, as RFC 5545 3.8.5 defines its recurrence set: DTSTART, what the rules and RDATE add, less what
/// EXRULE and EXDATE take away. Overrides (RECURRENCE-ID) are laid over the instances by their [`RecurrenceKey`]
/// elsewhere.
///
/// Where the RFC is silent or the field differs:
/// - DTSTART is always the first instance and the first of COUNT, whether or not it fits the rule. Only EXDATE or EXRULE
///   removes it. A set with only RDATE contains it too.
/// - A rule with a fatal problem adds nothing; the rest of the set is expanded and the problem reported.
/// - UNTIL as a date on a timed series includes that local day; a local UNTIL is read in the zone of the series; on
///   an all-day series only the date of UNTIL counts; a UTC UNTIL on a floating series is read as its digits.
/// - DAILY and coarser rules run on the wall clock. A local time the clock skips is moved forward as by RFC 5545
///   3.3.5 (offset before the gap); of a time shown twice the first is meant. HOURLY and finer rules run in exact time.
/// - The years of YEARLY with BYWEEKNO are those weeks are numbered in (ISO 8601, with WKST): week 1 is whole, also where
///   it begins in December, and INTERVAL and BYSETPOS go by such years. Without a BYDAY, BYMONTHDAY or BYYEARDAY the
///   weekday is DTSTART's.
/// - COUNT counts what the rule generates, before EXDATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecurrenceSet<Z> {
    /// DTSTART.
    pub start: SeriesStart<Z>,
    /// Which of two equal wall-clock times DTSTART is. Default: the first, as in RFC 5545.
    pub start_fold: Fold,
    /// RRULE; usually one.
    pub rules: Vec<RuleEntry>,
    /// EXRULE (RFC 2445; deprecated, still found).
    pub exrules: Vec<RuleEntry>,
    /// RDATE.
    pub rdates: Vec<RecurrenceDate>,
    /// EXDATE.
    pub exdates: Vec<RecurrenceDate>,
}

impl<Z: ZoneRules> RecurrenceSet<Z> {
    /// A series that consists of DTSTART alone.
    pub fn new(start: SeriesStart<Z>) -> Self {
        Self {
            start,
            start_fold: Fold::First,
            rules: Vec::new(),
            exrules: Vec::new(),
            rdates: Vec::new(),
            exdates: Vec::new(),
        }
    }

    /// The same with one more rule.
    #[must_use]
    pub fn with_rule(mut self, rule: impl Into<RuleEntry>) -> Self {
        self.rules.push(rule.into());
        self
    }

    /// The instances that start in a window, in order, each once.
    ///
    /// The cost depends on the window, not on its distance from DTSTART, except for rules with COUNT whose periods
    /// differ in length: those are counted, by the month or year.
    pub fn instances(&self, window: Window, limits: &ExpansionLimits) -> Expansion<'_, Z> {
        Expansion::new(self, window, limits)
    }

    /// The first instance: `None` when every one is excluded. The report tells whether the search was cut short.
    pub fn first_instance(&self, limits: &ExpansionLimits) -> (Option<Instance>, ExpansionReport) {
        let mut expansion = self.instances(Window::all(), limits);
        let first = expansion.next();
        (first, expansion.into_report())
    }

    /// The fatal problems of the rules, in order: RRULE first, then EXRULE.
    pub fn opaque_rules(&self) -> Vec<OpaqueRule> {
        let of = |exclude: bool, rules: &[RuleEntry]| {
            let problem = |(index, rule): (usize, &RuleEntry)| {
                let problem = self.problem_of(rule)?;
                Some(OpaqueRule { exclude, index, problem })
            };
            rules.iter().enumerate().filter_map(problem).collect::<Vec<_>>()
        };
        let mut found = of(false, &self.rules);
        found.extend(of(true, &self.exrules));
        found
    }

    pub(super) fn problem_of(&self, entry: &RuleEntry) -> Option<RuleProblem> {
        entry.fatal_problem().or_else(|| match (entry, &self.start) {
            (RuleEntry::Rule(rule), SeriesStart::Date(_)) if rule.frequency.is_sub_daily() => {
                Some(RuleProblem::SubDailyOnDate)
            }
            _ => None,
        })
    }

    pub(super) fn zone(&self) -> Option<&Z> {
        match &self.start {
            SeriesStart::Zoned(_, zone) => Some(zone),
            _ => None,
        }
    }

    pub(super) fn all_day(&self) -> AllDay {
        if matches!(self.start, SeriesStart::Date(_)) { AllDay::Yes } else { AllDay::No }
    }

    /// DTSTART as seconds, and the window as instants.
    pub(super) fn frame(&self, window: &Window) -> Frame {
        let nominal = match &self.start {
            SeriesStart::Date(date) => day_number(*date) * DAY,
            SeriesStart::Floating(local) | SeriesStart::Zoned(local, _) => local_seconds(*local),
        };
        let mut zone = ZoneCursor::new(self.zone());
        let instant = match (&self.start, self.start_fold) {
            (SeriesStart::Zoned(local, zone), Fold::Second) => zone.resolve(*local).later_instant(),
            _ => zone.instant_of(nominal).0,
        };
        let mut bound = |local: NaiveDateTime| {
            if local == NaiveDateTime::MIN || local == NaiveDateTime::MAX {
                local_seconds(local)
            } else {
                zone.instant_of(local_seconds(local)).0
            }
        };
        // A fraction of a second counts as the second after it, so that the bounds stay exact on whole seconds.
        let up =
            |instant: DateTime<Utc>| instant.timestamp() + i64::from(instant.timestamp_subsec_nanos() > 0);
        let window = match window {
            Window::Utc(range) => (up(range.start), up(range.end)),
            Window::Local(range) => (bound(range.start), bound(range.end)),
        };
        Frame { start: Moment { instant, local: nominal }, all_day: self.all_day(), window }
    }

    /// What a value of RDATE, EXDATE or RECURRENCE-ID names in this series. A date in a timed series names no single
    /// moment: `None`.
    pub fn key_of(&self, date: &RecurrenceDate) -> Option<RecurrenceKey> {
        match (&self.start, date) {
            (SeriesStart::Date(_), _) => Some(RecurrenceKey::Date(date.date())),
            (_, RecurrenceDate::Date(_)) => None,
            (SeriesStart::Floating(_), RecurrenceDate::Local(local)) => Some(RecurrenceKey::Floating(*local)),
            (SeriesStart::Floating(_), RecurrenceDate::Utc(instant)) => {
                Some(RecurrenceKey::Floating(instant.naive_utc()))
            }
            (SeriesStart::Zoned(_, zone), RecurrenceDate::Local(local)) => {
                let instant = zone.resolve(*local).instant();
                Some(RecurrenceKey::Utc(date_time(instant).and_utc()))
            }
            (SeriesStart::Zoned(..), RecurrenceDate::Utc(instant)) => Some(RecurrenceKey::Utc(*instant)),
        }
    }

    pub(super) fn instance(&self, moment: Moment) -> Instance {
        let local = date_time(moment.local);
        match &self.start {
            SeriesStart::Date(_) => Instance { key: RecurrenceKey::Date(local.date()), local, utc: None },
            SeriesStart::Floating(_) => Instance { key: RecurrenceKey::Floating(local), local, utc: None },
            SeriesStart::Zoned(..) => {
                let utc = date_time(moment.instant).and_utc();
                Instance { key: RecurrenceKey::Utc(utc), local, utc: Some(utc) }
            }
        }
    }
}

impl RecurrenceDate {
    /// The date as written.
    pub fn date(&self) -> NaiveDate {
        match self {
            Self::Date(date) => *date,
            Self::Local(local) => local.date(),
            Self::Utc(instant) => instant.date_naive(),
        }
    }
}

/// A rule of a set that was not expanded, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpaqueRule {
    /// True for an EXRULE.
    pub exclude: bool,
    /// Which of the rules, from 0.
    pub index: usize,
    /// Its fatal problem.
    pub problem: RuleProblem,
}

/// How an expansion went. The default is a complete one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpansionReport {
    /// Rules that have no clear meaning and were left out.
    pub opaque: Vec<OpaqueRule>,
    /// The limit that ended the expansion early.
    pub stopped: Option<LimitReached>,
    /// Steps of work done, see [`ExpansionLimits::steps`].
    pub steps: u64,
}

impl ExpansionReport {
    /// True when the instances are all there are.
    pub fn is_complete(&self) -> bool {
        self.opaque.is_empty() && self.stopped.is_none()
    }
}

/// Counts for a report.
impl ExpansionReport {
    pub(super) fn note_steps(&mut self, steps: &Steps) {
        self.steps = steps.used();
        if self.stopped.is_none() && steps.exceeded() {
            self.stopped = Some(LimitReached::Steps);
        }
    }
}
