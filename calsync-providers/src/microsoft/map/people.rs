//! Organizer and attendees. Graph mails people whenever attendees are written: nothing here is written unless the link
//! writes people.

use calsync_core::model::{EventBody, Participant, ParticipationStatus, Person, Role};
use serde_json::{Value, json};

use super::super::wire::{Object, flag, inner, objects, text};

fn person(object: &Object) -> Option<Person> {
    let address = inner(object, "emailAddress")?;
    let mail = text(address, "address")?;
    let name = text(address, "name").filter(|name| *name != mail).map(ToOwned::to_owned);
    Some(Person { address: mail.to_owned(), name })
}

/// Whether somebody else is in it, or in a single instance of it. Who cannot be read may be mailed all the same.
pub(crate) fn is_meeting(object: &Object) -> bool {
    let has_people = |object: &Object| match object.get("attendees") {
        None | Some(Value::Null) => false,
        Some(attendees) => attendees.as_array().is_none_or(|attendees| !attendees.is_empty()),
    };
    has_people(object) || objects(object, "exceptionOccurrences").any(has_people)
}

/// Whether the event belongs to this mailbox. What is not said is taken to be its own.
pub(crate) fn is_own(object: &Object) -> bool {
    object.get("isOrganizer").and_then(Value::as_bool).unwrap_or(true)
}

pub(crate) fn read(object: &Object, body: &mut EventBody) {
    let wanted = flag(object, "responseRequested");
    for attendee in objects(object, "attendees") {
        let Some(person) = person(attendee) else { continue };
        if body.participants.iter().any(|known| known.person.key() == person.key()) {
            continue;
        }
        let (status, role) = (answer(attendee), role_of(attendee));
        let expect_reply = wanted && status == ParticipationStatus::NeedsAction;
        body.participants.push(Participant { person, status, role, expect_reply });
    }
    // Every event has its owner as organizer; it says something only where others are in it.
    if !body.participants.is_empty() || !is_own(object) {
        body.organizer = inner(object, "organizer").and_then(person);
    }
}

/// What a write says of the people in an event.
#[derive(Debug, PartialEq)]
pub(crate) struct Invited {
    /// The list that is written: it is replaced whole. `None`: the one that is there says the same, and writing it would mail
    /// everybody for nothing.
    pub(crate) attendees: Option<Value>,
    /// An answer differs, or a part that Graph has no word for: nobody can write that for somebody else.
    pub(crate) lost: bool,
}

/// The attendees as they are written, beside those of `held`. A room stays a `resource`, which is no part the neutral model
/// knows; and who has no address here stays.
pub(crate) fn write(participants: &[Participant], held: &Object) -> Invited {
    let (mut list, mut differs, mut lost) = (Vec::new(), false, false);
    let mut known: Vec<String> = Vec::new();
    for attendee in objects(held, "attendees") {
        let Some(person) = person(attendee) else {
            list.push(described(attendee));
            continue;
        };
        if known.contains(&person.key()) {
            continue;
        }
        known.push(person.key());
        let Some(wanted) = participants.iter().find(|wanted| wanted.person.key() == person.key()) else {
            differs = true;
            continue;
        };
        let mut entry = described(attendee);
        if role_of(attendee) != role(wanted) {
            if text(attendee, "type") == Some("resource") {
                lost = true;
            } else {
                entry["type"] = word(wanted).into();
                differs = true;
            }
        }
        if wanted.person.name.is_some() && wanted.person.name != person.name {
            entry["emailAddress"]["name"] = wanted.person.name.clone().into();
            differs = true;
        }
        lost |= answer(attendee) != wanted.status || has_no_word(wanted);
        list.push(entry);
    }
    for new in participants.iter().filter(|participant| !known.contains(&participant.person.key())) {
        let person = &new.person;
        list.push(json!({
            "type": word(new),
            "emailAddress": {"address": person.address, "name": person.name.as_ref().unwrap_or(&person.address)},
        }));
        differs = true;
        lost |= new.status != ParticipationStatus::NeedsAction || has_no_word(new);
    }
    Invited { attendees: differs.then_some(Value::Array(list)), lost }
}

/// An attendee as one is written: what is said of the answer is read only.
fn described(attendee: &Object) -> Value {
    let mut attendee = attendee.clone();
    attendee.retain(|name, _| matches!(name.as_str(), "type" | "emailAddress"));
    attendee.into()
}

fn answer(attendee: &Object) -> ParticipationStatus {
    let response = inner(attendee, "status").and_then(|status| text(status, "response"));
    match response.unwrap_or_default() {
        "accepted" | "organizer" => ParticipationStatus::Accepted,
        "declined" => ParticipationStatus::Declined,
        "tentativelyAccepted" => ParticipationStatus::Tentative,
        _ => ParticipationStatus::NeedsAction,
    }
}

fn role_of(attendee: &Object) -> Role {
    match text(attendee, "type") {
        Some("optional") => Role::Optional,
        _ => Role::Required,
    }
}

/// The part as Graph can hold it.
fn role(participant: &Participant) -> Role {
    match participant.role {
        Role::Optional | Role::Informational => Role::Optional,
        _ => Role::Required,
    }
}

fn word(participant: &Participant) -> &'static str {
    if role(participant) == Role::Optional { "optional" } else { "required" }
}

fn has_no_word(participant: &Participant) -> bool {
    participant.role != role(participant)
}
