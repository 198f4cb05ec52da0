//! Listings that say one thing twice, lack something, or name what cannot be fetched.
#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{
        CopyRules, Engine, EngineError, FetchPatience, Link, Observer, Progress, SyncOptions, SyncReport,
    },
    model::{Event, EventTime, RemoteId, TimeSpan, Version},
    pipeline::{Filter, Pipeline},
    plan::Direction,
    provider::{Change, ChangePage, ChangeScope, Covered, Cursor, ErrorKind, ItemChange, Payload},
    store::{MemoryStore, Record, RecordKind, RecordQuery},
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault, payload_of},
    world::{World, body, event},
};
use chrono::TimeDelta;

const HOUR: TimeDelta = TimeDelta::hours(1);

struct Lab {
    world: World,
    remote: Arc<MemoryRemote>,
    link: Link,
}

impl Lab {
    fn new(link: impl FnOnce(Link) -> Link) -> Self {
        Self::with(MemoryRemote::default(), link)
    }

    fn with(remote: MemoryRemote, link: impl FnOnce(Link) -> Link) -> Self {
        Self {
            world: World::new(Arc::new(MemoryStore::default()), 9),
            remote: Arc::new(remote),
            link: link(Link::new("home", "family", "memory")),
        }
    }

    /// A lab with some events under `u0`, `u1`, … joined to items `r0`, `r1`, …
    async fn joined(count: usize) -> Self {
        let lab = Self::new(|link| link);
        for n in 0..count {
            lab.remote.put(&format!("r{n}"), &at(&format!("u{n}"), n));
        }
        lab.sync().await;
        lab
    }

    async fn try_sync_after(&self, wait: TimeDelta) -> Result<SyncReport, EngineError> {
        self.world.clock.advance(wait);
        self.world.engine.sync(&self.link, &*self.remote, &SyncOptions::default()).await
    }

    async fn sync_after(&self, wait: TimeDelta) -> SyncReport {
        self.try_sync_after(wait).await.expect("the run goes through")
    }

    async fn sync(&self) -> SyncReport {
        self.sync_after(TimeDelta::seconds(30)).await
    }

    async fn here(&self) -> Vec<String> {
        let mut uids: Vec<String> =
            self.world.locals().await.into_iter().map(|record| record.event.uid).collect();
        uids.sort();
        uids
    }

    async fn set_aside(&self) -> Vec<(String, u32)> {
        let query = RecordQuery {
            kind: RecordKind::Quarantine,
            link: &self.link.id,
            event: None,
            run: None,
            after: None,
            limit: 100,
        };
        let records = self.world.store.records(query).await.expect("the store answers");
        records
            .into_iter()
            .filter_map(|record| match record {
                Record::Quarantine(item) => Some((item.remote_id.to_string(), item.attempts)),
                _ => None,
            })
            .collect()
    }
}

/// An event at an hour of its own, so that no two are alike.
fn at(uid: &str, hour: usize) -> Event {
    let mut event = event(uid, uid);
    let by = HOUR * i32::try_from(hour).expect("few");
    let time = &mut body(&mut event).time;
    let moved = |time: &EventTime| EventTime::Utc(time.absolute().expect("an instant") + by);
    *time = TimeSpan { start: moved(&time.start), end: moved(&time.end) };
    event
}

fn titled(uid: &str, hour: usize, title: &str) -> Event {
    let mut event = at(uid, hour);
    body(&mut event).title = Some(title.to_owned());
    event
}

fn present(id: &str, version: &str, payload: Payload) -> Change {
    let version = Some(Version::from(version));
    Change { id: RemoteId::from(id), change: ItemChange::Present { version, payload: Some(payload) } }
}

fn removed(id: &str) -> Change {
    Change { id: RemoteId::from(id), change: ItemChange::Removed }
}

fn page(changes: Vec<Change>, cursor: &str) -> ChangePage {
    let more = cursor.contains('@');
    let (scope, cursor) = (ChangeScope::Delta, Some(Cursor(cursor.to_owned())));
    ChangePage { changes, scope, cursor, more, covered: Covered::ALL }
}

