//! Graph's calls: the handshake, change notifications and lifecycle notifications.
//! <https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>

use serde_json::Value;
use url::form_urlencoded;

use super::{Answer, ITEMS_MAX, Ignored, Incoming, Known, Received, Signal, shows};

/// Real tokens have some hundred characters.
const TOKEN_MAX: usize = 4 << 10;
const CHANNEL_MAX: usize = 256;

fn items(body: &[u8]) -> Option<Vec<Value>> {
    match serde_json::from_slice::<Value>(body).ok()?.get_mut("value")?.take() {
        Value::Array(mut items) => {
            items.truncate(ITEMS_MAX);
            Some(items)
        }
        _ => None,
    }
}

fn channel(item: &Value) -> Option<&str> {
    item.get("subscriptionId")?.as_str().filter(|id| !id.is_empty() && id.len() <= CHANNEL_MAX)
}

pub(super) fn channels(body: &[u8]) -> Vec<String> {
    items(body).unwrap_or_default().iter().filter_map(channel).map(ToOwned::to_owned).collect()
}

pub(super) fn verify<'k>(incoming: Incoming<'_>, find: impl Fn(&str) -> Option<&'k Known>) -> Received {
    if let Some(answer) = handshake(incoming.query) {
        return Received { answer, signals: Vec::new(), ignored: Vec::new() };
    }
    let Some(items) = items(incoming.body) else {
        return Received::nothing(Answer::empty(400), Ignored::Malformed);
    };
    let mut received = Received { answer: Answer::empty(202), signals: Vec::new(), ignored: Vec::new() };
    for item in &items {
        match signal(item, &find) {
            Ok(signal) if received.signals.contains(&signal) => {}
            Ok(signal) => received.signals.push(signal),
            Err(why) => received.ignored.push(why),
        }
    }
    received
}

fn signal<'k>(item: &Value, find: impl Fn(&str) -> Option<&'k Known>) -> Result<Signal, Ignored> {
    let channel = channel(item).ok_or(Ignored::Malformed)?;
    let known = find(channel);
    let state = item.get("clientState").and_then(Value::as_str).unwrap_or_default();
    let genuine = shows(known, state);
    let channel = channel.to_owned();
    if known.is_none() {
        return Err(Ignored::Unknown { channel, resource: None });
    }
    if !genuine {
        return Err(Ignored::Forged { channel });
    }
    match item.get("lifecycleEvent").and_then(Value::as_str) {
        Some("reauthorizationRequired") => Ok(Signal::Reauthorize { channel }),
        Some("subscriptionRemoved") => Ok(Signal::Removed { channel }),
        Some("missed") => Ok(Signal::Missed { channel }),
        Some(_) => Err(Ignored::Unheard { channel }),
        // Which event, and what became of it, is for the pull to find out.
        None => Ok(Signal::Changed { channel }),
    }
}

/// Before a subscription is granted, the address has to give a token back as plain text: 200, nothing else, within ten
/// seconds. Anybody can call with any token: what is sent back is never to be taken for a page.
fn handshake(query: &str) -> Option<Answer> {
    let (_, token) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "validationToken")?;
    if token.len() > TOKEN_MAX || token.chars().any(|c| c.is_control()) {
        return Some(Answer::empty(400));
    }
    let headers = vec![("content-type", "text/plain; charset=utf-8"), ("x-content-type-options", "nosniff")];
    Some(Answer { status: 200, headers, body: token.into_owned().into_bytes() })
}
