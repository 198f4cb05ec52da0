//! What a status and the preconditions in its body mean.

use calsync_core::provider::{ErrorKind, ProviderError, Retry};
use chrono::{DateTime, Utc};

use super::wire::{Precondition, preconditions};
use crate::http::{HttpResponse, error_for_status, wants_only_digest};

/// The error of a request that reads. A 404 is told apart by the caller, who knows what was asked for.
pub(crate) fn reading(operation: &'static str, response: &HttpResponse, now: DateTime<Utc>) -> ProviderError {
    if let Some(error) = error_for_status(operation, response.status, &response.headers, now) {
        return error;
    }
    let detail = format!("HTTP {}", response.status.as_u16());
    match response.status.as_u16() {
        403 => ProviderError::new(ErrorKind::Forbidden, operation, detail),
        404 | 410 => ProviderError::new(ErrorKind::NotFound, operation, detail),
        507 => ProviderError::new(ErrorKind::TooLarge, operation, detail),
        // A web page where a multistatus should be: a login form, a hotel network, maintenance. It may pass.
        200..=299 => unusable(operation, "the answer is no CalDAV answer"),
        _ => ProviderError::new(ErrorKind::Protocol, operation, detail),
    }
}

/// The error of a 401 to a request that carried the credentials.
pub(crate) fn unauthorized(operation: &'static str, response: &HttpResponse) -> ProviderError {
    let detail = if wants_only_digest(&response.headers) {
        "the server asks for Digest authentication, which is not spoken here: allow Basic on it"
    } else {
        "HTTP 401"
    };
    ProviderError::new(ErrorKind::Unauthorized, operation, detail)
}

/// The error of an answer that says nothing but "not now".
pub(crate) fn reading_transient(
    operation: &'static str,
    response: &HttpResponse,
    now: DateTime<Utc>,
) -> Option<ProviderError> {
    matches!(response.status.as_u16(), 429 | 502..=504)
        .then(|| error_for_status(operation, response.status, &response.headers, now))
        .flatten()
}

/// An answer that makes no sense, perhaps only this once.
pub(crate) fn unusable(operation: &'static str, detail: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Protocol, operation, detail).with_retry(Retry::Backoff)
}

/// What became of a write.
#[derive(Debug)]
pub(crate) enum WriteOutcome {
    /// Applied.
    Done,
    /// 412 without a reason in the body: another version, a name that is taken, or (on servers that use 412 for
    /// everything) content they refuse. Only a look tells.
    ConditionFailed,
    /// The UID is in another resource; where, when the server said.
    UidTaken(Option<String>),
    /// 404 or 410: the item, or the calendar.
    NotFound,
    /// 409 without a reason in the body.
    Conflict,
    /// Anything else, classified.
    Failed(ProviderError),
}

