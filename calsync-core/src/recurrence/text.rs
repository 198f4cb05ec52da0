//! Rules as RFC 5545 text: a tolerant reader and a canonical writer.

use super::rule::{Frequency, RecurrenceRule, RulePart, RuleProblem, Until, Weekday, WeekdayNum};
use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A rule longer than this many bytes is refused. BYYEARDAY with all 732 values is 3.5 kB.
const MAX_TEXT: usize = 8 * 1024;

/// Why a text is not a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a usable recurrence rule: {problem}")]
pub struct RuleError {
    /// What is wrong.
    #[source]
    pub problem: RuleProblem,
}

impl From<RuleProblem> for RuleError {
    fn from(problem: RuleProblem) -> Self {
        Self { problem }
    }
}

impl RecurrenceRule {
    /// Reads the value of an RRULE or EXRULE property (RFC 5545 3.3.10).
    ///
    /// Tolerated, because the field has it: lower case, blanks, a leading `RRULE:`, a trailing `;`, parts in any
    /// order, a date or a local time in UNTIL, COUNT next to UNTIL, unknown parts (kept in
    /// [`unknown`](RecurrenceRule::unknown)), a `+` before a number.
    ///
    /// # Errors
    /// A value that is no number, does not fit (INTERVAL=0, BYMONTH=13, BYMONTHDAY=0), a part given twice with
    /// different values, control characters, no FREQ, or more than 8 KiB of text. The caller keeps the text and the event: see
    /// [`RuleEntry::read`](super::RuleEntry::read). A readable rule whose meaning is unclear is not an error here:
    /// see [`is_opaque`](RecurrenceRule::is_opaque).
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > MAX_TEXT {
            return Err(RuleProblem::TooLong.into());
        }
        let text = text.trim();
        if text.contains(char::is_control) {
            return Err(RuleProblem::Unreadable(RulePart::Other).into());
        }
        let text = match text.split_once(':') {
            Some((name, value)) if is_property_name(name) => value,
            _ => text,
        };
        let mut seen: Vec<(String, &str)> = Vec::new();
        let mut frequency = None;
        let mut rule = Self::new(Frequency::Daily);
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim().to_ascii_uppercase(), value.trim());
            if value.is_empty() {
                rule.unknown.push(part.to_owned());
                continue;
            }
            if let Some((_, earlier)) = seen.iter().find(|(known, _)| *known == name) {
                if earlier.eq_ignore_ascii_case(value) {
                    continue;
                }
                return Err(RuleProblem::Duplicate(part_named(&name)).into());
            }
            match name.as_str() {
                "FREQ" => frequency = Some(read_frequency(value)?),
                "INTERVAL" => rule.interval = read_number(value, RulePart::Interval)?,
                "COUNT" => rule.count = Some(read_number(value, RulePart::Count)?),
                "UNTIL" => rule.until = Some(read_until(value)?),
                "BYSECOND" => rule.by_second = read_list(value, RulePart::BySecond)?,
                "BYMINUTE" => rule.by_minute = read_list(value, RulePart::ByMinute)?,
                "BYHOUR" => rule.by_hour = read_list(value, RulePart::ByHour)?,
                "BYDAY" => rule.by_day = read_days(value)?,
                "BYMONTHDAY" => rule.by_month_day = read_list(value, RulePart::ByMonthDay)?,
                "BYYEARDAY" => rule.by_year_day = read_list(value, RulePart::ByYearDay)?,
                "BYWEEKNO" => rule.by_week_no = read_list(value, RulePart::ByWeekNo)?,
                "BYMONTH" => rule.by_month = read_list(value, RulePart::ByMonth)?,
                "BYSETPOS" => rule.by_set_position = read_list(value, RulePart::BySetPos)?,
                "WKST" => rule.week_start = read_weekday(value, RulePart::Wkst)?,
                _ => rule.unknown.push(part.to_owned()),
            }
            seen.push((name, value));
        }
        rule.frequency = frequency.ok_or(RuleProblem::NoFrequency)?;
        let out_of_range = |problem: &RuleProblem| matches!(problem, RuleProblem::OutOfRange(_));
        match rule.problems().into_iter().find(out_of_range) {
            Some(problem) => Err(problem.into()),
            None => Ok(rule),
        }
    }
}

