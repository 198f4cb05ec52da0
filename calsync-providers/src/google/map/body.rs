//! The members of one Google event and the body of the model, both ways.

use calsync_core::{
    model::{
        Alarm, AlarmAction, AlarmTrigger, Color, EventBody, FreeBusyStatus, Participant, ParticipationStatus,
        Person, Privacy, RelativeTo, Role, Status, TimeSpan, VirtualLocation,
    },
    provider::PeoplePolicy,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{project::narrow, time};
use crate::google::{
    config::{EventColors, NoAlarms},
    wire::{Object, flag, inner, integer, list, text},
};

/// The most reminders of an event, and the longest before its start.
pub(crate) const ALARMS_MAX: usize = 5;
pub(crate) const ALARM_MINUTES_MAX: i64 = 40_320;

/// Reads everything but the time.
pub(crate) fn read(event: &Object, time: TimeSpan, colors: &EventColors) -> EventBody {
    let mut body = EventBody::new(time);
    let owned = |name| text(event, name).map(ToOwned::to_owned);
    body.title = owned("summary");
    body.description = owned("description");
    body.location = owned("location");
    body.url = inner(event, "source").and_then(|source| text(source, "url")).map(ToOwned::to_owned);
    // Confirmed, opaque and default are what Google says when nobody said anything.
    body.status = (text(event, "status") == Some("tentative")).then_some(Status::Tentative);
    body.free_busy = (text(event, "transparency") == Some("transparent")).then_some(FreeBusyStatus::Free);
    body.privacy = match text(event, "visibility") {
        Some("public") => Some(Privacy::Public),
        Some("confidential") => Some(Privacy::Secret),
        Some("default") | None => None,
        // `private`, and whatever there will be: a word nobody knows shows nothing to anybody.
        Some(_) => Some(Privacy::Private),
    };
    body.color = text(event, "colorId").and_then(|id| colors.get(id)).cloned();
    body.virtual_locations = conference(event);
    body.participants = participants(event);
    let organizer = inner(event, "organizer");
    body.organizer = organizer
        .filter(|organizer| !body.participants.is_empty() || !flag(organizer, "self"))
        .and_then(person);
    body.alarms = alarms(event);
    body.sequence = integer(event, "sequence").and_then(|number| number.try_into().ok()).unwrap_or_default();
    body.created = instant(event, "created");
    body.updated = instant(event, "updated");
    body
}

/// Reads what is said of an instance over what the series says of it.
pub(crate) fn read_fragment(event: &Object, series: EventBody, colors: &EventColors) -> EventBody {
    let own = read(event, series.time.clone(), colors);
    let mut body = series;
    let says = |names: &[&str]| names.iter().any(|name| event.contains_key(*name));
    fn take<T>(says: bool, own: T, body: &mut T) {
        if says {
            *body = own;
        }
    }
    take(says(&["summary"]), own.title, &mut body.title);
    take(says(&["description"]), own.description, &mut body.description);
    take(says(&["location"]), own.location, &mut body.location);
    take(says(&["source"]), own.url, &mut body.url);
    take(says(&["status"]), own.status, &mut body.status);
    take(says(&["transparency"]), own.free_busy, &mut body.free_busy);
    take(says(&["visibility"]), own.privacy, &mut body.privacy);
    take(says(&["colorId"]), own.color, &mut body.color);
    take(says(&["conferenceData", "hangoutLink"]), own.virtual_locations, &mut body.virtual_locations);
    take(says(&["attendees"]), own.participants, &mut body.participants);
    take(says(&["attendees", "organizer"]), own.organizer, &mut body.organizer);
    take(says(&["reminders"]), own.alarms, &mut body.alarms);
    (body.sequence, body.created, body.updated) = (own.sequence, own.created, own.updated);
    body
}

fn instant(event: &Object, name: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text(event, name)?).ok().map(|time| time.with_timezone(&Utc))
}

fn person(of: &Object) -> Option<Person> {
    let address = text(of, "email")?.to_owned();
    Some(Person { address, name: text(of, "displayName").map(ToOwned::to_owned) })
}

