//! When deleted events are forgotten: not before every link has carried the deletion out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use calsync_core::{
    context::Clock as _,
    engine::{Link, SyncOptions},
    model::EventId,
    plan::DeletionGuard,
    provider::{Capabilities, ErrorKind, Payload},
    store::{Batch, MemoryStore, Result, Revision, Write},
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::{MemoryRemote, RemoteFault},
    world::{World, event},
};
use chrono::TimeDelta;

const EVENTS: usize = 12;

/// One calendar, two links, twelve events on all sides.
struct Lab {
    world: World,
    links: [Link; 2],
    remotes: [MemoryRemote; 2],
}

impl Lab {
    async fn joined() -> Self {
        let lab = Self::of(MemoryRemote::default()).await;
        lab.run(0).await;
        lab.run(1).await;
        assert_eq!(lab.counts(), [EVENTS; 2]);
        lab
    }

    /// Nothing has run yet; `first` is what the careful link is joined to.
    async fn of(first: MemoryRemote) -> Self {
        let never = DeletionGuard { count: usize::MAX, percent: 1000, ..DeletionGuard::default() };
        let lab = Self {
            world: World::new(Arc::new(MemoryStore::default()), 1),
            links: [
                Link::new("careful", "family", "one"),
                Link::new("quick", "family", "two").with_guard(never),
            ],
            remotes: [first, MemoryRemote::default()],
        };
        for number in 0..EVENTS {
            lab.world.add(event(&format!("e{number}"), "Lunch")).await;
        }
        lab
    }

    async fn run(&self, link: usize) -> calsync_core::engine::SyncReport {
        let options = SyncOptions::default();
        self.world.engine.sync(&self.links[link], &self.remotes[link], &options).await.unwrap()
    }

    async fn days(&self, days: usize, links: &[usize]) {
        for _ in 0..days {
            self.world.clock.advance(TimeDelta::hours(25));
            for link in links {
                self.run(*link).await;
            }
        }
    }

    async fn delete_all_but_one(&self) {
        for number in 1..EVENTS {
            self.world.delete(&format!("e{number}")).await;
        }
    }

    fn counts(&self) -> [usize; 2] {
        [self.remotes[0].items().len(), self.remotes[1].items().len()]
    }

    /// Rows of the calendar, deleted ones too.
    async fn rows(&self) -> usize {
        let (store, calendar) = (&self.world.store, &self.world.calendar);
        store.events_since(calendar, Revision::default(), 1000).await.unwrap().len()
    }
}

#[tokio::test]
async fn i14_a_deletion_that_is_held_for_long_is_not_forgotten_by_another_link() {
    let lab = Lab::joined().await;
    lab.delete_all_but_one().await;
    lab.days(40, &[0, 1]).await;
    assert_eq!(lab.counts(), [EVENTS, 1], "the careful link waits for a person, the quick one does not");
    assert_eq!(lab.world.locals().await.len(), 1, "nothing has come back");
    let held = lab.run(0).await;
    assert!(held.plan.held);
    let options = SyncOptions::default().approving(held.plan_id);
    lab.world.engine.sync(&lab.links[0], &lab.remotes[0], &options).await.unwrap();
    assert_eq!(lab.counts(), [1, 1]);
    lab.days(2, &[0, 1]).await;
    assert_eq!(lab.rows().await, 1, "and now it is forgotten");
}

#[tokio::test]
async fn i14_a_link_that_rests_for_longer_than_deletions_are_kept_carries_them_out() {
    let lab = Lab::joined().await;
    for number in 0..3 {
        lab.world.delete(&format!("e{number}")).await;
    }
    lab.days(45, &[1]).await;
    assert_eq!(lab.counts(), [EVENTS, EVENTS - 3]);
    lab.days(3, &[0, 1]).await;
    assert_eq!(lab.counts(), [EVENTS - 3; 2]);
    assert_eq!(lab.rows().await, EVENTS - 3, "forgotten once both have carried it out");
}

#[tokio::test]
async fn a_link_that_is_forgotten_holds_nothing_back() {
    let lab = Lab::joined().await;
    lab.world.delete("e0").await;
    lab.world.engine.forget(&lab.links[0]).await.unwrap();
    lab.days(40, &[1]).await;
    assert_eq!(lab.rows().await, EVENTS - 1);
}

#[tokio::test]
async fn a_link_that_was_left_holds_deletions_back_for_a_year() {
    let lab = Lab::joined().await;
    lab.world.delete("e0").await;
    lab.days(300, &[1]).await;
    assert_eq!(lab.rows().await, EVENTS);
    lab.days(70, &[1]).await;
    assert_eq!(lab.rows().await, EVENTS - 1);
}

#[tokio::test]
async fn a_deletion_the_provider_refuses_is_not_forgotten() {
    let lab = Lab::joined().await;
    lab.world.delete("e0").await;
    for _ in 0..100 {
        lab.remotes[0].fail("delete", RemoteFault::Before(ErrorKind::Refused));
    }
    lab.days(60, &[0, 1]).await;
    assert_eq!(lab.counts(), [EVENTS, EVENTS - 1], "it is offered once a day, and waits");
    assert_eq!(lab.rows().await, EVENTS);
    assert_eq!(lab.world.locals().await.len(), EVENTS - 1);
}

