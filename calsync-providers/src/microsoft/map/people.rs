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

/// Whether somebody else is in it, or in a single instance of it.
pub(crate) fn is_meeting(object: &Object) -> bool {
    let has_people = |object: &Object| objects(object, "attendees").next().is_some();
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
        let response = inner(attendee, "status").and_then(|status| text(status, "response"));
        let status = match response.unwrap_or_default() {
            "accepted" | "organizer" => ParticipationStatus::Accepted,
            "declined" => ParticipationStatus::Declined,
            "tentativelyAccepted" => ParticipationStatus::Tentative,
            _ => ParticipationStatus::NeedsAction,
        };
        let role = match text(attendee, "type") {
            Some("optional") => Role::Optional,
            _ => Role::Required,
        };
        let expect_reply = wanted && status == ParticipationStatus::NeedsAction;
        body.participants.push(Participant { person, status, role, expect_reply });
    }
    // Every event has its owner as organizer; it says something only where others are in it.
    if !body.participants.is_empty() || !is_own(object) {
        body.organizer = inner(object, "organizer").and_then(person);
    }
}

/// The attendees as they are written.
pub(crate) fn write(participants: &[Participant]) -> Value {
    let attendee = |participant: &Participant| {
        let kind = match participant.role {
            Role::Optional | Role::Informational => "optional",
            _ => "required",
        };
        let person = &participant.person;
        json!({
            "type": kind,
            "emailAddress": {"address": person.address, "name": person.name.as_ref().unwrap_or(&person.address)},
        })
    };
    participants.iter().map(attendee).collect()
}
