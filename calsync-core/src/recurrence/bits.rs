//! Small ordered sets as bits: times of a day, days of a period, signed lists.

use super::civil::DAY;

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

/// Days of one period, in order, in runs of up to 31 days: a run for each month, or for each week of a year.
#[derive(Clone, Debug, Default)]
pub(super) struct DaySet {
    runs: Vec<(i64, u32)>,
}

impl DaySet {
    pub(super) fn clear(&mut self) {
        self.runs.clear();
    }

    pub(super) fn push(&mut self, first_day: i64, mask: u32) {
        if mask != 0 {
            self.runs.push((first_day, mask));
        }
    }

    pub(super) fn runs(&self) -> &[(i64, u32)] {
        &self.runs
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
pub(super) struct Signed<const WORDS: usize> {
    pub(super) forward: [u64; WORDS],
    pub(super) backward: [u64; WORDS],
    /// Whether the list is there at all.
    pub(super) given: bool,
}

impl<const WORDS: usize> Signed<WORDS> {
    pub(super) fn new<T: Copy + Into<i64>>(list: &[T]) -> Self {
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
    pub(super) fn contains(&self, at: u32, length: u32) -> bool {
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
