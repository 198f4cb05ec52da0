//! Deletions of the field, as they were told: what fails to be read, copies that somebody deletes, links one way each.
#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{
        CopyEdits, CopyRules, CopyWindow, EngineError, Leaving, Link, SyncOptions, SyncReport, WayState,
    },
    merge::{ConflictPolicy, DeletionPolicy},
    model::{Event, RemoteId},
    pipeline::Pipeline,
    plan::{Action, Direction},
    provider::{ErrorKind, Provider},
    store::MemoryStore,
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::TimeDelta;

const HOUR: TimeDelta = TimeDelta::hours(1);

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    fn new(remote: MemoryRemote, change: impl FnOnce(Link) -> Link) -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 11);
        Self { world, remote, link: change(Link::new("home", "family", "memory")) }
    }

    async fn try_sync_after(&self, wait: TimeDelta) -> Result<SyncReport, EngineError> {
        self.world.clock.advance(wait);
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await
    }

    async fn sync(&self) -> SyncReport {
        self.try_sync_after(TimeDelta::seconds(30)).await.expect("the run goes through")
    }

    /// Nothing is left to do, twice.
    async fn rests(&self, case: &str) {
        for _ in 0..2 {
            let writes = self.remote.writes();
            let report = self.sync().await;
            assert!(report.plan.operations.is_empty(), "{case}: {:?}", report.plan.operations);
            assert_eq!(self.remote.writes(), writes, "{case}");
        }
    }

    async fn cursor(&self) -> Option<String> {
        let state = self.world.store.link(&self.link.id).await.expect("the store answers");
        state.and_then(|state| state.cursor).map(|cursor| cursor.0)
    }

    async fn titles(&self) -> Vec<String> {
        let mut titles: Vec<String> =
            self.world.locals().await.into_iter().map(|record| title(&record.event)).collect();
        titles.sort();
        titles
    }

    fn copies(&self) -> Vec<String> {
        let mut titles: Vec<String> = self.remote.items().values().map(title).collect();
        titles.sort();
        titles
    }

    fn id_of(&self, uid: &str) -> RemoteId {
        let items = self.remote.items();
        items.into_iter().find(|(_, event)| event.uid == uid).expect("it is there").0
    }
}

/// A link that exports everything as it is.
fn whole(link: Link) -> Link {
    link.with_direction(Direction::Export).with_copies(CopyRules::new(Pipeline::everything()))
}

fn title(event: &Event) -> String {
    event.body().and_then(|body| body.title.clone()).unwrap_or_default()
}

fn titled(title: &str) -> impl FnOnce(&mut Event) {
    move |event| body(event).title = Some(title.to_owned())
}

fn id(n: usize) -> String {
    format!("r{n:03}")
}

/// DEL-04: of 200 items those from 57 on cannot be read, by any failure and whether the listing is of everything or of
/// changes. None is deleted, however often that goes on; what is gone for sure waits too; and the cursor stays, so that
/// nothing is passed over.
#[tokio::test]
async fn del_04_items_that_cannot_be_read_are_not_deleted() {
    let kinds = [ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Protocol, ErrorKind::Refused];
    for kind in kinds {
        for everything in [false, true] {
            let case = format!("{kind:?}, everything listed: {everything}");
            let lab = Lab::new(MemoryRemote::default().with_page(50), |link| link);
            for n in 0..200 {
                lab.remote.put(&id(n), &event(&format!("u{n}"), &format!("event {n}")));
            }
            lab.sync().await;
            let before = lab.cursor().await;
            for n in 0..200 {
                lab.remote.put(&id(n), &event(&format!("u{n}"), &format!("edited {n}")));
                if n >= 57 {
                    lab.remote.withhold(&id(n), kind.clone());
                }
            }
            if everything {
                lab.remote.forget_cursors();
            }
            for _ in 0..3 {
                let report = lab.try_sync_after(TimeDelta::minutes(5)).await;
                assert_eq!(lab.world.locals().await.len(), 200, "{case}");
                let Ok(report) = report else { continue };
                assert_eq!((report.counts.deleted, report.counts.held), (0, 0), "{case}");
            }
            // What cannot be read by its nature is set aside, and asked for again with every audit.
            if matches!(kind, ErrorKind::Unavailable | ErrorKind::Throttled) {
                assert_eq!(lab.cursor().await, before, "{case}");
            }
            // Also once the patience of the link is over.
            for _ in 0..8 {
                let _ = lab.try_sync_after(HOUR).await;
                assert_eq!(lab.world.locals().await.len(), 200, "{case}");
            }
            assert_eq!(lab.remote.writes(), 0, "{case}");
            for n in 57..200 {
                lab.remote.hand_out(&id(n));
            }
            for _ in 0..30 {
                let _ = lab.try_sync_after(HOUR).await;
            }
            assert!(lab.titles().await.iter().all(|title| title.starts_with("edited")), "{case}");
            lab.rests(&case).await;
        }
    }
}

