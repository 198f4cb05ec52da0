//! GET of one resource.

use calsync_core::{model::Version, provider::Payload};
use http::{Method, header};
use url::Url;

use crate::{
    caldav::etag,
    http::{HttpRequest, HttpResponse},
};

/// The content of one resource. Not compressed: some front ends give the compressed form another ETag.
pub(crate) fn request(url: Url) -> HttpRequest {
    HttpRequest::new(Method::GET, url)
        .header(header::ACCEPT, "text/calendar")
        .header(header::ACCEPT_ENCODING, "identity")
}

/// What a 200 holds; `None` when it is no calendar (a login page).
pub(crate) fn content(response: &HttpResponse) -> Option<(Option<Version>, Payload)> {
    let text = String::from_utf8_lossy(&response.body);
    let start = text.trim_start_matches(['\u{feff}', ' ', '\r', '\n', '\t']);
    let is_calendar = start.get(..15).is_some_and(|head| head.eq_ignore_ascii_case("BEGIN:VCALENDAR"));
    let version = response.header(header::ETAG).and_then(etag::version);
    is_calendar.then(|| (version, Payload::new(text.into_owned())))
}
