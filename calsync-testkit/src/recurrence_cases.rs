//! Random recurrence rules, the same for the same seed.

use calsync_core::recurrence::{Frequency, RecurrenceRule, Until, Weekday, WeekdayNum};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use crate::recurrence_oracle::StartKind;

/// One rule to expand and the span to expand it over.
#[derive(Clone, Debug)]
pub struct RecurrenceCase {
    /// What the case was made from: [`recurrence_case`] with this number gives it again.
    pub seed: u64,
    /// The rule; never one with a fatal problem.
    pub rule: RecurrenceRule,
    /// Whether DTSTART is a date.
    pub kind: StartKind,
    /// DTSTART.
    pub start: NaiveDateTime,
    /// Where to begin looking; at or after DTSTART.
    pub from: NaiveDateTime,
    /// Where to stop looking (exclusive).
    pub end: NaiveDateTime,
}

/// A small generator (SplitMix64): good enough to vary rules, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// A generator that always throws the same sequence for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1).unsigned_abs()) as i64
    }

    /// True once in `n` throws.
    pub fn one_in(&mut self, n: i64) -> bool {
        self.within(1, n) == 1
    }

    /// One to `most` numbers between `low` and `high`, sorted, each once.
    fn list(&mut self, most: i64, low: i64, high: i64) -> Vec<i64> {
        let mut list: Vec<i64> = (0..self.within(1, most)).map(|_| self.within(low, high)).collect();
        list.sort_unstable();
        list.dedup();
        list
    }

    /// As [`list`](Self::list), between -`high` and `high` without 0.
    fn signed(&mut self, most: i64, high: i64) -> Vec<i64> {
        let mut list: Vec<i64> = self.list(most, 1, high);
        for item in &mut list {
            if self.one_in(3) {
                *item = -*item;
            }
        }
        list.sort_unstable();
        list
    }
}

fn narrow<T: TryFrom<i64>>(mut list: Vec<i64>) -> Vec<T> {
    list.sort_unstable();
    list.into_iter().filter_map(|item| T::try_from(item).ok()).collect()
}

/// The case of a seed.
pub fn recurrence_case(seed: u64) -> RecurrenceCase {
    let mut dice = Dice::new(seed);
    let frequency = match dice.within(0, 9) {
        0..=2 => Frequency::Yearly,
        3..=4 => Frequency::Monthly,
        5..=6 => Frequency::Weekly,
        7 => Frequency::Daily,
        8 => [Frequency::Hourly, Frequency::Minutely][dice.within(0, 1) as usize],
        _ => [Frequency::Hourly, Frequency::Minutely, Frequency::Secondly][dice.within(0, 2) as usize],
    };
    let kind =
        if !frequency.is_sub_daily() && dice.one_in(4) { StartKind::Date } else { StartKind::DateTime };
    let start = start(&mut dice, kind);
    let mut rule = RecurrenceRule::new(frequency);
    if dice.one_in(2) {
        rule.interval = dice.within(1, if frequency.is_sub_daily() { 40 } else { 5 }) as u32;
    }
    if dice.one_in(3) {
        rule.week_start = Weekday::ALL[dice.within(0, 6) as usize];
    }
    day_parts(&mut dice, &mut rule);
    time_parts(&mut dice, &mut rule);
    if !rule_is_bare(&rule) && dice.one_in(4) {
        let high = if dice.one_in(3) { 40 } else { 5 };
        rule.by_set_position = narrow(dice.signed(2, high));
    }
    let days = match frequency {
        Frequency::Yearly => 366 * 9,
        Frequency::Monthly => 366 * 4,
        Frequency::Weekly => 600,
        Frequency::Daily => 400,
        Frequency::Hourly => 120,
        Frequency::Minutely => 7,
        Frequency::Secondly => 0,
    };
    let span = TimeDelta::days(days) + TimeDelta::hours(4);
    let end = start + span;
    let from = if dice.one_in(2) { start } else { start + span / dice.within(2, 5) as i32 };
    match dice.within(0, 5) {
        0..=1 => rule.count = Some(dice.within(1, 60) as u32),
        2 => rule.until = Some(until(&mut dice, kind, start, span)),
        _ => {}
    }
    RecurrenceCase { seed, rule, kind, start, from, end }
}

