//! The report `calendar-query` (RFC 4791 section 7.8), asked for one UID.

use url::Url;

use super::{Depth, report, xml_request};
use crate::{caldav::xml::escape, http::HttpRequest};

/// Which resource holds a UID. Only a hint: servers ignore the filter, or match parts of it.
pub(crate) fn request(collection: Url, uid: &str) -> HttpRequest {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\">\
         <D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
         <C:comp-filter name=\"VEVENT\"><C:prop-filter name=\"UID\">\
         <C:text-match collation=\"i;octet\">{}</C:text-match>\
         </C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>",
        escape(uid)
    );
    xml_request(report(), collection, Depth::One, body)
}
