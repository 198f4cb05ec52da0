//! One request, one answer.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::HeaderName};
use url::Url;

use super::{AddressPolicy, HttpError};

/// How long and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes of a body, after decompression: a small body that unpacks to a large one ends here too.
    /// Default: 32 MiB.
    pub body_max: usize,
    /// From the start of the request to the last byte of the answer. Default: 120 s.
    pub total: Duration,
    /// Until a connection stands. Default: 15 s.
    pub connect: Duration,
    /// The longest silence of the server. Default: 90 s: a Radicale that has not read its files yet takes 80 s to list
    /// 10,000 of them.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_max: 32 << 20,
            total: Duration::from_secs(120),
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(90),
        }
    }
}

/// What to send. It is cheap to clone, so that sending it again sends the same bytes.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method; WebDAV's are ordinary ones here.
    pub method: Method,
    /// The absolute URL, `http` or `https`.
    pub url: Url,
    /// The headers. `Content-Length` is the transport's affair.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// How long and how large.
    pub limits: Limits,
    /// Which addresses may be connected to.
    pub addresses: AddressPolicy,
    /// What it takes of the provider's quota, in requests: a batch is as many as are in it. Default: 1.
    pub cost: u32,
}

impl HttpRequest {
    /// A request without headers or body.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            limits: Limits::default(),
            addresses: AddressPolicy::default(),
            cost: 1,
        }
    }

    /// Sets what it takes of the provider's quota.
    #[must_use]
    pub fn costing(mut self, cost: u32) -> Self {
        self.cost = cost;
        self
    }

    /// Sets a header whose value is known to be clean.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// Sets a header from a value somebody else made (an ETag, a token).
    ///
    /// # Errors
    ///
    /// When the value holds control characters: it would otherwise become another header.
    pub fn try_header(mut self, name: HeaderName, value: &str) -> Result<Self, HttpError> {
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| HttpError::invalid_request("a header value holds control characters"))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Clone)]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole and decompressed.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// A header as text; `None` when it is absent or not text.
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Moves one request and its answer. The host may bring its own.
///
/// # Behavior
///
/// - Redirects are not followed, cookies not kept, nothing retried.
/// - `Content-Length` is sent with every body (chunked uploads are refused by servers in use), `Expect` never.
/// - The deadlines and the size in [`HttpRequest::limits`] hold; so does [`HttpRequest::addresses`], on the address
///   that is connected to and not on one resolved before.
/// - An answer of any status is `Ok`. `Err` says through [`HttpError::maybe_sent`] whether the server may have acted.
#[async_trait]
pub trait HttpTransport: Send + Sync {
    /// Sends a request and reads the whole answer.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;
}
