//! What must be true once everything is calm: told from what people did and from both sides, never from the engine.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::{
    feed::{EventSeq, Happened},
    merge::{ConflictPolicy, DeletionPolicy},
    model::{CalendarId, Event, Override},
    plan::Direction,
    recurrence::ExpansionLimits,
    store::Revision,
    zone::Zone,
};
use chrono::TimeDelta;

use super::{
    book::{Book, Part, Side, Value, noon, values},
    executor::wait,
    law::Law,
    provider::SimRemote,
    script::Dialect,
    world::{CALENDAR, World},
};
use crate::events::canonical;

pub(crate) fn revisions(world: &World) -> Vec<u64> {
    world.people.locals().iter().map(|record| record.revision.0).collect()
}

/// The events of a side by UID.
fn side(world: &World, side: Side) -> BTreeMap<String, Event> {
    match side.checked_sub(1).and_then(|link| world.remotes.get(usize::from(link))) {
        None => {
            world.people.locals().into_iter().map(|record| (record.event.uid.clone(), record.event)).collect()
        }
        Some(remote) => {
            let server = remote.server();
            let events = server.items.values().filter_map(|item| item.event.clone());
            events.map(|event| (event.uid.clone(), event)).collect()
        }
    }
}

/// Whether a link copies an event at all: what takes a day is outside its window, and so is what never takes place.
fn is_copied(remote: &SimRemote, event: Option<&Event>) -> bool {
    if !remote.setup.has_window() {
        return true;
    }
    let takes_days = event.and_then(|event| event.master.as_ref()).is_some_and(|body| body.time.is_all_day());
    !takes_days && event.is_none_or(takes_place)
}

/// Whether an event has an instance: its only one may be called off.
fn takes_place(event: &Event) -> bool {
    let near = noon() - TimeDelta::days(60)..noon() + TimeDelta::days(60);
    !event.instances(near, &Zone::UTC, &ExpansionLimits::default()).0.is_empty()
}

/// UIDs of items that cannot be read at the moment.
fn garbled(remote: &SimRemote) -> BTreeSet<String> {
    let server = remote.server();
    server.items.values().filter_map(|item| Some(item.garbled.as_ref()?.1.uid.clone())).collect()
}

fn form(remote: &SimRemote, event: &Event) -> Event {
    let mut event = canonical(&remote.server().held(event));
    // Times of change are bookkeeping.
    let instances = event.overrides.values_mut().filter_map(|value| match value {
        Override::Changed { body, .. } => Some(&mut **body),
        Override::Excluded | Override::Added { .. } => None,
    });
    for body in event.master.iter_mut().chain(instances) {
        body.updated = None;
    }
    event
}

/// I01, I03, I16, I17, I20: both sides of every link hold the same, as far as the link carries it.
pub(crate) fn converged(world: &World) {
    let control = &world.control;
    let hub = side(world, 0);
    let rows = world.people.locals().len();
    control.check(Law::I03, rows == hub.len(), || "an event is in the calendar twice".to_owned());
    for remote in &world.remotes {
        let there = side(world, remote.side);
        let bad = garbled(remote);
        let items = remote.server().items.len();
        control.check(Law::I03, items == there.len() + bad.len(), || {
            format!("an event is on side {} twice", remote.side)
        });
        let book = world.people.book();
        let touched = |uid: &str, side: Side| {
            book.edited.contains(&(uid.to_owned(), side))
                || book.deleted.contains(&(uid.to_owned(), side))
                || book.odd.contains(uid)
        };
        let direction = remote.setup.direction;
        let uids: BTreeSet<&String> = hub.keys().chain(there.keys()).collect();
        for uid in uids {
            if bad.contains(uid) {
                continue;
            }
            // Where only one side is right, what people did to the other is theirs.
            let theirs = match direction {
                Direction::TwoWay => false,
                Direction::Import => touched(uid, 0) || !there.contains_key(uid) || world.remotes.len() > 1,
                Direction::Export => touched(uid, remote.side) || !hub.contains_key(uid),
            };
            if theirs {
                continue;
            }
            if may_have_moved(world, &book, uid, remote.side) {
                continue;
            }
            let (here, there) = (hub.get(uid), there.get(uid));
            if !is_copied(remote, here) {
                let made_there =
                    book.created.get(uid.as_str()).is_some_and(|sides| sides.contains(&remote.side));
                // A copy of what was called off later may stay.
                let never = here.is_some_and(|event| !takes_place(event));
                control.check(Law::I01, there.is_none() || made_there || never, || {
                    format!("{uid} is outside the window and on side {}", remote.side)
                });
                continue;
            }
            let (here, there) =
                (here.map(|event| form(remote, event)), there.map(|event| form(remote, event)));
            if let (Some(here), Some(there)) = (&here, &there) {
                let time = |event: &Event| event.master.as_ref().map(|body| body.time.clone());
                control.check(Law::I17, time(here) == time(there), || format!("{uid} is at two times"));
                let keys = |event: &Event| event.overrides.keys().copied().collect::<Vec<_>>();
                if here.is_series() || there.is_series() {
                    control.check(Law::I16, here.rules == there.rules && keys(here) == keys(there), || {
                        format!("{uid} has other instances on side {}", remote.side)
                    });
                }
            }
            control.check(Law::I01, here == there, || {
                let show = |event: &Option<Event>| {
                    event.as_ref().map(|event| serde_json::to_string(event).unwrap_or_default())
                };
                format!("{uid} differs on side {}: {:?} and {:?}", remote.side, show(&here), show(&there))
            });
        }
        if !bad.is_empty() {
            control.checked(Law::I20);
            for uid in &bad {
                let deleted = book.deleted_elsewhere(uid, 200);
                let was_here = book.garbled.contains(uid);
                control.check(Law::I20, deleted || !was_here || hub.contains_key(uid), || {
                    format!("{uid} cannot be read on side {} and is gone here", remote.side)
                });
            }
        }
    }
}

