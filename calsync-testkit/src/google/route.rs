//! From a request to the method it means.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    batch, events, list, other,
    reply::{Reply, Result, refuse},
    state::{Object, State},
};
use crate::dav::RecordedRequest;

/// A request taken apart.
pub(super) struct Asked {
    pub(super) method: String,
    /// Path segments after `calendar/v3`, decoded.
    pub(super) path: Vec<String>,
    pub(super) query: BTreeMap<String, Vec<String>>,
    pub(super) body: Object,
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
}

impl Asked {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    pub(super) fn number(&self, name: &str, default: usize, most: usize) -> Result<usize> {
        match self.get(name).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) if (1..=most).contains(&number) => Ok(number),
            Some(_) => refuse(400, "invalidParameter"),
        }
    }
}

/// Answers a request.
pub(super) fn answer(state: &mut State, request: &RecordedRequest) -> Reply {
    let authorization = request.header("authorization");
    if let Some(answer) = state.oauth.answer(&request.method, &request.path, authorization, &request.body) {
        return Reply { status: answer.status, headers: answer.headers, body: answer.body };
    }
    let is_batch = request.path.trim_start_matches('/').starts_with("batch/calendar/v3");
    let told_by_parts = is_batch && state.quirks.batch_refuses_parts;
    if !told_by_parts && !is_allowed(state, authorization) {
        return super::reply::Refusal { status: 401, reason: "authError" }.into();
    }
    if is_batch {
        return batch::answer(state, request);
    }
    single(state, request)
}

/// Whether an `Authorization` has a token that is good.
pub(super) fn is_allowed(state: &State, authorization: Option<&str>) -> bool {
    let bearer = authorization.and_then(|value| value.strip_prefix("Bearer "));
    bearer.is_some_and(|token| state.tokens.contains(token) || state.oauth.accepts(token))
}

/// Answers a request that is no batch.
pub(super) fn single(state: &mut State, request: &RecordedRequest) -> Reply {
    state.quota += if request.method == "PATCH" { 3 } else { 1 };
    match asked(request).and_then(|asked| dispatch(state, &asked)) {
        Ok(reply) => reply,
        Err(refusal) => refusal.into(),
    }
}

fn asked(request: &RecordedRequest) -> Result<Asked> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let path = path.find("calendar/v3/").map_or("", |at| &path[at + "calendar/v3/".len()..]);
    let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.entry(decode(name, true)).or_default().push(decode(value, true));
    }
    let body = if request.body.is_empty() {
        Object::new()
    } else {
        match serde_json::from_slice(&request.body) {
            Ok(Value::Object(body)) => body,
            _ => return refuse(400, "parseError"),
        }
    };
    // X-HTTP-Method-Override, as some clients send it.
    let method = request.header("x-http-method-override").unwrap_or(&request.method).to_ascii_uppercase();
    Ok(Asked {
        method,
        path: path.split('/').map(|segment| decode(segment, false)).collect(),
        query: pairs,
        body,
        if_match: request.header("if-match").map(ToOwned::to_owned),
        if_none_match: request.header("if-none-match").map(ToOwned::to_owned),
    })
}

fn dispatch(state: &mut State, asked: &Asked) -> Result<Reply> {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match (asked.method.as_str(), path.as_slice()) {
        ("GET", ["users", "me", "calendarList"]) => other::calendar_list(state, asked),
        ("GET", ["users", "me", "calendarList", id]) => other::calendar_entry(state, id),
        ("POST", ["calendars"]) => other::insert_calendar(state, asked),
        ("GET", ["calendars", id]) => other::calendar(state, id),
        ("GET", ["calendars", id, "events"]) => list::events(state, id, asked),
        ("POST", ["calendars", id, "events"]) => events::insert(state, id, asked),
        ("POST", ["calendars", id, "events", "import"]) => events::import(state, id, asked),
        ("POST", ["calendars", id, "events", "watch"]) => other::watch(state, id, asked),
        ("GET", ["calendars", id, "events", event]) => events::get(state, id, event, asked),
        ("PUT", ["calendars", id, "events", event]) => events::update(state, id, event, asked),
        ("PATCH", ["calendars", id, "events", event]) => events::patch(state, id, event, asked),
        ("DELETE", ["calendars", id, "events", event]) => events::delete(state, id, event, asked),
        ("GET", ["calendars", id, "events", event, "instances"]) => list::instances(state, id, event, asked),
        ("POST", ["channels", "stop"]) => other::stop(state, asked),
        ("POST", ["freeBusy"]) => other::free_busy(state, asked),
        ("GET", ["colors"]) => Ok(other::colors()),
        _ => refuse(404, "notFound"),
    }
}

pub(super) fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (b'+', _) if plus => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
