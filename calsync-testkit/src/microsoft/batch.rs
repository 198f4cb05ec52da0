//! `$batch`: each request by itself, in any order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    dispatch::authorised,
    quirks::Action,
    request::{Reply, Request},
    state::{Object, State, text},
};

/// The most requests of one batch.
const MOST: usize = 20;

pub(super) fn serve(state: &mut State, request: &Request) -> Reply {
    let body = request.json().unwrap_or_default();
    let parts = match checked(&body) {
        Ok(parts) => parts,
        Err(why) => return Reply::error(400, "BadRequest", why),
    };
    let mut responses: Vec<Value> = Vec::new();
    let mut failed: BTreeSet<&str> = BTreeSet::new();
    for (index, part) in parts.into_iter().enumerate() {
        let id = text(part, "id").unwrap_or_default();
        let reply = if waits_for(part).any(|other| failed.contains(other)) {
            Some(Reply::error(424, "FailedDependency", "A request this one depends on failed."))
        } else if index >= state.quirks.batch_served {
            let throttled = Reply::error(
                429,
                "ApplicationThrottled",
                "Application is over its MailboxConcurrency limit.",
            );
            Some(throttled.header("Retry-After", "2"))
        } else {
            one(state, part)
        };
        let Some(mut reply) = reply else { continue };
        reply.name(&format!("00000000-0000-4000-8001-{:06x}{index:06x}", state.seen.len()), None);
        if reply.status >= 400 {
            failed.insert(id);
        }
        let mut headers: Object =
            reply.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        if reply.body.is_some() {
            headers.insert("Content-Type".to_owned(), json!("application/json"));
        }
        let mut response = json!({"id": id, "status": reply.status, "headers": headers});
        if let Some(body) = reply.body {
            response["body"] = body;
        }
        responses.push(response);
    }
    // Served once; asked again, the rest is.
    state.quirks.batch_served = MOST;
    responses.reverse();
    Reply::json(200, json!({ "responses": responses }))
}

/// The requests of a batch; or why it is refused as a whole.
fn checked(body: &Object) -> Result<Vec<&Object>, &'static str> {
    let requests = body.get("requests").and_then(Value::as_array).ok_or("The batch has no requests.")?;
    if requests.is_empty() || requests.len() > MOST {
        return Err("Number of batch request steps exceeds the maximum value of 20.");
    }
    let mut ids = BTreeSet::new();
    let mut parts = Vec::new();
    let mut depending: Vec<Vec<&str>> = Vec::new();
    for part in requests {
        let part = part.as_object().ok_or("Every request of a batch is an object.")?;
        let id = text(part, "id").filter(|id| !id.is_empty());
        if !id.is_some_and(|id| ids.insert(id)) {
            return Err("Every request of a batch needs an id of its own.");
        }
        if text(part, "method").is_none_or(str::is_empty) || text(part, "url").is_none_or(str::is_empty) {
            return Err("Every request of a batch needs a method and a URL.");
        }
        let waits: Vec<&str> = waits_for(part).collect();
        if !waits.iter().all(|other| Some(*other) != id && ids.contains(other)) {
            return Err("A request depends on one that does not come before it.");
        }
        depending.push(waits);
        parts.push(part);
    }
    // All at once, one after the other, or all after the same one.
    let in_a_row = || {
        let before = parts.iter().map(|part| text(part, "id").unwrap_or_default());
        depending[0].is_empty()
            && depending[1..].iter().zip(before).all(|(waits, before)| waits[..] == [before])
    };
    let some: BTreeSet<&Vec<&str>> = depending.iter().filter(|waits| !waits.is_empty()).collect();
    let after_one = || some.iter().all(|waits| waits.len() == 1);
    if some.is_empty() || (some.len() == 1 && after_one()) || in_a_row() {
        Ok(parts)
    } else {
        Err("The requests of a batch depend on each other in a way that is not served.")
    }
}

fn waits_for(part: &Object) -> impl Iterator<Item = &str> {
    part.get("dependsOn").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// One request. `None`: its answer gets lost.
fn one(state: &mut State, part: &Object) -> Option<Reply> {
    let headers: BTreeMap<String, String> = part
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())))
        .collect();
    let body = part.get("body").filter(|body| !body.is_null());
    if body.is_some() && !headers.contains_key("content-type") {
        return Some(Reply::error(400, "BadRequest", "Content-Type is required with a body."));
    }
    let url = text(part, "url").unwrap_or_default();
    if url.contains("://") {
        return Some(Reply::error(400, "BadRequest", "The URL of a request in a batch is relative."));
    }
    let target = format!("/v1.0/{}", url.trim_start_matches('/'));
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let method = text(part, "method").unwrap_or_default();
    let inner = Request::new(method, &target, headers, bytes)
        .filter(|inner| inner.path.first().is_some_and(|first| first != "$batch"));
    let Some(inner) = inner else {
        return Some(Reply::error(400, "BadRequest", "Batches do not nest."));
    };
    match state.faults.iter_mut().find_map(|fault| fault.take(&inner.method, &target)) {
        None => Some(authorised(state, &inner)),
        Some(Action::DropBefore | Action::HangBefore) => None,
        Some(Action::DropAfter | Action::HangAfter) => {
            authorised(state, &inner);
            None
        }
        Some(Action::Truncate) => {
            let reply = authorised(state, &inner);
            let half = |body: Value| {
                let text = body.to_string();
                Value::String(text.chars().take(text.chars().count() / 2).collect())
            };
            Some(Reply { body: reply.body.map(half), ..reply })
        }
        Some(Action::Respond { status, headers, body }) => {
            let body = (!body.is_empty()).then(|| serde_json::from_str(&body).unwrap_or(Value::String(body)));
            Some(Reply { status, headers, body })
        }
    }
}
