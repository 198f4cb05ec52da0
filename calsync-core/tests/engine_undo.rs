//! Taking runs back: both sides are as before, what was edited since stays, and doing it twice does nothing.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{EngineError, Link, SyncOptions, SyncReport, UndoReport},
    model::{Event, RunId},
    provider::PeoplePolicy,
    store::MemoryStore,
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    async fn of(count: usize) -> Self {
        let lab = Self {
            world: World::new(Arc::new(MemoryStore::default()), 4),
            remote: MemoryRemote::default(),
            link: Link::new("home", "family", "memory").with_people(PeoplePolicy::Write),
        };
        for n in 0..count {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "before"));
        }
        lab.sync().await;
        lab
    }

    async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        let options = SyncOptions::default().withholding_people();
        self.world.engine.sync(&self.link, &self.remote, &options).await.expect("the run goes through")
    }

    async fn undo(&self, run: &RunId) -> UndoReport {
        self.world.engine.undo(&self.link, &self.remote, run).await.expect("undoes")
    }

    /// `uid=title` of both sides.
    async fn sides(&self) -> (Vec<String>, Vec<String>) {
        let text = |events: Vec<Event>| {
            let title = |event: &Event| event.body().and_then(|body| body.title.clone()).unwrap_or_default();
            let mut all: Vec<String> =
                events.iter().map(|event| format!("{}={}", event.uid, title(event))).collect();
            all.sort();
            all
        };
        let here = self.world.locals().await.into_iter().map(|record| record.event).collect();
        (text(here), text(self.remote.items().into_values().collect()))
    }
}

fn titled(title: &str) -> impl FnOnce(&mut Event) {
    move |event| body(event).title = Some(title.to_owned())
}

/// I32, MAIL-01: what was deleted and changed comes back on both sides, under the same UID, and nobody is told.
#[tokio::test]
async fn i32_a_run_is_taken_back_on_both_sides() {
    let lab = Lab::of(6).await;
    let before = lab.sides().await;
    lab.remote.remove("r0");
    lab.world.delete("u1").await;
    lab.remote.put("r2", &event("u2", "after"));
    lab.world.edit("u3", titled("after")).await;
    let run = lab.sync().await.run;
    assert_ne!(lab.sides().await, before);
    let undone = lab.undo(&run).await;
    assert_eq!((undone.restored, undone.removed, undone.kept), (4, 0, 0));
    lab.sync().await;
    assert_eq!(lab.sides().await, before);
    assert!(lab.sync().await.plan.operations.is_empty());
    assert_eq!(lab.remote.renders_with_people(), 0);
}

/// I32: a second undo of the same run does nothing, also when the event is deleted again in between.
#[tokio::test]
async fn i32_undo_twice_is_harmless() {
    let lab = Lab::of(4).await;
    lab.remote.remove("r0");
    lab.remote.put("r9", &event("u9", "new"));
    let run = lab.sync().await.run;
    assert_eq!(lab.undo(&run).await.restored, 1);
    let again = lab.undo(&run).await;
    assert_eq!((again.restored, again.removed, again.kept), (0, 0, 2));
    lab.sync().await;
    lab.world.delete("u0").await;
    lab.sync().await;
    let sides = lab.sides().await;
    let again = lab.undo(&run).await;
    assert_eq!((again.restored, again.removed, again.kept), (0, 0, 2));
    lab.sync().await;
    assert_eq!(lab.sides().await, sides);
}

/// I32: what somebody edited, deleted or brought back after the run is theirs, whatever any clock says, and is reported.
#[tokio::test]
async fn i32_later_edits_are_not_overwritten() {
    for jump in [TimeDelta::hours(1), TimeDelta::hours(-48), TimeDelta::zero()] {
        let lab = Lab::of(6).await;
        for n in 0..3 {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "after"));
        }
        lab.remote.remove("r3");
        let run = lab.sync().await.run;
        lab.world.clock.advance(jump);
        lab.world.edit("u0", titled("mine")).await;
        lab.world.delete("u1").await;
        lab.world.add(event("u3", "made again")).await;
        let undone = lab.undo(&run).await;
        // u2 comes back; u3 is there again already.
        assert_eq!((undone.restored, undone.kept, undone.edited.len()), (1, 3, 3), "{jump}");
        lab.world.local("u3").await;
        assert_eq!(lab.world.local("u2").await.event.body().and_then(|b| b.title.as_deref()), Some("before"));
        assert_eq!(lab.world.local("u0").await.event.body().and_then(|b| b.title.as_deref()), Some("mine"));
        assert!(lab.world.locals().await.iter().all(|record| record.event.uid != "u1"));
    }
}

