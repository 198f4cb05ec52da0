//! A rule made ready for expansion: lists become bit sets, what the rule leaves out comes from DTSTART.

use super::civil::{DAY, civil, day_of, first_week, month_length, weekday, year_length};
use super::rule::{Frequency, RecurrenceRule};

/// A set of times of day, as three bit sets whose product it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeSet {
    pub(super) hours: u32,
    pub(super) minutes: u64,
    pub(super) seconds: u64,
    /// The only time in the set, if it has one: the usual case, and worth being quick.
    single: Option<i64>,
}

impl TimeSet {
    pub(super) fn new(hours: u32, minutes: u64, seconds: u64) -> Self {
        let mut set = Self { hours, minutes, seconds, single: None };
        if set.len() == 1 {
            set.single = set.next_from(0);
        }
        set
    }

    pub(super) fn len(&self) -> u64 {
        u64::from(self.hours.count_ones())
            * u64::from(self.minutes.count_ones())
            * u64::from(self.seconds.count_ones())
    }

    /// The first time at or after a second of the day.
    pub(super) fn next_from(&self, second_of_day: i64) -> Option<i64> {
        if let Some(single) = self.single {
            return (single >= second_of_day).then_some(single);
        }
        if !(0..DAY).contains(&second_of_day) {
            return None;
        }
        let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
        let (hours, minutes, seconds) = (u64::from(self.hours), self.minutes, self.seconds);
        let time = |h: i64, m: i64, s: i64| Some(h * 3_600 + m * 60 + s);
        if has(hours, hour) {
            if has(minutes, minute)
                && let Some(second) = bit_from(seconds, second)
            {
                return time(hour, minute, second);
            }
            if let Some(minute) = bit_from(minutes, minute + 1) {
                return time(hour, minute, bit_from(seconds, 0)?);
            }
        }
        time(bit_from(hours, hour + 1)?, bit_from(minutes, 0)?, bit_from(seconds, 0)?)
    }

    /// How many times lie before a second of the day.
    pub(super) fn len_before(&self, second_of_day: i64) -> u64 {
        let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
        let below = |set: u64, n: i64| u64::from((set & ((1u64 << n.min(63)) - 1)).count_ones());
        let per_minute = u64::from(self.seconds.count_ones());
        let per_hour = u64::from(self.minutes.count_ones()) * per_minute;
        let mut count = below(u64::from(self.hours), hour) * per_hour;
        if has(u64::from(self.hours), hour) {
            count += below(self.minutes, minute) * per_minute;
            if has(self.minutes, minute) {
                count += below(self.seconds, second);
            }
        }
        count
    }

    /// The time at an index, in order; the index is below [`len`](Self::len).
    pub(super) fn nth(&self, index: u64) -> i64 {
        let per_minute = u64::from(self.seconds.count_ones()).max(1);
        let per_hour = u64::from(self.minutes.count_ones()).max(1) * per_minute;
        nth_bit(u64::from(self.hours), index / per_hour) * 3_600
            + nth_bit(self.minutes, index % per_hour / per_minute) * 60
            + nth_bit(self.seconds, index % per_minute)
    }
}

pub(super) fn has(set: u64, bit: i64) -> bool {
    bit < 64 && set >> bit & 1 == 1
}

/// The lowest member at or above `from`.
pub(super) fn bit_from(set: u64, from: i64) -> Option<i64> {
    if from >= 64 {
        return None;
    }
    let rest = set >> from;
    (rest != 0).then(|| from + i64::from(rest.trailing_zeros()))
}

fn nth_bit(mut set: u64, index: u64) -> i64 {
    for _ in 0..index {
        set &= set.wrapping_sub(1);
    }
    i64::from(set.trailing_zeros().min(63))
}

/// Days of one period, in order: up to twelve runs of up to 31 days each.
#[derive(Clone, Debug, Default)]
pub(super) struct DaySet {
    runs: [(i64, u32); 12],
    len: usize,
}

impl DaySet {
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn push(&mut self, first_day: i64, mask: u32) {
        if mask != 0 && self.len < self.runs.len() {
            self.runs[self.len] = (first_day, mask);
            self.len += 1;
        }
    }

    pub(super) fn runs(&self) -> &[(i64, u32)] {
        &self.runs[..self.len]
    }

    pub(super) fn count(&self) -> u64 {
        self.runs().iter().map(|(_, mask)| u64::from(mask.count_ones())).sum()
    }

