//! An event as a write: the whole item, as Cozi wants it, and what is left out of a series after it.

use std::collections::BTreeSet;

use calsync_core::{
    diff::{Part, changed_fields},
    model::{Event, EventBody},
    provider::{ErrorKind, ProviderError, RenderRequest, Rendered, Result},
    recurrence::RuleEntry,
};
use chrono::NaiveDate;
use serde_json::{Value, json};

use super::super::{
    config::Reminders,
    item::{self, member},
    wire::{Object, day, inner, list},
};
use super::{
    Options, fields,
    project::{date, problem, project},
    read::{excluded, read},
    recurrence,
};

const OPERATION: &str = "render";

/// What a write sends.
pub(crate) struct Plan {
    /// The operation's body, without the id.
    pub(crate) body: Object,
    /// The day it is to begin on.
    pub(crate) day: NaiveDate,
    /// Dates that are not to take place; those the service did not take with the body are taken out one by one.
    pub(crate) excluded: Vec<NaiveDate>,
}

impl Plan {
    pub(crate) fn of(write: &Object) -> Option<Self> {
        let body = inner(write, "body")?.clone();
        let start = body.get("startDay")?.as_str().and_then(day)?;
        let excluded = list(write, "excluded").iter().filter_map(Value::as_str).filter_map(day).collect();
        Some(Self { body, day: start, excluded })
    }
}

pub(crate) fn render(request: &RenderRequest<'_>, options: &Options<'_>) -> Result<Rendered> {
    let refused = |text: &str| ProviderError::new(ErrorKind::Refused, OPERATION, text);
    if let Some(problem) = problem(request.event, &options.zone) {
        return Err(refused(problem));
    }
    let event = project(request.event, options);
    let master = event.master.as_ref().ok_or_else(|| refused("an event without content"))?;
    let losses = losses(request.event, &event);
    let original = match request.original {
        None => None,
        Some(payload) => {
            let parts = item::parts_of(payload).ok_or_else(|| {
                ProviderError::new(ErrorKind::InvalidInput, OPERATION, "the original is no item")
            })?;
            let Value::Object(object) = parts.item else { return Err(refused("it cannot be read")) };
            let zone =
                calsync_core::zone::Zone::from_iana(&parts.zone).unwrap_or_else(|| options.zone.clone());
            let current = read(&object, &zone, options.reminders).map_err(refused)?;
            if !item::is_own(&object) {
                return Err(refused("it is a birthday, a meal, or from a subscribed calendar"));
            }
            if changed_fields(&current, &event).is_empty() {
                return Ok(Rendered { payload: payload.clone(), losses });
            }
            Some(object)
        }
    };
    let empty = Object::new();
    let original = original.as_ref();
    let details = details(master, original, options);
    let mut body = json!({"startDay": master.time.start.local().date().to_string(), "details": details});
    let mut wanted = Vec::new();
    if event.is_series() {
        let rule = event.rules.first().and_then(|entry| match entry {
            RuleEntry::Rule(rule) => recurrence::write(rule, &master.time.start),
            RuleEntry::Opaque { .. } => None,
        });
        let rule = rule.ok_or_else(|| refused("Cozi has no such rule"))?;
        wanted = event.overrides.keys().map(|id| date(*id, &master.time.start, &options.zone)).collect();
        let before = original.and_then(|item| member(item, "recurrence")?.as_object()).unwrap_or(&empty);
        let exdates = exdates(before, &wanted).map_err(refused)?;
        body["recurrence"] = json!({"rules": [rule]});
        if !exdates.is_empty() {
            body["recurrence"]["exdates"] = exdates.into();
        }
    }
    // An edit replaces the item: what is not sent is gone.
    body["reminders"] = match options.reminders {
        Reminders::Sync => fields::reminders(
            &request.event.master.as_ref().map(|body| body.alarms.clone()).unwrap_or_default(),
        )
        .into_iter()
        .map(|minutes| json!({"minutesBefore": minutes}))
        .collect(),
        Reminders::Leave => original
            .and_then(|item| member(item, "reminders"))
            .filter(|reminders| reminders.is_array())
            .cloned()
            .unwrap_or_else(|| json!([])),
    };
    let shown = shown(&body, original);
    let excluded: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let payload = json!({
        "zone": options.zone.name(),
        "item": shown,
        "write": {"body": body, "excluded": excluded},
    });
    Ok(Rendered { payload: calsync_core::provider::Payload::new(payload.to_string()), losses })
}

