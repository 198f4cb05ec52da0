//! A rule made ready for expansion: lists become bit sets, what the rule leaves out comes from DTSTART.

use super::bits::{DaySet, Signed, TimeSet};
use super::civil::{DAY, civil, day_of, first_week, month_length, weekday, year_length};
use super::rule::{Frequency, RecurrenceRule};

/// A rule without a fatal problem, compiled for one DTSTART.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) frequency: Frequency,
    pub(super) interval: i64,
    /// DTSTART in wall-clock seconds.
    pub(super) start: i64,
    pub(super) times: TimeSet,
    /// Sub-daily rules: whether BYHOUR, BYMINUTE, BYSECOND are given.
    pub(super) given: [bool; 3],
    pub(super) positions: Vec<i16>,
    /// With BYWEEKNO the year DTSTART's week belongs to.
    start_year: i64,
    start_month: u32,
    week_start: u32,
    /// Bit n is month n; 0 is every month.
    months: u16,
    month_days: Signed<1>,
    year_days: Signed<6>,
    weeks: Signed<1>,
    days_given: bool,
    /// For each weekday of the first of a month: the days of the month on a plain BYDAY weekday.
    plain: [u32; 7],
    /// Ordinal and weekday.
    ordinals: Vec<(i64, u32)>,
    /// Ordinals count within the year (YEARLY without BYMONTH), not the month.
    ordinals_in_year: bool,
}

impl Plan {
    /// Compiles a rule that has no fatal problem. `all_day` ignores BYHOUR, BYMINUTE and BYSECOND (RFC 5545 3.3.10).
    pub(super) fn new(rule: &RecurrenceRule, start: i64, all_day: AllDay) -> Self {
        use Frequency::{Monthly, Weekly, Yearly};
        let start_day = start.div_euclid(DAY);
        let (start_year, start_month, start_of_month) = civil(start_day);
        let implied = |frequency: Frequency| rule.frequency == frequency && rule.by_day.is_empty();
        let mut months = rule.by_month.iter().fold(0u16, |set, month| set | 1 << (month & 15));
        let mut month_days = Signed::new(&rule.by_month_day);
        let mut plain_days = 0u8;
        let mut ordinals = Vec::new();
        for day in &rule.by_day {
            match day.ordinal.filter(|_| rule.has_ordinals()) {
                Some(ordinal) => ordinals.push((i64::from(ordinal), day.weekday.from_monday())),
                None => plain_days |= 1 << day.weekday.from_monday(),
            }
        }
        let mut days_given = !rule.by_day.is_empty();
        let no_day_part = rule.by_month_day.is_empty() && rule.by_year_day.is_empty();
        if implied(Weekly) || (implied(Yearly) && no_day_part && !rule.by_week_no.is_empty()) {
            plain_days = 1 << weekday(start_day);
            days_given = true;
        } else if (implied(Monthly) && no_day_part)
            || (implied(Yearly) && no_day_part && rule.by_week_no.is_empty())
        {
            month_days = Signed::new(&[i64::from(start_of_month)]);
            if rule.frequency == Yearly && months == 0 {
                months = 1 << start_month;
            }
        }
        let mut plain = [0u32; 7];
        for (first, pattern) in plain.iter_mut().enumerate() {
            *pattern = (0..31)
                .filter(|day| plain_days >> ((first + day) % 7) & 1 == 1)
                .fold(0, |pattern, day| pattern | 1 << day);
        }
        let given = match all_day {
            AllDay::Yes => [false; 3],
            AllDay::No => [!rule.by_hour.is_empty(), !rule.by_minute.is_empty(), !rule.by_second.is_empty()],
        };
        let of_day = start.rem_euclid(DAY);
        let bits = |list: &[u8], given: bool, own: i64| {
            let listed = list.iter().fold(0u64, |set, item| set | 1 << (*item).min(59));
            if given { listed } else { 1 << own }
        };
        let mut positions = rule.by_set_position.clone();
        super::text::tidy(&mut positions);
        Self {
            frequency: rule.frequency,
            interval: i64::from(rule.interval.max(1)),
            start,
            times: TimeSet::new(
                bits(&rule.by_hour, given[0], of_day / 3_600) as u32,
                bits(&rule.by_minute, given[1], of_day / 60 % 60),
                bits(&rule.by_second, given[2], of_day % 60),
            ),
            given,
            positions,
            start_year: if rule.by_week_no.is_empty() {
                start_year
            } else {
                week_year(start_day, rule.week_start.from_monday())
            },
            start_month,
            week_start: rule.week_start.from_monday(),
            months,
            month_days,
            year_days: Signed::new(&rule.by_year_day),
            weeks: Signed::new(&rule.by_week_no),
            days_given,
            plain,
            ordinals,
            ordinals_in_year: rule.frequency == Yearly && rule.by_month.is_empty(),
        }
    }

