//! Neutral events to fresh iCalendar text.
//!
//! In: an [`Event`]. Out: one complete `VCALENDAR` that strict servers take: `VERSION`, `PRODID`, no `METHOD`, a
//! definition for every zone, `UID`, `DTSTAMP`, always a `DTEND`, lines of 75 octets ended by CR LF.
//!
//! A text that exists is patched instead ([`patch`](super::patch::patch())): writing afresh loses what the model has no
//! field for.

pub(crate) mod line;
pub(crate) mod property;
pub(crate) mod zones;

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Utc};

use crate::ical::text::push_single_line;
use crate::model::{Descent, Event, EventBody, EventTime, Fold, Lineage, Override, RecurrenceId};
use crate::recurrence::RuleEntry;

use line::LineStyle;
use property::SimpleField;
use zones::ZoneNames;

/// Whether a write may carry people, which on many servers mails them (RFC 6638). Silent by default (invariant 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeoplePolicy {
    /// `ORGANIZER` and `ATTENDEE` are left alone: a fresh text has none, a patched text keeps those it has.
    #[default]
    Withhold,
    /// They are written as the event has them.
    Write,
}

impl PeoplePolicy {
    /// Whether people are left alone.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(crate) fn is_withhold(&self) -> bool {
        *self == Self::Withhold
    }
}

/// How to write a fresh text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// `DTSTAMP`: when this version of the item was made. Should change only when the event does, or texts of equal
    /// events differ.
    pub stamp: DateTime<Utc>,
    /// `PRODID`. Default: calsync's.
    pub product_id: String,
    /// Whether people are written. Default: not.
    pub people: PeoplePolicy,
}

/// The `PRODID` of a fresh text.
pub const PRODUCT_ID: &str = "-//calsync//calsync//EN";

impl WriteOptions {
    /// The defaults, with a stamp.
    pub fn new(stamp: DateTime<Utc>) -> Self {
        Self { stamp, product_id: PRODUCT_ID.to_owned(), people: PeoplePolicy::default() }
    }
}

/// Writes an event as a text of its own.
///
/// The event must be sound: ends not before starts, both of one kind. What iCalendar has no form for is written as the
/// nearest it has: control characters are dropped, years beyond 9999 become the last one, a series that starts in the
/// second of two equal hours starts in the first, a mail alarm is a message (it has nobody to go to), and an override for this and
/// all later instances is written for its own instance only (RFC 5545 section 3.2.13 has almost no readers: split the
/// series instead).
pub fn write_new(event: &Event, options: &WriteOptions) -> String {
    write_calendar(std::slice::from_ref(event), options)
}

/// Writes events as one calendar: what an export or a feed holds. Each as [`write_new`] writes it; zones are defined
/// once.
pub fn write_calendar(events: &[Event], options: &WriteOptions) -> String {
    let mut zones = ZoneNames::default();
    let mut components = Vec::new();
    let (mut from_year, mut to_year) = (i32::MAX, i32::MIN);
    for event in events {
        components.extend(vevents(event, options, &mut zones));
        let (from, to) = years(event, Some(options.stamp));
        (from_year, to_year) = (from_year.min(from), to_year.max(to));
    }
    let mut out = Vec::new();
    let style = LineStyle::STANDARD;
    let mut product_id = "PRODID:".to_owned();
    push_single_line(&mut product_id, &options.product_id);
    for line in ["BEGIN:VCALENDAR", "VERSION:2.0", &product_id, "CALSCALE:GREGORIAN"] {
        style.push(&mut out, line);
    }
    for definition in zones.new_definitions(from_year, to_year) {
        out.extend_from_slice(definition.as_bytes());
    }
    for line in &components {
        style.push(&mut out, line);
    }
    style.push(&mut out, "END:VCALENDAR");
    // Made of strings, cut at character boundaries.
    String::from_utf8(out).unwrap_or_default()
}

fn vevents(event: &Event, options: &WriteOptions, zones: &mut ZoneNames) -> Vec<String> {
    let event = &*repeatable(event);
    let mut lines = Vec::new();
    let people = People::of(options.people);
    if let Some(body) = &event.master {
        let head = Head { uid: &event.uid, recurrence_id: None, stamp: Some(options.stamp) };
        let mut beside = repetition(event, &body.time.start, zones);
        beside.extend(event.lineage.as_ref().map(lineage));
        lines.extend(vevent(&head, body, beside, people, zones));
    }
    for (id, body) in changed(event) {
        let like = event.master.as_ref().map_or(&body.time.start, |master| &master.time.start);
        let recurrence_id = id.to_time(like);
        let head = Head { uid: &event.uid, recurrence_id: Some(&recurrence_id), stamp: Some(options.stamp) };
        lines.extend(vevent(&head, body, Vec::new(), people, zones));
    }
    lines
}

/// The event it was made from. `FIRST` is of RFC 9253; readers that do not know it take it for the default, `PARENT`.
fn lineage(lineage: &Lineage) -> String {
    let head = match lineage.how {
        Descent::Copy => "RELATED-TO;RELTYPE=SIBLING",
        Descent::Following => "RELATED-TO;RELTYPE=FIRST",
    };
    property::text(head, &lineage.uid)
}

