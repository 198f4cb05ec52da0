//! Items that a run made on the remote side and that a person takes back: they go, and stay away, and nothing else is
//! different for it. Each of these was broken by an earlier way of doing it, or could be.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use calsync_core::{
    engine::{CleanOptions, CopyRules, EngineError, Link, SyncOptions, SyncReport, UndoReport, WayState},
    model::{Event, RemoteId, RunId},
    plan::Direction,
    provider::{ErrorKind, Provider},
    store::{MemoryStore, Result, Store},
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::TimeDelta;
use futures_util::FutureExt;

const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::hours(25);

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    /// One event on both sides.
    async fn new() -> Self {
        Self::on(Arc::new(MemoryStore::default())).await
    }

    async fn on(store: Arc<dyn Store>) -> Self {
        let lab = Self {
            world: World::new(store, 4),
            remote: MemoryRemote::default(),
            link: Link::new("home", "family", "memory"),
        };
        lab.remote.put("r0", &event("u0", "one"));
        lab.sync().await;
        lab
    }

    /// And three that were made here, sent there by a run.
    async fn sent() -> (Self, RunId) {
        let lab = Self::new().await;
        let run = lab.send(3).await;
        (lab, run)
    }

    async fn send(&self, count: usize) -> RunId {
        for n in 0..count {
            self.world.add(event(&format!("new{n}"), "made")).await;
        }
        let run = self.sync().await.run;
        assert_eq!(self.remote.items().len(), 1 + count);
        run
    }

    /// The three taken away again.
    async fn taken_back() -> (Self, RunId, UndoReport) {
        let (lab, run) = Self::sent().await;
        let undone = lab.undo(&run).await.unwrap();
        assert_eq!((undone.restored, undone.removed, undone.removed_there, undone.kept), (0, 0, 3, 0));
        (lab, run, undone)
    }

    async fn sync(&self) -> SyncReport {
        self.sync_after(HOUR).await.expect("the run goes through")
    }

    async fn sync_after(&self, wait: TimeDelta) -> std::result::Result<SyncReport, EngineError> {
        self.world.clock.advance(wait);
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await
    }

    async fn undo(&self, run: &RunId) -> std::result::Result<UndoReport, EngineError> {
        self.world.engine.undo(&self.link, &self.remote, run).await
    }

    async fn counts(&self) -> (usize, usize) {
        (self.world.locals().await.len(), self.remote.items().len())
    }

    fn item(&self, uid: &str) -> Option<(RemoteId, Event)> {
        self.remote.items().into_iter().find(|(_, event)| event.uid == uid)
    }

    /// Whether an edit of either side reaches the other.
    async fn in_step(&self, uid: &str) -> bool {
        self.world.edit(uid, titled("edited here")).await;
        self.sync().await;
        let Some((id, item)) = self.item(uid) else { return false };
        if title(&item) != "edited here" {
            return false;
        }
        self.remote.put(id.as_str(), &event(uid, "edited there"));
        self.sync().await;
        title(&self.world.local(uid).await.event) == "edited there"
    }
}

fn title(event: &Event) -> &str {
    event.body().and_then(|body| body.title.as_deref()).unwrap_or_default()
}

fn titled(title: &str) -> impl FnOnce(&mut Event) {
    move |event| body(event).title = Some(title.to_owned())
}

/// I32: they are gone at once; their events are the host's, and are not sent there again, edited or not.
#[tokio::test]
async fn i32_items_a_run_made_there_go_and_stay_away() {
    let (lab, run, _) = Lab::taken_back().await;
    assert_eq!(lab.counts().await, (4, 1));
    lab.world.edit("new0", titled("edited")).await;
    for _ in 0..3 {
        let report = lab.sync_after(DAY).await.unwrap();
        assert_eq!((lab.counts().await, report.plan.operations.len()), ((4, 1), 0));
    }
    assert_eq!(lab.undo(&run).await.unwrap().removed_there, 0, "once");
    lab.world.delete("new0").await;
    lab.sync().await;
    assert_eq!(lab.counts().await, (3, 1));
    let told = lab.world.local("new1").await;
    let told = lab.world.engine.explain(std::slice::from_ref(&lab.link), &told).await.unwrap();
    assert!(matches!(told.ways[0].state, WayState::LeftAlone {}), "{:?}", told.ways);
}

