//! HOURLY, MINUTELY and SECONDLY: expansion in exact time.
//!
//! The rule steps from DTSTART by so many seconds, whatever the wall clock does, so a clock set forward skips nothing
//! twice and one set back repeats its hour. Every BYxxx part is read on the wall clock at that step.

use super::bits::{TimeSet, bit_from, has, selected};
use super::budget::Steps;
use super::civil::{DAY, MAX_DAY, civil, day_of};
use super::plan::Plan;
use super::rule::Frequency;
use super::zone::{ZoneCursor, ZoneRules};

/// What finding the offset of a new span of time costs, in steps.
const LOOK_UP: u64 = 8;

/// The candidates of a rule as instants, in order, each once.
pub(super) struct ExactRule<Z> {
    plan: Plan,
    zone: ZoneCursor<Z>,
    /// DTSTART as an instant.
    start: i64,
    /// Nothing before this belongs to the rule.
    first: i64,
    /// The length of a period: 3600, 60 or 1.
    unit: i64,
    /// Seconds from one step to the next.
    step: i64,
    /// The step to look at next.
    index: i64,
    /// Candidates of the current step, last first, as (instant, wall clock).
    chosen: Vec<(i64, i64)>,
    last: i64,
    ceiling: i64,
    /// A day known to pass the day filters.
    good_day: i64,
}

impl<Z: ZoneRules> ExactRule<Z> {
    /// A rule that gives nothing before `first` and nothing after `ceiling`; all are instants.
    pub(super) fn new(plan: Plan, zone: ZoneCursor<Z>, start: i64, first: i64, ceiling: i64) -> Self {
        let unit = match plan.frequency {
            Frequency::Hourly => 3_600,
            Frequency::Minutely => 60,
            _ => 1,
        };
        let step = unit * plan.interval;
        Self {
            plan,
            zone,
            start,
            unit,
            step,
            index: 0,
            chosen: Vec::new(),
            first,
            last: first - 1,
            // A day more than the last: in some zones its end is later than in UTC.
            ceiling: ceiling.min((MAX_DAY + 2) * DAY),
            good_day: i64::MIN,
        }
    }

    fn at(&self, index: i64) -> i64 {
        self.start.saturating_add(index.saturating_mul(self.step))
    }

    /// The first step at or after an instant.
    fn step_from(&self, instant: i64) -> i64 {
        let ahead = instant.saturating_sub(self.start).max(0);
        ahead.div_euclid(self.step) + i64::from(ahead.rem_euclid(self.step) != 0)
    }

    /// Goes to the first candidate at or after `floor` without visiting what lies before.
    pub(super) fn seek(&mut self, floor: i64) {
        // The step before may still have candidates in the hour or minute it began in.
        let index = self.step_from(floor.saturating_sub(self.unit));
        if index > self.index {
            self.index = index;
            self.chosen.clear();
            self.last = floor - 1;
        }
    }

    /// The candidates one step makes, in a period of the length of the unit.
    fn times(&self, local: i64) -> TimeSet {
        let own = |set: u64, given: bool, value: i64| if given { set } else { 1 << value };
        let minute = local.rem_euclid(3_600) / 60;
        let second = local.rem_euclid(60);
        let seconds = own(self.plan.times.seconds, self.plan.given[2], second);
        match self.plan.frequency {
            Frequency::Hourly => {
                TimeSet::new(1, own(self.plan.times.minutes, self.plan.given[1], minute), seconds)
            }
            Frequency::Minutely => TimeSet::new(1, 1, seconds),
            _ => TimeSet::new(1, 1, 1),
        }
    }

