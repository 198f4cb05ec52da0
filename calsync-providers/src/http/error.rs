//! What can go wrong on the way.

use std::{fmt, time::Duration};

use calsync_core::provider::{ErrorKind, ProviderError, Retry};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// The request cannot be sent as it is.
    InvalidRequest,
    /// The address, or the place a redirect points to, is not allowed.
    Blocked,
    /// A redirect that cannot be followed: too many, a loop, no location, or one that would change the method.
    Redirect,
    /// No connection: name, network or TLS.
    Connect,
    /// A deadline passed.
    Timeout,
    /// The connection broke.
    Interrupted,
    /// The answer is larger than the limit.
    TooLarge,
    /// It was not sent, to stay below the provider's limits.
    Paced,
    /// It was not sent, because the host did not answer those before it.
    Resting,
}

/// No answer. Holds no URL and no header.
#[derive(Debug)]
pub struct HttpError {
    /// Why.
    pub kind: HttpErrorKind,
    detail: String,
    maybe_sent: bool,
    wait: Option<Duration>,
}

impl HttpError {
    /// An error of a request that never left.
    pub fn not_sent(kind: HttpErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), maybe_sent: false, wait: None }
    }

    /// An error of a request the server may have acted on.
    pub fn maybe_sent(kind: HttpErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), maybe_sent: true, wait: None }
    }

    pub(crate) fn invalid_request(detail: &'static str) -> Self {
        Self::not_sent(HttpErrorKind::InvalidRequest, detail)
    }

    pub(crate) fn blocked(detail: impl Into<String>) -> Self {
        Self::not_sent(HttpErrorKind::Blocked, detail)
    }

    pub(crate) fn paced(wait: Duration) -> Self {
        let detail = format!("not sent for {} s to stay below the limit", wait.as_secs() + 1);
        Self { wait: Some(wait), ..Self::not_sent(HttpErrorKind::Paced, detail) }
    }

    pub(crate) fn resting(wait: Duration) -> Self {
        let detail = format!("the host did not answer and is left alone for {} s", wait.as_secs() + 1);
        Self { wait: Some(wait), ..Self::not_sent(HttpErrorKind::Resting, detail) }
    }

    /// When to come back, where that is known.
    pub fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// Whether the server may have acted on the request.
    pub fn is_maybe_sent(&self) -> bool {
        self.maybe_sent
    }

    /// The error of a call that changes nothing on the server.
    pub fn reading(self, operation: &'static str) -> ProviderError {
        let kind = match self.kind {
            HttpErrorKind::InvalidRequest => ErrorKind::InvalidInput,
            HttpErrorKind::Blocked => ErrorKind::Blocked,
            HttpErrorKind::Redirect => ErrorKind::Protocol,
            HttpErrorKind::Connect | HttpErrorKind::Timeout | HttpErrorKind::Interrupted => {
                ErrorKind::Unavailable
            }
            HttpErrorKind::Resting => ErrorKind::Unavailable,
            HttpErrorKind::Paced => ErrorKind::Throttled,
            HttpErrorKind::TooLarge => ErrorKind::TooLarge,
        };
        let error = ProviderError::new(kind, operation, self.detail);
        match self.wait {
            Some(wait) => error.with_retry(Retry::After(wait)),
            None => error,
        }
    }

    /// The error of a write: ambiguous when the server may have acted on it.
    pub fn writing(self, operation: &'static str) -> ProviderError {
        let ambiguous = self.maybe_sent;
        let error = self.reading(operation);
        if ambiguous { error.maybe_applied() } else { error }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for HttpError {}