fn start(dice: &mut Dice, kind: StartKind) -> NaiveDateTime {
    let day = dice.within(0, 11_000) as u64;
    let date = NaiveDate::default() + chrono::Days::new(day + 9_000);
    let seconds = match kind {
        StartKind::Date => 0,
        // Whole hours are what people use; the last hour of a day is where carries are.
        StartKind::DateTime if dice.one_in(2) => dice.within(0, 23) * 3_600,
        StartKind::DateTime if dice.one_in(4) => 86_400 - dice.within(1, 3_600),
        StartKind::DateTime => dice.within(0, 86_399),
    };
    date.and_time(chrono::NaiveTime::MIN) + TimeDelta::seconds(seconds)
}

fn until(dice: &mut Dice, kind: StartKind, start: NaiveDateTime, span: TimeDelta) -> Until {
    let last = start + span / dice.within(1, 6) as i32;
    match dice.within(0, 2) {
        0 => Until::Date(last.date()),
        1 if kind == StartKind::DateTime => Until::Local(last),
        _ => Until::Utc(last.and_utc()),
    }
}

fn day_parts(dice: &mut Dice, rule: &mut RecurrenceRule) {
    use Frequency::{Monthly, Weekly, Yearly};
    let coarse = matches!(rule.frequency, Yearly | Monthly);
    if dice.one_in(4) {
        rule.by_month = narrow(dice.list(4, 1, 12));
    }
    if rule.frequency == Yearly && dice.one_in(4) {
        rule.by_week_no = narrow(if dice.one_in(2) {
            [vec![1], vec![53], vec![-1], vec![-53, 52], vec![1, -1]][dice.within(0, 4) as usize].clone()
        } else {
            dice.signed(4, 53)
        });
    }
    if (rule.frequency == Yearly || rule.frequency.is_sub_daily()) && dice.one_in(6) {
        rule.by_year_day = narrow(if dice.one_in(3) { vec![-366, -1, 1, 366] } else { dice.signed(8, 366) });
    }
    if rule.frequency != Weekly && dice.one_in(4) {
        rule.by_month_day = narrow(if dice.one_in(3) { vec![-31, -1, 29, 31] } else { dice.signed(8, 31) });
    }
    if dice.one_in(2) {
        let ordinals = coarse && dice.one_in(2);
        let high = if rule.frequency == Monthly || !rule.by_month.is_empty() { 5 } else { 53 };
        for _ in 0..dice.within(1, 4) {
            let ordinal =
                if ordinals && !dice.one_in(3) { dice.signed(1, high).first().copied() } else { None };
            rule.by_day.push(WeekdayNum {
                weekday: Weekday::ALL[dice.within(0, 6) as usize],
                ordinal: ordinal.map(|ordinal| ordinal as i8),
            });
        }
        rule.by_day.sort_unstable();
        rule.by_day.dedup();
    }
}

fn time_parts(dice: &mut Dice, rule: &mut RecurrenceRule) {
    if dice.one_in(6) {
        rule.by_hour = narrow(dice.list(4, 0, 23));
    }
    if dice.one_in(7) {
        rule.by_minute = narrow(dice.list(3, 0, 59));
    }
    if dice.one_in(8) {
        rule.by_second = narrow(dice.list(3, 0, 59));
    }
}

fn rule_is_bare(rule: &RecurrenceRule) -> bool {
    rule.by_second.is_empty()
        && rule.by_minute.is_empty()
        && rule.by_hour.is_empty()
        && rule.by_day.is_empty()
        && rule.by_month_day.is_empty()
        && rule.by_year_day.is_empty()
        && rule.by_week_no.is_empty()
        && rule.by_month.is_empty()
}