/// DEL-04: the reading breaks off as a whole, at the first items or later ones, in the first run or a later one.
#[tokio::test]
async fn del_04_a_reading_that_breaks_off_changes_nothing_and_is_made_up_for() {
    for joined in [false, true] {
        let lab = Lab::new(MemoryRemote::default().with_page(50), |link| link);
        let put = |word: &str| {
            for n in 0..200 {
                lab.remote.put(&id(n), &event(&format!("u{n}"), &format!("{word} {n}")));
            }
        };
        put("event");
        if joined {
            lab.sync().await;
            put("edited");
            lab.remote.forget_cursors();
        }
        let before = lab.cursor().await;
        for kind in [ErrorKind::Unavailable, ErrorKind::Unauthorized, ErrorKind::Throttled] {
            lab.remote.fail("fetch", RemoteFault::Before(kind));
            lab.try_sync_after(HOUR).await.expect_err("it says so");
            assert_eq!(lab.cursor().await, before);
            assert_eq!(lab.world.locals().await.len(), if joined { 200 } else { 0 });
        }
        let _ = lab.try_sync_after(HOUR).await;
        lab.rests("made up for").await;
        assert_eq!(lab.titles().await, lab.copies());
        assert_eq!((lab.titles().await.len(), lab.remote.writes()), (200, 0));
    }
}

const POLICIES: [DeletionPolicy; 5] = [
    DeletionPolicy::ByConflicts,
    DeletionPolicy::KeepEdit,
    DeletionPolicy::Delete,
    DeletionPolicy::RemoteWins,
    DeletionPolicy::LocalWins,
];
const CONFLICTS: [ConflictPolicy; 3] =
    [ConflictPolicy::RemoteWins, ConflictPolicy::LocalWins, ConflictPolicy::Manual];
const EDITS: [CopyEdits; 3] = [CopyEdits::Leave, CopyEdits::Restore, CopyEdits::Detach];

/// DEL-08: a copy over there is deleted, its source edited or not. It stays deleted and is said to be left alone, and an
/// edit of the source does not bring it back either; where the link names the side of the source it is made again once,
/// and again once when it is deleted again. The source is never touched.
#[tokio::test]
async fn del_08_a_deleted_copy_there_under_each_policy() {
    for deletions in POLICIES {
        for conflicts in CONFLICTS {
            for edits in EDITS {
                for edited in [false, true] {
                    let case = format!("{deletions:?} {conflicts:?} {edits:?}, edited: {edited}");
                    let returns = deletions == DeletionPolicy::LocalWins;
                    let lab = Lab::new(MemoryRemote::default(), |link| {
                        let link = whole(link).with_edits(edits);
                        link.with_deletions(deletions).with_conflicts(conflicts)
                    });
                    for n in 0..4 {
                        lab.world.add(event(&format!("u{n}"), &format!("event {n}"))).await;
                    }
                    lab.sync().await;
                    for round in 0..3 {
                        if round > 0 && !returns {
                            break;
                        }
                        lab.remote.remove(lab.id_of("u1").as_str());
                        if edited {
                            lab.world.edit("u1", titled(&format!("edited {round}"))).await;
                        }
                        let report = lab.sync().await;
                        let action = if returns { Action::RestoreRemote } else { Action::Suppress };
                        let done: Vec<Action> =
                            report.plan.operations.iter().map(|operation| operation.action).collect();
                        assert_eq!(done, [action], "{case}");
                        assert_eq!(lab.remote.items().len(), if returns { 4 } else { 3 }, "{case}");
                        assert_eq!(lab.world.locals().await.len(), 4, "{case}");
                        lab.rests(&case).await;
                    }
                    let link = std::slice::from_ref(&lab.link);
                    let told = lab.world.engine.explain(link, &lab.world.local("u1").await).await;
                    let state = told.expect("it is known").ways.remove(0).state;
                    assert_eq!(matches!(state, WayState::LeftAlone {}), !returns, "{case}: {state:?}");
                    lab.world.edit("u1", titled("edited later")).await;
                    lab.sync().await;
                    lab.rests(&case).await;
                    assert_eq!(lab.copies().contains(&"edited later".to_owned()), returns, "{case}");
                    // And when the source goes, nothing of it is left, nor comes back.
                    lab.world.delete("u1").await;
                    lab.sync().await;
                    lab.rests(&case).await;
                    assert_eq!((lab.remote.items().len(), lab.world.locals().await.len()), (3, 3), "{case}");
                }
            }
        }
    }
}