pub(crate) fn participants(event: &Object) -> Vec<Participant> {
    let mut participants: Vec<Participant> = Vec::new();
    for attendee in list(event, "attendees").iter().filter_map(Value::as_object) {
        let Some(person) = person(attendee) else { continue };
        if participants.iter().any(|known| known.person.key() == person.key()) {
            continue;
        }
        let status = answer(attendee);
        let role = if flag(attendee, "optional") { Role::Optional } else { Role::Required };
        participants.push(Participant { person, status, role, expect_reply: false });
    }
    participants
}

fn answer(attendee: &Object) -> ParticipationStatus {
    match text(attendee, "responseStatus") {
        Some("accepted") => ParticipationStatus::Accepted,
        Some("declined") => ParticipationStatus::Declined,
        Some("tentative") => ParticipationStatus::Tentative,
        _ => ParticipationStatus::NeedsAction,
    }
}

/// The ways to join that can be opened; dial-in numbers and codes stay in the payload.
fn conference(event: &Object) -> Vec<VirtualLocation> {
    let points = inner(event, "conferenceData").map_or(&[][..], |data| list(data, "entryPoints"));
    let mut found: Vec<VirtualLocation> = points
        .iter()
        .filter_map(Value::as_object)
        .filter(|point| text(point, "entryPointType") == Some("video"))
        .filter_map(|point| {
            let uri = text(point, "uri")?.to_owned();
            Some(VirtualLocation { uri, name: text(point, "label").map(ToOwned::to_owned) })
        })
        .collect();
    if found.is_empty()
        && let Some(uri) = text(event, "hangoutLink")
    {
        found.push(VirtualLocation { uri: uri.to_owned(), name: None });
    }
    found
}

fn alarms(event: &Object) -> Vec<Alarm> {
    let Some(reminders) = inner(event, "reminders") else { return Vec::new() };
    // The calendar's own reminders are no part of the event.
    if flag(reminders, "useDefault") {
        return Vec::new();
    }
    let mut alarms: Vec<Alarm> = list(reminders, "overrides").iter().filter_map(alarm).collect();
    alarms.sort();
    alarms.dedup();
    alarms
}

fn alarm(reminder: &Value) -> Option<Alarm> {
    let reminder = reminder.as_object()?;
    let minutes = integer(reminder, "minutes").filter(|minutes| (0..=ALARM_MINUTES_MAX).contains(minutes))?;
    let action = match text(reminder, "method")? {
        "email" => AlarmAction::Email,
        _ => AlarmAction::Display,
    };
    Some(Alarm { action, ..Alarm::display_before(minutes * 60) })
}

/// How bodies are written.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'a> {
    pub(crate) colors: &'a EventColors,
    pub(crate) people: PeoplePolicy,
    pub(crate) no_alarms: NoAlarms,
}

/// What Google lets this account change of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// All of it.
    Organizer,
    /// A copy of somebody else's event: what concerns only the owner of the copy (MAIL-10).
    Guest,
    /// Its content is Google's or another application's.
    Locked,
    /// Nothing: an event of a special type.
    None,
}

impl Access {
    pub(crate) fn of(event: &Object) -> Self {
        let foreign = inner(event, "organizer").is_some_and(|organizer| !flag(organizer, "self"));
        let invited = list(event, "attendees").iter().filter_map(Value::as_object).any(|a| flag(a, "self"));
        if !crate::google::item::is_touchable(event) {
            Self::None
        } else if foreign && invited && !flag(event, "guestsCanModify") {
            Self::Guest
        } else if flag(event, "locked") {
            Self::Locked
        } else {
            Self::Organizer
        }
    }

    pub(crate) fn may(self, member: &str) -> bool {
        match self {
            Self::Organizer => true,
            Self::Guest => {
                matches!(member, "reminders" | "colorId" | "transparency" | "visibility" | "attendees")
            }
            Self::Locked => {
                !matches!(member, "summary" | "description" | "location" | "start" | "end" | "recurrence")
            }
            Self::None => false,
        }
    }
}