    /// The first day of period `index`; period 0 holds DTSTART.
    pub(super) fn period_start(&self, index: i64) -> i64 {
        let moved = index.saturating_mul(self.interval);
        let start_day = self.start.div_euclid(DAY);
        match self.frequency {
            Frequency::Weekly => self.first_day_of_week(start_day).saturating_add(moved.saturating_mul(7)),
            Frequency::Monthly => {
                let (year, month) = self.month_at(moved);
                day_of(year, month, 1)
            }
            Frequency::Yearly => {
                let year = self.start_year.saturating_add(moved).min(1_000_000);
                if self.weeks.given { first_week(year, self.week_start) } else { day_of(year, 1, 1) }
            }
            _ => start_day.saturating_add(moved),
        }
    }

    /// The index of the last period that begins on or before a day; negative before DTSTART's.
    pub(super) fn period_at(&self, day: i64) -> i64 {
        let start_day = self.start.div_euclid(DAY);
        let (year, month, _) = civil(day);
        let units = match self.frequency {
            Frequency::Weekly => (day - self.first_day_of_week(start_day)).div_euclid(7),
            Frequency::Monthly => {
                (year - self.start_year) * 12 + i64::from(month) - i64::from(self.start_month)
            }
            Frequency::Yearly if self.weeks.given => week_year(day, self.week_start) - self.start_year,
            Frequency::Yearly => year - self.start_year,
            _ => day - start_day,
        };
        units.div_euclid(self.interval)
    }

    fn first_day_of_week(&self, day: i64) -> i64 {
        day - i64::from((weekday(day) + 7 - self.week_start) % 7)
    }

    fn month_at(&self, moved: i64) -> (i64, u32) {
        let months =
            (self.start_year * 12 + i64::from(self.start_month) - 1).saturating_add(moved).min(12_000_000);
        (months.div_euclid(12), months.rem_euclid(12) as u32 + 1)
    }

    /// The days of period `index`, before BYSETPOS.
    pub(super) fn fill(&self, index: i64, days: &mut DaySet) {
        self.fill_from(self.period_start(index), days);
    }

    /// The days of the period that begins on day `first`, before BYSETPOS.
    pub(super) fn fill_from(&self, first: i64, days: &mut DaySet) {
        days.clear();
        match self.frequency {
            Frequency::Yearly if self.weeks.given => self.fill_weeks(first, days),
            Frequency::Yearly => self.fill_year(first, days),
            Frequency::Monthly => {
                let (year, month, _) = civil(first);
                if self.allows_month(month) {
                    days.push(first, self.month_mask(year, month, first));
                }
            }
            Frequency::Weekly => {
                let mut mask = self.plain[weekday(first) as usize] & 0x7f;
                if self.months != 0 {
                    for day in 0..7 {
                        if !self.allows_month(civil(first + day).1) {
                            mask &= !(1 << day);
                        }
                    }
                }
                days.push(first, mask);
            }
            _ => days.push(first, u32::from(self.allows_day(first))),
        }
    }

    /// How much a call of [`fill`](Self::fill) costs, in steps.
    pub(super) fn fill_cost(&self) -> u64 {
        if self.frequency == Frequency::Yearly { 12 } else { 1 }
    }

    pub(super) fn allows_month(&self, month: u32) -> bool {
        self.months == 0 || self.months >> month & 1 == 1
    }

    /// Whether BYMONTH, BYMONTHDAY, BYYEARDAY and plain BYDAY let a day pass: what DAILY and finer rules filter by.
    pub(super) fn allows_day(&self, day: i64) -> bool {
        if self.days_given && self.plain[weekday(day) as usize] & 1 == 0 {
            return false;
        }
        if self.months == 0 && !self.month_days.given && !self.year_days.given {
            return true;
        }
        let (year, month, of_month) = civil(day);
        self.allows_month(month)
            && (!self.month_days.given || self.month_days.contains(of_month, month_length(year, month)))
            && (!self.year_days.given
                || self.year_days.contains((day - day_of(year, 1, 1)) as u32 + 1, year_length(year)))
    }

    /// True when no part filters days.
    pub(super) fn allows_every_day(&self) -> bool {
        !self.days_given && self.months == 0 && !self.month_days.given && !self.year_days.given
    }

