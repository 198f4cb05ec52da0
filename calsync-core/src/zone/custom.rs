//! A zone that only a VTIMEZONE defines, evaluated by arithmetic: no list of transitions is built, so a rule
//! that starts in 1601 costs no more than one that starts today.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use super::offset::UtcOffset;
use super::rule::YearlyRule;
use super::vtimezone::{ZoneError, ZoneLimits};
use super::{minus_seconds, plus_seconds};

/// The rules of one VTIMEZONE (RFC 5545 section 3.6.5).
///
/// Equality and hash look at the rules and not at the names, because two files call the same rules differently.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct CustomZone {
    tzid: String,
    observances: Vec<Observance>,
    /// The offset before the first onset, in seconds.
    #[serde(skip)]
    initial_offset: i32,
    /// The changes of the years most asked for, listed at the first question.
    #[serde(skip)]
    recent: Recent,
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
            if let Some(rule) = &mut observance.rule {
                rule.normalise();
            }
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
        Ok(Self { tzid, observances, initial_offset, recent: Recent::default() })
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
        self.recent.change_before(self, instant).unwrap_or_else(|| self.find_change_before(instant))
    }

    fn find_change_before(&self, instant: DateTime<Utc>) -> (Option<NaiveDateTime>, i32) {
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

/// The years whose changes are listed once, so that a definition of many odd rules cannot slow down every time
/// that uses it. Other years are worked out each time.
const RECENT_YEARS: std::ops::Range<i32> = 2000..2041;

/// The changes of [`RECENT_YEARS`] in order, each in UTC with the offset from then on; the first is the last one
/// before these years, or none.
#[derive(Clone, Default)]
struct Recent(OnceLock<Vec<(Option<NaiveDateTime>, i32)>>);

impl Recent {
    fn change_before(
        &self,
        zone: &CustomZone,
        instant: DateTime<Utc>,
    ) -> Option<(Option<NaiveDateTime>, i32)> {
        if !RECENT_YEARS.contains(&instant.year()) {
            return None;
        }
        let changes = self.0.get_or_init(|| Self::list(zone));
        let after = changes.partition_point(|(onset, _)| onset.is_none_or(|o| o <= instant.naive_utc()));
        changes.get(after.checked_sub(1)?).copied()
    }

    fn list(zone: &CustomZone) -> Vec<(Option<NaiveDateTime>, i32)> {
        let begin =
            |year| NaiveDate::from_ymd_opt(year, 1, 1).map_or(NaiveDateTime::MIN, NaiveDateTime::from);
        let (begin, end) = (begin(RECENT_YEARS.start), begin(RECENT_YEARS.end));
        let mut changes = vec![zone.find_change_before(begin.and_utc())];
        for observance in &zone.observances {
            let recent = |onset: &NaiveDateTime| begin < *onset && *onset < end;
            let onsets = observance.onsets(RECENT_YEARS.start - 1..=RECENT_YEARS.end);
            changes.extend(onsets.filter(recent).map(|onset| (Some(onset), observance.offset_to)));
        }
        // The sort is stable: of two at the same instant the later in the file stays last and counts.
        changes.sort_by_key(|(onset, _)| *onset);
        changes
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recent")
    }
}

impl Eq for CustomZone {}

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

    /// The start and the RDATEs, and the onsets of the rule in these years, in UTC and in no order.
    fn onsets(&self, years: RangeInclusive<i32>) -> impl Iterator<Item = NaiveDateTime> + '_ {
        let until = self.rule.as_ref().and_then(|rule| rule.until).map(|until| until.naive_utc());
        let of_rule = self.rule.iter().flat_map(move |rule| {
            let years = years.clone().filter(|year| rule.has_turn(self.start, *year));
            years.flat_map(|year| rule.onsets_of_year(self.start, year))
        });
        let of_rule = of_rule.filter(|onset| *onset > self.start);
        let of_rule = of_rule.map(|onset| minus_seconds(onset, self.offset_from));
        let single = [self.start].into_iter().chain(self.rdates.iter().copied());
        single
            .map(|onset| minus_seconds(onset, self.offset_from))
            .chain(of_rule.filter(move |onset| until.is_none_or(|until| *onset <= until)))
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