/// I32: one that somebody edited meanwhile stays, and is kept in step.
#[tokio::test]
async fn i32_an_item_that_was_edited_there_since_stays() {
    let (lab, run) = Lab::sent().await;
    let (id, _) = lab.item("new1").unwrap();
    lab.remote.put(id.as_str(), &event("new1", "edited there"));
    let undone = lab.undo(&run).await.unwrap();
    assert_eq!((undone.removed_there, undone.kept, undone.edited.len()), (2, 1, 1));
    lab.sync().await;
    assert_eq!(title(&lab.world.local("new1").await.event), "edited there");
    assert!(lab.in_step("new1").await);
    assert_eq!(lab.counts().await, (4, 2));
}

/// I32: one that was edited here meanwhile stays, sent already or not.
#[tokio::test]
async fn i32_an_event_that_was_edited_here_since_keeps_its_item() {
    for sent in [false, true] {
        let (lab, run) = Lab::sent().await;
        lab.world.edit("new1", titled("edited here")).await;
        if sent {
            lab.sync().await;
        }
        let undone = lab.undo(&run).await.unwrap();
        assert_eq!((undone.removed_there, undone.kept, undone.edited.len()), (2, 1, 1));
        assert!(lab.in_step("new1").await);
    }
}

/// A deletion whose answer is lost is asked for again; a provider that is down leaves everything as it was, or says what it
/// does not know, and the same undo goes on later. What it never deletes is told, and keeps nothing else back.
#[tokio::test]
async fn i32_requests_that_fail() {
    use RemoteFault::{After, Before, Lost};
    struct Case(Vec<RemoteFault>, usize, Option<ErrorKind>, usize);
    // The faults, how many items are there then, how it failed, and how many there are in the end.
    for Case(faults, there, fails, end) in [
        Case(vec![After], 1, None, 1),
        Case(vec![Lost], 1, None, 1),
        Case(vec![After, Before(ErrorKind::Unavailable)], 1, Some(ErrorKind::Unavailable), 1),
        Case(vec![After, Before(ErrorKind::Unauthorized)], 3, Some(ErrorKind::Unauthorized), 1),
        Case(vec![Lost, Lost], 2, Some(ErrorKind::Unavailable), 1),
        Case(vec![Lost, Before(ErrorKind::Throttled)], 4, Some(ErrorKind::Throttled), 1),
        Case(vec![Before(ErrorKind::Unavailable)], 2, Some(ErrorKind::Unavailable), 1),
        Case(vec![Before(ErrorKind::Unavailable); 3], 4, Some(ErrorKind::Unavailable), 1),
        Case(vec![Before(ErrorKind::Throttled)], 4, Some(ErrorKind::Throttled), 1),
        Case(vec![Before(ErrorKind::Unauthorized)], 4, Some(ErrorKind::Unauthorized), 1),
        Case(vec![Before(ErrorKind::Refused), After], 2, None, 2),
    ] {
        let (mut lab, run) = Lab::sent().await;
        lab.remote = lab.remote.with_capabilities(|it| it.requests_max = 1);
        for fault in &faults {
            lab.remote.fail("delete", fault.clone());
        }
        let undone = lab.undo(&run).await;
        match (&undone, fails) {
            (Ok(report), None) => assert_eq!(report.made_there, end as u64 - 1, "{faults:?}"),
            (Err(EngineError::Provider(error)), Some(kind)) => assert_eq!(error.kind, kind, "{faults:?}"),
            _ => panic!("{faults:?}: {undone:?}"),
        }
        assert_eq!(lab.counts().await, (4, there), "{faults:?}");
        if undone.is_err() {
            // Whatever happens in between, and however often it fails.
            for fault in [Before(ErrorKind::Throttled), Before(ErrorKind::Unavailable), Lost] {
                lab.sync().await;
                lab.remote.fail("delete", fault.clone());
                lab.remote.fail("delete", fault);
                let _ = lab.undo(&run).await;
                assert_eq!(lab.world.locals().await.len(), 4, "{faults:?}");
            }
            lab.world.clock.advance(HOUR);
            lab.remote.forget_faults();
            lab.undo(&run).await.unwrap();
        }
        for _ in 0..2 {
            lab.sync_after(DAY).await.unwrap();
            assert_eq!(lab.counts().await, (4, end), "{faults:?}");
        }
    }
}