impl FromStr for RecurrenceRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Self::parse(text)
    }
}

fn is_property_name(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case("RRULE") || name.trim().eq_ignore_ascii_case("EXRULE")
}

fn part_named(name: &str) -> RulePart {
    match name {
        "FREQ" => RulePart::Freq,
        "INTERVAL" => RulePart::Interval,
        "COUNT" => RulePart::Count,
        "UNTIL" => RulePart::Until,
        "BYSECOND" => RulePart::BySecond,
        "BYMINUTE" => RulePart::ByMinute,
        "BYHOUR" => RulePart::ByHour,
        "BYDAY" => RulePart::ByDay,
        "BYMONTHDAY" => RulePart::ByMonthDay,
        "BYYEARDAY" => RulePart::ByYearDay,
        "BYWEEKNO" => RulePart::ByWeekNo,
        "BYMONTH" => RulePart::ByMonth,
        "BYSETPOS" => RulePart::BySetPos,
        "WKST" => RulePart::Wkst,
        _ => RulePart::Other,
    }
}

fn read_frequency(text: &str) -> Result<Frequency, RuleError> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "SECONDLY" => Frequency::Secondly,
        "MINUTELY" => Frequency::Minutely,
        "HOURLY" => Frequency::Hourly,
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        _ => return Err(RuleProblem::Unreadable(RulePart::Freq).into()),
    })
}

/// A number of the part's type: digits that do not fit are out of range, anything else is unreadable.
fn read_number<N: TryFrom<i64>>(text: &str, part: RulePart) -> Result<N, RuleError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RuleProblem::Unreadable(part).into());
    }
    let number = text.parse::<i64>().ok().and_then(|number| N::try_from(number).ok());
    number.ok_or(RuleProblem::OutOfRange(part).into())
}

fn read_list<N: TryFrom<i64> + Ord>(text: &str, part: RulePart) -> Result<Vec<N>, RuleError> {
    let mut list = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        list.push(read_number(item, part)?);
    }
    tidy(&mut list);
    if list.is_empty() { Err(RuleProblem::Unreadable(part).into()) } else { Ok(list) }
}

/// The order of a list has no meaning, nor has saying something twice.
pub(super) fn tidy<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

fn read_days(text: &str) -> Result<Vec<WeekdayNum>, RuleError> {
    let mut days = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let letters = item.find(|c: char| c.is_ascii_alphabetic());
        let at = letters.ok_or(RuleProblem::Unreadable(RulePart::ByDay))?;
        let (number, name) = item.split_at(at);
        let number = number.trim();
        let ordinal = if number.is_empty() { None } else { Some(read_number(number, RulePart::ByDay)?) };
        days.push(WeekdayNum { weekday: read_weekday(name, RulePart::ByDay)?, ordinal });
    }
    tidy(&mut days);
    if days.is_empty() { Err(RuleProblem::Unreadable(RulePart::ByDay).into()) } else { Ok(days) }
}

const NAMES: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

fn read_weekday(text: &str, part: RulePart) -> Result<Weekday, RuleError> {
    let found = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text.trim()));
    found.map(|index| Weekday::ALL[index]).ok_or(RuleProblem::Unreadable(part).into())
}

fn read_until(text: &str) -> Result<Until, RuleError> {
    let text = text.to_ascii_uppercase();
    let read = || {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let date = text.get(..8).filter(|date| digits(date))?;
        let date = NaiveDate::parse_from_str(date, "%Y%m%d").ok()?;
        let rest = text.get(8..)?;
        if rest.is_empty() {
            return Some(Until::Date(date));
        }
        let time = rest.strip_prefix('T')?;
        let (time, utc) = match time.strip_suffix('Z') {
            Some(time) => (time, true),
            None => (time, false),
        };
        if time.len() != 6 || !digits(time) {
            return None;
        }
        let field = |at: usize| time.get(at..at + 2)?.parse::<u32>().ok();
        let local = date.and_hms_opt(field(0)?, field(2)?, field(4)?.min(59))?;
        Some(if utc { Until::Utc(local.and_utc()) } else { Until::Local(local) })
    };
    read().ok_or(RuleProblem::Unreadable(RulePart::Until).into())
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secondly => "SECONDLY",
            Self::Minutely => "MINUTELY",
            Self::Hourly => "HOURLY",
            Self::Daily => "DAILY",
            Self::Weekly => "WEEKLY",
            Self::Monthly => "MONTHLY",
            Self::Yearly => "YEARLY",
        })
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES[self.from_monday() as usize])
    }
}

