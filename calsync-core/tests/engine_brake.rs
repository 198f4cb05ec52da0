//! The bounds a run leaves to the next one say nothing else about deletions than what is exact.
#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::{
    engine::{EngineError, Link, SyncOptions},
    model::EventId,
    plan::PlanId,
    provider::ErrorKind,
    store::{MemoryStore, Result, StoreError, StoreErrorKind},
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::{MemoryRemote, RemoteFault},
    world::{World, event},
};
use chrono::TimeDelta;
use proptest::{collection::vec, prelude::*};

/// Something that happens to a link, or to its calendars.
#[derive(Clone, Copy, Debug)]
enum Step {
    AddThere(usize),
    DeleteThere(usize),
    DeleteHere(usize),
    Sync,
    /// Everything is compared.
    Audit,
    /// The provider is down for a request of the run.
    SyncDown,
    /// The store fails a commit of the run, or does not say that it took it.
    SyncLost(Lost),
    Approve,
    Refuse,
    UndoLast,
    Wait(i64),
    /// The clock of a worker goes wrong.
    SetBack(i64),
}

/// A commit that is not answered.
#[derive(Clone, Copy, Debug)]
struct Lost {
    /// So many are before it.
    after: usize,
    taken: bool,
    then: Then,
}

/// What comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The run ends, and says so.
    Ends,
    /// Nothing: the worker is gone.
    Dies,
}

/// Loses the answer to a commit.
#[derive(Default)]
struct Losing(Mutex<Option<Lost>>);

impl Losing {
    fn lose(&self, lost: Lost) {
        *self.0.lock().expect("nobody panics") = Some(lost);
    }

    fn keep(&self) {
        *self.0.lock().expect("nobody panics") = None;
    }
}

#[async_trait]
impl StoreHook for Losing {
    async fn at(&self, moment: Moment<'_>) -> Result<()> {
        let (Moment::Before(call) | Moment::After(call)) = moment;
        let mut next = self.0.lock().expect("nobody panics");
        let Some(lost) = next.as_mut().filter(|_| call.starts_with("commit of")) else { return Ok(()) };
        let here = matches!(moment, Moment::After(_)) == lost.taken;
        if here && lost.after == 0 {
            if lost.then == Then::Ends {
                *next = None;
            } else {
                lost.taken = false;
            }
            return Err(StoreError::new(StoreErrorKind::Unavailable, "commit"));
        }
        lost.after -= usize::from(here);
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..8_usize).prop_map(Step::AddThere),
        3 => (1..9_usize).prop_map(Step::DeleteThere),
        3 => (1..9_usize).prop_map(Step::DeleteHere),
        6 => Just(Step::Sync),
        1 => Just(Step::Audit),
        1 => Just(Step::SyncDown),
        2 => (0..5_usize, any::<bool>(), prop_oneof![Just(Then::Ends), Just(Then::Dies)])
            .prop_map(|(after, taken, then)| Step::SyncLost(Lost { after, taken, then })),
        1 => Just(Step::Approve),
        1 => Just(Step::Refuse),
        1 => Just(Step::UndoLast),
        1 => (1..100_i64).prop_map(Step::Wait),
        1 => (1..60_i64).prop_map(Step::SetBack),
    ]
}

/// Who has the lease between the runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Nobody,
    /// Somebody who writes nothing: what the last run left does not hold any more, and what is exact is read.
    Somebody,
}

struct Lab {
    store: Arc<HookedStore<Losing>>,
    world: World,
    remote: MemoryRemote,
    link: Link,
    between: Between,
    added: usize,
    held: Option<PlanId>,
}

