//! Links that export and look at their copies now and then only: what that saves, and what it never costs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{CopyEdits, CopyRules, CopyWindow, Link, SyncOptions, SyncReport},
    model::*,
    pipeline::{Filter, Pipeline},
    plan::Direction,
    provider::ErrorKind,
    store::MemoryStore,
};
use calsync_testkit::{
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
    /// Three events and their copies, looked at every hour.
    async fn new() -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 5);
        let link = Link::new("mirror", "family", "memory")
            .with_direction(Direction::Export)
            .with_copies(CopyRules::everything())
            .with_check_copies_every(TimeDelta::hours(1));
        let lab = Self { world, remote: MemoryRemote::default(), link };
        for uid in ["one", "two", "three"] {
            lab.world.add(event(uid, uid)).await;
        }
        lab.after(0).await;
        lab.after(0).await;
        lab
    }

    async fn run(&self, options: SyncOptions) -> SyncReport {
        self.world.engine.sync(&self.link, &self.remote, &options).await.expect("the run goes through")
    }

    /// A run so many minutes later.
    async fn after(&self, minutes: i64) -> SyncReport {
        self.world.clock.advance(TimeDelta::minutes(minutes));
        self.run(SyncOptions::default()).await
    }

    fn item(&self, uid: &str) -> (RemoteId, Event) {
        self.remote.items().into_iter().find(|(_, event)| event.uid == uid).expect("a copy")
    }

    fn edit_copy(&self, uid: &str, title: &str) {
        let (id, mut copy) = self.item(uid);
        body(&mut copy).title = Some(title.to_owned());
        self.remote.put(id.as_str(), &copy);
    }

    fn title(&self, uid: &str) -> String {
        self.item(uid).1.master.unwrap().title.unwrap()
    }
}

fn titled(title: &'static str) -> impl FnOnce(&mut Event) {
    move |event| body(event).title = Some(title.to_owned())
}

#[tokio::test]
async fn a_quiet_run_asks_nothing_until_it_is_time() {
    let lab = Lab::new().await;
    let asked: Vec<u64> = {
        let mut asked = Vec::new();
        for _ in 0..8 {
            asked.push(lab.after(15).await.counts.requests);
        }
        asked
    };
    assert_eq!(asked, [0, 0, 0, 1, 0, 0, 0, 1]);
    // A clock that was set back says nothing about when it was.
    assert_eq!(lab.after(-600).await.counts.requests, 1);
}

/// Without the option, and on a link that imports or goes both ways, every run looks.
#[tokio::test]
async fn only_links_that_export_may_leave_it_out() {
    for (direction, every) in [
        (Direction::Export, TimeDelta::zero()),
        (Direction::TwoWay, TimeDelta::hours(1)),
        (Direction::Import, TimeDelta::hours(1)),
    ] {
        let mut lab = Lab::new().await;
        lab.link = lab.link.clone().with_direction(direction).with_check_copies_every(every);
        lab.after(1).await;
        assert_eq!(lab.after(1).await.counts.requests, 1, "{direction:?}");
    }
}

/// Whatever there is to do, the copies are looked at first: nothing is decided on what is not known.
#[tokio::test]
async fn whatever_there_is_to_do_is_done_on_what_is_there() {
    let lab = Lab::new().await;
    lab.edit_copy("one", "edited there");
    lab.world.edit("two", titled("edited here")).await;
    let report = lab.after(1).await;
    assert!(report.counts.requests > 1, "an edit here");
    assert_eq!((lab.title("one").as_str(), lab.title("two").as_str()), ("edited there", "edited here"));
    lab.after(1).await;

    lab.world.delete("three").await;
    assert!(lab.after(1).await.counts.requests > 1, "a deletion here");
    assert_eq!(lab.remote.items().len(), 2);
    lab.after(1).await;
    assert_eq!(lab.after(1).await.counts.requests, 0);
    assert_eq!(lab.run(SyncOptions::default().looking()).await.counts.requests, 1, "somebody says so");
    assert!(lab.run(SyncOptions::default().with_audit()).await.counts.requests >= 1, "a full comparison");
    let plan = lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.unwrap();
    assert_eq!(plan.counts.requests, 1, "a preview");

    // What did not go out is tried again, and what comes near is written, on what is there.
    lab.remote.fail("update", RemoteFault::Before(ErrorKind::Unavailable));
    lab.world.edit("two", titled("again")).await;
    lab.world.clock.advance(TimeDelta::minutes(1));
    let _ = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
    assert!(lab.after(10).await.counts.requests > 1);
    assert_eq!(lab.title("two"), "again");
}

