//! The report `sync-collection` (RFC 6578 section 3.2).

use url::Url;

use super::{Depth, report, xml_request};
use crate::{
    caldav::{
        wire::{Multistatus, Precondition, preconditions},
        xml::escape,
    },
    http::{HttpRequest, HttpResponse},
};

/// What changed since a token; everything without one.
///
/// There is never a `limit` in it: servers in use cut the answer without saying so, and what was cut is lost. And no
/// `calendar-data`: half of them answer that it does not exist.
pub(crate) fn request(collection: Url, token: Option<&str>, depth: Depth) -> HttpRequest {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{}</D:sync-token><D:sync-level>1</D:sync-level>\
         <D:prop><D:getetag/><D:getcontenttype/></D:prop></D:sync-collection>",
        escape(token.unwrap_or_default())
    );
    xml_request(report(), collection, depth, body)
}

/// What the server makes of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An answer with a token.
    Answer(Multistatus, String),
    /// The token is not known any more.
    TokenInvalid,
    /// No such report here, or not for this calendar: list instead.
    Unsupported,
    /// Perhaps one of the servers from before the RFC, which wanted `Depth: 1`.
    TryDepthOne,
    /// Something else, to be classified like any failed reading.
    Failed,
}

/// Reads the answer. `token` says whether one was sent.
pub(crate) fn outcome(response: &HttpResponse, token: Option<&str>, depth: Depth) -> Outcome {
    let status = response.status.as_u16();
    if status == 207 {
        return match Multistatus::parse(&response.body) {
            Ok(answer) => match answer.sync_token.clone() {
                Some(next) => Outcome::Answer(answer, next),
                // The report is known by name only.
                None => Outcome::Unsupported,
            },
            Err(_) => Outcome::Failed,
        };
    }
    let conditions = preconditions(&response.body);
    let named = |name: &str| conditions.iter().any(|Precondition { name: n, .. }| **n == *name);
    if named("valid-sync-token") {
        return if token.is_some() { Outcome::TokenInvalid } else { Outcome::Unsupported };
    }
    match status {
        400 if depth == Depth::Zero => Outcome::TryDepthOne,
        // Listing answers every question this report does.
        400 | 405 | 415 | 501 | 507 => Outcome::Unsupported,
        403 if named("supported-report") || named("number-of-matches-within-limits") => Outcome::Unsupported,
        409 | 410 | 412 if token.is_some() => Outcome::TokenInvalid,
        500 if token.is_none() => Outcome::Unsupported,
        _ => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    const INVALID: &str = "<D:error xmlns:D='DAV:'><D:valid-sync-token/></D:error>";
    const REPORT: &str = "<D:error xmlns:D='DAV:'><D:supported-report/></D:error>";
    const NO_TOKEN: &str = "<D:multistatus xmlns:D='DAV:'/>";
    const EMPTY_TOKEN: &str = "<D:multistatus xmlns:D='DAV:'><D:sync-token/></D:multistatus>";
    const TOKEN: &str = "<D:multistatus xmlns:D='DAV:'><D:sync-token>t</D:sync-token></D:multistatus>";

    #[test]
    fn tok_every_way_to_refuse_a_token() {
        for (status, body, token, expected) in [
            (207, TOKEN, Some("t"), "answer"),
            (207, NO_TOKEN, Some("t"), "unsupported"),
            (207, EMPTY_TOKEN, None, "unsupported"),
            (207, "<html>", Some("t"), "failed"),
            (200, "<html></html>", Some("t"), "failed"),
            (403, INVALID, Some("t"), "invalid"),
            (412, INVALID, Some("t"), "invalid"),
            (412, "", Some("t"), "invalid"),
            (409, INVALID, Some("t"), "invalid"),
            (400, INVALID, Some("t"), "invalid"),
            (500, INVALID, Some("t"), "invalid"),
            (410, "", Some("t"), "invalid"),
            (403, INVALID, None, "unsupported"),
            (403, REPORT, Some("t"), "unsupported"),
            (403, "", Some("t"), "failed"),
            (400, "", Some("t"), "depth"),
            (415, "", Some("t"), "unsupported"),
            (501, "", None, "unsupported"),
            (507, "", Some("t"), "unsupported"),
            (500, "", None, "unsupported"),
            (500, "", Some("t"), "failed"),
            (503, "", Some("t"), "failed"),
            (404, "", Some("t"), "failed"),
            (401, "", Some("t"), "failed"),
        ] {
            let response = HttpResponse {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: body.into(),
            };
            let outcome = match outcome(&response, token, Depth::Zero) {
                Outcome::Answer(..) => "answer",
                Outcome::TokenInvalid => "invalid",
                Outcome::Unsupported => "unsupported",
                Outcome::TryDepthOne => "depth",
                Outcome::Failed => "failed",
            };
            assert_eq!(outcome, expected, "{status} {body} {token:?}");
        }
    }

    #[test]
    fn attack_18_a_hostile_token_stays_text() {
        let url = Url::parse("https://example.com/c/").unwrap();
        let request = request(url, Some("</D:sync-token><D:limit/>"), Depth::Zero);
        let root = crate::caldav::xml::parse(&request.body).unwrap();
        assert_eq!(root.children.len(), 3);
        assert_eq!(root.children[0].text, "</D:sync-token><D:limit/>");
    }
}
