//! The offsets of one zone of the database, read from its TZif file (RFC 9636).

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Weekday};
use tz::timezone::{AlternateTime, LocalTimeType, RuleDay, TransitionRule};

/// Offsets are less than a day, in seconds: so near are a local time and the instant it means.
const DAY: i64 = 86_400;
/// The first year whose changes are worked out anew for each question, where a rule at the end of the file says them.
const FAR_YEAR: i32 = 2100;
/// The beginning of that year in Unix seconds.
const FAR: i64 = 4_102_444_800;

/// What is in force for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Seconds east of Greenwich, daylight saving time included.
    pub(crate) offset: i32,
    /// Whether it is daylight saving time.
    pub(crate) daylight: bool,
    /// The abbreviation, such as `CEST` or `+03`.
    pub(crate) name: Box<str>,
}

/// How a local time is read, with offsets in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalOffset {
    /// The clock shows it once.
    Once(i32),
    /// The clock shows it twice: the offset at the first time and at the second.
    Twice(i32, i32),
    /// The clock leaves it out: the offset before that.
    Never(i32),
}

/// The offsets of a zone at all times.
pub(crate) struct Rules {
    /// Not empty.
    states: Box<[State]>,
    /// When each state begins, and its place among the states, in order; the first begins before all time. What the file
    /// lists, and what its rule says up to the end of [`FAR_YEAR`].
    listed: Box<[Begin]>,
    /// The rule for all time after, where there are changes still.
    rule: Option<Yearly>,
}

/// When a state begins, in Unix seconds, and which.
type Begin = (i64, usize);

/// Beginnings around the time that is asked about; not empty.
struct Periods<'a>(&'a [Begin]);

/// Two changes a year, with the places of their states.
struct Yearly {
    times: AlternateTime,
    standard: usize,
    daylight: usize,
}

impl Rules {
    /// Reads a file. `None` when it is none, or counts leap seconds.
    pub(crate) fn read(file: &[u8]) -> Option<Self> {
        let zone = tz::TimeZone::from_tz_data(file).ok()?;
        let zone = zone.as_ref();
        if !zone.leap_seconds().is_empty() {
            return None;
        }
        let mut states: Vec<State> = zone.local_time_types().iter().map(State::from).collect();
        let mut listed = vec![(i64::MIN, 0)];
        listed.extend(zone.transitions().iter().map(|t| (t.unix_leap_time(), t.local_time_type_index())));
        let rule = match zone.extra_rule() {
            Some(TransitionRule::Alternate(times)) => {
                let (standard, daylight) = (states.len(), states.len() + 1);
                states.extend([State::from(times.std()), State::from(times.dst())]);
                let rule = Yearly { times: *times, standard, daylight };
                let last = zone.transitions().last().map_or(0, |last| last.unix_leap_time());
                let from = DateTime::from_timestamp(last, 0)?.year();
                listed.extend(rule.changes(from..=FAR_YEAR).filter(|(start, _)| *start > last));
                Some(rule)
            }
            // One state for ever, the last of the list.
            Some(TransitionRule::Fixed(_)) | None => None,
        };
        let known = !states.is_empty() && listed.iter().all(|(_, state)| *state < states.len());
        known.then(|| Self { states: states.into(), listed: listed.into(), rule })
    }

    /// One state for ever.
    pub(crate) fn utc() -> Self {
        let state = State { offset: 0, daylight: false, name: "UTC".into() };
        Self { states: [state].into(), listed: [(i64::MIN, 0)].into(), rule: None }
    }

    /// What is in force at an instant, in Unix seconds.
    pub(crate) fn state_at(&self, utc: i64) -> &State {
        self.around(utc, |periods| &self.states[periods.state(periods.at(utc))])
    }

    /// The same without daylight saving time, where that is in force: the state before it that is none.
    pub(crate) fn standard_at(&self, utc: i64) -> &State {
        self.around(utc, |periods| {
            let at = periods.at(utc);
            let mut states = (0..=at).rev().map(|period| &self.states[periods.state(period)]);
            states.find(|state| !state.daylight).unwrap_or(&self.states[periods.state(at)])
        })
    }

