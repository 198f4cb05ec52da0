//! Many requests in one.

use std::collections::BTreeSet;

use super::{
    reply::{Refusal, Reply},
    route,
    state::State,
};
use crate::dav::{FaultAction, RecordedRequest};

const BOUNDARY: &str = "batch_answer";

pub(super) fn answer(state: &mut State, request: &RecordedRequest) -> Reply {
    let bad = || Reply::from(Refusal { status: 400, reason: "badRequest" });
    let kind = request.header("content-type").unwrap_or_default();
    let boundary =
        kind.split(';').find_map(|part| part.trim().strip_prefix("boundary=")).map(|b| b.trim_matches('"'));
    let Some(boundary) = boundary.filter(|_| kind.starts_with("multipart/mixed")) else { return bad() };
    let text = request.body_text();
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    for piece in text.split(&delimiter).skip(1) {
        if piece.starts_with("--") {
            break;
        }
        match part(piece.trim_start_matches(['\r', '\n'])) {
            Some(part) => parts.push(part),
            None => return bad(),
        }
    }
    if parts.is_empty() || parts.len() > state.quirks.batch_max {
        return bad();
    }
    // What the batch was sent with holds for parts that bring nothing of their own.
    let outer = request.header("authorization");
    let mut answers = Vec::new();
    let mut touched = BTreeSet::new();
    for (index, (id, part)) in parts.into_iter().enumerate() {
        let reply = if !route::is_allowed(state, part.header("authorization").or(outer)) {
            Some(Refusal { status: 401, reason: "authError" }.into())
        } else if state.quirks.batch_throttles_after.is_some_and(|most| index >= most) {
            Some(Refusal { status: 403, reason: "rateLimitExceeded" }.into())
        } else if state.quirks.batch_conflicts
            && part.method != "GET"
            && !touched.insert(series_of(&part.path))
        {
            Some(Refusal { status: 409, reason: "conflict" }.into())
        } else {
            one(state, &part)
        };
        answers.extend(reply.map(|reply| (id, reply)));
    }
    if state.quirks.batch_reversed {
        answers.reverse();
    }
    let mut body = Vec::new();
    for (id, reply) in answers {
        let id = id.trim_start_matches('<').trim_end_matches('>');
        let mut head = format!(
            "--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <response-{id}>\r\n\r\nHTTP/1.1 {} {}\r\n",
            reply.status,
            http::StatusCode::from_u16(reply.status)
                .ok()
                .and_then(|s| s.canonical_reason())
                .unwrap_or("Unknown")
        );
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", reply.body.len()));
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&reply.body);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let headers = vec![("Content-Type".to_owned(), format!("multipart/mixed; boundary={BOUNDARY}"))];
    Reply { status: 200, headers, body }
}

/// One part, and what a scripted fault makes of it. `None`: its answer gets lost.
fn one(state: &mut State, part: &RecordedRequest) -> Option<Reply> {
    let action = state.faults.iter_mut().find_map(|fault| fault.take(part));
    state.faults.retain(|fault| !fault.is_spent());
    match action {
        Some(FaultAction::Respond { status, headers, body }) => {
            Some(Reply { status, headers, body: body.into_bytes() })
        }
        Some(FaultAction::DropBefore | FaultAction::HangBefore) => None,
        Some(FaultAction::DropAfter | FaultAction::HangAfter) => {
            route::single(state, part);
            None
        }
        Some(FaultAction::Truncate) => {
            let mut reply = route::single(state, part);
            reply.body.truncate(reply.body.len() / 2);
            Some(reply)
        }
        _ => Some(route::single(state, part)),
    }
}

/// Masters and their instances have one name up to the underscore.
fn series_of(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    path.split('_').next().unwrap_or_default().to_owned()
}

/// A part: the id it has, and the request in it.
fn part(piece: &str) -> Option<(String, RecordedRequest)> {
    let piece = piece.replace("\r\n", "\n");
    let (outer, inner) = piece.split_once("\n\n")?;
    let id = header(outer, "content-id").unwrap_or_default();
    let (head, body) = inner.split_once("\n\n").unwrap_or((inner.trim_end(), ""));
    let mut lines = head.lines();
    let mut first = lines.next()?.split_whitespace();
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = body.trim().as_bytes().to_vec();
    Some((id, RecordedRequest::inner(method, path, headers, body)))
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}
