//! One rule of a set as a stream of instances in order of their instants.

use super::budget::Steps;
use super::calendar::CalendarRule;
use super::civil::{DAY, day_number, local_seconds};
use super::exact::ExactRule;
use super::plan::{AllDay, Plan};
use super::rule::{RecurrenceRule, Until};
use super::zone::{ZoneCursor, ZoneRules};
use std::collections::VecDeque;

/// The wall clock and the instant of a moment, in seconds; equal where there is no zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) instant: i64,
    pub(super) local: i64,
}

/// Whether the stream stands for an RRULE, which always begins with DTSTART, or for an EXRULE, which does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Include,
    Exclude,
}

enum Source<Z> {
    Calendar(CalendarRule),
    Exact(ExactRule<Z>),
}

/// UNTIL, made comparable.
#[derive(Clone, Copy, Debug)]
enum Bound {
    None,
    Local(i64),
    Instant(i64),
}

impl Bound {
    fn new(until: Option<Until>, all_day: AllDay, zoned: bool) -> Self {
        let end_of = |date| day_number(date) * DAY + DAY - 1;
        match until {
            None => Self::None,
            Some(Until::Date(date)) => Self::Local(end_of(date)),
            Some(Until::Local(local)) if all_day == AllDay::Yes => Self::Local(end_of(local.date())),
            Some(Until::Utc(instant)) if all_day == AllDay::Yes => Self::Local(end_of(instant.date_naive())),
            Some(Until::Local(local)) => Self::Local(local_seconds(local)),
            Some(Until::Utc(instant)) if zoned => Self::Instant(instant.timestamp()),
            Some(Until::Utc(instant)) => Self::Local(instant.timestamp()),
        }
    }

    fn admits(self, moment: Moment) -> bool {
        match self {
            Self::None => true,
            Self::Local(until) => moment.local <= until,
            Self::Instant(until) => moment.instant <= until,
        }
    }

    /// A wall-clock time after which nothing is admitted.
    fn ceiling(self) -> i64 {
        match self {
            Self::None => i64::MAX,
            Self::Local(until) => until,
            Self::Instant(until) => until.saturating_add(2 * DAY),
        }
    }
}

/// What every rule of a set is expanded against.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) start: Moment,
    pub(super) all_day: AllDay,
    /// Instants wanted: from (inclusive) and until (exclusive).
    pub(super) window: (i64, i64),
}

pub(super) struct RuleStream<Z> {
    source: Source<Z>,
    zone: ZoneCursor<Z>,
    start: Moment,
    bound: Bound,
    /// How many instances COUNT still allows.
    left: Option<u64>,
    start_pending: bool,
    /// Instances moved forward out of a gap, waiting for their turn.
    moved: VecDeque<Moment>,
    ahead: Option<Moment>,
}

impl<Z: ZoneRules + Copy> RuleStream<Z> {
    /// A stream placed at the window. `None` when the budget is used up on the way there.
    pub(super) fn new(
        rule: &RecurrenceRule,
        frame: Frame,
        zone: Option<Z>,
        role: Role,
        steps: &mut Steps,
    ) -> Option<Self> {
        let plan = Plan::new(rule, frame.start.local, frame.all_day);
        let bound = Bound::new(rule.until, frame.all_day, zone.is_some());
        let (from, until) = frame.window;
        let mut cursor = ZoneCursor::new(zone);
        let start = frame.start;
        let include = role == Role::Include;
        // DTSTART itself is the first of COUNT.
        let mut left = rule.count.map(|count| u64::from(count).saturating_sub(u64::from(include)));
        let enough = left.unwrap_or(u64::MAX);
        let after = i64::from(include);
        let source = if rule.frequency.is_sub_daily() {
            let ceiling = until.min(bound.ceiling().saturating_add(2 * DAY));
            let own = ZoneCursor::new(zone);
            let mut rule = ExactRule::new(plan, own, start.instant, start.instant + after, ceiling);
            match &mut left {
                _ if from <= start.instant => {}
                Some(left) => *left = left.saturating_sub(rule.count_before(from, enough, steps)?),
                None => rule.seek(from),
            }
            Source::Exact(rule)
        } else {
            let ceiling = until.saturating_add(2 * DAY).min(bound.ceiling());
            let mut rule = CalendarRule::new(plan, start.local + after, ceiling);
            let floor = if from > start.instant { cursor.earliest_local(from) } else { i64::MIN };
            if floor > start.local {
                if let Some(left) = &mut left {
                    *left = left.saturating_sub(rule.count_before(floor, enough, steps)?);
                }
                rule.seek(floor);
            }
            Source::Calendar(rule)
        };
        Some(Self {
            source,
            zone: cursor,
            start,
            bound,
            left,
            start_pending: include,
            moved: VecDeque::new(),
            ahead: None,
        })
    }

    /// The next instance, in order of instants. Two may be equal: a local time moved out of a gap and its neighbour.
    pub(super) fn next(&mut self, steps: &mut Steps) -> Option<Moment> {
        if self.start_pending {
            self.start_pending = false;
            return Some(self.start);
        }
        loop {
            let next = match self.ahead.take() {
                Some(next) => Some((next, false)),
                None => self.generate(steps),
            };
            match next {
                Some((moment, true)) => self.moved.push_back(moment),
                Some((moment, false)) => match self.moved.front() {
                    Some(waiting) if waiting.instant <= moment.instant => {
                        self.ahead = Some(moment);
                        return self.moved.pop_front();
                    }
                    _ => return Some(moment),
                },
                None => return self.moved.pop_front(),
            }
        }
    }

    /// The next candidate that COUNT and UNTIL admit, and whether it was moved out of a gap.
    fn generate(&mut self, steps: &mut Steps) -> Option<(Moment, bool)> {
        loop {
            if self.left == Some(0) {
                return None;
            }
            steps.spend(1)?;
            let (moment, nominal, gap) = match &mut self.source {
                Source::Calendar(rule) => {
                    let local = rule.next(steps)?;
                    let (mut instant, gap) = self.zone.instant_of(local);
                    if local == self.start.local && !gap {
                        // Of two equal times the one that DTSTART is: an EXRULE may take it away.
                        instant = self.start.instant;
                    }
                    let shown = if gap { instant + self.zone.offset_until(instant).0 } else { local };
                    (Moment { instant, local: shown }, local, gap)
                }
                Source::Exact(rule) => {
                    let (instant, local) = rule.next(steps)?;
                    (Moment { instant, local }, local, false)
                }
            };
            if let Some(left) = &mut self.left {
                *left -= 1;
            }
            // Only a DTSTART inside a gap can be overtaken.
            if moment.instant < self.start.instant {
                continue;
            }
            if self.bound.admits(Moment { instant: moment.instant, local: nominal }) {
                return Some((moment, gap));
            }
        }
    }
}
