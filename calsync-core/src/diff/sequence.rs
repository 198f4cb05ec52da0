//! `SEQUENCE` (RFC 5545 section 3.8.7.4): the number by which whoever holds an event knows that it takes place otherwise.

use super::{Field, Part, changed_fields};
use crate::model::{Event, EventBody, Override};

/// Raises `SEQUENCE` of an event, and of those of its instances, that takes place at another time or place, by other rules, or no
/// more, or again, than before. Where it is higher already it stays. Subscribers of a feed take such an edit with a higher number only.
pub fn raise_sequence(before: &Event, after: &mut Event) {
    let moved = |field: &Field| {
        matches!(field.part, Part::Time | Part::Rules | Part::Override | Part::Status | Part::Location)
    };
    let moved: Vec<Field> = changed_fields(before, after).into_iter().filter(moved).collect();
    if moved.is_empty() {
        return;
    }
    let raise = |body: &mut EventBody, before: Option<&EventBody>| {
        let next = before.map_or(0, |before| before.sequence.saturating_add(1));
        body.sequence = body.sequence.max(next);
    };
    // What is left out of a series, or added to it, stands in its master.
    let of_master = |field: &&Field| field.instance.is_none() || field.part == Part::Override;
    if moved.iter().any(|field| of_master(&field))
        && let Some(body) = &mut after.master
    {
        raise(body, before.master.as_ref());
    }
    for id in moved.iter().filter_map(|field| field.instance) {
        let Some(Override::Changed { body, .. }) = after.overrides.get_mut(&id) else { continue };
        let own = match before.overrides.get(&id) {
            Some(Override::Changed { body, .. }) => Some(&**body),
            _ => before.master.as_ref(),
        };
        raise(body, own);
    }
}
