//! The three-way merge of one event.
//!
//! In: both sides, what each side's base is, and who wins a contested field. Out: what each side is to hold, what the
//! bases become, and every contested field with its outcome. Pure: no clock, no I/O, no randomness.
//!
//! Fields only one side changed go to the other side. Fields both changed to the same value are agreed. Only what is
//! left is a conflict, and only that is put to the policy.

mod policy;
mod resolver;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use policy::TOLERANCE;
pub use policy::{Choice, ConflictPolicy, DeletionPolicy, Freshness};
pub use resolver::{ConflictResolver, ContestedEvent, Resolution, ResolverError};

use crate::{
    diff::{Field, Part, changed_fields, copy_field, field_value, same_field},
    model::{Event, Override, RecurrenceId},
};

/// The four events a merge looks at.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// What each side held when both last agreed; `None` when they never did (the first meeting of two events).
    pub bases: Option<Bases<'a>>,
    /// The local side now, as far as the provider can hold it.
    pub local: &'a Event,
    /// The remote side now.
    pub remote: &'a Event,
}

/// What each side held when both last agreed. They differ where a provider stores a field in a form of its own.
#[derive(Clone, Copy, Debug)]
pub struct Bases<'a> {
    /// The local side, as far as the provider can hold it.
    pub local: &'a Event,
    /// The remote side.
    pub remote: &'a Event,
}

/// A field both sides changed, to different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// The field.
    pub field: Field,
    /// Who won it.
    pub choice: Choice,
}

/// What a merge decided, as fields to copy. Apply it with [`Merge::to_local`] and its siblings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merge {
    /// Fields that go from the remote to the local side.
    pub to_local: BTreeSet<Field>,
    /// Fields that go from the local to the remote side.
    pub to_remote: BTreeSet<Field>,
    /// Fields both sides changed, to different values.
    pub contested: Vec<Contested>,
    /// Whether the local version is to be kept as an event of its own.
    pub keep_local_copy: bool,
    /// What both sides get of some instances instead of a copy of either side's field: a series whose start was taken from
    /// one side has instances of the other under the names they have from that start. `None`: as the rules say.
    pub instances: BTreeMap<RecurrenceId, Option<Override>>,
}

impl Merge {
    /// Whether there is nothing to do on either side and nothing to record.
    pub fn is_empty(&self) -> bool {
        self.to_local.is_empty() && self.to_remote.is_empty() && self.contested.is_empty()
    }

    /// The local side after the merge.
    pub fn apply_to_local(&self, local: &Event, remote: &Event) -> Event {
        self.with_instances(copied(&self.to_local, remote, local))
    }

    /// The remote side after the merge.
    pub fn apply_to_remote(&self, local: &Event, remote: &Event) -> Event {
        self.with_instances(copied(&self.to_remote, local, remote))
    }

    /// The remote base once the remote side's changes are in: open fields keep the value both agreed on.
    pub fn remote_base(&self, base: &Event, remote: &Event) -> Event {
        let open = self.contested.iter().filter(|c| c.choice == Choice::Open).map(|c| &c.field);
        copied(open, base, remote)
    }

    fn with_instances(&self, mut event: Event) -> Event {
        for (id, value) in &self.instances {
            match value {
                Some(value) => event.overrides.insert(*id, value.clone()),
                None => event.overrides.remove(id),
            };
        }
        event
    }

    /// Gives a moved series the instances of both sides, under the names they have from the start that was chosen.
    ///
    /// Where both sides' version of one instance was chosen, the one under that name stays.
    fn name_instances(&mut self, sides: Sides<'_>, tied: &[(Field, Choice)]) {
        let time = tied.iter().find(|(field, _)| *field == Field::of(Part::Time));
        let Some((_, winner)) = time else { return };
        let (won, lost) = match winner {
            Choice::Local => (sides.local, sides.remote),
            _ => (sides.remote, sides.local),
        };
        let starts = (&lost.master, &won.master);
        let (Some(before), Some(after)) = starts else { return };
        let moved = |id: RecurrenceId| id.moved(&before.time.start, &after.time.start).unwrap_or(id);
        let mut others = Vec::new();
        for (field, choice) in tied {
            let Some(id) = field.instance else { continue };
            let value = if choice == winner { won.overrides.get(&id) } else { None };
            self.instances.insert(id, value.cloned());
            if choice != winner
                && let Some(value) = lost.overrides.get(&id)
            {
                others.push((moved(id), value));
            }
        }
        for (id, value) in others {
            let there = self.instances.entry(id).or_insert_with(|| won.overrides.get(&id).cloned());
            there.get_or_insert_with(|| value.clone());
        }
        for (id, value) in &self.instances {
            let field = Field { instance: Some(*id), part: Part::Override };
            for (side, fields) in [(sides.local, &mut self.to_local), (sides.remote, &mut self.to_remote)] {
                if side.overrides.get(id) == value.as_ref() {
                    fields.remove(&field);
                } else {
                    fields.insert(field.clone());
                }
            }
        }
    }
}

