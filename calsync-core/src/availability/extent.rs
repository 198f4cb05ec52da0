//! From when to when events can take place: most events of a calendar are years away from any question.

use std::ops::Range;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::{
    model::{Event, EventTime, Override, OverrideScope, RecurrenceId, TimeSpan},
    recurrence::{Frequency, RecurrenceRule, RuleEntry, Until},
};

/// Seconds of the Unix clock, both included; wide enough for every zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    from: i64,
    to: i64,
}

/// No zone is further from UTC than a day.
const MARGIN: i64 = 24 * 60 * 60;

impl Extent {
    /// That of nothing.
    pub(super) const NEVER: Self = Self { from: i64::MAX, to: i64::MIN };

    pub(super) fn of_window(window: &Range<DateTime<Utc>>) -> Self {
        Self { from: window.start.timestamp(), to: window.end.timestamp().saturating_add(1) }
    }

    #[inline]
    pub(super) fn touches(self, other: Self) -> bool {
        self.from <= other.to && self.to >= other.from
    }

    /// The extent of something that takes place once.
    #[inline]
    pub(super) fn of_time(time: &TimeSpan) -> Self {
        Self { from: clock(&time.start).saturating_sub(MARGIN), to: clock(&time.end).saturating_add(MARGIN) }
    }

    /// The extent of an event with everything that repeats it. In doubt for ever.
    pub(super) fn of(event: &Event) -> Self {
        const EVER: Extent = Extent { from: i64::MIN, to: i64::MAX };
        let mut extent = Self::NEVER;
        let mut length = 0;
        if let Some(master) = &event.master {
            extent.include(Self::of_time(&master.time));
            // On the clock: the exact length costs a look at the zone, and differs by less than a day.
            length = clock(&master.time.end).saturating_sub(clock(&master.time.start)).max(0);
            for rule in &event.rules {
                let last = match rule {
                    RuleEntry::Rule(rule) => last_start(rule, master.time.start.local()),
                    RuleEntry::Opaque { .. } => None,
                };
                let to = last.map_or(i64::MAX, |last| last.and_utc().timestamp().saturating_add(length));
                extent.include(Self { from: to, to: to.saturating_add(2 * MARGIN) });
            }
        }
        for (id, instance) in &event.overrides {
            match instance {
                Override::Excluded => {}
                Override::Changed { scope: OverrideScope::ThisAndFuture, .. } => return EVER,
                Override::Changed { body, .. } => extent.include(Self::of_time(&body.time)),
                Override::Added { end } => {
                    let start = match id {
                        RecurrenceId::Date(date) => date.and_time(chrono::NaiveTime::MIN),
                        RecurrenceId::Floating(local) => *local,
                        RecurrenceId::Instant(instant) => instant.naive_utc(),
                    };
                    let start = start.and_utc().timestamp();
                    let end = end.as_ref().map_or(start.saturating_add(length), clock);
                    let to = end.max(start).saturating_add(2 * MARGIN);
                    extent.include(Self { from: start.saturating_sub(2 * MARGIN), to });
                }
            }
        }
        extent
    }

    fn include(&mut self, other: Self) {
        (self.from, self.to) = (self.from.min(other.from), self.to.max(other.to));
    }
}

#[inline]
fn clock(time: &EventTime) -> i64 {
    time.local().and_utc().timestamp()
}

/// A moment no instance of a rule starts after, on the clock of the series give or take a day, where that is plain.
fn last_start(rule: &RecurrenceRule, start: NaiveDateTime) -> Option<NaiveDateTime> {
    match rule.until {
        Some(Until::Date(date)) => return date.and_hms_opt(23, 59, 59),
        Some(Until::Local(local)) => return Some(local),
        Some(Until::Utc(instant)) => return Some(instant.naive_utc()),
        None => {}
    }
    let is_plain = rule.by_second.is_empty()
        && rule.by_minute.is_empty()
        && rule.by_hour.is_empty()
        && rule.by_month_day.is_empty()
        && rule.by_year_day.is_empty()
        && rule.by_week_no.is_empty()
        && rule.by_month.is_empty()
        && rule.by_set_position.is_empty()
        && rule.unknown.is_empty();
    let days = match rule.frequency {
        Frequency::Daily if rule.by_day.is_empty() => 1,
        Frequency::Weekly => 7,
        _ => return None,
    };
    let periods = i64::from(rule.count.filter(|_| is_plain)?).checked_mul(i64::from(rule.interval))?;
    start.checked_add_signed(TimeDelta::try_days(periods.checked_mul(days)?)?)
}