#[tokio::test]
async fn an_edit_of_a_copy_is_found_within_the_time_by_every_policy() {
    for policy in [CopyEdits::Leave, CopyEdits::Restore, CopyEdits::Detach] {
        let mut lab = Lab::new().await;
        lab.link = lab.link.clone().with_edits(policy);
        lab.edit_copy("one", "edited there");
        let (id, _) = lab.item("two");
        lab.remote.remove(id.as_str());
        assert_eq!(lab.after(30).await.counts.requests, 0);
        lab.after(31).await;
        lab.after(1).await;
        let expected = if policy == CopyEdits::Restore { "one" } else { "edited there" };
        assert_eq!(lab.title("one"), expected, "{policy:?}");
        // An edit of the event reaches the copy unless it is on its own, and a copy that was deleted stays so.
        lab.world.edit("one", titled("later")).await;
        lab.world.edit("two", titled("later")).await;
        lab.after(1).await;
        let expected = if policy == CopyEdits::Detach { "edited there" } else { "later" };
        assert_eq!((lab.title("one").as_str(), lab.remote.items().len()), (expected, 2), "{policy:?}");
    }
}

/// An edit nobody has looked at yet is met by the write itself at the latest: it names the version it replaces.
#[tokio::test]
async fn a_write_never_goes_over_an_edit_nobody_has_seen() {
    let mut lab = Lab::new().await;
    lab.link = lab.link.clone().with_edits(CopyEdits::Detach);
    let (id, mut copy) = lab.item("one");
    body(&mut copy).title = Some("edited there".to_owned());
    // Not announced: the list of changes does not name it.
    lab.remote.put_unannounced(id.as_str(), &copy);
    lab.world.edit("one", titled("edited here")).await;
    lab.after(1).await;
    assert_eq!(lab.title("one"), "edited there");
}

/// Many deletions wait for a person, and are decided again by each run until one answers: on what is there.
#[tokio::test]
async fn the_brake_holds_and_is_answered_as_ever() {
    let lab = Lab::new().await;
    for uid in ["one", "two", "three"] {
        lab.world.delete(uid).await;
    }
    let held = lab.after(1).await;
    assert!(held.plan.held);
    let again = lab.after(1).await;
    assert!(again.plan.held && again.counts.requests > 0);
    assert_eq!(lab.remote.items().len(), 3);
    lab.run(SyncOptions::default().approving(again.plan_id)).await;
    assert!(lab.remote.items().is_empty());
}

#[tokio::test]
async fn other_rules_and_what_enters_a_window_are_seen_at_once() {
    let mut lab = Lab::new().await;
    let no_one = Filter::Title { include: None, exclude: Some("one".to_owned()) };
    let rules = CopyRules::new(Pipeline::everything().with_filter("no", no_one));
    lab.link = lab.link.clone().with_copies(rules.clone());
    lab.after(1).await;
    assert_eq!(lab.remote.items().len(), 2);
    lab.link = lab.link.clone().with_copies(rules.with_window(CopyWindow::days(30, 60)));
    let mut later = event("later", "later");
    // Five minutes outside.
    let at = EventTime::Utc(calsync_core::context::Clock::now(&*lab.world.clock) + TimeDelta::days(60));
    body(&mut later).time = TimeSpan { start: at.clone(), end: at };
    lab.world.add(later).await;
    lab.world.clock.advance(TimeDelta::minutes(-5));
    for _ in 0..3 {
        lab.after(0).await;
    }
    assert_eq!(lab.remote.items().len(), 2);
    assert_eq!(lab.after(1).await.counts.requests, 0);
    lab.after(5).await;
    assert_eq!(lab.remote.items().len(), 3);
}

/// A link whose last run failed looks again at once: whether the credentials are good is not guessed.
#[tokio::test]
async fn a_run_after_one_that_failed_looks() {
    let lab = Lab::new().await;
    lab.world.clock.advance(TimeDelta::hours(2));
    lab.remote.fail("changes", RemoteFault::Before(ErrorKind::Unauthorized));
    let failed = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
    assert!(failed.is_err());
    assert_eq!(lab.after(1).await.counts.requests, 1);
    assert_eq!(lab.after(1).await.counts.requests, 0);
}
