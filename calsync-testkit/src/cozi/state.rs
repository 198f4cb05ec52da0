//! What is stored: the household and its items.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::quirks::CoziQuirks;
use crate::dav::{Fault, RecordedRequest};

pub(super) type Object = Map<String, Value>;

pub(super) struct State {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) account: String,
    pub(super) name: String,
    pub(super) zone: String,
    pub(super) lifetime: u64,
    pub(super) quirks: CoziQuirks,
    pub(super) tokens: BTreeSet<String>,
    pub(super) cookies: BTreeSet<String>,
    pub(super) items: BTreeMap<String, Object>,
    pub(super) requests: VecDeque<RecordedRequest>,
    pub(super) max_recorded: usize,
    pub(super) faults: VecDeque<Fault>,
    pub(super) logins: usize,
    pub(super) renewals: usize,
    pub(super) notified: usize,
    pub(super) ticks: u64,
}

impl State {
    pub(super) fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }

    pub(super) fn record(&mut self, request: RecordedRequest) {
        if self.requests.len() >= self.max_recorded {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    /// Stores an item with the next count. Returns its id.
    pub(super) fn store(&mut self, mut item: Object) -> String {
        let tick = self.tick();
        let id = match text(&item, "id") {
            Some(id) => id.to_owned(),
            None => {
                let digest = blake3::hash(format!("item {tick}").as_bytes()).to_hex();
                format!("{}-{}", &digest[..8], &digest[8..20])
            }
        };
        item.insert("id".into(), id.as_str().into());
        let count = item.get("itemVersion").and_then(Value::as_u64).unwrap_or_default();
        item.insert("itemVersion".into(), (count + 1).into());
        item.entry("itemType").or_insert_with(|| "appointment".into());
        self.items.insert(id.clone(), item);
        id
    }
}

pub(super) fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The recurrence of an item.
pub(super) fn recurrence(item: &Object) -> Option<&Object> {
    item.get("itemDetails")?.as_object()?.get("recurrence")?.as_object()
}

pub(super) fn recurrence_mut(item: &mut Object) -> Option<&mut Object> {
    item.get_mut("itemDetails")?.as_object_mut()?.get_mut("recurrence")?.as_object_mut()
}
