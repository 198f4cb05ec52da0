//! Reading one VTIMEZONE component (RFC 5545 section 3.6.5), tolerant of the forms real files contain.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc, Weekday};
use thiserror::Error;

use super::custom::{CustomZone, Observance, ObservanceKind};
use super::lines::{ContentLine, ContentLines};
use super::offset::UtcOffset;
use super::rule::{WeekdayRule, YearlyRule};
use super::{minus_seconds, plus_seconds};

/// Why a zone definition cannot be used. It names the part at fault and never quotes the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// The text does not begin with `BEGIN:VTIMEZONE`.
    #[error("not a VTIMEZONE component")]
    NotVTimezone,
    /// There is no STANDARD and no DAYLIGHT part.
    #[error("the zone definition has no observance")]
    NoObservance,
    /// An offset is missing, malformed or a day or more.
    #[error("the zone definition has an invalid UTC offset")]
    Offset,
    /// DTSTART is missing, malformed or outside the years 0 to 9999.
    #[error("the zone definition has an invalid start")]
    Start,
    /// An RDATE is malformed or outside the years 0 to 9999.
    #[error("the zone definition has an invalid RDATE")]
    Rdate,
    /// An RRULE is malformed, has no onset, or is of a kind zone definitions do not use.
    #[error("the zone definition has a recurrence rule that is not supported")]
    Rule,
    /// The definition is larger than [`ZoneLimits`] allows.
    #[error("the zone definition passes a limit")]
    Limit,
}

/// How large a zone definition may be. The defaults hold the full history of every zone of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ZoneLimits {
    /// Bytes of one VTIMEZONE; default 256 KiB.
    pub text_bytes: usize,
    /// Observances of one zone; default 1000.
    pub observances: usize,
    /// Observances with a recurrence rule; default 64.
    pub rules: usize,
    /// RDATE values of one zone; default 10000.
    pub rdates: usize,
}

impl Default for ZoneLimits {
    fn default() -> Self {
        Self { text_bytes: 256 * 1024, observances: 1000, rules: 64, rdates: 10_000 }
    }
}

/// What one VTIMEZONE says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VTimezone {
    /// TZID, without quotes; empty when it is missing.
    pub tzid: String,
    /// The zone named by X-LIC-LOCATION.
    pub location: Option<String>,
    /// TZURL, a place from which the definition can be had; its end is often the name of the zone.
    pub url: Option<String>,
    /// The rules, or why they cannot be used.
    pub zone: Result<CustomZone, ZoneError>,
}

impl VTimezone {
    /// Reads a component, from `BEGIN:VTIMEZONE` to its END or the end of the text. Lines may be folded.
    ///
    /// # Errors
    /// [`ZoneError::NotVTimezone`] and [`ZoneError::Limit`]. Unusable rules are reported in
    /// [`VTimezone::zone`], because the name or location can be good without them.
    pub fn parse(text: &str) -> Result<Self, ZoneError> {
        Self::parse_with(text, &ZoneLimits::default())
    }

    /// Like [`VTimezone::parse`] with other limits.
    ///
    /// # Errors
    /// As [`VTimezone::parse`].
    pub fn parse_with(text: &str, limits: &ZoneLimits) -> Result<Self, ZoneError> {
        if text.len() > limits.text_bytes {
            return Err(ZoneError::Limit);
        }
        let mut lines = ContentLines::new(text);
        if !lines.next().is_some_and(|line| line.is("BEGIN") && line.value_is("VTIMEZONE")) {
            return Err(ZoneError::NotVTimezone);
        }
        let (mut tzid, mut location, mut url) = (String::new(), None, None);
        let mut observances = Vec::new();
        let mut part: Option<Part> = None;
        let mut foreign_depth = 0_usize;
        let mut failed = None;
        for line in lines {
            if foreign_depth > 0 {
                match () {
                    () if line.is("BEGIN") => foreign_depth += 1,
                    () if line.is("END") => foreign_depth -= 1,
                    () => {}
                }
            } else if line.is("BEGIN") {
                match ObservanceKind::from_name(line.value()) {
                    Some(kind) => finish(part.replace(Part::new(kind)), &mut observances, &mut failed),
                    None => foreign_depth = 1,
                }
            } else if line.is("END") {
                finish(part.take(), &mut observances, &mut failed);
                if line.value_is("VTIMEZONE") {
                    break;
                }
            } else if let Some(part) = &mut part {
                part.take(&line, limits, &mut failed);
            } else if line.is("TZID") {
                tzid = plain_tzid(line.value()).into_owned();
            } else if line.is("X-LIC-LOCATION") {
                location = Some(line.value().to_owned());
            } else if line.is("TZURL") {
                url = Some(line.value().to_owned());
            }
        }
        finish(part, &mut observances, &mut failed);
        let zone = match failed {
            Some(error) => Err(error),
            None => observances_of(observances)
                .and_then(|observances| CustomZone::with_limits(tzid.clone(), observances, limits)),
        };
        Ok(Self { tzid, location, url, zone })
    }
}