impl fmt::Display for WeekdayNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ordinal) = self.ordinal {
            write!(f, "{ordinal}")?;
        }
        self.weekday.fmt(f)
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = |local: NaiveDateTime| local.format("%Y%m%dT%H%M%S");
        match self {
            Self::Date(date) => date.format("%Y%m%d").fmt(f),
            Self::Local(time) => local(*time).fmt(f),
            Self::Utc(instant) => write!(f, "{}Z", local(instant.naive_utc())),
        }
    }
}

/// The RFC 5545 text, parts in the order of the grammar, defaults left out, [`unknown`](RecurrenceRule::unknown) last.
impl fmt::Display for RecurrenceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FREQ={}", self.frequency)?;
        if let Some(until) = &self.until {
            write!(f, ";UNTIL={until}")?;
        }
        if let Some(count) = self.count {
            write!(f, ";COUNT={count}")?;
        }
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        write_list(f, "BYSECOND", &self.by_second)?;
        write_list(f, "BYMINUTE", &self.by_minute)?;
        write_list(f, "BYHOUR", &self.by_hour)?;
        write_list(f, "BYDAY", &self.by_day)?;
        write_list(f, "BYMONTHDAY", &self.by_month_day)?;
        write_list(f, "BYYEARDAY", &self.by_year_day)?;
        write_list(f, "BYWEEKNO", &self.by_week_no)?;
        write_list(f, "BYMONTH", &self.by_month)?;
        write_list(f, "BYSETPOS", &self.by_set_position)?;
        if self.week_start != Weekday::Monday {
            write!(f, ";WKST={}", self.week_start)?;
        }
        for part in &self.unknown {
            // The fields are public: what would end the part or the line is not let through.
            f.write_str(";")?;
            for c in part.chars().filter(|c| *c != ';' && !c.is_control()) {
                fmt::Write::write_char(f, c)?;
            }
        }
        Ok(())
    }
}

fn write_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, list: &[T]) -> fmt::Result {
    for (index, item) in list.iter().enumerate() {
        if index == 0 { write!(f, ";{name}={item}")? } else { write!(f, ",{item}")? }
    }
    Ok(())
}

/// A rule of a series: read, or kept as text because it cannot be read.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every entry is a rule: a box would only add an allocation"
)]
pub enum RuleEntry {
    /// A rule. It may still be opaque: see [`RecurrenceRule::is_opaque`].
    Rule(RecurrenceRule),
    /// A text that is no rule; written back as it came.
    Opaque {
        /// The property value as it was read.
        text: String,
        /// Why it is not a rule.
        problem: RuleProblem,
    },
}

impl RuleEntry {
    /// Reads a rule and keeps the text if it cannot be read, so that a series never loses its rule.
    pub fn read(text: &str) -> Self {
        match RecurrenceRule::parse(text) {
            Ok(rule) => Self::Rule(rule),
            Err(RuleError { problem }) => Self::Opaque { text: text.to_owned(), problem },
        }
    }

    /// The fatal problem of the rule, if it has one.
    pub fn fatal_problem(&self) -> Option<RuleProblem> {
        match self {
            Self::Rule(rule) => rule.fatal_problem(),
            Self::Opaque { problem, .. } => Some(*problem),
        }
    }
}

impl From<RecurrenceRule> for RuleEntry {
    fn from(rule: RecurrenceRule) -> Self {
        Self::Rule(rule)
    }
}

impl fmt::Display for RuleEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => rule.fmt(f),
            Self::Opaque { text, .. } => f.write_str(text),
        }
    }
}

/// The text of an unreadable rule came from outside and stays out of logs.
impl fmt::Debug for RuleEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => rule.fmt(f),
            Self::Opaque { problem, .. } => {
                f.debug_struct("Opaque").field("problem", problem).finish_non_exhaustive()
            }
        }
    }
}
