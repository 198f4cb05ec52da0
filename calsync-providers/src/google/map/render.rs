//! An event into an item: what Google holds, changed to say what the event says, with the list of what that changes.

use std::collections::BTreeSet;

use calsync_core::{
    diff::changed_fields,
    model::{Event, EventBody, EventTime, Override, RecurrenceId},
    provider::{ErrorKind, Payload, PeoplePolicy, ProviderError, RenderRequest, Rendered, Result},
};
use serde_json::{Value, json};

use super::{
    alone,
    body::{self, Access, Writing},
    project::{is_skipped, project, tidied},
    read::{self, fits, inherited, instance_body},
    recurrence::{self, Lines},
    time,
};
use crate::google::{
    config::GoogleConfig,
    item::{Edit, Edits, Item, is_cancelled, is_series, master_of},
    wire::{Object, list},
};

const OPERATION: &str = "render";

/// The longest UID a property holds. A longer one is not kept at Google.
const PROPERTY_MAX: usize = 1024;

pub(crate) fn render(request: RenderRequest<'_>, config: &GoogleConfig) -> Result<Rendered> {
    let (target, instance) = alone::as_event(project(request.event, config).into_owned());
    check(&target)?;
    let writing = Writing { colors: &config.colors, people: request.people, no_alarms: config.no_alarms };
    let rendered = match request.original {
        None => create(&target, instance, writing),
        Some(payload) => update(&target, instance, payload, writing)?,
    };
    // What was asked for and is not in the payload: what Google has no member for, people who are withheld, a member that
    // this account may not write.
    let mut sent = Item::read(&rendered).unwrap_or_default();
    // A UID too long to be kept there is in nothing that is sent.
    if sent.event.get("id").is_none() {
        sent.event.entry("iCalUID").or_insert_with(|| request.event.uid.as_str().into());
    }
    let losses = match read::read_item(&sent, &config.colors) {
        Ok(written) => {
            let fields = changed_fields(&tidied(&written), &tidied(request.event));
            let mut names: BTreeSet<String> = fields.iter().map(ToString::to_string).collect();
            if request.original.is_none() && target.uid.len() > PROPERTY_MAX {
                names.insert("uid".to_owned());
            }
            names.into_iter().collect()
        }
        Err(_) => {
            return Err(ProviderError::new(
                ErrorKind::Internal,
                OPERATION,
                "what was written cannot be read",
            ));
        }
    };
    Ok(Rendered { payload: rendered, losses })
}

/// What Google has no form for at all is refused rather than written as something else.
fn check(event: &Event) -> Result<()> {
    let refuse = |detail: &str| Err(ProviderError::new(ErrorKind::Refused, OPERATION, detail));
    let Some(master) = &event.master else { return refuse("Google has no instances without their series") };
    let instances = event.overrides.values().filter_map(|instance| match instance {
        Override::Changed { body, .. } => Some(&**body),
        _ => None,
    });
    for body in std::iter::once(master).chain(instances) {
        for time in [&body.time.start, &body.time.end] {
            match time {
                EventTime::Floating(_) => {
                    return refuse("Google has no floating times, and no zone is set for them");
                }
                _ if time::write(time).is_none() => return refuse("Google knows no such time zone"),
                _ => {}
            }
        }
    }
    // Google keeps the instant it begins at, and would repeat it by the hour the clocks jumped to.
    if event.is_series() && is_skipped(&master.time.start) {
        return refuse("a series that begins in an hour its zone skips");
    }
    let rules = event.rules.iter().chain(&event.excluded_rules);
    if rules.into_iter().any(|rule| rule.fatal_problem().is_some()) {
        return refuse("a recurrence rule that means nothing");
    }
    Ok(())
}

fn create(target: &Event, instance: Option<RecurrenceId>, writing: Writing<'_>) -> Payload {
    let blank = EventBody::new(target.master.as_ref().map_or_else(
        || calsync_core::model::TimeSpan::all_day(chrono::NaiveDate::MIN, chrono::NaiveDate::MIN),
        |master| master.time.clone(),
    ));
    let mut item = Item::default();
    let Some(master) = &target.master else { return item.payload() };
    body::apply(&mut item.event, &blank, master, writing);
    if let (Some(start), Some(end)) = (time::write(&master.time.start), time::write(&master.time.end)) {
        item.event.insert("start".into(), start.into());
        item.event.insert("end".into(), end.into());
    }
    // Said aloud: left out, the calendar's own reminders would come.
    if master.alarms.is_empty() {
        item.event.insert("reminders".into(), no_reminders(writing));
    }
    if target.uid.len() <= PROPERTY_MAX {
        item.event.insert("extendedProperties".into(), json!({"private": {read::UID: target.uid}}));
    }
    if instance.is_some() {
        alone::note(&mut item.event, instance);
    }
    let mut lines = lines_of(target);
    lines.excluded = keys(target, |instance| matches!(instance, Override::Excluded));
    if target.is_series() {
        item.event.insert("recurrence".into(), recurrence::write(&lines, &master.time.start).into());
    }
    item.edits.notify = writing.people == PeoplePolicy::Write && !master.participants.is_empty();
    for (key, instance) in &target.overrides {
        if let Override::Changed { body, .. } = instance {
            add_exception(&mut item, *key, master, body, writing);
        }
    }
    item.payload()
}

