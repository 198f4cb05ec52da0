//! Subscriptions. The handshake needs a network: what is to be asked of an address is handed to the server.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    instances::point,
    render::stamp,
    request::{Reply, Request},
    state::{State, Subscription, text},
};

const LONGEST: TimeDelta = TimeDelta::minutes(10_080);
const SHORTEST: TimeDelta = TimeDelta::minutes(45);

pub(super) fn serve(state: &mut State, request: &Request, rest: &[&str]) -> Reply {
    let now = state.now;
    state.subscriptions.retain(|_, subscription| subscription.expires > now);
    match (request.method.as_str(), rest) {
        ("GET", []) => {
            let rows: Vec<Value> = state.subscriptions.iter().map(|(id, row)| value(id, row)).collect();
            Reply::json(200, json!({ "value": rows }))
        }
        ("POST", []) => create(state, request),
        (method, [id]) => one(state, request, method, id),
        ("POST", [id, "reauthorize"]) if state.subscriptions.contains_key(*id) => Reply::empty(204),
        _ => Reply::error(404, "ResourceNotFound", "The object was not found."),
    }
}

fn one(state: &mut State, request: &Request, method: &str, id: &str) -> Reply {
    let now = state.now;
    let Some(subscription) = state.subscriptions.get_mut(id) else {
        return Reply::error(404, "ResourceNotFound", "The object was not found.");
    };
    match method {
        "GET" => Reply::json(200, value(id, subscription)),
        "DELETE" => {
            state.subscriptions.remove(id);
            Reply::empty(204)
        }
        "PATCH" => match expiry(now, request.json().unwrap_or_default().get("expirationDateTime")) {
            Ok(expires) => {
                subscription.expires = expires;
                Reply::json(200, value(id, subscription))
            }
            Err(reply) => reply,
        },
        _ => Reply::error(405, "Request_BadRequest", "not served"),
    }
}

fn expiry(now: DateTime<Utc>, wanted: Option<&Value>) -> Result<DateTime<Utc>, Reply> {
    let wanted = wanted.and_then(Value::as_str).and_then(point);
    match wanted {
        Some(wanted) if wanted > now + LONGEST => Err(Reply::error(
            400,
            "InvalidRequest",
            "Subscription expiration can only be 10080 minutes in the future.",
        )),
        Some(wanted) if wanted > now => Ok(wanted.max(now + SHORTEST)),
        _ => Err(Reply::error(400, "InvalidRequest", "expirationDateTime")),
    }
}

fn create(state: &mut State, request: &Request) -> Reply {
    let body = request.json().unwrap_or_default();
    let (Some(address), Some(resource)) = (text(&body, "notificationUrl"), text(&body, "resource")) else {
        return Reply::error(400, "InvalidRequest", "notificationUrl and resource are required.");
    };
    if text(&body, "changeType").is_none()
        || text(&body, "clientState").is_some_and(|secret| secret.len() > 128)
    {
        return Reply::error(400, "InvalidRequest", "changeType or clientState");
    }
    let expires = match expiry(state.now, body.get("expirationDateTime")) {
        Ok(expires) => expires,
        Err(reply) => return reply,
    };
    let subscription = Subscription {
        resource: resource.to_owned(),
        address: address.to_owned(),
        lifecycle: text(&body, "lifecycleNotificationUrl").map(ToOwned::to_owned),
        client_state: text(&body, "clientState").map(ToOwned::to_owned),
        expires,
        immutable: request.immutable(),
    };
    let id = format!("sub-{}", state.next());
    let reply = Reply::json(201, value(&id, &subscription));
    state.subscriptions.insert(id, subscription);
    reply
}

fn value(id: &str, subscription: &Subscription) -> Value {
    json!({
        "id": id, "resource": subscription.resource, "changeType": "created,updated,deleted",
        "notificationUrl": subscription.address, "lifecycleNotificationUrl": subscription.lifecycle,
        "expirationDateTime": stamp(subscription.expires), "clientState": null, "applicationId": "app",
        "latestSupportedTlsVersion": "v1_2", "creatorId": "user",
    })
}
