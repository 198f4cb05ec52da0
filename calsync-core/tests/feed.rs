//! The change feed: what runs and hosts do is told once, in order, to whoever comes when.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use async_trait::async_trait;
use calsync_core::{
    engine::{Answer, Link, SyncOptions, SyncReport},
    feed::{EventSeq, Feed, FeedEntry, FeedError, Happened, Origin},
    merge::ConflictPolicy,
    model::{CalendarId, RunId},
    provider::ErrorKind,
    store::{
        Batch, ConflictState, LinkHealth, MemoryStore, Result as StoreResult, Revision, Store, StoreError,
        StoreErrorKind, Take, Wakes, Write,
    },
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, StreamExt as _};

const FAMILY: &str = "family";

fn family() -> CalendarId {
    CalendarId::from(FAMILY)
}

/// The host writes events with these names.
async fn write(store: &dyn Store, names: impl IntoIterator<Item = u64>) {
    let put = |n: u64| Write::PutEvent {
        calendar: family(),
        id: format!("e{n}").as_str().into(),
        event: Box::new(event(&format!("u{n}"), "title")),
        at: DateTime::<Utc>::UNIX_EPOCH,
    };
    let writes = names.into_iter().map(put).collect();
    store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
}

fn is_put(entry: &FeedEntry, number: u64) -> bool {
    let what = Happened::EventPut {
        event: format!("e{number}").as_str().into(),
        revision: Revision(number),
        by: None,
    };
    entry.seq == EventSeq(number) && entry.what == what
}

#[tokio::test]
async fn what_is_there_comes_first_and_then_what_is_committed() {
    let store = Arc::new(MemoryStore::new());
    write(&*store, 1..=450).await;
    let feed = Feed::new(store.clone());
    let mut stream = feed.subscribe(&family(), EventSeq(3));
    for number in 4..=450 {
        assert!(is_put(&stream.next().await.unwrap().unwrap(), number), "{number}");
        if number == 100 {
            // In the middle of a page.
            write(&*store, [451]).await;
        }
    }
    assert!(is_put(&stream.next().await.unwrap().unwrap(), 451));
    for number in 452..460 {
        assert!(stream.next().now_or_never().is_none(), "it waits");
        write(&*store, [number]).await;
        assert!(is_put(&stream.next().now_or_never().unwrap().unwrap().unwrap(), number));
    }
    assert_eq!(feed.position(&family()).await.unwrap(), EventSeq(459));
    let other = feed.subscribe(&"other".into(), EventSeq(0)).next().now_or_never();
    assert!(other.is_none(), "the feed of another calendar");
}

/// A reader that comes back again and again, and is dropped wherever it is, sees each entry once.
#[tokio::test]
async fn who_comes_back_after_the_last_entry_misses_nothing() {
    let store = Arc::new(MemoryStore::new());
    let feed = Feed::new(store.clone());
    let (mut after, mut written) = (EventSeq(0), 0);
    for reads in [0, 1, 2, 0, 5, 3, 0, 7] {
        let mut stream = feed.subscribe(&family(), after);
        if reads == 0 {
            // Dropped while it waits, or before it was asked.
            drop(stream.next().now_or_never().filter(|_| written == 0));
        }
        written += 3;
        write(&*store, written - 2..=written).await;
        for _ in 0..reads {
            let Some(entry) = stream.next().now_or_never() else { break };
            let entry = entry.unwrap().unwrap();
            assert!(is_put(&entry, after.0 + 1), "{entry:?} after {after}");
            after = entry.seq;
        }
    }
    let rest: Vec<_> = feed.subscribe(&family(), after).take((written - after.0) as usize).collect().await;
    let rest: Vec<u64> = rest.into_iter().map(|entry| entry.unwrap().seq.0).collect();
    assert_eq!(rest, (after.0 + 1..=written).collect::<Vec<_>>());
}

