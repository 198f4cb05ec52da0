//! The payload of one item: a single event, or a master with its exceptions and cancelled dates.

use calsync_core::{
    model::{RemoteId, Version},
    provider::Payload,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    map::props,
    wire::{Object, inner, list, objects, text},
};

/// The names of items Graph has not named yet: this, and the identifier they are found by.
pub(crate) const PROPOSED: &str = "new:";
/// The member of a payload that says what a write changes. Graph never sees it.
pub(crate) const PATCH: &str = "@calsync.patch";
/// A write of several steps that was not finished is left to whoever began it for this long.
const UNFINISHED_FOR: TimeDelta = TimeDelta::hours(1);

/// The object of a payload.
pub(crate) fn object_of(payload: &Payload) -> Option<Object> {
    super::wire::object(payload.as_str().as_bytes())
}

/// The payload of an object. What only tells how it was asked for is left out, so that the same item is the same payload
/// however it was read.
pub(crate) fn payload(mut object: Object) -> Payload {
    strip(&mut object);
    Payload::new(Value::Object(object).to_string())
}

fn strip(object: &mut Object) {
    object.retain(|name, _| !name.ends_with("@odata.context") && !name.ends_with("@odata.associationLink"));
    for name in ["exceptionOccurrences", "singleValueExtendedProperties"] {
        if let Some(Value::Array(members)) = object.get_mut(name) {
            members.iter_mut().filter_map(Value::as_object_mut).for_each(strip);
        }
    }
}

/// What Graph compares in `If-Match`.
pub(crate) fn etag(object: &Object) -> Option<String> {
    text(object, "@odata.etag")
        .map(ToOwned::to_owned)
        .or_else(|| text(object, "changeKey").map(|key| format!("W/\"{key}\"")))
}

/// The version of the whole: of a single event its etag; of a series the master's with a digest of those of its parts,
/// since a change of an exception need not move the master's.
pub(crate) fn version(object: &Object) -> Option<Version> {
    let own = etag(object)?;
    let mut parts: Vec<String> = objects(object, "exceptionOccurrences")
        .map(|part| format!("{} {}", text(part, "id").unwrap_or_default(), etag(part).unwrap_or_default()))
        .chain(list(object, "cancelledOccurrences").iter().filter_map(Value::as_str).map(ToOwned::to_owned))
        .collect();
    if parts.is_empty() {
        return Some(Version::from(own));
    }
    parts.sort_unstable();
    let digest = blake3::hash(parts.join("\n").as_bytes()).to_hex();
    Some(Version::from(format!("{own} {}", &digest[..16])))
}

/// Whether the object is the master of a series.
pub(crate) fn is_series(object: &Object) -> bool {
    text(object, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("seriesMaster"))
        || inner(object, "recurrence").is_some()
}

/// A write of several steps that was begun and not finished.
pub(crate) struct Unfinished {
    /// The version it was decided on; empty for a new item.
    pub(crate) expected: String,
    pub(crate) since: DateTime<Utc>,
}

impl Unfinished {
    pub(crate) fn of(object: &Object, set: &str) -> Option<Self> {
        let (since, expected) = props::get(object, set, props::PENDING)?.split_once(' ')?;
        let since = DateTime::parse_from_rfc3339(since).ok()?.with_timezone(&Utc);
        Some(Self { expected: expected.to_owned(), since })
    }

    /// The mark, as kept on the item.
    pub(crate) fn mark(expected: &str, now: DateTime<Utc>) -> String {
        format!("{} {expected}", now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    /// Whether somebody is still to finish it.
    pub(crate) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now - self.since < UNFINISHED_FOR
    }
}

/// The identifier an item was proposed under.
pub(crate) fn proposed(id: &RemoteId) -> Option<&str> {
    id.as_str().strip_prefix(PROPOSED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_change_of_any_part_is_a_change_of_the_version() {
        let single = item(json!({"@odata.etag": "W/\"a\"", "id": "1"}));
        assert_eq!(version(&single).unwrap().as_str(), "W/\"a\"");
        let series = |part: &str, cancelled: &[&str]| {
            version(&item(json!({
                "changeKey": "a",
                "exceptionOccurrences": [{"id": "x", "@odata.etag": part}],
                "cancelledOccurrences": cancelled,
            })))
            .unwrap()
        };
        assert_eq!(series("1", &["p", "q"]), series("1", &["q", "p"]));
        assert_ne!(series("1", &["p"]), series("2", &["p"]));
        assert_ne!(series("1", &["p"]), series("1", &[]));
        assert!(series("1", &[]).as_str().starts_with("W/\"a\" "));
        assert_eq!(version(&item(json!({"id": "1"}))), None);
    }

    #[test]
    fn the_same_item_is_the_same_payload_however_it_was_read() {
        let alone =
            item(json!({"@odata.context": "x", "id": "1", "exceptionOccurrences@odata.context": "y"}));
        assert_eq!(payload(alone), payload(item(json!({"id": "1"}))));
    }
}
