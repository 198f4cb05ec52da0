//! Two calendars that meet for the first time, or again after one of them lost what it knew.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use calsync_core::{
    engine::{CopyRules, Engine, EngineError, Link, OpenMatch, SyncOptions, SyncReport},
    identity::MatchOptions,
    model::{Event, EventTime, TimeSpan},
    plan::{Action, Direction},
    provider::{ErrorKind, PeoplePolicy},
    store::{
        self, JournalOp, MatchAnswer, MemoryStore, Record, RecordKind, RecordQuery, StoreError,
        StoreErrorKind,
    },
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::TimeDelta;

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    fn new() -> Self {
        Self::with(MemoryRemote::default(), |link| link)
    }

    fn with(remote: MemoryRemote, change: impl FnOnce(Link) -> Link) -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 5);
        Self { world, remote, link: change(Link::new("home", "family", "memory")) }
    }

    async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        let options = SyncOptions::default();
        self.world.engine.sync(&self.link, &self.remote, &options).await.expect("the run goes through")
    }

    /// The next run does nothing.
    async fn assert_rests(&self) {
        let writes = self.remote.writes();
        let quiet = self.sync().await;
        assert!(quiet.plan.operations.is_empty(), "{:?}", quiet.plan.operations);
        assert_eq!(self.remote.writes(), writes);
    }

    async fn sizes(&self) -> (usize, usize) {
        (self.world.locals().await.len(), self.remote.items().len())
    }

    async fn open(&self) -> Vec<OpenMatch> {
        self.world.engine.open_matches(&self.link.id).await.expect("the store answers")
    }

    async fn answer(&self, item: &OpenMatch, answer: MatchAnswer) -> Result<(), EngineError> {
        self.world.engine.answer(&self.link, &item.remote_id, answer).await
    }
}

/// An event of its own day, so that only those of one number can be the same.
fn numbered(uid: &str, title: &str, n: i64) -> Event {
    let mut event = event(uid, title);
    let time = &mut body(&mut event).time;
    let moved = |time: &EventTime| EventTime::Utc(time.absolute().expect("an instant") + TimeDelta::days(n));
    *time = TimeSpan { start: moved(&time.start), end: moved(&time.end) };
    event
}

/// DUP-04: fifty events on both sides, forty under the same UID, ten under others: fifty and fifty remain, joined.
#[tokio::test]
async fn dup_04_fifty_events_on_both_sides() {
    for page in [7, 1000] {
        let lab = Lab::with(MemoryRemote::default().with_page(page), |link| link);
        for n in 0..50 {
            let there = if n < 40 { format!("u{n}") } else { format!("other{n}") };
            lab.world.add(numbered(&format!("u{n}"), "Training", n)).await;
            lab.remote.put(&format!("r{n}"), &numbered(&there, "training", n));
        }
        let report = lab.sync().await;
        assert_eq!((report.counts.created, lab.sizes().await, report.undecided), (0, (50, 50), 0));
        let joins = report.plan.operations.iter().filter(|operation| operation.action == Action::Join);
        assert_eq!(joins.count(), 50);
        // Why two events with different UIDs are one can be told later, too.
        let link = &lab.link.id;
        let query =
            RecordQuery { kind: RecordKind::Journal, link, event: None, run: None, after: None, limit: 99 };
        let journal = lab.world.store.records(query).await.expect("the store answers");
        let like = journal.iter().filter(|record| {
            matches!(record, Record::Journal(entry) if entry.op == JournalOp::Kept && entry.reason.contains("title, start and place"))
        });
        assert_eq!(like.count(), 10);
        lab.assert_rests().await;
        // They are one event each: an edit travels, and each side keeps its UID.
        lab.world.edit("u45", |event| body(event).location = Some("Hall".to_owned())).await;
        lab.sync().await;
        let items = lab.remote.items();
        let moved: Vec<&Event> =
            items.values().filter(|event| event.body().is_some_and(|b| b.location.is_some())).collect();
        assert_eq!(moved.iter().map(|event| event.uid.as_str()).collect::<Vec<_>>(), ["other45"]);
        lab.assert_rests().await;
    }
}

/// What is only on one side goes to the other, also when much is put off.
#[tokio::test]
async fn dup_04_what_is_not_the_same_is_copied() {
    let lab = Lab::with(MemoryRemote::default().with_page(10), |link| link);
    for n in 0..120 {
        lab.world.add(numbered(&format!("here{n}"), "Tea", n)).await;
        lab.remote.put(&format!("r{n}"), &numbered(&format!("there{n}"), "Coffee", n));
    }
    lab.sync().await;
    assert_eq!(lab.sizes().await, (240, 240));
    lab.assert_rests().await;
}

