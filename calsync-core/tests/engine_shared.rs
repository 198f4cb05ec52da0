//! Links that share a calendar: what moves from the source of one to the source of another is not deleted, and what somebody
//! deletes is.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use calsync_core::{
    context::Clock,
    engine::{Engine, Hub, Link, SyncOptions, SyncReport},
    merge::ConflictPolicy,
    plan::{Action, Direction},
    store::{DocQuery, JournalOp, MemoryStore, Record, RecordKind, RecordQuery, Result, Store},
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;

const ONE_WAY: [Direction; 2] = [Direction::Import, Direction::Import];

/// Two remote calendars, `work` with four events and `home` with two, imported into one.
struct Shared {
    world: World,
    links: [Link; 2],
    remotes: [Arc<MemoryRemote>; 2],
}

const WORK: usize = 0;
const HOME: usize = 1;

impl Shared {
    async fn of(store: Arc<dyn Store>, directions: [Direction; 2]) -> Self {
        let links = [("work", directions[0]), ("home", directions[1])]
            .map(|(name, direction)| Link::new(name, "family", name).with_direction(direction));
        let remotes = [0, 1].map(|_| Arc::new(MemoryRemote::default()));
        for (n, title) in ["Choir", "Dentist", "Football", "Garden"].into_iter().enumerate() {
            remotes[WORK].put(&format!("w{n}"), &event(&format!("u{n}"), title));
        }
        for (n, title) in ["Piano", "Visit"].into_iter().enumerate() {
            remotes[HOME].put(&format!("h{n}"), &event(&format!("v{n}"), title));
        }
        let shared = Self { world: World::new(store, 9), links, remotes };
        for which in [WORK, HOME, WORK, HOME] {
            shared.sync(which).await;
        }
        shared
    }

    async fn new(directions: [Direction; 2]) -> Self {
        Self::of(Arc::new(MemoryStore::default()), directions).await
    }

    async fn sync(&self, which: usize) -> SyncReport {
        self.world.clock.advance(TimeDelta::minutes(10));
        let options = SyncOptions::default();
        let run = self.world.engine.sync(&self.links[which], &*self.remotes[which], &options);
        run.await.expect("the run goes through")
    }

    /// The person moves `u1` from the first calendar to the second, at the provider.
    fn moves(&self) {
        self.remotes[WORK].remove("w1");
        self.remotes[HOME].put("moved", &event("u1", "Dentist"));
    }

    async fn uids(&self) -> Vec<String> {
        let mut uids: Vec<String> =
            self.world.locals().await.into_iter().map(|record| record.event.uid).collect();
        uids.sort();
        uids
    }

    fn there(&self, which: usize) -> Vec<String> {
        let mut uids: Vec<String> =
            self.remotes[which].items().into_values().map(|event| event.uid).collect();
        uids.sort();
        uids
    }

    async fn rests(&self) {
        let writes = || self.remotes.iter().map(|remote| remote.writes()).sum::<u64>();
        let before = writes();
        for which in [WORK, HOME, WORK] {
            let report = self.sync(which).await;
            assert!(report.plan.operations.is_empty(), "{:?}", report.plan.operations);
        }
        assert_eq!(writes(), before);
    }

    async fn notes(&self) -> usize {
        let query = DocQuery::Page { after: None, limit: 100 };
        self.world.store.docs("arrived.family", query).await.expect("the store answers").len()
    }
}

/// DEL-19: moved, and the new calendar is read first: the event stays, says why, and is where it was moved to and nowhere else.
/// So it is in the other order, and for every kind of link.
#[tokio::test]
async fn del_19_what_moved_to_another_source_stays() {
    use Direction::{Import, TwoWay};
    for directions in [ONE_WAY, [TwoWay, Import], [Import, TwoWay]] {
        for order in [[HOME, WORK], [WORK, HOME]] {
            for cursors in ["good", "forgotten"] {
                let shared = Shared::new(directions).await;
                let wrote = shared.there(HOME).len();
                let before = shared.there(WORK).len();
                shared.moves();
                if cursors == "forgotten" {
                    shared.remotes.iter().for_each(|remote| remote.forget_cursors());
                }
                // A calendar that has a copy already holds its UID twice for a while, until the copy is gone.
                for which in [order; 3].into_iter().flatten() {
                    let report = shared.sync(which).await;
                    if directions == ONE_WAY && order[0] == HOME && which == WORK {
                        let done: Vec<Action> =
                            report.plan.operations.iter().map(|operation| operation.action).collect();
                        assert!(done.is_empty() || done == [Action::Suppress], "{done:?}");
                    }
                }
                let case = format!("{directions:?}, {order:?}, cursors {cursors}");
                let all = ["u0", "u1", "u2", "u3", "v0", "v1"];
                assert_eq!(shared.uids().await, all, "{case}");
                assert!(shared.there(HOME).contains(&"u1".to_owned()), "{case}");
                if directions == ONE_WAY {
                    assert_eq!(shared.there(WORK), ["u0", "u2", "u3"], "{case}");
                    assert_eq!((shared.there(HOME).len(), before), (wrote + 1, 4), "{case}");
                }
                shared.rests().await;
                assert_eq!(shared.uids().await, all, "{case}");
            }
        }
    }
}