    /// Where the wall clock next passes every filter, at or after `local`; `local` itself if it passes.
    fn next_passing(&mut self, local: i64) -> i64 {
        let plan = &self.plan;
        let day = local.div_euclid(DAY);
        if day != self.good_day {
            if !plan.allows_day(day) {
                let (mut year, mut month, _) = civil(day);
                if plan.allows_month(month) {
                    return (day + 1) * DAY;
                }
                // BYMONTH names at least one month, so this ends within a year.
                while !plan.allows_month(month) {
                    (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                }
                return day_of(year, month, 1) * DAY;
            }
            self.good_day = day;
        }
        if plan.given[0] {
            let hour = local.rem_euclid(DAY) / 3_600;
            let hours = u64::from(plan.times.hours);
            if !has(hours, hour) {
                return day * DAY + bit_from(hours, hour).map_or(DAY, |hour| hour * 3_600);
            }
        }
        if plan.given[1] && self.unit <= 60 {
            let minute = local.rem_euclid(3_600) / 60;
            if !has(plan.times.minutes, minute) {
                let next = bit_from(plan.times.minutes, minute).map_or(3_600, |minute| minute * 60);
                return local - local.rem_euclid(3_600) + next;
            }
        }
        if plan.given[2] && self.unit == 1 {
            let second = local.rem_euclid(60);
            if !has(plan.times.seconds, second) {
                let next = bit_from(plan.times.seconds, second).unwrap_or(60);
                return local - second + next;
            }
        }
        local
    }

    /// Moves on to a step that passes the filters; its wall clock, offset, and the end of that offset.
    fn advance(&mut self, steps: &mut Steps) -> Option<(i64, i64, i64)> {
        loop {
            let instant = self.at(self.index);
            // The period began up to a unit before the step.
            if instant > self.ceiling.saturating_add(self.unit) {
                return None;
            }
            steps.spend(1)?;
            if !self.zone.knows(instant) {
                steps.spend(LOOK_UP)?;
            }
            let (offset, until) = self.zone.offset_until(instant);
            let local = instant + offset;
            let passing = self.next_passing(local);
            if passing == local {
                return Some((local, offset, until));
            }
            let target = self.zone.first_instant_of(passing, instant).max(instant + 1);
            self.index = self.step_from(target).max(self.index + 1);
        }
    }

    /// The next candidate as (instant, wall clock).
    pub(super) fn next(&mut self, steps: &mut Steps) -> Option<(i64, i64)> {
        loop {
            while let Some((instant, local)) = self.chosen.pop() {
                if instant > self.last {
                    if instant > self.ceiling {
                        return None;
                    }
                    self.last = instant;
                    return Some((instant, local));
                }
            }
            let (local, offset, _) = self.advance(steps)?;
            self.index += 1;
            let base = local - local.rem_euclid(self.unit);
            let times = self.times(local);
            let chosen = &mut self.chosen;
            let mut add = |time: i64| chosen.push((base + time - offset, base + time));
            if self.plan.positions.is_empty() {
                let mut from = 0;
                while let Some(time) = times.next_from(from) {
                    add(time);
                    from = time + 1;
                }
            } else {
                selected(&self.plan.positions, times.len(), |index| add(times.nth(index)));
            }
            steps.spend(self.chosen.len() as u64 / 2)?;
            self.chosen.reverse();
        }
    }

    /// How many candidates lie before `end`; stops counting at `enough`. Leaves the rule at the
    /// first step whose candidates are not all counted.
    pub(super) fn count_before(&mut self, end: i64, enough: u64, steps: &mut Steps) -> Option<u64> {
        let mut count = 0u64;
        let edge = end.saturating_sub(self.unit);
        loop {
            let Some((local, offset, until)) = self.advance(steps) else {
                return if steps.exceeded() { None } else { Some(count) };
            };
            let instant = local - offset;
            if instant >= edge || count >= enough {
                return Some(count);
            }
            let times = self.times(local);
            if self.index == 0 {
                // Part of the first period may lie before DTSTART.
                let base = local - local.rem_euclid(self.unit) - offset;
                let mut all = Vec::new();
                let mut add = |time: i64| all.push(base + time);
                if self.plan.positions.is_empty() {
                    (0..times.len()).for_each(|index| add(times.nth(index)));
                } else {
                    selected(&self.plan.positions, times.len(), |index| add(times.nth(index)));
                }
                count += all.iter().filter(|at| **at >= self.first).count() as u64;
                self.index += 1;
                continue;
            }
            let each = if self.plan.positions.is_empty() {
                times.len()
            } else {
                let mut kept = 0;
                selected(&self.plan.positions, times.len(), |_| kept += 1);
                kept
            };
            // Without filters the wall clock, and so its changes, do not matter.
            let run_end = self.run_end(local).map_or(edge, |end| (end - offset).min(until).min(edge));
            let next = self.step_from(run_end).max(self.index + 1);
            count = count.saturating_add(each.saturating_mul((next - self.index).unsigned_abs()));
            self.index = next;
        }
    }

    /// Up to where, on the wall clock, every step passes the filters, given that the one at `local` does; `None` when
    /// there are no filters.
    fn run_end(&self, local: i64) -> Option<i64> {
        let end = |length: i64| Some(local - local.rem_euclid(length) + length);
        if self.plan.given[2] && self.unit == 1 {
            return Some(local + bit_run(self.plan.times.seconds, local.rem_euclid(60)));
        }
        if self.plan.given[1] && self.unit <= 60 {
            return end(60);
        }
        if self.plan.given[0] {
            return end(3_600);
        }
        if self.plan.allows_every_day() { None } else { end(DAY) }
    }
}

/// How many members follow one another from `at` on, within the minute.
fn bit_run(set: u64, at: i64) -> i64 {
    let run = i64::from((!(set >> at)).trailing_zeros());
    run.clamp(1, 60 - at)
}
