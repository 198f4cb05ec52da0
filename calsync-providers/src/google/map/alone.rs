//! An instance of a series that nobody here has (an invitation to one of many): it stands at Google as an event by itself,
//! with a note that says which instance it is, so that it is read back as what it is.

use calsync_core::model::{Event, Override, OverrideScope, RecurrenceId};
use serde_json::{Value, json};

use super::read::ID;
use crate::google::wire::{Object, inner, text};

/// The private property with the original start of the instance.
const INSTANCE: &str = "calsyncInstance";

/// Which instance an event stands for. A copy made by hand is an event, and stands for none.
pub(super) fn noted(event: &Object) -> Option<RecurrenceId> {
    let ours = inner(event, "extendedProperties").and_then(|properties| inner(properties, "private"))?;
    let is_own = text(ours, ID).unwrap_or_default() == text(event, "id").unwrap_or_default();
    text(ours, INSTANCE).filter(|_| is_own)?.parse().ok()
}

/// Says which instance an event stands for, or that it stands for none any more.
pub(super) fn note(event: &mut Object, instance: Option<RecurrenceId>) {
    let properties = event.entry("extendedProperties").or_insert_with(|| json!({}));
    let private =
        properties.as_object_mut().map(|properties| properties.entry("private").or_insert_with(|| json!({})));
    if let Some(Value::Object(private)) = private {
        private.insert(INSTANCE.to_owned(), instance.map_or(Value::Null, |key| key.to_string().into()));
    }
}

/// An event as the instance it stands for.
pub(super) fn as_instance(mut event: Event, key: RecurrenceId) -> Event {
    if let Some(body) = event.master.take() {
        let changed = Override::Changed { body: Box::new(body), scope: OverrideScope::This };
        event.overrides.insert(key, changed);
    }
    event
}

/// The first instance of a series that is not there, as an event by itself.
pub(super) fn as_event(event: Event) -> (Event, Option<RecurrenceId>) {
    if event.master.is_some() {
        return (event, None);
    }
    let first = event.overrides.iter().find_map(|(key, instance)| match instance {
        Override::Changed { body, .. } => Some((*key, (**body).clone())),
        Override::Excluded | Override::Added { .. } => None,
    });
    match first {
        Some((key, body)) => {
            let single = Event { master: Some(body), overrides: Default::default(), ..event };
            (single, Some(key))
        }
        None => (event, None),
    }
}