/// DUP-04: two by two is left to a person: nothing is copied, nothing is joined, and it is asked once.
#[tokio::test]
async fn dup_04_a_doubtful_pair_is_asked_about() {
    let lab = Lab::new();
    let first = lab.world.add(event("a", "Tea")).await;
    let second = lab.world.add(event("b", "Tea")).await;
    lab.remote.put("r1", &event("x", "Tea"));
    lab.remote.put("r2", &event("y", "Tea"));
    let preview =
        lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.expect("plans");
    let asks = |report: &SyncReport| {
        report.plan.operations.iter().filter(|operation| operation.action == Action::Ask).count()
    };
    assert_eq!((asks(&preview), lab.open().await.len()), (2, 0), "a preview only shows");
    let report = lab.sync().await;
    assert_eq!((asks(&report), report.undecided, report.in_step()), (2, 2, false));
    lab.assert_rests().await;
    assert_eq!((lab.sizes().await, lab.remote.writes()), ((2, 2), 0));
    let link = &lab.link.id;
    let query =
        RecordQuery { kind: RecordKind::Journal, link, event: None, run: None, after: None, limit: 9 };
    let journal = lab.world.store.records(query).await.expect("the store answers");
    assert_eq!(journal.len(), 4, "each pair that may be one is in the journal");
    assert!(journal.iter().all(|record| matches!(record, Record::Journal(e) if e.op == JournalOp::Kept)));
    // One pair is the same, the others are not.
    let open = lab.open().await;
    assert_eq!(open[0].candidates, [first.clone(), second.clone()]);
    lab.answer(&open[0], MatchAnswer::Join(second.clone())).await.expect("it is asked");
    lab.answer(&open[1], MatchAnswer::KeepBoth).await.expect("it is asked");
    let done = lab.sync().await;
    assert_eq!((done.undecided, lab.sizes().await), (0, (3, 3)));
    assert!(lab.open().await.is_empty());
    lab.assert_rests().await;
    let joined = lab.world.store.bases(link, store::BaseQuery::Events(&[second])).await;
    assert_eq!(joined.expect("the store answers")[0].remote_id, open[0].remote_id);
}

#[tokio::test]
async fn answers_to_nothing_are_refused() {
    let lab = Lab::new();
    let stranger = lab.world.add(event("c", "Coffee")).await;
    lab.world.add(event("a", "Tea")).await;
    lab.world.add(event("b", "Tea")).await;
    lab.remote.put("r1", &event("x", "Tea"));
    lab.sync().await;
    let open = lab.open().await;
    let refused = lab.answer(&open[0], MatchAnswer::Join(stranger)).await;
    assert!(matches!(refused, Err(EngineError::UnknownMatch { .. })), "{refused:?}");
    let mut elsewhere = open[0].clone();
    elsewhere.remote_id = "r7".into();
    let refused = lab.answer(&elsewhere, MatchAnswer::KeepBoth).await;
    assert!(matches!(refused, Err(EngineError::UnknownMatch { .. })), "{refused:?}");
}

/// What people do meanwhile answers a question, or leaves it open; nothing is lost and nothing doubled.
#[tokio::test]
async fn dup_04_questions_and_what_happens_meanwhile() {
    // The item goes: the events here are new there.
    let ask = async || {
        let lab = Lab::new();
        lab.world.add(event("a", "Tea")).await;
        lab.world.add(event("b", "Tea")).await;
        lab.remote.put("r1", &event("x", "Tea"));
        lab.sync().await;
        assert_eq!(lab.sizes().await, (2, 1));
        lab
    };
    for forgotten in [false, true] {
        let lab = ask().await;
        if forgotten {
            lab.remote.forget_cursors();
        }
        lab.remote.remove("r1");
        lab.sync().await;
        assert_eq!((lab.sizes().await, lab.open().await.len()), ((2, 2), 0));
        lab.assert_rests().await;
    }
    // Both events go here: the item is new here.
    let lab = ask().await;
    lab.world.delete("a").await;
    lab.sync().await;
    assert_eq!(lab.open().await.len(), 1);
    lab.world.delete("b").await;
    lab.sync().await;
    assert_eq!((lab.sizes().await, lab.open().await.len()), ((1, 1), 0));
    lab.assert_rests().await;
    // Either is edited: the question is about what they are now.
    let lab = ask().await;
    lab.remote.put("r1", &event("x", "Tea with Ana"));
    lab.world.edit("a", |event| body(event).location = Some("Kitchen".to_owned())).await;
    lab.sync().await;
    lab.assert_rests().await;
    let open = lab.open().await;
    assert_eq!((open.len(), lab.sizes().await), (1, (2, 1)));
    let a = lab.world.local("a").await.id;
    lab.answer(&open[0], MatchAnswer::Join(a)).await.expect("it is asked");
    lab.sync().await;
    lab.sync().await;
    lab.assert_rests().await;
    assert_eq!(lab.sizes().await, (2, 2));
    let joined = lab.world.local("a").await.event;
    let joined = joined.body().expect("a body");
    assert_eq!(
        (joined.title.as_deref(), joined.location.as_deref()),
        (Some("Tea with Ana"), Some("Kitchen"))
    );
}

