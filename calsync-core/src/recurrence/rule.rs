//! The recurrence rule as data, and what is wrong with one.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How often a rule repeats (RFC 5545 FREQ, RFC 8984 `frequency`), from the finest to the coarsest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frequency {
    /// Every `interval` seconds of exact time.
    Secondly,
    /// Every `interval` minutes of exact time.
    Minutely,
    /// Every `interval` hours of exact time.
    Hourly,
    /// Every `interval` days of the wall clock.
    Daily,
    /// Every `interval` weeks.
    Weekly,
    /// Every `interval` months.
    Monthly,
    /// Every `interval` years.
    Yearly,
}

impl Frequency {
    /// True for SECONDLY, MINUTELY and HOURLY, which step in exact time.
    pub fn is_sub_daily(self) -> bool {
        self < Self::Daily
    }
}

/// A day of the week, in the two-letter names of RFC 5545 and RFC 8984, ordered from Monday.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Weekday {
    /// Monday.
    #[default]
    #[serde(rename = "mo")]
    Monday,
    /// Tuesday.
    #[serde(rename = "tu")]
    Tuesday,
    /// Wednesday.
    #[serde(rename = "we")]
    Wednesday,
    /// Thursday.
    #[serde(rename = "th")]
    Thursday,
    /// Friday.
    #[serde(rename = "fr")]
    Friday,
    /// Saturday.
    #[serde(rename = "sa")]
    Saturday,
    /// Sunday.
    #[serde(rename = "su")]
    Sunday,
}

impl Weekday {
    /// All seven, from Monday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// 0 for Monday to 6 for Sunday.
    pub fn from_monday(self) -> u32 {
        self as u32
    }
}

impl From<chrono::Weekday> for Weekday {
    fn from(day: chrono::Weekday) -> Self {
        Self::ALL[day.num_days_from_monday() as usize]
    }
}

/// A weekday with an optional ordinal (RFC 5545 `weekdaynum`): `MO`, `2MO`, `-1FR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WeekdayNum {
    /// The weekday.
    pub weekday: Weekday,
    /// 1 is the first in the month or year, -1 the last; -53 to 53 without 0. `None` is every such weekday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<i8>,
}

/// Where a rule ends, inclusive (RFC 5545 UNTIL). Which kind fits depends on DTSTART; each kind is understood on
/// each start, see [`RecurrenceSet`](super::RecurrenceSet).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// A date: on a timed series the whole of that local day still counts.
    Date(NaiveDate),
    /// A wall-clock time without a zone, read in the zone of the series.
    Local(NaiveDateTime),
    /// An instant.
    Utc(DateTime<Utc>),
}

/// A recurrence rule (RFC 5545 3.3.10), in the words of RFC 8984 4.3.3.
///
/// Empty lists are absent parts. The fields are public and may hold anything: [`problems`](Self::problems) says what
/// is wrong, and expansion treats a rule with a fatal problem as opaque rather than guess.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecurrenceRule {
    /// FREQ.
    pub frequency: Frequency,
    /// INTERVAL: every how many periods, 1 or more. Default 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub interval: u32,
    /// COUNT: how many instances, 1 or more, DTSTART being the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// UNTIL: the last moment an instance may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// BYSECOND: 0 to 60; 60 reads as 59 (RFC 5545 3.3.12, no leap seconds here).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_second: Vec<u8>,
    /// BYMINUTE: 0 to 59.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_minute: Vec<u8>,
    /// BYHOUR: 0 to 23.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_hour: Vec<u8>,
    /// BYDAY.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_day: Vec<WeekdayNum>,
    /// BYMONTHDAY: 1 to 31 or -31 to -1, from the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_month_day: Vec<i8>,
    /// BYYEARDAY: 1 to 366 or -366 to -1, from the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_year_day: Vec<i16>,
    /// BYWEEKNO: 1 to 53 or -53 to -1, from the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_week_no: Vec<i8>,
    /// BYMONTH: 1 to 12.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_month: Vec<u8>,
    /// BYSETPOS: 1 to 366 or -366 to -1: which of the instances of one period are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_set_position: Vec<i16>,
    /// WKST: the day weeks begin with. Default Monday.
    #[serde(default, skip_serializing_if = "is_monday")]
    pub week_start: Weekday,
    /// Parts this version gives no field of their own, as they were read: `X-NAME=value`, `RSCALE=CHINESE`, `SKIP=FORWARD`,
    /// or a known part without a value. Kept for writing back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