#[tokio::test]
async fn i14_a_link_that_never_lists_everything_has_a_say() {
    let first = MemoryRemote::default();
    first.list_partially();
    let lab = Lab::of(first).await;
    lab.run(0).await;
    lab.run(1).await;
    lab.delete_all_but_one().await;
    lab.days(40, &[0, 1]).await;
    assert_eq!(lab.counts(), [EVENTS, 1]);
    // Somebody touches one of them there.
    let id = lab.remotes[0].items().into_iter().find(|(_, event)| event.uid == "e5").unwrap().0;
    lab.remotes[0].put(id.as_str(), &event("e5", "Lunch"));
    lab.days(1, &[0, 1]).await;
    assert_eq!((lab.world.locals().await.len(), lab.rows().await), (1, EVENTS));
}

#[tokio::test]
async fn i14_a_link_whose_first_run_failed_has_a_say() {
    let lab = Lab::of(MemoryRemote::default()).await;
    for number in 0..EVENTS {
        lab.remotes[0].put(&format!("r{number}"), &event(&format!("r{number}"), "Tea"));
    }
    // It may read, and not write.
    lab.remotes[0].fail("create", RemoteFault::Before(ErrorKind::Unauthorized));
    lab.world.engine.sync(&lab.links[0], &lab.remotes[0], &SyncOptions::default()).await.unwrap_err();
    lab.run(1).await;
    assert_eq!(lab.counts(), [EVENTS, 2 * EVENTS]);
    lab.world.delete("r3").await;
    lab.days(40, &[1]).await;
    // The person consents at last.
    lab.days(3, &[0, 1]).await;
    assert_eq!(lab.counts(), [2 * EVENTS - 1; 2]);
    assert_eq!(lab.world.locals().await.len(), 2 * EVENTS - 1);
}

fn lists_all(capabilities: &mut Capabilities) {
    capabilities.pull_incremental = false;
}

#[tokio::test]
async fn i14_an_item_nobody_can_read_keeps_its_deletion() {
    let lab = Lab::of(MemoryRemote::default().with_capabilities(lists_all)).await;
    lab.run(0).await;
    lab.run(1).await;
    let id = lab.remotes[0].items().into_iter().find(|(_, event)| event.uid == "e0").unwrap().0;
    lab.remotes[0].put_payload(id.as_str(), Payload::new("garbage"));
    lab.run(0).await;
    lab.world.delete("e0").await;
    lab.days(60, &[0, 1]).await;
    lab.remotes[0].put(id.as_str(), &event("e0", "Lunch"));
    lab.days(3, &[0, 1]).await;
    assert_eq!(lab.world.locals().await.len(), EVENTS - 1, "it has not come back");
    assert_eq!(lab.counts(), [EVENTS - 1; 2]);
}

/// What is deleted is kept for thirty days at least, and can be brought back until then; not for ever.
#[tokio::test]
async fn what_is_deleted_is_kept_for_thirty_days() {
    let lab = Lab::joined().await;
    let first = lab.world.local("e0").await;
    for number in 0..3 {
        lab.world.delete(&format!("e{number}")).await;
    }
    // More than 29 days, in steps of 25 hours.
    lab.days(28, &[0, 1]).await;
    assert_eq!((lab.rows().await, lab.counts()), (EVENTS, [EVENTS - 3; 2]));
    let (store, calendar) = (&lab.world.store, &lab.world.calendar);
    let row = store.events(calendar, std::slice::from_ref(&first.id)).await.unwrap().remove(0);
    assert!(row.deleted.is_some());
    lab.world.hub.update(calendar, &row.id, row.revision, row.event).await.unwrap();
    lab.days(1, &[0, 1]).await;
    assert_eq!(lab.counts(), [EVENTS - 2; 2], "it is back everywhere");
    // Clocks may be two days apart.
    lab.days(5, &[0, 1]).await;
    assert_eq!(lab.rows().await, EVENTS - 2, "the other two are forgotten after a month");
}

/// More than one commit may take: the rest follows, as often as it takes.
#[tokio::test]
async fn many_deletions_are_forgotten_in_bounded_commits() {
    const MANY: usize = 1_100;
    let counted = Arc::new(Commits::default());
    let store = HookedStore::new(Arc::new(MemoryStore::default()), CountsCommits(counted.clone()));
    let world = World::new(Arc::new(store), 1);
    let (link, remote) = (Link::new("one", "family", "one"), MemoryRemote::default());
    let sync = async || {
        world.engine.sync(&link, &remote, &SyncOptions::default()).await.unwrap();
    };
    sync().await;
    let mut writes = Vec::new();
    for n in 0..MANY {
        let (id, at) = (EventId::from(format!("e{n}")), world.clock.now());
        let (calendar, event) = (world.calendar.clone(), Box::new(event(&format!("u{n}"), "Over")));
        writes.push(Write::PutEvent { calendar: calendar.clone(), id: id.clone(), event, at });
        writes.push(Write::DeleteEvent { calendar, id, at });
    }
    world.store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    sync().await;
    world.clock.advance(TimeDelta::days(31));
    counted.0.store(0, SeqCst);
    sync().await;
    let rows = world.store.events_since(&world.calendar, Revision::default(), 2_000).await.unwrap();
    assert_eq!(rows.len(), 0);
    assert_eq!(counted.0.load(SeqCst), 2, "500 with the end of the run, and twice more");
}

/// Commits of one write, which is what forgetting the rest is.
#[derive(Default)]
struct Commits(AtomicUsize);

struct CountsCommits(Arc<Commits>);

#[async_trait]
impl StoreHook for CountsCommits {
    async fn at(&self, moment: Moment<'_>) -> Result<()> {
        if moment == Moment::After("commit of 1") {
            self.0.0.fetch_add(1, SeqCst);
        }
        Ok(())
    }
}
