//! An event through a pipeline.

use std::borrow::Cow;

use chrono::TimeDelta;

use super::{Action, CompiledPipeline, Filter, Start, Surroundings, Transform, compile::CompiledStep};
use crate::{
    model::{Event, EventBody, EventTime, Override, RecurrenceId, UidOrigin},
    publish::{BusyOnly, busy_only},
    recurrence::{RecurrenceRule, RuleEntry, Until, later},
};

impl CompiledPipeline {
    /// The event as the copy holds it; `None`: it is not copied.
    ///
    /// Borrowed where nothing changes.
    pub fn apply<'e>(&self, event: &'e Event, around: &Surroundings<'_>) -> Option<Cow<'e, Event>> {
        if self.refused_by(event, around).is_some() {
            return None;
        }
        let filtered = self.without_refused_instances(event, around);
        let mut copy = match &self.start {
            Start::Everything {} => filtered.clone(),
            Start::BusyOnly { title } => Cow::Owned(busy_only(&filtered, &how(title, around))?),
            Start::Bare { title } => Cow::Owned(bare(&filtered, title, around)),
        };
        for step in &self.steps {
            let Action::Transform(transform) = &step.action else { continue };
            if let Transform::BusyOnly { title } = transform {
                // From the event, not from the copy: nothing that was shown so far stays.
                copy = Cow::Owned(busy_only(&filtered, &how(title, around))?);
                continue;
            }
            let copy = copy.to_mut();
            if let (Some(body), Some(own)) = (&mut copy.master, &filtered.master) {
                transform.change(body, own, step.template.as_ref(), around);
            }
            for (id, instance) in &mut copy.overrides {
                let Some(Override::Changed { body: own, .. }) = filtered.overrides.get(id) else { continue };
                if let Override::Changed { body, .. } = instance {
                    transform.change(body, own, step.template.as_ref(), around);
                }
            }
        }
        // Last, for it moves the keys of instances.
        let before: i64 = self.steps.iter().map(|step| pad_before(&step.action)).sum();
        if before > 0 {
            begin_earlier(copy.to_mut(), TimeDelta::minutes(before));
        }
        Some(copy)
    }

    /// The name of the step that keeps an event out; `None` when it is copied, or takes no time and the copy is busy-only.
    pub fn refused_by(&self, event: &Event, around: &Surroundings<'_>) -> Option<&str> {
        let body = event.body()?;
        let refusing = self.steps.iter().find(|step| !step.lets_through(body, around));
        refusing.map(|step| step.name.as_str())
    }

    fn without_refused_instances<'e>(&self, event: &'e Event, around: &Surroundings<'_>) -> Cow<'e, Event> {
        let refused = |body: &EventBody| self.steps.iter().any(|step| !step.lets_through(body, around));
        let mut event = Cow::Borrowed(event);
        let out: Vec<RecurrenceId> = event
            .overrides
            .iter()
            .filter(|(_, one)| matches!(one, Override::Changed { body, .. } if refused(body)))
            .map(|(id, _)| *id)
            .collect();
        for id in out {
            event.to_mut().overrides.insert(id, Override::Excluded);
        }
        event
    }

    /// Whether a copy shows anything of an event's own but its time, for whoever has to warn before it is sent.
    pub fn is_busy_only(&self) -> bool {
        matches!(self.start, Start::BusyOnly { .. })
            && self.steps.iter().all(|step| match &step.action {
                Action::Filter(_) => true,
                Action::Transform(transform) => matches!(
                    transform,
                    Transform::Drop { .. }
                        | Transform::SetColor { .. }
                        | Transform::SetReminders { .. }
                        | Transform::AddCategories { .. }
                        | Transform::PadTime { .. }
                        | Transform::BusyOnly { .. }
                ),
            })
    }
}

impl CompiledStep {
    fn lets_through(&self, body: &EventBody, around: &Surroundings<'_>) -> bool {
        let Action::Filter(filter) = &self.action else { return true };
        if matches!(filter, Filter::Title { .. }) {
            let title = body.title.as_deref().unwrap_or_default();
            return self.include.as_ref().is_none_or(|pattern| pattern.is_match(title))
                && !self.exclude.as_ref().is_some_and(|pattern| pattern.is_match(title));
        }
        filter.lets_through(body, around)
    }
}

