//! What the server saw.

use std::fmt;

/// One request and its answer, in order of arrival.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method, in upper case.
    pub method: String,
    /// Path and query as sent, not decoded.
    pub path: String,
    /// Headers in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The status answered; `None` while there is none, which a hang or a dropped connection leaves so.
    pub status: Option<u16>,
    /// The headers answered; names as sent.
    pub response_headers: Vec<(String, String)>,
    /// The body made for the answer, before truncation and before a connection was dropped.
    pub response: Vec<u8>,
}

impl RecordedRequest {
    /// A request that came inside another.
    pub(crate) fn inner(method: String, path: String, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Self { method, path, headers, body, status: None, response_headers: Vec::new(), response: Vec::new() }
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The first header of that name in the answer, in any case.
    pub fn response_header(&self, name: &str) -> Option<&str> {
        find(&self.response_headers, name)
    }

    /// The body as text, anything that is not UTF-8 replaced.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer's body as text, anything that is not UTF-8 replaced.
    pub fn response_text(&self) -> String {
        String::from_utf8_lossy(&self.response).into_owned()
    }
}

/// Shows no headers and no bodies: they hold credentials and event text.
impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .field("response_len", &self.response.len())
            .finish_non_exhaustive()
    }
}

pub(super) fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
