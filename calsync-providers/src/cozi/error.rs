//! What a status and a refusal mean.

use calsync_core::provider::{ErrorKind, ProviderError, Retry};
use chrono::{DateTime, Utc};

use crate::http::{HttpResponse, error_for_status};

/// The error of an answer that is no success. Bodies are not quoted: they hold what people wrote.
pub(crate) fn of(operation: &'static str, response: &HttpResponse, now: DateTime<Utc>) -> ProviderError {
    let status = response.status;
    if let Some(error) = error_for_status(operation, status, &response.headers, now) {
        return error;
    }
    let detail = format!("HTTP {}", status.as_u16());
    let new = |kind| ProviderError::new(kind, operation, detail.clone());
    match status.as_u16() {
        402 => ProviderError::new(ErrorKind::Forbidden, operation, "HTTP 402: a paid plan is needed"),
        403 => new(ErrorKind::Forbidden),
        404 => new(ErrorKind::NotFound),
        409 | 410 | 412 => new(ErrorKind::VersionMismatch),
        400 | 405 | 415 | 422 => new(ErrorKind::Refused),
        507 => new(ErrorKind::TooLarge),
        _ => new(ErrorKind::Protocol),
    }
}

/// As [`of`], for a request that writes: what comes from the middle of the work may have been applied.
pub(crate) fn of_write(
    operation: &'static str,
    response: &HttpResponse,
    now: DateTime<Utc>,
) -> ProviderError {
    let error = of(operation, response, now);
    if matches!(response.status.as_u16(), 408 | 500 | 502 | 504) { error.maybe_applied() } else { error }
}

/// As [`of`], for signing in: what is wrong is the name or the password.
pub(crate) fn of_login(response: &HttpResponse, now: DateTime<Utc>) -> ProviderError {
    const OPERATION: &str = "sign in";
    match response.status.as_u16() {
        400 | 401 => {
            ProviderError::new(ErrorKind::Unauthorized, OPERATION, "the user name or the password is wrong")
        }
        _ => of(OPERATION, response, now),
    }
}

/// A write that was answered with success and refused.
pub(crate) fn of_rejection(operation: &'static str, reason: &str) -> ProviderError {
    if reason.contains("version") {
        return ProviderError::new(ErrorKind::VersionMismatch, operation, "it was changed meanwhile");
    }
    if reason.contains("not found") || reason.contains("does not exist") {
        return ProviderError::new(ErrorKind::NotFound, operation, "it is not there");
    }
    // The service's words may quote the event.
    ProviderError::new(ErrorKind::Refused, operation, "the service took the request and refused the item")
}

/// An answer that makes no sense, perhaps only this once.
pub(crate) fn unusable(operation: &'static str, detail: impl Into<String>) -> ProviderError {
    ProviderError::new(ErrorKind::Protocol, operation, detail).with_retry(Retry::Backoff)
}

/// The household is what was not found: nothing else was asked for.
pub(crate) fn calendar_gone(mut error: ProviderError) -> ProviderError {
    if error.kind == ErrorKind::NotFound {
        error.kind = ErrorKind::CalendarGone;
    }
    error
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode, header};
    use std::time::Duration;

    use super::*;

    fn response(status: u16) -> HttpResponse {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("9"));
        HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: b"secret text".to_vec() }
    }

    #[test]
    fn every_status_of_the_facts() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        for (status, expected, of_signing_in, ambiguous) in [
            (400, "Refused", "Unauthorized", false),
            (401, "Unauthorized", "Unauthorized", false),
            (402, "Forbidden", "Forbidden", false),
            (403, "Forbidden", "Forbidden", false),
            (404, "NotFound", "NotFound", false),
            (405, "Refused", "Refused", false),
            (408, "Unavailable", "Unavailable", true),
            (409, "VersionMismatch", "VersionMismatch", false),
            (410, "VersionMismatch", "VersionMismatch", false),
            (412, "VersionMismatch", "VersionMismatch", false),
            (413, "TooLarge", "TooLarge", false),
            (415, "Refused", "Refused", false),
            (422, "Refused", "Refused", false),
            (423, "Unavailable", "Unavailable", false),
            (425, "Unavailable", "Unavailable", false),
            (429, "Throttled", "Throttled", false),
            (500, "Unavailable", "Unavailable", true),
            (502, "Unavailable", "Unavailable", true),
            (503, "Unavailable", "Unavailable", false),
            (504, "Unavailable", "Unavailable", true),
            (507, "TooLarge", "TooLarge", false),
            (520, "Unavailable", "Unavailable", false),
            (302, "Protocol", "Protocol", false),
            (418, "Protocol", "Protocol", false),
        ] {
            let answer = response(status);
            let write = of_write("x", &answer, now);
            assert_eq!(format!("{:?}", write.kind), expected, "{status}");
            assert_eq!(write.is_ambiguous(), ambiguous, "{status}");
            assert_eq!(format!("{:?}", of_login(&answer, now).kind), of_signing_in, "{status}");
            assert!(!write.to_string().contains("secret"));
            if matches!(write.kind, ErrorKind::Throttled | ErrorKind::Unavailable) {
                assert_eq!(write.retry, Retry::After(Duration::from_secs(9)), "{status}");
            } else {
                assert_eq!(write.retry, Retry::Never, "{status}");
            }
        }
    }

    #[test]
    fn a_refusal_in_words() {
        for (reason, expected) in [
            ("version mismatch", "VersionMismatch"),
            ("item not found", "NotFound"),
            ("start_time and end_time are required", "Refused"),
            ("", "Refused"),
        ] {
            assert_eq!(format!("{:?}", of_rejection("x", reason).kind), expected, "{reason}");
        }
    }
}
