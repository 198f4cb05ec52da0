//! DAILY, WEEKLY, MONTHLY and YEARLY: expansion on the wall clock, period by period.

use super::bits::{DaySet, selected};
use super::budget::Steps;
use super::civil::{DAY, MAX_DAY};
use super::plan::Plan;

/// The candidates of a rule as wall-clock seconds, in order, each once.
pub(super) struct CalendarRule {
    plan: Plan,
    /// The period to load next.
    next_period: i64,
    days: DaySet,
    run: usize,
    /// What is left of the current run.
    mask: u32,
    run_first: i64,
    day: i64,
    /// Where to go on in `day`; past the end of the day when it is done.
    second: i64,
    /// With BYSETPOS: the candidates of the period, last first.
    chosen: Vec<i64>,
    /// Nothing before this belongs to the rule.
    first: i64,
    /// Nothing before this is wanted.
    floor: i64,
    /// Nothing after this is wanted.
    ceiling: i64,
}

impl CalendarRule {
    /// A rule that gives nothing before `first` and nothing after `ceiling`, both in wall-clock seconds.
    pub(super) fn new(plan: Plan, first: i64, ceiling: i64) -> Self {
        Self {
            first,
            plan,
            next_period: 0,
            days: DaySet::default(),
            run: 0,
            mask: 0,
            run_first: 0,
            day: 0,
            second: DAY,
            chosen: Vec::new(),
            floor: first,
            ceiling: ceiling.min((MAX_DAY + 1) * DAY - 1),
        }
    }

    /// Goes to the first candidate at or after `floor` without visiting what lies before.
    pub(super) fn seek(&mut self, floor: i64) {
        if floor > self.floor {
            self.floor = floor;
            self.next_period = self.plan.period_at(floor.div_euclid(DAY)).max(0);
            self.days.clear();
            self.run = 0;
            self.mask = 0;
            self.second = DAY;
            self.chosen.clear();
        }
    }

    /// How many candidates lie before `end`; stops counting at `enough`.
    pub(super) fn count_before(&self, end: i64, enough: u64, steps: &mut Steps) -> Option<u64> {
        let from = self.first;
        let last = self.plan.period_at(end.div_euclid(DAY));
        if end <= from || last < 0 {
            return Some(0);
        }
        let mut days = DaySet::default();
        let mut count = self.count_period(0, from, end, &mut days);
        if last > 0 {
            count += self.count_period(last, from, end, &mut days);
        }
        if let Some(constant) = self.plan.days_per_period() {
            let each = self.kept_of(constant * self.plan.times.len());
            return Some(count.saturating_add(each.saturating_mul((last - 1).max(0).unsigned_abs())));
        }
        for period in 1..last {
            if count >= enough {
                break;
            }
            steps.spend(self.plan.fill_cost())?;
            self.plan.fill(period, &mut days);
            count += self.kept_of(days.count() * self.plan.times.len());
        }
        Some(count)
    }

    fn kept_of(&self, candidates: u64) -> u64 {
        if self.plan.positions.is_empty() {
            return candidates;
        }
        let mut kept = 0;
        selected(&self.plan.positions, candidates, |_| kept += 1);
        kept
    }

    /// The candidates of one period that lie in a half-open span.
    fn count_period(&self, period: i64, from: i64, end: i64, days: &mut DaySet) -> u64 {
        self.plan.fill(period, days);
        let times = &self.plan.times;
        if self.plan.positions.is_empty() {
            let below = |at: i64| {
                let (whole, contains) = days.count_before(at.div_euclid(DAY));
                let part = if contains { times.len_before(at.rem_euclid(DAY)) } else { 0 };
                whole * times.len() + part
            };
            return below(end).saturating_sub(below(from));
        }
        let mut count = 0;
        selected(&self.plan.positions, days.count() * times.len(), |index| {
            let at = days.nth(index / times.len()) * DAY + times.nth(index % times.len());
            count += u64::from(from <= at && at < end);
        });
        count
    }

    /// The next candidate; `None` past the ceiling or when the budget is used up.
    pub(super) fn next(&mut self, steps: &mut Steps) -> Option<i64> {
        loop {
            if let Some(time) = self.plan.times.next_from(self.second) {
                self.second = time + 1;
                return Some(self.day * DAY + time).filter(|at| *at <= self.ceiling);
            }
            if self.mask != 0 {
                self.day = self.run_first + i64::from(self.mask.trailing_zeros());
                self.mask &= self.mask - 1;
                self.second = (self.floor - self.day * DAY).max(0);
                continue;
            }
            if let Some(at) = self.chosen.pop() {
                return Some(at).filter(|at| *at <= self.ceiling);
            }
            if let Some((first, mask)) = self.days.runs().get(self.run).copied() {
                self.run += 1;
                self.run_first = first;
                // Days before the floor are not looked at one by one.
                let skipped = (self.floor.div_euclid(DAY) - first).max(0);
                self.mask = if skipped < 32 { mask & (u32::MAX << skipped) } else { 0 };
                continue;
            }
            self.load(steps)?;
        }
    }

    fn load(&mut self, steps: &mut Steps) -> Option<()> {
        let first = self.plan.period_start(self.next_period);
        if first > self.ceiling.div_euclid(DAY) {
            return None;
        }
        steps.spend(self.plan.fill_cost())?;
        self.next_period += 1;
        self.plan.fill_from(first, &mut self.days);
        self.run = 0;
        if !self.plan.positions.is_empty() {
            let (times, days, floor) = (&self.plan.times, &self.days, self.floor);
            let chosen = &mut self.chosen;
            selected(&self.plan.positions, days.count() * times.len(), |index| {
                let at = days.nth(index / times.len()) * DAY + times.nth(index % times.len());
                if at >= floor {
                    chosen.push(at);
                }
            });
            chosen.reverse();
            self.days.clear();
        }
        Some(())
    }
}
