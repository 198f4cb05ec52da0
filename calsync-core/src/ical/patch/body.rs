//! The fields of one component.

use crate::ical::content_line::starts_with_ignore_case;
use crate::ical::read::{MEETING_LINKS, categories};
use crate::ical::write::PeoplePolicy;
use crate::ical::write::property::{self, SimpleField};
use crate::model::{Alarm, EventBody};

use super::component::{ComponentLines, with_value};
use super::edits::Edits;
use super::people;

/// Changes what differs between `current`, which is what the component reads as, and `target`. The time is changed
/// elsewhere.
pub(crate) fn patch_body(
    lines: &ComponentLines<'_>,
    current: &EventBody,
    target: &EventBody,
    policy: PeoplePolicy,
    edits: &mut Edits<'_>,
) {
    for field in SimpleField::ALL {
        let value = field.value(target);
        if field.value(current) != value {
            patch_simple(lines, field, value.as_deref(), edits);
        }
    }
    if current.categories != target.categories {
        patch_categories(lines, target, edits);
    }
    if current.virtual_locations != target.virtual_locations {
        patch_meetings(lines, current, target, edits);
    }
    if policy == PeoplePolicy::Write {
        people::patch_people(lines, current, target, edits);
    }
    if current.alarms != target.alarms {
        patch_alarms(lines, target, edits);
    }
}

fn patch_simple(lines: &ComponentLines<'_>, field: SimpleField, value: Option<&str>, edits: &mut Edits<'_>) {
    // ALTREP points at another form of the old text; ENCODING and CHARSET described its bytes.
    let stale = ["ALTREP", "ENCODING", "CHARSET", "VALUE", "DERIVED", "FMTTYPE"];
    lines.set(field.name(), value.map(|value| ("", value)), &stale, edits);
    // Lines that say the same in another form would contradict the new value, and some clients show them first.
    match field {
        SimpleField::Description => lines.delete_all("X-ALT-DESC", edits),
        SimpleField::Location => lines.delete_all("X-APPLE-STRUCTURED-LOCATION", edits),
        SimpleField::FreeBusy => {
            let busy = if value == Some("TRANSPARENT") { "FREE" } else { "BUSY" };
            let value = value.map(|_| ("", busy));
            if lines.named("X-MICROSOFT-CDO-BUSYSTATUS").next().is_some() {
                lines.set("X-MICROSOFT-CDO-BUSYSTATUS", value, &[], edits);
            }
        }
        _ => {}
    }
}

fn patch_categories(lines: &ComponentLines<'_>, target: &EventBody, edits: &mut Edits<'_>) {
    let mut missing = target.categories.clone();
    let last = lines.named("CATEGORIES").count().saturating_sub(1);
    for (at, property) in lines.named("CATEGORIES").enumerate() {
        let Some(line) = property.line() else {
            continue;
        };
        let had: Vec<String> = categories(&line).collect();
        let mut kept: Vec<&String> =
            had.iter().filter(|category| target.categories.contains(*category)).collect();
        for category in &kept {
            missing.remove(*category);
        }
        let is_same = kept.len() == had.len();
        let added: Vec<String> =
            if at == last { std::mem::take(&mut missing).into_iter().collect() } else { Vec::new() };
        kept.extend(&added);
        if is_same && added.is_empty() {
            continue;
        }
        match property::categories("", kept) {
            None => edits.delete(property.span.clone()),
            Some(value) => {
                let line = with_value(&line, "CATEGORIES", "", &value[1..], &[]);
                edits.replace(property.span.clone(), &line);
            }
        }
    }
    if let Some(line) = property::categories("CATEGORIES", &missing) {
        edits.insert(lines.property_end, [&line]);
    }
}

fn patch_meetings(
    lines: &ComponentLines<'_>,
    current: &EventBody,
    target: &EventBody,
    edits: &mut Edits<'_>,
) {
    let names = ["CONFERENCE", MEETING_LINKS[0], MEETING_LINKS[1]];
    for property in names.iter().flat_map(|name| lines.named(name)) {
        let Some(line) = property.line() else {
            continue;
        };
        let uri = line.value().trim();
        let was = current.virtual_locations.iter().find(|location| location.uri == uri);
        match target.virtual_locations.iter().find(|location| location.uri.trim() == uri) {
            None => edits.delete(property.span.clone()),
            Some(location) if was.is_some_and(|was| was.name != location.name) => {
                if line.is("CONFERENCE") {
                    let mut params = String::new();
                    property::push_param(&mut params, "LABEL", location.name.as_deref());
                    let new = with_value(&line, "CONFERENCE", &params, uri, &["LABEL"]);
                    edits.replace(property.span.clone(), &new);
                } else {
                    edits.replace(property.span.clone(), &property::conference(location));
                }
            }
            Some(_) => {}
        }
    }
    let place = lines.place_for("CONFERENCE");
    for location in &target.virtual_locations {
        if !location.uri.trim().is_empty()
            && !current.virtual_locations.iter().any(|known| known.uri == location.uri.trim())
        {
            edits.insert(place, [&property::conference(location)]);
        }
    }
}

/// Alarms are keyed by trigger and action; one whose text alone changed keeps all its other lines.
fn patch_alarms(lines: &ComponentLines<'_>, target: &EventBody, edits: &mut Edits<'_>) {
    let mut wanted: Vec<Option<&Alarm>> = target.alarms.iter().map(Some).collect();
    let mut take = |matches: &dyn Fn(&Alarm) -> bool| {
        wanted.iter_mut().find(|alarm| alarm.is_some_and(matches)).and_then(Option::take)
    };
    let mut left = Vec::new();
    for place in &lines.alarms {
        if take(&|alarm| *alarm == place.alarm).is_none() {
            left.push(place);
        }
    }
    for place in left {
        let same_key =
            take(&|alarm| alarm.trigger == place.alarm.trigger && alarm.action == place.alarm.action);
        match same_key {
            None => edits.delete(place.span.clone()),
            Some(alarm) => patch_alarm_text(lines, place.span.clone(), alarm, edits),
        }
    }
    for alarm in wanted.into_iter().flatten() {
        edits.insert(lines.component_end, &property::alarm(alarm));
    }
}

fn patch_alarm_text(
    lines: &ComponentLines<'_>,
    span: std::ops::Range<usize>,
    alarm: &Alarm,
    edits: &mut Edits<'_>,
) {
    let fresh = property::alarm(alarm);
    let description = fresh.iter().find(|line| starts_with_ignore_case(line, "DESCRIPTION:"));
    let component = lines.sub_component(span);
    component.set(
        "DESCRIPTION",
        description.map(|line| ("", &line["DESCRIPTION:".len()..])),
        &["ALTREP"],
        edits,
    );
}
