//! Cutting a series in two ("this and following") and moving its instances.

use super::budget::ExpansionLimits;
use super::civil::{DAY, date_time, local_seconds};
use super::rule::{RecurrenceRule, Until};
use super::set::{Instance, RecurrenceDate, RecurrenceKey, RecurrenceSet, SeriesStart, Window};
use super::text::RuleEntry;
use super::zone::ZoneRules;
use chrono::{NaiveDateTime, TimeDelta};
use thiserror::Error;

/// How many instances after the cut are compared with the series that was cut.
const COMPARED: usize = 64;

/// Why a series cannot be cut at an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The series has no such instance.
    #[error("the series has no instance at this time")]
    NotAnInstance,
    /// The instance is the first: nothing would be left before it.
    #[error("the instance is the first of the series")]
    FirstInstance,
    /// A rule of the series is opaque, or the instances before the cut exceed the limits.
    #[error("the series cannot be expanded up to this time")]
    NotExpandable,
    /// The rest of the series cannot be written with this instance as its DTSTART, for example because the instance
    /// is an RDATE beside an `INTERVAL=2` rule.
    #[error("the rest of the series is no series of its own")]
    NotASeries,
}

impl RecurrenceRule {
    /// The rule ended just before an instance of its series: UNTIL in the form that fits DTSTART, one second (one
    /// day) before; COUNT goes, as the two exclude each other. An UNTIL that is earlier already stays.
    #[must_use]
    pub fn truncate_before(&self, instance: &RecurrenceKey) -> Self {
        let second = TimeDelta::seconds(1);
        let end = match instance {
            RecurrenceKey::Date(date) => Until::Date(date.pred_opt().unwrap_or(*date)),
            RecurrenceKey::Floating(local) => {
                Until::Local(local.checked_sub_signed(second).unwrap_or(*local))
            }
            RecurrenceKey::Utc(instant) => Until::Utc(instant.checked_sub_signed(second).unwrap_or(*instant)),
        };
        let earlier = self.until.filter(|until| match (until, &end) {
            (Until::Utc(own), Until::Utc(end)) => own <= end,
            // Of different forms: earlier for sure when a day apart.
            (own, end) => last_moment(end) - last_moment(own) > TimeDelta::days(1),
        });
        Self { until: Some(earlier.unwrap_or(end)), count: None, ..self.clone() }
    }
}

fn last_moment(until: &Until) -> NaiveDateTime {
    match until {
        Until::Date(date) => date.and_hms_opt(23, 59, 59).unwrap_or_default(),
        Until::Local(local) => *local,
        Until::Utc(instant) => instant.naive_utc(),
    }
}

impl<Z: ZoneRules + Clone> RecurrenceSet<Z> {
    /// Cuts the series at one of its instances: the series before it, and the series from it on. Together they have
    /// the instances the series had; COUNT and the dates are divided between them. The rest is compared with the
    /// series over its first 64 instances before it is returned.
    ///
    /// # Errors
    /// See [`SplitError`]; the series is then better edited instance by instance.
    pub fn split_at(
        &self,
        instance: &RecurrenceKey,
        limits: &ExpansionLimits,
    ) -> Result<(Self, Self), SplitError> {
        if !self.opaque_rules().is_empty() {
            return Err(SplitError::NotExpandable);
        }
        let at = self.find(instance, limits).ok_or(SplitError::NotAnInstance)?;
        if self.first_instance(limits).0.is_none_or(|first| first.key == at.key) {
            return Err(SplitError::FirstInstance);
        }
        let mut head = Self::new(self.start.clone());
        let mut tail = Self::new(self.start_at(&at));
        for entry in &self.rules {
            if let RuleEntry::Rule(rule) = entry {
                let (before, after) = self.divide_rule(rule, &at, limits)?;
                head.rules.push(before.into());
                tail.rules.extend(after.map(RuleEntry::from));
            }
        }
        for entry in &self.exrules {
            if let RuleEntry::Rule(rule) = entry {
                let (before, after) = self.divide_rule(rule, &at, limits)?;
                head.exrules.push(before.into());
                tail.exrules.extend(after.map(RuleEntry::from));
            }
        }
        (head.rdates, tail.rdates) = self.divide(&self.rdates, &at);
        (head.exdates, tail.exdates) = self.divide(&self.exdates, &at);

        let from = |set: &Self| {
            let window = Window::Local(at.local - TimeDelta::days(2)..NaiveDateTime::MAX);
            let later = set.instances(window, limits).skip_while(|other| other.key < at.key);
            later.take(COMPARED).map(|other| other.key).collect::<Vec<_>>()
        };
        if from(self) == from(&tail) { Ok((head, tail)) } else { Err(SplitError::NotASeries) }
    }

    /// The instance with a key.
    pub fn find(&self, key: &RecurrenceKey, limits: &ExpansionLimits) -> Option<Instance> {
        let around = match key {
            RecurrenceKey::Date(date) => date.and_time(chrono::NaiveTime::MIN).and_utc(),
            RecurrenceKey::Floating(local) => local.and_utc(),
            RecurrenceKey::Utc(instant) => *instant,
        };
        let window = Window::Utc(around..around.checked_add_signed(TimeDelta::seconds(1))?);
        self.instances(window, limits).find(|instance| instance.key == *key)
    }

