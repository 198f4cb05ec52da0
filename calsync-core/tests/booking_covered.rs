//! What links read of a calendar is what may be offered of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    availability::{CalendarState, UncoveredPolicy},
    booking::{BookingError, Bookings, Counted, Reservation, Terms},
    context::{Clock, RandomIds},
    engine::{Link, SyncOptions},
    model::LinkId,
    plan::Direction,
    provider::{Covered, ErrorKind},
    store::{MemoryStore, Store},
};
use calsync_testkit::{
    bookings::{meeting, terms},
    remote::MemoryRemote,
    world::World,
};
use chrono::{DateTime, TimeDelta, Utc};

struct Place {
    world: World,
    desk: Bookings,
    links: Vec<(Link, MemoryRemote)>,
}

fn day(number: i64) -> DateTime<Utc> {
    terms().question.window.start + TimeDelta::days(number)
}

impl Place {
    /// One calendar that two links bring events into.
    fn new() -> Self {
        let world = World::new(Arc::new(MemoryStore::new()), 1);
        let ids = Arc::new(RandomIds::from_seed([2; 32]));
        let desk = Bookings::new(world.store.clone(), world.clock.clone(), ids);
        let links = ["one", "two"].map(|name| {
            let mut link = Link::new(name, world.calendar.as_str(), name);
            link.direction = Direction::Import;
            (link, MemoryRemote::default())
        });
        Self { world, desk, links: links.into() }
    }

    async fn sync(&self) {
        for (link, remote) in &self.links {
            self.world.engine.sync(link, remote, &SyncOptions::default()).await.unwrap();
        }
    }

    async fn terms(&self) -> Terms {
        let links: Vec<LinkId> = self.links.iter().map(|(link, _)| link.id.clone()).collect();
        let store: &dyn Store = &*self.world.store;
        let counted = Counted::fed_by(store, self.world.calendar.clone(), links).await.unwrap();
        Terms { calendars: vec![counted], ..terms() }
    }

    async fn covered(&self) -> Covered {
        self.world.store.link(&self.links[0].0.id).await.unwrap().unwrap().covered
    }
}

#[tokio::test]
async fn what_all_links_read_is_on_offer_and_nothing_else() {
    let place = Place::new();
    place.links[0].1.cover(Covered::from(day(-5)..day(10)));
    place.links[1].1.cover(Covered { from: Some(day(2)), until: None });
    let unread = place.desk.free(&place.terms().await).await.unwrap();
    assert_eq!((unread.calendars[0].state, unread.slots.len()), (CalendarState::Unknown, 0));

    place.sync().await;
    let mut terms = place.terms().await;
    let answer = place.desk.free(&terms).await.unwrap();
    let about = &answer.calendars[0];
    assert_eq!((about.state, about.covers_window), (CalendarState::Current, false));
    assert_eq!(about.covered, Some(day(2)..day(10)));
    let after = terms.question.buffer_after;
    assert_eq!(answer.open, [day(2)..day(10) - after]);

    // Nothing is known of what would come right before or after either.
    let mut buffered = terms.clone();
    (buffered.question.buffer_before, buffered.question.buffer_after) =
        (TimeDelta::hours(1), TimeDelta::hours(2));
    let answer = place.desk.free(&buffered).await.unwrap();
    assert_eq!(answer.open, [day(2) + TimeDelta::hours(1)..day(10) - TimeDelta::hours(2)]);
    let into = place.world.calendar.clone();
    let last = Reservation::new(into.clone(), meeting("last", day(10) - TimeDelta::hours(2)));
    let refused = place.desk.reserve(&buffered, last).await;
    assert!(matches!(refused, Err(BookingError::NotOffered(_))), "{refused:?}");

    let late = Reservation::new(into.clone(), meeting("late", day(11)));
    let refused = place.desk.reserve(&terms, late.clone()).await;
    assert!(matches!(refused, Err(BookingError::NotOffered(_))), "{refused:?}");
    place.desk.reserve(&terms, Reservation::new(into, meeting("in time", day(9)))).await.unwrap();

    // A window that passes: the next pull says how far it reads.
    place.links[0].1.cover(Covered::from(day(-5)..day(12)));
    place.sync().await;
    assert_eq!(place.terms().await.calendars[0].covered, Some(day(2)..day(12)));
    terms.question.uncovered = UncoveredPolicy::Offer;
    place.desk.reserve(&terms, late).await.unwrap();
}

#[tokio::test]
async fn a_calendar_that_is_listed_whole_is_covered_for_ever() {
    let place = Place::new();
    place.sync().await;
    let terms = place.terms().await;
    assert_eq!(terms.calendars[0].covered, None);
    assert!(terms.calendars[0].as_of <= Some(place.world.clock.now()));
    assert!(place.desk.free(&terms).await.unwrap().calendars[0].covers_window);
}

/// What was listed counts also where a run has to look again; a run that was told nothing says nothing.
#[tokio::test]
async fn only_a_listing_that_was_read_to_its_end_changes_what_is_covered() {
    let place = Place::new();
    let remote = &place.links[0].1;
    let first = Covered::from(day(0)..day(10));
    remote.cover(first);
    remote.put("held back", &meeting("u", day(1)));
    remote.withhold("held back", ErrorKind::Unavailable);
    place.sync().await;
    assert_eq!(place.covered().await, first);

    remote.hand_out("held back");
    remote.cover(Covered::from(day(0)..day(20)));
    remote.fail("changes", calsync_testkit::remote::RemoteFault::Before(ErrorKind::Unavailable));
    let (link, options) = (&place.links[0].0, SyncOptions::default());
    assert!(place.world.engine.sync(link, remote, &options).await.is_err());
    assert_eq!(place.covered().await, first);
    place.sync().await;
    assert_eq!(place.covered().await, Covered::from(day(0)..day(20)));
}