fn copied<'f>(fields: impl IntoIterator<Item = &'f Field>, from: &Event, into: &Event) -> Event {
    let mut result = into.clone();
    for field in fields {
        copy_field(field, from, &mut result);
    }
    result
}

/// Merges. `choose` is asked once per contested field.
///
/// Fields that only mean something together (a moved series and its instances, which are named by its start) are decided
/// together: as long as `choose` leaves one of them open, or chooses a side for one and both for another, all of them stay
/// open. Where it chooses one side for the start and the other for an instance, the instance gets the name it has from that
/// start ([`Merge::instances`]). The rules of a master that came or went go with it.
pub fn merge(sides: Sides<'_>, mut choose: impl FnMut(&Field) -> Choice) -> Merge {
    let mut merge = Merge::default();
    let contested = match sides.bases {
        Some(bases) => with_base(sides, bases, &mut merge),
        None => Contest { tied: BTreeSet::new(), free: first_meeting(sides, &mut merge) },
    };
    let mut tied: Vec<(Field, Choice)> =
        contested.tied.into_iter().map(|field| (field.clone(), choose(&field))).collect();
    // Without a master its rules say nothing: a choice of the one is a choice of the other.
    let of_master = tied.iter().find(|(field, _)| field.part == Part::Master).map(|(_, choice)| *choice);
    if let Some(of_master) = of_master {
        for (_, choice) in &mut tied {
            *choice = of_master;
        }
    }
    let is_mixed = tied.iter().any(|(_, choice)| *choice != tied[0].1);
    let is_decided = tied.iter().all(|(_, choice)| matches!(choice, Choice::Local | Choice::Remote));
    if is_mixed && !is_decided {
        for (_, choice) in &mut tied {
            *choice = Choice::Open;
        }
    }
    let named = if is_mixed && is_decided { tied.clone() } else { Vec::new() };
    let free = contested.free.into_iter().map(|field| (field.clone(), choose(&field)));
    for (field, choice) in tied.into_iter().chain(free) {
        match choice {
            Choice::Local => {
                merge.to_remote.insert(field.clone());
            }
            Choice::Remote => {
                merge.to_local.insert(field.clone());
            }
            Choice::Both => {
                merge.to_local.insert(field.clone());
                merge.keep_local_copy = true;
            }
            Choice::Open => {}
        }
        merge.contested.push(Contested { field, choice });
    }
    merge.name_instances(sides, &named);
    merge.contested.sort_by(|a, b| a.field.cmp(&b.field));
    send_rules_with_their_start(sides, &mut merge);
    merge
}

/// What a rule does not say it takes from its start: a rule by which the side with the new start repeats goes with it. Else a
/// weekly series that one side spells `FREQ=WEEKLY` and the other `FREQ=WEEKLY;BYDAY=TH` is moved to Friday on the one only.
fn send_rules_with_their_start(sides: Sides<'_>, merge: &mut Merge) {
    let (time, rules) = (Field::of(Part::Time), Field::of(Part::Rules));
    let decided = |merge: &Merge| {
        merge.to_local.contains(&rules)
            || merge.to_remote.contains(&rules)
            || merge.contested.iter().any(|contested| contested.field == rules)
    };
    let (local, remote) = (sides.local, sides.remote);
    let is_spelled_alike = local.rules == remote.rules && local.excluded_rules == remote.excluded_rules;
    let starts = [local, remote].map(|event| event.master.as_ref().map(|master| &master.time.start));
    if is_spelled_alike || decided(merge) || starts[0] == starts[1] {
        return;
    }
    if merge.to_remote.contains(&time) {
        merge.to_remote.insert(rules);
    } else if merge.to_local.contains(&time) {
        merge.to_local.insert(rules);
    }
}

/// Fields to put to the policy.
#[derive(Default)]
struct Contest {
    /// Those that only mean something together.
    tied: BTreeSet<Field>,
    /// All others.
    free: BTreeSet<Field>,
}

