//! The yearly rules of zone definitions, worked out one year at a time.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc, Weekday};
use serde::{Deserialize, Serialize};

use super::vtimezone::ZoneError;

/// A `FREQ=YEARLY` rule of the kinds zone definitions use (RFC 5545 section 3.3.10): the days selected by
/// `BYMONTH`, `BYMONTHDAY` and `BYDAY`, at the time of day of the first onset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct YearlyRule {
    /// Every how many years, counted from the year of the first onset; at least 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub interval: u32,
    /// Months 1 to 12; empty when the rule names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<u8>,
    /// Days of the month, 1 to 31, or -1 to -31 from its end; empty when the rule names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub month_days: Vec<i8>,
    /// Weekdays; empty when the rule names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<WeekdayRule>,
    /// The last instant at which an onset may lie. A `COUNT` is turned into this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// One value of `BYDAY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WeekdayRule {
    /// Which one of the month (or of the year, without months), -53 to 53, negative from the end; `None` for
    /// each one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<i8>,
    /// The day of the week.
    pub weekday: Weekday,
}

fn one() -> u32 {
    1
}

fn is_one(interval: &u32) -> bool {
    *interval == 1
}

/// So many years of a rule in a row without an onset mean that it has none: the calendar repeats after 28 years,
/// with a century year between them after 40.
const YEARS_WITHOUT_ONSET: i64 = 40;

/// More onsets in a year than any zone ever had: a rule with more is not for a zone.
const ONSETS_OF_YEAR: usize = 12;

/// The onsets of a rule with a COUNT are counted up to this year.
const LAST_COUNTED_YEAR: i32 = 2500;

impl YearlyRule {
    /// A rule for each year without an end, on days still to be named.
    pub fn yearly() -> Self {
        Self { interval: 1, months: Vec::new(), month_days: Vec::new(), weekdays: Vec::new(), until: None }
    }

    /// Puts the lists in order, without the values that are there twice.
    pub(super) fn normalise(&mut self) {
        self.months.sort_unstable();
        self.months.dedup();
        self.month_days.sort_unstable();
        self.month_days.dedup();
        self.weekdays.sort_unstable_by_key(|w| (w.ordinal, w.weekday.num_days_from_monday()));
        self.weekdays.dedup();
    }

    pub(super) fn check(&self, start: NaiveDateTime) -> Result<(), ZoneError> {
        let valid = self.interval >= 1
            && self.months.len() <= 12
            && self.month_days.len() <= 62
            && self.weekdays.len() <= 7
            && self.months.iter().all(|m| (1..=12).contains(m))
            && self.month_days.iter().all(|d| (1..=31).contains(&d.unsigned_abs()))
            && self.weekdays.iter().all(|w| w.ordinal.is_none_or(|o| (1..=53).contains(&o.unsigned_abs())));
        if !valid {
            return Err(ZoneError::Rule);
        }
        let mut years =
            (0..YEARS_WITHOUT_ONSET).map_while(|n| self.year(start, n).filter(|year| *year <= 9999));
        match years.find_map(|year| {
            self.last_day(start.date(), year, None)?;
            Some(self.onsets_of_year(start, year).len())
        }) {
            Some(onsets) if onsets <= ONSETS_OF_YEAR => Ok(()),
            _ => Err(ZoneError::Rule),
        }
    }

    /// Whether the rule has a turn in this year.
    pub(super) fn has_turn(&self, start: NaiveDateTime, year: i32) -> bool {
        let years = i64::from(year) - i64::from(start.year());
        years >= 0 && years % i64::from(self.interval) == 0
    }

    /// Whether this is the usual rule, one weekday of one month, with one onset in a year.
    fn is_nth_weekday(&self) -> bool {
        self.months.len() == 1
            && self.month_days.is_empty()
            && matches!(self.weekdays.as_slice(), [WeekdayRule { ordinal: Some(_), .. }])
    }

    /// The onsets of one year in order, those before the start among them; one more at most than are allowed.
    pub(super) fn onsets_of_year(&self, start: NaiveDateTime, year: i32) -> Vec<NaiveDateTime> {
        let mut onsets = Vec::new();
        let mut upto = None;
        while onsets.len() <= ONSETS_OF_YEAR
            && let Some(day) = self.last_day(start.date(), year, upto)
        {
            onsets.push(day.and_time(start.time()));
            if self.is_nth_weekday() {
                break;
            }
            upto = day.pred_opt();
        }
        onsets.reverse();
        onsets
    }

    /// The year of the n-th turn of the rule.
    fn year(&self, start: NaiveDateTime, turn: i64) -> Option<i32> {
        let year = i64::from(start.year()).checked_add(turn.checked_mul(i64::from(self.interval))?)?;
        i32::try_from(year).ok()
    }

