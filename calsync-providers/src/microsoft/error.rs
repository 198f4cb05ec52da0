//! What a status and the code in its body mean.

use std::time::Duration;

use calsync_core::provider::{ErrorKind, ProviderError, Retry};
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};

use super::wire::{self, Object, code};
use crate::http::{ClaimsChallenge, error_for_status, request_id};

/// A server that says "in a year" means "do not ask for a while".
const RETRY_AFTER_MAX: f64 = 24.0 * 3600.0;

/// An answer that is no success: the parts an error is made of, whether it came by itself or inside a batch.
pub(crate) struct Refusal<'a> {
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) error: Option<&'a Object>,
}

impl Refusal<'_> {
    /// What Graph calls the request: in a header, and of a part of a batch in its body.
    fn request_id(&self) -> Option<&str> {
        let told = self.headers.get("request-id").and_then(|id| id.to_str().ok());
        told.or_else(|| wire::request_id(self.error?)).or_else(|| request_id(self.headers))
    }
}

/// The error of an answer.
pub(crate) fn of(operation: &'static str, refusal: &Refusal<'_>, now: DateTime<Utc>) -> ProviderError {
    let mut error = kind_of(operation, refusal, now).with_request_id(refusal.request_id());
    if refusal.status == 401
        && let Some(challenge) = ClaimsChallenge::of(refusal.headers)
    {
        error.detail.push_str(&format!(": {challenge}"));
        error = error.with_source(challenge);
    }
    error
}

fn kind_of(operation: &'static str, refusal: &Refusal<'_>, now: DateTime<Utc>) -> ProviderError {
    let code = code(refusal.error);
    // A word of Microsoft's, and no text a server put in its place.
    let is_word = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let detail =
        if !is_word { format!("HTTP {}", refusal.status) } else { format!("HTTP {} {code}", refusal.status) };
    let new = |kind: ErrorKind| ProviderError::new(kind, operation, detail.clone());
    // Codes before statuses: the same thing comes with different statuses (a throttled batch, a lost sync state).
    match code.as_str() {
        "syncstatenotfound"
        | "syncstateinvalid"
        | "resyncrequired"
        | "resyncapplydifferences"
        | "resyncuploaddifferences" => return new(ErrorKind::CursorInvalid),
        "erroritemnotfound" | "itemnotfound" => return new(ErrorKind::NotFound),
        "errorirresolvableconflict" | "resourcemodified" | "entitytagdoesnotmatch" => {
            return new(ErrorKind::VersionMismatch);
        }
        "errorquotaexceeded" | "quotalimitreached" => return new(ErrorKind::TooLarge),
        "mailboxnotenabledforrestapi" | "errornonexistentmailbox" => return new(ErrorKind::Forbidden),
        "concurrentitemsave" => return new(ErrorKind::Unavailable),
        _ => {}
    }
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(mut error) = error_for_status(operation, status, refusal.headers, now) {
        error.detail = detail;
        if let Some(wait) = fractional(refusal.headers)
            && matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable)
        {
            error.retry = Retry::After(wait);
        }
        return error;
    }
    new(match refusal.status {
        400 if code.contains("token") && code.contains("sync") => ErrorKind::CursorInvalid,
        400 | 405 | 415 | 422 => ErrorKind::Refused,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::AlreadyExists { at: None },
        410 => ErrorKind::CursorInvalid,
        412 => ErrorKind::VersionMismatch,
        // It was not tried, because of another request of its batch.
        424 => ErrorKind::Unavailable,
        507 => ErrorKind::TooLarge,
        _ => ErrorKind::Protocol,
    })
}

/// Whether Graph refused to move an instance past another one of its series.
pub(crate) fn crosses_neighbour(error: &ProviderError) -> bool {
    error.kind == ErrorKind::Refused
        && error.detail.to_ascii_lowercase().ends_with("erroroccurrencecrossingboundary")
}

/// As [`of`], for a request that writes: what comes from the middle of the work may have been applied.
pub(crate) fn of_write(operation: &'static str, refusal: &Refusal<'_>, now: DateTime<Utc>) -> ProviderError {
    let mut error = of(operation, refusal, now);
    // Nothing but the item can be gone, or wrong, in a write.
    if error.kind == ErrorKind::CursorInvalid {
        error.kind = if refusal.status == 410 { ErrorKind::NotFound } else { ErrorKind::Refused };
    }
    if matches!(refusal.status, 408 | 500 | 502 | 504) { error.maybe_applied() } else { error }
}

/// `Retry-After: 2.128`, which Graph sends.
fn fractional(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(RETRY_AFTER_MAX)))
}

/// An answer that makes no sense, perhaps only this once.
pub(crate) fn unusable(operation: &'static str, detail: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Protocol, operation, detail).with_retry(Retry::Backoff)
}

/// The same, with the answer at hand.
pub(crate) fn unusable_answer(
    operation: &'static str,
    headers: &HeaderMap,
    detail: &'static str,
) -> ProviderError {
    unusable(operation, detail).with_request_id(request_id(headers))
}

/// The calendar is what was not found: nothing else was asked for.
pub(crate) fn calendar_gone(mut error: ProviderError) -> ProviderError {
    if error.kind == ErrorKind::NotFound {
        error.kind = ErrorKind::CalendarGone;
    }
    error
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn kind(status: u16, code: &str) -> String {
        let body = json!({"code": code});
        let error = of(
            "x",
            &Refusal { status, headers: &HeaderMap::new(), error: body.as_object() },
            "2026-11-21T12:00:00Z".parse().unwrap(),
        );
        format!("{:?}", error.kind)
    }

    #[test]
    fn every_status_and_code_of_the_documentation() {
        for (status, code, expected) in [
            (400, "ErrorInvalidIdMalformed", "Refused"),
            (400, "ErrorPropertyValidationFailure", "Refused"),
            (400, "ErrorOccurrenceCrossingBoundary", "Refused"),
            (400, "ErrorInvalidRequest", "Refused"),
            (400, "RequestBodyRead", "Refused"),
            (400, "SyncStateInvalid", "CursorInvalid"),
            (401, "InvalidAuthenticationToken", "Unauthorized"),
            (403, "ErrorAccessDenied", "Forbidden"),
            (403, "", "Forbidden"),
            (404, "ErrorItemNotFound", "NotFound"),
            (404, "MailboxNotEnabledForRESTAPI", "Forbidden"),
            (409, "ConcurrentItemSave", "Unavailable"),
            (409, "ErrorFolderExists", "AlreadyExists { at: None }"),
            (410, "SyncStateNotFound", "CursorInvalid"),
            (410, "resyncRequired", "CursorInvalid"),
            (410, "", "CursorInvalid"),
            (412, "ErrorIrresolvableConflict", "VersionMismatch"),
            (412, "", "VersionMismatch"),
            (413, "", "TooLarge"),
            (423, "locked", "Unavailable"),
            (424, "FailedDependency", "Unavailable"),
            (429, "ApplicationThrottled", "Throttled"),
            (500, "ErrorInternalServerError", "Unavailable"),
            (503, "ErrorServerBusy", "Unavailable"),
            (504, "UnknownError", "Unavailable"),
            (507, "ErrorQuotaExceeded", "TooLarge"),
            (509, "", "Unavailable"),
            (302, "", "Protocol"),
        ] {
            assert_eq!(kind(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn quo_02_a_fraction_of_a_second_is_waited_for() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2.128"));
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let error = of("x", &Refusal { status: 429, headers: &headers, error: None }, now);
        assert_eq!(error.retry, Retry::After(Duration::from_millis(2128)));
    }
}
