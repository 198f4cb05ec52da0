//! Google's calls: everything is in the headers, the body is empty.
//! <https://developers.google.com/workspace/calendar/api/guides/push>

use http::HeaderMap;

use super::{Answer, Ignored, Incoming, Known, Received, Signal, shows};

/// Google's own limit.
const CHANNEL_MAX: usize = 64;

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    // Twice is once too often.
    values.next().is_none().then_some(value)
}

pub(super) fn channel(headers: &HeaderMap) -> Option<&str> {
    text(headers, "x-goog-channel-id").filter(|id| !id.is_empty() && id.len() <= CHANNEL_MAX)
}

pub(super) fn verify<'k>(incoming: Incoming<'_>, find: impl Fn(&str) -> Option<&'k Known>) -> Received {
    let headers = incoming.headers;
    let answer = Answer::empty(200);
    let (Some(channel), Some(state)) = (channel(headers), text(headers, "x-goog-resource-state")) else {
        return Received::nothing(Answer::empty(400), Ignored::Malformed);
    };
    let resource = text(headers, "x-goog-resource-id");
    let known = find(channel);
    let genuine = shows(known, text(headers, "x-goog-channel-token").unwrap_or_default());
    let channel = channel.to_owned();
    let Some(known) = known else {
        let resource = resource.map(ToOwned::to_owned);
        return Received::nothing(answer, Ignored::Unknown { channel, resource });
    };
    if !genuine || resource.is_some_and(|resource| !known.resource.is_empty() && resource != known.resource) {
        return Received::nothing(answer, Ignored::Forged { channel });
    }
    let signal = match state {
        "sync" => Signal::Opened { channel },
        "exists" => Signal::Changed { channel },
        "not_exists" => Signal::Gone { channel },
        _ => return Received::nothing(answer, Ignored::Unheard { channel }),
    };
    Received { answer, signals: vec![signal], ignored: Vec::new() }
}