/// A link in both directions to the old source does not make the event there again, also when it was edited here meanwhile, or is
/// from then on.
#[tokio::test]
async fn del_19_what_moved_away_is_not_made_there_again() {
    for edited in ["never", "before", "after"] {
        let shared = Shared::new([Direction::TwoWay, Direction::Import]).await;
        let edit = || shared.world.edit("u1", |event| body(event).location = Some("Room 2".to_owned()));
        shared.moves();
        shared.sync(HOME).await;
        if edited == "before" {
            edit().await;
        }
        for which in [WORK, HOME, WORK, HOME] {
            shared.sync(which).await;
        }
        if edited == "after" {
            edit().await;
            for which in [WORK, HOME] {
                shared.sync(which).await;
            }
        }
        assert!(!shared.there(WORK).contains(&"u1".to_owned()), "edited {edited}");
        let place = shared.world.local("u1").await.event.body().and_then(|body| body.location.clone());
        assert_eq!(place.is_some(), edited != "never");
        shared.rests().await;
    }
}

/// The old source goes on listing the event for a while, as feeds do that are published now and then: it still moved.
#[tokio::test]
async fn del_19_a_source_that_lags_does_not_make_a_move_a_deletion() {
    let shared = Shared::new(ONE_WAY).await;
    shared.remotes[HOME].put("moved", &event("u1", "Dentist"));
    for hours in [0, 6, 20] {
        shared.world.clock.advance(TimeDelta::hours(hours));
        shared.sync(HOME).await;
        shared.sync(WORK).await;
    }
    shared.remotes[WORK].remove("w1");
    shared.sync(WORK).await;
    assert_eq!(shared.uids().await.len(), 6);
    shared.rests().await;
}

/// It moves there and back, and there again; then somebody deletes it where it is, and it is gone.
#[tokio::test]
async fn del_19_there_and_back_and_gone() {
    for order in [[HOME, WORK], [WORK, HOME]] {
        let shared = Shared::new(ONE_WAY).await;
        for turn in 0..3 {
            if turn % 2 == 0 {
                shared.remotes[WORK].remove(if turn == 0 { "w1" } else { "back1" });
                shared.remotes[HOME].put(&format!("moved{turn}"), &event("u1", "Dentist"));
            } else {
                shared.remotes[HOME].remove("moved0");
                shared.remotes[WORK].put("back1", &event("u1", "Dentist"));
            }
            for which in order {
                shared.sync(which).await;
            }
            assert_eq!(shared.uids().await.len(), 6, "turn {turn}, {order:?}");
        }
        shared.rests().await;
        shared.remotes[HOME].remove("moved2");
        for which in order {
            shared.sync(which).await;
        }
        assert_eq!(shared.uids().await, ["u0", "u2", "u3", "v0", "v1"], "{order:?}");
        shared.rests().await;
    }
}

/// DUP-05, DEL-07: an event that both calendars have had for a while goes when it is deleted in one; and a mirror's copies go
/// with their original.
#[tokio::test]
async fn del_07_what_both_have_had_for_a_while_goes() {
    let shared = Shared::new(ONE_WAY).await;
    shared.remotes[HOME].put("invited", &event("u1", "Dentist"));
    shared.sync(HOME).await;
    shared.world.clock.advance(TimeDelta::days(3));
    for which in [WORK, HOME] {
        shared.sync(which).await;
    }
    shared.remotes[WORK].remove("w1");
    shared.sync(WORK).await;
    assert_eq!(shared.uids().await.len(), 5);

    let mirror = Shared::new([Direction::TwoWay, Direction::TwoWay]).await;
    assert_eq!((mirror.there(WORK).len(), mirror.there(HOME).len()), (6, 6));
    for (which, item) in [(WORK, "w1"), (HOME, "h1")] {
        mirror.remotes[which].remove(item);
        for which in [HOME, WORK, HOME] {
            mirror.sync(which).await;
        }
    }
    let left = ["u0", "u2", "u3", "v0"];
    assert_eq!(
        (mirror.uids().await, mirror.there(WORK)),
        (left.map(str::to_owned).to_vec(), mirror.there(HOME))
    );
    assert_eq!(mirror.notes().await, 0, "copies made by calsync came from nowhere");
}