/// What is not kept is said, and never skipped: also when it goes while somebody reads.
#[tokio::test]
async fn gap_ends_the_stream() {
    let store = Arc::new(MemoryStore::new());
    write(&*store, 1..=9).await;
    let feed = Feed::new(store.clone());
    let lost = async |after: u64| {
        let mut stream = feed.subscribe(&family(), EventSeq(after));
        let error = stream.next().await.unwrap();
        assert!(matches!(error, Err(FeedError::Lost { after: of }) if of.0 == after), "{error:?}");
        assert!(stream.next().await.is_none(), "it has ended");
    };
    lost(10).await;
    let mut reading = feed.subscribe(&family(), EventSeq(9));
    assert!(reading.next().now_or_never().is_none());
    store.forget_feed(&family(), DateTime::<Utc>::MAX_UTC, 4).await.unwrap();
    lost(3).await;
    assert!(is_put(&feed.subscribe(&family(), EventSeq(4)).next().await.unwrap().unwrap(), 5));
    write(&*store, [10, 11]).await;
    store.forget_feed(&family(), DateTime::<Utc>::MAX_UTC, 99).await.unwrap();
    let error = reading.next().await.unwrap();
    assert!(matches!(error, Err(FeedError::Lost { after: EventSeq(9) })), "{error:?}");
    assert_eq!(feed.position(&family()).await.unwrap(), EventSeq(11));
    write(&*store, [12]).await;
    assert!(is_put(&feed.subscribe(&family(), EventSeq(11)).next().await.unwrap().unwrap(), 12));
}

/// Keeps no feed, or does not answer.
struct Refusing(StoreErrorKind);