fn with_base(sides: Sides<'_>, bases: Bases<'_>, merge: &mut Merge) -> Contest {
    let mut local = changed_fields(bases.local, sides.local);
    let mut remote = changed_fields(bases.remote, sides.remote);
    // A master that came or went on both sides alike is agreed, and no part of any question.
    let master = Field::of(Part::Master);
    if same_field(sides.local, sides.remote, &master) {
        local.remove(&master);
        remote.remove(&master);
    }
    let mut contest = Contest::default();
    // The names of instances hang on the start of the series: when one side moved it and the other did anything to
    // instances, or moved it elsewhere, no mixture of the two names the instances anybody meant.
    let tangled = is_tangled(bases, sides, &local, &remote);
    let (tied, local): (BTreeSet<_>, BTreeSet<_>) =
        local.into_iter().partition(|field| tangled && hangs_on_start(field));
    let (also, remote): (BTreeSet<_>, BTreeSet<_>) =
        remote.into_iter().partition(|field| tangled && hangs_on_start(field));
    for mut field in tied.into_iter().chain(also) {
        if field.instance.is_some() {
            field.part = Part::Override;
        }
        contest.tied.insert(field);
    }
    // One that is the same on both sides is asked about with the others: what both removed may be back under the name
    // it has on the side that moved.
    if contest.tied.iter().all(|field| same_field(sides.local, sides.remote, field)) {
        contest.tied.clear();
    }
    let touches = |a: &Field, b: &Field| {
        a.instance == b.instance && (a.part == b.part || a.part == Part::Override || b.part == Part::Override)
            || a.part == Part::Master && b.instance.is_none()
            || b.part == Part::Master && a.instance.is_none()
    };
    for field in &local {
        let mut meets = remote.iter().filter(|other| touches(field, other)).peekable();
        if meets.peek().is_none() {
            if !same_field(sides.local, sides.remote, field) {
                merge.to_remote.insert(field.clone());
            }
            continue;
        }
        for other in meets {
            put(field, other, sides, &mut contest.free);
        }
    }
    for field in &remote {
        if !local.iter().any(|other| touches(field, other)) && !same_field(sides.local, sides.remote, field) {
            merge.to_local.insert(field.clone());
        }
    }
    // A master that came or went takes along what repeats.
    if contest.free.remove(&master) {
        contest.tied.insert(master);
        let rules = Field::of(Part::Rules);
        contest.free.remove(&rules);
        if local.contains(&rules) || remote.contains(&rules) {
            merge.to_local.remove(&rules);
            merge.to_remote.remove(&rules);
            contest.tied.insert(rules);
        }
    }
    contest
}

/// Puts two fields that touch to the policy, as the larger of the two where it holds the other, unless both sides agree
/// anyway.
fn put(a: &Field, b: &Field, sides: Sides<'_>, contested: &mut BTreeSet<Field>) {
    for field in [a, b] {
        let held = |other: &Field| match other.part {
            Part::Override => field.part != Part::Override,
            Part::Master => field.part != Part::Master,
            _ => false,
        };
        if !held(a) && !held(b) && !same_field(sides.local, sides.remote, field) {
            contested.insert(field.clone());
        }
    }
}

fn hangs_on_start(field: &Field) -> bool {
    field.instance.is_some() || matches!(field.part, Part::Time | Part::Rules)
}

fn is_tangled(bases: Bases<'_>, sides: Sides<'_>, local: &BTreeSet<Field>, remote: &BTreeSet<Field>) -> bool {
    // A master that came or went is put to the policy whole.
    if local.iter().chain(remote).any(|field| field.part == Part::Master) {
        return false;
    }
    let instances = |fields: &BTreeSet<Field>| fields.iter().any(|field| field.instance.is_some());
    let here = moved_start(bases.local, sides.local);
    let there = moved_start(bases.remote, sides.remote);
    match (here, there) {
        // Both to the same start: then both use the same names.
        (true, true) => moved_start(sides.local, sides.remote) && (instances(local) || instances(remote)),
        (true, false) => instances(remote),
        (false, true) => instances(local),
        (false, false) => false,
    }
}

fn moved_start(base: &Event, side: &Event) -> bool {
    match (&base.master, &side.master) {
        (Some(base), Some(side)) => base.time.start != side.time.start,
        _ => false,
    }
}

/// Without a base, a value on one side only is taken over by the other; two different values are contested.
fn first_meeting(sides: Sides<'_>, merge: &mut Merge) -> BTreeSet<Field> {
    let mut contested = BTreeSet::new();
    for field in changed_fields(sides.local, sides.remote) {
        match (is_absent(sides.local, &field), is_absent(sides.remote, &field)) {
            (true, false) => {
                merge.to_local.insert(field);
            }
            (false, true) => {
                merge.to_remote.insert(field);
            }
            _ => {
                contested.insert(field);
            }
        }
    }
    contested
}

fn is_absent(event: &Event, field: &Field) -> bool {
    match field_value(event, field) {
        serde_json::Value::Null | serde_json::Value::Bool(false) => true,
        serde_json::Value::Array(values) => values.is_empty(),
        _ => false,
    }
}
