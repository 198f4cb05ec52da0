//! Copies that show the UID of their event when the rules begin to hide it: they are made again, each once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    collections::BTreeSet,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use calsync_core::{
    engine::{CopyEdits, CopyRules, Link, SyncOptions, SyncReport},
    model::*,
    pipeline::{CopiedField, Pipeline, Start, Transform},
    plan::{Action, Direction, Evidence},
    provider::{ErrorKind, Fetched, Provider},
    store::MemoryStore,
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault},
    slow::SlowRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    /// So many events, copied whole.
    async fn whole(count: usize) -> Self {
        let link = Link::new("mirror", "family", "memory").with_direction(Direction::Export);
        let link = link.with_copies(CopyRules::everything());
        let world = World::new(Arc::new(MemoryStore::default()), 5);
        let lab = Self { world, remote: MemoryRemote::default(), link };
        for n in 0..count {
            lab.world.add(private(n)).await;
        }
        lab.settle().await;
        assert_eq!(lab.shown().await.matches("canary-uid").count(), count);
        lab
    }

    fn change(&mut self, pipeline: Pipeline) {
        self.link.copies = Some(CopyRules::new(pipeline));
    }

    async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        let options = SyncOptions::default();
        self.world.engine.sync(&self.link, &self.remote, &options).await.expect("the run goes through")
    }

    /// A run that may fail, hours after the last.
    async fn attempt(&self) {
        self.world.clock.advance(TimeDelta::hours(6));
        let _ = self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await;
    }

    /// A run, and one after it that does nothing.
    async fn settle(&self) -> SyncReport {
        let report = self.sync().await;
        let writes = self.remote.writes();
        let quiet = self.sync().await;
        assert!(quiet.plan.operations.is_empty() && quiet.in_step(), "{:?}", quiet.plan.operations);
        assert_eq!(self.remote.writes(), writes, "quiet");
        report
    }

    /// A run begins, and its worker dies at an await; `false`: it came to its end.
    fn dies(&self, at: usize) -> bool {
        let slow = SlowRemote(&self.remote);
        let options = SyncOptions::default();
        let mut run = pin!(self.world.engine.sync(&self.link, &slow, &options));
        let mut cx = Context::from_waker(Waker::noop());
        let died = (0..=at).all(|_| matches!(run.as_mut().poll(&mut cx), Poll::Pending));
        self.world.clock.advance(TimeDelta::seconds(11));
        died
    }

    /// Everything that is there, names and marks too.
    async fn shown(&self) -> String {
        let ids: Vec<RemoteId> = self.remote.items().into_keys().collect();
        let mut all = String::new();
        for found in self.remote.fetch(&"memory".into(), &ids).await.unwrap() {
            let Fetched::Found { id, payload, .. } = found else { panic!("it was listed") };
            all.push_str(&format!("{id} {}\n", payload.as_str()));
        }
        all
    }

    /// The starts of the copies and of the events here.
    async fn starts(&self) -> (Vec<EventTime>, Vec<EventTime>) {
        let start = |event: &Event| event.body().unwrap().time.start.clone();
        let key = |time: &EventTime| time.absolute();
        let mut there: Vec<EventTime> = self.remote.items().values().map(start).collect();
        let mut here: Vec<EventTime> =
            self.world.locals().await.iter().map(|record| start(&record.event)).collect();
        there.sort_by_key(key);
        here.sort_by_key(key);
        (there, here)
    }
}

/// An event with things to hide; each at an hour of its own.
fn private(n: usize) -> Event {
    let mut event = event(&format!("canary-uid-{n}@host.example"), &format!("canary title {n}"));
    let body = body(&mut event);
    let by = TimeDelta::hours(i64::try_from(n).unwrap());
    for time in [&mut body.time.start, &mut body.time.end] {
        *time = EventTime::Utc(time.absolute().unwrap() + by);
    }
    event
}

fn uid(n: usize) -> String {
    format!("canary-uid-{n}@host.example")
}