fn no_reminders(writing: Writing<'_>) -> Value {
    match writing.no_alarms {
        crate::google::config::NoAlarms::None => json!({"useDefault": false, "overrides": []}),
        crate::google::config::NoAlarms::CalendarDefault => json!({"useDefault": true}),
    }
}

/// The lines a series needs, but for what is excluded.
fn lines_of(target: &Event) -> Lines {
    let mut added = keys(target, |instance| matches!(instance, Override::Added { .. }));
    // An instance no rule has needs a date of its own before it can be changed.
    let stray = target.overrides.iter().filter(|(key, instance)| {
        matches!(instance, Override::Changed { .. }) && !recurrence::generates(target, **key)
    });
    added.extend(stray.map(|(key, _)| *key));
    Lines {
        rules: target.rules.clone(),
        excluded_rules: target.excluded_rules.clone(),
        added,
        ..Lines::default()
    }
}

fn keys(event: &Event, wanted: fn(&Override) -> bool) -> BTreeSet<RecurrenceId> {
    event.overrides.iter().filter(|(_, instance)| wanted(instance)).map(|(key, _)| *key).collect()
}

/// An instance that is to become an exception: what the series has, with what differs.
fn add_exception(
    item: &mut Item,
    key: RecurrenceId,
    master: &EventBody,
    body: &EventBody,
    writing: Writing<'_>,
) {
    let from = inherited(master, key);
    let mut exception = item.event.clone();
    for own_to_master in ["id", "etag", "recurrence", "updated", "created"] {
        exception.remove(own_to_master);
    }
    if let Some(original) = time::write(&from.time.start) {
        exception.insert("originalStartTime".into(), original.into());
    }
    if let (Some(start), Some(end)) = (time::write(&from.time.start), time::write(&from.time.end)) {
        exception.insert("start".into(), start.into());
        exception.insert("end".into(), end.into());
    }
    let changed = body::apply(&mut exception, &from, body, writing);
    item.exceptions.retain(|known| time::original_start(known) != Some(key));
    item.exceptions.push(exception);
    sort(item);
    if !changed.is_empty() {
        item.edits.instances.insert(key, Edit::Write(changed));
    }
}

fn sort(item: &mut Item) {
    item.exceptions.sort_by_cached_key(time::original_start);
}

fn update(
    target: &Event,
    instance: Option<RecurrenceId>,
    payload: &Payload,
    writing: Writing<'_>,
) -> Result<Payload> {
    let unreadable = || ProviderError::new(ErrorKind::Refused, OPERATION, "what Google holds cannot be read");
    let mut item = Item::read(payload).ok_or_else(unreadable)?;
    item.edits = Edits::default();
    let current = read::read_item(&item, writing.colors).map_err(|_| unreadable())?;
    let (current, held) = alone::as_event(current);
    if held.is_none() && instance.is_some() {
        let detail = "Google has no instances without their series";
        return Err(ProviderError::new(ErrorKind::Refused, OPERATION, detail));
    }
    let (Some(before), Some(after)) = (&current.master, &target.master) else { return Err(unreadable()) };
    let access = Access::of(&item.event);
    item.edits.event = body::apply(&mut item.event, before, after, writing);
    if held != instance {
        // The series has come, or another instance stands for it.
        alone::note(&mut item.event, instance);
        item.edits.event.push("extendedProperties".to_owned());
    }
    if access.may("recurrence") && master_of(&item.event).is_none() {
        set_recurrence(&mut item, &current, target, after);
        for key in instance_keys(&item, target) {
            set_instance(&mut item, key, before, target, writing);
        }
    }
    // Also of those that are no longer asked: where none of them gets mail, it would come back to the owner of the calendar.
    let mut people = before.participants.iter().chain(&after.participants);
    item.edits.notify = writing.people == PeoplePolicy::Write
        && item.edits.event.iter().any(|member| member == "attendees")
        && !people.all(|participant| participant.person.is_cloaked());
    // Nothing to say: the very text that was there.
    Ok(if item.edits.is_empty() { payload.clone() } else { item.payload() })
}

