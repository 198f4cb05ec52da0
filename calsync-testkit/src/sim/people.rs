//! What people do, on whichever side.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use calsync_core::{
    context::Clock,
    engine::Hub,
    model::{
        CalendarId, Event, EventBody, EventTime, Override, OverrideScope, RecurrenceId, RemoteId, TimeSpan,
    },
    recurrence::{ExpansionLimits, RuleEntry},
    store::{EventRecord, Revision, Store},
    zone::Zone,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    book::{Book, Part, Side, day, moment, noon, text},
    control::Control,
    executor::wait,
    provider::SimRemote,
    script::{Dialect, Edit, Quirk, RemoteKind},
    server::extra,
};
use crate::{
    events::instance,
    world::{VirtualClock, body},
};

pub(crate) struct People {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Hub,
    pub(crate) calendar: CalendarId,
    pub(crate) remotes: Vec<Arc<SimRemote>>,
    pub(crate) control: Arc<Control>,
    pub(crate) book: Arc<Mutex<Book>>,
    pub(crate) clock: Arc<VirtualClock>,
    /// A run was begun: nobody can be sure any more that nothing was copied yet.
    pub(crate) begun: bool,
    /// How often somebody did something.
    pub(crate) acts: u64,
}

/// How series repeat.
const RULES: [&str; 4] =
    ["FREQ=DAILY;COUNT=5", "FREQ=DAILY;COUNT=3", "FREQ=DAILY;COUNT=1", "FREQ=DAILY;INTERVAL=2;COUNT=3"];

/// Where an event was found.
enum Place {
    Hub(Box<EventRecord>),
    Remote(RemoteId),
}

impl People {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn locals(&self) -> Vec<EventRecord> {
        wait(self.hub.events(&self.calendar)).unwrap_or_default()
    }

    fn remote(&self, side: Side) -> Option<&Arc<SimRemote>> {
        self.remotes.get(usize::from(side.checked_sub(1)?))
    }

    /// Somebody does something somewhere.
    pub(crate) fn act(&mut self, side: Side, edit: Edit, pick: u16) {
        self.acts += 1;
        let side = if usize::from(side) > self.remotes.len() { 0 } else { side };
        self.control.count(|stats| stats.edits += 1);
        match edit {
            Edit::Create | Edit::CreateSeries | Edit::CreateAllDay => {
                let uid = self.book().name();
                self.create(side, &uid, edit);
            }
            Edit::CreateBoth => {
                let uid = self.book().name();
                // Where a UID can be used twice, an event that arrives there while it is being copied there is there twice:
                // nothing could prevent it. So it has to be there before anything runs.
                let guarded = self.remotes.iter().all(|remote| remote.setup.dialect == Dialect::CalDav);
                if guarded || !self.begun && self.remotes.len() == 1 {
                    let other = if side == 0 { 1 } else { 0 };
                    self.create(other, &uid, Edit::Create);
                }
                self.create(side, &uid, Edit::Create);
            }
            Edit::Delete => self.delete(side, pick),
            Edit::DeleteMost => self.delete_most(side, pick),
            Edit::BringBack => self.bring_back(pick),
            Edit::Split => self.split(side, pick),
            _ => self.edit(side, edit, pick),
        }
    }

    pub(crate) fn create(&mut self, side: Side, uid: &str, kind: Edit) {
        let value = self.book().value(uid, side, Part::Any);
        let start = noon();
        let time = match kind {
            Edit::CreateAllDay => {
                let first = day(self.book().value(uid, side, Part::Any));
                TimeSpan::all_day(first, first)
            }
            _ => self.hour(uid, start),
        };
        let mut new = Event::single(uid, EventBody { title: Some(text(value)), ..EventBody::new(time) });
        if kind == Edit::CreateSeries {
            let start = instance_start();
            new.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=5")];
            body(&mut new).time = self.hour(uid, start);
        }
        self.control.note(format_args!("side {side} creates {uid} <{value}>"));
        self.book().created.entry(uid.to_owned()).or_default().insert(side);
        self.book().touched.insert(uid.to_owned());
        self.put(side, uid, value, new);
    }

