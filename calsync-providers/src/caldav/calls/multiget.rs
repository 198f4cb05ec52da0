//! The report `calendar-multiget` (RFC 4791 section 7.9).

use url::Url;

use super::{Depth, report, xml_request};
use crate::{caldav::xml::escape, http::HttpRequest};

/// The content of several resources, named as the server named them.
pub(crate) fn request<'a>(collection: Url, hrefs: impl Iterator<Item = &'a str>) -> HttpRequest {
    let mut body = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <C:calendar-multiget xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\">\
         <D:prop><D:getetag/><C:calendar-data/></D:prop>",
    );
    for href in hrefs {
        body.push_str("<D:href>");
        body.push_str(&escape(href));
        body.push_str("</D:href>");
    }
    body.push_str("</C:calendar-multiget>");
    xml_request(report(), collection, Depth::One, body)
}