/// The event as iCalendar can repeat it.
///
/// A series that starts in the second of two equal hours has no zoned form for that start, and as an instant it would
/// forget its zone: every later instance would follow UTC instead of the clock. The first of the two hours is off by one
/// hour once.
pub(crate) fn repeatable(event: &Event) -> Cow<'_, Event> {
    let Some(EventTime::Zoned { local, zone, fold: Fold::Second }) =
        event.master.as_ref().map(|body| &body.time.start).filter(|_| event.is_series())
    else {
        return Cow::Borrowed(event);
    };
    let start = EventTime::zoned(*local, zone.clone());
    let mut event = event.clone();
    let Some(body) = &mut event.master else { return Cow::Owned(event) };
    let (before, after) = (RecurrenceId::of(&body.time.start), RecurrenceId::of(&start));
    if let (Some(was), Some(is), Some(end)) =
        (body.time.start.absolute(), start.absolute(), body.time.end.absolute())
        && let Some(end) = end.checked_sub_signed(was - is)
    {
        body.time.end = RecurrenceId::Instant(end).to_time(&body.time.end);
    }
    body.time.start = start;
    if !event.overrides.contains_key(&after)
        && let Some(instance) = event.overrides.remove(&before)
    {
        event.overrides.insert(after, instance);
    }
    Cow::Owned(event)
}

/// The instances with content of their own.
pub(crate) fn changed(event: &Event) -> impl Iterator<Item = (&RecurrenceId, &EventBody)> {
    event.overrides.iter().filter_map(|(id, instance)| match instance {
        Override::Changed { body, .. } => Some((id, &**body)),
        Override::Excluded | Override::Added { .. } => None,
    })
}

/// The first years and last years a zone definition must cover.
pub(crate) fn years(event: &Event, now: Option<DateTime<Utc>>) -> (i32, i32) {
    let bodies = event.master.iter().chain(changed(event).map(|(_, body)| body));
    let mut first = i32::MAX;
    let mut last = i32::MIN;
    for body in bodies {
        first = first.min(body.time.start.local().year());
        last = last.max(body.time.end.local().year());
    }
    // A definition holds 300 years: those up to now matter more than those of an event in 1601 or 4500.
    let now = now.map_or(last.saturating_add(10), |now| now.year().saturating_add(2));
    let to = last.max(now).min(now.saturating_add(200));
    (first.saturating_sub(1).max(to.saturating_sub(290)), to)
}

/// What identifies a component.
pub(crate) struct Head<'h> {
    pub(crate) uid: &'h str,
    pub(crate) recurrence_id: Option<&'h EventTime>,
    pub(crate) stamp: Option<DateTime<Utc>>,
}

/// The people lines of a component.
#[derive(Clone, Copy)]
pub(crate) enum People<'p> {
    /// Those of the body.
    OfBody,
    /// These lines, as they are.
    Copied(&'p [String]),
}

impl People<'_> {
    fn of(policy: PeoplePolicy) -> Self {
        match policy {
            PeoplePolicy::Withhold => Self::Copied(&[]),
            PeoplePolicy::Write => Self::OfBody,
        }
    }
}

/// The lines of a `VEVENT`.
pub(crate) fn vevent(
    head: &Head<'_>,
    body: &EventBody,
    repetition: Vec<String>,
    people: People<'_>,
    zones: &mut ZoneNames,
) -> Vec<String> {
    let mut lines = vec!["BEGIN:VEVENT".to_owned(), property::text("UID", head.uid)];
    lines.extend(head.recurrence_id.map(|id| property::time("RECURRENCE-ID", id, zones)));
    lines.extend(head.stamp.map(|stamp| property::instant("DTSTAMP", stamp)));
    lines.extend(body.created.map(|created| property::instant("CREATED", created)));
    lines.extend(body.updated.map(|updated| property::instant("LAST-MODIFIED", updated)));
    if body.sequence > 0 {
        lines.push(format!("SEQUENCE:{}", body.sequence));
    }
    lines.push(property::time("DTSTART", &body.time.start, zones));
    lines.push(property::time("DTEND", &body.time.end, zones));
    lines.extend(repetition);
    for field in SimpleField::ALL {
        lines.extend(field.value(body).map(|value| format!("{}:{value}", field.name())));
    }
    lines.extend(property::categories("CATEGORIES", &body.categories));
    lines.extend(body.virtual_locations.iter().map(property::conference));
    match people {
        People::OfBody => {
            lines.extend(body.organizer.as_ref().map(property::organizer));
            lines.extend(body.participants.iter().map(property::attendee));
        }
        People::Copied(copied) => lines.extend_from_slice(copied),
    }
    for alarm in &body.alarms {
        lines.extend(property::alarm(alarm));
    }
    lines.push("END:VEVENT".to_owned());
    lines
}

/// The lines that say how an event repeats.
pub(crate) fn repetition(event: &Event, start: &EventTime, zones: &mut ZoneNames) -> Vec<String> {
    // A rule without a meaning is not handed on: servers answer 500 to it, or expand it for ever.
    let sound = |rule: &&RuleEntry| rule.fatal_problem().is_none();
    let rules = event.rules.iter().filter(sound).map(|rule| property::rule("RRULE", rule, start));
    let excluded =
        event.excluded_rules.iter().filter(sound).map(|rule| property::rule("EXRULE", rule, start));
    let mut lines: Vec<String> = rules.chain(excluded).collect();
    for (id, instance) in &event.overrides {
        match instance {
            Override::Added { end } => lines.push(property::rdate(&id.to_time(start), end.as_ref(), zones)),
            Override::Excluded => lines.push(property::time("EXDATE", &id.to_time(start), zones)),
            // Without a rule nothing else says that there is such an instance.
            Override::Changed { .. } if event.rules.is_empty() && *id != RecurrenceId::of(start) => {
                lines.push(property::rdate(&id.to_time(start), None, zones));
            }
            Override::Changed { .. } => {}
        }
    }
    lines
}
