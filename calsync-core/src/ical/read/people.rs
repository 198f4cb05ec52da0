//! `ORGANIZER` and `ATTENDEE` (RFC 5545 sections 3.8.4.1 and 3.8.4.3).

use crate::ical::ContentLine;
use crate::ical::content_line::starts_with_ignore_case;
use crate::ical::params::decode_caret;
use crate::model::{Participant, ParticipationStatus, Person, Role};

/// The person of a line; `None` when there is no address. The line is kept all the same, it only means nobody.
pub(crate) fn person(line: &ContentLine<'_>) -> Option<Person> {
    let line = line.split_before_address();
    let value = line.value().trim();
    let mail =
        |address: &str| starts_with_ignore_case(address, "mailto:").then(|| address[7..].trim().to_owned());
    let address = match mail(value) {
        Some(address) => address,
        // A principal or a UUID names somebody at one server only; the mail address names them everywhere.
        None => match line.param("EMAIL").map(str::trim).filter(|email| !email.is_empty()) {
            Some(email) => mail(email).unwrap_or_else(|| email.to_owned()),
            None => value.to_owned(),
        },
    };
    if address.is_empty() || address.chars().any(char::is_control) {
        return None;
    }
    let name = line.params().find(|param| param.is("CN")).map(|param| param.text().into_owned());
    Some(Person { address, name: name.filter(|name| !name.trim().is_empty()) })
}

/// The participant of an `ATTENDEE` line.
pub(crate) fn participant(line: &ContentLine<'_>) -> Option<Participant> {
    let mut participant = Participant {
        person: person(line)?,
        status: ParticipationStatus::default(),
        role: Role::default(),
        expect_reply: false,
    };
    // Of a repeated parameter the first counts.
    let (mut status, mut role, mut reply) = (false, false, false);
    for param in line.params() {
        let value = || decode_caret(param.first_value());
        if param.is("PARTSTAT") && !std::mem::replace(&mut status, true) {
            participant.status = match value() {
                value if value.eq_ignore_ascii_case("ACCEPTED") => ParticipationStatus::Accepted,
                value if value.eq_ignore_ascii_case("DECLINED") => ParticipationStatus::Declined,
                value if value.eq_ignore_ascii_case("TENTATIVE") => ParticipationStatus::Tentative,
                value if value.eq_ignore_ascii_case("DELEGATED") => ParticipationStatus::Delegated,
                _ => ParticipationStatus::NeedsAction,
            };
        } else if param.is("ROLE") && !std::mem::replace(&mut role, true) {
            participant.role = match value() {
                value if value.eq_ignore_ascii_case("OPT-PARTICIPANT") => Role::Optional,
                value if value.eq_ignore_ascii_case("NON-PARTICIPANT") => Role::Informational,
                value if value.eq_ignore_ascii_case("CHAIR") => Role::Chair,
                _ => Role::Required,
            };
        } else if param.is("RSVP") && !std::mem::replace(&mut reply, true) {
            participant.expect_reply = value().eq_ignore_ascii_case("TRUE");
        }
    }
    Some(participant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_11_addresses_as_the_field_writes_them() {
        for (text, expected) in [
            ("ATTENDEE:mailto:a@example.com", Some(("a@example.com", None))),
            ("ATTENDEE;CN=Ann:MAILTO:a@example.com", Some(("a@example.com", Some("Ann")))),
            (
                "ATTENDEE;CN=\"Ann \"A\" B\":mailto:a@example.com",
                Some(("a@example.com", Some("Ann \"A\" B"))),
            ),
            ("ATTENDEE;CN=Room: 5:mailto:r@example.com", Some(("r@example.com", Some("Room: 5")))),
            ("ATTENDEE;CN=^'Al^':mailto:a@example.com", Some(("a@example.com", Some("\"Al\"")))),
            ("ATTENDEE:invalid:nomail", Some(("invalid:nomail", None))),
            ("ATTENDEE:a@example.com", Some(("a@example.com", None))),
            ("ATTENDEE;EMAIL=a@example.com:urn:uuid:1", Some(("a@example.com", None))),
            ("ATTENDEE:urn:uuid:1", Some(("urn:uuid:1", None))),
            ("ATTENDEE:", None),
            ("ATTENDEE:mailto:", None),
            ("ATTENDEE;CN=Ann: ", None),
        ] {
            let person = person(&ContentLine::parse(text).unwrap());
            let found = person.as_ref().map(|person| (person.address.as_str(), person.name.as_deref()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn answers_and_parts() {
        let line = ContentLine::parse("ATTENDEE;partstat=accepted;ROLE=CHAIR;RSVP=TRUE:mailto:a@example.com")
            .unwrap();
        let participant = participant(&line).unwrap();
        assert_eq!(participant.status, ParticipationStatus::Accepted);
        assert_eq!(participant.role, Role::Chair);
        assert!(participant.expect_reply);
    }
}
