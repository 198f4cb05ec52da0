//! PROPFIND: the properties of the principal, the homes, the calendars and the objects.

use super::href::Target;
use super::record::RecordedRequest;
use super::reply::{Reply, asked, etag_property, properties, status};
use super::state::{Access, Calendar, Home, State};
use super::switch::{HomeListing, Homes, PrincipalDepth, Privileges, SyncSupport, TokenProperty};
use super::xml::{APPLE, CALDAV, CALENDAR_SERVER, DAV, Element, Name, parse};

/// What `allprop` returns; the live properties of extensions are left out, as most servers do (RFC 3253, 3.11).
const ALL: [Name; 5] = [
    Name::new(DAV, "resourcetype"),
    Name::new(DAV, "displayname"),
    Name::new(DAV, "getetag"),
    Name::new(DAV, "getcontenttype"),
    Name::new(DAV, "getcontentlength"),
];

pub(super) fn propfind(state: &State, request: &RecordedRequest, target: &Target) -> Reply {
    let names = if request.body.is_empty() {
        ALL.to_vec()
    } else {
        match parse(&request.body) {
            Some(root) if root.name.is(DAV, "propfind") => {
                if root.find(DAV, "prop").is_some() {
                    asked(&root)
                } else {
                    ALL.to_vec()
                }
            }
            _ => return Reply::plain(400, "The body is no propfind element.\n"),
        }
    };
    let members = match request.header("depth").map(str::trim) {
        Some("0") => false,
        Some("1") => true,
        _ => return Reply::error(403, Name::new(DAV, "propfind-finite-depth"), &state.quirks),
    };
    let mut responses = Vec::new();
    match target {
        Target::Context => {
            responses.push(answer(&state.context_href(), &names, |name| context(state, name)));
        }
        Target::Principal => {
            if members && state.quirks.principal_depth == PrincipalDepth::ZeroOnly {
                return Reply::empty(400);
            }
            responses.push(answer(&state.principal_href(), &names, |name| principal(state, name)));
        }
        Target::Home(home) => {
            responses.push(answer(&state.home_href(*home), &names, |name| self::home(state, name)));
            if members {
                list_home(state, *home, &names, &mut responses);
            }
        }
        Target::Calendar { home, calendar: id } => {
            let Some(calendar) = state.calendar_in(*home, id) else { return Reply::empty(404) };
            responses.push(answer(&state.calendar_href(*home, id), &names, |name| {
                calendar_property(state, calendar, name, Marks::Plain)
            }));
            if members {
                for (object, stored) in &calendar.objects {
                    responses.push(answer(&state.object_href(*home, id, object), &names, |name| {
                        object_property(state, &stored.body, &stored.etag, name)
                    }));
                }
                for ghost in &state.quirks.ghosts {
                    responses.push(answer(&state.object_href(*home, id, ghost), &names, |name| {
                        object_property(state, GHOST_BODY, GHOST_ETAG, name)
                    }));
                }
            }
        }
        Target::Object { home, calendar, name: object } => {
            if state.calendar_in(*home, calendar).is_none() {
                return Reply::empty(404);
            }
            let Some(stored) = state.object(calendar, object) else { return Reply::empty(404) };
            responses.push(answer(&state.object_href(*home, calendar, object), &names, |name| {
                object_property(state, &stored.body, &stored.etag, name)
            }));
        }
        Target::WellKnown | Target::Unknown => return Reply::empty(404),
    }
    Reply::multistatus(responses, &state.quirks)
}

/// The body a listing derives the properties of a ghost from.
const GHOST_BODY: &str = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
pub(super) const GHOST_ETAG: &str = "\"ghost\"";

fn answer(href: &str, names: &[Name], value: impl Fn(&Name) -> Option<Element>) -> Element {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        match value(name) {
            Some(element) => found.push(element),
            None => missing.push(name.clone()),
        }
    }
    properties(href, found, missing)
}

/// Properties every resource has.
fn common(state: &State, name: &Name) -> Option<Element> {
    if name.is(DAV, "current-user-principal") || name.is(DAV, "principal-URL") || name.is(DAV, "owner") {
        let href = Element::dav("href").text(state.principal_href());
        return Some(Element::named(name.clone()).child(href));
    }
    None
}

