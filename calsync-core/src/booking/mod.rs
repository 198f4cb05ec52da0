//! Bookings: a slot that is free on several calendars is taken, and its event written, in one commit.
//!
//! In: the [`Terms`] slots are offered under, and a [`Reservation`]. Out: a [`Booking`], or a [`BookingError`] that says
//! whether the slot is taken or was never on offer. Of two reservations whose times touch on any calendar one wins,
//! whoever makes them, wherever their processes are.
//!
//! What keeps them apart are rows beside the events: one for each calendar and four hours. A reservation reads the rows of
//! its time, then the calendars, and its commit expects the rows to be as they were. Two that touch share a row; two
//! that do not, mostly share none, and where they do the later one looks again. The rows also hold what events cannot
//! say: the time a booking keeps free around itself, a [`Hold`], and a booking on a calendar its event is not written to.
//!
//! Reservations exclude each other. An event that somebody adds, or a sync brings in, is seen when it is there before the
//! reservation looks, and overlaps it when it comes later, as it would a minute later.

mod counted;
mod elsewhere;
mod error;
mod known;
mod rows;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

pub use counted::Counted;
pub use elsewhere::busy_elsewhere;
pub use error::BookingError;

use crate::{
    availability::{Answer, CalendarState, CalendarTimes, Question, answer},
    context::{Clock, IdSource},
    model::{CalendarId, Event, EventId},
    store::{Batch, Doc, DocQuery, EventRecord, Expectation, Store, StoreErrorKind, Write},
};
use known::Known;
pub use known::Recall;
use rows::{By, Entry, Rows, SPACE, is_booked};

/// Rows that one reservation may touch: one for each calendar and begun four hours, buffers included. Every store takes
/// that many in one batch.
pub const ROWS_MAX: usize = 80;

/// How often a reservation looks again after others were faster, before it gives up with [`BookingError::Contended`].
/// Each time somebody else got something.
pub const ATTEMPTS: usize = 256;

/// Rows and events read at once.
const PAGE: usize = 500;

/// Calendars read at once.
const AT_ONCE: usize = 8;

/// What slots are offered under: the same for who asks and for who books.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The calendars that have to be free, all of them.
    pub calendars: Vec<Counted>,
    /// Calendars that have to be free as well and are not in the store, as they were when somebody asked: see
    /// [`busy_elsewhere`]. Nothing keeps two bookings apart on them.
    pub elsewhere: Vec<CalendarTimes>,
    /// The rules. Its window says between which instants anything is offered at all, its slot how long a booking is, its
    /// buffers what is kept free around it; its `now` and `kept_free` are set by [`Bookings`].
    pub question: Question,
}

/// What is to be booked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reservation {
    /// The calendar its event is written to. It has to be one of those of the terms.
    pub into: CalendarId,
    /// The event: a single one that takes time, with a start and an end that are instants on some clock. They are the
    /// slot.
    pub event: Event,
    /// The id of the event, when the caller has one: a reservation that is sent again under the same id is the same
    /// booking. Default: a fresh one.
    pub id: Option<EventId>,
    /// The hold that kept the slot for this. Default: none. One that ran out, or is of another slot, keeps nothing.
    pub hold: Option<HoldId>,
    /// The booking this one takes the place of: the event keeps its id and gets this content and time, and the time it
    /// had does not stand in its way. Default: none.
    pub replaces: Option<EventId>,
}

impl Reservation {
    /// A reservation of the time of an event.
    pub fn new(into: impl Into<CalendarId>, event: Event) -> Self {
        Self { into: into.into(), event, id: None, hold: None, replaces: None }
    }
}

/// A slot that was booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// The calendar of its event.
    pub calendar: CalendarId,
    /// Its event.
    pub id: EventId,
    /// When.
    pub slot: Range<DateTime<Utc>>,
}

/// Names a hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub String);

/// A slot that is kept for somebody who has not decided yet. There is no event for it, so that nothing of it leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id, for [`Reservation::hold`].
    pub id: HoldId,
    /// The slot.
    pub slot: Range<DateTime<Utc>>,
    /// Until when it is kept, by the clock of whoever asks.
    pub until: DateTime<Utc>,
    rows: Vec<String>,
}

/// Books slots on calendars of a store.
#[derive(Clone)]
pub struct Bookings {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    known: Arc<Known>,
}

