//! REPORT: calendar-multiget, calendar-query and free-busy-query (RFC 4791, 7.8 to 7.10); sync-collection is in `sync`.

use calsync_core::{
    availability::{BusyKind, BusyOptions, busy_times},
    ical::{ReadOptions, read_calendar},
    zone::Zone,
};
use chrono::NaiveDateTime;

use super::href::{Target, path_of};
use super::ical;
use super::propfind::object_property;
use super::record::RecordedRequest;
use super::reply::{Reply, asked, properties, status};
use super::state::{Home, Object, State};
use super::switch::{
    MultigetCopies, MultigetEmpty, MultigetMissing, MultigetOrder, QueryDepth, SyncDepth, TimeRange,
};
use super::sync::sync_collection;
use super::xml::{CALDAV, DAV, Element, Name, parse};

pub(super) fn report(state: &State, request: &RecordedRequest, target: &Target) -> Reply {
    let Some(root) = parse(&request.body) else {
        return Reply::plain(400, "The body is not well-formed XML.\n");
    };
    let (home, calendar) = match target {
        Target::Calendar { home, calendar } if state.calendar_in(*home, calendar).is_some() => {
            (*home, calendar)
        }
        Target::Calendar { .. } | Target::Object { .. } | Target::Unknown => return Reply::empty(404),
        _ => return unsupported(state),
    };
    let depth = request.header("depth").map(str::trim);
    if root.name.is(DAV, "sync-collection") {
        let asked = match state.quirks.sync_depth {
            SyncDepth::Any => None,
            SyncDepth::Zero => Some("0"),
            SyncDepth::One => Some("1"),
        };
        if asked.is_some() && depth != asked {
            return Reply::plain(400, "Wrong Depth.\n");
        }
        sync_collection(state, home, calendar, &root)
    } else if root.name.is(CALDAV, "calendar-multiget") {
        multiget(state, home, calendar, &root)
    } else if root.name.is(CALDAV, "calendar-query") {
        match state.quirks.query_depth {
            QueryDepth::Refused if depth != Some("1") => Reply::plain(400, "Wrong Depth.\n"),
            QueryDepth::Empty if depth != Some("1") => Reply::multistatus(Vec::new(), &state.quirks),
            _ => query(state, home, calendar, &root),
        }
    } else if root.name.is(CALDAV, "free-busy-query") {
        free_busy(state, calendar, &root)
    } else {
        unsupported(state)
    }
}

pub(super) fn unsupported(state: &State) -> Reply {
    Reply::error(403, Name::new(DAV, "supported-report"), &state.quirks)
}

pub(super) fn wants_data(names: &[Name]) -> bool {
    names.iter().any(|name| name.is(CALDAV, "calendar-data"))
}

/// The `response` for one object, body included when it was asked for.
pub(super) fn object_entry(state: &State, href: &str, object: &Object, names: &[Name]) -> Element {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        let value = if name.is(CALDAV, "calendar-data") {
            Some(Element::named(name.clone()).text(object.body.clone()))
        } else {
            object_property(state, &object.body, &object.etag, name)
        };
        match value {
            Some(element) => found.push(element),
            None => missing.push(name.clone()),
        }
    }
    properties(href, found, missing)
}

fn multiget(state: &State, home: Home, calendar: &str, root: &Element) -> Reply {
    let names = asked(root);
    let mut hrefs: Vec<String> = root
        .elements()
        .filter(|element| element.name.is(DAV, "href"))
        .map(|element| element.own_text().trim().to_owned())
        .collect();
    if hrefs.is_empty() && state.quirks.multiget_empty == MultigetEmpty::ServerError {
        return Reply::html(500);
    }
    if state.quirks.multiget_order == MultigetOrder::Reversed {
        hrefs.reverse();
    }
    let copies = match state.quirks.multiget_copies {
        MultigetCopies::AsAsked => 1,
        MultigetCopies::Twice => 2,
    };
    let mut responses = Vec::new();
    for href in &hrefs {
        let name = object_name(state, home, calendar, href);
        if wants_data(&names) && name.as_deref().is_some_and(|name| state.is_poison(name)) {
            return Reply::html(500);
        }
        let found = name.and_then(|name| state.object(calendar, &name).map(|object| (name, object)));
        let response = match found {
            Some((name, object)) => {
                Some(object_entry(state, &state.object_href(home, calendar, &name), object, &names))
            }
            None => match state.quirks.multiget_missing {
                MultigetMissing::NotFound => Some(status(href, 404)),
                MultigetMissing::Omitted => None,
                MultigetMissing::WithoutStatus => {
                    Some(Element::dav("response").child(Element::dav("href").text(href.as_str())))
                }
            },
        };
        for _ in 0..copies {
            responses.extend(response.clone());
        }
    }
    Reply::multistatus(responses, &state.quirks)
}