    /// An hour from a moment on, for every other event in a zone of its own.
    fn hour(&self, uid: &str, start: DateTime<Utc>) -> TimeSpan {
        let emulated = self.remotes.iter().any(|remote| remote.setup.remote == RemoteKind::Emulator);
        // The vendors have names of their own for zones: that is for the tests of their maps.
        let in_zone = !emulated && uid.bytes().next_back().is_some_and(|last| last % 2 == 1);
        let at = |instant: DateTime<Utc>| match Zone::from_iana("Europe/Berlin").filter(|_| in_zone) {
            Some(zone) => {
                RecurrenceId::Instant(instant).to_time(&EventTime::zoned(instant.naive_utc(), zone))
            }
            None => EventTime::Utc(instant),
        };
        TimeSpan { start: at(start), end: at(start + TimeDelta::hours(1)) }
    }

    fn put(&self, side: Side, uid: &str, value: usize, mut new: Event) {
        match self.remote(side) {
            None => {
                let _ = wait(self.hub.add(&self.calendar, new));
            }
            Some(remote) => {
                body(&mut new).updated = Some(self.clock.now());
                remote.server().put(&RemoteId::from(format!("r-{uid}")), &format!("X-{value}"), &new);
            }
        }
    }

    fn pick(&self, side: Side, pick: u16) -> Option<(Place, Event)> {
        match self.remote(side) {
            None => {
                let mut all = self.locals();
                let place = usize::from(pick).checked_rem(all.len())?;
                let record = all.swap_remove(place);
                let event = record.event.clone();
                Some((Place::Hub(Box::new(record)), event))
            }
            Some(remote) => {
                let server = remote.server();
                let all: Vec<_> = server
                    .items
                    .iter()
                    .filter(|(_, item)| !item.half_made)
                    .filter_map(|(id, item)| Some((id, item.event.as_ref()?)))
                    .collect();
                let (id, event) = all.get(usize::from(pick).checked_rem(all.len())?)?;
                Some((Place::Remote((*id).clone()), (*event).clone()))
            }
        }
    }

    fn edit(&mut self, side: Side, edit: Edit, pick: u16) {
        // What a provider has no field for cannot be edited there.
        let fieldless = self.remote(side).is_some_and(|remote| remote.setup.dialect == Dialect::Graph);
        let edit = if fieldless && edit == Edit::Url { Edit::Title } else { edit };
        let Some((place, before)) = self.pick(side, pick) else { return };
        let uid = before.uid.clone();
        let mut after = before.clone();
        // What an emulated vendor has no member for nobody writes: who loses it is for the vendor's own tests.
        let emulated = self.remotes.iter().any(|remote| remote.setup.remote == RemoteKind::Emulator);
        let graph = self.remotes.iter().any(|remote| {
            remote.setup.remote == RemoteKind::Emulator && remote.setup.dialect == Dialect::Graph
        });
        // What is called off at Graph cannot be brought back there: see `docs/simulation.md`.
        let day_number = if graph { u8::from(edit == Edit::Exclude) } else { u8::from(pick >= 1 << 15) };
        let edit = if emulated && edit == Edit::Category { Edit::Title } else { edit };
        let part = if edit == Edit::Url { Part::Url } else { Part::Any };
        let at = instance(day_number);
        if emulated && edit == Edit::Instance && after.overrides.get(&at) == Some(&Override::Excluded) {
            // Nobody sees what was called off.
            return;
        }
        let value = match edit {
            Edit::Clear | Edit::Exclude | Edit::Rule => None,
            _ => Some(self.book().value(&uid, side, part)),
        };
        let shown = match value {
            Some(value) if emulated && edit == Edit::Url => {
                Some(format!("https://example.com/{}", text(value)))
            }
            value => value.map(text),
        };
        match edit {
            Edit::Location => body(&mut after).location = shown,
            Edit::Description => body(&mut after).description = shown,
            Edit::Url => body(&mut after).url = shown,
            Edit::Category => body(&mut after).categories.extend(shown),
            Edit::Clear => body(&mut after).location = None,
            Edit::Move if !after.is_series() => {
                let value = value.unwrap_or_default();
                body(&mut after).time = if body(&mut after).time.is_all_day() {
                    TimeSpan::all_day(day(value), day(value))
                } else {
                    self.hour(&uid, moment(value))
                };
            }
            Edit::Instance if after.is_series() => {
                let mut own = match after.overrides.get(&at) {
                    Some(Override::Changed { body, .. }) => body.clone(),
                    // Not a copy of the series: a value in two places is two values to whoever replaces one.
                    // At Graph an instance says all that its series says.
                    _ if graph => {
                        Box::new(EventBody { time: instance_time(day_number), ..body(&mut after).clone() })
                    }
                    _ if emulated => Box::new(EventBody::new(instance_time(day_number))),
                    _ => Box::new(EventBody::new(body(&mut after).time.clone())),
                };
                own.location = shown;
                after.overrides.insert(at, Override::Changed { body: own, scope: OverrideScope::This });
            }
            Edit::Exclude => {
                if after.is_series() {
                    after.overrides.insert(at, Override::Excluded);
                }
            }
            // A vendor that changes a rule does as it likes with what was said of instances: see `docs/simulation.md`.
            Edit::Rule if after.is_series() && !emulated => {
                let rule = RULES[usize::from(pick) / 7 % RULES.len()];
                let limits = ExpansionLimits::default();
                let Ok(changed) = after.with_rules(vec![RuleEntry::read(rule)], &limits) else { return };
                after = changed.event;
            }
            Edit::Rule => return,
            _ => body(&mut after).title = shown,
        }
        if graph {
            follow(&before, &mut after);
        }
        if after == before {
            return;
        }
        self.control.note(format_args!("side {side} edits {uid} {edit:?} {value:?}"));
        self.book().touched.insert(uid.clone());
        self.book().edited.insert((uid, side));
        self.book().replaced(&before, Some(&after));
        self.write(side, place, after);
    }