/// What is here is taken back also when nothing can be deleted there, and what an undo that was cut off took back already
/// is not called edited.
#[tokio::test]
async fn i32_here_first() {
    let lab = Lab::new().await;
    lab.remote.put("r0", &event("u0", "two"));
    let run = lab.send(2).await;
    lab.remote.fail("delete", RemoteFault::Before(ErrorKind::Unauthorized));
    lab.undo(&run).await.expect_err("unauthorized");
    assert_eq!(title(&lab.world.local("u0").await.event), "one");
    let undone = lab.undo(&run).await.unwrap();
    assert_eq!((undone.removed_there, undone.kept, undone.edited), (2, 1, vec![]));
}

/// What an undo that failed did is not done, counted and written down again by the one that goes on.
#[tokio::test]
async fn i32_goes_on_where_it_ended() {
    let (mut lab, run) = Lab::sent().await;
    lab.remote = lab.remote.with_capabilities(|it| it.requests_max = 1);
    lab.remote.fail("delete", RemoteFault::Before(ErrorKind::Unavailable));
    lab.undo(&run).await.expect_err("one is left");
    assert_eq!(lab.counts().await, (4, 2));
    let before = lab.remote.requests();
    let undone = lab.undo(&run).await.unwrap();
    assert_eq!((undone.removed_there, undone.kept, lab.remote.requests() - before), (1, 2, 1));
    assert_eq!(lab.undo(&undone.removal.unwrap()).await.unwrap().restored, 3);
}

/// An edit there that a run has taken note of, and that changed nothing here, is somebody's work as well.
#[tokio::test]
async fn i32_an_edit_there_that_was_seen_and_left_alone() {
    let mut lab = Lab::new().await;
    lab.link = lab.link.clone().with_direction(Direction::Export).with_copies(CopyRules::everything());
    let run = lab.send(3).await;
    let (id, _) = lab.item("new1").unwrap();
    lab.remote.put(id.as_str(), &event("new1", "edited there"));
    lab.sync().await;
    let undone = lab.undo(&run).await.unwrap();
    assert_eq!((undone.removed_there, undone.kept, undone.edited.len()), (2, 1, 1));
    assert_eq!(title(&lab.item("new1").unwrap().1), "edited there");
}

/// What the server counts by itself, and what it makes of an item when it takes it, is no edit.
#[tokio::test]
async fn i32_what_a_server_makes_of_an_item_is_no_edit() {
    let mut lab = Lab::new().await;
    lab.remote = std::mem::take(&mut lab.remote).holding(|event| {
        let mut event = event.clone();
        body(&mut event).categories.insert("of the server".to_owned());
        event
    });
    for n in 0..3 {
        lab.world.add(event(&format!("new{n}"), "made")).await;
    }
    let run = lab.sync().await.run;
    let (id, mut item) = lab.item("new1").unwrap();
    body(&mut item).sequence += 1;
    lab.remote.put(id.as_str(), &item);
    lab.sync().await;
    assert_eq!(lab.undo(&run).await.unwrap().removed_there, 3);
}

/// Never answers once so many moments have passed.
struct Stuck {
    left: AtomicUsize,
    seen: AtomicUsize,
}

#[async_trait]
impl StoreHook for Stuck {
    async fn at(&self, _: Moment<'_>) -> Result<()> {
        self.seen.fetch_add(1, Ordering::SeqCst);
        let pass = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if pass.is_err() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// An undo that is dropped at any await leaves no event deleted and none doubled; asked for again it is carried out whole.
#[tokio::test]
async fn i32_an_undo_cut_off_at_any_await() {
    let mut outcomes = BTreeSet::new();
    for cut in 0.. {
        let hook = Stuck { left: usize::MAX.into(), seen: 0.into() };
        let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::default()), hook));
        let mut lab = Lab::on(store.clone()).await;
        lab.link.commit_every = 2;
        let run = lab.send(3).await;
        store.hook.left.store(cut, Ordering::SeqCst);
        let undone = lab.undo(&run).now_or_never();
        store.hook.left.store(usize::MAX, Ordering::SeqCst);
        let whole = undone.is_some();
        outcomes.insert(lab.remote.items().len());
        // A run comes in between, which may compare everything.
        let wait = if cut % 2 == 0 { HOUR } else { DAY };
        lab.sync_after(wait).await.unwrap();
        assert_eq!(lab.world.locals().await.len(), 4, "cut at {cut}");
        lab.world.clock.advance(HOUR);
        lab.undo(&run).await.unwrap();
        for _ in 0..2 {
            lab.sync_after(DAY).await.unwrap();
        }
        assert_eq!(lab.counts().await, (4, 1), "cut at {cut}");
        if whole {
            break;
        }
    }
    assert_eq!(outcomes, BTreeSet::from([1, 2, 4]), "cut before, between and after");
}