/// PRIV-01: whatever the rules show less by, the UID goes as well; nobody is asked, for nothing is lost.
#[tokio::test]
async fn priv_01_a_downgrade_takes_the_uids_away() {
    let busy = Transform::BusyOnly { title: "Busy".to_owned() };
    let fields = vec![CopiedField::Location];
    for pipeline in [
        Pipeline::default(),
        Pipeline { start: Start::Bare { title: "Away".to_owned() }, steps: Vec::new() },
        Pipeline::default().with_transform("where", Transform::Keep { fields }),
        Pipeline::everything().with_transform("nothing", busy),
    ] {
        let mut lab = Lab::whole(25).await;
        let writes = lab.remote.writes();
        lab.change(pipeline.clone());
        let plan = lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.unwrap().plan;
        let report = lab.settle().await;
        for plan in [&plan, &report.plan] {
            let remade = plan.operations.iter().filter(|operation| {
                operation.action == Action::DeleteRemote && operation.evidence == Some(Evidence::MadeAgain)
            });
            assert_eq!((remade.count(), plan.operations.len(), plan.held), (25, 25, false), "{pipeline:?}");
        }
        assert!(!lab.shown().await.contains("canary"), "{pipeline:?}: {}", lab.shown().await);
        let (there, here) = lab.starts().await;
        assert_eq!(there, here, "{pipeline:?}");
        assert_eq!(lab.remote.writes() - writes, 50, "{pipeline:?}: each deleted once, and made once");
        // And it is followed as before.
        lab.world.delete(&uid(3)).await;
        lab.settle().await;
        assert_eq!(lab.remote.items().len(), 24);
        lab.change(Pipeline::everything());
        lab.settle().await;
        assert_eq!(lab.remote.items().len(), 24, "{pipeline:?}: shown more again, and none is doubled");
    }
}

/// PRIV-01: the worker dies at every await of the run that makes copies again, and at every await of the run after that; or
/// after the first an event is edited or deleted, or the rules are taken back. No copy is missing, and none is there twice.
#[tokio::test]
async fn priv_01_a_worker_that_dies_making_copies_again_doubles_none_and_loses_none() {
    let mut points = 0;
    for meanwhile in ["nothing", "edited", "deleted", "taken back"] {
        for first in 0.. {
            let mut died = [true, true];
            for second in 0.. {
                let mut lab = Lab::whole(2).await;
                lab.link = lab.link.clone().with_commit_every(1);
                lab.change(Pipeline::default());
                died[0] = lab.dies(first);
                match meanwhile {
                    "edited" => {
                        let until = TimeDelta::minutes(90);
                        let longer = |event: &mut Event| {
                            let time = &mut body(event).time;
                            time.end = EventTime::Utc(time.start.absolute().unwrap() + until);
                        };
                        lab.world.edit(&uid(0), longer).await;
                    }
                    "deleted" => lab.world.delete(&uid(0)).await,
                    "taken back" => lab.change(Pipeline::everything()),
                    _ => {}
                }
                if meanwhile == "nothing" {
                    died[1] = lab.dies(second);
                }
                for _ in 0..2 {
                    lab.attempt().await;
                }
                lab.settle().await;
                let case = format!("{meanwhile}, died at {first} and {second}");
                let (there, here) = lab.starts().await;
                assert_eq!(
                    (there, here.len()),
                    (here.clone(), if meanwhile == "deleted" { 1 } else { 2 }),
                    "{case}"
                );
                if meanwhile != "taken back" {
                    assert!(!lab.shown().await.contains("canary"), "{case}: {}", lab.shown().await);
                }
                if meanwhile == "nothing" {
                    assert_eq!(lab.remote.writes(), 2 + 4, "{case}");
                }
                points += 1;
                if !died[1] || meanwhile != "nothing" {
                    break;
                }
            }
            if !died[0] {
                break;
            }
        }
    }
    assert!(points > 150, "{points} pairs");
}