    /// The second half has a title of its own, and says nothing of its instances.
    fn split(&mut self, side: Side, pick: u16) {
        let Some((place, before)) = self.pick(side, pick) else { return };
        let emulated = self.remotes.iter().any(|remote| remote.setup.remote == RemoteKind::Emulator);
        let uid = self.book().name();
        let at = instance(1 + u8::from(pick >= 1 << 15));
        let halves = before.split_at(at, &uid, &ExpansionLimits::default());
        let (false, Ok((head, mut tail))) = (emulated, halves) else { return };
        let value = self.book().value(&uid, side, Part::Any);
        let time = body(&mut tail).time.clone();
        tail.master = Some(EventBody { title: Some(text(value)), ..EventBody::new(time) });
        tail.overrides.clear();
        self.control.note(format_args!("side {side} splits {}: {uid} <{value}>", before.uid));
        self.book().created.entry(uid.clone()).or_default().insert(side);
        self.book().edited.insert((before.uid.clone(), side));
        self.book().touched.insert(before.uid.clone());
        self.book().replaced(&before, Some(&head));
        self.write(side, place, head);
        self.put(side, &uid, value, tail);
    }

    fn write(&self, side: Side, place: Place, mut after: Event) {
        match (place, self.remote(side)) {
            (Place::Hub(record), _) => {
                let _ = wait(self.hub.update(&self.calendar, &record.id, record.revision, after));
            }
            (Place::Remote(id), Some(remote)) => {
                body(&mut after).updated = Some(self.clock.now());
                let mut server = remote.server();
                let kept =
                    server.items.get(&id).map(|item| extra(&item.payload).to_owned()).unwrap_or_default();
                server.put(&id, &kept, &after);
            }
            (Place::Remote(_), None) => {}
        }
    }

    fn delete(&mut self, side: Side, pick: u16) {
        let Some((place, before)) = self.pick(side, pick) else { return };
        self.control.note(format_args!("side {side} deletes {}", before.uid));
        self.book().deleted.insert((before.uid.clone(), side));
        self.book().touched.insert(before.uid.clone());
        self.book().replaced(&before, None);
        match (place, self.remote(side)) {
            (Place::Hub(record), _) => {
                let _ = wait(self.hub.delete(&self.calendar, &record.id, record.revision));
            }
            (Place::Remote(id), Some(remote)) => remote.server().remove(&id),
            (Place::Remote(_), None) => {}
        }
    }

    fn delete_most(&mut self, side: Side, pick: u16) {
        let spared = usize::from(pick % 2);
        let all = match self.remote(side) {
            None => self.locals().len(),
            Some(remote) => remote.server().items.len(),
        };
        for _ in spared..all {
            self.delete(side, pick);
        }
    }