/// The lines of the rules, when they are to say something else.
fn set_recurrence(item: &mut Item, current: &Event, target: &Event, after: &EventBody) {
    if !target.is_series() {
        if is_series(&item.event) {
            item.event.remove("recurrence");
            item.edits.event.push("recurrence".to_owned());
        }
        return;
    }
    let Some(before) = &current.master else { return };
    let lines = list(&item.event, "recurrence").iter().filter_map(Value::as_str);
    let held = recurrence::read(lines, &before.time.start);
    let mut wanted = lines_of(target);
    wanted.other.clone_from(&held.other);
    // Excluded by a date stays so. New ones are cancelled as instances, which leaves the rule alone; when the series
    // moves, or the rule is written anyway, they go along in one write.
    let moved = before.time.start != after.time.start || held.rules != wanted.rules;
    wanted.excluded = keys(target, |instance| matches!(instance, Override::Excluded))
        .into_iter()
        .filter(|key| moved || held.excluded.contains(key))
        .collect();
    if held != wanted || (moved && !held.excluded.is_empty()) {
        let lines = recurrence::write(&wanted, &after.time.start);
        item.event.insert("recurrence".into(), lines.into());
        item.edits.event.push("recurrence".to_owned());
    }
}

/// Every instance that is, or is to be, different from what the series says.
fn instance_keys(item: &Item, target: &Event) -> BTreeSet<RecurrenceId> {
    let held = item.exceptions.iter().filter_map(time::original_start);
    target.overrides.keys().copied().chain(held).collect()
}

/// Makes one instance say what the target has for it.
fn set_instance(
    item: &mut Item,
    key: RecurrenceId,
    before: &EventBody,
    target: &Event,
    writing: Writing<'_>,
) {
    let Some(master) = &target.master else { return };
    let held = item.exception(key).cloned();
    let by_date = {
        let lines = list(&item.event, "recurrence").iter().filter_map(Value::as_str);
        recurrence::read(lines, &master.time.start).excluded.contains(&key)
    };
    match (target.overrides.get(&key), held) {
        (Some(Override::Excluded), held) => {
            if by_date || held.as_ref().is_some_and(is_cancelled) {
                return;
            }
            let mut exception = held.unwrap_or_default();
            exception.insert("status".into(), "cancelled".into());
            if let Some(original) = time::write(&key.to_time(&master.time.start)) {
                exception.entry("originalStartTime").or_insert(original.into());
            }
            replace(item, key, exception);
            item.edits.instances.insert(key, Edit::Cancel);
        }
        (Some(Override::Changed { body, .. }), None) => add_exception(item, key, master, body, writing),
        (Some(Override::Changed { body, .. }), Some(held)) => {
            set_exception(item, key, held, before, body, writing)
        }
        (None | Some(Override::Added { .. }), Some(held)) => {
            // What the rules have no instance for any more goes with them. What they have follows the series: a cancelled
            // one is brought back, and one that reads as the series does must go on doing so.
            if fits(key, &master.time.start) && recurrence::generates(target, key) {
                set_exception(item, key, held, before, &inherited(master, key), writing);
            } else {
                item.exceptions.retain(|known| time::original_start(known) != Some(key));
            }
        }
        (None | Some(Override::Added { .. }), None) => {}
    }
}

fn set_exception(
    item: &mut Item,
    key: RecurrenceId,
    held: Object,
    before: &EventBody,
    body: &EventBody,
    writing: Writing<'_>,
) {
    let cancelled = is_cancelled(&held);
    let mut exception = held;
    let changed = if cancelled {
        // Of a cancelled instance Google keeps hardly more than its name: everything is written anew.
        let mut fresh = item.event.clone();
        for own_to_master in ["id", "etag", "recurrence", "updated", "created"] {
            fresh.remove(own_to_master);
        }
        for kept in ["id", "etag", "originalStartTime", "recurringEventId"] {
            if let Some(value) = exception.get(kept) {
                fresh.insert(kept.to_owned(), value.clone());
            }
        }
        let blank = instance_body(&fresh, key, before, writing.colors);
        let mut changed = body::apply(&mut fresh, &blank, body, writing);
        let status = if body.status.is_some() { "tentative" } else { "confirmed" };
        fresh.insert("status".into(), status.into());
        if let (Some(start), Some(end)) = (time::write(&body.time.start), time::write(&body.time.end)) {
            fresh.insert("start".into(), start.into());
            fresh.insert("end".into(), end.into());
        }
        for member in
            ["status", "start", "end", "summary", "description", "location", "transparency", "visibility"]
        {
            if fresh.contains_key(member) && !changed.iter().any(|known| known == member) {
                changed.push(member.to_owned());
            }
        }
        exception = fresh;
        changed
    } else {
        let from = instance_body(&exception, key, before, writing.colors);
        body::apply(&mut exception, &from, body, writing)
    };
    if !changed.is_empty() {
        replace(item, key, exception);
        item.edits.instances.insert(key, Edit::Write(changed));
    }
}

fn replace(item: &mut Item, key: RecurrenceId, exception: Object) {
    item.exceptions.retain(|known| time::original_start(known) != Some(key));
    item.exceptions.push(exception);
    sort(item);
}