/// An event that came to one source by itself and was deleted in another may as well have moved there: it is away from where
/// it was deleted, and stays elsewhere.
fn may_have_moved(world: &World, book: &Book, uid: &str, side: Side) -> bool {
    world.remotes.len() > 1
        && book.created.get(uid).is_some_and(|sides| sides.len() > 1)
        && book.deleted.contains(&(uid.to_owned(), side))
}

/// I33: the feed says what the rows say, without a gap.
pub(crate) fn everything_told(world: &World) {
    let (control, store) = (&world.control, &world.people.store);
    let calendar = CalendarId::from(CALENDAR);
    let Ok(page) = wait(store.feed(&calendar, EventSeq::default(), usize::MAX)) else { return };
    control.check(Law::I33, page.goes_on_after(EventSeq::default()), || "the feed has a gap".to_owned());
    let (mut events, mut conflicts, mut links) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut last = Revision::default();
    for entry in page.entries {
        match entry.what {
            Happened::EventPut { event, revision, .. } => {
                control.check(Law::I33, revision.0 == last.0 + 1, || format!("{revision:?} after {last:?}"));
                (last, _) = (revision, events.insert(event, (revision, false)));
            }
            Happened::EventDeleted { event, revision, .. } => {
                control.check(Law::I33, revision.0 == last.0 + 1, || format!("{revision:?} after {last:?}"));
                (last, _) = (revision, events.insert(event, (revision, true)));
            }
            Happened::Conflict { conflict, state, .. } => {
                conflicts.insert(conflict, state);
            }
            Happened::Link { link, health } => {
                links.insert(link, health);
            }
            _ => {}
        }
    }
    let there = wait(store.events_since(&calendar, Revision::default(), usize::MAX)).unwrap_or_default();
    for record in there {
        let told = events.get(&record.id) == Some(&(record.revision, record.deleted.is_some()));
        control.check(Law::I33, told, || format!("{} of {:?} is not told", record.id, record.revision));
    }
    for link in &world.links {
        for conflict in wait(world.people.hub.conflicts(&link.id)).unwrap_or_default() {
            let told = conflicts.get(&conflict.id) == Some(&conflict.state);
            control.check(Law::I33, told, || format!("a conflict is {:?} and not told", conflict.state));
        }
        if let (Ok(Some(state)), Some(told)) = (wait(store.link(&link.id)), links.get(&link.id)) {
            let same = std::mem::discriminant(told) == std::mem::discriminant(&state.health);
            control.check(Law::I33, same, || format!("a link is {:?} and not told", state.health));
        }
    }
}

/// The sides a change made on one side has to reach.
fn reached(world: &World, from: Side) -> BTreeSet<Side> {
    let mut reached = BTreeSet::from([from]);
    if let Some(remote) = from.checked_sub(1).and_then(|link| world.remotes.get(usize::from(link))) {
        if remote.setup.direction == Direction::Export {
            return reached;
        }
        reached.insert(0);
    }
    for remote in &world.remotes {
        if remote.setup.direction != Direction::Import {
            reached.insert(remote.side);
        }
    }
    reached
}