/// Changes `event`, which reads as `from`, so that it reads as `to`. Returns the members that changed.
///
/// Members that Google would not let this account change, and what it has no member for, stay as they are.
pub(crate) fn apply(
    event: &mut Object,
    from: &EventBody,
    to: &EventBody,
    writing: Writing<'_>,
) -> Vec<String> {
    let access = Access::of(event);
    let mut narrowed = from.clone();
    narrow(&mut narrowed);
    let from = &narrowed;
    let held = |name: &str| inner(event, name).cloned();
    let [start, end, source, reminders] = ["start", "end", "source", "reminders"].map(held);
    let mut changed = Vec::new();
    let mut set = |name: &str, value: Option<Value>| {
        if !access.may(name) || event.get(name) == value.as_ref() {
            return;
        }
        match value {
            Some(value) => event.insert(name.to_owned(), value),
            None => event.remove(name),
        };
        changed.push(name.to_owned());
    };
    if from.time != to.time
        && let (Some(starts), Some(ends)) = (time::write(&to.time.start), time::write(&to.time.end))
    {
        set("start", Some(beside(start, &TIME_FORMS, starts)));
        set("end", Some(beside(end, &TIME_FORMS, ends)));
    }
    let word = |value: &Option<String>| value.as_deref().filter(|text| !text.is_empty()).map(Value::from);
    if from.title != to.title {
        set("summary", word(&to.title));
    }
    if from.description != to.description {
        set("description", word(&to.description));
    }
    if from.location != to.location {
        set("location", word(&to.location));
    }
    if from.url != to.url {
        set("source", to.url.as_deref().map(|url| linked(source.unwrap_or_default(), url)));
    }
    if from.status != to.status {
        let status = if to.status == Some(Status::Tentative) { "tentative" } else { "confirmed" };
        set("status", Some(status.into()));
    }
    if from.free_busy != to.free_busy {
        let free = to.free_busy == Some(FreeBusyStatus::Free);
        set("transparency", Some(if free { "transparent" } else { "opaque" }.into()));
    }
    if from.privacy != to.privacy {
        let visibility = match to.privacy {
            None => "default",
            Some(Privacy::Public) => "public",
            Some(Privacy::Private) => "private",
            Some(Privacy::Secret) => "confidential",
        };
        set("visibility", Some(visibility.into()));
    }
    if from.color != to.color {
        set("colorId", to.color.as_ref().and_then(|color| color_id(color, writing.colors)).map(Value::from));
    }
    if from.alarms != to.alarms {
        set("reminders", Some(reminded(reminders.unwrap_or_default(), &to.alarms, writing.no_alarms)));
    }
    if from.participants != to.participants && writing.people == PeoplePolicy::Write {
        set_attendees(event, access, to, &mut changed);
    }
    changed
}

/// Google's number of a colour, or of the one next to it that Google has.
pub(crate) fn color_id<'c>(color: &str, colors: &'c EventColors) -> Option<&'c str> {
    let same = colors.iter().find(|(_, known)| known.eq_ignore_ascii_case(color));
    let nearest = || {
        let wanted = Color::parse(color)?;
        let known = colors.iter().filter_map(|(id, known)| Some((id, Color::parse(known)?)));
        known.min_by_key(|(_, known)| wanted.distance(*known)).map(|(id, _)| id)
    };
    same.map(|(id, _)| id).or_else(nearest).map(String::as_str)
}

/// The members of a time that are read and written here.
const TIME_FORMS: [&str; 3] = ["date", "dateTime", "timeZone"];

/// Some members of an object anew, and beside them what nobody here has heard of.
fn beside(held: Option<Object>, anew: &[&str], written: Object) -> Value {
    let mut object = held.unwrap_or_default();
    object.retain(|name, _| !anew.contains(&name.as_str()));
    object.extend(written);
    object.into()
}

/// The page an event comes from. A title somebody gave it stays.
fn linked(mut source: Object, url: &str) -> Value {
    let title = source.get("title").filter(|title| !title.is_null());
    if title.is_none() || title == source.get("url") {
        source.insert("title".into(), url.into());
    }
    source.insert("url".into(), url.into());
    source.into()
}

/// FLD-04: a reminder at the start has `minutes: 0`, and no reminder is an empty list, said aloud. Reminders that stay are
/// repeated as they came, and so are those that cannot be read.
fn reminded(mut reminders: Object, alarms: &[Alarm], none: NoAlarms) -> Value {
    if alarms.is_empty() && none == NoAlarms::CalendarDefault {
        return json!({"useDefault": true});
    }
    let held = list(&reminders, "overrides").to_vec();
    let unread = held.iter().filter(|reminder| alarm(reminder).is_none()).cloned();
    let wanted = alarms.iter().filter_map(|wanted| {
        let method = if wanted.action == AlarmAction::Email { "email" } else { "popup" };
        let fresh = json!({"method": method, "minutes": minutes(wanted)?});
        let meant = alarm(&fresh);
        Some(held.iter().find(|reminder| alarm(reminder) == meant).cloned().unwrap_or(fresh))
    });
    let overrides: Vec<Value> = unread.chain(wanted).take(ALARMS_MAX).collect();
    reminders.insert("useDefault".into(), false.into());
    reminders.insert("overrides".into(), overrides.into());
    reminders.into()
}

