//! An event as an item, or as a change of the one that is there.
//!
//! What is rendered is the item as it is to be, with a member that says which properties a write sends: the fewest that
//! make the change.

use std::{borrow::Cow, collections::BTreeSet};

use calsync_core::{
    diff::{Part, changed_fields},
    model::{Event, EventBody, EventTime, Override, OverrideScope, Privacy, RecurrenceId, Status, TimeSpan},
    provider::{ErrorKind, PeoplePolicy, ProviderError, RenderRequest, Rendered, Result},
};
use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    item,
    wire::{Object, objects, text},
};
use super::{
    Options, body, fields,
    instance::{at, passes_neighbour, shifted},
    people,
    project::leave_out_cancelled,
    props,
    read::{instance_of, read},
    recurrence,
    time::{TimeLoss, to_note, windows_name, write_point},
};

const OPERATION: &str = "render";

/// What an attendee may change on the own copy of a meeting, and what an organizer may without anybody being mailed.
const OWN: [&str; 6] =
    ["categories", "importance", "isReminderOn", "reminderMinutesBeforeStart", "sensitivity", "showAs"];

/// What an exception does not have from its series.
const NOT_INHERITED: [&str; 9] = [
    "cancelledOccurrences",
    "changeKey",
    "exceptionOccurrences",
    "iCalUId",
    "id",
    "originalEndTimeZone",
    "originalStartTimeZone",
    "recurrence",
    "singleValueExtendedProperties",
];

/// What a write sends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Properties of the event, or of the master.
    #[serde(default)]
    pub(crate) master: Object,
    /// Instances to delete.
    #[serde(default)]
    pub(crate) cancel: Vec<RecurrenceId>,
    /// Instances to change.
    #[serde(default)]
    pub(crate) change: Vec<InstancePatch>,
}

/// Properties of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InstancePatch {
    pub(crate) instance: RecurrenceId,
    pub(crate) patch: Object,
}

impl Plan {
    /// Whether more than one request is needed.
    pub(crate) fn has_steps(&self) -> bool {
        !self.cancel.is_empty() || !self.change.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.master.is_empty() && !self.has_steps()
    }

    /// Takes the plan out of a rendered payload.
    pub(crate) fn take(object: &mut Object) -> Self {
        object.remove(item::PATCH).and_then(|plan| serde_json::from_value(plan).ok()).unwrap_or_default()
    }
}

pub(crate) fn render(request: &RenderRequest<'_>, options: &Options<'_>) -> Result<Rendered> {
    let mut writer = Writer {
        options,
        people: request.people,
        losses: BTreeSet::new(),
        plan: Plan::default(),
        no_first: None,
    };
    let mut event = Cow::Borrowed(request.event);
    let original = request.original.and_then(item::object_of);
    // To delete an instance of a meeting is mailed to the people in it: where they are spared, it shows as free.
    let mails = original.as_ref().is_some_and(|item| people::is_meeting(item) && people::is_own(item));
    if request.people == PeoplePolicy::Write || !mails {
        leave_out_cancelled(event.to_mut());
    }
    match request.original {
        None => {
            let item = writer.fresh(&event)?;
            Ok(writer.rendered(item))
        }
        Some(payload) => {
            let mut original = original.ok_or_else(|| {
                ProviderError::new(ErrorKind::InvalidInput, OPERATION, "the original is no item")
            })?;
            original.remove(item::PATCH);
            let item = writer.changed(&event, &original)?;
            if writer.plan.is_empty() {
                let losses = writer.losses.into_iter().map(ToOwned::to_owned).collect();
                return Ok(Rendered { payload: payload.clone(), losses });
            }
            Ok(writer.rendered(item))
        }
    }
}

struct Writer<'a> {
    options: &'a Options<'a>,
    people: PeoplePolicy,
    losses: BTreeSet<&'static str>,
    plan: Plan,
    /// The first instance, where the rule has none there and Graph begins later: whatever is said of it is lost with it.
    no_first: Option<RecurrenceId>,
}