fn how<'a>(title: &'a str, around: &Surroundings<'a>) -> BusyOnly<'a> {
    BusyOnly { title, key: around.uid_key, owner: around.owner }
}

/// The event with its times and rules, and nothing else.
fn bare(event: &Event, title: &str, around: &Surroundings<'_>) -> Event {
    let bare = |body: &EventBody| EventBody {
        title: Some(title.to_owned()),
        sequence: body.sequence,
        ..EventBody::new(body.time.clone())
    };
    let overrides = event.overrides.iter().map(|(id, instance)| {
        let instance = match instance {
            Override::Changed { body, scope } => {
                Override::Changed { body: Box::new(bare(body)), scope: *scope }
            }
            other => other.clone(),
        };
        (*id, instance)
    });
    Event {
        uid: around
            .uid_key
            .map_or_else(|| event.uid.clone(), |key| crate::publish::hidden_uid(key, &event.uid)),
        uid_origin: UidOrigin::Given,
        master: event.master.as_ref().map(bare),
        rules: event.rules.clone(),
        excluded_rules: event.excluded_rules.clone(),
        overrides: overrides.collect(),
        lineage: None,
    }
}

fn pad_before(action: &Action) -> i64 {
    match action {
        Action::Transform(Transform::PadTime { before, .. }) => i64::from(*before),
        _ => 0,
    }
}

/// Every start so much earlier, and with it the keys of instances and the ends of rules.
fn begin_earlier(event: &mut Event, by: TimeDelta) {
    let earlier = |time: &EventTime| later(time, -by);
    let is_series = event.is_series();
    if let Some(body) = &mut event.master {
        if body.time.is_all_day() || (is_series && !can_begin_earlier(&body.time.start, &event.rules, by)) {
            return;
        }
        body.time.start = earlier(&body.time.start);
    }
    let key = |id: RecurrenceId| match id {
        RecurrenceId::Date(date) => RecurrenceId::Date(date),
        RecurrenceId::Floating(local) => {
            RecurrenceId::Floating(local.checked_sub_signed(by).unwrap_or(local))
        }
        RecurrenceId::Instant(at) => RecurrenceId::Instant(at.checked_sub_signed(by).unwrap_or(at)),
    };
    for rule in event.rules.iter_mut().chain(&mut event.excluded_rules) {
        if let RuleEntry::Rule(rule) = rule {
            rule.until = rule.until.map(|until| match until {
                Until::Date(date) => Until::Date(date),
                Until::Local(local) => Until::Local(local.checked_sub_signed(by).unwrap_or(local)),
                Until::Utc(at) => Until::Utc(at.checked_sub_signed(by).unwrap_or(at)),
            });
        }
    }
    let overrides = std::mem::take(&mut event.overrides).into_iter().map(|(id, mut instance)| {
        if let Override::Changed { body, .. } = &mut instance
            && !body.time.is_all_day()
        {
            body.time.start = earlier(&body.time.start);
        }
        (key(id), instance)
    });
    event.overrides = overrides.collect();
}

/// Whether the rules mean the same days when the series starts so much earlier.
fn can_begin_earlier(start: &EventTime, rules: &[RuleEntry], by: TimeDelta) -> bool {
    let local = start.local();
    let same_day = local.checked_sub_signed(by).is_some_and(|earlier| earlier.date() == local.date());
    let names_no_hour = |rule: &RecurrenceRule| {
        rule.by_hour.is_empty() && rule.by_minute.is_empty() && rule.by_second.is_empty()
    };
    let plain = |rule: &RuleEntry| match rule {
        RuleEntry::Rule(rule) => names_no_hour(rule) && !rule.frequency.is_sub_daily(),
        RuleEntry::Opaque { .. } => false,
    };
    same_day && rules.iter().all(plain)
}
