//! A zone that only a VTIMEZONE defines, evaluated by arithmetic: no list of transitions is built, so a rule
//! that starts in 1601 costs no more than one that starts today.

use std::hash::{Hash, Hasher};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc, Weekday};
use serde::{Deserialize, Serialize};

use super::offset::UtcOffset;
use super::vtimezone::{ZoneError, ZoneLimits};
use super::{minus_seconds, plus_seconds};

/// The rules of one VTIMEZONE (RFC 5545 section 3.6.5).
///
/// Equality and hash look at the rules and not at the names, because two files call the same rules differently.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct CustomZone {
    tzid: String,
    observances: Vec<Observance>,
    /// The offset before the first onset, in seconds.
    #[serde(skip)]
    initial_offset: i32,
}

/// One STANDARD or DAYLIGHT part: from each of its onsets on, `offset_to` is in force.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Observance {
    /// STANDARD or DAYLIGHT.
    pub kind: ObservanceKind,
    /// The first onset (DTSTART), on a clock that shows `offset_from`.
    pub start: NaiveDateTime,
    /// The offset in force until the onset (TZOFFSETFROM), in seconds east of Greenwich, less than a day.
    pub offset_from: i32,
    /// The offset in force from the onset on (TZOFFSETTO), in seconds east of Greenwich, less than a day.
    pub offset_to: i32,
    /// The further onsets, one rule at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<YearlyRule>,
    /// Single further onsets (RDATE), on a clock that shows `offset_from`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rdates: Vec<NaiveDateTime>,
    /// The abbreviation (TZNAME), such as `CEST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Which half of a zone definition an observance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObservanceKind {
    /// STANDARD.
    Standard,
    /// DAYLIGHT.
    Daylight,
}

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

impl CustomZone {
    /// A zone of these observances, within the default [`ZoneLimits`]. Control characters in the TZID are left
    /// out, because no file could hold them.
    ///
    /// # Errors
    /// [`ZoneError`] when there is none, when a value is outside the range its field names, when a rule has no
    /// onset at all, and when a limit is passed.
    pub fn new(tzid: impl Into<String>, observances: Vec<Observance>) -> Result<Self, ZoneError> {
        Self::with_limits(tzid, observances, &ZoneLimits::default())
    }

    /// Like [`CustomZone::new`] with other limits.
    ///
    /// # Errors
    /// As [`CustomZone::new`].
    pub fn with_limits(
        tzid: impl Into<String>,
        mut observances: Vec<Observance>,
        limits: &ZoneLimits,
    ) -> Result<Self, ZoneError> {
        if observances.len() > limits.observances
            || observances.iter().filter(|o| o.rule.is_some()).count() > limits.rules
            || observances.iter().map(|o| o.rdates.len()).sum::<usize>() > limits.rdates
        {
            return Err(ZoneError::Limit);
        }
        for observance in &mut observances {
            observance.check()?;
            observance.rdates.sort_unstable();
            observance.rdates.dedup();
        }
        let initial_offset = observances
            .iter()
            .min_by_key(|o| minus_seconds(o.first_onset(), o.offset_from))
            .ok_or(ZoneError::NoObservance)?
            .offset_from;
        let mut tzid = tzid.into();
        tzid.retain(|character| !character.is_control());
        Ok(Self { tzid, observances, initial_offset })
    }

    /// A zone with one offset for ever, in seconds; `None` unless it is smaller than a day.
    pub fn fixed(tzid: impl Into<String>, offset: i32) -> Option<Self> {
        let start = NaiveDate::from_ymd_opt(1970, 1, 1)?.and_time(NaiveTime::MIN);
        let observance = Observance {
            kind: ObservanceKind::Standard,
            start,
            offset_from: offset,
            offset_to: offset,
            rule: None,
            rdates: Vec::new(),
            name: None,
        };
        Self::new(tzid, vec![observance]).ok()
    }

    /// The TZID of the definition.
    pub fn tzid(&self) -> &str {
        &self.tzid
    }

    /// The observances in the order of the file, at least one.
    pub fn observances(&self) -> &[Observance] {
        &self.observances
    }

    /// The offset in force at an instant, in seconds. Before the first onset it is the `offset_from` of that one.
    pub fn offset_at(&self, instant: DateTime<Utc>) -> i32 {
        self.change_before(instant).1
    }

    /// The last onset (in UTC) not after an instant, and the offset since then.
    pub(super) fn change_before(&self, instant: DateTime<Utc>) -> (Option<NaiveDateTime>, i32) {
        let mut best: Option<(NaiveDateTime, i32)> = None;
        for observance in &self.observances {
            if let Some(onset) = observance.last_onset(instant)
                && best.is_none_or(|(other, _)| onset >= other)
            {
                best = Some((onset, observance.offset_to));
            }
        }
        (best.map(|(onset, _)| onset), best.map_or(self.initial_offset, |(_, offset)| offset))
    }

    /// The instant of a local time, by the rule of [`super::Zone::resolve`].
    pub fn resolve(&self, local: NaiveDateTime) -> DateTime<Utc> {
        const DAY: i32 = 86_400;
        // Offsets are smaller than a day, so a change that can matter lies between these two instants.
        let before = self.offset_at(minus_seconds(local, DAY).and_utc());
        let first = minus_seconds(local, before).and_utc();
        if self.offset_at(first) == before {
            return first;
        }
        let after = self.offset_at(plus_seconds(local, DAY).and_utc());
        let second = minus_seconds(local, after).and_utc();
        if self.offset_at(second) == after { second } else { first }
    }
}

