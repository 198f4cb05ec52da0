//! The components of one UID joined to events: master, overrides, excluded and added dates.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, NaiveTime, Utc};

use crate::ical::error::{Issue, IssueKind, QuarantineReason};
use crate::model::{Event, EventTime, Override, RecurrenceId, RuleEntry, UidOrigin};

use super::vevent::VEvent;

/// One event and the components it is made of.
pub(crate) struct Assembled {
    /// The UID is empty where the components have none.
    pub(crate) event: Event,
    /// The component of the master.
    pub(crate) master: Option<Range<usize>>,
    /// The components of the overrides that are in the event.
    pub(crate) overrides: Vec<(RecurrenceId, Range<usize>)>,
    /// Components that another version of the same item or instance stands in for.
    pub(crate) dropped: Vec<Range<usize>>,
    pub(crate) issues: Vec<Issue>,
}

/// Joins the components of one UID. Several events come out where the UID is shared by things that are no series.
pub(crate) fn assemble(
    mut members: Vec<VEvent>,
    max_overrides: usize,
) -> Result<Vec<Assembled>, QuarantineReason> {
    // Nearly always: one component and no override. Sorting it out would take several lists of large things.
    if matches!(&members[..], [only] if only.recurrence_id.is_none()) {
        return Ok(members.pop().map(|only| join(Some(only), Vec::new())).into_iter().collect());
    }
    let (mut overrides, masters): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|member| member.recurrence_id.is_some());
    let (mut masters, dropped) = distinct_masters(masters);
    if masters.is_empty() {
        // A copy that carries the RECURRENCE-ID of a series it was taken from, and a rule of its own.
        let (series, single): (Vec<_>, Vec<_>) =
            overrides.into_iter().partition(|member| !member.rules.is_empty());
        overrides = single;
        masters.extend(series.into_iter().map(|mut member| {
            member.issues.push(Issue { kind: IssueKind::OverrideIsSeries, span: member.span.clone() });
            member
        }));
    }
    if overrides.len() > max_overrides {
        return Err(QuarantineReason::TooManyOverrides);
    }
    let is_shared = masters.len() > 1;
    // Overrides belong to the series among the masters.
    let owner = masters.iter().position(|master| !master.rules.is_empty()).unwrap_or(0);
    let mut overrides = Some(overrides);
    let mut assembled: Vec<Assembled> = masters
        .into_iter()
        .enumerate()
        .map(|(at, master)| {
            let own = if at == owner { overrides.take().unwrap_or_default() } else { Vec::new() };
            let mut event = join(Some(master), own);
            if is_shared {
                event.event.uid = shared_uid(&event.event);
                event.event.uid_origin = UidOrigin::Derived;
                let span = event.master.clone().unwrap_or_default();
                event.issues.push(Issue { kind: IssueKind::UidShared, span });
            }
            event
        })
        .collect();
    if let Some(overrides) = overrides.filter(|overrides| !overrides.is_empty()) {
        assembled.push(join(None, overrides));
    }
    if let Some(first) = assembled.first_mut() {
        first.issues.extend(
            dropped.iter().map(|span| Issue { kind: IssueKind::DuplicateDropped, span: span.clone() }),
        );
        first.dropped.extend(dropped);
    }
    Ok(assembled)
}

fn shared_uid(event: &Event) -> String {
    match &event.master {
        Some(body) => format!("{}#{}", event.uid, RecurrenceId::of(&body.time.start)),
        None => event.uid.clone(),
    }
}

/// Which of two versions is newer: by `SEQUENCE`, then by `LAST-MODIFIED`.
fn version(member: &VEvent) -> (u32, Option<DateTime<Utc>>) {
    (member.body.sequence, member.body.updated)
}

/// Masters of one UID: of those that start together, or that are versions of one series, the newest; all others are
/// things of their own.
fn distinct_masters(masters: Vec<VEvent>) -> (Vec<VEvent>, Vec<Range<usize>>) {
    let mut kept: Vec<VEvent> = Vec::with_capacity(masters.len());
    let mut dropped = Vec::new();
    let mut by_start: BTreeMap<RecurrenceId, usize> = BTreeMap::new();
    let is_series = masters.len() > 1 && masters.iter().any(|master| !master.rules.is_empty());
    for master in masters {
        let key = RecurrenceId::of(&master.body.time.start);
        let rival = if is_series { (!kept.is_empty()).then_some(0) } else { by_start.get(&key).copied() };
        match rival.and_then(|at| kept.get_mut(at)) {
            None => {
                by_start.insert(key, kept.len());
                kept.push(master);
            }
            Some(rival) if version(&master) > version(rival) => {
                dropped.push(std::mem::replace(rival, master).span);
            }
            Some(_) => dropped.push(master.span),
        }
    }
    (kept, dropped)
}