impl ObservanceKind {
    fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("STANDARD") {
            Some(Self::Standard)
        } else if name.eq_ignore_ascii_case("DAYLIGHT") {
            Some(Self::Daylight)
        } else {
            None
        }
    }
}

fn finish(part: Option<Part>, observances: &mut Vec<Part>, failed: &mut Option<ZoneError>) {
    if let Some(part) = part {
        // More parts than any limit could allow are not collected.
        if observances.len() >= 100_000 {
            *failed = Some(ZoneError::Limit);
        } else {
            observances.push(part);
        }
    }
}

/// An observance as its lines come in; values wait for TZOFFSETFROM, which may be the last of them.
struct Part {
    kind: ObservanceKind,
    start: Option<TimeValue>,
    offset_from: Option<i32>,
    offset_to: Option<i32>,
    rules: Vec<String>,
    rdates: Vec<TimeValue>,
    name: Option<String>,
}

impl Part {
    fn new(kind: ObservanceKind) -> Self {
        Self {
            kind,
            start: None,
            offset_from: None,
            offset_to: None,
            rules: Vec::new(),
            rdates: Vec::new(),
            name: None,
        }
    }

    fn take(&mut self, line: &ContentLine<'_>, limits: &ZoneLimits, failed: &mut Option<ZoneError>) {
        if let Err(error) = self.try_take(line, limits) {
            failed.get_or_insert(error);
        }
    }

    fn try_take(&mut self, line: &ContentLine<'_>, limits: &ZoneLimits) -> Result<(), ZoneError> {
        let value = line.value();
        if line.is("DTSTART") {
            self.start = Some(TimeValue::parse(value).ok_or(ZoneError::Start)?);
        } else if line.is("TZOFFSETFROM") {
            self.offset_from = Some(value.parse::<UtcOffset>()?.seconds());
        } else if line.is("TZOFFSETTO") {
            self.offset_to = Some(value.parse::<UtcOffset>()?.seconds());
        } else if line.is("RRULE") {
            if self.rules.len() >= limits.rules {
                return Err(ZoneError::Limit);
            }
            self.rules.push(value.to_owned());
        } else if line.is("RDATE") {
            for value in value.split(',') {
                if self.rdates.len() >= limits.rdates {
                    return Err(ZoneError::Limit);
                }
                // Of a period, the start is the onset.
                let start = value.split('/').next().unwrap_or(value);
                self.rdates.push(TimeValue::parse(start).ok_or(ZoneError::Rdate)?);
            }
        } else if line.is("TZNAME") && self.name.is_none() {
            self.name = Some(value.to_owned());
        }
        Ok(())
    }
}

/// The observances of the parts; a part with several rules gives one for each.
fn observances_of(parts: Vec<Part>) -> Result<Vec<Observance>, ZoneError> {
    let alone = parts.len() == 1;
    let mut observances = Vec::new();
    for part in parts {
        let offset_to = part.offset_to.ok_or(ZoneError::Offset)?;
        // With a single observance there is nothing before it and its start hardly matters.
        let offset_from = match part.offset_from {
            Some(offset) => offset,
            None if alone => offset_to,
            None => return Err(ZoneError::Offset),
        };
        let start = match part.start {
            Some(start) => start.local(offset_from),
            None if alone => NaiveDate::from_ymd_opt(1970, 1, 1).ok_or(ZoneError::Start)?.into(),
            None => return Err(ZoneError::Start),
        };
        let mut rules = part.rules.iter().map(|rule| parse_rule(rule, start, offset_from));
        let observance = Observance {
            kind: part.kind,
            start,
            offset_from,
            offset_to,
            rule: rules.next().transpose()?,
            rdates: part
                .rdates
                .iter()
                .map(|rdate| in_writable_years(rdate.local(offset_from)))
                .collect::<Result<_, _>>()?,
            name: part.name,
        };
        for rule in rules {
            observances.push(Observance { rule: Some(rule?), rdates: Vec::new(), ..observance.clone() });
        }
        observances.push(observance);
    }
    Ok(observances)
}

/// A time near the end of the year 9999 in UTC may be one of the year 10000 on the clock, which no text can say.
fn in_writable_years(local: NaiveDateTime) -> Result<NaiveDateTime, ZoneError> {
    if (0..=9999).contains(&local.year()) { Ok(local) } else { Err(ZoneError::Rdate) }
}