/// PRIV-01: what the link knew is lost, and its rules were taken down meanwhile: its copies are known by their marks.
#[tokio::test]
async fn priv_01_copies_that_show_uids_are_made_again_after_the_rows_are_lost() {
    let lab = Lab::whole(4).await;
    let mut lost =
        Lab { world: World::new(Arc::new(MemoryStore::default()), 9), remote: lab.remote, link: lab.link };
    for n in 0..4 {
        lost.world.add(private(n)).await;
    }
    lost.change(Pipeline::default());
    lost.sync().await;
    lost.settle().await;
    let (there, here) = lost.starts().await;
    assert_eq!((there.len(), &there), (4, &here));
    assert!(!lost.shown().await.contains("canary"), "{}", lost.shown().await);
}

/// PRIV-01: an item under the event's UID that the link did not make may be somebody's own: it stays, and the plan says so.
#[tokio::test]
async fn priv_01_an_item_the_link_did_not_make_keeps_its_uid_and_is_named() {
    let mut lab = Lab::whole(0).await;
    lab.change(Pipeline::default());
    lab.world.add(private(0)).await;
    lab.world.add(private(1)).await;
    lab.remote.put("own", &private(0));
    let report = lab.settle().await;
    assert_eq!(lab.remote.get(&"own".into()).unwrap().uid, uid(0));
    assert_eq!(lab.remote.items().len(), 2);
    let named: Vec<&str> = report
        .plan
        .operations
        .iter()
        .filter(|operation| operation.reason.contains("keeps the UID"))
        .filter_map(|operation| Some(operation.remote_id.as_ref()?.as_str()))
        .collect();
    assert_eq!(named, ["own"]);
}

/// PRIV-01: a salt makes UIDs that nobody else's link of the same name makes, also of copies there are; and the copies are found
/// again by it when the rows are lost.
#[tokio::test]
async fn priv_01_a_salt_tells_the_copies_of_two_users_apart() {
    let salted = |salt: Option<&str>| {
        let rules = CopyRules::new(Pipeline::default());
        Some(salt.map_or(rules.clone(), |salt| rules.with_uid_salt(salt)))
    };
    let uids = |lab: &Lab| lab.remote.items().into_values().map(|copy| copy.uid).collect::<BTreeSet<_>>();
    let mut found = Vec::new();
    for salt in [None, Some(""), Some("one"), Some("another")] {
        let mut lab = Lab::whole(0).await;
        lab.link.copies = salted(None);
        for n in 0..3 {
            lab.world.add(private(n)).await;
        }
        lab.settle().await;
        lab.link.copies = salted(salt);
        lab.settle().await;
        let own = uids(&lab);
        let mut lost = Lab {
            world: World::new(Arc::new(MemoryStore::default()), 9),
            remote: lab.remote,
            link: lab.link,
        };
        for n in 0..3 {
            lost.world.add(private(n)).await;
        }
        lost.settle().await;
        assert_eq!(uids(&lost), own, "joined, not doubled, not made again: {salt:?}");
        // Rows that are lost with the salt still to come in do not double anything either.
        lost.world = World::new(Arc::new(MemoryStore::default()), 10);
        for n in 0..3 {
            lost.world.add(private(n)).await;
        }
        lost.link.copies = salted(salt.or(Some("third")));
        lost.sync().await;
        lost.settle().await;
        assert_eq!(uids(&lost).len(), 3);
        assert_eq!(uids(&lost) == own, salt.is_some());
        found.push(own);
    }
    assert_eq!(
        found[0], found[1],
        "what follows from the name alone anybody can make, and an empty salt is none"
    );
    assert!(found[0].is_disjoint(&found[2]) && found[2].is_disjoint(&found[3]));
}