fn join(master: Option<VEvent>, overrides: Vec<VEvent>) -> Assembled {
    let mut assembled = Assembled {
        event: Event {
            uid: String::new(),
            uid_origin: UidOrigin::Given,
            master: None,
            rules: Vec::new(),
            excluded_rules: Vec::new(),
            overrides: BTreeMap::new(),
            lineage: None,
        },
        master: None,
        overrides: Vec::new(),
        dropped: Vec::new(),
        issues: Vec::new(),
    };
    let event = &mut assembled.event;
    let mut start = None;
    if let Some(master) = master {
        event.uid = master.uid.unwrap_or_default();
        event.rules = master.rules;
        event.excluded_rules = master.excluded_rules;
        let series_start = &master.body.time.start;
        for (date, end) in &master.rdates {
            let key = instance_key(date, Some(series_start), &event.rules);
            event.overrides.insert(key, Override::Added { end: end.clone() });
        }
        for date in &master.exdates {
            event.overrides.insert(instance_key(date, Some(series_start), &event.rules), Override::Excluded);
        }
        start = Some(series_start.clone());
        event.master = Some(master.body);
        assembled.master = Some(master.span);
        assembled.issues = master.issues;
    } else if let Some(first) = overrides.first() {
        event.uid = first.uid.clone().unwrap_or_default();
        assembled.issues.push(Issue { kind: IssueKind::MasterMissing, span: first.span.clone() });
    }
    let mut versions: BTreeMap<RecurrenceId, (u32, Option<DateTime<Utc>>, usize)> = BTreeMap::new();
    for member in overrides {
        let Some(recurrence_id) = &member.recurrence_id else {
            continue;
        };
        let key = instance_key(recurrence_id, start.as_ref(), &event.rules);
        let (sequence, updated) = version(&member);
        if let Some(&(known_sequence, known_updated, at)) = versions.get(&key) {
            let newer = (sequence, updated) > (known_sequence, known_updated);
            let known = &mut assembled.overrides[at];
            let loser = if newer {
                std::mem::replace(&mut known.1, member.span.clone())
            } else {
                member.span.clone()
            };
            assembled.issues.push(Issue { kind: IssueKind::DuplicateDropped, span: loser.clone() });
            assembled.dropped.push(loser);
            if !newer {
                continue;
            }
            versions.insert(key, (sequence, updated, at));
        } else {
            versions.insert(key, (sequence, updated, assembled.overrides.len()));
            assembled.overrides.push((key, member.span.clone()));
        }
        if !(member.rules.is_empty() && member.rdates.is_empty() && member.exdates.is_empty()) {
            assembled.issues.push(Issue { kind: IssueKind::RuleInOverride, span: member.span.clone() });
        }
        assembled.issues.extend(member.issues);
        event.overrides.insert(key, Override::Changed { body: Box::new(member.body), scope: member.scope });
    }
    assembled
}

/// The instance a `RECURRENCE-ID`, `EXDATE` or `RDATE` value names, in the form the series has (its start decides): a
/// date names the instance of that day, a local time is read in the zone of the series.
pub(crate) fn instance_key(
    value: &EventTime,
    start: Option<&EventTime>,
    rules: &[RuleEntry],
) -> RecurrenceId {
    let Some(start) = start else {
        return RecurrenceId::of(value);
    };
    match (start, value) {
        (EventTime::Date(_), _) => RecurrenceId::Date(value.local().date()),
        (_, EventTime::Date(date)) => {
            if rules.iter().any(is_sub_daily) {
                // Several instances that day: the date itself stands for all of them.
                return RecurrenceId::Date(*date);
            }
            let time: NaiveTime = start.local().time();
            in_form_of(start, date.and_time(time))
        }
        (EventTime::Floating(_), _) => RecurrenceId::Floating(value.local()),
        (_, EventTime::Floating(local)) => in_form_of(start, *local),
        _ => RecurrenceId::of(value),
    }
}

fn in_form_of(start: &EventTime, local: chrono::NaiveDateTime) -> RecurrenceId {
    RecurrenceId::of(&match start {
        EventTime::Zoned { zone, .. } => EventTime::zoned(local, zone.clone()),
        EventTime::Utc(_) => EventTime::Utc(local.and_utc()),
        EventTime::Date(_) => EventTime::Date(local.date()),
        EventTime::Floating(_) => EventTime::Floating(local),
    })
}

fn is_sub_daily(rule: &RuleEntry) -> bool {
    match rule {
        RuleEntry::Rule(rule) => {
            rule.frequency.is_sub_daily() || rule.by_hour.len() > 1 || rule.by_minute.len() > 1
        }
        RuleEntry::Opaque { .. } => false,
    }
}
