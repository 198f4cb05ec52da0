//! An event through a pipeline.

use std::borrow::Cow;

use chrono::TimeDelta;

use super::{
    Action, CompiledPipeline, Filter, RuleFailure, Start, Surroundings, Transform,
    compile::CompiledStep,
    host::{HostRule, ask},
};
use crate::{
    model::{Event, EventBody, EventTime, Override, RecurrenceId, UidOrigin},
    publish::{BusyOnly, busy_only},
    recurrence::{RecurrenceRule, RuleEntry, Until, later},
};

impl CompiledPipeline {
    /// The event as the copy holds it; `None`: it is not copied.
    ///
    /// Borrowed where nothing changes.
    ///
    /// # Errors
    /// A rule of the host failed. The built-in ones never do.
    pub fn apply<'e>(
        &self,
        event: &'e Event,
        around: &Surroundings<'_>,
    ) -> Result<Option<Cow<'e, Event>>, RuleFailure> {
        let mut copy = self.at_its_time(event, around)?;
        if let Some(copy) = &mut copy {
            self.begin_earlier(copy);
        }
        Ok(copy)
    }

    /// The copy before padding moves it: its instances are called as those of the event.
    pub(crate) fn at_its_time<'e>(
        &self,
        event: &'e Event,
        around: &Surroundings<'_>,
    ) -> Result<Option<Cow<'e, Event>>, RuleFailure> {
        if self.refused_by(event, around)?.is_some() {
            return Ok(None);
        }
        let filtered = self.without_refused_instances(event, around)?;
        let hidden = |title| busy_only(&filtered, &how(title, around));
        let mut copy = match &self.start {
            Start::Everything {} => filtered.clone(),
            Start::BusyOnly { title } => match hidden(title) {
                Some(copy) => Cow::Owned(copy),
                None => return Ok(None),
            },
            Start::Bare { title } => Cow::Owned(bare(&filtered, title, around)),
        };
        for step in &self.steps {
            let Action::Transform(transform) = &step.action else { continue };
            if let Transform::BusyOnly { title } = transform {
                // From the event, not from the copy: nothing that was shown so far stays.
                let Some(busy) = hidden(title) else { return Ok(None) };
                copy = Cow::Owned(busy);
                continue;
            }
            let copy = copy.to_mut();
            if let (Some(body), Some(own)) = (&mut copy.master, &filtered.master) {
                step.change(transform, body, own, around)?;
            }
            for (id, instance) in &mut copy.overrides {
                let Some(Override::Changed { body: own, .. }) = filtered.overrides.get(id) else { continue };
                if let Override::Changed { body, .. } = instance {
                    step.change(transform, body, own, around)?;
                }
            }
        }
        Ok(Some(copy))
    }

    /// What comes last, for it moves the keys of instances. In place: a copy is large.
    pub(crate) fn begin_earlier(&self, copy: &mut Cow<'_, Event>) {
        let before = self.padding();
        if before > 0 {
            begin_earlier(copy.to_mut(), TimeDelta::minutes(before));
        }
    }

    /// Whether a copy begins when the event does although the pipeline pads what is before it: a series that would begin on
    /// another day. Whole days are never padded, which is no loss.
    pub(crate) fn leaves_unpadded(&self, event: &Event) -> bool {
        let Some(body) = event.master.as_ref().filter(|body| !body.time.is_all_day()) else { return false };
        let before = TimeDelta::minutes(self.padding());
        before > TimeDelta::zero()
            && event.is_series()
            && !can_begin_earlier(&body.time.start, &event.rules, before)
    }

    /// Minutes blocked before an event.
    fn padding(&self) -> i64 {
        self.steps.iter().map(|step| pad_before(&step.action)).sum()
    }

    /// The name of the step that keeps an event out; `None` when it is copied, or takes no time and the copy is busy-only.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn refused_by(&self, event: &Event, around: &Surroundings<'_>) -> Result<Option<&str>, RuleFailure> {
        let Some(body) = event.body() else { return Ok(None) };
        self.refusing(body, around).map(|step| step.map(|step| step.name.as_str()))
    }

    fn refusing(
        &self,
        body: &EventBody,
        around: &Surroundings<'_>,
    ) -> Result<Option<&CompiledStep>, RuleFailure> {
        for step in &self.steps {
            if !step.lets_through(body, around)? {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    fn without_refused_instances<'e>(
        &self,
        event: &'e Event,
        around: &Surroundings<'_>,
    ) -> Result<Cow<'e, Event>, RuleFailure> {
        let mut out: Vec<RecurrenceId> = Vec::new();
        for (id, instance) in &event.overrides {
            let Override::Changed { body, .. } = instance else { continue };
            let declined = around.declined.map(|declined| declined.of(id));
            let around = Surroundings { declined: declined.as_ref(), ..*around };
            if self.refusing(body, &around)?.is_some() {
                out.push(*id);
            }
        }
        let mut event = Cow::Borrowed(event);
        for id in out {
            event.to_mut().overrides.insert(id, Override::Excluded);
        }
        Ok(event)
    }

    /// Whether a copy shows anything of an event's own but its time, for whoever has to warn before it is sent.
    pub fn is_busy_only(&self) -> bool {
        matches!(self.start, Start::BusyOnly { .. })
            && self.steps.iter().all(|step| match &step.action {
                Action::Filter(_) => true,
                Action::Transform(transform) => matches!(
                    transform,
                    Transform::Drop { .. }
                        | Transform::CutDescription { .. }
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
    fn lets_through(&self, body: &EventBody, around: &Surroundings<'_>) -> Result<bool, RuleFailure> {
        let Action::Filter(filter) = &self.action else { return Ok(true) };
        match (filter, &self.host) {
            (Filter::Title { .. }, _) => {
                let title = body.title.as_deref().unwrap_or_default();
                Ok(self.include.as_ref().is_none_or(|pattern| pattern.is_match(title))
                    && !self.exclude.as_ref().is_some_and(|pattern| pattern.is_match(title)))
            }
            (Filter::Host { options, .. }, Some(HostRule::Filter(rule))) => {
                ask(&self.name, || rule.lets_through(body, options, around))
            }
            _ => Ok(filter.lets_through(body, around)),
        }
    }

    fn change(
        &self,
        transform: &Transform,
        copy: &mut EventBody,
        event: &EventBody,
        around: &Surroundings<'_>,
    ) -> Result<(), RuleFailure> {
        let (Transform::Host { options, .. }, Some(HostRule::Transform(rule))) = (transform, &self.host)
        else {
            transform.change(copy, event, self.template.as_ref(), around);
            return Ok(());
        };
        let (time, sequence) = (copy.time.clone(), copy.sequence);
        ask(&self.name, || rule.change(copy, event, options, around))?;
        (copy.time, copy.sequence) = (time, sequence);
        Ok(())
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
