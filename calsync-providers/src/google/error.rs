//! What a status and the reason in its body mean.

use std::time::Duration;

use calsync_core::provider::{ErrorKind, ProviderError, Retry};
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};

use super::wire;
use crate::http::{error_for_status, request_id, retry_after};

/// An answer, or a part of a batch.
pub(crate) struct Reply<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// When an answer came, and how long to stay away from a spent quota.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) now: DateTime<Utc>,
    pub(crate) quota_pause: Duration,
}

/// The error an answer is, whatever was asked. 404, 409, 410 and 412 mean something only to who asked: here they are the
/// plain thing.
pub(crate) fn classify(operation: &'static str, reply: &Reply<'_>, timing: Timing) -> ProviderError {
    let told = request_id(reply.headers).map(ToOwned::to_owned).or_else(|| wire::request_id(reply.body));
    kind_of(operation, reply, timing).with_request_id(told.as_deref())
}

fn kind_of(operation: &'static str, reply: &Reply<'_>, timing: Timing) -> ProviderError {
    let reason = wire::reason(reply.body);
    let status = reply.status.as_u16();
    let detail =
        if reason.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status} {}", word(&reason)) };
    let error = |kind| ProviderError::new(kind, operation, detail.clone());
    let throttled = |pause: Option<Duration>| {
        let wait = retry_after(reply.headers, timing.now);
        let wait = match (wait, pause) {
            (Some(wait), Some(pause)) => Some(wait.max(pause)),
            (wait, pause) => wait.or(pause),
        };
        let error = error(ErrorKind::Throttled);
        match wait {
            Some(wait) => error.with_retry(Retry::After(wait)),
            None => error,
        }
    };
    match (status, &*reason) {
        (
            403 | 429,
            "quotaExceeded" | "calendarUsageLimits" | "dailyLimitExceeded" | "dailyLimitExceededUnreg",
        ) => throttled(Some(timing.quota_pause)),
        (429, _)
        | (
            403,
            "userRateLimitExceeded" | "rateLimitExceeded" | "RATE_LIMIT_EXCEEDED" | "RESOURCE_EXHAUSTED",
        ) => throttled(None),
        // The token is fine and lacks a scope: only a person can grant it.
        (403, "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT") => {
            error(ErrorKind::Unauthorized)
        }
        (403, _) => error(ErrorKind::Forbidden),
        (400, _) => error(ErrorKind::Refused),
        (404 | 410, _) => error(ErrorKind::NotFound),
        // A clash with another part of the same batch passes; a taken name does not.
        (409, "conflict") => error(ErrorKind::Unavailable),
        (409, _) => error(ErrorKind::AlreadyExists { at: None }),
        (412, _) => error(ErrorKind::VersionMismatch),
        // A web page where JSON should be: a login form of a network, maintenance. It may pass.
        (200..=299, _) => error(ErrorKind::Protocol).with_retry(Retry::Backoff),
        _ => match error_for_status(operation, reply.status, reply.headers, timing.now) {
            Some(mut known) => {
                known.detail = detail;
                known
            }
            None => error(ErrorKind::Protocol),
        },
    }
}

/// The error of a write: one from the middle of the work, or from a gateway that stopped waiting, may have been applied.
pub(crate) fn writing(operation: &'static str, reply: &Reply<'_>, timing: Timing) -> ProviderError {
    let error = classify(operation, reply, timing);
    match reply.status.as_u16() {
        408 | 500 | 502 | 504 | 200..=299 => error.maybe_applied(),
        _ => error,
    }
}

