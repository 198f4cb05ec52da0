//! Bookings: who gets a slot, what is kept free around it, and what a lost answer leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use calsync_core::{
    availability::{CalendarState, ClockTime, DayHours, WorkingHours},
    booking::{BookingError, Bookings, Counted, Recall, Reservation, Terms},
    context::RandomIds,
    model::{
        Calendar, CalendarId, Event, EventBody, EventId, EventTime, LinkId, Override, OverrideScope,
        RecurrenceId, RemoteId, RuleEntry, TimeSpan,
    },
    recurrence::Weekday,
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, MemoryStore, OutboxEntry, OutboxId, Record, RecordQuery,
        Result as StoreResult, Revision, Store, StoreError, StoreErrorKind,
    },
    zone::Zone,
};
use calsync_testkit::{
    bookings::{Race, Wishes, meeting, race, terms},
    world::World,
};
use chrono::{DateTime, TimeDelta, Utc};

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-01-{text}:00Z").parse().unwrap()
}

struct Place {
    world: World,
    desk: Bookings,
}

impl Place {
    fn on(store: Arc<dyn Store>) -> Self {
        let world = World::new(store.clone(), 1);
        let desk = Bookings::new(store, world.clock.clone(), Arc::new(RandomIds::from_seed([2; 32])));
        Self { world, desk }
    }

    fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new()))
    }

    async fn book(&self, terms: &Terms, into: &str, start: &str) -> Result<EventId, BookingError> {
        let request = Reservation::new(into, meeting(start, at(start)));
        self.desk.reserve(terms, request).await.map(|booking| booking.id)
    }

    async fn live(&self, calendar: &str) -> Vec<EventRecord> {
        self.world.hub.events(&calendar.into()).await.unwrap()
    }
}

