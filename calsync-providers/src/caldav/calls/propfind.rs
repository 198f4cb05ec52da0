//! PROPFIND (RFC 4918 section 9.1). Properties are asked by name: `allprop` leaves out the ones that matter.

use url::Url;

use super::{Depth, extension, xml_request};
use crate::http::HttpRequest;

/// Who am I, and where are my calendars? Asked of anything that was typed.
pub(crate) fn whoami(url: Url) -> HttpRequest {
    propfind(
        url,
        Depth::Zero,
        "<D:current-user-principal/><D:principal-URL/><D:resourcetype/><C:calendar-home-set/>",
    )
}

/// Where are the calendars of a principal? Depth 0: some services refuse any other on a principal.
pub(crate) fn home_set(principal: Url) -> HttpRequest {
    propfind(principal, Depth::Zero, "<D:resourcetype/><C:calendar-home-set/>")
}

const CALENDAR: &str = "<D:resourcetype/><D:displayname/><D:current-user-privilege-set/>\
    <C:supported-calendar-component-set/><A:calendar-color/>";

/// The calendars of a home.
pub(crate) fn calendars(home: Url) -> HttpRequest {
    propfind(home, Depth::One, CALENDAR)
}

/// One calendar.
pub(crate) fn calendar(collection: Url) -> HttpRequest {
    propfind(collection, Depth::Zero, CALENDAR)
}

/// The change markers of a calendar, and which reports it takes.
pub(crate) fn markers(collection: Url) -> HttpRequest {
    propfind(collection, Depth::Zero, "<D:resourcetype/><D:sync-token/><S:getctag/><D:supported-report-set/>")
}

/// `D:sync-token` alone.
pub(crate) fn token(collection: Url) -> HttpRequest {
    propfind(collection, Depth::Zero, "<D:sync-token/>")
}

/// `CS:getctag` alone.
pub(crate) fn ctag(collection: Url) -> HttpRequest {
    propfind(collection, Depth::Zero, "<S:getctag/>")
}

/// `C:max-resource-size` alone.
pub(crate) fn max_resource_size(collection: Url) -> HttpRequest {
    propfind(collection, Depth::Zero, "<C:max-resource-size/>")
}

/// Names and versions of everything in a calendar.
pub(crate) fn items(collection: Url) -> HttpRequest {
    propfind(collection, Depth::One, "<D:getetag/><D:getcontenttype/><D:resourcetype/>")
}

/// The version of one item.
pub(crate) fn item(url: Url) -> HttpRequest {
    propfind(url, Depth::Zero, "<D:getetag/>")
}

fn propfind(url: Url, depth: Depth, properties: &str) -> HttpRequest {
    let mut namespaces = String::new();
    for (prefix, namespace) in [
        ("C", "urn:ietf:params:xml:ns:caldav"),
        ("S", "http://calendarserver.org/ns/"),
        ("A", "http://apple.com/ns/ical/"),
    ] {
        if properties.contains(&format!("<{prefix}:")) {
            namespaces.push_str(&format!(" xmlns:{prefix}=\"{namespace}\""));
        }
    }
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <D:propfind xmlns:D=\"DAV:\"{namespaces}><D:prop>{properties}</D:prop></D:propfind>"
    );
    xml_request(extension(b"PROPFIND"), url, depth, body)
}