fn one() -> u32 {
    1
}
fn is_one(value: &u32) -> bool {
    *value == 1
}
fn is_monday(day: &Weekday) -> bool {
    *day == Weekday::Monday
}

/// The part of a rule a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum RulePart {
    /// FREQ.
    Freq,
    /// INTERVAL.
    Interval,
    /// COUNT.
    Count,
    /// UNTIL.
    Until,
    /// BYSECOND.
    BySecond,
    /// BYMINUTE.
    ByMinute,
    /// BYHOUR.
    ByHour,
    /// BYDAY.
    ByDay,
    /// BYMONTHDAY.
    ByMonthDay,
    /// BYYEARDAY.
    ByYearDay,
    /// BYWEEKNO.
    ByWeekNo,
    /// BYMONTH.
    ByMonth,
    /// BYSETPOS.
    BySetPos,
    /// WKST.
    Wkst,
    /// A part without a name of its own here.
    Other,
}

/// What is wrong with a rule. [`is_fatal`](Self::is_fatal) tells whether its meaning is still clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "problem", content = "part")]
#[non_exhaustive]
pub enum RuleProblem {
    /// The text is longer than the limit of [`RecurrenceRule::parse`].
    #[error("the rule is too long")]
    TooLong,
    /// There is no FREQ part.
    #[error("the rule has no FREQ part")]
    NoFrequency,
    /// A value is not of the part's type.
    #[error("the value of {0:?} cannot be read")]
    Unreadable(RulePart),
    /// A value lies outside what RFC 5545 allows (INTERVAL=0, BYMONTH=13, BYDAY=0MO).
    #[error("a value of {0:?} is out of range")]
    OutOfRange(RulePart),
    /// A part is given twice, with different values.
    #[error("{0:?} is given twice")]
    Duplicate(RulePart),
    /// RFC 5545 forbids the part with this frequency and gives it no meaning there (WEEKLY with BYMONTHDAY).
    #[error("{0:?} has no meaning with this frequency")]
    NotAllowed(RulePart),
    /// A part whose meaning is not known and may change the set (RSCALE=CHINESE, SKIP=FORWARD).
    #[error("a rule part is not known")]
    UnknownPart,
    /// An hourly or finer rule on an all-day series.
    #[error("a rule finer than a day on an all-day series")]
    SubDailyOnDate,
    /// BYSETPOS without any other BYxxx part: it selects from the one instance of a period.
    #[error("BYSETPOS without another BY part")]
    SetPositionAlone,
    /// Both COUNT and UNTIL: whichever ends the series first does.
    #[error("both COUNT and UNTIL")]
    CountAndUntil,
    /// An ordinal weekday where RFC 5545 allows only plain ones; the ordinal is ignored (WEEKLY with 1MO).
    #[error("an ordinal weekday with this frequency")]
    OrdinalIgnored,
    /// An `X-` part, or a part without a value; it is kept and has no effect.
    #[error("a rule part is ignored")]
    PartIgnored,
}

impl RuleProblem {
    /// True when the rule has no clear meaning: it is kept as it is and not expanded.
    pub fn is_fatal(self) -> bool {
        !matches!(
            self,
            Self::CountAndUntil | Self::OrdinalIgnored | Self::PartIgnored | Self::SetPositionAlone
        )
    }
}

impl RecurrenceRule {
    /// A rule that repeats every period of `frequency` without end.
    pub fn new(frequency: Frequency) -> Self {
        Self {
            frequency,
            interval: 1,
            count: None,
            until: None,
            by_second: Vec::new(),
            by_minute: Vec::new(),
            by_hour: Vec::new(),
            by_day: Vec::new(),
            by_month_day: Vec::new(),
            by_year_day: Vec::new(),
            by_week_no: Vec::new(),
            by_month: Vec::new(),
            by_set_position: Vec::new(),
            week_start: Weekday::Monday,
            unknown: Vec::new(),
        }
    }

