//! What people do on both sides, and what of it must be found again at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calsync_core::{
    engine::Hub,
    model::{CalendarId, Event, EventBody, LinkId, Override, OverrideScope, RemoteId},
    store::{ConflictRecord, EventRecord, MemoryStore, Record, RecordKind, RecordQuery, Revision, Store},
};
use calsync_testkit::{
    events::{canonical, instance},
    remote::MemoryRemote,
    world::{body, event},
};
use futures_util::FutureExt;

use crate::control::Control;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Local,
    Remote,
}

/// Both sides as people see them, and the record of what they did.
pub(crate) struct People {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) remote: Arc<MemoryRemote>,
    pub(crate) hub: Hub,
    pub(crate) calendar: CalendarId,
    pub(crate) link: LinkId,
    pub(crate) control: Arc<Control>,
    pub(crate) book: Book,
}

/// Every value somebody wrote is written once only, so that it can be told where it went.
#[derive(Default)]
pub(crate) struct Book {
    values: u32,
    /// Who wrote it, and whether somebody who saw it replaced or deleted it.
    written: BTreeMap<String, (String, bool)>,
    created: BTreeSet<(String, Side)>,
    edited: BTreeSet<(String, Side)>,
    deleted: BTreeSet<(String, Side)>,
    renamed: BTreeSet<String>,
    restored: BTreeSet<String>,
    names: u32,
}

pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a memory store does not wait")
}

fn json(event: &Event) -> String {
    serde_json::to_string(&canonical(event)).expect("events are serialisable")
}

/// The values in a text: `<17>`.
fn values(text: &str) -> BTreeSet<String> {
    text.split('<').skip(1).filter_map(|rest| Some(rest.split_once('>')?.0.to_owned())).collect()
}

impl People {
    pub(crate) fn locals(&self) -> Vec<EventRecord> {
        now(self.hub.events(&self.calendar)).expect("a memory store answers")
    }

    fn remotes(&self) -> Vec<(RemoteId, Event)> {
        self.remote.items().into_iter().collect()
    }

    pub(crate) fn conflicts(&self) -> Vec<ConflictRecord> {
        let query = RecordQuery {
            kind: RecordKind::Conflict,
            link: &self.link,
            event: None,
            run: None,
            after: None,
            limit: 100_000,
        };
        let records = now(self.store.records(query)).expect("a memory store answers");
        records
            .into_iter()
            .filter_map(|record| match record {
                Record::Conflict(conflict) => Some(*conflict),
                _ => None,
            })
            .collect()
    }

    /// Somebody does something somewhere.
    pub(crate) fn act(&mut self) {
        let (what, side) = self.control.rng(|rng| (rng.below(100), rng.below(2)));
        let side = if side == 0 { Side::Local } else { Side::Remote };
        match what {
            0..=19 => {
                let uid = self.name();
                let new = self.fresh(&uid);
                self.create(side, new);
            }
            20..=24 => {
                let uid = self.name();
                let (here, there) = (self.fresh(&uid), self.fresh(&uid));
                self.create(Side::Local, here);
                self.create(Side::Remote, there);
            }
            25..=79 => self.edit(side),
            80..=91 => self.delete(side),
            92..=93 => self.rename(),
            94..=95 => self.touch(),
            96..=97 => self.bring_back(),
            _ => {
                self.control.note("cursors are forgotten");
                self.remote.forget_cursors();
            }
        }
    }

    fn name(&mut self) -> String {
        self.book.names += 1;
        format!("u{}", self.book.names)
    }

    fn value(&mut self, uid: &str) -> String {
        self.book.values += 1;
        let value = self.book.values.to_string();
        self.book.written.insert(value.clone(), (uid.to_owned(), false));
        format!("<{value}>")
    }

    fn fresh(&mut self, uid: &str) -> Event {
        let title = self.value(uid);
        let mut new = event(uid, &title);
        if self.control.rng(|rng| rng.per_mille(300)) {
            new.rules = vec![calsync_core::recurrence::RuleEntry::read("FREQ=DAILY;COUNT=5")];
        }
        new
    }

