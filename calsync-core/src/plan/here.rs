//! What an edit over there makes of an event here: the same from a run and from [`plan_pairs`](super::plan_pairs()).

use chrono::{DateTime, Utc};

use crate::{
    diff::{changed_fields, copy_field, note_edit, raise_sequence},
    merge::Merge,
    model::Event,
};

/// When the other side was edited, where it says so: what it said when both agreed says nothing of an edit since.
pub(crate) fn edited_there(base: Option<&Event>, there: &Event) -> Option<DateTime<Utc>> {
    let agreed = base.and_then(Event::updated);
    there.updated().filter(|said| agreed != Some(*said))
}

/// An event with what a merge brings in; `edited`: when that was edited there.
pub(crate) fn merged(merge: &Merge, event: &Event, there: &Event, edited: Option<DateTime<Utc>>) -> Event {
    let mut after = merge.apply_to_local(event, there);
    raise_sequence(event, &mut after);
    if let Some(edited) = edited {
        note_edit(event, &mut after, edited);
    }
    after
}

/// An event with the fields that were edited there since both agreed. All else is its own: what the other side cannot hold
/// is not in its form of the event.
pub(crate) fn with_edits(mut event: Event, base: Option<&Event>, there: &Event) -> Event {
    let edited = base.map(|base| changed_fields(base, there)).unwrap_or_default();
    edited.iter().for_each(|field| copy_field(field, there, &mut event));
    event
}

/// A deleted event that comes back with what was edited there.
pub(crate) fn restored(
    deleted: &Event,
    base: Option<&Event>,
    there: &Event,
    edited: Option<DateTime<Utc>>,
) -> Event {
    let mut after = with_edits(deleted.clone(), base, there);
    if let Some(edited) = edited {
        note_edit(deleted, &mut after, edited);
    }
    after
}