/// A copy that cannot be deleted stays as it is, and a person sees it; one whose deletion went through although nobody was
/// told is made again.
#[tokio::test]
async fn a_copy_that_cannot_be_made_again_is_not_lost() {
    let mut lab = Lab::whole(2).await;
    lab.change(Pipeline::default());
    lab.remote.fail("delete", RemoteFault::Before(ErrorKind::Refused));
    let report = lab.sync().await;
    assert_eq!((report.wedged, lab.remote.items().len()), (1, 2));
    assert_eq!(lab.shown().await.matches("canary-uid").count(), 1);
    let stuck = lab.world.engine.outbox(&lab.link.id).await.unwrap().remove(0);
    lab.remote.remove(stuck.remote_id.as_str());
    lab.attempt().await;
    lab.settle().await;
    let (there, here) = lab.starts().await;
    assert_eq!((there.len(), &there), (2, &here));
    assert!(!lab.shown().await.contains("canary"));
}

/// I32: taking back the run that made copies again takes nothing away.
#[tokio::test]
async fn i32_a_run_that_made_copies_again_takes_none_away_when_it_is_taken_back() {
    let mut lab = Lab::whole(3).await;
    lab.change(Pipeline::default());
    let run = lab.settle().await.run;
    let undone = lab.world.engine.undo(&lab.link, &lab.remote, &run).await.expect("undoes");
    assert_eq!((undone.removed_there, undone.kept), (0, 3));
    lab.settle().await;
    assert_eq!(lab.remote.items().len(), 3);
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// PRIV-01: rules that show all and rules that show nothing by turns, edits, failures and lost answers in any order: at the end
/// each event has one copy, and none shows what it should not.
#[tokio::test]
async fn priv_01_rules_that_change_to_and_fro_leave_one_copy_of_each_event() {
    let mut remade = 0;
    for seed in 0..60 {
        let mut random = Random(seed * 11 + 3);
        let mut lab = Lab::whole(4).await;
        lab.link.guard.count = 1_000;
        if seed % 2 == 0 {
            lab.link = lab.link.clone().with_edits(CopyEdits::Restore).with_commit_every(2);
        }
        let mut uids: Vec<String> = (0..4).map(uid).collect();
        for step in 4..24 {
            let which = random.below(uids.len());
            match random.below(8) {
                0 => {
                    let by = TimeDelta::minutes(i64::try_from(random.below(30)).unwrap());
                    let longer = |event: &mut Event| {
                        let time = &mut body(event).time;
                        time.end = EventTime::Utc(time.end.absolute().unwrap() + by);
                    };
                    lab.world.edit(&uids[which], longer).await;
                }
                1 if uids.len() > 1 => lab.world.delete(&uids.swap_remove(which)).await,
                2 => {
                    lab.world.add(private(step)).await;
                    uids.push(uid(step));
                }
                3 | 4 => lab.change([Pipeline::default(), Pipeline::everything()][random.below(2)].clone()),
                5 | 6 => {
                    let operation = ["create", "update", "delete", "fetch"][random.below(4)];
                    let fault =
                        [RemoteFault::After, RemoteFault::Lost, RemoteFault::Before(ErrorKind::Unavailable)];
                    lab.remote.fail(operation, fault[random.below(3)].clone());
                }
                _ => lab.remote.forget_cursors(),
            }
            if random.below(2) == 0 {
                lab.attempt().await;
            }
        }
        lab.change(Pipeline::default());
        for _ in 0..8 {
            lab.attempt().await;
        }
        lab.remote.forget_faults();
        remade += lab.remote.writes();
        let held = lab.sync().await;
        if held.plan.held {
            // All copies of that time were to go, which waits for an answer whatever was added since.
            let options = SyncOptions::default().approving(held.plan_id);
            lab.world.engine.sync(&lab.link, &lab.remote, &options).await.expect("approved");
        }
        let quiet = lab.sync().await;
        assert!(quiet.plan.operations.is_empty(), "seed {seed}: {:?}", quiet.plan.operations);
        let (there, here) = lab.starts().await;
        assert_eq!((&there, here.len()), (&here, uids.len()), "seed {seed}");
        let names: BTreeSet<String> = lab.remote.items().into_values().map(|copy| copy.uid).collect();
        assert_eq!(names.len(), uids.len(), "seed {seed}");
        assert!(!lab.shown().await.contains("canary"), "seed {seed}: {}", lab.shown().await);
    }
    assert!(remade > 600, "{remade} writes");
}