impl Writer<'_> {
    fn rendered(self, mut item: Object) -> Rendered {
        let plan = serde_json::to_value(&self.plan).unwrap_or_default();
        item.insert(item::PATCH.to_owned(), plan);
        Rendered {
            payload: item::payload(item),
            losses: self.losses.into_iter().map(ToOwned::to_owned).collect(),
        }
    }

    fn fresh(&mut self, event: &Event) -> Result<Object> {
        let master = event
            .body()
            .ok_or_else(|| ProviderError::new(ErrorKind::Refused, OPERATION, "an event without content"))?;
        if event.master.is_none() && event.overrides.len() > 1 {
            self.losses.insert("instances");
        }
        let empty = EventBody::new(master.time.clone());
        let mut item = Object::new();
        let mut parts = parts(&empty, master);
        parts.insert(Part::Time);
        self.write_parts(&parts, master, (&Object::new(), &Object::new()), &mut item);
        // What the service would fill in is said, so that what was sent reads as what is there.
        item.entry("showAs").or_insert_with(|| json!(fields::show_as(master)));
        if master.alarms.is_empty() {
            // Else the mailbox adds its own.
            item.insert("isReminderOn".into(), json!(false));
        }
        let mut repeats = false;
        if event.master.is_some() && event.is_series() {
            repeats = self.write_rules(event, master, &mut item);
        }
        props::put(&mut item, self.options.set, props::UID, &event.uid);
        self.plan.master = item.clone();
        if repeats {
            self.write_instances(event, None, event.overrides.keys().copied().collect(), &mut item)?;
        }
        Ok(item)
    }

    fn changed(&mut self, event: &Event, original: &Object) -> Result<Object> {
        let current = read(original, self.options)
            .map_err(|reason| ProviderError::new(ErrorKind::Refused, OPERATION, reason))?;
        // What an exception has as its series has it follows the series when that is changed there.
        let current = followed(current, event);
        let fields = changed_fields(&current, event);
        let own: BTreeSet<Part> =
            fields.iter().filter(|field| field.instance.is_none()).map(|field| field.part.clone()).collect();
        let mut instances: BTreeSet<RecurrenceId> =
            fields.iter().filter_map(|field| field.instance).collect();
        let mut patch = Object::new();
        let mut item = original.clone();
        if let Some(master) = &event.master {
            self.write_parts(&own, master, (original, original), &mut patch);
            let was_series = !current.rules.is_empty();
            let moved = own.contains(&Part::Time) && was_series;
            if own.contains(&Part::Rules) && event.rules.is_empty() {
                patch.insert("recurrence".into(), Value::Null);
                instances.clear();
            } else if (own.contains(&Part::Rules) || moved) && !self.write_rules(event, master, &mut patch) {
                // A start that fits no pattern is not written without one.
                for name in ["start", "end", "isAllDay", "recurrence"] {
                    patch.remove(name);
                }
            }
            if patch.contains_key("recurrence") || (moved && patch.contains_key("start")) {
                // Exchange drops exceptions when the pattern or its start changes.
                instances = event.overrides.keys().copied().collect();
            }
        } else {
            self.losses.insert("instances");
        }
        if !people::is_own(original) {
            let before = patch.len() + instances.len();
            patch.retain(|name, _| OWN.contains(&name.as_str()));
            instances.clear();
            if patch.len() < before {
                self.losses.insert("organizer-only");
            }
        }
        for (name, value) in &patch {
            item.insert(name.clone(), value.clone());
        }
        if patch.contains_key("singleValueExtendedProperties") {
            merge_properties(original, &mut item, self.options.set);
        }
        self.plan.master = patch;
        let repeats = item.get("recurrence").is_some_and(Value::is_object);
        if repeats && !instances.is_empty() {
            self.write_instances(event, Some((&current, original)), instances, &mut item)?;
        }
        self.spare_people(original)?;
        Ok(item)
    }

    /// A change of a meeting is mailed to everybody in it.
    fn spare_people(&self, original: &Object) -> Result<()> {
        let quiet = |patch: &Object| patch.keys().all(|name| OWN.contains(&name.as_str()));
        let silent = quiet(&self.plan.master)
            && self.plan.cancel.is_empty()
            && self.plan.change.iter().all(|change| quiet(&change.patch));
        if self.people == PeoplePolicy::Withhold
            && people::is_meeting(original)
            && people::is_own(original)
            && !silent
        {
            return Err(ProviderError::new(
                ErrorKind::Refused,
                OPERATION,
                "the change would be mailed to the people invited, which this link does not allow",
            ));
        }
        Ok(())
    }

    fn write_span(&mut self, span: &TimeSpan, out: &mut Object) {
        let mut loss = TimeLoss::default();
        out.insert("start".into(), write_point(&span.start, self.options.floating, &mut loss));
        out.insert("end".into(), write_point(&span.end, self.options.floating, &mut loss));
        out.insert("isAllDay".into(), json!(span.is_all_day()));
        if loss.floating {
            self.losses.insert("floating-time");
        }
        if loss.zone {
            self.losses.insert("time-zone");
        }
    }

    /// `invited`: what holds the people as they are, of an instance nobody changed its series.
    fn write_parts(
        &mut self,
        parts: &BTreeSet<Part>,
        event: &EventBody,
        (original, invited): (&Object, &Object),
        out: &mut Object,
    ) {
        for part in parts {
            match part {
                Part::Time => {
                    self.write_span(&event.time, out);
                    if let Some(zones) = to_note(&event.time) {
                        props::put(out, self.options.set, props::ZONES, &zones);
                    }
                }
                Part::Title => {
                    let whole = event.title.as_deref().unwrap_or_default();
                    let title = fields::title(whole, self.options.title_max);
                    if title.len() < whole.len() {
                        self.losses.insert("title");
                    }
                    if text(original, "subject").unwrap_or_default() != title || original.is_empty() {
                        out.insert("subject".into(), json!(title));
                    }
                }
                Part::Description => {
                    if body::is_formatted(original) {
                        self.losses.insert("formatting");
                    }
                    out.insert("body".into(), body::write(event.description.as_deref(), Some(original)));
                }
                Part::Location | Part::Geo => {
                    out.insert("location".into(), fields::location(event));
                }
                Part::Status | Part::FreeBusy => {
                    let shown = fields::show_as(event);
                    // "Away" and "working elsewhere" are kinds of busy.
                    let is_kind = shown == "busy"
                        && matches!(text(original, "showAs"), Some("oof" | "workingElsewhere" | "busy"));
                    if !is_kind && text(original, "showAs") != Some(shown) {
                        out.insert("showAs".into(), json!(shown));
                    }
                    if event.status == Some(Status::Cancelled) {
                        self.losses.insert("status");
                    }
                }
                Part::Privacy => {
                    let word = fields::sensitivity(event.privacy);
                    if text(original, "sensitivity").unwrap_or("normal") != word {
                        out.insert("sensitivity".into(), json!(word));
                    }
                    if event.privacy == Some(Privacy::Public) {
                        self.losses.insert("privacy");
                    }
                }
                Part::Priority => {
                    let word = fields::importance(event.priority);
                    if text(original, "importance").unwrap_or("normal") != word {
                        out.insert("importance".into(), json!(word));
                    }
                    if !matches!(event.priority, None | Some(1 | 9)) {
                        self.losses.insert("priority");
                    }
                }
                Part::Category(_) => {
                    out.insert("categories".into(), json!(event.categories));
                }
                Part::Alarm(_) => {
                    let (minutes, lost) = fields::reminder(&event.alarms);
                    if lost {
                        self.losses.insert("alarms");
                    }
                    out.insert("isReminderOn".into(), json!(minutes.is_some()));
                    if let Some(minutes) = minutes {
                        out.insert("reminderMinutesBeforeStart".into(), json!(minutes));
                    }
                }
                Part::Participant(_) if self.people == PeoplePolicy::Write => {
                    let written = people::write(&event.participants, invited);
                    if written.lost {
                        self.losses.insert("answers");
                    }
                    out.extend(written.attendees.map(|attendees| ("attendees".to_owned(), attendees)));
                }
                Part::Participant(_) => {
                    self.losses.insert("participants");
                }
                Part::Organizer => {
                    self.losses.insert("organizer");
                }
                Part::Url if event.url.is_some() => {
                    self.losses.insert("url");
                }
                Part::VirtualLocations => {
                    self.losses.insert("virtual-locations");
                }
                Part::Color if event.color.is_some() => {
                    self.losses.insert("color");
                }
                _ => {}
            }
        }
    }

    /// Whether the series could be written as one.
    fn write_rules(&mut self, event: &Event, master: &EventBody, out: &mut Object) -> bool {
        let series = event
            .excluded_rules
            .is_empty()
            .then(|| {
                recurrence::series(
                    &event.rules,
                    &master.time.start,
                    self.options.floating,
                    self.options.month_end,
                )
            })
            .flatten();
        let Some(series) = series else {
            self.losses.insert("recurrence");
            return false;
        };
        if let Some(begins) = series.begins {
            self.losses.insert("recurrence-start");
            self.no_first = Some(RecurrenceId::of(&master.time.start));
            let by = begins - master.time.start.local();
            let start = shifted(&master.time.start, by);
            // It lasts as long as the others, also where the clocks change in the middle of it.
            let lasts = |end: &EventTime| Some(end.absolute()? - master.time.start.absolute()?);
            let end = match (start.absolute(), lasts(&master.time.end)) {
                (Some(begins), Some(lasts)) => {
                    RecurrenceId::Instant(begins + lasts).to_time(&master.time.end)
                }
                _ => shifted(&master.time.end, by),
            };
            self.write_span(&TimeSpan { start, end }, out);
        }
        if master.time.start.zone().is_some_and(|zone| windows_name(zone).is_none()) {
            self.losses.insert("time-zone");
        }
        out.insert("recurrence".into(), series.recurrence);
        true
    }

    /// Plans the writes to instances, and puts them into the item as they are to be.
    fn write_instances(
        &mut self,
        event: &Event,
        before: Option<(&Event, &Object)>,
        ids: BTreeSet<RecurrenceId>,
        item: &mut Object,
    ) -> Result<()> {
        let Some(master) = &event.master else { return Ok(()) };
        let again = self.plan.master.contains_key("recurrence") || self.plan.master.contains_key("start");
        let mut exceptions: Vec<Object> = objects(item, "exceptionOccurrences").cloned().collect();
        let mut cancelled: Vec<Value> =
            item.get("cancelledOccurrences").and_then(Value::as_array).cloned().unwrap_or_default();
        if again {
            exceptions.clear();
            cancelled.clear();
        }
        for id in ids.into_iter().filter(|id| self.no_first != Some(*id)).collect::<Vec<_>>() {
            let current = before.and_then(|(current, _)| current.overrides.get(&id)).filter(|_| !again);
            match (event.overrides.get(&id), current) {
                (Some(Override::Excluded), _) => {
                    let date = id.to_time(&master.time.start).local().date();
                    cancelled.push(json!(format!("OID.new.{date}")));
                    exceptions.retain(|exception| instance_of(exception, &master.time.start) != Some(id));
                    self.plan.cancel.push(id);
                }
                (Some(Override::Changed { body, scope }), current) => {
                    if *scope == OverrideScope::ThisAndFuture {
                        self.losses.insert("recurrence-range");
                    }
                    if matches!(current, Some(Override::Excluded)) {
                        // What was deleted cannot be brought back as an instance.
                        self.losses.insert("instances");
                        continue;
                    }
                    let from = match current {
                        Some(Override::Changed { body, .. }) => (**body).clone(),
                        _ => at(master, id),
                    };
                    if passes_neighbour(event, id, body) {
                        // Graph does not take it: the instance stays on its day there.
                        self.losses.insert("instance-moved");
                        let stays = EventBody { time: from.time.clone(), ..(**body).clone() };
                        self.change(id, &from, &stays, (&master.time, item, before), &mut exceptions);
                    } else {
                        self.change(id, &from, body, (&master.time, item, before), &mut exceptions);
                    }
                }
                (None, Some(Override::Changed { body, .. })) => {
                    self.change(
                        id,
                        &body.clone(),
                        &at(master, id),
                        (&master.time, item, before),
                        &mut exceptions,
                    );
                }
                (Some(Override::Added { .. }), _) => {
                    self.losses.insert("added-dates");
                }
                (None, Some(Override::Excluded)) => {
                    self.losses.insert("instances");
                }
                (None, _) => {}
            }
        }
        if !exceptions.is_empty() || item.contains_key("exceptionOccurrences") {
            let values = exceptions.into_iter().map(Value::Object).collect();
            item.insert("exceptionOccurrences".into(), Value::Array(values));
        }
        if !cancelled.is_empty() || item.contains_key("cancelledOccurrences") {
            item.insert("cancelledOccurrences".into(), Value::Array(cancelled));
        }
        Ok(())
    }

    fn change(
        &mut self,
        id: RecurrenceId,
        from: &EventBody,
        to: &EventBody,
        (master, item, before): (&TimeSpan, &Object, Option<(&Event, &Object)>),
        exceptions: &mut Vec<Object>,
    ) {
        let place = exceptions.iter().position(|exception| instance_of(exception, &master.start) == Some(id));
        let original = place.and_then(|place| exceptions.get(place)).cloned().unwrap_or_default();
        let parts = parts(from, to);
        let mut patch = Object::new();
        let held = following(&original, before.map(|(_, before)| before), item);
        let invited = if held.contains_key("attendees") { &held } else { item };
        self.write_parts(&parts, to, (&held, invited), &mut patch);
        // Extended properties are the master's affair.
        patch.remove("singleValueExtendedProperties");
        if patch.is_empty() {
            return;
        }
        self.plan.change.push(InstancePatch { instance: id, patch: patch.clone() });
        let mut exception = original;
        if exception.is_empty() {
            // As it will be: the series' content, with its own over it.
            exception = item.clone();
            exception.retain(|name, _| !NOT_INHERITED.contains(&name.as_str()) && !name.starts_with('@'));
            self.write_span(&to.time, &mut exception);
            exception.insert("type".into(), json!("exception"));
            let start = id.to_time(&master.start);
            let instant = start.absolute().unwrap_or_else(|| start.local().and_utc());
            let text = instant.to_rfc3339_opts(SecondsFormat::Secs, true);
            exception.insert("originalStart".into(), json!(text));
        }
        exception.extend(patch);
        match place {
            Some(place) => exceptions[place] = exception,
            None => exceptions.push(exception),
        }
    }
}

