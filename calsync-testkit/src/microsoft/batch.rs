//! `$batch`: each request by itself, in any order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    dispatch::authorised,
    request::{Reply, Request},
    state::{Object, State, text},
};

pub(super) fn serve(state: &mut State, request: &Request) -> Reply {
    let body = request.json().unwrap_or_default();
    let Some(requests) = body.get("requests").and_then(Value::as_array) else {
        return Reply::error(400, "BadRequest", "The batch has no requests.");
    };
    if requests.is_empty() || requests.len() > 20 {
        return Reply::error(
            400,
            "BadRequest",
            "Number of batch request steps exceeds the maximum value of 20.",
        );
    }
    let mut responses: Vec<Value> = Vec::new();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (index, part) in requests.iter().filter_map(Value::as_object).enumerate() {
        let id = text(part, "id").unwrap_or_default().to_owned();
        if id.is_empty() || !ids.insert(id.clone()) {
            return Reply::error(400, "BadRequest", "Every request of a batch needs an id of its own.");
        }
        let waits = part.get("dependsOn").and_then(Value::as_array).cloned().unwrap_or_default();
        let blocked = waits.iter().filter_map(Value::as_str).any(|other| failed.contains(other));
        let reply = if blocked {
            Reply::error(424, "FailedDependency", "A request this one depends on failed.")
        } else if index >= state.quirks.batch_served {
            Reply::error(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
                .header("Retry-After", "2")
        } else {
            one(state, part)
        };
        if reply.status >= 400 {
            failed.insert(id.clone());
        }
        let headers: Object =
            reply.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut response = json!({"id": id, "status": reply.status, "headers": headers});
        if let Some(body) = reply.body {
            response["body"] = body;
        }
        responses.push(response);
    }
    // Served once; asked again, the rest is.
    state.quirks.batch_served = 20;
    responses.reverse();
    Reply::json(200, json!({ "responses": responses }))
}

fn one(state: &mut State, part: &Object) -> Reply {
    let headers: BTreeMap<String, String> = part
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())))
        .collect();
    let body = part.get("body").filter(|body| !body.is_null());
    if body.is_some() && !headers.contains_key("content-type") {
        return Reply::error(400, "BadRequest", "Content-Type is required with a body.");
    }
    let target = format!("/v1.0/{}", text(part, "url").unwrap_or_default().trim_start_matches('/'));
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    match Request::new(text(part, "method").unwrap_or("GET"), &target, headers, bytes) {
        Some(inner) if inner.path.first().is_some_and(|first| first != "$batch") => authorised(state, &inner),
        _ => Reply::error(400, "BadRequest", "Batches do not nest."),
    }
}
