//! A series of the model cut in two ("this and following"), and given other rules.

use std::collections::BTreeSet;

use chrono::{NaiveDateTime, TimeDelta};

use super::{
    ExpansionLimits, RecurrenceKey, RuleEntry, SeriesStart, SplitError, Window,
    event::{date, id_of, later},
};
use crate::model::{
    Descent, Event, EventTime, Lineage, Override, OverrideScope, RecurrenceId, TimeSpan, UidOrigin,
};

/// A series with other rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// The series, with the overrides that still apply.
    pub event: Event,
    /// The instances whose overrides do not apply any more and are gone: the new rules do not have them.
    pub dropped: Vec<RecurrenceId>,
}

impl Event {
    /// Cuts the series at one of its instances: the series before it, and the one from it on, which gets the UID `uid`
    /// and the [`lineage`](Event::lineage) that leads to the first of all its parts.
    ///
    /// Together they take place when the series did: COUNT and UNTIL are divided, and every override, excluded and
    /// added date goes with the half that has its instance, wherever it was moved to. The instance is named by its
    /// original start, moved or not.
    ///
    /// # Errors
    ///
    /// See [`SplitError`]. A series with an override for all later instances (`RANGE=THISANDFUTURE`) before the cut is
    /// [`SplitError::NotASeries`], because its rest would begin in the middle of it; so is an instance no rule of the
    /// series has.
    pub fn split_at(
        &self,
        instance: RecurrenceId,
        uid: impl Into<String>,
        limits: &ExpansionLimits,
    ) -> Result<(Self, Self), SplitError> {
        let master = self.master.as_ref().ok_or(SplitError::NotASeries)?;
        let mut set = self.rule_set(master);
        for (id, value) in &self.overrides {
            match value {
                Override::Excluded => set.exdates.push(date(*id)),
                Override::Added { .. } => set.rdates.push(date(*id)),
                Override::Changed { .. } => {}
            }
        }
        let key = key_of(instance);
        if set.find(&key, limits).is_none() && self.is_changed(instance) {
            return Err(SplitError::NotASeries);
        }
        let reaches_over = |(id, value): (&RecurrenceId, &Override)| {
            *id < instance && matches!(value, Override::Changed { scope: OverrideScope::ThisAndFuture, .. })
        };
        let (before, after) = set.split_at(&key, limits)?;
        if self.overrides.iter().any(reaches_over) {
            return Err(SplitError::NotASeries);
        }
        let start = match (&after.start, &master.time.start) {
            (SeriesStart::Date(date), _) => EventTime::Date(*date),
            (SeriesStart::Floating(local), _) => EventTime::Floating(*local),
            (SeriesStart::Zoned(local, _), EventTime::Utc(_)) => EventTime::Utc(local.and_utc()),
            (SeriesStart::Zoned(local, zone), _) => EventTime::zoned(*local, zone.clone()),
        };
        // A whole day excluded from a timed series may lie on both sides of the cut.
        let day = match (instance, &start) {
            (RecurrenceId::Date(_), _) => None,
            (_, start) => Some(RecurrenceId::Date(start.local().date())),
        };
        let is_before = |id: &RecurrenceId| match (id, day) {
            (RecurrenceId::Date(_), Some(day)) => *id <= day,
            _ => *id < instance,
        };
        let is_after = |id: &RecurrenceId| match (id, day) {
            (RecurrenceId::Date(_), Some(day)) => *id >= day,
            _ => *id >= instance,
        };
        let mut head = self.clone();
        head.rules = before.rules;
        head.excluded_rules = before.exrules;
        head.overrides.retain(|id, _| is_before(id));
        let mut tail = self.clone();
        tail.uid = uid.into();
        tail.uid_origin = UidOrigin::Given;
        let first = match &self.lineage {
            Some(Lineage { uid, how: Descent::Following }) => uid.clone(),
            _ => self.uid.clone(),
        };
        tail.lineage = Some(Lineage { uid: first, how: Descent::Following });
        tail.rules = after.rules;
        tail.excluded_rules = after.exrules;
        tail.overrides.retain(|id, _| is_after(id));
        let end = later(&start, master.time.duration());
        if let Some(body) = &mut tail.master {
            body.time = TimeSpan { start: start.clone(), end };
        }
        // The start of a series is an instance of it: an extra date there would say so twice, but for an end of its own.
        if let Some(Override::Added { end }) = tail.overrides.remove(&instance) {
            if let (Some(end), Some(mut body)) = (end, tail.master.clone()) {
                body.time = TimeSpan { start, end };
                let scope = OverrideScope::This;
                tail.overrides.insert(instance, Override::Changed { body: Box::new(body), scope });
            }
        } else if let Some(own) = self.overrides.get(&instance) {
            tail.overrides.insert(instance, own.clone());
        }
        Ok((head, tail))
    }

    /// The series with other rules. Overrides of instances that the new rules have stay as they are; those of others are
    /// dropped, and named. Extra dates stay: they are no rule's.
    ///
    /// # Errors
    ///
    /// [`SplitError::NotExpandable`] when a new rule is opaque, or the instances up to the last override exceed the
    /// limits; [`SplitError::NotASeries`] for an event without a master.
    pub fn with_rules(
        &self,
        rules: Vec<RuleEntry>,
        limits: &ExpansionLimits,
    ) -> Result<RuleChange, SplitError> {
        let mut event = Self { rules, ..self.clone() };
        let master = self.master.as_ref().ok_or(SplitError::NotASeries)?;
        let Some(last) = self.overrides.keys().map(|id| key_local(*id)).max() else {
            return Ok(RuleChange { event, dropped: Vec::new() });
        };
        let mut set = event.rule_set(master);
        for (id, value) in &self.overrides {
            if matches!(value, Override::Added { .. }) {
                set.rdates.push(date(*id));
            }
        }
        // Wall clocks are at most a day apart.
        let end = last.checked_add_signed(TimeDelta::days(2)).unwrap_or(NaiveDateTime::MAX);
        let mut expansion = set.instances(Window::Local(NaiveDateTime::MIN..end), limits);
        let (mut ids, mut days) = (BTreeSet::new(), BTreeSet::new());
        for instance in expansion.by_ref() {
            ids.insert(id_of(&instance));
            days.insert(RecurrenceId::Date(instance.local.date()));
        }
        if !expansion.report().is_complete() {
            return Err(SplitError::NotExpandable);
        }
        let mut dropped = Vec::new();
        event.overrides.retain(|id, value| {
            let applies = match value {
                Override::Added { .. } => true,
                Override::Excluded => ids.contains(id) || days.contains(id),
                Override::Changed { .. } => ids.contains(id),
            };
            if !applies {
                dropped.push(*id);
            }
            applies
        });
        Ok(RuleChange { event, dropped })
    }

    fn is_changed(&self, instance: RecurrenceId) -> bool {
        matches!(self.overrides.get(&instance), Some(Override::Changed { .. }))
    }
}

fn key_of(id: RecurrenceId) -> RecurrenceKey {
    match id {
        RecurrenceId::Date(date) => RecurrenceKey::Date(date),
        RecurrenceId::Floating(local) => RecurrenceKey::Floating(local),
        RecurrenceId::Instant(instant) => RecurrenceKey::Utc(instant),
    }
}

fn key_local(id: RecurrenceId) -> NaiveDateTime {
    match id {
        RecurrenceId::Date(date) => date.and_time(chrono::NaiveTime::MIN),
        RecurrenceId::Floating(local) => local,
        RecurrenceId::Instant(instant) => instant.naive_utc(),
    }
}