    /// The host brings back an event that was deleted, with another title.
    fn bring_back(&mut self, pick: u16) {
        let all =
            wait(self.store.events_since(&self.calendar, Revision::default(), 1000)).unwrap_or_default();
        // Of two rows under one UID, bringing back one beside the other would be the host's own duplicate.
        // Nor is one brought back that came to two sides by itself and may never have been joined.
        let alone = |record: &&EventRecord| {
            record.deleted.is_some()
                && all.iter().filter(|other| other.event.uid == record.event.uid).count() == 1
                && self.book().created.get(&record.event.uid).is_none_or(|sides| sides.len() == 1)
        };
        let gone: Vec<&EventRecord> = all.iter().filter(alone).collect();
        let Some(record) = usize::from(pick).checked_rem(gone.len()).and_then(|place| gone.get(place)) else {
            return;
        };
        let mut event = record.event.clone();
        let value = self.book().value(&event.uid, 0, Part::Any);
        body(&mut event).title = Some(text(value));
        self.control.note(format_args!("side 0 brings back {} <{value}>", event.uid));
        self.book().odd.insert(event.uid.clone());
        self.book().touched.insert(event.uid.clone());
        let _ = wait(self.hub.update(&self.calendar, &record.id, record.revision, event));
    }

    /// A server does what servers do.
    pub(crate) fn quirk(&mut self, link: u8, quirk: Quirk, pick: u16) {
        let side = link + 1;
        let Some(remote) = self.remote(side).cloned() else { return };
        self.control.note(format_args!("side {side}: {quirk:?}"));
        if quirk == Quirk::ForgetCursors {
            remote.server().forget_tokens();
            return;
        }
        if quirk == Quirk::Mend {
            self.mend(&remote);
            return;
        }
        let Some((Place::Remote(id), mut event)) = self.pick(side, pick) else { return };
        if quirk == Quirk::Garble && !self.can_garble(side, &event.uid) {
            return;
        }
        self.book().touched.insert(event.uid.clone());
        let mut server = remote.server();
        let kept = server.items.get(&id).map(|item| extra(&item.payload).to_owned()).unwrap_or_default();
        match quirk {
            Quirk::Touch => {
                body(&mut event).sequence += 1;
                server.put(&id, &kept, &event);
            }
            // Elsewhere an item keeps its name for life.
            Quirk::Rename if !matches!(remote.setup.dialect, Dialect::CalDav | Dialect::Feed) => {}
            Quirk::Rename => {
                self.book().odd.insert(event.uid.clone());
                server.remove(&id);
                server.put(&RemoteId::from(format!("{id}x")), &kept, &event);
                server.renamed = server.tick;
            }
            _ => {
                if self.locals().iter().any(|record| record.event.uid == event.uid) {
                    self.book().garbled.insert(event.uid.clone());
                }
                server.garble(&id);
            }
        }
    }

    /// What is gone under its old name and unreadable under the new one is gone, for all anybody can tell; and what was
    /// never read cannot be known to be the event that is here already.
    fn can_garble(&self, side: Side, uid: &str) -> bool {
        let book = self.book();
        let only_there = book.created.get(uid).is_some_and(|sides| sides.len() == 1 && sides.contains(&side));
        only_there && !book.odd.contains(uid)
    }

    /// What could not be read can be read again.
    pub(crate) fn mend(&self, remote: &SimRemote) {
        remote.server().mend();
    }
}

/// What an instance says as its series said it follows the series: whoever edits all instances edits these as well.
fn follow(before: &Event, after: &mut Event) {
    let (Some(old), Some(new)) = (&before.master, &after.master) else { return };
    for value in after.overrides.values_mut() {
        let Override::Changed { body, .. } = value else { continue };
        let parts: [fn(&EventBody) -> &Option<String>; 4] =
            [|body| &body.title, |body| &body.location, |body| &body.description, |body| &body.url];
        let [title, location, description, url] =
            parts.map(|part| part(body) == part(old)).map(|follows| follows && old != new);
        for (follows, part, from) in [
            (title, &mut body.title, &new.title),
            (location, &mut body.location, &new.location),
            (description, &mut body.description, &new.description),
            (url, &mut body.url, &new.url),
        ] {
            if follows {
                part.clone_from(from);
            }
        }
    }
}

/// When an instance takes place by its series.
fn instance_time(day: u8) -> TimeSpan {
    let start = instance_start() + TimeDelta::days(i64::from(day));
    TimeSpan { start: EventTime::Utc(start), end: EventTime::Utc(start + TimeDelta::hours(1)) }
}

fn instance_start() -> DateTime<Utc> {
    match instance(0) {
        RecurrenceId::Instant(start) => start,
        _ => noon(),
    }
}
