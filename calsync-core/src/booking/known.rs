//! What is known of the calendars of a store: each is read once, and after that only what changed.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{BookingError, Counted, PAGE};
use crate::{
    availability::{BusyIndex, BusyTimes, CalendarTimes},
    model::{CalendarId, EventId},
    store::{EventRecord, Revision, Store},
    zone::Zone,
};

/// What [`Bookings`](super::Bookings) keeps in memory between questions: when events take place, and nothing else of them.
///
/// Nothing depends on it but how long an answer takes: every question reads what changed since the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recall {
    /// Events of all calendars together, some 150 bytes each; a series counts as many as it takes
    /// ([`BusyIndex::weight`]). Beyond that the calendars that were asked for longest ago are
    /// forgotten, and read whole when they are asked for again. Default: 1,000,000. Zero: every question reads them whole.
    pub events: usize,
    /// How long a calendar is followed by its changes before it is read whole again: a store forgets deleted events after
    /// [`Link::keep_deleted`](crate::engine::Link), and then no change says that they are gone. Default: one hour. Zero: every question reads it whole.
    pub lasts: TimeDelta,
}

impl Default for Recall {
    fn default() -> Self {
        Self { events: 1_000_000, lasts: TimeDelta::hours(1) }
    }
}

/// The calendars that were asked for.
#[derive(Default)]
pub(super) struct Known {
    recall: Recall,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    calendars: HashMap<CalendarId, Vec<Place>>,
    questions: u64,
}

struct Place {
    zone: Zone,
    owner: Vec<String>,
    kept: Arc<Mutex<Kept>>,
    asked: u64,
    events: usize,
}

struct Kept {
    index: BusyIndex,
    /// The last changes that are in the index, the oldest first. Where the store has none of them any more, it may have been
    /// restored from a backup: then everything is read anew.
    last: Vec<Anchor>,
    begun: DateTime<Utc>,
}

/// Changes of a calendar that are remembered.
const ANCHORS: usize = 4;

/// A change, told from another one that got its revision in a store that was restored.
#[derive(Clone, PartialEq, Eq)]
struct Anchor {
    revision: Revision,
    id: EventId,
    modified: DateTime<Utc>,
    deleted: Option<DateTime<Utc>>,
}

impl Anchor {
    fn of(record: &EventRecord) -> Self {
        let EventRecord { id, revision, modified, deleted, .. } = record;
        Self { revision: *revision, id: id.clone(), modified: *modified, deleted: *deleted }
    }
}

impl Kept {
    fn new(counted: &Counted, now: DateTime<Utc>) -> Self {
        Self { index: BusyIndex::new(counted.zone.clone(), &counted.owner), last: Vec::new(), begun: now }
    }

    fn take_in(&mut self, page: &[EventRecord]) {
        for record in page {
            match record.deleted {
                None => self.index.put(&record.id, &record.event),
                Some(_) => self.index.remove(&record.id),
            }
        }
        self.last.extend(page[page.len().saturating_sub(ANCHORS)..].iter().map(Anchor::of));
        // What changed again is no anchor, and is in the page once.
        let ids: Vec<EventId> = self.last.iter().map(|anchor| anchor.id.clone()).collect();
        let mut place = 0;
        self.last.retain(|anchor| {
            place += 1;
            !ids[place..].contains(&anchor.id)
        });
        self.last.drain(..self.last.len().saturating_sub(ANCHORS));
    }
}

impl Known {
    pub(super) fn new(recall: Recall) -> Self {
        Self { recall, shelf: Mutex::default() }
    }

    /// The busy times of a calendar as the store has it now, without those of one event.
    pub(super) async fn times(
        &self,
        store: &dyn Store,
        counted: &Counted,
        window: &Range<DateTime<Utc>>,
        now: DateTime<Utc>,
        except: Option<(&CalendarId, &EventId)>,
    ) -> Result<CalendarTimes, BookingError> {
        let except = except.filter(|(calendar, _)| **calendar == counted.calendar).map(|(_, id)| id);
        let kept = self.find(counted, now);
        let busy = self.follow(store, counted, &kept, now, |index| index.busy_times_without(window, except));
        let busy = busy.await?;
        self.tidy(counted, &kept);
        Ok(CalendarTimes {
            calendar: counted.calendar.clone(),
            busy,
            state: counted.state,
            as_of: counted.as_of.or(Some(now)),
            covered: counted.covered.clone(),
        })
    }

