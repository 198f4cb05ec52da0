//! OPTIONS, MKCALENDAR, MKCOL, PROPPATCH and DELETE of calendars.

use super::href::Target;
use super::ical;
use super::propfind::is_protected;
use super::record::RecordedRequest;
use super::reply::{Reply, propstat};
use super::state::{Access, Home, State};
use super::switch::{PropertyEdits, SyncSupport};
use super::xml::{CALDAV, DAV, Element, Name, parse};

pub(super) fn options(state: &State) -> Reply {
    let mut dav = "1, 3, calendar-access, extended-mkcol".to_owned();
    if matches!(state.quirks.sync_support, SyncSupport::TokenAndCtag | SyncSupport::TokenOnly) {
        dav.push_str(", sync-collection");
    }
    Reply::empty(200)
        .header("DAV", dav)
        .header("Allow", "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, REPORT, MKCALENDAR, MKCOL")
}

/// MKCALENDAR (RFC 4791, 5.3.1) and extended MKCOL (RFC 5689).
pub(super) fn make(state: &mut State, request: &RecordedRequest, target: &Target) -> Reply {
    let (home, id) = match target {
        Target::Calendar { home: Home::Own, calendar } => (Home::Own, calendar),
        Target::Unknown => return Reply::empty(409),
        _ => return Reply::error(403, Name::new(CALDAV, "calendar-collection-location-ok"), &state.quirks),
    };
    if state.calendars.contains_key(id) {
        return Reply::error(405, Name::new(DAV, "resource-must-be-null"), &state.quirks);
    }
    let mut settings = Vec::new();
    if !request.body.is_empty() {
        let Some(root) = parse(&request.body) else {
            return Reply::plain(400, "The body is not well-formed XML.\n");
        };
        settings = set_properties(&root);
    }
    let is_calendar = request.method == "MKCALENDAR"
        || settings.iter().any(|element| {
            element.name.is(DAV, "resourcetype") && element.find(CALDAV, "calendar").is_some()
        });
    if !is_calendar {
        return Reply::error(403, Name::new(DAV, "valid-resourcetype"), &state.quirks);
    }
    let calendar = state.create(id, home);
    for element in settings {
        if element.name.is(CALDAV, "supported-calendar-component-set") {
            calendar.components = element
                .elements()
                .filter_map(|comp| comp.get_attribute("name"))
                .map(str::to_ascii_uppercase)
                .collect();
        } else if !is_protected(&element.name) {
            calendar.properties.insert(element.name.clone(), element.own_text());
        }
    }
    Reply::empty(201)
}

fn set_properties(root: &Element) -> Vec<Element> {
    root.elements()
        .filter(|element| element.name.is(DAV, "set"))
        .filter_map(|set| set.find(DAV, "prop"))
        .flat_map(|prop| prop.elements().cloned().collect::<Vec<_>>())
        .collect()
}

/// PROPPATCH (RFC 4918, 9.2): all or nothing.
pub(super) fn proppatch(state: &mut State, request: &RecordedRequest, target: &Target) -> Reply {
    let Target::Calendar { home, calendar: id } = target else { return Reply::empty(403) };
    let Some(calendar) = state.calendar_in(*home, id) else { return Reply::empty(404) };
    if calendar.access == Access::ReadOnly {
        return Reply::error(403, ical::NEED_PRIVILEGES, &state.quirks);
    }
    let Some(root) = parse(&request.body) else {
        return Reply::plain(400, "The body is not well-formed XML.\n");
    };
    let href = state.calendar_href(*home, id);
    let set = set_properties(&root);
    let removed: Vec<Name> = root
        .elements()
        .filter(|element| element.name.is(DAV, "remove"))
        .filter_map(|remove| remove.find(DAV, "prop"))
        .flat_map(|prop| prop.elements().map(|element| element.name.clone()))
        .collect();
    let names: Vec<Name> =
        set.iter().map(|element| element.name.clone()).chain(removed.iter().cloned()).collect();
    let (protected, allowed): (Vec<Name>, Vec<Name>) = names.into_iter().partition(is_protected);
    let mut response = Element::dav("response").child(Element::dav("href").text(href));
    let elements = |names: Vec<Name>| names.into_iter().map(Element::named).collect::<Vec<_>>();
    if protected.is_empty() {
        let silent = state.quirks.property_edits == PropertyEdits::Silent;
        if let Some(calendar) = state.calendars.get_mut(id) {
            for element in set {
                calendar.properties.insert(element.name.clone(), element.own_text());
            }
            for name in removed {
                calendar.properties.remove(&name);
            }
            if !silent {
                calendar.sequence += 1;
                calendar.edited = calendar.sequence;
            }
        }
        response = response.child(propstat(elements(allowed), 200));
    } else {
        response = response.child(propstat(elements(protected), 403));
        if !allowed.is_empty() {
            response = response.child(propstat(elements(allowed), 424));
        }
    }
    Reply::multistatus(vec![response], &state.quirks)
}

pub(super) fn delete(state: &mut State, target: &Target) -> Reply {
    let Target::Calendar { home, calendar: id } = target else { return Reply::empty(403) };
    match state.calendar_in(*home, id).map(|calendar| calendar.access) {
        None => Reply::empty(404),
        Some(Access::ReadOnly) => Reply::error(403, ical::NEED_PRIVILEGES, &state.quirks),
        Some(Access::ReadWrite) => {
            state.calendars.remove(id);
            Reply::empty(204)
        }
    }
}
