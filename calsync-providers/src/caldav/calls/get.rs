//! GET of one resource.

use std::borrow::Cow;

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

/// The text of a body. One that is not UTF-8 is unfolded, since a fold may part the bytes of one character, and then
/// each line is UTF-8 or else Latin-1 (RFC 5545 section 3.1 knows UTF-8 only; servers store what they are given).
fn decoded(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in body.split(|byte| *byte == b'\n') {
        match (line.first(), lines.last_mut()) {
            (Some(b' ' | b'\t'), Some(before)) => {
                while before.last() == Some(&b'\r') {
                    before.pop();
                }
                before.extend(&line[1..]);
            }
            _ => lines.push(line.to_vec()),
        }
    }
    let text = |line: Vec<u8>| match String::from_utf8(line) {
        Ok(text) => text,
        Err(error) => error.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    };
    Cow::Owned(lines.into_iter().map(text).collect::<Vec<_>>().join("\n"))
}

/// What a 200 holds; `None` when it is no calendar (a login page).
pub(crate) fn content(response: &HttpResponse) -> Option<(Option<Version>, Payload)> {
    let text = decoded(&response.body);
    let start = text.trim_start_matches(['\u{feff}', ' ', '\r', '\n', '\t']);
    let is_calendar = start.get(..15).is_some_and(|head| head.eq_ignore_ascii_case("BEGIN:VCALENDAR"));
    let version = response.header(header::ETAG).and_then(etag::version);
    is_calendar.then(|| (version, Payload::new(text.into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_are_not_utf_8_lose_nothing() {
        assert_eq!(decoded("SUMMARY:Käse\r\n".as_bytes()), "SUMMARY:Käse\r\n");
        assert_eq!(decoded(b"SUMMARY:K\xe4se\r\nX:\xc3\xa4\r\n"), "SUMMARY:Käse\r\nX:ä\r\n");
        // A fold between the two bytes of one character.
        assert_eq!(decoded(b"SUMMARY:K\xc3\r\n \xa4se\r\nX:1\r\n"), "SUMMARY:Käse\r\nX:1\r\n");
    }
}