/// Minutes before the start; `None` for an alarm Google has no form for.
pub(crate) fn minutes(alarm: &Alarm) -> Option<i64> {
    let AlarmTrigger::Offset { seconds, relative_to: RelativeTo::Start } = alarm.trigger else { return None };
    let minutes = seconds.checked_neg()?.div_euclid(60);
    (seconds % 60 == 0 && (0..=ALARM_MINUTES_MAX).contains(&minutes)).then_some(minutes)
}

/// The list is replaced whole, so everything Google said of somebody who stays is kept. One that was cut short is not
/// written at all.
fn set_attendees(event: &mut Object, access: Access, to: &EventBody, changed: &mut Vec<String>) {
    let is_omitted = !matches!(event.get("attendeesOmitted"), None | Some(Value::Null | Value::Bool(false)));
    let is_list = matches!(event.get("attendees"), None | Some(Value::Null | Value::Array(_)));
    if is_omitted || !is_list || !access.may("attendees") {
        return;
    }
    let before = list(event, "attendees").to_vec();
    let is = |attendee: &Object, participant: &Participant| {
        text(attendee, "email").is_some_and(|email| email.eq_ignore_ascii_case(&participant.person.address))
    };
    let mut after = Vec::with_capacity(before.len());
    for value in &before {
        // Whoever cannot be named here cannot be left out here either.
        let Some(attendee) = value.as_object().filter(|attendee| is_nameable(attendee)) else {
            after.push(value.clone());
            continue;
        };
        let wanted = to.participants.iter().find(|participant| is(attendee, participant));
        match wanted {
            // Of an invitation only the own answer is ours.
            _ if access == Access::Guest && !flag(attendee, "self") => after.push(value.clone()),
            None if access == Access::Guest => after.push(value.clone()),
            Some(own) if access == Access::Guest => after.push(answered(attendee.clone(), own).into()),
            Some(participant) => after.push(described(attendee.clone(), participant).into()),
            None => {}
        }
    }
    if access != Access::Guest {
        let known = |participant: &&Participant| {
            before.iter().filter_map(Value::as_object).any(|attendee| is(attendee, participant))
        };
        let new = to.participants.iter().filter(|participant| !known(participant));
        after.extend(new.map(|participant| Value::from(described(Object::new(), participant))));
    }
    if before != after {
        event.insert("attendees".to_owned(), after.into());
        changed.push("attendees".to_owned());
    }
}

/// Whether the model has a name for an attendee, in the form in which Google takes it.
fn is_nameable(attendee: &Object) -> bool {
    person(attendee).is_some_and(|person| person.address.contains('@'))
}

/// An attendee as a participant is, with everything else Google said of it.
fn described(attendee: Object, participant: &Participant) -> Object {
    let mut attendee = answered(attendee, participant);
    attendee.entry("email").or_insert_with(|| participant.person.address.clone().into());
    match &participant.person.name {
        name if name.as_deref() == text(&attendee, "displayName") => {}
        Some(name) => drop(attendee.insert("displayName".into(), name.clone().into())),
        None => drop(attendee.remove("displayName")),
    }
    match participant.role == Role::Optional {
        optional if optional == flag(&attendee, "optional") => {}
        true => drop(attendee.insert("optional".into(), true.into())),
        false => drop(attendee.remove("optional")),
    }
    attendee
}

fn answered(mut attendee: Object, participant: &Participant) -> Object {
    if !attendee.is_empty() && answer(&attendee) == participant.status {
        // Also one in a word of next year.
        return attendee;
    }
    let answer = match participant.status {
        ParticipationStatus::Accepted => "accepted",
        ParticipationStatus::Declined => "declined",
        ParticipationStatus::Tentative => "tentative",
        _ => "needsAction",
    };
    attendee.insert("responseStatus".to_owned(), answer.into());
    attendee
}