/// What is noted about arrivals is forgotten once every link has looked again, and says why in the journal until then.
#[tokio::test]
async fn del_19_what_is_noted_is_forgotten_and_the_journal_says_why() {
    let shared = Shared::new(ONE_WAY).await;
    shared.moves();
    shared.sync(HOME).await;
    assert_eq!(shared.notes().await, 1);
    shared.sync(WORK).await;
    let link = &shared.links[WORK].id;
    let query =
        RecordQuery { kind: RecordKind::Journal, link, event: None, run: None, after: None, limit: 100 };
    let entries = shared.world.store.records(query).await.expect("the store answers");
    let kept: Vec<String> = entries
        .into_iter()
        .filter_map(|record| match record {
            Record::Journal(entry) if entry.op == JournalOp::Kept => Some(entry.reason),
            _ => None,
        })
        .collect();
    assert_eq!(kept, ["it is gone there, and in the calendar of link `home` since"]);
    for _ in 0..4 {
        shared.world.clock.advance(TimeDelta::days(1));
        shared.sync(WORK).await;
        shared.sync(HOME).await;
    }
    assert_eq!(shared.notes().await, 0);
}

/// The other link's whole run, at the nth call of the store.
#[derive(Default)]
struct Meanwhile {
    calls: AtomicUsize,
    at: AtomicUsize,
    other: OnceLock<(Engine, Link, Arc<MemoryRemote>)>,
}

#[async_trait]
impl StoreHook for Meanwhile {
    async fn at(&self, moment: Moment<'_>) -> Result<()> {
        let Moment::Before(_) = moment else { return Ok(()) };
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if let (true, Some((engine, link, remote))) =
            (call == self.at.load(Ordering::Relaxed), self.other.get())
        {
            let options = SyncOptions::default();
            let run = engine.sync(link, &**remote, &options);
            run.await.expect("nobody has this link's lease");
        }
        Ok(())
    }
}

/// DEL-19, I06: one link's whole run at every call that the other's makes to the store: the event stays.
#[tokio::test]
async fn del_19_at_any_moment_of_the_other_run() {
    for (runs, meanwhile) in [(WORK, HOME), (HOME, WORK)] {
        let mut calls = None;
        let mut at = 0;
        while calls.is_none_or(|calls| at < calls) {
            let inner: Arc<dyn Store> = Arc::new(MemoryStore::default());
            let hooked = Arc::new(HookedStore::new(inner.clone(), Meanwhile::default()));
            let shared = Shared::of(hooked.clone(), ONE_WAY).await;
            // The other run has the store without the hook, and the same clock.
            let other = World::new(inner, 11);
            let ids = Arc::new(calsync_core::context::RandomIds::from_seed([12; 32]));
            let engine = Engine::new(other.store.clone(), shared.world.clock.clone(), ids);
            let (link, remote) = (shared.links[meanwhile].clone(), shared.remotes[meanwhile].clone());
            assert!(hooked.hook.other.set((engine, link, remote)).is_ok());
            shared.moves();
            hooked.hook.calls.store(0, Ordering::Relaxed);
            hooked.hook.at.store(at, Ordering::Relaxed);
            shared.sync(runs).await;
            calls.get_or_insert(hooked.hook.calls.load(Ordering::Relaxed));
            for which in [WORK, HOME, WORK] {
                shared.sync(which).await;
            }
            let hub: &Hub = &shared.world.hub;
            let here = hub.events(&shared.world.calendar).await.expect("the store answers");
            assert_eq!(
                here.len(),
                6,
                "{} at call {at} of {}",
                shared.links[meanwhile].id,
                shared.links[runs].id
            );
            shared.rests().await;
            at += 1;
        }
        assert!(at > 5, "{at}");
    }
}

