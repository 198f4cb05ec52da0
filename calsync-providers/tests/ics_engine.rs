//! Feeds through the engine: what a person's calendar holds after what feeds do.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod ics_common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::engine::{EngineError, Link, SyncOptions, SyncReport};
use calsync_core::plan::Direction;
use calsync_core::store::{self, MemoryStore, Store};
use calsync_providers::http::{HttpError, HttpErrorKind, HttpResponse};
use calsync_providers::ics::{IcsConfig, IcsProvider};
use calsync_testkit::hooked_store::{HookedStore, Moment, StoreHook};
use calsync_testkit::world::World;
use chrono::TimeDelta;
use futures_util::FutureExt as _;
use ics_common::*;

type Reply = Result<HttpResponse, HttpErrorKind>;

/// A subscription whose feed answers whatever was set last.
struct Lab {
    world: World,
    provider: IcsProvider,
    link: Link,
    reply: Arc<Mutex<Reply>>,
}

impl Lab {
    fn new(body: impl AsRef<[u8]>) -> Self {
        Self::on(Arc::new(MemoryStore::default()), body)
    }

    fn on(store: Arc<dyn Store>, body: impl AsRef<[u8]>) -> Self {
        let reply = Arc::new(Mutex::new(Ok(answer(200, &[], body))));
        let next = reply.clone();
        let fake = Fake::new(move |_, _| {
            next.lock().unwrap().clone().map_err(|kind| HttpError::maybe_sent(kind, "broken"))
        });
        Self::made(store, fake, reply)
    }

    fn with(fake: Arc<Fake>, reply: Arc<Mutex<Reply>>) -> Self {
        Self::made(Arc::new(MemoryStore::default()), fake, reply)
    }

    fn made(store: Arc<dyn Store>, fake: Arc<Fake>, reply: Arc<Mutex<Reply>>) -> Self {
        let world = World::new(store, 1);
        let provider = IcsProvider::new(IcsConfig::new(URL), fake, world.clock.clone()).unwrap();
        let link =
            Link::new("feed", "family", provider.calendar().as_str()).with_direction(Direction::Import);
        Self { world, provider, link, reply }
    }