    pub(crate) fn create(&mut self, side: Side, new: Event) {
        self.control.note(&format!("{side:?} creates {}", new.uid));
        self.book.created.insert((new.uid.clone(), side));
        match side {
            Side::Local => {
                now(self.hub.add(&self.calendar, new)).expect("a memory store answers");
            }
            Side::Remote => self.remote.put(&format!("r-{}", new.uid), &new),
        }
    }

    fn pick(&self, side: Side) -> Option<(Result<EventRecord, RemoteId>, Event)> {
        match side {
            Side::Local => {
                let mut all = self.locals();
                let place = self.control.rng(|rng| rng.below(all.len()));
                (!all.is_empty()).then(|| all.swap_remove(place)).map(|record| {
                    let event = record.event.clone();
                    (Ok(record), event)
                })
            }
            Side::Remote => {
                let mut all = self.remotes();
                let place = self.control.rng(|rng| rng.below(all.len()));
                (!all.is_empty()).then(|| all.swap_remove(place)).map(|(id, event)| (Err(id), event))
            }
        }
    }

    pub(crate) fn edit(&mut self, side: Side) {
        let Some((key, before)) = self.pick(side) else { return };
        let mut after = before.clone();
        let value = self.value(&before.uid);
        let part = self.control.rng(|rng| rng.below(8));
        let day = instance(u8::from(part.is_multiple_of(2)));
        match part {
            0..=1 => body(&mut after).title = Some(value.clone()),
            2 => body(&mut after).location = Some(value.clone()),
            3 => body(&mut after).description = Some(value.clone()),
            4 => {
                body(&mut after).categories.insert(value.clone());
            }
            5..=6 if after.is_series() => {
                let mut own = match after.overrides.get(&day) {
                    Some(Override::Changed { body, .. }) => body.clone(),
                    // Not a copy of the series: a value in two places is two values to whoever replaces one.
                    _ => Box::new(EventBody::new(body(&mut after).time.clone())),
                };
                own.location = Some(value.clone());
                after.overrides.insert(day, Override::Changed { body: own, scope: OverrideScope::This });
            }
            7 if after.is_series() => {
                body(&mut after).url = Some(value.clone());
                after.overrides.insert(day, Override::Excluded);
            }
            _ => body(&mut after).url = Some(value.clone()),
        }
        self.control.note(&format!("{side:?} edits {} {part} {value}", before.uid));
        self.book.edited.insert((before.uid.clone(), side));
        self.replaced(&json(&before), &json(&after));
        match key {
            Ok(record) => {
                now(self.hub.update(&self.calendar, &record.id, record.revision, after))
                    .expect("nobody else edits");
            }
            Err(id) => self.remote.put(id.as_str(), &after),
        }
    }

    pub(crate) fn delete(&mut self, side: Side) {
        let Some((key, before)) = self.pick(side) else { return };
        self.control.note(&format!("{side:?} deletes {}", before.uid));
        self.book.deleted.insert((before.uid.clone(), side));
        self.replaced(&json(&before), "");
        match key {
            Ok(record) => {
                now(self.hub.delete(&self.calendar, &record.id, record.revision)).expect("nobody else edits");
            }
            Err(id) => self.remote.remove(id.as_str()),
        }
    }

    /// The host brings back an event that was deleted, with another title.
    fn bring_back(&mut self) {
        let all = now(self.store.events_since(&self.calendar, Revision::default(), 1000));
        let mut all = all.expect("a memory store answers");
        // Of two rows under one UID, bringing back one beside the other would be the host's own duplicate.
        let mut rows = BTreeMap::<String, u32>::new();
        for record in &all {
            *rows.entry(record.event.uid.clone()).or_default() += 1;
        }
        all.retain(|record| record.deleted.is_some() && rows[&record.event.uid] == 1);
        let place = self.control.rng(|rng| rng.below(all.len()));
        let Some(record) = all.get(place) else { return };
        let mut event = record.event.clone();
        let value = self.value(&event.uid);
        body(&mut event).title = Some(value.clone());
        self.control.note(&format!("Local brings back {} {value}", event.uid));
        self.book.restored.insert(event.uid.clone());
        now(self.hub.update(&self.calendar, &record.id, record.revision, event)).expect("nobody else edits");
    }

