//! HTTP that the host brings: its proxies, its certificates, its connections.
//!
//! Redirects, credentials, pacing and what is tried again stay where they are for every transport; see
//! [`HttpTransport`] for what one has to do.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use calsync_providers::http::{
    AddressPolicy, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpTransport,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    args::PublicAddresses,
    failure::Failure,
    host::{CALL, Calling, HostFailure},
};

/// The method, as it is named in errors.
pub(crate) const SEND: &str = "transport.send";

/// How much longer than a request may take its host's method is waited for: it ends requests itself.
const GRACE: Duration = Duration::from_secs(5);

/// A request, as the host's transport is to send it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Request {
    /// The method; those of WebDAV (RFC 4918) and CalDAV (RFC 4791) are among them.
    pub method: String,
    /// The absolute URL, `http` or `https`.
    pub url: String,
    /// Names and values. `Content-Length` is the transport's affair, and so is `User-Agent` where there is none.
    pub headers: Vec<(String, String)>,
    /// The body in Base64, empty for none. Languages have it as bytes.
    pub body: String,
    /// Which addresses may be connected to: that of the connection is meant, not one that was looked up before.
    pub addresses: Addresses,
    /// Bytes of a body at most, decompressed.
    pub body_max: u64,
    /// Milliseconds until a connection stands.
    pub connect_ms: u64,
    /// Milliseconds the server may be silent.
    pub stall_ms: u64,
    /// Milliseconds from the beginning to the last byte.
    pub total_ms: u64,
}

/// Which addresses a request may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Addresses {
    /// Those of the public internet, see `public_addresses`.
    Public,
    /// All: whoever runs the application has typed in the URL.
    All,
}

/// What came back.
#[derive(Clone, Deserialize, Serialize)]
pub struct Response {
    /// The status, whatever it is: 404 is an answer.
    pub status: u16,
    /// Names and values; one that comes twice is there twice.
    pub headers: Vec<(String, String)>,
    /// The body in Base64, decompressed.
    pub body: String,
}

/// Why there is no answer. Anything else a transport throws is a mistake in it, and fails the call as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransportFault {
    /// No connection: name, network or TLS. The request never left.
    Connect,
    /// A deadline passed. The server may have acted.
    Timeout,
    /// The connection broke. The server may have acted.
    Interrupted,
    /// The body is larger than `body_max`. The server may have acted.
    TooLarge,
    /// The address is none the request may go to. The request never left.
    Blocked,
}

impl TransportFault {
    fn of(kind: &str) -> Option<Self> {
        serde_json::from_value(json!(kind)).ok()
    }

    fn error(self) -> HttpError {
        use HttpErrorKind as Kind;
        match self {
            Self::Connect => HttpError::not_sent(Kind::Connect, "there is no connection"),
            Self::Timeout => HttpError::maybe_sent(Kind::Timeout, "the server did not answer in time"),
            Self::Interrupted => HttpError::maybe_sent(Kind::Interrupted, "the connection broke"),
            Self::TooLarge => HttpError::maybe_sent(Kind::TooLarge, "the answer is larger than the limit"),
            Self::Blocked => {
                HttpError::not_sent(Kind::Blocked, "the address is in a private or local network")
            }
        }
    }
}

/// Sends by the host of the call that is being carried out.
pub(crate) struct HostTransport;

#[async_trait]
impl HttpTransport for HostTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        request.addresses.check_url(&request.url)?;
        let Ok(call) = CALL.try_with(Clone::clone) else { return Err(mistake(None, no_host())) };
        let limits = request.limits;
        let asked = call.of_network::<Response>(SEND, json!({ "request": given(request) }));
        let response = match tokio::time::timeout(limits.total + GRACE, asked).await {
            Err(_) => return Err(TransportFault::Timeout.error()),
            Ok(Err(failure)) => {
                return Err(match TransportFault::of(&failure.kind) {
                    Some(fault) => fault.error(),
                    None => mistake(Some(call), failure),
                });
            }
            Ok(Ok(response)) => response,
        };
        match received(response) {
            Some(response) if response.body.len() > limits.body_max => Err(TransportFault::TooLarge.error()),
            Some(response) => Ok(response),
            None => {
                let wrong =
                    HostFailure::new(SEND, "wrong-type", "a status, headers and a body were expected");
                Err(mistake(Some(call), wrong))
            }
        }
    }
}

fn no_host() -> HostFailure {
    HostFailure::new(SEND, "silent", "no host is there")
}

/// The call fails with what the host did wrong. Whether the server has the request, nobody knows.
fn mistake(call: Option<Arc<Calling>>, failure: HostFailure) -> HttpError {
    if let Some(call) = call {
        call.note(&failure);
    }
    HttpError::maybe_sent(HttpErrorKind::Interrupted, failure.to_string())
}

fn given(request: HttpRequest) -> Request {
    let milliseconds = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let limits = request.limits;
    Request {
        method: request.method.as_str().to_owned(),
        url: request.url.into(),
        headers: request
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body: BASE64.encode(&request.body),
        addresses: match request.addresses {
            AddressPolicy::Public => Addresses::Public,
            AddressPolicy::AllowPrivate => Addresses::All,
        },
        body_max: u64::try_from(limits.body_max).unwrap_or(u64::MAX),
        connect_ms: milliseconds(limits.connect),
        stall_ms: milliseconds(limits.stall),
        total_ms: milliseconds(limits.total),
    }
}

/// A header that HTTP does not know is left out: what servers send is not the host's fault.
fn received(response: Response) -> Option<HttpResponse> {
    let headers = response.headers.into_iter().filter_map(|(name, value)| {
        Some((http::HeaderName::try_from(name).ok()?, http::HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    Some(HttpResponse {
        status: http::StatusCode::from_u16(response.status).ok()?,
        headers: headers.collect(),
        body: BASE64.decode(response.body).ok()?,
    })
}

/// Those of some addresses that belong to the public internet: what a transport of the host may connect to where a request says so.
pub(crate) fn public_addresses(args: PublicAddresses) -> Result<Vec<String>, Failure> {
    let is_public =
        |address: &String| address.parse().is_ok_and(|address| AddressPolicy::Public.allows(address));
    Ok(args.addresses.into_iter().filter(is_public).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the server may have acted decides whether a write is looked up before it is sent again.
    #[test]
    fn what_may_have_left_is_said_so() {
        for (word, left, kind) in [
            ("connect", false, HttpErrorKind::Connect),
            ("blocked", false, HttpErrorKind::Blocked),
            ("timeout", true, HttpErrorKind::Timeout),
            ("interrupted", true, HttpErrorKind::Interrupted),
            ("too-large", true, HttpErrorKind::TooLarge),
        ] {
            let error = TransportFault::of(word).unwrap().error();
            assert_eq!((error.is_maybe_sent(), error.kind), (left, kind), "{word}");
        }
        assert_eq!(TransportFault::of("failed"), None);
        assert!(mistake(None, no_host()).is_maybe_sent());
    }
}
