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

/// Joins the components of one UID. Several events come out where the UID is shared by things that are no series; the
/// series among them, else the earliest, keeps the UID and has the overrides.
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
    let mut masters = distinct_masters(masters);
    if masters.is_empty() {
        // A copy that carries the RECURRENCE-ID of a series it was taken from, and a rule of its own.
        let (series, single): (Vec<_>, Vec<_>) =
            overrides.into_iter().partition(|member| !member.rules.is_empty());
        overrides = single;
        masters.extend(series.into_iter().map(|mut member| {
            member.issues.push(Issue { kind: IssueKind::OverrideIsSeries, span: member.span.clone() });
            Distinct { newest: member, older: Vec::new() }
        }));
    }
    if overrides.len() > max_overrides {
        return Err(QuarantineReason::TooManyOverrides);
    }
    let is_shared = masters.len() > 1;
    let owner = (0..masters.len()).min_by_key(|at| {
        masters.get(*at).map(|one| (!repeats(&one.newest), one.newest.body.time.start.local()))
    });
    let mut overrides = Some(overrides);
    let mut assembled: Vec<Assembled> = masters
        .into_iter()
        .enumerate()
        .map(|(at, Distinct { newest, older })| {
            let is_owner = Some(at) == owner;
            let own = if is_owner { overrides.take().unwrap_or_default() } else { Vec::new() };
            let mut event = join(Some(newest), own);
            if is_shared {
                let span = event.master.clone().unwrap_or_default();
                event.issues.push(Issue { kind: IssueKind::UidShared, span });
            }
            if !is_owner {
                event.event.uid = shared_uid(&event.event);
                event.event.uid_origin = UidOrigin::Derived;
            }
            event.issues.extend(
                older.iter().map(|span| Issue { kind: IssueKind::DuplicateDropped, span: span.clone() }),
            );
            event.dropped.extend(older);
            event
        })
        .collect();
    if let Some(overrides) = overrides.filter(|overrides| !overrides.is_empty()) {
        assembled.push(join(None, overrides));
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

fn repeats(member: &VEvent) -> bool {
    !member.rules.is_empty() || !member.rdates.is_empty()
}

/// One event, and the components that are older versions of it.
struct Distinct {
    newest: VEvent,
    older: Vec<Range<usize>>,
}

impl Distinct {
    fn add(&mut self, other: VEvent) {
        let older = if version(&other) > version(&self.newest) {
            std::mem::replace(&mut self.newest, other)
        } else {
            other
        };
        self.older.push(older.span);
    }
}

/// Masters of one UID: those that repeat are versions of one series, and those that start together are versions of one
/// event. All others are events of their own: nothing somebody has is hidden by what shares its UID.
fn distinct_masters(masters: Vec<VEvent>) -> Vec<Distinct> {
    let mut kept: Vec<Distinct> = Vec::with_capacity(masters.len());
    let mut by_start: BTreeMap<RecurrenceId, usize> = BTreeMap::new();
    let (series, single): (Vec<_>, Vec<_>) = masters.into_iter().partition(repeats);
    for master in series {
        match kept.first_mut() {
            Some(known) => known.add(master),
            None => kept.push(Distinct { newest: master, older: Vec::new() }),
        }
    }
    for known in &kept {
        by_start.insert(RecurrenceId::of(&known.newest.body.time.start), 0);
    }
    for master in single {
        let key = RecurrenceId::of(&master.body.time.start);
        match by_start.get(&key).and_then(|at| kept.get_mut(*at)) {
            Some(known) => known.add(master),
            None => {
                by_start.insert(key, kept.len());
                kept.push(Distinct { newest: master, older: Vec::new() });
            }
        }
    }
    kept.sort_by_key(|one| one.newest.span.start);
    kept
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