    /// Reads what changed, and answers from all of it.
    async fn follow(
        &self,
        store: &dyn Store,
        counted: &Counted,
        kept: &Mutex<Kept>,
        now: DateTime<Utc>,
        answer: impl Fn(&BusyIndex) -> BusyTimes,
    ) -> Result<BusyTimes, BookingError> {
        'anew: loop {
            let mut last = {
                let mut kept = lock(kept);
                if (now - kept.begun).abs() >= self.recall.lasts.max(TimeDelta::nanoseconds(1)) {
                    *kept = Kept::new(counted, now);
                }
                kept.last.clone()
            };
            let mut anchors = last.clone();
            let mut after = anchors.first().map_or(Revision::default(), |first| before(first.revision));
            loop {
                let page = store.events_since(&counted.calendar, after, PAGE).await?;
                let mut kept = lock(kept);
                if kept.last != last {
                    // Somebody else asked meanwhile, and was faster.
                    continue 'anew;
                }
                if !holds(&page, &std::mem::take(&mut anchors)) {
                    // Nothing of this page goes in before that is known: whoever asks next would take it for all.
                    *kept = Kept::new(counted, now);
                    continue 'anew;
                }
                kept.take_in(&page);
                if page.len() < PAGE {
                    return Ok(answer(&kept.index));
                }
                last.clone_from(&kept.last);
                after = last.last().map_or(after, |last| last.revision);
            }
        }
    }

    fn find(&self, counted: &Counted, now: DateTime<Utc>) -> Arc<Mutex<Kept>> {
        if self.recall.events == 0 || self.recall.lasts <= TimeDelta::zero() {
            return Arc::new(Mutex::new(Kept::new(counted, now)));
        }
        let mut shelf = lock(&self.shelf);
        shelf.questions += 1;
        let asked = shelf.questions;
        let places = shelf.calendars.entry(counted.calendar.clone()).or_default();
        let is_it = |place: &&mut Place| place.zone == counted.zone && place.owner == counted.owner;
        if let Some(place) = places.iter_mut().find(is_it) {
            place.asked = asked;
            return place.kept.clone();
        }
        let kept = Arc::new(Mutex::new(Kept::new(counted, now)));
        let (zone, owner) = (counted.zone.clone(), counted.owner.clone());
        places.push(Place { zone, owner, kept: kept.clone(), asked, events: 0 });
        kept
    }

    /// Forgets what is too much.
    fn tidy(&self, counted: &Counted, kept: &Arc<Mutex<Kept>>) {
        let events = lock(kept).index.weight();
        let mut shelf = lock(&self.shelf);
        let places = shelf.calendars.get_mut(&counted.calendar).into_iter().flatten();
        for place in places.filter(|place| Arc::ptr_eq(&place.kept, kept)) {
            // One that is empty is kept as well, and takes something.
            place.events = events.max(1);
        }
        let mut total: usize = shelf.calendars.values().flatten().map(|place| place.events).sum();
        while total > self.recall.events {
            let Some(oldest) = shelf.calendars.values().flatten().map(|place| place.asked).min() else {
                return;
            };
            for places in shelf.calendars.values_mut() {
                places.retain(|place| place.asked != oldest);
            }
            shelf.calendars.retain(|_, places| !places.is_empty());
            total = shelf.calendars.values().flatten().map(|place| place.events).sum();
        }
    }
}

/// Whether a store still has the changes that are in an index: the last of them that did not change again is as it was.
fn holds(page: &[EventRecord], anchors: &[Anchor]) -> bool {
    for anchor in anchors.iter().rev() {
        match page.iter().find(|record| record.id == anchor.id) {
            Some(record) if Anchor::of(record) == *anchor => return true,
            Some(record) if record.revision > anchor.revision => {}
            _ => return false,
        }
    }
    anchors.is_empty()
}

fn before(revision: Revision) -> Revision {
    Revision(revision.0.saturating_sub(1))
}

/// Whoever panicked while holding it left an index that is behind, not one that is wrong.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