fn resourcetype(types: &[(&'static str, &'static str)]) -> Element {
    Element::dav("resourcetype").children(types.iter().map(|(ns, local)| Element::new(ns, local)))
}

fn context(state: &State, name: &Name) -> Option<Element> {
    if name.is(DAV, "resourcetype") {
        return Some(resourcetype(&[(DAV, "collection")]));
    }
    common(state, name)
}

fn principal(state: &State, name: &Name) -> Option<Element> {
    if name.is(DAV, "resourcetype") {
        return Some(resourcetype(&[(DAV, "principal")]));
    }
    if name.is(DAV, "displayname") {
        return Some(Element::dav("displayname").text(state.user.clone()));
    }
    if name.is(CALDAV, "calendar-home-set") {
        let mut homes = vec![Home::Own];
        if state.quirks.homes == Homes::Two {
            homes.push(Home::Shared);
        }
        let hrefs = homes.into_iter().map(|home| Element::dav("href").text(state.home_href(home)));
        return Some(Element::named(name.clone()).children(hrefs));
    }
    if name.is(CALDAV, "calendar-user-address-set") {
        let address = match state.user.contains('@') {
            true => format!("mailto:{}", state.user),
            false => format!("mailto:{}@example.com", state.user),
        };
        return Some(Element::named(name.clone()).child(Element::dav("href").text(address)));
    }
    common(state, name)
}

fn home(state: &State, name: &Name) -> Option<Element> {
    if name.is(DAV, "supported-report-set") {
        return Some(reports(&[]));
    }
    context(state, name)
}

/// What a calendar is marked as beside `calendar`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    Plain,
    ScheduleOutbox,
}

fn list_home(state: &State, home: Home, names: &[Name], responses: &mut Vec<Element>) {
    let neighbours = state.quirks.home_listing == HomeListing::WithNeighbours && home == Home::Own;
    let mut marks = if neighbours { Marks::ScheduleOutbox } else { Marks::Plain };
    for (id, calendar) in state.calendars.iter().filter(|(_, calendar)| calendar.home == home) {
        let listed = marks;
        marks = Marks::Plain;
        responses.push(answer(&state.calendar_href(home, id), names, |name| {
            calendar_property(state, calendar, name, listed)
        }));
    }
    if !neighbours {
        return;
    }
    let collections: [(&str, &[(&str, &str)]); 6] = [
        ("inbox", &[(DAV, "collection"), (CALDAV, "schedule-inbox")]),
        ("outbox", &[(DAV, "collection"), (CALDAV, "schedule-outbox")]),
        ("notifications", &[(DAV, "collection"), (CALENDAR_SERVER, "notification")]),
        ("calendar-proxy-read", &[(DAV, "principal"), (CALENDAR_SERVER, "calendar-proxy-read")]),
        ("calendar-proxy-write", &[(DAV, "principal"), (CALENDAR_SERVER, "calendar-proxy-write")]),
        ("subscription", &[(DAV, "collection"), (CALENDAR_SERVER, "subscribed")]),
    ];
    for (id, types) in collections {
        let subscribed = id == "subscription";
        responses.push(answer(&state.calendar_href(home, id), names, |name| {
            if name.is(DAV, "resourcetype") {
                return Some(resourcetype(types));
            }
            if name.is(CALENDAR_SERVER, "source") && subscribed {
                let href = Element::dav("href").text("https://example.com/feed.ics");
                return Some(Element::named(name.clone()).child(href));
            }
            common(state, name)
        }));
    }
    responses.push(status(&state.calendar_href(home, "forbidden"), 403));
    responses.push(answer(&state.file_href(home, "personal.ics"), names, |name| {
        name.is(DAV, "resourcetype").then(|| resourcetype(&[]))
    }));
}

fn reports(extra: &[(&'static str, &'static str)]) -> Element {
    Element::dav("supported-report-set").children(extra.iter().map(|(ns, local)| {
        Element::dav("supported-report").child(Element::dav("report").child(Element::new(ns, local)))
    }))
}