fn parse_rule(text: &str, start: NaiveDateTime, offset_from: i32) -> Result<YearlyRule, ZoneError> {
    let mut rule = YearlyRule::yearly();
    let mut count = None;
    let mut yearly = false;
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let (key, value) = part.split_once('=').ok_or(ZoneError::Rule)?;
        let (key, value) = (key.trim().to_ascii_uppercase(), value.trim());
        match key.as_str() {
            "FREQ" => yearly = value.eq_ignore_ascii_case("YEARLY"),
            "INTERVAL" => rule.interval = number(value)?,
            "COUNT" => count = Some(number::<u32>(value)?),
            "UNTIL" => rule.until = Some(TimeValue::parse(value).ok_or(ZoneError::Rule)?.end(offset_from)),
            "BYMONTH" => rule.months = list(value, number)?,
            "BYMONTHDAY" => rule.month_days = list(value, number)?,
            "BYDAY" => rule.weekdays = list(value, weekday)?,
            "WKST" => {}
            // Written by some products, and then equal to the time of DTSTART.
            "BYHOUR" if number::<u32>(value)? == start.hour() => {}
            "BYMINUTE" if number::<u32>(value)? == start.minute() => {}
            "BYSECOND" if number::<u32>(value)? == start.second() => {}
            _ => return Err(ZoneError::Rule),
        }
    }
    if !yearly || rule.interval == 0 || count == Some(0) {
        return Err(ZoneError::Rule);
    }
    if let Some(count) = count {
        rule.check(start)?;
        let last = rule.nth_onset(start, count).map(|last| minus_seconds(last, offset_from).and_utc());
        rule.until = match (last, rule.until) {
            (Some(last), Some(until)) => Some(last.min(until)),
            (last, until) => last.or(until),
        };
    }
    Ok(rule)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, ZoneError> {
    text.trim().parse().map_err(|_| ZoneError::Rule)
}

fn list<T>(text: &str, item: impl Fn(&str) -> Result<T, ZoneError>) -> Result<Vec<T>, ZoneError> {
    // Longer lists than there are days in a month, from its two ends, only repeat themselves.
    if text.split(',').count() > 62 {
        return Err(ZoneError::Limit);
    }
    text.split(',').map(item).collect()
}

fn weekday(text: &str) -> Result<WeekdayRule, ZoneError> {
    let text = text.trim();
    let split = text.len().checked_sub(2).filter(|at| text.is_char_boundary(*at)).ok_or(ZoneError::Rule)?;
    let (ordinal, day) = text.split_at(split);
    let weekday = match day.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return Err(ZoneError::Rule),
    };
    let ordinal = if ordinal.is_empty() { None } else { Some(number(ordinal)?) };
    Ok(WeekdayRule { ordinal, weekday })
}

/// A DATE or DATE-TIME value.
enum TimeValue {
    Date(NaiveDate),
    Local(NaiveDateTime),
    Utc(NaiveDateTime),
}

impl TimeValue {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_ascii() {
            return None;
        }
        let digits = |from: usize, to: usize| -> Option<u32> {
            let part = text.get(from..to)?;
            if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None }
        };
        let year = i32::try_from(digits(0, 4)?).ok()?;
        let date = NaiveDate::from_ymd_opt(year, digits(4, 6)?, digits(6, 8)?)?;
        if text.len() == 8 {
            return Some(Self::Date(date));
        }
        if !text.get(8..9)?.eq_ignore_ascii_case("T") {
            return None;
        }
        let time = date.and_time(NaiveTime::from_hms_opt(digits(9, 11)?, digits(11, 13)?, digits(13, 15)?)?);
        match text.get(15..)? {
            "" => Some(Self::Local(time)),
            "Z" | "z" => Some(Self::Utc(time)),
            _ => None,
        }
    }

    /// The time on a clock that shows `offset`.
    fn local(&self, offset: i32) -> NaiveDateTime {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN),
            Self::Local(time) => *time,
            Self::Utc(time) => plus_seconds(*time, offset),
        }
    }

    /// The last instant of an UNTIL: of a date its last second.
    fn end(&self, offset: i32) -> DateTime<Utc> {
        let local = match self {
            Self::Date(date) => plus_seconds(date.and_time(NaiveTime::MIN), 86_399),
            other => other.local(offset),
        };
        minus_seconds(local, offset).and_utc()
    }
}

/// The TZID of a VTIMEZONE without reading the rest of it; `None` when it has none.
pub(super) fn tzid_of(text: &str) -> Option<Cow<'_, str>> {
    let line = ContentLines::new(text).find(|line| line.is("TZID"))?;
    let start = line.value_start;
    Some(match line.line {
        Cow::Borrowed(line) => plain_tzid(line.get(start..)?),
        Cow::Owned(line) => Cow::Owned(plain_tzid(line.get(start..)?).into_owned()),
    })
}

/// A TZID without quotes and escapes. In a VTIMEZONE it is a TEXT value, where a comma may be written `\\,`; in the
/// parameter of a time it is not, and yet both forms are found in both places.
pub(crate) fn plain_tzid(text: &str) -> Cow<'_, str> {
    let text = text.trim().trim_matches('"').trim();
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let next = (character == '\\').then(|| characters.next()).flatten();
        plain.push(next.unwrap_or(character));
    }
    Cow::Owned(plain)
}