fn answer_of<T>(result: &Result<T, BookingError>) -> String {
    match result {
        Ok(_) => "booked".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_slot_is_booked_when_everything_around_it_is_free() {
    let busy = |start: &str, end: &str| {
        let time = TimeSpan { start: EventTime::Utc(at(start)), end: EventTime::Utc(at(end)) };
        Event::single(start, EventBody::new(time))
    };
    let place = Place::new();
    place.world.hub.add(&"person".into(), busy("07T09:00", "07T10:00")).await.unwrap();
    place.world.hub.add(&"room".into(), busy("07T12:00", "07T13:00")).await.unwrap();
    let mut terms = terms();
    terms.question.minimum_notice = TimeDelta::days(1);
    terms.question.hours = vec![WorkingHours {
        zone: Zone::UTC,
        hours: vec![DayHours {
            days: vec![Weekday::Wednesday],
            from: ClockTime::new(8, 0).unwrap(),
            to: ClockTime::new(18, 0).unwrap(),
        }],
    }];
    let taken = "the slot is taken";
    // The clock stands at noon of the 5th, a Monday. A booking takes half an hour, and keeps a quarter free behind it.
    for (start, expected) in [
        ("06T11:30", "the slot is not offered: it begins too soon"),
        ("07T07:30", "the slot is not offered: nothing is offered then, or no slot begins then"),
        ("07T08:20", "the slot is not offered: nothing is offered then, or no slot begins then"),
        ("08T09:00", "the slot is not offered: nothing is offered then, or no slot begins then"),
        ("07T09:30", taken),
        // It would end when the person's meeting begins, and there is a way to walk.
        ("07T08:30", taken),
        ("07T08:15", "booked"),
        ("07T10:00", "booked"),
        // The booking before it keeps a quarter of an hour free.
        ("07T10:30", taken),
        ("07T10:45", "booked"),
        // The room is another calendar.
        ("07T12:15", taken),
        ("07T13:00", "booked"),
        ("07T13:00", taken),
    ] {
        let free = place.desk.free(&terms).await.unwrap();
        let offered = free.slots.contains(&(at(start)..at(start) + TimeDelta::minutes(30)));
        let result = place.book(&terms, "person", start).await;
        assert_eq!(answer_of(&result), expected, "{start}");
        assert_eq!(offered, expected == "booked", "{start}: what is offered is what can be booked");
    }
    assert_eq!(place.live("person").await.len(), 5);
    assert_eq!(place.live("room").await.len(), 1);
}

#[tokio::test]
async fn a_booking_counts_on_calendars_its_event_is_not_on() {
    let place = Place::new();
    place.book(&terms(), "person", "07T09:00").await.unwrap();
    let mut only_room = terms();
    only_room.calendars.retain(|counted| counted.calendar.as_str() == "room");
    only_room.question.buffer_after = TimeDelta::zero();
    let result = place.book(&only_room, "room", "07T09:15").await;
    assert_eq!(answer_of(&result), "the slot is taken");
    // Nor in the time it keeps free.
    assert_eq!(answer_of(&place.book(&only_room, "room", "07T09:30").await), "the slot is taken");
    place.book(&only_room, "room", "07T09:45").await.unwrap();
    place.book(&only_room, "room", "07T08:30").await.unwrap();
}

#[tokio::test]
async fn a_hold_keeps_a_slot_until_it_is_booked_or_runs_out() {
    let place = Place::new();
    let terms = terms();
    let slot = at("07T09:00")..at("07T09:30");
    let hold = place.desk.hold(&terms, slot.clone(), TimeDelta::minutes(10)).await.unwrap();
    assert!(place.live("person").await.is_empty(), "nothing of a hold can leave");
    assert!(!place.desk.free(&terms).await.unwrap().slots.contains(&slot));
    assert_eq!(answer_of(&place.book(&terms, "person", "07T09:15").await), "the slot is taken");
    let again = place.desk.hold(&terms, slot.clone(), TimeDelta::minutes(10)).await;
    assert_eq!(answer_of(&again), "the slot is taken");

    let mut request = Reservation::new("person", meeting("mine", slot.start));
    request.hold = Some(hold.id.clone());
    place.desk.reserve(&terms, request).await.unwrap();
    place.desk.release(&hold).await.unwrap();
    assert_eq!(answer_of(&place.book(&terms, "person", "07T09:00").await), "the slot is taken");

    let slot = at("08T09:00")..at("08T09:30");
    let hold = place.desk.hold(&terms, slot.clone(), TimeDelta::minutes(10)).await.unwrap();
    place.world.clock.advance(TimeDelta::minutes(10));
    assert!(place.desk.free(&terms).await.unwrap().slots.contains(&slot));
    let other = place.desk.hold(&terms, slot.clone(), TimeDelta::minutes(10)).await.unwrap();
    assert_ne!(hold.id, other.id);
    // The one that ran out gives nothing back that is somebody else's.
    place.desk.release(&hold).await.unwrap();
    assert!(!place.desk.free(&terms).await.unwrap().slots.contains(&slot));
    place.desk.release(&other).await.unwrap();
    place.book(&terms, "person", "08T09:00").await.unwrap();
}

#[tokio::test]
async fn a_cancelled_or_moved_booking_gives_its_time_back() {
    let place = Place::new();
    let terms = terms();
    let id = place.book(&terms, "person", "07T09:00").await.unwrap();
    place.desk.cancel(&"person".into(), &id).await.unwrap();
    let gone = place.desk.cancel(&"person".into(), &id).await;
    assert_eq!(answer_of(&gone), "there is no such booking");
    let id = place.book(&terms, "person", "07T09:15").await.unwrap();

    // Half an hour later, over its own time.
    let mut request = Reservation::new("person", meeting("moved", at("07T09:30")));
    request.replaces = Some(id.clone());
    let booking = place.desk.reserve(&terms, request).await.unwrap();
    assert_eq!(booking.id, id);
    assert_eq!(place.live("person").await.len(), 1);
    // An edit of the host moves it, too, and takes what it kept free along.
    place.book(&terms, "person", "07T08:45").await.unwrap();
    let mut record = place.live("person").await.into_iter().find(|record| record.id == id).unwrap();
    record.event.master.as_mut().unwrap().time = meeting("x", at("09T09:00")).master.unwrap().time;
    place.world.hub.update(&"person".into(), &id, record.revision, record.event).await.unwrap();
    place.book(&terms, "person", "07T09:30").await.unwrap();

    let mut request = Reservation::new("person", meeting("moved", at("07T11:00")));
    request.replaces = Some(EventId::from("nobody"));
    assert_eq!(answer_of(&place.desk.reserve(&terms, request).await), "there is no such booking");
}

#[tokio::test]
async fn a_reservation_that_is_sent_again_is_the_same_booking() {
    let place = Place::new();
    let terms = terms();
    let request = |start: &str| {
        let mut request = Reservation::new("person", meeting("u", at(start)));
        request.id = Some(EventId::from("mine"));
        request
    };
    let first = place.desk.reserve(&terms, request("07T09:00")).await.unwrap();
    assert_eq!(place.desk.reserve(&terms, request("07T09:00")).await.unwrap(), first);
    assert_eq!(place.live("person").await.len(), 1);
    let other = place.desk.reserve(&terms, request("07T11:00")).await;
    assert_eq!(answer_of(&other), "the id names another event");
    // One that arrives late books nothing that was cancelled.
    place.desk.cancel(&"person".into(), &first.id).await.unwrap();
    let late = place.desk.reserve(&terms, request("07T09:00")).await;
    assert_eq!(answer_of(&late), "the id names another event");
}

#[tokio::test]
async fn what_cannot_be_booked_is_said() {
    let place = Place::new();
    let day = "2026-01-07".parse().unwrap();
    let all_day = Event::single("u", EventBody::new(TimeSpan::all_day(day, day)));
    let result = place.desk.reserve(&terms(), Reservation::new("person", all_day)).await;
    assert!(matches!(result, Err(BookingError::Invalid(_))), "{}", answer_of(&result));
    let result = place.book(&terms(), "elsewhere", "07T09:00").await;
    assert!(matches!(result, Err(BookingError::Invalid(_))), "{}", answer_of(&result));
    let mut long = terms();
    long.question.slot = TimeDelta::minutes(60);
    let result = place.book(&long, "person", "07T09:00").await;
    assert_eq!(answer_of(&result), "the slot is not offered: it is of another length");
    let mut unread = terms();
    unread.calendars[1].state = CalendarState::Unknown;
    let result = place.book(&unread, "person", "07T09:00").await;
    assert_eq!(answer_of(&result), "the slot is not offered: a calendar was never read");
    let mut many = terms();
    many.calendars.extend((0..80).map(|n| Counted::new(format!("c{n}"))));
    let result = place.book(&many, "person", "07T09:00").await;
    assert!(matches!(result, Err(BookingError::TooMuch { rows: 82, .. })), "{}", answer_of(&result));
    assert_eq!(
        answer_of(&place.book(&terms(), "person", "05T09:00").await),
        "the slot is not offered: it is outside of the time that is offered"
    );
    assert!(place.live("person").await.is_empty());
}

#[tokio::test]
async fn rows_of_the_past_are_forgotten() {
    let place = Place::new();
    place.book(&terms(), "person", "07T09:00").await.unwrap();
    place.book(&terms(), "person", "20T09:00").await.unwrap();
    place.world.clock.advance(TimeDelta::days(5));
    assert_eq!(place.desk.forget_past(1).await.unwrap(), 1);
    assert_eq!(place.desk.forget_past(100).await.unwrap(), 1);
    assert_eq!(place.desk.forget_past(100).await.unwrap(), 0);
    assert_eq!(answer_of(&place.book(&terms(), "person", "20T09:15").await), "the slot is taken");
}

/// A store whose answer to the next commit is lost after the commit, or before it. It counts the events it reads out, and may
/// become another one.
#[derive(Default)]
struct Lossy {
    inner: Mutex<Arc<MemoryStore>>,
    after: AtomicBool,
    before: AtomicBool,
    read: AtomicUsize,
}

impl Lossy {
    fn inner(&self) -> Arc<MemoryStore> {
        self.inner.lock().unwrap().clone()
    }

    fn read(&self) -> usize {
        self.read.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl Store for Lossy {
    async fn calendars(&self) -> StoreResult<Vec<Calendar>> {
        self.inner().calendars().await
    }
    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> StoreResult<Vec<EventRecord>> {
        self.inner().events(calendar, ids).await
    }
    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> StoreResult<Vec<EventRecord>> {
        self.inner().events_by_uid(calendar, uids).await
    }
    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> StoreResult<Vec<EventRecord>> {
        let found = self.inner().events_since(calendar, after, limit).await?;
        self.read.fetch_add(found.len(), Ordering::Relaxed);
        Ok(found)
    }
    async fn link(&self, link: &LinkId) -> StoreResult<Option<LinkState>> {
        self.inner().link(link).await
    }
    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> StoreResult<Vec<BaseRecord>> {
        self.inner().bases(link, query).await
    }
    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> StoreResult<Vec<BaseSummary>> {
        self.inner().base_summaries(link, after, limit).await
    }
    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> StoreResult<Vec<OutboxEntry>> {
        self.inner().outbox(link, after, limit).await
    }
    async fn records(&self, query: RecordQuery<'_>) -> StoreResult<Vec<Record>> {
        self.inner().records(query).await
    }
    async fn docs(&self, space: &str, query: DocQuery<'_>) -> StoreResult<Vec<Doc>> {
        self.inner().docs(space, query).await
    }
    async fn commit(&self, batch: Batch) -> StoreResult<CommitReceipt> {
        let lost = || StoreError::new(StoreErrorKind::Unavailable, "commit");
        if self.before.swap(false, Ordering::Relaxed) {
            return Err(lost());
        }
        let receipt = self.inner().commit(batch).await?;
        if self.after.swap(false, Ordering::Relaxed) { Err(lost()) } else { Ok(receipt) }
    }
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> StoreResult<LeaseGrant> {
        self.inner().acquire_lease(name, holder, now, ttl).await
    }
    async fn release_lease(&self, token: &LeaseToken) -> StoreResult<()> {
        self.inner().release_lease(token).await
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let store = Arc::new(Lossy { after: true.into(), ..Lossy::default() });
    let place = Place::on(store.clone());
    place.book(&terms(), "person", "07T09:00").await.unwrap();
    assert_eq!(place.live("person").await.len(), 1);
    store.before.store(true, Ordering::Relaxed);
    let result = place.book(&terms(), "person", "07T11:00").await;
    assert!(matches!(result, Err(BookingError::Store(_))));
    assert_eq!(place.live("person").await.len(), 1, "and nothing is half done");
    place.book(&terms(), "person", "07T11:00").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_slot_is_booked_twice_in_memory() {
    for wishes in [Wishes::Slots, Wishes::Overlapping] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        race(&[store], Race { reservations: 1000, slots: 100, workers: 16, wishes }).await;
    }
}

/// Two calendars of some events on one day, and a desk on a store that counts.
async fn crowded(recall: Recall) -> (Place, Arc<Lossy>) {
    let store = Arc::new(Lossy::default());
    let mut place = Place::on(store.clone());
    place.desk = place.desk.with_recall(recall);
    for calendar in ["person", "room"] {
        for n in 0..600 {
            let start = at("06T00:00") + TimeDelta::hours(12 * n);
            place.world.hub.add(&calendar.into(), meeting(&format!("{calendar}{n}"), start)).await.unwrap();
        }
    }
    (place, store)
}

async fn taken(place: &Place) -> usize {
    place.desk.free(&terms()).await.unwrap().busy.len()
}

#[tokio::test]
async fn a_question_reads_only_what_changed_since_the_last() {
    let (place, store) = crowded(Recall::default()).await;
    assert_eq!((taken(&place).await, store.read()), (60, 1200));
    // Of each calendar the last four changes, to see that it is the store it was.
    assert_eq!((taken(&place).await, store.read()), (60, 8));
    place.book(&terms(), "person", "07T09:00").await.unwrap();
    assert_eq!(store.read(), 8);
    assert_eq!((taken(&place).await, store.read()), (61, 9));
    let mut moved = place.live("room").await.remove(0);
    let id = moved.id.clone();
    moved.event = meeting("room0", at("06T03:00"));
    place.world.hub.update(&"room".into(), &id, moved.revision, moved.event).await.unwrap();
    store.read();
    assert_eq!((taken(&place).await, store.read()), (62, 9));
    let moved = place.live("room").await.into_iter().find(|record| record.id == id).unwrap();
    place.world.hub.delete(&"room".into(), &id, moved.revision).await.unwrap();
    store.read();
    // It was the last change itself that changed.
    assert_eq!((taken(&place).await, store.read()), (61, 8));
    // By another zone or owner the same events take other times.
    let mut other = terms();
    other.calendars[0].owner = vec!["me@example.org".to_owned()];
    assert_eq!(place.desk.free(&other).await.unwrap().busy.len(), 61);
    assert_eq!(store.read(), 605);
    place.world.clock.advance(TimeDelta::hours(1));
    assert_eq!((taken(&place).await, store.read()), (61, 1201));
}

#[tokio::test]
async fn another_store_behind_the_same_name_is_read_anew() {
    let (place, store) = crowded(Recall::default()).await;
    assert_eq!(taken(&place).await, 60);
    // Restored from a backup of before, and written to since: nothing there is newer than what was seen.
    let (backup, other) = crowded(Recall::default()).await;
    backup.book(&terms(), "person", "07T09:00").await.unwrap();
    let first = backup.live("person").await.remove(0);
    backup.world.hub.delete(&"person".into(), &first.id, first.revision).await.unwrap();
    *store.inner.lock().unwrap() = other.inner();
    assert_eq!(taken(&place).await, backup.desk.free(&terms()).await.unwrap().busy.len());
    *store.inner.lock().unwrap() = Arc::new(MemoryStore::new());
    assert_eq!(taken(&place).await, 0);
}

/// A series counts as what it takes, not as one: a few with many exceptions fill the same memory as thousands of meetings.
#[tokio::test]
async fn what_a_series_takes_in_memory_is_counted() {
    use calsync_core::availability::BusyIndex;
    let mut series = meeting("u", at("06T09:00"));
    series.rules.push(RuleEntry::read("FREQ=DAILY"));
    let single = meeting("v", at("06T12:00"));
    let mut index = BusyIndex::new(Zone::UTC, &[]);
    index.put(&"v".into(), &single);
    assert_eq!(index.weight(), 1);
    index.put(&"u".into(), &series);
    let plain = index.weight();
    for n in 0..500 {
        let day = at("06T09:00") + TimeDelta::days(n);
        let body = meeting("", day + TimeDelta::hours(1)).master.unwrap();
        let changed = Override::Changed { body: Box::new(body), scope: OverrideScope::This };
        series.overrides.insert(RecurrenceId::Instant(day), changed);
    }
    index.put(&"u".into(), &series);
    assert!(index.weight() > plain + 500, "{} and {plain}", index.weight());
    assert_eq!(index.len(), 2);
    index.remove(&"u".into());
    assert_eq!(index.weight(), 1);

    let mut recall = Recall::default();
    recall.events = 300;
    let store = Arc::new(Lossy::default());
    let mut place = Place::on(store.clone());
    place.desk = place.desk.with_recall(recall);
    place.world.hub.add(&"person".into(), series).await.unwrap();
    taken(&place).await;
    store.read();
    taken(&place).await;
    assert_eq!(store.read(), 1, "it was forgotten, and is read again");
}

#[tokio::test]
async fn what_is_kept_in_memory_has_a_limit() {
    let mut recall = Recall::default();
    recall.events = 700;
    let (place, store) = crowded(recall).await;
    taken(&place).await;
    store.read();
    // One of the two fits.
    taken(&place).await;
    let read = store.read();
    assert!((601..=1200).contains(&read), "{read}");
    for (events, lasts) in [(0, TimeDelta::hours(1)), (1_000_000, TimeDelta::zero())] {
        (recall.events, recall.lasts) = (events, lasts);
        let (place, store) = crowded(recall).await;
        assert_eq!(taken(&place).await, 60);
        assert_eq!(taken(&place).await, 60);
        assert_eq!(store.read(), 2400);
    }
}