/// An item that a listing still shows although it is gone does not come back with its event, to be deleted with it.
#[tokio::test]
async fn i32_a_listing_that_lags() {
    let (lab, run) = Lab::sent().await;
    let before = lab.remote.backup();
    lab.undo(&run).await.unwrap();
    let after = lab.remote.backup();
    lab.remote.restore(&before);
    lab.remote.forget_cursors();
    lab.sync().await;
    lab.remote.restore(&after);
    lab.remote.forget_cursors();
    for _ in 0..2 {
        lab.sync_after(DAY).await.unwrap();
        assert_eq!(lab.counts().await, (4, 1));
    }
}

/// Somebody makes it again there, under its UID, or brings the item itself back: the two are kept in step.
#[tokio::test]
async fn i32_made_again_there() {
    for same_item in [false, true] {
        let (lab, run) = Lab::sent().await;
        let (id, _) = lab.item("new1").unwrap();
        lab.undo(&run).await.unwrap();
        lab.sync().await;
        lab.remote.put(if same_item { id.as_str() } else { "again" }, &event("new1", "made again there"));
        lab.sync().await;
        assert_eq!(lab.counts().await, (4, 2));
        assert!(lab.in_step("new1").await, "same item: {same_item}");
        // And a deletion there is one.
        let (id, _) = lab.item("new1").unwrap();
        lab.remote.remove(id.as_str());
        lab.sync().await;
        assert_eq!(lab.counts().await, (3, 1));
    }
}

/// Taking the removal back makes the items again, edited here meanwhile or not; once.
#[tokio::test]
async fn i32_the_removal_is_taken_back() {
    let (lab, run, undone) = Lab::taken_back().await;
    lab.world.edit("new0", titled("edited")).await;
    lab.sync().await;
    let removal = undone.removal.expect("the removal has a name");
    assert_eq!(removal.as_str(), format!("{run}-undone"));
    assert_eq!(lab.undo(&removal).await.unwrap().restored, 3);
    assert_eq!(lab.undo(&removal).await.unwrap().restored, 0, "they are about to be made");
    lab.sync().await;
    assert_eq!(lab.counts().await, (4, 4));
    assert!(lab.in_step("new0").await);
    assert_eq!(lab.undo(&removal).await.unwrap().restored, 0, "they are there");
}

/// A creation and its deletion, both taken back: the event is here, and stays away from there.
#[tokio::test]
async fn i32_made_and_deleted_and_both_taken_back() {
    let (lab, _) = Lab::sent().await;
    lab.world.delete("new0").await;
    lab.sync().await;
    assert_eq!(lab.world.engine.undo_last(&lab.link, &lab.remote, 2).await.unwrap().len(), 2);
    for _ in 0..2 {
        lab.sync_after(DAY).await.unwrap();
        assert_eq!(lab.counts().await, (4, 1));
    }
}

/// The events are deleted here, as one does with mistakes, while a listing still shows their items: they stay deleted.
#[tokio::test]
async fn i32_deleted_here_while_a_listing_lags() {
    let (lab, run) = Lab::sent().await;
    let before = lab.remote.backup();
    lab.undo(&run).await.unwrap();
    for n in 0..3 {
        lab.world.delete(&format!("new{n}")).await;
    }
    lab.remote.restore(&before);
    lab.remote.forget_cursors();
    lab.sync().await;
    assert_eq!(lab.world.locals().await.len(), 1);
}