/// Reasons are words; what else a server puts there stays out of messages.
fn word(reason: &str) -> &str {
    let is_word =
        reason.len() <= 64 && reason.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_word { reason } else { "(another reason)" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str) -> String {
        let headers = HeaderMap::new();
        let reply =
            Reply { status: StatusCode::from_u16(status).unwrap(), headers: &headers, body: body.as_bytes() };
        let timing =
            Timing { now: "2026-11-21T12:00:00Z".parse().unwrap(), quota_pause: Duration::from_secs(3600) };
        let error = writing("x", &reply, timing);
        let retry = match error.retry {
            Retry::Never => "",
            Retry::Backoff => " backoff",
            Retry::After(_) => " after",
        };
        format!("{:?}{retry}{}", error.kind, if error.is_ambiguous() { " ambiguous" } else { "" })
    }

    #[test]
    fn every_status_and_reason_of_the_documentation() {
        for (status, reason, expected) in [
            (400, "badRequest", "Refused"),
            (400, "invalid", "Refused"),
            (400, "required", "Refused"),
            (400, "timeRangeEmpty", "Refused"),
            (400, "invalidParameter", "Refused"),
            (400, "channelIdNotUnique", "Refused"),
            (400, "eventTypeRestriction", "Refused"),
            (400, "syncTokenWithRequestRestrictions", "Refused"),
            (401, "authError", "Unauthorized"),
            (403, "userRateLimitExceeded", "Throttled backoff"),
            (403, "rateLimitExceeded", "Throttled backoff"),
            (403, "quotaExceeded", "Throttled after"),
            (403, "calendarUsageLimits", "Throttled after"),
            (403, "dailyLimitExceeded", "Throttled after"),
            (403, "forbidden", "Forbidden"),
            (403, "forbiddenForNonOrganizer", "Forbidden"),
            (403, "insufficientPermissions", "Unauthorized"),
            (403, "accessNotConfigured", "Forbidden"),
            (403, "requiredAccessLevel", "Forbidden"),
            (403, "cannotChangeOrganizer", "Forbidden"),
            (403, "forbiddenForServiceAccounts", "Forbidden"),
            (404, "notFound", "NotFound"),
            (409, "duplicate", "AlreadyExists { at: None }"),
            (409, "conflict", "Unavailable backoff"),
            (410, "deleted", "NotFound"),
            (412, "conditionNotMet", "VersionMismatch"),
            (429, "rateLimitExceeded", "Throttled backoff"),
            (500, "backendError", "Unavailable backoff ambiguous"),
            (502, "", "Unavailable backoff ambiguous"),
            (503, "backendError", "Unavailable backoff"),
            (504, "", "Unavailable backoff ambiguous"),
            (200, "", "Protocol backoff ambiguous"),
            (418, "teapot", "Protocol"),
        ] {
            let body =
                format!("{{\"error\":{{\"code\":{status},\"errors\":[{{\"reason\":\"{reason}\"}}]}}}}");
            assert_eq!(kind(status, &body), expected, "{status} {reason}");
        }
        assert_eq!(kind(503, "<html>busy</html>"), "Unavailable backoff");
        assert_eq!(kind(403, "<html>no</html>"), "Forbidden");
    }

    /// Google promises no name of a request: it is shown where there is one.
    #[test]
    fn an_error_names_the_request_where_google_does() {
        let timing =
            Timing { now: "2026-11-21T12:00:00Z".parse().unwrap(), quota_pause: Duration::from_secs(3600) };
        let shown = |header: Option<&'static str>, body: &str| {
            let mut headers = HeaderMap::new();
            if let Some(id) = header {
                headers.insert("x-request-id", http::HeaderValue::from_static(id));
            }
            let reply = Reply { status: StatusCode::BAD_REQUEST, headers: &headers, body: body.as_bytes() };
            classify("create", &reply, timing).request_id().map(ToOwned::to_owned)
        };
        let body = r#"{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"r-1"}]}}"#;
        assert_eq!(shown(None, body).as_deref(), Some("r-1"));
        assert_eq!(shown(Some("h-1"), body).as_deref(), Some("h-1"));
        assert_eq!(shown(Some("Ann's request"), "{}"), None);
        assert_eq!(shown(None, r#"{"error":{"details":[{"requestId":7},null]}}"#), None);
    }

    #[test]
    fn priv_04_no_text_of_an_error_body_is_repeated() {
        let headers = HeaderMap::new();
        let body =
            br#"{"error":{"message":"ann@example.com","errors":[{"reason":"ann@example.com is wrong"}]}}"#;
        let reply = Reply { status: StatusCode::BAD_REQUEST, headers: &headers, body };
        let timing =
            Timing { now: "2026-11-21T12:00:00Z".parse().unwrap(), quota_pause: Duration::from_secs(3600) };
        let error = classify("x", &reply, timing);
        assert!(!format!("{error} {error:?}").contains("ann"));
    }
}