    /// The item gets another name on the remote side.
    fn rename(&mut self) {
        let Some((Err(id), event)) = self.pick(Side::Remote) else { return };
        self.control.note(&format!("Remote renames {id}"));
        self.book.renamed.insert(event.uid.clone());
        self.remote.remove(id.as_str());
        self.remote.put(&format!("{id}x"), &event);
    }

    /// The item gets a new version with the same content.
    fn touch(&mut self) {
        let Some((Err(id), mut event)) = self.pick(Side::Remote) else { return };
        self.control.note(&format!("Remote touches {id}"));
        body(&mut event).sequence += 1;
        self.remote.put(id.as_str(), &event);
    }

    fn replaced(&mut self, before: &str, after: &str) {
        let left = values(after);
        for value in values(before).difference(&left) {
            if let Some((_, replaced)) = self.book.written.get_mut(value) {
                *replaced = true;
            }
        }
    }

    /// I03: never two of the same, at no time.
    pub(crate) fn check_no_duplicates(&self) {
        for (side, uids) in [
            (Side::Local, self.locals().into_iter().map(|record| record.event.uid).collect::<Vec<_>>()),
            (Side::Remote, self.remotes().into_iter().map(|(_, event)| event.uid).collect()),
        ] {
            let mut seen = BTreeSet::new();
            for uid in uids {
                if !seen.insert(uid.clone()) {
                    self.control.violation(format!("I03: {uid} is there twice on the {side:?} side"));
                }
            }
        }
    }

    /// What each side holds, as text.
    pub(crate) fn sides(&self) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        (
            self.locals().into_iter().map(|record| (record.event.uid.clone(), json(&record.event))).collect(),
            self.remotes().into_iter().map(|(_, event)| (event.uid.clone(), json(&event))).collect(),
        )
    }

    /// I04, I05, I06, I08: at the end, everything is where it belongs or in a conflict record.
    pub(crate) fn check_nothing_lost(&self) {
        let (local, remote) = self.sides();
        let uids: BTreeSet<&String> = self.book.created.iter().map(|(uid, _)| uid).collect();
        let deleted = |uid: &str, side| self.book.deleted.contains(&(uid.to_owned(), side));
        for uid in uids {
            let there = (local.contains_key(uid), remote.contains_key(uid));
            let by = (deleted(uid, Side::Local), deleted(uid, Side::Remote));
            if by == (false, false) && there != (true, true) {
                self.control.violation(format!("I04: nobody deleted {uid}, and it is {there:?}"));
            }
            let touched = |side| {
                let key = (uid.clone(), side);
                self.book.edited.contains(&key) || self.book.created.contains(&key)
            };
            // Whoever deletes what nobody else ever wrote to gets what he wanted.
            let only = match by {
                (true, false) => !touched(Side::Remote),
                (false, true) => !touched(Side::Local),
                (true, true) => true,
                (false, false) => false,
            } && !self.book.renamed.contains(uid)
                && !self.book.restored.contains(uid);
            let restored = by == (true, true) && self.book.edited.iter().any(|(edited, _)| edited == uid);
            if only
                && !restored
                && (there.0 || there.1)
                && self.book.created.iter().filter(|(u, _)| u == uid).count() == 1
            {
                self.control.violation(format!("I14: {uid} was deleted {by:?} and came back {there:?}"));
            }
        }
        let texts = |sides: &BTreeMap<String, String>| {
            sides.values().flat_map(|text| values(text)).collect::<BTreeSet<String>>()
        };
        let (local, remote) = (texts(&local), texts(&remote));
        let recorded: BTreeSet<String> = self
            .conflicts()
            .iter()
            .flat_map(|conflict| conflict.local.iter().chain(&conflict.remote))
            .flat_map(|event| values(&json(event)))
            .collect();
        for (value, (uid, replaced)) in &self.book.written {
            let kept = local.contains(value) && remote.contains(value) || recorded.contains(value);
            if !replaced && !kept {
                self.control.violation(format!("I05: <{value}> of {uid} is lost"));
            }
        }
    }
}
