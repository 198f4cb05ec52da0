//! A hub, an engine and a virtual clock, for tests of the engine.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use calsync_core::{
    context::{Clock, RandomIds},
    engine::{Engine, Hub},
    model::{CalendarId, Event, EventBody, EventId, EventTime, TimeSpan},
    store::{EventRecord, Store},
};
use chrono::{DateTime, TimeDelta, Utc};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct VirtualClock(AtomicI64);

impl Default for VirtualClock {
    /// Stands at 2026-01-05 12:00 UTC.
    fn default() -> Self {
        Self(AtomicI64::new(1_767_614_400_000))
    }
}

impl VirtualClock {
    /// Moves the clock; back, too.
    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.load(Ordering::Relaxed)).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

/// A store with an engine and a hub on it.
pub struct World {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock of both.
    pub clock: Arc<VirtualClock>,
    /// The engine.
    pub engine: Engine,
    /// The local side.
    pub hub: Hub,
    /// The calendar events are edited in.
    pub calendar: CalendarId,
}

impl World {
    /// A world on a store; ids follow from `seed`.
    pub fn new(store: Arc<dyn Store>, seed: u8) -> Self {
        let clock = Arc::new(VirtualClock::default());
        let ids = Arc::new(RandomIds::from_seed([seed; 32]));
        Self {
            engine: Engine::new(store.clone(), clock.clone(), ids.clone()),
            hub: Hub::new(store.clone(), clock.clone(), ids),
            store,
            clock,
            calendar: CalendarId::from("family"),
        }
    }

    /// The live event with a UID.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    pub async fn local(&self, uid: &str) -> EventRecord {
        let mut found = self.locals().await;
        found.retain(|record| record.event.uid == uid);
        assert_eq!(found.len(), 1, "events with the UID {uid}");
        found.remove(0)
    }

    /// All live events.
    ///
    /// # Panics
    ///
    /// When the store fails.
    pub async fn locals(&self) -> Vec<EventRecord> {
        self.hub.events(&self.calendar).await.expect("the store answers")
    }

    /// The host edits an event.
    ///
    /// # Panics
    ///
    /// When there is no such event, or the store fails.
    pub async fn edit(&self, uid: &str, change: impl FnOnce(&mut Event)) {
        let mut record = self.local(uid).await;
        change(&mut record.event);
        let edited = self.hub.update(&self.calendar, &record.id, record.revision, record.event).await;
        edited.expect("nobody else edits");
    }

    /// The host deletes an event.
    ///
    /// # Panics
    ///
    /// When there is no such event, or the store fails.
    pub async fn delete(&self, uid: &str) {
        let record = self.local(uid).await;
        self.hub.delete(&self.calendar, &record.id, record.revision).await.expect("nobody else edits");
    }

    /// The host adds an event.
    ///
    /// # Panics
    ///
    /// When the store fails.
    pub async fn add(&self, event: Event) -> EventId {
        self.hub.add(&self.calendar, event).await.expect("the store answers")
    }
}

/// An hour's event with a title, at 09:00 UTC on 2026-02-01.
pub fn event(uid: &str, title: &str) -> Event {
    let start = DateTime::from_timestamp(1_769_936_400, 0).unwrap_or_default();
    let time = TimeSpan { start: EventTime::Utc(start), end: EventTime::Utc(start + TimeDelta::hours(1)) };
    Event::single(uid, EventBody { title: Some(title.to_owned()), ..EventBody::new(time) })
}

/// Changes the content of an event's master.
pub fn body(event: &mut Event) -> &mut EventBody {
    event.master.get_or_insert_with(|| {
        let now = EventTime::Utc(DateTime::<Utc>::MIN_UTC);
        EventBody::new(TimeSpan { start: now.clone(), end: now })
    })
}