#[async_trait]
impl StoreHook for Refusing {
    async fn at(&self, moment: Moment<'_>) -> StoreResult<()> {
        match moment {
            Moment::Before("feed") => Err(StoreError::new(self.0.clone(), "feed")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn store_without_feeds_says_so() {
    for kind in [StoreErrorKind::Unsupported, StoreErrorKind::Unavailable] {
        let kept = kind != StoreErrorKind::Unsupported;
        let store = HookedStore::new(Arc::new(MemoryStore::new()), Refusing(kind));
        let feed = Feed::new(Arc::new(store));
        let error = feed.position(&family()).await.expect_err("it has none");
        assert_eq!(matches!(error, FeedError::Store(_)), kept, "{error:?}");
        let error = feed.subscribe(&family(), EventSeq(0)).next().await.unwrap().expect_err("it has none");
        assert_eq!(matches!(error, FeedError::NotKept), !kept, "{error:?}");
    }
}

/// A timer that is over when the test says so.
#[derive(Default)]
struct Now(AtomicBool);

#[async_trait]
impl Wakes for Now {
    async fn woken(&self) {
        poll_fn(|_| match self.0.swap(false, Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

/// What another process writes is found when somebody says to look.
#[tokio::test]
async fn silent_store_is_looked_into_when_woken() {
    let ours = Arc::new(MemoryStore::new());
    let store = Arc::new(HookedStore::new(ours.clone(), ()));
    let wakes = Arc::new(Now::default());
    let feed = Feed::new(store.clone()).with_wakes(wakes.clone());
    let mut stream = feed.subscribe(&family(), EventSeq(0));
    assert!(stream.next().now_or_never().is_none());
    let theirs = Arc::new(ours.snapshot());
    write(&*theirs, [1]).await;
    store.swap(theirs);
    assert!(stream.next().now_or_never().is_none(), "nobody rang");
    wakes.0.store(true, Ordering::Relaxed);
    assert!(is_put(&stream.next().now_or_never().unwrap().unwrap().unwrap(), 1));
}

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
    after: EventSeq,
}

impl Lab {
    fn new() -> Self {
        let link = Link::new("home", FAMILY, "memory").with_conflicts(ConflictPolicy::Manual);
        let world = World::new(Arc::new(MemoryStore::new()), 1);
        Self { world, remote: MemoryRemote::default(), link, after: EventSeq(0) }
    }

    async fn sync(&self) -> SyncReport {
        self.try_sync().await.expect("the run goes through")
    }

    async fn try_sync(&self) -> Result<SyncReport, calsync_core::engine::EngineError> {
        self.world.clock.advance(TimeDelta::minutes(30));
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await
    }

    fn by(&self, run: &RunId) -> Option<Origin> {
        Some(Origin { link: self.link.id.clone(), run: run.clone() })
    }

    /// What was told since it was asked last.
    async fn told(&mut self) -> Vec<Happened> {
        let page = self.world.store.feed(&family(), self.after, 100).await.unwrap();
        assert!(page.goes_on_after(self.after), "{page:?}");
        self.after = page.last;
        page.entries.into_iter().map(|entry| entry.what).collect()
    }
}

#[tokio::test]
async fn events_are_told_with_who_brought_them() {
    let mut lab = Lab::new();
    lab.remote.put("r1", &event("u1", "there"));
    let run = lab.sync().await.run;
    let record = lab.world.local("u1").await;
    let brought = Happened::EventPut { event: record.id.clone(), revision: Revision(1), by: lab.by(&run) };
    assert_eq!(lab.told().await, [brought]);

    lab.world.edit("u1", |event| body(event).title = Some("here".to_owned())).await;
    let edited = Happened::EventPut { event: record.id.clone(), revision: Revision(2), by: None };
    assert_eq!(lab.told().await, [edited]);
    lab.sync().await;
    assert_eq!(lab.told().await, [], "what goes out changes nothing here");
    lab.sync().await;
    assert_eq!(lab.told().await, [], "nor does a run with nothing to do");

    lab.remote.remove("r1");
    let run = lab.sync().await.run;
    let gone = Happened::EventDeleted { event: record.id.clone(), revision: Revision(3), by: lab.by(&run) };
    assert_eq!(lab.told().await, [gone]);

    lab.world.engine.undo(&lab.link, &lab.remote, &run).await.unwrap();
    let told = lab.told().await;
    let [Happened::EventPut { event: back, by: Some(by), .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((back, &by.link), (&record.id, &lab.link.id));
}

#[tokio::test]
async fn conflicts_are_told_from_beginning_to_end() {
    let mut lab = Lab::new();
    lab.remote.put("r1", &event("u1", "lunch"));
    lab.sync().await;
    lab.world.edit("u1", |event| body(event).title = Some("here".to_owned())).await;
    lab.remote.put("r1", &event("u1", "there"));
    lab.told().await;
    lab.sync().await;
    let id = lab.world.local("u1").await.id;
    let conflict = lab.world.hub.conflicts(&lab.link.id).await.unwrap().remove(0).id;
    let stands = |state| Happened::Conflict {
        conflict: conflict.clone(),
        link: lab.link.id.clone(),
        event: id.clone(),
        state,
    };
    let (open, resolved) = (stands(ConflictState::Open), stands(ConflictState::Resolved));
    let of_conflicts = |told: Vec<Happened>| -> Vec<Happened> {
        told.into_iter().filter(|what| matches!(what, Happened::Conflict { .. })).collect()
    };
    assert_eq!(of_conflicts(lab.told().await), std::slice::from_ref(&open));
    lab.sync().await;
    assert_eq!(lab.told().await, [], "it stays as it is");
    let answer = Answer::by("ann").taking(Take::Remote);
    lab.world.hub.answer(&lab.link.id, &conflict, answer).await.unwrap();
    assert_eq!(of_conflicts(lab.told().await), [open], "it was answered");
    lab.sync().await;
    assert_eq!(of_conflicts(lab.told().await), [resolved]);
}

#[tokio::test]
async fn link_that_fares_otherwise_is_told_of() {
    let mut lab = Lab::new();
    lab.remote.put("r1", &event("u1", "lunch"));
    lab.sync().await;
    lab.told().await;
    let failing = ErrorKind::Unavailable;
    let error = |failures| Happened::Link {
        link: lab.link.id.clone(),
        health: LinkHealth::Error { kind: ErrorKind::Unavailable, failures },
    };
    let (failed, refused, fine) = (
        error(1),
        Happened::Link { link: lab.link.id.clone(), health: LinkHealth::NeedsReauth },
        Happened::Link { link: lab.link.id.clone(), health: LinkHealth::Active },
    );
    let table = [
        (Some(failing.clone()), vec![failed]),
        (Some(failing), vec![]),
        (Some(ErrorKind::Unauthorized), vec![refused]),
        (None, vec![fine.clone()]),
        (None, vec![]),
    ];
    for (kind, expected) in table {
        if let Some(kind) = &kind {
            lab.remote.fail("changes", RemoteFault::Before(kind.clone()));
        }
        assert_eq!(lab.try_sync().await.is_err(), kind.is_some(), "{kind:?}");
        lab.remote.forget_faults();
        assert_eq!(lab.told().await, expected, "{kind:?}");
    }
    // A link that is forgotten fares as a new one.
    lab.remote.fail("changes", RemoteFault::Before(ErrorKind::Unauthorized));
    lab.try_sync().await.unwrap_err();
    lab.told().await;
    lab.world.engine.forget(&lab.link).await.unwrap();
    assert_eq!(lab.told().await, [fine]);
}

/// A run that compares everything forgets entries as old as its log.
#[tokio::test]
async fn runs_forget_old_entries() {
    let lab = Lab::new();
    lab.remote.put("r1", &event("u1", "lunch"));
    lab.sync().await;
    lab.world.clock.advance(TimeDelta::days(91));
    lab.remote.put("r2", &event("u2", "dinner"));
    lab.sync().await;
    let page = lab.world.store.feed(&family(), EventSeq(0), 9).await.unwrap();
    assert_eq!((page.last, page.entries.len()), (EventSeq(2), 1));
    assert_eq!(page.entries[0].seq, EventSeq(2));
}
