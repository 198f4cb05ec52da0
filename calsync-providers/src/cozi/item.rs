//! The payload of one item, and its version.
//!
//! `{"zone": "America/New_York", "item": {...}}`: the item as Cozi sent it, and the zone of the household, without which
//! its times mean nothing. A payload that was rendered has `"write"` in it as well: what is sent, and what is left out of
//! a series after it.

use calsync_core::{
    model::{RemoteId, Version},
    provider::Payload,
};
use chrono::NaiveDate;
use serde_json::{Value, json};

use super::wire::{Object, day, inner, list, object, text};

/// The names of items Cozi has not named yet: this, the day, and a digest of what they are.
pub(crate) const PROPOSED: &str = "new:";

/// A member, wherever the service puts it: beside the others or among the details. The outer one counts.
pub(crate) fn member<'o>(item: &'o Object, name: &str) -> Option<&'o Value> {
    let given = |object: &'o Object| object.get(name).filter(|value| !value.is_null());
    given(item).or_else(|| inner(item, "itemDetails").and_then(given))
}

/// Whether it repeats.
pub(crate) fn is_series(item: &Object) -> bool {
    let recurrence = member(item, "recurrence").and_then(Value::as_object);
    recurrence.is_some_and(|found| !list(found, "rules").is_empty() || tells(found))
}

/// Whether a recurrence says that there is one, without a rule: in words, as a text or as a list of them, or by its end.
pub(crate) fn tells(recurrence: &Object) -> bool {
    let words = recurrence.get("text").is_some_and(|words| {
        let is_word = |word: &Value| word.as_str().is_some_and(|word| !word.trim().is_empty());
        is_word(words) || words.as_array().is_some_and(|words| words.iter().any(is_word))
    });
    words || text(recurrence, "endDay").is_some()
}

/// The day it begins, of a series the first one.
pub(crate) fn start_day(item: &Object) -> Option<NaiveDate> {
    let named = |name| member(item, name).and_then(Value::as_str).and_then(day);
    if is_series(item) { named("recurrenceStartDay").or_else(|| named("day")) } else { named("day") }
}

/// What deletes an item of this version needs to know: Cozi's own count, and the day whose month has it.
pub(crate) fn version(item: &Value) -> Version {
    let (count, day) = match item.as_object() {
        Some(item) => (item.get("itemVersion").and_then(Value::as_i64), start_day(item)),
        None => (None, None),
    };
    let digest = blake3::hash(content(item).to_string().as_bytes()).to_hex();
    let count = count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let day = day.map_or_else(|| "-".to_owned(), |day| day.to_string());
    Version::from(format!("{count} {day} {}", &digest[..24]))
}

/// The parts of a version: the count and the day.
pub(crate) fn parts(version: &Version) -> Option<(Option<i64>, NaiveDate)> {
    let mut words = version.as_str().split(' ');
    let count = words.next()?.parse().ok();
    Some((count, words.next().and_then(day)?))
}

/// Whether both are of the same content, whatever the count says.
pub(crate) fn same_content(one: &Version, other: &Version) -> bool {
    one.as_str().split_once(' ').map(|(_, rest)| rest) == other.as_str().split_once(' ').map(|(_, rest)| rest)
}

/// The item without what changes by itself: its count, and of a series the day of the page it is on.
fn content(item: &Value) -> Value {
    let mut item = item.clone();
    if let Some(object) = item.as_object_mut() {
        let series = is_series(object) && member(object, "recurrenceStartDay").is_some();
        object.remove("itemVersion");
        if series {
            object.remove("day");
        }
        if let Some(details) = object.get_mut("itemDetails").and_then(Value::as_object_mut) {
            details.remove("itemVersion");
            if series {
                details.remove("day");
            }
        }
    }
    item
}

pub(crate) fn payload(item: &Value, zone: &str) -> Payload {
    Payload::new(json!({"zone": zone, "item": item}).to_string())
}

/// The members of a payload.
pub(crate) struct Parts {
    pub(crate) zone: String,
    pub(crate) item: Value,
    pub(crate) write: Option<Object>,
}