/// Whose an event is stays as it is; what Cozi has no field for goes.
fn details(master: &EventBody, original: Option<&Object>, options: &Options<'_>) -> Object {
    let (start, end) = (&master.time.start, &master.time.end);
    let days = (end.local().date() - start.local().date()).num_days().max(i64::from(start.is_date()));
    let clock = |time: &calsync_core::model::EventTime| time.local().format("%H:%M").to_string();
    let attendees = original
        .and_then(|item| member(item, "householdMembers"))
        .filter(|members| members.is_array())
        .cloned()
        .unwrap_or_else(|| if original.is_some() { json!([]) } else { json!(options.attendees) });
    let details = json!({
        "subject": master.title,
        "location": master.location,
        "notes": master.description,
        "startTime": clock(start),
        "endTime": clock(end),
        "dateSpan": days,
        "attendeeSet": attendees,
    });
    match details {
        Value::Object(details) => details,
        _ => Object::new(),
    }
}

/// The dates left out: as the service has them where they stay, so that one that points at another item still does.
fn exdates(before: &Object, wanted: &[NaiveDate]) -> std::result::Result<Vec<Value>, &'static str> {
    let known = excluded(before)?;
    let mut kept = Vec::new();
    for (date, entry) in known.iter().zip(list(before, "exdates")) {
        if wanted.contains(date) {
            kept.push(entry.clone());
        } else if entry
            .as_object()
            .is_some_and(|entry| entry.get("standinApptId").is_some_and(|id| !id.is_null()))
        {
            return Err("an instance that was changed at Cozi would take place twice");
        }
    }
    kept.extend(
        wanted.iter().filter(|date| !known.contains(date)).map(|date| json!({"date": date.to_string()})),
    );
    Ok(kept)
}

/// The item as it will be shown.
fn shown(body: &Value, original: Option<&Object>) -> Value {
    let details = &body["details"];
    let mut item = original.cloned().unwrap_or_else(|| {
        let mut item = Object::new();
        item.insert("id".into(), "new".into());
        item.insert("itemType".into(), "appointment".into());
        item
    });
    let mut inner = inner(&item, "itemDetails").cloned().unwrap_or_default();
    for name in ["location", "notes"] {
        item.remove(name);
        inner.insert(name.into(), details[name].clone());
    }
    for name in ["recurrence", "reminders", "recurrenceStartDay"] {
        item.remove(name);
        inner.remove(name);
    }
    if let Some(recurrence) = body.get("recurrence") {
        inner.insert("recurrence".into(), recurrence.clone());
        inner.insert("recurrenceStartDay".into(), body["startDay"].clone());
    }
    inner.insert("reminders".into(), body["reminders"].clone());
    item.insert("day".into(), body["startDay"].clone());
    item.insert("description".into(), details["subject"].clone());
    item.insert("descriptionShort".into(), details["subject"].clone());
    item.insert("householdMembers".into(), details["attendeeSet"].clone());
    for name in ["startTime", "endTime", "dateSpan"] {
        item.insert(name.into(), details[name].clone());
    }
    item.insert("itemDetails".into(), inner.into());
    Value::Object(item)
}

/// What Cozi has no place for. A time in other words is no loss, and neither is a rule that is spelled out.
fn losses(event: &Event, held: &Event) -> Vec<String> {
    let lost: BTreeSet<String> = changed_fields(event, held)
        .into_iter()
        .filter_map(|field| match field.part {
            Part::Time | Part::Rules | Part::Override | Part::Title | Part::Description | Part::Location => {
                None
            }
            Part::Alarm(_) => Some("alarm".to_owned()),
            Part::Category(_) => Some("category".to_owned()),
            part => serde_json::to_value(&part).ok().map(|value| match value {
                Value::String(name) => name,
                Value::Object(tagged) => tagged.keys().next().cloned().unwrap_or_default(),
                _ => String::new(),
            }),
        })
        .collect();
    lost.into_iter().filter(|name| !name.is_empty()).collect()
}
