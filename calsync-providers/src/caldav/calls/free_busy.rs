//! The report `free-busy-query` (RFC 4791 section 7.10): when a calendar is busy. It needs no right to read the calendar but
//! `read-free-busy` (section 6.1.1).

use std::ops::Range;

use chrono::{DateTime, Utc};
use url::Url;

use super::{Depth, report, xml_request};
use crate::http::HttpRequest;

pub(crate) fn request(collection: Url, window: &Range<DateTime<Utc>>) -> HttpRequest {
    let form = "%Y%m%dT%H%M%SZ";
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <C:free-busy-query xmlns:C=\"urn:ietf:params:xml:ns:caldav\">\
         <C:time-range start=\"{}\" end=\"{}\"/></C:free-busy-query>",
        window.start.format(form),
        window.end.format(form)
    );
    xml_request(report(), collection, Depth::One, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_the_window() {
        let at = |hour: i64| DateTime::from_timestamp(hour * 3600, 0).unwrap();
        let url = Url::parse("https://example.com/dav/work/").unwrap();
        let request = request(url, &(at(9)..at(17)));
        assert_eq!(request.method.as_str(), "REPORT");
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(body.contains("start=\"19700101T090000Z\" end=\"19700101T170000Z\""), "{body}");
    }
}