impl Lab {
    async fn new(size: usize, between: Between) -> Self {
        let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::default()), Losing::default()));
        let mut lab = Self {
            world: World::new(store.clone(), 5),
            store,
            remote: MemoryRemote::default(),
            link: Link::new("home", "family", "memory"),
            between,
            added: 0,
            held: None,
        };
        lab.add_there(size);
        lab.sync(SyncOptions::default()).await;
        lab
    }

    fn add_there(&mut self, count: usize) {
        for n in self.added..self.added + count {
            self.remote.put(&format!("r{n:04}"), &event(&format!("u{n:04}"), "x"));
        }
        self.added += count;
    }

    async fn look_in(&self) {
        if self.between == Between::Somebody {
            let nothing = self.world.engine.retry_write(&self.link.id, &EventId::from("none")).await;
            assert!(matches!(nothing, Err(EngineError::UnknownWrite { .. })), "{nothing:?}");
        }
    }

    /// What became of a run, in words.
    async fn sync(&mut self, options: SyncOptions) -> String {
        self.look_in().await;
        self.world.clock.advance(TimeDelta::seconds(30));
        match self.world.engine.sync(&self.link, &self.remote, &options).await {
            Ok(report) => {
                self.held = report.plan.held.then_some(report.plan_id);
                format!("held {}, deleted {}", report.counts.held, report.counts.deleted)
            }
            Err(error) => error.to_string(),
        }
    }

    async fn take(&mut self, step: Step) -> String {
        let mut uids: Vec<String> = self.remote.items().into_values().map(|event| event.uid).collect();
        uids.sort();
        match step {
            Step::AddThere(count) => self.add_there(count),
            Step::DeleteThere(count) => {
                let items = self.remote.items();
                let first = |uid: &String| items.iter().find(|(_, event)| event.uid == *uid);
                for (id, _) in uids.iter().take(count).filter_map(first) {
                    self.remote.remove(id.as_str());
                }
            }
            Step::DeleteHere(count) => {
                let mut ours: Vec<String> =
                    self.world.locals().await.into_iter().map(|record| record.event.uid).collect();
                ours.sort();
                for uid in ours.iter().rev().take(count) {
                    self.world.delete(uid).await;
                }
            }
            Step::Sync => return self.sync(SyncOptions::default()).await,
            Step::Audit => {
                let mut options = SyncOptions::default();
                options.audit = true;
                return self.sync(options).await;
            }
            Step::SyncDown => {
                self.remote.fail("delete", RemoteFault::Before(ErrorKind::Unavailable));
                let told = self.sync(SyncOptions::default()).await;
                self.remote.forget_faults();
                return told;
            }
            Step::SyncLost(commit) => {
                self.store.hook.lose(commit);
                let told = self.sync(SyncOptions::default()).await;
                self.store.hook.keep();
                // Its lease runs out, if it died.
                self.world.clock.advance(TimeDelta::seconds(30));
                return told;
            }
            Step::Approve | Step::Refuse => {
                let Some(plan) = self.held.take() else { return String::new() };
                let options = SyncOptions::default();
                return self
                    .sync(match step {
                        Step::Approve => options.approving(plan),
                        _ => options.refusing(plan),
                    })
                    .await;
            }
            Step::UndoLast => {
                self.look_in().await;
                let undone = self.world.engine.undo_last(&self.link, &self.remote, 1).await;
                return undone.map_or_else(|error| error.to_string(), |undone| undone.len().to_string());
            }
            Step::Wait(hours) => self.world.clock.advance(TimeDelta::hours(hours)),
            Step::SetBack(hours) => {
                self.world.clock.advance(-TimeDelta::hours(hours));
                let told = self.sync(SyncOptions::default()).await;
                self.world.clock.advance(TimeDelta::hours(hours));
                return told;
            }
        }
        String::new()
    }

    async fn uids(&self) -> (Vec<String>, Vec<String>) {
        let mut here: Vec<String> =
            self.world.locals().await.into_iter().map(|record| record.event.uid).collect();
        let mut there: Vec<String> = self.remote.items().into_values().map(|event| event.uid).collect();
        here.sort();
        there.sort();
        (here, there)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    /// I07: the brake decides the same by the bounds of the last run as by all rows, whatever comes in between.
    #[test]
    fn i07_bounds_decide_as_what_is_exact(size in 3..60_usize, steps in vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut by_bounds = Lab::new(size, Between::Nobody).await;
            let mut exactly = Lab::new(size, Between::Somebody).await;
            for (index, step) in steps.iter().enumerate() {
                let (told, exact) = (by_bounds.take(*step).await, exactly.take(*step).await);
                prop_assert_eq!(told, exact, "step {} of {:?}", index, steps);
                prop_assert_eq!(by_bounds.uids().await, exactly.uids().await, "step {} of {:?}", index, steps);
            }
            Ok(())
        })?;
    }
}

/// What a worker deleted that died before it could say so counts: the bounds that the run before it left say nothing of that.
#[tokio::test]
async fn i07_what_a_dead_worker_deleted_counts() {
    for taken in [true, false] {
        let mut lab = Lab::new(40, Between::Nobody).await;
        lab.take(Step::DeleteThere(6)).await;
        let dies = Lost { after: 0, taken, then: Then::Dies };
        assert!(lab.take(Step::SyncLost(dies)).await.contains("commit"));
        assert_eq!(lab.uids().await.0.len(), if taken { 34 } else { 40 });
        lab.take(Step::DeleteThere(6)).await;
        assert_eq!(lab.take(Step::Sync).await, format!("held {}, deleted 0", if taken { 6 } else { 12 }));
    }
}