    /// The onset number `count`, the start being the first; `None` when it lies after the year 2500.
    pub(super) fn nth_onset(&self, start: NaiveDateTime, count: u32) -> Option<NaiveDateTime> {
        let mut left = count.checked_sub(1)?;
        let mut last = start;
        let mut turn = 0;
        while left > 0 {
            let year = self.year(start, turn).filter(|year| *year <= LAST_COUNTED_YEAR)?;
            let onsets = self.onsets_of_year(start, year).into_iter().filter(|onset| *onset > start);
            for onset in onsets.take(left as usize) {
                last = onset;
                left -= 1;
            }
            turn += 1;
        }
        Some(last)
    }

    /// The last onset of the rule that is after the start and not after `latest`.
    pub(super) fn last_onset(&self, start: NaiveDateTime, latest: NaiveDateTime) -> Option<NaiveDateTime> {
        let years = i64::from(latest.year()) - i64::from(start.year());
        let interval = i64::from(self.interval);
        let newest = years.div_euclid(interval);
        // The time of day of a rule is fixed: before it on a day, the day's onset is still to come.
        let last_date = if latest.time() < start.time() { latest.date().pred_opt()? } else { latest.date() };
        for turn in (0..=newest).rev().take(YEARS_WITHOUT_ONSET as usize) {
            let year = self.year(start, turn)?;
            if let Some(day) = self.last_day(start.date(), year, Some(last_date)) {
                return (day > start.date()).then(|| day.and_time(start.time()));
            }
        }
        None
    }

    /// The last day the rule selects in a year, not after `upto`.
    fn last_day(&self, start: NaiveDate, year: i32, upto: Option<NaiveDate>) -> Option<NaiveDate> {
        let upto = upto.unwrap_or(NaiveDate::MAX);
        if self.months.is_empty() && self.month_days.is_empty() && !self.weekdays.is_empty() {
            let end = NaiveDate::from_ymd_opt(year, 12, 31)?;
            return self.last_weekday(end, end.ordinal(), upto);
        }
        let month = |month: u32| self.last_day_of_month(start, year, month, upto);
        if self.months.is_empty() && self.month_days.is_empty() {
            return month(start.month());
        }
        if self.months.is_empty() {
            return (1..=12).rev().find_map(month);
        }
        self.months.iter().filter_map(|m| month(u32::from(*m))).max()
    }

    fn last_day_of_month(
        &self,
        start: NaiveDate,
        year: i32,
        month: u32,
        upto: NaiveDate,
    ) -> Option<NaiveDate> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        if first > upto {
            return None;
        }
        let length = u32::from(first.num_days_in_month());
        let last = first.with_day(length)?;
        if self.month_days.is_empty() {
            if self.weekdays.is_empty() {
                return first.with_day(start.day()).filter(|day| *day <= upto);
            }
            return self.last_weekday(last, length, upto);
        }
        let mut day = last.min(upto);
        loop {
            if self.selects_month_day(day.day(), length) && self.selects_weekday(day, length) {
                return Some(day);
            }
            if day.day() == 1 {
                return None;
            }
            day = day.pred_opt()?;
        }
    }

    fn selects_month_day(&self, day: u32, length: u32) -> bool {
        self.month_days.iter().any(|wanted| {
            let wanted_day = u32::from(wanted.unsigned_abs());
            if *wanted > 0 { wanted_day == day } else { length + 1 == wanted_day + day }
        })
    }

    fn selects_weekday(&self, day: NaiveDate, length: u32) -> bool {
        let matches = |rule: &WeekdayRule| {
            rule.weekday == day.weekday()
                && rule.ordinal.is_none_or(|ordinal| {
                    let wanted = u32::from(ordinal.unsigned_abs());
                    let index = if ordinal > 0 { day.day0() } else { length - day.day() };
                    index / 7 + 1 == wanted
                })
        };
        self.weekdays.is_empty() || self.weekdays.iter().any(matches)
    }

    /// The last day that a `BYDAY` value selects in the period of `length` days that ends with `last`.
    fn last_weekday(&self, last: NaiveDate, length: u32, upto: NaiveDate) -> Option<NaiveDate> {
        let of_rule = |rule: &WeekdayRule| -> Option<NaiveDate> {
            let back = (7 + last.weekday().num_days_from_monday() - rule.weekday.num_days_from_monday()) % 7;
            // Counted back from the last day: where the last, and where the first such weekday lies.
            let first_back = back + (length - 1 - back) / 7 * 7;
            let days_back = match rule.ordinal {
                None => {
                    let excess = u32::try_from((last - upto).num_days()).unwrap_or(0).saturating_sub(back);
                    back + excess.div_ceil(7) * 7
                }
                Some(ordinal) if ordinal < 0 => back + 7 * (u32::from(ordinal.unsigned_abs()) - 1),
                Some(ordinal) => first_back.checked_sub(7 * (u32::from(ordinal.unsigned_abs()) - 1))?,
            };
            let day = last.checked_sub_signed(TimeDelta::days(i64::from(days_back)))?;
            (days_back < length && day <= upto).then_some(day)
        };
        self.weekdays.iter().filter_map(of_rule).max()
    }
}