/// What is asked for: the instants, and who asks.
struct Wish<'a> {
    slot: Range<DateTime<Utc>>,
    /// The slot and what is kept free around it.
    kept: Range<DateTime<Utc>>,
    hold: Option<&'a HoldId>,
    replaces: Option<(&'a CalendarId, &'a EventId)>,
}

impl<'a> Wish<'a> {
    fn new(slot: Range<DateTime<Utc>>, question: &Question) -> Self {
        let around = Question { window: slot.clone(), ..question.clone() };
        Self { kept: around.busy_window(), slot, hold: None, replaces: None }
    }

    /// Whether an entry belongs to whoever asks.
    fn owns(&self, entry: &Entry) -> bool {
        match &entry.by {
            By::Hold { hold, .. } => self.hold == Some(hold),
            By::Event { calendar, event } => self.replaces == Some((calendar, event)),
        }
    }
}

/// What is written beside the rows.
enum More {
    /// Nothing.
    Nothing,
    /// An event, as it is expected to be.
    Event(Expectation, Write),
    /// Nothing, the rows neither: it was done before.
    Done,
}

/// The rows a wish touches, and what is booked or held in them.
struct Desk {
    rows: BTreeMap<String, (Option<u64>, Vec<Entry>)>,
}

impl Bookings {
    /// Bookings on the host's store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { store, clock, ids, known: Arc::default() }
    }

    /// Sets how much is kept in memory between questions. Clones made before keep what they have.
    #[must_use]
    pub fn with_recall(mut self, recall: Recall) -> Self {
        self.known = Arc::new(Known::new(recall));
        self
    }

    /// When a slot is free: what [`reserve`](Self::reserve) would take now.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn free(&self, terms: &Terms) -> Result<Answer, BookingError> {
        let mut question = terms.question.clone();
        question.now = self.clock.now();
        let reach = question.busy_window();
        let mut found = Vec::new();
        for counted in &terms.calendars {
            let (mut after, last) = Rows::range(&counted.calendar, &reach);
            loop {
                let query = DocQuery::Page { after: Some(&after), limit: PAGE };
                let page = self.store.docs(SPACE, query).await?;
                let is_full = page.len() == PAGE;
                let mut inside = page.into_iter().take_while(|doc| doc.key <= last).peekable();
                if inside.peek().is_none() {
                    break;
                }
                for doc in inside {
                    found.extend(rows::read(&doc)?);
                    after = doc.key;
                }
                if !is_full {
                    break;
                }
            }
        }
        let live = self.live(found, question.now).await?;
        let mut calendars = self.times(&terms.calendars, &reach, question.now, None).await?;
        calendars.extend(terms.elsewhere.iter().cloned());
        take_in(&mut calendars, &mut question, &live);
        Ok(answer(&calendars, &question))
    }

    /// Books a slot: the event is written when every calendar of the terms is free then, and the slot is one that
    /// [`free`](Self::free) would offer.
    ///
    /// # Errors
    ///
    /// [`BookingError::Taken`] and [`BookingError::NotOffered`] are answers; see the others there.
    pub async fn reserve(&self, terms: &Terms, request: Reservation) -> Result<Booking, BookingError> {
        let slot = slot_of(&request.event)?;
        if !terms.calendars.iter().any(|counted| counted.calendar == request.into) {
            return Err(BookingError::Invalid(
                "the calendar of the event is none of those that have to be free",
            ));
        }
        let mut wish = Wish::new(slot.clone(), &terms.question);
        wish.hold = request.hold.as_ref();
        wish.replaces = request.replaces.as_ref().map(|id| (&request.into, id));
        let id = match (&request.replaces, &request.id) {
            (Some(id), _) | (None, Some(id)) => id.clone(),
            (None, None) => EventId::from(self.ids.fresh()),
        };
        let booking = Booking { calendar: request.into.clone(), id: id.clone(), slot };
        let by = By::Event { calendar: request.into.clone(), event: id.clone() };
        let more = |record: Option<&EventRecord>, now: DateTime<Utc>| {
            let live = record.filter(|record| record.deleted.is_none());
            match (live, record, &request.replaces) {
                (None, _, Some(_)) => return Err(BookingError::Unknown),
                // The same reservation, sent again. One that was cancelled meanwhile is not booked again by it.
                (Some(live), _, None) if is_booked(&live.event, &booking.slot) => return Ok(More::Done),
                (_, Some(_), None) => return Err(BookingError::IdTaken),
                (Some(_), _, Some(_)) | (_, None, None) => {}
            }
            let expect = Expectation::Event {
                calendar: request.into.clone(),
                id: id.clone(),
                revision: record.map(|record| record.revision),
            };
            let write = Write::PutEvent {
                calendar: request.into.clone(),
                id: id.clone(),
                event: Box::new(request.event.clone()),
                at: now,
            };
            Ok(More::Event(expect, write))
        };
        let known_id = (request.replaces.is_some() || request.id.is_some()).then_some((&request.into, &id));
        match self.take(terms, &wish, &by, known_id, more).await {
            Err(BookingError::Store(error)) if may_be_written(&error.kind) => {
                // The answer was lost: whether it was written, the event tells.
                let found = self.store.events(&booking.calendar, std::slice::from_ref(&id)).await;
                let written = found.is_ok_and(|found| {
                    found
                        .iter()
                        .any(|record| record.deleted.is_none() && is_booked(&record.event, &booking.slot))
                });
                if written { Ok(booking) } else { Err(error.into()) }
            }
            other => other.map(|_| booking),
        }
    }

    /// Keeps a slot for somebody who has not decided yet. Nobody else can take it until it runs out; then it is free
    /// again by itself.
    ///
    /// # Errors
    ///
    /// As for [`reserve`](Self::reserve).
    pub async fn hold(
        &self,
        terms: &Terms,
        slot: Range<DateTime<Utc>>,
        lasts: TimeDelta,
    ) -> Result<Hold, BookingError> {
        let until = self.clock.now().checked_add_signed(lasts.max(TimeDelta::zero()));
        let until = until.ok_or(BookingError::Invalid("the hold passes the end of time"))?;
        let id = HoldId(self.ids.fresh());
        let wish = Wish::new(slot.clone(), &terms.question);
        let by = By::Hold { hold: id.clone(), until };
        let rows = self.take(terms, &wish, &by, None, |_, _| Ok(More::Nothing)).await?;
        Ok(Hold { id, slot, until, rows })
    }

    /// Gives a held slot back before it runs out. One that ran out, or was booked, is ignored.
    ///
    /// # Errors
    ///
    /// When the store fails, or [`BookingError::Contended`].
    pub async fn release(&self, hold: &Hold) -> Result<(), BookingError> {
        for _ in 0..ATTEMPTS {
            let mut desk = self.desk(&hold.rows).await?;
            desk.rows.retain(|_, (_, entries)| {
                let before = entries.len();
                entries.retain(|entry| !matches!(&entry.by, By::Hold { hold: id, .. } if *id == hold.id));
                entries.len() < before
            });
            if desk.rows.is_empty() {
                return Ok(());
            }
            match self.store.commit(desk.into_batch()?).await {
                Ok(_) => return Ok(()),
                Err(error) if is_conflict(&error.kind) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BookingError::Contended)
    }

    /// Gives a booked slot back: its event is deleted, softly, and every link on the calendar carries that on.
    ///
    /// # Errors
    ///
    /// [`BookingError::Unknown`] when there is no such event any more; [`BookingError::Contended`] when it is edited all
    /// the time.
    pub async fn cancel(&self, calendar: &CalendarId, id: &EventId) -> Result<(), BookingError> {
        for _ in 0..ATTEMPTS {
            let found = self.store.events(calendar, std::slice::from_ref(id)).await?;
            let live = found.into_iter().find(|record| record.deleted.is_none());
            let record = live.ok_or(BookingError::Unknown)?;
            let expect = Expectation::Event {
                calendar: calendar.clone(),
                id: id.clone(),
                revision: Some(record.revision),
            };
            let write =
                Write::DeleteEvent { calendar: calendar.clone(), id: id.clone(), at: self.clock.now() };
            match self
                .store
                .commit(Batch { expect: vec![expect], writes: vec![write], ..Batch::default() })
                .await
            {
                Ok(_) => return Ok(()),
                Err(error) if is_conflict(&error.kind) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BookingError::Contended)
    }

    /// Forgets rows of times that are over, at most `limit`; says how many. To be called now and then: nothing depends
    /// on it but the space they take.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn forget_past(&self, limit: usize) -> Result<usize, BookingError> {
        let due = self.store.docs(SPACE, DocQuery::Due { at: self.clock.now(), limit }).await?;
        let mut forgotten = 0;
        for doc in due {
            let expect = Expectation::Doc {
                space: doc.space.clone(),
                key: doc.key.clone(),
                version: Some(doc.version),
            };
            let write = Write::DeleteDoc { space: doc.space, key: doc.key };
            match self
                .store
                .commit(Batch { expect: vec![expect], writes: vec![write], ..Batch::default() })
                .await
            {
                Ok(_) => forgotten += 1,
                Err(error) if is_conflict(&error.kind) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(forgotten)
    }

    /// Takes the slot of a wish: looks, decides and commits until nobody was faster. `more` says what else is written, seeing
    /// the event of the id that is known before.
    async fn take(
        &self,
        terms: &Terms,
        wish: &Wish<'_>,
        by: &By,
        known_id: Option<(&CalendarId, &EventId)>,
        more: impl Fn(Option<&EventRecord>, DateTime<Utc>) -> Result<More, BookingError>,
    ) -> Result<Vec<String>, BookingError> {
        if terms.calendars.is_empty() {
            return Err(BookingError::Invalid("there is no calendar that has to be free"));
        }
        let keys = Rows::touched(terms.calendars.iter().map(|counted| &counted.calendar), &wish.kept)?;
        for _ in 0..ATTEMPTS {
            // First the rows, then what they guard: whatever is booked in between shows in their versions.
            let mut desk = self.desk(&keys).await?;
            let now = self.clock.now();
            let record = match known_id {
                Some((calendar, id)) => self.store.events(calendar, std::slice::from_ref(id)).await?.pop(),
                None => None,
            };
            let more = more(record.as_ref(), now)?;
            if matches!(more, More::Done) {
                return Ok(keys);
            }
            let mut calendars = self.times(&terms.calendars, &wish.kept, now, wish.replaces).await?;
            calendars.extend(terms.elsewhere.iter().cloned());
            let live = self.live(desk.entries(), now).await?;
            let others: Vec<Entry> = live.iter().filter(|entry| !wish.owns(entry)).cloned().collect();
            judge(calendars, &terms.question, wish, &others, now)?;
            let entry = Entry::new(by.clone(), &wish.slot, &wish.kept);
            desk.put(entry, |kept| others.iter().any(|other| other == kept));
            let mut batch = desk.into_batch()?;
            if let More::Event(expect, write) = more {
                batch.expect.push(expect);
                batch.writes.push(write);
            }
            match self.store.commit(batch).await {
                Ok(_) => return Ok(keys),
                Err(error) if is_conflict(&error.kind) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BookingError::Contended)
    }

    /// The busy times of calendars as the store has them now, in the order given.
    async fn times(
        &self,
        calendars: &[Counted],
        window: &Range<DateTime<Utc>>,
        now: DateTime<Utc>,
        except: Option<(&CalendarId, &EventId)>,
    ) -> Result<Vec<CalendarTimes>, BookingError> {
        let mut found = Vec::with_capacity(calendars.len());
        for some in calendars.chunks(AT_ONCE) {
            let mut asked = Vec::with_capacity(some.len());
            for counted in some {
                asked.push(self.known.times(&*self.store, counted, window, now, except));
            }
            found.extend(try_join_all(asked).await?);
        }
        Ok(found)
    }

    /// Rows by key, those that are not there yet among them.
    async fn desk(&self, keys: &[String]) -> Result<Desk, BookingError> {
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut rows: BTreeMap<_, _> = keys.iter().map(|key| (key.clone(), (None, Vec::new()))).collect();
        for doc in self.store.docs(SPACE, DocQuery::Keys(&names)).await? {
            rows.insert(doc.key.clone(), (Some(doc.version), rows::read(&doc)?));
        }
        Ok(Desk { rows })
    }

    /// The entries that hold: holds that have not run out, and bookings whose event is where it was booked.
    async fn live(&self, mut entries: Vec<Entry>, now: DateTime<Utc>) -> Result<Vec<Entry>, BookingError> {
        let mut ids: BTreeMap<CalendarId, Vec<EventId>> = BTreeMap::new();
        for entry in &entries {
            if let By::Event { calendar, event } = &entry.by {
                ids.entry(calendar.clone()).or_default().push(event.clone());
            }
        }
        let mut events = BTreeMap::new();
        for (calendar, mut wanted) in ids {
            wanted.sort_unstable();
            wanted.dedup();
            for chunk in wanted.chunks(PAGE) {
                for record in self.store.events(&calendar, chunk).await? {
                    events.insert((calendar.clone(), record.id.clone()), record);
                }
            }
        }
        entries.retain(|entry| match &entry.by {
            By::Hold { until, .. } => now < *until,
            By::Event { calendar, event } => events
                .get(&(calendar.clone(), event.clone()))
                .is_some_and(|record| record.deleted.is_none() && is_booked(&record.event, &entry.slot())),
        });
        Ok(entries)
    }
}

impl std::fmt::Debug for Bookings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bookings").finish_non_exhaustive()
    }
}

impl Desk {
    fn entries(&self) -> Vec<Entry> {
        self.rows.values().flat_map(|(_, entries)| entries.iter().cloned()).collect()
    }

    /// Writes an entry into every row, and drops what does not stand any more.
    fn put(&mut self, entry: Entry, stands: impl Fn(&Entry) -> bool) {
        for (_, entries) in self.rows.values_mut() {
            entries.retain(|kept| stands(kept));
            entries.push(entry.clone());
        }
    }

    fn into_batch(self) -> Result<Batch, BookingError> {
        let mut batch = Batch::default();
        for (key, (version, entries)) in self.rows {
            batch.expect.push(Expectation::Doc { space: SPACE.to_owned(), key: key.clone(), version });
            let value = rows::write(&entries)?;
            let due = Rows::over(&key);
            batch.writes.push(Write::PutDoc(Doc::new(SPACE, key, value).with_due(due)));
        }
        Ok(batch)
    }
}

/// Whether a wish can be met.
fn judge(
    mut calendars: Vec<CalendarTimes>,
    question: &Question,
    wish: &Wish<'_>,
    others: &[Entry],
    now: DateTime<Utc>,
) -> Result<(), BookingError> {
    let mut question = question.clone();
    if wish.slot.end - wish.slot.start != question.slot {
        return Err(BookingError::NotOffered("it is of another length"));
    }
    if wish.slot.start < question.window.start || question.window.end < wish.slot.end {
        return Err(BookingError::NotOffered("it is outside of the time that is offered"));
    }
    (question.window, question.now, question.slots_max) = (wish.slot.clone(), now, 1);
    let is_offered = |calendars: &[CalendarTimes], question: &Question| {
        answer(calendars, question).slots.first() == Some(&wish.slot)
    };
    // What the rules alone say: a slot that is taken and one that never was on offer are different answers.
    let rules: Vec<CalendarTimes> =
        calendars.iter().map(|times| CalendarTimes { busy: Default::default(), ..times.clone() }).collect();
    if !is_offered(&rules, &question) {
        let first = now.checked_add_signed(question.minimum_notice.max(TimeDelta::zero()));
        return Err(BookingError::NotOffered(if first.is_none_or(|first| wish.slot.start < first) {
            "it begins too soon"
        } else if rules.iter().any(|times| times.state == CalendarState::Unknown) {
            "a calendar was never read"
        } else {
            "nothing is offered then, or no slot begins then"
        }));
    }
    take_in(&mut calendars, &mut question, others);
    if is_offered(&calendars, &question) { Ok(()) } else { Err(BookingError::Taken) }
}

/// Counts what is booked or held: its slot is busy, and what it keeps free around itself is offered to nobody.
fn take_in(calendars: &mut [CalendarTimes], question: &mut Question, entries: &[Entry]) {
    question.kept_free = entries.iter().map(Entry::kept).collect();
    if let Some(first) = calendars.first_mut() {
        first.busy.times.extend(entries.iter().map(Entry::busy));
    }
}

/// The slot an event asks for.
fn slot_of(event: &Event) -> Result<Range<DateTime<Utc>>, BookingError> {
    let slot = rows::times(event);
    slot.ok_or(BookingError::Invalid(
        "a booking is a single event that takes time, from one instant to a later one",
    ))
}

fn is_conflict(kind: &StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Conflict { .. })
}

/// Whether a commit that failed like this may have been made all the same.
fn may_be_written(kind: &StoreErrorKind) -> bool {
    !matches!(kind, StoreErrorKind::Conflict { .. } | StoreErrorKind::Fenced | StoreErrorKind::InvalidInput)
}