/// Tells what became of a write. Names in the body come before the status: 403, 409 and 412 are used for the same
/// things by different servers.
pub(crate) fn writing(operation: &'static str, response: &HttpResponse, now: DateTime<Utc>) -> WriteOutcome {
    let status = response.status.as_u16();
    if (200..300).contains(&status) {
        return WriteOutcome::Done;
    }
    let failed =
        |kind: ErrorKind, detail: String| WriteOutcome::Failed(ProviderError::new(kind, operation, detail));
    for Precondition { name, href } in preconditions(&response.body) {
        match &*name {
            "no-uid-conflict" | "unique-scheduling-object-resource" => return WriteOutcome::UidTaken(href),
            "calendar-collection-location-ok" => return WriteOutcome::NotFound,
            "if-match" | "if-none-match" => return WriteOutcome::ConditionFailed,
            "need-privileges" => return failed(ErrorKind::Forbidden, "the account lacks a privilege".into()),
            "max-resource-size"
            | "max-instances"
            | "max-attendees-per-instance"
            | "quota-not-exceeded"
            | "sufficient-disk-space" => return failed(ErrorKind::TooLarge, format!("refused by {name}")),
            "valid-calendar-data"
            | "valid-calendar-object-resource"
            | "supported-calendar-data"
            | "supported-calendar-component"
            | "min-date-time"
            | "max-date-time"
            | "valid-timezone"
            | "organizer-allowed"
            | "attendee-allowed"
            | "allowed-organizer-scheduling-object-change"
            | "allowed-attendee-scheduling-object-change"
            | "same-organizer-in-all-components" => {
                return failed(ErrorKind::Refused, format!("refused by {name}"));
            }
            _ => {}
        }
    }
    if let Some(error) = error_for_status(operation, response.status, &response.headers, now) {
        // These come from the middle of the work or from a gateway that stopped waiting for it.
        let ambiguous = matches!(status, 408 | 500 | 502 | 504);
        return WriteOutcome::Failed(if ambiguous { error.maybe_applied() } else { error });
    }
    let detail = format!("HTTP {status}");
    match status {
        403 | 405 => failed(ErrorKind::Forbidden, detail),
        404 | 410 => WriteOutcome::NotFound,
        409 => WriteOutcome::Conflict,
        412 => WriteOutcome::ConditionFailed,
        400 | 415 | 422 => failed(ErrorKind::Refused, detail),
        507 => failed(ErrorKind::TooLarge, detail),
        _ => failed(ErrorKind::Protocol, detail),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn outcome(status: u16, body: &str) -> String {
        let response = HttpResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        };
        match writing("put", &response, "2026-11-21T12:00:00Z".parse().unwrap()) {
            WriteOutcome::Failed(error) => {
                format!("{:?}{}", error.kind, if error.is_ambiguous() { " ambiguous" } else { "" })
            }
            other => format!("{other:?}"),
        }
    }

    fn body(condition: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<D:error xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\">\
             {condition}</D:error>"
        )
    }

    #[test]
    fn every_answer_to_a_put_met_in_the_field() {
        let uid = body("<C:no-uid-conflict><D:href>/c/a.ics</D:href></C:no-uid-conflict>");
        let uid_bare = body("<C:no-uid-conflict/>");
        let cyrus = body(
            "<C:unique-scheduling-object-resource><D:href>/c/a.ics</D:href></C:unique-scheduling-object-resource>",
        );
        let sogo = "<D:error xmlns:D=\"DAV\"><D:valid-calendar-data/></D:error>";
        let somewhere = "UidTaken(Some(\"/c/a.ics\"))";
        for (status, body, expected) in [
            (201, String::new(), "Done"),
            (204, String::new(), "Done"),
            (412, String::new(), "ConditionFailed"),
            (412, body("<D:if-match/>"), "ConditionFailed"),
            (412, "<html><body>412</body></html>".into(), "ConditionFailed"),
            (412, body("<C:valid-calendar-data/>"), "Refused"),
            (403, body("<C:valid-calendar-data/>"), "Refused"),
            (403, body("<C:valid-calendar-object-resource/>"), "Refused"),
            (403, body("<C:supported-calendar-component/>"), "Refused"),
            (403, body("<C:max-date-time/>"), "Refused"),
            (403, sogo.into(), "Refused"),
            (415, "<html></html>".into(), "Refused"),
            (400, "Bad Request".into(), "Refused"),
            (409, uid.clone(), somewhere),
            (412, uid, somewhere),
            (403, uid_bare, "UidTaken(None)"),
            (403, cyrus, somewhere),
            (409, String::new(), "Conflict"),
            (403, body("<D:need-privileges/>"), "Forbidden"),
            (403, String::new(), "Forbidden"),
            (405, String::new(), "Forbidden"),
            (404, String::new(), "NotFound"),
            (410, String::new(), "NotFound"),
            (413, String::new(), "TooLarge"),
            (403, body("<C:max-resource-size/>"), "TooLarge"),
            (507, String::new(), "TooLarge"),
            (401, String::new(), "Unauthorized"),
            (423, String::new(), "Unavailable"),
            (429, String::new(), "Throttled"),
            (503, String::new(), "Unavailable"),
            (500, "<html></html>".into(), "Unavailable ambiguous"),
            (502, String::new(), "Unavailable ambiguous"),
            (504, String::new(), "Unavailable ambiguous"),
        ] {
            assert_eq!(outcome(status, &body), expected, "{status} {body}");
        }
    }
}
