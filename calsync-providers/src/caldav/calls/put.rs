//! PUT of one resource.

use calsync_core::{model::Version, provider::Payload};
use http::{Method, header};
use url::Url;

use crate::http::{HttpError, HttpRequest};

/// A resource that must not be there yet.
pub(crate) fn create(url: Url, payload: &Payload) -> HttpRequest {
    put(url, payload).header(header::IF_NONE_MATCH, "*")
}

/// A resource that has this version. Never `If-Match: *`, which some services read backwards.
pub(crate) fn update(url: Url, expected: &Version, payload: &Payload) -> Result<HttpRequest, HttpError> {
    put(url, payload).try_header(header::IF_MATCH, expected.as_str())
}

fn put(url: Url, payload: &Payload) -> HttpRequest {
    HttpRequest::new(Method::PUT, url)
        .header(header::CONTENT_TYPE, "text/calendar; charset=utf-8")
        .body(payload.as_str())
}
