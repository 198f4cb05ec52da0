//! One file per request: what is sent, and how its answer is read.

pub(crate) mod delete;
pub(crate) mod free_busy;
pub(crate) mod get;
pub(crate) mod multiget;
pub(crate) mod options;
pub(crate) mod propfind;
pub(crate) mod put;
pub(crate) mod sync_collection;
pub(crate) mod uid_query;

use http::{Method, header, header::HeaderName};
use url::Url;

use crate::http::HttpRequest;

/// How far below a resource a request reaches (RFC 4918 section 10.2). Infinity is refused by many servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    Zero,
    One,
}

/// A request with an XML body.
fn xml_request(method: Method, url: Url, depth: Depth, body: String) -> HttpRequest {
    let depth = match depth {
        Depth::Zero => "0",
        Depth::One => "1",
    };
    HttpRequest::new(method, url)
        .header(HeaderName::from_static("depth"), depth)
        .header(header::CONTENT_TYPE, "application/xml; charset=utf-8")
        .body(body)
}

/// The method REPORT (RFC 3253 section 3.6).
fn report() -> Method {
    extension(b"REPORT")
}

fn extension(name: &[u8]) -> Method {
    // Every name given here is a token, which is all that can fail.
    Method::from_bytes(name).unwrap_or(Method::GET)
}