impl PartialEq for CustomZone {
    fn eq(&self, other: &Self) -> bool {
        let rules = |zone: &Self| zone.observances.len();
        rules(self) == rules(other)
            && self.observances.iter().zip(&other.observances).all(|(a, b)| a.rules() == b.rules())
    }
}

impl Hash for CustomZone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for observance in &self.observances {
            observance.rules().hash(state);
        }
    }
}

/// What a serialised zone holds before its values are checked.
#[derive(Deserialize)]
struct Unchecked {
    tzid: String,
    observances: Vec<Observance>,
}

impl TryFrom<Unchecked> for CustomZone {
    type Error = ZoneError;

    fn try_from(unchecked: Unchecked) -> Result<Self, ZoneError> {
        Self::new(unchecked.tzid, unchecked.observances)
    }
}

/// What makes two observances the same: all but the abbreviation.
type Rules<'a> = (ObservanceKind, NaiveDateTime, i32, i32, Option<&'a YearlyRule>, &'a [NaiveDateTime]);

impl Observance {
    fn rules(&self) -> Rules<'_> {
        (self.kind, self.start, self.offset_from, self.offset_to, self.rule.as_ref(), &self.rdates)
    }

    fn check(&self) -> Result<(), ZoneError> {
        UtcOffset::from_seconds(self.offset_from).ok_or(ZoneError::Offset)?;
        UtcOffset::from_seconds(self.offset_to).ok_or(ZoneError::Offset)?;
        if !(0..=9999).contains(&self.start.year()) {
            return Err(ZoneError::Start);
        }
        self.rule.as_ref().map_or(Ok(()), |rule| rule.check(self.start))
    }

    fn first_onset(&self) -> NaiveDateTime {
        self.rdates.iter().copied().fold(self.start, NaiveDateTime::min)
    }

    /// The last onset not after the instant, in UTC.
    fn last_onset(&self, instant: DateTime<Utc>) -> Option<NaiveDateTime> {
        let local = plus_seconds(instant.naive_utc(), self.offset_from);
        let mut onset = (self.start <= local).then_some(self.start);
        if let Some(rdate) = self.rdates.partition_point(|r| *r <= local).checked_sub(1) {
            onset = onset.max(self.rdates.get(rdate).copied());
        }
        if let Some(rule) = &self.rule
            && self.start <= local
        {
            let until = rule.until.map(|u| plus_seconds(u.naive_utc(), self.offset_from));
            let latest = until.map_or(local, |u| u.min(local));
            onset = onset.max(rule.last_onset(self.start, latest));
        }
        onset.map(|onset| minus_seconds(onset, self.offset_from))
    }
}

impl YearlyRule {
    /// A rule for each year without an end, on days still to be named.
    pub fn yearly() -> Self {
        Self { interval: 1, months: Vec::new(), month_days: Vec::new(), weekdays: Vec::new(), until: None }
    }

    pub(super) fn check(&self, start: NaiveDateTime) -> Result<(), ZoneError> {
        let valid = self.interval >= 1
            && self.months.len() <= 12
            && self.month_days.len() <= 62
            && self.weekdays.len() <= 371
            && self.months.iter().all(|m| (1..=12).contains(m))
            && self.month_days.iter().all(|d| (1..=31).contains(&d.unsigned_abs()))
            && self.weekdays.iter().all(|w| w.ordinal.is_none_or(|o| (1..=53).contains(&o.unsigned_abs())));
        if !valid {
            return Err(ZoneError::Rule);
        }
        let years = (0..YEARS_WITHOUT_ONSET).filter_map(|n| self.year(start, n));
        let mut years = years.take_while(|year| *year <= 9999);
        // A rule that ends in the year it starts may leave DTSTART alone.
        if self.until.is_some() || years.any(|year| self.last_day(start.date(), year, None).is_some()) {
            Ok(())
        } else {
            Err(ZoneError::Rule)
        }
    }

    /// The year of the n-th turn of the rule.
    fn year(&self, start: NaiveDateTime, turn: i64) -> Option<i32> {
        let year = i64::from(start.year()).checked_add(turn.checked_mul(i64::from(self.interval))?)?;
        i32::try_from(year).ok()
    }

    /// The onset number `count`, the start being the first; `None` when it lies after the year 9999.
    pub(super) fn nth_onset(&self, start: NaiveDateTime, count: u32) -> Option<NaiveDateTime> {
        let mut left = count.checked_sub(1)?;
        let mut last = start;
        let mut turn = 0;
        while left > 0 {
            let year = self.year(start, turn).filter(|year| *year <= 9999)?;
            let end = NaiveDate::from_ymd_opt(year, 12, 31)?.and_time(start.time());
            // The days of one year, from the last to the first.
            let mut onsets: Vec<NaiveDateTime> = Vec::new();
            let mut upto = end;
            while let Some(day) = self.last_day(start.date(), year, Some(upto.date())) {
                let onset = day.and_time(start.time());
                if onset <= last {
                    break;
                }
                onsets.push(onset);
                upto = onset.checked_sub_signed(TimeDelta::days(1))?;
            }
            for onset in onsets.into_iter().rev().take(left as usize) {
                last = onset;
                left -= 1;
            }
            turn += 1;
        }
        Some(last)
    }

    /// The last onset of the rule that is after the start and not after `latest`.
    fn last_onset(&self, start: NaiveDateTime, latest: NaiveDateTime) -> Option<NaiveDateTime> {
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
