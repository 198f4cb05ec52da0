//! A race for slots: whatever the store, and however many workers there are, no slot is booked twice.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use calsync_core::{
    availability::Question,
    booking::{BookingError, Bookings, Counted, Reservation, Terms},
    context::RandomIds,
    model::{CalendarId, Event, EventBody, EventTime, TimeSpan},
    store::{Revision, Store},
    zone::Zone,
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::world::VirtualClock;

/// A race.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// Reservations that are made.
    pub reservations: usize,
    /// Slots there are; they are asked for in turn.
    pub slots: usize,
    /// Workers that make them at once.
    pub workers: usize,
    /// Which times they ask for.
    pub wishes: Wishes,
}

/// Which times are asked for in a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wishes {
    /// The slots, so that in the end each is booked once.
    Slots,
    /// Now and then one that begins a quarter of an hour later, so that two slots are in its way.
    Overlapping,
}

/// How long a booking is.
const SLOT: TimeDelta = TimeDelta::minutes(30);

/// The terms of every worker: a person and a room, and a quarter of an hour to walk.
pub fn terms() -> Terms {
    let start: DateTime<Utc> = "2026-01-06T00:00:00Z".parse().expect("an instant");
    let mut question = Question::new(start..start + TimeDelta::days(30), start, Zone::UTC);
    question.slot = SLOT;
    question.buffer_after = TimeDelta::minutes(15);
    Terms { calendars: vec![Counted::new("person"), Counted::new("room")], elsewhere: Vec::new(), question }
}

/// A meeting of the length of a slot.
pub fn meeting(uid: &str, start: DateTime<Utc>) -> Event {
    let time = TimeSpan { start: EventTime::Utc(start), end: EventTime::Utc(start + SLOT) };
    Event::single(uid, EventBody::new(time))
}

/// Lets workers race, each on a store of `stores` in turn, which share their rows.
///
/// # Panics
///
/// When a slot is booked twice or not at all, when two bookings touch, or when an answer is not true: seen from the
/// events there are in the end.
pub async fn race(stores: &[Arc<dyn Store>], race: Race) {
    let terms = terms();
    // Three quarters of an hour apart: as close as the time to walk lets them be.
    let starts: Vec<DateTime<Utc>> = (0..race.slots)
        .map(|slot| terms.question.window.start + TimeDelta::minutes(45) * i32::try_from(slot).expect("few"))
        .collect();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for worker in 0..race.workers {
        let (terms, starts, next) = (terms.clone(), starts.clone(), next.clone());
        let store = stores[worker % stores.len()].clone();
        tasks.push(tokio::spawn(async move {
            let seed = u8::try_from(worker).expect("few workers");
            let ids = Arc::new(RandomIds::from_seed([seed; 32]));
            let desk = Bookings::new(store, Arc::new(VirtualClock::default()), ids);
            let mut won = BTreeMap::new();
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                if turn >= race.reservations {
                    return won;
                }
                // Workers ask for the same slot at the same moment.
                let slot = turn * race.slots / race.reservations;
                let late = match race.wishes {
                    Wishes::Overlapping if turn % 7 == 3 => TimeDelta::minutes(15),
                    Wishes::Overlapping | Wishes::Slots => TimeDelta::zero(),
                };
                let start = starts[slot] + late;
                let into = if turn % 2 == 0 { "person" } else { "room" };
                let request = || Reservation::new(into, meeting(&format!("turn-{turn}"), start));
                loop {
                    match desk.reserve(&terms, request()).await {
                        Ok(booked) => {
                            won.insert(booked.id.clone(), booked);
                        }
                        Err(BookingError::Taken) => {}
                        // A caller that is told to come back does.
                        Err(BookingError::Contended) => continue,
                        Err(error) => panic!("turn {turn}: {error}"),
                    }
                    break;
                }
            }
        }));
    }
    let mut answers = BTreeMap::new();
    for task in tasks {
        answers.extend(task.await.expect("a worker ends"));
    }
    let mut events = Vec::new();
    for calendar in ["person", "room"] {
        let calendar = CalendarId::from(calendar);
        for record in stores[0].events_since(&calendar, Revision(0), usize::MAX).await.expect("events") {
            let body = record.event.master.as_ref().expect("a body");
            let start = body.time.start.absolute().expect("an instant");
            let said = answers.remove(&record.id);
            assert_eq!(
                said.map(|booking| (booking.calendar, booking.slot.start)),
                Some((calendar.clone(), start))
            );
            events.push(start);
        }
    }
    assert!(answers.is_empty(), "{} bookings are nowhere", answers.len());
    events.sort_unstable();
    if race.wishes == Wishes::Slots {
        assert_eq!(events, starts, "each slot is booked once");
    }
    let too_close = events.windows(2).filter(|pair| pair[1] - pair[0] < TimeDelta::minutes(45)).count();
    assert_eq!(too_close, 0, "bookings that touch another, or the time to walk after it");
}