    /// Everything wrong with the rule, fatal or not, each problem once.
    pub fn problems(&self) -> Vec<RuleProblem> {
        let mut found = Vec::new();
        self.check_ranges(&mut found);
        self.check_combinations(&mut found);
        for part in &self.unknown {
            found.push(judge_unknown(part));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// True when the rule has no clear meaning and is therefore kept but not expanded.
    pub fn is_opaque(&self) -> bool {
        self.fatal_problem().is_some()
    }

    /// The first fatal problem.
    pub fn fatal_problem(&self) -> Option<RuleProblem> {
        self.problems().into_iter().find(|problem| problem.is_fatal())
    }

    fn check_ranges(&self, found: &mut Vec<RuleProblem>) {
        let mut check = |part, fits: bool| {
            if !fits {
                found.push(RuleProblem::OutOfRange(part));
            }
        };
        let signed = |value: i16, max: i16| value != 0 && (-max..=max).contains(&value);
        check(RulePart::Interval, self.interval != 0);
        check(RulePart::Count, self.count != Some(0));
        check(RulePart::BySecond, self.by_second.iter().all(|second| *second <= 60));
        check(RulePart::ByMinute, self.by_minute.iter().all(|minute| *minute <= 59));
        check(RulePart::ByHour, self.by_hour.iter().all(|hour| *hour <= 23));
        let ordinal = |day: &WeekdayNum| day.ordinal.is_none_or(|n| signed(i16::from(n), 53));
        check(RulePart::ByDay, self.by_day.iter().all(ordinal));
        check(RulePart::ByMonthDay, self.by_month_day.iter().all(|day| signed(i16::from(*day), 31)));
        check(RulePart::ByYearDay, self.by_year_day.iter().all(|day| signed(*day, 366)));
        check(RulePart::ByWeekNo, self.by_week_no.iter().all(|week| signed(i16::from(*week), 53)));
        check(RulePart::ByMonth, self.by_month.iter().all(|month| (1..=12).contains(month)));
        check(RulePart::BySetPos, self.by_set_position.iter().all(|position| signed(*position, 366)));
    }

    /// The notes under the table of RFC 5545 3.3.10.
    fn check_combinations(&self, found: &mut Vec<RuleProblem>) {
        use Frequency::{Daily, Monthly, Weekly, Yearly};
        if !self.by_week_no.is_empty() && self.frequency != Yearly {
            found.push(RuleProblem::NotAllowed(RulePart::ByWeekNo));
        }
        if !self.by_year_day.is_empty() && matches!(self.frequency, Daily | Weekly | Monthly) {
            found.push(RuleProblem::NotAllowed(RulePart::ByYearDay));
        }
        if !self.by_month_day.is_empty() && self.frequency == Weekly {
            found.push(RuleProblem::NotAllowed(RulePart::ByMonthDay));
        }
        if self.by_day.iter().any(|day| day.ordinal.is_some()) && !self.has_ordinals() {
            found.push(RuleProblem::OrdinalIgnored);
        }
        if self.count.is_some() && self.until.is_some() {
            found.push(RuleProblem::CountAndUntil);
        }
        if !self.by_set_position.is_empty() && !self.has_by_part() {
            found.push(RuleProblem::SetPositionAlone);
        }
    }

    /// True when ordinals in BYDAY count: MONTHLY, and YEARLY without BYWEEKNO.
    pub(super) fn has_ordinals(&self) -> bool {
        match self.frequency {
            Frequency::Monthly => true,
            Frequency::Yearly => self.by_week_no.is_empty(),
            _ => false,
        }
    }

    fn has_by_part(&self) -> bool {
        !(self.by_second.is_empty()
            && self.by_minute.is_empty()
            && self.by_hour.is_empty()
            && self.by_day.is_empty()
            && self.by_month_day.is_empty()
            && self.by_year_day.is_empty()
            && self.by_week_no.is_empty()
            && self.by_month.is_empty())
    }
}

/// An X- part and a part without a value change nothing; RSCALE=GREGORIAN and SKIP=OMIT spell out the default of
/// RFC 7529; anything else may change the set.
fn judge_unknown(part: &str) -> RuleProblem {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    let is = |expected: &str, text: &str| text.trim().eq_ignore_ascii_case(expected);
    let extension = name.trim().get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-"));
    let default = (is("RSCALE", name) && is("GREGORIAN", value)) || (is("SKIP", name) && is("OMIT", value));
    if extension || default || value.trim().is_empty() {
        RuleProblem::PartIgnored
    } else {
        RuleProblem::UnknownPart
    }
}
