//! The payload of an item: a single event, or a series with its exceptions, exactly as Google sent them.
//!
//! `{"event": {..}, "exceptions": [{..}], "edits": {..}}`. What Google holds has no `edits`; what is to be written says
//! there what is to be changed, by field, so that nothing else is touched and the item need not be read again first.

use std::collections::BTreeMap;

use calsync_core::{
    model::{RecurrenceId, RemoteId, Version},
    provider::Payload,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    map::time,
    wire::{self, Object, text},
};

/// An item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// The single event, or the master.
    pub(crate) event: Object,
    /// Changed and cancelled instances, in the order of their original starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) exceptions: Vec<Object>,
    #[serde(default, skip_serializing_if = "Edits::is_empty")]
    pub(crate) edits: Edits,
}

/// What a write is to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Edits {
    /// Members of the event; one that the event does not have is to be cleared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) event: Vec<String>,
    /// Instances, by their original start.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) instances: BTreeMap<RecurrenceId, Edit>,
    /// People are to be told of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) notify: bool,
}

/// What becomes of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Edit {
    /// These members of it change.
    Write(Vec<String>),
    /// It is cancelled.
    Cancel,
}

impl Edits {
    pub(crate) fn is_empty(&self) -> bool {
        self.event.is_empty() && self.instances.is_empty() && !self.notify
    }
}

impl Item {
    /// A single event, or a master whose exceptions are added later.
    pub(crate) fn new(event: Object) -> Self {
        Self { event, ..Self::default() }
    }

    pub(crate) fn read(payload: &Payload) -> Option<Self> {
        serde_json::from_str(payload.as_str()).ok()
    }

    /// The same members always give the same text.
    pub(crate) fn payload(&self) -> Payload {
        Payload::new(serde_json::to_string(self).unwrap_or_default())
    }

    /// Puts the exceptions into their order, one for each instance: the one changed last.
    pub(crate) fn with_exceptions(mut self, mut exceptions: Vec<Object>) -> Self {
        exceptions.sort_by_cached_key(|exception| {
            (time::original_start(exception), text(exception, "updated").unwrap_or_default().to_owned())
        });
        let mut kept: Vec<Object> = Vec::with_capacity(exceptions.len());
        for exception in exceptions {
            let key = time::original_start(&exception);
            match kept.last_mut() {
                Some(last) if key.is_some() && time::original_start(last) == key => *last = exception,
                _ => kept.push(exception),
            }
        }
        self.exceptions = kept;
        self
    }

    pub(crate) fn id(&self) -> Option<RemoteId> {
        text(&self.event, "id").map(RemoteId::from)
    }

    /// The exception of an instance.
    pub(crate) fn exception(&self, key: RecurrenceId) -> Option<&Object> {
        self.exceptions.iter().find(|exception| time::original_start(exception) == Some(key))
    }

    pub(crate) fn version(&self) -> Option<Version> {
        let etag = text(&self.event, "etag")?.to_owned();
        let rest = (!self.exceptions.is_empty()).then(|| {
            let mut hasher = blake3::Hasher::new();
            for exception in &self.exceptions {
                for part in ["id", "etag", "status"] {
                    hasher.update(text(exception, part).unwrap_or_default().as_bytes());
                    hasher.update(b"\0");
                }
            }
            hasher.finalize().to_hex()[..16].to_owned()
        });
        let version = ItemVersion { etag, rest, touchable: is_touchable(&self.event) };
        Some(version.to_version())
    }
}

/// Whether an event may be written: those of special types mean more to Google than they say.
pub(crate) fn is_touchable(event: &Object) -> bool {
    match event.get("eventType") {
        None | Some(Value::Null) => true,
        Some(kind) => kind.as_str().is_some_and(|kind| matches!(kind, "" | "default")),
    }
}

/// Whether a row stands for something that is not there any more.
pub(crate) fn is_cancelled(event: &Object) -> bool {
    text(event, "status") == Some("cancelled")
}

/// The master of an exception.
pub(crate) fn master_of(event: &Object) -> Option<&str> {
    text(event, "recurringEventId")
}

pub(crate) fn is_series(event: &Object) -> bool {
    !wire::list(event, "recurrence").is_empty()
}

/// An object of a list.
pub(crate) fn object_of(value: Value) -> Option<Object> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// The version of an item: the tag of the master, a digest over the tags of its exceptions, and whether it may be
/// written at all, which a deletion has no other way to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ItemVersion {
    pub(crate) etag: String,
    pub(crate) rest: Option<String>,
    pub(crate) touchable: bool,
}

impl ItemVersion {
    pub(crate) fn to_version(&self) -> Version {
        let locked = if self.touchable { "" } else { "!" };
        let rest = self.rest.as_deref().unwrap_or_default();
        Version::from(format!("{locked}{rest}:{}", self.etag))
    }

    pub(crate) fn read(version: &Version) -> Option<Self> {
        let (rest, etag) = version.as_str().split_once(':')?;
        let (touchable, rest) = match rest.strip_prefix('!') {
            Some(rest) => (false, rest),
            None => (true, rest),
        };
        let rest = (!rest.is_empty()).then(|| rest.to_owned());
        Some(Self { etag: etag.to_owned(), rest, touchable })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        object_of(value).unwrap()
    }

    fn exception(id: &str, start: &str, etag: &str) -> Object {
        object(json!({"id": id, "originalStartTime": {"dateTime": start}, "etag": etag}))
    }

    #[test]
    fn an_item_is_kept_as_it_came() {
        let event = object(
            json!({"id": "a", "etag": "\"1\"", "new": {"deep": [1, null, 9_007_199_254_740_993_i64]}}),
        );
        let item = Item::new(event).with_exceptions(vec![
            exception("a_2", "2026-01-06T09:00:00Z", "\"3\""),
            exception("a_1", "2026-01-05T10:00:00+01:00", "\"2\""),
        ]);
        assert_eq!(text(&item.exceptions[0], "id"), Some("a_1"));
        let payload = item.payload();
        assert!(payload.as_str().contains("9007199254740993"));
        assert_eq!(Item::read(&payload).unwrap(), item);
        assert_eq!(Item::read(&payload).unwrap().payload(), payload);
        assert!(!payload.as_str().contains("edits"));
    }

    #[test]
    fn the_version_follows_the_master_and_every_exception() {
        let event = || object(json!({"id": "a", "etag": "\"1\""}));
        let version = |exceptions| Item::new(event()).with_exceptions(exceptions).version().unwrap();
        let alone = version(Vec::new());
        let one = version(vec![exception("x", "2026-01-05T09:00:00Z", "\"1\"")]);
        let changed = version(vec![exception("x", "2026-01-05T09:00:00Z", "\"2\"")]);
        assert!(alone != one && one != changed);
        assert_eq!(ItemVersion::read(&one).unwrap().etag, "\"1\"");
        assert_eq!(ItemVersion::read(&one).unwrap().to_version(), one);
        let mut locked = event();
        locked.insert("eventType".into(), json!("outOfOffice"));
        let locked = Item::new(locked).version().unwrap();
        assert!(
            !ItemVersion::read(&locked).unwrap().touchable && ItemVersion::read(&alone).unwrap().touchable
        );
        assert_eq!(Item::new(Object::new()).version(), None);
    }
}