/// I32: the last runs, one after the other, back to what was before all of them.
#[tokio::test]
async fn i32_the_last_runs_are_taken_back() {
    let lab = Lab::of(4).await;
    let before = lab.sides().await;
    lab.remote.put("r0", &event("u0", "one"));
    lab.sync().await;
    lab.remote.put("r0", &event("u0", "two"));
    lab.remote.remove("r1");
    lab.sync().await;
    lab.sync().await;
    let undone = lab.world.engine.undo_last(&lab.link, &lab.remote, 2).await.expect("undoes");
    assert_eq!(undone.iter().map(|(_, report)| report.restored).collect::<Vec<_>>(), [2, 1]);
    lab.sync().await;
    assert_eq!(lab.sides().await, before);
    assert!(lab.sync().await.plan.operations.is_empty());
}

/// I32: the run that carried over what was taken back is no run to be taken back: the last one is the one before.
#[tokio::test]
async fn i32_what_carried_an_undo_over_is_a_part_of_it() {
    let lab = Lab::of(6).await;
    let first = lab.sides().await;
    lab.remote.put("r0", &event("u0", "one"));
    lab.world.edit("u4", titled("one")).await;
    lab.sync().await;
    let second = lab.sides().await;
    lab.remote.put("r0", &event("u0", "two"));
    lab.remote.remove("r1");
    lab.world.delete("u2").await;
    lab.world.edit("u3", titled("two")).await;
    lab.sync().await;
    for wanted in [second, first] {
        lab.world.engine.undo_last(&lab.link, &lab.remote, 1).await.expect("undoes");
        lab.sync().await;
        assert_eq!(lab.sides().await, wanted);
        assert!(lab.sync().await.plan.operations.is_empty());
    }
}

/// I32: of a run that carried something over and did more, the rest is taken back.
#[tokio::test]
async fn i32_what_a_run_did_beside_carrying_over_is_taken_back() {
    let lab = Lab::of(4).await;
    lab.remote.remove("r0");
    let run = lab.sync().await.run;
    lab.undo(&run).await;
    lab.remote.put("r1", &event("u1", "after"));
    lab.sync().await;
    let undone = lab.world.engine.undo_last(&lab.link, &lab.remote, 1).await.expect("undoes");
    assert_eq!((undone[0].1.restored, undone[0].1.removed_there), (1, 0));
    lab.sync().await;
    let (here, there) = lab.sides().await;
    assert_eq!((here.len(), &here), (4, &there));
    assert!(here.iter().all(|event| event.ends_with("=before")));
    // Somebody changed it since: then that is the last thing that was done.
    if let Some((id, _)) = lab.remote.items().into_iter().find(|(_, item)| item.uid == "u0") {
        lab.remote.put(id.as_str(), &event("u0", "later"));
    }
    lab.sync().await;
    let undone = lab.world.engine.undo_last(&lab.link, &lab.remote, 1).await.expect("undoes");
    assert_eq!(undone[0].1.restored, 1);
}

/// More events than a page of the journal, some touched twice.
#[tokio::test]
async fn i32_long_runs() {
    let lab = Lab::of(450).await;
    let before = lab.sides().await;
    for n in 0..450 {
        let mut there = event(&format!("u{n}"), "before");
        body(&mut there).location = Some("there".to_owned());
        lab.remote.put(&format!("r{n}"), &there);
        lab.world.edit(&format!("u{n}"), titled("after")).await;
    }
    let run = lab.sync().await.run;
    let undone = lab.undo(&run).await;
    assert_eq!((undone.restored, undone.kept), (450, 0));
    lab.sync().await;
    assert!(
        lab.remote.items().values().all(|event| event.body().is_some_and(|body| body.location.is_none()))
    );
    assert_eq!(before.0.len(), lab.sides().await.0.len());
}

#[tokio::test]
async fn an_unknown_run_is_told() {
    let lab = Lab::of(1).await;
    let unknown = lab.world.engine.undo(&lab.link, &lab.remote, &RunId::from("0123")).await;
    assert!(matches!(unknown, Err(EngineError::UnknownRun { .. })), "{unknown:?}");
}