/// I04, I05, I09, I14: at the end, everything is where it belongs or in a conflict record.
pub(crate) fn nothing_lost(world: &World) {
    let control = &world.control;
    let sides: Vec<BTreeMap<String, Event>> =
        (0..=world.remotes.len()).map(|number| side(world, Side::try_from(number).unwrap_or(0))).collect();
    let bad: BTreeSet<String> = world.remotes.iter().flat_map(|remote| garbled(remote)).collect();
    let book = world.people.book();
    let one_way = world.remotes.iter().any(|remote| remote.setup.direction != Direction::TwoWay);
    for (uid, by) in &book.created {
        if bad.contains(uid) {
            continue;
        }
        let deleters: Vec<Side> =
            (0..).take(sides.len()).filter(|side| book.deleted.contains(&(uid.clone(), *side))).collect();
        if deleters.is_empty() {
            for from in by {
                for to in reached(world, *from) {
                    let hub = sides.first().and_then(|hub| hub.get(uid));
                    if to.checked_sub(1).is_some_and(|link| {
                        world.remotes.get(usize::from(link)).is_some_and(|remote| !is_copied(remote, hub))
                    }) {
                        continue;
                    }
                    control.check(Law::I04, sides[usize::from(to)].contains_key(uid), || {
                        format!("nobody deleted {uid}, made on side {from}, and it is not on side {to}")
                    });
                }
            }
        }
        // A server that rewrites what it is sent and does not say so cannot be told from somebody who edits.
        let rewritten = world.remotes.iter().any(|remote| remote.setup.rewrites);
        if one_way || rewritten || deleters.is_empty() || book.odd.contains(uid) || by.len() > 1 {
            continue;
        }
        let touched = |side: Side| by.contains(&side) || book.edited.contains(&(uid.clone(), side));
        // Whoever deletes what nobody else ever wrote to gets what he wanted.
        let alone = match deleters[..] {
            [one] => (0..).take(sides.len()).all(|side| side == one || !touched(side)),
            _ => !book.edited.iter().any(|(edited, _)| edited == uid),
        };
        if alone {
            let back = sides.iter().any(|side| side.contains_key(uid));
            control.check(Law::I14, !back, || format!("{uid} was deleted on {deleters:?} and came back"));
        }
    }
    let mut found: Vec<BTreeSet<usize>> = Vec::new();
    for side in &sides {
        let mut all = Vec::new();
        side.values().for_each(|event| values(event, &mut all));
        found.push(all.into_iter().collect());
    }
    let recorded = recorded(world);
    for (number, value) in book.values.iter().enumerate() {
        if value.replaced || bad.contains(&value.uid) || exempt(world, value, &book.deleted) {
            continue;
        }
        let kept = recorded.contains(&number)
            || reached(world, value.side).into_iter().all(|side| {
                if may_have_moved(world, &book, &value.uid, side) {
                    return true;
                }
                let remote = side.checked_sub(1).and_then(|link| world.remotes.get(usize::from(link)));
                let hub = sides.first().and_then(|hub| hub.get(&value.uid));
                let held = remote.is_none_or(|remote| {
                    is_copied(remote, hub)
                        && (value.part == Part::Any || remote.setup.dialect != Dialect::Graph)
                });
                !held || found[usize::from(side)].contains(&number)
            });
        control.check(Law::I05, kept, || {
            format!("<{number}> of {}, written on side {}, is lost", value.uid, value.side)
        });
    }
}

/// Where one side alone is right, what is done to a copy that people changed or deleted is not promised.
fn exempt(world: &World, value: &Value, deleted: &BTreeSet<(String, Side)>) -> bool {
    world.remotes.iter().any(|remote| {
        let deleted_but = |uid: &str, but: Side| deleted.iter().any(|(other, by)| other == uid && *by != but);
        let gone = |side: Side| deleted.contains(&(value.uid.clone(), side));
        match remote.setup.direction {
            // What it has no field for it cannot have seen either.
            Direction::TwoWay => {
                value.part == Part::Url && remote.setup.dialect == Dialect::Graph && gone(remote.side)
            }
            Direction::Import => value.side != remote.side || deleted_but(&value.uid, remote.side),
            Direction::Export => value.side == remote.side || gone(remote.side),
        }
    })
}

/// Values in conflict records; on the way I09: what the records say won.
fn recorded(world: &World) -> BTreeSet<usize> {
    let mut all = Vec::new();
    for (link, remote) in world.links.iter().zip(&world.remotes) {
        for conflict in wait(world.people.hub.conflicts(&link.id)).unwrap_or_default() {
            for event in conflict.local.iter().chain(&conflict.remote) {
                values(event, &mut all);
            }
            let policy = remote.setup.policy;
            let named = match remote.setup.deletions {
                DeletionPolicy::KeepEdit => false,
                DeletionPolicy::ByConflicts => {
                    matches!(policy, ConflictPolicy::RemoteWins | ConflictPolicy::LocalWins)
                }
                _ => true,
            };
            // Nor is an edit of what the provider has no field for an edit to it.
            let named = named || remote.setup.dialect == Dialect::Graph;
            if conflict.fields.is_empty() && remote.setup.direction == Direction::TwoWay && !named {
                // One of the two is not there: it was deleted, and the one that is there has to have won.
                let won = if conflict.local.is_none() { "(remote)" } else { "(local)" };
                world.control.check(Law::I09, conflict.policy.ends_with(won), || {
                    format!("a deletion won over an edit of {}: {}", conflict.uid, conflict.policy)
                });
            }
        }
    }
    all.into_iter().collect()
}

/// Both sides of the first link, without names that were drawn: what has to be the same however often a worker died.
pub(crate) fn forms(world: &World) -> Vec<String> {
    let mut forms = Vec::new();
    let Some(remote) = world.remotes.first() else { return forms };
    for number in 0..=1 {
        let start = forms.len();
        for (uid, event) in side(world, number) {
            let mut event = form(remote, &event);
            if !uid.starts_with('u') {
                event.uid = "a copy".to_owned();
            }
            forms.push(serde_json::to_string(&event).unwrap_or_default());
        }
        forms[start..].sort_unstable();
        forms.push("--".to_owned());
    }
    forms
}