/// A link joins no unlike UIDs by itself where it may not write one side, however sure it is: it asks, and does what it is
/// told without writing that side.
#[tokio::test]
async fn dup_04_one_way_links_ask() {
    for direction in [Direction::Import, Direction::Export] {
        for join in [false, true] {
            let lab = Lab::with(MemoryRemote::default(), |link| {
                link.with_direction(direction).with_copies(CopyRules::everything())
            });
            let id = lab.world.add(event("mine", "Tea")).await;
            lab.remote.put("r1", &event("theirs", "Tea"));
            let report = lab.sync().await;
            assert_eq!((report.undecided, lab.sizes().await), (1, (1, 1)), "{direction:?}");
            let open = lab.open().await;
            let answer = if join { MatchAnswer::Join(id) } else { MatchAnswer::KeepBoth };
            lab.answer(&open[0], answer).await.expect("it is asked");
            lab.sync().await;
            lab.assert_rests().await;
            let expected = match (join, direction) {
                (true, _) => (1, 1),
                (false, Direction::Import) => (2, 1),
                (false, _) => (1, 2),
            };
            assert_eq!(lab.sizes().await, expected, "{direction:?}");
        }
    }
}

/// Likeness counts at the first meeting only: later an event with the same title and time is another event.
#[tokio::test]
async fn dup_02_likeness_counts_at_the_first_meeting_only() {
    let lab = Lab::new();
    lab.sync().await;
    lab.world.add(event("a", "Tea")).await;
    lab.remote.put("r1", &event("x", "Tea"));
    lab.sync().await;
    assert_eq!((lab.sizes().await, lab.open().await.len()), ((2, 2), 0));
    lab.assert_rests().await;
    // And never where the host does not want it.
    let lab = Lab::with(MemoryRemote::default(), |link| link.with_matching(MatchOptions::uid_only()));
    lab.world.add(event("a", "Tea")).await;
    lab.remote.put("r1", &event("x", "Tea"));
    lab.sync().await;
    assert_eq!(lab.sizes().await, (2, 2));
}

/// Takes so many more calls, and is out of reach then.
struct Dies(AtomicI64);

#[async_trait]
impl StoreHook for Dies {
    async fn at(&self, _: Moment<'_>) -> store::Result<()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "test"))
    }
}

/// I11: what was answered is done as a whole, wherever the run that does it ends: what was not joined is made on the other side,
/// and invites nobody there. The same when the item of a question is gone.
#[tokio::test]
async fn i11_an_answer_whose_run_is_cut_short_is_carried_out() {
    for (gone, listed) in [(false, false), (true, false), (false, true), (true, true)] {
        for calls in 0.. {
            let inner = Arc::new(MemoryStore::default());
            let store = Arc::new(HookedStore::new(inner, Dies(i64::MAX.into())));
            let link = Link::new("home", "family", "memory").with_people(PeoplePolicy::Write);
            let remote = MemoryRemote::default().with_capabilities(|all| all.pull_with_payload = listed);
            let lab = Lab { world: World::new(store.clone(), 5), remote, link };
            let first = lab.world.add(event("a", "Tea")).await;
            lab.world.add(event("b", "Tea")).await;
            lab.remote.put("r1", &event("x", "Tea"));
            lab.remote.put("r2", &event("y", "Tea"));
            assert_eq!(lab.sync().await.undecided, 2);
            let open = lab.open().await;
            if gone {
                lab.remote.remove("r1");
                lab.remote.remove("r2");
            } else {
                lab.answer(&open[0], MatchAnswer::Join(first)).await.expect("it is asked");
                lab.answer(&open[1], MatchAnswer::KeepBoth).await.expect("it is asked");
            }
            store.hook.0.store(calls, Ordering::SeqCst);
            lab.world.clock.advance(TimeDelta::seconds(30));
            let ended = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await.is_ok();
            store.hook.0.store(i64::MAX, Ordering::SeqCst);
            lab.sync().await;
            let both = if gone { (2, 2) } else { (3, 3) };
            assert_eq!(lab.sizes().await, both, "gone: {gone}, after {calls} calls");
            assert!(lab.open().await.is_empty(), "gone: {gone}, after {calls} calls");
            assert_eq!(lab.remote.renders_with_people(), 0, "gone: {gone}, after {calls} calls");
            lab.assert_rests().await;
            if ended {
                break;
            }
        }
    }
}

