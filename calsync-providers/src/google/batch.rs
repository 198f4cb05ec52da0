//! Many requests in one: `multipart/mixed` with a request in each part, and the answers taken apart again.

use std::collections::BTreeMap;

use calsync_core::provider::Result;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{calls::Call, provider::GoogleProvider};
use crate::http::together::Batches;

/// An answer, or the part of a batch that is one.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) whose: Whose,
}

/// What an answer is an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// To a whole request, which a gateway may have given.
    Request,
    /// To one request of a batch that was answered part by part.
    Part,
}

/// Nothing in a body of ours can be mistaken for it: JSON has no line that begins with a hyphen.
pub(crate) const BOUNDARY: &str = "batch_calsync";

/// The body of a batch; part `n` has the id `n`.
pub(crate) fn compose(calls: &[Call], root_path: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\
             Content-ID: <{index}>\r\n\r\n{} {root_path}calendar/v3/{} HTTP/1.1\r\n",
            call.method, call.path
        );
        body.extend_from_slice(head.as_bytes());
        // An entity tag came from outside: one that would break the lines matches nothing.
        if let Some(etag) = call.if_match.as_deref().filter(|etag| !etag.contains(char::is_control)) {
            body.extend_from_slice(format!("If-Match: {etag}\r\n").as_bytes());
        } else if call.if_match.is_some() {
            body.extend_from_slice(b"If-Match: \"\"\r\n");
        }
        match call.body.as_ref().map(serde_json::to_vec) {
            Some(Ok(json)) => {
                let head =
                    format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", json.len());
                body.extend_from_slice(head.as_bytes());
                body.extend_from_slice(&json);
            }
            _ => body.extend_from_slice(b"\r\n"),
        }
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// Takes an answer apart: by the number in the content id, as their order is not promised. Parts that make no sense
/// are left out.
pub(crate) fn take_apart(content_type: &str, body: &[u8]) -> BTreeMap<usize, Part> {
    let Some(boundary) = boundary(content_type) else { return BTreeMap::new() };
    let delimiter = format!("--{boundary}");
    let mut parts = BTreeMap::new();
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(found) = find(&body[at..], delimiter.as_bytes()) {
        let start = at + found;
        // Only at the beginning of a line.
        if start == 0 || body[start - 1] == b'\n' {
            starts.push(start);
        }
        at = start + delimiter.len();
    }
    for pair in starts.windows(2) {
        if let Some((index, part)) = read_part(&body[pair[0] + delimiter.len()..pair[1]]) {
            parts.insert(index, part);
        }
    }
    parts
}

fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    value.filter(|value| !value.is_empty())
}

fn read_part(part: &[u8]) -> Option<(usize, Part)> {
    // The rest of the delimiter's line.
    let (_, part) = line(part)?;
    let (outer, inner) = headers(part)?;
    let id = outer.get("content-id")?.to_str().ok()?;
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    let index = id.strip_prefix("response-").unwrap_or(id).trim().parse().ok()?;
    let (status_line, rest) = line(inner)?;
    let status = std::str::from_utf8(status_line).ok()?.split_whitespace().nth(1)?.parse().ok()?;
    let (headers, body) = headers(rest)?;
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    let status = StatusCode::from_u16(status).ok()?;
    Some((index, Part { status, headers, body: body.to_vec(), whose: Whose::Part }))
}

fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = text.split_at(end);
    Some((line.strip_suffix(b"\r").unwrap_or(line), &rest[1..]))
}

fn headers(mut text: &[u8]) -> Option<(HeaderMap, &[u8])> {
    let mut headers = HeaderMap::new();
    while let Some((head, rest)) = line(text) {
        text = rest;
        if head.is_empty() {
            return Some((headers, text));
        }
        let Some(colon) = head.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&head[..colon], head[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    // Headers up to the end and no body.
    Some((headers, &[]))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

impl Batches for GoogleProvider {
    type Call = Call;
    type Answer = Part;

    fn most(&self) -> usize {
        self.most_together()
    }

    async fn exchange(&self, operation: &'static str, calls: Vec<Call>) -> Vec<Result<Part>> {
        self.write_all(operation, calls).await
    }

    fn is_refusal(answer: &Part) -> bool {
        !answer.status.is_success()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-1>\r\n\r\n\
        HTTP/1.1 429 Too Many Requests\r\nRetry-After: 10\r\nContent-Type: application/json\r\n\r\n{\"error\":{}}\r\n\
        --batch_x\r\nContent-ID: <response-0>\r\n\r\nHTTP/1.1 200 OK\r\nETag: \"7\"\r\n\r\n{\"a\": \"--batch_x\"}\r\n\
        --batch_x\r\nContent-ID: response-2\n\nHTTP/1.1 204 No Content\n\n--batch_x--";

    #[test]
    fn parts_are_told_by_their_id_and_not_by_their_place() {
        let parts = take_apart("multipart/mixed; boundary=\"batch_x\"", ANSWER.as_bytes());
        let shown: Vec<_> = parts
            .iter()
            .map(|(index, part)| {
                (*index, part.status.as_u16(), String::from_utf8_lossy(&part.body).into_owned())
            })
            .collect();
        assert_eq!(
            shown,
            [
                (0, 200, "{\"a\": \"--batch_x\"}".into()),
                (1, 429, "{\"error\":{}}".into()),
                (2, 204, String::new())
            ]
        );
        assert_eq!(parts[&1].headers["retry-after"], "10");
        for (kind, body) in
            [("text/html", ANSWER), ("multipart/mixed", ANSWER), ("multipart/mixed; boundary=batch_x", "")]
        {
            assert!(take_apart(kind, body.as_bytes()).is_empty());
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut state = 7_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize
        };
        for _ in 0..5_000 {
            let mut bytes = ANSWER.as_bytes().to_vec();
            for _ in 0..=random() % 4 {
                let at = random() % bytes.len();
                match random() % 3 {
                    0 => bytes[at] = (random() % 256) as u8,
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes[at] = b'\n',
                }
            }
            take_apart("multipart/mixed; boundary=batch_x", &bytes);
        }
    }

    #[test]
    fn a_batch_holds_a_whole_request_in_each_part() {
        let calls = [
            super::super::calls::get("me@example.com", "a"),
            super::super::calls::delete(
                "me@example.com",
                "b",
                Some("\"1\"\r\nX: y"),
                super::super::calls::Notify::Nobody,
            ),
        ];
        let text = String::from_utf8(compose(&calls, "/")).unwrap();
        assert!(text.contains(
            "GET /calendar/v3/calendars/me%40example.com/events/a?prettyPrint=false HTTP/1.1\r\n\r\n"
        ));
        assert!(text.contains("Content-ID: <1>\r\n"));
        assert!(!text.contains("X: y") && text.ends_with("--batch_calsync--\r\n"));
    }
}