/// A server that goes back to what it was, or gives the same content the same version: once a listing lacked the item,
/// whatever is there is somebody's.
#[tokio::test]
async fn i32_brought_back_as_it_was() {
    let (lab, run) = Lab::sent().await;
    let before = lab.remote.backup();
    lab.undo(&run).await.unwrap();
    lab.sync_after(DAY).await.unwrap();
    lab.remote.restore(&before);
    lab.remote.forget_cursors();
    lab.sync().await;
    assert_eq!(lab.counts().await, (4, 4));
    assert!(lab.in_step("new1").await);
}

/// DEL-01: what was taken away does not count for the brake, nor is it asked for again and again.
#[tokio::test]
async fn i32_the_brake_does_not_count_what_was_taken_away() {
    let lab = Lab::new().await;
    for n in 1..40 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "real"));
    }
    lab.sync().await;
    for n in 0..160 {
        lab.world.add(event(&format!("x{n}"), "mistake")).await;
    }
    let run = lab.sync().await.run;
    assert_eq!(lab.undo(&run).await.unwrap().removed_there, 160);
    let report = lab.sync_after(DAY).await.unwrap();
    assert_eq!((lab.counts().await, report.plan.operations.len()), ((200, 40), 0));
    for n in 0..39 {
        lab.remote.remove(&format!("r{n}"));
    }
    let report = lab.sync().await;
    assert!(report.plan.held, "{} events were deleted here unasked", report.counts.deleted);
}

/// A deletion that somebody else made there meanwhile is none here.
#[tokio::test]
async fn i32_deleted_there_meanwhile() {
    let (lab, run) = Lab::sent().await;
    for n in 0..3 {
        let (id, _) = lab.item(&format!("new{n}")).unwrap();
        lab.remote.remove(id.as_str());
    }
    assert_eq!(lab.undo(&run).await.unwrap().removed_there, 3, "they are gone");
    for _ in 0..2 {
        lab.sync_after(DAY).await.unwrap();
        assert_eq!(lab.counts().await, (4, 1));
    }
}

/// A link that only imports writes nothing there.
#[tokio::test]
async fn i32_where_nothing_may_be_deleted() {
    let (mut lab, run) = Lab::sent().await;
    lab.link = lab.link.clone().with_direction(Direction::Import);
    let undone = lab.undo(&run).await.unwrap();
    assert_eq!((undone.removed_there, undone.kept, undone.made_there), (0, 3, 3));
    let (id, _) = lab.item("new0").unwrap();
    lab.remote.put(id.as_str(), &event("new0", "edited there"));
    lab.sync().await;
    assert_eq!(title(&lab.world.local("new0").await.event), "edited there");
}

/// A copy that somebody deleted there stays deleted, and is nothing that could be taken away.
#[tokio::test]
async fn i32_a_copy_that_was_deleted_there() {
    let mut lab = Lab::new().await;
    lab.link = lab.link.clone().with_direction(Direction::Export).with_copies(CopyRules::everything());
    let run = lab.send(2).await;
    let (id, _) = lab.item("new1").unwrap();
    lab.remote.remove(id.as_str());
    lab.sync().await;
    let undone = lab.undo(&run).await.unwrap();
    assert_eq!((undone.removed_there, undone.kept, undone.made_there), (1, 1, 0));
    lab.sync_after(DAY).await.unwrap();
    assert_eq!(lab.counts().await, (3, 1));
}

/// A link that is forgotten forgets this, too, and a clean-up finds nothing of it.
#[tokio::test]
async fn i32_then_cleaned_or_forgotten() {
    let (mut lab, _, _) = Lab::taken_back().await;
    let options = CleanOptions::default().previewing();
    let plan = lab.world.engine.clean(&lab.link, &lab.remote, &options).await.unwrap();
    assert_eq!((plan.plan.operations.len(), plan.edited, plan.foreign), (0, 0, 0));
    lab.world.engine.forget(&lab.link).await.unwrap();
    lab.link = lab.link.clone().with_direction(Direction::Export).with_copies(CopyRules::everything());
    lab.sync().await;
    assert_eq!(lab.counts().await, (4, 4), "the link begins anew");
}

/// More than a page, more than a group.
#[tokio::test]
async fn i32_many_items() {
    let lab = Lab::new().await;
    let run = lab.send(450).await;
    assert_eq!(lab.undo(&run).await.unwrap().removed_there, 450);
    lab.sync_after(DAY).await.unwrap();
    assert_eq!(lab.counts().await, (451, 1));
}