/// The name an href has in this calendar. Objects of other calendars are not found, as on Radicale and SOGo.
fn object_name(state: &State, home: Home, calendar: &str, href: &str) -> Option<String> {
    // A bare name is relative to the request URL, which is the calendar.
    if !href.contains("://") && !href.starts_with('/') {
        let absolute =
            format!("{}/{}", state.calendar_href(home, calendar).trim_end_matches('/'), path_of(href));
        return match state.target(&absolute) {
            Target::Object { name, .. } => Some(name),
            _ => None,
        };
    }
    match state.target(href) {
        Target::Object { home: in_home, calendar: in_calendar, name }
            if in_home == home && in_calendar == calendar =>
        {
            Some(name)
        }
        _ => None,
    }
}

fn query(state: &State, home: Home, calendar: &str, root: &Element) -> Reply {
    let names = asked(root);
    let filter = root
        .find(CALDAV, "filter")
        .and_then(|filter| filter.find(CALDAV, "comp-filter"))
        .and_then(|calendar| calendar.find(CALDAV, "comp-filter"));
    let has_range = filter.is_some_and(|filter| filter.find(CALDAV, "time-range").is_some());
    if has_range && state.quirks.time_range == TimeRange::ServerError {
        return Reply::html(500);
    }
    let mut responses = Vec::new();
    for (name, object) in state.calendars.get(calendar).into_iter().flat_map(|calendar| &calendar.objects) {
        if state.is_ghost(name) || !filter.is_none_or(|filter| matches(state, filter, &object.body)) {
            continue;
        }
        if wants_data(&names) && state.is_poison(name) {
            return Reply::html(500);
        }
        responses.push(object_entry(state, &state.object_href(home, calendar, name), object, &names));
    }
    Reply::multistatus(responses, &state.quirks)
}

/// The busy times of the objects' events, one period for each instance, as most servers answer.
fn free_busy(state: &State, calendar: &str, root: &Element) -> Reply {
    let range = root.find(CALDAV, "time-range");
    let bound = |name: &str| {
        let text = range.and_then(|range| range.get_attribute(name))?;
        let at = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok()?;
        Some(at.and_utc())
    };
    let (Some(from), Some(to)) = (bound("start"), bound("end")) else {
        return Reply::error(400, Name::new(CALDAV, "valid-calendar-data"), &state.quirks);
    };
    let options = BusyOptions::new(from..to, Zone::UTC);
    let mut text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VFREEBUSY\r\n".to_owned();
    for object in state.calendars.get(calendar).into_iter().flat_map(|calendar| calendar.objects.values()) {
        let Ok(read) = read_calendar(&object.body, &ReadOptions::default()) else { continue };
        for time in read.items.iter().flat_map(|item| busy_times([&item.event], &options).times) {
            let kind = if time.kind == BusyKind::Tentative { ";FBTYPE=BUSY-TENTATIVE" } else { "" };
            let form = "%Y%m%dT%H%M%SZ";
            let length = (time.end - time.start).num_seconds();
            text.push_str(&format!("FREEBUSY{kind}:{}/PT{length}S\r\n", time.start.format(form)));
        }
    }
    text.push_str("END:VFREEBUSY\r\nEND:VCALENDAR\r\n");
    Reply::text(200, "text/calendar; charset=utf-8", text)
}

/// Component, text matches of properties and a coarse time range; other filters let everything through.
fn matches(state: &State, filter: &Element, body: &str) -> bool {
    if let Some(component) = filter.get_attribute("name")
        && !ical::has_component(body, component)
    {
        return false;
    }
    if let Some(range) = filter.find(CALDAV, "time-range")
        && state.quirks.time_range == TimeRange::Coarse
        && !ical::may_overlap(body, range.get_attribute("start"), range.get_attribute("end"))
    {
        return false;
    }
    filter.elements().filter(|element| element.name.is(CALDAV, "prop-filter")).all(|prop| {
        match (prop.get_attribute("name"), prop.find(CALDAV, "text-match")) {
            (Some(name), Some(text)) => ical::property_contains(body, name, text.own_text().trim()),
            _ => true,
        }
    })
}