/// When an edit at a provider is of; the time is before the sync, unless it says otherwise.
#[derive(Clone, Copy, Debug)]
enum Edited {
    Before(TimeDelta),
    Untold,
    /// Days in the future: its clock is wrong.
    Ahead,
}

impl Shared {
    fn edit_there(&self, which: usize, title: &str, edited: Edited) {
        let items = self.remotes[which].items();
        let (id, mut item) = items.into_iter().find(|(_, item)| item.uid == "u0").expect("it is there");
        body(&mut item).title = Some(title.to_owned());
        let now = self.world.clock.now();
        body(&mut item).updated = match edited {
            Edited::Before(by) => Some(now - by),
            Edited::Untold => body(&mut item).updated,
            Edited::Ahead => Some(now + TimeDelta::days(3)),
        };
        self.remotes[which].put(id.as_str(), &item);
    }

    async fn titles(&self) -> Vec<String> {
        let title = |event: &calsync_core::model::Event| event.body().and_then(|body| body.title.clone());
        let mut titles = vec![title(&self.world.local("u0").await.event)];
        for remote in &self.remotes {
            titles.extend(
                remote.items().into_values().filter(|item| item.uid == "u0").map(|item| title(&item)),
            );
        }
        titles.into_iter().flatten().collect()
    }
}

/// The newest of two edits at two providers wins, by when each was made and not by when it came in. What says no time that can be
/// is of when it came in.
#[tokio::test]
async fn the_newest_edit_wins_whichever_side_is_read_first() {
    use Edited::{Ahead, Before, Untold};
    let hours = |hours| Before(TimeDelta::hours(hours));
    let table = [
        (hours(4), hours(3), "at home"),
        (hours(3), hours(4), "at work"),
        (Untold, hours(3), "at work"),
        (hours(3), Untold, "at home"),
        (Ahead, hours(3), "at work"),
        (hours(3), Ahead, "at home"),
    ];
    for (work, home, winner) in table {
        for order in [[WORK, HOME], [HOME, WORK]] {
            let why = format!("{work:?} {home:?} {order:?}");
            let mut shared = Shared::new([Direction::TwoWay, Direction::TwoWay]).await;
            for link in &mut shared.links {
                link.conflicts = ConflictPolicy::NewestWins;
            }
            for which in [HOME, WORK, HOME] {
                shared.sync(which).await;
            }
            shared.world.clock.advance(TimeDelta::days(1));
            shared.edit_there(WORK, "at work", work);
            shared.edit_there(HOME, "at home", home);
            for which in order.into_iter().chain(order).chain(order) {
                shared.sync(which).await;
            }
            assert_eq!(shared.titles().await, [winner; 3], "{why}");
            let mut conflicts = Vec::new();
            for link in &shared.links {
                conflicts.extend(shared.world.hub.conflicts(&link.id).await.expect("the store answers"));
            }
            assert_eq!(conflicts.len(), 1, "{why}");
            shared.rests().await;
        }
    }
}

/// What the host edits is of then, whatever the event said before.
#[tokio::test]
async fn an_edit_here_is_newer_than_what_came_in_before_it() {
    for came_in in [true, false] {
        let mut shared = Shared::new([Direction::TwoWay, Direction::TwoWay]).await;
        for link in &mut shared.links {
            link.conflicts = ConflictPolicy::NewestWins;
        }
        for which in [HOME, WORK, HOME] {
            shared.sync(which).await;
        }
        shared.world.clock.advance(TimeDelta::days(1));
        shared.edit_there(HOME, "at home", Edited::Before(TimeDelta::hours(3)));
        if came_in {
            shared.edit_there(WORK, "at work", Edited::Before(TimeDelta::hours(4)));
            shared.sync(WORK).await;
        }
        shared.world.edit("u0", |event| body(event).title = Some("here".to_owned())).await;
        let now = shared.world.clock.now();
        let said = shared.world.local("u0").await.event.updated();
        assert_eq!(said, Some(now), "it says when it was edited");
        for which in [HOME, WORK, HOME] {
            shared.sync(which).await;
        }
        assert_eq!(shared.titles().await, ["here"; 3], "came in before: {came_in}");
    }
    // A host that says itself when it was edited is believed.
    let shared = Shared::new(ONE_WAY).await;
    let then = shared.world.clock.now() - TimeDelta::hours(2);
    shared
        .world
        .edit("u0", |event| {
            body(event).title = Some("here".to_owned());
            body(event).updated = Some(then);
        })
        .await;
    assert_eq!(shared.world.local("u0").await.event.updated(), Some(then));
}