    fn answers(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    fn serves(&self, body: impl AsRef<[u8]>) {
        self.answers(Ok(answer(200, &[], body)));
    }

    async fn sync(&self) -> Result<SyncReport, EngineError> {
        self.world.clock.advance(TimeDelta::minutes(15));
        self.world.engine.sync(&self.link, &self.provider, &SyncOptions::default()).await
    }

    /// A run, and how many events there are after it.
    async fn count(&self) -> usize {
        self.sync().await.unwrap();
        self.world.locals().await.len()
    }

    async fn is_quiet(&self) {
        let report = self.sync().await.unwrap();
        assert!(report.plan.operations.is_empty(), "{:?}", report.plan.operations);
        assert_eq!((report.counts.created, report.counts.updated, report.counts.deleted), (0, 0, 0));
    }
}

#[tokio::test]
async fn del_01_no_failure_of_a_feed_deletes_anything() {
    let whole = events_feed(241);
    let lab = Lab::new(&whole);
    assert_eq!(lab.count().await, 241);
    let status = |status: u16| Ok(answer(status, &[], ""));
    let body = |body: &str| Ok(answer(200, &[], body));
    for (what, reply) in [
        ("403", status(403)),
        ("500", status(500)),
        ("404", status(404)),
        ("404 again", status(404)),
        ("404 for good", status(404)),
        ("410", status(410)),
        ("401", status(401)),
        ("timeout", Err(HttpErrorKind::Timeout)),
        ("no connection", Err(HttpErrorKind::Connect)),
        ("interrupted", Err(HttpErrorKind::Interrupted)),
        ("sign-in page", body("<html><body>Sign in</body></html>")),
        ("empty body", body("")),
        ("cut at the start", body("BEGIN:VCALENDAR\r\n")),
        ("cut in the middle", body(&whole[..whole.len() / 2])),
        ("cut at the end", body(whole.trim_end().strip_suffix("AR").unwrap())),
    ] {
        lab.answers(reply);
        assert!(lab.sync().await.is_err(), "{what}");
        assert_eq!(lab.world.locals().await.len(), 241, "{what}");
    }
    lab.serves(whole);
    lab.is_quiet().await;
}

#[tokio::test]
async fn del_02_a_feed_that_is_suddenly_empty_deletes_nothing_and_then_asks() {
    for left in [0, 2, 100, 200] {
        let lab = Lab::new(events_feed(303));
        assert_eq!(lab.count().await, 303);
        lab.serves(events_feed(left));
        if left < 200 {
            assert!(!lab.sync().await.unwrap().plan.held, "it is looked at once more");
            assert_eq!(lab.world.locals().await.len(), 303, "{left}");
        }
        for _ in 0..2 {
            assert!(lab.sync().await.unwrap().plan.held, "a person decides");
            assert_eq!(lab.world.locals().await.len(), 303, "{left}");
        }
        // It falls further, and is not in step for that.
        lab.serves(events_feed(left / 2));
        assert!(lab.sync().await.unwrap().plan.held);
        lab.serves(events_feed(303));
        lab.is_quiet().await;
        assert_eq!(lab.world.locals().await.len(), 303);
    }
}

/// DEL-02: what a feed showed for one run is gone when it is again what it was before.
#[tokio::test]
async fn del_02_what_a_wrong_feed_brought_goes_with_it() {
    let whole = events_feed(20);
    // Not among those that are over, which a feed may drop.
    let wrong = feed(&(10..15).map(|n| event(&format!("wrong-{n}"), n, "wrong")).collect::<String>());
    for edited in [false, true] {
        let lab = Lab::new(&whole);
        assert_eq!(lab.count().await, 20);
        lab.serves(&wrong);
        assert!(!lab.sync().await.unwrap().plan.held, "it is looked at once more");
        assert_eq!(lab.world.locals().await.len(), 20);
        assert!(lab.sync().await.unwrap().plan.held, "deletions of all 20");
        assert_eq!(lab.world.locals().await.len(), 25);
        if edited {
            lab.serves(wrong.replace("SUMMARY:wrong", "SUMMARY:edited"));
            assert!(lab.sync().await.unwrap().plan.held);
        }
        lab.serves(&whole);
        assert_eq!(lab.count().await, 20, "edited in between: {edited}");
        lab.is_quiet().await;
    }
}

/// Events that are over, and events to come.
fn mixed(name: &str, over: usize, coming: usize) -> String {
    // The clock stands at 2026-01-05.
    let over = (0..over).map(|n| event(&format!("{name}-over-{n}"), n % 3, name));
    over.chain((0..coming).map(|n| event(&format!("{name}-{n}"), 8 + n, name))).collect()
}

/// DEL-02: what is over is not missed when it is gone, so neither that it is there nor that other things are says that there
/// is something left of the feed.
#[tokio::test]
async fn del_02_a_feed_that_is_another_one_for_a_while_takes_nothing_with_it() {
    for (over, coming, other) in [
        (20, 10, (0, 0)),
        (20, 8, (0, 0)),
        (3, 3, (0, 0)),
        (20, 10, (0, 1)),
        (40, 10, (0, 0)),
        (0, 10, (0, 0)),
        (20, 10, (5, 3)),
        (20, 10, (40, 18)),
        (0, 2, (1, 1)),
    ] {
        let what = format!("{over} over and {coming} to come, then {other:?}");
        let whole = feed(&mixed("own", over, coming));
        let lab = Lab::new(&whole);
        assert_eq!(lab.count().await, over + coming);
        lab.serves(feed(&mixed("wrong", other.0, other.1)));
        // For one fetch: nothing comes of it.
        let report = lab.sync().await.unwrap();
        assert!(report.plan.operations.is_empty(), "{what}");
        lab.serves(&whole);
        lab.is_quiet().await;
        // For longer: a person is asked, as long as it takes.
        lab.serves(feed(&mixed("wrong", other.0, other.1)));
        assert!(!lab.sync().await.unwrap().plan.held, "{what}");
        for _ in 0..3 {
            assert!(lab.sync().await.unwrap().plan.held, "{what}");
            assert_eq!(lab.world.locals().await.len(), over + coming + other.0 + other.1, "{what}");
        }
        // Until it is right again: all that was brought goes, also what is over, and nobody is asked about it.
        lab.serves(&whole);
        assert!(!lab.sync().await.unwrap().plan.held, "{what}");
        let left = lab.world.locals().await;
        let title = |record: &store::EventRecord| record.event.body().unwrap().title.clone();
        assert!(left.iter().all(|record| title(record).as_deref() == Some("own")), "{what}");
        assert_eq!(left.len(), over + coming, "{what}");
        lab.is_quiet().await;
        // And none of it counts against what is deleted afterwards.
        if coming > 2 {
            lab.serves(feed(&mixed("own", over, coming - 1)));
            assert!(!lab.sync().await.unwrap().plan.held, "{what}");
            assert_eq!(lab.world.locals().await.len(), over + coming - 1, "{what}");
        }
    }
}

/// DEL-02: everything that is to come is gone, and what is over is still there.
#[tokio::test]
async fn del_02_what_is_over_does_not_count_as_what_is_left() {
    let lab = Lab::new(feed(&mixed("own", 20, 10)));
    assert_eq!(lab.count().await, 30);
    lab.serves(feed(&mixed("own", 20, 0)));
    assert!(lab.sync().await.unwrap().plan.held);
    assert_eq!(lab.world.locals().await.len(), 30);
}

/// One event is nobody's emergency; it takes two fetches that say so.
#[tokio::test]
async fn the_last_event_to_come_goes_when_two_fetches_lack_it() {
    let lab = Lab::new(feed(&mixed("own", 1, 1)));
    assert_eq!(lab.count().await, 2);
    lab.serves(feed(""));
    assert_eq!(lab.count().await, 2);
    assert_eq!(lab.count().await, 1);
    lab.is_quiet().await;
}

/// Never answers once so many moments have passed.
struct Stuck(AtomicUsize);

#[async_trait]
impl StoreHook for Stuck {
    async fn at(&self, _: Moment<'_>) -> store::Result<()> {
        let pass = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if pass.is_err() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// DEL-02: the same when the run that saw it was cut off, at any await.
#[tokio::test]
async fn del_02_what_a_run_brought_that_was_cut_off_goes_when_the_feed_is_as_before() {
    let mut left = BTreeSet::new();
    for cut in 0.. {
        let stuck = Arc::new(HookedStore::new(Arc::new(MemoryStore::default()), Stuck(usize::MAX.into())));
        let lab = Lab::on(stuck.clone(), events_feed(20));
        assert_eq!(lab.count().await, 20);
        lab.serves(events_feed(23));
        stuck.hook.0.store(cut, Ordering::SeqCst);
        let whole = lab.sync().now_or_never().is_some();
        stuck.hook.0.store(usize::MAX, Ordering::SeqCst);
        left.insert(lab.world.locals().await.len());
        lab.serves(events_feed(20));
        assert_eq!(lab.count().await, 20, "cut at {cut}");
        lab.is_quiet().await;
        if whole {
            break;
        }
    }
    assert_eq!(left, BTreeSet::from([20, 23]), "cut before and after they came in");
}

/// DEL-02: a feed that is another one is asked about, also when the run that brought that one in was cut off, at any await;
/// and all of it goes when the feed is itself again.
#[tokio::test]
async fn del_02_a_wrong_feed_that_a_cut_off_run_brought_in_says_nothing_is_left() {
    let (whole, wrong) = (feed(&mixed("own", 20, 10)), feed(&mixed("wrong", 40, 18)));
    let mut brought = BTreeSet::new();
    for cut in 0.. {
        let stuck = Arc::new(HookedStore::new(Arc::new(MemoryStore::default()), Stuck(usize::MAX.into())));
        let lab = Lab::on(stuck.clone(), &whole);
        assert_eq!(lab.count().await, 30);
        lab.serves(&wrong);
        assert_eq!(lab.count().await, 30, "it is looked at once more");
        stuck.hook.0.store(cut, Ordering::SeqCst);
        let ended = lab.sync().now_or_never().is_some();
        stuck.hook.0.store(usize::MAX, Ordering::SeqCst);
        brought.insert(lab.world.locals().await.len());
        for _ in 0..2 {
            assert!(lab.sync().await.unwrap().plan.held, "cut at {cut}");
            assert_eq!(lab.world.locals().await.len(), 88, "cut at {cut}");
        }
        lab.serves(&whole);
        assert_eq!(lab.count().await, 30, "cut at {cut}");
        lab.is_quiet().await;
        if ended {
            break;
        }
    }
    assert!(brought.is_superset(&[30, 88].into()), "cut before and after they came in: {brought:?}");
}

#[tokio::test]
async fn loop_08_invented_uids_and_tags_write_nothing() {
    let fake = Fake::new(|_, at| {
        let one = |n: usize| event(&format!("{at}-{n}"), n, &format!("t{}", n / 2));
        let body = feed(&(0..50).map(one).collect::<String>());
        Ok(answer(200, &[("etag", &format!("\"{at}\""))], body))
    });
    let lab = Lab::with(fake, Arc::new(Mutex::new(Err(HttpErrorKind::Connect))));
    assert_eq!(lab.count().await, 50);
    for _ in 0..3 {
        lab.is_quiet().await;
    }
    assert_eq!(lab.world.locals().await.len(), 50);
}

#[tokio::test]
async fn tok_11_new_stamps_write_nothing() {
    let lab = Lab::new(events_feed(500));
    assert_eq!(lab.count().await, 500);
    for hour in 1..4 {
        let stamp = format!("DTSTAMP:20260101T{hour:02}0000Z\r\nLAST-MODIFIED:20260101T{hour:02}0000Z");
        lab.serves(events_feed(500).replace("DTSTAMP:20260101T000000Z", &stamp));
        lab.is_quiet().await;
    }
}

#[tokio::test]
async fn bad_02_a_bad_event_is_kept_aside_and_comes_back_when_it_is_good() {
    let good = events_feed(99);
    let with = |line: &str| good.replacen("DTSTART:20260106T090000Z", line, 1);
    let lab = Lab::new(with("DTSTART;TZID=Nowhere/Land:20260106T090000"));
    assert_eq!(lab.count().await, 98);
    assert_eq!(lab.sync().await.unwrap().counts.quarantined, 1);
    // A good event that turns bad is not deleted.
    lab.serves(&good);
    assert_eq!(lab.count().await, 99);
    lab.serves(with("DTSTART:soon"));
    assert_eq!(lab.count().await, 99);
    lab.serves(&good);
    assert_eq!(lab.count().await, 99);
    lab.is_quiet().await;
}

#[tokio::test]
async fn what_left_the_window_stays_and_what_was_deleted_goes() {
    // The clock stands at 2026-01-05.
    let lab = Lab::new(events_feed(20));
    assert_eq!(lab.count().await, 20);
    let without = |from: usize, to: usize| {
        let kept = (0..20).filter(|at| !(from..to).contains(at));
        feed(&kept.map(|at| event(&format!("u{at}"), at, &format!("t{at}"))).collect::<String>())
    };
    lab.serves(without(0, 3));
    assert_eq!(lab.count().await, 20);
    lab.serves(without(0, 3).replace("SUMMARY:t19", "SUMMARY:new"));
    assert_eq!(lab.count().await, 20);
    assert_eq!(lab.world.local("u19").await.event.body().unwrap().title.as_deref(), Some("new"));
    lab.serves(without(15, 18));
    assert_eq!(lab.count().await, 17);
    lab.is_quiet().await;
}

#[tokio::test]
async fn one_uid_for_many_events_is_many_events() {
    let one = |day: usize, title: &str| event("same", day, title);
    let lab = Lab::new(feed(&format!("{}{}{}", one(6, "A"), one(7, "B"), one(8, "C"))));
    assert_eq!(lab.count().await, 3);
    lab.is_quiet().await;
    lab.serves(feed(&format!("{}{}{}{}", one(9, "D"), one(6, "A"), one(7, "Bee"), one(8, "C"))));
    assert_eq!(lab.count().await, 4);
    lab.is_quiet().await;
}

#[tokio::test]
async fn an_event_keeps_its_name_when_another_one_takes_its_uid() {
    let one = |day: usize, title: &str| event("same", day, title);
    let lab = Lab::new(feed(&one(8, "A")));
    assert_eq!(lab.count().await, 1);
    let alone = lab.world.local("same").await;
    lab.serves(feed(&format!("{}{}", one(12, "B"), one(8, "A"))));
    let report = lab.sync().await.unwrap();
    assert_eq!((report.counts.created, report.counts.updated, report.counts.deleted), (1, 0, 0));
    assert_eq!(lab.world.local("same").await.id, alone.id);
    // And when it is alone again.
    lab.serves(feed(&one(8, "A")));
    let report = lab.sync().await.unwrap();
    assert_eq!((report.counts.created, report.counts.updated, report.counts.deleted), (0, 0, 1));
    assert_eq!(lab.world.local("same").await.id, alone.id);
}