/// DEL-08: the same of a copy here, of an item of a calendar that is only read.
#[tokio::test]
async fn del_08_a_deleted_copy_here_under_each_policy() {
    for deletions in POLICIES {
        for conflicts in CONFLICTS {
            for edits in EDITS {
                for edited in [false, true] {
                    let case = format!("{deletions:?} {conflicts:?} {edits:?}, edited: {edited}");
                    let returns = deletions == DeletionPolicy::RemoteWins;
                    let lab = Lab::new(MemoryRemote::default(), |link| {
                        let link = link.with_direction(Direction::Import).with_edits(edits);
                        link.with_deletions(deletions).with_conflicts(conflicts)
                    });
                    for n in 0..4 {
                        lab.remote.put(&id(n), &event(&format!("u{n}"), &format!("event {n}")));
                    }
                    lab.sync().await;
                    for round in 0..3 {
                        if round > 0 && !returns {
                            break;
                        }
                        lab.world.delete("u1").await;
                        if edited {
                            lab.remote.put(&id(1), &event("u1", &format!("edited {round}")));
                        }
                        lab.sync().await;
                        assert_eq!(lab.world.locals().await.len(), if returns { 4 } else { 3 }, "{case}");
                        if returns && edited {
                            assert_eq!(title(&lab.world.local("u1").await.event), format!("edited {round}"));
                        }
                        lab.rests(&case).await;
                    }
                    lab.remote.put(&id(1), &event("u1", "edited later"));
                    lab.sync().await;
                    lab.rests(&case).await;
                    assert_eq!(lab.titles().await.contains(&"edited later".to_owned()), returns, "{case}");
                    lab.remote.remove(&id(1));
                    lab.sync().await;
                    lab.rests(&case).await;
                    assert_eq!(lab.world.locals().await.len(), 3, "{case}");
                    assert_eq!(lab.remote.writes(), 0, "{case}");
                }
            }
        }
    }
}

/// DEL-08: a copy that returns does so as the link shows it now, once although the answer is lost, and not when its source
/// is deleted too, or outside what is copied.
#[tokio::test]
async fn del_08_a_copy_that_returns_is_one_copy() {
    let export = |link: Link| whole(link).with_deletions(DeletionPolicy::LocalWins);
    for fault in [RemoteFault::After, RemoteFault::Lost, RemoteFault::Before(ErrorKind::Unavailable)] {
        let lab = Lab::new(MemoryRemote::default(), export);
        for n in 0..3 {
            lab.world.add(event(&format!("u{n}"), &format!("event {n}"))).await;
        }
        lab.sync().await;
        lab.remote.remove(lab.id_of("u1").as_str());
        lab.remote.fail("create", fault.clone());
        for _ in 0..4 {
            let _ = lab.try_sync_after(HOUR).await;
        }
        lab.rests("returned").await;
        assert_eq!(lab.copies(), ["event 0", "event 1", "event 2"], "{fault:?}");
        lab.world.delete("u1").await;
        lab.remote.remove(lab.id_of("u1").as_str());
        lab.sync().await;
        lab.rests("gone on both sides").await;
        assert_eq!(lab.copies(), ["event 0", "event 2"], "{fault:?}");
    }
    let lab = Lab::new(MemoryRemote::default(), |link| {
        let window = CopyWindow::days(1, 60).with_leaving(Leaving::Go);
        export(link).with_copies(CopyRules::new(Pipeline::everything()).with_window(window))
    });
    lab.world.add(event("u0", "1 February")).await;
    lab.sync().await;
    lab.remote.remove(lab.id_of("u0").as_str());
    lab.world.clock.advance(TimeDelta::days(40));
    lab.sync().await;
    lab.rests("it is over").await;
    assert_eq!((lab.copies().len(), lab.world.locals().await.len()), (0, 1));
}

/// DEL-07: A is copied to B and B to A by links of one way each, which know nothing of each other. An original that is
/// deleted does not come back from its copy, whichever way runs first.
#[tokio::test]
async fn del_07_two_ways_of_one_direction_each() {
    for back_first in [false, true] {
        for deleted_at_b in [false, true] {
            let (there, back) = [1, 2].map(|seed| World::new(Arc::new(MemoryStore::default()), seed)).into();
            let (a, b) = (MemoryRemote::default(), MemoryRemote::default());
            for n in 0..4 {
                a.put(&id(n), &event(&format!("a{n}"), "from a"));
                b.put(&id(n), &event(&format!("b{n}"), "from b"));
            }
            let chain = async |world: &World, from: &dyn Provider, to: &dyn Provider| {
                world.clock.advance(TimeDelta::seconds(30));
                let [import, export] = ["in", "out"].map(|name| Link::new(name, "family", "memory"));
                let (import, export) = (import.with_direction(Direction::Import), whole(export));
                for (link, provider) in [(import, from), (export, to)] {
                    let run = world.engine.sync(&link, provider, &SyncOptions::default()).await;
                    run.expect("the run goes through");
                }
            };
            for _ in 0..3 {
                chain(&there, &a, &b).await;
                chain(&back, &b, &a).await;
            }
            assert_eq!((a.items().len(), b.items().len()), (8, 8));
            let (source, uid) = if deleted_at_b { (&b, "b1") } else { (&a, "a1") };
            source.remove(&id(1));
            for _ in 0..4 {
                if back_first {
                    chain(&back, &b, &a).await;
                }
                chain(&there, &a, &b).await;
                chain(&back, &b, &a).await;
            }
            for side in [&a, &b] {
                assert!(
                    side.items().values().all(|event| event.uid != uid),
                    "{uid}, back first: {back_first}"
                );
                assert_eq!(side.items().len(), 7, "{uid}, back first: {back_first}");
            }
        }
    }
}