fn calendar_property(state: &State, calendar: &Calendar, name: &Name, marks: Marks) -> Option<Element> {
    let quirks = &state.quirks;
    let syncs = matches!(quirks.sync_support, SyncSupport::TokenAndCtag | SyncSupport::TokenOnly);
    let element = Element::named(name.clone());
    match (name.ns.as_ref(), name.local.as_ref()) {
        (DAV, "resourcetype") => Some(match marks {
            Marks::Plain => resourcetype(&[(DAV, "collection"), (CALDAV, "calendar")]),
            Marks::ScheduleOutbox => {
                resourcetype(&[(DAV, "collection"), (CALDAV, "calendar"), (CALDAV, "schedule-outbox")])
            }
        }),
        (DAV, "sync-token") if syncs => match quirks.token_property {
            TokenProperty::Present => Some(element.text(calendar.token(quirks))),
            TokenProperty::Empty => Some(element),
            TokenProperty::Missing => None,
        },
        (CALENDAR_SERVER, "getctag") => match quirks.sync_support {
            SyncSupport::TokenAndCtag | SyncSupport::CtagOnly => Some(element.text(calendar.ctag(quirks))),
            SyncSupport::TokenOnly | SyncSupport::Neither => None,
        },
        (DAV, "supported-report-set") if syncs => Some(reports(&[
            (CALDAV, "calendar-multiget"),
            (CALDAV, "calendar-query"),
            (DAV, "sync-collection"),
        ])),
        (DAV, "supported-report-set") => {
            Some(reports(&[(CALDAV, "calendar-multiget"), (CALDAV, "calendar-query")]))
        }
        (DAV, "current-user-privilege-set") => privileges(state, calendar),
        (CALDAV, "supported-calendar-component-set") => Some(
            element.children(
                calendar
                    .components
                    .iter()
                    .map(|component| Element::new(CALDAV, "comp").attribute("name", component)),
            ),
        ),
        (CALDAV, "supported-calendar-data") => Some(
            element.child(
                Element::new(CALDAV, "calendar-data")
                    .attribute("content-type", "text/calendar")
                    .attribute("version", "2.0"),
            ),
        ),
        (CALDAV, "max-resource-size") => Some(element.text(state.max_resource_size.to_string())),
        (DAV, "getcontenttype") => Some(element.text("text/calendar; charset=utf-8")),
        _ => match calendar.properties.get(name) {
            Some(value) => Some(element.text(value.clone())),
            None => common(state, name),
        },
    }
}

fn privileges(state: &State, calendar: &Calendar) -> Option<Element> {
    let names: &[&'static str] = match (state.quirks.privileges, calendar.access) {
        (Privileges::Missing, _) => return None,
        (_, Access::ReadOnly) => &["read"],
        (Privileges::All, Access::ReadWrite) => &["all"],
        (Privileges::Listed, Access::ReadWrite) => &["read", "write", "write-content", "bind", "unbind"],
    };
    Some(
        Element::dav("current-user-privilege-set")
            .children(names.iter().map(|name| Element::dav("privilege").child(Element::dav(name)))),
    )
}

pub(super) fn object_property(state: &State, body: &str, etag: &str, name: &Name) -> Option<Element> {
    let element = Element::named(name.clone());
    match (name.ns.as_ref(), name.local.as_ref()) {
        (DAV, "getetag") => Some(etag_property(etag, &state.quirks)),
        (DAV, "resourcetype") => Some(element),
        (DAV, "getcontenttype") => {
            let component = ["VEVENT", "VTODO", "VJOURNAL"]
                .into_iter()
                .find(|component| super::ical::has_component(body, component))
                .unwrap_or("VEVENT");
            Some(element.text(format!("text/calendar; charset=utf-8; component={component}")))
        }
        (DAV, "getcontentlength") => Some(element.text(body.len().to_string())),
        _ => common(state, name),
    }
}

/// Properties PROPPATCH may not set.
pub(super) fn is_protected(name: &Name) -> bool {
    match name.ns.as_ref() {
        DAV => name.local != "displayname",
        CALDAV => !matches!(
            name.local.as_ref(),
            "calendar-description" | "calendar-timezone" | "schedule-calendar-transp"
        ),
        CALENDAR_SERVER => name.local == "getctag",
        APPLE => false,
        _ => false,
    }
}

impl State {
    /// The calendar of that name if it lies in that home.
    pub(super) fn calendar_in(&self, home: Home, name: &str) -> Option<&Calendar> {
        self.calendars.get(name).filter(|calendar| calendar.home == home)
    }
}
