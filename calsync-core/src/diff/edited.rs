//! `LAST-MODIFIED` (RFC 5545 section 3.8.7.3): when an event was edited.

use chrono::{DateTime, Utc};

use super::changed_fields;
use crate::model::{Event, EventBody, Override};

/// Notes when an event became what it is, in its master or those of its instances that differ from before. Where it says
/// another time than before already it is left, and it never goes back.
pub fn note_edit(before: &Event, after: &mut Event, at: DateTime<Utc>) {
    let fields = changed_fields(before, after);
    let note = |body: &mut EventBody, before: Option<&EventBody>| {
        let untold = before.is_none_or(|before| before.updated == body.updated);
        if untold {
            body.updated = body.updated.max(Some(at));
        }
    };
    for id in fields.iter().map(|field| field.instance) {
        let changed = |event: &Event| match event.overrides.get(&id?) {
            Some(Override::Changed { body, .. }) => Some((**body).clone()),
            _ => None,
        };
        let own = changed(before);
        match id.and_then(|id| after.overrides.get_mut(&id)) {
            Some(Override::Changed { body, .. }) => note(body, own.as_ref()),
            // What is left out of a series, or added to it, stands in its master.
            _ => {
                if let Some(body) = &mut after.master {
                    note(body, before.master.as_ref());
                }
            }
        }
    }
}