    /// How a local time is read, in seconds since 1970 began on that clock.
    pub(crate) fn local(&self, local: i64) -> LocalOffset {
        self.around(local, |periods| {
            let near = periods.at(local.saturating_sub(DAY))..=periods.at(local.saturating_add(DAY));
            let offset = |period: usize| self.states[periods.state(period)].offset;
            if near.start() == near.end() {
                return LocalOffset::Once(offset(*near.start()));
            }
            let utc = |period: usize| local.saturating_sub(i64::from(offset(period)));
            let mut shown = near.clone().filter(|period| periods.span(*period).contains(utc(*period)));
            match (shown.next(), shown.next()) {
                (Some(only), None) => LocalOffset::Once(offset(only)),
                (Some(first), Some(second)) => LocalOffset::Twice(offset(first), offset(second)),
                (None, _) => {
                    // The clock of the time before is past its end already.
                    let over = |period: &usize| periods.span(*period).end <= utc(*period);
                    LocalOffset::Never(offset(near.clone().rev().find(over).unwrap_or(*near.start())))
                }
            }
        })
    }

    /// The time around an instant in which the offset is known to stay.
    pub(crate) fn span(&self, utc: i64) -> Span {
        self.around(utc, |periods| periods.span(periods.at(utc)))
    }

    /// Asks the periods around a time, be it of a clock or an instant.
    fn around<T>(&self, time: i64, ask: impl FnOnce(Periods<'_>) -> T) -> T {
        match &self.rule {
            Some(rule) if time >= FAR => {
                let year = DateTime::from_timestamp(time, 0).map_or(i32::MAX, |time| time.year());
                // The year before, that one, the year after.
                let mut near = [(i64::MIN, rule.standard); 7];
                let mut count = 1;
                for (place, begin) in
                    near.iter_mut().skip(1).zip(rule.changes(year.saturating_sub(1)..=year.saturating_add(1)))
                {
                    *place = begin;
                    count += 1;
                }
                ask(Periods(&near[..count]))
            }
            _ => ask(Periods(&self.listed)),
        }
    }
}

/// A half-open span of Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Span {
    fn contains(self, utc: i64) -> bool {
        (self.start..self.end).contains(&utc)
    }
}

impl Periods<'_> {
    /// The period an instant lies in.
    fn at(&self, utc: i64) -> usize {
        self.0.partition_point(|(start, _)| *start <= utc).saturating_sub(1)
    }

    fn state(&self, period: usize) -> usize {
        self.0[period].1
    }

    fn span(&self, period: usize) -> Span {
        Span { start: self.0[period].0, end: self.0.get(period + 1).map_or(i64::MAX, |(start, _)| *start) }
    }
}

impl Yearly {
    /// The changes of these years in order. Years that `chrono` does not know have none.
    fn changes(&self, years: RangeInclusive<i32>) -> impl Iterator<Item = Begin> + '_ {
        let times = &self.times;
        years.flat_map(|year| {
            let change = |day: &RuleDay, time: i32, before: &LocalTimeType, after: usize| {
                let local = day_of(day, year)?.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
                Some((local + i64::from(time) - i64::from(before.ut_offset()), after))
            };
            let mut both = [
                change(times.dst_start(), times.dst_start_time(), times.std(), self.daylight),
                change(times.dst_end(), times.dst_end_time(), times.dst(), self.standard),
            ];
            both.sort_unstable();
            both.into_iter().flatten()
        })
    }
}

/// The day of a year that a rule names (POSIX.1-2024, `TZ`).
fn day_of(day: &RuleDay, year: i32) -> Option<NaiveDate> {
    match day {
        // Counted without 29 February.
        RuleDay::Julian1WithoutLeap(day) => {
            NaiveDate::from_yo_opt(2001, u32::from(day.get()))?.with_year(year)
        }
        RuleDay::Julian0WithLeap(day) => {
            NaiveDate::from_yo_opt(year, 1)?.checked_add_signed(TimeDelta::days(i64::from(day.get())))
        }
        // The fifth is the last.
        RuleDay::MonthWeekDay(day) => {
            let weekday = Weekday::try_from((day.week_day() + 6) % 7).ok()?;
            (1..=day.week()).rev().find_map(|nth| {
                NaiveDate::from_weekday_of_month_opt(year, u32::from(day.month()), weekday, nth)
            })
        }
    }
}

impl From<&LocalTimeType> for State {
    fn from(kind: &LocalTimeType) -> Self {
        Self { offset: kind.ut_offset(), daylight: kind.is_dst(), name: kind.time_zone_designation().into() }
    }
}