    /// How many days lie before a day, and whether the day itself is in the set.
    pub(super) fn count_before(&self, day: i64) -> (u64, bool) {
        let (mut count, mut contains) = (0, false);
        for (first, mask) in self.runs() {
            let below = (day - first).clamp(0, 32) as u32;
            let kept = if below == 32 { *mask } else { mask & ((1u32 << below) - 1) };
            count += u64::from(kept.count_ones());
            contains |= (0..32).contains(&(day - first)) && mask >> (day - first) & 1 == 1;
        }
        (count, contains)
    }

    pub(super) fn nth(&self, mut index: u64) -> i64 {
        for (first, mask) in self.runs() {
            let ones = u64::from(mask.count_ones());
            if index < ones {
                return first + nth_bit(u64::from(*mask), index);
            }
            index -= ones;
        }
        0
    }
}

/// A signed list (1 is the first, -1 the last) as two bit sets.
#[derive(Clone, Copy, Debug)]
struct Signed<const WORDS: usize> {
    forward: [u64; WORDS],
    backward: [u64; WORDS],
    given: bool,
}

impl<const WORDS: usize> Signed<WORDS> {
    fn new<T: Copy + Into<i64>>(list: &[T]) -> Self {
        let mut set = Self { forward: [0; WORDS], backward: [0; WORDS], given: !list.is_empty() };
        for item in list {
            let number: i64 = (*item).into();
            let side = if number > 0 { &mut set.forward } else { &mut set.backward };
            let at = number.unsigned_abs() as usize;
            if at / 64 < WORDS {
                side[at / 64] |= 1 << (at % 64);
            }
        }
        set
    }

    /// Whether number `at` of `length` is in the list.
    fn contains(&self, at: u32, length: u32) -> bool {
        let test = |side: &[u64; WORDS], at: u32| side[at as usize / 64] >> (at % 64) & 1 == 1;
        test(&self.forward, at) || test(&self.backward, length + 1 - at)
    }
}

/// Which of the candidates of a period BYSETPOS keeps: indices into the `len` candidates, in order.
pub(super) fn selected(positions: &[i16], len: u64, mut keep: impl FnMut(u64)) {
    let mut last = None;
    // Positions are sorted: the negative ones first, so two walks merged by value give the order.
    let (negative, positive) = positions.split_at(positions.partition_point(|p| *p < 0));
    let mut negative =
        negative.iter().filter_map(|p| len.checked_sub(u64::from(p.unsigned_abs()))).peekable();
    let mut positive =
        positive.iter().map(|p| u64::from(p.unsigned_abs()) - 1).filter(|p| *p < len).peekable();
    loop {
        let next = match (negative.peek(), positive.peek()) {
            (Some(a), Some(b)) if a <= b => negative.next(),
            (Some(_), None) => negative.next(),
            (_, Some(_)) => positive.next(),
            (None, None) => return,
        };
        if next != last
            && let Some(index) = next
        {
            keep(index);
        }
        last = next;
    }
}

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
            start_year,
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
            Frequency::Yearly => day_of(self.start_year.saturating_add(moved).min(1_000_000), 1, 1),
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
        days.clear();
        let first = self.period_start(index);
        match self.frequency {
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
        if self.weeks.given {
            let mut allowed = [0u32; 12];
            self.mark_weeks(year, &year_bits, &mut allowed);
            intersect(&mut months, &allowed);
        }
        for (mask, first) in months.iter().zip(&firsts) {
            days.push(*first, *mask);
        }
    }

    /// BYWEEKNO: the days of the calendar year whose week bears one of the numbers. The first and the last days of a
    /// year may lie in a week of the year before or after; they go by that week's number.
    fn mark_weeks(&self, year: i64, bits: &Year<'_>, allowed: &mut [u32; 12]) {
        for week_year in year - 1..=year + 1 {
            let start = first_week(week_year, self.week_start);
            let weeks = (first_week(week_year + 1, self.week_start) - start) / 7;
            let numbers = match week_year - year {
                -1 => weeks - 1..weeks,
                0 => 0..weeks,
                _ => 0..1,
            };
            for number in numbers {
                if self.weeks.contains(number as u32 + 1, weeks as u32) {
                    for day in 0..7 {
                        bits.set(allowed, start + number * 7 + day);
                    }
                }
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
