//! What a status means for trying again.

use std::time::Duration;

use calsync_core::provider::{ErrorKind, ProviderError, Retry};
use chrono::{DateTime, NaiveDateTime, Utc};
use http::{HeaderMap, StatusCode, header};

// A server that says "in a year" means "do not ask for a while", and a scheduler must not lose an account over it.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. At most a day; a date in the past is no wait. Microsoft
/// Graph sends fractions of seconds, too.
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = value.parse::<u64>() {
        Duration::from_secs(seconds)
    } else if let Some(seconds) = decimal(value) {
        seconds
    } else {
        (http_date(value)? - now).to_std().unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// What the service calls the request (`request-id` of Microsoft Graph, `x-ms-request-id` of its sign-in), or a proxy in
/// front of it (`x-request-id`); else what it was told to call it. There is no standard for it: Google documents none for
/// its calendar, and servers of CalDAV have none in common.
pub fn request_id(headers: &HeaderMap) -> Option<&str> {
    ["request-id", "x-ms-request-id", "x-request-id", "client-request-id"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok())
        .map(str::trim)
        .filter(|id| !id.is_empty())
}

/// Digits, a point, digits; nothing else that a number may be written as.
fn decimal(value: &str) -> Option<Duration> {
    let plain =
        value.split('.').count() == 2 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| value.parse().ok()).flatten().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn http_date(value: &str) -> Option<DateTime<Utc>> {
    const FORMS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(value, form).ok()).map(|date| date.and_utc())
}

/// The error for a status that means the same with every provider. `None` for what only the caller can tell: success,
/// and 400, 404, 409, 412 and their like.
pub fn error_for_status(
    operation: &'static str,
    status: StatusCode,
    headers: &HeaderMap,
    now: DateTime<Utc>,
) -> Option<ProviderError> {
    let kind = match status.as_u16() {
        401 => ErrorKind::Unauthorized,
        408 | 423 | 425 | 500 | 502 | 503 | 504 => ErrorKind::Unavailable,
        429 => ErrorKind::Throttled,
        413 => ErrorKind::TooLarge,
        505..=506 | 508..=599 => ErrorKind::Unavailable,
        _ => return None,
    };
    let transient = matches!(kind, ErrorKind::Unavailable | ErrorKind::Throttled);
    let error = ProviderError::new(kind, operation, format!("HTTP {}", status.as_u16()))
        .with_request_id(request_id(headers));
    Some(match retry_after(headers, now) {
        Some(wait) if transient => error.with_retry(Retry::After(wait)),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_in_every_form() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sat, 21 Nov 2026 12:00:30 GMT", Some(30)),
            ("Saturday, 21-Nov-26 12:00:30 GMT", Some(30)),
            ("Sat Nov 21 12:00:30 2026", Some(30)),
            ("Fri, 20 Nov 2026 12:00:30 GMT", Some(0)),
            ("99999999999", Some(86_400)),
            ("soon", None),
            ("1.5.2", None),
            ("NaN", None),
            ("-5", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(value));
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn only_transient_errors_are_retried() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        let error = |status: u16| error_for_status("x", StatusCode::from_u16(status).unwrap(), &headers, now);
        assert_eq!(error(429).unwrap().retry, Retry::After(Duration::from_secs(7)));
        assert_eq!(error(503).unwrap().retry, Retry::After(Duration::from_secs(7)));
        assert_eq!(error(401).unwrap().retry, Retry::Never);
        assert!(error(207).is_none() && error(404).is_none() && error(412).is_none());
    }
}
