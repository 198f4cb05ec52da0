//! What the journal says of an event beyond the decision: how it was left, so that an undo can tell whether anybody
//! touched it since.

use std::collections::HashMap;

use crate::{
    model::{Event, EventId, Override},
    store::{EventRecord, JournalEntry, Write},
};

/// How an event is left: a hash of its content, or `deleted`. Says nothing of the content to whoever reads it.
pub(super) fn left_as(event: Option<&Event>) -> String {
    let Some(event) = event else { return "deleted".to_owned() };
    let text = serde_json::to_vec(event).unwrap_or_default();
    blake3::hash(&text).to_hex()[..32].to_owned()
}

/// How an item is left: a hash of its content. What servers count and time by themselves is none.
pub(super) fn content_of(item: &Event) -> String {
    let mut item = item.clone();
    let overridden = item.overrides.values_mut().filter_map(|changed| match changed {
        Override::Changed { body, .. } => Some(&mut **body),
        Override::Excluded | Override::Added { .. } => None,
    });
    for body in item.master.iter_mut().chain(overridden) {
        (body.sequence, body.created, body.updated) = (0, None, None);
    }
    left_as(Some(&item))
}

/// Whether an event is as an entry of the journal left it.
pub(super) fn is_as_left(entry: &JournalEntry, record: &EventRecord) -> bool {
    let live = Some(&record.event).filter(|_| record.deleted.is_none());
    match &entry.after {
        Some(after) => *after == left_as(live),
        // An entry of before this was kept: by the clock.
        None => record.modified <= entry.at,
    }
}

/// Fills in how the events that a batch writes are left.
pub(super) fn note_what_is_left(writes: &mut [Write]) {
    let mut left: HashMap<EventId, String> = HashMap::new();
    for write in &*writes {
        match write {
            Write::PutEvent { id, event, .. } => {
                left.insert(id.clone(), left_as(Some(event)));
            }
            Write::DeleteEvent { id, .. } => {
                left.insert(id.clone(), left_as(None));
            }
            _ => {}
        }
    }
    if left.is_empty() {
        return;
    }
    for write in writes {
        if let Write::PutJournal(entry) = write
            && let Some(after) = left.get(&entry.event_id)
        {
            entry.after = Some(after.clone());
        }
    }
}