pub(crate) fn parts_of(payload: &Payload) -> Option<Parts> {
    let mut payload = object(payload.as_str().as_bytes())?;
    let zone = text(&payload, "zone")?.to_owned();
    let item = payload.remove("item")?;
    let write = match payload.remove("write") {
        Some(Value::Object(write)) => Some(write),
        _ => None,
    };
    Some(Parts { zone, item, write })
}

/// Only what its owner made by hand and may change.
pub(crate) fn is_own(item: &Object) -> bool {
    !is_subscribed(item)
        && !is_given(item, "readOnly")
        && member(item, "itemType").is_none_or(|kind| *kind == "appointment")
}

/// Whether it is of a calendar the household subscribes to.
pub(crate) fn is_subscribed(item: &Object) -> bool {
    is_given(item, "itemSource")
}

fn is_given(item: &Object, name: &str) -> bool {
    member(item, name).is_some_and(|value| !matches!(value, Value::Bool(false)) && *value != "")
}

/// What an item is recognised by whose creation was not answered.
pub(crate) fn digest(day: &str, details: &Object) -> String {
    let part = |name: &str| {
        details.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
    };
    let clock = |name: &str| part(name).and_then(|time| time.get(..5).map(ToOwned::to_owned));
    let parts = json!([day, part("subject"), clock("startTime"), clock("endTime"), part("dateSpan")]);
    blake3::hash(parts.to_string().as_bytes()).to_hex()[..24].to_owned()
}

/// The same of an item as the service shows it.
pub(crate) fn digest_of(item: &Object) -> Option<String> {
    let mut details = Object::new();
    let subject = ["description", "descriptionShort"].iter().find_map(|name| member(item, name)?.as_str());
    details.insert("subject".into(), subject.unwrap_or_default().trim().into());
    for name in ["startTime", "endTime"] {
        details.insert(name.into(), member(item, name).cloned().unwrap_or_else(|| "00:00".into()));
    }
    details.insert("dateSpan".into(), member(item, "dateSpan").cloned().unwrap_or_else(|| 0.into()));
    Some(digest(&start_day(item)?.to_string(), &details))
}

/// The day and the digest of a proposed name.
pub(crate) fn proposed(id: &RemoteId) -> Option<(NaiveDate, &str)> {
    let (first, rest) = id.as_str().strip_prefix(PROPOSED)?.split_once(':')?;
    Some((day(first)?, rest.split_once(':')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_no_content_and_content_is_no_count() {
        let item = |count: i64, title: &str| json!({"id": "a", "day": "2026-03-01", "itemVersion": count, "description": title});
        let one = version(&item(1, "x"));
        assert_eq!(parts(&one), Some((Some(1), "2026-03-01".parse().unwrap())));
        assert!(same_content(&one, &version(&item(2, "x"))));
        assert!(!same_content(&one, &version(&item(1, "y"))));
        // A series shows the day of the page it was on.
        let series = |day: &str| json!({"day": day, "itemDetails": {"recurrenceStartDay": "2026-01-05", "recurrence": {"rules": [{}]}}});
        assert_eq!(version(&series("2026-03-01")), version(&series("2026-04-06")));
        for broken in [json!(null), json!(3), json!({}), json!({"itemVersion": "x", "day": 4})] {
            assert_eq!(parts(&version(&broken)), None, "{broken}");
        }
    }

    #[test]
    fn what_others_made_is_not_ours_to_change() {
        for (item, expected) in [
            (json!({"itemType": "appointment"}), true),
            (json!({}), true),
            (json!({"itemSource": null, "readOnly": false}), true),
            (json!({"itemSource": "feed"}), false),
            (json!({"readOnly": true}), false),
            (json!({"itemType": "birthday"}), false),
            (json!({"itemType": "meal"}), false),
            (json!({"itemType": 4}), false),
        ] {
            assert_eq!(is_own(item.as_object().unwrap()), expected, "{item}");
        }
    }
}
