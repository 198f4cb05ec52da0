//! What a run asks of the store: a handful of calls, whatever the size of the calendar.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    store::{MemoryStore, Result},
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;

/// Notes what a store is asked.
#[derive(Default)]
struct Noting(Mutex<Vec<String>>);

impl Noting {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl StoreHook for Noting {
    async fn at(&self, moment: Moment<'_>) -> Result<()> {
        if let Moment::Before(call) = moment {
            self.0.lock().unwrap().push(call.to_owned());
        }
        Ok(())
    }
}

struct Lab {
    store: Arc<HookedStore<Noting>>,
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    /// In step, after some runs.
    async fn of(size: usize) -> Self {
        let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::default()), Noting::default()));
        let lab = Self {
            world: World::new(store.clone(), 1),
            store,
            remote: MemoryRemote::default(),
            link: Link::new("home", "family", "memory"),
        };
        for n in 0..size {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "first"));
        }
        lab.sync().await;
        lab.sync().await;
        lab.store.hook.taken();
        lab
    }

    async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await.unwrap()
    }
}

const BEGIN: [&str; 5] = ["acquire_lease", "link", "events_since", "records Quarantine", "outbox"];

fn run_of(calls: &[&str]) -> Vec<String> {
    BEGIN.iter().chain(calls).map(|call| (*call).to_owned()).collect()
}

#[tokio::test]
async fn calls_follow_the_changes_and_not_the_calendar() {
    for size in [20, 600] {
        let lab = Lab::of(size).await;
        lab.sync().await;
        assert_eq!(lab.store.hook.taken(), run_of(&["commit of 1", "release_lease"]), "nothing to do");

        for n in 0..10 {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "edited"));
        }
        lab.sync().await;
        let decided = ["bases", "events", "commit of 31", "commit of 2", "release_lease"];
        assert_eq!(lab.store.hook.taken(), run_of(&decided), "ten edits there");

        for n in 0..10 {
            lab.world.edit(&format!("u{n}"), |event| body(event).title = Some("here".to_owned())).await;
        }
        lab.store.hook.taken();
        lab.sync().await;
        // Intents; what is sent; what was there, for the journal; answers; what the provider made of it, with the end of
        // the run.
        let sent =
            ["bases", "commit of 11", "outbox", "bases", "commit of 30", "commit of 12", "release_lease"];
        assert_eq!(lab.store.hook.taken(), run_of(&sent), "ten edits here");

        lab.sync().await;
        assert_eq!(lab.store.hook.taken(), run_of(&["commit of 1", "release_lease"]), "and nothing again");
    }
}