/// An event as Graph holds it, but for what its exceptions will say once the series says what it is to say: where that is
/// not what they are to say, it has to be written. Nobody promises that they follow, so nothing relies on it either.
fn followed(mut current: Event, target: &Event) -> Event {
    let (Some(old), Some(new)) = (current.master.clone(), &target.master) else { return current };
    for (id, held) in &mut current.overrides {
        let (Override::Changed { body, .. }, Some(Override::Changed { body: wanted, .. })) =
            (held, target.overrides.get(id))
        else {
            continue;
        };
        macro_rules! follow {
            ($($part:ident),+) => {
                $(if body.$part == old.$part && new.$part != wanted.$part {
                    body.$part.clone_from(&new.$part);
                })+
            };
        }
        follow!(title, description, location, geo, status, free_busy, privacy, priority, categories, alarms);
    }
    current
}

/// An exception as it is once its series is written: what it says as its series says follows the series.
fn following(exception: &Object, before: Option<&Object>, series: &Object) -> Object {
    let mut exception = exception.clone();
    let Some(before) = before else { return exception };
    for name in ["subject", "showAs", "sensitivity", "importance"] {
        if let (Some(own), Some(new)) = (exception.get_mut(name), series.get(name))
            && before.get(name) == Some(own)
        {
            own.clone_from(new);
        }
    }
    exception
}

/// The parts in which two bodies differ.
fn parts(from: &EventBody, to: &EventBody) -> BTreeSet<Part> {
    let single = |body: &EventBody| Event::single("", body.clone());
    changed_fields(&single(from), &single(to)).into_iter().map(|field| field.part).collect()
}

/// Noted properties that a patch does not name are still there.
fn merge_properties(original: &Object, item: &mut Object, set: &str) {
    let written = item.remove("singleValueExtendedProperties");
    if let Some(kept) = original.get("singleValueExtendedProperties") {
        item.insert("singleValueExtendedProperties".into(), kept.clone());
    }
    for property in written.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_object) {
        if let (Some((_, name)), Some(value)) =
            (text(property, "id").and_then(|id| id.rsplit_once(' ')), text(property, "value"))
        {
            props::put(item, set, name, value);
        }
    }
}
