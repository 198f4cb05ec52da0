//! Which fields of an event one side changed since both agreed.
//!
//! In: two events as borrowed values. Out: the fields that differ, as names; values are looked up and copied by name.
//! Bookkeeping (`SEQUENCE`, `CREATED`, `LAST-MODIFIED`), the UID and the lineage are never compared. An instance that is
//! cancelled is the same as one that is excluded: some servers keep the one form, some the other. Rules of one start are the
//! same when they mean the same.

mod edited;
mod field;
mod sequence;
mod value;

pub use edited::note_edit;
pub use field::{Field, Part};
pub use sequence::raise_sequence;
pub use value::{copy_field, field_value, same_field};

use std::collections::BTreeSet;

use crate::model::{Event, EventBody, Override, RecurrenceId};

/// The fields in which `side` differs from `base`, in the order of [`Field`]. Empty when nothing did.
pub fn changed_fields(base: &Event, side: &Event) -> BTreeSet<Field> {
    let mut fields = BTreeSet::new();
    if base == side {
        return fields;
    }
    match (&base.master, &side.master) {
        (Some(base), Some(side)) => body_fields(base, side, None, &mut fields),
        (None, None) => {}
        _ => {
            fields.insert(Field::of(Part::Master));
        }
    }
    if !base.repeats_as(side) {
        fields.insert(Field::of(Part::Rules));
    }
    if base.overrides != side.overrides {
        override_fields(base, side, &mut fields);
    }
    fields
}

fn override_fields(base: &Event, side: &Event, fields: &mut BTreeSet<Field>) {
    let ids: BTreeSet<&RecurrenceId> = base.overrides.keys().chain(side.overrides.keys()).collect();
    for id in ids {
        let (a, b) = (base.overrides.get(id), side.overrides.get(id));
        match (a, b) {
            _ if value::is_off(a) && value::is_off(b) => {}
            (
                Some(Override::Changed { body: a_body, scope: s }),
                Some(Override::Changed { body: b_body, scope: t }),
            ) if s == t && !value::is_off(a) && !value::is_off(b) => {
                body_fields(a_body, b_body, Some(*id), fields);
            }
            _ if a != b => {
                fields.insert(Field { instance: Some(*id), part: Part::Override });
            }
            _ => {}
        }
    }
}

fn body_fields(
    base: &EventBody,
    side: &EventBody,
    instance: Option<RecurrenceId>,
    fields: &mut BTreeSet<Field>,
) {
    let mut add = |part| {
        fields.insert(Field { instance, part });
    };
    if base.time != side.time {
        add(Part::Time);
    }
    if base.title != side.title {
        add(Part::Title);
    }
    if base.description != side.description {
        add(Part::Description);
    }
    if base.location != side.location {
        add(Part::Location);
    }
    if base.geo != side.geo {
        add(Part::Geo);
    }
    if base.url != side.url {
        add(Part::Url);
    }
    if base.virtual_locations != side.virtual_locations {
        add(Part::VirtualLocations);
    }
    if base.status != side.status {
        add(Part::Status);
    }
    if base.free_busy != side.free_busy {
        add(Part::FreeBusy);
    }
    if base.privacy != side.privacy {
        add(Part::Privacy);
    }
    if base.priority != side.priority {
        add(Part::Priority);
    }
    if base.color != side.color {
        add(Part::Color);
    }
    if base.organizer != side.organizer {
        add(Part::Organizer);
    }
    if base.categories != side.categories {
        for name in base.categories.symmetric_difference(&side.categories) {
            add(Part::Category(name.clone()));
        }
    }
    if base.participants != side.participants {
        let keys =
            |body: &EventBody| body.participants.iter().map(|p| p.person.key()).collect::<BTreeSet<_>>();
        for key in keys(base).union(&keys(side)) {
            if value::participant(base, key) != value::participant(side, key) {
                add(Part::Participant(key.clone()));
            }
        }
    }
    if base.alarms != side.alarms {
        let triggers = base.alarms.iter().chain(&side.alarms).map(|a| a.trigger).collect::<BTreeSet<_>>();
        for trigger in triggers {
            if !value::alarms(base, &trigger).eq(value::alarms(side, &trigger)) {
                add(Part::Alarm(trigger));
            }
        }
    }
}