    /// BYMONTHDAY and BYDAY within one month; bit 0 is the first.
    fn month_mask(&self, year: i64, month: u32, first: i64) -> u32 {
        let length = month_length(year, month);
        let mut mask = u32::MAX >> (32 - length);
        if self.month_days.given {
            let forward = (self.month_days.forward[0] >> 1) as u32;
            let backward = (self.month_days.backward[0] >> 1) as u32;
            mask &= forward | (backward.reverse_bits() >> (32 - length));
        }
        if self.days_given && !self.ordinals_in_year {
            let first_weekday = weekday(first);
            let mut days = self.plain[first_weekday as usize];
            for (ordinal, on) in &self.ordinals {
                let offset = i64::from((on + 7 - first_weekday) % 7);
                let last = offset + (i64::from(length) - 1 - offset) / 7 * 7;
                let at = if *ordinal > 0 { offset + (ordinal - 1) * 7 } else { last + (ordinal + 1) * 7 };
                if (0..i64::from(length)).contains(&at) {
                    days |= 1 << at;
                }
            }
            mask &= days;
        }
        mask
    }

    fn fill_year(&self, first: i64, days: &mut DaySet) {
        let (year, ..) = civil(first);
        let mut months = [0u32; 12];
        let mut firsts = [0i64; 12];
        let mut day = first;
        for month in 1..=12 {
            let at = month as usize - 1;
            firsts[at] = day;
            if self.allows_month(month) {
                months[at] = self.month_mask(year, month, day);
            }
            day += i64::from(month_length(year, month));
        }
        let year_bits = Year { firsts: &firsts, end: day };
        if self.days_given && self.ordinals_in_year {
            let mut allowed = [0u32; 12];
            for (bits, first) in allowed.iter_mut().zip(&firsts) {
                *bits = self.plain[weekday(*first) as usize];
            }
            for (ordinal, on) in &self.ordinals {
                let earliest = first + i64::from((on + 7 - weekday(first)) % 7);
                let latest = day - 1 - i64::from((weekday(day - 1) + 7 - on) % 7);
                let found =
                    if *ordinal > 0 { earliest + (ordinal - 1) * 7 } else { latest + (ordinal + 1) * 7 };
                year_bits.set(&mut allowed, found);
            }
            intersect(&mut months, &allowed);
        }
        if self.year_days.given {
            let mut allowed = [0u32; 12];
            let length = year_length(year);
            for of_year in 1..=length {
                if self.year_days.contains(of_year, length) {
                    year_bits.set(&mut allowed, first + i64::from(of_year) - 1);
                }
            }
            intersect(&mut months, &allowed);
        }
        for (mask, first) in months.iter().zip(&firsts) {
            days.push(*first, *mask);
        }
    }

    /// The days of the weeks BYWEEKNO names. The year is the one weeks are numbered in (ISO 8601): its first and last
    /// week may have days in the calendar year before or after.
    fn fill_weeks(&self, first: i64, days: &mut DaySet) {
        let year = week_year(first, self.week_start);
        let weeks = (first_week(year + 1, self.week_start) - first) / 7;
        for number in 0..weeks {
            if self.weeks.contains(number as u32 + 1, weeks as u32) {
                let begin = first + number * 7;
                let allowed = (0..7).filter(|day| self.allows_day(begin + day));
                days.push(begin, allowed.fold(0, |mask, day| mask | 1 << day));
            }
        }
    }

    /// How many days every period holds, where that is the same for all of them.
    pub(super) fn days_per_period(&self) -> Option<u64> {
        if self.months != 0 {
            return None;
        }
        match self.frequency {
            Frequency::Daily => self.allows_every_day().then_some(1),
            Frequency::Weekly => Some(u64::from((self.plain[0] & 0x7f).count_ones())),
            _ => None,
        }
    }
}

/// The year a day's week belongs to.
fn week_year(day: i64, week_start: u32) -> i64 {
    let (year, ..) = civil(day);
    if day >= first_week(year + 1, week_start) {
        year + 1
    } else if day < first_week(year, week_start) {
        year - 1
    } else {
        year
    }
}

/// Whether a series consists of dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AllDay {
    Yes,
    No,
}

struct Year<'a> {
    firsts: &'a [i64; 12],
    end: i64,
}

impl Year<'_> {
    fn set(&self, months: &mut [u32; 12], day: i64) {
        if day >= self.firsts[0] && day < self.end {
            let at = self.firsts.partition_point(|first| *first <= day) - 1;
            months[at] |= 1 << (day - self.firsts[at]);
        }
    }
}

fn intersect(months: &mut [u32; 12], allowed: &[u32; 12]) {
    for (month, allowed) in months.iter_mut().zip(allowed) {
        *month &= allowed;
    }
}