    /// A rule up to an instance, and what is left of it from there on.
    fn divide_rule(
        &self,
        rule: &RecurrenceRule,
        at: &Instance,
        limits: &ExpansionLimits,
    ) -> Result<(RecurrenceRule, Option<RecurrenceRule>), SplitError> {
        Ok(match self.rest_of(rule, at, limits)? {
            Some(rest) => (rule.truncate_before(&at.key), Some(rest)),
            // Its COUNT ran out before the cut: with an UNTIL in its place it would go on up to it.
            None => (rule.clone(), None),
        })
    }

    /// What is left of a rule from an instance on; `None` when COUNT is used up.
    fn rest_of(
        &self,
        rule: &RecurrenceRule,
        at: &Instance,
        limits: &ExpansionLimits,
    ) -> Result<Option<RecurrenceRule>, SplitError> {
        let mut rest = rule.clone();
        if let Some(count) = rule.count {
            let alone = Self::new(self.start.clone()).with_rule(rule.clone());
            let mut before = alone.instances(Window::all(), limits);
            let used = before.by_ref().take_while(|instance| instance.key < at.key).count();
            if before.report().stopped.is_some() {
                return Err(SplitError::NotExpandable);
            }
            let left = count.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
            if left == 0 {
                return Ok(None);
            }
            rest.count = Some(left);
        }
        Ok(Some(rest))
    }

    /// DTSTART of the rest. An instance the clock moved out of a gap goes back to the time of day it was meant for.
    fn start_at(&self, at: &Instance) -> SeriesStart<Z> {
        match &self.start {
            SeriesStart::Date(_) => SeriesStart::Date(at.local.date()),
            SeriesStart::Floating(_) => SeriesStart::Floating(at.local),
            SeriesStart::Zoned(start, zone) => {
                let meant = at.local.date().and_time(start.time());
                let same = at.utc.is_some_and(|utc| zone.resolve(meant).instant() == utc.timestamp());
                SeriesStart::Zoned(if same { meant } else { at.local }, zone.clone())
            }
        }
    }

    fn divide(&self, dates: &[RecurrenceDate], at: &Instance) -> (Vec<RecurrenceDate>, Vec<RecurrenceDate>) {
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        for date in dates {
            let (before, after) = match self.key_of(date) {
                Some(key) => (key < at.key, key >= at.key),
                // A whole day of a timed series may lie on both sides of the cut.
                None => (date.date() <= at.local.date(), date.date() >= at.local.date()),
            };
            if before {
                head.push(*date);
            }
            if after {
                tail.push(*date);
            }
        }
        (head, tail)
    }
}

impl<Z: ZoneRules> RecurrenceSet<Z> {
    /// An instance moved on the wall clock, as RANGE=THISANDFUTURE (RFC 5545 3.2.13) moves every instance from its own
    /// on: its identity stays, its start is the local time so much later or earlier, whatever the clock did in
    /// between. An all-day series moves by whole days.
    #[must_use]
    pub fn shift_instance(&self, instance: &Instance, by: TimeDelta) -> Instance {
        let local = self.shift_local(instance.local, by);
        match &self.start {
            SeriesStart::Zoned(_, zone) => {
                let instant = zone.resolve(local).instant();
                let shown = instant + i64::from(zone.offset_at(instant));
                let utc = Some(date_time(instant).and_utc());
                Instance { key: instance.key, local: date_time(shown), utc }
            }
            _ => Instance { key: instance.key, local, utc: None },
        }
    }

    /// RDATE or EXDATE values moved with the series: when DTSTART moves by so much on the wall clock, these name the
    /// same instances as before. A whole day excluded from a timed series moves by whole days.
    #[must_use]
    pub fn shift_dates(&self, dates: &[RecurrenceDate], by: TimeDelta) -> Vec<RecurrenceDate> {
        let moved = |date: &RecurrenceDate| match (date, &self.start) {
            (RecurrenceDate::Date(date), _) => {
                RecurrenceDate::Date(shift_days(date.and_time(chrono::NaiveTime::MIN), by).date())
            }
            (RecurrenceDate::Local(local), _) => RecurrenceDate::Local(self.shift_local(*local, by)),
            (RecurrenceDate::Utc(instant), SeriesStart::Zoned(_, zone)) => {
                let instant = instant.timestamp();
                let local = date_time(instant + i64::from(zone.offset_at(instant)));
                let instant = zone.resolve(self.shift_local(local, by)).instant();
                RecurrenceDate::Utc(date_time(instant).and_utc())
            }
            (RecurrenceDate::Utc(instant), _) => {
                RecurrenceDate::Utc(self.shift_local(instant.naive_utc(), by).and_utc())
            }
        };
        dates.iter().map(moved).collect()
    }

    fn shift_local(&self, local: NaiveDateTime, by: TimeDelta) -> NaiveDateTime {
        match self.start {
            SeriesStart::Date(_) => shift_days(local, by),
            _ => date_time(local_seconds(local).saturating_add(by.num_seconds())),
        }
    }
}

fn shift_days(local: NaiveDateTime, by: TimeDelta) -> NaiveDateTime {
    date_time(local_seconds(local).saturating_add(by.num_days().saturating_mul(DAY)))
}