/// One item a server never hands out must not keep every deletion of its calendar from arriving.
#[tokio::test]
async fn an_item_that_cannot_be_fetched_holds_deletions_back_for_a_while_only() {
    let lab = Lab::joined(4).await;
    lab.remote.put("r9", &at("u9", 9));
    lab.remote.withhold("r9", ErrorKind::Unavailable);
    lab.remote.remove("r0");
    for tries in 1..=4 {
        let report = lab.sync_after(HOUR / 3).await;
        assert_eq!(report.counts.quarantined, 0, "try {tries}: it may come yet");
        assert_eq!(
            lab.here().await,
            ["u0", "u1", "u2", "u3"],
            "try {tries}: it may be u0 under another name"
        );
        assert_eq!(lab.set_aside().await, [("r9".to_owned(), tries)]);
    }
    let report = lab.sync_after(HOUR / 3).await;
    assert_eq!(report.counts.quarantined, 1, "a person can see what is missing");
    assert_eq!(lab.here().await, ["u1", "u2", "u3"]);
    // From now on it costs nothing, until it is time to ask once more.
    let quiet = lab.sync_after(TimeDelta::seconds(30)).await;
    assert_eq!((quiet.counts.requests, quiet.counts.quarantined), (1, 1));
    lab.remote.hand_out("r9");
    let report = lab.sync_after(HOUR).await;
    assert_eq!((report.counts.created, report.counts.quarantined), (1, 0));
    assert_eq!(lab.here().await, ["u1", "u2", "u3", "u9"]);
    assert!(lab.set_aside().await.is_empty());
}

/// Tries in quick succession are one disturbance: calls of a webhook come by the second.
#[tokio::test]
async fn many_tries_in_a_minute_are_one_disturbance() {
    let lab = Lab::joined(3).await;
    lab.remote.put("r9", &at("u9", 9));
    lab.remote.withhold("r9", ErrorKind::Unavailable);
    lab.remote.remove("r0");
    for _ in 0..20 {
        lab.sync_after(TimeDelta::seconds(1)).await;
    }
    assert_eq!(lab.here().await, ["u0", "u1", "u2"]);
    lab.remote.hand_out("r9");
    lab.sync().await;
    assert_eq!(lab.here().await, ["u1", "u2", "u9"]);
}

/// What is joined and cannot be fetched any more stays as it is, whatever else happens.
#[tokio::test]
async fn a_joined_item_that_cannot_be_fetched_is_not_gone() {
    let lab = Lab::joined(4).await;
    lab.remote.hide("r1");
    lab.remote.withhold("r1", ErrorKind::Forbidden);
    lab.remote.remove_unannounced("r0");
    let day = TimeDelta::hours(25);
    for _ in 0..6 {
        lab.sync_after(day).await;
    }
    assert_eq!(lab.here().await, ["u1", "u2", "u3"], "the audit goes on without it");
    lab.remote.remove_unannounced("r1");
    lab.remote.hand_out("r1");
    lab.sync_after(day).await;
    assert_eq!(lab.here().await, ["u2", "u3"], "now something says that it is gone");
}

/// The limits are the host's.
#[tokio::test]
async fn patience_can_be_set() {
    let none = FetchPatience { attempts: 1, at_least: TimeDelta::zero() };
    let lab = Lab::new(|link| link.with_fetching(none));
    lab.remote.put("r0", &at("u0", 0));
    lab.remote.put("r1", &at("u1", 1));
    lab.remote.withhold("r1", ErrorKind::Unavailable);
    let report = lab.sync().await;
    assert_eq!((report.counts.created, report.counts.quarantined), (1, 1));
}

/// Listed twice by one listing, what was put off because its UID was taken is what was said last.
#[tokio::test]
async fn what_is_put_off_twice_is_what_was_listed_last() {
    let lab = Lab::joined(2).await;
    let first = payload_of(&titled("u0", 0, "first"));
    let last = payload_of(&titled("u0", 0, "last"));
    lab.remote.put_payload("r9", last.clone());
    lab.remote.remove("r0");
    lab.remote.list_next([
        page(vec![present("r9", "old", first)], "1@a"),
        page(vec![present("r9", "v3", last), removed("r0")], "4"),
    ]);
    lab.sync().await;
    let event = lab.world.local("u0").await.event;
    assert_eq!(event.body().and_then(|body| body.title.as_deref()), Some("last"));
    assert_eq!(lab.here().await, ["u0", "u1"]);
}

/// A question whose item cannot be read just then is asked by a later run.
#[tokio::test]
async fn a_question_that_could_not_be_asked_is_not_passed_over() {
    struct After(Arc<MemoryRemote>);
    impl Observer for After {
        fn progress(&self, progress: &Progress) {
            if matches!(progress, Progress::Pulled { .. }) {
                self.0.withhold("r0", ErrorKind::Unavailable);
            }
        }
    }
    let lab = Lab::new(|link| link.with_direction(Direction::Import));
    lab.world.add(titled("here", 0, "dentist")).await;
    lab.remote.put("r0", &titled("there", 0, "dentist"));
    let ids = Arc::new(calsync_core::context::RandomIds::from_seed([3; 32]));
    let engine = Engine::new(lab.world.store.clone(), lab.world.clock.clone(), ids)
        .with_observer(Arc::new(After(lab.remote.clone())));
    let report =
        engine.sync(&lab.link, &*lab.remote, &SyncOptions::default()).await.expect("the run goes through");
    assert_eq!(report.undecided, 0, "its text is not there to be asked about");
    lab.remote.hand_out("r0");
    assert_eq!(lab.sync().await.undecided, 1);
}