/// I04: an event that was said to be an item, and the item is gone by then, is new there.
#[tokio::test]
async fn i04_an_answer_about_an_item_that_is_gone_keeps_the_event() {
    for listed in [false, true] {
        let remote = MemoryRemote::default().with_capabilities(|all| all.pull_with_payload = listed);
        let lab = Lab::with(remote, |link| link);
        let first = lab.world.add(event("a", "Tea")).await;
        lab.world.add(event("b", "Tea")).await;
        lab.remote.put("r1", &event("x", "Tea"));
        lab.sync().await;
        let open = lab.open().await;
        lab.answer(&open[0], MatchAnswer::Join(first)).await.expect("it is asked");
        lab.remote.remove("r1");
        lab.sync().await;
        lab.sync().await;
        assert_eq!((lab.sizes().await, lab.open().await.len()), ((2, 2), 0), "listed whole: {listed}");
        lab.assert_rests().await;
    }
}

/// I05: what was answered is done once, also while deletions wait for somebody: the item is not taken for what it was when it was
/// asked about.
#[tokio::test]
async fn i05_an_answer_is_not_given_again_while_deletions_wait() {
    for listed in [false, true] {
        let remote = MemoryRemote::default().with_capabilities(|all| all.pull_with_payload = listed);
        let lab = Lab::with(remote, |link| link);
        for n in 0..30 {
            lab.world.add(numbered(&format!("u{n}"), "Training", n + 5)).await;
            lab.remote.put(&format!("n{n:02}"), &numbered(&format!("u{n}"), "Training", n + 5));
        }
        let mut placed = event("a", "Tea");
        body(&mut placed).location = Some("Kitchen".to_owned());
        let first = lab.world.add(placed).await;
        lab.world.add(event("b", "Tea")).await;
        lab.remote.put("r1", &event("x", "Tea"));
        lab.remote.put("r2", &event("y", "Tea"));
        lab.sync().await;
        let open = lab.open().await;
        lab.answer(&open[0], MatchAnswer::Join(first)).await.expect("it is asked");
        lab.answer(&open[1], MatchAnswer::KeepBoth).await.expect("it is asked");
        (0..20).for_each(|n| lab.remote.remove(&format!("n{n:02}")));
        assert!(lab.sync().await.plan.held);
        let place = |event: &Event| event.body().and_then(|body| body.location.clone());
        let there = |lab: &Lab| lab.remote.get(&open[0].remote_id).as_ref().and_then(place);
        let kitchen = Some("Kitchen".to_owned());
        assert_eq!(there(&lab), kitchen, "listed whole: {listed}");
        let before = lab.world.local("a").await;
        for _ in 0..2 {
            lab.sync().await;
            assert!(lab.open().await.is_empty(), "listed whole: {listed}");
            let now = lab.world.local("a").await;
            assert_eq!((now.revision, place(&now.event)), (before.revision, kitchen.clone()));
            assert_eq!(there(&lab), kitchen, "listed whole: {listed}");
        }
    }
}

/// A run that dies at the first meeting is taken up by the next one, which still joins.
#[tokio::test]
async fn i11_a_first_meeting_that_was_cut_short() {
    let lab = Lab::with(MemoryRemote::default().with_page(5), |link| link);
    for n in 0..20 {
        lab.world.add(numbered(&format!("u{n}"), "Training", n)).await;
        lab.remote.put(&format!("r{n:02}"), &numbered(&format!("other{n}"), "Training", n));
    }
    lab.world.add(numbered("extra", "Dinner", 99)).await;
    for (operation, fault) in [("fetch", ErrorKind::Unavailable), ("create", ErrorKind::Unauthorized)] {
        lab.remote.fail(operation, RemoteFault::Before(fault));
        lab.world.clock.advance(TimeDelta::seconds(30));
        let failed = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
        assert!(failed.is_err());
    }
    // They still meet: what comes meanwhile is joined like the rest.
    lab.remote.put("late", &numbered("late", "Dinner", 99));
    lab.sync().await;
    assert_eq!(lab.sizes().await, (21, 21));
    lab.assert_rests().await;
}

/// Engines are shared; a question is answered through any of them.
#[test]
fn an_engine_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Engine>();
}
