//! `ORGANIZER` and `ATTENDEE` lines: the matching line is changed, parameters the model does not hold stay on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::ical::read::{participant, person};
use crate::ical::write::property::{self, participant_params, push_param};
use crate::model::{EventBody, Participant};

use super::component::{ComponentLines, with_value};
use super::edits::Edits;

pub(crate) fn patch_people(
    lines: &ComponentLines<'_>,
    current: &EventBody,
    target: &EventBody,
    edits: &mut Edits<'_>,
) {
    if current.organizer != target.organizer {
        patch_organizer(lines, current, target, edits);
    }
    if current.participants != target.participants {
        patch_participants(lines, current, target, edits);
    }
}

fn patch_organizer(
    lines: &ComponentLines<'_>,
    current: &EventBody,
    target: &EventBody,
    edits: &mut Edits<'_>,
) {
    let (Some(organizer), Some(property)) = (&target.organizer, lines.named("ORGANIZER").next()) else {
        match &target.organizer {
            None => lines.delete_all("ORGANIZER", edits),
            Some(organizer) => edits.insert(lines.property_end, [&property::organizer(organizer)]),
        }
        return;
    };
    if current.organizer.as_ref().map(|known| known.key()) != Some(organizer.key()) {
        edits.replace(property.span.clone(), &property::organizer(organizer));
        return;
    }
    let mut params = String::new();
    push_param(&mut params, "CN", organizer.name.as_deref());
    if let Some(line) = property.line().map(|line| line.split_before_address()) {
        let line = with_value(&line, "ORGANIZER", &params, line.value().trim(), &["CN"]);
        edits.replace(property.span.clone(), &line);
    }
}

fn patch_participants(
    lines: &ComponentLines<'_>,
    current: &EventBody,
    target: &EventBody,
    edits: &mut Edits<'_>,
) {
    let by_key = |list: &[Participant]| -> BTreeMap<String, Participant> {
        list.iter().rev().map(|participant| (participant.person.key(), participant.clone())).collect()
    };
    let (known, wanted) = (by_key(&current.participants), by_key(&target.participants));
    for property in lines.named("ATTENDEE") {
        let Some(line) = property.line() else {
            continue;
        };
        // A line without an address means nobody and is nobody's to remove.
        let Some(key) = person(&line).map(|person| person.key()) else {
            continue;
        };
        let Some(wanted) = wanted.get(&key) else {
            edits.delete(property.span.clone());
            continue;
        };
        let Some(was) = participant(&line).filter(|was| Some(was) == known.get(&key)) else {
            continue;
        };
        if !same_but_for_case(&was, wanted) {
            let mut params = String::new();
            let mut stale = Vec::new();
            for ((name, old), (_, new)) in
                participant_params(&was).into_iter().zip(participant_params(wanted))
            {
                if old != new {
                    stale.push(name);
                    push_param(&mut params, name, new);
                }
            }
            let line = line.split_before_address();
            let line = with_value(&line, "ATTENDEE", &params, line.value().trim(), &stale);
            edits.replace(property.span.clone(), &line);
        }
    }
    let place = lines.place_for("ATTENDEE");
    let mut added = BTreeSet::new();
    for wanted in &target.participants {
        let key = wanted.person.key();
        if !known.contains_key(&key) && !key.trim().is_empty() && added.insert(key) {
            edits.insert(place, [&property::attendee(wanted)]);
        }
    }
}

/// The address is the key: its case is no change.
fn same_but_for_case(was: &Participant, wanted: &Participant) -> bool {
    was.status == wanted.status
        && was.role == wanted.role
        && was.expect_reply == wanted.expect_reply
        && was.person.name == wanted.person.name
}