/// An item that a question is about and that is deleted while our own writes are read back takes its question along.
#[tokio::test]
async fn a_question_ends_when_its_item_goes_while_a_run_writes() {
    struct Removing(Arc<MemoryRemote>);
    impl Observer for Removing {
        fn progress(&self, progress: &Progress) {
            if matches!(progress, Progress::Pushed { .. }) {
                self.0.remove("r0");
            }
        }
    }
    let lab = Lab::new(|link| link);
    for uid in ["here", "here too"] {
        lab.world.add(titled(uid, 0, "dentist")).await;
    }
    lab.remote.put("r0", &titled("there", 0, "dentist"));
    assert_eq!(lab.sync().await.undecided, 1, "it may be either of them");
    lab.world.add(at("another", 5)).await;
    let ids = Arc::new(calsync_core::context::RandomIds::from_seed([3; 32]));
    let engine = Engine::new(lab.world.store.clone(), lab.world.clock.clone(), ids)
        .with_observer(Arc::new(Removing(lab.remote.clone())));
    lab.world.clock.advance(TimeDelta::seconds(30));
    engine.sync(&lab.link, &*lab.remote, &SyncOptions::default()).await.expect("the run goes through");
    let report = lab.sync().await;
    assert_eq!((report.undecided, report.counts.pushed), (0, 2), "nothing is asked, and both go out");
    assert_eq!(lab.remote.items().len(), 3);
}

/// The rules leave an item out on one page of a listing and let it in on the next: it was not deleted.
#[tokio::test]
async fn left_out_and_let_in_again_is_not_gone() {
    let filter = Filter::Title { include: None, exclude: Some("private".to_owned()) };
    let rules = CopyRules::new(Pipeline::default().with_filter("public", filter));
    let lab = Lab::new(|link| link.with_direction(Direction::Import).with_copies(rules));
    for n in 0..3 {
        lab.remote.put(&format!("r{n}"), &at(&format!("u{n}"), n));
    }
    lab.sync().await;
    assert_eq!(lab.here().await.len(), 3);
    let hidden = payload_of(&titled("u0", 0, "private"));
    let shown = titled("u0", 0, "public again");
    lab.remote.put("r0", &shown);
    lab.remote.list_next([
        page(vec![present("r0", "between", hidden)], "3@a"),
        page(vec![present("r0", "v4", payload_of(&shown))], "4"),
    ]);
    lab.sync().await;
    assert_eq!(lab.here().await.len(), 3);
}

/// A feed drops what is over, and that is no deletion; what the rules leave out goes, however old it is.
#[tokio::test]
async fn what_is_left_out_goes_even_when_it_is_over() {
    let sliding = MemoryRemote::default().with_capabilities(|all| all.pull_window_slides = true);
    let filter = Filter::Title { include: None, exclude: Some("private".to_owned()) };
    let rules = CopyRules::new(Pipeline::default().with_filter("public", filter));
    let lab = Lab::with(sliding, |link| link.with_direction(Direction::Import).with_copies(rules));
    for n in 0..3 {
        lab.remote.put(&format!("r{n}"), &at(&format!("u{n}"), n));
    }
    lab.sync().await;
    lab.world.clock.advance(TimeDelta::days(10_000));
    lab.remote.put("r0", &titled("u0", 0, "private"));
    lab.remote.remove("r1");
    lab.sync().await;
    assert_eq!(lab.here().await.len(), 2, "one left out, one only over");
}

/// An outage is not a try: nothing is set aside because a provider was down.
#[tokio::test]
async fn an_outage_sets_nothing_aside() {
    let lab = Lab::joined(2).await;
    lab.remote.put("r9", &at("u9", 9));
    for _ in 0..10 {
        lab.remote.fail("fetch", RemoteFault::Before(ErrorKind::Unavailable));
        lab.try_sync_after(HOUR).await.expect_err("nothing was answered");
    }
    assert!(lab.set_aside().await.is_empty());
    assert_eq!(lab.sync().await.counts.created, 1);
}
